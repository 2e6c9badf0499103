//! The router: from spikes to the inboxes of banks.
//!
//! Edges are a table in compressed rows: one row per emitter, within it one *group* per delay, and
//! eight bytes per edge. A spike is put into the calendar once per group, at the window in which
//! the group's edges arrive; the fan-out happens when that window is delivered.
//!
//! Pulses are summed as integers, so a sum does not depend on the order of its parts, and with it
//! no result on threads or back ends. Whole weights are summed as they are. Where a receptor of a
//! population has other weights, one pulse of weight 1 is 2^e, with e chosen such that 32 times all
//! its edges at once stay within 31 bits; such a weight is exact to 2^−(e+1).

use std::collections::VecDeque;

use bevy_ecs::prelude::*;

use super::{Circuit, FanOut, Neuron, Population, SpikeSource, WindowSpikes};
use crate::bank::{Banks, LANES, Slot};
use crate::circuit::Receptor;
use crate::error::Error;
use crate::scene::{Connection, GroupId, Scene};
use crate::schedule::Window;
use crate::solver::kernel::TILE_STEPS;
use crate::time::Time;

/// The inbox of a window has room for each tile of its steps; a longer window would gain nothing.
const MOST_WINDOW_STEPS: u64 = 1 << 14;

/// Steps of the longest window that a scene allows, whatever its delays.
#[must_use]
pub fn longest_window(scene: &Scene, dt: Time) -> u64 {
    scene.window.steps(dt).clamp(1, MOST_WINDOW_STEPS)
}

/// A port is where an edge ends: `(block, lane, receptor)` in one number, blocks counted over all
/// banks.
const RECEPTOR_BITS: u32 = 3;
const LANE_BITS: u32 = LANES.trailing_zeros();
/// The sum of 32 times all edges of a circuit stays below 2³¹.
const SUM_BITS: i32 = 26;
/// Finer than single precision needs.
const MOST_FRACTION_BITS: i32 = 24;

/// The port of a circuit, `first_block` being the first block of its bank.
fn port(first_block: u32, slot: u32, receptor: usize) -> u32 {
    (first_block << (LANE_BITS + RECEPTOR_BITS)) + (slot << RECEPTOR_BITS) + receptor as u32
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Edge {
    port: u32,
    /// Pulses in fixed point.
    weight: i32,
}

/// Edges of one emitter with one delay.
#[derive(Debug, Clone, Copy)]
struct Group {
    first_edge: u32,
    delay_steps: u64,
}

/// A group of edges whose spike arrives at a step.
#[derive(Debug, Clone, Copy)]
struct Due {
    group: u32,
    step: u64,
}

/// A pulse on its way into a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// Pulses in fixed point.
    pub weight: i32,
    /// The step, from the start of the tile.
    pub step: u8,
    /// The lane of the block.
    pub lane: u8,
    /// The receptor, as the kernel counts them.
    pub receptor: u8,
}

/// The arrivals of a window, sorted into blocks and tiles of [`TILE_STEPS`] steps. Within one their
/// order means nothing.
#[derive(Resource, Debug, Default)]
pub struct Inbox {
    tiles: usize,
    arrivals: Vec<Vec<Arrival>>,
}

impl Inbox {
    /// The arrivals of a block (counted over all banks), one list for each tile.
    #[must_use]
    pub fn of_block(&self, block: usize) -> &[Vec<Arrival>] {
        &self.arrivals[block * self.tiles..(block + 1) * self.tiles]
    }

    fn reset(&mut self, blocks: usize, steps: u64) {
        self.arrivals.iter_mut().for_each(Vec::clear);
        self.tiles = (steps as usize).div_ceil(TILE_STEPS).max(1);
        self.arrivals.resize_with(blocks * self.tiles, Vec::new);
    }
}

/// The table of edges and the calendar of arrivals.
#[derive(Resource, Debug)]
pub struct Router {
    dt: Time,
    window_steps: u64,
    total_steps: u64,
    /// Emitter number of the first neuron of each group.
    first_source: Vec<u32>,
    first_neuron: Vec<u32>,
    /// Groups of emitter e: `first_group[e]..first_group[e + 1]`.
    first_group: Vec<u32>,
    /// One more than there are groups: the last one closes the edges of its predecessor.
    groups: Vec<Group>,
    edges: Vec<Edge>,
    blocks: usize,
    /// Arrivals by window, from window `calendar_start` on.
    calendar: VecDeque<Vec<Due>>,
    calendar_start: u64,
}

