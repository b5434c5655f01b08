//! One cycle of the bus: exchange, decode and encode with the segment in the same thread; then each side alone with the same frames.
//!
//! | bench | what is in it |
//! | --- | --- |
//! | `both` | MainDevice and segment, in virtual time; all drives are switched on and hold |
//! | `main_device` | MainDevice: the answers come back at once |
//! | `segment` | devices (demo cell: and the world behind them): time passes, the frames go through |

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, criterion_group, criterion_main};
use fieldbus::link::{FRAME_MAX, Wire};
use rt_core::bus::BusState;
use tactus_benches::demo;
use tactus_benches::rig::{Rig, servos};

fn each<W: Wire>(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, mut rig: Rig<W>) {
    group.bench_function(BenchmarkId::new("both", name), |b| b.iter(|| rig.cycle()));
    let frames = rig.frames();
    let mut scratch = [0; FRAME_MAX];
    group.bench_function(BenchmarkId::new("segment", name), |b| {
        b.iter(|| rig.segment(&frames, &mut scratch));
    });
    let before = rig.cycle();
    assert_eq!(before.state, BusState::Operational, "the segment came along");
    assert_eq!(before.counts.working_counter_errors, 0);
    rig.answer_alone();
    group.bench_function(BenchmarkId::new("main_device", name), |b| b.iter(|| rig.cycle()));
    let last = rig.cycle();
    assert_eq!(last.units_good, last.units_all, "every answer was taken");
    assert_eq!(last.counts.received, last.counts.sent);
}

fn exchange(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("exchange");
    each(&mut group, "demo-cell", demo::holding(&demo::machine()));
    for count in [1, 16, 64] {
        each(&mut group, &format!("servos-{count}"), servos(count));
    }
    group.finish();
}

criterion_group!(benches, exchange);
criterion_main!(benches);
