//! What a kernel computes with: the number of one neuron, or those of several side by side.
//!
//! The step of a model is written once, over a [`Number`], in operations that IEEE 754 defines to the
//! last bit. Of one neuron it is the reference; of many it is vector code with several vectors in
//! flight, whose instructions interleave because each operation of a [`Pair`] is one of both its
//! halves. All give the same bits on every instruction set.

use std::ops::{Add, BitAnd, BitOr, Div, Mul, Neg, Not, Sub};

use fearless_simd::{Bytes, Select, Simd, SimdBase, SimdFloat, SimdInt, SimdMask};
#[cfg(target_arch = "aarch64")]
use fearless_simd::{f32x4, f64x2, i32x4, i64x2, mask32x4, mask64x2};
#[cfg(target_arch = "x86_64")]
use fearless_simd::{
    f32x8, f32x16, f64x4, f64x8, i32x8, i32x16, i64x4, i64x8, mask32x8, mask32x16, mask64x4,
    mask64x8,
};

/// A number of single or double precision, or several side by side.
pub trait Number:
    Copy
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
{
    /// What a comparison says, for each of them.
    type Mask: Mask<Self>;

    /// Whether it is of single precision.
    const IS_SINGLE: bool;

    /// The same number, rounded to this precision, in the place of each of them.
    fn splat(self, x: f64) -> Self;

    /// `self`·a + b, rounded once.
    fn mul_add(self, a: Self, b: Self) -> Self;

    /// `self` < `other`; false for what is not a number, as all comparisons.
    fn lt(self, other: Self) -> Self::Mask;
    /// `self` ≤ `other`.
    fn le(self, other: Self) -> Self::Mask;

    /// `self` > `other`.
    #[inline(always)]
    fn gt(self, other: Self) -> Self::Mask {
        other.lt(self)
    }

    /// `self` ≥ `other`.
    #[inline(always)]
    fn ge(self, other: Self) -> Self::Mask {
        other.le(self)
    }

    /// `self`, but at least `floor`. What is not a number stays so, which takes one instruction; `f64::max` and
    /// `f64::min`, which take three, prefer the number.
    fn or_more(self, floor: Self) -> Self;

    /// `self`, but at most `ceiling`. What is not a number stays so.
    fn or_less(self, ceiling: Self) -> Self;

    /// The magnitude.
    fn abs(self) -> Self;

    /// The nearest whole number n (ties to even), as the low bits of a number for [`Number::scale`], and what
    /// is left: `self` − n. Of numbers within ±2²² (in double precision ±2⁵¹); beyond, and in the sign of a
    /// rest of 0, one number and several may differ.
    fn whole_and_rest(self) -> (Self, Self);

    /// `self`·2^n for an n that stands in the low bits of `n`; the result has to be a normal number.
    fn scale(self, n: Self) -> Self;

    /// m and e with m·2^e = `self` for a positive normal number; 0.75 ≤ m < 1.5 in single precision,
    /// √½ ≤ m < √2 in double.
    fn mantissa_and_exponent(self) -> (Self, Self);

    /// self^(−1/5) to 4 %, of a positive normal number.
    fn rough_inverse_fifth_root(self) -> Self;
}

/// A decision for each of the numbers side by side.
pub trait Mask<N>:
    Copy + BitAnd<Output = Self> + BitOr<Output = Self> + Not<Output = Self>
{
    /// `yes` where it holds, `no` elsewhere.
    fn select(self, yes: N, no: N) -> N;
}

/// Where the binade of a mantissa starts, as bits that are taken off before the exponent is read: 0.75.
const SINGLE_START: i32 = 0x3f40_0000;
/// √½.
const DOUBLE_START: i64 = 0x3fe6_a09e_667f_3bcd;

/// 1.5·2²³: adding it leaves the nearest whole number in the low bits.
const SINGLE_ROUND: f64 = 12_582_912.0;
/// 1.5·2⁵².
const DOUBLE_ROUND: f64 = 6_755_399_441_055_744.0;

