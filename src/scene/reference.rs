//! What can be written in a scene, told by those who read it.
//!
//! Each reader is asked about a small scene that names the form it reads; what it looks for is what can
//! be written there. So the reference lacks no key that a reader knows, has none that it does not know, and
//! includes what plugins bring.

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use super::BiasPath;
use super::decode::At;
use super::diagnostics::{Diagnostics, Question};
use super::files::Folder;
use super::{resolve, sweep, tree, write};
use crate::circuit::{Domain, Receptor};
use crate::model::{Model, StateVariable};
use crate::plugins::Plugins;
use crate::units::{self, Unit};

/// Where a form stands: a scene with `{}` in its place, and its path.
type Place = (&'static str, &'static str);

/// The reference in Markdown.
#[must_use]
pub fn reference(plugins: &Plugins) -> String {
    let ask = Asking { plugins };
    let mut page = String::from(OPENING);
    page += &ask.keys("The scene", "scene.md#top-level", "(chip: Off)", "");
    page += &ask.forms("solver", "solvers.md", &[("(solver: {})", "solver")]);
    page += &ask.forms("chip", "scene.md#chip", &[("(chip: {})", "chip")]);
    page += &ask.forms("sweep", "scene.md#sweeps", &[("(sweep: {})", "sweep")]);
    page += &ask.forms("values of a sweep", "scene.md#sweeps", &[(VALUES, "sweep.seed")]);
    page += "## Models\n\n";
    let shared = "Keys of a model are its settings, `soma`, and its circuits; a circuit can also be \
                  `Off`. `mismatch`, `biases` and probes name a bias with its block: `soma.Itau`.\n\n";
    page += shared;
    for name in plugins.models() {
        page += &ask.model(name).unwrap_or_default();
    }
    page += &ask.forms("feedback, refractory and pulse", "scene.md#populations", &FORMS);
    page += "## Sources\n\n";
    page += &ask.keys("A source", "scene.md#sources", SOURCE, "sources.s");
    page += &ask.forms("train", "scene.md#sources", &[(TRAIN, "sources.s.train")]);
    page += &ask.forms("rates", "scene.md#sources", &[(RATES, "sources.s.train.rates")]);
    page += "## Populations\n\n";
    page += &ask.keys("A population", "scene.md#populations", GROUPS, "populations.p");
    page += &ask.forms("mismatch", "mismatch.md", &[(LAW, "populations.p.mismatch.\"soma.Itau\"")]);
    page += &ask.forms("biases", "scene.md#populations", &[(BIASES, "populations.p.biases")]);
    page += &ask.forms("dc", "scene.md#populations", &[(DC, "populations.p.dc")]);
    page += "## Connections\n\n";
    page += &ask.keys("A connection", "scene.md#connections", CONNECTION, "connections.0");
    page += &ask.forms("rule", "scene.md#connections", &[(RULE, "connections.0.rule")]);
    let laws = [(WEIGHT, "connections.0.weight")];
    page += &ask.forms("weight and delay, drawn", "scene.md#connections", &laws);
    let cuts = [(NEURONS, "connections.0.neurons")];
    page += &ask.forms("neurons and to_neurons", "scene.md#connections", &cuts);
    page += &ask.forms("plasticity", "plugins.md", &[(PLASTICITY, "connections.0.plasticity")]);
    page += "## Probes\n\n";
    page += &ask.forms("A probe", "scene.md#probes", &[(PROBE, "probes.x")]);
    page += &ask.forms("format", "results.md#formats", &[(FORMAT, "probes.x.format")]);
    page
}

const OPENING: &str = "\
# Reference of names

All that can be written in a scene, as the program that reads it says: `picoamp reference` prints this
page. What the parts mean is told in [the scene file](scene.md).

";

const VALUES: &str = "(sweep: {\"seed\": {}})";
const SOURCE: &str = "(sources: {\"s\": ()})";
const TRAIN: &str = "(sources: {\"s\": (size: 2, train: {})})";
const RATES: &str = "(sources: {\"s\": (size: 2, train: Poisson(rates: {}))})";
const GROUPS: &str = "(populations: {\"p\": ()})";
const LAW: &str =
    "(populations: {\"p\": (size: 2, model: dynapse1(), mismatch: {\"soma.Itau\": {}})})";
const BIASES: &str = "(populations: {\"p\": (size: 2, model: dynapse1(), biases: {})})";
const DC: &str = "(populations: {\"p\": (size: 2, model: dynapse1(), dc: {})})";
const CONNECTION: &str = "(connections: [()])";
const RULE: &str = "(connections: [(rule: {})])";
const WEIGHT: &str = "(connections: [(weight: {})])";
const NEURONS: &str = "(connections: [(neurons: {})])";
const PLASTICITY: &str = "(connections: [(plasticity: {})])";
const PROBE: &str = "(probes: {\"x\": {}})";
const FORMAT: &str = "(probes: {\"x\": Trace(format: {})})";
const FORMS: [Place; 3] = [
    ("(models: {\"m\": dynapse1(feedback: {})})", "models.m.feedback"),
    ("(models: {\"m\": dynapse1(refractory: {})})", "models.m.refractory"),
    ("(models: {\"m\": dynapse1(pulse: {})})", "models.m.pulse"),
];

/// Asks the readers of scenes.
struct Asking<'p> {
    plugins: &'p Plugins,
}

