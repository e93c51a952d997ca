//! Asking GitHub: with credentials, within its limits, and within bounds of time and size.
//!
//! Invariant: no answer takes more memory than [`BODY_BYTES_MAX`], nor more time than
//! [`ANSWER_MAX`].
//! Invariant: what GitHub says of its limits is waited for, and said.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use connector::{Emitter, Voice, shown};
use event::vocabulary::ConnectorState;
use http::header::{ACCEPT, HeaderMap, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Limited};
use octocrab::Octocrab;
use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::answer::{Blob, GraphError, Rate, Reply};
use crate::budget::{Limits, Meter, Told};
use crate::failure::Failure;
use crate::host::Host;
use crate::token::Tokens;

/// The most that an answer may hold, in bytes.
const BODY_BYTES_MAX: usize = 64 << 20;

/// How long an answer may take, from the first byte to the last.
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// How often it is asked again after what may be over soon, and how long is waited the first time.
const TRIES_MAX: u32 = 4;
const AGAIN: Duration = Duration::from_secs(1);

/// A wait of which the log is told.
const LONG: Duration = Duration::from_secs(120);

/// How often a limit may be met, one time after the other, before it is given up for now.
const LIMITS_MAX: u32 = 20;

/// Asks one GitHub for one owner, or, with a token, for all.
pub(crate) struct Client {
    host: Host,
    tokens: Tokens,
    /// Where limits are told of.
    tells: Option<(Emitter, Arc<Voice>)>,
    meters: Mutex<[Meter; 2]>,
}

/// Which budget a request is of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    GraphQl = 0,
    Rest = 1,
}

/// What is asked.
#[derive(Clone, Copy)]
enum Question<'a> {
    Query(&'a Value),
    Get { path: &'a str },
}

impl Question<'_> {
    const fn kind(self) -> Kind {
        match self {
            Self::Query(_) => Kind::GraphQl,
            Self::Get { .. } => Kind::Rest,
        }
    }
}

/// What came of a try.
enum Tried {
    Answer(HeaderMap, Bytes),
    /// It is worth another try after a while.
    Again(String),
    /// A limit was met.
    Limited(Limits),
    Failed(Failure),
}

/// The data of a query, with what was wrong in parts of it.
#[derive(Debug)]
pub(crate) struct Data<T> {
    pub(crate) data: T,
    pub(crate) errors: Vec<GraphError>,
    /// Scopes of a classic token, where GitHub tells them.
    pub(crate) scopes: Option<String>,
}

impl Client {
    pub(crate) fn new(host: Host, tokens: Tokens, tells: Option<(Emitter, Arc<Voice>)>) -> Self {
        Self { host, tokens, tells, meters: Mutex::default() }
    }

