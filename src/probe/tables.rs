//! The tables of a probe, read back from a results folder.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::network::Replicas;
use crate::time::Time;

/// The tables that a probe has written, and how much of the run they cover.
#[derive(Debug)]
pub struct Tables {
    main: PathBuf,
    further: Vec<(&'static str, PathBuf)>,
    reached: Time,
}

impl Tables {
    /// The main table, further ones by name, and the simulated time that was reached.
    #[must_use]
    pub fn new(main: PathBuf, further: Vec<(&'static str, PathBuf)>, reached: Time) -> Tables {
        Tables { main, further, reached }
    }

    /// Simulated time that was reached.
    #[must_use]
    pub fn reached(&self) -> Time {
        self.reached
    }

    /// Calls `row` with the replica (0 in a table without replicas) and the named columns of each row of
    /// the main table.
    ///
    /// # Errors
    /// File, line and what is wrong.
    pub fn rows<const N: usize>(
        &self,
        columns: [&str; N],
        row: impl FnMut(u32, [&str; N]) -> Result<(), String>,
    ) -> Result<(), String> {
        rows(&self.main, &columns, row)
    }

    /// The same of a further table.
    ///
    /// # Errors
    /// File, line and what is wrong.
    pub fn further_rows<const N: usize>(
        &self,
        table: &str,
        columns: [&str; N],
        row: impl FnMut(u32, [&str; N]) -> Result<(), String>,
    ) -> Result<(), String> {
        let path = self.further.iter().find(|(name, _)| *name == table).map(|(_, path)| path);
        rows(path.ok_or_else(|| format!("there is no table {table}"))?, &columns, row)
    }

    /// Calls `row` with the cells of chosen columns, however many, of each row of the main table.
    ///
    /// # Errors
    /// File, line and what is wrong.
    pub fn cells(
        &self,
        columns: &[&str],
        row: impl FnMut(u32, &[&str]) -> Result<(), String>,
    ) -> Result<(), String> {
        each(&self.main, columns, row)
    }
}

fn rows<const N: usize>(
    path: &Path,
    columns: &[&str; N],
    mut row: impl FnMut(u32, [&str; N]) -> Result<(), String>,
) -> Result<(), String> {
    each(path, columns, |replica, cells| row(replica, std::array::from_fn(|k| cells[k])))
}

fn each(
    path: &Path,
    columns: &[&str],
    mut row: impl FnMut(u32, &[&str]) -> Result<(), String>,
) -> Result<(), String> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let at = |line: u64, message: String| format!("{name}, line {line}: {message}");
    let open = csv::ReaderBuilder::new().trim(csv::Trim::All).from_path(path);
    let mut reader = open.map_err(|error| format!("{name}: {error}"))?;
    let header = reader.headers().map_err(|error| format!("{name}: {error}"))?.clone();
    let place = |column: &&str| {
        let found = header.iter().position(|known| known == *column);
        found.ok_or_else(|| {
            let has = header.iter().collect::<Vec<_>>().join(",");
            at(1, format!("there is no column `{column}`; the header is {has}"))
        })
    };
    let places = columns.iter().map(place).collect::<Result<Vec<_>, _>>()?;
    let replica = header.iter().position(|known| known == "replica");
    let mut record = csv::StringRecord::new();
    loop {
        match reader.read_record(&mut record) {
            Ok(false) => return Ok(()),
            Ok(true) => {
                let cells: Vec<&str> = places.iter().map(|at| &record[*at]).collect();
                let line = record.position().map_or(0, csv::Position::line);
                let replica = replica.map_or(Ok(0), |at| number(&record[at]));
                replica
                    .and_then(|replica| row(replica, &cells))
                    .map_err(|message| at(line, message))?;
            }
            Err(error) => return Err(format!("{name}: {error}")),
        }
    }
}

/// Reads a number.
///
/// # Errors
/// What stands there instead.
pub fn number<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("`{text}` is no number that can stand here"))
}

/// Reads a number, or nothing.
///
/// # Errors
/// What stands there instead.
pub fn maybe(text: &str) -> Result<Option<f64>, String> {
    if text.is_empty() { Ok(None) } else { number(text).map(Some) }
}

/// Reads a time in seconds.
///
/// # Errors
/// What stands there instead.
pub fn time(text: &str) -> Result<Time, String> {
    let no_time = || format!("`{text}` is no time in seconds");
    number::<f64>(text).ok().and_then(Time::from_seconds).ok_or_else(no_time)
}

/// The index of a neuron of a replica.
///
/// # Errors
/// That there is no such neuron.
pub fn index(replicas: Replicas, replica: u32, neuron: &str) -> Result<u32, String> {
    let found = replicas.index(replica, number(neuron)?);
    found.ok_or_else(|| format!("there is no neuron {neuron} of replica {replica} in the scene"))
}

/// Writes a value that a table has for a row that the record lacks.
///
/// # Errors
/// That there is no such row.
pub fn put<T>(values: &mut [T], at: usize, value: T) -> Result<(), String> {
    let count = values.len();
    let place = values.get_mut(at).ok_or_else(|| {
        format!("this is row {at} (counted from 0), but the scene has {count} rows here")
    })?;
    *place = value;
    Ok(())
}
