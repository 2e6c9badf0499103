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

use std::ops::Range;
use std::sync::Arc;

use bevy_ecs::prelude::*;

use crate::circuit::{Waveform, math};
use crate::model::{Circuits, Model, Read, StateVariable};
use crate::scene::Variable;
use crate::solver::event::EventNeurons;
use crate::solver::kernel::{Kernel, Layout};
use crate::time::Time;

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
    /// The neurons of each column whose value was set, for back ends that keep columns elsewhere; none are
    /// listed until one asks.
    written: Option<Vec<Vec<u32>>>,
}

/// What was set in columns since a back end asked last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// It had never asked: everything counts.
    Everything,
    /// Columns and neurons.
    Columns(Vec<(usize, Vec<u32>)>),
}

impl Columns {
    /// For `neurons` neurons, every lane holding `defaults`.
    #[must_use]
    pub fn new(neurons: usize, defaults: &[f32]) -> Columns {
        let blocks = neurons.div_ceil(LANES);
        let block = defaults.iter().map(|value| Row([*value; LANES]));
        let rows = std::iter::repeat_n(block, blocks).flatten().collect();
        Columns { width: defaults.len(), rows, written: None }
    }

    /// The value of one neuron.
    #[must_use]
    pub fn get(&self, neuron: usize, column: usize) -> f32 {
        self.rows[neuron / LANES * self.width + column].0[neuron % LANES]
    }

    /// Writes the value of one neuron.
    pub fn set(&mut self, neuron: usize, column: usize, value: f32) {
        self.rows[neuron / LANES * self.width + column].0[neuron % LANES] = value;
        if let Some(written) = &mut self.written {
            written[column].push(neuron as u32);
        }
    }

    /// Whether there is something that [`Columns::take_written`] would give.
    #[must_use]
    pub fn is_written(&self) -> bool {
        self.written
            .as_ref()
            .is_none_or(|written| written.iter().any(|neurons| !neurons.is_empty()))
    }

    /// What [`Columns::set`] has written since the last call.
    pub fn take_written(&mut self) -> Written {
        let none = vec![Vec::new(); self.width];
        match self.written.replace(none) {
            None => Written::Everything,
            Some(written) => {
                let columns = written.into_iter().enumerate().filter(|(_, n)| !n.is_empty());
                Written::Columns(columns.collect())
            }
        }
    }

    /// The rows of a column, block after block.
    pub fn column(&self, column: usize) -> impl Iterator<Item = &Row> {
        self.rows.iter().skip(column).step_by(self.width)
    }

