//! What can be typed.

use std::path::PathBuf;

use crate::backend::choice::Choice;
use crate::circuit::Domain;
use crate::time::Time;
use crate::units::{self, Unit};
use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};

/// Simulate mixed-signal neuromorphic chips: DPI neurons and synapses with device mismatch.
///
/// A scene (RON) describes spike sources, populations of analog circuits, connections and probes.
/// `run` simulates it and writes tables (CSV), pictures (SVG) and a summary (JSON).
#[derive(Parser, Debug)]
#[command(version, arg_required_else_help = true, after_long_help = EXIT_CODES)]
pub struct Args {
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "\
Exit codes:
  0    ok
  1    the run failed (what was recorded until then is written)
  2    wrong usage
  3    the scene was refused
  4    a limit was refused (memory, count)
  5    a file could not be read or written, or the results folder holds files
  6    the back end cannot be used, or failed (what was recorded until then is written)
  130  interrupted (what was recorded until then is written)";

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Simulate a scene and write tables, pictures and a summary
    Run(RunArgs),
    /// Compare the scene by steps with the event-driven solver, spike by spike
    ///
    /// Runs the scene once with the event-driven solver (to the scene's tolerance, or to 1 us) and
    /// with Euler's method at each step, and tells how far each step is off: spikes of all neurons,
    /// the count of each neuron, and the time of its k-th spike. Times of the scene have to be whole
    /// numbers of each step; edges between populations need a delay.
    Converge(ConvergeArgs),
    /// Read a scene, check it, and print what it will cost; change nothing
    Check(SceneArgs),
    /// Print the fully decided scene: every default filled in, itself a valid scene
    Resolve(SceneArgs),
    /// Print what the program finds on this machine: processor, memory, CUDA, and what `auto` takes
    Doctor,
}

#[derive(ClapArgs, Debug)]
pub struct SceneArgs {
    /// The scene file (RON)
    pub scene: PathBuf,

    /// Replace a part of the scene, for example 'populations.dpi.model.soma.Itau=5 pA'
    ///
    /// PATH has dots between keys and quotes around a key that holds a dot
    /// ('populations.dpi.mismatch."soma.Itau".cv=0.2', in single quotes for the shell); names of
    /// enums are skipped; entries of a list are counted from 0 (connections.0.weight). A missing key is
    /// added. VALUE is RON; a bare word or quantity is a string.
    #[arg(long = "set", value_name = "PATH=VALUE")]
    pub sets: Vec<String>,
}

#[derive(ClapArgs, Debug)]
pub struct RunArgs {
    #[command(flatten)]
    pub scene: SceneArgs,

    /// Folder for the results [default: runs/<scene name>]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,

    /// Seed of all random draws, instead of the scene's
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,

    /// Who runs the neurons; results do not depend on it
    #[arg(long, value_enum, default_value_t = BackendChoice::Auto)]
    pub backend: BackendChoice,

    /// Threads to use at most [default: one per core]; results do not depend on it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,

    /// Replace the files of an earlier run in the results folder
    #[arg(long)]
    pub force: bool,

    /// Also write the biases of every instance, the edges of every projection, or both
    #[arg(long, value_enum, value_delimiter = ',', value_name = "WHAT")]
    pub dump: Vec<DumpChoice>,

    /// Print nothing but errors
    #[arg(long, short)]
    pub quiet: bool,

    /// Print the summary, or the error, as JSON on stdout
    #[arg(long)]
    pub json: bool,
}

#[derive(ClapArgs, Debug)]
pub struct ConvergeArgs {
    #[command(flatten)]
    pub scene: SceneArgs,

    /// Steps of Euler's method, with commas between them
    #[arg(
        long,
        value_name = "STEPS",
        value_delimiter = ',',
        value_parser = step,
        default_values = ["1 ms", "100 us", "20 us"]
    )]
    pub dt: Vec<Time>,

    /// Folder for the results [default: runs/<scene name>-converge]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,

    /// Seed of all random draws, instead of the scene's
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,

    /// Threads to use at most [default: one per core]; results do not depend on it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,

    /// Replace the files of an earlier run in the results folder
    #[arg(long)]
    pub force: bool,

    /// Print nothing but errors
    #[arg(long, short)]
    pub quiet: bool,

    /// Print the summary, or the error, as JSON on stdout instead of the table
    #[arg(long)]
    pub json: bool,
}

/// Reads one of the steps of `--dt`.
fn step(text: &str) -> Result<Time, String> {
    if text.trim().is_empty() {
        return Err("a step is missing: write --dt \"1 ms\",\"100 us\"".into());
    }
    let seconds = units::parse(text, Unit::Second).map_err(|e| format!("{e}; {}", e.help()))?;
    Domain::Positive.check(seconds, Unit::Second)?;
    match Time::from_seconds(seconds) {
        Some(time) if time > Time::ZERO => Ok(time),
        Some(_) => Err("the shortest time is 1 ps".into()),
        None => Err("times go up to 213 days".into()),
    }
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackendChoice {
    /// An NVIDIA GPU where there is one and the work pays, otherwise the processor
    Auto,
    /// The processor
    Cpu,
    /// An NVIDIA GPU, or nothing
    Cuda,
}

impl From<BackendChoice> for Choice {
    fn from(choice: BackendChoice) -> Choice {
        match choice {
            BackendChoice::Auto => Choice::Auto,
            BackendChoice::Cpu => Choice::Cpu,
            BackendChoice::Cuda => Choice::Cuda,
        }
    }
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum DumpChoice {
    /// <population>.biases.csv
    Biases,
    /// <projection>.edges.csv
    Edges,
}