/// Bits of a number are nearly its logarithm, too small by up to 0.086 of a binade: those of 1, from
/// which half of that is taken off; and the shift and the factor that make a fifth.
const SINGLE_ROOT: (i32, i32, u32, i32) = (0x3f80_0000, 0x3f80_0000 - 0x6_9b00, 12, 819);
/// The same in double precision.
const DOUBLE_ROOT: (i64, i64, u32, i64) =
    (0x3ff0_0000_0000_0000, 0x3ff0_0000_0000_0000 - 0xd35a_0000_0000, 16, 13_107);

macro_rules! one_number {
    (
        $float:ident, $bits:ident, $start:ident, $exponent:literal, $is_single:literal, $round:ident,
        $root:ident
    ) => {
        impl Number for $float {
            type Mask = bool;
            const IS_SINGLE: bool = $is_single;

            #[inline(always)]
            fn splat(self, x: f64) -> $float {
                x as $float
            }
            #[inline(always)]
            fn mul_add(self, a: $float, b: $float) -> $float {
                $float::mul_add(self, a, b)
            }
            #[inline(always)]
            fn lt(self, other: $float) -> bool {
                self < other
            }
            #[inline(always)]
            fn le(self, other: $float) -> bool {
                self <= other
            }
            #[inline(always)]
            fn or_more(self, floor: $float) -> $float {
                if floor > self { floor } else { self }
            }
            #[inline(always)]
            fn or_less(self, ceiling: $float) -> $float {
                if ceiling < self { ceiling } else { self }
            }
            #[inline(always)]
            fn abs(self) -> $float {
                $float::from_bits(self.to_bits() << 1 >> 1)
            }
            #[inline(always)]
            fn whole_and_rest(self) -> ($float, $float) {
                let round = $round as $float;
                let n = self + round;
                (n, self - (n - round))
            }
            #[inline(always)]
            fn scale(self, n: $float) -> $float {
                $float::from_bits(self.to_bits().wrapping_add(n.to_bits() << $exponent))
            }
            #[inline(always)]
            fn mantissa_and_exponent(self) -> ($float, $float) {
                let bits = self.to_bits() as $bits;
                let e = bits.wrapping_sub($start) >> $exponent;
                let m = bits.wrapping_sub(e << $exponent);
                ($float::from_bits(m.cast_unsigned()), e as $float)
            }
            #[inline(always)]
            fn rough_inverse_fifth_root(self) -> $float {
                let (one, from, shift, factor) = $root;
                let above = (self.to_bits() as $bits).wrapping_sub(one) >> shift;
                $float::from_bits(from.wrapping_sub(above.wrapping_mul(factor)).cast_unsigned())
            }
        }

        impl Mask<$float> for bool {
            #[inline(always)]
            fn select(self, yes: $float, no: $float) -> $float {
                if self { yes } else { no }
            }
        }

        impl Packed<OneByOne, $float> for $float {
            const LANES: usize = 1;

            #[inline(always)]
            fn read(_: OneByOne, from: &[$float]) -> $float {
                from[0]
            }
            #[inline(always)]
            fn write(self, to: &mut [$float]) {
                to[0] = self;
            }
            #[inline(always)]
            fn bits(mask: bool) -> u64 {
                u64::from(mask)
            }
        }
    };
}
one_number!(f32, i32, SINGLE_START, 23, true, SINGLE_ROUND, SINGLE_ROOT);
one_number!(f64, i64, DOUBLE_START, 52, false, DOUBLE_ROUND, DOUBLE_ROOT);

