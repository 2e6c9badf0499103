// The DPI neuron from event to event, operation by operation what src/solver/event computes, whose functions
// have the same names here and are explained there: dpi.rs (Neuron), step.rs
// (attempt), run.rs (carry, store_neuron) and events.rs (the rest of Run); span.rs is event_span.cuh, which stands
// behind. Macros: N (circuits that can have a current above their floor), IS_CLOSED (all their input is in closed
// form), POWER (the feedback is the power law), SINGLE; and the constants of those files.

/// Phases.
#define REST 0
#define HOLD 1
#define RUN 2

/// How it goes on: with a step; not, it is done with the window; to be found out.
#define NEXT_STEP 0
#define NEXT_END 1
#define NEXT_UNKNOWN 2

/// Bits of a verdict.
#define ACCEPTED 1u
#define REACHED 2u
#define CROSSED 4u
#define LANDED 8u
#define SYNAPSE_FLOOR 16u
#define CHART 32u
#define MEMBRANE_FLOOR 64u
#define LATE 128u
#define BROKEN 256u
#define TURNED 512u
#define FAULT 1024u
#define KINK 2048u
#define SPAN 4096u

#define STAGES 6

__constant__ const Real STAGE_WEIGHTS[7][6] = STEP_A;
__constant__ const Real STAGE_NODES[7] = STEP_C;
__constant__ const Real ERROR_WEIGHTS[7] = STEP_E;

/// See DpiNeuron.
struct Neuron {
    double a, i0, i_gain, r, ln_r, q_th, z_th, y_th, q_reset, y_reset, feedback_reset, y_open, y_down;
    double feedback, gate_slope, gate_offset, y_nmda, input, leak, ref_p;
    double tau[N], decay[N], fastest, raise[N], floor[CIRCUITS], y_calm;
    Word time, phase;
    double x, k, unforced, margin, h, y;
    bool is_z;
    double is_first, first_q, first_z;
    double current[N];
    bool has_floor[CIRCUITS];
    Word refractory;
    bool is_at_floor, is_awake, is_anew;
};

/// The way of a neuron: what in Rust are its lane, its Way and its Job.
struct Run {
    const Advance& a;
    Job& job;
    Neuron& n;

    // The lane.
    Real k, h, y, unforced;
    bool is_z, is_swapped;
    Real is_first, first_q, first_z, x_th, x_floor, y_up, y_down;
    bool is_open;
    Real closed, leak, i0, ln_r, feedback, gate_slope, gate_offset;
    Real rise, rise_slope, rise_curve, detour;
    Real nmda, y_nmda, gabab, margin, margin_end;
    double t, event, x;
    Current current[N], rate[N], i0_low;
    Current base, slope, ampa, tau, inhibition, inhibition_tau, left_of_ampa, left_of_gabab, integral;
    Real verdict;

    // The way.
    unsigned arrival, spanned, stop, phase;
    double longest_span;
    double arrives, other, refractory, floor, dc_change, bend, dc_value, dc_slope, dc_from, way_h, late;
    bool has_changed_chart, is_at_floor, is_driven;
    Word spikes;

    __device__ Run(const Advance& a, Job& job, Neuron& n) : a(a), job(job), n(n) {}

    __device__ __forceinline__ double relative(Word time) const {
        return double((long long)time - (long long)a.start) * (1.0 / PER_SECOND);
    }

    __device__ __forceinline__ Word absolute(double t) const {
        const long long ticks = (long long)(a.start + Word(nearest(t * PER_SECOND)));
        return ticks > 0 ? Word(ticks) : 0;
    }

    __device__ __forceinline__ void set_input(bool is_open) {
        ampa = is_open ? current[AMPA] : Current(0.0);
        Current sum = base + ampa;
        if (N == 2) {
            inhibition = is_open ? current[N - 1] : Current(0.0);
            sum = sum - inhibition;
        }
        closed = Real(sum);
    }

    /// The equation of a step from `x`.
    __device__ __forceinline__ Equation equation(Real x) const {
        Equation e;
        e.x = x;
        e.inverse_x = Real(1.0) / x;
        e.y = y;
        e.is_swapped = is_swapped;
        e.is_open = is_open;
        e.x_low = Real(0.5) * x_th;
#pragma unroll
        for (int c = 0; c < N; ++c) {
            e.current[c] = Real(current[c]);
            e.rate[c] = Real(rate[c]);
        }
        e.closed = closed;
        e.base = Real(base);
        e.ampa = Real(ampa);
        e.tau = Real(tau);
        e.inhibition = Real(inhibition);
        e.inhibition_tau = Real(inhibition_tau);
        e.rise = rise;
        e.rise_slope = rise_slope;
        e.rise_curve = rise_curve;
        e.slope = Real(slope);
        e.nmda = nmda;
        e.y_nmda = y_nmda;
        e.gabab = gabab;
        e.leak = leak;
        e.i0 = i0;
        e.ln_r = ln_r;
        e.feedback = feedback;
        e.gate_slope = gate_slope;
        e.gate_offset = gate_offset;
        e.b = Real(a.b);
        e.inverse_b = Real(1.0 / a.b);
        return e;
    }

    // run.rs

