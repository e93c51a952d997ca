//! What the connector is configured with.

use std::time::Duration;

use serde::Deserialize;

use crate::Error;
use crate::allow::Allow;

/// How often a target is read where nothing else is configured.
const POLL_SECONDS: u64 = 120;

/// The shortest and the longest time between two looks.
const POLL_SECONDS_MIN: u64 = 1;
const POLL_SECONDS_MAX: u64 = 86_400;

/// The part `reading` of the configuration: `{allow: [raw.example.com], poll_seconds: 120}`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub struct Config {
    pub(crate) allow: Vec<Allow>,
    pub(crate) poll: Duration,
}

/// As it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename = "Config")]
struct Written {
    #[serde(default)]
    allow: Vec<String>,
    #[serde(default = "poll_seconds")]
    poll_seconds: u64,
}

fn poll_seconds() -> u64 {
    POLL_SECONDS
}

impl Default for Config {
    fn default() -> Self {
        Self { allow: Vec::new(), poll: Duration::from_secs(POLL_SECONDS) }
    }
}

impl TryFrom<Written> for Config {
    type Error = Error;

    fn try_from(Written { allow, poll_seconds: seconds }: Written) -> Result<Self, Error> {
        let (min, max) = (POLL_SECONDS_MIN, POLL_SECONDS_MAX);
        if !(min..=max).contains(&seconds) {
            return Err(Error::Poll { seconds, min, max });
        }
        let allow = allow.iter().map(|text| Allow::parse(text)).collect::<Result<_, _>>()?;
        Ok(Self { allow, poll: Duration::from_secs(seconds) })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn configurations() {
        let read = |value: Value| serde_json::from_value::<Config>(value);
        assert_eq!(read(json!({})).unwrap(), Config::default());
        let full = read(json!({"allow": ["a.example", "127.0.0.1:1"], "poll_seconds": 5})).unwrap();
        assert_eq!((full.allow.len(), full.poll.as_secs()), (2, 5));
        for (value, expected) in [
            (json!({"allow": ["https://x"]}), "`https://x` names no host"),
            (json!({"poll_seconds": 0}), "`poll_seconds` is 0, and has to be 1 to 86400"),
            (json!({"alow": []}), "unknown field `alow`"),
        ] {
            let error = read(value).expect_err("no configuration").to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
