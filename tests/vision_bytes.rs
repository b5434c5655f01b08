//! The bytes of the vision channel, made and read by three programs that share no code: the C header, the Python package, and ours.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use rt_core::vision::{DATAGRAM_LENGTH, Kind, Object, Verdict, header, inspection, objects, parse};
use supervisor::vision::Reason;
use supervisor::vision::mac::Key;
use supervisor::vision::receipt::Receipt;
use tactus_tests::{root, run};

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("tactus-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn bytes_of(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).expect("ASCII"));
    digits.map(|pair| u8::from_str_radix(pair, 16).expect("hexadecimal")).collect()
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Name → bytes, of what `vision/vectors.txt` or a program says.
fn vectors(text: &str) -> BTreeMap<String, Vec<u8>> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let named = lines.filter_map(|line| line.split_once(' '));
    named.map(|(name, bytes)| (name.to_owned(), bytes_of(bytes.trim()))).collect()
}

fn golden() -> BTreeMap<String, Vec<u8>> {
    let found = std::fs::read_to_string(root().join("vision/vectors.txt")).expect("the vectors");
    let vectors = vectors(&found);
    assert_eq!(vectors.len(), 5);
    vectors
}

/// The C program, compiled as a customer would.
fn compiled(folder: &Path) -> PathBuf {
    let program = folder.join("vectors");
    let source = root().join("vision/c/vectors.c");
    let output = run(Command::new("gcc")
        .args(["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-O2", "-o"])
        .arg(&program)
        .arg(source));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    program
}

fn python(script: &str) -> String {
    let python = std::env::var("TACTUS_PYTHON").unwrap_or_else(|_| "python3".into());
    let output = run(Command::new(python)
        .arg("-c")
        .arg(script)
        .env("PYTHONPATH", root().join("vision/python/src"))
        .env("PYTHONDONTWRITEBYTECODE", "1"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn the_c_header_makes_the_golden_vectors() {
    let folder = Folder::new("vision-c");
    let output = run(&mut Command::new(compiled(&folder.0)));
    assert!(output.status.success(), "what the format cannot hold is refused");
    assert_eq!(vectors(&String::from_utf8_lossy(&output.stdout)), golden());
}

#[test]
fn we_read_out_of_the_golden_vectors_what_was_put_in() {
    let golden = golden();
    let mut place = [0; DATAGRAM_LENGTH];
    place.copy_from_slice(&golden["occupancy"]);
    let seen = parse(&place).expect("occupancy");
    assert_eq!((seen.wire_id, seen.config_hash), (0x0102, 0x1122_3344_5566_7788));
    assert_eq!((seen.sequence, seen.captured_at, seen.quality), (9, 0x0A0B_0C0D, 97));
    assert_eq!((seen.live, seen.evaluated, seen.occupied), (true, 7, 2));
    let first = Object { x: -1, y: 2, vx: -3, vy: 4, radius: 300, uncertainty: 60 };
    let second = Object { x: 1250, y: -1500, vx: 0, vy: 0, radius: 350, uncertainty: 25 };
    assert_eq!(objects(&place).collect::<Vec<_>>(), [first, second]);
    let mut place = [0; DATAGRAM_LENGTH];
    place[..52].copy_from_slice(&golden["zones"]);
    let zones = parse(&place).expect("zones");
    assert_eq!((zones.live, zones.evaluated, zones.occupied), (false, u32::MAX, 1));
    let bytes = golden["inspection"].as_slice().try_into().expect("92 bytes");
    let found = inspection(bytes).expect("an inspection result");
    assert_eq!((found.trigger, found.verdict, found.score), (77, Verdict::Bad, 990_000));
    assert_eq!((found.value_count, &found.values[..2]), (2, &[-5, 2_000_000_000][..]));
    let clock = header(&golden["clock"]).expect("a clock exchange");
    assert_eq!((clock.kind, clock.own_clock), (Kind::Clock, true));
    assert_eq!(golden["clock"][40..56], [1000_u64.to_le_bytes(), 2000_u64.to_le_bytes()].concat());
    let key = Key::new(std::array::from_fn(|at| u8::try_from(at).expect("small")));
    let mut live = golden["zones"].clone();
    live[37] = 1;
    live[40..48].copy_from_slice(&[1, 0, 0, 0, 0, 0, 0, 0]);
    let crc = rt_core::vision::crc32(&live[..48]).to_le_bytes();
    live[48..].copy_from_slice(&crc);
    assert_eq!(golden["mac"], key.code(&live));
}

#[test]
fn a_receipt_of_ours_is_read_by_c_and_by_python() {
    let folder = Folder::new("vision-receipt");
    let program = compiled(&folder.0);
    let receipt = Receipt {
        wire_id: 0x0102,
        config_hash: 7,
        sequence: 9,
        reason: Some(Reason::Way),
        received_at: 5_000,
        taken_at: 6_000,
        captured_at: 4_000,
        uncertainty_ns: 12,
    };
    let bytes = receipt.bytes(5_500);
    let said = "258 9 5500 13 1 5000 6000 4000 12";
    let read = |bytes: &[u8]| run(Command::new(&program).arg(hexadecimal(bytes)));
    let by_c = read(&bytes);
    assert_eq!(String::from_utf8_lossy(&by_c.stdout).trim(), said);
    let mut damaged = bytes;
    damaged[41] ^= 1;
    assert!(!read(&damaged).status.success(), "damaged");
    let script = format!(
        "from tactus_vision import Receipt\n\
         r = Receipt.parse(bytes.fromhex('{}'))\n\
         print(r.stream_id, r.sequence, r.sent_at, int(r.reason), int(r.taken), r.received_at, r.taken_at, r.captured_at, r.uncertainty_ns)\n\
         print(r.reason.name, r.delay_ns)",
        hexadecimal(&bytes)
    );
    assert_eq!(python(&script).trim(), format!("{said}\nWAY 2000"));
}

#[test]
fn reasons_have_the_same_numbers_on_both_sides() {
    let script = "from tactus_vision import Reason\n\
                  print(*[f'{reason.value}:{reason.name.lower()}' for reason in Reason if reason])";
    let ours: Vec<_> =
        Reason::ALL.iter().map(|reason| format!("{}:{}", reason.number(), reason.word())).collect();
    assert_eq!(python(script).trim(), ours.join(" "));
}
