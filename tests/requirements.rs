//! Requirements, code and tests belong together: every number of docs/safety/requirements.md is quoted by code and by a test, every
//! number quoted is there, and every test that docs/safety/fmea.md names exists.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use tactus_tests::root;

/// What every requirement says besides its text.
const MEMBERS: [&str; 4] = ["Safe state", "Reaction", "Reset", "Source"];

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|wrong| panic!("{path}: {wrong}"))
}

/// Rust sources by path.
fn sources() -> Vec<(String, String)> {
    let output = Command::new("git")
        .current_dir(root())
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "*.rs"])
        .output()
        .expect("git runs");
    let paths = String::from_utf8(output.stdout).expect("paths are UTF-8");
    let paths = paths.lines().filter(|path| root().join(path).is_file());
    let files: Vec<_> = paths.map(|path| (path.to_owned(), read(path))).collect();
    assert!(files.len() > 100, "git lists the sources");
    files
}

/// Numbers such as SR-001 in a line.
fn numbers(line: &str) -> Vec<String> {
    let at = line.match_indices("SR-").map(|(at, _)| &line[at..]);
    let number = |text: &str| {
        let digits =
            text.get(3..6).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()));
        digits.map(|digits| format!("SR-{digits}"))
    };
    at.filter_map(number).collect()
}

/// Where tests begin in a file, by line; 0 in a file of tests.
fn tests_begin(path: &str, text: &str) -> usize {
    let parts: BTreeSet<&str> = path.split(['/', '.']).collect();
    if parts.contains("tests") {
        return 0;
    }
    let lines: Vec<_> = text.lines().collect();
    let module = lines.windows(2).position(|pair| {
        pair[0] == "#[cfg(test)]" && pair[1].contains("mod ") && pair[1].ends_with('{')
    });
    module.unwrap_or(usize::MAX)
}

/// The quotes in a file: number, whether in a test, and the line.
fn quotes(path: &str, text: &str) -> Vec<(String, bool, usize)> {
    let begin = tests_begin(path, text);
    let lines = text.lines().enumerate();
    let comments = lines.filter(|(_, line)| line.trim_start().starts_with("// SR-"));
    comments
        .flat_map(|(at, line)| {
            numbers(line).into_iter().map(move |number| (number, at >= begin, at + 1))
        })
        .collect()
}

/// Whether a comment stands right above a test.
fn above_a_test(text: &str, line: usize) -> bool {
    let mut below = text.lines().skip(line).map(str::trim_start);
    let next = below.find(|line| !line.starts_with("//") && !line.starts_with("#["));
    next.is_some_and(|line| line.starts_with("fn "))
}

/// Everything that does not belong together.
fn problems(document: &str, files: &[(String, String)]) -> Vec<String> {
    let mut found = Vec::new();
    let mut required = BTreeMap::new();
    for section in document.split("\n## ").skip(1) {
        let title = section.lines().next().unwrap_or_default();
        let Some(number) = numbers(title).pop() else {
            found.push(format!("`{title}` has no number"));
            continue;
        };
        for member in MEMBERS {
            let line = section.lines().find_map(|line| line.strip_prefix(&format!("- {member}: ")));
            if line.is_none_or(str::is_empty) {
                found.push(format!("{number} does not say its {}", member.to_lowercase()));
            }
        }
        if required.insert(number.clone(), (0, 0)).is_some() {
            found.push(format!("{number} is there twice"));
        }
    }
    for (path, text) in files {
        for (number, in_test, line) in quotes(path, text) {
            match required.get_mut(&number) {
                None => found.push(format!("{path}:{line} quotes {number}, which is not required")),
                Some((_, tests)) if in_test => *tests += 1,
                Some((code, _)) => *code += 1,
            }
            if in_test && !above_a_test(text, line) {
                found.push(format!("{path}:{line} quotes {number} above no test"));
            }
        }
    }
    for (number, (code, tests)) in required {
        if code == 0 {
            found.push(format!("no code quotes {number}"));
        }
        if tests == 0 {
            found.push(format!("no test quotes {number}"));
        }
    }
    found
}

