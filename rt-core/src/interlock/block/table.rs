//! Transition tables as oracles: written from the state diagram, as text, and compared with a block over all of its states, all
//! inputs (0, 1, unknown) and the edges of its timer.
//!
//! A row: `state … | inputs | time | next`. Inputs: `0`, `1`, `?` unknown, `.` 0 or 1, `*` anything. Time in the state: `y` (young,
//! up to the limit), `o` (over it), `*`. Next: a code, `+` behind it when its timer begins now (else it goes on), `same` to stay;
//! `/CODE` when the block reports something else than its state. For every case exactly one row must fit.

use super::{Code, Level};
use alloc::vec::Vec;
use core::fmt::Debug;

/// Limit of every timer in a table, ns.
pub(crate) const LIMIT: u64 = 50;
const NOW: u64 = 10_000;

/// A block that can be put into any of its states.
pub(crate) trait Tabled: Clone + Debug {
    const INPUTS: usize;
    /// In the state with this code, since then.
    fn at(code: u16, since: u64) -> Self;
    /// The code of its state, and since when if it has a timer.
    fn state(&self) -> (u16, Option<u64>);
    /// One cycle with all limits at [`LIMIT`].
    fn step(&mut self, inputs: &[Level], now: u64) -> Code;
}

struct Row<'a> {
    text: &'a str,
    from: Vec<u16>,
    inputs: Vec<char>,
    time: char,
    next: &'a str,
}

fn code(text: &str) -> u16 {
    u16::from_str_radix(text, 16).unwrap_or_else(|_| panic!("{text} is no code"))
}

fn rows(table: &str) -> Vec<Row<'_>> {
    let lines = table.lines().map(str::trim).filter(|line| !line.is_empty());
    lines
        .map(|text| {
            let parts: Vec<&str> = text.split('|').map(str::trim).collect();
            let [from, inputs, time, next] = parts[..] else { panic!("not a row: {text}") };
            Row {
                text,
                from: from.split_whitespace().map(code).collect(),
                inputs: inputs.chars().filter(|c| *c != ' ').collect(),
                time: time.chars().next().unwrap(),
                next,
            }
        })
        .collect()
}

impl Row<'_> {
    fn fits(&self, from: u16, inputs: &[Level], over: bool) -> bool {
        let fits = |(pattern, level): (&char, &Level)| match pattern {
            '0' => *level == Some(false),
            '1' => *level == Some(true),
            '?' => level.is_none(),
            '.' => level.is_some(),
            '*' => true,
            other => panic!("{other} in {}", self.text),
        };
        let time = match self.time {
            'y' => !over,
            'o' => over,
            '*' => true,
            other => panic!("{other} in {}", self.text),
        };
        assert_eq!(self.inputs.len(), inputs.len(), "{}", self.text);
        self.from.contains(&from) && time && self.inputs.iter().zip(inputs).all(fits)
    }
}

/// Compares; gives how many cases there were.
pub(crate) fn compare<B: Tabled>(states: &[u16], table: &str) -> usize {
    let rows = rows(table);
    let mut used: Vec<bool> = rows.iter().map(|_| false).collect();
    let mut cases = 0;
    for &from in states {
        for combination in 0..3_usize.pow(u32::try_from(B::INPUTS).unwrap()) {
            let inputs: Vec<Level> = (0..B::INPUTS)
                .map(|n| match combination / 3_usize.pow(u32::try_from(n).unwrap()) % 3 {
                    0 => Some(false),
                    1 => Some(true),
                    _ => None,
                })
                .collect();
            for age in [0, 1, LIMIT - 1, LIMIT, LIMIT + 1, 2 * LIMIT] {
                let fitting: Vec<usize> = (0..rows.len())
                    .filter(|row| rows[*row].fits(from, &inputs, age > LIMIT))
                    .collect();
                let case = alloc::format!("{from:04X} {inputs:?} after {age}");
                let [row] = fitting[..] else {
                    let texts: Vec<_> = fitting.iter().map(|row| rows[*row].text).collect();
                    panic!("{case}: exactly one row must fit, not {texts:?}");
                };
                used[row] = true;
                one::<B>(states, from, &inputs, age, rows[row].next, &case);
                cases += 1;
            }
        }
    }
    for (row, used) in rows.iter().zip(used) {
        assert!(used, "never used: {}", row.text);
    }
    cases
}

fn one<B: Tabled>(states: &[u16], from: u16, inputs: &[Level], age: u64, next: &str, case: &str) {
    let (next, reported) = match next.split_once('/') {
        Some((next, reported)) => (next, Some(code(reported))),
        None => (next, None),
    };
    let begins = next.ends_with('+');
    let next = next.trim_end_matches('+');
    let next = if next == "same" { from } else { code(next) };
    assert!(states.contains(&next), "{case}: {next:04X} is no state");
    let mut block = B::at(from, NOW - age);
    assert_eq!(block.state().0, from, "{case}: the block cannot be put there");
    let said = block.step(inputs, NOW);
    let (after, since) = block.state();
    assert_eq!(after, next, "{case}: state (left: {after:04X}, right: {next:04X})");
    assert_eq!(said.0, reported.unwrap_or(next), "{case}: code {:04X}", said.0);
    if let Some(since) = since {
        assert_eq!(since, if begins { NOW } else { NOW - age }, "{case}: timer");
    }
}
