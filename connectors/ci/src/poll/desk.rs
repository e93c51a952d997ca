//! What is known between two looks, and what a look comes to: how far was read, what was behind,
//! what was wrong.

use std::collections::BTreeMap;

use asking::{Failure, now_s};
use connector::{Activity, EmitError, Emitter, Said};
use event::Timestamp;

use super::config::BACK_S_MAX;

/// How many troubles people are told of by name.
const TROUBLES_MAX: usize = 3;

/// After so many places in a row that could not be asked, the rest is not asked either.
const IN_A_ROW_MAX: u32 = 5;

/// How far behind the cursor may stay for what has not ended yet, in seconds. What runs longer is
/// followed all the same, but not after a restart.
const OPEN_S_MAX: i64 = 3 * 86_400;

/// How long a cursor that has moved may be kept back where nothing new was told: the log is not
/// filled with cursors.
const CURSOR_EVERY_S: i64 = 3600;

/// Why a look ended before its end.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The catalog did not take what was told.
    Emit(EmitError),
    /// There is no use in going on now.
    GivenUp,
}

impl From<EmitError> for Stop {
    fn from(error: EmitError) -> Self {
        Self::Emit(error)
    }
}

/// What stands between looks, and the look that is under way.
pub(crate) struct Desk {
    emitter: Emitter,
    /// What happened before is told, everywhere but where it is behind.
    since: Timestamp,
    /// Places that could not be read, with how far they were before.
    behind: BTreeMap<String, Timestamp>,
    /// The cursor that was said last.
    said: Option<Timestamp>,
    look: Look,
}

#[derive(Default)]
struct Look {
    /// When it began, by the clock of whoever is asked.
    began: Option<Timestamp>,
    behind: BTreeMap<String, Timestamp>,
    troubles: Vec<String>,
    more_troubles: usize,
    in_a_row: u32,
    /// What was new.
    changed: u64,
}

impl Desk {
    /// Goes on from a cursor; without one from so many seconds ago.
    pub(crate) fn new(emitter: Emitter, cursor: Option<&str>, back_s: u64) -> Self {
        let now = now();
        let said = cursor.and_then(|text| Timestamp::from_rfc3339(text).ok());
        let earliest = before(now, BACK_S_MAX.cast_signed());
        let since = said.map_or_else(|| before(now, back_s.cast_signed()), |at| at.max(earliest));
        Self { emitter, since, behind: BTreeMap::new(), said, look: Look::default() }
    }

    /// A look begins.
    pub(crate) fn begin(&mut self) {
        self.look = Look::default();
    }

    /// Notes the time of an answer, by the clock of whoever gave it: what counts is the first.
    pub(crate) fn answered(&mut self, date: Option<Timestamp>) {
        self.look.began = self.look.began.or(date);
    }

    /// From when on a place is to be read: it may be behind, or what it is listed in.
    pub(crate) fn since(&self, place: &str) -> Timestamp {
        let place = place.to_lowercase();
        let ends = place.match_indices('/').map(|(at, _)| at);
        let around = ends.chain([0, place.len()]).filter_map(|end| self.behind.get(&place[..end]));
        around.min().copied().unwrap_or(self.since)
    }

    /// Tells activities, and waits until they are durable.
    pub(crate) async fn tell(&mut self, activities: Vec<Activity>) -> Result<(), Stop> {
        if activities.is_empty() {
            return Ok(());
        }
        let said = activities.into_iter().map(Said::Happened).collect();
        let outcome = self.emitter.say(said).await?;
        self.look.changed += outcome.changed;
        if let Some(refused) = outcome.refusals.first() {
            self.trouble(format!("{}: {}", refused.what, refused.message));
        }
        Ok(())
    }

    /// A place was read.
    pub(crate) fn read(&mut self) {
        self.look.in_a_row = 0;
    }

    /// A place could not be read: it is read from where it was, another time.
    pub(crate) fn failed(&mut self, place: &str, failure: &Failure) -> Result<(), Stop> {
        self.fails(place, place, failure)
    }

    /// It is not known what there is in a place, the name of which is its beginning: all of it is
    /// read from where it was, once that is known. `shown` is what people call it.
    pub(crate) fn lost(&mut self, place: &str, shown: &str, failure: &Failure) -> Result<(), Stop> {
        // What was behind in it still is.
        let inside =
            if place.is_empty() { String::new() } else { format!("{}/", place.to_lowercase()) };
        let inside = self.behind.iter().filter(|(of, _)| of.starts_with(&inside));
        self.look.behind.extend(inside.map(|(of, at)| (of.clone(), *at)));
        self.fails(place, shown, failure)
    }

