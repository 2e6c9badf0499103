// Spikes reach the sums of what arrives: every edge adds its pulses. Integers, so that no result depends on
// the order. All fields of arguments have eight bytes.

/// The cells of a bank begin here: a stride of them for each receptor.
struct Bank {
    Word first_cell;
    Word stride;
    Word index;
};

struct Deliver {
    const Run* runs;
    const Edge* edges;
    int* sums;            // [step][cell]
    unsigned* masks;      // Bit step % 32 of [step / 32][cell]; null: there are none.
    const Bank* banks;
    Word* overflow;       // The earliest sum beyond its range.
    Word count;           // Runs.
    Word bank_count;
    Word cells;
    Word offset;          // The step that counts as 0 in `overflow`.
    const Word* counted;  // How many of the runs there are; null: all.
    Word threads;
};

/// Threads that deliver a run.
#define TEAM 8

/// A sum beyond its range is the least of step << 48 | bank << 32 | slot << 3 | receptor.
__device__ __forceinline__ void overflows(const Deliver& a, unsigned step, unsigned cell) {
    Word b = 0;
    while (b + 1 < a.bank_count && a.banks[b + 1].first_cell <= cell) ++b;
    const Word at = cell - a.banks[b].first_cell;
    const Word receptor = at / a.banks[b].stride, slot = at % a.banks[b].stride;
    atomicMin(a.overflow, (a.offset + step) << 48 | a.banks[b].index << 32 | slot << 3 | receptor);
}

/// Adds pulses to the sums. Weights are not negative: whichever addition leaves the range first sees it.
extern "C" __global__ void deliver(const Deliver a) {
    const Word thread = Word(blockIdx.x) * blockDim.x + threadIdx.x;
    if (thread >= a.threads) return;
    const Word count = a.counted && *a.counted < a.count ? *a.counted : a.count;
    for (Word r = thread / TEAM; r < count; r += a.threads / TEAM) {
        const Run run = a.runs[r];
        for (unsigned k = thread % TEAM; k < run.count; k += TEAM) {
            const Edge edge = a.edges[run.first + k];
            if (edge.cell >= a.cells) continue;
            const unsigned before =
                unsigned(atomicAdd(&a.sums[run.step * a.cells + edge.cell], edge.weight));
            if (before > 0x7fffffffu || before + unsigned(edge.weight) > 0x7fffffffu) {
                overflows(a, run.step, edge.cell);
            }
            if (a.masks) {
                atomicOr(&a.masks[run.step / 32 * a.cells + edge.cell], 1u << run.step % 32);
            }
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
