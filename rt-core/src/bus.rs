//! What the cycle needs of a fieldbus. `fieldbus` implements it; this crate never sees EtherCAT.

use crate::signal::Signals;
use twin_lite::{taped, taped_enum};

/// Most sync units a machine can have: a verdict for each fits one word.
pub const SYNC_UNITS_MAX: usize = 64;

/// How far the bus is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BusState {
    /// Process data are exchanged for the devices to get in step; outputs are not taken by the devices.
    #[default]
    Starting,
    /// Every device is in Op and takes outputs.
    Operational,
    /// At least one device left Op, or the link is lost.
    Faulted,
}

taped_enum!(BusState { 0: Starting, 1: Operational, 2: Faulted });

/// What the bus did and saw; counters are totals since start and never go back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameCounts {
    /// Frames given to the link.
    pub sent: u64,
    /// Frames of ours that came back in time and whole.
    pub received: u64,
    /// Frames of ours that came back after the deadline of their cycle.
    pub late: u64,
    /// Frames of ours that came back once more.
    pub duplicate: u64,
    /// Frames that were not ours, or of which it cannot be said (cut to a stump, or given up long ago).
    pub foreign: u64,
    /// Frames of ours that came back shorter than they were sent.
    pub truncated: u64,
    /// Frames of ours that came back whole and damaged (length, command, address, structure).
    pub corrupt: u64,
    /// Frames of ours that never came back.
    pub lost: u64,
    /// Datagrams whose working counter was not the expected one.
    pub working_counter_errors: u64,
}

taped!(FrameCounts {
    sent,
    received,
    late,
    duplicate,
    foreign,
    truncated,
    corrupt,
    lost,
    working_counter_errors
});

/// Why the bus is `Faulted`, as evidence for people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BusFault {
    /// Position of the device on the segment, from 0; `u16::MAX` when it is not one device.
    pub position: u16,
    /// AL status it reported (0x0130), 0 when it did not answer.
    pub al_status: u16,
    /// AL status code (0x0134).
    pub al_status_code: u16,
    /// The link itself is down.
    pub link_down: bool,
    /// The clocks did not get in step in time; `position` is the device that is farthest from it.
    pub clocks_apart: bool,
}

/// The result of one exchange.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exchange {
    /// How far the bus is.
    pub state: BusState,
    /// Bit n: the working counter of sync unit n was the expected one, in this very exchange.
    pub units_good: u64,
    /// Bit n: sync unit n exists.
    pub units_all: u64,
    /// DC is used and not locked.
    pub dc_unlocked: bool,
    /// Offset of the DC reference clock's phase to the loop's, ns, signed; 0 when DC is not used.
    pub dc_offset_ns: i32,
    /// When the last frame came back, ns of CLOCK_MONOTONIC; that is what inputs of devices without SYNC0 carry.
    pub received_at: u64,
    /// Totals since start.
    pub counts: FrameCounts,
    /// Evidence while `Faulted`.
    pub fault: BusFault,
}

// The evidence is for people: nothing decides by it.
taped!(Exchange { state, units_good, units_all, dc_unlocked, dc_offset_ns, received_at, counts; fault });

/// What of an exchange concerns time alone. Not part of [`Exchange`], which is recorded every cycle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    /// When the last frame had been given to the link, ns of CLOCK_MONOTONIC.
    pub sent_at: u64,
    /// What the next wake-up should move by to keep in step with the bus' clock, ns, signed; 0 when nothing asks for it. The schedule
    /// takes it within ±1 % of the period, once, on top of the period.
    pub trim_ns: i32,
    /// The reference clock is not there, or not what it was; nobody follows it.
    pub is_reference_lost: bool,
}

/// An emergency message of a device (CiA 301; ETG1000.6 Table 50).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Emergency {
    /// Position of the device on the segment, from 0.
    pub device: u16,
    /// Error code; of a drive as 0x603F. 0: the error is gone.
    pub code: u16,
    /// Error register (0x1001).
    pub register: u8,
    /// What the manufacturer adds.
    pub data: [u8; 5],
}

/// A fieldbus as the cycle sees it. From the first `exchange` on: no allocation, no lock, no panic, only send and receive system calls.
pub trait Bus {
    /// Sends the frames prepared by the last `encode`, receives until all are back or `deadline` (ns, absolute) has passed,
    /// checks every working counter, and moves state transitions on.
    fn exchange(&mut self, now: u64, deadline: u64) -> Exchange;

    /// The pace of the last exchange.
    fn pace(&self) -> Pace;

    /// Process image → inputs. Signals of a sync unit whose working counter was wrong are aged, never written.
    fn decode(&mut self, signals: &mut Signals);

    /// Outputs → process image of the next frames.
    fn encode(&mut self, signals: &Signals);

    /// The oldest emergency that a device has sent and nobody has taken yet. A bus without such messages has none.
    fn take_emergency(&mut self) -> Option<Emergency> {
        None
    }
}