    __device__ int load_lane() {
        refractory = n.refractory == NO_TIME ? NEVER : relative(n.refractory);
        arrival = stop = 0;
        longest_span = NEVER;
        phase = unsigned(n.phase);
        has_changed_chart = false;
        arrives = other = floor = dc_change = bend = NEVER;
        is_at_floor = n.is_at_floor;
        dc_value = dc_slope = dc_from = 0.0;
        way_h = n.h;
        late = NOT_A_NUMBER;
        is_driven = false;
        spikes = 0;
        t = relative(n.time);
        x = n.x;
        k = Real(n.k);
        unforced = Real(n.unforced);
        margin = Real(n.margin);
        margin_end = Real(0.0);
        h = Real(n.h);
        y = Real(n.y);
        is_swapped = false;
        is_first = Real(n.is_first);
        first_q = Real(n.first_q);
        first_z = Real(n.first_z);
        x_floor = Real(n.r - 16.0 * EPSILON * (1.0 + n.r));
        is_open = n.refractory == NO_TIME || a.holds;
#pragma unroll
        for (int c = 0; c < N; ++c) {
            current[c] = Current(n.current[c]);
            rate[c] = Current(n.decay[c]);
        }
        tau = Current(n.tau[AMPA]);
        inhibition_tau = Current(n.tau[AMONG(GABAB)]);
        y_nmda = Real(n.y_nmda);
        i0 = Real(n.a * n.i0);
        const double clock = 4.0 * 2.220446049250313e-16 * larger(a.length, -t) * n.fastest;
        const double rounding = smaller(32.0 * CURRENT_EPSILON + clock, 1e-3);
        i0_low = Current(n.a * n.i0 * (1.0 - rounding));
        ln_r = Real(n.ln_r);
        feedback = Real(n.feedback);
        gate_slope = Real(n.gate_slope);
        gate_offset = Real(n.gate_offset);
        nmda = gabab = closed = Real(0.0);
        slope = ampa = inhibition = Current(0.0);
        verdict = Real(0.0);
        event = 0.0;
        clear_span();
        if (job.dc) read_direct_input();
        set_chart(n.is_z);
        set_constants();
        if (n.is_anew) {
            start_anew();
            return NEXT_UNKNOWN;
        }
        return begin();
    }

    __device__ void store_neuron() {
        n.time = absolute(t);
        n.is_awake = !is_quiet();
        n.refractory = refractory < NEVER ? absolute(refractory) : NO_TIME;
        n.phase = phase;
        n.is_at_floor = is_at_floor;
        n.x = x;
        n.k = double(k);
        n.unforced = double(unforced);
        n.margin = double(margin);
        n.h = double(h);
        n.y = double(y);
        n.is_z = is_z;
        n.is_first = double(is_first);
        n.first_q = double(first_q);
        n.first_z = double(first_z);
        for (int c = 0; c < N; ++c) n.current[c] = double(current[c]);
    }

    __device__ __forceinline__ double now_of(int c) const {
        return c < N ? double(current[AMONG(c)]) : 0.0;
    }

    __device__ __forceinline__ double floor_rate(int c) const {
        return n.a * (n.has_floor[c] ? n.floor[c] : 0.0);
    }

    __device__ bool is_quiet() {
        if (is_driven || refractory < NEVER || job.dc || is_z) return false;
        const double closed = N == 2 ? n.a * n.input + larger(floor_rate(AMPA), now_of(AMPA))
                                     : double(this->closed);
        const double nmda = larger(floor_rate(NMDA), now_of(NMDA));
        const double leak = n.a * n.leak + floor_rate(GABAA) + floor_rate(AHP);
        const double factors[] = {1.0, 1.05, 1.5, 3.0};
#pragma unroll 1
        for (int f = 0; f < 4; ++f) {
            const double y = double(this->y) * factors[f];
            if (y >= n.y_th) return false;
            const double gated =
                IS_CLOSED ? 0.0 : nmda * y / (y + n.y_nmda) - floor_rate(GABAB);
            const double input = larger(closed + gated, n.a * n.i0);
            if (input >= leak * (1.0 + y)) continue;
            job.right_sides += 1;
            const double gate = 1.0 + exponential((n.gate_slope * y + n.gate_offset) * LN_2);
            const double feedback =
                POWER ? exponential(n.feedback * LN_2 + a.b * ln(y)) / gate : n.feedback / gate;
            const double total = input + (feedback - leak) * (1.0 + y);
            if (total < -1e-5 * (input + leak * (1.0 + y))) return true;
        }
        return false;
    }

    /// Puts the state columns where it stands to a sample.
    __device__ void sample() {
        double* to = job.samples + stop * a.columns;
        to[0] = larger(double(y) * n.i_gain, n.i0);
        for (unsigned c = 0; c + 1 < a.columns; ++c) {
            const unsigned at = unsigned(a.circuits >> 4 * c) & 15u;
            const double current =
                (at < N ? double(this->current[AMONG(at)]) : 0.0) / n.a;
            const double floor = n.has_floor[at] ? n.floor[at] : 0.0;
            to[1 + c] = current > 0.0 ? current : floor;
        }
    }

    // events.rs

    __device__ void read_direct_input() {
        Word change;
        drive_at(a, *job.dc, absolute(t), &dc_value, &dc_slope, &change);
        dc_from = t;
        dc_change = change == NO_TIME ? NEVER : relative(change);
    }

    __device__ void start_anew() {
        n.is_anew = false;
        if (N == 2) {
            is_at_floor = margin_now() < 0.0;
            set_constants();
        }
        if (phase == HOLD) {
            y = Real(n.y_reset);
            return;
        }
        set_first_step(double(evaluate().total));
        const double y = double(this->y);
        if (is_at_threshold() || y >= n.y_th) {
            spike();
        } else if (y <= n.r * (1.0 + 4.0 * EPSILON)) {
            phase = REST;
        }
    }

    __device__ __forceinline__ double constant_floor(int c) const {
        const bool is_above = c < N && current[AMONG(c)] > Current(0.0);
        return is_above || !n.has_floor[c] ? 0.0 : n.floor[c];
    }

