//! Spike times by brute force, from the equations in the documents and from nothing of the program:
//! double precision, the membrane in its own variable (u = ln(Imem/I0), or v), Runge–Kutta of
//! order 4 with local extrapolation, at steps of a small part of the fastest time scale at hand.
//!
//! Synaptic currents are in closed form. Whatever bends or jumps is landed on: arrivals, floors of
//! synapses, the floor of the membrane and of its input, turning points, the threshold. All of these
//! are bisected to the resolution of time.

#![allow(dead_code, clippy::disallowed_methods)] // Of its own, down to libm.

/// AMPA (or exc), NMDA, GABA_A, GABA_B (or inh), AHP.
pub const CIRCUITS: usize = 5;
pub const AMPA: usize = 0;
pub const NMDA: usize = 1;
pub const GABAA: usize = 2;
pub const GABAB: usize = 3;
pub const AHP: usize = 4;

/// A synapse circuit; `I(t) = max(floor, value·exp(−(t − since)/τ))`.
#[derive(Debug, Clone, Copy)]
pub struct Circuit {
    pub tau: f64,
    /// What a pulse of weight 1 adds.
    pub jump: f64,
    pub floor: f64,
    pub value: f64,
    pub since: f64,
}

impl Circuit {
    /// At its floor, with a jump.
    pub fn new(tau: f64, jump: f64, floor: f64) -> Circuit {
        Circuit { tau, jump, floor, value: floor, since: 0.0 }
    }

    /// Taken out.
    pub fn off() -> Circuit {
        Circuit::new(1.0, 0.0, 0.0)
    }

    fn at(&self, t: f64) -> f64 {
        if self.value <= self.floor {
            return self.floor;
        }
        (self.value * (-(t - self.since) / self.tau).exp()).max(self.floor)
    }

    /// When it reaches its floor.
    fn floor_time(&self) -> f64 {
        if self.value <= self.floor || self.floor <= 0.0 {
            return f64::INFINITY;
        }
        self.since + self.tau * (self.value / self.floor).ln()
    }

    fn add(&mut self, t: f64, current: f64) {
        (self.value, self.since) = (self.at(t) + current, t);
    }
}

#[derive(Debug, Clone, Copy)]
pub enum Feedback {
    Off,
    /// Midpoint (A) and slope (1/A) of the gate.
    PowerLaw {
        th: f64,
        slope: f64,
    },
    /// Far above its gate, midpoint and width (A).
    Logistic {
        gain: f64,
        th: f64,
        norm: f64,
    },
}

#[derive(Debug, Clone, Copy)]
pub enum Soma {
    /// C·dV/dt = Iin·Igain/(Igain + Imem) − leak + Ifb, in u.
    Dpi {
        /// κ/(C·UT)
        a: f64,
        /// κ/(κ + 1)
        b: f64,
        i0: f64,
        i_gain: f64,
        /// Constant parts of input and leak.
        input: f64,
        leak: f64,
        /// 0: no gate.
        nmda_th: f64,
        feedback: Feedback,
    },
    /// tau_m·dv/dt = −v + i_exc − i_inh + dc
    Lif { tau_m: f64, dc: f64 },
}

#[derive(Debug, Clone)]
pub struct Neuron {
    pub soma: Soma,
    /// u or v: at the start, after a spike, where it spikes, and its floor.
    pub start: f64,
    pub reset: f64,
    pub threshold: f64,
    pub floor: f64,
    pub ref_p: f64,
    /// Refractory, the membrane is held; otherwise its input is cut.
    pub holds: bool,
    pub circuits: [Circuit; CIRCUITS],
    /// AHP has no floor before the first spike; this one from then on.
    pub ahp_floor: f64,
    /// Direct input: from when, value, slope.
    pub dc: Vec<(f64, f64, f64)>,
    /// Time, circuit, weight; sorted.
    pub arrivals: Vec<(f64, usize, f64)>,
    pub duration: f64,
}

/// How finely, and with which disturbance.
#[derive(Debug, Clone, Copy)]
pub struct Method {
    /// A step is this part of the fastest time scale.
    pub fineness: f64,
    /// The membrane (not its inputs) runs faster by this part.
    pub fast: f64,
}

impl Method {
    pub const FINE: Method = Method { fineness: 0.05, fast: 0.0 };
}

/// Inputs at a moment.
#[derive(Clone, Copy)]
struct Inputs {
    currents: [f64; CIRCUITS],
    dc: f64,
}

/// The right-hand side at a moment.
#[derive(Debug, Clone, Copy)]
struct Side {
    rate: f64,
    /// The sum of the inverse time scales, without those of the synapses.
    scale: f64,
    /// Below 0 where the input is at its floor.
    bend: f64,
}

