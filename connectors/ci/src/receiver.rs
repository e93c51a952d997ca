//! Taking deliveries.

use std::borrow::Cow;

use bytes::Bytes;
use connector::{Activity, EmitError, Emitter, Said, shown};
use data_encoding::BASE64;

use crate::map::{Told, cdevents, github, gitlab, jenkins, tekton};
use crate::projects::Projects;
use crate::seen::{ID_BYTES_MAX, Seen};
use crate::verify::{is_secret, is_signed};
use crate::{Config, From};

/// One delivery, as it came over HTTP.
#[derive(Clone, Debug, Default)]
pub struct Delivery {
    /// Its headers, with names in lower case.
    pub headers: Vec<(String, String)>,
    /// The secret, where it stands in the URL: not everybody can send headers.
    pub token: Option<String>,
    /// Its body, as it came.
    pub body: Bytes,
}

impl Delivery {
    /// A header by its name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(of, _)| of == name).map(|(_, value)| value.as_str())
    }
}

/// What came of a delivery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// How many activities were new.
    pub new: u64,
    /// How many were known already.
    pub known: u64,
}

/// Why a delivery was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is not from whom it should be.
    #[error("the delivery is not signed as it should be, or its token is wrong")]
    Forged,
    /// It was taken before.
    #[error("the delivery `{id}` was taken before")]
    Replayed {
        /// Its id.
        id: String,
    },
    /// It can't be understood.
    #[error("{why}")]
    Malformed {
        /// Why.
        why: String,
    },
    /// Some of its events can't be understood or kept; what the others tell is durable.
    #[error("{why}; what the other events tell is taken")]
    Partly {
        /// What is taken.
        taken: Taken,
        /// Why the rest is not.
        why: String,
    },
    /// The catalog does not take it now; it may come again.
    #[error(transparent)]
    NotNow(#[from] EmitError),
}

/// What stands before a delivery's id in the pointers of what it told.
const POINTER: &str = "delivery ";

/// The id of the delivery that a pointer names, if it names one.
#[must_use]
pub fn delivery_of(pointer: &str) -> Option<&str> {
    pointer.strip_prefix(POINTER)
}

/// Where a connector's deliveries arrive.
pub struct Receiver {
    config: Config,
    emitter: Emitter,
    seen: Seen,
    projects: Projects,
}

impl Receiver {
    /// A receiver that emits here.
    #[must_use]
    pub fn new(config: Config, emitter: Emitter) -> Self {
        Self { config, emitter, seen: Seen::default(), projects: Projects::default() }
    }

    /// The same, that knows what whoever asks finds out.
    #[must_use]
    pub fn knowing(self, projects: Projects) -> Self {
        Self { projects, ..self }
    }

