//! The tables of a sweep while it runs, and how far they are complete.
//!
//! Rows are appended in the order of points. From time to time the tables are *sealed*: brought to
//! the disk, and then the summary, replaced as a whole, says how long each of them is. A sweep that is
//! killed at any moment has a valid summary; what stands in the tables after the lengths that it
//! tells is cut off when the sweep goes on.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::point::{Layout, Measured};
use super::points::Columns;
use super::summary::Summary;
use crate::error::Error;
use crate::results::Folder;
use crate::results::folder::{SUMMARY, replace_summary};
use crate::results::summary::{SCHEMA_VERSION, UNFINISHED};

/// Sealing takes at most one part in so many of the time.
const SHARE: u32 = 20;

/// What the summary says of a sweep that runs.
pub(super) struct Head {
    pub scene: String,
    pub seed: u64,
    pub points: usize,
}

/// The summary of a sweep that runs, or that was stopped.
#[derive(Debug, Serialize, Deserialize)]
struct Unfinished {
    schema_version: u32,
    program_version: String,
    scene: String,
    status: String,
    seed: u64,
    sweep: Reached,
    files: Vec<String>,
}

/// How far a sweep is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Reached {
    /// All points.
    pub points: usize,
    /// Those that are in the tables, from the first on.
    pub done: usize,
    /// Those of them that failed.
    pub failed: usize,
    /// Bytes of each table; of a sweep that is complete nobody asks.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tables: BTreeMap<String, u64>,
}

struct Table {
    name: String,
    /// Its first line, once there is one.
    header: String,
    out: BufWriter<File>,
    bytes: u64,
}

/// The tables of a sweep.
pub(super) struct Journal {
    head: Head,
    /// That of points, then those of probes.
    tables: Vec<Table>,
    lead: String,
    columns: Columns,
    done: usize,
    failed: usize,
    path: PathBuf,
    files: Vec<String>,
    /// How far the tables were sealed last; when, and how long that took.
    kept: Reached,
    sealed: (Instant, Duration),
    is_dirty: bool,
    /// Whether the last point is there with all its rows.
    is_whole: bool,
}

impl Journal {
    /// Creates the tables.
    pub(super) fn start(folder: &Folder, layout: &Layout, head: Head) -> Result<Journal, Error> {
        let mut journal = Journal::open(folder, layout, head, |path| File::create(path))?;
        let header = journal.lead.clone() + &layout.columns.header();
        journal.tables[0].append(header.as_bytes(), folder.path())?;
        journal.tables[0].header = header;
        journal.seal()?;
        Ok(journal)
    }

    /// Opens those of a sweep that was stopped, and cuts off what is not sealed.
    pub(super) fn resume(folder: &Folder, layout: &Layout, head: Head) -> Result<Journal, Error> {
        let refuse = |message: String| Error::Results {
            path: folder.path().to_path_buf(),
            message,
            help: "run the sweep again from the start with --force".into(),
        };
        let path = folder.path().join(SUMMARY);
        let text = fs::read_to_string(&path).map_err(|error| Error::io("read", &path, error))?;
        let reached = serde_json::from_str::<serde_json::Value>(&text)
            .ok()
            .and_then(|raw| Reached::deserialize(raw.get("sweep")?).ok())
            .filter(|reached| reached.points == head.points && reached.done <= reached.points)
            .ok_or_else(|| refuse(format!("{SUMMARY} does not say how far the sweep is")))?;
        let open = |path: &Path| File::options().read(true).write(true).open(path);
        let mut journal = Journal::open(folder, layout, head, open)?;
        for table in &mut journal.tables {
            let sealed = reached.tables.get(&table.name).copied();
            let sealed = sealed.ok_or_else(|| refuse(format!("{SUMMARY} lacks {}", table.name)))?;
            table.cut(sealed, folder.path()).map_err(|error| match error {
                Ok(message) => refuse(message),
                Err(error) => error,
            })?;
        }
        (journal.done, journal.failed) = (reached.done, reached.failed);
        journal.kept = reached;
        Ok(journal)
    }

    fn open(
        folder: &Folder,
        layout: &Layout,
        head: Head,
        open: impl Fn(&Path) -> io::Result<File>,
    ) -> Result<Journal, Error> {
        let mut tables = Vec::new();
        for name in layout.tables() {
            let path = folder.path().join(&name);
            let file = open(&path).map_err(|error| Error::io("open", &path, error))?;
            let out = BufWriter::new(file);
            tables.push(Table { name, header: String::new(), out, bytes: 0 });
        }
        Ok(Journal {
            head,
            tables,
            lead: layout.lead.clone(),
            columns: layout.columns.clone(),
            done: 0,
            failed: 0,
            path: folder.path().to_path_buf(),
            files: folder.files().to_vec(),
            kept: Reached::default(),
            sealed: (Instant::now(), Duration::ZERO),
            is_dirty: false,
            is_whole: true,
        })
    }

