/* A linear-chain conditional random field on the CPU: emissions (T, B, K), transitions (K, K).
 *
 *   forward    arrived[0] = start,  arrived[t][j] = log sum_i exp(alpha[t-1][i] + A[i][j]) - top[t-1]
 *              alpha[t] = arrived[t] + e[t],  top[t] = max_j alpha[t][j]
 *              total = log sum_j exp(alpha[last][j] + end[j]) + sum of top before the last
 *   backward   beta[last] = end,  v[t] = e[t] + beta[t]
 *              beta[t-1][i] = log sum_j exp(A[i][j] + v[t][j]) - max_j v[t][j]
 *              p[t] = softmax(arrived[t] + v[t]), the gradient of e[t]; of a pair from i to j:
 *              p[t-1][i] * exp(A[i][j] + v[t][j]) / sum_j exp(A[i][j] + v[t][j])
 *
 * With tags (T, B) the loss is the total less the score of that path, else the total.
 *
 * Scores of long sequences are large and what is wanted are their differences, so scores are double,
 * relative to the best one of the step before, and every probability is normalised in its own step.
 * Within a step the sum over i is a product of exp(alpha - max) with `odds` = exp(A - shift), so that
 * a step takes K exponentials, not K * K, and of `real`.  What lies more than FAR below the largest
 * counts as 0 there.  Where that could matter, because a sum is TINY (rules that forbid all likely
 * paths), and where a number is NaN or infinite, that sum is computed again, term by term.
 *
 * Rows of `odds` (by i), `turned` (by j) and of the rooms of a thread are WIDE numbers long, a multiple
 * of LANES, filled up with 0.  The tables lie at the beginning of the room.  Sequences are shared out
 * over parts in turn, parts over threads: sums do not depend on the number of threads. */

#include "../_kernel.h"

#include "chain.h"

/* The total and the loss of n steps.  `rooms`: 2 WIDE of `real` and 2 WIDE of double. */
static EVERY_CPU void KERNEL(forward_sequence)(const chain *c, const io *emissions, int64_t row,
                                               const real *start, const real *end,
                                               const int64_t *tags, int64_t B, int64_t n,
                                               double *arrived, real *room, double *wide_room,
                                               real *total, real *loss)
{
    const int64_t K = c->K;
    double *alpha = wide_room, *logs = wide_room + c->wide, tops = 0, ahead = 0;
    for (int64_t t = 0; t < n; t++) {
        const io *e = emissions + t * row;
        const double top = t ? mix(c, alpha, 0, room, room + c->wide, logs) : 0;
        for (int64_t j = 0; !t && j < K; j++)
            logs[j] = (double)start[j];
        for (int64_t j = 0; j < K; j++)
            alpha[j] = (double)get(e + j) + logs[j];
        if (arrived)
            memcpy(arrived + t * row, logs, (size_t)K * sizeof(double));
        tops += top;
        if (tags) {
            const int64_t tag = tags[t * B];
            const real pair = t ? c->scores[tags[(t - 1) * B] * K + tag] : start[tag];
            ahead += top - ((double)get(e + tag) + (double)pair);
        }
    }
    const double last = n ? sum_of_terms(alpha, end, 1, K) : 0;
    *total = (real)(tops + last);
    *loss = tags && n ? (real)(ahead + (last - (double)end[tags[(n - 1) * B]])) : *total;
}

/* `range` gets the least and the largest tag; does nothing where one is not in 0..K-1.  `arrived`: or
 * none.  `room`: K WIDE numbers, and 2 WIDE for each thread, as `wide_room`. */
EXPORT void KERNEL(crf_forward)(const io *emissions, const real *scores, const real *start,
                                const real *end, const int64_t *lengths, const int64_t *tags,
                                int64_t *range, double *arrived, real *totals, real *loss,
                                real *room, double *wide_room, int64_t T, int64_t B, int64_t K,
                                int64_t wide, int64_t n_threads)
{
    range[0] = range[1] = 0;
    for (int64_t t = 0; tags && t < T; t++)
        for (int64_t b = 0; b < B; b++) {
            const int64_t tag = lengths && t >= lengths[b] ? 0 : tags[t * B + b];
            range[0] = tag < range[0] ? tag : range[0];
            range[1] = tag > range[1] ? tag : range[1];
        }
    if (range[0] < 0 || range[1] >= K)
        return;
    const chain c = KERNEL(tables)(scores, room, 0, K, wide);
    real *rooms = room + K * wide;
#pragma omp parallel for num_threads(n_threads) if (n_threads > 1) schedule(static, 1)
    for (int64_t thread = 0; thread < n_threads; thread++)
        for (int64_t b = B * thread / n_threads; b < B * (thread + 1) / n_threads; b++) {
            const int64_t n = lengths ? lengths[b] : T;
            KERNEL(forward_sequence)(&c, emissions + b * K, B * K, start, end,
                                     tags ? tags + b : 0, B, n, arrived ? arrived + b * K : 0,
                                     rooms + thread * 2 * wide, wide_room + thread * 2 * wide,
                                     totals + b, loss + b);
            for (int64_t t = n; arrived && t < T; t++)
                memset(arrived + (t * B + b) * K, 0, (size_t)K * sizeof(double));
        }
}

