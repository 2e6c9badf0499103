//! Input files: spike trains, signals and measured biases.
//!
//! Each reader of a table says what its header is and how one record is read; the rest they share.

mod table;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::decode::At;
use super::diagnostics::{Diagnostics, Span};
use crate::network::{ListedEdge, NeuronId, Replicas};
use crate::time::Time;
use table::{Line, Mistake, Mistakes, SHOWN, finite, neuron, read, time};

/// A file that a scene reads.
#[derive(Debug, Clone)]
pub struct InputFile {
    /// Its path as typed, relative to the scene.
    pub path: String,
    /// SHA-256 of its content, hexadecimal.
    pub digest: String,
    /// Its content.
    pub content: Arc<[u8]>,
}

impl InputFile {
    /// Its place in a results folder: `inputs/<digest>.csv`.
    #[must_use]
    pub fn copy_path(&self) -> String {
        format!("inputs/{}.csv", self.digest)
    }
}

/// Reads files of a scene's folder, each only once.
#[derive(Debug, Clone)]
pub struct Folder {
    root: PathBuf,
    read: BTreeMap<String, InputFile>,
    /// Where a file is named in the scene.
    places: Vec<(Span, InputFile)>,
}

impl Folder {
    /// The folder of a scene.
    #[must_use]
    pub fn new(root: &Path) -> Folder {
        Folder { root: root.to_path_buf(), read: BTreeMap::new(), places: Vec::new() }
    }

    /// Reads the file that `at` names.
    pub fn read(&mut self, at: &At, dx: &mut Diagnostics) -> Option<InputFile> {
        let typed = at.text(dx)?;
        if let Some(file) = self.read.get(typed) {
            let file = file.clone();
            self.note(at.span(), &file);
            return Some(file);
        }
        let relative = Path::new(typed);
        let stays = relative
            .components()
            .try_fold(0_i32, |depth, part| match part {
                Component::Normal(_) => Some(depth + 1),
                Component::CurDir => Some(depth),
                Component::ParentDir if depth > 0 => Some(depth - 1),
                _ => None,
            })
            .is_some();
        let path = self.root.join(relative);
        // A link inside the folder must not lead out of it either.
        let resolved = (path.canonicalize(), self.root.canonicalize());
        let leaves = matches!(&resolved, (Ok(path), Ok(root)) if !path.starts_with(root));
        if !stays || leaves {
            at.error(dx, format!("the path {typed:?} leaves the scene's folder"))
                .help("copy the file next to the scene and give its relative path");
            return None;
        }
        let content: Arc<[u8]> = match fs::read(&path) {
            Ok(content) => content.into(),
            Err(error) => {
                at.error(dx, format!("cannot read {typed:?}: {error}"))
                    .help("paths are relative to the scene's folder");
                return None;
            }
        };
        let file = InputFile { path: typed.to_string(), digest: digest(&content), content };
        self.read.insert(typed.to_string(), file.clone());
        self.note(at.span(), &file);
        Some(file)
    }

    fn note(&mut self, span: Span, file: &InputFile) {
        if self.places.iter().all(|(known, _)| *known != span) {
            self.places.push((span, file.clone()));
        }
    }

    /// The file that is named at a place of the scene.
    pub(super) fn named_at(&self, span: Span) -> Option<&InputFile> {
        self.places.iter().find(|(known, _)| *known == span).map(|(_, file)| file)
    }

    /// All files that were read.
    pub(super) fn files(&self) -> impl Iterator<Item = &InputFile> {
        self.read.values()
    }
}

