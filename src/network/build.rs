//! Building the table of edges: count the edges of each emitter, then draw them again into their
//! places, so that there is one copy of them.

use std::collections::BTreeSet;

use bevy_ecs::prelude::*;

use super::by_emitter::{Buckets, Lists, hand_out};
use super::plasticity::{PlasticEdge, PlasticEdges, firsts};
use super::port::{Exponents, Port, Ports, fixed_point};
use super::table::{Group, Numbering, Table, TableEdge, TableEdges};
use super::{Circuit, Edge, FanOut, Neuron, Population, Replicas, SpikeSource};
use crate::backend::Backend;
use crate::bank::{Banks, Slot};
use crate::error::Error;
use crate::scene::{Connection, GroupId, Scene};
use crate::threads::{Pool, each};
use crate::time::Time;

/// Drawing one and finding its place.
const NANOSECONDS_OF_AN_EDGE: u64 = 20;

/// An edge made by hand, resolved.
struct ManualEdge {
    delay: Time,
    emitter: u32,
    port: Port,
    weight: f64,
    /// The power of two that one pulse has.
    exponent: i32,
}

/// An edge on its way into the table, ordered as it is in its row there.
trait Draft: Copy + Default + Ord + Send + Sync {
    /// Of a projection with this mark (0: its weights cannot change).
    fn new(delay: Time, mark: u32, edge: TableEdge) -> Self;
}

/// Where all edges have the same delay, and the same weight, which does not change, a row is ordered by port.
impl Draft for Port {
    fn new(_: Time, _: u32, edge: TableEdge) -> Port {
        edge.port
    }
}

/// The same where weights differ.
impl Draft for TableEdge {
    fn new(_: Time, _: u32, edge: TableEdge) -> TableEdge {
        edge
    }
}

/// Otherwise a row is ordered by delay first. Plastic projections have a mark (0: none).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct MarkedEdge {
    delay: Time,
    edge: TableEdge,
    mark: u32,
}

impl Draft for MarkedEdge {
    fn new(delay: Time, mark: u32, edge: TableEdge) -> MarkedEdge {
        MarkedEdge { delay, edge, mark }
    }
}

/// The table, and the shortest delay of an edge between neurons. Edges are drawn by the threads of the
/// back end.
pub(super) fn table(
    scene: &Scene,
    dt: Time,
    numbering: &Numbering,
    world: &mut World,
    backend: &dyn Backend,
) -> Result<(Table, Option<Time>), Error> {
    let ports = Ports::new(scene, world);
    let mut manual = manual_edges(world, dt, numbering, &ports)?;
    let by_hand: Vec<(Port, f64)> = manual.iter().map(|e| (e.port, e.weight)).collect();
    ports.set_exponents(scene, dt, &by_hand, world)?;
    let exponents = ports.exponents(world);
    for edge in &mut manual {
        let banks = &world.resource::<Banks>().0;
        edge.exponent = ports.exponent_at(edge.port, banks, &exponents);
    }
    let buckets = Buckets::new(numbering.emitters());
    let drawing = Drawing { scene, numbering, backend, ports, exponents, manual, buckets };
    let first_edge = drawing.first_edges()?;

    let connections = &scene.connections;
    let plastic = connections.iter().filter(|c| c.plasticity.is_some()).count();
    let delays = connections.iter().map(Connection::only_delay);
    let delays: BTreeSet<Option<Time>> =
        delays.chain(drawing.manual.iter().map(|e| Some(e.delay))).collect();
    let fixed = |connection: &Connection| {
        let exponent = drawing.ports.exponent(connection, &drawing.exponents);
        connection.only_weight().map(|weight| fixed_point(weight, exponent))
    };
    let by_hand = drawing.manual.iter().map(|e| Some(fixed_point(e.weight, e.exponent)));
    let weights: BTreeSet<Option<i32>> = connections.iter().map(fixed).chain(by_hand).collect();
    let is_alike = plastic == 0 && weights.len() == 1;
    let only_weight = weights.into_iter().flatten().next().filter(|_| is_alike);
    let mut table = Table { rows: drawing.ports.rows().clone(), ..Table::default() };
    if plastic == 0 && delays.len() < 2 && !delays.contains(&None) {
        let delay = delays.into_iter().flatten().next().unwrap_or(Time::ZERO);
        table.edges = match only_weight {
            Some(weight) => TableEdges::Alike(drawing.rows(&first_edge), weight),
            None => TableEdges::Weighted(drawing.rows(&first_edge)),
        };
        table.set_groups(&first_edge, |_| delay.whole(dt));
    } else {
        let drafts: Vec<MarkedEdge> = drawing.rows(&first_edge);
        table.set_groups(&first_edge, |place| drafts[place].delay.whole(dt));
        table.plastic = drawing.plastic(&first_edge, &drafts);
        let edges = drafts.into_iter().map(|draft| draft.edge);
        table.edges = match only_weight {
            Some(weight) => TableEdges::Alike(edges.map(|edge| edge.port).collect(), weight),
            None => TableEdges::Weighted(edges.collect()),
        };
    }

    let between = connections.iter().filter(|c| matches!(c.from, GroupId::Population(_)));
    let first_neuron = numbering.first_neuron();
    let by_hand = drawing.manual.iter().filter(|e| e.emitter >= first_neuron).map(|e| e.delay);
    let shortest = between.map(Connection::shortest_delay).chain(by_hand).min();
    Ok((table, shortest))
}

