//! `sweep:`: one scene at many points, each with other values at some paths.
//!
//! ```text
//! sweep: { "populations.dpi.model.soma.Itau": Log(from: "1 pA", to: "100 pA", n: 20), … }
//! sweep: Zip(axes: { … }, seeds: Shared)
//! ```
//!
//! A point is decided by itself, as if its values were given with `--set`: what a scene leaves out
//! follows from them. So a sweep keeps the scene as it was typed.
//!
//! # Seeds
//!
//! Unless `seeds: Shared`, each point draws from a seed of its own: the first 53 bits of the SHA-256 of
//! the scene's seed and a line `path=value` for each path, in the order of their letters, values as
//! tables have them. In Python:
//!
//! ```text
//! text = "\n".join([str(seed)] + sorted(f"{path}={value}" for path, value in point))
//! int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 11
//! ```
//!
//! So it hangs on the values alone: not on the number of the point, nor on what other values there are.
//! A sweep over `seed` itself derives none.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use indexmap::IndexMap;
use miette::Severity;
use sha2::{Digest, Sha256};

use super::decode::{At, Fields};
use super::diagnostics::{Diagnostics, Finding, Span, nearest};
use super::edit::{self, Typed};
use super::estimate::{Estimate, Recording};
use super::files::{Folder, InputFile};
use super::tree::{Body, Key, Node, Value};
use super::{Draft, Loaded, Scene, tree, write};
use crate::circuit::math::{exp, ln};
use crate::error::Error;
use crate::plugins::Plugins;
use crate::table::Format;
use crate::units::{self, Unit};

/// A sweep of more points is refused.
pub const MOST_POINTS: u64 = 100_000;

/// How the values of several axes are combined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Every value of an axis with every value of the others; the last axis changes fastest.
    Grid,
    /// The first values of all axes, the second ones, and so on.
    Zip,
}

/// From which seed a point draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seeds {
    /// One of its own.
    Derived,
    /// The scene's.
    Shared,
}

/// A path and the values that it takes.
#[derive(Debug, Clone)]
pub struct Axis {
    /// The path, as `--set` takes it.
    pub path: String,
    /// Its values.
    pub values: Vec<Coordinate>,
    keys: Vec<Key>,
    /// Where the path stands.
    span: Span,
}

/// A value at the path of an axis.
#[derive(Debug, Clone)]
pub struct Coordinate {
    node: Node,
    /// A number and its unit, or RON.
    value: Result<(f64, Unit), String>,
}

impl Coordinate {
    /// The number, in the SI unit; none where it is something else.
    #[must_use]
    pub fn number(&self) -> Option<f64> {
        self.value.as_ref().ok().map(|(number, _)| *number)
    }

    /// The SI unit of the number.
    #[must_use]
    pub fn unit(&self) -> Unit {
        self.value.as_ref().map_or(Unit::One, |(_, unit)| *unit)
    }

    /// As tables have it: the number in the SI unit, or RON on one line.
    #[must_use]
    pub fn cell(&self) -> String {
        match &self.value {
            Ok((number, _)) if *number != 0.0 && !(1e-4..1e12).contains(&number.abs()) => {
                format!("{number:e}")
            }
            Ok((number, _)) => number.to_string(),
            Err(text) => text.clone(),
        }
    }
}

impl fmt::Display for Coordinate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Ok((number, Unit::One)) => write!(f, "{number}"),
            Ok((number, unit)) => f.write_str(&units::rounded(*number, *unit)),
            Err(text) => f.write_str(text),
        }
    }
}

/// A sweep whose points are all valid.
#[derive(Debug, Clone)]
pub struct Sweep {
    /// How axes are combined.
    pub form: Form,
    /// From which seeds points draw.
    pub seeds: Seeds,
    /// The axes, in the order of the scene.
    pub axes: Vec<Axis>,
    /// The scene's seed.
    pub seed: u64,
    /// What all points come to.
    pub total: Total,
    draft: Arc<Draft>,
    files: Folder,
}

/// What the points of a sweep come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Total {
    /// Neurons of all points that go from event to event.
    pub event_neurons: u128,
    /// Steps of the others.
    pub neuron_steps: u128,
    /// The point that needs the most memory.
    pub largest_point: usize,
    /// What it needs while its records are kept.
    pub largest: Estimate,
    /// Memory of the tables of that point as text, bytes.
    pub tables_bytes: u128,
}

