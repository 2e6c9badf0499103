//! `picoamp converge`: a scene by steps against the event-driven solver.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use serde::Serialize;

use super::args::ConvergeArgs;
use super::messages::{self, say};
use super::{default_folder, load, print, print_json, progress, stop_on_signals};
use crate::backend::cpu::Cpu;
use crate::converge::{self, Comparison, Difference, Trains, Worst};
use crate::probe::picture::{self, counted};
use crate::results::summary::SCHEMA_VERSION;
use crate::results::{Folder, scene_files};
use crate::scene::{Loaded, Solver};
use crate::time::Time;
use crate::units::{self, Unit};
use crate::{Error, Plugins, Scene};

const COUNTS: &str = "counts.svg";
const SHIFTS: &str = "shifts.svg";
const TABLE: &str = "converge.csv";
const NEURONS: &str = "converge.neurons.csv";

/// `summary.json` of a comparison. Times are in seconds.
#[derive(Serialize)]
struct Report {
    schema_version: u32,
    program_version: &'static str,
    scene: String,
    /// `complete`, `interrupted` or `failed`.
    status: &'static str,
    /// Why it ended early.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    seed: u64,
    threads: usize,
    duration_s: f64,
    neurons: u64,
    reference: Reference,
    steps: Vec<Step>,
    /// Steps whose run failed: why.
    failed: Vec<Failed>,
    warnings: Vec<String>,
    files: Vec<String>,
}

#[derive(Serialize)]
struct Reference {
    tolerance_s: f64,
    /// Populations whose model has no event-driven equations: by steps here, too.
    stepped: Vec<String>,
    /// The step of these.
    #[serde(skip_serializing_if = "Option::is_none")]
    dt_s: Option<f64>,
    spikes: BTreeMap<String, u64>,
    wall_s: f64,
}

#[derive(Serialize)]
struct Step {
    dt_s: f64,
    #[serde(flatten)]
    total: Difference,
    populations: BTreeMap<String, Difference>,
    wall_s: f64,
}

#[derive(Serialize)]
struct Failed {
    dt_s: f64,
    error: String,
}

/// Who runs the simulations, and what they show.
struct Runner<'a> {
    plugins: &'a Plugins,
    threads: Option<usize>,
    quiet: bool,
    stop: &'a AtomicBool,
}