macro_rules! vector_of_numbers {
    (
        $simd:ty, $float:ident, $bits:ident, $mask:ident, $element:ident, $start:ident,
        $exponent:literal, $abs:ident, $splat:ident, $is_single:literal, $round:ident, $root:ident
    ) => {
        impl Number for $float<$simd> {
            type Mask = $mask<$simd>;
            const IS_SINGLE: bool = $is_single;

            #[inline(always)]
            fn splat(self, x: f64) -> Self {
                self.simd.$splat(x as $element)
            }
            #[inline(always)]
            fn mul_add(self, a: Self, b: Self) -> Self {
                self.mul_add_precise(a, b)
            }
            #[inline(always)]
            fn lt(self, other: Self) -> Self::Mask {
                self.simd_lt(other)
            }
            #[inline(always)]
            fn le(self, other: Self) -> Self::Mask {
                self.simd_le(other)
            }
            #[inline(always)]
            fn or_more(self, floor: Self) -> Self {
                // On x86 the second of two is taken unless the first is greater; elsewhere what is not
                // a number is the larger.
                floor.max(self)
            }
            #[inline(always)]
            fn or_less(self, ceiling: Self) -> Self {
                ceiling.min(self)
            }
            #[inline(always)]
            fn abs(self) -> Self {
                self.simd.$abs(self)
            }
            #[inline(always)]
            fn whole_and_rest(self) -> (Self, Self) {
                // (The rest does not wait for n: two operations after one another, not three.)
                (self + $round as $element, self - self.round_ties_even())
            }
            #[inline(always)]
            fn scale(self, n: Self) -> Self {
                Self::from_bits(self.to_bits() + (n.to_bits() << $exponent))
            }
            #[inline(always)]
            fn mantissa_and_exponent(self) -> (Self, Self) {
                let bits: $bits<$simd> = Bytes::bitcast(self);
                let e = (bits - $start) >> $exponent;
                (Bytes::bitcast(bits - (e << $exponent)), e.to_float())
            }
            #[inline(always)]
            fn rough_inverse_fifth_root(self) -> Self {
                let (one, from, shift, factor) = $root;
                let bits: $bits<$simd> = Bytes::bitcast(self);
                let fifth = ((bits - one) >> shift) * factor;
                Bytes::bitcast(-(fifth - from))
            }
        }

        impl Mask<$float<$simd>> for $mask<$simd> {
            #[inline(always)]
            fn select(self, yes: $float<$simd>, no: $float<$simd>) -> $float<$simd> {
                Select::select(self, yes, no)
            }
        }

        impl Packed<Vectors<$simd>, $element> for $float<$simd> {
            const LANES: usize = <Self as SimdBase<$simd>>::LEN;

            #[inline(always)]
            fn read(width: Vectors<$simd>, from: &[$element]) -> Self {
                Self::from_slice(width.0, &from[..Self::LEN])
            }
            #[inline(always)]
            fn write(self, to: &mut [$element]) {
                self.store_slice(&mut to[..Self::LEN]);
            }
            #[inline(always)]
            fn bits(mask: Self::Mask) -> u64 {
                mask.to_bitmask()
            }
        }
    };
}

/// The vectors of an instruction set, as large as its registers: larger ones of an array of registers
/// give the same bits, but a compiler takes a minute for them.
macro_rules! vectors {
    (
        $simd:ty, $in_flight:ty,
        $single:ident $whole:ident $single_mask:ident $single_abs:ident $single_splat:ident,
        $double:ident $bits:ident $double_mask:ident $double_abs:ident $double_splat:ident
    ) => {
        vector_of_numbers!(
            $simd,
            $single,
            $whole,
            $single_mask,
            f32,
            SINGLE_START,
            23,
            $single_abs,
            $single_splat,
            true,
            SINGLE_ROUND,
            SINGLE_ROOT
        );
        vector_of_numbers!(
            $simd,
            $double,
            $bits,
            $double_mask,
            f64,
            DOUBLE_START,
            52,
            $double_abs,
            $double_splat,
            false,
            DOUBLE_ROUND,
            DOUBLE_ROOT
        );

        impl Whole<Vectors<$simd>> for $single<$simd> {
            #[inline(always)]
            fn read_whole(width: Vectors<$simd>, from: &[i32]) -> Self {
                $whole::from_slice(width.0, &from[..$whole::<$simd>::LEN]).to_float()
            }
        }

        impl Width for Vectors<$simd> {
            type Single = $in_flight;
            type Double = Pair<$double<$simd>>;
        }
    };
}
#[cfg(target_arch = "x86_64")]
vectors!(
    fearless_simd::x86::Avx512, Pair<f32x16<fearless_simd::x86::Avx512>>,
    f32x16 i32x16 mask32x16 abs_f32x16 splat_f32x16,
    f64x8 i64x8 mask64x8 abs_f64x8 splat_f64x8
);
#[cfg(target_arch = "x86_64")]
vectors!(
    // Four in flight: of what follows from one another two leave gaps (a fifth of the speed of `arcana`).
    fearless_simd::x86::Avx2, Pair<Pair<f32x8<fearless_simd::x86::Avx2>>>,
    f32x8 i32x8 mask32x8 abs_f32x8 splat_f32x8,
    f64x4 i64x4 mask64x4 abs_f64x4 splat_f64x4
);
#[cfg(target_arch = "aarch64")]
vectors!(
    fearless_simd::aarch64::Neon, Pair<Pair<f32x4<fearless_simd::aarch64::Neon>>>,
    f32x4 i32x4 mask32x4 abs_f32x4 splat_f32x4,
    f64x2 i64x2 mask64x2 abs_f64x2 splat_f64x2
);

