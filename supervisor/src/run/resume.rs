//! A segment that is brought to where a checkpoint's loop can go on: up, in Op, drives enabled as they were, axes moving as they were.

use config::Machine;
use fieldbus::link::InlineLink;
use fieldbus::{EtherCat, bring_up, time};
use rt_core::Bus as _;
use rt_core::bus::BusState;
use rt_core::plan::AxisPlan;
use rt_core::signal::Signals;

use super::link::{CellLink, Tapped};
use super::virtual_time::{START_NS, VirtualLink};
use crate::cell::{Cell, Disturbed};
use crate::exit::Error;
use crate::what_if::{Moment, Stand};

/// From bring-up to Op and enabled drives, at most, cycles.
const CYCLES_MAX: u64 = 60_000;
/// Mode of operation: cyclic synchronous position (0x6060).
const MODE_CSP: i64 = 8;

/// What stands behind a moment.
pub(super) struct Behind<'a> {
    machine: Machine,
    signals: Signals,
    axes: Vec<Stand>,
    moment: &'a Moment,
    seed: u64,
    horizon_ns: u64,
}

impl<'a> Behind<'a> {
    pub(super) fn new(
        machine: &Machine,
        (signals, axes): (Signals, Vec<Stand>),
        moment: &'a Moment,
        (seed, horizon_ns): (u64, u64),
    ) -> Self {
        let machine = moment.placed(machine, &axes);
        Self { machine, signals, axes, moment, seed, horizon_ns }
    }

    /// The bus, ready for the moment's next cycle, at its time.
    pub(super) fn bus(&self) -> Result<EtherCat<VirtualLink>, Error> {
        // How long it takes is the same each time: the first time it is measured.
        drop(self.ready(START_NS)?);
        let took = time::now().saturating_sub(START_NS);
        let begins = self.moment.now.checked_sub(took).filter(|begins| *begins > 0);
        let begins = begins.ok_or_else(|| {
            Error::file(format!(
                "this moment is too early: the segment takes {:.1} s to come up before it\n  \
                 begin with the recording as a whole: leave the moment out",
                std::time::Duration::from_nanos(took).as_secs_f64()
            ))
        })?;
        let bus = self.ready(begins)?;
        time::advance_virtual(self.moment.now);
        Ok(bus)
    }

    fn ready(&self, begins: u64) -> Result<EtherCat<VirtualLink>, Error> {
        let machine = &self.machine;
        let cell = Cell::new(machine, self.seed, begins, self.horizon_ns, None)?;
        let disturbance = cell.disturbance();
        let link = Disturbed::new(InlineLink::new(cell, begins), disturbance);
        let mut bus = bring_up(Tapped::new(link, None), &machine.bus, &mut |_| {})
            .map_err(|wrong| Error::bus(format!("{}: {wrong}", machine.name)))?;
        let now = bus.aligned_start(time::now());
        time::advance_virtual(now);
        self.enable(&mut bus)?;
        let cell = bus.link_mut().cell();
        for place in 0..cell.world().axis_count() {
            let Some(stand) = cell.machine_axis(place).and_then(|axis| self.axes.get(axis)) else {
                continue;
            };
            if stand.enabled {
                cell.world_mut().set_moving(place, stand.velocity, stand.torque_permille);
            }
        }
        Ok(bus)
    }

    /// Cycles until every device is in Op and every drive that was enabled is so, its brake released.
    fn enable(&self, bus: &mut EtherCat<VirtualLink>) -> Result<(), Error> {
        let plan = &self.machine.plan;
        let mut signals = Signals::new(usize::from(plan.signal_count));
        let released = plan.axes.iter().filter_map(|axis| axis.brake.map(|it| it.release_ns));
        let patience = released.max().unwrap_or(0) / plan.period_ns + 2;
        let mut next = time::now();
        let mut enabled_for = 0;
        for _ in 0..CYCLES_MAX {
            next = next.saturating_add(plan.period_ns);
            time::advance_virtual(next);
            let deadline = next.saturating_add(self.machine.cycle.receive_deadline_ns);
            let exchange = bus.exchange(next, deadline);
            next = next.saturating_add_signed(i64::from(bus.pace().trim_ns));
            bus.decode(&mut signals);
            let mut ready = exchange.state == BusState::Operational && !exchange.dc_unlocked;
            for output in &plan.outputs {
                let kept = self.signals.get(output.signal).value;
                signals.set(output.signal, kept, next);
            }
            for (axis, stand) in plan.axes.iter().zip(&self.axes) {
                ready &= climb(axis, stand, &mut signals, next);
            }
            bus.encode(&signals);
            enabled_for = if ready { enabled_for + 1 } else { 0 };
            if enabled_for > patience {
                return Ok(());
            }
        }
        Err(Error::bus(format!(
            "{}: the drives of the virtual cell do not become enabled as they were at this moment",
            self.machine.name
        )))
    }
}

/// One step up the drive's state machine; true: it is where it was. Source: IEC 61800-7-201, controlword commands.
fn climb(axis: &AxisPlan, stand: &Stand, signals: &mut Signals, now: u64) -> bool {
    let of = &axis.signals;
    let status = signals.good(of.statusword);
    let position = signals.get(of.actual_position).value;
    signals.set(of.target_position, position, now);
    if let Some(mode) = of.mode {
        signals.set(mode, MODE_CSP, now);
    }
    let word = match status.map(|status| status & 0x6F) {
        _ if !stand.enabled => 0x00,
        Some(0x21) => 0x07,
        Some(0x23 | 0x27) => 0x0F,
        _ => 0x06,
    };
    signals.set(of.controlword, word, now);
    let enabled = status.is_some_and(|status| status & 0x6F == 0x27);
    if let Some(release) = axis.brake.and_then(|brake| brake.release) {
        signals.set(release, i64::from(enabled && stand.enabled), now);
    }
    status.is_some() && (enabled || !stand.enabled)
}
