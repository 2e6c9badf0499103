//! `arcana(soma: (Itau: "4 pA", …), ampa: (…))`: a preset and what a scene changes of it.

use super::super::decode::{At, Fields};
use super::super::diagnostics::Diagnostics;
use crate::circuit::{Block, Constants, Domain, Model, Preset, Soma, Synapse};
use crate::units::Unit;

/// Reads a model that is written out. `others` are the further forms that the caller takes, for
/// messages.
pub fn model(at: &At, others: &[&str], dx: &mut Diagnostics) -> Option<Model> {
    let mut names: Vec<&str> = Preset::ALL.iter().map(|p| p.name()).collect();
    names.extend(others);
    let variant = at.variant(dx, "a model", &names)?;
    let preset = *Preset::ALL.iter().find(|p| p.name() == variant.name)?;
    let mut fields = variant.fields(dx)?;
    let errors = dx.errors();

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

    let mut soma = preset.soma(&constants);
    let soma_at = fields.get("soma");
    if let Some(block) = soma_at.as_ref().and_then(|at| at.fields(dx)) {
        biases::<Soma>(&mut soma, block, dx);
    }
    let mut synapses = Vec::new();
    for &receptor in preset.receptors() {
        if let Some(at) = fields.get(receptor.name()) {
            let mut synapse = preset.synapse(receptor);
            if let Some(block) = at.fields(dx) {
                biases::<Synapse>(&mut synapse, block, dx);
            }
            synapses.push((receptor, synapse));
        }
    }
    fields.close(dx);

    let soma_at = soma_at.unwrap_or_else(|| at.clone());
    if soma.ipfb_norm.is_nan() && dx.errors() == errors {
        let message = "`Ipfb_norm` is missing: the slope of the positive feedback's gate";
        dx.error(&soma_at.path, soma_at.head(), message).help(
            "it has no default, because the released code's 1e-12 is a unit slip (it multiplies a \
             current): write for example Ipfb_norm: \"1.4e9 /A\"",
        );
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
    Some(Model { preset, constants, soma, synapses })
}

/// Reads the biases of a block over its defaults.
fn biases<B: Block>(block: &mut B, mut fields: Fields, dx: &mut Diagnostics) {
    for bias in B::BIASES {
        if let Some(at) = fields.get(bias.name)
            && let Some(value) = at.quantity(dx, bias.unit, bias.domain)
        {
            (bias.set)(block, value);
        }
    }
    fields.close(dx);
}
