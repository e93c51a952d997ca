//! A cluster's workloads on the pages of the program, from a real kube-apiserver.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::process::Client;

use crate::program;

/// The same server that the connector's own tests start.
#[path = "../../connectors/kubernetes/tests/apiserver/server.rs"]
#[expect(dead_code, reason = "the connector's own tests do more with it")]
mod server;

use server::Server;

/// Asks until the answer is so, and says how long that took.
fn until(client: &Client, path: &str, is: impl Fn(&Value) -> bool) -> Duration {
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

#[test]
fn a_deployment_shows_on_its_entity() {
    let Some(cluster) = Server::start("a deployment on its entity", "") else { return };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = cluster.kubeconfig();
    let of = |id: &str, context: &str| {
        json!({"kind": "kubernetes", "id": id, "clusters": [
            {"name": id, "kubeconfig": kubeconfig, "context": context},
        ]})
    };
    let config = json!({"connectors": [of("real", "real"), of("blind", "reader")]});
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

    until(&client, "/api/connectors", state("kubernetes/blind", "failing"));
    let list = client.get("/api/connectors").body.to_string();
    assert!(list.contains("deployments.apps may not be listed and watched"), "{list}");

    let output = program().run(&["connectors", "test", "--config", config]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("kubernetes/real: works; 1 found, 0 refused"), "{said}");
    assert!(
        said.contains("kubernetes/blind: FAILS: the cluster `blind`: cronjobs.batch"),
        "{said}"
    );
}
