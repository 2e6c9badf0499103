//! A direct input that changes in time.

use std::sync::Arc;

use crate::scene::files::InputFile;
use crate::time::Time;

/// A current (of a LIF neuron: a number) against time, added to the constant input of every neuron
/// of a population.
#[derive(Debug, Clone)]
pub enum Waveform {
    /// Each value holds from its time on; 0 before the first. Sorted by time.
    Steps(Arc<[(Time, f64)]>),
    /// `from` until `start`, then evenly to `to` at `end`, which holds from then on.
    Ramp {
        /// First value.
        from: f64,
        /// Last value.
        to: f64,
        /// Where it starts to change.
        start: Time,
        /// Where it stops.
        end: Time,
    },
    /// As [`Waveform::Steps`], from a CSV file with the header `time_s,value`, in SI units.
    File(InputFile, Arc<[(Time, f64)]>),
}

impl Waveform {
    /// The first step after `step` that may have another value: a step of `dt` has the value of its
    /// start, and a change between two steps acts from the nearest on.
    #[must_use]
    pub fn next_change(&self, step: u64, dt: Time) -> u64 {
        match self {
            Waveform::Steps(steps) | Waveform::File(_, steps) => {
                let at = steps.partition_point(|(from, _)| from.steps(dt) <= step);
                steps.get(at).map_or(u64::MAX, |(from, _)| from.steps(dt))
            }
            Waveform::Ramp { start, .. } if step < start.steps(dt) => start.steps(dt),
            Waveform::Ramp { end, .. } if step >= end.steps_up(dt) => u64::MAX,
            Waveform::Ramp { .. } => step + 1,
        }
    }

    /// Its value at a time in the SI unit, its slope per second, and the next time at which it jumps
    /// or bends.
    #[must_use]
    pub fn at(&self, now: Time) -> (f64, f64, Option<Time>) {
        match self {
            Waveform::Steps(steps) | Waveform::File(_, steps) => {
                let at = steps.partition_point(|(from, _)| *from <= now);
                let value = if at == 0 { 0.0 } else { steps[at - 1].1 };
                (value, 0.0, steps.get(at).map(|(from, _)| *from))
            }
            Waveform::Ramp { from, start, .. } if now < *start => (*from, 0.0, Some(*start)),
            Waveform::Ramp { to, end, .. } if now >= *end => (*to, 0.0, None),
            Waveform::Ramp { from, to, start, end } => {
                let slope = (to - from) / (*end - *start).seconds();
                (from + slope * (now - *start).seconds(), slope, Some(*end))
            }
        }
    }

    /// Its value in a step, in the SI unit.
    #[must_use]
    pub fn in_step(&self, step: u64, dt: Time) -> f64 {
        let now = Time::from_steps(step, dt);
        match self {
            Waveform::Steps(steps) | Waveform::File(_, steps) => {
                let at = steps.partition_point(|(from, _)| from.steps(dt) <= step);
                if at == 0 { 0.0 } else { steps[at - 1].1 }
            }
            Waveform::Ramp { from, start, .. } if now <= *start => *from,
            Waveform::Ramp { to, end, .. } if now >= *end => *to,
            Waveform::Ramp { from, to, start, end } => {
                let done = (now - *start).seconds() / (*end - *start).seconds();
                from + (to - from) * done
            }
        }
    }
}
