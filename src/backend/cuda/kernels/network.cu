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

/// Appends what becomes due.
__device__ __forceinline__ void append(
    Due* pending, Word* count, Word capacity, unsigned group, Word step) {
    const Word at = claim(count);
    if (at < capacity) {
        pending[at].group = group;
        pending[at].step = step;
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
    const unsigned* first_edge;
    const Word* delays;
    Due* pending;
    Counts* counts;
    Word capacity;
    Deliver sums;           // Of the window; few edges of a spike that arrives in it need not wait.
    Word first_step;        // Of the window, and the one after its last.
    Word end_step;          // (Event-driven neurons get nothing at once: 0.)
    Fired* fired;           // Null: nobody looks.
    Word* fired_count;
    Word fired_capacity;
};

/// A spike with more edges than these is delivered by more than one thread.
#define FEW_EDGES 4

__device__ __forceinline__ void fire(const Emit& a, Word source, Word time) {
    const Word step = time / a.dt + (time % a.dt >= (a.dt + 1) / 2 ? 1 : 0);
    const Word emitter = a.first + source;
    for (unsigned g = a.first_of[emitter]; g < a.first_of[emitter + 1]; ++g) {
        const Word due = later(step, a.delays[g]);
        if (due >= a.total_steps) continue;
        const unsigned first = a.first_edge[g], end = a.first_edge[g + 1];
        if (due < a.end_step && end - first <= FEW_EDGES) {
            for (unsigned e = first; e < end; ++e) {
                add_pulses(a.sums, a.sums.edges[e], unsigned(due - a.first_step));
            }
        } else {
            append(a.pending, &a.counts->pending, a.capacity, g, due);
        }
    }
    if (!a.fired) return;
    const Word at = claim(a.fired_count);
    if (at < a.fired_capacity) {
        a.fired[at].emitter = emitter;
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
    Word* headers;          // Of banks of event-driven neurons: the headers of their lists of spikes.
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
        for (unsigned p = 0; p < pieces; ++p) {
            const Word at = claim(&a.counts->runs);
            if (at >= a.run_capacity) continue;
            const unsigned from = p * unsigned(a.longest);
            Run run;
            run.first = first + from;
            run.count = len - from < a.longest ? len - from : unsigned(a.longest);
            run.step = unsigned(due.step - a.first);
            run.unused = 0;
            run.time = due.step - a.first;
            a.runs[at] = run;
        }
    }
}

struct Route {
    const unsigned* fired;  // Bit t % 32 of [t / 32][slot]: fires in step t.
    Word stride;
    Word neurons;
    Word offset;            // The steps of the window.
    Word steps;
    Word start;             // The step that counts as 0.
    const unsigned* emitters; // The number of each slot's neuron.
    Word total_steps;
    const unsigned* first_of;
    const Word* delays;
    Due* pending;
    Counts* counts;         // Of the next window.
    Word capacity;
};

/// Spikes of the window wait for their delays.
extern "C" __global__ void route(const Route a) {
    const Word slot = Word(blockIdx.x) * blockDim.x + threadIdx.x;
    if (slot >= a.neurons) return;
    const unsigned end = unsigned(a.offset + a.steps);
    for (unsigned t = unsigned(a.offset); t < end; t = (t / 32 + 1) * 32) {
        unsigned bits = a.fired[t / 32 * a.stride + slot] >> t % 32 << t % 32;
        for (; bits; bits &= bits - 1) {
            const unsigned at = t / 32 * 32 + __ffs(bits) - 1;
            if (at >= end) return;
            // A spike has the time of its step's end.
            const Word step = a.start + at + 1;
            const unsigned emitter = a.emitters[slot];
            for (unsigned g = a.first_of[emitter]; g < a.first_of[emitter + 1]; ++g) {
                const Word due = later(step, a.delays[g]);
                if (due < a.total_steps) append(a.pending, &a.counts->pending, a.capacity, g, due);
            }
        }
    }
}

/// A spike of an event-driven neuron.
struct TimedSpike {
    Word slot;
    Word time;
};

struct RouteTimed {
    const Word* header;     // Spikes so far, and the third word behind: those that are routed.
    const TimedSpike* spikes;
    Word spike_capacity;
    const unsigned* emitters; // As in Route.
    Word total_steps;
    const unsigned* first_of;
    const Word* delays;
    Due* pending;
    Counts* counts;
    Word capacity;
    Word threads;
};

/// The same of event-driven neurons.
extern "C" __global__ void route_timed(const RouteTimed a) {
    const Word thread = Word(blockIdx.x) * blockDim.x + threadIdx.x;
    if (thread >= a.threads) return;
    const Word count = a.header[0] < a.spike_capacity ? a.header[0] : a.spike_capacity;
    for (Word k = a.header[3] + thread; k < count; k += a.threads) {
        const TimedSpike spike = a.spikes[k];
        const unsigned emitter = a.emitters[spike.slot];
        for (unsigned g = a.first_of[emitter]; g < a.first_of[emitter + 1]; ++g) {
            const Word due = later(spike.time, a.delays[g]);
            if (due < a.total_steps) append(a.pending, &a.counts->pending, a.capacity, g, due);
        }
    }
}

/// Of a population: how many spikes, and the sum of their hashes in limbs of 32 bits.
struct Digest {
    Word count;
    Word limbs[4];
};

struct Hash {
    const unsigned* fired;  // As in Route.
    Word stride;
    Word neurons;
    Word steps;
    Word start;
    Word dt;
    const unsigned* populations; // Of each slot: its population, ...
    const unsigned* indices;     // ... and its index there.
    Digest* digests;        // Of each population, in COPIES: threads would wait for one another.
    Word threads;
};

#define COPIES 32

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

/// What a thread has found in a population.
struct Found {
    unsigned population;
    Word count;
    Word low;
    Word high;
};

__device__ __forceinline__ void hand_in(Digest* digests, const Found& found) {
    Digest* const own = digests + blockIdx.x % COPIES;
    add_digest(own + found.population * COPIES, found.count, found.low, found.high);
}

/// Goes on with the neurons of a population.
__device__ __forceinline__ void turn_to(Digest* digests, Found* found, unsigned population) {
    if (population == found->population) return;
    hand_in(digests, *found);
    found->population = population;
    found->count = found->low = found->high = 0;
}

/// Adds a spike: `SpikeDigest::add` in src/probe/digest.rs.
__device__ __forceinline__ void add_spike(Found* found, Word time, unsigned neuron) {
    const Word first = splitmix64(time + 0x9e3779b97f4a7c15ULL);
    const Word pair = first ^ Word(neuron) * 0xd1342543de82ef95ULL;
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
    Found found = {0, 0, 0, 0};
    for (Word slot = thread; slot < a.neurons; slot += a.threads) {
        turn_to(a.digests, &found, a.populations[slot]);
        for (Word t = 0; t < a.steps; t += 32) {
            for (unsigned bits = a.fired[t / 32 * a.stride + slot]; bits; bits &= bits - 1) {
                add_spike(&found, times(a.start + t + __ffs(bits), a.dt), a.indices[slot]);
            }
        }
    }
    hand_in(a.digests, found);
}

struct HashTimed {
    const Word* header;     // As in RouteTimed.
    const TimedSpike* spikes;
    Word spike_capacity;
    const unsigned* populations; // As in Hash.
    const unsigned* indices;
    Digest* digests;
    Word threads;
};

/// The same of event-driven neurons.
extern "C" __global__ void hash_timed(const HashTimed a) {
    const Word thread = Word(blockIdx.x) * blockDim.x + threadIdx.x;
    if (thread >= a.threads) return;
    const Word all = a.header[0] < a.spike_capacity ? a.header[0] : a.spike_capacity;
    Found found = {0, 0, 0, 0};
    for (Word k = thread; k < all; k += a.threads) {
        const TimedSpike spike = a.spikes[k];
        turn_to(a.digests, &found, a.populations[spike.slot]);
        add_spike(&found, spike.time, a.indices[spike.slot]);
    }
    hand_in(a.digests, found);
}
