//! Bodies that others publish, for CI systems: each is taken, and those that matter mean the right
//! thing.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use ci::map::{Told, cdevents, github, gitlab, tekton};
use connector::{Activity, Whom};
use expect_test::{Expect, expect};
use model::yaml::{Limits, read};
use serde_json::{Value, json};
use support::process::skip;

use crate::ci::module;

/// What is told of files, by their names.
fn told(activities: &BTreeMap<String, Vec<Activity>>) -> String {
    activities.iter().fold(String::new(), |mut text, (name, told)| {
        for told in told {
            let kind = told.activity.strip_prefix("dev.cdevents.").unwrap();
            let whom = match &told.whom {
                Whom::Annotated(about) => about.value.clone(),
                Whom::Entity(entity) => entity.to_string(),
            };
            let outcome = told.value.get("outcome").and_then(Value::as_str).unwrap_or("-");
            writeln!(text, "{name}: {kind} {} of {whom}, {outcome}", told.key).unwrap();
        }
        text
    })
}

/// What a delivery tells, of which all has to be of its form.
fn whole(told: Result<Told, String>) -> Result<Vec<Activity>, String> {
    let Told { activities, wrong, .. } = told?;
    if wrong.is_empty() { Ok(activities) } else { Err(wrong.join("; ")) }
}

/// Reads all bodies of a folder.
#[track_caller]
fn check(
    folder: &Path,
    count: usize,
    read: impl Fn(&str, &[u8]) -> Result<Vec<Activity>, String>,
    expected: &Expect,
) {
    let mut activities = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let read = read(&name, &fs::read(&path).unwrap());
        activities.insert(name.clone(), read.unwrap_or_else(|why| panic!("{name}: {why}")));
    }
    assert_eq!(activities.len(), count);
    expected.assert_eq(&told(&activities));
}

