//! `annals check`: validates catalog files, or a configuration.

use std::path::{Path, PathBuf};

use anyhow::Result;
use model::kinds::Kinds;
use model::validate::Validator;
use serde_json::{Value, json};

use crate::cli::Check;
use crate::config::Config;
use crate::exit::{Exit, Wrong};
use crate::report;

/// Keys of which a configuration has at least one, and no catalog document any.
const CONFIG_KEYS: &[&str] = &["server", "log", "connectors", "kinds", "memory_max", "reading"];

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
    let (mut documents, mut faults) = (0_u64, Vec::new());
    let mut configurations = 0_u64;
    for path in &args.paths {
        if is_config(path) {
            configurations += 1;
            if let Err(error) = check_config(path) {
                let place = path.display().to_string();
                faults.push(Fault { place, message: format!("{error:#}") });
            }
        } else {
            documents += check_files(path, &validator, &mut faults)?;
        }
    }
    let listed: Vec<Value> = faults
        .iter()
        .map(|fault| json!({"place": fault.place, "message": fault.message}))
        .collect();
    let value = json!({
        "documents": documents,
        "configurations": configurations,
        "refused": faults.len(),
        "refusals": listed,
    });
    report::result(json, &value, || lines(documents, configurations, &faults));
    Ok(if faults.is_empty() { Exit::Done } else { Exit::No })
}

fn lines(documents: u64, configurations: u64, faults: &[Fault]) -> String {
    let mut lines: Vec<String> =
        faults.iter().map(|fault| format!("REFUSED  {}: {}", fault.place, fault.message)).collect();
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
        !keys.contains_key("apiVersion") && CONFIG_KEYS.iter().any(|key| keys.contains_key(*key))
    })
}

fn check_config(path: &Path) -> Result<()> {
    let config = Config::load(path)?;
    for (at, connector) in config.connectors.iter().enumerate() {
        super::serve::read_connector(connector, at)?;
    }
    Ok(())
}

/// Validates what stands in a file, a folder or a glob; gives how many documents there were.
fn check_files(path: &Path, validator: &Validator, faults: &mut Vec<Fault>) -> Result<u64> {
    let mut documents = 0;
    files::read::each(path, &mut |item| {
        documents += 1;
        match item {
            Err(broken) => {
                faults.push(Fault { place: broken.item, message: broken.fault.message });
            }
            Ok(found) => {
                if let Err(refusal) = validator.validate(&found.document) {
                    let place = found.pointer.unwrap_or_default();
                    let view = model::document::Document::new(&found.document);
                    let name = view.reference().map(|of| format!(" ({of})"));
                    let place = format!("{place}{}", name.unwrap_or_default());
                    faults.push(Fault { place, message: refusal.to_string() });
                }
            }
        }
        true
    })
    .map_err(|error| Wrong(error.to_string()))?;
    Ok(documents)
}
