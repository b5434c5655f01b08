//! A machine as files: everything right, then changed by each case.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// A line of /proc/PID/stat: name, policy (0 other, 1 FIFO), priority.
pub(crate) fn stat(pid: u32, name: &str, policy: u32, priority: u32) -> String {
    format!("{pid} ({name}) S {}{priority} {policy} 0 0\n", "0 ".repeat(36))
}

/// Linux 6.18 with PREEMPT_RT on four CPUs; the loop has CPU 3, the fieldbus eth1 (igb, interrupts 120 and 121).
const FILES: &[(&str, &str)] = &[
    ("/proc/sys/kernel/version", "#1 SMP PREEMPT_RT Debian 6.18.3-1 (2026-01-02)\n"),
    ("/proc/sys/kernel/osrelease", "6.18.3-rt-amd64\n"),
    ("/proc/sys/kernel/nmi_watchdog", "0\n"),
    ("/proc/sys/kernel/numa_balancing", "0\n"),
    ("/proc/sys/kernel/sched_rt_runtime_us", "950000\n"),
    ("/proc/sys/vm/compact_unevictable_allowed", "0\n"),
    ("/proc/cmdline", "quiet isolcpus=managed_irq,domain,3 nohz_full=3 rcu_nocbs=3\n"),
    ("/proc/swaps", "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"),
    ("/proc/uptime", "100000.00 390000.00\n"),
    ("/proc/stat", "cpu  1 1 1 1 1 1 1 1 0 0\ncpu3 10 0 20 9000 0 0 0 0 0 0\n"),
    ("/proc/timer_list", "Timer List Version: v0.10\ncpu: 0\n  .hres_active    : 1\n"),
    ("/proc/cpuinfo", "vendor_id\t: GenuineIntel\nflags\t\t: fpu tsc msr constant_tsc\n"),
    ("/proc/net/if_inet6", "00000000000000000000000000000001 01 80 10 80       lo\n"),
    (
        "/proc/net/route",
        "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n",
    ),
    ("/proc/self/status", "Name:\ttactus\nCapEff:\t0000000000806000\n"),
    (
        "/proc/self/limits",
        "Limit                     Soft Limit           Hard Limit           Units     \n\
         Max locked memory         8388608              8388608              bytes     \n\
         Max realtime priority     0                    0                    \n\
         Max realtime timeout      unlimited            unlimited            us        \n",
    ),
    ("/proc/irq/default_smp_affinity", "7\n"),
    ("/proc/irq/9/smp_affinity_list", "0-2\n"),
    ("/proc/irq/9/effective_affinity_list", "0\n"),
    ("/proc/irq/9/acpi/x", ""),
    ("/proc/irq/120/smp_affinity_list", "2\n"),
    ("/proc/irq/120/effective_affinity_list", "2\n"),
    ("/proc/irq/120/eth1/x", ""),
    ("/proc/irq/121/smp_affinity_list", "2\n"),
    ("/proc/irq/121/effective_affinity_list", "2\n"),
    ("/proc/irq/121/eth1-TxRx-0/x", ""),
    ("/sys/devices/system/cpu/online", "0-3\n"),
    ("/sys/devices/system/cpu/possible", "0-3\n"),
    ("/sys/devices/system/cpu/isolated", "3\n"),
    ("/sys/devices/system/cpu/nohz_full", "3\n"),
    ("/sys/devices/system/cpu/cpu3/topology/thread_siblings_list", "3\n"),
    ("/sys/devices/system/cpu/cpu3/cpufreq/scaling_governor", "performance\n"),
    ("/sys/devices/system/cpu/cpu3/cpuidle/state0/name", "POLL\n"),
    ("/sys/devices/system/cpu/cpu3/cpuidle/state0/latency", "0\n"),
    ("/sys/devices/system/cpu/cpu3/cpuidle/state0/disable", "0\n"),
    ("/sys/devices/system/cpu/cpu3/cpuidle/state1/name", "C6\n"),
    ("/sys/devices/system/cpu/cpu3/cpuidle/state1/latency", "133\n"),
    ("/sys/devices/system/cpu/cpu3/cpuidle/state1/disable", "0\n"),
    ("/dev/cpu_dma_latency", ""),
    ("/sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc\n"),
    ("/sys/devices/virtual/workqueue/cpumask", "7\n"),
    ("/sys/fs/cgroup/cgroup.controllers", "cpuset cpu\n"),
    ("/sys/module/damon_stat/parameters/enabled", "N\n"),
    ("/sys/kernel/mm/transparent_hugepage/enabled", "always madvise [never]\n"),
    ("/sys/kernel/mm/ksm/run", "0\n"),
    (
        "/sys/kernel/debug/sched/debug",
        "Sched Debug Version: v0.11\n\nrt_rq[0]:\n  .rt_nr_running : 0\n",
    ),
    ("/sys/kernel/debug/sched/fair_server/cpu3/runtime", "0\n"),
    ("/sys/kernel/tracing/available_tracers", "hwlat osnoise timerlat function nop\n"),
    ("/sys/kernel/tracing/current_tracer", "nop\n"),
    ("/sys/kernel/tracing/tracing_max_latency", "0\n"),
    ("/sys/kernel/tracing/rv/available_monitors", "wwnr\nrtapp\nrtapp:pagefault\nrtapp:sleep\n"),
    ("/sys/kernel/tracing/rv/enabled_monitors", "rtapp\nrtapp:pagefault\nrtapp:sleep\n"),
    ("/sys/class/net/eth1/operstate", "up\n"),
    ("/sys/class/net/eth1/speed", "100\n"),
    ("/sys/class/net/eth1/duplex", "full\n"),
    ("/sys/class/net/eth1/threaded", "1\n"),
    ("/sys/class/net/eth1/napi_defer_hard_irqs", "0\n"),
    ("/sys/class/net/eth1/gro_flush_timeout", "0\n"),
    ("/sys/class/net/eth1/device/msi_irqs/120", "msix\n"),
    ("/sys/class/net/eth1/device/msi_irqs/121", "msix\n"),
    (
        "/ethtool/eth1",
        "rx-usecs 0\nadaptive-rx unsupported\ngro 0\nlro 0\ngso 0\ntso 0\neee-active 0\neee-enabled 0\n",
    ),
];

