//! `annals check`: validates catalog files, or a configuration.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::Result;
use files::read::{Item, Reader};
use model::document::Document;
use model::kinds::Kinds;
use model::validate::Validator;
use serde_json::{Value, json};

use crate::cli::Check;
use crate::config::{self, Config};
use crate::exit::{Exit, Wrong};
use crate::report;

/// One thing that is wrong.
struct Fault {
    place: String,
    message: String,
}

pub(crate) fn run(args: &Check, json: bool) -> Result<Exit> {
    let kinds = match &args.config {
        Some(path) => Config::load(path)?.kinds()?,
        None => Kinds::builtin(),
    };
    let validator = Validator::new(&kinds).map_err(|error| Wrong(error.to_string()))?;
    let (configurations, catalogs): (Vec<&PathBuf>, Vec<&PathBuf>) =
        args.paths.iter().partition(|path| is_config(path));
    let mut found = Checked { configurations: configurations.len(), ..Checked::default() };
    for path in configurations {
        if let Err(error) = check_config(path) {
            let place = path.display().to_string();
            found.faults.push(Fault { place, message: format!("{error:#}") });
        }
    }
    let reader = Reader::new(catalogs.into_iter().cloned().collect())
        .with_api_versions(config::own_api_versions(&kinds));
    found.passed_over = reader
        .visit(&mut |item| {
            found.documents += 1;
            found.faults.extend(fault(item, &validator));
            ControlFlow::Continue(())
        })
        .map_err(|error| Wrong(error.to_string()))?;
    let listed: Vec<Value> = found
        .faults
        .iter()
        .map(|fault| json!({"place": fault.place, "message": fault.message}))
        .collect();
    let value = json!({
        "documents": found.documents,
        "configurations": found.configurations,
        "passedOver": found.passed_over,
        "refused": found.faults.len(),
        "refusals": listed,
    });
    report::result(json, &value, || lines(&found));
    Ok(if found.faults.is_empty() { Exit::Done } else { Exit::No })
}

/// What was found.
#[derive(Default)]
struct Checked {
    documents: u64,
    configurations: usize,
    passed_over: u64,
    faults: Vec<Fault>,
}

fn lines(found: &Checked) -> String {
    let Checked { documents, configurations, passed_over, faults } = found;
    let mut lines: Vec<String> = faults
        .iter()
        .map(|fault| format!("REFUSED  {}", report::placed(&fault.place, &fault.message)))
        .collect();
    if *passed_over > 0 {
        lines.push(format!("{passed_over} files without a catalog document were passed over"));
    }
    let what = match (documents, configurations) {
        (0, 1) => "the configuration".to_owned(),
        (_, 0) => format!("{documents} documents"),
        _ => format!("{documents} documents and {configurations} configurations"),
    };
    lines.push(match faults.len() {
        0 => format!("{what}: all is well"),
        count => format!("{what}: {count} refused"),
    });
    lines.join("\n")
}

/// Whether a file is a configuration rather than catalog documents.
fn is_config(path: &PathBuf) -> bool {
    let Ok(text) = std::fs::read(path) else { return false };
    let mut documents = model::yaml::read(&text, &model::yaml::Limits::default()).into_iter();
    let (Some(Ok(first)), None) = (documents.next(), documents.next()) else { return false };
    let keys = first.value.as_object();
    keys.is_some_and(|keys| {
        let is_entity = keys.contains_key("apiVersion") || keys.contains_key("kind");
        let is_ours = |key: &String| model::nearest::nearest(key, config::KEYS).is_some();
        !is_entity && keys.keys().any(is_ours)
    })
}

fn check_config(path: &Path) -> Result<()> {
    let config = Config::load(path)?;
    config.connectors()?;
    Ok(())
}

/// What is wrong with a document, if something is.
fn fault(item: Item, validator: &Validator) -> Option<Fault> {
    let found = match item.content {
        Err(broken) => return Some(Fault { place: broken.item, message: broken.fault.message }),
        Ok(found) => found,
    };
    let refusal = validator.validate(&found.document).err()?;
    let place = found.pointer.unwrap_or_default();
    let line = item.line.map(|line| format!(", line {line}")).unwrap_or_default();
    let view = Document::new(&found.document);
    let name = view.reference().map(|of| format!(" ({of})")).unwrap_or_default();
    Some(Fault { place: format!("{place}{line}{name}"), message: refusal.to_string() })
}
