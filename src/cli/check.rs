//! `picoamp check` and `picoamp resolve`: what a scene says, without a run.

use super::args::SceneArgs;
use super::{load, messages, print};
use crate::network::Rule;
use crate::scene::estimate::{self, Estimate, Recording, bytes_text};
use crate::scene::{Connection, Loaded, write};
use crate::{Error, Plugins};

pub fn check(args: &SceneArgs, plugins: &Plugins) -> Result<(), Error> {
    let Loaded { scene, warnings } = load(args, plugins, None)?;
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
        Some(format!("{rows} of {name}"))
    });
    let rows: Vec<String> = rows.collect();
    if !rows.is_empty() {
        text += &format!("  rows         about {}\n", rows.join(", "));
    }
    if let Some(chip) = &scene.chip {
        let (used, all) = (chip.used_cores(), chip.all_cores());
        let plural = if chip.chips == 1 { "chip" } else { "chips" };
        text +=
            &format!("  chip         Dynapse1: {used} of {all} cores on {} {plural}\n", chip.chips);
    }
    let from_events = estimate.neurons - estimate.stepped_neurons;
    let mut work = Vec::new();
    if from_events > 0 {
        work.push(format!("{from_events} neurons from event to event"));
    }
    if estimate.stepped_neurons > 0 || work.is_empty() {
        work.push(format!("{} neuron-steps", estimate.neuron_steps()));
    }
    text += &format!("  work         {}\n", work.join(", "));
    text += &format!(
        "  memory       about {} of {} available",
        bytes_text(estimate.total_bytes()),
        bytes_text(u128::from(available))
    );
    estimate.check(available)?;
    print(&text)
}

fn names<'a>(groups: impl Iterator<Item = (&'a String, u64)>) -> String {
    let named: Vec<String> = groups.map(|(name, size)| format!("{name} ({size})")).collect();
    if named.is_empty() { "none".into() } else { named.join(", ") }
}

pub fn resolve(args: &SceneArgs, plugins: &Plugins) -> Result<(), Error> {
    let Loaded { scene, warnings } = load(args, plugins, None)?;
    messages::show_findings(&warnings);
    print(write::to_ron(&scene, |file| file.path.clone()).trim_end())
}
