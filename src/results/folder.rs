//! A folder that a command writes its results to.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Component, Path, PathBuf};
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use super::summary::{SCHEMA_VERSION, UNFINISHED};
use crate::error::Error;
use crate::scene::files::InputFile;
use crate::scene::{Scene, write};
use crate::table::{TableRecord, put_whole};

/// The decided scene.
pub const SCENE: &str = "scene.ron";
/// The summary: it lists the other files, so that a later run knows which are not the user's.
pub const SUMMARY: &str = "summary.json";
/// Where a summary is written before it takes the place of another: there is a whole one at any moment.
const SUMMARY_PART: &str = "summary.json.part";

/// What `picoamp measure` has measured, as it was printed.
pub const MEASURED_TEXT: &str = "measured.txt";

/// A folder for files whose names are known before they are written.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// All files but the summary.
    files: Vec<String>,
    /// The files of an earlier run, to be replaced.
    earlier: Vec<String>,
    /// The folder, locked for as long as this one writes to it.
    lock: OnceLock<fs::File>,
}

impl Folder {
    /// Checks that a summary and `files` can be written to a folder; nothing is changed yet. A
    /// folder that holds files is refused unless `replace` allows to replace those of an earlier
    /// run; a file that no earlier run has written is never replaced.
    ///
    /// # Errors
    /// [`Error::OutputExists`] with the file that is in the way, or [`Error::Io`].
    pub fn claim(
        path: impl Into<PathBuf>,
        replace: bool,
        files: Vec<String>,
    ) -> Result<Folder, Error> {
        let path = path.into();
        match fs::read_dir(&path) {
            Ok(_) if !replace && !is_unused(&path) => {
                return Err(Error::OutputExists { path, file: None });
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(Error::io("use as a folder for results", path, error)),
        }
        let earlier = earlier_files(&path);
        let own = [SUMMARY, SUMMARY_PART].into_iter().chain(files.iter().map(String::as_str));
        let foreign = own.into_iter().find(|name| {
            // Or what holds such a file: a table in pieces.
            let is_earlier = earlier.iter().any(|file| Path::new(file).starts_with(name));
            !is_earlier && path.join(name).exists()
        });
        if let Some(file) = foreign {
            return Err(Error::OutputExists { file: Some(file.to_string()), path });
        }
        Ok(Folder { path, files, earlier, lock: OnceLock::new() })
    }

    /// Creates the folder, so that one that cannot be had is known before a run and not after it; no
    /// other process can use it from then on, as far as the system can lock a folder.
    ///
    /// # Errors
    /// [`Error::Io`], or [`Error::Results`] while another process writes to it.
    pub fn create(&self) -> Result<(), Error> {
        fs::create_dir_all(&self.path)
            .map_err(|e| Error::io("create the folder", &self.path, e))?;
        if self.lock.get().is_some() {
            return Ok(());
        }
        let Ok(folder) = fs::File::open(&self.path) else { return Ok(()) };
        if matches!(folder.try_lock(), Err(fs::TryLockError::WouldBlock)) {
            return Err(Error::Results {
                path: self.path.clone(),
                message: "another picoamp is writing these results".into(),
                help: "let it end, or choose another folder with --out".into(),
            });
        }
        let _ = self.lock.set(folder);
        Ok(())
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The names of all files but the summary.
    #[must_use]
    pub fn files(&self) -> &[String] {
        &self.files
    }

    /// Removes the files of the earlier run and leaves a summary that lists what will be written:
    /// should that be cut short, a later run still knows which files are not the user's.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn begin(&self) -> Result<(), Error> {
        let unfinished = self.unfinished();
        // At any moment the summary lists all that there is.
        unfinished.write(&self.earlier, &BTreeMap::new())?;
        for name in self.earlier.iter().filter(|name| *name != SUMMARY) {
            remove(&self.path.join(name))?;
        }
        // Folders only if nothing else is in them.
        let within = self.earlier.iter().filter_map(|name| Path::new(name).parent());
        for folder in within.filter(|folder| !folder.as_os_str().is_empty()) {
            let _ = fs::remove_dir(self.path.join(folder));
        }
        unfinished.write(&[], &BTreeMap::new())
    }

    /// The summary of a run that lasts.
    #[must_use]
    pub fn unfinished(&self) -> Unfinished {
        Unfinished { path: self.path.clone(), files: self.files.clone() }
    }

    /// Writes a file.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn file(
        &self,
        name: &str,
        content: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), Error> {
        let path = self.path.join(name);
        let write = || {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            let mut out = BufWriter::new(fs::File::create(&path)?);
            content(&mut out)?;
            out.flush()
        };
        write().map_err(|error| Error::io("write", &path, error))
    }

