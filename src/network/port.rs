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
use crate::bank::{Bank, Banks, LANES};
use crate::circuit::Receptor;
use crate::error::Error;
use crate::scene::{Connection, GroupId, Scene};
use crate::time::Time;

/// Where an edge ends: `(block, lane, receptor)` in one number, blocks counted over all banks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Port(u32);

const RECEPTOR_BITS: u32 = 3;
const LANE_BITS: u32 = LANES.trailing_zeros();
/// Receptors of a model, at most.
pub(crate) const MOST_RECEPTORS: usize = 1 << RECEPTOR_BITS;
/// The sum of 32 times all edges of a circuit stays below 2³¹.
const SUM_BITS: i32 = 26;
/// Finer than single precision needs.
const MOST_FRACTION_BITS: i32 = 24;
/// Coarser than this, a weight that is no whole number would mean little.
const LEAST_FRACTION_BITS: i32 = 4;

impl Port {
    /// The port of a circuit; `first_block` is the first block of its bank.
    pub(super) fn new(first_block: u32, slot: u32, receptor: usize) -> Port {
        Port(
            (first_block << (LANE_BITS + RECEPTOR_BITS))
                + (slot << RECEPTOR_BITS)
                + receptor as u32,
        )
    }

    /// How many neurons after the one of `first`, a port of the same bank and receptor, this is.
    pub(super) fn after(self, first: Port) -> u32 {
        (self.0 - first.0) >> RECEPTOR_BITS
    }

    /// Block, lane and receptor.
    pub(super) fn parts(self) -> (usize, u8, u8) {
        let lane = (self.0 >> RECEPTOR_BITS) as u8 & (LANES as u8 - 1);
        let receptor = self.0 as u8 & ((1 << RECEPTOR_BITS) - 1);
        ((self.0 >> (LANE_BITS + RECEPTOR_BITS)) as usize, lane, receptor)
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
    /// Blocks of all banks.
    pub(super) blocks: usize,
    /// First block of each bank.
    first_block: Vec<u32>,
    /// Bank, first slot and receptors of each population.
    populations: Vec<(u32, u32, Vec<Receptor>)>,
}

/// The exponents of the members of one bank, for the blocks of that bank.
struct BlockExponents {
    first_lane: u32,
    /// First slot of a member and its exponents, sorted.
    members: Arc<[(u32, Vec<i32>)]>,
}

impl BlockExponents {
    /// The exponent of a port in one of these blocks.
    fn of(&self, port: Port) -> i32 {
        let (block, lane, receptor) = port.parts();
        let slot = (block * LANES) as u32 + u32::from(lane) - self.first_lane;
        let at = self.members.partition_point(|(first, _)| *first <= slot);
        self.members[at - 1].1[usize::from(receptor)]
    }
}

impl Ports {
    pub(super) fn new(scene: &Scene, world: &World) -> Ports {
        let banks = world.resource::<Banks>();
        let mut first_block = Vec::new();
        let mut blocks = 0;
        let mut populations = vec![(0, 0, Vec::new()); scene.populations.len()];
        for (index, bank) in banks.0.iter().enumerate() {
            first_block.push(blocks as u32);
            blocks += bank.blocks();
            for member in &bank.members {
                let receptors = bank.layout.receptors.clone();
                populations[member.population] = (index as u32, member.first, receptors);
            }
        }
        Ports { blocks, first_block, populations }
    }

    fn receptor(&self, population: usize, receptor: Receptor) -> usize {
        let (_, _, receptors) = &self.populations[population];
        // Checked when the banks were laid out: a kernel has all receptors of its model.
        receptors.iter().position(|r| *r == receptor).unwrap_or_default()
    }

    /// From the index of a target neuron to its port.
    pub(super) fn of(&self, connection: &Connection) -> impl Fn(u32) -> Port + use<> {
        let (bank, first_slot, _) = self.populations[connection.to];
        let receptor = self.receptor(connection.to, connection.receptor);
        let first_block = self.first_block[bank as usize];
        move |index| Port::new(first_block, first_slot + index, receptor)
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
        for (port, (total, all_whole)) in circuits {
            let (population, receptor) = self.owner(port, &banks.0);
            let (terms, whole) = totals.entry((population, receptor)).or_insert((Vec::new(), true));
            terms.push(total);
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
        let (block, lane, receptor) = port.parts();
        let bank = self.first_block.partition_point(|first| *first as usize <= block) - 1;
        let slot = (block - self.first_block[bank] as usize) * LANES + usize::from(lane);
        (banks[bank].member(slot as u32).population, usize::from(receptor))
    }

    /// The exponents of all ports.
    pub(super) fn exponents(&self, world: &World) -> Exponents {
        let banks = world.resource::<Banks>();
        let of_bank = |(bank, first): (&Bank, &u32)| {
            let members: Arc<[_]> =
                bank.members.iter().map(|m| (m.first, m.exponents.clone())).collect();
            let first_lane = first << LANE_BITS;
            (0..bank.blocks())
                .map(move |_| BlockExponents { first_lane, members: members.clone() })
                .collect::<Vec<_>>()
        };
        Exponents(banks.0.iter().zip(&self.first_block).flat_map(of_bank).collect())
    }
}

/// The exponents of all ports, block by block.
pub(super) struct Exponents(Vec<BlockExponents>);

impl Exponents {
    /// The exponent of a port.
    pub(super) fn of(&self, port: Port) -> i32 {
        self.0[port.parts().0].of(port)
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
