//! A small machine for tests: two axes in one group, and one endless axis in another.

use crate::plan::{
    AxisId, AxisLimits, AxisModel, AxisPlan, AxisSignals, ControlPlan, Directions, GroupId,
    GroupPlan, GroupStop, HomingPlan, MachinePlan, OverrunPlan, ProgramPlan, Ratio, StopPlan,
    StopWay,
};
use crate::signal::SignalId;
use alloc::boxed::Box;
use alloc::vec::Vec;
use twin_lite::Nano;

pub(crate) const MM: i64 = 1_000_000_000;
pub(crate) const RESET: SignalId = SignalId(0);
pub(crate) const START: SignalId = SignalId(1);
pub(crate) const STOP: SignalId = SignalId(2);
/// Signals of axis n begin at 10 + 10·n.
pub(crate) const AXIS_SIGNALS: u16 = 10;

/// 1000 mm/s, 5000 mm/s², 100 000 mm/s³, ramp 10 000 mm/s², soft limits 0 and 500 mm.
pub(crate) fn axis_plan(number: u8) -> AxisPlan {
    let at = |n: u16| SignalId(10 + AXIS_SIGNALS * u16::from(number) + n);
    AxisPlan {
        group: GroupId(0),
        signals: AxisSignals {
            controlword: at(0),
            target_position: at(1),
            mode: Some(at(2)),
            statusword: at(3),
            actual_position: at(4),
            mode_display: Some(at(5)),
            actual_torque: None,
            following_error: None,
            error_code: Some(at(6)),
            digital_inputs: None,
            touch_probe_position: None,
        },
        counts_per_unit: Ratio { numerator: 10_000, denominator: 1 },
        wrap: None,
        limits: AxisLimits {
            position: Some((Nano(0), Nano(500 * MM))),
            velocity: Nano(1000 * MM),
            acceleration: Nano(5000 * MM),
            jerk: Nano(100_000 * MM),
            velocity_unreferenced: Nano(100 * MM),
            following_error: Nano(5 * MM),
            direction: Directions::BOTH,
            torque_permille: None,
        },
        stop: StopPlan {
            ramp_deceleration: Nano(10_000 * MM),
            quick_stop_deceleration: Nano(20_000 * MM),
            watchdog_ns: 100_000_000,
            connection_lost: StopWay::QuickStop,
            envelope: Nano(50 * MM),
            escalate_ns: 20_000_000,
        },
        brake: None,
        vertical: false,
        homing: HomingPlan::Here { position: Nano(100 * MM) },
        keeps: None,
        model: AxisModel {
            units_per_radian: 3.0,
            inertia_kgm2: 1e-3,
            rated_torque_nm: 2.0,
            peak_torque_nm: 60.0,
            viscous_nms: 1e-3,
            coulomb_nm: 0.05,
            gravity_nm: 0.0,
            response_ns: 4_000_000,
            margin: 1.0,
        },
    }
}

/// Axes 0 and 1 in group 0; axis 2, endless at 1000 mm, in group 1. 1 kHz.
pub(crate) fn machine_plan() -> MachinePlan {
    let mut belt = axis_plan(2);
    belt.group = GroupId(1);
    belt.wrap = Some(Nano(1000 * MM));
    belt.limits.position = None;
    let group = |axes: &[u8]| GroupPlan {
        axes: axes.iter().map(|axis| AxisId(*axis)).collect::<Vec<_>>().into_boxed_slice(),
        stop: GroupStop::default(),
    };
    MachinePlan {
        period_ns: 1_000_000,
        config_hash: 0x1122_3344_5566_7788,
        signal_count: 60,
        axes: Box::new([axis_plan(0), axis_plan(1), belt]),
        groups: Box::new([group(&[0, 1]), group(&[2])]),
        interlocks: Box::new([]),
        parts: Box::new([]),
        inspections: Box::new([]),
        streams: Box::new([]),
        outputs: Box::new([]),
        control: ControlPlan {
            reset: RESET,
            start: START,
            stop: Some(STOP),
            press_min_ns: 50_000_000,
            press_max_ns: 3_000_000_000,
        },
        mode: None,
        overrun: OverrunPlan { demand: None },
        program: ProgramPlan::default(),
        twin: None,
    }
}
