//! What can go wrong, and the exit code that says so to a shell.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::network::NeuronId;
use crate::scene::diagnostics::SceneReport;
use crate::time::Time;

/// An error of the library. The command line shows it with its remedy and exits with
/// [`Error::exit_code`].
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The scene has mistakes: all of them, each at its place.
    #[error("{0}")]
    Scene(SceneReport),
    /// The scene is valid but larger than this machine or this program can hold.
    #[error("{message}")]
    Limit {
        /// What is too large, with need and limit.
        message: String,
        /// What to do.
        help: String,
    },
    /// A scene with a sweep where a single one is needed, or the other way round.
    #[error("{message}")]
    Sweep {
        /// What does not fit.
        message: String,
        /// What to do.
        help: String,
    },
    /// A file could not be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried: "read the scene".
        action: String,
        /// On which file.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// The results folder holds files already.
    #[error("{}", match file {
        None => format!("the folder {} is not empty", path.display()),
        Some(file) => format!(
            "{} is in the way, and no earlier run has written it", path.join(file).display()
        ),
    })]
    OutputExists {
        /// The folder.
        path: PathBuf,
        /// A file that would have to be replaced but is of no earlier run.
        file: Option<String>,
    },
    /// A folder is no results folder that this program can read.
    #[error("{}: {message}", path.display())]
    Results {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
        /// What to do.
        help: String,
    },
    /// A comparison found a difference.
    #[error("{0}")]
    Different(String),
    /// A drawn or measured instance cannot work.
    #[error("{neuron} of `{population}`: {message}")]
    Instance {
        /// Name of the population.
        population: String,
        /// The neuron.
        neuron: NeuronId,
        /// What is wrong with it.
        message: String,
    },
    /// A neuron model of a plugin contradicts itself.
    #[error("the model `{model}` cannot be used: {message}")]
    Model {
        /// Its name.
        model: &'static str,
        /// What does not fit.
        message: String,
    },
    /// The state of a neuron became NaN. What was recorded until then is kept.
    #[error("the state of {neuron} of `{population}` is not a number at t = {time} s")]
    NotFinite {
        /// Name of the population.
        population: String,
        /// The neuron.
        neuron: NeuronId,
        /// The end of the step in which it happened.
        time: Time,
    },
    /// A loop multiplied spikes without bound. What was recorded until then is kept.
    #[error("`{population}` fires without bound from t = {time} s on")]
    Storm {
        /// Name of the population.
        population: String,
        /// When it was noticed.
        time: Time,
    },
    /// More pulses arrived at one circuit in one step than the fixed-point sum can hold.
    #[error(
        "the pulses that arrive at {receptor} of {neuron} of `{population}` at t = {time} s \
         add up to more than the fixed-point range"
    )]
    InputOverflow {
        /// Name of the population.
        population: String,
        /// The neuron.
        neuron: NeuronId,
        /// Name of the receptor.
        receptor: &'static str,
        /// The step in which it happened.
        time: Time,
    },
    /// The simulation had a fault before and cannot go on.
    #[error("the simulation stopped at t = {time} s because of a fault and cannot go on")]
    Failed {
        /// Simulated time that was reached.
        time: Time,
    },
    /// There is no scene of that name.
    #[error("there is no scene {}", path.display())]
    NoScene {
        /// The path as typed.
        path: PathBuf,
        /// Where one may be.
        help: String,
    },
    /// There is no probe of that name and kind.
    #[error("there is no {kind} probe `{name}`; the scene has {known}")]
    NoProbe {
        /// The name that was asked for.
        name: String,
        /// The kind that was asked for.
        kind: &'static str,
        /// The names of all probes with their kinds.
        known: String,
    },
    /// A ready experiment was changed so that there is nothing to measure.
    #[error("{0}")]
    Experiment(String),
    /// A connection made by hand has an impossible weight, delay or end.
    #[error("{0}")]
    Connection(String),
    /// A back end that cannot be had.
    #[error("the back end `{name}` cannot be used: {reason}")]
    Device {
        /// The back end.
        name: &'static str,
        /// What is missing.
        reason: String,
    },
    /// A back end that failed while it ran. What was recorded until then is kept.
    #[error("the back end `{name}` failed at t = {time} s: {message}")]
    DeviceFault {
        /// The back end.
        name: &'static str,
        /// The start of the window in which it happened.
        time: Time,
        /// What was being done, and what the device said.
        message: String,
    },
    /// Points of a sweep failed. Those of the others are kept.
    #[error("{0}")]
    Points(String),
    /// A sweep was stopped from outside. What is done is kept.
    #[error("interrupted after {done} of {points} points")]
    SweepStopped {
        /// Points that are done.
        done: usize,
        /// All points.
        points: usize,
    },
    /// The run was stopped from outside. What was recorded until then is kept.
    #[error("interrupted at t = {time} s")]
    Interrupted {
        /// Simulated time that was reached.
        time: Time,
    },
}

