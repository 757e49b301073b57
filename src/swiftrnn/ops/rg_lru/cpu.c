/* RG-LRU on the CPU, everything but the matrix product.  One row is the H channels of one (t, b); its
 * two gates lie side by side, so every load is a run of neighbours.
 *
 *   r = sigmoid(r' + b_r)    i = sigmoid(i' + b_i)    a = exp(rate r)    s = sqrt(1 - a^2)
 *   h = a h' + s i x         h' = h[t-1]
 *
 * 1 - a^2 is computed from the logarithm of a, which lies close to 1.  The slope of the root, which has
 * none at 0, is held below STEEPEST.  `kept`, `chunked`, threads, sums, lengths and reset are those of
 * sru/cpu.c: forward writes to `kept` what backward reads in place of the gates: r and i, or in 16
 * bits r' and i'. */

#include "../_matmul/gates.h"
#include "../_stack/forwards.h"

#define STEEPEST 1000 /* as in reference.py */

typedef struct {
    const real *bias, *rate; /* (2, H), (H) */
    int64_t H;
} form;

typedef struct {
    real a, s, slope; /* slope: of s over log a */
} decay;

INLINE decay decay_of(real rate, real r)
{
    const real log_a = within(FAR / 2, rate * r), z = -exponential_less_one(2 * log_a);
    const real a = exponential(log_a), s = (real)sqrt(z), half = (real)0.5;
    const real root = choose(s > half / STEEPEST, half / s, STEEPEST);
    return (decay){a, s, -2 * a * a * root};
}

typedef struct {
    const io *skip;
    io *output, *kept;
    form a;
    walk w;
} forward_call;

INLINE void forward_row(const form *k, const io *gates, const io *x, const real *before, real *state,
                        io *output, io *kept, int64_t h, int64_t n, int64_t apart, const int keeps)
{
    const real *b = k->bias + h, *rate = k->rate + h;
#pragma GCC ivdep
    for (int64_t j = 0; j < n; j++) {
        const real raw_r = get(gates + j), raw_i = get(gates + apart + j);
        real r, i;
        two_sigmoids(raw_r + b[j], raw_i + b[k->H + j], &r, &i);
        const decay d = decay_of(rate[j], r);
        const real c = d.a * before[j] + d.s * i * get(x + j);
        if (keeps) {
            put(kept + j, GATED ? r : raw_r);
            put(kept + apart + j, GATED ? i : raw_i);
        }
        state[j] = c;
        put(output + j, c);
    }
}

static EVERY_CPU void KERNEL(rg_lru_forward_steps)(const void *call, int64_t begin, int64_t stop,
                                                   int64_t first, int64_t end, io *gates,
                                                   int64_t from_row)
{
    const forward_call *k = call;
    const int64_t H = k->w.all.H, G = k->w.all.gates_row;
    for (int64_t step = first; step < end; step++) {
        for (int64_t unit = begin; unit < stop; unit++) {
            const spot p = forward_spot(&k->w, unit, step);
            const io *u = gates + (p.row - from_row) * G + p.in_row;
            const io *x = k->skip + p.row * H + p.h;
            io *y = k->output + p.row * H + p.h;
            io *kept = k->kept ? k->kept + p.row * G + p.in_row : 0;
            const int64_t bytes = p.n * (int64_t)sizeof(io);
            fetch(u + G, bytes);
            fetch(u + G + p.apart, bytes);
            fetch(x + H, bytes);
            if (p.outside)
                stand_still(&p, y);
            else if (kept)
                forward_row(&k->a, u, x, p.before, p.state, y, kept, p.h, p.n, p.apart, 1);
            else
                forward_row(&k->a, u, x, p.before, p.state, y, kept, p.h, p.n, p.apart, 0);
        }
    }
}

EXPORT void KERNEL(rg_lru_forward)(
    io *gates, const io *skip, const real *bias, const real *rate, const int64_t *lengths,
    const uint8_t *reset, const real *initial, real *states, io *output, io *kept, int64_t T,
    int64_t B, int64_t H, int64_t states_row, int64_t reverse, int64_t chunked,
    const int64_t *from, int64_t n_threads)
{
    const forward_call call = {
        skip, output, kept, {bias, rate, H},
        {{T, B, H, 2 * H, reverse}, lengths, reset, initial, states, states_row, chunked}};
    KERNEL(in_runs)(KERNEL(rg_lru_forward_steps), &call, &call.w.all, gates, !from || kept, from, 0,
                    n_threads);
}

