//! FF curves: input rate against output rate, neuron by neuron.

use std::io::{self, Write};

use bevy_ecs::prelude::*;

use super::band::{self, BandRow};
use super::listener::{self, Emitters, Hears, Listener};
use super::picture::{self, Dots, Frame, MOST_DOTS, Picture, counted};
use super::spikes::requested_rates;
use super::tables::{number, put};
use super::{Probe, ProbeContext, ProbeKind, Quantity, Record, Span, Tables};
use crate::network::WindowSpikes;
use crate::scene::decode::Fields;
use crate::scene::diagnostics::Diagnostics;
use crate::scene::{GroupId, Scene, Selection, write};
use crate::schedule::Window;
use crate::simulation::Simulation;
use crate::units::Unit;

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
        u128::from(scene.instances(GroupId::Population(self.output))) * 32
    }

    fn further_tables(&self, scene: &Scene) -> Vec<&'static str> {
        band::tables(scene)
    }

    fn quantities(&self, _: &Scene) -> Vec<Quantity> {
        let rate = Quantity::new("output_hz", "output rate", Unit::Hertz);
        vec![rate.against("input_hz", "input rate", Unit::Hertz)]
    }

    fn spawn(&self, span: Span, probe: Entity, simulation: &mut Simulation) {
        let scene = simulation.scene();
        let sizes =
            [self.input, GroupId::Population(self.output)].map(|g| scene.instances(g) as usize);
        let all = |of| Listener::new(scene, &Emitters { of, neurons: Selection::All }, span);
        let curve = FfCurve {
            input: all(self.input),
            output: all(GroupId::Population(self.output)),
            requested: requested_rates(scene, self.input),
            input_spikes: vec![0; sizes[0]],
            output_spikes: vec![0; sizes[1]],
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
    /// Of each source, which all replicas share, or of each neuron of all replicas.
    input_spikes: Vec<u64>,
    output_spikes: Vec<u64>,
}

/// A point of an FF curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FfRow {
    /// The replica.
    pub replica: u32,
    /// The neuron's index in the scene.
    pub neuron: u32,
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
    /// One point per neuron, replica by replica.
    #[must_use]
    pub fn rows(&self) -> Vec<FfRow> {
        let rate = |spikes: u64| self.output.rate(spikes);
        let replicas = self.output.replicas();
        let row = |(index, output): (u32, &u64)| {
            let (replica, neuron) = replicas.split(index);
            let input = self.input_spikes[self.input_of(index)];
            let requested = self.requested.as_ref().map(|rates| rates[neuron as usize]);
            FfRow {
                replica,
                neuron,
                input_hz: requested.unwrap_or_else(|| rate(input)),
                output_hz: rate(*output),
                input_spikes: input,
                output_spikes: *output,
            }
        };
        (0..).zip(&self.output_spikes).map(row).collect()
    }

    /// The place of a neuron's input.
    fn input_of(&self, index: u32) -> usize {
        match self.input.replicas().count {
            1 => self.output.replicas().split(index).1 as usize,
            _ => index as usize,
        }
    }

    /// How the output rate varies over replicas, for each input rate that the scene asks for. Where it
    /// asks for none, for each neuron, at the mean of the rates that were delivered to it.
    #[must_use]
    pub fn band(&self) -> Vec<BandRow> {
        let rows = self.rows();
        let count = self.output.replicas().count as f64;
        let mut delivered = vec![0.0; self.output.replicas().size as usize];
        rows.iter().for_each(|row| delivered[row.neuron as usize] += row.input_hz / count);
        let x = |row: &FfRow| match self.requested {
            Some(_) => row.input_hz,
            None => delivered[row.neuron as usize],
        };
        band::band(rows.iter().map(|row| (x(row), row.output_hz)).collect())
    }
}

impl FfCurve {
    fn read_back(&mut self, tables: &Tables) -> Result<(), String> {
        self.input.assume(tables.reached());
        self.output.assume(tables.reached());
        let mut rows = 0..;
        tables.rows(["input_spikes", "output_spikes"], |_, [input, output]| {
            let row: u32 = rows.next().unwrap_or_default();
            let place = self.input_of(row);
            put(&mut self.input_spikes, place, number(input)?)?;
            put(&mut self.output_spikes, row as usize, number(output)?)
        })
    }
}

impl Probe for FfCurve {
    const KIND: &'static str = "Ff";
}

impl Record for FfCurve {
    fn table(&self, out: &mut dyn Write) -> io::Result<()> {
        let replicas = self.output.replicas();
        let header = replicas.header();
        writeln!(out, "{header}neuron,input_hz,output_hz,input_spikes,output_spikes")?;
        self.rows().iter().try_for_each(|row| {
            let FfRow { replica, neuron, input_hz, output_hz, input_spikes, output_spikes } = row;
            let replica = replicas.cell(*replica);
            writeln!(out, "{replica}{neuron},{input_hz},{output_hz},{input_spikes},{output_spikes}")
        })
    }

    fn further_table(&self, _: &str, out: &mut dyn Write) -> io::Result<()> {
        band::table("input_hz", &self.band(), out)
    }

    fn picture(&self, frame: Frame) -> Picture {
        let points: Vec<(f64, f64)> =
            self.rows().iter().map(|row| (row.input_hz, row.output_hz)).collect();
        let replicas = self.output.replicas();
        let shown = picture::thin(&points, MOST_DOTS);
        let mut note = counted(u64::from(replicas.count), "replica");
        if shown.len() < points.len() {
            note += &format!("; showing {} of {} neurons", shown.len(), points.len());
        }
        let band: Vec<_> = match replicas.count {
            1 => Vec::new(),
            _ => self.band().iter().map(BandRow::drawn).collect(),
        };
        picture::dots(&Dots {
            frame,
            x_label: "input rate (Hz)",
            y_label: "output rate (Hz)",
            points: &shown,
            band: &band,
            note: (replicas.count > 1 || shown.len() < points.len()).then_some(note),
            ..Dots::default()
        })
    }
}

impl Hears for FfCurve {
    fn hear(&mut self, window: &Window, spikes: &WindowSpikes) {
        self.input.hear_in_any_order(window, spikes, |_, _, k| self.input_spikes[k] += 1);
        self.output.hear_in_any_order(window, spikes, |_, _, k| self.output_spikes[k] += 1);
    }
}
