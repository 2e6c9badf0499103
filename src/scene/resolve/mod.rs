//! From what was typed to a [`Scene`] in which everything is decided.
//!
//! Each part goes on after a mistake, so that all mistakes of a scene are reported at once; a part
//! that failed is remembered as *declared*, so that references to it are not reported again.

mod chip;
mod connection;
pub(crate) mod model;
mod population;
mod probe;
mod rule;
mod source;

use std::collections::BTreeSet;

use indexmap::IndexMap;

use super::decode::{At, Fields};
use super::diagnostics::{Diagnostics, suggest};
use super::files::Folder;
use super::tree::{Key, Node};
use super::{GroupId, Population, Scene, Selection, Solver, Source};
use crate::circuit::Domain;
use crate::model::Model;
use crate::plugins::Plugins;
use crate::solver::event;
use crate::time::Time;
use crate::units::{self, Unit};

/// More replicas would not be counted in 32 bits with any population.
const MOST_REPLICAS: u64 = 1_000_000;

/// The longest window unless the scene says otherwise: as many whole steps as fit into 100 ms, at
/// least one.
fn default_window(dt: Time) -> Time {
    const WINDOW: Time = Time::from_picoseconds(100_000_000_000);
    Time::from_steps((WINDOW.picoseconds() / dt.picoseconds()).max(1), dt)
}

/// The names of a scene while it is being resolved: what a reader of one of its parts may refer to.
/// A name that is declared, but with mistakes, is found and has no properties.
pub struct Names<'p> {
    /// What scenes can name.
    plugins: &'p Plugins,
    sources: IndexMap<String, Option<Source>>,
    populations: IndexMap<String, Option<Population>>,
    models: IndexMap<String, Option<Model>>,
    /// Whether all of them could be read; otherwise an unknown name is no mistake of its own.
    complete: bool,
}

impl Names<'_> {
    /// Looks up a source or population by name; an unknown one is reported.
    pub fn group(&self, at: &At, dx: &mut Diagnostics) -> Option<GroupId> {
        let name = at.text(dx)?;
        if let Some(index) = self.populations.get_index_of(name) {
            return Some(GroupId::Population(index));
        }
        if let Some(index) = self.sources.get_index_of(name) {
            return Some(GroupId::Source(index));
        }
        if !self.complete {
            return None;
        }
        let valid: BTreeSet<&str> =
            self.sources.keys().chain(self.populations.keys()).map(String::as_str).collect();
        let valid: Vec<&str> = valid.into_iter().collect();
        at.error(dx, format!("there is no source or population `{name}`"))
            .help(suggest(name, &valid));
        None
    }

    /// Looks up a population by name; an unknown one, or a source, is reported.
    pub fn population(&self, at: &At, dx: &mut Diagnostics) -> Option<usize> {
        let name = at.text(dx)?;
        if let Some(index) = self.populations.get_index_of(name) {
            return Some(index);
        }
        if !self.complete {
            return None;
        }
        let valid: Vec<&str> = self.populations.keys().map(String::as_str).collect();
        let message = if self.sources.contains_key(name) {
            format!("`{name}` is a source; a population is needed here")
        } else {
            format!("there is no population `{name}`")
        };
        at.error(dx, message).help(suggest(name, &valid));
        None
    }

    /// Looks up neurons of a group: `Range(from: 0, to: 99)` or a list `[0, 5, 7]`. Indices are
    /// checked against its size, if that could be read.
    pub fn selection(
        &self,
        at: &At,
        of: Option<GroupId>,
        dx: &mut Diagnostics,
    ) -> Option<Selection> {
        selection(at, of.and_then(|of| self.size(of)), dx)
    }

    /// The model of a population, if it was read without mistakes.
    #[must_use]
    pub fn model(&self, population: usize) -> Option<&Model> {
        self.populations[population].as_ref().map(|population| &population.model)
    }

    /// Size of a group, if it was read without mistakes.
    #[must_use]
    pub fn size(&self, group: GroupId) -> Option<u64> {
        let size = match group {
            GroupId::Source(index) => self.sources[index].as_ref().map(|s| s.size),
            GroupId::Population(index) => self.populations[index].as_ref().map(|p| p.size),
        };
        size.filter(|size| *size > 0)
    }
}

