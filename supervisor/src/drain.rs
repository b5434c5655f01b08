//! From the loop to people and disk: takes the records, sums them up, hands them to the recording. And the loop's own ends of the
//! channels.

use std::time::Duration;

use rt_channel::{latest, stream, swap};
use rt_core::checkpoint::{Checkpoint, Whole};
use rt_core::cycle::{Command, Ports};
use rt_core::flight::Ring;
use rt_core::plan::AxisId;
use rt_core::program::Program;
use rt_core::record::{Body, Event, Picture, Record};
use rt_core::signal::Signals;
use rt_core::step::Core;
use rt_core::vision::{Inspected, Received, STREAMS_MAX, VisionInputs};

use crate::audit::Audit;
use crate::flight::RingGiver;
use crate::forward::{Forward, GatewayState, QueueState};
use crate::ledger::{Account, Book, Life, Witness};
use crate::record::{FileRecorder, RecorderThread, Stored, messages};
use crate::report::Ledger;
use crate::stats::Statistics;
use crate::vision::Datagram;
use twin_lite::Nano;

/// Records that fit between the loop and the drain, at least: more than a second of a busy small machine at 1 kHz, so that the stop that a
/// silent supervisor causes is told.
pub const STREAM_RECORDS: usize = 16_384;
/// Inspection results that fit between the receiver and the loop: a quarter of a second of 1000 parts a second.
const STREAM_INSPECTIONS: usize = 256;
/// For every axis of a large machine: 50 cycles of all that an axis and its drive leave in one.
const STREAM_RECORDS_PER_AXIS: usize = 50 * 12;
/// Records taken at once, so that the heartbeat is never late: three rounds of the drain of a machine with 256 axes at 1 kHz.
const DRAIN_MAX: usize = 32_768;

/// Pictures that nobody asked for are not kept beyond this.
const PICTURES_MAX: usize = 256;

/// The loop's ends of its channels.
pub struct LoopPorts {
    records: stream::Producer<Record>,
    vision: latest::Reader<VisionInputs>,
    inspections: stream::Consumer<Inspected>,
    command: latest::Reader<Command>,
    flight: Option<RingGiver>,
    checkpoints: Option<swap::Giver<Box<Checkpoint>>>,
    witness: Option<Witness>,
}

impl LoopPorts {
    /// With a witness of what the loop left, for whoever comes after a kill.
    #[must_use]
    pub fn with_witness(self, witness: Option<Witness>) -> Self {
        Self { witness, ..self }
    }

    /// With a way out for the flight recorder's rings.
    #[must_use]
    pub fn with_flight(self, giver: RingGiver) -> Self {
        Self { flight: Some(giver), ..self }
    }

    /// With a way out for checkpoints.
    #[must_use]
    pub fn with_checkpoints(self, giver: swap::Giver<Box<Checkpoint>>) -> Self {
        Self { checkpoints: Some(giver), ..self }
    }
}

impl Ports for LoopPorts {
    fn vision(&mut self) -> &VisionInputs {
        self.vision.read()
    }

    fn inspection(&mut self) -> Option<Inspected> {
        self.inspections.pop().map(|(_, result)| result)
    }

    fn command(&mut self) -> Command {
        *self.command.read()
    }

    fn record(&mut self, record: Record) {
        // SR-044
        if let Some(witness) = &self.witness {
            // Ahead of the record, so that nobody ever holds one that is not counted.
            witness.note(self.records.produced().saturating_add(1));
        }
        // Full: the stream counts it, and the sequence shows the gap.
        let _ = self.records.push(record);
    }

    fn freeze(&mut self, ring: &mut Box<Ring>) -> bool {
        self.flight.as_mut().is_some_and(|giver| giver.swap(ring))
    }

    fn checkpoint(&mut self, taken: &mut Box<Checkpoint>) -> bool {
        self.checkpoints.as_mut().is_some_and(|giver| giver.swap(taken))
    }
}

