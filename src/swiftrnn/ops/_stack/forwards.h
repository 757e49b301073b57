/* The kernels that a stack of layers calls for one step of time; each cpu.c says what they do. */

#ifndef SWIFTRNN_FORWARDS_H
#define SWIFTRNN_FORWARDS_H

#include "../_kernel.h"

void KERNEL(sru_forward)(
    io *gates, const io *skip, const real *weight_c, const real *bias, const real *mask,
    const int64_t *lengths, const uint8_t *reset, const real *initial, real *states, io *output,
    io *kept, int64_t T, int64_t B, int64_t H, int64_t gates_row, int64_t skip_row,
    int64_t mask_row, int64_t states_row, double scale, int64_t tanh, int64_t reverse,
    int64_t chunked, const int64_t *from, int64_t n_threads);

void KERNEL(gated_scan_forward)(
    io *gates, const real *bias, const real *floor, const int64_t *lengths, const uint8_t *reset,
    const real *initial, real *states, io *output, io *kept, int64_t T, int64_t B, int64_t H,
    int64_t gates_row, int64_t floor_row, int64_t states_row, int64_t cell, int64_t reverse,
    int64_t chunked, const int64_t *from, int64_t n_threads);

void KERNEL(rg_lru_forward)(
    io *gates, const io *skip, const real *bias, const real *rate, const int64_t *lengths,
    const uint8_t *reset, const real *initial, real *states, io *output, io *kept, int64_t T,
    int64_t B, int64_t H, int64_t states_row, int64_t reverse, int64_t chunked,
    const int64_t *from, int64_t n_threads);

#endif
