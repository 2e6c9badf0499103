//! DPI neurons as the event-driven solver keeps them: what follows from their biases, and their state.

use std::marker::PhantomData;
use std::ops::Range;

use fearless_simd::Level;
use smallvec::SmallVec;

use super::device::{EventCode, Word, double, doubles, math_macros, words};
use super::equation::{AHP, AMPA, Form, GABAA, GABAB, Logistic, NMDA, PowerLaw, is_closed};
use super::precision::Precision;
use super::real::Analytic;
use super::run::{self, Room};
use super::{EventBank, EventModel, EventNeurons, Jobs, Output};
use crate::circuit::forms::{FeedbackForm, RefractoryForm};
use crate::circuit::number::with_width;
use crate::circuit::{Constants, Preset, Receptor, Soma, Synapse, math};
use crate::model::{Circuits, Dpi, NeuronModel};
use crate::solver::kernel::Layout;
use crate::threads::Spare;
use crate::time::Time;

/// Circuits of a neuron.
pub(super) const CIRCUITS: usize = 5;
const ALL: [Receptor; CIRCUITS] =
    [Receptor::Ampa, Receptor::Gabab, Receptor::Nmda, Receptor::Gabaa, Receptor::Ahp];

/// The event-driven neurons of a model; `is_driven`: some have a direct input that changes in time.
///
/// Single precision is enough where AMPA's is the only current. Where others are taken from it, a neuron may
/// linger near a balance of large currents, whose difference single precision does not keep: with all input in
/// closed form it is [mixed](super::precision), elsewhere double.
#[must_use]
pub fn neurons(
    dpi: &Dpi,
    circuits: &Circuits,
    tolerance: Time,
    is_driven: bool,
) -> Box<dyn EventNeurons> {
    fn bank<R: Precision<N>, F: Form, const N: usize>(
        dpi: &Dpi,
        circuits: &Circuits,
        tolerance: Time,
    ) -> Box<dyn EventNeurons> {
        Box::new(EventBank::new(DpiEvent::<R, F, N>::new(dpi, circuits, tolerance)))
    }
    // Most neurons have AMPA alone, or with GABA_B, which subtracts.
    let is_plain = dpi.preset == Preset::Arcana && !is_driven;
    let is_single = tolerance >= super::SINGLE_PRECISION;
    let bank = match (dpi.forms.feedback, is_plain, circuits.has(Receptor::Gabab), is_single) {
        (FeedbackForm::PowerLaw, true, false, true) => bank::<f32, PowerLaw, 1>,
        (FeedbackForm::PowerLaw, true, false, false) => bank::<f64, PowerLaw, 1>,
        (FeedbackForm::PowerLaw, true, true, true) => bank::<f32, PowerLaw, 2>,
        (FeedbackForm::PowerLaw, true, true, false) => bank::<f64, PowerLaw, 2>,
        (FeedbackForm::PowerLaw, false, ..) => bank::<f64, PowerLaw, 5>,
        (FeedbackForm::Logistic | FeedbackForm::Off, ..) => bank::<f64, Logistic, 5>,
    };
    bank(dpi, circuits, tolerance)
}

/// DPI neurons in precision `R`, with feedback `F`, of whose circuits the first `N` can have a current
/// above their floor.
pub struct DpiEvent<R: Precision<N>, F, const N: usize> {
    pub(super) dpi: Dpi,
    circuits: Circuits,
    pub(super) b: f64,
    /// The tolerance of a step, s.
    pub(super) tolerance: f64,
    /// Which of the circuits of a neuron each receptor of the layout is.
    circuit_of: Vec<u8>,
    /// Room for neurons that are being advanced, for each thread that does so.
    pub(super) rooms: Spare<Box<Room<R, N>>>,
    marker: PhantomData<F>,
}

