//! Asking a cluster: credentials, and answers of bounded size.

use std::sync::Arc;
use std::time::Duration;

use connector::shown;
use http::{Request, Response};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use kube::client::{AuthError, Body};
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::core::response::Status;
use serde::de::DeserializeOwned;
use tokio::sync::{Mutex, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use crate::config::Cluster;

/// How long an answer, or credentials, may take.
pub(crate) const ANSWER_MAX: Duration = Duration::from_secs(30);

/// The longest answer, and the longest event of a watch, in bytes. etcd takes objects of 1.5 MB.
pub(crate) const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Answers of one cluster that are read at a time.
const READING_MAX: usize = 3;

/// How much is read of what is refused.
const REFUSAL_BYTES_MAX: usize = 64 * 1024;

/// How long credentials are used before they are read anew: they may have been renewed.
const CLIENT_AGE_MAX: Duration = Duration::from_secs(60);

/// Why a cluster gave no answer.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// It answered that.
    Status { code: u16, message: String },
    /// It did not answer in time.
    Slow,
    /// It answered more than is taken.
    TooLarge,
    /// What it answered is not of its form.
    Form(String),
    /// It is not reached, or there are no credentials; why.
    Away(String),
}

/// A cluster's client, made anew now and then, and by one who asks at a time.
#[derive(Debug)]
pub(crate) struct Clients {
    of: Cluster,
    /// How long credentials are used before they are read anew.
    age_max: Duration,
    slot: Mutex<Slot>,
    /// Of one cluster's answers few are read at a time, so that all of them together are bounded.
    reading: Semaphore,
}

#[derive(Default)]
struct Slot {
    client: Option<(kube::Client, Instant)>,
    /// One that is being made: a command that gives credentials may hang.
    making: Option<JoinHandle<Result<kube::Client, String>>>,
}

impl std::fmt::Debug for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Slot").finish_non_exhaustive()
    }
}

impl Clients {
    pub(crate) fn new(of: Cluster) -> Arc<Self> {
        Arc::new(Self {
            of,
            age_max: CLIENT_AGE_MAX,
            slot: Mutex::default(),
            reading: Semaphore::new(READING_MAX),
        })
    }

    /// Asks, and reads the whole answer.
    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        request: Request<Vec<u8>>,
    ) -> Result<T, Refusal> {
        let answer = async {
            let body = self.send(request).await?;
            let _one = self.reading.acquire().await;
            let read = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
            let bytes = read.map_err(|error| {
                if error.is::<LengthLimitError>() {
                    Refusal::TooLarge
                } else {
                    Refusal::Away(chain(&*error))
                }
            })?;
            serde_json::from_slice(&bytes.to_bytes()).map_err(|error| form(&error))
        };
        timeout(ANSWER_MAX, answer).await.unwrap_or(Err(Refusal::Slow))
    }

    /// Asks for a watch.
    pub(crate) async fn lines(&self, request: Request<Vec<u8>>) -> Result<Lines, Refusal> {
        let body = timeout(ANSWER_MAX, self.send(request)).await.unwrap_or(Err(Refusal::Slow))?;
        Ok(Lines { body, buffer: Vec::new(), looked: 0, ended: false })
    }

    async fn send(&self, request: Request<Vec<u8>>) -> Result<Body, Refusal> {
        let (client, is_new) = self.client().await.map_err(Refusal::Away)?;
        let mut answer = self.send_by(&client, request.clone()).await?;
        // They may have been renewed since they were read.
        if answer.status().as_u16() == 401 && !is_new {
            let (client, _) = self.client().await.map_err(Refusal::Away)?;
            answer = self.send_by(&client, request).await?;
        }
        if answer.status().is_success() {
            return Ok(answer.into_body());
        }
        let code = answer.status().as_u16();
        let body = Limited::new(answer.into_body(), REFUSAL_BYTES_MAX).collect().await;
        let bytes = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        let status: Option<Status> = serde_json::from_slice(&bytes).ok();
        let message = status.map(|status| shown(&status.message)).unwrap_or_default();
        Err(Refusal::Status { code, message })
    }

    async fn send_by(
        &self,
        client: &kube::Client,
        request: Request<Vec<u8>>,
    ) -> Result<Response<Body>, Refusal> {
        let answer = client.send(request.map(Body::from)).await;
        if answer.as_ref().map_or(true, |answer| answer.status().as_u16() == 401) {
            self.forget().await;
        }
        answer.map_err(|error| Refusal::Away(chain(&error)))
    }

    /// The next one who asks reads the credentials anew.
    async fn forget(&self) {
        self.slot.lock().await.client = None;
    }

    /// A client, and whether its credentials were read just now.
    async fn client(&self) -> Result<(kube::Client, bool), String> {
        let mut slot = self.slot.lock().await;
        if let Some((client, made)) = &slot.client
            && made.elapsed() < self.age_max
        {
            return Ok((client.clone(), false));
        }
        let of = self.of.clone();
        let making = slot.making.get_or_insert_with(|| {
            let runtime = tokio::runtime::Handle::current();
            tokio::task::spawn_blocking(move || runtime.block_on(connect(&of)))
        });
        let Ok(made) = timeout(ANSWER_MAX, making).await else {
            return Err("the credentials are not there: what gives them does not end".into());
        };
        slot.making = None;
        let client = made.map_err(|_| "the credentials could not be read".to_owned())??;
        slot.client = Some((client.clone(), Instant::now()));
        Ok((client, true))
    }
}

