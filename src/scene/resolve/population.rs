//! `"dpi": (size: 200, model: arcana(…), mismatch: {…}, biases: File("chip.csv"), init: {…})`.

use super::super::decode::At;
use super::super::diagnostics::{Diagnostics, suggest};
use super::super::files::{self, Folder};
use super::super::{BiasFile, BiasPath, Population};
use super::Names;
use crate::circuit::{Block, Domain, MismatchLaw, Model, Receptor, Soma, Synapse};
use crate::time::Time;
use crate::units::{self, Unit};

/// What has to wait until the connections have said which circuits exist.
pub struct Rest<'n> {
    at: At<'n>,
    mismatch: Option<At<'n>>,
    biases: Option<At<'n>>,
    init: Option<At<'n>>,
}

/// Reads size and model.
pub fn population<'n>(
    at: &At<'n>,
    names: &Names,
    dx: &mut Diagnostics,
) -> (Option<Population>, Option<Rest<'n>>) {
    let Some(mut fields) = at.fields(dx) else { return (None, None) };
    let size = super::size(&mut fields, dx);
    let model_at = fields.need(dx, "model", "for example model: arcana(soma: (…), ampa: (…))");
    let rest = Rest {
        at: at.clone(),
        mismatch: fields.get("mismatch"),
        biases: fields.get("biases"),
        init: fields.get("init"),
    };
    fields.close(dx);
    let model = model_at.and_then(|at| named_or_written(&at, names, dx));
    let population = model.map(|model| Population {
        // 0: unknown; whatever would need it is not checked.
        size: size.unwrap_or(0),
        model,
        mismatch: Vec::new(),
        biases: None,
        init: Vec::new(),
    });
    (population, Some(rest))
}

fn named_or_written(at: &At, names: &Names, dx: &mut Diagnostics) -> Option<Model> {
    let named = matches!(&at.node.value,
        super::super::tree::Value::Group { name: Some(name), .. } if name.text == "Named");
    if !named {
        return super::model::model(at, &["Named"], dx);
    }
    let name_at = at.variant(dx, "a model", &["Named"])?.single(dx, "\"fast\"")?;
    let name = name_at.text(dx)?;
    if let Some(model) = names.models.get(name) {
        return model.clone();
    }
    let valid: Vec<&str> = names.models.keys().map(String::as_str).collect();
    name_at
        .error(dx, format!("there is no model `{name}` in `models`"))
        .help(suggest(name, &valid));
    None
}

/// Reads mismatch, measured biases and initial values into a population.
pub fn finish(
    population: &mut Option<Population>,
    rest: Rest,
    folder: &mut Folder,
    dt: Option<Time>,
    dx: &mut Diagnostics,
) {
    let Some(population) = population else { return };
    let model = &population.model;
    if let Some(entries) = rest.mismatch.and_then(|at| at.map(dx)) {
        let mut mismatch = Vec::new();
        for (key, at) in entries {
            let path = bias_path(&key.text, model).map_err(|(message, help)| {
                dx.error(&at.path, key.span, message).help(help);
            });
            let law = law(&at, dx);
            if let (Ok(path), Some(law)) = (path, law) {
                mismatch.push((path, law));
            }
        }
        population.mismatch = mismatch;
    }
    if let Some(at) = rest.biases
        && population.size > 0
    {
        population.biases = bias_file(&at, population.size, model, folder, dx);
    }
    if let Some(entries) = rest.init.and_then(|at| at.map(dx)) {
        let valid = initial_values(model);
        let names: Vec<&str> = valid.iter().map(|(name, _)| *name).collect();
        let i0 = model.constants.i0;
        for (key, at) in entries {
            let Some((_, receptor)) = valid.iter().find(|(name, _)| *name == key.text) else {
                dx.error(&at.path, key.span, format!("there is no state variable `{}`", key.text))
                    .help(suggest(&key.text, &names));
                continue;
            };
            let Some(value) = at.quantity(dx, Unit::Ampere, Domain::Positive) else { continue };
            if value < i0 {
                let i0 = units::format(i0, Unit::Ampere);
                at.error(dx, format!("is below the dark current I0 = {i0}"))
                    .help("no current of a circuit is below I0");
                continue;
            }
            population.init.push((*receptor, value));
        }
    }
    if let Some(dt) = dt {
        warn_of_coarse_step(&population.model, dt, &rest.at, dx);
    }
}

/// The state variables that can be given initial values: those of circuits that exist.
fn initial_values(model: &Model) -> Vec<(&'static str, Option<Receptor>)> {
    let synapses = model.synapses.iter().map(|(r, _)| (r.variable(), Some(*r)));
    std::iter::once(("Imem", None)).chain(synapses).collect()
}

/// All bias names of a model: `soma.Itau`, `ampa.Iw`, …
fn bias_names(model: &Model) -> Vec<String> {
    let soma = Soma::biases(&model.forms).map(|b| format!("soma.{}", b.name));
    let synapses = model.synapses.iter().flat_map(|(receptor, _)| {
        Synapse::biases(&model.forms).map(move |b| format!("{}.{}", receptor.name(), b.name))
    });
    soma.chain(synapses).collect()
}

