//! Numbers that look drawn: the same seed, the same numbers.

/// SplitMix64.
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    /// The next of its numbers, any of 64 bits.
    #[expect(
        clippy::should_implement_trait,
        reason = "it never ends: an Option would only be in the way"
    )]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ z >> 31
    }

    /// A number below `range`, which is above 0.
    pub fn below(&mut self, range: u64) -> u64 {
        self.next() % range
    }

    /// A number from `low` up to `high`, both of which may come.
    pub fn from_to(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// A place below `range`, which is above 0.
    pub fn place(&mut self, range: usize) -> usize {
        usize::try_from(self.below(u64::try_from(range).expect("64 bits"))).expect("below a usize")
    }

    /// One of `choice`, which is not empty.
    pub fn of<T: Clone>(&mut self, choice: &[T]) -> T {
        choice[self.place(choice.len())].clone()
    }

    /// Once in so many times.
    pub fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// Eight bits.
    pub fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }
}
