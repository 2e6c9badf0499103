//! A plasticity rule of one's own: spike-timing-dependent plasticity (STDP).
//!
//! Scenes name it on a connection, `plasticity: Stdp(a_plus: 0.01, a_minus: 0.012, tau_plus: "20 ms",
//! tau_minus: "20 ms", largest: 1)`. Every pair of a presynaptic and a postsynaptic spike, Δt apart,
//! changes the weight: by +a_plus·exp(−Δt/tau_plus) if the presynaptic one came first, by
//! −a_minus·exp(−Δt/tau_minus) if it came later, by nothing if they coincide (Song, Miller & Abbott
//! 2000, additive, all pairs).
//!
//!     cargo run --release --example custom_plasticity

use bevy_ecs::prelude::*;
use picoamp::circuit::{Domain, math};
use picoamp::network::{Plasticity, Projection, Router, WindowSpikes};
use picoamp::prelude::*;
use picoamp::scene::GroupId;
use picoamp::scene::decode::Fields;
use picoamp::scene::diagnostics::Diagnostics;
use picoamp::scene::write;
use picoamp::units::Unit;

/// What a scene says.
#[derive(Debug, Clone, Copy)]
struct Stdp {
    a_plus: f64,
    a_minus: f64,
    tau_plus: Time,
    tau_minus: Time,
    largest: f64,
}

impl Stdp {
    /// Reads the fields; every mistake is reported at its place.
    fn read(fields: &mut Fields, dx: &mut Diagnostics) -> Option<Stdp> {
        let mut amplitude = |key| {
            let at = fields.need(dx, key, "for example Stdp(a_plus: 0.01, a_minus: 0.012, …)")?;
            at.quantity(dx, Unit::One, Domain::NonNegative)
        };
        let (a_plus, a_minus) = (amplitude("a_plus"), amplitude("a_minus"));
        let largest = amplitude("largest");
        let mut tau = |key| {
            let at = fields.need(dx, key, "for example tau_plus: \"20 ms\"")?;
            at.time(dx, Domain::Positive)
        };
        let (tau_plus, tau_minus) = (tau("tau_plus"), tau("tau_minus"));
        Some(Stdp {
            a_plus: a_plus?,
            a_minus: a_minus?,
            tau_plus: tau_plus?,
            tau_minus: tau_minus?,
            largest: largest?,
        })
    }
}

impl Plasticity for Stdp {
    fn name(&self) -> &'static str {
        "Stdp"
    }

    fn fields(&self) -> Vec<(&'static str, String)> {
        vec![
            ("a_plus", write::quantity(self.a_plus, Unit::One)),
            ("a_minus", write::quantity(self.a_minus, Unit::One)),
            ("tau_plus", write::time(self.tau_plus)),
            ("tau_minus", write::time(self.tau_minus)),
            ("largest", write::quantity(self.largest, Unit::One)),
        ]
    }

    fn largest_weight(&self) -> f64 {
        self.largest
    }

    fn attach(&self, projection: Entity, simulation: &mut Simulation) {
        let (before, after, held) = (Vec::new(), Vec::new(), Vec::new());
        let learning = Learning { rule: *self, before, after, held };
        simulation.world_mut().entity_mut(projection).insert(learning);
        if simulation.first_time::<Learning>() {
            simulation.add_systems(WindowSet::Last, learn);
        }
    }
}

/// The state of the rule on one projection.
#[derive(Component)]
struct Learning {
    rule: Stdp,
    /// Trace of each source and of each target.
    before: Vec<Trace>,
    after: Vec<Trace>,
    /// Postsynaptic spikes at the very end of the last window. A window has the spikes of sources
    /// from its start on, and those of neurons up to its end: they wait for what coincides with them.
    held: Vec<(Time, u32)>,
}

/// An exponential trace: it is 1 more after each spike and decays in between.
#[derive(Clone, Copy, Default)]
struct Trace {
    value: f64,
    last: Time,
}

