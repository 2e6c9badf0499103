//! `"vmem": Trace(of: "dpi", vars: [Vmem], neurons: [20], every: "1 ms")` and the other probes.

use super::super::decode::{At, Fields};
use super::super::diagnostics::{Diagnostics, suggest};
use super::super::{GroupId, Probe, ProbeKind, Selection, Variable};
use super::Names;
use crate::circuit::Domain;
use crate::model::Model;
use crate::time::Time;

/// Reads a probe.
pub fn probe(at: &At, names: &Names, dt: Option<Time>, dx: &mut Diagnostics) -> Option<Probe> {
    let variant = at.variant(dx, "a probe", &["Spikes", "Trace", "Ff"])?;
    let mut fields = variant.fields(dx)?;
    let window = window(&mut fields, dx);
    let kind = match variant.name {
        "Spikes" => spikes(&mut fields, names, dx),
        "Trace" => trace(&mut fields, names, dt, dx),
        _ => ff(&mut fields, names, dx),
    };
    fields.close(dx);
    let (from, to) = window?;
    Some(Probe { from, to, kind: kind? })
}

/// `window: (from: "0.2 s", to: "1 s")`: from ≤ t < to.
fn window(fields: &mut Fields, dx: &mut Diagnostics) -> Option<(Time, Time)> {
    let Some(at) = fields.get("window") else { return Some((Time::ZERO, Time::MAX)) };
    let mut ends = at.fields(dx)?;
    let mut end = |key, default| match ends.get(key) {
        Some(at) => at.time(dx, Domain::NonNegative),
        None => Some(default),
    };
    let (from, to) = (end("from", Time::ZERO), end("to", Time::MAX));
    ends.close(dx);
    let (from, to) = (from?, to?);
    if from >= to {
        at.error(dx, format!("the window ends at {to} s, before it starts at {from} s"))
            .help("for example window: (from: \"0.2 s\", to: \"1 s\")");
        return None;
    }
    Some((from, to))
}

fn spikes(fields: &mut Fields, names: &Names, dx: &mut Diagnostics) -> Option<ProbeKind> {
    let of_at = fields.need(dx, "of", "the source or population whose spikes are recorded");
    let cut = fields.get("neurons");
    let of = names.group(&of_at?, dx)?;
    let neurons = match cut {
        Some(at) => super::selection(&at, names.size(of), dx)?,
        None => Selection::All,
    };
    Some(ProbeKind::Spikes { of, neurons })
}

fn trace(
    fields: &mut Fields,
    names: &Names,
    dt: Option<Time>,
    dx: &mut Diagnostics,
) -> Option<ProbeKind> {
    let of_at = fields.need(dx, "of", "the population whose state is recorded");
    let vars_at = fields.need(dx, "vars", "for example vars: [Vmem, Imem]");
    let cut = fields.need(dx, "neurons", "for example neurons: [0, 20]");
    let every_at = fields.need(dx, "every", "for example every: \"1 ms\"");
    let every = every_at.as_ref().and_then(|at| at.time(dx, Domain::Positive));
    if let (Some(at), Some(every), Some(dt)) = (&every_at, every, dt)
        && !every.is_multiple_of(dt)
    {
        at.error(dx, format!("the interval {every} s is no multiple of the step dt = {dt} s"))
            .help("with Euler the state is known at whole steps");
    }
    let of = names.population(&of_at?, dx);
    let population = of.and_then(|of| names.populations[of].as_ref());
    let size = of.and_then(|of| names.size(GroupId::Population(of)));
    let neurons = cut.and_then(|at| super::selection(&at, size, dx));
    let vars = vars_at.and_then(|at| variables(&at, population.map(|p| &p.model), dx));
    Some(ProbeKind::Trace { of: of?, vars: vars?, neurons: neurons?, every: every? })
}

fn variables(at: &At, model: Option<&Model>, dx: &mut Diagnostics) -> Option<Vec<Variable>> {
    let items = at.list(dx)?;
    if items.is_empty() {
        at.error(dx, "the list of variables is empty").help("for example vars: [Vmem, Imem]");
        return None;
    }
    let model = model?;
    let valid: Vec<Variable> = model.variables().iter().map(|v| v.variable).collect();
    let names: Vec<&str> = valid.iter().map(|v| v.name()).collect();
    let mut variables = Vec::new();
    let mut complete = true;
    for item in items {
        let Some(name) = item.text(dx) else {
            complete = false;
            continue;
        };
        let Some(variable) = valid.iter().copied().find(|v| v.name() == name) else {
            item.error(dx, format!("the model {} has no state variable `{name}`", model.name()))
                .help(suggest(name, &names));
            complete = false;
            continue;
        };
        if variables.contains(&variable) {
            item.error(dx, format!("`{name}` stands here twice")).help("remove one of the two");
            complete = false;
        }
        variables.push(variable);
    }
    complete.then_some(variables)
}

fn ff(fields: &mut Fields, names: &Names, dx: &mut Diagnostics) -> Option<ProbeKind> {
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
    Some(ProbeKind::Ff { input, output })
}
