//! Sweeps: a scene at many points, into one folder of tables.
//!
//! A [`Sweep`] is a list of points, each a scene of its own ([`Sweep::load`]). Points run side by side,
//! as many as there are threads and as fit into memory; a point is the same run whichever others run
//! beside it. What a point measured is appended to the tables in the order of points, so that the
//! tables do not depend on threads either.
//!
//! | module | what it does |
//! |---|---|
//! | this one | hands points to threads and takes what they measured |
//! | `point` | runs one point |
//! | `journal` | the tables, and how far they are complete: a sweep that was killed goes on there |
//! | [`points`] | the table of points |
//! | [`pictures`] | what was measured against what was swept, drawn from the tables |
//! | [`summary`] | `summary.json` |
//! | [`compare`] | have two sweeps the same spikes? |

pub mod compare;
mod journal;
pub mod pictures;
mod point;
pub mod points;
pub mod summary;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use crate::backend::CurrentBackend;
use crate::backend::choice::{Candidates, Choice};
use crate::error::Error;
use crate::plugins::Plugins;
use crate::probe::picture;
use crate::results::Folder;
use crate::results::folder::SCENE;
use crate::scene::diagnostics::SceneReport;
use crate::scene::estimate::available_memory;
use crate::scene::files::InputFile;
use crate::scene::sweep::Sweep;
use crate::scene::{Loaded, Scene};
use journal::Journal;
use point::{Layout, Measured, Point};
use summary::{Stage, Summary};

/// How often progress is told at least.
const TICK: Duration = Duration::from_millis(100);

/// How far a sweep is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// Points whose results are in the tables.
    pub done: usize,
    /// Those of them that failed.
    pub failed: usize,
    /// All points.
    pub points: usize,
    /// Points that are done or under way, the latter by the part that is done.
    pub reached: f64,
}

/// Points that run side by side, and on how many threads each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SideBySide {
    /// How many points.
    pub points: usize,
    /// Threads of each.
    pub threads: usize,
    /// Whether there would be more if there were more memory.
    pub by_memory: bool,
    /// Points that are handed out while the tables of the first of them are not written yet: one where
    /// there is no memory for tables that wait.
    pub ahead: usize,
}

impl SideBySide {
    /// Of a sweep, with so many threads and bytes of memory.
    ///
    /// # Errors
    /// [`Error::Limit`]: a single point does not fit with its tables.
    pub fn of(sweep: &Sweep, threads: usize, available: u64) -> Result<SideBySide, Error> {
        let total = &sweep.total;
        total.largest.check(available).map_err(|error| match error {
            Error::Limit { message, help } => {
                let point = total.largest_point;
                let help = if total.largest_alone.check(available).is_ok() {
                    format!(
                        "a sweep keeps records and tables of a point in memory until the point is done: \
                         record fewer neurons, less often or for a shorter time, reduce the replicas, or \
                         run points by themselves, which writes long tables during the run \
                         (picoamp run SCENE --point {point})"
                    )
                } else {
                    help
                };
                Error::Limit { message: format!("at {}: {message}", sweep.label(point)), help }
            }
            other => other,
        })?;
        // A quarter stays free: this is an estimate.
        let fit = u128::from(available) / 4 * 3 / with_waiting(sweep).max(1);
        let fit = usize::try_from(fit).unwrap_or(usize::MAX);
        let wanted = threads.min(sweep.points()).max(1);
        let points = wanted.min(fit).max(1);
        let ahead = if fit == 0 { 1 } else { 2 * points };
        let (threads, by_memory) = ((threads / points).max(1), fit < wanted);
        Ok(SideBySide { points, threads, by_memory, ahead })
    }

    /// Memory of the largest of these points, bytes.
    #[must_use]
    pub fn point_bytes(&self, sweep: &Sweep) -> u128 {
        if self.ahead == 1 { sweep.total.largest.total_bytes() } else { with_waiting(sweep) }
    }
}

