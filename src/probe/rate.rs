//! The rate of a population against time.

use std::io::{self, Write};

use bevy_ecs::prelude::*;

use super::band::{self, BandRow};
use super::listener::{self, Emitters, Hears, Listener};
use super::picture::{self, Dots, Frame, Picture, Steps, counted, three_digits};
use super::tables::number;
use super::{Probe, ProbeContext, ProbeKind, Quantity, Record, Span, Tables};
use crate::network::{Replicas, WindowSpikes};
use crate::scene::decode::Fields;
use crate::scene::diagnostics::Diagnostics;
use crate::scene::{Scene, write};
use crate::schedule::Window;
use crate::simulation::Simulation;
use crate::time::Time;
use crate::units::{self, Unit};

/// `Rate(of: "exc", neurons: All, bin: "10 ms")`
#[derive(Debug, Clone)]
pub struct Rate {
    /// Whose.
    pub emitters: Emitters,
    /// Width of a bin.
    pub bin: Time,
}

impl Rate {
    /// Reads the fields of the probe.
    pub fn read(fields: &mut Fields, context: &ProbeContext, dx: &mut Diagnostics) -> Option<Rate> {
        let emitters = Emitters::read(fields, context, dx);
        let bin = context.bin(fields, emitters.as_ref().map(|e| e.of), 1, dx);
        Some(Rate { emitters: emitters?, bin: bin? })
    }
}

impl ProbeKind for Rate {
    fn name(&self) -> &'static str {
        RateHistory::KIND
    }

    fn fields(&self, scene: &Scene) -> Vec<(&'static str, String)> {
        let mut fields = self.emitters.fields(scene);
        fields.push(("bin", write::time(self.bin)));
        fields
    }

    fn bytes(&self, scene: &Scene, span: Span) -> u128 {
        // A count, twice for growing; and a row of the picture.
        let bins = span.recorded(scene.duration).picoseconds().div_ceil(self.bin.picoseconds());
        let replicas = u128::from(Replicas::of(scene, self.emitters.of).count);
        u128::from(bins) * (2 * 8 * replicas + 80) + self.emitters.bytes(scene)
    }

    fn further_tables(&self, scene: &Scene) -> Vec<&'static str> {
        self.emitters.band(scene)
    }

    fn quantities(&self, _: &Scene) -> Vec<Quantity> {
        vec![Quantity::new("rate_hz", "rate of a neuron in a bin", Unit::Hertz)]
    }

    fn spawn(&self, span: Span, probe: Entity, simulation: &mut Simulation) {
        let scene = simulation.scene();
        let listener = Listener::new(scene, &self.emitters, span);
        let counts = vec![Vec::new(); listener.replicas().count as usize];
        let history = RateHistory { listener, bin: self.bin, end: scene.duration, counts };
        listener::attach(history, probe, simulation);
    }

    fn read_back(&self, mut probe: EntityWorldMut, tables: &Tables) -> Result<(), String> {
        probe.get_mut::<RateHistory>().map_or(Ok(()), |mut record| record.read_back(tables))
    }

    fn record<'w>(&self, probe: EntityRef<'w>) -> Option<&'w dyn Record> {
        probe.get::<RateHistory>().map(|history| history as &dyn Record)
    }
}

/// Counts the spikes of a source or population in bins of time. A bin has the spikes from its start
/// on to before the next one's; the last one also those at its very end, where Euler has the spikes
/// of its last step.
#[derive(Component, Debug, Clone)]
pub struct RateHistory {
    listener: Listener,
    bin: Time,
    end: Time,
    /// Spikes of each bin, as far as there are any, by replica.
    counts: Vec<Vec<u64>>,
}

/// A bin of time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RateBin {
    /// The replica.
    pub replica: u32,
    /// Its start.
    pub start: Time,
    /// Its end; of the last one, where the record ends.
    pub end: Time,
    /// Spikes over neurons and width, Hz.
    pub rate_hz: f64,
    /// Spikes of all neurons.
    pub spikes: u64,
}

