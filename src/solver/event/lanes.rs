//! The neurons that are being advanced, one on each lane of vectors.

use std::ops::Range;

use super::equation::{AMPA, Equation, Form, GABAB, Rate, is_closed};
use super::precision::{Kept, Precision};
use super::real::Real;
use crate::circuit::number::{Number, Packed, Width};

/// Lanes that are worked on together, a whole number of [`Width`]s: a block for each chart, so that no vector holds
/// both.
pub const BLOCK: usize = 32;
/// Neurons that are advanced at once, one on each lane: those on chart q, and from [`BLOCK`] on those on chart z.
pub const LANES: usize = 2 * BLOCK;
/// Numbers in a row: a few stay empty, because rows a power of two apart would share few sets of the cache.
pub const WIDTH: usize = LANES + 16;
/// One number for each lane.
pub type Row<T> = [T; WIDTH];
/// Some lanes: a bit for each.
pub type Set = u64;
const _: () = assert!(LANES == Set::BITS as usize);

/// The lanes of chart q or z.
#[inline(always)]
pub fn of_chart(chart: usize) -> Set {
    ((1 << BLOCK) - 1) << (chart.min(1) * BLOCK)
}

/// The same lanes of a row.
#[inline(always)]
pub fn of_block(chart: usize) -> Range<usize> {
    let first = chart.min(1) * BLOCK;
    first..first + BLOCK
}

/// Those lanes of a chart of which something holds, without a branch for each.
#[inline(always)]
pub fn those(chart: usize, holds: impl Fn(usize) -> bool) -> Set {
    let (first, mut set) = (chart.min(1) * BLOCK, 0_u32);
    for lane in 0..BLOCK {
        set |= u32::from(holds(first + lane)) << lane;
    }
    Set::from(set) << first
}

/// A lane alone.
#[inline(always)]
pub fn alone(lane: usize) -> Set {
    1 << (lane % LANES)
}

/// A lane, or several side by side.
pub trait Place<R>: Copy {
    /// Their numbers.
    type Number: Number;
    /// What a row has there.
    fn read(self, row: &Row<R>) -> Self::Number;
}

impl<R: Real> Place<R> for usize {
    type Number = R;

    #[inline(always)]
    fn read(self, row: &Row<R>) -> R {
        row[self]
    }
}

/// As many lanes as a width has, from one on.
#[derive(Clone, Copy)]
pub struct Side<W> {
    width: W,
    first: usize,
}

impl<W: Width> Side<W> {
    /// From lane `first` on.
    #[inline(always)]
    pub fn new<R: Real>(width: W, first: usize) -> Side<W> {
        // Never less; the compiler knows by this that there are so many lanes.
        Side { width, first: first.min(WIDTH - R::Wide::<W>::LANES) }
    }

    /// Writes numbers to a row.
    #[inline(always)]
    pub fn write<R: Real>(self, number: R::Wide<W>, row: &mut Row<R>) {
        number.write(&mut row[self.first..]);
    }
}

impl<W: Width, R: Real> Place<R> for Side<W> {
    type Number = R::Wide<W>;

    #[inline(always)]
    fn read(self, row: &Row<R>) -> R::Wide<W> {
        R::Wide::<W>::read(self.width, &row[self.first..])
    }
}

