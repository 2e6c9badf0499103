//! README and book say what is true: their commands run and print what they quote, their scenes are
//! valid, their pictures are those of the program, and no key is missing. `PICOAMP_UPDATE_BOOK=1` writes
//! pictures and reference instead of comparing them.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::file;
use picoamp::circuit::{Soma, Synapse};
use picoamp::model::lif::{LifSoma, LifSynapse};
use picoamp::prelude::*;

fn read(path: &str) -> String {
    fs::read_to_string(file(path)).unwrap()
}

/// A fenced block of a page.
#[derive(Debug, PartialEq)]
struct Block {
    language: String,
    text: String,
}

/// The fenced blocks of a page, also those within lists.
fn blocks_of(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for line in page.lines() {
        match (line.trim_start().strip_prefix("```"), &mut open) {
            (Some(language), None) => {
                open = Some(Block { language: language.to_string(), text: String::new() });
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some(block)) => block.text += &format!("{line}\n"),
            (None, None) => {}
        }
    }
    blocks
}

/// The contents of the fenced blocks of a language.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let blocks = blocks_of(page).into_iter().filter(|block| block.language == language);
    blocks.map(|block| block.text).collect()
}

/// The pages of the book, as paths from the root of the repository.
fn book() -> Vec<String> {
    let mut pages = Vec::new();
    for folder in ["docs/src", "docs/src/lessons"] {
        let entries = fs::read_dir(file(folder)).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().display().to_string());
        pages.extend(names.filter(|n| n.ends_with(".md")).map(|name| format!("{folder}/{name}")));
    }
    pages.sort();
    pages
}

/// Whether pictures and generated pages are to be written instead of compared.
fn is_update() -> bool {
    std::env::var_os("PICOAMP_UPDATE_BOOK").is_some_and(|value| value == "1")
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
    let path = profile.join("examples").join(name);
    assert!(path.exists(), "examples come with `cargo test` or `cargo build --examples`");
    path
}

/// Commands that cannot be run by a test: this test itself, and the installation.
const UNTESTED: [&str; 2] = ["cargo test", "cargo install --path ."];

/// Runs a command in a folder. The result is what it printed.
fn run(command: &str, folder: &Path) -> String {
    let mut words = words(command);
    let (program, arguments) = if command.starts_with("cargo run --release -- ") {
        (assert_cmd::cargo::cargo_bin!("picoamp").to_path_buf(), words.split_off(4))
    } else if command.starts_with("picoamp ") {
        (assert_cmd::cargo::cargo_bin!("picoamp").to_path_buf(), words.split_off(1))
    } else if command.starts_with("cargo run --release --example ") {
        let arguments = words.split_off(5).into_iter().filter(|word| word != "--");
        (example(&words[4]), arguments.collect())
    } else {
        panic!("a command that is not tested: {command}");
    };
    let mut process = std::process::Command::new(program);
    let output = process.args(&arguments).current_dir(folder).output().unwrap();
    let [out, err] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    assert!(output.status.success(), "{command}\n{err}");
    format!("{out}\n{err}")
}

/// The lines of a quoted output that are not in what was printed. "…" stands for lines, or for the rest of
/// one.
fn not_printed<'a>(quoted: &'a str, printed: &str) -> Vec<&'a str> {
    let printed: Vec<&str> = printed.lines().map(str::trim).collect();
    let is_printed = |line: &&str| match line.strip_suffix('…') {
        Some(start) => printed.iter().any(|printed| printed.starts_with(start)),
        None => printed.contains(line),
    };
    quoted.lines().map(str::trim).filter(|line| !is_printed(line)).collect()
}

/// The pictures of a page that its commands make: path in the book, and in the folder of the run.
fn pictures_of(page: &str) -> Vec<(String, String)> {
    let links = page.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    let pictures = links.filter_map(|(link, _)| link.split_once("pictures/"));
    let made = pictures.filter(|(_, picture)| picture.contains('/'));
    made.map(|(_, path)| (format!("docs/src/pictures/{path}"), format!("runs/{path}"))).collect()
}