/// Two of them: twice as many in flight.
#[derive(Debug, Clone, Copy)]
pub struct Pair<T>(pub T, pub T);

macro_rules! of_both {
    ($($operation:ident, $method:ident, $bound:ident;)*) => {$(
        impl<T: $bound<Output = T>> $bound for Pair<T> {
            type Output = Pair<T>;
            #[inline(always)]
            fn $operation(self, other: Pair<T>) -> Pair<T> {
                Pair(self.0.$method(other.0), self.1.$method(other.1))
            }
        }
    )*};
}
of_both! {
    add, add, Add;
    sub, sub, Sub;
    mul, mul, Mul;
    div, div, Div;
    bitand, bitand, BitAnd;
    bitor, bitor, BitOr;
}

impl<T: Neg<Output = T>> Neg for Pair<T> {
    type Output = Pair<T>;
    #[inline(always)]
    fn neg(self) -> Pair<T> {
        Pair(-self.0, -self.1)
    }
}

impl<T: Not<Output = T>> Not for Pair<T> {
    type Output = Pair<T>;
    #[inline(always)]
    fn not(self) -> Pair<T> {
        Pair(!self.0, !self.1)
    }
}

impl<N: Number> Number for Pair<N> {
    type Mask = Pair<N::Mask>;
    const IS_SINGLE: bool = N::IS_SINGLE;

    #[inline(always)]
    fn splat(self, x: f64) -> Self {
        Pair(self.0.splat(x), self.1.splat(x))
    }
    #[inline(always)]
    fn mul_add(self, a: Self, b: Self) -> Self {
        Pair(self.0.mul_add(a.0, b.0), self.1.mul_add(a.1, b.1))
    }
    #[inline(always)]
    fn lt(self, other: Self) -> Self::Mask {
        Pair(self.0.lt(other.0), self.1.lt(other.1))
    }
    #[inline(always)]
    fn le(self, other: Self) -> Self::Mask {
        Pair(self.0.le(other.0), self.1.le(other.1))
    }
    #[inline(always)]
    fn or_more(self, floor: Self) -> Self {
        Pair(self.0.or_more(floor.0), self.1.or_more(floor.1))
    }
    #[inline(always)]
    fn or_less(self, ceiling: Self) -> Self {
        Pair(self.0.or_less(ceiling.0), self.1.or_less(ceiling.1))
    }
    #[inline(always)]
    fn abs(self) -> Self {
        Pair(self.0.abs(), self.1.abs())
    }
    #[inline(always)]
    fn whole_and_rest(self) -> (Self, Self) {
        let ((n0, r0), (n1, r1)) = (self.0.whole_and_rest(), self.1.whole_and_rest());
        (Pair(n0, n1), Pair(r0, r1))
    }
    #[inline(always)]
    fn scale(self, n: Self) -> Self {
        Pair(self.0.scale(n.0), self.1.scale(n.1))
    }
    #[inline(always)]
    fn mantissa_and_exponent(self) -> (Self, Self) {
        let (m0, e0) = self.0.mantissa_and_exponent();
        let (m1, e1) = self.1.mantissa_and_exponent();
        (Pair(m0, m1), Pair(e0, e1))
    }
    #[inline(always)]
    fn rough_inverse_fifth_root(self) -> Self {
        Pair(self.0.rough_inverse_fifth_root(), self.1.rough_inverse_fifth_root())
    }
}

