//! The table of edges.
//!
//! Compressed rows: one row per emitter (spike sources first, then neurons), within it one *group*
//! per delay, and eight bytes per edge.
//! What a weight is in fixed point says [`port`](super::port).

use std::ops::Range;

use bevy_ecs::prelude::*;
use rayon::prelude::*;

use super::plasticity::{PlasticEdge, PlasticEdges, firsts};
use super::port::{Port, Ports, fixed_point};
use super::rule::Edges;
use super::{Circuit, FanOut, Neuron, Population, Replicas, SpikeSource};
use crate::backend::Backend;
use crate::bank::{Banks, Slot};
use crate::error::Error;
use crate::scene::{Connection, GroupId, Scene};
use crate::time::Time;

/// Edges that are drawn at a time, so that no list of all edges exists besides the table.
const BATCH: u128 = 1 << 20;
/// Drawing or sorting one.
const NANOSECONDS_OF_AN_EDGE: u64 = 20;

/// An edge as spikes use it.
#[derive(Debug, Clone, Copy)]
pub(super) struct TableEdge {
    pub(super) port: Port,
    /// Pulses in fixed point.
    pub(super) weight: i32,
}

/// An edge while the table is being built; the order of the fields is that of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Draft {
    delay: Time,
    projection: u32,
    port: Port,
    weight: i32,
}

/// Edges of one emitter with one delay.
#[derive(Debug, Clone, Copy)]
struct Group {
    first_edge: u32,
    /// In steps of the grid.
    delay: u64,
}

/// Numbers for everything that spikes: sources, then neurons.
#[derive(Debug)]
pub(super) struct Numbering {
    /// The first of each group, those of sources before populations; then, how many there are.
    firsts: Vec<u32>,
    /// Groups of sources.
    sources: usize,
}

impl Numbering {
    pub(super) fn new(scene: &Scene) -> Numbering {
        let sources = (0..scene.sources.len()).map(GroupId::Source);
        let groups = sources.chain((0..scene.populations.len()).map(GroupId::Population));
        let sizes = groups.map(|group| scene.instances(group));
        let mut firsts = vec![0];
        let mut emitters = 0;
        firsts.extend(sizes.map(|size| {
            emitters += size as u32;
            emitters
        }));
        Numbering { firsts, sources: scene.sources.len() }
    }

    /// The numbers of a group.
    pub(super) fn of(&self, group: GroupId) -> Range<usize> {
        let at = match group {
            GroupId::Source(k) => k,
            GroupId::Population(k) => self.sources + k,
        };
        self.firsts[at] as usize..self.firsts[at + 1] as usize
    }

    /// The number of the first of a group.
    pub(super) fn first(&self, group: GroupId) -> u32 {
        self.of(group).start as u32
    }

    /// How many there are.
    fn emitters(&self) -> usize {
        self.firsts.last().map_or(0, |all| *all as usize)
    }

    /// The number of the first neuron.
    fn first_neuron(&self) -> u32 {
        self.firsts[self.sources]
    }
}

/// The table of edges.
#[derive(Debug)]
pub struct Table {
    /// Groups of emitter e: `first_group[e]..first_group[e + 1]`.
    first_group: Vec<u32>,
    /// One more than there are groups: the last one closes the edges of its predecessor.
    groups: Vec<Group>,
    pub(super) edges: Vec<TableEdge>,
    /// Blocks of all banks.
    pub(super) blocks: usize,
    /// Edges whose weights can change, by projection.
    pub(super) plastic: Vec<PlasticEdges>,
}

/// An edge made by hand, resolved.
struct ManualEdge {
    delay: Time,
    emitter: u32,
    port: Port,
    weight: f64,
}

