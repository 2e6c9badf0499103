//! Elementary functions with the same bits on every platform.
//!
//! `std`'s `exp`, `ln` and `powf` call the platform's libm, which differs between systems in the
//! last digits, is not vectorised and has no counterpart on a GPU. These are polynomials in
//! explicit fused multiply-adds (IEEE 754 `fma`, exact by definition everywhere), those of single
//! precision over any [`Number`]: any lane width gives the same bits as one lane.
//!
//! The single-precision coefficients are minimax fits (Remez exchange in 40-digit arithmetic); the
//! double-precision logarithm is the series of `2·artanh(s)`, `s = (m−1)/(m+1)`.

use std::sync::LazyLock;

use fearless_simd::Level;

use super::number::{Number, with_width};

/// ln 2 in two parts, the first with so few bits that its product with an exponent is exact.
pub(crate) const LN2_HIGH: f64 = 6.931_471_803_691_238e-1;
/// See [`LN2_HIGH`].
pub(crate) const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;

/// The polynomial with these coefficients, the highest first.
#[inline(always)]
pub(crate) fn horner<V: Number, const N: usize>(x: V, coefficients: [f64; N]) -> V {
    let mut p = x.splat(coefficients[0]);
    for c in &coefficients[1..] {
        p = p.mul_add(x, x.splat(*c));
    }
    p
}

/// `2^x` in single precision; relative error below 2e-7.
///
/// `x` is clamped to [−126, 127], so that the result is always a normal, finite number (a logistic
/// far from its threshold saturates and never becomes infinite). NaN is outside its domain.
#[inline(always)]
#[must_use]
pub fn exp2<V: Number>(x: V) -> V {
    exp2_within(x.or_less(x.splat(127.0)).or_more(x.splat(-126.0)))
}

/// `2^x` in single precision for −126 ≤ x ≤ 127, which is not checked: beyond, and of NaN, the
/// result has no meaning, and may differ between instruction sets. Relative error below 2e-7.
#[inline(always)]
#[must_use]
pub fn exp2_within<V: Number>(x: V) -> V {
    let (n, r) = x.whole_and_rest();
    horner(r, EXP2_M1).mul_add(r, x.splat(1.0)).scale(n)
}

/// (2^r − 1)/r for |r| ≤ ½, in single precision.
pub(crate) const EXP2_M1: [f64; 6] =
    [1.534_581_2e-4, 1.339_993_1e-3, 9.618_489e-3, 5.550_328_8e-2, 2.402_264_7e-1, 6.931_472e-1];

/// `log2 x` in single precision for positive normal `x`; relative error below 2e-7, also near 1.
///
/// Zero, subnormal, negative, infinite and NaN arguments are outside its domain: currents are at
/// least the dark current.
#[inline(always)]
#[must_use]
pub fn log2<V: Number>(x: V) -> V {
    let (m, e) = x.mantissa_and_exponent();
    let z = m - x.splat(1.0);
    horner(z, LOG2_M1).mul_add(z, e)
}

/// log2(1 + z)/z for −0.25 ≤ z < 0.5, in single precision.
pub(crate) const LOG2_M1: [f64; 9] = [
    7.806_673e-2,
    -1.742_302_2e-1,
    2.163_248_6e-1,
    -2.427_235_2e-1,
    2.881_915e-1,
    -3.605_759e-1,
    4.809_020_8e-1,
    -7.213_485e-1,
    std::f64::consts::LOG2_E,
];

/// The processor's instruction set, asked once.
pub(crate) static LEVEL: LazyLock<Level> = LazyLock::new(Level::new);

/// Natural logarithm in double precision for positive normal `x`; relative error below 1e-15.
#[must_use]
pub fn ln(x: f64) -> f64 {
    let [ln] = ln_each([x]);
    ln
}

/// [`ln`] of several numbers, which takes little longer than one.
#[must_use]
pub fn ln_each<const N: usize>(x: [f64; N]) -> [f64; N] {
    // Where the processor has fused multiply-adds, it is compiled to them.
    with_width!(*LEVEL, _width => natural_logarithms(x))
}

