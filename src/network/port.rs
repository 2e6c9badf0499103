//! Ports: where edges end, and what a weight is there.
//!
//! Pulses are summed as integers, so a sum does not depend on the order of its parts, and with it
//! no result on threads or back ends. Whole weights are summed as they are. Where a receptor of a
//! population has other weights, one pulse of weight 1 is 2^e, with e chosen such that 32 times all
//! that its edges deliver at once (on average over the neurons, and at least the largest edge) stays
//! within 31 bits; such a weight is exact to 2^−(e+1).

use std::collections::BTreeMap;
use std::sync::Arc;

use bevy_ecs::prelude::*;

use super::rule::ListedEdge;
use crate::bank::{Bank, Banks, LANES, Neurons};
use crate::circuit::Receptor;
use crate::error::Error;
use crate::scene::{Connection, GroupId, Scene};
use crate::time::Time;

/// Where an edge ends: `row × 64 + lane`, where all blocks of all banks follow one another, each with a
/// row for each of its receptors. In a round of one step it is the place of its sum.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Port(pub(super) u32);

const LANE_BITS: u32 = LANES.trailing_zeros();
/// Receptors of a model, at most.
pub(crate) const MOST_RECEPTORS: usize = 8;
/// Rows that are emptied together.
pub(super) const ROWS_TOGETHER: usize = 8;
/// The sum of 32 times all edges of a circuit stays below 2³¹.
const SUM_BITS: i32 = 26;
/// Finer than single precision needs.
const MOST_FRACTION_BITS: i32 = 24;
/// Coarser than this, a weight that is no whole number would mean little.
const LEAST_FRACTION_BITS: i32 = 4;

impl Port {
    /// Row and lane.
    #[inline]
    pub(super) fn parts(self) -> (usize, usize) {
        ((self.0 >> LANE_BITS) as usize, self.0 as usize % LANES)
    }
}

/// What a row of ports belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PortRow {
    /// The block, counted over all banks.
    pub(super) block: u32,
    /// The receptor, as the kernel counts them, and how many the block has.
    pub(super) receptor: u8,
    pub(super) receptors: u8,
    pub(super) is_event_driven: bool,
}

/// The rows of ports of all banks.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct PortRows {
    pub(super) rows: Vec<PortRow>,
    /// The first row of each block, and the end.
    pub(super) first_of_block: Vec<u32>,
    /// What all blocks before each cost about in a step, and what all do: rows that kernels read.
    pub(super) cost_before: Vec<u64>,
}

impl PortRows {
    pub(super) fn new(banks: &[Bank]) -> PortRows {
        let mut all = PortRows { rows: Vec::new(), first_of_block: vec![0], cost_before: vec![0] };
        let mut cost = 0;
        for bank in banks {
            let is_event_driven = matches!(bank.neurons, Neurons::Event(_));
            let of_a_block = match &bank.neurons {
                Neurons::Stepped(stepped) => stepped.parameters.width() + stepped.state.width(),
                Neurons::Event(_) | Neurons::Host => 1,
            };
            let receptors = bank.layout.receptors.len() as u8;
            for _ in 0..bank.blocks() {
                let block = all.first_of_block.len() as u32 - 1;
                let row = |receptor| PortRow { block, receptor, receptors, is_event_driven };
                all.rows.extend((0..receptors).map(row));
                all.first_of_block.push(all.rows.len() as u32);
                cost += of_a_block as u64;
                all.cost_before.push(cost);
            }
        }
        all
    }

    /// The first block of `k` of so many shares that cost about as much as each other (of event-driven neurons, whose
    /// activity nobody knows: that have as many). Each has whole [`ROWS_TOGETHER`] of rows where these have sums, so that
    /// those of few blocks differ more than they would have to.
    pub(super) fn first_of_share(&self, k: usize, shares: usize) -> usize {
        let all = self.cost_before.last().map_or(0, |all| all * k as u64 / shares as u64);
        let first = self.cost_before.partition_point(|before| *before < all);
        let may_begin = |block: &usize| {
            let row = self.first_row(*block);
            // (The last blocks may have no rows.)
            let is_event_driven = self.rows.get(row).is_some_and(|row| row.is_event_driven);
            row.is_multiple_of(ROWS_TOGETHER) || is_event_driven
        };
        (first..self.blocks()).find(may_begin).unwrap_or(self.blocks())
    }

