// What the event-driven kernels of all models have in common: arguments, arrivals, direct inputs, and how a
// neuron lies in memory. Macros: PARAMETER_WORDS and STATE_WORDS, which name its numbers one after the other.
//
// A neuron is kept in words of eight bytes: word w of neuron `slot` is at w * stride + slot. All fields of
// arguments have eight bytes.

/// No moment.
#define NO_TIME (~Word(0))

/// Pulses that arrive at a neuron: when (from the start of the window), at which receptor.
struct Arrival {
    Word time_and_receptor; // time << 3 | receptor
    long long weight;
};

struct Spike {
    Word slot;
    Word time;
};

/// What came of the windows of a batch.
struct Header {
    Word spikes;
    Word faults;
    Word right_sides;
    Word routed;   // Spikes of earlier windows, which wait for their delays (network.cu).
    Word steps;
    Word rejected;
};

/// A direct input that changes in time: a ramp (count is 0), or steps.
struct Drive {
    Word first;
    Word count;
    double from;
    double to;
    Word start;
    Word end;
};

/// A value from a time on.
struct Level {
    Word time;
    double value;
};

struct Advance {
    const Word* parameters;
    const Word* before;       // State at the start ...
    Word* after;              // ... and at the end.
    const unsigned* counts;   // Of each neuron: how many arrivals, which end at `ends`; sorted.
    const unsigned* ends;
    const Arrival* arrivals;
    const unsigned* slots;    // Samples only: these neurons are carried, and nothing of them is kept but their
    const unsigned* stops_of; // state at the stops [k] to [k + 1] of the k-th.
    const Word* stops;
    double* samples;          // [stop][columns]
    const unsigned* drive_of; // The drive of each neuron, or ~0; null: there are none.
    const Drive* drives;
    const Level* levels;
    Header* header;
    Spike* spikes;
    Word* faults;             // Of each neuron: 1 + (time from the start of the window << 1 | whether it is a storm, otherwise not a number).
    Word capacity;            // Of the list of spikes. What does not fit is counted.
    Word threads;             // Neurons, or samples.
    Word stride;
    Word start;               // Of the window.
    Word end;
    double length;            // Of the window, s.
    Word most_spikes;         // A neuron that fires more often counts as a storm.
    Word columns;             // Of a sample.
    Word circuits;            // Four bits for each circuit: which of the solver's it is.
    Word holds;               // Whether a membrane is held while refractory.
    double b;
    double tolerance;         // Of a step, s.
    Word is_later;            // Not the first window of a batch: after a fault nothing in it counts.
};

__device__ __forceinline__ void take(Word word, double* number) { *number = __longlong_as_double((long long)word); }
__device__ __forceinline__ void take(Word word, Word* number) { *number = word; }
__device__ __forceinline__ void take(Word word, bool* flag) { *flag = word != 0; }
__device__ __forceinline__ Word word_of(double number) { return Word(__double_as_longlong(number)); }
__device__ __forceinline__ Word word_of(Word number) { return number; }
__device__ __forceinline__ Word word_of(bool flag) { return flag ? 1 : 0; }

/// What happens to one neuron in a window.
struct Job {
    unsigned slot;
    const Arrival* arrivals;
    unsigned arrival_count;
    const Word* stops;
    unsigned stop_count;
    double* samples;
    const Drive* dc; // Null: there is none.
    Word right_sides;
    Word steps;
    Word rejected;
};

__device__ __forceinline__ void emit_spike(const Advance& a, const Job& job, Word time) {
    if (job.stops) return;
    const Word at = claim(&a.header->spikes);
    if (at < a.capacity) {
        a.spikes[at].slot = job.slot;
        a.spikes[at].time = time;
    }
}

__device__ __forceinline__ void emit_fault(const Advance& a, const Job& job, Word time, bool storm) {
    if (job.stops) return;
    const Word since = time > a.start ? time - a.start : 0;
    a.faults[job.slot] = (since << 1 | (storm ? 1 : 0)) + 1;
    atomicAdd(&a.header->faults, Word(1));
}

/// A direct input at a time: value, slope per second, and the next time at which it jumps or bends.
__device__ __forceinline__ void drive_at(
    const Advance& a, const Drive& drive, Word now, double* value, double* slope, Word* change) {
    *slope = 0.0;
    *change = NO_TIME;
    if (drive.count > 0) {
        Word low = drive.first, high = drive.first + drive.count;
        while (low < high) {
            const Word middle = (low + high) / 2;
            if (a.levels[middle].time <= now) low = middle + 1;
            else high = middle;
        }
        *value = low == drive.first ? 0.0 : a.levels[low - 1].value;
        if (low < drive.first + drive.count) *change = a.levels[low].time;
    } else if (now < drive.start) {
        *value = drive.from;
        *change = drive.start;
    } else if (now >= drive.end) {
        *value = drive.to;
    } else {
        *slope = (drive.to - drive.from) / seconds(drive.end - drive.start);
        *value = drive.from + *slope * seconds(now - drive.start);
        *change = drive.end;
    }
}
