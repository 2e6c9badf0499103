//! What several test files need: scenes from text, runs, and reference numbers.

#![allow(dead_code)] // Each test file uses its own part.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use picoamp::backend::Backend;
use picoamp::backend::cpu::Cpu;
use picoamp::prelude::*;
use picoamp::probe::digest::SpikeDigests;

/// A file of the repository.
pub fn file(path: &str) -> PathBuf {
    // Cargo says it when a test runs, too: there a copy of the repository may be elsewhere.
    let root = std::env::var_os("CARGO_MANIFEST_DIR");
    root.map_or(env!("CARGO_MANIFEST_DIR").into(), PathBuf::from).join(path)
}

/// Copies the files of a folder and of the folders in it.
pub fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let copy = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_folder(&path, &copy);
        } else {
            std::fs::copy(&path, copy).unwrap();
        }
    }
}

/// A scene file of the repository with overrides.
pub fn scene(path: &str, sets: &[&str]) -> Scene {
    let sets: Vec<String> = sets.iter().map(ToString::to_string).collect();
    Scene::load(file(path), &sets).map_err(|e| explain(&e)).unwrap().scene
}

/// A scene from a text whose input files are in `folder`.
pub fn parse(text: &str, folder: &Path) -> Scene {
    Scene::parse(text, "test.ron", "test", folder, &[]).map_err(|e| explain(&e)).unwrap().scene
}

fn explain(error: &Error) -> String {
    match error {
        Error::Scene(report) => {
            report.findings().iter().map(|f| format!("{:?} {f}\n", f.place())).collect()
        }
        other => other.to_string(),
    }
}

/// A finished run on one thread.
pub fn run(scene: Scene) -> Simulation {
    run_on(scene, Cpu::new(Some(1)))
}

/// A finished run on a back end.
pub fn run_on(scene: Scene, backend: impl Backend) -> Simulation {
    let mut simulation = Simulation::new(scene).unwrap();
    simulation.set_backend(backend);
    simulation.run().unwrap();
    simulation
}

/// The digests of all populations by name.
pub fn hashes(simulation: &Simulation) -> BTreeMap<String, String> {
    let digests = &simulation.world().resource::<SpikeDigests>().0;
    let names = simulation.scene().populations.keys().cloned();
    names.zip(digests.iter().map(|digest| digest.hex())).collect()
}

/// Output spikes of the FF probe `ff`.
pub fn ff_counts(simulation: &Simulation) -> Vec<u64> {
    let ff = simulation.probe::<FfCurve>("ff").unwrap();
    ff.rows().iter().map(|row| row.output_spikes).collect()
}

/// A column of a CSV file as numbers.
pub fn column(path: &str, name: &str) -> Vec<f64> {
    let mut reader = csv::Reader::from_path(file(path)).unwrap();
    let at = reader.headers().unwrap().iter().position(|h| h == name).unwrap();
    reader.records().map(|record| record.unwrap()[at].parse().unwrap()).collect()
}
