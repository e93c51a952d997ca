//! CI systems that are asked: runs that go from queued to completed between looks, the same told by
//! deliveries, limits, faults, lost rights, kills.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use expect_test::{Expect, expect};
use serde_json::{Value, json};
use support::ci::{TOKEN, build, github, gitlab, jenkins, pipeline, run};
use support::process::{Answer, Client, Server};
use support::scripted::{Fault, How, Reply, Scripted};

use crate::{program, until};

const SECRET: &str = "a-secret-of-the-webhook";

/// Serves a connector, with the entity on which everything shows.
fn serve(folder: &Path, from: &str, poll: &Value, more: &Value) -> Server {
    let config = folder.join("annals.yaml");
    fs::write(&config, configuration(from, poll, more).to_string()).unwrap();
    program().serve(&folder.join("data"), &["--config", config.to_str().unwrap()])
}

fn configuration(from: &str, poll: &Value, more: &Value) -> Value {
    let mut connector = json!({"kind": "ci", "id": "it", "from": from, "poll": poll});
    connector["poll"]["every_seconds"] = json!(1);
    connector.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"connectors": [connector]})
}

fn entity(client: &Client) {
    let entity = json!({
        "apiVersion": "backstage.io/v1alpha1", "kind": "Component",
        "metadata": {"name": "checkout", "annotations": {
            "github.com/project-slug": "acme/checkout",
            "gitlab.com/project-slug": "shop/team/checkout",
            "jenkins.io/job-full-name": "shop/a job",
        }},
        "spec": {"type": "service", "lifecycle": "production", "owner": "shop"},
    });
    assert_eq!(client.post("/api/ingest/x", &entity.to_string()).status, 200);
}

const ACTIVITIES: &str = "/api/history/entities/component/default/checkout/activities?limit=1000";

/// Types and keys of what happened, in the order of the log.
fn shown(answer: &Answer) -> Vec<String> {
    let all = answer.body["activities"].as_array().unwrap().iter().rev();
    let of = |shown: &Value| {
        let kind = shown["type"].as_str().unwrap().replace("dev.cdevents.", "");
        format!("{kind} {}", shown["key"].as_str().unwrap())
    };
    all.map(of).collect()
}

/// Waits until something is told.
#[track_caller]
fn told(client: &Client, key: &str) {
    until(client, ACTIVITIES, |answer| {
        answer.status == 200 && shown(answer).iter().any(|line| line.ends_with(&format!(" {key}")))
    });
}

#[track_caller]
fn assert_told(client: &Client, expected: &Expect) {
    expected.assert_eq(&shown(&client.get(ACTIVITIES)).join("\n"));
}

fn of(answer: &Answer) -> Value {
    let sources = answer.body["sources"].as_array().into_iter().flatten();
    sources.into_iter().find(|shown| shown["source"] == "ci/it").cloned().unwrap_or_default()
}

/// Waits until everything was looked at, after a time; gives when it was.
#[track_caller]
fn looked(client: &Client, since: &str) -> String {
    let looked = until(client, "/api/connectors", |answer| {
        of(answer)["lastSuccess"].as_str().is_some_and(|time| time > since)
            && of(answer)["condition"]["state"] == "working"
    });
    of(&looked)["lastSuccess"].as_str().unwrap().to_owned()
}

/// Records of a type in a log that nobody writes.
fn records(folder: &Path, kind: &str) -> Vec<String> {
    let kept = tempfile::tempdir().unwrap();
    let (data, file) = (folder.join("data"), kept.path().join("log.ndjson"));
    let [data, path] = [&data, &file].map(|path| path.to_str().unwrap());
    let _ = program().json(&["log", "export", "--data", data, path]);
    let kind = format!("\"dev.annals.{kind}.v1\"");
    let text = fs::read_to_string(&file).unwrap();
    text.lines().filter(|line| line.contains(&kind)).map(str::to_owned).collect()
}

fn github_poll(site: &Scripted) -> Value {
    json!({"url": site.url, "token": TOKEN, "organizations": ["acme"]})
}

fn deliver(client: &Client, action: &str, run: &Value) -> Answer {
    let body = json!({"action": action, "repository": {"full_name": "acme/checkout"}, "workflow_run": run});
    let body = body.to_string();
    let signature = crate::ci::signed(SECRET, &body);
    let id = format!("{action}-{}", run["id"]);
    let headers = [
        ("X-GitHub-Event", "workflow_run"),
        ("X-GitHub-Delivery", &*id),
        ("X-Hub-Signature-256", &*signature),
    ];
    client.try_post("/api/events/http/it", &headers, &body).unwrap()
}

