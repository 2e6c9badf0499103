//! Connection rules: who is connected to whom.
//!
//! Edges are drawn from streams keyed by the seed and the projection's name, one stream for each
//! source, target or whole projection: the same for any thread count, and whatever other projections
//! there are.

use std::collections::HashSet;

use rand_philox::Philox;

use crate::circuit::math;
use crate::rng::{StreamKey, open_unit};
use crate::scene::{Connection, GroupId, Selection};

/// Who is connected to whom.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rule {
    /// The k-th to the k-th.
    OneToOne,
    /// Everyone to everyone.
    AllToAll {
        /// Whether a neuron also connects to itself.
        self_connections: bool,
    },
    /// Each possible edge with probability `p`, independently.
    FixedProbability {
        /// The probability.
        p: f64,
        /// Whether a neuron may connect to itself.
        self_connections: bool,
    },
    /// `k` sources, drawn for each target.
    FixedInDegree {
        /// Edges into each target.
        k: u32,
        /// Which edges may be drawn.
        pairs: Pairs,
    },
    /// `k` targets, drawn for each source.
    FixedOutDegree {
        /// Edges out of each source.
        k: u32,
        /// Which edges may be drawn.
        pairs: Pairs,
    },
    /// `n` edges, each drawn from all pairs.
    FixedTotal {
        /// Edges of the projection.
        n: u32,
        /// Which edges may be drawn.
        pairs: Pairs,
    },
}

/// Which edges a rule may draw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pairs {
    /// Whether a neuron may connect to itself.
    pub self_connections: bool,
    /// Whether the same edge may be drawn more than once.
    pub multiple_edges: bool,
}

impl Connection {
    /// The number of edges from `from_size` to `to_size` neurons: exact for rules that fix it, the
    /// mean for [`Rule::FixedProbability`].
    #[must_use]
    pub fn edges(&self, from_size: u64, to_size: u64) -> u128 {
        let (from, to) = (self.from_neurons.len(from_size), self.to_neurons.len(to_size));
        let pairs = |own: bool| self.possible_edges(from_size, to_size, own);
        match self.rule {
            Rule::OneToOne => u128::from(from),
            Rule::AllToAll { self_connections } => pairs(self_connections),
            Rule::FixedProbability { p, self_connections } => {
                (pairs(self_connections) as f64 * p).ceil() as u128
            }
            Rule::FixedInDegree { k, .. } => u128::from(to) * u128::from(k),
            Rule::FixedOutDegree { k, .. } => u128::from(from) * u128::from(k),
            Rule::FixedTotal { n, .. } => u128::from(n),
        }
    }

    /// Calls `edge` with the indices of both ends of every edge, always in the same order.
    pub fn for_each_edge(
        &self,
        seed: u64,
        from_size: u64,
        to_size: u64,
        mut edge: impl FnMut(u32, u32),
    ) {
        let from = Side { selection: &self.from_neurons, len: self.from_neurons.len(from_size) };
        let to = Side { selection: &self.to_neurons, len: self.to_neurons.len(to_size) };
        let is_recurrent = self.from == GroupId::Population(self.to);
        let key = StreamKey::new(seed, &["edges", &self.name]);
        match self.rule {
            Rule::OneToOne => {
                (0..from.len).for_each(|k| edge(from.get(k), to.get(k)));
            }
            Rule::AllToAll { self_connections } => {
                let skip_self = is_recurrent && !self_connections;
                for source in from.iter() {
                    for target in to.iter().filter(|target| !(skip_self && *target == source)) {
                        edge(source, target);
                    }
                }
            }
            Rule::FixedProbability { p, self_connections } => {
                let skip_self = is_recurrent && !self_connections;
                for k in 0..from.len {
                    let source = from.get(k);
                    each_success(&mut key.stream(k), p, to.len, |at| {
                        let target = to.get(at);
                        if !(skip_self && target == source) {
                            edge(source, target);
                        }
                    });
                }
            }
            Rule::FixedInDegree { k, pairs } => {
                for j in 0..to.len {
                    let target = to.get(j);
                    let out = (is_recurrent && !pairs.self_connections)
                        .then(|| from.position(target))
                        .flatten();
                    let stream = &mut key.stream(j);
                    draw(stream, k, from.len, out, pairs.multiple_edges, |at| {
                        edge(from.get(at), target);
                    });
                }
            }
            Rule::FixedOutDegree { k, pairs } => {
                for i in 0..from.len {
                    let source = from.get(i);
                    let out = (is_recurrent && !pairs.self_connections)
                        .then(|| to.position(source))
                        .flatten();
                    let stream = &mut key.stream(i);
                    draw(stream, k, to.len, out, pairs.multiple_edges, |at| {
                        edge(source, to.get(at));
                    });
                }
            }
            Rule::FixedTotal { n, pairs } => {
                let skip_self = is_recurrent && !pairs.self_connections;
                let stream = &mut key.stream(0);
                // Only asked whether it holds a pair: its own order plays no part.
                let mut drawn = HashSet::new();
                let mut left = n;
                while left > 0 {
                    let (source, target) = (
                        from.get(u64::from(stream.bounded(from.len as u32))),
                        to.get(u64::from(stream.bounded(to.len as u32))),
                    );
                    if (skip_self && source == target)
                        || (!pairs.multiple_edges && !drawn.insert((source, target)))
                    {
                        continue;
                    }
                    edge(source, target);
                    left -= 1;
                }
            }
        }
    }

