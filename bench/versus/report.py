"""Figures as a table: medians, spread, ratios to the first mount, and the geometric mean of the ratios."""
import statistics


def rows_of(result):
    rows = []
    for mount in result["mounts"]:
        rows += [row for row in result["seconds"][mount] if row not in rows]
    return rows


def median(result, mount, row):
    runs = result["seconds"][mount].get(row, [])
    return statistics.median(runs) if runs else None


def ratio(result, mount, row):
    base, own = median(result, result["mounts"][0], row), median(result, mount, row)
    return own / base if base and own else None


# No share of a ratio: a mount is made once, and a plain directory has none.
UNSHARED = ("mount",)


def geometric_mean(result, mount, rows=None):
    ratios = [r for row in rows or rows_of(result) if row not in UNSHARED and (r := ratio(result, mount, row))]
    return statistics.geometric_mean(ratios) if ratios else None


def markdown(result):
    first, *others = result["mounts"]
    lines = [f"{result['layers']} layers, {'rootless' if result['rootless'] else 'root'}, {result['rounds']} rounds. "
             f"Median seconds (smallest-largest as multiples of it); **ratio to {first}**.", "",
             "| | " + " | ".join(result["mounts"]) + " |", "|---" * (len(others) + 2) + "|"]
    for row in rows_of(result):
        cells = []
        for mount in result["mounts"]:
            own, runs = median(result, mount, row), result["seconds"][mount].get(row)
            if not own:
                cells.append("-")
                continue
            cell = f"{own:.3g} ({min(runs) / own:.1f}-{max(runs) / own:.1f})"
            times = ratio(result, mount, row)
            cells.append(cell + (f" **{times:.2f}**" if mount != first and times else ""))
        lines.append(f"| {row} | " + " | ".join(cells) + " |")
    means = [geometric_mean(result, mount) for mount in others]
    lines.append("| geometric mean of the ratios | | " + " | ".join(f"**{mean:.2f}**" if mean else "-" for mean in means) + " |")
    for what, name, unit in (("resident_kib", "resident after a walk, MiB", 1024), ("descriptors", "descriptors after a walk", 1)):
        values = [[memory[what] for memory in result["memory"][mount] if memory] for mount in result["mounts"]]
        lines.append(f"| {name} | " + " | ".join(f"{statistics.median(v) / unit:.4g}" if v else "-" for v in values) + " |")
    return "\n".join(lines)
