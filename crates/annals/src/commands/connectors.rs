//! `annals connectors`: how sources are.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use connector::Refused;
use event::write_line;
use serde_json::{Value, json};

use self::once::{Reading, Tried};
use self::rehearsal::{Catalog, Show};
use super::remote::Server;
use super::serve::sources::configured;
use crate::cli::Connectors;
use crate::config::Config;
use crate::exit::{Exit, Wrong};
use crate::node::Settings;
use crate::report;

mod line;
mod once;
mod rehearsal;

pub(crate) fn run(args: &Connectors, json: bool) -> Result<Exit> {
    match args {
        Connectors::List { server } => {
            let list = Server::new(server)?.get("/api/connectors")?;
            report::result(json, &list, || lines(&list, server));
        }
        Connectors::Test { config, data, source } => {
            return test(config, data.as_deref(), source.as_deref(), json);
        }
        Connectors::Run { config, data, source, once: _, dry_run: _ } => {
            return dry_run(config, data.as_deref(), source, json);
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

/// What a configuration reads: one source of it, or all.
fn chosen(config: &Config, source: Option<&str>, catalog: &Catalog) -> Result<Vec<Reading>> {
    let all = config.connectors()?.into_iter().map(|of| Reading::Connector(Box::new(of)));
    let mut all: Vec<Reading> = all.collect();
    let wanted = catalog.wanted(&configured(config, &[])?.github())?;
    if source == Some(urls::SOURCE) || !wanted.urls.is_empty() {
        all.push(Reading::Locations(config.reading.clone()));
    }
    if let Some(source) = source {
        let names: Vec<String> = all.iter().map(Reading::source).collect();
        all.retain(|reading| reading.source() == source);
        if all.is_empty() {
            let known = names.join(", ");
            return Err(Wrong(format!("there is no connector `{source}`, but {known}")).into());
        }
    }
    Ok(all)
}

/// The catalog that a configuration is for, as it stands.
fn catalog(config: &Config, data: Option<&Path>) -> Result<Catalog> {
    let settings = Settings::new(Some(config), data)?;
    Catalog::open(&settings.data, settings.memory_bytes)
}

/// Tries each source, and says what is wrong.
fn test(config: &Path, data: Option<&Path>, source: Option<&str>, json: bool) -> Result<Exit> {
    let config = Config::load(config)?;
    let catalog = catalog(&config, data)?;
    let (mut shown, mut lines, mut exit) = (Vec::new(), Vec::new(), Exit::Done);
    for reading in chosen(&config, source, &catalog)? {
        let is_only_told = reading.is_only_told();
        let Tried { source, found, refused, why, .. } = once::test(&config, reading, &catalog)?;
        lines.push(match &why {
            Some(why) => format!("{source}: FAILS: {why}"),
            None if is_only_told => format!("{source}: waits for deliveries"),
            None => format!("{source}: works; {found} found, {refused} refused"),
        });
        if why.is_some() {
            exit = Exit::No;
        }
        shown.push(json!({
            "source": source, "works": why.is_none(), "why": why, "found": found,
            "refused": refused,
        }));
    }
    report::result(json, &json!({"connectors": shown}), || lines.join("\n"));
    Ok(exit)
}

/// Reads a source once, and prints what would be appended of it to the log, as it would be.
fn dry_run(config: &Path, data: Option<&Path>, source: &str, json: bool) -> Result<Exit> {
    let config = Config::load(config)?;
    let catalog = catalog(&config, data)?;
    let position = catalog.position().map(|position| position.to_string());
    let mut exit = Exit::Done;
    for reading in chosen(&config, Some(source), &catalog)? {
        let records = Arc::new(AtomicU64::new(0));
        let shown = Arc::clone(&records);
        let show: Show = Box::new(move |entry, known| {
            let Some(line) = line::line(&entry.content, known) else { return };
            shown.fetch_add(1, Ordering::Relaxed);
            report::print(&if json { write_line(entry) } else { line });
        });
        let tried = once::once(&config, reading, &catalog, show)?;
        if tried.why.is_some() || tried.refused > 0 || tried.held > 0 {
            exit = Exit::No;
        }
        let records = records.load(Ordering::Relaxed);
        let refusals = tried.refusals.iter().map(|refusal| {
            let Refused { what, pointer, message } = refusal;
            json!({"what": what, "pointer": pointer, "message": message})
        });
        let value = json!({
            "source": tried.source, "records": records, "found": tried.found,
            "changed": tried.changed, "gone": tried.gone, "held": tried.held,
            "refused": tried.refused, "refusals": refusals.collect::<Vec<_>>(),
            "why": tried.why, "position": position,
        });
        report::result(json, &value, || summary(&tried, records, position.as_deref()));
    }
    Ok(exit)
}

/// What came of a dry run, for people.
fn summary(tried: &Tried, records: u64, position: Option<&str>) -> String {
    let Tried { source, found, changed, gone, refused, .. } = tried;
    let against = match position {
        Some(position) => format!("as it is at {position}"),
        None => "which is empty".to_owned(),
    };
    let mut text = format!(
        "{source}: {records} records would be appended to the catalog {against}: {found} found, \
         {changed} of them new or changed, {gone} gone, {refused} refused"
    );
    if tried.held > 0 {
        let held = tried.held;
        text.push_str(&format!(", {held} withdrawals held until somebody approves them"));
    }
    if let Some(why) = &tried.why {
        text.push_str(&format!("\n{source}: FAILS: {why}"));
    }
    text
}

fn lines(list: &Value, server: &str) -> String {
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
        let body = &scope["approve"]["body"];
        if body.is_object() {
            let (scope, at_most) = (text(body, "scope"), &body["atMost"]);
            lines.push(format!(
                "    to let them pass: annals connectors approve --server {server} --at-most {at_most} {scope}"
            ));
        }
    }
    lines.join("\n")
}
