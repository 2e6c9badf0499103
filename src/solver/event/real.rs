//! Numbers of single or double precision, with the elementary functions that the equations need.
//!
//! As in [`math`], they are polynomials in explicit fused multiply-adds: a loop
//! over lanes vectorises, and any lane width gives the same bits. The `rough` ones start a Newton
//! iteration and take the exponent from the bits of the number.

use std::ops::{Add, Div, Mul, Neg, Sub};

use crate::circuit::math;

/// Single or double precision.
pub trait Real:
    Copy
    + PartialOrd
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + Send
    + Sync
    + 'static
{
    /// Distance of 1 to the next number.
    const EPSILON: Self;
    /// A gate of 2 to the power of minus this is shut to the last bit.
    const CLOSED: Self;
    /// Newton steps that solve y + ln y = s to this precision.
    const REFINEMENTS: usize;
    /// Its name.
    const NAME: &'static str;
    /// The nearest number of this precision.
    fn of(x: f64) -> Self;
    /// The same number in double precision.
    fn double(self) -> f64;
    /// `self`·a + b, rounded once.
    fn mul_add(self, a: Self, b: Self) -> Self;
    /// Whether it is no number.
    fn is_nan(self) -> bool;
    /// The magnitude.
    fn abs(self) -> Self;
    /// 2^x − 1, also near 0; x is clamped to the range of normal numbers.
    fn exp2_m1(self) -> Self;
    /// 2^x; x is clamped to the range of normal numbers.
    fn exp2(self) -> Self;
    /// log2 x for positive normal x.
    fn log2(self) -> Self;
    /// log2 x to 0.01, for positive normal x.
    fn rough_log2(self) -> Self;
    /// x^(−1/5) to 4 %, for positive normal x.
    fn rough_inverse_fifth_root(self) -> Self;
}

impl Real for f32 {
    const EPSILON: f32 = f32::EPSILON;
    const CLOSED: f32 = 30.0;
    const REFINEMENTS: usize = 1;
    const NAME: &'static str = "single";
    #[inline(always)]
    fn of(x: f64) -> f32 {
        x as f32
    }
    #[inline(always)]
    fn double(self) -> f64 {
        f64::from(self)
    }
    #[inline(always)]
    fn mul_add(self, a: f32, b: f32) -> f32 {
        f32::mul_add(self, a, b)
    }
    #[inline(always)]
    fn is_nan(self) -> bool {
        f32::is_nan(self)
    }
    #[inline(always)]
    fn abs(self) -> f32 {
        f32::from_bits(self.to_bits() & 0x7fff_ffff)
    }
    #[inline(always)]
    fn exp2_m1(self) -> f32 {
        const ROUND: f32 = 12_582_912.0;
        let x = self;
        let x = if x > 127.0 { 127.0 } else { x };
        let x = if x < -126.0 { -126.0 } else { x };
        let shifted = x + ROUND;
        let n = shifted - ROUND;
        let r = x - n;
        let mut p = 1.534_581_2e-4_f32;
        p = p.mul_add(r, 1.339_993_1e-3);
        p = p.mul_add(r, 9.618_489e-3);
        p = p.mul_add(r, 5.550_328_8e-2);
        p = p.mul_add(r, 2.402_264_7e-1);
        p = p.mul_add(r, 6.931_472e-1);
        let scale = f32::from_bits(1.0_f32.to_bits().wrapping_add(shifted.to_bits() << 23));
        (p * r).mul_add(scale, scale - 1.0)
    }
    #[inline(always)]
    fn exp2(self) -> f32 {
        math::exp2(self)
    }
    #[inline(always)]
    fn log2(self) -> f32 {
        math::log2(self)
    }
    #[inline(always)]
    fn rough_inverse_fifth_root(self) -> f32 {
        // Bits are nearly a logarithm, too small by up to 0.086: half of that is taken off.
        const ONE: i32 = 0x3f80_0000;
        let above = (self.to_bits() as i32).wrapping_sub(ONE);
        f32::from_bits((ONE - 0x6_9b00).wrapping_sub((above >> 12).wrapping_mul(819)) as u32)
    }
    #[inline(always)]
    fn rough_log2(self) -> f32 {
        let bits = self.to_bits() as i32;
        let e = (bits.wrapping_sub(0x3f3504f3)) >> 23;
        let m = f32::from_bits((bits.wrapping_sub(e << 23)) as u32);
        let z = m - 1.0;
        z.mul_add(z.mul_add(z.mul_add(0.36, -0.68), 1.438), e as f32)
    }
}

