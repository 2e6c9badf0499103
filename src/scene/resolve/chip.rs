//! `chip: Dynapse1(chips: 2, cores: { "exc": [0, 1], "inh": 2 })`: the limits of a chip, the cores
//! of the populations, and everything that does not fit.

use std::collections::BTreeSet;

use super::super::chip::{Chip, Conflict, Placement};
use super::super::decode::{At, Fields};
use super::super::diagnostics::{Diagnostics, suggest};
use super::super::{Connection, GroupId, Scene};
use super::Names;
use crate::network::Edge;

/// Where the parts of a scene stand that may not fit.
#[derive(Default)]
pub struct Places<'n> {
    /// The populations, in the order of the scene.
    pub populations: Vec<At<'n>>,
    /// The projections.
    pub connections: Vec<At<'n>>,
}

/// A chip as a scene wants it, until the whole scene is known.
pub struct Wanted<'n> {
    chip: Chip,
    /// The populations whose cores the scene gives.
    given: Vec<(usize, At<'n>, Vec<u64>)>,
    places: Places<'n>,
}

/// Reads a chip; `Off` is none.
pub fn read<'n>(
    at: &At<'n>,
    names: &Names,
    places: Places<'n>,
    dx: &mut Diagnostics,
) -> Option<Wanted<'n>> {
    let variant = at.variant(dx, "a chip", &["Off", "Dynapse1"])?;
    if variant.name == "Off" {
        variant.unit(dx);
        return None;
    }
    let mut fields = variant.fields(dx)?;
    let mut chip = Chip::dynapse1();
    let cores_at = fields.get("cores");
    let limits = [
        limit(&mut fields, "chips", &mut chip.chips, dx),
        limit(&mut fields, "cores_per_chip", &mut chip.cores_per_chip, dx),
        limit(&mut fields, "neurons_per_core", &mut chip.neurons_per_core, dx),
        limit(&mut fields, "fan_in", &mut chip.fan_in, dx),
    ];
    fields.close(dx);
    // Limits with mistakes are unknown: no core is compared with them.
    let all_cores = limits.iter().all(Option::is_some).then(|| chip.all_cores());
    let mut given = Vec::new();
    for (key, at) in cores_at.and_then(|at| at.map(dx)).unwrap_or_default() {
        let population = names.populations.get_index_of(&key.text);
        if population.is_none() && names.complete {
            let known: Vec<&str> = names.populations.keys().map(String::as_str).collect();
            let message = if names.sources.contains_key(&key.text) {
                format!("`{}` is a source; sources need no core", key.text)
            } else {
                format!("there is no population `{}`", key.text)
            };
            dx.error(&at.path, key.span, message).help(suggest(&key.text, &known));
        }
        let list = cores(&at, all_cores, dx);
        given.extend(population.zip(list).map(|(population, list)| (population, at, list)));
    }
    Some(Wanted { chip, given, places })
}

/// Reads a limit over its default: at least 1.
fn limit(
    fields: &mut Fields,
    key: &'static str,
    limit: &mut u64,
    dx: &mut Diagnostics,
) -> Option<()> {
    let Some(at) = fields.get(key) else { return Some(()) };
    let count = at.count(dx)?;
    if count == 0 || count > u64::from(u32::MAX) {
        at.error(dx, format!("{count} is not between 1 and 2^32 − 1"))
            .help(format!("the chip has {key}: {limit}"));
        return None;
    }
    *limit = count;
    Some(())
}

/// One core or a list of cores.
fn cores(at: &At, all_cores: Option<u64>, dx: &mut Diagnostics) -> Option<Vec<u64>> {
    let items = if at.is_list() { at.list(dx)? } else { vec![at.clone()] };
    if items.is_empty() {
        at.error(dx, "the list of cores is empty").help("name at least one core");
        return None;
    }
    let mut seen = BTreeSet::new();
    let mut list = Vec::new();
    for at in items {
        let Some(core) = at.count(dx) else { continue };
        if let Some(all) = all_cores.filter(|all| core >= *all) {
            at.error(dx, format!("core {core} does not exist, there are {all}")).help(format!(
                "cores are counted over all chips, here from 0 to {}; `chips` says how many there \
                 are",
                all - 1
            ));
        } else if !seen.insert(core) {
            at.error(dx, format!("core {core} stands in this list twice"))
                .help("name each core once");
        } else {
            list.push(core);
        }
    }
    Some(list)
}

