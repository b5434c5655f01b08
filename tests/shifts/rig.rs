//! The loop of a shift: the machine file's plan, bus, segment and world as `tactus run` puts them together, with everything in view that
//! goes in and comes out.

use config::Machine;
use fieldbus::link::InlineLink;
use fieldbus::{EtherCat, bring_up, time};
use rt_core::Bus;
use rt_core::bus::{Emergency, Exchange, Pace};
use rt_core::cycle::{Command, Cycle, Ports};
use rt_core::program::Sequence;
use rt_core::record::{Body, CycleRecord, Event, Record};
use rt_core::signal::Signals;
use rt_core::step::Core;
use rt_core::vision::VisionInputs;
use supervisor::cell::{Cell, Disturbed, HORIZON_NS};
use supervisor::vision::Judge as Receiver;
use tactus_tests::virtual_time::Clock;

use super::draw::Shift;
use super::planted::{Tamper, Wrong};
use super::shadow::Shadow;

pub(crate) const START_NS: u64 = 1_000_000_000;

/// The bus, with its signals as they were decoded, and as they were sent.
pub(crate) struct Tap {
    bus: EtherCat<Disturbed<InlineLink<Cell>>>,
    pub(crate) decoded: Signals,
    pub(crate) sent: Signals,
    pub(crate) woke_at: u64,
    pub(crate) tamper: Tamper,
}

fn copy(to: &mut Signals, from: &Signals) {
    for (id, sample) in (0..).map(rt_core::SignalId).zip(from.samples()) {
        to.put(id, *sample);
    }
}

impl Tap {
    pub(crate) fn cell(&mut self) -> &mut Cell {
        self.bus.link_mut().inner_mut().wire_mut()
    }

    /// What was sent last, and the cell.
    pub(crate) fn view(&mut self) -> (&Signals, &Cell) {
        (&self.sent, self.bus.link_mut().inner_mut().wire_mut())
    }
}

impl Bus for Tap {
    fn exchange(&mut self, now: u64, deadline: u64) -> Exchange {
        self.woke_at = now;
        self.bus.exchange(now, deadline)
    }

    fn pace(&self) -> Pace {
        self.bus.pace()
    }

    fn decode(&mut self, signals: &mut Signals) {
        self.bus.decode(signals);
        copy(&mut self.decoded, signals);
    }

    fn encode(&mut self, signals: &Signals) {
        copy(&mut self.sent, signals);
        self.tamper.outputs(&self.decoded, &mut self.sent);
        self.bus.encode(&self.sent);
    }

    fn take_emergency(&mut self) -> Option<Emergency> {
        self.bus.take_emergency()
    }
}

/// The other side of the loop.
pub(crate) struct Desk {
    pub(crate) vision: VisionInputs,
    pub(crate) command: Command,
    pub(crate) events: Vec<Event>,
    pub(crate) record: CycleRecord,
}

impl Ports for Desk {
    fn vision(&mut self) -> &VisionInputs {
        &self.vision
    }

    fn command(&mut self) -> Command {
        self.command
    }

    fn record(&mut self, record: Record) {
        match record.body {
            Body::Event(event) => self.events.push(event),
            Body::Cycle(cycle) => self.record = cycle,
            Body::Axis(_)
            | Body::Signal { .. }
            | Body::Stamp { .. }
            | Body::Command(_)
            | Body::Picture(_)
            | Body::Separation(_)
            | Body::Result(_) => {}
        }
    }
}

pub(crate) struct Rig {
    pub(crate) cycle: Cycle<Tap, Clock, Sequence, Desk>,
    receiver: Receiver,
    pub(crate) shadow: Shadow,
    pub(crate) number: u64,
    /// Next of the shift's lists.
    injected: usize,
    late: usize,
    late_left: u32,
}

