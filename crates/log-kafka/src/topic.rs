//! The topic: made, and asked whether it keeps what a log promises.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::client::{Context, Health};
use crate::error::OpenError;
use crate::options::{Form, Options, refused};

/// How long brokers get to answer.
const ANSWER: Duration = Duration::from_secs(30);

/// What a topic has to be made with.
fn configs(form: Form) -> Vec<(&'static str, String)> {
    let mut configs = vec![
        ("cleanup.policy", if form == Form::State { "compact" } else { "delete" }.to_owned()),
        ("max.message.bytes", form.message_bytes_max().to_string()),
        ("unclean.leader.election.enable", "false".into()),
    ];
    if form != Form::State {
        // What is compacted is not asked how long it is kept.
        configs.insert(1, ("retention.bytes", "-1".into()));
        configs.insert(1, ("retention.ms", "-1".into()));
    }
    configs
}

/// The same as options of `kafka-topics --create`.
fn create_options(form: Form) -> String {
    let options = configs(form).into_iter().map(|(name, value)| format!("--config {name}={value}"));
    options.collect::<Vec<_>>().join(" ")
}

/// Whether a topic's value of a config will do.
fn holds(name: &str, found: &str, wanted: &str) -> bool {
    match (name, wanted.parse::<u64>()) {
        ("max.message.bytes", Ok(least)) => found.parse::<u64>().is_ok_and(|it| it >= least),
        _ => found == wanted,
    }
}

/// Makes the topic, if that is wanted, and looks whether it keeps what a log promises.
pub(crate) fn check(options: &Options) -> Result<(), OpenError> {
    let context = Context { health: Arc::new(Health::default()) };
    let admin = AdminClient::from_config_and_context(&options.admin(), context)
        .map_err(|error| OpenError::Options(refused(error)))?;
    let fault = |step| {
        let topic = options.topic.clone();
        move |source| OpenError::Kafka { topic, step, source }
    };
    let partitions = || -> Result<Option<usize>, OpenError> {
        let all = admin.inner().fetch_metadata(None, ANSWER);
        // All topics are asked for: asking for one that is not there would make it, on brokers
        // that are set so.
        let all = all.map_err(fault("be asked for"))?;
        let Some(topic) = all.topics().iter().find(|topic| topic.name() == options.topic) else {
            return Ok(None);
        };
        match topic.error().map(RDKafkaErrorCode::from) {
            None => Ok(Some(topic.partitions().len())),
            Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => {
                Ok(None)
            }
            Some(RDKafkaErrorCode::LeaderNotAvailable) => Ok(Some(topic.partitions().len())),
            Some(code) => Err(fault("be asked for")(KafkaError::MetadataFetch(code))),
        }
    };
    let found = match partitions()? {
        Some(found) => found,
        None if options.create => {
            create(&admin, options)?;
            1
        }
        None => {
            let (topic, configs) = (options.topic.clone(), create_options(options.form));
            return Err(OpenError::NoTopic { topic, place: options.form.place(), configs });
        }
    };
    if found > 1 {
        let (topic, configs) = (options.topic.clone(), create_options(options.form));
        return Err(OpenError::Partitions { topic, found, form: options.form, configs });
    }
    check_configs(&admin, options)
}

fn create(admin: &AdminClient<Context>, options: &Options) -> Result<(), OpenError> {
    let configs = configs(options.form);
    // As many replicas as the brokers give any topic.
    let mut topic = NewTopic::new(&options.topic, 1, TopicReplication::Fixed(-1));
    for (name, value) in &configs {
        topic = topic.set(name, value);
    }
    let admin_options = AdminOptions::new().operation_timeout(Some(ANSWER));
    let fault = |source| {
        let topic = options.topic.clone();
        OpenError::Kafka { topic, step: "be made", source }
    };
    let results = wait_for(admin.create_topics([&topic], &admin_options)).map_err(fault)?;
    for result in results {
        match result {
            // Another node was faster.
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((_, code)) => return Err(fault(KafkaError::AdminOp(code))),
        }
    }
    tracing::info!(topic = options.topic, "the topic is made");
    Ok(())
}

fn check_configs(admin: &AdminClient<Context>, options: &Options) -> Result<(), OpenError> {
    let fault = |source| {
        let topic = options.topic.clone();
        OpenError::Kafka { topic, step: "be asked for its configuration", source }
    };
    let specifier = ResourceSpecifier::Topic(&options.topic);
    let admin_options = AdminOptions::new().request_timeout(Some(ANSWER));
    let mut tries = 0;
    let found = loop {
        let found =
            wait_for(admin.describe_configs([&specifier], &admin_options)).map_err(fault)?;
        match found.into_iter().next() {
            Some(Ok(found)) if found.get("cleanup.policy").is_some() => break found,
            // A topic that was just made is not known to every broker yet.
            Some(Ok(_) | Err(RDKafkaErrorCode::UnknownTopicOrPartition)) if tries < 100 => {
                tries += 1;
                std::thread::park_timeout(Duration::from_millis(100));
            }
            Some(Err(code)) => return Err(fault(KafkaError::AdminOp(code))),
            Some(Ok(_)) | None => return Err(fault(KafkaError::NoMessageReceived)),
        }
    };
    let mut wrong = Vec::new();
    let mut right = Vec::new();
    for (name, wanted) in configs(options.form) {
        let value = found.get(name).and_then(|entry| entry.value.as_deref()).unwrap_or_default();
        if !holds(name, value, &wanted) {
            wrong.push(format!("{name}={value}"));
            right.push(format!("{name}={wanted}"));
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    let (topic, form) = (options.topic.clone(), options.form);
    Err(OpenError::Unfit { topic, form, found: wrong.join(", "), configs: right.join(",") })
}

/// Waits for a future of librdkafka, which wakes from a thread of its own.
fn wait_for<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = TaskContext::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}
