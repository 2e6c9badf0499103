//! Models on the host: ordinary Rust code, one neuron and one step at a time.
//!
//! A host model can do what a kernel cannot: keep any state, draw random numbers, call any library.
//! It pays for that: a step costs a component lookup, a virtual call and scalar code in double
//! precision, some twenty times what a kernel of a simple model takes (`cargo bench -- models` measures
//! both; `wall_s.host` in the summary of a run). It runs on one thread, whatever back end runs the
//! kernels.

use bevy_ecs::component::{Component, Mutable};
use bevy_ecs::prelude::*;
use bevy_ecs::schedule::IntoScheduleConfigs;
use smallvec::SmallVec;

use super::NeuronModel;
use crate::backend::{Sample, Stop, WindowSamples, advance};
use crate::bank::{Bank, Banks, LANES, Slot};
use crate::circuit::Receptor;
use crate::error::Error;
use crate::network::inbox::{Arrival, Inbox};
use crate::network::{Population, WindowSpikes};
use crate::schedule::{BuiltIn, Window, WindowSet};
use crate::simulation::{Simulation, StageTimes};

use crate::time::Time;

/// A neuron model whose step is ordinary Rust code on the host.
pub trait HostModel: NeuronModel {
    /// The state of a neuron, a component.
    type State: Component<Mutability = Mutable> + Clone;

    /// The state of a neuron at the start.
    fn initial_state(&self, soma: &Self::Soma) -> Self::State;

    /// Advances a neuron by a step of `dt` s; `true` for a spike, whose time is the end of the step.
    /// `inputs` has the circuits that exist, in the order of the model's receptors.
    fn step(
        &self,
        soma: &Self::Soma,
        state: &mut Self::State,
        inputs: &[Input<Self::Synapse>],
        dt: f64,
    ) -> bool;

    /// The values of the model's [variables](NeuronModel::variables), in their order. Where one is not
    /// finite at the end of a window, the run stops.
    fn read(&self, state: &Self::State) -> SmallVec<[f64; 4]>;
}

/// What arrives at a circuit of a neuron in a step.
pub struct Input<'a, S> {
    /// Where.
    pub receptor: Receptor,
    /// The biases of the circuit.
    pub synapse: &'a S,
    /// The weights of the edges that spiked, summed.
    pub pulses: f64,
}

/// The equations of a host model, without its type.
pub struct HostEquations {
    /// Gives neurons their initial state.
    pub(crate) attach: fn(&mut World, &dyn super::AnyModel, &[Entity]),
    /// Adds the system that advances them.
    pub(crate) install: fn(&mut Simulation),
}

impl HostEquations {
    /// Of a model: what its [`NeuronModel::equations`] returns.
    #[must_use]
    pub fn of<M: HostModel>() -> HostEquations {
        HostEquations { attach: attach::<M>, install: install::<M> }
    }
}

fn attach<M: HostModel>(world: &mut World, model: &dyn super::AnyModel, neurons: &[Entity]) {
    let Some(nominal) = model.as_any().downcast_ref::<super::Nominal<M>>() else { return };
    for neuron in neurons {
        if let Some(soma) = world.get::<M::Soma>(*neuron) {
            let state = nominal.model.initial_state(soma);
            world.entity_mut(*neuron).insert(state);
        }
    }
}

fn install<M: HostModel>(simulation: &mut Simulation) {
    struct Advance<M>(std::marker::PhantomData<M>);
    if simulation.first_time::<Advance<M>>() {
        // Where a kernel had a fault, the window ends there for all.
        let system = advance_host::<M>.after(advance).in_set(BuiltIn);
        simulation.add_systems(WindowSet::Advance, system);
    }
}

