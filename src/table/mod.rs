//! Tables with rows of neurons in time, and the files that they are written to.
//!
//! A recorder gives [`Rows`], some thousands at a time; what becomes of them is decided by the
//! [`Format`] that the scene asks for with `format:` on the probe.
//!
//! | format | file | while the run lasts |
//! |---|---|---|
//! | [`Csv`](Format::Csv) | `<probe>.csv` | grows by whole rows |
//! | [`Parquet`](Format::Parquet) | `<probe>.parquet`: one file, or a folder of pieces where there is more than one | each piece appears whole |
//! | [`Npy`](Format::Npy) | `<probe>.npy`, and its axes in `<probe>.axes.json` | grows; its header counts what is complete |
//!
//! Whatever has been sealed (a piece that is whole, the part that a header counts) has reached the
//! disk before a [`Piece`] says so. A piece holds about [`PIECE_BYTES`]: that much waits in memory.

pub mod csv;
pub mod npy;
pub mod parquet;
mod rows;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{Map, Value};

use crate::error::Error;
use crate::time::Time;

pub use rows::{Cells, Column, Rows};

/// Raw bytes of a sealed piece.
pub const PIECE_BYTES: usize = 8 << 20;

/// How a table is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub enum Format {
    /// Text, RFC 4180.
    #[default]
    Csv,
    /// Apache Parquet.
    Parquet,
    /// An array of NumPy: times × neurons × variables.
    Npy,
}

impl Format {
    /// All of them.
    pub const ALL: [Format; 3] = [Format::Csv, Format::Parquet, Format::Npy];

    /// Its name in scenes.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Format::Csv => "Csv",
            Format::Parquet => "Parquet",
            Format::Npy => "Npy",
        }
    }

    /// How the names of its files end.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Format::Csv => "csv",
            Format::Parquet => "parquet",
            Format::Npy => "npy",
        }
    }

    /// The files that a table leaves besides the one with its name.
    #[must_use]
    pub fn beside(self, table: &str) -> Option<String> {
        (self == Format::Npy).then(|| npy::axes_name(table))
    }

    /// The files that a table may have while it is written, besides the one with its name.
    #[must_use]
    pub fn meanwhile(self, table: &str) -> Vec<String> {
        match self {
            Format::Csv => Vec::new(),
            Format::Parquet => vec![part_name(table), parquet::piece_name(table, 0)],
            Format::Npy => vec![part_name(&npy::axes_name(table))],
        }
    }

    /// Memory for rows that wait until there are enough of them for a piece, bytes.
    #[must_use]
    pub fn waiting_bytes(self) -> u128 {
        match self {
            Format::Csv => 0,
            // Parquet encodes and compresses them in memory.
            Format::Parquet => 4 * PIECE_BYTES as u128,
            Format::Npy => 2 * PIECE_BYTES as u128,
        }
    }
}

/// The name of a file while it is being written.
fn part_name(name: &str) -> String {
    format!("{name}.part")
}

/// Where rows come from: what Parquet has in its metadata, and arrays in their file of axes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Provenance {
    /// Name of the scene.
    pub scene: String,
    /// SHA-256 of the decided scene, the file `scene.ron` of the folder.
    pub scene_sha256: String,
    /// Seed of all draws.
    pub seed: u64,
}

impl Provenance {
    /// Keys and values, those of a probe's table.
    fn entries(&self, probe: &str) -> [(&'static str, Value); 6] {
        [
            ("version", env!("CARGO_PKG_VERSION").into()),
            ("scene", self.scene.as_str().into()),
            ("scene_sha256", self.scene_sha256.as_str().into()),
            ("seed", self.seed.into()),
            ("probe", probe.into()),
            // Times are whole multiples of it.
            ("tick_s", Time::TICK.seconds().into()),
        ]
    }
}

/// What is complete of a table.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct TableRecord {
    /// How it is written.
    pub format: Format,
    /// Unit of each column, in their order; empty for plain numbers.
    pub columns: Map<String, Value>,
    /// Rows of all pieces.
    pub rows: u64,
    /// Its files.
    pub pieces: Vec<Piece>,
}

