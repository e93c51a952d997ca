//! The configuration.
//!
//! It is YAML; unknown keys are errors that name the nearest known one. In texts, `${NAME}` is
//! replaced by an environment variable, and a text that begins with `$file:` by what stands in that
//! file. What was put in so is never printed. Paths are relative to the folder of the file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use api::{Cors, Permission, Token, Tokens};
use event::vocabulary::{Orphans, ScopeName};
use model::kinds::{CustomKind, Kinds};
use proof::SignerKey;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::cli::BACKUPS_KEPT;
use crate::connectors::{self, Connector};
use crate::exit::Wrong;
use crate::port::SCOPE_PREFIX;

/// The keys that a configuration may have.
pub(crate) const KEYS: [&str; 11] = [
    "server",
    "data",
    "memory_max",
    "log",
    "identity",
    "connectors",
    "kinds",
    "orphans",
    "withdrawals",
    "reading",
    "backup",
];

/// The whole configuration.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    pub(crate) server: Server,
    pub(crate) data: Option<PathBuf>,
    pub(crate) memory_max: Option<Bytes>,
    pub(crate) log: LogConfig,
    pub(crate) identity: IdentityConfig,
    /// Each is read by its connector once its kind is known.
    pub(crate) connectors: Vec<Value>,
    pub(crate) kinds: Vec<CustomKind>,
    pub(crate) orphans: Orphans,
    pub(crate) withdrawals: Withdrawals,
    /// Which hosts the targets of locations may be read from.
    pub(crate) reading: urls::Config,
    pub(crate) backup: BackupConfig,
    /// The folder that its paths are relative to.
    #[serde(skip)]
    pub(crate) folder: PathBuf,
}

/// Where to listen, and to whom.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Server {
    pub(crate) listen: Option<String>,
    pub(crate) tokens: Vec<TokenConfig>,
    pub(crate) cors: CorsConfig,
}

/// Which pages of other sites may ask.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct CorsConfig {
    origins: Vec<String>,
    credentials: bool,
    max_age_s: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenConfig {
    name: String,
    secret: String,
    may: Vec<Permission>,
    /// The scopes that it may hand documents in for; all where absent.
    scopes: Option<Vec<ScopeName>>,
}

impl std::fmt::Debug for TokenConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenConfig").field("name", &self.name).finish_non_exhaustive()
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LogConfig {
    pub(crate) kind: LogKind,
    /// The name in the log's checkpoints, if the log is made now.
    pub(crate) origin: Option<String>,
    pub(crate) kafka: Option<KafkaConfig>,
}

/// A log on Kafka.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KafkaConfig {
    #[serde(default = "default_topic")]
    topic: String,
    #[serde(default)]
    create: bool,
    /// Properties of librdkafka: texts, numbers, true and false.
    properties: BTreeMap<String, Value>,
    /// The topic that holds each entity as it is.
    state: Option<BesideConfig>,
    /// The topic that holds every change.
    changes: Option<BesideConfig>,
}

/// A topic beside the log, on the same brokers.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct BesideConfig {
    topic: String,
    #[serde(default)]
    create: bool,
}

fn default_topic() -> String {
    "annals.events".into()
}

impl std::fmt::Debug for KafkaConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Properties may be secrets.
        f.debug_struct("KafkaConfig").field("topic", &self.topic).finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogKind {
    #[default]
    Embedded,
    Kafka,
}

/// What the log is signed with.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct IdentityConfig {
    key: Option<String>,
}

impl std::fmt::Debug for IdentityConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IdentityConfig").finish_non_exhaustive()
    }
}

/// Where backups are made when the API is asked for one.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct BackupConfig {
    pub(crate) folder: Option<PathBuf>,
    pub(crate) keep: usize,
}

impl Default for BackupConfig {
    fn default() -> Self {
        Self { folder: None, keep: BACKUPS_KEPT }
    }
}

/// What withdrawals pass without being asked about.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Withdrawals {
    pub(crate) percent_max: u8,
    pub(crate) count_min: u64,
}

impl Default for Withdrawals {
    fn default() -> Self {
        let guard = ingest::Guard::default();
        Self { percent_max: guard.percent_max, count_min: guard.count_min }
    }
}

/// An amount of memory: a number of bytes, or `512MiB`, `2GiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bytes(pub(crate) usize);

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let bytes = match &value {
            Value::Number(number) => number.as_u64().and_then(|bytes| usize::try_from(bytes).ok()),
            Value::String(text) => amount(text),
            _ => None,
        };
        bytes.map(Self).ok_or_else(|| {
            serde::de::Error::custom("expected an amount of memory, such as 512MiB or 2GiB")
        })
    }
}

