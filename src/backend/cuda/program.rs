//! The source of a bank's kernels: one text, specialised by macros.

use std::fmt::Write;

use crate::circuit::forms::{FeedbackForm, RefractoryForm};
use crate::circuit::{Preset, Receptor, math};
use crate::model::{Circuits, Dpi, Equations, Lif, NeuronModel};
use crate::solver::kernel::{DeviceCode, Kernel};
use crate::time::Time;

/// A program for a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// A name for it, in messages.
    pub name: String,
    /// CUDA C++, which includes nothing.
    pub source: String,
    /// Its kernels, each with the type of its one argument, a structure of eight-byte fields.
    pub functions: &'static [(&'static str, &'static str)],
}

/// The kernels of `euler.cu`.
const EULER: &[(&str, &str)] = &[("advance", "Advance"), ("write_state", "Write")];

/// The kernels of `deliver.cu`.
const DELIVER: &[(&str, &str)] =
    &[("deliver", "Deliver"), ("withdraw", "Deliver"), ("reweight", "Reweight")];

impl Program {
    /// All programs of the built-in models with their default constants, and the one that delivers spikes.
    #[must_use]
    pub fn built_in() -> Vec<Program> {
        // No program depends on the step.
        let dt = Time::TICK;
        let mut equations = vec![Lif.equations(&Circuits::default(), dt)];
        for preset in Preset::ALL {
            for (_, feedback) in FeedbackForm::NAMES {
                for (_, refractory) in RefractoryForm::NAMES {
                    let mut dpi = Dpi::new(preset);
                    (dpi.forms.feedback, dpi.forms.refractory) = (feedback, refractory);
                    // `arcana` without and with GABA_B; the other preset has all circuits.
                    for present in [vec![Receptor::Ampa], vec![Receptor::Ampa, Receptor::Gabab]] {
                        let circuits = Circuits { present, off: Vec::new() };
                        equations.push(dpi.equations(&circuits, dt));
                    }
                }
            }
        }
        let mut programs = vec![Program::deliver()];
        for equations in equations {
            if let Equations::Kernel(kernel) = equations
                && let Some(program) = Program::euler(&*kernel)
                && !programs.contains(&program)
            {
                programs.push(program);
            }
        }
        programs
    }

    /// The program that delivers spikes.
    #[must_use]
    pub fn deliver() -> Program {
        let source = include_str!("kernels/deliver.cu").to_string();
        Program { name: "deliver".into(), source, functions: DELIVER }
    }

    /// The program that advances the neurons of a kernel step by step; `None`: it has no source for
    /// devices.
    #[must_use]
    pub fn euler(kernel: &dyn Kernel) -> Option<Program> {
        let DeviceCode { name, source: step, macros } = kernel.device_code()?;
        let [parameters, states, receptors] = kernel.widths();
        let layout = kernel.layout();
        let mut source = String::new();
        let mut define = |name: &str, value: &dyn std::fmt::Display| {
            // Writing to a string cannot fail.
            let _ = writeln!(source, "#define {name} {value}");
        };
        define("PARAMETERS", &parameters);
        define("STATES", &states);
        define("RECEPTORS", &receptors);
        define("MEMBRANE", &layout.membrane);
        define("DC", &layout.dc.map_or("-1".to_string(), |column| column.to_string()));
        define("EXP2_M1", &list(&math::EXP2_M1));
        define("LOG2_M1", &list(&math::LOG2_M1));
        macros.iter().for_each(|(name, value)| define(name, value));
        for part in [include_str!("kernels/math.cuh"), step, include_str!("kernels/euler.cu")] {
            source.push_str(part);
        }
        let forms: Vec<&str> = macros.iter().map(|(_, value)| value.as_str()).collect();
        let name = [&[name], &forms[..]].concat().join(" ");
        Some(Program { name, source, functions: EULER })
    }
}

/// Numbers in single precision as the initialiser of an array.
fn list(numbers: &[f64]) -> String {
    let numbers: Vec<String> = numbers.iter().map(|x| DeviceCode::single(*x)).collect();
    format!("{{{}}}", numbers.join(", "))
}