impl RateHistory {
    /// The bins of all replicas, one replica after the other in the order of time.
    pub fn bins(&self) -> impl Iterator<Item = RateBin> + '_ {
        (0..self.listener.replicas().count).flat_map(|replica| self.bins_of(replica))
    }

    /// The bins of a replica, in the order of time.
    fn bins_of(&self, replica: u32) -> impl Iterator<Item = RateBin> + '_ {
        let first = self.listener.span().from;
        let last = first + self.listener.recorded();
        let neurons = self.neurons() as f64;
        let bins = self.listener.recorded().picoseconds().div_ceil(self.bin.picoseconds());
        (0..bins).map(move |k| {
            let start = first + Time::from_steps(k, self.bin);
            let end = (start + self.bin).min(last);
            let counts = self.counts[replica as usize].get(k as usize..).unwrap_or_default();
            // A spike at the very end has the index of a bin that there is not.
            let spikes = if k + 1 == bins { counts } else { &counts[..counts.len().min(1)] };
            let spikes = spikes.iter().sum();
            let rate_hz = spikes as f64 / (neurons * (end - start).seconds());
            RateBin { replica, start, end, rate_hz, spikes }
        })
    }

    /// How the rate of each bin varies over replicas; x is the start of the bin, s.
    #[must_use]
    pub fn band(&self) -> Vec<BandRow> {
        band::band(self.bins().map(|bin| (bin.start.seconds(), bin.rate_hz)).collect())
    }

    /// Neurons of a replica whose spikes are counted.
    #[must_use]
    pub fn neurons(&self) -> usize {
        self.listener.neurons().len() / self.listener.replicas().count as usize
    }

    /// Mean rate over all neurons and the whole record, Hz.
    #[must_use]
    pub fn mean_hz(&self) -> f64 {
        let spikes = self.counts.iter().flatten().sum();
        self.listener.rate(spikes) / self.listener.neurons().len() as f64
    }
}

impl RateHistory {
    fn read_back(&mut self, tables: &Tables) -> Result<(), String> {
        self.listener.assume(tables.reached());
        tables.rows(["spikes"], |replica, [spikes]| {
            let counts = self.counts.get_mut(replica as usize);
            let counts = counts.ok_or_else(|| format!("there is no replica {replica}"))?;
            counts.push(number(spikes)?);
            Ok(())
        })
    }
}

impl Probe for RateHistory {
    const KIND: &'static str = "Rate";
}

impl Record for RateHistory {
    fn table(&self, out: &mut dyn Write) -> io::Result<()> {
        let replicas = self.listener.replicas();
        writeln!(out, "{}time_s,rate_hz,spikes", replicas.header())?;
        self.bins().try_for_each(|bin| {
            let RateBin { replica, start, rate_hz, spikes, .. } = bin;
            writeln!(out, "{}{start},{rate_hz},{spikes}", replicas.cell(replica))
        })
    }

    fn further_table(&self, _: &str, out: &mut dyn Write) -> io::Result<()> {
        band::table("time_s", &self.band(), out)
    }

    fn picture(&self, frame: Frame) -> Picture {
        let bin = units::format(self.bin.seconds(), Unit::Second);
        let mean = three_digits(self.mean_hz());
        let neurons = counted(self.neurons() as u64, "neuron");
        let note = format!("{neurons} in bins of {bin}, mean {mean} Hz");
        let replicas = u64::from(self.listener.replicas().count);
        if replicas > 1 {
            // Where the bins are, in the middle.
            let middle = 0.5 * self.bin.seconds();
            let drawn = |row: &BandRow| (row.x + middle, row.p05, row.median, row.p95);
            let band: Vec<_> = self.band().iter().map(drawn).collect();
            return picture::dots(&Dots {
                frame,
                x_label: "time (s)",
                y_label: "rate per neuron (Hz)",
                band: &band,
                note: Some(format!("{}, {note}", counted(replicas, "replica"))),
                ..Dots::default()
            });
        }
        let step = |bin: RateBin| (bin.start.seconds(), bin.end.seconds(), bin.rate_hz);
        let steps: Vec<_> = self.bins().map(step).collect();
        picture::steps(&Steps {
            frame,
            x_label: "time (s)",
            y_label: "rate per neuron (Hz)",
            steps: &steps,
            x_range: self.listener.span().shown(self.end),
            counts: false,
            note: Some(note),
            nothing: "no spikes",
        })
    }
}

impl Hears for RateHistory {
    fn hear(&mut self, window: &Window, spikes: &WindowSpikes) {
        let RateHistory { listener, bin, counts, .. } = self;
        let from = listener.span().from;
        let replicas = listener.replicas();
        listener.hear_in_any_order(window, spikes, |time, neuron, _| {
            let counts = &mut counts[replicas.split(neuron).0 as usize];
            let index = (time - from).whole(*bin) as usize;
            if index >= counts.len() {
                counts.resize(index + 1, 0);
            }
            counts[index] += 1;
        });
    }
}
