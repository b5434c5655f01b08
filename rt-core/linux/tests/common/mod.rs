//! What several tests need.
#![allow(dead_code, reason = "each test crate uses its part")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output};

/// Builds an example of this crate and puts a copy where any user may run it.
pub(crate) fn example(name: &str) -> PathBuf {
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--quiet", "--offline", "--package", "rt-linux", "--example", name]);
    build.current_dir(env!("CARGO_MANIFEST_DIR"));
    // target/<profile>/deps/<test> -> target/<profile>
    let test = std::env::current_exe().expect("the test has a path");
    let directory = test.parent().and_then(|deps| deps.parent()).expect("target/<profile>/deps");
    if directory.ends_with("release") {
        build.arg("--release");
    }
    assert!(build.status().expect("cargo runs").success(), "the example builds");
    let copy = std::env::temp_dir().join(format!("rt-linux-{name}-{}", unique()));
    fs::copy(directory.join("examples").join(name), &copy).expect("the example is there");
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).expect("ours to set");
    copy
}

fn unique() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Runs it to its end: exit status, output, errors.
pub(crate) fn run(command: &mut Command) -> (i32, String, String) {
    let Output { status, stdout, stderr } = command.output().expect("the command starts");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (status.code().unwrap_or(-1), text(stdout), text(stderr))
}