/// Advances the neurons of a host model through a window.
#[allow(clippy::too_many_arguments)] // System parameters are the system's declaration.
fn advance_host<M: HostModel>(
    window: Res<Window>,
    inbox: Res<Inbox>,
    banks: Res<Banks>,
    mut spikes: ResMut<WindowSpikes>,
    mut samples: ResMut<WindowSamples>,
    mut stop: ResMut<Stop>,
    mut times: ResMut<StageTimes>,
    populations: Query<&Population>,
    mut neurons: Query<(&Slot, &M::Soma, &mut M::State)>,
    synapses: Query<&M::Synapse>,
) {
    let began = std::time::Instant::now();
    let grid = *window;
    for population in &populations {
        let Some(nominal) = population.model.get::<M>() else { continue };
        let model = &nominal.model;
        let mut pulses = BlockPulses::default();
        for (index, neuron) in population.neurons.iter().enumerate() {
            let Ok((slot, soma, mut state)) = neurons.get_mut(*neuron) else { continue };
            let state = state.bypass_change_detection();
            let bank = &banks.0[slot.bank as usize];
            let window = bank.step.map_or(grid, |step| grid.in_steps_of(step));
            let mut inputs: SmallVec<[Input<M::Synapse>; 4]> = SmallVec::new();
            for (receptor, circuits) in &population.circuits {
                if let Ok(synapse) = synapses.get(circuits[index]) {
                    inputs.push(Input { receptor: *receptor, synapse, pulses: 0.0 });
                }
            }
            let exponents = &bank.member(slot.index).exponents;
            let places: SmallVec<[usize; 4]> = inputs
                .iter()
                .map(|input| bank.layout.receptor(input.receptor).unwrap_or(usize::MAX))
                .collect();
            let (block, lane) = (slot.index as usize / LANES, slot.index as usize % LANES);
            let first_block: usize = banks.0[..slot.bank as usize].iter().map(Bank::blocks).sum();
            let requests = bank.requests_of(slot.index..slot.index + 1);
            let mut sample = |step: u64, state: &M::State| {
                for request in requests.clone().filter(|r| bank.samples[*r].wants(step)) {
                    let (bank, state) = (slot.bank, model.read(state));
                    let time = Time::from_steps(step, window.dt);
                    samples.0.push(Sample { bank, request: request as u32, time, state });
                }
            };
            if window.first_step == 0 {
                sample(0, state);
            }
            pulses.read(first_block + block, &inbox);
            let mut next = pulses.lanes[lane].iter().peekable();
            for step in 0..window.steps {
                inputs.iter_mut().for_each(|input| input.pulses = 0.0);
                while let Some((_, receptor, weight)) = next.next_if(|(at, ..)| *at == step) {
                    let receptor = usize::from(*receptor);
                    if let Some(place) = places.iter().position(|p| *p == receptor) {
                        let scale = 2.0_f64.powi(-exponents[receptor]);
                        inputs[place].pulses += f64::from(*weight) * scale;
                    }
                }
                let spiked = model.step(soma, state, &inputs, window.dt.seconds());
                let end = window.first_step + step + 1;
                if spiked {
                    let time = Time::from_steps(end, window.dt);
                    spikes.populations[population.index].push(time, index as u32);
                }
                sample(end, state);
            }
            if stop.0.is_none() && model.read(state).iter().any(|value| !value.is_finite()) {
                stop.0 = Some(Error::NotFinite {
                    population: population.name.clone(),
                    neuron: population.replicas.id(index as u32),
                    time: window.end(),
                });
            }
        }
    }
    times.host += began.elapsed();
}

/// The pulses that arrive at each lane of a block: step, receptor and weight in fixed point, in the
/// order of time.
#[derive(Default)]
struct BlockPulses {
    block: Option<usize>,
    lanes: Vec<Vec<(u64, u8, i32)>>,
}

impl BlockPulses {
    /// Reads those of a block, unless they are there already.
    fn read(&mut self, block: usize, inbox: &Inbox) {
        if self.block.replace(block) == Some(block) {
            return;
        }
        self.lanes.resize_with(LANES, Vec::new);
        self.lanes.iter_mut().for_each(Vec::clear);
        for (first_step, Arrival { weight, step, lane, receptor }) in inbox.of_block(block) {
            let step = first_step + u64::from(step);
            self.lanes[usize::from(lane)].push((step, receptor, weight));
        }
        // Sums of multiples of one power of two are exact: the order within a step means nothing.
        self.lanes.iter_mut().for_each(|lane| lane.sort_unstable());
    }
}
