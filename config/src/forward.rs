//! What leaves the machine: exports, sinks, the queue before them, the gateway. What is not exported here stays.

use std::path::PathBuf;

use rt_core::plan::AxisId;
use rt_core::signal::SignalId;
use serde::Serialize;

/// Most sinks of a machine.
pub const SINKS_MAX: usize = 8;
/// Kinds of events that can be exported.
pub const EVENT_KINDS: [&str; 24] = [
    "machine",
    "demand",
    "clear",
    "diagnostic",
    "mode",
    "trip",
    "escalated",
    "stopped",
    "speed_limit",
    "gate_violation",
    "axis",
    "referenced",
    "reference_refused",
    "drive_fault",
    "emergency",
    "reset",
    "reset_refused",
    "start",
    "step",
    "program_fault",
    "vision",
    "overrun",
    "shutdown_requested",
    "shutdown_done",
];

/// Everything about what leaves the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forwarding {
    /// Where the queue is; `None`: `forward` in the state directory.
    pub directory: Option<PathBuf>,
    /// What the queue may hold, bytes. Range `1_000_000..=1_048_576_000_000`.
    pub bytes_max: u64,
    /// How old records may become, ns, by class.
    pub age_max_ns: [Option<u64>; 3],
    /// The process that sends.
    pub gateway: GatewaySettings,
    /// Where to, at most [`SINKS_MAX`].
    pub sinks: Vec<Sink>,
    /// What.
    pub exports: Vec<Export>,
}

impl Forwarding {
    /// Whether anything leaves the machine.
    #[must_use]
    pub fn is_on(&self) -> bool {
        !self.exports.is_empty() && !self.sinks.is_empty()
    }
}

/// The process that sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewaySettings {
    /// `tactus run` starts it.
    pub enabled: bool,
    /// User that it becomes where root allows it.
    pub user: String,
    /// Its address space, bytes.
    pub memory_bytes: u64,
    /// Silent for longer it counts as dead, ns. Range `1..=60` s.
    pub heartbeat_ns: u64,
}

/// A plant system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sink {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: SinkKind,
    /// Host and port.
    pub address: String,
    /// First part of its subjects.
    pub prefix: String,
    /// JetStream stream.
    pub stream: String,
    /// Certificates; `None`: not encrypted.
    pub tls: Option<Tls>,
    /// Records a second when an outage is caught up with.
    pub catch_up_rate: u64,
    /// What an edge node of Sparkplug B needs; `None`: it is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sparkplug: Option<Sparkplug>,
}

/// An edge node of Sparkplug B.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sparkplug {
    /// Its group.
    pub group: String,
    /// Its name; `None`: that of the machine.
    pub node: Option<String>,
    /// Host that must be online before anything is said.
    pub primary_host: Option<String>,
    /// A host says what it has; otherwise what the broker has counts.
    pub acknowledged: bool,
    /// Data name their types.
    pub datatype_on_data: bool,
    /// Axes are instances of a template.
    pub templates: bool,
    /// Between two births that hosts asked for, ns. Range `0..=600` s.
    pub rebirth_cooldown_ns: u64,
}

/// Files of a connection with mutual TLS, PEM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tls {
    /// Authority of the server's certificate.
    pub ca: PathBuf,
    /// Ours.
    pub certificate: PathBuf,
    /// Our private key.
    pub key: PathBuf,
}

/// What a sink is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SinkKind {
    /// NATS JetStream.
    Nats,
    /// MQTT with Sparkplug B.
    Mqtt,
}

/// What goes first, and is dropped last. Its number is its place in tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// Dropped last.
    Safety = 0,
    /// What happens.
    Event = 1,
    /// Dropped first.
    Telemetry = 2,
}

/// What a record says of its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Reduce {
    /// Smallest, largest, mean, last.
    Statistics,
    /// Last.
    Last,
}

/// A value that can be exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// A signal of a device.
    Signal(SignalId),
    /// Of an axis.
    Axis(AxisId, AxisValue),
    /// Wake-up latency, ns.
    Latency,
    /// Execution time, ns.
    Execution,
}

/// A value of an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AxisValue {
    /// Actual position, axis units.
    Position,
    /// Actual velocity, axis units a second.
    Velocity,
    /// Position last sent, axis units.
    Commanded,
    /// Commanded − actual, axis units.
    FollowingError,
    /// ‰ of rated.
    Torque,
}

/// Values of an axis by name.
pub const AXIS_VALUES: [(&str, AxisValue); 5] = [
    ("position", AxisValue::Position),
    ("velocity", AxisValue::Velocity),
    ("commanded", AxisValue::Commanded),
    ("following_error", AxisValue::FollowingError),
    ("torque", AxisValue::Torque),
];

/// A value by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// As sinks see it.
    pub name: String,
    /// What it is.
    pub value: Value,
    /// `mm`, `deg/s`, `ns`, …; empty: a bare number.
    pub unit: String,
}

/// One entry of the policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    /// Its name.
    pub name: String,
    /// Its values.
    pub values: Vec<Exported>,
    /// Its kinds of events.
    pub events: Vec<&'static str>,
    /// Places of its sinks.
    pub sinks: Vec<usize>,
    /// One record of each value in so long, ns.
    pub interval_ns: u64,
    /// What a record says.
    pub reduce: Reduce,
    /// Each change too.
    pub edges: bool,
    /// Kept after acknowledgement, ns.
    pub retention_ns: u64,
    /// Who decides on it.
    pub owner: String,
    /// Its class.
    pub class: Class,
}

impl Export {
    /// Its sinks, a bit each.
    #[must_use]
    pub fn sink_bits(&self) -> u8 {
        self.sinks.iter().fold(0, |bits, sink| {
            bits | 1_u8.checked_shl(u32::try_from(*sink).unwrap_or(u32::MAX)).unwrap_or(0)
        })
    }
}

/// Whether `name` is what `pattern` says; `*` is anything, also nothing.
#[must_use]
pub fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        let Some(at) = rest.find(part) else { return false };
        rest = rest.get(at + part.len()..).unwrap_or_default();
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_a_name_with_anything_at_its_stars() {
        for (pattern, name, is) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("a*", "ab", true),
            ("*", "", true),
            ("axes.*.position", "axes.x.position", true),
            ("axes.*.position", "axes.x.velocity", false),
            ("*a*b", "xaxxb", true),
            ("ab*ba", "aba", false),
            ("*.*.*", "a.b", false),
        ] {
            assert_eq!(matches(pattern, name), is, "{pattern} {name}");
        }
    }
}
