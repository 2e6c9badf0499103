//! The step of the `arcana` preset (released code of Quintana et al. 2024).

use std::sync::Arc;

use crate::circuit::feedback::Feedback;
use crate::circuit::number::{Mask, Number};
use crate::circuit::{Receptor, Soma, Synapse};
use crate::model::{Circuits, Dpi};
use crate::solver::kernel::{
    CircuitColumns, Columns, DeviceCode, EulerModel, Kernel, Lanes, Layout,
};
use crate::time::Time;

/// State columns: membrane current, refractory steps that are left, synaptic currents.
const MEMBRANE: usize = 0;
const REFRACTORY: usize = 1;
const SYNAPSES: usize = 2;
/// Parameter columns: those of the soma, then two for each receptor.
const SOMA: usize = 12;
/// The one of the refractory period in steps.
const REFRACTORY_STEPS: usize = 11;
/// The one of the constant input.
const DC: usize = 5;

/// The `arcana` preset with `R` receptors, feedback `F`, and the membrane held while refractory or
/// its input cut.
///
/// One step of dt, with the old Imem and synaptic currents on the right:
/// 1. pulses are added: I += n·(Igain/Itau)·Iw; the decay of the step is that of the *old* current;
/// 2. Iin = max(Idc + Iampa + I0 − Igabab, I0) with the jumped, undecayed currents; I0 while
///    refractory;
/// 3. dImem = [α(Iin − Itau − I0) − Imem − (I0/Itau)·Imem + (Ifb/Itau)(Imem + Igain)] /
///    [τ(1 + Igain/Imem)], α = Igain/Itau (the two I0 are Iahp, and the one in Iin is Inmda);
/// 4. Imem = max(Imem + dt·dImem, I0), I = max(I − dt·I_old/τ, I0);
/// 5. Imem ≥ Ith: a spike, Imem = Ireset, and the soma is refractory in the R steps that follow.
#[derive(Clone, Copy)]
pub struct ArcanaEuler<F, const HOLD: bool, const R: usize> {
    dpi: Dpi,
    dt: f64,
    i0: f64,
    feedback: F,
    /// A, added to Idc: takes off what the state columns of circuits that the scene took out would add.
    dc_of_absent: f64,
}

/// The kernel for a model.
pub(super) fn kernel<F: Feedback, const HOLD: bool>(
    dpi: &Dpi,
    circuits: &Circuits,
    dt: Time,
) -> Arc<dyn Kernel> {
    let i0 = dpi.constants.i0;
    let (dpi, dt, feedback) = (*dpi, dt.seconds(), F::new(&dpi.constants));
    // Their currents are 0, while their state columns rest at I0.
    let is_off = |receptor| if circuits.is_off(receptor) { i0 } else { 0.0 };
    let dc_of_absent = is_off(Receptor::Gabab) - is_off(Receptor::Ampa);
    if circuits.has(Receptor::Gabab) {
        let euler = ArcanaEuler::<F, HOLD, 2> { dpi, dt, i0, feedback, dc_of_absent };
        Arc::new(Lanes::<_, 16, 4, 2>::new(euler))
    } else {
        let euler = ArcanaEuler::<F, HOLD, 1> { dpi, dt, i0, feedback, dc_of_absent };
        Arc::new(Lanes::<_, 14, 3, 1>::new(euler))
    }
}

/// A synaptic current with the pulses that arrive.
#[inline(always)]
fn jumped<V: Number>(neurons: &impl Columns<V>, r: usize) -> V {
    let jump = neurons.parameter(SOMA + 2 * r + 1);
    neurons.arrivals(r).mul_add(jump, neurons.state(SYNAPSES + r))
}