impl Asking<'_> {
    /// What readers look for at a path of a scene.
    fn about(&self, scene: &str, path: &str) -> Vec<Question> {
        let mut dx = Diagnostics::with_questions();
        if let Some(root) = tree::parse(&Arc::from(scene), 0, &mut dx) {
            // That the scene is not complete is no matter.
            let mut folder = Folder::new(Path::new("."));
            resolve::resolve(&root, self.plugins, "scene", &mut folder, &mut dx);
            let _ = sweep::read(&root, &mut dx);
        }
        let questions = dx.into_questions().into_iter();
        questions.filter(|(of, _)| of == path).map(|(_, question)| question).collect()
    }

    /// A table of the keys of a group.
    fn keys(&self, what: &str, page: &str, scene: &str, path: &str) -> String {
        let mut text = format!("### {what}\n\n[explained here]({page})\n\n");
        text += "| must have | may have |\n|---|---|\n";
        let _ = writeln!(text, "| {} |\n", needs(&self.about(scene, path)));
        text
    }

    /// A table of the forms that can stand at each of some places; nothing where none can.
    fn forms(&self, what: &str, page: &str, places: &[Place]) -> String {
        let mut rows = String::new();
        for (scene, path) in places {
            let names = self.about(&scene.replace("{}", "Unknown()"), path);
            let names = names.into_iter().find_map(|question| match question {
                Question::Names(names) => Some(names),
                _ => None,
            });
            for name in names.unwrap_or_default() {
                let questions = self.about(&scene.replace("{}", &format!("{name}()")), path);
                let _ = writeln!(rows, "| `{name}` | {} |", needs(&questions));
            }
        }
        if rows.is_empty() {
            return rows;
        }
        format!(
            "### {what}\n\n[explained here]({page})\n\n| form | must have | may have \
             |\n|---|---|---|\n{rows}\n"
        )
    }

    /// A model with the table of its biases.
    fn model(&self, name: &str) -> Option<String> {
        let mut dx = Diagnostics::default();
        let root = tree::parse(&Arc::from(format!("{name}()")), 0, &mut dx)?;
        let mut model = resolve::model::model(&At::root(&root), self.plugins, &[], &mut dx)?;
        let circuits = model.0.all_circuits();
        circuits.iter().for_each(|circuit| model.0.ensure_circuit(*circuit));
        let mut text = format!("### `{name}`\n\n");
        let receptors: Vec<String> = model.0.receptors().iter().map(|r| code(r.name())).collect();
        let variables = model.variables();
        let shown = |v: &StateVariable| match v.unit.symbol() {
            "" => code(v.variable.name()),
            symbol => format!("{} ({symbol})", code(v.variable.name())),
        };
        let variables: Vec<String> = variables.iter().map(shown).collect();
        let _ = writeln!(text, "- receptors: {}", receptors.join(", "));
        let _ = writeln!(text, "- state variables: {}", variables.join(", "));
        let taus = model.0.time_constants();
        let tau = |(circuit, tau): &(&str, f64)| {
            format!("{circuit} {}", units::rounded(*tau, Unit::Second))
        };
        if !taus.is_empty() {
            let taus: Vec<String> = taus.iter().map(tau).collect();
            let _ = writeln!(text, "- time constants at the defaults: {}", taus.join(", "));
        }
        let rounded = if model.0.rounds_weights() { "are rounded" } else { "act as given" };
        let _ = writeln!(text, "- weights {rounded}");
        let solver = if model.0.is_event_driven() { "from event to event" } else { "by steps" };
        let _ = writeln!(text, "- the solver `Event` advances it {solver}\n");
        let settings = model.0.settings();
        if !settings.is_empty() {
            text += "| setting | default |\n|---|---|\n";
            for (key, value) in settings {
                let _ = writeln!(text, "| `{key}` | `{value}` |");
            }
            text += "\n";
        }
        text += "| bias | unit | default | allowed | what it is |\n|---|---|---|---|---|\n";
        text += &biases(&model, None);
        for circuit in circuits {
            text += &biases(&model, Some(*circuit));
        }
        Some(text + "\n")
    }
}

/// The rows of a block's biases.
fn biases(model: &Model, receptor: Option<Receptor>) -> String {
    let mut rows = String::new();
    for bias in model.biases(receptor) {
        let path = BiasPath { receptor, bias: bias.name };
        let default = match model.nominal(path) {
            Some(value) if !value.is_nan() => code(&write::quantity(value, bias.unit)),
            _ => "must be given".to_string(),
        };
        let allowed = match bias.domain {
            Domain::Any => "any",
            Domain::Positive => "> 0",
            Domain::NonNegative => "≥ 0",
        };
        let unit = if bias.unit == Unit::One { "–" } else { bias.unit.symbol() };
        let _ = writeln!(rows, "| `{path}` | {unit} | {default} | {allowed} | {} |", bias.doc);
    }
    rows
}

/// What must and what may stand in the parentheses: two cells.
fn needs(questions: &[Question]) -> String {
    let (mut must, mut may): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    for question in questions {
        match question {
            Question::Value(example) => must.push(format!("one value: {}", code(example))),
            Question::Fields(fields) => {
                for (key, is_needed) in fields {
                    let list = if *is_needed { &mut must } else { &mut may };
                    list.push(code(key));
                }
            }
            Question::Names(_) => {}
        }
    }
    for list in [&mut must, &mut may] {
        let mut seen: Vec<String> = Vec::new();
        list.retain(|key| {
            let is_new = !seen.contains(key);
            seen.push(key.clone());
            is_new
        });
    }
    may.retain(|key| !must.contains(key));
    let cell = |list: &[String]| if list.is_empty() { "–".into() } else { list.join(", ") };
    format!("{} | {}", cell(&must), cell(&may))
}

fn code(text: &str) -> String {
    format!("`{text}`")
}
