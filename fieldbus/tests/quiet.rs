//! From the first exchange on nothing is allocated and nothing is freed. This binary has one test: the counter is the process'.

mod cell;
mod counting;
mod stop;
mod wired;

use std::sync::atomic::AtomicBool;

use cell::{Cell, PERIOD, cell, plan, with_dc};
use counting::calls;
use fieldbus::coe::{CoeClient, Object};
use fieldbus::link::{Copied, Fault, Faults, InlineLink, Link, Record, pair, serve};
use fieldbus::{EtherCat, bring_up};
use rt_channel::stream::{self, Producer};
use rt_core::Bus;
use rt_core::bus::{BusState, Exchange};
use rt_core::signal::Signals;
use stop::StopOnDrop;

type Bench = Record<Fault<InlineLink<Cell>>, Producer<Copied>>;

/// A table of a drive, longer than its mailbox, is written and read, and an emergency is taken; returns how many transfers came about.
fn talk(
    bus: &mut EtherCat<Bench>,
    client: &mut CoeClient,
    signals: &Signals,
    next: &mut u64,
    cycles: u32,
) -> u32 {
    let table = Object { index: 0x2000, subindex: 1, complete: true };
    let mut done = 0;
    for _ in 0..cycles {
        if client.under_way() == 0 {
            client.write(3, table, &[1; 400]).unwrap();
            client.read(4, table).unwrap();
            client.registers(4, 0x0300, 20).unwrap();
        }
        bus.link_mut().idle(*next);
        bus.exchange(*next, *next + 500_000);
        bus.take_emergency();
        bus.encode(signals);
        *next += PERIOD;
        done += client.take().map_or(0, |answer| u32::from(answer.outcome.is_ok()));
    }
    done
}

fn run(bus: &mut EtherCat<Bench>, signals: &mut Signals, next: &mut u64, cycles: u32) -> Exchange {
    let mut last = Exchange::default();
    for _ in 0..cycles {
        bus.link_mut().idle(*next);
        last = bus.exchange(*next, *next + 500_000);
        bus.decode(signals);
        bus.encode(signals);
        *next += PERIOD;
    }
    last
}

/// The same over sockets, the segment on its own thread; its thread is counted too.
fn over_a_pair() -> u64 {
    let plan = with_dc(plan());
    let (ours, mut theirs) = pair().unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let stopping = StopOnDrop(&stop);
        scope.spawn(|| serve(&mut theirs, &mut cell(), &stop));
        let mut bus = bring_up(ours, &plan, &mut |_| {}).unwrap_or_else(|error| panic!("{error}"));
        let mut signals = Signals::new(plan.signals.len());
        let mut operational = 0;
        let before = calls();
        let until = bus.link_mut().now() + 20_000_000_000;
        while operational < 3_000 && bus.link_mut().now() < until {
            let now = bus.link_mut().now();
            let exchange = bus.exchange(now, now + 20_000_000);
            operational += u32::from(exchange.state == BusState::Operational);
            bus.decode(&mut signals);
            bus.encode(&signals);
        }
        let calls = calls() - before;
        drop(stopping);
        assert_eq!(operational, 3_000);
        calls
    })
}

#[test]
fn from_safe_op_on_nothing_is_allocated_and_nothing_is_freed() {
    let plan = with_dc(plan());
    let link = Fault::new(InlineLink::new(cell(), 1_000_000_000), Faults::default());
    // Full after a moment: dropping costs nothing either.
    let (keeper, _take) = stream::channel(1_024);
    let record = Record::new(link, keeper);
    let mut bus = bring_up(record, &plan, &mut |_| {}).unwrap_or_else(|error| panic!("{error}"));
    let mut signals = Signals::new(plan.signals.len());
    let start = bus.link_mut().now() + PERIOD;
    let mut next = bus.aligned_start(start);
    let faults = Faults {
        seed: 1,
        loss_ppm: 5_000,
        duplicate_ppm: 5_000,
        late_ppm: 5_000,
        late_ns: 700_000,
        corrupt_ppm: 5_000,
        reorder_ppm: 5_000,
        working_counter_ppm: 5_000,
        outages: Vec::new(),
    };
    let outage = |bus: &mut EtherCat<Bench>, down| bus.link_mut().inner_mut().set_down(down);

    let mut client = bus.take_coe_client().unwrap();
    let before = calls();
    let started = run(&mut bus, &mut signals, &mut next, 3_000);
    let talked = talk(&mut bus, &mut client, &signals, &mut next, 1_000);
    let quiet = calls() - before;
    bus.link_mut().inner_mut().set_faults(faults);
    let before = calls();
    talk(&mut bus, &mut client, &signals, &mut next, 5_000);
    run(&mut bus, &mut signals, &mut next, 10_000);
    outage(&mut bus, true);
    let lost = run(&mut bus, &mut signals, &mut next, 300);
    outage(&mut bus, false);
    run(&mut bus, &mut signals, &mut next, 2_000);
    let disturbed = calls() - before;

    assert_eq!(started.state, BusState::Operational);
    assert_eq!(lost.state, BusState::Faulted);
    assert!(talked > 30, "{talked}");
    assert_eq!((quiet, disturbed), (0, 0));
    assert_eq!(over_a_pair(), 0);
    assert!(counting::counts());
}