struct Walk<'a> {
    n: &'a Neuron,
    method: Method,
    circuits: [Circuit; CIRCUITS],
    t: f64,
    x: f64,
    is_cut: bool,
    is_held: bool,
    dc: (f64, f64, f64),
}

/// Where a step leads.
#[derive(Clone, Copy)]
struct End {
    x: f64,
    side: Side,
}

impl Walk<'_> {
    fn inputs(&self, t: f64) -> Inputs {
        let (from, value, slope) = self.dc;
        Inputs { currents: self.circuits.map(|c| c.at(t)), dc: value + slope * (t - from) }
    }

    fn side(&self, inputs: &Inputs, x: f64) -> Side {
        let i = &inputs.currents;
        let mut side = match self.n.soma {
            Soma::Lif { tau_m, dc } => Side {
                rate: (i[AMPA] - i[GABAB] + dc + inputs.dc - x) / tau_m,
                scale: 1.0 / tau_m,
                bend: 1.0,
            },
            Soma::Dpi { a, b, i0, i_gain, input, leak, nmda_th, feedback } => {
                let m = i0 * x.exp();
                let g = i_gain / (i_gain + m);
                let gate = m / (m + nmda_th);
                let given = input + inputs.dc + i[AMPA] + gate * i[NMDA] - i[GABAB];
                let (i_in, bend) =
                    if self.is_cut { (i0, 1.0) } else { (given.max(i0), given - i0) };
                let logistic = |s: f64| 1.0 / (1.0 + (-s).exp());
                // What the feedback is, its slope in u, and how fast its gate's exponent changes.
                let (i_fb, slope, exponent) = match feedback {
                    Feedback::Off => (0.0, 0.0, 0.0),
                    Feedback::PowerLaw { th, slope } => {
                        let s = slope * (m - th);
                        let i_fb = i0 * (b * x).exp() * logistic(s);
                        let far = 1.0 + (s.abs() - 30.0).max(0.0);
                        (i_fb, i_fb * (b + logistic(-s) * slope * m), slope * m / far)
                    }
                    Feedback::Logistic { gain, th, norm } => {
                        let s = (m - th) / norm;
                        let i_fb = gain * logistic(s);
                        let far = 1.0 + (s.abs() - 30.0).max(0.0);
                        (i_fb, i_fb * logistic(-s) * m / norm, m / norm / far)
                    }
                };
                let loss = leak + i[GABAA] + i[AHP];
                let rate = a * (i_in * g - loss + i_fb);
                let by_input = i_in * g * (1.0 - g) + g * gate * (1.0 - gate) * i[NMDA];
                let scale = a * (by_input + slope) + rate.abs() * (0.5 + 0.3 * exponent);
                Side { rate, scale, bend }
            }
        };
        side.rate *= 1.0 + self.method.fast;
        side
    }

    fn side_at(&self, t: f64, x: f64) -> Side {
        self.side(&self.inputs(t), x)
    }

    /// A step of `h`: once whole and twice halved, extrapolated to order 5.
    fn step(&self, h: f64) -> End {
        let at: [Inputs; 5] = std::array::from_fn(|k| self.inputs(self.t + 0.25 * k as f64 * h));
        let once = |x: f64, h: f64, from: &Inputs, middle: &Inputs, to: &Inputs| {
            let k1 = self.side(from, x).rate;
            let k2 = self.side(middle, x + 0.5 * h * k1).rate;
            let k3 = self.side(middle, x + 0.5 * h * k2).rate;
            let k4 = self.side(to, x + h * k3).rate;
            x + h / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4)
        };
        let whole = once(self.x, h, &at[0], &at[2], &at[4]);
        let half = once(self.x, 0.5 * h, &at[0], &at[1], &at[2]);
        let halves = once(half, 0.5 * h, &at[2], &at[3], &at[4]);
        let x = halves + (halves - whole) / 15.0;
        End { x, side: self.side(&at[4], x) }
    }

    /// The shortest step up to `h`, which is one, at whose end something is so.
    fn first(&self, h: f64, is_so: impl Fn(&End) -> bool) -> f64 {
        let (mut low, mut high) = (0.0, h);
        for _ in 0..60 {
            let middle = 0.5 * (low + high);
            *(if is_so(&self.step(middle)) { &mut high } else { &mut low }) = middle;
            if high - low < 1e-16 {
                break;
            }
        }
        high
    }

    /// The sum of the inverse time constants of synapses that decay.
    fn synaptic_scale(&self) -> f64 {
        let decays = |c: &&Circuit| c.at(self.t) > c.floor;
        self.circuits.iter().filter(decays).map(|c| 1.0 / c.tau).fold(0.0, |a, b| a + b)
    }

    /// Carries the membrane to `to` or to a spike, whichever comes first; whether it spiked.
    fn advance(&mut self, to: f64) -> bool {
        let longest = 0.01 * self.n.duration;
        let mut steps = 0_u64;
        while self.t < to {
            steps += 1;
            assert!(steps < 10_000_000, "the reference does not get on at {} s", self.t);
            if self.is_held {
                self.t = to;
                return false;
            }
            if self.x >= self.n.threshold {
                return true;
            }
            let side = self.side_at(self.t, self.x);
            let synaptic = self.synaptic_scale();
            if self.x <= self.n.floor && side.rate < 0.0 {
                self.x = self.n.floor;
                let h = (self.method.fineness / synaptic).min(longest).min(to - self.t);
                let rises = |h: f64| self.side_at(self.t + h, self.x).rate > 0.0;
                if rises(h) {
                    let (mut low, mut high) = (0.0, h);
                    while high - low > 1e-16 && self.t + 0.5 * (low + high) < self.t + high {
                        let middle = 0.5 * (low + high);
                        *(if rises(middle) { &mut high } else { &mut low }) = middle;
                    }
                    self.t += high;
                } else {
                    self.t = if h >= to - self.t { to } else { self.t + h };
                }
                continue;
            }
            let rest = to - self.t;
            let mut h = (self.method.fineness / (side.scale + synaptic)).min(longest);
            if 1.001 * h >= rest {
                h = rest;
            }
            assert!(
                h > 0.0 && h.is_finite(),
                "{h} {side:?} {synaptic} {} {} {:?}",
                self.t,
                self.x,
                self.n
            );
            let mut end = self.step(h);
            let mut shorten = |h: &mut f64, is_so: &dyn Fn(&End) -> bool| {
                if is_so(&end) {
                    *h = self.first(*h, is_so);
                    end = self.step(*h);
                }
            };
            shorten(&mut h, &|end| (end.side.bend < 0.0) != (side.bend < 0.0));
            shorten(&mut h, &|end| end.side.rate * side.rate < 0.0);
            shorten(&mut h, &|end| end.x >= self.n.threshold);
            shorten(&mut h, &|end| end.x < self.n.floor);
            self.t = if h == rest { to } else { self.t + h };
            self.x = end.x.max(self.n.floor);
            assert!(self.x.is_finite(), "the reference is not a number at {} s", self.t);
            if self.x >= self.n.threshold {
                return true;
            }
        }
        false
    }
}

