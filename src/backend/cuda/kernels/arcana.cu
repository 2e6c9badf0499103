// The step of the `arcana` preset, operation by operation that of src/solver/euler/arcana.rs, which says
// what it computes. Macros: I0, FEEDBACK (FEEDBACK_EXPONENT), HOLD, RECEPTORS.

__device__ __forceinline__ bool step(const float* parameter, float* state, const float* arrivals) {
    const int soma = 12, synapses = 2;
    const float alpha = parameter[0], alpha_leak = parameter[1], one_plus_beta = parameter[2];
    const float i_gain = parameter[3], dt_over_tau = parameter[4], i_dc = parameter[5];
    const float i_th = parameter[6], i_reset = parameter[7];
    const float i = state[0];
    float jumped[RECEPTORS];
#pragma unroll
    for (int r = 0; r < RECEPTORS; ++r) {
        jumped[r] = __fmaf_rn(arrivals[r], parameter[soma + 2 * r + 1], state[synapses + r]);
    }
    const float excitation = i_dc + jumped[0];
    float i_in = RECEPTORS > 1 ? excitation - (jumped[RECEPTORS - 1] - I0) : excitation;
    const bool is_refractory = 0.0f < state[1];
    if (!HOLD) i_in = is_refractory ? 0.0f : i_in;
    i_in = or_more(i_in, I0);

    float feedback, gate;
    feedback_fraction(i, parameter[8], parameter[9], parameter[10], &feedback, &gate);
    const float sum = i + i_gain;
    float drive = __fmaf_rn(i_in, alpha, -alpha_leak);
    drive = __fmaf_rn(-i, one_plus_beta, drive);
    drive = __fmaf_rn(feedback, sum, drive * gate);
    const float slope = drive * i / (gate * sum);
    float next = or_more(__fmaf_rn(slope, dt_over_tau, i), I0);
    if (HOLD) next = is_refractory ? i_reset : next;

#pragma unroll
    for (int r = 0; r < RECEPTORS; ++r) {
        const float current = __fmaf_rn(-parameter[soma + 2 * r], state[synapses + r], jumped[r]);
        state[synapses + r] = or_more(current, I0);
    }
    bool spike = i_th <= next;
    if (HOLD) spike = spike && !is_refractory;
    const float left = is_refractory ? state[1] - 1.0f : 0.0f;
    state[0] = spike ? i_reset : next;
    state[1] = spike ? parameter[11] : left;
    return spike;
}
