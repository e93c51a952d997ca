//! A server that answers as it is told: what a real one does only now and then.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// How it answers when deployments are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// The list has two pages; the first watch is told 410, and from then on the list is another.
    Forgets,
    /// Without end.
    Endless,
    /// With this, which is no list.
    Garbage(&'static str),
    /// With a list, but its own kinds with one that breaks off after a page.
    BreaksOff,
    /// As if it had no groups.
    Forgetful,
    /// With an error.
    Refuses,
    /// With pages that are too large, but for small ones.
    LargePages,
    /// With a list, but a watch of it says this.
    Says(&'static str),
    /// Not at all.
    Hangs,
}

/// The server.
pub(crate) struct Scripted {
    folder: tempfile::TempDir,
    /// How often deployments were listed from the beginning.
    pub(crate) lists: Arc<AtomicUsize>,
    /// Of what size pages were asked for.
    pub(crate) limits: Arc<Mutex<Vec<u32>>>,
}

impl Scripted {
    pub(crate) async fn start(how: How) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let folder = tempfile::tempdir().unwrap();
        let kubeconfig = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "real",
            "clusters": [{"name": "real", "cluster": {"server": url}}],
            "users": [{"name": "me", "user": {"token": "secret-token"}}],
            "contexts": [{"name": "real", "context": {"cluster": "real", "user": "me"}}],
        });
        std::fs::write(folder.path().join("kubeconfig"), kubeconfig.to_string()).unwrap();
        let (lists, limits) = (Arc::new(AtomicUsize::new(0)), Arc::<Mutex<Vec<u32>>>::default());
        let (counted, asked) = (Arc::clone(&lists), Arc::clone(&limits));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (lists, limits) = (Arc::clone(&counted), Arc::clone(&asked));
                tokio::spawn(async move {
                    let _ = answer(stream, how, &lists, &limits).await;
                });
            }
        });
        Self { folder, lists, limits }
    }

    fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("kubeconfig")
    }

    /// It, as a cluster of a configuration.
    pub(crate) fn cluster(&self) -> Value {
        json!({"name": "real", "kubeconfig": self.kubeconfig(), "read": ["workloads"]})
    }
}

async fn answer(
    stream: TcpStream,
    how: How,
    lists: &AtomicUsize,
    limits: &Mutex<Vec<u32>>,
) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let (mut first, mut line) = (String::new(), String::new());
    stream.read_line(&mut first).await?;
    while stream.read_line(&mut line).await? > 2 {
        line.clear();
    }
    let is_list = first.contains("/deployments") && !first.contains("watch=true");
    let code = if is_list && how == How::Refuses { 500 } else { 200 };
    let head =
        format!("HTTP/1.1 {code} X\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n");
    let body = match how {
        How::Hangs => Value::Null,
        How::Forgets => forgets(&first, lists),
        How::BreaksOff => breaks_off(&first),
        How::Forgetful if first.starts_with("GET /apis ") => json!({"groups": []}),
        How::Forgetful => quiet(&first),
        How::Says(line) if first.contains("/deployments?") && !is_list => {
            stream.write_all(format!("{head}{line}\n").as_bytes()).await?;
            return stream.shutdown().await;
        }
        _ if !is_list => quiet(&first),
        How::Says(_) => {
            lists.fetch_add(1, Ordering::SeqCst);
            page(&["a"], None)
        }
        How::Garbage(text) => serde_json::from_str(text).unwrap(),
        How::Refuses => json!({"message": "secret things", "code": 500}),
        How::LargePages => {
            let limit = first.split(['&', '?', ' ']).find_map(|of| of.strip_prefix("limit="));
            let limit = limit.unwrap().parse().unwrap();
            limits.lock().unwrap().push(limit);
            let mut page = page(&["a"], None);
            page["filler"] = "x".repeat(limit as usize * 100_000).into();
            page
        }
        How::Endless => {
            stream.write_all(head.as_bytes()).await?;
            loop {
                stream.write_all(&[b' '; 65536]).await?;
            }
        }
    };
    stream.write_all(head.as_bytes()).await?;
    if body.is_null() {
        stream.flush().await?;
        // Nothing happens.
        stream.read_line(&mut line).await?;
        return Ok(());
    }
    stream.write_all(format!("{body}\n").as_bytes()).await?;
    stream.shutdown().await
}

/// The API's groups: one that each cluster has, and another.
fn groups(other: &str) -> Value {
    let group = |version: &str| json!({"versions": [{"groupVersion": version}]});
    json!({"groups": [group("apps/v1"), group(other)]})
}

fn breaks_off(first: &str) -> Value {
    let is = |beginning: &str| first.starts_with(&format!("GET {beginning}"));
    match first {
        _ if is("/apis ") => groups("annals.dev/v1alpha1"),
        _ if is("/apis/annals.dev/v1alpha1 ") => json!({"resources": [
            {"name": "components", "kind": "Component", "verbs": ["list", "watch"]}]}),
        _ if first.contains("continue=more") => json!({"kind": "Status", "code": 500}),
        _ if is("/apis/annals.dev/v1alpha1/components") => page(&["a"], Some("more")),
        _ => quiet(first),
    }
}

/// Nothing is there, and nothing happens.
fn quiet(first: &str) -> Value {
    match first {
        _ if first.starts_with("GET /apis ") => groups("x/v1"),
        _ if first.contains("watch=true") => Value::Null,
        _ => page(&[], None),
    }
}

fn forgets(first: &str, lists: &AtomicUsize) -> Value {
    match (first.contains("/deployments"), first.contains("watch=true")) {
        (true, false) if first.contains("continue=more") => page(&["b"], None),
        (true, false) => match lists.fetch_add(1, Ordering::SeqCst) {
            0 => page(&["a"], Some("more")),
            _ => page(&["c"], None),
        },
        (true, true) if lists.load(Ordering::SeqCst) == 1 => {
            json!({"type": "ERROR", "object": {
                "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 410,
                "reason": "Expired", "message": "too old resource version"}})
        }
        _ => quiet(first),
    }
}

fn page(names: &[&str], more: Option<&str>) -> Value {
    let items = names.iter().map(|name| {
        json!({
            "metadata": {"name": name, "namespace": "n", "uid": name, "resourceVersion": "v/1",
                "labels": {kubernetes::ANNOTATION: "shop"}},
            "spec": {"template": {"spec": {"containers": [{"name": "c", "image": "shop:1"}]}}},
            "status": null,
        })
    });
    let items: Vec<Value> = items.collect();
    // Versions are texts that mean nothing to others.
    json!({"metadata": {"resourceVersion": "a & b", "continue": more.unwrap_or_default()},
        "items": items})
}
