//! Weights and delays of edges: one value for all, or drawn edge by edge.

use rand::distr::Distribution;
use rand_distr::StandardNormal;
use rand_philox::Philox;

use crate::circuit::math;
use crate::rng::{StreamKey, open_unit};
use crate::time::Time;

/// The law of a quantity that each edge of a projection has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Law<T> {
    /// The same for all.
    One(T),
    /// Evenly distributed.
    Uniform {
        /// Least value.
        from: T,
        /// Largest value.
        to: T,
    },
    /// Normally distributed within two bounds: a draw outside is drawn again.
    Normal {
        /// Mean before truncation.
        mean: T,
        /// Standard deviation before truncation.
        sd: T,
        /// Least value.
        min: T,
        /// Largest value.
        max: T,
    },
}

impl<T: Copy> Law<T> {
    /// Its least and its largest value.
    pub fn bounds(&self) -> (T, T) {
        match *self {
            Law::One(value) => (value, value),
            Law::Uniform { from, to } => (from, to),
            Law::Normal { min, max, .. } => (min, max),
        }
    }

    /// The value, if all have the same.
    pub fn only(&self) -> Option<T> {
        match *self {
            Law::One(value) => Some(value),
            _ => None,
        }
    }

    /// The law of another form of the quantity.
    fn map<U>(&self, f: impl Fn(T) -> U) -> Law<U> {
        match *self {
            Law::One(value) => Law::One(f(value)),
            Law::Uniform { from, to } => Law::Uniform { from: f(from), to: f(to) },
            Law::Normal { mean, sd, min, max } => {
                Law::Normal { mean: f(mean), sd: f(sd), min: f(min), max: f(max) }
            }
        }
    }
}

impl Law<f64> {
    fn draw(&self, stream: &mut Philox) -> f64 {
        let uniform = |stream: &mut Philox| open_unit(stream.next_u32(), stream.next_u32());
        match *self {
            Law::One(value) => value,
            Law::Uniform { from, to } => from + (to - from) * uniform(stream),
            // Wide bounds: nearly every draw is within them.
            Law::Normal { mean, sd, min, max } if max - min > 2.0 * sd => loop {
                let z: f64 = StandardNormal.sample(stream);
                let value = mean + sd * z;
                if (min..=max).contains(&value) {
                    break value;
                }
            },
            // Narrow ones: rejected from an even draw, with probability exp(−z²/2) kept.
            Law::Normal { mean, sd, min, max } => loop {
                let value = min + (max - min) * uniform(stream);
                let z = if sd > 0.0 { (value - mean) / sd } else { 0.0 };
                if uniform(stream) <= math::exp(-0.5 * z * z) {
                    break value;
                }
            },
        }
    }
}

/// The weights of a projection: pulses per spike.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weights {
    /// Their law.
    pub law: Law<f64>,
    /// Whether draws are rounded to whole numbers, halves to even, because the model counts pulses.
    pub rounds: bool,
}

impl Weights {
    /// The largest weight that an edge can have.
    #[must_use]
    pub fn largest(&self) -> f64 {
        self.round(self.law.bounds().1)
    }

    /// Whether every edge has a whole number of pulses.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.rounds || matches!(self.law, Law::One(weight) if weight.fract() == 0.0)
    }

    pub(super) fn round(&self, weight: f64) -> f64 {
        if self.rounds { weight.round_ties_even() } else { weight }
    }

    /// The weights of a row of edges, one after the other.
    pub(super) fn stream(&self, key: &StreamKey, row: u64) -> impl FnMut() -> f64 + use<> {
        let (weights, mut stream) = (*self, key.stream(row));
        move || weights.round(weights.law.draw(&mut stream))
    }
}

/// The delays of a projection, from a spike to its arrival.
///
/// A drawn delay is one of 2¹⁶ evenly spaced values between the bounds of its law.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Delays(pub Law<Time>);

impl Delays {
    /// The shortest delay that an edge can have.
    #[must_use]
    pub fn shortest(&self) -> Time {
        self.0.bounds().0
    }

    /// The delays of a row of edges, one after the other, rounded to whole steps of `dt`. (Both
    /// bounds of the law are whole steps: no delay leaves them.)
    pub(super) fn stream(
        &self,
        key: &StreamKey,
        row: u64,
        dt: Time,
    ) -> impl FnMut() -> Time + use<> {
        let (law, mut stream) = (self.0, key.stream(row));
        let (min, max) = law.bounds();
        let range = (max - min).picoseconds();
        let in_ps = law.map(|delay| delay.picoseconds() as f64);
        move || {
            if let Law::One(delay) = law {
                return delay;
            }
            let above = in_ps.draw(&mut stream) - min.picoseconds() as f64;
            let level = (above / range.max(1) as f64 * 65535.0).round_ties_even();
            let level = level.clamp(0.0, 65535.0) as u128;
            let above = (u128::from(range) * level / 65535) as u64;
            let delay = min + Time::from_picoseconds(above);
            Time::from_steps(delay.steps(dt), dt)
        }
    }
}
