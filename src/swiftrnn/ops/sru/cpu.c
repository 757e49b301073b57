/* SRU on the CPU, everything but the matrix product.  One row is the H channels of one (t, b); the
 * gates of a row lie side by side, u f r (and s), so every load is a run of neighbours.
 *
 *   f = sigmoid(u1 + v_f c' + b_f)      r = sigmoid(u2 + v_r c' + b_r)         c' = c[t-1]
 *   c = f c' + (1 - f) u0               h = s + (g(c) - s) m r                 s = scale * skip
 *
 * Backward computes f and r again: two sigmoids cost less than two more arrays of memory traffic. A
 * caller who needs the gates no more gives an array `kept` of their size, which may be the gates:
 * forward writes there what backward is to read in their place, u, f and r, or in 16 bits, where
 * 1 - f would lose its digits, u0, u1 and u2; and the skip if it is a gate.  If `chunked`, the gates
 * of one chunk lie together in all such arrays: one run of memory to fetch in place of three.  The
 * gradients of v and b are summed over time for each (b, h) alone and over b by the caller, so the
 * number of threads changes no bit.
 *
 * No skip means that it is the fourth gate.  A mask or skip that says nothing is one row of ones or
 * zeros with the distance 0 between rows.  `states` with distance 0 is a running state (inference).
 * Where lengths is given, steps at or beyond a sequence's end pass the state on and put out 0.  Where
 * `reset` is set, the state before a step is nothing.  `reverse` runs time from the end. */

#include "../_matmul/gates.h"
#include "../_stack/forwards.h"

typedef struct {
    const real *weight_c, *bias; /* (2, H), (2, H) */
    int64_t H;
    real scale;
} sru;

typedef struct {
    const io *skip;
    const real *mask;
    io *output, *kept;
    sru a;
    walk w;
    int64_t skip_row, mask_row, tanh;
} forward_call;

INLINE void forward_row(const sru *a, const io *gates, const io *skip, const real *mask,
                        const real *before, real *state, io *output, io *kept, int64_t h0,
                        int64_t n, int64_t apart, const int tanh, const int keeps)
{
    const int64_t H = a->H;
    const io *u0 = gates, *u1 = gates + apart, *u2 = gates + 2 * apart;
    const real *v = a->weight_c + h0, *b = a->bias + h0, scale = a->scale;
#pragma GCC ivdep
    for (int64_t i = 0; i < n; i++) {
        const real c0 = before[i], u = get(u0 + i), s = scale * get(skip + i);
        real f, r;
        two_sigmoids(get(u1 + i) + v[i] * c0 + b[i], get(u2 + i) + v[H + i] * c0 + b[H + i], &f, &r);
        const real c = u + f * (c0 - u);
        const real g = tanh ? hyperbolic_tangent(c) : c;
        if (keeps) {
            put(kept + i, u);
            put(kept + apart + i, GATED ? f : get(u1 + i));
            put(kept + 2 * apart + i, GATED ? r : get(u2 + i));
        }
        state[i] = c;
        put(output + i, s + (g - s) * mask[i] * r);
    }
}

#define FORWARD(tanh, keeps) \
    forward_row(&k->a, u, x, m, p.before, p.state, y, kept, p.h, p.n, p.apart, tanh, keeps)

static EVERY_CPU void KERNEL(sru_forward_steps)(const void *call, int64_t begin, int64_t stop,
                                                int64_t first, int64_t end, io *gates,
                                                int64_t from_row)
{
    const forward_call *k = call;
    const int64_t H = k->w.all.H, gates_row = k->w.all.gates_row;
    for (int64_t step = first; step < end; step++) {
        for (int64_t unit = begin; unit < stop; unit++) {
            const spot p = forward_spot(&k->w, unit, step);
            const io *u = gates + (p.row - from_row) * gates_row + p.in_row;
            const io *x = k->skip ? k->skip + p.row * k->skip_row + p.h : u + 3 * p.apart;
            const real *m = k->mask + p.b * k->mask_row + p.h;
            io *y = k->output + p.row * H + p.h;
            io *kept = k->kept ? k->kept + p.row * gates_row + p.in_row : 0;
            const int64_t bytes = p.n * (int64_t)sizeof(io);
            for (int64_t gate = 0; gate < 3; gate++)
                fetch(u + gates_row + gate * p.apart, bytes);
            fetch(x + k->skip_row, bytes);
            if (p.outside) {
                stand_still(&p, y);
                continue;
            }
            switch (k->tanh * 2 + (kept != 0)) {
            case 0: FORWARD(0, 0); break;
            case 1: FORWARD(0, 1); break;
            case 2: FORWARD(1, 0); break;
            case 3: FORWARD(1, 1); break;
            }
            if (kept && kept != u && !k->skip)
                memcpy(kept + 3 * p.apart, x, (size_t)bytes);
        }
    }
}

EXPORT void KERNEL(sru_forward)(
    io *gates, const io *skip, const real *weight_c, const real *bias, const real *mask,
    const int64_t *lengths, const uint8_t *reset, const real *initial, real *states, io *output,
    io *kept, int64_t T, int64_t B, int64_t H, int64_t gates_row, int64_t skip_row,
    int64_t mask_row, int64_t states_row, double scale, int64_t tanh, int64_t reverse,
    int64_t chunked, const int64_t *from, int64_t n_threads)
{
    const forward_call call = {
        skip, mask, output, kept, {weight_c, bias, H, (real)scale},
        {{T, B, H, gates_row, reverse}, lengths, reset, initial, states, states_row, chunked},
        skip_row, mask_row, tanh};
    KERNEL(in_runs)(KERNEL(sru_forward_steps), &call, &call.w.all, gates, !from || kept, from, 0,
                    n_threads);
}

