//! What is read beside workloads, with the rights of the manifest and no others.

use serde_json::{Value, json};

use crate::catalog::{Known, Running};
use crate::manifests::{bind, definition};
use crate::server::Server;
use crate::{SHOP, is};
use event::vocabulary::ConnectorState;

const IN_DEFAULT: &str = "namespaces/default";

/// A pod of the deployment `shop`, as its ReplicaSet would make it.
fn pod() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "shop-5d4f-x", "labels": {"app": "shop", "pod-template-hash": "5d4f"},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "shop-5d4f",
                "uid": "3f0c2bb6-0b8e-4d6c-8b27-0c2fd1e3b9d1", "controller": true}]},
        "spec": {"containers": [{"name": "main", "image": "shop:1",
            "env": [{"name": "PASSWORD", "value": "hunter2"}]}]},
    })
}

fn container(restarts: u64, state: &Value) -> Value {
    json!({"status": {"phase": "Running", "containerStatuses": [{
        "name": "main", "image": "docker.io/library/shop:1", "ready": false,
        "imageID": "docker.io/library/shop@sha256:0a1b", "restartCount": restarts, "state": state}]}})
}

#[tokio::test(flavor = "multi_thread")]
async fn what_belongs_to_an_entity_shows_on_it() {
    let Some(server) = Server::start("objects of an entity", "") else { return };
    bind(&server).await;
    let till = "component:default/till";
    let mut running = Running::start(&server.kubeconfig(), "reader", Known::default());
    running.carry_all(&[
        (SHOP, json!({"kubernetes-id": "none", "kubernetes-label-selector": "app in (shop)"})),
        (till, json!({"kubernetes-id": "shop", "kubernetes-namespace": "elsewhere"})),
        (
            "component:default/other",
            json!({"kubernetes-id": "shop", "kubernetes-cluster": "other"}),
        ),
    ]);
    running.until("that it works", |known| is(known, ConnectorState::Working)).await;

    server.deploy("shop", "shop", "shop:1").await;
    server.patch("shop", &json!({"metadata": {"labels": {"app": "shop"}}})).await;
    let labels = json!({"name": "shop", "labels": {"app": "shop"}});
    let of = |kind: &str, version: &str, spec: Value| json!({"apiVersion": version, "kind": kind, "metadata": labels, "spec": spec});
    let service =
        of("Service", "v1", json!({"ports": [{"port": 80}], "selector": {"app": "shop"}}));
    server.create(&format!("/api/v1/{IN_DEFAULT}/services"), &service).await;
    let path = json!([{"path": "/", "pathType": "Prefix",
        "backend": {"service": {"name": "shop", "port": {"number": 80}}}}]);
    let rules = json!({"rules": [{"host": "shop.example", "http": {"paths": path}}]});
    let ingress = of("Ingress", "networking.k8s.io/v1", rules);
    let networking = format!("/apis/networking.k8s.io/v1/{IN_DEFAULT}/ingresses");
    server.create(&networking, &ingress).await;
    let scale = json!({"maxReplicas": 9,
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "shop"}});
    let autoscaler = of("HorizontalPodAutoscaler", "autoscaling/v2", scale);
    let autoscaling = format!("/apis/autoscaling/v2/{IN_DEFAULT}/horizontalpodautoscalers");
    server.create(&autoscaling, &autoscaler).await;
    let pods = format!("/api/v1/{IN_DEFAULT}/pods");
    server.create(&pods, &pod()).await;
    let waiting = json!({"waiting": {"reason": "CrashLoopBackOff"}});
    server.merge(&pods, "shop-5d4f-x/status", &container(3, &waiting)).await;

    let known = running
        .until("all of it", |known| {
            let aspect = known.aspect(SHOP);
            aspect["workloads"][0]["pods"]["restarts"] == 3
                && aspect["autoscalers"][0].is_object()
                && !known.activities.is_empty()
        })
        .await;
    let aspect = known.aspect(SHOP);
    let summary = &aspect["workloads"][0]["pods"];
    assert_eq!(summary["phases"], json!({"Running": 1}), "{aspect}");
    assert_eq!(summary["waiting"], json!({"CrashLoopBackOff": 1}));
    assert_eq!(summary["running"][0]["digest"], "sha256:0a1b");
    assert_eq!(aspect["services"][0]["ports"][0]["port"], 80);
    assert_eq!(aspect["ingresses"][0]["hosts"], json!(["shop.example"]));
    assert_eq!(aspect["autoscalers"][0]["max"], 9);
    let others = [till, "component:default/other"].map(|other| known.aspect(other));
    assert_eq!(others, [Value::Null, Value::Null]);
    let whom = format!("{:?}", known.activities);
    assert!(whom.contains("component:default/shop") && !format!("{known:?}").contains("hunter2"));

    // The Gateway API comes later, and a route stands there already.
    let group = "gateway.networking.k8s.io";
    server.define(&[definition("HTTPRoute", "httproutes", "v1", group)]).await;
    let spec = json!({"hostnames": ["shop.example"], "parentRefs": [{"name": "edge"}]});
    let route = of("HTTPRoute", &format!("{group}/v1"), spec);
    server.create(&format!("/apis/{group}/v1/{IN_DEFAULT}/httproutes"), &route).await;
    let known = running.until("a route", |known| known.aspect(SHOP)["routes"].is_array()).await;
    assert_eq!(known.aspect(SHOP)["routes"][0]["gateways"], json!(["edge"]));

    running.carry_all(&[(till, json!({"kubernetes-id": "shop"}))]);
    let known = running.until("another entity", |known| !known.aspect(till).is_null()).await;
    let leads = |known: &Known| known.aspect(till)["services"][0]["name"] == "shop";
    assert!(leads(&known), "it has no such label, but leads there: {known:?}");
    running.until("the end of the first", |known| known.aspect(SHOP).is_null()).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flapping_pod_does_not_fill_the_log() {
    let Some(server) = Server::start("a flapping pod", "") else { return };
    bind(&server).await;
    server.deploy("shop", "shop", "shop:1").await;
    let pods = format!("/api/v1/{IN_DEFAULT}/pods");
    server.create(&pods, &pod()).await;
    let mut running = Running::start(&server.kubeconfig(), "reader", Known::default());
    running.carry(&[(SHOP, "shop")]);
    running.until("a pod", |known| known.aspect(SHOP)["workloads"][0]["pods"].is_object()).await;
    for restarts in 0..100 {
        let reason = if restarts % 2 == 0 { "CrashLoopBackOff" } else { "ImagePullBackOff" };
        let waiting = json!({"waiting": {"reason": reason}});
        server.merge(&pods, "shop-5d4f-x/status", &container(restarts, &waiting)).await;
    }
    let known = running
        .until("how it ended", |known| known.aspect(SHOP)["workloads"][0]["pods"]["restarts"] == 50)
        .await;
    assert!(known.changes < 6, "{} changes of a hundred", known.changes);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_leads_to_a_workload_shows_with_it() {
    let Some(server) = Server::start("what leads to a workload", "") else { return };
    bind(&server).await;
    let mut running = Running::start(&server.kubeconfig(), "reader", Known::default());
    running.carry(&[(SHOP, "shop")]);
    running.until("that it works", |known| is(known, ConnectorState::Working)).await;
    let of = |kind: &str, version: &str, name: &str, spec: Value| json!({"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec});
    let scale = json!({"maxReplicas": 9,
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "shop"}});
    let service = json!({"ports": [{"port": 80}], "selector": {"app": "shop"}});
    let backend = json!({"service": {"name": "front", "port": {"number": 80}}});
    for (path, object) in [
        (
            "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers",
            of("HorizontalPodAutoscaler", "autoscaling/v2", "scale", scale),
        ),
        (
            "/apis/networking.k8s.io/v1/namespaces/default/ingresses",
            of("Ingress", "networking.k8s.io/v1", "edge", json!({"defaultBackend": backend})),
        ),
        ("/api/v1/namespaces/default/services", of("Service", "v1", "front", service)),
    ] {
        server.create(path, &object).await;
    }
    server.deploy("shop", "shop", "shop:1").await;
    let all = |known: &Known| {
        let aspect = known.aspect(SHOP);
        let names =
            ["autoscalers", "services", "ingresses"].map(|list| aspect[list][0]["name"].clone());
        json!(names)
    };
    running.until("all of it", |known| all(known) == json!(["scale", "front", "edge"])).await;
    // Pods of another kind are not behind that service.
    let labels = json!({"spec": {"selector": {"app": "till"}}});
    server.merge("/api/v1/namespaces/default/services", "front", &labels).await;
    running.until("what is left", |known| all(known) == json!(["scale", null, null])).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_of_a_cron_job_show_with_it() {
    let Some(server) = Server::start("runs of a CronJob", "") else { return };
    bind(&server).await;
    let mut running = Running::start(&server.kubeconfig(), "reader", Known::default());
    running.carry(&[(SHOP, "shop")]);
    running.until("that it works", |known| is(known, ConnectorState::Working)).await;
    let template = json!({"spec": {"restartPolicy": "Never",
        "containers": [{"name": "main", "image": "tidy:1"}]}});
    let batch = |kind: &str, metadata: Value, spec: Value| json!({"apiVersion": "batch/v1", "kind": kind, "metadata": metadata, "spec": spec});
    let job = json!({"spec": {"template": template}});
    let metadata = json!({"name": "tidy", "labels": {kubernetes::ANNOTATION: "shop"}});
    let (crons, jobs) =
        ("/apis/batch/v1/namespaces/default/cronjobs", "/apis/batch/v1/namespaces/default/jobs");
    let spec = json!({"schedule": "* * * * *", "jobTemplate": job});
    server.create(crons, &batch("CronJob", metadata, spec)).await;
    let cron = server.get(&format!("{crons}/tidy")).await.unwrap();
    let plan = |known: &Known| known.aspect(SHOP)["workloads"][0].clone();
    running.until("a CronJob", |known| plan(known)["active"] == 0).await;

    // A run as its controller would make it, which fails.
    let owner = json!({"apiVersion": "batch/v1", "kind": "CronJob", "name": "tidy",
        "uid": cron["metadata"]["uid"], "controller": true});
    let metadata = json!({"name": "tidy-1", "ownerReferences": [owner]});
    server.create(jobs, &batch("Job", metadata, job["spec"].clone())).await;
    let status = json!({"status": {"active": [{"kind": "Job", "name": "tidy-1"}],
        "lastScheduleTime": "2026-01-01T00:00:00Z"}});
    server.merge(crons, "tidy/status", &status).await;
    let known = running.until("a run", |known| plan(known)["active"] == 1).await;
    assert_eq!(plan(&known)["lastScheduled"], "2026-01-01T00:00:00Z");
    let condition = |kind: &str| json!({"type": kind, "status": "True", "lastTransitionTime": "2026-01-01T00:00:09Z"});
    let status = json!({"status": {"startTime": "2026-01-01T00:00:00Z", "failed": 1,
        "conditions": [condition("FailureTarget"), condition("Failed")]}});
    server.merge(jobs, "tidy-1/status", &status).await;
    let known = running.until("its end", |known| plan(known)["lastRun"].is_object()).await;
    assert_eq!(plan(&known)["lastRun"], json!({"outcome": "failure", "job": "tidy-1"}));
    assert_eq!(known.aspect(SHOP)["workloads"].as_array().map(Vec::len), Some(1));
    running.stop().await;
}
