//! A GitHub on this machine: its published schema, with whatever repositories a test makes.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

/// The token that it takes, unless a test takes it away.
pub const TOKEN: &str = "t0ken-of-tests";

/// A running stand-in; it ends when it is dropped.
pub struct GitHub {
    child: Child,
    /// `http://127.0.0.1:port`
    pub url: String,
    agent: ureq::Agent,
}

impl GitHub {
    /// Starts one; its packages are kept in a folder.
    ///
    /// # Errors
    /// Why it can't run here: no Node, no registry.
    pub fn start(cache: &Path) -> Result<Self, String> {
        let source: PathBuf =
            Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("github");
        let packages = crate::npm::install(&source, cache)?;
        let mut child = Command::new("node")
            .arg(source.join("standin.mjs"))
            .env("NODE_PACKAGES", packages)
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("node does not run: {error}"))?;
        let mut port = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut port).unwrap();
        let config = ureq::Agent::config_builder().http_status_as_error(false).build();
        let url = format!("http://127.0.0.1:{}", port.trim());
        Ok(Self { child, url, agent: config.into() })
    }

    /// Makes it something else: see `ops` in `standin.mjs`.
    pub fn control(&self, ops: &Value) {
        let url = format!("{}/control", self.url);
        let answer = self.agent.post(url).send(ops.to_string()).unwrap();
        assert_eq!(answer.status(), 200, "{ops}");
    }

    /// Makes or changes a repository of `acme`.
    pub fn repository(&self, name: &str, files: &Value) {
        self.control(&json!([{"op": "repo", "owner": "acme", "name": name, "files": files}]));
    }

    /// What it was asked: queries by their names, the points that they cost, requests of REST.
    #[must_use]
    pub fn asked(&self) -> Value {
        let answer = self.agent.get(format!("{}/asked", self.url)).call().unwrap();
        serde_json::from_reader(answer.into_body().into_reader()).unwrap()
    }
}

impl Drop for GitHub {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