/// An edge made by hand, resolved.
struct ManualEdge {
    delay: Time,
    emitter: u32,
    port: u32,
    weight: f64,
}

impl Router {
    /// Builds the table from the scene's projections and the world's [`FanOut`]s, and decides the
    /// fixed-point exponents of all banks.
    ///
    /// # Errors
    /// [`Error::Limit`] for more than 2³² edges, [`Error::Connection`] for impossible hand-made
    /// edges.
    pub fn build(scene: &Scene, dt: Time, world: &mut World) -> Result<Router, Error> {
        let (mut first_source, mut first_neuron) = (Vec::new(), Vec::new());
        let mut emitters = 0_u64;
        for (sizes, firsts) in [
            (scene.sources.values().map(|s| s.size).collect::<Vec<_>>(), &mut first_source),
            (scene.populations.values().map(|p| p.size).collect(), &mut first_neuron),
        ] {
            for size in sizes {
                firsts.push(emitters as u32);
                emitters += size;
            }
        }
        let emitters = emitters as usize;
        let first_emitter = |group: GroupId| match group {
            GroupId::Source(k) => first_source[k],
            GroupId::Population(k) => first_neuron[k],
        };
        let manual = manual_edges(world, dt, &first_emitter)?;
        let ports = Ports::new(scene, world);
        ports.set_exponents(scene, &manual, world);

        // Everything in order of delay, so that an emitter's groups come out in that order.
        let steps = |delay: Time| delay.steps(dt);
        let mut delays: Vec<u64> = scene.connections.iter().map(|c| steps(c.delay)).collect();
        delays.extend(manual.iter().map(|e| steps(e.delay)));
        delays.sort_unstable();
        delays.dedup();
        let exponents = ports.exponents(world);
        let each_edge = |delay: u64, edge: &mut dyn FnMut(u32, u32, f64)| {
            for connection in scene.connections.iter().filter(|c| steps(c.delay) == delay) {
                let first = first_emitter(connection.from);
                let port_of = ports.of(connection);
                scene.for_each_edge(connection, |from, to| {
                    edge(first + from, port_of(to), connection.weight);
                });
            }
            for e in manual.iter().filter(|e| steps(e.delay) == delay) {
                edge(e.emitter, e.port, e.weight);
            }
        };
        // Two passes: count, then fill. No list of edges exists besides the table itself.
        let mut edge_count = vec![0_u64; emitters + 1];
        let mut group_count = vec![0_u32; emitters + 1];
        for &delay in &delays {
            let mut seen = vec![false; emitters];
            each_edge(delay, &mut |emitter, _, _| {
                edge_count[emitter as usize + 1] += 1;
                let first = !std::mem::replace(&mut seen[emitter as usize], true);
                group_count[emitter as usize + 1] += u32::from(first);
            });
        }
        for e in 0..emitters {
            edge_count[e + 1] += edge_count[e];
            group_count[e + 1] += group_count[e];
        }
        let total = edge_count[emitters];
        if u32::try_from(total).is_err() {
            return Err(Error::Limit {
                message: format!("the scene has {total} edges, more than 2^32"),
                help: "reduce the connection probability or the sizes".into(),
            });
        }
        let (mut next_edge, mut next_group) = (edge_count.clone(), group_count.clone());
        let mut edges = vec![Edge { port: 0, weight: 0 }; total as usize];
        let mut groups = vec![
            Group { first_edge: total as u32, delay_steps: 0 };
            group_count[emitters] as usize + 1
        ];
        for &delay in &delays {
            let mut seen = vec![false; emitters];
            each_edge(delay, &mut |emitter, port, weight| {
                let e = emitter as usize;
                if !std::mem::replace(&mut seen[e], true) {
                    let first_edge = next_edge[e] as u32;
                    groups[next_group[e] as usize] = Group { first_edge, delay_steps: delay };
                    next_group[e] += 1;
                }
                let exponent = exponents[port as usize >> (LANE_BITS + RECEPTOR_BITS)]
                    .of(port >> RECEPTOR_BITS, port & ((1 << RECEPTOR_BITS) - 1));
                let weight = (weight * 2.0_f64.powi(exponent)).round_ties_even() as i32;
                edges[next_edge[e] as usize] = Edge { port, weight };
                next_edge[e] += 1;
            });
        }

        // A spike found in the first step of a window arrives `delay` steps after the next one.
        let recurrent =
            scene.connections.iter().filter(|c| matches!(c.from, GroupId::Population(_)));
        let neurons_from = first_neuron.first().copied().unwrap_or(u32::MAX);
        let shortest = recurrent
            .map(|c| c.delay)
            .chain(manual.iter().filter(|e| e.emitter >= neurons_from).map(|e| e.delay))
            .min();
        let longest = longest_window(scene, dt);
        let window_steps = shortest.map_or(longest, |d| longest.min(d.steps(dt) + 1));
        Ok(Router {
            dt,
            window_steps,
            total_steps: scene.duration.steps(dt),
            first_source,
            first_neuron,
            first_group: group_count,
            groups,
            edges,
            blocks: ports.blocks,
            calendar: VecDeque::new(),
            calendar_start: 0,
        })
    }

