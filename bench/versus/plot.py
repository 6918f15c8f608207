"""Figures as SVG, without any library: ratios of one table as points on a logarithmic scale, and a row over the layers."""
import math
from xml.sax.saxutils import escape

import report

COLOURS = ("#222222", "#999999", "#b4501e", "#d9a441", "#1f6f8b", "#2f9e77", "#7a4fa3", "#c23b75")


class Drawing:
    def __init__(self, width, height):
        self.size, self.parts = (width, height), []

    def text(self, x, y, words, anchor="start", size=12):
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}">{escape(words)}</text>')

    def line(self, x1, y1, x2, y2, colour="#dddddd", width=1.0):
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" stroke-width="{width}"/>')

    def dot(self, x, y, colour):
        self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>')

    def save(self, path):
        with open(path, "w") as file:
            file.write(f'<svg xmlns="http://www.w3.org/2000/svg" width="{self.size[0]}" height="{self.size[1]}" font-family="sans-serif">'
                       f'<rect width="100%" height="100%" fill="white"/>{"".join(self.parts)}</svg>\n')


def legend(drawing, names, x, y):
    for i, name in enumerate(names):
        drawing.dot(x, y + 18 * i - 4, COLOURS[i % len(COLOURS)])
        drawing.text(x + 10, y + 18 * i, name)


def ratios(result, title, path):
    rows = [row for row in report.rows_of(result) if report.median(result, result["mounts"][0], row)]
    names = result["mounts"]
    left, top, width = 320, 50 + 18 * len(names), 520
    drawing = Drawing(left + width + 30, top + 20 * len(rows) + 40)
    drawing.text(10, 22, title, size=15)
    legend(drawing, names, 20, 46)
    values = [r for name in names for row in rows if (r := report.ratio(result, name, row))]
    low, high = math.floor(math.log2(min(values))), math.ceil(math.log2(max(values)))
    at = lambda value: left + width * (math.log2(value) - low) / max(high - low, 1)
    for power in range(low, high + 1):
        drawing.line(at(2.0**power), top, at(2.0**power), top + 20 * len(rows), "#888888" if power == 0 else "#dddddd")
        drawing.text(at(2.0**power), top + 20 * len(rows) + 18, f"{2.0**power:g}", "middle")
    for i, row in enumerate(rows):
        y = top + 20 * i + 12
        drawing.text(left - 10, y + 4, row, "end")
        for number, name in enumerate(names):
            if value := report.ratio(result, name, row):
                drawing.dot(at(value), y, COLOURS[number % len(COLOURS)])
    drawing.save(path)


def over_layers(results, row, path):
    """One line a mount, over results that differ in their number of layers."""
    results = sorted(results, key=lambda result: result["layers"])
    names = [name for name in results[0]["mounts"] if any(report.median(result, name, row) for result in results)]
    points = {name: [(result["layers"], value) for result in results if (value := report.median(result, name, row))] for name in names}
    values = [value for line in points.values() for _, value in line]
    if not values:
        return
    top, left, width, height = 50 + 18 * len(names), 70, 520, 260
    drawing = Drawing(left + width + 40, top + height + 50)
    drawing.text(10, 22, f"{row}, seconds over layers ({'rootless' if results[0]['rootless'] else 'root'})", size=15)
    legend(drawing, names, 20, 46)
    x = lambda layers: left + width * math.log2(layers) / max(math.log2(results[-1]["layers"]), 1)
    y = lambda value: top + height * (1 - value / max(values))
    for fraction in (0, 0.25, 0.5, 0.75, 1):
        drawing.line(left, y(max(values) * fraction), left + width, y(max(values) * fraction))
        drawing.text(left - 8, y(max(values) * fraction) + 4, f"{max(values) * fraction:.2g}", "end")
    for result in results:
        drawing.text(x(result["layers"]), top + height + 20, str(result["layers"]), "middle")
    for name, line in points.items():
        colour = COLOURS[names.index(name) % len(COLOURS)]
        for (x1, y1), (x2, y2) in zip(line, line[1:]):
            drawing.line(x(x1), y(y1), x(x2), y(y2), colour, 2)
        for layers, value in line:
            drawing.dot(x(layers), y(value), colour)
    drawing.save(path)
