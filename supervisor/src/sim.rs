//! `tactus sim`: virtual devices and the world behind them on a network interface, for a MainDevice in another process.

use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, unbounded};

use config::Machine;
use fieldbus::link::{Link as _, Wire, raw, serve};
use rt_linux::admission::{self, Locked};
use rt_linux::signal::Shutdown;
use rt_linux::thread::spawn_helper;
use segment::AlState;
use serde::Serialize;

use crate::cell::{Cell, Disturbed, HORIZON_NS};
use crate::exit::{Error, ExitCode};
use crate::labels::Labels;
use crate::report::duration;
use crate::run::beside;

/// Without a frame for so long, the MainDevice is gone, ns.
const SILENCE_NS: u64 = 500_000_000;
/// So long after the last frame at most, the axes' way is told; the world remembers 4 s.
const SETTLE_MAX_NS: u64 = 3_500_000_000;
/// Slower than this an axis stands, axis units / s.
const STANDSTILL: f64 = 0.05;
/// Between looks whether the interface is still there; one that is only down is waited for.
const INTERFACE_LOOK: Duration = Duration::from_secs(1);
/// Between looks at the end.
const LOOK: Duration = Duration::from_millis(50);

/// What is simulated, and where.
#[derive(Clone, Debug)]
pub struct Options {
    /// Network interface.
    pub interface: String,
    /// Of the virtual cell.
    pub seed: u64,
    /// `None`: until somebody asks for the end.
    pub duration: Option<Duration>,
    /// Events as JSON, one a line.
    pub json: bool,
    /// Where the cameras send.
    pub vision_socket: PathBuf,
}

/// Something that happened at the segment.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum SimEvent {
    /// Frames are answered from now on.
    Ready {
        /// On which interface.
        interface: String,
        /// How many devices answer.
        devices: usize,
        /// Where the cameras send.
        vision_socket: PathBuf,
    },
    /// A device changed its AL state.
    AlState {
        /// Its position.
        position: usize,
        /// Its name.
        device: String,
        /// `Init`, `PreOp`, `Bootstrap`, `SafeOp`, `Op`.
        state: String,
        /// AL status code (0x0134).
        code: u16,
        /// Since the last frame, ns.
        since_last_frame_ns: u64,
    },
    /// No frame has come for half a second: what became of outputs and axes.
    MainDeviceLost {
        /// From the last frame until every axis stood, ns; `null`: not all did within 3.5 s.
        stood_after_ns: Option<u64>,
        /// The devices with outputs: where their watchdogs took them.
        devices: Vec<WatchedDevice>,
        /// How far each axis still travelled after the last frame.
        axes: Vec<Travel>,
    },
    /// Frames come again.
    MainDeviceBack,
    /// The simulation ended.
    Ended {
        /// Frames that came.
        frames: u64,
        /// Frames that went back.
        returned: u64,
    },
}

/// A device whose outputs are watched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WatchedDevice {
    /// Its position.
    pub position: usize,
    /// Its name.
    pub device: String,
    /// `Init`, `PreOp`, `Bootstrap`, `SafeOp`, `Op`.
    pub al_state: String,
}

/// How far an axis travelled.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Travel {
    /// The axis.
    pub axis: String,
    /// Axis units.
    pub travel: f64,
    /// `mm` or `deg`.
    pub unit: String,
}

/// Serves the segment until it is asked to end.
///
/// # Errors
/// Rights, interface, or a virtual cell that cannot be.
pub fn run(
    machine: &Machine,
    options: &Options,
    shutdown: &Shutdown,
    out: &mut dyn Write,
) -> Result<ExitCode, Error> {
    let link = raw(&options.interface).map_err(|wrong| Error::environment(wrong.to_string()))?;
    let start = link.now();
    let socket = Some(options.vision_socket.clone());
    let cell = Cell::new(machine, options.seed, start, HORIZON_NS, socket)?;
    let disturbance = cell.disturbance();
    let devices = cell.segment().len();
    let (tell, hear) = unbounded();
    let mut watched = Watched::new(cell, machine, tell);
    let stop = shutdown.flag();
    let request = beside(&machine.cycle);
    let thread = spawn_helper("tactus-segment", move || {
        // Real devices are not held up by other programs; these are not either where the rights are there.
        let _armed = admission::lock(&request).and_then(Locked::arm);
        let mut link = Disturbed::new(link, disturbance);
        let stop: &AtomicBool = &stop;
        let served = serve(&mut link, &mut watched, stop);
        watched.ended(served.received, served.returned);
    })
    .map_err(|source| Error::environment(format!("the system refuses a thread: {source}")))?;
    let ready = SimEvent::Ready {
        interface: options.interface.clone(),
        devices,
        vision_socket: options.vision_socket.clone(),
    };
    print(&ready, options.json, out);
    let listened = listen(&hear, options, shutdown, out);
    thread.join().map_err(|_| Error::bus("the virtual segment panicked: a fault of tactus"))?;
    listened.map(|()| ExitCode::Done)
}

