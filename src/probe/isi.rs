//! Intervals between the spikes of a neuron.

use std::io::{self, Write};

use bevy_ecs::prelude::*;

use super::listener::{self, Emitters, Hears, Listener};
use super::picture::{self, Frame, Picture, Steps, counted, three_digits};
use super::tables::{maybe, number, put};
use super::{Moments, Probe, ProbeContext, ProbeKind, Quantity, Record, Span, Tables};
use crate::circuit::Domain;
use crate::network::{Replicas, WindowSpikes};
use crate::scene::decode::Fields;
use crate::scene::diagnostics::Diagnostics;
use crate::scene::{Scene, write};
use crate::schedule::Window;
use crate::simulation::Simulation;
use crate::time::Time;
use crate::units::Unit;

/// Bins of the histogram, unless the scene says where it ends.
const DEFAULT_BINS: u64 = 100;

/// The further table: one row per neuron.
const NEURONS: &str = "neurons";

/// `Isi(of: "exc", neurons: All, bin: "1 ms", max: "100 ms")`
#[derive(Debug, Clone)]
pub struct Isi {
    /// Whose.
    pub emitters: Emitters,
    /// Width of a bin of the histogram.
    pub bin: Time,
    /// Where the histogram ends: a whole number of bins.
    pub max: Time,
}

impl Isi {
    /// Reads the fields of the probe.
    pub fn read(fields: &mut Fields, context: &ProbeContext, dx: &mut Diagnostics) -> Option<Isi> {
        let emitters = Emitters::read(fields, context, dx);
        let bin = context.bin(fields, emitters.as_ref().map(|e| e.of), 1, dx);
        let max = match fields.get("max") {
            None => bin.map(|bin| Time::from_steps(DEFAULT_BINS, bin)),
            Some(at) => at.time(dx, Domain::Positive).filter(|max| {
                let Some(bin) = bin else { return true };
                let fits = max.is_multiple_of(bin);
                if !fits {
                    let whole = write::time(Time::from_steps(max.steps_up(bin), bin));
                    at.error(dx, format!("max = {max} s is no multiple of the bin {bin} s"))
                        .help(format!("choose a whole number of bins, for example max: {whole}"));
                }
                fits
            }),
        };
        Some(Isi { emitters: emitters?, bin: bin?, max: max? })
    }
}

impl ProbeKind for Isi {
    fn name(&self) -> &'static str {
        IsiHistogram::KIND
    }

    fn fields(&self, scene: &Scene) -> Vec<(&'static str, String)> {
        let mut fields = self.emitters.fields(scene);
        fields.push(("bin", write::time(self.bin)));
        fields.push(("max", write::time(self.max)));
        fields
    }

    fn bytes(&self, scene: &Scene, _: Span) -> u128 {
        let trains = u128::from(self.emitters.count(scene)) * size_of::<Train>() as u128;
        let replicas = u128::from(Replicas::of(scene, self.emitters.of).count);
        let bins = u128::from(self.max.whole(self.bin)) * 8;
        self.emitters.bytes(scene) + trains + bins * replicas
    }

    fn further_tables(&self, _: &Scene) -> Vec<&'static str> {
        vec![NEURONS]
    }

    fn quantities(&self, _: &Scene) -> Vec<Quantity> {
        vec![
            Quantity::new("mean_s", "mean interval", Unit::Second).of(NEURONS),
            Quantity::new("cv", "CV of intervals", Unit::One).of(NEURONS),
        ]
    }

    fn spawn(&self, span: Span, probe: Entity, simulation: &mut Simulation) {
        let listener = Listener::new(simulation.scene(), &self.emitters, span);
        let replicas = listener.replicas().count as usize;
        let histogram = IsiHistogram {
            trains: vec![Train::default(); listener.neurons().len()],
            listener,
            bin: self.bin,
            counts: vec![vec![0; self.max.whole(self.bin) as usize]; replicas],
            longer: vec![0; replicas],
        };
        listener::attach(histogram, probe, simulation);
    }

    fn read_back(&self, mut probe: EntityWorldMut, tables: &Tables) -> Result<(), String> {
        probe.get_mut::<IsiHistogram>().map_or(Ok(()), |mut record| record.read_back(tables))
    }

    fn record<'w>(&self, probe: EntityRef<'w>) -> Option<&'w dyn Record> {
        probe.get::<IsiHistogram>().map(|histogram| histogram as &dyn Record)
    }
}

