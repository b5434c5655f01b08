//! What several tests need.
#![allow(dead_code, reason = "each test crate uses its part")]

pub(crate) mod rights;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::Mutex;

/// Builds an example of this crate.
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
    directory.join("examples").join(name)
}

/// Copies to be removed when the test ends.
static COPIES: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// As [`example`], in a place from which any user may run it; gone when the test ends.
pub(crate) fn example_for_all(name: &str) -> PathBuf {
    extern "C" fn remove_copies() {
        for copy in COPIES.lock().iter().flat_map(|copies| copies.iter()) {
            let _ = fs::remove_file(copy);
        }
    }
    let copy = std::env::temp_dir().join(format!("rt-linux-{name}-{}", std::process::id()));
    fs::copy(example(name), &copy).expect("the example is there");
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).expect("ours to set");
    COPIES.lock().expect("no test panics with it").push(copy.clone());
    // SAFETY: the handler is a plain function of this program and touches only a static.
    assert_eq!(unsafe { libc::atexit(remove_copies) }, 0);
    copy
}

/// Runs it to its end: exit status (128 + signal, as in a shell), output, errors.
pub(crate) fn run(command: &mut Command) -> (i32, String, String) {
    let Output { status, stdout, stderr } = command.output().expect("the command starts");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let ended = status.code().or(status.signal().map(|signal| 128 + signal)).unwrap_or(-1);
    (ended, text(stdout), text(stderr))
}
