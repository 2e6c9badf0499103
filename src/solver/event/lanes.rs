//! The neurons that are being advanced, one on each lane of vectors.

use super::equation::{Equation, Form, Rate};
use super::real::Real;

/// Lanes that are worked on together: two vectors of single precision.
pub const BLOCK: usize = 32;
/// Neurons that are advanced at once.
pub const NEURONS: usize = 128;
/// Lanes: for as many on each chart, so that no vector holds both; and a few that stay empty, because
/// rows a power of two apart would share few sets of the cache.
pub const WIDTH: usize = 2 * NEURONS + 16;
/// One number for each lane.
pub type Row<T> = [T; WIDTH];

/// Defines [`Lanes`] and what is done with each of its rows.
macro_rules! lanes {
    ($($(#[$doc:meta])* $row:ident: $start:expr,)*) => {
        /// The neurons that are being advanced, one on each lane. Flags are 0 or 1. Neurons on chart q
        /// fill lanes from the first on, those on chart z from lane [`NEURONS`] on.
        #[repr(align(64))]
        pub struct Lanes<R, const N: usize> {
            $($(#[$doc])* pub $row: Row<R>,)*
            /// Its time, and that of its next event, s from the start of the window.
            pub t: Row<f64>,
            /// See `t`.
            pub event: Row<f64>,
            /// Its place on its chart.
            pub x: Row<f64>,
            /// The currents that decay, and their rates log2(e)/τ.
            pub current: [Row<R>; N],
            /// See `current`.
            pub rate: [Row<R>; N],
            /// The verdict on the last step.
            pub verdict: Row<u32>,
            /// b and its inverse.
            pub b: R,
            /// See `b`.
            pub inverse_b: R,
            /// The tolerance of a step, s.
            pub tolerance: R,
        }

        impl<R: Real, const N: usize> Lanes<R, N> {
            /// Without neurons.
            #[must_use]
            pub fn new(b: f64, tolerance: f64) -> Lanes<R, N> {
                Lanes {
                    $($row: [R::of($start); WIDTH],)*
                    t: [0.0; WIDTH],
                    event: [0.0; WIDTH],
                    x: [1.0; WIDTH],
                    current: [[R::of(0.0); WIDTH]; N],
                    rate: [[R::of(0.0); WIDTH]; N],
                    verdict: [0; WIDTH],
                    b: R::of(b),
                    inverse_b: R::of(1.0 / b),
                    tolerance: R::of(tolerance),
                }
            }

            /// Copies a lane to another.
            #[inline(always)]
            pub fn copy(&mut self, from: usize, to: usize) {
                assert!(from < WIDTH && to < WIDTH);
                $(self.$row[to] = self.$row[from];)*
                self.t[to] = self.t[from];
                self.event[to] = self.event[from];
                self.x[to] = self.x[from];
                for c in 0..N {
                    self.current[c][to] = self.current[c][from];
                    self.rate[c][to] = self.rate[c][from];
                }
                self.verdict[to] = self.verdict[from];
            }

            /// Exchanges two lanes.
            #[inline(always)]
            pub fn exchange(&mut self, a: usize, b: usize) {
                assert!(a < WIDTH && b < WIDTH);
                $(self.$row.swap(a, b);)*
                self.t.swap(a, b);
                self.event.swap(a, b);
                self.x.swap(a, b);
                for c in 0..N {
                    self.current[c].swap(a, b);
                    self.rate[c].swap(a, b);
                }
                self.verdict.swap(a, b);
            }
        }
    };
}

lanes! {
    /// Whether there is a neuron that steps.
    running: 0.0,
    /// Its rate on its chart (swapped: the inverse; on q without the input in closed form).
    k: 0.0,
    /// The next step: s, or along the chart.
    h: 0.0,
    /// Imem/Igain.
    y: 1.0,
    /// What d(chart)/dt would be without synaptic input.
    unforced: 0.0,
    /// Whether it is on chart z.
    is_z: 0.0,
    /// Whether it steps along the chart.
    is_swapped: 0.0,
    /// 1: its next step is the first after a reset; 2: the first on z.
    is_first: 0.0,
    /// What the first step after a reset came to, in q; and the first on z, relative to z.
    first_q: 0.0,
    /// See `first_q`.
    first_z: 0.0,
    /// The threshold and the floor on this chart.
    x_th: 1.0,
    /// See `x_th`.
    x_floor: 0.0,
    /// Above and below this y the chart changes.
    y_up: 1.0,
    /// See `y_up`.
    y_down: 0.0,
    /// Whether its input is open (not refractory).
    is_open: 1.0,
    /// What of the input has a closed form: AMPA's current with its τ, a constant and its slope.
    ampa: 0.0,
    /// See `ampa`.
    tau: 0.0,
    /// See `ampa`.
    base: 0.0,
    /// See `ampa`.
    slope: 0.0,
    /// The constant part of NMDA, and where its gate is half open.
    nmda: 0.0,
    /// See `nmda`.
    y_nmda: 1.0,
    /// The constant part of GABA_B.
    gabab: 0.0,
    /// The constant part of the leak.
    leak: 0.0,
    /// The dark current, and what counts as below it.
    i0: 0.0,
    /// See `i0`.
    i0_low: 0.0,
    /// ln of I0/Igain.
    ln_r: 0.0,
    /// Power law: log2 of the feedback at y = 1; logistic: the feedback far above its gate.
    feedback: 0.0,
    /// The gate's exponent to base 2: slope·y + offset.
    gate_slope: 0.0,
    /// See `gate_slope`.
    gate_offset: 0.0,
    /// How far the input is above its floor at the start of the next step, and at the end of the one
    /// that was tried last.
    margin: 0.0,
    /// See `margin`.
    margin_end: 0.0,
}

impl<R: Real, const N: usize> Lanes<R, N> {
    /// The equation of a lane whose step starts at `x`.
    #[inline(always)]
    pub(super) fn equation(&self, lane: usize, x: R) -> Equation<R, N> {
        let zero = R::of(0.0);
        Equation {
            x,
            inverse_x: R::of(1.0) / x,
            y: self.y[lane],
            is_swapped: self.is_swapped[lane] > zero,
            is_open: self.is_open[lane] > zero,
            x_low: R::of(0.5) * self.x_th[lane],
            current: std::array::from_fn(|c| self.current[c][lane]),
            rate: std::array::from_fn(|c| self.rate[c][lane]),
            ampa: self.ampa[lane],
            tau: self.tau[lane],
            base: self.base[lane],
            slope: self.slope[lane],
            nmda: self.nmda[lane],
            y_nmda: self.y_nmda[lane],
            gabab: self.gabab[lane],
            leak: self.leak[lane],
            i0: self.i0[lane],
            ln_r: self.ln_r[lane],
            feedback: self.feedback[lane],
            gate_slope: self.gate_slope[lane],
            gate_offset: self.gate_offset[lane],
            b: self.b,
            inverse_b: self.inverse_b,
        }
    }

    /// The right-hand side of a lane where it stands.
    #[inline(always)]
    pub fn rate<F: Form>(&self, lane: usize) -> Rate<R> {
        let zero = R::of(0.0);
        let equation = self.equation(lane, R::of(self.x[lane]));
        if F::POWER && self.is_z[lane] > zero {
            equation.rate::<F, true>(zero, zero)
        } else {
            equation.rate::<F, false>(zero, zero)
        }
    }

    /// The input in closed form where a lane stands.
    #[inline(always)]
    pub fn closed(&self, lane: usize) -> R {
        self.base[lane] + self.ampa[lane]
    }
}
