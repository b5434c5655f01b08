//! How the kernel writes sets of CPUs: lists (`0-2,4`), masks (`f,ffffffff`), and what it takes on its command line.
//! What is not understood is `None`: a guess would be a verdict on something that nobody said.

use std::collections::BTreeSet;

/// Some CPUs.
pub(super) type Cpus = BTreeSet<usize>;

/// Highest CPU number (the largest NR_CPUS a distribution sets), so that a damaged file cannot ask for a long loop.
const CPU_MAX: usize = 8191;

/// A list such as `0-2,4`. Empty, and `(null)` as the kernel prints a mask that was never set, are no CPU. Source: Linux,
/// `Documentation/admin-guide/cputopology.rst`.
#[must_use]
pub(super) fn list(text: &str) -> Option<Cpus> {
    let text = text.trim();
    if text.is_empty() || text == "(null)" {
        return Some(Cpus::new());
    }
    let mut cpus = Cpus::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (cpu(first)?, cpu(last)?);
        if first > last {
            return None;
        }
        cpus.extend(first..=last);
    }
    Some(cpus)
}

fn cpu(text: &str) -> Option<usize> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok())?.filter(|cpu| *cpu <= CPU_MAX)
}

/// A mask such as `f` or `1,00000000`: hexadecimal words of 32 bits, the highest first.
#[must_use]
pub(super) fn mask(text: &str) -> Option<Cpus> {
    let mut cpus = Cpus::new();
    for (word, digits) in text.trim().split(',').rev().enumerate() {
        if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let bits = u32::from_str_radix(digits, 16).ok()?;
        let set = (0..32).filter(|bit| bits >> bit & 1 == 1);
        cpus.extend(set.map(|bit| word * 32 + bit));
    }
    cpus.last().is_none_or(|last| *last <= CPU_MAX).then_some(cpus)
}

/// A list as the command line has it: words such as `managed_irq` first, `all`, and `N` for the last CPU. Source: Linux,
/// `Documentation/admin-guide/kernel-parameters.rst`.
#[must_use]
pub(super) fn boot(text: &str, possible: &Cpus) -> Option<Cpus> {
    let last = possible.last()?.to_string();
    let is_word = |part: &&str| matches!(*part, "managed_irq" | "domain" | "nohz");
    let parts: Vec<_> = text.split(',').skip_while(is_word).collect();
    let mut cpus = Cpus::new();
    for part in parts {
        match part {
            "all" => cpus.extend(possible),
            _ => cpus.extend(list(&part.replace('N', &last))?),
        }
    }
    Some(cpus)
}

/// The value of a parameter on the kernel's command line; the last one counts. `Some("")`: there without a value.
#[must_use]
pub(super) fn parameter<'a>(command_line: &'a str, name: &str) -> Option<&'a str> {
    let value = |word: &'a str| match word.split_once('=') {
        Some((found, value)) if found == name => Some(value),
        None if word == name => Some(""),
        _ => None,
    };
    command_line.split_whitespace().filter_map(value).next_back()
}

/// For people and for the kernel: `0-2,4`; `none`.
#[must_use]
pub(super) fn show(cpus: &Cpus) -> String {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for cpu in cpus {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == *cpu => *last = *cpu,
            _ => runs.push((*cpu, *cpu)),
        }
    }
    let show = |(first, last): &(usize, usize)| {
        if first == last { first.to_string() } else { format!("{first}-{last}") }
    };
    match runs.is_empty() {
        true => "none".to_owned(),
        false => runs.iter().map(show).collect::<Vec<_>>().join(","),
    }
}

/// As the kernel takes a mask: `1,0000000f`.
#[must_use]
pub(super) fn show_mask(cpus: &Cpus) -> String {
    let words = cpus.last().map_or(1, |last| last / 32 + 1);
    let word = |at: usize| {
        let bits = (0..32).filter(|bit| cpus.contains(&(at * 32 + bit)));
        bits.fold(0_u32, |bits, bit| bits | 1 << bit)
    };
    let mut out = format!("{:x}", word(words - 1));
    for at in (0..words - 1).rev() {
        out.push_str(&format!(",{:08x}", word(at)));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(cpus: &[usize]) -> Cpus {
        cpus.iter().copied().collect()
    }

    #[test]
    fn what_is_not_a_list_is_not_taken_for_one() {
        assert_eq!(list("0-2,4\n"), Some(set(&[0, 1, 2, 4])));
        assert_eq!(list("(null)\n"), Some(set(&[])));
        for wrong in ["x", "1-", "-1", "3-1", "1,,2", "0-9999999999", "+1", "1 2", "\0"] {
            assert_eq!(list(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn masks_are_words_of_32_bits_the_highest_first() {
        assert_eq!(mask("b\n"), Some(set(&[0, 1, 3])));
        assert_eq!(mask("1,00000001"), Some(set(&[0, 32])));
        for wrong in ["", "g", "100000000", "1,,1", "0x1"] {
            assert_eq!(mask(wrong), None, "{wrong}");
        }
        for cpus in [set(&[]), set(&[0, 1, 3]), set(&[31, 32, 70])] {
            assert_eq!(mask(&show_mask(&cpus)), Some(cpus));
        }
    }

    #[test]
    fn the_command_line_has_words_all_and_the_last_cpu() {
        let possible = set(&[0, 1, 2, 3]);
        assert_eq!(boot("managed_irq,domain,2-N", &possible), Some(set(&[2, 3])));
        assert_eq!(boot("all", &possible), Some(possible.clone()));
        assert_eq!(boot("0-3:1/2", &possible), None);
        assert_eq!(parameter("a=1 quiet a=2", "a"), Some("2"));
        assert_eq!(parameter("quiet", "quiet"), Some(""));
        assert_eq!(parameter("aa=1", "a"), None);
    }

    #[test]
    fn lists_are_shown_as_the_kernel_writes_them() {
        assert_eq!(show(&set(&[0, 1, 2, 4])), "0-2,4");
        assert_eq!(show(&set(&[])), "none");
    }
}
