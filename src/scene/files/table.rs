//! The shape of all tables: a header and records, and the mistakes in them.
//!
//! CSV as in RFC 4180, lines ending in LF or CRLF. A mistake is reported at the place in the scene
//! that names the file, with the line in the file.

use super::super::decode::At;
use super::super::diagnostics::Diagnostics;
use super::InputFile;
use crate::time::Time;

/// So many mistakes of one file are shown; the rest is counted.
pub(super) const SHOWN: usize = 5;

/// Collects the mistakes of one file.
pub(super) struct Mistakes<'a> {
    pub at: &'a At<'a>,
    pub file: &'a InputFile,
    pub count: usize,
}

impl Mistakes<'_> {
    /// Adds a mistake of the record that starts at byte `start`.
    pub fn add(&mut self, dx: &mut Diagnostics, start: u64, message: &str, help: &str) {
        self.count += 1;
        if self.count <= SHOWN {
            let line = self.line(start);
            let message = format!("{}, line {line}: {message}", self.file.path);
            self.at.error(dx, message).help(help);
        }
    }

    /// The line, from 1, of the record that starts at a byte or at the first byte after it that
    /// ends no line: the reader starts a record before the rest of a line's end and empty lines.
    pub fn line(&self, start: u64) -> usize {
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

/// What is wrong with a record, and the remedy.
pub(super) type Mistake = (String, String);

/// A record while it is being read.
pub(super) struct Line<'l, 'a> {
    pub record: &'l csv::StringRecord,
    /// Its first byte.
    pub start: u64,
    pub mistakes: &'l mut Mistakes<'a>,
    dx: &'l mut Diagnostics,
}

impl<'a> Line<'_, 'a> {
    /// Adds a mistake of this record.
    pub fn add(&mut self, (message, help): Mistake) {
        self.mistakes.add(self.dx, self.start, &message, &help);
    }

    /// The same line with another record: what its first cell says was read.
    pub fn with<'r>(&'r mut self, record: &'r csv::StringRecord) -> Line<'r, 'a> {
        Line { record, start: self.start, mistakes: self.mistakes, dx: self.dx }
    }

    /// Refuses this record as a header.
    pub fn no_header<H>(&mut self, help: &str) -> Option<H> {
        let found = self.record.iter().collect::<Vec<_>>().join(",");
        self.add((format!("the header is `{found}`"), help.into()));
        None
    }

    /// Refuses a record that has not one value and one for each of the columns after it.
    pub fn check_width(&self, columns: &[String]) -> Result<(), Mistake> {
        let (found, expected) = (self.record.len(), columns.len() + 1);
        if found == expected {
            return Ok(());
        }
        let help = "each line has one value for each column";
        Err((format!("{found} values instead of {expected}"), help.into()))
    }

    /// The values of the columns after the first; `check` says what is wrong with one, `help` what a
    /// value looks like.
    pub fn values(
        &mut self,
        columns: &[String],
        help: &str,
        check: impl Fn(&str, f64) -> Result<(), Mistake>,
    ) -> Vec<f64> {
        let mut values = Vec::with_capacity(columns.len());
        for (name, typed) in columns.iter().zip(self.record.iter().skip(1)) {
            let no_number = || (format!("{name}: `{typed}` is not a finite number"), help.into());
            let value = finite(typed).ok_or_else(no_number);
            match value.and_then(|value| check(name, value).map(|()| value)) {
                Ok(value) => values.push(value),
                Err(mistake) => self.add(mistake),
            }
        }
        values
    }
}

/// Reads a table: `header` reads the first record, `row` each other one with what the header gave.
/// Without a good header (`None`) nothing else is read. `example` says what a header looks like.
pub(super) fn read<H>(
    file: &InputFile,
    example: &str,
    header: impl Fn(&mut Line) -> Option<H>,
    mut row: impl FnMut(&mut Line, &H) -> Result<(), Mistake>,
    at: &At,
    dx: &mut Diagnostics,
) -> Option<H> {
    let mut mistakes = Mistakes { at, file, count: 0 };
    let mut columns = None;
    for record in records(file) {
        let (start, record) = match record {
            Ok(record) => record,
            Err((start, message)) => {
                mistakes.add(dx, start, &message, ENCODING);
                continue;
            }
        };
        let mut line = Line { record: &record, start, mistakes: &mut mistakes, dx };
        if let Some(columns) = &columns {
            row(&mut line, columns).unwrap_or_else(|mistake| line.add(mistake));
            continue;
        }
        columns = header(&mut line);
        if columns.is_none() {
            return mistakes.finish(dx, None)?;
        }
    }
    if columns.is_none() {
        mistakes.add(dx, 0, "the file is empty", example);
    }
    mistakes.finish(dx, columns)?
}

/// Reads a finite number.
pub(super) fn finite(text: &str) -> Option<f64> {
    text.parse::<f64>().ok().filter(|value| value.is_finite())
}

/// Reads a time in seconds.
pub(super) fn time(text: &str) -> Result<Time, Mistake> {
    finite(text).and_then(Time::from_seconds).ok_or_else(|| {
        let message = format!("`{text}` is not a time in seconds, 0 or later");
        (message, "write it like 0.0125".into())
    })
}

/// Reads the index of one of `size` neurons.
pub(super) fn neuron(text: &str, size: u64) -> Result<u32, Mistake> {
    let message = match text.parse::<u32>() {
        Ok(neuron) if u64::from(neuron) < size => return Ok(neuron),
        Ok(neuron) => format!("neuron {neuron} does not exist, there are {size}"),
        Err(_) => format!("`{text}` is not the index of a neuron"),
    };
    Err((message, format!("indices go from 0 to {}", size - 1)))
}
