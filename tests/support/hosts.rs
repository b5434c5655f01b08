//! Two hosts on one machine: two network namespaces joined by a veth pair, `bus0` here and `bus1` there.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{run, tactus};

/// One pair of hosts at a time: what is measured in real time does not run beside another.
static TURN: Mutex<()> = Mutex::new(());

/// Waits for its turn with the processors; held until dropped.
pub fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The script that makes both namespaces and then runs `BODY`, in which `there CMD…` runs a command on the other host.
/// Everything ends with it: what `BODY` leaves in the background is ended, and the namespaces die with their last process.
/// `BODY` must not `exec`, or there is nobody to do so.
const SCRIPT: &str = r#"
set -eu
ip link set lo up
ip link add bus0 type veth peer name bus1
unshare -n sleep 600 >/dev/null 2>&1 & other=$!
trap 'kill $(jobs -p) 2>/dev/null || true' EXIT
until [ "$(readlink /proc/$other/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do :; done
ip link set bus1 netns $other
there() { nsenter -t $other -n "$@"; }
for f in bus0; do sysctl -qw net.ipv6.conf.$f.disable_ipv6=1 2>/dev/null || true; done
there sysctl -qw net.ipv6.conf.bus1.disable_ipv6=1 2>/dev/null || true
ip link set bus0 up
there ip link set bus1 up
until [ "$(cat /sys/class/net/bus0/operstate 2>/dev/null || ip -br link show bus0 | awk '{print $2}')" = up ] || ip -br link show bus0 | grep -q ' UP '; do :; done
"#;

/// A command that runs `body` (bash) with both hosts up. Root makes the namespaces directly, anyone else in a user namespace.
#[must_use]
pub fn two_hosts(body: &str) -> Command {
    let mut command = Command::new("unshare");
    if !is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command.args(["--net", "bash", "-c", &format!("{SCRIPT}\n{body}")]);
    command
}

fn is_root() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| {
        status.lines().any(|l| l.starts_with("Uid:") && l.split_whitespace().nth(2) == Some("0"))
    })
}

/// `tactus sim` on the other host in the background, then `body` in `directory` with `$SIM` as its process id, `$tactus` and `$file` here.
#[must_use]
pub fn with_sim(directory: &Path, file: &Path, body: &str) -> Output {
    let _turn = turn();
    let script = format!(
        r#"
cd {directory}
tactus={tactus}
file={file}
nsenter -t $other -n $tactus sim $file --iface bus1 --json --vision-socket vision.sock >sim.json 2>sim.err & SIM=$!
until grep -q '"ready"' sim.json; do kill -0 $SIM || {{ cat sim.err >&2; exit 99; }}; done
{body}
"#,
        directory = directory.display(),
        tactus = tactus().display(),
        file = file.display(),
    );
    run(&mut two_hosts(&script))
}
