/* A gated recurrence on the CPU, everything but the matrix product: minGRU's and QRNN's.  One row is
 * the H channels of one (t, b); its gates lie side by side, so every load is a run of neighbours.
 *
 *   u = g(u' + b_u)     f = sigmoid(sign (f' + b_f))     o = sigmoid(o' + b_o), or 1 without
 *   c = f c' + (1 - f) u                                 h = o c                   c' = c[t-1]
 *
 * `at_u` and `at_f` say in which place of a row u' and f' stand; o' is the third.  `kept`, `chunked`,
 * threads, sums, lengths and reset are those of sru/cpu.c: forward writes to `kept` what backward reads in
 * place of the gates: u, f, o, or in 16 bits u', f', o'; backward computes what is not there again. */

#include "../_matmul/gates.h"

typedef struct {
    const real *bias; /* (gates, H) */
    int64_t H, at_u, at_f;
    real sign;
} form;

typedef struct {
    real u, f, o;
} gate;

/* What a row's gates become, from where they stand: `apart` numbers between one and the next. */
INLINE gate gates_at(const form *a, const io *row, int64_t apart, int64_t h, int64_t i,
                     const int tanh, const int has_output)
{
    const real *b = a->bias + h + i;
    const real u = get(row + a->at_u * apart + i) + b[a->at_u * a->H];
    const real f = a->sign * (get(row + a->at_f * apart + i) + b[a->at_f * a->H]);
    gate g = {tanh ? hyperbolic_tangent(u) : u, 0, 1};
    real second = 0;
    if (has_output)
        second = get(row + 2 * apart + i) + b[2 * a->H];
    two_sigmoids(f, second, &g.f, &second);
    if (has_output)
        g.o = second;
    return g;
}

typedef struct {
    const real *initial;
    const int64_t *lengths;
    const uint8_t *reset; /* (T, B) */
    real *states;
    io *output, *kept;
    form a;
    extent all;
    int64_t states_row, tanh, chunked;
} forward_call;

INLINE void forward_row(const form *a, const io *gates, const real *before, real *state,
                        io *output, io *kept, int64_t h, int64_t n, int64_t apart,
                        const int tanh, const int has_output, const int keeps)
{
#pragma GCC ivdep
    for (int64_t i = 0; i < n; i++) {
        const real c0 = before[i];
        const gate g = gates_at(a, gates, apart, h, i, tanh, has_output);
        const real c = g.u + g.f * (c0 - g.u);
        if (keeps) {
            put(kept + a->at_u * apart + i, GATED ? g.u : get(gates + a->at_u * apart + i));
            put(kept + a->at_f * apart + i, GATED ? g.f : get(gates + a->at_f * apart + i));
            if (has_output)
                put(kept + 2 * apart + i, GATED ? g.o : get(gates + 2 * apart + i));
        }
        state[i] = c;
        put(output + i, g.o * c);
    }
}

#define FORWARD(tanh, has_output, keeps) \
    forward_row(&k->a, u, before, state, y, kept, h, n, apart, tanh, has_output, keeps)

