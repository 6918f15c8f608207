#!/usr/bin/env python3
"""Adds up Meson's JUnit files: every skip with its reason, every failure by name, and one closing line."""
import json
import pathlib
import re
import sys
import xml.etree.ElementTree as ET


def reason_of(case: ET.Element) -> str:
    """What googletest gave as the reason; or the last line that a skipped program (exit 77) printed."""
    skip = case.find("skipped")
    said = [line for line in (case.findtext("system-out") or "").splitlines() if line.strip()]
    return skip.get("message") or (skip.text or "").strip() or (said[-1] if said else "no reason given")


def broken_programs(log: pathlib.Path) -> dict[str, list[str]]:
    """Programs that Meson calls failed, with what they said of it: one that crashed leaves no test case to be counted."""
    tests = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    return {test["name"]: complaints(test) for test in tests if test["result"] not in ("OK", "SKIP", "EXPECTEDFAIL")}


def complaints(test: dict) -> list[str]:
    """The lines that name a failed check, or the last ones of a program that ended before it could."""
    lines = (test.get("stdout", "") + test.get("stderr", "")).splitlines()
    named = [line for line in lines if re.match(r"FAIL |.*: Failure$|.*ERROR: \w+Sanitizer|\[  FAILED  \] \w+\.", line)]
    return [line[:300] for line in (named or lines[-5:])[:12]]


def main() -> int:
    passed = failed = skipped = 0
    said: list[str] = []
    for file in map(pathlib.Path, sys.argv[1:]):
        suite_name = file.name.removesuffix(".junit.xml")
        failed_before = failed
        for suite in ET.parse(file).getroot().iter("testsuite"):
            for case in suite.iter("testcase"):
                name = f'{suite_name}: {suite.get("name")}.{case.get("name")}'
                if case.find("failure") is not None or case.find("error") is not None:
                    failed += 1
                    print(f"FAILED  {name}")
                elif case.find("skipped") is not None:
                    skipped += 1
                    print(f"SKIPPED {name}: {reason_of(case)}")
                else:
                    passed += 1
        broken = broken_programs(file.with_name(f"{suite_name}.json"))
        if failed - failed_before < len(broken):
            print(f"FAILED  {suite_name}: {', '.join(broken)}")
            failed = failed_before + len(broken)
        said += [f"  {name}: {line}" for name, lines in broken.items() for line in lines]
    # Last, so that whoever sees only the end of a log sees why.
    for line in said:
        print(line)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
