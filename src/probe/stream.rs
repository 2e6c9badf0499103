//! Tables that grow with a run, written while it lasts.
//!
//! A run into a folder does not keep the rows of such tables: a recorder hands them over, some
//! thousands at a time, to a thread that formats and writes them. What waits for that thread is
//! bounded: a simulation that is faster than the disk waits. In memory stays what a picture shows.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use bevy_ecs::prelude::Resource;

use crate::error::Error;

/// Rows that a recorder hands over together: waking the thread costs less than formatting them.
pub const ROWS: usize = 1 << 13;
/// What may wait for the thread, in pieces of about [`ROWS`] rows (more where a window has more).
const WAITING: usize = 4;

type Append = Box<dyn FnOnce(&mut dyn Write) -> io::Result<()> + Send>;

enum Message {
    Append(Arc<Path>, Append),
    Close,
}

/// A resource: tables that grow with the run are written while it lasts, not kept.
#[derive(Resource, Debug)]
pub struct StreamsTables;

/// Where the rows of a recorder go.
#[derive(Debug, Clone)]
pub struct TableSink {
    path: Arc<Path>,
    sender: SyncSender<Message>,
}

impl TableSink {
    /// Appends to the table, after what was appended before.
    pub fn append(&self, rows: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send + 'static) {
        // Nobody takes it once tables are closed: the run is over.
        let _ = self.sender.send(Message::Append(self.path.clone(), Box::new(rows)));
    }
}

/// The thread that writes tables.
#[derive(Debug)]
pub struct TableWriter {
    sender: SyncSender<Message>,
    thread: JoinHandle<Result<(), Error>>,
    failed: Arc<AtomicBool>,
}

impl TableWriter {
    /// Starts the thread.
    ///
    /// # Errors
    /// [`Error::Io`]: it could not be started.
    pub fn start() -> Result<TableWriter, Error> {
        let (sender, receiver) = sync_channel(WAITING);
        let failed = Arc::new(AtomicBool::new(false));
        let has_failed = failed.clone();
        let run = move || {
            let written = write_all(&receiver);
            has_failed.store(written.is_err(), Ordering::Relaxed);
            written
        };
        let thread = std::thread::Builder::new().name("tables".into()).spawn(run);
        let thread = thread
            .map_err(|error| Error::io("start a thread for tables", Path::new("."), error))?;
        Ok(TableWriter { sender, thread, failed })
    }

    /// Where the rows of a new table go.
    #[must_use]
    pub fn sink(&self, path: PathBuf) -> TableSink {
        TableSink { path: path.into(), sender: self.sender.clone() }
    }

    /// Whether a table could not be written: what comes after it is lost.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// Waits until everything is written.
    ///
    /// # Errors
    /// [`Error::Io`] with the first table that could not be written.
    pub fn close(self) -> Result<(), Error> {
        // Where the thread has ended already, it has failed, and says why.
        let _ = self.sender.send(Message::Close);
        self.thread.join().unwrap_or_else(|_| {
            let error = io::Error::other("the thread that writes tables has failed");
            Err(Error::io("write", Path::new("tables"), error))
        })
    }
}

/// Writes what comes until tables are closed, or one cannot be written.
fn write_all(receiver: &Receiver<Message>) -> Result<(), Error> {
    let mut tables: BTreeMap<Arc<Path>, BufWriter<File>> = BTreeMap::new();
    while let Ok(Message::Append(path, rows)) = receiver.recv() {
        let append = || {
            let table = match tables.entry(path.clone()) {
                std::collections::btree_map::Entry::Occupied(table) => table.into_mut(),
                std::collections::btree_map::Entry::Vacant(place) => {
                    place.insert(BufWriter::new(File::create(&path)?))
                }
            };
            rows(table)?;
            // Whole rows are there whatever happens to the run.
            table.flush()
        };
        append().map_err(|error| Error::io("write", &*path, error))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_have_what_was_appended_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let [a, b] = ["a.csv", "b.csv"].map(|name| folder.path().join(name));
        let writer = TableWriter::start().unwrap();
        let sinks = [writer.sink(a.clone()), writer.sink(b.clone())];
        for k in 0..100 {
            sinks[k % 2].append(move |out| writeln!(out, "{k}"));
        }
        writer.close().unwrap();
        let numbers = |first: usize| -> String {
            (first..100).step_by(2).map(|k| format!("{k}\n")).collect()
        };
        assert_eq!(std::fs::read_to_string(a).unwrap(), numbers(0));
        assert_eq!(std::fs::read_to_string(b).unwrap(), numbers(1));
        // Once it is closed nobody waits.
        sinks[0].append(|_| Ok(()));
    }

    #[test]
    fn a_table_that_cannot_be_written_is_named_and_nobody_waits_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("none").join("a.csv");
        let writer = TableWriter::start().unwrap();
        let sink = writer.sink(path.clone());
        for _ in 0..10 * WAITING {
            sink.append(|out| writeln!(out, "row"));
        }
        let message = writer.close().unwrap_err().to_string();
        assert!(message.contains(&path.display().to_string()), "{message}");
    }
}
