/* A linear-chain conditional random field on the CPU: emissions (T, B, K), transitions (K, K).
 *
 *   forward    alpha[0] = start + e[0],  alpha[t][j] = e[t][j] + log sum_i exp(alpha[t-1][i] + A[i][j])
 *              total = log sum_j exp(alpha[last][j] + end[j])
 *   backward   beta[last] = end,  beta[t-1][i] = log sum_j exp(A[i][j] + e[t][j] + beta[t][j])
 *              d_e[t] = exp(alpha[t] + beta[t] - total), and so for pairs
 *
 * With tags (T, B) the loss is the total less the score of that path, else the total.
 *
 * Scores stay logarithms from step to step; within a step the sum over i is a product of
 * exp(alpha - max) with `odds` = exp(A - shift), so that a step takes K exponentials, not K * K.  What
 * lies more than FAR below the largest counts as 0 there.  Where that could matter, because a sum is
 * TINY (rules that forbid all likely paths), that sum is computed again, term by term.
 *
 * Rows of `odds` (by i), `turned` (by j) and of the room of a thread are WIDE numbers long, a multiple
 * of 16, filled up with 0.  The tables lie at the beginning of the room.  Sequences are shared out
 * over parts in turn, parts over threads: sums do not depend on the number of threads. */

#include "../_kernel.h"

#if defined(FLOAT64)
#define TINY 5e-131 /* e^-300: what is left out, below e^-350, is lost in rounding beside it */
#else
#define TINY 7.8e-20f /* e^-44; left out is what lies below e^-64 */
#endif

/* log x for x in 2^-126 .. 2^126: of the mantissa by 2 artanh((m - 1) / (m + 1)) as a series. */
INLINE real logarithm(real x)
{
    const ubits half = to_bits((real)0.70710678118654752440); /* a mantissa is in sqrt(1/2)..sqrt 2 */
    const ubits shifted = to_bits(x) - half + ((ubits)1 << (8 * sizeof(real) - 2));
    const ubits power = shifted >> MANTISSA;
    const real n = (real)(int32_t)power - (real)((ubits)1 << (8 * sizeof(real) - 2 - MANTISSA));
    const real m = from_bits((shifted & (((ubits)1 << MANTISSA) - 1)) + half);
    const real s = (m - 1) / (m + 1), z = s * s;
#if defined(FLOAT64)
    real p = (real)1 / 23;
    p = p * z + (real)1 / 21;
    p = p * z + (real)1 / 19;
    p = p * z + (real)1 / 17;
    p = p * z + (real)1 / 15;
    p = p * z + (real)1 / 13;
    p = p * z + (real)1 / 11;
    p = p * z + (real)1 / 9;
#else
    real p = (real)1 / 9;
#endif
    p = p * z + (real)1 / 7;
    p = p * z + (real)1 / 5;
    p = p * z + (real)1 / 3;
    return n * LN2_HIGH + (n * LN2_LOW + (2 * s + 2 * s * z * p));
}

/* e^x for x at most about 0; 0 below -FAR. */
INLINE real small_exponential(real x) { return choose(x < -FAR, 0, exponential(within(FAR, x))); }

typedef struct {
    const real *scores, *odds, *turned; /* (K, K), (K, WIDE), (K, WIDE) or none */
    real shift;
    int64_t K, wide;
} chain;

INLINE real largest(const real *x, int64_t n)
{
    real most = -INFINITY;
    for (int64_t i = 0; i < n; i++)
        most = x[i] > most ? x[i] : most;
    return most > -INFINITY ? most : 0;
}

/* Makes the tables: odds = exp(A - shift), and where there is room for it the same turned round. */
static EVERY_CPU chain KERNEL(tables)(const real *scores, real *odds, real *turned, int64_t K,
                                      int64_t wide)
{
    const real most = largest(scores, K * K), shift = most < INFINITY ? most : 0;
    const chain c = {scores, odds, turned, shift, K, wide};
    for (int64_t i = 0; i < K; i++) {
        real *row = odds + i * wide;
        for (int64_t j = 0; j < K; j++)
            row[j] = small_exponential(scores[i * K + j] - shift);
        for (int64_t j = K; j < wide; j++)
            row[j] = 0;
    }
    for (int64_t j = 0; turned && j < K; j++)
        for (int64_t i = 0; i < wide; i++)
            turned[j * wide + i] = i < K ? odds[i * wide + j] : 0;
    return c;
}

