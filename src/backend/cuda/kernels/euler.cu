// A window of a bank: one thread carries one neuron from the window's first step to its last, with its
// parameters and state in registers. Macros: PARAMETERS, STATES, RECEPTORS, MEMBRANE, DC (-1: none).
//
// Columns are plain: neuron `slot` of column c is at c * stride + slot, so that neighbours in a warp read
// neighbours in memory. All fields of arguments have eight bytes.

typedef unsigned long long Word;

/// Where faults go, and how many spikes are listed. Faults are the least of what happened: step << 32 | slot, or
/// what deliver.cu says; all ones: none.
struct Header {
    Word spikes;
    Word not_finite;
    Word overflow;
    Word routed; // Of event-driven neurons: network.cu.
};

/// Samples of a neuron's state that a launch takes: before its step `next`, and every `every` from there
/// on, `count` in all (0: none); the state columns of the first go to row `row` of the samples.
struct Request {
    unsigned next;
    unsigned every;
    unsigned count;
    unsigned row;
};

struct Advance {
    const float* parameters;
    const float* before;       // State at the start ...
    float* after;              // ... and at the end.
    unsigned* masks;           // Bit s % 32 of word s / 32: something arrives in step s; null: look.
    int* sums;                 // What arrives in step s. Words and steps of all banks are `cells` apart,
                               // in each [receptor][slot] of this one.
    const float* drives;       // Direct inputs that change in time: [drive][s].
    const unsigned* drive_of;  // The drive of each neuron, or ~0; null: there are none.
    const Request* requests;
    const unsigned* requests_of; // Requests of neuron n: [n] to [n + 1]; null: there are none.
    float* samples;            // [row][STATES]
    Header* header;
    unsigned* fired;           // Bit t % 32 of [t / 32][slot]: fires in step t.
    Word neurons;
    Word stride;
    Word cells;
    Word first;                // First step, in the steps that masks and sums hold.
    Word steps;
    Word drive_steps;          // Steps of a drive.
    Word offset;               // Steps before those: faults, samples and drives count from there.
    Word fired_from;           // The step that counts as 0 in `fired`.
    Word empties;              // Whether masks and sums are emptied as they are read.
};

/// Takes the samples of a neuron that are due before step `k`; the result is when the next ones are.
__device__ __forceinline__ unsigned sample(
    const Advance& a, unsigned slot, unsigned k, const float* state) {
    unsigned next = ~0u;
    for (unsigned r = a.requests_of[slot]; r < a.requests_of[slot + 1]; ++r) {
        const Request request = a.requests[r];
        if (request.count == 0) continue;
        if (k < request.next) {
            next = request.next < next ? request.next : next;
            continue;
        }
        const unsigned since = k - request.next;
        unsigned taken = since / request.every;
        if (taken >= request.count) continue;
        if (since % request.every == 0) {
            for (int c = 0; c < STATES; ++c) {
                a.samples[Word(request.row + taken) * STATES + c] = state[c];
            }
        }
        if (taken + 1 < request.count) {
            const unsigned then = request.next + (taken + 1) * request.every;
            next = then < next ? then : next;
        }
    }
    return next;
}

__device__ __forceinline__ unsigned least(unsigned a, unsigned b) { return b < a ? b : a; }

