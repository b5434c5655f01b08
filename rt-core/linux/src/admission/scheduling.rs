//! What concerns the real-time thread: its CPU, its timers, its place before all others.

use core_affinity::CoreId;
use nix::errno::Errno;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::prctl;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::Pid;
use thread_priority::{
    RealtimeThreadSchedulePolicy, ThreadPriority, ThreadPriorityValue, ThreadSchedulePolicy,
    set_thread_priority_and_policy, thread_native_id,
};

use super::{Asked, Cause, PRIORITY_DEFAULT, Request};
use crate::cpus;

/// Name of the step that only an armed thread has.
pub(super) const SCHEDULING: &str = "scheduling";

/// Stack of a thread that only asks.
const PROBE_STACK_BYTES: usize = 64 << 10;

/// Keeps the calling thread, and the helpers that it will spawn, away from the loop's CPU. Advice:
/// the loop comes before them anyway; what they cost it is its cache.
pub(super) fn housekeeping(request: &Request) -> Asked {
    let (wanted, found) = match loop_cpu(request) {
        None => ("helpers anywhere".to_owned(), Ok("the loop has no CPU of its own".to_owned())),
        Some(cpu) => (format!("helpers not on CPU {cpu}"), move_helpers(cpu)),
    };
    Asked { name: "helpers", required: false, wanted, found }
}

fn move_helpers(cpu: usize) -> Result<String, Cause> {
    let allowed_before = allowed();
    let mut others = CpuSet::new();
    // A CPU beyond the set's size cannot be set, and no such CPU is allowed to anyone.
    let count = allowed_before.iter().filter(|other| **other != cpu && others.set(**other).is_ok());
    if count.count() == 0 {
        return Err(Cause::NoHousekeeping { cpu, allowed: cpus::show(&allowed_before) });
    }
    // Refused: what is read back says so.
    let _ = sched_setaffinity(Pid::from_raw(0), &others);
    let found = allowed();
    if found.contains(&cpu) {
        Err(Cause::HelpersNotMoved { cpu, found: cpus::show(&found) })
    } else {
        Ok(format!("CPUs {}", cpus::show(&found)))
    }
}

/// CPU on which the loop will run; `None`: any.
fn loop_cpu(request: &Request) -> Option<usize> {
    request.cpu.or_else(|| if request.strict { cpu_default() } else { None })
}

/// Binds the thread to one CPU.
pub(super) fn cpu(request: &Request) -> Asked {
    let cpu = loop_cpu(request);
    let wanted = cpu.map_or_else(|| "one CPU".to_owned(), |cpu| format!("CPU {cpu}"));
    let found = match cpu {
        Some(cpu) => pin(cpu).map(|()| format!("CPU {cpu}")),
        None => Err(Cause::CpuNotAsked { allowed: cpus::show(&allowed()) }),
    };
    Asked { name: "cpu", required: true, wanted, found }
}

/// CPU of a strict run that names none: the last isolated, else the last one online (the first serves most interrupts).
#[must_use]
pub fn cpu_default() -> Option<usize> {
    cpus::isolated().last().or(cpus::online().last()).copied()
}

fn pin(cpu: usize) -> Result<(), Cause> {
    let online = cpus::online();
    if !online.contains(&cpu) || cpu >= CpuSet::count() {
        return Err(Cause::CpuOffline { cpu, online: cpus::show(&online) });
    }
    let taken = core_affinity::set_for_current(CoreId { id: cpu });
    let allowed = allowed();
    if taken && allowed == [cpu] {
        Ok(())
    } else {
        Err(Cause::CpuForbidden { cpu, allowed: cpus::show(&allowed) })
    }
}

/// CPUs that the calling thread may run on, read back from the kernel.
fn allowed() -> Vec<usize> {
    let set = sched_getaffinity(Pid::from_raw(0)).unwrap_or_default();
    (0..CpuSet::count()).filter(|cpu| set.is_set(*cpu).unwrap_or(false)).collect()
}

/// No gathering of timers. (Under SCHED_FIFO there is none anyway and it reads 0; so this comes
/// first, and counts if degraded.)
pub(super) fn slack() -> Asked {
    let found = match prctl::set_timerslack(1).and_then(|()| prctl::get_timerslack()) {
        Ok(found @ 0..=1) => Ok(format!("{found} ns")),
        Ok(found) => Err(Cause::Slack { found }),
        Err(_) => Err(Cause::Slack { found: -1 }),
    };
    Asked { name: "slack", required: true, wanted: "at most 1 ns of timer slack".to_owned(), found }
}

/// SCHED_FIFO, not inherited by threads that this one might spawn.
pub(super) fn fifo(request: &Request) -> Asked {
    let default = request.strict.then_some(PRIORITY_DEFAULT);
    let (wanted, found) = match request.priority.or(default) {
        Some(priority) => (format!("SCHED_FIFO {priority}"), promote(priority)),
        None => {
            ("SCHED_FIFO".to_owned(), Err(Cause::PriorityNotAsked { found: current().to_string() }))
        }
    };
    Asked { name: SCHEDULING, required: true, wanted, found }
}