fn amount(text: &str) -> Option<usize> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: usize = text[..end].parse().ok()?;
    let unit = match text[end..].trim() {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(unit)
}

impl Config {
    /// Reads a configuration.
    pub(crate) fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read(path).map_err(|error| {
            Wrong(format!("the configuration {} can't be read: {error}", path.display()))
        })?;
        let folder = path.parent().unwrap_or(Path::new("."));
        Self::parse(&text, folder)
            .with_context(|| format!("the configuration {} can't be used", path.display()))
    }

    /// Reads a configuration from its text; files that it names are looked for from a folder on.
    pub(crate) fn parse(text: &[u8], folder: &Path) -> Result<Self> {
        let mut documents = model::yaml::read(text, &model::yaml::Limits::default()).into_iter();
        let mut value = match (documents.next(), documents.next()) {
            (None, _) => return Ok(Self::default()),
            (Some(Ok(document)), None) => document.value,
            (Some(Err(error)), _) => return Err(Wrong(error.to_string()).into()),
            (Some(Ok(_)), Some(_)) => {
                return Err(Wrong("it has more than one document".into()).into());
            }
        };
        put_in(&mut value, "", folder)?;
        let mut config: Self = read(value)?;
        config.folder = folder.to_owned();
        config.data = config.data.map(|data| folder.join(data));
        config.backup.folder = config.backup.folder.map(|to| folder.join(to));
        config.kinds()?;
        config.tokens()?;
        config.cors()?;
        config.identity()?;
        config.topics()?;
        config.connectors()?;
        Ok(config)
    }

    /// The kinds that are known: Backstage's and the user's own.
    pub(crate) fn kinds(&self) -> Result<Kinds> {
        Kinds::new(self.kinds.clone()).map_err(|error| Wrong(error.to_string()).into())
    }

    /// The key that the log is signed with, if it is given.
    pub(crate) fn identity(&self) -> Result<Option<SignerKey>> {
        self.identity.key.as_deref().map(crate::identity::parse).transpose()
    }

    /// The topic that holds the log, if it is on Kafka.
    pub(crate) fn kafka(&self) -> Result<Option<log_kafka::Options>> {
        let wrong = |why: String| anyhow::Error::from(Wrong(format!("log.kafka: {why}")));
        let kafka = match (self.log.kind, &self.log.kafka) {
            (LogKind::Embedded, None) => return Ok(None),
            (LogKind::Embedded, Some(_)) => return Err(wrong("`log.kind` is not kafka".into())),
            (LogKind::Kafka, None) => {
                let why = "it is missing; it says how the brokers are reached, for instance \
                           {properties: {bootstrap.servers: \"127.0.0.1:9092\"}}";
                return Err(wrong(why.into()));
            }
            (LogKind::Kafka, Some(kafka)) => kafka,
        };
        let mut properties = BTreeMap::new();
        for (key, value) in &kafka.properties {
            let text = match value {
                Value::String(text) => text.clone(),
                Value::Number(number) => number.to_string(),
                Value::Bool(bool) => bool.to_string(),
                _ => return Err(wrong(format!("properties.{key} is neither text nor number"))),
            };
            properties.insert(key.clone(), text);
        }
        let options = log_kafka::Options::new(&kafka.topic, kafka.create, properties);
        options.map(Some).map_err(|error| wrong(error.to_string()))
    }

    /// The topics beside the log that the leading node writes.
    pub(crate) fn topics(&self) -> Result<Vec<log_kafka::Options>> {
        let (Some(log), Some(kafka)) = (self.kafka()?, &self.log.kafka) else {
            return Ok(Vec::new());
        };
        let mut all: Vec<log_kafka::Options> = Vec::new();
        for (place, form, beside) in [
            ("state", log_kafka::Form::State, &kafka.state),
            ("changes", log_kafka::Form::Changes, &kafka.changes),
        ] {
            let Some(beside) = beside else { continue };
            let wrong = |error| Wrong(format!("log.kafka.{place}: {error}"));
            let options = log.beside(&beside.topic, beside.create, form).map_err(wrong)?;
            if all.iter().any(|other| other.topic == options.topic) {
                return Err(wrong(log_kafka::OptionsError::Taken(options.topic)).into());
            }
            all.push(options);
        }
        Ok(all)
    }

    /// Which pages of other sites may ask.
    pub(crate) fn cors(&self) -> Result<Cors> {
        let CorsConfig { origins, credentials, max_age_s } = &self.server.cors;
        Cors::new(origins, *credentials, *max_age_s)
            .map_err(|error| Wrong(format!("server.cors: {error}")).into())
    }

    /// The connectors.
    pub(crate) fn connectors(&self) -> Result<Vec<Connector>> {
        connectors::read(&self.connectors, &self.folder)
    }

    /// The tokens.
    pub(crate) fn tokens(&self) -> Result<Tokens> {
        let mut tokens = Vec::new();
        for (at, token) in self.server.tokens.iter().enumerate() {
            let place = format!("server.tokens[{at}]");
            if token.name.is_empty() || !token.name.bytes().all(|b| b.is_ascii_graphic()) {
                let why = "must be printable ASCII without spaces";
                return Err(Wrong(format!("{place}.name {why}")).into());
            }
            if token.secret.len() < 16 {
                let why = "must have at least 16 characters";
                return Err(Wrong(format!("{place}.secret {why}")).into());
            }
            let made = Token::new(token.name.clone(), &token.secret, token.may.clone());
            let Some(scopes) = &token.scopes else {
                tokens.push(made);
                continue;
            };
            if !token.may.contains(&Permission::Ingest) || token.may.contains(&Permission::Admin) {
                let why = "are of a token that may ingest, and not of one that may administer";
                return Err(Wrong(format!("{place}.scopes {why}")).into());
            }
            if scopes.is_empty() || !scopes.iter().all(|of| of.as_str().starts_with(SCOPE_PREFIX)) {
                let why = "name at least one scope, and only such as begin with `ingest/`";
                return Err(Wrong(format!("{place}.scopes {why}")).into());
            }
            tokens.push(made.bound_to(scopes.clone()));
        }
        Ok(Tokens::new(tokens))
    }
}

