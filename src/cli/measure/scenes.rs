//! The scenes of the ready experiments, as their users keep and edit them.

use crate::cli::args::{Experiment, MeasureArgs, MeasuredModel};
use crate::experiment::epsp::SPIKE;

/// Neurons of which each has its own input on a curve.
const POINTS: u32 = 200;

/// The commented scene of an experiment.
pub fn scene(args: &MeasureArgs, name: &str) -> String {
    let (question, expect) = question(args);
    let sets: String = args.sets.iter().map(|set| format!(" --set {}", quoted(set))).collect();
    let MeasureArgs { seed, replicas, .. } = args;
    let body = match args.experiment {
        Experiment::Ff => ff(args),
        Experiment::Fi => fi(args),
        Experiment::Epsp => epsp(args),
        Experiment::Adaptation => adaptation(args),
        Experiment::Mismatch => mismatch(args),
    };
    format!(
        "// Question: {question}\n//\n//     picoamp run experiment.ron{sets}\n//\n// {expect}\n(\n    \
         format: 1,\n    name: \"{name}\",\n    seed: {seed},\n    // Draws of the mismatch side by \
         side.\n    replicas: {replicas},\n{body})\n"
    )
}

/// A word of a command line, in one line.
fn quoted(word: &str) -> String {
    if !word.contains(|c: char| c.is_ascii_control()) {
        return format!("'{}'", word.replace('\'', r"'\''"));
    }
    // Only this form has escapes for line breaks.
    let shown: String = word
        .chars()
        .map(|c| match c {
            '\\' | '\'' => format!("\\{c}"),
            '\n' => "\\n".into(),
            c if c.is_ascii_control() => format!("\\x{:02x}", u32::from(c)),
            c => c.to_string(),
        })
        .collect();
    format!("$'{shown}'")
}

fn question(args: &MeasureArgs) -> (&'static str, &'static str) {
    match args.experiment {
        Experiment::Ff => (
            "how does the output rate follow the input rate?",
            "Neuron k is driven by a regular train through AMPA, from 0 to 199 Hz.",
        ),
        Experiment::Fi if args.bare => (
            "from which constant input on does a bare soma fire, and how fast?",
            "Neuron k has its own Idc. Without feedback the rate has a closed form.",
        ),
        Experiment::Fi => (
            "from which constant input on does the neuron fire, and how fast?",
            "Neuron k has its own Idc.",
        ),
        Experiment::Epsp => (
            "how does the membrane answer to one spike at each receptor?",
            "One neuron for each receptor, at rest above its dark current; the spike comes at 1 s.",
        ),
        Experiment::Adaptation => (
            "how do the intervals between spikes grow under a constant input?",
            "The input begins at 0.1 s.",
        ),
        Experiment::Mismatch => (
            "how do time constants, gains and weights vary from neuron to neuron?",
            "Nothing fires: the drawn biases say it all.",
        ),
    }
}

/// A model with biases of its soma beside the usual ones, and further blocks.
fn model(args: &MeasureArgs, soma: &[(&str, &str)], blocks: &[&str]) -> String {
    let mut biases: Vec<(&str, &str)> = match args.model {
        MeasuredModel::Dynapse1 => Vec::new(),
        // Quintana et al. 2024.
        MeasuredModel::Arcana => vec![
            ("Itau", "4 pA"),
            ("Igain", "80 pA"),
            ("Ith", "12 mA"),
            ("Idc", "10 pA"),
            ("refP", "0 s"),
            ("Ipfb_th", "0 A"),
            ("Ipfb_norm", "1.4e9 /A"),
        ],
    };
    for (key, value) in soma {
        match biases.iter_mut().find(|(known, _)| known == key) {
            Some(bias) => bias.1 = value,
            None => biases.push((key, value)),
        }
    }
    if args.bare && args.experiment == Experiment::Fi {
        biases.retain(|(key, _)| !key.starts_with("Ipfb"));
    }
    let mut parts = Vec::new();
    if !biases.is_empty() {
        let biases: Vec<String> = biases.iter().map(|(k, v)| format!("{k}: \"{v}\"")).collect();
        parts.push(format!("soma: ({})", biases.join(", ")));
    }
    parts.extend(blocks.iter().map(ToString::to_string));
    let name = match args.model {
        MeasuredModel::Dynapse1 => "dynapse1",
        MeasuredModel::Arcana => "arcana",
    };
    match parts.len() {
        0 => format!("{name}()"),
        _ => format!(
            "{name}(\n                {},\n            )",
            parts.join(",\n                ")
        ),
    }
}

