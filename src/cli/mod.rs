//! The command line, one module a command. Data goes to stdout, everything else to stderr.

mod args;
mod check;
mod compare;
mod converge;
mod doctor;
mod measure;
mod messages;
mod new;
mod plot;
mod progress;
mod report;
mod reproduce;
mod run;
mod shell;
mod sweep;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::scene::Loaded;
use crate::scene::reference::reference;
use crate::{Error, Plugins};
use args::{Args, Command, SceneArgs};

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
    let args = Args::read();
    let (result, json) = match &args.command {
        Command::Run(args) => (run::run(args, plugins), args.json),
        Command::Converge(args) => (converge::converge(args, plugins), args.json),
        Command::Check(scene) => (check::check(scene, plugins), false),
        Command::Resolve(scene) => (check::resolve(scene, plugins), false),
        Command::Reference => (print(reference(plugins).trim_end()), false),
        Command::Doctor => (print(doctor::report().trim_end()), false),
        Command::Measure(args) => (measure::measure(args, plugins), args.json),
        Command::New(args) => (new::new(args), false),
        Command::Plot(args) => (plot::plot(args, plugins), false),
        Command::Compare(args) => (compare::compare(args, plugins), args.json),
        Command::Report(args) => (report::report(args, plugins), false),
        Command::Reproduce(args) => (reproduce::reproduce(args, plugins), args.json),
        Command::Completions { shell } => (shell::completions(*shell), false),
        Command::Man { out } => (shell::man(out.as_deref()), false),
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

/// Prints a value as JSON to stdout.
fn print_json(value: &impl serde::Serialize) -> Result<(), Error> {
    let text = serde_json::to_string_pretty(value);
    print(&text.unwrap_or_else(|error| format!("{{\"error\":\"{error}\"}}")))
}

/// Reads a scene with the overrides of the command line and `extra` ones after them.
fn load(
    args: &SceneArgs,
    plugins: &Plugins,
    extra: impl IntoIterator<Item = String>,
) -> Result<Loaded, Error> {
    let sets: Vec<String> = args.sets.iter().cloned().chain(extra).collect();
    let loaded = plugins.load(&args.scene, &sets)?;
    match (args.point, &loaded.sweep) {
        (None, _) => Ok(loaded),
        (Some(point), Some(sweep)) if point < sweep.points() => sweep.load(plugins, point),
        (Some(point), Some(sweep)) => Err(Error::Sweep {
            message: format!("there is no point {point}: the sweep has {}", sweep.points()),
            help: format!("they go from 0 to {}", sweep.points() - 1),
        }),
        (Some(_), None) => Err(Error::Sweep {
            message: "the scene has no sweep, and so no points".into(),
            help: "leave --point out".into(),
        }),
    }
}

/// What tells the folder of a point from that of its sweep.
fn point_suffix(args: &SceneArgs) -> String {
    args.point.map_or(String::new(), |point| format!("-point-{point}"))
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
