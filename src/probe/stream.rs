//! Tables that grow with a run, written while it lasts.
//!
//! A run into a folder does not keep the rows of such tables: a recorder hands them over, some
//! thousands at a time, to a thread that formats and writes them. What is underway to the disk is
//! bounded: a simulation that is faster waits. In memory stays what a picture shows.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

use bevy_ecs::prelude::Resource;

use crate::error::Error;
use crate::table::{Format, Rows, TableRecord, TableSet};

/// Rows that a recorder hands over together: waking the thread costs less than formatting them.
pub const ROWS: usize = 1 << 13;
/// Rows that may be underway to the disk. A piece with more of them (a window may have more) goes alone: so no
/// run needs more memory than another because its pieces happened to meet.
const UNDERWAY: usize = 4 * ROWS;
/// Pieces in memory, or what is as large as those: one with the recorder and one that is written, each of which
/// may have room for two; and what is made of the latter, sorted and as columns.
pub(super) const PIECES: u128 = 6;

type Take = Box<dyn FnOnce() -> Rows + Send>;

enum Message {
    Open { probe: Arc<str>, file: String, format: Format, layout: Rows },
    Append(Arc<str>, usize, Take),
    Close,
}

/// A resource: tables that grow with the run are written while it lasts, not kept.
#[derive(Resource, Debug)]
pub struct StreamsTables;

/// Where the rows of a recorder go.
#[derive(Debug, Clone)]
pub struct TableSink {
    probe: Arc<str>,
    sender: Sender<Message>,
    underway: Arc<Underway>,
}

impl TableSink {
    /// Appends so many rows to the table, after what was appended before. The thread that writes it makes them.
    pub fn append(&self, rows: usize, make: impl FnOnce() -> Rows + Send + 'static) {
        self.underway.enter(rows);
        // Nobody takes it once tables are closed: the run is over.
        let _ = self.sender.send(Message::Append(self.probe.clone(), rows, Box::new(make)));
    }
}

/// How many rows are underway; `None`: the thread has ended.
#[derive(Debug)]
struct Underway {
    rows: Mutex<Option<usize>>,
    changed: Condvar,
}

impl Underway {
    /// Waits until there is room for so many more.
    fn enter(&self, more: usize) {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        while rows.is_some_and(|rows| rows > 0 && rows + more > UNDERWAY) {
            rows = self.changed.wait(rows).unwrap_or_else(PoisonError::into_inner);
        }
        *rows = rows.map(|rows| rows + more);
    }

    /// Changes how many there are.
    fn set(&self, change: impl FnOnce(Option<usize>) -> Option<usize>) {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        *rows = change(*rows);
        self.changed.notify_all();
    }
}

/// Once the thread ends, also by a panic, nobody waits for it.
struct UntilItEnds(Arc<Underway>);

impl Drop for UntilItEnds {
    fn drop(&mut self) {
        self.0.set(|_| None);
    }
}

/// What is told whenever something more of the tables is complete.
pub type OnSealed = Box<dyn FnMut(&TableSet) -> Result<(), Error> + Send>;

/// The thread that writes tables.
#[derive(Debug)]
pub struct TableWriter {
    sender: Sender<Message>,
    underway: Arc<Underway>,
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
        let (sender, receiver) = channel();
        let underway = Arc::new(Underway { rows: Mutex::new(Some(0)), changed: Condvar::new() });
        let failed = Arc::new(AtomicBool::new(false));
        let has_failed = failed.clone();
        let ends = UntilItEnds(underway.clone());
        let run = move || write_all(&receiver, &ends.0, tables, on_sealed, &has_failed);
        let thread = std::thread::Builder::new().name("tables".into()).spawn(run);
        let thread = thread
            .map_err(|error| Error::io("start a thread for tables", Path::new("."), error))?;
        Ok(TableWriter { sender, underway, thread, failed })
    }

    /// Where the rows of a new table with these columns go.
    #[must_use]
    pub fn sink(&self, probe: &str, file: &str, format: Format, layout: Rows) -> TableSink {
        let (probe, file): (Arc<str>, _) = (probe.into(), file.to_string());
        let _ = self.sender.send(Message::Open { probe: probe.clone(), file, format, layout });
        TableSink { probe, sender: self.sender.clone(), underway: self.underway.clone() }
    }

    /// Appends to a table what its recorder has left.
    pub fn append(&self, probe: &str, rows: Rows) {
        let _ = self.sender.send(Message::Append(probe.into(), 0, Box::new(|| rows)));
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
    underway: &Underway,
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
            Ok(Message::Append(probe, rows, make)) => {
                let is_more = tables.append(&probe, make());
                underway.set(|all| all.map(|all| all - rows));
                is_more
            }
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
    use std::sync::atomic::AtomicUsize;

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
            sinks[k as usize % 2].append(1, move || number(k));
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
        (0..10).for_each(|_| sinks[0].append(UNDERWAY, || number(0)));
    }

    /// Of pieces larger than what may be underway, one is made when the one before is written.
    #[test]
    fn large_pieces_go_alone() {
        let folder = tempfile::tempdir().unwrap();
        let writer = start(folder.path());
        let sinks = ["a.csv", "b.csv"].map(|name| sink(&writer, name));
        let made = Arc::new(AtomicUsize::new(0));
        for k in 0..100 {
            let count = made.clone();
            sinks[k as usize % 2].append(UNDERWAY + 1, move || {
                count.fetch_add(1, Ordering::Relaxed);
                number(k)
            });
            assert!(made.load(Ordering::Relaxed) >= k as usize, "{k}");
        }
        writer.close().outcome.unwrap();
    }

    #[test]
    fn a_table_that_cannot_be_written_is_named_and_nobody_waits_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("none");
        let writer = start(&path);
        let sink = sink(&writer, "a.csv");
        for _ in 0..10 {
            sink.append(UNDERWAY, || number(0));
        }
        let message = writer.close().outcome.unwrap_err().to_string();
        assert!(message.contains(&path.join("a.csv").display().to_string()), "{message}");
    }
}
