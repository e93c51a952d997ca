//! `annals connectors`: how sources are.

use anyhow::Result;
use serde_json::{Value, json};

use super::remote::Server;
use crate::cli::Connectors;
use crate::exit::Exit;
use crate::report;

pub(crate) fn run(args: &Connectors, json: bool) -> Result<Exit> {
    match args {
        Connectors::List { server } => {
            let list = Server::new(server)?.get("/api/connectors")?;
            report::result(json, &list, || lines(&list));
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
