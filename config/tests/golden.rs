//! What people read, to the letter. `UPDATE_GOLDEN=1 cargo test -p config` writes the files anew: look at the difference.

use std::path::PathBuf;

use config::Style;

const DEMO: &str = include_str!("../machines/demo-cell.toml");

fn wrong() -> config::Diagnostics {
    let text = DEMO
        .replacen("period = \"1 ms\"", "perod = \"1 ms\"", 1)
        .replacen("drive = \"drive_z\"", "drive = \"drive_zz\"", 1)
        .replacen("quick_stop = \"8 m/s2\"", "quick_stop = 8", 1)
        .replacen("signal = \"lamp_running\"", "signal = \"gripper\"", 1);
    config::load(&text, "cell.toml").expect_err("it is wrong")
}

fn same(name: &str, text: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    assert_eq!(text, std::fs::read_to_string(&path).unwrap(), "{name}");
}

#[test]
fn plain() {
    same("plain.txt", &wrong().render(Style::Plain, 100));
}

#[test]
fn graphical() {
    same("graphical.txt", &wrong().render(Style::Graphical, 100));
}

#[test]
fn json() {
    let text = wrong().to_json();
    let parsed: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(parsed["problems"].as_array().unwrap().len(), wrong().problems().len());
    same("problems.json", &text);
}
