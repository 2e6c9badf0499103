// The plain LIF neuron from event to event, operation by operation what src/solver/event/lif.rs computes, whose
// functions have the same names here and are explained there. Macros: SAME, MOMENT.

/// Intervals that wait to be looked at: halves of halves, as long as time can tell them apart.
#define MOST_INTERVALS 80

/// See LifNeuron.
struct Neuron {
    double tau_m, threshold, reset, dc, ref_p, tau_s[2], jump[2];
    Word time;
    double v, late, current[2];
    Word refractory;
    bool is_awake;
};

struct Course {
    double constant, slope;
    double amplitude[3], tau[3];
    double resonant[2], tau_m;
};

__device__ Course course_of(const Neuron& n, double dc, double slope) {
    Course course;
    course.slope = slope;
    course.constant = dc - slope * n.tau_m;
    course.tau_m = n.tau_m;
    double own = n.v - course.constant;
    for (int k = 0; k < 2; ++k) {
        course.amplitude[k] = course.resonant[k] = 0.0;
        course.tau[k] = n.tau_m;
        const double current = k == 0 ? n.current[k] : -n.current[k];
        const double tau = n.tau_s[k];
        if (magnitude(tau - n.tau_m) <= SAME * n.tau_m) {
            course.resonant[k] = current / n.tau_m;
        } else {
            const double amplitude = current * tau / (tau - n.tau_m);
            course.amplitude[k] = amplitude;
            course.tau[k] = tau;
            own -= amplitude;
        }
    }
    course.amplitude[2] = own;
    course.tau[2] = n.tau_m;
    return course;
}

__device__ double value_at(const Course& course, double t) {
    double terms = -0.0, resonant = -0.0;
    for (int k = 0; k < 3; ++k) terms += course.amplitude[k] * exponential(-t / course.tau[k]);
    for (int k = 0; k < 2; ++k) {
        resonant += course.resonant[k] * t * exponential(-t / course.tau_m);
    }
    return course.constant + course.slope * t + terms + resonant;
}

__device__ __forceinline__ double decay(double t, double tau) {
    return t < NEVER ? exponential(-t / tau) : 0.0;
}

/// t * exp(-t / tau).
__device__ __forceinline__ double resonance(double t, double tau) {
    return t < NEVER ? t * exponential(-t / tau) : 0.0;
}

__device__ double bound(const Course& course, double from, double to) {
    const double rise =
        course.slope == 0.0 ? 0.0 : course.slope > 0.0 ? course.slope * to : course.slope * from;
    double terms = -0.0, resonant = -0.0;
    for (int k = 0; k < 3; ++k) {
        const double amplitude = course.amplitude[k];
        terms += amplitude * decay(amplitude > 0.0 ? from : to, course.tau[k]);
    }
    for (int k = 0; k < 2; ++k) {
        const double tau = course.tau_m;
        const double low = smaller(resonance(from, tau), resonance(to, tau));
        const double high = resonance(tau < from ? from : tau > to ? to : tau, tau);
        resonant += course.resonant[k] * (course.resonant[k] > 0.0 ? high : low);
    }
    return course.constant + rise + terms + resonant;
}

/// The first moment in (from, to] at which v reaches the threshold; not a number: there is none.
__device__ double crossing(const Course& course, double threshold, double from, double to) {
    if (bound(course, from, to) < threshold) return NOT_A_NUMBER;
    double intervals[MOST_INTERVALS][2];
    intervals[0][0] = from;
    intervals[0][1] = to;
    int count = 1;
    while (count > 0) {
        --count;
        from = intervals[count][0];
        to = intervals[count][1];
        if (bound(course, from, to) < threshold) continue;
        if (to - from <= MOMENT || count + 2 > MOST_INTERVALS) {
            const double before = value_at(course, from), after = value_at(course, to);
            if (before >= threshold) return from;
            if (after >= threshold) {
                return from + (threshold - before) / (after - before) * (to - from);
            }
            continue;
        }
        const double middle = 0.5 * (from + to);
        intervals[count][0] = middle;
        intervals[count][1] = to;
        intervals[count + 1][0] = from;
        intervals[count + 1][1] = middle;
        count += 2;
    }
    return NOT_A_NUMBER;
}

__device__ __forceinline__ void decay_currents(Neuron& n, double dt) {
    for (int k = 0; k < 2; ++k) n.current[k] *= exponential(-dt / n.tau_s[k]);
}

/// Carries a neuron to the end of the window: `run`.
__device__ void carry(const Advance& a, Job& job, Neuron& n) {
    unsigned arrival = 0, stop = 0;
    Word spikes = 0;
    for (;;) {
        while (stop < job.stop_count && job.stops[stop] <= n.time) {
            double* to = job.samples + stop * a.columns;
            to[0] = n.v;
            to[1] = n.current[0];
            to[2] = n.current[1];
            ++stop;
        }
        if (n.time >= a.end) break;
        if (n.refractory <= n.time) n.refractory = NO_TIME;
        while (arrival < job.arrival_count &&
               a.start + (job.arrivals[arrival].time_and_receptor >> 3) <= n.time) {
            const int k = int(job.arrivals[arrival].time_and_receptor & 7);
            n.current[k] += double(job.arrivals[arrival].weight) * n.jump[k];
            ++arrival;
        }
        double dc = 0.0, slope = 0.0;
        Word event = NO_TIME;
        if (job.dc) drive_at(a, *job.dc, n.time, &dc, &slope, &event);
        if (a.end < event) event = a.end;
        if (n.refractory < event) event = n.refractory;
        if (arrival < job.arrival_count) {
            const Word next = a.start + (job.arrivals[arrival].time_and_receptor >> 3);
            if (next < event) event = next;
        }
        if (stop < job.stop_count && job.stops[stop] < event) event = job.stops[stop];
        const double dt = seconds(event - n.time);
        job.right_sides += 1;
        if (n.refractory != NO_TIME) {
            decay_currents(n, dt);
            n.v = n.reset;
            n.time = event;
            continue;
        }
        if (n.late != 0.0) {
            const double late = n.late;
            n.late = 0.0;
            n.v = value_at(course_of(n, n.dc + dc, slope), -late);
        }
        const Course course = course_of(n, n.dc + dc, slope);
        const double found =
            n.v >= n.threshold ? 0.0 : crossing(course, n.threshold, 0.0, dt);
        if (found != found) {
            n.v = value_at(course, dt);
            decay_currents(n, dt);
            n.time = event;
            if (!(magnitude(n.v) < NEVER)) {
                emit_fault(a, job, event, false);
                n.time = a.end;
            }
            continue;
        }
        const double ticks = found * PER_SECOND;
        const Word cut = whole(ticks);
        const Word past = cut + (ticks - double(cut) >= 0.5 ? 1 : 0);
        Word at = later(n.time, past);
        if (event < at) at = event;
        const double until = seconds(at - n.time);
        n.late = found - until;
        decay_currents(n, until);
        n.v = n.reset;
        n.time = at;
        emit_spike(a, job, at);
        spikes += 1;
        if (spikes > a.most_spikes) {
            emit_fault(a, job, at, true);
            n.time = a.end;
        }
        Word ref_p;
        if (!from_seconds(n.ref_p, &ref_p)) ref_p = NO_TIME;
        const Word until_then = later(at, ref_p);
        n.refractory = ref_p == 0 ? NO_TIME : until_then < NO_TIME ? until_then : NO_TIME - 1;
    }
    n.is_awake = n.refractory != NO_TIME || job.dc ||
                 bound(course_of(n, n.dc, 0.0), 0.0, NEVER) >= n.threshold;
}
