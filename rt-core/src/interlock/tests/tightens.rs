//! `with_twin ≤ without_twin`: whatever the twin says, in whatever mode, no group may do more than without it.

use crate::bus::BusState;
use crate::interlock::*;
use crate::plan::StopOrder;
use crate::plan::{AxisId, TwinMode, TwinPlan};
use crate::step::log_testing::Kept;
use crate::step::testing::{MM, machine_plan};
use crate::vision::StreamId;
use alloc::vec::Vec;
use proptest::prelude::*;

fn row(cause: Cause, group: u8, reaction: Reaction, latch: bool) -> InterlockPlan {
    let effects = Box::new([Effect { group: GroupId(group), reaction }]);
    let blocks = Box::default();
    InterlockPlan { cause, effects, latch, when: When::Always, outputs: Box::new([]), blocks }
}

/// Interlocks that are there with and without the twin.
fn others() -> Vec<InterlockPlan> {
    let limit = Reaction::LimitSpeed(Nano(300 * MM));
    Vec::from([
        row(Cause::FollowingError { axis: AxisId(0) }, 0, Reaction::Stop1, true),
        row(Cause::DriveFault { axis: AxisId(1) }, 0, Reaction::Stop1, true),
        row(Cause::Zone { stream: StreamId(0), zone: 0 }, 0, limit, false),
    ])
}

fn of_twin() -> Vec<InterlockPlan> {
    let zone = Cause::TwinZone {
        axis: AxisId(0),
        stream: StreamId(0),
        zone: 0,
        from: Nano(300 * MM),
        to: Nano(400 * MM),
    };
    let slow = Reaction::LimitSpeed(Nano(100 * MM));
    Vec::from([
        row(Cause::TwinLimit { axis: AxisId(0) }, 0, Reaction::Stop2, true),
        row(Cause::TwinLimit { axis: AxisId(1) }, 0, Reaction::Stop1, false),
        row(Cause::TwinDoubt { axis: AxisId(1) }, 0, slow, false),
        row(zone, 0, Reaction::Stop2, false),
    ])
}

fn interlocks(rows: Vec<InterlockPlan>, twin: Option<TwinPlan>) -> Interlocks {
    let mut plan = machine_plan();
    (plan.interlocks, plan.twin) = (rows.into_boxed_slice(), twin);
    Interlocks::new(&plan)
}

fn mode() -> impl Strategy<Value = TwinMode> {
    prop_oneof![Just(TwinMode::Observe), Just(TwinMode::Advise), Just(TwinMode::Act)]
}

prop_compose! {
    fn axis()(
        place in -600 * MM..600 * MM,
        velocity in -2000 * MM..2000 * MM,
        commanded in -2000 * MM..2000 * MM,
        ahead in -200 * MM..200 * MM,
        stopping in 0..700 * MM,
        (good, referenced, fault, doubted) in any::<(bool, bool, bool, bool)>(),
        error in 0.0..10.0_f64,
        derated in proptest::option::of(0..1500 * MM),
    ) -> AxisFacts {
        let mut facts = AxisFacts {
            position: Nano(place),
            velocity: Nano(velocity),
            commanded_velocity: Nano(commanded),
            commanded_stop: Nano(place + ahead),
            stopping: Nano(stopping),
            stopping_worst: Nano(stopping * 2),
            margin: Nano(MM),
            following_error_max: Nano(5 * MM),
            derated: derated.map(Nano),
            doubted,
            ..AxisFacts::default()
        };
        facts.view.inputs_good = good;
        facts.view.referenced = referenced;
        facts.view.fault = fault;
        facts.view.following_error = error;
        facts
    }
}

fn groups(interlocks: &mut Interlocks, axes: &[AxisFacts], clear: bool) -> Vec<GroupDemand> {
    let exchange = Exchange { state: BusState::Operational, ..Exchange::default() };
    let streams = [StreamView {
        clear: u32::from(clear),
        captured_at: 900,
        refusal: None,
        ..StreamView::SILENT
    }];
    let facts = Facts {
        now: 1000,
        signals: &Signals::new(60),
        exchange: &exchange,
        axes,
        missed: &[],
        streams: &streams,
        overruns_exceeded: false,
        supervisor_at: 1000,
        stale_after_ns: 0,
    };
    interlocks.evaluate(&facts, &mut Kept::default().log(1000));
    interlocks.groups().to_vec()
}

/// As strong a stop, as low a speed.
fn no_more(with: &GroupDemand, without: &GroupDemand) -> bool {
    let rank = |demand: &GroupDemand| demand.stop.map_or(Reaction::None, |stop| stop.reaction);
    let order = StopOrder::Category0Worst;
    order.rank(rank(with)) >= order.rank(rank(without))
        && with.speed_limit <= without.speed_limit
        && with.speed_advised <= without.speed_advised
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    // SR-051
    fn with_the_twin_no_group_may_do_more_than_without_it(
        states in proptest::collection::vec((axis(), axis(), any::<bool>()), 1..4),
        slow in mode(),
        stop in mode(),
        planned in any::<bool>(),
    ) {
        let twin = planned.then(|| TwinPlan { slow, stop, ..TwinPlan::default() });
        let mut with = interlocks(others().into_iter().chain(of_twin()).collect(), twin);
        let mut without = interlocks(others(), None);
        for (first, second, clear) in states {
            let third = AxisFacts::default();
            let told = groups(&mut with, &[first, second, third], clear);
            let plain = |facts: AxisFacts| AxisFacts { derated: None, doubted: false, ..facts };
            let axes = [plain(first), plain(second), third];
            for (with, without) in told.iter().zip(groups(&mut without, &axes, clear)) {
                prop_assert!(no_more(with, &without), "{with:?} {without:?}");
            }
        }
    }

    #[test]
    // SR-051
    fn a_decision_that_only_observes_does_nothing_and_one_that_acts_does_all(
        first in axis(),
        second in axis(),
    ) {
        let rows = || Vec::from([row(Cause::TwinLimit { axis: AxisId(0) }, 0, Reaction::Stop2, false)]);
        let plan = |mode| TwinPlan { slow: mode, stop: mode, ..TwinPlan::default() };
        let axes = [AxisFacts { derated: None, ..first }, AxisFacts { derated: None, ..second }];
        let [observed, advised, acted, unplanned] = [
            Some(plan(TwinMode::Observe)),
            Some(plan(TwinMode::Advise)),
            Some(plan(TwinMode::Act)),
            None,
        ].map(|twin| groups(&mut interlocks(rows(), twin), &axes, true));
        prop_assert_eq!(&acted, &unplanned);
        prop_assert_eq!(&observed, &advised);
        // Inputs that are not good are a demand in every mode.
        let known = first.view.inputs_good;
        prop_assert_eq!(observed[0] == GroupDemand::NONE, known);
    }
}