/// The API versions of the user's own kinds, by which files in folders are told to be a catalog's.
pub(crate) fn own_api_versions(kinds: &Kinds) -> Vec<String> {
    kinds.custom().flat_map(|kind| kind.api_versions.iter().cloned()).collect()
}

/// Reads a part of the configuration, with errors that name the place and the nearest known key.
pub(crate) fn read<T: DeserializeOwned>(value: Value) -> Result<T> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let place = error.path().to_string();
        let text = error.inner().to_string();
        let place = if place == "." { String::new() } else { format!("{place}: ") };
        Wrong(format!("{place}{}", with_nearest(&text))).into()
    })
}

/// Serde says `unknown field `a`, expected one of `b`, `c``, or the like for variants: the nearest
/// of those is what was meant, most often.
fn with_nearest(text: &str) -> String {
    let mut names = text.split('`').skip(1).step_by(2);
    let unknown = text.starts_with("unknown field") || text.starts_with("unknown variant");
    let (true, Some(found)) = (unknown, names.next()) else { return text.to_owned() };
    let known: Vec<&str> = names.collect();
    let what = if text.starts_with("unknown field") { "unknown key" } else { "unknown value" };
    match model::nearest::nearest(found, known.iter().copied()) {
        Some(nearest) => format!("{what} `{found}`, did you mean `{nearest}`?"),
        None => format!("{what} `{found}`, known are: {}", known.join(", ")),
    }
}

/// Puts environment variables and files in.
fn put_in(value: &mut Value, place: &str, folder: &Path) -> Result<()> {
    match value {
        Value::String(text) => {
            *text = resolve(text, place, folder)?;
            Ok(())
        }
        Value::Array(items) => items
            .iter_mut()
            .enumerate()
            .try_for_each(|(at, item)| put_in(item, &format!("{place}[{at}]"), folder)),
        Value::Object(members) => members.iter_mut().try_for_each(|(key, member)| {
            let dot = if place.is_empty() { "" } else { "." };
            // JSON schemas of kinds may hold what looks like a variable.
            if place.is_empty() && key == "kinds" {
                return Ok(());
            }
            put_in(member, &format!("{place}{dot}{key}"), folder)
        }),
        _ => Ok(()),
    }
}

