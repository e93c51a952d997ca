//! What is known between two looks, and what a look comes to: how far was read, what was behind,
//! what was wrong.

use std::collections::BTreeMap;

use asking::{Failure, now_s};
use connector::{Activity, EmitError, Emitter, Said, shown};
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

/// Why a look ended before its end: the catalog did not take what was told.
pub(crate) type Stop = EmitError;

/// What stands between looks, and the look that is under way.
pub(crate) struct Desk {
    emitter: Emitter,
    /// What happened before is told, everywhere but where it is behind.
    since: Timestamp,
    /// Places that could not be read, with how far they were before.
    behind: BTreeMap<String, Timestamp>,
    /// The cursor that was said last.
    said: Option<Timestamp>,
    /// The first place that was left for another time, by its name.
    next: Option<String>,
    look: Look,
}

#[derive(Default)]
struct Look {
    /// When it began, by the clock of this machine.
    began: Timestamp,
    /// And by the clock of whoever is asked.
    date: Option<Timestamp>,
    behind: BTreeMap<String, Timestamp>,
    troubles: Vec<String>,
    more_troubles: usize,
    in_a_row: u32,
    /// What was new.
    changed: u64,
}

impl Look {
    fn now() -> Self {
        Self { began: now(), ..Self::default() }
    }
}

impl Desk {
    /// Goes on from a cursor; without one from so many seconds ago.
    pub(crate) fn new(emitter: Emitter, cursor: Option<&str>, back_s: u64) -> Self {
        let look = Look::now();
        // One that lies ahead was said by a clock that was wrong, and would pass over all that
        // happens until then.
        let said = cursor.and_then(|text| Timestamp::from_rfc3339(text).ok());
        let said = said.map(|at| at.min(look.began));
        let since = said.unwrap_or_else(|| before(look.began, back_s.cast_signed()));
        Self { emitter, since, behind: BTreeMap::new(), said, next: None, look }
    }

    /// A look begins.
    pub(crate) fn begin(&mut self) {
        self.look = Look::now();
    }

    /// Notes the time of an answer, by the clock of whoever gave it: what counts is the first.
    pub(crate) fn answered(&mut self, date: Option<Timestamp>) {
        self.look.date = self.look.date.or(date);
    }