    /// These deliveries were taken before this receiver was there, the latest last.
    pub fn remember<'a>(&self, ids: impl IntoIterator<Item = &'a str>) {
        for id in ids {
            self.seen.remember(id);
        }
    }

    /// Takes a delivery: returns once what it tells is durable.
    ///
    /// # Errors
    /// When it is forged, replayed or not understood, or can't be appended.
    pub async fn take(&self, delivery: &Delivery) -> Result<Taken, Refused> {
        if !self.is_genuine(delivery) {
            return Err(Refused::Forged);
        }
        let id = self.id(delivery)?;
        let Told { activities, events, wrong } =
            self.read(delivery, id).map_err(|why| Refused::Malformed { why })?;
        let claim = match id.map(|id| self.seen.claim(id).ok_or(id)).transpose() {
            Ok(claim) => claim,
            Err(id) => return Err(Refused::Replayed { id: id.to_owned() }),
        };
        let taken = self.append(activities, events, wrong).await?;
        if let Some(claim) = claim {
            claim.keep();
        }
        Ok(taken)
    }

    async fn append(
        &self,
        activities: Vec<Activity>,
        events: usize,
        mut wrong: Vec<String>,
    ) -> Result<Taken, Refused> {
        let mut taken = Taken::default();
        if !activities.is_empty() {
            let count = activities.len() as u64;
            let said = activities.into_iter().map(Said::Happened).collect();
            let outcome = self.emitter.say(said).await?;
            taken.new = outcome.changed;
            taken.known = count.saturating_sub(outcome.changed + outcome.refused);
            let refused = outcome.refusals.into_iter();
            wrong.extend(refused.map(|refused| format!("{}: {}", refused.what, refused.message)));
        }
        let Some(first) = wrong.first() else { return Ok(taken) };
        let why = match wrong.len() - 1 {
            0 => shown(first),
            more => format!("{}; and {more} more", shown(first)),
        };
        Err(if wrong.len() < events {
            Refused::Partly { taken, why }
        } else {
            Refused::Malformed { why }
        })
    }

    fn is_genuine(&self, delivery: &Delivery) -> bool {
        let Some(secret) = &self.config.secret else { return false };
        match self.config.from {
            From::GitHub => delivery
                .header("x-hub-signature-256")
                .is_some_and(|signature| is_signed(signature, secret, &delivery.body)),
            From::GitLab => {
                delivery.header("x-gitlab-token").is_some_and(|token| is_secret(token, secret))
            }
            From::Jenkins | From::CdEvents | From::Tekton => {
                let shown = delivery.header("authorization").and_then(password);
                let given = shown.as_deref().or(delivery.token.as_deref());
                given.is_some_and(|token| is_secret(token, secret))
            }
        }
    }

    /// The delivery's id, of those who send one.
    fn id<'a>(&self, delivery: &'a Delivery) -> Result<Option<&'a str>, Refused> {
        let malformed = |why: &str| Err(Refused::Malformed { why: why.to_owned() });
        let id = match self.config.from {
            From::GitHub => delivery.header("x-github-delivery"),
            From::GitLab => delivery.header("idempotency-key"),
            From::Jenkins | From::CdEvents | From::Tekton => None,
        };
        match id {
            None if self.config.from == From::GitHub => malformed("X-GitHub-Delivery is missing"),
            Some(id) if id.is_empty() || id.len() > ID_BYTES_MAX => {
                malformed("the delivery's id has no bytes, or too many")
            }
            id => Ok(id),
        }
    }

    fn read(&self, delivery: &Delivery, id: Option<&str>) -> Result<Told, String> {
        let body = &delivery.body;
        let kind = delivery.header("content-type").unwrap_or_default();
        let attribute = |name: &str| delivery.header(&format!("ce-{name}"));
        let mut told: Told = match self.config.from {
            From::GitHub => {
                let event = delivery.header("x-github-event").ok_or("X-GitHub-Event is missing")?;
                github::read(event, body)?.into()
            }
            From::GitLab => gitlab::read(body)?.into(),
            From::Jenkins => jenkins::read(body, &|job| self.projects.shown_on(job))?.into(),
            From::CdEvents => cdevents::read(kind, &attribute, body, &self.config.matching)?,
            From::Tekton => {
                let annotation = &self.config.matching.annotation;
                tekton::read(kind, &attribute, body, annotation)?
            }
        };
        for activity in &mut told.activities {
            activity.pointer = id.map(|id| format!("{POINTER}{id}")).or(activity.pointer.take());
        }
        Ok(told)
    }
}

/// What `Authorization` shows: a bearer's token (RFC 6750), or a password (RFC 7617), which is all
/// that Jenkins' notification plugin can send beside what stands in a URL's query.
fn password(value: &str) -> Option<Cow<'_, str>> {
    let (scheme, rest) = value.split_once(' ')?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(rest.into());
    }
    let pair = BASE64.decode(rest.as_bytes()).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"));
    let pair = String::from_utf8(pair?).ok()?;
    pair.split_once(':').map(|(_, password)| password.to_owned().into())
}

#[cfg(test)]
mod tests {
    use connector::{Emission, Outcome, channel};
    use serde_json::{Value, json};
    use tokio::sync::mpsc;
    use tokio::time::timeout;

    use super::*;

    const SECRET: &str = "0123456789abcdef";

    fn receiver(from: &str) -> (Receiver, mpsc::Receiver<Emission>) {
        let (emitter, emissions) = channel();
        let config = json!({"id": "a", "from": from, "secret": SECRET});
        let config = serde_json::from_value(config).unwrap();
        (Receiver::new(config, emitter), emissions)
    }

    fn delivery(headers: &[(&str, &str)], body: &Value) -> Delivery {
        let headers = headers.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        Delivery { headers: headers.collect(), token: None, body: body.to_string().into() }
    }

    /// The catalog's side: of what is told, what has a key that is too long is refused.
    async fn take(mut emissions: mpsc::Receiver<Emission>) {
        while let Some(Emission::Said { said, done }) = emissions.recv().await {
            let mut outcome = Outcome::default();
            for said in said {
                let Said::Happened(Activity { key, .. }) = said else { panic!("{said:?}") };
                if key.len() > 1024 {
                    let (what, message) = (format!("activity `{key:.10}`"), "too long".into());
                    outcome.refused += 1;
                    outcome.refusals.push(connector::Refused { what, pointer: None, message });
                } else {
                    outcome.changed += 1;
                }
            }
            // Whoever delivered it may have gone.
            let _ = done.send(Ok(outcome));
        }
    }