/// A file, or the part of one, that is complete and has reached the disk.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Piece {
    /// Its name in the folder.
    pub file: String,
    /// Rows.
    pub rows: u64,
    /// Earliest time, s; none without rows.
    pub from_s: Option<f64>,
    /// Latest time, s.
    pub to_s: Option<f64>,
}

impl Piece {
    fn new(file: &str) -> Piece {
        Piece { file: file.to_string(), ..Piece::default() }
    }

    /// Adds rows.
    fn add(&mut self, rows: &Rows) {
        self.rows += rows.len() as u64;
        if let Some((from, to)) = rows.extent() {
            let (from, to) = (from.seconds(), to.seconds());
            self.from_s = Some(self.from_s.map_or(from, |known| known.min(from)));
            self.to_s = Some(self.to_s.map_or(to, |known| known.max(to)));
        }
    }
}

/// A table that is being written.
trait WriteTable: Send {
    /// Adds rows, and what is complete thereby to the pieces.
    fn append(&mut self, rows: Rows, pieces: &mut Vec<Piece>) -> io::Result<()>;

    /// Completes everything.
    fn finish(&mut self, pieces: &mut Vec<Piece>) -> io::Result<()>;

    /// The file that may come next, where every piece is a file of its own.
    fn next(&self) -> Option<String> {
        None
    }
}

/// The tables of a run that are being written to a folder.
pub struct TableSet {
    folder: PathBuf,
    provenance: Provenance,
    open: BTreeMap<String, Table>,
}

struct Table {
    file: String,
    /// None once it could not be written: the rest of it is lost.
    writer: Option<Box<dyn WriteTable>>,
    record: TableRecord,
}

impl TableSet {
    /// No table yet.
    #[must_use]
    pub fn new(folder: PathBuf, provenance: Provenance) -> TableSet {
        TableSet { folder, provenance, open: BTreeMap::new() }
    }

    /// Opens the table of a probe with these columns.
    ///
    /// # Errors
    /// [`Error::Io`]; rows that are appended to it are lost then.
    pub fn open(
        &mut self,
        probe: &str,
        file: &str,
        format: Format,
        layout: &Rows,
    ) -> Result<(), Error> {
        let record = TableRecord { format, columns: units(layout), ..TableRecord::default() };
        let place = Place { folder: &self.folder, table: file };
        let origin = Origin { provenance: &self.provenance, probe };
        let opened: io::Result<Box<dyn WriteTable>> = match format {
            Format::Csv => csv::Writer::create(place, layout).map(|w| Box::new(w) as _),
            Format::Parquet => {
                parquet::Writer::create(place, layout, origin).map(|w| Box::new(w) as _)
            }
            Format::Npy => npy::Writer::create(place, layout, origin).map(|w| Box::new(w) as _),
        };
        let (writer, failed) = match opened {
            Ok(writer) => (Some(writer), None),
            Err(error) => (None, Some(Error::io("write", self.folder.join(file), error))),
        };
        self.open.insert(probe.to_string(), Table { file: file.to_string(), writer, record });
        failed.map_or(Ok(()), Err)
    }

    /// Adds rows to the table of a probe; says whether something more of it is complete now.
    ///
    /// # Errors
    /// [`Error::Io`]: the rest of the table is lost.
    pub fn append(&mut self, probe: &str, rows: Rows) -> Result<bool, Error> {
        self.with(probe, |writer, pieces| writer.append(rows, pieces))
    }

    /// Completes the table of a probe.
    ///
    /// # Errors
    /// [`Error::Io`]: the rest of the table is lost.
    pub fn finish(&mut self, probe: &str) -> Result<bool, Error> {
        self.with(probe, |writer, pieces| writer.finish(pieces))
    }

