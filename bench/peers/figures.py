"""From the samples of interleaved rounds to figures: medians, ratios and their intervals."""

import numpy as np

BOOTSTRAP_DRAWS = 2000


def percentile_us(samples_ns, percent):
    return float(np.percentile(np.asarray(samples_ns, dtype=np.float64), percent)) / 1e3


def engine_figures(rounds_ns):
    """`rounds_ns`: one array of samples a round."""
    samples = np.concatenate([np.asarray(r, dtype=np.float64) for r in rounds_ns])
    return {
        "median_us": percentile_us(samples, 50),
        "p99_us": percentile_us(samples, 99),
        "min_us": float(samples.min()) / 1e3,
        "samples": int(samples.size),
    }


def paired_ratio(peer_rounds_ns, own_rounds_ns, seed=1):
    """How many times faster the own engine is: the median over rounds of the ratio of the rounds'
    medians, with its 95 % interval by bootstrap over rounds. Both stood in the same rounds, so what
    slowed a round down slowed both."""
    ratios = np.array(
        [np.median(peer) / np.median(own) for peer, own in zip(peer_rounds_ns, own_rounds_ns)]
    )
    draws = np.random.default_rng(seed).choice(ratios, (BOOTSTRAP_DRAWS, ratios.size))
    low, high = np.percentile(np.median(draws, axis=1), [2.5, 97.5])
    return {"ratio": float(np.median(ratios)), "low": float(low), "high": float(high)}


def geometric_mean(values):
    values = np.asarray(list(values), dtype=np.float64)
    return float(np.exp(np.log(values).mean())) if values.size else float("nan")


def worst_difference(expected, actual, rtol, atol):
    """By how many times its bound |actual - expected| <= atol + rtol * |expected| is missed at the
    worst element; at most 1 means agreement. Infinite for other shapes, and where only one side is
    not a number."""
    expected, actual = np.asarray(expected), np.asarray(actual)
    if expected.shape != actual.shape:
        return float("inf")
    if expected.size == 0:
        return 0.0
    wide_expected, wide_actual = expected.astype(np.float64), actual.astype(np.float64)
    if (np.isfinite(wide_expected) != np.isfinite(wide_actual)).any():
        return float("inf")
    finite = np.isfinite(wide_expected)
    if (wide_expected[~finite] != wide_actual[~finite]).any():
        both_nan = np.isnan(wide_expected[~finite]) & np.isnan(wide_actual[~finite])
        if not both_nan.all():
            return float("inf")
    bound = atol + rtol * np.abs(wide_expected[finite])
    missed = np.abs(wide_actual[finite] - wide_expected[finite]) / bound
    return float(missed.max(initial=0.0))
