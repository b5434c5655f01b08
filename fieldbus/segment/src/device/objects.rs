//! The object dictionary that a description makes.

use crate::coe::Coe;
use crate::describe::{DeviceDescription, Function, SyncManagerDescription, Usage};
use crate::dictionary::{Access, DataType, Dictionary, ObjectDescription};

/// Most entries of a PDO mapping that a MainDevice may set.
const PDO_ENTRIES_MAX: usize = 16;
/// Most PDOs assigned to a direction.
const PDO_ASSIGN_MAX: usize = 4;

/// The objects that every CoE device has, and those of its description.
pub(super) fn coe(description: &DeviceDescription) -> Coe {
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
    // First come those of the description: they win over these of the same index.
    let mut objects = description.objects.clone();
    objects.extend([
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
    ]);
    objects.extend(pdo_objects(description));
    if description.sync0 {
        objects.extend([synchronisation(0x1C32), synchronisation(0x1C33)]);
    }
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
