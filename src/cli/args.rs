//! What can be typed.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;

use crate::backend::choice::Choice;
use crate::circuit::Domain;
use crate::time::Time;
use crate::units::{self, Unit};
use clap::error::ErrorKind;
use clap::{Args as ClapArgs, CommandFactory, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

/// Simulate mixed-signal neuromorphic chips: DPI neurons and synapses with device mismatch.
///
/// A scene (RON) describes spike sources, populations of analog circuits, connections and probes.
/// `run` simulates it and writes tables (CSV), pictures (SVG) and a summary (JSON).
#[derive(Parser, Debug)]
#[command(name = "picoamp", version, arg_required_else_help = true, after_long_help = EXIT_CODES)]
pub struct Args {
    #[command(subcommand)]
    pub command: Command,
}

impl Args {
    /// Those that the process was started with. Wrong ones end it with exit code 2.
    pub fn read() -> Args {
        let args = Args::parse();
        if let Command::Measure(measure) = &args.command
            && measure.bare
            && measure.experiment != Experiment::Fi
        {
            let message =
                "'--bare' can only be used with 'fi': the other experiments measure whole neurons";
            let mut command = Args::command();
            command.build();
            let measure = command.find_subcommand_mut("measure");
            let named = measure.map(|command| command.error(ErrorKind::ArgumentConflict, message));
            named.unwrap_or_else(|| clap::Error::raw(ErrorKind::ArgumentConflict, message)).exit();
        }
        args
    }
}

const EXIT_CODES: &str = "\
Exit codes:
  0    ok
  1    the run failed (what was recorded until then is written)
  2    wrong usage
  3    the scene was refused
  4    a limit was refused (memory, count)
  5    a file could not be read or written, or a results folder cannot be used
  6    the back end cannot be used, or failed (what was recorded until then is written)
  7    a comparison found a difference
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
    /// Print all that can be written in a scene: models and their biases, trains, rules, probes
    ///
    /// A text in Markdown, with the units, defaults and ranges of all biases and the keys of all forms. It
    /// comes from the parts of the program that read scenes, plugins included.
    Reference,
    /// Measure a circuit as on a lab bench
    ///
    /// Writes the scene of a ready experiment (`experiment.ron`, to keep and edit), runs it and draws
    /// the pictures; what was measured is printed and written to `measured.json`.
    Measure(MeasureArgs),
    /// Write a commented scene to start from
    New(NewArgs),
    /// Draw the pictures of a results folder again, without a run
    ///
    /// Pictures are drawn from the tables and the scene in the folder.
    Plot(PlotArgs),
    /// Make one HTML file of a results folder
    ///
    /// It needs no network and no other file: charts with zoom (drag) and hover, the network, mismatch
    /// asked and drawn, biases in volts and seconds, and where it all comes from.
    Report(ReportArgs),
    /// Say whether two runs have the same spikes, and where they differ
    ///
    /// Compares the digests of all spikes. Where they differ and both runs have recorded the spikes
    /// of the population (probe `Spikes`), says where they first differ and how far rates and times
    /// are apart. The exit code is 7 if the spikes differ.
    Compare(CompareArgs),
    /// Run the scene of a results folder again and compare the spikes
    ///
    /// The exit code is 7 if the spikes differ.
    Reproduce(ReproduceArgs),
    /// Print the completions of a shell
    ///
    /// For example, for bash: picoamp completions bash > ~/.local/share/bash-completion/completions/picoamp
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page, or write that of each command
    Man {
        /// Write all pages to this folder instead
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
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

    /// Of a scene with a sweep, only this point (counted from 0)
    #[arg(long, value_name = "N")]
    pub point: Option<usize>,
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
    #[arg(long, value_name = "N", value_parser = threads)]
    pub threads: Option<u16>,

    /// Replace the files of an earlier run in the results folder
    #[arg(long)]
    pub force: bool,

    /// Finish an earlier run of this scene into the results folder
    ///
    /// A sweep goes on where it was stopped. Any other run that did not end starts again, and its files
    /// are replaced: the state of neurons is not kept. Nothing is done where all is there. Results of
    /// another scene, seed or version are refused.
    #[arg(long, conflicts_with = "force")]
    pub resume: bool,

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
    #[arg(long, value_name = "N", value_parser = threads)]
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

#[derive(ClapArgs, Debug)]
pub struct MeasureArgs {
    /// What to measure
    #[arg(value_enum)]
    pub experiment: Experiment,

    /// The neuron: a published model (`arcana` with the biases of its published experiment)
    #[arg(long, value_enum, default_value_t = MeasuredModel::Dynapse1)]
    pub model: MeasuredModel,

    /// Draws of the mismatch side by side
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = |text: &str| whole::<u64>(text, 1..=1_000_000))]
    pub replicas: u64,

    /// Coefficient of variation of the mismatched biases, 0 to 1 [default: 0.1 for `mismatch` and with
    /// several replicas, otherwise 0, the nominal circuit]
    #[arg(long, value_name = "CV", value_parser = cv)]
    pub cv: Option<f64>,

    /// fi: the soma alone, without feedback, adaptation and receptors; the closed form is drawn, too
    #[arg(long)]
    pub bare: bool,

    /// Replace a part of the scene, for example 'populations.dpi.model.soma.Itau=5 pA'
    #[arg(long = "set", value_name = "PATH=VALUE")]
    pub sets: Vec<String>,

    /// Seed of all random draws
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,

    /// Folder for the results [default: runs/<experiment>-<model>]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,

    /// Threads to use at most [default: one per core]; results do not depend on it
    #[arg(long, value_name = "N", value_parser = threads)]
    pub threads: Option<u16>,

    /// Replace the files of an earlier run in the results folder
    #[arg(long)]
    pub force: bool,

    /// Print nothing but errors
    #[arg(long, short)]
    pub quiet: bool,

    /// Print what was measured, or the error, as JSON on stdout
    #[arg(long)]
    pub json: bool,
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Experiment {
    /// FF curve: output rate against input rate
    Ff,
    /// f-I curve: output rate against constant input, with the rheobase
    Fi,
    /// Postsynaptic potentials: peak, rise and decay for each receptor
    Epsp,
    /// Adaptation: interval between spikes against its number
    Adaptation,
    /// Mismatch: distributions of time constants, gains, weights and rheobase
    Mismatch,
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum MeasuredModel {
    /// The dynapse-simulator's neuron with its defaults
    Dynapse1,
    /// The neuron of Quintana et al. 2024 with the biases of its FF experiment
    Arcana,
}

/// Reads a coefficient of variation.
fn cv(text: &str) -> Result<f64, String> {
    match text.trim().parse::<f64>() {
        Ok(cv) if (0.0..=1.0).contains(&cv) => Ok(cv),
        _ => Err("write a number from 0 to 1: 0.1 is 10 %".into()),
    }
}

#[derive(ClapArgs, Debug)]
pub struct NewArgs {
    /// Name of the scene, perhaps with a folder before it: it is written to NAME.ron
    pub name: PathBuf,
}

#[derive(ClapArgs, Debug)]
pub struct PlotArgs {
    /// A results folder of `picoamp run` or `measure`
    pub dir: PathBuf,

    /// The probe to draw, or a picture of a sweep or a measurement, by the name of its file [default: all]
    pub probe: Option<String>,

    /// Form of the pictures
    #[arg(long, value_enum, default_value_t = PictureFormat::Svg)]
    pub format: PictureFormat,

    /// Width and height in pixels, each from 200 to 10000
    #[arg(long, value_name = "WIDTHxHEIGHT", default_value = "800x500", value_parser = size)]
    pub size: (f64, f64),

    /// Title [default: the scene's name and the probe's]
    #[arg(long, value_name = "TEXT")]
    pub title: Option<String>,

    /// Dots of a PNG for each pixel of its size
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = |text: &str| whole::<u8>(text, 1..=8))]
    pub scale: u8,

    /// Folder for the pictures [default: the results folder]
    #[arg(long, value_name = "DIR", value_parser = picture_folder)]
    pub out: Option<PathBuf>,

    /// Replace files of the same name in that folder
    #[arg(long)]
    pub force: bool,
}

