//! What is measured, each in a process of its own: our exchange, a bare socket, and the segment that answers them.
//!
//! Every master brings the segment to Op, warms up, says `begin` and `end` on stderr around the cycles that are measured (what counts
//! system calls looks for them), and prints one line of JSON. Partners that we did not write do the same (`tests/third-party`).

use std::io::Read as _;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use fieldbus::bring_up;
use fieldbus::link::{ETHERTYPE, FRAME_MAX, Link as _, RawOptions, Wire as _, raw, raw_with};
use fieldbus::wire::Frame;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::socket::{MsgFlags, recv, send, setsockopt, sockopt::ReceiveTimeout};
use nix::sys::time::{TimeVal, TimeValLike as _};
use nix::time::{ClockId, clock_gettime};
use rt_core::bus::Exchange;
use rt_core::bus::{Bus as _, BusState};
use rt_core::signal::{SignalId, Signals};
use rt_linux::clock::{Monotonic, now};
use rt_linux::guard::thread_counts;
use serde_json::json;
use tactus_benches::rig::{Servos, free_plan};

/// A frame that is not back by then is lost, ns; the same for all partners.
pub(crate) const REPLY_NS: u64 = 20_000_000;
/// Cycles until Op, at most.
const OP_CYCLES_MAX: u32 = 20_000;
/// Between the cycles on the way to Op, ns.
const OP_PERIOD_NS: u64 = 200_000;
/// Frames whose time in the segment is kept.
const PASSES_MAX: usize = 1 << 20;
/// Commands LRD, LWR and LRW: the frame carries process data.
const LOGICAL: std::ops::RangeInclusive<u8> = 10..=12;

/// As a program that knows nothing of rings opens it.
const NO_RING: RawOptions = RawOptions { ring: false, awake_ns: 0 };

/// One block of cycles.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Block {
    /// How many are measured.
    pub(crate) cycles: u32,
    /// Period, ns; 0: back to back.
    pub(crate) pace_ns: u64,
    /// How many go before.
    pub(crate) warm: u32,
}

pub(crate) type Outcome = Result<(), String>;

pub(crate) fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Runs `block` of `cycle`, which says whether the cycle was right, and prints what it took. `frames`: so many of them a cycle.
pub(crate) fn measure(
    (interface, block): (&str, Block),
    frames: u64,
    mut cycle: impl FnMut(u64) -> Result<bool, String>,
) -> Outcome {
    measure_then((interface, block), frames, |began| {
        let right = cycle(began)?;
        Ok((right, now()))
    })
}

/// The same for cycles that go on when process data may be used: `cycle` says when that was.
fn measure_then(
    (interface, block): (&str, Block),
    frames: u64,
    mut cycle: impl FnMut(u64) -> Result<(bool, u64), String>,
) -> Outcome {
    let mut times = Vec::with_capacity(usize::try_from(block.cycles).unwrap_or(0));
    let mut clock = Monotonic::new(0);
    let mut next = now();
    let mut turn = |next: &mut u64| -> Result<(u64, bool), String> {
        if block.pace_ns > 0 {
            *next += block.pace_ns;
            clock.sleep_until(*next);
        }
        let began = now();
        let (right, ended) = cycle(began)?;
        if ended > *next + block.pace_ns {
            *next = ended;
        }
        Ok((ended - began, right))
    };
    for _ in 0..block.warm {
        turn(&mut next)?;
    }
    let mut wrong = 0u32;
    eprintln!("begin");
    let (net, counted, before, cpu) = (sent(interface), thread_counts(), usage()?, cpu_ns()?);
    next = now();
    for _ in 0..block.cycles {
        let (took, right) = turn(&mut next)?;
        times.push(u32::try_from(took).unwrap_or(u32::MAX));
        wrong += u32::from(!right);
    }
    let (cpu, after) = (cpu_ns()?.saturating_sub(cpu), usage()?);
    let counted = thread_counts().since(counted);
    let (bytes, packets) = sent(interface);
    eprintln!("end");
    println!(
        "{}",
        json!({
            "wrong": wrong,
            "cpu_ns": cpu,
            "allocations": counted.allocations,
            "switches_voluntary": after.0 - before.0,
            "switches_involuntary": after.1 - before.1,
            "sent_bytes": bytes - net.0,
            "sent_frames": packets - net.1,
            "cyclic_frames": frames,
            "round_trips_ns": times,
        })
    );
    Ok(())
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

fn usage() -> Result<(i64, i64), String> {
    let usage = getrusage(UsageWho::RUSAGE_SELF).map_err(text)?;
    Ok((usage.voluntary_context_switches(), usage.involuntary_context_switches()))
}

fn cpu_ns() -> Result<u64, String> {
    let time = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).map_err(text)?;
    let part = |value: i64| u64::try_from(value).unwrap_or(0);
    Ok(part(time.tv_sec()) * 1_000_000_000 + part(time.tv_nsec()))
}

