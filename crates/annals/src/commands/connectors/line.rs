//! A record that would be appended, as a line for people.

use event::vocabulary::{ConnectorState, Event};
use event::{Content, Open};
use ingest::Known;
use model::reference::EntityRef;

use connector::shown;

/// The line; none for what a source says of itself whenever it begins.
pub(super) fn line(content: &Content, known: &dyn Known) -> Option<String> {
    let record = content.as_ref().ok()?;
    let open = record.open()?;
    let event = Event::of(record).ok()?;
    let about = || open.subject.as_deref().map(shown).unwrap_or_default();
    let line = match &event {
        Event::EpochBegun(_) => return None,
        Event::EntitySeen(seen) => {
            let reference = open.subject.as_deref().and_then(|of| EntityRef::canonical(of).ok());
            let seals = reference.map(|of| known.seals(&seen.scope, &[of]));
            let is_known = matches!(seals, Some(Ok(seals)) if seals.iter().any(Option::is_some));
            let word = if is_known { "changed" } else { "new" };
            placed(word, &about(), seen.scope.as_str(), open)
        }
        Event::EntityGone(gone) => {
            let what = gone.item.as_deref().map_or_else(about, shown);
            placed("gone", &what, gone.scope.as_str(), open)
        }
        Event::EntityRefused(refused) => {
            let what = refused.item.as_deref().map_or_else(about, shown);
            let line = placed("refused", &what, refused.scope.as_str(), open);
            format!("{line}: {}", shown(&refused.error.message))
        }
        Event::ScopeVerified(whole) => {
            format!(
                "{:<9} {}: {} seen, {} refused",
                "whole", whole.scope, whole.seen, whole.refused
            )
        }
        Event::ScopeRetired(retired) => said("retired", retired.scope.as_str(), &retired.why),
        Event::AspectObserved(aspect) => placed("aspect", &about(), &shown(&aspect.aspect), open),
        Event::AspectEnded(aspect) => placed("ended", &about(), &shown(&aspect.aspect), open),
        Event::ActivityRecorded(activity) => {
            let whom = activity.about.as_ref();
            let whom = whom.map(|of| format!("{}={}", shown(&of.annotation), shown(&of.value)));
            let what = format!("{} {}", shown(&activity.activity), shown(&activity.key));
            placed("activity", &whom.unwrap_or_else(about), &what, open)
        }
        Event::ConnectorChanged(changed) => {
            let scope = changed.scope.as_ref().map_or(record.source.as_str(), |of| of.as_str());
            said(word_of(changed.state), scope, &changed.why)
        }
        Event::CursorReached(reached) => format!("{:<9} {}", "cursor", shown(&reached.cursor)),
        other => format!("{:<9} {}", other.kind().as_str(), about()),
    };
    Some(line)
}

const fn word_of(state: ConnectorState) -> &'static str {
    match state {
        ConnectorState::Working => "working",
        ConnectorState::Stale => "stale",
        ConnectorState::Failing => "failing",
        ConnectorState::Held => "held",
    }
}

fn said(word: &str, what: &str, why: &Option<String>) -> String {
    let why = why.as_deref().map(|why| format!(": {}", shown(why)));
    format!("{word:<9} {what}{}", why.unwrap_or_default())
}

fn placed(word: &str, what: &str, within: &str, open: &Open) -> String {
    let pointer = open.pointer.as_deref().map(|of| format!("  ({})", shown(of)));
    format!("{word:<9} {what}  {within}{}", pointer.unwrap_or_default())
}
