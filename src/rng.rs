//! Random streams that depend on names, never on order.
//!
//! A stream is opened by a key (the scene's seed, what is drawn, and the names of what it is drawn
//! for) and an index (the neuron, the edge, the source). It is a Philox 4×32-10 counter generator
//! (Salmon et al. 2011), so every stream can be opened on its own, on any thread, in any order: a
//! draw does not depend on which other populations or biases exist.

use rand_philox::{Philox, philox4x32_10, splitmix64};
use sha2::{Digest, Sha256};

/// The key of a family of streams, one stream for each index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamKey {
    key: [u32; 2],
    /// The upper word of all counters. (Two keys that agree in 64 bits still differ in it.)
    name: u32,
}

impl StreamKey {
    /// A key for the given seed and names. The names are hashed with their lengths, so `["ab"]`
    /// and `["a", "b"]` are different keys.
    #[must_use]
    pub fn new(seed: u64, names: &[&str]) -> StreamKey {
        let mut hash = Sha256::new();
        hash.update(seed.to_le_bytes());
        for name in names {
            hash.update((name.len() as u64).to_le_bytes());
            hash.update(name.as_bytes());
        }
        let digest = hash.finalize();
        let word = |at: usize| u64::from_le_bytes(std::array::from_fn(|k| digest[at + k]));
        let key = word(0);
        StreamKey { key: [key as u32, (key >> 32) as u32], name: splitmix64(word(8)) as u32 }
    }

    /// The key of all streams, and what stands for the name in their counters.
    #[must_use]
    pub fn words(&self) -> (u64, u32) {
        let [low, high] = self.key;
        (u64::from(high) << 32 | u64::from(low), self.name)
    }

    /// The stream of one index: 2³² blocks of four words each.
    #[must_use]
    pub fn stream(&self, index: u64) -> Philox {
        Philox::new(self.key, self.counter(index))
    }

    /// The `k`-th block of that stream, for those who have many streams and few words of each in hand.
    #[must_use]
    pub fn block(&self, index: u64, k: u64) -> [u32; 4] {
        let counter = self.counter(index).wrapping_add(u128::from(k));
        philox4x32_10([0, 32, 64, 96].map(|shift| (counter >> shift) as u32), self.key)
    }

    /// The same block of several streams (`k`-th of `index` of a key each), word by word. Compiled for vectors, in
    /// [`with_width`](crate::circuit::number::with_width), it takes little longer than one.
    #[inline(always)]
    pub(crate) fn blocks<const N: usize>(of: &[(StreamKey, u64, u64); N]) -> [[u32; N]; 4] {
        // As `philox4x32_10`, for which a test stands, with words of all lanes beside each other.
        const MULTIPLIERS: [u32; 2] = [0xd251_1f53, 0xcd9e_8d57];
        const KEY_STEPS: [u32; 2] = [0x9e37_79b9, 0xbb67_ae85];
        let (mut words, mut keys) = ([[0; N]; 4], [[0; N]; 2]);
        for (lane, (key, index, k)) in of.iter().enumerate() {
            let counter = key.counter(*index).wrapping_add(u128::from(*k));
            for (word, words) in words.iter_mut().enumerate() {
                words[lane] = (counter >> (32 * word)) as u32;
            }
            [keys[0][lane], keys[1][lane]] = key.key;
        }
        for _ in 0..10 {
            let before = words;
            for lane in 0..N {
                let first = u64::from(before[0][lane]) * u64::from(MULTIPLIERS[0]);
                let second = u64::from(before[2][lane]) * u64::from(MULTIPLIERS[1]);
                words[0][lane] = (second >> 32) as u32 ^ before[1][lane] ^ keys[0][lane];
                words[1][lane] = second as u32;
                words[2][lane] = (first >> 32) as u32 ^ before[3][lane] ^ keys[1][lane];
                words[3][lane] = first as u32;
                keys[0][lane] = keys[0][lane].wrapping_add(KEY_STEPS[0]);
                keys[1][lane] = keys[1][lane].wrapping_add(KEY_STEPS[1]);
            }
        }
        words
    }

    /// The counter's upper 96 bits name the stream, its lower 32 bits count blocks.
    fn counter(&self, index: u64) -> u128 {
        (u128::from(self.name) << 96) | (u128::from(index) << 32)
    }
}

/// A uniform number in the open interval (0, 1) with 52 random bits, from two words of a stream.
#[must_use]
#[inline]
pub fn open_unit(high: u32, low: u32) -> f64 {
    let bits = (u64::from(high) << 32 | u64::from(low)) >> 12;
    (bits as f64 + 0.5) * (1.0 / 4_503_599_627_370_496.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Philox 4×32-10, counter and key zero: the first known answer of the Random123 suite.
    #[test]
    fn the_generator_gives_the_published_answer() {
        let mut zero = Philox::new([0, 0], 0);
        let words: [u32; 4] = std::array::from_fn(|_| zero.next_u32());
        assert_eq!(words, [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
    }

    #[test]
    fn blocks_are_those_of_the_stream() {
        let key = StreamKey::new(7, &["a"]);
        let mut stream = key.stream(1 << 40 | 3);
        for k in 0..3 {
            let words: [u32; 4] = std::array::from_fn(|_| stream.next_u32());
            assert_eq!(key.block(1 << 40 | 3, k), words);
        }
        stream.seek(key.counter(5) + u128::from(u32::MAX));
        let words: [u32; 4] = std::array::from_fn(|_| stream.next_u32());
        assert_eq!(key.block(5, u32::MAX.into()), words);
    }

    /// Also where the number of a block carries into the index.
    #[test]
    fn blocks_of_several_streams_are_those_of_each() {
        let of: [_; 5] = std::array::from_fn(|lane| {
            let key = StreamKey::new(lane as u64, &["a", "b"]);
            (key, 1 << (10 * lane), (1 << (9 * lane)) - 1)
        });
        let words = StreamKey::blocks(&of);
        for (lane, (key, index, k)) in of.iter().enumerate() {
            assert_eq!(words.map(|word| word[lane]), key.block(*index, *k));
        }
    }

    #[test]
    fn a_stream_depends_on_each_part_of_its_key() {
        let first =
            |seed, names: &[&str], index| StreamKey::new(seed, names).stream(index).next_u64();
        let draws = [
            first(1, &["a", "b"], 0),
            first(2, &["a", "b"], 0),
            first(1, &["ab"], 0),
            first(1, &["a", "c"], 0),
            first(1, &["a", "b"], 1),
        ];
        for (k, a) in draws.iter().enumerate() {
            assert!(draws[k + 1..].iter().all(|b| a != b));
        }
        assert_eq!(first(1, &["a", "b"], 7), first(1, &["a", "b"], 7));
    }

    #[test]
    fn unit_draws_stay_inside() {
        assert!(open_unit(0, 0) > 0.0);
        assert!(open_unit(u32::MAX, u32::MAX) < 1.0);
    }
}
