//! Whatever stands in the file: a machine or diagnostics, never a panic.

use proptest::prelude::*;

const DEMO: &str = include_str!("../machines/demo-cell.toml");

/// The start of the character at `at`.
fn boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

fn survives(text: &str) {
    match config::load(text, "mutated.toml") {
        Ok(machine) => assert_eq!(machine.bus.signals.len(), machine.names.signals.len()),
        Err(diagnostics) => {
            assert!(!diagnostics.problems().is_empty());
            assert!(!diagnostics.render(config::Style::Plain, 80).is_empty());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_file_with_a_piece_cut_out(from in 0..DEMO.len(), length in 0_usize..400) {
        let start = boundary(DEMO, from);
        let end = boundary(DEMO, from + length).max(start);
        survives(&format!("{}{}", &DEMO[..start], &DEMO[end..]));
    }

    #[test]
    fn a_file_with_a_piece_put_in(at in 0..DEMO.len(), piece in "[ -~µ\n]{0,24}") {
        let at = boundary(DEMO, at);
        survives(&format!("{}{piece}{}", &DEMO[..at], &DEMO[at..]));
    }

    #[test]
    fn a_file_with_other_numbers(number in "-?[0-9]{1,22}(\\.[0-9]{1,14})?", skip in 0_usize..200) {
        let spots: Vec<usize> = DEMO
            .match_indices(|c: char| c.is_ascii_digit())
            .map(|(at, _)| at)
            .collect();
        let at = spots[skip * 7 % spots.len()];
        survives(&format!("{}{number}{}", &DEMO[..at], &DEMO[at + 1..]));
    }

    #[test]
    fn any_text(text in "(?s).{0,200}") {
        survives(&text);
    }
}
