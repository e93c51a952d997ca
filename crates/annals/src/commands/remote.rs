//! Asking a running server.

use std::io::Read;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use serde_json::Value;
use ureq::{Agent, Body, SendBody};

use crate::exit::Wrong;

/// The longest text that is read whole, in bytes.
const TEXT_BYTES_MAX: u64 = 1 << 20;

/// A server, and the token from `ANNALS_TOKEN`.
pub(crate) struct Server {
    agent: Agent,
    url: String,
    token: Option<String>,
}

impl Server {
    pub(crate) fn new(url: &str) -> Result<Self> {
        let url = url.trim_end_matches('/');
        if !url.starts_with("http://") && !url.starts_with("https://") {
            return Err(Wrong(format!("`{url}` is not a URL (http://… or https://…)")).into());
        }
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(Duration::from_secs(10)))
            .user_agent(concat!("annals/", env!("CARGO_PKG_VERSION")))
            .build();
        let token = std::env::var("ANNALS_TOKEN").ok().filter(|token| !token.is_empty());
        Ok(Self { agent: config.into(), url: url.to_owned(), token })
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    fn bearer(&self) -> Option<String> {
        self.token.as_ref().map(|token| format!("Bearer {token}"))
    }

    /// Reads a JSON answer.
    pub(crate) fn get(&self, path: &str) -> Result<Value> {
        answer(self.open(path)?)
    }

    /// Reads an answer that is a text of moderate size.
    pub(crate) fn text(&self, path: &str) -> Result<String> {
        let mut text = String::new();
        let read = self.stream(path)?.take(TEXT_BYTES_MAX).read_to_string(&mut text);
        read.context("the server's answer broke off")?;
        Ok(text)
    }

    /// Reads an answer as it comes.
    pub(crate) fn stream(&self, path: &str) -> Result<impl Read + use<>> {
        let response = self.open(path)?;
        if !response.status().is_success() {
            return Err(answer(response).err().unwrap_or_else(|| anyhow!("it can't be read")));
        }
        Ok(response.into_body().into_reader())
    }

    fn open(&self, path: &str) -> Result<ureq::http::Response<Body>> {
        let mut request = self.agent.get(self.url(path));
        if let Some(bearer) = self.bearer() {
            request = request.header("Authorization", bearer);
        }
        request.call().with_context(|| format!("the server {} can't be reached", self.url))
    }

    /// Sends a body as it is read.
    pub(crate) fn post(&self, path: &str, kind: &str, body: &mut dyn Read) -> Result<Value> {
        let mut request = self.agent.post(self.url(path)).header("Content-Type", kind);
        if let Some(bearer) = self.bearer() {
            request = request.header("Authorization", bearer);
        }
        let sent = request.send(SendBody::from_reader(body));
        answer(sent.with_context(|| format!("the server {} can't be reached", self.url))?)
    }
}

/// A JSON answer, or the error that it tells of.
fn answer(response: ureq::http::Response<Body>) -> Result<Value> {
    let status = response.status();
    let mut text = String::new();
    let mut reader = response.into_body().into_reader().take(64 << 20);
    reader.read_to_string(&mut text).context("the server's answer broke off")?;
    let value: Value = serde_json::from_str(&text).unwrap_or_default();
    if status.is_success() {
        return Ok(value);
    }
    let message = value.pointer("/error/message").and_then(Value::as_str).unwrap_or(&text);
    let message: String = message.chars().take(500).collect();
    Err(anyhow!("the server answered {status}: {message}"))
}
