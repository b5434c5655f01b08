//! The response-time budget of an interlock: from what happens in the cell to a machine that stands, stage by stage.
//!
//! | stage | from … to | derived from |
//! | --- | --- | --- |
//! | sensor | it happens → the sensor says so | filters and patience of the cause; not known of terminals and cameras |
//! | transport | said → with the loop | `age_max` of the stream (less `sensor`), one period for wired inputs |
//! | cycle | with the loop → judged | one period: it just missed an exchange |
//! | bus | judged → the frame is on the wire | one period |
//! | drive | frame → the drive follows | `twin.response` of the slowest axis that is stopped |
//! | mechanics | following → everything stands | the longest stop that keeps torque, watchdog included |

use rt_core::plan::{AxisPlan, Cause, MachinePlan, MutingPlan, Reaction};
use rt_core::vision::StreamId;

/// The stages, in order.
pub const STAGES: [&str; 6] = ["sensor", "transport", "cycle", "bus", "drive", "mechanics"];

/// One stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stage {
    /// What follows from the machine file, ns.
    pub derived_ns: u64,
    /// What the file declares; `None`: nothing, and what is derived counts.
    pub declared_ns: Option<u64>,
}

impl Stage {
    /// What counts, ns.
    #[must_use]
    pub fn ns(&self) -> u64 {
        self.declared_ns.unwrap_or(self.derived_ns)
    }
}

/// The budget of one row of the cause-and-effect matrix.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Budget {
    /// In the order of [`STAGES`].
    pub stages: [Stage; 6],
    /// What all of it may take; `None`: not declared.
    pub total_ns: Option<u64>,
}

impl Budget {
    /// All stages, ns.
    #[must_use]
    pub fn sum_ns(&self) -> u64 {
        self.stages.iter().fold(0, |sum, stage| sum.saturating_add(stage.ns()))
    }

    /// Until the frame with the reaction leaves: what time stamps show while the machine runs, ns.
    #[must_use]
    pub fn until_wire_ns(&self) -> u64 {
        self.stages.iter().take(4).fold(0, |sum, stage| sum.saturating_add(stage.ns()))
    }

    /// The row number `row` of `plan`, with what the file declares of its stages.
    #[must_use]
    pub fn of(
        plan: &MachinePlan,
        row: usize,
        declared: [Option<u64>; 6],
        total_ns: Option<u64>,
    ) -> Self {
        let Some(interlock) = plan.interlocks.get(row) else { return Self::default() };
        let period = plan.period_ns;
        let stops = |group| {
            let mut effects = interlock.effects.iter();
            effects.any(|effect| effect.group == group && effect.reaction >= Reaction::Stop2)
        };
        let stopped = || plan.axes.iter().filter(|axis| stops(axis.group));
        let most = |of: &dyn Fn(&AxisPlan) -> u64| stopped().map(of).max().unwrap_or(0);
        let [declared_sensor, ..] = declared;
        let (sensor, transport) = match stream(&interlock.cause) {
            Some(stream) => {
                let age = plan.streams.get(usize::from(stream.0)).map_or(0, |s| s.age_max_ns);
                (0, age.saturating_sub(declared_sensor.unwrap_or(0)))
            }
            None => (patience(plan, &interlock.cause), period),
        };
        let drive = most(&|axis| axis.model.response_ns);
        let derived = [sensor, transport, period, period, drive, most(&standstill_ns)];
        let mut stages = [Stage::default(); 6];
        for (stage, (derived_ns, declared_ns)) in
            stages.iter_mut().zip(derived.into_iter().zip(declared))
        {
            *stage = Stage { derived_ns, declared_ns };
        }
        Self { stages, total_ns }
    }
}

/// The stream that a cause looks at.
#[must_use]
pub fn stream(cause: &Cause) -> Option<StreamId> {
    match *cause {
        Cause::Zone { stream, .. }
        | Cause::TwinZone { stream, .. }
        | Cause::StaleVision { stream } => Some(stream),
        Cause::Separation(plan) => Some(plan.stream),
        _ => None,
    }
}

