//! A large segment: 256 devices, 8 KiB of process data; nothing is allocated in the cycle. This binary has one
//! test: the counter is the process'.

mod counting;
mod terminals;
mod wired;

use counting::calls;
use fieldbus::bring_up;
use fieldbus::link::{InlineLink, Link};
use rt_core::Bus;
use rt_core::bus::BusState;
use rt_core::signal::Signals;
use terminals::{CHANNELS, place, terminals, value};

const DEVICES: usize = 256;
const UNITS: usize = 8;
/// The frames of 8 KiB take most of a millisecond on the wire.
const PERIOD: u64 = 2_000_000;
const DEADLINE: u64 = 1_800_000;

fn a_thousand_cycles() {
    let (segment, plan) =
        terminals(DEVICES, (UNITS, |position| position * UNITS / DEVICES), (PERIOD, DEADLINE));
    let layout = fieldbus::layout::Layout::new(&plan, None).unwrap();
    let bytes: usize = layout.regions.iter().flatten().map(|r| usize::from(r.bytes())).sum();
    assert_eq!((layout.regions.len(), bytes), (256, 8192));
    let link = InlineLink::new(segment, 1_000_000_000);
    let mut bus = bring_up(link, &plan, &mut |_| {}).unwrap_or_else(|error| panic!("{error}"));
    let mut signals = Signals::new(plan.signals.len());
    for device in (1..DEVICES).step_by(2) {
        for channel in 0..CHANNELS {
            signals.set(place(device, channel), i64::from(-value(device, channel)), 1);
        }
    }
    let mut next = bus.link_mut().now() + PERIOD;
    let (mut operational, mut before) = (0, 0);
    let mut last = rt_core::bus::Exchange::default();
    for _ in 0..10_000 {
        bus.link_mut().idle(next);
        last = bus.exchange(next, next + DEADLINE);
        bus.decode(&mut signals);
        bus.encode(&signals);
        next += PERIOD;
        if last.state == BusState::Operational {
            if operational == 0 {
                before = calls();
            }
            operational += 1;
        }
        if operational == 1_001 {
            break;
        }
    }
    let calls = calls() - before;
    assert_eq!((operational, calls), (1_001, 0), "{last:?}");
    assert_eq!(last.units_good, 0xFF);
    let counts = last.counts;
    assert_eq!((counts.sent, counts.working_counter_errors), (counts.received, 0), "{counts:?}");
    for device in 0..DEVICES {
        for channel in 0..CHANNELS {
            let expected = value(device, channel);
            if device % 2 == 0 {
                assert_eq!(signals.good(place(device, channel)), Some(i64::from(expected)));
            } else {
                let outputs = &bus.link_mut().wire().0.process_ref().outputs;
                assert_eq!(outputs[device][channel], -expected);
            }
        }
    }
}

#[test]
fn a_large_segment_comes_up_and_cycles_without_an_error_or_an_allocation() {
    // On a stack as large as the loop's.
    let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(a_thousand_cycles);
    thread.unwrap().join().unwrap();
    assert!(counting::counts());
}