/// Decides everything but how the scene fits on its chip, which is asked of the whole scene.
/// Mistakes go to `dx`; a scene with mistakes may come back as `None`.
pub fn resolve<'n>(
    root: &'n Node,
    plugins: &Plugins,
    default_name: &str,
    folder: &mut Folder,
    dx: &mut Diagnostics,
) -> Option<(Scene, Option<chip::Wanted<'n>>)> {
    let mut fields = At::root(root).fields(dx)?;
    if let Some(at) = fields.get("format")
        && at.count(dx).is_some_and(|format| format != 1)
    {
        at.error(dx, "this program reads scenes of format 1").help("write format: 1");
    }
    let name = match fields.get("name") {
        Some(at) => at.text(dx).map(str::to_string),
        None => Some(default_name.to_string()),
    };
    let seed = match fields.get("seed") {
        Some(at) => at.count(dx),
        None => Some(0),
    };
    let replicas = match fields.get("replicas") {
        Some(at) => at.count(dx).filter(|count| {
            let is_valid = (1..=MOST_REPLICAS).contains(count);
            if !is_valid {
                at.error(dx, format!("there can be 1 to {MOST_REPLICAS} replicas, not {count}"))
                    .help("for example replicas: 100, or leave it out");
            }
            is_valid
        }),
        None => Some(1),
    };
    let duration_at = fields.need(dx, "duration", "for example duration: \"1 s\"");
    let duration = duration_at.as_ref().and_then(|at| at.time(dx, Domain::Positive));
    let window_at = fields.get("window");
    let solver = solver(&mut fields, dx);
    let window = match (&window_at, solver) {
        (Some(at), _) => at.time(dx, Domain::Positive),
        (None, Some(solver)) => Some(default_window(solver.grid())),
        (None, None) => None,
    };

    let models_at = fields.get("models");
    let sources_at = fields.get("sources");
    let populations_at = fields.get("populations");
    let connections_at = fields.get("connections");
    let probes_at = fields.get("probes");
    let chip_at = fields.get("chip");
    // Read by itself: `super::sweep`.
    let _ = fields.get("sweep");
    fields.close(dx);

    let mut names = Names {
        plugins,
        sources: IndexMap::new(),
        populations: IndexMap::new(),
        models: IndexMap::new(),
        complete: true,
    };
    if let Some(entries) = models_at.and_then(|at| at.map(dx)) {
        for (key, at) in entries {
            let model = model::model(&at, plugins, &[], dx);
            names.models.insert(key.text.clone(), model);
        }
    }
    let sources = sources_at.map(|at| at.map(dx));
    let populations = populations_at.map(|at| at.map(dx));
    names.complete = !matches!(sources, Some(None)) && !matches!(populations, Some(None));
    if let Some(entries) = sources.flatten() {
        for (key, at) in entries {
            check_name(key, &at.path, dx);
            let source = source::source(&at, names.plugins, folder, dx);
            if let (Some(source), Some(duration)) = (&source, duration) {
                source::warn_of_late_spikes(source, duration, &at, dx);
            }
            names.sources.insert(key.text.clone(), source);
        }
    }
    // Circuits that connections need are added before mismatch and biases are read.
    let mut later = Vec::new();
    let mut places = chip::Places::default();
    if let Some(entries) = populations.flatten() {
        for (key, at) in entries {
            check_name(key, &at.path, dx);
            if key.text == "total" {
                dx.error(&at.path, key.span, "the name `total` is taken by the summary")
                    .help("choose another name");
            }
            if names.sources.contains_key(&key.text) {
                dx.error(&at.path, key.span, format!("`{}` is a source, too", key.text))
                    .help("sources and populations share one set of names: rename one");
            }
            let (population, rest) = population::population(&at, &names, dx);
            places.populations.push(at);
            names.populations.insert(key.text.clone(), population);
            later.extend(rest.map(|rest| (key.text.clone(), rest)));
        }
    }
    let dt = solver.map(Solver::grid);
    if let Some(dt) = solver.and_then(|solver| step_of_windows(solver, &names)) {
        let help = match solver {
            Some(Solver::Event { .. }) => {
                "choose a whole number of steps: a model here has no event-driven equations and is \
                 advanced by the solver's `step`"
            }
            _ => "choose a whole number of steps",
        };
        for (at, time, what) in
            [(&duration_at, duration, "duration"), (&window_at, window, "window")]
        {
            if let (Some(at), Some(time)) = (at, time)
                && !time.is_multiple_of(dt)
            {
                at.error(dx, format!("the {what} {time} s is no multiple of the step dt = {dt} s"))
                    .help(help);
            }
        }
    }
    places.connections = connections_at.and_then(|at| at.list(dx)).unwrap_or_default();
    let connections = connection::connections(&places.connections, &mut names, folder, solver, dx);
    for (name, rest) in later {
        if let Some(population) = names.populations.get_mut(&name) {
            population::finish(
                population,
                rest,
                folder,
                (replicas.unwrap_or(1), solver.and_then(Solver::euler_dt)),
                dx,
            );
        }
    }
    let mut probes = IndexMap::new();
    if let Some(entries) = probes_at.and_then(|at| at.map(dx)) {
        for (key, at) in entries {
            check_name(key, &at.path, dx);
            let probe = probe::probe(&at, &names, (dt, duration), dx);
            probes.extend(probe.map(|probe| (key.text.clone(), probe)));
        }
    }
    let chip = chip_at.and_then(|at| chip::read(&at, &names, places, dx));
    if dx.errors() > 0 {
        return None;
    }
    let scene = Scene {
        comment: String::new(),
        name: name?,
        seed: seed?,
        replicas: replicas?,
        duration: duration?,
        window: window?,
        solver: solver?,
        sources: names.sources.into_iter().map(|(k, v)| Some((k, v?))).collect::<Option<_>>()?,
        populations: names
            .populations
            .into_iter()
            .map(|(k, v)| Some((k, v?)))
            .collect::<Option<_>>()?,
        connections,
        probes,
        chip: None,
    };
    Some((scene, chip))
}

