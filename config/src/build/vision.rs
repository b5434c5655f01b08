//! `[[stream]]` and `[[zone]]`.

use std::net::SocketAddr;
use std::path::PathBuf;

use rt_core::plan::StreamPlan;
use rt_core::vision::{STREAMS_MAX, StreamId};

use super::axes::time_in;
use super::names::{Table, check_count, check_identifier};
use crate::file::safety as file;
use crate::machine::{StreamSocket, StreamSource};
use crate::problem::{Problem, Problems};

/// What the vision sections became.
#[derive(Debug)]
pub(crate) struct Vision<'f> {
    pub(crate) streams: Table,
    pub(crate) plans: Vec<StreamPlan>,
    /// By stream.
    pub(crate) sources: Vec<StreamSource>,
    pub(crate) zones: Table,
    /// (stream, bit, section); `None`: it could not be made.
    pub(crate) zone_at: Vec<Option<(StreamId, u8)>>,
    pub(crate) sections: &'f [file::Zone],
}

pub(crate) fn vision<'f>(
    streams: &[file::Stream],
    zones: &'f [file::Zone],
    period_ns: u64,
    problems: &mut Problems,
) -> Vision<'f> {
    let mut out = Vision {
        streams: Table::new("a stream"),
        plans: Vec::new(),
        sources: Vec::new(),
        zones: Table::new("a zone"),
        zone_at: Vec::new(),
        sections: zones,
    };
    if let Some(section) = streams.get(STREAMS_MAX) {
        check_count(streams.len(), STREAMS_MAX, "streams", &section.name.span, problems);
    }
    for section in streams {
        check_identifier(&section.name, problems);
        out.streams.add(&section.name, problems);
        let wire_id: u16 = section.id.to();
        if out.plans.iter().any(|plan| plan.wire_id == wire_id) {
            problems.push(
                Problem::error("duplicate-id", &section.id.span, "two streams with this id")
                    .expected("an id that no other stream has")
                    .found(wire_id.to_string())
                    .remedy("give the camera process another id"),
            );
        }
        let shortest = i64::try_from(period_ns).unwrap_or(i64::MAX).min(10_000_000_000);
        let age = time_in(&section.age_max, shortest..=10_000_000_000, "the age limit", problems);
        out.plans.push(StreamPlan {
            wire_id,
            age_max_ns: age.unwrap_or(1),
            quality_min: section.quality_min.as_ref().map_or(50, |quality| quality.to()),
        });
        out.sources.push(source(section, problems));
    }
    for section in zones {
        check_identifier(&section.name, problems);
        out.zones.add(&section.name, problems);
        check_polygon(section, problems);
        let stream = out.streams.find(&section.stream, problems);
        let bit = section.bit.to();
        let at = stream.and_then(|at| u8::try_from(at).ok()).map(|at| (StreamId(at), bit));
        if at.is_some() && out.zone_at.contains(&at) {
            problems.push(
                Problem::error("duplicate-id", &section.bit.span, "two zones on one bit")
                    .expected("a bit of its stream that no other zone has")
                    .found(bit.to_string())
                    .remedy("choose another bit, 0 to 31"),
            );
        }
        out.zone_at.push(at);
    }
    out
}

/// How its datagrams come.
// SR-072
fn source(section: &file::Stream, problems: &mut Problems) -> StreamSource {
    let udp = section.socket == Some(file::SocketWord::Udp);
    let own_clock = section.clock.map_or(udp, |clock| clock == file::ClockWord::Camera);
    if !udp {
        let key = section.key_file.as_ref().or(section.address.as_ref());
        if let Some(key) = key {
            problems.push(
                Problem::error("not-for-unix", &key.span, "this is for `socket = \"udp\"` only")
                    .expected("no `address` and no `key_file`")
                    .found(format!("\"{}\"", key.value))
                    .remedy("add `socket = \"udp\"`, or remove the key"),
            );
        }
        return StreamSource { socket: StreamSocket::Unix, own_clock };
    }
    let (at, text) = section
        .address
        .as_ref()
        .map_or((&section.name.span, ""), |address| (&address.span, address.value.as_str()));
    let listen = text.parse::<SocketAddr>().ok().filter(|address| address.port() != 0);
    if listen.is_none() {
        problems.push(
            Problem::error("bad-address", at, "a UDP stream needs an address to listen on")
                .expected("`address = \"192.168.7.1:5600\"`: an IP address of this host and a port")
                .found(format!("\"{text}\""))
                .remedy("take the address of the interface that the camera's network is on"),
        );
    }
    let insecure = section.insecure == Some(true);
    if insecure == section.key_file.is_some() {
        let found = if insecure { "both" } else { "neither" };
        problems.push(
            Problem::error(
                "no-key",
                &section.name.span,
                "a UDP stream has a key, or says that it has none",
            )
            .expected("`key_file = \"…\"`, or `insecure = true` written out; one of the two")
            .found(found)
            .remedy("make a key: openssl rand -hex 32 > camera.key; chmod 600 camera.key"),
        );
    } else if insecure {
        problems.push(
            Problem::warning(
                "insecure-stream",
                &section.name.span,
                format!("anybody on its network can clear the zones of `{}`", section.name.value),
            )
            .expected("`key_file`")
            .found("`insecure = true`")
            .remedy("use a key as soon as this is more than a bench"),
        );
    }
    let listen = listen.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 1)));
    let key_file = section.key_file.as_ref().map(|key| PathBuf::from(&key.value));
    StreamSource { socket: StreamSocket::Udp { listen, key_file }, own_clock }
}

fn check_polygon(section: &file::Zone, problems: &mut Problems) {
    let corners = section.polygon.len();
    let place = |at: &crate::read::Length| i128::from(at.nano);
    let mut area = 0_i128;
    for (at, corner) in section.polygon.iter().enumerate() {
        let next = section.polygon.get((at + 1) % corners.max(1)).unwrap_or(corner);
        area += place(&corner.0) * place(&next.1) - place(&next.0) * place(&corner.1);
    }
    if (3..=32).contains(&corners) && area != 0 {
        return;
    }
    problems.push(
        Problem::error(
            "bad-polygon",
            &section.name.span,
            format!("the zone `{}` has no area", section.name.value),
        )
        .expected("3 to 32 corners [x, y] around an area")
        .found(format!("{corners} corners"))
        .remedy("list the corners in order, each once"),
    );
}
