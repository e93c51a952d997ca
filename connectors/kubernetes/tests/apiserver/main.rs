//! The connector on a real kube-apiserver.

#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

mod catalog;
mod entities;
mod faults;
mod figures;
mod helm;
mod manifests;
mod objects;
mod runs;
mod scripted;
mod server;

use std::time::{Duration, Instant};

use catalog::{Known, Running};
use event::vocabulary::ConnectorState;
use serde_json::json;
use server::Server;

const SHOP: &str = "component:default/shop";

fn is(known: &Known, state: ConnectorState) -> bool {
    known.status.as_ref().is_some_and(|status| status.state == state)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_lives_and_dies() {
    let Some(mut server) = Server::start("a deployment's life", "") else { return };
    manifests::bind(&server).await;
    let mut running = Running::start(&server.kubeconfig(), "reader", Known::default());
    running.carry(&[(SHOP, "shop"), ("component:default/other", "other")]);
    running.until("that it works", |known| is(known, ConnectorState::Working)).await;

    let begun = Instant::now();
    server.deploy("shop", "shop", "r.example/shop:1").await;
    let known = running.until("a deployment", |known| known.workload(SHOP).is_some()).await;
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!(known.workload(SHOP).unwrap()["desired"], 2);
    let v1 = "pkg:oci/shop?repository_url=r.example/shop&tag=1";
    let known = running.until("its image", |known| !known.activities.is_empty()).await;
    assert_eq!(known.told(), [("service.deployed", v1)]);
    assert!(known.activities[0].pointer.as_ref().unwrap().contains("resourceVersion"));

    server.patch("shop", &json!({"spec": {"replicas": 5}})).await;
    running.until("scaling", |known| known.workload(SHOP).unwrap()["desired"] == 5).await;
    server.patch_status("shop", &json!({"replicas": 5, "readyReplicas": 4})).await;
    running.until("what is ready", |known| known.workload(SHOP).unwrap()["ready"] == 4).await;

    server.roll_out("shop", "r.example/shop:2").await;
    running.until("a roll-out", |known| known.activities.len() == 2).await;
    server.roll_out("shop", "r.example/shop:1").await;
    let known = running.until("a return to before", |known| known.activities.len() == 3).await;
    let v2 = "pkg:oci/shop?repository_url=r.example/shop&tag=2";
    let upgraded = "service.upgraded";
    assert_eq!(known.told(), [("service.deployed", v1), (upgraded, v2), (upgraded, v1)]);

    // The server goes, and comes again with other credentials, which stand in the kubeconfig.
    server.down();
    let known = running.until("that it is away", |known| is(known, ConnectorState::Stale)).await;
    let why = known.status.as_ref().unwrap().why.as_deref().unwrap();
    assert!(why.starts_with("the cluster `real`: the cluster is not reached"), "{why}");
    assert!(known.workload(SHOP).is_some(), "nothing ends with the connection");
    server.up();
    let known = running.until("that it is back", |known| is(known, ConnectorState::Working)).await;
    assert!(known.workload(SHOP).is_some());

    // Another life of the connector says nothing that is known.
    let known = running.stop().await;
    let (changes, told) = (known.changes, known.activities.len());
    let looked = known.looked;
    let mut running = Running::start(&server.kubeconfig(), "reader", known);
    running.carry(&[(SHOP, "shop"), ("component:default/other", "other")]);
    let known = running.until("another life", |known| known.looked > looked).await;
    assert_eq!((known.changes, known.activities.len()), (changes, told));

    // What a life before observed ends: in a cluster that is not read any more, and of whoever says
    // nothing of its objects any more.
    let mut known = running.stop().await;
    for (entity, aspect) in
        [(SHOP, "kubernetes/gone"), ("component:default/old", "kubernetes/real")]
    {
        let value = json!({"workloads": []}).as_object().unwrap().clone();
        known.aspects.insert((entity.to_owned(), aspect.to_owned()), value);
    }
    let mut running = Running::start(&server.kubeconfig(), "reader", known);
    running.carry(&[(SHOP, "shop"), ("component:default/other", "other")]);
    let known = running.until("an end of earlier ones", |known| known.aspects.len() == 1).await;
    assert!(known.workload(SHOP).is_some());

    server.delete("shop").await;
    running.until("that it is gone", |known| known.workload(SHOP).is_none()).await;
    assert_eq!(server.count().await, 0);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn entities_come_and_go() {
    let Some(server) = Server::start("entities that come and go", "") else { return };
    manifests::bind(&server).await;
    server.deploy("shop", "shop", "shop:1").await;
    let mut running = Running::start(&server.kubeconfig(), "reader", Known::default());
    running.until("that it works", |known| known.looked > 0).await;
    running.carry(&[(SHOP, "shop")]);
    running.until("an entity that came", |known| known.workload(SHOP).is_some()).await;
    let till = "component:default/till";
    running.carry(&[(till, "shop")]);
    running
        .until("another entity", |known| {
            known.workload(SHOP).is_none() && known.workload(till).is_some()
        })
        .await;
    // What an earlier life said of an entity that has nothing here any more ends.
    let known = running.stop().await;
    server.delete("shop").await;
    let mut running = Running::start(&server.kubeconfig(), "reader", known);
    running.carry(&[(till, "shop")]);
    running.until("the end of it", |known| known.workload(till).is_none()).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_look_says_so_and_ends_nothing() {
    let Some(server) = Server::start("missing rights", "") else { return };
    server.deploy("shop", "shop", "shop:1").await;
    let mut running = Running::start(&server.kubeconfig(), "real", Known::default());
    running.carry(&[(SHOP, "shop")]);
    running.until("a deployment", |known| known.workload(SHOP).is_some()).await;
    let mut known = running.stop().await;
    known.status = None;

    let mut running = Running::start(&server.kubeconfig(), "reader", known);
    running.carry(&[(SHOP, "shop")]);
    let known = running.until("a refusal", |known| is(known, ConnectorState::Failing)).await;
    let why = known.status.as_ref().unwrap().why.clone().unwrap();
    assert!(
        why.contains(
            "services, statefulsets.apps may not be listed and watched in all namespaces: "
        ),
        "{why}"
    );
    assert!(known.workload(SHOP).is_some());

    // With the rights of the manifest it works.
    manifests::bind(&server).await;
    running.until("that it works", |known| is(known, ConnectorState::Working)).await;
    running.stop().await;
}
