//! Start-up SDOs: PDO assignment and mapping, and what the machine file lists, written and read back.

use ethercrab::error::{CoeAbortCode, Error, MailboxError};
use ethercrab::{SubDevice, SubDeviceRef};

use super::error::BringupError;
use super::runner::{Runner, Stalled};
use crate::link::Link;
use crate::plan::{PdoPlan, SdoValue, SubDevicePlan};

/// One SDO transfer, ns.
const SDO_TIMEOUT_NS: u64 = 5_000_000_000;
/// Tries of one SDO transfer.
const TRIES_MAX: u32 = 3;
/// PDO assignment of outputs and inputs (ETG1000.6 Table 67).
const OUTPUT_ASSIGNMENT: u16 = 0x1C12;
const INPUT_ASSIGNMENT: u16 = 0x1C13;
/// Identity object, subindex 4: serial number.
const IDENTITY: u16 = 0x1018;

/// One device's mailbox.
pub(crate) struct Mailbox<'a, 'm> {
    pub(crate) position: usize,
    pub(crate) plan: &'a SubDevicePlan,
    pub(crate) device: SubDeviceRef<'m, &'a SubDevice>,
}

fn is_write_only(error: &Error) -> bool {
    let Error::Mailbox(MailboxError::Aborted { code, .. }) = error else { return false };
    *code == CoeAbortCode::WriteOnlyRead
}

/// What trying again cannot mend: the device said no, or has no mailbox.
fn is_final(error: &Error) -> bool {
    matches!(
        error,
        Error::Mailbox(
            MailboxError::Aborted { .. }
                | MailboxError::NoReadMailbox
                | MailboxError::NoWriteMailbox
        )
    )
}

impl Mailbox<'_, '_> {
    fn failed(
        &self,
        what: &'static str,
        (index, subindex): (u16, u8),
        cause: String,
    ) -> BringupError {
        let name = self.plan.name.clone();
        BringupError::Sdo { position: self.position, name, what, index, subindex, cause }
    }

    fn stalled(&self, what: &'static str, at: (u16, u8), reason: Stalled) -> BringupError {
        match reason {
            Stalled::Link(_) => BringupError::stalled(what, reason, SDO_TIMEOUT_NS),
            Stalled::TimedOut => self.failed(what, at, "the device did not answer".to_owned()),
        }
    }

    fn write_once<L: Link>(
        &self,
        runner: &mut Runner<'_, L>,
        at: (u16, u8),
        value: SdoValue,
    ) -> Result<Result<(), Error>, BringupError> {
        let (index, sub) = at;
        let device = &self.device;
        let write = async {
            match value {
                SdoValue::U8(value) => device.sdo_write(index, sub, value).await,
                SdoValue::U16(value) => device.sdo_write(index, sub, value).await,
                SdoValue::U32(value) => device.sdo_write(index, sub, value).await,
                SdoValue::I8(value) => device.sdo_write(index, sub, value).await,
                SdoValue::I16(value) => device.sdo_write(index, sub, value).await,
                SdoValue::I32(value) => device.sdo_write(index, sub, value).await,
            }
        };
        let result = runner.run(write, SDO_TIMEOUT_NS);
        result.map_err(|reason| self.stalled("writing", at, reason))
    }

    /// A frame of a mailbox transfer that is lost takes the message with it: the whole transfer is done again.
    fn write<L: Link>(
        &self,
        runner: &mut Runner<'_, L>,
        at: (u16, u8),
        value: SdoValue,
    ) -> Result<(), BringupError> {
        let mut outcome = self.write_once(runner, at, value)?;
        for _ in 1..TRIES_MAX {
            if outcome.as_ref().is_err_and(|error| !is_final(error)) {
                outcome = self.write_once(runner, at, value)?;
            }
        }
        outcome.map_err(|error| self.failed("writing", at, error.to_string()))
    }

    /// As [`Self::write`]; the outer error is the link's, the inner one the device's.
    fn read<L: Link>(
        &self,
        runner: &mut Runner<'_, L>,
        at: (u16, u8),
        like: SdoValue,
    ) -> Result<Result<i64, Error>, BringupError> {
        let mut outcome = self.read_once(runner, at, like)?;
        for _ in 1..TRIES_MAX {
            if outcome.as_ref().is_err_and(|error| !is_final(error)) {
                outcome = self.read_once(runner, at, like)?;
            }
        }
        Ok(outcome)
    }

