//! How often an aspect may be said: what people change soon, what flaps ever more seldom.

use std::time::Duration;

use tokio::time::Instant;

/// The least time between two values of an aspect.
pub(crate) const PAUSE_MIN: Duration = Duration::from_secs(5);

/// The longest that a change of health waits.
pub(crate) const PAUSE_MAX: Duration = Duration::from_secs(300);

/// When an aspect was said last, and how long its next value waits.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Calm {
    last: Option<Instant>,
    pause: Option<Duration>,
}

impl Calm {
    /// When a value may be said.
    pub(crate) fn due(&self, now: Instant, health_only: bool) -> Instant {
        let pause = if health_only { self.pause.unwrap_or(PAUSE_MIN) } else { PAUSE_MIN };
        self.last.map_or(now, |last| (last + pause).max(now))
    }

    /// A value is said.
    pub(crate) fn said(&mut self, now: Instant, health_only: bool) {
        let pause = self.pause.unwrap_or(PAUSE_MIN);
        let is_soon = self.last.is_some_and(|last| now.duration_since(last) < pause * 2);
        self.pause = Some(match (health_only, is_soon) {
            (true, true) => (pause * 2).min(PAUSE_MAX),
            (true, false) => PAUSE_MIN,
            // What a roll-out changes says nothing of flapping.
            (false, _) => self.pause.unwrap_or(PAUSE_MIN),
        });
        self.last = Some(now);
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
            now = calm.due(now, true);
            calm.said(now, true);
            said += 1;
        }
        assert!((12..30).contains(&said), "{said} in an hour");
        assert_eq!(calm.due(now, false).duration_since(now), PAUSE_MIN, "a roll-out does not wait");
        let quiet = now + PAUSE_MAX * 3;
        calm.said(quiet, true);
        assert_eq!(calm.due(quiet, true).duration_since(quiet), PAUSE_MIN, "it is calm again");
    }
}
