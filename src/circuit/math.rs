//! Elementary functions with the same bits on every platform.
//!
//! `std`'s `exp`, `ln` and `powf` call the platform's libm, which differs between systems in the
//! last digits, is not vectorised and has no counterpart on a GPU. These are polynomials in
//! explicit fused multiply-adds (IEEE 754 `fma`, exact by definition everywhere): a scalar loop
//! over them vectorises, and any lane width gives the same bits as one lane.
//!
//! The single-precision coefficients are minimax fits (Remez exchange in 40-digit arithmetic); the
//! double-precision logarithm is the series of `2·artanh(s)`, `s = (m−1)/(m+1)`.

/// ln 2 in two parts, the first with so few bits that its product with an exponent is exact.
const LN2_HIGH: f64 = 6.931_471_803_691_238e-1;
const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;

/// `2^x` in single precision; relative error below 2e-7.
///
/// `x` is clamped to [−126, 127], so that the result is always a normal, finite number (a logistic
/// far from its threshold saturates and never becomes infinite). NaN is outside its domain.
#[inline(always)]
#[must_use]
pub fn exp2(x: f32) -> f32 {
    /// Adding and subtracting 1.5·2²³ rounds to the nearest integer (ties to even).
    const ROUND: f32 = 12_582_912.0;
    // Comparisons, not `min` and `max`, which cost more for the sake of NaN.
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
    p = p.mul_add(r, 1.0);
    // The low bits of `shifted` hold n: moving them into the exponent multiplies by 2^n.
    f32::from_bits(p.to_bits().wrapping_add(shifted.to_bits() << 23))
}

/// `log2 x` in single precision for positive normal `x`; relative error below 2e-7, also near 1.
///
/// Zero, subnormal, negative, infinite and NaN arguments are outside its domain: currents are at
/// least the dark current.
#[inline(always)]
#[must_use]
pub fn log2(x: f32) -> f32 {
    // x = m·2^e with m in [0.75, 1.5): subtracting the bits of 0.75 before the shift moves the
    // boundary of the binade there.
    let bits = x.to_bits() as i32;
    let e = (bits.wrapping_sub(0x3f40_0000)) >> 23;
    let m = f32::from_bits((bits.wrapping_sub(e << 23)) as u32);
    let z = m - 1.0;
    let mut p = 7.806_673e-2_f32;
    p = p.mul_add(z, -1.742_302_2e-1);
    p = p.mul_add(z, 2.163_248_6e-1);
    p = p.mul_add(z, -2.427_235_2e-1);
    p = p.mul_add(z, 2.881_915e-1);
    p = p.mul_add(z, -3.605_759e-1);
    p = p.mul_add(z, 4.809_020_8e-1);
    p = p.mul_add(z, -7.213_485e-1);
    p = p.mul_add(z, std::f32::consts::LOG2_E);
    p.mul_add(z, e as f32)
}

/// Natural logarithm in double precision for positive normal `x`; relative error below 1e-15.
#[inline]
#[must_use]
pub fn ln(x: f64) -> f64 {
    // m in [√½, √2): s = (m−1)/(m+1) stays within ±0.1716 and eleven terms reach the last bit.
    const SQRT_HALF_BITS: i64 = 0x3fe6_a09e_667f_3bcd;
    let bits = x.to_bits() as i64;
    let e = (bits.wrapping_sub(SQRT_HALF_BITS)) >> 52;
    let m = f64::from_bits((bits.wrapping_sub(e << 52)) as u64);
    let f = m - 1.0;
    let s = f / (m + 1.0);
    let s2 = s * s;
    let mut p = 2.0 / 23.0;
    for k in (1..=10).rev() {
        p = f64::mul_add(p, s2, 2.0 / f64::from(2 * k + 1));
    }
    // ln m = 2s + s³·p
    let e = e as f64;
    let small = f64::mul_add(s * s2, p, e * LN2_LOW);
    f64::mul_add(e, LN2_HIGH, 2.0 * s + small)
}

/// `ln(1 + x)` in double precision for −1 < x; relative error below 2e-15, also near 0.
#[must_use]
pub fn ln_1p(x: f64) -> f64 {
    let y = 1.0 + x;
    if y == 1.0 {
        return x;
    }
    // What rounding took from 1 + x is given back (Goldberg 1991, theorem 4).
    ln(y) * x / (y - 1.0)
}

