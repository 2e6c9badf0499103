//! `(from: "input", to: "dpi", receptor: ampa, rule: OneToOne, weight: 0.7)`.

use std::collections::BTreeSet;

use super::super::decode::{At, Fields};
use super::super::diagnostics::Diagnostics;
use super::super::{Connection, GroupId, Selection};
use super::Names;
use crate::circuit::{Domain, Receptor};
use crate::network::{Pairs, Rule};
use crate::time::Time;

/// Reads the list of projections and adds the circuits that they need.
pub fn connections(
    list: &[At],
    names: &mut Names,
    dt: Option<Time>,
    dx: &mut Diagnostics,
) -> Vec<Connection> {
    let mut connections: Vec<Connection> = Vec::new();
    let mut taken = BTreeSet::new();
    for at in list {
        let Some((connection, named)) = connection(at, names, dt, dx) else { continue };
        if !taken.insert(connection.name.clone()) {
            let message = format!("there is another projection `{}`", connection.name);
            at.error(dx, message).help(if named {
                "give one of them another name"
            } else {
                "name this one: name: \"…\""
            });
        }
        if let Some(population) = &mut names.populations[connection.to] {
            population.model.ensure_synapse(connection.receptor);
        }
        connections.push(connection);
    }
    connections
}

fn connection(
    at: &At,
    names: &Names,
    dt: Option<Time>,
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
    let known: Vec<Receptor> = model.map_or_else(
        || Receptor::ALL.to_vec(),
        |m| {
            let all = m.preset.receptors().iter();
            all.copied().filter(|r| !m.off.contains(r)).collect()
        },
    );
    let known_names: Vec<&str> = known.iter().map(|r| r.name()).collect();
    let what = model.map_or("a receptor".to_string(), |m| {
        format!("a receptor of the model {}", m.preset.name())
    });
    let receptor = receptor_at.and_then(|at| {
        let variant = at.variant(dx, &what, &known_names)?;
        variant.unit(dx);
        known.iter().copied().find(|r| r.name() == variant.name)
    });

    let rule = rule_at.as_ref().and_then(|at| rule(at, dx));
    if let (Some(Rule::OneToOne), Some(from_size), Some(to_size), Some(a), Some(b), Some(at)) =
        (rule, from_size, to_size, &from_neurons, &to_neurons, &rule_at)
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

    let rounds = model.is_some_and(|m| m.preset.rounds_weights());
    let weight = match weight_at {
        Some(at) => weight(&at, rounds, dx),
        None => Some(1.0),
    };
    let delay = match delay_at {
        Some(at) => delay(&at, dt, dx),
        None => Some(Time::ZERO),
    };
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
    };
    if let (Some(at), Some(from_size), Some(to_size)) = (&rule_at, from_size, to_size) {
        check_draws(at, &connection, from_size, to_size, dx);
    }
    Some((connection, named))
}

const RULES: [&str; 6] =
    ["OneToOne", "AllToAll", "FixedProbability", "FixedInDegree", "FixedOutDegree", "FixedTotal"];

fn rule(at: &At, dx: &mut Diagnostics) -> Option<Rule> {
    let variant = at.variant(dx, "a connection rule", &RULES)?;
    if variant.name == "OneToOne" {
        variant.unit(dx);
        return Some(Rule::OneToOne);
    }
    let mut fields = variant.fields(dx)?;
    let mut flag = |key, dx: &mut Diagnostics| match fields.get(key) {
        Some(at) => at.boolean(dx),
        None => Some(true),
    };
    let self_connections = flag("self_connections", dx);
    let draws_neurons = variant.name.starts_with("Fixed") && variant.name != "FixedProbability";
    let multiple_edges = if draws_neurons { flag("multiple_edges", dx) } else { Some(true) };
    let count = |fields: &mut Fields, key, dx: &mut Diagnostics| {
        let at = fields.need(dx, key, &format!("for example {}({key}: 64)", variant.name))?;
        let count = at.count(dx)?;
        u32::try_from(count)
            .map_err(|_| at.error(dx, format!("{count} is too large")).help("at most 2^32 − 1"))
            .ok()
    };
    let pairs = self_connections
        .zip(multiple_edges)
        .map(|(self_connections, multiple_edges)| Pairs { self_connections, multiple_edges });
    let rule = match variant.name {
        "AllToAll" => self_connections.map(|self_connections| Rule::AllToAll { self_connections }),
        "FixedProbability" => {
            let p = probability(&mut fields, dx);
            p.zip(self_connections)
                .map(|(p, self_connections)| Rule::FixedProbability { p, self_connections })
        }
        "FixedInDegree" => {
            let k = count(&mut fields, "k", dx);
            k.zip(pairs).map(|(k, pairs)| Rule::FixedInDegree { k, pairs })
        }
        "FixedOutDegree" => {
            let k = count(&mut fields, "k", dx);
            k.zip(pairs).map(|(k, pairs)| Rule::FixedOutDegree { k, pairs })
        }
        _ => {
            let n = count(&mut fields, "n", dx);
            n.zip(pairs).map(|(n, pairs)| Rule::FixedTotal { n, pairs })
        }
    };
    fields.close(dx);
    rule
}

