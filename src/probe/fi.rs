//! f–I curves: the rate of each neuron against its constant input, or against any other bias.

use std::io::{self, Write};

use bevy_ecs::prelude::*;

use super::band::{self, BandRow};
use super::listener::{self, Emitters, Hears, Listener};
use super::picture::{self, Dots, Frame, MOST_DOTS, Picture, counted, three_digits};
use super::tables::{number, put};
use super::{Probe, ProbeContext, ProbeKind, Quantity, Record, Span, Tables};
use crate::network::{Population, WindowSpikes};
use crate::scene::decode::Fields;
use crate::scene::diagnostics::{Diagnostics, suggest};
use crate::scene::{BiasPath, GroupId, Scene, Selection, write};
use crate::schedule::Window;
use crate::simulation::Simulation;
use crate::units::{self, Unit};

/// `Fi(of: "dpi", bias: "soma.Idc")`
#[derive(Debug, Clone)]
pub struct Fi {
    /// The population.
    pub of: usize,
    /// What is on the x axis.
    pub bias: BiasPath,
}

/// The names that models give their constant input.
const INPUTS: [&str; 2] = ["soma.Idc", "soma.dc"];

impl Fi {
    /// Reads the fields of the probe.
    pub fn read(fields: &mut Fields, context: &ProbeContext, dx: &mut Diagnostics) -> Option<Fi> {
        let of_at = fields.need(dx, "of", "the population whose rates are recorded");
        let bias_at = fields.get("bias");
        let of_at = of_at?;
        let of = context.names.population(&of_at, dx)?;
        let paths = context.names.model(of)?.bias_paths();
        let names: Vec<String> = paths.iter().map(ToString::to_string).collect();
        let known: Vec<&str> = names.iter().map(String::as_str).collect();
        let place = match &bias_at {
            None => {
                let found = known.iter().position(|name| INPUTS.contains(name));
                if found.is_none() {
                    of_at
                        .error(dx, "the model has no constant input `soma.Idc`")
                        .help("name the bias on the x axis, for example bias: \"soma.Itau\"");
                }
                found?
            }
            Some(at) => {
                let name = at.text(dx)?;
                let found = known.iter().position(|known| *known == name);
                if found.is_none() {
                    at.error(dx, format!("there is no bias `{name}`")).help(suggest(name, &known));
                }
                found?
            }
        };
        Some(Fi { of, bias: paths[place] })
    }
}

impl ProbeKind for Fi {
    fn name(&self) -> &'static str {
        FiCurve::KIND
    }

    fn fields(&self, scene: &Scene) -> Vec<(&'static str, String)> {
        let of = write::group(scene, GroupId::Population(self.of));
        vec![("of", of), ("bias", write::quoted(&self.bias.to_string()))]
    }

    fn bytes(&self, scene: &Scene, _: Span) -> u128 {
        // Index, count, input and closed form of each neuron.
        u128::from(scene.instances(GroupId::Population(self.of))) * 36
    }

    fn further_tables(&self, scene: &Scene) -> Vec<&'static str> {
        band::tables(scene)
    }

    fn quantities(&self, scene: &Scene) -> Vec<Quantity> {
        let bias = scene.populations[self.of].model.bias(self.bias);
        let unit = bias.map_or(Unit::One, |bias| bias.unit);
        let rate = Quantity::new("output_hz", "output rate", Unit::Hertz);
        vec![rate.against("input", &self.bias.to_string(), unit)]
    }

    fn spawn(&self, span: Span, probe: Entity, simulation: &mut Simulation) {
        let emitters = Emitters { of: GroupId::Population(self.of), neurons: Selection::All };
        let listener = Listener::new(simulation.scene(), &emitters, span);
        let counts = vec![0; listener.neurons().len()];
        let model = simulation.scene().populations[self.of].model.clone();
        let unit = model.bias(self.bias).map_or(Unit::One, |bias| bias.unit);
        let path = self.bias;
        let mut curve = FiCurve {
            listener,
            label: path.to_string(),
            unit,
            inputs: Vec::new(),
            closed_form: Vec::new(),
            counts,
        };
        let world = simulation.world_mut();
        let mut populations = world.query::<&Population>();
        if let Some(population) = populations.iter(world).find(|p| p.index == self.of) {
            for (k, soma) in population.neurons.iter().enumerate() {
                let circuit = population.circuits.iter().find(|(r, _)| Some(*r) == path.receptor);
                let entity = circuit.map_or(*soma, |(_, circuits)| circuits[k]);
                curve.inputs.push(model.0.instance(world, entity, path).unwrap_or(f64::NAN));
                curve.closed_form.push(model.0.steady_rate(world, *soma));
            }
        }
        listener::attach(curve, probe, simulation);
    }

    fn read_back(&self, mut probe: EntityWorldMut, tables: &Tables) -> Result<(), String> {
        probe.get_mut::<FiCurve>().map_or(Ok(()), |mut record| record.read_back(tables))
    }

    fn record<'w>(&self, probe: EntityRef<'w>) -> Option<&'w dyn Record> {
        probe.get::<FiCurve>().map(|curve| curve as &dyn Record)
    }
}

/// Counts the spikes of each neuron, against its input.
#[derive(Component, Debug, Clone)]
pub struct FiCurve {
    listener: Listener,
    /// The name of the bias on the x axis.
    label: String,
    unit: Unit,
    /// The bias of each neuron, in the SI unit.
    inputs: Vec<f64>,
    /// The rate of each neuron in closed form, Hz, where there is one.
    closed_form: Vec<Option<f64>>,
    counts: Vec<u64>,
}

