//! A decided scene as RON: every default filled in, itself a valid scene that gives the same run.

use std::fmt::Write as _;

use super::chip::Chip;
use super::files::InputFile;
use super::{
    BiasPath, BiasSource, BiasValues, Connection, GivenBiases, GroupId, Population, Probe, Scene,
    Selection, Solver, Source,
};
use crate::circuit::{Receptor, Waveform};
use crate::model::{Model, Read};
use crate::network::law::Law;
use crate::network::{ListedEdge, Pairs, Rule};
use crate::time::Time;
use crate::units::{self, Unit};

/// The scene as RON. `file_path` says where an input file is found from the new text's place: as
/// typed, or among the copies of a results folder.
#[must_use]
pub fn to_ron(scene: &Scene, file_path: impl Fn(&InputFile) -> String) -> String {
    let comment =
        scene.comment.lines().map(|line| format!("// {line}").trim_end().to_string() + "\n");
    let mut out = comment.collect::<String>() + "(\n    format: 1,\n";
    let mut line = |text: String| {
        let _ = writeln!(out, "    {text},");
    };
    line(format!("name: {}", quoted(&scene.name)));
    line(format!("seed: {}", scene.seed));
    line(format!("replicas: {}", scene.replicas));
    line(format!("duration: {}", time(scene.duration)));
    line(format!("window: {}", time(scene.window)));
    line(format!("solver: {}", solver(scene.solver)));
    let file_path = |file: &InputFile| quoted(&file_path(file));
    let sources = scene.sources.iter().map(|(name, s)| (name, source(s, &file_path)));
    line(format!("sources: {}", map(sources)));
    let populations = scene.populations.iter().map(|(name, p)| (name, population(p, &file_path)));
    line(format!("populations: {}", map(populations)));
    let connections = scene.connections.iter();
    let connections: Vec<String> =
        connections.map(|c| format!("        {},\n", connection(scene, c, &file_path))).collect();
    line(if connections.is_empty() {
        "connections: []".to_string()
    } else {
        format!("connections: [\n{}    ]", connections.concat())
    });
    line(format!("probes: {}", map(scene.probes.iter().map(|(k, p)| (k, probe(scene, p))))));
    line(format!("chip: {}", scene.chip.as_ref().map_or("Off".into(), |c| chip(scene, c))));
    out.push_str(")\n");
    out
}

fn solver(solver: Solver) -> String {
    match solver {
        Solver::Event { tolerance, step } => {
            format!("Event(tolerance: {}, step: {})", time(tolerance), time(step))
        }
        Solver::Euler { dt } => format!("Euler(dt: {})", time(dt)),
    }
}

/// `{ "name": value, … }`, one entry per line, inside the top level.
fn map<'n>(entries: impl Iterator<Item = (&'n String, String)>) -> String {
    let lines: Vec<String> =
        entries.map(|(name, value)| format!("        {}: {value},\n", quoted(name))).collect();
    if lines.is_empty() { "{}".to_string() } else { format!("{{\n{}    }}", lines.concat()) }
}

/// The items of a list, long ones over several lines.
#[must_use]
pub fn lines(items: &[String]) -> String {
    const ROW: usize = 8;
    if items.len() <= ROW {
        return items.join(", ");
    }
    let rows: Vec<String> = items.chunks(ROW).map(|row| row.join(", ")).collect();
    format!("\n            {},\n        ", rows.join(",\n            "))
}

/// A RON string literal.
#[must_use]
pub fn quoted(text: &str) -> String {
    // Strings serialize without failure; the fallback only spares a panic.
    ron::to_string(text).unwrap_or_else(|_| format!("{text:?}"))
}

/// A quantity as scenes have it, a string with its unit: `"4 pA"`.
#[must_use]
pub fn quantity(value: f64, unit: Unit) -> String {
    if unit == Unit::One { units::format(value, unit) } else { quoted(&units::format(value, unit)) }
}

