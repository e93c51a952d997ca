//! The real Backstage: its packages in a cache, and a Node process that calls them.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

/// Answers questions. See `tests/backstage/oracle.mjs` for what may be asked.
pub(crate) struct Oracle {
    packages: PathBuf,
}

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
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
    let source = root().join("tests/backstage");
    let lock = std::fs::read(source.join("package-lock.json"))
        .map_err(|error| format!("no lock file: {error}"))?;
    run(Command::new("node").arg("--version"))?;
    let key: String = blake3::hash(&lock).to_hex().chars().take(16).collect();
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("backstage");
    let packages = cache.join(&key);
    if packages.join("node_modules").exists() {
        return Ok(packages);
    }
    // Into a folder of our own first: other processes may run tests at the same time.
    let fresh = cache.join(format!("{key}.{}", std::process::id()));
    let failed = |error: std::io::Error| format!("the cache: {error}");
    std::fs::create_dir_all(&fresh).map_err(failed)?;
    for file in ["package.json", "package-lock.json"] {
        std::fs::copy(source.join(file), fresh.join(file)).map_err(failed)?;
    }
    let npm = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
    if let Err(reason) = run(Command::new("npm").args(npm).current_dir(&fresh)) {
        std::fs::remove_dir_all(&fresh).map_err(failed)?;
        return Err(reason);
    }
    if std::fs::rename(&fresh, &packages).is_err() {
        // Another process was faster.
        std::fs::remove_dir_all(&fresh).map_err(failed)?;
    }
    Ok(packages)
}

fn run(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("{name} does not run: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let message = String::from_utf8_lossy(&output.stderr);
    Err(format!("{name} failed: {}", message.lines().next().unwrap_or_default()))
}
