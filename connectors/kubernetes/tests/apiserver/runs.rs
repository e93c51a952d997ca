//! Tekton's runs and the syncs of Argo CD, with Tekton's own definitions and examples.

use event::vocabulary::ConnectorState;
use serde_json::{Value, json};

use crate::catalog::{Known, Running};
use crate::manifests::{bind, definition, documents, tekton};
use crate::server::Server;
use crate::{SHOP, is};

const RUNS: &str = "/apis/tekton.dev/v1/namespaces/default";

/// The documents of all files in a folder.
fn read(folder: &std::path::Path) -> Vec<Value> {
    let mut files: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let texts = files.iter().filter(|path| path.extension().is_some_and(|of| of == "yaml"));
    texts.flat_map(|path| documents(&std::fs::read_to_string(path).unwrap())).collect()
}

fn activities(known: &Known) -> Vec<String> {
    let each = known.activities.iter().map(|of| {
        let what = of.activity.trim_start_matches("dev.cdevents.");
        let time = of.time.map(|time| time.to_string()).unwrap_or_default();
        format!(
            "{what} {} {time}",
            of.value.get("outcome").and_then(Value::as_str).unwrap_or_default()
        )
    });
    each.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_of_tekton_become_activities() {
    let Some(tekton) = tekton("Tekton's definitions") else { return };
    let Some(server) = Server::start("Tekton's runs", "") else { return };
    bind(&server).await;
    let mut running = Running::start(&server.kubeconfig(), "reader", Known::default());
    running.carry_all(&[(SHOP, json!({"kubernetes-label-selector": "app=shop"}))]);
    running.until("that it works", |known| is(known, ConnectorState::Working)).await;

    // Tekton comes when the connector runs already.
    let definitions = read(&tekton.join("config/300-crds"));
    let runs = definitions.into_iter().filter(|of| {
        let name = of["metadata"]["name"].as_str().unwrap_or_default();
        ["pipelineruns.tekton.dev", "taskruns.tekton.dev"].contains(&name)
    });
    let mut runs: Vec<Value> = runs.collect();
    // There is nobody here who would convert between versions.
    runs.iter_mut().for_each(|of| of["spec"]["conversion"] = json!({"strategy": "None"}));
    assert_eq!(runs.len(), 2);
    server.define(&runs).await;
    let run = json!({
        "apiVersion": "tekton.dev/v1", "kind": "PipelineRun",
        "metadata": {"name": "build-1", "labels": {"app": "shop"},
            "annotations": {"backstage.io/kubernetes-id": "shop"}},
        "spec": {"pipelineRef": {"name": "build"}},
    });
    server.create(&format!("{RUNS}/pipelineruns"), &run).await;
    let begun = json!({"startTime": "2026-01-01T00:00:00Z"});
    server
        .merge(&format!("{RUNS}/pipelineruns"), "build-1/status", &json!({"status": begun}))
        .await;
    let known = running.until("a start", |known| known.activities.len() == 2).await;
    let started = "pipelinerun.started  2026-01-01T00:00:00.000000Z";
    // Said to the id, whoever has it, and to the entity that selects it.
    assert_eq!(activities(&known), [started, started]);
    assert_eq!(known.activities[0].value["pipelineName"], "build");
    let done = json!({"completionTime": "2026-01-01T00:09:00Z", "conditions": [
        {"type": "Succeeded", "status": "False", "reason": "Failed", "message": "no"}]});
    server.merge(&format!("{RUNS}/pipelineruns"), "build-1/status", &json!({"status": done})).await;
    let known = running.until("an end", |known| known.activities.len() == 4).await;
    assert_eq!(activities(&known)[3], "pipelinerun.finished failure 2026-01-01T00:09:00.000000Z");

    // All examples that the API server takes are read without a fault, and tell nothing.
    let mut taken = 0;
    for (folder, kind) in [("pipelineruns", "PipelineRun"), ("taskruns", "TaskRun")] {
        let examples = read(&tekton.join("examples/v1").join(folder));
        for example in examples.into_iter().filter(|of| of["kind"] == kind) {
            let path = format!("{RUNS}/{folder}");
            taken += usize::from(server.try_create(&path, &example).await);
        }
    }
    assert!(taken > 80, "{taken} examples are taken");
    server.remove(&format!("{RUNS}/pipelineruns"), "build-1").await;
    let known = running.stop().await;
    assert!(is(&known, ConnectorState::Working), "{:?}", known.status);
    assert_eq!(known.activities.len(), 4);

    // Another life says nothing twice.
    let looked = known.looked;
    let mut running = Running::start(&server.kubeconfig(), "reader", known);
    let known = running.until("another life", |known| known.looked > looked).await;
    assert_eq!(known.activities.len(), 4);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn syncs_of_argo_are_deployments() {
    let Some(server) = Server::start("Argo's syncs", "") else { return };
    bind(&server).await;
    server.define(&[definition("Application", "applications", "v1alpha1", "argoproj.io")]).await;
    let mut running = Running::start(&server.kubeconfig(), "reader", Known::default());
    running.carry(&[(SHOP, "shop")]);
    let sync = |id: u32| json!({"id": id, "revision": format!("r{id}"), "deployedAt": format!("2026-01-0{id}T00:00:00Z")});
    let application = json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
        "metadata": {"name": "shop", "labels": {"backstage.io/kubernetes-id": "shop"}},
        "spec": {"source": {"repoURL": "https://git.example/shop"}},
        "status": {"history": [sync(1)], "sync": {"status": "Synced"}},
    });
    let path = "/apis/argoproj.io/v1alpha1/namespaces/default/applications";
    server.create(path, &application).await;
    running.until("a sync", |known| known.activities.len() == 1).await;
    server.merge(path, "shop", &json!({"status": {"history": [sync(1), sync(2)]}})).await;
    let known = running.until("another sync", |known| known.activities.len() == 2).await;
    let expected = [1, 2].map(|id| format!("service.deployed  2026-01-0{id}T00:00:00.000000Z"));
    assert_eq!(activities(&known), expected);
    assert_eq!(known.aspect(SHOP)["applications"][0]["sync"], "Synced");
    running.stop().await;
}
