//! The rules of the house, checked: which way imports point, what may not enter the real-time crates, how long a function is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use tactus_tests::root;

/// Longest function, lines (STYLE: fits a screen).
const FUNCTION_LINES_MAX: usize = 70;
/// Longest source file, lines, tests included.
const FILE_LINES_MAX: usize = 800;

/// What each crate of ours may import of ours, besides dev-dependencies.
const ARROWS: &[(&str, &[&str])] = &[
    ("twin-lite", &[]),
    ("twin-fmu", &["twin-lite"]),
    ("twin-fmu-library", &["twin-fmu"]),
    ("rt-channel", &[]),
    ("rt-core", &["twin-lite"]),
    ("rt-linux", &["rt-core"]),
    ("fieldbus", &["rt-channel", "rt-core", "twin-lite"]),
    ("segment", &[]),
    ("world", &["twin-lite"]),
    ("config", &["fieldbus", "rt-core", "twin-lite"]),
    ("queue", &[]),
    ("gateway", &["queue"]),
    (
        "supervisor",
        &[
            "config",
            "fieldbus",
            "gateway",
            "queue",
            "rt-channel",
            "rt-core",
            "rt-linux",
            "segment",
            "twin-fmu",
            "twin-lite",
            "world",
        ],
    ),
];

fn metadata() -> serde_json::Value {
    let output = Command::new(env!("CARGO"))
        .current_dir(root())
        .args(["metadata", "--format-version", "1", "--locked", "--offline"])
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON")
}

/// The README's first command names no binary.
#[test]
fn cargo_run_knows_which_program_is_meant() {
    let metadata = metadata();
    let members = metadata["workspace_default_members"].as_array().expect("cargo names them");
    let packages = metadata["packages"].as_array().expect("packages").iter();
    let targets = packages
        .filter(|package| members.contains(&package["id"]))
        .flat_map(|package| package["targets"].as_array().expect("targets"));
    let binaries: Vec<&str> = targets
        .filter(|target| target["kind"][0] == "bin")
        .filter_map(|target| target["name"].as_str())
        .collect();
    assert_eq!(binaries, ["tactus"]);
}

fn sources() -> Vec<PathBuf> {
    tracked().into_iter().filter(|p| p.extension().is_some_and(|e| e == "rs")).collect()
}

fn tracked() -> Vec<PathBuf> {
    let output = Command::new("git")
        .current_dir(root())
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .output()
        .expect("git runs");
    let text = String::from_utf8(output.stdout).expect("paths are UTF-8");
    let files: Vec<_> = text.lines().map(|l| root().join(l)).filter(|p| p.is_file()).collect();
    assert!(files.len() > 20, "git lists the files of the repository");
    files
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

#[test]
fn imports_point_one_way() {
    let metadata = metadata();
    let allowed: BTreeMap<_, _> = ARROWS.iter().copied().collect();
    let mut seen = 0;
    for package in metadata["packages"].as_array().expect("packages") {
        let name = package["name"].as_str().expect("name");
        let Some(may) = allowed.get(name) else { continue };
        if !package["source"].is_null() {
            continue;
        }
        seen += 1;
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            let to = dependency["name"].as_str().expect("name");
            if dependency["kind"].is_null() && allowed.contains_key(to) {
                assert!(may.contains(&to), "{name} imports {to}, against the arrows");
            }
        }
    }
    assert_eq!(seen, ARROWS.len(), "a crate of the house is missing");
}

#[test]
fn nothing_but_our_own_enters_the_real_time_crates() {
    let metadata = metadata();
    for package in metadata["packages"].as_array().expect("packages") {
        let name = package["name"].as_str().expect("name");
        if !matches!(name, "twin-lite" | "rt-core") || !package["source"].is_null() {
            continue;
        }
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            if dependency["kind"].is_null() {
                assert_eq!(dependency["name"], "twin-lite", "{name} has a dependency");
            }
        }
    }
}

/// Sources below `directory` that no crate further down has.
fn sources_of(directory: &Path, crates: &[PathBuf]) -> String {
    let belongs = |path: &PathBuf| {
        let owner =
            crates.iter().filter(|c| path.starts_with(c)).max_by_key(|c| c.as_os_str().len());
        owner.is_some_and(|owner| owner == directory)
    };
    sources().into_iter().filter(belongs).map(|path| read(&path)).collect()
}

/// Whether `text` names the crate `dependency`.
fn names(text: &str, dependency: &str) -> bool {
    let path = format!("{}::", dependency.replace('-', "_"));
    text.match_indices(&path).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | ':'))
    })
}

