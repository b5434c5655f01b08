//! State on a tape: what a model or a loop remembers, word by word, to be put down and taken up again bit by bit.
//!
//! One function says what belongs to a state and in which order; the tape decides what happens to each word: [`Writer`] puts it down,
//! [`Reader`] puts it back, [`Names`] tells what it is called. [`taped!`](crate::taped) and [`taped_enum!`](crate::taped_enum) write that
//! function, and do not compile while a field is forgotten.

use crate::Nano;

/// Where the words of a state go to or come from.
pub trait Tape {
    /// One word: taken, or replaced.
    fn word(&mut self, word: &mut u64);

    /// What follows is called so, until the matching [`close`](Tape::close).
    fn open(&mut self, name: &'static str) {
        let _ = name;
    }

    /// The end of what was opened last.
    fn close(&mut self) {}

    /// What was read cannot be: no variant has this number, or a list has another length.
    fn refuse(&mut self) {}
}

/// Something with a state. Its shape (lengths of lists) is made by its constructor and not on the tape.
pub trait Taped {
    /// Every word of the state, in order.
    fn tape<T: Tape>(&mut self, tape: &mut T);
}

/// Puts a state down. Never allocates; what does not fit is counted.
#[derive(Debug)]
pub struct Writer<'a> {
    words: &'a mut [u64],
    written: usize,
}

impl<'a> Writer<'a> {
    /// Onto these words.
    pub fn new(words: &'a mut [u64]) -> Self {
        Self { words, written: 0 }
    }

    /// How many words the state has; `None`: there was no room for all of them.
    #[must_use]
    pub fn written(&self) -> Option<usize> {
        (self.written <= self.words.len()).then_some(self.written)
    }
}

impl Tape for Writer<'_> {
    fn word(&mut self, word: &mut u64) {
        if let Some(place) = self.words.get_mut(self.written) {
            *place = *word;
        }
        self.written = self.written.saturating_add(1);
    }
}

/// Puts a state back.
#[derive(Debug)]
pub struct Reader<'a> {
    words: &'a [u64],
    read: usize,
    refused: bool,
}

/// What is on a tape is not the state of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotThisState {
    /// Words that the state has.
    pub expected: usize,
    /// Words on the tape.
    pub found: usize,
}

impl<'a> Reader<'a> {
    /// From these words.
    #[must_use]
    pub fn new(words: &'a [u64]) -> Self {
        Self { words, read: 0, refused: false }
    }

    /// After the last word.
    ///
    /// # Errors
    /// [`NotThisState`]: the state that was read into is of no use then.
    pub fn finish(self) -> Result<(), NotThisState> {
        if self.refused || self.read != self.words.len() {
            return Err(NotThisState { expected: self.read, found: self.words.len() });
        }
        Ok(())
    }
}

impl Tape for Reader<'_> {
    fn word(&mut self, word: &mut u64) {
        match self.words.get(self.read) {
            Some(there) => *word = *there,
            None => self.refused = true,
        }
        self.read = self.read.saturating_add(1);
    }

    fn refuse(&mut self) {
        self.refused = true;
    }
}

/// Counts the words of a state as it is now.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counter(pub usize);

impl Tape for Counter {
    fn word(&mut self, _: &mut u64) {
        self.0 = self.0.saturating_add(1);
    }
}

/// Sums a state up in one word: another state has another sum, but once in 2⁶⁴.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest(pub u64);

