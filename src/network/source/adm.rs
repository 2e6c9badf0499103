//! An analog signal through an asynchronous delta modulator (ADM), the encoder in front of
//! neuromorphic chips: Corradi and Indiveri 2015, IEEE Trans. Biomed. Circuits Syst. 9; Sharifshazileh
//! et al. 2021, Nature Communications 12.
//!
//! Each channel of the signal has two sources, UP and DOWN. UP fires when the signal is a threshold
//! above the reference, DOWN when it is one below; then the reference is set to the signal. On chip
//! the amplifier is held in reset for the refractory period, so that the reference is the signal at
//! its *end*: what the signal does in between is lost. (The software model that comes with the second
//! paper sets it to the signal at the event; without a refractory period the two are the same.)

use std::sync::Arc;

use super::{GroupSize, Train};
use crate::circuit::Domain;
use crate::network::SourceGroup;
use crate::network::source::list::insert_lists;
use crate::scene::decode::{At, Fields, Variant};
use crate::scene::diagnostics::Diagnostics;
use crate::scene::files::{self, Folder, InputFile};
use crate::scene::{Source, write};
use crate::simulation::Simulation;
use crate::time::Time;
use crate::units::{self, Unit};

/// The most spikes of a file: more are a threshold in the wrong unit.
const MOST_SPIKES: usize = 1 << 24;

const HELP: &str = "in the unit of the file, for example threshold: 0.1, or \
                    threshold: (up: 0.1, down: 0.2)";

/// A modulator. Thresholds are in the unit of the signal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DeltaModulator {
    /// UP fires this far above the reference; greater than 0.
    pub up: f64,
    /// DOWN fires this far below the reference; greater than 0.
    pub down: f64,
    /// For so long after a spike there is none, and the reference follows the signal.
    pub refractory: Time,
}

/// Which way the signal went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Polarity {
    /// Up by a threshold: source 2c of channel c.
    Up,
    /// Down by a threshold: source 2c + 1.
    Down,
}

impl Polarity {
    /// The source of a channel.
    #[must_use]
    pub fn source(self, channel: u32) -> u32 {
        2 * channel + self as u32
    }
}

/// What follows the signal: a value of it, and the whole thresholds since then. (Counted, because
/// sums of thresholds would drift.)
struct Reference {
    base: f64,
    ups: f64,
    downs: f64,
}

impl Reference {
    fn new(base: f64) -> Reference {
        Reference { base, ups: 0.0, downs: 0.0 }
    }

    fn value(&self, modulator: &DeltaModulator) -> f64 {
        self.base + (self.ups * modulator.up - self.downs * modulator.down)
    }

    fn step(&mut self, polarity: Polarity) {
        match polarity {
            Polarity::Up => self.ups += 1.0,
            Polarity::Down => self.downs += 1.0,
        }
    }
}

impl DeltaModulator {
    /// The spikes of a signal that is linear between its samples (time and value, ascending in
    /// time). The reference starts as the first value. After `most` spikes it gives up.
    #[must_use]
    pub fn encode(&self, samples: &[(Time, f64)], most: usize) -> Vec<(Time, Polarity)> {
        let mut spikes = Vec::new();
        let Some((_, first)) = samples.first() else { return spikes };
        let mut reference = Reference::new(*first);
        // While the amplifier is held in reset: until when.
        let mut held: Option<Time> = None;
        for pair in samples.windows(2) {
            let segment = Segment { from: pair[0], to: pair[1] };
            loop {
                if let Some(until) = held {
                    if until > segment.to.0 {
                        break;
                    }
                    reference = Reference::new(segment.value(until));
                    held = None;
                }
                let end = segment.to.1;
                let value = reference.value(self);
                let (polarity, level) = if end >= value + self.up {
                    (Polarity::Up, value + self.up)
                } else if end <= value - self.down {
                    (Polarity::Down, value - self.down)
                } else {
                    break;
                };
                if spikes.len() == most {
                    return spikes;
                }
                let time = segment.time(level);
                spikes.push((time, polarity));
                reference.step(polarity);
                if self.refractory > Time::ZERO {
                    held = Some(time + self.refractory);
                }
            }
        }
        spikes
    }

    /// The signal that the spikes of a channel tell of: time and value after each spike, from
    /// `start` on. Without a refractory period it is within a threshold of the signal at all times;
    /// with one it drifts by what was lost. `spikes` may hold those of other channels, too.
    #[must_use]
    pub fn reconstruct(
        &self,
        start: f64,
        channel: u32,
        spikes: &[(Time, u32)],
    ) -> Vec<(Time, f64)> {
        let mut reference = Reference::new(start);
        let of_channel = spikes.iter().filter_map(|(time, source)| {
            let is = |polarity: &Polarity| polarity.source(channel) == *source;
            [Polarity::Up, Polarity::Down].into_iter().find(is).map(|polarity| (*time, polarity))
        });
        of_channel
            .map(|(time, polarity)| {
                reference.step(polarity);
                (time, reference.value(self))
            })
            .collect()
    }
}

