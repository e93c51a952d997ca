//! What many workloads cost: memory, and requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use kube::api::PostParams;
use kube::core::Request;
use serde_json::{Value, json};

use crate::SHOP;
use crate::catalog::{Known, Running};
use crate::manifests::bind;
use crate::server::Server;

/// How many workloads: few in `make test`, many in `make soak`.
fn count() -> usize {
    std::env::var("ANNALS_WORKLOADS").ok().and_then(|count| count.parse().ok()).unwrap_or(700)
}

/// Peak and present memory of this process, in MB. Each test is a process of its own.
fn memory() -> (u64, u64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let of = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
    };
    (of("VmHWM:"), of("VmRSS:"))
}

/// How often deployments were listed, as the server counts it.
async fn lists(server: &Server) -> u64 {
    let request = http::Request::get("/metrics").body(Vec::new()).unwrap();
    let text = server.client().await.request_text(request).await.unwrap();
    let lines = text.lines().filter(|line| {
        line.starts_with("apiserver_request_total{")
            && line.contains("resource=\"deployments\"")
            && line.contains("verb=\"LIST\"")
    });
    lines.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}

/// A deployment as they are: with some environment, probes and annotations.
fn deployment(number: usize) -> Value {
    let name = format!("service-{number}");
    let env: Vec<Value> = (0..15)
        .map(
            |n| json!({"name": format!("VARIABLE_{n}"), "value": format!("of {name}, number {n}")}),
        )
        .collect();
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/name": name,
            "app.kubernetes.io/version": "1.2.3", kubernetes::ANNOTATION: name},
            "annotations": {"example.com/owner": "team", "example.com/note": "x".repeat(500)}},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": name}}, "template": {
            "metadata": {"labels": {"app": name}},
            "spec": {"containers": [{"name": "main", "env": env, "ports": [{"containerPort": 80}],
                "image": format!("registry.example/team/{name}:1.2.3"),
                "livenessProbe": {"httpGet": {"path": "/", "port": 80}}}]}}},
    })
}

fn pod(number: usize) -> Value {
    let name = format!("service-{number}");
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": format!("{name}-5d4f-x"), "labels": {"app": name,
            "pod-template-hash": "5d4f"}, "ownerReferences": [{"apiVersion": "apps/v1",
            "kind": "ReplicaSet", "name": format!("{name}-5d4f"), "controller": true,
            "uid": "3f0c2bb6-0b8e-4d6c-8b27-0c2fd1e3b9d1"}]},
        "spec": {"containers": [{"name": "main", "image": format!("registry.example/{name}:1")}]},
    })
}

/// Makes them, some at a time.
async fn make(server: &Server, count: usize) {
    let client = server.client().await;
    let next = Arc::new(AtomicUsize::new(0));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (client, next) = (client.clone(), Arc::clone(&next));
        tasks.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::SeqCst);
                if number >= count {
                    return;
                }
                for (path, object) in [
                    ("/apis/apps/v1/namespaces/default/deployments", deployment(number)),
                    ("/api/v1/namespaces/default/pods", pod(number)),
                ] {
                    let body = object.to_string().into_bytes();
                    let request = Request::new(path).create(&PostParams::default(), body).unwrap();
                    client.request::<Value>(request).await.unwrap();
                }
            }
        });
    }
    tasks.join_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_workloads_are_listed_in_pages_and_take_little_memory() {
    let Some(server) = Server::start("many workloads", "") else { return };
    bind(&server).await;
    let count = count();
    make(&server, count).await;
    let (listed, (_, before)) = (lists(&server).await, memory());
    let begun = Instant::now();
    let mut running = Running::start(&server.kubeconfig(), "reader", Known::default());
    let names: Vec<(String, String)> = (0..count)
        .map(|number| (format!("component:default/service-{number}"), format!("service-{number}")))
        .collect();
    let carried = names.iter().map(|(entity, id)| (entity.as_str(), id.as_str()));
    running.carry(&carried.chain([(SHOP, "none")]).collect::<Vec<_>>());
    let is_all = |known: &Known| known.aspects.len() == count && known.activities.len() == count;
    let known = running.until("all of them", is_all).await;
    let (took, (peak, after)) = (begun.elapsed(), memory());
    let pods = known.aspects.values().filter(|of| of["workloads"][0]["pods"]["count"] == 1);
    assert_eq!(pods.count(), count);
    let pages = lists(&server).await - listed;
    println!(
        "{count} workloads with a pod each: {before} MB before, {after} MB after, {peak} MB at the \
         most, {pages} pages of deployments, {took:?} until all was said"
    );
    assert_eq!(pages, u64::try_from(count.div_ceil(500)).unwrap());
    // With what the test itself keeps of the catalog, and its clients.
    assert!(peak < 200, "{peak} MB");
    running.stop().await;
}