impl Rig {
    /// `worked`: the machine as the loop is told; as declared, unless something is planted.
    pub(crate) fn new(shift: &Shift, worked: &Machine, tamper: Tamper) -> Self {
        let machine = &shift.machine;
        let cell = Cell::new(machine, shift.seed, START_NS, HORIZON_NS, None).expect("the cell");
        let disturbance = cell.disturbance();
        let link = Disturbed::new(InlineLink::new(cell, START_NS), disturbance);
        let bus = bring_up(link, &machine.bus, &mut |_| {})
            .unwrap_or_else(|e| panic!("seed {}: {e}", shift.seed));
        let core = Core::new(worked.plan.clone(), Sequence::new(&worked.plan)).expect("a plan");
        time::advance_virtual(bus.aligned_start(time::now()));
        let signals = || Signals::new(usize::from(machine.plan.signal_count));
        let (decoded, sent) = (signals(), signals());
        let bus = Tap { bus, decoded, sent, woke_at: 0, tamper };
        let receiver = Receiver::new(&machine.plan.streams, machine.hash64);
        let desk = Desk {
            vision: *receiver.inputs(),
            command: Command::default(),
            events: Vec::with_capacity(64),
            record: CycleRecord::default(),
        };
        let deadline = machine.cycle.receive_deadline_ns;
        let cycle = Cycle::new(bus, Clock::default(), core, desk, deadline);
        let shadow = Shadow::new(worked);
        Self { cycle, receiver, shadow, number: 0, injected: 0, late: 0, late_left: 0 }
    }

    pub(crate) fn cell(&mut self) -> &mut Cell {
        self.cycle.bus_mut().cell()
    }

    /// ns since the start of the world.
    pub(crate) fn now(&self) -> u64 {
        time::now() - START_NS
    }

    /// One cycle; false: the loop has ended.
    pub(crate) fn run_one(&mut self, shift: &Shift, shutdown: bool) -> bool {
        self.meddle(shift);
        let silent = shift.silences.iter().any(|(from, to)| (*from..*to).contains(&self.now()));
        let heard = self.cycle.bus_mut().tamper.wrong != Wrong::NeverEnds;
        let desk = self.cycle.ports_mut();
        desk.events.clear();
        desk.command.shutdown = shutdown && heard;
        if !silent {
            desk.command.supervisor_at = time::now();
        }
        let more = self.cycle.run_one();
        let mut events = core::mem::take(&mut self.cycle.ports_mut().events);
        self.cycle.bus_mut().tamper.records(&mut events);
        self.cycle.ports_mut().events = events;
        let mut fresh = false;
        while let Some(bytes) = self.cell().take_datagram() {
            self.receiver.take(&bytes, time::now());
            fresh = true;
        }
        self.number += 1;
        self.shadow.follow(&mut self.cycle);
        if fresh {
            self.cycle.ports_mut().vision = *self.receiver.inputs();
        }
        more
    }

    /// The loop is gone: only the segment and the world go on.
    pub(crate) fn idle_one(&mut self, period_ns: u64) {
        use fieldbus::link::Link as _;
        self.cycle.ports_mut().events.clear();
        let until = time::now() + period_ns;
        self.cycle.bus_mut().bus.link_mut().idle(until);
        self.number += 1;
    }

    /// What no machine file can say: faults of the segment, and a loop that is late.
    fn meddle(&mut self, shift: &Shift) {
        let now = self.now();
        while let Some((_, fault)) =
            shift.injections.get(self.injected).filter(|(at, _)| *at <= now)
        {
            self.cell().inject(*fault);
            self.injected += 1;
        }
        let period = shift.machine.plan.period_ns;
        if self.late_left > 0 {
            self.late_left -= 1;
        } else if let Some((_, cycles, periods)) =
            shift.lates.get(self.late).filter(|(at, _, _)| *at <= now)
        {
            self.late += 1;
            self.late_left = *cycles;
            self.cycle.clock_mut().late_ns = periods * period;
        } else {
            self.cycle.clock_mut().late_ns = 0;
        }
    }
}
