//! Every step of bring-up that can fail, and what it says then: which device, which object or AL status code, what it means, what to do.

use fieldbus::bring_up;
use fieldbus::link::InlineLink;
use fieldbus::plan::{BusPlan, SdoValue, StartupSdo};
use segment::{AlState, Fault, MailboxFault, SdoRefusal};

use super::cell::{cell, plan, with_dc};

/// What is said when the plan is changed and the cell broken like this.
fn said(change: impl FnOnce(&mut BusPlan), faults: &[Fault]) -> String {
    let mut cell = cell();
    for fault in faults {
        cell.0.inject(*fault);
    }
    let mut plan = with_dc(plan());
    change(&mut plan);
    match bring_up(InlineLink::new(cell, 1_000_000_000), &plan, &mut |_| {}) {
        Ok(_) => panic!("it came up: {faults:?}"),
        Err(error) => error.to_string(),
    }
}

fn unchanged(_: &mut BusPlan) {}

fn refused(index: u16, subindex: u8, refusal: SdoRefusal) -> [Fault; 1] {
    [Fault::Sdo { position: 3, refusal: Some((index, subindex, refusal)) }]
}

fn state(position: usize, state: AlState, code: u16) -> [Fault; 1] {
    [Fault::RefuseState { position, state, code: Some(code) }]
}

fn sdo(index: u16, value: SdoValue, verify_only: bool) -> impl FnOnce(&mut BusPlan) {
    move |plan| {
        plan.subdevices[3].startup = vec![StartupSdo { index, subindex: 0, value, verify_only }];
    }
}

type Case = (&'static str, String);

fn segment_cases() -> Vec<Case> {
    let shorter = |plan: &mut BusPlan| {
        plan.subdevices.pop();
        plan.signals.truncate(8);
    };
    let other = |plan: &mut BusPlan| plan.subdevices[2].identity.product = 0x2008;
    let serial = |plan: &mut BusPlan| plan.subdevices[4].identity.serial = Some(99);
    vec![
        ("the first cable is broken", said(unchanged, &[Fault::LinkLost { after: None }])),
        ("a drive has no supply", said(unchanged, &[Fault::PowerOff { position: 3 }])),
        ("one device more than planned", said(shorter, &[])),
        ("another terminal than planned", said(other, &[])),
        ("another drive of the same type", said(serial, &[])),
    ]
}

fn sdo_cases() -> Vec<Case> {
    let write = refused(0x60C2, 1, SdoRefusal::Write(0x0609_0030));
    let read = refused(0x605E, 0, SdoRefusal::Read(0x0800_0021));
    let mapping = |plan: &mut BusPlan| plan.subdevices[3].inputs[0].entries[1].index = 0x6340;
    let assignment = refused(0x1C13, 0, SdoRefusal::Write(0x0604_0042));
    let kept = refused(0x6065, 0, SdoRefusal::Keep);
    vec![
        ("a value that is out of range", said(unchanged, &write)),
        ("a value that cannot be read back", said(unchanged, &read)),
        ("a value that is not kept", said(unchanged, &kept)),
        (
            "a reaction that the plant has set otherwise",
            said(sdo(0x605E, SdoValue::I16(1), true), &[]),
        ),
        ("an object that does not exist", said(sdo(0x3FFF, SdoValue::U8(1), false), &[])),
        ("a value of the wrong size, written", said(sdo(0x6060, SdoValue::I16(8), false), &[])),
        ("a value of the wrong size, compared", said(sdo(0x6060, SdoValue::I32(8), true), &[])),
        ("an entry that cannot be mapped", said(mapping, &[])),
        ("an assignment that is too long", said(unchanged, &assignment)),
    ]
}

fn mailbox_cases() -> Vec<Case> {
    let mailbox = |fault| [Fault::Mailbox { position: 4, fault }];
    let none = |plan: &mut BusPlan| {
        plan.subdevices[1].startup = core::mem::take(&mut plan.subdevices[3].startup);
    };
    vec![
        ("a mailbox that is silent", said(unchanged, &mailbox(MailboxFault::Silent))),
        ("a mailbox that stays full", said(unchanged, &mailbox(MailboxFault::Full))),
        ("a mailbox that cuts its messages", said(unchanged, &mailbox(MailboxFault::Truncated))),
        ("start-up objects for a device without a mailbox", said(none, &[])),
    ]
}

fn state_cases() -> Vec<Case> {
    vec![
        ("PreOp is refused", said(unchanged, &state(3, AlState::PreOp, 0x0016))),
        ("SafeOp is refused", said(unchanged, &state(3, AlState::SafeOp, 0x0030))),
        (
            "SafeOp is refused for a vendor's reason",
            said(unchanged, &state(2, AlState::SafeOp, 0x9001)),
        ),
    ]
}

fn process_data_cases() -> Vec<Case> {
    let longer = |plan: &mut BusPlan| {
        let more = plan.subdevices[1].inputs[0].entries.clone();
        plan.subdevices[1].inputs[0].entries.extend(more);
    };
    let watchdog = |plan: &mut BusPlan| plan.subdevices[3].watchdog_ns = Some(30_000_000_000);
    let inputs = |plan: &mut BusPlan| plan.subdevices[1].watchdog_ns = Some(100_000_000);
    vec![
        ("more inputs than the terminal has", said(longer, &[])),
        ("a watchdog time that the device cannot have", said(watchdog, &[])),
        ("a watchdog for a device without outputs", said(inputs, &[])),
    ]
}

/// The messages stand beside this file, for who reads them: each under what was done.
#[test]
fn every_step_that_fails_says_which_device_what_it_means_and_what_to_do() {
    let cases =
        [segment_cases(), sdo_cases(), mailbox_cases(), state_cases(), process_data_cases()];
    let found: String =
        cases.iter().flatten().map(|(case, text)| format!("{case}:\n  {text}\n")).collect();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/segment/refusals.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, &found).unwrap();
    }
    let expected = std::fs::read_to_string(path).unwrap();
    for (found, expected) in found.lines().zip(expected.lines()) {
        assert_eq!(found, expected);
    }
    assert_eq!(found, expected);
}
