//! Intervals between spikes one by one, against their number.

use std::io::{self, Write};

use bevy_ecs::prelude::*;

use super::band::{self, BandRow};
use super::listener::{self, Emitters, Hears, Listener};
use super::picture::{self, Dots, Frame, MOST_DOTS, Picture, counted};
use super::tables::{index, number, time};
use super::{Probe, ProbeContext, ProbeKind, Quantity, Record, Span, Tables};
use crate::network::WindowSpikes;
use crate::scene::Scene;
use crate::scene::decode::Fields;
use crate::scene::diagnostics::Diagnostics;
use crate::schedule::Window;
use crate::simulation::Simulation;
use crate::time::Time;
use crate::units::Unit;

/// `Intervals(of: "exc", neurons: All)`
#[derive(Debug, Clone)]
pub struct Intervals {
    /// Whose.
    pub emitters: Emitters,
}

impl Intervals {
    /// Reads the fields of the probe.
    pub fn read(
        fields: &mut Fields,
        context: &ProbeContext,
        dx: &mut Diagnostics,
    ) -> Option<Intervals> {
        Some(Intervals { emitters: Emitters::read(fields, context, dx)? })
    }
}

impl ProbeKind for Intervals {
    fn name(&self) -> &'static str {
        IntervalRecorder::KIND
    }

    fn fields(&self, scene: &Scene) -> Vec<(&'static str, String)> {
        self.emitters.fields(scene)
    }

    fn bytes(&self, scene: &Scene, span: Span) -> u128 {
        let trains = u128::from(self.emitters.count(scene)) * size_of::<Train>() as u128;
        let intervals = self.emitters.spikes(scene, span) * size_of::<Interval>() as u128;
        self.emitters.bytes(scene) + trains + intervals
    }

    fn further_tables(&self, scene: &Scene) -> Vec<&'static str> {
        self.emitters.band(scene)
    }

    fn quantities(&self, _: &Scene) -> Vec<Quantity> {
        let interval = Quantity::new("interval_s", "interval", Unit::Second);
        vec![interval.against("number", "number of the interval", Unit::One)]
    }

    fn spawn(&self, span: Span, probe: Entity, simulation: &mut Simulation) {
        let listener = Listener::new(simulation.scene(), &self.emitters, span);
        let recorder = IntervalRecorder {
            trains: vec![Train::default(); listener.neurons().len()],
            listener,
            intervals: Vec::new(),
        };
        listener::attach(recorder, probe, simulation);
    }

    fn read_back(&self, mut probe: EntityWorldMut, tables: &Tables) -> Result<(), String> {
        probe.get_mut::<IntervalRecorder>().map_or(Ok(()), |mut record| record.read_back(tables))
    }

    fn record<'w>(&self, probe: EntityRef<'w>) -> Option<&'w dyn Record> {
        probe.get::<IntervalRecorder>().map(|recorder| recorder as &dyn Record)
    }
}

/// Records each interval between successive spikes of the same neuron with its number: how a neuron
/// adapts. Both spikes of an interval lie in the recorded span.
#[derive(Component, Debug, Clone)]
pub struct IntervalRecorder {
    listener: Listener,
    /// In the order of the listener's neurons.
    trains: Vec<Train>,
    intervals: Vec<Interval>,
}

/// The train of a neuron so far.
#[derive(Debug, Clone, Copy, Default)]
struct Train {
    last: Option<Time>,
    intervals: u64,
}

/// An interval between two spikes of a neuron.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval {
    /// The neuron's index over all replicas.
    pub neuron: u32,
    /// Number of the interval among those of the neuron, from 1 on.
    pub number: u64,
    /// Time of the spike that ends it.
    pub end: Time,
    /// How long it is.
    pub length: Time,
}

impl IntervalRecorder {
    /// The intervals, sorted by their ends and neurons.
    #[must_use]
    pub fn intervals(&self) -> &[Interval] {
        &self.intervals
    }

    /// How the intervals of each number vary over neurons and replicas, s.
    #[must_use]
    pub fn band(&self) -> Vec<BandRow> {
        let points = self.intervals.iter();
        band::band(points.map(|i| (i.number as f64, i.length.seconds())).collect())
    }
}

impl IntervalRecorder {
    fn read_back(&mut self, tables: &Tables) -> Result<(), String> {
        self.listener.assume(tables.reached());
        let columns = ["neuron", "number", "time_s", "interval_s"];
        let replicas = self.listener.replicas();
        tables.rows(columns, |replica, [neuron, count, end, length]| {
            let (neuron, number) = (index(replicas, replica, number(neuron)?)?, number(count)?);
            self.intervals.push(Interval {
                neuron,
                number,
                end: time(end)?,
                length: time(length)?,
            });
            Ok(())
        })
    }
}

impl Probe for IntervalRecorder {
    const KIND: &'static str = "Intervals";
}

impl Record for IntervalRecorder {
    fn table(&self, out: &mut dyn Write) -> io::Result<()> {
        let replicas = self.listener.replicas();
        writeln!(out, "{}neuron,number,time_s,interval_s", replicas.header())?;
        self.intervals.iter().try_for_each(|interval| {
            let Interval { neuron, number, end, length } = interval;
            let (replica, neuron) = replicas.split(*neuron);
            writeln!(out, "{}{neuron},{number},{end},{length}", replicas.cell(replica))
        })
    }

    fn further_table(&self, _: &str, out: &mut dyn Write) -> io::Result<()> {
        band::table("number", &self.band(), out)
    }

    /// Interval against number.
    fn picture(&self, frame: Frame) -> Picture {
        let points: Vec<(f64, f64)> = self
            .intervals
            .iter()
            .map(|interval| (interval.number as f64, 1e3 * interval.length.seconds()))
            .collect();
        let shown = picture::thin(&points, MOST_DOTS);
        let (all, neurons) = (points.len() as u64, self.trains.len() as u64);
        let mut note = format!("{} of {}", counted(all, "interval"), counted(neurons, "neuron"));
        if shown.len() < points.len() {
            note += &format!("; showing {}", shown.len());
        }
        let ms = |row: &BandRow| (row.x, 1e3 * row.p05, 1e3 * row.median, 1e3 * row.p95);
        let band: Vec<_> = match self.listener.replicas().count {
            1 => Vec::new(),
            // Where fewer than half have so many intervals, the band is that of the fast ones only.
            _ => {
                let band = self.band();
                let most = band.first().map_or(0, |row| row.n);
                band.iter().filter(|row| 2 * row.n >= most).map(ms).collect()
            }
        };
        picture::dots(&Dots {
            frame,
            band: &band,
            x_label: "number of the interval",
            y_label: "interval between spikes (ms)",
            points: &shown,
            note: Some(note),
            ..Dots::default()
        })
    }
}

impl Hears for IntervalRecorder {
    fn hear(&mut self, window: &Window, spikes: &WindowSpikes) {
        let IntervalRecorder { listener, trains, intervals } = self;
        listener.hear(window, spikes, |end, neuron, k| {
            let train = &mut trains[k];
            let Some(last) = train.last.replace(end) else { return };
            train.intervals += 1;
            intervals.push(Interval { neuron, number: train.intervals, end, length: end - last });
        });
    }
}
