//! No frame makes the segment panic, and the same frames give the same bytes.

mod common;

use common::{Ask, Bus, LRW, World, frame, identity};
use proptest::prelude::*;
use segment::{Device, Emergency, Fault, Segment, ServoOptions};

fn devices() -> Vec<Device> {
    vec![
        Device::coupler("Coupler", identity(1)),
        Device::digital_input("DI8", identity(2), 8),
        Device::digital_output("DO40", identity(3), 40),
        Device::analog_output("AO4", identity(4), 4),
        Device::servo("Servo", identity(5), ServoOptions::default()),
    ]
}

const OFFSETS: &[u16] = &[
    0x0010, 0x0120, 0x0500, 0x0502, 0x0504, 0x0600, 0x0610, 0x0800, 0x0808, 0x0810, 0x0818, 0x0900,
    0x0910, 0x0920, 0x0980, 0x0990, 0x09A0, 0x0F00, 0x1000, 0x1080, 0x1100, 0x1400, 0x2FFF, 0xFFFF,
];

/// Addresses where something happens, and any other.
fn offset() -> impl Strategy<Value = u16> {
    prop_oneof![
        4 => prop::sample::select(OFFSETS),
        1 => any::<u16>(),
    ]
}

fn datagram() -> impl Strategy<Value = (u8, u16, u16, Vec<u8>)> {
    let position = prop_oneof![Just(0), 0xFFFC_u16..=0xFFFF, any::<u16>()];
    (0_u8..16, position, offset(), prop::collection::vec(any::<u8>(), 0..160))
}

/// Datagrams of one frame, a fault, and how long nothing happens, ns.
type Step = (Vec<(u8, u16, u16, Vec<u8>)>, Option<Fault>, u64);

fn step() -> impl Strategy<Value = Step> {
    let datagrams = prop::collection::vec(datagram(), 1..5);
    (datagrams, prop::option::of(fault()), 0_u64..3_000_000)
}

/// CoE requests with any service, command and object.
fn mailbox() -> impl Strategy<Value = Vec<u8>> {
    let index = prop::sample::select(vec![
        0x1000_u16, 0x1008, 0x1018, 0x1600, 0x1601, 0x1C12, 0x6040, 0x60C2,
    ]);
    (any::<u8>(), any::<u8>(), index, any::<u8>(), prop::collection::vec(any::<u8>(), 0..120))
        .prop_map(|(service, command, index, subindex, data)| {
            let mut body = vec![0, service, command];
            body.extend(index.to_le_bytes());
            body.push(subindex);
            body.extend(data);
            let mut message = u16::try_from(body.len()).expect("short").to_le_bytes().to_vec();
            message.extend([0, 0, 0, 0x13]);
            message.extend(body);
            message.resize(128, 0);
            message
        })
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        prop::option::of(0_usize..9).prop_map(|after| Fault::LinkLost { after }),
        prop::option::of(0_usize..9).prop_map(|after| Fault::LinkRestored { after }),
        (0_usize..9).prop_map(|position| Fault::PowerOff { position }),
        (0_usize..9).prop_map(|position| Fault::PowerOn { position }),
        (0_usize..9, any::<u16>()).prop_map(|(position, code)| Fault::Drive { position, code }),
        (0_usize..9)
            .prop_map(|position| Fault::Emergency { position, emergency: Emergency::default() }),
    ]
}

#[test]
fn the_end_of_time_is_no_panic() {
    let mut bus = Bus::new(devices());
    for now in [0, u64::MAX - 1, u64::MAX, 5] {
        bus.now = now;
        bus.one(common::BWR, 0, 0x0900, &[0; 4]);
        bus.one(common::BWR, 0, 0x0910, &[0xFF; 8]);
        bus.one(common::BRD, 0, 0x0910, &[0; 0x40]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn bytes_of_any_kind_never_panic(
        mut bytes in prop::collection::vec(any::<u8>(), 0..200),
        now in any::<u64>(),
    ) {
        let mut segment = Segment::new(devices(), World::default());
        segment.pass(&mut bytes, now);
        if bytes.len() >= 16 {
            bytes[12..14].copy_from_slice(&[0x88, 0xA4]);
            bytes[15] = 0x10;
            segment.pass(&mut bytes, now.wrapping_add(1));
        }
    }

    #[test]
    fn datagrams_and_faults_in_any_order_never_panic_and_repeat_exactly(
        steps in prop::collection::vec(step(), 1..40),
    ) {
        let run = || {
            let mut bus = Bus::new(devices());
            let mut seen = Vec::new();
            for (asks, fault, wait) in &steps {
                let asks: Vec<_> = asks.iter().map(|(c, p, o, d)| Ask(*c, *p, *o, d)).collect();
                let mut bytes = frame(&asks);
                let now = bus.now;
                let back = bus.segment.pass(&mut bytes, now);
                seen.push((back, bytes));
                if let Some(fault) = fault {
                    bus.segment.inject(*fault);
                }
                bus.wait(*wait);
            }
            seen
        };
        prop_assert_eq!(run(), run());
    }

    #[test]
    fn a_drive_in_op_survives_any_mailbox_and_any_outputs(
        messages in prop::collection::vec(mailbox(), 1..30),
        outputs in prop::collection::vec(any::<[u8; 8]>(), 1..30),
    ) {
        let mut axis = common::Axis::in_op(ServoOptions::default());
        for (message, outputs) in messages.iter().zip(outputs.iter().cycle()) {
            axis.bus.send(&[
                Ask(common::FPWR, common::STATION, 0x1000, message),
                Ask(LRW, 0, 0, outputs),
                Ask(common::FPRD, common::STATION, 0x1080, &[0; 128]),
            ]);
            axis.bus.wait(300_000);
        }
        // It still answers: whatever was asked left no broken state.
        axis.bus.wait(10_000_000);
        for _ in 0..12 {
            axis.bus.one(common::FPRD, common::STATION, 0x1080, &[0; 128]);
            axis.bus.wait(1_000_000);
        }
        prop_assert_eq!(axis.bus.upload(0, 0x1000, 0), 0x0002_0192);
    }
}
