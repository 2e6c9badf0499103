//! Forward Euler in the current domain, in the published order of operations.
//!
//! It exists to reproduce published runs: counts match the released code spike for spike. How far a
//! step is from the equations themselves is another matter (at 1 ms the seed experiment loses more
//! than a quarter of its spikes).

use super::kernel::{EulerModel, Flag, Kernel, advance_block, advance_scalar, as_model};
use crate::bank::Row;
use crate::circuit::feedback::PowerLaw;
use crate::circuit::{Constants, Receptor, Soma, Synapse};
use crate::time::Time;

/// State columns: membrane current, refractory steps that are left, synaptic currents.
const MEMBRANE: usize = 0;
const REFRACTORY: usize = 1;
const SYNAPSES: usize = 2;
/// Parameter columns: those of the soma, then two for each receptor.
const SOMA: usize = 12;

/// The `arcana` preset (released code of Quintana et al. 2024) with `R` receptors.
///
/// One step of dt, with the old Imem and synaptic currents on the right:
/// 1. pulses are added: I += n·(Igain/Itau)·Iw; the decay of the step is that of the *old* current;
/// 2. Iin = max(Idc + Iampa + I0 − Igabab, I0) with the jumped, undecayed currents; I0 while
///    refractory;
/// 3. dImem = [α(Iin − Itau − I0) − Imem − (I0/Itau)·Imem + (Ifb/Itau)(Imem + Igain)] /
///    [τ(1 + Igain/Imem)], α = Igain/Itau;
/// 4. Imem = max(Imem + dt·dImem, I0), I = max(I − dt·I_old/τ, I0);
/// 5. Imem ≥ Ith: a spike, Imem = Ireset, and the input is cut in the R steps that follow.
pub struct ArcanaEuler<const R: usize> {
    constants: Constants,
    dt: f64,
    receptors: [Receptor; R],
    i0: f32,
    feedback: PowerLaw,
}

impl<const R: usize> ArcanaEuler<R> {
    fn new(constants: &Constants, dt: Time, receptors: [Receptor; R]) -> ArcanaEuler<R> {
        ArcanaEuler {
            constants: *constants,
            dt: dt.seconds(),
            receptors,
            i0: constants.i0 as f32,
            feedback: PowerLaw::new(constants),
        }
    }
}

/// The kernel for `arcana` neurons with circuits of these receptors.
#[must_use]
pub fn arcana(
    constants: &Constants,
    dt: Time,
    receptors: &[Receptor],
) -> std::sync::Arc<dyn Kernel> {
    if receptors.contains(&Receptor::Gabab) {
        let receptors = [Receptor::Ampa, Receptor::Gabab];
        std::sync::Arc::new(ArcanaEuler::new(constants, dt, receptors))
    } else {
        std::sync::Arc::new(ArcanaEuler::new(constants, dt, [Receptor::Ampa]))
    }
}

/// The larger of two numbers; NaN if `value` is.
#[inline(always)]
fn at_least(value: f32, floor: f32) -> f32 {
    if floor > value { floor } else { value }
}

impl<const R: usize> ArcanaEuler<R> {
    /// One step; see [`ArcanaEuler`]. `synapses` holds (Itau part of the decay, jump) per receptor.
    #[inline(always)]
    fn step(
        &self,
        soma: [f32; SOMA],
        synapses: [(f32, f32); R],
        (i_mem, refractory): (&mut f32, &mut f32),
        currents: &mut [f32; R],
        arrivals: [f32; R],
    ) -> bool {
        let [
            alpha,
            alpha_leak,
            one_plus_beta,
            inverse_i_tau,
            i_gain,
            dt_over_tau,
            i_dc,
            i_th,
            i_reset,
            gate_slope,
            gate_offset,
            refractory_steps,
        ] = soma;
        let mut jumped = *currents;
        for r in 0..R {
            let (_, jump) = synapses[r];
            jumped[r] = arrivals[r].mul_add(jump, currents[r]);
        }
        let excitation = i_dc + jumped[0];
        // Without a GABA_B circuit its current rests at I0 and the difference is 0.
        let i_in = if R > 1 { excitation - (jumped[R - 1] - self.i0) } else { excitation };
        let i_in = if *refractory > 0.0 { 0.0 } else { i_in };
        let i_in = at_least(i_in, self.i0);

        let i = *i_mem;
        let feedback = self.feedback.current(i, gate_slope, gate_offset) * inverse_i_tau;
        let sum = i + i_gain;
        let drive = alpha.mul_add(i_in, -alpha_leak);
        let drive = (-i).mul_add(one_plus_beta, drive);
        let drive = feedback.mul_add(sum, drive);
        // 1/(1 + Igain/Imem) = Imem/(Imem + Igain)
        let slope = drive * i / sum;
        let next = at_least(slope.mul_add(dt_over_tau, i), self.i0);

        for r in 0..R {
            let (dt_over_tau, _) = synapses[r];
            currents[r] = at_least((-dt_over_tau).mul_add(currents[r], jumped[r]), self.i0);
        }
        let spike = next >= i_th;
        *i_mem = if spike { i_reset } else { next };
        let left = if *refractory > 0.0 { *refractory - 1.0 } else { 0.0 };
        *refractory = if spike { refractory_steps } else { left };
        // A NaN is flagged, too; it shows in Imem.
        spike | next.is_nan()
    }
}

