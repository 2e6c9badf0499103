//! The CUDA back end: its kernels compiled for this machine, by NVRTC, and on a GPU.
//!
//! What a machine has not (a C++ compiler, NVRTC, a GPU) leaves its tests out: each is listed as ignored,
//! and the last line counts them. With PICOAMP_REQUIRE_CUDA=1 a test that lacks something fails.

mod common;
#[path = "../examples/custom_host_model.rs"]
mod custom_host_model;
#[path = "../examples/custom_kernel_model.rs"]
mod custom_kernel_model;
#[path = "../examples/custom_plasticity.rs"]
mod custom_plasticity;
#[path = "../examples/custom_system.rs"]
mod custom_system;
#[path = "common/host_device.rs"]
mod host_device;
#[path = "common/lif_twin.rs"]
#[allow(dead_code)] // Its scene is another test's.
mod lif_twin;
#[path = "common/random_neurons.rs"]
#[allow(dead_code, clippy::disallowed_methods)] // Its reference is another test's.
mod random_neurons;
#[path = "common/reference.rs"]
mod reference;
#[path = "common/suite.rs"]
mod suite;

#[path = "cuda/checks.rs"]
mod checks;
#[path = "cuda/compiler.rs"]
mod compiler;
#[path = "cuda/gpu.rs"]
mod gpu;
#[path = "cuda/host.rs"]
mod host;
#[path = "cuda/networks.rs"]
mod networks;

use libtest_mimic::{Arguments, Trial};

/// A test that needs something, unless it is missing; then it is ignored, or fails where it is required.
fn needing(missing: &Option<String>, name: &str, test: impl FnOnce() + Send + 'static) -> Trial {
    match missing {
        None => Trial::test(name, || {
            test();
            Ok(())
        }),
        Some(what) if is_required() => {
            let message = format!("PICOAMP_REQUIRE_CUDA=1, but {what}");
            Trial::test(name, move || Err(message.into()))
        }
        Some(_) => Trial::test(name, || Ok(())).with_ignored_flag(true),
    }
}

/// Whether nothing may be left out.
fn is_required() -> bool {
    std::env::var_os("PICOAMP_REQUIRE_CUDA").is_some_and(|value| value == "1")
}

fn main() {
    let arguments = Arguments::from_args();
    let mut trials = Vec::new();
    for (missing, tests) in [host::tests(), compiler::tests(), gpu::tests()] {
        if let (Some(missing), false) = (&missing, arguments.list || is_required()) {
            eprintln!("skipped: {} tests, because {missing}", tests.len());
        }
        let tests = tests.into_iter();
        trials.extend(tests.map(|(name, test)| needing(&missing, &name, test)));
    }
    libtest_mimic::run(&arguments, trials).exit();
}

/// Tests by name.
type Tests = Vec<(String, Box<dyn FnOnce() + Send>)>;

/// A test by its name.
macro_rules! tests {
    ($prefix:literal: $($name:ident),* $(,)?) => {
        vec![$((
            concat!($prefix, "::", stringify!($name)).to_string(),
            Box::new($name) as Box<dyn FnOnce() + Send>,
        )),*]
    };
}
pub(crate) use tests;
