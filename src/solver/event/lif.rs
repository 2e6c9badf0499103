//! LIF neurons, in closed form.
//!
//! Between two events v is a sum of exponentials of time, and so is a bound on what it can reach in
//! an interval: each exponential is monotone. The first crossing of the threshold is found by cutting
//! intervals in half until the bound excludes one or the interval is as short as time can tell, so that
//! a crossing and return between two events is found too.

use std::ops::Range;

use fearless_simd::Level;
use smallvec::{SmallVec, smallvec};

use super::device::{EventCode, double, math_macros, words};
use super::{Arrival, EventBank, EventModel, EventNeurons, Job, Jobs, Output, most_spikes};
use crate::backend::FaultKind;
use crate::circuit::{Receptor, math};
use crate::model::lif::{LifSoma, LifSynapse};
use crate::solver::kernel::Layout;
use crate::time::Time;

const RECEPTORS: [Receptor; 2] = [Receptor::Exc, Receptor::Inh];
/// Where two time constants are closer than this, relative to each other, they count as equal.
const SAME: f64 = 1e-9;
/// An interval as short as that, s, is a moment.
const MOMENT: f64 = 1e-13;

/// The event-driven LIF neurons.
#[must_use]
pub fn neurons() -> Box<dyn EventNeurons> {
    Box::new(EventBank::new(LifEvent))
}

/// The plain LIF neuron: tau_m·dv/dt = −v + i_exc − i_inh + dc, tau_s·di/dt = −i.
pub struct LifEvent;

/// A LIF neuron.
#[derive(Debug, Clone)]
pub struct LifNeuron {
    tau_m: f64,
    threshold: f64,
    reset: f64,
    dc: f64,
    ref_p: f64,
    /// Of exc and inh.
    tau_s: [f64; 2],
    jump: [f64; 2],
    time: Time,
    v: f64,
    /// How much after `time` it was reset, s: less than a picosecond.
    late: f64,
    current: [f64; 2],
    refractory: Option<Time>,
    /// For devices; see [`Output::awake`].
    is_awake: bool,
}

words!(LifNeuron {
    tau_m: f64, threshold: f64, reset: f64, dc: f64, ref_p: f64, tau_s: [f64; 2], jump: [f64; 2],
} {
    time: Time, v: f64, late: f64, current: [f64; 2], refractory: Option<Time>, is_awake: bool,
});

/// v as a function of time since an event, with what decays and what stays.
struct Course {
    /// Constant, and slope of a direct input that ramps.
    constant: f64,
    slope: f64,
    /// Amplitudes and time constants of exponentials.
    terms: [(f64, f64); 3],
    /// Amplitudes of t·exp(−t/tau), of a synapse with the membrane's time constant.
    resonant: [(f64, f64); 2],
}

impl Course {
    /// From the state of a neuron with a direct input of `dc` that rises by `slope` per second.
    fn new(n: &LifNeuron, dc: f64, slope: f64) -> Course {
        // v∞(t) of the ramp: dc + slope·(t − tau_m).
        let constant = dc - slope * n.tau_m;
        let mut own = n.v - constant;
        let mut terms = [(0.0, n.tau_m); 3];
        let mut resonant = [(0.0, n.tau_m); 2];
        for k in 0..2 {
            let current = if k == 0 { n.current[k] } else { -n.current[k] };
            let tau = n.tau_s[k];
            if (tau - n.tau_m).abs() <= SAME * n.tau_m {
                resonant[k] = (current / n.tau_m, n.tau_m);
            } else {
                let amplitude = current * tau / (tau - n.tau_m);
                terms[k] = (amplitude, tau);
                own -= amplitude;
            }
        }
        terms[2] = (own, n.tau_m);
        Course { constant, slope, terms, resonant }
    }

    fn at(&self, t: f64) -> f64 {
        let terms = self.terms.iter().map(|(a, tau)| a * math::exp(-t / tau));
        let resonant = self.resonant.iter().map(|(a, tau)| a * t * math::exp(-t / tau));
        self.constant + self.slope * t + terms.sum::<f64>() + resonant.sum::<f64>()
    }

