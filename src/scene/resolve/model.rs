//! `arcana(soma: (Itau: "4 pA", …), ampa: (…))`: a preset and what a scene changes of it.

use super::super::decode::{At, Fields};
use super::super::diagnostics::Diagnostics;
use crate::circuit::forms::{FeedbackForm, PulseForm, RefractoryForm};
use crate::circuit::{Block, Constants, Domain, Forms, Model, Preset, Receptor, Soma, Synapse};
use crate::units::Unit;

/// Reads a model that is written out. `others` are the further forms that the caller takes, for
/// messages.
pub fn model(at: &At, others: &[&str], dx: &mut Diagnostics) -> Option<Model> {
    let mut names: Vec<&str> = Preset::ALL.iter().map(|p| p.name()).collect();
    names.extend(others);
    let variant = at.variant(dx, "a model", &names)?;
    let preset = *Preset::ALL.iter().find(|p| p.name() == variant.name)?;
    let mut fields = variant.fields(dx)?;

    let defaults = preset.constants();
    let mut constant = |fields: &mut Fields, key, unit, default| match fields.get(key) {
        Some(at) => at.quantity(dx, unit, Domain::Positive),
        None => Some(default),
    };
    let constants = Constants {
        i0: constant(&mut fields, "I0", Unit::Ampere, defaults.i0).unwrap_or(defaults.i0),
        ut: constant(&mut fields, "UT", Unit::Volt, defaults.ut).unwrap_or(defaults.ut),
        kappa: constant(&mut fields, "kappa", Unit::One, defaults.kappa).unwrap_or(defaults.kappa),
    };

    let forms = forms(&mut fields, preset, dx);
    let mut soma = preset.soma(&constants);
    let soma_at = fields.get("soma");
    let mut readable = true;
    if let Some(at) = &soma_at {
        match at.fields(dx) {
            Some(block) => biases::<Soma>(&mut soma, &forms, block, dx),
            None => readable = false,
        }
    }
    let (mut synapses, mut off) = (Vec::new(), Vec::new());
    for &receptor in preset.circuits() {
        let mut synapse = preset.synapse(receptor);
        match fields.get(receptor.name()) {
            Some(at) if at.is_name("Off") => off.push(receptor),
            Some(at) => {
                if let Some(block) = at.fields(dx) {
                    biases::<Synapse>(&mut synapse, &forms, block, dx);
                }
                synapses.push((receptor, synapse));
            }
            None if receptor == Receptor::Ahp => synapses.push((receptor, synapse)),
            None => {}
        }
    }
    fields.close(dx);

    let soma_at = soma_at.unwrap_or_else(|| at.clone());
    for bias in Soma::biases(&forms).filter(|bias| (bias.get)(&soma).is_nan()) {
        // Given, but with a mistake that has been reported.
        if !readable || soma_at.find(bias.name).is_some() {
            continue;
        }
        let message = format!("`{}` is missing: {}", bias.name, bias.doc);
        let example = bias.unit.example();
        let why = if bias.unit == Unit::PerAmpere {
            "it has no default, because the released code's 1e-12 is a unit slip (it multiplies a \
             current)"
        } else {
            "it has no default in this preset"
        };
        dx.error(&soma_at.path, soma_at.head(), message)
            .help(format!("{why}: write for example {}: {example}", bias.name));
    }
    let shown = |current| crate::units::format(current, Unit::Ampere);
    let (i0, reset, th) = (constants.i0, soma.i_reset, soma.i_th);
    if reset < i0 {
        let message =
            format!("Ireset = {} is below the dark current I0 = {}", shown(reset), shown(i0));
        let at = soma_at.find("Ireset").unwrap_or_else(|| soma_at.clone());
        dx.error(&at.path, at.head(), message).help(format!("choose at least {}", shown(i0)));
    }
    if th <= reset {
        let message = format!("Ith = {} is not above Ireset = {}", shown(th), shown(reset));
        let at = soma_at.find("Ith").unwrap_or_else(|| soma_at.clone());
        dx.error(&at.path, at.head(), message).help(format!("choose more than {}", shown(reset)));
    }
    // With mistakes in it, too: what refers to this model is still checked against it.
    Some(Model { preset, forms, constants, soma, synapses, off })
}

/// Reads `feedback`, `refractory` and `pulse` over the preset's forms.
fn forms(fields: &mut Fields, preset: Preset, dx: &mut Diagnostics) -> Forms {
    let mut forms = preset.forms();
    if let Some(at) = fields.get("feedback")
        && let Some(form) = form(&at, "a feedback", &FeedbackForm::NAMES, dx)
    {
        forms.feedback = form;
    }
    if let Some(at) = fields.get("refractory")
        && let Some(form) = form(&at, "a refractory form", &RefractoryForm::NAMES, dx)
    {
        forms.refractory = form;
    }
    if let Some(at) = fields.get("pulse")
        && let Some(variant) = at.variant(dx, "a pulse", &["Ideal", "Width"])
    {
        if variant.name == "Ideal" {
            variant.unit(dx);
            forms.pulse = PulseForm::Ideal;
        } else if let Some(width) = variant.single(dx, "\"10 us\"")
            && let Some(width) = width.time(dx, Domain::Positive)
        {
            forms.pulse = PulseForm::Width(width);
        }
    }
    forms
}

/// One of the forms of a table.
fn form<F: Copy>(
    at: &At,
    what: &str,
    forms: &[(&'static str, F)],
    dx: &mut Diagnostics,
) -> Option<F> {
    let names: Vec<&str> = forms.iter().map(|(name, _)| *name).collect();
    let variant = at.variant(dx, what, &names)?;
    variant.unit(dx);
    forms.iter().find(|(name, _)| *name == variant.name).map(|(_, form)| *form)
}

/// Reads the biases of a block over its defaults.
fn biases<B: Block>(block: &mut B, forms: &Forms, mut fields: Fields, dx: &mut Diagnostics) {
    for bias in B::biases(forms) {
        if let Some(at) = fields.get(bias.name)
            && let Some(value) = at.quantity(dx, bias.unit, bias.domain)
        {
            (bias.set)(block, value);
        }
    }
    fields.close(dx);
}
