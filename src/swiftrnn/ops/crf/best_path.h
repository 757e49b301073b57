/* The best path of a conditional random field: see `cpu.c`.
 *
 * Scores add up in double: two paths that differ by a digit of a float differ after 20,000 steps, too.
 * A NaN is better than any number, as in torch.max,
 * so that it comes out as the score. */

/* arrived[j] = max_i best[i] + A[i][j], and in `origin` the lowest i that gives it. */
INLINE void best_ways(const double *best, const double *scores, int64_t K, int64_t wide,
                      double *arrived, int64_t *origin)
{
    for (int64_t j = 0; j < wide; j++)
        arrived[j] = best[0] + scores[j];
    memset(origin, 0, (size_t)wide * sizeof(int64_t));
    for (int64_t i = 1; i < K; i++) {
        const double *onward = scores + i * wide;
#pragma GCC ivdep
        for (int64_t j = 0; j < wide; j++) {
            const double x = best[i] + onward[j], most = arrived[j];
            const int64_t better = -(int64_t)(!(x <= most) & (most == most)), old = origin[j];
            arrived[j] = better ? x : most;
            origin[j] = (better & i) | (~better & old);
        }
    }
}

/* `room`: 3 WIDE numbers; `back`: T rows of K. */
static EVERY_CPU void KERNEL(best_path)(const io *emissions, int64_t row, const double *scores,
                                        const real *start, const real *end, int64_t n, int64_t K,
                                        int64_t wide, int32_t *back, double *room, real *score,
                                        int64_t *path, int64_t B, int64_t T)
{
    double *best = room, *arrived = room + wide;
    int64_t *origin = (int64_t *)(arrived + wide);
    for (int64_t t = 0; t < n; t++) {
        const io *e = emissions + t * row;
        for (int64_t j = 0; !t && j < K; j++)
            arrived[j] = (double)start[j];
        if (t)
            best_ways(best, scores, K, wide, arrived, origin);
        for (int64_t j = 0; j < K; j++)
            back[t * K + j] = (int32_t)origin[j];
        for (int64_t j = 0; j < K; j++)
            best[j] = arrived[j] + (double)get(e + j);
    }
    int64_t tag = 0;
    double most = n ? best[0] + (double)end[0] : 0;
    for (int64_t j = 1; n && j < K; j++) {
        const double x = best[j] + (double)end[j];
        if (!(x <= most) && most == most) {
            most = x;
            tag = j;
        }
    }
    *score = (real)most;
    for (int64_t t = T - 1; t >= 0; t--) {
        path[t * B] = t < n ? tag : 0;
        if (t && t < n)
            tag = back[t * K + tag];
    }
}

/* `room`: K WIDE numbers, and 3 WIDE for each thread; `back`: T * K for each thread. */
EXPORT void KERNEL(crf_viterbi)(const io *emissions, const real *scores, const real *start,
                                const real *end, const int64_t *lengths, int32_t *back, real *best,
                                int64_t *path, double *room, int64_t T, int64_t B, int64_t K,
                                int64_t wide, int64_t n_threads)
{
    double *rooms = room + K * wide;
    for (int64_t i = 0; i < K; i++)
        for (int64_t j = 0; j < wide; j++)
            room[i * wide + j] = j < K ? (double)scores[i * K + j] : 0;
#pragma omp parallel for num_threads(n_threads) if (n_threads > 1) schedule(static, 1)
    for (int64_t thread = 0; thread < n_threads; thread++)
        for (int64_t b = B * thread / n_threads; b < B * (thread + 1) / n_threads; b++)
            KERNEL(best_path)(emissions + b * K, B * K, room, start, end, lengths ? lengths[b] : T, K,
                              wide, back + thread * T * K, rooms + thread * 3 * wide, best + b,
                              path + b, B, T);
}
