//! The step of the `dynapse1` preset (the dynapse-simulator, Brian2).

use std::sync::Arc;

use crate::circuit::feedback::Feedback;
use crate::circuit::number::{Mask, Number};
use crate::circuit::{Receptor, Soma, Synapse};
use crate::model::{Circuits, Dpi, NeuronModel};
use crate::solver::kernel::{
    CircuitColumns, Columns, DeviceCode, EulerModel, Kernel, Lanes, Layout,
};
use crate::time::Time;

/// State columns: membrane current, refractory steps that are left, currents of AMPA, NMDA, GABA_A,
/// GABA_B and AHP.
const MEMBRANE: usize = 0;
const REFRACTORY: usize = 1;
const CURRENTS: usize = 2;
/// Parameter columns: those of the soma, three for each receptor, four of AHP.
const SOMA: usize = 14;
/// The one of the constant input.
const DC: usize = 6;
/// The one of the refractory period in steps.
const REFRACTORY_STEPS: usize = 12;
const SYNAPSE: usize = 3;
const RECEPTORS: usize = 4;
const AHP: usize = SOMA + SYNAPSE * RECEPTORS;
const PARAMETERS: usize = AHP + 4;
const STATES: usize = CURRENTS + RECEPTORS + 1;

/// The `dynapse1` preset with feedback `F`, and the membrane held while refractory or its input
/// cut.
///
/// One step of dt, every derivative taken from the old state, τ0 = C·UT/(κ·I0) of each circuit:
/// 1. soma above I0: dImem = [α(Iin − Itau − L) − Imem(1 + L/Itau) + (Ifb/Itau)(Imem + Igain)] /
///    [τ(1 + Igain/Imem)], L = Iahp + Igabaa, Iin = max(Idc + Iampa + gate·Inmda − Igabab, I0),
///    gate = 1/(1 + Inmda_th/Imem); at or below I0: dImem = α(Iin − I0)/(2τ0) with gate ½;
/// 2. synapses: dI = −I/τ above I0, I(I0 − I)/(τ0(I + I0)) at or below;
/// 3. AHP: dIahp = (−g − Iahp + 2·I0·\[Iahp ≤ I0\])/(τ(1 + g/X)); g, τ are Igain, τ above I0 and
///    I0, τ0 at or below; X = Iahp if Imem > I0, else I0; 0 where X = 0;
/// 4. all advance, but the soma not while fewer than R steps have passed since its spike;
/// 5. Imem > Ith and not refractory: a spike;
/// 6. *then* pulses are added (the soma sees them one step later), *then* the reset: Iahp += jump,
///    Imem = Ireset.
#[derive(Clone, Copy)]
pub struct Dynapse1Euler<F, const HOLD: bool> {
    dpi: Dpi,
    dt: f64,
    i0: f64,
    feedback: F,
    /// The currents at rest, in the order of the state.
    resting: [f64; RECEPTORS + 1],
}

/// The kernel for a model.
pub(super) fn kernel<F: Feedback, const HOLD: bool>(
    dpi: &Dpi,
    circuits: &Circuits,
    dt: Time,
) -> Arc<dyn Kernel> {
    let all = dpi.circuits();
    let resting = |k| dpi.resting_current(all[k], circuits.is_off(all[k]));
    let euler = Dynapse1Euler::<F, HOLD> {
        dpi: *dpi,
        dt: dt.seconds(),
        i0: dpi.constants.i0,
        feedback: F::new(&dpi.constants),
        resting: std::array::from_fn(resting),
    };
    Arc::new(Lanes::<_, PARAMETERS, STATES, RECEPTORS>::new(euler))
}

