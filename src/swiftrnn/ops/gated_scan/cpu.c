/* A gated recurrence on the CPU, everything but the matrix product.  One row is the H channels of
 * one (t, b); its gates lie side by side, so every load is a run of neighbours.
 *
 *   c = F c' + I u     F = l + (1 - l) f     I = (1 - l) i     h = o c, or c     c' = c[t-1]
 *
 * l is the floor: for a channel (a row of H), or for every number (T, B, H).  What f, i, o and u
 * are, the cell says: see reference.py, and `gates_at` here.  Where i = 1 - f, also I = 1 - F.
 *
 * `kept`, `chunked`, threads, sums, lengths and reset are those of sru/cpu.c: forward writes to
 * `kept` what backward reads in place of the gates: u, f, o, i if they say all that backward needs
 * (`keeps_gates`), else the gates as they came; backward computes what is not there again. */

#include "../_matmul/gates.h"
#include "../_stack/forwards.h"

/* In the order of CELLS in __init__.py; constants wherever they are asked for. */
enum { MIN_GRU, MIN_LSTM, QRNN_F, QRNN_FO, QRNN_IFO, HGRN };
#define AT_U(cell) ((cell) == MIN_GRU ? 1 : (cell) == MIN_LSTM ? 2 : 0) /* places in a row */
#define AT_F(cell) ((cell) == MIN_GRU ? 0 : 1)
#define AT_I(cell) ((cell) == MIN_LSTM ? 0 : 3)
#define AT_O 2
#define HAS_I(cell) ((cell) == QRNN_IFO || (cell) == MIN_LSTM)
#define HAS_O(cell) ((cell) == QRNN_FO || (cell) == QRNN_IFO)
#define TIED(cell) ((cell) != QRNN_IFO) /* i = 1 - f */
#define TANH(cell) ((cell) == QRNN_F || (cell) == QRNN_FO || (cell) == QRNN_IFO)
#define keeps_gates(cell) (GATED && (cell) != MIN_LSTM && (cell) != HGRN)

typedef struct {
    const real *bias, *floor; /* (gates, H); (H) or (T, B, H) */
    int64_t H, floor_row;
} form;

/* `slope`: of u over what it comes from; shut_f, shut_i: 1 - sigmoid of minLSTM's gates. */
typedef struct {
    real u, f, i, o, slope, shut_f, shut_i;
} gate;

INLINE real size_of(real x) { return from_bits(to_bits(x) & ~SIGN); }

/* sigmoid(x) / (sigmoid(x) + sigmoid(y)) and its rest, however far both are shut. */
INLINE gate shares(real x, real y)
{
    const real gap = choose(x < 0, x, 0) - choose(y < 0, y, 0);
    const real less = choose(size_of(gap) > FAR, 0, exponential(within(FAR, -size_of(gap))));
    const real small_x = exponential(within(FAR, -size_of(x)));
    const real small_y = exponential(within(FAR, -size_of(y)));
    const real p = choose(gap < 0, less, 1) * (1 + small_y);
    const real q = choose(gap < 0, 1, less) * (1 + small_x);
    const real inverse = 1 / (p + q);
    gate g = {0, p * inverse, q * inverse, 1, 1, 0, 0};
    g.shut_f = choose(x < 0, 1, small_x) / (1 + small_x);
    g.shut_i = choose(y < 0, 1, small_y) / (1 + small_y);
    return g;
}

/* What a row's gates become, from where they stand: `apart` numbers between one and the next. */
INLINE gate gates_at(const form *a, const io *row, int64_t apart, int64_t h, int64_t n,
                     const int cell)
{
    const real *b = a->bias + h + n;
    const int64_t H = a->H;
    const real u = get(row + AT_U(cell) * apart + n) + b[AT_U(cell) * H];
    const real f = get(row + AT_F(cell) * apart + n) + b[AT_F(cell) * H];
    real i = 0, o = 0;
    if (HAS_I(cell))
        i = get(row + AT_I(cell) * apart + n) + b[AT_I(cell) * H];
    if (HAS_O(cell))
        o = get(row + AT_O * apart + n) + b[AT_O * H];
    if (cell == MIN_LSTM) {
        gate g = shares(f, i);
        g.u = u;
        return g;
    }
    gate g = {u, 0, 0, 1, 1, 0, 0};
    if (cell == HGRN) {
        real open;
        two_sigmoids(f, u, &g.f, &open);
        g.u = u * open;
        g.slope = open + g.u * (1 - open);
    } else {
        two_sigmoids(cell == MIN_GRU ? -f : f, o, &g.f, &o);
    }
    if (TANH(cell)) {
        g.u = hyperbolic_tangent(u);
        g.slope = 1 - g.u * g.u;
    }
    if (HAS_O(cell))
        g.o = o;
    g.i = 1 - g.f;
    if (cell == QRNN_IFO) {
        real unused;
        two_sigmoids(i, i, &g.i, &unused);
    }
    return g;
}

