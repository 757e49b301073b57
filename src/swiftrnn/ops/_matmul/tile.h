/* Matrix products for one instruction set; cpu.c includes this once for each of them and defines
 *
 *   FOR(name)  the name with the instruction set's own ending
 *   TARGET     the attribute that turns the instruction set on
 *   BYTES      the width of a vector
 *   ROWS       rows of a tile: ROWS * VECTORS sums, VECTORS numbers to multiply with and one more
 *              fit into the registers
 *
 * Everything comes down to `tile`: ROWS x WIDTH sums stay in registers while the numbers of `a` come
 * one by one and those of `b` as whole vectors.  What is `b` was packed before into panels of WIDTH
 * columns, [k][column], so it is read in order; `a` is read where it lies by rows, and copied into
 * slices of ROWS columns, [k][row], where it lies by columns: down a column the numbers would fall
 * into few sets of a cache.  Every sum runs over k in order, whatever the tile: results do not depend
 * on the number of rows beside them, nor on threads. */

typedef real FOR(vec) __attribute__((vector_size(BYTES), may_alias));
typedef real FOR(loose) __attribute__((vector_size(BYTES), may_alias, aligned(sizeof(real))));

enum { FOR(LANES) = BYTES / sizeof(real), FOR(WIDTH) = VECTORS * FOR(LANES) };

/* The number of row i: where `at` is given, it has them. */
INLINE int64_t FOR(number)(const int64_t *at, int64_t i) { return at ? at[i] : i; }

/* y (m, v vectors) = or += a b, where a's rows are a_row apart and its columns a_step; a_at and y_at
 * have the numbers of the rows, if they do not count up from 0. */
INLINE TARGET void FOR(tile)(const real *a, int64_t a_row, int64_t a_step, const int64_t *a_at,
                             const real *b, int64_t K, real *y, int64_t y_row,
                             const int64_t *y_at, int64_t add, const int m, const int v)
{
    FOR(vec) sum[ROWS][VECTORS];
    const real *from[ROWS];
    for (int i = 0; i < m; i++) {
        from[i] = a + FOR(number)(a_at, i) * a_row;
        for (int j = 0; j < v; j++) {
            __builtin_prefetch(y + FOR(number)(y_at, i) * y_row + j * FOR(LANES), 1, 3);
            sum[i][j] = (FOR(vec)){0};
        }
    }
#pragma GCC unroll 4
    for (int64_t k = 0; k < K; k++) {
        const FOR(vec) *row = (const FOR(vec) *)(b + k * v * FOR(LANES));
        FOR(vec) w[VECTORS];
        for (int j = 0; j < v; j++)
            w[j] = row[j];
#pragma GCC unroll 16
        for (int i = 0; i < m; i++)
            for (int j = 0; j < v; j++)
                sum[i][j] += from[i][k * a_step] * w[j];
    }
    for (int i = 0; i < m; i++)
        for (int j = 0; j < v; j++) {
            real *row = y + FOR(number)(y_at, i) * y_row;
            FOR(loose) *to = (FOR(loose) *)(row + j * FOR(LANES));
            if (add)
                sum[i][j] += *to;
            *to = sum[i][j];
        }
}

/* How many vectors so many columns take. */
INLINE int64_t FOR(vectors)(int64_t columns) { return (columns + FOR(LANES) - 1) / FOR(LANES); }

/* A tile at an edge: fewer rows, or columns that end within a vector. */
static TARGET void FOR(edge)(const real *a, int64_t a_row, int64_t a_step, const int64_t *at,
                             const real *b, int64_t K, real *y, int64_t y_row, int64_t add,
                             int64_t rows, int64_t columns)
{
    real held[ROWS * FOR(WIDTH)];
    for (int64_t i = 0; i < rows; i += rows == ROWS ? ROWS : 1) {
        const real *from = at ? a : a + i * a_row;
        const int64_t *from_at = at ? at + i : 0;
        real *to = held + i * FOR(WIDTH);
#define HELD(m, v) FOR(tile)(from, a_row, a_step, from_at, b, K, to, FOR(WIDTH), 0, 0, m, v)
        switch ((rows == ROWS) * 3 + FOR(vectors)(columns)) {
        case 1: HELD(1, 1); break;
        case 2: HELD(1, 2); break;
        case 3: HELD(1, 3); break;
        case 4: HELD(ROWS, 1); break;
        case 5: HELD(ROWS, 2); break;
        case 6: HELD(ROWS, 3); break;
        }
#undef HELD
    }
    for (int64_t i = 0; i < rows; i++) {
        real *to = y + FOR(number)(at, i) * y_row;
        for (int64_t j = 0; j < columns; j++)
            to[j] = (add ? to[j] : 0) + held[i * FOR(WIDTH) + j];
    }
}

/* A tile at most; `at` numbers the rows of a and of y, if they do not count up from 0. */
INLINE TARGET void FOR(any)(const real *a, int64_t a_row, int64_t a_step, const int64_t *at,
                            const real *b, int64_t K, real *y, int64_t y_row, int64_t add,
                            int64_t rows, int64_t columns)
{
    if (rows >= ROWS && columns >= FOR(WIDTH))
        FOR(tile)(a, a_row, a_step, at, b, K, y, y_row, at, add, ROWS, VECTORS);
    else
        FOR(edge)(a, a_row, a_step, at, b, K, y, y_row, add, least(ROWS, rows),
                  least(FOR(WIDTH), columns));
}

/* One panel of `columns` columns, filled up with zeros to whole vectors; `at` has the numbers of its
 * K rows, if they do not count up from 0. */