#[test]
fn a_dependency_that_is_declared_is_used() {
    let metadata = metadata();
    let ours: Vec<_> = metadata["packages"]
        .as_array()
        .expect("packages")
        .iter()
        .filter(|package| package["source"].is_null())
        .map(|package| {
            let manifest = Path::new(package["manifest_path"].as_str().expect("path"));
            (package, manifest.parent().expect("a directory").to_path_buf())
        })
        .collect();
    let crates: Vec<_> = ours.iter().map(|(_, directory)| directory.clone()).collect();
    let mut unused = Vec::new();
    for (package, directory) in &ours {
        let text = sources_of(directory, &crates);
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            // Sources name it as the manifest does.
            let dependency = dependency["rename"].as_str().or(dependency["name"].as_str());
            let dependency = dependency.expect("name");
            let name = package["name"].as_str().expect("name");
            if !names(&text, dependency) {
                unused.push(format!("{name} does not use {dependency}"));
            }
        }
    }
    assert!(unused.is_empty(), "{}", unused.join("\n"));
}

#[test]
fn a_crate_is_named_by_a_path_that_begins_with_it() {
    assert!(names("use rt_core::Bus;", "rt-core"));
    assert!(!names("use part_core::Bus; use config::rt_core::Bus;", "rt-core"));
    assert!(!names("// rt-core", "rt-core"));
}

#[test]
fn ethercrab_is_resolved_without_std() {
    let metadata = metadata();
    let nodes = metadata["resolve"]["nodes"].as_array().expect("nodes");
    let node = nodes
        .iter()
        .find(|n| n["id"].as_str().is_some_and(|id| id.contains("ethercrab@")))
        .expect("ethercrab is used");
    let features = node["features"].as_array().expect("features");
    assert!(!features.iter().any(|f| f == "std"), "ethercrab/std is enabled: {features:?}");
}

#[test]
fn unsafe_code_is_forbidden_where_it_has_no_business() {
    for file in [
        "twin-lite/src/lib.rs",
        "twin-lite/fmu/src/lib.rs",
        "rt-core/src/lib.rs",
        "config/src/lib.rs",
        "supervisor/src/lib.rs",
        "supervisor/queue/src/lib.rs",
        "supervisor/gateway/src/lib.rs",
        "fieldbus/segment/src/lib.rs",
        "fieldbus/world/src/lib.rs",
    ] {
        let text = read(&root().join(file));
        assert!(text.contains("#![forbid(unsafe_code)]"), "{file} does not forbid unsafe code");
    }
}

/// Production code of a file: what stands before its test module, if that is in the file.
fn production(text: &str) -> &str {
    let module = text.match_indices("#[cfg(test)]").find(|(at, _)| {
        let declaration = text[*at..].lines().nth(1).unwrap_or_default();
        declaration.split_whitespace().any(|word| word == "mod") && declaration.ends_with('{')
    });
    module.map_or(text, |(at, _)| &text[..at])
}

#[test]
fn a_test_module_in_a_file_of_its_own_does_not_hide_what_follows() {
    let elsewhere = "#[cfg(test)]\nmod tests;\nfn production() {}\n";
    assert_eq!(production(elsewhere), elsewhere);
    let here = "fn production() {}\n#[cfg(test)]\nmod tests {\n    fn test() {}\n}\n";
    assert_eq!(production(here), "fn production() {}\n");
}

#[test]
fn models_and_profiles_use_no_libm() {
    let forbidden = [
        ".sin(",
        ".cos(",
        ".tan(",
        ".atan2(",
        ".acos(",
        ".asin(",
        ".exp(",
        ".ln(",
        ".powi(",
        ".powf(",
        ".mul_add(",
        ".cbrt(",
        ".hypot(",
        ".floor(",
        ".ceil(",
        ".round(",
        ".trunc(",
        ".sin_cos(",
        ".exp2(",
        ".log10(",
        ".log2(",
        ".div_euclid(",
        ".rem_euclid(",
        "libm::",
    ];
    for path in sources() {
        let name = path.strip_prefix(root()).expect("below the root").display().to_string();
        let ours = [
            "twin-lite/src",
            "rt-core/src",
            "fieldbus/src",
            "fieldbus/segment/src",
            "fieldbus/world/src",
        ]
        .iter()
        .any(|part| name.starts_with(part));
        if !ours || name.contains("test") {
            continue;
        }
        let text = read(&path);
        for (number, line) in production(&text).lines().enumerate() {
            let integer = line.contains("// integer");
            let hit = forbidden.iter().find(|word| line.contains(**word));
            assert!(
                integer || hit.is_none() || line.trim_start().starts_with("//"),
                "{name}:{}: {} is a libm call (integers: end the line with `// integer`)",
                number + 1,
                hit.unwrap_or(&"")
            );
        }
    }
}