/// Reads the key `sweep` of a scene; `None` where there is none, or one with mistakes.
pub(super) fn read(root: &Node, dx: &mut Diagnostics) -> Result<Option<Plan>, Error> {
    let Some(at) = At::root(root).find("sweep") else { return Ok(None) };
    let (mut form, mut seeds) = (Form::Grid, Seeds::Derived);
    let axes_at = if matches!(at.node.value, Value::Map(_)) {
        Some(at.clone())
    } else {
        let Some(variant) = at.variant(dx, "a sweep", &["Off", "Grid", "Zip"]) else {
            return Ok(None);
        };
        if variant.name == "Off" {
            variant.unit(dx);
            return Ok(None);
        }
        if variant.name == "Zip" {
            form = Form::Zip;
        }
        let Some(mut fields) = variant.fields(dx) else { return Ok(None) };
        let axes =
            fields.need(dx, "axes", "for example axes: { \"replicas\": List([1, 10, 100]) }");
        if let Some(at) = fields.get("seeds")
            && let Some(variant) =
                at.variant(dx, "a choice of the seeds of points", &["Derived", "Shared"])
        {
            variant.unit(dx);
            seeds = if variant.name == "Shared" { Seeds::Shared } else { Seeds::Derived };
        }
        fields.close(dx);
        axes
    };
    let Some(entries) = axes_at.and_then(|at| at.map(dx)) else { return Ok(None) };
    if entries.is_empty() {
        at.error(dx, "a sweep needs a path and its values").help(
            "for example { \"populations.dpi.model.soma.Itau\": Log(from: \"1 pA\", to: \"100 pA\", \
             n: 20) }, or Off",
        );
        return Ok(None);
    }
    let mut axes: Vec<Axis> = Vec::new();
    for (key, at) in &entries {
        if let Some(axis) = axis(key, at, dx)? {
            overlap(&axes, &axis, dx);
            axes.push(axis);
        }
    }
    if let (Form::Zip, Some(first)) = (form, axes.first()) {
        let other = axes.iter().find(|axis| axis.values.len() != first.values.len());
        if let Some(other) = other {
            let (a, b) = (first.values.len(), other.values.len());
            let message = format!("`{}` has {b} values, `{}` has {a}", other.path, first.path);
            dx.error(&at.path, other.span, message)
                .help("with Zip all paths have the same number of values");
        }
    }
    let lengths = axes.iter().map(|axis| axis.values.len() as u128);
    let points = match form {
        Form::Grid => lengths.fold(1, u128::saturating_mul),
        Form::Zip => lengths.max().unwrap_or(0),
    };
    if points > u128::from(MOST_POINTS) {
        return Err(too_many(points));
    }
    Ok(Some(Plan { form, seeds, axes, head: at.head() }))
}

fn too_many(points: u128) -> Error {
    Error::Limit {
        message: format!("the sweep has {points} points, more than {MOST_POINTS}"),
        help: "give its paths fewer values, or split it into several scenes".into(),
    }
}

/// Neither the same path twice (the map has told) nor one inside another.
fn overlap(axes: &[Axis], axis: &Axis, dx: &mut Diagnostics) {
    let starts = |a: &Axis, b: &Axis| {
        a.keys.len() <= b.keys.len() && a.keys.iter().zip(&b.keys).all(|(a, b)| a.text == b.text)
    };
    let other = axes.iter().find(|other| starts(other, axis) || starts(axis, other));
    if let Some(other) = other {
        let message = format!("`{}` and `{}` are parts of each other", axis.path, other.path);
        dx.error("sweep", axis.span, message).help("sweep over one of the two");
    }
}

/// An axis, if it has no mistakes.
fn axis(key: &Key, at: &At, dx: &mut Diagnostics) -> Result<Option<Axis>, Error> {
    let keys = edit::path(&key.text, key.span);
    if keys.is_none() {
        dx.error(&at.path, key.span, format!("`{}` is no path", key.text)).help(
            "write it like \"populations.dpi.model.soma.Itau\", and a key that holds a dot in \
             quotes: \"populations.dpi.mismatch.\\\"soma.Itau\\\".cv\"",
        );
    }
    if keys.as_ref().is_some_and(|keys| ["sweep", "format"].contains(&keys[0].text.as_str())) {
        dx.error(&at.path, key.span, format!("`{}` cannot be swept", key.text))
            .help("sweep over a part of the scene");
        return Ok(None);
    }
    let values = values(at, dx)?;
    let (Some(keys), Some(values)) = (keys, values) else { return Ok(None) };
    Ok(Some(Axis { path: edit::path_text(&keys), values, keys, span: key.span }))
}

