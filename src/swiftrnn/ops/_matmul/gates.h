/* The gates of a run of time as a sum of products, by the thread that needs them next: they are in its
 * cache when the recurrence reads them, and no thread waits for another.  And backward: the gradient
 * of the gates of a run goes into both other products before that of the next run is computed. */

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

/* `into`, as Python gives it: addresses of x and of its gradient (0: none is wanted), both (T + the
 * largest tap, B, I); I; time steps of a run; level; whether the gradient of x is added to; room of
 * matmul_outer for each thread; number of taps, the taps, for each the address of the gradient of its
 * weight, turned round (I, G) (0: none is wanted); and for each thread the columns of x's gradient that are its
 * own, first and end, and the addresses of their packed weights, by tap. */
enum {
    INTO_X, INTO_D_X, INTO_I, INTO_STEPS, INTO_LEVEL, INTO_ADD, INTO_ROOM, INTO_TAPS, INTO_FIRST_TAP
};

/* Columns `first` to `end` of total (G, I) += left (R, G) turned round times right (R, I), on one
 * thread; `room` has OUTER_ROOM numbers. */
void KERNEL(matmul_outer_part)(const io *left, int64_t left_row, const io *right, int64_t right_row,
                               io *total, int64_t total_row, int64_t R, int64_t G, int64_t first,
                               int64_t end, io *room, int64_t level);

enum { OUTER_DEPTH = 256, OUTER_COLUMNS = 512, OUTER_ROOM = OUTER_DEPTH * OUTER_COLUMNS };

typedef struct {
    int64_t T, B, H, gates_row, reverse;
} extent;

/* Backward of the steps `first` to `end` for a thread's share: the gradient of the gates goes to
 * `d_gates`, where the row `from_row` of all T * B comes first. */
typedef void KERNEL(steps)(const void *call, const share *own, int64_t first, int64_t end,
                           io *d_gates, int64_t from_row);

/* Runs `steps` over all time on so many threads: in one run with room for all rows in `d_gates`, or
 * where `into` is given run by run, with room for two, each of which enters the products. */
void KERNEL(backward_runs)(KERNEL(steps) *steps, const void *call, const extent *all, io *d_gates,
                           const int64_t *into, int64_t n_threads);

#endif
