//! The Fano factor: how much the count of spikes in a bin of time varies.

use std::io::{self, Write};

use bevy_ecs::prelude::*;

use super::band;
use super::listener::{self, Emitters, Hears, Listener};
use super::picture::{self, Dots, Frame, Picture, counted, three_digits};
use super::tables::{maybe, put};
use super::{Moments, Probe, ProbeContext, ProbeKind, Quantity, Record, Span, Tables};
use crate::network::WindowSpikes;
use crate::scene::decode::Fields;
use crate::scene::diagnostics::Diagnostics;
use crate::scene::{Scene, write};
use crate::schedule::Window;
use crate::simulation::Simulation;
use crate::time::Time;
use crate::units::{self, Unit};

/// `Fano(of: "exc", neurons: All, bin: "100 ms")`
#[derive(Debug, Clone)]
pub struct Fano {
    /// Whose.
    pub emitters: Emitters,
    /// Width of a bin.
    pub bin: Time,
}

impl Fano {
    /// Reads the fields of the probe.
    pub fn read(fields: &mut Fields, context: &ProbeContext, dx: &mut Diagnostics) -> Option<Fano> {
        let emitters = Emitters::read(fields, context, dx);
        // A variance needs two counts.
        let bin = context.bin(fields, emitters.as_ref().map(|e| e.of), 2, dx);
        Some(Fano { emitters: emitters?, bin: bin? })
    }
}

impl ProbeKind for Fano {
    fn name(&self) -> &'static str {
        FanoFactors::KIND
    }

    fn fields(&self, scene: &Scene) -> Vec<(&'static str, String)> {
        let mut fields = self.emitters.fields(scene);
        fields.push(("bin", write::time(self.bin)));
        fields
    }

    fn bytes(&self, scene: &Scene, _: Span) -> u128 {
        let counters = u128::from(self.emitters.count(scene)) * size_of::<Counter>() as u128;
        self.emitters.bytes(scene) + counters
    }

    fn further_tables(&self, scene: &Scene) -> Vec<&'static str> {
        self.emitters.band(scene)
    }

    fn quantities(&self, _: &Scene) -> Vec<Quantity> {
        vec![Quantity::new("fano", "Fano factor", Unit::One)]
    }

    fn spawn(&self, span: Span, probe: Entity, simulation: &mut Simulation) {
        let listener = Listener::new(simulation.scene(), &self.emitters, span);
        let factors = FanoFactors {
            counters: vec![Counter::default(); listener.neurons().len()],
            listener,
            bin: self.bin,
        };
        listener::attach(factors, probe, simulation);
    }

    fn read_back(&self, mut probe: EntityWorldMut, tables: &Tables) -> Result<(), String> {
        probe.get_mut::<FanoFactors>().map_or(Ok(()), |mut record| record.read_back(tables))
    }

    fn record<'w>(&self, probe: EntityRef<'w>) -> Option<&'w dyn Record> {
        probe.get::<FanoFactors>().map(|factors| factors as &dyn Record)
    }
}

/// Fano factor of each neuron: variance over mean of its spike counts in bins of time (0 for a
/// regular train, 1 for a Poisson process). Only complete bins count; the variance is that of a
/// sample, with n − 1.
#[derive(Component, Debug, Clone)]
pub struct FanoFactors {
    listener: Listener,
    bin: Time,
    /// In the order of the listener's neurons.
    counters: Vec<Counter>,
}

/// The counts of a neuron.
#[derive(Debug, Clone, Copy, Default)]
struct Counter {
    /// The bin of its last spike.
    bin: u64,
    /// Spikes in that bin.
    spikes: u64,
    /// Counts of earlier bins, those without a spike left out.
    earlier: Moments,
}

impl Counter {
    fn add(&mut self, bin: u64) {
        if bin != self.bin && self.spikes > 0 {
            self.earlier.add(self.spikes);
            self.spikes = 0;
        }
        self.bin = bin;
        self.spikes += 1;
    }

    /// The counts of the first `bins` bins.
    fn counts(&self, bins: u64) -> Moments {
        let mut counts = self.earlier;
        if self.spikes > 0 && self.bin < bins {
            counts.add(self.spikes);
        }
        counts.with_zeros(bins)
    }
}

