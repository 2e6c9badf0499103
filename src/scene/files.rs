//! Input files: spike trains, signals and measured biases.
//!
//! CSV as in RFC 4180, lines ending in LF or CRLF. A mistake is reported at the place in the scene
//! that names the file, with the line in the file.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::decode::At;
use super::diagnostics::Diagnostics;
use crate::network::ListedEdge;
use crate::time::Time;

/// So many mistakes of one file are shown; the rest is counted.
const SHOWN: usize = 5;

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
pub struct Folder {
    root: PathBuf,
    read: BTreeMap<String, InputFile>,
}

impl Folder {
    /// The folder of a scene.
    #[must_use]
    pub fn new(root: &Path) -> Folder {
        Folder { root: root.to_path_buf(), read: BTreeMap::new() }
    }

    /// Reads the file that `at` names.
    pub fn read(&mut self, at: &At, dx: &mut Diagnostics) -> Option<InputFile> {
        let typed = at.text(dx)?;
        if let Some(file) = self.read.get(typed) {
            return Some(file.clone());
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
        let digest = Sha256::digest(&content).iter().map(|b| format!("{b:02x}")).collect();
        let file = InputFile { path: typed.to_string(), digest, content };
        self.read.insert(typed.to_string(), file.clone());
        Some(file)
    }
}

/// Collects the mistakes of one file.
struct Mistakes<'a> {
    at: &'a At<'a>,
    file: &'a InputFile,
    count: usize,
}

impl Mistakes<'_> {
    /// Adds a mistake of the record that starts at byte `start`.
    fn add(&mut self, dx: &mut Diagnostics, start: u64, message: &str, help: &str) {
        self.count += 1;
        if self.count <= SHOWN {
            let line = self.line(start);
            let message = format!("{}, line {line}: {message}", self.file.path);
            self.at.error(dx, message).help(help);
        }
    }

    /// The line, from 1, of the record that starts at a byte or at the first byte after it that
    /// ends no line: the reader starts a record before the rest of a line's end and empty lines.
    fn line(&self, start: u64) -> usize {
        let content = &self.file.content;
        let start = (start as usize).min(content.len());
        let blank = content[start..].iter().take_while(|b| b"\r\n".contains(b)).count();
        1 + content[..start + blank].iter().filter(|b| **b == b'\n').count()
    }

    /// Mentions what was not shown; `Some(value)` when there was no mistake.
    fn finish<T>(self, dx: &mut Diagnostics, value: T) -> Option<T> {
        if self.count > SHOWN {
            let more = self.count - SHOWN;
            self.at
                .error(dx, format!("{}: {more} more lines have mistakes", self.file.path))
                .help("mend the lines above first");
        }
        (self.count == 0).then_some(value)
    }
}

/// The records of a CSV file: first byte and fields. The first is the header.
fn records<'f>(
    file: &'f InputFile,
) -> impl Iterator<Item = Result<(u64, csv::StringRecord), (u64, String)>> + 'f {
    let content = file.content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&file.content);
    let mark = (file.content.len() - content.len()) as u64;
    let reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(content);
    reader.into_records().map(move |record| match record {
        Ok(record) => Ok((mark + record.position().map_or(0, csv::Position::byte), record)),
        Err(error) => {
            let start = mark + error.position().map_or(0, csv::Position::byte);
            let message = match error.kind() {
                csv::ErrorKind::Utf8 { .. } => "this is not UTF-8 text".to_string(),
                kind => format!("{kind:?}"),
            };
            Err((start, message))
        }
    })
}

const ENCODING: &str = "save the file as UTF-8 text, numbers separated by commas";

/// Reads `text` as the index of one of `size` neurons.
fn neuron_index(text: &str, size: u64) -> Result<u32, String> {
    match text.parse::<u32>() {
        Ok(neuron) if u64::from(neuron) < size => Ok(neuron),
        Ok(neuron) => Err(format!("neuron {neuron} does not exist, there are {size}")),
        Err(_) => Err(format!("`{text}` is not the index of a neuron")),
    }
}

/// Spikes from a file with the header `neuron,time_s`, sorted by time.
pub fn spikes(
    file: &InputFile,
    size: u64,
    at: &At,
    dx: &mut Diagnostics,
) -> Option<Vec<(u32, Time)>> {
    const HEADER: &str = "the first line is the header neuron,time_s";
    let mut mistakes = Mistakes { at, file, count: 0 };
    let mut spikes: Vec<(u32, Time)> = Vec::new();
    let mut has_header = false;
    for record in records(file) {
        let (start, record) = match record {
            Ok(record) => record,
            Err((start, message)) => {
                mistakes.add(dx, start, &message, ENCODING);
                continue;
            }
        };
        if !has_header {
            has_header = true;
            if record != vec!["neuron", "time_s"] {
                let found = record.iter().collect::<Vec<_>>().join(",");
                mistakes.add(dx, start, &format!("the header is `{found}`"), HEADER);
                break;
            }
            continue;
        }
        if record.len() != 2 {
            let message = format!("expected 2 values, found {}", record.len());
            mistakes.add(dx, start, &message, "each line is neuron,time_s, for example 3,0.0125");
            continue;
        }
        let neuron = match neuron_index(&record[0], size) {
            Ok(neuron) => neuron,
            Err(message) => {
                mistakes.add(dx, start, &message, &format!("indices go from 0 to {}", size - 1));
                continue;
            }
        };
        let time = record[1].parse::<f64>().ok().and_then(Time::from_seconds);
        let Some(time) = time else {
            let message = format!("`{}` is not a time in seconds, 0 or later", &record[1]);
            mistakes.add(dx, start, &message, "write it like 0.0125");
            continue;
        };
        if spikes.last().is_some_and(|(_, last)| time < *last) {
            let message = format!("{time} s comes after a later spike");
            mistakes.add(dx, start, &message, "sort the file by time");
        }
        spikes.push((neuron, time));
    }
    if !has_header {
        mistakes.add(dx, 0, "the file is empty", HEADER);
    }
    mistakes.finish(dx, spikes)
}

