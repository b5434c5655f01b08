//! What each check says of what.

use supervisor::doctor::Verdict::{self, Fail, NotApplicable, Pass, Unknown, Warn};

use crate::tree::Change::{self, Gone, Link, Says, Smi, Thread, Unreadable};

const CPU3: &str = "/sys/devices/system/cpu/cpu3";
const CPUINFO: &str = "/proc/cpuinfo";
const GUEST: &str = "vendor_id\t: GenuineIntel\nflags\t\t: fpu tsc hypervisor\n";
const AMD: &str = "vendor_id\t: AuthenticAMD\nflags\t\t: fpu tsc\n";
const RELEASE: &str = "/proc/sys/kernel/osrelease";
const RUNTIME: &str = "/proc/sys/kernel/sched_rt_runtime_us";
const SCHED_DEBUG: &str = "/sys/kernel/debug/sched/debug";
const BOOT_CONFIG: &str = "/boot/config-6.18.3-rt-amd64";
const STATUS: &str = "/proc/self/status";
const LIMITS: &str = "/proc/self/limits";
const ETHTOOL: &str = "/ethtool/eth1";
const NONE: &str = "Name:\ttactus\nCapEff:\t0000000000000000\n";

/// One change of the good machine, and what one check says then.
pub(crate) struct Case(pub(crate) &'static str, pub(crate) Verdict, pub(crate) Vec<Change>);

/// The cases of all checks, besides the pass that the good machine is for each.
pub(crate) fn cases() -> Vec<Case> {
    [kernel(), cpus(), interrupts(), threads(), scheduling(), power(), memory(), clock()]
        .into_iter()
        .chain([network(), frames(), rights(), virtualisation()])
        .flatten()
        .collect()
}

fn kernel() -> Vec<Case> {
    const VERSION: &str = "/proc/sys/kernel/version";
    const WATCHDOG: &str = "/proc/sys/kernel/nmi_watchdog";
    const AVAILABLE: &str = "/sys/kernel/tracing/rv/available_monitors";
    const ENABLED: &str = "/sys/kernel/tracing/rv/enabled_monitors";
    let id = "kernel.preempt-rt";
    let mut cases = vec![
        Case(id, Fail, vec![Says(VERSION, "#1 SMP PREEMPT_DYNAMIC Debian 6.18.3\n")]),
        Case(id, Fail, vec![Says(VERSION, "#1 SMP PREEMPT PREEMPT_RT_like\n")]),
        Case(id, Unknown, vec![Gone(VERSION)]),
        Case(id, Unknown, vec![Says(VERSION, "PREEMPT_RT")]),
    ];
    let id = "kernel.watchdog";
    cases.extend([
        Case(id, Warn, vec![Says(WATCHDOG, "1\n")]),
        Case(id, NotApplicable, vec![Gone(WATCHDOG)]),
        Case(id, Unknown, vec![Says(WATCHDOG, "x")]),
        Case(id, Unknown, vec![Gone("/proc/sys")]),
    ]);
    let id = "kernel.rtapp-monitors";
    cases.extend([
        Case(id, Warn, vec![Says(ENABLED, "wwnr\n")]),
        Case(id, Warn, vec![Says(ENABLED, "")]),
        Case(id, NotApplicable, vec![Says(AVAILABLE, "wip\nwwnr\n")]),
        Case(id, NotApplicable, vec![Gone("/sys/kernel/tracing/rv")]),
        Case(id, Unknown, vec![Unreadable(ENABLED)]),
        Case(id, Unknown, vec![Says(AVAILABLE, "?\u{1}")]),
        Case(id, Unknown, vec![Gone("/sys/kernel/tracing/available_tracers")]),
    ]);
    cases
}

fn cpus() -> Vec<Case> {
    const ISOLATED: &str = "/sys/devices/system/cpu/isolated";
    const ONLINE: &str = "/sys/devices/system/cpu/online";
    const PARTITION: &str = "/sys/fs/cgroup/cpuset.cpus.isolated";
    const NOHZ: &str = "/sys/devices/system/cpu/nohz_full";
    const CMDLINE: &str = "/proc/cmdline";
    const SIBLINGS: &str = "/sys/devices/system/cpu/cpu3/topology/thread_siblings_list";
    let id = "cpus.isolated";
    let mut cases = vec![
        Case(id, Fail, vec![Says(ISOLATED, "\n")]),
        Case(id, Pass, vec![Says(ISOLATED, "\n"), Says(PARTITION, "2-3\n")]),
        Case(id, Unknown, vec![Gone(ISOLATED)]),
        Case(id, Unknown, vec![Says(ISOLATED, "three")]),
        Case(id, Unknown, vec![Says(PARTITION, "three")]),
        Case(id, Unknown, vec![Gone(ISOLATED), Gone(ONLINE)]),
    ];
    let id = "cpus.housekeeping";
    cases.extend([
        Case(id, Fail, vec![Says(ONLINE, "3\n")]),
        Case(id, Unknown, vec![Says(ONLINE, "0-")]),
    ]);
    let id = "cpus.nohz-full";
    cases.extend([
        Case(id, Warn, vec![Says(NOHZ, "\n")]),
        Case(id, Warn, vec![Says(NOHZ, "(null)\n")]),
        Case(id, Warn, vec![Gone(NOHZ)]),
        Case(id, Unknown, vec![Unreadable(NOHZ)]),
    ]);
    let id = "cpus.rcu-nocbs";
    cases.extend([
        Case(id, Fail, vec![Says(CMDLINE, "quiet\n"), Says(NOHZ, "\n")]),
        Case(id, Fail, vec![Says(CMDLINE, "rcu_nocbs\n"), Says(NOHZ, "\n")]),
        Case(id, Fail, vec![Says(CMDLINE, "rcu_nocbs=2\n"), Says(NOHZ, "\n")]),
        Case(id, Pass, vec![Says(CMDLINE, "quiet\n")]),
        Case(id, Pass, vec![Says(CMDLINE, "rcu_nocbs=1-N\n"), Says(NOHZ, "\n")]),
        Case(id, Pass, vec![Says(CMDLINE, "rcu_nocbs=all\n"), Gone(NOHZ)]),
        Case(id, Unknown, vec![Says(CMDLINE, "rcu_nocbs=0-3:1/2\n")]),
        Case(id, Unknown, vec![Gone(CMDLINE)]),
    ]);
    let id = "cpus.siblings";
    cases.extend([
        Case(id, Fail, vec![Says(SIBLINGS, "1,3\n")]),
        Case(id, Warn, vec![Says(SIBLINGS, "2-3\n"), Says(ISOLATED, "2-3\n"), twin()]),
        Case(id, Pass, vec![Says(SIBLINGS, "3,7\n")]),
        Case(id, Unknown, vec![Says(SIBLINGS, "1\n")]),
        Case(id, Unknown, vec![Gone(SIBLINGS)]),
    ]);
    cases
}

/// With two isolated CPUs both are judged.
fn twin() -> Change {
    Says("/sys/devices/system/cpu/cpu2/topology/thread_siblings_list", "2-3\n")
}

fn interrupts() -> Vec<Case> {
    const NOW: &str = "/proc/irq/9/effective_affinity_list";
    const MAY: &str = "/proc/irq/9/smp_affinity_list";
    const DEFAULT: &str = "/proc/irq/default_smp_affinity";
    const WORK: &str = "/sys/devices/virtual/workqueue/cpumask";
    let id = "irq.affinity";
    let mut cases = vec![
        Case(id, Fail, vec![Says(MAY, "0-3\n"), Says(NOW, "3\n")]),
        Case(id, Fail, vec![Says(MAY, "0-3\n"), Gone(NOW)]),
        Case(id, Warn, vec![Says(MAY, "0-3\n")]),
        Case(id, Pass, vec![Says("/proc/irq/120/smp_affinity_list", "3\n")]),
        Case(id, Pass, vec![Says("/proc/irq/8/smp_affinity_list", "0-3\n")]),
        Case(id, Unknown, vec![Says(MAY, "f")]),
        Case(id, Unknown, vec![Gone("/proc/irq")]),
    ];
    let id = "irq.default-affinity";
    cases.extend([
        Case(id, Fail, vec![Says(DEFAULT, "f\n")]),
        Case(id, Fail, vec![Says(DEFAULT, "ffffffff,ffffffff\n")]),
        Case(id, Unknown, vec![Says(DEFAULT, "0-3\n")]),
        Case(id, Unknown, vec![Gone(DEFAULT)]),
    ]);
    let id = "irq.balancer";
    cases.extend([
        Case(id, Fail, vec![Thread(500, "irqbalance", 0, 0)]),
        Case(id, Unknown, vec![Gone("/proc/2")]),
        Case(id, Unknown, vec![Thread(2, "bash", 0, 0)]),
        Case(id, Unknown, vec![Says("/proc/400/stat", "400 x")]),
    ]);
    let id = "irq.workqueues";
    cases.extend([
        Case(id, Fail, vec![Says(WORK, "f\n")]),
        Case(id, Unknown, vec![Says(WORK, "")]),
        Case(id, Unknown, vec![Gone(WORK)]),
    ]);
    cases
}

fn threads() -> Vec<Case> {
    const NOW: &str = "/proc/irq/121/effective_affinity_list";
    const DEVICE: &str = "/sys/class/net/eth1/device";
    const MSI: &str = "/sys/class/net/eth1/device/msi_irqs";
    const THREADED: &str = "/sys/class/net/eth1/threaded";
    let (irq, napi) = ("irq/121-eth1-TxRx-0", "napi/eth1-8193");
    let id = "irq.nic-thread";
    let no_threads = || vec![Gone("/proc/90"), Gone("/proc/91")];
    let mut not_rt = no_threads();
    not_rt.push(Says("/proc/sys/kernel/version", "#1 SMP PREEMPT_DYNAMIC\n"));
    let mut cases = vec![
        Case(id, Fail, vec![Thread(91, irq, 0, 0)]),
        Case(id, Warn, vec![Thread(91, irq, 1, 50)]),
        Case(id, Warn, vec![Thread(91, irq, 1, 60), Says(NOW, "3\n")]),
        Case(id, Pass, vec![Thread(91, irq, 1, 81), Says(NOW, "3\n")]),
        Case(id, Pass, vec![Gone(MSI), Says("/sys/class/net/eth1/device/irq", "121\n")]),
        Case(id, NotApplicable, vec![Gone(DEVICE)]),
        Case(id, NotApplicable, not_rt),
        Case(id, Unknown, no_threads()),
        Case(id, Unknown, vec![Gone(MSI)]),
        Case(id, Unknown, vec![Says("/proc/91/stat", "garbage")]),
        Case(id, Unknown, vec![Gone("/sys/class/net/eth1")]),
    ];
    let id = "irq.ksoftirqd";
    let on_3 = || vec![Says("/proc/irq/120/effective_affinity_list", "3\n"), Says(NOW, "3\n")];
    let mut before = on_3();
    before.push(Thread(30, "ksoftirqd/3", 1, 80));
    let mut behind = on_3();
    behind.push(Thread(30, "ksoftirqd/3", 1, 79));
    cases.extend([
        Case(id, Warn, vec![Thread(20, "ksoftirqd/2", 0, 0)]),
        Case(id, Fail, before),
        Case(id, Pass, behind),
        Case(id, NotApplicable, vec![Gone(DEVICE)]),
        Case(id, Unknown, vec![Gone("/proc/20")]),
        Case(id, Unknown, vec![Says("/proc/irq/121/smp_affinity_list", "x")]),
    ]);
    let id = "irq.napi-thread";
    cases.extend([
        Case(id, Fail, vec![Thread(93, napi, 0, 0)]),
        Case(id, NotApplicable, vec![Says(THREADED, "0\n")]),
        Case(id, NotApplicable, vec![Gone(THREADED)]),
        Case(id, Pass, vec![Says(THREADED, "2\n")]),
        Case(id, Unknown, vec![Says(THREADED, "yes\n")]),
        Case(id, Unknown, vec![Gone("/proc/93")]),
    ]);
    cases
}

fn scheduling() -> Vec<Case> {
    const FAIR: &str = "/sys/kernel/debug/sched/fair_server/cpu3/runtime";
    const OFF: &str = "CONFIG_X=y\n# CONFIG_RT_GROUP_SCHED is not set\n";
    const BUDGET: &str = "/sys/fs/cgroup/cpu/cpu.rt_runtime_us";
    let id = "sched.throttling";
    let mut cases = vec![
        Case(id, Fail, vec![Says(RELEASE, "6.1.0-30-rt-amd64\n")]),
        Case(id, Fail, vec![Says(SCHED_DEBUG, "rt_rq[0]:/\n")]),
        Case(id, Pass, vec![Says(RUNTIME, "-1\n"), Says(RELEASE, "6.1.0\n")]),
        Case(id, Pass, vec![Gone(SCHED_DEBUG), Says(BOOT_CONFIG, OFF)]),
        Case(id, Unknown, vec![Gone(SCHED_DEBUG)]),
        Case(id, Unknown, vec![Says(RUNTIME, "all\n")]),
        Case(id, Unknown, vec![Says(RELEASE, "six\n")]),
    ];
    let id = "sched.fair-server";
    cases.extend([
        Case(id, Fail, vec![Says(FAIR, "50000000\n")]),
        Case(id, NotApplicable, vec![Says(RELEASE, "6.11.9\n"), Gone(FAIR)]),
        Case(id, Unknown, vec![Gone(FAIR)]),
        Case(id, Unknown, vec![Says(FAIR, "-5\n")]),
        Case(id, Unknown, vec![Says(FAIR, "50 ms\n")]),
    ]);
    let id = "sched.group";
    cases.extend([
        Case(id, Fail, vec![Says(SCHED_DEBUG, "x\nrt_rq[0]:/system.slice\n")]),
        Case(id, Fail, vec![Says(BUDGET, "950000\n")]),
        Case(id, Fail, vec![Gone(SCHED_DEBUG), Says(BOOT_CONFIG, "CONFIG_RT_GROUP_SCHED=y\n")]),
        Case(id, Pass, vec![Says("/proc/cmdline", "rt_group_sched=0\n"), Says(BUDGET, "1\n")]),
        Case(id, Pass, vec![Gone(SCHED_DEBUG), Says(BOOT_CONFIG, OFF)]),
        Case(id, Unknown, vec![Gone(SCHED_DEBUG)]),
        Case(id, Unknown, vec![Gone(SCHED_DEBUG), Says(BOOT_CONFIG, "CONFIG_X=y\n")]),
    ]);
    cases
}

fn power() -> Vec<Case> {
    const GOVERNOR: &str = "/sys/devices/system/cpu/cpu3/cpufreq/scaling_governor";
    const LATENCY: &str = "/sys/devices/system/cpu/cpu3/cpuidle/state1/latency";
    const DISABLE: &str = "/sys/devices/system/cpu/cpu3/cpuidle/state1/disable";
    const WISH: &str = "/dev/cpu_dma_latency";
    let id = "power.governor";
    let mut cases = vec![
        Case(id, Fail, vec![Says(GOVERNOR, "powersave\n")]),
        Case(id, NotApplicable, vec![Gone("/sys/devices/system/cpu/cpu3/cpufreq")]),
        Case(id, Unknown, vec![Gone(GOVERNOR)]),
        Case(id, Unknown, vec![Says(GOVERNOR, "1\u{0}")]),
        Case(id, Unknown, vec![Gone(CPU3)]),
    ];
    let id = "power.idle";
    cases.extend([
        Case(id, Fail, vec![Gone(WISH)]),
        Case(id, Pass, vec![Gone(WISH), Says(DISABLE, "1\n")]),
        Case(id, Pass, vec![Gone(WISH), Says(LATENCY, "2\n")]),
        Case(id, Unknown, vec![Says(LATENCY, "deep\n")]),
        Case(id, Unknown, vec![Gone(DISABLE)]),
        Case(id, Unknown, vec![Gone(CPU3)]),
    ]);
    cases
}

fn memory() -> Vec<Case> {
    const THP: &str = "/sys/kernel/mm/transparent_hugepage/enabled";
    const NUMA: &str = "/proc/sys/kernel/numa_balancing";
    const STAT: &str = "/sys/module/damon_stat/parameters/enabled";
    const KDAMOND: &str = "/sys/kernel/mm/damon/admin/kdamonds/0/state";
    const SWAPS: &str = "/proc/swaps";
    const COMPACT: &str = "/proc/sys/vm/compact_unevictable_allowed";
    const KSM: &str = "/sys/kernel/mm/ksm/run";
    let id = "memory.huge-pages";
    let mut cases = vec![
        Case(id, Fail, vec![Says(THP, "[always] madvise never\n")]),
        Case(id, Pass, vec![Says(THP, "always [madvise] never\n")]),
        Case(id, NotApplicable, vec![Gone("/sys/kernel/mm/transparent_hugepage")]),
        Case(id, Unknown, vec![Says(THP, "never\n")]),
        Case(id, Unknown, vec![Gone("/sys/kernel/mm")]),
    ];
    let id = "memory.numa-balancing";
    cases.extend([
        Case(id, Fail, vec![Says(NUMA, "1\n")]),
        Case(id, Fail, vec![Says(NUMA, "2\n")]),
        Case(id, NotApplicable, vec![Gone(NUMA)]),
        Case(id, Unknown, vec![Says(NUMA, "off\n")]),
        Case(id, Unknown, vec![Gone("/proc/sys/kernel")]),
    ]);
    let id = "memory.damon";
    cases.extend([
        Case(id, Fail, vec![Says(STAT, "Y\n")]),
        Case(id, Fail, vec![Says(KDAMOND, "on\n")]),
        Case(id, Pass, vec![Says(KDAMOND, "off\n")]),
        Case(id, NotApplicable, vec![Gone("/sys/module/damon_stat")]),
        Case(id, Unknown, vec![Says(STAT, "?\n")]),
        Case(id, Unknown, vec![Says(KDAMOND, "?\n")]),
        Case(id, Unknown, vec![Gone("/sys/module")]),
    ]);
    let id = "memory.swap";
    let head = "Filename Type Size Used Priority\n/dev/sda2 partition 1 0 -2\n";
    cases.extend([
        Case(id, Fail, vec![Says(SWAPS, head)]),
        Case(id, Unknown, vec![Gone(SWAPS)]),
        Case(id, Unknown, vec![Says(SWAPS, "")]),
    ]);
    let id = "memory.compaction";
    cases.extend([
        Case(id, Fail, vec![Says(COMPACT, "1\n")]),
        Case(id, NotApplicable, vec![Gone(COMPACT)]),
        Case(id, Unknown, vec![Says(COMPACT, "2\n")]),
        Case(id, Unknown, vec![Gone("/proc/sys/vm")]),
    ]);
    let id = "memory.same-page-merging";
    cases.extend([
        Case(id, Warn, vec![Says(KSM, "1\n")]),
        Case(id, NotApplicable, vec![Gone("/sys/kernel/mm/ksm")]),
        Case(id, Unknown, vec![Says(KSM, "on\n")]),
        Case(id, Unknown, vec![Gone(KSM)]),
    ]);
    cases
}

fn clock() -> Vec<Case> {
    const SOURCE: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    const TIMERS: &str = "/proc/timer_list";
    let id = "clock.source";
    let mut cases = vec![
        Case(id, Fail, vec![Says(SOURCE, "hpet\n")]),
        Case(id, Warn, vec![Says(SOURCE, "kvm-clock\n")]),
        Case(id, Unknown, vec![Says(SOURCE, "sundial\n")]),
        Case(id, Unknown, vec![Gone(SOURCE)]),
    ];
    let id = "clock.high-resolution";
    cases.extend([
        Case(id, Fail, vec![Says(TIMERS, ".hres_active : 1\n.hres_active : 0\n")]),
        Case(id, Unknown, vec![Says(TIMERS, "Timer List Version: v0.10\n")]),
        Case(id, Unknown, vec![Gone(TIMERS)]),
    ]);
    cases
}

fn network() -> Vec<Case> {
    const NET: &str = "/sys/class/net/eth1";
    const DEVICE: &str = "/sys/class/net/eth1/device";
    const DRIVER: &str = "/sys/class/net/eth1/device/driver";
    const BUS: &str = "/sys/class/net/eth1/device/subsystem";
    const STATE: &str = "/sys/class/net/eth1/operstate";
    const SPEED: &str = "/sys/class/net/eth1/speed";
    const DUPLEX: &str = "/sys/class/net/eth1/duplex";
    const SIX: &str = "/proc/net/if_inet6";
    const ROUTE: &str = "/proc/net/route";
    let id = "net.driver";
    let mut cases = vec![
        Case(id, Fail, vec![Link(BUS, "../../bus/usb")]),
        Case(id, Fail, vec![Says("/sys/class/net/eth1/phy80211/name", "phy0\n")]),
        Case(id, Warn, vec![Link(DRIVER, "../../drivers/virtio_net")]),
        Case(id, Warn, vec![Gone(DEVICE)]),
        Case(id, Unknown, vec![Gone(DRIVER)]),
        Case(id, Unknown, vec![Gone(NET)]),
    ];
    let id = "net.link";
    cases.extend([
        Case(id, Fail, vec![Gone(NET)]),
        Case(id, Fail, vec![Says(STATE, "down\n")]),
        Case(id, Warn, vec![Says(SPEED, "1000\n")]),
        Case(id, Warn, vec![Says(SPEED, "-1\n"), Says(DUPLEX, "unknown\n")]),
        Case(id, Warn, vec![Says(DUPLEX, "half\n")]),
        Case(id, Pass, vec![Gone(DEVICE), Gone(SPEED)]),
        Case(id, Unknown, vec![Says(STATE, "sideways\n")]),
        Case(id, Unknown, vec![Says(SPEED, "fast\n")]),
        Case(id, Unknown, vec![Gone(STATE)]),
    ]);
    let id = "net.quiet";
    cases.extend([
        Case(id, Warn, vec![Says(SIX, "fe80 04 40 20 80 eth1\n")]),
        Case(id, Warn, vec![Says(ROUTE, "eth1 0 0 1 0 0 0 0 0 0 0\n")]),
        Case(id, Pass, vec![Gone(SIX)]),
        Case(id, Unknown, vec![Says(SIX, "eth1\n")]),
        Case(id, Unknown, vec![Gone("/proc/net")]),
    ]);
    cases
}

fn frames() -> Vec<Case> {
    const DEFER: &str = "/sys/class/net/eth1/napi_defer_hard_irqs";
    const FLUSH: &str = "/sys/class/net/eth1/gro_flush_timeout";
    let id = "net.coalescing";
    let mut cases = vec![
        Case(id, Fail, vec![Says(ETHTOOL, "rx-usecs 3\nadaptive-rx 0\n")]),
        Case(id, Fail, vec![Says(ETHTOOL, "rx-usecs 0\nadaptive-rx 1\n")]),
        Case(id, NotApplicable, vec![Says(ETHTOOL, "rx-usecs unsupported\n")]),
        Case(id, Unknown, vec![Says(ETHTOOL, "adaptive-rx 0\n")]),
        Case(id, Unknown, vec![Says(ETHTOOL, "rx-usecs few\n")]),
        Case(id, Unknown, vec![Gone(ETHTOOL)]),
    ];
    let id = "net.deferral";
    cases.extend([
        Case(id, Fail, vec![Says(DEFER, "2\n")]),
        Case(id, Fail, vec![Says(FLUSH, "20000\n")]),
        Case(id, Unknown, vec![Says(FLUSH, "")]),
        Case(id, Unknown, vec![Gone(DEFER)]),
    ]);
    let id = "net.offloads";
    cases.extend([
        Case(id, Warn, vec![Says(ETHTOOL, "gro 1\nlro 0\ngso 0\ntso 0\n")]),
        Case(id, Warn, vec![Says(ETHTOOL, "gro 0\nlro unsupported\ngso 0\ntso 1\n")]),
        Case(id, Unknown, vec![Says(ETHTOOL, "gro 0\n")]),
        Case(id, Unknown, vec![Says(ETHTOOL, "garbage\n")]),
    ]);
    let id = "net.energy";
    cases.extend([
        Case(id, Fail, vec![Says(ETHTOOL, "eee-enabled 1\neee-active 1\n")]),
        Case(id, Warn, vec![Says(ETHTOOL, "eee-enabled 1\neee-active 0\n")]),
        Case(id, NotApplicable, vec![Says(ETHTOOL, "eee-enabled unsupported\n")]),
        Case(id, Unknown, vec![Says(ETHTOOL, "eee-enabled on\n")]),
        Case(id, Unknown, vec![Unreadable(ETHTOOL)]),
    ]);
    cases
}

fn rights() -> Vec<Case> {
    const GRANTED: &str = "Limit Soft Limit Hard Limit Units\n\
        Max locked memory unlimited unlimited bytes\n\
        Max realtime priority 0 90\n\
        Max realtime timeout 500000 500000 us\n";
    const SHORT: &str = "Max realtime priority 0 79\nMax locked memory 1 1 bytes\n\
        Max realtime timeout 1000 1000 us\n";
    let mut cases = vec![
        Case("rights.runaway", Warn, vec![Says(LIMITS, GRANTED)]),
        Case("rights.runaway", Fail, vec![Says(LIMITS, SHORT)]),
        Case("rights.runaway", Unknown, vec![Gone(LIMITS)]),
        Case("rights.runaway", Unknown, vec![Says(LIMITS, "Max realtime timeout some us\n")]),
        Case("rights.network", Fail, vec![Says(STATUS, NONE)]),
        Case("rights.network", Unknown, vec![Says(STATUS, "CapEff: x\n")]),
        Case("rights.network", Unknown, vec![Gone(STATUS)]),
    ];
    for id in ["rights.scheduling", "rights.memory"] {
        cases.extend([
            Case(id, Fail, vec![Says(STATUS, NONE)]),
            Case(id, Fail, vec![Says(STATUS, NONE), Says(LIMITS, SHORT)]),
            Case(id, Pass, vec![Says(STATUS, NONE), Says(LIMITS, GRANTED)]),
            Case(id, Unknown, vec![Says(STATUS, NONE), Says(LIMITS, "Max\n")]),
            Case(id, Unknown, vec![Says(STATUS, "Name: x\n")]),
            Case(id, Unknown, vec![Gone(STATUS)]),
        ]);
    }
    cases
}

fn virtualisation() -> Vec<Case> {
    const STAT: &str = "/proc/stat";
    const UPTIME: &str = "/proc/uptime";
    const MSR: &str = "/dev/cpu/3/msr";
    const TRACER: &str = "/sys/kernel/tracing/current_tracer";
    const MOST: &str = "/sys/kernel/tracing/tracing_max_latency";
    let id = "virt.hypervisor";
    let mut cases = vec![
        Case(id, Warn, vec![Says(CPUINFO, GUEST)]),
        Case(id, Unknown, vec![Says(CPUINFO, "processor: 0\n")]),
        Case(id, Unknown, vec![Gone(CPUINFO)]),
    ];
    let id = "virt.steal";
    cases.extend([
        Case(id, Fail, vec![Says(STAT, "cpu3 10 0 20 9000 0 0 0 7 0 0\n")]),
        Case(id, Pass, vec![Says(STAT, "cpu2 1 1 1 1 1 1 1 7\ncpu3 1 1 1 1 1 1 1 0\n")]),
        Case(id, Unknown, vec![Says(STAT, "cpu3 10 0\n")]),
        Case(id, Unknown, vec![Says(STAT, "cpu30 1 1 1 1 1 1 1 0\n")]),
        Case(id, Unknown, vec![Gone(STAT)]),
    ]);
    let id = "virt.smi";
    let hwlat = |most| vec![Says(CPUINFO, AMD), Says(TRACER, "hwlat\n"), Says(MOST, most)];
    cases.extend([
        Case(id, Fail, vec![Smi(10_000)]),
        Case(id, Warn, vec![Smi(100)]),
        Case(id, Pass, vec![Smi(20)]),
        Case(id, Unknown, vec![Smi(20), Says(UPTIME, "60.00 1.00\n")]),
        Case(id, Unknown, vec![Smi(20), Says(UPTIME, "x")]),
        Case(id, Fail, hwlat("150\n")),
        Case(id, Pass, hwlat("3\n")),
        Case(id, Unknown, hwlat("x\n")),
        Case(id, Unknown, vec![Gone(MSR)]),
        Case(id, Unknown, vec![Says(MSR, "short")]),
        Case(id, Unknown, vec![Says(CPUINFO, AMD)]),
        Case(id, NotApplicable, vec![Says(CPUINFO, GUEST)]),
    ]);
    cases
}