fn values(at: &At, dx: &mut Diagnostics) -> Result<Option<Vec<Coordinate>>, Error> {
    let Some(variant) = at.variant(dx, "a choice of values", &["Linear", "Log", "List"]) else {
        return Ok(None);
    };
    if variant.name == "List" {
        let list = variant.single(dx, "[\"1 pA\", \"2 pA\"]").and_then(|at| at.list(dx));
        let Some(list) = list else { return Ok(None) };
        if list.is_empty() {
            at.error(dx, "the list of values is empty").help("give it at least one value");
            return Ok(None);
        }
        return Ok(Some(list.iter().map(|at| listed(at)).collect()));
    }
    let Some(mut fields) = variant.fields(dx) else { return Ok(None) };
    let from = end(&mut fields, "from", dx);
    let to = end(&mut fields, "to", dx);
    let n_at = fields.need(dx, "n", "the number of values, for example n: 20");
    let n = n_at.as_ref().and_then(|at| at.count(dx));
    fields.close(dx);
    let (Some((from, unit)), Some((to, other)), Some(n_at), Some(n)) = (from, to, n_at, n) else {
        return Ok(None);
    };
    if unit != other {
        at.error(dx, format!("`from` is {} and `to` is {}", unit.noun(), other.noun()))
            .help("give both in the same unit");
        return Ok(None);
    }
    if n == 0 {
        n_at.error(dx, "there has to be a value").help("for example n: 20");
        return Ok(None);
    }
    if n > MOST_POINTS {
        return Err(too_many(n.into()));
    }
    let is_log = variant.name == "Log";
    if is_log && (from <= 0.0 || to <= 0.0) {
        at.error(dx, "values at even ratios are greater than 0")
            .help("start above 0, or use Linear");
        return Ok(None);
    }
    let value = |k: u64| match k {
        0 => from,
        _ if k + 1 == n => to,
        _ => {
            let part = k as f64 / (n - 1) as f64;
            let value =
                if is_log { from * exp(ln(to / from) * part) } else { from + (to - from) * part };
            twelve_digits(value)
        }
    };
    Ok(Some((0..n).map(|k| Coordinate::new(value(k), unit, at.span())).collect()))
}

/// Twelve digits: what people expect of 0.1 + 0.2.
fn twelve_digits(value: f64) -> f64 {
    // What the formatter has written reads back.
    format!("{value:.11e}").parse().unwrap_or(value)
}

impl Coordinate {
    fn new(number: f64, unit: Unit, span: Span) -> Coordinate {
        let text = units::format(number, unit);
        let value = if unit == Unit::One {
            // A count has no decimal point.
            Value::Number(text.strip_suffix(".0").map_or(text.clone(), str::to_string))
        } else {
            Value::Text(text)
        };
        Coordinate { node: Node { span, value }, value: Ok((number, unit)) }
    }
}

/// A number or a quantity and its unit.
fn quantity(at: &At) -> Option<(f64, Unit)> {
    const UNITS: [Unit; 6] =
        [Unit::Ampere, Unit::Volt, Unit::Farad, Unit::Second, Unit::Hertz, Unit::PerAmpere];
    match &at.node.value {
        Value::Number(text) => units::parse(text, Unit::One).ok().map(|n| (n, Unit::One)),
        Value::Text(text) => {
            UNITS.into_iter().find_map(|unit| Some((units::parse(text, unit).ok()?, unit)))
        }
        _ => None,
    }
}

/// The first or the last of several values.
fn end(fields: &mut Fields, key: &'static str, dx: &mut Diagnostics) -> Option<(f64, Unit)> {
    let at = fields.need(dx, key, "for example from: \"1 pA\", to: \"100 pA\", n: 20")?;
    let found = quantity(&at);
    if found.is_none() {
        at.error(dx, format!("expected a number or a quantity, found {}", at.noun()))
            .help("write it like \"4 pA\", or 0.7 where there is no unit");
    }
    found
}

/// A value of a list, whatever it is.
fn listed(at: &At) -> Coordinate {
    let value = quantity(at).ok_or_else(|| match &at.node.value {
        Value::Text(text) => text.clone(),
        _ => at.node.line(&|_| None),
    });
    Coordinate { node: at.node.clone(), value }
}

