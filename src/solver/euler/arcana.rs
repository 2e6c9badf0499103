//! The step of the `arcana` preset (released code of Quintana et al. 2024).

use std::sync::Arc;

use crate::circuit::feedback::Feedback;
use crate::circuit::number::{Mask, Number};
use crate::circuit::{Receptor, Soma, Synapse};
use crate::model::{Circuits, Dpi};
use crate::solver::kernel::{CircuitColumns, EulerModel, Kernel, Lanes, Layout};
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
pub struct ArcanaEuler<F, const HOLD: bool, const R: usize> {
    dpi: Dpi,
    circuits: Circuits,
    dt: f64,
    i0: f64,
    feedback: F,
}

/// The kernel for a model.
pub(super) fn kernel<F: Feedback, const HOLD: bool>(
    dpi: &Dpi,
    circuits: &Circuits,
    dt: Time,
) -> Arc<dyn Kernel> {
    let with_gabab = circuits.has(Receptor::Gabab);
    let i0 = dpi.constants.i0;
    let (dpi, circuits, dt, feedback) =
        (*dpi, circuits.clone(), dt.seconds(), F::new(&dpi.constants));
    if with_gabab {
        let euler = ArcanaEuler::<F, HOLD, 2> { dpi, circuits, dt, i0, feedback };
        Arc::new(Lanes::<_, 16, 4, 2>::new(euler))
    } else {
        let euler = ArcanaEuler::<F, HOLD, 1> { dpi, circuits, dt, i0, feedback };
        Arc::new(Lanes::<_, 14, 3, 1>::new(euler))
    }
}

impl<F: Feedback, const HOLD: bool, const R: usize> ArcanaEuler<F, HOLD, R> {
    /// One step; see [`ArcanaEuler`]. Without `CAN_REST`, of a neuron that is not and will not be.
    #[inline(always)]
    fn advance<V: Number, const CAN_REST: bool, const S: usize>(
        &self,
        parameter: impl Fn(usize) -> V,
        state: &mut [V; S],
        arrivals: [V; R],
    ) -> V::Mask {
        let [
            alpha,
            alpha_leak,
            one_plus_beta,
            i_gain,
            dt_over_tau,
            i_dc,
            i_th,
            i_reset,
            feedback_0,
            feedback_1,
            feedback_2,
            refractory_steps,
        ] = std::array::from_fn(&parameter);
        let i = state[MEMBRANE];
        let (i0, zero) = (i.splat(self.i0), i.splat(0.0));
        let mut jumped = arrivals;
        for r in 0..R {
            let jump = parameter(SOMA + 2 * r + 1);
            jumped[r] = arrivals[r].mul_add(jump, state[SYNAPSES + r]);
        }
        let excitation = i_dc + jumped[0];
        // Without a GABA_B circuit its current rests at I0 and the difference is 0.
        let i_in = if R > 1 { excitation - (jumped[R - 1] - i0) } else { excitation };
        let is_refractory = zero.lt(state[REFRACTORY]);
        let i_in = if CAN_REST && !HOLD { is_refractory.select(zero, i_in) } else { i_in };
        let i_in = i_in.or_more(i0);

        let (feedback, gate) = self.feedback.fraction(i, [feedback_0, feedback_1, feedback_2]);
        let sum = i + i_gain;
        let drive = i_in.mul_add(alpha, -alpha_leak);
        let drive = (-i).mul_add(one_plus_beta, drive);
        let drive = feedback.mul_add(sum, drive * gate);
        // 1/(1 + Igain/Imem) = Imem/(Imem + Igain); a division takes as long as ten products.
        let slope = drive * i / (gate * sum);
        let next = slope.mul_add(dt_over_tau, i).or_more(i0);
        let next = if CAN_REST && HOLD { is_refractory.select(i_reset, next) } else { next };

        for r in 0..R {
            let dt_over_tau = parameter(SOMA + 2 * r);
            let current = state[SYNAPSES + r];
            state[SYNAPSES + r] = (-dt_over_tau).mul_add(current, jumped[r]).or_more(i0);
        }
        let spike = next.ge(i_th);
        let spike = if CAN_REST && HOLD { spike & !is_refractory } else { spike };
        state[MEMBRANE] = spike.select(i_reset, next);
        if CAN_REST {
            let left = is_refractory.select(state[REFRACTORY] - i.splat(1.0), zero);
            state[REFRACTORY] = spike.select(refractory_steps, left);
        }
        spike
    }

    /// The parameter columns of a soma, computed in double precision.
    fn soma(&self, soma: &Soma) -> [f64; SOMA] {
        let constants = &self.dpi.constants;
        let i0 = constants.i0;
        let alpha = soma.i_gain / soma.i_tau;
        let feedback = self.feedback.columns(soma);
        // The current of a circuit that was taken out is 0, while its state column rests at I0.
        let is_off = |receptor| if self.circuits.is_off(receptor) { i0 } else { 0.0 };
        let i_dc = soma.i_dc + is_off(Receptor::Gabab) - is_off(Receptor::Ampa);
        [
            alpha,
            alpha * (soma.i_tau + i0),
            1.0 + i0 / soma.i_tau,
            soma.i_gain,
            self.dt / soma.tau(constants),
            i_dc,
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
            fn step<V: Number>(
                &self,
                parameter: impl Fn(usize) -> V,
                state: &mut [V; $states],
                arrivals: [V; $r],
            ) -> V::Mask {
                self.advance::<V, true, _>(parameter, state, arrivals)
            }

            #[inline(always)]
            fn step_awake<V: Number>(
                &self,
                parameter: impl Fn(usize) -> V,
                state: &mut [V; $states],
                arrivals: [V; $r],
            ) -> V::Mask {
                self.advance::<V, false, _>(parameter, state, arrivals)
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
