//! What an edge node of Sparkplug B says, derived from the policy; and the number of its sessions, kept beside the queue.
//!
//! A group of axes is a device, with its axes; a device of the bus is a device, with its signals; the loop and events are of the node.

use std::fs::{File, rename};
use std::io::{self, Write as _};
use std::path::Path;

use config::Machine;
use config::forward::{Export, Exported, Reduce, Value};
use queue::wire::{MetricKind, MetricSpec, Sparkplug};

/// For each sink what it needs, if it is an edge node.
pub(super) fn specs(machine: &Machine) -> Vec<Option<Sparkplug>> {
    let sinks = machine.forwarding.sinks.iter().enumerate();
    let specs = sinks.map(|(place, sink)| {
        let written = sink.sparkplug.as_ref()?;
        let exports = machine.forwarding.exports.iter();
        let metrics = exports
            .filter(|export| export.sinks.contains(&place))
            .flat_map(|export| metrics(machine, export));
        Some(Sparkplug {
            group: written.group.clone(),
            node: written.node.clone().unwrap_or_else(|| machine.name.clone()),
            primary_host: written.primary_host.clone(),
            datatype_on_data: written.datatype_on_data,
            acknowledged: written.acknowledged,
            templates: written.templates,
            rebirth_cooldown_ms: written.rebirth_cooldown_ns / 1_000_000,
            metrics: metrics.collect(),
        })
    });
    specs.collect()
}

fn metrics(machine: &Machine, export: &Export) -> Vec<MetricSpec> {
    let values = export.values.iter().map(|value| of_value(machine, export, value));
    let events = export.events.iter().map(|kind| MetricSpec {
        record: (*kind).to_owned(),
        device: None,
        axis: None,
        name: format!("events/{kind}"),
        kind: MetricKind::Event,
        statistics: false,
        unit: String::new(),
    });
    values.chain(events).collect()
}

fn of_value(machine: &Machine, export: &Export, exported: &Exported) -> MetricSpec {
    // `axes.x.position`, `inputs.door_a`, `loop.latency`.
    let (owner, name) = exported.name.split_once('.').unwrap_or(("", &exported.name));
    let (device, axis, name) = match exported.value {
        Value::Axis(id, _) => {
            let group = machine.plan.axes.get(usize::from(id.0)).map(|axis| axis.group);
            let group = group.and_then(|it| machine.names.groups.get(usize::from(it.0)));
            let (axis, name) = name.rsplit_once('.').unwrap_or(("", name));
            (group.cloned(), Some(axis.to_owned()), name.to_owned())
        }
        Value::Signal(_) => (Some(owner.to_owned()), None, name.replace('.', "/")),
        Value::Latency | Value::Execution => (None, None, exported.name.replace('.', "/")),
    };
    let kind = match exported.value {
        Value::Signal(_) => MetricKind::Integer,
        Value::Axis(..) | Value::Latency | Value::Execution => MetricKind::Real,
    };
    MetricSpec {
        record: exported.name.clone(),
        device: device.filter(|device| !device.is_empty()),
        axis,
        name,
        kind,
        statistics: export.reduce == Reduce::Statistics,
        unit: exported.unit.clone(),
    }
}

/// The number of the session that begins: one more than the last, 0 after 255. It is on the disk before it is used.
///
/// # Errors
/// The disk.
pub(super) fn next_session(directory: &Path, sink: &str) -> io::Result<u8> {
    let path = directory.join(format!("session-{sink}"));
    let number = match std::fs::read_to_string(&path) {
        Ok(text) => match text.trim().parse::<u8>() {
            Ok(last) => last.wrapping_add(1),
            // A file that says nothing: any number but that of a session that still lives will do.
            Err(_) => 0,
        },
        Err(wrong) if wrong.kind() == io::ErrorKind::NotFound => 0,
        Err(wrong) => return Err(wrong),
    };
    let new = directory.join(format!("session-{sink}.new"));
    let mut file = File::create(&new)?;
    writeln!(file, "{number}")?;
    file.sync_all()?;
    rename(&new, &path)?;
    File::open(directory)?.sync_all()?;
    Ok(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_are_counted_over_restarts_and_begin_again_after_255() {
        let name = format!("tactus-session-{}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&directory).unwrap();
        for expected in (0..=255).chain([0, 1]) {
            assert_eq!(next_session(&directory, "scada").unwrap(), expected);
        }
        assert_eq!(next_session(&directory, "other").unwrap(), 0, "each sink has its own");
        std::fs::remove_dir_all(&directory).unwrap();
        assert!(next_session(&directory, "scada").is_err(), "not without a disk");
    }
}
