//! What is left to do: one line for people, and one script for all of it.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::Diagnosis;
use super::finding::{Finding, Fix, Verdict};

const HEAD: &str = r#"#!/bin/sh
# What `tactus doctor` found not right, and what gives it. Read it, take out what you do not want, run it as root.
# It may be run again: every step sets a value and every file is written whole. What does not outlast a start of the
# machine (priorities of threads, affinity of interrupts) wants it at each start.
set -u
[ "$(id -u)" = 0 ] || { echo "run this as root" >&2; exit 1; }
refused=0
boot=

refuse() { echo "refused: $*" >&2; refused=1; }

# put FILE VALUE: writes to a file of /proc or /sys.
put() { { printf '%s\n' "$2" > "$1"; } 2>/dev/null || refuse "$2 > $1"; }

# keep FILE LINE...: a file with these lines, for the next start.
keep() {
  file=$1; shift
  { mkdir -p "${file%/*}" && printf '%s\n' "$@" > "$file"; } || refuse "$file"
}

# rt_threads NAME PRIORITY: threads of that name (with a - at the end: whose name begins so) get SCHED_FIFO.
rt_threads() {
  for comm in /proc/[0-9]*/comm; do
    { read -r name < "$comm"; } 2>/dev/null || continue
    case $1 in
      *-) [ "${name#"$1"}" != "$name" ] || continue ;;
      *) [ "$name" = "$1" ] || continue ;;
    esac
    pid=${comm#/proc/}
    chrt -f -p "$2" "${pid%/comm}" || refuse "$name SCHED_FIFO $2"
  done
}

by_hand() { echo "by hand: $*"; }
"#;

const TAIL: &str = r#"
if [ -n "$boot" ]; then
  if command -v update-grub > /dev/null; then update-grub || refuse update-grub
  else by_hand "add to the kernel's command line:$boot"; fi
  echo "start the machine anew for:$boot"
fi
exit $refused
"#;

/// The script of all that is not a pass. It is printed, never run by us.
#[must_use]
pub fn script(diagnosis: &Diagnosis) -> String {
    let mut out = HEAD.to_owned();
    let mut done = BTreeSet::new();
    let open = diagnosis.checks.iter().filter(|finding| !finding.fixes.is_empty());
    for finding in open.filter(|finding| finding.verdict > Verdict::Pass) {
        section(finding, &mut done, &mut out);
    }
    out.push_str(TAIL);
    out
}

/// Steps that several checks ask for are done once.
fn section(finding: &Finding, done: &mut BTreeSet<String>, out: &mut String) {
    let Finding { id, verdict, found, why, .. } = finding;
    // Writing to a String does not fail.
    let _ = write!(out, "\n# {id}: {}. {}\n# {}\n", verdict.word(), comment(found), comment(why));
    let mut kept: Vec<(String, Vec<String>)> = Vec::new();
    for fix in &finding.fixes {
        let now = now(id, fix);
        if !done.insert(now.clone()) {
            let _ = writeln!(out, "# as above: {}", comment(&line(fix)));
            continue;
        }
        let _ = writeln!(out, "{now}");
        let Some((file, text)) = at_each_start(id, fix) else { continue };
        match kept.iter_mut().find(|(known, _)| *known == file) {
            Some((_, lines)) => lines.push(text),
            None => kept.push((file, vec![text])),
        }
    }
    for (file, lines) in kept {
        let lines: Vec<_> = lines.iter().map(|line| quoted(line)).collect();
        let _ = writeln!(out, "keep {} {}", quoted(&file), lines.join(" "));
    }
}

/// What sets it now.
fn now(id: &str, fix: &Fix) -> String {
    let step = match fix {
        Fix::Write(file, value) | Fix::WriteNow(file, value) => {
            return format!("put {} {}", quoted(file), quoted(value));
        }
        Fix::Boot(parameter) => return format!("boot=\"$boot \"{}", quoted(parameter)),
        Fix::Threads(prefix, priority) => {
            return format!("rt_threads {} {priority}", quoted(prefix));
        }
        Fix::ByHand(text) => return format!("by_hand {}", quoted(&format!("{id}: {text}"))),
        Fix::Sysctl(key, value) => format!("sysctl -q -w {key}={value}"),
        Fix::Ethtool(interface, option, arguments) => {
            format!("ethtool {option} {} {arguments}", quoted(interface))
        }
        Fix::Run(command) => command.clone(),
    };
    format!("{{ {step}; }} || refuse {}", quoted(&step))
}

/// File and line that set it at each start.
fn at_each_start(id: &str, fix: &Fix) -> Option<(String, String)> {
    match fix {
        Fix::Sysctl(key, value) => {
            Some((format!("/etc/sysctl.d/90-tactus-{id}.conf"), format!("{key} = {value}")))
        }
        Fix::Write(file, value) => {
            Some((format!("/etc/tmpfiles.d/tactus-{id}.conf"), format!("w {file} - - - - {value}")))
        }
        Fix::Boot(parameter) => Some((
            format!("/etc/default/grub.d/tactus-{id}.cfg"),
            format!("GRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX {parameter}\""),
        )),
        // A name with signs that udev reads otherwise is left to the person.
        Fix::Ethtool(interface, option, arguments) if is_plain(interface) => Some((
            format!("/etc/udev/rules.d/90-tactus-{id}.rules"),
            format!(
                "ACTION==\"add\", SUBSYSTEM==\"net\", NAME==\"{interface}\", \
                 RUN+=\"/usr/sbin/ethtool {option} {interface} {arguments}\""
            ),
        )),
        Fix::Ethtool(..) | Fix::WriteNow(..) | Fix::Threads(..) | Fix::Run(_) | Fix::ByHand(_) => {
            None
        }
    }
}

/// One line for people.
pub(super) fn line(fix: &Fix) -> String {
    match fix {
        Fix::Sysctl(key, value) => format!("sysctl -w {key}={value}"),
        Fix::Write(file, value) | Fix::WriteNow(file, value) => format!("echo {value} > {file}"),
        Fix::Boot(parameter) => format!("kernel parameter {parameter}"),
        Fix::Ethtool(interface, option, arguments) => {
            format!("ethtool {option} {} {arguments}", quoted(interface))
        }
        Fix::Threads(prefix, priority) => {
            format!(
                "chrt -f -p {priority} for the thread {prefix}{}",
                if prefix.ends_with('-') { "…" } else { "" }
            )
        }
        Fix::Run(command) => command.clone(),
        Fix::ByHand(text) => text.clone(),
    }
}

fn is_plain(word: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    !word.is_empty() && !word.starts_with('-') && word.bytes().all(plain)
}

/// One word for the shell.
pub(super) fn quoted(word: &str) -> String {
    match is_plain(word) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

/// Text that stays within its comment.
fn comment(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