impl<N: Number> Mask<Pair<N>> for Pair<N::Mask> {
    #[inline(always)]
    fn select(self, yes: Pair<N>, no: Pair<N>) -> Pair<N> {
        Pair(self.0.select(yes.0, no.0), self.1.select(yes.1, no.1))
    }
}

/// Numbers that lie side by side in memory, for a [`Width`] `W` and elements `E`.
pub trait Packed<W, E>: Number {
    /// How many they are.
    const LANES: usize;
    /// Reads the first of a slice.
    fn read(width: W, from: &[E]) -> Self;
    /// Writes them to the first of a slice.
    fn write(self, to: &mut [E]);
    /// A decision as bits, the first the lowest.
    fn bits(mask: Self::Mask) -> u64;
}

impl<W: Copy, E, N: Packed<W, E>> Packed<W, E> for Pair<N> {
    const LANES: usize = 2 * N::LANES;

    #[inline(always)]
    fn read(width: W, from: &[E]) -> Self {
        Pair(N::read(width, from), N::read(width, &from[N::LANES..]))
    }
    #[inline(always)]
    fn write(self, to: &mut [E]) {
        self.0.write(to);
        self.1.write(&mut to[N::LANES..]);
    }
    #[inline(always)]
    fn bits(mask: Pair<N::Mask>) -> u64 {
        N::bits(mask.0) | N::bits(mask.1) << N::LANES
    }
}

/// Numbers that are read from whole ones.
pub trait Whole<W> {
    /// Reads the first of a slice.
    fn read_whole(width: W, from: &[i32]) -> Self;
}

impl<W: Copy, N: Packed<W, f32> + Whole<W>> Whole<W> for Pair<N> {
    #[inline(always)]
    fn read_whole(width: W, from: &[i32]) -> Self {
        Pair(N::read_whole(width, from), N::read_whole(width, &from[N::LANES..]))
    }
}

/// How many numbers are computed side by side, and with which instructions.
pub trait Width: Copy {
    /// Numbers of single precision.
    type Single: Packed<Self, f32> + Whole<Self>;
    /// Numbers of double precision.
    type Double: Packed<Self, f64>;
}

/// One number after the other.
#[derive(Debug, Clone, Copy)]
pub struct OneByOne;

impl Width for OneByOne {
    type Single = f32;
    type Double = f64;
}

impl Whole<OneByOne> for f32 {
    #[inline(always)]
    fn read_whole(_: OneByOne, from: &[i32]) -> f32 {
        from[0] as f32
    }
}

/// Vectors of an instruction set, several in flight.
#[derive(Debug, Clone, Copy)]
pub struct Vectors<S>(pub S);

/// Evaluates something with the [`Width`] of an instruction set that has fused multiply-adds, compiled
/// for that instruction set: AVX-512 as from Ice Lake and Zen 4 on, AVX2, or NEON; without one, one by
/// one. (To emulate them in vectors takes longer than that.)
///
/// What it calls has to be inlined: any other function is compiled without the instruction set, so that vectors go
/// through memory and each operation on them is a call. That may befall a closure of several uses, `map` of an array,
/// and `array::from_fn`.
macro_rules! with_width {
    ($level:expr, $width:ident => $evaluate:expr) => {{
        use $crate::circuit::number::{OneByOne, Vectors};
        let level: fearless_simd::Level = $level;
        #[cfg(target_arch = "x86_64")]
        if let Some(simd) = level.as_avx512() {
            let $width = Vectors(simd);
            fearless_simd::Simd::vectorize(
                simd,
                #[inline(always)]
                || $evaluate,
            )
        } else if let Some(simd) = level.as_avx2() {
            let $width = Vectors(simd);
            fearless_simd::Simd::vectorize(
                simd,
                #[inline(always)]
                || $evaluate,
            )
        } else {
            let $width = OneByOne;
            $evaluate
        }
        // Not tested: we have no such machine.
        #[cfg(target_arch = "aarch64")]
        if let Some(simd) = level.as_neon() {
            let $width = Vectors(simd);
            fearless_simd::Simd::vectorize(
                simd,
                #[inline(always)]
                || $evaluate,
            )
        } else {
            let $width = OneByOne;
            $evaluate
        }
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        {
            let $width = OneByOne;
            $evaluate
        }
    }};
}
pub(crate) use with_width;

