//! A device: controller, application state machine, mailbox, and what it does with its process
//! data.

mod objects;
mod process_data;
mod states;

use crate::al::{AlState, code};
use crate::coe::{Coe, Emergency, MailboxFault, SdoRefusal};
use crate::describe::{DeviceDescription, Function, Usage};
use crate::esc::{Clock, Eeprom, Esc, FrameTimes};
use crate::fault::DeviceStatus;
use crate::num::{signed64, u16_at};
use crate::pdo::{MAPPED_MAX, Mapped};
use crate::process::{Process, ServoCommand};
use crate::servo::Servo;

/// One EtherCAT SubDevice.
pub struct Device {
    pub(crate) description: DeviceDescription,
    pub(crate) esc: Esc,
    pub(crate) powered: bool,
    pub(crate) deaf: bool,
    pub(crate) refuse: Option<(AlState, u16)>,
    state: AlState,
    error: bool,
    status_code: u16,
    op_deadline: Option<u64>,
    coe: Option<Coe>,
    servo: Option<Servo>,
    rx_layout: Vec<Mapped>,
    tx_layout: Vec<Mapped>,
    mailbox: Option<(usize, usize)>,
    /// Something was written, read, or waits to be sent.
    mailbox_busy: bool,
    output_mask: u16,
    input_mask: u16,
    /// Outputs came since SafeOp.
    outputs_seen: bool,
    /// Outputs came since the application took the last.
    outputs_fresh: bool,
    sync_seen: bool,
    /// SYNC0 fired with new outputs that the application has not taken yet.
    sync_due: bool,
    outputs_taken: u64,
    watchdog_expired: bool,
    watchdog_count: u8,
    inputs_stale: bool,
}

impl Device {
    /// Any device.
    #[must_use]
    pub fn described(description: DeviceDescription) -> Self {
        let clock =
            Clock::new(description.esc.dc, description.clock.start_ns, description.clock.drift_ppb);
        let image =
            description.sii_image.clone().unwrap_or_else(|| crate::sii::image(&description));
        let eeprom =
            Eeprom::new(image, description.esc.eeprom_flags, description.esc.eeprom_busy_ns);
        let esc = Esc::new(&description.esc, clock, eeprom);
        let coe = description.mailbox.map(|_| objects::coe(&description));
        let servo = match (&description.function, &coe) {
            (Function::Servo(options), Some(coe)) => Some(Servo::new(*options, &coe.dictionary)),
            _ => None,
        };
        let numbers = |usage| {
            let all = description.sync_managers.iter().enumerate().take(16);
            all.filter(|(_, sm)| sm.usage == usage).fold(0, |mask, (number, _)| mask | 1 << number)
        };
        let mailbox = description.mailbox.and_then(|_| {
            Some((
                description.sync_manager(Usage::MailboxOut)?.0,
                description.sync_manager(Usage::MailboxIn)?.0,
            ))
        });
        let (output_mask, input_mask) = (numbers(Usage::Outputs), numbers(Usage::Inputs));
        let mut device = Self {
            esc,
            powered: true,
            deaf: false,
            refuse: None,
            state: AlState::Init,
            error: false,
            status_code: 0,
            op_deadline: None,
            coe,
            servo,
            rx_layout: Vec::with_capacity(MAPPED_MAX),
            tx_layout: Vec::with_capacity(MAPPED_MAX),
            mailbox,
            mailbox_busy: false,
            output_mask,
            input_mask,
            outputs_seen: false,
            outputs_fresh: false,
            sync_seen: false,
            sync_due: false,
            outputs_taken: 0,
            watchdog_expired: false,
            watchdog_count: 0,
            inputs_stale: true,
            description,
        };
        device.show_state();
        device
    }

    /// What it was made from.
    #[must_use]
    pub fn description(&self) -> &DeviceDescription {
        &self.description
    }

    /// From outside the bus.
    pub(crate) fn status(&self, reachable: bool, now: u64) -> DeviceStatus {
        let operational = self.state == AlState::Op;
        DeviceStatus {
            powered: self.powered,
            reachable,
            al_state: self.state,
            al_error: self.error,
            al_status_code: self.status_code,
            watchdog_expired: self.watchdog_expired,
            watchdog_count: self.watchdog_count,
            outputs_taken: self.outputs_taken,
            drive: self.servo.as_ref().map(|servo| servo.status(operational, now)),
        }
    }

