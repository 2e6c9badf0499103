//! `rule: FixedInDegree(k: 64)`, `weight: Uniform(from: 1, to: 5)`,
//! `delay: Normal(mean: "3 ms", sd: "1 ms", min: "1 ms")`.

use super::super::Connection;
use super::super::decode::{At, Fields};
use super::super::diagnostics::Diagnostics;
use super::super::files::{self, Folder};
use super::super::tree::Value;
use crate::circuit::Domain;
use crate::network::law::{Delays, Law, Weights};
use crate::network::{ListedEdge, MAX_WEIGHT, Pairs, Rule, longest_delay};
use crate::time::Time;
use crate::units::Unit;

const RULES: [&str; 8] = [
    "OneToOne",
    "AllToAll",
    "FixedProbability",
    "FixedInDegree",
    "FixedOutDegree",
    "FixedTotal",
    "List",
    "File",
];

/// What a rule is read for.
pub struct Ends {
    /// Size of the spiking group, if it is known.
    pub from_size: Option<u64>,
    /// Size of the receiving population, if it is known.
    pub to_size: Option<u64>,
    /// Whether the model rounds weights to whole numbers.
    pub rounds: bool,
    /// The step of the solver.
    pub dt: Option<Time>,
}

/// Reads a rule.
pub fn rule(at: &At, ends: &Ends, folder: &mut Folder, dx: &mut Diagnostics) -> Option<Rule> {
    let variant = at.variant(dx, "a connection rule", &RULES)?;
    match variant.name {
        "OneToOne" => {
            variant.unit(dx);
            return Some(Rule::OneToOne);
        }
        "List" => {
            let list = variant.single(dx, "[(0, 3), (1, 3)]")?;
            return Some(Rule::List(listed(&list, ends, dx)?.into()));
        }
        "File" => {
            let path = variant.single(dx, "\"edges.csv\"")?;
            let file = folder.read(&path, dx)?;
            let (from_size, to_size) = (ends.from_size?, ends.to_size?);
            let check = |weight: Option<f64>, delay: Option<Time>| {
                let weight =
                    weight.map(|weight| checked_weight(weight, ends.rounds)).transpose()?;
                delay.map(|delay| check_delay(delay, ends.dt)).transpose()?;
                Ok((weight, delay))
            };
            let edges = files::edges(&file, from_size, to_size, check, &path, dx)?;
            return Some(Rule::File(file, edges));
        }
        _ => {}
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

/// `[(0, 3), (1, 3, 2.0), (1, 4, 2.0, "1 ms")]`: source, target, and if wanted weight and delay.
fn listed(at: &At, ends: &Ends, dx: &mut Diagnostics) -> Option<Vec<ListedEdge>> {
    const HELP: &str = "write (source, target), (source, target, weight) or (source, target, \
                        weight, \"delay\"), for example (0, 3, 1.5, \"2 ms\")";
    let edge = |item: &At, dx: &mut Diagnostics| {
        let parts = item.tuple();
        let parts = parts.as_deref().filter(|parts| (2..=4).contains(&parts.len()));
        let Some([source, target, rest @ ..]) = parts else {
            item.error(dx, format!("expected an edge, found {}", item.node.noun())).help(HELP);
            return None;
        };
        let source = source.neuron(dx, ends.from_size);
        let target = target.neuron(dx, ends.to_size);
        let weight = rest.first().map(|at| weight(at, ends.rounds, dx));
        let delay = rest.get(1).map(|at| delay(at, ends.dt, dx));
        Some(ListedEdge {
            source: source?,
            target: target?,
            weight: weight.map_or(Some(None), |w| w.map(Some))?,
            delay: delay.map_or(Some(None), |d| d.map(Some))?,
        })
    };
    let edges: Vec<Option<ListedEdge>> = at.list(dx)?.iter().map(|item| edge(item, dx)).collect();
    edges.into_iter().collect()
}

/// A rule cannot draw more different edges than there are.
pub fn check_draws(at: &At, connection: &Connection, from: u64, to: u64, dx: &mut Diagnostics) {
    let (from_len, to_len) = (connection.from_neurons.len(from), connection.to_neurons.len(to));
    // Where a neuron stands on both sides, it is no candidate for itself.
    let meets_itself =
        connection.possible_edges(from, to, false) < connection.possible_edges(from, to, true);
    let own = |pairs: Pairs, len: u64| len - u64::from(!pairs.self_connections && meets_itself);
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

/// Reads a law: one value, `Uniform(from, to)` or `Normal(mean, sd, min, max)`. `bound` reads a
/// value that an edge may have, `moment` a mean or standard deviation; `default_min` is the least
/// value of a normal law that gives none, `default_max` its largest, from its mean and standard
/// deviation. Messages call the values `what` and put `unit` behind them.
fn law<T: Copy + PartialOrd + std::fmt::Display>(
    at: &At,
    (what, unit): (&str, &str),
    bound: impl Fn(&At, &mut Diagnostics) -> Option<T>,
    moment: impl Fn(&At, &mut Diagnostics) -> Option<T>,
    default_min: Option<T>,
    default_max: impl Fn(T, T) -> T,
    dx: &mut Diagnostics,
) -> Option<Law<T>> {
    let is_law = matches!(&at.node.value, Value::Group { name: Some(_), .. });
    if !is_law {
        return bound(at, dx).map(Law::One);
    }
    let variant = at.variant(dx, &format!("a law of {what}"), &["Uniform", "Normal"])?;
    let mut fields = variant.fields(dx)?;
    let law = if variant.name == "Uniform" {
        let mut end = |key| {
            let at = fields.need(dx, key, "a uniform law has `from` and `to`")?;
            bound(&at, dx)
        };
        let (from, to) = (end("from"), end("to"));
        fields.close(dx);
        Law::Uniform { from: from?, to: to? }
    } else {
        const HELP: &str = "a normal law has `mean`, `sd`, `min` and, if you like, `max`";
        let mut moment_of = |key| {
            let at = fields.need(dx, key, HELP)?;
            moment(&at, dx)
        };
        let (mean, sd) = (moment_of("mean"), moment_of("sd"));
        let min = match (fields.get("min"), default_min) {
            (Some(at), _) => bound(&at, dx),
            (None, Some(min)) => Some(min),
            (None, None) => {
                fields.need(dx, "min", HELP);
                None
            }
        };
        let max = fields.get("max").map(|at| bound(&at, dx));
        fields.close(dx);
        let (mean, sd, min) = (mean?, sd?, min?);
        let max = max.unwrap_or_else(|| Some(default_max(mean, sd)))?;
        if !(min..=max).contains(&mean) {
            at.error(
                dx,
                format!(
                    "the mean {mean}{unit} is not between the bounds {min}{unit} and {max}{unit}"
                ),
            )
            .help("choose bounds around the mean");
            return None;
        }
        Law::Normal { mean, sd, min, max }
    };
    let (min, max) = law.bounds();
    if min > max {
        at.error(dx, format!("the law ends at {max}{unit}, before it starts at {min}{unit}"))
            .help("give the smaller value first");
        return None;
    }
    Some(law)
}

/// Reads the weights of a projection. The `arcana` code rounds them, halves to even.
pub fn weights(at: &At, rounds: bool, dx: &mut Diagnostics) -> Option<Weights> {
    let number = |at: &At, dx: &mut Diagnostics| weight(at, false, dx);
    let moment = |at: &At, dx: &mut Diagnostics| at.quantity(dx, Unit::One, Domain::NonNegative);
    let widest = |mean: f64, sd: f64| (mean + 4.0 * sd).min(MAX_WEIGHT);
    let law = law(at, ("weights", ""), number, moment, Some(0.0), widest, dx)?;
    let weights = Weights { law, rounds };
    let (_, largest) = law.bounds();
    if largest > 0.0 && weights.largest() == 0.0 {
        at.warning(dx, format!("the weight {largest} becomes 0: the projection has no effect"))
            .help("this model rounds weights to whole numbers, halves to even: use 1 or more");
    }
    let law = match law {
        Law::One(_) => Law::One(weights.largest()),
        law => law,
    };
    Some(Weights { law, rounds })
}

/// A weight: pulses per spike.
fn weight(at: &At, rounds: bool, dx: &mut Diagnostics) -> Option<f64> {
    let weight = at.number(dx)?;
    checked_weight(weight, rounds).map_err(|(message, help)| at.error(dx, message).help(help)).ok()
}

/// Checks and rounds a weight; the error is a message and its remedy.
fn checked_weight(weight: f64, rounds: bool) -> Result<f64, (String, String)> {
    if weight < 0.0 {
        let help = "weights count pulses; to inhibit, connect to an inhibitory receptor (gabab)";
        return Err((format!("the weight {weight} is negative"), help.into()));
    }
    if weight > MAX_WEIGHT {
        let help = "weights count pulses per spike; raise Iw instead";
        return Err((format!("the weight {weight} is above {MAX_WEIGHT}"), help.into()));
    }
    Ok(if rounds { weight.round_ties_even() } else { weight })
}

/// Reads the delays of a projection.
pub fn delays(at: &At, dt: Option<Time>, dx: &mut Diagnostics) -> Option<Delays> {
    let bound = |at: &At, dx: &mut Diagnostics| delay(at, dt, dx);
    let moment = |at: &At, dx: &mut Diagnostics| at.time(dx, Domain::NonNegative);
    let widest = |mean: Time, sd: Time| {
        let max = mean + sd + sd + sd + sd;
        dt.map_or(max, |dt| Time::from_steps(max.steps_up(dt), dt).min(longest_delay(dt)))
    };
    law(at, ("delays", " s"), bound, moment, None, widest, dx).map(Delays)
}

fn delay(at: &At, dt: Option<Time>, dx: &mut Diagnostics) -> Option<Time> {
    let delay = at.time(dx, Domain::NonNegative)?;
    check_delay(delay, dt).map_err(|(message, help)| at.error(dx, message).help(help)).ok()?;
    Some(delay)
}

/// Checks a delay; the error is a message and its remedy.
fn check_delay(delay: Time, dt: Option<Time>) -> Result<(), (String, String)> {
    let Some(dt) = dt else { return Ok(()) };
    let longest = longest_delay(dt);
    if delay > longest {
        let help = format!("the longest delay is {longest} s");
        return Err((format!("the delay {delay} s is above the limit of {longest} s"), help));
    }
    if delay.is_multiple_of(dt) {
        return Ok(());
    }
    let message = if delay < dt {
        format!("the delay {delay} s is below one step dt = {dt} s")
    } else {
        format!("the delay {delay} s is no multiple of the step dt = {dt} s")
    };
    let help = "choose a whole number of steps; \"0 s\" acts in the next step";
    Err((message, help.into()))
}
