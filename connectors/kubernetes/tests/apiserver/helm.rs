//! Releases of Helm, of which only the labels are read.

use event::vocabulary::ConnectorState;
use serde_json::{Value, json};

use crate::catalog::{Known, Running};
use crate::manifests::{bind, bind_helm};
use crate::server::Server;
use crate::{SHOP, is};

const SECRETS: &str = "/api/v1/namespaces/default/secrets";
const SECOND: &str = "sh.helm.release.v1.shop.v2";

fn labels(revision: u32, status: &str) -> Value {
    json!({"owner": "helm", "name": "shop", "version": revision.to_string(), "status": status,
        "createdAt": "1767225600", "modifiedAt": "1767225660"})
}

/// Helm writes a status of the second revision.
async fn set(server: &Server, status: &str) {
    server.merge(SECRETS, SECOND, &json!({"metadata": {"labels": labels(2, status)}})).await;
}

/// One that reads workloads and releases with the rights of the manifests.
fn start(server: &Server, known: Known) -> Running {
    let cluster = json!({"name": "real", "kubeconfig": server.kubeconfig(), "context": "reader",
        "read": ["workloads", "helm"]});
    let running = Running::with(&[cluster], known);
    running.carry(&[(SHOP, "shop")]);
    running
}

/// What was told of releases: what, of which revision, when.
fn told(known: &Known) -> Vec<String> {
    let own = known.activities.iter().filter(|of| of.value["kind"] == "Release");
    let each = own.map(|of| {
        let time = of.time.map(|time| time.to_string()).unwrap_or_default();
        let what = of.activity.trim_start_matches("dev.cdevents.");
        format!("{what} {} {time}", of.value["revision"])
    });
    each.collect()
}

fn status(known: &Known) -> Value {
    known.aspect(SHOP)["releases"][0]["status"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn releases_without_what_is_in_them() {
    let Some(server) = Server::start("releases of Helm", "") else { return };
    bind(&server).await;
    for (revision, status) in [(1, "superseded"), (2, "deployed")] {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "helm.sh/release.v1",
            "metadata": {"name": format!("sh.helm.release.v1.shop.v{revision}"),
                "labels": labels(revision, status)},
            "stringData": {"release": "hunter2"},
        });
        server.create(SECRETS, &secret).await;
    }
    server.deploy("shop", "shop", "shop:1").await;
    let helm = json!({"meta.helm.sh/release-name": "shop"});
    server.patch("shop", &json!({"metadata": {"annotations": helm}})).await;
    let mut running = start(&server, Known::default());
    let known = running.until("a refusal", |known| is(known, ConnectorState::Failing)).await;
    let why = known.status.unwrap().why.unwrap();
    assert!(why.contains("secrets may not be listed and watched"), "{why}");

    bind_helm(&server).await;
    let known = running.until("a release", |known| !known.aspect(SHOP).is_null()).await;
    let expected = json!([{"namespace": "default", "name": "shop", "revision": 2,
        "status": "deployed"}]);
    assert_eq!(known.aspect(SHOP)["releases"], expected);
    assert_eq!(known.aspect(SHOP)["workloads"][0]["release"], "shop");
    // What stands there is told with the time that Helm notes.
    let upgraded = "service.upgraded 2 2026-01-01T00:01:00.000000Z";
    running.until("an upgrade", |known| told(known) == [upgraded]).await;
    set(&server, "failed").await;
    let known =
        running.until("its end", |known| status(known) == "failed" && told(known).len() == 2).await;
    assert!(told(&known)[1].starts_with("taskrun.finished 2"), "{known:?}");

    // Another life says nothing twice, and that it is uninstalled: what it made goes first.
    let known = running.stop().await;
    let looked = known.looked;
    let mut running = start(&server, known);
    let known = running.until("another life", |known| known.looked > looked).await;
    assert_eq!(told(&known).len(), 2);
    set(&server, "uninstalling").await;
    running.until("that it goes", |known| status(known) == "uninstalling").await;
    server.delete("shop").await;
    running.until("that its workload is gone", |known| known.aspect(SHOP).is_null()).await;
    server.remove(SECRETS, SECOND).await;
    let known = running.until("that it is gone", |known| told(known).len() == 3).await;
    assert_eq!(told(&known)[2], "service.removed 2 ");
    assert!(!format!("{known:?}").contains("hunter2"));
    running.stop().await;
}
