//! `tactus zones`: what a camera process must know of a machine file, for people and for programs.

use config::{Machine, StreamSocket};
use serde::Serialize;

use crate::cli::ZonesArgs;
use crate::exit::{Error, ExitCode};
use crate::{app, run};

/// All that a camera process must know.
#[derive(Debug, Serialize)]
struct Zones {
    machine: String,
    /// Carried by every datagram.
    config_hash: String,
    streams: Vec<Stream>,
}

#[derive(Debug, Serialize)]
struct Stream {
    name: String,
    id: u16,
    age_max_ms: f64,
    quality_min: u8,
    /// `unix` or `udp`.
    socket: &'static str,
    /// Path or address.
    address: String,
    /// A key is asked for.
    keyed: bool,
    /// Capture times are of the camera process's own clock.
    own_clock: bool,
    zones: Vec<Zone>,
}

#[derive(Debug, Serialize)]
struct Zone {
    name: String,
    bit: u8,
    /// Corners, mm.
    polygon: Vec<(f64, f64)>,
}

impl Zones {
    fn of(machine: &Machine) -> Self {
        let sources = machine.stream_sources.iter().zip(&machine.names.streams);
        let streams = machine.plan.streams.iter().zip(sources).zip(0_u8..);
        let stream = |((plan, (source, name)), place): ((&rt_core::plan::StreamPlan, _), u8)| {
            let (source, name): (&config::StreamSource, &String) = (source, name);
            let zones = machine.virtual_cell.zones.iter().filter(|zone| zone.stream == place);
            let zones = zones.map(|zone| Zone {
                name: zone.name.clone(),
                bit: zone.bit,
                polygon: zone
                    .polygon
                    .iter()
                    .map(|(x, y)| (micrometres(*x), micrometres(*y)))
                    .collect(),
            });
            let (socket, address, keyed) = match &source.socket {
                StreamSocket::Unix => {
                    let path = run::default_vision_socket(&machine.name);
                    ("unix", path.display().to_string(), false)
                }
                StreamSocket::Udp { listen, key_file } => {
                    ("udp", listen.to_string(), key_file.is_some())
                }
            };
            Stream {
                name: name.clone(),
                id: plan.wire_id,
                age_max_ms: std::time::Duration::from_nanos(plan.age_max_ns).as_secs_f64() * 1e3,
                quality_min: plan.quality_min,
                socket,
                address,
                keyed,
                own_clock: source.own_clock,
                zones: zones.collect(),
            }
        };
        Self {
            machine: machine.name.clone(),
            config_hash: format!("0x{:016x}", machine.hash64),
            streams: streams.map(stream).collect(),
        }
    }

    fn text(&self) -> String {
        let mut out = format!("{}: hash {}\n", self.machine, self.config_hash);
        for stream in &self.streams {
            let Stream { name, id, age_max_ms, quality_min, socket, address, .. } = stream;
            out += &format!(
                "  stream {name}: id {id}, {socket} {address}, age at most {age_max_ms} ms, \
                 quality at least {quality_min}\n"
            );
            for zone in &stream.zones {
                out += &format!("    bit {:2}  {}: {:?} mm\n", zone.bit, zone.name, zone.polygon);
            }
        }
        out
    }
}

/// As the file says it; calculating in floating point left a tail.
fn micrometres(mm: f64) -> f64 {
    (mm * 1e3).round() / 1e3
}

/// The command.
///
/// # Errors
/// The file is wrong.
pub fn command(arguments: &ZonesArgs) -> Result<ExitCode, Error> {
    let source = app::load(&arguments.file)?;
    let zones = Zones::of(&source.machine);
    if arguments.json {
        let json = serde_json::to_string_pretty(&zones);
        app::print(&json.map_err(|wrong| Error::environment(wrong.to_string()))?);
    } else {
        app::print(&zones.text());
    }
    Ok(ExitCode::Done)
}
