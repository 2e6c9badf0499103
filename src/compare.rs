//! Two runs of the same or of different scenes: do they have the same spikes?
//!
//! The digests of `summary.json` decide, for they cover every spike. Where they differ, the spikes
//! that `Spikes` probes of both runs have recorded tell where the runs first differ and how far
//! counts and times are apart (the k-th spike of a neuron against its k-th, as in
//! [`converge`](crate::converge)), in what both have recorded. Sources have no digests: of scenes
//! without populations the recorded spikes decide.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::converge::{Comparison, Difference as Apart, Trains};
use crate::error::Error;
use crate::network::{NeuronId, Replicas};
use crate::plugins::Plugins;
use crate::probe::Span;
use crate::probe::spikes::{Spikes, rows_of};
use crate::probe::tables::owner;
use crate::results::Results;
use crate::scene::difference::{Difference, differences};
use crate::scene::{GroupId, Scene, Selection};
use crate::time::Time;

/// Whether two runs have the same spikes, and what tells them apart.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunComparison {
    /// Whether every spike that was compared is the same.
    pub same: bool,
    /// Where the scenes differ.
    pub scenes: Vec<Difference>,
    /// Simulated time that was reached, s, where the runs ended at different times.
    pub reached_s: Option<(f64, f64)>,
    /// Each population of either run.
    pub populations: BTreeMap<String, GroupComparison>,
    /// Where neither run has populations: each source that both have recorded, or that only one has.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub sources: BTreeMap<String, GroupComparison>,
}

/// A population (or source) in both runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GroupComparison {
    /// Whether all its spikes are the same; of a source those that both runs have recorded.
    pub same: bool,
    /// Spikes in the first run; none where it has no such population.
    pub spikes_a: Option<u64>,
    /// Spikes in the second run.
    pub spikes_b: Option<u64>,
    /// What the recorded spikes tell, where they differ in both runs.
    pub recorded: Option<RecordedComparison>,
    /// Why they tell nothing there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_compared: Option<NotCompared>,
}

/// Why recorded spikes do not tell where two runs differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NotCompared {
    /// There is no `Spikes` probe in one of the runs.
    NoProbe,
    /// The probes have no neuron or no time in common.
    NothingInCommon,
    /// Replicas, or neurons of each, are not as many in both runs: neuron 5 of one is not that of the
    /// other.
    OtherSizes {
        /// Replicas of the first run.
        replicas_a: u32,
        /// Neurons of each.
        size_a: u32,
        /// Replicas of the second run.
        replicas_b: u32,
        /// Neurons of each.
        size_b: u32,
    },
}

/// The spikes of a population or source that probes of both runs have recorded: those of the neurons
/// and of the time that both record and both runs have reached.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RecordedComparison {
    /// The probes in both runs.
    pub probes: (String, String),
    /// Whether that is all neurons from the start to the end of both runs.
    pub is_whole: bool,
    /// How many neurons, of all replicas.
    pub neurons: u64,
    /// From when to when, s.
    pub span_s: (f64, f64),
    /// Spikes of these neurons in each run, those after the end of the shorter one among them.
    #[serde(skip)]
    pub spikes: (u64, u64),
    /// The first spike that only one of the runs has; none where the recorded ones are the same.
    pub first: Option<FirstDifference>,
    /// How the neurons of both runs are numbered.
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
/// [`Error::Io`], [`Error::Results`] for tables that cannot be read or where there is nothing to
/// compare, and as [`Plugins::load`].
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
        let (mut recorded, mut not_compared) = (None, None);
        if !same && spikes_a.is_some() && spikes_b.is_some() {
            if read.is_none() {
                read = Some((a.scene(plugins)?.scene, b.scene(plugins)?.scene));
            }
            let runs = read.as_ref().and_then(|(scene_a, scene_b)| {
                let of =
                    |scene: &Scene| scene.populations.get_index_of(name).map(GroupId::Population);
                Some((Run::new(a, scene_a, of(scene_a)?), Run::new(b, scene_b, of(scene_b)?)))
            });
            if let Some((run_a, run_b)) = runs {
                match compare_recorded(name, &run_a, &run_b)? {
                    Ok(found) => recorded = Some(found),
                    Err(why) => not_compared = Some(why),
                }
            }
        }
        let population = GroupComparison { same, spikes_a, spikes_b, recorded, not_compared };
        populations.insert(name.clone(), population);
    }
    let sources =
        if populations.is_empty() { compare_sources(a, b, plugins)? } else { BTreeMap::new() };
    let reached = (of_a.simulated_s, of_b.simulated_s);
    Ok(RunComparison {
        same: populations.values().chain(sources.values()).all(|p| p.same),
        scenes,
        reached_s: (reached.0 != reached.1).then_some(reached),
        populations,
        sources,
    })
}

