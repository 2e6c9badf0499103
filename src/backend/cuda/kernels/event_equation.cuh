// The equation of a DPI neuron, operation by operation what src/solver/event/equation.rs computes, whose functions
// have the same names here and are explained there. Macros: as in event_dpi.cu, which stands behind.

/// A circuit's place among those that can have a current.
#define AMONG(c) ((c) < N ? (c) : N - 1)

/// The precision of currents: `Precision`.
#if SINGLE && N == 1
typedef float Current;
#define CURRENT_EPSILON EPSILON
#else
typedef double Current;
#define CURRENT_EPSILON 2.220446049250313e-16
#endif

struct Rate {
    Real k, total, unforced, size, feedback, y, margin, dx;
    bool runs_away;
};

struct Input {
    Real closed, rise, integral, current[N];
};

struct Equation {
    Real x, inverse_x, y;
    bool is_swapped, is_open;
    Real x_low, current[N], rate[N];
    Real closed, base, ampa, tau, inhibition, inhibition_tau, rise, rise_slope, rise_curve, slope;
    Real nmda, y_nmda;
    Real gabab, leak, i0, ln_r, feedback, gate_slope, gate_offset, b, inverse_b;
};

__device__ __forceinline__ Real rough_ln_omega(Real s) {
    Real middle = mul_add(s, Real(0.0004605982), Real(-0.0002957199));
    middle = mul_add(s, mul_add(s, middle, Real(-0.063619125)), Real(0.64256439));
    middle = mul_add(s, middle, Real(-0.58073853));
    const Real l = rough_log2(or_more(s, Real(1.0))) * Real(LN_2);
    const Real less = mul_add(l, Real(OMEGA_SLOPE), Real(-OMEGA_OFFSET));
    const Real high = l + or_less(less, Real(0.0));
    return s < Real(-4.0) ? s : s < Real(6.0) ? middle : high;
}

__device__ __forceinline__ Real omega(Real s, Real* log2_y) {
    const Real log2_e = Real(LOG2_E);
    s = or_less(or_more(s, Real(-60.0)), Real(1e9));
    const Real start = rough_ln_omega(s);
    Real log2 = start * log2_e;
    Real y = exp2_all(log2);
#pragma unroll
    for (int refinement = 0; refinement < REFINEMENTS; ++refinement) {
        if (refinement > 0) log2 = log2_all(y);
        const Real rest = mul_add(Real(-LN_2), log2, s - y);
        const Real y1 = Real(1.0) + y;
        const Real q = Real(2.0) * y1 * mul_add(Real(2.0 / 3.0), rest, y1);
        const Real delta = rest * (q - rest) / (y1 * mul_add(Real(-2.0), rest, q));
        y = mul_add(y, delta, y);
        Real series = mul_add(delta, Real(-0.25), Real(1.0 / 3.0));
        series = mul_add(delta, series, Real(-0.5));
        const Real ln = delta * mul_add(delta, series, Real(1.0));
        log2 = mul_add(ln, log2_e, log2);
    }
    *log2_y = log2;
    return y;
}

__device__ __forceinline__ Real gate(const Equation& e, Real y) {
    const Real exponent = mul_add(e.gate_slope, y, e.gate_offset);
    return exp2_all(exponent < Real(CLOSED) ? exponent : Real(CLOSED));
}

__device__ __forceinline__ Real rise_at(const Equation& e, Real t) {
    return IS_CLOSED ? mul_add(t, mul_add(t, e.rise_curve, e.rise_slope), e.rise) : Real(0.0);
}

__device__ __forceinline__ Input input_of(const Equation& e, Real t) {
    Input input;
    Real decays[N];
#pragma unroll
    for (int c = 0; c < N; ++c) {
        decays[c] = exp2_m1(-t * e.rate[c]);
        input.current[c] = mul_add(e.current[c], decays[c], e.current[c]);
    }
    const Real constant = IS_CLOSED ? e.closed : mul_add(e.slope, t, e.closed);
    input.closed = mul_add(e.ampa, decays[AMPA], constant);
    const Real half = Real(0.5) * e.slope;
    const Real mean = IS_CLOSED ? e.base : mul_add(half, t, e.base);
    input.integral = t * mean - e.ampa * e.tau * decays[AMPA];
    if (N == 2) {
        const Real decay = decays[AMONG(GABAB)];
        input.closed = mul_add(-e.inhibition, decay, input.closed);
        input.integral = mul_add(e.inhibition * e.inhibition_tau, decay, input.integral);
    }
    if (IS_CLOSED) {
        const Real half = Real(0.5) * e.rise_slope;
        const Real third = Real(1.0 / 3.0) * e.rise_curve;
        const Real mean = mul_add(t, mul_add(t, third, half), e.rise);
        input.integral = mul_add(t, mean, input.integral);
    }
    input.rise = rise_at(e, t);
    return input;
}

template <bool Z> __device__ __forceinline__ Rate rate_of(
    const Equation& e, Real dx, Real t, const Input& at) {
    const Real zero = Real(0.0), one = Real(1.0);
    Rate rate;
    const Real* now = at.current;
    const Real closed = IS_CLOSED ? at.closed + at.rise : at.closed;
    if (!Z) dx = dx + (e.is_swapped ? zero : at.integral);
    const Real x = e.x + dx;

    Real y, above, below;
    if (Z) {
        const Real held = x < e.x_low ? e.x_low : x;
        y = e.y * exp2_all(log2_all(held * e.inverse_x) * -e.inverse_b);
        above = one;
        below = one + y;
    } else {
        Real log2;
        y = omega(x + e.ln_r, &log2);
        above = POWER ? exp2_all(mul_add(e.b, log2, e.feedback)) : e.feedback;
        below = one + gate(e, y);
    }

    Real leak = e.leak, extra = zero, margin = zero;
    if (!IS_CLOSED) {
        leak = leak + now[AMONG(GABAA)] + now[AMONG(AHP)];
        const Real gated = (e.nmda + now[AMONG(NMDA)]) * (y / (y + e.y_nmda));
        Real input = closed + gated - (e.gabab + now[AMONG(GABAB)]);
        margin = e.is_open ? input - e.i0 : zero;
        input = e.is_open ? input : e.i0;
        input = input < e.i0 ? e.i0 : input;
        extra = input - closed;
    }

    const Real input = closed + extra;
    const Real inverse = one / below;
    rate.y = y;
    rate.margin = margin;
    rate.dx = dx;
    rate.runs_away = false;
    if (Z) {
        const Real sum = -e.b * mul_add(mul_add(-leak, below, input), x, e.i0 * below);
        rate.k = (e.is_swapped ? below : sum) / (e.is_swapped ? sum : below);
        rate.total = sum * inverse;
        rate.size = e.b * mul_add(leak, x, e.i0);
        rate.unforced = -e.b * mul_add(mul_add(e.base, inverse, -leak), x, e.i0);
        rate.feedback = zero;
    } else {
        const Real y1 = one + y;
        const Real net = mul_add(-leak, below, above) * y1;
        const Real sum = mul_add(extra, below, net);
        const Real total = mul_add(input, below, net);
        rate.k = (e.is_swapped ? below : sum) / (e.is_swapped ? total : below);
        const Real part = above * inverse;
        rate.feedback = above * y1;
        rate.total = total * inverse;
        rate.unforced = mul_add(part - e.leak, y1, e.base);
        rate.size = mul_add(part + leak, y1, magnitude(extra));
        if (POWER) {
            rate.runs_away =
                part * y1 > Real(RUN_AWAY) * input && part > Real(1.5) * leak;
        }
    }
    return rate;
}
