//! CI systems that answer as their APIs do, from what a test lets happen in them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use event::Timestamp;
use serde_json::{Value, json};

use crate::scripted::{Reply, Request, Scripted};

/// What all of them are asked with.
pub const TOKEN: &str = "t0ken-of-a-robot";

/// How long ago, as the API writes it.
#[must_use]
pub fn ago(seconds: i64) -> String {
    time(seconds).to_string()
}

/// How long ago, in whole seconds, as GitHub has them.
#[must_use]
pub fn time(seconds_ago: i64) -> Timestamp {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let us = i64::try_from(now.as_micros()).unwrap() - seconds_ago * 1_000_000;
    Timestamp::from_micros(us / 1_000_000 * 1_000_000).unwrap()
}

/// What a site and its test both see.
pub type Shared<T> = Arc<Mutex<T>>;

/// A page of a list, with `Link` as GitHub and GitLab write it.
fn page(request: &Request, all: &[&Value], wrap: impl Fn(&[&Value]) -> Value) -> Reply {
    let size = request.number("per_page").unwrap_or(30);
    let at = request.number("page").unwrap_or(1);
    let rest = all.get((at - 1) * size..).unwrap_or_default();
    let body = wrap(&rest[..rest.len().min(size)]);
    let reply = Reply::json(&body);
    if rest.len() > size {
        let next =
            format!("<http://elsewhere.example{}?page={}>; rel=\"next\"", request.path, at + 1);
        return reply.with("link", &next);
    }
    reply
}

/// What a GitHub of tests holds.
#[derive(Default)]
pub struct GitHub {
    /// Of `acme/checkout`, the newest first.
    pub runs: Vec<Value>,
    /// What is left of the budget.
    pub left: i64,
    pub token: &'static str,
}

/// A run that was asked for, and changed last, so long ago.
#[must_use]
pub fn run(id: u64, seconds_ago: i64, status: &str) -> Value {
    json!({
        "id": id, "name": "build", "run_number": id, "run_attempt": 1, "event": "push",
        "status": status, "conclusion": if status == "completed" { json!("success") } else { json!(null) },
        "head_branch": "main", "head_sha": "c0ffee", "html_url": format!("https://h/runs/{id}"),
        "created_at": ago(seconds_ago), "run_started_at": ago(seconds_ago), "updated_at": ago(seconds_ago),
        "repository": {"full_name": "acme/checkout"}, "actor": {"login": "somebody"},
    })
}

/// A GitHub that keeps to its API: entity tags, pages, a budget.
#[must_use]
pub fn github(runs: Vec<Value>) -> (Scripted, Shared<GitHub>) {
    let state = Arc::new(Mutex::new(GitHub { runs, left: 5000, token: TOKEN }));
    let kept = Arc::clone(&state);
    let site = Scripted::new(move |request| {
        let mut state = kept.lock().unwrap();
        let tokens = ["Bearer", "token"].map(|kind| format!("{kind} {}", state.token));
        if !tokens.iter().any(|token| token == request.header("authorization")) {
            return Reply::status(401).with_body("{\"message\": \"Bad credentials\"}");
        }
        let path = request.path.strip_prefix("/api/v3").unwrap_or_default();
        let reply = answer_of_github(request, path, &state.runs);
        let tag = format!("W/\"{}\"", blake3::hash(reply.body.as_bytes()).to_hex());
        let is_same = request.header("if-none-match") == tag;
        let reply =
            if is_same { Reply { status: 304, body: String::new(), ..reply } } else { reply };
        state.left -= i64::from(!is_same);
        reply
            .with("etag", &tag)
            .with("x-ratelimit-limit", "5000")
            .with("x-ratelimit-remaining", &state.left.to_string())
            .with("x-ratelimit-reset", "4000000000")
    });
    (site, state)
}

