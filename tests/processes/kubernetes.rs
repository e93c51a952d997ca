//! A cluster's workloads on the pages of the program, from a real kube-apiserver.

use std::fs;
use std::time::{Duration, Instant};

use kube::api::{DeleteParams, ListParams};
use serde_json::{Value, json};
use support::process::Client;
use tokio::runtime::Runtime;

use crate::program;

/// The same server that the connector's own tests start.
#[path = "../../connectors/kubernetes/tests/apiserver/server.rs"]
#[expect(dead_code, reason = "the connector's own tests do more with it")]
pub(crate) mod server;

use server::Server;

/// Asks until the answer is so, and says how long that took.
pub(crate) fn until(client: &Client, path: &str, is: impl Fn(&Value) -> bool) -> Duration {
    let begun = Instant::now();
    loop {
        let answer = client.get(path).body;
        if is(&answer) {
            return begun.elapsed();
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{path}: {answer:#}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// Connectors that read a cluster, may not, and read it twice.
fn config(cluster: &Server) -> Value {
    let kubeconfig = cluster.kubeconfig();
    let of = |id: &str, context: &str| {
        json!({"kind": "kubernetes", "id": id, "clusters": [
            {"name": id, "kubeconfig": kubeconfig, "context": context},
        ]})
    };
    let two = json!({"kind": "kubernetes", "id": "two", "clusters": [
        {"name": "one", "kubeconfig": kubeconfig, "read": ["workloads"]},
        {"name": "away", "kubeconfig": kubeconfig, "context": "reader"},
    ]});
    json!({"connectors": [of("real", "real"), of("blind", "reader"), two]})
}

/// Where components stand.
const COMPONENTS: &str = "/apis/annals.dev/v1alpha1/namespaces/default/components";

/// The definition of components in clusters.
pub(crate) fn components() -> Value {
    let open = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "components.annals.dev"},
        "spec": {"group": "annals.dev", "scope": "Namespaced",
            "names": {"kind": "Component", "plural": "components", "singular": "component"},
            "versions": [{"name": "v1alpha1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": open}}]},
    })
}

/// An object that is an entity, with more in its metadata.
pub(crate) fn component(name: &str, owner: &Value, annotations: &Value) -> Value {
    json!({
        "apiVersion": "annals.dev/v1alpha1", "kind": "Component",
        "metadata": {"name": name, "annotations": annotations},
        "spec": {"type": "service", "lifecycle": "production", "owner": owner},
    })
}

/// An object of ours is an entity, of which the cluster tells, until it is no more.
fn entities_of_a_cluster(client: &Client, runtime: &Runtime, cluster: &Server) {
    runtime.block_on(cluster.define(&[components()]));
    for (name, owner) in [("till", json!("team")), ("stock", json!(7))] {
        let selects = json!({"backstage.io/kubernetes-label-selector": "app=shop"});
        runtime.block_on(cluster.create(COMPONENTS, &component(name, &owner, &selects)));
    }
    let selects = json!({"metadata": {"labels": {"app": "shop"}}});
    runtime.block_on(cluster.patch("shop", &selects));
    until(client, "/api/history/entities/component/default/till/aspects", |page| {
        page["aspects"].to_string().contains("r.example/shop:1")
    });
    until(client, "/api/history/entities/component/default/till", |page| {
        page.to_string().contains("real Component default/till resourceVersion")
    });
    until(client, "/api/connectors/refusals", |page| {
        page.to_string().contains("component:default/stock")
    });
    runtime.block_on(cluster.remove(COMPONENTS, "till"));
    let list = "/api/catalog/entities?filter=kind=component,metadata.name=till";
    until(client, list, |page| page.as_array().is_some_and(Vec::is_empty));
}

