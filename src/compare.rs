//! Two runs of the same or of different scenes: do they have the same spikes?
//!
//! The digests of `summary.json` decide, for they cover every spike. Where they differ, the spikes
//! that `Spikes` probes of both runs have recorded tell where the runs first differ and how far
//! counts and times are apart (the k-th spike of a neuron against its k-th, as in
//! [`converge`](crate::converge)).

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::converge::{Comparison, Difference as Apart, Trains};
use crate::error::Error;
use crate::network::{NeuronId, Replicas};
use crate::plugins::Plugins;
use crate::probe::Tables;
use crate::probe::spikes::Spikes;
use crate::probe::tables::{index, time};
use crate::results::Results;
use crate::scene::difference::{Difference, differences};
use crate::scene::{GroupId, Scene, Selection};
use crate::time::Time;

/// Whether two runs have the same spikes, and what tells them apart.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunComparison {
    /// Whether every spike of every population is the same.
    pub same: bool,
    /// Where the scenes differ.
    pub scenes: Vec<Difference>,
    /// Simulated time that was reached, s, where the runs ended at different times.
    pub reached_s: Option<(f64, f64)>,
    /// Each population of either run.
    pub populations: BTreeMap<String, PopulationComparison>,
}

/// A population in both runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PopulationComparison {
    /// Whether all its spikes are the same.
    pub same: bool,
    /// Spikes in the first run; none where it has no such population.
    pub spikes_a: Option<u64>,
    /// Spikes in the second run.
    pub spikes_b: Option<u64>,
    /// What the recorded spikes tell, where they differ in both runs.
    pub recorded: Option<RecordedComparison>,
}

/// The spikes of a population that probes of both runs have recorded.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RecordedComparison {
    /// The probes in both runs.
    pub probes: (String, String),
    /// Whether they record all neurons from the start to the end.
    pub is_whole: bool,
    /// The first spike that only one of the runs has; none where the recorded ones are the same.
    pub first: Option<FirstDifference>,
    /// How the neurons of the first run are numbered.
    #[serde(skip)]
    pub replicas: Replicas,
    /// How far counts and times are apart: the first run is the reference. Neurons have one index over
    /// all replicas.
    pub apart: Apart,
    /// Mean difference of a neuron's rates, Hz, without sign.
    pub mean_rate_error_hz: f64,
}

/// The first spike that only one of two runs has.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FirstDifference {
    /// When.
    pub time_s: f64,
    /// Whose, in which replica (where there are several).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replica: Option<u32>,
    /// Whose.
    pub neuron: u32,
    /// Whether the first run has it, and not the second.
    pub only_in_a: bool,
}

/// Compares the results of two runs.
///
/// # Errors
/// [`Error::Io`], [`Error::Results`] for tables that cannot be read, and as [`Plugins::load`].
pub fn compare(a: &Results, b: &Results, plugins: &Plugins) -> Result<RunComparison, Error> {
    let scenes = differences(&a.scene_text()?, &b.scene_text()?);
    let (of_a, of_b) = (a.summary(), b.summary());
    let names: BTreeSet<&String> = of_a.spikes.keys().chain(of_b.spikes.keys()).collect();
    let mut populations = BTreeMap::new();
    // Scenes are read where there is something to look for in them.
    let mut read = None;
    for name in names {
        let [spikes_a, spikes_b] = [of_a, of_b].map(|run| run.spikes.get(name).copied());
        let same = spikes_a == spikes_b
            && of_a
                .spike_hash
                .get(name)
                .is_some_and(|hash| Some(hash) == of_b.spike_hash.get(name));
        let mut recorded = None;
        if !same && spikes_a.is_some() && spikes_b.is_some() {
            if read.is_none() {
                read = Some((a.scene(plugins)?.scene, b.scene(plugins)?.scene));
            }
            if let Some((scene_a, scene_b)) = &read {
                recorded = compare_recorded(name, (a, scene_a), (b, scene_b))?;
            }
        }
        let population = PopulationComparison { same, spikes_a, spikes_b, recorded };
        populations.insert(name.clone(), population);
    }
    let reached = (of_a.simulated_s, of_b.simulated_s);
    Ok(RunComparison {
        same: populations.values().all(|p| p.same),
        scenes,
        reached_s: (reached.0 != reached.1).then_some(reached),
        populations,
    })
}

/// The probe that has recorded most of a population's spikes: all neurons before some of them.
fn probe_of<'s>(scene: &'s Scene, population: &str) -> Option<(&'s str, &'s Spikes, bool)> {
    let index = scene.populations.get_index_of(population)?;
    let probes = scene.probes.iter().filter_map(|(name, probe)| {
        let kind: &dyn std::any::Any = &*probe.kind;
        let spikes = kind.downcast_ref::<Spikes>()?;
        let is_own = spikes.emitters.of == GroupId::Population(index);
        let is_whole = spikes.emitters.neurons == Selection::All
            && (probe.span.from, probe.span.to) == (Time::ZERO, Time::MAX);
        is_own.then_some((name.as_str(), spikes, is_whole))
    });
    probes.min_by_key(|(_, _, is_whole)| !is_whole)
}

