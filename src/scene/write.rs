//! A decided scene as RON: every default filled in, itself a valid scene that gives the same run.

use std::fmt::Write as _;

use super::files::InputFile;
use super::{
    Connection, GroupId, Population, Probe, Rates, Scene, Selection, Solver, Source, Train,
};
use crate::circuit::forms::{FeedbackForm, PulseForm, RefractoryForm};
use crate::circuit::{Block, Forms, Model};
use crate::network::{Pairs, Rule};
use crate::time::Time;
use crate::units::{self, Unit};

/// The scene as RON. `file_path` says where an input file is found from the new text's place: as
/// typed, or among the copies of a results folder.
#[must_use]
pub fn to_ron(scene: &Scene, file_path: impl Fn(&InputFile) -> String) -> String {
    let mut out = String::from("(\n    format: 1,\n");
    let mut line = |text: String| {
        let _ = writeln!(out, "    {text},");
    };
    line(format!("name: {}", quoted(&scene.name)));
    line(format!("seed: {}", scene.seed));
    line(format!("duration: {}", time(scene.duration)));
    line(format!("window: {}", time(scene.window)));
    let Solver::Euler { dt } = scene.solver;
    line(format!("solver: Euler(dt: {})", time(dt)));
    let file_path = |file: &InputFile| quoted(&file_path(file));
    let sources = scene.sources.iter().map(|(name, s)| (name, source(s, &file_path)));
    line(format!("sources: {}", map(sources)));
    let populations = scene.populations.iter().map(|(name, p)| (name, population(p, &file_path)));
    line(format!("populations: {}", map(populations)));
    let connections: Vec<String> =
        scene.connections.iter().map(|c| format!("        {},\n", connection(scene, c))).collect();
    line(if connections.is_empty() {
        "connections: []".to_string()
    } else {
        format!("connections: [\n{}    ]", connections.concat())
    });
    line(format!("probes: {}", map(scene.probes.iter().map(|(k, p)| (k, probe(scene, p))))));
    out.push_str(")\n");
    out
}

/// `{ "name": value, … }`, one entry per line, inside the top level.
fn map<'n>(entries: impl Iterator<Item = (&'n String, String)>) -> String {
    let lines: Vec<String> =
        entries.map(|(name, value)| format!("        {}: {value},\n", quoted(name))).collect();
    if lines.is_empty() { "{}".to_string() } else { format!("{{\n{}    }}", lines.concat()) }
}

/// A RON string literal.
#[must_use]
pub fn quoted(text: &str) -> String {
    // Strings serialize without failure; the fallback only spares a panic.
    ron::to_string(text).unwrap_or_else(|_| format!("{text:?}"))
}

/// A quantity in SI units with its unit; reads back exactly.
#[must_use]
pub fn quantity(value: f64, unit: Unit) -> String {
    if unit == Unit::One { units::format(value, unit) } else { quoted(&units::format(value, unit)) }
}

/// A time, exact to the picosecond.
#[must_use]
pub fn time(time: Time) -> String {
    let ps = time.picoseconds();
    let (divisor, unit) =
        [(1_000_000_000_000, "s"), (1_000_000_000, "ms"), (1_000_000, "us"), (1000, "ns")]
            .into_iter()
            .find(|(divisor, _)| ps.is_multiple_of(*divisor))
            .unwrap_or((1, "ps"));
    format!("\"{} {unit}\"", ps / divisor)
}

fn source(source: &Source, file_path: &dyn Fn(&InputFile) -> String) -> String {
    let train = match &source.train {
        Train::Regular { rates: r, grid: Some(grid) } => {
            format!("Regular(rates: {}, grid: {})", rates(r), time(*grid))
        }
        Train::Regular { rates: r, grid: None } => format!("Regular(rates: {})", rates(r)),
        Train::Poisson { rates: r } => format!("Poisson(rates: {})", rates(r)),
        Train::Spikes(spikes) => {
            let list: Vec<String> =
                spikes.iter().map(|(index, t)| format!("({index}, {})", time(*t))).collect();
            format!("Spikes([{}])", list.join(", "))
        }
        Train::File(file, _) => format!("File({})", file_path(file)),
    };
    format!("(size: {}, train: {train})", source.size)
}

fn rates(rates: &Rates) -> String {
    let hertz = |rate: f64| quantity(rate, Unit::Hertz);
    match rates {
        Rates::One(rate) => hertz(*rate),
        Rates::Linear { from, to } => format!("Linear(from: {}, to: {})", hertz(*from), hertz(*to)),
        Rates::List(list) => {
            let list: Vec<String> = list.iter().map(|rate| hertz(*rate)).collect();
            format!("List([{}])", list.join(", "))
        }
    }
}

