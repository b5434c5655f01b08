//! What the tests share: where the repository is, the `tactus` binary, and two hosts joined by a veth pair, and virtual time.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

pub mod hosts;
pub mod random;
pub mod scenario;
pub mod virtual_time;

/// The root of the repository.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ has a parent").to_path_buf()
}

/// The `tactus` binary of the profile that this test was built in; built first if it is not there.
#[must_use]
pub fn tactus() -> PathBuf {
    // Asked for again and again, it is built once: cargo takes its time to find that nothing is to be done.
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(build).clone()
}

fn build() -> PathBuf {
    let test = std::env::current_exe().expect("a test has a path");
    let profile = test.parent().and_then(Path::parent).expect("target/<profile>/deps/<test>");
    let binary = profile.join("tactus");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(root()).args(["build", "--quiet", "-p", "supervisor", "--bin", "tactus"]);
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    assert!(cargo.status().expect("cargo runs").success(), "tactus does not build");
    binary
}

/// A machine file that we ship.
#[must_use]
pub fn machine(name: &str) -> PathBuf {
    root().join("config/machines").join(name)
}

/// An empty directory of this test's own, below the target directory.
#[must_use]
pub fn scratch(test: &str) -> PathBuf {
    let exe = std::env::current_exe().expect("a test has a path");
    let directory = exe.parent().expect("deps").join("scratch").join(test);
    let _ = std::fs::remove_dir_all(&directory);
    std::fs::create_dir_all(&directory).expect("the target directory is writable");
    directory
}

/// Runs `command` to its end and shows what it printed when it fails to start.
#[must_use]
pub fn run(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

/// What a command printed and how it ended, for the message of an assertion.
#[must_use]
pub fn said(output: &Output) -> String {
    format!(
        "exit {:?}\n--- stdout\n{}\n--- stderr\n{}",
        output.status.code(),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Reads a JSON file.
#[must_use]
pub fn json(path: &Path) -> serde_json::Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}\n{text}", path.display()))
}

/// Frames of a capture that pass one of `tshark`'s display filters.
#[must_use]
pub fn dissected(capture: &Path, filter: &str) -> usize {
    let mut command = Command::new("tshark");
    command.arg("-r").arg(capture).args(["-Y", filter, "-T", "fields", "-e", "frame.number"]);
    let output = run(&mut command);
    assert!(output.status.success(), "{}", said(&output));
    output.stdout.iter().filter(|byte| **byte == b'\n').count()
}

/// Frames that are malformed, or in which the dissector found an error.
#[must_use]
pub fn malformed(capture: &Path) -> usize {
    dissected(capture, "_ws.malformed || _ws.expert.severity == error")
}
