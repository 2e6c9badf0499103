//! A [`Scene`] as entities and banks.

use std::marker::PhantomData;

use bevy_ecs::prelude::*;
use bevy_ecs::schedule::IntoScheduleConfigs;

use super::{BiasPath, GroupId, Population as ScenePopulation, Scene, Solver};
use crate::bank::{Bank, Banks, Drive, Member, Neurons, Slot, transfer};
use crate::circuit::mismatch::stream_key;
use crate::circuit::{Membrane, Receptor, SynapticCurrent};
use crate::error::Error;
use crate::model::{Conflict, Equations, Model, NeuronModel, Nominal};
use crate::network::port::MOST_RECEPTORS;
use crate::network::{Circuit, Neuron, Population, Projection, Replicas, SourceGroup, SpikeSource};
use crate::rng::StreamKey;
use crate::schedule::{BuiltIn, WindowSet};
use crate::simulation::Simulation;
use crate::solver::kernel::Kernel;
use crate::time::Time;

/// What mismatch came to, for one bias of a population.
#[derive(Debug, Clone, PartialEq)]
pub struct Realised {
    /// Which bias.
    pub bias: BiasPath,
    /// The law it was drawn from; `None` when all values come from a file.
    pub law: Option<crate::circuit::MismatchLaw>,
    /// Nominal value, SI.
    pub nominal: f64,
    /// Mean over the instances, SI.
    pub mean: f64,
    /// Standard deviation over mean.
    pub cv: f64,
    /// How many draws the floor replaced.
    pub floored: u64,
}

/// What mismatch came to, population by population.
#[derive(Resource, Debug, Default)]
pub struct RealisedMismatch(pub Vec<Vec<Realised>>);

/// Spawns everything but probes: populations with their neurons and circuits, sources, projections;
/// and lays out the banks.
///
/// # Errors
/// [`Error::Instance`] when a drawn or measured instance cannot work.
pub fn spawn(scene: &Scene, world: &mut World) -> Result<(), Error> {
    let dt = scene.solver.step();
    let slots = lay_out_banks(scene, world)?;
    let mut realised = Vec::new();
    for (index, (name, population)) in scene.populations.iter().enumerate() {
        let entity = world.spawn_empty().id();
        let replicas = Replicas::of(scene, GroupId::Population(index));
        let (seed, first) = (scene.seed, slots[index]);
        let order = Order { seed, dt, name, population, replicas, entity, first };
        let spawned = population.model.0.spawn(&order, world)?;
        realised.push(spawned.realised);
        world.entity_mut(entity).insert(Population {
            name: name.clone(),
            index,
            model: population.model.clone(),
            replicas,
            neurons: spawned.neurons,
            circuits: spawned.circuits,
        });
    }
    world.insert_resource(RealisedMismatch(realised));
    for index in 0..scene.sources.len() {
        spawn_sources(scene, index, world);
    }
    for (index, connection) in scene.connections.iter().enumerate() {
        world.spawn(Projection { index, connection: connection.clone() });
    }
    Ok(())
}

/// Populations with the same equations, receptors and constants share a bank; the result says where
/// the neurons of each population start.
fn lay_out_banks(scene: &Scene, world: &mut World) -> Result<Vec<Slot>, Error> {
    let mut banks: Vec<(&Model, Vec<Member>)> = Vec::new();
    let mut slots = Vec::new();
    for (index, population) in scene.populations.values().enumerate() {
        let model = &population.model;
        let shared = banks.iter().position(|(other, _)| model.0.shares_kernel(&*other.0));
        let bank = shared.unwrap_or_else(|| {
            banks.push((model, Vec::new()));
            banks.len() - 1
        });
        let members = &mut banks[bank].1;
        let first = members.last().map_or(0, |m| m.first + m.len);
        let len = scene.instances(GroupId::Population(index)) as u32;
        members.push(Member { population: index, first, len, exponents: Vec::new() });
        slots.push(Slot { bank: bank as u32, index: first });
    }
    let lay_out = |(model, members): (&Model, Vec<Member>)| {
        let event = match scene.solver {
            Solver::Event { tolerance, .. } => {
                let dc = |member: &Member| scene.populations[member.population].dc.is_some();
                model.0.event_equations(tolerance, members.iter().any(dc))
            }
            Solver::Euler { .. } => None,
        };
        let step = scene.solver.step();
        let neurons = match (event, model.0.equations(step)) {
            (Some(neurons), _) => Neurons::Event(neurons),
            (None, Equations::Host(_)) => Neurons::Host,
            (None, Equations::Kernel(kernel)) => {
                check_kernel(model, &*kernel)?;
                Neurons::stepped(kernel)
            }
        };
        let step = (!matches!(neurons, Neurons::Event(_))).then_some(step);
        let mut bank = Bank::new(neurons, step, model.clone(), members);
        let (is_host, has_dc) = (bank.is_host(), bank.layout.dc.is_some());
        for member in &mut bank.members {
            member.exponents = vec![0; bank.layout.circuits.len()];
            let population = &scene.populations[member.population];
            check_population(population, !is_host, has_dc)?;
            if let Some(waveform) = &population.dc {
                let slots = member.first..member.first + member.len;
                bank.drives.push(Drive { slots, waveform: waveform.clone() });
            }
        }
        Ok(bank)
    };
    let banks = banks.into_iter().map(lay_out).collect::<Result<_, Error>>()?;
    world.insert_resource(Banks(banks));
    Ok(slots)
}

