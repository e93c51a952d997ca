//! `annals connectors test` and `run`: what a connector finds, with nothing kept of it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow};
use connector::{Emission, Outcome, Said, SnapshotItem, Start, Whom};
use event::vocabulary::ConnectorState;
use model::document::Document;
use model::kinds::Kinds;
use model::validate::Validator;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

use crate::config::{Config, own_api_versions};
use crate::connectors::Connector;

/// How long a source may take to be read once.
const ONCE_MAX: Duration = Duration::from_secs(300);

/// How long a connector that was told to stop may take.
const STOP_MAX: Duration = Duration::from_secs(5);

/// What came of reading a source once.
#[derive(Default)]
pub(super) struct Tried {
    pub(super) source: String,
    /// What would be said, a line each.
    pub(super) lines: Vec<Value>,
    /// What was found that makes no lines: repositories that may be seen.
    pub(super) found: u64,
    pub(super) refused: u64,
    /// What is wrong with the source.
    pub(super) why: Option<String>,
}

/// Tries whether a source may be read: credentials and rights where it has some, or else by reading
/// it once.
pub(super) fn test(config: &Config, connector: Connector) -> Result<Tried> {
    let runtime = tokio::runtime::Runtime::new()?;
    let (count, missing) = match &connector {
        Connector::GitHub(github) => runtime.block_on(github::check(github)),
        Connector::Ci(ci) => runtime.block_on(ci::check(ci)),
        Connector::Files(_) | Connector::Kubernetes(_) | Connector::Process(_) => {
            return once(config, connector);
        }
    };
    runtime.shutdown_timeout(STOP_MAX);
    let why = (!missing.is_empty()).then(|| missing.join("; "));
    Ok(Tried { source: connector.source(), found: count, why, ..Tried::default() })
}

/// Reads the source of a connector once.
pub(super) fn once(config: &Config, connector: Connector) -> Result<Tried> {
    let kinds = config.kinds()?;
    let runtime = tokio::runtime::Runtime::new()?;
    let tried = runtime.block_on(read(connector, &kinds));
    runtime.shutdown_timeout(STOP_MAX);
    tried
}

async fn read(connector: Connector, kinds: &Kinds) -> Result<Tried> {
    let source = connector.source();
    if matches!(&connector, Connector::Ci(config) if !config.asks()) {
        // It is delivered to; there is nothing that could be asked.
        return Ok(Tried { source, ..Tried::default() });
    }
    let (stop, stopping) = watch::channel(false);
    let (_targets, nothing) = watch::channel(Arc::default());
    let start = Start { cursor: None, scopes: Vec::new(), targets: nothing };
    let (emitter, emissions) = connector::channel();
    let api_versions = own_api_versions(kinds);
    let run = tokio::spawn(async move {
        match connector {
            Connector::Files(config) => files::run(config, api_versions, start, emitter, stopping)
                .await
                .map_err(|error| anyhow!("{error}")),
            Connector::Process(config) => {
                process::run(config, start, emitter, stopping).await;
                Ok(())
            }
            Connector::GitHub(config) => {
                let (_, requests) = github::receiver(&config, emitter.clone())?;
                github::run(*config, start, emitter, requests, stopping).await;
                Ok(())
            }
            Connector::Ci(config) => {
                ci::run(&config, start, emitter, ci::Projects::default(), stopping).await;
                Ok(())
            }
            Connector::Kubernetes(config) => {
                // Which entities there are is not known here; activities are found without.
                let (_carriers, nobody) = watch::channel(Arc::default());
                kubernetes::run(config, nobody, start, emitter, stopping).await;
                Ok(())
            }
        }
    });
    let mut trying =
        Trying { validator: Validator::new(kinds)?, tried: Tried { source, ..Tried::default() } };
    if tokio::time::timeout(ONCE_MAX, trying.take(emissions)).await.is_err() {
        let seconds = ONCE_MAX.as_secs();
        trying.tried.why = Some(format!("it was not read whole within {seconds} s"));
    }
    stop.send_replace(true);
    match tokio::time::timeout(STOP_MAX, run).await {
        Ok(Ok(Err(error))) => trying.tried.why = Some(error.to_string()),
        Ok(_) => {}
        Err(_) => tracing::warn!("the connector did not stop in time"),
    }
    Ok(trying.tried)
}

struct Trying {
    validator: Validator,
    tried: Tried,
}

impl Trying {
    /// Takes what is emitted until the source was read once, or can't be.
    async fn take(&mut self, mut emissions: mpsc::Receiver<Emission>) {
        while let Some(emission) = emissions.recv().await {
            match emission {
                Emission::Snapshot(mut request) => {
                    while let Some(item) = request.items.recv().await {
                        if matches!(item, SnapshotItem::End) {
                            break;
                        }
                        self.item(request.scope.as_str(), item);
                    }
                    let _ = request.done.send(Ok(Outcome::default()));
                }
                Emission::Said { said, done } => {
                    said.into_iter().for_each(|said| self.said(said));
                    let _ = done.send(Ok(Outcome::default()));
                }
                Emission::Retired { scopes, done, .. } => {
                    let scopes = scopes.iter().map(|scope| json!(scope));
                    self.tried.lines.extend(scopes.map(|scope| json!({"retired": scope})));
                    let _ = done.send(Ok(Outcome::default()));
                }
                Emission::Cursor(cursor) => self.tried.lines.push(json!({"cursor": cursor})),
                Emission::Budget(_) => {}
                Emission::Looked => return,
                Emission::Status(status) => {
                    if status.state == ConnectorState::Failing && status.scope.is_none() {
                        self.tried.why = status.why.or(Some("it fails".into()));
                        return;
                    }
                }
            }
        }
    }

    fn item(&mut self, scope: &str, item: SnapshotItem) {
        match item {
            SnapshotItem::Found(found) => self.document(scope, &found),
            SnapshotItem::Broken(broken) => {
                self.tried.refused += 1;
                let (item, why) = (broken.item, broken.fault.message);
                self.tried.lines.push(json!({"scope": scope, "refused": item, "why": why}));
            }
            SnapshotItem::End => {}
        }
    }

    fn document(&mut self, scope: &str, found: &connector::Found) {
        let reference = Document::new(&found.document).reference().map(|of| of.to_string());
        let mut line = json!({"scope": scope, "entity": reference.ok(), "pointer": found.pointer});
        if let Err(refusal) = self.validator.validate(&found.document) {
            self.tried.refused += 1;
            line["why"] = refusal.to_string().into();
        }
        self.tried.lines.push(line);
    }

    fn said(&mut self, said: Said) {
        let line = match said {
            Said::Seen(scope, found) => return self.document(scope.as_str(), &found),
            Said::Gone(scope, entity) => json!({"scope": scope, "gone": entity.as_str()}),
            Said::Observed(observation) => {
                json!({"aspect": observation.aspect, "entity": observation.entity.as_str()})
            }
            Said::Happened(activity) => {
                let whom = match activity.whom {
                    Whom::Entity(entity) => entity.to_string(),
                    Whom::Annotated(about) => format!("{}={}", about.annotation, about.value),
                };
                json!({"activity": activity.activity, "key": activity.key, "whom": whom})
            }
        };
        self.tried.lines.push(line);
    }
}
