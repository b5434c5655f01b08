//! `tactus sdo` as people use it: over a wire to devices on another host, and to the virtual cell; and what the loop asks by itself.

use std::process::Command;

use serde_json::Value;
use tactus_tests::hosts::with_sim;
use tactus_tests::{machine, run, said, scratch, tactus};

/// What one command said, where, and how it ended.
#[derive(Debug)]
struct Said {
    code: i32,
    out: String,
    err: String,
}

/// `tactus sdo ARGUMENTS` in the virtual cell.
fn virtually(arguments: &str) -> Said {
    let mut words = arguments.split_whitespace();
    let mut command = Command::new(tactus());
    command.arg("sdo").arg(words.next().expect("read or write")).arg(machine("demo-cell.toml"));
    let output = run(command.args(words).args(["--link", "virtual"]));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let code = output.status.code().expect("it ended by itself");
    Said { code, out: text(&output.stdout), err: text(&output.stderr) }
}

/// Each of these on the wire, one after the other on the same devices.
fn on_the_wire(name: &str, each: &[&str]) -> Vec<Said> {
    let directory = scratch(name);
    let asked = |(number, arguments): (usize, &&str)| {
        let (verb, rest) = arguments.split_once(' ').expect("read or write");
        format!(
            "code=0; $tactus sdo {verb} $file {rest} --link raw:bus0 >{number}.out 2>{number}.err || code=$?; echo $code >{number}.code\n"
        )
    };
    let body: String = each.iter().enumerate().map(asked).collect();
    let body = format!("{body}kill $SIM; wait $SIM || true");
    let output = with_sim(&directory, &machine("demo-cell.toml"), &body);
    assert!(output.status.success(), "{}", said(&output));
    let read = |number: usize, what: &str| {
        std::fs::read_to_string(directory.join(format!("{number}.{what}"))).expect("it ran")
    };
    let told = (0..each.len()).map(|number| Said {
        code: read(number, "code").trim().parse().expect("a number"),
        out: read(number, "out"),
        err: read(number, "err"),
    });
    told.collect()
}

/// What is asked of both, and what must be said: arguments, exit code, words.
const EACH: &[(&str, i32, &[&str])] = &[
    // Read: by name and by position, numbers, texts, everything at once.
    ("read drive_x 0x1018:2", 0, &["drive_x", "position 4", "0x1018:2", "4 bytes"]),
    ("read 4 0x6061 --type i8", 0, &["drive_x", "0x6061:0"]),
    ("read drive_z 0x1008 --type text", 0, &["drive_z", "0x1008"]),
    ("read drive_x 0x1018 --complete", 0, &["0x1018 (complete)"]),
    // Written, and what was written is read.
    ("write drive_x 0x6065 50000 --type u32", 0, &["written:", "50000", "50c30000"]),
    ("write drive_x 0x6084 0x10 --type u32", 0, &["written:", "16"]),
    // Refused by the device, in words.
    ("read drive_x 0x5FFF", 4, &["0x06020000", "does not exist"]),
    ("read drive_x 0x1018:77", 4, &["0x06090011", "subindex"]),
    ("write drive_x 0x6065 5 --type u8", 4, &["0x0607001", "length"]),
    ("write drive_x 0x6041 1 --type u16", 4, &["0x06010002", "read"]),
    // No mailbox; no such device.
    ("read coupler 0x1018:1", 4, &["coupler", "no CoE mailbox"]),
    ("read drive_q 0x1018:1", 2, &["drive_q", "drive_x"]),
    ("read 99 0x1018:1", 2, &["99"]),
    // What cannot be meant.
    ("write drive_x 0x6065 5", 2, &["--type"]),
    ("write drive_x 0x6065 5000000000 --type u32", 2, &["4294967295"]),
    ("write drive_x 0x6065 12z --type hex", 2, &["hexadecimal"]),
    ("read drive_x 0x1FFFF", 2, &["0x6064"]),
];

fn holds(each: &(&str, i32, &[&str]), said: &Said) {
    let (arguments, code, words) = each;
    assert_eq!(said.code, *code, "{arguments}: {said:?}");
    let text = format!("{}{}", said.out, said.err);
    for word in *words {
        assert!(
            text.to_lowercase().contains(&word.to_lowercase()),
            "{arguments}: {word}? {said:?}"
        );
    }
    assert!(if *code == 0 { said.err.is_empty() } else { said.out.is_empty() }, "{said:?}");
}

#[test]
fn objects_are_read_and_written_in_the_virtual_cell_and_what_cannot_be_says_why() {
    for each in EACH {
        holds(each, &virtually(each.0));
    }
}

