/* What the kernels share: the dtype of this compilation, exp and tanh that vectorise, threads.
 *
 * Every cpu.c is compiled once per dtype (-DFLOAT32, -DFLOAT64, -DBFLOAT16).  `io` is what lies in
 * the large arrays, `real` is what is computed with: states, sums and parameters are `real`.
 * exp and tanh are Chebyshev fits in r = x - n ln 2 and in x^2; their errors, measured against
 * 50-digit values by tests/ops/test_elementary.py: below 2 units in the last place (exp), 3 (tanh). */

#ifndef SWIFTRNN_KERNEL_H
#define SWIFTRNN_KERNEL_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(_OPENMP)
#include <omp.h>
#else
static inline int omp_get_thread_num(void) { return 0; }
static inline int omp_get_num_threads(void) { return 1; }
#endif

#if defined(SOURCE_HASH)
/* In every library, so that the tests notice one that is older than its sources. */
static const char source[] __attribute__((used)) = "swiftrnn-source:" SOURCE_HASH;
#endif

#if defined(FLOAT64)
typedef double io;
typedef double real;
typedef uint64_t ubits;
#define KERNEL(name) name##_float64
#elif defined(BFLOAT16)
typedef uint16_t io;
typedef float real;
typedef uint32_t ubits;
#define KERNEL(name) name##_bfloat16
#else
typedef float io;
typedef float real;
typedef uint32_t ubits;
#define KERNEL(name) name##_float32
#endif

#define INLINE static inline __attribute__((always_inline))

/* One body, compiled for three instruction sets; the loader takes the best one of this machine. */
#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__) \
    && !defined(ONE_TARGET)
#define EVERY_CPU __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define EVERY_CPU
#endif

#if defined(_WIN32)
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif

#if defined(BFLOAT16)
INLINE real get(const io *p)
{
    const uint32_t wide = (uint32_t)*p << 16;
    real x;
    memcpy(&x, &wide, sizeof x);
    return x;
}
INLINE void put(io *p, real x) /* to the nearest, ties to even; NaN stays NaN */
{
    uint32_t wide;
    memcpy(&wide, &x, sizeof wide);
    const uint32_t rounded = (wide + 0x7fff + (wide >> 16 & 1)) >> 16;
    *p = (io)(x != x ? 0x7fc0 : rounded);
}
#else
INLINE real get(const io *p) { return *p; }
INLINE void put(io *p, real x) { *p = x; }
#endif

#if defined(FLOAT64)
#define FAR 350.0
#define MAGIC 6755399441055744.0 /* 1.5 * 2^52: adding it rounds to a whole number */
#define LN2_HIGH 0.693147180136293172836303710938
#define LN2_LOW 4.2365213658092841052e-10
#define MANTISSA 52
#define SIGN 0x8000000000000000u
#define INFINITE 0x7ff0000000000000u
INLINE real exp_series_less_one(real r)
{
    real p = 2.0914717341716376e-9;
    p = p * r + 2.51052595384484934e-8;
    p = p * r + 2.75572735701021397e-7;
    p = p * r + 2.75572552979696444e-6;
    p = p * r + 2.48015873256053228e-5;
    p = p * r + 1.98412698749012592e-4;
    p = p * r + 1.38888888888837318e-3;
    p = p * r + 8.33333333332611205e-3;
    p = p * r + 4.16666666666666698e-2;
    p = p * r + 1.6666666666666671e-1;
    p = p * r + 0.5;
    return p * r * r + r;
}
INLINE real tanh_series(real z)
{
    real p = -3.4490826410417723e-7;
    p = p * z + 1.86150046033638624e-6;
    p = p * z - 5.92523540361100617e-6;
    p = p * z + 1.56639001249758704e-5;
    p = p * z - 3.91902435149758927e-5;
    p = p * z + 9.6893360151000184e-5;
    p = p * z - 2.39125115719757608e-4;
    p = p * z + 5.90026917021387034e-4;
    p = p * z - 1.45583433837705525e-3;
    p = p * z + 3.59212803346385373e-3;
    p = p * z - 8.8632355297723568e-3;
    p = p * z + 2.18694885361519315e-2;
    p = p * z - 5.3968253968253925e-2;
    p = p * z + 1.33333333333333333e-1;
    return p * z - 3.33333333333333333e-1;
}
#else
#define FAR 64.0f
#define MAGIC 12582912.0f /* 1.5 * 2^23 */
#define LN2_HIGH 0.693359375f
#define LN2_LOW -2.1219444005469058e-4f
#define MANTISSA 23
#define SIGN 0x80000000u
#define INFINITE 0x7f800000u
INLINE real exp_series_less_one(real r)
{
    real p = 1.3926213466332443e-3f;
    p = p * r + 8.36320297157585495e-3f;
    p = p * r + 4.16665544376859389e-2f;
    p = p * r + 1.66665768459939763e-1f;
    p = p * r + 0.5f;
    return p * r * r + r;
}
INLINE real tanh_series(real z)
{
    real p = -6.09671416590819757e-3f;
    p = p * z + 2.09971789990747506e-2f;
    p = p * z - 5.38509095785135808e-2f;
    p = p * z + 1.33327697369763279e-1f;
    return p * z - 3.33333289441342546e-1f;
}
#endif