#[derive(ClapArgs, Debug)]
pub struct ReportArgs {
    /// A results folder of `picoamp run` or `measure`
    pub dir: PathBuf,

    /// The file to write [default: DIR/report.html]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,

    /// Replace a file of that name
    #[arg(long)]
    pub force: bool,
}

#[derive(ClapArgs, Debug)]
pub struct CompareArgs {
    /// A results folder
    pub a: PathBuf,

    /// Another results folder
    pub b: PathBuf,

    /// Print the comparison, or the error, as JSON on stdout
    #[arg(long)]
    pub json: bool,
}

#[derive(ClapArgs, Debug)]
pub struct ReproduceArgs {
    /// A results folder of `picoamp run`
    pub dir: PathBuf,

    /// Keep the results of the second run in this folder
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,

    /// Threads to use at most [default: one per core]; results do not depend on it
    #[arg(long, value_name = "N", value_parser = threads)]
    pub threads: Option<u16>,

    /// Print nothing but errors
    #[arg(long, short)]
    pub quiet: bool,

    /// Print the comparison, or the error, as JSON on stdout
    #[arg(long)]
    pub json: bool,
}

/// Reads a folder, which a picture's name is taken for.
fn picture_folder(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    let is_picture = path.extension().is_some_and(|end| end == "svg" || end == "png");
    if is_picture && !path.is_dir() {
        return Err("name a folder: the pictures in it are named after their probes".into());
    }
    Ok(path)
}

/// Reads a whole number of a range.
fn whole<T: FromStr + PartialOrd + Display>(
    text: &str,
    range: RangeInclusive<T>,
) -> Result<T, String> {
    let number = text.trim().parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| format!("write a whole number from {} to {}", range.start(), range.end()))
}

/// Reads how many threads there are to be.
fn threads(text: &str) -> Result<u16, String> {
    whole(text, 1..=1024)
}

/// Reads `800x500`.
fn size(text: &str) -> Result<(f64, f64), String> {
    let help = "write width and height in pixels, each from 200 to 10000: 800x500";
    let (width, height) = text.split_once(['x', '×']).ok_or(help)?;
    let pixels = |text: &str| match text.trim().parse::<u16>() {
        Ok(pixels @ 200..=10_000) => Ok(f64::from(pixels)),
        _ => Err(help.to_string()),
    };
    Ok((pixels(width)?, pixels(height)?))
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
pub enum PictureFormat {
    /// Lines and text, for papers and web pages
    Svg,
    /// Dots, for slides
    Png,
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum DumpChoice {
    /// <population>.biases.csv
    Biases,
    /// <projection>.edges.csv
    Edges,
}