/// How long what a cause watches may be wrong before it demands.
fn patience(plan: &MachinePlan, cause: &Cause) -> u64 {
    match *cause {
        Cause::WorkingCounter { cycles, .. } => u64::from(cycles).saturating_mul(plan.period_ns),
        Cause::Supervisor { age_max_ns } => age_max_ns,
        Cause::Threshold { band, .. } => band.filter_ns,
        Cause::Edm { time_ns, .. } | Cause::SafetyRequest { time_ns, .. } => time_ns,
        Cause::Muting(MutingPlan { muting_ns, .. }) => muting_ns,
        Cause::Overrun => {
            let count = plan.overrun.demand.map_or(0, |limit| u64::from(limit.count) + 1);
            count.saturating_mul(plan.period_ns)
        }
        _ => 0,
    }
}

/// From full speed to rest on the slower of the ways that keep torque: the gate's ramp, and watchdog and quick stop without the loop.
fn standstill_ns(axis: &AxisPlan) -> u64 {
    let time = |deceleration: twin_lite::Nano| {
        let ns = i128::from(axis.limits.velocity.0) * 1_000_000_000;
        let by = i128::from(deceleration.0.max(1));
        u64::try_from((ns + by - 1) / by).unwrap_or(u64::MAX)
    };
    let lost = time(axis.stop.quick_stop_deceleration).saturating_add(axis.stop.watchdog_ns);
    time(axis.stop.ramp_deceleration).max(lost)
}

/// ISO 13855:2024, line by line: S = K·T + D_DS + Z, mm, each product rounded up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Distance {
    /// T, ns.
    pub time_ns: u64,
    /// D_DS, mm.
    pub intrusion_mm: u64,
    /// Z, mm.
    pub tolerance_mm: u64,
}

/// mm / s: upper limbs, up to 500 mm; walking, beyond.
const UPPER_LIMBS: u64 = 2000;
const WALKING: u64 = 1600;
const LIMBS_MAX_MM: u64 = 500;

impl Distance {
    fn travelled(&self, speed: u64) -> u64 {
        speed.saturating_mul(self.time_ns).div_ceil(1_000_000_000)
    }

    fn at(&self, speed: u64) -> u64 {
        self.travelled(speed).saturating_add(self.intrusion_mm).saturating_add(self.tolerance_mm)
    }

    /// S, mm, and the K that it was calculated with.
    #[must_use]
    pub fn mm(&self) -> (u64, u64) {
        let near = self.at(UPPER_LIMBS);
        if near <= LIMBS_MAX_MM {
            return (near, UPPER_LIMBS);
        }
        (self.at(WALKING).max(LIMBS_MAX_MM), WALKING)
    }

    /// The arithmetic, a line each.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let show = |ns: u64| format!("{}.{:03} ms", ns / 1_000_000, ns % 1_000_000 / 1000);
        let line = |speed: u64| {
            format!(
                "S = K·T + D_DS + Z = {speed} mm/s · {} + {} mm + {} mm = {} + {} + {} = {} mm",
                show(self.time_ns),
                self.intrusion_mm,
                self.tolerance_mm,
                self.travelled(speed),
                self.intrusion_mm,
                self.tolerance_mm,
                self.at(speed)
            )
        };
        let near = self.at(UPPER_LIMBS);
        if near <= LIMBS_MAX_MM {
            return vec![line(UPPER_LIMBS)];
        }
        let mut lines = vec![
            format!("{} > {LIMBS_MAX_MM} mm: K = {WALKING} mm/s (walking)", line(UPPER_LIMBS)),
            line(WALKING),
        ];
        if self.at(WALKING) < LIMBS_MAX_MM {
            lines.push(format!("at least {LIMBS_MAX_MM} mm"));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distance(ms: u64, intrusion_mm: u64, tolerance_mm: u64) -> Distance {
        Distance { time_ns: ms * 1_000_000, intrusion_mm, tolerance_mm }
    }

    #[test]
    fn upper_limbs_count_up_to_500_mm_and_walking_beyond_and_never_less_than_500() {
        assert_eq!(distance(100, 100, 50).mm(), (350, 2000));
        assert_eq!(distance(175, 100, 50).mm(), (500, 2000));
        assert_eq!(distance(176, 100, 50).mm(), (500, 1600), "1600 would give 432");
        assert_eq!(distance(400, 850, 100).mm(), (1590, 1600));
        assert_eq!(distance(176, 100, 50).lines().len(), 3);
        let odd = Distance { time_ns: 1, intrusion_mm: 0, tolerance_mm: 0 };
        assert_eq!(odd.mm().0, 1, "rounded up");
    }
}
