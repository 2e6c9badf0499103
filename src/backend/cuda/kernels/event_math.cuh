// What src/circuit/{number,math}.rs and src/solver/event/real.rs compute, operation by operation, for the
// event-driven solver. Real is the precision of the neurons' state (macro SINGLE); times are double, and
// moments are whole picoseconds. The coefficients come from the Rust sources.

typedef unsigned long long Word;

#if SINGLE
typedef float Real;
#define EPSILON 1.1920928955078125e-7
#define CLOSED 30.0
#define REFINEMENTS 1
#else
typedef double Real;
#define EPSILON 2.220446049250313e-16
#define CLOSED 60.0
#define REFINEMENTS 2
#endif

#define LN_2 0.693147180559945309417232121458
#define LOG2_E 1.44269504088896340735992468100
#define NEVER (__longlong_as_double(0x7ff0000000000000LL))
#define NOT_A_NUMBER (__longlong_as_double(0x7ff8000000000000LL))
#define PER_SECOND 1e12

__device__ __forceinline__ float mul_add(float a, float b, float c) { return __fmaf_rn(a, b, c); }
__device__ __forceinline__ double mul_add(double a, double b, double c) { return __fma_rn(a, b, c); }

__device__ __forceinline__ double or_more(double x, double floor) { return floor > x ? floor : x; }
__device__ __forceinline__ double or_less(double x, double most) { return most < x ? most : x; }

__device__ __forceinline__ float magnitude(float x) {
    return __uint_as_float(__float_as_uint(x) & 0x7fffffffu);
}
__device__ __forceinline__ double magnitude(double x) {
    return __longlong_as_double(__double_as_longlong(x) & 0x7fffffffffffffffLL);
}

/// The larger and the smaller of two; of a number and what is none, the number.
__device__ __forceinline__ double larger(double a, double b) { return a != a ? b : b > a ? b : a; }
__device__ __forceinline__ double smaller(double a, double b) { return a != a ? b : b < a ? b : a; }

/// x times 2^n for an n in the low bits of `n`.
__device__ __forceinline__ float scale(float x, float n) {
    return __uint_as_float(__float_as_uint(x) + (__float_as_uint(n) << 23));
}
__device__ __forceinline__ double scale(double x, double n) {
    return __longlong_as_double(
        (long long)(Word(__double_as_longlong(x)) + (Word(__double_as_longlong(n)) << 52)));
}

/// m and e with m * 2^e = x for a positive normal number: m from 0.75, or from the root of one half.
__device__ __forceinline__ float mantissa_and_exponent(float x, float* e) {
    const int bits = int(__float_as_uint(x));
    const int exponent = int(unsigned(bits) - 0x3f400000u) >> 23;
    *e = float(exponent);
    return __uint_as_float(unsigned(bits) - (unsigned(exponent) << 23));
}
__device__ __forceinline__ double mantissa_and_exponent(double x, double* e) {
    const long long bits = __double_as_longlong(x);
    const long long exponent = (long long)(Word(bits) - 0x3fe6a09e667f3bcdULL) >> 52;
    *e = double(exponent);
    return __longlong_as_double((long long)(Word(bits) - (Word(exponent) << 52)));
}

/// x^(-1/5) to 4 %.
__device__ __forceinline__ float rough_inverse_fifth_root(float x) {
    const int above = int(__float_as_uint(x) - 0x3f800000u) >> 12;
    return __uint_as_float(0x3f800000u - 0x69b00u - unsigned(above) * 819u);
}
__device__ __forceinline__ double rough_inverse_fifth_root(double x) {
    const long long above = (long long)(Word(__double_as_longlong(x)) - 0x3ff0000000000000ULL) >> 16;
    return __longlong_as_double(
        (long long)(0x3ff0000000000000ULL - 0xd35a00000000ULL - Word(above) * 13107ULL));
}

/// Of x: its distance r from the nearest whole number, that number in the low bits of n, (2^r - 1)/r.
__device__ __forceinline__ float exp2_parts(float x, float* r, float* n) {
    const float coefficients[] = EXP2_M1;
    x = or_more(or_less(x, 127.0f), -126.0f);
    *n = x + 12582912.0f;
    *r = x - (*n - 12582912.0f);
    float p = coefficients[0];
#pragma unroll
    for (int k = 1; k < int(sizeof coefficients / sizeof *coefficients); ++k) {
        p = mul_add(p, *r, coefficients[k]);
    }
    return p;
}
__device__ __forceinline__ double exp2_parts(double x, double* r, double* n) {
    const double coefficients[] = EXP2_M1_DOUBLE;
    x = or_more(or_less(x, 1023.0), -1022.0);
    *n = x + 6755399441055744.0;
    *r = x - (*n - 6755399441055744.0);
    double p = coefficients[0];
#pragma unroll
    for (int k = 1; k < int(sizeof coefficients / sizeof *coefficients); ++k) {
        p = mul_add(p, *r, coefficients[k]);
    }
    return p;
}

