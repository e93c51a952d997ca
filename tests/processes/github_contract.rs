//! GitHub's published contract: every request of REST that is sent to a GitHub is one that the
//! contract allows, and what it shows as answers is understood.
//!
//! It is large, so it is a part of the long suites only: see `.config/nextest.toml`.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::github::GitHub;
use support::process::{Server, skip};
use support::scripted::{Reply, Request, Scripted};

use crate::github_read::component;
use crate::{program, until};

/// What is asked of a GitHub, as the contract names it.
const PATHS: [&str; 10] = [
    "/app/installations/{installation_id}/access_tokens",
    "/installation/repositories",
    "/orgs/{org}/installation",
    "/orgs/{org}/repos",
    "/repos/{owner}/{repo}/actions/runs",
    "/repos/{owner}/{repo}/actions/runs/{run_id}",
    "/repos/{owner}/{repo}/actions/runs/{run_id}/jobs",
    "/repos/{owner}/{repo}/git/blobs/{file_sha}",
    "/users/{username}/installation",
    "/users/{username}/repos",
];

/// The contract, served by Prism.
struct Contract {
    child: Mutex<Child>,
    url: String,
    agent: ureq::Agent,
    /// Which of [`PATHS`] were asked for, and what was wrong with that.
    asked: Mutex<(BTreeSet<&'static str>, Vec<String>)>,
}

/// Ends the contract when the test does, however that is.
struct Ends(Arc<Contract>);

impl Drop for Ends {
    fn drop(&mut self) {
        let mut child = self.0.child.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = child.kill();
        let _ = child.wait();
    }
}

impl Contract {
    fn start(folder: &Path) -> Result<Self, String> {
        let source =
            Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("github-contract");
        let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("github-contract");
        let packages = support::npm::install(&source, &cache)?;
        let modules = packages.join("node_modules");
        // What is not asked for would only take memory.
        let paths = PATHS.join("|").replace('{', "\\{").replace('}', "\\}");
        let cut = folder.join("contract.json");
        let status = Command::new("node")
            .arg(source.join("trim.mjs"))
            .arg(modules.join("@octokit/openapi/generated/api.github.com.json"))
            .arg(&cut)
            .arg(format!("^({paths})$"))
            .stdout(Stdio::null())
            .status();
        assert!(status.unwrap().success());
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let prism: PathBuf = modules.join("@stoplight/prism-cli/dist/index.js");
        let mut child = Command::new("node")
            .arg(prism)
            .args(["mock", "-h", "127.0.0.1", "-p", &port.to_string()])
            .arg(&cut)
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("node does not run: {error}"))?;
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let listens =
            lines.by_ref().map_while(Result::ok).any(|line| line.contains("listening on"));
        assert!(listens, "Prism ended");
        // Whatever it says later is read, so that it never waits for a reader.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        let config = ureq::Agent::config_builder().http_status_as_error(false).build();
        let url = format!("http://127.0.0.1:{port}");
        Ok(Self { child: child.into(), url, agent: config.into(), asked: Mutex::default() })
    }

    /// Asks the contract, and notes what it says of the request; gives its example of an answer.
    fn ask(&self, request: &Request) -> Reply {
        let target = request.target.strip_prefix("/api/v3").unwrap_or(&request.target);
        let (status, violations, body) = forward(&self.agent, &self.url, target, request);
        // Some of its own examples are not as it says.
        let violations: Vec<Value> = serde_json::from_str(&violations).unwrap_or_default();
        let wrong = violations.iter().any(|of| of["location"][0] == "request");
        let mut asked = self.asked.lock().unwrap();
        if wrong || !(200..300).contains(&status) {
            asked.1.push(format!("{} {target}: {status} {violations:?}", request.method));
        }
        asked.0.extend(PATHS.into_iter().filter(|path| is_of(path, target)));
        Reply::status(status).with_body(&body)
    }

    /// Waits until these were asked for.
    fn until(&self, paths: &[&str]) {
        let begun = Instant::now();
        loop {
            let asked = self.asked.lock().unwrap().0.clone();
            if paths.iter().all(|path| asked.contains(path)) {
                return;
            }
            assert!(begun.elapsed() < Duration::from_secs(120), "only {asked:?}");
            std::thread::park_timeout(Duration::from_millis(50));
        }
    }
}

/// Whether a request is for a path of the contract.
fn is_of(path: &str, target: &str) -> bool {
    let target = target.split('?').next().unwrap().split('/');
    let path: Vec<&str> = path.split('/').collect();
    target.clone().count() == path.len()
        && path.iter().zip(target).all(|(of, part)| of.starts_with('{') || *of == part)
}

/// Hands a request on; gives status, violations of the contract, and body.
fn forward(
    agent: &ureq::Agent,
    url: &str,
    target: &str,
    request: &Request,
) -> (u16, String, String) {
    let mut sent = ureq::http::Request::builder()
        .method(request.method.as_str())
        .uri(format!("{url}{target}"));
    for (name, value) in &request.headers {
        if !["host", "content-length", "connection", "transfer-encoding"].contains(&name.as_str()) {
            sent = sent.header(name, value);
        }
    }
    let sent = agent.run(sent.body(request.body.clone()).unwrap()).unwrap();
    let violations = sent.headers().get("sl-violations");
    let violations = violations.and_then(|text| text.to_str().ok()).unwrap_or("[]").to_owned();
    (sent.status().as_u16(), violations, sent.into_body().read_to_string().unwrap())
}

