//! Scenes: from a RON text to a description in which everything is decided.
//!
//! ```text
//! text ── tree ──(--set)──(sweep)── resolve ──(chip)──> Scene ── spawn ──> World
//! ```
//!
//! | module | what it does |
//! |---|---|
//! | `tree` | RON with the place of every part |
//! | `edit` | `--set PATH=VALUE` |
//! | [`sweep`] | one scene at many points |
//! | [`decode`] | typed values out of the tree, every mistake reported |
//! | `resolve` | all defaults, names and checks: the [`Scene`] |
//! | [`chip`] | the chip on which a scene is to fit |
//! | [`files`] | input files: trains and measured biases |
//! | [`mod@write`] | a [`Scene`] as RON again |
//! | [`difference`] | where two scenes differ |
//! | [`hint`] | what a scene might do better |
//! | [`mod@reference`] | what can be written in a scene, told by its readers |
//! | [`estimate`] | what a scene will cost, before anything is allocated |
//! | [`spawn`] | a [`Scene`] as entities |

pub mod chip;
pub mod decode;
pub mod diagnostics;
pub mod difference;
mod edit;
pub mod estimate;
pub mod files;
pub mod hint;
pub mod reference;
mod resolve;
pub mod spawn;
pub mod sweep;
mod tree;
pub mod write;

pub use resolve::Names;
pub(crate) use resolve::model::read as read_model;

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use indexmap::IndexMap;

use crate::circuit::{MismatchLaw, Receptor, Waveform};
use crate::error::Error;
use crate::model::Model;
use crate::network::law::{Delays, Weights};
use crate::network::source::Train;
use crate::network::{Edges, Plasticity, Rule};
use crate::plugins::Plugins;
use crate::probe::{ProbeKind, Span};
use crate::solver::event;
use crate::table::Format;
use crate::time::Time;
use chip::Chip;
use diagnostics::{Diagnostics, SceneReport, Texts};
use estimate::{Estimate, Recording, available_memory};
use files::InputFile;
use sweep::Sweep;
use tree::Node;

/// An experiment in which everything is decided: what a scene file says, with every default filled
/// in and every rule checked. [`Simulation::new`](crate::Simulation::new) builds the world from it.
#[derive(Debug, Clone)]
pub struct Scene {
    /// The comment with which its text opens: what the experiment asks, and what to expect.
    pub comment: String,
    /// Its name: the default name of the results folder.
    pub name: String,
    /// The seed of all random draws.
    pub seed: u64,
    /// Draws of the mismatch of the whole scene side by side: 1 or more.
    pub replicas: u64,
    /// Simulated time. Inputs act for 0 ≤ t < duration.
    pub duration: Time,
    /// Longest window: how often plugins, probes and the progress display meet the simulation.
    pub window: Time,
    /// How neurons are advanced.
    pub solver: Solver,
    /// Groups of spike sources by name.
    pub sources: IndexMap<String, Source>,
    /// Populations of neurons by name.
    pub populations: IndexMap<String, Population>,
    /// Projections.
    pub connections: Vec<Connection>,
    /// Probes by name.
    pub probes: IndexMap<String, Probe>,
    /// The chip that holds the populations, if there is one.
    pub chip: Option<Chip>,
}

/// How neurons are advanced in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Solver {
    /// From event to event, every spike time to a tolerance: results do not depend on a step.
    Event {
        /// The largest error of a spike time, over the first second, of a neuron that does not amplify disturbances
        /// (`docs/src/solvers.md`).
        tolerance: Time,
        /// The step of models that have no event-driven equations: those on the host, and kernels
        /// of plugins.
        step: Time,
    },
    /// Forward Euler at a fixed step, in the order of operations of the published code.
    Euler {
        /// The step.
        dt: Time,
    },
}

