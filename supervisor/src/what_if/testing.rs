//! What the tests of this folder share.

use std::path::Path;

use crate::run::Source;

/// The demo cell that we ship.
pub(crate) fn demo() -> Source {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/machines/demo-cell.toml");
    let bytes = std::fs::read(path).unwrap();
    let text = String::from_utf8(bytes.clone()).unwrap();
    let machine = config::load(&text, "demo-cell.toml").unwrap();
    Source { machine, file_name: "demo-cell.toml".into(), bytes }
}