    /// Asks with GraphQL.
    ///
    /// # Errors
    /// [`Failure`], where there are no data at all.
    pub(crate) async fn query<T: DeserializeOwned>(
        &self,
        query: &str,
        variables: Value,
    ) -> Result<Data<T>, Failure> {
        let body = json!({"query": query, "variables": variables});
        let mut limits = 0;
        loop {
            let (headers, bytes) = self.ask(Question::Query(&body)).await?;
            let reply: Reply<'_> = serde_json::from_slice(&bytes).map_err(|error| {
                Failure::Broken { why: format!("GitHub's answer is not of its form: {error}") }
            })?;
            let Some(data) = reply.data.filter(|data| data.get() != "null") else {
                if reply.errors.iter().any(GraphError::is_limit) && limits < LIMITS_MAX {
                    limits += 1;
                    self.limited(Kind::GraphQl, Limits::of(&headers)).await;
                    continue;
                }
                return Err(GraphError::failure(&reply.errors));
            };
            let form = |error: serde_json::Error| Failure::Broken {
                why: format!("GitHub's answer is not of its form: {error}"),
            };
            let Rate { rate_limit } = serde_json::from_str(data.get()).map_err(form)?;
            if let Some(rate) = rate_limit {
                let told =
                    Told { limit: rate.limit, left: rate.remaining, resets_s: rate.resets_s() };
                self.note(Kind::GraphQl, Some(told)).await;
            }
            let scopes = headers.get("x-oauth-scopes").and_then(|text| text.to_str().ok());
            let data = serde_json::from_str(data.get()).map_err(form)?;
            return Ok(Data { data, errors: reply.errors, scopes: scopes.map(str::to_owned) });
        }
    }

    /// The contents of a file by its object's name, whatever its size.
    ///
    /// # Errors
    /// [`Failure`].
    pub(crate) async fn blob(&self, repository: &str, oid: &str) -> Result<Bytes, Failure> {
        let path = format!("{}/repos/{repository}/git/blobs/{oid}", self.host.rest);
        let (_, bytes) = self.ask(Question::Get { path: &path }).await?;
        let contents = serde_json::from_slice(&bytes).ok().and_then(Blob::contents);
        contents.map(Bytes::from).ok_or_else(|| Failure::Broken {
            why: "GitHub's answer about the contents of a file is not of its form".into(),
        })
    }

    async fn ask(&self, question: Question<'_>) -> Result<(HeaderMap, Bytes), Failure> {
        let kind = question.kind();
        let (mut tries, mut limits) = (0, 0);
        loop {
            let wait = self.meters.lock()[kind as usize].wait(now_s());
            if let Some(wait) = wait {
                self.wait(kind, wait).await;
            }
            let crab = self.tokens.crab(&self.host).await?;
            match self.attempt(&crab, question).await {
                Tried::Answer(headers, bytes) => {
                    self.meters.lock()[kind as usize].went_well();
                    self.note(kind, Limits::of(&headers).told).await;
                    return Ok((headers, bytes));
                }
                Tried::Limited(told) if limits < LIMITS_MAX => {
                    limits += 1;
                    self.limited(kind, told).await;
                }
                Tried::Limited(_) => {
                    let why = "GitHub's limits were met again and again".into();
                    return Err(Failure::Broken { why });
                }
                Tried::Again(why) if tries + 1 < TRIES_MAX => {
                    tracing::debug!(why, "GitHub is asked again");
                    sleep(AGAIN * 2_u32.pow(tries)).await;
                    tries += 1;
                }
                Tried::Again(why) => return Err(Failure::Broken { why }),
                // A token of an installation may have been taken back before its time.
                Tried::Failed(Failure::Refused { .. }) if tries == 0 && self.tokens.renews() => {
                    self.tokens.forget().await;
                    tries += 1;
                }
                Tried::Failed(failure) => return Err(failure),
            }
        }
    }

    async fn attempt(&self, crab: &Octocrab, question: Question<'_>) -> Tried {
        let answer = timeout(ANSWER_MAX, async {
            let response = match question {
                Question::Query(body) => crab._post(self.host.graphql, Some(body)).await,
                Question::Get { path } => {
                    let headers =
                        [(ACCEPT, HeaderValue::from_static("application/vnd.github+json"))];
                    crab._get_with_headers(path, Some(headers.into_iter().collect())).await
                }
            };
            read(response.map_err(|error| in_words(&error))?).await
        });
        let api = &self.host.api;
        match answer.await {
            Err(_) => Tried::Again(format!("{api} took longer than {} s", ANSWER_MAX.as_secs())),
            Ok(Err(why)) => Tried::Again(format!("{api} could not be asked: {why}")),
            Ok(Ok((status, headers, body))) => judge(question, status, headers, body),
        }
    }

    /// A limit was met: waits as long as GitHub asks for.
    async fn limited(&self, kind: Kind, limits: Limits) {
        let wait = self.meters.lock()[kind as usize].refused(limits, now_s());
        self.wait(kind, wait).await;
    }

    async fn wait(&self, kind: Kind, wait: Duration) {
        let seconds = wait.as_secs();
        tracing::warn!(seconds, "GitHub's limits are waited for");
        self.tell(kind, Some(now_s() + seconds)).await;
        if let Some((_, voice)) = self.tells.as_ref().filter(|_| wait >= LONG) {
            let why = "GitHub's limits are met; it goes on when they let it".to_owned();
            // When the catalog is being stopped nobody asks for it.
            let _ = voice.say(ConnectorState::Stale, Some(why)).await;
        }
        sleep(wait).await;
        self.tell(kind, None).await;
    }

    async fn note(&self, kind: Kind, told: Option<Told>) {
        let is_new = {
            let mut meters = self.meters.lock();
            let before = meters[kind as usize];
            meters[kind as usize].note(told);
            meters[kind as usize] != before
        };
        if is_new {
            self.tell(kind, None).await;
        }
    }

    /// Tells how much is left: of GraphQL, or of whatever is waited for.
    async fn tell(&self, kind: Kind, waits_until_s: Option<u64>) {
        let Some((emitter, _)) = &self.tells else { return };
        if kind == Kind::Rest && waits_until_s.is_none() {
            return;
        }
        let budget = self.meters.lock()[kind as usize].shown(waits_until_s);
        if let Some(budget) = budget {
            // When the catalog is being stopped nobody asks for it.
            let _ = emitter.budget(budget).await;
        }
    }
}

