//! The tables of a probe, read back from a results folder.

use std::path::{Path, PathBuf};

use crate::network::Replicas;
use crate::table::{self, Rows, csv};
use crate::time::Time;

pub use crate::table::csv::{maybe, number, time};

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
    /// the main table, which is CSV.
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

    /// Calls `row` with some rows and the number of one among them, for each row of the main table,
    /// in whatever format it is; its columns are those of a layout.
    ///
    /// # Errors
    /// File, row and what is wrong.
    pub fn read(
        &self,
        layout: &Rows,
        row: impl FnMut(&Rows, usize) -> Result<(), String>,
    ) -> Result<(), String> {
        table::read(&self.main, layout, row)
    }
}

fn rows<const N: usize>(
    path: &Path,
    columns: &[&str; N],
    mut row: impl FnMut(u32, [&str; N]) -> Result<(), String>,
) -> Result<(), String> {
    csv::cells(path, columns, |replica, cells| row(replica, std::array::from_fn(|k| cells[k])))
}

/// The index of a neuron of a replica.
///
/// # Errors
/// That there is no such neuron.
pub fn index(replicas: Replicas, replica: u32, neuron: u32) -> Result<u32, String> {
    let found = replicas.index(replica, neuron);
    found.ok_or_else(|| format!("there is no neuron {neuron} of replica {replica} in the scene"))
}

/// The index of the neuron that a row belongs to.
///
/// # Errors
/// That there is no such neuron.
pub fn owner(replicas: Replicas, rows: &Rows, row: usize) -> Result<u32, String> {
    let replica = rows.indices("replica").get(row).copied().unwrap_or(0);
    let neuron = rows.indices("neuron").get(row).copied();
    index(replicas, replica, neuron.ok_or("the row has no neuron")?)
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
