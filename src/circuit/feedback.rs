//! Positive feedback of the soma: the current that makes a spike's upstroke.
//!
//! Two published forms, in single precision as the kernels compute them: what they need is Ifb/Itau,
//! and as a fraction, because they have another division with which to make this one. What is per
//! neuron (slope and midpoint of the gate, gain) is passed as three numbers that
//! [`Feedback::columns`] makes of the biases.

use super::math::{exp2_within, ln, log2};
use super::number::Number;
use super::{Constants, Soma};

/// A form of the feedback.
pub trait Feedback: Copy + Send + Sync + 'static {
    /// The form for a process.
    fn new(constants: &Constants) -> Self;

    /// The three numbers of a neuron: slope and offset of the gate's exponent to base 2, and gain.
    fn columns(&self, soma: &Soma) -> [f64; 3];

    /// Ifb/Itau at a membrane current of `i_mem` (A, normal and positive): numerator and denominator,
    /// of which the latter is between 1 and 2¹⁰⁰ + 1.
    fn fraction<V: Number>(&self, i_mem: V, columns: [V; 3]) -> (V, V);

    /// The name of the form in CUDA sources, and the exponent of its power.
    fn in_device_code(&self) -> (&'static str, f64);
}

/// Quintana et al. 2024 (arXiv 2409.14918):
/// `Ifb = I0^(1/(κ+1))·Imem^(κ/(κ+1)) / (1 + exp(−Ipfb_norm·(Imem − Ipfb_th)))`, Ipfb_norm in 1/A.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PowerLaw {
    exponent: f64,
    log2_scale: f64,
}

impl Feedback for PowerLaw {
    fn new(constants: &Constants) -> PowerLaw {
        let kappa = constants.kappa;
        PowerLaw {
            exponent: kappa / (kappa + 1.0),
            log2_scale: ln(constants.i0) * std::f64::consts::LOG2_E / (kappa + 1.0),
        }
    }

    fn columns(&self, soma: &Soma) -> [f64; 3] {
        let slope = -soma.ipfb_slope * std::f64::consts::LOG2_E;
        // The gain as its logarithm, which is added to that of the power.
        let gain = self.log2_scale - ln(soma.i_tau) * std::f64::consts::LOG2_E;
        // Beside it a power of any current is within the range of numbers.
        let gain = gain.clamp(-60.0, 60.0);
        [slope, offset(slope, soma), gain]
    }

    #[inline(always)]
    fn fraction<V: Number>(&self, i_mem: V, [slope, offset, gain]: [V; 3]) -> (V, V) {
        // Currents from 1e-38 to 1e38 A: the exponent is within ±126.
        let power = exp2_within(log2(i_mem).mul_add(i_mem.splat(self.exponent), gain));
        (power, gate(slope.mul_add(i_mem, offset)))
    }

    fn in_device_code(&self) -> (&'static str, f64) {
        ("POWER_LAW", self.exponent)
    }
}

/// The dynapse-simulator: `Ifb = Ipfb_gain / (1 + exp(−(Imem − Ipfb_th)/Ipfb_norm))`, Ipfb_norm
/// in A.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Logistic;

impl Feedback for Logistic {
    fn new(_: &Constants) -> Logistic {
        Logistic
    }

    fn columns(&self, soma: &Soma) -> [f64; 3] {
        let slope = -std::f64::consts::LOG2_E / soma.ipfb_norm;
        [slope, offset(slope, soma), soma.ipfb_gain / soma.i_tau]
    }

    #[inline(always)]
    fn fraction<V: Number>(&self, i_mem: V, [slope, offset, gain]: [V; 3]) -> (V, V) {
        (gain, gate(slope.mul_add(i_mem, offset)))
    }

    fn in_device_code(&self) -> (&'static str, f64) {
        ("LOGISTIC", 1.0)
    }
}

/// No feedback.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NoFeedback;

impl Feedback for NoFeedback {
    fn new(_: &Constants) -> NoFeedback {
        NoFeedback
    }

    fn columns(&self, _: &Soma) -> [f64; 3] {
        [0.0; 3]
    }

    #[inline(always)]
    fn fraction<V: Number>(&self, i_mem: V, _: [V; 3]) -> (V, V) {
        (i_mem.splat(0.0), i_mem.splat(1.0))
    }

    fn in_device_code(&self) -> (&'static str, f64) {
        ("OFF", 1.0)
    }
}

/// The gate's exponent at no current: with the slope as it is rounded, so that the midpoint stays where
/// it is.
fn offset(slope: f64, soma: &Soma) -> f64 {
    -f64::from(slope as f32) * soma.ipfb_th
}

/// `1 + 2^x`. A gate that is closed by more than 2¹⁰⁰ stays at that: nothing is left of the feedback
/// beside the dark current, and no product with the denominator overflows.
#[inline(always)]
fn gate<V: Number>(x: V) -> V {
    x.splat(1.0) + exp2_within(x.or_less(x.splat(100.0)).or_more(x.splat(-126.0)))
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)] // libm is the independent reference here.
mod tests {
    use super::*;
    use crate::circuit::Preset;

    fn agree(ours: f32, exact: f64) {
        assert!((f64::from(ours) / exact - 1.0).abs() < 3e-6, "{ours} instead of {exact}");
    }

    #[test]
    fn the_power_law_is_the_published_one() {
        let c = Constants { i0: 0.05e-12, ut: 0.025, kappa: 0.705 };
        let soma = Soma { ipfb_slope: 1.4e9, ipfb_th: 2e-10, ..Preset::Arcana.soma(&c) };
        let columns = PowerLaw::new(&c).columns(&soma).map(|x| x as f32);
        for i_mem in [5e-14, 1e-12, 1e-10, 1e-9, 1e-6, 1e-2_f64] {
            let exact = c.i0.powf(1.0 / (c.kappa + 1.0)) * i_mem.powf(c.kappa / (c.kappa + 1.0))
                / (1.0 + (-1.4e9 * (i_mem - 2e-10)).exp());
            let (above, below) = PowerLaw::new(&c).fraction(i_mem as f32, columns);
            agree(above / below, exact / soma.i_tau);
        }
    }

    #[test]
    fn the_logistic_is_the_published_one() {
        let c = Preset::Dynapse1.constants();
        let soma = Preset::Dynapse1.soma(&c);
        let columns = Logistic.columns(&soma).map(|x| x as f32);
        for i_mem in [1e-12, 5e-10, 9e-10, 1e-9, 1.5e-9_f64] {
            let exact = 100e-12 / (1.0 + (-(i_mem - 1e-9) / 20e-12).exp());
            // The exponent keeps seven digits, of which it has up to two before the point.
            let tolerance = 1e-5;
            let (above, below) = Logistic.fraction(i_mem as f32, columns);
            let ours = f64::from(above / below) * soma.i_tau;
            assert!((ours / exact - 1.0).abs() < tolerance, "{i_mem}: {ours} {exact}");
        }
    }
}