/// The counts of a neuron.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FanoRow {
    /// The replica.
    pub replica: u32,
    /// Its index in the scene.
    pub neuron: u32,
    /// Mean count; none without a complete bin.
    pub mean_count: Option<f64>,
    /// Variance of the counts; none with less than two complete bins.
    pub variance: Option<f64>,
    /// Variance over mean; none without a spike.
    pub fano: Option<f64>,
}

impl FanoFactors {
    /// Complete bins so far.
    #[must_use]
    pub fn bins(&self) -> u64 {
        self.listener.recorded().whole(self.bin)
    }

    /// One row per neuron, replica by replica in the order of the scene.
    pub fn rows(&self) -> impl Iterator<Item = FanoRow> + '_ {
        let bins = self.bins();
        self.listener.neurons().iter().zip(&self.counters).map(move |(index, counter)| {
            let counts = counter.counts(bins);
            let (mean_count, variance) = (counts.mean(), counts.variance());
            let mean = mean_count.filter(|mean| *mean > 0.0);
            let fano = variance.zip(mean).map(|(variance, mean)| variance / mean);
            let (replica, neuron) = self.listener.replicas().split(*index);
            FanoRow { replica, neuron, mean_count, variance, fano }
        })
    }

    /// Mean of the neurons' Fano factors, of those that have one.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        super::mean(self.rows().filter_map(|row| row.fano))
    }
}

impl FanoFactors {
    fn read_back(&mut self, tables: &Tables) -> Result<(), String> {
        self.listener.assume(tables.reached());
        let bins = self.bins();
        let mut rows = 0..;
        tables.rows(["mean_count", "variance"], |_, [mean, variance]| {
            let (mean, variance) = (maybe(mean)?.unwrap_or(0.0), maybe(variance)?.unwrap_or(0.0));
            let earlier = Moments::of(bins, mean, variance);
            let counter = Counter { earlier, ..Counter::default() };
            put(&mut self.counters, rows.next().unwrap_or_default(), counter)
        })
    }
}

impl Probe for FanoFactors {
    const KIND: &'static str = "Fano";
}

impl Record for FanoFactors {
    fn table(&self, out: &mut dyn Write) -> io::Result<()> {
        let replicas = self.listener.replicas();
        writeln!(out, "{}neuron,mean_count,variance,fano", replicas.header())?;
        self.rows().try_for_each(|row| {
            let cells = [row.mean_count, row.variance, row.fano].map(super::cell);
            writeln!(out, "{}{},{}", replicas.cell(row.replica), row.neuron, cells.join(","))
        })
    }

    /// The Fano factor of each neuron over replicas.
    fn further_table(&self, _: &str, out: &mut dyn Write) -> io::Result<()> {
        let factors = self.listener.neurons().iter().copied();
        let factors = factors.zip(self.rows().map(|row| row.fano));
        band::table("neuron", &band::over_replicas(self.listener.replicas(), factors), out)
    }

    /// Fano factor against rate.
    fn picture(&self, frame: Frame) -> Picture {
        let width = self.bin.seconds();
        let points: Vec<(f64, f64)> =
            self.rows().filter_map(|row| Some((row.mean_count? / width, row.fano?))).collect();
        let bins = format!("{} bins of {}", self.bins(), units::format(width, Unit::Second));
        let note = match self.mean() {
            Some(mean) => {
                let mean = three_digits(mean);
                let neurons = counted(points.len() as u64, "neuron");
                format!("mean {mean} over {neurons} that fired, {bins}")
            }
            None => format!("no neuron fired, {bins}"),
        };
        picture::dots(&Dots {
            frame,
            x_label: "rate (Hz)",
            y_label: "Fano factor",
            points: &points,
            level: Some((1.0, "Poisson process")),
            note: Some(note),
            ..Dots::default()
        })
    }
}

impl Hears for FanoFactors {
    fn hear(&mut self, window: &Window, spikes: &WindowSpikes) {
        let FanoFactors { listener, bin, counters } = self;
        let from = listener.span().from;
        listener.hear(window, spikes, |time, _, k| counters[k].add((time - from).whole(*bin)));
    }
}
