//! What is counted in instructions: small, exact pieces of work, run by the program `counted` under callgrind.
//!
//! Only [`measured`] is counted; what prepares a piece of work is not. `tests/instructions.rs` compares the counts with those
//! stored in `benches/counts.json`.

use std::hint::black_box;

use rt_channel::{latest, stream};
use rt_core::Record;
use rt_core::record::{Body, CycleRecord};
use rt_core::step::Snapshot;
use twin_lite::axis::AxisTwin;

use crate::Bench;
use crate::rig::{Rig, Servos, free_plan, servos};

/// Most records that are under way in the counted streams.
const STREAM_RECORDS: usize = 64;

/// So many drives with 24 bytes of process data have 1 KiB.
const DRIVES_1_KIB: u16 = 43;

/// A piece of work.
pub struct Counted {
    /// `part/size`.
    pub name: &'static str,
    /// How often [`measured`] runs; the count is divided by it.
    pub repeats: u32,
    run: fn(u32, &mut dyn FnMut()),
}

impl Counted {
    /// Prepares the work, then does it `repeats` times; `planted` is done with it each time (a fault that must be found).
    pub fn run(&self, planted: &mut dyn FnMut()) {
        (self.run)(self.repeats, planted);
    }
}

/// All that is counted.
pub const ALL: [Counted; 12] = [
    Counted { name: "step/1", repeats: 100, run: |n, planted| step(1, n, planted) },
    Counted { name: "step/4", repeats: 100, run: |n, planted| step(4, n, planted) },
    Counted { name: "step/16", repeats: 100, run: |n, planted| step(16, n, planted) },
    Counted { name: "step/64", repeats: 50, run: |n, planted| step(64, n, planted) },
    Counted { name: "step/256", repeats: 20, run: |n, planted| step(256, n, planted) },
    Counted { name: "twin/update", repeats: 1000, run: twin },
    Counted { name: "stream/push", repeats: 1000, run: push },
    Counted { name: "stream/pop", repeats: 1000, run: pop },
    Counted { name: "latest/write-read", repeats: 1000, run: newest },
    Counted { name: "exchange/16", repeats: 100, run: exchange },
    Counted {
        name: "exchange/1KiB",
        repeats: 50,
        run: |n, planted| carry(DRIVES_1_KIB, n, planted),
    },
    Counted {
        name: "exchange/4KiB",
        repeats: 20,
        run: |n, planted| carry(4 * DRIVES_1_KIB, n, planted),
    },
];

/// The piece of work called `name`.
#[must_use]
pub fn find(name: &str) -> Option<&'static Counted> {
    const { &ALL }.iter().find(|counted| counted.name == name)
}

/// What callgrind counts: everything between its entry and its end.
#[inline(never)]
pub fn measured(work: &mut dyn FnMut()) {
    work();
}

fn step(axes: usize, repeats: u32, planted: &mut dyn FnMut()) {
    let mut bench = Bench::running(axes);
    for _ in 0..repeats {
        bench.surroundings();
        measured(&mut || {
            bench.decide();
            planted();
        });
    }
    assert!(bench.is_running(), "it was counted at work");
}

fn twin(repeats: u32, planted: &mut dyn FnMut()) {
    let bench = Bench::running(1);
    let model = &bench.plan().axes[0].model;
    let mut twin = AxisTwin::new(model, bench.plan().period_ns);
    for n in 0..repeats {
        let position = f64::from(n % 100);
        measured(&mut || {
            twin.update(black_box(position), black_box(100), Some(1_000_000));
            black_box(twin.stopping(4000.0, 100.0));
            planted();
        });
    }
}

fn record(cycle: u64) -> Record {
    Record { cycle, now: cycle, body: Body::Cycle(CycleRecord::default()) }
}

fn push(repeats: u32, planted: &mut dyn FnMut()) {
    let (mut producer, mut consumer) = stream::channel(STREAM_RECORDS);
    for n in 0..repeats {
        let item = record(n.into());
        measured(&mut || {
            let _ = black_box(producer.push(black_box(item)));
            planted();
        });
        black_box(consumer.pop());
    }
    assert_eq!(consumer.dropped(), 0);
}

fn pop(repeats: u32, planted: &mut dyn FnMut()) {
    let (mut producer, mut consumer) = stream::channel(STREAM_RECORDS);
    for n in 0..repeats {
        let _ = producer.push(record(n.into()));
        measured(&mut || {
            black_box(consumer.pop());
            planted();
        });
    }
    assert_eq!(consumer.counts().popped, u64::from(repeats));
}

fn newest(repeats: u32, planted: &mut dyn FnMut()) {
    let bench = Bench::running(1);
    let snapshot: Snapshot = *bench.status();
    let (mut writer, mut reader) = latest::channel(snapshot);
    for _ in 0..repeats {
        measured(&mut || {
            writer.write(black_box(snapshot));
            black_box(reader.read());
            planted();
        });
    }
}

fn exchange(repeats: u32, planted: &mut dyn FnMut()) {
    alone(servos(16), repeats, planted);
}

/// Process data of drives that stand.
fn carry(drives: u16, repeats: u32, planted: &mut dyn FnMut()) {
    alone(Rig::new(Servos::new(drives), &free_plan(drives)), repeats, planted);
}

/// The MainDevice alone: answers come back at once.
fn alone(mut rig: Rig<Servos>, repeats: u32, planted: &mut dyn FnMut()) {
    rig.frames();
    rig.answer_alone();
    for _ in 0..repeats {
        measured(&mut || {
            black_box(rig.cycle());
            planted();
        });
    }
}
