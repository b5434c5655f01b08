//! The virtual cell: segment, world and cameras of a machine file, wired together as a [`Wire`] behind any link.

mod devices;
mod disturb;
mod places;
mod plan;
mod process;
mod scenario;

use std::collections::VecDeque;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::sync::Arc;

use config::Machine;
use fieldbus::link::Wire;
use rt_core::plan::AxisId;
use rt_core::vision::DATAGRAM_LENGTH;
use segment::{Fault, Segment};
use world::{BusAction, RESULT_LENGTH, World};

pub use disturb::{Disturbance, Disturbed, Kind};
pub use process::WorldProcess;

use crate::exit::Error;

/// Camera datagrams that wait to be taken in the thread; more are lost, as on a socket.
const WAITING_MAX: usize = 64;
/// How far ahead a scenario that repeats for ever is laid out when the run has no end, ns: a day.
pub const HORIZON_NS: u64 = 24 * 3_600 * 1_000_000_000;

/// A datagram of a virtual camera.
#[derive(Clone, Copy, Debug)]
pub struct CameraDatagram {
    bytes: [u8; DATAGRAM_LENGTH],
    length: usize,
}

impl CameraDatagram {
    fn of(sent: &[u8]) -> Self {
        let mut bytes = [0; DATAGRAM_LENGTH];
        for (to, from) in bytes.iter_mut().zip(sent) {
            *to = *from;
        }
        Self { bytes, length: sent.len() }
    }
}

impl std::ops::Deref for CameraDatagram {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or(&self.bytes)
    }
}

/// Where camera datagrams go.
#[derive(Debug)]
enum Outlet {
    /// They wait for whoever runs this thread.
    Queue(VecDeque<CameraDatagram>),
    /// To the socket of the run, as from any camera process.
    Socket { socket: UnixDatagram, path: PathBuf },
}

impl Outlet {
    fn send(&mut self, bytes: &[u8]) {
        match self {
            Self::Queue(waiting) if waiting.len() < WAITING_MAX => {
                waiting.push_back(CameraDatagram::of(bytes));
            }
            Self::Queue(_) => {}
            // Nobody there, or not fast enough: a camera process does not care either.
            Self::Socket { socket, path } => drop(socket.send_to(bytes, &*path)),
        }
    }
}

/// Segment and world behind a link.
pub struct Cell {
    segment: Segment<WorldProcess>,
    cameras: usize,
    conveyors: usize,
    /// The world's axes in order: which axis of the machine each one is.
    axes: Vec<AxisId>,
    outlet: Outlet,
    disturbance: Arc<Disturbance>,
    /// When the last frame came, ns; 0 = none yet.
    last_frame_at: u64,
    frames: u64,
}

impl Cell {
    /// The cell of `machine`, standing still at `start_ns` of the link's clock. The scenario is laid out for `horizon_ns`. Cameras
    /// send to `socket`, or leave their datagrams for [`take_datagram`](Self::take_datagram).
    ///
    /// # Errors
    /// The machine file describes something that the virtual world cannot be, or no socket is to be had.
    pub fn new(
        machine: &Machine,
        seed: u64,
        start_ns: u64,
        horizon_ns: u64,
        socket: Option<PathBuf>,
    ) -> Result<Self, Error> {
        let cell = &machine.virtual_cell;
        let places = places::Places::new(cell);
        let plan = plan::world_plan(cell, &places, machine.hash64, seed, horizon_ns)?;
        let world = World::new(plan, start_ns).map_err(|wrong| {
            Error::file(format!("the virtual cell of the machine file cannot be: {wrong}"))
        })?;
        let process = WorldProcess::new(world, cell, &places);
        let outlet = match socket {
            None => Outlet::Queue(VecDeque::with_capacity(WAITING_MAX)),
            Some(path) => {
                let socket = UnixDatagram::unbound().and_then(|socket| {
                    socket.set_nonblocking(true)?;
                    Ok(socket)
                });
                let socket = socket.map_err(|source| {
                    Error::environment(format!("no socket for the virtual cameras: {source}"))
                })?;
                Outlet::Socket { socket, path }
            }
        };
        Ok(Self {
            segment: Segment::new(devices::devices(machine, seed), process),
            cameras: cell.cameras.len(),
            conveyors: cell.conveyors.len(),
            axes: places.axes.clone(),
            outlet,
            disturbance: Arc::new(Disturbance::default()),
            last_frame_at: 0,
            frames: 0,
        })
    }

