//! Interrupts: away from the loop's CPUs; and the threads that bring the fieldbus' frames, before all others.

use super::finding::{Answer, Answered, Fix};
use super::kernel;
use super::lists::{self, Cpus, show, show_mask};
use super::system::{Probe, Unread};
use super::threads;

/// SCHED_FIFO priority that the kernel gives to every interrupt thread (`sched_set_fifo`: MAX_RT_PRIO / 2).
const PRIORITY_KERNEL: u8 = 50;
/// Highest that a fix hands out: 99 is the kernel's own (migration, watchdogs).
const PRIORITY_MAX: u8 = 98;
/// Interrupts named one by one in a finding.
const NAMED_MAX: usize = 8;
/// What /proc/irq/N holds besides a folder for each handler.
const PROPERTIES: [&str; 7] = [
    "affinity_hint",
    "effective_affinity",
    "effective_affinity_list",
    "node",
    "smp_affinity",
    "smp_affinity_list",
    "spurious",
];

/// Interrupts of the fieldbus' interface; `None`: it is virtual, or hangs on no device.
fn of_fieldbus(probe: &Probe) -> Result<Option<Vec<u32>>, Unread> {
    let Some(interface) = probe.interface()? else { return Ok(None) };
    let folder = format!("/sys/class/net/{interface}");
    probe.names(&folder)?;
    let device = format!("{folder}/device");
    if !probe.exists(&device) {
        return Ok(None);
    }
    // A virtio device hangs below the PCI device that has the interrupts.
    for place in [format!("{device}/msi_irqs"), format!("{device}/../msi_irqs")] {
        if let Ok(names) = probe.names(&place) {
            let numbers: Vec<u32> = names.iter().filter_map(|name| name.parse().ok()).collect();
            if !numbers.is_empty() {
                probe.note(&place, &names.join(" "));
                return Ok(Some(numbers));
            }
        }
    }
    let line = format!("{device}/irq");
    match u32::try_from(probe.number(&line)?) {
        Ok(number) if number > 0 => Ok(Some(vec![number])),
        _ => Err(Unread::garbled(&line, "the number of an interrupt")),
    }
}

/// Where an interrupt is served now, and where it may be.
fn served(probe: &Probe, number: u32) -> Result<(Cpus, Cpus), Unread> {
    let allowed = probe.quiet_cpus(&format!("/proc/irq/{number}/smp_affinity_list"))?;
    let effective = format!("/proc/irq/{number}/effective_affinity_list");
    let now = match probe.quiet_cpus(&effective) {
        Ok(cpus) if !cpus.is_empty() => cpus,
        // An old kernel, or an interrupt that has not been started.
        _ => allowed.clone(),
    };
    Ok((now, allowed))
}

/// Interrupts with a handler: number, name.
fn handled(probe: &Probe) -> Result<Vec<(u32, String)>, Unread> {
    const FOLDER: &str = "/proc/irq";
    let mut found = Vec::new();
    for name in probe.names(FOLDER)? {
        let Ok(number) = name.parse() else { continue };
        let entries = probe.names(&format!("{FOLDER}/{name}"))?;
        let handler = entries.into_iter().find(|entry| !PROPERTIES.contains(&entry.as_str()));
        found.extend(handler.map(|handler| (number, handler)));
    }
    match found.is_empty() {
        true => Err(Unread::garbled(FOLDER, "interrupts with handlers")),
        false => Ok(found),
    }
}

