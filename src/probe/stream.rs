//! Tables that grow with a run, written while it lasts.
//!
//! A run into a folder does not keep the rows of such tables: a recorder hands them over, some
//! thousands at a time, to a thread that formats and writes them. What waits for that thread is
//! bounded: a simulation that is faster than the disk waits. In memory stays what a picture shows.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use bevy_ecs::prelude::Resource;

use crate::error::Error;
use crate::table::{Format, Rows, TableRecord, TableSet};

/// Rows that a recorder hands over together: waking the thread costs less than formatting them.
pub const ROWS: usize = 1 << 13;
/// What may wait for the thread, in pieces of about [`ROWS`] rows (more where a window has more).
const WAITING: usize = 4;
/// Pieces in memory: those that wait, one with the recorder and one with the thread.
pub(super) const PIECES: u128 = WAITING as u128 + 2;

type Take = Box<dyn FnOnce() -> Rows + Send>;

enum Message {
    Open { probe: Arc<str>, file: String, format: Format, layout: Rows },
    Append(Arc<str>, Take),
    Close,
}

/// A resource: tables that grow with the run are written while it lasts, not kept.
#[derive(Resource, Debug)]
pub struct StreamsTables;

/// Where the rows of a recorder go.
#[derive(Debug, Clone)]
pub struct TableSink {
    probe: Arc<str>,
    sender: SyncSender<Message>,
}

impl TableSink {
    /// Appends to the table, after what was appended before. The thread that writes it makes the rows.
    pub fn append(&self, rows: impl FnOnce() -> Rows + Send + 'static) {
        // Nobody takes it once tables are closed: the run is over.
        let _ = self.sender.send(Message::Append(self.probe.clone(), Box::new(rows)));
    }
}

/// What is told whenever something more of the tables is complete.
pub type OnSealed = Box<dyn FnMut(&TableSet) -> Result<(), Error> + Send>;

/// The thread that writes tables.
#[derive(Debug)]
pub struct TableWriter {
    sender: SyncSender<Message>,
    thread: JoinHandle<Written>,
    failed: Arc<AtomicBool>,
}

/// What became of the tables of a run.
pub struct Written {
    /// What is complete, by probe.
    pub records: BTreeMap<String, TableRecord>,
    /// The first table that could not be written.
    pub outcome: Result<(), Error>,
}

impl TableWriter {
    /// Starts the thread.
    ///
    /// # Errors
    /// [`Error::Io`]: it could not be started.
    pub fn start(tables: TableSet, on_sealed: OnSealed) -> Result<TableWriter, Error> {
        let (sender, receiver) = sync_channel(WAITING);
        let failed = Arc::new(AtomicBool::new(false));
        let has_failed = failed.clone();
        let run = move || write_all(&receiver, tables, on_sealed, &has_failed);
        let thread = std::thread::Builder::new().name("tables".into()).spawn(run);
        let thread = thread
            .map_err(|error| Error::io("start a thread for tables", Path::new("."), error))?;
        Ok(TableWriter { sender, thread, failed })
    }

    /// Where the rows of a new table with these columns go.
    #[must_use]
    pub fn sink(&self, probe: &str, file: &str, format: Format, layout: Rows) -> TableSink {
        let (probe, file): (Arc<str>, _) = (probe.into(), file.to_string());
        let _ = self.sender.send(Message::Open { probe: probe.clone(), file, format, layout });
        TableSink { probe, sender: self.sender.clone() }
    }

    /// Appends to a table what its recorder has left.
    pub fn append(&self, probe: &str, rows: Rows) {
        let _ = self.sender.send(Message::Append(probe.into(), Box::new(|| rows)));
    }

    /// Whether a table could not be written: the rest of it is lost.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed) || self.thread.is_finished()
    }

    /// Waits until everything is written.
    #[must_use]
    pub fn close(self) -> Written {
        // Nobody takes it where the thread has panicked.
        let _ = self.sender.send(Message::Close);
        self.thread.join().unwrap_or_else(|_| {
            let error = io::Error::other("the thread that writes tables has failed");
            let outcome = Err(Error::io("write", Path::new("tables"), error));
            Written { records: BTreeMap::new(), outcome }
        })
    }
}

/// Writes what comes until tables are closed. A table that cannot be written ends there; others go on.
fn write_all(
    receiver: &Receiver<Message>,
    mut tables: TableSet,
    mut on_sealed: OnSealed,
    has_failed: &AtomicBool,
) -> Written {
    let mut first = Ok(());
    let mut done = |result: Result<(), Error>| {
        if let Err(error) = result {
            has_failed.store(true, Ordering::Relaxed);
            if first.is_ok() {
                first = Err(error);
            }
        }
    };
    loop {
        let is_more = match receiver.recv() {
            Ok(Message::Open { probe, file, format, layout }) => {
                tables.open(&probe, &file, format, &layout).map(|()| false)
            }
            Ok(Message::Append(probe, rows)) => tables.append(&probe, rows()),
            Ok(Message::Close) | Err(_) => break,
        };
        let told = is_more.and_then(|is_more| if is_more { on_sealed(&tables) } else { Ok(()) });
        done(told);
    }
    for probe in tables.probes() {
        done(tables.finish(&probe).map(|_| ()));
    }
    Written { records: tables.records(), outcome: first }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::{Column, Provenance};

    fn number(k: u32) -> Rows {
        Rows::new(vec![Column::index("neuron", vec![k])])
    }

    fn start(folder: &Path) -> TableWriter {
        let tables = TableSet::new(folder.to_path_buf(), Provenance::default());
        TableWriter::start(tables, Box::new(|_| Ok(()))).unwrap()
    }

    fn sink(writer: &TableWriter, file: &str) -> TableSink {
        writer.sink(file, file, Format::Csv, number(0).layout())
    }

    #[test]
    fn tables_have_what_was_appended_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let writer = start(folder.path());
        let sinks = ["a.csv", "b.csv"].map(|name| sink(&writer, name));
        for k in 0..100 {
            sinks[k as usize % 2].append(move || number(k));
        }
        writer.append("b.csv", number(100));
        let written = writer.close();
        written.outcome.unwrap();
        let numbers = |first: usize| -> String {
            let rows = (first..100).step_by(2).map(|k| format!("{k}\n"));
            format!("neuron\n{}", rows.collect::<String>())
        };
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!(read("a.csv"), numbers(0));
        assert_eq!(read("b.csv"), numbers(1) + "100\n");
        assert_eq!(written.records["b.csv"].rows, 51);
        // Once it is closed nobody waits.
        (0..10 * WAITING).for_each(|_| sinks[0].append(|| number(0)));
    }

    #[test]
    fn a_table_that_cannot_be_written_is_named_and_nobody_waits_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("none");
        let writer = start(&path);
        let sink = sink(&writer, "a.csv");
        for _ in 0..10 * WAITING {
            sink.append(|| number(0));
        }
        let message = writer.close().outcome.unwrap_err().to_string();
        assert!(message.contains(&path.join("a.csv").display().to_string()), "{message}");
    }
}