    fn fails(&mut self, place: &str, shown: &str, failure: &Failure) -> Result<(), Stop> {
        self.look.behind.insert(place.to_lowercase(), self.since(place));
        self.trouble(format!("{shown}: {failure}"));
        if matches!(failure, Failure::Broken { .. }) {
            self.look.in_a_row += 1;
        }
        if self.look.in_a_row >= IN_A_ROW_MAX { Err(Stop::GivenUp) } else { Ok(()) }
    }

    pub(crate) fn trouble(&mut self, why: String) {
        if self.look.troubles.len() < TROUBLES_MAX {
            self.look.troubles.push(why);
        } else {
            self.look.more_troubles += 1;
        }
    }

    /// A look ends: takes in how far was read. `overlap_s` is how far back what was read is read
    /// again.
    pub(crate) fn end(&mut self, is_given_up: bool, overlap_s: i64) {
        let look = &mut self.look;
        let behind = std::mem::take(&mut look.behind);
        if is_given_up {
            self.behind.extend(behind);
            return;
        }
        self.behind = behind;
        let began = look.began.unwrap_or_else(now);
        self.since = self.since.max(before(began, overlap_s));
    }

    /// What was wrong with the look, for people.
    pub(crate) fn why(&self) -> Option<String> {
        let Look { troubles, more_troubles, .. } = &self.look;
        if troubles.is_empty() {
            return None;
        }
        let mut words = troubles.join("; ");
        if *more_troubles > 0 {
            words.push_str(&format!("; and {more_troubles} more"));
        }
        Some(words)
    }

    /// Says how far was read, if that is worth a record: everything is told that happened before,
    /// or has not ended since `open`.
    pub(crate) async fn mark(&mut self, open: Option<Timestamp>) -> Result<(), EmitError> {
        let now = now();
        let open = open.map(|at| at.max(before(now, OPEN_S_MAX)));
        let behind = self.behind.values().copied().chain(open).min();
        let behind = behind.map(|at| at.max(before(now, BACK_S_MAX.cast_signed())));
        let at = behind.map_or(self.since, |at| at.min(self.since));
        let is_worth = match self.said {
            None => true,
            Some(said) if at <= said => false,
            Some(said) => self.look.changed > 0 || at >= after(said, CURSOR_EVERY_S),
        };
        if is_worth {
            self.emitter.cursor(at.to_string()).await?;
            self.said = Some(at);
        }
        Ok(())
    }
}

fn now() -> Timestamp {
    let us = i64::try_from(now_s()).ok().and_then(|s| s.checked_mul(1_000_000));
    us.and_then(Timestamp::from_micros).unwrap_or_default()
}

/// So many seconds before a time.
pub(crate) fn before(time: Timestamp, seconds: i64) -> Timestamp {
    after(time, -seconds)
}

