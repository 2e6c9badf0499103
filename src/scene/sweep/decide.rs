//! Every point of a sweep decided: mistakes, told once for each place, and what all points come to.

use std::collections::BTreeSet;
use std::sync::Arc;

use indexmap::IndexMap;
use miette::Severity;

use super::super::diagnostics::{Diagnostics, Finding, nearest};
use super::super::estimate::{Estimate, Recording};
use super::super::files::Folder;
use super::super::tree::{Body, Key, Node, Value};
use super::super::{Draft, Scene, edit, tree, write};
use super::{Plan, Refused, Sweep, Total};
use crate::error::Error;
use crate::plugins::Plugins;
use crate::probe::ProbeKind;
use crate::table::Format;

/// What all points have in common, so that they share tables.
#[derive(PartialEq)]
struct Shape {
    populations: Vec<String>,
    /// Names and kinds.
    probes: Vec<(String, &'static str)>,
    has_replicas: bool,
    /// By probe, where they hang on more than its kind.
    columns: Vec<(String, Vec<String>)>,
}

impl Shape {
    fn of(scene: &Scene) -> Shape {
        let probes = || scene.probes.iter().map(|(name, probe)| (name.clone(), &probe.kind));
        let columns = |kind: &dyn ProbeKind| -> Vec<String> {
            kind.quantities(scene).into_iter().map(|quantity| quantity.column).collect()
        };
        Shape {
            populations: scene.populations.keys().cloned().collect(),
            probes: probes().map(|(name, kind)| (name, kind.name())).collect(),
            has_replicas: scene.replicas > 1,
            columns: probes().map(|(name, kind)| (name, columns(&**kind))).collect(),
        }
    }

    /// What a point has otherwise than an earlier one, both given by their labels.
    fn difference(&self, point: &str, earlier: &Shape, to: &str) -> Option<String> {
        if self == earlier {
            return None;
        }
        if self.populations != earlier.populations {
            return Some(format!("the populations of {point} are not those of {to}"));
        }
        if self.probes != earlier.probes {
            return Some(format!("the probes of {point} are not those of {to}"));
        }
        if self.has_replicas != earlier.has_replicas {
            let (has, had) = if self.has_replicas { ("has", "none") } else { ("has no", "some") };
            return Some(format!("{point} {has} replicas, and {to} has {had}"));
        }
        let mut both = self.columns.iter().zip(&earlier.columns);
        let ((name, own), (_, first)) = both.find(|(own, first)| own != first)?;
        let (own, first) = (own.join(", "), first.join(", "));
        Some(format!("`{name}` of {point} has the columns {own}, and of {to} {first}"))
    }
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
    pub(in crate::scene) fn new(
        plan: Plan,
        draft: Arc<Draft>,
        scene: &Scene,
        plugins: &Plugins,
        files: Folder,
        dx: &mut Diagnostics,
    ) -> Result<Option<Sweep>, Error> {
        let Plan { form, seeds, axes, head } = plan;
        let (largest, tables_bytes) = Estimate::of_point(scene, 0);
        let total = Total {
            event_neurons: 0,
            neuron_steps: 0,
            largest_point: 0,
            largest,
            largest_alone: Estimate::of(scene, Recording::Streamed),
            tables_bytes,
        };
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
        let mut first: Option<(usize, Shape)> = None;
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
            let shape = Shape::of(&scene);
            let (earlier, expected) = first.get_or_insert_with(|| (point, Shape::of(&scene)));
            let (label, to) = (sweep.label(point), sweep.label(*earlier));
            if let Some(message) = shape.difference(&label, expected, &to) {
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
        let cells = self.coordinates(point).into_iter().map(|value| value.cell().len() + 1);
        let lead = (point.to_string().len() + 1 + cells.sum::<usize>()) as u128;
        let (estimate, tables_bytes) = Estimate::of_point(scene, lead);
        let total = &mut self.total;
        total.event_neurons += estimate.neurons - estimate.stepped_neurons;
        total.neuron_steps = total.neuron_steps.saturating_add(estimate.neuron_steps());
        if point == 0 || estimate.total_bytes() > total.largest.total_bytes() {
            total.tables_bytes = tables_bytes;
            total.largest_point = point;
            total.largest_alone = Estimate::of(scene, Recording::Streamed);
            total.largest = estimate;
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
