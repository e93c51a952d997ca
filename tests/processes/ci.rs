//! Deliveries of CI systems: as GitHub and GitLab publish them, and as an enemy sends them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use ci::map::{github, gitlab};
use expect_test::expect;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use support::process::{Answer, Client, Server, skip};
use support::scripted::{Reply, Scripted};

use crate::program;

const SECRET: &str = "a-secret-of-the-webhook";

/// How many activities of which types came of which events.
#[derive(Default)]
struct Counts(BTreeMap<String, usize>);

impl Counts {
    fn add(&mut self, event: &str, told: &connector::Activity) {
        let name = told.activity.strip_prefix("dev.cdevents.").unwrap();
        *self.0.entry(format!("{event} {name}")).or_default() += 1;
    }

    fn shown(&self) -> String {
        self.0.iter().fold(String::new(), |mut text, (what, count)| {
            writeln!(text, "{what} {count}").unwrap();
            text
        })
    }
}

/// A folder beside the build in which what was fetched is kept.
fn cache() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    target.join("webhooks")
}

#[test]
fn all_bodies_that_github_publishes_are_understood() {
    let source = Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("webhooks");
    let packages = match support::npm::install(&source, &cache()) {
        Ok(packages) => packages,
        Err(why) => return skip("the bodies of GitHub's webhooks", &why),
    };
    let path = "node_modules/@octokit/webhooks-examples/api.github.com/index.json";
    let events: Value = serde_json::from_slice(&fs::read(packages.join(path)).unwrap()).unwrap();
    let (mut all, mut counts) = (0, Counts::default());
    for event in events.as_array().unwrap() {
        let name = event["name"].as_str().unwrap();
        for example in event["examples"].as_array().unwrap() {
            all += 1;
            let told = github::read(name, example.to_string().as_bytes());
            let told = told.unwrap_or_else(|why| panic!("{name}: {why}"));
            if let Some(told) = &told {
                // Its repository, and no person.
                let slug = example["repository"]["full_name"].as_str().unwrap();
                assert!(format!("{:?}", told.whom).contains(slug), "{told:?}");
                let sender = example["sender"]["login"].as_str().unwrap();
                let value = json!(told.value).to_string().replace(slug, "");
                let (owner, _) = slug.split_once('/').unwrap();
                assert!(owner == sender || !value.contains(sender), "{told:?}");
            }
            let action = example["action"].as_str().unwrap_or_default();
            if let Some(told) = &told {
                counts.add(&format!("{name} {action}"), told);
            }
        }
    }
    assert_eq!(all, 329);
    expect![[r#"
        check_run completed taskrun.finished 2
        deployment created taskrun.started 4
        deployment_status created service.deployed 3
        release deleted artifact.deleted 2
        release published artifact.published 3
        workflow_job completed taskrun.finished 2
        workflow_job in_progress taskrun.started 3
        workflow_run completed pipelinerun.finished 3
        workflow_run requested pipelinerun.queued 2
    "#]]
    .assert_eq(&counts.shown());
}

/// The folder of a Go module, if it can be had.
pub(crate) fn module(name: &str) -> Result<PathBuf, String> {
    let folder = cache();
    fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let output = Command::new("go")
        .args(["mod", "download", "-json", name])
        .current_dir(folder)
        .output()
        .map_err(|error| format!("Go: {error}"))?;
    let told: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let folder = told["Dir"].as_str().map(PathBuf::from);
    folder.ok_or_else(|| format!("the module {name} can't be had: {}", told["Error"]))
}

#[test]
fn all_bodies_that_gitlab_sends_are_understood() {
    let module = match module("gitlab.com/gitlab-org/api/client-go@v1.46.0") {
        Ok(module) => module,
        Err(why) => return skip("the bodies of GitLab's webhooks", &why),
    };
    let (mut all, mut counts) = (0, Counts::default());
    for entry in fs::read_dir(module.join("testdata/webhooks")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let told = gitlab::read(&fs::read(&path).unwrap());
        let told = told.unwrap_or_else(|why| panic!("{name}: {why}"));
        all += 1;
        if let Some(told) = told {
            assert!(!format!("{told:?}").contains("@example.com"), "{told:?}");
            assert!(told.time.is_some(), "{told:?}");
            counts.add(&format!("{name} {}", told.key), &told);
        }
    }
    assert_eq!(all, 32);
    expect![[r#"
        deployment deployment/15/success service.deployed 1
        job job/3580121225/finished taskrun.finished 1
        pipeline pipeline/31/finished/2016-08-12T15:26:29Z pipelinerun.finished 1
        release release/8273642/create artifact.published 1
    "#]]
    .assert_eq(&counts.shown());
}

fn signature(body: &str) -> String {
    signed(SECRET, body)
}

/// What GitHub signs a body with.
pub(crate) fn signed(secret: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    let bytes = mac.finalize().into_bytes();
    bytes.iter().fold("sha256=".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}

/// What is counted of deliveries.
fn counted(metrics: &Answer) -> String {
    let lines = metrics.body.as_str().unwrap().lines();
    let ours = lines.filter(|line| line.starts_with("annals_deliveries_total"));
    ours.collect::<Vec<_>>().join("\n")
}

/// The activities of the entity, the oldest first.
fn activities(client: &Client) -> String {
    let shown = get(client, "/api/history/entities/component/default/checkout/activities");
    let shown = shown.body["activities"].as_array().unwrap().iter().rev();
    let kinds = shown.map(|shown| {
        format!("{} {}", shown["type"].as_str().unwrap_or("?"), shown["key"].as_str().unwrap())
    });
    kinds.collect::<Vec<_>>().join("\n")
}

/// A run of a workflow that completed.
fn run_body(id: u64) -> String {
    json!({
        "action": "completed", "repository": {"full_name": "shop/checkout"},
        "workflow_run": {
            "id": id, "name": "build", "run_attempt": 1, "conclusion": "success",
            "updated_at": "2026-01-02T03:04:05Z",
        },
    })
    .to_string()
}

fn server(folder: &Path) -> Server {
    let config = folder.join("annals.yaml");
    let connectors = ["github", "gitlab", "jenkins", "cdevents", "tekton"]
        .map(|from| format!("  - {{kind: ci, id: from-{from}, from: {from}, secret: {SECRET}}}\n"));
    // With tokens, so that it is seen that deliveries need none.
    let tokens = "server: {tokens: [{name: all, secret: allallallallallall, may: [read, ingest]}]}";
    fs::write(&config, format!("{tokens}\nconnectors:\n{}", connectors.concat())).unwrap();
    program().serve(&folder.join("data"), &["--config", config.to_str().unwrap()])
}

fn get(client: &Client, path: &str) -> Answer {
    client.try_get(path, &[("Authorization", "Bearer allallallallallall")]).unwrap()
}

fn github(client: &Client, id: &str, signature: &str, body: &str) -> Answer {
    let headers = [
        ("X-GitHub-Event", "workflow_run"),
        ("X-GitHub-Delivery", id),
        ("X-Hub-Signature-256", signature),
        ("Content-Type", "application/json"),
    ];
    client.try_post("/api/events/http/from-github", &headers, body).unwrap()
}

fn entity() -> String {
    json!({
        "apiVersion": "backstage.io/v1alpha1", "kind": "Component",
        "metadata": {"name": "checkout", "annotations": {
            "github.com/project-slug": "shop/checkout",
            "gitlab.com/project-slug": "gitlab-org/gitlab-test",
            "jenkins.io/job-full-name": "shop/checkout",
            "cdevents.dev/source": "/tekton/shop",
            "backstage.io/kubernetes-id": "checkout",
        }},
        "spec": {"type": "service", "lifecycle": "production", "owner": "shop"},
    })
    .to_string()
}

/// A run of a pipeline ends, and Tekton says so twice.
fn tekton_delivers(client: &Client) {
    let run = json!({"pipelineRun": {
        "metadata": {"name": "build-1", "namespace": "shop", "uid": "u-1",
                     "labels": {"backstage.io/kubernetes-id": "checkout"}},
        "status": {"completionTime": "2026-01-01T00:00:00Z"},
    }});
    let event = [
        ("ce-specversion", "1.0"),
        ("ce-id", "1"),
        ("ce-source", "/apis/tekton.dev/v1/namespaces/shop/pipelineruns/build-1"),
        ("ce-type", "dev.tekton.event.pipelinerun.successful.v1"),
    ];
    let path = format!("/api/events/http/from-tekton?token={SECRET}");
    for new in [1, 0] {
        let answer = client.try_post(&path, &event, &run.to_string()).unwrap();
        assert_eq!((answer.status, &answer.body["new"]), (200, &json!(new)), "{answer:?}");
    }
}

#[test]
fn what_happened_shows_on_its_entity_even_if_that_comes_later() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(folder.path());
    let client = server.client();
    let body = run_body(1);
    let answer = github(&client, "d-1", &signature(&body), &body);
    assert_eq!((answer.status, &answer.body), (200, &json!({"new": 1, "known": 0})));
    // Again under another id: the same thing, once.
    let answer = github(&client, "d-2", &signature(&body), &body);
    assert_eq!((answer.status, &answer.body), (200, &json!({"new": 0, "known": 1})));

    let pipeline = json!({
        "object_kind": "pipeline", "project": {"path_with_namespace": "gitlab-org/gitlab-test"},
        "object_attributes": {"id": 31, "status": "success", "finished_at": "2016-08-12 15:26:29 UTC"},
    });
    let headers = [("X-Gitlab-Token", SECRET), ("Idempotency-Key", "k-1")];
    let path = "/api/events/http/from-gitlab";
    let answer = client.try_post(path, &headers, &pipeline.to_string()).unwrap();
    assert_eq!(answer.body["new"], 1, "{answer:?}");

    let build = json!({
        "name": "checkout", "url": "job/shop/job/checkout/",
        "build": {"number": 5, "phase": "FINALIZED", "status": "SUCCESS"},
    });
    let path = format!("/api/events/http/from-jenkins?token={SECRET}");
    let answer = client.try_post(&path, &[], &build.to_string()).unwrap();
    assert_eq!(answer.body["new"], 1, "{answer:?}");

    let event = |id: &str, kind: &str| {
        json!({
            "context": {"version": "0.4.1", "id": id, "source": "/tekton/shop", "type": kind,
                        "timestamp": "2026-01-01T00:00:00Z"},
            "subject": {"id": "checkout", "type": "service", "content": {"artifactId": "pkg:oci/a"}},
        })
    };
    let cloud = |data: Value| json!({"specversion": "1.0", "id": "x", "source": "y", "type": "z", "data": data});
    let deployed = "dev.cdevents.service.deployed.0.1.1";
    let bearer = format!("Bearer {SECRET}");
    let binary =
        [("ce-specversion", "1.0"), ("ce-id", "1"), ("ce-source", "x"), ("ce-type", deployed)];
    let structured = [("Content-Type", "application/cloudevents+json; charset=utf-8")];
    let batch = [("Content-Type", "application/cloudevents-batch+json")];
    for (headers, body, new) in [
        (&binary[..], event("1", deployed), 1),
        (&structured[..], cloud(event("2", "dev.cdevents.service.upgraded.0.3.0-draft")), 1),
        (&structured[..], cloud(event("2", "dev.cdevents.service.upgraded.0.3.0-draft")), 0),
        (
            &batch[..],
            json!([
                cloud(event("3", "dev.cdevents.build.finished.9.9.9")),
                cloud(event("4", "dev.cdeventsx.ours.made.0.1.0"))
            ]),
            1,
        ),
    ] {
        let headers = [headers, &[("Authorization", &*bearer)]].concat();
        let path = "/api/events/http/from-cdevents";
        let answer = client.try_post(path, &headers, &body.to_string()).unwrap();
        assert_eq!((answer.status, &answer.body["new"]), (200, &json!(new)), "{answer:?}");
    }

    tekton_delivers(&client);

    // The entity comes last.
    let headers = [("Authorization", "Bearer allallallallallall")];
    assert_eq!(client.try_post("/api/ingest/x", &headers, &entity()).unwrap().status, 200);
    expect![[r#"
        dev.cdevents.pipelinerun.finished workflow_run/1/1/completed
        dev.cdevents.pipelinerun.finished pipeline/31/finished/2016-08-12T15:26:29Z
        dev.cdevents.pipelinerun.finished shop/checkout/5/finished
        dev.cdevents.service.deployed /tekton/shop#1
        dev.cdevents.service.upgraded /tekton/shop#2
        dev.cdevents.build.finished /tekton/shop#3
        dev.cdevents.pipelinerun.finished pipelinerun/u-1/finished"#]]
    .assert_eq(&activities(&client));
}

#[test]
fn what_is_forged_replayed_cut_or_too_large_is_refused_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(folder.path());
    let client = server.client();
    let (body, other) = (run_body(1), run_body(2));
    assert_eq!(github(&client, "d-1", &signature(&body), &body).status, 200);
    let cut = &body[..body.len() - 5];
    for (id, signed, body, status) in [
        ("d-1", signature(&other), &*other, 409),
        ("d-2", signature(&body), &*other, 401),
        ("d-2", String::new(), &*other, 401),
        ("d-2", signature(&other).replace("sha256", "sha1"), &*other, 401),
        ("d-2", signature(cut), cut, 400),
        ("", signature(&other), &*other, 400),
        (&"x".repeat(500), signature(&other), &*other, 400),
        ("d-2", signature("[]"), "[]", 400),
        ("d-2", signature(&other), &*other, 200),
    ] {
        let answer = github(&server.client(), id, &signed, body);
        assert_eq!(answer.status, status, "{id} {signed}: {answer:?}");
    }
    let large = " ".repeat(3 << 20);
    let address = server.url.strip_prefix("http://").unwrap();
    let raw = |head: &str, body: &[u8]| {
        let mut stream = TcpStream::connect(address).unwrap();
        let _ = stream.write_all(head.as_bytes());
        let _ = stream.write_all(body);
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        answer.split(' ').nth(1).unwrap_or_default().to_owned()
    };
    let head = |length: usize| {
        format!(
            "POST /api/events/http/from-github HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n"
        )
    };
    assert_eq!(raw(&head(large.len()), large.as_bytes()), "413");
    assert_eq!(raw(&head(100), b"{"), "408", "what does not come is not waited for");
    for (path, headers, status) in [
        ("/api/events/http/nowhere", &[][..], 404),
        ("/api/events/http/from-gitlab", &[][..], 401),
        ("/api/events/http/from-gitlab", &[("X-Gitlab-Token", "wrong")][..], 401),
        ("/api/events/http/from-jenkins?token=wrong", &[][..], 401),
        (
            "/api/events/http/from-cdevents",
            &[("Authorization", "Bearer allallallallallall")][..],
            401,
        ),
        ("/api/events/http/from-gitlab", &[("X-Gitlab-Token", SECRET)][..], 400),
    ] {
        let answer = server.client().try_post(path, headers, "[1]").unwrap();
        assert_eq!(answer.status, status, "{path}: {answer:?}");
    }
    let counted = counted(&get(&client, "/metrics"));
    expect![[r#"
        annals_deliveries_total{connector="from-cdevents",outcome="forged"} 1
        annals_deliveries_total{connector="from-github",outcome="forged"} 3
        annals_deliveries_total{connector="from-github",outcome="malformed"} 4
        annals_deliveries_total{connector="from-github",outcome="oversized"} 1
        annals_deliveries_total{connector="from-github",outcome="replayed"} 1
        annals_deliveries_total{connector="from-github",outcome="slow"} 1
        annals_deliveries_total{connector="from-github",outcome="taken"} 2
        annals_deliveries_total{connector="from-gitlab",outcome="forged"} 2
        annals_deliveries_total{connector="from-gitlab",outcome="malformed"} 1
        annals_deliveries_total{connector="from-jenkins",outcome="forged"} 1"#]]
    .assert_eq(&counted);
    let (code, said) = server.stop();
    assert_eq!(code, Some(0));
    assert!(!said.contains("panicked") && !said.contains(SECRET), "{said}");
}

#[test]
fn what_was_taken_is_refused_after_a_restart_too() {
    let folder = tempfile::tempdir().unwrap();
    // What it reads can't be read, which is nothing to what is delivered.
    let site = Scripted::new(|_| Reply::status(404));
    let serve = || {
        let config = folder.path().join("annals.yaml");
        let written = json!({"connectors": [
            {"kind": "ci", "id": "from-github", "from": "github", "secret": SECRET},
            {"kind": "ci", "id": "from-gitlab", "from": "gitlab", "secret": SECRET},
            {"kind": "github", "id": "forge", "url": site.url, "token": "a-token-of-a-robot",
             "organizations": ["shop"], "webhook_secret": SECRET},
        ]});
        fs::write(&config, written.to_string()).unwrap();
        let data = folder.path().join("data");
        program().serve(&data, &["--config", config.to_str().unwrap()])
    };
    let pipeline = |id: u64| {
        json!({"object_kind": "pipeline", "project": {"path_with_namespace": "shop/checkout"},
               "object_attributes": {"id": id, "status": "running"}})
        .to_string()
    };
    let deliver = |server: &Server, topic: &str, number: u64| {
        let (id, run) = (format!("d-{number}"), run_body(number));
        let signature = signature(&run);
        let (headers, body) = if topic == "from-gitlab" {
            (vec![("X-Gitlab-Token", SECRET), ("Idempotency-Key", &*id)], pipeline(number))
        } else {
            let event = ("X-GitHub-Event", "workflow_run");
            let signature = ("X-Hub-Signature-256", &*signature);
            (vec![event, ("X-GitHub-Delivery", &*id), signature], run)
        };
        let path = format!("/api/events/http/{topic}");
        server.client().try_post(&path, &headers, &body).unwrap().status
    };
    let topics = ["from-github", "from-gitlab", "forge"];
    let mut server = serve();
    for topic in topics {
        for (number, status) in [(1, 200), (2, 200), (1, 409)] {
            assert_eq!(deliver(&server, topic, number), status, "{topic} {number}");
        }
    }
    server.kill();
    let server = serve();
    for topic in topics {
        for (number, status) in [(1, 409), (2, 409), (3, 200), (3, 409)] {
            assert_eq!(deliver(&server, topic, number), status, "{topic} {number}");
        }
    }
}
