//! `"input": (size: 200, train: Regular(rates: …))`.

use std::sync::Arc;

use super::super::Source;
use super::super::decode::{At, Fields};
use super::super::diagnostics::Diagnostics;
use super::super::files::Folder;
use crate::network::source::{GroupSize, list};
use crate::plugins::Plugins;
use crate::time::Time;

/// Reads a group of sources.
pub fn source(
    at: &At,
    plugins: &Plugins,
    folder: &mut Folder,
    dx: &mut Diagnostics,
) -> Option<Source> {
    let mut fields = at.fields(dx)?;
    let size = GroupSize::read(&mut fields, dx);
    let source = train(&mut fields, plugins, &size, folder, dx);
    fields.close(dx);
    // With a mistake in it, too: what refers to this source is still checked against its size.
    let unknown =
        || Some(Source { size: size.if_valid()?, train: Arc::new(list::Spikes::default()) });
    source.or_else(unknown)
}

fn train(
    fields: &mut Fields,
    plugins: &Plugins,
    size: &GroupSize,
    folder: &mut Folder,
    dx: &mut Diagnostics,
) -> Option<Source> {
    const HELP: &str =
        "for example train: Regular(rates: \"100 Hz\"); Poisson, Spikes and File are others";
    let at = fields.need(dx, "train", HELP);
    let names: Vec<&str> = plugins.trains();
    let variant = at.and_then(|at| at.open_variant(dx, "a train", &names));
    let read = variant.and_then(|variant| Some((plugins.train(variant.name)?, variant)));
    let Some((read, variant)) = read else {
        // All but few trains need a size.
        size.need(dx);
        return None;
    };
    read(&variant, size, folder, dx)
}

/// Input spikes at or after the end are ignored; the user should know.
pub fn warn_of_late_spikes(source: &Source, duration: Time, at: &At, dx: &mut Diagnostics) {
    let spikes = source.train.listed();
    let late = spikes.len() - spikes.partition_point(|(_, time)| *time < duration);
    if late > 0 {
        let message =
            format!("{late} of {} spikes come at or after the end, {duration} s", spikes.len());
        at.warning(dx, message).help("they are ignored and counted in the summary");
    }
}
