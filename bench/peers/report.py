"""The comparison as people read it: a table a model, a summary, a plot."""

from figures import geometric_mean


def duration(us):
    if us < 1e3:
        return f"{us:.1f} us"
    return f"{us / 1e3:.2f} ms"


def table(rows):
    """Columns padded to one width; the first is text, the others numbers."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        lines.append(("  " + "  ".join(cells)).rstrip())
    return "\n".join(lines)


def match_text(match):
    rows = [["engine", "median", "p99", "load", "peak memory", "ergo is faster", ""]]
    for engine, f in match["engines"].items():
        if "failed" in f:
            rows.append([engine, "-", "-", "-", "-", "-", f["failed"].splitlines()[0][:80]])
            continue
        faster = ""
        if "ergo_is_faster" in f:
            ratio = f["ergo_is_faster"]
            faster = f"{ratio['ratio']:.2f}x ({ratio['low']:.2f} to {ratio['high']:.2f})"
        rows.append(
            [
                f"{engine} {f['version']}".strip(),
                duration(f["median_us"]),
                duration(f["p99_us"]),
                f"{f['load_ms']:.1f} ms",
                f"{f['peak_rss_bytes'] / 2**20:.0f} MiB",
                faster,
                "",
            ]
        )
    threads = match["threads"]
    title = f"{match['model']}, {threads} thread{'s' if threads > 1 else ''}"
    return f"{title}\n{table(rows)}\n"


def best_ratio(match):
    """How many times faster Ergo is than the fastest other engine; None where it has no rival."""
    engines = match["engines"]
    if "median_us" not in engines.get("ergo", {}):
        return None
    ratios = [f["ergo_is_faster"]["ratio"] for f in engines.values() if "ergo_is_faster" in f]
    return min(ratios, default=None)


def summary(matches):
    """For each number of threads: the geometric mean over models against the best of the others."""
    result = []
    for threads in sorted({match["threads"] for match in matches}):
        ratios = {m["model"]: best_ratio(m) for m in matches if m["threads"] == threads}
        counted = {model: ratio for model, ratio in ratios.items() if ratio is not None}
        result.append(
            {
                "threads": threads,
                "models": len(counted),
                "left_out": sorted(set(ratios) - set(counted)),
                "geometric_mean": geometric_mean(counted.values()) if counted else None,
                "worst": min(counted.items(), key=lambda item: item[1], default=None),
            }
        )
    return result


def summary_text(entries):
    lines = []
    for entry in entries:
        if entry["geometric_mean"] is None:
            continue
        model, ratio = entry["worst"]
        lines.append(
            f"{entry['threads']} threads, {entry['models']} models, against the best of them: "
            f"{entry['geometric_mean']:.2f}x (geometric mean), worst {ratio:.2f}x ({model})"
        )
        if entry["left_out"]:
            lines.append(f"  without a figure: {', '.join(entry['left_out'])}")
    return "\n".join(lines)


def plot(document, path):
    """Bars: for each model, how many times faster Ergo is than each other engine."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    matches = [m for m in document["matches"] if best_ratio(m) is not None]
    engines = sorted({e for m in matches for e, f in m["engines"].items() if "ergo_is_faster" in f})
    labels = [f"{m['model']}, {m['threads']} thr." for m in matches]
    figure, axes = pyplot.subplots(figsize=(9, 1.5 + 0.35 * len(labels) * max(1, len(engines))))
    height = 0.8 / max(1, len(engines))
    for i, engine in enumerate(engines):
        for row, match in enumerate(matches):
            figures = match["engines"].get(engine, {})
            if "ergo_is_faster" not in figures:
                continue
            ratio = figures["ergo_is_faster"]
            axes.barh(
                row + (i - (len(engines) - 1) / 2) * height,
                ratio["ratio"],
                height,
                xerr=[[ratio["ratio"] - ratio["low"]], [ratio["high"] - ratio["ratio"]]],
                color=f"C{i}",
                label=engine if row == 0 else None,
            )
    axes.axvline(1, color="black", linewidth=1)
    axes.set_yticks(range(len(labels)), labels)
    axes.invert_yaxis()
    axes.set_xlabel("how many times faster Ergo is (median of rounds, 95 % interval)")
    axes.legend()
    axes.set_title(f"{document['machine']['processor']}, {document['date'][:10]}")
    figure.tight_layout()
    figure.savefig(path)
    pyplot.close(figure)