/// What an answer means by its status.
fn judge(question: Question<'_>, status: StatusCode, headers: HeaderMap, body: Bytes) -> Tried {
    let limits = Limits::of(&headers);
    let said = message(&body);
    let is_query = question.kind() == Kind::GraphQl;
    match status.as_u16() {
        200 => Tried::Answer(headers, body),
        429 => Tried::Limited(limits),
        403 if is_limit(limits, &said) => Tried::Limited(limits),
        401 | 403 => {
            let why = format!("GitHub refuses the credentials ({status}): {said}");
            Tried::Failed(Failure::Refused { why })
        }
        404 => {
            let what = match question {
                Question::Query(_) => "GraphQL".to_owned(),
                Question::Get { path } => shown(path),
            };
            Tried::Failed(Failure::Missing { what })
        }
        // What takes GitHub longer than ten seconds ends so; asking the same again takes as long.
        502 | 504 if is_query => Tried::Failed(Failure::TooMuch { why: status.to_string() }),
        500.. => Tried::Again(format!("GitHub answers {status}")),
        _ => {
            let why = format!("GitHub answers {status}: {said}");
            Tried::Failed(Failure::Broken { why })
        }
    }
}

/// Whether GitHub refuses since too much was asked, and not for what is asked.
fn is_limit(limits: Limits, said: &str) -> bool {
    let said = said.to_ascii_lowercase();
    limits.retry_after.is_some()
        || limits.told.is_some_and(|told| told.left == 0)
        || said.contains("rate limit")
        || said.contains("abuse detection")
}

/// What GitHub says in an answer that is none.
fn message(body: &[u8]) -> String {
    let body: Option<Value> = serde_json::from_slice(body).ok();
    let said = body.as_ref().and_then(|body| body["message"].as_str());
    shown(said.unwrap_or("it says no more"))
}

async fn read(
    response: Response<BoxBody<Bytes, octocrab::Error>>,
) -> Result<(StatusCode, HeaderMap, Bytes), String> {
    let (parts, body) = response.into_parts();
    let body = Limited::new(body, BODY_BYTES_MAX).collect().await;
    let body = body.map_err(|error| shown(&innermost(error.as_ref())))?;
    Ok((parts.status, parts.headers, body.to_bytes()))
}

pub(crate) fn in_words(error: &octocrab::Error) -> String {
    shown(&innermost(error))
}

/// What is at the bottom of an error; what is above it names this program's parts.
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut error = error;
    while let Some(inner) = error.source() {
        error = inner;
    }
    error.to_string()
}

/// Unix time, as this machine tells it.
pub(crate) fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
