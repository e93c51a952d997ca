//! Asking GitHub: with credentials, within its limits, and within bounds of time and size.

use std::time::Duration;

use bytes::Bytes;
use connector::shown;
use http::header::{ACCEPT, HeaderMap, HeaderValue, IF_NONE_MATCH};
use http::{Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use octocrab::Octocrab;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::graph::{Blob, GraphError, Rate, Reply};
use super::{Host, Tokens};
use crate::budget::{Limits, Told};
use crate::innermost;
use crate::judge::judge;
use crate::patience::{LIMITS_MAX, Patience, Tells, Tried};
use crate::{Failure, Page};

/// The most that an answer may hold, in bytes: of REST, which gives files whole, and of GraphQL,
/// which can be asked for less at a time.
const REST_BYTES_MAX: usize = 64 << 20;
const GRAPHQL_BYTES_MAX: usize = 16 << 20;

/// How long an answer may take, from the first byte to the last.
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// Asks one GitHub for one owner, or, with a token, for all.
pub struct Client {
    host: Host,
    tokens: Tokens,
    /// For each kind of request: each has a budget of its own.
    patience: [Patience; 2],
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
    Get { path: &'a str, tag: Option<&'a str> },
}

impl Question<'_> {
    const fn kind(self) -> Kind {
        match self {
            Self::Query(_) => Kind::GraphQl,
            Self::Get { .. } => Kind::Rest,
        }
    }

    const fn bytes_max(self) -> usize {
        match self {
            Self::Query(_) => GRAPHQL_BYTES_MAX,
            Self::Get { .. } => REST_BYTES_MAX,
        }
    }
}

/// The data of a query, with what was wrong in parts of it.
#[derive(Debug)]
pub struct Data<T> {
    /// The data.
    pub data: T,
    /// What was wrong.
    pub errors: Vec<GraphError>,
    /// Scopes of a classic token, where GitHub tells them.
    pub scopes: Option<String>,
}

impl Client {
    /// Asks mostly with GraphQL: that budget is told.
    #[must_use]
    pub fn new(host: Host, tokens: Tokens, tells: Option<Tells>) -> Self {
        Self::telling(Kind::GraphQl, host, tokens, tells)
    }

    /// Asks with REST: that budget is told.
    #[must_use]
    pub fn of_rest(host: Host, tokens: Tokens, tells: Option<Tells>) -> Self {
        Self::telling(Kind::Rest, host, tokens, tells)
    }

    fn telling(all: Kind, host: Host, tokens: Tokens, tells: Option<Tells>) -> Self {
        let patience = |tells, kind| {
            Patience::new("GitHub", tells, all == kind).hiding(tokens.secret().map(Box::from))
        };
        let graph = patience(tells.clone(), Kind::GraphQl);
        let rest = patience(tells, Kind::Rest);
        Self { host, tokens, patience: [graph, rest] }
    }