/// Threads: pid, name, policy, priority.
pub(crate) const THREADS: &[(u32, &str, u32, u32)] = &[
    (2, "kthreadd", 0, 0),
    (20, "ksoftirqd/2", 1, 50),
    (200, "ksoftirqd/20", 0, 0),
    (90, "irq/120-eth1", 1, 81),
    (91, "irq/121-eth1-TxRx-0", 1, 81),
    (92, "irq/1210-other", 0, 0),
    (93, "napi/eth1-8193", 1, 81),
    (400, "a (strange) name", 0, 0),
];

/// Files and what they hold.
pub(crate) type Files = Vec<(PathBuf, Vec<u8>)>;

/// What a case changes.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// A file says something else.
    Says(&'static str, &'static str),
    /// A file or folder is not there.
    Gone(&'static str),
    /// There is something that cannot be read: a folder where a file should be.
    Unreadable(&'static str),
    /// A symbolic link.
    Link(&'static str, &'static str),
    /// A thread's policy and priority.
    Thread(u32, &'static str, u32, u32),
    /// The count of system-management interrupts.
    Smi(u64),
}

/// The files of a machine in a folder that goes away with this.
pub(crate) struct Tree(PathBuf);

impl Tree {
    /// Everything right.
    pub(crate) fn good(name: &str) -> Self {
        // In memory where that can be: it is thousands of small files.
        let memory = Path::new("/dev/shm");
        let place = if memory.is_dir() { memory.to_path_buf() } else { std::env::temp_dir() };
        let folder = place.join(format!("tactus-doctor-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        let tree = Self(folder);
        for (path, text) in FILES {
            tree.write(path, text.as_bytes());
        }
        for (pid, name, policy, priority) in THREADS {
            tree.apply(&Change::Thread(*pid, name, *policy, *priority));
        }
        tree.apply(&Change::Link("/sys/class/net/eth1/device/driver", "../../drivers/igb"));
        tree.apply(&Change::Link("/sys/class/net/eth1/device/subsystem", "../../bus/pci"));
        tree.apply(&Change::Smi(0));
        tree
    }

    pub(crate) fn root(&self) -> &Path {
        &self.0
    }

    pub(crate) fn at(&self, path: &str) -> PathBuf {
        self.0.join(path.trim_start_matches('/'))
    }

    pub(crate) fn write(&self, path: &str, bytes: &[u8]) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn remove(&self, path: &str) {
        let path = self.at(path);
        if path.is_dir() && !path.is_symlink() {
            fs::remove_dir_all(path).unwrap();
        } else if path.is_symlink() || path.exists() {
            fs::remove_file(path).unwrap();
        }
    }

    pub(crate) fn apply(&self, change: &Change) {
        match change {
            Change::Says(path, text) => self.write(path, text.as_bytes()),
            Change::Gone(path) => {
                let there = self.at(path);
                assert!(there.exists() || there.is_symlink(), "{path} is not in the tree");
                self.remove(path);
            }
            Change::Unreadable(path) => {
                self.remove(path);
                fs::create_dir_all(self.at(path)).unwrap();
            }
            Change::Link(path, to) => {
                self.remove(path);
                fs::create_dir_all(self.at(path).parent().unwrap()).unwrap();
                symlink(to, self.at(path)).unwrap();
            }
            Change::Thread(pid, name, policy, priority) => {
                let line = stat(*pid, name, *policy, *priority);
                self.write(&format!("/proc/{pid}/stat"), line.as_bytes());
                self.write(&format!("/proc/{pid}/comm"), format!("{name}\n").as_bytes());
            }
            Change::Smi(count) => {
                let mut bytes = vec![0; 0x34];
                bytes.extend(count.to_le_bytes());
                self.write("/dev/cpu/3/msr", &bytes);
            }
        }
    }

    /// Every file and what it holds, by path.
    pub(crate) fn files(&self) -> Files {
        fn walk(folder: &Path, found: &mut Files) {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_symlink() {
                    continue;
                } else if path.is_dir() {
                    walk(&path, found);
                } else {
                    let bytes = fs::read(&path).unwrap();
                    found.push((path, bytes));
                }
            }
        }
        let mut found = Vec::new();
        walk(&self.0, &mut found);
        found.sort();
        found
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
