//! Numbers of single or double precision, with the elementary functions that the equations need.
//!
//! As in [`math`], they are polynomials in explicit fused multiply-adds over any
//! [`Number`]: any width gives the same bits. The `rough` ones start a Newton iteration and take the
//! exponent from the bits of the number.

use crate::circuit::math::{self, horner};
use crate::circuit::number::{Number, Packed, Width};

/// Elementary functions of numbers to their precision.
pub trait Analytic: Number {
    /// Distance of 1 to the next number.
    const EPSILON: f64 = if Self::IS_SINGLE { f32::EPSILON as f64 } else { f64::EPSILON };
    /// A gate of 2 to the power of minus this is shut to the last bit.
    const CLOSED: f64 = if Self::IS_SINGLE { 30.0 } else { 60.0 };
    /// Newton steps that solve y + ln y = s to this precision.
    const REFINEMENTS: usize = if Self::IS_SINGLE { 1 } else { 2 };

    /// 2^x − 1, also near 0; x is clamped to the range of normal numbers.
    #[inline(always)]
    fn exp2_m1(self) -> Self {
        let one = self.splat(1.0);
        let (r, n, p) = exp2_parts(self);
        let scale = one.scale(n);
        (p * r).mul_add(scale, scale - one)
    }

    /// 2^x; x is clamped to the range of normal numbers.
    #[inline(always)]
    fn exp2(self) -> Self {
        let (r, n, p) = exp2_parts(self);
        p.mul_add(r, self.splat(1.0)).scale(n)
    }

    /// log2 x for positive normal x.
    #[inline(always)]
    fn log2(self) -> Self {
        if Self::IS_SINGLE { math::log2(self) } else { double_log2(self) }
    }

    /// log2 x to 0.02, for positive normal x.
    #[inline(always)]
    fn rough_log2(self) -> Self {
        let (m, e) = self.mantissa_and_exponent();
        let z = m - self.splat(1.0);
        horner(z, [0.36, -0.68, 1.438]).mul_add(z, e)
    }
}

impl<N: Number> Analytic for N {}

/// Single or double precision.
pub trait Real: Number<Mask = bool> + PartialOrd + Send + Sync + 'static {
    /// As many of them as a width has side by side.
    type Wide<W: Width>: Packed<W, Self>;
    /// The nearest number of this precision.
    fn of(x: f64) -> Self;
    /// The same number in double precision.
    fn double(self) -> f64;
}

impl Real for f32 {
    type Wide<W: Width> = W::Single;
    #[inline(always)]
    fn of(x: f64) -> f32 {
        x as f32
    }
    #[inline(always)]
    fn double(self) -> f64 {
        f64::from(self)
    }
}

impl Real for f64 {
    type Wide<W: Width> = W::Double;
    #[inline(always)]
    fn of(x: f64) -> f64 {
        x
    }
    #[inline(always)]
    fn double(self) -> f64 {
        self
    }
}

/// (2^r − 1)/r in double precision: the Taylor series.
pub(super) const EXP2_M1_DOUBLE: [f64; 13] = {
    const LN2: f64 = std::f64::consts::LN_2;
    let mut c = [LN2; 13];
    let mut k = 1;
    while k < 13 {
        c[12 - k] = c[13 - k] * LN2 / (k as f64 + 1.0);
        k += 1;
    }
    c
};

/// Of x: its distance r from the nearest whole number, that number in the low bits of another, and
/// (2^r − 1)/r.
#[inline(always)]
fn exp2_parts<V: Number>(x: V) -> (V, V, V) {
    let most = if V::IS_SINGLE { 127.0 } else { 1023.0 };
    let (n, r) = x.or_less(x.splat(most)).or_more(x.splat(1.0 - most)).whole_and_rest();
    let p = if V::IS_SINGLE { horner(r, math::EXP2_M1) } else { horner(r, EXP2_M1_DOUBLE) };
    (r, n, p)
}

/// log2 x in double precision.
#[inline(always)]
fn double_log2<V: Number>(x: V) -> V {
    let (m, e) = x.mantissa_and_exponent();
    let f = m - x.splat(1.0);
    let s = f / (m + x.splat(1.0));
    let s2 = s * s;
    let p = horner(s2, math::LN_TERMS);
    let ln = (s * s2).mul_add(p, s + s);
    ln.mul_add(x.splat(std::f64::consts::LOG2_E), e)
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)] // libm is the independent reference here.
mod tests {
    use super::*;

    fn agree<R: Real>(digits: f64) {
        let close = |ours: R, exact: f64| {
            let ours = ours.double();
            assert!((ours - exact).abs() <= digits * exact.abs(), "{ours} instead of {exact}");
        };
        for k in -4000..4000 {
            let x = f64::from(k) * 0.0291;
            let of = R::of(x).double();
            close(R::of(x).exp2(), of.exp2());
            // Far from 0, rounding the argument of `exp_m1` would be the larger error.
            let near = (of * std::f64::consts::LN_2).exp_m1();
            close(R::of(x).exp2_m1(), if of.abs() < 1.0 { near } else { of.exp2() - 1.0 });
            let power = R::of((x * 0.9).exp2());
            assert!(
                (power.log2().double() - power.double().log2()).abs() <= digits * x.abs().max(1.0)
            );
            assert!((power.rough_log2().double() - x * 0.9).abs() < 0.02);
            let root = power.rough_inverse_fifth_root().double();
            assert!((root * (x * 0.18).exp2() - 1.0).abs() < 0.04, "{root}");
        }
    }

    #[test]
    fn functions_agree_with_libm() {
        agree::<f32>(4e-7);
        agree::<f64>(2e-15);
    }
}