fn promote(priority: u8) -> Result<String, Cause> {
    if !(1..=99).contains(&priority) {
        return Err(Cause::PriorityRange { priority });
    }
    raise_limit(priority);
    let value =
        ThreadPriorityValue::try_from(priority).map_err(|_| Cause::PriorityRange { priority })?;
    set_thread_priority_and_policy(
        thread_native_id(),
        ThreadPriority::Crossplatform(value),
        ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::Fifo),
    )
    .map_err(|error| refusal(priority, &error))?;
    keep_to_itself(priority).map_err(|errno| Cause::Scheduling { priority, errno })?;
    let wanted = Scheduling {
        policy: libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK,
        priority: i32::from(priority),
    };
    let found = current();
    if found == wanted {
        Ok(found.to_string())
    } else {
        Err(Cause::SchedulingNotTaken { wanted: wanted.to_string(), found: found.to_string() })
    }
}

/// Would this process be given SCHED_FIFO at `priority`? Asked of the kernel, on a thread of its own that ends with the answer.
#[must_use]
pub fn fifo_is_granted(priority: u8) -> bool {
    let asked = std::thread::Builder::new().stack_size(PROBE_STACK_BYTES);
    let Ok(thread) = asked.spawn(move || promote(priority).is_ok()) else { return false };
    thread.join().unwrap_or(false)
}

/// The limit may be low and its ceiling high. Refused: the next step says what is missing.
fn raise_limit(priority: u8) {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_RTPRIO)
        && soft < u64::from(priority).min(hard)
    {
        let _ = setrlimit(Resource::RLIMIT_RTPRIO, u64::from(priority).min(hard), hard);
    }
}

fn refusal(priority: u8, error: &thread_priority::Error) -> Cause {
    match error {
        thread_priority::Error::OS(libc::EPERM) => {
            let limit = getrlimit(Resource::RLIMIT_RTPRIO).map_or(0, |(soft, _)| soft);
            Cause::PriorityLimit { priority, limit }
        }
        thread_priority::Error::OS(errno) => {
            Cause::Scheduling { priority, errno: Errno::from_raw(*errno) }
        }
        thread_priority::Error::Priority(_)
        | thread_priority::Error::PriorityNotInRange(_)
        | thread_priority::Error::Ffi(_) => Cause::PriorityRange { priority },
    }
}

/// Adds SCHED_RESET_ON_FORK, which thread-priority does not know: helpers spawned from here stay
/// ordinary threads.
fn keep_to_itself(priority: u8) -> Result<(), Errno> {
    let parameters = libc::sched_param { sched_priority: libc::c_int::from(priority) };
    let policy = libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK;
    // SAFETY: `parameters` lives through the call, which only reads it; 0 names the calling thread.
    let result = unsafe { libc::sched_setscheduler(0, policy, &raw const parameters) };
    Errno::result(result).map(drop)
}

/// How the kernel runs the calling thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Scheduling {
    policy: libc::c_int,
    priority: libc::c_int,
}

impl std::fmt::Display for Scheduling {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.policy & !libc::SCHED_RESET_ON_FORK {
            libc::SCHED_FIFO => write!(to, "SCHED_FIFO {}", self.priority),
            libc::SCHED_RR => write!(to, "SCHED_RR {}", self.priority),
            libc::SCHED_OTHER => write!(to, "SCHED_OTHER"),
            other => write!(to, "policy {other}, priority {}", self.priority),
        }
    }
}

/// From the kernel: the C library's pthread_getschedparam answers from what it remembers.
fn current() -> Scheduling {
    // SAFETY: takes an integer; 0 names the calling thread.
    let policy = unsafe { libc::sched_getscheduler(0) };
    let mut parameters = libc::sched_param { sched_priority: 0 };
    // SAFETY: `parameters` is valid for writes through the call; 0 names the calling thread.
    let result = unsafe { libc::sched_getparam(0, &raw mut parameters) };
    let priority = if result == 0 { parameters.sched_priority } else { -1 };
    Scheduling { policy, priority }
}

/// Nothing else on the thread's CPU. Advice.
pub(super) fn isolation() -> Asked {
    let (isolated, runs_on) = (cpus::isolated(), allowed());
    let cpus = cpus::show(&runs_on);
    let found = if runs_on.iter().all(|cpu| isolated.contains(cpu)) {
        Ok(format!("CPU {cpus} isolated"))
    } else {
        Err(Cause::NotIsolated { isolated: cpus::show(&isolated), cpus })
    };
    Asked {
        name: "isolation",
        required: false,
        wanted: "a CPU for the cycle alone".to_owned(),
        found,
    }
}