impl Table {
    /// Groups of edges with the same delay (in steps), which the place of an edge tells.
    fn set_groups(&mut self, first_edge: &[u32], delay: impl Fn(usize) -> u64) {
        self.first_group.reserve_exact(first_edge.len());
        for row in first_edge.windows(2) {
            self.first_group.push(self.groups.len() as u32);
            let mut last = None;
            for at in row[0]..row[1] {
                let delay = delay(at as usize);
                if last != Some(delay) {
                    self.groups.push(Group { first_edge: at, delay });
                    last = Some(delay);
                }
            }
        }
        self.first_group.push(self.groups.len() as u32);
        let total = first_edge.last().copied().unwrap_or(0);
        self.groups.push(Group { first_edge: total, delay: 0 });
    }
}

/// What edges are drawn with.
struct Drawing<'a> {
    scene: &'a Scene,
    numbering: &'a Numbering,
    backend: &'a dyn Backend,
    ports: Ports,
    exponents: Exponents,
    manual: Vec<ManualEdge>,
    buckets: Buckets,
}

/// The replicas of a projection: each has the same edges, and those of sources, which all share, go to
/// all.
#[derive(Clone, Copy)]
struct OwnEdges {
    count: u32,
    /// The first emitter, and from one replica to the next.
    first: u32,
    stride: u32,
    targets: u32,
}

impl OwnEdges {
    /// Calls `each` with the first emitter and the first target of each replica.
    #[inline]
    fn each(self, mut each: impl FnMut(u32, u32)) {
        (0..self.count).for_each(|k| each(self.first + k * self.stride, k * self.targets));
    }
}