    fn with(
        &mut self,
        probe: &str,
        write: impl FnOnce(&mut dyn WriteTable, &mut Vec<Piece>) -> io::Result<()>,
    ) -> Result<bool, Error> {
        let Some(table) = self.open.get_mut(probe) else { return Ok(false) };
        let Some(writer) = &mut table.writer else { return Ok(false) };
        let written = write(&mut **writer, &mut table.record.pieces);
        let rows = table.record.pieces.iter().map(|piece| piece.rows).sum();
        let is_more = rows != table.record.rows;
        table.record.rows = rows;
        written.map(|()| is_more).map_err(|error| {
            table.writer = None;
            Error::io("write", self.folder.join(&table.file), error)
        })
    }

    /// The probes whose tables are open.
    #[must_use]
    pub fn probes(&self) -> Vec<String> {
        self.open.keys().cloned().collect()
    }

    /// What is complete, by probe.
    #[must_use]
    pub fn records(&self) -> BTreeMap<String, TableRecord> {
        self.open.iter().map(|(probe, table)| (probe.clone(), table.record.clone())).collect()
    }

    /// The files that the run may have left whose names were not known before it: pieces, and those
    /// that may come next.
    #[must_use]
    pub fn pieces(&self) -> Vec<String> {
        let of = |table: &Table| {
            let pieces = table.record.pieces.iter().map(|piece| piece.file.clone());
            pieces.chain(table.writer.as_ref().and_then(|w| w.next())).collect::<Vec<_>>()
        };
        self.open.values().flat_map(of).collect()
    }
}

/// The unit of each column, in their order.
fn units(layout: &Rows) -> Map<String, Value> {
    let unit = |column: &Column| (column.name.to_string(), column.unit.symbol().into());
    layout.columns().iter().map(unit).collect()
}

/// Where a table is written.
#[derive(Clone, Copy)]
struct Place<'a> {
    folder: &'a Path,
    /// Its name in the folder.
    table: &'a str,
}

/// The name of a file, for messages.
fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Calls `row` with some rows and the number of one among them, for each row of a table of any format;
/// its columns are those of the layout.
///
/// # Errors
/// File, row and what is wrong.
pub fn read(
    table: &Path,
    layout: &Rows,
    row: impl FnMut(&Rows, usize) -> Result<(), String>,
) -> Result<(), String> {
    match table.extension().and_then(|extension| extension.to_str()) {
        Some("parquet") => parquet::read(table, layout, row),
        Some("npy") => npy::read(table, layout, row),
        _ => csv::read(table, layout, row),
    }
}

/// Whose table it is.
#[derive(Clone, Copy)]
struct Origin<'a> {
    provenance: &'a Provenance,
    probe: &'a str,
}

/// Writes a file so that it is there as a whole or not at all, also when the program is killed; `lasts`:
/// also when the machine goes off, which costs some milliseconds.
pub(crate) fn put_whole(
    folder: &Path,
    part: &str,
    name: &str,
    lasts: bool,
    content: impl FnOnce(&mut std::fs::File) -> io::Result<()>,
) -> io::Result<()> {
    let (part, whole) = (folder.join(part), folder.join(name));
    let put = || {
        let mut file = std::fs::File::create(&part)?;
        content(&mut file)?;
        if lasts {
            file.sync_all()?;
        }
        drop(file);
        if let Some(parent) = whole.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::rename(&part, &whole)
    };
    put().inspect_err(|_| {
        // It may be large, and what is wrong may be that the disk is full.
        let _ = std::fs::remove_file(&part);
    })?;
    // So that the name lasts, too; where folders cannot be opened, the system sees to it.
    if let Some(parent) = whole.parent().filter(|_| lasts) {
        let _ = std::fs::File::open(parent).and_then(|folder| folder.sync_all());
    }
    Ok(())
}

#[cfg(test)]
mod tests;
