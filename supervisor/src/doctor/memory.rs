//! Memory: locked pages stay, but the kernel may still move, merge or sample them.

use super::finding::{Answer, Answered, Fix};
use super::system::{Probe, Unread};

pub(super) fn huge_pages(probe: &Probe) -> Answered {
    const PATH: &str = "/sys/kernel/mm/transparent_hugepage/enabled";
    probe.names("/sys/kernel/mm")?;
    if !probe.exists("/sys/kernel/mm/transparent_hugepage") {
        return Ok(Answer::not_applicable("this kernel has no transparent huge pages"));
    }
    let text = probe.text(PATH)?;
    let chosen = text.split_once('[').and_then(|(_, rest)| rest.split_once(']'));
    match chosen.map(|(chosen, _)| chosen) {
        Some("never") => Ok(Answer::pass("transparent huge pages are off")),
        Some("madvise") => Ok(Answer::pass("transparent huge pages only where a program asks")),
        Some("always") => Ok(Answer::fail("transparent huge pages are made for every program")
            .fix(Fix::Write(PATH.to_owned(), "never".to_owned()))
            .fix(Fix::Boot("transparent_hugepage=never".to_owned()))),
        _ => Err(Unread::garbled(PATH, "always, madvise and never, one in brackets")),
    }
}

pub(super) fn numa_balancing(probe: &Probe) -> Answered {
    const PATH: &str = "/proc/sys/kernel/numa_balancing";
    let Some(text) = probe.feature(PATH)? else {
        return Ok(Answer::not_applicable("this kernel does not balance memory between nodes"));
    };
    match text.trim() {
        "0" => Ok(Answer::pass("memory is not moved between nodes")),
        "1" | "2" | "3" => Ok(Answer::fail("the kernel unmaps pages to see who uses them")
            .fix(Fix::Sysctl("kernel.numa_balancing", "0"))),
        _ => Err(Unread::garbled(PATH, "0 to 3")),
    }
}

pub(super) fn damon(probe: &Probe) -> Answered {
    const MODULES: &str = "/sys/module";
    const ADMIN: &str = "/sys/kernel/mm/damon/admin/kdamonds";
    let modules = probe.names(MODULES)?;
    let has_admin = probe.exists(ADMIN);
    let own: Vec<_> = modules.iter().filter(|name| name.starts_with("damon_")).collect();
    if !has_admin && own.is_empty() {
        probe.names("/sys/kernel/mm")?;
        return Ok(Answer::not_applicable("this kernel has no DAMON"));
    }
    let mut answer: Option<Answer> = None;
    let mut found = |what: String, fix: Fix| {
        let so_far = answer.take().unwrap_or_else(|| Answer::fail(what));
        answer = Some(so_far.fix(fix));
    };
    for module in own {
        let path = format!("{MODULES}/{module}/parameters/enabled");
        match probe.feature(&path)?.as_deref().map(str::trim) {
            None | Some("N") => {}
            Some("Y") => {
                found(format!("{module} samples memory"), Fix::Write(path, "N".to_owned()))
            }
            Some(_) => return Err(Unread::garbled(&path, "Y or N")),
        }
    }
    let threads = if has_admin { probe.names(ADMIN)? } else { Vec::new() };
    for thread in threads.iter().filter(|name| name.bytes().all(|byte| byte.is_ascii_digit())) {
        let path = format!("{ADMIN}/{thread}/state");
        match probe.text(&path)?.trim() {
            "off" => {}
            "on" => found(
                format!("kdamond {thread} samples memory"),
                Fix::WriteNow(path, "off".to_owned()),
            ),
            _ => return Err(Unread::garbled(&path, "on or off")),
        }
    }
    Ok(answer.unwrap_or_else(|| Answer::pass("DAMON samples nothing")))
}

pub(super) fn swap(probe: &Probe) -> Answered {
    const PATH: &str = "/proc/swaps";
    let text = probe.text(PATH)?;
    let mut lines = text.lines();
    if !lines.next().is_some_and(|head| head.starts_with("Filename")) {
        return Err(Unread::garbled(PATH, "a table that begins with Filename"));
    }
    let areas: Vec<_> = lines.filter_map(|line| line.split_whitespace().next()).collect();
    Ok(match areas.is_empty() {
        true => Answer::pass("nothing is swapped out"),
        false => Answer::fail(format!("pages may be swapped out to {}", areas.join(", ")))
            .fix(Fix::Run("swapoff -a".to_owned()))
            .fix(Fix::ByHand("take the swap areas out of /etc/fstab".to_owned())),
    })
}

pub(super) fn compaction(probe: &Probe) -> Answered {
    const PATH: &str = "/proc/sys/vm/compact_unevictable_allowed";
    let Some(text) = probe.feature(PATH)? else {
        return Ok(Answer::not_applicable("this kernel does not compact memory"));
    };
    match text.trim() {
        "0" => Ok(Answer::pass("locked pages are not moved")),
        "1" => Ok(Answer::fail("locked pages are moved when memory is compacted")
            .fix(Fix::Sysctl("vm.compact_unevictable_allowed", "0"))),
        _ => Err(Unread::garbled(PATH, "0 or 1")),
    }
}

pub(super) fn same_page_merging(probe: &Probe) -> Answered {
    const PATH: &str = "/sys/kernel/mm/ksm/run";
    probe.names("/sys/kernel/mm")?;
    if !probe.exists("/sys/kernel/mm/ksm") {
        return Ok(Answer::not_applicable("this kernel does not merge equal pages"));
    }
    match probe.text(PATH)?.trim() {
        "0" | "2" => Ok(Answer::pass("equal pages are not merged")),
        "1" => Ok(Answer::warn("the kernel looks for equal pages to merge")
            .fix(Fix::Write(PATH.to_owned(), "0".to_owned()))),
        _ => Err(Unread::garbled(PATH, "0, 1 or 2")),
    }
}
