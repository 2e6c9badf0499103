//! A [`Scene`] as entities and banks.

use std::collections::BTreeMap;

use bevy_ecs::prelude::*;

use super::{BiasPath, Population as ScenePopulation, Scene, Solver};
use crate::bank::{Bank, Banks, Member, Slot};
use crate::circuit::mismatch::stream_key;
use crate::circuit::{
    Block, Forms, Membrane, Model, Preset, Receptor, Soma, Synapse, SynapticCurrent,
};
use crate::error::Error;
use crate::network::{Circuit, Neuron, Population, Projection, SourceGroup, SpikeSource};
use crate::solver::euler;
use crate::units;

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
    let slots = lay_out_banks(scene, world);
    let mut realised = Vec::new();
    for (index, (name, population)) in scene.populations.iter().enumerate() {
        let drawn = draw(scene.seed, name, population)?;
        spawn_population(name, index, population, &drawn, slots[index], world);
        realised.push(drawn.realised);
    }
    world.insert_resource(RealisedMismatch(realised));
    for index in 0..scene.sources.len() {
        spawn_sources(scene, index, world);
    }
    for connection in &scene.connections {
        world.spawn(Projection { connection: connection.clone() });
    }
    Ok(())
}

/// Populations with the same equations, receptors and constants share a bank; the result says where
/// the neurons of each population start.
fn lay_out_banks(scene: &Scene, world: &mut World) -> Vec<Slot> {
    let Solver::Euler { dt } = scene.solver;
    // What the kernel is made for; populations that agree in it share a bank.
    type Key = (Preset, Forms, [u64; 3], Vec<Receptor>, Vec<Receptor>);
    let mut keys: BTreeMap<Key, u32> = BTreeMap::new();
    let mut banks: Vec<(&Model, Vec<Member>)> = Vec::new();
    let mut slots = Vec::new();
    for (index, population) in scene.populations.values().enumerate() {
        let model = &population.model;
        let c = &model.constants;
        let circuits: Vec<Receptor> = model.synapses.iter().map(|(r, _)| *r).collect();
        let bits = [c.i0.to_bits(), c.ut.to_bits(), c.kappa.to_bits()];
        let key = (model.preset, model.forms, bits, circuits, model.off.clone());
        let bank = *keys.entry(key).or_insert_with(|| {
            banks.push((model, Vec::new()));
            banks.len() as u32 - 1
        });
        let members = &mut banks[bank as usize].1;
        let first = members.last().map_or(0, |m| m.first + m.len);
        let len = population.size as u32;
        members.push(Member { population: index, first, len, exponents: Vec::new() });
        slots.push(Slot { bank, index: first });
    }
    let banks = banks.into_iter().map(|(model, mut members)| {
        let kernel = euler::kernel(model, dt);
        for member in &mut members {
            member.exponents = vec![0; kernel.columns().circuits().len()];
        }
        Bank::new(kernel, model.clone(), members)
    });
    world.insert_resource(Banks(banks.collect()));
    slots
}

/// The instances of a population.
struct Drawn {
    forms: Forms,
    somas: Vec<Soma>,
    synapses: Vec<(Receptor, Vec<Synapse>)>,
    realised: Vec<Realised>,
}

impl Drawn {
    /// Calls `each` with a bias of every instance, in the order of neurons.
    fn set(&mut self, path: BiasPath, mut value: impl FnMut(usize) -> Option<f64>) {
        match path.receptor {
            None => set_bias(&mut self.somas, path.bias, &self.forms, &mut value),
            Some(receptor) => {
                let found = self.synapses.iter_mut().find(|(r, _)| *r == receptor);
                if let Some((_, synapses)) = found {
                    set_bias(synapses, path.bias, &self.forms, &mut value);
                }
            }
        }
    }

    fn values(&self, path: BiasPath) -> Vec<f64> {
        match path.receptor {
            None => bias_values(&self.somas, path.bias, &self.forms),
            Some(receptor) => {
                let found = self.synapses.iter().find(|(r, _)| *r == receptor);
                found.map(|(_, s)| bias_values(s, path.bias, &self.forms)).unwrap_or_default()
            }
        }
    }
}

fn set_bias<B: Block>(
    blocks: &mut [B],
    name: &str,
    forms: &Forms,
    value: &mut dyn FnMut(usize) -> Option<f64>,
) {
    let Some(bias) = B::bias(name, forms) else { return };
    for (neuron, block) in blocks.iter_mut().enumerate() {
        if let Some(value) = value(neuron) {
            (bias.set)(block, value);
        }
    }
}

fn bias_values<B: Block>(blocks: &[B], name: &str, forms: &Forms) -> Vec<f64> {
    B::bias(name, forms).map(|bias| blocks.iter().map(bias.get).collect()).unwrap_or_default()
}