impl Table {
    /// The table, and the shortest delay of an edge between neurons.
    pub(super) fn build(
        scene: &Scene,
        dt: Time,
        numbering: &Numbering,
        world: &mut World,
        backend: &dyn Backend,
    ) -> Result<(Table, Option<Time>), Error> {
        let manual = manual_edges(world, dt, numbering)?;
        let ports = Ports::new(scene, world);
        let by_hand: Vec<(Port, f64)> = manual.iter().map(|e| (e.port, e.weight)).collect();
        ports.set_exponents(scene, dt, &by_hand, world)?;
        let exponents = ports.exponents(world);
        let fixed_point = |port: Port, weight: f64| fixed_point(weight, exponents.of(port));
        let drafts = |each: &mut dyn FnMut(u32, Draft)| {
            for (index, connection) in scene.connections.iter().enumerate() {
                let first = numbering.first(connection.from);
                let port_of = ports.of(connection);
                let from = Replicas::of(scene, connection.from);
                let to = Replicas::of(scene, GroupId::Population(connection.to));
                // Each replica has the same edges; those of sources, which all share, go to all.
                for replica in 0..to.count {
                    let first = first + if from.count > 1 { replica * from.size } else { 0 };
                    let draft = |edge: super::Edge| {
                        let port = port_of(replica * to.size + edge.target);
                        let weight = fixed_point(port, edge.weight);
                        let (projection, delay) = (index as u32, edge.delay);
                        (first + edge.source, Draft { delay, projection, port, weight })
                    };
                    in_batches(scene, connection, backend, draft, each);
                }
            }
            for edge in &manual {
                let weight = fixed_point(edge.port, edge.weight);
                let delay = edge.delay;
                let projection = u32::MAX;
                each(edge.emitter, Draft { delay, projection, port: edge.port, weight });
            }
        };

        // Two passes: count, then fill.
        let mut first_edge = vec![0_u64; numbering.emitters() + 1];
        drafts(&mut |emitter, _| first_edge[emitter as usize + 1] += 1);
        for e in 0..numbering.emitters() {
            first_edge[e + 1] += first_edge[e];
        }
        let total = first_edge[numbering.emitters()];
        if u32::try_from(total).is_err() {
            return Err(Error::Limit {
                message: format!("the scene has {total} edges, more than 2^32"),
                help: "reduce the connection probability or the sizes".into(),
            });
        }
        let none = Draft { delay: Time::ZERO, projection: 0, port: Port::default(), weight: 0 };
        let mut filled = vec![none; total as usize];
        let mut next = first_edge.clone();
        drafts(&mut |emitter, draft| {
            let at = &mut next[emitter as usize];
            filled[*at as usize] = draft;
            *at += 1;
        });
        // The row of each emitter in the order of the table: by delay first.
        let mut rows: Vec<&mut [Draft]> = Vec::with_capacity(numbering.emitters());
        let mut rest = &mut filled[..];
        for e in 0..numbering.emitters() {
            let (row, after) = rest.split_at_mut((first_edge[e + 1] - first_edge[e]) as usize);
            rows.push(row);
            rest = after;
        }
        match backend.pool(NANOSECONDS_OF_AN_EDGE * total) {
            Some(pool) => pool.install(|| rows.par_iter_mut().for_each(|row| row.sort_unstable())),
            None => rows.iter_mut().for_each(|row| row.sort_unstable()),
        }

        let mut first_group = Vec::with_capacity(numbering.emitters() + 1);
        let mut groups = Vec::new();
        for e in 0..numbering.emitters() {
            first_group.push(groups.len() as u32);
            let mut last = None;
            for at in first_edge[e]..first_edge[e + 1] {
                let delay = filled[at as usize].delay;
                if last != Some(delay) {
                    groups.push(Group { first_edge: at as u32, delay: delay.whole(dt) });
                    last = Some(delay);
                }
            }
        }
        first_group.push(groups.len() as u32);
        groups.push(Group { first_edge: total as u32, delay: 0 });
        let edge = |draft: Draft| TableEdge { port: draft.port, weight: draft.weight };
        let edges = filled.iter().map(|draft| edge(*draft)).collect();

        let between = scene.connections.iter().filter(|c| matches!(c.from, GroupId::Population(_)));
        let first_neuron = numbering.first_neuron();
        let by_hand = manual.iter().filter(|e| e.emitter >= first_neuron).map(|e| e.delay);
        let shortest = between.map(Connection::shortest_delay).chain(by_hand).min();
        let plastic = scene.connections.iter().enumerate();
        let plastic = plastic.filter_map(|(projection, connection)| {
            let rule = connection.plasticity.as_ref()?;
            let port_of = ports.of(connection);
            let is_own = |draft: &Draft| draft.projection == projection as u32;
            let first = port_of(0);
            let own = (0..).zip(numbering.of(connection.from)).flat_map(|(source, emitter)| {
                let row = first_edge[emitter]..first_edge[emitter + 1];
                row.map(move |place| (source, place as usize))
            });
            let edges = own.filter(|(_, place)| is_own(&filled[*place])).map(|(source, place)| {
                let Draft { port, delay, .. } = filled[place];
                PlasticEdge { source, target: port.after(first), delay, place: place as u32 }
            });
            let edges: Vec<PlasticEdge> = edges.collect();
            let mut by_target: Vec<u32> = (0..edges.len() as u32).collect();
            by_target.sort_by_key(|edge| edges[*edge as usize].target);
            let from_size = scene.instances(connection.from);
            let to_size = scene.instances(GroupId::Population(connection.to));
            let exponent = exponents.of(first);
            let weight = |edge: &PlasticEdge| {
                f64::from(filled[edge.place as usize].weight) * 2.0_f64.powi(-exponent)
            };
            Some(PlasticEdges {
                projection,
                weights: edges.iter().map(weight).collect(),
                first_of_source: firsts(from_size, edges.iter().map(|e| e.source)),
                first_of_target: firsts(to_size, edges.iter().map(|e| e.target)),
                by_target,
                edges,
                exponent,
                largest: rule.largest_weight(),
                rounds: connection.weight.rounds,
            })
        });
        let plastic = plastic.collect();
        let table = Table { first_group, groups, edges, blocks: ports.blocks, plastic };
        Ok((table, shortest))
    }