impl Solver {
    /// What every time of a scene is a multiple of: Euler's step, otherwise a picosecond.
    #[must_use]
    pub fn grid(self) -> Time {
        match self {
            Solver::Event { .. } => Time::TICK,
            Solver::Euler { dt } => dt,
        }
    }

    /// The step of models that are advanced by steps.
    #[must_use]
    pub fn step(self) -> Time {
        match self {
            Solver::Event { step, .. } => step,
            Solver::Euler { dt } => dt,
        }
    }

    /// Euler's step.
    #[must_use]
    pub fn euler_dt(self) -> Option<Time> {
        match self {
            Solver::Event { .. } => None,
            Solver::Euler { dt } => Some(dt),
        }
    }
}

/// A group of spike sources.
#[derive(Debug, Clone)]
pub struct Source {
    /// How many.
    pub size: u64,
    /// When they fire.
    pub train: Arc<dyn Train>,
}

/// A population of neurons with the same nominal circuit.
#[derive(Debug, Clone)]
pub struct Population {
    /// How many neurons.
    pub size: u64,
    /// The nominal circuit.
    pub model: Model,
    /// How instances differ: bias and law, in the order of the scene.
    pub mismatch: Vec<(BiasPath, MismatchLaw)>,
    /// Given values that replace drawn ones.
    pub biases: Option<GivenBiases>,
    /// Initial values: of the membrane (`None`) or of the current of a receptor.
    pub init: Vec<(Option<Receptor>, f64)>,
    /// A direct input that changes in time, added to that of each neuron.
    pub dc: Option<Waveform>,
}

/// A bias by name: `soma.Itau`, `ampa.Iw`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BiasPath {
    /// The synapse circuit, or the soma (`None`).
    pub receptor: Option<Receptor>,
    /// The name of the bias in its block.
    pub bias: &'static str,
}

impl std::fmt::Display for BiasPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.circuit(), self.bias)
    }
}

impl BiasPath {
    /// The name of the block: `soma` or the receptor.
    #[must_use]
    pub fn circuit(&self) -> &'static str {
        self.receptor.map_or("soma", Receptor::name)
    }
}

/// Biases that are given neuron by neuron: measured ones from a file with the header
/// `neuron,soma.Itau,ampa.Iw,…`, perhaps with `replica` before it, or values in the scene.
#[derive(Debug, Clone)]
pub struct GivenBiases {
    /// Where they come from.
    pub source: BiasSource,
    /// The biases of its columns.
    pub columns: Vec<BiasPath>,
    /// Whether each replica has its own rows.
    pub by_replica: bool,
    /// The neuron (its index over all replicas, where each has its own rows) and its values of each row,
    /// in the SI unit, sorted by neuron.
    pub rows: Arc<[(u32, Vec<f64>)]>,
}

/// Where biases that are given neuron by neuron come from.
#[derive(Debug, Clone)]
pub enum BiasSource {
    /// `File("chip.csv")`
    File(InputFile),
    /// `Given({ "soma.Idc": Linear(from: "0 A", to: "1 nA") })`, in the order of the columns.
    Scene(Vec<BiasValues>),
}

/// A bias of each neuron of a population, in the SI unit.
#[derive(Debug, Clone, PartialEq)]
pub enum BiasValues {
    /// Evenly spaced from the first neuron to the last.
    Linear {
        /// Of neuron 0.
        from: f64,
        /// Of the last neuron.
        to: f64,
    },
    /// One for each.
    List(Vec<f64>),
}

impl BiasValues {
    /// The value of a neuron of `size`.
    #[must_use]
    pub fn of(&self, neuron: u64, size: u64) -> f64 {
        match self {
            BiasValues::Linear { from, .. } if size == 1 => *from,
            BiasValues::Linear { from, to } => {
                from + (to - from) * neuron as f64 / (size - 1) as f64
            }
            BiasValues::List(values) => values[neuron as usize],
        }
    }
}

