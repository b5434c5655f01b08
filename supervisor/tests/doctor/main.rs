//! `tactus doctor` over trees of files: every verdict of every check, damaged files, the script, the command line.

mod cases;
mod command;
mod tree;

use std::collections::BTreeSet;

use proptest::prelude::*;
use supervisor::doctor::{
    CHECKS, Fieldbus, System, THEMES, Target, Verdict, check_for_step, check_of, examine, run,
};

use cases::{Case, cases};
use tree::Tree;

fn target(tree: &Tree) -> (System, Target) {
    let system = System::below(tree.root());
    let target = Target::new(&system, None, Some("eth1"));
    (system, target)
}

#[test]
fn on_a_machine_that_is_right_every_check_passes() {
    let tree = Tree::good("right");
    let (system, target) = target(&tree);
    let diagnosis = examine(&system, &target);
    for finding in &diagnosis.checks {
        assert_eq!(finding.verdict, Verdict::Pass, "{finding:#?}");
        assert!(!finding.evidence.is_empty(), "{} shows no evidence", finding.id);
        assert!(finding.fix.is_empty(), "{finding:#?}");
    }
    assert_eq!(diagnosis.exit_code, 0);
}

#[test]
fn each_case_gives_its_verdict_with_evidence_and_a_fix() {
    let mut wrong = Vec::new();
    for (number, Case(id, expected, changes)) in cases().into_iter().enumerate() {
        let tree = Tree::good(&format!("case-{number}"));
        for change in &changes {
            tree.apply(change);
        }
        let (system, target) = target(&tree);
        let finding = run(check_of(id).expect(id), &system, &target);
        let is_open = expected > Verdict::Pass;
        let is_told = !finding.found.is_empty() && !finding.evidence.is_empty();
        if finding.verdict != expected || finding.fix.is_empty() == is_open || !is_told {
            wrong.push(format!("wanted {}: {changes:?}\n{finding:#?}", expected.word()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What a check of the table may not lack. The pass is the good machine's.
fn missing(cases: &[Case]) -> Vec<String> {
    let has = |id: &str, verdict| cases.iter().any(|Case(of, v, _)| *of == id && *v == verdict);
    let wanted = |worst| [worst, Verdict::Unknown];
    CHECKS
        .iter()
        .flat_map(|check| wanted(check.worst).map(|verdict| (check.id, verdict)))
        .filter(|(id, verdict)| !has(id, *verdict))
        .map(|(id, verdict)| format!("{id} has no case for {}", verdict.word()))
        .collect()
}

#[test]
fn every_check_has_a_case_for_its_worst_verdict_and_for_unknown() {
    let mut cases = cases();
    assert_eq!(missing(&cases), Vec::<String>::new());
    // A test of this test: without its unknown cases a check is found out.
    cases.retain(|Case(id, verdict, _)| *id != "power.idle" || *verdict != Verdict::Unknown);
    assert_eq!(missing(&cases), ["power.idle has no case for unknown"]);
    // Nothing says worse than its check declares.
    for Case(id, verdict, _) in &cases {
        let worst = check_of(id).expect(id).worst;
        assert!(*verdict == Verdict::Unknown || *verdict <= worst, "{id}: {}", verdict.word());
    }
}

#[test]
fn ids_are_unique_and_belong_to_a_theme() {
    let ids: BTreeSet<_> = CHECKS.iter().map(|check| check.id).collect();
    assert_eq!(ids.len(), CHECKS.len());
    for check in CHECKS {
        let theme = check.id.split_once('.').expect("theme.what").0;
        assert!(THEMES.iter().any(|(name, _)| *name == theme), "{}", check.id);
        assert!(check.why.ends_with('.') && check.why.len() > 40, "{}", check.id);
        assert!(matches!(check.worst, Verdict::Fail | Verdict::Warn), "{}", check.id);
    }
}

/// Files that add to what is known and are not needed: without them the others decide.
const NOT_NEEDED: [(&str, &str); 2] = [
    // The command line can only say that groups are off.
    ("sched.group", "/proc/cmdline"),
    ("sched.throttling", "/proc/cmdline"),
];

#[test]
fn what_a_pass_rests_on_cannot_be_damaged_and_pass() {
    let good = Tree::good("rests");
    let (system, wanted) = target(&good);
    let mut damaged = 0;
    for finding in examine(&system, &wanted).checks {
        for evidence in &finding.evidence {
            let path = match evidence.path.strip_prefix("ethtool ") {
                Some(interface) => format!("/ethtool/{interface}"),
                None => evidence.path.clone(),
            };
            let is_file = good.at(&path).is_file();
            if !is_file || NOT_NEEDED.contains(&(finding.id, path.as_str())) {
                continue;
            }
            if path == "/dev/cpu_dma_latency" {
                // Its bytes do not matter, only that it may be written.
                continue;
            }
            let before = std::fs::read(good.at(&path)).unwrap();
            good.write(&path, b"\xff\xfe\0 garbage \x01");
            let check = check_of(finding.id).expect("in the table");
            let after = run(check, &system, &wanted);
            good.write(&path, &before);
            assert_ne!(after.verdict, Verdict::Pass, "{path} damaged: {after:#?}");
            damaged += 1;
        }
    }
    assert!(damaged > 50, "only {damaged} files were damaged");
}

#[test]
fn an_empty_tree_proves_nothing() {
    let folder = std::env::temp_dir().join(format!("tactus-doctor-empty-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let system = System::below(&folder);
    let target = Target::new(&system, None, Some("eth1"));
    let diagnosis = examine(&system, &target);
    std::fs::remove_dir_all(&folder).unwrap();
    for finding in diagnosis.checks {
        assert!(finding.verdict >= Verdict::Unknown, "{finding:#?}");
    }
}

#[test]
fn an_interface_that_nobody_named_is_unknown_and_a_virtual_segment_needs_none() {
    let tree = Tree::good("nobody");
    let system = System::below(tree.root());
    let mut target = Target::new(&system, None, None);
    assert_eq!(target.fieldbus, Fieldbus::NotNamed);
    let of_network = |target: &Target| -> Vec<Verdict> {
        let ids = CHECKS.iter().filter(|check| check.id.starts_with("net."));
        ids.map(|check| run(check, &system, target).verdict).collect()
    };
    assert!(of_network(&target).iter().all(|verdict| *verdict == Verdict::Unknown));
    target.fieldbus = Fieldbus::Virtual;
    assert!(of_network(&target).iter().all(|verdict| *verdict == Verdict::NotApplicable));
    for name in ["../eth1", "eth1/device", "", ".", "a name", "much-too-long-a-name"] {
        target.fieldbus = Fieldbus::Interface(name.to_owned());
        assert!(of_network(&target).iter().all(|v| *v == Verdict::Unknown), "{name}");
    }
}

#[test]
fn the_machine_file_says_cpu_priority_and_interface() {
    let tree = Tree::good("file");
    let system = System::below(tree.root());
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/machines/demo-cell.toml");
    let text = std::fs::read_to_string(path).unwrap();
    let mut machine = config::load(&text, path).expect("it is right");
    machine.cycle.cpu = Some(2);
    machine.cycle.priority = Some(90);
    machine.link = config::LinkChoice::Raw("eth1".to_owned());
    let target = Target::new(&system, Some(&machine), None);
    assert_eq!((target.cpus.len(), target.cpus.first()), (1, Some(&2)));
    assert_eq!((target.priority, &target.fieldbus), (90, &Fieldbus::Interface("eth1".into())));
    // CPU 3 is isolated, and this loop runs on 2.
    let isolated = check_of("cpus.isolated").expect("in the table");
    assert_eq!(run(isolated, &system, &target).verdict, Verdict::Fail);
    machine.cycle.cpu = Some(7);
    let target = Target::new(&system, Some(&machine), None);
    let finding = run(isolated, &system, &target);
    assert!(finding.found.contains("CPU 7 is not online"), "{finding:#?}");
    machine.cycle.cpu = None;
    let target = Target::new(&system, Some(&machine), None);
    assert_eq!(target.cpus.first(), Some(&3), "as admission chooses");
}

#[test]
fn what_admission_refuses_is_explained_by_a_check() {
    let request = rt_linux::Request { cpu: None, priority: None, strict: false };
    let outcome = std::thread::spawn(move || {
        rt_linux::admission::lock(&request)
            .and_then(rt_linux::Locked::arm)
            .map(|armed| armed.outcome().clone())
    });
    let outcome = outcome.join().unwrap().expect("degraded goes on");
    let explained = |name: &str| check_for_step(name).is_some();
    let left: Vec<_> = outcome.steps.iter().map(|s| s.name).filter(|n| !explained(n)).collect();
    let of_the_program = ["allocator", "helpers", "slack"];
    assert!(left.iter().all(|step| of_the_program.contains(step)), "{left:?} need a check");
}

/// Any bytes in any files: a verdict for each check, never a panic, and no terminal obeys what is shown.
#[test]
fn garbage_never_panics() {
    // One tree for all: each case puts back what it damaged.
    let tree = Tree::good("garbage");
    let files = tree.files();
    let bytes = prop::collection::vec(any::<u8>(), 0..200);
    let places = prop::collection::vec(any::<prop::sample::Index>(), 1..12);
    let settings = ProptestConfig { cases: 128, failure_persistence: None, ..Default::default() };
    proptest!(settings, |(bytes in bytes, places in places)| {
        for place in &places {
            std::fs::write(&place.get(&files).0, &bytes).unwrap();
        }
        let (system, target) = target(&tree);
        let diagnosis = examine(&system, &target);
        for place in &places {
            let (path, good) = place.get(&files);
            std::fs::write(path, good).unwrap();
        }
        let text = supervisor::doctor::render(&diagnosis, true);
        prop_assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
        prop_assert!(diagnosis.to_json().is_ok());
    });
}

#[test]
fn extreme_numbers_never_panic() {
    let tree = Tree::good("extreme");
    let (system, target) = target(&tree);
    for number in [
        "-1",
        "0",
        "9223372036854775807",
        "-9223372036854775808",
        "18446744073709551615",
        "8192",
        "4294967295",
        "99999999999999999999",
    ] {
        for (path, _) in tree.files() {
            std::fs::write(path, number).unwrap();
        }
        assert!(examine(&system, &target).verdict >= Verdict::Unknown);
    }
}

/// The table of the guide, made from the checks.
fn guide_table() -> String {
    use std::fmt::Write as _;
    let mut out = String::new();
    for (theme, title) in THEMES {
        let checks = CHECKS.iter().filter(|check| check.id.split('.').next() == Some(theme));
        writeln!(out, "\n### {title}\n\n| check | what must be right | at worst | why |").unwrap();
        writeln!(out, "| --- | --- | --- | --- |").unwrap();
        for check in checks {
            let (id, worst) = (check.id, check.worst.word());
            writeln!(out, "| `{id}` | {} | {worst} | {} |", check.title, check.why).unwrap();
        }
    }
    out
}

/// `UPDATE_GOLDEN=1 cargo test -p supervisor --test doctor guide` writes it anew.
#[test]
fn the_guide_has_every_check_as_the_code_has_it() {
    const MARK: &str = "<!-- The rest of this page is made from the checks by a test. -->\n";
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/guide/doctor.md");
    let stored = std::fs::read_to_string(path).unwrap();
    let (introduction, rest) = stored.split_once(MARK).expect("the mark is there");
    let wanted = guide_table();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, format!("{introduction}{MARK}{wanted}")).unwrap();
        return;
    }
    assert!(rest == wanted, "docs/guide/doctor.md is not what the checks say");
}