    /// The rows of a column, to be written.
    pub fn column_mut(&mut self, column: usize) -> impl Iterator<Item = &mut Row> {
        self.rows.iter_mut().skip(column).step_by(self.width)
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

/// The member that has a slot.
pub(crate) fn member(members: &[Member], slot: u32) -> &Member {
    let at = members.partition_point(|m| m.first <= slot);
    &members[at - 1]
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

/// A direct input that changes in time, into some neurons of a bank.
#[derive(Debug, Clone)]
pub struct Drive {
    /// The neurons.
    pub slots: Range<u32>,
    /// What is added to their constant input.
    pub waveform: Waveform,
}

/// The states of a bank's neurons.
#[derive(Debug)]
pub enum States<'a> {
    /// A model on the host has none here.
    Host,
    /// As the kernel keeps them.
    Stepped(&'a Columns),
    /// Neuron by neuron, and the columns of each.
    Event(Vec<f64>, usize),
}

impl States<'_> {
    /// A column of a neuron.
    #[must_use]
    pub fn get(&self, slot: u32, column: usize) -> Option<f64> {
        match self {
            States::Host => None,
            States::Stepped(state) => Some(f64::from(state.get(slot as usize, column))),
            States::Event(states, columns) => states.get(slot as usize * columns + column).copied(),
        }
    }
}

/// The neurons of a bank, by what advances them.
pub enum Neurons {
    /// A model on the host; there are no columns.
    Host,
    /// A kernel, step by step.
    Stepped(Stepped),
    /// The event-driven solver, which keeps the numbers of each neuron together.
    Event(Box<dyn EventNeurons>),
}

/// Columns and the kernel that advances them.
pub struct Stepped {
    /// The equations.
    pub kernel: Arc<dyn Kernel>,
    /// Biases, as the kernel wants them.
    pub parameters: Columns,
    /// State.
    pub state: Columns,
}

impl Neurons {
    /// For a kernel.
    #[must_use]
    pub fn stepped(kernel: Arc<dyn Kernel>) -> Neurons {
        let layout = kernel.layout();
        let parameters = Columns::new(0, &layout.resting_parameters);
        let state = Columns::new(0, &layout.resting_state);
        Neurons::Stepped(Stepped { kernel, parameters, state })
    }
}

/// Neurons that share their equations.
pub struct Bank {
    /// What advances them.
    pub neurons: Neurons,
    /// Their step; `None`: they have none.
    pub step: Option<Time>,
    /// What is in which column.
    pub layout: Layout,
    /// What the models of its populations share: the model with its settings, and which circuits
    /// exist. The biases in it are those of the first.
    pub model: Model,
    /// Its state variables, and which circuits exist.
    variables: Vec<StateVariable>,
    circuits: Circuits,
    /// The populations, in the order of their slots.
    pub members: Vec<Member>,
    /// Direct inputs that change in time, sorted by slot.
    pub drives: Vec<Drive>,
    /// What probes want, sorted by slot.
    pub samples: Vec<SampleRequest>,
    len: u32,
}

impl Bank {
    /// A bank for the given members (with slots from 0 on, without gaps).
    #[must_use]
    pub fn new(
        mut neurons: Neurons,
        step: Option<Time>,
        model: Model,
        members: Vec<Member>,
    ) -> Bank {
        let len: u32 = members.iter().map(|m| m.len).sum();
        let layout = match &mut neurons {
            Neurons::Host => {
                let receptors = model.0.receptors().to_vec();
                let circuits = receptors.iter().map(|r| (*r, 0)).collect();
                Layout { receptors, circuits, ..Layout::default() }
            }
            Neurons::Stepped(stepped) => {
                let layout = stepped.kernel.layout().clone();
                stepped.parameters = Columns::new(len as usize, &layout.resting_parameters);
                stepped.state = Columns::new(len as usize, &layout.resting_state);
                layout
            }
            Neurons::Event(event) => {
                event.resize(len as usize);
                event.layout()
            }
        };
        Bank {
            neurons,
            step,
            layout,
            variables: model.variables(),
            circuits: model.circuits(),
            model,
            members,
            drives: Vec::new(),
            samples: Vec::new(),
            len,
        }
    }

    /// Whether the neurons are advanced on the host.
    #[must_use]
    pub fn is_host(&self) -> bool {
        matches!(self.neurons, Neurons::Host)
    }

    /// The columns of neurons that a kernel advances.
    #[must_use]
    pub fn stepped(&self) -> Option<&Stepped> {
        match &self.neurons {
            Neurons::Stepped(stepped) => Some(stepped),
            _ => None,
        }
    }

    /// Whether biases or states were written since a back end that keeps them elsewhere has taken them.
    #[must_use]
    pub fn is_written(&self) -> bool {
        match &self.neurons {
            Neurons::Host => false,
            Neurons::Stepped(stepped) => {
                stepped.parameters.is_written() || stepped.state.is_written()
            }
            Neurons::Event(event) => event.waiting().is_none_or(|slots| !slots.is_empty()),
        }
    }

    /// The states of all neurons at the end of the last window (`now`).
    #[must_use]
    pub fn states(&self, now: Time) -> States<'_> {
        match &self.neurons {
            Neurons::Host => States::Host,
            Neurons::Stepped(stepped) => States::Stepped(&stepped.state),
            Neurons::Event(event) => {
                States::Event(event.states(now, &self.drives), self.layout.resting_state.len())
            }
        }
    }

    /// Blocks of [`LANES`] neurons.
    #[must_use]
    pub fn blocks(&self) -> usize {
        (self.len as usize).div_ceil(LANES)
    }

    /// The requests for neurons `slots`, as a range of [`Bank::samples`].
    #[must_use]
    pub fn requests_of(&self, slots: Range<u32>) -> Range<usize> {
        let at = |slot| self.samples.partition_point(|r| r.slot < slot);
        at(slots.start)..at(slots.end)
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
        member(&self.members, slot)
    }

    /// A state variable of a neuron, given the neuron's state, in its unit.
    #[must_use]
    pub fn variable(&self, state: &[f64], variable: Variable) -> f64 {
        let found = self.variables.iter().enumerate().find(|(_, v)| v.variable == variable);
        let Some((at, found)) = found else { return f64::NAN };
        if self.is_host() {
            return state.get(at).copied().unwrap_or(f64::NAN);
        }
        match found.read {
            Read::Membrane => state[self.layout.membrane],
            Read::MembraneVoltage { scale, reference } => {
                let ratio = state[self.layout.membrane] / reference;
                // No voltage is below 0, and the dark current is rounded to single precision.
                if ratio < 1.0 + 1e-7 { 0.0 } else { scale * math::ln(ratio) }
            }
            Read::Column(column) => state[column],
            Read::Circuit(circuit) if !self.circuits.has(circuit) => {
                self.model.0.resting_current(circuit)
            }
            Read::Circuit(circuit) => {
                let resting = || self.model.0.resting_current(circuit);
                self.layout.circuit(circuit).map_or_else(resting, |(_, column)| state[column])
            }
        }
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
