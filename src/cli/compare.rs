//! `picoamp compare`: do two runs have the same spikes?

use super::args::CompareArgs;
use super::{print, print_json};
use crate::compare::{
    self, FirstDifference, GroupComparison, NotCompared, RecordedComparison, RunComparison,
};
use crate::network::NeuronId;
use crate::probe::picture::{counted, quantity, three_digits};
use crate::results::Results;
use crate::scene::difference::Difference;
use crate::sweep::{self, compare::SweepComparison};
use crate::units::Unit;
use crate::{Error, Plugins};

/// So many differences of scenes are shown; the rest is counted.
const SHOWN: usize = 20;

pub fn compare(args: &CompareArgs, plugins: &Plugins) -> Result<(), Error> {
    let (a, b) = (Results::open(&args.a)?, Results::open(&args.b)?);
    report(&a, &b, plugins, ("A", "B"), true, args.json)
}

/// Compares two runs and prints what there is to say; names stand for the runs. The folder of the second
/// one is named if it is kept.
pub fn report(
    a: &Results,
    b: &Results,
    plugins: &Plugins,
    names: (&str, &str),
    is_kept: bool,
    json: bool,
) -> Result<(), Error> {
    if a.is_sweep() || b.is_sweep() {
        return report_sweeps(a, b, names, is_kept, json);
    }
    let comparison = compare::compare(a, b, plugins)?;
    if json {
        print_json(&comparison)?;
    } else {
        print(text([a, b], paths(a, b, is_kept), &comparison, names).trim_end())?;
    }
    if comparison.same { Ok(()) } else { Err(Error::Different("the spikes differ".into())) }
}

/// Where two runs are, as it is said.
fn paths(a: &Results, b: &Results, is_kept: bool) -> [String; 2] {
    let path = |results: &Results| results.path().display().to_string();
    [path(a), if is_kept { path(b) } else { "not kept".into() }]
}

fn text(
    results: [&Results; 2],
    paths: [String; 2],
    comparison: &RunComparison,
    names: (&str, &str),
) -> String {
    let (name_a, name_b) = names;
    let mut text = String::new();
    let width = name_a.len().max(name_b.len());
    for ((name, results), path) in [name_a, name_b].into_iter().zip(results).zip(paths) {
        let run = results.summary();
        let (scene, status) = (&run.scene, &run.status);
        let seconds = run.simulated_s;
        text += &format!("{name:width$}  {path}: {scene}, {status}, {seconds} s\n");
    }
    text += &scenes_text(&comparison.scenes, names);
    for (name, group) in comparison.populations.iter().chain(&comparison.sources) {
        text += &format!("{name}: {}", group_text(group, names));
    }
    text
}

fn scenes_text(scenes: &[Difference], names: (&str, &str)) -> String {
    if scenes.is_empty() {
        return String::new();
    }
    let mut text = format!("the scenes differ in {}:\n", parts(scenes.len()));
    for difference in scenes.iter().take(SHOWN) {
        text += &format!("  {}\n", scene_line(difference, names));
    }
    if scenes.len() > SHOWN {
        text += &format!("  and {} more\n", scenes.len() - SHOWN);
    }
    text
}

/// Compares two sweeps and prints what there is to say.
fn report_sweeps(
    a: &Results,
    b: &Results,
    names: (&str, &str),
    is_kept: bool,
    json: bool,
) -> Result<(), Error> {
    let comparison = sweep::compare::compare(a, b)?;
    if json {
        print_json(&comparison)?;
    } else {
        print(sweeps_text([a, b], paths(a, b, is_kept), &comparison, names).trim_end())?;
    }
    if comparison.same { Ok(()) } else { Err(Error::Different("the spikes differ".into())) }
}

fn sweeps_text(
    results: [&Results; 2],
    paths: [String; 2],
    comparison: &SweepComparison,
    names: (&str, &str),
) -> String {
    let (name_a, name_b) = names;
    let width = name_a.len().max(name_b.len());
    let mut text = String::new();
    for ((name, results), path) in [name_a, name_b].into_iter().zip(results).zip(paths) {
        let run = results.summary();
        text += &format!("{name:width$}  {path}: {}, {}\n", run.scene, run.status);
    }
    text += &scenes_text(&comparison.scenes, names);
    let SweepComparison { points, different, only_in_a, only_in_b, first, .. } = comparison;
    text += &match different {
        0 => format!("{} with the same spikes\n", counted(*points as u64, "point")),
        _ => format!("{different} of {points} points have other spikes\n"),
    };
    for (count, name) in [(only_in_a, name_a), (only_in_b, name_b)] {
        if *count > 0 {
            text += &format!("{} in {name} only\n", counted(*count as u64, "point"));
        }
    }
    if let Some(first) = first {
        let values: Vec<String> =
            first.values.iter().map(|(path, value)| format!("{path} = {value}")).collect();
        let point = match (first.point_a, first.point_b) {
            (a, b) if a == b => format!("point {a}"),
            (a, b) => format!("point {a} of {name_a}, {b} of {name_b}"),
        };
        text += &format!("  the first of them: {point} ({})\n", values.join(", "));
        let sides =
            [(name_a, &first.spikes_a, &first.error_a), (name_b, &first.spikes_b, &first.error_b)];
        for (name, spikes, error) in sides {
            let spikes = spikes.iter().map(|(name, count)| format!("{count} of `{name}`"));
            let spikes = spikes.collect::<Vec<_>>().join(", ");
            text += &match error {
                Some(error) => format!("  {name}: failed, {error}\n"),
                None => format!("  {name}: spikes {spikes}\n"),
            };
        }
        text += &format!(
            "  to see where they differ, run that point of both (picoamp run {}/scene.ron --point {} \
             --out …) and compare these\n",
            results[0].path().display(),
            first.point_a
        );
    }
    text
}