typedef struct {
    const io *gates, *skip, *grad;
    const real *mask;
    io *d_skip;
    real *carry, *d_weight_c, *d_bias; /* (B, H), (2, B, H), (2, B, H): running sums over time */
    sru a;
    walk w;
    int64_t skip_row, mask_row, tanh, kept;
} backward_call;

INLINE void backward_row(const backward_call *k, const io *gates, const io *skip, const real *mask,
                         const real *before, const io *grad, io *d_gates, io *d_skip, int64_t h0,
                         int64_t n0, int64_t n, int64_t apart, const int tanh,
                         const int has_skip, const int kept)
{
    const int64_t H = k->a.H, N = k->w.all.B * H;
    const io *u0 = gates, *u1 = gates + apart, *u2 = gates + 2 * apart;
    const real *v = k->a.weight_c + h0, *b = k->a.bias + h0, scale = k->a.scale;
    real *q = k->carry + n0, *dv = k->d_weight_c + n0, *db = k->d_bias + n0;
#pragma GCC ivdep
    for (int64_t i = 0; i < n; i++) {
        const real c0 = before[i], u = get(u0 + i), s = has_skip ? scale * get(skip + i) : 0;
        real f = get(u1 + i), r = get(u2 + i);
        if (!(kept && GATED))
            two_sigmoids(f + v[i] * c0 + b[i], r + v[H + i] * c0 + b[H + i], &f, &r);
        const real c = u + f * (c0 - u), g = tanh ? hyperbolic_tangent(c) : c;
        const real gh = get(grad + i), mr = mask[i] * r;
        const real dr = gh * (g - s) * mr * (1 - r);
        const real dc = gh * mr * (tanh ? 1 - g * g : 1) + q[i];
        const real df = dc * (c0 - u) * f * (1 - f);
        put(d_gates + i, dc * (1 - f));
        put(d_gates + H + i, df);
        put(d_gates + 2 * H + i, dr);
        if (has_skip)
            put(d_skip + i, scale * gh * (1 - mr));
        dv[i] += df * c0;
        dv[N + i] += dr * c0;
        db[i] += df;
        db[N + i] += dr;
        q[i] = dc * f + df * v[i] + dr * v[H + i];
    }
}

#define BACKWARD(tanh, has_skip, kept) \
    backward_row(k, u, x, m, p.before, gh, du, dx, p.h, p.column, p.n, p.apart, tanh, has_skip, kept)

static EVERY_CPU void KERNEL(sru_backward_steps)(const void *call, int64_t begin, int64_t stop,
                                        int64_t first, int64_t end, io *d_gates, int64_t from_row)
{
    const backward_call *k = call;
    const int64_t H = k->w.all.H, gates_row = k->w.all.gates_row;
    for (int64_t step = first; step < end; step++) {
        for (int64_t unit = begin; unit < stop; unit++) {
            const spot p = backward_spot(&k->w, unit, step);
            const io *u = k->gates + p.row * gates_row + p.in_row;
            const io *x = k->skip ? k->skip + p.row * k->skip_row + p.h : u + 3 * p.apart;
            const real *m = k->mask + p.b * k->mask_row + p.h;
            const io *gh = k->grad + p.row * H + p.h;
            io *du = d_gates + (p.row - from_row) * gates_row + p.h;
            io *dx = k->skip ? k->d_skip + p.row * k->skip_row + p.h : du + 3 * H;
            const int64_t bytes = p.n * (int64_t)sizeof(io);
            for (int64_t gate = 0; gate < 3; gate++)
                fetch(u + gates_row + gate * p.apart, bytes);
            fetch(x + k->skip_row, bytes);
            fetch(gh + H, bytes);
            fetch(p.before + H, p.n * (int64_t)sizeof(real));
            if (p.outside) {
                for (int64_t gate = 0; gate < gates_row / H; gate++)
                    memset(du + gate * H, 0, (size_t)bytes);
                if (k->skip_row)
                    memset(dx, 0, (size_t)bytes);
                continue;
            }
            switch (k->tanh * 4 + (k->skip_row != 0) * 2 + k->kept) {
            case 0: BACKWARD(0, 0, 0); break;
            case 1: BACKWARD(0, 0, 1); break;
            case 2: BACKWARD(0, 1, 0); break;
            case 3: BACKWARD(0, 1, 1); break;
            case 4: BACKWARD(1, 0, 0); break;
            case 5: BACKWARD(1, 0, 1); break;
            case 6: BACKWARD(1, 1, 0); break;
            case 7: BACKWARD(1, 1, 1); break;
            }
            if (p.starts)
                memset(k->carry + p.column, 0, (size_t)p.n * sizeof(real));
        }
    }
}

EXPORT void KERNEL(sru_backward)(
    const io *gates, const io *skip, const real *weight_c, const real *bias, const real *mask,
    const int64_t *lengths, const uint8_t *reset, const real *initial, const real *states,
    const io *grad, io *d_gates, io *d_skip, real *carry, real *d_weight_c, real *d_bias, int64_t T,
    int64_t B, int64_t H, int64_t gates_row, int64_t skip_row, int64_t mask_row, double scale,
    int64_t tanh, int64_t reverse, int64_t kept, int64_t chunked, const int64_t *into,
    int64_t n_threads)
{
    const backward_call call = {
        gates, skip, grad, mask, d_skip, carry, d_weight_c, d_bias,
        {weight_c, bias, H, (real)scale},
        {{T, B, H, gates_row, !reverse}, lengths, reset, initial, (real *)states, 0, chunked},
        skip_row, mask_row, tanh, kept};
    KERNEL(in_runs)(KERNEL(sru_backward_steps), &call, &call.w.all, d_gates, !into, 0, into,
                    n_threads);
}
