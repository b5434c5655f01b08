//! The virtual segment on its own thread, in real time, over a socket pair.

use core::sync::atomic::AtomicBool;

use crate::cell::{PERIOD, cell, plan, with_dc};
use crate::stop::StopOnDrop;
use fieldbus::bring_up;
use fieldbus::link::{Link, Record, Served, pair, pcapng_frame, pcapng_head, serve};
use rt_channel::stream;
use rt_core::Bus;
use rt_core::bus::BusState;
use rt_core::signal::Signals;

/// Brings the cell up over a pair and hands it over; returns what the segment's thread did.
fn with_cell(test: impl FnOnce(fieldbus::link::SocketLink)) -> Served {
    let (ours, mut theirs) = pair().unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let stopping = StopOnDrop(&stop);
        let thread = scope.spawn(|| serve(&mut theirs, &mut cell(), &stop));
        test(ours);
        drop(stopping);
        thread.join().unwrap()
    })
}

#[test]
fn the_cell_comes_to_op_in_real_time_and_is_taken_down() {
    let served = with_cell(|link| {
        let plan = with_dc(plan());
        let mut bus = bring_up(link, &plan, &mut |_| {}).unwrap_or_else(|e| panic!("{e}"));
        let mut signals = Signals::new(plan.signals.len());
        let start = bus.link_mut().now();
        let mut next = bus.aligned_start(start + PERIOD);
        let mut good = 0;
        // A loaded machine may starve the segment's thread; the bus must come to Op all the same.
        for _ in 0..10_000 {
            bus.link_mut().idle(next);
            let exchange = bus.exchange(next, next + 900_000);
            bus.decode(&mut signals);
            bus.encode(&signals);
            next = (next + PERIOD).max(bus.link_mut().now());
            if exchange.state == BusState::Operational && exchange.units_good == 0b11 {
                good += 1;
            }
            if good == 200 {
                break;
            }
        }
        assert_eq!(good, 200);
        bus.shutdown().unwrap();
    });
    assert_eq!(served.received, served.returned);
}

#[test]
fn a_segment_that_dies_is_a_link_that_is_down() {
    let mut kept = None;
    with_cell(|link| {
        kept = Some(bring_up(link, &plan(), &mut |_| {}).unwrap_or_else(|e| panic!("{e}")));
    });
    let mut bus = kept.unwrap();
    let now = bus.link_mut().now();
    let exchange = bus.exchange(now, now + 100_000_000);
    assert_eq!((exchange.state, exchange.fault.link_down), (BusState::Faulted, true));
    assert!(bus.link_mut().now() < now + 90_000_000, "it does not wait for a dead link");
}

#[test]
fn what_goes_over_the_link_is_recorded() {
    with_cell(|link| {
        let (keeper, mut take) = stream::channel(100_000);
        let record = Record::new(link, keeper);
        let mut bus = bring_up(record, &plan(), &mut |_| {}).unwrap_or_else(|e| panic!("{e}"));
        let mut file = pcapng_head();
        take.drain(100_000, |_, copied| {
            pcapng_frame(&mut file, copied.at, copied.outbound, copied.frame());
        });
        let keeper = bus.link_mut().keeper_mut();
        let (kept, dropped) = (keeper.produced(), keeper.dropped());
        assert!(kept > 1_000 && dropped == 0, "{kept} {dropped}");
        let mut reader = pcap_file::pcapng::PcapNgReader::new(&file[..]).unwrap();
        let mut packets = 0;
        while let Some(block) = reader.next_block() {
            packets +=
                u64::from(matches!(block.unwrap(), pcap_file::pcapng::Block::EnhancedPacket(_)));
        }
        assert_eq!(packets, kept);
    });
}