/// Defines [`Lanes`] and what is done with each of its rows.
macro_rules! lanes {
    (
        { $($(#[$doc:meta])* $row:ident: $start:expr,)* }
        { $($(#[$general_doc:meta])* $general:ident: $general_start:expr,)* }
        { $($(#[$kept_doc:meta])* $kept:ident: $kept_start:expr,)* }
        { $($(#[$arrived_doc:meta])* $arrived:ident,)* }
    ) => {
        /// The neurons that are being advanced, one on each lane. Flags are 0 or 1.
        #[repr(align(64))]
        pub struct Lanes<R: Precision<N>, const N: usize> {
            $($(#[$doc])* pub $row: Row<R>,)*
            $($(#[$general_doc])* pub $general: Row<R>,)*
            $($(#[$kept_doc])* pub $kept: Kept<R, N>,)*
            $($(#[$arrived_doc])* pub $arrived: Row<R::Current>,)*
            /// Its time, and that of its next event, s from the start of the window.
            pub t: Row<f64>,
            /// See `t`.
            pub event: Row<f64>,
            /// Its place on its chart.
            pub x: Row<f64>,
            /// The currents that decay, and their rates log2(e)/τ.
            pub current: [Kept<R, N>; N],
            /// See `current`.
            pub rate: [Kept<R, N>; N],
            /// The slope of the constant part of the input, where not all input is in closed form.
            pub slope: Kept<R, N>,
            /// What counts as below the dark current.
            pub i0_low: Row<R::Current>,
            /// The verdict on the last step: the sum of the bits, with a minus where it does not count.
            pub verdict: Row<R>,
            /// κ/(κ + 1).
            pub b: f64,
            /// The tolerance of a step, s.
            pub tolerance: f64,
        }

        impl<R: Precision<N>, const N: usize> Lanes<R, N> {
            /// Without neurons.
            #[must_use]
            pub fn new(b: f64, tolerance: f64) -> Lanes<R, N> {
                Lanes {
                    $($row: [R::of($start); WIDTH],)*
                    $($general: [R::of($general_start); WIDTH],)*
                    $($kept: Kept::new($kept_start),)*
                    $($arrived: [R::Current::of(0.0); WIDTH],)*
                    t: [0.0; WIDTH],
                    event: [0.0; WIDTH],
                    x: [1.0; WIDTH],
                    current: std::array::from_fn(|_| Kept::new(0.0)),
                    rate: std::array::from_fn(|_| Kept::new(0.0)),
                    slope: Kept::new(0.0),
                    i0_low: [R::Current::of(0.0); WIDTH],
                    verdict: [R::of(0.0); WIDTH],
                    b,
                    tolerance,
                }
            }

            /// Copies a lane to another.
            #[inline(always)]
            pub fn copy(&mut self, from: usize, to: usize) {
                assert!(from < WIDTH && to < WIDTH);
                $(self.$row[to] = self.$row[from];)*
                if !is_closed(N) {
                    $(self.$general[to] = self.$general[from];)*
                    self.slope.copy(from, to);
                }
                $(self.$kept.copy(from, to);)*
                $(self.$arrived[to] = self.$arrived[from];)*
                self.i0_low[to] = self.i0_low[from];
                self.t[to] = self.t[from];
                self.event[to] = self.event[from];
                self.x[to] = self.x[from];
                for c in 0..N {
                    self.current[c].copy(from, to);
                    self.rate[c].copy(from, to);
                }
                self.verdict[to] = self.verdict[from];
            }

            /// Exchanges two lanes.
            #[inline(always)]
            pub fn exchange(&mut self, a: usize, b: usize) {
                assert!(a < WIDTH && b < WIDTH);
                $(self.$row.swap(a, b);)*
                if !is_closed(N) {
                    $(self.$general.swap(a, b);)*
                    self.slope.swap(a, b);
                }
                $(self.$kept.swap(a, b);)*
                $(self.$arrived.swap(a, b);)*
                self.i0_low.swap(a, b);
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

lanes! {{
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
    /// The input in closed form at the start of the next step.
    closed: 0.0,
    /// The input of arrivals that the next step spans, smoothed: its value at the start, its slope, and
    /// half its second derivative.
    rise: 0.0,
    /// See `rise`.
    rise_slope: 0.0,
    /// See `rise`.
    rise_curve: 0.0,
    /// How long a detour on q it may make in between; 0: the step spans no arrivals.
    detour: 0.0,
    /// The constant part of the leak.
    leak: 0.0,
    /// The dark current.
    i0: 0.0,
    /// ln of I0/Igain.
    ln_r: 0.0,
    /// Power law: log2 of the feedback at y = 1; logistic: the feedback far above its gate.
    feedback: 0.0,
    /// The gate's exponent to base 2: slope·y + offset.
    gate_slope: 0.0,
    /// See `gate_slope`.
    gate_offset: 0.0,
}
// Only where not all input is in closed form.
{
    /// The constant part of NMDA, and where its gate is half open.
    nmda: 0.0,
    /// See `nmda`.
    y_nmda: 1.0,
    /// The constant part of GABA_B.
    gabab: 0.0,
    /// How far the input is above its floor at the start of the next step, and at the end of the one
    /// that was tried last.
    margin: 0.0,
    /// See `margin`.
    margin_end: 0.0,
}
// In the precision of currents.
{
    /// What of the input has a closed form: a constant, AMPA's current and (of two circuits) GABA_B's, which
    /// is taken from it, with their τ.
    base: 0.0,
    /// See `base`.
    ampa: 0.0,
    /// See `base`.
    tau: 0.0,
    /// See `base`.
    inhibition: 0.0,
    /// See `base`.
    inhibition_tau: 1.0,
}
// Of arrivals that the next step spans: zero if there are none.
{
    /// What they add to AMPA's current by its end, and to that of GABA_B.
    left_of_ampa,
    /// See `left_of_ampa`.
    left_of_gabab,
    /// The integral of their input over the step.
    integral,
}}

impl<R: Precision<N>, const N: usize> Lanes<R, N> {
    /// The equation of a lane, or of several side by side, whose step starts at `x`; they are at a
    /// place of each row.
    #[inline(always)]
    pub(super) fn equation<P: Place<R>>(&self, x: P::Number, place: P) -> Equation<P::Number, N> {
        let zero = x.splat(0.0);
        let (mut current, mut rate) = ([zero; N], [zero; N]);
        for c in 0..N {
            current[c] = place.read(self.current[c].seen());
            rate[c] = place.read(self.rate[c].seen());
        }
        Equation {
            x,
            inverse_x: x.splat(1.0) / x,
            y: place.read(&self.y),
            is_swapped: place.read(&self.is_swapped).gt(zero),
            is_open: place.read(&self.is_open).gt(zero),
            x_low: x.splat(0.5) * place.read(&self.x_th),
            current,
            rate,
            closed: place.read(&self.closed),
            base: place.read(self.base.seen()),
            ampa: place.read(self.ampa.seen()),
            tau: place.read(self.tau.seen()),
            inhibition: place.read(self.inhibition.seen()),
            inhibition_tau: place.read(self.inhibition_tau.seen()),
            rise: place.read(&self.rise),
            rise_slope: place.read(&self.rise_slope),
            rise_curve: place.read(&self.rise_curve),
            slope: place.read(self.slope.seen()),
            nmda: place.read(&self.nmda),
            y_nmda: place.read(&self.y_nmda),
            gabab: place.read(&self.gabab),
            leak: place.read(&self.leak),
            i0: place.read(&self.i0),
            ln_r: place.read(&self.ln_r),
            feedback: place.read(&self.feedback),
            gate_slope: place.read(&self.gate_slope),
            gate_offset: place.read(&self.gate_offset),
            b: x.splat(self.b),
            inverse_b: x.splat(1.0 / self.b),
        }
    }

    /// After a step of the lanes of a chart the next ones span no arrivals.
    #[inline(always)]
    pub(super) fn forget_spans(&mut self, chart: usize) {
        let (zero, none) = (R::of(0.0), R::Current::of(0.0));
        let rows = [&mut self.rise, &mut self.rise_slope, &mut self.rise_curve, &mut self.detour];
        rows.into_iter().for_each(|row| row[of_block(chart)].fill(zero));
        let rows = [&mut self.left_of_ampa, &mut self.left_of_gabab, &mut self.integral];
        rows.into_iter().for_each(|row| row[of_block(chart)].fill(none));
    }

    /// The right-hand side of a lane where it stands.
    #[inline(always)]
    pub fn rate<F: Form>(&self, lane: usize) -> Rate<R> {
        let zero = R::of(0.0);
        let equation = self.equation(R::of(self.x[lane]), lane);
        if F::POWER && self.is_z[lane] > zero {
            equation.rate::<F, true>(zero, zero, &equation.input(zero))
        } else {
            equation.rate::<F, false>(zero, zero, &equation.input(zero))
        }
    }

    /// A current.
    #[inline(always)]
    pub fn current(&self, circuit: usize, lane: usize) -> f64 {
        self.current[circuit].exact()[lane].double()
    }

    /// Currents have changed: those of the input in closed form, if it is `open`, and its sum.
    #[inline(always)]
    pub(super) fn set_input(&mut self, lane: usize, is_open: bool) {
        let current = |c: usize| {
            if is_open { self.current[c].exact()[lane] } else { R::Current::of(0.0) }
        };
        let (ampa, inhibition) = (current(AMPA), current(GABAB.min(N - 1)));
        self.ampa.keep(lane, ampa);
        let mut closed = self.base.exact()[lane] + ampa;
        if N == 2 {
            self.inhibition.keep(lane, inhibition);
            closed = closed - inhibition;
        }
        self.closed[lane] = R::of(closed.double());
    }
}
