//! The kernel itself.

use super::finding::{Answer, Answered, Fix};
use super::system::{Probe, Unread};

const VERSION: &str = "/proc/sys/kernel/version";
const RELEASE: &str = "/proc/sys/kernel/osrelease";

/// Whether the kernel is PREEMPT_RT: `uname -v` says so. (`/sys/kernel/realtime` never reached mainline.)
pub(super) fn is_preempt_rt(probe: &Probe) -> Result<bool, Unread> {
    let version = probe.text(VERSION)?;
    if !version.starts_with('#') {
        return Err(Unread::garbled(VERSION, "what uname -v says, such as #1 SMP PREEMPT_RT"));
    }
    Ok(version.split_whitespace().any(|word| word == "PREEMPT_RT"))
}

/// Major and minor version.
pub(super) fn release(probe: &Probe) -> Result<(u32, u32), Unread> {
    let text = probe.text(RELEASE)?;
    let mut parts = text.trim().split(['.', '-', '+']);
    let mut part = || parts.next()?.parse().ok();
    let garbled = || Unread::garbled(RELEASE, "a version such as 6.12.48");
    Ok((part().ok_or_else(garbled)?, part().ok_or_else(garbled)?))
}

pub(super) fn preempt_rt(probe: &Probe) -> Answered {
    Ok(match is_preempt_rt(probe)? {
        true => Answer::pass("the kernel is PREEMPT_RT"),
        false => Answer::fail("the kernel is not PREEMPT_RT")
            .fix(Fix::Run(
                "apt-get install -y \"linux-image-rt-$(dpkg --print-architecture)\"".to_owned(),
            ))
            .fix(Fix::ByHand("start the machine anew with the PREEMPT_RT kernel".to_owned())),
    })
}

pub(super) fn watchdog(probe: &Probe) -> Answered {
    const PATH: &str = "/proc/sys/kernel/nmi_watchdog";
    let Some(text) = probe.feature(PATH)? else {
        return Ok(Answer::not_applicable("this kernel has no hard-lockup watchdog"));
    };
    match text.trim() {
        "0" => Ok(Answer::pass("the hard-lockup watchdog is off")),
        "1" => Ok(Answer::warn("the hard-lockup watchdog sends non-maskable interrupts")
            .fix(Fix::Sysctl("kernel.nmi_watchdog", "0"))),
        _ => Err(Unread::garbled(PATH, "0 or 1")),
    }
}

pub(super) fn monitors(probe: &Probe) -> Answered {
    const TRACING: &str = "/sys/kernel/tracing";
    const AVAILABLE: &str = "/sys/kernel/tracing/rv/available_monitors";
    const ENABLED: &str = "/sys/kernel/tracing/rv/enabled_monitors";
    probe.names(TRACING)?;
    const TRACERS: &str = "/sys/kernel/tracing/available_tracers";
    if !probe.exists(TRACERS) {
        // The folder is there without the file system.
        return Err(Unread::absent(TRACERS));
    }
    if !probe.exists("/sys/kernel/tracing/rv") {
        return Ok(Answer::not_applicable("this kernel has no runtime verification (CONFIG_RV)"));
    }
    let lists_rtapp = |path: &str| -> Result<bool, Unread> {
        let text = probe.text(path)?;
        let known =
            |name: &str| name.bytes().all(|b| b.is_ascii_alphanumeric() || b":_-".contains(&b));
        if !text.lines().all(known) {
            return Err(Unread::garbled(path, "a monitor a line"));
        }
        Ok(text.lines().any(|name| name == "rtapp" || name.starts_with("rtapp:")))
    };
    if !lists_rtapp(AVAILABLE)? {
        return Ok(Answer::not_applicable("this kernel has no rtapp monitors (6.17 and later)"));
    }
    Ok(match lists_rtapp(ENABLED)? {
        true => Answer::pass("the rtapp monitors watch real-time threads"),
        false => {
            Answer::warn("the kernel has rtapp monitors, and they do not watch").fix(Fix::WriteNow(
                "/sys/kernel/tracing/rv/monitors/rtapp/enable".to_owned(),
                "1".to_owned(),
            ))
        }
    })
}
