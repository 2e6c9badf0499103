//! How far Euler's method is off: the spikes of a scene by steps against those of the event-driven
//! solver, neuron by neuron.
//!
//! The k-th spike of a neuron is compared with its k-th in the reference, up to the shorter of both
//! trains; what one of them has more is an error of the count. Sources, edges and mismatch are drawn
//! from streams keyed by names, so that nothing but the solver differs between the runs.

mod report;

pub use report::{counts_picture, neurons_table, shifts_picture, table};

use serde::Serialize;

use crate::error::Error;
use crate::network::Population;
use crate::probe::listener::Emitters;
use crate::probe::spikes::Spikes;
use crate::probe::{Span, SpikeRecorder};
use crate::scene::{GroupId, Probe, Scene, Selection};
use crate::simulation::Simulation;
use crate::table::Format;
use crate::time::Time;

/// The spike times of a population, sorted, for each of its neurons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trains {
    /// Its name.
    pub population: String,
    /// Spike times by neuron.
    pub neurons: Vec<Vec<Time>>,
}

impl Trains {
    /// Replaces the probes of a scene by what [`Trains::of`] needs: the spikes of all populations.
    pub fn record(scene: &mut Scene) {
        let span = Span { from: Time::ZERO, to: Time::MAX };
        let spikes = |k| {
            let emitters = Emitters { of: GroupId::Population(k), neurons: Selection::All };
            Probe { span, kind: std::sync::Arc::new(Spikes { emitters }), format: Format::Csv }
        };
        let names = scene.populations.keys().enumerate();
        scene.probes = names.map(|(k, name)| (name.clone(), spikes(k))).collect();
    }

    /// What was recorded of each population.
    ///
    /// # Errors
    /// [`Error::NoProbe`] without [`Trains::record`].
    pub fn of(simulation: &Simulation) -> Result<Vec<Trains>, Error> {
        let trains = |population: &Population| {
            let mut neurons = vec![Vec::new(); population.neurons.len()];
            for (time, neuron) in simulation.probe::<SpikeRecorder>(&population.name)?.spikes() {
                neurons[*neuron as usize].push(*time);
            }
            Ok(Trains { population: population.name.clone(), neurons })
        };
        simulation.populations().into_iter().map(trains).collect()
    }

    /// Spikes of all its neurons.
    #[must_use]
    pub fn spikes(&self) -> u64 {
        self.neurons.iter().map(|times| times.len() as u64).sum()
    }
}

/// One neuron in both runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NeuronRow {
    /// Its spikes in the reference.
    pub reference_spikes: u64,
    /// Its spikes by steps.
    pub spikes: u64,
    /// The sum of the shifts of its paired spikes, ps, without sign.
    shifts: u128,
    /// The largest of them.
    pub worst_shift: Time,
}

impl NeuronRow {
    /// Compares two trains, both sorted.
    #[must_use]
    pub fn new(reference: &[Time], times: &[Time]) -> NeuronRow {
        let shift = |(a, b): (&Time, &Time)| a.picoseconds().abs_diff(b.picoseconds());
        let shifts = || reference.iter().zip(times).map(shift);
        NeuronRow {
            reference_spikes: reference.len() as u64,
            spikes: times.len() as u64,
            shifts: shifts().map(u128::from).sum(),
            worst_shift: Time::from_picoseconds(shifts().max().unwrap_or(0)),
        }
    }

    /// Spikes that both have: as many are paired.
    #[must_use]
    pub fn pairs(&self) -> u64 {
        self.spikes.min(self.reference_spikes)
    }

    /// Spikes too many; negative: missing ones.
    #[must_use]
    pub fn count_error(&self) -> i64 {
        self.spikes as i64 - self.reference_spikes as i64
    }

    /// The mean shift of its paired spikes, s; none without a pair.
    #[must_use]
    pub fn mean_shift_s(&self) -> Option<f64> {
        (self.pairs() > 0).then(|| mean_s(self.shifts, self.pairs()))
    }
}

/// A sum of picoseconds over a count, s.
fn mean_s(picoseconds: u128, count: u64) -> f64 {
    picoseconds as f64 / Time::PER_SECOND as f64 / count as f64
}

/// All neurons of a scene in both runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// Populations in the order of the scene: name, and a row for each neuron.
    pub populations: Vec<(String, Vec<NeuronRow>)>,
}

impl Comparison {
    /// Compares two runs of the same populations.
    #[must_use]
    pub fn new(reference: &[Trains], run: &[Trains]) -> Comparison {
        let of = |(reference, run): (&Trains, &Trains)| {
            let pairs = reference.neurons.iter().zip(&run.neurons);
            let rows = pairs.map(|(reference, times)| NeuronRow::new(reference, times));
            (reference.population.clone(), rows.collect())
        };
        Comparison { populations: reference.iter().zip(run).map(of).collect() }
    }

    /// The figures of all populations together.
    #[must_use]
    pub fn total(&self) -> Difference {
        Difference::of(&self.populations)
    }

    /// The figures of each population.
    pub fn differences(&self) -> impl Iterator<Item = (&str, Difference)> {
        let each = self.populations.iter();
        each.map(|population| {
            (population.0.as_str(), Difference::of(std::slice::from_ref(population)))
        })
    }
}

/// How far a run is off, in figures.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// Spikes of all neurons in the reference.
    pub reference_spikes: u64,
    /// Spikes of all neurons by steps.
    pub spikes: u64,
    /// Mean error of a neuron's count, without sign.
    pub mean_count_error: f64,
    /// The count that is farthest off: spikes too many (negative: missing), and whose; none where
    /// all counts are right.
    pub worst_count: Option<Worst<i64>>,
    /// Mean shift of a paired spike, s, without sign; none where there is no pair.
    pub mean_shift_s: Option<f64>,
    /// The largest shift, s, without sign, and whose; none where no spike is shifted.
    pub worst_shift_s: Option<Worst<f64>>,
}

