//! What a kernel computes with: the number of one neuron, or those of several side by side.
//!
//! The step of a model is written once, over a [`Number`], in operations that IEEE 754 defines to the
//! last bit. Of one neuron it is the reference; of many it is vector code with several vectors in
//! flight, whose instructions interleave because each operation of a [`Pair`] is one of both its
//! halves. All give the same bits on every instruction set.

use std::ops::{Add, BitAnd, BitOr, Div, Mul, Neg, Not, Sub};

use fearless_simd::{
    Bytes, Select, Simd, SimdBase, SimdFloat, SimdInt, SimdMask, f32x16, i32x16, mask32x16,
};

/// A single-precision number, or several side by side.
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

    /// The same number in the place of each of them.
    fn splat(self, x: f32) -> Self;

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

    /// `self`, but at least `floor`. What is not a number stays so.
    fn or_more(self, floor: Self) -> Self;

    /// `self`, but at most `ceiling`. What is not a number stays so.
    fn or_less(self, ceiling: Self) -> Self;

    /// `self`·2^n for an n that stands in the low bits of `n`; the result has to be a normal number.
    fn scale(self, n: Self) -> Self;

    /// m and e with m·2^e = `self`, 0.75 ≤ m < 1.5, of a positive normal number.
    fn mantissa_and_exponent(self) -> (Self, Self);
}

/// A decision for each of the numbers side by side.
pub trait Mask<N>:
    Copy + BitAnd<Output = Self> + BitOr<Output = Self> + Not<Output = Self>
{
    /// `yes` where it holds, `no` elsewhere.
    fn select(self, yes: N, no: N) -> N;
}

impl Number for f32 {
    type Mask = bool;

    #[inline(always)]
    fn splat(self, x: f32) -> f32 {
        x
    }
    #[inline(always)]
    fn mul_add(self, a: f32, b: f32) -> f32 {
        f32::mul_add(self, a, b)
    }
    #[inline(always)]
    fn lt(self, other: f32) -> bool {
        self < other
    }
    #[inline(always)]
    fn le(self, other: f32) -> bool {
        self <= other
    }
    #[inline(always)]
    fn or_more(self, floor: f32) -> f32 {
        if floor > self { floor } else { self }
    }
    #[inline(always)]
    fn or_less(self, ceiling: f32) -> f32 {
        if ceiling < self { ceiling } else { self }
    }
    #[inline(always)]
    fn scale(self, n: f32) -> f32 {
        f32::from_bits(self.to_bits().wrapping_add(n.to_bits() << 23))
    }
    #[inline(always)]
    fn mantissa_and_exponent(self) -> (f32, f32) {
        let bits = self.to_bits() as i32;
        let e = bits.wrapping_sub(THREE_QUARTERS) >> 23;
        (f32::from_bits(bits.wrapping_sub(e << 23) as u32), e as f32)
    }
}

/// The bits of 0.75: taking them off before the exponent is read moves the boundary of the binade.
const THREE_QUARTERS: i32 = 0x3f40_0000;

impl Mask<f32> for bool {
    #[inline(always)]
    fn select(self, yes: f32, no: f32) -> f32 {
        if self { yes } else { no }
    }
}

impl<S: Simd> Number for f32x16<S> {
    type Mask = mask32x16<S>;

    #[inline(always)]
    fn splat(self, x: f32) -> Self {
        self.simd.splat_f32x16(x)
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
        // Of two, the second is taken unless the first is greater.
        floor.max(self)
    }
    #[inline(always)]
    fn or_less(self, ceiling: Self) -> Self {
        ceiling.min(self)
    }
    #[inline(always)]
    fn scale(self, n: Self) -> Self {
        Self::from_bits(self.to_bits() + (n.to_bits() << 23))
    }
    #[inline(always)]
    fn mantissa_and_exponent(self) -> (Self, Self) {
        let bits: i32x16<S> = Bytes::bitcast(self);
        let e = (bits - THREE_QUARTERS) >> 23;
        (Bytes::bitcast(bits - (e << 23)), e.to_float())
    }
}

impl<S: Simd> Mask<f32x16<S>> for mask32x16<S> {
    #[inline(always)]
    fn select(self, yes: f32x16<S>, no: f32x16<S>) -> f32x16<S> {
        Select::select(self, yes, no)
    }
}

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

    #[inline(always)]
    fn splat(self, x: f32) -> Self {
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
    fn scale(self, n: Self) -> Self {
        Pair(self.0.scale(n.0), self.1.scale(n.1))
    }
    #[inline(always)]
    fn mantissa_and_exponent(self) -> (Self, Self) {
        let (m0, e0) = self.0.mantissa_and_exponent();
        let (m1, e1) = self.1.mantissa_and_exponent();
        (Pair(m0, m1), Pair(e0, e1))
    }
}

impl<N: Number> Mask<Pair<N>> for Pair<N::Mask> {
    #[inline(always)]
    fn select(self, yes: Pair<N>, no: Pair<N>) -> Pair<N> {
        Pair(self.0.select(yes.0, no.0), self.1.select(yes.1, no.1))
    }
}

/// Numbers that lie side by side in memory, for an instruction set `S`.
pub trait Packed<S>: Number {
    /// How many they are.
    const LANES: usize;
    /// Reads the first of a slice.
    fn read(simd: S, from: &[f32]) -> Self;
    /// Reads whole numbers.
    fn read_whole(simd: S, from: &[i32]) -> Self;
    /// Writes them to the first of a slice.
    fn write(self, to: &mut [f32]);
    /// A decision as bits, the first the lowest.
    fn bits(mask: Self::Mask) -> u64;
}

impl<S: Simd> Packed<S> for f32x16<S> {
    const LANES: usize = 16;

    #[inline(always)]
    fn read(simd: S, from: &[f32]) -> Self {
        Self::from_slice(simd, &from[..16])
    }
    #[inline(always)]
    fn read_whole(simd: S, from: &[i32]) -> Self {
        i32x16::from_slice(simd, &from[..16]).to_float()
    }
    #[inline(always)]
    fn write(self, to: &mut [f32]) {
        self.store_slice(&mut to[..16]);
    }
    #[inline(always)]
    fn bits(mask: mask32x16<S>) -> u64 {
        mask.to_bitmask()
    }
}

impl<S: Copy, N: Packed<S>> Packed<S> for Pair<N> {
    const LANES: usize = 2 * N::LANES;

    #[inline(always)]
    fn read(simd: S, from: &[f32]) -> Self {
        Pair(N::read(simd, from), N::read(simd, &from[N::LANES..]))
    }
    #[inline(always)]
    fn read_whole(simd: S, from: &[i32]) -> Self {
        Pair(N::read_whole(simd, from), N::read_whole(simd, &from[N::LANES..]))
    }
    #[inline(always)]
    fn write(self, to: &mut [f32]) {
        self.0.write(to);
        self.1.write(&mut to[N::LANES..]);
    }
    #[inline(always)]
    fn bits(mask: Pair<N::Mask>) -> u64 {
        N::bits(mask.0) | N::bits(mask.1) << N::LANES
    }
}