/// `mismatch: { … }` of these biases, or nothing where there is none.
fn laws(args: &MeasureArgs, biases: &[&str]) -> String {
    // One draw would be taken for the circuit.
    let is_drawn = args.replicas > 1 || args.experiment == Experiment::Mismatch;
    let cv = args.cv.unwrap_or(if is_drawn { 0.1 } else { 0.0 });
    if cv == 0.0 {
        return String::new();
    }
    // The published experiment draws from a Gaussian.
    let law = match args.model {
        MeasuredModel::Dynapse1 => "LogNormal",
        MeasuredModel::Arcana => "Gaussian",
    };
    let line = |bias: &&str| format!("                \"{bias}\": {law}(cv: {cv}),\n");
    let lines: String = biases.iter().map(line).collect();
    format!("            mismatch: {{\n{lines}            }},\n")
}

fn ampa(args: &MeasureArgs) -> &'static str {
    match args.model {
        MeasuredModel::Dynapse1 => "ampa: ()",
        MeasuredModel::Arcana => "ampa: (Itau: \"2 pA\", Igain: \"20 pA\", Iw: \"200 pA\")",
    }
}

fn ff(args: &MeasureArgs) -> String {
    let model = model(args, &[], &[ampa(args)]);
    let biases = ["soma.Itau", "soma.Igain", "ampa.Itau", "ampa.Igain", "ampa.Iw"];
    let laws = laws(args, &biases);
    let weight = match args.model {
        MeasuredModel::Dynapse1 => "8",
        MeasuredModel::Arcana => "1",
    };
    format!(
        r#"    duration: "1 s",
    sources: {{
        "input": (
            size: {POINTS},
            train: Regular(rates: Linear(from: "0 Hz", to: "199 Hz"), grid: "1 ms"),
        ),
    }},
    populations: {{
        "dpi": (
            size: {POINTS},
            model: {model},
{laws}        ),
    }},
    connections: [
        (from: "input", to: "dpi", receptor: ampa, rule: OneToOne, weight: {weight}),
    ],
    probes: {{ "ff": Ff(input: "input", output: "dpi") }},
"#
    )
}

fn fi(args: &MeasureArgs) -> String {
    let (soma, blocks): (&[(&str, &str)], &[&str]) = match (args.model, args.bare) {
        (_, false) => (&[], &[]),
        (MeasuredModel::Dynapse1, true) => (
            &[],
            &["feedback: Off", "ahp: Off", "ampa: Off", "nmda: Off", "gabaa: Off", "gabab: Off"],
        ),
        // The published threshold of 12 mA is out of reach without feedback.
        (MeasuredModel::Arcana, true) => {
            (&[("Ith", "1 nA"), ("Ireset", "1 pA")], &["feedback: Off", "ampa: Off", "gabab: Off"])
        }
    };
    let most = match (args.model, args.bare) {
        (MeasuredModel::Arcana, false) => "100 pA",
        (MeasuredModel::Arcana, true) => "200 pA",
        (MeasuredModel::Dynapse1, _) => "2 nA",
    };
    let model = model(args, soma, blocks);
    let laws = laws(args, &["soma.Itau", "soma.Igain"]);
    format!(
        r#"    duration: "2 s",
    populations: {{
        "dpi": (
            size: {POINTS},
            model: {model},
{laws}            // The input of each neuron; it has no mismatch.
            biases: Given({{ "soma.Idc": Linear(from: "0 A", to: "{most}") }}),
        ),
    }},
    probes: {{ "fi": Fi(of: "dpi") }},
"#
    )
}

/// The receptors of a model, and the current of each.
pub fn receptors(model: MeasuredModel) -> &'static [(&'static str, &'static str)] {
    match model {
        MeasuredModel::Dynapse1 => {
            &[("ampa", "Iampa"), ("nmda", "Inmda"), ("gabaa", "Igabaa"), ("gabab", "Igabab")]
        }
        MeasuredModel::Arcana => &[("ampa", "Iampa"), ("gabab", "Igabab")],
    }
}

