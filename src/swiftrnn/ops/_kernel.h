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

#if defined(FLOAT64)
typedef double io;
typedef double real;
typedef int64_t bits;
#define KERNEL(name) name##_float64
#elif defined(BFLOAT16)
typedef uint16_t io;
typedef float real;
typedef int32_t bits;
#define KERNEL(name) name##_bfloat16
#else
typedef float io;
typedef float real;
typedef int32_t bits;
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
#define LARGEST 708.0
#define MAGIC 6755399441055744.0 /* 1.5 * 2^52: adding it rounds to a whole number */
#define LN2_HIGH 0.693147180136293172836303710938
#define LN2_LOW 4.2365213658092841052e-10
#define MANTISSA 52
INLINE real exp_series(real r)
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
    return p * r * r + r + 1;
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
#define LARGEST 87.0f
#define MAGIC 12582912.0f /* 1.5 * 2^23 */
#define LN2_HIGH 0.693359375f
#define LN2_LOW -2.1219444005469058e-4f
#define MANTISSA 23
INLINE real exp_series(real r)
{
    real p = 1.3926213466332443e-3f;
    p = p * r + 8.36320297157585495e-3f;
    p = p * r + 4.16665544376859389e-2f;
    p = p * r + 1.66665768459939763e-1f;
    p = p * r + 0.5f;
    return p * r * r + r + 1;
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

/* e^x, x held within +-LARGEST, where it neither overflows nor becomes denormal. */
INLINE real exponential(real x)
{
    x = x < -LARGEST ? -LARGEST : x;
    x = x > LARGEST ? LARGEST : x;
    const real shifted = x * (real)1.4426950408889634074 + MAGIC;
    const real n = shifted - MAGIC;
    const real series = exp_series(x - n * LN2_HIGH - n * LN2_LOW);
    bits whole, scaled;
    memcpy(&whole, &shifted, sizeof whole); /* its low bits hold n */
    memcpy(&scaled, &series, sizeof scaled);
    scaled += (bits)((uint64_t)whole << MANTISSA);
    real y;
    memcpy(&y, &scaled, sizeof y);
    return x != x ? x : y;
}

INLINE real sigmoid(real x) { return 1 / (1 + exponential(-x)); }

INLINE real hyperbolic_tangent(real x)
{
    const real small = x + x * x * x * tanh_series(x * x);
    const real large = 1 - 2 / (1 + exponential(2 * x));
    return (x < 0 ? -x : x) < (real)0.625 ? small : large;
}

/* The columns n0..n1 of B * H that thread k of n_threads works on, in whole cache lines. */
INLINE void share(int64_t N, int k, int n_threads, int64_t *n0, int64_t *n1)
{
    const int64_t lines = (N + 15) / 16;
    *n0 = lines * k / n_threads * 16;
    *n1 = lines * (k + 1) / n_threads * 16;
    *n0 = *n0 < N ? *n0 : N;
    *n1 = *n1 < N ? *n1 : N;
}

INLINE int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

#endif
