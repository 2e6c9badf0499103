//! README and docs say what is true: their commands run, their scenes are valid, their pictures are
//! those of the program, and no key is missing.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::file;
use picoamp::circuit::forms::{FeedbackForm, RefractoryForm};
use picoamp::circuit::{Block, Preset, Soma, Synapse};
use picoamp::model::lif::{LifSoma, LifSynapse};
use picoamp::model::{Dpi, Lif, NeuronModel};
use picoamp::prelude::*;

fn read(path: &str) -> String {
    fs::read_to_string(file(path)).unwrap()
}

/// The contents of the fenced blocks of a language.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    text.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap().to_string()).collect()
}

/// A folder with the repository's scenes, to run commands in.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    common::copy_folder(&file("scenes"), &folder.path().join("scenes"));
    fs::create_dir(folder.path().join("examples")).unwrap();
    let examples = folder.path().join("examples/scenes");
    common::copy_folder(&file("examples/scenes"), &examples);
    folder
}

/// Splits a command line at blanks outside of single quotes.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            c => words.last_mut().unwrap().push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// The binary of an example, built along with the tests.
fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(Path::parent).unwrap();
    profile.join("examples").join(name)
}

#[test]
fn every_command_of_the_readme_runs() {
    let folder = folder();
    let commands: Vec<String> = blocks(&read("README.md"), "sh")
        .iter()
        .flat_map(|block| block.lines().map(str::to_string).collect::<Vec<_>>())
        .collect();
    assert!(commands.contains(&"cargo test".to_string()));
    assert!(read(".ci/run").lines().any(|line| line.ends_with("cargo test")));
    let mut ran = 0;
    for command in commands.iter().filter(|c| *c != "cargo test") {
        let mut words = words(command);
        let (program, arguments) = if command.starts_with("cargo run --release -- ") {
            (assert_cmd::cargo::cargo_bin!("picoamp").to_path_buf(), words.split_off(4))
        } else if command.starts_with("cargo run --release --example ") {
            let arguments = words.split_off(5).into_iter().filter(|word| word != "--");
            (example(&words[4]), arguments.collect())
        } else {
            panic!("the README has a command that is not tested: {command}");
        };
        let output = std::process::Command::new(program)
            .args(&arguments)
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{command}\n{}", String::from_utf8_lossy(&output.stderr));
        ran += 1;
    }
    assert!(ran >= 5, "{ran} commands");
    assert!(folder.path().join("runs/ff_mismatch/ff.svg").exists());
}

/// The example's probe gives what its scene promises.
#[test]
fn the_custom_probe_measures_what_its_scene_says() {
    let folder = tempfile::tempdir().unwrap();
    let output = std::process::Command::new(example("custom_probe"))
        .current_dir(folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("50 of 50 neurons fired\n"), "{text}");
    let latencies: Vec<&str> =
        text.lines().filter_map(|line| Some(line.split_once(" after ")?.1)).collect();
    assert_eq!(latencies, ["1.28 ms", "3.68 ms"], "{text}");
    let scene = read("examples/scenes/latency.ron");
    assert!(latencies.iter().all(|latency| scene.contains(latency)));
    let table = fs::read_to_string(folder.path().join("runs/latency/latency.csv")).unwrap();
    let mut table = csv::Reader::from_reader(table.as_bytes());
    let values: Vec<(u32, f64)> = table.deserialize().map(Result::unwrap).collect();
    assert_eq!(values.len(), 50);
    let ends =
        values.iter().fold((1.0_f64, 0.0_f64), |ends, (_, s)| (ends.0.min(*s), ends.1.max(*s)));
    assert_eq!(ends, (0.00128, 0.00368));
    assert!(folder.path().join("runs/latency/latency.svg").exists());
}