/// `e^x` in double precision for |x| < 700; relative error below 1e-15.
#[inline]
#[must_use]
pub fn exp(x: f64) -> f64 {
    let n = (x * std::f64::consts::LOG2_E).round_ties_even();
    let r = f64::mul_add(n, -LN2_LOW, f64::mul_add(n, -LN2_HIGH, x));
    // |r| ≤ ½·ln 2: the Taylor series reaches the last bit with 13 terms.
    let mut p = 1.0;
    for k in (1..=13).rev() {
        p = f64::mul_add(p, r / f64::from(k), 1.0);
    }
    f64::from_bits((p.to_bits() as i64).wrapping_add((n as i64) << 52) as u64)
}

/// `e^x − 1` in double precision for |x| < 700; relative error below 2e-15, also near 0.
#[must_use]
pub fn exp_m1(x: f64) -> f64 {
    if x.abs() > 0.5 {
        return exp(x) - 1.0;
    }
    // x·(1 + x/2·(1 + x/3·(…))): eighteen terms reach the last bit at one half.
    let mut p = 1.0;
    for k in (2..=18).rev() {
        p = f64::mul_add(p, x / f64::from(k), 1.0);
    }
    x * p
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)] // libm is the independent reference here.
mod tests {
    use super::*;

    #[test]
    fn exp2_and_log2_agree_with_double_precision() {
        let mut worst = (0.0_f64, 0.0_f64);
        for k in 0..400_000 {
            let x = -125.0 + f64::from(k) * (251.0 / 400_000.0);
            let exact = f64::from(x as f32).exp2();
            worst.0 = worst.0.max((f64::from(exp2(x as f32)) / exact - 1.0).abs());
            let y = exact as f32;
            let exact = f64::from(y).log2();
            if exact != 0.0 {
                worst.1 = worst.1.max((f64::from(log2(y)) / exact - 1.0).abs());
            }
        }
        assert!(worst.0 < 2e-7, "exp2: {}", worst.0);
        assert!(worst.1 < 2e-7, "log2: {}", worst.1);
    }

    #[test]
    fn log2_keeps_its_relative_accuracy_next_to_one() {
        for k in -1000..1000 {
            let x = f32::from_bits((1.0_f32.to_bits() as i32 + k) as u32);
            let exact = f64::from(x).log2();
            let error = (f64::from(log2(x)) - exact).abs();
            assert!(error <= 2e-7 * exact.abs(), "{x}: {error:e}");
        }
    }

    #[test]
    fn exp2_saturates() {
        assert_eq!(exp2(-1e30), 2.0_f32.powi(-126));
        assert_eq!(exp2(1e30), 2.0_f32.powi(127));
        assert_eq!(exp2(0.0), 1.0);
        assert_eq!(log2(1.0), 0.0);
    }

    #[test]
    fn ln_agrees_with_libm_to_the_last_digits() {
        for k in 1..200_000 {
            let x = f64::from(k) * 1.234_567e-5;
            for x in [x, 1.0 / x, x * 1e-13] {
                let (ours, libm) = (ln(x), x.ln());
                assert!((ours - libm).abs() <= 1e-15 * libm.abs().max(1e-3), "{x}: {ours} {libm}");
            }
        }
        assert_eq!(ln(1.0), 0.0);
    }

    #[test]
    fn exp_agrees_with_libm_to_the_last_digits() {
        for k in -60_000..60_000 {
            let x = f64::from(k) * 1.01e-2;
            assert!((exp(x) / x.exp() - 1.0).abs() < 1e-15, "{x}");
        }
        assert_eq!(exp(0.0), 1.0);
    }

    #[test]
    fn exp_m1_agrees_with_libm() {
        for k in -20_000..20_000 {
            for x in [f64::from(k) * 1e-4, f64::from(k) * 1e-12] {
                let exact = x.exp_m1();
                assert!((exp_m1(x) - exact).abs() <= 2e-15 * exact.abs(), "{x}");
            }
        }
    }

    #[test]
    fn ln_1p_agrees_with_libm() {
        for k in -9_999..20_000 {
            for x in [f64::from(k) * 1e-4, f64::from(k) * 1e-13] {
                let exact = x.ln_1p();
                assert!((ln_1p(x) - exact).abs() <= 2e-15 * exact.abs(), "{x}");
            }
        }
    }
}
