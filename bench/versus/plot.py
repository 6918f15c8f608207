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
    lines({name: [(result["layers"], value) for result in results if (value := report.median(result, name, row))] for name in results[0]["mounts"]},
          f"{row}, seconds over layers ({'rootless' if results[0]['rootless'] else 'root'})", path)


def lines(points, title, path):
    """{name: [(x, y)]}, x on a logarithmic scale, y from 0."""
    points = {name: sorted(line) for name, line in points.items() if line}
    every = [point for line in points.values() for point in line]
    if not every:
        return
    xs, highest = sorted({x for x, _ in every}), max(y for _, y in every)
    top, left, width, height = 50 + 18 * len(points), 70, 520, 260
    drawing = Drawing(left + width + 40, top + height + 50)
    drawing.text(10, 22, title, size=15)
    legend(drawing, list(points), 20, 46)
    x_at = lambda x: left + width * math.log2(x / xs[0]) / max(math.log2(xs[-1] / xs[0]), 1)
    y_at = lambda y: top + height * (1 - y / highest)
    for fraction in (0, 0.25, 0.5, 0.75, 1):
        drawing.line(left, y_at(highest * fraction), left + width, y_at(highest * fraction))
        drawing.text(left - 8, y_at(highest * fraction) + 4, f"{highest * fraction:.2g}", "end")
    for x in xs:
        drawing.text(x_at(x), top + height + 20, f"{x:,}", "middle")
    for colour, line in zip(COLOURS * 2, points.values()):
        for (x1, y1), (x2, y2) in zip(line, line[1:]):
            drawing.line(x_at(x1), y_at(y1), x_at(x2), y_at(y2), colour, 2)
        for x, y in line:
            drawing.dot(x_at(x), y_at(y), colour)
    drawing.save(path)
