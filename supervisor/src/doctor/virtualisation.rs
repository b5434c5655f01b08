//! What takes the CPU away unseen: a hypervisor, or the firmware.

use super::finding::{Answer, Answered, Fix};
use super::system::{Probe, Unread};

const CPUINFO: &str = "/proc/cpuinfo";
/// Model-specific register that counts system-management interrupts on Intel CPUs (MSR_SMI_COUNT).
const MSR_SMI_COUNT: u64 = 0x34;
/// Before that, interrupts of the start weigh too much, s.
const UPTIME_S_MIN: u64 = 600;
/// What the tracer hwlat finds counts from here on, µs (its own threshold).
const HWLAT_US: i64 = 10;

/// The value of a field of the first CPU.
fn field<'a>(cpuinfo: &'a str, name: &str) -> Option<&'a str> {
    let value = |line: &'a str| {
        let (field, value) = line.split_once(':')?;
        (field.trim() == name).then(|| value.trim())
    };
    cpuinfo.lines().find_map(value)
}

/// Whether a hypervisor says that it is there.
fn is_guest(probe: &Probe) -> Result<bool, Unread> {
    let text = probe.long_text(CPUINFO)?;
    let flags = field(&text, "flags").filter(|flags| flags.split(' ').any(|flag| flag == "tsc"));
    let flags = flags.ok_or_else(|| Unread::garbled(CPUINFO, "flags of an x86 CPU"))?;
    let guest = flags.split(' ').any(|flag| flag == "hypervisor");
    probe.note(CPUINFO, if guest { "flags: … hypervisor …" } else { "flags: no hypervisor" });
    Ok(guest)
}

pub(super) fn hypervisor(probe: &Probe) -> Answered {
    if !is_guest(probe)? {
        return Ok(Answer::pass("the kernel runs on the machine itself"));
    }
    let product = probe.text("/sys/class/dmi/id/product_name").unwrap_or_default();
    let product = match product.trim() {
        "" => String::new(),
        name => format!(" ({})", name.escape_debug()),
    };
    Ok(Answer::warn(format!("the kernel runs in a virtual machine{product}")).fix(Fix::ByHand(
        "run on the machine itself, or with a CPU of the host pinned to it".into(),
    )))
}

pub(super) fn steal(probe: &Probe) -> Answered {
    const PATH: &str = "/proc/stat";
    let text = probe.long_text(PATH)?;
    let mut stolen = 0_u64;
    for cpu in probe.loop_cpus()? {
        let garbled = || Unread::garbled(PATH, "a line for each CPU with its times");
        let name = format!("cpu{cpu}");
        let line = text.lines().find(|line| line.split(' ').next() == Some(&name));
        let line = line.ok_or_else(garbled)?;
        // user nice system idle iowait irq softirq steal: proc_stat(5).
        let ticks = line.split_whitespace().nth(8).and_then(|ticks| ticks.parse::<u64>().ok());
        probe.note(PATH, line);
        stolen = stolen.saturating_add(ticks.ok_or_else(garbled)?);
    }
    Ok(match stolen {
        0 => Answer::pass("nothing was taken from the loop's CPU since the start"),
        _ => Answer::fail(format!(
            "{} ms were taken from the loop's CPU since the start",
            stolen.saturating_mul(10)
        ))
        .fix(Fix::ByHand(
            "run on the machine itself, or with a CPU of the host pinned to it".into(),
        )),
    })
}

pub(super) fn system_management(probe: &Probe) -> Answered {
    if is_guest(probe)? {
        return Ok(Answer::not_applicable("in a virtual machine they are the host's"));
    }
    let cpu = probe.loop_cpus()?.first().copied().unwrap_or(0);
    let register = format!("/dev/cpu/{cpu}/msr");
    if field(&probe.long_text(CPUINFO)?, "vendor_id") == Some("GenuineIntel")
        && let Ok(count) = probe.word(&register, MSR_SMI_COUNT)
    {
        return counted(probe, count);
    }
    measured(probe)
}

/// By the CPU's own count.
fn counted(probe: &Probe, count: u64) -> Answered {
    const PATH: &str = "/proc/uptime";
    let text = probe.text(PATH)?;
    let seconds = text.split('.').next().and_then(|whole| whole.parse::<u64>().ok());
    let uptime = seconds.ok_or_else(|| Unread::garbled(PATH, "seconds since the start"))?;
    let hourly = count.saturating_mul(3600).checked_div(uptime.max(1)).unwrap_or(0);
    let fix =
        || Fix::ByHand("in the firmware: USB legacy support, power and fan control off".into());
    Ok(match (count, hourly) {
        (0, _) => Answer::pass("no system-management interrupt since the start"),
        _ if uptime < UPTIME_S_MIN => Answer::unknown(format!(
            "{count} system-management interrupts, {uptime} s after the start: too early to judge"
        ))
        .fix(Fix::ByHand("run tactus doctor again ten minutes after the start".to_owned())),
        (_, 0) => Answer::pass(format!("{count} system-management interrupts in {uptime} s")),
        (_, 1..60) => {
            Answer::warn(format!("{hourly} system-management interrupts an hour")).fix(fix())
        }
        (_, _) => Answer::fail(format!("{hourly} system-management interrupts an hour")).fix(fix()),
    })
}

/// By the tracer hwlat, if it is the one that runs.
fn measured(probe: &Probe) -> Answered {
    const TRACING: &str = "/sys/kernel/tracing";
    let tracers = probe.text(&format!("{TRACING}/available_tracers"))?;
    let current = probe.text(&format!("{TRACING}/current_tracer"))?;
    if current.trim() == "hwlat" {
        let most = probe.number(&format!("{TRACING}/tracing_max_latency"))?;
        return Ok(if most > HWLAT_US {
            Answer::fail(format!("the hardware took the CPU away for up to {most} µs")).fix(
                Fix::ByHand(
                    "in the firmware: USB legacy support, power and fan control off".into(),
                ),
            )
        } else {
            Answer::pass(format!("hwlat found at most {most} µs"))
        });
    }
    let how = match tracers.split_whitespace().any(|tracer| tracer == "hwlat") {
        true => {
            "echo hwlat > /sys/kernel/tracing/current_tracer, wait some minutes without the \
                 machine running, run tactus doctor, echo nop > /sys/kernel/tracing/current_tracer"
        }
        false => "modprobe msr (Intel), or a kernel with CONFIG_HWLAT_TRACER",
    };
    Ok(Answer::unknown("system-management interrupts are not counted here")
        .fix(Fix::ByHand(how.to_owned())))
}
