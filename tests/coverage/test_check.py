"""The test of the coverage check: what it must find is planted in reports of a small tree."""

import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

TOOL = Path(__file__).with_name("check.py")
SOURCE = """pub fn held(speed: i64) -> bool {
    if speed > 2 {
        return false;
    }
    true
}

#[cfg(test)]
mod tests {
    fn nobody_runs_this() {}
}
"""
# The function, and what its `if` guards.
BODY, GUARDED = [1, 1, 6, 2], [2, 18, 4, 6]


def segments(guarded):
    """As llvm-cov writes them: line, column, count, has count, is entry, is gap."""
    return [[1, 1, 5, True, True, False], [2, 18, guarded, True, True, False], [4, 6, 5, True, False, False],
            [6, 2, 0, False, False, False], [10, 5, 0, True, True, False], [10, 29, 0, False, False, False]]


class Check(unittest.TestCase):
    def check(self, guarded=1, file="rt-core/src/gate/limits.rs", exceptions="", regions=True):
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder).resolve()
            source = root / "rt-core/src/gate/limits.rs"
            source.parent.mkdir(parents=True)
            source.write_text(SOURCE)
            path = str(root / file)
            function = {"name": "held", "filenames": [path], "regions": [BODY + [5, 0, 0, 0], GUARDED + [guarded, 0, 0, 0]]}
            data = {"files": [{"filename": path, "segments": segments(guarded)}], "functions": [function] if regions else []}
            (root / "export.json").write_text(json.dumps({"data": [data]}))
            (root / "exceptions.txt").write_text(exceptions)
            command = [sys.executable, TOOL, root / "export.json", "--exceptions", root / "exceptions.txt", "--root", root]
            run = subprocess.run(command, capture_output=True, text=True, check=False)
            return run.returncode, run.stdout + run.stderr

    def test_all_that_ran_is_right_and_test_code_is_not_counted(self):
        code, said = self.check()
        self.assertEqual(code, 0, said)
        self.assertIn("lines    6 of    6   regions    2 of    2", said)

    def test_a_region_and_its_line_that_never_ran_are_found(self):
        code, said = self.check(guarded=0)
        self.assertEqual(code, 1)
        self.assertIn("limits.rs:2:18: this region never ran: { return false; }", said)
        self.assertIn("limits.rs:3: this line never ran", said)

    def test_a_file_that_is_missing_in_the_report_is_found(self):
        code, said = self.check(file="rt-core/src/gate/other.rs")
        self.assertEqual(code, 1)
        self.assertIn("limits.rs: missing in the report", said)

    def test_a_report_without_regions_proves_nothing(self):
        self.assertEqual(self.check(regions=False)[0], 1)

    def test_an_exception_needs_a_reason_and_something_to_except(self):
        known = "rt-core/src/gate/limits.rs | { return false; } | "
        self.assertEqual(self.check(guarded=0, exceptions=known + "speed is at most 2 here\n")[0], 0)
        self.assertEqual(self.check(guarded=0, exceptions=known + "\n")[0], 1)
        code, said = self.check(exceptions=known + "it runs after all\n")
        self.assertEqual(code, 1)
        self.assertIn("fits nothing", said)


if __name__ == "__main__":
    unittest.main()
