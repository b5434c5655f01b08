//! A part on the two axes of the test machine, and persons around it.

use super::*;
use crate::interlock::AxisFacts;
use crate::plan::StreamPlan;
use crate::step::testing::machine_plan;
use crate::vision::Object;

/// 100 mm around the axes at (x, y), watched from −3 m to 4 m; C 200 mm, Zd 50 mm, Zr 5 mm.
pub(crate) fn plan() -> SeparationPlan {
    SeparationPlan {
        part: PartId(0),
        stream: StreamId(0),
        zone: 0,
        watched: square(-30_000, 40_000),
        person_speed: Nano(1600 * MM),
        intrusion: Nano(200 * MM),
        person_uncertainty: Nano(50 * MM),
        part_uncertainty: Nano(5 * MM),
        clock_error_ns: 0,
    }
}

pub(crate) fn square(low: i64, high: i64) -> Rectangle {
    Rectangle { low: [Nano(low * MM); 2], high: [Nano(high * MM); 2] }
}

pub(crate) fn part() -> PartPlan {
    PartPlan {
        group: GroupId(0),
        axes: [Some(AxisId(0)), Some(AxisId(1))],
        shape: square(-100, 100),
        travel: None,
    }
}

/// With stream 0 at most 100 ms old.
pub(crate) fn machine() -> MachinePlan {
    let mut machine = machine_plan();
    machine.parts = Box::new([part()]);
    for axis in &mut machine.axes {
        axis.model.margin = 0.0;
    }
    machine.streams =
        Box::new([StreamPlan { wire_id: 1, age_max_ns: 100_000_000, quality_min: 0 }]);
    machine
}

pub(crate) fn axis(position: i64, velocity: i64) -> AxisFacts {
    let mut facts = AxisFacts {
        position: Nano(position * MM),
        commanded: Nano(position * MM),
        velocity: Nano(velocity * MM),
        commanded_velocity: Nano(velocity * MM),
        ..AxisFacts::default()
    };
    facts.view.inputs_good = true;
    facts.view.referenced = true;
    facts
}

pub(crate) fn person(x: i32, y: i32) -> Object {
    Object { x, y, radius: 300, uncertainty: 30, ..Object::default() }
}

/// A picture of `persons` that counts, taken at `captured_at`.
pub(crate) fn view(captured_at: u64, persons: &[Object]) -> StreamView {
    let mut view = StreamView { evaluated: 1, captured_at, refusal: None, ..StreamView::SILENT };
    view.clear = u32::from(persons.is_empty());
    view.seen = u8::try_from(persons.len()).unwrap();
    view.shown[..persons.len()].copy_from_slice(persons);
    view
}