pub(super) fn affinity(probe: &Probe) -> Answered {
    let cpus = probe.loop_cpus()?;
    let housekeeping = probe.housekeeping()?;
    // Where its own interrupts belong is another question; which they are may be unknown.
    let own = of_fieldbus(probe).ok().flatten().unwrap_or_default();
    let (mut there, mut may, mut count) = (Vec::new(), Vec::new(), 0_usize);
    for (number, name) in handled(probe)?.into_iter().filter(|(number, _)| !own.contains(number)) {
        count += 1;
        let (now, allowed) = served(probe, number)?;
        let list = match (now.is_disjoint(cpus), allowed.is_disjoint(cpus)) {
            (false, _) => &mut there,
            (true, false) => &mut may,
            (true, true) => continue,
        };
        if list.len() < NAMED_MAX {
            let path = format!("/proc/irq/{number}/smp_affinity_list");
            probe.note(&path, &format!("{} (now {}), {name}", show(&allowed), show(&now)));
        }
        list.push(number);
    }
    let text = |numbers: &[u32]| {
        let mut text: Vec<_> = numbers.iter().take(NAMED_MAX).map(u32::to_string).collect();
        if numbers.len() > NAMED_MAX {
            text.push(format!("{} more", numbers.len() - NAMED_MAX));
        }
        text.join(", ")
    };
    let answer = match (there.is_empty(), may.is_empty()) {
        (true, true) => {
            return Ok(Answer::pass(format!("{count} interrupts, none on CPU {}", show(cpus))));
        }
        (true, false) => {
            Answer::warn(format!("may come to CPU {}: interrupts {}", show(cpus), text(&may)))
        }
        (false, _) => {
            Answer::fail(format!("served on CPU {}: interrupts {}", show(cpus), text(&there)))
        }
    };
    if housekeeping.is_empty() {
        return Ok(answer.fix(Fix::ByHand("there is no other CPU: see cpus.housekeeping".into())));
    }
    let to = show(&housekeeping);
    let move_one = |answer: Answer, number: &u32| {
        answer.fix(Fix::WriteNow(format!("/proc/irq/{number}/smp_affinity_list"), to.clone()))
    };
    let answer = there.iter().chain(&may).fold(answer, move_one);
    Ok(answer.fix(Fix::Boot(format!("irqaffinity={to}"))))
}

pub(super) fn default_affinity(probe: &Probe) -> Answered {
    mask_without_loop(probe, "/proc/irq/default_smp_affinity", "new interrupts", |to| {
        Fix::Boot(format!("irqaffinity={}", show(to)))
    })
}

pub(super) fn workqueues(probe: &Probe) -> Answered {
    const PATH: &str = "/sys/devices/virtual/workqueue/cpumask";
    mask_without_loop(probe, PATH, "unbound kernel work", |to| {
        Fix::Write(PATH.to_owned(), show_mask(to))
    })
}

fn mask_without_loop(
    probe: &Probe,
    path: &str,
    what: &str,
    fix: impl Fn(&Cpus) -> Fix,
) -> Answered {
    let cpus = probe.loop_cpus()?;
    let housekeeping = probe.housekeeping()?;
    let text = probe.text(path)?;
    let mask = lists::mask(&text).filter(|mask| !mask.is_empty());
    let mask = mask.ok_or_else(|| Unread::garbled(path, "a mask such as f"))?;
    let shared: Cpus = mask.intersection(cpus).copied().collect();
    if shared.is_empty() {
        return Ok(Answer::pass(format!("{what} stay off CPU {}", show(cpus))));
    }
    let answer = Answer::fail(format!("{what} may run on CPU {}", show(&shared)));
    Ok(match housekeeping.is_empty() {
        true => answer.fix(Fix::ByHand("there is no other CPU: see cpus.housekeeping".into())),
        false => answer.fix(fix(&housekeeping)),
    })
}

pub(super) fn balancer(probe: &Probe) -> Answered {
    Ok(match threads::named(probe, "irqbalance")?.is_empty() {
        true => Answer::pass("no irqbalance runs"),
        false => Answer::fail("irqbalance runs and moves interrupts")
            .fix(Fix::Run("systemctl disable --now irqbalance".to_owned())),
    })
}

/// What is wanted of a thread that brings frames: before the loop, so that a loop that spins cannot starve it.
fn wanted(probe: &Probe) -> u8 {
    probe.target.priority.saturating_add(1).min(PRIORITY_MAX)
}

