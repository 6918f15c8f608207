"""Figures as a table: medians, spread, ratios to the first mount, the geometric mean of the ratios, and what is said against ours."""
import statistics

import mounts


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


# What rows are held to: so many times the floor, and no slower than the best of the others. The floor copies nothing up.
OURS, PEERS, SLACK, NO_FLOOR = "fuse-overlay", "fuse-overlayfs", 1.15, ("copy-up", "mv ")


def against(result):
    """Lines: in which rows ours takes more than it may, and how much more."""
    lines = []
    peers = [mount for mount in result["mounts"] if mount.startswith(PEERS)]
    for title, others, slack in ((f"{SLACK} times the {mounts.FLOOR}", [mounts.FLOOR], SLACK), ("the best fuse-overlayfs", peers, 1.0)):
        rows = []
        for row in rows_of(result):
            own, best = median(result, OURS, row) if OURS in result["mounts"] else None, [
                value for mount in others if mount in result["mounts"] and (value := median(result, mount, row))]
            if own and best and row not in UNSHARED and not (others == [mounts.FLOOR] and row.startswith(NO_FLOOR)) and own > slack * min(best):
                rows.append(f"{row} ({own / min(best):.2f})")
        if any(mount in result["mounts"] for mount in others):
            lines.append(f"{OURS} is slower than {title} in: {'; '.join(rows) or 'no row'}.")
    return lines


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
    for line in against(result):
        lines += ["", line]
    return "\n".join(lines)
