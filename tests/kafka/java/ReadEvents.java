import io.cloudevents.CloudEvent;
import io.cloudevents.kafka.CloudEventDeserializer;
import io.cloudevents.kafka.KafkaMessageFactory;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;

/**
 * Reads topics to their ends with the Java client, as CloudEvents. Arguments: servers, topics.
 * Prints a line for each message: topic, offset, key, id, source, type, subject, and the length of
 * the data in bytes; `-` for what is not there.
 */
public final class ReadEvents {
  private ReadEvents() {}

  public static void main(String[] args) {
    Map<String, Object> config = Map.of("bootstrap.servers", args[0]);
    try (KafkaConsumer<String, CloudEvent> consumer =
        new KafkaConsumer<>(config, new StringDeserializer(), new CloudEventDeserializer())) {
      for (int at = 1; at < args.length; at++) {
        TopicPartition topic = new TopicPartition(args[at], 0);
        long end = consumer.endOffsets(List.of(topic)).get(topic);
        consumer.assign(List.of(topic));
        consumer.seekToBeginning(List.of(topic));
        while (consumer.position(topic) < end) {
          for (ConsumerRecord<String, CloudEvent> record : consumer.poll(Duration.ofSeconds(10))) {
            print(record);
          }
        }
      }
    }
  }

  private static void print(ConsumerRecord<String, CloudEvent> record) {
    CloudEvent event = record.value();
    if (event == null) {
      // The client has no value to hand out of a tombstone; what it is of stands in the headers.
      event = KafkaMessageFactory.createReader(record.headers(), null).toEvent();
    }
    String data = event.getData() == null ? "-" : "" + event.getData().toBytes().length;
    String line = String.join(" ", record.topic(), "" + record.offset(), text(record.key()),
        event.getId(), event.getSource().toString(), event.getType(), text(event.getSubject()), data);
    System.out.println(new String(line.getBytes(StandardCharsets.UTF_8), StandardCharsets.UTF_8));
  }

  private static String text(String text) {
    return text == null ? "-" : text;
  }
}
