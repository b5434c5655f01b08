//! `step` (interlocks, motion, twin, gate) for 1 to 64 axes, all of them moving.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tactus_benches::Bench;

fn step(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("step");
    for axes in [1, 4, 16, 64] {
        let mut bench = Bench::running(axes);
        group.throughput(Throughput::Elements(u64::from(axes)));
        group.bench_function(BenchmarkId::from_parameter(axes), |b| b.iter(|| bench.step()));
    }
    group.finish();
}

criterion_group!(benches, step);
criterion_main!(benches);
