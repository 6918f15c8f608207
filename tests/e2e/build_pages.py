#!/usr/bin/env python3
"""The pages of `acetate build --graph` and `acetate explore --html` as a person meets them in a browser: nothing is loaded, nothing complained of, nothing sticks out, and what is
to be clicked does what it says.

usage: build_pages.py GRAPH.html EXPLORE.html [DIRECTORY-FOR-PICTURES]
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from browser import Browser

failures = 0


def check(what: str, is_so: bool, said="") -> None:
    global failures
    failures += not is_so
    print(f"ok   {what}" if is_so else f"FAIL {what}: {said}")


def main() -> None:
    graph, explore = (os.path.abspath(path) for path in sys.argv[1:3])
    pictures = sys.argv[3] if len(sys.argv) > 3 else ""
    with Browser() as browser:
        for width in (1200, 400):
            for name, path in (("graph", graph), ("explore", explore)):
                page = browser.open("file://" + path, width)
                check(f"{name} at {width}: nothing else is loaded", browser.requests() == ["file://" + path], browser.requests())
                check(f"{name} at {width}: nothing is complained of", not browser.complaints(), browser.complaints())
                if name == "explore":
                    page.value("document.querySelectorAll('details').forEach(d => d.open = true)")
                wide = page.value("[...document.body.querySelectorAll('*')].filter(e => !e.closest('svg') && e.getBoundingClientRect().right > innerWidth + 1).map(e => e.tagName + ':' + e.textContent.slice(0, 40))")
                check(f"{name} at {width}: nothing sticks out", not wide, wide)
                if pictures:
                    page.picture(f"{pictures}/{name}-{width}.png")
        page = browser.open("file://" + graph)
        check("graph: not in quirks mode", page.value("document.compatMode") == "CSS1Compat")
        check("graph: each stage has a box and a table", page.value("document.querySelectorAll('svg rect').length") == page.value("document.querySelectorAll('h2').length") > 2)
        over = page.value("[...document.querySelectorAll('svg a')].filter(a => [...a.querySelectorAll('text')].some(t => t.getBBox().width > a.querySelector('rect').getBBox().width - 12)).map(a => a.textContent)")
        check("graph: names fit into their boxes", not over, over)
        covered = page.value("(() => { const r = [...document.querySelectorAll('svg rect')].map(e => e.getBBox()); return r.filter((a, n) => r.some((b, m) => m > n && a.x < b.x + b.width && b.x < a.x + a.width"
                             " && a.y < b.y + b.height && b.y < a.y + a.height)).length; })()")
        check("graph: no box covers another", covered == 0, covered)
        check("graph: lines lead from left to right", page.value("[...document.querySelectorAll('svg path')].every(p => p.getPointAtLength(0).x < p.getPointAtLength(p.getTotalLength()).x)"))
        page.click("svg a:last-of-type rect")
        check("graph: a box leads to its stage", page.value("location.hash !== '' && document.querySelector(location.hash).getBoundingClientRect().top < innerHeight"), page.value("location.hash"))
        bars = page.value("[...document.querySelectorAll('.time i')].filter(i => i.getBoundingClientRect().width < 1 || i.getBoundingClientRect().right > i.parentElement.getBoundingClientRect().right + 2).length")
        check("graph: times are drawn within their place", bars == 0 and page.value("document.querySelectorAll('.time i').length") > 0, bars)
        check("graph: what is markup in a command is text here", page.value("document.body.textContent.includes('<b>&amp;') && !document.querySelector('td code b')"))

        page = browser.open("file://" + explore)
        check("explore: layers are closed at first", page.value("[...document.querySelectorAll('details')].every(d => !d.open)"))
        page.click("details:last-of-type summary")
        check("explore: and open by a click", page.value("document.querySelector('details:last-of-type').open && document.querySelector('details:last-of-type table').getBoundingClientRect().height > 0"))
        check("explore: bars are as long as they say", page.value("[...document.querySelectorAll('.bar')].every(b => [...b.children].reduce((s, c) => s + c.getBoundingClientRect().width, 0) <= b.getBoundingClientRect().width + 1)"))
        removed = page.value("[...document.querySelectorAll('tr.removed')].map(r => r.lastElementChild.textContent.trim())")
        check("explore: what was removed is told", "/dropped" in removed, removed)
        check("explore: a name that is markup is text here", page.value("document.body.textContent.includes('/a<i>b') && !document.querySelector('td i')"))
    print(f"{failures} failed")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