impl<F: Feedback, const HOLD: bool> EulerModel<PARAMETERS, STATES, RECEPTORS>
    for Dynapse1Euler<F, HOLD>
{
    const MEMBRANE: usize = MEMBRANE;

    const REFRACTORY: Option<(usize, usize)> = Some((REFRACTORY, REFRACTORY_STEPS));

    #[inline(always)]
    fn step<V: Number>(&self, neurons: &mut impl Columns<V>) -> V::Mask {
        self.advance::<V, true>(neurons)
    }

    #[inline(always)]
    fn step_awake<V: Number>(&self, neurons: &mut impl Columns<V>) -> V::Mask {
        self.advance::<V, false>(neurons)
    }

    fn device_code(&self) -> Option<DeviceCode> {
        let source = include_str!("../../backend/cuda/kernels/dynapse1.cu");
        let macros = super::device_macros(self.i0, &self.feedback, HOLD);
        Some(DeviceCode { name: "dynapse1", source, macros })
    }
}

impl<F: Feedback, const HOLD: bool> Dynapse1Euler<F, HOLD> {
    /// One step; see [`Dynapse1Euler`]. Without `CAN_REST`, of a neuron that is not refractory and
    /// will not be.
    #[inline(always)]
    fn advance<V: Number, const CAN_REST: bool>(&self, neurons: &mut impl Columns<V>) -> V::Mask {
        let (alpha, i_tau) = (neurons.parameter(0), neurons.parameter(1));
        let (inverse_i_tau, i_gain) = (neurons.parameter(2), neurons.parameter(3));
        let (dt_over_tau, rest_slope) = (neurons.parameter(4), neurons.parameter(5));
        let (i_dc, i_th, i_reset) =
            (neurons.parameter(DC), neurons.parameter(7), neurons.parameter(8));
        // (Not by `map`: see `with_width!`.)
        let feedback = [neurons.parameter(9), neurons.parameter(10), neurons.parameter(11)];
        let inmda_th = neurons.parameter(13);
        let i = neurons.state(MEMBRANE);
        let (i0, zero, one) = (i.splat(self.i0), i.splat(0.0), i.splat(1.0));
        let (ampa, nmda) = (neurons.state(CURRENTS), neurons.state(CURRENTS + 1));
        let (gabaa, gabab) = (neurons.state(CURRENTS + 2), neurons.state(CURRENTS + 3));
        let ahp = neurons.state(CURRENTS + RECEPTORS);
        let is_refractory = zero.lt(neurons.state(REFRACTORY));
        let rests = i.le(i0);

        let gate = rests.select(i.splat(0.5), i / (i + inmda_th));
        let i_in = gate.mul_add(nmda, i_dc + ampa) - gabab;
        let i_in = if CAN_REST && !HOLD { is_refractory.select(zero, i_in) } else { i_in };
        let i_in = i_in.or_more(i0);
        let leak = ahp + gabaa;
        let (feedback, feedback_gate) = self.feedback.fraction(i, feedback);
        let sum = i + i_gain;
        let drive = alpha * (i_in - i_tau - leak);
        let drive = (-i).mul_add(leak.mul_add(inverse_i_tau, one), drive);
        let drive = feedback.mul_add(sum, drive * feedback_gate);
        let change = drive * i / (feedback_gate * sum) * dt_over_tau;
        let change = rests.select((i_in - i0) * rest_slope, change);
        let next = i + change;
        let next = if CAN_REST && HOLD { is_refractory.select(i, next) } else { next };

        for r in 0..RECEPTORS {
            let at = SOMA + SYNAPSE * r;
            let current = neurons.state(CURRENTS + r);
            let below = current * (i0 - current) / (current + i0) * neurons.parameter(at + 1);
            let above = -current * neurons.parameter(at);
            let advanced = current + current.le(i0).select(below, above);
            let jumped = neurons.arrivals(r).mul_add(neurons.parameter(at + 2), advanced);
            neurons.set(CURRENTS + r, jumped);
        }
        let (dt_over_tau, dt_over_tau0) = (neurons.parameter(AHP), neurons.parameter(AHP + 1));
        let (gain, jump) = (neurons.parameter(AHP + 2), neurons.parameter(AHP + 3));
        let is_low = ahp.le(i0);
        let gain = is_low.select(i0, gain);
        let rate = is_low.select(dt_over_tau0, dt_over_tau);
        let lift = is_low.select(i0 + i0, zero);
        let x = rests.select(i0, ahp);
        let advanced = (lift - gain - ahp).mul_add(x / (x + gain) * rate, ahp);

        let spike = next.gt(i_th);
        let spike = if CAN_REST { spike & !is_refractory } else { spike };
        neurons.set(CURRENTS + RECEPTORS, spike.select(advanced + jump, advanced));
        neurons.set(MEMBRANE, spike.select(i_reset, next));
        if CAN_REST {
            let left = is_refractory.select(neurons.state(REFRACTORY) - one, zero);
            neurons.set(REFRACTORY, spike.select(neurons.parameter(REFRACTORY_STEPS), left));
        }
        spike
    }
}