fn compare_recorded(
    population: &str,
    (a, scene_a): (&Results, &Scene),
    (b, scene_b): (&Results, &Scene),
) -> Result<Option<RecordedComparison>, Error> {
    let (Some(probe_a), Some(probe_b)) =
        (probe_of(scene_a, population), probe_of(scene_b, population))
    else {
        return Ok(None);
    };
    let replicas = |scene: &Scene, probe: &Spikes| Replicas::of(scene, probe.emitters.of);
    let (of_a, of_b) = (replicas(scene_a, probe_a.1), replicas(scene_b, probe_b.1));
    let spikes_a = spikes(a, scene_a, of_a, probe_a.0)?;
    let spikes_b = spikes(b, scene_b, of_b, probe_b.0)?;
    let size = of_a.neurons().max(of_b.neurons());
    let trains = |spikes: &[(Time, u32)]| {
        let mut neurons = vec![Vec::new(); size as usize];
        for (time, neuron) in spikes {
            // A table that somebody changed may name any neuron.
            if let Some(times) = neurons.get_mut(*neuron as usize) {
                times.push(*time);
            }
        }
        vec![Trains { population: population.to_string(), neurons }]
    };
    let apart = Comparison::new(&trains(&spikes_a), &trains(&spikes_b)).total();
    let seconds = a.summary().simulated_s.min(b.summary().simulated_s);
    Ok(Some(RecordedComparison {
        probes: (probe_a.0.to_string(), probe_b.0.to_string()),
        is_whole: probe_a.2 && probe_b.2,
        replicas: of_a,
        first: first_difference(&spikes_a, &spikes_b, of_a),
        mean_rate_error_hz: if seconds > 0.0 { apart.mean_count_error / seconds } else { 0.0 },
        apart,
    }))
}

/// The spikes that a probe has recorded, sorted by time and neuron.
fn spikes(
    results: &Results,
    scene: &Scene,
    replicas: Replicas,
    probe: &str,
) -> Result<Vec<(Time, u32)>, Error> {
    let files = crate::results::probe_files(scene);
    let table = files.get(probe).map(|files| results.path().join(&files.table));
    let mut spikes = Vec::new();
    let tables = Tables::new(table.unwrap_or_default(), Vec::new(), results.reached());
    let read = tables.rows(["neuron", "time_s"], |replica, [neuron, at]| {
        spikes.push((time(at)?, index(replicas, replica, neuron)?));
        Ok(())
    });
    read.map_err(|message| Error::Results {
        path: results.path().to_path_buf(),
        message,
        help: "run the scene again, or restore the file".into(),
    })?;
    spikes.sort_unstable();
    Ok(spikes)
}

/// The first spike that only one of two sorted lists has.
fn first_difference(
    a: &[(Time, u32)],
    b: &[(Time, u32)],
    replicas: Replicas,
) -> Option<FirstDifference> {
    let same = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let (a, b) = (a.get(same), b.get(same));
    // The earlier one of the two that stand against each other.
    let only_in_a = match (a, b) {
        (Some(a), Some(b)) => a < b,
        (a, _) => a.is_some(),
    };
    let (time, index) = if only_in_a { a } else { b }?;
    let NeuronId { neuron, replica } = replicas.id(*index);
    Some(FirstDifference { time_s: time.seconds(), replica, neuron, only_in_a })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(a: &[(u64, u32)], b: &[(u64, u32)]) -> Option<(f64, u32, bool)> {
        let times = |list: &[(u64, u32)]| -> Vec<_> {
            list.iter().map(|(s, n)| (Time::from_picoseconds(s * Time::PER_SECOND), *n)).collect()
        };
        let replicas = Replicas { count: 1, size: 100 };
        first_difference(&times(a), &times(b), replicas).map(|d| (d.time_s, d.neuron, d.only_in_a))
    }

    #[test]
    fn the_first_difference_is_the_earliest_spike_of_only_one() {
        let run = [(1, 0), (2, 5), (3, 1)];
        assert_eq!(first(&run, &run), None);
        assert_eq!(first(&[], &[]), None);
        assert_eq!(first(&run, &run[..2]), Some((3.0, 1, true)));
        assert_eq!(first(&run[..1], &run), Some((2.0, 5, false)));
        assert_eq!(first(&run, &[(1, 0), (2, 6), (3, 1)]), Some((2.0, 5, true)));
        assert_eq!(first(&run, &[(1, 0), (1, 9), (2, 5), (3, 1)]), Some((1.0, 9, false)));
    }
}