fn listen(
    hear: &Receiver<SimEvent>,
    options: &Options,
    shutdown: &Shutdown,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let started = Instant::now();
    let mut looked = started;
    let mut vanished = false;
    loop {
        match hear.recv_timeout(LOOK) {
            Ok(event) => print(&event, options.json, out),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) if vanished => {
                return Err(Error::environment(format!(
                    "network interface {} is gone: the simulation has ended",
                    options.interface
                )));
            }
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
        if looked.elapsed() > INTERFACE_LOOK {
            looked = Instant::now();
            vanished |= !fieldbus::link::interfaces().contains(&options.interface);
            if vanished {
                shutdown.request();
            }
        }
        if options.duration.is_some_and(|duration| started.elapsed() >= duration) {
            shutdown.request();
        }
    }
}

fn print(event: &SimEvent, json: bool, out: &mut dyn Write) {
    let line = match (json, serde_json::to_string(event)) {
        (true, Ok(line)) => line,
        (true, Err(_)) | (false, _) => text(event),
    };
    // Whoever closed the output does not want it.
    let _ = writeln!(out, "{line}");
    let _ = out.flush();
}

fn text(event: &SimEvent) -> String {
    match event {
        SimEvent::Ready { interface, devices, vision_socket } => format!(
            "{devices} devices answer on {interface}; cameras send to {}",
            vision_socket.display()
        ),
        SimEvent::AlState { position, device, state, code, since_last_frame_ns } => match code {
            0 => format!("device {position} ({device}): {state}"),
            code => format!(
                "device {position} ({device}): {state}, AL status code 0x{code:04X}, {} after the last frame",
                duration(*since_last_frame_ns)
            ),
        },
        SimEvent::MainDeviceLost { stood_after_ns, devices, axes } => {
            let mut text = String::from("no frames any more");
            match stood_after_ns {
                Some(ns) => text.push_str(&format!(": every axis stood after {}", duration(*ns))),
                None => text.push_str(": NOT every axis stands"),
            }
            for WatchedDevice { position, device, al_state } in devices {
                text.push_str(&format!("\n  device {position} ({device}) is in {al_state}"));
            }
            for Travel { axis, travel, unit } in axes {
                text.push_str(&format!(
                    "\n  {axis} travelled {travel:.2} {unit} after the last frame"
                ));
            }
            text
        }
        SimEvent::MainDeviceBack => "frames come again".into(),
        SimEvent::Ended { frames, returned } => {
            format!("ended: {frames} frames came, {returned} went back")
        }
    }
}

/// How it stands with the MainDevice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MainDevice {
    /// No frame has come yet.
    Awaited,
    /// Frames come.
    Here,
    /// None for [`SILENCE_NS`]; the axes may still move.
    Silent,
    /// Told.
    Lost,
}

/// The cell, watched: tells what happens to it.
struct Watched {
    cell: Cell,
    labels: Labels,
    /// Positions of the devices with outputs.
    with_outputs: Vec<usize>,
    tell: Sender<SimEvent>,
    states: Vec<(AlState, u16)>,
    main_device: MainDevice,
    /// When an axis was last seen to move, ns.
    moved_at: u64,
    next_look: u64,
}

/// Between looks at the devices, ns.
const WATCH_NS: u64 = 1_000_000;

