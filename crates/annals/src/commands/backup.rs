//! `annals backup` and `annals restore`.

use anyhow::{Context, Result};
use backup::Backups;
use serde_json::{Value, json};

use super::remote::Server;
use crate::backup::{POSITION, Parts, make};
use crate::cli::{Backup, Restore};
use crate::exit::{Exit, Wrong};
use crate::node::{Settings, log_folder, open_log, open_views, views_folder};
use crate::report;

pub(super) fn back_up(args: &Backup, json: bool) -> Result<Exit> {
    let value = match (&args.server, &args.data, &args.folder) {
        (Some(url), _, _) => {
            let mut nothing: &[u8] = b"{}";
            Server::new(url)?.post("/api/backup", "application/json", &mut nothing)?
        }
        (None, Some(data), Some(folder)) => {
            let settings = Settings::new(None, Some(data))?;
            if !views_folder(data).is_dir() {
                let what = format!("there is no log and no view of it in {}", data.display());
                return Err(Wrong(what).into());
            }
            // The log of a node on Kafka is elsewhere.
            let log = log_folder(data).is_dir().then(|| open_log(data)).transpose();
            let log = log.context("ask the server that runs on it (--server)")?;
            let views = open_views(data, settings.memory_bytes)?;
            let parts = Parts { log: log.as_ref(), views: &views, data };
            let made = make(&parts, &Backups::of(folder), args.keep)?;
            json!({"number": made.number, "position": made.about.get(POSITION)})
        }
        _ => return Err(Wrong("--server, or --data and a folder, is missing".into()).into()),
    };
    report::result(json, &value, || {
        let position = value["position"].as_str().unwrap_or("the beginning");
        format!("backup {} is made, at {position}", value["number"])
    });
    Ok(Exit::Done)
}

pub(super) fn restore(args: &Restore, json: bool) -> Result<Exit> {
    let used = std::fs::read_dir(&args.data).is_ok_and(|mut entries| entries.next().is_some());
    if used {
        return Err(Wrong(format!("the folder {} is not empty", args.data.display())).into());
    }
    let backups = Backups::of(&args.from);
    let all = backups.list()?;
    if all.is_empty() {
        return Err(Wrong(format!("there is no backup in {}", args.from.display())).into());
    }
    if args.list {
        let shown: Vec<Value> = all
            .iter()
            .map(|one| json!({"number": one.number, "position": one.about.get(POSITION)}))
            .collect();
        report::result(json, &json!({"backups": shown}), || {
            let line = |one: &Value| {
                format!("{}  {}", one["number"], one["position"].as_str().unwrap_or("-"))
            };
            shown.iter().map(line).collect::<Vec<_>>().join("\n")
        });
        return Ok(Exit::Done);
    }
    let data = &args.data;
    let chosen = match args.backup {
        Some(number) => all.iter().find(|one| one.number == number),
        None => all.last(),
    };
    let chosen = chosen.ok_or_else(|| {
        Wrong(format!("{} has no such backup (--list shows them)", args.from.display()))
    })?;
    std::fs::create_dir_all(data)
        .with_context(|| format!("the folder {} can't be made", data.display()))?;
    backups.restore(chosen, data)?;
    let position = chosen.about.get(POSITION);
    let value = json!({"number": chosen.number, "position": position});
    report::result(json, &value, || {
        let position = position.map_or("the beginning", String::as_str);
        format!("backup {} is restored, at {position} or later", chosen.number)
    });
    if chosen.has("log") && !data.join("identity.key").exists() {
        report::say("the identity key is in no backup: put it back, or nothing is signed");
    }
    Ok(Exit::Done)
}
