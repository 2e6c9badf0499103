//! The rate of each neuron.

use std::io::{self, Write};

use bevy_ecs::prelude::*;

use super::band;
use super::listener::{self, Emitters, Hears, Listener};
use super::picture::{self, Frame, Picture, Steps, counted, three_digits};
use super::tables::{number, put};
use super::{Probe, ProbeContext, ProbeKind, Quantity, Record, Span, Tables};
use crate::network::WindowSpikes;
use crate::scene::Scene;
use crate::scene::decode::Fields;
use crate::scene::diagnostics::Diagnostics;
use crate::schedule::Window;
use crate::simulation::Simulation;
use crate::units::Unit;

/// Bars of the picture, about.
const BARS: u64 = 40;

/// `Rates(of: "exc", neurons: All)`
#[derive(Debug, Clone)]
pub struct Rates {
    /// Whose.
    pub emitters: Emitters,
}

impl Rates {
    /// Reads the fields of the probe.
    pub fn read(
        fields: &mut Fields,
        context: &ProbeContext,
        dx: &mut Diagnostics,
    ) -> Option<Rates> {
        Some(Rates { emitters: Emitters::read(fields, context, dx)? })
    }
}

impl ProbeKind for Rates {
    fn name(&self) -> &'static str {
        NeuronRates::KIND
    }

    fn fields(&self, scene: &Scene) -> Vec<(&'static str, String)> {
        self.emitters.fields(scene)
    }

    fn bytes(&self, scene: &Scene, _: Span) -> u128 {
        self.emitters.bytes(scene) + u128::from(self.emitters.count(scene)) * 8
    }

    fn further_tables(&self, scene: &Scene) -> Vec<&'static str> {
        self.emitters.band(scene)
    }

    fn quantities(&self, _: &Scene) -> Vec<Quantity> {
        vec![Quantity::new("rate_hz", "rate of a neuron", Unit::Hertz)]
    }

    fn spawn(&self, span: Span, probe: Entity, simulation: &mut Simulation) {
        let listener = Listener::new(simulation.scene(), &self.emitters, span);
        let counts = vec![0; listener.neurons().len()];
        listener::attach(NeuronRates { listener, counts }, probe, simulation);
    }

    fn read_back(&self, mut probe: EntityWorldMut, tables: &Tables) -> Result<(), String> {
        probe.get_mut::<NeuronRates>().map_or(Ok(()), |mut record| record.read_back(tables))
    }

    fn record<'w>(&self, probe: EntityRef<'w>) -> Option<&'w dyn Record> {
        probe.get::<NeuronRates>().map(|rates| rates as &dyn Record)
    }
}

/// Counts the spikes of each neuron.
#[derive(Component, Debug, Clone)]
pub struct NeuronRates {
    listener: Listener,
    /// In the order of the listener's neurons.
    counts: Vec<u64>,
}

/// The rate of a neuron.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RateRow {
    /// The replica.
    pub replica: u32,
    /// Its index in the scene.
    pub neuron: u32,
    /// Spikes over recorded time, Hz.
    pub rate_hz: f64,
    /// Spikes.
    pub spikes: u64,
}

impl NeuronRates {
    /// One row per neuron, replica by replica in the order of the scene.
    pub fn rows(&self) -> impl Iterator<Item = RateRow> + '_ {
        let counts = self.listener.neurons().iter().zip(&self.counts);
        counts.map(|(index, spikes)| {
            let (replica, neuron) = self.listener.replicas().split(*index);
            RateRow { replica, neuron, rate_hz: self.listener.rate(*spikes), spikes: *spikes }
        })
    }

    /// Mean of the neurons' rates, Hz.
    #[must_use]
    pub fn mean_hz(&self) -> f64 {
        self.listener.rate(self.counts.iter().sum()) / self.counts.len() as f64
    }
}

impl NeuronRates {
    fn read_back(&mut self, tables: &Tables) -> Result<(), String> {
        self.listener.assume(tables.reached());
        let mut rows = 0..;
        tables.rows(["spikes"], |_, [spikes]| {
            put(&mut self.counts, rows.next().unwrap_or_default(), number(spikes)?)
        })
    }
}

impl Probe for NeuronRates {
    const KIND: &'static str = "Rates";
}

impl Record for NeuronRates {
    fn table(&self, out: &mut dyn Write) -> io::Result<()> {
        let replicas = self.listener.replicas();
        writeln!(out, "{}neuron,rate_hz,spikes", replicas.header())?;
        self.rows().try_for_each(|row| {
            let RateRow { replica, neuron, rate_hz, spikes } = row;
            writeln!(out, "{}{neuron},{rate_hz},{spikes}", replicas.cell(replica))
        })
    }

    /// The rate of each neuron over replicas.
    fn further_table(&self, _: &str, out: &mut dyn Write) -> io::Result<()> {
        let rates = self.listener.neurons().iter().copied();
        let rates = rates.zip(self.rows().map(|row| Some(row.rate_hz)));
        band::table("neuron", &band::over_replicas(self.listener.replicas(), rates), out)
    }

    /// A histogram of the rates.
    fn picture(&self, frame: Frame) -> Picture {
        let lowest = self.counts.iter().copied().min().unwrap_or(0);
        let highest = self.counts.iter().copied().max().unwrap_or(0);
        // Rates are multiples of one spike in the recorded time; bars of a whole number of these
        // all have as many rates that can fall into them.
        let width = (highest - lowest + 1).div_ceil(BARS);
        let mut bars = vec![0_u64; ((highest - lowest) / width + 1) as usize];
        self.counts.iter().for_each(|count| bars[((count - lowest) / width) as usize] += 1);
        let edge = |bar: u64| self.listener.rate(lowest + bar * width);
        let steps: Vec<_> =
            (0..).zip(&bars).map(|(k, n)| (edge(k), edge(k + 1), *n as f64)).collect();
        // Some room on both sides, but none below 0.
        let room = (bars.len() as u64).div_ceil(20).max(2);
        let left = self.listener.rate(lowest.saturating_sub(room * width));
        let neurons = counted(self.counts.len() as u64, "neuron");
        let mean = three_digits(self.mean_hz());
        picture::steps(&Steps {
            frame,
            x_label: "rate (Hz)",
            y_label: &format!("neurons in {} Hz", three_digits(edge(1) - edge(0))),
            steps: &steps,
            x_range: (left, edge(bars.len() as u64 + room)),
            counts: true,
            note: Some(format!("{neurons}, mean {mean} Hz")),
            nothing: "nothing was recorded",
        })
    }
}

impl Hears for NeuronRates {
    fn hear(&mut self, window: &Window, spikes: &WindowSpikes) {
        self.listener.hear_in_any_order(window, spikes, |_, _, k| self.counts[k] += 1);
    }
}
