//! What a bad line does to frames, and what is counted: one for one.

use fieldbus::link::{Faults, Injected};
use rt_core::bus::FrameCounts;

use super::cell::plan;
use super::operational;

/// 2 000 cycles with these faults alone, then quiet: what was counted, and what was injected.
fn counted(faults: Faults) -> (FrameCounts, Injected) {
    let mut rig = operational(&plan());
    let before = rig.cycles(1).counts;
    rig.bus.link_mut().set_faults(Faults { seed: 11, ..faults });
    rig.cycles(2_000);
    rig.bus.link_mut().set_faults(Faults::default());
    let counts = rig.cycles(20).counts;
    assert_eq!((before.lost, before.late, before.duplicate, before.foreign), (0, 0, 0, 0));
    (counts, rig.bus.link_mut().injected())
}

#[test]
fn each_kind_of_fault_is_counted_as_what_it_is_and_exactly_as_often() {
    let nothing = Faults::default();
    let ppm = 20_000;
    let all = |c: FrameCounts| [c.lost, c.late, c.duplicate, c.truncated, c.corrupt, c.foreign];
    let (counts, injected) = counted(Faults { loss_ppm: ppm, ..nothing.clone() });
    assert_eq!(all(counts), [injected.lost, 0, 0, 0, 0, 0]);
    assert!(injected.lost > 10);
    let late = Faults { late_ppm: ppm, late_ns: 900_000, ..nothing.clone() };
    let (counts, injected) = counted(late);
    assert_eq!(all(counts), [0, injected.late, 0, 0, 0, 0]);
    assert!(injected.late > 10);
    let (counts, injected) = counted(Faults { duplicate_ppm: ppm, ..nothing.clone() });
    assert_eq!(all(counts), [0, 0, injected.duplicated, 0, 0, 0]);
    assert!(injected.duplicated > 10);
    let (counts, injected) = counted(Faults { working_counter_ppm: ppm, ..nothing.clone() });
    assert_eq!(all(counts), [0; 6]);
    assert_eq!(counts.working_counter_errors, injected.working_counters);
    assert!(injected.working_counters > 10);
    let (counts, injected) = counted(Faults { corrupt_ppm: 4 * ppm, ..nothing });
    assert_eq!(counts.truncated, injected.truncated);
    assert!(injected.truncated > 10 && counts.corrupt > 10, "{counts:?} {injected:?}");
    // A damaged type or index makes it somebody else's, or an earlier one's, and lost (frames with mailbox traffic are hit as well);
    // some bits mean nothing on the way back.
    assert!(counts.foreign + counts.duplicate >= counts.lost, "{counts:?}");
    assert!(counts.corrupt + counts.lost <= injected.corrupted, "{counts:?} {injected:?}");
}