    /// Reads an object in the size and sign of `like`.
    fn read_once<L: Link>(
        &self,
        runner: &mut Runner<'_, L>,
        at: (u16, u8),
        like: SdoValue,
    ) -> Result<Result<i64, Error>, BringupError> {
        let (index, sub) = at;
        let device = &self.device;
        let read = async {
            Ok(match like {
                SdoValue::U8(_) => i64::from(device.sdo_read::<u8>(index, sub).await?),
                SdoValue::U16(_) => i64::from(device.sdo_read::<u16>(index, sub).await?),
                SdoValue::U32(_) => i64::from(device.sdo_read::<u32>(index, sub).await?),
                SdoValue::I8(_) => i64::from(device.sdo_read::<i8>(index, sub).await?),
                SdoValue::I16(_) => i64::from(device.sdo_read::<i16>(index, sub).await?),
                SdoValue::I32(_) => i64::from(device.sdo_read::<i32>(index, sub).await?),
            })
        };
        let result = runner.run(read, SDO_TIMEOUT_NS);
        result.map_err(|reason| self.stalled("reading", at, reason))
    }

    /// Writes and reads back; only compares when `verify_only`.
    fn set<L: Link>(
        &self,
        runner: &mut Runner<'_, L>,
        at: (u16, u8),
        value: SdoValue,
        verify_only: bool,
    ) -> Result<(), BringupError> {
        if !verify_only {
            self.write(runner, at, value)?;
        }
        let found = match self.read(runner, at, value)? {
            Ok(found) => found,
            // The device took it and will not show it: there is nothing to compare with.
            Err(error) if !verify_only && is_write_only(&error) => return Ok(()),
            Err(error) => return Err(self.failed("reading", at, error.to_string())),
        };
        let expected = i64::from(value);
        if found == expected {
            return Ok(());
        }
        let (name, (index, subindex)) = (self.plan.name.clone(), at);
        let position = self.position;
        Err(BringupError::SdoValue {
            position,
            name,
            index,
            subindex,
            expected,
            found,
            verify_only,
        })
    }

    /// Writes PDO assignment and mappings as planned.
    pub(crate) fn assign_pdos<L: Link>(
        &self,
        runner: &mut Runner<'_, L>,
    ) -> Result<(), BringupError> {
        self.assign(runner, OUTPUT_ASSIGNMENT, &self.plan.outputs)?;
        self.assign(runner, INPUT_ASSIGNMENT, &self.plan.inputs)
    }

    fn assign<L: Link>(
        &self,
        runner: &mut Runner<'_, L>,
        assignment: u16,
        pdos: &[PdoPlan],
    ) -> Result<(), BringupError> {
        let count = |n: usize| SdoValue::U8(u8::try_from(n).unwrap_or(u8::MAX));
        self.write(runner, (assignment, 0), count(0))?;
        for pdo in pdos {
            self.write(runner, (pdo.index, 0), count(0))?;
            for (subindex, entry) in (1u8..).zip(&pdo.entries) {
                let [low, high] = entry.index.to_le_bytes();
                let word = u32::from_le_bytes([entry.bits, entry.subindex, low, high]);
                self.set(runner, (pdo.index, subindex), SdoValue::U32(word), false)?;
            }
            self.set(runner, (pdo.index, 0), count(pdo.entries.len()), false)?;
        }
        for (subindex, pdo) in (1u8..).zip(pdos) {
            self.set(runner, (assignment, subindex), SdoValue::U16(pdo.index), false)?;
        }
        self.set(runner, (assignment, 0), count(pdos.len()), false)
    }

    /// The list of the machine file.
    pub(crate) fn start_up<L: Link>(&self, runner: &mut Runner<'_, L>) -> Result<(), BringupError> {
        for sdo in &self.plan.startup {
            self.set(runner, (sdo.index, sdo.subindex), sdo.value, sdo.verify_only)?;
        }
        Ok(())
    }

    /// Serial number from the identity object, if there is one.
    pub(crate) fn serial<L: Link>(
        &self,
        runner: &mut Runner<'_, L>,
    ) -> Result<Option<u32>, BringupError> {
        let serial = self.read(runner, (IDENTITY, 4), SdoValue::U32(0))?;
        Ok(serial.ok().and_then(|serial| u32::try_from(serial).ok()))
    }
}
