//! One number for all spikes of a population, to compare runs.

use bevy_ecs::prelude::*;
use rand_philox::splitmix64;
use sha2::{Digest, Sha256};

use crate::circuit::math;
use crate::circuit::number::with_width;
use crate::network::WindowSpikes;
use crate::time::Time;

/// Count and digest of the spikes of a population.
///
/// The digest is the sum, modulo 2¹²⁸, of a hash of each (neuron, time) pair. A sum does not depend
/// on the order of its terms, so this is a function of the sorted pairs that needs neither sorting
/// nor the whole record.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SpikeDigest {
    /// Spikes.
    pub count: u64,
    sum: u128,
}

impl SpikeDigest {
    /// Adds spikes.
    pub fn add(&mut self, spikes: &[(Time, u32)]) {
        // (So many that no sum of limbs overflows.)
        for spikes in spikes.chunks(1 << 31) {
            let limbs = with_width!(*math::LEVEL, _width => limbs(spikes));
            self.merge(SpikeDigest::of_limbs(spikes.len() as u64, limbs));
        }
    }

    /// So many spikes whose hashes have this sum, in limbs of 32 bits from the lowest on (each a sum itself).
    #[must_use]
    pub fn of_limbs(count: u64, limbs: [u64; 4]) -> SpikeDigest {
        let sum = (0..)
            .zip(limbs)
            .fold(0_u128, |sum, (k, limb)| sum.wrapping_add(u128::from(limb) << (32 * k)));
        SpikeDigest { count, sum }
    }

    /// Adds the spikes of another.
    pub fn merge(&mut self, other: SpikeDigest) {
        self.sum = self.sum.wrapping_add(other.sum);
        self.count += other.count;
    }

    /// The digest, 32 hexadecimal digits.
    #[must_use]
    pub fn hex(&self) -> String {
        format!("{:032x}", self.sum)
    }
}

/// The sum of the hashes of spikes, in limbs of 32 bits, which compilers turn into vector code.
#[inline(always)]
fn limbs(spikes: &[(Time, u32)]) -> [u64; 4] {
    const LOW: u64 = 0xffff_ffff;
    let mut sum = [0; 4];
    for (time, neuron) in spikes {
        let first = splitmix64(time.picoseconds().wrapping_add(0x9e37_79b9_7f4a_7c15));
        let pair = first ^ u64::from(*neuron).wrapping_mul(0xd134_2543_de82_ef95);
        let low = splitmix64(pair.wrapping_add(0x2545_f491_4f6c_dd1d));
        let high = splitmix64(pair.rotate_left(32) ^ low);
        let hash = [low & LOW, low >> 32, high & LOW, high >> 32];
        sum = std::array::from_fn(|k| sum[k] + hash[k]);
    }
    sum
}

/// The digests of all populations, in the order of the scene.
#[derive(Resource, Debug, Default)]
pub struct SpikeDigests(pub Vec<SpikeDigest>);

impl SpikeDigests {
    /// Spikes of all populations.
    #[must_use]
    pub fn total_count(&self) -> u64 {
        self.0.iter().map(|digest| digest.count).sum()
    }
}

/// One digest of several named ones, in whatever order they come.
#[must_use]
pub fn total<'a>(digests: impl Iterator<Item = (&'a str, SpikeDigest)>) -> String {
    let mut named: Vec<(&str, SpikeDigest)> = digests.collect();
    named.sort_by_key(|(name, _)| *name);
    let mut hash = Sha256::new();
    for (name, digest) in named {
        hash.update((name.len() as u64).to_le_bytes());
        hash.update(name.as_bytes());
        hash.update(digest.sum.to_le_bytes());
        hash.update(digest.count.to_le_bytes());
    }
    hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// Adds the spikes of a window.
pub(super) fn digest(spikes: Res<WindowSpikes>, mut digests: ResMut<SpikeDigests>) {
    for (digest, spikes) in digests.0.iter_mut().zip(&spikes.populations) {
        spikes.emitted().for_each(|spikes| digest.add(spikes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest_of(spikes: &[(u64, u32)]) -> SpikeDigest {
        let mut digest = SpikeDigest::default();
        spikes.iter().for_each(|(t, n)| digest.add(&[(Time::from_picoseconds(*t), *n)]));
        digest
    }

    #[test]
    fn depends_on_every_spike_and_on_no_order() {
        let all = [(5, 0), (5, 1), (7, 0)];
        let reversed: Vec<_> = all.iter().rev().copied().collect();
        assert_eq!(digest_of(&all), digest_of(&reversed));
        for other in [
            vec![(5, 0), (5, 1)],
            vec![(5, 0), (5, 1), (7, 1)],
            vec![(5, 0), (5, 1), (8, 0)],
            vec![(5, 0), (7, 1), (5, 0)],
            vec![(5, 0), (5, 1), (7, 0), (7, 0)],
        ] {
            assert_ne!(digest_of(&all), digest_of(&other), "{other:?}");
        }
    }

    /// The definition, spike by spike, against what vector code makes of many and of the rest of them.
    #[test]
    fn spikes_together_have_the_sum_of_their_hashes() {
        let hash = |time: u64, neuron: u32| {
            let first = splitmix64(time.wrapping_add(0x9e37_79b9_7f4a_7c15));
            let pair = first ^ u64::from(neuron).wrapping_mul(0xd134_2543_de82_ef95);
            let low = splitmix64(pair.wrapping_add(0x2545_f491_4f6c_dd1d));
            u128::from(splitmix64(pair.rotate_left(32) ^ low)) << 64 | u128::from(low)
        };
        for n in [0, 1, 7, 8, 1000, 1003] {
            let all: Vec<(u64, u32)> =
                (0..n).map(|k| (k << (k % 60), (k as u32).wrapping_mul(0x9e37_79b9))).collect();
            let sum = all.iter().fold(0, |sum: u128, (t, k)| sum.wrapping_add(hash(*t, *k)));
            let times = all.iter().map(|(t, k)| (Time::from_picoseconds(*t), *k));
            let mut digest = SpikeDigest::default();
            digest.add(&times.collect::<Vec<_>>());
            assert_eq!(digest, SpikeDigest { count: n, sum }, "{n}");
            assert_eq!(digest, digest_of(&all), "{n}");
        }
    }

    #[test]
    fn the_total_depends_on_names_and_on_no_order() {
        let (a, b) = (digest_of(&[(1, 0)]), digest_of(&[(2, 0)]));
        let sum = total([("x", a), ("y", b)].into_iter());
        assert_eq!(sum, total([("y", b), ("x", a)].into_iter()));
        assert_ne!(sum, total([("x", b), ("y", a)].into_iter()));
    }
}
