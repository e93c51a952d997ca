//! The program as a process of its own, and a client of it.

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// With this in its environment, this binary is `annals`: so what is measured is what is built
/// with it, and runs in a process whose CPU time is its own.
pub(crate) const AS_ANNALS: &str = "ANNALS_BENCHES_AS_ANNALS";

/// A command of the program.
fn annals(args: &[&str]) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(args).env(AS_ANNALS, "1").env_remove("ANNALS_TOKEN");
    Ok(command)
}

/// Writes a generated catalog, of which some entities have changed, into a file.
pub(crate) fn generate(entities: u32, changed: u32, path: &Path) -> Result<()> {
    let (entities, changed) = (entities.to_string(), changed.to_string());
    let mut command = annals(&["generate", "--entities", &entities, "--updates", &changed])?;
    let done = command.stdout(File::create(path)?).status()?;
    if done.success() { Ok(()) } else { bail!("`annals generate` failed") }
}

/// A running server.
pub(crate) struct Node {
    child: Child,
    agent: ureq::Agent,
    url: String,
}

impl Node {
    /// Starts a server on a free port, and waits until it listens.
    pub(crate) fn serve(data: &Path, args: &[&str]) -> Result<Self> {
        let data = data.to_str().context("a path that is no text")?;
        let own = ["serve", "--data", data, "--listen", "127.0.0.1:0"];
        let mut child = annals(&[&own, args].concat())?.stderr(Stdio::piped()).spawn()?;
        let stderr = child.stderr.take().context("no standard error")?;
        let mut lines = BufReader::new(stderr).lines();
        let mut said = Vec::new();
        let url = loop {
            let Some(line) = lines.next() else {
                bail!("the server ended:\n{}", said.join("\n"));
            };
            let line = line?;
            match line.strip_prefix("Annals listens on ") {
                Some(url) => break url.to_owned(),
                None => said.push(line),
            }
        };
        // Read on, so that it never waits for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(Self { child, agent: ureq::Agent::new_with_defaults(), url })
    }

    /// The process's number.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> &str {
        self.url.strip_prefix("http://").unwrap_or(&self.url)
    }

    /// Gets a path; `into` is filled with the body.
    pub(crate) fn get(&self, path: &str, into: &mut Vec<u8>) -> Result<()> {
        into.clear();
        let answer = self.agent.get(format!("{}{path}", self.url)).call()?;
        answer.into_body().into_reader().read_to_end(into)?;
        Ok(())
    }

    /// Gets a path whose answer may also be that nothing is there.
    pub(crate) fn look(&self, path: &str, into: &mut Vec<u8>) -> Result<()> {
        into.clear();
        let request = self.agent.get(format!("{}{path}", self.url));
        let answer = request.config().http_status_as_error(false).build().call()?;
        let status = answer.status();
        anyhow::ensure!(status == 200 || status == 404, "{path}: {status}");
        answer.into_body().into_reader().read_to_end(into)?;
        Ok(())
    }

    /// Waits until all that is folded can be searched.
    pub(crate) fn until_searchable(&self) -> Result<()> {
        let mut body = Vec::new();
        loop {
            self.get("/readyz", &mut body)?;
            let ready: Value = serde_json::from_slice(&body)?;
            if ready["search"]["lag"] == 0 {
                return Ok(());
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }

    /// Hands in a file of documents, and gives what the server says of it.
    pub(crate) fn ingest(&self, mode: &str, documents: &Path) -> Result<Value> {
        self.send(mode, ureq::SendBody::from_owned_reader(File::open(documents)?))
    }

    /// Hands in documents as changes.
    pub(crate) fn ingest_changes(&self, documents: &str) -> Result<Value> {
        self.send("changes", ureq::SendBody::from_owned_reader(Cursor::new(documents.to_owned())))
    }

    fn send(&self, mode: &str, documents: ureq::SendBody<'_>) -> Result<Value> {
        let url = format!("{}/api/ingest/bench?mode={mode}", self.url);
        let request = self.agent.post(url).config().http_status_as_error(false).build();
        let answer = request.send(documents)?;
        let status = answer.status();
        let mut body = String::new();
        answer.into_body().into_reader().read_to_string(&mut body)?;
        anyhow::ensure!(status == 200, "{status}: {body}");
        Ok(serde_json::from_str(&body)?)
    }

    /// Stops it as an operator would.
    pub(crate) fn stop(mut self) -> Result<()> {
        let id = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &id]).status()?;
        let ended = self.child.wait()?;
        if ended.success() { Ok(()) } else { bail!("the server ended with {ended}") }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