    __device__ void set_constants() {
        const double direct = dc_value + dc_slope * (t - dc_from);
        const bool is_open = this->is_open && !is_at_floor;
        if (is_open) {
            double input = n.input + direct + constant_floor(AMPA);
            if (IS_CLOSED) input -= constant_floor(GABAB);
            base = Current(n.a * input);
            slope = Current(n.a * dc_slope);
        } else {
            base = Current(n.a * n.i0);
            slope = Current(0.0);
        }
        set_input(is_open);
        leak = Real(n.a * (n.leak + constant_floor(GABAA) + constant_floor(AHP)));
        if (!IS_CLOSED) {
            nmda = Real(n.a * constant_floor(NMDA));
            gabab = Real(n.a * constant_floor(GABAB));
        }
    }

    __device__ void set_chart(bool z) {
        const double most = 3.4028234663852886e38;
        is_z = z;
        x_th = Real(z ? n.z_th : n.q_th);
        y_up = POWER && !z ? Real(smaller(n.y_open, most)) : Real(most);
        y_down = z ? Real(n.y_down) : Real(0.0);
    }

    __device__ void skip(double to) {
        const double dt = to - t;
        for (int c = 0; c < N; ++c) {
            const double now = double(current[c]);
            if (now > 0.0) {
                const double decayed = now * exponential(-dt / n.tau[c]);
                current[c] = Current(decayed < n.a * n.i0 ? 0.0 : decayed);
            }
        }
        t = to;
        set_constants();
    }

    __device__ double rate_at_rest() {
        x = n.r;
        is_swapped = false;
        if (is_z) set_chart(false);
        const Real total = evaluate().total;
        y = Real(n.r);
        return double(total);
    }

    __device__ __forceinline__ double inhibition_at(int c, double dt) const {
        if (c >= N) return 0.0;
        const double above = double(current[AMONG(c)]);
        const double floor = n.a * (n.has_floor[c] ? n.floor[c] : 0.0);
        return above > 0.0 ? larger(above * exponential(-dt / n.tau[AMONG(c)]), floor) : floor;
    }

    __device__ double bound_at_rest(double excitation, double dt) const {
        const double i0 = n.a * n.i0;
        const double rising = larger(double(slope), 0.0) * dt;
        const double input = is_open ? excitation + rising - inhibition_at(GABAB, dt) : i0;
        const double leak = n.a * n.leak + inhibition_at(GABAA, dt) + inhibition_at(AHP, dt);
        return larger(input, i0) + (feedback_at_rest() - leak) * (1.0 + n.r);
    }

    __device__ double end_of_rest(double to) const {
        if (N == 1 || is_at_floor) return to;
        double gated;
        if (IS_CLOSED) {
            gated = current[N - 1] > Current(0.0) ? 0.0 : n.a * n.floor[GABAB];
        } else {
            const double nmda = double(this->nmda) + double(current[AMONG(NMDA)]);
            gated = nmda * n.r / (n.r + n.y_nmda);
        }
        const double excitation = double(base) + double(ampa) + gated;
        if (bound_at_rest(excitation, to - t) <= 0.0) return to;
        double low = 0.0, high = to - t;
#pragma unroll 1
        for (int k = 0; k < 60; ++k) {
            const double middle = 0.5 * (low + high);
            if (bound_at_rest(excitation, middle) > 0.0) high = middle;
            else low = middle;
            if (high - low < 1e-13) break;
        }
        return t + high;
    }

    __device__ double feedback_at_rest() const {
        const double gate = 1.0 + exponential((n.gate_slope * n.r + n.gate_offset) * LN_2);
        return POWER ? n.a * n.i0 / gate : n.feedback / gate;
    }

    /// Handles all that is due; false when the neuron has reached the end.
    __device__ bool proceed() {
        for (;;) {
            while (stop < job.stop_count && relative(job.stops[stop]) <= t) {
                sample();
                ++stop;
            }
            if (t >= a.length) return false;
            const Real closed_before = closed, base_before = Real(base);
            bool changed = reach_floors();
            changed |= receive();
            if (job.dc && t >= dc_change) {
                read_direct_input();
                changed = true;
            }
            if (t >= refractory) {
                refractory = NEVER;
                is_open = true;
                if (phase == HOLD) {
                    phase = RUN;
                    reset();
                }
                changed = true;
            }
            if (N == 2 && changed) {
                is_at_floor = margin_now() < 0.0;
            } else if (N == 2 && t >= bend) {
                is_at_floor = !is_at_floor;
                changed = true;
            }
            if (changed) {
                set_constants();
                rate_after_event(closed_before, base_before);
            }
            arrives = arrival < job.arrival_count ? relative(arrival_time(arrival)) : NEVER;
            other = stop < job.stop_count ? relative(job.stops[stop]) : NEVER;
            other = smaller(other, a.length);
            other = smaller(other, refractory);
            other = smaller(other, dc_change);
            const double next = smaller(smaller(arrives, other), floor);
            bend = N == 2 ? next_bend(next) : NEVER;
            event = smaller(next, bend);
            if (phase == RUN) return set_out() == NEXT_STEP;
            if (phase == HOLD) {
                skip(event);
                continue;
            }
            const double rate = rate_at_rest();
            if (rate > 0.0) {
                phase = RUN;
                set_first_step(rate);
                return true;
            }
            double slowest = 0.0;
            for (int c = 0; c < N; ++c) {
                if (current[c] > Current(0.0)) slowest = larger(slowest, n.tau[c]);
            }
            const double least = larger(8.0 * EPSILON * slowest, a.tolerance);
            skip(smaller(larger(end_of_rest(event), t + least), event));
        }
    }

    /// How far the sum of all input in closed form is above its floor: `margins`.
    __device__ __forceinline__ double margins(double* ampa, double* gabab) const {
        *ampa = double(current[AMONG(AMPA)]);
        *gabab = double(current[AMONG(GABAB)]);
        const double floor_ampa = *ampa > 0.0 ? 0.0 : n.floor[AMPA];
        const double floor_gabab = *gabab > 0.0 ? 0.0 : n.floor[GABAB];
        return n.a * (n.input + floor_ampa - floor_gabab - n.i0);
    }

