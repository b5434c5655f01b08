//! The command line, and the script that it prints.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use supervisor::doctor::{CHECKS, Verdict};

use crate::tree::Change::{Gone, Says, Thread};
use crate::tree::{Change, Tree};

fn doctor(tree: Option<&Tree>, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tactus"));
    command.arg("doctor").args(arguments);
    if let Some(tree) = tree {
        command.arg("--root").arg(tree.root()).args(["--iface", "eth1"]);
    }
    command.output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn exit_codes_tell_pass_fail_and_unknown_apart() {
    let tree = Tree::good("codes");
    assert_eq!(doctor(Some(&tree), &[]).status.code(), Some(0));
    tree.apply(&Says("/sys/kernel/mm/ksm/run", "1\n"));
    assert_eq!(doctor(Some(&tree), &[]).status.code(), Some(0), "a warning is no failure");
    tree.apply(&Gone("/proc/swaps"));
    assert_eq!(doctor(Some(&tree), &[]).status.code(), Some(6), "unknown is no pass");
    tree.apply(&Says("/proc/sys/kernel/version", "#1 SMP PREEMPT_DYNAMIC\n"));
    let output = doctor(Some(&tree), &[]);
    assert_eq!(output.status.code(), Some(3));
    let text = out(&output);
    for words in [
        "FAIL      kernel.preempt-rt",
        "UNKNOWN   memory.swap",
        "39 pass, 1 warn, 1 fail, 1 unknown",
    ] {
        assert!(text.contains(words), "{words} is missing in\n{text}");
    }
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    let json: Value = serde_json::from_str(&out(&doctor(Some(&tree), &["--json"]))).unwrap();
    assert_eq!((&json["verdict"], &json["exit_code"]), (&"fail".into(), &3.into()));
    assert_eq!(json["counts"]["unknown"], 1);
}

#[test]
fn a_wrong_folder_or_file_ends_with_2() {
    let output = Command::new(env!("CARGO_BIN_EXE_tactus"))
        .args(["doctor", "--root", "/nowhere/at-all"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("expected the copy of a machine"));
    assert_eq!(doctor(None, &["absent.toml"]).status.code(), Some(2));
    assert_eq!(doctor(None, &["--fix", "--json"]).status.code(), Some(2));
}

#[test]
fn this_machine_is_judged_and_left_as_it_is() {
    let output = doctor(None, &["--json", "--iface", "lo"]);
    let json: Value = serde_json::from_slice(&output.stdout).expect("valid JSON");
    let checks = json["checks"].as_array().unwrap();
    assert_eq!(checks.len(), CHECKS.len());
    assert!(matches!(output.status.code(), Some(0 | 3 | 6)), "{output:?}");
    assert_eq!(json["exit_code"].as_i64(), output.status.code().map(i64::from));
    for check in checks {
        for key in ["id", "title", "found", "why"] {
            assert!(check[key].as_str().is_some_and(|text| !text.is_empty()), "{check}");
        }
        assert!(check["evidence"].is_array() && check["fix"].is_array(), "{check}");
    }
    // Independent of our reading: the shell's own words.
    let version = Command::new("uname").arg("-v").output().unwrap();
    let is_rt = out(&version).split_whitespace().any(|word| word == "PREEMPT_RT");
    assert_eq!(checks[0]["verdict"], if is_rt { "pass" } else { "fail" });
}

/// A machine on which everything is wrong that a script can set right.
fn broken(name: &str) -> Tree {
    let tree = Tree::good(name);
    for change in [
        Says("/proc/sys/kernel/nmi_watchdog", "1\n"),
        Says("/proc/sys/kernel/numa_balancing", "1\n"),
        Says("/proc/sys/vm/compact_unevictable_allowed", "1\n"),
        Says("/sys/kernel/debug/sched/fair_server/cpu3/runtime", "50000000\n"),
        Says("/sys/devices/virtual/workqueue/cpumask", "f\n"),
        Says("/sys/devices/system/cpu/cpu3/cpufreq/scaling_governor", "powersave\n"),
        Says("/sys/module/damon_stat/parameters/enabled", "Y\n"),
        Says("/sys/kernel/mm/damon/admin/kdamonds/0/state", "on\n"),
        Says("/sys/kernel/mm/ksm/run", "1\n"),
        Says("/sys/class/net/eth1/napi_defer_hard_irqs", "2\n"),
        Says("/sys/class/net/eth1/gro_flush_timeout", "20000\n"),
        Says("/proc/irq/9/smp_affinity_list", "0-3\n"),
        Thread(90, "irq/120-eth1", 1, 50),
        Thread(91, "irq/121-eth1-TxRx-0", 0, 0),
        Thread(20, "ksoftirqd/2", 0, 0),
        Thread(93, "napi/eth1-8193", 0, 0),
        Says(
            "/ethtool/eth1",
            "rx-usecs 3\nadaptive-rx 1\ngro 1\nlro 1\ngso 1\ntso 1\neee-active 1\neee-enabled 1\n",
        ),
    ] {
        tree.apply(&change);
    }
    tree
}

/// Programs that the script calls, working on the tree.
const TOOLS: [(&str, &str); 5] = [
    ("id", "echo 0"),
    (
        "sysctl",
        "for a in \"$@\"; do case $a in *=*) k=${a%%=*}; printf '%s\\n' \"${a#*=}\" > \
         \"$TREE/proc/sys/$(printf %s \"$k\" | tr . /)\" ;; esac; done",
    ),
    (
        "chrt",
        "f=$TREE/proc/$4; z=; n=0; while [ $n -lt 36 ]; do z=\"$z 0\"; n=$((n+1)); done\n\
         printf '%s (%s) S%s %s 1 0 0\\n' \"$4\" \"$(cat \"$f/comm\")\" \"$z\" \"$3\" > \"$f/stat\"",
    ),
    (
        "ethtool",
        "f=$TREE/ethtool/$2; o=$1; shift 2; while [ $# -gt 1 ]; do v=$2; k=$1\n\
         case $v in off) v=0;; on) v=1;; esac\n\
         [ \"$o\" = --set-eee ] && k=eee-enabled\n\
         sed -i \"s/^$k .*/$k $v/\" \"$f\"; shift 2; done",
    ),
    ("update-grub", "echo grub >> \"$TREE/grub.log\""),
];

/// Runs the script with every path below the tree and every program replaced.
fn run_script(tree: &Tree, script: &str) -> Output {
    let root = tree.root().display().to_string();
    let mut script = script.to_owned();
    for folder in ["/proc/", "/sys/", "/etc/"] {
        script = script.replace(folder, &format!("{root}{folder}"));
    }
    for (name, body) in TOOLS {
        let path = format!("/tools/{name}");
        tree.write(&path, format!("#!/bin/sh\nTREE={root}\n{body}\n").as_bytes());
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(tree.at(&path), mode).unwrap();
    }
    tree.write("/script", script.as_bytes());
    let tools = format!("{}:/usr/bin:/bin", tree.at("/tools").display());
    Command::new("sh").arg(tree.at("/script")).env("PATH", tools).output().unwrap()
}

fn parses(script: &str, folder: &Path) {
    let path = folder.join("check.sh");
    std::fs::write(&path, script).unwrap();
    let output = Command::new("sh").arg("-n").arg(&path).output().unwrap();
    std::fs::remove_file(&path).unwrap();
    assert!(output.status.success(), "{output:?}\n{script}");
}

#[test]
fn the_script_gives_what_it_says_and_may_be_run_again() {
    let tree = broken("script");
    let before = doctor(Some(&tree), &["--json"]);
    let before: Value = serde_json::from_slice(&before.stdout).unwrap();
    let open =
        before["counts"]["fail"].as_u64().unwrap() + before["counts"]["warn"].as_u64().unwrap();
    assert!(open >= 16, "{before:#}");
    let files = tree.files();
    let printed = doctor(Some(&tree), &["--fix"]);
    assert_eq!(printed.status.code(), Some(0));
    assert_eq!(tree.files(), files, "printing changes nothing");
    let script = out(&printed);
    parses(&script, tree.root());
    let ran = run_script(&tree, &script);
    assert!(ran.status.success(), "{ran:?}\n{script}");
    assert!(ran.stderr.is_empty(), "{ran:?}");
    let after = doctor(Some(&tree), &["--json"]);
    assert_eq!(after.status.code(), Some(0), "{}", out(&after));
    let after: Value = serde_json::from_slice(&after.stdout).unwrap();
    assert_eq!(after["counts"]["pass"].as_u64(), Some(CHECKS.len() as u64), "{after:#}");
    let once = tree.files();
    assert!(run_script(&tree, &script).status.success());
    let without_log = |files: Vec<(std::path::PathBuf, Vec<u8>)>| -> Vec<_> {
        files.into_iter().filter(|(path, _)| !path.ends_with("grub.log")).collect()
    };
    assert_eq!(without_log(tree.files()), without_log(once), "the second run changes nothing");
}

#[test]
fn what_is_kept_for_the_next_start_is_written_where_the_system_looks() {
    let tree = broken("kept");
    tree.apply(&Says("/sys/devices/system/cpu/nohz_full", "\n"));
    tree.apply(&Says("/proc/irq/default_smp_affinity", "f\n"));
    tree.apply(&Gone("/proc/uptime"));
    let script = out(&doctor(Some(&tree), &["--fix"]));
    let ran = run_script(&tree, &script);
    assert!(ran.status.success(), "{ran:?}");
    let read = |path: &str| {
        std::fs::read_to_string(tree.at(path)).unwrap_or_else(|e| panic!("{path}: {e}\n{script}"))
    };
    assert_eq!(read("/etc/sysctl.d/90-tactus-kernel.watchdog.conf"), "kernel.nmi_watchdog = 0\n");
    let grub = read("/etc/default/grub.d/tactus-cpus.nohz-full.cfg");
    assert_eq!(grub, "GRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX nohz_full=3\"\n");
    let tmpfiles = read("/etc/tmpfiles.d/tactus-sched.fair-server.conf");
    assert!(tmpfiles.starts_with("w ") && tmpfiles.ends_with("cpu3/runtime - - - - 0\n"));
    assert!(
        read("/etc/udev/rules.d/90-tactus-net.energy.rules").contains("--set-eee eth1 eee off")
    );
    assert_eq!(read("/grub.log"), "grub\n");
    let said = out(&ran);
    assert!(said.contains("anew for: nohz_full=3 irqaffinity=0-2"), "{said}");
}

#[test]
fn what_is_right_is_not_in_the_script() {
    let tree = Tree::good("nothing");
    let script = out(&doctor(Some(&tree), &["--fix"]));
    parses(&script, tree.root());
    assert!(CHECKS.iter().all(|check| !script.contains(check.id)), "{script}");
    tree.apply(&Says("/sys/kernel/mm/ksm/run", "1\n"));
    let script = out(&doctor(Some(&tree), &["--fix"]));
    let named: Vec<_> =
        CHECKS.iter().map(|check| check.id).filter(|id| script.contains(id)).collect();
    assert_eq!(named, ["memory.same-page-merging"]);
}

#[test]
fn every_finding_makes_a_script_that_a_shell_parses() {
    let mut seen = std::collections::BTreeSet::new();
    for crate::cases::Case(id, verdict, changes) in crate::cases::cases() {
        if verdict <= Verdict::Pass || !seen.insert((id, verdict)) {
            continue;
        }
        let tree = Tree::good(&format!("parse-{id}"));
        changes.iter().for_each(|change: &Change| tree.apply(change));
        let system = supervisor::doctor::System::below(tree.root());
        let target = supervisor::doctor::Target::new(&system, None, Some("eth1"));
        let script = supervisor::doctor::script(&supervisor::doctor::examine(&system, &target));
        assert!(script.contains(id), "{id} {changes:?}");
        parses(&script, tree.root());
    }
}

#[test]
fn a_hostile_name_of_an_interface_stays_a_word() {
    let hostile = "e';echo${IFS}x`";
    let tree = broken("hostile");
    std::fs::rename(tree.at("/sys/class/net/eth1"), tree.at(&format!("/sys/class/net/{hostile}")))
        .unwrap();
    std::fs::rename(tree.at("/ethtool/eth1"), tree.at(&format!("/ethtool/{hostile}"))).unwrap();
    let system = supervisor::doctor::System::below(tree.root());
    let target = supervisor::doctor::Target::new(&system, None, Some(hostile));
    let script = supervisor::doctor::script(&supervisor::doctor::examine(&system, &target));
    assert!(script.contains("ethtool -C"), "{script}");
    parses(&script, tree.root());
    let ran = run_script(&tree, &script);
    assert!(!out(&ran).lines().any(|line| line == "x"), "{ran:?}");
    let text = std::fs::read_to_string(tree.at(&format!("/ethtool/{hostile}"))).unwrap();
    assert!(text.contains("rx-usecs 0"), "the tool got the name whole: {text}");
}
