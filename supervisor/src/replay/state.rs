//! What the words of a state are called: for comparing versions, and for saying what differs.

use std::collections::BTreeSet;

use rt_core::checkpoint::Whole;
use rt_core::program::Program;
use rt_core::signal::Signals;
use rt_core::step::Core;
use rt_core::vision::{Received, STREAMS_MAX};
use twin_lite::tape::{Tape, Taped};

/// Follows the names down to each word.
#[derive(Default)]
struct Names {
    path: Vec<&'static str>,
    word: usize,
    /// Only this word is asked for.
    wanted: Option<usize>,
    found: BTreeSet<String>,
}

impl Tape for Names {
    fn word(&mut self, _: &mut u64) {
        if self.wanted.is_none_or(|wanted| wanted == self.word) {
            self.found.insert(self.path.join("."));
        }
        self.word += 1;
    }

    fn open(&mut self, name: &'static str) {
        self.path.push(name);
    }

    fn close(&mut self) {
        self.path.pop();
    }
}

/// The fields of a machine's state, one a line.
#[must_use]
pub fn fields<P: Program>(core: &mut Core<P>) -> String {
    let mut signals = Signals::new(usize::from(core.plan().signal_count));
    let mut vision = [Received::default(); STREAMS_MAX];
    let mut names = Names::default();
    Whole { core, signals: &mut signals, vision: &mut vision }.tape(&mut names);
    names.found.into_iter().collect::<Vec<_>>().join("\n")
}

/// What word `number` of a state is called.
pub(super) fn name_of<P: Program>(number: usize, whole: &mut Whole<'_, P>) -> String {
    let mut names = Names { wanted: Some(number), ..Names::default() };
    whole.tape(&mut names);
    names.found.into_iter().next().unwrap_or_else(|| "the end of the state".into())
}

/// Fields of `of` that are not in `than`, both one a line.
pub(super) fn lacking(of: &str, than: &str) -> Vec<String> {
    let there: BTreeSet<&str> = than.lines().collect();
    of.lines().filter(|field| !there.contains(field)).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_recording_lacks_is_named() {
        assert_eq!(lacking("a.b\na.c\nd", "a.b\nd\ne"), ["a.c"]);
        assert!(lacking("a", "a\nb").is_empty());
    }
}
