#!/usr/bin/env python3
"""Judges `llvm-cov export` of rt-core's tests: every line and every region of the protective modules must have run.

    check.py EXPORT.json [--exceptions FILE] [--root DIR]

Counted are all files of rt-core/src/gate, interlock and machine, without test code. A *region* is what the compiler counts: each arm, each
`?`, each closure. A region that cannot run is an exception with its reason, one a line in the file of exceptions:

    rt-core/src/gate/group.rs | the text of the region, one line | why it cannot run

Exit code: 0 everything ran, or is an exception; 1 a line or region did not run, a file of these modules is missing in the report, an
exception fits nothing (any more) or has no reason.
"""

import argparse
import json
import sys
from pathlib import Path

MODULES = ["rt-core/src/gate", "rt-core/src/interlock", "rt-core/src/machine"]
CODE_REGION = 0


def sources(root):
    """Every file of the modules that is not test code alone."""
    files = sorted(file.relative_to(root).as_posix() for module in MODULES for file in (root / module).rglob("*.rs"))
    return [file for file in files if "/tests" not in file and not file.endswith("block/table.rs")]


def code_lines(text):
    """How many lines come before the tests of a file."""
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if line == "#[cfg(test)]" and lines[number + 1].startswith("mod tests"):
            return number
    return len(lines)


def line_counts(segments, last):
    """LLVM's line coverage: line → how often it ran. A segment: line, column, count, has count, is entry, is gap."""
    by_line = {}
    for segment in segments:
        by_line.setdefault(segment[0], []).append(segment)
    counts, wrapped = {}, None
    for line in range(1, last + 1):
        here = by_line.get(line, [])
        starts = [s for s in here if s[3] and s[4] and not s[5]]
        skipped = bool(here) and not here[0][3] and here[0][4]
        mapped = any(s[3] and s[4] for s in here) or (not skipped and bool(wrapped and wrapped[3]))
        if mapped:
            counts[line] = max([wrapped[2] if wrapped else 0] + [s[2] for s in starts])
        wrapped = here[-1] if here else wrapped
    return counts


def region_counts(export, path):
    """(first line, column, last line, column) → how often it ran, in any instance of its function."""
    counts = {}
    for function in export["functions"]:
        for region in function["regions"]:
            place, count, file, kind = tuple(region[:4]), region[4], region[5], region[7]
            if kind == CODE_REGION and function["filenames"][file] == path:
                counts[place] = max(counts.get(place, 0), count)
    return counts


def text_of(lines, place):
    """What stands in a region, on one line."""
    first, start, last, end = place
    if first == last:
        return lines[first - 1][start - 1 : end - 1].strip()
    parts = [lines[first - 1][start - 1 :], *lines[first : last - 1], lines[last - 1][: end - 1]]
    return " ".join(part.strip() for part in parts)


def read_exceptions(file):
    """{(path, text): reason}."""
    found = {}
    for line in file.read_text().splitlines() if file else []:
        if line and not line.startswith("#"):
            path, rest = line.split(" | ", 1)
            text, _, reason = rest.rpartition(" | ")
            found[(path, text)] = reason.strip()
    return found


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("export", type=Path)
    arguments.add_argument("--exceptions", type=Path)
    arguments.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[2])
    options = arguments.parse_args()
    export = json.loads(options.export.read_text())["data"][0]
    exceptions = read_exceptions(options.exceptions)
    wrong = [f"an exception without a reason: {path}: {text}" for (path, text), why in exceptions.items() if not why]
    used, sums = set(), [0, 0, 0, 0]
    reported = {Path(file["filename"]): file for file in export["files"]}
    for path in sources(options.root):
        absolute = options.root / path
        lines = absolute.read_text().splitlines()
        last = code_lines(absolute.read_text())
        file = reported.get(absolute)
        if file is None:
            if any("fn " in line for line in lines[:last]):
                wrong.append(f"{path}: missing in the report")
            continue
        regions = {p: n for p, n in region_counts(export, str(absolute)).items() if p[0] <= last}
        excused = set()
        for place in [place for place, count in regions.items() if count == 0]:
            if (path, text_of(lines, place)) in exceptions:
                used.add((path, text_of(lines, place)))
                excused |= set(range(place[0], place[2] + 1))
            else:
                wrong.append(f"{path}:{place[0]}:{place[1]}: this region never ran: {text_of(lines, place)}")
        counts = line_counts(file["segments"], last)
        missed = [line for line, count in counts.items() if count == 0]
        wrong += [f"{path}:{line}: this line never ran: {lines[line - 1].strip()}" for line in missed if line not in excused]
        ran = sum(count > 0 for count in regions.values())
        print(f"{path:44} lines {len(counts) - len(missed):4} of {len(counts):4}   regions {ran:4} of {len(regions):4}")
        sums = [a + b for a, b in zip(sums, [len(counts) - len(missed), len(counts), ran, len(regions)])]
    wrong += [f"an exception that fits nothing: {path}: {text}" for path, text in exceptions if (path, text) not in used]
    for line in wrong:
        print(line, file=sys.stderr)
    print(f"{'all':44} lines {sums[0]:4} of {sums[1]:4}   regions {sums[2]:4} of {sums[3]:4}   exceptions {len(used)}")
    if sums[3] == 0:
        sys.exit("nothing was counted")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
