/* linear_scan on the CPU.  Large arrays are dense (T, B, H); N = B * H channels never meet.
 *
 *   forward    h[t] = decay[t] * h[t-1] + input[t],   h[-1] = initial
 *   backward   g[t] = grad[t] + decay[t+1] * g[t+1],  d_input = g, d_decay = g * h[t-1]
 *
 * `reverse` runs time from the end.  Where lengths is given, steps at or beyond a sequence's end
 * pass the state on: the output there is 0, and so are the gradients.  Where `reset` (T, B) is set,
 * h[t-1] is 0.  Each thread takes a range of channels and walks through time; the state it carries
 * (real, even for bfloat16) stays in cache. */

#include "../_kernel.h"

INLINE void forward_row(const io *decay, const io *input, real *state, io *output, int64_t n)
{
#pragma GCC ivdep
    for (int64_t i = 0; i < n; i++) {
        state[i] = get(decay + i) * state[i] + get(input + i);
        put(output + i, state[i]);
    }
}

INLINE void backward_row(const io *decay, const io *before, const real *first, const io *grad,
                         io *d_decay, io *d_input, real *carry, int64_t n)
{
#pragma GCC ivdep
    for (int64_t i = 0; i < n; i++) {
        const real g = get(grad + i) + carry[i]; /* carry is decay[t+1] * g[t+1] */
        put(d_input + i, g);
        put(d_decay + i, g * (before ? get(before + i) : first[i]));
        carry[i] = g * get(decay + i);
    }
}

EXPORT EVERY_CPU void KERNEL(linear_scan_forward)(
    const io *decay, const io *input, const int64_t *lengths, const uint8_t *reset, real *state,
    io *output, int64_t T, int64_t B, int64_t H, int64_t reverse, int64_t n_threads)
{
    const int64_t N = B * H;
    const int64_t per_row = chunks_per_row(H), units = B * per_row;
#pragma omp parallel for num_threads(n_threads) if (n_threads > 1) schedule(static, 1)
    for (int64_t k = 0; k < n_threads; k++) {
        const int64_t first = units * k / n_threads, end = units * (k + 1) / n_threads;
        for (int64_t step = 0; step < T; step++) {
            const int64_t t = reverse ? T - 1 - step : step;
            for (int64_t unit = first; unit < end; unit++) {
                const int64_t b = unit / per_row, h = unit % per_row * CHUNK;
                const int64_t n = least(CHUNK, H - h), column = b * H + h, i = t * N + column;
                if (lengths && t >= lengths[b]) {
                    memset(output + i, 0, (size_t)n * sizeof(io));
                    continue;
                }
                if (reset && reset[t * B + b])
                    memset(state + column, 0, (size_t)n * sizeof(real));
                forward_row(decay + i, input + i, state + column, output + i, n);
            }
        }
    }
}

EXPORT EVERY_CPU void KERNEL(linear_scan_backward)(
    const io *decay, const real *initial, const int64_t *lengths, const uint8_t *reset,
    const io *output, const io *grad, io *d_decay, io *d_input, real *carry, int64_t T, int64_t B,
    int64_t H, int64_t reverse, int64_t n_threads)
{
    const int64_t N = B * H, back = reverse ? N : -N; /* from a step to the one before it */
    const int64_t per_row = chunks_per_row(H), units = B * per_row;
#pragma omp parallel for num_threads(n_threads) if (n_threads > 1) schedule(static, 1)
    for (int64_t k = 0; k < n_threads; k++) {
        const int64_t first = units * k / n_threads, end = units * (k + 1) / n_threads;
        for (int64_t step = 0; step < T; step++) {
            const int64_t t = reverse ? step : T - 1 - step;
            for (int64_t unit = first; unit < end; unit++) {
                const int64_t b = unit / per_row, h = unit % per_row * CHUNK;
                const int64_t n = least(CHUNK, H - h), column = b * H + h, i = t * N + column;
                const int64_t last = lengths ? least(lengths[b], T) - 1 : T - 1;
                const int first_step = t == (reverse ? last : 0), starts = reset && reset[t * B + b];
                if (t > last) {
                    memset(d_decay + i, 0, (size_t)n * sizeof(io));
                    memset(d_input + i, 0, (size_t)n * sizeof(io));
                    continue;
                }
                backward_row(decay + i, first_step || starts ? 0 : output + i + back,
                             starts ? NOTHING : initial + column, grad + i, d_decay + i, d_input + i,
                             carry + column, n);
                if (starts)
                    memset(carry + column, 0, (size_t)n * sizeof(real));
            }
        }
    }
}