static TARGET void FOR(pack)(const real *w, int64_t w_step, int64_t w_column, const int64_t *at,
                             int64_t K, int64_t columns, real *panel)
{
    const int64_t width = FOR(vectors)(columns) * FOR(LANES);
    if (columns == FOR(WIDTH) && w_column == 1)
        for (int64_t k = 0; k < K; k++)
            for (int j = 0; j < VECTORS; j++)
                ((FOR(vec) *)panel)[k * VECTORS + j] =
                    ((const FOR(loose) *)(w + FOR(number)(at, k) * w_step))[j];
    else
        for (int64_t k0 = 0; k0 < K; k0 += 64) /* such a part of it lies in the first level */
            for (int64_t j = 0; j < width; j++)
                for (int64_t k = k0; k < least(K, k0 + 64); k++)
                    panel[k * width + j] =
                        j < columns ? w[FOR(number)(at, k) * w_step + j * w_column] : 0;
}

/* The panels of columns `first` to `end`, of (K, G) numbers. */
static TARGET void FOR(panels)(const real *w, int64_t w_step, int64_t w_column, int64_t K,
                               int64_t G, int64_t first, int64_t end, real *panels)
{
    const int64_t padded = FOR(vectors)(G) * FOR(LANES);
    for (int64_t k = 0; k < K; k += DEPTH)
        for (int64_t c = first; c < end; c += FOR(WIDTH))
            FOR(pack)(w + k * w_step + c * w_column, w_step, w_column, 0, least(DEPTH, K - k),
                      least(FOR(WIDTH), G - c), panels + k * padded + c * least(DEPTH, K - k));
}

/* A panel's part of y (rows, columns) = or += x times the panel. */
#define COLUMNS(at, x, y)                                                                           \
    FOR(any)(x, x_row, 1, at, panels + k * padded + c * depth, depth, y, y_row, add || k, end - r, \
             G - c)

/* y (R, G) = or += x (R, K) times the packed (K, G): a part of x and a group of panels at a time, so
 * that both stay in the second level.  `live` has the numbers of these rows of x and y, if they are
 * not all. */
static TARGET void FOR(rows)(const real *x, int64_t x_row, const real *panels, real *y,
                             int64_t y_row, int64_t R, int64_t K, int64_t G, int64_t add,
                             const int64_t *live)
{
    const int64_t padded = FOR(vectors)(G) * FOR(LANES);
    const int64_t group = GROUP_BYTES / (DEPTH * BYTES * VECTORS) * FOR(WIDTH);
    for (int64_t part = 0; part < R; part += PART_ROWS)
        for (int64_t k = 0; k == 0 || k < K; k += DEPTH) { /* also where K is 0: sums of nothing */
            const int64_t depth = least(DEPTH, K - k), end = least(R, part + PART_ROWS);
            for (int64_t begin = 0; begin < G; begin += group)
                for (int64_t r = part; r < end; r += ROWS)
                    for (int64_t c = begin; c < least(G, begin + group); c += FOR(WIDTH))
                        if (live)
                            COLUMNS(live + r, x + k, y + c);
                        else
                            COLUMNS(0, x + r * x_row + k, y + r * y_row + c);
        }
}
#undef COLUMNS

/* Columns `first` to `end` of left (K, G) as slices of ROWS columns, [k][column]; in the last slice
 * what lies beyond `end` stays as it was and is never used. */
static TARGET void FOR(slices)(const real *left, int64_t left_row, const int64_t *at, int64_t K,
                               int64_t first, int64_t end, real *slices)
{
    for (int64_t k0 = 0; k0 < K; k0 += 32) /* so many rows at a time stay in the first level */
        for (int64_t g = first; g < end; g += ROWS) {
            const int64_t n = least(ROWS, end - g);
            real *to = slices + (g - first) * K;
            for (int64_t k = k0; k < least(K, k0 + 32); k++) {
                const real *from = left + FOR(number)(at, k) * left_row + g;
                if (n == ROWS)
                    memcpy(to + k * ROWS, from, ROWS * sizeof(real));
                else
                    memcpy(to + k * ROWS, from, (size_t)n * sizeof(real));
            }
        }
}

/* Columns `first` to `end` of total (G, I) += left (R, G) turned round times right (R, I); `room`
 * has OUTER_DEPTH * OUTER_COLUMNS numbers, `live` the numbers of these rows, if they are not all. */
static TARGET void FOR(outer)(const real *left, int64_t left_row, const real *right,
                              int64_t right_row, real *total, int64_t total_row, int64_t R,
                              int64_t G, int64_t first, int64_t end, real *room,
                              const int64_t *live)
{
    FOR(vec) held[OUTER_DEPTH * VECTORS];
    real *panel = (real *)held;
    for (int64_t r = 0; r < R; r += OUTER_DEPTH) {
        const int64_t *at = live ? live + r : 0, start = live ? 0 : r;
        for (int64_t part = 0; part < G; part += OUTER_COLUMNS) {
            const int64_t depth = least(OUTER_DEPTH, R - r), stop = least(G, part + OUTER_COLUMNS);
            FOR(slices)(left + start * left_row, left_row, at, depth, part, stop, room);
            for (int64_t c = first; c < end; c += FOR(WIDTH)) {
                FOR(pack)(right + start * right_row + c, right_row, 1, at, depth,
                          least(FOR(WIDTH), end - c), panel);
                for (int64_t g = part; g < stop; g += ROWS)
                    FOR(any)(room + (g - part) * depth, 1, ROWS, 0, panel, depth,
                             total + g * total_row + c, total_row, 1, stop - g, end - c);
            }
        }
    }
}