/// What a model says of itself and what its kernel has must agree.
fn check_kernel(model: &Model, kernel: &dyn Kernel) -> Result<(), Error> {
    let layout = kernel.layout();
    let error = |message: String| Err(Error::Model { model: model.name(), message });
    let widths =
        [layout.resting_parameters.len(), layout.resting_state.len(), layout.receptors.len()];
    if widths != kernel.widths() {
        let step = kernel.widths();
        return error(format!(
            "its layout has {widths:?} parameters, state variables and receptors, its step {step:?}"
        ));
    }
    if layout.receptors.len() > MOST_RECEPTORS {
        return error(format!("it has more than {MOST_RECEPTORS} receptors"));
    }
    let circuits = model.circuits();
    for receptor in model.0.receptors().iter().filter(|r| circuits.has(**r)) {
        if layout.receptor(*receptor).is_none() {
            return error(format!("its kernel has no receptor {}", receptor.name()));
        }
    }
    let circuits = layout.circuits.iter().map(|(circuit, _)| circuit);
    if !circuits.take(layout.receptors.len()).eq(&layout.receptors) {
        return error("the circuits of its layout do not begin with its receptors".into());
    }
    if let Some(column) = model.0.wrong_column(kernel) {
        return error(format!("it sets the parameter column {column}, which there is not"));
    }
    let states = layout.circuits.iter().map(|(_, column)| *column).chain([layout.membrane]);
    if let Some(column) = states.into_iter().find(|c| *c >= layout.resting_state.len()) {
        return error(format!("its layout names the state column {column}, which there is not"));
    }
    if let Some(column) = layout.dc.filter(|c| *c >= layout.resting_parameters.len()) {
        return error(format!(
            "its layout names the parameter column {column}, which there is not"
        ));
    }
    Ok(())
}

/// What a scene gives a population must reach its equations.
fn check_population(
    population: &ScenePopulation,
    is_kernel: bool,
    has_dc: bool,
) -> Result<(), Error> {
    let error = |message: &str| {
        Err(Error::Model { model: population.model.name(), message: message.into() })
    };
    if population.dc.is_some() && !has_dc {
        return error("it has a unit of a direct input (dc_unit), but its equations have none");
    }
    if !population.init.is_empty() && !is_kernel {
        return error("a host model takes its initial state from initial_state, not from `init`");
    }
    Ok(())
}

/// What a model is asked to spawn.
pub(crate) struct Order<'a> {
    seed: u64,
    dt: Time,
    name: &'a str,
    population: &'a ScenePopulation,
    replicas: Replicas,
    entity: Entity,
    first: Slot,
}

/// The entities of a population.
pub(crate) struct Spawned {
    neurons: Vec<Entity>,
    circuits: Vec<(Receptor, Vec<Entity>)>,
    realised: Vec<Realised>,
}

/// The instances of a population.
struct Drawn<'a, M: NeuronModel> {
    nominal: &'a Nominal<M>,
    somas: Vec<M::Soma>,
    synapses: Vec<(Receptor, Vec<M::Synapse>)>,
}