/// The tolerance of a step, of that of spike times: errors of steps add up, and slow trains amplify
/// them.
const STEP_TOLERANCE: f64 = 0.02;
/// But no more than that, s: of longer steps neither the error is known well, nor how far the rest of
/// the train amplifies it, and they would save no more than a tenth of the work.
const LOOSEST_STEP: f64 = 50e-9;

impl<R: Precision<N>, F, const N: usize> DpiEvent<R, F, N> {
    fn new(dpi: &Dpi, circuits: &Circuits, tolerance: Time) -> DpiEvent<R, F, N> {
        let kappa = dpi.constants.kappa;
        DpiEvent {
            dpi: *dpi,
            circuits: circuits.clone(),
            b: kappa / (kappa + 1.0),
            tolerance: (STEP_TOLERANCE * tolerance.seconds()).min(LOOSEST_STEP),
            circuit_of: dpi.circuits().iter().map(|c| place(*c).min(N - 1) as u8).collect(),
            rooms: Spare::default(),
            marker: PhantomData,
        }
    }

    /// The y below which a neuron does not come to its threshold within [`CALM_FOR`], what its input can
    /// add in that time included: as long as y is below Y, the feedback adds no more than what it is
    /// there with its gate open; that has to be half of Y at most, and twice the result is Y.
    fn calm(&self, n: &DpiNeuron<N>) -> f64 {
        if self.dpi.forms.feedback != FeedbackForm::PowerLaw {
            return 0.0;
        }
        let added = |y: f64| {
            let power = n.feedback * std::f64::consts::LN_2 + self.b * math::ln(y);
            math::exp(power) * (1.0 + y) * CALM_FOR
        };
        // Far above 1 + y is y, and what is added too much follows without a look: y^b > 0.5 / (C * CALM_FOR).
        let too_much = -math::ln(2.0 * CALM_FOR) - n.feedback * std::f64::consts::LN_2;
        let too_much = math::exp((too_much / self.b).clamp(-700.0, 700.0)) * (1.0 + 1e-6);
        let mut y = 0.5 * n.y_th;
        while y > 1e-3 && (y > too_much || added(y) > 0.5 * y) {
            y *= 0.7;
        }
        if added(y) > 0.5 * y { 0.0 } else { 0.5 * y }
    }

    /// The currents that a neuron has where no synapse is above its floor: of each circuit, and
    /// whether it has it from the start.
    fn floors(&self) -> [(f64, bool); CIRCUITS] {
        let i0 = self.dpi.constants.i0;
        ALL.map(|receptor| {
            let has = self.dpi.circuits().contains(&receptor) && !self.circuits.is_off(receptor);
            (if has { i0 } else { 0.0 }, receptor != Receptor::Ahp)
        })
    }
}

/// A neuron whose next event is the end of a window as near as that, s, is left where it is if it
/// cannot fire until then: what arrives next is an event sooner or later.
pub(super) const CALM_FOR: f64 = 2e-3;

/// Where a membrane is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// At its floor, with a right-hand side below 0.
    Rest,
    /// Held at its reset.
    Hold,
    /// On its way.
    Run,
}

impl Word for Phase {
    fn pack(self) -> u64 {
        self as u64
    }
    fn unpack(word: u64) -> Phase {
        match word {
            0 => Phase::Rest,
            1 => Phase::Hold,
            _ => Phase::Run,
        }
    }
}

