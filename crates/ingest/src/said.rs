//! Taking what is said by itself: single changes, aspects and activities. Only what the log does
//! not hold so is appended.

use std::collections::{HashMap, HashSet};

use connector::{Activity, EmitError, Observation, Outcome, Refused, Said, Whom};
use event::Event;
use event::vocabulary::{ActivityRecorded, AspectEnded, AspectObserved, ScopeName, is_key};
use model::reference::EntityRef;
use serde_json::value::RawValue;

use crate::compare::unknown;
use crate::{Appender, ChangeItem, Draft, Ingest};

/// The largest value of an aspect or an activity, in bytes.
const VALUE_BYTES_MAX: usize = 1024 * 1024;

/// Drafts that are appended together at the most.
const DRAFTS_MAX: usize = 256;

impl Ingest {
    /// Takes what is said, in its order, and waits until it is folded.
    ///
    /// # Errors
    /// When it can't be compared or appended. What came before may stand in the log.
    pub fn take_said(
        &self,
        appender: &Appender,
        said: Vec<Said>,
        author: Option<&str>,
    ) -> Result<Outcome, EmitError> {
        self.check_clock()?;
        let mut outcome = Outcome::default();
        let mut said = said.into_iter().peekable();
        while let Some(first) = said.next() {
            match change(first) {
                Ok((scope, item)) => {
                    let mut items = vec![item];
                    while let Some(next) = said.next_if(|next| scope_of(next) == Some(&scope)) {
                        items.extend(change(next).ok().map(|(_, item)| item));
                    }
                    items.push(ChangeItem::End);
                    let mut items = items.into_iter();
                    let taken = self.take_changes(appender, &scope, author, &mut items)?;
                    add(&mut outcome, taken);
                }
                Err(first) => {
                    let mut saying = Saying::new(self, appender, author);
                    saying.take(*first)?;
                    while let Some(next) = said.next_if(|next| scope_of(next).is_none()) {
                        saying.take(next)?;
                    }
                    add(&mut outcome, saying.end()?);
                }
            }
        }
        // What another node's life fenced off does not count, and must not be answered as if it did.
        self.check_life(appender)?;
        Ok(outcome)
    }
}

const fn scope_of(said: &Said) -> Option<&ScopeName> {
    match said {
        Said::Seen(scope, _) | Said::Gone(scope, _) => Some(scope),
        Said::Observed(_) | Said::Happened(_) => None,
    }
}

/// What is said as a change of a scope, if it is one.
fn change(said: Said) -> Result<(ScopeName, ChangeItem), Box<Said>> {
    match said {
        Said::Seen(scope, found) => Ok((scope, ChangeItem::Found(found))),
        Said::Gone(scope, reference) => Ok((scope, ChangeItem::Gone(reference))),
        other => Err(Box::new(other)),
    }
}

fn add(outcome: &mut Outcome, more: Outcome) {
    outcome.seen += more.seen;
    outcome.changed += more.changed;
    outcome.gone += more.gone;
    outcome.refused += more.refused;
    let room = Outcome::REFUSALS_MAX.saturating_sub(outcome.refusals.len());
    outcome.refusals.extend(more.refusals.into_iter().take(room));
    outcome.last = more.last.or(outcome.last);
}

/// Aspects and activities, one after the other.
struct Saying<'a> {
    ingest: &'a Ingest,
    appender: &'a Appender,
    author: Option<&'a str>,
    /// What these said last of an aspect; empty where it ended.
    observed: HashMap<(EntityRef, String), String>,
    /// Keys of the activities that these told.
    happened: HashSet<String>,
    drafts: Vec<Draft>,
    outcome: Outcome,
}

impl<'a> Saying<'a> {
    fn new(ingest: &'a Ingest, appender: &'a Appender, author: Option<&'a str>) -> Self {
        Self {
            ingest,
            appender,
            author,
            observed: HashMap::new(),
            happened: HashSet::new(),
            drafts: Vec::new(),
            outcome: Outcome::default(),
        }
    }

    fn take(&mut self, said: Said) -> Result<(), EmitError> {
        self.outcome.seen += 1;
        match said {
            Said::Observed(observation) => self.observed(observation),
            Said::Happened(activity) => self.happened(activity),
            Said::Seen(..) | Said::Gone(..) => Ok(()),
        }
    }

