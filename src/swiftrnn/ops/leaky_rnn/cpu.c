/* leaky_rnn on the CPU.  Large arrays are dense (T, B, H); sequences never meet.
 *
 *   forward    x[t] = (1 - a) x[t-1] + a (W f(x[t-1]) + input[t]),   x[-1] = initial
 *   backward   g[t] = grad[t] + q[t],   d_input[t] = a g[t]
 *              q[t-1] = (1 - a) g[t] + f'(x[t-1]) (W^T d_input[t])
 *
 * The gradient of W is d_input^T f(x[t-1]), one product over all steps: backward writes f(x[t-1]),
 * the rates before each step.  `reverse` runs time from the end; lengths and reset as in
 * linear_scan.  Each thread takes some sequences, ROWS of them at a time, and walks through time:
 * what is multiplied with, (H, wide) with rows of whole vectors, stays in the caches. */

#include "../_kernel.h"

#define LANES 16 /* as in cpu.py */
enum { ROWS = 4, TOGETHER = 2 }; /* rows and vectors of sums that stay in registers */

typedef real vec __attribute__((vector_size(LANES * sizeof(real)), may_alias));
typedef real loose __attribute__((vector_size(LANES * sizeof(real)), may_alias,
                                  aligned(sizeof(real))));

/* sums (rows, wide) = left (rows, H) times matrix (H, wide), of `many` vectors from `first`. */
INLINE void tile(const real *left, int64_t left_row, const real *matrix, real *sums, int64_t H,
                 int64_t wide, int64_t first, const int rows, const int many)
{
    vec sum[ROWS][TOGETHER];
    for (int i = 0; i < rows; i++)
        for (int v = 0; v < many; v++)
            sum[i][v] = (vec){0};
    for (int64_t k = 0; k < H; k++) {
        const loose *row = (const loose *)(matrix + k * wide + first * LANES);
        for (int i = 0; i < rows; i++)
            for (int v = 0; v < many; v++)
                sum[i][v] += left[i * left_row + k] * row[v];
    }
    for (int i = 0; i < rows; i++)
        for (int v = 0; v < many; v++)
            ((loose *)(sums + i * wide))[first + v] = sum[i][v];
}

INLINE void product(const real *left, int64_t left_row, const real *matrix, real *sums, int64_t H,
                    int64_t wide, int64_t rows)
{
    const int64_t vectors = wide / LANES;
    int64_t v = 0;
    if (rows == ROWS) {
        for (; v + TOGETHER <= vectors; v += TOGETHER)
            tile(left, left_row, matrix, sums, H, wide, v, ROWS, TOGETHER);
        for (; v < vectors; v++)
            tile(left, left_row, matrix, sums, H, wide, v, ROWS, 1);
        return;
    }
    for (int64_t i = 0; i < rows; i++) {
        for (v = 0; v + TOGETHER <= vectors; v += TOGETHER)
            tile(left + i * left_row, 0, matrix, sums + i * wide, H, wide, v, 1, TOGETHER);
        for (; v < vectors; v++)
            tile(left + i * left_row, 0, matrix, sums + i * wide, H, wide, v, 1, 1);
    }
}

INLINE void rates_of(const real *x, real *rate, int64_t n, int64_t relu)
{
    if (relu)
        for (int64_t i = 0; i < n; i++)
            rate[i] = choose(x[i] < 0, 0, x[i]);
    else
#pragma GCC ivdep
        for (int64_t i = 0; i < n; i++)
            rate[i] = hyperbolic_tangent(x[i]);
}

