#!/usr/bin/env python3
"""Help texts and manual pages tell of the same options: reads --help of every command, acetate(1) and fuse-overlay(1), which are written by hand,
and acetate-COMMAND(1), which is made of the command table; and man reads all of them without a warning.

usage: manpages.py SOURCE-ROOT MADE-PAGES ACETATE FUSE-OVERLAY
"""
import os
import pathlib
import re
import subprocess
import sys

OPTION = re.compile(r"(?<![\w-])(--[a-z][a-z-]*|-[a-zA-Z])(?![\w-])")


def help_of(*command: str) -> str:
    return subprocess.run([*command, "--help"], capture_output=True, text=True, check=True).stdout


def text_of(page: pathlib.Path) -> str:
    text = re.sub(r"\\f[BIRP]|\\&|\\:", "", page.read_text())
    return text.replace("\\-", "-").replace("\\(aq", "'").replace("\\(dq", '"')


def warnings_of(page: pathlib.Path) -> list[str]:
    ran = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", str(page)], capture_output=True, text=True,
                         env={**os.environ, "LC_ALL": "C.UTF-8", "MANROFFSEQ": "", "MANWIDTH": "80", "MAN_KEEP_STDERR": "1"})
    return [f"man {page.name}: {line}" for line in ran.stderr.splitlines()] or ([] if ran.returncode == 0 else [f"man {page.name}: exit code {ran.returncode}"])


def has_man() -> bool:
    # Small images have a shell script of this name that says that there are no pages.
    try:
        return subprocess.run(["man", "--version"], capture_output=True, text=True, check=False).stdout.startswith("man ")
    except FileNotFoundError:
        return False


def main() -> int:
    root, made, acetate, overlay = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3], sys.argv[4]
    by_hand = [root / "docs/man/acetate.1", root / "docs/man/fuse-overlay.1"]
    page = text_of(by_hand[0])
    told = set(OPTION.findall(page))
    sections = dict(re.findall(r"^\.SH ([A-Z-]+)\n(.*?)(?=^\.SH |\Z)", page, re.M | re.S))
    top = help_of(acetate)
    commands = re.findall(r"^  ([a-z-]+)[ ,]", top.split("Subcommands:")[1], re.M)
    known, wrong = set(OPTION.findall(top)), []
    for command in commands:
        help_text = help_of(acetate, command)
        lines = [line.strip() for line in help_text.splitlines() if line.startswith("  -")]
        options = set(OPTION.findall("\n".join(line.split("  ")[0] for line in lines)))
        known |= set(OPTION.findall("\n".join(lines)))  # what an option says may name those of a Dockerfile
        # Its own section tells of them, or a command's that this one names, or the description of all commands.
        if command.upper() not in sections:
            wrong.append(f"acetate(1) has no section for '{command}'")
            continue
        own = sections[command.upper()]
        others = [sections.get(name.upper(), "") for name in re.findall(r"^\.BR? \"?([a-z-]+)", own, re.M)]
        told_here = set(OPTION.findall("\n".join([own, sections["DESCRIPTION"], *others])))
        wrong += [f"acetate(1), {command.upper()} does not tell of {option}" for option in sorted(options - told_here)]
        if f"acetate-{command} (1)" not in page:
            wrong.append(f"acetate(1) does not name acetate-{command}(1)")

        one = text_of(made / f"acetate-{command}.1")
        its = set(OPTION.findall("\n".join(re.findall(r"^\.TP\n(-.*)\n", one, re.M))))
        wrong += [f"acetate-{command}(1) tells of {option} and --help does not, or the other way" for option in sorted(its ^ options)]
        if help_text.splitlines()[0] not in one:
            wrong.append(f"acetate-{command}(1) does not say what the command does")
    wrong += [f"acetate(1) tells of {option}, which no command has" for option in sorted(told - known) if option.startswith("--")]
    pages = sorted(made.glob("acetate-*.1"))
    wrong += [f"{stray.name} is of no command" for stray in pages if stray.stem.removeprefix("acetate-") not in commands]

    page = text_of(by_hand[1])
    for option in re.findall(r"-o ([a-z_]+)[=A-Z ,]", help_of(overlay)):
        if not re.search(rf"\b{option}\b", page):
            wrong.append(f"fuse-overlay(1) does not tell of -o {option}")
    if has_man():
        wrong += [warning for each in by_hand + pages for warning in warnings_of(each)]
    else:
        print("man is not installed: nobody has read the pages as it does")
    print("\n".join(wrong) or f"{len(commands)} commands, {len(known)} options, {len(pages)} pages: help and manual agree")
    return 1 if wrong or not commands else 0


if __name__ == "__main__":
    sys.exit(main())