/// A DPI neuron of whose circuits the first `N` can have a current above their floor. Currents are in A, but
/// where a comment says rate: those are a·I in 1/s.
///
/// What each window of a network asks for comes first, in few lines of the cache (five of two circuits): thousands
/// of neurons take turns in it.
#[derive(Debug, Clone)]
#[repr(C, align(64))]
pub struct DpiNeuron<const N: usize> {
    // What follows from biases.
    /// a = κ/(C·UT), 1/(A·s).
    pub(super) a: f64,
    pub(super) i0: f64,
    /// The constant part of the input.
    pub(super) input: f64,
    /// With no more than that, and what its input adds, it does not fire within [`CALM_FOR`].
    pub(super) y_calm: f64,
    /// The constant part of the leak.
    pub(super) leak: f64,
    /// What a pulse of weight 1 adds, as a rate.
    pub(super) raise: [f64; N],
    /// log2(e)/τ.
    pub(super) decay: [f64; N],
    pub(super) tau: [f64; N],
    /// The inverse of the shortest τ.
    pub(super) fastest: f64,
    pub(super) floor: [f64; CIRCUITS],
    /// I0/Igain and its logarithm.
    pub(super) r: f64,
    pub(super) ln_r: f64,
    /// Threshold on both charts.
    pub(super) q_th: f64,
    pub(super) z_th: f64,
    /// From here on the feedback's gate is open.
    pub(super) y_open: f64,
    /// And below this chart z is left.
    pub(super) y_down: f64,
    pub(super) feedback: f64,
    pub(super) gate_slope: f64,
    pub(super) gate_offset: f64,

    // State.
    pub(super) time: Time,
    pub(super) x: f64,
    pub(super) k: f64,
    pub(super) unforced: f64,
    pub(super) h: f64,
    pub(super) y: f64,
    pub(super) is_first: f64,
    pub(super) first_q: f64,
    pub(super) first_z: f64,
    /// Currents above their floor, as rates; 0: at it.
    pub(super) current: [f64; N],
    /// Until when it is refractory; [`Time::MAX`]: it is not.
    pub(super) refractory: Time,
    pub(super) phase: Phase,
    pub(super) is_z: bool,
    /// Whether the sum of all input in closed form is at its floor.
    pub(super) is_at_floor: bool,
    /// For devices; see [`Output::awake`].
    pub(super) is_awake: bool,
    /// Biases or state have changed: chart and rate are to be found anew.
    pub(super) is_anew: bool,
    pub(super) has_floor: [bool; CIRCUITS],

    // What few windows ask for.
    i_gain: f64,
    /// The threshold as Imem/Igain.
    pub(super) y_th: f64,
    /// The reset.
    pub(super) q_reset: f64,
    pub(super) y_reset: f64,
    /// The feedback there, as a rate.
    pub(super) feedback_reset: f64,
    pub(super) y_nmda: f64,
    pub(super) ref_p: f64,
    pub(super) margin: f64,
    /// What a pulse of weight 1 adds as a current.
    jump: [f64; N],
    /// Of one that is to be started anew.
    anew: Anew<N>,
}

/// The state of a neuron whose biases or state have changed, A: it stays what it is, whatever it is
/// measured in.
#[derive(Debug, Clone, Copy)]
struct Anew<const N: usize> {
    membrane: f64,
    /// Above the floor; 0: at it.
    current: [f64; N],
}

const _: () = assert!(DpiNeuron::<2>::HOT <= 5 * 64, "more than five lines of the cache");

impl<const N: usize> DpiNeuron<N> {
    /// The bytes that each window asks for (most of them: of one at which nothing arrives, `y_th` too).
    pub(super) const HOT: usize = std::mem::offset_of!(DpiNeuron<N>, i_gain);

    /// What a pulse of a circuit adds, as a rate (no weight is negative); with a minus where it is one of GABA_B,
    /// which takes that from the input.
    #[inline(always)]
    pub(super) fn pulse(&self, c: usize, weight: i32) -> f64 {
        let size = f64::from(weight) * self.raise[c];
        if c == AMPA { size } else { -size }
    }

    /// By which part of itself a circuit's current falls, 1/s.
    #[inline(always)]
    pub(super) fn falls(&self, c: usize) -> f64 {
        std::f64::consts::LN_2 * self.decay[c]
    }

    /// What a circuit has where it is at its floor, if it has one there; 0 where it is above.
    #[inline(always)]
    pub(super) fn floor_of(&self, c: usize, is_above: bool) -> f64 {
        if is_above || !self.has_floor[c] { 0.0 } else { self.floor[c] }
    }