    /// The number of different edges that the rule can draw.
    #[must_use]
    pub fn possible_edges(&self, from_size: u64, to_size: u64, self_connections: bool) -> u128 {
        let from = Side { selection: &self.from_neurons, len: self.from_neurons.len(from_size) };
        let to = Side { selection: &self.to_neurons, len: self.to_neurons.len(to_size) };
        let all = u128::from(from.len) * u128::from(to.len);
        if self_connections || self.from != GroupId::Population(self.to) {
            return all;
        }
        all - u128::from(from.overlap(&to))
    }
}

/// The selected neurons of one side of a projection.
struct Side<'a> {
    selection: &'a Selection,
    len: u64,
}

impl Side<'_> {
    fn get(&self, k: u64) -> u32 {
        self.selection.get(k)
    }

    fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.len).map(|k| self.get(k))
    }

    /// How many neurons both sides select. Ranges are compared by their ends: sizes are not bounded
    /// yet when a scene is estimated.
    fn overlap(&self, other: &Side) -> u64 {
        match (self.ends(), other.ends()) {
            (Some(a), Some(b)) => a.1.min(b.1).saturating_sub(a.0.max(b.0)),
            (None, _) => self.iter().filter(|n| other.position(*n).is_some()).count() as u64,
            (_, None) => other.iter().filter(|n| self.position(*n).is_some()).count() as u64,
        }
    }

    /// First neuron, and one past the last, of a range.
    fn ends(&self) -> Option<(u64, u64)> {
        match self.selection {
            Selection::All => Some((0, self.len)),
            Selection::Range { from, to } => Some((u64::from(*from), u64::from(*to) + 1)),
            Selection::List(_) => None,
        }
    }

    /// The place of a neuron among the selected ones.
    fn position(&self, neuron: u32) -> Option<u64> {
        match self.selection {
            Selection::All => (u64::from(neuron) < self.len).then_some(u64::from(neuron)),
            Selection::Range { from, to } => {
                (*from..=*to).contains(&neuron).then(|| u64::from(neuron - from))
            }
            Selection::List(list) => list.iter().position(|n| *n == neuron).map(|k| k as u64),
        }
    }
}

/// Calls `success` with each of `0..n` that succeeds with probability `p`, by drawing the gaps
/// between them, which are geometric.
fn each_success(stream: &mut Philox, p: f64, n: u64, mut success: impl FnMut(u64)) {
    if p <= 0.0 {
        return;
    }
    // ln(1 − p); −∞ for p = 1, where every gap is 0.
    let log_failure = if p < 1.0 { math::ln_1p(-p) } else { f64::NEG_INFINITY };
    let mut at = 0.0;
    loop {
        let unit = open_unit(stream.next_u32(), stream.next_u32());
        at += (math::ln(unit) / log_failure).floor();
        if at >= n as f64 {
            return;
        }
        success(at as u64);
        at += 1.0;
    }
}

/// Draws `k` of `0..n` without `out`, with or without repetition, in ascending order.
fn draw(
    stream: &mut Philox,
    k: u32,
    n: u64,
    out: Option<u64>,
    repeat: bool,
    mut each: impl FnMut(u64),
) {
    let candidates = (n - u64::from(out.is_some())) as u32;
    if candidates == 0 {
        return;
    }
    let mut drawn: Vec<u32> = if repeat {
        (0..k).map(|_| stream.bounded(candidates)).collect()
    } else {
        // Floyd's algorithm: k distinct numbers in k draws.
        let mut chosen = HashSet::with_capacity(k as usize);
        for top in candidates - k.min(candidates)..candidates {
            let at = stream.bounded(top + 1);
            if !chosen.insert(at) {
                chosen.insert(top);
            }
        }
        chosen.into_iter().collect()
    };
    // Ascending: the table of edges is then read in order, and a set's own order plays no part.
    drawn.sort_unstable();
    for at in drawn {
        let at = u64::from(at);
        each(at + u64::from(out.is_some_and(|out| at >= out)));
    }
}