/// A point of an f–I curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FiRow {
    /// The replica.
    pub replica: u32,
    /// The neuron's index in the scene.
    pub neuron: u32,
    /// Its input, in the SI unit.
    pub input: f64,
    /// Output spikes over recorded time, Hz.
    pub output_hz: f64,
    /// Output spikes.
    pub output_spikes: u64,
    /// The rate in closed form, Hz: of a DPI neuron without positive feedback, adaptation and gated
    /// input, under its constant input alone.
    pub closed_form_hz: Option<f64>,
}

impl FiCurve {
    /// One point per neuron, replica by replica.
    #[must_use]
    pub fn rows(&self) -> Vec<FiRow> {
        let replicas = self.listener.replicas();
        let row = |(index, spikes): (u32, &u64)| {
            let (replica, neuron) = replicas.split(index);
            FiRow {
                replica,
                neuron,
                input: self.inputs[index as usize],
                output_hz: self.listener.rate(*spikes),
                output_spikes: *spikes,
                closed_form_hz: self.closed_form[index as usize],
            }
        };
        (0..).zip(&self.counts).map(row).collect()
    }

    /// How the rate varies over replicas, for each neuron, at the mean of its inputs.
    #[must_use]
    pub fn band(&self) -> Vec<BandRow> {
        let replicas = self.listener.replicas();
        let mean = |neuron: u32| {
            let own =
                (0..replicas.count).map(|r| self.inputs[(r * replicas.size + neuron) as usize]);
            let first = self.inputs[neuron as usize];
            // Equal inputs stay equal, whatever their sum is rounded to.
            first + own.map(|input| input - first).sum::<f64>() / f64::from(replicas.count)
        };
        let inputs: Vec<f64> = (0..replicas.size).map(mean).collect();
        let rows = self.rows();
        band::band(rows.iter().map(|row| (inputs[row.neuron as usize], row.output_hz)).collect())
    }

    /// The lowest input at which each replica fires, in the SI unit: the rheobase as far as the inputs
    /// are close together and the record is long. None of a replica that is silent.
    #[must_use]
    pub fn rheobases(&self) -> Vec<Option<f64>> {
        let rows = self.rows();
        let firing = |replica| {
            let own =
                rows.iter().filter(move |row| row.replica == replica && row.output_spikes > 0);
            own.map(|row| row.input).min_by(f64::total_cmp)
        };
        (0..self.listener.replicas().count).map(firing).collect()
    }

    fn read_back(&mut self, tables: &Tables) -> Result<(), String> {
        self.listener.assume(tables.reached());
        let mut rows = 0..;
        tables.rows(["output_spikes"], |_, [spikes]| {
            put(&mut self.counts, rows.next().unwrap_or_default(), number(spikes)?)
        })
    }

    /// The unit in which the largest input has one to three digits before the point, and how many of
    /// it are one SI unit.
    fn shown_unit(&self) -> (String, f64) {
        let largest = self.inputs.iter().fold(0.0, |most: f64, input| most.max(input.abs()));
        units::scale(largest, self.unit)
    }
}

impl Probe for FiCurve {
    const KIND: &'static str = "Fi";
}

impl Record for FiCurve {
    fn table(&self, out: &mut dyn Write) -> io::Result<()> {
        let replicas = self.listener.replicas();
        writeln!(out, "{}neuron,input,output_hz,output_spikes,closed_form_hz", replicas.header())?;
        self.rows().iter().try_for_each(|row| {
            let FiRow { replica, neuron, input, output_hz, output_spikes, closed_form_hz } = row;
            let (replica, closed) = (replicas.cell(*replica), super::cell(*closed_form_hz));
            writeln!(out, "{replica}{neuron},{input:e},{output_hz},{output_spikes},{closed}")
        })
    }

    fn further_table(&self, _: &str, out: &mut dyn Write) -> io::Result<()> {
        band::table("input", &self.band(), out)
    }

    fn picture(&self, frame: Frame) -> Picture {
        let (symbol, scale) = self.shown_unit();
        let rows = self.rows();
        let points: Vec<(f64, f64)> =
            rows.iter().map(|row| (row.input * scale, row.output_hz)).collect();
        let shown = picture::thin(&points, MOST_DOTS);
        let replicas = self.listener.replicas();
        let drawn = |row: &BandRow| (row.x * scale, row.p05, row.median, row.p95);
        let band: Vec<_> = match replicas.count {
            1 => Vec::new(),
            _ => self.band().iter().map(drawn).collect(),
        };
        // Of the first replica: with mismatch each has its own.
        let first = rows.iter().take(replicas.size as usize);
        let mut closed: Vec<(f64, f64)> =
            first.filter_map(|row| Some((row.input * scale, row.closed_form_hz?))).collect();
        closed.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut notes = Vec::new();
        if replicas.count > 1 {
            notes.push(counted(u64::from(replicas.count), "replica"));
        }
        let mut rheobases: Vec<f64> = self.rheobases().into_iter().flatten().collect();
        rheobases.sort_by(f64::total_cmp);
        if !rheobases.is_empty() {
            let median = three_digits(band::quantile(&rheobases, 0.5));
            notes.push(format!("fires from {} on", units::format(median, self.unit)));
        }
        if shown.len() < points.len() {
            notes.push(format!("showing {} of {} neurons", shown.len(), points.len()));
        }
        picture::dots(&Dots {
            frame,
            x_label: &format!("{} ({symbol})", self.label),
            y_label: "output rate (Hz)",
            points: &shown,
            band: &band,
            curve: (&closed, "closed form"),
            note: (!notes.is_empty()).then(|| notes.join("; ")),
            ..Dots::default()
        })
    }
}

impl Hears for FiCurve {
    fn hear(&mut self, window: &Window, spikes: &WindowSpikes) {
        self.listener.hear_in_any_order(window, spikes, |_, _, k| self.counts[k] += 1);
    }
}
