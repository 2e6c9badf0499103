//! Evenly spaced spikes, with phase and jitter.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use bevy_ecs::prelude::*;
use rand_philox::Philox;

use super::{GroupSize, Rates, SpikeTrain, Train, insert_trains, rates};
use crate::circuit::{Domain, math};
use crate::network::SourceGroup;
use crate::rng::{StreamKey, open_unit};
use crate::scene::decode::{At, Variant};
use crate::scene::diagnostics::Diagnostics;
use crate::scene::files::{Folder, InputFile};
use crate::scene::{Source, write};
use crate::simulation::Simulation;
use crate::time::Time;

/// The most jitter, in periods of the fastest source: beyond it nothing is left of the regularity.
const MOST_JITTER: f64 = 10.0;

/// Spike k of a source comes at phase + k/rate; with a grid at phase + k·⌊1/(rate·grid) + 1e-9⌋·grid.
#[derive(Debug, Clone)]
pub struct Regular {
    rates: Rates,
    /// The grid to which the period is cut down, and on which all spikes are.
    grid: Option<Time>,
    phase: Phase,
    /// Standard deviation of a spike's displacement from its regular time; 0: none.
    jitter: Time,
}

/// The time of a source's first spike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The same for all.
    At(Time),
    /// Evenly spaced from the first source to the last; with a grid, the nearest grid step.
    Linear {
        /// Of source 0.
        from: Time,
        /// Of the last source.
        to: Time,
    },
    /// Uniform within the period, drawn for each source.
    Random,
}

impl Regular {
    /// Reads `Regular(rates: …, grid: …, phase: …, jitter: …)`.
    pub fn read(
        variant: &Variant,
        size: &GroupSize,
        _: &mut Folder,
        dx: &mut Diagnostics,
    ) -> Option<Source> {
        let size = size.need(dx);
        let mut fields = variant.fields(dx)?;
        let rates_at = fields.need(dx, "rates", rates::HELP);
        let [grid_at, phase_at, jitter_at] = ["grid", "phase", "jitter"].map(|key| fields.get(key));
        fields.close(dx);
        let grid = match &grid_at {
            Some(at) => at.time(dx, Domain::Positive).map(Some),
            None => Some(None),
        };
        let phase = match &phase_at {
            Some(at) => phase(at, grid.flatten(), dx),
            None => Some(Phase::At(Time::ZERO)),
        };
        let jitter = match &jitter_at {
            Some(at) => at.time(dx, Domain::NonNegative),
            None => Some(Time::ZERO),
        };
        let size = size?;
        let rates = Rates::read(&rates_at?, size, dx)?;
        if let (Some(at), Some(Some(grid))) = (&grid_at, grid) {
            warn_of_coarse_grid(&rates, grid, at, dx);
        }
        if let (Some(at), Some(jitter)) = (&jitter_at, jitter) {
            check_jitter(jitter, rates.highest(), at, dx)?;
        }
        let regular = Regular { rates, grid: grid?, phase: phase?, jitter: jitter? };
        Some(Source { size, train: Arc::new(regular) })
    }
}

/// `"2 ms"`, `Linear(from: "0 s", to: "99 ms")` or `Random`.
fn phase(at: &At, grid: Option<Time>, dx: &mut Diagnostics) -> Option<Phase> {
    if !at.is_scalar() || at.is_name("Random") {
        let variant =
            at.variant(dx, "a phase (a time, Linear or Random)", &["Linear", "Random"])?;
        if variant.name == "Random" {
            variant.unit(dx);
            return Some(Phase::Random);
        }
        let mut fields = variant.fields(dx)?;
        let mut end = |key| {
            let at = fields.need(dx, key, "for example Linear(from: \"0 s\", to: \"99 ms\")")?;
            at.time(dx, Domain::NonNegative)
        };
        let (from, to) = (end("from"), end("to"));
        fields.close(dx);
        return Some(Phase::Linear { from: from?, to: to? });
    }
    let phase = at.time(dx, Domain::NonNegative)?;
    if let Some(grid) = grid.filter(|grid| !phase.is_multiple_of(*grid)) {
        at.error(dx, format!("the phase {phase} s is no multiple of the grid {grid} s"))
            .help("with a grid, all spikes are on it");
        return None;
    }
    Some(Phase::At(phase))
}

