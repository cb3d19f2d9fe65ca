#!/usr/bin/env python3
"""Writes range_oracle.h: NumPy's answers to what engine/quantize/range.h computes.

The entropy threshold is found as the GTC 2017 slides tell it, by NumPy's own histogram and sums.
"""

import pathlib

import numpy as np

BINS = 2048
STEP = 4


def values(kind, count=4000):
    """The same numbers as Draw() in range_test.cc: a linear congruence, then shaped."""
    state, out = 12345, []
    for _ in range(count):
        state = (state * 1103515245 + 12345) % 2**31
        out.append(np.float32(state / 2**31))
    u = np.array(out, np.float32)
    if kind == "skewed":  # long tail, none negative
        return (u**8 * np.float32(10)).astype(np.float32)
    if kind == "outliers":  # all but a few near 0
        return ((u - np.float32(0.5)) * np.where(u > np.float32(0.998), 20, 1)).astype(np.float32)
    return ((u - np.float32(0.25)) * np.float32(8) * u * u).astype(np.float32)


def smooth(counts, eps=1e-4):
    zero = counts == 0
    if zero.all() or not zero.any():
        return counts
    return np.where(zero, eps, counts - eps * zero.sum() / (~zero).sum())


def entropy_threshold(x):
    magnitudes = np.abs(x.astype(np.float64))
    counts, edges = np.histogram(magnitudes, BINS, (0, magnitudes.max()))
    levels = 255 if x.min() >= 0 else 128
    best = (np.inf, BINS)
    for n in range(BINS, levels - 1, -STEP):
        p = counts[:n].astype(np.float64)
        p[-1] += counts[n:].sum()
        q = np.zeros(n)
        for level in range(levels):
            part = slice(n * level // levels, n * (level + 1) // levels)
            filled = counts[part] != 0
            if filled.any():
                q[part] = filled * counts[part].sum() / filled.sum()
        p, q = smooth(p), smooth(q)
        p, q = p / p.sum(), q / q.sum()
        used = p > 0
        divergence = (p[used] * np.log(p[used] / q[used])).sum()
        if divergence < best[0]:
            best = (divergence, n)
    return edges[best[1]]


def main():
    rows = []
    for kind in ["skewed", "signed", "outliers"]:
        x = values(kind)
        low, high = np.percentile(x.astype(np.float64), [1, 99])
        rows.append(
            f'    {{"{kind}", {x.min():.9g}, {x.max():.9g}, {low:.9g}, {high:.9g}, '
            f"{entropy_threshold(x):.9g}}},"
        )
    text = f"""// Written by make_range_oracle.py with NumPy. Do not edit.
#ifndef ERGO_TESTS_ENGINE_QUANTIZE_RANGE_ORACLE_H_
#define ERGO_TESTS_ENGINE_QUANTIZE_RANGE_ORACLE_H_

namespace ergo::testing {{

struct RangeOracle {{
  const char* kind;
  double min, max;
  double percentile_1, percentile_99;
  double entropy_threshold;
}};

inline constexpr RangeOracle kRangeOracles[] = {{
{chr(10).join(rows)}
}};

}}  // namespace ergo::testing

#endif  // ERGO_TESTS_ENGINE_QUANTIZE_RANGE_ORACLE_H_
"""
    pathlib.Path(__file__).with_name("range_oracle.h").write_text(text)


if __name__ == "__main__":
    main()