    /// The first row of a block.
    pub(super) fn first_row(&self, block: usize) -> usize {
        // (Where a device delivers there are none.)
        self.first_of_block.get(block).map_or(0, |row| *row as usize)
    }

    /// Blocks of all banks.
    pub(super) fn blocks(&self) -> usize {
        self.first_of_block.len().saturating_sub(1)
    }
}

/// A weight in fixed point. (Exponents are chosen such that it fits.)
pub(super) fn fixed_point(weight: f64, exponent: i32) -> i32 {
    (weight * 2.0_f64.powi(exponent)).round_ties_even() as i32
}

/// The most edges of a list that end at one neuron.
fn largest_fan_in(edges: &[ListedEdge], to_size: u64) -> u32 {
    let mut counts = vec![0_u32; to_size as usize];
    edges.iter().for_each(|edge| counts[edge.target as usize] += 1);
    counts.into_iter().max().unwrap_or(0)
}

/// Where the circuits of each population are.
pub(super) struct Ports {
    /// First block of each bank.
    first_block: Vec<usize>,
    /// Bank, first slot and receptors of each population.
    populations: Vec<(usize, u32, Vec<Receptor>)>,
    rows: Arc<PortRows>,
}

/// The power of two that one pulse has, by population and receptor.
pub(super) type Exponents = Vec<Vec<i32>>;

impl Ports {
    pub(super) fn new(scene: &Scene, world: &World) -> Ports {
        let banks = &world.resource::<Banks>().0;
        let mut first_block = Vec::new();
        let mut blocks = 0;
        let mut populations = vec![(0, 0, Vec::new()); scene.populations.len()];
        for (index, bank) in banks.iter().enumerate() {
            first_block.push(blocks);
            blocks += bank.blocks();
            for member in &bank.members {
                let receptors = bank.layout.receptors.clone();
                populations[member.population] = (index, member.first, receptors);
            }
        }
        Ports { first_block, populations, rows: Arc::new(PortRows::new(banks)) }
    }

    /// What the rows belong to.
    pub(super) fn rows(&self) -> &Arc<PortRows> {
        &self.rows
    }

    fn receptor(&self, population: usize, receptor: Receptor) -> usize {
        let (_, _, receptors) = &self.populations[population];
        // Checked when the banks were laid out: a kernel has all receptors of its model.
        receptors.iter().position(|r| *r == receptor).unwrap_or_default()
    }

    /// The port of a circuit.
    pub(super) fn port(&self, bank: usize, slot: u32, receptor: usize) -> Port {
        let block = self.first_block[bank] + slot as usize / LANES;
        let row = self.rows.first_of_block[block] + receptor as u32;
        Port((row << LANE_BITS) + slot % LANES as u32)
    }

    /// From the index of a target neuron to its port.
    pub(super) fn of(&self, connection: &Connection) -> impl Fn(u32) -> Port + use<> {
        let (bank, first_slot, ref receptors) = self.populations[connection.to];
        let receptor = self.receptor(connection.to, connection.receptor);
        let (Port(first), receptors) = (self.port(bank, 0, receptor), receptors.len() as u32);
        move |index| {
            let (block, lane) =
                ((first_slot + index) / LANES as u32, (first_slot + index) % LANES as u32);
            Port(first + ((block * receptors) << LANE_BITS) + lane)
        }
    }

    /// The index of the target neuron of a port.
    pub(super) fn target(&self, connection: &Connection, port: Port) -> u32 {
        let (bank, first_slot, _) = self.populations[connection.to];
        self.slot(port, bank) - first_slot
    }

    /// The slot of a port in its bank.
    fn slot(&self, port: Port, bank: usize) -> u32 {
        let (row, lane) = port.parts();
        let block = self.rows.rows[row].block as usize - self.first_block[bank];
        (block * LANES + lane) as u32
    }

