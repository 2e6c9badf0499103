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

mod decide;
mod read;

use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::diagnostics::{Diagnostics, Span};
use super::edit::{self, Typed};
use super::estimate::Estimate;
use super::files::{Folder, InputFile};
use super::tree::{Body, Key, Node, Value};
use super::{Draft, Loaded, Scene, write};
use crate::error::Error;
use crate::plugins::Plugins;
use crate::units::{self, Unit};

pub(in crate::scene) use read::{Plan, read};

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
    /// Whether pictures show them on a logarithmic axis.
    pub is_log: bool,
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
    /// What it needs: its records are kept, and its tables too.
    pub largest: Estimate,
    /// What it needs by itself, where its tables are written while it runs.
    pub largest_alone: Estimate,
    /// Memory of the tables of that point as text, bytes.
    pub tables_bytes: u128,
}

/// A path at which nothing can be put.
struct Refused {
    span: Span,
    path: String,
    message: String,
    help: String,
}

impl Sweep {
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

    /// Whether its points are given their seeds by a path of that name.
    #[must_use]
    pub fn is_over_seeds(&self) -> bool {
        self.axes.iter().any(|axis| axis.path == "seed")
    }

    /// Short names of the paths: as many of their last keys as tell one from the others, `soma.Itau`.
    #[must_use]
    pub fn labels(&self) -> Vec<String> {
        let tail = |axis: &Axis, length: usize| {
            let keys = &axis.keys[axis.keys.len().saturating_sub(length)..];
            // The number of an entry says nothing by itself.
            let is_number = keys.first().is_some_and(|key| key.text.parse::<u64>().is_ok());
            (!is_number).then(|| edit::path_text(keys))
        };
        let short = |axis: &Axis| {
            let is_alone = |length: &usize| {
                let own = tail(axis, *length);
                let same = self.axes.iter().filter(|other| tail(other, *length) == own);
                own.is_some() && same.count() == 1
            };
            let length = (2..axis.keys.len()).find(is_alone).unwrap_or(axis.keys.len());
            tail(axis, length).unwrap_or_else(|| axis.path.clone())
        };
        self.axes.iter().map(short).collect()
    }

    /// The seed that a point gets; none where it keeps the scene's.
    #[must_use]
    pub fn derived_seed(&self, point: usize) -> Option<u64> {
        if self.seeds == Seeds::Shared || self.is_over_seeds() {
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
}