fn parts(count: usize) -> String {
    if count == 1 { "one part".into() } else { format!("{count} parts") }
}

fn scene_line(difference: &Difference, (name_a, name_b): (&str, &str)) -> String {
    let Difference { path, a, b } = difference;
    match (a, b) {
        (Some(a), Some(b)) => format!("{path}: {a} in {name_a}, {b} in {name_b}"),
        (Some(a), None) => format!("{path}: {a} in {name_a} only"),
        (_, b) => format!("{path}: {} in {name_b} only", b.as_deref().unwrap_or_default()),
    }
}

fn group_text(group: &GroupComparison, names: (&str, &str)) -> String {
    let (name_a, name_b) = names;
    let (a, b) = match (group.spikes_a, group.spikes_b) {
        (Some(a), Some(b)) => (a, b),
        (Some(_), None) => return format!("in {name_a} only\n"),
        _ => return format!("in {name_b} only\n"),
    };
    let mut text = if group.same {
        format!("the same {}\n", counted(a, "spike"))
    } else {
        format!("different, {} in {name_a} and {b} in {name_b}\n", counted(a, "spike"))
    };
    match &group.not_compared {
        None => {}
        Some(NotCompared::NoProbe) => {
            text += "  no probe of both runs has recorded its spikes: add one to see where they \
                     differ, for example \"spikes\": Spikes(of: …)\n";
        }
        Some(NotCompared::NothingInCommon) => {
            text += "  its probes in both runs have no neuron or no time in common: record the \
                     same to see where they differ\n";
        }
        Some(NotCompared::OtherSizes { replicas_a, size_a, replicas_b, size_b }) => {
            let of = |replicas: u32, size: u32| {
                let neurons = counted(size.into(), "neuron");
                if replicas_a == replicas_b {
                    neurons
                } else {
                    format!("{} of {neurons}", counted(replicas.into(), "replica"))
                }
            };
            let (a, b) = (of(*replicas_a, *size_a), of(*replicas_b, *size_b));
            text += &format!(
                "  {a} in {name_a}, {b} in {name_b}: neuron by neuron they cannot be compared\n"
            );
        }
    }
    text + &group.recorded.as_ref().map_or(String::new(), |recorded| recorded_text(recorded, names))
}

fn recorded_text(recorded: &RecordedComparison, (name_a, name_b): (&str, &str)) -> String {
    let seconds = |s: f64| quantity(s, Unit::Second);
    let mut text = String::new();
    let RecordedComparison { replicas, apart, .. } = recorded;
    if !recorded.is_whole {
        let (a, b) = &recorded.probes;
        let who = if a == b { format!("`{a}`") } else { format!("`{a}` and `{b}`") };
        let (neurons, (from, to)) = (counted(recorded.neurons, "neuron"), recorded.span_s);
        text += &format!(
            "  compared is what {who} recorded in both runs: {neurons}, from {from} s to {to} s\n"
        );
    }
    let Some(FirstDifference { time_s, replica, neuron, only_in_a }) = &recorded.first else {
        return text + "  the recorded spikes are the same\n";
    };
    let id = NeuronId { neuron: *neuron, replica: *replica };
    let owner = if *only_in_a { name_a } else { name_b };
    text += &format!("  first difference: the spike of {id} at {time_s} s is in {owner} only\n");
    text += &format!("  rates: {} Hz apart in the mean", three_digits(recorded.mean_rate_error_hz));
    text += &match &apart.worst_count {
        Some(worst) => format!(
            ", {} has {} {} in {name_b}\n",
            replicas.id(worst.neuron),
            counted(worst.error.unsigned_abs(), "spike"),
            if worst.error > 0 { "more" } else { "less" },
        ),
        None => "; each neuron has as many spikes\n".into(),
    };
    text += &match (&apart.mean_shift_s, &apart.worst_shift_s) {
        (Some(mean), Some(worst)) => format!(
            "  times: the k-th spikes of a neuron are {} apart in the mean, of {} up to {}\n",
            seconds(*mean),
            replicas.id(worst.neuron),
            seconds(worst.error)
        ),
        (Some(_), None) => "  times: those that both have are the same\n".into(),
        _ => "  times: no neuron fires in both runs\n".into(),
    };
    text
}
