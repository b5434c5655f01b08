//! Runs the example `admission` with chosen rights.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super as common;

pub(crate) const MEMORY_REFUSED: &str = "no CAP_IPC_LOCK, and RLIMIT_MEMLOCK is 8388608 bytes, below the \
                              268435456 needed";
pub(crate) const SETCAP: &str = "setcap cap_sys_nice,cap_ipc_lock,cap_net_raw=ep PROGRAM";

/// The rights of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Rights {
    /// As the test itself.
    Own,
    /// An ordinary user: no capability, 8 MiB to lock, no priority.
    None,
    /// An ordinary user whose program was given capabilities.
    Granted(&'static str),
    /// An ordinary user in a group with limits as in limits.conf: memory unlimited, priority up to
    /// 75.
    Limits,
}

pub(crate) struct Ran {
    pub(crate) status: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// The line of a step, and whether it was granted.
    pub(crate) fn step(&self, name: &str) -> (&str, bool) {
        let line = self.out.lines().find(|line| line.split_whitespace().nth(1) == Some(name));
        let line = line.unwrap_or_else(|| panic!("no step {name} in:\n{}\n{}", self.out, self.err));
        (line, line.starts_with("ok"))
    }

    pub(crate) fn line(&self, name: &str) -> &str {
        let value = self.out.lines().find_map(|line| line.strip_prefix(name));
        value.unwrap_or_else(|| panic!("no {name} in:\n{}\n{}", self.out, self.err)).trim()
    }
}

pub(crate) fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| common::example_for_all("admission"))
}

/// True root: capabilities in the machine's own user namespace.
pub(crate) fn is_root() -> bool {
    let map = fs::read_to_string("/proc/self/uid_map").expect("readable");
    let whole = map.split_whitespace().collect::<Vec<_>>() == ["0", "0", "4294967295"];
    nix::unistd::geteuid().is_root() && whole
}

pub(crate) fn has(capability: u32) -> bool {
    let status = fs::read_to_string("/proc/self/status").expect("readable");
    let set = status.lines().find_map(|line| line.strip_prefix("CapEff:")).expect("is there");
    let set = u64::from_str_radix(set.trim(), 16).expect("hexadecimal");
    is_root() && set & (1 << capability) != 0
}

pub(crate) const CAP_IPC_LOCK: u32 = 14;
pub(crate) const CAP_SYS_NICE: u32 = 23;
pub(crate) const CAP_SYS_RESOURCE: u32 = 24;

pub(crate) fn admission(rights: Rights, arguments: &[&str]) -> Ran {
    // 8 MiB and no priority are what distributions give; lowering needs no right.
    let mut command = Command::new("prlimit");
    let limits = ["--rtprio=0:0", "--memlock=8388608:8388608"];
    match rights {
        Rights::Own => {}
        Rights::None if !is_root() => {
            command.args(limits);
        }
        Rights::None => {
            command.args(limits).args(["setpriv", "--reuid", "65534", "--clear-groups"]);
            command.arg("--bounding-set=-all");
        }
        Rights::Limits => {
            command.args(["--rtprio=0:75", "--memlock=unlimited:unlimited"]);
            command.args(["setpriv", "--reuid", "65534", "--clear-groups", "--bounding-set=-all"]);
        }
        Rights::Granted(capabilities) => {
            command.args(limits).args(["setpriv", "--reuid", "65534", "--clear-groups"]);
            command.arg(format!("--inh-caps=-all,{capabilities}"));
            command.arg(format!("--ambient-caps=-all,{capabilities}"));
        }
    }
    let (status, out, err) = common::run(command.arg(program()).args(arguments));
    Ran { status, out, err }
}

pub(crate) fn preempt_rt() -> bool {
    fs::read_to_string("/proc/version").expect("readable").contains("PREEMPT_RT")
}