static EVERY_CPU void KERNEL(gated_scan_forward_steps)(const void *call, int64_t begin,
                                                       int64_t stop, int64_t first, int64_t end,
                                                       io *gates, int64_t from_row)
{
    const forward_call *k = call;
    const int64_t T = k->all.T, B = k->all.B, H = k->all.H, gates_row = k->all.gates_row;
    const int64_t n_gates = gates_row / H, per_row = chunks_per_row(H);
    for (int64_t step = first; step < end; step++) {
        const int64_t t = k->all.falling ? T - 1 - step : step;
        const int64_t earlier = t + (k->all.falling ? 1 : -1);
        for (int64_t unit = begin; unit < stop; unit++) {
            const int64_t b = unit / per_row, h = unit % per_row * CHUNK;
            const int64_t n = least(CHUNK, H - h), row = t * B + b, column = b * H + h;
            real *state = k->states + (k->states_row ? row * H + h : column);
            const real *before = k->initial + column;
            const int outside = k->lengths && t >= k->lengths[b];
            if (step)
                before = k->states + (k->states_row ? (earlier * B + b) * H + h : column);
            if (k->reset && k->reset[row] && !outside)
                before = NOTHING;
            const int64_t apart = k->chunked ? n : H, in_row = k->chunked ? h * n_gates : h;
            const io *u = gates + (row - from_row) * gates_row + in_row;
            io *y = k->output + row * H + h;
            io *kept = k->kept ? k->kept + row * gates_row + in_row : 0;
            for (int64_t i = 0; i < n_gates; i++)
                fetch(u + gates_row + i * apart, n * (int64_t)sizeof(io));
            if (outside) {
                memset(y, 0, (size_t)n * sizeof(io));
                if (state != before)
                    memcpy(state, before, (size_t)n * sizeof(real));
            } else {
                switch (k->tanh * 4 + (n_gates > 2) * 2 + (kept != 0)) {
                case 0: FORWARD(0, 0, 0); break;
                case 1: FORWARD(0, 0, 1); break;
                case 2: FORWARD(0, 1, 0); break;
                case 3: FORWARD(0, 1, 1); break;
                case 4: FORWARD(1, 0, 0); break;
                case 5: FORWARD(1, 0, 1); break;
                case 6: FORWARD(1, 1, 0); break;
                case 7: FORWARD(1, 1, 1); break;
                }
            }
        }
    }
}

EXPORT void KERNEL(gated_scan_forward)(
    io *gates, const real *bias, const int64_t *lengths, const uint8_t *reset, const real *initial,
    real *states, io *output, io *kept, int64_t T, int64_t B, int64_t H, int64_t gates_row,
    int64_t states_row, int64_t at_u, int64_t at_f, double sign, int64_t tanh, int64_t reverse,
    int64_t chunked, const int64_t *from, int64_t n_threads)
{
    const forward_call call = {
        initial, lengths, reset, states, output, kept, {bias, H, at_u, at_f, (real)sign},
        {T, B, H, gates_row, reverse}, states_row, tanh, chunked};
    KERNEL(in_runs)(KERNEL(gated_scan_forward_steps), &call, &call.all, gates, !from || kept, from,
                    0, n_threads);
}

typedef struct {
    const io *gates, *grad;
    const real *initial, *states;
    const int64_t *lengths;
    const uint8_t *reset;
    real *carry, *d_bias; /* (B, H), (gates, B, H): running sums over time */
    form a;
    extent all;
    int64_t tanh, kept, chunked;
} backward_call;

INLINE void backward_row(const backward_call *k, const io *gates, const real *before,
                         const io *grad, io *d_gates, int64_t h, int64_t n0, int64_t n,
                         int64_t apart, const int tanh, const int has_output,
                         const int kept)
{
    const form *a = &k->a;
    const int64_t H = a->H, N = k->all.B * H;
    real *q = k->carry + n0, *db = k->d_bias + n0;
#pragma GCC ivdep
    for (int64_t i = 0; i < n; i++) {
        const real c0 = before[i], gh = get(grad + i);
        gate g;
        if (kept && GATED) {
            g.u = get(gates + a->at_u * apart + i);
            g.f = get(gates + a->at_f * apart + i);
            g.o = has_output ? get(gates + 2 * apart + i) : 1;
        } else {
            g = gates_at(a, gates, apart, h, i, tanh, has_output);
        }
        const real c = g.u + g.f * (c0 - g.u), dc = gh * g.o + q[i];
        const real du = dc * (1 - g.f) * (tanh ? 1 - g.u * g.u : 1);
        const real df = a->sign * dc * (c0 - g.u) * g.f * (1 - g.f);
        put(d_gates + a->at_u * H + i, du);
        put(d_gates + a->at_f * H + i, df);
        db[a->at_u * N + i] += du;
        db[a->at_f * N + i] += df;
        if (has_output) {
            const real o = gh * c * g.o * (1 - g.o);
            put(d_gates + 2 * H + i, o);
            db[2 * N + i] += o;
        }
        q[i] = dc * g.f;
    }
}

