//! A run in real time, heard and spoken to by the Python package as a customer would: over UDP with a key, with inspection results, and
//! with somebody who floods its sockets.

use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;
use tactus_tests::{json, machine, root, said, tactus};

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("tactus-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A port that nobody has just now.
fn free_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0").and_then(|udp| udp.local_addr()).expect("a port").port()
}

/// The demo cell without visitors and virtual camera, whose stream comes over UDP with these keys.
fn over_udp(folder: &Path, port: u16, keys: &str) -> PathBuf {
    let text = std::fs::read_to_string(machine("demo-cell.toml")).expect("shipped");
    let mut kept = String::new();
    let mut skips = false;
    for line in text.lines() {
        if line.starts_with('[') {
            skips = line.starts_with("[[virtual.person") || line.starts_with("[[virtual.camera");
        }
        if !skips {
            kept += line;
            kept.push('\n');
        }
    }
    let udp = format!("id = 1\nsocket = \"udp\"\naddress = \"127.0.0.1:{port}\"\n{keys}");
    let changed = kept.replacen("id = 1\n", &format!("{udp}\n"), 1);
    // Other tests run beside this one.
    let changed = changed.replacen("age_max = \"150 ms\"", "age_max = \"1 s\"", 1);
    let file = folder.join("cell.toml");
    std::fs::write(&file, changed).expect("written");
    file
}

fn start(folder: &Path, file: &Path, lasts: &str) -> Child {
    Command::new(tactus())
        .current_dir(folder)
        .arg("run")
        .arg(file)
        .args(["--for", lasts, "--headless", "--report", "report.json", "--state", "."])
        .args(["--vision-socket", "vision.sock", "--record", "run.mcap"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("tactus starts")
}

/// `python -m tactus_vision` with these arguments, and the stream of the machine file.
fn camera(folder: &Path, file: &Path, arguments: &[&str]) -> Output {
    let hash = Command::new(tactus()).arg("check").arg(file).arg("--hash").output().expect("hash");
    let hash = String::from_utf8(hash.stdout).expect("text").trim().to_owned();
    let python = std::env::var("TACTUS_PYTHON").unwrap_or_else(|_| "python3".into());
    Command::new(python)
        .current_dir(folder)
        .args(["-m", "tactus_vision"])
        .args(arguments)
        .args(["--stream", "1", "--hash", &hash, "--json"])
        .env("PYTHONPATH", root().join("vision/python/src"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .expect("python starts")
}

fn receipts(output: &Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(|line| serde_json::from_str(line).expect("a receipt")).collect()
}

#[test]
// SR-072
fn a_camera_with_the_key_clears_zones_over_udp_and_one_without_it_does_not() {
    let folder = Folder::new("vision-udp");
    let (folder, port) = (&folder.0, free_port());
    let key = folder.join("camera.key");
    std::fs::write(&key, "0f".repeat(32)).expect("written");
    let file = over_udp(folder, port, "key_file = \"camera.key\"");
    // A key that others may read is refused before anything moves.
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).expect("changed");
    let refused = start(folder, &file, "30s").wait_with_output().expect("it ends");
    assert_eq!(refused.status.code(), Some(3), "{}", said(&refused));
    assert!(said(&refused).contains("rights 0644"), "{}", said(&refused));
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).expect("changed");
    let run = start(folder, &file, "30s");
    std::thread::sleep(std::time::Duration::from_secs(2));
    let to = format!("127.0.0.1:{port}");
    let open = camera(folder, &file, &["send", "--udp", &to, "--for", "1", "--evaluated", "7"]);
    assert_eq!(open.status.code(), Some(1), "nobody answers: {}", said(&open));
    assert!(receipts(&open).is_empty());
    let arguments = ["send", "--udp", &to, "--key", "camera.key", "--for", "5", "--evaluated", "7"];
    let inspect = ["--inspect", "17:bad:0.93"];
    let sent = camera(folder, &file, &[&arguments[..], &inspect[..]].concat());
    assert_eq!(sent.status.code(), Some(0), "{}", said(&sent));
    let heard = receipts(&sent);
    assert!(heard.iter().any(|receipt| receipt["taken"] == true), "the loop took some");
    let known = heard.iter().filter(|receipt| receipt["delay_ns"].as_u64() > Some(0));
    assert!(known.count() > 50, "{heard:?}");
    let ended = run.wait_with_output().expect("it ends");
    assert!(matches!(ended.status.code(), Some(0 | 5)), "{}", said(&ended));
    let report = json(&folder.join("report.json"));
    let stream = &report["vision"]["streams"][0];
    assert_eq!(stream["socket"], "udp with a key");
    assert_eq!(stream["inspections"], 1, "{stream:#}");
    assert!(report["vision"]["refused_by"]["mac"].as_u64() > Some(0), "{stream:#}");
    assert!(stream["clock_uncertainty_ns"].as_u64() > Some(0), "{stream:#}");
    let recording = std::fs::read(folder.join("run.mcap")).expect("a recording");
    assert!(!recording.is_empty());
    // What ran in between: zones were clear, so that it could be reset and started.
    let travel = report["axes"][1]["travel"].as_f64();
    assert!(travel > Some(10.0), "z was homed: {report:#}");
}

#[test]
// SR-073
fn a_flood_is_counted_and_the_loop_does_not_notice() {
    let folder = Folder::new("vision-flood");
    let (folder, port) = (&folder.0, free_port());
    let file = over_udp(folder, port, "insecure = true\nclock = \"host\"");
    let run = start(folder, &file, "10s");
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    let flood = std::thread::spawn(move || {
        let udp = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let bodies = [vec![0; 10], vec![7; 436], vec![7; 1400]];
        let mut sent = 0_u64;
        while !flag.load(Ordering::Relaxed) {
            for body in &bodies {
                sent += u64::from(udp.send_to(body, ("127.0.0.1", port)).is_ok());
            }
        }
        sent
    });
    let ended = run.wait_with_output().expect("it ends");
    stop.store(true, Ordering::Relaxed);
    let sent = flood.join().expect("the flood ends");
    assert!(matches!(ended.status.code(), Some(0 | 5)), "{}", said(&ended));
    let report = json(&folder.join("report.json"));
    let vision = &report["vision"];
    println!(
        "flood: sent {sent}, taken in {}, execution {}",
        vision["received"], report["execution_time_ns"]
    );
    assert!(sent > 100_000, "{sent}");
    assert!(vision["refused_by"]["format"].as_u64() > Some(10_000), "{vision:#} of {sent}");
    assert_eq!(vision["received"], vision["refused"]);
    assert_eq!(vision["streams"][0]["socket"], "udp, INSECURE");
    // What the loop does in a cycle is what it always does.
    assert!(report["allocations"].as_u64().is_none_or(|count| count == 0), "{report:#}");
    assert!(report["cycles"].as_u64() > Some(5_000), "{report:#}");
    assert_eq!(report["gate_violations"], 0, "{}", said(&ended));
}