/// The lines of a watch.
#[derive(Debug)]
pub(crate) struct Lines {
    body: Body,
    buffer: Vec<u8>,
    /// How much of it holds no end of a line.
    looked: usize,
    ended: bool,
}

impl Lines {
    /// The next line; none when the watch has ended, in whatever way.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<u8>>, Refusal> {
        loop {
            let end = self.buffer[self.looked..].iter().position(|byte| *byte == b'\n');
            if let Some(end) = end {
                let rest = self.buffer.split_off(self.looked + end + 1);
                let line = std::mem::replace(&mut self.buffer, rest);
                self.looked = 0;
                return Ok(Some(line));
            }
            self.looked = self.buffer.len();
            if self.ended {
                return Ok(None);
            }
            match self.body.frame().await {
                Some(Ok(frame)) => {
                    if let Some(data) = frame.data_ref() {
                        if self.buffer.len() + data.len() > ANSWER_BYTES_MAX {
                            return Err(Refusal::TooLarge);
                        }
                        self.buffer.extend_from_slice(data);
                    }
                }
                // A watch that breaks off is gone on with from where it was.
                Some(Err(_)) | None => self.ended = true,
            }
        }
    }
}

/// That something is not of its form, without what stands there.
pub(crate) fn form(error: &serde_json::Error) -> Refusal {
    let (line, column) = (error.line(), error.column());
    Refusal::Form(format!("it answers in another form than expected (at {line}:{column})"))
}

/// An error and what it comes from, each said once. What commands for credentials print is left
/// out: it may be credentials.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = String::new();
    let mut next = Some(error);
    while let Some(one) = next {
        let more = match one.downcast_ref::<AuthError>() {
            Some(error) => of_credentials(error),
            None => one.to_string(),
        };
        let is_of_credentials = one.is::<AuthError>() || is_auth(one);
        if !is_auth(one) && !text.contains(&more) {
            let colon = if text.is_empty() { "" } else { ": " };
            text = format!("{text}{colon}{more}");
        }
        // What is below an error of credentials may quote them.
        next = if is_of_credentials && !is_auth(one) { None } else { one.source() };
    }
    shown(&text)
}

