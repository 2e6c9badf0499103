//! Connection rules: who is connected to whom, how strongly, and with which delay.
//!
//! The edges of a projection come in *rows* (all edges of a source, of a target, or a block of a
//! list), and each row draws from its own streams, keyed by the seed and the projection's name: rows
//! can be drawn in parallel and in any order, and a draw does not depend on which other projections
//! there are.

use std::collections::HashSet;
use std::sync::Arc;

use rand_philox::Philox;

use super::law::{Delays, Weights};
use crate::circuit::math;
use crate::rng::{StreamKey, open_unit};
use crate::scene::files::InputFile;
use crate::scene::{Connection, GroupId, Selection};
use crate::time::Time;

/// Who is connected to whom.
#[derive(Debug, Clone)]
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
    /// These edges.
    List(Arc<[ListedEdge]>),
    /// The edges of a CSV file with the header `source,target`, `source,target,weight` or
    /// `source,target,weight,delay_s`.
    File(InputFile, Arc<[ListedEdge]>),
}

impl Rule {
    /// The edges of a list or file.
    #[must_use]
    pub fn listed(&self) -> Option<&Arc<[ListedEdge]>> {
        match self {
            Rule::List(edges) | Rule::File(_, edges) => Some(edges),
            _ => None,
        }
    }
}

/// Which edges a rule may draw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pairs {
    /// Whether a neuron may connect to itself.
    pub self_connections: bool,
    /// Whether the same edge may be drawn more than once.
    pub multiple_edges: bool,
}

/// An edge that a scene or a file names.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ListedEdge {
    /// Index in the spiking group.
    pub source: u32,
    /// Index in the receiving population.
    pub target: u32,
    /// Pulses per spike; `None`: as the projection says.
    pub weight: Option<f64>,
    /// From a spike to its arrival; `None`: as the projection says.
    pub delay: Option<Time>,
}

/// One edge of a projection.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Edge {
    /// Index in the spiking group.
    pub source: u32,
    /// Index in the receiving population.
    pub target: u32,
    /// Pulses per spike.
    pub weight: f64,
    /// From a spike to its arrival.
    pub delay: Time,
}

/// Edges in a row of a rule that has neither a source nor a target of its own for each row.
const ROW: u64 = 1024;

impl Connection {
    /// The number of edges from `from_size` to `to_size` neurons: exact for rules that fix it, the
    /// mean for [`Rule::FixedProbability`].
    #[must_use]
    pub fn edges(&self, from_size: u64, to_size: u64) -> u128 {
        let (from, to) = (self.from_neurons.len(from_size), self.to_neurons.len(to_size));
        let pairs = |own: bool| self.possible_edges(from_size, to_size, own);
        match &self.rule {
            Rule::OneToOne => u128::from(from),
            Rule::AllToAll { self_connections } => pairs(*self_connections),
            Rule::FixedProbability { p, self_connections } => {
                (pairs(*self_connections) as f64 * p).ceil() as u128
            }
            Rule::FixedInDegree { k, .. } => u128::from(to) * u128::from(*k),
            Rule::FixedOutDegree { k, .. } => u128::from(from) * u128::from(*k),
            Rule::FixedTotal { n, .. } => u128::from(*n),
            Rule::List(edges) | Rule::File(_, edges) => edges.len() as u128,
        }
    }

    /// The number of different edges that the rule can draw.
    #[must_use]
    pub fn possible_edges(&self, from_size: u64, to_size: u64, self_connections: bool) -> u128 {
        let from = Side { selection: &self.from_neurons, len: self.from_neurons.len(from_size) };
        let to = Side { selection: &self.to_neurons, len: self.to_neurons.len(to_size) };
        let all = u128::from(from.len) * u128::from(to.len);
        if self_connections || !self.is_recurrent() {
            return all;
        }
        all - u128::from(from.overlap(&to))
    }

    /// Whether a population is connected to itself.
    #[must_use]
    pub fn is_recurrent(&self) -> bool {
        self.from == GroupId::Population(self.to)
    }

    /// The shortest delay that an edge of this projection can have.
    #[must_use]
    pub fn shortest_delay(&self) -> Time {
        let listed = self.rule.listed().map(|edges| edges.iter().map(|e| e.delay));
        let own = self.delay.shortest();
        match listed {
            Some(delays) => delays.map(|d| d.unwrap_or(own)).min().unwrap_or(own),
            None => own,
        }
    }

    /// The delay of all edges, if they have the same.
    #[must_use]
    pub fn only_delay(&self) -> Option<Time> {
        let own = self.delay.0.only();
        self.rule
            .listed()
            .map_or(own, |edges| own.filter(|_| edges.iter().all(|edge| edge.delay.is_none())))
    }

