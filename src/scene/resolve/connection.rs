//! `(from: "input", to: "dpi", receptor: ampa, rule: OneToOne, weight: 0.7)`.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::decode::At;
use super::super::diagnostics::{Diagnostics, suggest};
use super::super::files::Folder;
use super::super::{Connection, GroupId, Selection, Solver};
use super::{Names, rule};
use crate::circuit::Receptor;
use crate::model::Model;
use crate::network::law::{Delays, Law, Weights};
use crate::network::{MAX_WEIGHT, Plasticity, Rule};
use crate::solver::event::SHORTEST_DELAY;
use crate::time::Time;
use crate::units::{self, Unit};

/// Reads the list of projections and adds the circuits that they need.
pub fn connections(
    list: &[At],
    names: &mut Names,
    folder: &mut Folder,
    solver: Option<Solver>,
    dx: &mut Diagnostics,
) -> Vec<Connection> {
    let least = solver.and_then(|solver| least_delay(solver, names));
    let mut connections: Vec<Connection> = Vec::new();
    let mut taken = BTreeSet::new();
    for at in list {
        let mut target = None;
        let dt = solver.map(Solver::grid);
        let read = connection(at, names, folder, (dt, least), &mut target, dx);
        // Also of a connection with mistakes elsewhere.
        if let Some((to, receptor)) = target
            && let Some(population) = &mut names.populations[to]
        {
            population.model.0.ensure_circuit(receptor);
        }
        let Some((connection, named)) = read else { continue };
        if !taken.insert(connection.name.clone()) {
            let message = format!("there is another projection `{}`", connection.name);
            at.error(dx, message).help(if named {
                "give one of them another name"
            } else {
                "name this one: name: \"…\""
            });
        }
        connections.push(connection);
    }
    connections
}

/// The shortest delay between neurons, where there is one: with the event-driven solver a window is no
/// longer, and neurons that are advanced by steps need a step in it.
fn least_delay(solver: Solver, names: &Names) -> Option<Time> {
    if solver.euler_dt().is_some() {
        return None;
    }
    Some(super::step_of_windows(solver, names).unwrap_or_default().max(SHORTEST_DELAY))
}