/// The trait for each number of receptors; constant expressions of `R` are not stable Rust yet.
macro_rules! arcana {
    ($r:literal, $parameters:literal, $states:literal) => {
        impl EulerModel<$parameters, $states, $r> for ArcanaEuler<$r> {
            const MEMBRANE: usize = MEMBRANE;

            #[inline(always)]
            fn step(
                &self,
                parameters: [f32; $parameters],
                state: &mut [f32; $states],
                arrivals: [f32; $r],
            ) -> bool {
                let soma = std::array::from_fn(|k| parameters[k]);
                let synapses = std::array::from_fn(|r| {
                    (parameters[SOMA + 2 * r], parameters[SOMA + 2 * r + 1])
                });
                let (mut i_mem, mut refractory) = (state[MEMBRANE], state[REFRACTORY]);
                let mut currents = std::array::from_fn(|r| state[SYNAPSES + r]);
                let flag = ArcanaEuler::step(
                    self,
                    soma,
                    synapses,
                    (&mut i_mem, &mut refractory),
                    &mut currents,
                    arrivals,
                );
                state[MEMBRANE] = i_mem;
                state[REFRACTORY] = refractory;
                for r in 0..$r {
                    state[SYNAPSES + r] = currents[r];
                }
                flag
            }
        }

        impl Kernel for ArcanaEuler<$r> {
            fn receptors(&self) -> &[Receptor] {
                &self.receptors
            }

            fn resting_parameters(&self) -> Vec<f32> {
                let mut row = vec![0.0; $parameters];
                // No input, no feedback, no leak; and a threshold that is never reached.
                row[4] = 1.0;
                row[7] = f32::INFINITY;
                row
            }

            fn resting_state(&self) -> Vec<f32> {
                let mut row = vec![self.i0; $states];
                row[REFRACTORY] = 0.0;
                row
            }

            fn membrane_column(&self) -> usize {
                MEMBRANE
            }

            fn synapse_column(&self, receptor: usize) -> usize {
                SYNAPSES + receptor
            }

            fn soma_columns(&self, soma: &Soma, set: &mut dyn FnMut(usize, f32)) {
                for (column, value) in self.soma(soma).into_iter().enumerate() {
                    set(column, value as f32);
                }
            }

            fn synapse_columns(
                &self,
                receptor: usize,
                synapse: &Synapse,
                exponent: i32,
                set: &mut dyn FnMut(usize, f32),
            ) {
                let at = SOMA + 2 * receptor;
                set(at, (self.dt / synapse.tau(&self.constants)) as f32);
                // Scaling by a power of two is exact.
                set(at + 1, (synapse.jump() * 2.0_f64.powi(-exponent)) as f32);
            }

            fn advance(
                &self,
                parameters: &[Row],
                state: &mut [Row],
                arrivals: &[Row<i32>],
                flags: &mut Vec<Flag>,
            ) {
                as_model::<$parameters, $states, $r, _>(parameters, state, arrivals, |p, s, a| {
                    advance_block(self, p, s, a, flags);
                });
            }

            fn advance_reference(
                &self,
                parameters: &[Row],
                state: &mut [Row],
                arrivals: &[Row<i32>],
                flags: &mut Vec<Flag>,
            ) {
                as_model::<$parameters, $states, $r, _>(parameters, state, arrivals, |p, s, a| {
                    advance_scalar(self, p, s, a, flags);
                });
            }
        }
    };
}
arcana!(1, 14, 3);
arcana!(2, 16, 4);

impl<const R: usize> ArcanaEuler<R> {
    /// The parameter columns of a soma, computed in double precision.
    fn soma(&self, soma: &Soma) -> [f64; SOMA] {
        let i0 = self.constants.i0;
        let alpha = soma.i_gain / soma.i_tau;
        let (gate_slope, gate_offset) = PowerLaw::gate(soma.ipfb_norm, soma.ipfb_th);
        [
            alpha,
            alpha * (soma.i_tau + i0),
            1.0 + i0 / soma.i_tau,
            1.0 / soma.i_tau,
            soma.i_gain,
            self.dt / soma.tau(&self.constants),
            soma.i_dc,
            soma.i_th,
            soma.i_reset.max(i0),
            f64::from(gate_slope),
            f64::from(gate_offset),
            (soma.ref_p / self.dt).round(),
        ]
    }
}
