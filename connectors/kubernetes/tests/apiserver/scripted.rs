//! A server that answers as it is told: what a real one does only now and then.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// A server whose list of deployments has two pages, and forgets what is watched from: the first
/// watch of deployments is told 410, and from then on the list is another one.
pub(crate) struct Scripted {
    folder: tempfile::TempDir,
    /// How often deployments were listed from the beginning.
    pub(crate) lists: Arc<AtomicUsize>,
}

impl Scripted {
    pub(crate) async fn start() -> Self {
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
        let lists = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&lists);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let lists = Arc::clone(&counted);
                tokio::spawn(async move {
                    let _ = answer(stream, &lists).await;
                });
            }
        });
        Self { folder, lists }
    }

    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("kubeconfig")
    }
}

async fn answer(stream: TcpStream, lists: &AtomicUsize) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let (mut first, mut line) = (String::new(), String::new());
    stream.read_line(&mut first).await?;
    while stream.read_line(&mut line).await? > 2 {
        line.clear();
    }
    let is_watch = first.contains("watch=true");
    let body = match (first.contains("/deployments"), is_watch) {
        (true, false) if first.contains("continue=more") => page(&["b"], None),
        (true, false) => match lists.fetch_add(1, Ordering::SeqCst) {
            0 => page(&["a"], Some("more")),
            _ => page(&["c"], None),
        },
        (true, true) if lists.load(Ordering::SeqCst) == 1 => json!({"type": "ERROR", "object": {
            "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 410,
            "reason": "Expired", "message": "too old resource version"}}),
        (false, false) => page(&[], None),
        (_, true) => Value::Null,
    };
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).await?;
    if body.is_null() {
        stream.flush().await?;
        // A watch in which nothing happens.
        stream.read_line(&mut line).await?;
        return Ok(());
    }
    stream.write_all(format!("{body}\n").as_bytes()).await?;
    stream.shutdown().await
}

fn page(names: &[&str], more: Option<&str>) -> Value {
    let items = names.iter().map(|name| {
        json!({
            "metadata": {"name": name, "namespace": "n", "uid": name, "resourceVersion": "1",
                "labels": {kubernetes::ANNOTATION: "shop"}},
            "spec": {"template": {"spec": {"containers": [{"name": "c", "image": "shop:1"}]}}},
            "status": null,
        })
    });
    let items: Vec<Value> = items.collect();
    json!({"metadata": {"resourceVersion": "7", "continue": more.unwrap_or_default()},
        "items": items})
}
