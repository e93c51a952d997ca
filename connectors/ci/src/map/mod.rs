//! From what is delivered to activities. Everything here is a function of the delivery.

pub mod cdevents;
mod cloudevents;
pub mod github;
pub mod gitlab;
pub mod jenkins;
pub mod tekton;

use connector::{Activity, Whom, shown};
use event::Timestamp;
use event::vocabulary::About;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Reads a body, or a part of one.
pub(crate) fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|error| unlike(&error))
}

/// Reads what is parsed already.
pub(crate) fn shape<T: DeserializeOwned>(value: Value) -> Result<T, String> {
    serde_json::from_value(value).map_err(|error| unlike(&error))
}

/// Why something is not of its form; that may repeat a part of it.
fn unlike(error: &serde_json::Error) -> String {
    format!("the body is not of its form: {}", shown(&error.to_string()))
}

/// What a delivery tells, as far as it is of its form.
#[derive(Debug, Default, PartialEq)]
pub struct Told {
    /// What it tells.
    pub activities: Vec<Activity>,
    /// How many events there were.
    pub events: usize,
    /// Why some of them tell nothing.
    pub wrong: Vec<String>,
}

impl Told {
    /// What came of each event, in their order.
    pub(crate) fn of(read: impl IntoIterator<Item = Result<Option<Activity>, String>>) -> Self {
        let mut told = Self::default();
        for (at, read) in read.into_iter().enumerate() {
            told.events += 1;
            match read {
                Ok(activity) => told.activities.extend(activity),
                Err(why) => told.wrong.push(format!("event {at}: {why}")),
            }
        }
        told
    }
}

/// What a delivery of one event tells.
impl From<Option<Activity>> for Told {
    fn from(activity: Option<Activity>) -> Self {
        Self { activities: activity.into_iter().collect(), events: 1, wrong: Vec::new() }
    }
}

/// A type of CDEvents: `of("service.deployed")`.
pub(crate) fn of(name: &str) -> String {
    format!("dev.cdevents.{name}")
}

/// Whichever entity carries this annotation.
pub(crate) fn annotated(annotation: &str, value: &str) -> Whom {
    Whom::Annotated(About { annotation: annotation.into(), value: value.into() })
}

/// What is known of an activity, without what is not.
pub(crate) fn known<const N: usize>(members: [(&str, Value); N]) -> Map<String, Value> {
    let known = members.into_iter().filter(|(_, value)| !value.is_null() && *value != "");
    known.map(|(name, value)| (name.to_owned(), value)).collect()
}

/// An activity.
pub(crate) fn activity(
    name: &str,
    key: String,
    whom: Whom,
    time: Option<&str>,
    value: Map<String, Value>,
) -> Activity {
    let time = time.and_then(moment);
    Activity { activity: of(name), key, whom, value, pointer: None, time }
}

/// A time as RFC 3339 has it, or as GitLab writes it: `2016-08-12 15:23:28 UTC`,
/// `2021-04-28 21:50:00 +0200`.
pub(crate) fn moment(text: &str) -> Option<Timestamp> {
    if let Ok(time) = Timestamp::from_rfc3339(text) {
        return Some(time);
    }
    let (date, rest) = text.split_once(' ')?;
    let (clock, zone) = rest.split_once(' ')?;
    let zone = match zone {
        "UTC" => "Z".to_owned(),
        zone if zone.len() == 5 && zone.is_ascii() => format!("{}:{}", &zone[..3], &zone[3..]),
        _ => return None,
    };
    Timestamp::from_rfc3339(&format!("{date}T{clock}{zone}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_they_are_written() {
        for (text, expected) in [
            ("2016-08-12T15:23:28Z", Some("2016-08-12T15:23:28Z")),
            ("2016-08-12 15:23:28 UTC", Some("2016-08-12T15:23:28Z")),
            ("2021-04-28 21:50:00 +0200", Some("2021-04-28T19:50:00Z")),
            ("2021-04-28 21:50:00 CEST", None),
            ("yesterday", None),
            ("", None),
        ] {
            let expected = expected.map(|text| Timestamp::from_rfc3339(text).unwrap());
            assert_eq!(moment(text), expected, "{text}");
        }
    }
}