fn epsp(args: &MeasureArgs) -> String {
    let mut populations = String::new();
    let mut connections = String::new();
    let mut probes = String::new();
    for (receptor, current) in receptors(args.model) {
        // Small enough not to make it fire.
        let (model, weight) = match args.model {
            MeasuredModel::Dynapse1 => {
                (model(args, &[("Idc", "30 pA")], &[&format!("{receptor}: ()"), "ahp: Off"]), "0.1")
            }
            MeasuredModel::Arcana => {
                let block = format!("{receptor}: (Itau: \"2 pA\", Igain: \"20 pA\", Iw: \"1 pA\")");
                (model(args, &[], &[&block]), "1")
            }
        };
        let own = ["Itau", "Igain", "Iw"].map(|bias| format!("{receptor}.{bias}"));
        let biases: Vec<&str> =
            ["soma.Itau", "soma.Igain"].into_iter().chain(own.iter().map(String::as_str)).collect();
        let laws = laws(args, &biases);
        populations += &format!(
            "        \"{receptor}\": (\n            size: 1,\n            model: {model},\n{laws}        ),\n"
        );
        connections += &format!(
            "        (from: \"spike\", to: \"{receptor}\", receptor: {receptor}, rule: OneToOne, weight: {weight}),\n"
        );
        probes += &format!(
            "        \"{receptor}\": Trace(\n            of: \"{receptor}\", vars: [Vmem, {current}], \
             neurons: [0], every: \"200 us\",\n            window: (from: \"0.98 s\"),\n        ),\n"
        );
    }
    format!(
        "    duration: \"1.4 s\",\n    sources: {{ \"spike\": (size: 1, train: Spikes([\"{SPIKE} s\"])) }},\n    \
         populations: {{\n{populations}    }},\n    connections: [\n{connections}    ],\n    probes: \
         {{\n{probes}    }},\n"
    )
}

fn adaptation(args: &MeasureArgs) -> String {
    let input = match args.model {
        MeasuredModel::Dynapse1 => "800 pA",
        MeasuredModel::Arcana => "50 pA",
    };
    let model = model(args, &[], &[]);
    let ahp: &[&str] = match args.model {
        MeasuredModel::Dynapse1 => &["soma.Itau", "soma.Igain", "ahp.Itau", "ahp.Igain", "ahp.Iw"],
        MeasuredModel::Arcana => &["soma.Itau", "soma.Igain"],
    };
    let laws = laws(args, ahp);
    format!(
        r#"    duration: "1.1 s",
    populations: {{
        "dpi": (
            size: 1,
            model: {model},
{laws}            dc: Steps([("0.1 s", "{input}")]),
        ),
    }},
    probes: {{
        "intervals": Intervals(of: "dpi"),
        "spikes": Spikes(of: "dpi"),
    }},
"#
    )
}

fn mismatch(args: &MeasureArgs) -> String {
    let circuits: Vec<&str> = receptors(args.model).iter().map(|(receptor, _)| *receptor).collect();
    let blocks: Vec<String> = match args.model {
        MeasuredModel::Dynapse1 => circuits.iter().map(|r| format!("{r}: ()")).collect(),
        MeasuredModel::Arcana => circuits
            .iter()
            .map(|r| format!("{r}: (Itau: \"2 pA\", Igain: \"20 pA\", Iw: \"200 pA\")"))
            .collect(),
    };
    let blocks: Vec<&str> = blocks.iter().map(String::as_str).collect();
    let model = model(args, &[], &blocks);
    let mut biases: Vec<String> = ["Itau", "Igain", "Ith"].map(|b| format!("soma.{b}")).into();
    let ahp = (args.model == MeasuredModel::Dynapse1).then_some("ahp");
    for circuit in circuits.into_iter().chain(ahp) {
        biases.extend(["Itau", "Igain", "Iw"].map(|bias| format!("{circuit}.{bias}")));
    }
    let biases: Vec<&str> = biases.iter().map(String::as_str).collect();
    let laws = laws(args, &biases);
    format!(
        r#"    duration: "1 us",
    populations: {{
        "dpi": (
            size: 1000,
            model: {model},
{laws}        ),
    }},
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_command_stay_one_word_in_one_line() {
        assert_eq!(quoted("a=\"4 pA\""), "'a=\"4 pA\"'");
        assert_eq!(quoted("name=it's"), r"'name=it'\''s'");
        assert_eq!(quoted("a=(\n'\\'\r)"), r"$'a=(\n\'\\\'\x0d)'");
    }
}