/// Nominal values, then mismatch, then measured values.
fn draw(seed: u64, name: &str, population: &ScenePopulation) -> Result<Drawn, Error> {
    let model = &population.model;
    let size = population.size as usize;
    let mut drawn = Drawn {
        forms: model.forms,
        somas: vec![model.soma.clone(); size],
        synapses: model.synapses.iter().map(|(r, s)| (*r, vec![s.clone(); size])).collect(),
        realised: Vec::new(),
    };
    let mut reported = Vec::new();
    for (path, law) in &population.mismatch {
        let nominal = path.nominal(model).unwrap_or_default();
        let (unit, _) = path.unit_and_domain(&model.forms);
        let key = stream_key(seed, name, path.circuit(), path.bias);
        let mut floored = 0;
        drawn.set(*path, |neuron| {
            let draw = law.draw(nominal, unit, model.constants.i0, &key, neuron as u64);
            floored += u64::from(draw.floored);
            Some(draw.value)
        });
        reported.push((*path, Some(*law), floored));
    }
    if let Some(file) = &population.biases {
        for (column, path) in file.columns.iter().enumerate() {
            // Rows are sorted by neuron, and neurons come in order.
            let mut rows = file.rows.iter().peekable();
            drawn.set(*path, |neuron| {
                let row = rows.next_if(|(n, _)| *n as usize == neuron)?;
                Some(row.1[column])
            });
            if !reported.iter().any(|(known, _, _)| known == path) {
                reported.push((*path, None, 0));
            }
        }
    }
    check_instances(name, &drawn)?;
    drawn.realised = reported
        .into_iter()
        .map(|(bias, law, floored)| {
            let nominal = bias.nominal(model).unwrap_or_default();
            let (mean, cv) = mean_and_cv(&drawn.values(bias));
            Realised { bias, law, nominal, mean, cv, floored }
        })
        .collect();
    Ok(drawn)
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

/// A draw can leave the valid range of a bias, or put the reset above the threshold.
fn check_instances(name: &str, drawn: &Drawn) -> Result<(), Error> {
    fn check<B: Block>(
        name: &str,
        circuit: &str,
        forms: &Forms,
        blocks: &[B],
    ) -> Result<(), Error> {
        for bias in B::biases(forms) {
            for (neuron, block) in blocks.iter().enumerate() {
                let value = (bias.get)(block);
                bias.domain.check(value, bias.unit).map_err(|rule| Error::Instance {
                    population: name.to_string(),
                    neuron: neuron as u32,
                    message: format!("{circuit}.{} {rule}", bias.name),
                })?;
            }
        }
        Ok(())
    }
    check(name, "soma", &drawn.forms, &drawn.somas)?;
    for (receptor, synapses) in &drawn.synapses {
        check(name, receptor.name(), &drawn.forms, synapses)?;
    }
    let stuck = drawn.somas.iter().position(|soma| soma.i_th <= soma.i_reset);
    stuck.map_or(Ok(()), |neuron| {
        let soma = &drawn.somas[neuron];
        let shown = |current| units::format(current, units::Unit::Ampere);
        let (th, reset) = (shown(soma.i_th), shown(soma.i_reset));
        Err(Error::Instance {
            population: name.to_string(),
            neuron: neuron as u32,
            message: format!("its Ith = {th} is not above its Ireset = {reset}"),
        })
    })
}

fn spawn_population(
    name: &str,
    index: usize,
    population: &ScenePopulation,
    drawn: &Drawn,
    first: Slot,
    world: &mut World,
) {
    let model = &population.model;
    let initial = |receptor: Option<Receptor>| {
        let given = population.init.iter().find(|(r, _)| *r == receptor);
        let default = || match receptor {
            None => model.preset.initial_membrane(&model.constants),
            Some(receptor) => model.resting_current(receptor),
        };
        given.map_or_else(default, |(_, value)| *value)
    };
    let slot = |k: usize| Slot { bank: first.bank, index: first.index + k as u32 };
    let entity = world.spawn_empty().id();
    let membrane = Membrane(initial(None));
    let neurons: Vec<Entity> = world
        .spawn_batch(drawn.somas.clone().into_iter().enumerate().map(move |(k, soma)| {
            (Neuron { population: entity, index: k as u32 }, soma, membrane, slot(k))
        }))
        .collect();
    let mut circuits = Vec::new();
    for (receptor, synapses) in &drawn.synapses {
        let current = SynapticCurrent(initial(Some(*receptor)));
        let batch: Vec<_> = synapses
            .iter()
            .enumerate()
            .map(|(k, synapse)| {
                let circuit = Circuit { neuron: neurons[k], receptor: *receptor };
                (circuit, synapse.clone(), current, slot(k))
            })
            .collect();
        circuits.push((*receptor, world.spawn_batch(batch).collect()));
    }
    let model = model.clone();
    let population = Population { name: name.to_string(), index, model, neurons, circuits };
    world.entity_mut(entity).insert(population);
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
