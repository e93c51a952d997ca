//! The connector at work: the program run again and again.

use std::process::ExitStatus;
use std::time::Duration;

use connector::{EmitError, Emitter, Start, Voice};
use event::vocabulary::ConnectorState;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use crate::Config;
use crate::child::Running;
use crate::line::{self, LINE_BYTES_MAX};
use crate::lines::next;
use crate::take::{Refused, Taking};

/// How long after a run that failed the next one begins: the first time, and at the most.
const AGAIN_MIN: Duration = Duration::from_secs(1);
const AGAIN_MAX: Duration = Duration::from_secs(300);

/// Who ran for so long did not fail at once: it is begun again as if for the first time.
const STEADY: Duration = Duration::from_secs(60);

/// How long what is said by itself waits for more to be handed on with it.
const SAID_WAITS: Duration = Duration::from_millis(50);

/// How long it is read on what a program that ended left in the pipe.
const REST_MAX: Duration = Duration::from_secs(1);

/// Keeps the program running, or runs it again and again, until it is told to stop (`stopping`
/// becomes true, or its sender is dropped) or the catalog takes nothing any more.
pub async fn run(
    config: Config,
    start: Start,
    emitter: Emitter,
    mut stopping: watch::Receiver<bool>,
) {
    let mut runner = Runner {
        source: config.source(),
        config,
        voice: Voice::new(emitter.clone()),
        emitter,
        cursor: start.cursor,
        scopes: start.scopes.iter().map(|scope| scope.as_str().to_owned()).collect(),
        failures: 0,
    };
    loop {
        let Ok(pause) = runner.once(&mut stopping).await else { return };
        tokio::select! {
            biased;
            _ = stopping.wait_for(|stop| *stop) => return,
            () = sleep(pause) => {}
        }
    }
}

/// How a run ended.
enum End {
    /// The program ended by itself, having said all that it had to say.
    Well,
    /// It did not; why.
    Badly(String),
}

/// Nothing is run any more.
struct Stopped;

struct Runner {
    config: Config,
    source: String,
    emitter: Emitter,
    cursor: Option<String>,
    scopes: Vec<String>,
    voice: Voice,
    /// How many runs have failed, one after the other.
    failures: u32,
}

impl Runner {
    /// Runs the program once, and says how long it is waited before the next time.
    async fn once(&mut self, stopping: &mut watch::Receiver<bool>) -> Result<Duration, Stopped> {
        let began = Instant::now();
        let end = match Running::start(&self.config) {
            Err(error) => End::Badly(format!("the program can't be started: {error}")),
            Ok(mut running) => {
                let taken = tokio::select! {
                    biased;
                    _ = stopping.wait_for(|stop| *stop) => Err(Stopped),
                    end = self.take(&mut running) => end,
                };
                // Whoever still runs said something wrong, or is to stop.
                running.end().await;
                taken?
            }
        };
        if began.elapsed() >= STEADY {
            self.failures = 0;
        }
        let (state, why, pause) = match end {
            End::Well => {
                self.failures = 0;
                (ConnectorState::Working, None, self.config.every)
            }
            End::Badly(why) => {
                let (source, failures) = (&self.source, self.failures);
                tracing::warn!(source, failures, why, "a program failed; it is run again");
                let pause = AGAIN_MIN * 2_u32.saturating_pow(self.failures.min(16));
                self.failures += 1;
                (ConnectorState::Failing, Some(why), pause.min(AGAIN_MAX))
            }
        };
        let is_well = state == ConnectorState::Working;
        self.voice.say(state, why).await.map_err(|_| Stopped)?;
        if is_well {
            self.emitter.looked().await.map_err(|_| Stopped)?;
        }
        Ok(pause)
    }

    /// Takes what the program says until it ends, or says what it can't.
    async fn take(&mut self, running: &mut Running) -> Result<End, Stopped> {
        let prefix = format!("{}/", self.source);
        let scopes = self.scopes.iter().filter_map(|scope| scope.strip_prefix(&prefix));
        let scopes: Vec<&str> = scopes.collect();
        let cursor = self.cursor.clone();
        let mut taking = Taking::new(&self.source, &self.emitter, &mut self.cursor, &self.voice);
        let (mut text, mut number) = (Vec::new(), 0);
        running.tell(cursor.as_deref(), &scopes);
        loop {
            let read = {
                let read = next(&mut running.stdout, &mut text, LINE_BYTES_MAX);
                tokio::pin!(read);
                match timeout(SAID_WAITS, &mut read).await {
                    Ok(read) => read,
                    Err(_) => {
                        if taking.waits()
                            && let Err(refused) = taking.flush().await
                        {
                            return broken(refused, number);
                        }
                        read.await
                    }
                }
            };
            number += 1;
            match read {
                Err(error) => return Ok(End::Badly(format!("line {number}: {error}"))),
                Ok(false) => break,
                Ok(true) if text.trim_ascii().is_empty() => {}
                Ok(true) => {
                    let taken = match line::read(text.trim_ascii(), number) {
                        Ok(line) => taking.line(line).await,
                        Err(why) => Err(Refused::Line(why)),
                    };
                    if let Err(refused) = taken {
                        return broken(refused, number);
                    }
                }
            }
        }
        let status = timeout(REST_MAX, running.ended()).await;
        let end = match status {
            Ok(Ok(status)) if status.success() => match taking.finish().await {
                Ok(()) => End::Well,
                Err(refused) => return broken(refused, number),
            },
            Ok(Ok(status)) => End::Badly(ended(status)),
            Ok(Err(error)) => End::Badly(format!("how the program ended can't be told: {error}")),
            Err(_) => End::Badly("the program closed its output and runs on".into()),
        };
        Ok(end)
    }
}

fn broken(refused: Refused, number: u64) -> Result<End, Stopped> {
    match refused {
        Refused::Line(why) => Ok(End::Badly(format!("line {number}: {why}"))),
        Refused::Emit(EmitError::Stopped) => Err(Stopped),
        Refused::Emit(error) => Ok(End::Badly(format!("the catalog did not take it: {error}"))),
    }
}

/// How a program ended that did not end well. What it said of that stands in the node's log only:
/// it may be a secret.
fn ended(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    let how = match (status.code(), status.signal()) {
        (Some(code), _) => format!("with exit code {code}"),
        (None, Some(signal)) => format!("by signal {signal}"),
        (None, None) => "in no known way".to_owned(),
    };
    format!("the program ended {how}; what it wrote to standard error stands in this node's log")
}