/// A group of emitters: a source or a population, by its place in the scene.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GroupId {
    /// A group of sources.
    Source(usize),
    /// A population.
    Population(usize),
}

/// Some of the neurons of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// All of them.
    All,
    /// From the first to the last, both included.
    Range {
        /// First index.
        from: u32,
        /// Last index.
        to: u32,
    },
    /// These, in this order.
    List(Vec<u32>),
}

impl Selection {
    /// How many of `size` neurons are selected.
    #[must_use]
    pub fn len(&self, size: u64) -> u64 {
        match self {
            Selection::All => size,
            Selection::Range { from, to } => u64::from(to - from) + 1,
            Selection::List(list) => list.len() as u64,
        }
    }

    /// The `k`-th selected neuron.
    #[must_use]
    pub fn get(&self, k: u64) -> u32 {
        match self {
            Selection::All => k as u32,
            Selection::Range { from, .. } => from + k as u32,
            Selection::List(list) => list[k as usize],
        }
    }
}

/// A projection: edges from a group to one receptor of a population.
#[derive(Debug, Clone)]
pub struct Connection {
    /// Its name, `from->to:receptor` unless the scene names it.
    pub name: String,
    /// The spiking side.
    pub from: GroupId,
    /// Which of its neurons.
    pub from_neurons: Selection,
    /// The receiving population.
    pub to: usize,
    /// Which of its neurons.
    pub to_neurons: Selection,
    /// The receptor at which the edges end.
    pub receptor: Receptor,
    /// Who is connected to whom.
    pub rule: Rule,
    /// Pulses per spike.
    pub weight: Weights,
    /// From a spike to its arrival.
    pub delay: Delays,
    /// What changes the weights while the simulation runs.
    pub plasticity: Option<Arc<dyn Plasticity>>,
}

/// What is recorded.
#[derive(Debug, Clone)]
pub struct Probe {
    /// When.
    pub span: Span,
    /// What.
    pub kind: Arc<dyn ProbeKind>,
    /// How its main table is written.
    pub format: Format,
}

/// A state variable of a neuron.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variable {
    /// Membrane voltage (UT/κ)·ln(Imem/I0), V.
    Vmem,
    /// Membrane current, A.
    Imem,
    /// Current of a synapse circuit, A.
    Synapse(Receptor),
    /// Any other, by its name.
    Named(&'static str),
}

impl Variable {
    /// Its name: `Vmem`, `Imem`, `Iampa`, …
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Variable::Vmem => "Vmem",
            Variable::Imem => "Imem",
            Variable::Synapse(receptor) => receptor.variable(),
            Variable::Named(name) => name,
        }
    }
}

/// A scene and what there is to say about it.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The scene.
    pub scene: Scene,
    /// Warnings, each at its place.
    pub warnings: SceneReport,
    /// Its sweep, if it has one; `scene` is then the scene without it.
    pub sweep: Option<Sweep>,
}

impl Loaded {
    /// The same for who runs scenes one by one.
    ///
    /// # Errors
    /// [`Error::Sweep`] for a scene with a sweep.
    pub fn single(self) -> Result<Loaded, Error> {
        match &self.sweep {
            None => Ok(self),
            Some(sweep) => Err(Error::Sweep {
                message: format!("the scene has a sweep of {} points", sweep.points()),
                help: "`picoamp run` runs all of them; take one with --point N, or the scene \
                       without its sweep with --set sweep=Off"
                    .into(),
            }),
        }
    }
}

/// A scene as it was typed, with its overrides.
#[derive(Debug)]
struct Draft {
    root: Node,
    texts: Texts,
    comment: String,
    /// Its name if it gives none.
    default_name: String,
}