/// Types the commands of a page, one after the other in one folder, compares what they print with the
/// `text` block behind them, and the pictures of the page with those that they have made.
fn follow(page: &str) -> usize {
    let text = read(page);
    let folder = folder();
    let (mut printed, mut ran) = (String::new(), 0);
    for block in blocks_of(&text) {
        if block.language == "sh" {
            printed.clear();
            let commands = block.text.lines().map(str::trim);
            for command in commands.filter(|command| !UNTESTED.contains(command)) {
                printed += &run(command, folder.path());
                ran += 1;
            }
        } else if block.language == "text" {
            let missing = not_printed(&block.text, &printed);
            assert!(
                missing.is_empty(),
                "{page} quotes what is not printed: {missing:#?}\n{printed}"
            );
        }
    }
    for (shown, made) in pictures_of(&text) {
        let picture = fs::read(folder.path().join(&made)).unwrap_or_default();
        assert!(!picture.is_empty(), "{page} shows {shown}, but no command of it makes {made}");
        if is_update() {
            fs::create_dir_all(file(&shown).parent().unwrap()).unwrap();
            fs::write(file(&shown), picture).unwrap();
        } else {
            let same = fs::read(file(&shown)).is_ok_and(|shown| shown == picture);
            assert!(same, "{shown} is not what the program draws: PICOAMP_UPDATE_BOOK=1 makes it");
        }
    }
    ran
}

#[test]
fn the_commands_of_the_readme_run_and_its_pictures_are_theirs() {
    let commands = blocks(&read("README.md"), "sh").concat();
    assert!(commands.lines().any(|line| line == "cargo test"));
    assert!(read(".ci/run").lines().any(|line| line.ends_with("cargo test")));
    assert!(follow("README.md") >= 5);
    assert_eq!(pictures_of(&read("README.md")).len(), 4);
}

#[test]
fn the_commands_of_the_book_run_and_its_pictures_are_theirs() {
    let ran: Vec<(String, usize)> = book().into_iter().map(|p| (p.clone(), follow(&p))).collect();
    for lesson in ran.iter().filter(|(page, _)| page.contains("lessons")) {
        assert!(lesson.1 >= 5, "{lesson:?}");
    }
    assert!(ran.iter().filter(|(page, _)| page.contains("lessons")).count() >= 3);
}

#[test]
fn what_is_not_printed_is_noticed() {
    assert_eq!(not_printed("a  1\n…\nb  2\nb …\nc…\n", "  a  1\nb  3\n"), ["b  2", "c…"]);
    let page = "![x](../pictures/run/ff.svg) ![y](pictures/work.svg) [z](scene.md)";
    let pictures = [("docs/src/pictures/run/ff.svg".into(), "runs/run/ff.svg".into())];
    assert_eq!(pictures_of(page), pictures);
}

/// What no page shows is not kept.
#[test]
fn every_picture_of_the_book_is_shown() {
    let pages: String = book().iter().map(|page| read(page)).chain([read("README.md")]).collect();
    for entry in fs::read_dir(file("docs/src/pictures")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().display().to_string();
        if path.is_file() {
            assert!(pages.contains(&format!("pictures/{name}")), "{name}");
            continue;
        }
        for picture in fs::read_dir(&path).unwrap() {
            let picture = format!("{name}/{}", picture.unwrap().file_name().display());
            assert!(pages.contains(&format!("pictures/{picture}")), "{picture}");
        }
    }
}

/// mdBook shows the pages that the summary lists, and makes empty ones of links that lead nowhere.
#[test]
fn the_summary_lists_every_page_of_the_book() {
    let summary = read("docs/src/SUMMARY.md");
    for page in book() {
        let page = page.trim_start_matches("docs/src/");
        let listed = summary.matches(&format!("]({page})")).count();
        assert_eq!(listed, usize::from(page != "SUMMARY.md"), "{page}");
    }
    // A link out of the book leads nowhere where the book is read.
    for page in book() {
        let depth = page.matches('/').count() - 2;
        let leaves = format!("]({}", "../".repeat(depth + 1));
        assert!(!read(&page).contains(&leaves), "{page} links out of the book");
    }
}

/// The reference of names is what the program says.
#[test]
fn the_reference_is_what_the_program_prints() {
    let printed = picoamp::scene::reference::reference(&Plugins::default());
    let page = "docs/src/reference.md";
    if is_update() {
        fs::write(file(page), &printed).unwrap();
    }
    assert!(read(page) == printed, "{page} is old: PICOAMP_UPDATE_BOOK=1 makes it");
    let output = assert_cmd::cargo::cargo_bin_cmd!("picoamp").arg("reference").output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim_end(), printed.trim_end());
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
    for page in pages.into_iter().chain(book()) {
        let path = file(&page);
        let dead = dead_links(&read(&page), path.parent().unwrap());
        assert!(dead.is_empty(), "{page}: {dead:?}");
    }
}

