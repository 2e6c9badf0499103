//! The source of a bank's kernels: one text, specialised by macros.

use std::fmt::Write;

use crate::bank::{Bank, Neurons};
use crate::circuit::forms::{FeedbackForm, RefractoryForm};
use crate::circuit::{Preset, Receptor, math};
use crate::model::{Circuits, Dpi, Equations, Lif, NeuronModel};
use crate::solver::event::SINGLE_PRECISION;
use crate::solver::event::device::{EventCode, math_macros};
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
const EULER: &[(&str, &str)] =
    &[("advance", "Advance"), ("list_spikes", "List"), ("write_state", "Write")];

/// Edges and runs of them, and the sums of what arrives: several programs share these.
const EDGES: &str = include_str!("kernels/edges.cuh");
const SUMS: &str = include_str!("kernels/sums.cuh");

/// Lists that threads fill.
const LISTS: &str = include_str!("kernels/lists.cuh");

/// The kernels of `deliver.cu`.
const DELIVER: &[(&str, &str)] =
    &[("deliver", "Deliver"), ("withdraw", "Deliver"), ("reweight", "Reweight")];

/// The kernels of `event.cu`.
const EVENT: &[(&str, &str)] =
    &[("advance", "Advance"), ("read_neurons", "Exchange"), ("write_neurons", "Exchange")];

/// The kernels of `arrive.cu`.
const ARRIVE: &[(&str, &str)] = &[
    ("count_arrivals", "Arrive"),
    ("share_list", "Arrive"),
    ("put_arrivals", "Arrive"),
    ("sort_arrivals", "Arrive"),
];

/// The kernels of `network.cu`.
const NETWORK: &[(&str, &str)] = &[
    ("emit_regular", "Emit"),
    ("emit_poisson", "Emit"),
    ("sort_out", "Sort"),
    ("route", "Route"),
    ("route_timed", "RouteTimed"),
    ("hash_spikes", "Hash"),
    ("hash_timed", "HashTimed"),
];

impl Program {
    /// All programs of the built-in models with their default constants, and those that deliver spikes.
    #[must_use]
    pub fn built_in() -> Vec<Program> {
        // No program depends on the step.
        let dt = Time::TICK;
        let mut equations = vec![Lif.equations(&Circuits::default(), dt)];
        let mut event_driven = vec![Lif.event_equations(&Circuits::default(), dt, false)];
        for preset in Preset::ALL {
            for (_, feedback) in FeedbackForm::NAMES {
                for (_, refractory) in RefractoryForm::NAMES {
                    let mut dpi = Dpi::new(preset);
                    (dpi.forms.feedback, dpi.forms.refractory) = (feedback, refractory);
                    // `arcana` without and with GABA_B; the other preset has all circuits.
                    for present in [vec![Receptor::Ampa], vec![Receptor::Ampa, Receptor::Gabab]] {
                        let circuits = Circuits { present, off: Vec::new() };
                        equations.push(dpi.equations(&circuits, dt));
                        // Single and double precision, and a direct input that changes in time.
                        for (tolerance, is_driven) in
                            [(SINGLE_PRECISION, false), (Time::TICK, false), (Time::TICK, true)]
                        {
                            event_driven.push(dpi.event_equations(&circuits, tolerance, is_driven));
                        }
                    }
                }
            }
        }
        let mut programs = vec![Program::deliver(), Program::arrive(), Program::network()];
        for code in event_driven.iter().flatten().filter_map(|neurons| neurons.device_code()) {
            let program = Program::event(&code);
            if !programs.contains(&program) {
                programs.push(program);
            }
        }
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
        let source = [EDGES, SUMS, include_str!("kernels/deliver.cu")].concat();
        Program { name: "deliver".into(), source, functions: DELIVER }
    }

    /// The program that delivers spikes to event-driven neurons.
    #[must_use]
    pub fn arrive() -> Program {
        let source = [EDGES, include_str!("kernels/arrive.cu")].concat();
        Program { name: "arrive".into(), source, functions: ARRIVE }
    }

    /// The program of sources, delays and routing.
    #[must_use]
    pub fn network() -> Program {
        let mut source = String::new();
        // Writing to a string cannot fail.
        let mut define = |name: &str, value: &str| {
            let _ = writeln!(source, "#define {name} {value}");
        };
        define("EXP2_M1", &list(&math::EXP2_M1));
        define("LOG2_M1", &list(&math::LOG2_M1));
        math_macros(false).iter().for_each(|(name, value)| define(name, value));
        for part in [
            include_str!("kernels/math.cuh"),
            include_str!("kernels/event_math.cuh"),
            EDGES,
            SUMS,
            LISTS,
            include_str!("kernels/network.cu"),
        ] {
            source.push_str(part);
        }
        Program { name: "network".into(), source, functions: NETWORK }
    }

    /// The program that advances a bank; `None`: it has no source for devices.
    #[must_use]
    pub fn of(bank: &Bank) -> Option<Program> {
        match &bank.neurons {
            Neurons::Host => None,
            Neurons::Stepped(stepped) => Program::euler(&*stepped.kernel),
            Neurons::Event(event) => event.device_code().map(|code| Program::event(&code)),
        }
    }

    /// The program that carries event-driven neurons.
    #[must_use]
    pub fn event(code: &EventCode) -> Program {
        let mut source = String::new();
        // Writing to a string cannot fail.
        let mut define = |name: &str, value: &dyn std::fmt::Display| {
            let _ = writeln!(source, "#define {name} {value}");
        };
        let fields = |names: &[String]| -> String {
            names.iter().map(|name| format!("F({name}) ")).collect()
        };
        define("PARAMETER_WORDS(F)", &fields(&code.parameters));
        define("STATE_WORDS(F)", &fields(&code.state));
        define("EXP2_M1", &list(&math::EXP2_M1));
        define("LOG2_M1", &list(&math::LOG2_M1));
        code.macros.iter().for_each(|(name, value)| define(name, value));
        for part in [
            include_str!("kernels/math.cuh"),
            include_str!("kernels/event_math.cuh"),
            LISTS,
            include_str!("kernels/event_head.cuh"),
            code.source,
            include_str!("kernels/event.cu"),
        ] {
            source.push_str(part);
        }
        Program { name: code.name.clone(), source, functions: EVENT }
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
