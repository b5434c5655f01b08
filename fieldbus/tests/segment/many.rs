//! Many devices: process data of several frames, all under way together.

use fieldbus::link::InlineLink;
use rt_core::bus::BusState;

use crate::Rig;
use crate::terminals::{CHANNELS, place, terminals, value};

const TERMINALS: usize = 80;

#[test]
fn process_data_of_several_frames_arrive_at_their_signals() {
    let units = (3, |position| position % 3);
    let (segment, plan) = terminals(TERMINALS, units, (crate::PERIOD, 600_000));
    let layout = fieldbus::layout::Layout::new(&plan, None).unwrap();
    assert!(layout.frames.len() > 1);
    let mut rig = Rig::new(InlineLink::new(segment, 1_000_000_000), &plan);
    rig.until(BusState::Operational);
    for device in (1..TERMINALS).step_by(2) {
        for channel in 0..CHANNELS {
            rig.signals.set(place(device, channel), i64::from(-value(device, channel)), 1);
        }
    }
    let exchange = rig.cycles(3);
    assert_eq!(exchange.units_good, 0b111);
    for device in 0..TERMINALS {
        for channel in 0..CHANNELS {
            let expected = value(device, channel);
            if device % 2 == 0 {
                assert_eq!(rig.signals.good(place(device, channel)), Some(i64::from(expected)));
            } else {
                let outputs = &rig.bus.link_mut().wire().0.process_ref().outputs;
                assert_eq!(outputs[device][channel], -expected);
            }
        }
    }
    let frames = u64::try_from(layout.frames.len()).unwrap();
    assert!(exchange.counts.sent.is_multiple_of(frames));
    assert_eq!(exchange.counts.sent, exchange.counts.received);
}