/// The other ends.
pub struct Outside {
    /// What the loop leaves.
    pub records: stream::Consumer<Record>,
    /// What the cameras say.
    pub vision: latest::Writer<VisionInputs>,
    /// What became of parts that cameras looked at.
    pub inspections: stream::Producer<Inspected>,
    /// What people say.
    pub command: latest::Writer<Command>,
}

/// All channels of a loop with this many axes. All memory is allocated here.
#[must_use]
pub fn channels(axes: usize) -> (LoopPorts, Outside) {
    let (producer, consumer) =
        stream::channel(STREAM_RECORDS.max(axes.saturating_mul(STREAM_RECORDS_PER_AXIS)));
    let (vision_writer, vision) = latest::channel([Received::default(); STREAMS_MAX]);
    let (inspections_producer, inspections) = stream::channel(STREAM_INSPECTIONS);
    let (command_writer, command) = latest::channel(Command::default());
    let ports = LoopPorts {
        records: producer,
        vision,
        inspections,
        command,
        flight: None,
        checkpoints: None,
        witness: None,
    };
    let outside = Outside {
        records: consumer,
        vision: vision_writer,
        inspections: inspections_producer,
        command: command_writer,
    };
    (ports, outside)
}

/// Checkpoints that may wait for the drain: one a second and one for each trip come.
const CHECKPOINTS: usize = 4;

/// A way out of the loop for the checkpoints of this machine. All memory is allocated here.
#[must_use]
pub fn checkpoints<P: Program>(core: &mut Core<P>) -> (swap::Giver<Box<Checkpoint>>, Checkpoints) {
    let mut signals = Signals::new(usize::from(core.plan().signal_count));
    let mut vision = [Received::default(); STREAMS_MAX];
    let whole = &mut Whole { core, signals: &mut signals, vision: &mut vision };
    let spare = Box::new(Checkpoint::for_state(whole));
    let (giver, taker) = swap::channel(vec![spare; CHECKPOINTS]);
    (giver, Checkpoints(taker))
}

/// The drain's end of the checkpoints.
pub struct Checkpoints(swap::Taker<Box<Checkpoint>>);

/// Where records go.
pub enum Recording {
    /// Nowhere.
    Off,
    /// To the file, in this thread.
    Direct(Box<FileRecorder>),
    /// To the file, by a thread of its own.
    Threaded(Box<RecorderThread>),
}

/// Takes the loop's records.
pub struct Drain {
    /// What the run amounts to so far.
    pub statistics: Statistics,
    /// Offsets that homing found, for whoever keeps them: to be taken after each [`take`](Self::take).
    pub homed: Vec<(AxisId, Nano)>,
    /// Datagrams of cameras that the loop took, and when, ns: to be taken after each [`take`](Self::take).
    pub pictures: Vec<(Picture, u64)>,
    recording: Recording,
    audit: Audit,
    forward: Forward,
    not_recorded: u64,
    park: Option<Duration>,
    book: Option<Book>,
    account: Account,
}

impl Drain {
    /// Begins with nothing.
    #[must_use]
    pub fn new(statistics: Statistics, recording: Recording) -> Self {
        let audit = Audit::off();
        Self {
            statistics,
            recording,
            audit,
            forward: Forward::off(),
            homed: Vec::new(),
            pictures: Vec::new(),
            not_recorded: 0,
            park: None,
            book: None,
            account: Account::default(),
        }
    }

    /// With the book that outlives the run.
    #[must_use]
    pub fn with_book(self, book: Option<Book>) -> Self {
        Self { book, ..self }
    }

    /// For the loop: where it writes down how much it has left.
    #[must_use]
    pub fn witness(&self) -> Option<Witness> {
        self.book.as_ref().and_then(Book::witness)
    }

    /// The account of the loop's records, as it was looked at last.
    #[must_use]
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// What the runs before this one amount to.
    #[must_use]
    pub fn life(&self) -> Option<&Life> {
        self.book.as_ref().map(Book::life)
    }

