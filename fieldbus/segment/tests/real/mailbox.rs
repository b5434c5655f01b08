//! The CoE mailbox answers as those of a real EL3004 and a real EK1914 did: every request of
//! ethercrab's captures, put to a device with the same objects.

use crate::capture::{Exchange, datagrams, u16_at};
use crate::common::{Bus, identity};
use segment::{
    Access, DataType, Device, DeviceDescription, EscDescription, MailboxDescription,
    ObjectDescription, PdoDescription, PdoEntryDescription, SyncManagerDescription, Usage,
};

const FPRD: u8 = 4;
const FPWR: u8 = 5;
const MAILBOX_OUT: u16 = 0x1000;
/// Where the two devices have their mailbox to the MainDevice.
const MAILBOXES_IN: [u16; 2] = [0x1080, 0x1100];

/// Bodies of the CoE requests and of their answers, in order.
fn conversation(exchanges: &[Exchange]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let body = |data: &[u8]| data[6..6 + usize::from(u16_at(data, 0))].to_vec();
    let (mut asked, mut all) = (None, Vec::new());
    for exchange in exchanges {
        for (request, reply) in datagrams(&exchange.request).iter().zip(datagrams(&exchange.reply))
        {
            let is_mailbox = request.data.len() >= 128 && reply.working_counter == 1;
            if is_mailbox && request.command == FPWR && request.offset == MAILBOX_OUT {
                asked = Some(body(&request.data));
            } else if is_mailbox
                && request.command == FPRD
                && MAILBOXES_IN.contains(&request.offset)
            {
                all.push((asked.take().expect("a request before"), body(&reply.data)));
            }
        }
    }
    all
}

/// Four 16-bit channels with status, as the EL3004 has them; names and versions as asked in the captures.
fn terminal(name: &str) -> Bus {
    let sm =
        |start, length, control, usage| SyncManagerDescription { start, length, control, usage };
    let mut device = DeviceDescription::passive(name, identity(9), EscDescription::et1100());
    device.sync_managers = vec![
        sm(0x1000, 128, 0x26, Usage::MailboxOut),
        sm(0x1080, 128, 0x22, Usage::MailboxIn),
        sm(0x1100, 0, 0x24, Usage::Outputs),
        sm(0x1180, 16, 0x20, Usage::Inputs),
    ];
    device.tx_pdos = (0..8)
        .map(|pdo| PdoDescription {
            index: 0x1A00 + pdo,
            name: format!("AI {pdo}"),
            sync_manager: (pdo % 2 == 0).then_some(3),
            entries: vec![PdoEntryDescription {
                index: 0x6000 + pdo / 2 * 0x10,
                subindex: 17,
                bits: 16,
                name: "Value".to_owned(),
            }],
        })
        .collect();
    device.mailbox = Some(MailboxDescription { configurable_pdos: true });
    device.objects = vec![
        ObjectDescription::text(0x100A, "Software version", "08"),
        ObjectDescription::variable(0xF008, "Code word", DataType::U32, Access::Parameter, 0),
    ];
    let mut bus = Bus::new(vec![Device::described(device)]);
    bus.give_addresses();
    bus.drive_to_pre_op(0);
    bus
}

fn compare(name: &str, capture: &str, at_least: usize) {
    let conversation = conversation(&crate::capture::read(capture));
    assert!(conversation.len() >= at_least, "{} requests in {capture}", conversation.len());
    let mut bus = terminal(name);
    for (request, mut theirs) in conversation {
        let ours = bus.coe(0, &request);
        if theirs[2] == 0x60 {
            // Confirmation of a download: four reserved bytes, in which Beckhoff leaves the request.
            theirs[6..10].fill(0);
        }
        assert_eq!(ours, theirs, "asked {request:02x?}");
    }
}

#[test]
fn small_objects_are_read_and_written_as_in_an_el3004() {
    compare("EL3004", "replay-ek1914-el3004-mailbox", 3);
}

#[test]
fn pdos_are_assigned_as_in_an_el3004() {
    compare("EL3004", "replay-ek1914-el3004-configure", 10);
}

#[test]
fn a_name_that_is_not_expedited_is_read_as_in_an_ek1914() {
    compare("EK1914", "replay-ek1914-segmented-upload", 1);
}
