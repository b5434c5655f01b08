//! The same cell over AF_PACKET on a veth pair, in a network namespace of its own.
//!
//! The test starts itself again under `unshare -Urn`, which needs no rights beyond user namespaces.

mod cell;
mod stop;

use core::sync::atomic::AtomicBool;
use std::process::Command;

use cell::{PERIOD, cell, plan, with_dc};
use fieldbus::bring_up;
use fieldbus::link::{Link, LinkError, LinkFault, raw, serve};
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
    let stop = AtomicBool::new(false);
    let mut far = raw("tactus1").unwrap();
    std::thread::scope(|scope| {
        let stopping = StopOnDrop(&stop);
        let thread = scope.spawn(|| serve(&mut far, &mut cell(), &stop));
        exchange_over("tactus0");
        drop(stopping);
        let served = thread.join().unwrap();
        assert!(served.received > 1_000, "{served:?}");
    });
}

fn exchange_over(interface: &str) {
    let plan = with_dc(plan());
    let mut bus = bring_up(raw(interface).unwrap(), &plan, &mut |_| {})
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
    for _ in 0..20_000 {
        bus.link_mut().idle(next);
        let exchange = bus.exchange(next, next + 900_000);
        next = (next + PERIOD).max(bus.link_mut().now());
        if exchange.state == BusState::Operational {
            return;
        }
    }
    panic!("it did not come back");
}