    /// Not below v anywhere from `from` to `to` (which may be infinite).
    fn bound(&self, from: f64, to: f64) -> f64 {
        let decay = |t: f64, tau: f64| if t.is_finite() { math::exp(-t / tau) } else { 0.0 };
        let rise = if self.slope > 0.0 { self.slope * to } else { self.slope * from };
        let terms =
            self.terms.iter().map(|(a, tau)| a * decay(if *a > 0.0 { from } else { to }, *tau));
        let resonant = self.resonant.iter().map(|(a, tau)| {
            // t·exp(−t/tau) rises up to tau and falls from there on.
            let value = |t: f64| if t.is_finite() { t * math::exp(-t / tau) } else { 0.0 };
            let (low, high) = (value(from).min(value(to)), value(tau.clamp(from, to)));
            a * if *a > 0.0 { high } else { low }
        });
        let rise = if self.slope == 0.0 { 0.0 } else { rise };
        self.constant + rise + terms.sum::<f64>() + resonant.sum::<f64>()
    }

    /// The first moment in (from, to] at which v reaches the threshold.
    fn crossing(&self, threshold: f64, from: f64, to: f64) -> Option<f64> {
        if self.bound(from, to) < threshold {
            return None;
        }
        // Left halves first, without recursion.
        let mut intervals = vec![(from, to)];
        while let Some((from, to)) = intervals.pop() {
            if self.bound(from, to) < threshold {
                continue;
            }
            if to - from <= MOMENT {
                // At the resolution of time the bound is the value.
                let (before, after) = (self.at(from), self.at(to));
                if before >= threshold {
                    return Some(from);
                }
                if after >= threshold {
                    return Some(from + (threshold - before) / (after - before) * (to - from));
                }
                continue;
            }
            let middle = 0.5 * (from + to);
            intervals.push((middle, to));
            intervals.push((from, middle));
        }
        None
    }
}

impl LifNeuron {
    fn decay(&mut self, dt: f64) {
        for k in 0..2 {
            self.current[k] *= math::exp(-dt / self.tau_s[k]);
        }
    }
}

impl EventModel for LifEvent {
    type Soma = LifSoma;
    type Synapse = LifSynapse;
    type Neuron = LifNeuron;

    fn layout(&self) -> Layout {
        Layout {
            receptors: RECEPTORS.to_vec(),
            circuits: RECEPTORS.into_iter().zip(1..).collect(),
            membrane: 0,
            dc: Some(0),
            resting_parameters: Vec::new(),
            resting_state: vec![0.0; 3],
        }
    }

    fn precision(&self) -> &'static str {
        "double"
    }

    fn neuron(&self) -> LifNeuron {
        LifNeuron {
            tau_m: 1.0,
            threshold: 1.0,
            reset: 0.0,
            dc: 0.0,
            ref_p: 0.0,
            tau_s: [1.0; 2],
            jump: [0.0; 2],
            time: Time::ZERO,
            v: 0.0,
            late: 0.0,
            current: [0.0; 2],
            refractory: None,
            is_awake: true,
        }
    }

    fn set_soma(&self, n: &mut LifNeuron, soma: &LifSoma) {
        (n.tau_m, n.threshold, n.reset) = (soma.tau_m, soma.threshold, soma.reset);
        (n.dc, n.ref_p) = (soma.dc, soma.ref_p);
    }

    fn set_synapse(&self, n: &mut LifNeuron, circuit: usize, synapse: &LifSynapse, exponent: i32) {
        n.tau_s[circuit] = synapse.tau_s;
        n.jump[circuit] = synapse.w * 2.0_f64.powi(-exponent);
    }

    fn set_state(&self, n: &mut LifNeuron, column: usize, value: f64) {
        if column == 0 {
            (n.v, n.late) = (value, 0.0);
        } else {
            n.current[column - 1] = value;
        }
    }

    fn settle(&self, n: &mut LifNeuron) {
        n.is_awake = true;
    }

    fn state(&self, n: &LifNeuron) -> SmallVec<[f64; 4]> {
        smallvec![n.v, n.current[0], n.current[1]]
    }

    fn time(&self, n: &LifNeuron) -> Time {
        n.time
    }

    fn device_code(&self) -> Option<EventCode> {
        let mut macros = math_macros(false);
        macros.extend([("SAME", double(SAME)), ("MOMENT", double(MOMENT))]);
        let [parameters, state] = LifNeuron::words();
        Some(EventCode {
            name: "event-driven lif".into(),
            source: include_str!("../../backend/cuda/kernels/event_lif.cu"),
            macros,
            parameters,
            state,
            circuits: vec![0, 1],
            holds: true,
            b: 0.0,
            tolerance: 0.0,
        })
    }

    fn pack(&self, n: &LifNeuron, words: &mut [u64]) {
        n.pack(words);
    }

    fn unpack(&self, n: &mut LifNeuron, words: &[u64]) {
        n.unpack(words);
    }

    fn run(&self, _: Level, jobs: &mut Jobs<LifNeuron>, window: Range<Time>, out: &mut Output) {
        let most = most_spikes((window.end - window.start).seconds());
        let mut next = 0;
        loop {
            jobs.fetch(next);
            let Some(job) = jobs.list.get_mut(next) else { break };
            run(job, &jobs.arrivals[job.arrivals.clone()], jobs.stops, window.end, most, out);
            next += 1;
        }
    }
}

