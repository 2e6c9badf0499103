//! A user's own component and system change a bias while the simulation runs.
//!
//! The chip drifts: a `Drift` component on some neurons makes their gain current Igain fall by a
//! fixed fraction per second of simulated time, and their rate with it. Neurons without the component
//! stay as they are.
//!
//!     cargo run --release --example custom_system

use bevy_ecs::prelude::*;
use picoamp::prelude::*;

/// The gain of this neuron falls by `per_second` (a fraction) each second.
#[derive(Component)]
struct Drift {
    per_second: f64,
}

/// Runs once in each window. It writes [`Soma`] of the drifting neurons only, so only their columns
/// are gathered into the banks again.
fn drift(window: Res<Window>, mut somas: Query<(&mut Soma, &Drift)>) {
    let span = (window.end() - window.start()).seconds();
    for (mut soma, drift) in &mut somas {
        soma.i_gain *= 1.0 - drift.per_second * span;
    }
}

/// Adds the system; it acts before each window.
struct DriftPlugin;

impl Plugin for DriftPlugin {
    fn build(&self, simulation: &mut Simulation) {
        simulation.add_systems(WindowSet::First, drift);
    }
}

fn main() -> Result<(), Error> {
    let scene = concat!(env!("CARGO_MANIFEST_DIR"), "/scenes/ff_nominal.ron");
    let overrides = ["window=10 ms".to_string()];
    let mut simulation = Simulation::new(Scene::load(scene, &overrides)?.scene)?;
    simulation.add_plugin(DriftPlugin);
    // The upper half of the population drifts.
    for index in 100..200 {
        if let Some(neuron) = simulation.neuron("dpi", index) {
            simulation.world_mut().entity_mut(neuron).insert(Drift { per_second: 0.8 });
        }
    }
    simulation.run()?;

    let mut still = Simulation::from_scene(scene)?;
    still.run()?;
    println!("neuron  Igain at the end  rate with drift  without");
    for index in [50, 99, 100, 150, 199] {
        let neuron = simulation.neuron("dpi", index);
        let i_gain = neuron.and_then(|n| simulation.world().get::<Soma>(n)).map(|soma| soma.i_gain);
        let rate =
            |s: &Simulation| Ok::<_, Error>(s.probe::<FfCurve>("ff")?.rows()[index as usize]);
        println!(
            "{index:6}  {:13.2} pA  {:12.0} Hz  {:4.0} Hz",
            i_gain.unwrap_or_default() * 1e12,
            rate(&simulation)?.output_hz,
            rate(&still)?.output_hz
        );
    }
    Ok(())
}