impl<M: NeuronModel> Drawn<'_, M> {
    /// Calls `value` for a bias of every instance, in the order of neurons.
    fn set(&mut self, path: BiasPath, mut value: impl FnMut(usize) -> Option<f64>) {
        fn write<B>(
            blocks: &mut [B],
            set: fn(&mut B, f64),
            value: &mut dyn FnMut(usize) -> Option<f64>,
        ) {
            for (neuron, block) in blocks.iter_mut().enumerate() {
                if let Some(value) = value(neuron) {
                    set(block, value);
                }
            }
        }
        match path.receptor {
            None => {
                if let Some(bias) = self.nominal.soma_bias(path.bias) {
                    write(&mut self.somas, bias.set, &mut value);
                }
            }
            Some(receptor) => {
                let synapses = self.synapses.iter_mut().find(|(r, _)| *r == receptor);
                let bias = self.nominal.synapse_bias(path.bias);
                if let (Some((_, synapses)), Some(bias)) = (synapses, bias) {
                    write(synapses, bias.set, &mut value);
                }
            }
        }
    }

    fn values(&self, path: BiasPath) -> Vec<f64> {
        let values = match path.receptor {
            None => {
                let bias = self.nominal.soma_bias(path.bias);
                bias.map(|bias| self.somas.iter().map(bias.get).collect())
            }
            Some(receptor) => {
                let synapses = self.synapses.iter().find(|(r, _)| *r == receptor);
                let bias = self.nominal.synapse_bias(path.bias);
                bias.zip(synapses).map(|(bias, (_, s))| s.iter().map(bias.get).collect())
            }
        };
        values.unwrap_or_default()
    }

    /// A draw can leave the valid range of a bias, or give biases that do not go together.
    fn check(&self, population: &str, replicas: Replicas) -> Result<(), Error> {
        let model = Model::new(self.nominal.clone());
        let error = |neuron: usize, message: String| Error::Instance {
            population: population.to_string(),
            neuron: replicas.id(neuron as u32),
            message,
        };
        for path in model.bias_paths() {
            let Some(bias) = model.bias(path) else { continue };
            for (neuron, value) in self.values(path).into_iter().enumerate() {
                let checked = bias.domain.check(value, bias.unit);
                checked.map_err(|rule| error(neuron, format!("{path} {rule}")))?;
            }
        }
        for (neuron, soma) in self.somas.iter().enumerate() {
            if let Some(Conflict { message, .. }) = self.nominal.model.check(soma) {
                return Err(error(neuron, message));
            }
        }
        Ok(())
    }
}

/// Nominal values, then mismatch, then measured values; and what mismatch came to.
fn draw<'a, M: NeuronModel>(
    nominal: &'a Nominal<M>,
    order: &Order,
) -> Result<(Drawn<'a, M>, Vec<Realised>), Error> {
    let Order { seed, name, population, replicas, .. } = *order;
    let size = replicas.neurons() as usize;
    let synapses = nominal.synapses.iter().map(|(r, s)| (*r, vec![s.clone(); size])).collect();
    let mut drawn = Drawn { nominal, somas: vec![nominal.soma.clone(); size], synapses };
    let model = &population.model;
    let mut reported = Vec::new();
    for (path, law) in &population.mismatch {
        let value = model.nominal(*path).unwrap_or_default();
        let unit = model.bias(*path).map(|bias| bias.unit);
        let floor = unit.and_then(|unit| nominal.model.mismatch_floor(unit));
        let stream = |r| stream_key(seed, name, path.circuit(), path.bias, r);
        let keys: Vec<StreamKey> = (0..replicas.count).map(stream).collect();
        let mut floored = 0;
        drawn.set(*path, |neuron| {
            let (replica, neuron) = replicas.split(neuron as u32);
            let draw = law.draw(value, floor, &keys[replica as usize], u64::from(neuron));
            floored += u64::from(draw.floored);
            Some(draw.value)
        });
        reported.push((*path, Some(*law), floored));
    }
    if let Some(file) = &population.biases {
        for (column, path) in file.columns.iter().enumerate() {
            // Rows are sorted by neuron.
            drawn.set(*path, |neuron| {
                let index = neuron as u32;
                let neuron = if file.by_replica { index } else { replicas.split(index).1 };
                let row = file.rows.binary_search_by_key(&neuron, |(n, _)| *n).ok()?;
                Some(file.rows[row].1[column])
            });
            if !reported.iter().any(|(known, _, _)| known == path) {
                reported.push((*path, None, 0));
            }
        }
    }
    drawn.check(name, replicas)?;
    let realised = reported.into_iter().map(|(bias, law, floored)| {
        let (mean, cv) = mean_and_cv(&drawn.values(bias));
        let nominal = model.nominal(bias).unwrap_or_default();
        Realised { bias, law, nominal, mean, cv, floored }
    });
    let realised = realised.collect();
    Ok((drawn, realised))
}