fn answer_of_github(request: &Request, path: &str, runs: &[Value]) -> Reply {
    let of_runs = |runs: &[Value]| {
        let all: Vec<&Value> = runs.iter().collect();
        page(request, &all, |page| json!({"total_count": runs.len(), "workflow_runs": page}))
    };
    match path {
        "/orgs/acme/repos" => {
            let names = ["checkout", "old", "quiet"];
            let of = |name| json!({"full_name": format!("acme/{name}"), "archived": name == "old"});
            let repositories = names.map(of);
            return page(request, &repositories.each_ref(), |page| json!(page));
        }
        "/repos/acme/checkout/actions/runs" => return of_runs(runs),
        "/repos/acme/quiet/actions/runs" => return of_runs(&[]),
        _ => {}
    }
    let one = path.strip_prefix("/repos/acme/checkout/actions/runs/");
    let one = one.and_then(|rest| rest.split('/').next()?.parse::<u64>().ok());
    let run = one.and_then(|id| runs.iter().find(|run| run["id"] == id));
    match (one, run) {
        (Some(id), _) if path.ends_with("/jobs") => {
            let job = json!({
                "id": 7000 + id, "run_id": id, "name": "test", "status": "completed",
                "conclusion": "failure", "completed_at": ago(5),
            });
            page(request, &[&job], |page| json!({"jobs": page}))
        }
        (_, Some(run)) => Reply::json(run),
        _ => Reply::status(404).with_body("{\"message\": \"Not Found\"}"),
    }
}

/// What a GitLab of tests holds: pipelines of `shop/team/checkout`, in the order of their changes.
#[derive(Default)]
pub struct GitLab {
    pub pipelines: Vec<Value>,
}

/// A pipeline that changed last so long ago.
#[must_use]
pub fn pipeline(id: u64, seconds_ago: i64, status: &str) -> Value {
    json!({
        "id": id, "iid": id, "project_id": 7, "sha": "c0ffee", "ref": "main", "status": status,
        "source": "push", "created_at": ago(seconds_ago + 10), "updated_at": ago(seconds_ago),
        "web_url": format!("https://gitlab.example/shop/team/checkout/-/pipelines/{id}"), "name": null,
    })
}

/// A GitLab that keeps to its API: pipelines by when they changed, pages, what is left of its limits.
/// Its group `shop`, which also has the number 17, has the project.
#[must_use]
pub fn gitlab() -> (Scripted, Shared<GitLab>) {
    let state = Shared::<GitLab>::default();
    let kept = Arc::clone(&state);
    let site = Scripted::new(move |request| {
        if request.header("private-token") != TOKEN {
            return Reply::status(401).with_body("{\"message\": \"401 Unauthorized\"}");
        }
        answer_of_gitlab(request, &kept.lock().unwrap().pipelines)
            .with("ratelimit-limit", "2000")
            .with("ratelimit-remaining", "1999")
    });
    (site, state)
}

fn answer_of_gitlab(request: &Request, pipelines: &[Value]) -> Reply {
    let of = "/api/v4/projects/shop/team/checkout/pipelines";
    let list = |page: &[&Value]| json!(page);
    if ["/api/v4/groups/shop/projects", "/api/v4/groups/17/projects"].contains(&&*request.path) {
        let projects = [("shop/team/checkout", "private"), ("shop/docs", "disabled")].map(
            |(path, level)| json!({"path_with_namespace": path, "builds_access_level": level}),
        );
        return page(request, &projects.each_ref(), list);
    }
    assert!(request.raw_path.contains("%2F"), "{}", request.raw_path);
    if request.path == of {
        let since = request.query.get("updated_after").map_or("", String::as_str);
        // All of them as Timestamp writes them, so that texts sort as times do.
        let at = |one: &Value| one["updated_at"].as_str().unwrap().to_owned();
        let mut changed: Vec<&Value> = pipelines.iter().filter(|one| *at(one) >= *since).collect();
        changed.sort_by_key(|one| at(one));
        return page(request, &changed, list);
    }
    let rest = request.path.strip_prefix(of).unwrap_or_default().trim_start_matches('/');
    let (id, what) = rest.split_once('/').unwrap_or((rest, ""));
    let found = pipelines.iter().find(|one| one["id"].as_u64() == id.parse().ok());
    match (found, what) {
        (Some(_), "jobs") => {
            let jobs = [(1, "success"), (2, "failed"), (3, "skipped")].map(|(at, status)| {
                json!({
                    "id": id.parse::<u64>().unwrap() * 10 + at, "name": format!("job {at}"),
                    "stage": "test", "status": status, "ref": "main",
                    "started_at": ago(20), "finished_at": ago(5), "commit": {"id": "c0ffee"},
                    "pipeline": {"id": 31}, "user": {"username": "somebody"},
                })
            });
            page(request, &jobs.each_ref(), list)
        }
        (Some(found), "") => {
            let mut whole = found.clone();
            let is_over = ["success", "failed"].contains(&found["status"].as_str().unwrap());
            if is_over && found.get("finished_at").is_none() {
                whole["finished_at"] = json!("2026-08-12T15:26:29.734Z");
            }
            Reply::json(&whole)
        }
        _ => Reply::status(404).with_body("{\"message\": \"404 Not found\"}"),
    }
}

