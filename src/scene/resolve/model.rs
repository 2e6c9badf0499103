//! `arcana(soma: (Itau: "4 pA", …), ampa: (…))`: a preset and what a scene changes of it.

use super::super::decode::{At, Fields};
use super::super::diagnostics::Diagnostics;
use crate::circuit::{Block, Constants, Domain, Model, Preset, Soma, Synapse};
use crate::units::Unit;

/// Reads a model that is written out.
pub fn model(at: &At, dx: &mut Diagnostics) -> Option<Model> {
    let names: Vec<&str> = Preset::ALL.iter().map(|p| p.name()).collect();
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
        soma_at.error(dx, "`Ipfb_norm` is missing: the slope of the positive feedback's gate").help(
            "it has no default, because the released code's 1e-12 is a unit slip (it multiplies a \
             current): write for example Ipfb_norm: \"1.4e9 /A\"",
        );
    }
    for (name, value, above, bound) in [
        ("Ireset", soma.i_reset, constants.i0, "the dark current I0"),
        ("Ith", soma.i_th, soma.i_reset, "Ireset"),
    ] {
        let holds = if name == "Ith" { value > above } else { value >= above };
        if !holds {
            let shown = |x| crate::units::format(x, Unit::Ampere);
            soma_at
                .error(dx, format!("{name} = {} is below {bound} = {}", shown(value), shown(above)))
                .help(format!("choose {name} above {}", shown(above)));
        }
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
