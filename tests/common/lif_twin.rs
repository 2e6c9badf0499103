//! The built-in model `lif`, written once more as a plugin's kernel model: what a plugin costs, and
//! whether it computes the same, is measured with it.

use std::sync::Arc;

use bevy_ecs::prelude::*;
use picoamp::circuit::number::{Mask, Number};
use picoamp::circuit::{Bias, Block, bias, math};
use picoamp::model::{Circuits, Equations, NeuronModel, Read, StateVariable};
use picoamp::prelude::*;
use picoamp::solver::kernel::{CircuitColumns, Columns, EulerModel, Lanes, Layout};
use picoamp::units::Unit;

#[derive(Component, Debug, Clone, PartialEq)]
#[component(summary_tick)]
pub struct TwinSoma {
    tau_m: f64,
    threshold: f64,
    reset: f64,
    dc: f64,
    ref_p: f64,
}

impl Block for TwinSoma {
    const BIASES: &'static [Bias<TwinSoma>] = &[
        bias!(TwinSoma, tau_m, "tau_m", Second, Positive, "membrane time constant"),
        bias!(TwinSoma, threshold, "threshold", One, Any, "spike threshold of v"),
        bias!(TwinSoma, reset, "reset", One, Any, "v after a spike"),
        bias!(TwinSoma, dc, "dc", One, Any, "constant input"),
        bias!(TwinSoma, ref_p, "refP", Second, NonNegative, "refractory period"),
    ];
}

#[derive(Component, Debug, Clone, PartialEq)]
#[component(summary_tick)]
pub struct TwinSynapse {
    tau_s: f64,
    w: f64,
}

impl Block for TwinSynapse {
    const BIASES: &'static [Bias<TwinSynapse>] = &[
        bias!(TwinSynapse, tau_s, "tau_s", Second, Positive, "synaptic time constant"),
        bias!(TwinSynapse, w, "w", One, NonNegative, "what one pulse adds to the current"),
    ];
}

#[derive(Debug, Clone, PartialEq)]
pub struct Twin;

impl NeuronModel for Twin {
    type Soma = TwinSoma;
    type Synapse = TwinSynapse;

    fn name(&self) -> &'static str {
        "twin"
    }

    fn receptors(&self) -> &'static [Receptor] {
        &[Receptor::Exc, Receptor::Inh]
    }

    fn soma(&self) -> TwinSoma {
        TwinSoma { tau_m: 20e-3, threshold: 1.0, reset: 0.0, dc: 0.0, ref_p: 2e-3 }
    }

    fn synapse(&self, _: Receptor) -> TwinSynapse {
        TwinSynapse { tau_s: 5e-3, w: 1.0 }
    }

    fn variables(&self) -> Vec<StateVariable> {
        let variable = Variable::Named("v");
        vec![StateVariable { variable, unit: Unit::One, read: Read::Membrane }]
    }

    fn equations(&self, _: &Circuits, dt: Time) -> Equations {
        Equations::Kernel(Arc::new(Lanes::<_, 9, 4, 2>::new(TwinEuler { dt: dt.seconds() })))
    }
}

#[derive(Clone, Copy)]
struct TwinEuler {
    dt: f64,
}

impl EulerModel<9, 4, 2> for TwinEuler {
    const MEMBRANE: usize = 0;

    #[inline(always)]
    fn step<V: Number>(&self, n: &mut impl Columns<V>) -> V::Mask {
        let (loss_m, dc, threshold) = (n.parameter(0), n.parameter(1), n.parameter(2));
        let (reset, ref_steps) = (n.parameter(3), n.parameter(4));
        let (v, refractory) = (n.state(0), n.state(1));
        let (zero, one) = (v.splat(0.0), v.splat(1.0));
        let e = n.arrivals(0).mul_add(n.parameter(6), n.state(2));
        let e = e.mul_add(n.parameter(5), e);
        let i = n.arrivals(1).mul_add(n.parameter(8), n.state(3));
        let i = i.mul_add(n.parameter(7), i);
        let target = e - i + dc;
        let v = (v - target).mul_add(loss_m, v);
        let held = refractory.gt(zero);
        let v = held.select(reset, v);
        let spike = v.ge(threshold) & !held;
        let left = held.select(refractory - one, zero);
        n.set(0, spike.select(reset, v));
        n.set(1, spike.select(ref_steps, left));
        n.set(2, e);
        n.set(3, i);
        spike
    }
}

impl CircuitColumns for TwinEuler {
    type Soma = TwinSoma;
    type Synapse = TwinSynapse;

    fn layout(&self) -> Layout {
        let mut resting_parameters = vec![0.0; 9];
        resting_parameters[2] = f32::INFINITY;
        Layout {
            receptors: vec![Receptor::Exc, Receptor::Inh],
            circuits: vec![(Receptor::Exc, 2), (Receptor::Inh, 3)],
            membrane: 0,
            dc: None,
            resting_parameters,
            resting_state: vec![0.0; 4],
        }
    }

    fn soma_columns(&self, soma: &TwinSoma, set: &mut dyn FnMut(usize, f32)) {
        let refractory = (soma.ref_p / self.dt).round();
        let loss = math::exp_m1(-self.dt / soma.tau_m);
        let columns = [loss, soma.dc, soma.threshold, soma.reset, refractory];
        columns.into_iter().enumerate().for_each(|(column, value)| set(column, value as f32));
    }

    fn synapse_columns(
        &self,
        circuit: usize,
        synapse: &TwinSynapse,
        exponent: i32,
        set: &mut dyn FnMut(usize, f32),
    ) {
        set(5 + 2 * circuit, math::exp_m1(-self.dt / synapse.tau_s) as f32);
        set(6 + 2 * circuit, (synapse.w * 2.0_f64.powi(-exponent)) as f32);
    }
}

pub struct TwinPlugin;

impl Plugin for TwinPlugin {
    fn register(&self, plugins: &mut Plugins) {
        plugins.add_model(Twin);
    }
}

/// `n` mismatched neurons of a model with Poisson input, most of them firing.
pub fn driven(model: &str, n: usize) -> String {
    format!(
        r#"(seed: 1, duration: "1 s", solver: Euler(dt: "0.1 ms"),
            sources: {{
                "e": (size: {n}, train: Poisson(rates: "200 Hz")),
                "i": (size: {n}, train: Poisson(rates: "50 Hz")),
            }},
            populations: {{
                "n": (size: {n}, model: {model}(soma: (dc: 0.5), exc: (w: 0.6), inh: (w: 0.6)),
                      mismatch: {{ "soma.tau_m": LogNormal(cv: 0.2), "exc.w": LogNormal(cv: 0.2) }}),
            }},
            connections: [
                (from: "e", to: "n", receptor: exc, rule: OneToOne),
                (from: "i", to: "n", receptor: inh, rule: OneToOne),
            ])"#
    )
}
