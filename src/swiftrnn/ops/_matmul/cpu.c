/* Matrix products into memory that is given, over rows that lie anywhere, for x86-64 with AVX2 or
 * AVX-512.  `level` says which: 1, 2; `matmul_level` tells the best of this machine, 0 if none. */

#include "gates.h"

/* Where a thread's columns begin, at the beginning of a panel: 48 is a multiple of every WIDTH. */
static int64_t first_column(int64_t thread, int64_t n_threads, int64_t columns)
{
    return least(columns, (columns + 47) / 48 * thread / n_threads * 48);
}

#if defined(__x86_64__) && !defined(_WIN32) && !defined(BFLOAT16)

enum {
    VECTORS = 3,            /* of a row of a tile */
    DEPTH = 512,            /* of a panel: with AVX-512 it has 96 KiB */
    PART_ROWS = 256,        /* of x that all panels meet before the next ones */
    GROUP_BYTES = 512 << 10 /* panels that serve all rows in turn: they stay in the second level */
};

#define FOR(name) name##_avx512
#define TARGET __attribute__((target("avx512f,fma")))
#define BYTES 64
#define ROWS 8
#include "tile.h"
#undef FOR
#undef TARGET
#undef BYTES
#undef ROWS

#define FOR(name) name##_avx2
#define TARGET __attribute__((target("avx2,fma")))
#define BYTES 32
#define ROWS 4
#include "tile.h"

enum { AVX2 = 1, AVX512 = 2 };

EXPORT void KERNEL(matmul_level)(int64_t *level)
{
    const int avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    *level = __builtin_cpu_supports("avx512f") ? AVX512 : avx2 ? AVX2 : 0;
}

/* w: element (k, g) at w[k * w_step + g * w_column]; panels: K * (G + 15) numbers are enough. */
EXPORT void KERNEL(matmul_pack)(const real *w, int64_t w_step, int64_t w_column, real *panels,
                                int64_t K, int64_t G, int64_t level, int64_t n_threads)
{
#pragma omp parallel for num_threads(n_threads) if (n_threads > 1) schedule(static, 1)
    for (int64_t thread = 0; thread < n_threads; thread++)
        (level == AVX512 ? panels_avx512 : panels_avx2)(
            w, w_step, w_column, K, G, first_column(thread, n_threads, G),
            first_column(thread + 1, n_threads, G), panels);
}

void KERNEL(matmul_part)(const real *x, int64_t x_row, const real *panels, real *y, int64_t y_row,
                         int64_t R, int64_t I, int64_t G, int64_t add, int64_t level,
                         const int64_t *live)
{
    (level == AVX512 ? rows_avx512 : rows_avx2)(x, x_row, panels, y, y_row, R, I, G, add, live);
}

/* As matmul_part, with the rows shared out among threads. */
EXPORT void KERNEL(matmul_rows)(const real *x, int64_t x_row, const real *panels, real *y,
                                int64_t y_row, int64_t R, int64_t I, int64_t G, int64_t add,
                                int64_t level, int64_t n_threads)
{
    const int64_t tiles = (R + 7) / 8;
#pragma omp parallel for num_threads(n_threads) if (n_threads > 1) schedule(static, 1)
    for (int64_t thread = 0; thread < n_threads; thread++) {
        const int64_t first = tiles * thread / n_threads * 8;
        const int64_t end = least(R, tiles * (thread + 1) / n_threads * 8);
        KERNEL(matmul_part)(x + first * x_row, x_row, panels, y + first * y_row, y_row, end - first,
                            I, G, add, level, 0);
    }
}

void KERNEL(matmul_outer_part)(const real *left, int64_t left_row, const real *right,
                               int64_t right_row, real *total, int64_t total_row, int64_t R,
                               int64_t G, int64_t first, int64_t end, real *room, int64_t level,
                               const int64_t *live)
{
    (level == AVX512 ? outer_avx512 : outer_avx2)(left, left_row, right, right_row, total, total_row,
                                                  R, G, first, end, room, live);
}

/* As matmul_outer_part, with all columns shared out among threads; each has a room of its own. */
EXPORT void KERNEL(matmul_outer)(const real *left, int64_t left_row, const real *right,
                                 int64_t right_row, real *total, int64_t total_row, int64_t R,
                                 int64_t G, int64_t I, real *room, int64_t level,
                                 int64_t n_threads)
{
#pragma omp parallel for num_threads(n_threads) if (n_threads > 1) schedule(static, 1)
    for (int64_t thread = 0; thread < n_threads; thread++)
        KERNEL(matmul_outer_part)(left, left_row, right, right_row, total, total_row, R, G,
                                  first_column(thread, n_threads, I),
                                  first_column(thread + 1, n_threads, I),
                                  room + thread * OUTER_ROOM, level, 0);
}

#else

void KERNEL(matmul_part)(const io *x, int64_t x_row, const io *panels, io *y, int64_t y_row,
                         int64_t R, int64_t I, int64_t G, int64_t add, int64_t level,
                         const int64_t *live)
{
    (void)x, (void)x_row, (void)panels, (void)y, (void)y_row; /* never called: there is no level */
    (void)R, (void)I, (void)G, (void)add, (void)level, (void)live;
}

void KERNEL(matmul_outer_part)(const io *left, int64_t left_row, const io *right, int64_t right_row,
                               io *total, int64_t total_row, int64_t R, int64_t G, int64_t first,
                               int64_t end, io *room, int64_t level, const int64_t *live)
{
    (void)left, (void)left_row, (void)right, (void)right_row, (void)total, (void)total_row;
    (void)R, (void)G, (void)first, (void)end, (void)room, (void)level, (void)live;
}