fn after(time: Timestamp, seconds: i64) -> Timestamp {
    let us = time.as_micros().saturating_add(seconds.saturating_mul(1_000_000));
    Timestamp::from_micros(us).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use connector::{Emission, Outcome, Whom, channel};
    use event::vocabulary::About;

    use super::*;

    const HOUR: i64 = 3600;

    fn broken() -> Failure {
        Failure::Broken { why: "it broke".into() }
    }

    fn activity() -> Activity {
        let about = About { annotation: "a".into(), value: "b".into() };
        Activity {
            activity: "x.y.z".into(),
            key: "k".into(),
            whom: Whom::Annotated(about),
            value: serde_json::Map::new(),
            pointer: None,
            time: None,
        }
    }

    /// What the next look comes to: the cursor that it says, if it says one.
    async fn look(
        desk: &mut Desk,
        emissions: &mut tokio::sync::mpsc::Receiver<Emission>,
        changed: u64,
        began: Timestamp,
        open: Option<Timestamp>,
        failing: &[&str],
    ) -> Option<Timestamp> {
        desk.begin();
        desk.answered(Some(began));
        let taking = async {
            let Some(Emission::Said { done, .. }) = emissions.recv().await else { panic!() };
            done.send(Ok(Outcome { changed, ..Outcome::default() })).unwrap();
        };
        let (told, ()) = tokio::join!(desk.tell(vec![activity()]), taking);
        told.unwrap();
        for place in failing {
            desk.failed(place, &broken()).unwrap();
        }
        desk.end(false, 60);
        desk.mark(open).await.unwrap();
        match emissions.try_recv() {
            Ok(Emission::Cursor(cursor)) => Some(Timestamp::from_rfc3339(&cursor).unwrap()),
            _ => None,
        }
    }

    #[tokio::test]
    async fn the_cursor_is_behind_what_is_not_told_yet() {
        let (emitter, mut emissions) = channel();
        let mut desk = Desk::new(emitter.clone(), None, 86_400);
        let now = now();
        let at = |ago: i64| before(now, ago);
        let first = desk.since("a");
        for (step, (changed, began, open, failing, expected)) in [
            // The first look says one.
            (0, at(4 * HOUR), None, &["a"][..], Some(first)),
            (0, at(4 * HOUR), None, &["a"], None),
            // Where nothing is new, it is said once an hour.
            (0, at(4 * HOUR), None, &[], Some(at(4 * HOUR + 60))),
            (0, at(4 * HOUR - 600), None, &[], None),
            (1, at(4 * HOUR - 900), None, &[], Some(at(4 * HOUR - 840))),
            (0, at(HOUR), None, &[], Some(at(HOUR + 60))),
            // What has not ended holds it, for some days.
            (9, at(60), Some(at(HOUR)), &[], Some(at(HOUR))),
            (9, at(30), Some(at(90 * 86_400)), &[], None),
            (9, at(0), None, &["b"], Some(at(90))),
        ]
        .into_iter()
        .enumerate()
        {
            let said = look(&mut desk, &mut emissions, changed, began, open, failing).await;
            assert_eq!(said, expected, "{step}");
        }
        assert_eq!((desk.since("a"), desk.since("b")), (at(60), at(90)));
        assert_eq!(desk.why().as_deref(), Some("b: it broke"));
        // It goes on from what it said, but not from before what is kept in mind.
        let resumed = |cursor: Timestamp| {
            Desk::new(emitter.clone(), Some(&cursor.to_string()), 60).since("a")
        };
        assert_eq!(resumed(at(HOUR)), at(HOUR));
        assert!(resumed(at(90 * 86_400)) >= at(BACK_S_MAX.cast_signed()));
        assert!(Desk::new(emitter.clone(), Some("yesterday"), 60).since("a") >= at(60));
    }

    #[tokio::test]
    async fn what_is_in_a_lost_place_is_read_from_where_it_was() {
        let (emitter, _emissions) = channel();
        let mut desk = Desk::new(emitter, None, 2 * 86_400);
        let (first, now) = (desk.since("any"), now());
        // For each look what is lost, and from when on places are read after it.
        let later = before(now, 60);
        for (lost, expected) in [
            (&["Shop"][..], [first, first, later, later]),
            (&["shop/team"], [later, first, later, later]),
            (&[""], [later, first, later, later]),
            (&[], [later; 4]),
        ] {
            desk.begin();
            desk.answered(Some(now));
            lost.iter().for_each(|place| desk.lost(place, "it", &broken()).unwrap());
            desk.end(false, 60);
            let since = ["shop/a", "shop/team/b", "shopping/c", "d"].map(|of| desk.since(of));
            assert_eq!(since, expected, "{lost:?}");
        }
    }

    #[tokio::test]
    async fn a_source_that_is_away_is_not_asked_for_all_it_has() {
        let (emitter, _emissions) = channel();
        let mut desk = Desk::new(emitter, None, 60);
        let since = desk.since("a");
        desk.begin();
        let refused = Failure::Refused { why: "no".into() };
        (0..10).for_each(|_| desk.failed("a", &refused).unwrap());
        (0..4).for_each(|_| desk.failed("b", &broken()).unwrap());
        desk.read();
        (0..4).for_each(|_| desk.failed("c", &broken()).unwrap());
        assert!(matches!(desk.failed("d", &broken()), Err(Stop::GivenUp)));
        desk.end(true, 0);
        assert_eq!(desk.since("never read"), since);
        assert_eq!(desk.why().as_deref(), Some("a: no; a: no; a: no; and 16 more"));
    }
}
