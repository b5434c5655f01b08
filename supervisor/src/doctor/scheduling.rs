//! What takes the CPU from a real-time thread on purpose.

use super::finding::{Answer, Answered, Fix};
use super::kernel;
use super::lists;
use super::system::{Probe, Unread};

const DEBUG: &str = "/sys/kernel/debug/sched/debug";
/// First kernel with the fair server; from then on there is no throttling without RT_GROUP_SCHED.
const FAIR_SERVER_SINCE: (u32, u32) = (6, 12);

/// Whether real-time threads are budgeted by control group (CONFIG_RT_GROUP_SCHED).
fn grouped(probe: &Probe) -> Result<bool, Unread> {
    if let Ok(line) = probe.long_text("/proc/cmdline")
        && lists::parameter(&line, "rt_group_sched") == Some("0")
    {
        probe.note("/proc/cmdline", "rt_group_sched=0");
        return Ok(false);
    }
    // Control groups version 1: the budget is a file of the root group.
    for folder in ["/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct"] {
        let budget = format!("{folder}/cpu.rt_runtime_us");
        if let Ok(Some(_)) = probe.feature(&budget) {
            return Ok(true);
        }
    }
    // The name of the group stands behind each real-time queue (`print_rt_rq`).
    if let Ok(text) = probe.long_text(DEBUG)
        && let Some(line) = text.lines().find(|line| line.starts_with("rt_rq["))
    {
        probe.note(DEBUG, line);
        return Ok(!line.trim_end().ends_with(':'));
    }
    let release = probe.text("/proc/sys/kernel/osrelease")?;
    let config = format!("/boot/config-{}", release.trim());
    let text = probe.long_text(&config)?;
    let line = text.lines().find(|line| line.contains("CONFIG_RT_GROUP_SCHED"));
    match line {
        Some("CONFIG_RT_GROUP_SCHED=y") => {
            probe.note(&config, "CONFIG_RT_GROUP_SCHED=y");
            Ok(true)
        }
        Some(line @ "# CONFIG_RT_GROUP_SCHED is not set") => {
            probe.note(&config, line);
            Ok(false)
        }
        // Not even asked for: it depends on CONFIG_CGROUP_SCHED.
        None if text.contains("\n# CONFIG_CGROUP_SCHED is not set\n") => Ok(false),
        _ => Err(Unread::garbled(&config, "CONFIG_RT_GROUP_SCHED, set or not")),
    }
}

pub(super) fn throttling(probe: &Probe) -> Answered {
    const PATH: &str = "/proc/sys/kernel/sched_rt_runtime_us";
    let runtime = probe.number(PATH)?;
    if runtime == -1 {
        return Ok(Answer::pass("real-time threads are not throttled"));
    }
    if kernel::release(probe)? >= FAIR_SERVER_SINCE && !grouped(probe)? {
        return Ok(Answer::pass(
            "this kernel throttles control groups only: see sched.fair-server",
        ));
    }
    Ok(Answer::fail(format!("real-time threads run at most {runtime} µs of each period"))
        .fix(Fix::Sysctl("kernel.sched_rt_runtime_us", "-1")))
}

pub(super) fn fair_server(probe: &Probe) -> Answered {
    if kernel::release(probe)? < FAIR_SERVER_SINCE {
        return Ok(Answer::not_applicable("kernels before 6.12 have no fair server"));
    }
    let mut answer = None;
    for cpu in probe.loop_cpus()? {
        let path = format!("/sys/kernel/debug/sched/fair_server/cpu{cpu}/runtime");
        let runtime = probe.number(&path)?;
        if runtime < 0 {
            return Err(Unread::garbled(&path, "ns, 0 or more"));
        }
        if runtime > 0 {
            let so_far = answer.unwrap_or_else(|| {
                Answer::fail(format!(
                    "the fair server may take {} ms of each second from a loop on CPU {cpu} that spins",
                    runtime / 1_000_000
                ))
            });
            answer = Some(so_far.fix(Fix::Write(path, "0".to_owned())));
        }
    }
    Ok(answer.unwrap_or_else(|| Answer::pass("the fair server is off on the loop's CPU")))
}

pub(super) fn group(probe: &Probe) -> Answered {
    Ok(match grouped(probe)? {
        false => Answer::pass("real-time threads need no budget of their control group"),
        true => Answer::fail("real-time threads are budgeted by control group (RT_GROUP_SCHED)")
            .fix(Fix::Boot("rt_group_sched=0".to_owned()))
            .fix(Fix::ByHand(
                "before 6.16 the kernel must be built without CONFIG_RT_GROUP_SCHED".to_owned(),
            )),
    })
}