/// The sources that runs without populations have recorded.
fn compare_sources(
    a: &Results,
    b: &Results,
    plugins: &Plugins,
) -> Result<BTreeMap<String, GroupComparison>, Error> {
    let (scene_a, scene_b) = (a.scene(plugins)?.scene, b.scene(plugins)?.scene);
    let names: BTreeSet<&String> = scene_a.sources.keys().chain(scene_b.sources.keys()).collect();
    let mut sources = BTreeMap::new();
    for name in names {
        let of = |scene: &Scene| scene.sources.get_index_of(name).map(GroupId::Source);
        let run_a = of(&scene_a).map(|group| Run::new(a, &scene_a, group));
        let run_b = of(&scene_b).map(|group| Run::new(b, &scene_b, group));
        let (spikes_a, spikes_b);
        let (mut same, mut recorded, mut not_compared) = (false, None, None);
        if let (Some(run_a), Some(run_b)) = (&run_a, &run_b) {
            match compare_recorded(name, run_a, run_b)? {
                Ok(found) => {
                    (spikes_a, spikes_b) = (Some(found.spikes.0), Some(found.spikes.1));
                    same = found.first.is_none() && spikes_a == spikes_b;
                    recorded = (!same || !found.is_whole).then_some(found);
                }
                Err(why @ NotCompared::OtherSizes { .. }) => {
                    not_compared = Some(why);
                    (spikes_a, spikes_b) = (run_a.recorded()?, run_b.recorded()?);
                }
                Err(NotCompared::NoProbe | NotCompared::NothingInCommon) => continue,
            }
        } else {
            spikes_a = run_a.map_or(Ok(None), |run| run.recorded())?;
            spikes_b = run_b.map_or(Ok(None), |run| run.recorded())?;
        }
        if spikes_a.is_some() || spikes_b.is_some() {
            let source = GroupComparison { same, spikes_a, spikes_b, recorded, not_compared };
            sources.insert(name.clone(), source);
        }
    }
    if sources.is_empty() {
        return Err(Error::Results {
            path: b.path().to_path_buf(),
            message:
                "there is nothing to compare: the scenes have no populations, and no `Spikes` \
                      probes of both runs have recorded the same source"
                    .into(),
            help: "add one to both scenes, for example \"spikes\": Spikes(of: …)".into(),
        });
    }
    Ok(sources)
}

/// A population or source in a run.
struct Run<'r> {
    results: &'r Results,
    scene: &'r Scene,
    group: GroupId,
    replicas: Replicas,
}

/// A probe of spikes in a scene.
#[derive(Clone, Copy)]
struct Recorder<'s> {
    name: &'s str,
    neurons: &'s Selection,
    span: Span,
}

impl<'r> Run<'r> {
    fn new(results: &'r Results, scene: &'r Scene, group: GroupId) -> Run<'r> {
        Run { results, scene, group, replicas: Replicas::of(scene, group) }
    }

    /// The probes of its spikes.
    fn probes(&self) -> Vec<Recorder<'r>> {
        let probes = self.scene.probes.iter().filter_map(|(name, probe)| {
            let kind: &dyn std::any::Any = &*probe.kind;
            let spikes = kind.downcast_ref::<Spikes>()?;
            let recorder = Recorder { name, neurons: &spikes.emitters.neurons, span: probe.span };
            (spikes.emitters.of == self.group).then_some(recorder)
        });
        probes.collect()
    }

    /// How many spikes its first probe has recorded.
    fn recorded(&self) -> Result<Option<u64>, Error> {
        let Some(probe) = self.probes().into_iter().next() else { return Ok(None) };
        spikes(self.results, self.scene, self.replicas, probe.name).map(|s| Some(s.len() as u64))
    }
}

/// What two probes have both recorded.
struct Common {
    /// What both record.
    span: Span,
    /// First moment that only one of the runs has reached.
    until: Time,
    /// In one replica, which of its neurons.
    chosen: Vec<bool>,
    is_whole: bool,
}

