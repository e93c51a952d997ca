//! Entities that stand in the cluster.

use event::vocabulary::ConnectorState;
use serde_json::{Value, json};

use crate::catalog::{Known, Running};
use crate::is;
use crate::manifests::{bind, definition, definitions};
use crate::server::Server;

const COMPONENTS: &str = "/apis/annals.dev/v1alpha1/namespaces/default/components";
const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";
const TILL: &str = "component:default/till";

fn component(name: &str) -> Value {
    json!({
        "apiVersion": "annals.dev/v1alpha1", "kind": "Component", "metadata": {"name": name},
        "about": {"title": "The till", "tags": ["java"]},
        "spec": {"type": "service", "lifecycle": "production", "owner": "team", "of-mine": 1},
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_of_ours_are_entities() {
    let Some(mut server) = Server::start("entities in a cluster", "") else { return };
    bind(&server).await;
    let mut running = Running::start(&server.kubeconfig(), "reader", Known::default());
    running.until("that it works", |known| is(known, ConnectorState::Working)).await;
    server.define(&definitions()).await;
    for name in ["till", "stock"] {
        server.create(COMPONENTS, &component(name)).await;
    }
    let known = running.until("an entity", |known| known.entity(TILL).is_some()).await;
    let ((scope, _), document) = known.entities.last_key_value().unwrap();
    assert_eq!(scope, "kubernetes/test/real/components.annals.dev");
    assert_eq!(document["metadata"]["title"], "The till");
    assert_eq!(document["spec"]["of-mine"], 1);
    // What the API server does not check the catalog does.
    let refused = json!({"apiVersion": "annals.dev/v1alpha1", "kind": "Component",
        "metadata": {"name": "x"}, "spec": {"type": "service"}});
    assert!(!server.try_create(COMPONENTS, &refused).await);

    server.merge(COMPONENTS, "till", &json!({"spec": {"owner": "others"}})).await;
    running
        .until("a change", |known| {
            known.entity(TILL).is_some_and(|of| of["spec"]["owner"] == "others")
        })
        .await;
    server.remove(COMPONENTS, "till").await;
    running.until("its end", |known| known.entity(TILL).is_none()).await;
    let annotations = json!({"annals.dev/name": "renamed"});
    server.merge(COMPONENTS, "stock", &json!({"metadata": {"annotations": annotations}})).await;
    let renamed = "component:default/renamed";
    let known = running.until("another name", |known| known.entity(renamed).is_some()).await;
    assert_eq!(known.entities.len(), 1);

    // A cluster that is away withdraws nothing, in this life and in the next one.
    server.down();
    let known = running.until("that it is away", |known| is(known, ConnectorState::Stale)).await;
    assert_eq!(known.entities.len(), 1);
    let mut known = running.stop().await;
    known.status = None;
    let mut running = Running::start(&server.kubeconfig(), "reader", known);
    let known = running.until("that it is away", |known| is(known, ConnectorState::Failing)).await;
    assert_eq!(known.entities.len(), 1);
    server.up();
    server.create(COMPONENTS, &component("till")).await;
    server.remove(COMPONENTS, "stock").await;
    running
        .until("what was missed", |known| known.entity(TILL).is_some() && known.entities.len() == 1)
        .await;

    // A kind that is made anew while it is watched is another one.
    let kinds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    server.remove(kinds, "components.annals.dev").await;
    server.until(COMPONENTS, |answer| answer == Err(404)).await;
    let mut anew = definitions();
    anew.retain(|of| of["metadata"]["name"] == "components.annals.dev");
    server.define(&anew).await;
    server.create(COMPONENTS, &component("anew")).await;
    running
        .until("the kind made anew", |known| {
            known.entity("component:default/anew").is_some() && known.entities.len() == 1
        })
        .await;

    // A kind that the cluster has no more has no entities.
    server.remove(kinds, "components.annals.dev").await;
    running.until("the end of a kind", |known| known.entities.is_empty()).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn annotated_objects_are_resources() {
    let Some(server) = Server::start("annotated objects", "") else { return };
    bind(&server).await;
    let group = "db.example";
    server.define(&[definition("Postgres", "pgs", "v1", group)]).await;
    let postgres = |name: &str| {
        json!({"apiVersion": "db.example/v1", "kind": "Postgres", "metadata": {"name": name,
            "annotations": {"annals.dev/resource": "database", "annals.dev/owner": "team"}},
            "spec": {"password": "hunter2"}})
    };
    let pgs = format!("/apis/{group}/v1/namespaces/default/pgs");
    for name in ["orders", "stock"] {
        server.create(&pgs, &postgres(name)).await;
    }
    let cluster = json!({"name": "real", "kubeconfig": server.kubeconfig(),
        "resources": ["pgs.v1.db.example"]});
    let mut running = Running::with(&[cluster], Known::default());
    running.until("two resources", |known| known.entities.len() == 2).await;
    server.deploy("shop", "shop", "shop:1").await;
    let annotate = |value: Value| json!({"metadata": {"annotations": {"annals.dev/resource": value, "annals.dev/owner": "team"}}});
    server.merge(DEPLOYMENTS, "shop", &annotate(json!("cache"))).await;
    let shop = "resource:default/shop";
    let known = running.until("a deployment", |known| known.entity(shop).is_some()).await;
    assert_eq!(known.entity(shop).unwrap()["spec"], json!({"type": "cache", "owner": "team"}));
    assert!(!format!("{known:?}").contains("hunter2"));
    server.merge(DEPLOYMENTS, "shop", &annotate(Value::Null)).await;
    running.until("its end", |known| known.entity(shop).is_none()).await;

    // Whoever takes the name of another waits until it is free.
    let named = json!({"metadata": {"annotations": {"annals.dev/name": "orders"}}});
    server.merge(&pgs, "stock", &named).await;
    running.until("one name", |known| known.entities.len() == 1).await;
    server.remove(&pgs, "orders").await;
    running
        .until("the other one", |known| {
            let of = known.entity("resource:default/orders");
            of.is_some_and(|of| of["metadata"]["annotations"].to_string().contains("default/stock"))
        })
        .await;

    // What is not read any more is retired.
    let known = running.stop().await;
    let cluster = json!({"name": "real", "kubeconfig": server.kubeconfig(), "read": ["workloads"]});
    let mut running = Running::with(&[cluster], known);
    running.until("that it is retired", |known| known.entities.is_empty()).await;
    running.stop().await;
}
