//! The real Backstage: its packages in a cache, and a Node process that calls them.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

#[expect(unreachable_pub, reason = "the file is also a module of what tests share")]
#[path = "../../../../tests/support/npm.rs"]
mod npm;

/// Answers questions. See `tests/backstage/oracle.mjs` for what may be asked.
pub(crate) struct Oracle {
    packages: PathBuf,
}

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    Path::new(&std::env::var("CARGO_MANIFEST_DIR").expect("a folder")).join("../..")
}

/// Data that several repositories share, if it is there.
pub(crate) fn shared(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("ANNALS_SHARED").map(PathBuf::from);
    let path = folder.unwrap_or_else(|| root().join("../shared")).join(name);
    path.exists().then_some(path)
}

impl Oracle {
    /// Starts the reference, or says on the console why the test is skipped. The first start brings
    /// the packages, with `npm ci`, into a cache beside the build.
    pub(crate) fn find(test: &str) -> Option<Self> {
        static PACKAGES: OnceLock<Result<PathBuf, String>> = OnceLock::new();
        match PACKAGES.get_or_init(install) {
            Ok(packages) => Some(Self { packages: packages.clone() }),
            Err(reason) => {
                println!("SKIPPED: {test}: {reason}");
                None
            }
        }
    }

    /// The answers, in the order of the questions.
    pub(crate) fn ask(&self, questions: &[Value]) -> Vec<Value> {
        let mut node = Command::new("node")
            .arg(root().join("tests/backstage/oracle.mjs"))
            .env("NODE_PACKAGES", &self.packages)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node starts");
        let mut stdin = node.stdin.take().expect("a pipe");
        let lines: String = questions.iter().map(|question| format!("{question}\n")).collect();
        let writer = std::thread::spawn(move || stdin.write_all(lines.as_bytes()));
        let output = node.wait_with_output().expect("node ends");
        writer.join().expect("no panic").expect("node reads all");
        let output = String::from_utf8(output.stdout).expect("UTF-8");
        let answers: Vec<Value> = output
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("JSON: {line}")))
            .collect();
        assert_eq!(answers.len(), questions.len(), "one answer to each question");
        answers
    }
}

fn install() -> Result<PathBuf, String> {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("backstage");
    npm::install(&root().join("tests/backstage"), &cache)
}
