/* One step of a conditional random field: sums over the tags before it, or after it; see `cpu.c`. */

enum { LANES = 16, FLUSH = 128 }; /* FLUSH: steps whose pairs are added in `real` */

#if defined(FLOAT64)
#define TINY 5e-131 /* e^-300: what is left out, below e^-350, is lost in rounding beside it */
#else
#define TINY 7.8e-20f /* e^-44; left out is what lies below e^-64 */
#endif

/* log x for x in 2^-126 .. 2^126: of the mantissa by 2 artanh((m - 1) / (m + 1)) as a series. */
INLINE double logarithm(real x)
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
    return (double)n * LN2_HIGH + ((double)n * LN2_LOW + (double)(2 * s + 2 * s * z * p));
}

/* e^x for x at most about 0; 0 below -FAR. */
INLINE real small_exponential(real x) { return choose(x < -FAR, 0, exponential(within(FAR, x))); }

typedef struct {
    const real *scores, *odds, *turned; /* (K, K), (K, WIDE), (K, WIDE) or none */
    double shift;
    int64_t K, wide;
} chain;

/* 0 where there is nothing above -infinity. */
INLINE double largest(const double *x, int64_t n)
{
    double most = -INFINITY;
    for (int64_t i = 0; i < n; i++)
        most = x[i] > most ? x[i] : most;
    return most > -INFINITY ? most : 0;
}

/* Makes the tables: odds = exp(A - shift), and where there is room for it the same turned round.  Of
 * +infinity they are NaN, so that its sums are computed term by term. */
static EVERY_CPU chain KERNEL(tables)(const real *scores, real *odds, real *turned, int64_t K,
                                      int64_t wide)
{
    real most = -INFINITY;
    for (int64_t i = 0; i < K * K; i++)
        most = scores[i] > most ? scores[i] : most;
    const double shift = most > -INFINITY && most < INFINITY ? (double)most : 0;
    const chain c = {scores, odds, turned, shift, K, wide};
    for (int64_t i = 0; i < K; i++) {
        real *row = odds + i * wide;
        for (int64_t j = 0; j < K; j++) {
            const double exact = (double)scores[i * K + j] - shift;
            const real x = (real)exact, rest = (real)choose(x > -FAR, (real)(exact - (double)x), 0);
            row[j] = choose(x > 0, (real)NAN, small_exponential(x) * (1 + rest));
        }
        for (int64_t j = K; j < wide; j++)
            row[j] = 0;
    }
    for (int64_t j = 0; turned && j < K; j++)
        for (int64_t i = 0; i < wide; i++)
            turned[j * wide + i] = i < K ? odds[i * wide + j] : 0;
    return c;
}

/* log sum exp of K numbers x[i] + y[i * step], one by one. */
static double sum_of_terms(const double *x, const real *y, int64_t step, int64_t K)
{
    double most = -INFINITY, sum = 0;
    for (int64_t i = 0; i < K; i++) {
        const double term = x[i] + (double)y[i * step];
        if (term != term)
            return term;
        most = term > most ? term : most;
    }
    if (most == -INFINITY || most == INFINITY)
        return most;
    for (int64_t i = 0; i < K; i++)
        sum += exp(x[i] + (double)y[i * step] - most);
    return most + log(sum);
}

/* to[j] = sum_i f[i] * rows[i][j].  Sixteen sums of float stay in registers; of so many doubles the
 * compiler makes slow code, and memory is faster. */
INLINE void products(const real *f, const real *rows, int64_t K, int64_t wide, real *to)
{
#if defined(FLOAT64)
    memset(to, 0, (size_t)wide * sizeof(real));
    for (int64_t i = 0; i < K; i++) {
        const real factor = f[i], *row = rows + i * wide;
#pragma GCC ivdep
        for (int64_t j = 0; j < wide; j++)
            to[j] += factor * row[j];
    }
#else
    for (int64_t j = 0; j < wide; j += LANES) {
        real sum[LANES] = {0};
        for (int64_t i = 0; i < K; i++)
            for (int64_t k = 0; k < LANES; k++)
                sum[k] += f[i] * rows[i * wide + j + k];
        memcpy(to + j, sum, sizeof sum);
    }
#endif
}

/* logs[j] = log sum_i exp(x[i] + A[i][j]) - top, or with `turned` of A[j][i]; gives top, the largest x.
 * `factors` gets exp(x - top) and `to` the sums that the logs are taken of, which are TINY or NaN where
 * they are not.  `factors` and `to` are WIDE long, the others K. */
INLINE double mix(const chain *c, const double *x, const int turned, real *factors, real *to,
                  double *logs)
{
    const int64_t K = c->K, wide = c->wide;
    const real *odds = turned ? c->turned : c->odds;
    const double most = largest(x, K), top = most < INFINITY ? most : 0;
    for (int64_t i = 0; i < K; i++)
        factors[i] = small_exponential((real)(x[i] - most)); /* NaN where x is infinite */
    products(factors, odds, K, wide, to);
    int exact = 1;
    for (int64_t j = 0; j < K; j++) {
        exact &= to[j] >= TINY; /* not so either where a number is NaN */
        logs[j] = logarithm(to[j]) + c->shift;
    }
    for (int64_t j = 0; !exact && j < K; j++)
        if (!(to[j] >= TINY))
            logs[j] = (turned ? sum_of_terms(x, c->scores + j * K, 1, K)
                              : sum_of_terms(x, c->scores + j, K, K)) - top;
    return top;
}
