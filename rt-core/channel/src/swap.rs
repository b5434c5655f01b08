//! Whole buffers change hands: a full one for an empty one, without copying.
//!
//! A fixed set of buffers goes round. The real-time end owns one; when it is worth keeping, it exchanges it for a spare one, if there
//! is one. The other end takes the full ones and gives each back, emptied, when it is done. Two rings of pointers, one for each
//! direction, with room for every spare buffer: neither end ever finds its own full.
//!
//! Nothing is allocated or freed by either call; whoever of the two ends goes last frees the buffers that are under way.

/// The real-time end: owns a buffer, and gives it away.
#[derive(Debug)]
pub struct Giver<T> {
    filled: rtrb::Producer<T>,
    empty: rtrb::Consumer<T>,
    /// A spare that could not be used; `None` as long as both ends keep to their calls.
    kept: Option<T>,
}

/// The end that takes full buffers and gives empty ones back.
#[derive(Debug)]
pub struct Taker<T> {
    filled: rtrb::Consumer<T>,
    empty: rtrb::Producer<T>,
}

/// A channel with these spare buffers; as many may wait for the taker at once. All memory is allocated here.
#[must_use]
pub fn channel<T: Send>(spares: Vec<T>) -> (Giver<T>, Taker<T>) {
    let (give, filled) = rtrb::RingBuffer::new(spares.len());
    let (mut give_back, empty) = rtrb::RingBuffer::new(spares.len());
    for spare in spares {
        // There is room: the ring was made for all of them.
        let _ = give_back.push(spare);
    }
    (Giver { filled: give, empty, kept: None }, Taker { filled, empty: give_back })
}

impl<T: Send> Giver<T> {
    /// Puts a spare buffer in the place of `buffer`, and hands what was there to the taker. `false`: there is no spare one, and nothing
    /// happened. Wait-free.
    pub fn swap(&mut self, buffer: &mut T) -> bool {
        if self.filled.is_full() {
            return false;
        }
        let Some(spare) = self.kept.take().or_else(|| self.empty.pop().ok()) else { return false };
        let full = std::mem::replace(buffer, spare);
        match self.filled.push(full) {
            Ok(()) => true,
            Err(rtrb::PushError::Full(full)) => {
                // Only this end fills it, and it was not full: not reached, and nothing is lost if it is.
                self.kept = Some(std::mem::replace(buffer, full));
                false
            }
        }
    }
}

impl<T: Send> Taker<T> {
    /// The oldest full buffer. Wait-free.
    pub fn take(&mut self) -> Option<T> {
        self.filled.pop().ok()
    }

    /// Gives a buffer back, to be filled again. Wait-free.
    ///
    /// # Errors
    /// There are as many as the channel was made for: this one was not taken from it. It comes back.
    pub fn give_back(&mut self, buffer: T) -> Result<(), T> {
        self.empty.push(buffer).map_err(|rtrb::PushError::Full(buffer)| buffer)
    }

    /// The giver is gone: what is there now is all that comes.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.filled.is_abandoned()
    }
}
