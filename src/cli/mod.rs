//! The command line: `picoamp run`, `converge`, `check`, `resolve` and `doctor`. Data goes to stdout,
//! everything else to stderr.

mod args;
mod converge;
mod doctor;
mod messages;
mod progress;

use std::io::Write;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crate::backend::choice::{Candidates, Chosen};
use crate::network::Rule;
use crate::results::{Dump, ResultsFolder, RunReport, Summary};
use crate::scene::estimate::{self, Estimate, bytes_text};
use crate::scene::{Connection, Loaded, write};
use crate::{Error, Plugins, Scene};
use args::{Args, BackendChoice, Command, DumpChoice, RunArgs, SceneArgs};
use clap::Parser;
use messages::say;

/// Runs the command that the process was started with; the result is its exit code. A program of
/// one's own with further plugins is one line:
///
/// ```no_run
/// # struct MyPlugin;
/// # impl picoamp::Plugin for MyPlugin {}
/// fn main() -> std::process::ExitCode {
///     picoamp::cli::main(&picoamp::Plugins::default().with(MyPlugin))
/// }
/// ```
#[must_use]
pub fn main(plugins: &Plugins) -> ExitCode {
    let args = Args::parse();
    let (result, json) = match &args.command {
        Command::Run(args) => (run(args, plugins), args.json),
        Command::Converge(args) => (converge::converge(args, plugins), args.json),
        Command::Check(scene) => (check(scene, plugins), false),
        Command::Resolve(scene) => (resolve(scene, plugins), false),
        Command::Doctor => (print(doctor::report().trim_end()), false),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if json {
                let _ = print(&messages::error_json(&error));
            }
            messages::show_error(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

/// Prints to stdout. A reader that closed the pipe (`| head`) has what it wanted.
fn print(text: &str) -> Result<(), Error> {
    match writeln!(std::io::stdout(), "{text}").and_then(|()| std::io::stdout().flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Error::io("write to", "the standard output", error))
        }
        _ => Ok(()),
    }
}

/// Reads a scene with the overrides of the command line and `extra` ones after them.
fn load(
    args: &SceneArgs,
    plugins: &Plugins,
    extra: impl IntoIterator<Item = String>,
) -> Result<Loaded, Error> {
    let sets: Vec<String> = args.sets.iter().cloned().chain(extra).collect();
    plugins.load(&args.scene, &sets)
}

fn run(args: &RunArgs, plugins: &Plugins) -> Result<(), Error> {
    let began = Instant::now();
    let Loaded { scene, warnings } =
        load(&args.scene, plugins, args.seed.map(|seed| format!("seed={seed}")))?;
    let load = began.elapsed();
    if !args.quiet {
        messages::show_findings(&warnings);
    }
    let backends = Candidates::new(args.backend.into(), args.threads.map(usize::from))?;
    let folder = args.out.clone().unwrap_or_else(|| default_folder(&scene.name, ""));
    let dump = Dump {
        biases: args.dump.contains(&DumpChoice::Biases),
        edges: args.dump.contains(&DumpChoice::Edges),
    };
    let folder = ResultsFolder::claim(folder, args.force, &scene, dump)?;
    let mut simulation = plugins.build(scene)?;
    let Chosen { threads, why } = backends.choose(&mut simulation)?;
    folder.create()?;

    let stop = stop_on_signals();
    let mut progress = progress::Progress::new(args.quiet);
    let outcome = simulation.run_with(|state| {
        progress.show(state);
        if stop.load(Ordering::Relaxed) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    progress.finish();
    let report =
        RunReport { outcome: outcome.as_ref().copied(), warnings: &warnings, threads, load };
    // A run that failed keeps what it recorded. If that cannot be written either, both are told.
    let summary = match (folder.write(&simulation, &report), &outcome) {
        (Err(not_written), Err(_)) => {
            messages::show_error(&not_written);
            return outcome;
        }
        (summary, _) => summary?,
    };
    if !args.quiet {
        show_summary(&summary, &folder, simulation.scene());
        if args.backend != BackendChoice::Cpu {
            say!("back end: {} ({why})", summary.backend);
        }
    }
    outcome?;
    if args.json {
        let text = serde_json::to_string_pretty(&summary);
        print(&text.unwrap_or_else(|error| format!("{{\"error\":\"{error}\"}}")))?;
    }
    Ok(())
}

/// The folder for results of a scene unless `--out` names one.
fn default_folder(scene: &str, suffix: &str) -> PathBuf {
    let is_safe = |c: char| c.is_alphanumeric() || "._- ".contains(c);
    let name: String = scene.chars().map(|c| if is_safe(c) { c } else { '_' }).collect();
    // A name of dots would lead out of `runs`.
    let name = if name.trim_matches(['.', ' ']).is_empty() { "scene".into() } else { name };
    PathBuf::from("runs").join(name + suffix)
}

/// The first Ctrl-C (or termination) ends the run after its window; the second ends the program.
fn stop_on_signals() -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    // Without a handler the signals act as always.
    let _ = ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    });
    stop
}