#[test]
fn a_deployment_shows_on_its_entity() {
    let Some(cluster) = Server::start("a deployment on its entity", "") else { return };
    let runtime = Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let config = config(&cluster);
    let path = folder.path().join("annals.yaml");
    fs::write(&path, config.to_string()).unwrap();
    let config = path.to_str().unwrap();
    let served = program().serve(&folder.path().join("data"), &["--config", config]);
    let client = served.client();
    let entity = json!({
        "apiVersion": "backstage.io/v1alpha1", "kind": "Component",
        "metadata": {"name": "shop", "annotations": {"backstage.io/kubernetes-id": "shop"}},
        "spec": {"type": "service", "lifecycle": "production", "owner": "team"},
    });
    client.post("/api/ingest/all", &entity.to_string());
    let state = |source: &str, is: &'static str| {
        let source = source.to_owned();
        move |list: &Value| {
            let all = list["sources"].as_array().into_iter().flatten();
            let mut own = all.filter(|of| of["source"] == source.as_str());
            own.any(|of| {
                of["condition"]["state"] == is || (is == "working" && of["lastSuccess"].is_string())
            })
        }
    };
    until(&client, "/api/connectors", state("kubernetes/real", "working"));

    let beside = "/api/history/entities/component/default/shop";
    runtime.block_on(cluster.deploy("shop", "shop", "r.example/shop:1"));
    let took = until(&client, &format!("{beside}/aspects"), |page| {
        let aspects = page["aspects"].as_array().into_iter().flatten();
        let mut own = aspects.filter(|of| of["name"] == "kubernetes/real");
        own.any(|of| of["value"]["workloads"][0]["desired"] == 2)
    });
    assert!(took < Duration::from_secs(2), "{took:?}");
    let took = until(&client, &format!("{beside}/activities"), |page| {
        let text = page["activities"].to_string();
        text.contains("dev.cdevents.service.deployed") && text.contains("pkg:oci/shop")
    });
    assert!(took < Duration::from_secs(2), "{took:?}");

    entities_of_a_cluster(&client, &runtime, &cluster);

    until(&client, "/api/connectors", state("kubernetes/blind", "failing"));
    let list = client.get("/api/connectors").body.to_string();
    assert!(list.contains("deployments.apps") && list.contains("may not be listed"), "{list}");

    // Of several clusters each is told of by itself.
    until(&client, "/api/connectors", |list| {
        let all = list["scopes"].as_array().into_iter().flatten();
        let states = all.map(|of| (of["scope"].as_str(), of["condition"]["state"].as_str()));
        let states: Vec<_> = states.collect();
        states.contains(&(Some("kubernetes/two/one"), Some("working")))
            && states.contains(&(Some("kubernetes/two/away"), Some("failing")))
    });

    let output = program().run(&["connectors", "test", "--config", config]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("kubernetes/real: works; 2 found, 1 refused"), "{said}");
    assert!(
        said.contains(
            "kubernetes/blind: FAILS: the cluster `blind`: components.annals.dev, cronjobs.batch"
        ),
        "{said}"
    );
}

/// Somebody removes all entities of a cluster at once: the guard is asked, although each of them
/// goes by itself.
#[test]
fn what_goes_all_at_once_is_held() {
    let Some(cluster) = Server::start("what goes all at once", "") else { return };
    let runtime = Runtime::new().unwrap();
    runtime.block_on(cluster.define(&[components()]));
    let object = |number: u32| component(&format!("c{number}"), &json!("team"), &json!({}));
    runtime.block_on(async {
        for number in 0..60 {
            cluster.create(COMPONENTS, &object(number)).await;
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let config = json!({"connectors": [{"kind": "kubernetes", "id": "real", "clusters": [
        {"name": "one", "kubeconfig": cluster.kubeconfig(), "read": ["catalog"]}]}]});
    let path = folder.path().join("annals.yaml");
    fs::write(&path, config.to_string()).unwrap();
    let config = path.to_str().unwrap();
    let served = program().serve(&folder.path().join("data"), &["--config", config]);
    let client = served.client();
    let list = "/api/catalog/entities?filter=kind=component&fields=metadata.name";
    let count = |page: &Value| page.as_array().map_or(0, Vec::len);
    until(&client, list, |page| count(page) == 60);

    let (params, all) = (DeleteParams::default(), ListParams::default());
    let request = kube::core::Request::new(COMPONENTS).delete_collection(&params, &all).unwrap();
    runtime.block_on(async { cluster.client().await.request::<Value>(request).await }).unwrap();
    let scope = "kubernetes/real/one/components.annals.dev";
    let held = |list: &Value| {
        let mut all = list["scopes"].as_array().into_iter().flatten();
        let own = all.find(|of| of["scope"] == scope).cloned().unwrap_or_default();
        own["condition"]["withdrawals"].as_u64()
    };
    until(&client, "/api/connectors", |list| held(list).is_some());
    let left = client.get(list).body;
    assert!(count(&left) >= 50, "{left}");
    until(&client, "/api/connectors", |list| held(list) == Some(count(&left) as u64));

    // Once it is approved, the next list withdraws them. One that comes and goes asks for a list.
    let approved = program().run(&["connectors", "approve", "--server", &served.url, scope]);
    assert!(approved.status.success(), "{approved:?}");
    let name = left[0]["metadata"]["name"].as_str().unwrap();
    let again = component(name, &json!("team"), &json!({}));
    runtime.block_on(cluster.create(COMPONENTS, &again));
    runtime.block_on(cluster.remove(COMPONENTS, name));
    until(&client, list, |page| count(page) == 0);
}