impl<F: Feedback, const HOLD: bool> CircuitColumns for Dynapse1Euler<F, HOLD> {
    type Soma = Soma;
    type Synapse = Synapse;

    fn layout(&self) -> Layout {
        let all = self.dpi.circuits();
        let columns = |(k, circuit): (usize, &Receptor)| (*circuit, CURRENTS + k);
        let mut resting_parameters = vec![0.0; PARAMETERS];
        // No input, no feedback, no leak; and a threshold that is never reached.
        resting_parameters[3] = 1.0;
        resting_parameters[7] = f32::INFINITY;
        // AHP divides by its gain.
        resting_parameters[AHP + 2] = 1.0;
        let mut resting_state = vec![0.0; STATES];
        resting_state[MEMBRANE] = self.i0 as f32;
        for (state, current) in resting_state[CURRENTS..].iter_mut().zip(self.resting) {
            *state = current as f32;
        }
        Layout {
            receptors: self.dpi.receptors().to_vec(),
            circuits: all.iter().enumerate().map(columns).collect(),
            membrane: MEMBRANE,
            dc: Some(DC),
            resting_parameters,
            resting_state,
        }
    }

    fn soma_columns(&self, soma: &Soma, set: &mut dyn FnMut(usize, f32)) {
        let constants = &self.dpi.constants;
        let alpha = soma.i_gain / soma.i_tau;
        let tau0 = constants.tau(soma.c, constants.i0);
        let feedback = self.feedback.columns(soma);
        let columns: [f64; SOMA] = [
            alpha,
            soma.i_tau,
            1.0 / soma.i_tau,
            soma.i_gain,
            self.dt / soma.tau(constants),
            alpha * self.dt / (2.0 * tau0),
            soma.i_dc,
            soma.i_th,
            soma.i_reset.max(constants.i0),
            feedback[0],
            feedback[1],
            feedback[2],
            // The step of the spike counts.
            ((soma.ref_p / self.dt).round() - 1.0).max(0.0),
            // Without a gate NMDA is fully open.
            if self.dpi.forms.nmda_gate { soma.inmda_th } else { 0.0 },
        ];
        for (column, value) in columns.into_iter().enumerate() {
            set(column, value as f32);
        }
    }

    fn synapse_columns(
        &self,
        circuit: usize,
        synapse: &Synapse,
        exponent: i32,
        set: &mut dyn FnMut(usize, f32),
    ) {
        let (constants, pulse) = (&self.dpi.constants, self.dpi.forms.pulse);
        let at = SOMA + SYNAPSE * circuit;
        set(at, (self.dt / synapse.tau(constants)) as f32);
        set(at + 1, (self.dt / constants.tau(synapse.c, constants.i0)) as f32);
        // Scaling by a power of two is exact.
        let jump = (synapse.jump(pulse, constants) * 2.0_f64.powi(-exponent)) as f32;
        if circuit < RECEPTORS {
            set(at + 2, jump);
        } else {
            set(at + 2, synapse.i_gain as f32);
            set(at + 3, jump);
        }
    }
}