#[test]
fn every_requirement_is_quoted_by_code_and_by_a_test_and_nothing_else_is_quoted() {
    let document = read("docs/safety/requirements.md");
    assert!(document.matches("\n## SR-").count() >= 40);
    let found = problems(&document, &sources());
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_planted_fault_in_requirements_and_quotes_is_found() {
    let number = |number: u32| format!("SR-{number:03}");
    let members: String = MEMBERS.iter().map(|member| format!("- {member}: x\n")).collect();
    let section = |title: &str| format!("\n## {title} Title\n\nText.\n\n{members}");
    let one = section(&number(1));
    let code = ("a/src/b.rs".to_owned(), format!("// {}\nfn f() {{}}\n", number(1)));
    let test = ("a/tests/c.rs".to_owned(), format!("// {}\n#[test]\nfn t() {{}}\n", number(1)));
    let both = [code.clone(), test.clone()];
    assert_eq!(problems(&one, &both), Vec::<String>::new());
    type Case = (&'static str, String, Vec<(String, String)>);
    let cases: [Case; 7] = [
        ("no code quotes", one.clone(), vec![test.clone()]),
        ("no test quotes", one.clone(), vec![code.clone()]),
        ("not required", section(&number(2)), both.to_vec()),
        ("twice", format!("{one}{one}"), both.to_vec()),
        ("does not say its reset", one.replace("- Reset: x", "- Reset: "), both.to_vec()),
        ("has no number", format!("{one}{}", section("More")), both.to_vec()),
        (
            "above no test",
            one.clone(),
            vec![
                code.clone(),
                test.clone(),
                ("a/tests/d.rs".into(), format!("// {}\nconst X: u8 = 1;\n", number(1))),
            ],
        ),
    ];
    for (expected, document, files) in cases {
        let found = problems(&document, &files);
        assert!(found.iter().any(|said| said.contains(expected)), "{expected}: {found:?}");
    }
    let inline = format!(
        "// {0}\nfn f() {{}}\n#[cfg(test)]\nmod tests {{\n    // {0}\n    fn t() {{}}\n}}\n",
        number(1)
    );
    assert_eq!(problems(&one, &[("a/src/b.rs".into(), inline)]), Vec::<String>::new());
}

/// Words in code quotes that are names of tests: long, with underscores.
fn named_tests(document: &str) -> Vec<&str> {
    let quoted = document.split('`').skip(1).step_by(2);
    quoted
        .filter(|word| {
            word.matches('_').count() >= 3
                && word
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte == b'_' || byte.is_ascii_digit())
        })
        .collect()
}

#[test]
fn every_test_that_the_failure_analysis_names_exists() {
    let document = read("docs/safety/fmea.md");
    let named = named_tests(&document);
    assert!(named.len() > 30, "{} tests are named", named.len());
    let files = sources();
    let absent: Vec<_> = named
        .iter()
        .filter(|name| !files.iter().any(|(_, text)| text.contains(&format!("fn {name}("))))
        .collect();
    assert!(absent.is_empty(), "{absent:?}");
}

#[test]
fn a_test_that_does_not_exist_is_found() {
    assert_eq!(
        named_tests("`a` and `a_test_that_is_named` and `run/mod.rs`"),
        ["a_test_that_is_named"]
    );
    let nobody = ["there", "is", "no", "such", "test"].join("_");
    assert!(!sources().iter().any(|(_, text)| text.contains(&format!("fn {nobody}("))));
}

#[test]
fn every_page_that_the_safety_pages_link_is_there() {
    for page in ["requirements.md", "claims.md", "fmea.md"] {
        let text = read(&format!("docs/safety/{page}"));
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = link.split('#').next().unwrap_or_default();
            let path = root().join("docs/safety").join(file);
            assert!(link.starts_with("http") || Path::exists(&path), "{page} links {link}");
        }
    }
}

// SR-012
#[test]
fn a_heartbeat_and_the_wish_to_end_are_all_that_the_loop_hears_from_outside() {
    // Does not compile when there is more.
    let rt_core::cycle::Command { shutdown, supervisor_at } = rt_core::cycle::Command::default();
    assert_eq!((shutdown, supervisor_at), (false, 0), "silence is neither");
}
