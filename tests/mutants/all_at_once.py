#!/usr/bin/env python3
"""Judges every mutant that cargo-mutants proposes, with one build instead of one build each.

cargo-mutants says what to change (`cargo mutants --list --json`). Here every function that is to change gets all of its changed bodies
side by side, and an environment variable chooses one of them when the tests run:

    fn f(..) { match crate::mutant() { 17 => { changed }, 18 => { changed otherwise }, _ => { as written } } }

Without the variable the tests must pass. A mutant is caught when they fail with it: nothing else differs between the two runs. What
cannot stand beside the original (`impl Trait` results, constants) is left to cargo-mutants itself, one build each; what does not
compile is unviable. First come the fast tests of the mutated module, then, only for what they let pass, all tests of `STAGES`.

Exit code: 0 every mutant was caught, timed out or is unviable; 1 some survived; 2 something is wrong with the tests or with this tool.
"""

import argparse
import concurrent.futures
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

CRATE = "rt-core"
VARIABLE = "TACTUS_MUTANT"
FAST_SKIPS = ["whatever_", "::taped::", "it_never_runs_without_a_reset"]
# Of the whole crate, what exercises gate, interlocks and machine.
ALL_TESTS = ["gate::", "interlock::", "machine::", "step::"]
SELECT = f"""
extern crate std;
pub(crate) fn mutant() -> u32 {{
    static CHOSEN: std::sync::OnceLock<u32> = std::sync::OnceLock::new();
    *CHOSEN.get_or_init(|| std::env::var("{VARIABLE}").map_or(0, |n| n.parse().unwrap()))
}}
"""


class Mutant:
    """One change: a span of a file and what stands there instead."""

    def __init__(self, number, listed):
        self.number = number
        self.name = listed["name"]
        self.file = listed["file"]
        self.replacement = listed["replacement"]
        self.span = listed["span"]
        self.function = listed["function"]

    def module(self):
        """The tests that are nearest: `gate::` for rt-core/src/gate/ramp.rs."""
        return Path(self.file).relative_to(f"{CRATE}/src").parts[0].removesuffix(".rs") + "::"


def offset(lines, at):
    """Place in a text of cargo-mutants' line and column, both from 1, columns in characters."""
    return sum(len(line) for line in lines[: at["line"] - 1]) + at["column"] - 1


def body_of(text, start, end, name):
    """Where the braces of the body of the function within start..end open and close; None: not found."""
    last = re.escape(name.split("::")[-1])
    head = re.compile(r"\bfn\s+" + last + r"\b").search(text, start, end)
    if head is None or re.search(r"\bconst\s+fn\b", text[start : head.end()]):
        return None
    opens = text.find("{", head.end(), end)
    if opens < 0 or "impl " in text[head.end() : opens].split("->")[-1] and "->" in text[head.end() : opens]:
        return None
    return (opens, end - 1) if text[end - 1] == "}" else None


def side_by_side(text, mutants):
    """The text with all of its mutants in it, and those that cannot be; text and [(first line, last line, mutant)]."""
    lines = text.splitlines(keepends=True)
    functions, left = {}, []
    for mutant in mutants:
        function = mutant.function
        place = None
        if function is not None:
            start, end = (offset(lines, function["span"][side]) for side in ("start", "end"))
            place = body_of(text, start, end, function["function_name"])
        if place is None:
            left.append(mutant)
        else:
            functions.setdefault(place, []).append(mutant)
    out, done, ranges = [], 0, []
    line = lambda: sum(part.count("\n") for part in out) + 1
    for (opens, closes), changes in sorted(functions.items()):
        if opens < done:
            left += changes
            continue
        out.append(text[done : opens + 1])
        out.append("match crate::mutant() {\n")
        for mutant in changes:
            start, end = (offset(lines, mutant.span[side]) for side in ("start", "end"))
            if not opens < start <= end <= closes:
                left.append(mutant)
                continue
            body = text[opens + 1 : start] + mutant.replacement + " " + text[end:closes]
            first = line()
            out.append(f"{mutant.number} => {{{body}\n}}\n")
            ranges.append((first, line() - 1, mutant))
        out.append("_ => {" + text[opens + 1 : closes] + "\n}}\n}")
        done = closes + 1
    out.append(text[done:])
    return "".join(out), ranges, left


def copy(root, to):
    """The sources of `root`, without what was built from them."""
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(root, to, ignore=shutil.ignore_patterns("target", ".git", "state", "__pycache__"), symlinks=True)
    return to


