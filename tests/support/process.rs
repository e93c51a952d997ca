//! The program as a process.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

/// The program under test. Integration tests tell where it is.
#[derive(Clone, Debug)]
pub struct Program(pub PathBuf);

impl Program {
    /// A command with these arguments.
    #[must_use]
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.0);
        command.args(args).env_remove("ANNALS_TOKEN").env_remove("ANNALS_LOG");
        command
    }

    /// Runs to the end.
    #[must_use]
    pub fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Runs to the end, which has to be good, and gives the JSON that it printed last.
    #[must_use]
    pub fn json(&self, args: &[&str]) -> Value {
        let output = self.run(&[args, &["--json"]].concat());
        assert!(output.status.success(), "{args:?}: {output:?}");
        last_json(&output)
    }

    /// Starts a server on a free port, and waits until it listens.
    #[must_use]
    pub fn serve(&self, data: &Path, args: &[&str]) -> Server {
        self.serve_with(data, args, &[])
    }

    /// The same, with variables in its environment.
    #[must_use]
    pub fn serve_with(&self, data: &Path, args: &[&str], env: &[(&str, &str)]) -> Server {
        let data = data.to_str().unwrap();
        let all = [&["serve", "--data", data, "--listen", "127.0.0.1:0"], args].concat();
        let mut child = self
            .command(&all)
            .envs(env.iter().copied())
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut said = Vec::new();
        let url = loop {
            let Some(Ok(line)) = lines.next() else {
                panic!("the server ended: {:?}\n{}", child.wait(), said.join("\n"));
            };
            if let Some(url) = line.strip_prefix("Annals listens on ") {
                break url.to_owned();
            }
            said.push(line);
        };
        // Whatever it says later is read, so that it never waits for a reader.
        let rest = std::thread::spawn(move || {
            lines.map_while(Result::ok).collect::<Vec<String>>().join("\n")
        });
        Server { child, url, said: Some(rest) }
    }
}

/// The JSON that a command printed last.
#[must_use]
pub fn last_json(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    let last = text.lines().next_back().unwrap_or_default();
    serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

/// A running server; killed when it is dropped.
pub struct Server {
    child: Child,
    pub url: String,
    said: Option<std::thread::JoinHandle<String>>,
}

impl Server {
    /// Kills it, as a crash would.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        self.child.wait().unwrap();
    }

    /// Tells it to stop, and waits until it has; gives its exit code and what it said.
    pub fn stop(mut self) -> (Option<i32>, String) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        let code = self.child.wait().unwrap().code();
        (code, self.said.take().unwrap().join().unwrap())
    }

    /// Waits until it ends by itself; gives its exit code and what it said.
    pub fn ended(mut self) -> (Option<i32>, String) {
        let code = self.child.wait().unwrap().code();
        (code, self.said.take().unwrap().join().unwrap())
    }

    /// The process's number.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// A client for it.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::new(&self.url)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks a server.
#[derive(Clone)]
pub struct Client {
    agent: ureq::Agent,
    url: String,
}

/// An answer: status, the position that it saw, and the body.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub position: Option<String>,
    pub body: Value,
}

impl Client {
    #[must_use]
    pub fn new(url: &str) -> Self {
        let config = ureq::Agent::config_builder().http_status_as_error(false).build();
        Self { agent: config.into(), url: url.to_owned() }
    }

    /// Where the server is.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Gets a path; an error when the server is not there.
    pub fn try_get(&self, path: &str, headers: &[(&str, &str)]) -> Result<Answer, ureq::Error> {
        let mut request = self.agent.get(format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        answer(request.call()?)
    }

    /// Gets a path from a server that is there.
    #[must_use]
    pub fn get(&self, path: &str) -> Answer {
        self.try_get(path, &[]).unwrap()
    }

    /// Opens an answer that is read as it comes; an error when the server is not there, or refuses.
    pub fn open(&self, path: &str, headers: &[(&str, &str)]) -> Result<impl Read + use<>, String> {
        let mut request = self.agent.get(format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.call().map_err(|error| error.to_string())?;
        if response.status() != 200 {
            return Err(format!("{path}: {}", response.status()));
        }
        Ok(response.into_body().into_reader())
    }

    /// Gets a path from a server that is there: status, headers, and the body as text.
    #[must_use]
    pub fn get_raw(&self, path: &str) -> (u16, ureq::http::HeaderMap, String) {
        let response = self.agent.get(format!("{}{path}", self.url)).call().unwrap();
        let (parts, body) = response.into_parts();
        let mut text = String::new();
        body.into_reader().read_to_string(&mut text).unwrap();
        (parts.status.as_u16(), parts.headers, text)
    }

    /// Posts a text; an error when the server is not there, or goes meanwhile.
    pub fn try_post(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        text: &str,
    ) -> Result<Answer, ureq::Error> {
        let mut request = self.agent.post(format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        answer(request.send(text)?)
    }

    /// Posts a text to a server that is there.
    pub fn post(&self, path: &str, text: &str) -> Answer {
        self.try_post(path, &[], text).unwrap()
    }
}

fn answer(response: ureq::http::Response<ureq::Body>) -> Result<Answer, ureq::Error> {
    let status = response.status().as_u16();
    let position = response.headers().get("annals-position");
    let position = position.and_then(|value| value.to_str().ok()).map(str::to_owned);
    let mut text = String::new();
    response.into_body().into_reader().read_to_string(&mut text)?;
    let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
    Ok(Answer { status, position, body })
}

/// Says that a test could not be run here, where the runner counts it.
pub fn skip(what: &str, why: &str) {
    use std::io::Write;
    let line = format!("{what}: {why}");
    let _ = writeln!(std::io::stdout(), "SKIPPED {line}");
    if let Some(path) = std::env::var_os("ANNALS_SKIPPED") {
        let file = std::fs::OpenOptions::new().append(true).create(true).open(path);
        let _ = writeln!(file.unwrap(), "{line}");
    }
}

/// The folder of shared test data, where it is there.
#[must_use]
pub fn shared() -> Option<PathBuf> {
    let default = Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("../../shared");
    let path = std::env::var_os("ANNALS_SHARED").map_or(default, PathBuf::from);
    path.is_dir().then_some(path)
}