fn resolve(text: &str, place: &str, folder: &Path) -> Result<String> {
    if let Some(path) = text.strip_prefix("$file:") {
        let path = folder.join(path);
        let read = std::fs::read_to_string(&path).map_err(|error| {
            Wrong(format!("{place}: {} can't be read: {error}", path.display()))
        })?;
        return Ok(read.trim_end().to_owned());
    }
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, behind) =
            after.split_once('}').ok_or_else(|| Wrong(format!("{place}: `${{` without `}}`")))?;
        let value = std::env::var(name)
            .map_err(|_| Wrong(format!("{place}: the environment variable {name} is not set")))?;
        out.push_str(before);
        out.push_str(&value);
        rest = behind;
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config> {
        Config::parse(text.as_bytes(), Path::new("."))
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        for (text, says) in [
            ("sever: {}", "unknown key `sever`, did you mean `server`?"),
            ("server: {listn: x}", "server.listn: unknown key `listn`, did you mean `listen`?"),
            ("log: {kind: embeded}", "log.kind: unknown value `embeded`, did you mean `embedded`?"),
            ("log: {kind: kafka}", "log.kafka: it is missing"),
            ("log: {kafka: {properties: {}}}", "log.kafka: `log.kind` is not kafka"),
            ("log: {kind: kafka, kafka: {properties: {}}}", "`bootstrap.servers` is missing"),
            (
                "log: {kind: kafka, kafka: {properties: {bootstrap.servers: 'a:1', acks: 0}}}",
                "log.kafka: the property `acks` can't be set",
            ),
            ("zzz: 1", "unknown key `zzz`, known are: server"),
            ("memory_max: lots", "memory_max: expected an amount of memory"),
            (
                "server: {tokens: [{name: a, secret: short, may: []}]}",
                "server.tokens[0].secret must",
            ),
            (
                "server: {tokens: [{name: a, secret: 0123456789abcdef, may: [read], scopes: [ingest/a]}]}",
                "server.tokens[0].scopes are of a token that may ingest",
            ),
            (
                "server: {tokens: [{name: a, secret: 0123456789abcdef, may: [ingest], scopes: [files/a]}]}",
                "server.tokens[0].scopes name at least one scope",
            ),
            ("connectors: [{kind: proces}]", "unknown kind of connector `proces`, did you mean"),
            ("connectors: [{id: a}]", "connectors[0]: `kind` is missing"),
            (
                "connectors: [{kind: process, id: a, command: [x]}, {kind: process, id: a, command: [y]}]",
                "connectors[1]: there is a connector process/a already",
            ),
            ("server: {cors: {origins: [example.org]}}", "server.cors: `example.org` is not an"),
            ("server: {cors: {origins: ['*'], credentials: true}}", "name the origins"),
            ("data: ${ANNALS_TEST_NOT_SET}", "data: the environment variable ANNALS_TEST_NOT_SET"),
            ("data: $file:/nowhere/at/all", "data: /nowhere/at/all can't be read"),
            ("identity: {key: PRIVATE+KEY+x}", "identity.key: it is not a key by which"),
            ("data: [", "line 1"),
            ("a: 1\n---\nb: 2", "more than one document"),
            ("kinds: [{kind: Component, apiVersion: a/v1}]", "kinds[0]"),
        ] {
            let error = parse(text).expect_err(text);
            let said = format!("{error:#}");
            assert!(said.contains(says), "{text}: {said}");
            assert_eq!(crate::exit::code_of(&error), crate::exit::Exit::Wrong);
        }
    }

    #[test]
    fn secrets_are_put_in_and_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("secret"), "a secret of many letters\n").unwrap();
        let text = "server: {tokens: [{name: ci, secret: $file:secret, may: [read]}]}\n\
                    memory_max: 2GiB\ndata: /data/${PATH}/x";
        let config = Config::parse(text.as_bytes(), folder.path()).unwrap();
        assert_eq!(config.server.tokens[0].secret, "a secret of many letters");
        assert_eq!(config.memory_max, Some(Bytes(2 << 30)));
        assert!(!format!("{config:?}").contains("letters"));
        let path = std::env::var("PATH").unwrap();
        assert_eq!(config.data, Some(PathBuf::from(format!("/data/{path}/x"))));
    }

    #[test]
    fn the_examples_are_configurations_and_show_every_key() {
        let folder = Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("../../config");
        let mut shown = String::new();
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            shown.push_str(&std::fs::read_to_string(&path).unwrap());
            let config = Config::load(&path).unwrap();
            assert!(!config.connectors().unwrap().is_empty());
        }
        for key in KEYS {
            assert!(shown.contains(&format!("\n{key}:")), "{key}");
        }
    }

    #[test]
    fn the_keys_are_those_that_are_read() {
        let error = serde_json::from_str::<Config>(r#"{"zzz": 1}"#).expect_err("no such key");
        let names = error.to_string();
        let names: Vec<&str> = names.split('`').skip(3).step_by(2).collect();
        assert_eq!(names, KEYS);
    }

    #[test]
    fn nothing_at_all_is_a_configuration() {
        assert!(parse("").unwrap().connectors.is_empty());
    }
}
