//! Mailbox traffic in Op: what is asked is answered, whatever the mailbox does, and the cyclic frames do not notice.

use fieldbus::coe::{Answer, CoeClient, Failure, Object, QUEUE_MAX, Refused};
use fieldbus::link::{Faults, InlineLink, Link, LinkFault, Wire};
use fieldbus::wire::{Frame, Origin, origin};
use rt_core::Bus;
use rt_core::bus::{BusState, Emergency};
use segment::{Fault, MailboxFault, SdoRefusal};

use super::cell::{self, plan, with_dc};
use super::{Faulty, Rig, operational};

const DRIVE_X: u16 = 3;
const TABLE: u16 = 0x2000;
const TEXT: Object = Object::entry(0x2001, 0);
const PARAMETER: Object = Object::entry(TABLE, 5);
const WHOLE_TABLE: Object = Object { index: TABLE, subindex: 0, complete: true };

struct Asking<L> {
    rig: Rig<L>,
    client: CoeClient,
    emergencies: Vec<Emergency>,
}

impl Asking<Faulty> {
    fn new() -> Self {
        Self::with(operational(&plan()))
    }

    fn inject(&mut self, fault: Fault) {
        self.rig.inject(fault);
    }

    fn mailbox(&mut self, fault: MailboxFault) {
        self.inject(Fault::Mailbox { position: 3, fault });
    }
}

impl<L: Link> Asking<L> {
    fn with(mut rig: Rig<L>) -> Self {
        let client = rig.bus.take_coe_client().unwrap();
        Self { rig, client, emergencies: Vec::new() }
    }

    fn cycles(&mut self, count: u32) {
        for _ in 0..count {
            self.rig.cycle();
            self.emergencies.extend(self.rig.bus.take_emergency());
        }
    }

    /// Cycles until the answer is there; how many.
    fn answer(&mut self) -> (Answer, u32) {
        for cycle in 0..20_000 {
            if let Some(answer) = self.client.take() {
                return (answer, cycle);
            }
            self.cycles(1);
        }
        panic!("no answer");
    }

    fn read(&mut self, object: Object) -> Result<Vec<u8>, Failure> {
        let ticket = self.client.read(DRIVE_X, object).unwrap();
        let (answer, _) = self.answer();
        assert_eq!((answer.ticket, answer.device), (ticket, DRIVE_X));
        answer.outcome.map(|()| answer.data().to_vec())
    }

    fn write(&mut self, object: Object, data: &[u8]) -> Result<(), Failure> {
        self.client.write(DRIVE_X, object, data).unwrap();
        self.answer().0.outcome
    }

    fn is_undisturbed(&self) {
        let exchange = self.rig.last;
        assert_eq!(exchange.state, BusState::Operational);
        assert_eq!(exchange.counts.working_counter_errors, 0);
        assert_eq!((exchange.counts.lost, exchange.counts.foreign), (0, 0));
    }
}

#[test]
fn objects_of_any_length_are_read_and_written_in_op() {
    let mut asking = Asking::new();
    // Expedited.
    assert_eq!(asking.read(PARAMETER), Ok(vec![7, 0, 0, 0]));
    assert_eq!(asking.write(PARAMETER, &[1, 2, 3, 4]), Ok(()));
    assert_eq!(asking.read(PARAMETER), Ok(vec![1, 2, 3, 4]));
    // Normal: in one message.
    assert_eq!(asking.read(Object::entry(0x1008, 0)), Ok(b"SD-400".to_vec()));
    // Segmented.
    assert_eq!(asking.read(TEXT), Ok("tactus ".repeat(400).into_bytes()));
    // Complete access, both ways, longer than a mailbox.
    let mut table = vec![100, 0];
    table.extend((0..100u32).flat_map(|n| (n * 0x0101_0101).to_le_bytes()));
    assert_eq!(asking.write(Object { subindex: 1, ..WHOLE_TABLE }, &table[2..]), Ok(()));
    assert_eq!(asking.read(WHOLE_TABLE), Ok(table));
    asking.is_undisturbed();
}

