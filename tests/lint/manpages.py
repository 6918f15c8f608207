#!/usr/bin/env python3
"""Help text and manual pages name the same options: reads --help of every command and both pages.

usage: manpages.py SOURCE-ROOT ACETATE FUSE-OVERLAY
"""
import pathlib
import re
import subprocess
import sys

OPTION = re.compile(r"(?<![\w-])(--[a-z][a-z-]*)")


def help_of(*command: str) -> str:
    return subprocess.run([*command, "--help"], capture_output=True, text=True, check=True).stdout


def main() -> int:
    root, acetate, overlay = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    page = (root / "docs/man/acetate.1").read_text().replace("\\-", "-")
    told = set(OPTION.findall(page))
    top = help_of(acetate)
    commands = re.findall(r"^  ([a-z-]+)[ ,]", top.split("Subcommands:")[1], re.M)
    known, wrong = set(OPTION.findall(top)), []
    for command in commands:
        options = set(OPTION.findall("\n".join(l for l in help_of(acetate, command).splitlines() if l.startswith("  -"))))
        known |= options
        if f".SH {command.upper()}" not in page:
            wrong.append(f"acetate(1) has no section for '{command}'")
        wrong += [f"acetate(1) does not tell of '{command} {option}'" for option in sorted(options - told)]
    wrong += [f"acetate(1) tells of {option}, which no command has" for option in sorted(told - known)]

    page = (root / "docs/man/fuse-overlay.1").read_text().replace("\\-", "-")
    for option in re.findall(r"-o ([a-z_]+)[=A-Z ,]", help_of(overlay)):
        if not re.search(rf"\b{option}\b", page):
            wrong.append(f"fuse-overlay(1) does not tell of -o {option}")
    print("\n".join(wrong) or f"{len(commands)} commands, {len(known)} options: help and manual agree")
    return 1 if wrong or not commands else 0


if __name__ == "__main__":
    sys.exit(main())