impl Tape for Digest {
    fn word(&mut self, word: &mut u64) {
        // An odd factor and a rotation: each step can be undone, so no word is ever lost by itself.
        self.0 = (self.0.rotate_left(23) ^ *word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}

macro_rules! unsigned {
    ($($type:ty),*) => {$(
        impl Taped for $type {
            fn tape<T: Tape>(&mut self, tape: &mut T) {
                let mut word = u64::from(*self);
                tape.word(&mut word);
                match Self::try_from(word) {
                    Ok(value) => *self = value,
                    Err(_) => tape.refuse(),
                }
            }
        }
    )*};
}

macro_rules! signed {
    ($($type:ty),*) => {$(
        impl Taped for $type {
            fn tape<T: Tape>(&mut self, tape: &mut T) {
                let mut word = i64::from(*self).cast_unsigned();
                tape.word(&mut word);
                match Self::try_from(word.cast_signed()) {
                    Ok(value) => *self = value,
                    Err(_) => tape.refuse(),
                }
            }
        }
    )*};
}

unsigned!(u8, u16, u32);
signed!(i8, i16, i32);

impl Taped for u64 {
    fn tape<T: Tape>(&mut self, tape: &mut T) {
        tape.word(self);
    }
}

impl Taped for usize {
    fn tape<T: Tape>(&mut self, tape: &mut T) {
        let mut word = u64::try_from(*self).unwrap_or(u64::MAX);
        tape.word(&mut word);
        match Self::try_from(word) {
            Ok(value) => *self = value,
            Err(_) => tape.refuse(),
        }
    }
}

impl Taped for i64 {
    fn tape<T: Tape>(&mut self, tape: &mut T) {
        let mut word = self.cast_unsigned();
        tape.word(&mut word);
        *self = word.cast_signed();
    }
}

impl Taped for i128 {
    fn tape<T: Tape>(&mut self, tape: &mut T) {
        let bits = self.cast_unsigned();
        let half = |bits: u128| u64::try_from(bits & u128::from(u64::MAX)).unwrap_or(0);
        let (mut high, mut low) = (half(bits >> 64), half(bits));
        tape.word(&mut high);
        tape.word(&mut low);
        *self = (u128::from(high) << 64 | u128::from(low)).cast_signed();
    }
}

impl Taped for f64 {
    fn tape<T: Tape>(&mut self, tape: &mut T) {
        let mut word = self.to_bits();
        tape.word(&mut word);
        *self = Self::from_bits(word);
    }
}

impl Taped for bool {
    fn tape<T: Tape>(&mut self, tape: &mut T) {
        let mut word = u64::from(*self);
        tape.word(&mut word);
        match word {
            0 => *self = false,
            1 => *self = true,
            _ => tape.refuse(),
        }
    }
}

impl Taped for Nano {
    fn tape<T: Tape>(&mut self, tape: &mut T) {
        self.0.tape(tape);
    }
}

impl<V: Taped + Default> Taped for Option<V> {
    fn tape<T: Tape>(&mut self, tape: &mut T) {
        let mut there = self.is_some();
        there.tape(tape);
        if there != self.is_some() {
            *self = there.then(V::default);
        }
        if let Some(value) = self {
            value.tape(tape);
        }
    }
}

impl<V: Taped + Default, E: Taped + Default> Taped for Result<V, E> {
    fn tape<T: Tape>(&mut self, tape: &mut T) {
        let mut well = self.is_ok();
        well.tape(tape);
        if well != self.is_ok() {
            *self = if well { Ok(V::default()) } else { Err(E::default()) };
        }
        match self {
            Ok(value) => value.tape(tape),
            Err(error) => error.tape(tape),
        }
    }
}

/// Bytes, eight to a word.
pub fn bytes<T: Tape>(bytes: &mut [u8], tape: &mut T) {
    for chunk in bytes.chunks_mut(8) {
        let mut packed = [0; 8];
        for (to, from) in packed.iter_mut().zip(&*chunk) {
            *to = *from;
        }
        let mut word = u64::from_le_bytes(packed);
        tape.word(&mut word);
        for (to, from) in chunk.iter_mut().zip(word.to_le_bytes()) {
            *to = from;
        }
    }
}

/// A list of fixed length: the length is on the tape too, to be compared.
impl<V: Taped> Taped for [V] {
    fn tape<T: Tape>(&mut self, tape: &mut T) {
        let here = u64::try_from(self.len()).unwrap_or(u64::MAX);
        let mut there = here;
        tape.word(&mut there);
        if there != here {
            tape.refuse();
        }
        for value in self {
            value.tape(tape);
        }
    }
}

impl<V: Taped, const N: usize> Taped for [V; N] {
    fn tape<T: Tape>(&mut self, tape: &mut T) {
        for value in self {
            value.tape(tape);
        }
    }
}

impl<A: Taped, B: Taped> Taped for (A, B) {
    fn tape<T: Tape>(&mut self, tape: &mut T) {
        self.0.tape(tape);
        self.1.tape(tape);
    }
}

/// `taped!(Type { state, fields; made, by, the, constructor })`: the fields after the semicolon are not on the tape.
#[macro_export]
macro_rules! taped {
    ($type:ty { $($field:ident),* $(,)? $(; $($made:ident),* $(,)?)? }) => {
        impl $crate::tape::Taped for $type {
            fn tape<T: $crate::tape::Tape>(&mut self, tape: &mut T) {
                let Self { $($field,)* $($($made: _,)*)? } = self;
                $(
                    tape.open(stringify!($field));
                    // By autoderef, so that boxed lists are lists.
                    $field.tape(tape);
                    tape.close();
                )*
            }
        }
    };
}

/// `taped_enum!(Type { 0: Plain, 1: Named { a, b }, 2: Tuple(c) })`: every variant with its number on the tape, which never changes.
#[macro_export]
macro_rules! taped_enum {
    ($type:ty { $($number:literal: $variant:ident $({ $($field:ident),* })? $(( $inner:ident ))?),* $(,)? }) => {
        impl $crate::tape::Taped for $type {
            fn tape<T: $crate::tape::Tape>(&mut self, tape: &mut T) {
                let here: u64 = match self {
                    $(Self::$variant $({ $($field: _),* })? $(( $crate::ignored!($inner) ))? => $number,)*
                };
                let mut there = here;
                tape.word(&mut there);
                if there != here {
                    match there {
                        $($number => *self = Self::$variant $({ $($field: Default::default()),* })? $(($crate::default_of!($inner)))?,)*
                        _ => tape.refuse(),
                    }
                }
                match self {
                    $(Self::$variant $({ $($field),* })? $(($inner))? => {
                        $($(
                            tape.open(stringify!($field));
                            $crate::tape::Taped::tape($field, tape);
                            tape.close();
                        )*)?
                        $($crate::tape::Taped::tape($inner, tape);)?
                    })*
                }
            }
        }
    };
}

/// For [`taped_enum!`]: a pattern.
#[doc(hidden)]
#[macro_export]
macro_rules! ignored {
    ($inner:ident) => {
        _
    };
}

/// For [`taped_enum!`]: a value that is about to be read.
#[doc(hidden)]
#[macro_export]
macro_rules! default_of {
    ($inner:ident) => {
        Default::default()
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Debug, Default, PartialEq)]
    enum Phase {
        #[default]
        Rest,
        Going {
            since: u64,
            speed: f64,
        },
        Held(Nano),
    }
    taped_enum!(Phase { 0: Rest, 1: Going { since, speed }, 2: Held(at) });

    #[derive(Clone, Debug, PartialEq)]
    struct Thing {
        phase: Phase,
        wide: i128,
        small: (i16, u8),
        known: Option<Phase>,
        list: [bool; 3],
        limit: u64,
    }
    taped!(Thing { phase, wide, small, known, list; limit });

    fn at_rest(limit: u64) -> Thing {
        Thing { phase: Phase::Rest, wide: 0, small: (0, 0), known: None, list: [false; 3], limit }
    }

    fn moving() -> Thing {
        Thing {
            phase: Phase::Going { since: 7, speed: -0.1 },
            wide: -(1 << 100) + 3,
            small: (-5, 250),
            known: Some(Phase::Held(Nano(-9))),
            list: [true, false, true],
            limit: 1,
        }
    }

    fn put_down(thing: &mut Thing, words: &mut [u64]) -> usize {
        let mut writer = Writer::new(words);
        thing.tape(&mut writer);
        writer.written().expect("there is room")
    }

    fn take_up(thing: &mut Thing, words: &[u64]) -> Result<(), NotThisState> {
        let mut reader = Reader::new(words);
        thing.tape(&mut reader);
        reader.finish()
    }

    #[test]
    fn a_state_is_taken_up_as_it_was_put_down_and_what_the_constructor_makes_stays() {
        let mut words = [0; 32];
        let count = put_down(&mut moving(), &mut words);
        let mut counter = Counter::default();
        moving().tape(&mut counter);
        assert_eq!(count, counter.0);
        let mut other = at_rest(2);
        assert_eq!(take_up(&mut other, &words[..count]), Ok(()));
        assert_eq!(other, Thing { limit: 2, ..moving() });
        // And back again, from more words to fewer.
        let count = put_down(&mut at_rest(1), &mut words);
        assert_eq!(take_up(&mut other, &words[..count]), Ok(()));
        assert_eq!(other, at_rest(2));
    }

    #[test]
    fn a_tape_that_is_too_short_too_long_or_of_something_else_is_refused() {
        let mut words = [0; 32];
        let count = put_down(&mut moving(), &mut words);
        for wrong in [count - 1, count + 1] {
            assert!(take_up(&mut at_rest(1), &words[..wrong]).is_err(), "{wrong}");
        }
        // No fourth phase, no second truth, no 300 in a byte.
        for (at, word) in [(0, 3), (count - 1, 2), (6, 300)] {
            let mut damaged = words;
            damaged[at] = word;
            assert!(take_up(&mut at_rest(1), &damaged[..count]).is_err(), "word {at}");
        }
    }

    #[test]
    fn a_state_that_does_not_fit_is_known_not_to() {
        let mut words = [0; 4];
        let mut writer = Writer::new(&mut words);
        moving().tape(&mut writer);
        assert_eq!(writer.written(), None);
    }
}
