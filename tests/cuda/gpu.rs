//! On a GPU: the conformance suite.

use picoamp::backend::cpu::Cpu;
use picoamp::backend::cuda::Cuda;

use crate::Tests;
use crate::common::run_on;
use crate::suite::{CASES, fingerprint};

/// What is missing, and the tests.
pub fn tests() -> (Option<String>, Tests) {
    let missing = Cuda::open(Some(1)).err().map(|error| error.to_string());
    let of_case =
        |(name, scenes): (&'static str, fn() -> _)| -> (String, Box<dyn FnOnce() + Send>) {
            // The solver from event to event has no kernel yet: nothing of such a scene runs there.
            (format!("gpu::{name}"), Box::new(move || equals_the_reference(scenes())))
        };
    let cases = CASES.into_iter().filter(|(name, _)| !name.starts_with("event_driven"));
    (missing, cases.map(of_case).collect())
}

fn equals_the_reference(scenes: Vec<picoamp::Scene>) {
    for scene in scenes {
        let reference = run_on(scene.clone(), Cpu::reference());
        let ours = run_on(scene, Cuda::open(Some(1)).unwrap());
        assert_eq!(fingerprint(&ours), fingerprint(&reference));
    }
}
