//! A device: controller, application state machine, mailbox, and what it does with its process data.

use crate::al::{self, AlState, Request, code};
use crate::coe::{Coe, Emergency};
use crate::describe::{
    DeviceDescription, Function, PdoDescription, StateMachine, SyncManagerDescription, Usage,
};
use crate::dictionary::{Access, DataType, Dictionary, ObjectDescription};
use crate::esc::{Clock, Eeprom, Esc, FrameTimes};
use crate::fault::DeviceStatus;
use crate::num::{u8_at, u16_at};
use crate::pdo::{MAPPED_MAX, Mapped};
use crate::process::{Process, ServoCommand};
use crate::servo::Servo;

/// How long SafeOp → Op waits for process data and SYNC0 before it is refused, ns.
const OP_WAIT_NS: u64 = 200_000_000;
/// Most entries of a PDO mapping that a MainDevice may set.
const PDO_ENTRIES_MAX: usize = 16;
/// Most PDOs assigned to a direction.
const PDO_ASSIGN_MAX: usize = 4;

/// One EtherCAT SubDevice.
pub struct Device {
    pub(crate) description: DeviceDescription,
    pub(crate) esc: Esc,
    pub(crate) powered: bool,
    pub(crate) deaf: bool,
    pub(crate) refuse_op: Option<u16>,
    state: AlState,
    error: bool,
    status_code: u16,
    op_deadline: Option<u64>,
    coe: Option<Coe>,
    servo: Option<Servo>,
    rx_layout: Vec<Mapped>,
    tx_layout: Vec<Mapped>,
    mailbox: Option<(usize, usize)>,
    output_mask: u16,
    input_mask: u16,
    /// Outputs came since SafeOp.
    outputs_seen: bool,
    /// Outputs came since the application took the last.
    outputs_fresh: bool,
    sync_seen: bool,
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
        let coe = description.mailbox.map(|_| coe(&description));
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
            refuse_op: None,
            state: AlState::Init,
            error: false,
            status_code: 0,
            op_deadline: None,
            coe,
            servo,
            rx_layout: Vec::with_capacity(MAPPED_MAX),
            tx_layout: Vec::with_capacity(MAPPED_MAX),
            mailbox,
            output_mask,
            input_mask,
            outputs_seen: false,
            outputs_fresh: false,
            sync_seen: false,
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
        }
    }

    /// Puts fresh inputs where the bus reads them; cheap when nothing has changed since the last tick.
    pub(crate) fn refresh_inputs<P: Process>(&mut self, position: usize, now: u64, process: &P) {
        if !self.inputs_stale || self.state < AlState::SafeOp {
            return;
        }
        self.inputs_stale = false;
        match &self.description.function {
            Function::Passive | Function::Servo(_) => self.publish_objects(now),
            Function::DigitalInput { .. } => {
                let bits = process.digital_inputs(position);
                self.set_input_bits(bits);
            }
            Function::AnalogInput { channels } => {
                for channel in 0..usize::from(*channels) {
                    let value = process.analog_input(position, channel);
                    self.set_analog(channel, value);
                }
            }
            Function::DigitalOutput { .. } | Function::AnalogOutput { .. } => {}
        }
    }

    fn publish_objects(&mut self, now: u64) {
        let operational = self.state == AlState::Op;
        let number = usize::try_from(self.input_mask.trailing_zeros()).unwrap_or(usize::MAX);
        let sm = self.esc.sync_manager(number);
        let Some(coe) = &mut self.coe else { return };
        if let Some(servo) = &self.servo {
            servo.publish(&mut coe.dictionary, operational, now);
        }
        let first = usize::from(sm.start);
        let range = first..first + usize::from(sm.length);
        if let (true, Some(image)) = (sm.enabled, self.esc.memory_mut().get_mut(range)) {
            coe.dictionary.gather(&self.tx_layout, image);
        }
    }

    fn set_input_bits(&mut self, mut bits: u64) {
        for number in 0..self.description.sync_managers.len() {
            if self.input_mask >> number & 1 == 0 {
                continue;
            }
            let sm = self.esc.sync_manager(number);
            for offset in 0..usize::from(sm.length.min(8)) {
                self.esc.set(usize::from(sm.start) + offset, &[u8_at(&bits.to_le_bytes(), 0)]);
                bits >>= 8;
            }
        }
    }

    fn set_analog(&mut self, channel: usize, value: i16) {
        let number = usize::try_from(self.input_mask.trailing_zeros()).unwrap_or(usize::MAX);
        let sm = self.esc.sync_manager(number);
        if channel * 2 + 2 <= usize::from(sm.length) {
            self.esc.set(usize::from(sm.start) + channel * 2, &value.to_le_bytes());
        }
    }

    /// Reacts to what the last datagram did.
    pub(crate) fn handle_events<P: Process>(&mut self, position: usize, now: u64, process: &mut P) {
        let events = core::mem::take(&mut self.esc.events);
        if events.al_control {
            let control = u16_at(self.esc.memory(), 0x0120);
            self.al_control(control, position, now, process);
        }
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

    fn take_outputs<P: Process>(&mut self, position: usize, process: &mut P) {
        let number = usize::try_from(self.output_mask.trailing_zeros()).unwrap_or(usize::MAX);
        let sm = self.esc.sync_manager(number);
        let first = usize::from(sm.start);
        match &self.description.function {
            Function::DigitalOutput { channels } => {
                let bits = self.output_bits() & crate::num::mask(u32::from(*channels));
                process.set_digital_outputs(position, bits);
            }
            Function::AnalogOutput { channels } => {
                for channel in 0..usize::from(*channels) {
                    let raw = u16_at(self.esc.memory(), first + channel * 2).to_ne_bytes();
                    process.set_analog_output(position, channel, i16::from_ne_bytes(raw));
                }
            }
            Function::Passive | Function::Servo(_) => {
                let image = self.esc.memory().get(first..first + usize::from(sm.length));
                if let (Some(coe), Some(image)) = (&mut self.coe, image) {
                    coe.dictionary.scatter(&self.rx_layout, image);
                }
            }
            Function::DigitalInput { .. } | Function::AnalogInput { .. } => {}
        }
    }

    fn output_bits(&self) -> u64 {
        let (mut bits, mut shift) = (0, 0);
        for number in 0..self.description.sync_managers.len() {
            if self.output_mask >> number & 1 == 0 {
                continue;
            }
            let sm = self.esc.sync_manager(number);
            for offset in 0..usize::from(sm.length.min(8)) {
                let byte = u64::from(u8_at(self.esc.memory(), usize::from(sm.start) + offset));
                bits |= byte.checked_shl(shift).unwrap_or(0);
                shift += 8;
            }
        }
        bits
    }

    fn safe_outputs<P: Process>(&mut self, position: usize, process: &mut P) {
        match &self.description.function {
            Function::DigitalOutput { .. } => process.set_digital_outputs(position, 0),
            Function::AnalogOutput { channels } => {
                for channel in 0..usize::from(*channels) {
                    process.set_analog_output(position, channel, 0);
                }
            }
            Function::Passive
            | Function::DigitalInput { .. }
            | Function::AnalogInput { .. }
            | Function::Servo(_) => {}
        }
    }

    /// One tick of the device's own processor.
    pub(crate) fn tick<P: Process>(&mut self, position: usize, now: u64, process: &mut P) {
        if !self.powered {
            return;
        }
        self.inputs_stale = true;
        self.watch(position, now, process);
        if self.mailbox.is_some() && self.state >= AlState::PreOp {
            self.exchange_mailbox(now);
        }
        let synchronous = self.esc.clock.sync0_active();
        let sync0 = synchronous && self.esc.clock.take_sync0(now);
        self.sync_seen |= sync0;
        if let Some(deadline) = self.op_deadline {
            self.wait_for_op(deadline, now);
        }
        if let (Some(servo), Some(coe)) = (&mut self.servo, &self.coe) {
            let cycle = self.outputs_fresh && (sync0 || !synchronous);
            self.outputs_fresh &= !cycle;
            let operational = self.state == AlState::Op && self.outputs_taken > 0;
            let feedback = process.servo_feedback(position);
            let command = servo.tick(&coe.dictionary, operational, cycle, now, feedback);
            process.servo_command(position, &command);
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
        if out.full && coe.has_room() {
            if let Some(servo) = &self.servo {
                servo.publish(&mut coe.dictionary, self.state == AlState::Op, now);
            }
            let first = usize::from(out.start);
            if let Some(message) = self.esc.memory().get(first..first + usize::from(out.length)) {
                coe.request(message, self.state == AlState::PreOp);
            }
            self.esc.set_mailbox_full(number_out, false);
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
    }

    fn show_state(&mut self) {
        let status = u16::from(self.state.code()) | u16::from(self.error) << 4;
        self.esc.set(0x0130, &status.to_le_bytes());
        self.esc.set(0x0134, &self.status_code.to_le_bytes());
    }

    fn fail(&mut self, status_code: u16) {
        (self.error, self.status_code, self.op_deadline) = (true, status_code, None);
        self.show_state();
    }

    fn arrive(&mut self, state: AlState) {
        self.state = state;
        (self.error, self.status_code, self.op_deadline) = (false, 0, None);
        self.show_state();
    }

    fn al_control<P: Process>(&mut self, control: u16, position: usize, now: u64, process: &mut P) {
        let request = if self.is_emulated() {
            al::emulated(control)
        } else {
            al::request(self.state, self.error, control)
        };
        match request {
            Request::Ignore => {}
            Request::Refuse(status_code) => self.fail(status_code),
            Request::Go(target) if target > self.state => {
                if let Err(status_code) = self.climb(target, now) {
                    self.fail(status_code);
                }
            }
            Request::Go(target) => {
                if self.state == AlState::Op && target < AlState::Op {
                    self.leave_op(position, now, process);
                }
                if target < AlState::SafeOp {
                    (self.outputs_seen, self.sync_seen) = (false, false);
                }
                self.arrive(target);
            }
        }
        if self.is_emulated() {
            // The controller repeats the control word, acknowledgement and all.
            self.error = control & 0x10 != 0;
            self.show_state();
        }
    }

    fn leave_op<P: Process>(&mut self, position: usize, now: u64, process: &mut P) {
        self.outputs_taken = 0;
        self.outputs_fresh = false;
        self.safe_outputs(position, process);
        if let (Some(servo), Some(coe)) = (&mut self.servo, &self.coe) {
            servo.connection_lost(&coe.dictionary, now);
        }
    }

    fn is_emulated(&self) -> bool {
        self.description.state_machine == StateMachine::Emulation
    }

    /// One step up; the AL status code says what is missing.
    fn climb(&mut self, target: AlState, now: u64) -> Result<(), u16> {
        if self.is_emulated() {
            self.arrive(target);
            return Ok(());
        }
        self.check_mailbox()?;
        match target {
            AlState::Init => {}
            AlState::PreOp => {
                if let Some(coe) = &mut self.coe {
                    coe.open();
                }
            }
            AlState::SafeOp => {
                self.check_process_data()?;
                self.check_clock()?;
                (self.outputs_seen, self.sync_seen) = (false, false);
                self.inputs_stale = true;
            }
            AlState::Op => {
                self.check_process_data()?;
                if let Some(status_code) = self.refuse_op {
                    return Err(status_code);
                }
                if self.waits_for().is_some() {
                    self.op_deadline = Some(now.saturating_add(OP_WAIT_NS));
                    return Ok(());
                }
                self.esc.watchdog_triggered = (self.output_mask != 0).then_some(now);
            }
        }
        self.arrive(target);
        Ok(())
    }

    /// What a synchronous drive lacks for Op: SYNC0 pulses, and process data.
    fn waits_for(&self) -> Option<u16> {
        if self.servo.is_none() || u8_at(self.esc.memory(), 0x0981) & 1 == 0 {
            return None;
        }
        match (self.sync_seen, self.outputs_seen) {
            (true, true) => None,
            (false, _) => Some(code::NO_SYNC),
            (true, false) => Some(code::SYNC_ERROR),
        }
    }

    fn wait_for_op(&mut self, deadline: u64, now: u64) {
        match self.waits_for() {
            None => {
                self.esc.watchdog_triggered = Some(now);
                self.watchdog_expired = false;
                self.arrive(AlState::Op);
            }
            Some(status_code) if now >= deadline => self.fail(status_code),
            Some(_) => {}
        }
    }

    fn check_mailbox(&self) -> Result<(), u16> {
        let Some((number_out, number_in)) = self.mailbox else { return Ok(()) };
        for (number, out) in [(number_out, true), (number_in, false)] {
            let sm = self.esc.sync_manager(number);
            let wanted = self.description.sync_managers.get(number);
            let fits =
                wanted.is_some_and(|wanted| sm.start == wanted.start && sm.length == wanted.length);
            if !sm.enabled || !sm.is_mailbox() || sm.is_output() != out || !fits {
                return Err(code::INVALID_MAILBOX);
            }
        }
        Ok(())
    }

    fn check_process_data(&mut self) -> Result<(), u16> {
        for (number, wanted) in self.description.sync_managers.iter().enumerate() {
            let (pdos, status_code, is_output) = match wanted.usage {
                Usage::Outputs => (&self.description.rx_pdos, code::INVALID_OUTPUTS, true),
                Usage::Inputs => (&self.description.tx_pdos, code::INVALID_INPUTS, false),
                Usage::MailboxOut | Usage::MailboxIn => continue,
            };
            let bits = match &self.coe {
                Some(coe) if is_output => coe.dictionary.layout(0x1C12, &mut self.rx_layout),
                Some(coe) => coe.dictionary.layout(0x1C13, &mut self.tx_layout),
                None => bits_of(pdos, number),
            };
            let sm = self.esc.sync_manager(number);
            let wrong = sm.start != wanted.start
                || usize::from(sm.length) != bits.div_ceil(8)
                || sm.is_mailbox()
                || sm.is_output() != is_output;
            let absent = !sm.enabled || sm.length == 0;
            if (bits == 0 && !absent) || (bits != 0 && (absent || wrong)) {
                return Err(status_code);
            }
        }
        Ok(())
    }

    /// SYNC0 switched on needs a cycle time, and a device that has it.
    fn check_clock(&self) -> Result<(), u16> {
        let active = u8_at(self.esc.memory(), 0x0981) & 1 != 0;
        let valid = self.description.sync0 && self.esc.clock.sync0_cycle() != 0;
        if active && !valid && self.servo.is_some() { Err(code::INVALID_DC) } else { Ok(()) }
    }

    /// Where frames meet this device's clock.
    pub(crate) fn times(&self, now: u64, hop: u64, total: u64, is_last: bool) -> FrameTimes {
        FrameTimes {
            forward: now.saturating_add(hop),
            back: (!is_last).then_some(now.saturating_add(total + (total - hop))),
        }
    }
}

fn bits_of(pdos: &[PdoDescription], number: usize) -> usize {
    let number = u8::try_from(number).ok();
    pdos.iter().filter(|pdo| pdo.sync_manager == number).map(PdoDescription::bits).sum()
}

/// The objects that every CoE device has, and those of its description.
fn coe(description: &DeviceDescription) -> Coe {
    let identity = description.identity;
    let constant = |value| (DataType::U32, Access::Constant, value);
    let usages: Vec<_> = description
        .sync_managers
        .iter()
        .map(|sm| (DataType::U8, Access::Constant, u32::from(sm.usage.code())))
        .collect();
    let device_type =
        if matches!(description.function, Function::Servo(_)) { 0x0002_0192 } else { 0 };
    let variable = ObjectDescription::variable;
    let mut objects = vec![
        variable(0x1000, "Device type", DataType::U32, Access::Constant, device_type),
        variable(0x1001, "Error register", DataType::U8, Access::Input, 0),
        ObjectDescription::text(0x1008, "Device name", &description.name),
        ObjectDescription::text(0x1009, "Hardware version", "1.0"),
        ObjectDescription::text(0x100A, "Software version", env!("CARGO_PKG_VERSION")),
        ObjectDescription::list(
            0x1018,
            "Identity",
            9,
            &[
                constant(identity.vendor),
                constant(identity.product),
                constant(identity.revision),
                constant(identity.serial),
            ],
        ),
        ObjectDescription::list(0x1C00, "SyncManager communication types", 8, &usages),
    ];
    objects.extend(pdo_objects(description));
    if description.sync0 {
        objects.extend([synchronisation(0x1C32), synchronisation(0x1C33)]);
    }
    objects.extend(description.objects.iter().cloned());
    let room = |usage| {
        description.sync_manager(usage).map(|(number, sm)| room_behind(description, number, sm))
    };
    let dictionary = Dictionary::new(
        objects,
        room(Usage::Outputs).unwrap_or(0),
        room(Usage::Inputs).unwrap_or(0),
    );
    let mailbox = description.sync_manager(Usage::MailboxIn).map_or(0, |(_, sm)| sm.length);
    Coe::new(dictionary, mailbox)
}

/// A third of the memory up to the next SyncManager: buffered exchange needs three buffers.
fn room_behind(
    description: &DeviceDescription,
    number: usize,
    sm: SyncManagerDescription,
) -> usize {
    let others = description.sync_managers.iter().enumerate();
    let next = others.filter(|(other, next)| *other != number && next.start > sm.start);
    let end_of_ram = 0x1000 + usize::from(description.esc.ram_kib) * 1024;
    let end = next.map(|(_, next)| usize::from(next.start)).min().unwrap_or(end_of_ram);
    end.saturating_sub(usize::from(sm.start)) / 3
}

fn pdo_objects(description: &DeviceDescription) -> Vec<ObjectDescription> {
    let configurable = description.mailbox.is_some_and(|mailbox| mailbox.configurable_pdos);
    let access = if configurable { Access::Configuration } else { Access::Constant };
    let mut objects = Vec::new();
    for (assignment, name, pdos) in [
        (0x1C12, "RxPDO assign", &description.rx_pdos),
        (0x1C13, "TxPDO assign", &description.tx_pdos),
    ] {
        let assigned: Vec<u32> = pdos
            .iter()
            .filter(|pdo| pdo.sync_manager.is_some())
            .map(|pdo| u32::from(pdo.index))
            .collect();
        let room = assigned.len().max(if configurable { PDO_ASSIGN_MAX } else { 0 });
        objects.push(ObjectDescription::pdo_list(
            assignment,
            name,
            DataType::U16,
            access,
            room,
            &assigned,
        ));
        for pdo in pdos {
            let entries: Vec<u32> = pdo
                .entries
                .iter()
                .map(|entry| {
                    u32::from(entry.index) << 16
                        | u32::from(entry.subindex) << 8
                        | u32::from(entry.bits)
                })
                .collect();
            let room = entries.len().max(if configurable { PDO_ENTRIES_MAX } else { 0 });
            let kind = DataType::U32;
            objects.push(ObjectDescription::pdo_list(
                pdo.index, &pdo.name, kind, access, room, &entries,
            ));
        }
    }
    objects
}

/// 0x1C32, 0x1C33: synchronisation type (2: DC SYNC0), cycle time, types supported.
fn synchronisation(index: u16) -> ObjectDescription {
    ObjectDescription::list(
        index,
        "SyncManager parameter",
        9,
        &[
            (DataType::U16, Access::Parameter, 2),
            (DataType::U32, Access::Parameter, 1_000_000),
            (DataType::U32, Access::Constant, 0),
            (DataType::U16, Access::Constant, 0x0007),
        ],
    )
}
