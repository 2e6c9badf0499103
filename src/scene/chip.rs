//! The chip on which a scene is to fit.
//!
//! Its limits are those of DYNAP-SE1: Moradi, Qiao, Stefanini, Indiveri 2018, IEEE Transactions on
//! Biomedical Circuits and Systems 12(1), 106–122. Four cores of 256 neurons; a core has one bias
//! group, so that its neurons differ by mismatch only; a neuron has 64 words of content-addressable
//! memory, and each holds one synapse of weight 1, whatever its receptor and wherever it comes from.

use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;

use super::{Population, Scene, write};
use crate::units;

/// Chips of one kind, and the populations on their cores.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chip {
    /// How many chips there are.
    pub chips: u64,
    /// Cores of each.
    pub cores_per_chip: u64,
    /// Neurons of each core.
    pub neurons_per_core: u64,
    /// The largest sum of the weights of all edges that end at a neuron.
    pub fan_in: u64,
    /// The cores of each population (by its place in the scene), counted over all chips from 0. In
    /// the order in which they take their neurons; each fills its cores in the order given.
    pub cores: Vec<(usize, Vec<u64>)>,
}

impl Chip {
    /// One DYNAP-SE1 with nothing on it.
    #[must_use]
    pub fn dynapse1() -> Chip {
        let cores = Vec::new();
        Chip { chips: 1, cores_per_chip: 4, neurons_per_core: 256, fan_in: 64, cores }
    }

    /// The cores of all chips.
    #[must_use]
    pub fn all_cores(&self) -> u64 {
        self.chips.saturating_mul(self.cores_per_chip)
    }

    /// The cores that hold neurons.
    #[must_use]
    pub fn used_cores(&self) -> usize {
        self.cores.iter().flat_map(|(_, cores)| cores).collect::<BTreeSet<_>>().len()
    }
}

/// The populations of a scene while they get their cores.
pub(super) struct Placement {
    neurons_per_core: u64,
    sizes: Vec<u64>,
    bias_groups: Vec<IndexMap<String, String>>,
    cores: BTreeMap<u64, Core>,
}

/// A core with neurons on it.
struct Core {
    free: u64,
    populations: Vec<usize>,
}

/// A bias in which two populations of a core differ.
pub(super) struct Conflict<'p> {
    /// The population that is there already.
    pub other: usize,
    /// The bias, or the part of the model.
    pub bias: &'p str,
    /// What it is in the population that comes.
    pub own: &'p str,
    /// What it is in the other one.
    pub its: &'p str,
}

impl Placement {
    /// Nothing is on any core yet.
    pub fn new(scene: &Scene, neurons_per_core: u64) -> Placement {
        Placement {
            neurons_per_core,
            sizes: scene.populations.values().map(|p| p.size).collect(),
            bias_groups: scene.populations.values().map(bias_group).collect(),
            cores: BTreeMap::new(),
        }
    }

    /// Free places on a core.
    pub fn free(&self, core: u64) -> u64 {
        self.cores.get(&core).map_or(self.neurons_per_core, |core| core.free)
    }

    /// Why a population cannot share a core with others on it.
    pub fn conflict(&self, core: u64, population: usize) -> Option<Conflict<'_>> {
        let own = &self.bias_groups[population];
        self.cores.get(&core)?.populations.iter().find_map(|&other| {
            own.iter().find_map(|(bias, own)| {
                let its = self.bias_groups[other].get(bias).filter(|its| *its != own)?;
                Some(Conflict { other, bias, own, its })
            })
        })
    }

    /// Fills cores in this order with the neurons of a population, until none is left. The result
    /// is the cores that hold some of them, and how many found no room.
    pub fn fill(
        &mut self,
        population: usize,
        wanted: impl IntoIterator<Item = u64>,
    ) -> (Vec<u64>, u64) {
        let (mut left, mut own) = (self.sizes[population], Vec::new());
        for index in wanted {
            let new = Core { free: self.neurons_per_core, populations: Vec::new() };
            let core = self.cores.entry(index).or_insert(new);
            if core.free == 0 {
                continue;
            }
            let taken = left.min(core.free);
            core.free -= taken;
            core.populations.push(population);
            own.push(index);
            left -= taken;
            if left == 0 {
                break;
            }
        }
        (own, left)
    }

    /// The cores of a population for which the scene names none: those with room and the same bias
    /// group, then empty ones, however many there are.
    pub fn fill_any(&mut self, population: usize) -> Vec<u64> {
        let has_room =
            |index: &u64| self.free(*index) > 0 && self.conflict(*index, population).is_none();
        let shared: Vec<u64> = self.cores.keys().copied().filter(has_room).collect();
        let taken: BTreeSet<u64> = self.cores.keys().copied().collect();
        let empty = (0..).filter(|index| !taken.contains(index));
        self.fill(population, shared.into_iter().chain(empty)).0
    }
}

/// What the neurons of a core have in common: model, settings and nominal values of a population.
/// What it does not have (a circuit that nothing reaches) may have any value.
fn bias_group(population: &Population) -> IndexMap<String, String> {
    let model = &population.model;
    let mut group = IndexMap::new();
    group.insert("the model".to_string(), model.name().to_string());
    group.extend(model.0.settings().into_iter().map(|(key, value)| (key.to_string(), value)));
    let circuits = model.circuits();
    group.extend(circuits.present.iter().map(|c| (c.name().to_string(), "on".to_string())));
    group.extend(circuits.off.iter().map(|c| (c.name().to_string(), "Off".to_string())));
    for path in model.bias_paths() {
        if let Some((bias, value)) = model.bias(path).zip(model.nominal(path)) {
            group.insert(path.to_string(), units::format(value, bias.unit));
        }
    }
    if let Some(unit) = model.0.dc_unit() {
        let typed = |dc| write::waveform(dc, unit, &|file| file.path.clone());
        let dc = population.dc.as_ref().map_or("constant".to_string(), typed);
        group.insert("dc".to_string(), dc);
    }
    group
}
