//! The same cell over AF_PACKET on a veth pair, in a network namespace of its own.
//!
//! The test starts itself again under `unshare -Urn`, which needs no rights beyond user namespaces.

mod cell;
mod stop;
mod wired;

use core::sync::atomic::AtomicBool;
use std::process::Command;

use cell::{PERIOD, cell, plan, with_dc};
use fieldbus::bring_up;
use fieldbus::link::{
    Carrier, CarrierState, Link, LinkError, LinkFault, RawOptions, Sent, raw, raw_with, serve,
};
use rt_core::Bus;
use rt_core::bus::BusState;
use rt_core::signal::Signals;
use stop::StopOnDrop;

const INSIDE: &str = "FIELDBUS_TEST_NAMESPACE";

fn ip(arguments: &str) {
    let status = Command::new("ip").args(arguments.split(' ')).status().unwrap();
    assert!(status.success(), "ip {arguments}");
}

fn run_again(arguments: &str, name: &str) {
    let status = Command::new("unshare")
        .arg(arguments)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(INSIDE, "1")
        .status()
        .unwrap();
    assert!(status.success(), "inside: {status}");
}

#[test]
fn without_permission_it_says_what_is_needed() {
    if std::env::var_os(INSIDE).is_none() {
        // A user namespace alone: root of nothing that the network belongs to.
        run_again("-Ur", "without_permission_it_says_what_is_needed");
        return;
    }
    let error = raw("lo").unwrap_err();
    assert!(matches!(error, LinkError::Permission { .. }), "{error}");
    assert!(error.to_string().contains("cap_net_raw"), "{error}");
}

#[test]
fn over_a_veth_pair_the_cell_comes_to_op_and_a_cut_is_noticed() {
    if std::env::var_os(INSIDE).is_some() {
        inside();
        return;
    }
    run_again("-Urn", "over_a_veth_pair_the_cell_comes_to_op_and_a_cut_is_noticed");
}

fn inside() {
    ip("link add tactus0 type veth peer name tactus1");
    assert!(matches!(raw("tactus0"), Err(LinkError::Down { .. })));
    let Err(LinkError::NoInterface { present, .. }) = raw("tactus9") else { panic!("it is there") };
    assert!(present.contains("tactus0"), "{present}");
    ip("link set tactus0 up");
    ip("link set tactus1 up");
    for options in WAYS {
        frames_cross(options);
    }
    carrier();
    for options in WAYS {
        cell_over(options);
    }
}

/// With the ring and awake, with the ring, and with a system call for each frame.
const WAYS: [RawOptions; 3] =
    [RawOptions::CYCLIC, RawOptions::PATIENT, RawOptions { ring: false, awake_ns: 0 }];

fn frame(number: u16, length: usize) -> Vec<u8> {
    let mut frame = vec![0xFF; 6];
    frame.extend([0x10, 0, 0, 0, 0, 1, 0x88, 0xA4]);
    frame.extend(number.to_le_bytes());
    frame.resize(length, u8::try_from(number % 251).unwrap());
    frame
}

fn frames_cross(options: RawOptions) {
    let mut near = raw_with("tactus0", options).unwrap();
    let mut far = raw_with("tactus1", options).unwrap();
    let granted = near.granted();
    assert_eq!(granted.ring_frames > 0, options.ring, "{granted:?}");
    assert_eq!(granted.awake_ns, options.awake_ns, "{granted:?}");
    assert_eq!(granted.qdisc_bypass, Some(true), "{granted:?}");
    let mut buffer = [0; 1514];
    // Several times round the ring, in all lengths, whole and in order.
    for round in 0..100_u16 {
        let lengths = [60, 61, 1514, 100 + usize::from(round)];
        let frames: Vec<_> = lengths.map(|length| frame(round, length)).into();
        let parts: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
        assert_eq!(near.send_all(&parts), Sent { frames: 0b1111, fault: None });
        for frame in &frames {
            let deadline = far.now() + 1_000_000_000;
            assert_eq!(far.receive(&mut buffer, deadline), Ok(Some(frame.len())), "{options:?}");
            assert_eq!(&buffer[..frame.len()], frame);
        }
    }
    assert_eq!(far.receive(&mut buffer, 0), Ok(None));
    let deadline = far.now() + 2_000_000;
    assert_eq!(far.receive(&mut buffer, deadline), Ok(None));
    assert!(far.now() >= deadline);
    near.send(&frame(1, 1000)).unwrap();
    assert_eq!(far.receive(&mut buffer[..60], 0), Ok(Some(1000)), "cut, with its own length");
    // More than there is room for: the newest are gone, and it goes on.
    for number in 0..1_000 {
        near.send(&frame(number, 1514)).unwrap();
    }
    let mut came = 0;
    while far.receive(&mut buffer, 0).unwrap().is_some() {
        assert_eq!(&buffer[14..16], &u16::to_le_bytes(came), "the oldest, in order");
        came += 1;
    }
    assert!((50..1_000).contains(&came), "{came}");
    near.send(&frame(7, 60)).unwrap();
    assert_eq!(far.receive(&mut buffer, 0), Ok(Some(60)));
    // The kernel marks frames of AF_PACKET with no NAPI instance: there is nothing that busy polling could poll.
    assert_eq!(far.granted().napi_id, Some(0));
}

