// Steps that span arrivals, operation by operation what src/solver/event/span.rs computes, whose functions have the
// same names here and are explained there. Stands behind event_dpi.cu. Macros: FURTHEST, LARGEST_DETOUR,
// LONGEST_DECAY, NEXT_SPAN, SPAN_GROWTH, MOST_OF_WAY and REST_OF_DECAY of that file.

/// What arrives in a step.
struct Arrived {
    double left[2] = {}, pulses[2] = {};
    double integrals[3] = {};

    __device__ __forceinline__ void add(int circuit, double pulse, double decay, double time) {
        const double coefficients[] = REST_OF_DECAY;
        const double r = time * decay;
        double third = coefficients[0];
#pragma unroll
        for (int k = 1; k < int(sizeof coefficients / sizeof *coefficients); ++k) {
            third = mul_add(third, r, coefficients[k]);
        }
        const double second = mul_add(-r, third, 0.5);
        const double first = mul_add(-r, second, 1.0);
        left[circuit] += pulse * mul_add(-r, first, 1.0);
        pulses[circuit] += pulse;
        const double integral = time * (circuit == AMPA ? pulse : -pulse);
        integrals[0] += integral * first;
        integrals[1] += integral * time * second;
        integrals[2] += integral * time * time * third;
    }

    __device__ __forceinline__ void parabola(
        double length, double* value, double* slope, double* curve) const {
        const double scale = 1.0 / length;
        const double one = integrals[0], two = integrals[1] * scale;
        const double three = integrals[2] * scale * scale;
        *value = (60.0 * three - 24.0 * two + 3.0 * one) * scale;
        *slope = (168.0 * two - 24.0 * one - 360.0 * three) * scale * scale;
        *curve = (30.0 * one - 180.0 * two + 360.0 * three) * scale * scale * scale;
    }
};

/// Whether a current that gets pulses decays: none at its floor does.
__device__ __forceinline__ bool decays(double pulses, double current) {
    return pulses <= 0.0 || current > 0.0;
}

__device__ void Run::start() {
    if (IS_CLOSED) span();
    if (spanned == 0 && is_z) choose_way();
}

__device__ void Run::span() {
    const Real zero = Real(0.0);
    const double h = smaller(double(this->h), longest_span);
    const double reach = smaller(other, floor);
    const bool is_first_on_z = is_first > Real(1.5);
    const bool is_plain = event == arrives && arrives < reach && !is_at_floor && is_open &&
                          (is_first <= zero || is_first_on_z) && !is_swapped;
    if (!is_plain || (is_first_on_z && has_changed_chart)) return;
    // No tiny step is left over.
    const double rest = reach - t;
    double end = h >= rest ? reach : t + (2.0 * h > rest ? 0.5 * rest : h);
    end = smaller(end, arrives + LONGEST_DECAY / n.fastest);
    // As time is kept: a neuron may stay there.
    if (end < reach) end = relative(absolute(end));
    bool ends_anyway = end >= reach;
    const double left = is_z ? time_to_threshold(end) : NEVER;
    if (left < NEVER) {
        const double latest = t + MOST_OF_WAY * left;
        end = t;
        for (unsigned next = arrival; next < job.arrival_count; ++next) {
            const double time = relative(arrival_time(next));
            if (!(time <= latest)) break;
            end = time;
        }
        ends_anyway = true;
    }
    Arrived arrived;
    unsigned spanned = 0;
    for (; arrival + spanned < job.arrival_count; ++spanned) {
        const double before_end = end - relative(arrival_time(arrival + spanned));
        if (before_end <= 0.0) break;
        const Arrival& next = job.arrivals[arrival + spanned];
        const int c = place_of(next.time_and_receptor);
        arrived.add(c, double(next.weight) * n.raise[c], LN_2 * n.decay[c], before_end);
    }
    // To span one saves a step only where a step ends anyway.
    if (spanned < 2 && (spanned < 1 || !ends_anyway)) {
        longest_span *= SPAN_GROWTH;
        return;
    }
    const double length = end - t;
    const double all = arrived.pulses[AMPA] + arrived.pulses[GABAB];
    const double detour = FURTHEST * all * length;
    double ampa, gabab;
    const double constant = margins(&ampa, &gabab);
    bool is_small = detour <= LARGEST_DETOUR * (1.0 + double(y)) && all <= double(closed) &&
                    Real(detour) > zero && decays(arrived.pulses[AMPA], ampa);
    if (N == 2) {
        // The sum of all input stays above its floor.
        const double slowed = 1.0 - LN_2 * n.decay[AMPA] * length;
        const double least = constant + ampa * slowed - gabab - arrived.pulses[GABAB];
        is_small = is_small && decays(arrived.pulses[GABAB], gabab) && least > 0.0;
    }
    if (!is_small) {
        longest_span = 0.5 * length;
        return;
    }
    double value, slope, curve;
    arrived.parabola(length, &value, &slope, &curve);
    rise = Real(value);
    rise_slope = Real(slope);
    rise_curve = Real(curve);
    left_of_ampa = Current(arrived.left[AMPA]);
    if (N == 2) left_of_gabab = Current(arrived.left[GABAB]);
    integral = Current(arrived.integrals[0]);
    this->detour = Real(detour);
    this->h = or_more(this->h, Real(length));
    event = end;
    this->spanned = spanned;
}

__device__ void Run::clear_span() {
    spanned = 0;
    rise = rise_slope = rise_curve = detour = Real(0.0);
    left_of_ampa = left_of_gabab = integral = Current(0.0);
}

__device__ void Run::shorten_span() {
    longest_span = 0.5 * (event - t);
    clear_span();
    event = arrives;
    start();
}

__device__ void Run::end_span() {
    longest_span = NEXT_SPAN * double(h);
    arrival += spanned;
    is_driven = true;
    floor = bend = NEVER;
    arrives = arrival < job.arrival_count ? relative(arrival_time(arrival)) : NEVER;
    clear_span();
}
