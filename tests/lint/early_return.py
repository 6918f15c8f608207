#!/usr/bin/env python3
"""Finds a TRY that would lose what the same expression has already made.

TRY returns out of the middle of an expression. Compilers then destroy the temporaries of a call, but neither the memory of
a `new` whose argument fails nor the earlier members of a braced list whose later one fails: with `{open(a), TRY(open(b))}`
the first descriptor is leaked. Take what can fail first, in a statement of its own.
"""
import pathlib
import re
import sys

TRY = re.compile(r"\bTRY(?:_WITHIN)?\(")
# Comments and texts, whose brackets are nobody's.
NOISE = re.compile(r'//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])\'')
OPENS, CLOSES = "([{", ")]}"


def enclosing(text: str, at: int) -> list[tuple[int, bool]]:
    """The brackets open at `at` within its statement, innermost first, and whether a comma stands between."""
    found, depth, comma = [], 0, False
    for i in range(at - 1, -1, -1):
        c = text[i]
        if c in CLOSES:
            depth += 1
        elif c in OPENS and depth:
            depth -= 1
        elif c in OPENS:
            found.append((i, comma))
            comma = False
        elif depth == 0 and c == ",":
            comma = True
        elif depth == 0 and c == ";":
            break
    return found


def loses(text: str, at: int) -> str | None:
    for open_at, comma in enclosing(text, at):
        before = text[:open_at].rstrip()
        if text[open_at] == "(" and re.search(r"\bnew\s+[\w:]+$", before):
            return "inside new"
        if text[open_at] != "{":
            continue
        # A block, a lambda, a function: another statement begins here.
        if not before or before[-1] in ";{}" or before[-1] == ")" or re.search(r"\b(else|do|const|noexcept|override|mutable)$", before):
            return None
        if re.search(r"->\s*[\w:<>, ]+$", before) or re.search(r"\b(namespace|struct|class|enum|union)\b[^;{}]*$", before):
            return None
        if comma:
            return "after another member of a braced list"
    return None


def main() -> int:
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    bad = 0
    for folder in ("base", "layers", "fs", "builder", "cli"):
        for file in sorted((root / folder).rglob("*")):
            if file.suffix not in (".cc", ".h"):
                continue
            text = NOISE.sub(lambda match: " " * len(match.group()), file.read_text())
            for match in TRY.finditer(text):
                if why := loses(text, match.start()):
                    bad += 1
                    print(f"{file.relative_to(root)}:{text.count(chr(10), 0, match.start()) + 1}: a TRY {why}")
    print(f"{bad} found")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