impl Draft {
    /// Decides everything in `root`, which is that of the draft or one that was edited.
    fn decide(
        &self,
        root: &Node,
        plugins: &Plugins,
        files: &mut files::Folder,
        dx: &mut Diagnostics,
    ) -> Result<Option<Scene>, Error> {
        let Some((mut scene, chip)) =
            resolve::resolve(root, plugins, &self.default_name, files, dx)
        else {
            return Ok(None);
        };
        scene.comment.clone_from(&self.comment);
        if let Some(chip) = chip {
            // The edges are counted one by one: not those of a scene that cannot run anyway.
            Estimate::of(&scene, Recording::Streamed).check(available_memory())?;
            scene.chip = Some(chip.fit(&scene, dx));
        }
        Ok(Some(scene))
    }
}

impl Scene {
    /// The name of a group.
    #[must_use]
    pub fn group_name(&self, group: GroupId) -> &str {
        let found = match group {
            GroupId::Source(k) => self.sources.get_index(k).map(|(name, _)| name),
            GroupId::Population(k) => self.populations.get_index(k).map(|(name, _)| name),
        };
        found.map_or("", String::as_str)
    }

    /// The size of a group.
    #[must_use]
    pub fn group_size(&self, group: GroupId) -> u64 {
        match group {
            GroupId::Source(k) => self.sources[k].size,
            GroupId::Population(k) => self.populations[k].size,
        }
    }

    /// Neurons of a population in all replicas, or sources of a group.
    #[must_use]
    pub fn instances(&self, group: GroupId) -> u64 {
        match group {
            GroupId::Source(k) => self.sources[k].size,
            GroupId::Population(k) => self.populations[k].size.saturating_mul(self.replicas),
        }
    }

    /// The edges of a projection within one replica.
    #[must_use]
    pub fn edges<'a>(&self, connection: &'a Connection) -> Edges<'a> {
        let (from_size, to_size) = self.sizes(connection);
        Edges::new(connection, self.seed, self.solver.grid(), from_size, to_size)
    }

    /// Whether a population is advanced by steps: with Euler all, with the event-driven solver those
    /// whose model has no event-driven equations.
    #[must_use]
    pub fn is_stepped(&self, population: usize) -> bool {
        match self.solver {
            Solver::Euler { .. } => true,
            Solver::Event { .. } => !self.populations[population].model.0.is_event_driven(),
        }
    }

    /// What the ends of windows are multiples of: a step, where a population is advanced by steps.
    #[must_use]
    pub fn window_grid(&self) -> Time {
        let any = (0..self.populations.len()).any(|k| self.is_stepped(k));
        if any { self.solver.step() } else { self.solver.grid() }
    }

    /// The shortest delay that is allowed between neurons: a round of the event-driven solver is no
    /// longer than that.
    #[must_use]
    pub fn least_delay(&self) -> Time {
        match self.solver {
            Solver::Event { .. } => self.window_grid().max(event::SHORTEST_DELAY),
            Solver::Euler { .. } => Time::ZERO,
        }
    }

    /// The sizes of both ends of a projection.
    #[must_use]
    pub fn sizes(&self, connection: &Connection) -> (u64, u64) {
        (self.group_size(connection.from), self.populations[connection.to].size)
    }

    /// Reads a scene file and applies `PATH=VALUE` overrides. Scenes that name what a plugin brings
    /// are read by [`Plugins::load`].
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be read, [`Error::Scene`] with every mistake in it,
    /// [`Error::Limit`] when it is too large to be compared with its chip.
    pub fn load(path: impl AsRef<Path>, overrides: &[String]) -> Result<Loaded, Error> {
        Plugins::default().load(path, overrides)
    }

    /// Reads a scene from a text. `origin` is the name that messages show, `default_name` the
    /// scene's name if it gives none; input files are relative to `folder`.
    ///
    /// # Errors
    /// [`Error::Scene`] with every mistake in it, [`Error::Limit`] when it is too large to be
    /// compared with its chip.
    pub fn parse(
        text: &str,
        origin: &str,
        default_name: &str,
        folder: &Path,
        overrides: &[String],
    ) -> Result<Loaded, Error> {
        Plugins::default().parse(text, origin, default_name, folder, overrides)
    }
}