fn population(population: &Population, file_path: &dyn Fn(&InputFile) -> String) -> String {
    let mut fields =
        vec![format!("size: {}", population.size), format!("model: {}", model(&population.model))];
    if !population.mismatch.is_empty() {
        let entries: Vec<String> = population
            .mismatch
            .iter()
            .map(|(path, law)| {
                let cv = units::format(law.cv(), Unit::One);
                format!("                \"{path}\": {}(cv: {cv}),\n", law.name())
            })
            .collect();
        fields.push(format!("mismatch: {{\n{}            }}", entries.concat()));
    }
    if let Some(biases) = &population.biases {
        fields.push(format!("biases: File({})", file_path(&biases.file)));
    }
    if !population.init.is_empty() {
        let entries: Vec<String> = population
            .init
            .iter()
            .map(|(receptor, value)| {
                let name = receptor.map_or("Imem", |r| r.variable());
                format!("\"{name}\": {}", quantity(*value, Unit::Ampere))
            })
            .collect();
        fields.push(format!("init: {{ {} }}", entries.join(", ")));
    }
    let lines: Vec<String> = fields.iter().map(|f| format!("            {f},\n")).collect();
    format!("(\n{}        )", lines.concat())
}

fn model(model: &Model) -> String {
    let (constants, forms) = (&model.constants, &model.forms);
    let feedback = name_of(&FeedbackForm::NAMES, forms.feedback);
    let refractory = name_of(&RefractoryForm::NAMES, forms.refractory);
    let pulse = match forms.pulse {
        PulseForm::Ideal => "Ideal".to_string(),
        PulseForm::Width(width) => format!("Width({})", time(width)),
    };
    let mut parts = vec![
        format!("I0: {}", quantity(constants.i0, Unit::Ampere)),
        format!("UT: {}", quantity(constants.ut, Unit::Volt)),
        format!("kappa: {}", quantity(constants.kappa, Unit::One)),
        format!("feedback: {feedback}"),
        format!("refractory: {refractory}"),
        format!("pulse: {pulse}"),
        format!("soma: {}", block(&model.soma, forms)),
    ];
    for (receptor, synapse) in &model.synapses {
        parts.push(format!("{}: {}", receptor.name(), block(synapse, forms)));
    }
    for receptor in &model.off {
        parts.push(format!("{}: Off", receptor.name()));
    }
    let lines: Vec<String> = parts.iter().map(|p| format!("                {p},\n")).collect();
    format!("{}(\n{}            )", model.preset.name(), lines.concat())
}

/// The name of a form in a table of all of them.
fn name_of<F: PartialEq>(names: &[(&'static str, F)], form: F) -> &'static str {
    names.iter().find(|(_, known)| *known == form).map_or("", |(name, _)| name)
}

fn block<B: Block>(block: &B, forms: &Forms) -> String {
    let biases: Vec<String> = B::biases(forms)
        .map(|bias| format!("{}: {}", bias.name, quantity((bias.get)(block), bias.unit)))
        .collect();
    format!("({})", biases.join(", "))
}

/// The name of a source or population.
#[must_use]
pub fn group(scene: &Scene, group: GroupId) -> String {
    quoted(scene.group_name(group))
}

/// A choice of neurons.
#[must_use]
pub fn selection(selection: &Selection) -> String {
    match selection {
        Selection::All => "All".to_string(),
        Selection::Range { from, to } => format!("Range(from: {from}, to: {to})"),
        Selection::List(list) => {
            let list: Vec<String> = list.iter().map(u32::to_string).collect();
            format!("[{}]", list.join(", "))
        }
    }
}

fn connection(scene: &Scene, c: &Connection) -> String {
    let pairs = |pairs: Pairs| {
        let Pairs { self_connections, multiple_edges } = pairs;
        format!("self_connections: {self_connections}, multiple_edges: {multiple_edges}")
    };
    let rule = match c.rule {
        Rule::OneToOne => "OneToOne".to_string(),
        Rule::AllToAll { self_connections } => {
            format!("AllToAll(self_connections: {self_connections})")
        }
        Rule::FixedProbability { p, self_connections } => {
            let p = units::format(p, Unit::One);
            format!("FixedProbability(p: {p}, self_connections: {self_connections})")
        }
        Rule::FixedInDegree { k, pairs: p } => format!("FixedInDegree(k: {k}, {})", pairs(p)),
        Rule::FixedOutDegree { k, pairs: p } => format!("FixedOutDegree(k: {k}, {})", pairs(p)),
        Rule::FixedTotal { n, pairs: p } => format!("FixedTotal(n: {n}, {})", pairs(p)),
    };
    format!(
        "(name: {}, from: {}, neurons: {}, to: {}, to_neurons: {}, receptor: {}, rule: {rule}, \
         weight: {}, delay: {})",
        quoted(&c.name),
        group(scene, c.from),
        selection(&c.from_neurons),
        group(scene, GroupId::Population(c.to)),
        selection(&c.to_neurons),
        c.receptor.name(),
        units::format(c.weight, Unit::One),
        time(c.delay),
    )
}

fn probe(scene: &Scene, probe: &Probe) -> String {
    let mut fields = probe.kind.fields(scene);
    match (probe.span.from, probe.span.to) {
        (Time::ZERO, Time::MAX) => {}
        (from, Time::MAX) => fields.push(("window", format!("(from: {})", time(from)))),
        (from, to) => fields.push(("window", format!("(from: {}, to: {})", time(from), time(to)))),
    }
    let fields: Vec<String> = fields.iter().map(|(key, value)| format!("{key}: {value}")).collect();
    format!("{}({})", probe.kind.name(), fields.join(", "))
}
