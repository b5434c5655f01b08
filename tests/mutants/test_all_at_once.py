"""The test of the mutation test: a small crate with one rule that is tested and one that is not."""

import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

TOOL = Path(__file__).with_name("all_at_once.py")
MANIFEST = """[package]
name = "rt-core"
version = "0.0.0"
edition = "2024"

[workspace]

[profile.mutants]
inherits = "dev"
"""
LOCK = """version = 4

[[package]]
name = "rt-core"
version = "0.0.0"
"""
GATE = """
//! é: columns are characters, not bytes.
pub fn held(speed: i64, limit: i64) -> bool {
    /* é */ speed <= limit
}

pub fn untested(speed: i64) -> bool {
    speed > 0
}

pub fn counted(to: u32) -> u32 {
    let mut n = 0;
    while n < to {
        n += 1;
    }
    n
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_itself_holds() {
        assert!(held(1, 2) && held(2, 2) && !held(3, 2));
    }

    #[test]
    fn it_is_called_and_nobody_looks() {
        untested(1);
    }

    #[test]
    fn it_counts() {
        assert_eq!(counted(3), 3);
    }
}
"""


class AllAtOnce(unittest.TestCase):
    def run_on(self, gate):
        with tempfile.TemporaryDirectory() as folder:
            # As in the workspace: the crate lies below the root.
            crate = Path(folder) / "root" / "rt-core"
            (crate / "src").mkdir(parents=True)
            (crate / "src/lib.rs").write_text("pub mod gate;\n")
            (crate / "src/gate.rs").write_text(gate)
            (crate.parent / "Cargo.toml").write_text('[workspace]\nmembers = ["rt-core"]\nresolver = "3"\n')
            (crate.parent / "Cargo.lock").write_text(LOCK)
            (crate / "Cargo.toml").write_text(MANIFEST.replace("[workspace]\n\n", "").split("[profile")[0])
            work = Path(folder) / "work"
            run = subprocess.run([sys.executable, TOOL, "--root", crate.parent, "--work", work], capture_output=True, text=True, check=False)
            outcomes = work / "outcomes.json"
            return run, json.loads(outcomes.read_text()) if outcomes.exists() else None

    def test_what_no_test_looks_at_survives_and_the_rest_is_caught(self):
        run, found = self.run_on(GATE)
        self.assertEqual(run.returncode, 1, run.stderr)
        outcomes = {}
        for mutant in found["mutants"]:
            outcomes.setdefault(mutant["name"].split(" in ")[-1].split(" -> ")[0].split()[-1], []).append(mutant)
        self.assertEqual({m["outcome"] for m in outcomes["untested"]}, {"missed"})
        self.assertEqual({m["outcome"] for m in outcomes["held"]}, {"caught"})
        self.assertEqual({m["by"] for m in outcomes["held"]}, {"gate::tests::the_limit_itself_holds"})
        self.assertIn("timeout", {m["outcome"] for m in outcomes["counted"]})
        self.assertEqual(sum(found["counts"].values()), len(found["mutants"]))

    def test_without_survivors_it_ends_with_0(self):
        run, found = self.run_on(GATE.replace("        untested(1);", "        assert!(untested(1) && !untested(0) && !untested(-1));"))
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        self.assertEqual(found["counts"]["missed"], 0)

    def test_tests_that_fail_by_themselves_prove_nothing(self):
        run, found = self.run_on(GATE.replace("counted(3), 3", "counted(3), 4"))
        self.assertNotEqual(run.returncode, 0)
        self.assertIn("do not pass without a mutant", run.stderr)
        self.assertIsNone(found)


if __name__ == "__main__":
    unittest.main()
