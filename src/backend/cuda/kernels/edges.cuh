// Edges, and runs of them that deliver together.

typedef unsigned long long Word;

/// Where an edge ends, and its pulses in fixed point. To deliver.cu that is a cell of the sums of a step
/// (beyond them: no neuron that is advanced by steps); to arrive.cu, from its `first` on, an event-driven
/// neuron with its receptor in the low three bits. All ones: no neuron of this device.
struct Edge {
    unsigned cell;
    int weight;
};

/// Edges that deliver at a step or, of event-driven neurons, at a time from the start of the window.
struct Run {
    unsigned first;
    unsigned count;
    unsigned step;
    unsigned unused;
    Word time;
};

