/* The gates of a run of time as a sum of products, by the thread that needs them next: they are in its
 * cache when the recurrence reads them, and no thread waits for another. */

#ifndef SWIFTRNN_GATES_H
#define SWIFTRNN_GATES_H

#include "../_kernel.h"

/* `from`, as Python gives it: x's address (T + the largest tap, B, I), I, time steps of a run, level,
 * number of taps, the taps, and for each thread the addresses of the packed weights of its chunks,
 * one for each tap.  Gates at t are the sum over taps of x[t + tap] times weight. */
enum { FROM_X, FROM_I, FROM_STEPS, FROM_LEVEL, FROM_TAPS, FROM_FIRST_TAP };

/* y (R, G) = or += x (R, I) times the packed (I, G), on one thread. */
void KERNEL(matmul_part)(const io *x, int64_t x_row, const io *panels, io *y, int64_t y_row,
                         int64_t R, int64_t I, int64_t G, int64_t add, int64_t level);

/* Computes what the thread's chunks need in the run of time that starts at a step, and gives the row
 * that comes first in `gates`: 0 where all rows have room there, else the first of the run. */
INLINE int64_t compute_gates(const int64_t *from, int64_t thread, const share *own, int64_t step,
                             int64_t T, int64_t B, int64_t H, int64_t reverse, int all, io *gates,
                             int64_t gates_row)
{
    const int64_t steps = least(from[FROM_STEPS], T - step), t = reverse ? T - step - steps : step;
    const int64_t I = from[FROM_I], n = from[FROM_TAPS], *taps = from + FROM_FIRST_TAP;
    const int64_t h = own->chunk * CHUNK, end = least(H, h + own->per_row * CHUNK);
    for (int64_t i = 0; i < n; i++)
        KERNEL(matmul_part)((const io *)from[FROM_X] + (t + taps[i]) * B * I, I,
                            (const io *)taps[n + thread * n + i],
                            gates + (all ? t * B : 0) * gates_row + h * (gates_row / H), gates_row,
                            steps * B, I, (end - h) * (gates_row / H), i > 0, from[FROM_LEVEL]);
    return all ? 0 : t * B;
}

#endif