impl<F: Feedback, const HOLD: bool, const R: usize> ArcanaEuler<F, HOLD, R> {
    /// One step; see [`ArcanaEuler`]. Without `CAN_REST`, of a neuron that is not refractory and will
    /// not be.
    #[inline(always)]
    fn advance<V: Number, const CAN_REST: bool>(&self, neurons: &mut impl Columns<V>) -> V::Mask {
        let (alpha, alpha_leak) = (neurons.parameter(0), neurons.parameter(1));
        let (one_plus_beta, i_gain) = (neurons.parameter(2), neurons.parameter(3));
        let (dt_over_tau, i_dc) = (neurons.parameter(4), neurons.parameter(DC));
        let (i_th, i_reset) = (neurons.parameter(6), neurons.parameter(7));
        // (Not by `map`: see `with_width!`.)
        let feedback = [neurons.parameter(8), neurons.parameter(9), neurons.parameter(10)];
        let i = neurons.state(MEMBRANE);
        let (i0, zero) = (i.splat(self.i0), i.splat(0.0));
        let excitation = i_dc + jumped(neurons, 0);
        // Without a GABA_B circuit its current rests at I0 and the difference is 0.
        let i_in = if R > 1 { excitation - (jumped(neurons, R - 1) - i0) } else { excitation };
        let is_refractory = zero.lt(neurons.state(REFRACTORY));
        let i_in = if CAN_REST && !HOLD { is_refractory.select(zero, i_in) } else { i_in };
        let i_in = i_in.or_more(i0);

        let (feedback, gate) = self.feedback.fraction(i, feedback);
        let sum = i + i_gain;
        let drive = i_in.mul_add(alpha, -alpha_leak);
        let drive = (-i).mul_add(one_plus_beta, drive);
        let drive = feedback.mul_add(sum, drive * gate);
        // 1/(1 + Igain/Imem) = Imem/(Imem + Igain); a division takes as long as ten products.
        let slope = drive * i / (gate * sum);
        let next = slope.mul_add(dt_over_tau, i).or_more(i0);
        let next = if CAN_REST && HOLD { is_refractory.select(i_reset, next) } else { next };

        for r in 0..R {
            let dt_over_tau = neurons.parameter(SOMA + 2 * r);
            let current = neurons.state(SYNAPSES + r);
            let next = (-dt_over_tau).mul_add(current, jumped(neurons, r));
            neurons.set(SYNAPSES + r, next.or_more(i0));
        }
        let spike = next.ge(i_th);
        let spike = if CAN_REST && HOLD { spike & !is_refractory } else { spike };
        neurons.set(MEMBRANE, spike.select(i_reset, next));
        if CAN_REST {
            let left = neurons.state(REFRACTORY) - i.splat(1.0);
            let left = is_refractory.select(left, zero);
            neurons.set(REFRACTORY, spike.select(neurons.parameter(REFRACTORY_STEPS), left));
        }
        spike
    }

    /// The parameter columns of a soma, computed in double precision.
    fn soma(&self, soma: &Soma) -> [f64; SOMA] {
        let constants = &self.dpi.constants;
        let i0 = constants.i0;
        let alpha = soma.i_gain / soma.i_tau;
        let feedback = self.feedback.columns(soma);
        [
            alpha,
            alpha * (soma.i_tau + i0),
            1.0 + i0 / soma.i_tau,
            soma.i_gain,
            self.dt / soma.tau(constants),
            soma.i_dc + self.dc_of_absent,
            soma.i_th,
            soma.i_reset.max(i0),
            feedback[0],
            feedback[1],
            feedback[2],
            (soma.ref_p / self.dt).round(),
        ]
    }
}

/// The trait for each number of receptors; constant expressions of `R` are not stable Rust yet.
macro_rules! euler_model {
    ($r:literal, $parameters:literal, $states:literal) => {
        impl<F: Feedback, const HOLD: bool> EulerModel<$parameters, $states, $r>
            for ArcanaEuler<F, HOLD, $r>
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
                let source = include_str!("../../backend/cuda/kernels/arcana.cu");
                let macros = super::device_macros(self.i0, &self.feedback, HOLD);
                Some(DeviceCode { name: "arcana", source, macros })
            }
        }
    };
}
euler_model!(1, 14, 3);
euler_model!(2, 16, 4);

impl<F: Feedback, const HOLD: bool, const R: usize> CircuitColumns for ArcanaEuler<F, HOLD, R> {
    type Soma = Soma;
    type Synapse = Synapse;

    fn layout(&self) -> Layout {
        let receptors = [Receptor::Ampa, Receptor::Gabab][..R].to_vec();
        let columns = |(r, receptor): (usize, &Receptor)| (*receptor, SYNAPSES + r);
        let circuits = receptors.iter().enumerate().map(columns).collect();
        let mut resting_parameters = vec![0.0; SOMA + 2 * R];
        // No input, no feedback, no leak; and a threshold that is never reached.
        resting_parameters[3] = 1.0;
        resting_parameters[6] = f32::INFINITY;
        let mut resting_state = vec![self.i0 as f32; SYNAPSES + R];
        resting_state[REFRACTORY] = 0.0;
        Layout {
            receptors,
            circuits,
            membrane: MEMBRANE,
            dc: Some(DC),
            resting_parameters,
            resting_state,
        }
    }

    fn soma_columns(&self, soma: &Soma, set: &mut dyn FnMut(usize, f32)) {
        for (column, value) in self.soma(soma).into_iter().enumerate() {
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
        let at = SOMA + 2 * circuit;
        set(at, (self.dt / synapse.tau(constants)) as f32);
        // Scaling by a power of two is exact.
        set(at + 1, (synapse.jump(pulse, constants) * 2.0_f64.powi(-exponent)) as f32);
    }
}