    /// The constant part of the input in closed form where it is open, A.
    #[inline(always)]
    pub(super) fn constant_input(&self, direct: f64, is_above: impl Fn(usize) -> bool) -> f64 {
        let input = self.input + direct + self.floor_of(AMPA, is_above(AMPA));
        // What it has at its floor is no more than a constant, taken from another.
        if is_closed(N) { input - self.floor_of(GABAB, is_above(GABAB)) } else { input }
    }

    /// How far the sum of all input in closed form is above its floor without the currents of AMPA and GABA_B,
    /// as a rate, where these are above theirs or 0.
    #[inline(always)]
    pub(super) fn constant_margin(&self, [ampa, gabab]: [f64; 2]) -> f64 {
        let floor = |c: usize, current: f64| if current > 0.0 { 0.0 } else { self.floor[c] };
        self.a * (self.input + floor(AMPA, ampa) - floor(GABAB, gabab) - self.i0)
    }

    /// Whether the sum of all input, which is above its floor by so much and by these currents, may reach that
    /// within a time, s: where what inhibits is no less than now, and what excites falls along its tangent.
    #[inline(always)]
    pub(super) fn may_bend(&self, constant: f64, [ampa, gabab]: [f64; 2], time: f64) -> bool {
        N == 2 && constant + ampa * (1.0 - self.falls(AMPA) * time) - gabab <= 0.0
    }

    /// Whether it cannot fire for a time, s (at most [`CALM_FOR`]), while nothing arrives, with `y` and the current
    /// of AMPA now. (Inhibition may be gone; below the floor of the sum is less.)
    #[inline(always)]
    pub(super) fn is_calm(&self, y: f64, ampa: f64, time: f64) -> bool {
        let most = self.a * (self.input + self.floor[AMPA]) + ampa;
        y + most * time <= self.y_calm
    }

    /// The state, to be changed.
    fn change(&mut self) -> &mut Anew<N> {
        if !self.is_anew {
            let current = self.current.map(|rate| rate / self.a);
            self.anew = Anew { membrane: self.y * self.i_gain, current };
            self.is_anew = true;
        }
        &mut self.anew
    }
}

words!(DpiNeuron<const N> {
    a: f64, i0: f64, i_gain: f64, r: f64, ln_r: f64, q_th: f64, z_th: f64, y_th: f64, q_reset: f64,
    y_reset: f64, feedback_reset: f64, y_open: f64, y_down: f64, feedback: f64, gate_slope: f64,
    gate_offset: f64, y_nmda: f64, input: f64, leak: f64, ref_p: f64, tau: [f64; N],
    decay: [f64; N], fastest: f64, raise: [f64; N], floor: [f64; CIRCUITS], y_calm: f64,
} {
    time: Time, phase: Phase, x: f64, k: f64, unforced: f64, margin: f64, h: f64, y: f64, is_z: bool,
    is_first: f64, first_q: f64, first_z: f64, current: [f64; N],
    has_floor: [bool; CIRCUITS], refractory: Time, is_at_floor: bool, is_awake: bool, is_anew: bool,
});

impl<R: Precision<N>, F: Form, const N: usize> EventModel for DpiEvent<R, F, N> {
    type Soma = Soma;
    type Synapse = Synapse;
    type Neuron = DpiNeuron<N>;

    fn layout(&self) -> Layout {
        let all = self.dpi.circuits();
        let mut resting_state = vec![self.dpi.constants.i0];
        resting_state
            .extend(all.iter().map(|c| self.dpi.resting_current(*c, self.circuits.is_off(*c))));
        Layout {
            receptors: self.dpi.receptors().to_vec(),
            circuits: all.iter().copied().zip(1..).collect(),
            membrane: 0,
            dc: Some(0),
            resting_parameters: Vec::new(),
            resting_state: resting_state.into_iter().map(|i| i as f32).collect(),
        }
    }