pub fn converge(args: &ConvergeArgs, plugins: &Plugins) -> Result<(), Error> {
    let seed = args.seed.map(|seed| format!("seed={seed}"));
    let read = |sets: &[String]| {
        load(&args.scene, plugins, seed.iter().cloned().chain(sets.iter().cloned()))?.single()
    };
    // All scenes are read before the first one runs: a step that does not fit is known at once.
    let mut loaded = read(&[])?;
    if loaded.scene.solver.euler_dt().is_some() {
        loaded = read(&["solver=Event".into()])?;
    }
    let Loaded { scene: reference, warnings, .. } = loaded;
    let by_steps = |dt: Time| {
        let quantity = units::format(dt.seconds(), Unit::Second);
        // Probes record nothing here: their intervals need not be multiples of the step.
        let sets = [format!("solver=Euler(dt: \"{quantity}\")"), "probes={}".into()];
        Ok((dt, read(&sets)?.scene))
    };
    let steps = args.dt.iter().map(|dt| by_steps(*dt)).collect::<Result<Vec<_>, Error>>()?;
    let Solver::Event { tolerance, step } = reference.solver else {
        // Euler's scenes were replaced above.
        return Ok(());
    };
    if !args.quiet {
        messages::show_findings(&warnings);
    }
    let path = args.out.clone().unwrap_or_else(|| default_folder(&reference.name, "-converge"));
    let mut files = scene_files(&reference);
    files.extend([TABLE, NEURONS, COUNTS, SHIFTS].map(String::from));
    let folder = Folder::claim(path, args.force, files)?;
    folder.create()?;

    let stop = stop_on_signals();
    let threads = args.threads.map(usize::from);
    let runner = Runner { plugins, threads, quiet: args.quiet, stop: &stop };
    let (exact, wall_s) = runner.run(reference.clone())?;
    let mut comparisons: Vec<(Time, Comparison)> = Vec::new();
    let mut walls = Vec::new();
    let mut failed: Vec<(Time, Error)> = Vec::new();
    for (dt, scene) in steps {
        match runner.run(scene) {
            Ok((trains, wall_s)) => {
                comparisons.push((dt, Comparison::new(&exact, &trains)));
                walls.push(wall_s);
            }
            // A coarse step may fail where a finer one does not.
            Err(error) => {
                let is_interrupted = matches!(error, Error::Interrupted { .. });
                failed.push((dt, error));
                if is_interrupted {
                    break;
                }
            }
        }
    }

    let stepped = reference.populations.keys().enumerate();
    let stepped: Vec<String> =
        stepped.filter(|(k, _)| reference.is_stepped(*k)).map(|(_, name)| name.clone()).collect();
    let outcome = failed.first().map(|(_, error)| error);
    let report = Report {
        schema_version: SCHEMA_VERSION,
        program_version: env!("CARGO_PKG_VERSION"),
        scene: reference.name.clone(),
        status: match outcome {
            None => "complete",
            Some(Error::Interrupted { .. }) => "interrupted",
            Some(_) => "failed",
        },
        error: outcome.map(ToString::to_string),
        seed: reference.seed,
        threads: Cpu::new(threads).threads(),
        duration_s: reference.duration.seconds(),
        neurons: reference.populations.values().map(|p| p.size).sum::<u64>() * reference.replicas,
        reference: Reference {
            tolerance_s: tolerance.seconds(),
            dt_s: (!stepped.is_empty()).then_some(step.seconds()),
            stepped,
            spikes: exact.iter().map(|t| (t.population.clone(), t.spikes())).collect(),
            wall_s,
        },
        steps: comparisons
            .iter()
            .zip(walls)
            .map(|((dt, comparison), wall_s)| Step {
                dt_s: dt.seconds(),
                total: comparison.total(),
                populations: comparison.differences().map(|(n, d)| (n.to_string(), d)).collect(),
                wall_s,
            })
            .collect(),
        failed: failed
            .iter()
            .map(|(dt, error)| Failed { dt_s: dt.seconds(), error: error.to_string() })
            .collect(),
        warnings: warnings.findings().iter().map(ToString::to_string).collect(),
        files: folder.files().to_vec(),
    };
    write(&folder, &reference, &comparisons, tolerance, &report)?;
    if !args.quiet {
        say!("results: {}", folder.path().display());
        for name in [COUNTS, SHIFTS] {
            say!("  {}", folder.path().join(name).display());
        }
        if !args.json {
            print(table(&report).trim_end())?;
        }
    }
    if let Some((dt, error)) = failed.into_iter().next() {
        say!("with dt = {dt} s:");
        return Err(error);
    }
    if args.json {
        print_json(&report)?;
    }
    Ok(())
}

