//! FF curves: input rate against output rate, neuron by neuron.

use std::io::{self, Write};

use bevy_ecs::prelude::*;

use super::listener::{self, Emitters, Hears, Listener};
use super::picture::{self, Dots, Frame, Picture};
use super::spikes::requested_rates;
use super::tables::{number, put};
use super::{Probe, ProbeContext, ProbeKind, Record, Span, Tables};
use crate::network::WindowSpikes;
use crate::scene::decode::Fields;
use crate::scene::diagnostics::Diagnostics;
use crate::scene::{GroupId, Scene, Selection, write};
use crate::schedule::Window;
use crate::simulation::Simulation;

/// `Ff(input: "input", output: "dpi")`
#[derive(Debug, Clone)]
pub struct Ff {
    /// The driving group.
    pub input: GroupId,
    /// The driven population.
    pub output: usize,
}

impl Ff {
    /// Reads the fields of the probe.
    pub fn read(fields: &mut Fields, context: &ProbeContext, dx: &mut Diagnostics) -> Option<Ff> {
        let names = context.names;
        let input_at = fields.need(dx, "input", "the source whose rates are on the x axis");
        let output_at = fields.need(dx, "output", "the population whose rates are on the y axis");
        let input = input_at.as_ref().and_then(|at| names.group(at, dx));
        let output = output_at.as_ref().and_then(|at| names.population(at, dx));
        let (input, output) = (input?, output?);
        let sizes = names.size(input).zip(names.size(GroupId::Population(output)));
        if let (Some((a, b)), Some(at)) = (sizes, &output_at)
            && a != b
        {
            at.error(dx, format!("an FF curve of {a} inputs and {b} outputs"))
                .help("neuron k of the output is plotted against input k: use equal sizes");
            return None;
        }
        Some(Ff { input, output })
    }
}

impl ProbeKind for Ff {
    fn name(&self) -> &'static str {
        FfCurve::KIND
    }

    fn fields(&self, scene: &Scene) -> Vec<(&'static str, String)> {
        let output = write::group(scene, GroupId::Population(self.output));
        vec![("input", write::group(scene, self.input)), ("output", output)]
    }

    fn bytes(&self, scene: &Scene, _: Span) -> u128 {
        // Two counts, an index and a requested rate of each neuron.
        u128::from(scene.populations[self.output].size) * 32
    }

    fn spawn(&self, span: Span, probe: Entity, simulation: &mut Simulation) {
        let scene = simulation.scene();
        let size = scene.populations[self.output].size as usize;
        let all = |of| Listener::new(scene, &Emitters { of, neurons: Selection::All }, span);
        let curve = FfCurve {
            input: all(self.input),
            output: all(GroupId::Population(self.output)),
            requested: requested_rates(scene, self.input),
            input_spikes: vec![0; size],
            output_spikes: vec![0; size],
        };
        listener::attach(curve, probe, simulation);
    }

    fn read_back(&self, mut probe: EntityWorldMut, tables: &Tables) -> Result<(), String> {
        probe.get_mut::<FfCurve>().map_or(Ok(()), |mut record| record.read_back(tables))
    }

    fn record<'w>(&self, probe: EntityRef<'w>) -> Option<&'w dyn Record> {
        probe.get::<FfCurve>().map(|curve| curve as &dyn Record)
    }
}

/// Counts input and output spikes of each neuron: neuron k of a population is driven by input k.
#[derive(Component, Debug, Clone)]
pub struct FfCurve {
    input: Listener,
    output: Listener,
    /// The rates that the scene asks for, Hz; `None`: the delivered ones are shown.
    requested: Option<Vec<f64>>,
    input_spikes: Vec<u64>,
    output_spikes: Vec<u64>,
}

/// A point of an FF curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FfRow {
    /// The rate that the scene asked for (of given spikes, and of rates that change: the rate that was delivered), Hz.
    pub input_hz: f64,
    /// Output spikes over recorded time, Hz.
    pub output_hz: f64,
    /// Input spikes that were delivered.
    pub input_spikes: u64,
    /// Output spikes.
    pub output_spikes: u64,
}

impl FfCurve {
    /// One point per neuron.
    #[must_use]
    pub fn rows(&self) -> Vec<FfRow> {
        let rate = |spikes: u64| self.output.rate(spikes);
        let counts = self.input_spikes.iter().zip(&self.output_spikes).enumerate();
        counts
            .map(|(k, (input, output))| FfRow {
                input_hz: self.requested.as_ref().map_or_else(|| rate(*input), |rates| rates[k]),
                output_hz: rate(*output),
                input_spikes: *input,
                output_spikes: *output,
            })
            .collect()
    }
}

impl FfCurve {
    fn read_back(&mut self, tables: &Tables) -> Result<(), String> {
        self.input.assume(tables.reached());
        self.output.assume(tables.reached());
        let mut rows = 0..;
        tables.rows(["input_spikes", "output_spikes"], |[input, output]| {
            let row = rows.next().unwrap_or_default();
            put(&mut self.input_spikes, row, number(input)?)?;
            put(&mut self.output_spikes, row, number(output)?)
        })
    }
}

impl Probe for FfCurve {
    const KIND: &'static str = "Ff";
}

impl Record for FfCurve {
    fn table(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "neuron,input_hz,output_hz,input_spikes,output_spikes")?;
        self.rows().iter().enumerate().try_for_each(|(neuron, row)| {
            let FfRow { input_hz, output_hz, input_spikes, output_spikes } = row;
            writeln!(out, "{neuron},{input_hz},{output_hz},{input_spikes},{output_spikes}")
        })
    }

    fn picture(&self, frame: Frame) -> Picture {
        let points: Vec<(f64, f64)> =
            self.rows().iter().map(|row| (row.input_hz, row.output_hz)).collect();
        picture::dots(&Dots {
            frame,
            x_label: "input rate (Hz)",
            y_label: "output rate (Hz)",
            points: &points,
            ..Dots::default()
        })
    }
}

impl Hears for FfCurve {
    fn hear(&mut self, window: &Window, spikes: &WindowSpikes) {
        self.input.hear(window, spikes, |_, _, k| self.input_spikes[k] += 1);
        self.output.hear(window, spikes, |_, _, k| self.output_spikes[k] += 1);
    }
}
