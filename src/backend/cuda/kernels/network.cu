// A network that runs on the device by itself: sources fire, spikes of neurons wait for their delays, and what is
// due becomes runs of edges for deliver.cu or arrive.cu. Steps are those of the neurons; of event-driven ones they
// are picoseconds. All fields of arguments have eight bytes.
//
// Lists that threads fill have no order; what is delivered is added up as integers, so none is needed. What does
// not fit into a list is counted: the host sees it at the end and repeats the windows with a longer one.

/// Edges of one emitter with one delay that deliver at a step, counted from the start of the run.
struct Due {
    Word group;
    Word step;
};

/// How many there are in a window.
struct Counts {
    Word pending;
    Word runs;
    Word arrivals; // At event-driven neurons.
};

/// A spike of a source: its number among all emitters, and its time.
struct Fired {
    Word emitter;
    Word time;
};

/// Appends what an emitter's spike at a step makes due.
__device__ __forceinline__ void put_due(
    const unsigned* first_of, const Word* delays, unsigned emitter, Word step, Word total_steps,
    Due* pending, Word* count, Word capacity) {
    for (unsigned g = first_of[emitter]; g < first_of[emitter + 1]; ++g) {
        const Word due = later(step, delays[g]);
        if (due >= total_steps) continue;
        const Word at = claim(count);
        if (at < capacity) {
            pending[at].group = g;
            pending[at].step = due;
        }
    }
}

struct Emit {
    Word* next;             // Of each source: its next spike; all ones: there is none.
    Word* drawn;            // Spikes so far (Poisson: draws).
    Word* step;             // Poisson: the step of its rate.
    const Word* ticks;      // Regular: the interval; 0: it is 1 / rate.
    const double* rates;    // Of each step of the rate, of each source.
    const Word* phases;     // Regular.
    const Word* starts;     // Poisson: when the steps of the rate begin.
    Word rate_steps;
    Word key;               // Poisson: of all streams, and the name in their counters.
    Word name;
    Word count;             // Sources.
    Word first;             // The number of the first among emitters.
    Word end;               // Of the window.
    Word dt;
    Word total_steps;
    const unsigned* first_of;
    const Word* delays;
    Due* pending;
    Counts* counts;
    Word capacity;
    Fired* fired;           // Null: nobody looks.
    Word* fired_count;
    Word fired_capacity;
};

__device__ __forceinline__ void fire(const Emit& a, Word source, Word time) {
    const Word step = time / a.dt + (time % a.dt >= (a.dt + 1) / 2 ? 1 : 0);
    put_due(a.first_of, a.delays, unsigned(a.first + source), step, a.total_steps, a.pending,
            &a.counts->pending, a.capacity);
    if (!a.fired) return;
    const Word at = claim(a.fired_count);
    if (at < a.fired_capacity) {
        a.fired[at].emitter = a.first + source;
        a.fired[at].time = time;
    }
}

/// The product, which does not go round.
__device__ __forceinline__ Word times(Word a, Word b) {
    return b != 0 && a > ~Word(0) / b ? ~Word(0) : a * b;
}

/// Spike k comes at phase + k intervals: `RegularTrain` in src/network/source/regular.rs.
extern "C" __global__ void emit_regular(const Emit a) {
    const Word i = Word(blockIdx.x) * blockDim.x + threadIdx.x;
    if (i >= a.count) return;
    Word next = a.next[i], k = a.drawn[i];
    if (next >= a.end) return;
    while (next < a.end) {
        fire(a, i, next);
        ++k;
        Word since;
        if (a.ticks[i]) since = times(k, a.ticks[i]);
        else if (!from_seconds(double(k) / a.rates[i], &since)) since = ~Word(0);
        next = later(a.phases[i], since);
    }
    a.next[i] = next;
    a.drawn[i] = k;
}