impl Runner<'_> {
    /// Runs a scene for its spikes; the result is these and the wall time of the windows, s.
    fn run(&self, mut scene: Scene) -> Result<(Vec<Trains>, f64), Error> {
        Trains::record(&mut scene);
        let mut simulation = self.plugins.build(scene)?;
        simulation.set_backend(Cpu::new(self.threads));
        simulation.leave_state();
        let mut progress = progress::Progress::new(self.quiet);
        let began = Instant::now();
        let outcome = simulation.run_with(|state| {
            progress.show(state);
            if self.stop.load(Ordering::Relaxed) {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        progress.finish();
        outcome?;
        Ok((Trains::of(&simulation)?, began.elapsed().as_secs_f64()))
    }
}

fn write(
    folder: &Folder,
    scene: &Scene,
    comparisons: &[(Time, Comparison)],
    tolerance: Time,
    report: &Report,
) -> Result<(), Error> {
    folder.begin()?;
    folder.scene(scene)?;
    folder.file(TABLE, |out| converge::table(comparisons, out))?;
    folder.file(NEURONS, |out| converge::neurons_table(comparisons, out))?;
    let title = picture::title(&scene.name, "Euler against the event-driven solver");
    let counts = converge::counts_picture(title.as_str().into(), comparisons).svg();
    folder.file(COUNTS, |out| out.write_all(counts.as_bytes()))?;
    let shifts = converge::shifts_picture(title.as_str().into(), comparisons, tolerance).svg();
    folder.file(SHIFTS, |out| out.write_all(shifts.as_bytes()))?;
    folder.summary(report)
}

/// The figures as people read them.
fn table(report: &Report) -> String {
    let seconds = |s: f64| units::format(picture::three_digits(s), Unit::Second);
    let whose = |population: &str, neuron: u32| format!("{population} {neuron}");
    let exact: u64 = report.reference.spikes.values().sum();
    let mut text = format!(
        "{}: {} for {} s; the event-driven solver (to {}): {exact} spikes\n",
        report.scene,
        counted(report.neurons, "neuron"),
        report.duration_s,
        seconds(report.reference.tolerance_s),
    );
    if let Some(dt_s) = report.reference.dt_s {
        let names = report.reference.stepped.join(", ");
        text += &format!("by steps of {} there, too: {names}\n", seconds(dt_s));
    }
    let mut rows = vec![
        ["Euler", "", "", "count of a neuron", "", "", "shift of a spike", "", ""]
            .map(String::from),
        ["dt", "spikes", "off by", "mean", "worst", "neuron", "mean", "worst", "neuron"]
            .map(String::from),
    ];
    for Step { dt_s, total, .. } in &report.steps {
        let share = total.spikes as f64 / total.reference_spikes as f64 - 1.0;
        let of = |worst: Option<(String, &str, u32)>| match worst {
            Some((error, population, neuron)) => (error, whose(population, neuron)),
            None => ("0".to_string(), "-".to_string()),
        };
        let count = total.worst_count.as_ref();
        let count =
            of(count.map(|w: &Worst<i64>| (format!("{:+}", w.error), &*w.population, w.neuron)));
        let shift = total.worst_shift_s.as_ref();
        let shift = of(shift.map(|w: &Worst<f64>| (seconds(w.error), &*w.population, w.neuron)));
        rows.push([
            seconds(*dt_s),
            total.spikes.to_string(),
            if total.reference_spikes > 0 {
                format!("{:+.2} %", 100.0 * share)
            } else {
                "-".into()
            },
            format!("{:.3}", total.mean_count_error),
            count.0,
            count.1,
            total.mean_shift_s.map_or("-".into(), seconds),
            shift.0,
            shift.1,
        ]);
    }
    let width = |column: usize| {
        let cells = rows[1..].iter().map(|row| row[column].chars().count());
        cells.max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..9).map(width).collect();
    text += &aligned(&rows, &widths);
    let by_step = |a: &&Step, b: &&Step| a.dt_s.total_cmp(&b.dt_s);
    let ends = report.steps.iter().min_by(by_step).zip(report.steps.iter().max_by(by_step));
    let shift = |step: &Step| step.total.mean_shift_s.unwrap_or_default();
    if ends
        .is_some_and(|(fine, coarse)| fine.dt_s < coarse.dt_s && shift(fine) > 0.5 * shift(coarse))
    {
        text += "shifts hardly shrink with the step: in a network one spike that differs changes \
                 those after it; compare rates and intervals instead\n";
    }
    text
}

/// Columns of a width, numbers to the right. (A head stands at the left end of its group.)
fn aligned(rows: &[[String; 9]], widths: &[usize]) -> String {
    let mut text = String::new();
    for (k, row) in rows.iter().enumerate() {
        let mut line = String::new();
        if k == 0 {
            for (column, head) in row.iter().enumerate().filter(|(_, head)| !head.is_empty()) {
                let start: usize =
                    2 + widths[..column].iter().map(|width| width + 2).sum::<usize>();
                line += &" ".repeat(start.saturating_sub(line.chars().count()));
                line += head;
            }
        } else {
            for (cell, width) in row.iter().zip(widths) {
                line += &format!("  {cell:>width$}");
            }
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}
