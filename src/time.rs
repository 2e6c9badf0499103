//! Time as a whole number of picoseconds.
//!
//! Simulated time is never accumulated in floating point: a [`Time`] counts 10⁻¹² s in 64 bits,
//! which is exact over 213 days. Spike times, input trains, delays and windows are all of this
//! type; seconds appear only where people read them.

use std::fmt;
use std::ops::{Add, Sub};

/// A moment or a span of simulated time, in whole picoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(u64);

impl Time {
    /// The start of every simulation.
    pub const ZERO: Time = Time(0);
    /// Beyond the end of any simulation.
    pub const MAX: Time = Time(u64::MAX);
    /// The unit: one picosecond.
    pub const TICK: Time = Time(1);
    /// Ticks in a second.
    pub const PER_SECOND: u64 = 1_000_000_000_000;

    /// A time of so many picoseconds.
    #[must_use]
    pub const fn from_picoseconds(ticks: u64) -> Time {
        Time(ticks)
    }

    /// The nearest whole picosecond, or `None` when the value is negative, not a number, or beyond
    /// 213 days.
    #[must_use]
    pub fn from_seconds(seconds: f64) -> Option<Time> {
        let ticks = seconds * Self::PER_SECOND as f64;
        // Up to 2^64; a NaN is neither.
        if !(ticks > -0.5 && ticks < 18_446_744_073_709_551_616.0) {
            return None;
        }
        // Rounded by hand: `round` calls the platform's library for every spike of a source.
        let whole = ticks as u64;
        Some(Time(whole + u64::from(ticks - whole as f64 >= 0.5)))
    }

    /// Picoseconds.
    #[must_use]
    pub const fn picoseconds(self) -> u64 {
        self.0
    }

    /// Seconds, rounded to the nearest double.
    #[must_use]
    pub fn seconds(self) -> f64 {
        // One correctly rounded division: dividing is exact where multiplying by 1e-12 is not.
        self.0 as f64 / Self::PER_SECOND as f64
    }

    /// `self` in whole steps, rounded to the nearest (halves up).
    #[must_use]
    pub fn steps(self, dt: Time) -> u64 {
        // (Without a division where all times are whole steps.)
        match dt {
            Time::TICK => self.0,
            _ => self.0 / dt.0 + u64::from(self.0 % dt.0 >= dt.half().0),
        }
    }

    /// Half of it, rounded up: what is as long is rounded to it.
    #[must_use]
    pub const fn half(self) -> Time {
        Time(self.0.div_ceil(2))
    }

    /// How often `part` fits into `self`: the index of the bin of that width that holds this time.
    #[must_use]
    pub fn whole(self, part: Time) -> u64 {
        self.0 / part.0
    }

    /// `self` in whole steps, rounded up.
    #[must_use]
    pub fn steps_up(self, dt: Time) -> u64 {
        self.0.div_ceil(dt.0)
    }

    /// The time of so many steps.
    #[must_use]
    pub fn from_steps(steps: u64, dt: Time) -> Time {
        Time(steps.saturating_mul(dt.0))
    }

    /// Whether this is a whole number of steps of `dt`.
    #[must_use]
    pub fn is_multiple_of(self, dt: Time) -> bool {
        dt.0 != 0 && self.0.is_multiple_of(dt.0)
    }
}

/// Exact: a [`Duration`](std::time::Duration) counts whole nanoseconds. Beyond 213 days the result
/// is [`Time::MAX`].
impl From<std::time::Duration> for Time {
    fn from(span: std::time::Duration) -> Time {
        Time(span.as_nanos().saturating_mul(1000).try_into().unwrap_or(u64::MAX))
    }
}

impl Add for Time {
    type Output = Time;
    fn add(self, other: Time) -> Time {
        Time(self.0.saturating_add(other.0))
    }
}

impl Sub for Time {
    type Output = Time;
    fn sub(self, other: Time) -> Time {
        Time(self.0.saturating_sub(other.0))
    }
}

/// Seconds as an exact decimal number: `0.0402`, `1`, `0.000000000001`.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, fraction) = (self.0 / Self::PER_SECOND, self.0 % Self::PER_SECOND);
        if fraction == 0 {
            return write!(f, "{whole}");
        }
        let digits = format!("{fraction:012}");
        write!(f, "{whole}.{}", digits.trim_end_matches('0'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn shows_exact_seconds() {
        assert_eq!(Time::from_picoseconds(40_206_002_000).to_string(), "0.040206002");
        assert_eq!(Time::from_picoseconds(1).to_string(), "0.000000000001");
        assert_eq!(Time::from_seconds(1.0).unwrap().to_string(), "1");
    }

    #[test]
    fn refuses_what_is_no_time() {
        assert_eq!(Time::from_seconds(-1e-3), None);
        assert_eq!(Time::from_seconds(f64::NAN), None);
        assert_eq!(Time::from_seconds(1e9), None);
    }

    #[test]
    fn rounds_to_the_nearest_picosecond() {
        for ticks in
            [-0.51_f64, -0.5, -0.49, 0.0, 0.49, 0.5, 0.51, 1.5, 2.5, 1e7 + 0.5, 9e15, 1.8e19]
        {
            let seconds = ticks * 1e-12;
            let rounded = (seconds * 1e12).round();
            let expected = (rounded >= 0.0).then(|| Time::from_picoseconds(rounded as u64));
            assert_eq!(Time::from_seconds(seconds), expected, "{ticks}");
        }
    }

    #[test]
    fn rounds_to_the_nearest_step() {
        let dt = Time::from_picoseconds(10);
        let steps = |t| Time::from_picoseconds(t).steps(dt);
        assert_eq!([steps(0), steps(4), steps(5), steps(14), steps(15)], [0, 0, 1, 1, 2]);
    }

    proptest! {
        #[test]
        fn text_and_seconds_read_back_exactly(ticks in 0_u64..4_000_000_000_000_000) {
            let time = Time::from_picoseconds(ticks);
            let read: f64 = time.to_string().parse().unwrap();
            prop_assert_eq!(Time::from_seconds(read), Some(time));
            prop_assert_eq!(Time::from_seconds(time.seconds()), Some(time));
        }
    }
}
