//! The AL state machine at work: checks on the way up, safe outputs on the way down.

use super::Device;
use crate::al::{self, AlState, Request, code};
use crate::describe::{PdoDescription, StateMachine, Usage};
use crate::num::u8_at;
use crate::process::Process;

/// How long SafeOp → Op waits for process data and SYNC0 before it is refused, ns.
const OP_WAIT_NS: u64 = 200_000_000;

impl Device {
    pub(super) fn show_state(&mut self) {
        let status = u16::from(self.state.code()) | u16::from(self.error) << 4;
        self.esc.set(0x0130, &status.to_le_bytes());
        self.esc.set(0x0134, &self.status_code.to_le_bytes());
    }

    pub(super) fn fail(&mut self, status_code: u16) {
        (self.error, self.status_code, self.op_deadline) = (true, status_code, None);
        self.show_state();
    }

    fn arrive(&mut self, state: AlState) {
        self.state = state;
        (self.error, self.status_code, self.op_deadline) = (false, 0, None);
        self.show_state();
    }

    pub(super) fn al_control<P: Process>(
        &mut self,
        control: u16,
        position: usize,
        now: u64,
        process: &mut P,
    ) {
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

    pub(super) fn leave_op<P: Process>(&mut self, position: usize, now: u64, process: &mut P) {
        self.outputs_taken = 0;
        self.outputs_fresh = false;
        self.safe_outputs(position, process);
        if let (Some(servo), Some(coe)) = (&mut self.servo, &self.coe) {
            servo.connection_lost(&coe.dictionary, now);
        }
    }

    pub(super) fn is_emulated(&self) -> bool {
        self.description.state_machine == StateMachine::Emulation
    }

    /// One step up; the AL status code says what is missing.
    fn climb(&mut self, target: AlState, now: u64) -> Result<(), u16> {
        if self.is_emulated() {
            self.arrive(target);
            return Ok(());
        }
        self.check_mailbox()?;
        if let Some((_, status_code)) = self.refuse.filter(|(state, _)| *state == target) {
            return Err(status_code);
        }
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

    pub(super) fn wait_for_op(&mut self, deadline: u64, now: u64) {
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
}

fn bits_of(pdos: &[PdoDescription], number: usize) -> usize {
    let number = u8::try_from(number).ok();
    pdos.iter().filter(|pdo| pdo.sync_manager == number).map(PdoDescription::bits).sum()
}
