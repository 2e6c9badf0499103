// Spikes reach event-driven neurons: every edge puts an arrival into its neuron's part of a list. Threads
// have no order, so the parts are sorted afterwards. All fields of arguments have eight bytes.

struct Arrival {
    Word time_and_receptor;
    long long weight;
};

struct Arrive {
    const Run* runs;
    const Edge* edges;
    unsigned* counts;     // Of each neuron: arrivals, ...
    unsigned* ends;       // ... and where they end, as far as they are there.
    Arrival* arrivals;
    Word* total;          // Of all neurons. What does not fit into the list is counted: no neuron gets any then.
    Word capacity;        // Of the list.
    Word count;           // Runs, or the most that there are.
    const Word* counted;  // How many runs there are; null: all.
    Word threads;         // That deliver runs.
    Word neurons;
    Word first;
};

/// Threads that deliver a run.
#define TEAM 8
/// Neurons that share their part of the list among themselves.
#define NEIGHBOURS 16

/// How many arrive at each neuron.
extern "C" __global__ void count_arrivals(const Arrive a) {
    const Word thread = Word(blockIdx.x) * blockDim.x + threadIdx.x;
    if (thread >= a.threads) return;
    const Word count = a.counted && *a.counted < a.count ? *a.counted : a.count;
    for (Word r = thread / TEAM; r < count; r += a.threads / TEAM) {
        const Run run = a.runs[r];
        for (unsigned k = thread % TEAM; k < run.count; k += TEAM) {
            const unsigned cell = a.edges[run.first + k].cell;
            if (cell != ~0u && cell >= a.first) atomicAdd(&a.counts[(cell - a.first) >> 3], 1u);
        }
    }
}

/// A part of the list for each neuron. Their order means nothing.
extern "C" __global__ void share_list(const Arrive a) {
    const Word first = (Word(blockIdx.x) * blockDim.x + threadIdx.x) * NEIGHBOURS;
    if (first >= a.neurons) return;
    const Word end = first + NEIGHBOURS < a.neurons ? first + NEIGHBOURS : a.neurons;
    Word all = 0;
    for (Word n = first; n < end; ++n) all += a.counts[n];
    if (all == 0) return;
    Word at = atomicAdd(a.total, all);
    for (Word n = first; n < end; ++n) {
        a.ends[n] = unsigned(at);
        at += a.counts[n];
    }
}

extern "C" __global__ void put_arrivals(const Arrive a) {
    const Word thread = Word(blockIdx.x) * blockDim.x + threadIdx.x;
    if (thread >= a.threads || *a.total > a.capacity) return;
    const Word count = a.counted && *a.counted < a.count ? *a.counted : a.count;
    for (Word r = thread / TEAM; r < count; r += a.threads / TEAM) {
        const Run run = a.runs[r];
        for (unsigned k = thread % TEAM; k < run.count; k += TEAM) {
            const Edge edge = a.edges[run.first + k];
            if (edge.cell == ~0u || edge.cell < a.first) continue;
            const unsigned cell = edge.cell - unsigned(a.first);
            const unsigned at = atomicAdd(&a.ends[cell >> 3], 1u);
            a.arrivals[at].time_and_receptor = run.time << 3 | (cell & 7u);
            a.arrivals[at].weight = edge.weight;
        }
    }
}

/// By time, receptor and weight: whatever adds them up one by one does so in one order.
__device__ __forceinline__ bool is_before(const Arrival& a, const Arrival& b) {
    return a.time_and_receptor < b.time_and_receptor ||
           (a.time_and_receptor == b.time_and_receptor && a.weight < b.weight);
}

/// Lets an arrival sink to its place in a heap whose latest is on top.
__device__ __forceinline__ void sink(Arrival* heap, unsigned from, unsigned count) {
    const Arrival moved = heap[from];
    unsigned at = from;
    for (;;) {
        unsigned child = 2 * at + 1;
        if (child >= count) break;
        if (child + 1 < count && is_before(heap[child], heap[child + 1])) ++child;
        if (!is_before(moved, heap[child])) break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = moved;
}

/// Sorts the arrivals of each neuron by time, receptor and weight.
extern "C" __global__ void sort_arrivals(const Arrive a) {
    const Word n = Word(blockIdx.x) * blockDim.x + threadIdx.x;
    if (n >= a.neurons) return;
    if (*a.total > a.capacity) {
        a.counts[n] = 0;
        return;
    }
    const unsigned count = a.counts[n];
    if (count < 2) return;
    Arrival* own = a.arrivals + (a.ends[n] - count);
    for (unsigned k = count / 2; k-- > 0;) sink(own, k, count);
    for (unsigned last = count; --last > 0;) {
        const Arrival latest = own[0];
        own[0] = own[last];
        own[last] = latest;
        sink(own, 0, last);
    }
}
