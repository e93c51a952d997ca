//! What is read beside workloads, with the rights of the manifest and no others.

use serde_json::{Value, json};

use crate::catalog::{Known, Running};
use crate::manifests::{bind, bind_helm, definition};
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
    assert_eq!(known.aspect(till)["services"], Value::Null, "it has no such label");
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
async fn releases_of_helm_without_what_is_in_them() {
    let Some(server) = Server::start("releases of Helm", "") else { return };
    bind(&server).await;
    let labels = |revision: u32, status: &str| json!({"owner": "helm", "name": "shop", "version": revision.to_string(), "status": status});
    let secrets = format!("/api/v1/{IN_DEFAULT}/secrets");
    for (revision, status) in [(1, "superseded"), (2, "deployed")] {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "helm.sh/release.v1",
            "metadata": {"name": format!("sh.helm.release.v1.shop.v{revision}"),
                "labels": labels(revision, status)},
            "stringData": {"release": "hunter2"},
        });
        server.create(&secrets, &secret).await;
    }
    server.deploy("shop", "shop", "shop:1").await;
    let helm = json!({"meta.helm.sh/release-name": "shop"});
    server.patch("shop", &json!({"metadata": {"annotations": helm}})).await;
    let cluster = json!({"name": "real", "kubeconfig": server.kubeconfig(), "context": "reader",
        "read": ["workloads", "helm"]});
    let mut running = Running::with(&[cluster], Known::default());
    running.carry(&[(SHOP, "shop")]);
    let known = running.until("a refusal", |known| is(known, ConnectorState::Failing)).await;
    let why = known.status.unwrap().why.unwrap();
    assert!(why.contains("secrets may not be listed and watched"), "{why}");

    bind_helm(&server).await;
    let known = running.until("a release", |known| !known.aspect(SHOP).is_null()).await;
    let expected = json!([{"namespace": "default", "name": "shop", "revision": 2,
        "status": "deployed"}]);
    assert_eq!(known.aspect(SHOP)["releases"], expected);
    assert_eq!(known.aspect(SHOP)["workloads"][0]["release"], "shop");
    let patch = json!({"metadata": {"labels": labels(2, "failed")}});
    server.merge(&secrets, "sh.helm.release.v1.shop.v2", &patch).await;
    let known = running
        .until("its end", |known| known.aspect(SHOP)["releases"][0]["status"] == "failed")
        .await;
    assert!(!format!("{known:?}").contains("hunter2"));
    running.stop().await;
}
