// Spikes reach the sums of what arrives: every edge adds its pulses.

/// Threads that deliver a run.
#define TEAM 8

/// Adds pulses to the sums.
extern "C" __global__ void deliver(const Deliver a) {
    const Word thread = Word(blockIdx.x) * blockDim.x + threadIdx.x;
    if (thread >= a.threads) return;
    const Word count = a.counted && *a.counted < a.count ? *a.counted : a.count;
    for (Word r = thread / TEAM; r < count; r += a.threads / TEAM) {
        const Run run = a.runs[r];
        for (unsigned k = thread % TEAM; k < run.count; k += TEAM) {
            add_pulses(a, a.edges[run.first + k], run.step);
        }
    }
}

/// Empties what the same runs filled.
extern "C" __global__ void withdraw(const Deliver a) {
    const Word thread = Word(blockIdx.x) * blockDim.x + threadIdx.x;
    if (thread / TEAM >= a.count) return;
    const Run run = a.runs[thread / TEAM];
    for (unsigned k = thread % TEAM; k < run.count; k += TEAM) {
        const Edge edge = a.edges[run.first + k];
        if (edge.cell >= a.cells) continue;
        a.sums[run.step * a.cells + edge.cell] = 0;
        if (a.masks) a.masks[run.step / 32 * a.cells + edge.cell] = 0;
    }
}

/// A weight that has changed.
struct Change {
    unsigned edge;
    int weight;
};

struct Reweight {
    const Change* changes;
    Edge* edges;
    Word count;
};

extern "C" __global__ void reweight(const Reweight a) {
    const Word k = Word(blockIdx.x) * blockDim.x + threadIdx.x;
    if (k < a.count) a.edges[a.changes[k].edge].weight = a.changes[k].weight;
}