/// Philox 4x32-10 (Salmon et al. 2011): two of the four words of a block.
__device__ __forceinline__ void philox(
    Word key, unsigned block, Word index, unsigned name, unsigned pair, unsigned* high, unsigned* low) {
    unsigned c0 = block, c1 = unsigned(index), c2 = unsigned(index >> 32), c3 = name;
    unsigned k0 = unsigned(key), k1 = unsigned(key >> 32);
#pragma unroll
    for (int round = 0; round < 10; ++round) {
        const Word p0 = Word(0xD2511F53u) * c0, p1 = Word(0xCD9E8D57u) * c2;
        const unsigned n0 = unsigned(p1 >> 32) ^ c1 ^ k0, n2 = unsigned(p0 >> 32) ^ c3 ^ k1;
        c1 = unsigned(p1);
        c3 = unsigned(p0);
        c0 = n0;
        c2 = n2;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    *high = pair ? c2 : c0;
    *low = pair ? c3 : c1;
}

/// Exponential intervals in the integral of the rate: `PoissonTrain` in src/network/source/poisson.rs.
extern "C" __global__ void emit_poisson(const Emit a) {
    const Word i = Word(blockIdx.x) * blockDim.x + threadIdx.x;
    if (i >= a.count) return;
    Word next = a.next[i], drawn = a.drawn[i], step = a.step[i];
    if (next >= a.end) return;
    while (next < a.end) {
        fire(a, i, next);
        unsigned high, low;
        philox(a.key, unsigned(drawn / 2), i, unsigned(a.name), unsigned(drawn % 2), &high, &low);
        ++drawn;
        const Word bits = (Word(high) << 32 | low) >> 12;
        const double unit = (double(bits) + 0.5) * (1.0 / 4503599627370496.0);
        double left = -ln(unit);
        for (;;) {
            const double rate = a.rates[step * a.count + i];
            Word interval;
            const bool is_time = rate > 0.0 && from_seconds(left / rate, &interval);
            const Word reached = is_time ? later(next, interval) : ~Word(0);
            if (step + 1 < a.rate_steps && reached >= a.starts[step + 1]) {
                const Word end = a.starts[step + 1];
                left = larger(left - rate * seconds(end - next), 0.0);
                next = end;
                ++step;
            } else {
                next = reached;
                break;
            }
        }
    }
    a.next[i] = next;
    a.drawn[i] = drawn;
    a.step[i] = step;
}

struct Sort {
    const Due* pending;
    Due* later;
    Run* runs;
    Counts* counts;         // Of this window, and then of the next.
    const unsigned* first_edge;
    Word capacity;          // Of pending and later.
    Word run_capacity;
    Word first;             // The window's first step, and the one after its last.
    Word end;
    Word longest;           // Longer runs are cut.
    Word threads;
    Word* headers;          // Of each bank: the header of its spikes.
    Word header_count;
};

/// What is due in the window becomes runs; the rest waits on. (Spikes that came before are routed: the third
/// word behind a header's count says how many these are.)
extern "C" __global__ void sort_out(const Sort a) {
    const Word thread = Word(blockIdx.x) * blockDim.x + threadIdx.x;
    if (thread >= a.threads) return;
    if (thread < a.header_count) {
        Word* header = (Word*)a.headers[thread];
        header[3] = header[0];
    }
    const Word count = a.counts->pending < a.capacity ? a.counts->pending : a.capacity;
    for (Word k = thread; k < count; k += a.threads) {
        const Due due = a.pending[k];
        if (due.step >= a.end) {
            const Word at = claim(&a.counts[1].pending);
            if (at < a.capacity) a.later[at] = due;
            continue;
        }
        const unsigned first = a.first_edge[due.group];
        const unsigned len = a.first_edge[due.group + 1] - first;
        const unsigned pieces = unsigned((len + a.longest - 1) / a.longest);
        const Word at = pieces == 1 ? claim(&a.counts->runs) : atomicAdd(&a.counts->runs, Word(pieces));
        for (unsigned p = 0; p < pieces && at + p < a.run_capacity; ++p) {
            const unsigned from = p * unsigned(a.longest);
            Run run;
            run.first = first + from;
            run.count = len - from < a.longest ? len - from : unsigned(a.longest);
            run.step = unsigned(due.step - a.first);
            run.unused = 0;
            run.time = due.step - a.first;
            a.runs[at + p] = run;
        }
    }
}

/// A spike found in a step, and one of an event-driven neuron.
struct Spike {
    unsigned slot;
    unsigned step;
};
struct TimedSpike {
    Word slot;
    Word time;
};

struct Route {
    const Word* header;     // Spikes so far, and the third word behind: those that are routed.
    const void* spikes;
    Word spike_capacity;
    Word start;             // The step that counts as 0 in the list.
    const unsigned* emitters; // The number of each slot's neuron.
    Word total_steps;
    const unsigned* first_of;
    const Word* delays;
    Due* pending;
    Counts* counts;         // Of the next window.
    Word capacity;
    Word threads;
};

__device__ __forceinline__ void route_one(const Route& a, unsigned slot, Word step) {
    put_due(a.first_of, a.delays, a.emitters[slot], step, a.total_steps, a.pending, &a.counts->pending,
            a.capacity);
}

/// Spikes of the window wait for their delays.
extern "C" __global__ void route(const Route a) {
    const Word thread = Word(blockIdx.x) * blockDim.x + threadIdx.x;
    if (thread >= a.threads) return;
    const Word count = a.header[0] < a.spike_capacity ? a.header[0] : a.spike_capacity;
    for (Word k = a.header[3] + thread; k < count; k += a.threads) {
        const Spike spike = ((const Spike*)a.spikes)[k];
        route_one(a, spike.slot, a.start + spike.step + 1);
    }
}

/// Those of event-driven neurons.
extern "C" __global__ void route_timed(const Route a) {
    const Word thread = Word(blockIdx.x) * blockDim.x + threadIdx.x;
    if (thread >= a.threads) return;
    const Word count = a.header[0] < a.spike_capacity ? a.header[0] : a.spike_capacity;
    for (Word k = a.header[3] + thread; k < count; k += a.threads) {
        const TimedSpike spike = ((const TimedSpike*)a.spikes)[k];
        route_one(a, unsigned(spike.slot), spike.time);
    }
}

/// Of a population: how many spikes, and the sum of their hashes in limbs of 32 bits.
struct Digest {
    Word count;
    Word limbs[4];
};

struct Hash {
    const Word* header;
    const void* spikes;
    Word spike_capacity;
    Word start;             // The step that counts as 0 in the list.
    Word dt;
    const unsigned* populations; // Of each slot: its population, ...
    const unsigned* indices;     // ... and its index there.
    Digest* digests;        // Of each population.
    Word threads;
};

__device__ __forceinline__ Word splitmix64(Word z) {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

/// Adds what a thread has found to the digest of a population.
__device__ __forceinline__ void add_digest(Digest* to, Word count, Word low, Word high) {
    if (count == 0) return;
    atomicAdd(&to->count, count);
    atomicAdd(&to->limbs[0], low & 0xffffffffULL);
    atomicAdd(&to->limbs[1], low >> 32);
    atomicAdd(&to->limbs[2], high & 0xffffffffULL);
    atomicAdd(&to->limbs[3], high >> 32);
}

/// What a thread has found.
struct Found {
    unsigned population;
    Word count;
    Word low;
    Word high;
};

__device__ __forceinline__ void flush(const Hash& a, Found* found) {
    add_digest(a.digests + found->population, found->count, found->low, found->high);
    found->count = found->low = found->high = 0;
}

/// Adds a spike: `SpikeDigest::add` in src/probe/digest.rs.
__device__ __forceinline__ void hash_one(const Hash& a, Found* found, Word slot, Word time) {
    if (a.populations[slot] != found->population) {
        flush(a, found);
        found->population = a.populations[slot];
    }
    const Word first = splitmix64(time + 0x9e3779b97f4a7c15ULL);
    const Word pair = first ^ Word(a.indices[slot]) * 0xd1342543de82ef95ULL;
    const Word low = splitmix64(pair + 0x2545f4914f6cdd1dULL);
    const Word high = splitmix64((pair << 32 | pair >> 32) ^ low);
    found->low += low;
    found->high += high + (found->low < low ? 1 : 0);
    ++found->count;
}

/// The digest of a batch's spikes.
extern "C" __global__ void hash_spikes(const Hash a) {
    const Word thread = Word(blockIdx.x) * blockDim.x + threadIdx.x;
    if (thread >= a.threads) return;
    const Word all = a.header[0] < a.spike_capacity ? a.header[0] : a.spike_capacity;
    Found found = {0, 0, 0, 0};
    for (Word k = thread; k < all; k += a.threads) {
        const Spike spike = ((const Spike*)a.spikes)[k];
        hash_one(a, &found, spike.slot, times(a.start + spike.step + 1, a.dt));
    }
    flush(a, &found);
}

/// Of event-driven neurons.
extern "C" __global__ void hash_timed(const Hash a) {
    const Word thread = Word(blockIdx.x) * blockDim.x + threadIdx.x;
    if (thread >= a.threads) return;
    const Word all = a.header[0] < a.spike_capacity ? a.header[0] : a.spike_capacity;
    Found found = {0, 0, 0, 0};
    for (Word k = thread; k < all; k += a.threads) {
        const TimedSpike spike = ((const TimedSpike*)a.spikes)[k];
        hash_one(a, &found, spike.slot, spike.time);
    }
    flush(a, &found);
}