/// A straight piece of a signal.
struct Segment {
    from: (Time, f64),
    to: (Time, f64),
}

impl Segment {
    fn length(&self) -> f64 {
        (self.to.0 - self.from.0).picoseconds() as f64
    }

    fn value(&self, time: Time) -> f64 {
        let part = (time - self.from.0).picoseconds() as f64 / self.length();
        self.from.1 + (self.to.1 - self.from.1) * part
    }

    /// When it has a value, to the nearest picosecond.
    fn time(&self, value: f64) -> Time {
        let part = (value - self.from.1) / (self.to.1 - self.from.1);
        let after = (part.clamp(0.0, 1.0) * self.length()).round();
        self.from.0 + Time::from_picoseconds(after as u64)
    }
}

/// A signal of one or more channels from a CSV file, and its spikes.
#[derive(Debug, Clone)]
pub struct Adm {
    file: InputFile,
    modulator: DeltaModulator,
    /// Source and time, sorted by time.
    spikes: Vec<(u32, Time)>,
}

impl Adm {
    /// Reads `Adm(file: "signal.csv", threshold: 0.1, refractory: "1 ms")`.
    pub fn read(
        variant: &Variant,
        size: &GroupSize,
        folder: &mut Folder,
        dx: &mut Diagnostics,
    ) -> Option<Source> {
        let mut fields = variant.fields(dx)?;
        let file_at = fields.need(dx, "file", "a table time_s,channel,…: file: \"signal.csv\"");
        let threshold_at = fields.need(dx, "threshold", HELP);
        let threshold = threshold_at.as_ref().and_then(|at| thresholds(at, dx));
        let refractory = match fields.get("refractory") {
            Some(at) => at.time(dx, Domain::NonNegative),
            None => Some(Time::ZERO),
        };
        fields.close(dx);
        let file_at = file_at?;
        let file = folder.read(&file_at, dx)?;
        const HEADER: &str = "the first line is a header like time_s,signal";
        let table = files::time_table(&file, HEADER, |_| Ok(()), &file_at, dx)?;
        let channels = table.columns.len();
        let because = format!("an UP and a DOWN source for each of {channels} channels");
        let size = size.follows(2 * channels as u64, &because, dx);
        let ((up, down), threshold_at) = (threshold?, threshold_at?);
        let modulator = DeltaModulator { up, down, refractory: refractory? };
        let mut spikes: Vec<(u32, Time)> = Vec::new();
        for (channel, name) in table.columns.iter().enumerate() {
            let samples: Vec<(Time, f64)> =
                table.rows.iter().map(|(time, values)| (*time, values[channel])).collect();
            let left = MOST_SPIKES - spikes.len();
            let of_channel = modulator.encode(&samples, left + 1);
            if of_channel.len() > left {
                let message =
                    format!("{}: more than {MOST_SPIKES} spikes by channel `{name}`", file.path);
                threshold_at
                    .error(dx, message)
                    .help("raise the threshold, or give a refractory period");
                return None;
            }
            spikes.extend(
                of_channel
                    .into_iter()
                    .map(|(time, polarity)| (polarity.source(channel as u32), time)),
            );
        }
        spikes.sort_by_key(|(source, time)| (*time, *source));
        Some(Source { size: size?, train: Arc::new(Adm { file, modulator, spikes }) })
    }
}

/// `0.1` or `(up: 0.1, down: 0.2)`.
fn thresholds(at: &At, dx: &mut Diagnostics) -> Option<(f64, f64)> {
    if at.is_scalar() {
        let both = at.quantity(dx, Unit::One, Domain::Positive)?;
        return Some((both, both));
    }
    let mut fields: Fields = at.fields(dx)?;
    let mut threshold = |key| {
        fields.need(dx, key, HELP).and_then(|at| at.quantity(dx, Unit::One, Domain::Positive))
    };
    let (up, down) = (threshold("up"), threshold("down"));
    fields.close(dx);
    up.zip(down)
}

impl Train for Adm {
    fn ron(&self, file_path: &dyn Fn(&InputFile) -> String) -> String {
        let DeltaModulator { up, down, refractory } = self.modulator;
        let [up, down] = [up, down].map(|threshold| units::format(threshold, Unit::One));
        format!(
            "Adm(file: {}, threshold: (up: {up}, down: {down}), refractory: {})",
            file_path(&self.file),
            write::time(refractory)
        )
    }

    fn files(&self) -> Vec<&InputFile> {
        vec![&self.file]
    }

    fn mean_rate(&self, _: Time, _: Time) -> f64 {
        0.0
    }

    fn listed(&self) -> &[(u32, Time)] {
        &self.spikes
    }