/// The pictures in the README are those that its first command makes.
#[test]
fn the_pictures_are_those_of_the_program() {
    let folder = folder();
    let output = assert_cmd::cargo::cargo_bin_cmd!("picoamp")
        .args(["run", "scenes/ff_mismatch.ron", "--quiet"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(output.status.success());
    for name in ["ff.svg", "raster.svg", "vmem.svg"] {
        let made = fs::read(folder.path().join("runs/ff_mismatch").join(name)).unwrap();
        let shown = fs::read(file("docs/pictures").join(name)).unwrap();
        assert!(made == shown, "docs/pictures/{name} is not what the program draws");
        assert!(read("README.md").contains(&format!("docs/pictures/{name}")));
    }
}

/// Links of a page in `folder` that lead to no file, or to no heading of one.
fn dead_links(text: &str, folder: &Path) -> Vec<String> {
    let slug = |heading: &str| -> String {
        let kept = heading.to_lowercase().replace(' ', "-");
        kept.chars().filter(|c| c.is_alphanumeric() || "-_".contains(*c)).collect()
    };
    let links = text.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    let links = links.map(|(link, _)| link).filter(|link| !link.contains("://"));
    let is_dead = |link: &&str| {
        let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
        let target = if path.is_empty() { None } else { Some(folder.join(path)) };
        let Some(target) = target else { return !has(text, anchor, slug) };
        let page = fs::read_to_string(&target).unwrap_or_default();
        !target.exists() || (!anchor.is_empty() && !has(&page, anchor, slug))
    };
    links.filter(is_dead).map(String::from).collect()
}

/// Whether a page has a heading with this anchor.
fn has(page: &str, anchor: &str, slug: impl Fn(&str) -> String) -> bool {
    let headings = page.lines().filter_map(|line| line.strip_prefix('#'));
    headings.map(|heading| slug(heading.trim_start_matches('#').trim())).any(|s| s == anchor)
}

#[test]
fn every_link_of_the_documents_leads_somewhere() {
    let pages = ["README.md", "CHANGELOG.md", "benches/README.md"].map(String::from);
    let docs = fs::read_dir(file("docs")).unwrap();
    let docs = docs.map(|page| format!("docs/{}", page.unwrap().file_name().display()));
    for page in pages.into_iter().chain(docs).filter(|page| page.ends_with(".md")) {
        let path = file(&page);
        let dead = dead_links(&read(&page), path.parent().unwrap());
        assert!(dead.is_empty(), "{page}: {dead:?}");
    }
}

#[test]
fn a_dead_link_is_noticed() {
    let root = file("README.md");
    let text = "[a](docs/scene.md) [b](docs/none.md) [c](README.md#none) [d](#here)\n## Here\n";
    assert_eq!(dead_links(text, root.parent().unwrap()), ["docs/none.md", "README.md#none"]);
}

#[test]
fn the_scenes_in_the_documents_run() {
    let scenes = blocks(&read("README.md"), "ron");
    assert_eq!(scenes.len(), 1);
    for text in scenes {
        let simulation = common::run(common::parse(&text, Path::new(".")));
        let spikes = simulation.probe::<SpikeRecorder>("spikes").unwrap().spikes();
        assert!(!spikes.is_empty());
    }
}

#[test]
fn every_bias_is_in_the_scene_reference() {
    let text = read("docs/scene.md");
    fn rows<B: Block>(text: &str, block: &str) {
        for bias in B::BIASES {
            assert!(text.contains(&format!("| {block} | `{}` |", bias.name)), "{}", bias.name);
        }
    }
    rows::<Soma>(&text, "`soma`");
    rows::<Synapse>(&text, "circuits");
    rows::<LifSoma>(&text, "`soma`");
    rows::<LifSynapse>(&text, "`exc`, `inh`");
    for model in Plugins::default().models() {
        assert!(text.contains(&format!("| `{model}` |")), "{model}");
    }
    let rules = ["OneToOne", "AllToAll", "FixedProbability", "FixedInDegree", "FixedOutDegree"];
    for rule in rules.into_iter().chain(["FixedTotal", "List", "File"]) {
        assert!(text.contains(&format!("| `{rule}")), "{rule}");
    }
    let forms = FeedbackForm::NAMES.map(|(name, _)| name);
    for name in forms.into_iter().chain(RefractoryForm::NAMES.map(|(name, _)| name)) {
        assert!(text.contains(&format!("`{name}`")), "{name}");
    }
    for receptor in Dpi::new(Preset::Dynapse1).circuits().iter().chain(Lif.receptors()) {
        assert!(text.contains(&format!("`{}`", receptor.name())));
        assert!(text.contains(receptor.variable()));
    }
}

#[test]
fn every_probe_is_documented() {
    let (scene, results, readme) =
        (read("docs/scene.md"), read("docs/results.md"), read("README.md"));
    for probe in Plugins::default().probes() {
        assert!(scene.contains(&format!("| `{probe}(")), "docs/scene.md: {probe}");
        assert!(results.contains(&format!("| `{probe}` |")), "docs/results.md: {probe}");
        assert!(readme.contains(&format!("| `{probe}` |")), "README.md: {probe}");
    }
}

#[test]
fn every_key_of_the_summary_is_documented() {
    let folder = folder();
    let output = assert_cmd::cargo::cargo_bin_cmd!("picoamp")
        .args(["run", "scenes/ff_mismatch.ron", "--quiet", "--json"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = read("docs/results.md");
    let mut keys: Vec<&String> = summary.as_object().unwrap().keys().collect();
    keys.extend(summary["wall_s"].as_object().unwrap().keys());
    keys.extend(summary["mismatch"]["dpi"]["soma.Itau"].as_object().unwrap().keys());
    assert!(keys.len() > 20);
    for key in keys {
        assert!(text.contains(&format!("`{key}`")), "docs/results.md does not explain `{key}`");
    }
}

/// Each scene opens with its question, how to run it and what to expect.
#[test]
fn every_scene_opens_with_its_question() {
    let mut scenes = 0;
    for entry in fs::read_dir(file("scenes")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            continue;
        }
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("// Question: "), "{name}");
        assert!(text.contains(&format!("cargo run --release -- run scenes/{name}")), "{name}");
        assert!(text.contains("xpect "), "{name}");
        Scene::load(&path, &[]).unwrap();
        // What it says to try next can be tried, and the README has it.
        for hint in text.split("--set '").skip(1).map(|rest| rest.split('\'').next().unwrap()) {
            let loaded = Scene::load(&path, &[hint.to_string()]);
            assert!(
                loaded.is_ok_and(|loaded| loaded.warnings.findings().is_empty()),
                "{name}: {hint}"
            );
        }
        assert!(read("README.md").contains(&format!("| `{}` |", name.trim_end_matches(".ron"))));
        scenes += 1;
    }
    assert!(scenes >= 9);
    for entry in fs::read_dir(file("examples/scenes")).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        assert!(text.starts_with("// Question: "));
        assert!(text.contains("cargo run --release --example custom_"));
    }
}