impl Common {
    /// In runs that have reached these times.
    fn of(a: Recorder, b: Recorder, replicas: Replicas, reached: (Time, Time)) -> Common {
        let span = Span { from: a.span.from.max(b.span.from), to: a.span.to.min(b.span.to) };
        // To the end with the end, unless one run goes on there.
        let until = if reached.0 == reached.1 { Time::MAX } else { reached.0.min(reached.1) };
        let mut chosen = vec![true; replicas.size as usize];
        for selection in [a.neurons, b.neurons] {
            let mut its = vec![false; chosen.len()];
            let selected = (0..selection.len(chosen.len() as u64)).map(|k| selection.get(k));
            selected.for_each(|neuron| its[neuron as usize] = true);
            chosen.iter_mut().zip(its).for_each(|(both, its)| *both &= its);
        }
        let is_all = (span.from, span.to.min(until)) == (Time::ZERO, Time::MAX);
        let is_whole = is_all && chosen.iter().all(|chosen| *chosen);
        Common { span, until, chosen, is_whole }
    }

    /// How long, in runs that have both reached a time.
    fn recorded(&self, reached: Time) -> Time {
        let to = self.span.to.min(reached);
        if to > self.span.from { to - self.span.from } else { Time::ZERO }
    }

    /// Neurons and seconds: how much it tells.
    fn extent(&self, reached: Time) -> u128 {
        let neurons = self.chosen.iter().filter(|chosen| **chosen).count() as u128;
        neurons * u128::from(self.recorded(reached).picoseconds())
    }
}

fn compare_recorded(
    name: &str,
    a: &Run,
    b: &Run,
) -> Result<Result<RecordedComparison, NotCompared>, Error> {
    let replicas = a.replicas;
    if replicas != b.replicas {
        let (Replicas { count: replicas_a, size: size_a }, of_b) = (replicas, b.replicas);
        let Replicas { count: replicas_b, size: size_b } = of_b;
        return Ok(Err(NotCompared::OtherSizes { replicas_a, size_a, replicas_b, size_b }));
    }
    let both_reached = (a.results.reached(), b.results.reached());
    let reached = both_reached.0.min(both_reached.1);
    // The probes that have most in common, of equal ones the first.
    let (probes_a, probes_b) = (a.probes(), b.probes());
    let pairs = probes_a.iter().flat_map(|of_a| probes_b.iter().map(move |of_b| (*of_a, *of_b)));
    let pairs = pairs.map(|(of_a, of_b)| {
        let common = Common::of(of_a, of_b, replicas, both_reached);
        (common.extent(reached), of_a.name, of_b.name, common)
    });
    let Some((extent, name_a, name_b, common)) = pairs.min_by_key(|pair| Reverse(pair.0)) else {
        return Ok(Err(NotCompared::NoProbe));
    };
    if extent == 0 {
        return Ok(Err(NotCompared::NothingInCommon));
    }
    let is_chosen = |index: &u32| common.chosen[replicas.split(*index).1 as usize];
    let read = |run: &Run, probe: &str| {
        let mut spikes = spikes(run.results, run.scene, replicas, probe)?;
        spikes.retain(|(time, index)| common.span.contains(*time) && is_chosen(index));
        let all = spikes.len() as u64;
        spikes.retain(|(time, _)| *time < common.until);
        Ok::<_, Error>((spikes, all))
    };
    let ((spikes_a, all_a), (spikes_b, all_b)) = (read(a, name_a)?, read(b, name_b)?);
    let neurons: Vec<u32> = (0..replicas.neurons()).filter(is_chosen).collect();
    let trains = |spikes: &[(Time, u32)]| {
        let mut trains = vec![Vec::new(); neurons.len()];
        for (time, index) in spikes {
            if let Ok(position) = neurons.binary_search(index) {
                trains[position].push(*time);
            }
        }
        vec![Trains { population: name.to_string(), neurons: trains }]
    };
    let mut apart = Comparison::new(&trains(&spikes_a), &trains(&spikes_b)).total();
    let places = apart.worst_count.iter_mut().map(|worst| &mut worst.neuron);
    let places = places.chain(apart.worst_shift_s.iter_mut().map(|worst| &mut worst.neuron));
    places.for_each(|neuron| *neuron = neurons[*neuron as usize]);
    Ok(Ok(RecordedComparison {
        probes: (name_a.to_string(), name_b.to_string()),
        is_whole: common.is_whole,
        neurons: neurons.len() as u64,
        span_s: common.span.shown(reached),
        replicas,
        spikes: (all_a, all_b),
        first: first_difference(&spikes_a, &spikes_b, replicas),
        mean_rate_error_hz: apart.mean_count_error / common.recorded(reached).seconds(),
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
    let mut spikes = Vec::new();
    let read = match (files.get(probe), scene.probes.get(probe)) {
        (Some(files), Some(probe)) => {
            let tables = files.tables(results, &*probe.kind, scene);
            tables.read(&rows_of(&[], replicas), |rows, k| {
                spikes.push((rows.times()[k], owner(replicas, rows, k)?));
                Ok(())
            })
        }
        _ => Ok(()),
    };
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