/// SHA-256 of a file, 64 hexadecimal digits.
pub(crate) fn digest(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Spikes from a file with the header `neuron,time_s`, sorted by time.
pub fn spikes(
    file: &InputFile,
    size: u64,
    at: &At,
    dx: &mut Diagnostics,
) -> Option<Vec<(u32, Time)>> {
    const HEADER: &str = "the first line is the header neuron,time_s";
    let header = |line: &mut Line| {
        if line.record == vec!["neuron", "time_s"] { Some(()) } else { line.no_header(HEADER) }
    };
    let mut spikes: Vec<(u32, Time)> = Vec::new();
    let row = |line: &mut Line, (): &()| {
        if line.record.len() != 2 {
            let message = format!("expected 2 values, found {}", line.record.len());
            return Err((message, "each line is neuron,time_s, for example 3,0.0125".into()));
        }
        let (neuron, time) = (neuron(&line.record[0], size)?, time(&line.record[1])?);
        if spikes.last().is_some_and(|(_, last)| time < *last) {
            let message = format!("{time} s comes after a later spike");
            line.add((message, "sort the file by time".into()));
        }
        spikes.push((neuron, time));
        Ok(())
    };
    read(file, HEADER, header, row, at, dx)?;
    Some(spikes)
}

/// A table of one number per neuron and column: columns by name, rows sorted by neuron.
pub struct NeuronTable {
    /// The names of the columns after `neuron`.
    pub columns: Vec<String>,
    /// Whether each replica has its own rows: the first column is `replica`.
    pub by_replica: bool,
    /// Neuron (its index over all replicas, where each has its own rows) and values.
    pub rows: Vec<(u32, Vec<f64>)>,
}

/// The neuron of a row, for messages.
#[must_use]
pub fn row_id(replicas: Replicas, by_replica: bool, row: u32) -> NeuronId {
    if by_replica { replicas.id(row) } else { NeuronId { neuron: row, replica: None } }
}

/// Measured values: the header is `neuron`, perhaps after `replica`, and names that `column` accepts (else: message and
/// remedy); `check` says what is wrong with a value of a column.
pub fn neuron_table(
    file: &InputFile,
    replicas: Replicas,
    column: impl Fn(&str) -> Result<(), (String, String)>,
    check: impl Fn(&str, f64) -> Result<(), String>,
    at: &At,
    dx: &mut Diagnostics,
) -> Option<NeuronTable> {
    const HEADER: &str = "the first line is a header like neuron,soma.Itau,ampa.Iw";
    const UNITS: &str = "values are in SI units";
    let header = |line: &mut Line| {
        let by_replica = line.record.get(0) == Some("replica");
        let lead = usize::from(by_replica);
        if line.record.get(lead) != Some("neuron") {
            line.add(("the first column is not `neuron`".into(), HEADER.into()));
            return None;
        }
        let mut columns: Vec<String> = Vec::new();
        for name in line.record.iter().skip(1 + lead) {
            if let Err(mistake) = column(name) {
                line.add(mistake);
            } else if columns.iter().any(|c| c == name) {
                line.add((format!("`{name}` stands twice"), "remove one".into()));
            }
            columns.push(name.to_string());
        }
        (line.mistakes.count == 0).then_some((by_replica, columns))
    };
    let check = |name: &str, value| {
        check(name, value).map_err(|rule| (format!("{name} {rule}"), UNITS.into()))
    };
    let mut rows = Vec::new();
    let mut seen: BTreeMap<u32, u64> = BTreeMap::new();
    let row = |line: &mut Line, (by_replica, columns): &(bool, Vec<String>)| {
        let (mut replica, mut record) = (0, line.record.clone());
        if *by_replica {
            let count = replicas.count;
            let no_replica = || {
                let message = format!("`{}` is none of the {count} replicas", &record[0]);
                (message, format!("they go from 0 to {}", count - 1))
            };
            let given = record.get(0).and_then(|text| text.parse().ok());
            replica = given.filter(|replica| *replica < count).ok_or_else(no_replica)?;
            record = record.iter().skip(1).collect();
        }
        let line = &mut line.with(&record);
        line.check_width(columns)?;
        let in_scene = neuron(&line.record[0], u64::from(replicas.size))?;
        let too_many = || ("there are too many neurons".into(), "reduce the replicas".into());
        let neuron = replicas.index(replica, in_scene).ok_or_else(too_many)?;
        if let Some(first) = seen.insert(neuron, line.start) {
            // A file of nothing but duplicates is not searched for lines that are never shown.
            let first = if line.mistakes.count < SHOWN { line.mistakes.line(first) } else { 0 };
            let id = row_id(replicas, *by_replica, neuron);
            let message = format!("{id} stands in line {first} already");
            return Err((message, "give each neuron one line".into()));
        }
        rows.push((neuron, line.values(columns, UNITS, check)));
        Ok(())
    };
    let (by_replica, columns) = read(file, HEADER, header, row, at, dx)?;
    rows.sort_by_key(|(neuron, _)| *neuron);
    Some(NeuronTable { columns, by_replica, rows })
}

/// A table of values against time.
pub struct TimeTable {
    /// The names of the columns after `time_s`: at least one.
    pub columns: Vec<String>,
    /// Time and values: at least one row, strictly ascending in time.
    pub rows: Vec<(Time, Vec<f64>)>,
}

/// Values against time: the header is `time_s` and at least one name, `header_help` says so; `check`
/// says what is wrong with a value, and the remedy.
pub fn time_table(
    file: &InputFile,
    header_help: &str,
    check: impl Fn(f64) -> Result<(), (String, &'static str)>,
    at: &At,
    dx: &mut Diagnostics,
) -> Option<TimeTable> {
    let header = |line: &mut Line| {
        if line.record.get(0) != Some("time_s") || line.record.len() < 2 {
            return line.no_header(header_help);
        }
        Some(line.record.iter().skip(1).map(str::to_string).collect::<Vec<_>>())
    };
    let check = |name: &str, value| {
        check(value).map_err(|(rule, help)| (format!("{name}: {rule}"), help.into()))
    };
    let mut rows: Vec<(Time, Vec<f64>)> = Vec::new();
    let row = |line: &mut Line, columns: &Vec<String>| {
        line.check_width(columns)?;
        let time = time(&line.record[0])?;
        if let Some((last, _)) = rows.last().filter(|(last, _)| time <= *last) {
            let message = format!("{time} s does not come after {last} s");
            line.add((message, "give each time one line, in ascending order".into()));
        }
        rows.push((time, line.values(columns, "write it like 0.0125", check)));
        Ok(())
    };
    let columns = read(file, header_help, header, row, at, dx)?;
    if rows.is_empty() {
        let mut mistakes = Mistakes { at, file, count: 0 };
        mistakes.add(dx, 0, "there is nothing after the header", "each line is a time and values");
        return None;
    }
    Some(TimeTable { columns, rows })
}

/// A weight and a delay that were checked, or what is wrong with them and the remedy.
type CheckedEdge = Result<(Option<f64>, Option<Time>), (String, String)>;

/// The edges of a file with the header `source,target`, `source,target,weight` or
/// `source,target,weight,delay_s`.
pub fn edges(
    file: &InputFile,
    from_size: u64,
    to_size: u64,
    check: impl Fn(Option<f64>, Option<Time>) -> CheckedEdge,
    at: &At,
    dx: &mut Diagnostics,
) -> Option<Arc<[ListedEdge]>> {
    const COLUMNS: [&str; 4] = ["source", "target", "weight", "delay_s"];
    const HEADER: &str = "the first line is the header source,target,weight,delay_s; weight and \
                          delay_s may be left out";
    let header = |line: &mut Line| {
        let columns = line.record.len();
        if columns < 2 || !line.record.iter().eq(COLUMNS.into_iter().take(columns)) {
            return line.no_header(HEADER);
        }
        Some(columns)
    };
    let mut edges: Vec<ListedEdge> = Vec::new();
    let row = |line: &mut Line, columns: &usize| {
        if line.record.len() != *columns {
            let message = format!("expected {columns} values, found {}", line.record.len());
            return Err((message, "each line has one value for each column".into()));
        }
        edges.push(edge(line.record, from_size, to_size, &check)?);
        Ok(())
    };
    read(file, HEADER, header, row, at, dx)?;
    Some(edges.into())
}

/// An edge of a file; the error is a message and its remedy.
fn edge(
    record: &csv::StringRecord,
    from_size: u64,
    to_size: u64,
    check: impl Fn(Option<f64>, Option<Time>) -> CheckedEdge,
) -> Result<ListedEdge, Mistake> {
    let end = |column: usize, name: &str, size: u64| {
        neuron(&record[column], size)
            .map_err(|(message, help)| (format!("{name}: {message}"), help))
    };
    let (source, target) = (end(0, "source", from_size)?, end(1, "target", to_size)?);
    let weight = record.get(2).map(|text| {
        let help = "write it like 1.5".to_string();
        finite(text).ok_or_else(|| (format!("the weight `{text}` is not a finite number"), help))
    });
    let delay = record.get(3).map(|text| {
        let help = "write it like 0.0025".to_string();
        let time = finite(text).and_then(Time::from_seconds);
        time.ok_or_else(|| (format!("the delay `{text}` is not a time in seconds"), help))
    });
    let (weight, delay) = check(weight.transpose()?, delay.transpose()?)?;
    Ok(ListedEdge { source, target, weight, delay })
}
