/* The transpose of a matrix, tile by tile: whole cache lines are read, and whole ones are written.
 * 16 rows of 16 numbers lie in the first cache level until all of their columns are out. */

#include "../_kernel.h"

enum { TILE = 16 };

/* `rows` and `columns` are TILE but at the edges; as constants they become a few shuffles. */
INLINE void tile(const io *from, io *to, int64_t from_row, int64_t to_row, int64_t rows,
                 int64_t columns)
{
    io held[TILE][TILE];
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < columns; c++)
            held[r][c] = from[r * from_row + c];
    for (int64_t c = 0; c < columns; c++)
        for (int64_t r = 0; r < rows; r++)
            to[c * to_row + r] = held[r][c];
}

/* from (R, C) with `from_row` numbers from row to row; to (C, R), dense. */
EXPORT EVERY_CPU void KERNEL(transpose)(const io *from, io *to, int64_t R, int64_t C,
                                        int64_t from_row, int64_t n_threads)
{
    const int64_t tiles = (R + TILE - 1) / TILE;
#pragma omp parallel for num_threads(n_threads) if (n_threads > 1) schedule(static, 1)
    for (int64_t thread = 0; thread < n_threads; thread++) {
        const int64_t first = tiles * thread / n_threads, end = tiles * (thread + 1) / n_threads;
        for (int64_t i = first; i < end; i++) {
            const int64_t r = i * TILE, rows = least(TILE, R - r);
            for (int64_t c = 0; c < C; c += TILE) {
                const io *a = from + r * from_row + c;
                io *b = to + c * R + r;
                if (rows == TILE && C - c >= TILE)
                    tile(a, b, from_row, R, TILE, TILE);
                else
                    tile(a, b, from_row, R, rows, least(TILE, C - c));
            }
        }
    }
}