    /// From when on a place is to be read: it may be behind, or what it is listed in.
    pub(crate) fn since(&self, place: &str) -> Timestamp {
        let place = place.to_lowercase();
        let ends = place.match_indices('/').map(|(at, _)| at);
        let around = ends.chain([0, place.len()]).filter_map(|end| self.behind.get(&place[..end]));
        let since = around.min().copied().unwrap_or(self.since);
        since.max(before(self.look.began, BACK_S_MAX.cast_signed()))
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
            self.trouble(&format!("{}: {}", refused.what, refused.message));
        }
        Ok(())
    }

    /// In which order places are asked: those first that were left for another time.
    pub(crate) fn order(&mut self, places: &mut [String]) {
        if let Some(at) =
            self.next().and_then(|next| places.iter().position(|place| *place == next))
        {
            places.rotate_left(at);
        }
    }

    /// The first place that was left for another time, the last time.
    pub(crate) const fn next(&mut self) -> Option<String> {
        self.next.take()
    }

    /// A place was read.
    pub(crate) fn read(&mut self) {
        self.look.in_a_row = 0;
    }

    /// A place could not be read: it is read from where it was, another time.
    pub(crate) fn failed(&mut self, place: &str, failure: &Failure) {
        self.look.behind.insert(place.to_lowercase(), self.since(place));
        self.fails(place, failure);
    }

    /// It is not known what there is in a place, the name of which is its beginning: all of it is
    /// read from where it was, once that is known. `shown` is what people call it.
    pub(crate) fn lost(&mut self, place: &str, shown: &str, failure: &Failure) {
        self.leave(place);
        self.fails(shown, failure);
    }

    fn fails(&mut self, shown: &str, failure: &Failure) {
        self.trouble(&format!("{shown}: {failure}"));
        // Whoever refuses, or answers what nobody understands, is there.
        if matches!(failure, Failure::Away { .. }) {
            self.look.in_a_row += 1;
        }
    }

    /// Whether there is no use in asking for more now.
    pub(crate) const fn is_given_up(&self) -> bool {
        self.look.in_a_row >= IN_A_ROW_MAX
    }

    /// A place is left for another time. The first that is left is asked first then: those before
    /// it may fail for ever, and would be all that is ever asked.
    pub(crate) fn skip(&mut self, place: &str) {
        self.leave(place);
        self.next.get_or_insert_with(|| place.to_owned());
    }

    /// A place, and what is in it, is not looked at this time.
    pub(crate) fn leave(&mut self, place: &str) {
        // What was behind in it still is.
        let all = place.to_lowercase();
        let inside = if all.is_empty() { String::new() } else { format!("{all}/") };
        let behind = self.behind.range(inside.clone()..);
        let behind = behind.take_while(|(of, _)| of.starts_with(&inside));
        self.look.behind.extend(behind.map(|(of, at)| (of.clone(), *at)));
        self.look.behind.insert(all, self.since(place));
    }

    /// A place stands in a list that does not show it by its name: it is as far behind as that.
    pub(crate) fn listed(&mut self, list: &str, place: &str) {
        if let Some(at) = self.behind.get(&list.to_lowercase()).copied() {
            let behind = self.behind.entry(place.to_lowercase()).or_insert(at);
            *behind = at.min(*behind);
        }
    }

    /// A place was read up to a time, and is to be read from there on.
    pub(crate) fn reached(&mut self, place: &str, at: Timestamp) {
        self.look.behind.insert(place.to_lowercase(), at);
    }

    pub(crate) fn trouble(&mut self, why: &str) {
        if self.look.troubles.len() < TROUBLES_MAX {
            self.look.troubles.push(shown(why));
        } else {
            self.look.more_troubles += 1;
        }
    }

    /// A look ends: takes in how far was read. `overlap_s` is how far back what was read is read
    /// again.
    pub(crate) fn end(&mut self, is_stopped: bool, overlap_s: i64) {
        let behind = std::mem::take(&mut self.look.behind);
        if is_stopped {
            self.behind.extend(behind);
            return;
        }
        self.behind = behind;
        // Times are the source's. Where its clock is ahead, or was, what happens by the right one is
        // not passed over for that: some is read again.
        let began = self.look.began;
        let began = self.look.date.map_or(began, |date| date.min(began));
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
            desk.failed(place, &broken());
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
            lost.iter().for_each(|place| desk.lost(place, "it", &broken()));
            desk.end(false, 60);
            let since = ["shop/a", "shop/team/b", "shopping/c", "d"].map(|of| desk.since(of));
            assert_eq!(since, expected, "{lost:?}");
        }
    }

    #[tokio::test]
    async fn a_source_that_is_away_is_not_asked_for_all_it_has() {
        let (emitter, _emissions) = channel();
        let mut desk = Desk::new(emitter, None, 2 * 86_400);
        let (since, later) = (desk.since("any"), before(now(), 60));
        let away = Failure::Away { why: "nothing".into() };
        let refused = Failure::Refused { why: "no".into() };
        desk.begin();
        desk.answered(Some(now()));
        // Whoever answers, whatever it is, is there.
        for failure in [refused, broken()] {
            (0..9).for_each(|_| desk.failed("a", &failure));
        }
        (0..4).for_each(|_| desk.failed("b", &away));
        desk.read();
        (0..4).for_each(|_| desk.failed("c", &away));
        assert!(!desk.is_given_up());
        desk.failed("d", &away);
        assert!(desk.is_given_up());
        ["e", "f"].iter().for_each(|place| desk.skip(place));
        desk.end(false, 60);
        // What was read before it was given up is read.
        let all = ["a", "b", "c", "d", "e", "f", "read"].map(|place| desk.since(place));
        assert_eq!(all, [since, since, since, since, since, since, later]);
        assert_eq!(desk.why().as_deref(), Some("a: no; a: no; a: no; and 24 more"));
        // It begins with those that were left, once.
        for expected in [["e", "f", "a", "b"], ["a", "b", "e", "f"]] {
            desk.begin();
            assert!(!desk.is_given_up());
            let mut places = ["a", "b", "e", "f"].map(str::to_owned);
            desk.order(&mut places);
            assert_eq!(places, expected);
            desk.end(false, 60);
        }
    }

    #[tokio::test]
    async fn clocks_that_are_wrong_pass_over_nothing() {
        let (emitter, _emissions) = channel();
        let now = now();
        let at = |ago: i64| before(now, ago);
        // When a look began here and by the source's clock, and from when on is read after it.
        for (here, date, expected) in [
            (at(0), Some(at(10)), at(70)),
            // The source's clock is years ahead.
            (at(0), Some(at(-90 * 86_400)), at(60)),
            // It tells no time, and the look took an hour.
            (at(HOUR), None, at(HOUR + 60)),
        ] {
            let mut desk = Desk::new(emitter.clone(), None, 2 * 86_400);
            desk.begin();
            desk.look.began = here;
            desk.answered(date);
            desk.answered(date.and(Some(now)));
            desk.end(false, 60);
            desk.begin();
            assert_eq!(desk.since("a"), expected, "{date:?}");
        }
        // A cursor that such a clock left.
        let cursor = at(-90 * 86_400).to_string();
        assert!(Desk::new(emitter, Some(&cursor), 60).since("a") <= after(now, 5));
    }

    #[tokio::test]
    async fn what_a_list_shows_is_as_far_behind_as_the_list() {
        let (emitter, _emissions) = channel();
        let mut desk = Desk::new(emitter, None, 2 * 86_400);
        let (first, later) = (desk.since("any"), before(now(), 60));
        for (is_lost, expected) in [(true, first), (false, first), (false, later)] {
            desk.begin();
            desk.answered(Some(now()));
            if is_lost {
                desk.lost("17", "17", &broken());
            } else {
                desk.listed("17", "Elsewhere/shared");
            }
            assert_eq!(desk.since("elsewhere/shared"), expected);
            desk.end(false, 60);
        }
    }
}