    fn insert(&self, group: &SourceGroup, simulation: &mut Simulation) {
        insert_lists(&self.spikes, group, simulation);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(seconds: f64) -> Time {
        Time::from_seconds(seconds).unwrap()
    }

    fn encode(modulator: DeltaModulator, samples: &[(f64, f64)]) -> Vec<(f64, Polarity)> {
        let samples: Vec<(Time, f64)> = samples.iter().map(|(t, x)| (time(*t), *x)).collect();
        let spikes = modulator.encode(&samples, usize::MAX);
        spikes.into_iter().map(|(t, polarity)| (t.seconds(), polarity)).collect()
    }

    /// A ramp of slope s crosses a threshold θ every θ/s; with a refractory period R the reference
    /// starts again after it: every θ/s + R.
    #[test]
    fn a_ramp_crosses_at_closed_form_times() {
        use Polarity::{Down, Up};
        let modulator = DeltaModulator { up: 0.3, down: 0.2, refractory: Time::ZERO };
        // Up by 2 in 1 s, down by 3 in 0.5 s, with samples that change nothing in between.
        let samples = [(0.5, 1.0), (0.7, 1.4), (1.5, 3.0), (1.9, 0.6), (2.0, 0.0)];
        let spikes = encode(modulator, &samples);
        let ups = (1..=6).map(|k| (0.5 + 0.3 * f64::from(k) / 2.0, Up));
        // The last UP was at 1 + 6·0.3 = 2.8, the signal turns at 3.
        let downs = (1..=14).map(|k| (1.5 + (0.2 + 0.2 * f64::from(k)) / 6.0, Down));
        let expected: Vec<(f64, Polarity)> = ups.chain(downs).collect();
        // 2.8 − 14·0.2 is the end of the ramp, 0, up to rounding: that spike may be there or not.
        assert!((19..=20).contains(&spikes.len()), "{}", spikes.len());
        for ((found, polarity), (t, expected)) in spikes.iter().zip(&expected) {
            assert!((found - t).abs() <= 1e-12, "{found} {t}");
            assert_eq!(polarity, expected);
        }
        let modulator = DeltaModulator { refractory: time(0.06), ..modulator };
        let spikes = encode(modulator, &samples[..3]);
        // θ/s = 0.15 s and R = 0.06 s: 0.15, 0.36, 0.57, 0.78 and 0.99 after the start at 0.5 s.
        assert_eq!(spikes.len(), 5);
        for (k, (found, polarity)) in spikes.iter().enumerate() {
            assert!((found - (0.65 + 0.21 * k as f64)).abs() <= 2e-12, "{found}");
            assert_eq!(*polarity, Up);
        }
    }

    /// What happens in the refractory period is lost, also over several samples.
    #[test]
    fn the_reference_follows_the_signal_through_the_refractory_period() {
        let modulator = DeltaModulator { up: 1.0, down: 1.0, refractory: time(1.0) };
        let samples =
            [(0.0, 0.0), (1.0, 1.25), (1.1, 9.0), (1.2, -9.0), (1.3, 5.0), (3.0, 5.0), (4.0, 3.5)];
        // UP at 0.8 s; at 1.8 s the reference is 5; DOWN at 4, two thirds down the last piece.
        let spikes = encode(modulator, &samples);
        assert_eq!(spikes.len(), 2);
        assert!((spikes[0].0 - 0.8).abs() <= 1e-12 && spikes[0].1 == Polarity::Up);
        assert!((spikes[1].0 - (3.0 + 2.0 / 3.0)).abs() <= 1e-12 && spikes[1].1 == Polarity::Down);
    }

    /// The reconstruction of a signal stays within a threshold of it, at spikes and between them.
    #[test]
    fn the_reconstruction_is_within_a_threshold() {
        let modulator = DeltaModulator { up: 0.1, down: 0.07, refractory: Time::ZERO };
        // A bounded walk of a linear congruential generator: no pattern, and no random crate.
        let mut state = 1_u64;
        let samples: Vec<(Time, f64)> = (0..2000_u64)
            .map(|k| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let value = (state >> 40) as f64 / f64::from(1 << 24);
                (Time::from_picoseconds(k * 1_000_003_000), 3.0 * value - 1.0)
            })
            .collect();
        let spikes: Vec<(Time, u32)> = modulator
            .encode(&samples, usize::MAX)
            .into_iter()
            .map(|(time, polarity)| (time, polarity.source(1)))
            .collect();
        assert!(spikes.is_sorted_by_key(|(time, _)| *time));
        let start = samples[0].1;
        let steps = modulator.reconstruct(start, 1, &spikes);
        assert!(steps.len() > 10_000);
        assert!(modulator.reconstruct(start, 0, &spikes).is_empty(), "of another channel");
        let mut at = 0;
        let mut value = start;
        for pair in samples.windows(2) {
            let segment = Segment { from: pair[0], to: pair[1] };
            while steps.get(at).is_some_and(|(time, _)| *time <= segment.to.0) {
                let (time, next) = steps[at];
                // Before the step it is a threshold behind, after it it is there. Within a
                // picosecond the signal moves by less than 1e-8.
                let now = segment.value(time);
                assert!((now - value) < 0.1 + 1e-8 && (now - value) > -0.07 - 1e-8);
                assert!((now - next).abs() < 1e-8, "{now} {next}");
                value = next;
                at += 1;
            }
            let error = segment.to.1 - value;
            assert!(error < 0.1 + 1e-8 && error > -0.07 - 1e-8, "{error}");
        }
        assert_eq!(at, steps.len());
    }
}