class Build:
    """A copy of the sources with all mutants in it, and its test binary."""

    def __init__(self, root, work):
        """`root`: sources that nobody edits meanwhile."""
        self.root, self.work = root, work
        self.tree = copy(root, work / "tree")
        self.unviable, self.left = [], []

    def write(self, mutants):
        """Mutants into the copy; where each stands."""
        files, where = {}, {}
        for mutant in mutants:
            files.setdefault(mutant.file, []).append(mutant)
        self.left = []
        for file in {mutant.file for mutant in mutants} | {m.file for m in self.unviable}:
            text, ranges, left = side_by_side((self.root / file).read_text(), files.get(file, []))
            (self.tree / file).write_text(text)
            where[file] = ranges
            self.left += left
        library = f"{CRATE}/src/lib.rs"
        (self.tree / library).write_text((self.root / library).read_text() + SELECT)
        return where

    def cargo(self):
        """Errors as (file, line), and the binary."""
        env = dict(os.environ, CARGO_TARGET_DIR=str(self.work / "target"), RUSTFLAGS="--cap-lints allow", CARGO_INCREMENTAL="1")
        command = ["cargo", "test", "--locked", "--package", CRATE, "--lib", "--no-run", "--message-format", "json", "--quiet"]
        run = subprocess.run(command, cwd=self.tree, env=env, stdout=subprocess.PIPE, text=True, check=False)
        errors, binary = [], None
        for message in map(json.loads, filter(None, run.stdout.splitlines())):
            if message["reason"] == "compiler-artifact" and message["target"]["name"] == CRATE.replace("-", "_"):
                binary = message["executable"] or binary
            if message["reason"] == "compiler-message" and message["message"]["level"] == "error":
                spans = message["message"]["spans"]
                errors += [(span["file_name"], span["line_start"], message["message"]["message"]) for span in spans if span["is_primary"]]
        if run.returncode != 0 and not errors:
            sys.exit("all_at_once: the copy does not build, and the compiler does not say where")
        return errors, binary

    def all(self, mutants):
        """Without what does not compile; the binary."""
        mutants = list(mutants)
        while True:
            where = self.write(mutants)
            errors, binary = self.cargo()
            if not errors:
                return [m for m in mutants if m not in self.left], binary
            blamed = {m for file, at, _ in errors for first, last, m in where.get(file, []) if first <= at <= last}
            if not blamed:
                print(errors, file=sys.stderr)
                sys.exit("all_at_once: an error outside of every mutant")
            self.unviable += blamed
            mutants = [m for m in mutants if m not in blamed]


