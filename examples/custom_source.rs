//! A user's own spike train, which scenes name like the built-in ones.
//!
//! `Burst(rate: "4 Hz", spikes: 5, interval: "3 ms")` makes each source fire bursts of some spikes,
//! so many times a second, the sources of a group one after the other. The plugin reads its own
//! parameters, and a mistake in them is reported at its place in the scene.
//!
//!     cargo run --release --example custom_source

use std::sync::Arc;

use bevy_ecs::prelude::*;
use picoamp::circuit::Domain;
use picoamp::network::SourceGroup;
use picoamp::network::source::{GroupSize, SpikeTrain, Train, insert_trains, rates};
use picoamp::prelude::*;
use picoamp::scene::decode::Variant;
use picoamp::scene::diagnostics::Diagnostics;
use picoamp::scene::files::{Folder, InputFile};
use picoamp::scene::{Source, write};
use picoamp::units::Unit;

/// What the scene says.
#[derive(Debug, Clone, Copy)]
struct Burst {
    /// Bursts per second, Hz.
    rate: f64,
    /// Spikes of a burst.
    spikes: u64,
    /// From one spike to the next, within a burst.
    interval: Time,
    /// How many sources.
    size: u64,
}

impl Burst {
    /// Reads `Burst(rate: …, spikes: …, interval: …)`.
    fn read(
        variant: &Variant,
        size: &GroupSize,
        _: &mut Folder,
        dx: &mut Diagnostics,
    ) -> Option<Source> {
        let size = size.need(dx);
        let mut fields = variant.fields(dx)?;
        let rate_at = fields.need(dx, "rate", "bursts per second, for example rate: \"4 Hz\"");
        let rate = rate_at.and_then(|at| rates::rate(&at, dx));
        let spikes_at = fields.need(dx, "spikes", "in each burst, for example spikes: 5");
        let spikes = spikes_at.and_then(|at| at.count(dx));
        let interval_at = fields.need(dx, "interval", "for example interval: \"3 ms\"");
        let interval = interval_at.as_ref().and_then(|at| at.time(dx, Domain::Positive));
        fields.close(dx);
        let burst = Burst { rate: rate?, spikes: spikes?, interval: interval?, size: size? };
        let length = burst.interval.seconds() * burst.spikes as f64;
        if length * burst.rate > 1.0 {
            let message = format!(
                "{} spikes every {} s take {length} s, longer than from one burst to the next",
                burst.spikes, burst.interval
            );
            interval_at?.error(dx, message).help(format!(
                "{} Hz leave {} s for a burst",
                burst.rate,
                1.0 / burst.rate
            ));
            return None;
        }
        Some(Source { size: burst.size, train: Arc::new(burst) })
    }
}

impl Train for Burst {
    fn ron(&self, _: &dyn Fn(&InputFile) -> String) -> String {
        let rate = write::quantity(self.rate, Unit::Hertz);
        let interval = write::time(self.interval);
        format!("Burst(rate: {rate}, spikes: {}, interval: {interval})", self.spikes)
    }

    fn rate(&self, _: u64) -> Option<f64> {
        Some(self.rate * self.spikes as f64)
    }

    fn mean_rate(&self, _: Time, _: Time) -> f64 {
        self.rate * self.spikes as f64
    }

    fn peak_rate(&self) -> f64 {
        1.0 / self.interval.seconds()
    }

    fn insert(&self, group: &SourceGroup, simulation: &mut Simulation) {
        insert_trains(group, simulation, |index| {
            let is_silent = self.rate <= 0.0 || self.spikes == 0;
            // The sources share the period evenly.
            let delay = f64::from(index) / self.size as f64;
            (!is_silent).then_some(BurstTrain { burst: *self, delay, number: 0 })
        });
    }
}

/// The spikes of one source: a component.
#[derive(Component)]
struct BurstTrain {
    burst: Burst,
    /// Of the first burst, in periods.
    delay: f64,
    /// The number of the next spike.
    number: u64,
}

impl SpikeTrain for BurstTrain {
    fn next(&self) -> Time {
        let Burst { rate, spikes, interval, .. } = self.burst;
        let start = ((self.number / spikes) as f64 + self.delay) / rate;
        let in_burst = Time::from_steps(self.number % spikes, interval);
        Time::from_seconds(start).map_or(Time::MAX, |start| start + in_burst)
    }

    fn advance(&mut self) {
        self.number += 1;
    }
}

/// Brings the train.
pub struct BurstPlugin;

impl Plugin for BurstPlugin {
    fn register(&self, plugins: &mut Plugins) {
        plugins.add_train("Burst", Burst::read);
    }
}

fn main() -> Result<(), Error> {
    let scene = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scenes/bursts.ron");
    let mut simulation = Plugins::default().with(BurstPlugin).simulation(scene)?;
    simulation.run()?;
    let input = simulation.probe::<SpikeRecorder>("input")?;
    let output = simulation.probe::<SpikeRecorder>("output")?;
    println!("source  spikes in  spikes out  first burst, s");
    for (index, (sent, fired)) in input.counts().iter().zip(output.counts()).enumerate() {
        let own = input.spikes().iter().filter(|(_, source)| *source as usize == index);
        let first: Vec<String> = own.take(5).map(|(time, _)| time.to_string()).collect();
        println!("{index:6}  {sent:9}  {fired:10}  {}", first.join(" "));
    }
    Ok(())
}