/// Carries a neuron to the end of a window.
fn run(
    job: &mut Job<LifNeuron>,
    arrivals: &[Arrival],
    stops: &[Time],
    end: Time,
    most: u64,
    out: &mut Output,
) {
    let n = &mut *job.neuron;
    let (mut arrivals, mut stops) = (arrivals.iter().peekable(), stops.iter().peekable());
    let mut spikes = 0;
    loop {
        while let Some(stop) = stops.next_if(|stop| **stop <= n.time) {
            out.states.push((job.slot, *stop, smallvec![n.v, n.current[0], n.current[1]]));
        }
        if n.time >= end {
            break;
        }
        if n.refractory.is_some_and(|until| until <= n.time) {
            n.refractory = None;
        }
        while let Some(arrival) = arrivals.next_if(|a| a.time <= n.time) {
            let k = usize::from(arrival.receptor);
            n.current[k] += f64::from(arrival.weight) * n.jump[k];
        }
        let (dc, slope, change) = job.dc.map_or((0.0, 0.0, None), |waveform| waveform.at(n.time));
        let next = [
            Some(end),
            n.refractory,
            change,
            arrivals.peek().map(|a| a.time),
            stops.peek().copied().copied(),
        ];
        let event = next.into_iter().flatten().min().unwrap_or(end);
        let dt = (event - n.time).seconds();
        out.work.right_sides += 1;
        if n.refractory.is_some() {
            n.decay(dt);
            (n.v, n.time) = (n.reset, event);
            continue;
        }
        if n.late != 0.0 {
            // The reset was so much after its time in whole picoseconds.
            n.v = Course::new(n, n.dc + dc, slope).at(-std::mem::take(&mut n.late));
        }
        let course = Course::new(n, n.dc + dc, slope);
        // A state that was put above the threshold spikes at once.
        let crossing =
            if n.v >= n.threshold { Some(0.0) } else { course.crossing(n.threshold, 0.0, dt) };
        let Some(crossing) = crossing else {
            n.v = course.at(dt);
            n.decay(dt);
            n.time = event;
            if !n.v.is_finite() {
                out.faults.push((event, job.slot, FaultKind::NotFinite));
                n.time = end;
            }
            continue;
        };
        let ticks = (crossing * Time::PER_SECOND as f64).round() as u64;
        let at = (n.time + Time::from_picoseconds(ticks)).min(event);
        let until = (at - n.time).seconds();
        n.late = crossing - until;
        n.decay(until);
        (n.v, n.time) = (n.reset, at);
        out.spikes.push((at, job.slot));
        spikes += 1;
        if spikes > most {
            out.faults.push((at, job.slot, FaultKind::Storm));
            n.time = end;
        }
        let ref_p = Time::from_seconds(n.ref_p).unwrap_or(Time::MAX);
        n.refractory = (ref_p > Time::ZERO).then(|| at + ref_p);
    }
    // Quiet, where nothing that is there already can lead to the threshold.
    n.is_awake = n.refractory.is_some()
        || job.dc.is_some()
        || Course::new(n, n.dc, 0.0).bound(0.0, f64::INFINITY) >= n.threshold;
    if n.is_awake {
        out.awake.push(job.slot);
    }
}
