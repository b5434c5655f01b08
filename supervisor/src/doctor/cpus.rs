//! The CPUs of the loop: nothing else may run there.

use super::finding::{Answer, Answered, Fix};
use super::lists::{self, Cpus, show};
use super::system::{Probe, Unread, Why};

const COMMAND_LINE: &str = "/proc/cmdline";
const POSSIBLE: &str = "/sys/devices/system/cpu/possible";
const NOHZ_FULL: &str = "/sys/devices/system/cpu/nohz_full";

fn missing(wanted: &Cpus, found: &Cpus) -> Cpus {
    wanted.difference(found).copied().collect()
}

pub(super) fn isolated(probe: &Probe) -> Answered {
    let (cpus, online) = (probe.loop_cpus()?, probe.online()?);
    let offline = missing(cpus, &online);
    if let Some(cpu) = offline.first() {
        return Ok(Answer::fail(format!("CPU {cpu} is not online; online are {}", show(&online)))
            .fix(Fix::ByHand(format!(
                "choose one of {} as cycle.cpu, or switch CPU {cpu} on",
                show(&online)
            ))));
    }
    let isolated = probe.isolated()?;
    let open = missing(cpus, &isolated);
    let all: Cpus = isolated.union(cpus).copied().collect();
    Ok(match open.is_empty() {
        true => Answer::pass(format!("CPU {} isolated", show(cpus))),
        false => Answer::fail(format!(
            "CPU {} is not isolated; isolated are {}",
            show(&open),
            show(&isolated)
        ))
        .fix(Fix::Boot(format!("isolcpus=managed_irq,domain,{}", show(&all)))),
    })
}

pub(super) fn housekeeping(probe: &Probe) -> Answered {
    let (cpus, online) = (probe.loop_cpus()?, probe.online()?);
    let rest = missing(&online, cpus);
    Ok(match rest.is_empty() {
        false => Answer::pass(format!("CPU {} for everything else", show(&rest))),
        true => {
            Answer::fail(format!("no CPU is left for anything else; online are {}", show(&online)))
                .fix(Fix::ByHand(
                    "a machine with at least two CPUs, or fewer for the loop".to_owned(),
                ))
        }
    })
}

/// CPUs without the regular tick; `None`: the kernel cannot.
fn tickless(probe: &Probe) -> Result<Option<Cpus>, Unread> {
    let Some(text) = probe.feature(NOHZ_FULL)? else { return Ok(None) };
    let garbled = || Unread::garbled(NOHZ_FULL, "CPUs such as 0-2,4");
    lists::list(&text).map(Some).ok_or_else(garbled)
}

pub(super) fn nohz_full(probe: &Probe) -> Answered {
    let cpus = probe.loop_cpus()?;
    let Some(tickless) = tickless(probe)? else {
        return Ok(Answer::warn("this kernel cannot stop the tick (CONFIG_NO_HZ_FULL)")
            .fix(Fix::ByHand("a kernel with CONFIG_NO_HZ_FULL".to_owned())));
    };
    let ticking = missing(cpus, &tickless);
    let all: Cpus = tickless.union(cpus).copied().collect();
    Ok(match ticking.is_empty() {
        true => Answer::pass(format!("no tick on CPU {}", show(cpus))),
        false => Answer::warn(format!("the tick runs on CPU {}", show(&ticking)))
            .fix(Fix::Boot(format!("nohz_full={}", show(&all)))),
    })
}

pub(super) fn rcu_nocbs(probe: &Probe) -> Answered {
    let cpus = probe.loop_cpus()?;
    let command_line = probe.text(COMMAND_LINE)?;
    let garbled = || Unread::garbled(COMMAND_LINE, "rcu_nocbs= with CPUs such as 0-2,4");
    if !command_line.ends_with('\n')
        || command_line.bytes().any(|b| b.is_ascii_control() && b != b'\n')
    {
        return Err(Unread::garbled(COMMAND_LINE, "the kernel's command line"));
    }
    // nohz_full= implies it (`rcu_init_nohz`).
    let mut offloaded = tickless(probe)?.unwrap_or_default();
    match lists::parameter(&command_line, "rcu_nocbs") {
        None => {}
        // Without a value the list stays empty, and CPUs may only be added at run time.
        Some("") => {}
        Some(list) => {
            offloaded.extend(lists::boot(list, &probe.cpus(POSSIBLE)?).ok_or_else(garbled)?);
        }
    }
    let left = missing(cpus, &offloaded);
    let all: Cpus = offloaded.union(cpus).copied().collect();
    Ok(match left.is_empty() {
        true => Answer::pass(format!("RCU callbacks of CPU {} run elsewhere", show(cpus))),
        false => Answer::fail(format!("RCU callbacks run on CPU {}", show(&left)))
            .fix(Fix::Boot(format!("rcu_nocbs={}", show(&all)))),
    })
}

pub(super) fn siblings(probe: &Probe) -> Answered {
    let cpus = probe.loop_cpus()?;
    let (online, isolated) = (probe.online()?, probe.isolated()?);
    let mut others = Cpus::new();
    for cpu in cpus {
        let path = format!("/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list");
        let siblings = probe.cpus(&path)?;
        if !siblings.contains(cpu) {
            let why = Why::Garbled { expected: "a list with the CPU itself" };
            return Err(Unread { path, why });
        }
        others
            .extend(siblings.iter().filter(|sibling| *sibling != cpu && online.contains(sibling)));
    }
    let open = missing(&others, &isolated);
    let off = |answer: Answer, cpus: &Cpus| {
        if cpus.is_empty() {
            let text = "give the loop one CPU of a core (cycle.cpu), and switch the other off";
            return answer.fix(Fix::ByHand(text.to_owned()));
        }
        let file = |cpu: &usize| format!("/sys/devices/system/cpu/cpu{cpu}/online");
        cpus.iter().fold(answer, |answer, cpu| answer.fix(Fix::Write(file(cpu), "0".to_owned())))
    };
    Ok(match (others.is_empty(), open.is_empty()) {
        (true, _) => Answer::pass(format!("CPU {} shares its core with nobody", show(cpus))),
        (false, true) => off(
            Answer::warn(format!(
                "CPU {} shares its core with CPU {}, which is isolated too: nothing may run there",
                show(cpus),
                show(&others)
            )),
            &missing(&others, cpus),
        ),
        (false, false) => off(
            Answer::fail(format!(
                "CPU {} shares its core with CPU {}, which serves others",
                show(cpus),
                show(&open)
            )),
            &open,
        ),
    })
}