impl Real for f64 {
    const EPSILON: f64 = f64::EPSILON;
    const CLOSED: f64 = 60.0;
    const REFINEMENTS: usize = 2;
    const NAME: &'static str = "double";
    #[inline(always)]
    fn of(x: f64) -> f64 {
        x
    }
    #[inline(always)]
    fn double(self) -> f64 {
        self
    }
    #[inline(always)]
    fn mul_add(self, a: f64, b: f64) -> f64 {
        f64::mul_add(self, a, b)
    }
    #[inline(always)]
    fn is_nan(self) -> bool {
        f64::is_nan(self)
    }
    #[inline(always)]
    fn abs(self) -> f64 {
        f64::from_bits(self.to_bits() & !(1 << 63))
    }
    #[inline(always)]
    fn exp2_m1(self) -> f64 {
        let (p, r, shifted) = exp2_parts(self);
        let scale = f64::from_bits(1.0_f64.to_bits().wrapping_add(shifted << 52));
        (p * r).mul_add(scale, scale - 1.0)
    }
    #[inline(always)]
    fn exp2(self) -> f64 {
        let (p, r, shifted) = exp2_parts(self);
        let p = p.mul_add(r, 1.0);
        f64::from_bits(p.to_bits().wrapping_add(shifted << 52))
    }
    #[inline(always)]
    fn log2(self) -> f64 {
        const SQRT_HALF_BITS: i64 = 0x3fe6_a09e_667f_3bcd;
        const LOG2_E: f64 = std::f64::consts::LOG2_E;
        let bits = self.to_bits() as i64;
        let e = (bits.wrapping_sub(SQRT_HALF_BITS)) >> 52;
        let m = f64::from_bits((bits.wrapping_sub(e << 52)) as u64);
        let f = m - 1.0;
        let s = f / (m + 1.0);
        let s2 = s * s;
        let mut p = 2.0 / 21.0;
        p = f64::mul_add(p, s2, 2.0 / 19.0);
        p = f64::mul_add(p, s2, 2.0 / 17.0);
        p = f64::mul_add(p, s2, 2.0 / 15.0);
        p = f64::mul_add(p, s2, 2.0 / 13.0);
        p = f64::mul_add(p, s2, 2.0 / 11.0);
        p = f64::mul_add(p, s2, 2.0 / 9.0);
        p = f64::mul_add(p, s2, 2.0 / 7.0);
        p = f64::mul_add(p, s2, 2.0 / 5.0);
        p = f64::mul_add(p, s2, 2.0 / 3.0);
        let ln = f64::mul_add(s * s2, p, 2.0 * s);
        f64::mul_add(ln, LOG2_E, e as f64)
    }
    #[inline(always)]
    fn rough_inverse_fifth_root(self) -> f64 {
        const ONE: i64 = 0x3ff0_0000_0000_0000;
        let above = (self.to_bits() as i64).wrapping_sub(ONE);
        let fifth = (above >> 16).wrapping_mul(13_107);
        f64::from_bits((ONE - 0xd35a_0000_0000).wrapping_sub(fifth) as u64)
    }
    #[inline(always)]
    fn rough_log2(self) -> f64 {
        let bits = self.to_bits() as i64;
        let e = (bits.wrapping_sub(0x3fe6_a09e_667f_3bcd)) >> 52;
        let m = f64::from_bits((bits.wrapping_sub(e << 52)) as u64);
        let z = m - 1.0;
        z.mul_add(z.mul_add(z.mul_add(0.36, -0.68), 1.438), e as f64)
    }
}

#[inline(always)]
fn exp2_parts(x: f64) -> (f64, f64, u64) {
    /// Adding and subtracting 1.5·2⁵² rounds to the nearest integer.
    const ROUND: f64 = 6_755_399_441_055_744.0;
    let x = if x > 1023.0 { 1023.0 } else { x };
    let x = if x < -1022.0 { -1022.0 } else { x };
    let shifted = x + ROUND;
    let r = x - (shifted - ROUND);
    const LN2: f64 = std::f64::consts::LN_2;
    const C: [f64; 13] = {
        let mut c = [LN2; 13];
        let mut k = 1;
        while k < 13 {
            c[k] = c[k - 1] * LN2 / (k as f64 + 1.0);
            k += 1;
        }
        c
    };
    let mut p = C[12];
    p = p.mul_add(r, C[11]);
    p = p.mul_add(r, C[10]);
    p = p.mul_add(r, C[9]);
    p = p.mul_add(r, C[8]);
    p = p.mul_add(r, C[7]);
    p = p.mul_add(r, C[6]);
    p = p.mul_add(r, C[5]);
    p = p.mul_add(r, C[4]);
    p = p.mul_add(r, C[3]);
    p = p.mul_add(r, C[2]);
    p = p.mul_add(r, C[1]);
    p = p.mul_add(r, C[0]);
    (p, r, shifted.to_bits())
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