/// ln((1 + s)/(1 − s)) in double precision: (…/s − 2)/s², in s². (Where they are computed from k in a loop, the compiler
/// divides for each.)
pub(crate) const LN_TERMS: [f64; 10] = [
    2.0 / 21.0,
    2.0 / 19.0,
    2.0 / 17.0,
    2.0 / 15.0,
    2.0 / 13.0,
    2.0 / 11.0,
    2.0 / 9.0,
    2.0 / 7.0,
    2.0 / 5.0,
    2.0 / 3.0,
];

/// [`ln_each`] for those who are compiled for an instruction set themselves.
#[inline(always)]
pub(crate) fn natural_logarithms<const N: usize>(mut x: [f64; N]) -> [f64; N] {
    for x in &mut x {
        *x = natural_logarithm(*x);
    }
    x
}

#[inline(always)]
fn natural_logarithm(x: f64) -> f64 {
    // m in [√½, √2): s = (m−1)/(m+1) stays within ±0.1716 and eleven terms reach the last bit.
    const SQRT_HALF_BITS: i64 = 0x3fe6_a09e_667f_3bcd;
    let bits = x.to_bits() as i64;
    let e = (bits.wrapping_sub(SQRT_HALF_BITS)) >> 52;
    let m = f64::from_bits((bits.wrapping_sub(e << 52)) as u64);
    let f = m - 1.0;
    let s = f / (m + 1.0);
    let s2 = s * s;
    let mut p = 2.0 / 23.0;
    for term in LN_TERMS {
        p = f64::mul_add(p, s2, term);
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

/// `e^x` in double precision, relative error below 1e-15; 0 below −708, infinite above 709.
#[must_use]
pub fn exp(x: f64) -> f64 {
    with_width!(*LEVEL, _width => exponential(x))
}

#[inline(always)]
fn exponential(x: f64) -> f64 {
    if x < -708.0 {
        return 0.0;
    }
    if x > 709.0 {
        return f64::INFINITY;
    }
    let n = (x * std::f64::consts::LOG2_E).round_ties_even();
    let r = f64::mul_add(n, -LN2_LOW, f64::mul_add(n, -LN2_HIGH, x));
    // |r| ≤ ½·ln 2: the Taylor series reaches the last bit with 13 terms.
    let mut p = 1.0;
    for k in (1..=13).rev() {
        p = f64::mul_add(p, r / f64::from(k), 1.0);
    }
    f64::from_bits((p.to_bits() as i64).wrapping_add((n as i64) << 52) as u64)
}

/// `e^x − 1` in double precision; relative error below 2e-15, also near 0.
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

/// Above the magnitude of [`normal_quantile`] for every draw of
/// [`open_unit`](crate::rng::open_unit), whose smallest is 2⁻⁵³.
pub const HIGHEST_QUANTILE: f64 = 8.25;

/// The quantile of the standard normal distribution for 0 < `p` < 1: a uniform draw becomes a normal
/// one. Relative error below 1e-15 (Wichura 1988, Algorithm AS 241, PPND16).
#[must_use]
pub fn normal_quantile(p: f64) -> f64 {
    const CENTRE: [[f64; 8]; 2] = [
        [
            2.509_080_928_730_122_7e3,
            3.343_057_558_358_813e4,
            6.726_577_092_700_87e4,
            4.592_195_393_154_987e4,
            1.373_169_376_550_946e4,
            1.971_590_950_306_551_3e3,
            1.331_416_678_917_843_8e2,
            3.387_132_872_796_366_5,
        ],
        [
            5.226_495_278_852_854e3,
            2.872_908_573_572_194_3e4,
            3.930_789_580_009_271e4,
            2.121_379_430_158_659_7e4,
            5.394_196_021_424_751e3,
            6.871_870_074_920_579e2,
            4.231_333_070_160_091e1,
            1.0,
        ],
    ];
    const SHOULDER: [[f64; 8]; 2] = [
        [
            7.745_450_142_783_414e-4,
            2.272_384_498_926_918_4e-2,
            2.417_807_251_774_506e-1,
            1.270_458_252_452_368_4,
            3.647_848_324_763_204_5,
            5.769_497_221_460_691,
            4.630_337_846_156_546,
            1.423_437_110_749_683_5,
        ],
        [
            1.050_750_071_644_416_9e-9,
            5.475_938_084_995_345e-4,
            1.519_866_656_361_645_7e-2,
            1.481_039_764_274_800_8e-1,
            6.897_673_349_851e-1,
            1.676_384_830_183_803_8,
            2.053_191_626_637_759,
            1.0,
        ],
    ];
    const TAIL: [[f64; 8]; 2] = [
        [
            2.010_334_399_292_288_1e-7,
            2.711_555_568_743_487_6e-5,
            1.242_660_947_388_078_4e-3,
            2.653_218_952_657_612_4e-2,
            2.965_605_718_285_048_7e-1,
            1.784_826_539_917_291_3,
            5.463_784_911_164_114,
            6.657_904_643_501_103,
        ],
        [
            2.044_263_103_389_939_8e-15,
            1.421_511_758_316_446e-7,
            1.846_318_317_510_054_8e-5,
            7.868_691_311_456_133e-4,
            1.487_536_129_085_061_5e-2,
            1.369_298_809_227_358e-1,
            5.998_322_065_558_88e-1,
            1.0,
        ],
    ];
    fn ratio([above, below]: &[[f64; 8]; 2], r: f64) -> f64 {
        let horner = |c: &[f64; 8]| c[1..].iter().fold(c[0], |sum, c| f64::mul_add(sum, r, *c));
        horner(above) / horner(below)
    }
    let q = p - 0.5;
    if q.abs() <= 0.425 {
        return q * ratio(&CENTRE, f64::mul_add(-q, q, 0.180_625));
    }
    let tail = if q < 0.0 { p } else { 1.0 - p };
    let r = (-ln(tail)).sqrt();
    let x = if r <= 5.0 { ratio(&SHOULDER, r - 1.6) } else { ratio(&TAIL, r - 5.0) };
    if q < 0.0 { -x } else { x }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)] // libm is the independent reference here.
mod tests {
    use super::*;

    #[test]
    fn exponentials_far_out() {
        for x in [-708.5, -709.6, -710.0, -745.0, -1000.0, -1e6, f64::NEG_INFINITY] {
            assert_eq!((exp(x), exp_m1(x)), (0.0, -1.0), "{x}");
        }
        for x in [709.5, 710.0, 1e6, f64::INFINITY] {
            assert_eq!((exp(x), exp_m1(x)), (f64::INFINITY, f64::INFINITY), "{x}");
        }
        for x in [-707.9, 708.9_f64] {
            assert!((exp(x) / x.exp() - 1.0).abs() < 1e-15, "{x}");
        }
        assert!(exp(f64::NAN).is_nan());
    }

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

    /// Values of the inverse error function in 40-digit arithmetic.
    #[test]
    fn normal_quantiles_are_those_of_the_tables() {
        for (p, expected) in [
            (0.5000001, 2.506628273311648e-07),
            (0.6, 0.2533471031357997),
            (0.9, 1.2815515655446006),
            (0.925, 1.4395314709384561),
            (0.93, 1.475791028179171),
            (0.07, -1.4757910281791706),
            (0.01, -2.326347874040841),
            (0.001, -3.0902323061678136),
            (1e-6, -4.753424308822899),
            (1e-10, -6.361340902404057),
            (1.3e-11, -6.667611456510741),
            (1e-12, -7.034483825301132),
            (1.1102230246251565e-16, -8.209536151601387),
        ] {
            let found = normal_quantile(p);
            assert!((found / expected - 1.0).abs() < 2e-15, "{p}: {found} {expected}");
        }
        assert_eq!(normal_quantile(0.5), 0.0);
        // Odd, and ascending over the seams between the three fits.
        let mut last = f64::NEG_INFINITY;
        for k in 1..4096 {
            let x = normal_quantile(f64::from(k) / 4096.0);
            assert!(x > last);
            assert_eq!(x, -normal_quantile(1.0 - f64::from(k) / 4096.0));
            last = x;
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