    /// Steps of a full window: no spike fired in it can arrive in it.
    #[must_use]
    pub fn window_steps(&self) -> u64 {
        self.window_steps
    }

    /// All edges, hand-made ones included.
    #[must_use]
    pub fn edge_count(&self) -> usize {
        self.edges.len()
    }

    /// Puts spikes of a group into the calendar.
    pub fn route(&mut self, group: GroupId, spikes: &[(Time, u32)]) {
        let first = match group {
            GroupId::Source(k) => self.first_source[k],
            GroupId::Population(k) => self.first_neuron[k],
        };
        for (time, index) in spikes {
            let emitter = (first + index) as usize;
            let step = time.steps(self.dt);
            for group in self.first_group[emitter]..self.first_group[emitter + 1] {
                let step = step.saturating_add(self.groups[group as usize].delay_steps);
                // After the end nothing acts.
                if step >= self.total_steps {
                    continue;
                }
                let page = (step / self.window_steps).saturating_sub(self.calendar_start) as usize;
                if self.calendar.len() <= page {
                    self.calendar.resize_with(page + 1, Vec::new);
                }
                self.calendar[page].push(Due { group, step });
            }
        }
    }

    /// Delivers the arrivals of a window into the inbox.
    pub fn deliver(&mut self, window: &Window, inbox: &mut Inbox) {
        inbox.reset(self.blocks, window.steps);
        let (first, end) = (window.first_step, window.first_step + window.steps);
        // A window that `run_for` cut short may end within a page of the calendar.
        let last_page = (end - 1) / self.window_steps;
        let pages = (last_page + 1 - self.calendar_start).min(self.calendar.len() as u64) as usize;
        for page in 0..pages {
            let mut due = std::mem::take(&mut self.calendar[page]);
            due.retain(|due| {
                let now = due.step < end;
                if now {
                    self.fan_out(*due, first, inbox);
                }
                !now
            });
            self.calendar[page] = due;
        }
        while self.calendar_start < end / self.window_steps {
            let page = self.calendar.pop_front().unwrap_or_default();
            debug_assert!(page.is_empty(), "an arrival was left behind");
            self.calendar_start += 1;
        }
    }

    fn fan_out(&self, due: Due, first_step: u64, inbox: &mut Inbox) {
        debug_assert!(due.step >= first_step, "an arrival came too late");
        let at = (due.step - first_step) as usize;
        let (tile, step) = (at / TILE_STEPS, (at % TILE_STEPS) as u8);
        let from = self.groups[due.group as usize].first_edge as usize;
        let to = self.groups[due.group as usize + 1].first_edge as usize;
        for edge in &self.edges[from..to] {
            let block = (edge.port >> (LANE_BITS + RECEPTOR_BITS)) as usize;
            inbox.arrivals[block * inbox.tiles + tile].push(Arrival {
                weight: edge.weight,
                step,
                lane: (edge.port >> RECEPTOR_BITS) as u8 & (LANES as u8 - 1),
                receptor: edge.port as u8 & ((1 << RECEPTOR_BITS) - 1),
            });
        }
    }
}