fn show_summary(summary: &Summary, folder: &ResultsFolder, scene: &Scene) {
    let spikes: u64 = summary.spikes.values().sum();
    say!(
        "{}: {} neurons, {} circuits, {} edges; {} s in {:.3} s ({} spikes)",
        summary.scene,
        summary.neurons,
        summary.circuits,
        summary.edges,
        summary.simulated_s,
        summary.wall_s.run,
        spikes,
    );
    for (name, count) in &summary.spikes {
        let neuron_seconds = scene.populations[name].size as f64 * summary.simulated_s;
        let rate = *count as f64 / neuron_seconds.max(f64::MIN_POSITIVE);
        let hash = &summary.spike_hash[name];
        say!("  {name}: {count} spikes, {rate:.3} Hz a neuron, hash {hash}");
        if *count == 0 {
            say!(
                "    it is silent: is it connected, and its input strong enough to reach the threshold?"
            );
        }
    }
    summary.hints.iter().for_each(|hint| say!("hint: {hint}"));
    say!("results: {}", folder.path().display());
    let pictures = summary.files.iter().filter(|name| name.ends_with(".svg"));
    for name in pictures {
        say!("  {}", folder.path().join(name).display());
    }
}

fn check(args: &SceneArgs, plugins: &Plugins) -> Result<(), Error> {
    let Loaded { scene, warnings } = load(args, plugins, None)?;
    messages::show_findings(&warnings);
    let estimate = Estimate::of(&scene);
    let available = estimate::available_memory();
    let mut text = format!("{}: the scene is valid\n", scene.name);
    text += &format!("  duration     {} s", scene.duration);
    text +=
        &if estimate.steps > 0 { format!(" in {} steps\n", estimate.steps) } else { "\n".into() };
    text +=
        &format!("  populations  {}\n", names(scene.populations.iter().map(|(k, p)| (k, p.size))));
    text += &format!("  sources      {}\n", names(scene.sources.iter().map(|(k, s)| (k, s.size))));
    text += &format!("  neurons      {}\n", estimate.neurons);
    text += &format!("  circuits     {}\n", estimate.circuits);
    let is_drawn = |c: &Connection| matches!(c.rule, Rule::FixedProbability { .. });
    let about = if scene.connections.iter().any(is_drawn) { "about " } else { "" };
    text += &format!("  edges        {about}{}\n", estimate.edges);
    text += &format!(
        "  probes       {}\n",
        scene.probes.keys().cloned().collect::<Vec<_>>().join(", ")
    );
    if let Some(chip) = &scene.chip {
        let (used, all) = (chip.used_cores(), chip.all_cores());
        let plural = if chip.chips == 1 { "chip" } else { "chips" };
        text +=
            &format!("  chip         Dynapse1: {used} of {all} cores on {} {plural}\n", chip.chips);
    }
    let from_events = estimate.neurons - estimate.stepped_neurons;
    let mut work = Vec::new();
    if from_events > 0 {
        work.push(format!("{from_events} neurons from event to event"));
    }
    if estimate.stepped_neurons > 0 || work.is_empty() {
        work.push(format!("{} neuron-steps", estimate.neuron_steps()));
    }
    text += &format!("  work         {}\n", work.join(", "));
    text += &format!(
        "  memory       about {} of {} available",
        bytes_text(estimate.total_bytes()),
        bytes_text(u128::from(available))
    );
    estimate.check(available)?;
    print(&text)
}

fn names<'a>(groups: impl Iterator<Item = (&'a String, u64)>) -> String {
    let named: Vec<String> = groups.map(|(name, size)| format!("{name} ({size})")).collect();
    if named.is_empty() { "none".into() } else { named.join(", ") }
}

fn resolve(args: &SceneArgs, plugins: &Plugins) -> Result<(), Error> {
    let Loaded { scene, warnings } = load(args, plugins, None)?;
    messages::show_findings(&warnings);
    print(write::to_ron(&scene, |file| file.path.clone()).trim_end())
}
