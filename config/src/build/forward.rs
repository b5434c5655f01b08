//! `[forward]`, `[gateway]`, `[[sink]]` and `[[export]]`.

use std::path::PathBuf;

use rt_core::plan::AxisId;
use rt_core::signal::SignalId;

use super::axes::time_in;
use super::names::Table;
use crate::file::{self, forward as written};
use crate::forward::{
    AXIS_VALUES, AxisValue, Class, EVENT_KINDS, Export, Exported, Forwarding, GatewaySettings,
    Reduce, SINKS_MAX, Sink, SinkKind, Sparkplug, Tls, Value, matches,
};
use crate::machine::AxisUnit;
use crate::problem::{Problem, Problems};
use crate::read::{Name, Time};

const SECOND: i64 = 1_000_000_000;
const HOUR: i64 = 3_600 * SECOND;
const YEAR: i64 = 8_760 * HOUR;
const MEGABYTE: u64 = 1_000_000;

/// What can be exported, by name.
pub(crate) struct Names<'a> {
    /// By `SignalId`.
    pub(crate) signals: Vec<String>,
    /// By `AxisId`, with units.
    pub(crate) axes: Vec<(String, AxisUnit)>,
    pub(crate) file: &'a file::File,
}

pub(crate) fn forwarding(names: &Names<'_>, problems: &mut Problems) -> Forwarding {
    let file = names.file;
    let forward = file.forward.0.as_ref();
    let age = |time: Option<&Time>, default: i64, problems: &mut Problems| {
        time.map_or(u64::try_from(default).ok(), |time| {
            time_in(time, SECOND..=YEAR, "the age", problems)
        })
    };
    let telemetry = age(forward.and_then(|it| it.telemetry_age.as_ref()), 24 * HOUR, problems);
    let event = age(forward.and_then(|it| it.event_age.as_ref()), 720 * HOUR, problems);
    let megabytes = forward.and_then(|it| it.size.as_ref()).map_or(256, |size| size.to::<u64>());
    let mut table = Table::new("a sink");
    let sinks = sinks(&file.sink, &mut table, problems);
    let exports = exports(names, &table, problems);
    exported_twice(&file.export, &exports, &sinks, problems);
    if let (true, Some(sink)) = (file.export.is_empty(), file.sink.first()) {
        problems.push(
            Problem::warning("nothing-exported", &sink.name.span, "this sink gets nothing")
                .expected("an [[export]] that names it")
                .found("no [[export]] in the file")
                .remedy("add one, or remove the sink: what is not listed is not exported"),
        );
    }
    Forwarding {
        directory: forward.and_then(|it| it.directory.as_deref()).map(PathBuf::from),
        bytes_max: megabytes.saturating_mul(MEGABYTE),
        age_max_ns: [None, event, telemetry],
        gateway: gateway(file.gateway.0.as_ref(), problems),
        sinks,
        exports,
    }
}

fn gateway(section: Option<&written::Gateway>, problems: &mut Problems) -> GatewaySettings {
    let heartbeat = section.and_then(|it| it.heartbeat.as_ref());
    let heartbeat = heartbeat
        .and_then(|time| time_in(time, SECOND..=60 * SECOND, "the heartbeat", problems))
        .unwrap_or(5_000_000_000);
    let user = section.and_then(|it| it.user.as_ref()).map(|user| user.value.clone());
    let memory = section.and_then(|it| it.memory.as_ref()).map_or(1024, |it| it.to::<u64>());
    GatewaySettings {
        enabled: section.and_then(|it| it.enabled).unwrap_or(true),
        user: user.unwrap_or_else(|| "nobody".to_owned()),
        memory_bytes: memory.saturating_mul(MEGABYTE),
        heartbeat_ns: heartbeat,
    }
}

fn sinks(sections: &[written::Sink], table: &mut Table, problems: &mut Problems) -> Vec<Sink> {
    let mut sinks = Vec::new();
    for section in sections {
        super::names::check_identifier(&section.name, problems);
        table.add(&section.name, problems);
        if sinks.len() == SINKS_MAX {
            problems.push(
                Problem::error("too-many", &section.name.span, "there are too many sinks")
                    .expected(format!("at most {SINKS_MAX}"))
                    .found("one more")
                    .remedy("let a broker hand on to the others"),
            );
        }
        let (prefix, stream) = (section.prefix.as_ref(), section.stream.as_ref());
        let (group, node) = (section.group.as_ref(), section.node.as_ref());
        [prefix, stream, group, node, section.primary_host.as_ref()]
            .into_iter()
            .flatten()
            .for_each(|name| {
                super::names::check_identifier(name, problems);
            });
        let text = |name: Option<&Name>, default: &str| {
            name.map_or(default.to_owned(), |name| name.value.clone())
        };
        sinks.push(Sink {
            name: section.name.value.clone(),
            kind: match section.kind {
                written::SinkKind::Nats => SinkKind::Nats,
                written::SinkKind::Mqtt => SinkKind::Mqtt,
            },
            address: address(&section.address, problems),
            prefix: text(prefix, "tactus"),
            stream: text(stream, "TACTUS"),
            tls: tls(section, problems),
            catch_up_rate: section.catch_up_rate.as_ref().map_or(5_000, |rate| rate.to::<u64>()),
            sparkplug: sparkplug(section, problems),
        });
        of_its_kind(section, problems);
    }
    sinks
}