    /// The edges of a plastic projection with the weights that they have now.
    pub(super) fn learnt(&self, projection: usize) -> Option<Vec<super::Edge>> {
        let plastic = self.plastic.iter().find(|p| p.projection == projection)?;
        let edge = |(e, weight): (&PlasticEdge, &f64)| super::Edge {
            source: e.source,
            target: e.target,
            weight: *weight,
            delay: e.delay,
        };
        Some(plastic.edges.iter().zip(&plastic.weights).map(edge).collect())
    }

    /// Whether any of these emitters has edges.
    pub(super) fn has_edges(&self, emitters: Range<usize>) -> bool {
        self.first_group[emitters.start] < self.first_group[emitters.end]
    }

    /// The groups of an emitter.
    pub(super) fn groups_of(&self, emitter: usize) -> Range<u32> {
        self.first_group[emitter]..self.first_group[emitter + 1]
    }

    /// The delay of a group, in steps of the grid.
    pub(super) fn delay_steps(&self, group: u32) -> u64 {
        self.groups[group as usize].delay
    }

    /// The edges of a group.
    pub(super) fn edges_of(&self, group: u32) -> &[TableEdge] {
        let [from, to] = [group, group + 1].map(|g| self.groups[g as usize].first_edge as usize);
        &self.edges[from..to]
    }
}

