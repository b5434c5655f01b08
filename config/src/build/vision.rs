//! `[[stream]]` and `[[zone]]`.

use rt_core::plan::StreamPlan;
use rt_core::vision::{STREAMS_MAX, StreamId};

use super::axes::time_in;
use super::names::{Table, check_count, check_identifier};
use crate::file::safety as file;
use crate::problem::{Problem, Problems};

/// What the vision sections became.
#[derive(Debug)]
pub(crate) struct Vision<'f> {
    pub(crate) streams: Table,
    pub(crate) plans: Vec<StreamPlan>,
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