    fn precision(&self) -> &'static str {
        R::NAME
    }

    fn neuron(&self) -> DpiNeuron<N> {
        let floors = self.floors();
        DpiNeuron {
            a: 0.0,
            i0: self.dpi.constants.i0,
            input: 0.0,
            y_calm: 0.0,
            leak: 0.0,
            raise: [0.0; N],
            decay: [0.0; N],
            tau: [1.0; N],
            fastest: 0.0,
            floor: floors.map(|(floor, _)| floor),
            r: 0.0,
            ln_r: 0.0,
            q_th: 0.0,
            z_th: 0.0,
            y_open: 0.0,
            y_down: 0.0,
            feedback: 0.0,
            gate_slope: 0.0,
            gate_offset: 0.0,
            time: Time::ZERO,
            x: 0.0,
            k: 0.0,
            unforced: 0.0,
            h: 0.0,
            y: 0.0,
            is_first: 0.0,
            first_q: 1.0,
            first_z: 0.5,
            current: [0.0; N],
            refractory: Time::MAX,
            phase: Phase::Run,
            is_z: false,
            is_at_floor: false,
            is_awake: true,
            is_anew: true,
            has_floor: floors.map(|(_, has)| has),
            i_gain: 0.0,
            y_th: 0.0,
            q_reset: 0.0,
            y_reset: 0.0,
            feedback_reset: 0.0,
            y_nmda: 0.0,
            ref_p: 0.0,
            margin: 0.0,
            jump: [0.0; N],
            anew: Anew { membrane: self.dpi.constants.i0, current: [0.0; N] },
        }
    }

    fn set_soma(&self, n: &mut DpiNeuron<N>, soma: &Soma) {
        let Constants { i0, ut, kappa } = self.dpi.constants;
        let log2_e = std::f64::consts::LOG2_E;
        n.change();
        let a = kappa / (soma.c * ut);
        let r = i0 / soma.i_gain;
        let reset = soma.i_reset.max(i0);
        let u = |current: f64| math::ln(current / i0);
        let chart = |current: f64| (u(current) + current / soma.i_gain, current / soma.i_gain);
        (n.a, n.i_gain, n.r, n.ln_r) = (a, soma.i_gain, r, math::ln(r));
        (n.q_th, n.y_th) = chart(soma.i_th);
        (n.q_reset, n.y_reset) = chart(reset);
        n.z_th = math::exp(-self.b * u(soma.i_th));
        let (slope, power) = match self.dpi.forms.feedback {
            FeedbackForm::PowerLaw => (soma.ipfb_slope, i0 * math::exp(self.b * u(reset))),
            FeedbackForm::Logistic => (1.0 / soma.ipfb_norm, soma.ipfb_gain),
            FeedbackForm::Off => (0.0, 0.0),
        };
        let midpoint = if slope > 0.0 { soma.ipfb_th } else { 0.0 };
        let gate = 1.0 / (1.0 + math::exp(-slope * (reset - midpoint)));
        n.feedback_reset = a * power * gate;
        n.feedback = match self.dpi.forms.feedback {
            FeedbackForm::PowerLaw => (math::ln(a * i0) - self.b * n.ln_r) * log2_e,
            FeedbackForm::Logistic | FeedbackForm::Off => a * power,
        };
        n.gate_slope = -slope * soma.i_gain * log2_e;
        n.gate_offset = slope * midpoint * log2_e;
        // Open to the last bit; well above where chart z is left again.
        let open = -math::ln(R::EPSILON) + 2.0;
        let at = |open: f64| {
            if slope > 0.0 { (midpoint + open / slope) / soma.i_gain } else { f64::MAX }
        };
        (n.y_down, n.y_open) = (at(open), at(1.5 * open));
        n.y_nmda = if self.dpi.forms.nmda_gate { soma.inmda_th / soma.i_gain } else { 0.0 };
        // `arcana` has Inmda and Iahp at the constant I0, ungated.
        let constant = if self.dpi.preset == Preset::Arcana { i0 } else { 0.0 };
        n.input = soma.i_dc + constant;
        n.leak = soma.i_tau + constant;
        n.ref_p = soma.ref_p;
    }

    fn set_synapse(&self, n: &mut DpiNeuron<N>, circuit: usize, synapse: &Synapse, exponent: i32) {
        let constants = &self.dpi.constants;
        let at = place(self.dpi.circuits()[circuit]);
        // Of others nothing is above its floor.
        if at >= N {
            return;
        }
        n.change();
        n.tau[at] = synapse.tau(constants);
        // Scaling by a power of two is exact.
        n.jump[at] = synapse.jump(self.dpi.forms.pulse, constants) * 2.0_f64.powi(-exponent);
    }

    fn set_state(&self, n: &mut DpiNeuron<N>, column: usize, value: f64) {
        if column == 0 {
            n.change().membrane = value;
            return;
        }
        let at = place(self.dpi.circuits()[column - 1]);
        if at == AHP {
            n.has_floor[AHP] = value > 0.0;
        }
        if at < N {
            n.change().current[at] = if value > n.floor[at] { value } else { 0.0 };
        }
    }

    fn settle(&self, n: &mut DpiNeuron<N>) {
        if !n.is_anew {
            return;
        }
        let Anew { membrane, current } = n.anew;
        let membrane = membrane.max(n.i0);
        n.current = current.map(|current| n.a * current);
        n.raise = n.jump.map(|jump| n.a * jump);
        n.decay = n.tau.map(|tau| std::f64::consts::LOG2_E / tau);
        n.fastest = n.tau.iter().map(|tau| 1.0 / tau).fold(0.0, f64::max);
        n.y_calm = self.calm(n);
        if n.phase != Phase::Hold {
            n.phase = Phase::Run;
            n.y = membrane / n.i_gain;
            n.x = math::ln(membrane / n.i0) + n.y;
            n.is_z = false;
            n.is_first = 1.0;
        }
        n.is_awake = true;
    }

    fn state(&self, n: &DpiNeuron<N>) -> SmallVec<[f64; 4]> {
        let all = self.dpi.circuits().iter().map(|receptor| {
            let at = place(*receptor);
            let floor = if n.has_floor[at] { n.floor[at] } else { 0.0 };
            let own = |currents: &[f64; N]| currents.get(at).copied().unwrap_or(0.0);
            let current = if n.is_anew { own(&n.anew.current) } else { own(&n.current) / n.a };
            if current > 0.0 { current } else { floor }
        });
        let membrane = if n.is_anew { n.anew.membrane } else { n.y * n.i_gain };
        std::iter::once(membrane.max(n.i0)).chain(all).collect()
    }

    fn time(&self, n: &DpiNeuron<N>) -> Time {
        n.time
    }

    fn device_code(&self) -> Option<EventCode> {
        Some(self.code())
    }

    fn pack(&self, n: &DpiNeuron<N>, words: &mut [u64]) {
        n.pack(words);
    }

    fn unpack(&self, n: &mut DpiNeuron<N>, words: &[u64]) {
        n.unpack(words);
    }

    fn run(
        &self,
        level: Level,
        jobs: &mut Jobs<DpiNeuron<N>>,
        window: Range<Time>,
        out: &mut Output,
    ) {
        with_width!(level, width => run::run(width, self, jobs, window, out));
    }
}

