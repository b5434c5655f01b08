//! What is so in the world for longer than it takes to be seen has taken the permit.

use config::cell::DeviceKind;

use super::{Found, Rule, Seen, Since, Wiring};
use crate::draw::{Kind, MS, Shift};

/// An input is seen, or missed for so long that it counts as lost, within this: 5 cycles of the row, the same for what was missed
/// before, late cycles of up to 3 periods.
const SEEN_NS: u64 = 50 * MS;
/// How far inside a zone somebody must be so that no noise of the camera hides it, mm.
const INSIDE_MM: f64 = 60.0;

/// A source whose level takes the permit.
struct Level {
    name: &'static str,
    source: Option<usize>,
    bad: bool,
    /// Counts in automatic only.
    automatic: bool,
    since: Since,
}

/// A rectangle of the cell.
pub(super) struct Zone {
    low: (f64, f64),
    high: (f64, f64),
}

impl Zone {
    /// The zone of that name; those of our machines are rectangles.
    pub(super) fn new(shift: &Shift, name: &str) -> Option<Self> {
        let zones = &shift.machine.virtual_cell.zones;
        let polygon = &zones.iter().find(|zone| zone.name == name)?.polygon;
        let fold = |of: fn(&(f64, f64)) -> f64, with: fn(f64, f64) -> f64, from: f64| {
            polygon.iter().map(of).fold(from, with)
        };
        Some(Self {
            low: (
                fold(|at| at.0, f64::min, f64::INFINITY),
                fold(|at| at.1, f64::min, f64::INFINITY),
            ),
            high: (
                fold(|at| at.0, f64::max, f64::NEG_INFINITY),
                fold(|at| at.1, f64::max, f64::NEG_INFINITY),
            ),
        })
    }

    /// Somebody reaches into it, beyond any doubt.
    pub(super) fn is_entered(&self, seen: &Seen<'_>) -> bool {
        let persons = seen.shift.machine.virtual_cell.persons.len();
        (0..persons).filter_map(|person| seen.cell.world().person(person)).any(|person| {
            let off = |at: f64, low: f64, high: f64| (low - at).max(at - high).max(0.0);
            let x = off(person.at.x, self.low.0, self.high.0);
            let y = off(person.at.y, self.low.1, self.high.1);
            let reach = person.radius_mm - INSIDE_MM;
            x * x + y * y < reach * reach
        })
    }
}

pub(super) struct Demands {
    levels: Vec<Level>,
    stop_zone: Option<(Zone, Since)>,
    /// From capture until a picture is too old, ns.
    age_max_ns: u64,
    supervisor_ns: u64,
    silent: Since,
    /// Position, and since when nobody can hear it.
    devices: Vec<(usize, Since)>,
    faults: Vec<Since>,
    key: Option<(usize, usize, Since)>,
    enabling: Option<(usize, usize, Since)>,
    curtain: Option<Curtain>,
    temperature: Since,
    is_manual: Since,
    is_automatic: Since,
}

/// The light curtain, and when a part could have muted it.
struct Curtain {
    beams: [Option<usize>; 2],
    sensors: [Option<usize>; 2],
    broken: Since,
    bare: Since,
}

impl Demands {
    pub(super) fn new(shift: &Shift) -> Self {
        let wiring = Wiring::new(shift);
        let level = |name, automatic| Level {
            name,
            source: wiring.source(name),
            bad: false,
            automatic,
            since: Since::default(),
        };
        let manual = shift.kind == Kind::Manual;
        let pair = |a, b| Some((wiring.source(a)?, wiring.source(b)?, Since::default()));
        let has_data = |kind: &DeviceKind| !matches!(kind, DeviceKind::Coupler);
        let devices = shift.machine.virtual_cell.devices.iter().enumerate();
        Self {
            levels: vec![
                level("estop_a", false),
                level("estop_b", false),
                level("door_a", true),
                level("door_b", true),
                level("stop_button", false),
            ],
            stop_zone: Zone::new(shift, "stop").map(|zone| (zone, Since::default())),
            age_max_ns: shift.machine.plan.streams.first().map_or(0, |stream| stream.age_max_ns),
            supervisor_ns: 1_000 * MS,
            silent: Since::default(),
            devices: devices
                .filter(|(_, device)| has_data(&device.kind))
                .map(|(position, _)| (position, Since::default()))
                .collect(),
            faults: vec![Since::default(); shift.machine.plan.axes.len()],
            key: pair("key_automatic", "key_manual"),
            enabling: pair("enable_a", "enable_b"),
            curtain: manual.then(|| Curtain {
                beams: ["curtain_a", "curtain_b"].map(|name| wiring.source(name)),
                sensors: ["muting_1", "muting_2"].map(|name| wiring.source(name)),
                broken: Since::default(),
                bare: Since::default(),
            }),
            temperature: Since::default(),
            is_manual: Since::default(),
            is_automatic: Since::default(),
        }
    }