/// The `index`-th of `n` times evenly spaced from `from` to `to`.
fn between(from: Time, to: Time, index: u32, n: usize) -> Time {
    let part = |span: Time| {
        let span = u128::from(span.picoseconds()) * u128::from(index);
        Time::from_picoseconds((span / (n as u128 - 1).max(1)) as u64)
    };
    if to >= from { from + part(to - from) } else { from - part(from - to) }
}

fn check_jitter(jitter: Time, highest: f64, at: &At, dx: &mut Diagnostics) -> Option<()> {
    if jitter.seconds() * highest > MOST_JITTER {
        let message = format!(
            "a jitter of {jitter} s is more than {MOST_JITTER} periods of a source of {highest} Hz"
        );
        at.error(dx, message).help(
            "a train with so much jitter is no longer regular: reduce it, or use \
             Poisson(rates: …)",
        );
        return None;
    }
    Some(())
}

/// A rate above 1/grid has no whole number of grid steps.
fn warn_of_coarse_grid(rates: &Rates, grid: Time, at: &At, dx: &mut Diagnostics) {
    let fastest = 1.0 / grid.seconds();
    let highest = rates.highest();
    if highest > fastest * (1.0 + 1e-9) {
        let message = format!(
            "a rate of {highest} Hz is faster than the grid: it becomes one spike each grid step, \
             {fastest} Hz"
        );
        at.warning(dx, message).help("choose a finer grid, or leave it out");
    }
}

impl Train for Regular {
    fn ron(&self, _: &dyn Fn(&InputFile) -> String) -> String {
        let grid = match self.grid {
            Some(grid) => format!(", grid: {}", write::time(grid)),
            None => String::new(),
        };
        let phase = match self.phase {
            Phase::At(time) => write::time(time),
            Phase::Linear { from, to } => {
                format!("Linear(from: {}, to: {})", write::time(from), write::time(to))
            }
            Phase::Random => "Random".to_string(),
        };
        let jitter = write::time(self.jitter);
        format!("Regular(rates: {}{grid}, phase: {phase}, jitter: {jitter})", self.rates.ron())
    }

    fn rate(&self, index: u64) -> Option<f64> {
        Some(self.rates.of(index))
    }

    fn mean_rate(&self, _: Time, _: Time) -> f64 {
        self.rates.mean()
    }

    fn insert(&self, group: &SourceGroup, simulation: &mut Simulation) {
        let seed = simulation.scene().seed;
        let phases = StreamKey::new(seed, &["phase", &group.name]);
        let train = |index: u32| {
            let mut train = RegularTrain::new(self.rates.of(u64::from(index)), self.grid)?;
            train.phase = match self.phase {
                Phase::At(time) => time,
                Phase::Linear { from, to } => {
                    let phase = between(from, to, index, group.sources.len());
                    self.grid.map_or(phase, |grid| Time::from_steps(phase.steps(grid), grid))
                }
                Phase::Random => {
                    let mut stream = phases.stream(u64::from(index));
                    train.interval.part(open_unit(stream.next_u32(), stream.next_u32()))
                }
            };
            train.next = train.time(0);
            Some(train)
        };
        if self.jitter == Time::ZERO {
            insert_trains(group, simulation, train);
            return;
        }
        let jitters = StreamKey::new(seed, &["jitter", &group.name]);
        insert_trains(group, simulation, |index| {
            let stream = jitters.stream(u64::from(index));
            Some(JitteredTrain::new(train(index)?, self.jitter, self.grid, stream))
        });
    }
}

