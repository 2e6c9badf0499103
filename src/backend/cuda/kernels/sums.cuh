// Pulses reach the sums of what arrives. Integers, so that no result depends on the order. All fields of
// arguments have eight bytes.

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

/// A sum beyond its range is the least of step << 48 | bank << 32 | slot << 3 | receptor.
__device__ __forceinline__ void overflows(const Deliver& a, unsigned step, unsigned cell) {
    Word b = 0;
    while (b + 1 < a.bank_count && a.banks[b + 1].first_cell <= cell) ++b;
    const Word at = cell - a.banks[b].first_cell;
    const Word receptor = at / a.banks[b].stride, slot = at % a.banks[b].stride;
    atomicMin(a.overflow, (a.offset + step) << 48 | a.banks[b].index << 32 | slot << 3 | receptor);
}

/// Adds the pulses of an edge to the sum of a step. Weights are not negative: whichever addition leaves the range
/// first sees it.
__device__ __forceinline__ void add_pulses(const Deliver& a, const Edge& edge, unsigned step) {
    if (edge.cell >= a.cells) return;
    const unsigned before = unsigned(atomicAdd(&a.sums[step * a.cells + edge.cell], edge.weight));
    if (before > 0x7fffffffu || before + unsigned(edge.weight) > 0x7fffffffu) {
        overflows(a, step, edge.cell);
    }
    if (a.masks) atomicOr(&a.masks[step / 32 * a.cells + edge.cell], 1u << step % 32);
}