/* The new state, and through `f` and `i` how much of the old one and of u it holds. */
INLINE real mix(const gate *g, real floor, real c0, real *f, real *i, const int cell)
{
    *f = floor + (1 - floor) * g->f;
    *i = TIED(cell) ? 1 - *f : (1 - floor) * g->i;
    return TIED(cell) ? g->u + *f * (c0 - g->u) : *f * c0 + *i * g->u;
}

typedef struct {
    io *output, *kept;
    form a;
    walk w;
    int64_t cell;
} forward_call;

INLINE void forward_row(const form *a, const io *gates, const real *floor, const real *before,
                        real *state, io *output, io *kept, int64_t h, int64_t n, int64_t apart,
                        const int cell, const int keeps)
{
#pragma GCC ivdep
    for (int64_t j = 0; j < n; j++) {
        const gate g = gates_at(a, gates, apart, h, j, cell);
        real f, i;
        const real c = mix(&g, floor[j], before[j], &f, &i, cell);
        if (keeps) {
            const int64_t u_ = AT_U(cell) * apart + j, f_ = AT_F(cell) * apart + j;
            const int64_t i_ = AT_I(cell) * apart + j, o_ = AT_O * apart + j;
            put(kept + u_, keeps_gates(cell) ? g.u : get(gates + u_));
            put(kept + f_, keeps_gates(cell) ? g.f : get(gates + f_));
            if (HAS_I(cell))
                put(kept + i_, keeps_gates(cell) ? g.i : get(gates + i_));
            if (HAS_O(cell))
                put(kept + o_, keeps_gates(cell) ? g.o : get(gates + o_));
        }
        state[j] = c;
        put(output + j, g.o * c);
    }
}

#define FORWARD(cell)                                                                          \
    case cell:                                                                                 \
        if (kept)                                                                              \
            forward_row(&k->a, u, l, p.before, p.state, y, kept, p.h, p.n, p.apart, cell, 1);  \
        else                                                                                   \
            forward_row(&k->a, u, l, p.before, p.state, y, kept, p.h, p.n, p.apart, cell, 0);  \
        break;

static EVERY_CPU void KERNEL(gated_scan_forward_steps)(const void *call, int64_t begin,
                                                       int64_t stop, int64_t first, int64_t end,
                                                       io *gates, int64_t from_row)
{
    const forward_call *k = call;
    const int64_t H = k->w.all.H, gates_row = k->w.all.gates_row;
    for (int64_t step = first; step < end; step++) {
        for (int64_t unit = begin; unit < stop; unit++) {
            const spot p = forward_spot(&k->w, unit, step);
            const io *u = gates + (p.row - from_row) * gates_row + p.in_row;
            const real *l = k->a.floor + p.row * k->a.floor_row + p.h;
            io *y = k->output + p.row * H + p.h;
            io *kept = k->kept ? k->kept + p.row * gates_row + p.in_row : 0;
            for (int64_t i = 0; i < gates_row / H; i++)
                fetch(u + gates_row + i * p.apart, p.n * (int64_t)sizeof(io));
            if (p.outside) {
                stand_still(&p, y);
                continue;
            }
            switch (k->cell) {
                FORWARD(MIN_GRU)
                FORWARD(MIN_LSTM)
                FORWARD(QRNN_F)
                FORWARD(QRNN_FO)
                FORWARD(QRNN_IFO)
                FORWARD(HGRN)
            }
        }
    }
}

EXPORT void KERNEL(gated_scan_forward)(
    io *gates, const real *bias, const real *floor, const int64_t *lengths, const uint8_t *reset,
    const real *initial, real *states, io *output, io *kept, int64_t T, int64_t B, int64_t H,
    int64_t gates_row, int64_t floor_row, int64_t states_row, int64_t cell, int64_t reverse,
    int64_t chunked, const int64_t *from, int64_t n_threads)
{
    const forward_call call = {
        output, kept, {bias, floor, H, floor_row},
        {{T, B, H, gates_row, reverse}, lengths, reset, initial, states, states_row, chunked}, cell};
    KERNEL(in_runs)(KERNEL(gated_scan_forward_steps), &call, &call.w.all, gates, !from || kept, from,
                    0, n_threads);
}

typedef struct {
    const io *gates, *grad;
    real *carry, *d_bias; /* (B, H), (gates and floor, B, H): running sums over time */
    form a;
    walk w;
    int64_t cell, kept;
} backward_call;