def run_tests(binary, tree, number, filters, skips, seconds):
    """How the tests end with this mutant, and the processor seconds they took: passed, failed, timeout."""
    command = [binary, "--test-threads", "1", "--quiet", *filters]
    for skip in skips:
        command += ["--skip", skip]
    env = dict(os.environ, RUST_BACKTRACE="0", PROPTEST_MAX_SHRINK_ITERS="0", PROPTEST_FAILURE_PERSISTENCE="off")
    env[VARIABLE] = str(number)
    limits = lambda: resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    with subprocess.Popen(command, cwd=tree / CRATE, env=env, preexec_fn=limits, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as child:
        out = child.stdout.read()
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    used = usage.ru_utime + usage.ru_stime
    passed = re.search(r"^test result: ok\. (\d+) passed", out, re.M)
    if child.returncode == 0 and passed and int(passed.group(1)) > 0:
        return "passed", used, None
    if used >= seconds - 0.5:
        return "timeout", used, None
    failed = re.search(r"^    (\S+)$", out.split("failures:")[-1], re.M)
    return "failed", used, failed.group(1) if failed else f"ended with {child.returncode}"


def stages(module):
    """The fast tests nearby, then everything."""
    return [([module], FAST_SKIPS), (ALL_TESTS, [])]


def judge(mutant, binary, tree, limits):
    """Outcome, processor seconds, the test that caught it."""
    total = 0.0
    for stage, (filters, skips) in enumerate(stages(mutant.module())):
        outcome, used, by = run_tests(binary, tree, mutant.number, filters, skips, limits[mutant.module()][stage])
        total += used
        if outcome != "passed":
            return ("timeout" if outcome == "timeout" else "caught"), total, by
    return "missed", total, None


def baseline(binary, tree, modules):
    """The tests pass without a mutant; processor seconds that a mutant may take in each stage."""
    limits = {}
    for module in modules:
        limits[module] = []
        for filters, skips in stages(module):
            outcome, used, by = run_tests(binary, tree, 0, filters, skips, 600)
            if outcome != "passed":
                sys.exit(f"all_at_once: the tests do not pass without a mutant: {outcome} {by}")
            limits[module].append(int(used * 4) + 3)
    return limits


def one_by_one(root, work, left):
    """What cannot stand side by side: cargo-mutants itself. [(mutant, outcome)]."""
    if not left:
        return []
    out = work / "one-by-one"
    shutil.rmtree(out, ignore_errors=True)
    command = ["cargo", "mutants", "--package", CRATE, "--profile", "mutants", "--baseline", "skip", "--timeout", "300", "--build-timeout", "900",
               "--output", str(out), "--cargo-arg=--lib", "--no-times", "--colors", "never"]
    for mutant in left:
        command += ["--re", f"^{re.escape(mutant.name)}$"]
    command += ["--", "--", *ALL_TESTS]
    env = dict(os.environ, CARGO_INCREMENTAL="1", PROPTEST_MAX_SHRINK_ITERS="0", PROPTEST_FAILURE_PERSISTENCE="off")
    env.pop("CARGO_TARGET_DIR", None)
    run = subprocess.run(command, cwd=root, env=env, check=False)
    if run.returncode not in (0, 2, 3):
        sys.exit(f"all_at_once: cargo mutants ended with {run.returncode}")
    result, names = [], {mutant.name: mutant for mutant in left}
    for outcome in ("caught", "missed", "timeout", "unviable"):
        for name in (out / "mutants.out" / f"{outcome}.txt").read_text().splitlines():
            # `--re` lets changed struct expressions through, whatever it says: those were judged already.
            if name in names:
                result.append((names.pop(name), outcome))
    return result + [(mutant, "not run") for mutant in names.values()]


def listed(root, files):
    command = ["cargo", "mutants", "--list", "--json", "--package", CRATE]
    out = subprocess.run(command, cwd=root, stdout=subprocess.PIPE, text=True, check=True).stdout
    mutants = [Mutant(number, each) for number, each in enumerate(json.loads(out), 1)]
    return [m for m in mutants if not files or any(part in m.file for part in files)]


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--work", type=Path, required=True, help="directory for the copy, its build and the results")
    arguments.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[2], help="the workspace")
    arguments.add_argument("--file", action="append", default=[], help="only files whose path contains this (may be repeated)")
    arguments.add_argument("--re", default="", help="only mutants whose name matches")
    arguments.add_argument("--part", default="0/1", help="k/n: every n-th mutant from the k-th on")
    arguments.add_argument("--jobs", type=int, default=os.cpu_count())
    options = arguments.parse_args()
    work = options.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    root = copy(options.root.resolve(), work / "sources")
    begun = time.monotonic()
    part, parts = map(int, options.part.split("/"))
    mutants = [m for m in listed(root, options.file) if re.search(options.re, m.name)][part::parts]
    if not mutants:
        sys.exit("all_at_once: no mutants: nothing is proved")
    build = Build(root, work)
    beside, binary = build.all(mutants)
    built = time.monotonic()
    limits = baseline(binary, build.tree, sorted({m.module() for m in beside}))
    outcomes = [(m, "unviable", 0.0, None) for m in build.unviable]
    print(f"{len(mutants)} mutants, {len(beside)} side by side, {len(build.left)} one by one; built in {built - begun:.0f} s", flush=True)
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        running = {pool.submit(judge, m, binary, build.tree, limits): m for m in beside}
        for done in concurrent.futures.as_completed(running):
            outcome, used, by = done.result()
            outcomes.append((running[done], outcome, used, by))
            if outcome == "missed":
                print(f"MISSED   {running[done].name}", flush=True)
    left = one_by_one(root, work, build.left)
    for mutant, outcome in left:
        outcomes.append((mutant, outcome, 0.0, None))
        if outcome in ("missed", "not run"):
            print(f"{outcome.upper():8} {mutant.name}", flush=True)
    counts = {kind: sum(o[1] == kind for o in outcomes) for kind in ("caught", "missed", "timeout", "unviable", "not run")}
    results = [dict(name=m.name, outcome=outcome, cpu_s=round(used, 2), by=by) for m, outcome, used, by in sorted(outcomes, key=lambda o: o[0].number)]
    (work / "outcomes.json").write_text(json.dumps(dict(counts=counts, mutants=results), indent=1))
    print(f"{len(outcomes)} mutants: " + ", ".join(f"{count} {kind}" for kind, count in counts.items()) + f"; {time.monotonic() - begun:.0f} s")
    if len(outcomes) != len(mutants):
        sys.exit("all_at_once: a mutant has no outcome")
    return 1 if counts["missed"] or counts["not run"] else 0


if __name__ == "__main__":
    sys.exit(main())
