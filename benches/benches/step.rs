//! `step` (interlocks, motion, twin, gate) for 1 to 256 axes, all of them moving, and of the demo cell at work.
//!
//! What surrounds a step (ideal drives, a camera) is not timed.

use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tactus_benches::Bench;
use tactus_benches::demo::Demo;

fn step(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("step");
    for axes in [1, 4, 16, 64, 256] {
        let mut bench = Bench::running(axes);
        group.throughput(Throughput::Elements(u64::try_from(axes).unwrap_or(u64::MAX)));
        group.bench_function(BenchmarkId::from_parameter(axes), |b| {
            b.iter_custom(|cycles| {
                let mut spent = Duration::ZERO;
                for _ in 0..cycles {
                    bench.surroundings();
                    let began = Instant::now();
                    bench.decide();
                    spent += began.elapsed();
                }
                spent
            });
        });
        assert!(bench.is_running(), "it was measured at work");
    }
    group.finish();
}

/// Only `step` is timed; bus, devices and world move the machine on in between.
fn demo_cell(criterion: &mut Criterion) {
    let mut demo = Demo::running();
    criterion.bench_function("step/demo-cell", |b| {
        b.iter_custom(|cycles| {
            let mut spent = Duration::ZERO;
            for _ in 0..cycles {
                demo.before_step();
                let began = Instant::now();
                demo.step();
                spent += began.elapsed();
                demo.after_step();
            }
            spent
        });
    });
}

criterion_group!(benches, step, demo_cell);
criterion_main!(benches);