#[test]
fn what_the_device_refuses_comes_back_with_its_abort_code() {
    let mut asking = Asking::new();
    assert_eq!(asking.read(Object::entry(0x3FFF, 0)), Err(Failure::Abort(0x0602_0000)));
    assert_eq!(asking.read(Object::entry(TABLE, 200)), Err(Failure::Abort(0x0609_0011)));
    let read_only = asking.write(Object::entry(0x6041, 0), &[0, 0]);
    assert_eq!(read_only, Err(Failure::Abort(0x0601_0002)));
    assert_eq!(asking.write(PARAMETER, &[1]), Err(Failure::Abort(0x0607_0010)));
    // In Op the PDO assignment is locked.
    let locked = asking.write(Object::entry(0x1C12, 0), &[0]);
    assert_eq!(locked, Err(Failure::Abort(0x0800_0022)));
    let refusal = Some((TABLE, 5, SdoRefusal::Read(0x0800_0021)));
    asking.inject(Fault::Sdo { position: 3, refusal });
    let text = asking.read(PARAMETER).unwrap_err().to_string();
    assert_eq!(
        text,
        "the device refuses: abort code 0x08000021 (data cannot be transferred because of local control)"
    );
    // The next one is not touched by it.
    assert_eq!(asking.read(Object::entry(TABLE, 6)), Ok(vec![7, 0, 0, 0]));
    asking.is_undisturbed();
}

#[test]
fn a_device_without_a_mailbox_or_without_supply_is_told_from_one_that_is_silent() {
    let mut asking = Asking::new();
    asking.client.read(0, Object::entry(0x1000, 0)).unwrap();
    assert_eq!(asking.answer().0.outcome, Err(Failure::NoMailbox));
    asking.client.read(99, Object::entry(0x1000, 0)).unwrap();
    assert_eq!(asking.answer().0.outcome, Err(Failure::Unreachable));
    asking.mailbox(MailboxFault::Silent);
    assert_eq!(asking.read(PARAMETER), Err(Failure::Silent));
    asking.mailbox(MailboxFault::Full);
    assert_eq!(asking.read(PARAMETER), Err(Failure::Full));
    asking.mailbox(MailboxFault::None);
    assert_eq!(asking.read(PARAMETER), Ok(vec![7, 0, 0, 0]));
    asking.is_undisturbed();
    asking.inject(Fault::PowerOff { position: 4 });
    asking.client.read(4, PARAMETER).unwrap();
    assert_eq!(asking.answer().0.outcome, Err(Failure::Unreachable));
}

#[test]
fn every_fault_of_a_mailbox_ends_in_an_answer_within_its_time() {
    for (fault, expected) in [
        (MailboxFault::Truncated, Failure::Malformed),
        // A message that came before is nobody's answer.
        (MailboxFault::SameCounter, Failure::Silent),
        (MailboxFault::OtherObject, Failure::Silent),
    ] {
        let mut asking = Asking::new();
        asking.read(PARAMETER).unwrap();
        asking.mailbox(fault);
        asking.client.read(DRIVE_X, PARAMETER).unwrap();
        let (answer, cycles) = asking.answer();
        assert_eq!(answer.outcome, Err(expected), "{fault:?}");
        // Three transfers of 0.5 s and 2 s at most.
        assert!(cycles <= 7_600, "{fault:?}: {cycles} cycles");
        asking.mailbox(MailboxFault::None);
        // One message may still lie there from before.
        assert!(asking.read(PARAMETER).is_ok(), "{fault:?}");
        asking.is_undisturbed();
    }
}

#[test]
fn an_emergency_amid_a_transfer_is_a_record_and_the_transfer_goes_on() {
    let mut asking = Asking::new();
    let sent = segment::Emergency { code: 0x8611, register: 0x21, data: [1, 2, 3, 4, 5] };
    asking.client.read(DRIVE_X, TEXT).unwrap();
    asking.cycles(20);
    asking.inject(Fault::Emergency { position: 3, emergency: sent });
    let (answer, _) = asking.answer();
    assert_eq!(answer.data().len(), 2_800);
    let kept = Emergency { device: DRIVE_X, code: 0x8611, register: 0x21, data: [1, 2, 3, 4, 5] };
    assert_eq!(asking.emergencies, [kept]);
    // Without anything asked it is heard, too, and from any drive.
    asking.inject(Fault::Emergency { position: 4, emergency: sent });
    asking.cycles(50);
    assert_eq!(asking.emergencies, [kept, Emergency { device: 4, ..kept }]);
    asking.is_undisturbed();
}

