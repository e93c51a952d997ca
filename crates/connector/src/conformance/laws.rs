//! The laws.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::catalog::{Known, Pace, Taking};
use super::listening::{Listening, listen};
use super::{Bench, Fault, Thing};

/// How long it is waited for what has to come.
const PATIENCE: Duration = Duration::from_mins(2);

/// How long a connector may take to stop.
const STOPS_WITHIN: Duration = Duration::from_secs(5);

/// How long a connector runs against a source that does not answer before it is told to stop.
const HANGS: Duration = Duration::from_secs(1);

/// What a connector may hold of a large source at the same time: pages of it, what waits to be
/// taken, and a few words for each thing. All of it is so many times as much at the least.
const ALL_TO_HELD: u64 = 2;

/// How large a source that is large has to be at the least, in bytes: several times its pages.
const LARGE_MIN: u64 = 30_000_000;

type Check = fn(&mut Law);

/// The laws by their names, each with its check.
pub const LAWS: &[(&str, Check)] = &[
    ("what there is shows, changes, and is withdrawn when it is gone", shows),
    ("what was read before changes nothing", again),
    ("wherever it is killed, it goes on, and ends with what there is", killed),
    ("whatever the source does not tell withdraws nothing", fails),
    ("what is held in memory does not grow with the source", bounded),
    ("it stops within 5 s", stops),
];

/// Runs the suite over a connector, each law over a new source.
///
/// `live` says how many bytes the process holds in memory.
///
/// # Panics
/// When a law does not hold.
pub fn check_all(make: &dyn Fn() -> Box<dyn Bench>, live: fn() -> u64) {
    let listening = listen();
    for (name, check) in LAWS {
        #[expect(clippy::print_stderr, reason = "a failing test shows which law it was")]
        {
            eprintln!("law: {name}");
        }
        let mut law = Law::new(make(), live);
        check(&mut law);
        law.end(&listening);
    }
}

/// One law over one source.
pub struct Law {
    bench: Box<dyn Bench>,
    known: watch::Sender<Known>,
    secrets: Arc<Vec<String>>,
    live: fn() -> u64,
    pace: Pace,
    dies_after: Option<u64>,
    runtime: Runtime,
}

/// A connector that runs, and the catalog that it talks to.
struct Running {
    stop: watch::Sender<bool>,
    run: JoinHandle<()>,
    taking: JoinHandle<()>,
}

fn things(count: u32) -> Vec<Thing> {
    let thing = |number| Thing { name: format!("thing-{number}"), version: 1, bytes: 0 };
    (0..count).map(thing).collect()
}

impl Law {
    fn new(bench: Box<dyn Bench>, live: fn() -> u64) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.unwrap_or_else(|error| panic!("no runtime: {error}"));
        let (known, _) = watch::channel(Known::default());
        let secrets = Arc::new(bench.secrets());
        Self { bench, known, secrets, live, pace: Pace::default(), dies_after: None, runtime }
    }

    fn start(&self) -> Running {
        let (emitter, emissions) = crate::channel();
        let (stop, stopping) = watch::channel(false);
        let taking = Taking {
            known: self.known.clone(),
            pace: self.pace,
            dies_after: self.dies_after,
            secrets: Arc::clone(&self.secrets),
            live: self.live,
        };
        let start = self.known.borrow().start();
        let taking = self.runtime.spawn(taking.run(emissions));
        // It may be made on the runtime only.
        let _in = self.runtime.enter();
        let run = self.runtime.spawn(self.bench.run(start, emitter, stopping));
        Running { stop, run, taking }
    }

    #[track_caller]
    fn stop(&self, running: Running) {
        let Running { stop, run, taking } = running;
        stop.send_replace(true);
        let stopped = self.runtime.block_on(async { timeout(STOPS_WITHIN, run).await });
        let stopped =
            stopped.unwrap_or_else(|_| panic!("it runs on 5 s after it was told to stop"));
        stopped.unwrap_or_else(|error| panic!("it ended badly: {error}"));
        taking.abort();
        let _ = self.runtime.block_on(taking);
    }

    /// Lets go of a connector as a crash would.
    fn kill(&self, running: Running) {
        running.run.abort();
        running.taking.abort();
        let _ = self.runtime.block_on(running.run);
        let _ = self.runtime.block_on(running.taking);
    }

    #[track_caller]
    fn until(&self, what: &str, is: impl Fn(&Known) -> bool) {
        let mut known = self.known.subscribe();
        let seen = async { timeout(PATIENCE, known.wait_for(|known| is(known))).await.is_ok() };
        assert!(self.runtime.block_on(seen), "{what}: {:#?}", *self.known.borrow());
    }

    fn shown(&self) -> BTreeMap<String, u64> {
        self.known.borrow().shown()
    }

    /// By which names things are shown.
    fn names(&self, things: &[Thing]) -> Vec<String> {
        let mut names: Vec<String> = things.iter().map(|thing| self.bench.shows(thing)).collect();
        names.sort_unstable();
        names
    }

    /// Waits until these things show, of whatever else there is.
    #[track_caller]
    fn until_shown(&self, things: &[Thing]) {
        let names = self.names(things);
        self.until("they do not show", |known| {
            let shown = known.shown();
            names.iter().all(|name| shown.contains_key(name))
        });
    }

    /// Waits until the source was looked at from now on, and all was well.
    #[track_caller]
    fn until_looked(&self) {
        let before = self.known.borrow().looked;
        // What is looked at now may have begun before.
        self.until("it is not looked at", |known| known.looked >= before + 2);
    }

    /// Asserts that just these things show.
    #[track_caller]
    fn assert_shows(&self, things: &[Thing]) {
        let shown: Vec<String> = self.shown().into_keys().collect();
        assert_eq!(shown, self.names(things));
    }

    fn end(self, listening: &Listening) {
        let known = self.known.borrow();
        assert!(known.wrongs.is_empty(), "{:#?}", known.wrongs);
        let line = listening.heard(&self.secrets);
        assert!(line.is_none(), "a secret is logged: {line:?}");
    }
}

