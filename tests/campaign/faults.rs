//! What is broken in a run, drawn from its seed.

use fieldbus::coe::Object;
use fieldbus::link::Faults;
use segment::{Emergency, MailboxFault};

use super::cell::Rig;
use super::line::Trick;
use tactus_tests::random::Random;

/// What kind of faults a run has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    Timing,
    Damage,
    Devices,
    Mailbox,
    Storm,
}

impl Family {
    /// The test that runs it.
    pub(crate) fn test(self) -> &'static str {
        match self {
            Self::Timing => "frames_that_are_lost",
            Self::Damage => "frames_that_are_damaged",
            Self::Devices => "devices_and_cables",
            Self::Mailbox => "mailboxes_full",
            Self::Storm => "everything_at_once",
        }
    }
}

/// One fault, from begin to end.
#[derive(Clone, Debug)]
pub(crate) struct Planned {
    /// How long it lasts.
    pub(crate) cycles: u32,
    faults: Faults,
    is_down: bool,
    tricks: Vec<(Trick, u64)>,
    devices: Vec<segment::Fault>,
    mends: Vec<segment::Fault>,
    talks: bool,
}

/// Positions of the demo cell: coupler, terminals, servos.
const DEVICES: usize = 7;
const SERVOS: [usize; 3] = [4, 5, 6];

impl Planned {
    pub(crate) fn draw(family: Family, random: &mut Random) -> Self {
        let mut planned = Self {
            cycles: u32::try_from(random.of(&[1, 3, 4, 5, 20, 90, 150, 400, 1_200])).unwrap(),
            faults: Faults { seed: random.next(), ..Faults::default() },
            is_down: false,
            tricks: Vec::new(),
            devices: Vec::new(),
            mends: Vec::new(),
            talks: random.below(2) == 0,
        };
        match family {
            Family::Timing => planned.timing(random),
            Family::Damage => planned.damage(random),
            Family::Devices => planned.devices(random),
            Family::Mailbox => planned.mailbox(random),
            Family::Storm => {
                planned.timing(random);
                planned.damage(random);
                planned.mailbox(random);
                if random.below(3) == 0 {
                    planned.devices(random);
                }
            }
        }
        planned
    }

    fn timing(&mut self, random: &mut Random) {
        let ppm = random.of(&[1_000_000, 500_000, 100_000, 20_000]);
        match random.below(6) {
            0 => self.faults.loss_ppm = ppm,
            1 => {
                self.faults.late_ppm = ppm;
                self.faults.late_ns = 100_000 + random.below(6_000_000);
            }
            2 => self.faults.duplicate_ppm = ppm,
            3 => self.faults.reorder_ppm = ppm,
            4 => {
                // The index of a frame comes round again after 256.
                let ago = random.of(&[1, 2, 3, 4, 5, 16, 255, 256, 257, 512]);
                self.tricks.push((Trick::Again(ago), u64::from(ppm / 1_000)));
            }
            _ => self.is_down = true,
        }
    }

    fn damage(&mut self, random: &mut Random) {
        let per_mille = random.of(&[1_000, 500, 100, 20]);
        let ppm = u32::try_from(per_mille * 1_000).unwrap();
        match random.below(8) {
            0 => self.faults.corrupt_ppm = ppm,
            1 => self.faults.working_counter_ppm = ppm,
            2 => self.tricks.push((Trick::Truncate, per_mille)),
            3 => self.tricks.push((Trick::Giant, per_mille)),
            4 => self.tricks.push((Trick::Headers, per_mille)),
            5 => self.tricks.push((Trick::Counter, per_mille)),
            6 => self.tricks.push((Trick::Foreign, per_mille)),
            _ => self.tricks.push((Trick::Flood, per_mille)),
        }
    }

    fn devices(&mut self, random: &mut Random) {
        use segment::Fault as F;
        let position = random.place(DEVICES);
        let (fault, mend) = match random.below(3) {
            0 => {
                let after = random.of(&[None, Some(0), Some(2), Some(3), Some(5)]);
                (F::LinkLost { after }, F::LinkRestored { after })
            }
            1 => (
                F::IgnoreProcessData { position, active: true },
                F::IgnoreProcessData { position, active: false },
            ),
            _ => {
                let position = random.of(&SERVOS);
                // What a drive reports is over when it is reset.
                let code = random.of(&[0x2310, 0x3210, 0x4210, 0x7305, 0x8611]);
                (F::Drive { position, code }, F::IgnoreProcessData { position, active: false })
            }
        };
        self.devices.push(fault);
        self.mends.push(mend);
    }

    fn mailbox(&mut self, random: &mut Random) {
        self.talks = true;
        let position = random.of(&SERVOS);
        let fault = random.of(&[
            MailboxFault::Silent,
            MailboxFault::Full,
            MailboxFault::SameCounter,
            MailboxFault::Truncated,
            MailboxFault::OtherObject,
            MailboxFault::NoRepeat,
        ]);
        match random.below(3) {
            0 => self.tricks.push((Trick::Mailbox, random.of(&[1_000, 300, 50]))),
            1 => {
                let emergency =
                    Emergency { code: 0x8130, register: 0x11, data: [random.byte(); 5] };
                self.devices.push(segment::Fault::Emergency { position, emergency });
            }
            _ => {
                self.devices.push(segment::Fault::Mailbox { position, fault });
                let fault = MailboxFault::None;
                self.mends.push(segment::Fault::Mailbox { position, fault });
            }
        }
    }

    pub(crate) fn begin(&self, rig: &mut Rig) {
        rig.line().tricks.clone_from(&self.tricks);
        rig.fault().set_faults(self.faults.clone());
        rig.fault().set_down(self.is_down);
        for fault in &self.devices {
            rig.cell().inject(*fault);
        }
    }

    /// Mailbox traffic beside the cycle.
    pub(crate) fn meanwhile(&self, rig: &mut Rig, cycle: u32) {
        while rig.client.take().is_some() {}
        if self.talks && rig.client.under_way() < 4 {
            let device = u16::try_from(SERVOS[usize::try_from(cycle % 3).unwrap()]).unwrap();
            let object = [0x1018, 0x6041, 0x1008][usize::try_from(cycle / 3 % 3).unwrap()];
            let object = Object {
                index: object,
                subindex: 0,
                complete: object == 0x1018 && cycle.is_multiple_of(2),
            };
            let _ = rig.client.read(device, object);
            let _ = rig.client.registers(device, 0x0300, 20);
        }
    }

    pub(crate) fn end(&self, rig: &mut Rig) {
        rig.line().tricks.clear();
        rig.fault().set_faults(Faults::default());
        rig.fault().set_down(false);
        for mend in &self.mends {
            rig.cell().inject(*mend);
        }
    }
}