/* log sum exp of K numbers x[i] + y[i * step], one by one. */
static real sum_of_terms(const real *x, const real *y, int64_t step, int64_t K)
{
    real most = -INFINITY, sum = 0;
    for (int64_t i = 0; i < K; i++)
        most = x[i] + y[i * step] > most ? x[i] + y[i * step] : most;
    if (most == -INFINITY)
        return most;
    for (int64_t i = 0; i < K; i++)
        sum += (real)exp((double)(x[i] + y[i * step] - most));
    return most + (real)log((double)sum);
}

/* to[j] = log sum_i exp(x[i] + A[i][j]), or with `turned` of A[j][i]; `factors` gets exp(x - max), which
 * is returned.  `to` and `factors` are WIDE long; x is K. */
INLINE real mix(const chain *c, const real *x, const int turned, real *factors, real *to)
{
    const int64_t K = c->K, wide = c->wide;
    const real *odds = turned ? c->turned : c->odds, most = largest(x, K);
    for (int64_t i = 0; i < K; i++)
        factors[i] = small_exponential(x[i] - most);
    memset(to, 0, (size_t)wide * sizeof(real));
    for (int64_t i = 0; i < K; i++) {
        const real f = factors[i], *row = odds + i * wide;
#pragma GCC ivdep
        for (int64_t j = 0; j < wide; j++)
            to[j] += f * row[j];
    }
    const real offset = most + c->shift;
    int exact = 1;
    for (int64_t j = 0; j < K; j++) {
        const int large = to[j] >= TINY; /* not so either where a number is NaN */
        exact &= large;
        to[j] = choose(large, logarithm(to[j]) + offset, -INFINITY);
    }
    for (int64_t j = 0; !exact && j < K; j++)
        if (to[j] == -INFINITY)
            to[j] = turned ? sum_of_terms(x, c->scores + j * K, 1, K)
                           : sum_of_terms(x, c->scores + j, K, K);
    return most;
}

static EVERY_CPU void KERNEL(forward_sequence)(const chain *c, const io *emissions, int64_t row,
                                               const real *start, const real *end, int64_t n,
                                               int64_t T, real *alphas, int64_t alphas_row,
                                               real *room, real *total)
{
    const int64_t K = c->K;
    real *factors = room, *to = room + c->wide;
    for (int64_t t = 0; t < n; t++) {
        const io *e = emissions + t * row;
        real *alpha = alphas + t * alphas_row;
        if (t)
            mix(c, alpha - alphas_row, 0, factors, to);
        for (int64_t j = 0; j < K; j++)
            alpha[j] = get(e + j) + (t ? to[j] : start[j]);
    }
    for (int64_t t = n; alphas_row && t < T; t++)
        memset(alphas + t * alphas_row, 0, (size_t)K * sizeof(real));
    *total = n ? sum_of_terms(alphas + (n - 1) * alphas_row, end, 1, K) : 0;
}

/* The score of a path of n tags, which lie B apart. */
static real score_of(const chain *c, const io *emissions, int64_t row, const real *start,
                     const real *end, const int64_t *tags, int64_t B, int64_t n)
{
    real sum = 0;
    for (int64_t t = 0; t < n; t++) {
        const int64_t tag = tags[t * B];
        sum += get(emissions + t * row + tag);
        sum += t ? c->scores[tags[(t - 1) * B] * c->K + tag] : start[tag];
    }
    return n ? sum + end[tags[(n - 1) * B]] : 0;
}

/* `range` gets the least and the largest tag; does nothing where one is not in 0..K-1.  `room`: K WIDE
 * numbers, and 3 WIDE for each thread. */
EXPORT void KERNEL(crf_forward)(const io *emissions, const real *scores, const real *start,
                                const real *end, const int64_t *lengths, const int64_t *tags,
                                int64_t *range, real *alphas, real *totals, real *loss, real *room,
                                int64_t T, int64_t B, int64_t K, int64_t wide, int64_t keep,
                                int64_t n_threads)
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
            const io *e = emissions + b * K;
            real *own = rooms + thread * 3 * wide;
            KERNEL(forward_sequence)(&c, e, B * K, start, end, n, T,
                                     keep ? alphas + b * K : own + 2 * wide, keep ? B * K : 0, own,
                                     totals + b);
            const real score = tags ? score_of(&c, e, B * K, start, end, tags + b, B, n) : 0;
            loss[b] = totals[b] - score;
        }
}

