//! What a source lets itself be asked: the primary limit that it tells with each answer, and the
//! waits that it asks for.

use std::time::Duration;

use connector::Budget;
use event::Timestamp;
use http::HeaderMap;

/// The longest wait for anything, which is somewhat longer than the hour of the primary limit.
const WAIT_MAX: Duration = Duration::from_secs(3700);

/// How long a secondary limit is waited for where the source does not say: the first time.
const SECONDARY_WAIT: Duration = Duration::from_secs(60);

/// A fiftieth of the budget is left to others who show the same credentials.
const RESERVE: u64 = 50;

/// What was told last of one budget: points of GraphQL, or requests of REST.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Meter {
    pub(crate) told: Option<Told>,
    /// Secondary limits, one after the other.
    refusals: u32,
}

/// A primary limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) limit: u64,
    pub(crate) left: u64,
    /// When it is filled up again, in Unix time.
    pub(crate) resets_s: u64,
}

/// What an answer says of limits beside its status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) told: Option<Told>,
    pub(crate) retry_after: Option<Duration>,
}

impl Limits {
    /// Reads `X-RateLimit-…`, or `RateLimit-…` as GitLab has it, and `Retry-After`.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let number =
            |name: &str| -> Option<u64> { headers.get(name)?.to_str().ok()?.trim().parse().ok() };
        let either = |name: &str| number(&format!("x-{name}")).or_else(|| number(name));
        let told = either("ratelimit-remaining").map(|left| Told {
            limit: either("ratelimit-limit").unwrap_or(left).max(left),
            left,
            resets_s: either("ratelimit-reset").unwrap_or(0),
        });
        Self { told, retry_after: number("retry-after").map(Duration::from_secs) }
    }
}

impl Meter {
    /// Takes in what an answer says.
    pub(crate) fn note(&mut self, told: Option<Told>) {
        if told.is_some() {
            self.told = told;
        }
    }

    /// An answer came as it should.
    pub(crate) const fn went_well(&mut self) {
        self.refusals = 0;
    }

    /// How long to wait before the next request.
    pub(crate) fn wait(&self, now_s: u64) -> Option<Duration> {
        let told = self.told?;
        if told.left > told.limit / RESERVE {
            return None;
        }
        let wait = told.resets_s.checked_sub(now_s).filter(|wait| *wait > 0)?;
        // The second in which it is filled up is over then.
        Some(Duration::from_secs(wait + 1).min(WAIT_MAX))
    }

    /// How long to wait after a limit was met.
    pub(crate) fn refused(&mut self, limits: Limits, now_s: u64) -> Duration {
        self.note(limits.told);
        let refusals = self.refusals.min(4);
        self.refusals += 1;
        let spent = limits.told.is_some_and(|told| told.left == 0);
        let wait = match limits.retry_after {
            Some(wait) => wait,
            None if spent => match self.wait(now_s) {
                Some(wait) => wait,
                None => Duration::from_secs(1),
            },
            None => SECONDARY_WAIT * 2_u32.pow(refusals),
        };
        wait.clamp(Duration::from_secs(1), WAIT_MAX)
    }

    /// What is shown to people.
    pub(crate) fn shown(&self, waits_until_s: Option<u64>) -> Option<Budget> {
        let Told { limit, left, resets_s } = self.told?;
        let time = |seconds: u64| {
            let us = i64::try_from(seconds).ok()?.checked_mul(1_000_000)?;
            Timestamp::from_micros(us)
        };
        let resets = Some(resets_s).filter(|resets| *resets > 0).and_then(time);
        Some(Budget { limit, left, resets, waits_until: waits_until_s.and_then(time) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> Limits {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.insert(*name, value.parse().unwrap());
        }
        Limits::of(&map)
    }

    #[test]
    fn limits_are_waited_for() {
        let spent = [
            ("x-ratelimit-limit", "5000"),
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset", "1100"),
        ];
        for (pairs, expected_s) in [
            (&spent[..], 101),
            (&[("retry-after", "7")][..], 7),
            (&[&spent[..], &[("retry-after", "7")]].concat()[..], 7),
            (&[("retry-after", "0")][..], 1),
            (&[("retry-after", "99999999")][..], 3700),
            (&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "5")][..], 1),
            (&[("ratelimit-remaining", "0"), ("ratelimit-reset", "1100")][..], 101),
            (&[("x-ratelimit-remaining", "4000"), ("x-ratelimit-reset", "1100")][..], 60),
            (&[("retry-after", "Wed, 21 Oct 2026 07:28:00 GMT")][..], 60),
            (&[][..], 60),
        ] {
            let wait = Meter::default().refused(headers(pairs), 1000);
            assert_eq!(wait.as_secs(), expected_s, "{pairs:?}");
        }
        let mut meter = Meter::default();
        let waits = [0; 6].map(|_| meter.refused(Limits::default(), 0).as_secs());
        assert_eq!(waits, [60, 120, 240, 480, 960, 960]);
        meter.went_well();
        assert_eq!(meter.refused(Limits::default(), 0).as_secs(), 60);
    }

    #[test]
    fn the_primary_limit_is_not_used_up() {
        for (left, resets_s, expected_s) in [
            (5000, 1100, None),
            (101, 1100, None),
            (100, 1100, Some(101)),
            (0, 1100, Some(101)),
            (0, 1000, None),
            (0, 90_000_000, Some(3700)),
        ] {
            let told = Some(Told { limit: 5000, left, resets_s });
            let meter = Meter { told, refusals: 0 };
            assert_eq!(meter.wait(1000).map(|wait| wait.as_secs()), expected_s, "{left}");
        }
        let limits = headers(&[("x-ratelimit-limit", "60"), ("x-ratelimit-remaining", "59")]);
        let mut meter = Meter::default();
        meter.note(limits.told);
        meter.note(None);
        let shown = meter.shown(Some(5)).unwrap();
        assert_eq!((shown.limit, shown.left, shown.resets), (60, 59, None));
        assert_eq!(shown.waits_until.unwrap().as_micros(), 5_000_000);
    }
}
