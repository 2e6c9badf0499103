//! Spike trains: when a source fires.
//!
//! A source entity has one of the components [`RegularTrain`], [`PoissonTrain`] and [`SpikeList`].
//! Times are computed from the number of the spike or drawn one by one in whole picoseconds; no
//! floating-point sum runs along with time.

use std::sync::Arc;

use bevy_ecs::prelude::*;
use rand_philox::Philox;

use super::{SpikeSource, WindowSpikes};
use crate::circuit::math;
use crate::rng::{StreamKey, open_unit};
use crate::schedule::Window;
use crate::time::Time;

/// Fires at t = 0 and then regularly.
#[derive(Component, Debug, Clone)]
pub struct RegularTrain {
    interval: Interval,
    next: u64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Interval {
    /// A whole number of grid steps.
    Grid(Time),
    /// k/rate, rounded to the nearest picosecond.
    Rate(f64),
}

impl RegularTrain {
    /// A train of `rate` (Hz); `None` for rate 0, which is silent. With a grid, the period is cut
    /// down to ⌊1/(rate·grid) + 1e-9⌋ grid steps (at least one), as published experiments build
    /// their trains.
    #[must_use]
    pub fn new(rate: f64, grid: Option<Time>) -> Option<RegularTrain> {
        if rate <= 0.0 {
            return None;
        }
        let interval = match grid {
            None => Interval::Rate(rate),
            Some(grid) => {
                let steps = (1.0 / (rate * grid.seconds()) + 1e-9).floor().max(1.0);
                Interval::Grid(Time::from_steps(steps as u64, grid))
            }
        };
        Some(RegularTrain { interval, next: 0 })
    }

    fn time(&self, k: u64) -> Time {
        match self.interval {
            Interval::Grid(period) => Time::from_steps(k, period),
            Interval::Rate(rate) => Time::from_seconds(k as f64 / rate).unwrap_or(Time::MAX),
        }
    }
}

/// Fires with independent, exponentially distributed intervals.
#[derive(Component, Debug, Clone)]
pub struct PoissonTrain {
    rate: f64,
    stream: Philox,
    next: Time,
}

impl PoissonTrain {
    /// The train of source `index` of a group; `None` for rate 0, which is silent.
    #[must_use]
    pub fn new(rate: f64, seed: u64, group: &str, index: u32) -> Option<PoissonTrain> {
        if rate <= 0.0 {
            return None;
        }
        let stream = StreamKey::new(seed, &["poisson", group]).stream(u64::from(index));
        let mut train = PoissonTrain { rate, stream, next: Time::ZERO };
        train.draw();
        Some(train)
    }

    /// Draws the next spike.
    fn draw(&mut self) {
        let unit = open_unit(self.stream.next_u32(), self.stream.next_u32());
        let interval = -math::ln(unit) / self.rate;
        self.next = Time::from_seconds(interval).map_or(Time::MAX, |interval| self.next + interval);
    }
}

/// Fires at given times, sorted.
#[derive(Component, Debug, Clone)]
pub struct SpikeList {
    times: Arc<[Time]>,
    next: usize,
}

impl SpikeList {
    /// A list of times, sorted.
    #[must_use]
    pub fn new(times: Vec<Time>) -> SpikeList {
        SpikeList { times: times.into(), next: 0 }
    }
}

/// Emits the spikes of a window from regular trains.
pub fn stimulate_regular(
    window: Res<Window>,
    mut spikes: ResMut<WindowSpikes>,
    mut trains: Query<(&SpikeSource, &mut RegularTrain)>,
) {
    for (source, mut train) in &mut trains {
        let train = train.bypass_change_detection();
        let out = &mut spikes.sources[source.group_index];
        loop {
            let time = train.time(train.next);
            if time >= window.end() {
                break;
            }
            out.push((time, source.index));
            train.next += 1;
        }
    }
}

/// Emits the spikes of a window from Poisson trains.
pub fn stimulate_poisson(
    window: Res<Window>,
    mut spikes: ResMut<WindowSpikes>,
    mut trains: Query<(&SpikeSource, &mut PoissonTrain)>,
) {
    for (source, mut train) in &mut trains {
        let train = train.bypass_change_detection();
        let out = &mut spikes.sources[source.group_index];
        while train.next < window.end() {
            out.push((train.next, source.index));
            train.draw();
        }
    }
}

/// Emits the spikes of a window from lists.
pub fn stimulate_lists(
    window: Res<Window>,
    mut spikes: ResMut<WindowSpikes>,
    mut trains: Query<(&SpikeSource, &mut SpikeList)>,
) {
    for (source, mut list) in &mut trains {
        let list = list.bypass_change_detection();
        let out = &mut spikes.sources[source.group_index];
        while let Some(time) = list.times.get(list.next).filter(|time| **time < window.end()) {
            out.push((*time, source.index));
            list.next += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(train: &RegularTrain, n: u64) -> Vec<u64> {
        (0..n).map(|k| train.time(k).picoseconds() / 1_000_000).collect()
    }

    #[test]
    fn a_grid_cuts_the_period_down() {
        let grid = Time::from_seconds(1e-3);
        let train = |rate| RegularTrain::new(rate, grid).unwrap();
        assert_eq!(times(&train(3.0), 4), [0, 333_000, 666_000, 999_000]);
        assert_eq!(times(&train(199.0), 3), [0, 5000, 10_000]);
        // 1/(100·1 ms) is 10 exactly, also where the quotient is rounded down.
        assert_eq!(times(&train(100.0), 2), [0, 10_000]);
        assert!(RegularTrain::new(0.0, grid).is_none());
    }

    #[test]
    fn without_a_grid_times_do_not_drift() {
        let train = RegularTrain::new(3.0, None).unwrap();
        assert_eq!(train.time(3_000_000), Time::from_seconds(1e6).unwrap());
        assert_eq!(train.time(1).picoseconds(), 333_333_333_333);
    }

    /// Mean and cv of 10⁵ intervals within five standard errors of 1/rate and 1.
    #[test]
    fn poisson_intervals_are_exponential() {
        let n = 100_000;
        let mut train = PoissonTrain::new(50.0, 1, "noise", 3).unwrap();
        let mut last = Time::ZERO;
        let intervals: Vec<f64> = (0..n)
            .map(|_| {
                let interval = (train.next - last).seconds();
                last = train.next;
                train.draw();
                interval
            })
            .collect();
        let mean = intervals.iter().sum::<f64>() / f64::from(n);
        let square = intervals.iter().map(|x| x * x).sum::<f64>() / f64::from(n);
        let cv = (square - mean * mean).sqrt() / mean;
        let error = 1.0 / f64::from(n).sqrt();
        assert!((mean * 50.0 - 1.0).abs() < 5.0 * error, "mean {mean}");
        // The cv of an exponential sample has the standard error 1/√n.
        assert!((cv - 1.0).abs() < 5.0 * error, "cv {cv}");
    }
}