fn solver(fields: &mut Fields, dx: &mut Diagnostics) -> Option<Solver> {
    let default = Solver::Event {
        tolerance: Time::from_picoseconds(1_000_000),
        step: Time::from_picoseconds(100_000_000),
    };
    let Some(at) = fields.get("solver") else { return Some(default) };
    let variant = at.variant(dx, "a solver", &["Event", "Euler"])?;
    let mut fields = variant.fields(dx)?;
    if variant.name == "Euler" {
        let dt = fields
            .need(dx, "dt", "for example Euler(dt: \"1 ms\")")
            .and_then(|at| at.time(dx, Domain::Positive));
        fields.close(dx);
        return dt.map(|dt| Solver::Euler { dt });
    }
    let Solver::Event { mut tolerance, mut step } = default else { return None };
    let mut complete = true;
    if let Some(at) = fields.get("tolerance") {
        let given = at.quantity(dx, Unit::Second, Domain::Any);
        complete = given.is_some();
        if let Some(given) = given {
            let finest = units::format(event::FINEST.seconds(), Unit::Second);
            let shown = units::format(given, Unit::Second);
            let help = format!("it is at least {finest}; the default is 1 us");
            match Time::from_seconds(given) {
                _ if given <= 0.0 => {
                    at.error(dx, format!("must be greater than 0, but is {shown}")).help(help);
                    complete = false;
                }
                _ if given < event::FINEST.seconds() => {
                    let why = "is finer than the arithmetic can keep";
                    at.error(dx, format!("the tolerance {shown} {why}")).help(format!(
                        "{help}. Time is kept in picoseconds, and the error of many steps in double \
                         precision adds up"
                    ));
                    complete = false;
                }
                Some(given) => tolerance = given,
                None => {
                    at.error(dx, format!("{shown} is too long")).help(help);
                    complete = false;
                }
            }
        }
    }
    if let Some(at) = fields.get("step") {
        match at.time(dx, Domain::Positive) {
            Some(given) => step = given,
            None => complete = false,
        }
    }
    fields.close(dx);
    complete.then_some(Solver::Event { tolerance, step })
}

/// The step of which windows are multiples: that of Euler, or of models that have no event-driven
/// equations.
fn step_of_windows(solver: Solver, names: &Names) -> Option<Time> {
    let is_stepped = |p: &Population| !p.model.0.is_event_driven();
    let any = solver.euler_dt().is_some() || names.populations.values().flatten().any(is_stepped);
    any.then(|| solver.step())
}

/// Names become keys and files of results.
fn check_name(key: &Key, path: &str, dx: &mut Diagnostics) {
    let name = &key.text;
    if name.trim().is_empty() {
        dx.error(path, key.span, "a name must not be empty").help("give it a name");
    } else if name.chars().any(char::is_control) {
        dx.error(path, key.span, format!("the name {name:?} holds control characters"))
            .help("use letters, digits, _ and -");
    }
}

/// A size of a group: at least 1.
fn size(fields: &mut Fields, dx: &mut Diagnostics) -> Option<u64> {
    fields.need(dx, "size", "for example size: 200")?.size(dx)
}

/// Some of the neurons of a group of `size`: `Range(from: 0, to: 99)` or `[0, 5, 7]`.
fn selection(at: &At, size: Option<u64>, dx: &mut Diagnostics) -> Option<Selection> {
    let selection = if matches!(at.node.value, super::tree::Value::List(_)) {
        let items = at.list(dx)?;
        if items.is_empty() {
            at.error(dx, "the list of neurons is empty").help("name at least one neuron");
            return None;
        }
        let list: Vec<Option<u32>> = items.iter().map(|at| at.neuron(dx, size)).collect();
        let mut seen = BTreeSet::new();
        for (at, index) in items.iter().zip(list.iter().flatten()) {
            if !seen.insert(index) {
                at.error(dx, format!("neuron {index} stands in this list twice"))
                    .help("name each neuron once");
            }
        }
        Selection::List(list.into_iter().collect::<Option<_>>()?)
    } else {
        let variant = at.variant(
            dx,
            "a choice of neurons (All, Range(from: 0, to: 99) or a list [0, 5])",
            &["All", "Range"],
        )?;
        if variant.name == "All" {
            variant.unit(dx);
            return Some(Selection::All);
        }
        let mut fields = variant.fields(dx)?;
        const HELP: &str = "for example Range(from: 0, to: 99), both included";
        let from = fields.need(dx, "from", HELP).and_then(|at| at.neuron(dx, size));
        let to = fields.need(dx, "to", HELP).and_then(|at| at.neuron(dx, size));
        fields.close(dx);
        let (from, to) = (from?, to?);
        if from > to {
            at.error(dx, format!("the range ends at {to}, before it starts at {from}")).help(HELP);
            return None;
        }
        Selection::Range { from, to }
    };
    Some(selection)
}
