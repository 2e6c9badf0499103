//! What a scene might do better: hints, which are no mistakes.

use super::{BiasPath, Scene};
use crate::units::{self, Unit};

/// Fewer steps than this to the time constant of a soma are coarse.
///
/// Euler's method is late on the run-away of the membrane, several steps each spike, and so
/// it loses spikes: with `picoamp converge`, `scenes/ff_nominal.ron` (τ = 26.6 ms) lost 28 % of its
/// spikes at 27 steps to τ, 4.5 % at 266, 1.2 % at 1330; `scenes/ff_mismatch.ron` 2.5 % at 530;
/// `scenes/dynapse1_core.ron` (14.3 ms) 5 % at 29, 1.4 % at 143, 0.7 % at 286, 0.2 % at 714.
const SOMA_STEPS: f64 = 500.0;
/// The same for synapses, which decay smoothly (a step loses about half of its share of τ: 1 %
/// here), and for the refractory period, which is rounded to whole steps.
const OTHER_STEPS: f64 = 50.0;

/// Says so if the step of Euler's method is long for the nominal time constants of a population,
/// or for its refractory period; the worst one is named.
#[must_use]
pub fn coarse_step(scene: &Scene) -> Option<String> {
    let dt = scene.solver.euler_dt()?;
    let refractory = BiasPath { receptor: None, bias: "refP" };
    // Population, what is short, how short (s), and the longest step that is not coarse (s).
    let limits = scene.populations.iter().flat_map(|(name, population)| {
        let model = &population.model;
        let taus = model.0.time_constants().into_iter().map(|(circuit, tau)| {
            let steps = if circuit == "soma" { SOMA_STEPS } else { OTHER_STEPS };
            (format!("τ of {circuit}"), tau, tau / steps)
        });
        let held = model.nominal(refractory).filter(|seconds| *seconds > 0.0);
        let held = held.map(|seconds| ("refP".to_string(), seconds, seconds / OTHER_STEPS));
        taus.chain(held).map(move |(what, seconds, limit)| (name, what, seconds, limit))
    });
    let (name, what, seconds, limit) = limits.min_by(|a, b| a.3.total_cmp(&b.3))?;
    (dt.seconds() > limit).then(|| {
        let dt = units::format(dt.seconds(), Unit::Second);
        let [seconds, limit] = [seconds, limit].map(|s| units::rounded(s, Unit::Second));
        format!(
            "the step of {dt} is long for `{name}` ({what} is {seconds}, for which a step of {limit} is \
             short enough): some spikes come later than \
             the circuit's, or not at all. `picoamp converge SCENE` says how many; with --set \
             solver=Event, or no `solver` in the scene, there is no step"
        )
    })
}
