//! `annals history` and `annals diff`: what an entity was, and why.

use std::io::Write;

use anstyle::{AnsiColor, Style};
use anyhow::Result;
use model::reference::EntityRef;
use serde_json::Value;

use super::remote::Server;
use crate::cli::{Diff, History};
use crate::exit::{Exit, Wrong};
use crate::report;

const NEW: Style = AnsiColor::Green.on_default();
const GONE: Style = AnsiColor::Red.on_default();
const OTHER: Style = AnsiColor::Yellow.on_default();
const PLACE: Style = AnsiColor::Cyan.on_default();
const FAINT: Style = Style::new().dimmed();

pub(crate) fn history(args: &History, json: bool) -> Result<Exit> {
    let path = path(&args.reference)?;
    let server = Server::new(&args.server)?;
    let body = server.get(&format!("{path}?limit={}", args.limit))?;
    if json {
        report::result(true, &body, String::new);
        return Ok(Exit::Done);
    }
    for version in body["versions"].as_array().into_iter().flatten() {
        show(version);
    }
    if body["pageInfo"]["nextCursor"].is_string() {
        report::say("there is more; `--limit` shows it");
    }
    Ok(Exit::Done)
}

pub(crate) fn diff(args: &Diff, json: bool) -> Result<Exit> {
    let path = path(&args.reference)?;
    let moments = [("from", &args.from), ("to", &args.to)].into_iter();
    let query: Vec<String> = moments
        .filter_map(|(name, moment)| Some(format!("{name}={}", encoded(moment.as_ref()?))))
        .collect();
    let body = Server::new(&args.server)?.get(&format!("{path}/diff?{}", query.join("&")))?;
    if json {
        report::result(true, &body, String::new);
        return Ok(Exit::Done);
    }
    for line in body["yaml"].as_str().unwrap_or_default().lines() {
        let style = match line.as_bytes().first() {
            Some(b'+') => NEW,
            Some(b'-') => GONE,
            Some(b'@') => PLACE,
            _ => Style::new(),
        };
        print(&format!("{style}{}{style:#}", visible(line)));
    }
    Ok(Exit::Done)
}

/// Where the history of an entity is asked for.
fn path(reference: &str) -> Result<String> {
    let reference = EntityRef::parse(reference, Some("component"), "default")
        .map_err(|error| Wrong(format!("`{reference}` is not an entity's reference: {error}")))?;
    let parts = [reference.kind(), reference.namespace(), reference.name()].map(encoded);
    Ok(format!("/api/history/entities/{}", parts.join("/")))
}

/// A text as it stands in a URL.
fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// One change, as two lines: what and when; why, and where.
fn show(version: &Value) {
    let text = |value: &Value| visible(value.as_str().unwrap_or_default());
    let change = text(&version["change"]);
    let style = match &*change {
        "created" | "restored" | "relation-added" => NEW,
        "withdrawn" | "erased" | "relation-removed" => GONE,
        _ => OTHER,
    };
    let paths = version["changedPaths"].as_array().into_iter().flatten();
    let mut what: Vec<String> = paths.map(text).filter(|path| path != "/relations").collect();
    for (sign, name) in [('+', "added"), ('-', "removed")] {
        for relation in version["relations"][name].as_array().into_iter().flatten() {
            what.push(format!(
                "{sign}{} {}",
                text(&relation["type"]),
                text(&relation["targetRef"])
            ));
        }
    }
    if let Some(aspect) = version["aspect"]["name"].as_str() {
        what.push(visible(aspect));
    }
    let (time, position) = (text(&version["recordedTime"]), text(&version["position"]));
    print(&format!("{time}  {style}{change:<17}{style:#}  {}", what.join(", ")));
    let cause = &version["cause"];
    let why: Vec<String> = ["type", "source", "scope", "authid", "pointer"]
        .iter()
        .map(|name| text(&cause[*name]))
        .filter(|word| !word.is_empty())
        .collect();
    print(&format!("    {FAINT}{position}  {}{FAINT:#}", why.join("  ")));
}

/// What came from elsewhere does not steer the terminal.
fn visible(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }).collect()
}

/// A line in colour, where somebody can see it.
fn print(line: &str) {
    // Whether anybody reads on is for them to know.
    let _ = writeln!(anstream::stdout(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_completed() {
        for (reference, expected) in [
            ("checkout", Some("component/default/checkout")),
            ("Group:Shop", Some("group/default/shop")),
            ("api:eu/Pay.v1", Some("api/eu/pay.v1")),
            ("a?b", Some("component/default/a%3Fb")),
            ("", None),
            ("x:", None),
        ] {
            let expected = expected.map(|path| format!("/api/history/entities/{path}"));
            assert_eq!(path(reference).ok(), expected, "{reference}");
        }
        assert_eq!(visible("a\u{1b}[31mb"), "a\u{fffd}[31mb");
    }
}
