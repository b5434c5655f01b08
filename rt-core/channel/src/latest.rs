//! Only the newest value: a wait-free triple buffer of plain data.
//!
//! Three slots. One belongs to the writer, one to the reader, the third lies between them. To
//! publish, the writer exchanges its slot for the one between and marks it fresh; to take, the
//! reader exchanges its own for it if, and only if, it is fresh. Each side does at most one atomic
//! exchange a call, so neither can make the other wait.
//!
//! Invariants:
//! - the two ends and `between` always name three different slots;
//! - only the writer writes, and only to the slot that it holds;
//! - the writer never writes to the slot that it published last before it has published another, so
//!   that it may still read it.

#[cfg(loom)]
use loom::{cell::UnsafeCell, sync::Arc, sync::atomic::AtomicU8};
#[cfg(not(loom))]
use std::{sync::Arc, sync::atomic::AtomicU8};

use std::marker::PhantomData;
use std::sync::atomic::Ordering;

/// Set in `between`: the slot there was published and not taken yet.
const FRESH: u8 = 0b100;
/// The slot's number in `between`.
const SLOT: u8 = 0b011;

/// How the ends order memory. [`Sound`] is the only one outside `--cfg loom`; the planted bugs of
/// the loom test are others.
#[doc(hidden)]
pub trait Protocol {
    /// Of the writer's exchange. Releases the value; acquires the end of the reader's reads of the
    /// slot it gets back.
    const PUBLISH: Ordering = Ordering::AcqRel;
    /// Of the reader's exchange. Acquires the value; releases the slot that it has read.
    const TAKE: Ordering = Ordering::AcqRel;
    /// The reader exchanges only for a fresh slot.
    const ONLY_FRESH: bool = true;
}

/// The protocol as it is proved.
#[doc(hidden)]
#[derive(Debug)]
pub struct Sound;

impl Protocol for Sound {}

/// On its own pair of cache lines, so that the ends do not disturb each other.
#[derive(Debug)]
#[repr(align(128))]
struct Apart<T>(T);

#[derive(Debug)]
struct Shared<T> {
    slots: [Apart<UnsafeCell<T>>; 3],
    /// Number of the slot between the ends, and [`FRESH`].
    between: Apart<AtomicU8>,
}

// SAFETY: a slot is written only by the one `Writer` while it alone holds it, and handed on by an
// exchange that releases the writes and acquires the other end's reads (`Protocol`). Readers share
// slots only to read; `T: Copy` has no interior mutability (`UnsafeCell` is not `Copy`), so `T:
// Send` suffices.
unsafe impl<T: Copy + Send> Sync for Shared<T> {}

/// The end that publishes.
#[derive(Debug)]
pub struct Writer<T, P = Sound> {
    shared: Arc<Shared<T>>,
    /// The slot that only this end touches.
    own: u8,
    /// The slot published last; the reader may read it, nobody writes it.
    last: u8,
    protocol: PhantomData<P>,
}

/// The end that takes.
#[derive(Debug)]
pub struct Reader<T, P = Sound> {
    shared: Arc<Shared<T>>,
    /// The slot that this end reads.
    own: u8,
    protocol: PhantomData<P>,
}

/// A channel on which `initial` counts as already read. All memory is allocated here.
#[must_use]
pub fn channel<T: Copy + Send>(initial: T) -> (Writer<T>, Reader<T>) {
    channel_with(initial)
}

/// As [`channel`], with any protocol.
#[doc(hidden)]
#[must_use]
pub fn channel_with<T: Copy + Send, P: Protocol>(initial: T) -> (Writer<T, P>, Reader<T, P>) {
    let slot = || Apart(UnsafeCell::new(initial));
    let shared =
        Arc::new(Shared { slots: [slot(), slot(), slot()], between: Apart(AtomicU8::new(1)) });
    let writer = Writer { shared: Arc::clone(&shared), own: 0, last: 1, protocol: PhantomData };
    let reader = Reader { shared, own: 2, protocol: PhantomData };
    (writer, reader)
}

impl<T> Shared<T> {
    /// The slot of that number. Numbers come from `between` and the ends, 0 to 2 by construction;
    /// the fallback is never taken.
    fn slot(&self, number: u8) -> &UnsafeCell<T> {
        let [first, second, third] = &self.slots;
        match number & SLOT {
            0 => &first.0,
            1 => &second.0,
            _ => &third.0,
        }
    }
}

impl<T: Copy + Send, P: Protocol> Writer<T, P> {
    /// Publishes `value`. What was published before and not yet taken is gone. Wait-free.
    pub fn write(&mut self, value: T) {
        self.shared.slot(self.own).with_mut(|slot| {
            // SAFETY: only this end touches its own slot (first invariant), and it is not shared
            // here: `&mut self`.
            unsafe { slot.write(value) }
        });
        self.publish();
    }

    /// Publishes the value written last (at first the initial one) as `change` leaves it. Wait-free
    /// if `change` is.
    pub fn write_with(&mut self, change: impl FnOnce(&mut T)) {
        let mut value = self.shared.slot(self.last).with(|slot| {
            // SAFETY: nobody writes to the slot published last (third invariant); reading beside
            // the reader is sound.
            unsafe { slot.read() }
        });
        change(&mut value);
        self.write(value);
    }

    fn publish(&mut self) {
        self.last = self.own;
        self.own = self.shared.between.0.swap(self.own | FRESH, P::PUBLISH) & SLOT;
    }
}

impl<T: Copy + Send, P: Protocol> Reader<T, P> {
    /// The newest value published: always a whole one, never an older one than before. Wait-free.
    pub fn read(&mut self) -> &T {
        if !P::ONLY_FRESH || self.updated() {
            self.own = self.shared.between.0.swap(self.own, P::TAKE) & SLOT;
        }
        self.shared.slot(self.own).with(|slot| {
            // SAFETY: the writer does not write to the slot that this end holds (first invariant),
            // and this end gives it back only by another `read`, which needs `&mut self`: the
            // reference is gone by then.
            unsafe { &*slot }
        })
    }

    /// A value is there that `read` has not returned yet.
    #[must_use]
    pub fn updated(&self) -> bool {
        self.shared.between.0.load(Ordering::Acquire) & FRESH != 0
    }
}

/// The standard cell with loom's way to reach inside.
#[cfg(not(loom))]
#[derive(Debug)]
struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

#[cfg(not(loom))]
impl<T> UnsafeCell<T> {
    fn new(value: T) -> Self {
        UnsafeCell(std::cell::UnsafeCell::new(value))
    }

    fn with<R>(&self, read: impl FnOnce(*const T) -> R) -> R {
        read(self.0.get())
    }

    fn with_mut<R>(&self, write: impl FnOnce(*mut T) -> R) -> R {
        write(self.0.get())
    }
}
