//! The same inputs give the same bits: whatever the processor has, and whatever the compiler may use of it. And the observer gives the
//! numbers that an implementation of others gives (`tests/third-party/observer.py`, NumPy).

use std::path::{Path, PathBuf};
use std::process::Command;

/// What `trace bits` prints on every x86-64.
const BITS: &str = "e9dea270e274fc3d";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// `examples/trace`, built with these flags in a directory of its own (the library has no dependencies).
fn built(name: &str, flags: &str) -> PathBuf {
    let target = std::env::temp_dir().join(format!("tactus-bits-{name}-{}", std::process::id()));
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(root()).args([
        "build",
        "--quiet",
        "--offline",
        "--release",
        "-p",
        "twin-lite",
    ]);
    cargo.args(["--example", "trace", "--target-dir"]).arg(&target).env("RUSTFLAGS", flags);
    assert!(cargo.status().expect("cargo runs").success(), "trace does not build with {flags}");
    target
}

/// Removes a directory when it is over.
struct Gone(PathBuf);

impl Drop for Gone {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn says(program: &Path, what: &str, tunables: &str) -> String {
    let mut command = Command::new(program);
    let output = command.arg(what).env("GLIBC_TUNABLES", tunables).output().expect("trace runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

const WITHOUT_FMA: &str = "glibc.cpu.hwcaps=-AVX2,-AVX2_Usable,-FMA,-FMA_Usable,-AVX,-AVX_Usable";

#[test]
fn with_and_without_fma_every_bit_is_the_same() {
    let plain = Gone(built("plain", ""));
    let program = plain.0.join("release/examples/trace");
    for tunables in ["", WITHOUT_FMA] {
        assert_eq!(says(&program, "bits", tunables).trim(), BITS, "{tunables}");
    }
    let has_fma = std::fs::read_to_string("/proc/cpuinfo").is_ok_and(|text| text.contains(" fma"));
    assert!(has_fma, "a processor without FMA proves nothing about it");
    let fused = Gone(built("fma", "-Ctarget-feature=+fma,+avx2,+bmi2"));
    assert_eq!(says(&fused.0.join("release/examples/trace"), "bits", "").trim(), BITS);
}

#[test]
fn the_observer_is_that_of_an_independent_implementation() {
    let python = std::env::var_os("TACTUS_PYTHON").expect("./test sets TACTUS_PYTHON");
    let plain = Gone(built("observer", ""));
    let csv = says(&plain.0.join("release/examples/trace"), "observer", "");
    let file = plain.0.join("observer.csv");
    std::fs::write(&file, csv).expect("written");
    let script = root().join("tests/third-party/observer.py");
    let check = |extra: &[&str]| {
        let output = Command::new(&python).arg(&script).arg(&file).args(extra).output();
        let output = output.expect("python runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.success(), text + &error)
    };
    let (same, text) = check(&[]);
    println!("{text}");
    assert!(same, "{text}");
    // A planted error of a thousandth in one gain is found.
    let (same, text) = check(&["--planted"]);
    assert!(!same && text.contains("differs"), "{text}");
}