    /// `margin`.
    __device__ double margin_now() const {
        double ampa, gabab;
        const double constant = margins(&ampa, &gabab);
        return constant + ampa - gabab;
    }

    __device__ __forceinline__ static bool is_over(double margin, bool is_at_floor) {
        return is_at_floor ? margin > 0.0 : margin < 0.0;
    }

    __device__ double next_bend(double to) const {
        const double length = to - t;
        double ampa, gabab;
        const double constant = margins(&ampa, &gabab);
        const double fast_ampa = LN_2 * n.decay[AMPA], fast_gabab = LN_2 * n.decay[AMONG(GABAB)];
        const bool is_far = is_at_floor
                                ? constant + ampa - gabab * (1.0 - fast_gabab * length) < 0.0
                                : constant + ampa * (1.0 - fast_ampa * length) - gabab > 0.0;
        if (is_far || !is_open) return NEVER;
        const double ratio = fast_ampa * ampa / (fast_gabab * gabab);
        const double within = ratio < 1e-300 ? 1e-300 : ratio > 1e300 ? 1e300 : ratio;
        double turn = ln(within) / (fast_ampa - fast_gabab);
        turn = turn > 0.0 && turn < length ? turn : length;
        double low, high;
        if (is_over(margin_at(constant, ampa, gabab, turn, nullptr), is_at_floor)) {
            low = 0.0;
            high = turn;
        } else if (is_over(margin_at(constant, ampa, gabab, length, nullptr), is_at_floor)) {
            low = turn;
            high = length;
        } else {
            return NEVER;
        }
        double dt = 0.5 * (low + high);
#pragma unroll 1
        for (int k = 0; k < 80; ++k) {
            double slope;
            const double value = margin_at(constant, ampa, gabab, dt, &slope);
            if (is_over(value, is_at_floor)) high = dt;
            else low = dt;
            const double next = dt - value / slope;
            const double before = dt;
            dt = next > low && next < high ? next : 0.5 * (low + high);
            if (magnitude(dt - before) < 1e-15) break;
        }
        return t + dt;
    }

    __device__ double margin_at(
        double constant, double ampa, double gabab, double dt, double* slope) const {
        const double fast_ampa = LN_2 * n.decay[AMPA], fast_gabab = LN_2 * n.decay[AMONG(GABAB)];
        ampa = ampa * exponential(-fast_ampa * dt);
        gabab = gabab * exponential(-fast_gabab * dt);
        if (slope) *slope = fast_gabab * gabab - fast_ampa * ampa;
        return constant + ampa - gabab;
    }

    __device__ bool is_calm() const {
        const double left = a.length - t;
        if (!IS_CLOSED || event < a.length || left > CALM_FOR) return false;
        const double most = n.a * (n.input + n.floor[AMPA]) + double(current[AMPA]);
        return job.stop_count == 0 && !job.dc && double(y) + most * left <= n.y_calm &&
               relative(absolute(t)) == t;
    }

    __device__ bool reach_floors() {
        if (t < floor) return false;
        floor = NEVER;
        const double i0 = n.a * n.i0;
        const double limit = i0 + 2.0 * (i0 - double(i0_low));
        bool changed = false;
        for (int c = 0; c < N; ++c) {
            if (current[c] > Current(0.0) && double(current[c]) <= limit) {
                current[c] = Current(0.0);
                changed = true;
            }
        }
        return changed;
    }

    __device__ __forceinline__ Word arrival_time(unsigned k) const {
        return a.start + (job.arrivals[k].time_and_receptor >> 3);
    }

    /// The circuit at which something arrives.
    __device__ __forceinline__ int place_of(Word time_and_receptor) const {
        const int place = int(a.circuits >> 4 * (time_and_receptor & 7)) & 15;
        return AMONG(place);
    }

    __device__ bool receive() {
        bool changed = false;
        while (arrival < job.arrival_count && relative(arrival_time(arrival)) <= t) {
            const Word first = job.arrivals[arrival].time_and_receptor;
            long long sum = 0;
            while (arrival < job.arrival_count && job.arrivals[arrival].time_and_receptor == first) {
                sum += job.arrivals[arrival].weight;
                ++arrival;
            }
            const int c = place_of(first);
            raise(c, double(sum) * n.raise[c]);
            is_driven = true;
            changed = true;
        }
        return changed;
    }

    __device__ void raise(int c, double jump) {
        const double now = double(current[c]);
        const double least = n.has_floor[c] ? n.a * n.floor[c] : 0.0;
        const double raised = (now > 0.0 ? now : least) + jump;
        current[c] = Current(raised > n.a * n.i0 ? raised : 0.0);
        floor = NEVER;
    }

    __device__ int begin() {
        const bool is_plain = IS_CLOSED && phase == RUN && !is_at_floor && !(refractory < NEVER) &&
                              job.stop_count == 0 && !job.dc;
        const double first = job.arrival_count ? relative(arrival_time(0)) : NEVER;
        const double next = smaller(first, a.length);
        if (!is_plain || next <= t || (N == 2 && next_bend(next) < NEVER)) return NEXT_UNKNOWN;
        arrives = first;
        other = a.length;
        event = next;
        return set_out();
    }

    __device__ int set_out() {
        if (is_calm()) return NEXT_END;
        start();
        return NEXT_STEP;
    }