/// A sweep as it was read; its points may have mistakes.
pub(super) struct Plan {
    form: Form,
    seeds: Seeds,
    axes: Vec<Axis>,
    /// Where it stands.
    head: Span,
}

/// What all points have in common, so that they share tables.
type Shape = (Vec<(String, &'static str)>, Vec<String>, bool);

fn shape(scene: &Scene) -> Shape {
    let probes = scene.probes.iter().map(|(name, probe)| (name.clone(), probe.kind.name()));
    (probes.collect(), scene.populations.keys().cloned().collect(), scene.replicas > 1)
}

/// A path at which nothing can be put.
struct Refused {
    span: Span,
    path: String,
    message: String,
    help: String,
}

/// Where a finding is, its path in the scene, and whether it is an error.
type Place = (String, Option<(usize, usize, usize)>, bool);

/// What is said of several points, once for each place: the finding, its first point, and how many.
#[derive(Default)]
struct Findings(IndexMap<Place, (Finding, usize, u64)>);

impl Findings {
    /// Keeps what `own` says of a point and `base` does not say already.
    fn add(&mut self, point: usize, own: &Diagnostics, base: &BTreeSet<String>) {
        for finding in own.items().filter(|finding| !base.contains(&id(finding))) {
            let place = finding.span.map(|span| (span.origin, span.start, span.end));
            let key = (finding.path.clone(), place, finding.severity == Severity::Error);
            let entry = self.0.entry(key).or_insert_with(|| (finding.clone(), point, 0));
            entry.2 += 1;
        }
    }
}

/// What tells a finding from others.
fn id(finding: &Finding) -> String {
    format!("{:?} {} {}", finding.span, finding.path, finding.message)
}

impl Sweep {
    /// Decides every point. Mistakes go to `dx`, each with the first point that has it.
    pub(super) fn new(
        plan: Plan,
        draft: Arc<Draft>,
        scene: &Scene,
        plugins: &Plugins,
        files: Folder,
        dx: &mut Diagnostics,
    ) -> Result<Option<Sweep>, Error> {
        let Plan { form, seeds, axes, head } = plan;
        let largest = Estimate::of(scene, Recording::Kept);
        let total =
            Total { event_neurons: 0, neuron_steps: 0, largest_point: 0, tables_bytes: 0, largest };
        let seed = scene.seed;
        let mut sweep = Sweep { form, seeds, axes, seed, total, draft, files };
        if let Err(refused) = sweep.root(0) {
            for Refused { span, path, message, help } in refused {
                let help = sweep.with_nearest(scene, &path, help);
                dx.error(&path, span, message).help(help);
            }
            return Ok(None);
        }
        let base: BTreeSet<String> = dx.items().map(id).collect();
        // What one point has read, the others need not read again.
        let mut files = sweep.files.clone();
        let mut findings = Findings::default();
        let mut first: Option<Shape> = None;
        for point in 0..sweep.points() {
            let mut own = Diagnostics::default();
            let decided = sweep.decide(point, plugins, &mut files, &mut own);
            let decided = decided.map_err(|error| sweep.at_point(point, error))?;
            let failed = own.errors() > 0;
            findings.add(point, &own, &base);
            let Some(scene) = decided.filter(|_| !failed) else { continue };
            let other = scene.probes.iter().find(|(_, probe)| probe.format != Format::Csv);
            if let Some((name, probe)) = other {
                let format = probe.format.name();
                let message = format!("the tables of a sweep are CSV, but `{name}` has {format}");
                dx.error("sweep", head, message)
                    .help(format!("leave its format out: --set probes.{name}.format=Csv"));
                break;
            }
            let shape = shape(&scene);
            let expected = first.get_or_insert_with(|| shape.clone());
            if shape != *expected {
                let label = sweep.label(point);
                let message = if shape.1 != expected.1 {
                    format!("the populations of {label} are not those of point 0")
                } else if shape.0 != expected.0 {
                    format!("the probes of {label} are not those of point 0")
                } else if expected.2 {
                    format!("{label} has no replicas, and point 0 has some")
                } else {
                    format!("{label} has replicas, and point 0 has none")
                };
                dx.error("sweep", head, message)
                    .help("points share tables: split the sweep into several scenes");
                break;
            }
            sweep.count(point, &scene);
        }
        sweep.files = files;
        for ((_, _, is_error), (finding, point, count)) in findings.0 {
            let others = match count - 1 {
                0 => String::new(),
                1 => " and at another one".to_string(),
                others => format!(" and at {others} others"),
            };
            let span = finding.span.unwrap_or(head);
            let axis = sweep.axes.iter().find(|axis| axis.span == span);
            // What is wrong with a path is so at every point.
            let message = match axis {
                Some(_) => finding.message.clone(),
                None => format!("at {}{others}: {}", sweep.label(point), finding.message),
            };
            let added = if is_error {
                dx.error(&finding.path, span, message)
            } else {
                dx.warning(&finding.path, span, message)
            };
            match (finding.help, axis) {
                (Some(help), Some(axis)) => added.help(sweep.with_nearest(scene, &axis.path, help)),
                (Some(help), None) => added.help(help),
                (None, _) => {}
            }
        }
        Ok((dx.errors() == 0).then_some(sweep))
    }

    /// Adds a point to what all come to.
    fn count(&mut self, point: usize, scene: &Scene) {
        let estimate = Estimate::of(scene, Recording::Kept);
        let total = &mut self.total;
        total.event_neurons += estimate.neurons - estimate.stepped_neurons;
        total.neuron_steps = total.neuron_steps.saturating_add(estimate.neuron_steps());
        if point == 0 || estimate.total_bytes() > total.largest.total_bytes() {
            let records = scene.probes.values();
            let records = records.map(|probe| probe.kind.bytes(scene, probe.span));
            // A row of text takes some times the bytes of its numbers.
            total.tables_bytes = 4 * records.fold(0, u128::saturating_add);
            total.largest_point = point;
            total.largest = estimate;
        }
    }

    /// How many points there are.
    #[must_use]
    pub fn points(&self) -> usize {
        let lengths = self.axes.iter().map(|axis| axis.values.len());
        match self.form {
            Form::Grid => lengths.product(),
            Form::Zip => lengths.max().unwrap_or(0),
        }
    }

    /// The values of a point, axis by axis.
    #[must_use]
    pub fn coordinates(&self, point: usize) -> Vec<&Coordinate> {
        let mut rest = point;
        let mut values: Vec<&Coordinate> = Vec::with_capacity(self.axes.len());
        for axis in self.axes.iter().rev() {
            let length = axis.values.len();
            match self.form {
                Form::Grid => {
                    values.push(&axis.values[rest % length]);
                    rest /= length;
                }
                Form::Zip => values.push(&axis.values[point]),
            }
        }
        values.reverse();
        values
    }

    /// `point 7 (populations.dpi.model.soma.Itau = 4 pA)`, for messages.
    #[must_use]
    pub fn label(&self, point: usize) -> String {
        let values = self.axes.iter().zip(self.coordinates(point));
        let values = values.map(|(axis, value)| format!("{} = {value}", axis.path));
        format!("point {point} ({})", values.collect::<Vec<_>>().join(", "))
    }

    /// The seed that a point gets; none where it keeps the scene's.
    #[must_use]
    pub fn derived_seed(&self, point: usize) -> Option<u64> {
        let is_swept = self.axes.iter().any(|axis| axis.path == "seed");
        if self.seeds == Seeds::Shared || is_swept {
            return None;
        }
        let values = self.axes.iter().zip(self.coordinates(point));
        let mut lines: Vec<String> =
            values.map(|(axis, value)| format!("\n{}={}", axis.path, value.cell())).collect();
        lines.sort();
        let digest = Sha256::digest(self.seed.to_string() + &lines.concat());
        let first = u64::from_be_bytes(std::array::from_fn(|k| digest[k]));
        // As many bits as a double holds: every reader of JSON and CSV gets the number right.
        Some(first >> 11)
    }

    /// The scene of a point.
    ///
    /// # Errors
    /// As [`Scene::load`].
    pub fn load(&self, plugins: &Plugins, point: usize) -> Result<Loaded, Error> {
        let mut dx = Diagnostics::default();
        let scene = self.decide(point, plugins, &mut self.files.clone(), &mut dx);
        let scene = scene.map_err(|error| self.at_point(point, error))?;
        let failed = dx.errors() > 0;
        let report = dx.into_report(&self.draft.texts);
        match scene {
            Some(scene) if !failed => {
                Ok(Loaded { scene, warnings: report.warnings(), sweep: None })
            }
            _ => Err(Error::Scene(report)),
        }
    }

    /// The scene as it was typed, with its overrides and its sweep: a scene of its own.
    #[must_use]
    pub fn to_ron(&self, file_path: impl Fn(&InputFile) -> String) -> String {
        let draft = &self.draft;
        let comment = draft.comment.lines();
        let comment = comment.map(|line| format!("// {line}").trim_end().to_string() + "\n");
        let path = |node: &Node| match &node.value {
            Value::Text(_) => self.files.named_at(node.span).map(|f| write::quoted(&file_path(f))),
            _ => None,
        };
        let mut root = draft.root.clone();
        if let Value::Group { body: Body::Fields(fields), .. } = &mut root.value
            && fields.iter().all(|(key, _)| key.text != "name")
        {
            // It would be that of another file.
            let (span, value) = (root.span, Value::Text(draft.default_name.clone()));
            fields.insert(0, (Key { text: "name".into(), span }, Node { span, value }));
        }
        comment.collect::<String>() + &root.ron(0, &path) + "\n"
    }

    /// The files that its points read.
    pub fn files(&self) -> impl Iterator<Item = &InputFile> {
        self.files.files()
    }

    fn decide(
        &self,
        point: usize,
        plugins: &Plugins,
        files: &mut Folder,
        dx: &mut Diagnostics,
    ) -> Result<Option<Scene>, Error> {
        match self.root(point) {
            Ok(root) => self.draft.decide(&root, plugins, files, dx),
            Err(refused) => {
                for Refused { span, path, message, help } in refused {
                    dx.error(&path, span, message).help(help);
                }
                Ok(None)
            }
        }
    }

    /// The scene as it were typed for a point; otherwise what is wrong with the paths.
    fn root(&self, point: usize) -> Result<Node, Vec<Refused>> {
        let mut root = self.draft.root.clone();
        let mut refused = Vec::new();
        let mut put = |keys: &[Key], node: Node, span: Span| {
            if let Err((_, message, help)) = edit::replace(&mut root, "", keys, node, Typed::Sweep)
            {
                refused.push(Refused { span, path: edit::path_text(keys), message, help });
            }
        };
        for (axis, value) in self.axes.iter().zip(self.coordinates(point)) {
            put(&axis.keys, value.node.clone(), axis.span);
        }
        if let (Some(seed), Some(axis)) = (self.derived_seed(point), self.axes.first()) {
            let key = Key { text: "seed".into(), span: axis.span };
            put(
                &[key],
                Node { span: axis.span, value: Value::Number(seed.to_string()) },
                axis.span,
            );
        }
        if refused.is_empty() { Ok(root) } else { Err(refused) }
    }

    /// An error, with the point to which it belongs.
    fn at_point(&self, point: usize, error: Error) -> Error {
        match error {
            Error::Limit { message, help } => {
                Error::Limit { message: format!("at {}: {message}", self.label(point)), help }
            }
            other => other,
        }
    }

    /// A remedy, and the nearest path that the scene has.
    fn with_nearest(&self, scene: &Scene, path: &str, help: String) -> String {
        let known = paths(scene);
        match nearest(path, known.iter().map(String::as_str)) {
            Some(near) if near != path => format!("{help}; the nearest path is `{near}`"),
            _ => help,
        }
    }
}

/// The paths of all parts of a decided scene.
fn paths(scene: &Scene) -> Vec<String> {
    fn walk(node: &Node, keys: &mut Vec<Key>, found: &mut Vec<String>) {
        let mut inside = |key: &str, node: &Node| {
            keys.push(Key { text: key.to_string(), span: node.span });
            found.push(edit::path_text(keys));
            walk(node, keys, found);
            keys.pop();
        };
        match &node.value {
            Value::Map(entries) | Value::Group { body: Body::Fields(entries), .. } => {
                entries.iter().for_each(|(key, node)| inside(&key.text, node));
            }
            Value::List(items) if items.iter().all(|item| item.is_group()) => {
                items.iter().enumerate().for_each(|(k, node)| inside(&k.to_string(), node));
            }
            _ => {}
        }
    }
    let text: Arc<str> = write::to_ron(scene, |file| file.path.clone()).into();
    let mut found = Vec::new();
    if let Some(root) = tree::parse(&text, 0, &mut Diagnostics::default()) {
        walk(&root, &mut Vec::new(), &mut found);
    }
    found
}
