//! From the drain to MCAP, per record: the records of the demo cell at work, written to memory and forgotten.

use std::io::{Seek, SeekFrom, Write};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rt_core::Record;
use supervisor::labels::Labels;
use supervisor::record::{Recorder, RunInfo};
use tactus_benches::demo::{self, Demo};

/// Cycles whose records are written over and over.
const CYCLES: u64 = 1000;

/// Takes bytes and forgets them: the disk is not measured.
#[derive(Default)]
struct Nowhere(u64);

impl Write for Nowhere {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Seek for Nowhere {
    fn seek(&mut self, _: SeekFrom) -> std::io::Result<u64> {
        Ok(self.0)
    }
}

fn records() -> Vec<Record> {
    let mut demo = Demo::running();
    demo.keep_records();
    for _ in 0..CYCLES {
        demo.before_step();
        demo.step();
        demo.after_step();
    }
    demo.take_records()
}

fn recorder(criterion: &mut Criterion) {
    let records = records();
    let labels = Labels::of(&demo::machine());
    let mut group = criterion.benchmark_group("recorder");
    group.throughput(Throughput::Elements(u64::try_from(records.len()).unwrap_or(u64::MAX)));
    group.sample_size(20);
    for (name, packed) in [("plain", false), ("lz4", true)] {
        let info = RunInfo { packed, ..RunInfo::default() };
        let mut recorder = Recorder::begin(Nowhere::default(), &labels, &info).expect("it begins");
        let mut sequence = 0;
        group.bench_function(name, |b| {
            b.iter(|| {
                for record in &records {
                    sequence += 1;
                    recorder.record(sequence, record).expect("nothing can fail");
                }
            });
        });
    }
    group.finish();
}

criterion_group!(benches, recorder);
criterion_main!(benches);