/// (line, name, length) of each function in `text`, formatted by rustfmt.
fn functions(text: &str) -> Vec<(usize, String, usize)> {
    let lines: Vec<_> = text.lines().collect();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let indent = line.len() - line.trim_start().len();
        let mut words = line.split_whitespace().skip_while(|w| {
            matches!(*w, "pub" | "const" | "async" | "unsafe" | "extern") || w.starts_with("pub(")
        });
        if words.next() != Some("fn") {
            continue;
        }
        let name = words.next().unwrap_or("").split(['(', '<']).next().unwrap_or("").to_owned();
        let closing = format!("{}}}", " ".repeat(indent));
        let signature = lines[start..].iter().position(|l| l.ends_with(['{', '}', ';']));
        let signature = start + signature.expect("a signature ends");
        let end = match lines[signature].chars().last() {
            Some('{') => lines[signature..].iter().position(|l| *l == closing).unwrap_or(0),
            Some('}') => 0,
            _ => continue,
        };
        found.push((start + 1, name, signature + end - start + 1));
    }
    found
}

#[test]
fn a_function_fits_a_screen_and_a_file_can_be_read_in_one_go() {
    let mut long = Vec::new();
    for path in sources() {
        let name = path.strip_prefix(root()).expect("below the root").display().to_string();
        let text = read(&path);
        for (line, function, length) in functions(&text) {
            if length > FUNCTION_LINES_MAX {
                long.push(format!("{name}:{line} {function}: {length} lines"));
            }
        }
        let lines = text.lines().count();
        if lines > FILE_LINES_MAX {
            long.push(format!("{name}: {lines} lines"));
        }
    }
    assert!(long.is_empty(), "{}", long.join("\n"));
}

#[test]
fn the_length_check_finds_a_function_that_is_too_long() {
    let body = "    x();\n".repeat(FUNCTION_LINES_MAX);
    let text = format!("mod m {{\n}}\npub(crate) const fn f(a: u8) {{\n{body}}}\n");
    assert_eq!(functions(&text), [(3, "f".to_owned(), FUNCTION_LINES_MAX + 2)]);
}

#[test]
fn the_length_check_takes_an_empty_function_for_what_it_is() {
    let text = "\
impl T for S {
    fn empty(&mut self) {}

    fn wrapped<T>(
        &mut self,
        value: T,
    ) -> u8 {
        0
    }

    fn wrapped_and_empty(
        &mut self,
    ) {}
}

trait T {
    fn declared(&self);
    fn wrapped_declaration(
        &self,
    ) -> u8;
}
";
    let found = functions(text);
    let found: Vec<_> = found.iter().map(|(at, name, length)| (*at, &**name, *length)).collect();
    assert_eq!(found, [(2, "empty", 1), (4, "wrapped", 6), (11, "wrapped_and_empty", 3)]);
}

#[test]
fn no_file_names_a_registry_host_or_a_path_of_one_machine() {
    let words = [
        ["crates", ".io/"].concat(),
        ["pypi", ".org"].concat(),
        ["registry.npm", "js"].concat(),
        ["deb.deb", "ian"].concat(),
        ["/work", "/"].concat(),
        ["/root", "/"].concat(),
    ];
    for path in tracked() {
        if path.ends_with("Cargo.lock") || path.ends_with("LICENSE-APACHE") {
            continue;
        }
        let text = read(&path);
        for word in &words {
            assert!(!text.contains(word.as_str()), "{} contains {word}", path.display());
        }
    }
}

#[test]
fn every_decision_is_linked_from_the_architecture_page() {
    let page = read(&root().join("docs/architecture.md"));
    let directory = std::fs::read_dir(root().join("docs/adr")).expect("docs/adr");
    let names: Vec<_> = directory.map(|e| e.expect("entry").file_name()).collect();
    assert!(names.len() >= 13);
    for name in names {
        let name = name.to_string_lossy().into_owned();
        assert!(page.contains(&name), "docs/architecture.md does not link adr/{name}");
    }
}

#[test]
fn the_last_line_of_a_test_run_sums_up_every_run_and_nothing_twice() {
    // Given two runs, a test that started itself again, and one that failed,
    let result = |word: &str, passed: u32, failed: u32, filtered: u32| {
        format!(
            "test result: {word}. {passed} passed; {failed} failed; 0 ignored; 0 measured; {filtered} filtered out; finished in 0.01s\n"
        )
    };
    let log = result("ok", 12, 0, 0) + &result("ok", 1, 0, 3) + &result("FAILED", 4, 2, 0);
    let file = std::env::temp_dir().join(format!("tactus-tally-{}", std::process::id()));
    std::fs::write(&file, log).expect("writable");
    // when they are summed up,
    let output = Command::new(root().join("test")).arg("tally").arg(&file).output();
    let _ = std::fs::remove_file(&file);
    // then it is by top-level runs, with both counts.
    let output = output.expect("./test runs");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "16 passed, 2 failed\n");
    let text = read(&root().join("test"));
    let runs = text.lines().filter(|line| line.contains("cargo test") && !line.contains("--quiet"));
    for line in runs.filter(|line| !line.trim_start().starts_with('#')) {
        assert!(line.trim_start().starts_with("run "), "not in the sum: {line}");
    }
}