INLINE ubits to_bits(real x)
{
    ubits b;
    memcpy(&b, &x, sizeof b);
    return b;
}

INLINE real from_bits(ubits b)
{
    real x;
    memcpy(&x, &b, sizeof x);
    return x;
}

/* Choices between numbers are made on their bits: compilers turn choices between floats into
 * branches now and then, and then the loop does not vectorise. */
INLINE real choose(int condition, real yes, real no)
{
    const ubits mask = -(ubits)condition;
    return from_bits((to_bits(yes) & mask) | (to_bits(no) & ~mask));
}

/* x held within +-limit; NaN stays NaN. */
INLINE real within(real limit, real x)
{
    const ubits sign = to_bits(x) & SIGN, size = to_bits(x) ^ sign, most = to_bits(limit) + 1;
    const ubits held = size - most <= INFINITE - most ? most - 1 : size;
    return from_bits(held | sign);
}

/* e^x for |x| <= FAR, where it neither overflows nor becomes denormal; NaN stays NaN. */
INLINE real exponential(real x)
{
    const real shifted = x * (real)1.4426950408889634074 + MAGIC; /* its low bits hold n */
    const real n = shifted - MAGIC;
    const real two_to_n = from_bits((to_bits(shifted) << MANTISSA) + to_bits(1));
    return (exp_series_less_one(x - n * LN2_HIGH - n * LN2_LOW) + 1) * two_to_n;
}

/* e^x - 1 for |x| <= FAR, with the digits of small x. */
INLINE real exponential_less_one(real x)
{
    const int small = (to_bits(x) & ~SIGN) < to_bits((real)0.34);
    return choose(small, exp_series_less_one(choose(small, x, 0)), exponential(x) - 1);
}

/* sigmoid(x) and sigmoid(y) with one division; 0 below -FAR, where they are under 2e-28.  Where both
 * are tiny the product may be infinite, and both become 0. */
INLINE void two_sigmoids(real x, real y, real *p, real *q)
{
    const real a = 1 + exponential(within(FAR, -x));
    const real b = 1 + exponential(within(FAR, -y));
    const real inverse = 1 / (a * b);
    *p = choose(x < -FAR, 0, b * inverse);
    *q = choose(y < -FAR, 0, a * inverse);
}

INLINE real hyperbolic_tangent(real x)
{
    const real small = x + x * x * x * tanh_series(x * x);
    const real large = 1 - 2 / (1 + exponential(within(FAR, 2 * x)));
    return choose((to_bits(x) & ~SIGN) < to_bits((real)0.625), small, large);
}

enum { CHUNK = 128 }; /* channels; the unit of work and of fetching; chosen by benchmarks/ops.py */

static const real NOTHING[CHUNK]; /* the state before the first step of a sequence */

/* Chunks of all rows are shared out among threads whole: where a vector loop ends, and with it how
 * a compiler rounds the last channels, does not depend on the number of threads. */
INLINE int64_t chunks_per_row(int64_t H) { return (H + CHUNK - 1) / CHUNK; }

/* Ask for memory that is needed one row later: the runs of a row are too short for the hardware.
 * Into the second level: rows of 2 KiB would push one another out of the few sets of the first. */
INLINE void fetch(const void *p, int64_t bytes)
{
    for (int64_t i = 0; i < bytes; i += 64)
        __builtin_prefetch((const char *)p + i, 0, 2);
}

/* Whether forward keeps gates for backward, or what goes into them: in 16 bits 1 - f would lose its
 * digits. */
enum { GATED = sizeof(io) == sizeof(real) };

INLINE int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

#endif
