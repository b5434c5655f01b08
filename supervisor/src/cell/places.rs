//! Where the devices' channels are in the world: devices count channels, the world counts sources and outputs.

use config::cell::{Channel, DeviceKind, VirtualCell};
use rt_core::plan::AxisId;

/// What a device is connected to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Place {
    /// To nothing.
    #[default]
    Nothing,
    /// A drive: the world's axis.
    Axis(usize),
    /// First digital source, and how many.
    Sources(usize, usize),
    /// First digital output, and how many.
    Outputs(usize, usize),
    /// First analogue source, and how many.
    AnalogSources(usize, usize),
    /// First analogue output, and how many.
    AnalogOutputs(usize, usize),
}

/// All devices, by position.
#[derive(Clone, Debug, Default)]
pub(super) struct Places {
    pub(super) devices: Vec<Place>,
    /// Rest values of the digital sources.
    pub(super) sources: Vec<bool>,
    /// Rest values of the analogue sources.
    pub(super) analog_sources: Vec<i16>,
    pub(super) outputs: usize,
    pub(super) analog_outputs: usize,
    /// The world's axes in order: the machine's axis that each one is.
    pub(super) axes: Vec<AxisId>,
}

impl Places {
    pub(super) fn new(cell: &VirtualCell) -> Self {
        let mut places = Self::default();
        for device in &cell.devices {
            let place = places.add(&device.kind);
            places.devices.push(place);
        }
        places
    }

    fn add(&mut self, kind: &DeviceKind) -> Place {
        match kind {
            DeviceKind::Coupler | DeviceKind::Generic => Place::Nothing,
            DeviceKind::Servo(servo) => {
                self.axes.push(servo.axis);
                Place::Axis(self.axes.len() - 1)
            }
            DeviceKind::DigitalInput { channels, rest } => {
                let first = self.sources.len();
                self.sources.extend((0..*channels).map(|channel| bit(*rest, channel)));
                Place::Sources(first, usize::from(*channels))
            }
            DeviceKind::DigitalOutput { channels } => {
                let first = self.outputs;
                self.outputs += usize::from(*channels);
                Place::Outputs(first, usize::from(*channels))
            }
            DeviceKind::AnalogInput { rest, .. } => {
                let first = self.analog_sources.len();
                self.analog_sources.extend(rest);
                Place::AnalogSources(first, rest.len())
            }
            DeviceKind::AnalogOutput { channels } => {
                let first = self.analog_outputs;
                self.analog_outputs += usize::from(*channels);
                Place::AnalogOutputs(first, usize::from(*channels))
            }
        }
    }

    fn place(&self, device: usize) -> Place {
        self.devices.get(device).copied().unwrap_or_default()
    }

    /// The world's axis that an axis of the machine is.
    pub(super) fn axis(&self, axis: AxisId) -> Option<usize> {
        self.axes.iter().position(|known| *known == axis)
    }

    /// The digital source behind an input.
    pub(super) fn source(&self, input: Channel) -> Option<usize> {
        let channel = usize::from(input.channel);
        match self.place(input.device) {
            Place::Sources(first, count) if channel < count => Some(first + channel),
            _ => None,
        }
    }

    /// The world's output behind an output.
    pub(super) fn output(&self, output: Channel) -> Option<usize> {
        let channel = usize::from(output.channel);
        match self.place(output.device) {
            Place::Outputs(first, count) if channel < count => Some(first + channel),
            _ => None,
        }
    }

    /// The analogue source behind an input.
    pub(super) fn analog_source(&self, input: Channel) -> Option<usize> {
        let channel = usize::from(input.channel);
        match self.place(input.device) {
            Place::AnalogSources(first, count) if channel < count => Some(first + channel),
            _ => None,
        }
    }
}

fn bit(bits: u64, place: u8) -> bool {
    bits.checked_shr(u32::from(place)).is_some_and(|bits| bits & 1 == 1)
}