/// An error, and the neuron that has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Worst<T> {
    /// How much.
    pub error: T,
    /// Name of the neuron's population.
    pub population: String,
    /// Its index there.
    pub neuron: u32,
}

impl Difference {
    fn of(populations: &[(String, Vec<NeuronRow>)]) -> Difference {
        let rows = || populations.iter().flat_map(|(_, rows)| rows);
        let sum = |of: fn(&NeuronRow) -> u64| rows().map(of).sum::<u64>();
        let errors = sum(|row| row.count_error().unsigned_abs());
        let pairs = sum(NeuronRow::pairs);
        let shifts = rows().map(|row| row.shifts).sum::<u128>();
        let count = worst(populations, |row| row.count_error().unsigned_abs());
        let shift = worst(populations, |row| row.worst_shift.picoseconds());
        Difference {
            reference_spikes: sum(|row| row.reference_spikes),
            spikes: sum(|row| row.spikes),
            mean_count_error: errors as f64 / (rows().count() as f64).max(1.0),
            worst_count: count.map(|(row, of)| of.with(row.count_error())),
            mean_shift_s: (pairs > 0).then(|| mean_s(shifts, pairs)),
            worst_shift_s: shift.map(|(row, of)| of.with(row.worst_shift.seconds())),
        }
    }
}

impl Worst<()> {
    fn with<T>(self, error: T) -> Worst<T> {
        Worst { error, population: self.population, neuron: self.neuron }
    }
}

/// The neuron with the largest value above 0, of equal ones the first.
fn worst(
    populations: &[(String, Vec<NeuronRow>)],
    value: impl Fn(&NeuronRow) -> u64,
) -> Option<(&NeuronRow, Worst<()>)> {
    let mut worst: Option<(&NeuronRow, &str, u32)> = None;
    for (population, rows) in populations {
        for (neuron, row) in (0..).zip(rows) {
            if value(row) > worst.map_or(0, |(row, ..)| value(row)) {
                worst = Some((row, population, neuron));
            }
        }
    }
    worst.map(|(row, population, neuron)| {
        (row, Worst { error: (), population: population.to_string(), neuron })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trains(population: &str, neurons: &[&[u64]]) -> Trains {
        let times = |ms: &&[u64]| {
            ms.iter().map(|ms| Time::from_picoseconds(ms * 1_000_000_000)).collect::<Vec<_>>()
        };
        Trains { population: population.into(), neurons: neurons.iter().map(times).collect() }
    }

    fn at<T>(error: T, population: &str, neuron: u32) -> Option<Worst<T>> {
        Some(Worst { error, population: population.into(), neuron })
    }

    #[test]
    fn a_run_is_not_off_itself() {
        let run = [trains("a", &[&[1, 2], &[]])];
        let same = Comparison::new(&run, &run).total();
        assert_eq!((same.reference_spikes, same.spikes), (2, 2));
        assert_eq!((same.mean_count_error, same.mean_shift_s), (0.0, Some(0.0)));
        assert_eq!((same.worst_count, same.worst_shift_s), (None, None));
    }

    /// Shifts of 1, 3 and 2 ms, 2 spikes missing of one neuron, 1 too many of another.
    #[test]
    fn counts_and_shifts_of_trains_made_by_hand() {
        let reference = [trains("a", &[&[10, 20, 30, 40], &[5]]), trains("b", &[&[], &[7, 8]])];
        let run = [trains("a", &[&[11, 17], &[5]]), trains("b", &[&[100], &[7, 10]])];
        let comparison = Comparison::new(&reference, &run);
        let total = comparison.total();
        assert_eq!((total.reference_spikes, total.spikes), (7, 6));
        assert_eq!(total.mean_count_error, 3.0 / 4.0);
        assert_eq!(total.worst_count, at(-2, "a", 0));
        // Five pairs: 1, 3, 0, 0 and 2 ms.
        assert_eq!(total.mean_shift_s, Some(6e-3 / 5.0));
        assert_eq!(total.worst_shift_s, at(3e-3, "a", 0));

        let by_name: Vec<_> = comparison.differences().collect();
        assert_eq!(by_name.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(by_name[1].1.worst_count, at(1, "b", 0));
        assert_eq!(by_name[1].1.worst_shift_s, at(2e-3, "b", 1));
        assert_eq!(by_name[1].1.mean_shift_s, Some(1e-3));
    }

    /// Errors of opposite signs do not cancel; of equal ones the first neuron is named.
    #[test]
    fn errors_are_without_sign() {
        let reference = [trains("a", &[&[10, 20], &[10, 20]])];
        let run = [trains("a", &[&[9], &[11, 20, 30]])];
        let total = Comparison::new(&reference, &run).total();
        assert_eq!((total.reference_spikes, total.spikes), (4, 4));
        assert_eq!(total.mean_count_error, 1.0);
        assert_eq!(total.worst_count, at(-1, "a", 0));
        assert_eq!(total.mean_shift_s, Some(2e-3 / 3.0));
        assert_eq!(total.worst_shift_s, at(1e-3, "a", 0));
    }

    #[test]
    fn without_a_pair_there_is_no_shift() {
        let total = Comparison::new(&[trains("a", &[&[1]])], &[trains("a", &[&[]])]).total();
        assert_eq!((total.mean_shift_s, total.worst_shift_s), (None, None));
        assert_eq!(total.worst_count, at(-1, "a", 0));
        let none = Comparison::new(&[], &[]).total();
        assert_eq!((none.spikes, none.mean_count_error, none.mean_shift_s), (0, 0.0, None));
    }
}