fn sparkplug(section: &written::Sink, problems: &mut Problems) -> Option<Sparkplug> {
    if section.kind != written::SinkKind::Mqtt {
        return None;
    }
    let text = |name: &Option<Name>| name.as_ref().map(|name| name.value.clone());
    let cooldown = section.rebirth_cooldown.as_ref();
    let cooldown = cooldown
        .and_then(|time| time_in(time, 0..=600 * SECOND, "the cool-down", problems))
        .unwrap_or(5_000_000_000);
    Some(Sparkplug {
        group: text(&section.group).unwrap_or_else(|| "tactus".to_owned()),
        node: text(&section.node),
        primary_host: text(&section.primary_host),
        acknowledged: section.delivery == Some(written::Delivery::Acknowledged),
        datatype_on_data: section.datatype_on_data == Some(written::DatatypeOnData::Always),
        templates: section.templates.unwrap_or(false),
        rebirth_cooldown_ns: cooldown,
    })
}

/// A key of another kind of sink would be without effect, and nobody would notice.
fn of_its_kind(section: &written::Sink, problems: &mut Problems) {
    let nats = [("prefix", section.prefix.is_some()), ("stream", section.stream.is_some())];
    let mqtt = [
        ("group", section.group.is_some()),
        ("node", section.node.is_some()),
        ("primary_host", section.primary_host.is_some()),
        ("delivery", section.delivery.is_some()),
        ("datatype_on_data", section.datatype_on_data.is_some()),
        ("templates", section.templates.is_some()),
        ("rebirth_cooldown", section.rebirth_cooldown.is_some()),
    ];
    let (kind, foreign) = match section.kind {
        written::SinkKind::Nats => ("nats", &mqtt[..]),
        written::SinkKind::Mqtt => ("mqtt", &nats[..]),
    };
    for (key, _) in foreign.iter().filter(|(_, is_there)| *is_there) {
        problems.push(
            Problem::error("wrong-sink-key", &section.name.span, "a key of another kind of sink")
                .expected(format!("keys of a sink of kind \"{kind}\""))
                .found(format!("`{key}`"))
                .remedy("remove it, or change `kind`"),
        );
    }
}

fn address(name: &Name, problems: &mut Problems) -> String {
    let parts = name.value.rsplit_once(':');
    let right = parts.is_some_and(|(host, port)| {
        !host.is_empty() && !host.contains(['/', '@', ' ']) && port.parse::<u16>().is_ok()
    });
    if !right {
        problems.push(
            Problem::error("bad-address", &name.span, "this is no address of a server")
                .expected("host and port, for instance \"hub.plant.example:4222\"")
                .found(format!("`{}`", name.value))
                .remedy("leave out scheme, user and path"),
        );
    }
    name.value.clone()
}

/// Both sides show who they are, or the server is on this machine.
fn tls(section: &written::Sink, problems: &mut Problems) -> Option<Tls> {
    let file = |name: &Option<Name>| name.as_ref().map(|name| PathBuf::from(&name.value));
    let (ca, certificate, key) =
        (file(&section.ca), file(&section.certificate), file(&section.key));
    let host = section.address.value.rsplit_once(':').map_or("", |(host, _)| host);
    let here = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
    match (ca, certificate, key) {
        (Some(ca), Some(certificate), Some(key)) => Some(Tls { ca, certificate, key }),
        (None, None, None) if here => None,
        _ => {
            problems.push(
                Problem::error(
                    "no-tls",
                    &section.address.span,
                    "this sink would be open to others",
                )
                .expected("`ca`, `certificate` and `key`: both sides show who they are")
                .found("not all three, and the address is not on this machine")
                .remedy("add them; docs/guide/gateway.md says how they are made"),
            );
            None
        }
    }
}

/// All that can be exported.
fn values(names: &Names<'_>) -> Vec<Exported> {
    let exported = |name: String, value, unit: String| Exported { name, value, unit };
    let mut all = Vec::new();
    for (id, name) in (0_u16..).zip(&names.signals) {
        all.push(exported(name.clone(), Value::Signal(SignalId(id)), String::new()));
    }
    for (id, (axis, unit)) in (0_u8..=u8::MAX).zip(&names.axes) {
        for (word, value) in AXIS_VALUES {
            let unit = match value {
                AxisValue::Velocity => format!("{}/s", unit.symbol()),
                AxisValue::Torque => "‰".to_owned(),
                AxisValue::Position | AxisValue::Commanded | AxisValue::FollowingError => {
                    unit.symbol().to_owned()
                }
            };
            let name = format!("axes.{axis}.{word}");
            all.push(exported(name, Value::Axis(AxisId(id), value), unit));
        }
    }
    all.push(exported("loop.latency".to_owned(), Value::Latency, "ns".to_owned()));
    all.push(exported("loop.execution".to_owned(), Value::Execution, "ns".to_owned()));
    all
}

