//! Edges by emitter: rules draw them row by row, the table holds them emitter by emitter.
//!
//! A batch of rows is drawn in pieces, in parallel; each piece sorts its edges into lists by *bucket*
//! (neighbouring emitters, whose rows of the table a core's cache can hold); then each bucket takes
//! its lists, in parallel and in the order of the pieces. So memory is visited in order or in cache,
//! there is no list of all edges besides the table (unless a rule has them in few rows), and the order in which an emitter gets its
//! edges does not depend on threads.

use std::ops::Range;

use crate::threads::{Pool, each};

/// Edges of a batch.
const BATCH: u128 = 1 << 22;
/// As many buckets as a core writes to at a time without missing its first-level cache.
const BUCKETS: usize = 256;

/// Ranges of emitters.
pub(super) struct Buckets {
    /// Emitter e is in bucket `e >> shift`.
    shift: u32,
    emitters: usize,
}

impl Buckets {
    pub(super) fn new(emitters: usize) -> Buckets {
        let shift = emitters.div_ceil(BUCKETS).next_power_of_two().trailing_zeros();
        Buckets { shift, emitters }
    }

    /// The emitters of each bucket.
    pub(super) fn ranges(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let (size, emitters) = (1 << self.shift, self.emitters);
        (0..emitters).step_by(size).map(move |first| first..(first + size).min(emitters))
    }
}

/// The edges of a piece of a batch, bucket by bucket.
pub(super) struct Lists<T> {
    shift: u32,
    lists: Vec<Vec<(u32, T)>>,
}

impl<T> Lists<T> {
    fn new(buckets: &Buckets) -> Lists<T> {
        let lists = buckets.ranges().map(|_| Vec::new()).collect();
        Lists { shift: buckets.shift, lists }
    }

    /// Adds what an emitter gets.
    #[inline]
    pub(super) fn push(&mut self, emitter: u32, edge: T) {
        self.lists[(emitter >> self.shift) as usize].push((emitter, edge));
    }
}

/// Calls `draw` with each of `rows` rows, which have about so many `edges`, and `take` with each
/// bucket and a list of its edges, until all are taken.
pub(super) fn hand_out<T: Send + Sync, B: Send>(
    rows: u64,
    edges: u128,
    buckets: &Buckets,
    pool: Option<&Pool>,
    draw: impl Fn(u64, &mut Lists<T>) + Sync,
    of_bucket: &mut [B],
    take: impl Fn(&mut B, &[(u32, T)]) + Sync,
) {
    if rows == 0 {
        return;
    }
    let per_batch = (u128::from(rows) * BATCH / edges.max(1)).clamp(1, u128::from(rows)) as u64;
    let pieces = pool.map_or(1, |pool| 4 * pool.threads() as u64);
    let mut drawn: Vec<Lists<T>> = (0..pieces).map(|_| Lists::new(buckets)).collect();
    for first in (0..rows).step_by(per_batch as usize) {
        let batch = per_batch.min(rows - first);
        // (Of a batch: no overflow.)
        let row = |piece: u64| first + batch * piece / pieces;
        each(pool, &mut drawn, |piece, lists| {
            lists.lists.iter_mut().for_each(Vec::clear);
            (row(piece as u64)..row(piece as u64 + 1)).for_each(|row| draw(row, lists));
        });
        each(pool, of_bucket, |bucket, own| {
            drawn.iter().for_each(|piece| take(own, &piece.lists[bucket]));
        });
    }
}