/// Mean, and standard deviation (n − 1) over mean.
fn mean_and_cv(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    if values.len() < 2 || mean == 0.0 {
        return (mean, 0.0);
    }
    let squares: f64 = values.iter().map(|v| (v - mean) * (v - mean)).sum();
    (mean, (squares / (n - 1.0)).sqrt() / mean)
}

/// Spawns the neurons and circuits of a population: what [`spawn`] asks of each model.
pub(crate) fn spawn_neurons<M: NeuronModel>(
    nominal: &Nominal<M>,
    order: &Order,
    world: &mut World,
) -> Result<Spawned, Error> {
    let (drawn, realised) = draw(nominal, order)?;
    let Order { population, entity, first, .. } = *order;
    let initial = |circuit: Option<Receptor>| {
        let given = population.init.iter().find(|(r, _)| *r == circuit);
        given.map_or_else(|| nominal.model.initial(circuit), |(_, value)| *value)
    };
    let slot = |k: usize| Slot { bank: first.bank, index: first.index + k as u32 };
    let host = match nominal.model.equations(&nominal.circuits(), order.dt) {
        Equations::Kernel(_) => None,
        Equations::Host(host) => Some(host),
    };
    let somas = drawn.somas.into_iter().enumerate();
    let somas = somas.map(|(k, soma)| (neuron(entity, k), soma, slot(k)));
    let neurons: Vec<Entity> = if let Some(host) = &host {
        let neurons: Vec<Entity> = world.spawn_batch(somas.collect::<Vec<_>>()).collect();
        (host.attach)(world, &*population.model.0, &neurons);
        neurons
    } else {
        let membrane = Membrane(initial(None));
        let somas = somas.map(|(neuron, soma, slot)| (neuron, soma, membrane, slot));
        world.spawn_batch(somas.collect::<Vec<_>>()).collect()
    };
    let mut circuits = Vec::new();
    for (receptor, synapses) in drawn.synapses {
        let current = SynapticCurrent(initial(Some(receptor)));
        let synapses = synapses.into_iter().enumerate();
        let synapses = synapses
            .map(|(k, synapse)| (Circuit { neuron: neurons[k], receptor }, synapse, slot(k)));
        let entities = if host.is_some() {
            world.spawn_batch(synapses.collect::<Vec<_>>()).collect()
        } else {
            let synapses =
                synapses.map(|(circuit, synapse, slot)| (circuit, synapse, current, slot));
            world.spawn_batch(synapses.collect::<Vec<_>>()).collect()
        };
        circuits.push((receptor, entities));
    }
    Ok(Spawned { neurons, circuits, realised })
}

fn neuron(population: Entity, index: usize) -> Neuron {
    Neuron { population, index: index as u32 }
}

/// Adds the systems that a model needs: what gathers its biases, or what advances it on the host.
pub(crate) fn install<M: NeuronModel>(nominal: &Nominal<M>, simulation: &mut Simulation) {
    struct Gather<B>(PhantomData<B>);
    let dt = simulation.scene().solver.step();
    if let Equations::Host(host) = nominal.model.equations(&nominal.circuits(), dt) {
        (host.install)(simulation);
        return;
    }
    if simulation.first_time::<Gather<M::Soma>>() {
        let system = transfer::gather_somas::<M::Soma>.in_set(BuiltIn);
        simulation.add_systems(WindowSet::Gather, system);
    }
    if simulation.first_time::<Gather<M::Synapse>>() {
        let system = transfer::gather_synapses::<M::Synapse>.in_set(BuiltIn);
        simulation.add_systems(WindowSet::Gather, system);
    }
}

/// The sources of a group. Their trains are [inserted](crate::network::source::Train::insert) later.
fn spawn_sources(scene: &Scene, index: usize, world: &mut World) {
    let Some((name, source)) = scene.sources.get_index(index) else { return };
    let group = world.spawn_empty().id();
    let sources = (0..source.size)
        .map(|k| world.spawn(SpikeSource { group, group_index: index, index: k as u32 }).id())
        .collect();
    world.entity_mut(group).insert(SourceGroup { name: name.clone(), index, sources });
}
