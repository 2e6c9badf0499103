//! `"input": (size: 200, train: Regular(rates: …))`.

use super::super::decode::{At, Fields};
use super::super::diagnostics::Diagnostics;
use super::super::files::{self, Folder};
use super::super::tree::Value;
use super::super::{Rates, Source, Train};
use crate::circuit::Domain;
use crate::time::Time;
use crate::units::Unit;

const TRAINS: [&str; 4] = ["Regular", "Poisson", "Spikes", "File"];

/// Reads a group of sources.
pub fn source(at: &At, folder: &mut Folder, dx: &mut Diagnostics) -> Option<Source> {
    let mut fields = at.fields(dx)?;
    let size = super::size(&mut fields, dx);
    let train_at = fields.need(
        dx,
        "train",
        "for example train: Regular(rates: \"100 Hz\"); Poisson, Spikes and File are others",
    );
    fields.close(dx);
    let train = train(&train_at?, size?, folder, dx);
    // With a mistake in it, too: what refers to this source is still checked against its size.
    Some(Source { size: size?, train: train.unwrap_or(Train::Spikes([].into())) })
}

fn train(at: &At, size: u64, folder: &mut Folder, dx: &mut Diagnostics) -> Option<Train> {
    let variant = at.variant(dx, "a train", &TRAINS)?;
    match variant.name {
        "Regular" => {
            let mut fields = variant.fields(dx)?;
            let rates = rates(&mut fields, size, dx);
            let grid_at = fields.get("grid");
            let grid = grid_at.as_ref().map(|at| at.time(dx, Domain::Positive));
            fields.close(dx);
            let (rates, grid) = (rates?, grid.map_or(Some(None), |g| g.map(Some))?);
            if let (Some(at), Some(grid)) = (grid_at, grid) {
                warn_of_coarse_grid(&rates, size, grid, &at, dx);
            }
            Some(Train::Regular { rates, grid })
        }
        "Poisson" => {
            let mut fields = variant.fields(dx)?;
            let rates = rates(&mut fields, size, dx);
            fields.close(dx);
            Some(Train::Poisson { rates: rates? })
        }
        "Spikes" => {
            let list = variant.single(dx, "[(0, \"1 ms\"), (3, \"2 ms\")]")?;
            Some(Train::Spikes(spikes(&list, size, dx)?.into()))
        }
        _ => {
            let path = variant.single(dx, "\"spikes.csv\"")?;
            let file = folder.read(&path, dx)?;
            let spikes = files::spikes(&file, size, &path, dx)?;
            Some(Train::File(file, spikes))
        }
    }
}

/// `rates:` one rate, `Linear(from, to)` or `List([…])`.
fn rates(fields: &mut Fields, size: u64, dx: &mut Diagnostics) -> Option<Rates> {
    const HELP: &str = "for example rates: \"100 Hz\", Linear(from: \"0 Hz\", to: \"199 Hz\") or List([\"1 Hz\", …])";
    let at = fields.need(dx, "rates", HELP)?;
    if matches!(at.node.value, Value::Text(_) | Value::Number(_)) {
        return Some(Rates::One(rate(&at, dx)?));
    }
    if matches!(at.node.value, Value::List(_)) {
        at.error(dx, "a list of rates has a name")
            .help("write it like List([\"50 Hz\", \"20 Hz\"])");
        return None;
    }
    let variant = at.variant(dx, "a list of rates", &["Linear", "List"])?;
    if variant.name == "Linear" {
        let mut fields = variant.fields(dx)?;
        let mut end = |key| {
            let at = fields.need(dx, key, HELP)?;
            rate(&at, dx)
        };
        let (from, to) = (end("from"), end("to"));
        fields.close(dx);
        return Some(Rates::Linear { from: from?, to: to? });
    }
    let list = variant.single(dx, "[\"1 Hz\", \"2 Hz\"]")?;
    let items = list.list(dx)?;
    if items.len() as u64 != size {
        list.error(dx, format!("{} rates for {size} sources", items.len()))
            .help("give one rate for each source");
        return None;
    }
    let read: Vec<Option<f64>> = items.iter().map(|at| rate(at, dx)).collect();
    Some(Rates::List(read.into_iter().collect::<Option<_>>()?))
}

/// One source: no address-event bus carries more than a million events a second of one address.
const HIGHEST_RATE: f64 = 1e6;

fn rate(at: &At, dx: &mut Diagnostics) -> Option<f64> {
    let rate = at.quantity(dx, Unit::Hertz, Domain::NonNegative)?;
    if rate > HIGHEST_RATE {
        at.error(dx, format!("{} is above 1 MHz", crate::units::format(rate, Unit::Hertz)))
            .help("the highest rate of a source is 1 MHz; use several sources");
        return None;
    }
    Some(rate)
}

/// `[(0, "1 ms"), (3, "2 ms")]`; for a single source also `["1 ms", "2 ms"]`.
fn spikes(at: &At, size: u64, dx: &mut Diagnostics) -> Option<Vec<(u32, Time)>> {
    const HELP: &str = "write (index, \"time\"), for example (3, \"12.5 ms\")";
    let mut spikes: Vec<(u32, Time)> = Vec::new();
    let errors = dx.errors();
    for item in at.list(dx)? {
        let spike = match item.tuple().as_deref() {
            Some([neuron, time]) => {
                let neuron = super::neuron(neuron, Some(size), dx);
                neuron.zip(time.time(dx, Domain::NonNegative))
            }
            None if size == 1 => item.time(dx, Domain::NonNegative).map(|time| (0, time)),
            _ => {
                item.error(dx, format!("expected a spike, found {}", item.node.noun())).help(HELP);
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

/// A rate above 1/grid has no whole number of grid steps.
fn warn_of_coarse_grid(rates: &Rates, size: u64, grid: Time, at: &At, dx: &mut Diagnostics) {
    let fastest = 1.0 / grid.seconds();
    let highest = match rates {
        Rates::List(list) => list.iter().copied().fold(0.0, f64::max),
        rates => rates.of(0, size).max(rates.of(size - 1, size)),
    };
    if highest > fastest * (1.0 + 1e-9) {
        let message = format!(
            "a rate of {highest} Hz is faster than the grid: it becomes one spike each grid step, \
             {fastest} Hz"
        );
        at.warning(dx, message).help("choose a finer grid, or leave it out");
    }
}

/// Input spikes at or after the end are ignored; the user should know.
pub fn warn_of_late_spikes(source: &Source, duration: Time, at: &At, dx: &mut Diagnostics) {
    let (Train::Spikes(spikes) | Train::File(_, spikes)) = &source.train else { return };
    let late = spikes.len() - spikes.partition_point(|(_, time)| *time < duration);
    if late > 0 {
        let message =
            format!("{late} of {} spikes come at or after the end, {duration} s", spikes.len());
        at.warning(dx, message).help("they are ignored and counted in the summary");
    }
}