/// Whether an error is the client's word around one of credentials, whose text it repeats.
fn is_auth(error: &(dyn std::error::Error + 'static)) -> bool {
    matches!(error.downcast_ref::<kube::Error>(), Some(kube::Error::Auth(_)))
}

fn of_credentials(error: &AuthError) -> String {
    match error {
        // Its arguments and its environment may be secrets, and what it prints is.
        AuthError::AuthExecRun { out, .. } => {
            format!("the command for credentials failed ({})", out.status)
        }
        AuthError::AuthExecStart(error) => {
            format!("the command for credentials could not be started: {}", error.kind())
        }
        AuthError::ReadTokenFile(error, path) => {
            format!("the token file {} could not be read: {}", path.display(), error.kind())
        }
        AuthError::AuthExecParse(_) | AuthError::ExecPluginFailed => {
            "the command for credentials printed none".into()
        }
        AuthError::MalformedTokenExpirationDate(_) => {
            "the command for credentials printed no date that can be read".into()
        }
        _ => "the credentials can't be used".into(),
    }
}

async fn connect(cluster: &Cluster) -> Result<kube::Client, String> {
    let config = match &cluster.kubeconfig {
        Some(path) => {
            let options =
                KubeConfigOptions { context: cluster.context.clone(), ..Default::default() };
            let config = match Kubeconfig::read_from(path) {
                Ok(kubeconfig) => kube::Config::from_custom_kubeconfig(kubeconfig, &options).await,
                Err(error) => Err(error),
            };
            config.map_err(|error| match error {
                // The parser shows the lines that it does not understand: they may be secrets.
                KubeconfigError::Parse(_) => {
                    format!("the kubeconfig {} is not of its form", path.display())
                }
                other => format!("the kubeconfig {}: {}", path.display(), chain(&other)),
            })?
        }
        None => kube::Config::incluster().map_err(|error| {
            format!("there is no cluster around this program: {}", chain(&error))
        })?,
    };
    kube::Client::try_from(config).map_err(|error| chain(&error))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

    use super::*;

    #[tokio::test]
    async fn credentials_stand_in_no_error() {
        let folder = tempfile::tempdir().unwrap();
        for (user, expected) in [
            (
                r#"{"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "sh",
                    "args": ["-c", "echo hunter2; echo hunter2 >&2; exit 3"],
                    "interactiveMode": "Never"}}"#,
                "the command for credentials failed (exit status: 3)",
            ),
            (
                r#"{"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "sh",
                    "args": ["-c", "echo '{hunter2'"], "interactiveMode": "Never"}}"#,
                "the command for credentials printed none",
            ),
            // The client's own code stops there, which must stop nothing else.
            (r#"{"token": "hunter2\n"}"#, "the credentials could not be read"),
            (
                r#"{"client-certificate-data": "hunter2", "client-key-data": "hunter2"}"#,
                "failed to load client certificate",
            ),
            ("hunter2: [", "is not of its form"),
        ] {
            let path = folder.path().join("kubeconfig");
            let config = format!(
                r#"{{"apiVersion": "v1", "kind": "Config", "current-context": "a",
                "clusters": [{{"name": "a", "cluster": {{"server": "http://127.0.0.1:1"}}}}],
                "users": [{{"name": "a", "user": {user}}}],
                "contexts": [{{"name": "a", "context": {{"cluster": "a", "user": "a"}}}}]}}"#
            );
            std::fs::write(&path, config).unwrap();
            let value = serde_json::json!({"name": "a", "kubeconfig": path});
            let clients = Clients::new(serde_json::from_value(value).unwrap());
            let request = Request::get("/api").body(Vec::new()).unwrap();
            let error = clients.get::<serde_json::Value>(request).await.unwrap_err();
            let text = format!("{error:?}");
            assert!(text.contains(expected) && !text.contains("hunter2"), "{text}");
        }
    }

    /// A server that takes one token, and counts how often it was asked with which.
    async fn server(token: &'static str) -> (String, Arc<std::sync::Mutex<Vec<String>>>) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::<std::sync::Mutex<Vec<String>>>::default();
        let noted = Arc::clone(&asked);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let mut stream = BufReader::new(stream);
                let (mut line, mut code) = (String::new(), 401);
                while stream.read_line(&mut line).await.unwrap() > 2 {
                    if let Some(given) = line.trim().strip_prefix("authorization: Bearer ") {
                        code = if given == token { 200 } else { 401 };
                        noted.lock().unwrap().push(given.to_owned());
                    }
                    line.clear();
                }
                let answer = format!(
                    "HTTP/1.1 {code} X\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{{}}"
                );
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        (url, asked)
    }

    #[tokio::test]
    async fn credentials_that_are_renewed_are_read_anew() {
        let (url, asked) = server("new").await;
        let folder = tempfile::tempdir().unwrap();
        let (path, token) = (folder.path().join("kubeconfig"), folder.path().join("token"));
        let config = serde_json::json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "a",
            "clusters": [{"name": "a", "cluster": {"server": url}}],
            "users": [{"name": "a", "user": {"tokenFile": token}}],
            "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}]});
        std::fs::write(&path, config.to_string()).unwrap();
        let value = serde_json::json!({"name": "a", "kubeconfig": path});
        let cluster: Cluster = serde_json::from_value(value).unwrap();
        let get = async |clients: &Clients| {
            let request = Request::get("/api").body(Vec::new()).unwrap();
            let answer = clients.get::<serde_json::Value>(request).await;
            let asked = std::mem::take(&mut *asked.lock().unwrap());
            (answer.is_ok(), asked.join(" "))
        };
        let clients = Clients::new(cluster.clone());
        std::fs::write(&token, "old").unwrap();
        assert_eq!(get(&clients).await, (false, "old".into()), "they were read just now");
        std::fs::write(&token, "new").unwrap();
        assert_eq!(get(&clients).await, (true, "new".into()), "those that failed are forgotten");
        std::fs::write(&token, "old").unwrap();
        assert_eq!(get(&clients).await, (true, "new".into()), "they are used for a while");

        // Those that are old are read anew, refused or not.
        let clients = Clients::new(cluster);
        let mut clients = Arc::into_inner(clients).unwrap();
        clients.age_max = Duration::ZERO;
        std::fs::write(&token, "new").unwrap();
        assert_eq!(get(&clients).await, (true, "new".into()));
        std::fs::write(&token, "old").unwrap();
        assert_eq!(get(&clients).await, (false, "old".into()));

        // Those that were good before are not said to be refused before they are read anew.
        clients.age_max = CLIENT_AGE_MAX;
        clients.slot.get_mut().client = Some((connect(&clients.of).await.unwrap(), Instant::now()));
        std::fs::write(&token, "new").unwrap();
        assert_eq!(get(&clients).await, (true, "old new".into()));
    }
}
