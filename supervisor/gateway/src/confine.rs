//! What the process may do: nothing that it does not need. It gives it away itself, first of all, instead of having it taken between
//! fork and exec: `tactus run` then starts it without copying its own locked memory (docs/adr/0031).

use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::Signal;
use nix::unistd::{Uid, User, geteuid, getppid, setgid, setgroups, setuid};

/// What is given away.
#[derive(Clone, Debug, Default)]
pub struct Confine {
    /// The user to become, when root.
    pub user: Option<String>,
    /// Address space, bytes.
    pub memory_bytes: Option<u64>,
    /// The process that started it: when that is gone, so is this one.
    pub parent: Option<u32>,
}

/// Gives it away, and looks whether it is gone.
///
/// # Errors
/// It is not.
pub fn confine(what: &Confine) -> Result<(), String> {
    if let (Some(name), true) = (&what.user, geteuid().is_root()) {
        become_user(name)?;
    }
    prctl::set_no_new_privs().map_err(|source| format!("no_new_privs: {source}"))?;
    prctl::set_dumpable(false).map_err(|source| format!("not dumpable: {source}"))?;
    if let Some(bytes) = what.memory_bytes {
        setrlimit(Resource::RLIMIT_AS, bytes, bytes)
            .map_err(|source| format!("the limit of memory: {source}"))?;
    }
    if let Some(parent) = what.parent {
        // After the change of user, which clears it.
        prctl::set_pdeathsig(Signal::SIGKILL).map_err(|source| format!("{source}"))?;
        if u32::try_from(getppid().as_raw()) != Ok(parent) {
            return Err("the process that started the gateway is gone".to_owned());
        }
    }
    Ok(())
}

fn become_user(name: &str) -> Result<(), String> {
    let refused = |what: &str, source: nix::Error| {
        format!("the gateway cannot become {name}: {what}: {source}")
    };
    let user = User::from_name(name)
        .map_err(|source| refused("its entry", source))?
        .ok_or_else(|| format!("there is no user {name}: name one in [gateway] user"))?;
    if user.uid.is_root() {
        return Err("the gateway must not be root: name another [gateway] user".to_owned());
    }
    setgroups(&[user.gid]).map_err(|source| refused("its groups", source))?;
    setgid(user.gid).map_err(|source| refused("its group", source))?;
    setuid(user.uid).map_err(|source| refused("its id", source))?;
    if setuid(Uid::from_raw(0)).is_ok() {
        return Err("the gateway could become root again".to_owned());
    }
    without_capabilities()
}

/// Read back from the kernel.
fn without_capabilities() -> Result<(), String> {
    let status = std::fs::read_to_string("/proc/self/status")
        .map_err(|source| format!("/proc/self/status: {source}"))?;
    for set in ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"] {
        let value = status.lines().find_map(|line| line.strip_prefix(set)).map(str::trim);
        if value.is_none_or(|value| value.chars().any(|c| c != '0')) {
            return Err(format!("the gateway still has capabilities: {set} {value:?}"));
        }
    }
    Ok(())
}
