//! Features unify over a workspace: whoever enables `ethercrab/std` anywhere brings its threads, timers and allocations into the cycle.

use std::process::Command;

#[test]
fn nobody_in_the_workspace_enables_std_in_ethercrab() {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--workspace", "--edges", "normal,build,dev,features"])
        .args(["--invert", "ethercrab", "--manifest-path", manifest])
        .output()
        .unwrap();
    let tree = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && tree.contains("ethercrab v0.7"), "{tree}");
    for feature in ["std", "default", "io-uring", "xdp"] {
        let enabled = format!("ethercrab feature \"{feature}\"");
        assert!(!tree.contains(&enabled), "somebody enables {enabled}:\n{tree}");
    }
}
