// The step of the plain LIF neuron, operation by operation that of src/solver/euler/lif.rs, which says
// what it computes.

__device__ __forceinline__ bool step(const float* parameter, float* state, const float* arrivals) {
    const int currents = 2, synapses = 5;
#pragma unroll
    for (int r = 0; r < 2; ++r) {
        const float loss = parameter[synapses + 2 * r], w = parameter[synapses + 2 * r + 1];
        const float jumped = __fmaf_rn(arrivals[r], w, state[currents + r]);
        state[currents + r] = __fmaf_rn(jumped, loss, jumped);
    }
    const float reset = parameter[3];
    const float target = state[currents] - state[currents + 1] + parameter[1];
    float v = state[0];
    v = __fmaf_rn(v - target, parameter[0], v);
    const bool is_refractory = 0.0f < state[1];
    v = is_refractory ? reset : v;
    const bool spike = parameter[2] <= v && !is_refractory;
    const float left = is_refractory ? state[1] - 1.0f : 0.0f;
    state[0] = spike ? reset : v;
    state[1] = spike ? parameter[4] : left;
    return spike;
}