/// Reads a scene file.
pub(crate) fn load(plugins: &Plugins, path: &Path, overrides: &[String]) -> Result<Loaded, Error> {
    let bytes = fs::read(path).map_err(|e| match e.kind() {
        ErrorKind::NotFound => {
            Error::NoScene { path: path.to_path_buf(), help: known_scenes(path) }
        }
        _ => Error::io("read the scene", path, e),
    })?;
    let text = String::from_utf8(bytes).map_err(|e| {
        let e = std::io::Error::new(ErrorKind::InvalidData, e.utf8_error());
        Error::io("read the scene as UTF-8 text", path, e)
    })?;
    // Editors of some systems put a byte order mark in front.
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let stem = path.file_stem().map_or("scene".into(), |s| s.to_string_lossy().into_owned());
    parse(plugins, text, (&path.to_string_lossy(), &stem), folder, overrides)
}

/// What may be meant by the path of a scene that is not there: a name near to it, or the same without its
/// ending, in its folder or in `scenes`.
fn known_scenes(path: &Path) -> String {
    let stem = |path: &Path| path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let beside = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    for folder in [beside, Path::new("scenes")] {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path());
        let mut scenes: Vec<_> =
            entries.filter(|found| found.extension().is_some_and(|end| end == "ron")).collect();
        scenes.sort();
        let names: Vec<String> = scenes.iter().filter_map(|scene| stem(scene)).collect();
        let name = stem(path).unwrap_or_default();
        let near = diagnostics::nearest(&name, names.iter().map(String::as_str));
        if let Some(at) = near.and_then(|near| names.iter().position(|name| name == near)) {
            let found = scenes[at].strip_prefix(".").unwrap_or(&scenes[at]);
            return format!("did you mean {}?", found.display());
        }
    }
    "check the path; it is relative to the current folder".into()
}

/// The lines `// …` with which a text opens.
fn opening_comment(text: &str) -> String {
    let lines = text.lines().map(str::trim).skip_while(|line| line.is_empty());
    let comment = lines.map_while(|line| line.strip_prefix("//"));
    let lines: Vec<&str> = comment.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
    lines.join("\n").trim().to_string()
}

/// Reads a scene from a text, with its origin and default name.
pub(crate) fn parse(
    plugins: &Plugins,
    text: &str,
    (origin, default_name): (&str, &str),
    folder: &Path,
    overrides: &[String],
) -> Result<Loaded, Error> {
    let mut texts = Texts::default();
    let mut dx = Diagnostics::default();
    let text: Arc<str> = text.into();
    let main = texts.add(origin, text.clone());
    let mut root = tree::parse(&text, main, &mut dx);
    if let Some(root) = &mut root {
        for (k, assignment) in overrides.iter().enumerate() {
            edit::set(root, assignment, k + 1, &mut texts, &mut dx);
        }
    }
    let Some(root) = root else { return Err(Error::Scene(dx.into_report(&texts))) };
    let comment = opening_comment(&text);
    let draft = Arc::new(Draft { root, texts, comment, default_name: default_name.to_string() });
    let mut files = files::Folder::new(folder);
    let scene = draft.decide(&draft.root, plugins, &mut files, &mut dx)?;
    let plan = sweep::read(&draft.root, &mut dx)?;
    let mut sweep = None;
    if let (Some(plan), Some(scene), 0) = (plan, &scene, dx.errors()) {
        sweep = Sweep::new(plan, draft.clone(), scene, plugins, files, &mut dx)?;
    }
    let failed = dx.errors() > 0;
    let report = dx.into_report(&draft.texts);
    match scene {
        Some(scene) if !failed => Ok(Loaded { scene, warnings: report.warnings(), sweep }),
        _ => Err(Error::Scene(report)),
    }
}
