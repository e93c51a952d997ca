//! Sending recorded requests, with what they say of following and repeating.

use std::collections::BTreeMap;
use std::io::Read;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use ureq::http;

/// How often a chain of pages is followed at the most.
const FOLLOW_MAX: usize = 60;

/// Headers that are kept.
const HEADERS: &[&str] = &["content-type", "etag", "link", "location"];

/// Asks one server, and remembers what later requests are made of.
pub(crate) struct Asker {
    agent: ureq::Agent,
    url: String,
    captured: BTreeMap<String, String>,
}

/// One answer.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Map<String, Value>,
    pub(crate) body: Value,
}

impl Response {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.as_str()
    }
}

impl Asker {
    pub(crate) fn new(url: &str) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(Duration::from_secs(60)))
            .build();
        Self { agent: config.into(), url: url.to_owned(), captured: BTreeMap::new() }
    }

    /// Sends a request and those that follow from it. What is polled for is waited for only where
    /// it is to come.
    pub(crate) fn ask(&mut self, request: &Value, is_awaited: bool) -> Vec<Response> {
        let path = self.fill(request["path"].as_str().unwrap());
        let body = request.get("body").filter(|body| !body.is_null());
        let mut response = self.send(request, &path, body, None);
        if let (Some(seconds), true) = (request["poll"].as_u64(), is_awaited) {
            let status = request["pollStatus"].as_u64().unwrap_or(200);
            let end = Instant::now() + Duration::from_secs(seconds);
            while u64::from(response.status) != status && Instant::now() < end {
                std::thread::sleep(Duration::from_millis(100));
                response = self.send(request, &path, body, None);
            }
        }
        let mut responses = vec![response];
        if request["ifNoneMatch"] == true
            && let Some(etag) = responses[0].header("etag").map(str::to_owned)
        {
            responses.push(self.send(request, &path, body, Some(&etag)));
        }
        match request["follow"].as_str() {
            Some("link") => self.follow_links(request, &mut responses),
            Some(follow @ ("cursor" | "prev")) => {
                self.follow_cursors(request, &path, "nextCursor", &mut responses);
                if follow == "prev" {
                    self.follow_cursors(request, &path, "prevCursor", &mut responses);
                }
            }
            _ => {}
        }
        for (name, place) in request["capture"].as_object().into_iter().flatten() {
            let pointer = format!("/{}", place.as_str().unwrap().replace('.', "/"));
            if let Some(value) = responses[0].body.pointer(&pointer).and_then(Value::as_str) {
                self.captured.insert(name.clone(), value.to_owned());
            }
        }
        responses
    }

    fn follow_links(&self, request: &Value, responses: &mut Vec<Response>) {
        for _ in 0..FOLLOW_MAX {
            let last = responses.last().unwrap();
            let link = last.header("link").filter(|link| link.contains("rel=\"next\""));
            let Some((path, _)) = link.and_then(|link| link.strip_prefix('<')?.split_once('>'))
            else {
                return;
            };
            // The URL of the link is as the catalog sees itself.
            let path = format!("/api/catalog{path}");
            responses.push(self.send(request, &path, None, None));
        }
    }

    fn follow_cursors(
        &self,
        request: &Value,
        path: &str,
        which: &str,
        responses: &mut Vec<Response>,
    ) {
        for _ in 0..FOLLOW_MAX {
            let last = responses.last().unwrap();
            let Some(cursor) = last.body["pageInfo"][which].as_str() else {
                return;
            };
            let response = if request["method"] == "GET" {
                let (bare, query) = path.split_once('?').unwrap_or((path, ""));
                let kept = query.split('&').filter(|parameter| {
                    parameter.starts_with("limit=") || parameter.starts_with("fields=")
                });
                let cursor = format!("cursor={}", encode(cursor));
                let query: Vec<&str> = kept.chain([&*cursor]).collect();
                self.send(request, &format!("{bare}?{}", query.join("&")), None, None)
            } else {
                let mut body = json!({"cursor": cursor});
                let keeps_limit = !path.contains("/locations/");
                for key in ["fields", "limit"].into_iter().take(1 + usize::from(keeps_limit)) {
                    if let Some(value) = request["body"].get(key) {
                        body[key] = value.clone();
                    }
                }
                self.send(request, path, Some(&body), None)
            };
            responses.push(response);
        }
    }

    fn send(
        &self,
        request: &Value,
        path: &str,
        body: Option<&Value>,
        etag: Option<&str>,
    ) -> Response {
        let method = request["method"].as_str().unwrap();
        let mut builder = http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header("accept", request["headers"]["accept"].as_str().unwrap_or("application/json"));
        if let Some(etag) = etag {
            builder = builder.header("if-none-match", etag);
        }
        let text = match (body, request["rawBody"].as_str()) {
            (Some(body), _) => Some(body.to_string()),
            (None, Some(raw)) => Some(raw.to_owned()),
            (None, None) => None,
        };
        let response = match text {
            None => self.agent.run(builder.body(()).unwrap()),
            Some(text) => {
                let kind = request["headers"]["content-type"].as_str();
                let builder = builder.header("content-type", kind.unwrap_or("application/json"));
                self.agent.run(builder.body(text).unwrap())
            }
        };
        match response {
            Ok(response) => read(response),
            // No answer is an answer that differs.
            Err(error) => Response {
                status: 0,
                headers: Map::new(),
                body: json!({"$failed": error.to_string()}),
            },
        }
    }

    /// Puts in what was captured.
    fn fill(&self, path: &str) -> String {
        let mut filled = path.to_owned();
        for (name, value) in &self.captured {
            filled = filled.replace(&format!("{{{{{name}}}}}"), &encode(value));
        }
        filled.replace("{{", "missing-").replace("}}", "")
    }
}

fn read(response: http::Response<ureq::Body>) -> Response {
    let status = response.status().as_u16();
    let mut headers = Map::new();
    for name in HEADERS {
        if let Some(value) = response.headers().get(*name) {
            headers.insert((*name).to_owned(), value.to_str().unwrap().into());
        }
    }
    let mut text = String::new();
    response.into_body().into_reader().read_to_string(&mut text).unwrap();
    let body = match text.as_str() {
        "" => Value::Null,
        _ => serde_json::from_str(&text).unwrap_or_else(|_| json!({"$text": text})),
    };
    Response { status, headers, body }
}

/// `encodeURIComponent`, for what cursors and ids are made of.
fn encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte) {
            encoded.push(byte.into());
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}