    /// Loses its supply.
    pub(crate) fn power_off<P: Process>(&mut self, position: usize, process: &mut P) {
        self.powered = false;
        self.safe_outputs(position, process);
        if self.servo.is_some() {
            process.servo_command(position, &ServoCommand::default());
        }
    }

    /// Comes back: Init, everything written is lost.
    pub(crate) fn power_on(&mut self, now: u64) {
        self.powered = true;
        self.esc.power_up(&self.description.esc);
        self.esc.clock.restart(now);
        self.state = AlState::Init;
        (self.error, self.status_code, self.op_deadline) = (false, 0, None);
        (self.outputs_seen, self.outputs_fresh, self.sync_seen) = (false, false, false);
        (self.watchdog_expired, self.watchdog_count) = (false, 0);
        if let Some(coe) = &mut self.coe {
            coe.dictionary.power_up();
            coe.open();
            if let Some(servo) = &mut self.servo {
                servo.power_up(&coe.dictionary);
            }
        }
        self.show_state();
    }

    /// A scenario breaks the drive.
    pub(crate) fn inject_drive_fault(&mut self, code: u16) {
        if let Some(servo) = &mut self.servo {
            servo.inject_fault(code);
        }
    }

    /// A scenario makes it send an emergency.
    pub(crate) fn inject_emergency(&mut self, emergency: Emergency) {
        if let (Some(coe), true) = (&mut self.coe, self.state >= AlState::PreOp) {
            coe.emergency(emergency);
            self.mailbox_busy = true;
        }
    }

    /// A scenario spoils its mailbox.
    pub(crate) fn inject_mailbox_fault(&mut self, fault: MailboxFault) {
        if let Some(coe) = &mut self.coe {
            coe.fault = fault;
        }
        self.mailbox_busy = true;
    }

    /// A scenario makes it refuse an entry.
    pub(crate) fn inject_refusal(&mut self, refusal: Option<(u16, u8, SdoRefusal)>) {
        if let Some(coe) = &mut self.coe {
            coe.refusal = refusal;
        }
    }

    /// Reacts to what the last datagram did.
    pub(crate) fn handle_events<P: Process>(&mut self, position: usize, now: u64, process: &mut P) {
        let events = core::mem::take(&mut self.esc.events);
        if events.al_control {
            let control = u16_at(self.esc.memory(), 0x0120);
            self.al_control(control, position, now, process);
        }
        if events.sync_managers
            && let Some((_, number_in)) = self.mailbox
        {
            self.mailbox_busy |= self.esc.wants_repeat(number_in);
        }
        self.mailbox_busy |=
            (events.written | events.read) & !(self.output_mask | self.input_mask) != 0;
        if events.written & self.output_mask != 0 {
            self.outputs_seen = true;
            self.watchdog_expired = false;
            self.esc.set(0x0440, &[1]);
            if self.state == AlState::Op {
                self.outputs_taken += 1;
                self.outputs_fresh = true;
                self.take_outputs(position, process);
            }
        }
        if events.read & self.input_mask != 0
            && let Some(servo) = &mut self.servo
        {
            servo.inputs_read();
        }
    }

    /// One tick of the device's own processor.
    pub(crate) fn tick<P: Process>(&mut self, position: usize, now: u64, process: &mut P) {
        if !self.powered {
            return;
        }
        self.inputs_stale = true;
        self.watch(position, now, process);
        if self.mailbox_busy && self.state >= AlState::PreOp {
            self.exchange_mailbox(now);
        }
        let synchronous = self.esc.clock.sync0_active();
        let fired = self.esc.clock.take_sync0(now);
        self.note_sync0(fired.is_some());
        if let Some(deadline) = self.op_deadline {
            self.wait_for_op(deadline, now);
        }
        if let (Some(servo), Some(coe)) = (&mut self.servo, &mut self.coe) {
            let cycle = if synchronous { self.sync_due } else { self.outputs_fresh };
            self.sync_due = false;
            self.outputs_fresh &= synchronous;
            let operational = self.state == AlState::Op && self.outputs_taken > 0;
            let feedback = process.servo_feedback(position);
            let command = servo.tick(&coe.dictionary, operational, cycle, now, feedback);
            process.servo_command(position, &command);
            if let Some(emergency) = servo.take_emergency() {
                coe.emergency(emergency);
                self.mailbox_busy = true;
            }
            if synchronous && self.state >= AlState::SafeOp {
                // Inputs are sampled at SYNC0, whenever the frame that fetches them comes.
                self.inputs_stale = false;
                if let Some(ago) = fired {
                    self.publish_objects(now, -signed64(ago));
                }
            }
        }
    }

