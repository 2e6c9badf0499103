//! Replicas: draws of a whole scene's mismatch side by side.
//!
//! `replicas: 100` gives every population a hundred times its neurons, in the same banks. Sources are
//! shared, and each replica has the same edges within it; nothing but the mismatch differs. Replica 0
//! is the scene without replicas. Within the program the neurons of a population have one index: those
//! of replica 0 come first, then those of replica 1, and so on. Tables show replica and neuron.

use std::fmt;

use crate::scene::{GroupId, Scene};

/// How the neurons of a group are numbered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replicas {
    /// How many replicas there are; 1 of a group of sources, which all replicas share.
    pub count: u32,
    /// Neurons of each.
    pub size: u32,
}

impl Replicas {
    /// Of a group of a scene.
    #[must_use]
    pub fn of(scene: &Scene, group: GroupId) -> Replicas {
        let count = match group {
            GroupId::Source(_) => 1,
            GroupId::Population(_) => scene.replicas,
        };
        Replicas { count: count as u32, size: scene.group_size(group) as u32 }
    }

    /// Neurons of all replicas.
    #[must_use]
    pub fn neurons(self) -> u32 {
        self.count.saturating_mul(self.size)
    }

    /// Replica and neuron of an index.
    #[must_use]
    pub fn split(self, index: u32) -> (u32, u32) {
        (index / self.size, index % self.size)
    }

    /// The index of a neuron of a replica; `None` where there is none.
    #[must_use]
    pub fn index(self, replica: u32, neuron: u32) -> Option<u32> {
        let is_there = replica < self.count && neuron < self.size;
        replica.checked_mul(self.size)?.checked_add(neuron).filter(|_| is_there)
    }

    /// What stands before the header of a table: `replica,`, or nothing without replicas.
    #[must_use]
    pub fn header(self) -> &'static str {
        if self.count > 1 { "replica," } else { "" }
    }

    /// What stands before the other cells of a row: `3,`, or nothing without replicas.
    #[must_use]
    pub fn cell(self, replica: u32) -> Cell {
        Cell((self.count > 1).then_some(replica))
    }

    /// The name of a neuron in messages.
    #[must_use]
    pub fn id(self, index: u32) -> NeuronId {
        let (replica, neuron) = self.split(index);
        NeuronId { neuron, replica: (self.count > 1).then_some(replica) }
    }
}

/// The first cell of a row: see [`Replicas::cell`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell(Option<u32>);

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |replica| write!(f, "{replica},"))
    }
}

/// A neuron of a population as messages name it: `neuron 3`, `neuron 3 of replica 7`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NeuronId {
    /// Its index in the scene.
    pub neuron: u32,
    /// Its replica, where there are several.
    pub replica: Option<u32>,
}

impl fmt::Display for NeuronId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "neuron {}", self.neuron)?;
        self.replica.map_or(Ok(()), |replica| write!(f, " of replica {replica}"))
    }
}
