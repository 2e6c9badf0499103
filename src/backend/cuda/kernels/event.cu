// A window of a bank of event-driven neurons: one thread carries one neuron from event to event. Before it
// stands the model: `struct Neuron` with a field for each of PARAMETER_WORDS and STATE_WORDS, and `carry`.

__device__ __forceinline__ void load(const Advance& a, Word slot, Neuron* n) {
    Word at = slot;
#define TAKE(name) take(a.parameters[at], &n->name), at += a.stride;
    PARAMETER_WORDS(TAKE)
#undef TAKE
    at = slot;
#define TAKE(name) take(a.before[at], &n->name), at += a.stride;
    STATE_WORDS(TAKE)
#undef TAKE
}

__device__ __forceinline__ void store(const Advance& a, Word slot, const Neuron& n) {
    Word at = slot;
#define PUT(name) a.after[at] = word_of(n.name), at += a.stride;
    STATE_WORDS(PUT)
#undef PUT
}

extern "C" __global__ void advance(const Advance a) {
    const Word k = Word(blockIdx.x) * blockDim.x + threadIdx.x;
    if (k >= a.threads || (a.is_later && a.header->faults)) return;
    Job job;
    job.slot = a.slots ? a.slots[k] : unsigned(k);
    job.arrival_count = a.counts ? a.counts[job.slot] : 0;
    job.arrivals = job.arrival_count ? a.arrivals + (a.ends[job.slot] - job.arrival_count) : nullptr;
    job.stops = nullptr;
    job.samples = nullptr;
    job.stop_count = 0;
    if (a.slots) {
        job.stops = a.stops + a.stops_of[k];
        job.stop_count = a.stops_of[k + 1] - a.stops_of[k];
        job.samples = a.samples + a.stops_of[k] * a.columns;
    }
    const unsigned drive = a.drive_of ? a.drive_of[job.slot] : ~0u;
    job.dc = drive != ~0u ? a.drives + drive : nullptr;
    job.right_sides = job.steps = job.rejected = 0;

    Neuron n;
    load(a, job.slot, &n);
    // Nothing happens at a neuron that is known to be quiet.
    if (a.slots || n.is_awake || job.arrival_count) carry(a, job, n);
    if (a.slots) return;
    store(a, job.slot, n);
    if (job.right_sides) atomicAdd(&a.header->right_sides, job.right_sides);
    if (job.steps) atomicAdd(&a.header->steps, job.steps);
    if (job.rejected) atomicAdd(&a.header->rejected, job.rejected);
}

/// Words of some neurons, neuron by neuron: read from memory, or written to it.
struct Exchange {
    const unsigned* slots; // Null: those from `first` on.
    Word* words;
    Word* columns;
    Word count;
    Word stride;
    Word width;  // Columns.
    Word row;    // From a neuron's words to the next one's.
    Word first;
};

/// The k-th number in its column.
__device__ __forceinline__ Word* in_column(const Exchange& a, Word k) {
    const Word neuron = k / a.width;
    return a.columns + k % a.width * a.stride + (a.slots ? a.slots[neuron] : a.first + neuron);
}

/// The k-th number among the words.
__device__ __forceinline__ Word* among_words(const Exchange& a, Word k) {
    return a.words + k / a.width * a.row + k % a.width;
}

extern "C" __global__ void read_neurons(const Exchange a) {
    const Word k = Word(blockIdx.x) * blockDim.x + threadIdx.x;
    if (k < a.count * a.width) *among_words(a, k) = *in_column(a, k);
}

extern "C" __global__ void write_neurons(const Exchange a) {
    const Word k = Word(blockIdx.x) * blockDim.x + threadIdx.x;
    if (k < a.count * a.width) *in_column(a, k) = *among_words(a, k);
}
