//! From the records of a cycle to what its step was given.

use rt_core::record::{Body, Picture};
use rt_core::signal::Sample;

use super::messages::{InputCommand, InputPicture, InputSignal, InputStamp, Inputs};
use super::quality_number;

/// Adds what a record says of the inputs.
pub(super) fn take(inputs: &mut Inputs, body: &Body) {
    match *body {
        Body::Signal { signal, sample: Sample { value, at, quality } } => {
            let quality = quality_number(quality);
            inputs.signals.push(InputSignal { signal: u32::from(signal.0), value, quality, at });
        }
        Body::Stamp { signal, at } => {
            inputs.stamps.push(InputStamp { signal: u32::from(signal.0), at });
        }
        Body::Command(command) => {
            inputs.command = Some(InputCommand {
                shutdown: command.shutdown,
                supervisor_at: command.supervisor_at,
            });
        }
        Body::Picture(picture) => inputs.pictures.push(datagram(&picture)),
        Body::Result(result) => inputs.results.push(datagram(&result)),
        Body::Cycle(_) | Body::Axis(_) | Body::Separation(_) | Body::Event(_) => {}
    }
}

/// Which datagram it was.
fn datagram(picture: &Picture) -> InputPicture {
    let Picture { stream, received_at, sequence_good, refused, crc, offset_ns } = *picture;
    let stream = u32::from(stream.0);
    InputPicture { stream, received_at, sequence_good, refused, crc, offset_ns }
}

/// For the next cycle; keeps its memory.
pub(super) fn clear(inputs: &mut Inputs) {
    inputs.signals.clear();
    inputs.stamps.clear();
    inputs.pictures.clear();
    inputs.results.clear();
    inputs.command = None;
}