#[test]
fn a_device_that_leaves_op_meanwhile_answers_all_the_same() {
    let mut asking = Asking::new();
    asking.client.read(DRIVE_X, TEXT).unwrap();
    asking.cycles(10);
    // Its outputs stay away: it falls to SafeOp with an error, and comes back.
    asking.inject(Fault::IgnoreProcessData { position: 3, active: true });
    asking.cycles(100);
    asking.inject(Fault::IgnoreProcessData { position: 3, active: false });
    let (answer, _) = asking.answer();
    assert_eq!(answer.outcome, Ok(()));
    assert_eq!(answer.data().len(), 2_800);
    asking.rig.until(BusState::Operational);
}

#[test]
fn a_device_that_loses_its_supply_amid_a_transfer_ends_it() {
    let mut asking = Asking::new();
    asking.client.read(4, TEXT).unwrap();
    asking.cycles(20);
    asking.inject(Fault::PowerOff { position: 4 });
    let (answer, cycles) = asking.answer();
    assert_eq!(answer.outcome, Err(Failure::Unreachable));
    assert!(cycles < 1_000, "{cycles}");
}

#[test]
fn frames_that_are_lost_late_doubled_and_damaged_cost_time_and_nothing_else() {
    for seed in 0..8 {
        let mut asking = Asking::new();
        asking.rig.bus.link_mut().set_faults(Faults {
            seed,
            loss_ppm: 20_000,
            duplicate_ppm: 20_000,
            late_ppm: 20_000,
            late_ns: 900_000,
            corrupt_ppm: 20_000,
            ..Faults::default()
        });
        for round in 0..5u32 {
            let text = asking.read(TEXT);
            assert_eq!(text, Ok("tactus ".repeat(400).into_bytes()), "seed {seed}");
            let data: Vec<u8> = (0..100).flat_map(|n| (n + round).to_le_bytes()).collect();
            let written = asking.write(Object { subindex: 1, ..WHOLE_TABLE }, &data);
            assert_eq!(written, Ok(()), "seed {seed}");
            let read = asking.read(Object { subindex: 1, ..WHOLE_TABLE });
            assert_eq!(read, Ok(data), "seed {seed}");
        }
    }
}

#[test]
fn an_answer_whose_frame_is_lost_is_asked_for_again_or_the_transfer_is_done_anew() {
    for fault in [MailboxFault::None, MailboxFault::NoRepeat] {
        let mut asking = Asking::new();
        asking.mailbox(fault);
        asking.rig.bus.link_mut().set_faults(Faults {
            seed: 3,
            loss_ppm: 100_000,
            ..Faults::default()
        });
        let outcomes: Vec<_> = (0..20).map(|_| asking.read(PARAMETER)).collect();
        let good = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        assert_eq!(good, 20, "{fault:?}: {outcomes:?}");
    }
}

#[test]
fn requests_and_answers_are_bounded() {
    let mut asking = Asking::new();
    for _ in 0..QUEUE_MAX {
        asking.client.read(DRIVE_X, PARAMETER).unwrap();
    }
    assert_eq!(asking.client.read(DRIVE_X, PARAMETER), Err(Refused::Busy));
    assert_eq!(asking.client.write(DRIVE_X, PARAMETER, &[0; 5_000]), Err(Refused::Length));
    assert_eq!(asking.client.registers(DRIVE_X, 0x300, 65), Err(Refused::Length));
    asking.cycles(500);
    let answers: Vec<_> = core::iter::from_fn(|| asking.client.take()).collect();
    assert_eq!(answers.len(), QUEUE_MAX);
    assert!(answers.windows(2).all(|pair| pair[0].ticket < pair[1].ticket));
    asking.client.registers(DRIVE_X, 0x0130, 2).unwrap();
    assert_eq!(asking.answer().0.number(), Some(8));
}

