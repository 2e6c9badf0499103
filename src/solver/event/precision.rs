//! In which precision a neuron's numbers are kept.
//!
//! Stages of steps are in single precision where that is enough, and so is most of what a neuron has. But
//! where one current is taken from another, single precision would lose their difference. There currents,
//! and what is summed of them from step to step, are in double precision, and stages see them rounded.

use super::lanes::{Row, WIDTH};
use super::real::Real;
use crate::circuit::number::Number;

/// The precision of the stages of neurons with `N` circuits that can have a current above their floor.
pub trait Precision<const N: usize>: Real {
    /// That of their currents.
    type Current: Real;
    /// What both are called.
    const NAME: &'static str;
    /// Whether they differ.
    const IS_MIXED: bool = Self::IS_SINGLE != <Self::Current as Number>::IS_SINGLE;

    /// What stages see: numbers as they are kept, or where precisions differ, rounded ones.
    fn seen<'a>(kept: &'a Row<Self::Current>, rounded: &'a Row<Self>) -> &'a Row<Self>;
}

/// AMPA alone.
impl Precision<1> for f32 {
    type Current = f32;
    const NAME: &'static str = "single";
    #[inline(always)]
    fn seen<'a>(kept: &'a Row<f32>, _: &'a Row<f32>) -> &'a Row<f32> {
        kept
    }
}

/// AMPA less GABA_B.
impl Precision<2> for f32 {
    type Current = f64;
    const NAME: &'static str = "mixed";
    #[inline(always)]
    fn seen<'a>(_: &'a Row<f64>, rounded: &'a Row<f32>) -> &'a Row<f32> {
        rounded
    }
}

impl<const N: usize> Precision<N> for f64 {
    type Current = f64;
    const NAME: &'static str = "double";
    #[inline(always)]
    fn seen<'a>(kept: &'a Row<f64>, _: &'a Row<f64>) -> &'a Row<f64> {
        kept
    }
}

/// A number of each lane in the precision of currents, and as stages see it.
pub struct Kept<R: Precision<N>, const N: usize> {
    exact: Row<R::Current>,
    /// Only where precisions differ.
    rounded: Row<R>,
}

impl<R: Precision<N>, const N: usize> Kept<R, N> {
    /// The same number on each lane.
    #[must_use]
    pub fn new(x: f64) -> Kept<R, N> {
        Kept { exact: [R::Current::of(x); WIDTH], rounded: [R::of(x); WIDTH] }
    }

    /// As it is kept.
    #[inline(always)]
    pub fn exact(&self) -> &Row<R::Current> {
        &self.exact
    }

    /// As stages see it.
    #[inline(always)]
    pub fn seen(&self) -> &Row<R> {
        R::seen(&self.exact, &self.rounded)
    }

    /// Keeps a number.
    #[inline(always)]
    pub fn keep(&mut self, lane: usize, x: R::Current) {
        self.exact[lane] = x;
        if R::IS_MIXED {
            self.rounded[lane] = R::of(x.double());
        }
    }

    /// As it is kept, to be written to; stages see what they saw until it is [rounded](Self::round).
    #[inline(always)]
    pub fn exact_mut(&mut self) -> &mut Row<R::Current> {
        &mut self.exact
    }

    /// Lets stages see what is kept.
    #[inline(always)]
    pub fn round(&mut self, lane: usize) {
        self.keep(lane, self.exact[lane]);
    }

    /// Copies a lane to another.
    #[inline(always)]
    pub fn copy(&mut self, from: usize, to: usize) {
        self.exact[to] = self.exact[from];
        if R::IS_MIXED {
            self.rounded[to] = self.rounded[from];
        }
    }

    /// Exchanges two lanes.
    #[inline(always)]
    pub fn swap(&mut self, a: usize, b: usize) {
        self.exact.swap(a, b);
        if R::IS_MIXED {
            self.rounded.swap(a, b);
        }
    }
}
