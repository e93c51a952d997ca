//! The connectors that a configuration names.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::exit::Wrong;
use crate::{config, retired};

/// A connector, as it is configured.
#[derive(Clone, Debug)]
pub(crate) enum Connector {
    Files(files::Config),
    Process(process::Config),
    Ci(ci::Config),
    GitHub(Box<github::Config>),
    Kubernetes(kubernetes::Config),
    Retired(retired::Config),
}

impl Connector {
    /// The name of its source.
    pub(crate) fn source(&self) -> String {
        match self {
            Self::Files(config) => config.source(),
            Self::Process(config) => config.source(),
            Self::Ci(config) => config.source(),
            Self::Kubernetes(config) => config.source(),
            Self::GitHub(config) => config.source(),
            Self::Retired(config) => config.source(),
        }
    }

    /// The id by which it is delivered to, if it is.
    pub(crate) fn topic(&self) -> Option<&str> {
        match self {
            Self::Ci(config) if config.is_delivered_to() => Some(config.id()),
            Self::GitHub(config) if config.is_delivered_to() => Some(config.id()),
            Self::Ci(_)
            | Self::GitHub(_)
            | Self::Files(_)
            | Self::Kubernetes(_)
            | Self::Process(_)
            | Self::Retired(_) => None,
        }
    }
}

/// Reads connectors; their paths are relative to a folder.
pub(crate) fn read(values: &[Value], folder: &Path) -> Result<Vec<Connector>> {
    let (mut sources, mut topics) = (BTreeSet::new(), BTreeSet::new());
    let mut connectors = Vec::new();
    for (at, value) in values.iter().enumerate() {
        let connector = read_one(value, folder).with_context(|| format!("connectors[{at}]"))?;
        let source = connector.source();
        // Two of one name would fence each other off.
        if !sources.insert(source.clone()) {
            let why = format!("connectors[{at}]: there is a connector {source} already");
            return Err(Wrong(why).into());
        }
        if let Some(topic) = connector.topic()
            && !topics.insert(topic.to_owned())
        {
            let why = format!("connectors[{at}]: another connector is delivered to at `{topic}`");
            return Err(Wrong(why).into());
        }
        connectors.push(connector);
    }
    Ok(connectors)
}

fn read_one(value: &Value, folder: &Path) -> Result<Connector> {
    const KINDS: [&str; 7] = ["ci", "files", "gitea", "github", "kubernetes", "process", "retired"];
    match value.get("kind").and_then(Value::as_str) {
        Some("files") => {
            let config: files::Config = part(value)?;
            Ok(Connector::Files(config.in_folder(folder.to_owned())))
        }
        Some("ci") => Ok(Connector::Ci(part(value)?)),
        Some("gitea") => {
            let github::Gitea(config) = part(value)?;
            Ok(Connector::GitHub(Box::new(config)))
        }
        Some("github") => Ok(Connector::GitHub(Box::new(part(value)?))),
        Some("kubernetes") => {
            let config: kubernetes::Config = part(value)?;
            Ok(Connector::Kubernetes(config.in_folder(folder)))
        }
        Some("process") => {
            let config: process::Config = part(value)?;
            Ok(Connector::Process(config.in_folder(folder)))
        }
        Some("retired") => Ok(Connector::Retired(part(value)?)),
        Some(other) => {
            let nearest = model::nearest::nearest(other, KINDS);
            let hint = nearest.map(|near| format!(", did you mean `{near}`?")).unwrap_or_default();
            Err(Wrong(format!("unknown kind of connector `{other}`{hint}")).into())
        }
        None => Err(Wrong("`kind` is missing".into()).into()),
    }
}

/// A connector's own part.
fn part<T: DeserializeOwned>(value: &Value) -> Result<T> {
    let mut value = value.clone();
    if let Some(members) = value.as_object_mut() {
        members.shift_remove("kind");
    }
    config::read(value)
}