#[test]
fn a_dead_link_is_noticed() {
    let root = file("README.md");
    let text = "[a](docs/src/scene.md) [b](docs/none.md) [c](README.md#none) [d](#here)\n## Here\n";
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

/// The names in the first cells of the tables under a heading of the reference, with all in their rows.
fn rows<'a>(reference: &'a str, heading: &str) -> Vec<(&'a str, Vec<&'a str>)> {
    let section = reference.split(&format!("\n{heading}\n")).nth(1).unwrap_or_default();
    let section = section.split("\n#").next().unwrap_or_default();
    let row = |line: &'a str| {
        let mut names = line.strip_prefix("| `")?.split('`').step_by(2);
        Some((names.next()?, names.collect()))
    };
    section.lines().filter_map(row).collect()
}

/// What the program can read is in the reference, for the right thing, and each form and key of it is
/// explained.
#[test]
fn the_reference_has_everything_and_all_of_it_is_explained() {
    let (page, scene) = (read("docs/src/reference.md"), read("docs/src/scene.md"));
    let plugins = Plugins::default();
    fn biases<B: Blocks>(page: &str, model: &str, block: &str) {
        let rows = rows(page, &format!("### `{model}`"));
        for bias in B::BIASES {
            let name = format!("{block}.{}", bias.name);
            let own = rows.iter().any(|(path, _)| *path == name);
            assert!(own || B::may_lack(bias.name), "{model} {name}");
        }
    }
    biases::<Soma>(&page, "arcana", "soma");
    biases::<Soma>(&page, "dynapse1", "soma");
    biases::<Synapse>(&page, "arcana", "gabab");
    biases::<Synapse>(&page, "dynapse1", "ahp");
    biases::<LifSoma>(&page, "lif", "soma");
    biases::<LifSynapse>(&page, "lif", "inh");
    for (heading, names) in [("### train", plugins.trains()), ("### A probe", plugins.probes())] {
        let known: Vec<&str> = rows(&page, heading).iter().map(|(name, _)| *name).collect();
        assert_eq!(known, names, "{heading}");
    }
    let rule = rows(&page, "### rule");
    assert_eq!(rule.len(), 8);
    assert!(rule.contains(&("FixedInDegree", vec!["k", "self_connections", "multiple_edges"])));
    let trace = ("Trace", vec!["of", "vars", "neurons", "every", "window", "format"]);
    assert!(rows(&page, "### A probe").contains(&trace));
    let solver = [("Event", vec!["tolerance", "step"]), ("Euler", vec!["dt"])];
    assert_eq!(rows(&page, "### solver"), solver);
    for model in plugins.models() {
        assert!(scene.contains(&format!("| `{model}` |")), "{model}");
    }
    for heading in page.lines().filter(|line| line.starts_with("### ") && !line.contains('`')) {
        for (form, keys) in rows(&page, heading) {
            let line = |line: &&str| line.contains(&format!("`{form}")) || line.contains(form);
            let explained: Vec<&str> = scene.lines().filter(line).collect();
            assert!(!explained.is_empty(), "docs/src/scene.md lacks {form} ({heading})");
            for key in
                keys.iter().filter(|key| key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
            {
                assert!(scene.contains(*key), "docs/src/scene.md lacks {key} of {form}");
            }
        }
    }
}

/// A block of biases, of which a model may lack some.
trait Blocks: picoamp::circuit::Block {
    /// Whether a preset has no such bias: that of another form of the feedback.
    fn may_lack(bias: &str) -> bool {
        ["Ipfb_gain", "Inmda_th"].contains(&bias)
    }
}
impl<B: picoamp::circuit::Block> Blocks for B {}

#[test]
fn every_probe_is_documented() {
    let pages = ["scene", "results", "plugins", "probes"];
    let [scene, results, plugins, probes] = pages.map(|page| read(&format!("docs/src/{page}.md")));
    for probe in Plugins::default().probes() {
        assert!(scene.contains(&format!("| `{probe}(")), "scene.md: {probe}");
        assert!(results.contains(&format!("| `{probe}` |")), "results.md: {probe}");
        assert!(plugins.contains(&format!("| `{probe}` |")), "plugins.md: {probe}");
        assert!(probes.contains(&format!("`{probe}`")), "probes.md: {probe}");
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
    let text = read("docs/src/results.md");
    let mut keys: Vec<&String> = summary.as_object().unwrap().keys().collect();
    keys.extend(summary["wall_s"].as_object().unwrap().keys());
    keys.extend(summary["mismatch"]["dpi"]["soma.Itau"].as_object().unwrap().keys());
    assert!(keys.len() > 20);
    for key in keys {
        assert!(text.contains(&format!("`{key}`")), "docs/src/results.md does not explain `{key}`");
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
        // Nothing is wrong with it, and no value far from what is usual.
        assert!(Scene::load(&path, &[]).unwrap().warnings.findings().is_empty(), "{name}");
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
