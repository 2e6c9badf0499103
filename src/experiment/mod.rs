//! Pictures of the ready experiments (`picoamp measure`) that show more than the record of one probe. They
//! are drawn from what a results folder holds: when the experiment was run, again by `plot`, and in reports.

pub mod epsp;
pub mod mismatch;

use crate::error::Error;
use crate::probe::picture::{Frame, Picture};
use crate::results::Results;
use crate::scene::Scene;
use crate::simulation::Simulation;
use epsp::Potential;
use mismatch::{Derived, Quantity};

/// What such a picture shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// The potentials at all receptors.
    Potentials,
    /// How a derived quantity is distributed.
    Distribution(Derived),
}

/// Such a picture, ready to be drawn.
#[derive(Debug, Clone, PartialEq)]
pub enum Drawing {
    /// The potentials at all receptors.
    Potentials(Vec<Potential>),
    /// How a derived quantity is distributed.
    Distribution(Quantity),
}

impl Subject {
    /// Those that the results of a measurement with this scene can have.
    fn all(scene: &Scene) -> Vec<Subject> {
        let has_traces = epsp::traced(scene).next().is_some();
        let potentials = has_traces.then_some(Subject::Potentials);
        potentials.into_iter().chain(mismatch::distributions(scene)).collect()
    }

    /// The name of its file, an SVG.
    #[must_use]
    pub fn file(self) -> String {
        match self {
            Subject::Potentials => epsp::FILE.into(),
            Subject::Distribution(derived) => derived.file(),
        }
    }

    /// What it shows, in some words.
    #[must_use]
    pub fn about(self) -> String {
        match self {
            Subject::Potentials => "one spike at each receptor".into(),
            Subject::Distribution(derived) => derived.name(),
        }
    }

    /// The probes that it is drawn from; the others of the scene are not needed.
    #[must_use]
    pub fn probes(self, scene: &Scene) -> Vec<&str> {
        match self {
            Subject::Potentials => epsp::traced(scene).map(|(_, receptor)| receptor).collect(),
            Subject::Distribution(_) => Vec::new(),
        }
    }

    /// What is drawn of a simulation whose [probes](Subject::probes) have recorded.
    ///
    /// # Errors
    /// [`Error::Experiment`] where there is nothing to draw from.
    pub fn of(self, simulation: &Simulation) -> Result<Drawing, Error> {
        match self {
            Subject::Potentials => epsp::potentials(simulation).map(Drawing::Potentials),
            Subject::Distribution(derived) => {
                let quantity = derived.of_neurons(simulation).map(Drawing::Distribution);
                let missing = || format!("no neuron has the circuit of {}", derived.name());
                quantity.ok_or_else(|| Error::Experiment(missing()))
            }
        }
    }
}

impl Drawing {
    /// Draws it.
    #[must_use]
    pub fn picture(&self, frame: Frame) -> Picture {
        match self {
            Drawing::Potentials(potentials) => epsp::picture(potentials, frame),
            Drawing::Distribution(quantity) => quantity.picture(frame),
        }
    }
}

/// The pictures of a results folder that are of no probe: those of an experiment, and the names of the files
/// that something else has drawn.
#[must_use]
pub fn further<'r>(results: &'r Results, scene: &Scene) -> (Vec<Subject>, Vec<&'r str>) {
    // A run may have files of the same names, which a user of the library has drawn.
    let known = if results.is_measurement() { Subject::all(scene) } else { Vec::new() };
    let (mut own, mut others) = (Vec::new(), Vec::new());
    for file in results.further_pictures(scene) {
        match known.iter().find(|subject| subject.file() == file) {
            Some(subject) => own.push(*subject),
            None => others.push(file),
        }
    }
    (own, others)
}
