//! Positive feedback of the soma: the current that makes a spike's upstroke.

use super::Constants;
use super::math::{exp2, log2};

/// The power law of Quintana et al. 2024 (arXiv 2409.14918):
/// `Ifb = I0^(1/(κ+1))·Imem^(κ/(κ+1)) / (1 + exp(−Ipfb_norm·(Imem − Ipfb_th)))`, with Ipfb_norm in
/// 1/A. In single precision, as the kernels compute it; the constants of a population.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PowerLaw {
    exponent: f32,
    log2_scale: f32,
}

impl PowerLaw {
    /// The law for a process.
    #[must_use]
    pub fn new(constants: &Constants) -> PowerLaw {
        let kappa = constants.kappa;
        let log2_i0 = super::math::ln(constants.i0) * std::f64::consts::LOG2_E;
        PowerLaw {
            exponent: (kappa / (kappa + 1.0)) as f32,
            log2_scale: (log2_i0 / (kappa + 1.0)) as f32,
        }
    }

    /// The two numbers of [`PowerLaw::current`]'s gate for Ipfb_norm (1/A) and Ipfb_th (A): slope
    /// and offset of the exponent to base 2.
    #[must_use]
    pub fn gate(ipfb_norm: f64, ipfb_th: f64) -> (f32, f32) {
        let slope = -ipfb_norm * std::f64::consts::LOG2_E;
        (slope as f32, (-slope * ipfb_th) as f32)
    }

    /// The feedback current at `i_mem`, both in A.
    #[inline(always)]
    #[must_use]
    pub fn current(&self, i_mem: f32, gate_slope: f32, gate_offset: f32) -> f32 {
        let power = exp2(self.exponent.mul_add(log2(i_mem), self.log2_scale));
        power / (1.0 + exp2(gate_slope.mul_add(i_mem, gate_offset)))
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)] // libm is the independent reference here.
mod tests {
    use super::*;

    #[test]
    fn follows_the_published_formula() {
        let c = Constants { i0: 0.05e-12, ut: 0.025, kappa: 0.705 };
        let (norm, th) = (1.4e9, 2e-10);
        let law = PowerLaw::new(&c);
        let (slope, offset) = PowerLaw::gate(norm, th);
        for i_mem in [5e-14, 1e-12, 1e-10, 1e-9, 1e-6, 1e-2_f64] {
            let exact = c.i0.powf(1.0 / (c.kappa + 1.0)) * i_mem.powf(c.kappa / (c.kappa + 1.0))
                / (1.0 + (-norm * (i_mem - th)).exp());
            let ours = f64::from(law.current(i_mem as f32, slope, offset));
            assert!((ours / exact - 1.0).abs() < 3e-6, "{i_mem}: {ours} instead of {exact}");
        }
    }
}