fn serve(folder: &Path, connectors: &Value) -> Server {
    let config = folder.join("annals.yaml");
    fs::write(&config, json!({"connectors": connectors}).to_string()).unwrap();
    program().serve(&folder.join("data"), &["--config", config.to_str().unwrap()])
}

/// Polling gets what the contract shows as answers: a run that goes, is not listed any more, and is
/// asked for by itself; one that has ended, with its jobs.
fn polls(contract: &Arc<Contract>, key: &str) {
    let kept = Arc::clone(contract);
    let listed = Mutex::new(BTreeSet::new());
    let site = Scripted::new(move |request| {
        let reply = kept.ask(request);
        if !request.path.ends_with("/actions/runs") {
            return reply;
        }
        let mut runs: Value = serde_json::from_str(&reply.body).unwrap();
        let authorization = request.header("authorization").to_owned();
        if listed.lock().unwrap().insert(authorization.clone()) {
            let is_done = authorization.contains("done");
            runs["workflow_runs"][0]["status"] =
                json!(if is_done { "completed" } else { "in_progress" });
            runs["workflow_runs"][0]["updated_at"] = json!("2999-01-01T00:00:00Z");
        } else {
            runs["workflow_runs"] = json!([]);
        }
        Reply::json(&runs)
    });
    let folder = tempfile::tempdir().unwrap();
    let connector = |id: &str, poll: Value| {
        let mut connector = json!({"kind": "ci", "id": id, "from": "github", "poll": poll});
        connector["poll"]["url"] = json!(site.url);
        connector["poll"]["every_seconds"] = json!(1);
        connector
    };
    let app = json!({"id": 7, "key": key});
    let server = serve(
        folder.path(),
        &json!([
            connector("a", json!({"token": "goes", "organizations": ["octocat"]})),
            connector("b", json!({"token": "done", "users": ["octocat"], "jobs": true})),
            connector("c", json!({"app": app, "organizations": ["octocat"]})),
            connector("d", json!({"app": app, "users": ["octocat"]})),
        ]),
    );
    contract.until(&PATHS.into_iter().filter(|path| !path.contains("blobs")).collect::<Vec<_>>());
    let log =
        until(&server.client(), "/api/log", |answer| answer.body["records"].as_u64() > Some(8));
    let records =
        server.client().get(&format!("/api/log/records?from=0&limit={}", log.body["records"]));
    let records = records.body.to_string();
    for expected in ["octo-org/octo-repo", "workflow_run/30433642/1/", "workflow_job/"] {
        assert!(records.contains(expected), "{expected}: {records}");
    }
    server.stop();
}

/// What reads the catalog asks the stand-in, and the contract is asked the same.
fn reads(contract: &Arc<Contract>, github: &Arc<GitHub>, key: &str) {
    github.control(&json!([
        {"op": "app", "id": 7, "key": key, "seconds": 3600},
        {"op": "repo", "owner": "acme", "name": "a", "files": {
            "catalog-info.yaml": component("a", ", notes: {$text: ./notes.txt}"),
            "notes.txt": "x".repeat(600_000),
        }},
    ]));
    let (kept, of) = (Arc::clone(contract), github.url.clone());
    let site = Scripted::new(move |request| {
        if !request.path.ends_with("/graphql") {
            kept.ask(request);
        }
        let (status, _, body) = forward(&kept.agent, &of, &request.target, request);
        // Its pages are where it is asked.
        let here = format!("http://{}", request.header("host"));
        Reply::status(status).with_body(&body.replace(&of, &here))
    });
    let folder = tempfile::tempdir().unwrap();
    let app = json!({"id": 7, "key": key});
    let server = serve(
        folder.path(),
        &json!([{"kind": "github", "id": "gh", "url": site.url, "app": app, "organizations": ["acme"]}]),
    );
    let a = "/api/catalog/entities/by-name/component/default/a";
    until(&server.client(), a, |answer| answer.status == 200);
    server.stop();
}

#[test]
fn all_requests_are_such_as_the_published_contract_allows() {
    let folder = tempfile::tempdir().unwrap();
    let contract = match Contract::start(folder.path()) {
        Ok(contract) => Arc::new(contract),
        Err(why) => return skip("GitHub's published contract", &why),
    };
    let Some(github) = crate::github_read::github() else { return };
    // It refuses what it does not allow.
    let target = "/orgs/acme/repos?per_page=many".to_owned();
    let wrong = Request { method: "GET".into(), target, ..Request::default() };
    contract.ask(&wrong);
    let refused = std::mem::take(&mut *contract.asked.lock().unwrap()).1;
    assert!(refused.len() == 1 && refused[0].contains("per_page"), "{refused:?}");
    let key = Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap())
        .join("../crates/asking/fixtures/app.pem");
    let key = fs::read_to_string(key).unwrap();
    let ends = Ends(Arc::clone(&contract));
    polls(&contract, &key);
    reads(&contract, &Arc::new(github), &key);
    drop(ends);
    let (asked, wrong) = std::mem::take(&mut *contract.asked.lock().unwrap());
    assert_eq!(wrong, [""; 0]);
    assert_eq!(asked, BTreeSet::from(PATHS));
}