EXPORT EVERY_CPU void KERNEL(leaky_rnn_forward)(
    const io *input, const real *matrix, const int64_t *lengths, const uint8_t *reset, real *state,
    io *output, real *space, int64_t T, int64_t B, int64_t H, int64_t reverse, int64_t relu,
    int64_t n_threads, double leak)
{
    const int64_t wide = (H + LANES - 1) / LANES * LANES, groups = (B + ROWS - 1) / ROWS;
    const real a = (real)leak;
#pragma omp parallel for num_threads(n_threads) if (n_threads > 1) schedule(static, 1)
    for (int64_t k = 0; k < n_threads; k++) {
        real *rate = space + k * 2 * ROWS * wide, *sums = rate + ROWS * wide;
        for (int64_t g = groups * k / n_threads; g < groups * (k + 1) / n_threads; g++) {
            const int64_t b0 = g * ROWS, rows = least(ROWS, B - b0);
            for (int64_t step = 0; step < T; step++) {
                const int64_t t = reverse ? T - 1 - step : step;
                for (int64_t i = 0; i < rows; i++) {
                    real *x = state + (b0 + i) * H;
                    if (reset && reset[t * B + b0 + i] && !(lengths && t >= lengths[b0 + i]))
                        memset(x, 0, (size_t)H * sizeof(real));
                    rates_of(x, rate + i * wide, H, relu);
                }
                product(rate, wide, matrix, sums, H, wide, rows);
                for (int64_t i = 0; i < rows; i++) {
                    const int64_t at = (t * B + b0 + i) * H;
                    real *x = state + (b0 + i) * H;
                    const real *sum = sums + i * wide;
                    if (lengths && t >= lengths[b0 + i]) {
                        memset(output + at, 0, (size_t)H * sizeof(io));
                        continue;
                    }
#pragma GCC ivdep
                    for (int64_t j = 0; j < H; j++) {
                        x[j] = (1 - a) * x[j] + a * (sum[j] + get(input + at + j));
                        put(output + at + j, x[j]);
                    }
                }
            }
        }
    }
}

EXPORT EVERY_CPU void KERNEL(leaky_rnn_backward)(
    const real *matrix, const real *initial, const int64_t *lengths, const uint8_t *reset,
    const io *output, const io *grad, io *d_input, io *rates, real *carry, real *space, int64_t T,
    int64_t B, int64_t H, int64_t reverse, int64_t relu, int64_t n_threads, double leak)
{
    const int64_t wide = (H + LANES - 1) / LANES * LANES, groups = (B + ROWS - 1) / ROWS;
    const int64_t back = (reverse ? B : -B) * H; /* from a step to the one before it */
    const real a = (real)leak;
#pragma omp parallel for num_threads(n_threads) if (n_threads > 1) schedule(static, 1)
    for (int64_t k = 0; k < n_threads; k++) {
        real *due = space + k * 3 * ROWS * wide; /* d_input */
        real *sums = due + ROWS * wide, *before = sums + ROWS * wide;
        for (int64_t g = groups * k / n_threads; g < groups * (k + 1) / n_threads; g++) {
            const int64_t b0 = g * ROWS, rows = least(ROWS, B - b0);
            for (int64_t step = 0; step < T; step++) {
                const int64_t t = reverse ? step : T - 1 - step;
                for (int64_t i = 0; i < rows; i++) {
                    const int64_t b = b0 + i, at = (t * B + b) * H;
                    const real *q = carry + b * H;
                    const int outside = lengths && t >= lengths[b];
                    for (int64_t j = 0; j < H; j++) {
                        due[i * wide + j] = outside ? 0 : a * (get(grad + at + j) + q[j]);
                        put(d_input + at + j, due[i * wide + j]);
                    }
                }
                product(due, wide, matrix, sums, H, wide, rows);
                for (int64_t i = 0; i < rows; i++) {
                    const int64_t b = b0 + i, at = (t * B + b) * H;
                    const int64_t last = lengths ? least(lengths[b], T) - 1 : T - 1;
                    real *q = carry + b * H, *x = before + i * wide, *u = sums + i * wide;
                    if (t > last) {
                        memset(rates + at, 0, (size_t)H * sizeof(io));
                        continue;
                    }
                    const int starts = reset && reset[t * B + b];
                    const int first = t == (reverse ? last : 0);
                    for (int64_t j = 0; j < H; j++)
                        x[j] = starts ? 0 : first ? initial[b * H + j] : get(output + at + back + j);
                    rates_of(x, x, H, relu);
#pragma GCC ivdep
                    for (int64_t j = 0; j < H; j++) {
                        const real slope = relu ? choose(x[j] > 0, 1, 0) : 1 - x[j] * x[j];
                        const real full = (1 - a) / a * due[i * wide + j] + slope * u[j];
                        put(rates + at + j, x[j]);
                        q[j] = choose(starts, 0, full);
                    }
                }
            }
        }
    }
}
