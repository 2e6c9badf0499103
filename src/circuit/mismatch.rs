//! Device mismatch: how the bias of one instance differs from the nominal one.
//!
//! An instance has `b = nominal·m`, with `m` of mean 1 and coefficient of variation `cv`, drawn
//! from a stream keyed by (seed, population, circuit, bias, and from the second replica on its number)
//! and indexed by the neuron: a draw never depends on the order of creation, on threads, or on which other populations or biases exist.

use rand::distr::Distribution;
use rand_distr::StandardNormal;
use rand_philox::Philox;

use super::math;
use crate::rng::StreamKey;

/// The law of the multiplier `m`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum MismatchLaw {
    /// `exp(σz − σ²/2)`, σ² = ln(1+cv²): a Gaussian threshold voltage in weak inversion. Never
    /// zero or negative; the physical law, recommended.
    LogNormal {
        /// Coefficient of variation.
        cv: f64,
    },
    /// `1 + cv·z`, floored (see [`MismatchLaw::draw`]): what published experiments mean by "10 %".
    Gaussian {
        /// Coefficient of variation.
        cv: f64,
    },
    /// `1 + cv·z` drawn again until it is positive. At cv 0.5 this has mean 1.028 and cv 0.458.
    TruncatedGaussian {
        /// Coefficient of variation before truncation.
        cv: f64,
    },
}

/// One drawn value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Draw {
    /// The instance's bias, in the SI unit.
    pub value: f64,
    /// Whether the floor replaced what was drawn.
    pub floored: bool,
}

impl MismatchLaw {
    /// The law's name in scenes.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::LogNormal { .. } => "LogNormal",
            Self::Gaussian { .. } => "Gaussian",
            Self::TruncatedGaussian { .. } => "TruncatedGaussian",
        }
    }

    /// The coefficient of variation that was asked for.
    #[must_use]
    pub fn cv(&self) -> f64 {
        match *self {
            Self::LogNormal { cv } | Self::Gaussian { cv } | Self::TruncatedGaussian { cv } => cv,
        }
    }

    /// The multiplier `m`, before any floor.
    fn multiplier(&self, stream: &mut Philox) -> f64 {
        let mut normal = || -> f64 { StandardNormal.sample(stream) };
        match *self {
            Self::LogNormal { cv } => {
                let variance = math::ln(1.0 + cv * cv);
                math::exp(variance.sqrt() * normal() - 0.5 * variance)
            }
            Self::Gaussian { cv } => 1.0 + cv * normal(),
            Self::TruncatedGaussian { cv } => loop {
                let m = 1.0 + cv * normal();
                if m > 0.0 {
                    break m;
                }
            },
        }
    }

    /// The bias of instance `neuron`.
    ///
    /// A Gaussian draw can fall to zero or below: it is floored at `floor` (currents of a DPI neuron
    /// at the dark current), or where there is none at a hundredth of the nominal value. What is 0
    /// stays 0.
    #[must_use]
    pub fn draw(&self, nominal: f64, floor: Option<f64>, key: &StreamKey, neuron: u64) -> Draw {
        if nominal == 0.0 {
            return Draw { value: 0.0, floored: false };
        }
        let value = nominal * self.multiplier(&mut key.stream(neuron));
        // Of a negative value (a reset below 0) the multiplier is floored.
        let floor = floor.unwrap_or(0.01 * nominal);
        let floored = match self {
            Self::Gaussian { .. } if nominal < 0.0 => value > floor,
            Self::Gaussian { .. } => value < floor,
            Self::LogNormal { .. } | Self::TruncatedGaussian { .. } => false,
        };
        Draw { value: if floored { floor } else { value }, floored }
    }
}

