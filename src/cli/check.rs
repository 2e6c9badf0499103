//! `picoamp check` and `picoamp resolve`: what a scene says, without a run.

use super::args::SceneArgs;
use super::messages::say;
use super::{load, messages, print};
use crate::network::Rule;
use crate::probe::picture::counted;
use crate::scene::estimate::{self, Estimate, Recording, bytes_text, row_bytes};
use crate::scene::sweep::{Form, Seeds, Sweep};
use crate::scene::{Connection, Loaded, write};
use crate::sweep::SideBySide;
use crate::{Error, Plugins};

pub fn check(args: &SceneArgs, plugins: &Plugins) -> Result<(), Error> {
    let Loaded { scene, warnings, sweep } = load(args, plugins, None)?;
    messages::show_findings(&warnings);
    let estimate = Estimate::of(&scene, Recording::Streamed);
    let available = estimate::available_memory();
    let mut text = format!("{}: the scene is valid\n", scene.name);
    text += &format!("  duration     {} s", scene.duration);
    text +=
        &if estimate.steps > 0 { format!(" in {} steps\n", estimate.steps) } else { "\n".into() };
    text +=
        &format!("  populations  {}\n", names(scene.populations.iter().map(|(k, p)| (k, p.size))));
    text += &format!("  sources      {}\n", names(scene.sources.iter().map(|(k, s)| (k, s.size))));
    if scene.replicas > 1 {
        text += &format!("  replicas     {}\n", scene.replicas);
    }
    text += &format!("  neurons      {}\n", estimate.neurons);
    text += &format!("  circuits     {}\n", estimate.circuits);
    let is_drawn = |c: &Connection| matches!(c.rule, Rule::FixedProbability { .. });
    let about = if scene.connections.iter().any(is_drawn) { "about " } else { "" };
    text += &format!("  edges        {about}{}\n", estimate.edges);
    text += &format!(
        "  probes       {}\n",
        scene.probes.keys().cloned().collect::<Vec<_>>().join(", ")
    );
    let rows = scene.probes.iter().filter_map(|(name, probe)| {
        let rows = probe.kind.expected_rows(&scene, probe.span)?;
        let size = rows.saturating_mul(row_bytes(&*probe.kind, &scene));
        Some(format!("{rows} of {name} ({} as CSV)", bytes_text(size)))
    });
    let rows: Vec<String> = rows.collect();
    if !rows.is_empty() {
        let of_each = if sweep.is_some() { " at each point" } else { "" };
        text += &format!("  rows         about {}{of_each}\n", rows.join(", "));
    }
    if let Some(chip) = &scene.chip {
        let (used, all) = (chip.used_cores(), chip.all_cores());
        let plural = if chip.chips == 1 { "chip" } else { "chips" };
        text +=
            &format!("  chip         Dynapse1: {used} of {all} cores on {} {plural}\n", chip.chips);
    }
    if let Some(sweep) = &sweep {
        text += &points(sweep, available)?;
        return print(text.trim_end());
    }
    text += &work(estimate.neurons - estimate.stepped_neurons, estimate.neuron_steps());
    text += &format!(
        "  memory       about {} of {} available",
        bytes_text(estimate.total_bytes()),
        bytes_text(u128::from(available))
    );
    estimate.check(available)?;
    print(&text)
}

fn work(event_neurons: u128, neuron_steps: u128) -> String {
    let mut work = Vec::new();
    if event_neurons > 0 {
        let neurons = counted(u64::try_from(event_neurons).unwrap_or(u64::MAX), "neuron");
        work.push(format!("{neurons} from event to event"));
    }
    if neuron_steps > 0 || work.is_empty() {
        work.push(format!("{neuron_steps} neuron-steps"));
    }
    format!("  work         {}\n", work.join(", "))
}

/// What a sweep comes to.
fn points(sweep: &Sweep, available: u64) -> Result<String, Error> {
    let points = sweep.points();
    let lengths: Vec<String> =
        sweep.axes.iter().map(|axis| axis.values.len().to_string()).collect();
    let (form, seeds) = match (sweep.form, sweep.seeds) {
        (Form::Grid, seeds) => (format!("grid of {}", lengths.join(" × ")), seeds),
        (Form::Zip, seeds) => (format!("{} paths together", lengths.len()), seeds),
    };
    let seeds = match seeds {
        Seeds::Derived => "each with a seed of its own",
        Seeds::Shared => "all with the seed of the scene",
    };
    let mut text = format!("  sweep        {points} points ({form}), {seeds}\n");
    for axis in &sweep.axes {
        let values = &axis.values;
        let shown = match (values.first(), values.last()) {
            (Some(first), Some(last)) if values.len() > 4 => {
                format!("{first} … {last} ({} values)", values.len())
            }
            _ => values.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        };
        text += &format!("    {}: {shown}\n", axis.path);
    }
    text += &work(sweep.total.event_neurons, sweep.total.neuron_steps);
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let side_by_side = SideBySide::of(sweep, threads, available)?;
    let (beside, bytes) = (side_by_side.points, side_by_side.point_bytes(sweep));
    let why = if side_by_side.by_memory { "as many as fit into memory" } else { "one a thread" };
    let slices = points.div_ceil(beside);
    text += &format!(
        "  side by side {} ({why}): {}\n",
        counted(beside as u64, "point"),
        counted(slices as u64, "slice")
    );
    text += &format!(
        "  memory       about {} for the largest point, {} for {beside}, of {} available\n",
        bytes_text(bytes),
        bytes_text(bytes * beside as u128),
        bytes_text(u128::from(available))
    );
    Ok(text)
}

fn names<'a>(groups: impl Iterator<Item = (&'a String, u64)>) -> String {
    let named: Vec<String> = groups.map(|(name, size)| format!("{name} ({size})")).collect();
    if named.is_empty() { "none".into() } else { named.join(", ") }
}

pub fn resolve(args: &SceneArgs, plugins: &Plugins) -> Result<(), Error> {
    let Loaded { scene, warnings, sweep } = load(args, plugins, None)?;
    messages::show_findings(&warnings);
    if let Some(sweep) = sweep {
        say!(
            "{} points, each decided by itself: this is the scene as it is typed; --point N prints one \
             of them",
            sweep.points()
        );
        return print(sweep.to_ron(|file| file.path.clone()).trim_end());
    }
    print(write::to_ron(&scene, |file| file.path.clone()).trim_end())
}
