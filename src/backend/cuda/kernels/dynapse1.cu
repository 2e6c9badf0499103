// The step of the `dynapse1` preset, operation by operation that of src/solver/euler/dynapse1.rs, which
// says what it computes. Macros: I0, FEEDBACK (FEEDBACK_EXPONENT), HOLD.

__device__ __forceinline__ bool step(const float* parameter, float* state, const float* arrivals) {
    const int currents = 2, receptors = 4, soma = 14, synapse = 3, ahp_parameters = 26;
    const float alpha = parameter[0], i_tau = parameter[1], inverse_i_tau = parameter[2];
    const float i_gain = parameter[3], dt_over_tau = parameter[4], rest_slope = parameter[5];
    const float i_dc = parameter[6], i_th = parameter[7], i_reset = parameter[8];
    const float inmda_th = parameter[13];
    const float i = state[0];
    const float ampa = state[currents], nmda = state[currents + 1];
    const float gabaa = state[currents + 2], gabab = state[currents + 3];
    const float ahp = state[currents + receptors];
    const bool is_refractory = 0.0f < state[1];
    const bool rests = i <= I0;

    const float nmda_gate = rests ? 0.5f : i / (i + inmda_th);
    float i_in = __fmaf_rn(nmda_gate, nmda, i_dc + ampa) - gabab;
    if (!HOLD) i_in = is_refractory ? 0.0f : i_in;
    i_in = or_more(i_in, I0);
    const float leak = ahp + gabaa;
    float feedback, gate;
    feedback_fraction(i, parameter[9], parameter[10], parameter[11], &feedback, &gate);
    const float sum = i + i_gain;
    float drive = alpha * (i_in - i_tau - leak);
    drive = __fmaf_rn(-i, __fmaf_rn(leak, inverse_i_tau, 1.0f), drive);
    drive = __fmaf_rn(feedback, sum, drive * gate);
    float change = drive * i / (gate * sum) * dt_over_tau;
    change = rests ? (i_in - I0) * rest_slope : change;
    float next = i + change;
    if (HOLD) next = is_refractory ? i : next;

#pragma unroll
    for (int r = 0; r < receptors; ++r) {
        const int at = soma + synapse * r;
        const float current = state[currents + r];
        const float below = current * (I0 - current) / (current + I0) * parameter[at + 1];
        const float above = -current * parameter[at];
        const float advanced = current + (current <= I0 ? below : above);
        state[currents + r] = __fmaf_rn(arrivals[r], parameter[at + 2], advanced);
    }
    const bool is_low = ahp <= I0;
    const float gain = is_low ? I0 : parameter[ahp_parameters + 2];
    const float rate = is_low ? parameter[ahp_parameters + 1] : parameter[ahp_parameters];
    const float lift = is_low ? I0 + I0 : 0.0f;
    const float x = rests ? I0 : ahp;
    const float advanced = __fmaf_rn(lift - gain - ahp, x / (x + gain) * rate, ahp);

    const bool spike = i_th < next && !is_refractory;
    const float left = is_refractory ? state[1] - 1.0f : 0.0f;
    state[currents + receptors] = spike ? advanced + parameter[ahp_parameters + 3] : advanced;
    state[0] = spike ? i_reset : next;
    state[1] = spike ? parameter[12] : left;
    return spike;
}