/// Memory of a point while it runs, of its tables, and of those that wait for an earlier point, bytes.
fn with_waiting(sweep: &Sweep) -> u128 {
    sweep.total.largest.total_bytes().saturating_add(sweep.total.tables_bytes)
}

/// A sweep to be run into a folder.
pub struct Runner<'a> {
    /// What scenes can name.
    pub plugins: &'a Plugins,
    /// The scene without its sweep.
    pub scene: &'a Scene,
    /// Its points.
    pub sweep: &'a Sweep,
    /// Warnings of the scene.
    pub warnings: &'a SceneReport,
    /// What it is to run on.
    pub choice: Choice,
    /// Threads that it may use; otherwise as many as there are cores.
    pub threads: Option<usize>,
    /// Wall time of reading the scene.
    pub load: Duration,
    /// Only so many points are run.
    pub most: usize,
}

/// A sweep that ended, one way or the other.
#[derive(Debug)]
pub struct Ended {
    /// What it came to.
    pub summary: Summary,
    /// Why it ended early, or that points failed.
    pub outcome: Result<(), Error>,
}

impl Runner<'_> {
    /// Runs all points into a folder, from the first on. A folder that holds files is refused unless
    /// `replace` allows to replace those of an earlier run. `observe` is told how far it is; `Break` ends
    /// the sweep, and what is done is kept.
    ///
    /// # Errors
    /// Before anything is written: [`Error::Limit`], [`Error::OutputExists`], [`Error::Device`],
    /// [`Error::Io`]. Later the sweep [ends](Ended) with its error.
    pub fn start(
        &self,
        path: impl Into<PathBuf>,
        replace: bool,
        observe: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
    ) -> Result<Ended, Error> {
        let plan = self.plan()?;
        let folder = Folder::claim(path, replace, self.files(&plan.layout))?;
        folder.create()?;
        folder.begin()?;
        folder.file(SCENE, |out| out.write_all(self.scene_text().as_bytes()))?;
        for file in self.sweep.files() {
            folder.file(&file.copy_path(), |out| out.write_all(&file.content))?;
        }
        // The summary of a sweep that goes on relies on them.
        folder.sync()?;
        let journal = Journal::start(&folder, &plan.layout, self.head())?;
        self.go_on(plan, journal, &folder, observe)
    }

    /// Goes on with a sweep of the same scene that was stopped.
    ///
    /// # Errors
    /// As [`Runner::start`]; [`Error::Results`] where tables are not what the summary says, or somebody
    /// else is writing them.
    pub fn resume(
        &self,
        path: impl Into<PathBuf>,
        observe: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
    ) -> Result<Ended, Error> {
        let plan = self.plan()?;
        let folder = Folder::claim(path, true, self.files(&plan.layout))?;
        folder.create()?;
        let journal = Journal::resume(&folder, &plan.layout, self.head())?;
        self.go_on(plan, journal, &folder, observe)
    }

    /// The scene as the folder keeps it.
    #[must_use]
    pub fn scene_text(&self) -> String {
        self.sweep.to_ron(InputFile::copy_path)
    }

    fn files(&self, layout: &Layout) -> Vec<String> {
        let inputs = self.sweep.files().map(InputFile::copy_path);
        std::iter::once(SCENE.to_string()).chain(inputs).chain(layout.files()).collect()
    }

    fn head(&self) -> journal::Head {
        let (scene, seed) = (self.scene.name.clone(), self.scene.seed);
        journal::Head { scene, seed, points: self.sweep.points() }
    }

    /// Decides who runs what, before anything is written.
    fn plan(&self) -> Result<Plan, Error> {
        let Loaded { scene, .. } = self.sweep.load(self.plugins, 0)?;
        let layout = Layout::new(self.sweep, &scene);
        let all = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let threads = self.threads.unwrap_or(all);
        let mut side_by_side = SideBySide::of(self.sweep, threads, available_memory())?;
        let (mut backend, mut choice) = ("cpu", Choice::Cpu);
        if self.choice != Choice::Cpu {
            let mut simulation = self.plugins.build(scene)?;
            Candidates::new(self.choice, self.threads)?.choose(&mut simulation)?;
            backend = simulation.world().resource::<CurrentBackend>().0.name();
        }
        if backend != "cpu" {
            // A device has threads enough for one point.
            let ahead = side_by_side.ahead.min(2);
            side_by_side = SideBySide { points: 1, threads, by_memory: false, ahead };
            choice = Choice::Cuda;
        }
        Ok(Plan { layout, side_by_side, backend, choice, threads })
    }

    /// Runs the points that the journal lacks.
    fn go_on(
        &self,
        plan: Plan,
        mut journal: Journal,
        folder: &Folder,
        observe: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
    ) -> Result<Ended, Error> {
        let began = Instant::now();
        let outcome = self.run_points(&plan, &mut journal, observe);
        let run = began.elapsed();
        // What is done is kept, whatever happened.
        let sealed = journal.seal();
        let rows = points::read(&folder.path().join(&plan.layout.points), self.sweep.axes.len());
        let ended = outcome.and(sealed);
        let mut rows = match rows {
            Ok(rows) => rows.rows,
            // A table that could not be written has no whole rows.
            Err(_) if ended.is_err() => Vec::new(),
            Err(message) => {
                return Err(Error::Results {
                    path: folder.path().to_path_buf(),
                    message,
                    help: "run the sweep again with --force".into(),
                });
            }
        };
        rows.truncate(journal.kept());
        let drawn = self.draw(&plan.layout, folder);
        let files = self.written(&plan.layout, folder, &drawn);
        let ended = ended.and(drawn.map(|_| ()));
        let outcome = ended.and_then(|()| self.failures(&rows));
        let stage = Stage {
            backend: plan.backend,
            threads: plan.threads,
            side_by_side: plan.side_by_side.points,
            load: self.load,
            run,
        };
        let summary =
            Summary::new(self, &plan.layout, &rows, &stage, outcome.as_ref().err(), &files);
        // Of a sweep that is to go on, the summary has to say from where.
        match &outcome {
            Ok(()) | Err(Error::Points(_)) => folder.summary(&summary)?,
            Err(_) => journal.end(&summary)?,
        }
        Ok(Ended { summary, outcome })
    }

    /// Draws what is in the tables; the pictures that there are now.
    fn draw(&self, layout: &Layout, folder: &Folder) -> Result<Vec<String>, Error> {
        let mut written = Vec::new();
        for picture in &layout.pictures {
            let read = picture.read(folder.path(), self.sweep);
            let drawing = read.map_err(|message| Error::Results {
                path: folder.path().to_path_buf(),
                message,
                help: "run the sweep again with --force".into(),
            })?;
            let Some(drawing) = drawing else { continue };
            let title = picture::title(&self.scene.name, &picture.name);
            let svg = drawing.picture(0, title.as_str().into()).svg();
            folder.file(&picture.file, |out| out.write_all(svg.as_bytes()))?;
            written.push(picture.file.clone());
        }
        Ok(written)
    }

    /// All files but the pictures for which there is nothing to draw.
    fn written(
        &self,
        layout: &Layout,
        folder: &Folder,
        drawn: &Result<Vec<String>, Error>,
    ) -> Vec<String> {
        let is_left_out = |file: &String| {
            let is_picture = layout.pictures.iter().any(|picture| picture.file == *file);
            is_picture && drawn.as_ref().is_ok_and(|drawn| !drawn.contains(file))
        };
        folder.files().iter().filter(|file| !is_left_out(file)).cloned().collect()
    }

    fn failures(&self, rows: &[points::Row]) -> Result<(), Error> {
        let mut failed = rows.iter().filter_map(|row| Some((row.point, row.error.as_ref()?)));
        let Some((first, why)) = failed.next() else { return Ok(()) };
        let (count, all) = (1 + failed.count(), self.sweep.points());
        let label = self.sweep.label(first);
        Err(Error::Points(if count == all && all > 1 {
            format!(
                "all {all} points failed, so that the tables of probes have no rows; the first of them, \
                 {label}: {why}"
            )
        } else if count == 1 {
            format!("1 of {all} points failed, {label}: {why}")
        } else {
            format!("{count} of {all} points failed, the first of them {label}: {why}")
        }))
    }

    fn run_points(
        &self,
        plan: &Plan,
        journal: &mut Journal,
        observe: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let points = self.sweep.points().min(self.most);
        let SideBySide { points: workers, ahead, .. } = plan.side_by_side;
        let stop = AtomicBool::new(false);
        let parts: Vec<AtomicU64> = (0..workers).map(|_| AtomicU64::new(0)).collect();
        let (jobs, taken) = mpsc::channel::<usize>();
        let taken = Mutex::new(taken);
        let (sender, results) = mpsc::channel::<(usize, Result<Measured, Error>)>();
        let mut outcome = Ok(());
        std::thread::scope(|scope| {
            let mut threads = Vec::new();
            for part in &parts {
                let (sender, taken, stop) = (sender.clone(), &taken, &stop);
                threads.push(scope.spawn(move || {
                    loop {
                        // Only one waits at a time; the channel ends when all is handed out.
                        let job = taken.lock().unwrap_or_else(PoisonError::into_inner).recv();
                        let Ok(index) = job else { break };
                        if stop.load(Ordering::Relaxed) {
                            break;
                        }
                        let point = Point { runner: self, plan, index };
                        let measured = point.measure(&mut |done| {
                            part.store((done * PARTS) as u64, Ordering::Relaxed);
                            stop.load(Ordering::Relaxed)
                        });
                        if sender.send((index, measured)).is_err() {
                            break;
                        }
                        part.store(0, Ordering::Relaxed);
                    }
                }));
            }
            drop(sender);
            let mut waiting: BTreeMap<usize, Measured> = BTreeMap::new();
            let mut handed = journal.done();
            let first = handed;
            loop {
                let done = journal.done();
                if done >= points {
                    break;
                }
                // A slow point holds back those after it, whose tables wait in memory.
                while handed < points && handed < done + ahead {
                    // The workers are there as long as the channel is.
                    let _ = jobs.send(handed);
                    handed += 1;
                }
                match results.recv_timeout(TICK) {
                    Ok((index, Ok(measured))) => {
                        waiting.insert(index, measured);
                    }
                    Ok((_, Err(error))) => outcome = Err(error),
                    // Only a worker that panicked leaves early; the scope tells.
                    Err(_) if threads.iter().any(|thread| thread.is_finished()) => break,
                    Err(_) => {}
                }
                while outcome.is_ok()
                    && let Some(measured) = waiting.remove(&journal.done())
                {
                    outcome = journal.append(measured);
                }
                if outcome.is_ok() {
                    outcome = journal.seal_if_due();
                }
                let under_way: u64 = parts.iter().map(|part| part.load(Ordering::Relaxed)).sum();
                let done = journal.done();
                let reached = (done + waiting.len()) as f64 + under_way as f64 / PARTS;
                let progress = Progress {
                    done,
                    failed: journal.failed(),
                    points: self.sweep.points(),
                    reached: reached.clamp(first as f64, self.sweep.points() as f64),
                };
                if outcome.is_ok() && observe(&progress).is_break() && done < points {
                    outcome = Err(Error::SweepStopped { done, points: self.sweep.points() });
                }
                if outcome.is_err() {
                    break;
                }
            }
            stop.store(true, Ordering::Relaxed);
            drop(jobs);
        });
        outcome?;
        let (done, all) = (journal.done(), self.sweep.points());
        if done < all { Err(Error::SweepStopped { done, points: all }) } else { Ok(()) }
    }
}

/// Parts of a point, for its progress.
const PARTS: f64 = 1e6;

/// Who runs what.
struct Plan {
    layout: Layout,
    side_by_side: SideBySide,
    /// The back end of all points, by its name and by what is asked for.
    backend: &'static str,
    choice: Choice,
    threads: usize,
}
