//! Brings a segment to Op with stock ethercrab and measures its exchange: `stock-exchange IFACE CYCLES PACE_NS WARM`.
//!
//! The protocol of all partners of `compare`: `begin` and `end` on stderr around the cycles that are measured, then one line of JSON
//! on stdout. PACE_NS 0: back to back.

use std::alloc::{GlobalAlloc, Layout, System};
use std::fmt::Write as _;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ethercrab::error::Error;
use ethercrab::std::{ethercat_now, tx_rx_task};
use ethercrab::subdevice_group::Op;
use ethercrab::{DefaultLock, MainDevice, MainDeviceConfig, PduStorage, SubDeviceGroup, Timeouts};
use nix::sys::resource::{UsageWho, getrusage};
use nix::time::{ClockId, clock_gettime};

const SUBDEVICES_MAX: usize = 64;
const PDI_MAX: usize = 2048;
const PDU_DATA_MAX: usize = PduStorage::element_size(1100);
const FRAMES_MAX: usize = 16;
const OP_CYCLES_MAX: u32 = 20_000;

type Group<State> = SubDeviceGroup<SUBDEVICES_MAX, PDI_MAX, DefaultLock, State>;

static PDU_STORAGE: PduStorage<FRAMES_MAX, PDU_DATA_MAX> = PduStorage::new();

/// Counts in all threads: the TX/RX task has one of its own.
struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: every call goes to `System` unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promises for `alloc` are `System`'s.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the block came from `System`, as all of ours do.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the block came from `System`, as all of ours do.
        unsafe { System.realloc(block, layout, size) }
    }
}

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [interface, cycles, pace, warm] = arguments.as_slice() else {
        eprintln!("usage: stock-exchange IFACE CYCLES PACE_NS WARM");
        return ExitCode::from(2);
    };
    let (Ok(cycles), Ok(pace), Ok(warm)) = (cycles.parse(), pace.parse(), warm.parse()) else {
        eprintln!("CYCLES, PACE_NS and WARM are numbers");
        return ExitCode::from(2);
    };
    match smol::block_on(measure(interface, cycles, Duration::from_nanos(pace), warm)) {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn to_op(interface: &str) -> Result<(MainDevice<'static>, Group<Op>), Error> {
    let (tx, rx, pdu_loop) = PDU_STORAGE.try_split().expect("split once");
    let timeouts = Timeouts {
        state_transition: Duration::from_secs(10),
        pdu: Duration::from_millis(500),
        eeprom: Duration::from_millis(500),
        mailbox_response: Duration::from_secs(2),
        ..Timeouts::default()
    };
    smol::spawn(tx_rx_task(interface, tx, rx).expect("interface")).detach();
    let maindevice = MainDevice::new(pdu_loop, timeouts, MainDeviceConfig::default());
    let group = maindevice.init_single_group::<SUBDEVICES_MAX, PDI_MAX>(ethercat_now).await?;
    let group = group.into_safe_op(&maindevice).await?;
    let group = group.request_into_op(&maindevice).await?;
    for _ in 0..OP_CYCLES_MAX {
        if group.tx_rx(&maindevice).await?.all_op() {
            return Ok((maindevice, group));
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    Err(Error::StateTransition)
}

/// Bytes and frames sent on `interface` so far.
fn sent(interface: &str) -> (u64, u64) {
    let text = std::fs::read_to_string("/proc/net/dev").unwrap_or_default();
    let line = text.lines().find_map(|line| line.trim_start().strip_prefix(interface));
    let fields: Vec<u64> =
        line.unwrap_or_default().split([' ', ':']).flat_map(str::parse).collect();
    let field = |at| fields.get(at).copied().unwrap_or(0);
    (field(8), field(9))
}

fn cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).expect("there is such a clock");
    time.tv_sec() as u64 * 1_000_000_000 + time.tv_nsec() as u64
}

fn switches() -> (i64, i64) {
    let usage = getrusage(UsageWho::RUSAGE_SELF).expect("of this process");
    (usage.voluntary_context_switches(), usage.involuntary_context_switches())
}

async fn measure(interface: &str, cycles: u32, pace: Duration, warm: u32) -> Result<String, Error> {
    let (maindevice, group) = to_op(interface).await?;
    let expected = group.tx_rx(&maindevice).await?.working_counter;
    let mut times = Vec::with_capacity(cycles as usize);
    let mut next = Instant::now();
    for _ in 0..warm {
        pause(&mut next, pace);
        group.tx_rx(&maindevice).await?;
    }
    eprintln!("begin");
    let net = sent(interface);
    let (counted, before, cpu) = (ALLOCATIONS.load(Ordering::Relaxed), switches(), cpu_ns());
    let mut wrong = 0;
    next = Instant::now();
    for _ in 0..cycles {
        pause(&mut next, pace);
        let began = Instant::now();
        let response = group.tx_rx(&maindevice).await?;
        times.push(u32::try_from(began.elapsed().as_nanos()).unwrap_or(u32::MAX));
        wrong += u32::from(response.working_counter != expected);
    }
    let cpu = cpu_ns() - cpu;
    let after = switches();
    let counted = ALLOCATIONS.load(Ordering::Relaxed) - counted;
    let (bytes, frames) = sent(interface);
    eprintln!("end");
    let mut line = format!(
        "{{\"wrong\":{wrong},\"cpu_ns\":{cpu},\"allocations\":{counted},\"switches_voluntary\":{},\
         \"switches_involuntary\":{},\"sent_bytes\":{},\"sent_frames\":{},\"round_trips_ns\":{times:?}",
        after.0 - before.0,
        after.1 - before.1,
        bytes - net.0,
        frames - net.1
    );
    line.write_char('}').expect("a string takes it");
    Ok(line)
}

/// Sleeps until the next cycle; its own thread alone, for the TX/RX task has another.
fn pause(next: &mut Instant, pace: Duration) {
    if pace.is_zero() {
        return;
    }
    *next += pace;
    let now = Instant::now();
    match next.checked_duration_since(now) {
        Some(left) => std::thread::sleep(left),
        None => *next = now,
    }
}