    /// With an audit log.
    #[must_use]
    pub fn with_audit(self, audit: Audit) -> Self {
        Self { audit, ..self }
    }

    /// With plant systems to forward to.
    #[must_use]
    pub fn with_forward(self, forward: Forward) -> Self {
        Self { forward, ..self }
    }

    /// How the queue for plant systems and its gateway are; `None`: nothing is exported.
    #[must_use]
    pub fn forward_state(&self) -> Option<(QueueState, Option<GatewayState>)> {
        self.forward.state()
    }

    /// The next record taken holds this thread up for so long, before its place in the stream is given back. See
    /// [`Park`](crate::run::Park).
    pub fn park(&mut self, length: Duration) {
        self.park = Some(length);
    }

    /// Takes what is there now, up to a bound; returns how many.
    pub fn take(&mut self, records: &mut stream::Consumer<Record>) -> usize {
        self.take_seen(records, &mut |_| {})
    }

    /// As [`take`](Self::take); `seen` looks at each record.
    pub fn take_seen(
        &mut self,
        records: &mut stream::Consumer<Record>,
        seen: &mut dyn FnMut(&Record),
    ) -> usize {
        let Self { statistics, homed, pictures, recording, audit, forward, .. } = self;
        let (not_recorded, park) = (&mut self.not_recorded, &mut self.park);
        let taken = records.drain(DRAIN_MAX, |sequence, record| {
            if let Some(length) = park.take() {
                std::thread::sleep(length);
            }
            statistics.take(&record);
            if let Body::Picture(picture) = record.body
                && pictures.len() < PICTURES_MAX
            {
                pictures.push((picture, record.now));
            }
            seen(&record);
            forward.take(sequence, &record);
            if let Body::Event(event) = &record.body {
                audit.event(&record, event);
                if let Event::Referenced { axis, offset, kept: false } = *event {
                    homed.push((axis, offset));
                }
            }
            match recording {
                Recording::Off => *not_recorded += 1,
                Recording::Direct(recorder) => recorder.record(sequence, &record),
                Recording::Threaded(thread) => thread.record(sequence, &record),
            }
        });
        if let Recording::Threaded(thread) = recording {
            thread.hand_over();
        }
        forward.hand_over();
        let stored = || stored(recording);
        for knock in forward.knocks() {
            audit.knock(statistics.now, &knock);
        }
        audit.look(statistics.now, records.dropped(), stored);
        for text in audit.news() {
            tracing::error!("{text}");
            eprintln!("tactus: {text}");
            note(recording, statistics.now, &text);
        }
        self.balance(records);
        taken
    }

    /// Looks whether everything that the loop left is somewhere.
    fn balance(&mut self, records: &stream::Consumer<Record>) {
        // In this order: what the loop leaves meanwhile waits, and is not missing.
        let (stored, on_the_way) = account(&self.recording);
        let counts = records.counts();
        let known = stored.stored + stored.dropped + self.not_recorded + on_the_way;
        let in_ring = counts.produced.saturating_sub(counts.popped + counts.dropped);
        let before = &self.account;
        let mut account = Account {
            produced: counts.produced,
            stored: stored.stored,
            dropped_by_ring: counts.dropped,
            dropped_by_recorder: stored.dropped,
            not_recorded: self.not_recorded,
            waiting: on_the_way + in_ring,
            ring_high_water: u64::try_from(records.high_water()).unwrap_or(u64::MAX),
            ring_capacity: u64::try_from(records.capacity()).unwrap_or(u64::MAX),
            looks: before.looks + 1,
            imbalances: before.imbalances,
        };
        // What was taken out of the ring is counted here, one by one; what became of it, by the recorder.
        if known != counts.popped || !account.holds() {
            account.imbalances += 1;
            if before.imbalances == 0 {
                eprintln!("tactus: THE RAW LEDGER DOES NOT HOLD: {account:?}");
            }
        }
        self.account = account;
    }

