//! Postsynaptic potentials: the membrane voltage of each receptor's neuron after one spike.

use crate::error::Error;
use crate::network::Replicas;
use crate::probe::Probe;
use crate::probe::TraceRecorder;
use crate::probe::picture::{self, Curve, Frame, Picture, Traces};
use crate::scene::{GroupId, Scene, Variable};
use crate::simulation::Simulation;
use crate::time::Time;
use crate::units::{self, Unit};

/// The picture.
pub const FILE: &str = "epsp.svg";

/// When the spike arrives in the experiment's scene.
pub const SPIKE: Time = Time::from_picoseconds(1_000_000_000_000);

/// The membrane voltage of a neuron from the spike on.
#[derive(Debug, Clone, PartialEq)]
pub struct Potential {
    /// The receptor, which population and probe are named after.
    pub receptor: String,
    /// Time since the spike (s) and voltage (V).
    pub samples: Vec<(f64, f64)>,
}

/// The populations with a trace of their name, which is that of their receptor; with their numbers.
pub(super) fn traced(scene: &Scene) -> impl Iterator<Item = (usize, &str)> {
    let is_trace = |name: &String| {
        let probe = scene.probes.get(name);
        probe.is_some_and(|probe| probe.kind.name() == TraceRecorder::KIND)
    };
    let populations = scene.populations.keys().enumerate();
    populations.filter(move |(_, name)| is_trace(name)).map(|(at, name)| (at, name.as_str()))
}

/// The potentials of replica 0 at all receptors: of neuron 0 of the populations with a trace of their name.
///
/// # Errors
/// [`Error::Experiment`] where such a trace has no sample of it.
pub fn potentials(simulation: &Simulation) -> Result<Vec<Potential>, Error> {
    let scene = simulation.scene();
    let potential = |(at, receptor): (usize, &str)| {
        let trace = simulation.probe::<TraceRecorder>(receptor)?;
        let neuron = Replicas::of(scene, GroupId::Population(at)).index(0, 0);
        let curve = neuron.map_or(Vec::new(), |neuron| trace.curve(neuron, Variable::Vmem));
        let samples = since_the_spike(curve.into_iter());
        let is_empty = samples.is_empty();
        let found = Potential { receptor: receptor.to_string(), samples };
        if is_empty { Err(nothing_recorded(receptor)) } else { Ok(found) }
    };
    traced(scene).map(potential).collect()
}

/// Samples from the spike on: time since then (s) and voltage (V).
pub fn since_the_spike(samples: impl Iterator<Item = (Time, f64)>) -> Vec<(f64, f64)> {
    let samples = samples.filter(|(time, _)| *time >= SPIKE);
    samples.map(|(time, v)| ((time - SPIKE).seconds(), v)).collect()
}

/// That a trace lacks what is to be shown.
pub fn nothing_recorded(receptor: &str) -> Error {
    Error::Experiment(format!(
        "the probe `{receptor}` has recorded no Vmem of neuron 0 of `{receptor}` from {SPIKE} s on, when \
         the spike arrives"
    ))
}

/// Draws potentials over one another, each from where it was when the spike came.
pub(super) fn picture(potentials: &[Potential], frame: Frame) -> Picture {
    let changes = |potential: &Potential| -> Vec<(f64, f64)> {
        let baseline = potential.samples.first().map_or(0.0, |sample| sample.1);
        potential.samples.iter().map(|(t, v)| (*t, v - baseline)).collect()
    };
    let changes: Vec<Vec<(f64, f64)>> = potentials.iter().map(changes).collect();
    let largest = changes.iter().flatten().fold(0.0, |most: f64, (_, v)| most.max(v.abs()));
    let (symbol, scale) = units::scale(largest, Unit::Volt);
    let curve = |(potential, changes): (&Potential, &Vec<(f64, f64)>)| {
        let points = changes.iter().map(|(t, v)| (*t, scale * v)).collect();
        Curve { label: potential.receptor.clone(), points }
    };
    let curves: Vec<Curve> = potentials.iter().zip(&changes).map(curve).collect();
    let ends = curves.iter().filter_map(|curve| Some(curve.points.last()?.0));
    picture::traces(&Traces {
        frame,
        y_label: &format!("change of Vmem ({symbol})"),
        curves: &curves,
        time_s: (0.0, ends.fold(0.0, f64::max)),
        threshold: None,
    })
}
