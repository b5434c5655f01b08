//! A datagram as it goes into the recording.

use rt_core::vision::{exact, header, objects, parse};

use super::Datagram;
use crate::record::messages;

impl Datagram {
    /// As it goes into the recording.
    #[must_use]
    pub fn message(&self) -> messages::Vision {
        let mut message = messages::Vision {
            sequence_good: self.sequence_good,
            datagram: exact(&self.bytes).unwrap_or_default().to_vec(),
            ..messages::Vision::default()
        };
        if let Some(header) = exact(&self.bytes).and_then(header) {
            message.sequence = header.sequence;
            message.captured_at = header.captured_at;
            message.quality = u32::from(header.quality);
            message.alive = header.liveness == 1;
        }
        if let Some(occupancy) = parse(&self.bytes) {
            message.zones_evaluated = occupancy.evaluated;
            message.zones_occupied = occupancy.occupied;
        }
        message.objects = objects(&self.bytes)
            .map(|object| messages::Object {
                x: object.x,
                y: object.y,
                vx: object.vx,
                vy: object.vy,
                radius: object.radius,
                uncertainty: object.uncertainty,
            })
            .collect();
        message
    }
}