/// Fires regularly.
#[derive(Component, Debug, Clone)]
#[component(summary_tick)]
pub struct RegularTrain {
    interval: Interval,
    phase: Time,
    /// The number of the next spike, and its time.
    k: u64,
    next: Time,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Interval {
    /// A whole number of grid steps, or of picoseconds.
    Grid(u64, Time),
    /// k/rate, rounded to the nearest picosecond.
    Rate(f64),
}

impl Interval {
    /// So many intervals.
    fn times(self, k: u64) -> Time {
        match self {
            Interval::Grid(steps, grid) => Time::from_steps(k.saturating_mul(steps), grid),
            Interval::Rate(rate) => Time::from_seconds(k as f64 / rate).unwrap_or(Time::MAX),
        }
    }

    /// A part of an interval, `unit` from 0 to 1; with a grid, in whole grid steps below it.
    fn part(self, unit: f64) -> Time {
        match self {
            Interval::Grid(steps, grid) => Time::from_steps((unit * steps as f64) as u64, grid),
            Interval::Rate(rate) => Time::from_seconds(unit / rate).unwrap_or(Time::MAX),
        }
    }
}

impl RegularTrain {
    /// A train of `rate` (Hz) that fires at t = 0 first; `None` for rate 0, which is silent. With a
    /// grid, the period is cut down to ⌊1/(rate·grid) + 1e-9⌋ grid steps (at least one), as
    /// published experiments build their trains.
    #[must_use]
    pub fn new(rate: f64, grid: Option<Time>) -> Option<RegularTrain> {
        if rate <= 0.0 {
            return None;
        }
        let picoseconds = Time::PER_SECOND as f64 / rate;
        let interval = match grid {
            // A whole number of picoseconds is counted, which is exact however long the train.
            None if (1.0..9e15).contains(&picoseconds) && picoseconds.fract() == 0.0 => {
                Interval::Grid(picoseconds as u64, Time::TICK)
            }
            None => Interval::Rate(rate),
            Some(grid) => {
                let steps = (1.0 / (rate * grid.seconds()) + 1e-9).floor().max(1.0);
                Interval::Grid(steps as u64, grid)
            }
        };
        Some(RegularTrain { interval, phase: Time::ZERO, k: 0, next: Time::ZERO })
    }

    fn time(&self, k: u64) -> Time {
        self.phase + self.interval.times(k)
    }

    /// What it is.
    pub(super) fn numbers(&self) -> Numbers {
        let (interval, rate) = match self.interval {
            Interval::Grid(steps, grid) => (Time::from_steps(steps, grid).picoseconds(), 0.0),
            Interval::Rate(rate) => (0, rate),
        };
        Numbers { interval, rate, phase: self.phase, k: self.k, next: self.next }
    }
}

/// A regular train in numbers.
pub(super) struct Numbers {
    /// Picoseconds; 0: it is 1/rate.
    pub(super) interval: u64,
    pub(super) rate: f64,
    pub(super) phase: Time,
    pub(super) k: u64,
    pub(super) next: Time,
}

impl SpikeTrain for RegularTrain {
    fn next(&self) -> Time {
        self.next
    }

    fn advance(&mut self) {
        self.k += 1;
        self.next = self.time(self.k);
    }
}

/// A regular train whose spikes are displaced, each by its own Gaussian draw: draw k of a source's
/// stream belongs to its k-th regular spike. Spikes that overtake each other come in the order of
/// their times; those that are displaced to before t = 0 are left out.
#[derive(Component, Debug, Clone)]
#[component(summary_tick)]
pub struct JitteredTrain {
    regular: RegularTrain,
    /// Standard deviation, s.
    deviation: f64,
    grid: Option<Time>,
    stream: Philox,
    /// No spike is displaced further.
    furthest: Time,
    /// Displaced spikes, the earliest on top: no regular spike that is still to be displaced can
    /// come before it.
    displaced: BinaryHeap<Reverse<Time>>,
}

impl JitteredTrain {
    /// A train whose spikes are displaced with a standard deviation of `jitter`; with a grid, by
    /// whole grid steps.
    #[must_use]
    pub fn new(
        regular: RegularTrain,
        jitter: Time,
        grid: Option<Time>,
        stream: Philox,
    ) -> JitteredTrain {
        let deviation = jitter.seconds();
        let furthest = Time::from_seconds(deviation * math::HIGHEST_QUANTILE);
        let furthest = furthest.unwrap_or(Time::MAX) + grid.unwrap_or(Time::ZERO);
        let displaced = BinaryHeap::new();
        let mut train = JitteredTrain { regular, deviation, grid, stream, furthest, displaced };
        train.fill();
        train
    }