    /// The weight of all edges, if they have the same.
    #[must_use]
    pub fn only_weight(&self) -> Option<f64> {
        let own = self.weight.law.only().map(|weight| self.weight.round(weight));
        self.rule
            .listed()
            .map_or(own, |edges| own.filter(|_| edges.iter().all(|edge| edge.weight.is_none())))
    }

    /// The largest weight that an edge of this projection can have.
    #[must_use]
    pub fn largest_weight(&self) -> f64 {
        let learnt = self.plasticity.as_ref().map_or(0.0, |rule| rule.largest_weight());
        let own = self.weight.largest().max(learnt);
        let listed = self.rule.listed().map(|edges| edges.iter().map(|e| e.weight));
        listed.map_or(own, |weights| weights.map(|w| w.unwrap_or(own)).fold(learnt, f64::max))
    }

    /// Whether every edge has a whole number of pulses.
    #[must_use]
    pub fn has_whole_weights(&self) -> bool {
        let own = self.weight.is_whole();
        if self.plasticity.is_some() && !self.weight.rounds {
            return false;
        }
        match self.rule.listed() {
            Some(edges) => edges.iter().all(|e| e.weight.map_or(own, |w| w.fract() == 0.0)),
            None => own,
        }
    }
}

/// The edges of a projection, row by row.
pub struct Edges<'a> {
    rule: &'a Rule,
    weight: &'a Weights,
    delay: &'a Delays,
    from: Side<'a>,
    to: Side<'a>,
    is_recurrent: bool,
    pair_key: StreamKey,
    weight_key: StreamKey,
    delay_key: StreamKey,
    dt: Time,
}

impl<'a> Edges<'a> {
    /// Of a projection from `from_size` to `to_size` neurons; drawn delays are rounded to whole
    /// steps of `dt`.
    #[must_use]
    pub fn new(
        connection: &'a Connection,
        seed: u64,
        dt: Time,
        from_size: u64,
        to_size: u64,
    ) -> Edges<'a> {
        let side = |selection: &'a Selection, size| Side { selection, len: selection.len(size) };
        let key = |purpose| StreamKey::new(seed, &[purpose, &connection.name]);
        Edges {
            rule: &connection.rule,
            weight: &connection.weight,
            delay: &connection.delay,
            from: side(&connection.from_neurons, from_size),
            to: side(&connection.to_neurons, to_size),
            is_recurrent: connection.is_recurrent(),
            pair_key: key("edges"),
            weight_key: key("weights"),
            delay_key: key("delays"),
            dt,
        }
    }

    /// The number of rows.
    #[must_use]
    pub fn rows(&self) -> u64 {
        match self.rule {
            Rule::OneToOne => self.from.len.div_ceil(ROW),
            Rule::AllToAll { .. } | Rule::FixedProbability { .. } | Rule::FixedOutDegree { .. } => {
                self.from.len
            }
            Rule::FixedInDegree { .. } => self.to.len,
            // Without repetition each draw depends on those before.
            Rule::FixedTotal { n, pairs } if pairs.multiple_edges => u64::from(*n).div_ceil(ROW),
            Rule::FixedTotal { .. } => 1,
            Rule::List(edges) | Rule::File(_, edges) => (edges.len() as u64).div_ceil(ROW),
        }
    }

    /// Calls `each` with the edges of a row, always in the same order.
    pub fn of_row(&self, row: u64, mut each: impl FnMut(Edge)) {
        let mut weights = self.weight.stream(&self.weight_key, row);
        let mut delays = self.delay.stream(&self.delay_key, row, self.dt);
        if let Some(edges) = self.rule.listed() {
            let block = edges.iter().skip((row * ROW) as usize).take(ROW as usize);
            for &ListedEdge { source, target, weight, delay } in block {
                let (weight, delay) =
                    (weight.unwrap_or_else(&mut weights), delay.unwrap_or_else(&mut delays));
                each(Edge { source, target, weight, delay });
            }
            return;
        }
        self.drawn_pairs(row, true, |source, target| {
            each(Edge { source, target, weight: weights(), delay: delays() });
        });
    }

    /// Calls `each` with source and target of the edges of a row, in an order that means nothing,
    /// which takes half the time of [`Edges::of_row`].
    pub fn pairs_of_row(&self, row: u64, mut each: impl FnMut(u32, u32)) {
        match self.rule.listed() {
            Some(edges) => {
                let block = edges.iter().skip((row * ROW) as usize).take(ROW as usize);
                block.for_each(|edge| each(edge.source, edge.target));
            }
            None => self.drawn_pairs(row, false, each),
        }
    }

    /// Calls `each` with all edges, row after row.
    pub fn for_each(&self, mut each: impl FnMut(Edge)) {
        (0..self.rows()).for_each(|row| self.of_row(row, &mut each));
    }

    /// Calls `each` with source and target of the edges of a row that is drawn.
    fn drawn_pairs(&self, row: u64, ordered: bool, mut each: impl FnMut(u32, u32)) {
        let (from, to) = (&self.from, &self.to);
        let skips_self = |self_connections: bool| self.is_recurrent && !self_connections;
        let block = |len: u64| row * ROW..((row + 1) * ROW).min(len);
        let stream = &mut self.pair_key.stream(row);
        match *self.rule {
            Rule::OneToOne => block(from.len).for_each(|k| each(from.get(k), to.get(k))),
            Rule::AllToAll { self_connections } => {
                let source = from.get(row);
                let targets = to.iter().filter(|t| !(skips_self(self_connections) && *t == source));
                targets.for_each(|target| each(source, target));
            }
            Rule::FixedProbability { p, self_connections } => {
                let source = from.get(row);
                each_success(stream, p, to.len, |at| {
                    let target = to.get(at);
                    if !(skips_self(self_connections) && target == source) {
                        each(source, target);
                    }
                });
            }
            Rule::FixedInDegree { k, pairs } => {
                let target = to.get(row);
                let own = skips_self(pairs.self_connections).then(|| from.position(target));
                draw(stream, k, from.len, own.flatten(), pairs.multiple_edges, ordered, |at| {
                    each(from.get(at), target);
                });
            }
            Rule::FixedOutDegree { k, pairs } => {
                let source = from.get(row);
                let own = skips_self(pairs.self_connections).then(|| to.position(source));
                draw(stream, k, to.len, own.flatten(), pairs.multiple_edges, ordered, |at| {
                    each(source, to.get(at));
                });
            }
            Rule::FixedTotal { n, pairs } => {
                let skips_self = skips_self(pairs.self_connections);
                if pairs.multiple_edges {
                    for _ in block(u64::from(n)) {
                        let (source, target) = loop {
                            let pair = (from.draw(stream), to.draw(stream));
                            if !(skips_self && pair.0 == pair.1) {
                                break pair;
                            }
                        };
                        each(source, target);
                    }
                } else {
                    self.different_pairs(stream, u64::from(n), skips_self, each);
                }
            }
            Rule::List(_) | Rule::File(..) => {}
        }
    }
}