/// Histogram of the intervals between successive spikes of the same neuron, and their mean and
/// coefficient of variation (CV: standard deviation over mean; 0 for a regular train, 1 for a
/// Poisson process). Both spikes of an interval lie in the recorded span. Standard deviations are
/// those of samples, with n − 1.
#[derive(Component, Debug, Clone)]
pub struct IsiHistogram {
    listener: Listener,
    bin: Time,
    /// Intervals in each bin, by replica.
    counts: Vec<Vec<u64>>,
    /// Intervals beyond the last bin, by replica.
    longer: Vec<u64>,
    /// In the order of the listener's neurons.
    trains: Vec<Train>,
}

/// The train of a neuron: all that its intervals need.
#[derive(Debug, Clone, Copy, Default)]
struct Train {
    last: Option<Time>,
    /// Intervals in ps.
    intervals: Moments,
}

/// A bin of the histogram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IsiBin {
    /// The shortest interval in it.
    pub start: Time,
    /// The shortest interval beyond it.
    pub end: Time,
    /// Intervals of all neurons of all replicas.
    pub intervals: u64,
}

/// The intervals of a neuron.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct IsiRow {
    /// The replica.
    pub replica: u32,
    /// Its index in the scene.
    pub neuron: u32,
    /// Number of intervals.
    pub intervals: u64,
    /// Mean, s; none without an interval.
    pub mean_s: Option<f64>,
    /// Coefficient of variation; none of less than two intervals.
    pub cv: Option<f64>,
}

impl IsiHistogram {
    /// The bins.
    pub fn bins(&self) -> impl Iterator<Item = IsiBin> + '_ {
        (0..).zip(self.all()).map(|(k, intervals)| {
            let start = Time::from_steps(k, self.bin);
            IsiBin { start, end: start + self.bin, intervals }
        })
    }

    /// Intervals in each bin, of all replicas.
    fn all(&self) -> Vec<u64> {
        let bins = 0..self.counts[0].len();
        bins.map(|bin| self.counts.iter().map(|counts| counts[bin]).sum()).collect()
    }

    /// Intervals of `max` and longer, which are in no bin.
    #[must_use]
    pub fn longer(&self) -> u64 {
        self.longer.iter().sum()
    }

    /// Number of intervals of all neurons.
    #[must_use]
    pub fn intervals(&self) -> u64 {
        self.trains.iter().map(|train| train.intervals.count()).sum()
    }

    /// Mean of all intervals, s.
    #[must_use]
    pub fn mean_s(&self) -> Option<f64> {
        let sum: u128 = self.trains.iter().map(|t| u128::from(t.intervals.sum())).sum();
        let count = self.intervals();
        (count > 0).then(|| sum as f64 / (count as f64 * Time::PER_SECOND as f64))
    }

    /// Coefficient of variation of all intervals together. Neurons of different rates make it
    /// larger than that of each.
    #[must_use]
    pub fn cv(&self) -> Option<f64> {
        let (mean, count) = (self.mean_s()? * Time::PER_SECOND as f64, self.intervals());
        // Within neurons and between them (Chan, Golub and LeVeque 1983).
        let squares: f64 = self
            .trains
            .iter()
            .map(|train| {
                let intervals = &train.intervals;
                let between = intervals.mean().map_or(0.0, |own| (own - mean) * (own - mean));
                intervals.squared_deviations() + intervals.count() as f64 * between
            })
            .sum();
        (count > 1).then(|| (squares / (count - 1) as f64).sqrt() / mean)
    }

    /// Mean of the neurons' coefficients of variation, of those that have one.
    #[must_use]
    pub fn mean_cv(&self) -> Option<f64> {
        super::mean(self.rows().filter_map(|row| row.cv))
    }

    /// One row per neuron, replica by replica in the order of the scene.
    pub fn rows(&self) -> impl Iterator<Item = IsiRow> + '_ {
        self.listener.neurons().iter().zip(&self.trains).map(|(index, train)| {
            let (replica, neuron) = self.listener.replicas().split(*index);
            let intervals = &train.intervals;
            let mean = intervals.mean();
            let deviation = intervals.variance().map(f64::sqrt);
            IsiRow {
                replica,
                neuron,
                intervals: intervals.count(),
                mean_s: mean.map(|mean| mean / Time::PER_SECOND as f64),
                cv: deviation.zip(mean.filter(|mean| *mean > 0.0)).map(|(sd, mean)| sd / mean),
            }
        })
    }
}