impl Trace {
    fn at(&self, time: Time, tau: Time) -> f64 {
        self.value * math::exp(-((time - self.last).seconds() / tau.seconds()))
    }

    fn add(&mut self, time: Time, tau: Time) {
        *self = Trace { value: self.at(time, tau) + 1.0, last: time };
    }
}

/// The trace of a neuron; there are as many as have spiked.
fn trace(traces: &mut Vec<Trace>, neuron: u32) -> &mut Trace {
    let neuron = neuron as usize;
    if traces.len() <= neuron {
        traces.resize(neuron + 1, Trace::default());
    }
    &mut traces[neuron]
}

/// Runs once in each window, when all its spikes are known and sorted.
fn learn(
    window: Res<Window>,
    mut router: ResMut<Router>,
    spikes: Res<WindowSpikes>,
    mut rules: Query<(&Projection, &mut Learning)>,
) {
    for (projection, mut learning) in &mut rules {
        let Some(mut weights) = router.weights(projection.index) else { continue };
        let connection = &projection.connection;
        let Learning { rule, before: sources, after: targets, held } = &mut *learning;
        let (mut before, mut after) = (spikes.of(connection.from).to_vec(), std::mem::take(held));
        after.extend(spikes.of(GroupId::Population(connection.to)));
        if matches!(connection.from, GroupId::Source(_)) {
            let at_the_end = after.partition_point(|(time, _)| *time < window.end());
            *held = after.split_off(at_the_end);
        }
        before.retain(|(_, source)| !weights.of_source(*source).is_empty());
        let Stdp { a_plus, a_minus, tau_plus, tau_minus, .. } = *rule;
        let (mut i, mut j) = (0, 0);
        while i < before.len() || j < after.len() {
            // All spikes of one moment: first what they change, then their own traces.
            let next = |spikes: &[(Time, u32)], k: usize| spikes.get(k).map_or(Time::MAX, |s| s.0);
            let now = next(&before, i).min(next(&after, j));
            let sent = before[i..].iter().take_while(|s| s.0 == now).count();
            let fired = after[j..].iter().take_while(|s| s.0 == now).count();
            let (sent, fired) = (&before[i..i + sent], &after[j..j + fired]);
            for (_, target) in fired {
                for k in 0..weights.fan_in(*target) {
                    let edge = weights.into_target(*target, k);
                    let source = weights.edges()[edge].source;
                    let change = a_plus * trace(sources, source).at(now, tau_plus);
                    weights.set(edge, weights.get(edge) + change);
                }
            }
            for (_, source) in sent {
                for edge in weights.of_source(*source) {
                    let target = weights.edges()[edge].target;
                    let change = a_minus * trace(targets, target).at(now, tau_minus);
                    weights.set(edge, weights.get(edge) - change);
                }
            }
            sent.iter().for_each(|s| trace(sources, s.1).add(now, tau_plus));
            fired.iter().for_each(|s| trace(targets, s.1).add(now, tau_minus));
            (i, j) = (i + sent.len(), j + fired.len());
        }
    }
}

/// Brings the rule.
pub struct StdpPlugin;

impl Plugin for StdpPlugin {
    fn register(&self, plugins: &mut Plugins) {
        plugins.add_plasticity("Stdp", Stdp::read);
    }
}

#[allow(dead_code)] // Tests take the plugin only.
fn main() -> Result<(), Error> {
    let scene = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scenes/stdp.ron");
    let mut simulation = Plugins::default().with(StdpPlugin).simulation(scene)?;
    simulation.run()?;
    println!("source  fires before the teacher by  weight at the end");
    let edges = simulation.world().resource::<Router>().learnt(0).unwrap_or_default();
    for edge in edges {
        let lead = 50 - 5 * i64::from(edge.source);
        println!("{:6}  {lead:24} ms  {:17.4}", edge.source, edge.weight);
    }
    Ok(())
}
