//! The flight recorder in the loop, and what a reading of the clock (CLOCK_MONOTONIC) costs: a cycle makes eight more of them because of it.

use criterion::{Criterion, criterion_group, criterion_main};
use tactus_benches::flight::Flying;

fn flight(criterion: &mut Criterion) {
    let mut flying = Flying::new();
    criterion.bench_function("flight/cycle", |b| b.iter(|| flying.cycle()));
    criterion.bench_function("flight/clock", |b| b.iter(std::time::Instant::now));
}

criterion_group!(benches, flight);
criterion_main!(benches);