#[test]
fn objects_are_read_and_written_over_a_wire_and_what_cannot_be_says_why() {
    let asked: Vec<_> = EACH.iter().map(|each| each.0).collect();
    for (each, said) in EACH.iter().zip(on_the_wire("sdo-wire", &asked)) {
        holds(each, &said);
    }
}

#[test]
fn what_is_written_over_a_wire_stays_in_the_device_as_written() {
    let said = on_the_wire(
        "sdo-stays",
        &[
            "write drive_z 0x6065 123456 --type u32",
            "read drive_z 0x6065 --json",
            "read drive_x 0x6065 --json",
        ],
    );
    assert!(said.iter().all(|said| said.code == 0), "{said:#?}");
    let json = |said: &Said| serde_json::from_str::<Value>(&said.out).expect("JSON");
    let (written, other) = (json(&said[1]), json(&said[2]));
    assert_eq!((&written["value"], &written["bytes"]), (&"123456".into(), &"40e20100".into()));
    assert_eq!((&written["position"], &written["written"]), (&5.into(), &false.into()));
    assert_ne!(other["value"], "123456", "it was the other drive's");
}

#[test]
fn a_running_machine_is_left_alone() {
    let directory = scratch("sdo-running");
    let output = with_sim(
        &directory,
        &machine("demo-cell.toml"),
        "$tactus run $file --link raw:bus0 --vision-socket vision.sock --for 6s --headless --no-record \
         --report report.json >/dev/null 2>run.err & RUN=$!; sleep 3; \
         code=0; $tactus sdo read $file drive_x 0x6064 --link raw:bus0 >sdo.out 2>sdo.err || code=$?; echo $code >sdo.code; \
         wait $RUN || true; kill $SIM; wait $SIM || true",
    );
    assert!(output.status.success(), "{}", said(&output));
    let read = |name: &str| std::fs::read_to_string(directory.join(name)).expect("written");
    assert_eq!(read("sdo.code").trim(), "3", "{}", read("sdo.err"));
    assert!(read("sdo.err").contains("another MainDevice is running"), "{}", read("sdo.err"));
    let report = tactus_tests::json(&directory.join("report.json"));
    let trips = report["trips"].as_array().expect("trips");
    assert!(trips.iter().all(|trip| trip["kind"] != "bus"), "it was disturbed: {trips:#?}");
    assert_eq!(report["working_counter_errors"], 0);
}

#[test]
fn an_interface_without_devices_says_that_nobody_answers() {
    let body = "code=0; \"$TACTUS\" sdo read \"$FILE\" drive_x 0x6064 --link raw:bus0 || code=$?; exit $code";
    let mut command = tactus_tests::hosts::two_hosts(body);
    let output = run(command.env("TACTUS", tactus()).env("FILE", machine("demo-cell.toml")));
    assert_eq!(output.status.code(), Some(4), "{}", said(&output));
    let text = String::from_utf8_lossy(&output.stderr).to_lowercase();
    assert!(text.contains("cable"), "{text}");
}

/// After a trip every drive is asked why: over the wire, while the loop cycles.
#[test]
fn a_drive_that_fails_is_asked_why_while_the_machine_runs() {
    let directory = scratch("inquiry-wire");
    let demo = std::fs::read_to_string(machine("demo-cell.toml")).expect("we ship it");
    let event = "[[scenario.event]]\nat = \"4 s\"\ndrive_fault = \"x\"\nfor = \"500 ms\"\n";
    let file = directory.join("fault.toml");
    std::fs::write(&file, format!("{demo}\n{event}")).expect("writable");
    let output = with_sim(
        &directory,
        &file,
        "TACTUS_LOG=info $tactus run $file --link raw:bus0 --vision-socket vision.sock --for 8s --headless --no-record \
         >/dev/null 2>run.err || true; kill $SIM; wait $SIM || true",
    );
    assert!(output.status.success(), "{}", said(&output));
    let log = std::fs::read_to_string(directory.join("run.err")).expect("a log");
    let remarks: Vec<_> = log.lines().filter(|line| line.contains("after the trip")).collect();
    for (drive, serial) in [("drive_x", "101"), ("drive_z", "102"), ("drive_belt", "103")] {
        let of = |line: &&&str| {
            line.contains(drive) && line.contains(&format!("serial number {serial}"))
        };
        assert!(remarks.iter().any(|line| of(&line)), "{drive}: {log}");
    }
    let failed = |line: &&&str| line.contains("drive_x") && !line.contains("0x0000");
    assert!(remarks.iter().any(|line| failed(&line)), "why is not told: {log}");
}
