//! NVRTC compiles every specialisation for every generation of devices.

use std::collections::BTreeMap;

use crate::{Tests, tests};
use cudarc::nvrtc::{CompileOptions, compile_ptx_with_opts};
use picoamp::backend::cuda::{Program, compile};

/// What is missing, and the tests.
pub fn tests() -> (Option<String>, Tests) {
    let missing = compile::version().err();
    (missing, tests!("compiler": sm_75, sm_80, sm_90, arithmetic_is_ieee, mistakes_are_shown))
}

fn compile_all(compute: (i32, i32)) {
    let programs = Program::built_in();
    // Delivery by steps and from event to event, networks; `lif`; `arcana` with three feedbacks, two refractory forms, with
    // and without GABA_B; `dynapse1`. Event-driven: `lif`; the power law with AMPA in single and in double
    // precision, with GABA_B in mixed and in double, with all circuits; the logistic one with all.
    assert_eq!(programs.len(), 3 + 1 + 3 * 2 * 2 + 3 * 2 + 1 + 5 + 1);
    for program in programs {
        let binary = compile::compile(&program, compute).unwrap();
        assert_eq!(&binary[..4], b"\x7fELF", "{}", program.name);
    }
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
    for program in Program::built_in() {
        let options = CompileOptions {
            options: compile::ARITHMETIC.map(String::from).to_vec(),
            arch: Some("compute_80"),
            ..CompileOptions::default()
        };
        let ptx = compile_ptx_with_opts(&program.source, options).unwrap().to_src();
        let of_floats =
            ptx.split_whitespace().filter(|word| word.contains(".f32") || word.contains(".f64"));
        of_floats.for_each(|word| *operations.entry(word.to_string()).or_insert(0) += 1);
        fused += ptx.matches("fma.rn.f32").count();
    }
    // (`.f32` declares registers. From double to single is rounded to the nearest; back nothing is.)
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
        "cvt.rn.f32.u32",
        "add.rn.f64",
        "sub.rn.f64",
        "mul.rn.f64",
        "fma.rn.f64",
        "div.rn.f64",
        "neg.f64",
        "mov.f64",
        "selp.f64",
        "cvt.rn.f64.s64",
        "cvt.rn.f64.u32",
        "cvt.rn.f64.u64",
        "cvt.f64.f32",
        "cvt.rn.f32.f64",
        // To whole numbers, cut; quotients of 1 and what the compiler makes of comparisons are exact.
        "cvt.rzi.s64.f64",
        "cvt.rzi.u64.f64",
        "rcp.rn.f32",
        "rcp.rn.f64",
        "min.f32",
        "max.f32",
        "min.f64",
        "max.f64",
    ];
    let is_known = |name: &String| {
        known.contains(&name.as_str())
            || [".f32", ".f64", "ld.", "st.", "setp."].iter().any(|start| name.starts_with(start))
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