/// A time, exact to the picosecond: `"1 ms"`.
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
    format!("(size: {}, train: {})", source.size, source.train.ron(file_path))
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
        fields.push(format!("biases: {}", given_biases(biases, &population.model, file_path)));
    }
    if !population.init.is_empty() {
        let entries: Vec<String> = population
            .init
            .iter()
            .filter_map(|(receptor, value)| {
                let read = receptor.map_or(Read::Membrane, Read::Circuit);
                let variables = population.model.variables();
                let found = variables.iter().find(|v| v.read == read)?;
                Some(format!("\"{}\": {}", found.variable.name(), quantity(*value, found.unit)))
            })
            .collect();
        fields.push(format!("init: {{ {} }}", entries.join(", ")));
    }
    if let (Some(dc), Some(unit)) = (&population.dc, population.model.0.dc_unit()) {
        fields.push(format!("dc: {}", waveform(dc, unit, file_path)));
    }
    let lines: Vec<String> = fields.iter().map(|f| format!("            {f},\n")).collect();
    format!("(\n{}        )", lines.concat())
}

fn given_biases(
    biases: &GivenBiases,
    model: &Model,
    file_path: &dyn Fn(&InputFile) -> String,
) -> String {
    let values = match &biases.source {
        BiasSource::File(file) => return format!("File({})", file_path(file)),
        BiasSource::Scene(values) => values,
    };
    let entry = |(path, values): (&BiasPath, &BiasValues)| {
        let unit = model.bias(*path).map_or(Unit::One, |bias| bias.unit);
        let values = match values {
            BiasValues::Linear { from, to } => {
                let [from, to] = [from, to].map(|value| quantity(*value, unit));
                format!("Linear(from: {from}, to: {to})")
            }
            BiasValues::List(list) => {
                let list: Vec<String> = list.iter().map(|v| quantity(*v, unit)).collect();
                format!("List([{}])", lines(&list))
            }
        };
        format!("\"{path}\": {values}")
    };
    let entries: Vec<String> = biases.columns.iter().zip(values).map(entry).collect();
    format!("Given({{ {} }})", entries.join(", "))
}

fn model(model: &Model) -> String {
    let block = |circuit: Option<Receptor>| {
        let biases = model.biases(circuit).into_iter().map(|bias| {
            let path = BiasPath { receptor: circuit, bias: bias.name };
            let value = model.nominal(path).unwrap_or_default();
            format!("{}: {}", bias.name, quantity(value, bias.unit))
        });
        format!("({})", biases.collect::<Vec<_>>().join(", "))
    };
    let circuits = model.circuits();
    let mut parts: Vec<String> =
        model.0.settings().iter().map(|(key, value)| format!("{key}: {value}")).collect();
    parts.push(format!("soma: {}", block(None)));
    parts.extend(circuits.present.iter().map(|r| format!("{}: {}", r.name(), block(Some(*r)))));
    parts.extend(circuits.off.iter().map(|r| format!("{}: Off", r.name())));
    let lines: Vec<String> = parts.iter().map(|p| format!("                {p},\n")).collect();
    format!("{}(\n{}            )", model.name(), lines.concat())
}

/// A direct input that changes in time.
pub(super) fn waveform(
    waveform: &Waveform,
    unit: Unit,
    file_path: &dyn Fn(&InputFile) -> String,
) -> String {
    match waveform {
        Waveform::Steps(steps) => {
            let step =
                |(t, value): &(Time, f64)| format!("({}, {})", time(*t), quantity(*value, unit));
            format!("Steps([{}])", lines(&steps.iter().map(step).collect::<Vec<_>>()))
        }
        Waveform::Ramp { from, to, start, end } => {
            let [from, to] = [from, to].map(|value| quantity(*value, unit));
            format!("Ramp(from: {from}, to: {to}, start: {}, end: {})", time(*start), time(*end))
        }
        Waveform::File(file, _) => format!("File({})", file_path(file)),
    }
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
            format!("[{}]", lines(&list))
        }
    }
}