    /// SYNC0 fired, or did not: outputs that are there now are taken, those that come later are for the next pulse.
    fn note_sync0(&mut self, fired: bool) {
        self.sync_seen |= fired;
        if fired && self.outputs_fresh {
            self.outputs_fresh = false;
            self.sync_due = true;
        }
    }

    /// A frame passes at `now`: what a pulse between two ticks latched must be there for it. `since_tick`: ns.
    pub(crate) fn latch_at_sync0(&mut self, now: u64, since_tick: u64) {
        let fired = self.esc.clock.take_sync0(now);
        self.note_sync0(fired.is_some());
        if let Some(ago) = fired.filter(|_| self.servo.is_some() && self.state >= AlState::SafeOp) {
            self.publish_objects(now, signed64(since_tick.saturating_sub(ago)));
        }
    }

    /// Process data watchdog: in Op it leads to SafeOp and safe outputs.
    fn watch<P: Process>(&mut self, position: usize, now: u64, process: &mut P) {
        let (Some(triggered), Some(limit)) = (self.esc.watchdog_triggered, self.esc.watchdog_ns())
        else {
            return;
        };
        if self.watchdog_expired || now.saturating_sub(triggered) <= limit {
            return;
        }
        self.watchdog_expired = true;
        self.watchdog_count = self.watchdog_count.saturating_add(1);
        self.esc.set(0x0440, &[0]);
        self.esc.set(0x0442, &[self.watchdog_count]);
        if self.is_emulated() {
            self.safe_outputs(position, process);
        } else if self.state == AlState::Op {
            self.leave_op(position, now, process);
            self.state = AlState::SafeOp;
            self.fail(code::WATCHDOG);
        }
    }

    fn exchange_mailbox(&mut self, now: u64) {
        let (Some(coe), Some((number_out, number_in))) = (&mut self.coe, self.mailbox) else {
            return;
        };
        if let Some(emergency) = self.servo.as_mut().and_then(Servo::take_emergency) {
            coe.emergency(emergency);
        }
        let out = self.esc.sync_manager(number_out);
        if out.full && coe.has_room() && coe.fault != MailboxFault::Full {
            if let Some(servo) = &self.servo {
                servo.publish(&mut coe.dictionary, self.state == AlState::Op, now, 0);
            }
            let first = usize::from(out.start);
            if let Some(message) = self.esc.memory().get(first..first + usize::from(out.length)) {
                coe.request(message, self.state == AlState::PreOp);
            }
            self.esc.set_mailbox_full(number_out, false);
        }
        let into = self.esc.sync_manager(number_in);
        if self.esc.wants_repeat(number_in) && coe.fault != MailboxFault::NoRepeat {
            self.esc.acknowledge_repeat(number_in);
            let first = usize::from(into.start);
            let range = first..first + usize::from(into.length);
            let mailbox = self.esc.memory_mut().get_mut(range);
            if !into.full && mailbox.is_some_and(|mailbox| coe.repeat_message(mailbox)) {
                self.esc.set_mailbox_full(number_in, true);
            }
        }
        let into = self.esc.sync_manager(number_in);
        if into.enabled && !into.full && coe.has_message() {
            let first = usize::from(into.start);
            let range = first..first + usize::from(into.length);
            if let Some(mailbox) = self.esc.memory_mut().get_mut(range) {
                coe.take_message(mailbox);
            }
            self.esc.set_mailbox_full(number_in, true);
        }
        self.mailbox_busy = coe.has_message() || self.esc.sync_manager(number_out).full;
    }

    /// Where frames meet this device's clock.
    pub(crate) fn times(&self, now: u64, hop: u64, total: u64, is_last: bool) -> FrameTimes {
        FrameTimes {
            forward: now.saturating_add(hop),
            back: (!is_last).then_some(now.saturating_add(total + (total - hop))),
        }
    }
}