/// Where the circuits of each population are.
struct Ports {
    blocks: usize,
    /// First block of each bank.
    first_block: Vec<u32>,
    /// Bank, first slot and receptors of each population.
    populations: Vec<(u32, u32, Vec<Receptor>)>,
}

/// The exponents of the members of one bank, for the blocks of that bank.
struct BlockExponents {
    first_lane: u32,
    /// First slot of a member and its exponents, sorted.
    members: std::sync::Arc<[(u32, Vec<i32>)]>,
}

impl BlockExponents {
    /// The exponent of a receptor of the neuron in a lane (counted over all blocks).
    fn of(&self, lane: u32, receptor: u32) -> i32 {
        let slot = lane - self.first_lane;
        let at = self.members.partition_point(|(first, _)| *first <= slot);
        self.members[at - 1].1[receptor as usize]
    }
}

impl Ports {
    fn new(scene: &Scene, world: &World) -> Ports {
        let banks = world.resource::<Banks>();
        let mut first_block = Vec::new();
        let mut blocks = 0;
        let mut populations = vec![(0, 0, Vec::new()); scene.populations.len()];
        for (index, bank) in banks.0.iter().enumerate() {
            first_block.push(blocks as u32);
            blocks += bank.state.blocks().len();
            for member in &bank.members {
                let receptors = bank.kernel.columns().receptors().to_vec();
                populations[member.population] = (index as u32, member.first, receptors);
            }
        }
        Ports { blocks, first_block, populations }
    }

    fn receptor(&self, population: usize, receptor: Receptor) -> usize {
        let (_, _, receptors) = &self.populations[population];
        // A kernel has the receptors of all its members, and a connection's target is one of them.
        receptors.iter().position(|r| *r == receptor).unwrap_or_default()
    }

    /// From the index of a target neuron to its port.
    fn of(&self, connection: &Connection) -> impl Fn(u32) -> u32 + use<> {
        let (bank, first_slot, _) = self.populations[connection.to];
        let receptor = self.receptor(connection.to, connection.receptor);
        let first_block = self.first_block[bank as usize];
        move |index| port(first_block, first_slot + index, receptor)
    }

    /// Chooses the largest exponents for which the sums are safe.
    fn set_exponents(&self, scene: &Scene, manual: &[ManualEdge], world: &mut World) {
        // The weights that can meet in one circuit, at most, by population and receptor.
        let mut totals: Vec<Vec<f64>> =
            self.populations.iter().map(|(_, _, receptors)| vec![0.0; receptors.len()]).collect();
        for connection in &scene.connections {
            let (from_size, to_size) = scene.sizes(connection);
            let edges = connection.edges(from_size, to_size) as f64;
            let fan_in = edges / connection.to_neurons.len(to_size) as f64;
            let receptor = self.receptor(connection.to, connection.receptor);
            totals[connection.to][receptor] += fan_in * connection.weight;
        }
        let by_hand: f64 = manual.iter().map(|edge| edge.weight).sum();
        let is_whole = |weight: f64| weight.fract() == 0.0;
        let whole_by_hand = manual.iter().all(|edge| is_whole(edge.weight));
        // Whole weights are exact as they are and leave the whole range to their sum.
        let has_fractions = |population: usize, receptor: Receptor| {
            let own = scene.connections.iter();
            let mut own = own.filter(|c| c.to == population && c.receptor == receptor);
            !whole_by_hand || own.any(|c| !is_whole(c.weight))
        };
        for bank in &mut world.resource_mut::<Banks>().0 {
            for member in &mut bank.members {
                // Only receptors: no pulse reaches the circuits behind them.
                let totals = &totals[member.population];
                let receptors = bank.kernel.columns().receptors();
                let exponents = member.exponents.iter_mut().zip(totals).zip(receptors);
                for ((exponent, total), receptor) in exponents {
                    if !has_fractions(member.population, *receptor) {
                        *exponent = 0;
                        continue;
                    }
                    let total = total + by_hand;
                    // The smallest power of two that is not below the total.
                    let bits = (total.ceil() as u64).max(1).next_power_of_two().trailing_zeros();
                    *exponent = (SUM_BITS - bits as i32).clamp(0, MOST_FRACTION_BITS);
                }
            }
        }
    }