/// Carries a neuron through the window. Step s of masks and sums is step t = offset + s of drives and faults, and
/// bit f of what has fired; samples count from the launch.
template <bool DRIVEN>
__device__ __forceinline__ void walk(
    const Advance& a, unsigned slot, unsigned drive, float* parameter, float* state) {
#if DC >= 0
    const float constant = parameter[DC];
#endif
    const unsigned first = unsigned(a.first), last = first + unsigned(a.steps);
    const unsigned offset = unsigned(a.offset), fired_from = unsigned(a.fired_from);
    // (A bank has fewer than 2^32 cells in all steps.)
    const unsigned cells = unsigned(a.cells), stride = unsigned(a.stride);
    unsigned next_sample = a.requests_of ? sample(a, slot, offset, state) : ~0u;
    unsigned not_finite = ~0u;
    unsigned mask[RECEPTORS], fired = 0;
    for (unsigned s = first; s < last;) {
        // To the end of a word of masks, of a word of what has fired, or to a sample.
        const unsigned t = offset + s, f = t - fired_from, taken = t - first;
        unsigned count = least(last - s, least(32 - s % 32, 32 - f % 32));
        count = least(count, next_sample - taken);
        unsigned cell = s * cells + slot;
#pragma unroll
        for (int r = 0; r < RECEPTORS; ++r) {
            if (s == first || s % 32 == 0) {
                unsigned* at = a.masks + (s / 32 * cells + r * stride + slot);
                mask[r] = (a.masks ? *at : ~0u) >> s % 32;
                if (a.empties && a.masks && mask[r]) *at = 0;
            }
        }
        unsigned* const word = a.fired + (Word(f / 32) * stride + slot);
        if (f % 32 == 0) fired = 0;
        else if (s == first) fired = *word;
        unsigned bit = 1u << f % 32;
        const float* drives = DRIVEN && drive != ~0u ? a.drives + drive * a.drive_steps + t : nullptr;
        for (unsigned k = t; k < t + count; ++k, cell += cells, bit += bit) {
            float arrivals[RECEPTORS];
#pragma unroll
            for (int r = 0; r < RECEPTORS; ++r) {
                int sum = 0;
                if (mask[r] & 1) {
                    int* const at = a.sums + (cell + r * stride);
                    sum = *at;
                    // (To empty it in any case stalls: the sum is still on its way.)
                    if (a.empties && sum) *at = 0;
                }
                mask[r] >>= 1;
                arrivals[r] = float(sum);
            }
#if DC >= 0
            if (DRIVEN && drives) parameter[DC] = constant + *drives++;
#endif
            if (step(parameter, state, arrivals)) fired |= bit;
            if (state[MEMBRANE] != state[MEMBRANE]) not_finite = least(not_finite, k);
        }
        s += count;
        if (s == last || (f + count) % 32 == 0) *word = fired;
        if (taken + count == next_sample) next_sample = sample(a, slot, taken + count, state);
    }
    if (not_finite != ~0u) atomicMin(&a.header->not_finite, Word(not_finite) << 32 | slot);
}

extern "C" __global__ void advance(const Advance a) {
    const unsigned slot = blockIdx.x * blockDim.x + threadIdx.x;
    if (slot >= a.neurons) return;
    float parameter[PARAMETERS], state[STATES];
#pragma unroll
    for (int c = 0; c < PARAMETERS; ++c) parameter[c] = a.parameters[c * a.stride + slot];
#pragma unroll
    for (int c = 0; c < STATES; ++c) state[c] = a.before[c * a.stride + slot];
    if (DC >= 0 && a.drive_of) walk<true>(a, slot, a.drive_of[slot], parameter, state);
    else walk<false>(a, slot, ~0u, parameter, state);
#pragma unroll
    for (int c = 0; c < STATES; ++c) a.after[c * a.stride + slot] = state[c];
}

struct Spike {
    unsigned slot;
    unsigned step;
};

struct List {
    const unsigned* fired;
    Header* header;
    Spike* spikes;
    Word capacity;             // Of the list. What does not fit is counted.
    Word neurons;
    Word stride;
    Word steps;
};

/// Lists what has fired.
extern "C" __global__ void list_spikes(const List a) {
    const unsigned slot = blockIdx.x * blockDim.x + threadIdx.x;
    if (slot >= a.neurons) return;
    const unsigned words = (unsigned(a.steps) + 31) / 32;
    unsigned count = 0;
    for (unsigned w = 0; w < words; ++w) count += __popc(a.fired[w * a.stride + slot]);
    if (count == 0) return;
    Word at = atomicAdd(&a.header->spikes, Word(count));
    for (unsigned w = 0; w < words; ++w) {
        for (unsigned bits = a.fired[w * a.stride + slot]; bits; bits &= bits - 1, ++at) {
            if (at >= a.capacity) return;
            a.spikes[at].slot = slot;
            a.spikes[at].step = 32 * w + __ffs(bits) - 1;
        }
    }
}

/// A number of the state that was changed from outside.
struct Change {
    unsigned at;
    float value;
};

struct Write {
    const Change* changes;
    float* state;
    Word count;
};

extern "C" __global__ void write_state(const Write a) {
    const unsigned k = blockIdx.x * blockDim.x + threadIdx.x;
    if (k < a.count) a.state[a.changes[k].at] = a.changes[k].value;
}