/// The spike times of a neuron.
pub fn spikes(n: &Neuron, method: Method) -> Vec<f64> {
    let mut walk = Walk {
        n,
        method,
        circuits: n.circuits,
        t: 0.0,
        x: n.start,
        is_cut: false,
        is_held: false,
        dc: (0.0, 0.0, 0.0),
    };
    let mut spikes = Vec::new();
    let (mut arrival, mut change) = (0, 0);
    let mut refractory = f64::INFINITY;
    loop {
        while let Some((_, c, weight)) = n.arrivals.get(arrival).filter(|a| a.0 <= walk.t) {
            let jump = weight * walk.circuits[*c].jump;
            walk.circuits[*c].add(walk.t, jump);
            arrival += 1;
        }
        while let Some(dc) = n.dc.get(change).filter(|dc| dc.0 <= walk.t) {
            walk.dc = *dc;
            change += 1;
        }
        if walk.t >= refractory {
            if walk.is_held {
                walk.x = n.reset;
            }
            (walk.is_cut, walk.is_held, refractory) = (false, false, f64::INFINITY);
        }
        if walk.t >= n.duration {
            return spikes;
        }
        let mut to = n.duration.min(refractory);
        to = to.min(n.arrivals.get(arrival).map_or(f64::INFINITY, |a| a.0));
        to = to.min(n.dc.get(change).map_or(f64::INFINITY, |dc| dc.0));
        for circuit in &walk.circuits {
            let floor = circuit.floor_time();
            if floor > walk.t {
                to = to.min(floor);
            }
        }
        if walk.advance(to) {
            spikes.push(walk.t);
            walk.x = n.reset;
            let ahp = &mut walk.circuits[AHP];
            if ahp.jump > 0.0 {
                ahp.add(walk.t, ahp.jump);
                ahp.floor = n.ahp_floor;
            }
            if n.ref_p > 0.0 {
                (walk.is_held, walk.is_cut) = (n.holds, !n.holds);
                refractory = walk.t + n.ref_p;
            }
        }
    }
}
