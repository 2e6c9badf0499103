//! A neuron model of one's own as a kernel: the quadratic integrate-and-fire neuron.
//!
//! The step is written once, over a [`Number`], and runs as vector code over blocks of 64 neurons, at the
//! speed of the built-in models. Scenes name it `qif(soma: (dc: 1.5), exc: (…))`:
//!
//!     cargo run --release --example custom_kernel_model -- run examples/scenes/qif.ron
//!
//! tau·dv/dt = v² + i + dc, tau_s·di/dt = −i; v ≥ peak: a spike, v = reset.

use std::process::ExitCode;
use std::sync::Arc;

use bevy_ecs::prelude::*;
use picoamp::circuit::number::{Mask, Number};
use picoamp::circuit::{Bias, Block, bias, math};
use picoamp::model::{Circuits, Conflict, Equations, NeuronModel, Read, StateVariable};
use picoamp::prelude::*;
use picoamp::solver::kernel::{CircuitColumns, Columns, DeviceCode, EulerModel, Lanes, Layout};
use picoamp::units::Unit;

/// The parameters of one neuron.
#[derive(Component, Debug, Clone, PartialEq)]
#[component(summary_tick)]
pub struct QifSoma {
    tau: f64,
    dc: f64,
    peak: f64,
    reset: f64,
}

impl Block for QifSoma {
    const BIASES: &'static [Bias<QifSoma>] = &[
        bias!(QifSoma, tau, "tau", Second, Positive, "time constant"),
        bias!(QifSoma, dc, "dc", One, Any, "constant input: above 0 it fires"),
        bias!(QifSoma, peak, "peak", One, Any, "a spike where v reaches it"),
        bias!(QifSoma, reset, "reset", One, Any, "v after a spike"),
    ];
}

/// The parameters of one synapse.
#[derive(Component, Debug, Clone, PartialEq)]
#[component(summary_tick)]
pub struct QifSynapse {
    tau_s: f64,
    w: f64,
}

impl Block for QifSynapse {
    const BIASES: &'static [Bias<QifSynapse>] = &[
        bias!(QifSynapse, tau_s, "tau_s", Second, Positive, "synaptic time constant"),
        bias!(QifSynapse, w, "w", One, NonNegative, "what a pulse adds to the current"),
    ];
}

/// The model.
#[derive(Debug, Clone, PartialEq)]
pub struct Qif;

impl NeuronModel for Qif {
    type Soma = QifSoma;
    type Synapse = QifSynapse;

    fn name(&self) -> &'static str {
        "qif"
    }

    fn receptors(&self) -> &'static [Receptor] {
        &[Receptor::Exc]
    }

    fn soma(&self) -> QifSoma {
        QifSoma { tau: 10e-3, dc: 0.0, peak: 20.0, reset: -20.0 }
    }

    fn synapse(&self, _: Receptor) -> QifSynapse {
        QifSynapse { tau_s: 5e-3, w: 1.0 }
    }

    fn check(&self, soma: &QifSoma) -> Option<Conflict> {
        let QifSoma { peak, reset, .. } = soma;
        (peak <= reset).then(|| Conflict {
            bias: "peak",
            message: format!("peak = {peak} is not above reset = {reset}"),
            help: format!("choose more than {reset}"),
        })
    }

    fn variables(&self) -> Vec<StateVariable> {
        let variable = |variable, read| StateVariable { variable, unit: Unit::One, read };
        vec![
            variable(Variable::Named("v"), Read::Membrane),
            variable(Variable::Synapse(Receptor::Exc), Read::Circuit(Receptor::Exc)),
        ]
    }

    fn dc_unit(&self) -> Option<Unit> {
        Some(Unit::One)
    }

    fn equations(&self, _: &Circuits, dt: Time) -> Equations {
        Equations::Kernel(Arc::new(Lanes::<_, 6, 2, 1>::new(QifEuler { dt: dt.seconds() })))
    }
}

/// Forward Euler with a step of `dt` s. Parameter columns: dt/tau, dc, peak, reset, exp(−dt/tau_s) − 1
/// and w; state columns: v and i.
#[derive(Clone, Copy)]
struct QifEuler {
    dt: f64,
}

impl EulerModel<6, 2, 1> for QifEuler {
    const MEMBRANE: usize = 0;

    #[inline(always)]
    fn step<V: Number>(&self, neurons: &mut impl Columns<V>) -> V::Mask {
        let (dt_over_tau, dc) = (neurons.parameter(0), neurons.parameter(1));
        let (peak, reset) = (neurons.parameter(2), neurons.parameter(3));
        let (loss, w) = (neurons.parameter(4), neurons.parameter(5));
        let (v, i) = (neurons.state(0), neurons.state(1));
        let i = neurons.arrivals(0).mul_add(w, i);
        let v = v.mul_add(v, i + dc).mul_add(dt_over_tau, v);
        let spike = v.ge(peak);
        neurons.set(0, spike.select(reset, v));
        neurons.set(1, i.mul_add(loss, i));
        spike
    }

    /// The same step for the CUDA back end, operation by operation. Without it these neurons would run on
    /// the processor there, too.
    fn device_code(&self) -> Option<DeviceCode> {
        let source = "
            __device__ bool step(const float* parameter, float* state, const float* arrivals) {
                const float i = __fmaf_rn(arrivals[0], parameter[5], state[1]);
                float v = state[0];
                v = __fmaf_rn(__fmaf_rn(v, v, i + parameter[1]), parameter[0], v);
                const bool spike = parameter[2] <= v;
                state[0] = spike ? parameter[3] : v;
                state[1] = __fmaf_rn(i, parameter[4], i);
                return spike;
            }
        ";
        Some(DeviceCode { name: "qif", source, macros: Vec::new() })
    }
}

impl CircuitColumns for QifEuler {
    type Soma = QifSoma;
    type Synapse = QifSynapse;

    fn layout(&self) -> Layout {
        Layout {
            receptors: vec![Receptor::Exc],
            circuits: vec![(Receptor::Exc, 1)],
            membrane: 0,
            dc: Some(1),
            resting_parameters: vec![0.0, 0.0, f32::INFINITY, 0.0, 0.0, 0.0],
            resting_state: vec![0.0, 0.0],
        }
    }

    fn soma_columns(&self, soma: &QifSoma, set: &mut dyn FnMut(usize, f32)) {
        let columns = [self.dt / soma.tau, soma.dc, soma.peak, soma.reset];
        columns.into_iter().enumerate().for_each(|(column, value)| set(column, value as f32));
    }

    fn synapse_columns(
        &self,
        _: usize,
        synapse: &QifSynapse,
        exponent: i32,
        set: &mut dyn FnMut(usize, f32),
    ) {
        set(4, math::exp_m1(-self.dt / synapse.tau_s) as f32);
        set(5, (synapse.w * 2.0_f64.powi(-exponent)) as f32);
    }
}

/// Brings the model.
pub struct QifPlugin;

impl Plugin for QifPlugin {
    fn register(&self, plugins: &mut Plugins) {
        plugins.add_model(Qif);
    }
}

#[allow(dead_code)] // Tests take the plugin only.
fn main() -> ExitCode {
    picoamp::cli::main(&Plugins::default().with(QifPlugin))
}
