//! A neuron model of one's own, in ordinary Rust code on the host: Izhikevich's neuron (2003).
//!
//! Scenes name it `izhikevich(soma: (a: 0.02, …), exc: (w: 5))`; its biases get mismatch, are read
//! from files and dumped, and mistakes in them are shown at their place. This program is the command
//! line of picoamp with one model more:
//!
//!     cargo run --release --example custom_host_model -- run examples/scenes/izhikevich.ron
//!
//! A host model may do anything, and pays for it: see `picoamp::model::host`.

use std::process::ExitCode;

use bevy_ecs::prelude::*;
use picoamp::circuit::{Bias, Block, bias};
use picoamp::model::{
    Circuits, Conflict, Equations, HostEquations, HostModel, Input, NeuronModel, Read,
    StateVariable,
};
use picoamp::prelude::*;
use picoamp::units::Unit;
use smallvec::{SmallVec, smallvec};

/// The parameters of one neuron, in the units of the paper (mV and ms).
#[derive(Component, Debug, Clone, PartialEq)]
pub struct Parameters {
    a: f64,
    b: f64,
    c: f64,
    d: f64,
    input: f64,
}

impl Block for Parameters {
    const BIASES: &'static [Bias<Parameters>] = &[
        bias!(Parameters, a, "a", One, Positive, "how fast the recovery is, 1/ms"),
        bias!(Parameters, b, "b", One, Any, "how much the recovery follows v"),
        bias!(Parameters, c, "c", One, Any, "v after a spike, mV"),
        bias!(Parameters, d, "d", One, Any, "what a spike adds to the recovery"),
        bias!(Parameters, input, "I", One, Any, "constant input"),
    ];
}

/// The one parameter of a synapse.
#[derive(Component, Debug, Clone, PartialEq)]
pub struct Weight {
    w: f64,
}

impl Block for Weight {
    const BIASES: &'static [Bias<Weight>] =
        &[bias!(Weight, w, "w", One, NonNegative, "what a pulse adds to v, mV")];
}

/// The state of one neuron: membrane potential and recovery.
#[derive(Component, Debug, Clone, Copy)]
pub struct State {
    v: f64,
    u: f64,
}

/// A spike is cut off here, mV.
const PEAK: f64 = 30.0;

/// The model.
#[derive(Debug, Clone, PartialEq)]
pub struct Izhikevich;

impl NeuronModel for Izhikevich {
    type Soma = Parameters;
    type Synapse = Weight;

    fn name(&self) -> &'static str {
        "izhikevich"
    }

    fn receptors(&self) -> &'static [Receptor] {
        &[Receptor::Exc, Receptor::Inh]
    }

    /// A regular spiking cell.
    fn soma(&self) -> Parameters {
        Parameters { a: 0.02, b: 0.2, c: -65.0, d: 8.0, input: 0.0 }
    }

    fn synapse(&self, _: Receptor) -> Weight {
        Weight { w: 1.0 }
    }

    fn check(&self, soma: &Parameters) -> Option<Conflict> {
        (soma.c >= PEAK).then(|| Conflict {
            bias: "c",
            message: format!("c = {} mV is not below the peak of a spike, {PEAK} mV", soma.c),
            help: "a typical value is -65".into(),
        })
    }

    fn variables(&self) -> Vec<StateVariable> {
        let variable = |at, name| StateVariable {
            variable: Variable::Named(name),
            unit: Unit::One,
            read: Read::Column(at),
        };
        vec![variable(0, "v"), variable(1, "u")]
    }

    fn equations(&self, _: &Circuits, _: Time) -> Equations {
        Equations::Host(HostEquations::of::<Izhikevich>())
    }
}

impl HostModel for Izhikevich {
    type State = State;

    fn initial_state(&self, soma: &Parameters) -> State {
        State { v: soma.c, u: soma.b * soma.c }
    }

    /// v' = 0.04v² + 5v + 140 − u + I, u' = a(bv − u); at 30 mV v = c, u = u + d.
    fn step(
        &self,
        soma: &Parameters,
        state: &mut State,
        inputs: &[Input<Weight>],
        dt: f64,
    ) -> bool {
        let ms = dt * 1e3;
        for input in inputs {
            let jump = input.pulses * input.synapse.w;
            state.v += if input.receptor == Receptor::Exc { jump } else { -jump };
        }
        let State { v, u } = *state;
        state.v += ms * (0.04 * v * v + 5.0 * v + 140.0 - u + soma.input);
        state.u += ms * soma.a * (soma.b * v - u);
        let spike = state.v >= PEAK;
        if spike {
            state.v = soma.c;
            state.u += soma.d;
        }
        spike
    }

    fn read(&self, state: &State) -> SmallVec<[f64; 4]> {
        smallvec![state.v, state.u]
    }
}

/// Brings the model.
pub struct IzhikevichPlugin;

impl Plugin for IzhikevichPlugin {
    fn register(&self, plugins: &mut Plugins) {
        plugins.add_model(Izhikevich);
    }
}

#[allow(dead_code)] // Tests take the plugin only.
fn main() -> ExitCode {
    picoamp::cli::main(&Plugins::default().with(IzhikevichPlugin))
}