/// Notes when frames go out, and what they are.
struct Watched {
    inner: InlineLink<cell::Cell>,
    frames: Vec<(u64, Origin, Vec<u8>)>,
}

impl Link for Watched {
    fn send(&mut self, frame: &[u8]) -> Result<(), LinkFault> {
        let mut back = frame.to_vec();
        back[6] |= 2;
        let at = self.inner.now();
        self.frames.push((at, origin(&back), frame.to_vec()));
        self.inner.send(frame)
    }

    fn receive(&mut self, buffer: &mut [u8], deadline: u64) -> Result<Option<usize>, LinkFault> {
        self.inner.receive(buffer, deadline)
    }

    fn now(&self) -> u64 {
        self.inner.now()
    }

    fn idle(&mut self, until: u64) {
        self.inner.idle(until);
    }
}

/// One cyclic frame or answer.
type Cyclic = (u64, Vec<u8>);

/// The cyclic frames of 3000 cycles in Op, when the exchange ended, and the mailbox frames.
fn watched(asks: bool) -> (Vec<Cyclic>, Vec<u64>, Vec<Cyclic>) {
    let inner = InlineLink::new(cell::cell(), 1_000_000_000);
    let rig = Rig::new(Watched { inner, frames: Vec::new() }, &with_dc(plan()));
    let mut asking = Asking::with(rig);
    asking.rig.until(BusState::Operational);
    asking.rig.bus.link_mut().frames.clear();
    let mut ends = Vec::new();
    for _ in 0..3_000 {
        if asks && asking.client.under_way() == 0 {
            asking.client.read(DRIVE_X, TEXT).unwrap();
            asking.client.write(4, PARAMETER, &[1, 2, 3, 4]).unwrap();
        }
        asking.client.take();
        asking.cycles(1);
        ends.push(asking.rig.last.received_at);
    }
    asking.is_undisturbed();
    let frames = core::mem::take(&mut asking.rig.bus.link_mut().frames);
    let of = |wanted| {
        let frames = frames.iter().filter(move |(_, origin, _)| *origin == wanted);
        frames.map(|(at, _, frame)| (*at, frame.clone())).collect::<Vec<_>>()
    };
    (of(Origin::Ours), ends, of(Origin::Mailbox))
}

#[test]
fn cyclic_frames_are_the_same_with_and_without_mailbox_traffic() {
    let (quiet, quiet_ends, listening) = watched(false);
    let (busy, busy_ends, talking) = watched(true);
    assert_eq!(quiet.len(), 3_000);
    // The very same bytes at the very same times, and the same round trips.
    assert!(quiet == busy);
    assert!(quiet_ends == busy_ends);
    // At most one mailbox frame a cycle, one datagram each, sent when the cyclic frames are back.
    assert!(talking.len() > 2_000 && talking.len() <= 3_000, "{}", talking.len());
    assert!((100..=1_500).contains(&listening.len()), "{}", listening.len());
    for (at, frame) in &talking {
        assert_eq!(Frame::parse(frame).unwrap().datagrams().count(), 1);
        assert!(busy_ends.contains(at), "sent at {at}");
    }
}

#[test]
fn mailbox_frames_stay_away_when_their_answer_would_come_after_the_deadline() {
    let mut plan = plan();
    plan.receive_deadline_ns = 500_000;
    let mut asking = Asking::with(operational(&plan));
    // The cyclic frames are back after 30 µs or so: 10 µs more are not enough for anything.
    let until = asking.rig.next;
    let mut cycle = until;
    asking.client.read(DRIVE_X, PARAMETER).unwrap();
    let mut answer = None;
    for _ in 0..2_500 {
        asking.rig.bus.link_mut().idle(cycle);
        let back = cycle + asking.rig.bus.link_mut().inner_mut().wire_mut().round_trip_ns(120);
        asking.rig.bus.exchange(cycle, back + 30_000);
        asking.rig.bus.decode(&mut asking.rig.signals);
        asking.rig.bus.encode(&asking.rig.signals);
        cycle += cell::PERIOD;
        answer = answer.or_else(|| asking.client.take());
    }
    assert_eq!(answer.map(|answer| answer.outcome), Some(Err(Failure::NoSlack)));
}