    /// Displaces regular spikes until the earliest displaced one is the next.
    fn fill(&mut self) {
        while self.regular.next() < Time::MAX
            && self
                .displaced
                .peek()
                .is_none_or(|Reverse(earliest)| *earliest > self.regular.next() - self.furthest)
        {
            let unit = open_unit(self.stream.next_u32(), self.stream.next_u32());
            let seconds = math::normal_quantile(unit) * self.deviation;
            let picoseconds = match self.grid {
                None => (seconds * Time::PER_SECOND as f64).round() as i64,
                Some(grid) => {
                    let steps = (seconds / grid.seconds()).round() as i64;
                    steps.saturating_mul(grid.picoseconds() as i64)
                }
            };
            let time = self.regular.next().picoseconds().checked_add_signed(picoseconds);
            self.displaced.extend(time.map(|time| Reverse(Time::from_picoseconds(time))));
            self.regular.advance();
        }
    }
}

impl SpikeTrain for JitteredTrain {
    fn next(&self) -> Time {
        self.displaced.peek().map_or(Time::MAX, |Reverse(time)| *time)
    }

    fn advance(&mut self) {
        self.displaced.pop();
        self.fill();
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

    fn jittered(rate: f64, jitter: f64, grid: Option<Time>, n: usize) -> Vec<Time> {
        let regular = RegularTrain::new(rate, grid).unwrap();
        let stream = StreamKey::new(1, &["jitter", "test"]).stream(0);
        let jitter = Time::from_seconds(jitter).unwrap();
        let mut train = JitteredTrain::new(regular, jitter, grid, stream);
        let mut next = || {
            let time = train.next();
            train.advance();
            time
        };
        (0..n).map(|_| next()).collect()
    }

    /// Spikes that overtake each other: sorted, and the same set as without the look-ahead.
    #[test]
    fn displaced_spikes_are_sorted_and_complete() {
        let (rate, jitter) = (1000.0, 5e-3);
        let found = jittered(rate, jitter, None, 10_000);
        assert!(found.is_sorted());
        let mut stream = StreamKey::new(1, &["jitter", "test"]).stream(0);
        let mut expected: Vec<f64> = (0..11_000)
            .map(|k| {
                let unit = open_unit(stream.next_u32(), stream.next_u32());
                f64::from(k) / rate + jitter * math::normal_quantile(unit)
            })
            .filter(|time| *time >= 0.0)
            .collect();
        let swapped = expected.windows(2).filter(|pair| pair[1] < pair[0]).count();
        assert!(swapped > 1000, "{swapped} spikes overtake the one before");
        expected.sort_by(f64::total_cmp);
        for (found, expected) in found.iter().zip(&expected) {
            assert!((found.seconds() - expected).abs() < 2e-12, "{found} {expected}");
        }
    }

    #[test]
    fn displaced_spikes_stay_on_the_grid() {
        let grid = Time::from_seconds(1e-4);
        let found = jittered(100.0, 1e-3, grid, 1000);
        assert!(found.iter().all(|time| time.is_multiple_of(grid.unwrap())));
        assert!(found.iter().any(|time| !time.is_multiple_of(Time::from_seconds(1e-3).unwrap())));
    }

    /// A look-ahead that is too short would show here: the furthest draw that there is.
    #[test]
    fn no_draw_is_further_than_the_look_ahead() {
        assert!(math::normal_quantile(open_unit(0, 0)) > -math::HIGHEST_QUANTILE);
        assert!(math::normal_quantile(open_unit(u32::MAX, u32::MAX)) < math::HIGHEST_QUANTILE);
    }
}