    __device__ int take_arrival() {
        if (!IS_CLOSED) return NEXT_UNKNOWN;
        const bool is_plain =
            t == arrives && t < other && t < floor && phase == RUN && !is_at_floor && is_open;
        if (!is_plain || arrival >= job.arrival_count) return NEXT_UNKNOWN;
        const double next_arrives =
            arrival + 1 < job.arrival_count ? relative(arrival_time(arrival + 1)) : NEVER;
        const double next_event = smaller(next_arrives, other);
        const Arrival& first = job.arrivals[arrival];
        const int c = place_of(first.time_and_receptor);
        const double now = double(current[c]);
        const Current raised = Current(now + double(first.weight) * n.raise[c]);
        if (next_arrives <= t || now <= 0.0 || double(raised) <= n.a * n.i0) return NEXT_UNKNOWN;
        if (N == 2) {
            const double ampa = double(c == AMPA ? raised : current[AMPA]);
            const double gabab = double(c == AMPA ? current[N - 1] : raised);
            const double floor_ampa = ampa > 0.0 ? 0.0 : n.floor[AMPA];
            const double floor_gabab = gabab > 0.0 ? 0.0 : n.floor[GABAB];
            const double constant = n.input + floor_ampa - floor_gabab - n.i0;
            const double left = 1.0 - LN_2 * n.decay[AMPA] * (next_event - t);
            if (n.a * constant + ampa * left - gabab <= 0.0 || n.a * constant + ampa < gabab) {
                return NEXT_UNKNOWN;
            }
        }
        const Real before = closed;
        current[c] = raised;
        set_input(true);
        arrival += 1;
        arrives = next_arrives;
        floor = NEVER;
        bend = NEVER;
        is_driven = true;
        event = next_event;
        rate_after_event(before, Real(base));
        return set_out();
    }

    __device__ __noinline__ Rate evaluate() {
        job.right_sides += 1;
        const Equation e = equation(Real(x));
        const Real zero = Real(0.0);
        const Input input = input_of(e, zero);
        const Rate rate = POWER && is_z ? rate_of<true>(e, zero, zero, input)
                                        : rate_of<false>(e, zero, zero, input);
        k = rate.k;
        unforced = rate.unforced;
        margin = rate.margin;
        return rate;
    }

    __device__ void rate_after_event(Real before, Real base_before) {
        if (phase != RUN) return;
        const Real slow = k + before;
        if (!IS_CLOSED) {
            evaluate();
        } else {
            const Real change = closed - before;
            Real constant = Real(base) - base_before;
            if (is_z) {
                const Real gain = Real(1.0) / (Real(1.0) + y);
                const Real by_input = Real(-a.b) * Real(x) * gain;
                k = k + by_input * change;
                constant = by_input * constant;
            }
            unforced = unforced + constant;
        }
        if (!is_z) {
            hold_step(slow);
        } else if (is_first > Real(1.5)) {
            set_first_step_on_z();
        }
    }

    __device__ __forceinline__ void hold_step(Real slow) {
        const Real fast = magnitude(k + closed);
        if (fast > Real(FASTER) * magnitude(slow)) {
            h = Real(smaller(double(h), first_step(double(first_q), double(fast))));
        }
    }

    __device__ __forceinline__ static double first_step(double way, double rate) {
        return smaller(way, 2.5) / larger(magnitude(rate), 1.0);
    }

    __device__ void set_first_step(double rate) {
        h = Real(first_step(double(first_q), rate));
        is_first = Real(1.0);
    }

    __device__ void set_first_step_on_z() {
        const double way = double(first_z) * x;
        h = Real(way / larger(magnitude(double(k)), way));
    }

    __device__ void reset() {
        set_chart(false);
        set_constants();
        is_swapped = false;
        x = n.q_reset;
        y = Real(n.y_reset);
        Real total;
        if (!IS_CLOSED) {
            total = evaluate().total;
        } else {
            job.right_sides += 1;
            k = (Real(n.feedback_reset) - leak) * Real(1.0 + n.y_reset);
            unforced = k + Real(base);
            total = k + closed;
        }
        set_first_step(double(total));
        const bool rests = n.y_reset <= n.r * (1.0 + 1e-9) && total <= Real(0.0);
        phase = rests ? REST : RUN;
    }

    __device__ void spike() {
        const Word time = absolute(t);
        spikes += 1;
        emit_spike(a, job, time);
        if (spikes > a.most_spikes) emit_fault(a, job, time, true);
        if (!IS_CLOSED && n.raise[AMONG(AHP)] > 0.0) {
            raise(AMONG(AHP), n.raise[AMONG(AHP)]);
            n.has_floor[AHP] = true;
        }
        if (n.ref_p > 0.0) refractory = t + n.ref_p;
        if (n.ref_p > 0.0 && a.holds) {
            phase = HOLD;
            set_chart(false);
            is_swapped = false;
            y = Real(n.y_reset);
            set_constants();
        } else {
            is_open = n.ref_p <= 0.0;
            reset();
        }
    }

    // span.rs: in event_span.cuh.

    __device__ void start();
    __device__ void span();
    __device__ void clear_span();
    __device__ void shorten_span();
    __device__ void end_span();

    // events.rs

    __device__ void choose_way() {
        const bool comes_first = time_to_threshold(event) < NEVER;
        if (comes_first && !is_at_threshold()) {
            const double way = x - double(x_th);
            const double step = double(h) * magnitude(double(k));
            swap();
            h = Real(-smaller(step, way));
        }
    }

    __device__ double time_to_threshold(double end) const {
        const double z = x, z_th = double(x_th), rest = end - t;
        const double y1 = 1.0 + double(y);
        const double leak = double(this->leak) * y1 - double(closed);
        const double i0 = double(this->i0) * y1;
        const double top = i0 - leak * z_th, bottom = i0 - leak * z;
        const double way = (z - z_th) * y1;
        if (!(top > 0.0 && bottom > 0.0 && way < rest * a.b * larger(top, bottom))) return NEVER;
        const double time = magnitude(top - bottom) < NEARLY_STEADY * bottom
            ? 2.0 * way / (a.b * (top + bottom))
            : double(log2_all(Real(top / bottom))) * LN_2 * y1 / (a.b * leak);
        return time < rest ? time : NEVER;
    }

    __device__ __forceinline__ bool is_at_threshold() const {
        return is_z ? Real(x) <= x_th : Real(x) >= x_th;
    }