/// What a Jenkins of tests holds: builds by the full name of their job, the newest first.
pub type Jenkins = BTreeMap<String, Vec<Value>>;

/// A build that began so long ago.
#[must_use]
pub fn build(number: u64, seconds_ago: i64, result: Option<&str>) -> Value {
    json!({
        "_class": "hudson.model.FreeStyleBuild", "number": number, "queueId": 1000 + number,
        "building": result.is_none(), "result": result,
        "timestamp": time(seconds_ago).as_micros() / 1000, "duration": 4000,
        "url": format!("https://ci.example/job/x/{number}/"),
        "actions": [{}, null, {"lastBuiltRevision": {"SHA1": "c0ffee", "branch": [{"name": "origin/main"}]}}],
    })
}

/// Answers as the remote API does, as far as `tree` is asked here: written after its documentation,
/// since no Jenkins runs here.
#[must_use]
pub fn jenkins() -> (Scripted, Shared<Jenkins>) {
    let state = Shared::<Jenkins>::default();
    let kept = Arc::clone(&state);
    let site = Scripted::new(move |request| {
        // user:token
        if request.header("authorization") != "Basic cm9ib3Q6dDBrZW4tb2YtYS1yb2JvdA==" {
            return Reply::status(401).with_body("<html>Authentication required</html>");
        }
        answer_of_jenkins(request, &kept.lock().unwrap())
    });
    (site, state)
}

fn answer_of_jenkins(request: &Request, held: &Jenkins) -> Reply {
    let path = request.path.strip_suffix("/api/json").unwrap().trim_matches('/');
    let path = path.replace("job/", "");
    let tree = &request.query["tree"];
    let range = tree.rsplit_once('{').unwrap().1.trim_end_matches('}').split_once(',').unwrap();
    let [from, to] = [range.0, range.1].map(|text| text.parse::<usize>().unwrap());
    let what = tree.split('[').next().unwrap();
    if ["builds", "allBuilds"].contains(&what) {
        assert!(!tree.contains("parameters") && !tree.contains("causes"), "{tree}");
        let Some(builds) = held.get(&path) else { return Reply::status(404) };
        let to = if what == "builds" { to.min(100) } else { to };
        let builds: Vec<&Value> = builds.iter().take(to).skip(from).collect();
        return Reply::json(&json!({"_class": "hudson.model.FreeStyleProject", what: builds}));
    }
    let mut jobs = BTreeMap::<String, Value>::new();
    for (full, builds) in held {
        let prefix = if path.is_empty() { String::new() } else { format!("{path}/") };
        let Some(rest) = full.strip_prefix(&prefix) else { continue };
        let (name, shown) = match rest.split_once('/') {
            Some((name, _)) => (name, json!({"_class": "Folder", "name": name, "jobs": [{}]})),
            None => {
                let last = builds.first().map(|last| {
                    let [number, building, timestamp] =
                        ["number", "building", "timestamp"].map(|member| &last[member]);
                    json!({"number": number, "building": building, "timestamp": timestamp})
                });
                (rest, json!({"_class": "x", "name": rest, "lastBuild": last}))
            }
        };
        jobs.insert(name.to_owned(), shown);
    }
    let class = match &*path {
        "shop/app" => "org.jenkinsci.plugins.workflow.multibranch.WorkflowMultiBranchProject",
        _ => "com.cloudbees.hudson.plugins.folder.Folder",
    };
    let jobs: Vec<Value> = jobs.into_values().take(to).skip(from).collect();
    Reply::json(&json!({"_class": class, "jobs": jobs}))
}
