//! What concerns the process and the machine.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::utsname::uname;

use super::{Asked, Cause};
use crate::broken;

/// CPU time that a real-time thread may use without a sleep, µs. Then the kernel sends SIGXCPU, and
/// [the thread is stopped](crate::broken): a loop that has run away takes the machine to its safe
/// state by the devices' watchdogs, and leaves the PC usable.
const RUNAWAY_US: u64 = 1_000_000;
/// After this the kernel ends the process itself (SIGKILL), should the thread not even take a signal.
const RUNAWAY_END_US: u64 = 2 * RUNAWAY_US;

/// Limits a runaway real-time thread.
pub(super) fn runaway() -> Asked {
    Asked {
        name: "runaway",
        required: true,
        wanted: format!("at most {RUNAWAY_US} µs of CPU without a sleep"),
        found: limit_runaway().map(|limit| format!("RLIMIT_RTTIME {limit} µs")),
    }
}

fn limit_runaway() -> Result<u64, Cause> {
    let failed = |errno| Cause::Runaway { found: 0, errno };
    broken::watch()
        .map_err(|error| failed(Errno::from_raw(error.raw_os_error().unwrap_or_default())))?;
    let (_, hard) = getrlimit(Resource::RLIMIT_RTTIME).map_err(failed)?;
    let hard = RUNAWAY_END_US.min(hard);
    // Below the ceiling: at the ceiling the process ends without a word.
    setrlimit(Resource::RLIMIT_RTTIME, hard / 2, hard).map_err(failed)?;
    match getrlimit(Resource::RLIMIT_RTTIME).map_err(failed)? {
        (found, _) if found <= RUNAWAY_US => Ok(found),
        (found, _) => Err(Cause::Runaway { found, errno: Errno::UnknownErrno }),
    }
}

/// Asks for no power saving that takes time to leave. Holds as long as the file is open. Source:
/// Linux, `Documentation/power/pm_qos_interface.rst`.
pub(super) fn power() -> (Asked, Option<File>) {
    let (found, file) = match hold_power() {
        Ok((0, file)) => (Ok("/dev/cpu_dma_latency held, reads 0 µs".to_owned()), Some(file)),
        Ok((found, _)) => (Err(Cause::PowerNotTaken { found }), None),
        Err(error) => {
            let errno = Errno::from_raw(error.raw_os_error().unwrap_or(0));
            (Err(Cause::Power { errno }), None)
        }
    };
    let wanted = "no power saving that takes time to leave".to_owned();
    (Asked { name: "power", required: true, wanted, found }, file)
}

/// The file, and the latency in force, µs.
fn hold_power() -> io::Result<(i32, File)> {
    let mut file = OpenOptions::new().read(true).write(true).open("/dev/cpu_dma_latency")?;
    file.write_all(&0_i32.to_ne_bytes())?;
    let mut in_force = [0_u8; 4];
    file.read_exact_at(&mut in_force, 0)?;
    Ok((i32::from_ne_bytes(in_force), file))
}

/// PREEMPT_RT shows in `uname -v`; `/sys/kernel/realtime` did not reach mainline.
pub(super) fn kernel() -> Asked {
    let version = uname()
        .map(|names| {
            format!("{} {}", names.release().to_string_lossy(), names.version().to_string_lossy())
        })
        .unwrap_or_default();
    Asked {
        name: "kernel",
        required: true,
        wanted: "PREEMPT_RT".to_owned(),
        found: preempt_rt(version),
    }
}

fn preempt_rt(version: String) -> Result<String, Cause> {
    if version.split_whitespace().any(|word| word == "PREEMPT_RT") {
        Ok(version)
    } else {
        Err(Cause::Kernel { version })
    }
}

/// The kernel's own guard against busy real-time threads; it stalls a loop that spins. Advice: a
/// loop that sleeps is not hit.
pub(super) fn throttling() -> Asked {
    let found = fs::read_to_string("/proc/sys/kernel/sched_rt_runtime_us");
    let found = found.map_or_else(|error| error.to_string(), |text| text.trim().to_owned());
    Asked {
        name: "throttling",
        required: false,
        wanted: "sched_rt_runtime_us -1".to_owned(),
        found: if found == "-1" { Ok(found) } else { Err(Cause::Throttled { found }) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_preempt_rt_kernel_is_taken_for_one() {
        for (version, is_realtime) in [
            ("6.12.48 #1 SMP PREEMPT_RT Debian 6.12.48-1 (2025-09-20)", true),
            ("6.1.0-rt #1 SMP PREEMPT_RT", true),
            ("6.12.48 #1 SMP PREEMPT_DYNAMIC Debian", false),
            ("6.12.48-PREEMPT_RT_like #1 SMP PREEMPT", false),
            ("", false),
        ] {
            assert_eq!(preempt_rt(version.to_owned()).is_ok(), is_realtime, "{version}");
        }
    }

    #[test]
    fn the_runaway_limit_is_in_force_afterwards() {
        let limit = limit_runaway().expect("lowering one's own limit needs no right");
        let (soft, _) = getrlimit(Resource::RLIMIT_RTTIME).expect("readable");
        assert_eq!(soft, limit);
        assert!(limit <= RUNAWAY_US);
    }
}
