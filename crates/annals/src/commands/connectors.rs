//! `annals connectors`: how sources are.

use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};

use super::remote::Server;
use crate::cli::Connectors;
use crate::config::Config;
use crate::connectors::Connector;
use crate::exit::{Exit, Wrong};
use crate::report;

mod once;

pub(crate) fn run(args: &Connectors, json: bool) -> Result<Exit> {
    match args {
        Connectors::List { server } => {
            let list = Server::new(server)?.get("/api/connectors")?;
            report::result(json, &list, || lines(&list));
        }
        Connectors::Test { config, source } => return test(config, source.as_deref(), json),
        Connectors::Run { config, source, once: _, dry_run: _ } => {
            return dry_run(config, source, json);
        }
        Connectors::Approve { server, at_most, scope } => {
            let mut body = json!({"scope": scope});
            if let Some(at_most) = at_most {
                body["atMost"] = (*at_most).into();
            }
            let text = body.to_string();
            let server = Server::new(server)?;
            let path = "/api/connectors/approve";
            let answer = server.post(path, "application/json", &mut text.as_bytes())?;
            report::result(json, &answer, || {
                format!("the next withdrawal of `{scope}` passes the guard")
            });
        }
    }
    Ok(Exit::Done)
}

/// The connectors of a configuration, or one of them.
fn chosen(config: &Config, source: Option<&str>) -> Result<Vec<Connector>> {
    let mut connectors = config.connectors()?;
    if let Some(source) = source {
        let names: Vec<String> = connectors.iter().map(Connector::source).collect();
        connectors.retain(|connector| connector.source() == source);
        if connectors.is_empty() {
            let known = names.join(", ");
            return Err(Wrong(format!("there is no connector `{source}`, but {known}")).into());
        }
    }
    Ok(connectors)
}

/// Reads each source once, and says what is wrong.
fn test(config: &Path, source: Option<&str>, json: bool) -> Result<Exit> {
    let config = Config::load(config)?;
    let (mut shown, mut lines, mut exit) = (Vec::new(), Vec::new(), Exit::Done);
    for connector in chosen(&config, source)? {
        let is_delivered_to = matches!(&connector, Connector::Ci(config) if !config.asks());
        let tried = once::test(&config, connector)?;
        let found = tried.found + tried.lines.len() as u64;
        lines.push(match &tried.why {
            Some(why) => format!("{}: FAILS: {why}", tried.source),
            None if is_delivered_to => format!("{}: waits for deliveries", tried.source),
            None => format!("{}: works; {found} found, {} refused", tried.source, tried.refused),
        });
        if tried.why.is_some() {
            exit = Exit::No;
        }
        shown.push(json!({
            "source": tried.source, "works": tried.why.is_none(), "why": tried.why,
            "found": found, "refused": tried.refused,
        }));
    }
    report::result(json, &json!({"connectors": shown}), || lines.join("\n"));
    Ok(exit)
}

/// Prints what a source holds.
fn dry_run(config: &Path, source: &str, json: bool) -> Result<Exit> {
    let config = Config::load(config)?;
    let mut exit = Exit::Done;
    for connector in chosen(&config, Some(source))? {
        let tried = once::once(&config, connector)?;
        if tried.why.is_some() || tried.refused > 0 {
            exit = Exit::No;
        }
        let value = json!({
            "source": tried.source, "found": tried.lines, "refused": tried.refused,
            "why": tried.why,
        });
        report::result(json, &value, || {
            let lines = tried.lines.iter().map(Value::to_string);
            let why = tried.why.iter().map(|why| format!("FAILS: {why}"));
            lines.chain(why).collect::<Vec<_>>().join("\n")
        });
    }
    Ok(exit)
}

fn lines(list: &Value) -> String {
    let mut lines = Vec::new();
    let text = |value: &Value, key: &str| value[key].as_str().unwrap_or("-").to_owned();
    for source in list["sources"].as_array().into_iter().flatten() {
        let condition = &source["condition"];
        lines.push(format!(
            "{}  {} entities, last read {}  {} {}",
            text(source, "source"),
            source["entities"],
            text(source, "lastSuccess"),
            condition["state"].as_str().unwrap_or(""),
            condition["why"].as_str().unwrap_or(""),
        ));
        let error = &source["lastError"];
        if error.is_object() && condition["why"] != error["message"] {
            let (time, message) = (text(error, "time"), text(error, "message"));
            lines.push(format!("  last error, {time}: {message}"));
        }
    }
    for scope in list["scopes"].as_array().into_iter().flatten() {
        let condition = &scope["condition"];
        lines.push(format!(
            "  scope {}: {} {}",
            text(scope, "scope"),
            text(condition, "state"),
            text(condition, "why"),
        ));
    }
    lines.join("\n")
}