    /// The exponents by block.
    fn exponents(&self, world: &World) -> Vec<BlockExponents> {
        let banks = world.resource::<Banks>();
        let of_bank = |(bank, first): (&crate::bank::Bank, &u32)| {
            let members: std::sync::Arc<[_]> =
                bank.members.iter().map(|m| (m.first, m.exponents.clone())).collect();
            let first_lane = first << LANE_BITS;
            (0..bank.state.blocks().len())
                .map(move |_| BlockExponents { first_lane, members: members.clone() })
                .collect::<Vec<_>>()
        };
        banks.0.iter().zip(&self.first_block).flat_map(of_bank).collect()
    }
}

/// Collects the [`FanOut`]s of the world in an order that does not depend on it.
fn manual_edges(
    world: &mut World,
    dt: Time,
    first_emitter: &dyn Fn(GroupId) -> u32,
) -> Result<Vec<ManualEdge>, Error> {
    let mut fan_outs = world.query::<(&FanOut, Option<&Neuron>, Option<&SpikeSource>)>();
    let mut circuits = world.query::<(&Circuit, &Slot)>();
    let mut populations = world.query::<&Population>();
    let mut first_block = Vec::new();
    let mut blocks = 0;
    for bank in &world.resource::<Banks>().0 {
        first_block.push(blocks);
        blocks += bank.state.blocks().len() as u32;
    }
    let mut edges = Vec::new();
    for (fan_out, neuron, source) in fan_outs.iter(world) {
        let emitter = match (neuron, source) {
            (Some(neuron), _) => {
                let population = populations.get(world, neuron.population);
                let population = population.map_err(|e| Error::Connection(e.to_string()))?;
                first_emitter(GroupId::Population(population.index)) + neuron.index
            }
            (None, Some(source)) => {
                first_emitter(GroupId::Source(source.group_index)) + source.index
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
            let receptor =
                bank.kernel.columns().receptors().iter().position(|r| *r == circuit.receptor);
            let Some(receptor) = receptor else {
                let name = circuit.receptor.name();
                return Err(Error::Connection(format!("no connection can end at {name}")));
            };
            let population = world
                .get::<Neuron>(circuit.neuron)
                .and_then(|neuron| world.get::<Population>(neuron.population));
            let rounds = population.is_some_and(|p| p.model.preset.rounds_weights());
            let weight = if rounds { edge.weight.round_ties_even() } else { edge.weight };
            if !(0.0..=super::MAX_WEIGHT).contains(&weight) {
                let range = format!("0 to {}", super::MAX_WEIGHT);
                return Err(Error::Connection(format!(
                    "the weight {weight} is not within {range}"
                )));
            }
            if !edge.delay.is_multiple_of(dt) {
                let delay = edge.delay;
                return Err(Error::Connection(format!(
                    "the delay {delay} s is no multiple of the step dt = {dt} s"
                )));
            }
            edges.push(ManualEdge {
                delay: edge.delay,
                emitter,
                port: port(first_block[slot.bank as usize], slot.index, receptor),
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

/// Spikes of sources → calendar.
pub fn route_sources(mut router: ResMut<Router>, spikes: Res<WindowSpikes>) {
    for (index, spikes) in spikes.sources.iter().enumerate() {
        router.route(GroupId::Source(index), spikes);
    }
}

/// Spikes of populations → calendar.
pub fn route_populations(mut router: ResMut<Router>, spikes: Res<WindowSpikes>) {
    for (index, spikes) in spikes.populations.iter().enumerate() {
        router.route(GroupId::Population(index), spikes);
    }
}

/// Calendar → inboxes.
pub fn deliver(mut router: ResMut<Router>, window: Res<Window>, mut inbox: ResMut<Inbox>) {
    router.deliver(&window, &mut inbox);
}