pub(super) fn nic_thread(probe: &Probe) -> Answered {
    let Some(numbers) = of_fieldbus(probe)? else {
        return Ok(Answer::not_applicable("the fieldbus has no interrupt of its own"));
    };
    let cpus = probe.loop_cpus()?;
    let all = threads::all(probe)?;
    let mut answers = Vec::new();
    let priority = wanted(probe);
    for number in numbers {
        let prefix = format!("irq/{number}-");
        let own: Vec<_> =
            all.iter().filter(|thread| thread.name.starts_with(&prefix)).cloned().collect();
        for thread in &own {
            probe.note(&thread.path, &thread.to_string());
        }
        if own.is_empty() {
            continue;
        }
        let together = !served(probe, number)?.0.is_disjoint(cpus);
        let fix = Fix::Threads(prefix, priority);
        answers.extend(own.iter().map(|thread| {
            let after = together && thread.priority <= probe.target.priority;
            match (thread.is_realtime(), thread.priority) {
                (false, _) => Answer::fail(format!("{thread}: after all real-time threads")),
                (true, _) if after => Answer::warn(format!(
                    "{thread} is after the loop ({}) on the same CPU: receiving must not spin",
                    probe.target.priority
                )),
                (true, ..=PRIORITY_KERNEL) => {
                    Answer::warn(format!("{thread}: not before other interrupts"))
                }
                (true, _) => return Answer::pass(thread.to_string()),
            }
            .fix(fix.clone())
        }));
    }
    match (Answer::worst(answers), kernel::is_preempt_rt(probe)?) {
        (Some(answer), _) => Ok(answer),
        (None, false) => {
            Ok(Answer::not_applicable("this kernel serves interrupts without threads"))
        }
        (None, true) => Ok(Answer::unknown("no thread serves the interface: is it up?")
            .fix(Fix::ByHand("set the interface up, and run tactus doctor again".to_owned()))),
    }
}

pub(super) fn ksoftirqd(probe: &Probe) -> Answered {
    let Some(numbers) = of_fieldbus(probe)? else {
        return Ok(Answer::not_applicable("the fieldbus has no interrupt of its own"));
    };
    let cpus = probe.loop_cpus()?;
    let mut serving = Cpus::new();
    for number in numbers {
        serving.extend(served(probe, number)?.0);
    }
    let all = threads::all(probe)?;
    let mut answers = Vec::new();
    for cpu in &serving {
        let name = format!("ksoftirqd/{cpu}");
        let Some(thread) = all.iter().find(|thread| thread.name == name) else {
            return Err(Unread::garbled("/proc", "a ksoftirqd for each CPU"));
        };
        probe.note(&thread.path, &thread.to_string());
        let loops = probe.target.priority;
        let fix = Fix::Threads(name, loops.saturating_sub(1).clamp(1, PRIORITY_KERNEL));
        answers.push(match thread.is_realtime() {
            true if cpus.contains(cpu) && thread.priority >= loops => {
                Answer::fail(format!("{thread} is before the loop ({loops}) on its CPU")).fix(fix)
            }
            true => Answer::pass(thread.to_string()),
            false => Answer::warn(format!(
                "{thread}: frames left over by the interrupt wait behind everything"
            ))
            .fix(fix),
        });
    }
    Answer::worst(answers)
        .ok_or_else(|| Unread::garbled("/proc/irq", "interrupts of the interface"))
}

pub(super) fn napi_thread(probe: &Probe) -> Answered {
    let Some(interface) = probe.interface()? else {
        return Ok(Answer::not_applicable("the segment is virtual"));
    };
    let path = format!("/sys/class/net/{interface}/threaded");
    match probe.feature(&path)?.as_deref().map(str::trim) {
        None => return Ok(Answer::not_applicable("this kernel has no threaded NAPI")),
        Some("0") => {
            return Ok(Answer::not_applicable("NAPI is not threaded: see irq.nic-thread"));
        }
        // 2: busy polling.
        Some("1" | "2") => {}
        Some(_) => return Err(Unread::garbled(&path, "0, 1 or 2")),
    }
    let prefix = format!("napi/{interface}-");
    let threads = threads::named(probe, &prefix)?;
    let answers = threads.iter().map(|thread| match thread.is_realtime() {
        true => Answer::pass(thread.to_string()),
        false => Answer::fail(format!("{thread}: after all real-time threads"))
            .fix(Fix::Threads(prefix.clone(), wanted(probe))),
    });
    Ok(Answer::worst(answers.collect()).unwrap_or_else(|| {
        Answer::unknown(format!("NAPI is threaded and no thread {prefix}… is there: is it up?"))
            .fix(Fix::ByHand("set the interface up, and run tactus doctor again".to_owned()))
    }))
}