typedef struct {
    const io *gates, *skip, *grad;
    io *d_skip;
    real *carry, *sums; /* (B, H), (3, B, H): running sums over time, of bias and rate */
    form a;
    walk w;
    int64_t kept;
} backward_call;

INLINE void backward_row(const backward_call *k, const io *gates, const io *x, const real *before,
                         const io *grad, io *d_gates, io *d_skip, int64_t h, int64_t n0, int64_t n,
                         int64_t apart, const int kept)
{
    const int64_t H = k->a.H, N = k->w.all.B * H;
    const real *b = k->a.bias + h, *rate = k->a.rate + h;
    real *q = k->carry + n0, *sums = k->sums + n0;
#pragma GCC ivdep
    for (int64_t j = 0; j < n; j++) {
        real r = get(gates + j), i = get(gates + apart + j);
        if (!(kept && GATED))
            two_sigmoids(r + b[j], i + b[H + j], &r, &i);
        const decay d = decay_of(rate[j], r);
        const real c0 = before[j], u = get(x + j), dc = get(grad + j) + q[j];
        const real d_log_a = dc * (d.a * c0 + d.slope * i * u);
        const real dr = d_log_a * rate[j] * r * (1 - r), di = dc * d.s * u * i * (1 - i);
        put(d_gates + j, dr);
        put(d_gates + H + j, di);
        put(d_skip + j, dc * d.s * i);
        sums[j] += dr;
        sums[N + j] += di;
        sums[2 * N + j] += d_log_a * r;
        q[j] = dc * d.a;
    }
}

static EVERY_CPU void KERNEL(rg_lru_backward_steps)(const void *call, int64_t begin, int64_t stop,
                                                    int64_t first, int64_t end, io *d_gates,
                                                    int64_t from_row)
{
    const backward_call *k = call;
    const int64_t H = k->w.all.H, G = k->w.all.gates_row;
    for (int64_t step = first; step < end; step++) {
        for (int64_t unit = begin; unit < stop; unit++) {
            const spot p = backward_spot(&k->w, unit, step);
            const io *u = k->gates + p.row * G + p.in_row, *x = k->skip + p.row * H + p.h;
            const io *gh = k->grad + p.row * H + p.h;
            io *du = d_gates + (p.row - from_row) * G + p.h, *dx = k->d_skip + p.row * H + p.h;
            const int64_t bytes = p.n * (int64_t)sizeof(io);
            fetch(u + G, bytes);
            fetch(u + G + p.apart, bytes);
            fetch(x + H, bytes);
            fetch(gh + H, bytes);
            fetch(p.before + H, p.n * (int64_t)sizeof(real));
            if (p.outside) {
                memset(du, 0, (size_t)bytes);
                memset(du + H, 0, (size_t)bytes);
                memset(dx, 0, (size_t)bytes);
                continue;
            }
            if (k->kept)
                backward_row(k, u, x, p.before, gh, du, dx, p.h, p.column, p.n, p.apart, 1);
            else
                backward_row(k, u, x, p.before, gh, du, dx, p.h, p.column, p.n, p.apart, 0);
            if (p.starts)
                memset(k->carry + p.column, 0, (size_t)p.n * sizeof(real));
        }
    }
}

EXPORT void KERNEL(rg_lru_backward)(
    const io *gates, const io *skip, const real *bias, const real *rate, const int64_t *lengths,
    const uint8_t *reset, const real *initial, const real *states, const io *grad, io *d_gates,
    io *d_skip, real *carry, real *sums, int64_t T, int64_t B, int64_t H, int64_t reverse,
    int64_t kept, int64_t chunked, const int64_t *into, int64_t n_threads)
{
    const backward_call call = {
        gates, skip, grad, d_skip, carry, sums, {bias, rate, H},
        {{T, B, H, 2 * H, !reverse}, lengths, reset, initial, (real *)states, 0, chunked}, kept};
    KERNEL(in_runs)(KERNEL(rg_lru_backward_steps), &call, &call.w.all, d_gates, !into, 0, into,
                    n_threads);
}
