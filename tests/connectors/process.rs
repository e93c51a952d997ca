//! A program of one's own.

use std::fmt::Write as _;
use std::fs;

use connector::conformance::{Bench, Fault, Run, Thing};
use connector::{Emitter, Start};
use serde_json::json;
use tempfile::TempDir;
use tokio::sync::watch;

const SECRET: &str = "s3cret-of-a-program";

/// What it says stands in `lines`, and what it does after in `then`. It gets a secret and shows it
/// where nobody should.
const PROGRAM: &str = "read -r start; echo \"with $TOKEN\" >&2; cat lines; . ./then";

struct Process {
    folder: TempDir,
    held: Vec<Thing>,
}

impl Process {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), held: Vec::new() }
    }

    fn says(&self, lines: &str, then: &str) {
        for (name, text) in [("lines", lines), ("then", then)] {
            let part = self.folder.path().join("part");
            fs::write(&part, text).unwrap();
            fs::rename(part, self.folder.path().join(name)).unwrap();
        }
    }

    /// Lines that begin with the first so many things.
    fn lines(&self, count: usize) -> String {
        let mut lines = "{\"begin\": \"all\"}\n".to_owned();
        for thing in &self.held[..count] {
            let line = json!({"entity": thing.component(), "pointer": "lines"});
            writeln!(lines, "{line}").unwrap();
        }
        lines
    }
}

impl Bench for Process {
    fn run(&self, start: Start, emitter: Emitter, stopping: watch::Receiver<bool>) -> Run {
        let config = json!({
            "id": "bench", "command": ["sh", "-c", PROGRAM], "env": {"TOKEN": SECRET},
            "every_seconds": 1,
        });
        let config: process::Config = serde_json::from_value(config).unwrap();
        Box::pin(process::run(config.in_folder(self.folder.path()), start, emitter, stopping))
    }

    fn hold(&mut self, things: &[Thing]) {
        self.held = things.to_vec();
        self.mend();
    }

    fn fail(&mut self, fault: Fault) -> bool {
        let half = self.lines(self.held.len() / 2);
        match fault {
            Fault::Fails => self.says(&half, "exit 1"),
            Fault::Part => self.says(&half, "exit 0"),
            Fault::Forgets => self.says("", "echo \"no one knows $TOKEN\" >&2; exit 1"),
            Fault::Hangs => self.says(&half, "trap '' TERM; sleep 1000"),
            Fault::Limits => return false,
        }
        true
    }

    fn mend(&mut self) {
        let lines = self.lines(self.held.len());
        self.says(&format!("{lines}{{\"end\": \"all\"}}\n"), "exit 0");
    }

    fn secrets(&self) -> Vec<String> {
        vec![SECRET.to_owned()]
    }
}

#[test]
fn processes_keep_the_laws() {
    crate::check(Process::new);
}