fn carrier() {
    let near = Carrier::of("tactus0").unwrap();
    // The kernel follows a change a moment later (linkwatch).
    let becomes = |state: CarrierState| {
        let until = std::time::Instant::now() + std::time::Duration::from_secs(5);
        while near.state() != state {
            assert!(std::time::Instant::now() < until, "{:?}, not {state:?}", near.state());
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    };
    becomes(CarrierState::Up);
    ip("link set tactus1 down");
    becomes(CarrierState::NoCarrier);
    ip("link set tactus1 up");
    becomes(CarrierState::Up);
    ip("link set tactus0 down");
    becomes(CarrierState::Down);
    ip("link set tactus0 up");
    becomes(CarrierState::Up);
    assert_eq!(Carrier::of("tactus7").unwrap().state(), CarrierState::Gone);
}

fn cell_over(options: RawOptions) {
    let stop = AtomicBool::new(false);
    let mut far = raw("tactus1").unwrap();
    std::thread::scope(|scope| {
        let stopping = StopOnDrop(&stop);
        let thread = scope.spawn(|| serve(&mut far, &mut cell(), &stop));
        exchange_over("tactus0", options);
        drop(stopping);
        let served = thread.join().unwrap();
        assert!(served.received > 1_000, "{served:?}");
    });
}

fn exchange_over(interface: &str, options: RawOptions) {
    let plan = with_dc(plan());
    let mut bus = bring_up(raw_with(interface, options).unwrap(), &plan, &mut |_| {})
        .unwrap_or_else(|error| panic!("{error}"));
    let mut signals = Signals::new(plan.signals.len());
    let start = bus.link_mut().now() + PERIOD;
    let mut next = bus.aligned_start(start);
    let mut good = 0;
    for _ in 0..20_000 {
        bus.link_mut().idle(next);
        let exchange = bus.exchange(next, next + 900_000);
        bus.decode(&mut signals);
        bus.encode(&signals);
        next = (next + PERIOD).max(bus.link_mut().now());
        good += u32::from(exchange.state == BusState::Operational && exchange.units_good == 0b11);
        if good == 500 {
            break;
        }
    }
    assert_eq!(good, 500);
    ip("link set tactus0 down");
    let now = bus.link_mut().now();
    let exchange = bus.exchange(now, now + 100_000_000);
    assert_eq!((exchange.state, exchange.fault.link_down), (BusState::Faulted, true));
    assert_eq!(bus.link_mut().send(&[0; 60]), Err(LinkFault::Down));
    ip("link set tactus0 up");
    let mut next = bus.link_mut().now() + PERIOD;
    for round in 0..20_000 {
        bus.link_mut().idle(next);
        let exchange = bus.exchange(next, next + 900_000);
        next = (next + PERIOD).max(bus.link_mut().now());
        if exchange.state == BusState::Operational {
            break;
        }
        assert!(round < 19_999, "it did not come back");
    }
    // The cable: a demand in the very cycle, not after those that may be missed.
    ip("link set tactus1 down");
    let now = bus.link_mut().now();
    let exchange = bus.exchange(now, now + 100_000_000);
    assert_eq!((exchange.state, exchange.fault.link_down), (BusState::Faulted, true));
    assert_eq!(bus.link_mut().send(&[0; 60]), Err(LinkFault::Refused));
    ip("link set tactus1 up");
}