    #[tokio::test]
    async fn one_event_that_is_wrong_does_not_take_the_others_with_it() {
        let (receiver, emissions) = receiver("cdevents");
        tokio::spawn(take(emissions));
        let event = |id: &str| {
            json!({"specversion": "1.0", "id": "1", "source": "a", "type": "z", "data": {
                "context": {"id": id, "source": "a", "type": "dev.cdevents.build.started.0.1.0"},
                "subject": {"id": "b", "content": null},
            }})
        };
        let (long, cut) = ("x".repeat(2000), json!({"specversion": "1.0"}));
        let (partly, whole) = ("event 1: the CloudEvent has no `id`", "what the other events tell");
        let bearer = format!("Bearer {SECRET}");
        let headers =
            [("content-type", "application/cloudevents-batch+json"), ("authorization", &bearer)];
        for (batch, taken, expected) in [
            (json!([event("1"), event("2")]), 2, String::new()),
            (
                json!([event("1"), cut, event(&long), event("2")]),
                2,
                format!("{partly}; and 1 more; {whole} is taken"),
            ),
            (json!([event("1"), cut]), 1, format!("{partly}; {whole} is taken")),
            (json!([cut, cut]), 0, "event 0: the CloudEvent has no `id`; and 1 more".into()),
            (json!([event(&long)]), 0, "activity `a#xxxxxxxx`: too long".into()),
            (json!([]), 0, String::new()),
        ] {
            let took = receiver.take(&delivery(&headers, &batch)).await;
            let why = took.as_ref().err().map(ToString::to_string).unwrap_or_default();
            let new = match took {
                Ok(taken) | Err(Refused::Partly { taken, .. }) => taken.new,
                Err(_) => 0,
            };
            assert_eq!((new, why), (taken, expected));
        }
    }

    #[tokio::test]
    async fn secrets_are_shown_in_headers_and_urls() {
        let (receiver, emissions) = receiver("jenkins");
        tokio::spawn(take(emissions));
        let encoded = |text: &str| BASE64.encode(text.as_bytes());
        for (header, token, expected) in [
            (format!("Bearer {SECRET}"), None, true),
            (format!("bearer  {SECRET} "), None, true),
            (format!("Basic {}", encoded(&format!("annals:{SECRET}"))), None, true),
            (format!("Basic {}", encoded(&format!("{SECRET}:annals"))), None, false),
            (format!("Basic {}", encoded(SECRET)), None, false),
            ("Basic %".into(), None, false),
            (format!("Other {SECRET}"), None, false),
            (SECRET.into(), None, false),
            // Some clients always send a header of their own.
            ("Other x".into(), Some(SECRET), true),
            (format!("Bearer {SECRET}x"), Some(SECRET), false),
            (String::new(), Some("wrong"), false),
        ] {
            let mut delivery = delivery(&[("authorization", &header)], &json!({}));
            delivery.token = token.map(str::to_owned);
            let took = receiver.take(&delivery).await;
            assert_eq!(took != Err(Refused::Forged), expected, "{header} {token:?}");
        }
    }

    #[tokio::test]
    async fn a_delivery_that_is_broken_off_may_come_again() {
        let (receiver, emissions) = receiver("gitlab");
        let body = json!({"object_kind": "pipeline", "project": {"path_with_namespace": "a/b"},
                          "object_attributes": {"id": 1, "status": "running"}});
        let headers = [("x-gitlab-token", SECRET), ("idempotency-key", "k-1")];
        let delivery = delivery(&headers, &body);
        // Nobody takes it, and whoever delivers it gives up.
        let taking = timeout(std::time::Duration::from_millis(10), receiver.take(&delivery));
        assert!(taking.await.is_err(), "it is not taken");
        tokio::spawn(take(emissions));
        assert_eq!(receiver.take(&delivery).await, Ok(Taken { new: 1, known: 0 }));
        let replayed = Err(Refused::Replayed { id: "k-1".into() });
        assert_eq!(receiver.take(&delivery).await, replayed);
        // Another life of it is told what was taken in this one.
        let (next, _emissions) = self::receiver("gitlab");
        next.remember(
            [delivery_of("delivery k-1"), delivery_of("other k-2")].into_iter().flatten(),
        );
        assert_eq!(next.take(&delivery).await, replayed);
    }
}
