//! `arcana(soma: (Itau: "4 pA", …), ampa: (…))`: a model and what a scene changes of it.

use super::super::decode::{At, Fields, Variant};
use super::super::diagnostics::Diagnostics;
use crate::circuit::{Bias, Block};
use crate::model::{Conflict, Model, NeuronModel, Nominal};
use crate::plugins::Plugins;
use crate::units::{self, Unit};

/// Reads a model that is written out. `others` are the further forms that the caller takes, for
/// messages.
pub fn model(at: &At, plugins: &Plugins, others: &[&str], dx: &mut Diagnostics) -> Option<Model> {
    let mut names: Vec<&str> = plugins.models();
    names.extend(others);
    let variant = at.open_variant(dx, "a model", &names)?;
    let read = plugins.model(variant.name)?;
    read(&variant, dx)
}

/// Reads what stands in the parentheses of a model.
pub(crate) fn read<M: NeuronModel>(
    mut model: M,
    variant: &Variant,
    dx: &mut Diagnostics,
) -> Option<Model> {
    let mut fields = variant.fields(dx)?;
    model.read_settings(&mut fields, dx);
    let mut soma = model.soma();
    let soma_at = fields.get("soma");
    let mut readable = true;
    if let Some(at) = &soma_at {
        match at.fields(dx) {
            Some(block) => biases(&mut soma, &model.soma_biases(), block, dx),
            None => readable = false,
        }
    }
    let (mut synapses, mut off) = (Vec::new(), Vec::new());
    let table: Vec<&Bias<M::Synapse>> = M::Synapse::BIASES.iter().collect();
    for &circuit in model.circuits() {
        let mut synapse = model.synapse(circuit);
        match fields.get(circuit.name()) {
            Some(at) if at.is_name("Off") => off.push(circuit),
            Some(at) => {
                if let Some(block) = at.fields(dx) {
                    biases(&mut synapse, &table, block, dx);
                }
                synapses.push((circuit, synapse));
            }
            None if model.is_always_there(circuit) => synapses.push((circuit, synapse)),
            None => {}
        }
    }
    fields.close(dx);

    let soma_at = soma_at.unwrap_or_else(|| variant.at.clone());
    for bias in model.soma_biases().into_iter().filter(|bias| (bias.get)(&soma).is_nan()) {
        // Given, but with a mistake that has been reported.
        if !readable || soma_at.find(bias.name).is_some() {
            continue;
        }
        let message = format!("`{}` is missing: {}", bias.name, bias.doc);
        let (why, example) = (model.why_no_default(bias.name), bias.unit.example());
        dx.error(&soma_at.path, soma_at.head(), message)
            .help(format!("{why}: write for example {}: {example}", bias.name));
    }
    let conflicts = [model.check_nominal(&soma), model.check(&soma)];
    for Conflict { bias, message, help } in conflicts.into_iter().flatten() {
        let at = soma_at.find(bias).unwrap_or_else(|| soma_at.clone());
        dx.error(&at.path, at.head(), message).help(help);
    }
    // With mistakes in it, too: what refers to this model is still checked against it.
    Some(Model::new(Nominal { model, soma, synapses, off }))
}

/// Reads the biases of a block over its defaults.
fn biases<B: Block>(
    block: &mut B,
    table: &[&'static Bias<B>],
    mut fields: Fields,
    dx: &mut Diagnostics,
) {
    for bias in table {
        if let Some(at) = fields.get(bias.name)
            && let Some(value) = at.quantity(dx, bias.unit, bias.domain)
        {
            let usual = (bias.get)(block);
            warn_of_prefix(&at, (bias.name, value), usual, bias.unit, dx);
            (bias.set)(block, value);
        }
    }
    fields.close(dx);
}

/// Biases of any size: the run-away of the positive feedback reaches every threshold (the published one of
/// `arcana` is 12 mA, its default 1 pA).
const ANY_SIZE: [&str; 1] = ["Ith"];

/// Whether a value is a million times the model's own, or a millionth of it: then it has a wrong prefix.
pub(super) fn is_of_other_size(name: &str, value: f64, usual: f64) -> bool {
    let times = value.abs() / usual.abs();
    // Nothing can be said of 0, nor where there is no default.
    let is_known = value != 0.0 && times.is_finite() && !ANY_SIZE.contains(&name);
    is_known && !(1e-6..=1e6).contains(&times)
}

/// Points a value out that [is of another size](is_of_other_size), and what was probably meant.
fn warn_of_prefix(
    at: &At,
    (name, value): (&str, f64),
    usual: f64,
    unit: Unit,
    dx: &mut Diagnostics,
) {
    if !is_of_other_size(name, value, usual) {
        return;
    }
    let times = value.abs() / usual.abs();
    let shown = |value| units::rounded(value, unit);
    let (typed, own) = (shown(value), shown(usual));
    let mut help =
        format!("{name} is usually between {} and {}", shown(1e-3 * usual), shown(1e3 * usual));
    if let (Some((number, _)), Some((_, symbol))) = (typed.split_once(' '), own.split_once(' '))
        && !number.contains('e')
    {
        help += &format!(": did you mean \"{number} {symbol}\"?");
    }
    let size = if times > 1.0 { "more than a million times" } else { "less than a millionth of" };
    at.warning(dx, format!("{name} = {typed} is {size} the model's {own}")).help(help);
}
