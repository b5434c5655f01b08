//! `tactus twin evaluate` and `export`: a planted fault is found in data of the virtual cell, wrong labels make the result worse, and
//! what is wrong is said.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

mod folder;

use folder::Folder;
use serde_json::Value;

fn demo() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/machines/demo-cell.toml")
}

fn tactus(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tactus"));
    command.current_dir(folder).env("XDG_RUNTIME_DIR", folder).stdin(Stdio::null());
    command.args(arguments).output().unwrap()
}

const FAULT: &str = r#"
[[scenario.event]]
at = "60 s"
friction = "x"
factor = "250 %"

[[scenario.event]]
at = "90 s"
friction = "x"
factor = "100 %"
"#;

fn evaluated(folder: &Path, labels: &str) -> Value {
    std::fs::write(folder.join("labels.csv"), labels).unwrap();
    let demo = demo();
    let question = ["twin", "evaluate", "x.csv", "--labels", "labels.csv", "--axis", "x", "--json"];
    let more = ["--learn", "40s", "--machine", demo.to_str().unwrap()];
    let output = tactus(folder, &[&question[..], &more].concat());
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn friction_that_rises_is_found_and_labels_that_are_shifted_make_it_worse() {
    let folder = Folder::new("twin-evaluate");
    let text = std::fs::read_to_string(demo()).unwrap() + FAULT;
    std::fs::write(folder.join("fault.toml"), text).unwrap();
    let run = ["run", "fault.toml", "--virtual-time", "--for", "130s", "--headless"];
    let output = tactus(&folder, &[&run[..], &["--record", "run.mcap"]].concat());
    assert!(matches!(output.status.code(), Some(0 | 5)), "{output:?}");
    let export = ["twin", "export", "--csv", "x.csv", "--axis", "x", "run.mcap"];
    assert!(tactus(&folder, &export).status.success());
    // The data begin when the drive is enabled, some three seconds after the scenario does.
    let right = evaluated(&folder, "from_s,to_s,name\n57,90,friction\n");
    assert_eq!((&right["precision"], &right["recall"]), (&1.0.into(), &1.0.into()), "{right}");
    assert!(right["delay_mean_s"].as_f64().unwrap() < 15.0, "{right}");
    let shifted = evaluated(&folder, "107,128,friction\n");
    assert_eq!((&shifted["precision"], &shifted["recall"]), (&0.0.into(), &0.0.into()));
    assert_eq!(shifted["alarms"], right["alarms"], "the detector does not see the labels");
    let twice = evaluated(&folder, "57,90,friction\n20,30,nothing\n");
    assert_eq!(twice["recall"], 0.5);
}

#[test]
fn an_fmu_holds_description_parameters_and_library() {
    let folder = Folder::new("twin-fmu");
    let demo = demo();
    let demo = demo.to_str().unwrap();
    std::fs::write(folder.join("library.so"), b"LIBRARY").unwrap();
    let export = ["twin", "export", "--fmu", "x.fmu", "--axis", "x", "--library", "library.so"];
    let output = tactus(&folder, &[&export[..], &[demo]].concat());
    assert!(output.status.success(), "{output:?}");
    let bytes = std::fs::read(folder.join("x.fmu")).unwrap();
    let has = |text: &[u8]| bytes.windows(text.len()).any(|at| at == text);
    assert!(has(b"modelDescription.xml") && has(b"resources/parameters.txt"));
    assert!(has(b"fmiVersion=\"3.0\"") && has(b"tactus_axis_twin.so") && has(b"LIBRARY"));
    let wrong = ["twin", "export", "--fmu", "x.fmu", "--axis", "w", demo];
    let output = tactus(&folder, &wrong);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("expected one of x, z, belt"), "{said}");
}
