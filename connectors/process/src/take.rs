//! Handing on what the program says, line by line.

use connector::{Broken, EmitError, Emitter, Said, Snapshot, Status, Voice};
use event::vocabulary::{Fault, ScopeName};

use crate::line::Line;

/// Single changes, aspects and activities that are handed on together at the most.
const SAID_MAX: usize = 256;

/// Why lines are taken no more.
#[derive(Debug)]
pub(crate) enum Refused {
    /// The program said something that it can't say there.
    Line(String),
    /// The catalog did not take it.
    Emit(EmitError),
}

impl From<EmitError> for Refused {
    fn from(error: EmitError) -> Self {
        Self::Emit(error)
    }
}

/// Takes lines of one run.
pub(crate) struct Taking<'a> {
    source: &'a str,
    emitter: &'a Emitter,
    /// What stands in the log, so that it is not said again.
    cursor: &'a mut Option<String>,
    voice: &'a Voice,
    open: Option<(String, Snapshot)>,
    said: Vec<Said>,
}

impl<'a> Taking<'a> {
    pub(crate) fn new(
        source: &'a str,
        emitter: &'a Emitter,
        cursor: &'a mut Option<String>,
        voice: &'a Voice,
    ) -> Self {
        Self { source, emitter, cursor, voice, open: None, said: Vec::new() }
    }

    /// Whether something waits to be handed on together with what comes next.
    pub(crate) fn waits(&self) -> bool {
        !self.said.is_empty()
    }

    /// Hands on what waits.
    pub(crate) async fn flush(&mut self) -> Result<(), Refused> {
        if self.said.is_empty() {
            return Ok(());
        }
        let outcome = self.emitter.say(std::mem::take(&mut self.said)).await?;
        if outcome.refused > 0 {
            let (source, refused) = (self.source, outcome.refused);
            tracing::warn!(source, refused, "of what a program says something is refused");
        }
        Ok(())
    }

    /// Takes a line.
    pub(crate) async fn line(&mut self, line: Line) -> Result<(), Refused> {
        match line {
            Line::Entity(None, found) => {
                let Some((_, snapshot)) = &mut self.open else {
                    let why = "an entity stands in no snapshot; it needs a `scope`, or a `begin`";
                    return Err(Refused::Line(why.into()));
                };
                snapshot.seen(found).await?;
            }
            Line::Broken(item, message) => {
                let Some((_, snapshot)) = &mut self.open else {
                    return Err(Refused::Line("`broken` has its place in a snapshot".into()));
                };
                let fault = Fault { name: "InputError".into(), message };
                let pointer = Some(item.clone());
                let broken = Broken { item, about: None, required: false, fault, pointer };
                snapshot.broken(broken).await?;
            }
            Line::Begin(name) => self.begin(name).await?,
            Line::End(name) => self.end(&name).await?,
            Line::Entity(Some(scope), found) => {
                let scope = self.scope(&scope)?;
                self.add(Said::Seen(scope, found)).await?;
            }
            Line::Gone(scope, reference) => {
                let scope = self.scope(&scope)?;
                self.add(Said::Gone(scope, reference)).await?;
            }
            Line::Observed(observation) => self.add(Said::Observed(observation)).await?,
            Line::Activity(activity) => self.add(Said::Happened(activity)).await?,
            Line::Retired(names, why) => {
                self.flush().await?;
                let scopes = names.iter().map(|name| self.scope(name));
                let scopes = scopes.collect::<Result<Vec<_>, _>>()?;
                self.emitter.retired(scopes, why).await?;
            }
            Line::Cursor(cursor) => {
                if self.open.is_some() {
                    let why = "a `cursor` in a snapshot would count before what it is after";
                    return Err(Refused::Line(why.into()));
                }
                self.flush().await?;
                if self.cursor.as_ref() != Some(&cursor) {
                    self.emitter.cursor(cursor.clone()).await?;
                    *self.cursor = Some(cursor);
                }
            }
            Line::Status(state, why, scope) => {
                self.flush().await?;
                let scope = scope.map(|scope| self.scope(&scope)).transpose()?;
                self.status(Status { state, scope, why }).await?;
            }
        }
        Ok(())
    }

    /// Ends a run in which the program said all that it had to say.
    pub(crate) async fn finish(mut self) -> Result<(), Refused> {
        self.flush().await?;
        match self.open {
            None => Ok(()),
            Some((name, _)) => {
                Err(Refused::Line(format!("the snapshot `{name:.100}` was begun and not ended")))
            }
        }
    }

    async fn begin(&mut self, name: String) -> Result<(), Refused> {
        if let Some((open, _)) = &self.open {
            let why = format!("`{open:.100}` is not ended, and another snapshot begins");
            return Err(Refused::Line(why));
        }
        self.flush().await?;
        let snapshot = self.emitter.snapshot(self.scope(&name)?).await?;
        self.open = Some((name, snapshot));
        Ok(())
    }

    async fn end(&mut self, name: &str) -> Result<(), Refused> {
        match self.open.take() {
            Some((open, snapshot)) if open == name => {
                // Changes that were said within it are of other scopes, or come after it.
                snapshot.end().await?;
                self.flush().await
            }
            _ => Err(Refused::Line(format!("the snapshot `{name:.100}` ends and was not begun"))),
        }
    }

    async fn add(&mut self, said: Said) -> Result<(), Refused> {
        if self.open.is_some() {
            let why = "changes, aspects and activities are said before or after a snapshot";
            return Err(Refused::Line(why.into()));
        }
        self.said.push(said);
        if self.said.len() >= SAID_MAX { self.flush().await } else { Ok(()) }
    }

    /// Says how the source is, unless that was said last.
    async fn status(&mut self, status: Status) -> Result<(), Refused> {
        if status.scope.is_none() {
            return Ok(self.voice.say(status.state, status.why).await?);
        }
        Ok(self.emitter.status(status).await?)
    }

    fn scope(&self, name: &str) -> Result<ScopeName, Refused> {
        let name = format!("{}/{name}", self.source);
        ScopeName::new(&name).map_err(|error| Refused::Line(error.to_string()))
    }
}
