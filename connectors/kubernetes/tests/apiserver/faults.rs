//! Servers that are away, forget, hang, or answer without end.

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use connector::Status;
use event::vocabulary::ConnectorState;
use serde_json::{Value, json};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::catalog::{Known, Running};
use crate::manifests::bind;
use crate::scripted::{How, Scripted};
use crate::server::Server;
use crate::{SHOP, is};

/// A line to a server, which can be cut.
struct Line {
    is_open: watch::Sender<bool>,
    kubeconfig: PathBuf,
    _folder: tempfile::TempDir,
}

impl Line {
    async fn to(server: &Server) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let text = std::fs::read_to_string(server.kubeconfig()).unwrap();
        let ports = [server.port(), listener.local_addr().unwrap().port()];
        let [there, here] = ports.map(|port| format!("127.0.0.1:{port}"));
        let kubeconfig = folder.path().join("kubeconfig");
        std::fs::write(&kubeconfig, text.replace(&there, &here)).unwrap();
        let (is_open, open) = watch::channel(true);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (mut open, there) = (open.clone(), there.clone());
                tokio::spawn(async move {
                    if *open.borrow()
                        && let Ok(mut other) = TcpStream::connect(there).await
                    {
                        tokio::select! {
                            _ = copy_bidirectional(&mut stream, &mut other) => {}
                            _ = open.wait_for(|open| !open) => {}
                        }
                    }
                });
            }
        });
        Self { is_open, kubeconfig, _folder: folder }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_real_server_forgot_is_listed_anew() {
    let args = "--etcd-compaction-interval=2s --watch-cache=false";
    let Some(server) = Server::start("an expired watch", args) else { return };
    bind(&server).await;
    let line = Line::to(&server).await;
    server.deploy("shop", "shop", "shop:1").await;
    server.deploy("till", "shop", "till:1").await;
    let mut running = Running::start(&line.kubeconfig, "reader", Known::default());
    running.carry(&[(SHOP, "shop")]);
    let names = |known: &Known| {
        let workloads = known.aspect(SHOP)["workloads"].clone();
        let each = workloads.as_array().into_iter().flatten().map(|of| of["name"].clone());
        each.collect::<Vec<Value>>()
    };
    running.until("both", |known| names(known) == ["shop", "till"]).await;

    line.is_open.send_replace(false);
    running.until("that it is away", |known| is(known, ConnectorState::Stale)).await;
    let list = server.get("/apis/apps/v1/deployments").await.unwrap();
    let version = list["metadata"]["resourceVersion"].as_str().unwrap();
    server.delete("till").await;
    server.deploy("stock", "shop", "stock:1").await;
    // From then on the server does not know any more what happened in between.
    let watched = "/apis/apps/v1/deployments?watch=true&timeoutSeconds=1&resourceVersion=";
    server
        .until_lines(&format!("{watched}{version}"), |lines| lines.contains("\"code\":410"))
        .await;
    line.is_open.send_replace(true);
    running
        .until("a list anew", |known| {
            names(known) == ["shop", "stock"] && known.activities.len() == 3
        })
        .await;
    running.until("that it works", |known| is(known, ConnectorState::Working)).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_forgot_is_listed_anew_in_pages() {
    let server = Scripted::start(How::Forgets).await;
    let mut running = Running::with(&[server.cluster()], Known::default());
    running.carry(&[(SHOP, "shop")]);
    let names = |known: &Known| {
        let workloads = known.aspect(SHOP)["workloads"].clone();
        let each = workloads.as_array().into_iter().flatten().map(|of| of["name"].clone());
        each.collect::<Vec<Value>>()
    };
    running.until("both pages", |known| names(known) == ["a", "b"]).await;
    let known = running
        .until("the list anew", |known| names(known) == ["c"] && known.activities.len() == 3)
        .await;
    assert_eq!(server.lists.load(Ordering::SeqCst), 2);
    assert!(is(&known, ConnectorState::Working), "that is no fault: {:?}", known.status);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_taken_up_to_a_limit() {
    for (how, expected) in [
        (How::Endless, "could not be read: an object is too large"),
        (How::Garbage("[1]"), "it answers in another form than expected (at 1:"),
        (How::Garbage("{}"), "it answers in another form than expected (at 1:"),
        (How::Garbage(r#"{"metadata": {}, "items": []}"#), "it answers in another form"),
        (
            How::Garbage(r#"{"metadata": {"resourceVersion": ""}, "items": []}"#),
            "a list of deployments.apps has no version",
        ),
        (How::Forgetful, "does not name the groups that each cluster has"),
        (How::Refuses, "deployments.apps: secret things (500)"),
    ] {
        let server = Scripted::start(how).await;
        let mut running = Running::with(&[server.cluster()], Known::default());
        running.carry(&[(SHOP, "shop")]);
        let known = running.until("a fault", |known| is(known, ConnectorState::Failing)).await;
        let why = known.status.as_ref().unwrap().why.clone().unwrap();
        assert!(why.contains(expected), "{why}");
        assert!(!why.contains("secret-token") && known.aspects.is_empty());
        running.stop().await;
    }
    let server = Scripted::start(How::LargePages).await;
    let mut running = Running::with(&[server.cluster()], Known::default());
    running.carry(&[(SHOP, "shop")]);
    running.until("smaller pages", |known| is(known, ConnectorState::Working)).await;
    assert_eq!(*server.limits.lock().unwrap(), [500, 250, 125]);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_breaks_off_withdraws_nothing() {
    for (how, expected) in [
        (How::BreaksOff, "components.annals.dev could not be read"),
        (How::Forgetful, "the API could not be read"),
    ] {
        let server = Scripted::start(how).await;
        let mut cluster = server.cluster();
        cluster["read"] = json!(["workloads", "catalog"]);
        let mut known = Known::default();
        for (scope, name) in [("components.annals.dev", "b"), ("gone.annals.dev", "c")] {
            let scope = format!("kubernetes/test/real/{scope}");
            known.entities.insert((scope, format!("component:default/{name}")), Value::Null);
        }
        let mut running = Running::with(&[cluster], known);
        let known = running.until("a fault", |known| is(known, ConnectorState::Failing)).await;
        let why = known.status.as_ref().unwrap().why.clone().unwrap();
        assert!(why.contains(expected), "{why}");
        // A kind that a whole answer does not name is gone; of the other one nothing is known.
        let left = if how == How::BreaksOff { 1 } else { 2 };
        running.until("what is left", |known| known.entities.len() == left).await;
        let known = running.stop().await;
        assert!(known.entity("component:default/b").is_some());
        assert_eq!(known.entities.len(), left);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_cluster_that_hangs_does_not_stop_another_or_the_end() {
    let (silent, other) = (Scripted::start(How::Hangs).await, Scripted::start(How::Forgets).await);
    let (mut slow, mut fast) = (silent.cluster(), other.cluster());
    (slow["name"], fast["name"]) = (json!("slow"), json!("real"));
    let mut running = Running::with(&[slow, fast], Known::default());
    running.carry(&[(SHOP, "shop")]);
    let known = running.until("the other one", |known| !known.aspect(SHOP).is_null()).await;
    assert_eq!(known.looked, 0);
    running
        .until("how it is", |known| {
            let of = known.scopes.get("kubernetes/test/real");
            of.is_some_and(|of| of.state == ConnectorState::Working)
        })
        .await;
    let begun = Instant::now();
    let mut known = running.stop().await;
    assert!(begun.elapsed() < Duration::from_secs(5));

    // Of one that is read no more nothing bad is said.
    let failing = Status { state: ConnectorState::Failing, scope: None, why: None };
    known.scopes.insert("kubernetes/test/slow".into(), failing);
    let looked = known.looked;
    let mut running = Running::with(&[other.cluster()], known);
    let known = running.until("the other one alone", |known| known.looked > looked).await;
    let said = known.scopes.get("kubernetes/test/slow").map(|of| (of.state, of.why.clone()));
    let why = Some("its cluster is not read any more".to_owned());
    assert_eq!(said, Some((ConnectorState::Working, why)));
    running.stop().await;
}

/// A watch that can't be understood, or ends with an error, is begun again from a list, ever more
/// seldom; it is said once that something is wrong.
#[tokio::test(flavor = "multi_thread")]
async fn a_watch_that_fails_again_and_again_is_let_alone() {
    for (line, expected) in [
        ("<!DOCTYPE html><p>Sign in</p>", "could not be read: it answers in another form"),
        (
            r#"{"type": "ERROR", "object": {"code": 500, "message": "etcd is away"}}"#,
            "etcd is away",
        ),
        (r#"{"type": "ERROR", "object": [1]}"#, "it answers in another form"),
        (r#"{"type": "MODIFIED", "object": {"metadata": {"name": {}}}}"#, "in another form"),
    ] {
        let server = Scripted::start(How::Says(line)).await;
        let mut running = Running::with(&[server.cluster()], Known::default());
        running.carry(&[(SHOP, "shop")]);
        let begun = Instant::now();
        while server.lists.load(Ordering::SeqCst) < 4 {
            tokio::task::yield_now().await;
        }
        // Half a second, one, and two.
        assert!(begun.elapsed() > Duration::from_secs(3), "{:?}", begun.elapsed());
        let known = running.until("what is listed", |known| !known.aspect(SHOP).is_null()).await;
        let status = known.status.as_ref().unwrap();
        let why = status.why.as_deref().unwrap();
        assert!(status.state == ConnectorState::Stale && why.contains(expected), "{why}");
        assert!(known.statuses <= 2, "{} statuses", known.statuses);
        running.stop().await;
    }
}
