//! The suite itself: a connector that keeps the laws passes, and one that breaks a law is found.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use event::vocabulary::{ConnectorState, ScopeName};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::{Bench, Fault, Run, Thing, check_all};
use crate::{EmitError, Emitter, Found, Start, Voice};

const SECRET: &str = "s3cret-of-the-suite";

/// What is wrong with a connector.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flaw {
    None,
    NoPointer,
    Leaks,
    LeaksToTheLog,
    WithdrawsForFaults,
    RunsOn,
}

#[derive(Clone)]
struct Source {
    held: Arc<Mutex<Vec<Thing>>>,
    fault: Arc<Mutex<Option<Fault>>>,
    flaw: Flaw,
}

impl Source {
    async fn read(&self, emitter: &Emitter, voice: &Voice) -> Result<(), EmitError> {
        let fault = *self.fault.lock().expect("a fault");
        if fault == Some(Fault::Hangs) {
            std::future::pending::<()>().await;
        }
        if fault.is_some() && self.flaw != Flaw::WithdrawsForFaults {
            let why = match self.flaw {
                Flaw::Leaks => format!("{SECRET} is refused"),
                _ => "it can't be read".to_owned(),
            };
            if self.flaw == Flaw::LeaksToTheLog {
                tracing::warn!("{SECRET} is refused");
            }
            return voice.say(ConnectorState::Failing, Some(why)).await;
        }
        let held = self.held.lock().expect("things").clone();
        let mut snapshot =
            emitter.snapshot(ScopeName::new("suite/test/all").expect("a name")).await?;
        for thing in &held[..if fault.is_some() { held.len() / 2 } else { held.len() }] {
            let pointer = (self.flaw != Flaw::NoPointer).then(|| "memory".to_owned());
            let found = Found { pointer, ..Found::new(thing.component()) };
            snapshot.seen(found).await?;
        }
        snapshot.end().await?;
        let state = if fault.is_some() { ConnectorState::Failing } else { ConnectorState::Working };
        voice.say(state, fault.map(|_| "in part".to_owned())).await?;
        emitter.looked().await
    }
}

impl Bench for Source {
    fn run(&self, _start: Start, emitter: Emitter, mut stopping: watch::Receiver<bool>) -> Run {
        let source = self.clone();
        Box::pin(async move {
            let voice = Voice::new(emitter.clone());
            loop {
                tokio::select! {
                    _ = stopping.wait_for(|stop| *stop) => {}
                    _ = source.read(&emitter, &voice) => {}
                }
                let pause = timeout(Duration::from_millis(20), stopping.wait_for(|stop| *stop));
                if pause.await.is_ok() {
                    break;
                }
            }
            if source.flaw == Flaw::RunsOn {
                sleep(Duration::from_secs(60)).await;
            }
        })
    }

    fn hold(&mut self, things: &[Thing]) {
        *self.held.lock().expect("things") = things.to_vec();
    }

    fn fail(&mut self, fault: Fault) -> bool {
        *self.fault.lock().expect("a fault") = Some(fault);
        true
    }

    fn mend(&mut self) {
        *self.fault.lock().expect("a fault") = None;
    }

    fn secrets(&self) -> Vec<String> {
        vec![SECRET.to_owned()]
    }
}

/// The connector reads all that there is at once, which is little here.
fn check(flaw: Flaw) {
    let make = move || -> Box<dyn Bench> {
        Box::new(Source { held: Arc::default(), fault: Arc::default(), flaw })
    };
    check_all(&make, || 0);
}

#[test]
fn one_that_keeps_the_laws_passes() {
    check(Flaw::None);
}

#[test]
#[should_panic(expected = "names nothing in the source")]
fn pointers_are_looked_for() {
    check(Flaw::NoPointer);
}

#[test]
#[should_panic(expected = "a secret stands in")]
fn secrets_are_looked_for_in_what_is_said() {
    check(Flaw::Leaks);
}

#[test]
#[should_panic(expected = "a secret is logged")]
fn secrets_are_looked_for_in_the_log() {
    check(Flaw::LeaksToTheLog);
}

#[test]
#[should_panic(expected = "something is withdrawn")]
fn withdrawals_for_faults_are_found() {
    check(Flaw::WithdrawsForFaults);
}

#[test]
#[should_panic(expected = "5 s after it was told to stop")]
fn one_that_runs_on_is_found() {
    check(Flaw::RunsOn);
}