    /// Points that are in the tables.
    pub(super) fn done(&self) -> usize {
        self.done
    }

    /// Those of them that failed.
    pub(super) fn failed(&self) -> usize {
        self.failed
    }

    /// Appends what the next point measured.
    pub(super) fn append(&mut self, measured: Measured) -> Result<(), Error> {
        let Measured { row, tables } = measured;
        self.is_whole = false;
        for (table, rows) in self.tables[1..].iter_mut().zip(&tables) {
            let own = String::from_utf8_lossy(&rows.header);
            let header = self.lead.clone() + &own;
            if table.header.is_empty() {
                table.append(header.as_bytes(), &self.path)?;
                table.header = header;
            } else if table.header != header {
                let (first, own) = (table.header.trim_end(), header.trim_end());
                return Err(Error::Sweep {
                    message: format!(
                        "point {} has other columns in {} than those before it: {own} instead of \
                         {first}",
                        row.point, table.name
                    ),
                    help: "points share tables: split the sweep into several scenes".into(),
                });
            }
            table.append(&rows.rows, &self.path)?;
        }
        self.tables[0].append(self.columns.line(&row).as_bytes(), &self.path)?;
        self.failed += usize::from(row.error.is_some());
        self.done += 1;
        self.is_dirty = true;
        self.is_whole = true;
        Ok(())
    }

    /// Seals the tables unless that was done just now.
    pub(super) fn seal_if_due(&mut self) -> Result<(), Error> {
        let (when, took) = self.sealed;
        if self.is_dirty && when.elapsed() >= took * SHARE { self.seal() } else { Ok(()) }
    }

    /// Seals the tables; those that have a part of a point stay as they were sealed before.
    pub(super) fn seal(&mut self) -> Result<(), Error> {
        if !self.is_whole {
            return Ok(());
        }
        let began = Instant::now();
        for table in &mut self.tables {
            let path = self.path.join(&table.name);
            let synced = table.out.flush().and_then(|()| table.out.get_ref().sync_data());
            synced.map_err(|error| Error::io("write", path, error))?;
        }
        let unfinished = Unfinished {
            schema_version: SCHEMA_VERSION,
            program_version: env!("CARGO_PKG_VERSION").into(),
            scene: self.head.scene.clone(),
            status: UNFINISHED.into(),
            seed: self.head.seed,
            sweep: self.reached(),
            files: self.files.clone(),
        };
        replace_summary(&self.path, &unfinished, true)?;
        self.kept = unfinished.sweep;
        self.sealed = (Instant::now(), began.elapsed());
        self.is_dirty = false;
        Ok(())
    }

    fn reached(&self) -> Reached {
        let tables = self.tables.iter().map(|table| (table.name.clone(), table.bytes));
        let (points, done, failed) = (self.head.points, self.done, self.failed);
        Reached { points, done, failed, tables: tables.collect() }
    }

    /// How many points are sealed.
    pub(super) fn kept(&self) -> usize {
        self.kept.done
    }

    /// Ends a sweep that may go on: its summary says from where.
    pub(super) fn end(&self, summary: &Summary) -> Result<(), Error> {
        let mut summary = summary.clone();
        summary.sweep.reached = self.kept.clone();
        replace_summary(&self.path, &summary, true)
    }
}

impl Table {
    fn append(&mut self, text: &[u8], folder: &Path) -> Result<(), Error> {
        let written = self.out.write_all(text);
        written.map_err(|error| Error::io("write", folder.join(&self.name), error))?;
        self.bytes += text.len() as u64;
        Ok(())
    }

    /// Cuts off what comes after so many bytes; what is wrong with a table that is shorter.
    fn cut(&mut self, bytes: u64, folder: &Path) -> Result<(), Result<String, Error>> {
        let path = folder.join(&self.name);
        let mut cut = || {
            let file = self.out.get_mut();
            let length = file.metadata()?.len();
            if length < bytes {
                return Ok(Some(length));
            }
            file.set_len(bytes)?;
            BufReader::new(&*file).read_line(&mut self.header)?;
            file.seek(SeekFrom::End(0))?;
            Ok::<_, io::Error>(None)
        };
        match cut() {
            Ok(None) => {
                self.bytes = bytes;
                Ok(())
            }
            Ok(Some(length)) => Err(Ok(format!(
                "{} has {length} bytes, but {SUMMARY} says that {bytes} were written",
                self.name
            ))),
            Err(error) => Err(Err(Error::io("go on with", path, error))),
        }
    }
}
