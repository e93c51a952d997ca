//! Taking deliveries.

use bytes::Bytes;
use connector::{Activity, EmitError, Emitter, Said};

use crate::map::{cdevents, github, gitlab, jenkins, tekton};
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
    /// The catalog does not take it now; it may come again.
    #[error(transparent)]
    NotNow(#[from] EmitError),
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

    /// Takes a delivery: returns once what it tells is durable.
    ///
    /// # Errors
    /// When it is forged, replayed or not understood, or can't be appended.
    pub async fn take(&self, delivery: &Delivery) -> Result<Taken, Refused> {
        if !self.is_genuine(delivery) {
            return Err(Refused::Forged);
        }
        let id = self.id(delivery)?;
        let activities = self.read(delivery, id).map_err(|why| Refused::Malformed { why })?;
        if let Some(id) = id.filter(|id| !self.seen.remember(id)) {
            return Err(Refused::Replayed { id: id.to_owned() });
        }
        let count = activities.len() as u64;
        if count == 0 {
            return Ok(Taken::default());
        }
        let said = activities.into_iter().map(Said::Happened).collect();
        match self.emitter.say(said).await {
            Ok(outcome) => {
                if let Some(refused) = outcome.refusals.first() {
                    return Err(Refused::Malformed { why: refused.message.clone() });
                }
                Ok(Taken { new: outcome.changed, known: count.saturating_sub(outcome.changed) })
            }
            Err(error) => {
                id.inspect(|id| self.seen.forget(id));
                Err(error.into())
            }
        }
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
                let bearer = delivery.header("authorization");
                let bearer = bearer.and_then(|value| value.split_once(' '));
                let bearer = bearer.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
                let given = bearer.map(|(_, token)| token.trim()).or(delivery.token.as_deref());
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

    fn read(&self, delivery: &Delivery, id: Option<&str>) -> Result<Vec<Activity>, String> {
        let body = &delivery.body;
        let kind = delivery.header("content-type").unwrap_or_default();
        let attribute = |name: &str| delivery.header(&format!("ce-{name}"));
        let mut activities: Vec<Activity> = match self.config.from {
            From::GitHub => {
                let event = delivery.header("x-github-event").ok_or("X-GitHub-Event is missing")?;
                github::read(event, body)?.into_iter().collect()
            }
            From::GitLab => gitlab::read(body)?.into_iter().collect(),
            From::Jenkins => {
                let told = jenkins::read(body, &|job| self.projects.shown_on(job))?;
                told.into_iter().collect()
            }
            From::CdEvents => cdevents::read(kind, &attribute, body, &self.config.matching)?,
            From::Tekton => {
                let annotation = &self.config.matching.annotation;
                tekton::read(kind, &attribute, body, annotation)?
            }
        };
        for activity in &mut activities {
            activity.pointer = id.map(|id| format!("delivery {id}")).or(activity.pointer.take());
        }
        Ok(activities)
    }
}