#[test]
fn runs_on_github_are_told_as_they_go_by_whoever_comes_first() {
    let (site, github) = github(vec![run(2, 60, "queued"), run(1, 600, "completed")]);
    // Older than it is looked back, on the second page.
    github.lock().unwrap().runs.extend((0..150).map(|at| run(500 + at, 2_000_000, "completed")));
    let folder = tempfile::tempdir().unwrap();
    let secret = json!({"secret": SECRET});
    let server = serve(folder.path(), "github", &github_poll(&site), &secret);
    let client = server.client();
    entity(&client);
    told(&client, "workflow_run/2/1/requested");
    let set = |at: usize, status: &str| {
        let mut github = github.lock().unwrap();
        let id = github.runs[at]["id"].as_u64().unwrap();
        let created = github.runs[at]["created_at"].clone();
        github.runs[at] = run(id, 0, status);
        github.runs[at]["created_at"] = created;
    };
    set(0, "in_progress");
    told(&client, "workflow_run/2/1/in_progress");
    // Each as a delivery says it, and as it is asked for, in both orders.
    let answer = deliver(&client, "in_progress", &run(2, 0, "in_progress"));
    assert_eq!(answer.body, json!({"new": 0, "known": 1}));
    let answer = deliver(&client, "completed", &run(2, 0, "completed"));
    assert_eq!(answer.body, json!({"new": 1, "known": 0}));
    set(0, "completed");
    github.lock().unwrap().runs.insert(0, run(3, 1, "completed"));
    told(&client, "workflow_run/3/1/completed");
    // Nothing new costs nothing, and no record.
    let last = looked(&client, &looked(&client, &looked(&client, "")));
    let _ = site.asked();
    looked(&client, &looked(&client, &last));
    let asked = site.asked();
    assert!(asked.len() >= 3 && asked.iter().all(|(_, status)| *status == 304), "{asked:?}");
    assert!(!asked.iter().any(|(path, _)| path.contains("/old/")), "{asked:?}");
    let budget = of(&client.get("/api/connectors"))["budget"].clone();
    assert_eq!(budget["left"], github.lock().unwrap().left, "{budget}");
    assert_told(
        &client,
        &expect![[r#"
            pipelinerun.finished workflow_run/1/1/completed
            pipelinerun.queued workflow_run/2/1/requested
            pipelinerun.started workflow_run/2/1/in_progress
            pipelinerun.finished workflow_run/2/1/completed
            pipelinerun.finished workflow_run/3/1/completed"#]],
    );
    let (code, said) = server.stop();
    assert_eq!(code, Some(0));
    assert!(!said.contains(TOKEN), "{said}");
    assert_eq!(records(folder.path(), "activity.recorded").len(), 5);
    let cursors = records(folder.path(), "cursor.reached");
    assert!((1..=4).contains(&cursors.len()), "{cursors:?}");
    assert!(!cursors.concat().contains(TOKEN));
}

#[test]
fn what_had_not_ended_on_github_is_asked_for_again_after_a_restart() {
    let (site, github) = github(vec![run(2, 7200, "in_progress")]);
    let folder = tempfile::tempdir().unwrap();
    let mut poll = github_poll(&site);
    poll["jobs"] = json!(true);
    let server = serve(folder.path(), "github", &poll, &json!({}));
    entity(&server.client());
    told(&server.client(), "workflow_run/2/1/in_progress");
    looked(&server.client(), "");
    // It is a long way down the list by now: nothing but itself tells that it has ended.
    let newer = |first: u64| (0..120).rev().map(|at| run(first + at, 30, "completed")).collect();
    let mut runs: Vec<Value> = newer(100);
    runs.push(run(2, 7200, "in_progress"));
    github.lock().unwrap().runs = runs;
    told(&server.client(), "workflow_run/100/1/completed");
    server.stop();
    {
        let mut github = github.lock().unwrap();
        let last = github.runs.len() - 1;
        let created = github.runs[last]["created_at"].clone();
        github.runs[last] = run(2, 0, "completed");
        github.runs[last]["created_at"] = created;
    }
    let server = serve(folder.path(), "github", &poll, &json!({}));
    told(&server.client(), "workflow_run/2/1/completed");
    told(&server.client(), "workflow_job/7002/completed");
    looked(&server.client(), "");
    // And once more while it runs, where others push it off the first page.
    github.lock().unwrap().runs.insert(0, run(900, 20, "queued"));
    told(&server.client(), "workflow_run/900/1/requested");
    {
        let mut github = github.lock().unwrap();
        let mut runs: Vec<Value> = newer(1000);
        runs.append(&mut github.runs);
        github.runs = runs;
    }
    told(&server.client(), "workflow_run/1000/1/completed");
    {
        let mut github = github.lock().unwrap();
        let at = github.runs.iter().position(|run| run["id"] == 900).unwrap();
        let created = github.runs[at]["created_at"].clone();
        github.runs[at] = run(900, 0, "completed");
        github.runs[at]["created_at"] = created;
    }
    told(&server.client(), "workflow_run/900/1/completed");
    server.stop();
    let all = records(folder.path(), "activity.recorded");
    // 241 runs that ended with a job each, and three that were told before they had.
    assert_eq!(all.len(), 2 * 242 + 2);
}

#[test]
fn pipelines_on_gitlab_are_told_as_they_go_with_their_jobs() {
    let (site, gitlab) = gitlab();
    gitlab.lock().unwrap().pipelines =
        vec![pipeline(31, 100, "created"), pipeline(9, 2_000_000, "failed")];
    let folder = tempfile::tempdir().unwrap();
    let poll = json!({"url": site.url, "token": TOKEN, "groups": ["shop"], "jobs": true});
    let server = serve(folder.path(), "gitlab", &poll, &json!({"secret": SECRET}));
    let client = server.client();
    entity(&client);
    told(&client, "pipeline/31/queued/");
    gitlab.lock().unwrap().pipelines[0] = pipeline(31, 0, "running");
    told(&client, "pipeline/31/started/");
    // A delivery of its end comes first.
    let delivery = json!({
        "object_kind": "pipeline", "project": {"path_with_namespace": "shop/team/checkout"},
        "object_attributes": {"id": 31, "status": "success", "finished_at": "2026-08-12 15:26:29 UTC"},
    });
    let headers = [("X-Gitlab-Token", SECRET)];
    let answer = client.try_post("/api/events/http/it", &headers, &delivery.to_string()).unwrap();
    assert_eq!(answer.body, json!({"new": 1, "known": 0}));
    gitlab.lock().unwrap().pipelines[0] = pipeline(31, 0, "success");
    told(&client, "job/312/finished");
    looked(&client, &looked(&client, ""));
    let _ = site.asked();
    looked(&client, &looked(&client, ""));
    // What was told is not asked for one by one any more.
    let asked = site.asked();
    assert!(
        !asked.is_empty() && !asked.iter().any(|(path, _)| path.contains("pipelines/")),
        "{asked:?}"
    );
    // It is run again, and ends another time; more than a page changed in the same second.
    let many = (100..350).map(|id| pipeline(id, 3, "running"));
    gitlab.lock().unwrap().pipelines.extend(many);
    told(&client, "pipeline/349/started/");
    told(&client, "pipeline/100/started/");
    looked(&client, &looked(&client, ""));
    let all = shown(&client.get(ACTIVITIES));
    let all: Vec<&String> = all.iter().filter(|line| line.contains("31")).collect();
    let all: Vec<&str> = all
        .iter()
        .map(|line| line.as_str())
        .filter(|line| !line.contains("/started/") || line.contains("/31/"))
        .collect();
    expect![[r#"
        pipelinerun.queued pipeline/31/queued/
        pipelinerun.started pipeline/31/started/
        pipelinerun.finished pipeline/31/finished/2026-08-12T15:26:29Z
        taskrun.finished job/311/finished
        taskrun.finished job/312/finished"#]]
    .assert_eq(&all.join("\n"));
    let (_, said) = server.stop();
    assert!(!said.contains(TOKEN), "{said}");
    assert_eq!(records(folder.path(), "activity.recorded").len(), 5 + 250);
}

fn jenkins_poll(site: &Scripted) -> Value {
    json!({"url": site.url, "user": "robot", "token": TOKEN, "folders": ["shop"]})
}

/// A build that is known, and one of a branch that is not.
fn jenkins_delivers(client: &Client) {
    let delivery = json!({
        "name": "a job", "url": "job/shop/job/a%20job/",
        "build": {"number": 6, "queue_id": 1006, "phase": "FINALIZED", "status": "SUCCESS"},
    });
    let path = format!("/api/events/http/it?token={SECRET}");
    let answer = client.try_post(&path, &[], &delivery.to_string()).unwrap();
    assert_eq!(answer.body, json!({"new": 0, "known": 1}));
    let of_branch = json!({
        "name": "feature%2Fx", "url": "job/shop/job/app/job/feature%252Fx/",
        "build": {"number": 2, "phase": "FINALIZED", "status": "SUCCESS"},
    });
    let answer = client.try_post(&path, &[], &of_branch.to_string()).unwrap();
    assert_eq!(answer.body, json!({"new": 1, "known": 0}));
}

#[test]
fn builds_on_jenkins_are_told_as_they_go_in_folders_and_branches() {
    let (site, jenkins) = jenkins();
    let put = |job: &str, builds: Vec<Value>| {
        jenkins.lock().unwrap().insert(job.to_owned(), builds);
    };
    put(
        "shop/a job",
        vec![
            build(5, 100, None),
            build(4, 200, Some("FAILURE")),
            build(3, 2_000_000, Some("SUCCESS")),
        ],
    );
    put("shop/app/main", vec![build(1, 50, Some("ABORTED"))]);
    put("shop/app/feature%2Fx", vec![build(1, 40, Some("SUCCESS"))]);
    put("shop/never built", Vec::new());
    put("other/job", vec![build(1, 40, Some("SUCCESS"))]);
    (0..130).for_each(|at| put(&format!("shop/many/{at:03}"), vec![build(7, 30, Some("SUCCESS"))]));
    let folder = tempfile::tempdir().unwrap();
    let server = serve(folder.path(), "jenkins", &jenkins_poll(&site), &json!({"secret": SECRET}));
    let client = server.client();
    entity(&client);
    told(&client, "shop/a job/5/queue-1005/started");
    // Another build overtakes it.
    put(
        "shop/a job",
        vec![build(6, 10, Some("SUCCESS")), build(5, 100, None), build(4, 200, Some("FAILURE"))],
    );
    told(&client, "shop/a job/6/queue-1006/finished");
    jenkins_delivers(&client);
    put(
        "shop/a job",
        vec![
            build(6, 10, Some("SUCCESS")),
            build(5, 100, Some("UNSTABLE")),
            build(4, 200, Some("FAILURE")),
        ],
    );
    told(&client, "shop/a job/5/queue-1005/finished");
    // One that is deleted while it runs is not looked for for ever.
    let all = jenkins.lock().unwrap()["shop/a job"].clone();
    put("shop/a job", [vec![build(7, 0, None)], all.clone()].concat());
    told(&client, "shop/a job/7/queue-1007/started");
    put("shop/a job", all);
    looked(&client, &looked(&client, &looked(&client, "")));
    let _ = site.asked();
    looked(&client, &looked(&client, ""));
    let asked = site.asked();
    assert!(
        !asked.is_empty() && !asked.iter().any(|(path, _)| path.contains("builds")),
        "{asked:?}"
    );
    assert_told(
        &client,
        &expect![[r#"
            pipelinerun.finished shop/a job/4/queue-1004/finished
            pipelinerun.started shop/a job/5/queue-1005/started
            pipelinerun.finished shop/a job/6/queue-1006/finished
            pipelinerun.finished shop/a job/5/queue-1005/finished
            pipelinerun.started shop/a job/7/queue-1007/started"#]],
    );
    let (_, said) = server.stop();
    assert!(!said.contains(TOKEN) && !said.contains("cm9ib3Q6"), "{said}");
    let all = records(folder.path(), "activity.recorded");
    assert_eq!(all.len(), 5 + 3 + 130);
    // Builds of branches are the project's.
    let of: Vec<&String> = all.iter().filter(|line| line.contains("shop/app/")).collect();
    assert_eq!(of.len(), 3);
    assert!(of.iter().all(|line| line.contains(r#""value":"shop/app"}"#)), "{of:?}");
    assert!(
        of.iter().any(|line| line.contains("shop/app/feature%2Fx/1/queue-1001/finished")),
        "{of:?}"
    );
}

/// What goes wrong, and what is said of it. Jenkins is asked by what asks GitLab: what takes long,
/// since it is tried again, is left out there.
fn faults(from: &str) -> Vec<(Fault, usize, &'static str)> {
    let elsewhere = Scripted::new(|_| panic!("credentials went elsewhere"));
    let moved = Reply::status(302).with("location", &format!("{}/api", elsewhere.url));
    let said = |status, body: &str| Fault::Instead(Reply::status(status).with_body(body));
    let mut faults = vec![
        (said(401, "{\"message\": \"Bad credentials\"}"), 9, "refuses the credentials (401"),
        (said(403, "{\"message\": \"Forbidden\"}"), 9, "refuses the credentials (403"),
        (said(404, "{}"), 9, "is not there, or may not be seen"),
        (said(200, "<html>"), 9, "is not of its form"),
        (said(200, "{\"workflow_runs\": [{}], \"jobs\": 5}"), 9, "is not of its form"),
        (said(422, "{\"message\": \"no\"}"), 9, "answers 422"),
        (Fault::Instead(moved), 9, "where credentials go is not changed"),
    ];
    if from != "jenkins" {
        faults.extend([
            (said(503, "busy"), 9, "answers 503"),
            (Fault::Comes(How::Cut), 9, "could not be asked"),
            (Fault::Comes(How::Endless), 9, "its answer is larger than"),
        ]);
    }
    faults
}

/// Goes through all faults: each is said, nothing is lost, and what happens after is told.
fn goes_through_faults(
    from: &str,
    site: &Scripted,
    poll: &Value,
    on: &str,
    happens: &dyn Fn(u64) -> String,
) {
    let folder = tempfile::tempdir().unwrap();
    let server = serve(folder.path(), from, poll, &json!({}));
    let client = server.client();
    entity(&client);
    told(&client, &happens(1));
    let mut last = looked(&client, "");
    for (number, (fault, times, expected)) in (2..).zip(faults(from)) {
        site.fault(on, times, fault.clone());
        let key = happens(number);
        let failing = until(&client, "/api/connectors", |answer| {
            of(answer)["lastError"]["time"].as_str().is_some_and(|time| time > last.as_str())
                && of(answer)["condition"]["state"] == "failing"
        });
        let why = of(&failing)["lastError"]["message"].as_str().unwrap().to_owned();
        assert!(why.contains(expected), "{from}: {fault:?}: {why}");
        assert!(!why.contains(TOKEN), "{why}");
        let entity = client.get("/api/catalog/entities/by-name/component/default/checkout");
        assert_eq!(entity.status, 200);
        site.calm();
        told(&client, &key);
        last = looked(&client, &last);
    }
    // What is over soon, and limits, are waited for, and nobody has to know.
    let errors = of(&client.get("/api/connectors"))["lastError"].clone();
    site.fault(on, 1, Fault::Instead(Reply::status(500)));
    site.fault(on, 1, Fault::Instead(Reply::status(429).with("retry-after", "1")));
    let key = happens(90);
    told(&client, &key);
    looked(&client, &last);
    assert_eq!(of(&client.get("/api/connectors"))["lastError"], errors);
    // Who waits for an answer that does not come can be stopped.
    site.fault(on, 1, Fault::Comes(How::Hangs));
    let _ = site.asked();
    happens(91);
    let begun = Instant::now();
    while !site.asked().iter().any(|(path, _)| path.contains(on)) {
        assert!(begun.elapsed() < Duration::from_secs(60), "it is not asked");
        std::thread::park_timeout(Duration::from_millis(20));
    }
    let begun = Instant::now();
    assert_eq!(server.stop().0, Some(0));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    let all = records(folder.path(), "activity.recorded");
    assert_eq!(all.len(), 1 + faults(from).len() + 1, "{from}");
}

#[test]
fn faults_of_github_are_said_and_lose_nothing() {
    let (site, github) = github(Vec::new());
    let happens = move |number: u64| {
        github.lock().unwrap().runs.insert(0, run(number, 1, "completed"));
        format!("workflow_run/{number}/1/completed")
    };
    goes_through_faults("github", &site, &github_poll(&site), "/checkout/actions/runs", &happens);
}

#[test]
fn faults_of_gitlab_are_said_and_lose_nothing() {
    let (site, gitlab) = gitlab();
    let happens = move |number: u64| {
        gitlab.lock().unwrap().pipelines.push(pipeline(number, 0, "running"));
        format!("pipeline/{number}/started/")
    };
    let poll = json!({"url": site.url, "token": TOKEN, "projects": ["shop/team/checkout"]});
    goes_through_faults("gitlab", &site, &poll, "/pipelines", &happens);
}

#[test]
fn faults_of_jenkins_are_said_and_lose_nothing() {
    let (site, jenkins) = jenkins();
    let happens = move |number: u64| {
        let mut jenkins = jenkins.lock().unwrap();
        jenkins
            .entry("shop/a job".into())
            .or_default()
            .insert(0, build(number, 0, Some("SUCCESS")));
        format!("shop/a job/{number}/queue-{}/finished", 1000 + number)
    };
    goes_through_faults("jenkins", &site, &jenkins_poll(&site), "tree=builds", &happens);
}

#[test]
fn a_look_that_is_killed_loses_nothing_and_tells_nothing_twice() {
    let all: u64 = 1500;
    let (site, _github) =
        github((0..all).map(|at| run(1 + at, 60 + at.cast_signed(), "completed")).collect());
    let folder = tempfile::tempdir().unwrap();
    let slow = Fault::Comes(How::Late(Duration::from_millis(300)));
    for kill in 1..=3_u64 {
        site.fault("/checkout/actions/runs", 10, slow.clone());
        let mut server = serve(folder.path(), "github", &github_poll(&site), &json!({}));
        until(&server.client(), "/api/log", |answer| {
            answer.body["records"].as_u64().is_some_and(|records| records >= 150 * kill)
        });
        server.kill();
    }
    site.calm();
    let server = serve(folder.path(), "github", &github_poll(&site), &json!({}));
    looked(&server.client(), "");
    server.stop();
    assert_eq!(records(folder.path(), "activity.recorded").len() as u64, all);
}

#[test]
fn rights_that_are_lost_later_are_said_and_a_command_says_what_is_missing() {
    let (site, github) = github(vec![run(1, 60, "completed")]);
    let folder = tempfile::tempdir().unwrap();
    let server = serve(folder.path(), "github", &github_poll(&site), &json!({}));
    let client = server.client();
    entity(&client);
    told(&client, "workflow_run/1/1/completed");
    let last = looked(&client, "");
    let config = folder.path().join("annals.yaml");
    let config = config.to_str().unwrap();
    let test = || {
        let output = program().run(&["connectors", "test", "--config", config, "--json"]);
        (output.status.code(), support::process::last_json(&output)["connectors"][0].clone())
    };
    let (code, works) = test();
    assert_eq!(
        (code, &works["works"], &works["found"]),
        (Some(0), &json!(true), &json!(2)),
        "{works}"
    );
    let args = ["connectors", "run", "--config", config, "--once", "--dry-run", "ci/it"];
    // The catalog has it already; without one it would be new.
    let data = folder.path().join("data");
    let known = [&args[..], &["--data", data.to_str().unwrap()]].concat();
    assert_eq!(program().json(&known)["changed"], 0);
    let other = folder.path().join("other");
    let args = [&args[..], &["--data", other.to_str().unwrap()]].concat();
    let said = String::from_utf8(program().run(&args).stdout).unwrap();
    let expected = "activity  github.com/project-slug=acme/checkout  ";
    let line = said.lines().find(|line| line.starts_with(expected));
    assert!(line.is_some_and(|line| line.contains("workflow_run/1/1/completed")), "{said}");
    site.fault("/actions/runs", 1, Fault::Instead(Reply::status(404)));
    github.lock().unwrap().token = "another-one";
    let failing = until(&client, "/api/connectors", |answer| {
        of(answer)["lastError"]["time"].as_str().is_some_and(|time| time > last.as_str())
    });
    let why = of(&failing)["lastError"]["message"].as_str().unwrap().to_owned();
    assert!(why.contains("Bad credentials"), "{why}");
    let (code, lacks) = test();
    let why = lacks["why"].as_str().unwrap();
    assert!(code == Some(1) && why.contains("Bad credentials"), "{lacks}");
    github.lock().unwrap().token = TOKEN;
    looked(&client, &last);
    server.stop();
    site.calm();
    site.fault(
        "/actions/runs",
        1,
        Fault::Instead(
            Reply::status(403)
                .with_body("{\"message\": \"Resource not accessible by personal access token\"}"),
        ),
    );
    let (code, lacks) = test();
    let why = lacks["why"].as_str().unwrap();
    assert!(code == Some(1) && why.contains("Actions: read"), "{lacks}");
}