    /// Writes the decided scene and copies of the files it reads.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn scene(&self, scene: &Scene) -> Result<(), Error> {
        let text = write::to_ron(scene, InputFile::copy_path);
        self.file(SCENE, |out| out.write_all(text.as_bytes()))?;
        for file in super::input_files(scene) {
            self.file(&file.copy_path(), |out| out.write_all(&file.content))?;
        }
        Ok(())
    }

    /// Writes the summary, once all that it tells is on the disk: should the machine go off, a complete one
    /// never stands beside tables that are not.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn summary(&self, summary: &impl Serialize) -> Result<(), Error> {
        self.sync()?;
        replace_summary(&self.path, summary, true)
    }

    /// Brings its files to the disk, those that there are; pictures can be drawn again.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn sync(&self) -> Result<(), Error> {
        for name in self.files.iter().filter(|name| !name.ends_with(".svg")) {
            let path = self.path.join(name);
            // Writable: some systems force nothing else to the disk.
            // Not there: it was not written, or is a folder of pieces, which are on the disk as they are sealed.
            if let Ok(file) = fs::File::options().write(true).open(&path) {
                file.sync_data().map_err(|error| Error::io("write", &path, error))?;
            }
        }
        Ok(())
    }
}

/// The summary of a run that lasts, or was killed.
#[derive(Debug)]
pub struct Unfinished {
    path: PathBuf,
    files: Vec<String>,
}

impl Unfinished {
    /// Writes what is complete by now: further files, and tables by probe.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write(
        &self,
        files: &[String],
        tables: &BTreeMap<String, TableRecord>,
    ) -> Result<(), Error> {
        let is_own = |file: &String| file == SUMMARY || file == SUMMARY_PART;
        let new = files.iter().filter(|file| !is_own(file) && !self.files.contains(file));
        let files: Vec<&String> = self.files.iter().chain(new).collect();
        let mut summary = serde_json::json!({
            "schema_version": SCHEMA_VERSION,
            "program_version": env!("CARGO_PKG_VERSION"),
            "status": UNFINISHED,
            "files": files
        });
        if !tables.is_empty() {
            summary["tables"] = serde_json::json!(tables);
        }
        // Before there are tables nothing is lost with it.
        replace_summary(&self.path, &summary, !tables.is_empty())
    }
}

/// Puts a summary in the place of another, at once or not at all: one that is cut short would make the
/// folder useless. See [`put_whole`] for `lasts`.
///
/// # Errors
/// [`Error::Io`].
pub(crate) fn replace_summary(
    folder: &Path,
    summary: &impl Serialize,
    lasts: bool,
) -> Result<(), Error> {
    let put = put_whole(folder, SUMMARY_PART, SUMMARY, lasts, |file| {
        let mut out = BufWriter::new(file);
        serde_json::to_writer_pretty(&mut out, summary)?;
        writeln!(out)?;
        out.flush()
    });
    put.map_err(|error| Error::io("write", folder.join(SUMMARY), error))
}

/// What a later run needs to know of an earlier one.
#[derive(Debug, Deserialize)]
struct FileList {
    #[serde(default)]
    files: Vec<String>,
}

/// Whether nothing is in a folder but what a run leaves that was killed while it began.
pub(super) fn is_unused(folder: &Path) -> bool {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.into_iter().all(|entry| entry.file_name() == SUMMARY_PART)
}

/// The files that the summary of an earlier run lists, and the summary.
fn earlier_files(folder: &Path) -> Vec<String> {
    if is_unused(folder) {
        return vec![SUMMARY_PART.to_string()];
    }
    let Ok(text) = fs::read_to_string(folder.join(SUMMARY)) else { return Vec::new() };
    let Ok(earlier) = serde_json::from_str::<FileList>(&text) else { return Vec::new() };
    let is_inside = |name: &String| {
        let mut parts = Path::new(name).components().peekable();
        parts.peek().is_some() && parts.all(|part| matches!(part, Component::Normal(_)))
    };
    let mut files: Vec<String> = earlier.files.into_iter().filter(is_inside).collect();
    // The second where it was killed while it replaced the first.
    files.extend([SUMMARY, SUMMARY_PART].map(str::to_string));
    files
}

fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        // Of pieces, which have been named; it goes when they have gone.
        Err(_) if path.is_dir() => {
            let _ = fs::remove_dir(path);
            Ok(())
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::io("remove the file of an earlier run", path, error))
        }
        _ => Ok(()),
    }
}
