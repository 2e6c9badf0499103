//! The step of the plain LIF neuron.

use std::sync::Arc;

use crate::circuit::number::{Mask, Number};
use crate::circuit::{Receptor, math};
use crate::model::lif::{LifSoma, LifSynapse};
use crate::solver::kernel::{
    CircuitColumns, Columns, DeviceCode, EulerModel, Kernel, Lanes, Layout,
};
use crate::time::Time;

/// State columns: v, refractory steps that are left, i_exc, i_inh.
const MEMBRANE: usize = 0;
const REFRACTORY: usize = 1;
const CURRENTS: usize = 2;
const STATES: usize = 4;
/// Parameter columns: exp(−dt/tau_m) − 1, dc, threshold, reset, refractory steps; then
/// exp(−dt/tau_s) − 1 and w of each receptor. (In single precision the exponential itself would
/// lose a short step.)
const DC: usize = 1;
const REFRACTORY_STEPS: usize = 4;
const SYNAPSES: usize = 5;
const PARAMETERS: usize = 9;
const RECEPTORS: [Receptor; 2] = [Receptor::Exc, Receptor::Inh];

/// The plain LIF neuron. One step of dt:
/// 1. pulses are added, and then i decays: i = (i + n·w)·exp(−dt/tau_s);
/// 2. v goes to v∞ = i_exc − i_inh + dc by its exact step, v = v∞ + (v − v∞)·exp(−dt/tau_m); while
///    refractory it is held at reset;
/// 3. v ≥ threshold: a spike, v = reset, refractory in the R steps that follow.
#[derive(Clone, Copy)]
pub struct LifEuler {
    dt: f64,
}

/// The kernel.
pub(crate) fn kernel(dt: Time) -> Arc<dyn Kernel> {
    Arc::new(Lanes::<_, PARAMETERS, STATES, 2>::new(LifEuler { dt: dt.seconds() }))
}

/// A synaptic current at the end of the step: pulses act before it decays.
#[inline(always)]
fn current<V: Number>(neurons: &impl Columns<V>, r: usize) -> V {
    let (loss, w) = (neurons.parameter(SYNAPSES + 2 * r), neurons.parameter(SYNAPSES + 2 * r + 1));
    let jumped = neurons.arrivals(r).mul_add(w, neurons.state(CURRENTS + r));
    jumped.mul_add(loss, jumped)
}

impl EulerModel<PARAMETERS, STATES, 2> for LifEuler {
    const MEMBRANE: usize = MEMBRANE;

    #[inline(always)]
    fn step<V: Number>(&self, neurons: &mut impl Columns<V>) -> V::Mask {
        let (loss_m, dc) = (neurons.parameter(0), neurons.parameter(DC));
        let (threshold, reset) = (neurons.parameter(2), neurons.parameter(3));
        let (exc, inh) = (current(neurons, 0), current(neurons, 1));
        neurons.set(CURRENTS, exc);
        neurons.set(CURRENTS + 1, inh);
        let target = exc - inh + dc;
        let v = neurons.state(MEMBRANE);
        let v = (v - target).mul_add(loss_m, v);
        let left = neurons.state(REFRACTORY);
        let is_refractory = v.splat(0.0).lt(left);
        let v = is_refractory.select(reset, v);
        let spike = v.ge(threshold) & !is_refractory;
        neurons.set(MEMBRANE, spike.select(reset, v));
        let left = is_refractory.select(left - v.splat(1.0), v.splat(0.0));
        neurons.set(REFRACTORY, spike.select(neurons.parameter(REFRACTORY_STEPS), left));
        spike
    }

    fn device_code(&self) -> Option<DeviceCode> {
        let source = include_str!("../../backend/cuda/kernels/lif.cu");
        Some(DeviceCode { name: "lif", source, macros: Vec::new() })
    }
}

impl CircuitColumns for LifEuler {
    type Soma = LifSoma;
    type Synapse = LifSynapse;

    fn layout(&self) -> Layout {
        let mut resting_parameters = vec![0.0; PARAMETERS];
        resting_parameters[2] = f32::INFINITY;
        Layout {
            receptors: RECEPTORS.to_vec(),
            circuits: RECEPTORS.into_iter().zip(CURRENTS..).collect(),
            membrane: MEMBRANE,
            dc: Some(DC),
            resting_parameters,
            resting_state: vec![0.0; STATES],
        }
    }

    fn soma_columns(&self, soma: &LifSoma, set: &mut dyn FnMut(usize, f32)) {
        let columns = [
            math::exp_m1(-self.dt / soma.tau_m),
            soma.dc,
            soma.threshold,
            soma.reset,
            (soma.ref_p / self.dt).round(),
        ];
        for (column, value) in columns.into_iter().enumerate() {
            set(column, value as f32);
        }
    }

    fn synapse_columns(
        &self,
        circuit: usize,
        synapse: &LifSynapse,
        exponent: i32,
        set: &mut dyn FnMut(usize, f32),
    ) {
        let at = SYNAPSES + 2 * circuit;
        set(at, math::exp_m1(-self.dt / synapse.tau_s) as f32);
        // Scaling by a power of two is exact.
        set(at + 1, (synapse.w * 2.0_f64.powi(-exponent)) as f32);
    }
}
