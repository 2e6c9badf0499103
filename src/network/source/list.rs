//! Given spikes, from the scene (`Spikes([(0, "1 ms")])`) or from a file (`File("spikes.csv")`).

use std::sync::Arc;

use bevy_ecs::prelude::*;

use super::{GroupSize, SpikeTrain, Train, insert_trains};
use crate::circuit::Domain;
use crate::network::SourceGroup;
use crate::scene::decode::{At, Variant};
use crate::scene::diagnostics::Diagnostics;
use crate::scene::files::{self, Folder, InputFile};
use crate::scene::{Source, write};
use crate::simulation::Simulation;
use crate::time::Time;

/// Spikes that stand in the scene.
#[derive(Debug, Clone, Default)]
pub struct Spikes {
    /// Source and time, sorted by time.
    spikes: Vec<(u32, Time)>,
}

impl Spikes {
    /// Reads `Spikes([(0, "1 ms"), (3, "2 ms")])`; for a single source also
    /// `Spikes(["1 ms", "2 ms"])`.
    pub fn read(
        variant: &Variant,
        size: &GroupSize,
        _: &mut Folder,
        dx: &mut Diagnostics,
    ) -> Option<Source> {
        let list = variant.single(dx, "[(0, \"1 ms\"), (3, \"2 ms\")]");
        let size = size.need(dx)?;
        let spikes = listed(&list?, size, dx)?;
        Some(Source { size, train: Arc::new(Spikes { spikes }) })
    }
}

fn listed(at: &At, size: u64, dx: &mut Diagnostics) -> Option<Vec<(u32, Time)>> {
    const HELP: &str = "write (index, \"time\"), for example (3, \"12.5 ms\")";
    let mut spikes: Vec<(u32, Time)> = Vec::new();
    let errors = dx.errors();
    for item in at.list(dx)? {
        let spike = match item.tuple().as_deref() {
            Some([neuron, time]) => {
                let neuron = neuron.neuron(dx, Some(size));
                neuron.zip(time.time(dx, Domain::NonNegative))
            }
            None if size == 1 => item.time(dx, Domain::NonNegative).map(|time| (0, time)),
            _ => {
                item.error(dx, format!("expected a spike, found {}", item.noun())).help(HELP);
                None
            }
        };
        let Some((neuron, time)) = spike else { continue };
        if spikes.last().is_some_and(|(_, last)| time < *last) {
            item.error(dx, format!("{time} s comes after a later spike"))
                .help("sort the list by time");
        }
        spikes.push((neuron, time));
    }
    (dx.errors() == errors).then_some(spikes)
}

impl Train for Spikes {
    fn ron(&self, _: &dyn Fn(&InputFile) -> String) -> String {
        let list: Vec<String> = self
            .spikes
            .iter()
            .map(|(index, time)| format!("({index}, {})", write::time(*time)))
            .collect();
        format!("Spikes([{}])", write::lines(&list))
    }

    fn mean_rate(&self, _: Time, _: Time) -> f64 {
        0.0
    }

    fn listed(&self) -> &[(u32, Time)] {
        &self.spikes
    }

    fn insert(&self, group: &SourceGroup, simulation: &mut Simulation) {
        insert_lists(&self.spikes, group, simulation);
    }
}

/// Spikes of a CSV file with the header `neuron,time_s`.
#[derive(Debug, Clone)]
pub struct SpikeFile {
    file: InputFile,
    /// Source and time, sorted by time.
    spikes: Vec<(u32, Time)>,
}

impl SpikeFile {
    /// Reads `File("spikes.csv")`.
    pub fn read(
        variant: &Variant,
        size: &GroupSize,
        folder: &mut Folder,
        dx: &mut Diagnostics,
    ) -> Option<Source> {
        let path = variant.single(dx, "\"spikes.csv\"");
        let size = size.need(dx)?;
        let path = path?;
        let file = folder.read(&path, dx)?;
        let spikes = files::spikes(&file, size, &path, dx)?;
        Some(Source { size, train: Arc::new(SpikeFile { file, spikes }) })
    }
}

impl Train for SpikeFile {
    fn ron(&self, file_path: &dyn Fn(&InputFile) -> String) -> String {
        format!("File({})", file_path(&self.file))
    }

    fn files(&self) -> Vec<&InputFile> {
        vec![&self.file]
    }

    fn mean_rate(&self, _: Time, _: Time) -> f64 {
        0.0
    }

    fn listed(&self) -> &[(u32, Time)] {
        &self.spikes
    }

    fn insert(&self, group: &SourceGroup, simulation: &mut Simulation) {
        insert_lists(&self.spikes, group, simulation);
    }
}

/// Gives each source of a group its part of a list that is sorted by time.
pub fn insert_lists(spikes: &[(u32, Time)], group: &SourceGroup, simulation: &mut Simulation) {
    let mut lists = vec![Vec::new(); group.sources.len()];
    let end = simulation.scene().duration;
    for (index, time) in spikes.iter().filter(|(_, time)| *time < end) {
        lists[*index as usize].push(*time);
    }
    insert_trains(group, simulation, |index| {
        let times = std::mem::take(&mut lists[index as usize]);
        (!times.is_empty()).then(|| SpikeList::new(times))
    });
}

/// Fires at given times.
#[derive(Component, Debug, Clone)]
#[component(summary_tick)]
pub struct SpikeList {
    times: Arc<[Time]>,
    next: usize,
}

impl SpikeList {
    /// A list of times, sorted.
    #[must_use]
    pub fn new(times: Vec<Time>) -> SpikeList {
        SpikeList { times: times.into(), next: 0 }
    }
}

impl SpikeTrain for SpikeList {
    fn next(&self) -> Time {
        self.times.get(self.next).copied().unwrap_or(Time::MAX)
    }

    fn advance(&mut self) {
        self.next += 1;
    }
}
