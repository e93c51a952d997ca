//! What commands say: to people on standard error, results on standard output.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;
use tracing_subscriber::EnvFilter;

/// Sends log lines to standard error. `ANNALS_LOG` says which (`info` unless told otherwise).
pub(crate) fn start_log() {
    let filter = EnvFilter::try_from_env("ANNALS_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .compact()
        .init();
}

/// Says what went wrong, in one sentence.
pub(crate) fn fault(error: &anyhow::Error) {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        // A cause that only repeats what was said is left out.
        if !text.contains(&cause) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&cause);
        }
    }
    say(&format!("annals: {text}"));
}

/// A line on standard error.
pub(crate) fn say(line: &str) {
    // Nobody may be listening; that is theirs to know.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// A line on standard output; `false` when nobody reads it any more.
pub(crate) fn print(line: &str) -> bool {
    writeln!(std::io::stdout(), "{line}").is_ok()
}

/// What is wrong somewhere; a message that begins with the file's name has said where.
pub(crate) fn placed(place: &str, message: &str) -> String {
    let file = place.rsplit_once('#').map_or(place, |(file, _)| file);
    let says_where = !file.is_empty() && message.starts_with(file);
    if says_where { message.to_owned() } else { format!("{place}: {message}") }
}

/// The last line of a command that was asked for JSON, or lines for people.
pub(crate) fn result(json: bool, value: &Value, people: impl FnOnce() -> String) {
    let text = if json { value.to_string() } else { people() };
    if !text.is_empty() {
        print(&text);
    }
}

/// A bar that shows how far something is, where somebody can see it.
pub(crate) fn bar(total: Option<u64>, what: &str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let (bar, shape) = match total {
        Some(total) => (
            ProgressBar::new(total),
            "{msg} [{bar:32}] {human_pos} of {human_len}, {per_sec}, {eta} left",
        ),
        None => (ProgressBar::new_spinner(), "{msg} {spinner} {human_pos}, {per_sec}"),
    };
    if let Ok(style) = ProgressStyle::with_template(shape) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar.with_message(what.to_owned())
}