fn connection(scene: &Scene, c: &Connection, file_path: &dyn Fn(&InputFile) -> String) -> String {
    let pairs = |pairs: Pairs| {
        let Pairs { self_connections, multiple_edges } = pairs;
        format!("self_connections: {self_connections}, multiple_edges: {multiple_edges}")
    };
    let rule = match &c.rule {
        Rule::OneToOne => "OneToOne".to_string(),
        Rule::AllToAll { self_connections } => {
            format!("AllToAll(self_connections: {self_connections})")
        }
        Rule::FixedProbability { p, self_connections } => {
            let p = units::format(*p, Unit::One);
            format!("FixedProbability(p: {p}, self_connections: {self_connections})")
        }
        Rule::FixedInDegree { k, pairs: p } => format!("FixedInDegree(k: {k}, {})", pairs(*p)),
        Rule::FixedOutDegree { k, pairs: p } => format!("FixedOutDegree(k: {k}, {})", pairs(*p)),
        Rule::FixedTotal { n, pairs: p } => format!("FixedTotal(n: {n}, {})", pairs(*p)),
        Rule::List(edges) => {
            let edges: Vec<String> = edges.iter().map(listed_edge).collect();
            format!("List([{}])", lines(&edges))
        }
        Rule::File(file, _) => format!("File({})", file_path(file)),
    };
    // What each edge of a list says for itself is not said for all of them.
    let listed = c.rule.listed().map_or(&[][..], |edges| edges);
    let mut more = String::new();
    if listed.iter().all(|edge| edge.weight.is_none()) {
        more += &format!(", weight: {}", law(&c.weight.law, |w| units::format(w, Unit::One)));
    }
    if listed.iter().all(|edge| edge.delay.is_none()) {
        more += &format!(", delay: {}", law(&c.delay.0, time));
    }
    if let Some(rule) = &c.plasticity {
        let fields: Vec<String> =
            rule.fields().iter().map(|(key, value)| format!("{key}: {value}")).collect();
        more += &format!(", plasticity: {}({})", rule.name(), fields.join(", "));
    }
    format!(
        "(name: {}, from: {}, neurons: {}, to: {}, to_neurons: {}, receptor: {}, \
         rule: {rule}{more})",
        quoted(&c.name),
        group(scene, c.from),
        selection(&c.from_neurons),
        group(scene, GroupId::Population(c.to)),
        selection(&c.to_neurons),
        c.receptor.name(),
    )
}

fn listed_edge(edge: &ListedEdge) -> String {
    let ListedEdge { source, target, weight, delay } = edge;
    let weight = weight.map_or(String::new(), |w| format!(", {}", units::format(w, Unit::One)));
    let delay = delay.map_or(String::new(), |d| format!(", {}", time(d)));
    format!("({source}, {target}{weight}{delay})")
}

fn law<T: Copy>(law: &Law<T>, value: impl Fn(T) -> String) -> String {
    match *law {
        Law::One(one) => value(one),
        Law::Uniform { from, to } => format!("Uniform(from: {}, to: {})", value(from), value(to)),
        Law::Normal { mean, sd, min, max } => {
            let [mean, sd, min, max] = [mean, sd, min, max].map(value);
            format!("Normal(mean: {mean}, sd: {sd}, min: {min}, max: {max})")
        }
    }
}

fn chip(scene: &Scene, chip: &Chip) -> String {
    let cores = chip.cores.iter().map(|(population, cores)| {
        format!("{}: {cores:?}", group(scene, GroupId::Population(*population)))
    });
    format!(
        "Dynapse1(chips: {}, cores_per_chip: {}, neurons_per_core: {}, fan_in: {}, cores: {{ {} }})",
        chip.chips,
        chip.cores_per_chip,
        chip.neurons_per_core,
        chip.fan_in,
        cores.collect::<Vec<_>>().join(", "),
    )
}

fn probe(scene: &Scene, probe: &Probe) -> String {
    let mut fields = probe.kind.fields(scene);
    match (probe.span.from, probe.span.to) {
        (Time::ZERO, Time::MAX) => {}
        (from, Time::MAX) => fields.push(("window", format!("(from: {})", time(from)))),
        (from, to) => fields.push(("window", format!("(from: {}, to: {})", time(from), time(to)))),
    }
    // Where there is a choice.
    if probe.kind.formats().len() > 1 {
        fields.push(("format", probe.format.name().to_string()));
    }
    let fields: Vec<String> = fields.iter().map(|(key, value)| format!("{key}: {value}")).collect();
    format!("{}({})", probe.kind.name(), fields.join(", "))
}