    fn observed(&mut self, observation: Observation) -> Result<(), EmitError> {
        let Observation { entity, aspect, value, pointer, time } = observation;
        let text = value.map(|value| serde_json::Value::Object(value).to_string());
        let text = text.unwrap_or_default();
        if let Some(why) = unfit(&aspect, &text) {
            self.refuse(format!("aspect `{aspect:.100}` of {entity}"), pointer, why);
            return Ok(());
        }
        let key = (entity, aspect);
        let stands = match self.observed.get(&key) {
            Some(said) => said.clone(),
            None => {
                let source = self.appender.source();
                let known = self.ingest.known().aspect(source, &key.0, &key.1).map_err(unknown)?;
                known.unwrap_or_default()
            }
        };
        if stands == text {
            return Ok(());
        }
        let draft = match RawValue::from_string(text.clone()) {
            Ok(value) => {
                let aspect = key.1.clone();
                Draft::new(&Event::AspectObserved(AspectObserved { aspect, value: &value }))
            }
            // It is empty: nothing is observed any more.
            Err(_) => Draft::new(&Event::AspectEnded(AspectEnded { aspect: key.1.clone() })),
        };
        let draft = draft.about(key.0.as_str()).at(pointer.as_deref());
        self.observed.insert(key, text);
        self.push(Draft { time, ..draft })
    }

    fn happened(&mut self, activity: Activity) -> Result<(), EmitError> {
        let Activity { activity, key, whom, value, pointer, time } = activity;
        let text = serde_json::Value::Object(value).to_string();
        let (subject, about) = match whom {
            Whom::Entity(reference) => (Some(reference), None),
            Whom::Annotated(about) => (None, Some(about)),
        };
        let fits = |text: &str| is_key(text);
        let about_fits =
            about.as_ref().is_none_or(|about| fits(&about.annotation) && fits(&about.value));
        let why = unfit(&activity, &text).or_else(|| unfit(&key, "{}"));
        let why = why.or_else(|| (!about_fits).then(|| KEY_WORDS.to_owned()));
        if let Some(why) = why {
            self.refuse(format!("activity `{key:.100}`"), pointer, why);
            return Ok(());
        }
        let source = self.appender.source();
        if self.happened.contains(&key)
            || self.ingest.known().happened(source, &key).map_err(unknown)?
        {
            return Ok(());
        }
        let Ok(value) = RawValue::from_string(text) else { return Ok(()) };
        self.happened.insert(key.clone());
        let event = ActivityRecorded { activity, key, about, value: &value };
        let draft = Draft::new(&Event::ActivityRecorded(event)).at(pointer.as_deref());
        let draft = match &subject {
            Some(reference) => draft.about(reference.as_str()),
            None => draft,
        };
        self.push(Draft { time, ..draft })
    }

    fn refuse(&mut self, what: String, pointer: Option<String>, message: String) {
        self.outcome.refused += 1;
        if self.outcome.refusals.len() < Outcome::REFUSALS_MAX {
            self.outcome.refusals.push(Refused { what, pointer, message });
        }
    }

    fn push(&mut self, draft: Draft) -> Result<(), EmitError> {
        self.outcome.changed += 1;
        self.drafts.push(draft.by(self.author));
        if self.drafts.len() >= DRAFTS_MAX { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), EmitError> {
        let last = self.appender.append(std::mem::take(&mut self.drafts))?;
        self.outcome.last = last.or(self.outcome.last);
        Ok(())
    }

    fn end(mut self) -> Result<Outcome, EmitError> {
        self.flush()?;
        if let Some(last) = self.outcome.last {
            self.ingest.wait(last)?;
        }
        Ok(self.outcome)
    }
}

const KEY_WORDS: &str = "a name has 1 to 1024 bytes, and no NUL";

/// Why a name with its value can't stand in a record, if it can't.
fn unfit(name: &str, value: &str) -> Option<String> {
    if !is_key(name) {
        return Some(KEY_WORDS.to_owned());
    }
    let bytes = value.len();
    (bytes > VALUE_BYTES_MAX).then(|| {
        format!("its value has {bytes} bytes, more than the {VALUE_BYTES_MAX} that one may have")
    })
}