typedef struct {
    real *product;              /* (K, WIDE), to be times the odds and `scale` */
    double *terms, *start, *end; /* (K, K), (K), (K) */
    int64_t steps;              /* that are in `product` */
    double scale;
} sums;

INLINE void flush(const chain *c, sums *s)
{
    const int64_t K = c->K, wide = c->wide;
    for (int64_t i = 0; s->steps && i < K; i++)
        for (int64_t j = 0; j < K; j++)
            s->terms[i * K + j] += s->scale * ((double)s->product[i * wide + j]
                                               * (double)c->odds[i * wide + j]);
    if (s->steps)
        memset(s->product, 0, (size_t)(K * wide) * sizeof(real));
    s->steps = 0;
}

/* Adds scale * p[i] * exp(A[i][j] + v[j]) / sum_j exp(A[i][j] + v[j]) for all pairs; w, to, top and logs
 * are what `mix` gave for v.  `u` is room for WIDE numbers. */
INLINE void add_pairs(const chain *c, sums *s, const real *p, const double *v, const real *w,
                      const real *to, double top, const double *logs, real *u, double scale)
{
    const int64_t K = c->K, wide = c->wide;
    if (s->steps == FLUSH || s->scale != scale)
        flush(c, s);
    s->steps++;
    s->scale = scale;
    int exact = 1;
    for (int64_t i = 0; i < K; i++) {
        const int large = to[i] >= TINY;
        u[i] = choose(large, p[i] / to[i], 0);
        exact &= large;
    }
    for (int64_t i = 0; i < K; i++) {
        const real f = u[i];
        real *row = s->product + i * wide;
#pragma GCC ivdep
        for (int64_t j = 0; j < wide; j++)
            row[j] += f * w[j];
    }
    for (int64_t i = 0; !exact && i < K; i++)
        for (int64_t j = 0; !(to[i] >= TINY) && p[i] > 0 && j < K; j++)
            s->terms[i * K + j] += scale * (double)p[i]
                                   * exp(v[j] + (double)c->scores[i * K + j] - top - logs[i]);
}

/* p = softmax(q); 0 where all of q is -infinity.  `p` is WIDE long. */
INLINE void softmax(const double *q, int64_t K, int64_t wide, real *p)
{
    const double most = largest(q, K);
    real part[LANES] = {0};
    for (int64_t j = 0; j < K; j++)
        p[j] = small_exponential((real)(q[j] - most));
    for (int64_t j = 0; j < wide; j += LANES)
        for (int64_t k = 0; k < LANES; k++)
            part[k] += p[j + k];
    for (int64_t half = LANES / 2; half; half /= 2)
        for (int64_t j = 0; j < half; j++)
            part[j] += part[j + half];
    const real factor = part[0] > 0 ? 1 / part[0] : 0;
    for (int64_t j = 0; j < K; j++)
        p[j] *= factor;
}

/* `room`: 4 WIDE numbers, `wide_room` 3 WIDE; filled with 0 beyond K. */
static EVERY_CPU void KERNEL(backward_sequence)(const chain *c, const io *emissions, int64_t row,
                                                const double *arrived, const real *end,
                                                const int64_t *tags, int64_t B, double scale,
                                                int64_t n, io *d_emissions, sums *s, real *room,
                                                double *wide_room)
{
    const int64_t K = c->K, wide = c->wide;
    real *p = room, *w = p + wide, *to = w + wide, *u = to + wide;
    double *beta = wide_room, *v = beta + wide, *q = v + wide, top = 0;
    for (int64_t j = 0; j < K; j++)
        beta[j] = (double)end[j];
    for (int64_t t = n - 1; t >= 0; t--) {
        const io *e = emissions + t * row;
        io *d = d_emissions + t * row;
        for (int64_t j = 0; j < K; j++)
            q[j] = (double)get(e + j) + beta[j] + arrived[t * row + j];
        softmax(q, K, wide, p);
        for (int64_t j = 0; j < K; j++)
            put(d + j, (real)scale * p[j]);
        if (tags)
            put(d + tags[t * B], (real)scale * p[tags[t * B]] - (real)scale);
        for (int64_t j = 0; t == n - 1 && j < K; j++)
            s->end[j] += scale * (double)p[j];
        for (int64_t j = 0; t == 0 && j < K; j++)
            s->start[j] += scale * (double)p[j];
        if (t < n - 1)
            add_pairs(c, s, p, v, w, to, top, beta, u, scale);
        for (int64_t j = 0; j < K; j++)
            v[j] = (double)get(e + j) + beta[j];
        if (t)
            top = mix(c, v, 1, w, to, beta);
    }
}

