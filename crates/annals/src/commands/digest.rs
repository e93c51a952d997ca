//! `annals digest`: position, rules and digests of stopped views.

use std::path::Path;

use anyhow::{Result, anyhow};
use serde_json::{Value, json};
use views::Applied;

use crate::cli::Digest;
use crate::exit::{Exit, Wrong};
use crate::node::{open_views, views_folder};
use crate::report;

const MEMORY_BYTES: usize = 256 << 20;

pub(crate) fn run(args: &Digest, json: bool) -> Result<Exit> {
    let folder = views_folder(&args.data);
    if !folder.is_dir() {
        return Err(Wrong(format!("there are no views in {}", args.data.display())).into());
    }
    let views = open_views(&args.data, MEMORY_BYTES)?;
    let applied = views.applied().ok_or_else(|| empty(&args.data))?;
    let mut differs = Vec::new();
    if args.deep {
        report::say("computing the digest from every row …");
        let recomputed = views.recompute_state()?;
        if recomputed != applied.state {
            differs.push(format!("the rows have the digest {recomputed}"));
        }
        report::say("comparing names, edges and claims …");
        differs.extend(views.check_rows()?);
        report::say("rebuilding the indexes …");
        differs.extend(views.check_index()?);
    }
    let mut value = digest_json(&applied);
    if args.deep {
        value["deep"] = json!({"differs": differs});
    }
    report::result(json, &value, || {
        let mut lines = digest_lines(&applied);
        for difference in &differs {
            lines.push_str(&format!("\nDIFFERS   {difference}"));
        }
        if args.deep && differs.is_empty() {
            lines.push_str("\nevery row and every index agrees with them");
        }
        lines
    });
    Ok(if differs.is_empty() { Exit::Done } else { Exit::No })
}

fn empty(data: &Path) -> anyhow::Error {
    anyhow!("nothing is folded yet in {}", data.display())
}

/// Position, rules and digests, for programs.
pub(crate) fn digest_json(applied: &Applied) -> Value {
    json!({
        "position": applied.position().to_string(),
        "fold": applied.rules,
        "digest": applied.state.to_string(),
        "history": applied.history.to_string(),
    })
}

/// The same for people.
pub(crate) fn digest_lines(applied: &Applied) -> String {
    format!(
        "position  {}\nfold      {}\ndigest    {}\nhistory   {}",
        applied.position(),
        applied.rules,
        applied.state,
        applied.history
    )
}