    /// Asks with GraphQL.
    ///
    /// # Errors
    /// [`Failure`], where there are no data at all.
    pub async fn query<T: DeserializeOwned>(
        &self,
        query: &str,
        variables: Value,
    ) -> Result<Data<T>, Failure> {
        let body = json!({"query": query, "variables": variables});
        let mut limits = 0;
        loop {
            let (headers, bytes) = self.ask(Question::Query(&body)).await?;
            let bytes = bytes.unwrap_or_default();
            let reply: Reply<'_> = serde_json::from_slice(&bytes).map_err(|error| {
                Failure::Broken { why: format!("GitHub's answer is not of its form: {error}") }
            })?;
            let Some(data) = reply.data.filter(|data| data.get() != "null") else {
                if reply.errors.iter().any(GraphError::is_limit) && limits < LIMITS_MAX {
                    limits += 1;
                    self.patience(Kind::GraphQl).limited(Limits::of(&headers)).await;
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
                self.patience(Kind::GraphQl).note(Some(told));
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
    pub async fn blob(&self, repository: &str, oid: &str) -> Result<Bytes, Failure> {
        let path = format!("{}/repos/{repository}/git/blobs/{oid}", self.host.rest);
        let (_, bytes) = self.ask(Question::Get { path: &path, tag: None }).await?;
        let contents =
            serde_json::from_slice(&bytes.unwrap_or_default()).ok().and_then(Blob::contents);
        contents.map(Bytes::from).ok_or_else(|| Failure::Broken {
            why: "GitHub's answer about the contents of a file is not of its form".into(),
        })
    }

    /// Gets what a path of REST names, with its query; with an entity tag, if it is something else
    /// by now, which costs nothing where it is not.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn get(&self, path: &str, tag: Option<&str>) -> Result<Page, Failure> {
        let path = format!("{}{path}", self.host.rest);
        let (headers, body) = self.ask(Question::Get { path: &path, tag }).await?;
        Ok(Page { headers, body })
    }

    const fn patience(&self, kind: Kind) -> &Patience {
        &self.patience[kind as usize]
    }

    async fn ask(&self, question: Question<'_>) -> Result<(HeaderMap, Option<Bytes>), Failure> {
        self.patience(question.kind()).ask(|| self.attempt_with_token(question)).await
    }

    async fn attempt_with_token(&self, question: Question<'_>) -> Tried<Option<Bytes>> {
        let crab = match self.tokens.crab(&self.host).await {
            Ok(crab) => crab,
            Err(failure) => return Tried::Failed(failure),
        };
        match self.attempt(&crab, question).await {
            // A token of an installation may have been taken back before its time.
            Tried::Failed(failure @ Failure::Refused { .. }) if self.tokens.renews() => {
                self.tokens.forget().await;
                Tried::Renewed(failure)
            }
            tried => tried,
        }
    }

    async fn attempt(&self, crab: &Octocrab, question: Question<'_>) -> Tried<Option<Bytes>> {
        let answer = timeout(ANSWER_MAX, async {
            let response = match question {
                Question::Query(body) => crab._post(self.host.graphql, Some(body)).await,
                Question::Get { path, tag } => {
                    let accept = HeaderValue::from_static("application/vnd.github+json");
                    let tag = tag.and_then(|tag| HeaderValue::from_str(tag).ok());
                    let headers = [(ACCEPT, accept)].into_iter();
                    let headers = headers.chain(tag.map(|tag| (IF_NONE_MATCH, tag))).collect();
                    crab._get_with_headers(path, Some(headers)).await
                }
            };
            read(response.map_err(|error| in_words(&error))?, question.bytes_max()).await
        });
        let api = &self.host.api;
        match answer.await {
            Err(_) => Tried::Again(format!("{api} took longer than {} s", ANSWER_MAX.as_secs())),
            Ok(Err(why)) => Tried::Again(format!("{api} could not be asked: {why}")),
            Ok(Ok((_, _, None))) => {
                let mib = question.bytes_max() >> 20;
                let why = format!("its answer is larger than {mib} MiB");
                Tried::Failed(Failure::TooMuch { why })
            }
            Ok(Ok((status, headers, Some(body)))) => weigh(question, status, headers, body),
        }
    }
}

/// What an answer means by its status.
fn weigh(
    question: Question<'_>,
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
) -> Tried<Option<Bytes>> {
    let path = match question {
        // What takes GitHub longer than ten seconds ends so; asking the same again takes as long.
        Question::Query(_) if matches!(status.as_u16(), 502 | 504) => {
            return Tried::Failed(Failure::TooMuch { why: status.to_string() });
        }
        Question::Query(_) => "GraphQL",
        Question::Get { path, .. } => path,
    };
    judge("GitHub", path, status, headers, body)
}

/// Reads an answer; without its body, where that is larger than may be.
async fn read(
    response: Response<BoxBody<Bytes, octocrab::Error>>,
    bytes_max: usize,
) -> Result<(StatusCode, HeaderMap, Option<Bytes>), String> {
    let (parts, body) = response.into_parts();
    let body = match Limited::new(body, bytes_max).collect().await {
        Ok(body) => Some(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => None,
        Err(error) => return Err(shown(&innermost(error.as_ref()))),
    };
    Ok((parts.status, parts.headers, body))
}

pub(crate) fn in_words(error: &octocrab::Error) -> String {
    shown(&innermost(error))
}