    __device__ void swap() {
        way_h = double(h);
        const Real closed = is_z ? Real(0.0) : this->closed;
        is_swapped = true;
        h = Real(double(x_th) - x);
        k = Real(1.0) / (k + closed);
    }

    __device__ void unswap(double step) {
        const Real closed = is_z ? Real(0.0) : this->closed;
        is_swapped = false;
        h = Real(larger(step, a.tolerance));
        k = Real(1.0) / k - closed;
    }

    /// Does what the verdict on a step asks for; whether an event is due then.
    __device__ bool handle() {
        const double said = double(verdict);
        const bool is_accepted = said > 0.0;
        const unsigned verdict = unsigned(whole(magnitude(said)));
        const double rest = event - t;
        bool at_threshold = false;
        if (verdict & FAULT) {
            emit_fault(a, job, absolute(t), false);
            t = a.length;
            return true;
        } else if (is_accepted) {
            if (spanned > 0) end_span();
            if (verdict & CHART) change_chart();
            if (verdict & REACHED) return true;
            at_threshold = (verdict & LANDED) != 0;
            if (!at_threshold && is_z) choose_way();
        } else if (verdict & SPAN) {
            shorten_span();
        } else if (verdict & BROKEN) {
            unswap(0.25 * smaller(way_h, rest));
        } else if (verdict & SYNAPSE_FLOOR) {
            const double at = next_floor();
            const double planned = floor;
            floor = at;
            event = smaller(event, at);
            if (is_swapped) {
                unswap(larger(at - t, 0.0));
            } else if (at >= planned) {
                h = Real(0.5 * smaller(double(h), rest));
            }
            return at <= t;
        } else if (verdict & LATE) {
            late = x;
            unswap(rest);
        } else if (verdict & CROSSED) {
            // (In single precision a step to the event may be a hair shorter.)
            const bool is_last = h >= Real(rest);
            const bool is_at_event = is_last && late == x;
            at_threshold = is_at_event || is_at_threshold();
            if (is_at_event) {
                skip(event);
            } else if (!at_threshold) {
                swap();
            }
        } else if (verdict & MEMBRANE_FLOOR) {
            return fall();
        } else if (verdict & KINK) {
            const double from = double(margin), to = double(margin_end);
            h = Real(smaller(double(h), rest) * from / (from - to));
        } else if (verdict & TURNED) {
            h = Real(0.5 * smaller(double(h), rest));
        }
        if (at_threshold) {
            spike();
            if (spikes > a.most_spikes) t = a.length;
        }
        return at_threshold;
    }

    __device__ double next_floor() const {
        const double i0 = n.a * n.i0;
        double at = NEVER;
        for (int c = 0; c < N; ++c) {
            if (current[c] > Current(0.0)) {
                at = smaller(at, n.tau[c] * larger(ln(double(current[c]) / i0), 0.0));
            }
        }
        return t + at;
    }

    __device__ bool fall() {
        const double rest = event - t;
        const double step = smaller(double(h), rest);
        const double to = step >= rest ? event : t + step;
        const double t = this->t, x = this->x;
        const Real k = this->k, y = this->y, unforced = this->unforced, margin = this->margin;
        Current kept[N];
        for (int c = 0; c < N; ++c) kept[c] = current[c];
        skip(to);
        if (rate_at_rest() <= 0.0 || step < a.tolerance) {
            phase = REST;
            return true;
        }
        this->t = t;
        this->x = x;
        this->k = k;
        this->y = y;
        for (int c = 0; c < N; ++c) current[c] = kept[c];
        this->unforced = unforced;
        this->margin = margin;
        h = Real(0.5 * step);
        set_constants();
        return false;
    }

    __device__ void change_chart() {
        const double b = a.b;
        const double y = double(this->y);
        if (is_z) {
            const double u = log2_all(x) * LN_2 / -b;
            const double per_q = (1.0 + y) / (-b * x);
            const double speed = double(k) / (-b * x);
            unforced = unforced * Real(per_q);
            x = u + y;
            k = Real(speed * (1.0 + y)) - closed;
            set_chart(false);
            set_first_step(speed * (1.0 + y));
        } else {
            Real e;
            const Real m = mantissa_and_exponent(this->y, &e);
            const double log2 = double(log2_all(m)) + double(e) - n.ln_r * LOG2_E;
            const double shift = double(nearest(-b * log2));
            const double power = __longlong_as_double((long long)(Word(1023 + (long long)shift) << 52));
            const double z = double(exp2_all(Real(-b * log2 - shift))) * power;
            const double speed = double(k + closed) / (1.0 + y);
            x = z;
            k = Real(-b * z * speed);
            unforced = unforced * Real(-b * z / (1.0 + y));
            is_first = Real(2.0);
            set_chart(true);
            set_first_step_on_z();
        }
        has_changed_chart = true;
    }

    // step.rs

    /// What each unit of input adds to the rate on chart z.
    __device__ __forceinline__ Real by_input(Real z, Real y) const {
        return Real(-a.b) * z / (Real(1.0) + y);
    }

    /// How far the smoothed input of arrivals may lead off within a step of `h` from `x`, on the chart; and what
    /// it leaves of that at the end.
    template <bool Z> __device__ __forceinline__ Real smoothing(
        Real x, Real h, const Real* stages, const Rate& end, Real* astray) const {
        const Real zero = Real(0.0), one = Real(1.0);
        const bool spans = this->detour > zero;
        const Real part = Real(DETOUR) * h;
        Real change = zero, detour = this->detour;
        if (Z) {
            const Real x_end = x + end.dx;
            change = magnitude(derivative(x_end, end.y) - derivative(x, y));
            detour = detour * (Real(a.b) * or_more(x_end, x) / (one + or_less(end.y, y)));
        } else {
            const double nodes[] = STEP_C;
            const Real start = (stages[2] - stages[0]) * Real(1.0 / nodes[2]);
            const Real last = (end.k - stages[3]) * Real(1.0 / (1.0 - nodes[3]));
            change = magnitude((last - start) / end.dx);
        }
        *astray = spans ? part * change * detour : zero;
        return detour;
    }

