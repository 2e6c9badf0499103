//! Sources as a back end takes them over: regular and Poisson trains, as numbers.

use std::sync::Arc;

use bevy_ecs::prelude::*;

use super::NextSpike;
use super::poisson::PoissonTrain;
use super::regular::RegularTrain;
use crate::network::SourceGroup;
use crate::rng::StreamKey;
use crate::time::Time;

/// When the sources of a group fire.
#[derive(Debug, Clone, PartialEq)]
pub struct Emission {
    /// The group's index in the scene.
    pub group: usize,
    /// The next spike of each source; [`Time::MAX`]: there is none.
    pub next: Vec<Time>,
    /// How many it has fired (regular trains), or how often it has drawn (Poisson trains).
    pub drawn: Vec<u64>,
    /// The step of its rate.
    pub step: Vec<u64>,
    /// Of each step of the rate, the rates of all sources, Hz.
    pub rates: Vec<f64>,
    /// What the next spike follows from.
    pub rule: ByRule,
}

/// What the next spike of a source follows from.
#[derive(Debug, Clone, PartialEq)]
pub enum ByRule {
    /// Spike k comes at the phase + k intervals.
    Regular {
        /// Picoseconds; 0: it is 1/rate.
        intervals: Vec<u64>,
        /// Picoseconds.
        phases: Vec<u64>,
    },
    /// Exponential intervals in the integral of the rate.
    Poisson {
        /// When each step of the rate begins, picoseconds.
        starts: Vec<u64>,
        /// The key of all streams.
        key: u64,
        /// What stands for the key's name in their counters.
        name: u32,
    },
}

impl Emission {
    /// The sources of a group in a scene with a seed; `None`: their trains are of another kind.
    #[must_use]
    pub fn of(group: &SourceGroup, world: &World, seed: u64) -> Option<Emission> {
        let sources = || group.sources.iter().map(|entity| world.get_entity(*entity));
        let is_silent = |entity: &EntityRef| !entity.contains::<NextSpike>();
        let first = sources().flatten().find(|entity| !is_silent(entity))?;
        if first.contains::<RegularTrain>() {
            let trains = sources().map(|entity| {
                let entity = entity.ok()?;
                if is_silent(&entity) { Some(None) } else { entity.get::<RegularTrain>().map(Some) }
            });
            return Some(Emission::regular(group.index, &trains.collect::<Option<Vec<_>>>()?));
        }
        let steps = first.get::<PoissonTrain>()?.steps().clone();
        let key = StreamKey::new(seed, &["poisson", &group.name]);
        let (mut next, mut drawn, mut step) = (Vec::new(), Vec::new(), Vec::new());
        for (index, entity) in (0..).zip(sources()) {
            let entity = entity.ok()?;
            if is_silent(&entity) {
                next.push(Time::MAX);
                drawn.push(0);
                step.push(0);
                continue;
            }
            let train = entity.get::<PoissonTrain>()?;
            // One that has drawn already, or from another stream, cannot be told by numbers.
            if !Arc::ptr_eq(train.steps(), &steps) || !train.is_fresh(&key, index) {
                return None;
            }
            let (time, at) = train.at();
            next.push(time);
            drawn.push(1);
            step.push(at as u64);
        }
        let rates = steps
            .iter()
            .flat_map(|(_, rates)| (0..group.sources.len()).map(|index| rates.of(index as u64)));
        let (key, name) = key.words();
        Some(Emission {
            group: group.index,
            rates: rates.collect(),
            rule: ByRule::Poisson {
                starts: steps.iter().map(|(start, _)| start.picoseconds()).collect(),
                key,
                name,
            },
            next,
            drawn,
            step,
        })
    }

    fn regular(group: usize, trains: &[Option<&RegularTrain>]) -> Emission {
        let numbers = || trains.iter().map(|train| train.map(RegularTrain::numbers));
        Emission {
            group,
            next: numbers().map(|n| n.map_or(Time::MAX, |n| n.next)).collect(),
            drawn: numbers().map(|n| n.map_or(0, |n| n.k)).collect(),
            step: vec![0; trains.len()],
            rates: numbers().map(|n| n.map_or(0.0, |n| n.rate)).collect(),
            rule: ByRule::Regular {
                intervals: numbers().map(|n| n.map_or(0, |n| n.interval)).collect(),
                phases: numbers().map(|n| n.map_or(0, |n| n.phase.picoseconds())).collect(),
            },
        }
    }
}
