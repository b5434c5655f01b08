//! The machine files that we ship load, and are what they say.

use std::path::PathBuf;

fn shipped() -> Vec<(PathBuf, String)> {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("machines");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|path| (path.clone(), std::fs::read_to_string(path).unwrap())).collect()
}

#[test]
fn every_shipped_machine_loads_without_a_warning() {
    let files = shipped();
    assert!(files.len() >= 2);
    for (path, text) in files {
        let machine = config::load(&text, &path.display().to_string())
            .unwrap_or_else(|diagnostics| panic!("{diagnostics}"));
        assert_eq!(machine.warnings, Vec::new(), "{}", path.display());
    }
}