#define BACKWARD(tanh, has_output, kept) \
    backward_row(k, u, before, gh, du, h, column, n, apart, tanh, has_output, kept)

static EVERY_CPU void KERNEL(gated_scan_backward_steps)(const void *call, int64_t begin, int64_t stop,
                                               int64_t first, int64_t end, io *d_gates,
                                               int64_t from_row)
{
    const backward_call *k = call;
    const int64_t T = k->all.T, B = k->all.B, H = k->all.H, gates_row = k->all.gates_row;
    const int64_t n_gates = gates_row / H, per_row = chunks_per_row(H);
    for (int64_t step = first; step < end; step++) {
        const int64_t t = k->all.falling ? T - 1 - step : step;
        const int64_t earlier = t + (k->all.falling ? -1 : 1);
        for (int64_t unit = begin; unit < stop; unit++) {
            const int64_t b = unit / per_row, h = unit % per_row * CHUNK;
            const int64_t n = least(CHUNK, H - h), row = t * B + b, column = b * H + h;
            const int starts = k->reset && k->reset[row];
            const real *before = k->initial + column;
            if (step < T - 1)
                before = k->states + (earlier * B + b) * H + h;
            if (starts)
                before = NOTHING;
            const int64_t apart = k->chunked ? n : H;
            const io *u = k->gates + row * gates_row + (k->chunked ? h * n_gates : h);
            const io *gh = k->grad + row * H + h;
            io *du = d_gates + (row - from_row) * gates_row + h;
            const int64_t bytes = n * (int64_t)sizeof(io);
            for (int64_t i = 0; i < n_gates; i++)
                fetch(u + gates_row + i * apart, bytes);
            fetch(gh + H, bytes);
            fetch(before + H, n * (int64_t)sizeof(real));
            if (k->lengths && t >= k->lengths[b]) {
                for (int64_t i = 0; i < n_gates; i++)
                    memset(du + i * H, 0, (size_t)bytes);
            } else {
                switch (k->tanh * 4 + (n_gates > 2) * 2 + k->kept) {
                case 0: BACKWARD(0, 0, 0); break;
                case 1: BACKWARD(0, 0, 1); break;
                case 2: BACKWARD(0, 1, 0); break;
                case 3: BACKWARD(0, 1, 1); break;
                case 4: BACKWARD(1, 0, 0); break;
                case 5: BACKWARD(1, 0, 1); break;
                case 6: BACKWARD(1, 1, 0); break;
                case 7: BACKWARD(1, 1, 1); break;
                }
                if (starts)
                    memset(k->carry + column, 0, (size_t)n * sizeof(real));
            }
        }
    }
}

EXPORT void KERNEL(gated_scan_backward)(
    const io *gates, const real *bias, const int64_t *lengths, const uint8_t *reset,
    const real *initial, const real *states, const io *grad, io *d_gates, real *carry, real *d_bias, int64_t T,
    int64_t B, int64_t H, int64_t gates_row, int64_t at_u, int64_t at_f, double sign,
    int64_t tanh, int64_t reverse, int64_t kept, int64_t chunked, const int64_t *into,
    int64_t n_threads)
{
    const backward_call call = {
        gates, grad, initial, states, lengths, reset, carry, d_bias, {bias, H, at_u, at_f, (real)sign},
        {T, B, H, gates_row, !reverse}, tanh, kept, chunked};
    KERNEL(in_runs)(KERNEL(gated_scan_backward_steps), &call, &call.all, d_gates, !into, 0, into, n_threads);
}