/// The key of a bias's stream in a replica. That of replica 0 is the one of a scene without replicas.
#[must_use]
pub fn stream_key(
    seed: u64,
    population: &str,
    circuit: &str,
    bias: &str,
    replica: u32,
) -> StreamKey {
    let names = ["mismatch", population, circuit, bias];
    match replica {
        0 => StreamKey::new(seed, &names),
        r => StreamKey::new(seed, &[&names[..], &[&r.to_string()]].concat()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const N: u64 = 100_000;

    fn moments(law: MismatchLaw, bias: &str) -> (f64, f64) {
        let key = stream_key(1, "dpi", "soma", bias, 0);
        let draws = (0..N).map(|k| law.draw(1e-12, Some(1e-15), &key, k).value / 1e-12);
        let (sum, squares) = draws.fold((0.0, 0.0), |(s, q), x| (s + x, q + x * x));
        let mean = sum / N as f64;
        (mean, (squares / N as f64 - mean * mean).sqrt() / mean)
    }

    /// Mean and cv of 10⁵ draws within five standard errors of the law's own.
    #[test]
    fn draws_have_the_moments_of_their_law() {
        let root = (N as f64).sqrt();
        for (law, mean, cv, kurtosis_margin) in [
            (MismatchLaw::LogNormal { cv: 0.2 }, 1.0, 0.2, 1.2),
            (MismatchLaw::Gaussian { cv: 0.1 }, 1.0, 0.1, 1.0),
            (MismatchLaw::TruncatedGaussian { cv: 0.2 }, 1.0, 0.2, 1.0),
            // The published moments of the truncated law at 0.5 (three decimals).
            (MismatchLaw::TruncatedGaussian { cv: 0.5 }, 1.028, 0.458, 1.0),
        ] {
            let (m, c) = moments(law, "Itau");
            assert!(
                (m - mean).abs() < 5.0 * cv / root + 5e-4 * f64::from(cv > 0.4),
                "{law:?}: mean {m}"
            );
            let error = 5.0 * kurtosis_margin * cv / (2.0_f64.sqrt() * root);
            assert!((c - cv).abs() < error + 5e-4 * f64::from(cv > 0.4), "{law:?}: cv {c}");
        }
    }

    /// Correlation between any two of 10⁵ draws of biases, circuits, populations and seeds, and
    /// between neighbours, within five standard errors of 0.
    #[test]
    fn draws_of_different_keys_are_independent() {
        let law = MismatchLaw::Gaussian { cv: 0.1 };
        let draws = |seed, population, circuit, bias, replica| -> Vec<f64> {
            let key = stream_key(seed, population, circuit, bias, replica);
            (0..N).map(|k| (law.draw(1.0, None, &key, k).value - 1.0) / 0.1).collect()
        };
        let all = [
            draws(1, "dpi", "soma", "Itau", 0),
            draws(1, "dpi", "soma", "Igain", 0),
            draws(1, "dpi", "ampa", "Itau", 0),
            draws(1, "dpi", "ampa", "Iw", 0),
            draws(1, "dpi2", "soma", "Itau", 0),
            draws(2, "dpi", "soma", "Itau", 0),
            draws(1, "dpi", "soma", "Itau", 1),
            draws(1, "dpi", "soma", "Itau", 2),
        ];
        let correlation = |a: &[f64], b: &[f64]| {
            a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>() / a.len().min(b.len()) as f64
        };
        let limit = 5.0 / (N as f64).sqrt();
        for (k, a) in all.iter().enumerate() {
            for b in &all[k + 1..] {
                assert!(correlation(a, b).abs() < limit);
            }
            assert!(correlation(a, &a[1..]).abs() < limit, "neighbours");
        }
        // The comparison can fail: a bias correlates with itself.
        assert!(correlation(&all[0], &all[0]).abs() > limit);
    }

    #[test]
    fn the_floor_of_a_current_is_the_dark_current() {
        let law = MismatchLaw::Gaussian { cv: 1.0 };
        let key = stream_key(1, "dpi", "soma", "Itau", 0);
        let draws: Vec<Draw> = (0..1000).map(|k| law.draw(1e-12, Some(5e-14), &key, k)).collect();
        assert!(draws.iter().all(|d| d.value >= 5e-14));
        assert!(draws.iter().any(|d| d.floored && d.value == 5e-14));
        let farads = law.draw(1e-12, None, &key, 0);
        assert!(farads.value >= 1e-14);
    }
}
