/* Matrix products into memory that is given, over rows that lie anywhere, for x86-64 with AVX2 or
 * AVX-512.  `level` says which: 1, 2; `matmul_level` tells the best of this machine, 0 if none. */

#include "gates.h"

#if defined(__x86_64__) && !defined(_WIN32) && !defined(BFLOAT16)

enum {
    VECTORS = 3,            /* of a row of a tile */
    DEPTH = 512,            /* of a panel: with AVX-512 it has 96 KiB */
    PART_ROWS = 256,        /* of x that all panels meet before the next ones */
    OUTER_DEPTH = 256,      /* rows summed up before the total is touched */
    OUTER_COLUMNS = 512,    /* of what is turned round at a time */
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
    const int64_t width = level == AVX512 ? WIDTH_avx512 : WIDTH_avx2;
    const int64_t count = (G + width - 1) / width;
#pragma omp parallel for num_threads(n_threads) if (n_threads > 1) schedule(static, 1)
    for (int64_t thread = 0; thread < n_threads; thread++) {
        const int64_t first = count * thread / n_threads, end = count * (thread + 1) / n_threads;
        (level == AVX512 ? panels_avx512 : panels_avx2)(w, w_step, w_column, K, G, first * width,
                                                        least(G, end * width), panels);
    }
}

void KERNEL(matmul_part)(const real *x, int64_t x_row, const real *panels, real *y, int64_t y_row,
                         int64_t R, int64_t I, int64_t G, int64_t add, int64_t level)
{
    (level == AVX512 ? rows_avx512 : rows_avx2)(x, x_row, panels, y, y_row, R, I, G, add);
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
                            I, G, add, level);
    }
}

/* total (G, I) += left (R, G) turned round times right (R, I); for each thread `room` has OUTER_DEPTH
 * * OUTER_COLUMNS numbers. */
EXPORT void KERNEL(matmul_outer)(const real *left, int64_t left_row, const real *right,
                                 int64_t right_row, real *total, int64_t total_row, int64_t R,
                                 int64_t G, int64_t I, real *room, int64_t level,
                                 int64_t n_threads)
{
    const int64_t runs = (I + 15) / 16;
#pragma omp parallel for num_threads(n_threads) if (n_threads > 1) schedule(static, 1)
    for (int64_t thread = 0; thread < n_threads; thread++) {
        const int64_t first = runs * thread / n_threads * 16;
        const int64_t end = runs * (thread + 1) / n_threads * 16;
        (level == AVX512 ? outer_avx512 : outer_avx2)(left, left_row, right, right_row, total,
                                                      total_row, R, G, first, least(I, end),
                                                      room + thread * OUTER_DEPTH * OUTER_COLUMNS);
    }
}

#else

void KERNEL(matmul_part)(const io *x, int64_t x_row, const io *panels, io *y, int64_t y_row,
                         int64_t R, int64_t I, int64_t G, int64_t add, int64_t level)
{
    (void)x, (void)x_row, (void)panels, (void)y, (void)y_row; /* never called: there is no level */
    (void)R, (void)I, (void)G, (void)add, (void)level;
}

#endif
