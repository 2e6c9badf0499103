// What src/circuit/{number,math,feedback}.rs compute in single precision, operation by operation (as of one
// number). Compiled without contraction and with IEEE division, every function gives the bits of its Rust
// counterpart.
// The coefficients (EXP2_M1, LOG2_M1) come from there.

/// `x`, but at least `floor`. What is not a number stays so.
__device__ __forceinline__ float or_more(float x, float floor) { return floor > x ? floor : x; }

/// `x`, but at most `ceiling`. What is not a number stays so.
__device__ __forceinline__ float or_less(float x, float ceiling) { return ceiling < x ? ceiling : x; }

/// 2^x for -126 <= x <= 127.
__device__ __forceinline__ float exp2_within(float x) {
    const float coefficients[] = EXP2_M1;
    const float round = 12582912.0f; // 1.5 * 2^23: leaves the nearest integer in the low bits.
    const float n = x + round;
    const float r = x - (n - round);
    float p = coefficients[0];
#pragma unroll
    for (int k = 1; k < int(sizeof coefficients / sizeof *coefficients); ++k) {
        p = __fmaf_rn(p, r, coefficients[k]);
    }
    p = __fmaf_rn(p, r, 1.0f);
    return __uint_as_float(__float_as_uint(p) + (__float_as_uint(n) << 23));
}

/// log2 x for positive normal x.
__device__ __forceinline__ float log2_of(float x) {
    const float coefficients[] = LOG2_M1;
    const int bits = int(__float_as_uint(x));
    const int e = (bits - 0x3f400000) >> 23; // From 0.75 on: 0.75 <= m < 1.5.
    const float m = __uint_as_float(unsigned(bits) - (unsigned(e) << 23));
    const float z = m - 1.0f;
    float p = coefficients[0];
#pragma unroll
    for (int k = 1; k < int(sizeof coefficients / sizeof *coefficients); ++k) {
        p = __fmaf_rn(p, z, coefficients[k]);
    }
    return __fmaf_rn(p, z, float(e));
}

/// 1 + 2^x, closed by at most 2^100.
__device__ __forceinline__ float feedback_gate(float x) {
    return 1.0f + exp2_within(or_more(or_less(x, 100.0f), -126.0f));
}

#define OFF 0
#define POWER_LAW 1
#define LOGISTIC 2

#ifdef FEEDBACK
/// Ifb/Itau at a membrane current: numerator and denominator.
__device__ __forceinline__ void feedback_fraction(
    float i_mem, float slope, float offset, float gain, float* above, float* below) {
#if FEEDBACK == POWER_LAW
    *above = exp2_within(__fmaf_rn(log2_of(i_mem), FEEDBACK_EXPONENT, gain));
    *below = feedback_gate(__fmaf_rn(slope, i_mem, offset));
#elif FEEDBACK == LOGISTIC
    *above = gain;
    *below = feedback_gate(__fmaf_rn(slope, i_mem, offset));
#else
    *above = 0.0f;
    *below = 1.0f;
#endif
}
#endif
