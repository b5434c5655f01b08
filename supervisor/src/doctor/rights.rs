//! What the kernel lets this process do. The same program, started by the same user, has the same rights as `tactus run`.

use super::finding::{Answer, Answered, Fix};
use super::system::{Probe, Unread};

const STATUS: &str = "/proc/self/status";
const LIMITS: &str = "/proc/self/limits";

/// Linux, `include/uapi/linux/capability.h`.
const CAP_NET_RAW: u32 = 13;
const CAP_IPC_LOCK: u32 = 14;
const CAP_SYS_NICE: u32 = 23;

/// Limit that suffices without CAP_IPC_LOCK, bytes; admission asks for the same.
const LOCKABLE_BYTES_MIN: u64 = 256 * 1024 * 1024;
/// CPU time without a sleep that a sound loop may need (the longest period is 100 ms), and what admission sets, µs.
const RUNAWAY_US: (u64, u64) = (200_000, 1_000_000);

fn grant() -> Fix {
    Fix::Run(
        "setcap cap_sys_nice,cap_ipc_lock,cap_net_raw=ep \"$(readlink -f \"$(command -v tactus)\")\""
            .to_owned(),
    )
}

fn has(probe: &Probe, capability: u32) -> Result<bool, Unread> {
    let text = probe.long_text(STATUS)?;
    let line = text.lines().find(|line| line.starts_with("CapEff:"));
    let garbled = || Unread::garbled(STATUS, "CapEff: and a hexadecimal number");
    let line = line.ok_or_else(garbled)?;
    let bits = line.trim_start_matches("CapEff:").trim();
    let bits = u64::from_str_radix(bits, 16).map_err(|_| garbled())?;
    probe.note(STATUS, line);
    Ok(bits >> capability & 1 == 1)
}

/// The hard limit: up to there admission raises the soft one. `u64::MAX`: unlimited.
fn limit(probe: &Probe, name: &str) -> Result<u64, Unread> {
    let text = probe.long_text(LIMITS)?;
    let garbled = || Unread::garbled(LIMITS, "a table of limits, soft and hard");
    let line = text.lines().find(|line| line.starts_with(name)).ok_or_else(garbled)?;
    let hard = line.trim_start_matches(name).split_whitespace().nth(1).ok_or_else(garbled)?;
    let hard = match hard {
        "unlimited" => u64::MAX,
        number => number.parse().map_err(|_| garbled())?,
    };
    probe.note(LIMITS, line);
    Ok(hard)
}

pub(super) fn scheduling(probe: &Probe) -> Answered {
    let priority = probe.target.priority;
    if has(probe, CAP_SYS_NICE)? {
        return Ok(Answer::pass("CAP_SYS_NICE"));
    }
    let limit = limit(probe, "Max realtime priority")?;
    Ok(if limit >= u64::from(priority) {
        Answer::pass(format!("RLIMIT_RTPRIO {limit} suffices for priority {priority}"))
    } else {
        Answer::fail(format!("no CAP_SYS_NICE, and RLIMIT_RTPRIO is {limit}, below {priority}"))
            .fix(grant())
    })
}

pub(super) fn memory(probe: &Probe) -> Answered {
    if has(probe, CAP_IPC_LOCK)? {
        return Ok(Answer::pass("CAP_IPC_LOCK"));
    }
    let limit = limit(probe, "Max locked memory")?;
    Ok(if limit >= LOCKABLE_BYTES_MIN {
        Answer::pass("RLIMIT_MEMLOCK suffices")
    } else {
        Answer::fail(format!(
            "no CAP_IPC_LOCK, and RLIMIT_MEMLOCK is {limit} bytes, below {LOCKABLE_BYTES_MIN}"
        ))
        .fix(grant())
    })
}

pub(super) fn network(probe: &Probe) -> Answered {
    if probe.interface()?.is_none() {
        return Ok(Answer::not_applicable("the segment is virtual"));
    }
    Ok(match has(probe, CAP_NET_RAW)? {
        true => Answer::pass("CAP_NET_RAW"),
        false => Answer::fail("no CAP_NET_RAW: no frame can be sent").fix(grant()),
    })
}

pub(super) fn runaway(probe: &Probe) -> Answered {
    let limit = limit(probe, "Max realtime timeout")?;
    let fix =
        || Fix::ByHand("`@realtime - rttime unlimited` in /etc/security/limits.conf".to_owned());
    let (least, wanted) = RUNAWAY_US;
    Ok(match limit {
        _ if limit >= wanted => Answer::pass("the loop may be late by a second before it is ended"),
        _ if limit >= least => {
            Answer::warn(format!("a loop that is {limit} µs late is ended by the kernel"))
                .fix(fix())
        }
        _ => Answer::fail(format!("a loop that is only {limit} µs late is ended by the kernel"))
            .fix(fix()),
    })
}