    /// d/dq of (Ifb - L)(1 + y) on chart z, with its gate open.
    __device__ __forceinline__ Real derivative(Real x, Real y) const {
        const Real feedback = i0 / x;
        return mul_add(feedback - leak, y / (Real(1.0) + y), Real(a.b) * feedback);
    }

    /// Tries one step; the verdict says what came of it.
    template <bool Z> __device__ __forceinline__ void attempt() {
        const Real zero = Real(0.0), one = Real(1.0);
        const Real start_x = Real(x);
        const double left = event - t;
        const Real rest = Real(left > 0.0 ? left : 0.0);
        const Real wanted = h;
        Real step = wanted + wanted > rest ? Real(0.5) * rest : wanted;
        step = wanted >= rest ? rest : step;
        const Real distance = x_th - start_x;
        const Real along_step =
            magnitude(wanted) > Real(0.9) * magnitude(distance) ? distance : wanted;
        const Real h = is_swapped ? along_step : step;

        const Equation e = equation(start_x);
        Real stages[6];
        stages[0] = Z ? mul_add(by_input(start_x, y), rise, k) : k;
        Real lowest = zero, highest = zero;
#pragma unroll 1
        for (int s = 1; s < 6; ++s) {
            Real sum = zero;
            for (int j = 0; j < s; ++j) {
                const Real weight = STAGE_WEIGHTS[s][j];
                if (weight != zero) sum = mul_add(stages[j], weight, sum);
            }
            const Real along = STAGE_NODES[s] * h, across = h * sum;
            const Real t = is_swapped ? across : along;
            const Rate rate = rate_of<Z>(e, is_swapped ? along : across, t, input_of(e, t));
            stages[s] = rate.k;
            if (IS_CLOSED) {
                lowest = s == 1 ? rate.dx : or_less(rate.dx, lowest);
                highest = s == 1 ? rate.dx : or_more(rate.dx, highest);
            }
        }

        // The step: `weigh`.
        const bool swapped = is_swapped;
        Real sum = zero;
#pragma unroll 1
        for (int j = 0; j < 6; ++j) {
            if (STAGE_WEIGHTS[6][j] != zero) sum = mul_add(stages[j], STAGE_WEIGHTS[6][j], sum);
        }
        const Real across = h * sum;
        const Real dx = swapped ? h : across, dt = swapped ? across : h;

        // Currents and the input at its end: `decay`.
        const bool reaches = !swapped && h >= rest;
        const Current time = Current(reaches ? (left > 0.0 ? left : 0.0) : double(dt));
        const Current none = Current(0.0);
        Current decays[N], currents[N];
        bool under = false;
#pragma unroll
        for (int c = 0; c < N; ++c) {
            const Current own = current[c];
            decays[c] = exp2_m1(-time * rate[c]);
            currents[c] = mul_add(own, decays[c], own);
            under = under || (own > none && currents[c] < i0_low);
        }
        const Current base_end = IS_CLOSED ? base : mul_add(slope, time, base);
        const Current mean = IS_CLOSED ? base : mul_add(Current(0.5) * slope, time, base);
        Current sum_end = base_end + mul_add(ampa, decays[AMPA], ampa);
        Current arrived = left_of_ampa;
        Current all = time * mean - ampa * tau * decays[AMPA];
        if (N == 2) {
            sum_end = sum_end - mul_add(inhibition, decays[N - 1], inhibition);
            arrived = arrived - left_of_gabab;
            all = mul_add(inhibition * inhibition_tau, decays[N - 1], all);
        }
        all = Z || swapped ? none : all + integral;
        const Real closed_end = Real(sum_end), closed_after = Real(sum_end + arrived);

        // The last stage, the error, the verdict, and what follows from it: `end`.
        Input input;
        input.closed = closed_end;
        input.rise = rise_at(e, dt);
        input.integral = Real(all);
#pragma unroll
        for (int c = 0; c < N; ++c) input.current[c] = IS_CLOSED ? zero : Real(currents[c]);
        Real error = zero;
        bool goes_on = true;
#pragma unroll 1
        for (int j = 0; j < 6; ++j) {
            const Real own = stages[j];
            if (ERROR_WEIGHTS[j] != zero) error = mul_add(own, ERROR_WEIGHTS[j], error);
            goes_on = goes_on && own * h > zero;
        }
        const Rate end = rate_of<Z>(e, dx, dt, input);
        const bool is_broken = !(goes_on && end.k * h > zero);
        error = magnitude(mul_add(end.k, ERROR_WEIGHTS[6], error) * h);

        const Real start = Z ? stages[0] : k + closed + rise;
        Real detour = zero, astray = zero;
        if (IS_CLOSED) detour = smoothing<Z>(start_x, h, stages, end, &astray);
        error = error + astray;
        const bool spans = detour > zero;
        const Real speed = magnitude(end.total);
        Real least_unforced = or_less(magnitude(end.unforced), magnitude(unforced));
        least_unforced = unforced * end.unforced < zero ? zero : least_unforced;
        Real sensitivity = or_less(Real(SENSITIVITY) * least_unforced, speed);
        sensitivity = or_more(sensitivity, Real(LEAST_SENSITIVITY) * speed);
        const Real epsilon = Real(EPSILON);
        const Real rounding = epsilon * magnitude(h) * end.size;
        const double part = Z ? ON_Z : IS_CLOSED ? 1.0 : NOT_CLOSED;
        const Real tolerance = Real(part * a.tolerance);
        const Real timed = mul_add(tolerance, sensitivity, rounding);
        const Real allowed = swapped ? mul_add(Real(2.0), epsilon * dt, tolerance) : timed;
        Real ratio = error / allowed;
        if (!Z) {
            const Real from = mul_add(gate_slope, y, gate_offset);
            const Real to = mul_add(gate_slope, end.y, gate_offset);
            const Real low = or_less(to, from), high = or_more(to, from);
            const Real open = POWER ? end.feedback : feedback * (one + or_more(end.y, y));
            const bool leaps = high - low > Real(MOST_OF_GATE) && low < Real(GATE_MATTERS) &&
                               high > Real(-GATE_MATTERS) && open > Real(FEEDBACK_MATTERS) * speed;
            ratio = leaps && ratio < Real(HALVES) ? Real(HALVES) : ratio;
        }
        const bool too_short = !swapped && h <= Real(SHORTEST);
        const bool is_good = ratio <= one || too_short;
        ratio = ratio < Real(LARGEST_RATIO) ? ratio : Real(LARGEST_RATIO);
        ratio = or_more(ratio, Real(SMALLEST_RATIO));
        const Real next = h * (Real(SAFETY) * rough_inverse_fifth_root(ratio));

        // Where it ends.
        const Real x_new = start_x + end.dx;
        const Real x_th = this->x_th + (Z ? detour : -detour);
        const Real x_floor = this->x_floor + detour;
        const bool is_beyond = Z ? x_new <= x_th : x_new >= x_th;
        const Real peak = mul_add(h, start, start_x);
        const bool peak_matters = Z ? peak <= x_th : peak >= x_th || peak < x_floor;
        const bool is_long = h > Real(a.tolerance);
        bool turned = start * end.total < zero && peak_matters;
        if (IS_CLOSED) {
            const Real low = start_x + lowest, high = start_x + highest;
            const bool leads_off = Z ? low <= x_th : high >= x_th || low < x_floor;
            turned = turned || ((N == 2 || spans) && leads_off);
        }
        turned = turned && is_long;
        unsigned wrong = 0;
        if (!swapped && is_beyond) wrong |= CROSSED;
        if (!swapped && turned) wrong |= TURNED;
        if (swapped && dt > rest) wrong |= LATE;
        if (!Z && !swapped && x_new < x_floor) wrong |= MEMBRANE_FLOOR;
        if (!IS_CLOSED) {
            const Real low = or_less(magnitude(end.margin), magnitude(margin));
            const Real high = or_more(magnitude(end.margin), magnitude(margin));
            const bool kink = margin * end.margin < zero && low > Real(NEAR_KINK) * high && is_long;
            if (!swapped && kink) wrong |= KINK;
        }
        // What a step says that is too long for its error may be wrong.
        if (!is_good) wrong = 0;
        if (under) wrong |= SYNAPSE_FLOOR;
        if (swapped && is_broken) wrong |= BROKEN;
        const bool accepted = is_good && wrong == 0;
        if (spans) wrong |= SPAN;
        const bool chart = Z ? end.y < y_down : end.y > y_up && end.runs_away;
        const bool reached = !swapped && h >= rest;
        unsigned right = ACCEPTED;
        if (reached) right |= REACHED;
        if (swapped && h <= distance && h >= distance) right |= LANDED;
        if (!swapped && chart) right |= CHART;
        if (!(x_new <= x_new)) right |= FAULT;
        verdict = accepted ? Real(right) : -Real(wrong);

        // What the first step came to is where the next first one starts.
        const Real per_chart = Z ? (swapped ? one : k) / start_x : start;
        const Real came_to = or_more(magnitude(next * per_chart), Real(1e-3));
        if (accepted && is_first > zero) {
            if (Z) first_z = came_to;
            else first_q = came_to;
        }
        if (accepted) is_first = zero;
        const bool clipped = !swapped && wanted > h && next < wanted;
        const Real after = clipped ? wanted : next;
        this->h = accepted ? after : is_good ? wanted : next;
        if (!IS_CLOSED) margin_end = end.margin;
        if (!accepted) return;
        k = end.k;
        if (Z && IS_CLOSED && spans) {
            // From here on the input is no longer smoothed.
            k = mul_add(by_input(x_new, end.y), closed_after - closed_end - input.rise, end.k);
        }
        y = end.y;
        unforced = end.unforced;
        closed = closed_after;
#pragma unroll
        for (int c = 0; c < N; ++c) {
            const Current left = c == AMPA ? left_of_ampa : N == 2 ? left_of_gabab : none;
            current[c] = currents[c] + left;
        }
        // What is part of the input is so still.
        ampa = ampa > none ? current[AMPA] : none;
        if (N == 2) inhibition = inhibition > none ? current[N - 1] : none;
        if (!IS_CLOSED) {
            base = base_end;
            margin = end.margin;
        }
        // Rounding leads a step that lands on the threshold no further than the next event.
        const double to = t + double(dt);
        t = reached || to > event ? event : to;
        x = x + (double(dx) + double(all));
    }
};

/// Carries a neuron to the end of the window: `run`.
__device__ void carry(const Advance& a, Job& job, Neuron& n) {
    Run run(a, job, n);
    int next = run.load_lane();
    if (next == NEXT_STEP || (next == NEXT_UNKNOWN && run.proceed())) {
        for (;;) {
            if (POWER && run.is_z) run.template attempt<true>();
            else run.template attempt<false>();
            job.steps += 1;
            job.right_sides += STAGES;
            if (!(run.verdict > Real(0.0))) job.rejected += 1;
            const bool is_plain = run.verdict >= Real(0.0) && run.verdict <= Real(1.0);
            if (is_plain || !run.handle()) continue;
            next = run.take_arrival();
            if (next == NEXT_END || (next == NEXT_UNKNOWN && !run.proceed())) break;
        }
    }
    run.store_neuron();
}