    /// What the scenario does to frames; give it to a [`Disturbed`] link.
    #[must_use]
    pub fn disturbance(&self) -> Arc<Disturbance> {
        Arc::clone(&self.disturbance)
    }

    /// The segment.
    #[must_use]
    pub fn segment(&self) -> &Segment<WorldProcess> {
        &self.segment
    }

    /// The world.
    #[must_use]
    pub fn world(&self) -> &World {
        self.segment.process_ref().world()
    }

    /// The world itself, for who begins in the middle of a run.
    pub fn world_mut(&mut self) -> &mut World {
        self.segment.process().world_mut()
    }

    /// Which axis of the machine an axis of the world is: its place.
    #[must_use]
    pub fn machine_axis(&self, axis: usize) -> Option<usize> {
        self.axes.get(axis).map(|id| usize::from(id.0))
    }

    /// When the last frame came, ns, and how many there were.
    #[must_use]
    pub fn last_frame(&self) -> (u64, u64) {
        (self.last_frame_at, self.frames)
    }

    /// Breaks something on the segment, or mends it, as a scenario does.
    pub fn inject(&mut self, fault: Fault) {
        self.segment.inject(fault);
    }

    /// The next camera datagram that nobody has taken.
    pub fn take_datagram(&mut self) -> Option<CameraDatagram> {
        match &mut self.outlet {
            Outlet::Queue(waiting) => waiting.pop_front(),
            Outlet::Socket { .. } => None,
        }
    }

    /// What the world wants of segment and cameras.
    fn serve_world(&mut self) {
        while let Some(action) = self.segment.process().world_mut().take_bus_action() {
            self.bus_action(action);
        }
        let mut bytes = [0; DATAGRAM_LENGTH];
        for camera in 0..self.cameras {
            while self.segment.process().world_mut().take_datagram(camera, &mut bytes) {
                self.outlet.send(&bytes);
            }
        }
        let mut bytes = [0; RESULT_LENGTH];
        for conveyor in 0..self.conveyors {
            while self.segment.process().world_mut().take_result(conveyor, &mut bytes) {
                self.outlet.send(&bytes);
            }
        }
    }

    fn bus_action(&mut self, action: BusAction) {
        let (kind, count) = match action {
            BusAction::LinkDown { after } => {
                return self.segment.inject(Fault::LinkLost { after });
            }
            BusAction::LinkUp { after } => {
                return self.segment.inject(Fault::LinkRestored { after });
            }
            BusAction::PowerOff { position } => {
                return self.segment.inject(Fault::PowerOff { position });
            }
            BusAction::PowerOn { position } => {
                return self.segment.inject(Fault::PowerOn { position });
            }
            BusAction::RefuseOp { position, al_status_code } => {
                let code = Some(al_status_code);
                return self.segment.inject(Fault::RefuseOp { position, code });
            }
            BusAction::AllowOp { position } => {
                return self.segment.inject(Fault::RefuseOp { position, code: None });
            }
            BusAction::IgnoreProcessData { position, active } => {
                return self.segment.inject(Fault::IgnoreProcessData { position, active });
            }
            BusAction::LoseFrames { count } => (Kind::Lose, count),
            BusAction::CorruptFrames { count } => (Kind::Corrupt, count),
            BusAction::DuplicateFrames { count } => (Kind::Duplicate, count),
            BusAction::DelayFrames { count, delay_ns } => (Kind::Delay(delay_ns), count),
            BusAction::ForeignFrames { count } => (Kind::Foreign, count),
        };
        self.disturbance.set(kind, count);
    }
}

impl Wire for Cell {
    fn pass(&mut self, frame: &mut [u8], now: u64) -> bool {
        self.last_frame_at = now;
        self.frames = self.frames.saturating_add(1);
        let back = self.segment.pass(frame, now);
        self.serve_world();
        back
    }

    fn advance(&mut self, now: u64) {
        self.segment.advance(now);
        self.serve_world();
    }

    fn round_trip_ns(&self, len: usize) -> u64 {
        self.segment.round_trip_ns(len)
    }
}
