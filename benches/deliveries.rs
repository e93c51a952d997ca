//! What deliveries of a CI system take, signed and answered when they are durable, beside a bare
//! request on as many connections in the same run.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use hmac::{Hmac, KeyInit, Mac};
use serde::Serialize;
use serde_json::json;
use sha2::Sha256;

use crate::load::{CONNECTIONS, Connection};
use crate::node::Node;
use crate::reads::Latency;
use crate::stage::{Stage, Watch};

const SECRET: &str = "a-secret-of-the-webhook";

/// About what GitHub's deliveries of runs have beside what is read of them.
const MORE_BYTES: usize = 16_000;

/// What deliveries take.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Deliveries {
    stages: [Stage; 2],
    latencies: [Latency; 2],
}

impl Deliveries {
    /// The table.
    pub(crate) fn table(&self) -> String {
        let rows = self.stages.iter().zip(&self.latencies).map(|(stage, latency)| {
            let (a_second, cpu_us) = (stage.per_s(), stage.cpu_us());
            let threads: Vec<String> = stage
                .threads
                .iter()
                .take(4)
                .map(|(name, seconds)| format!("{name} {:.0}", seconds * 1e6 / stage.events as f64))
                .collect();
            format!(
                "{:<28}{:>8}{:>9.0}/s{:>9.1} µs CPU{:>9} µs p50{:>9} µs p99  {}\n",
                stage.name,
                stage.events,
                a_second,
                cpu_us,
                latency.p50_us,
                latency.p99_us,
                threads.join(", "),
            )
        });
        rows.collect()
    }
}

/// Delivers so many runs of workflows, and asks as often whether the node is there.
pub(crate) fn measure(count: u32, folder: &Path) -> Result<Deliveries> {
    let config = folder.join("annals.yaml");
    let connector = json!({"kind": "ci", "id": "bench", "from": "github", "secret": SECRET});
    std::fs::write(&config, json!({"connectors": [connector]}).to_string())?;
    let config = config.to_str().context("a path that is no text")?;
    let node = Node::serve(&folder.join("data"), &["--config", config])?;
    let each = count.div_ceil(u32::try_from(CONNECTIONS)?);
    let deliver = |connection: &mut Connection, number: u32| {
        let (headers, body) = delivery(number);
        let began = Instant::now();
        connection.send("POST /api/events/http/bench", &headers, &body)?;
        Ok(began.elapsed())
    };
    let ask = |connection: &mut Connection, _| {
        let began = Instant::now();
        connection.ask("/healthz", None)?;
        Ok(began.elapsed())
    };
    let (delivered, until_answered) = run(&node, "deliveries", each, &deliver)?;
    let (asked, until_there) = run(&node, "bare requests", each, &ask)?;
    node.stop()?;
    Ok(Deliveries { stages: [delivered, asked], latencies: [until_answered, until_there] })
}

type Ask<'a> = &'a (dyn Fn(&mut Connection, u32) -> Result<Duration> + Sync);

fn run(node: &Node, name: &'static str, each: u32, ask: Ask<'_>) -> Result<(Stage, Latency)> {
    let watch = Watch::begin(node.id())?;
    let mut times = Vec::new();
    std::thread::scope(|threads| {
        let asking: Vec<_> = (0..u32::try_from(CONNECTIONS)?)
            .map(|at| {
                threads.spawn(move || {
                    let mut connection = Connection::open(node)?;
                    let numbers = at * each..(at + 1) * each;
                    numbers.map(|number| ask(&mut connection, number)).collect::<Result<Vec<_>>>()
                })
            })
            .collect();
        for asking in asking {
            times.extend(asking.join().map_err(|_| anyhow!("asking broke off"))??);
        }
        Ok::<_, anyhow::Error>(())
    })?;
    let stage = watch.end(name, times.len() as u64)?;
    Ok((stage, Latency::of(name, times, 0)))
}

/// The headers and the body of a delivery.
fn delivery(number: u32) -> (String, String) {
    let body = json!({
        "action": "completed", "repository": {"full_name": format!("shop/service-{}", number % 100)},
        "workflow_run": {
            "id": number, "name": "build", "run_number": number, "run_attempt": 1, "event": "push",
            "status": "completed", "conclusion": "success", "head_branch": "main",
            "head_sha": "c6d86dc654b12425e706bcf951adfe5a8627a517",
            "html_url": format!("https://github.com/shop/service/actions/runs/{number}"),
            "updated_at": "2026-01-02T03:04:05Z",
        },
        "more": "x".repeat(MORE_BYTES),
    })
    .to_string();
    let signature = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).map(|mut mac| {
        mac.update(body.as_bytes());
        let bytes = mac.finalize().into_bytes();
        bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
    });
    let headers = format!(
        "Content-Type: application/json\r\nX-GitHub-Event: workflow_run\r\n\
         X-GitHub-Delivery: delivery-{number}\r\nX-Hub-Signature-256: sha256={}\r\n",
        signature.unwrap_or_default()
    );
    (headers, body)
}