impl Error {
    pub(crate) fn io(
        action: impl fmt::Display,
        path: impl AsRef<Path>,
        source: std::io::Error,
    ) -> Error {
        Error::Io { action: action.to_string(), path: path.as_ref().to_path_buf(), source }
    }

    /// 1 the run failed, 3 scene refused, 4 a limit refused, 5 input or output, 6 device,
    /// 7 a comparison found a difference, 130 interrupted.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Scene(_) | Error::Sweep { .. } => 3,
            Error::Limit { .. } => 4,
            Error::Io { .. }
            | Error::OutputExists { .. }
            | Error::Results { .. }
            | Error::NoScene { .. } => 5,
            Error::Device { .. } | Error::DeviceFault { .. } => 6,
            Error::Different(_) => 7,
            Error::Interrupted { .. } | Error::SweepStopped { .. } => 130,
            Error::Instance { .. }
            | Error::NotFinite { .. }
            | Error::InputOverflow { .. }
            | Error::Storm { .. }
            | Error::Failed { .. }
            | Error::Points(_)
            | Error::NoProbe { .. }
            | Error::Model { .. }
            | Error::Experiment(_)
            | Error::Connection(_) => 1,
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        let help = match self {
            Error::Limit { help, .. }
            | Error::Results { help, .. }
            | Error::NoScene { help, .. }
            | Error::Sweep { help, .. } => return Some(help.clone()),
            Error::OutputExists { file: Some(_), .. } => {
                "choose another folder with --out, or move the file away"
            }
            Error::OutputExists { .. } => {
                "choose another folder with --out, or replace the files of the earlier run with --force"
            }
            Error::Instance { .. } => {
                "reduce the mismatch of this bias, or correct the instance's value in the biases file"
            }
            Error::Model { .. } => "correct the plugin that brings it",
            Error::Failed { .. } => "mend the cause and start again",
            Error::Io { source, .. } => match source.kind() {
                std::io::ErrorKind::NotFound => {
                    "check the path; it is relative to the current folder"
                }
                std::io::ErrorKind::InvalidData => "save the file as UTF-8",
                std::io::ErrorKind::NotADirectory | std::io::ErrorKind::AlreadyExists => {
                    "a file is in the way: choose another folder with --out"
                }
                std::io::ErrorKind::IsADirectory => {
                    "that is a folder: name a file in it, or move it out of the way"
                }
                _ => "check the path, the free space and the permissions",
            },
            Error::NotFinite { .. } => {
                "the step is too coarse for these biases, or a bias was set to an impossible value; \
                 what was recorded until then is kept"
            }
            Error::Storm { .. } => {
                "reduce the weights of the loop that feeds it, or give it a refractory period; what \
                 was recorded until then is kept"
            }
            Error::InputOverflow { .. } => "reduce the weights, or use a shorter step",
            Error::Device { .. } => "leave --backend out, or use --backend cpu",
            Error::DeviceFault { .. } => {
                "what was recorded until then is kept; --backend cpu gives the same results"
            }
            Error::Interrupted { .. } => "what was recorded until then is kept",
            Error::SweepStopped { .. } => "go on with --resume: what is done is kept",
            Error::Points(_) => {
                "the other points are in the tables; look at one with `picoamp run SCENE --point N`"
            }
            Error::Scene(_)
            | Error::NoProbe { .. }
            | Error::Experiment(_)
            | Error::Connection(_)
            | Error::Different(_) => return None,
        };
        Some(help.to_string())
    }
}