    /// Records a camera's datagram.
    pub fn vision(&mut self, datagram: &Datagram) {
        match &mut self.recording {
            Recording::Off => {}
            Recording::Direct(recorder) => recorder.vision(datagram),
            Recording::Threaded(thread) => thread.vision(datagram),
        }
    }

    /// Records the checkpoints that the loop has taken.
    pub fn checkpoints(&mut self, from: &mut Checkpoints) {
        while let Some(taken) = from.0.take() {
            let words = taken.words().iter().flat_map(|word| word.to_le_bytes()).collect();
            let message = messages::Checkpoint { cycle: taken.cycle, words };
            match &mut self.recording {
                Recording::Off => {}
                Recording::Direct(recorder) => recorder.checkpoint(&message, taken.now),
                Recording::Threaded(thread) => thread.checkpoint(message, taken.now),
            }
            // It came from there: there is room.
            let _ = from.0.give_back(taken);
        }
    }

    /// Somebody outside asked something of the run.
    pub fn command(&mut self, time: u64, what: &str, sender: rt_linux::signal::Sender) {
        self.audit.command(time, what, sender);
    }

    /// Leaves a remark of the supervisor in the recording.
    pub fn note(&mut self, time: u64, text: &str) {
        self.audit.note(time, text);
        note(&mut self.recording, time, text);
    }

    /// What became of the records so far; what waits for the disk is neither stored nor dropped yet.
    #[must_use]
    pub fn stored(&self) -> Stored {
        stored(&self.recording)
    }

    /// After the loop has ended: takes the rest, ends the recording, and closes the ledger.
    pub fn finish(&mut self, records: &mut stream::Consumer<Record>) -> Ledger {
        while self.take(records) > 0 {}
        let stored = match &mut self.recording {
            Recording::Off => Stored::default(),
            Recording::Direct(recorder) => recorder.finish().clone(),
            Recording::Threaded(thread) => thread.finish(),
        };
        self.balance(records);
        let mut ledger = Ledger {
            produced: records.produced(),
            dropped_by_stream: records.dropped(),
            high_water: u64::try_from(records.high_water()).unwrap_or(u64::MAX),
            stored,
            not_recorded: self.not_recorded,
            audit: self.audit.finish(&self.statistics),
            forward: self.forward.finish(),
            account: self.account.clone(),
            life: None,
        };
        if let Some(book) = self.book.take() {
            match book.end(&ledger) {
                Ok(life) => ledger.life = Some(life),
                Err(wrong) => eprintln!("tactus: the ledger cannot be written: {wrong}"),
            }
        }
        ledger
    }
}

fn note(recording: &mut Recording, time: u64, text: &str) {
    match recording {
        Recording::Off => {}
        Recording::Direct(recorder) => recorder.note(time, text),
        Recording::Threaded(thread) => thread.note(time, text),
    }
}

fn stored(recording: &Recording) -> Stored {
    account(recording).0
}