impl IsiHistogram {
    fn read_back(&mut self, tables: &Tables) -> Result<(), String> {
        self.listener.assume(tables.reached());
        let bins = self.counts[0].len();
        let mut rows = 0..;
        tables.rows(["intervals"], |replica, [intervals]| {
            let replica = replica as usize;
            let counts = self.counts.get_mut(replica);
            let counts = counts.ok_or_else(|| format!("there is no replica {replica}"))?;
            // The row after the last bin has the longer ones.
            match rows.next().unwrap_or(0) % (bins + 1) {
                bin if bin == bins => put(&mut self.longer, replica, number(intervals)?),
                bin => put(counts, bin, number(intervals)?),
            }
        })?;
        let mut rows = 0..;
        tables.further_rows(NEURONS, ["intervals", "mean_s", "cv"], |_, [intervals, mean, cv]| {
            let mean = maybe(mean)?.unwrap_or(0.0) * Time::PER_SECOND as f64;
            let deviation = maybe(cv)?.unwrap_or(0.0) * mean;
            let intervals = Moments::of(number(intervals)?, mean, deviation * deviation);
            let train = Train { last: None, intervals };
            put(&mut self.trains, rows.next().unwrap_or_default(), train)
        })
    }
}

impl Probe for IsiHistogram {
    const KIND: &'static str = "Isi";
}

impl Record for IsiHistogram {
    fn table(&self, out: &mut dyn Write) -> io::Result<()> {
        let replicas = self.listener.replicas();
        writeln!(out, "{}interval_s,intervals", replicas.header())?;
        for (replica, (counts, longer)) in (0..).zip(self.counts.iter().zip(&self.longer)) {
            let replica = replicas.cell(replica);
            for (bin, intervals) in (0..).zip(counts.iter().chain([longer])) {
                writeln!(out, "{replica}{},{intervals}", Time::from_steps(bin, self.bin))?;
            }
        }
        Ok(())
    }

    fn further_table(&self, _: &str, out: &mut dyn Write) -> io::Result<()> {
        let replicas = self.listener.replicas();
        writeln!(out, "{}neuron,intervals,mean_s,cv", replicas.header())?;
        self.rows().try_for_each(|row| {
            let (mean, cv) = (super::cell(row.mean_s), super::cell(row.cv));
            let replica = replicas.cell(row.replica);
            writeln!(out, "{replica}{},{},{mean},{cv}", row.neuron, row.intervals)
        })
    }

    fn picture(&self, frame: Frame) -> Picture {
        let (bars, each) = picture::bars(&self.all());
        let bins = self.counts[0].len();
        let edge = |bin: usize| 1e3 * Time::from_steps(bin.min(bins) as u64, self.bin).seconds();
        let steps: Vec<_> = bars
            .iter()
            .enumerate()
            .map(|(k, n)| (edge(k * each), edge((k + 1) * each), *n as f64))
            .collect();
        let width = picture::quantity(self.bin.seconds() * each as f64, Unit::Second);
        let mut note = counted(self.intervals(), "interval");
        if let Some(mean) = self.mean_s() {
            note += &format!(" of mean {}", picture::quantity(mean, Unit::Second));
        }
        if let Some((cv, mean_cv)) = self.cv().zip(self.mean_cv()) {
            let (cv, mean_cv) = (three_digits(cv), three_digits(mean_cv));
            note += &format!(", CV {cv} (mean of the neurons' {mean_cv})");
        }
        if self.longer() > 0 {
            note += &format!("; {} not shown", self.longer());
        }
        picture::steps(&Steps {
            frame,
            x_label: "interval between spikes (ms)",
            y_label: &format!("intervals in {width}"),
            steps: &steps,
            x_range: (0.0, edge(bins)),
            counts: true,
            note: Some(note),
            nothing: if self.longer() > 0 { "all intervals are longer" } else { "no intervals" },
        })
    }
}

impl Hears for IsiHistogram {
    fn hear(&mut self, window: &Window, spikes: &WindowSpikes) {
        let IsiHistogram { listener, bin, counts, longer, trains } = self;
        let replicas = listener.replicas();
        listener.hear(window, spikes, |time, neuron, k| {
            let Some(last) = trains[k].last.replace(time) else { return };
            let interval = time - last;
            trains[k].intervals.add(interval.picoseconds());
            let replica = replicas.split(neuron).0 as usize;
            match counts[replica].get_mut(interval.whole(*bin) as usize) {
                Some(count) => *count += 1,
                None => longer[replica] += 1,
            }
        });
    }
}