#[test]
fn bodies_that_others_collected_of_github_and_gitlab_are_understood() {
    let module = match module("github.com/go-playground/webhooks/v6@v6.4.0") {
        Ok(module) => module,
        Err(why) => return skip("bodies of webhooks that others collected", &why),
    };
    let of_github = |name: &str, body: &[u8]| {
        let event = match name {
            "pull-request-issue-comment" => "issue_comment".to_owned(),
            "repository-edited" => "repository".to_owned(),
            name => name.replace('-', "_"),
        };
        // What reads the catalog is told of it, too.
        ::github::map::changes::read(&event, body)?;
        github::read(&event, body).map(|told| told.into_iter().collect())
    };
    check(
        &module.join("testdata/github"),
        48,
        of_github,
        &expect![[r#"
        deployment-status: service.deployed deployment_status/1115122 of baxterthehacker/public-repo, success
        release: artifact.published release/1261438/published of baxterthehacker/public-repo, -
    "#]],
    );
    let of_gitlab =
        |_: &str, body: &[u8]| gitlab::read(body).map(|told| told.into_iter().collect());
    check(
        &module.join("testdata/gitlab"),
        39,
        of_gitlab,
        &expect![[r#"
        deployment-event: service.deployed deployment/15/success of root/test-deployment-webhooks, success
        pipeline-event: pipelinerun.finished pipeline/31/finished/2016-08-12T15:26:29Z of gitlab-org/gitlab-test, success
        release-event: artifact.published release/1/create of gitlab-org/release-webhook-example, -
    "#]],
    );
}

/// What the documentation of Tekton shows: the headers and the body of an event.
#[test]
fn events_that_tekton_documents_are_understood() {
    let module = match module("github.com/tektoncd/pipeline@v1.0.0") {
        Ok(module) => module,
        Err(why) => return skip("events of Tekton", &why),
    };
    let text = fs::read_to_string(module.join("docs/events.md")).unwrap();
    let body = text.split("```json\n").nth(1).unwrap().split("```").next().unwrap();
    let types: Vec<String> = text
        .lines()
        .filter_map(|line| {
            Some(line.split_once("dev.tekton.event.")?.1.split('`').next()?.to_owned())
        })
        .filter(|kind| kind.ends_with(".v1"))
        .collect();
    assert_eq!(types.len(), 14);
    let mut body: Value = serde_json::from_str(body).unwrap();
    body["taskRun"]["metadata"]["labels"]["backstage.io/kubernetes-id"] = json!("curl");
    let mut activities = BTreeMap::new();
    for kind in &types {
        let kind = format!("dev.tekton.event.{kind}");
        let attribute = |name: &str| match name {
            "id" => Some("77f78ae7-ff6d-4e39-9d05-b9a0b7850527"),
            "source" => Some("/apis/tekton.dev/v1beta1/namespaces/default/taskruns/curl-run-6gplk"),
            "type" => Some(kind.as_str()),
            _ => None,
        };
        // The one run as each kind of run.
        let what = if kind.contains("pipelinerun") {
            "pipelineRun"
        } else if kind.contains("taskrun") {
            "taskRun"
        } else {
            "run"
        };
        let body = json!({what: body["taskRun"]}).to_string();
        let told =
            tekton::read("application/json", &attribute, body.as_bytes(), tekton::ANNOTATION);
        activities.insert(kind.clone(), whole(told).unwrap_or_else(|why| panic!("{kind}: {why}")));
    }
    expect![[r#"
        dev.tekton.event.pipelinerun.failed.v1: pipelinerun.finished pipelinerun/4ccb4f01-3ecc-4eb4-87e1-76f04efeee5c/finished of curl, failure
        dev.tekton.event.pipelinerun.running.v1: pipelinerun.started pipelinerun/4ccb4f01-3ecc-4eb4-87e1-76f04efeee5c/started of curl, -
        dev.tekton.event.pipelinerun.started.v1: pipelinerun.queued pipelinerun/4ccb4f01-3ecc-4eb4-87e1-76f04efeee5c/queued of curl, -
        dev.tekton.event.pipelinerun.successful.v1: pipelinerun.finished pipelinerun/4ccb4f01-3ecc-4eb4-87e1-76f04efeee5c/finished of curl, success
        dev.tekton.event.run.failed.v1: taskrun.finished run/4ccb4f01-3ecc-4eb4-87e1-76f04efeee5c/finished of curl, failure
        dev.tekton.event.run.running.v1: taskrun.started run/4ccb4f01-3ecc-4eb4-87e1-76f04efeee5c/started of curl, -
        dev.tekton.event.run.successful.v1: taskrun.finished run/4ccb4f01-3ecc-4eb4-87e1-76f04efeee5c/finished of curl, success
        dev.tekton.event.taskrun.failed.v1: taskrun.finished taskrun/4ccb4f01-3ecc-4eb4-87e1-76f04efeee5c/finished of curl, failure
        dev.tekton.event.taskrun.running.v1: taskrun.started taskrun/4ccb4f01-3ecc-4eb4-87e1-76f04efeee5c/started of curl, -
        dev.tekton.event.taskrun.successful.v1: taskrun.finished taskrun/4ccb4f01-3ecc-4eb4-87e1-76f04efeee5c/finished of curl, success
    "#]].assert_eq(&told(&activities));
    assert_eq!(examples(&module), 147);
}

/// Runs of whatever form, as events hold them; gives how many there are.
fn examples(module: &Path) -> usize {
    let mut count = 0;
    for (folder, kind) in [("pipelineruns", "PipelineRun"), ("taskruns", "TaskRun")] {
        for path in files(&module.join("examples/v1").join(folder)) {
            for document in read(&fs::read(&path).unwrap(), &Limits::default()) {
                let mut run = document.unwrap_or_else(|error| panic!("{path:?}: {error:?}")).value;
                if run["kind"] != kind {
                    continue;
                }
                count += 1;
                run["metadata"]["uid"] = json!(format!("uid-{count}"));
                run["metadata"]["name"] = json!("a-run");
                run["metadata"]["annotations"]["mine"] = json!("checkout");
                let member = kind.replacen(|first: char| first.is_uppercase(), "", 1);
                let member = format!("{}{member}", &kind[..1].to_lowercase());
                let kind = format!("dev.tekton.event.{}.running.v1", member.to_lowercase());
                let event = json!({
                    "specversion": "1.0", "id": "1", "source": "x", "type": kind,
                    "data": {member: run},
                });
                let structured = "application/cloudevents+json";
                let told =
                    tekton::read(structured, &|_| None, event.to_string().as_bytes(), "mine");
                let told = whole(told).unwrap_or_else(|why| panic!("{path:?}: {why}"));
                assert_eq!(told.len(), 1, "{path:?}");
            }
        }
    }
    count
}

/// All files below a folder, in their order.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(self::files(&path)) } else { files.push(path) }
    }
    files.retain(|path| path.extension().is_some_and(|of| of == "yaml"));
    files.sort_unstable();
    files
}

/// What the SDK prints with which Jenkins' CDEvents plugin is built, as its HTTP sink sends it.
#[test]
fn events_that_jenkins_cdevents_plugin_prints_are_understood() {
    let what = "events of Jenkins' CDEvents plugin";
    let source = Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("cdevents/jenkins");
    let jars = match support::maven::jars(&source, Path::new(env!("CARGO_TARGET_TMPDIR"))) {
        Ok(jars) => jars,
        Err(why) => return skip(what, &why),
    };
    let mut command = Command::new("java");
    command.arg("-cp").arg(jars.join("*")).arg(source.join("PrintEvents.java"));
    let output = match command.output() {
        Ok(output) => output,
        Err(why) => return skip(what, &why.to_string()),
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let matching = cdevents::Matching::default();
    let mut lines = Vec::new();
    for body in String::from_utf8(output.stdout).unwrap().lines() {
        let told = cdevents::read("application/json", &|_| None, body.as_bytes(), &matching);
        let told = whole(told).unwrap_or_else(|why| panic!("{body}: {why}"));
        let [told] = told.as_slice() else { panic!("{body}: {told:?}") };
        let shown = format!("{told:?}");
        assert!(!shown.contains("secret") && !shown.contains("somebody"), "{shown}");
        assert!(told.time.is_some() && told.key.starts_with("job/team/job/as%20gard/"), "{told:?}");
        let Whom::Annotated(about) = &told.whom else { panic!("{told:?}") };
        let outcome = told.value["content"].get("outcome").and_then(Value::as_str).unwrap_or("-");
        let kind = told.activity.strip_prefix("dev.cdevents.").unwrap();
        lines.push(format!("{kind} of {}={}, {outcome}", about.annotation, about.value));
    }
    expect![[r#"
        pipelinerun.queued of jenkins.io/job-full-name=team/as gard, -
        pipelinerun.started of jenkins.io/job-full-name=team/as gard, -
        taskrun.started of jenkins.io/job-full-name=team/as gard, -
        taskrun.finished of jenkins.io/job-full-name=team/as gard, ERROR
        pipelinerun.finished of jenkins.io/job-full-name=team/as gard, SUCCESS"#]]
    .assert_eq(&lines.join("\n"));
}

/// What CDEvents' SDK for Go makes, of each type and two versions of the specification.
fn made_by_the_sdk() -> Result<Vec<Value>, String> {
    let source = Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("cdevents");
    let output = Command::new("go").args(["run", "."]).current_dir(source).output();
    let output = output.map_err(|error| format!("Go: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let unreachable = ["dial tcp", "no such host", "connection refused", "timeout"];
    if !output.status.success() && unreachable.iter().any(|why| said.contains(why)) {
        return Err(format!("modules of Go can't be had: {}", said.trim()));
    }
    assert!(output.status.success(), "{said}");
    let text = String::from_utf8(output.stdout).unwrap();
    Ok(text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

#[test]
fn events_that_cdevents_sdk_makes_and_tests_with_are_understood() {
    let made = match made_by_the_sdk() {
        Ok(made) => made,
        Err(why) => return skip("events of CDEvents' SDK", &why),
    };
    let matching = cdevents::Matching::default();
    let mut subjects = BTreeMap::<String, Vec<String>>::new();
    for event in &made {
        let data = &event["data"];
        let kind = data["context"]["type"].as_str().unwrap();
        let structured = "application/cloudevents+json";
        let told = cdevents::read(structured, &|_| None, event.to_string().as_bytes(), &matching);
        let told = whole(told).unwrap_or_else(|why| panic!("{kind}: {why}"));
        let [told] = told.as_slice() else { panic!("{kind}: {told:?}") };
        assert!(kind.starts_with(&format!("{}.0.", told.activity)), "{kind}: {told:?}");
        assert_eq!(told.value["version"], data["context"]["version"]);
        assert!(told.time.is_some(), "{told:?}");
        // The same, binary.
        let attribute = |name: &str| event[name].as_str();
        let binary =
            cdevents::read("application/json", &attribute, data.to_string().as_bytes(), &matching);
        assert_eq!(whole(binary).as_deref(), Ok(std::slice::from_ref(told)));
        let name = told.activity.strip_prefix("dev.cdevents.").unwrap();
        let (subject, predicate) = name.split_once('.').unwrap();
        let predicates = subjects.entry(subject.to_owned()).or_default();
        predicates.push(predicate.to_owned());
    }
    let shown = subjects.iter().fold(String::new(), |mut text, (subject, predicates)| {
        writeln!(text, "{subject}: {}", predicates.join(" ")).unwrap();
        text
    });
    expect![[r#"
        artifact: packaged published signed deleted downloaded packaged published signed
        branch: created deleted created deleted
        build: finished queued started finished queued started
        change: abandoned created merged reviewed updated abandoned created merged reviewed updated
        environment: created deleted modified created deleted modified
        incident: detected reported resolved detected reported resolved
        pipelinerun: finished queued started finished queued started
        repository: created deleted modified created deleted modified
        service: deployed published removed rolledback upgraded deployed published removed rolledback upgraded
        taskrun: finished started finished started
        testcaserun: finished queued started finished queued skipped started
        testoutput: published published
        testsuiterun: finished queued started finished queued started
        ticket: closed created updated
    "#]].assert_eq(&shown);
    its_tests_read(&matching);
}

/// What its own tests read: of later and earlier versions, and broken.
fn its_tests_read(matching: &cdevents::Matching) {
    let module = module("github.com/cdevents/sdk-go@v0.4.1").unwrap();
    let (mut activities, mut all, mut broken) = (BTreeMap::new(), 0, 0);
    for (folder, name) in [
        ("pkg/api/tests-v99.0/examples", "tests-v99.0"),
        ("pkg/api/tests-v99.1/examples", "tests-v99.1"),
        ("docs/examples/schemauri", "docs"),
    ] {
        for entry in fs::read_dir(module.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
            if path.extension().is_none_or(|of| of != "json") || stem.ends_with("_schema") {
                continue;
            }
            all += 1;
            let body = fs::read(&path).unwrap();
            let attribute = |_: &str| Some("x");
            let told = whole(cdevents::read("application/json", &attribute, &body, matching));
            if ["unparsable_context", "non_unmarshable", "unparsable_type"].contains(&&*stem) {
                told.expect_err(&stem);
                broken += 1;
                continue;
            }
            let told = told.unwrap_or_else(|why| panic!("{path:?}: {why}"));
            activities.insert(format!("{name}/{stem}"), told);
        }
    }
    assert_eq!((all, broken), (25, 6));
    expect![[r#"
        docs/changecreated: change.created /event/source/123#271069a8-fc18-44f1-b38f-9d70a1695819 of /event/source/123, -
        tests-v99.0/future_event_major_version: foosubject.barpredicate /event/source/123#271069a8-fc18-44f1-b38f-9d70a1695819 of /event/source/123, -
        tests-v99.0/future_event_minor_version: foosubject.barpredicate /event/source/123#271069a8-fc18-44f1-b38f-9d70a1695819 of /event/source/123, -
        tests-v99.0/future_event_patch_version: foosubject.barpredicate /event/source/123#271069a8-fc18-44f1-b38f-9d70a1695819 of /event/source/123, -
        tests-v99.0/implicit_json_custom_data: foosubject.barpredicate /event/source/123#271069a8-fc18-44f1-b38f-9d70a1695819 of /event/source/123, -
        tests-v99.0/json_custom_data: foosubject.barpredicate /event/source/123#271069a8-fc18-44f1-b38f-9d70a1695819 of /event/source/123, -
        tests-v99.0/non_json_custom_data: foosubject.barpredicate /event/source/123#271069a8-fc18-44f1-b38f-9d70a1695819 of /event/source/123, -
        tests-v99.0/past_event_patch_version: foosubject.barpredicate /event/source/123#271069a8-fc18-44f1-b38f-9d70a1695819 of /event/source/123, -
        tests-v99.0/past_spec_patch_version: foosubject.barpredicate /event/source/123#271069a8-fc18-44f1-b38f-9d70a1695819 of /event/source/123, -
        tests-v99.0/unknown_type: foosubject.gazumped /event/source/123#271069a8-fc18-44f1-b38f-9d70a1695819 of /event/source/123, -
        tests-v99.1/future_event_major_version: foosubject.barpredicate /event/source/123#271069a8-fc18-44f1-b38f-9d70a1695819 of /event/source/123, -
        tests-v99.1/future_event_minor_version: foosubject.barpredicate /event/source/123#271069a8-fc18-44f1-b38f-9d70a1695819 of /event/source/123, -
        tests-v99.1/future_event_patch_version: foosubject.barpredicate /event/source/123#271069a8-fc18-44f1-b38f-9d70a1695819 of /event/source/123, -
        tests-v99.1/implicit_json_custom_data: foosubject.barpredicate /event/source/123#271069a8-fc18-44f1-b38f-9d70a1695819 of /event/source/123, -
        tests-v99.1/json_custom_data: foosubject.barpredicate /event/source/123#271069a8-fc18-44f1-b38f-9d70a1695819 of /event/source/123, -
        tests-v99.1/non_json_custom_data: foosubject.barpredicate /event/source/123#271069a8-fc18-44f1-b38f-9d70a1695819 of /event/source/123, -
        tests-v99.1/past_event_patch_version: foosubject.barpredicate /event/source/123#271069a8-fc18-44f1-b38f-9d70a1695819 of /event/source/123, -
        tests-v99.1/past_spec_patch_version: foosubject.barpredicate /event/source/123#271069a8-fc18-44f1-b38f-9d70a1695819 of /event/source/123, -
        tests-v99.1/unknown_type: foosubject.gazumped /event/source/123#271069a8-fc18-44f1-b38f-9d70a1695819 of /event/source/123, -
    "#]].assert_eq(&told(&activities));
}