    /// Chooses the largest exponents for which the sums are safe.
    ///
    /// # Errors
    /// [`Error::Limit`] where weights that are no whole numbers would be too coarse.
    pub(super) fn set_exponents(
        &self,
        scene: &Scene,
        dt: Time,
        by_hand: &[(Port, f64)],
        world: &mut World,
    ) -> Result<(), Error> {
        // What can meet in one circuit in one step, projection by projection, by population and
        // receptor; and whether all of it is whole.
        let mut totals: BTreeMap<(usize, usize), (Vec<f64>, bool)> = BTreeMap::new();
        for connection in &scene.connections {
            let receptor = self.receptor(connection.to, connection.receptor);
            let (terms, whole) =
                totals.entry((connection.to, receptor)).or_insert((Vec::new(), true));
            terms.push(most_at_once(scene, connection, dt));
            *whole &= connection.has_whole_weights();
        }
        // Of edges made by hand the circuit that gets most.
        let mut circuits: BTreeMap<Port, (f64, bool)> = BTreeMap::new();
        for (port, weight) in by_hand {
            let (total, whole) = circuits.entry(*port).or_insert((0.0, true));
            *total += weight;
            *whole &= weight.fract() == 0.0;
        }
        let mut banks = world.resource_mut::<Banks>();
        let mut most_by_hand: BTreeMap<(usize, usize), (f64, bool)> = BTreeMap::new();
        for (port, (total, all_whole)) in circuits {
            let (most, whole) =
                most_by_hand.entry(self.owner(port, &banks.0)).or_insert((0.0, true));
            *most = most.max(total);
            *whole &= all_whole;
        }
        for (circuit, (most, all_whole)) in most_by_hand {
            let (terms, whole) = totals.entry(circuit).or_insert((Vec::new(), true));
            terms.push(most);
            *whole &= all_whole;
        }
        for bank in &mut banks.0 {
            for member in &mut bank.members {
                for (receptor, name) in bank.layout.receptors.iter().enumerate() {
                    let terms = totals.get_mut(&(member.population, receptor));
                    let Some((terms, false)) = terms else {
                        member.exponents[receptor] = 0;
                        continue;
                    };
                    // In an order that is not that of the scene.
                    terms.sort_by(f64::total_cmp);
                    let total: f64 = terms.iter().sum();
                    // The smallest power of two that is not below the total.
                    let bits = (total.ceil() as u64).max(1).next_power_of_two().trailing_zeros();
                    let exponent = (SUM_BITS - bits as i32).min(MOST_FRACTION_BITS);
                    if exponent < LEAST_FRACTION_BITS {
                        let population = scene.populations.get_index(member.population);
                        let population = population.map_or("", |(name, _)| name);
                        return Err(Error::Limit {
                            message: format!(
                                "the weights that can meet at {} of `{population}` in one step add \
                                 up to {total}, too much for weights that are no whole numbers",
                                name.name()
                            ),
                            help: "use whole weights there, or smaller ones".into(),
                        });
                    }
                    member.exponents[receptor] = exponent;
                }
            }
        }
        Ok(())
    }

    /// The population of a port, and its receptor.
    fn owner(&self, port: Port, banks: &[Bank]) -> (usize, usize) {
        let row = self.rows.rows[port.parts().0];
        let bank = self.first_block.partition_point(|first| *first <= row.block as usize) - 1;
        (banks[bank].member(self.slot(port, bank)).population, usize::from(row.receptor))
    }

    /// The exponents of all populations.
    pub(super) fn exponents(&self, world: &World) -> Exponents {
        let banks = &world.resource::<Banks>().0;
        let mut exponents = vec![Vec::new(); self.populations.len()];
        for member in banks.iter().flat_map(|bank| &bank.members) {
            exponents[member.population].clone_from(&member.exponents);
        }
        exponents
    }

    /// The exponent of a projection.
    pub(super) fn exponent(&self, connection: &Connection, exponents: &Exponents) -> i32 {
        exponents[connection.to][self.receptor(connection.to, connection.receptor)]
    }

    /// The exponent of a port.
    pub(super) fn exponent_at(&self, port: Port, banks: &[Bank], exponents: &Exponents) -> i32 {
        let (population, receptor) = self.owner(port, banks);
        exponents[population][receptor]
    }
}

/// The pulses of a projection that can meet in one circuit in one step: those of one spike of each
/// source, and of a source that is faster than the step, of all its spikes.
fn most_at_once(scene: &Scene, connection: &Connection, dt: Time) -> f64 {
    let (from_size, to_size) = scene.sizes(connection);
    let edges = connection.edges(from_size, to_size);
    let fan_in = match connection.rule.listed() {
        Some(edges) => f64::from(largest_fan_in(edges, to_size)),
        None => edges as f64 / connection.to_neurons.len(to_size) as f64,
    };
    let spikes = match connection.from {
        GroupId::Source(k) => scene.sources[k].train.peak_rate() * dt.seconds(),
        GroupId::Population(_) => 1.0,
    };
    if edges == 0 { 0.0 } else { fan_in.max(1.0) * spikes.max(1.0) * connection.largest_weight() }
}