/// Our exchange as a run uses it: frames out and in, inputs decoded, outputs encoded. `planted_ns` are wasted in every cycle.
pub(crate) fn ours(
    interface: &str,
    options: RawOptions,
    drives: u16,
    block: Block,
    planted_ns: u64,
) -> Outcome {
    let plan = free_plan(drives);
    let link = raw_with(interface, options).map_err(text)?;
    let mut bus = bring_up(link, &plan, &mut |_| {}).map_err(text)?;
    let mut signals = Signals::new(plan.signals.len());
    let mut cycle = |began: u64| -> (Exchange, u64) {
        let exchange = bus.exchange(began, began + REPLY_NS);
        bus.decode(&mut signals);
        let until = now() + planted_ns;
        while planted_ns > 0 && now() < until {}
        let usable_at = now();
        bus.encode(&signals);
        (exchange, usable_at)
    };
    let mut clock = Monotonic::new(0);
    let is_up = (0..OP_CYCLES_MAX).any(|_| {
        clock.sleep_until(now() + OP_PERIOD_NS);
        cycle(now()).0.state == BusState::Operational
    });
    if !is_up {
        return Err(String::from("the devices do not come to Op"));
    }
    let sent = cycle(now()).0.counts.sent;
    let frames = cycle(now()).0.counts.sent.saturating_sub(sent);
    measure_then((interface, block), frames, |began| {
        let (exchange, usable_at) = cycle(began);
        let is_up = exchange.state == BusState::Operational;
        Ok((is_up && exchange.units_good == exchange.units_all, usable_at))
    })?;
    let first = signals.get(SignalId(0)).value;
    if first == 0 { Err(String::from("no statusword was ever read")) } else { Ok(()) }
}

/// A bare socket: `count` frames of `bytes` out and back. It waits in the kernel, or awake where `spin`.
pub(crate) fn floor(
    interface: &str,
    (count, bytes): (u32, usize),
    block: Block,
    spin: bool,
) -> Outcome {
    let link = raw_with(interface, NO_RING).map_err(text)?;
    let fd = link.as_fd();
    setsockopt(&fd, ReceiveTimeout, &TimeVal::seconds(1)).map_err(text)?;
    if !spin {
        fcntl(fd, FcntlArg::F_SETFL(OFlag::empty())).map_err(text)?;
    }
    let mut frame = vec![0; bytes.clamp(60, FRAME_MAX)];
    frame[..6].fill(0xFF);
    frame[6] = 0x10;
    frame[12..14].copy_from_slice(&ETHERTYPE.to_be_bytes());
    let mut reply = [0; FRAME_MAX];
    measure((interface, block), count.into(), |_| {
        for _ in 0..count {
            send(fd.as_raw_fd(), &frame, MsgFlags::empty()).map_err(text)?;
        }
        let mut right = true;
        for _ in 0..count {
            let length = loop {
                match recv(fd.as_raw_fd(), &mut reply, MsgFlags::empty()) {
                    Err(Errno::EAGAIN) if spin => {}
                    other => break other.map_err(text)?,
                }
            };
            right &= length == frame.len() && reply[6] & 0x02 != 0;
        }
        Ok(right)
    })
}

/// The other end of the cable, awake all the time as hardware is, until stdin ends. Answers with the segment's own time for every
/// frame, and with its length if it carried process data (else 0); `drives` 0: sends every frame back as it is, but for the mark of the first device.
pub(crate) fn segment(interface: &str, drives: u16) -> Outcome {
    let mut link = raw(interface).map_err(text)?;
    let mut wire = Servos::new(drives);
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    std::thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        flag.store(true, Ordering::Relaxed);
    });
    println!("ready");
    let mut buffer = vec![0; FRAME_MAX];
    let mut passes: Vec<u32> = Vec::with_capacity(PASSES_MAX);
    let mut cyclic: Vec<usize> = Vec::with_capacity(PASSES_MAX);
    let mut since_tick = 0u32;
    while !stop.load(Ordering::Relaxed) {
        let received = link.receive(&mut buffer, 0).map_err(|fault| format!("{fault:?}"))?;
        let Some(frame) = received.and_then(|length| buffer.get_mut(..length)) else {
            // Time goes on for the devices without frames, too; asking for it every time would be most of what is done.
            since_tick += 1;
            if since_tick.is_multiple_of(64) && drives > 0 {
                wire.advance(link.now());
            }
            continue;
        };
        let began = link.now();
        let is_back = if drives > 0 { wire.pass(frame, began) } else { reflect(frame) };
        let took = link.now() - began;
        if is_back {
            link.send(frame).map_err(|fault| format!("{fault:?}"))?;
        }
        if passes.len() < PASSES_MAX {
            passes.push(u32::try_from(took).unwrap_or(u32::MAX));
            cyclic.push(if drives == 0 || is_cyclic(frame) { frame.len() } else { 0 });
        }
    }
    println!("{}", json!({ "cyclic_bytes": cyclic, "passes_ns": passes }));
    Ok(())
}

fn reflect(frame: &mut [u8]) -> bool {
    frame.get_mut(6).map(|source| *source |= 0x02).is_some()
}

fn is_cyclic(frame: &[u8]) -> bool {
    let Ok(frame) = Frame::parse(frame) else { return false };
    frame.datagrams().flatten().any(|datagram| LOGICAL.contains(&datagram.command))
}