/// What became of the records taken, and how many are on their way to the recorder.
fn account(recording: &Recording) -> (Stored, u64) {
    match recording {
        Recording::Off => (Stored::default(), 0),
        Recording::Direct(recorder) => (recorder.stored(), 0),
        Recording::Threaded(thread) => thread.account(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labels::example;
    use crate::record::RunInfo;
    use rt_core::record::{Body, CycleRecord};

    fn record(cycle: u64) -> Record {
        Record { cycle, now: 1 + cycle, body: Body::Cycle(CycleRecord::default()) }
    }

    fn holds(ledger: &Ledger) {
        assert_eq!(
            ledger.produced,
            ledger.stored.stored
                + ledger.stored.dropped
                + ledger.dropped_by_stream
                + ledger.not_recorded
        );
    }

    #[test]
    fn what_the_loop_produced_was_stored_or_counted_as_dropped_even_if_the_stream_was_full() {
        let folder = crate::folder::Folder::new("drain");
        let file = FileRecorder::create(&folder.join("a.mcap"), &example(), &RunInfo::default());
        for recording in [
            Recording::Off,
            Recording::Direct(Box::new(file.unwrap())),
            Recording::Threaded(Box::new(
                RecorderThread::spawn(
                    FileRecorder::create(&folder.join("b.mcap"), &example(), &RunInfo::default())
                        .unwrap(),
                )
                .unwrap(),
            )),
        ] {
            let off = matches!(recording, Recording::Off);
            let (mut ports, mut outside) = channels(0);
            let mut drain = Drain::new(Statistics::new(vec![]), recording);
            let produced = u64::try_from(STREAM_RECORDS).unwrap() + 100;
            (0..produced).for_each(|cycle| ports.record(record(cycle)));
            let ledger = drain.finish(&mut outside.records);
            assert_eq!(ledger.produced, produced);
            assert_eq!(ledger.dropped_by_stream, 100);
            assert_eq!(ledger.stored.stored == 0, off);
            holds(&ledger);
        }
    }

    #[test]
    fn a_reader_held_up_in_the_middle_of_taking_costs_what_does_not_fit_and_counts_it() {
        let (mut ports, mut outside) = channels(0);
        let mut drain = Drain::new(Statistics::new(vec![]), Recording::Off);
        let fits = u64::try_from(STREAM_RECORDS).unwrap();
        ports.record(record(0));
        drain.park(Duration::from_millis(200));
        std::thread::scope(|scope| {
            let taking = scope.spawn(|| drain.take(&mut outside.records));
            std::thread::sleep(Duration::from_millis(50));
            assert!(!taking.is_finished(), "it is held up");
            (1..fits + 10).for_each(|cycle| ports.record(record(cycle)));
            assert_eq!(taking.join().unwrap(), 1);
        });
        let ledger = drain.finish(&mut outside.records);
        assert_eq!(ledger.dropped_by_stream, 10, "the place of the one being taken was not free");
        holds(&ledger);
    }

    #[test]
    // SR-044
    fn a_disk_that_fails_while_it_records_costs_records_and_nothing_else() {
        let folder = crate::folder::Folder::new("failing-disk");
        let path = folder.join("run.mcap");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let pipe = path.clone();
        // Takes a part of the recording, then the pipe breaks.
        let disk = std::thread::spawn(move || {
            let mut part = vec![0; 600_000];
            std::io::Read::read_exact(&mut std::fs::File::open(pipe).unwrap(), &mut part).unwrap();
        });
        let recorder = FileRecorder::create(
            &path,
            &example(),
            &RunInfo { packed: true, ..RunInfo::default() },
        )
        .unwrap();
        let (mut ports, mut outside) = channels(0);
        let recording = Recording::Direct(Box::new(recorder));
        let mut drain = Drain::new(Statistics::new(vec![]), recording);
        for cycle in 0..300_000 {
            ports.record(record(cycle));
            if cycle % 1000 == 0 {
                drain.take(&mut outside.records);
            }
        }
        let ledger = drain.finish(&mut outside.records);
        disk.join().unwrap();
        holds(&ledger);
        assert_eq!(drain.statistics.cycles, 300_000, "the run went on");
        assert!(ledger.stored.stored > 0 && ledger.stored.dropped > 0, "{ledger:?}");
        assert!(ledger.stored.fault.as_deref().is_some_and(|fault| fault.contains("run.mcap")));
    }

    #[test]
    fn a_recording_whose_first_bytes_fail_is_refused_before_the_run() {
        let full = std::path::Path::new("/dev/full");
        let recorder = FileRecorder::create(full, &example(), &RunInfo::default());
        assert!(recorder.is_err(), "the first bytes already fail there");
        assert_eq!(recorder.err().unwrap().code, crate::exit::ExitCode::Environment);
    }
}
