//! The machine's CPUs as sysfs has them. (`core_affinity::get_core_ids` reads the calling thread's
//! mask, in which isolated CPUs are missing.)

use std::fs;

/// CPUs that run.
pub(crate) fn online() -> Vec<usize> {
    read("/sys/devices/system/cpu/online")
}

/// CPUs that the scheduler leaves alone (`isolcpus=`).
pub(crate) fn isolated() -> Vec<usize> {
    read("/sys/devices/system/cpu/isolated")
}

fn read(path: &str) -> Vec<usize> {
    fs::read_to_string(path).map(|list| parse(&list)).unwrap_or_default()
}

/// A list such as `0-2,4`. What is not understood is left out. Source: Linux,
/// `Documentation/admin-guide/cputopology.rst`.
pub(crate) fn parse(list: &str) -> Vec<usize> {
    list.trim().split(',').filter_map(range).flatten().collect()
}

fn range(part: &str) -> Option<std::ops::RangeInclusive<usize>> {
    let (first, last) = part.split_once('-').unwrap_or((part, part));
    Some(first.trim().parse().ok()?..=last.trim().parse().ok()?)
}

/// The same for people: `0-2,4`; `none` for no CPU.
pub(crate) fn show(cpus: &[usize]) -> String {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for cpu in cpus {
        match runs.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(*cpu) => *last = *cpu,
            _ => runs.push((*cpu, *cpu)),
        }
    }
    let show = |(first, last): &(usize, usize)| {
        if first == last { first.to_string() } else { format!("{first}-{last}") }
    };
    if runs.is_empty() {
        "none".to_owned()
    } else {
        runs.iter().map(show).collect::<Vec<_>>().join(",")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_the_kernel_are_read_and_shown_alike() {
        for (list, cpus) in
            [("0-2,4\n", vec![0, 1, 2, 4]), ("3", vec![3]), ("0-1,5,7-8", vec![0, 1, 5, 7, 8])]
        {
            assert_eq!(parse(list), cpus);
            assert_eq!(show(&cpus), list.trim());
        }
        assert_eq!(parse("\n"), Vec::<usize>::new());
        assert_eq!(show(&[]), "none");
    }

    #[test]
    fn this_machine_has_a_cpu_online() {
        assert!(!online().is_empty());
    }
}