impl Edges<'_> {
    /// Draws `n` different pairs.
    fn different_pairs(
        &self,
        stream: &mut Philox,
        n: u64,
        skips_self: bool,
        mut each: impl FnMut(u32, u32),
    ) {
        let (from, to) = (&self.from, &self.to);
        let own = if skips_self { from.overlap(to) } else { 0 };
        let all = u128::from(from.len) * u128::from(to.len) - u128::from(own);
        if u128::from(n) > all / 2 {
            // Many of them: each pair in turn, with the probability that it is among those left.
            let (mut wanted, mut left) = (u128::from(n), all);
            for source in from.iter() {
                for target in to.iter().filter(|target| !(skips_self && *target == source)) {
                    let unit = open_unit(stream.next_u32(), stream.next_u32());
                    if unit * (left as f64) < wanted as f64 {
                        each(source, target);
                        wanted -= 1;
                    }
                    left -= 1;
                }
            }
            return;
        }
        // Few: drawn again where it was drawn before, less than twice as often as there are edges.
        // The set is only asked whether it holds a pair: its own order plays no part.
        let mut drawn = HashSet::new();
        while (drawn.len() as u64) < n {
            let pair = (from.draw(stream), to.draw(stream));
            if !(skips_self && pair.0 == pair.1) && drawn.insert(pair) {
                each(pair.0, pair.1);
            }
        }
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

    /// Any of them.
    fn draw(&self, stream: &mut Philox) -> u32 {
        self.get(u64::from(stream.bounded(self.len as u32)))
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

/// Draws `k` of `0..n` without `out`, with or without repetition; in ascending order if it matters.
fn draw(
    stream: &mut Philox,
    k: u32,
    n: u64,
    out: Option<u64>,
    repeat: bool,
    ordered: bool,
    mut each: impl FnMut(u64),
) {
    let candidates = (n - u64::from(out.is_some())) as u32;
    if candidates == 0 {
        return;
    }
    let mut each = |at: u32| {
        let at = u64::from(at);
        each(at + u64::from(out.is_some_and(|out| at >= out)));
    };
    if repeat && !ordered {
        return (0..k).for_each(|_| each(stream.bounded(candidates)));
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
    // A set's own order plays no part.
    drawn.sort_unstable();
    drawn.into_iter().for_each(each);
}