#endif

/* Rows of a run of time: so many from a first one on, or those that `live` numbers. */
typedef struct {
    int64_t first, count;
    const int64_t *live;
} span;

/* Those of the steps t to end. */
static span rows_of(int64_t t, int64_t end, int64_t B, const int64_t *starts, const int64_t *live)
{
    if (!live)
        return (span){t * B, (end - t) * B, 0};
    return (span){0, starts[end] - starts[t], live + starts[t]};
}

/* A thread's share, in tiles of 8. */
static span share(span all, int64_t thread, int64_t n_threads)
{
    const int64_t tiles = (all.count + 7) / 8, r = tiles * thread / n_threads * 8;
    const int64_t end = least(all.count, tiles * (thread + 1) / n_threads * 8);
    if (all.live)
        return (span){0, end - r, all.live + r};
    return (span){all.first + r, end - r, 0};
}

/* A thread's rows of the gates of a run of time; row 0 of all would stand at `gates`. */
static void multiply(const int64_t *from, const extent *all, io *gates, span s)
{
    const int64_t I = from[FROM_I], n = from[FROM_TAPS], *taps = from + FROM_FIRST_TAP;
    const int64_t G = all->gates_row;
    for (int64_t i = 0; i < n; i++)
        KERNEL(matmul_part)((const io *)from[FROM_X] + (taps[i] * all->B + s.first) * I, I,
                            (const io *)taps[n + i], gates + s.first * G, G, s.count, I, G, i > 0,
                            from[FROM_LEVEL], s.live);
}

/* What a thread adds to the gradient of the weight, turned round, from a run of time. */
static void weight_gradient(const int64_t *into, int64_t thread, int64_t n_threads,
                            const extent *all, const io *d_gates, span s)
{
    const int64_t I = into[INTO_I], n = into[INTO_TAPS], *taps = into + INTO_FIRST_TAP;
    const int64_t G = all->gates_row;
    for (int64_t i = 0; i < n; i++)
        if (taps[n + i])
            KERNEL(matmul_outer_part)(
                (const io *)into[INTO_X] + (taps[i] * all->B + s.first) * I, I,
                d_gates + s.first * G, G, (io *)taps[n + i], G, s.count, I,
                first_column(thread, n_threads, G), first_column(thread + 1, n_threads, G),
                (io *)into[INTO_ROOM] + thread * OUTER_ROOM, into[INTO_LEVEL], s.live);
}

/* A thread's columns of the gradient of the input, from a run of time. */
static void input_gradient(const int64_t *into, int64_t thread, const extent *all,
                           const io *d_gates, span s)
{
    const int64_t I = into[INTO_I], n = into[INTO_TAPS], *taps = into + INTO_FIRST_TAP;
    const int64_t *own = taps + 2 * n + thread * (2 + n), first = own[0], end = own[1];
    const int64_t G = all->gates_row;
    for (int64_t i = 0; i < n; i++)
        KERNEL(matmul_part)(d_gates + s.first * G, G, (const io *)own[2 + i],
                            (io *)into[INTO_D_X] + (taps[i] * all->B + s.first) * I + first, I,
                            s.count, G, end - first, into[INTO_ADD], into[INTO_LEVEL], s.live);
}

#ifdef STAGGER /* for tests: now one thread is late, now another, so that a missing barrier shows */
#include <threads.h>
static void stagger(int64_t turn)
{
    if (turn % 2)
        thrd_sleep(&(struct timespec){.tv_nsec = 200000}, NULL);
}
#else
static void stagger(int64_t turn) { (void)turn; }
#endif

/* One barrier a run is enough: a buffer is filled again only after that of the run in between. */
void KERNEL(in_runs)(KERNEL(steps) *steps, const void *call, const extent *all, io *gates,
                     int64_t whole, const int64_t *from, const int64_t *into, int64_t n_threads)
{
    const int64_t T = all->T, B = all->B, units = B * chunks_per_row(all->H);
    const int64_t run = from ? from[FROM_STEPS] : into ? into[INTO_STEPS] : T;
    const int64_t *starts = 0, *live = 0;
    if (from || into) {
        starts = (const int64_t *)(from ? from[FROM_STARTS] : into[INTO_STARTS]);
        live = (const int64_t *)(from ? from[FROM_LIVE] : into[INTO_LIVE]);
    }
#pragma omp parallel num_threads(n_threads) if (n_threads > 1)
    for (int64_t first = 0; first < T; first += run) {
        const int64_t end = least(T, first + run), t = all->falling ? T - end : first;
        const int64_t from_row = whole ? 0 : t * B;
        const int64_t self = omp_get_thread_num(), team = omp_get_num_threads();
        io *room = gates + (whole ? 0 : first / run % 2 * run * B * all->gates_row);
        io *base = room - from_row * all->gates_row;
        const span s = rows_of(t, t + end - first, B, starts, live);
        stagger(self + first / run);
        for (int64_t thread = self; from && thread < n_threads; thread += team)
            multiply(from, all, base, share(s, thread, n_threads));
        if (from) {
#pragma omp barrier
        }
        stagger(self + first / run);
        for (int64_t thread = self; thread < n_threads; thread += team)
            steps(call, units * thread / n_threads, units * (thread + 1) / n_threads, first, end,
                  room, from_row);
        if (into) {
#pragma omp barrier
        }
        stagger(self + first / run);
        for (int64_t thread = self; into && thread < n_threads; thread += team) {
            weight_gradient(into, thread, n_threads, all, base, s);
            if (into[INTO_D_X])
                input_gradient(into, thread, all, base, s);
        }
    }
}