impl Wanted<'_> {
    /// The chip with all populations on it; what does not fit is reported.
    pub fn fit(mut self, scene: &Scene, dx: &mut Diagnostics) -> Chip {
        for (at, (name, population)) in self.places.populations.iter().zip(&scene.populations) {
            if !population.model.0.is_on_dynapse1() {
                let at = at.find("model").unwrap_or_else(|| at.clone());
                let model = population.model.name();
                let message = format!("`{name}` has the model {model}, which is not on this chip");
                dx.error(&at.path, at.head(), message)
                    .help("use dynapse1 or arcana, or leave `chip` out");
            }
        }
        self.chip.cores = self.place(scene, dx);
        self.count_fan_in(scene, dx);
        self.chip
    }

    /// Gives the populations their cores: first those for which the scene names them, then the
    /// others in the order of the scene.
    fn place(&self, scene: &Scene, dx: &mut Diagnostics) -> Vec<(usize, Vec<u64>)> {
        let name = |population| scene.group_name(GroupId::Population(population));
        let size = |population| scene.group_size(GroupId::Population(population));
        let per_core = self.chip.neurons_per_core;
        let mut placement = Placement::new(scene, per_core);
        let mut placed: Vec<(usize, Vec<u64>)> = Vec::new();
        for &(population, ref at, ref wanted) in &self.given {
            let room: u64 = wanted.iter().map(|core| placement.free(*core)).sum();
            let (own, left) = placement.fill(population, wanted.iter().copied());
            for &core in &own {
                if let Some(Conflict { other, bias, own, its }) =
                    placement.conflict(core, population)
                {
                    let (name, other) = (name(population), name(other));
                    let message = format!(
                        "core {core} has one bias group, but {bias} is {own} in `{name}` and {its} \
                         in `{other}`"
                    );
                    at.error(dx, message).help(
                        "give both the same nominal values (mismatch may differ), or another core",
                    );
                }
            }
            if left > 0 {
                let (name, size) = (name(population), size(population));
                let cores = match &wanted[..] {
                    [one] => format!("core {one} has"),
                    several => format!("cores {several:?} have"),
                };
                let message = format!(
                    "`{name}` has {size} neurons, but {cores} room for {room} ({per_core} a core)"
                );
                at.error(dx, message).help("name more cores, or reduce the size");
            }
            placed.push((population, own));
        }
        let mut outside: Vec<(usize, u64)> = Vec::new();
        for population in 0..scene.populations.len() {
            if self.given.iter().any(|(given, ..)| *given == population) {
                continue;
            }
            let own = placement.fill_any(population);
            let last = own.iter().copied().max().unwrap_or_default();
            if last >= self.chip.all_cores() {
                outside.push((population, last));
            }
            placed.push((population, own));
        }
        let chips = outside.iter().map(|(_, last)| last / self.chip.cores_per_chip + 1).max();
        for (population, last) in outside {
            let (at, all) = (&self.places.populations[population], self.chip.all_cores());
            let (name, size) = (name(population), size(population));
            let message = format!(
                "`{name}` of size {size} ends on core {last}, but there are {all} cores, 0 to {}",
                all - 1
            );
            dx.error(&at.path, at.head(), message).help(format!(
                "reduce the sizes, let populations share cores by the same nominal values, or use \
                 chips: {}",
                chips.unwrap_or_default()
            ));
        }
        placed
    }

    /// Counts the words that the edges of all projections need at each neuron.
    fn count_fan_in(&self, scene: &Scene, dx: &mut Diagnostics) {
        let mut words: Vec<Vec<u64>> =
            scene.populations.values().map(|p| vec![0; p.size as usize]).collect();
        for (connection, at) in scene.connections.iter().zip(&self.places.connections) {
            let mut first: Option<Edge> = None;
            let mut broken = 0_u64;
            scene.edges(connection).for_each(|edge| {
                words[connection.to][edge.target as usize] += words_of(&edge);
                if edge.weight.fract() != 0.0 {
                    first.get_or_insert(edge);
                    broken += 1;
                }
            });
            if let Some(Edge { source, target, weight, .. }) = first {
                let at =
                    at.find("weight").or_else(|| at.find("rule")).unwrap_or_else(|| at.clone());
                let more = more(broken, "edge");
                let message = format!(
                    "the weight {weight} from {source} to {target} is not a whole number{more}"
                );
                at.error(dx, message).help(
                    "a weight of n takes n words of the neuron: use whole numbers, and Iw for the \
                     strength of each",
                );
            }
        }
        let limit = self.chip.fan_in;
        for (population, (name, words)) in scene.populations.keys().zip(&words).enumerate() {
            let broken = words.iter().filter(|words| **words > limit).count() as u64;
            let most = words.iter().copied().max().unwrap_or_default();
            let Some(neuron) = words.iter().position(|words| *words == most && most > limit) else {
                continue;
            };
            let parts = scene.connections.iter().filter(|c| c.to == population);
            let parts: Vec<String> = parts
                .map(|connection| (connection, words_at(scene, connection, neuron as u32)))
                .filter(|(_, words)| *words > 0)
                .map(|(connection, words)| format!("{words} by `{}`", connection.name))
                .collect();
            let more = more(broken, "neuron");
            let at = &self.places.populations[population];
            let message = format!(
                "neuron {neuron} of `{name}` has a fan-in of {most}, more than {limit}{more}"
            );
            dx.error(&at.path, at.head(), message).help(format!(
                "a weight of n counts n: {}; reduce degrees or weights, and raise Iw instead",
                parts.join(", ")
            ));
        }
    }
}

/// Words of memory for an edge. (A fraction is reported, and takes no less than a whole.)
fn words_of(edge: &Edge) -> u64 {
    edge.weight.ceil() as u64
}

/// Words that a projection takes of a neuron.
fn words_at(scene: &Scene, connection: &Connection, neuron: u32) -> u64 {
    let mut words = 0;
    scene.edges(connection).for_each(|edge| {
        if edge.target == neuron {
            words += words_of(&edge);
        }
    });
    words
}

/// How many break a rule besides the one that is named.
fn more(all: u64, one: &str) -> String {
    match all - 1 {
        0 => String::new(),
        1 => format!(" (and 1 more {one})"),
        n => format!(" (and {n} more {one}s)"),
    }
}
