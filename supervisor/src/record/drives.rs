//! What goes over the bus for each drive, gathered: one message a cycle and drive instead of one for each of its objects.

use rt_core::plan::AxisSignals;
use rt_core::signal::{Quality, Sample, SignalId};

use super::{messages, quality_number};

/// Objects of a drive, in the order of [`messages::Drive`].
const OBJECTS: usize = 11;
/// How many of them, from the front, are outputs.
const OUTPUTS: usize = 3;

/// The objects of all drives.
#[derive(Clone, Debug)]
pub(super) struct Drives {
    /// By signal: drive and object.
    places: Vec<Option<(usize, usize)>>,
    drives: Vec<Drive>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Drive {
    objects: [Sample; OBJECTS],
    mapped: [bool; OBJECTS],
    changed: bool,
}

fn objects(signals: &AxisSignals) -> [Option<SignalId>; OBJECTS] {
    [
        Some(signals.controlword),
        Some(signals.target_position),
        signals.mode,
        Some(signals.statusword),
        Some(signals.actual_position),
        signals.mode_display,
        signals.actual_torque,
        signals.following_error,
        signals.error_code,
        signals.digital_inputs,
        signals.touch_probe_position,
    ]
}

impl Drives {
    /// For the axes of a machine with so many signals.
    pub(super) fn new(signals: usize, axes: &[AxisSignals]) -> Self {
        let mut places = vec![None; signals];
        let mut drives = vec![Drive::default(); axes.len()];
        for (drive, axis) in axes.iter().enumerate() {
            for (object, signal) in objects(axis).into_iter().enumerate() {
                let Some(signal) = signal else { continue };
                if let Some(place) = places.get_mut(usize::from(signal.0)) {
                    *place = Some((drive, object));
                }
                if let Some(mapped) = drives.get_mut(drive).and_then(|d| d.mapped.get_mut(object)) {
                    *mapped = true;
                }
            }
        }
        Self { places, drives }
    }

    /// Whether a signal is an object of a drive.
    pub(super) fn contains(&self, signal: SignalId) -> bool {
        self.places.get(usize::from(signal.0)).is_some_and(Option::is_some)
    }

    /// Keeps a drive's object; `false`: the signal is none.
    pub(super) fn take(&mut self, signal: SignalId, sample: Sample) -> bool {
        let Some((drive, object)) = self.places.get(usize::from(signal.0)).copied().flatten()
        else {
            return false;
        };
        if let Some(drive) = self.drives.get_mut(drive)
            && let Some(place) = drive.objects.get_mut(object)
        {
            *place = sample;
            drive.changed = true;
        }
        true
    }

    /// How many drives there are.
    pub(super) fn len(&self) -> usize {
        self.drives.len()
    }

    /// The message of a drive of which something changed since it was asked last.
    pub(super) fn changed(&mut self, drive: usize) -> Option<messages::Drive> {
        let drive = self.drives.get_mut(drive).filter(|drive| drive.changed)?;
        drive.changed = false;
        Some(drive.message())
    }
}

impl Drive {
    fn message(&self) -> messages::Drive {
        let [
            controlword,
            target,
            mode,
            statusword,
            actual,
            display,
            torque,
            following,
            error,
            inputs,
            probe,
        ] = self.objects.map(|sample| sample.value);
        let from_drive = self.objects.iter().zip(&self.mapped).skip(OUTPUTS);
        let from_drive = from_drive.filter(|(_, mapped)| **mapped).map(|(sample, _)| sample);
        let worst = from_drive.clone().map(|sample| sample.quality).min_by_key(rank);
        messages::Drive {
            controlword: narrow(controlword),
            target_position: target,
            mode: signed(mode),
            statusword: narrow(statusword),
            actual_position: actual,
            mode_display: signed(display),
            actual_torque_permille: signed(torque),
            following_error: following,
            error_code: narrow(error),
            digital_inputs: narrow(inputs),
            touch_probe_position: probe,
            quality: quality_number(worst.unwrap_or_default()),
            at: from_drive.map(|sample| sample.at).min().unwrap_or_default(),
        }
    }
}

/// The worst first.
fn rank(quality: &Quality) -> u8 {
    match quality {
        Quality::Missing => 0,
        Quality::Stale => 1,
        Quality::Good => 2,
    }
}

fn narrow(value: i64) -> u32 {
    u32::try_from(value & i64::from(u32::MAX)).unwrap_or_default()
}

fn signed(value: i64) -> i32 {
    i32::try_from(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signals() -> AxisSignals {
        AxisSignals {
            controlword: SignalId(1),
            target_position: SignalId(2),
            mode: None,
            statusword: SignalId(3),
            actual_position: SignalId(4),
            mode_display: None,
            actual_torque: Some(SignalId(5)),
            following_error: None,
            error_code: None,
            digital_inputs: None,
            touch_probe_position: None,
        }
    }

    #[test]
    fn objects_of_a_drive_come_together_once_and_other_signals_are_left_alone() {
        let mut drives = Drives::new(6, &[signals()]);
        let good = |value, at| Sample { value, at, quality: Quality::Good };
        assert!(!drives.take(SignalId(0), good(1, 1)));
        assert!(!drives.take(SignalId(9), good(1, 1)));
        assert_eq!(drives.changed(0), None);
        for (signal, value) in [(3, 0x1237), (4, -5_000_000_000), (5, -20)] {
            assert!(drives.take(SignalId(signal), good(value, 7)));
        }
        let message = drives.changed(0).unwrap();
        assert_eq!((message.statusword, message.actual_position), (0x1237, -5_000_000_000));
        assert_eq!(message.actual_torque_permille, -20);
        assert_eq!((message.quality, message.at), (1, 7), "what is not mapped does not count");
        assert_eq!(drives.changed(0), None, "nothing changed since");
    }

    #[test]
    fn the_worst_quality_of_the_inputs_is_shown() {
        let mut drives = Drives::new(6, &[signals()]);
        let sample = |quality| Sample { value: 1, at: 7, quality };
        for signal in [3, 4, 5] {
            drives.take(SignalId(signal), sample(Quality::Good));
        }
        drives.take(SignalId(4), sample(Quality::Stale));
        assert_eq!(drives.changed(0).unwrap().quality, 2);
    }
}
