//! Homeostasis: a system of one's own reads rates and writes biases between windows.
//!
//! Silicon neurons of one population answer the same input with different rates, because each is a
//! little different. A `Homeostasis` component on each of them turns its leak current Itau up when it
//! fires more than a target, and down when it fires less, until all fire alike.
//!
//!     cargo run --release --example custom_system

use bevy_ecs::prelude::*;
use picoamp::network::WindowSpikes;
use picoamp::prelude::*;

/// Tunes the leak of a neuron towards a rate.
#[derive(Component)]
struct Homeostasis {
    /// Hz.
    target: f64,
    /// The running mean of its rate, Hz.
    rate: f64,
}

/// Over how long the rate is averaged, s.
const MEMORY: f64 = 0.5;
/// Relative change of Itau in a second for a rate of twice the target.
const GAIN: f64 = 0.2;

/// Runs once in each window, when its spikes are known. It writes [`Soma`] of the tuned neurons, and
/// only their columns are gathered into the banks again.
fn tune(
    window: Res<Window>,
    spikes: Res<WindowSpikes>,
    populations: Query<&Population>,
    mut neurons: Query<(&Neuron, &mut Soma, &mut Homeostasis)>,
) {
    let span = (window.end() - window.start()).seconds();
    // A run that ends early may leave nothing of its last window.
    if span == 0.0 {
        return;
    }
    let counts: Vec<Vec<u32>> = spikes.populations.iter().map(|spikes| count(spikes)).collect();
    for (neuron, mut soma, mut homeostasis) in &mut neurons {
        let Ok(population) = populations.get(neuron.population) else { continue };
        let counts = &counts[population.index];
        let fired = counts.get(neuron.index as usize).copied().unwrap_or(0);
        let rate = f64::from(fired) / span;
        homeostasis.rate += (rate - homeostasis.rate) * (span / MEMORY).min(1.0);
        let error = homeostasis.rate / homeostasis.target - 1.0;
        soma.i_tau *= 1.0 + GAIN * span * error.clamp(-1.0, 1.0);
    }
}

/// Spikes by neuron.
fn count(spikes: &[(Time, u32)]) -> Vec<u32> {
    let mut counts = Vec::new();
    for (_, neuron) in spikes {
        let neuron = *neuron as usize;
        counts.resize(counts.len().max(neuron + 1), 0);
        counts[neuron] += 1;
    }
    counts
}

/// Tunes all neurons of a population towards a rate.
pub struct HomeostasisPlugin {
    /// The population.
    pub population: &'static str,
    /// Hz.
    pub target: f64,
}

impl Plugin for HomeostasisPlugin {
    fn build(&self, simulation: &mut Simulation) {
        let populations = simulation.populations();
        let of = populations.into_iter().find(|p| p.name == self.population);
        let neurons = of.map(|p| p.neurons.clone()).unwrap_or_default();
        for neuron in neurons {
            let homeostasis = Homeostasis { target: self.target, rate: self.target };
            simulation.world_mut().entity_mut(neuron).insert(homeostasis);
        }
        simulation.add_systems(WindowSet::Last, tune);
    }
}

#[allow(dead_code)] // Tests take the plugin only.
fn main() -> Result<(), Error> {
    let scene = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scenes/homeostasis.ron");
    let plugin = HomeostasisPlugin { population: "dpi", target: 40.0 };
    let mut simulation = Plugins::default().with(plugin).simulation(scene)?;
    simulation.run()?;
    for (when, probe) in [("first 2 s", "first"), ("last 2 s", "last")] {
        let spikes = simulation.probe::<SpikeRecorder>(probe)?;
        let rates: Vec<f64> = spikes.counts().iter().map(|n| *n as f64 / 2.0).collect();
        let mean = rates.iter().sum::<f64>() / rates.len() as f64;
        let squares = rates.iter().map(|r| (r - mean) * (r - mean)).sum::<f64>();
        let sd = (squares / rates.len() as f64).sqrt();
        println!("{when}: {mean:.1} Hz a neuron, standard deviation {sd:.1} Hz");
    }
    Ok(())
}