/// Draws the edges of a projection, many rows at a time in parallel, and hands them over in order.
fn in_batches(
    scene: &Scene,
    connection: &Connection,
    backend: &dyn Backend,
    draft: impl Fn(super::Edge) -> (u32, Draft) + Sync,
    each: &mut dyn FnMut(u32, Draft),
) {
    let edges: Edges = scene.edges(connection);
    let (from_size, to_size) = scene.sizes(connection);
    let total = connection.edges(from_size, to_size);
    let work = total.saturating_mul(u128::from(NANOSECONDS_OF_AN_EDGE));
    let pool = backend.pool(u64::try_from(work).unwrap_or(u64::MAX)).filter(|_| total > 0);
    let Some(pool) = pool else {
        return edges.for_each(|edge| {
            let (emitter, draft) = draft(edge);
            each(emitter, draft);
        });
    };
    let rows = edges.rows();
    let per_batch = (u128::from(rows) * BATCH / total).clamp(1, u128::from(rows)) as u64;
    let row = |row: u64| {
        let mut drafts = Vec::new();
        edges.of_row(row, |edge| drafts.push(draft(edge)));
        drafts
    };
    for first in (0..rows).step_by(per_batch as usize) {
        let batch = first..(first + per_batch).min(rows);
        let drawn: Vec<Vec<(u32, Draft)>> =
            pool.install(|| batch.into_par_iter().map(row).collect());
        drawn.into_iter().flatten().for_each(|(emitter, draft)| each(emitter, draft));
    }
}

/// Collects the [`FanOut`]s of the world in an order that does not depend on it.
fn manual_edges(
    world: &mut World,
    dt: Time,
    numbering: &Numbering,
) -> Result<Vec<ManualEdge>, Error> {
    let mut fan_outs = world.query::<(&FanOut, Option<&Neuron>, Option<&SpikeSource>)>();
    let mut circuits = world.query::<(&Circuit, &Slot)>();
    let mut populations = world.query::<&Population>();
    let mut first_block = Vec::new();
    let mut blocks = 0;
    for bank in &world.resource::<Banks>().0 {
        first_block.push(blocks);
        blocks += bank.blocks() as u32;
    }
    let mut edges = Vec::new();
    for (fan_out, neuron, source) in fan_outs.iter(world) {
        let emitter = match (neuron, source) {
            (Some(neuron), _) => {
                let population = populations.get(world, neuron.population);
                let population = population.map_err(|e| Error::Connection(e.to_string()))?;
                numbering.first(GroupId::Population(population.index)) + neuron.index
            }
            (None, Some(source)) => {
                numbering.first(GroupId::Source(source.group_index)) + source.index
            }
            (None, None) => {
                return Err(Error::Connection(
                    "a FanOut belongs on a neuron or a spike source".into(),
                ));
            }
        };
        for edge in &fan_out.0 {
            let (circuit, slot) = circuits.get(world, edge.circuit).map_err(|_| {
                Error::Connection(format!("the edge ends at {}, no synapse circuit", edge.circuit))
            })?;
            let bank = &world.resource::<Banks>().0[slot.bank as usize];
            let Some(receptor) = bank.layout.receptor(circuit.receptor) else {
                let name = circuit.receptor.name();
                return Err(Error::Connection(format!("no connection can end at {name}")));
            };
            let population = world
                .get::<Neuron>(circuit.neuron)
                .and_then(|neuron| world.get::<Population>(neuron.population));
            let rounds = population.is_some_and(|p| p.model.0.rounds_weights());
            let weight = if rounds { edge.weight.round_ties_even() } else { edge.weight };
            if !(0.0..=super::MAX_WEIGHT).contains(&weight) {
                let range = format!("0 to {}", super::MAX_WEIGHT);
                return Err(Error::Connection(format!(
                    "the weight {weight} is not within {range}"
                )));
            }
            let delay = edge.delay;
            let longest = super::longest_delay(dt);
            if !delay.is_multiple_of(dt) || delay > longest {
                return Err(Error::Connection(format!(
                    "the delay {delay} s is no multiple of the step dt = {dt} s up to {longest} s"
                )));
            }
            edges.push(ManualEdge {
                delay: edge.delay,
                emitter,
                port: Port::new(first_block[slot.bank as usize], slot.index, receptor),
                weight,
            });
        }
    }
    edges.sort_by(|a, b| {
        (a.delay, a.emitter, a.port)
            .cmp(&(b.delay, b.emitter, b.port))
            .then(a.weight.total_cmp(&b.weight))
    });
    Ok(edges)
}
