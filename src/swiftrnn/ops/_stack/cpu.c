/* One step of time through a whole stack of layers, for streams: a few sequences, no gradients.  Each
 * layer is a product of its weight, as it lies, with B columns, and the kernel of its cell.
 *
 * Every number of a product is summed up by one thread in one order: their number changes no bit. */

#include "forwards.h"

/* What the table says of a layer: the sizes of its input, state and gates; how many inputs a gate
 * sees, this one and those before it; addresses of its weight (G, taps * I) and of the vectors of its
 * cell, see __init__.py; what SRU falls back to; a flag; a scale. */
enum {
    CELL, INPUT, HIDDEN, GATES, TAPS, WEIGHT, FIRST, SECOND, ONES, ZEROS, SKIP, FLAG, SCALE, FIELDS
};
enum { SRU, GATED_SCAN, RG_LRU };
enum { SKIP_NONE, SKIP_INPUT, SKIP_GATE };

/* gates (B, G) = x (B, I) times weight (G, I) turned round: the numbers `first` to `end` of a row. */
static EVERY_CPU void KERNEL(stack_product)(const io *weight, const io *x, io *gates, int64_t B,
                                            int64_t I, int64_t G, int64_t first, int64_t end)
{
    for (int64_t g = first; g < end; g += 4) {
        const io *w = weight + least(g, G - 4) * I; /* the last four may overlap those before */
        for (int64_t b = 0; b < B; b++) {
            const io *row = x + b * I;
            io *y = gates + b * G + least(g, G - 4);
            real p = 0, q = 0, r = 0, s = 0;
#pragma omp simd reduction(+ : p, q, r, s)
            for (int64_t i = 0; i < I; i++) {
                const real u = get(row + i);
                p += get(w + i) * u;
                q += get(w + I + i) * u;
                r += get(w + 2 * I + i) * u;
                s += get(w + 3 * I + i) * u;
            }
            put(y, p);
            put(y + 1, q);
            put(y + 2, r);
            put(y + 3, s);
        }
    }
}

static void multiply(const int64_t *layer, const io *x, io *gates, int64_t B, int64_t n_threads)
{
    const int64_t I = layer[INPUT] * layer[TAPS], G = layer[GATES], fours = (G + 3) / 4;
#pragma omp parallel for num_threads(n_threads) if (n_threads > 1) schedule(static, 1)
    for (int64_t k = 0; k < n_threads; k++)
        KERNEL(stack_product)((const io *)layer[WEIGHT], x, gates, B, I, G,
                              fours * k / n_threads * 4, fours * (k + 1) / n_threads * 4);
}

/* This input and those before it side by side, the newest first, (B, taps * I); and the window for the
 * next step, (taps - 1, B, I), the oldest first. */
static void look_back(const int64_t *layer, const io *x, const io *window, io *next, io *seen,
                      int64_t B)
{
    const int64_t I = layer[INPUT], last = layer[TAPS] - 1, N = B * I;
    const size_t row = (size_t)I * sizeof(io);
    for (int64_t b = 0; b < B; b++) {
        memcpy(seen + b * (last + 1) * I, x + b * I, row);
        for (int64_t k = 0; k < last; k++)
            memcpy(seen + (b * (last + 1) + last - k) * I, window + k * N + b * I, row);
    }
    memcpy(next, window + N, (size_t)(last - 1) * (size_t)N * sizeof(io));
    memcpy(next + (last - 1) * N, x, (size_t)N * sizeof(io));
}

static void recur(const int64_t *layer, io *gates, const io *x, int64_t B, const real *before,
                  real *after, io *y)
{
    const int64_t H = layer[HIDDEN], G = layer[GATES], flag = layer[FLAG];
    const real *first = (const real *)layer[FIRST], *second = (const real *)layer[SECOND];
    double scale;
    memcpy(&scale, layer + SCALE, sizeof scale);
    switch (layer[CELL]) {
    case SRU: {
        const io *skip = layer[SKIP] == SKIP_INPUT ? x : (const io *)layer[ZEROS];
        KERNEL(sru_forward)(gates, layer[SKIP] == SKIP_GATE ? 0 : skip, first, second,
                            (const real *)layer[ONES], 0, 0, before, after, y, 0, 1, B, H, G,
                            layer[SKIP] == SKIP_NONE ? 0 : layer[SKIP] == SKIP_GATE ? G : H, 0, 0,
                            scale, flag, 0, 0, 0, 1);
        break;
    }
    case GATED_SCAN:
        KERNEL(gated_scan_forward)(gates, first, second, 0, 0, before, after, y, 0, 1, B, H, G, 0, 0,
                                   flag, 0, 0, 0, 1);
        break;
    case RG_LRU:
        KERNEL(rg_lru_forward)(gates, x, first, second, 0, 0, before, after, y, 0, 1, B, H, 0, 0, 0,
                               0, 1);
        break;
    }
}

/* x (B, I) and states (layers, B, H) to y (B, H) and the states after the step.  `windows` has for
 * each layer the addresses of its window and of the next one, where its gates see more than one input.
 * `room` has place for two outputs, (B, H), the gates of the widest layer, (B, G), and `widest`
 * inputs side by side. */
EXPORT void KERNEL(stack_step)(const int64_t *table, const int64_t *windows, int64_t layers,
                               int64_t B, int64_t widest, const io *x, const real *states,
                               real *after, io *room, io *y, int64_t n_threads)
{
    const int64_t N = B * table[HIDDEN];
    io *seen = room + 2 * N, *gates = seen + B * widest;
    for (int64_t l = 0; l < layers; l++) {
        const int64_t *layer = table + l * FIELDS;
        io *here = l + 1 < layers ? room + l % 2 * N : y;
        if (layer[TAPS] > 1)
            look_back(layer, x, (const io *)windows[2 * l], (io *)windows[2 * l + 1], seen, B);
        multiply(layer, layer[TAPS] > 1 ? seen : x, gates, B, n_threads);
        recur(layer, gates, x, B, states + l * N, after + l * N, here);
        x = here;
    }
}
