//! NVRTC compiles every specialisation for every generation of devices.

use std::collections::BTreeMap;
use std::sync::Arc;

use cudarc::nvrtc::{CompileOptions, compile_ptx_with_opts};
use picoamp::backend::cuda::{Program, compile};
use picoamp::circuit::forms::{FeedbackForm, RefractoryForm};
use picoamp::circuit::{Preset, Receptor};
use picoamp::model::{Circuits, Dpi, Equations, Lif, NeuronModel};
use picoamp::prelude::*;
use picoamp::solver::kernel::Kernel;

use crate::{Tests, tests};

/// What is missing, and the tests.
pub fn tests() -> (Option<String>, Tests) {
    let missing = compile::version().err();
    (missing, tests!("compiler": sm_75, sm_80, sm_90, arithmetic_is_ieee, mistakes_are_shown))
}

/// The kernels of all specialisations.
pub fn specialisations() -> Vec<Arc<dyn Kernel>> {
    let dt = Time::from_seconds(1e-4).unwrap();
    let kernel = |equations| match equations {
        Equations::Kernel(kernel) => kernel,
        Equations::Host(_) => panic!("a built-in model is a kernel"),
    };
    let mut kernels = vec![kernel(Lif.equations(&Circuits::default(), dt))];
    for preset in Preset::ALL {
        for (_, feedback) in FeedbackForm::NAMES {
            for (_, refractory) in RefractoryForm::NAMES {
                let mut dpi = Dpi::new(preset);
                (dpi.forms.feedback, dpi.forms.refractory) = (feedback, refractory);
                let all = vec![Receptor::Ampa, Receptor::Gabab];
                let sets =
                    if preset == Preset::Arcana { vec![all[..1].to_vec(), all] } else { vec![all] };
                for present in sets {
                    let circuits = Circuits { present, off: Vec::new() };
                    kernels.push(kernel(dpi.equations(&circuits, dt)));
                }
            }
        }
    }
    kernels
}

fn compile_all(compute: (i32, i32)) {
    let kernels = specialisations();
    assert_eq!(kernels.len(), 1 + 12 + 6);
    let mut sources = std::collections::BTreeSet::new();
    for kernel in kernels {
        let program = Program::euler(&*kernel).unwrap();
        let binary = compile::compile(&program, compute).unwrap();
        assert_eq!(&binary[..4], b"\x7fELF", "{}", program.name);
        sources.insert(program.source);
    }
    assert_eq!(sources.len(), 19, "each is a program of its own");
    assert_eq!(&compile::compile(&Program::deliver(), compute).unwrap()[..4], b"\x7fELF");
}

fn sm_75() {
    compile_all((7, 5));
}

fn sm_80() {
    compile_all((8, 0));
}

fn sm_90() {
    compile_all((9, 0));
}

/// In the compiler's output every sum, product and quotient is rounded once, to the nearest, with subnormal
/// numbers; and nothing is fused that the source has not fused.
fn arithmetic_is_ieee() {
    let mut operations = BTreeMap::new();
    let mut fused = 0;
    for kernel in specialisations() {
        let program = Program::euler(&*kernel).unwrap();
        let options = CompileOptions {
            options: compile::ARITHMETIC.map(String::from).to_vec(),
            arch: Some("compute_80"),
            ..CompileOptions::default()
        };
        let ptx = compile_ptx_with_opts(&program.source, options).unwrap().to_src();
        let of_single = ptx.split_whitespace().filter(|word| word.ends_with(".f32"));
        of_single.for_each(|word| *operations.entry(word.to_string()).or_insert(0) += 1);
        fused += ptx.matches("fma.rn.f32").count();
    }
    // (`.f32` declares registers.)
    let known = [
        "add.rn.f32",
        "sub.rn.f32",
        "mul.rn.f32",
        "fma.rn.f32",
        "div.rn.f32",
        "neg.f32",
        "mov.f32",
        "selp.f32",
        "cvt.rn.f32.s32",
    ];
    let is_known = |name: &String| {
        known.contains(&name.as_str())
            || [".f32", "ld.", "st.", "setp."].iter().any(|start| name.starts_with(start))
    };
    let others: Vec<_> = operations.keys().filter(|name| !is_known(name)).collect();
    assert!(others.is_empty(), "{others:?}");
    assert!(
        ["add.rn.f32", "mul.rn.f32", "div.rn.f32"]
            .iter()
            .all(|name| operations.contains_key(*name))
    );
    assert!(fused > 100, "{fused}");
}

fn mistakes_are_shown() {
    let program = Program {
        name: "wrong".into(),
        source: "extern \"C\" __global__ void k() { nonsense; }".into(),
        functions: &[],
    };
    let error = compile::compile(&program, (8, 0)).unwrap_err().to_string();
    assert!(error.contains("compiling the program `wrong`"), "{error}");
    assert!(error.contains("identifier \"nonsense\" is undefined"), "{error}");
    let good = Program { source: String::new(), ..program };
    let error = compile::compile(&good, (1, 0)).unwrap_err().to_string();
    assert!(error.contains("architecture"), "{error}");
}
