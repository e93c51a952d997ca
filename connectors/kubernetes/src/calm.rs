//! How often an aspect may be said: what people change soon, what flaps ever more seldom, and most
//! seldom what comes and goes by plan.

use std::time::Duration;

use tokio::time::Instant;

/// The least time between two values of an aspect.
pub(crate) const PAUSE_MIN: Duration = Duration::from_secs(5);

/// The longest that a change of health waits.
pub(crate) const PAUSE_MAX: Duration = Duration::from_secs(300);

/// The longest that what happens by plan waits; who was quiet for so long is told at once again.
const ROUTINE_MAX: Duration = Duration::from_secs(3600);

/// How much a change is worth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Weight {
    /// It happens by plan, again and again: a run of a CronJob.
    #[default]
    Routine,
    /// It comes by itself: how many are ready.
    Health,
    /// People change it.
    Steady,
}

/// When an aspect was said last, and how long its next value waits.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Calm {
    last: Option<Instant>,
    health: Option<Duration>,
    routine: Option<Duration>,
}

impl Calm {
    /// When a value may be said.
    pub(crate) fn due(&self, now: Instant, weight: Weight) -> Instant {
        let pause = match weight {
            Weight::Steady => None,
            Weight::Health => self.health,
            Weight::Routine => self.routine,
        };
        self.last.map_or(now, |last| (last + pause.unwrap_or(PAUSE_MIN)).max(now))
    }

    /// A value is said.
    pub(crate) fn said(&mut self, now: Instant, weight: Weight) {
        let last = self.last.replace(now);
        let (pause, max, quiet) = match weight {
            // What a roll-out changes says nothing of flapping.
            Weight::Steady => return,
            Weight::Health => (&mut self.health, PAUSE_MAX, Duration::ZERO),
            Weight::Routine => (&mut self.routine, ROUTINE_MAX, ROUTINE_MAX),
        };
        let twice = pause.unwrap_or(PAUSE_MIN) * 2;
        let is_soon = last.is_some_and(|last| now.duration_since(last) < twice.max(quiet));
        *pause = Some(if is_soon { twice.min(max) } else { PAUSE_MIN });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_flaps_is_said_ever_more_seldom() {
        let (mut calm, mut now) = (Calm::default(), Instant::now());
        let begun = now;
        let mut said = 0;
        while now.duration_since(begun) < Duration::from_secs(3600) {
            now = calm.due(now, Weight::Health);
            calm.said(now, Weight::Health);
            said += 1;
        }
        assert!((12..30).contains(&said), "{said} in an hour");
        let soon = calm.due(now, Weight::Steady).duration_since(now);
        assert_eq!(soon, PAUSE_MIN, "a roll-out does not wait");
        let quiet = now + PAUSE_MAX * 3;
        calm.said(quiet, Weight::Health);
        let again = calm.due(quiet, Weight::Health).duration_since(quiet);
        assert_eq!(again, PAUSE_MIN, "it is calm again");
    }

    /// How often it is said in a day of runs so many seconds apart, each of which changes something
    /// when it begins and half a minute later; and how late at the most.
    fn day(apart_s: u64) -> (u32, Duration) {
        let (mut calm, begun) = (Calm::default(), Instant::now());
        let (mut said, mut late) = (0, Duration::ZERO);
        let mut due: Option<(Instant, Instant)> = None;
        for second in 0..86_400 {
            let now = begun + Duration::from_secs(second);
            if [0, 30].contains(&(second % apart_s)) {
                due.get_or_insert((calm.due(now, Weight::Routine), now));
            }
            if let Some((_, changed)) = due.take_if(|(due, _)| *due <= now) {
                calm.said(now, Weight::Routine);
                late = late.max(now.duration_since(changed));
                said += 1;
            }
        }
        (said, late)
    }

    #[test]
    fn runs_by_plan_are_seldom_said() {
        let (said, late) = day(60);
        assert!(said < 40 && late <= ROUTINE_MAX, "each minute: {said}, {late:?}");
        let (said, late) = day(600);
        assert!(said < 40 && late <= ROUTINE_MAX, "each ten minutes: {said}, {late:?}");
        let (said, late) = day(6 * 3600);
        assert_eq!((said, late), (8, Duration::ZERO), "four runs, as they begin and end");
    }
}