INLINE void backward_row(const backward_call *k, const io *gates, const real *floor,
                         const real *before, const io *grad, io *d_gates, int64_t h, int64_t n0,
                         int64_t n, int64_t apart, const int cell, const int kept)
{
    const form *a = &k->a;
    const int64_t H = a->H, N = k->w.all.B * H;
    real *q = k->carry + n0, *db = k->d_bias + n0;
#pragma GCC ivdep
    for (int64_t j = 0; j < n; j++) {
        const real c0 = before[j], gh = get(grad + j), l = floor[j];
        gate g = {0, 0, 0, 1, 1, 0, 0};
        if (kept && keeps_gates(cell)) {
            g.u = get(gates + AT_U(cell) * apart + j);
            g.f = get(gates + AT_F(cell) * apart + j);
            g.i = HAS_I(cell) ? get(gates + AT_I(cell) * apart + j) : 1 - g.f;
            g.o = HAS_O(cell) ? get(gates + AT_O * apart + j) : 1;
            g.slope = TANH(cell) ? 1 - g.u * g.u : 1;
        } else {
            g = gates_at(a, gates, apart, h, j, cell);
        }
        real f, i;
        const real c = mix(&g, l, c0, &f, &i, cell), dc = gh * g.o + q[j], below = dc * (1 - l);
        const real du = dc * i * g.slope;
        real df = below * (TIED(cell) ? c0 - g.u : c0) * g.f, di = below * g.u * g.i * (1 - g.i);
        if (cell == MIN_LSTM) {
            di = -df * g.i * g.shut_i;
            df *= g.i * g.shut_f;
        } else {
            df *= cell == MIN_GRU ? g.f - 1 : 1 - g.f;
        }
        put(d_gates + AT_U(cell) * H + j, du);
        put(d_gates + AT_F(cell) * H + j, df);
        db[AT_U(cell) * N + j] += du;
        db[AT_F(cell) * N + j] += df;
        if (HAS_I(cell)) {
            put(d_gates + AT_I(cell) * H + j, di);
            db[AT_I(cell) * N + j] += di;
        }
        if (HAS_O(cell)) {
            const real o = gh * c * g.o * (1 - g.o);
            put(d_gates + AT_O * H + j, o);
            db[AT_O * N + j] += o;
        }
        if (cell == HGRN)
            db[2 * N + j] += dc * (1 - g.f) * (c0 - g.u);
        q[j] = dc * f;
    }
}

#define BACKWARD(cell)                                                                         \
    case cell:                                                                                 \
        if (k->kept)                                                                           \
            backward_row(k, u, l, p.before, gh, du, p.h, p.column, p.n, p.apart, cell, 1);     \
        else                                                                                   \
            backward_row(k, u, l, p.before, gh, du, p.h, p.column, p.n, p.apart, cell, 0);     \
        break;

static EVERY_CPU void KERNEL(gated_scan_backward_steps)(const void *call, int64_t begin,
                                                        int64_t stop, int64_t first, int64_t end,
                                                        io *d_gates, int64_t from_row)
{
    const backward_call *k = call;
    const int64_t H = k->w.all.H, gates_row = k->w.all.gates_row, n_gates = gates_row / H;
    for (int64_t step = first; step < end; step++) {
        for (int64_t unit = begin; unit < stop; unit++) {
            const spot p = backward_spot(&k->w, unit, step);
            const io *u = k->gates + p.row * gates_row + p.in_row;
            const real *l = k->a.floor + p.row * k->a.floor_row + p.h;
            const io *gh = k->grad + p.row * H + p.h;
            io *du = d_gates + (p.row - from_row) * gates_row + p.h;
            const int64_t bytes = p.n * (int64_t)sizeof(io);
            for (int64_t i = 0; i < n_gates; i++)
                fetch(u + gates_row + i * p.apart, bytes);
            fetch(gh + H, bytes);
            fetch(p.before + H, p.n * (int64_t)sizeof(real));
            if (p.outside) {
                for (int64_t i = 0; i < n_gates; i++)
                    memset(du + i * H, 0, (size_t)bytes);
                continue;
            }
            switch (k->cell) {
                BACKWARD(MIN_GRU)
                BACKWARD(MIN_LSTM)
                BACKWARD(QRNN_F)
                BACKWARD(QRNN_FO)
                BACKWARD(QRNN_IFO)
                BACKWARD(HGRN)
            }
            if (p.starts)
                memset(k->carry + p.column, 0, (size_t)p.n * sizeof(real));
        }
    }
}

EXPORT void KERNEL(gated_scan_backward)(
    const io *gates, const real *bias, const real *floor, const int64_t *lengths,
    const uint8_t *reset, const real *initial, const real *states, const io *grad, io *d_gates,
    real *carry, real *d_bias, int64_t T, int64_t B, int64_t H, int64_t gates_row,
    int64_t floor_row, int64_t cell, int64_t reverse, int64_t kept, int64_t chunked,
    const int64_t *into, int64_t n_threads)
{
    const backward_call call = {
        gates, grad, carry, d_bias, {bias, floor, H, floor_row},
        {{T, B, H, gates_row, !reverse}, lengths, reset, initial, (real *)states, 0, chunked}, cell,
        kept};
    KERNEL(in_runs)(KERNEL(gated_scan_backward_steps), &call, &call.w.all, d_gates, !into, 0, into,
                    n_threads);
}
