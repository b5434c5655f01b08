//! The clock and its timers.

use super::finding::{Answer, Answered, Fix};
use super::system::{Probe, Unread};

pub(super) fn source(probe: &Probe) -> Answered {
    const PATH: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    let text = probe.text(PATH)?;
    let from_tsc = |answer: Answer| {
        answer.fix(Fix::Boot("tsc=reliable".to_owned())).fix(Fix::ByHand(
            "see `dmesg | grep -i tsc` for why the kernel left the TSC".to_owned(),
        ))
    };
    match text.trim() {
        name @ ("tsc" | "arch_sys_counter") => {
            Ok(Answer::pass(format!("{name}, read without a system call")))
        }
        name @ ("kvm-clock" | "hyperv_clocksource_tsc_page" | "tsc-early") => {
            Ok(from_tsc(Answer::warn(format!("{name}: corrected by somebody else"))))
        }
        name @ ("hpet" | "acpi_pm" | "jiffies" | "refined-jiffies" | "xen" | "pit") => {
            Ok(from_tsc(Answer::fail(format!(
                "{name}: each look at the clock is a system call, or coarse"
            ))))
        }
        _ => Err(Unread::garbled(PATH, "a clock source that is known, such as tsc")),
    }
}

pub(super) fn high_resolution(probe: &Probe) -> Answered {
    const PATH: &str = "/proc/timer_list";
    let text = probe.long_text(PATH)?;
    let mut active: Vec<&str> = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some((".hres_active", value)) =
            line.split_once(':').map(|(k, v)| (k.trim(), v.trim()))
        {
            probe.note(PATH, line);
            active.push(value);
        }
    }
    match (active.is_empty(), active.iter().all(|value| *value == "1")) {
        (true, _) => Err(Unread::garbled(PATH, ".hres_active for each CPU")),
        (false, true) => Ok(Answer::pass("timers have the resolution of the clock")),
        (false, false) => Ok(Answer::fail("timers are rounded to ticks")
            .fix(Fix::Boot("highres=on".to_owned()))
            .fix(Fix::ByHand("a kernel with CONFIG_HIGH_RES_TIMERS".to_owned()))),
    }
}
