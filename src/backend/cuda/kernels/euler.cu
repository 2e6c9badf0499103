// A window of a bank: one thread carries one neuron from the window's first step to its last, with its
// parameters and state in registers. Macros: PARAMETERS, STATES, RECEPTORS, MEMBRANE, DC (-1: none).
//
// Columns are plain: neuron `slot` of column c is at c * stride + slot, so that neighbours in a warp read
// neighbours in memory. All fields of arguments have eight bytes.

typedef unsigned long long Word;

/// Where spikes and faults go. Faults are the least of what happened: step << 32 | slot, or
/// what deliver.cu says; all ones: none.
struct Header {
    Word spikes;
    Word not_finite;
    Word overflow;
    Word routed; // Of the spikes: network.cu.
};

struct Spike {
    unsigned slot;
    unsigned step;
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
    Spike* spikes;
    Word capacity;             // Of the list of spikes. What does not fit is counted.
    Word neurons;
    Word stride;
    Word cells;
    Word first;                // First step, in the steps that masks, sums and drives hold.
    Word steps;
    Word drive_steps;          // Steps of a drive.
    Word offset;               // Steps before those: spikes, faults, samples and drives count from there.
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

extern "C" __global__ void advance(const Advance a) {
    const unsigned slot = blockIdx.x * blockDim.x + threadIdx.x;
    if (slot >= a.neurons) return;
    float parameter[PARAMETERS], state[STATES];
#pragma unroll
    for (int c = 0; c < PARAMETERS; ++c) parameter[c] = a.parameters[c * a.stride + slot];
#pragma unroll
    for (int c = 0; c < STATES; ++c) state[c] = a.before[c * a.stride + slot];
#if DC >= 0
    const float constant = parameter[DC];
    const unsigned drive = a.drive_of ? a.drive_of[slot] : ~0u;
#endif
    const unsigned offset = unsigned(a.offset);
    unsigned next_sample = a.requests_of ? sample(a, slot, offset, state) : ~0u;
    bool is_number = true;
    unsigned mask[RECEPTORS];
    const unsigned steps = unsigned(a.steps);
    for (unsigned k = 0; k < steps; ++k) {
        const unsigned s = unsigned(a.first) + k;
        float arrivals[RECEPTORS];
#pragma unroll
        for (int r = 0; r < RECEPTORS; ++r) {
            const Word cell = r * a.stride + slot;
            if (k == 0 || s % 32 == 0) {
                mask[r] = a.masks ? a.masks[s / 32 * a.cells + cell] : ~0u;
                if (a.empties && a.masks && mask[r]) a.masks[s / 32 * a.cells + cell] = 0;
            }
            const bool any = mask[r] >> (s % 32) & 1;
            const int sum = any ? a.sums[s * a.cells + cell] : 0;
            if (a.empties && sum) a.sums[s * a.cells + cell] = 0;
            arrivals[r] = float(sum);
        }
#if DC >= 0
        if (drive != ~0u) parameter[DC] = constant + a.drives[drive * a.drive_steps + offset + s];
#endif
        if (step(parameter, state, arrivals)) {
            const Word at = atomicAdd(&a.header->spikes, Word(1));
            if (at < a.capacity) {
                a.spikes[at].slot = slot;
                a.spikes[at].step = offset + s;
            }
        }
        if (is_number && state[MEMBRANE] != state[MEMBRANE]) {
            is_number = false;
            atomicMin(&a.header->not_finite, Word(offset + s) << 32 | slot);
        }
        if (offset + k + 1 == next_sample) next_sample = sample(a, slot, offset + k + 1, state);
    }
#pragma unroll
    for (int c = 0; c < STATES; ++c) a.after[c * a.stride + slot] = state[c];
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