/// Reads `soma.Itau`; the error is a message and its remedy.
fn bias_path(name: &str, model: &Model) -> Result<BiasPath, (String, String)> {
    let (circuit, bias) = name.split_once('.').unwrap_or(("", name));
    let receptor = model.preset.circuits().iter().copied().find(|r| r.name() == circuit);
    let found = match receptor {
        Some(receptor) if model.off.contains(&receptor) => {
            return Err((
                format!("this population has no {circuit} circuit: the model says {circuit}: Off"),
                format!("leave {circuit}: Off out of the model"),
            ));
        }
        Some(receptor) if model.synapse(receptor).is_none() => {
            return Err((
                format!("this population has no {circuit} circuit: nothing connects to it"),
                format!(
                    "connect something to {circuit}, or mention it in the model: {circuit}: ()"
                ),
            ));
        }
        Some(receptor) => Synapse::bias(bias, &model.forms)
            .map(|b| BiasPath { receptor: Some(receptor), bias: b.name }),
        None if circuit == "soma" => {
            Soma::bias(bias, &model.forms).map(|b| BiasPath { receptor: None, bias: b.name })
        }
        None => None,
    };
    found.ok_or_else(|| {
        let names = bias_names(model);
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        // A bias without its circuit: every circuit that has one.
        let full: Vec<&str> = names
            .iter()
            .copied()
            .filter(|n| n.split_once('.').is_some_and(|(_, b)| b == name))
            .collect();
        let help = if full.is_empty() {
            suggest(name, &names)
        } else {
            format!("name its circuit, too: {}", full.join(", "))
        };
        (format!("there is no bias `{name}`"), help)
    })
}

fn law(at: &At, dx: &mut Diagnostics) -> Option<MismatchLaw> {
    let variant =
        at.variant(dx, "a mismatch law", &["LogNormal", "Gaussian", "TruncatedGaussian"])?;
    let mut fields = variant.fields(dx)?;
    let cv_at = fields.need(dx, "cv", "for example LogNormal(cv: 0.2)");
    fields.close(dx);
    let cv_at = cv_at?;
    let cv = cv_at.number(dx)?;
    if !(0.0..=1.0).contains(&cv) {
        let message = format!("the coefficient of variation must be between 0 and 1, but is {cv}");
        let fraction = cv / 100.0;
        cv_at.error(dx, message).help(if cv > 1.0 {
            // 0.20 rather than 0.2, but 0.015 as it is.
            let (short, whole) = (format!("{fraction:.2}"), format!("{fraction}"));
            let shown = if whole.len() > short.len() { whole } else { short };
            format!("did you mean {shown}? (0.20 is 20 %)")
        } else {
            "0.20 is 20 %".to_string()
        });
        return None;
    }
    Some(match variant.name {
        "LogNormal" => MismatchLaw::LogNormal { cv },
        "Gaussian" => MismatchLaw::Gaussian { cv },
        _ => MismatchLaw::TruncatedGaussian { cv },
    })
}

fn bias_file(
    at: &At,
    size: u64,
    model: &Model,
    folder: &mut Folder,
    dx: &mut Diagnostics,
) -> Option<BiasFile> {
    let path = at.variant(dx, "measured biases", &["File"])?.single(dx, "\"chip.csv\"")?;
    let file = folder.read(&path, dx)?;
    let column = |name: &str| bias_path(name, model).map(|_| ());
    let check = |name: &str, value: f64| {
        let path = bias_path(name, model).map_err(|(message, _)| message)?;
        let (unit, domain) = path.unit_and_domain(&model.forms);
        domain.check(value, unit)
    };
    let table = files::neuron_table(&file, size, column, check, &path, dx)?;
    check_thresholds(&table, model, &path, dx);
    let columns: Result<Vec<BiasPath>, _> =
        table.columns.iter().map(|name| bias_path(name, model)).collect();
    Some(BiasFile { file, columns: columns.ok()?, rows: table.rows.into() })
}

/// A measured threshold must be above the measured (or nominal) reset. (Where mismatch draws one of
/// them, the drawn instance is checked when it is made.)
fn check_thresholds(table: &files::NeuronTable, model: &Model, at: &At, dx: &mut Diagnostics) {
    let column = |name: &str| table.columns.iter().position(|c| c == name);
    let (th, reset) = (column("soma.Ith"), column("soma.Ireset"));
    if th.is_none() && reset.is_none() {
        return;
    }
    for (neuron, values) in &table.rows {
        let th = th.map_or(model.soma.i_th, |column| values[column]);
        let reset = reset.map_or(model.soma.i_reset, |column| values[column]);
        if th <= reset {
            let shown = |current| units::format(current, Unit::Ampere);
            let (th, reset) = (shown(th), shown(reset));
            at.error(dx, format!("neuron {neuron} has Ith = {th}, not above its Ireset = {reset}"))
                .help("correct the row of this neuron; values are in SI units");
            return;
        }
    }
}

/// A step longer than a time constant gives nonsense without any other sign of it, and so does one
/// so short that single precision loses what it adds.
fn warn_of_coarse_step(model: &Model, dt: Time, at: &At, dx: &mut Diagnostics) {
    let synapses = model.synapses.iter().map(|(r, s)| (r.name(), s.tau(&model.constants)));
    let soma = ("soma", model.soma.tau(&model.constants));
    for (name, tau) in synapses.clone().chain([soma]) {
        if dt.seconds() < 1e-6 * tau {
            let tau = units::rounded(tau, Unit::Second);
            let message =
                format!("the step dt = {dt} s is less than a millionth of τ of {name}, {tau}");
            dx.warning(&at.path, at.head(), message)
                .help("single precision loses what such a step adds; choose a longer one");
        }
    }
    for (name, tau) in synapses {
        if dt.seconds() > tau {
            let tau = units::rounded(tau, Unit::Second);
            dx.warning(
                &at.path,
                at.head(),
                format!("the step dt = {dt} s is longer than τ of {name}, {tau}"),
            )
            .help("choose a step well below the shortest time constant");
        }
    }
}