fn probability(fields: &mut Fields, dx: &mut Diagnostics) -> Option<f64> {
    let at = fields.need(dx, "p", "for example FixedProbability(p: 0.1)")?;
    let p = at.number(dx)?;
    if !(0.0..=1.0).contains(&p) {
        at.error(dx, format!("a probability is between 0 and 1, not {p}"))
            .help("for example FixedProbability(p: 0.1)");
        return None;
    }
    Some(p)
}

/// A rule cannot draw more different edges than there are.
fn check_draws(at: &At, connection: &Connection, from: u64, to: u64, dx: &mut Diagnostics) {
    let (from_len, to_len) = (connection.from_neurons.len(from), connection.to_neurons.len(to));
    let own = |pairs: Pairs, len: u64| {
        let leaves_out =
            !pairs.self_connections && connection.from == GroupId::Population(connection.to);
        len - u64::from(leaves_out)
    };
    let (wanted, possible, pairs, what) = match connection.rule {
        Rule::FixedInDegree { k, pairs } => {
            (u128::from(k), u128::from(own(pairs, from_len)), pairs, "sources of a target")
        }
        Rule::FixedOutDegree { k, pairs } => {
            (u128::from(k), u128::from(own(pairs, to_len)), pairs, "targets of a source")
        }
        Rule::FixedTotal { n, pairs } => {
            let possible = connection.possible_edges(from, to, pairs.self_connections);
            (u128::from(n), possible, pairs, "pairs")
        }
        _ => return,
    };
    if possible == 0 && wanted > 0 || (wanted > possible && !pairs.multiple_edges) {
        at.error(dx, format!("{wanted} different edges wanted, but there are {possible} {what}"))
            .help(format!("use at most {possible}, or allow multiple_edges: true"));
    }
}

/// A weight: pulses per spike. The `arcana` code rounds it, halves to even.
fn weight(at: &At, rounds: bool, dx: &mut Diagnostics) -> Option<f64> {
    let weight = at.number(dx)?;
    if weight < 0.0 {
        at.error(dx, format!("the weight {weight} is negative"))
            .help("weights count pulses; to inhibit, connect to an inhibitory receptor (gabab)");
        return None;
    }
    if weight > crate::network::MAX_WEIGHT {
        at.error(dx, format!("the weight {weight} is above {}", crate::network::MAX_WEIGHT))
            .help("weights count pulses per spike; raise Iw instead");
        return None;
    }
    if !rounds {
        return Some(weight);
    }
    let rounded = weight.round_ties_even();
    if rounded == 0.0 && weight > 0.0 {
        at.warning(dx, format!("the weight {weight} becomes 0: the projection has no effect"))
            .help("this model rounds weights to whole numbers, halves to even: use 1 or more");
    }
    Some(rounded)
}

fn delay(at: &At, dt: Option<Time>, dx: &mut Diagnostics) -> Option<Time> {
    let delay = at.time(dx, Domain::NonNegative)?;
    if let Some(dt) = dt
        && !delay.is_multiple_of(dt)
    {
        at.error(dx, format!("the delay {delay} s is no multiple of the step dt = {dt} s"))
            .help("choose a whole number of steps");
        return None;
    }
    Some(delay)
}