impl<R: Precision<N>, F: Form, const N: usize> DpiEvent<R, F, N> {
    /// Its kernel, `src/backend/cuda/kernels/event_{equation,dpi,span}.*`.
    fn code(&self) -> EventCode {
        use super::equation::{OMEGA_OFFSET, OMEGA_SLOPE, RUN_AWAY};
        use super::span::{self, REST_OF_DECAY};
        use super::step::{self, A, C, E};
        let mut macros = math_macros(R::IS_SINGLE);
        macros.extend([
            ("N", N.to_string()),
            ("IS_CLOSED", i32::from(is_closed(N)).to_string()),
            ("CIRCUITS", CIRCUITS.to_string()),
            ("AMPA", AMPA.to_string()),
            ("GABAB", GABAB.to_string()),
            ("NMDA", NMDA.to_string()),
            ("GABAA", GABAA.to_string()),
            ("AHP", AHP.to_string()),
            ("POWER", i32::from(F::POWER).to_string()),
            ("STEP_A", format!("{{{}}}", A.map(|row| doubles(&row)).join(", "))),
            ("STEP_C", doubles(&C)),
            ("STEP_E", doubles(&E)),
            ("REST_OF_DECAY", doubles(&REST_OF_DECAY)),
        ]);
        let constants = [
            ("OMEGA_OFFSET", OMEGA_OFFSET),
            ("OMEGA_SLOPE", OMEGA_SLOPE),
            ("RUN_AWAY", RUN_AWAY),
            ("FASTER", super::events::FASTER),
            ("NEARLY_STEADY", super::events::NEARLY_STEADY),
            ("CALM_FOR", CALM_FOR),
            ("SAFETY", step::SAFETY),
            ("SMALLEST_RATIO", step::SMALLEST_RATIO),
            ("LARGEST_RATIO", step::LARGEST_RATIO),
            ("SENSITIVITY", step::SENSITIVITY),
            ("LEAST_SENSITIVITY", step::LEAST_SENSITIVITY),
            ("ON_Z", step::ON_Z),
            ("NOT_CLOSED", step::NOT_CLOSED),
            ("NEAR_KINK", step::NEAR_KINK),
            ("MOST_OF_GATE", step::MOST_OF_GATE),
            ("GATE_MATTERS", step::GATE_MATTERS),
            ("FEEDBACK_MATTERS", step::FEEDBACK_MATTERS),
            ("HALVES", step::HALVES),
            ("SHORTEST", step::SHORTEST),
            ("DETOUR", step::DETOUR),
            ("FURTHEST", span::FURTHEST),
            ("LARGEST_DETOUR", span::LARGEST_DETOUR),
            ("LONGEST_DECAY", span::LONGEST_DECAY),
            ("NEXT_SPAN", span::NEXT),
            ("SPAN_GROWTH", span::GROWTH),
            ("MOST_OF_WAY", span::MOST_OF_WAY),
        ];
        macros.extend(constants.map(|(name, value)| (name, double(value))));
        let [parameters, state] = DpiNeuron::<N>::words();
        let form = if F::POWER { "power law" } else { "logistic" };
        EventCode {
            name: format!("event-driven DPI, {form}, {} precision, {N} circuits", R::NAME),
            source: concat!(
                include_str!("../../backend/cuda/kernels/event_equation.cuh"),
                include_str!("../../backend/cuda/kernels/event_dpi.cu"),
                include_str!("../../backend/cuda/kernels/event_span.cuh")
            ),
            macros,
            parameters,
            state,
            circuits: self.dpi.circuits().iter().map(|c| place(*c) as u8).collect(),
            holds: self.holds(),
            b: self.b,
            tolerance: self.tolerance,
        }
    }
}

impl<R: Precision<N>, F, const N: usize> DpiEvent<R, F, N> {
    /// Which of the circuits of a neuron a receptor of the layout is.
    #[inline(always)]
    pub(super) fn circuit_of(&self, receptor: u8) -> usize {
        // (It is no other; the compiler does not know.)
        usize::from(self.circuit_of[usize::from(receptor)]).min(N - 1)
    }

    /// Whether the membrane is held while refractory (otherwise its input is cut).
    pub(super) fn holds(&self) -> bool {
        self.dpi.forms.refractory == RefractoryForm::HoldMembrane
    }
}

fn place(receptor: Receptor) -> usize {
    match receptor {
        Receptor::Nmda => NMDA,
        Receptor::Gabaa => GABAA,
        Receptor::Gabab => GABAB,
        Receptor::Ahp => AHP,
        _ => AMPA,
    }
}