/// A table of one number per neuron and column: columns by name, rows sorted by neuron.
pub struct NeuronTable {
    /// The names of the columns after `neuron`.
    pub columns: Vec<String>,
    /// Neuron and values.
    pub rows: Vec<(u32, Vec<f64>)>,
}

/// Measured values: the header is `neuron` and names that `column` accepts (else: message and
/// remedy); `check` says what is wrong with a value of a column.
pub fn neuron_table(
    file: &InputFile,
    size: u64,
    column: impl Fn(&str) -> Result<(), (String, String)>,
    check: impl Fn(&str, f64) -> Result<(), String>,
    at: &At,
    dx: &mut Diagnostics,
) -> Option<NeuronTable> {
    const HEADER: &str = "the first line is a header like neuron,soma.Itau,ampa.Iw";
    let mut mistakes = Mistakes { at, file, count: 0 };
    let mut table = NeuronTable { columns: Vec::new(), rows: Vec::new() };
    let mut seen: BTreeMap<u32, u64> = BTreeMap::new();
    let mut has_header = false;
    for record in records(file) {
        let (start, record) = match record {
            Ok(record) => record,
            Err((start, message)) => {
                mistakes.add(dx, start, &message, ENCODING);
                continue;
            }
        };
        if !has_header {
            has_header = true;
            if record.get(0) != Some("neuron") {
                mistakes.add(dx, start, "the first column is not `neuron`", HEADER);
                break;
            }
            for name in record.iter().skip(1) {
                if let Err((message, help)) = column(name) {
                    mistakes.add(dx, start, &message, &help);
                } else if table.columns.iter().any(|c| c == name) {
                    mistakes.add(dx, start, &format!("`{name}` stands twice"), "remove one");
                }
                table.columns.push(name.to_string());
            }
            if mistakes.count > 0 {
                break;
            }
            continue;
        }
        if record.len() != table.columns.len() + 1 {
            let message = format!("{} values instead of {}", record.len(), table.columns.len() + 1);
            mistakes.add(dx, start, &message, "each line has one value for each column");
            continue;
        }
        let neuron = match neuron_index(&record[0], size) {
            Ok(neuron) => neuron,
            Err(message) => {
                mistakes.add(dx, start, &message, &format!("indices go from 0 to {}", size - 1));
                continue;
            }
        };
        if let Some(first) = seen.insert(neuron, start) {
            // A file of nothing but duplicates is not searched for lines that are never shown.
            let first = if mistakes.count < SHOWN { mistakes.line(first) } else { 0 };
            let message = format!("neuron {neuron} stands in line {first} already");
            mistakes.add(dx, start, &message, "give each neuron one line");
            continue;
        }
        let mut values = Vec::with_capacity(table.columns.len());
        for (name, typed) in table.columns.iter().zip(record.iter().skip(1)) {
            let value = typed.parse::<f64>().ok().filter(|v| v.is_finite());
            match value.ok_or_else(|| format!("`{typed}` is not a finite number")) {
                Ok(value) => match check(name, value) {
                    Ok(()) => values.push(value),
                    Err(rule) => {
                        mistakes.add(
                            dx,
                            start,
                            &format!("{name} {rule}"),
                            "values are in SI units",
                        );
                    }
                },
                Err(message) => {
                    mistakes.add(
                        dx,
                        start,
                        &format!("{name}: {message}"),
                        "values are in SI units",
                    );
                }
            }
        }
        table.rows.push((neuron, values));
    }
    if !has_header {
        mistakes.add(dx, 0, "the file is empty", HEADER);
    }
    table.rows.sort_by_key(|(neuron, _)| *neuron);
    mistakes.finish(dx, table)
}

/// A table of values against time.
pub struct TimeTable {
    /// The names of the columns after `time_s`: at least one.
    pub columns: Vec<String>,
    /// Time and values: at least one row, strictly ascending in time.
    pub rows: Vec<(Time, Vec<f64>)>,
}