impl Drawing<'_> {
    fn replicas(&self, connection: &Connection) -> OwnEdges {
        let from = Replicas::of(self.scene, connection.from);
        let to = Replicas::of(self.scene, GroupId::Population(connection.to));
        OwnEdges {
            count: to.count,
            first: self.numbering.first(connection.from),
            stride: if from.count > 1 { from.size } else { 0 },
            targets: to.size,
        }
    }

    /// Edges of a projection in all replicas.
    fn edges(&self, connection: &Connection) -> u128 {
        let (from_size, to_size) = self.scene.sizes(connection);
        let replicas = u128::from(self.replicas(connection).count);
        connection.edges(from_size, to_size).saturating_mul(replicas)
    }

    /// The threads for so many edges.
    fn pool(&self, edges: u128) -> Option<&Pool> {
        let work = edges.saturating_mul(u128::from(NANOSECONDS_OF_AN_EDGE));
        self.backend.pool(u64::try_from(work).unwrap_or(u64::MAX))
    }

    /// The place of the first edge of each emitter, and of the end.
    fn first_edges(&self) -> Result<Vec<u32>, Error> {
        let expected = self.scene.connections.iter().map(|c| self.edges(c));
        let too_many = |edges: u128| Error::Limit {
            message: format!("the scene has {edges} edges, more than 2^32"),
            help: "reduce the connection probability or the sizes".into(),
        };
        let expected = expected.fold(self.manual.len() as u128, u128::saturating_add);
        // (Where the number is a mean: far above the limit.)
        if expected > 1 << 33 {
            return Err(too_many(expected));
        }
        let mut counts = vec![0_u32; self.numbering.emitters() + 1];
        let mut rest = &mut counts[1..];
        let mut of_bucket = Vec::new();
        for range in self.buckets.ranges() {
            let (own, after) = rest.split_at_mut(range.len());
            of_bucket.push((range.start, own));
            rest = after;
        }
        for connection in &self.scene.connections {
            let edges = self.scene.edges(connection);
            let replicas = self.replicas(connection);
            let total = self.edges(connection);
            let draw = |row, lists: &mut Lists<()>| {
                edges.pairs_of_row(row, |source, _| {
                    replicas.each(|first, _| lists.push(first + source, ()));
                });
            };
            let pool = self.pool(total);
            let take = |(first, counts): &mut (usize, &mut [u32]), edges: &[(u32, ())]| {
                edges.iter().for_each(|(emitter, ())| counts[*emitter as usize - *first] += 1);
            };
            hand_out(edges.rows(), total, &self.buckets, pool, draw, &mut of_bucket, take);
        }
        self.manual.iter().for_each(|edge| counts[edge.emitter as usize + 1] += 1);
        let mut total = 0;
        for count in &mut counts {
            total += u64::from(*count);
            *count = u32::try_from(total).unwrap_or(u32::MAX);
        }
        if u32::try_from(total).is_err() {
            return Err(too_many(u128::from(total)));
        }
        Ok(counts)
    }

    /// All edges, row after row.
    fn rows<D: Draft>(&self, first_edge: &[u32]) -> Vec<D> {
        struct Bucket<'a, D> {
            /// Its first emitter.
            first: usize,
            /// For each of its emitters, where in `edges` the next edge belongs.
            next: Vec<u32>,
            edges: &'a mut [D],
        }
        let total = first_edge.last().copied().unwrap_or(0);
        let mut edges = vec![D::default(); total as usize];
        let mut rest = &mut edges[..];
        let mut of_bucket = Vec::new();
        for range in self.buckets.ranges() {
            let start = first_edge[range.start];
            let (own, after) = rest.split_at_mut((first_edge[range.end] - start) as usize);
            let next = first_edge[range.clone()].iter().map(|place| place - start).collect();
            of_bucket.push(Bucket { first: range.start, next, edges: own });
            rest = after;
        }
        let take = |bucket: &mut Bucket<D>, edges: &[(u32, D)]| {
            for (emitter, edge) in edges {
                let place = &mut bucket.next[*emitter as usize - bucket.first];
                bucket.edges[*place as usize] = *edge;
                *place += 1;
            }
        };
        let mut mark = 0;
        for connection in &self.scene.connections {
            let own_mark = if connection.plasticity.is_some() {
                mark += 1;
                mark
            } else {
                0
            };
            let edges = self.scene.edges(connection);
            let replicas = self.replicas(connection);
            let port_of = self.ports.of(connection);
            let exponent = self.ports.exponent(connection, &self.exponents);
            let total = self.edges(connection);
            let pool = self.pool(total);
            let place = |edge: Edge, weight: i32, lists: &mut Lists<D>| {
                replicas.each(|first, first_target| {
                    let port = port_of(first_target + edge.target);
                    let draft = D::new(edge.delay, own_mark, TableEdge { port, weight });
                    lists.push(first + edge.source, draft);
                });
            };
            let rows = edges.rows();
            match connection.only_weight().zip(connection.only_delay()) {
                Some((weight, delay)) => {
                    let fixed = fixed_point(weight, exponent);
                    let draw = |row, lists: &mut Lists<D>| {
                        edges.pairs_of_row(row, |source, target| {
                            place(Edge { source, target, weight, delay }, fixed, lists);
                        });
                    };
                    hand_out(rows, total, &self.buckets, pool, draw, &mut of_bucket, take);
                }
                None => {
                    let draw = |row, lists: &mut Lists<D>| {
                        edges.of_row(row, |edge| {
                            place(edge, fixed_point(edge.weight, exponent), lists);
                        });
                    };
                    hand_out(rows, total, &self.buckets, pool, draw, &mut of_bucket, take);
                }
            }
        }
        let draw = |_, lists: &mut Lists<D>| {
            for edge in &self.manual {
                let weight = fixed_point(edge.weight, edge.exponent);
                let table_edge = TableEdge { port: edge.port, weight };
                lists.push(edge.emitter, D::new(edge.delay, 0, table_edge));
            }
        };
        let manual = self.manual.len() as u128;
        hand_out(1, manual, &self.buckets, None, draw, &mut of_bucket, take);
        // (Rules draw the edges of a projection in this order; of several projections they may not be.)
        each(self.pool(u128::from(total)), &mut of_bucket, |_, bucket| {
            // Where the next edge would belong, the row ends.
            let mut start = 0;
            for end in &bucket.next {
                let row = &mut bucket.edges[start as usize..*end as usize];
                if !row.is_sorted() {
                    row.sort_unstable();
                }
                start = *end;
            }
        });
        edges
    }

    /// The edges of each plastic projection.
    fn plastic(&self, first_edge: &[u32], drafts: &[MarkedEdge]) -> Vec<PlasticEdges> {
        let connections = self.scene.connections.iter().enumerate();
        let rules = connections.filter_map(|(k, c)| Some((k, c, c.plasticity.as_ref()?)));
        let plastic = (1..).zip(rules).map(|(mark, (projection, connection, rule))| {
            let own =
                (0..).zip(self.numbering.of(connection.from)).flat_map(|(source, emitter)| {
                    let row = first_edge[emitter]..first_edge[emitter + 1];
                    row.map(move |place| (source, place))
                });
            let own = own.filter(|(_, place)| drafts[*place as usize].mark == mark);
            let edge = |(source, place)| {
                let MarkedEdge { delay, edge, .. } = drafts[place as usize];
                let target = self.ports.target(connection, edge.port);
                PlasticEdge { source, target, delay, place }
            };
            let edges: Vec<PlasticEdge> = own.map(edge).collect();
            let mut by_target: Vec<u32> = (0..edges.len() as u32).collect();
            by_target.sort_by_key(|edge| edges[*edge as usize].target);
            let from_size = self.scene.instances(connection.from);
            let to_size = self.scene.instances(GroupId::Population(connection.to));
            let exponent = self.ports.exponent(connection, &self.exponents);
            let weight = |edge: &PlasticEdge| {
                f64::from(drafts[edge.place as usize].edge.weight) * 2.0_f64.powi(-exponent)
            };
            PlasticEdges {
                projection,
                weights: edges.iter().map(weight).collect(),
                first_of_source: firsts(from_size, edges.iter().map(|e| e.source)),
                first_of_target: firsts(to_size, edges.iter().map(|e| e.target)),
                by_target,
                edges,
                exponent,
                largest: rule.largest_weight(),
                rounds: connection.weight.rounds,
            }
        });
        plastic.collect()
    }
}

/// Collects the [`FanOut`]s of the world in an order that does not depend on it.
fn manual_edges(
    world: &mut World,
    dt: Time,
    numbering: &Numbering,
    ports: &Ports,
) -> Result<Vec<ManualEdge>, Error> {
    let mut fan_outs = world.query::<(&FanOut, Option<&Neuron>, Option<&SpikeSource>)>();
    let mut circuits = world.query::<(&Circuit, &Slot)>();
    let mut populations = world.query::<&Population>();
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
                port: ports.port(slot.bank as usize, slot.index, receptor),
                weight,
                exponent: 0,
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
