/* A recurrence over gates and their products, run of time by run of time in one parallel region: gates
 * are used, and their gradients are multiplied, while they are still in a cache. */

#ifndef SWIFTRNN_GATES_H
#define SWIFTRNN_GATES_H

#include "../_kernel.h"

/* `from`, as Python gives it: the address of x (T + the largest tap, B, I); I; time steps of a run;
 * level; addresses of `starts` and `live`; number of taps, the taps, and for each the address of its
 * packed weight.  The gates at t are the sum over taps of x[t + tap] times weight.
 *
 * Where `live` is 0, all rows are multiplied.  Else it has the numbers, among all T * B, of those whose
 * sequence has not ended, in order; those of time t are live[starts[t]] to live[starts[t + 1]]. */
enum {
    FROM_X, FROM_I, FROM_STEPS, FROM_LEVEL, FROM_STARTS, FROM_LIVE, FROM_TAPS, FROM_FIRST_TAP
};

/* `into`, as Python gives it: addresses of x and of its gradient (0: none is wanted), both (T + the
 * largest tap, B, I); I; time steps of a run; level; addresses of `starts` and `live`, see `from`, whose
 * rows alone of the gradient of x are written; whether that is added to; room of
 * matmul_outer for each thread; number of taps, the taps, for each the address of the gradient of its
 * weight, turned round (I, G) (0: none is wanted); and for each thread the columns of x's gradient
 * that are its own, first and end, and the addresses of their packed weights, by tap. */
enum {
    INTO_X, INTO_D_X, INTO_I, INTO_STEPS, INTO_LEVEL, INTO_STARTS, INTO_LIVE, INTO_ADD, INTO_ROOM,
    INTO_TAPS, INTO_FIRST_TAP
};

/* y (R, G) = or += x (R, I) times the packed (I, G), on one thread; where `live` is given, it has the
 * numbers of the R rows of both. */
void KERNEL(matmul_part)(const io *x, int64_t x_row, const io *panels, io *y, int64_t y_row,
                         int64_t R, int64_t I, int64_t G, int64_t add, int64_t level,
                         const int64_t *live);

/* Columns `first` to `end` of total (G, I) += left (R, G) turned round times right (R, I), on one
 * thread; `room` has OUTER_ROOM numbers, `live` is as above. */
void KERNEL(matmul_outer_part)(const io *left, int64_t left_row, const io *right, int64_t right_row,
                               io *total, int64_t total_row, int64_t R, int64_t G, int64_t first,
                               int64_t end, io *room, int64_t level, const int64_t *live);

enum { OUTER_DEPTH = 256, OUTER_COLUMNS = 512, OUTER_ROOM = OUTER_DEPTH * OUTER_COLUMNS };

typedef struct {
    int64_t T, B, H, gates_row;
    int64_t falling; /* whether the steps go from the end of time to the start */
} extent;

/* What a recurrence over gates goes along: sequences, where they start and end, and their states. */
typedef struct {
    extent all;
    const int64_t *lengths; /* (B), or none */
    const uint8_t *reset;   /* (T, B), or none */
    const real *initial;    /* (B, H) */
    real *states;           /* (T, B, H), or where `states_row` is 0 the running ones, (B, H) */
    int64_t states_row, chunked;
} walk;

/* One step of one unit of work: channels h to h + n of sequence b.  `row` counts all T * B rows,
 * `column` all B * H states; `in_row` is where the first gate stands in a row of gates, `apart` how far
 * the next one is. */
typedef struct {
    int64_t b, h, n, row, column, in_row, apart;
    const real *before; /* the state before the step */
    real *state;        /* the one after it: forward only */
    int outside, starts; /* whether the sequence has ended; whether one starts here */
} spot;

INLINE spot spot_at(const walk *w, int64_t unit, int64_t step)
{
    const int64_t H = w->all.H, per_row = chunks_per_row(H);
    const int64_t t = w->all.falling ? w->all.T - 1 - step : step;
    spot p = {.b = unit / per_row, .h = unit % per_row * CHUNK};
    p.n = least(CHUNK, H - p.h);
    p.row = t * w->all.B + p.b;
    p.column = p.b * H + p.h;
    p.in_row = w->chunked ? p.h * (w->all.gates_row / H) : p.h;
    p.apart = w->chunked ? p.n : H;
    p.outside = w->lengths && t >= w->lengths[p.b];
    p.starts = w->reset && w->reset[p.row];
    return p;
}

INLINE spot forward_spot(const walk *w, int64_t unit, int64_t step)
{
    spot p = spot_at(w, unit, step);
    const int64_t H = w->all.H, earlier = p.row + (w->all.falling ? w->all.B : -w->all.B);
    p.state = w->states + (w->states_row ? p.row * H + p.h : p.column);
    p.before = w->initial + p.column;
    if (step)
        p.before = w->states + (w->states_row ? earlier * H + p.h : p.column);
    if (p.starts && !p.outside)
        p.before = NOTHING;
    return p;
}

/* Against the walk of forward: the step before it is the next one here. */
INLINE spot backward_spot(const walk *w, int64_t unit, int64_t step)
{
    spot p = spot_at(w, unit, step);
    const int64_t earlier = p.row + (w->all.falling ? -w->all.B : w->all.B);
    p.before = w->initial + p.column;
    if (step < w->all.T - 1)
        p.before = w->states + earlier * w->all.H + p.h;
    if (p.starts)
        p.before = NOTHING;
    return p;
}

/* A step beyond a sequence's end: the output is 0, the state goes on. */
INLINE void stand_still(const spot *p, io *output)
{
    memset(output, 0, (size_t)p->n * sizeof(io));
    if (p->state != p->before)
        memcpy(p->state, p->before, (size_t)p->n * sizeof(real));
}

/* The steps `first` to `end` of a recurrence, for the units `begin` to `stop` of work, a chunk of a
 * sequence each; the row `from_row` of all T * B comes first in `gates`. */
typedef void KERNEL(steps)(const void *call, int64_t begin, int64_t stop, int64_t first,
                           int64_t end, io *gates, int64_t from_row);

/* Runs `steps` over all time.  Where `from` is given, products fill `gates` before; where `into` is,
 * products use them after; both run by run.  `gates` has room for all rows, or if not `whole`, for
 * those of two runs, of which each is used in turn. */
void KERNEL(in_runs)(KERNEL(steps) *steps, const void *call, const extent *all, io *gates,
                     int64_t whole, const int64_t *from, const int64_t *into, int64_t n_threads);

#endif