/// 2^x - 1, also near 0.
template <class T> __device__ __forceinline__ T exp2_m1(T x) {
    T r, n;
    const T p = exp2_parts(x, &r, &n);
    const T power = scale(T(1.0), n);
    return mul_add(p * r, power, power - T(1.0));
}

/// 2^x.
template <class T> __device__ __forceinline__ T exp2_all(T x) {
    T r, n;
    const T p = exp2_parts(x, &r, &n);
    return scale(mul_add(p, r, T(1.0)), n);
}

/// log2 x for positive normal x.
__device__ __forceinline__ float log2_all(float x) { return log2_of(x); }
__device__ __forceinline__ double log2_all(double x) {
    const double coefficients[] = LOG2_DOUBLE;
    double e;
    const double m = mantissa_and_exponent(x, &e);
    const double f = m - 1.0;
    const double s = f / (m + 1.0);
    const double s2 = s * s;
    double p = coefficients[0];
#pragma unroll
    for (int k = 1; k < int(sizeof coefficients / sizeof *coefficients); ++k) {
        p = mul_add(p, s2, coefficients[k]);
    }
    const double ln = mul_add(s * s2, p, s + s);
    return mul_add(ln, LOG2_E, e);
}

/// log2 x to 0.02.
template <class T> __device__ __forceinline__ T rough_log2(T x) {
    T e;
    const T z = mantissa_and_exponent(x, &e) - T(1.0);
    T p = T(0.36);
    p = mul_add(p, z, T(-0.68));
    p = mul_add(p, z, T(1.438));
    return mul_add(p, z, e);
}

/// Natural logarithm of a positive normal number.
__device__ __noinline__ double ln(double x) {
    const long long bits = __double_as_longlong(x);
    const long long exponent = (long long)(Word(bits) - 0x3fe6a09e667f3bcdULL) >> 52;
    const double m = __longlong_as_double((long long)(Word(bits) - (Word(exponent) << 52)));
    const double f = m - 1.0;
    const double s = f / (m + 1.0);
    const double s2 = s * s;
    double p = 2.0 / 23.0;
#pragma unroll
    for (int k = 10; k >= 1; --k) p = mul_add(p, s2, 2.0 / double(2 * k + 1));
    const double e = double(exponent);
    const double small = mul_add(s * s2, p, e * LN2_LOW);
    return mul_add(e, LN2_HIGH, 2.0 * s + small);
}

/// e^x; 0 below -708, infinite above 709.
__device__ __noinline__ double exponential(double x) {
    if (x < -708.0) return 0.0;
    if (x > 709.0) return NEVER;
    // Adding and subtracting 1.5 * 2^52 rounds to the nearest integer, ties to even.
    const double n = (x * LOG2_E + 6755399441055744.0) - 6755399441055744.0;
    const double r = mul_add(n, -LN2_LOW, mul_add(n, -LN2_HIGH, x));
    double p = 1.0;
#pragma unroll
    for (int k = 13; k >= 1; --k) p = mul_add(p, r / double(k), 1.0);
    return __longlong_as_double(
        (long long)(Word(__double_as_longlong(p)) + (Word((long long)n) << 52)));
}

/// The nearest integer, ties to even; 0 of what is not a number.
__device__ __forceinline__ long long nearest(double x) {
    const double whole = 4503599627370496.0; // 2^52: from here on every number is whole.
    if (x != x) return 0;
    if (x >= 9223372036854775807.0) return 0x7fffffffffffffffLL;
    if (x <= -9223372036854775808.0) return -0x7fffffffffffffffLL - 1;
    if (x >= whole || x <= -whole) return (long long)x;
    return (long long)(x < 0.0 ? (x - whole) + whole : (x + whole) - whole);
}

/// x cut to a whole number that is not negative, as far as there are such; 0 of what is not a number.
__device__ __forceinline__ Word whole(double x) {
    if (!(x > 0.0)) return 0;
    return x >= 18446744073709551615.0 ? ~Word(0) : Word(x);
}

/// Picoseconds in seconds.
__device__ __forceinline__ double seconds(Word ticks) { return double(ticks) / PER_SECOND; }

/// The nearest picosecond; false: it is no time.
__device__ __forceinline__ bool from_seconds(double s, Word* time) {
    const double ticks = s * PER_SECOND;
    if (!(ticks > -0.5 && ticks < 18446744073709551616.0)) return false;
    const Word cut = whole(ticks);
    *time = cut + (ticks - double(cut) >= 0.5 ? 1 : 0);
    return true;
}

/// The sum of two times, which does not go round.
__device__ __forceinline__ Word later(Word a, Word b) { return a + b < a ? ~Word(0) : a + b; }
