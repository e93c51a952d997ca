//! A real Gitea on this machine.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

/// Who may do everything there.
const USER: &str = "tester";

/// A running Gitea; it ends when it is dropped.
pub struct Gitea {
    child: Child,
    /// `http://127.0.0.1:port`
    pub url: String,
    /// A token that may do everything.
    pub token: String,
    folder: TempDir,
    agent: ureq::Agent,
}

impl Gitea {
    /// Starts one, with nothing in it but a user.
    ///
    /// # Errors
    /// Why it can't run here: no Go, no module proxy.
    pub fn start() -> Result<Self, String> {
        let root = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("..");
        let built = Command::new(root.join("scripts/gitea")).output().unwrap();
        if !built.status.success() {
            return Err(String::from_utf8_lossy(&built.stderr).trim().to_owned());
        }
        let told = String::from_utf8(built.stdout).unwrap();
        let (program, source) = told.trim().split_once('\n').unwrap();
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let url = format!("http://127.0.0.1:{port}");
        let config = folder.path().join("app.ini");
        fs::write(&config, ini(folder.path(), source, port)).unwrap();
        let run = |args: &[&str]| {
            let output = Command::new(program).arg("-c").arg(&config).args(args).output().unwrap();
            assert!(output.status.success(), "{args:?}: {output:?}");
            String::from_utf8(output.stdout).unwrap()
        };
        run(&["migrate"]);
        let password = format!("--password={}", uuid::Uuid::new_v4());
        run(&[
            "admin",
            "user",
            "create",
            "--username",
            USER,
            &password,
            "--email=tester@example.com",
            "--admin",
            "--must-change-password=false",
        ]);
        let token = run(&[
            "admin",
            "user",
            "generate-access-token",
            "--username",
            USER,
            "--token-name=test",
            "--scopes=all",
            "--raw",
        ]);
        let token = token.lines().last().unwrap().to_owned();
        let said = fs::File::create(folder.path().join("said")).unwrap();
        let child = Command::new(program)
            .arg("-c")
            .arg(&config)
            .arg("web")
            .stdout(said)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let gitea = Self { child, url, token, folder, agent: Self::agent() };
        gitea.ready();
        Ok(gitea)
    }

    /// Asks it, whatever it answers.
    #[must_use]
    pub fn agent() -> ureq::Agent {
        ureq::Agent::config_builder().http_status_as_error(false).build().into()
    }

    fn ready(&self) {
        let end = Instant::now() + Duration::from_secs(120);
        while self.agent.get(format!("{}/api/v1/version", self.url)).call().is_err() {
            assert!(Instant::now() < end, "it does not start");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Asks its API for something, which has to go well.
    #[track_caller]
    pub fn api(&self, method: &str, path: &str, body: &Value) -> Value {
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}/api/v1{path}", self.url))
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "application/json")
            .body(body.to_string())
            .unwrap();
        let mut answer = self.agent.run(request).unwrap();
        let text = answer.body_mut().read_to_string().unwrap();
        assert!(answer.status().is_success(), "{method} {path}: {} {text}", answer.status());
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Makes a repository of an organization, with nothing in it.
    pub fn repository(&self, owner: &str, name: &str) {
        let body = json!({"name": name, "default_branch": "main"});
        self.api("POST", &format!("/orgs/{owner}/repos"), &body);
    }

    /// Pushes files with git: those with a text, and without those that have none. Returns once its
    /// API knows of them, which what it delivers does not wait for.
    pub fn push(&self, repository: &str, files: &[(&str, Option<&str>)]) {
        let tree = self.folder.path().join("trees").join(repository);
        let git = |args: &[&str]| {
            let output = Command::new("git")
                .args(["-c", "user.name=tester", "-c", "user.email=tester@example.com"])
                .args(args)
                .current_dir(&tree)
                .env("GIT_CONFIG_GLOBAL", "/dev/null")
                .output()
                .unwrap();
            assert!(output.status.success(), "{args:?}: {output:?}");
        };
        if !tree.exists() {
            fs::create_dir_all(&tree).unwrap();
            git(&["init", "-q", "-b", "main"]);
        }
        for (path, text) in files {
            let file = tree.join(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            match text {
                Some(text) => fs::write(file, text).unwrap(),
                None => fs::remove_file(file).unwrap(),
            }
        }
        git(&["add", "-A"]);
        git(&["commit", "-q", "-m", "a change"]);
        let (user, token) = (USER, &self.token);
        let host = self.url.strip_prefix("http://").unwrap();
        git(&["push", "-q", &format!("http://{user}:{token}@{host}/{repository}.git"), "main"]);
        let head = fs::read_to_string(tree.join(".git/refs/heads/main")).unwrap();
        let end = Instant::now() + Duration::from_secs(120);
        while self.head(repository).as_deref() != Some(head.trim()) {
            assert!(Instant::now() < end, "what was pushed to {repository} does not show");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn head(&self, repository: &str) -> Option<String> {
        let url = format!("{}/api/v1/repos/{repository}/branches/main", self.url);
        let request = self.agent.get(url).header("authorization", format!("Bearer {}", self.token));
        let branch: Value =
            serde_json::from_reader(request.call().ok()?.into_body().into_reader()).ok()?;
        branch["commit"]["id"].as_str().map(str::to_owned)
    }
}

impl Drop for Gitea {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn ini(folder: &Path, source: &str, port: u16) -> String {
    let folder = folder.display();
    format!(
        "RUN_MODE = prod\nI_AM_BEING_UNSAFE_RUNNING_AS_ROOT = true\n\
         WORK_PATH = {folder}/work\n\
         [server]\nHTTP_ADDR = 127.0.0.1\nHTTP_PORT = {port}\n\
         ROOT_URL = http://127.0.0.1:{port}/\nSTATIC_ROOT_PATH = {source}\nDISABLE_SSH = true\n\
         OFFLINE_MODE = true\n\
         [database]\nDB_TYPE = sqlite3\nPATH = {folder}/work/gitea.db\n\
         [security]\nINSTALL_LOCK = true\nSECRET_KEY = of-tests\n\
         [webhook]\nALLOWED_HOST_LIST = loopback\n\
         [actions]\nENABLED = false\n\
         [log]\nLEVEL = warn\n"
    )
}
