//! Power saving: every state that is left costs time.

use super::finding::{Answer, Answered, Fix};
use super::lists::show;
use super::system::{Probe, Unread};

/// Exit latency of an idle state that a loop does not notice, µs.
const LATENCY_US_MAX: i64 = 2;

/// Folder `what` of a CPU; `None`: the kernel has no driver for it.
fn folder(probe: &Probe, cpu: usize, what: &str) -> Result<Option<String>, Unread> {
    let folder = format!("/sys/devices/system/cpu/cpu{cpu}");
    let names = probe.names(&folder)?;
    let path = format!("{folder}/{what}");
    if names.iter().any(|name| name == what) {
        return Ok(Some(path));
    }
    probe.note(&path, "not there");
    Ok(None)
}

pub(super) fn governor(probe: &Probe) -> Answered {
    let mut answer = None;
    let mut judged = 0_u32;
    for cpu in probe.loop_cpus()? {
        let Some(folder) = folder(probe, *cpu, "cpufreq")? else { continue };
        let path = format!("{folder}/scaling_governor");
        let text = probe.text(&path)?;
        let governor = text.trim();
        if governor.is_empty() || !governor.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') {
            return Err(Unread::garbled(&path, "a governor such as performance"));
        }
        judged += 1;
        if governor != "performance" {
            let found = || format!("CPU {cpu} is clocked by the governor {governor}");
            let so_far = answer.unwrap_or_else(|| Answer::fail(found()));
            answer = Some(so_far.fix(Fix::Write(path, "performance".to_owned())));
        }
    }
    Ok(match (answer, judged) {
        (Some(answer), _) => answer,
        (None, 0) => Answer::not_applicable("the kernel does not clock this CPU"),
        (None, _) => Answer::pass("the governor is performance"),
    })
}

pub(super) fn idle(probe: &Probe) -> Answered {
    const WISH: &str = "/dev/cpu_dma_latency";
    let cpus = probe.loop_cpus()?;
    let mut deepest: Option<(i64, String)> = None;
    let mut files = Vec::new();
    for cpu in cpus {
        let Some(folder) = folder(probe, *cpu, "cpuidle")? else { continue };
        for state in probe.names(&folder)?.iter().filter(|name| name.starts_with("state")) {
            let read = |file: &str| probe.quiet_text(&format!("{folder}/{state}/{file}"));
            let number = |file: &str| {
                super::system::number(&format!("{folder}/{state}/{file}"), &read(file)?)
            };
            let (latency, disabled) = (number("latency")?, number("disable")?);
            if disabled == 0 && latency > LATENCY_US_MAX {
                let name = read("name")?.trim().to_owned();
                probe.note(&format!("{folder}/{state}/latency"), &format!("{latency} ({name})"));
                files.push(format!("{folder}/{state}/disable"));
                if deepest.as_ref().is_none_or(|(most, _)| latency > *most) {
                    deepest = Some((latency, name));
                }
            }
        }
    }
    let Some((latency, name)) = deepest else {
        probe.note(
            &format!("/sys/devices/system/cpu/cpu{}/cpuidle", show(cpus)),
            "no deep state on",
        );
        return Ok(Answer::pass(format!("CPU {} enters no deep idle state", show(cpus))));
    };
    if probe.exists(WISH) && probe.may_write(WISH) {
        return Ok(Answer::pass(format!(
            "idle states up to {name} ({latency} µs): tactus run holds {WISH} at 0 against them"
        )));
    }
    let answer = Answer::fail(format!(
        "idle states up to {name} take {latency} µs to leave, and {WISH} cannot be held"
    ));
    let answer = answer.fix(Fix::ByHand(format!(
        "a udev rule KERNEL==\"cpu_dma_latency\", GROUP=\"realtime\", MODE=\"0660\", so that tactus may hold {WISH}"
    )));
    Ok(files.into_iter().fold(answer, |answer, file| answer.fix(Fix::Write(file, "1".into()))))
}