typedef struct {
    real *product, *terms, *start, *end; /* (K, WIDE), to be times the odds; (K, K); (K); (K) */
} sums;

/* Adds scale * exp(alpha[i] + A[i][j] + v[j] - total) of all pairs; u and w are exp(alpha - most_u) and
 * exp(v - most_v). */
INLINE void add_pairs(const chain *c, const sums *s, const real *alpha, const real *v, const real *u,
                      const real *w, real most, real total, real scale)
{
    const int64_t K = c->K, wide = c->wide;
    if (most + c->shift - total <= FAR / 2) {
        const real factor = scale * (real)exp((double)(most + c->shift - total));
        for (int64_t i = 0; i < K; i++) {
            const real f = factor * u[i];
            real *row = s->product + i * wide;
#pragma GCC ivdep
            for (int64_t j = 0; j < wide; j++)
                row[j] += f * w[j];
        }
        return;
    }
    for (int64_t i = 0; i < K; i++)
        for (int64_t j = 0; j < K; j++)
            s->terms[i * K + j] +=
                scale * (real)exp((double)(alpha[i] + c->scores[i * K + j] + v[j] - total));
}

static EVERY_CPU void KERNEL(backward_sequence)(const chain *c, const io *emissions, int64_t row,
                                                const real *alphas, const real *end, real total,
                                                real scale, int64_t n, int64_t T, io *d_emissions,
                                                const sums *s, real *room)
{
    const int64_t K = c->K, wide = c->wide;
    real *beta = room, *v = room + wide, *w = v + wide, *u = w + wide;
    for (int64_t t = n; t < T; t++)
        memset(d_emissions + t * row, 0, (size_t)K * sizeof(io));
    if (n)
        memcpy(beta, end, (size_t)K * sizeof(real));
    for (int64_t t = n - 1; t >= 0; t--) {
        const io *e = emissions + t * row;
        const real *alpha = alphas + t * row;
        for (int64_t j = 0; j < K; j++) {
            const real p = scale * small_exponential(alpha[j] + beta[j] - total);
            put(d_emissions + t * row + j, p);
            v[j] = get(e + j) + beta[j];
            u[j] = p; /* for the ends */
        }
        for (int64_t j = 0; t == n - 1 && j < K; j++)
            s->end[j] += u[j];
        for (int64_t j = 0; t == 0 && j < K; j++)
            s->start[j] += u[j];
        if (!t)
            break;
        const real *before = alpha - row, most_u = largest(before, K);
        for (int64_t i = 0; i < K; i++)
            u[i] = small_exponential(before[i] - most_u);
        const real most_v = mix(c, v, 1, w, beta);
        add_pairs(c, s, before, v, u, w, most_u + most_v, total, scale);
    }
}

/* What the score of a path of n tags adds, times -scale. */
static void gold(const sums *s, io *d_emissions, int64_t row, const int64_t *tags, int64_t B, int64_t K,
                 int64_t n, real scale)
{
    for (int64_t t = 0; t < n; t++) {
        const int64_t tag = tags[t * B];
        io *d = d_emissions + t * row + tag;
        put(d, get(d) - scale);
        if (t)
            s->terms[tags[(t - 1) * B] * K + tag] -= scale;
    }
    if (n) {
        s->start[tags[0]] -= scale;
        s->end[tags[(n - 1) * B]] -= scale;
    }
}

/* Adds the parts of the sums, in order. */
static EVERY_CPU void KERNEL(add_parts)(const chain *c, const real *parts, int64_t part_size,
                                        int64_t n_parts, real *d_scores, real *d_start, real *d_end)
{
    const int64_t K = c->K, wide = c->wide;
    memset(d_scores, 0, (size_t)(K * K) * sizeof(real));
    memset(d_start, 0, (size_t)K * sizeof(real));
    memset(d_end, 0, (size_t)K * sizeof(real));
    for (int64_t part = 0; part < n_parts; part++) {
        const real *product = parts + part * part_size, *terms = product + K * wide;
        const real *ends = terms + K * K;
        for (int64_t i = 0; i < K; i++)
            for (int64_t j = 0; j < K; j++)
                d_scores[i * K + j] +=
                    product[i * wide + j] * c->odds[i * wide + j] + terms[i * K + j];
        for (int64_t j = 0; j < K; j++) {
            d_start[j] += ends[j];
            d_end[j] += ends[K + j];
        }
    }
}