/// Values against time: the header is `time_s` and at least one name; `check` says what is wrong
/// with a value, and the remedy.
pub fn time_table(
    file: &InputFile,
    check: impl Fn(f64) -> Result<(), (String, &'static str)>,
    at: &At,
    dx: &mut Diagnostics,
) -> Option<TimeTable> {
    const HEADER: &str = "the first line is a header like time_s,signal";
    let mut mistakes = Mistakes { at, file, count: 0 };
    let mut table = TimeTable { columns: Vec::new(), rows: Vec::new() };
    for record in records(file) {
        let (start, record) = match record {
            Ok(record) => record,
            Err((start, message)) => {
                mistakes.add(dx, start, &message, ENCODING);
                continue;
            }
        };
        if table.columns.is_empty() {
            if record.get(0) != Some("time_s") || record.len() < 2 {
                let found = record.iter().collect::<Vec<_>>().join(",");
                mistakes.add(dx, start, &format!("the header is `{found}`"), HEADER);
                return mistakes.finish(dx, table);
            }
            table.columns = record.iter().skip(1).map(str::to_string).collect();
            continue;
        }
        if record.len() != table.columns.len() + 1 {
            let message = format!("{} values instead of {}", record.len(), table.columns.len() + 1);
            mistakes.add(dx, start, &message, "each line has one value for each column");
            continue;
        }
        let time = record[0].parse::<f64>().ok().and_then(Time::from_seconds);
        let Some(time) = time else {
            let message = format!("`{}` is not a time in seconds, 0 or later", &record[0]);
            mistakes.add(dx, start, &message, "write it like 0.0125");
            continue;
        };
        if let Some((last, _)) = table.rows.last().filter(|(last, _)| time <= *last) {
            let message = format!("{time} s does not come after {last} s");
            mistakes.add(dx, start, &message, "give each time one line, in ascending order");
        }
        let mut values = Vec::with_capacity(table.columns.len());
        for (name, typed) in table.columns.iter().zip(record.iter().skip(1)) {
            let value = typed.parse::<f64>().ok().filter(|value| value.is_finite());
            let no_number =
                || (format!("`{typed}` is not a finite number"), "write it like 0.0125");
            match value.ok_or_else(no_number).and_then(|value| check(value).map(|()| value)) {
                Ok(value) => values.push(value),
                Err((rule, help)) => mistakes.add(dx, start, &format!("{name}: {rule}"), help),
            }
        }
        table.rows.push((time, values));
    }
    if table.columns.is_empty() {
        mistakes.add(dx, 0, "the file is empty", HEADER);
    } else if table.rows.is_empty() {
        mistakes.add(dx, 0, "there is nothing after the header", "each line is a time and values");
    }
    mistakes.finish(dx, table)
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
    let mut mistakes = Mistakes { at, file, count: 0 };
    let mut edges: Vec<ListedEdge> = Vec::new();
    let mut columns = 0;
    for record in records(file) {
        let (start, record) = match record {
            Ok(record) => record,
            Err((start, message)) => {
                mistakes.add(dx, start, &message, ENCODING);
                continue;
            }
        };
        if columns == 0 {
            columns = record.len();
            if columns < 2 || !record.iter().eq(COLUMNS.into_iter().take(columns)) {
                let found = record.iter().collect::<Vec<_>>().join(",");
                mistakes.add(dx, start, &format!("the header is `{found}`"), HEADER);
                break;
            }
            continue;
        }
        if record.len() != columns {
            let message = format!("expected {columns} values, found {}", record.len());
            mistakes.add(dx, start, &message, "each line has one value for each column");
            continue;
        }
        match edge(&record, from_size, to_size, &check) {
            Ok(edge) => edges.push(edge),
            Err((message, help)) => mistakes.add(dx, start, &message, &help),
        }
    }
    if columns == 0 {
        mistakes.add(dx, 0, "the file is empty", HEADER);
    }
    mistakes.finish(dx, edges.into())
}

/// An edge of a file; the error is a message and its remedy.
fn edge(
    record: &csv::StringRecord,
    from_size: u64,
    to_size: u64,
    check: impl Fn(Option<f64>, Option<Time>) -> CheckedEdge,
) -> Result<ListedEdge, (String, String)> {
    let end = |column: usize, name: &str, size: u64| {
        neuron_index(&record[column], size).map_err(|message| {
            (format!("{name}: {message}"), format!("indices go from 0 to {}", size - 1))
        })
    };
    let (source, target) = (end(0, "source", from_size)?, end(1, "target", to_size)?);
    let number = |text: &str| text.parse::<f64>().ok().filter(|value| value.is_finite());
    let weight = record.get(2).map(|text| {
        let help = "write it like 1.5".to_string();
        number(text).ok_or_else(|| (format!("the weight `{text}` is not a finite number"), help))
    });
    let delay = record.get(3).map(|text| {
        let help = "write it like 0.0025".to_string();
        let time = number(text).and_then(Time::from_seconds);
        time.ok_or_else(|| (format!("the delay `{text}` is not a time in seconds"), help))
    });
    let (weight, delay) = check(weight.transpose()?, delay.transpose()?)?;
    Ok(ListedEdge { source, target, weight, delay })
}