#[cfg(all(test, target_arch = "x86_64"))]
#[allow(clippy::disallowed_methods)] // libm is the independent reference here.
mod tests {
    use super::*;
    use crate::circuit::math::LEVEL;

    /// Numbers at a time: more than fit into vectors.
    const N: usize = 64;

    /// 2 to the power of the whole part of each number, and its rest.
    #[inline(always)]
    fn parts<W: Copy, E: Copy + Default, P: Packed<W, E>>(width: W, x: &[E; N]) -> [[E; N]; 2] {
        let [mut power, mut rest] = [[E::default(); N]; 2];
        for at in (0..N).step_by(P::LANES) {
            let (n, r) = P::read(width, &x[at..]).whole_and_rest();
            n.splat(1.0).scale(n).write(&mut power[at..]);
            r.write(&mut rest[at..]);
        }
        [power, rest]
    }

    #[inline(always)]
    fn single<W: Width>(width: W, x: &[f32; N]) -> [[f32; N]; 2] {
        parts::<W, f32, W::Single>(width, x)
    }

    #[inline(always)]
    fn double<W: Width>(width: W, x: &[f64; N]) -> [[f64; N]; 2] {
        parts::<W, f64, W::Double>(width, x)
    }

    /// Vectors round with another instruction than one number does. (Signs of zeros do not count.)
    #[test]
    fn whole_parts_and_rests_are_the_same_for_every_width() {
        let halves = (-252..254).map(|k| 0.5 * f64::from(k));
        let others = (0..6022).map(|k| f64::from(k - 3000) * 0.0407);
        let all: Vec<f64> = halves.chain(others).collect();
        let singles: Vec<f32> = all.iter().map(|x| *x as f32).collect();
        let singles = singles.iter().flat_map(|x| [*x, x.next_up(), x.next_down(), -x]);
        let doubles = all.iter().flat_map(|x| [*x, x.next_up(), x.next_down(), -x]);
        let (singles, doubles): (Vec<f32>, Vec<f64>) = (singles.collect(), doubles.collect());
        let ([], []) = (singles.as_chunks::<N>().1, doubles.as_chunks::<N>().1) else {
            panic!("{} numbers", doubles.len())
        };
        let without_vectors = LEVEL.as_sse2().map(Simd::level);
        let levels = [Some(*LEVEL), LEVEL.as_avx2().map(Simd::level), without_vectors];
        for level in levels.into_iter().flatten() {
            for x in singles.as_chunks().0 {
                let [powers, rests] = with_width!(level, width => single(width, x));
                for ((x, power), rest) in x.iter().zip(powers).zip(rests) {
                    let whole = x.round_ties_even();
                    assert_eq!((power, rest), (whole.exp2(), x - whole), "{x} in single precision");
                }
            }
            for x in doubles.as_chunks().0 {
                let [powers, rests] = with_width!(level, width => double(width, x));
                for ((x, power), rest) in x.iter().zip(powers).zip(rests) {
                    let whole = x.round_ties_even();
                    assert_eq!((power, rest), (whole.exp2(), x - whole), "{x}");
                }
            }
            // At the ends of the range only the rest has a meaning.
            let x = std::array::from_fn(|k| (k as f32 - 32.5) * 128_999.99);
            let [_, rests] = with_width!(level, width => single(width, &x));
            assert_eq!(rests, x.map(|x| x - x.round_ties_even()));
            let x = std::array::from_fn(|k| (k as f64 - 32.5) * 69_286_000_000_000.9);
            let [_, rests] = with_width!(level, width => double(width, &x));
            assert_eq!(rests, x.map(|x| x - x.round_ties_even()));
        }
    }
}