/* `room`: two tables of K WIDE numbers, 4 WIDE numbers for each thread, and `n_parts` parts of the
 * sums, of which each has K * WIDE + K * K + 2 K numbers. */
EXPORT void KERNEL(crf_backward)(const io *emissions, const real *scores, const real *end,
                                 const int64_t *lengths, const int64_t *tags, const real *alphas,
                                 const real *totals, const real *grad, io *d_emissions,
                                 real *d_scores, real *d_start, real *d_end, real *room, int64_t T,
                                 int64_t B, int64_t K, int64_t wide, int64_t n_parts,
                                 int64_t n_threads)
{
    const chain c = KERNEL(tables)(scores, room, room + K * wide, K, wide);
    const int64_t part_size = K * wide + K * K + 2 * K;
    real *rooms = room + 2 * K * wide, *parts = rooms + n_threads * 4 * wide;
#pragma omp parallel for num_threads(n_threads) if (n_threads > 1) schedule(static, 1)
    for (int64_t thread = 0; thread < n_threads; thread++) {
        real *mine = rooms + thread * 4 * wide;
        memset(mine, 0, (size_t)(4 * wide) * sizeof(real));
        for (int64_t part = thread; part < n_parts; part += n_threads) {
            real *own = parts + part * part_size;
            const sums s = {own, own + K * wide, own + K * wide + K * K, own + K * wide + K * K + K};
            memset(own, 0, (size_t)part_size * sizeof(real));
            for (int64_t b = part; b < B; b += n_parts) {
                const int64_t n = lengths ? lengths[b] : T;
                KERNEL(backward_sequence)(&c, emissions + b * K, B * K, alphas + b * K, end,
                                          totals[b], grad[b], n, T, d_emissions + b * K, &s, mine);
                if (tags)
                    gold(&s, d_emissions + b * K, B * K, tags + b, B, K, n, grad[b]);
            }
        }
    }
    KERNEL(add_parts)(&c, parts, part_size, n_parts, d_scores, d_start, d_end);
}

static EVERY_CPU void KERNEL(best_path)(const io *emissions, int64_t row, const real *scores,
                                        const real *start, const real *end, int64_t n, int64_t K,
                                        int32_t *back, real *room, real *score, int64_t *path,
                                        int64_t B, int64_t T)
{
    real *best = room, *next = room + K;
    for (int64_t t = 0; t < n; t++) {
        const io *e = emissions + t * row;
        int32_t *from = back + t * K;
        for (int64_t j = 0; j < K; j++)
            next[j] = t ? best[0] + scores[j] : start[j];
        memset(from, 0, (size_t)K * sizeof(int32_t));
        for (int64_t i = 1; t && i < K; i++) {
            const real *onward = scores + i * K;
#pragma GCC ivdep
            for (int64_t j = 0; j < K; j++) {
                const real x = best[i] + onward[j];
                const int better = x > next[j];
                next[j] = choose(better, x, next[j]);
                from[j] = better ? (int32_t)i : from[j];
            }
        }
        for (int64_t j = 0; j < K; j++)
            best[j] = next[j] + get(e + j);
    }
    int64_t tag = 0;
    *score = n ? best[0] + end[0] : 0;
    for (int64_t j = 1; n && j < K; j++)
        if (best[j] + end[j] > *score) {
            *score = best[j] + end[j];
            tag = j;
        }
    for (int64_t t = T - 1; t >= 0; t--) {
        path[t * B] = t < n ? tag : 0;
        if (t < n)
            tag = back[t * K + tag];
    }
}

/* `room`: 2 K numbers, `back` T * K numbers for each thread. */
EXPORT void KERNEL(crf_viterbi)(const io *emissions, const real *scores, const real *start,
                                const real *end, const int64_t *lengths, int32_t *back, real *best,
                                int64_t *path, real *room, int64_t T, int64_t B, int64_t K,
                                int64_t n_threads)
{
#pragma omp parallel for num_threads(n_threads) if (n_threads > 1) schedule(static, 1)
    for (int64_t thread = 0; thread < n_threads; thread++)
        for (int64_t b = B * thread / n_threads; b < B * (thread + 1) / n_threads; b++)
            KERNEL(best_path)(emissions + b * K, B * K, scores, start, end, lengths ? lengths[b] : T,
                              K, back + thread * T * K, room + thread * 2 * K, best + b, path + b, B,
                              T);
}
