//! The channels between the loop and the rest, both ends in one thread: what an operation costs, not how long a cache line travels.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use rt_channel::{latest, stream};
use rt_core::Record;
use rt_core::record::{Body, CycleRecord};
use tactus_benches::Bench;

fn channels(criterion: &mut Criterion) {
    let record = Record { cycle: 1, now: 1, body: Body::Cycle(CycleRecord::default()) };
    let (mut producer, mut consumer) = stream::channel(8192);
    criterion.bench_function("stream/push-pop", |b| {
        b.iter(|| {
            let _ = producer.push(black_box(record));
            black_box(consumer.pop())
        });
    });
    let (mut full, _consumer) = stream::channel(1);
    let _ = full.push(record);
    criterion.bench_function("stream/push-full", |b| b.iter(|| full.push(black_box(record))));

    let snapshot = *Bench::running(4).status();
    let (mut writer, mut reader) = latest::channel(snapshot);
    criterion.bench_function("latest/write", |b| b.iter(|| writer.write(black_box(snapshot))));
    criterion.bench_function("latest/read-same", |b| b.iter(|| black_box(reader.read()).cycle));
    criterion.bench_function("latest/write-read", |b| {
        b.iter(|| {
            writer.write(black_box(snapshot));
            black_box(reader.read()).cycle
        });
    });
}

criterion_group!(benches, channels);
criterion_main!(benches);
