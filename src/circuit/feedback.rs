//! Positive feedback of the soma: the current that makes a spike's upstroke.
//!
//! Two published forms, in single precision as the kernels compute them. What is per neuron
//! (threshold, slope, gain) is passed as three numbers that [`Feedback::columns`] makes of the
//! biases.

use super::math::{exp2, ln, log2};
use super::{Constants, Soma};

/// A form of the feedback.
pub trait Feedback: Copy + Send + Sync + 'static {
    /// The form for a process.
    fn new(constants: &Constants) -> Self;

    /// The three numbers of a neuron: slope of the gate's exponent to base 2, midpoint, and gain.
    fn columns(soma: &Soma) -> [f64; 3];

    /// The feedback current at `i_mem`, both in A.
    fn current(&self, i_mem: f32, columns: [f32; 3]) -> f32;
}

/// Quintana et al. 2024 (arXiv 2409.14918):
/// `Ifb = I0^(1/(κ+1))·Imem^(κ/(κ+1)) / (1 + exp(−Ipfb_norm·(Imem − Ipfb_th)))`, Ipfb_norm in 1/A.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PowerLaw {
    exponent: f32,
    log2_scale: f32,
}

impl Feedback for PowerLaw {
    fn new(constants: &Constants) -> PowerLaw {
        let kappa = constants.kappa;
        let log2_i0 = ln(constants.i0) * std::f64::consts::LOG2_E;
        PowerLaw {
            exponent: (kappa / (kappa + 1.0)) as f32,
            log2_scale: (log2_i0 / (kappa + 1.0)) as f32,
        }
    }

    fn columns(soma: &Soma) -> [f64; 3] {
        let slope = -soma.ipfb_slope * std::f64::consts::LOG2_E;
        [slope, soma.ipfb_th, 1.0]
    }

    #[inline(always)]
    fn current(&self, i_mem: f32, [slope, midpoint, _]: [f32; 3]) -> f32 {
        let power = exp2(self.exponent.mul_add(log2(i_mem), self.log2_scale));
        power / (1.0 + exp2(slope * (i_mem - midpoint)))
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

    fn columns(soma: &Soma) -> [f64; 3] {
        let slope = -std::f64::consts::LOG2_E / soma.ipfb_norm;
        [slope, soma.ipfb_th, soma.ipfb_gain]
    }

    #[inline(always)]
    fn current(&self, i_mem: f32, [slope, midpoint, gain]: [f32; 3]) -> f32 {
        gain / (1.0 + exp2(slope * (i_mem - midpoint)))
    }
}

/// No feedback.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NoFeedback;

impl Feedback for NoFeedback {
    fn new(_: &Constants) -> NoFeedback {
        NoFeedback
    }

    fn columns(_: &Soma) -> [f64; 3] {
        [0.0; 3]
    }

    #[inline(always)]
    fn current(&self, _: f32, _: [f32; 3]) -> f32 {
        0.0
    }
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
        let columns = PowerLaw::columns(&soma).map(|x| x as f32);
        for i_mem in [5e-14, 1e-12, 1e-10, 1e-9, 1e-6, 1e-2_f64] {
            let exact = c.i0.powf(1.0 / (c.kappa + 1.0)) * i_mem.powf(c.kappa / (c.kappa + 1.0))
                / (1.0 + (-1.4e9 * (i_mem - 2e-10)).exp());
            agree(PowerLaw::new(&c).current(i_mem as f32, columns), exact);
        }
    }

    #[test]
    fn the_logistic_is_the_published_one() {
        let c = Preset::Dynapse1.constants();
        let soma = Preset::Dynapse1.soma(&c);
        let columns = Logistic::columns(&soma).map(|x| x as f32);
        for i_mem in [1e-12, 5e-10, 9e-10, 1e-9, 1.5e-9_f64] {
            let exact = 100e-12 / (1.0 + (-(i_mem - 1e-9) / 20e-12).exp());
            // The exponent keeps seven digits, of which it has up to two before the point.
            let tolerance = 1e-5;
            let ours = f64::from(Logistic.current(i_mem as f32, columns));
            assert!((ours / exact - 1.0).abs() < tolerance, "{i_mem}: {ours} {exact}");
        }
    }
}
