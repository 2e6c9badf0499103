//! Banks: the contiguous buffers that update kernels see.
//!
//! A bank holds the neurons of all populations that share a kernel (the same equations, receptors
//! and process constants). Its numbers lie in *blocks* of [`LANES`] neurons, each block a row per
//! column:
//!
//! ```text
//! block 0: [Imem × 64][refractory × 64][Iampa × 64]   block 1: …
//! ```
//!
//! so that a block's whole state and parameters stay in the first-level cache while it runs through
//! a window, and a row fills vector registers of any width. (Plain columns over all neurons were
//! rejected: with a window of 1000 steps they stream the whole bank through the cache 1000 times.)
//! The last block is padded with lanes that never spike.
//!
//! [`transfer`] moves numbers between components and banks, and only columns that somebody writes
//! or reads.

pub mod transfer;

use std::sync::Arc;

use bevy_ecs::prelude::*;

use crate::circuit::{Model, Receptor};
use crate::scene::Variable;
use crate::solver::kernel::Kernel;

/// Neurons in a block.
pub const LANES: usize = 64;

/// One column of one block, aligned to cache lines and the widest vectors.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C, align(64))]
pub struct Row<T = f32>(pub [T; LANES]);

/// Where the numbers of a neuron or of a synapse circuit lie.
#[derive(Component, Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    /// Index of the bank.
    pub bank: u32,
    /// Index of the neuron in the bank.
    pub index: u32,
}

/// A matrix of blocks × columns × lanes.
#[derive(Debug, Clone)]
pub struct Columns {
    width: usize,
    rows: Vec<Row>,
}

impl Columns {
    /// For `neurons` neurons, every lane holding `defaults`.
    #[must_use]
    pub fn new(neurons: usize, defaults: &[f32]) -> Columns {
        let blocks = neurons.div_ceil(LANES);
        let block = defaults.iter().map(|value| Row([*value; LANES]));
        let rows = std::iter::repeat_n(block, blocks).flatten().collect();
        Columns { width: defaults.len(), rows }
    }

    /// The value of one neuron.
    #[must_use]
    pub fn get(&self, neuron: usize, column: usize) -> f32 {
        self.rows[neuron / LANES * self.width + column].0[neuron % LANES]
    }

    /// Writes the value of one neuron.
    pub fn set(&mut self, neuron: usize, column: usize, value: f32) {
        self.rows[neuron / LANES * self.width + column].0[neuron % LANES] = value;
    }

    /// The rows of each block.
    pub fn blocks(&self) -> std::slice::ChunksExact<'_, Row> {
        self.rows.chunks_exact(self.width)
    }

    /// The rows of each block, to be written.
    pub fn blocks_mut(&mut self) -> std::slice::ChunksExactMut<'_, Row> {
        self.rows.chunks_exact_mut(self.width)
    }

    /// All rows, block after block, each of [`Columns::width`] rows.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// All rows, to be written.
    pub fn rows_mut(&mut self) -> &mut [Row] {
        &mut self.rows
    }

    /// Columns.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }
}

/// The neurons of one population within a bank.
#[derive(Debug, Clone)]
pub struct Member {
    /// The population's index in the scene.
    pub population: usize,
    /// Its first slot.
    pub first: u32,
    /// Its neurons.
    pub len: u32,
    /// For each circuit of the kernel: the power of two that one pulse has in the fixed-point sum.
    pub exponents: Vec<i32>,
}

/// A request to sample the state of a neuron.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SampleRequest {
    /// Whose state.
    pub slot: u32,
    /// For which probe (its entity).
    pub probe: Entity,
    /// Position among the probe's neurons.
    pub position: u32,
    /// First step whose state is wanted.
    pub from: u64,
    /// Steps from here on are not wanted.
    pub to: u64,
    /// Interval in steps.
    pub every: u64,
}

impl SampleRequest {
    /// Whether the state before step `step` is wanted.
    #[must_use]
    pub fn wants(&self, step: u64) -> bool {
        step.is_multiple_of(self.every) && (self.from..self.to).contains(&step)
    }
}

/// Neurons that share a kernel.
pub struct Bank {
    /// The equations.
    pub kernel: Arc<dyn Kernel>,
    /// What the models of its populations share: preset, forms, constants, and which circuits
    /// exist. The biases in it are those of the first.
    pub model: Model,
    /// The populations, in the order of their slots.
    pub members: Vec<Member>,
    /// Biases, as the kernel wants them.
    pub parameters: Columns,
    /// State.
    pub state: Columns,
    /// What probes want, sorted by slot.
    pub samples: Vec<SampleRequest>,
    len: u32,
}

impl Bank {
    /// A bank for the given members (with slots from 0 on, without gaps).
    #[must_use]
    pub fn new(kernel: Arc<dyn Kernel>, model: Model, members: Vec<Member>) -> Bank {
        let len = members.iter().map(|m| m.len).sum();
        let parameters = Columns::new(len as usize, &kernel.columns().resting_parameters());
        let state = Columns::new(len as usize, &kernel.columns().resting_state());
        Bank { kernel, model, members, parameters, state, samples: Vec::new(), len }
    }

    /// Neurons.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.len
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The population of a slot.
    #[must_use]
    pub fn member(&self, slot: u32) -> &Member {
        let at = self.members.partition_point(|m| m.first <= slot);
        &self.members[at - 1]
    }

    /// A state variable of a neuron, given the neuron's state columns, in A or V.
    #[must_use]
    pub fn variable(&self, state: &[f32], variable: Variable) -> f64 {
        let membrane = f64::from(state[self.kernel.columns().membrane_column()]);
        let model = &self.model;
        match variable {
            Variable::Imem => membrane,
            // The kernel's dark current is the nearest single: at rest the voltage is 0 exactly.
            Variable::Vmem => {
                let i0 = f64::from(model.constants.i0 as f32);
                crate::circuit::Constants { i0, ..model.constants }.voltage(membrane)
            }
            Variable::Synapse(receptor) if model.synapse(receptor).is_none() => {
                model.resting_current(receptor)
            }
            Variable::Synapse(receptor) => self
                .current_column(receptor)
                .map_or(model.constants.i0, |column| f64::from(state[column])),
        }
    }

    /// The state column of a circuit's current; `None` where the kernel has no such circuits.
    #[must_use]
    pub fn current_column(&self, receptor: Receptor) -> Option<usize> {
        let at = self.kernel.columns().circuits().iter().position(|r| *r == receptor)?;
        Some(self.kernel.columns().current_column(at))
    }
}

/// All banks.
#[derive(Resource, Default)]
pub struct Banks(pub Vec<Bank>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_has_its_own_place() {
        let mut columns = Columns::new(130, &[1.0, 2.0, 3.0]);
        for neuron in 0..130 {
            for column in 0..3 {
                assert_eq!(columns.get(neuron, column), (column + 1) as f32);
                columns.set(neuron, column, (neuron * 3 + column) as f32);
            }
        }
        for neuron in 0..130 {
            for column in 0..3 {
                assert_eq!(columns.get(neuron, column), (neuron * 3 + column) as f32);
            }
        }
        assert_eq!(columns.blocks().len(), 3);
    }
}
