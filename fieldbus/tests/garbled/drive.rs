//! What is driven with a script: bring-up, and cycles with mailbox traffic.

use fieldbus::coe::{CoeClient, Object};
use fieldbus::link::{InlineLink, Link};
use fieldbus::{EtherCat, bring_up};
use rt_core::Bus;
use rt_core::bus::{BusState, Exchange};
use rt_core::signal::Signals;

use crate::cell::{Cell, PERIOD, cell, plan, with_dc};
use crate::line::{Garbled, Script};

/// Bring-up ends within this, whatever comes, ns: every step has its time-out.
const BRING_UP_MAX_NS: u64 = 120_000_000_000;

pub(crate) type Line = Garbled<InlineLink<Cell>>;

/// Frames of a whole bring-up, and some more.
const FRAMES: u32 = 1_500;

/// Brings the cell up behind a line that follows `script`, whose first two bytes say after how many frames. It comes up or says why
/// not, within a bounded time.
pub(crate) fn bring_up_garbled(script: &[u8]) -> bool {
    let start = 1_000_000_000;
    let (after, script) = match script {
        [low, high, script @ ..] => (u16::from_le_bytes([*low, *high]), script),
        _ => (0, script),
    };
    let link = Garbled::new(InlineLink::new(cell(), start), Script::new(script));
    let link = link.after(u32::from(after) % FRAMES);
    let outcome = bring_up(link, &with_dc(plan()), &mut |_| {});
    let took = fieldbus::time::now() - start;
    assert!(took < BRING_UP_MAX_NS, "bring-up took {took} ns");
    match outcome {
        Ok(_) => true,
        Err(wrong) => {
            assert!(!wrong.to_string().is_empty());
            false
        }
    }
}

/// The cell in Op.
pub(crate) struct Driven {
    pub(crate) bus: EtherCat<Line>,
    client: CoeClient,
    signals: Signals,
    next: u64,
}

impl Driven {
    pub(crate) fn new() -> Self {
        let plan = with_dc(plan());
        let link = Garbled::new(InlineLink::new(cell(), 1_000_000_000), Script::default());
        let mut bus = bring_up(link, &plan, &mut |_| {}).unwrap_or_else(|e| panic!("{e}"));
        let start = bus.link_mut().now() + PERIOD;
        let next = bus.aligned_start(start);
        let client = bus.take_coe_client().expect("nobody has it");
        let mut driven = Self { bus, client, signals: Signals::new(plan.signals.len()), next };
        assert!(driven.comes_back(20_000), "it never came to Op");
        driven
    }

    pub(crate) fn follow(&mut self, script: &[u8]) {
        self.bus.link_mut().follow(Script::new(script));
    }

    /// Cycles with whatever mailboxes say beside them.
    pub(crate) fn cycles(&mut self, count: u32) -> Exchange {
        let mut last = Exchange::default();
        for _ in 0..count {
            while self.client.take().is_some() {}
            if self.client.under_way() < 3 {
                let table = Object { index: 0x2000, subindex: 1, complete: true };
                let _ = self.client.read(3, table);
                let _ = self.client.write(4, table, &[1; 400]);
                let _ = self.client.registers(4, 0x0300, 20);
            }
            self.bus.link_mut().idle(self.next);
            last = self.bus.exchange(self.next, self.next + 500_000);
            self.bus.decode(&mut self.signals);
            self.bus.encode(&self.signals);
            self.bus.take_emergency();
            self.next += PERIOD;
        }
        last
    }

    /// All devices are in Op and all data come, within so many cycles.
    pub(crate) fn comes_back(&mut self, cycles_max: u32) -> bool {
        (0..cycles_max).any(|_| {
            let seen = self.cycles(1);
            seen.state == BusState::Operational && seen.units_good == seen.units_all
        })
    }
}