fn connection(
    at: &At,
    names: &Names,
    folder: &mut Folder,
    (dt, least): (Option<Time>, Option<Time>),
    target: &mut Option<(usize, Receptor)>,
    dx: &mut Diagnostics,
) -> Option<(Connection, bool)> {
    let mut fields = at.fields(dx)?;
    let name_at = fields.get("name");
    let from_at = fields.need(dx, "from", "the source or population that spikes");
    let to_at = fields.need(dx, "to", "the population that receives");
    let receptor_at = fields.need(dx, "receptor", "for example receptor: ampa");
    let rule_at = fields.need(dx, "rule", "for example rule: OneToOne");
    let weight_at = fields.get("weight");
    let delay_at = fields.get("delay");
    let plasticity_at = fields.get("plasticity");
    let from_cut = fields.get("neurons");
    let to_cut = fields.get("to_neurons");
    fields.close(dx);

    let from = from_at.as_ref().and_then(|at| names.group(at, dx));
    let to = to_at.as_ref().and_then(|at| names.population(at, dx));
    let from_size = from.and_then(|from| names.size(from));
    let to_size = to.and_then(|to| names.size(GroupId::Population(to)));
    let mut cut = |at: Option<At>, size| match at {
        Some(at) => super::selection(&at, size, dx),
        None => Some(Selection::All),
    };
    let (from_neurons, to_neurons) = (cut(from_cut, from_size), cut(to_cut, to_size));

    let model = to.and_then(|to| names.populations[to].as_ref()).map(|p| &p.model);
    let circuits = model.map(Model::circuits).unwrap_or_default();
    let known = model.map_or(&[][..], |m| m.0.receptors()).iter().copied();
    let known: Vec<Receptor> = known.filter(|r| !circuits.is_off(*r)).collect();
    let known_names: Vec<&str> = known.iter().map(|r| r.name()).collect();
    let receptor = receptor_at.and_then(|at| {
        // Of a model with mistakes the receptors are not known.
        let what = format!("a receptor of the model {}", model?.name());
        if let Some(off) = circuits.off.iter().find(|r| at.is_name(r.name())) {
            let name = off.name();
            at.error(dx, format!("there is no {name} circuit: the model says {name}: Off"))
                .help(format!("leave {name}: Off out of the model"));
            return None;
        }
        let own = model?.0.all_circuits().iter().find(|r| at.is_name(r.name()));
        if let Some(own) = own.filter(|own| !known.contains(own)) {
            let name = own.name();
            at.error(dx, format!("no connection reaches {name}: it is fed by the neuron itself"))
                .help(suggest("", &known_names));
            return None;
        }
        let variant = at.variant(dx, &what, &known_names)?;
        variant.unit(dx);
        known.iter().copied().find(|r| r.name() == variant.name)
    });

    *target = to.zip(receptor);
    let rounds = model.is_some_and(|m| m.0.rounds_weights());
    let ends = rule::Ends { from_size, to_size, rounds, dt };
    let rule = rule_at.as_ref().and_then(|at| rule::rule(at, &ends, folder, dx));
    if let (Some(Rule::OneToOne), Some(from_size), Some(to_size), Some(a), Some(b), Some(at)) =
        (&rule, from_size, to_size, &from_neurons, &to_neurons, &rule_at)
    {
        let (a, b) = (a.len(from_size), b.len(to_size));
        if a != b {
            let mut typed = |at: &Option<At>| {
                at.as_ref().and_then(|at| at.text(dx)).unwrap_or_default().to_string()
            };
            let (from, to) = (typed(&from_at), typed(&to_at));
            at.error(dx, format!("OneToOne of {a} (`{from}`) to {b} neurons (`{to}`)"))
                .help("use equal sizes, cut one side with `neurons` or `to_neurons`, or AllToAll");
        }
    }

    if let (Some(edges), Some(at)) = (rule.as_ref().and_then(Rule::listed), &rule_at) {
        let all = Some(&Selection::All);
        if from_neurons.as_ref() != all || to_neurons.as_ref() != all {
            at.error(dx, "the list names the neurons, so neither side can be cut")
                .help("leave `neurons` and `to_neurons` out");
        }
        for (key, at, given) in [
            ("weight", &weight_at, edges.iter().any(|e| e.weight.is_some())),
            ("delay", &delay_at, edges.iter().any(|e| e.delay.is_some())),
        ] {
            if let Some(at) = at
                && given
            {
                at.error(dx, format!("the list of edges gives each its {key}"))
                    .help(format!("leave `{key}` out, here or there"));
            }
        }
    }
    let weight_for_rule = weight_at.clone().or_else(|| plasticity_at.clone());
    let weight = match weight_at {
        Some(at) => rule::weights(&at, rounds, dx),
        None => Some(Weights { law: Law::One(1.0), rounds }),
    };
    let delay = match &delay_at {
        Some(at) => rule::delays(at, dt, dx),
        None => Some(Delays(Law::One(Time::ZERO))),
    };
    let plasticity = match plasticity_at {
        Some(at) => plasticity(&at, names, dx).map(Some),
        None => Some(None),
    };
    if let (Some(at), Some(weight), Some(Some(rule))) = (&weight_for_rule, &weight, &plasticity)
        && weight.largest() > rule.largest_weight()
    {
        let (weight, largest) = (weight.largest(), rule.largest_weight());
        at.error(dx, format!("the weight {weight} is above the rule's largest, {largest}"))
            .help("start within the range in which the rule changes weights");
    }
    let group_name = |group: GroupId| match group {
        GroupId::Source(k) => names.sources.get_index(k).map(|(name, _)| name.clone()),
        GroupId::Population(k) => names.populations.get_index(k).map(|(name, _)| name.clone()),
    };
    let named = name_at.is_some();
    let name = match name_at {
        Some(at) => at.text(dx).map(str::to_string),
        None => Some(format!(
            "{}->{}:{}",
            group_name(from?)?,
            group_name(GroupId::Population(to?))?,
            receptor?.name()
        )),
    };
    let connection = Connection {
        name: name?,
        from: from?,
        from_neurons: from_neurons?,
        to: to?,
        to_neurons: to_neurons?,
        receptor: receptor?,
        rule: rule?,
        weight: weight?,
        delay: delay?,
        plasticity: plasticity?,
    };
    if let (GroupId::Population(_), Some(least), Some(rule_at)) = (connection.from, least, &rule_at)
        && connection.shortest_delay() < least
    {
        let [least, shortest] = [least, connection.shortest_delay()]
            .map(|delay| units::format(delay.seconds(), Unit::Second));
        let listed = connection.rule.listed().map_or(&[][..], |edges| &edges[..]);
        let is_given = delay_at.is_some() || listed.iter().any(|edge| edge.delay.is_some());
        let shortest = if is_given {
            format!("the shortest here is {shortest}")
        } else {
            format!("`delay` is left out, which means {shortest}")
        };
        let message = format!(
            "the event-driven solver needs a delay of at least {least} between neurons, but {shortest}"
        );
        let euler = "or choose solver: Euler(dt: …), where a spike acts in the next step";
        let help = if listed.iter().any(|edge| edge.delay.is_some()) {
            format!("give each edge at least {least}; {euler}")
        } else {
            format!("write for example delay: \"1 ms\"; {euler}")
        };
        delay_at.as_ref().unwrap_or(rule_at).error(dx, message).help(help);
    }
    if let (Some(at), Some(from_size), Some(to_size)) = (&rule_at, from_size, to_size) {
        rule::check_draws(at, &connection, from_size, to_size, dx);
    }
    Some((connection, named))
}

/// `plasticity: Stdp(…)`: a rule that a plugin has registered.
fn plasticity(at: &At, names: &Names, dx: &mut Diagnostics) -> Option<Arc<dyn Plasticity>> {
    let variant = at.open_variant(dx, "a plasticity rule", &names.plugins.plasticities())?;
    let read = names.plugins.plasticity(variant.name)?;
    let mut fields = variant.fields(dx)?;
    let rule = read(&mut fields, dx);
    fields.close(dx);
    let rule = rule?;
    let largest = rule.largest_weight();
    if !(0.0..=MAX_WEIGHT).contains(&largest) {
        at.error(dx, format!("the largest weight {largest} is not between 0 and {MAX_WEIGHT}"))
            .help("weights count pulses per spike; raise the weight current instead");
        return None;
    }
    Some(rule)
}