impl Watched {
    fn new(cell: Cell, machine: &Machine, tell: Sender<SimEvent>) -> Self {
        let labels = Labels::of(machine);
        let devices = machine.bus.subdevices.iter().enumerate();
        let with_outputs = devices.filter(|(_, device)| device.watchdog_ns.is_some());
        let with_outputs = with_outputs.map(|(position, _)| position).collect();
        let states = vec![(AlState::Init, 0); cell.segment().len()];
        Self {
            cell,
            labels,
            with_outputs,
            tell,
            states,
            main_device: MainDevice::Awaited,
            moved_at: 0,
            next_look: 0,
        }
    }

    fn say(&self, event: SimEvent) {
        // Nobody listens any more: the end is near.
        let _ = self.tell.send(event);
    }

    fn watch(&mut self, now: u64) {
        if now < self.next_look {
            return;
        }
        self.next_look = now.saturating_add(WATCH_NS);
        let (last_frame_at, _) = self.cell.last_frame();
        let silent_for = now.saturating_sub(last_frame_at);
        self.al_states(silent_for);
        if !self.stands() {
            self.moved_at = now;
        }
        match self.main_device {
            MainDevice::Here if silent_for > SILENCE_NS => self.main_device = MainDevice::Silent,
            MainDevice::Silent if self.stands() || silent_for > SETTLE_MAX_NS => {
                self.lost(last_frame_at);
            }
            MainDevice::Awaited | MainDevice::Here | MainDevice::Silent | MainDevice::Lost => {}
        }
    }

    fn al_states(&mut self, since_last_frame_ns: u64) {
        for position in 0..self.states.len() {
            let Some(status) = self.cell.segment().snapshot(position) else { continue };
            let found = (status.al_state, status.al_status_code);
            let Some(known) = self.states.get_mut(position) else { continue };
            if *known == found {
                continue;
            }
            *known = found;
            let device = self.labels.devices.get(position).cloned().unwrap_or_default();
            self.say(SimEvent::AlState {
                position,
                device,
                state: format!("{:?}", status.al_state),
                code: status.al_status_code,
                since_last_frame_ns,
            });
        }
    }

    fn stands(&self) -> bool {
        let world = self.cell.world();
        (0..world.axis_count())
            .all(|axis| world.axis(axis).is_none_or(|view| view.velocity.abs() < STANDSTILL))
    }

    fn lost(&mut self, last_frame_at: u64) {
        self.main_device = MainDevice::Lost;
        let moved_for = self.moved_at.saturating_sub(last_frame_at);
        let stood_after_ns = self.stands().then_some(moved_for);
        let world = self.cell.world();
        let axes = (0..world.axis_count()).map(|axis| {
            let label = self.cell.machine_axis(axis).and_then(|id| self.labels.axes.get(id));
            Travel {
                axis: label.map_or_else(|| axis.to_string(), |label| label.name.clone()),
                travel: world.travel_since(axis, last_frame_at).unwrap_or(f64::NAN),
                unit: label.map_or_else(String::new, |label| label.unit.clone()),
            }
        });
        let axes = axes.collect();
        let devices = self.with_outputs.iter().filter_map(|position| {
            let status = self.cell.segment().snapshot(*position)?;
            Some(WatchedDevice {
                position: *position,
                device: self.labels.devices.get(*position).cloned().unwrap_or_default(),
                al_state: format!("{:?}", status.al_state),
            })
        });
        let devices = devices.collect();
        self.say(SimEvent::MainDeviceLost { stood_after_ns, devices, axes });
    }

    fn ended(&mut self, frames: u64, returned: u64) {
        if self.main_device == MainDevice::Silent {
            let (last_frame_at, _) = self.cell.last_frame();
            self.lost(last_frame_at);
        }
        self.say(SimEvent::Ended { frames, returned });
    }
}

impl Wire for Watched {
    fn pass(&mut self, frame: &mut [u8], now: u64) -> bool {
        match self.main_device {
            MainDevice::Lost => self.say(SimEvent::MainDeviceBack),
            MainDevice::Awaited | MainDevice::Here | MainDevice::Silent => {}
        }
        self.main_device = MainDevice::Here;
        let back = self.cell.pass(frame, now);
        self.watch(now);
        back
    }

    fn advance(&mut self, now: u64) {
        self.cell.advance(now);
        self.watch(now);
    }

    fn round_trip_ns(&self, len: usize) -> u64 {
        self.cell.round_trip_ns(len)
    }
}