fn shows(law: &mut Law) {
    let mut held = things(3);
    law.bench.hold(&held);
    let running = law.start();
    law.until_shown(&held);
    let before = law.shown();
    held[1].version += 1;
    law.bench.hold(&held);
    let name = law.bench.shows(&held[1]);
    law.until("its change does not show", |known| {
        let now = known.shown();
        now.contains_key(&name) && now.get(&name) != before.get(&name)
    });
    held.push(Thing { name: "other".into(), version: 1, bytes: 0 });
    let gone = law.bench.shows(&held.remove(2));
    law.bench.hold(&held);
    law.until_shown(&held);
    if law.bench.withdraws() {
        law.until("it is not withdrawn", |known| !known.shown().contains_key(&gone));
        law.assert_shows(&held);
    }
    law.stop(running);
}

fn again(law: &mut Law) {
    let held = things(12);
    law.bench.hold(&held);
    let running = law.start();
    law.until_shown(&held);
    law.until_looked();
    law.stop(running);
    let changed = law.known.borrow().changed;
    let running = law.start();
    law.until_looked();
    law.stop(running);
    assert_eq!((law.known.borrow().changed, law.known.borrow().withdrawn), (changed, 0));
    law.assert_shows(&held);
}

fn killed(law: &mut Law) {
    let held = things(30);
    law.bench.hold(&held);
    for after in [0, 1, 3, 9, 20] {
        law.dies_after = Some(after);
        let (deaths, count) = (law.known.borrow().deaths, held.len());
        let running = law.start();
        law.until("nothing is emitted", |known| {
            known.deaths > deaths || known.shown().len() == count
        });
        law.kill(running);
    }
    law.dies_after = None;
    let running = law.start();
    law.until_shown(&held);
    law.until_looked();
    law.stop(running);
    assert_eq!(law.known.borrow().withdrawn, 0);
    law.assert_shows(&held);
}

fn fails(law: &mut Law) {
    let mut held = things(6);
    law.bench.hold(&held);
    let mut running = law.start();
    law.until_shown(&held);
    law.until_looked();
    let mut known = 0;
    for fault in Fault::TOLD {
        let told = law.known.borrow().troubles.len();
        if !law.bench.fail(fault) {
            continue;
        }
        known += 1;
        let what = format!("it does not tell that the source: {fault:?}");
        law.until(&what, |known| known.troubles.len() > told);
        let told = law.known.borrow().troubles.len();
        law.stop(running);
        running = law.start();
        law.until(&what, |known| known.troubles.len() > told);
        let why = law.known.borrow().troubles.last().cloned().unwrap_or_default();
        assert!(!why.is_empty(), "it does not say why the source: {fault:?}");
        let before = law.shown();
        assert!(law.known.borrow().withdrawn == 0, "something is withdrawn: {fault:?}");
        law.bench.mend();
        held[0].version += 1;
        law.bench.hold(&held);
        let name = law.bench.shows(&held[0]);
        law.until("it does not go on", |known| {
            known.shown().get(&name).is_some_and(|sum| before.get(&name) != Some(sum))
        });
    }
    assert!(known > 0, "a source that can't fail shows nothing");
    law.until_looked();
    law.stop(running);
    assert_eq!(law.known.borrow().withdrawn, 0);
}

fn bounded(law: &mut Law) {
    let (count, bytes) = law.bench.large();
    let all = u64::from(count) * bytes as u64;
    assert!(all >= LARGE_MIN, "{all} bytes are not large");
    let mut held = things(count);
    held.iter_mut().for_each(|thing| thing.bytes = bytes);
    law.bench.hold(&held);
    let before = (law.live)();
    law.pace = Pace::Slow(Duration::from_millis(1));
    let running = law.start();
    law.until_shown(&held);
    law.stop(running);
    let most = law.known.borrow().most.saturating_sub(before);
    assert!(most < all / ALL_TO_HELD, "{most} bytes of {all} were held at the same time");
}

fn stops(law: &mut Law) {
    let held = things(500);
    law.bench.hold(&held);
    law.pace = Pace::Never;
    let running = law.start();
    law.until("nothing is emitted", |known| known.waiting);
    law.stop(running);
    law.pace = Pace::AsItComes;
    if law.bench.fail(Fault::Hangs) {
        let running = law.start();
        let ended = async { timeout(HANGS, std::future::pending::<()>()).await };
        let _ = law.runtime.block_on(ended);
        law.stop(running);
    }
}