fn exports(names: &Names<'_>, sinks: &Table, problems: &mut Problems) -> Vec<Export> {
    let all = values(names);
    let mut table = Table::new("an export");
    let mut exports = Vec::new();
    for section in &names.file.export {
        super::names::check_identifier(&section.name, problems);
        table.add(&section.name, problems);
        exports.push(export(section, &all, sinks, problems));
    }
    exports
}

fn export(
    section: &written::Export,
    all: &[Exported],
    sinks: &Table,
    problems: &mut Problems,
) -> Export {
    let mut values: Vec<Exported> = Vec::new();
    for pattern in &section.signals {
        let found = all.iter().filter(|value| matches(&pattern.value, &value.name));
        let before = values.len();
        let known = found.clone().next().is_some();
        let found: Vec<_> = found.filter(|it| values.iter().all(|v| v.name != it.name)).collect();
        values.extend(found.into_iter().cloned());
        if !known && values.len() == before {
            nothing_is_called(pattern, all.iter().map(|value| value.name.as_str()), problems);
        }
    }
    let mut events: Vec<&'static str> = Vec::new();
    for pattern in &section.events {
        let found: Vec<_> =
            EVENT_KINDS.iter().copied().filter(|kind| matches(&pattern.value, kind)).collect();
        if found.is_empty() {
            nothing_is_called(pattern, EVENT_KINDS, problems);
        }
        events.extend(found);
    }
    events.sort_unstable();
    events.dedup();
    if section.signals.is_empty() && section.events.is_empty() {
        problems.push(
            Problem::error("missing-key", &section.span, "this export exports nothing")
                .expected("`signals` or `events`")
                .found("neither")
                .remedy("say what may leave the machine"),
        );
    }
    let time = |time: Option<&Time>, default, range, what, problems: &mut Problems| {
        time.map_or(Some(default), |time| time_in(time, range, what, problems)).unwrap_or(default)
    };
    let interval = SECOND / 100..=HOUR;
    let only_events = section.signals.is_empty();
    Export {
        name: section.name.value.clone(),
        values,
        events,
        sinks: section.sinks.iter().filter_map(|name| sinks.find(name, problems)).collect(),
        interval_ns: time(section.rate.as_ref(), 1_000_000_000, interval, "the rate", problems),
        reduce: match section.reduce {
            Some(written::Reduce::Last) => Reduce::Last,
            None | Some(written::Reduce::Statistics) => Reduce::Statistics,
        },
        edges: section.edges.unwrap_or(false),
        retention_ns: time(section.retention.as_ref(), 0, 0..=YEAR, "the retention", problems),
        owner: section.owner.value.clone(),
        class: match section.class {
            Some(written::Class::Safety) => Class::Safety,
            Some(written::Class::Event) => Class::Event,
            Some(written::Class::Telemetry) => Class::Telemetry,
            None if only_events => Class::Event,
            None => Class::Telemetry,
        },
    }
}

fn nothing_is_called<'n>(
    pattern: &Name,
    known: impl IntoIterator<Item = &'n str>,
    problems: &mut Problems,
) {
    if problems.lost.contains(&pattern.value) {
        return;
    }
    let near = crate::problem::did_you_mean(&pattern.value, known);
    let remedy = match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => "`tactus policy FILE --names` lists what there is".to_owned(),
    };
    problems.push(
        Problem::error("unknown-name", &pattern.span, "there is nothing of this name to export")
            .expected("the name of a signal or of a kind of events, or a pattern with `*`")
            .found(format!("`{}`", pattern.value))
            .remedy(remedy),
    );
}

/// One sink gets one value from one export: otherwise nobody could say which rate holds.
fn exported_twice(
    sections: &[written::Export],
    exports: &[Export],
    sinks: &[Sink],
    problems: &mut Problems,
) {
    for (place, (section, export)) in sections.iter().zip(exports).enumerate() {
        for earlier in exports.iter().take(place) {
            let Some(sink) = export.sinks.iter().find(|sink| earlier.sinks.contains(sink)) else {
                continue;
            };
            let value = export
                .values
                .iter()
                .find(|value| earlier.values.iter().any(|other| other.value == value.value));
            let event = export.events.iter().find(|event| earlier.events.contains(event));
            let Some(both) = value.map(|value| value.name.as_str()).or(event.copied()) else {
                continue;
            };
            let sink = sinks.get(*sink).map_or("", |sink| &sink.name);
            problems.push(
                Problem::error("exported-twice", &section.name.span, "a sink gets this twice")
                    .expected("each signal and kind of events in one export for a sink")
                    .found(format!("`{both}` for `{sink}` here and in `{}`", earlier.name))
                    .remedy("take it out of one of the two"),
            );
        }
    }
}