/* What the score of a path of n tags adds to the sums, times -scale. */
static void gold(const sums *s, const int64_t *tags, int64_t B, int64_t K, int64_t n, double scale)
{
    for (int64_t t = 1; t < n; t++)
        s->terms[tags[(t - 1) * B] * K + tags[t * B]] -= scale;
    if (n) {
        s->start[tags[0]] -= scale;
        s->end[tags[(n - 1) * B]] -= scale;
    }
}

/* The gradients of a sequence of which no number is right: NaN. */
static void spoil(io *d_emissions, int64_t row, int64_t K, int64_t n, const sums *s)
{
    for (int64_t t = 0; t < n; t++)
        for (int64_t j = 0; j < K; j++)
            put(d_emissions + t * row + j, (real)NAN);
    for (int64_t i = 0; i < K * K; i++)
        s->terms[i] = NAN;
    for (int64_t j = 0; j < K; j++)
        s->start[j] = s->end[j] = NAN;
}

/* The parts of the sums, in order. */
static void add_parts(double *parts, int64_t part_size, int64_t n_parts, int64_t K, real *d_scores,
                      real *d_start, real *d_end)
{
    for (int64_t i = 0; i < part_size; i++) {
        double sum = 0;
        for (int64_t part = 0; part < n_parts; part++)
            sum += parts[part * part_size + i];
        real *to = i < K * K ? d_scores + i : i < K * K + K ? d_start + i - K * K : d_end + i - K * K - K;
        *to = (real)sum;
    }
}

/* `room`: two tables of K WIDE numbers, and (K + 4) WIDE for each thread; `wide_room`: 3 WIDE for each
 * thread, and `n_parts` parts of the sums, of which each has K * K + 2 K numbers. */
EXPORT void KERNEL(crf_backward)(const io *emissions, const real *scores, const real *end,
                                 const int64_t *lengths, const int64_t *tags, const double *arrived,
                                 const real *totals, const real *grad, io *d_emissions,
                                 real *d_scores, real *d_start, real *d_end, real *room,
                                 double *wide_room, int64_t T, int64_t B, int64_t K, int64_t wide,
                                 int64_t n_parts, int64_t n_threads)
{
    const chain c = KERNEL(tables)(scores, room, room + K * wide, K, wide);
    const int64_t part_size = K * K + 2 * K, each = (K + 4) * wide;
    real *rooms = room + 2 * K * wide;
    double *parts = wide_room + n_threads * 3 * wide;
    memset(wide_room, 0, (size_t)(n_threads * 3 * wide + n_parts * part_size) * sizeof(double));
    memset(rooms, 0, (size_t)(n_threads * each) * sizeof(real));
#pragma omp parallel for num_threads(n_threads) if (n_threads > 1) schedule(static, 1)
    for (int64_t thread = 0; thread < n_threads; thread++)
        for (int64_t part = thread; part < n_parts; part += n_threads) {
            real *mine = rooms + thread * each;
            double *own = parts + part * part_size, *ends = own + K * K;
            sums s = {mine + 4 * wide, own, ends, ends + K, 0, 0};
            for (int64_t b = part; b < B; b += n_parts) {
                const int64_t n = lengths ? lengths[b] : T;
                const int64_t *path = tags ? tags + b : 0;
                io *d = d_emissions + b * K;
                for (int64_t t = n; t < T; t++)
                    memset(d + t * B * K, 0, (size_t)K * sizeof(io));
                if (!(totals[b] < INFINITY)) {
                    spoil(d, B * K, K, n, &s);
                    continue;
                }
                KERNEL(backward_sequence)(&c, emissions + b * K, B * K, arrived + b * K, end, path,
                                          B, (double)grad[b], n, d, &s, mine,
                                          wide_room + thread * 3 * wide);
                if (path)
                    gold(&s, path, B, K, n, (double)grad[b]);
            }
            flush(&c, &s);
        }
    add_parts(parts, part_size, n_parts, K, d_scores, d_start, d_end);
}

#include "best_path.h"