    pub(super) fn cycle(&mut self, seen: &Seen<'_>, found: &mut Found) {
        let selected = self.key.map(|(a, b, _)| (seen.input(Some(a)), seen.input(Some(b))));
        let automatic = selected.is_none_or(|(automatic, manual)| automatic && !manual);
        let manual = selected.is_some_and(|(automatic, manual)| manual && !automatic);
        let automatic = self.is_automatic.update(automatic, seen.now);
        let manual = self.is_manual.update(manual, seen.now);
        self.inputs(seen, automatic.is_some_and(|held| held > SEEN_NS), found);
        self.outside(seen, found);
        self.devices(seen, found);
        if selected.is_some() {
            self.modes(seen, (automatic, manual), found);
        }
    }

    fn inputs(&mut self, seen: &Seen<'_>, automatic: bool, found: &mut Found) {
        for level in &mut self.levels {
            let bad = seen.input(level.source) == level.bad && (automatic || !level.automatic);
            let held = level.since.update(bad, seen.now);
            refused(seen, held, SEEN_NS, found, || level.name.to_owned());
        }
        if let Some(curtain) = &mut self.curtain {
            let broken = curtain.beams.iter().any(|beam| !seen.input(*beam)) && automatic;
            let bare = curtain.sensors.iter().all(|sensor| !seen.input(*sensor));
            let bare = curtain.bare.update(bare, seen.now);
            // Longer than any muting, and than anything that lingers of it.
            let muted = bare.is_none_or(|bare| bare < 6_000 * MS);
            let held = curtain.broken.update(broken && !muted, seen.now);
            refused(seen, held, SEEN_NS, found, || "light curtain".to_owned());
        }
        if self.key.is_some() {
            let value = seen.cell.world().analog_input(0);
            let held = self.temperature.update(!(10..=600).contains(&value), seen.now);
            refused(seen, held, 100 * MS + SEEN_NS, found, || format!("temperature {value}"));
        }
    }

    /// People, and the supervisor.
    fn outside(&mut self, seen: &Seen<'_>, found: &mut Found) {
        if let Some((zone, since)) = &mut self.stop_zone {
            let held = since.update(zone.is_entered(seen), seen.now);
            let reaction = self.age_max_ns + SEEN_NS;
            refused(seen, held, reaction, found, || "somebody in the stop zone".to_owned());
        }
        let silent = seen.shift.silences.iter().any(|(from, to)| (*from..*to).contains(&seen.now));
        let held = self.silent.update(silent, seen.now);
        refused(seen, held, self.supervisor_ns + SEEN_NS, found, || "silent supervisor".to_owned());
    }

    fn devices(&mut self, seen: &Seen<'_>, found: &mut Found) {
        for (position, since) in &mut self.devices {
            let status = seen.cell.segment().snapshot(*position);
            let gone = status.is_none_or(|status| !status.powered || !status.reachable);
            let held = since.update(gone, seen.now);
            refused(seen, held, SEEN_NS, found, || format!("device {position} is not there"));
        }
        for (number, (axis, since)) in seen.axes.iter().zip(&mut self.faults).enumerate() {
            let held = since.update(axis.faulted, seen.now);
            refused(seen, held, SEEN_NS, found, || format!("drive of axis {number} has a fault"));
        }
    }

    fn modes(
        &mut self,
        seen: &Seen<'_>,
        (automatic, manual): (Option<u64>, Option<u64>),
        found: &mut Found,
    ) {
        if let Some((_, _, neither)) = &mut self.key {
            let held = neither.update(automatic.is_none() && manual.is_none(), seen.now);
            refused(seen, held, 500 * MS + SEEN_NS, found, || "the key says no mode".to_owned());
        }
        if let Some((a, b, let_go)) = &mut self.enabling {
            let middle = seen.input(Some(*a)) && seen.input(Some(*b));
            let bad = !middle && manual.is_some();
            let held = let_go.update(bad, seen.now);
            let late = held.is_some_and(|held| held > SEEN_NS) && seen.run;
            found.unless(!late || !seen.alive, Rule::Manual, || {
                "it runs in manual, and nobody holds the enabling switch".to_owned()
            });
        }
    }
}

/// What has been so for longer than its reaction leaves no permit.
fn refused(
    seen: &Seen<'_>,
    held: Option<u64>,
    reaction_ns: u64,
    found: &mut Found,
    what: impl FnOnce() -> String,
) {
    let late = seen.run && held.is_some_and(|held| held > reaction_ns);
    found.unless(!late, Rule::Demand, || format!("it runs: {}", what()));
}
