import java.lang.management.ManagementFactory;
import java.util.Locale;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * What a Kafka Streams application does that keeps the last document of each entity, and nothing
 * else: a read and a write of a RocksDB store a record, with the store's own change log.
 * Arguments: servers, topic, records, processing guarantee, folder. Prints the seconds from the
 * first record to the last, and the CPU seconds of the process.
 */
public final class KeyedUpsert {
  private static final String STORE = "documents";
  private static final CountDownLatch DONE = new CountDownLatch(1);
  private static volatile long begun;
  private static volatile long ended;

  private KeyedUpsert() {}

  private static final class Upsert implements Processor<byte[], byte[], Void, Void> {
    private final long last;
    private ProcessorContext<Void, Void> context;
    private KeyValueStore<String, byte[]> store;

    Upsert(long records) {
      last = records - 1;
    }

    @Override
    public void init(ProcessorContext<Void, Void> context) {
      this.context = context;
      store = context.getStateStore(STORE);
    }

    @Override
    public void process(Record<byte[], byte[]> record) {
      if (begun == 0) {
        begun = System.nanoTime();
      }
      var subject = record.headers().lastHeader("ce_subject");
      if (subject != null) {
        var key = new String(subject.value(), java.nio.charset.StandardCharsets.UTF_8);
        store.get(key);
        store.put(key, record.value());
      }
      if (context.recordMetadata().map(metadata -> metadata.offset()).orElse(0L) >= last) {
        ended = System.nanoTime();
        DONE.countDown();
      }
    }
  }

  public static void main(String[] args) throws InterruptedException {
    var properties = new Properties();
    properties.put(StreamsConfig.APPLICATION_ID_CONFIG, "keyed-upsert-" + args[3] + System.nanoTime());
    properties.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, args[0]);
    properties.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, args[3]);
    properties.put(StreamsConfig.STATE_DIR_CONFIG, args[4]);
    properties.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
    properties.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
    long records = Long.parseLong(args[2]);
    var topology = new Topology();
    topology.addSource("in", new ByteArrayDeserializer(), new ByteArrayDeserializer(), args[1]);
    topology.addProcessor("upsert", () -> new Upsert(records), "in");
    var store = Stores.persistentKeyValueStore(STORE);
    topology.addStateStore(
        Stores.keyValueStoreBuilder(store, Serdes.String(), Serdes.ByteArray()), "upsert");
    var streams = new KafkaStreams(topology, properties);
    streams.start();
    DONE.await();
    streams.close();
    var system = (com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    System.out.printf(Locale.ROOT, "%.3f %.3f%n", (ended - begun) / 1e9, system.getProcessCpuTime() / 1e9);
  }
}
