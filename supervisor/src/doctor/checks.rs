//! All checks, in the order in which they are shown.

use super::finding::{Answered, Verdict};
use super::system::Probe;
use super::{
    clock, cpus, interrupts, kernel, memory, network, power, rights, scheduling, virtualisation,
};

/// One thing that must be right.
#[derive(Clone, Copy, Debug)]
pub struct Check {
    /// Stable name, `theme.what`: scripts and documents refer to it.
    pub id: &'static str,
    /// What is judged, in a few words.
    pub title: &'static str,
    /// Why it matters.
    pub why: &'static str,
    /// The worst that it says of what it could find out: [`Verdict::Fail`], or [`Verdict::Warn`] for what costs something
    /// and does not break real time by itself.
    pub worst: Verdict,
    pub(super) run: fn(&Probe) -> Answered,
}

/// Themes: the part of an id before the dot, and what people call it.
pub const THEMES: [(&str, &str); 10] = [
    ("kernel", "Kernel"),
    ("cpus", "CPUs of the loop"),
    ("irq", "Interrupts and the threads that serve them"),
    ("sched", "Scheduling"),
    ("power", "Power saving"),
    ("memory", "Memory"),
    ("clock", "Clock"),
    ("net", "Network interface"),
    ("rights", "Rights"),
    ("virt", "What takes the CPU unseen"),
];

const fn check(
    id: &'static str,
    title: &'static str,
    worst: Verdict,
    run: fn(&Probe) -> Answered,
    why: &'static str,
) -> Check {
    Check { id, title, why, worst, run }
}

use Verdict::{Fail, Warn};

/// Every check.
pub const CHECKS: [Check; 42] = [
    check(
        "kernel.preempt-rt",
        "PREEMPT_RT kernel",
        Fail,
        kernel::preempt_rt,
        "Without PREEMPT_RT the kernel may run for milliseconds before it lets the loop have its CPU: there is no bound.",
    ),
    check(
        "kernel.watchdog",
        "no hard-lockup watchdog",
        Warn,
        kernel::watchdog,
        "It interrupts every CPU with a non-maskable interrupt that nothing can hold back, and takes a performance counter.",
    ),
    check(
        "kernel.rtapp-monitors",
        "the kernel's monitors of real-time threads",
        Warn,
        kernel::monitors,
        "They report page faults and sleeps that a real-time thread must not have. Leave them on while you commission.",
    ),
    check(
        "cpus.isolated",
        "CPU isolated from the scheduler",
        Fail,
        cpus::isolated,
        "On a CPU that the scheduler shares out, other threads warm up their caches at the loop's cost and are moved there.",
    ),
    check(
        "cpus.housekeeping",
        "another CPU for everything else",
        Fail,
        cpus::housekeeping,
        "Recording, the console, interrupts and logins need a CPU that the loop does not own, or the machine stops answering.",
    ),
    check(
        "cpus.nohz-full",
        "no tick on the loop's CPU",
        Warn,
        cpus::nohz_full,
        "The regular tick interrupts the loop 100 to 1000 times a second for a few microseconds.",
    ),
    check(
        "cpus.rcu-nocbs",
        "RCU callbacks elsewhere",
        Fail,
        cpus::rcu_nocbs,
        "Whatever the kernel has deferred is otherwise freed on the loop's CPU, in batches of any size.",
    ),
    check(
        "cpus.siblings",
        "a core for the loop alone",
        Fail,
        cpus::siblings,
        "Two hardware threads share the units and the first caches of a core: what runs on the other slows the loop by half.",
    ),
    check(
        "irq.affinity",
        "interrupts of other devices elsewhere",
        Fail,
        interrupts::affinity,
        "Each interrupt that is served on the loop's CPU delays it, and warms it up for somebody else's device.",
    ),
    check(
        "irq.default-affinity",
        "new interrupts elsewhere",
        Fail,
        interrupts::default_affinity,
        "A device that appears later (a USB stick) gets its interrupt where this mask says.",
    ),
    check(
        "irq.balancer",
        "no irqbalance",
        Fail,
        interrupts::balancer,
        "It moves interrupts between CPUs while the machine runs, and undoes what was set by hand.",
    ),
    check(
        "irq.workqueues",
        "unbound kernel work elsewhere",
        Fail,
        interrupts::workqueues,
        "Write-back, crypto and drivers leave work to unbound queues; it runs on any CPU of this mask.",
    ),
    check(
        "irq.nic-thread",
        "priority of the fieldbus' interrupt thread",
        Fail,
        interrupts::nic_thread,
        "On PREEMPT_RT a frame is there only when its interrupt thread has run. At 50 it shares its place with every other device.",
    ),
    check(
        "irq.ksoftirqd",
        "priority of ksoftirqd where the fieldbus is served",
        Fail,
        interrupts::ksoftirqd,
        "Network work that the interrupt leaves over runs here, by default behind every busy program; before the loop it would delay it.",
    ),
    check(
        "irq.napi-thread",
        "priority of the fieldbus' NAPI threads",
        Fail,
        interrupts::napi_thread,
        "With threaded NAPI frames are received by threads that start as ordinary ones: any load then delays every frame.",
    ),
    check(
        "sched.throttling",
        "no throttling of real-time threads",
        Fail,
        scheduling::throttling,
        "A real-time thread that uses its 950 ms of a second stands still for the other 50: every axis loses its frames.",
    ),
    check(
        "sched.fair-server",
        "no fair server on the loop's CPU",
        Fail,
        scheduling::fair_server,
        "From Linux 6.12 on it takes 50 ms a second from a real-time thread that spins, even with throttling off.",
    ),
    check(
        "sched.group",
        "no real-time budgets by control group",
        Fail,
        scheduling::group,
        "With RT_GROUP_SCHED a group without a budget may not have a real-time thread at all, and one with a budget is throttled.",
    ),
    check(
        "power.governor",
        "full clock",
        Fail,
        power::governor,
        "A CPU that is clocked down while the loop sleeps begins each cycle slow, and changes its clock in the middle.",
    ),
    check(
        "power.idle",
        "no deep idle states",
        Fail,
        power::idle,
        "To leave a deep idle state takes up to a millisecond: it is added to the wake-up latency of the cycle.",
    ),
    check(
        "memory.huge-pages",
        "no transparent huge pages",
        Fail,
        memory::huge_pages,
        "khugepaged collapses pages behind a program's back, with its memory locked against it meanwhile.",
    ),
    check(
        "memory.numa-balancing",
        "no NUMA balancing",
        Fail,
        memory::numa_balancing,
        "It unmaps pages to see who touches them: page faults in the cycle, in memory that is locked.",
    ),
    check(
        "memory.damon",
        "no DAMON",
        Fail,
        memory::damon,
        "It clears the accessed bits of pages to sample them, and may push out or move what looks cold.",
    ),
    check(
        "memory.swap",
        "no swap",
        Fail,
        memory::swap,
        "What is locked stays; whatever the recording, the page cache and other programs need comes back from a disk, with locks held.",
    ),
    check(
        "memory.compaction",
        "locked pages stay where they are",
        Fail,
        memory::compaction,
        "Compaction may move locked pages too: who touches one meanwhile waits in a page fault.",
    ),
    check(
        "memory.same-page-merging",
        "no merging of equal pages",
        Warn,
        memory::same_page_merging,
        "ksmd reads memory without end, and the first write to a merged page is a page fault with a copy.",
    ),
    check(
        "clock.source",
        "clock source",
        Fail,
        clock::source,
        "The loop reads the clock several times a cycle: from the TSC that takes 20 ns, from anything else a system call or a slow device.",
    ),
    check(
        "clock.high-resolution",
        "timers of high resolution",
        Fail,
        clock::high_resolution,
        "Without them the loop wakes at ticks of 1 to 10 ms, whatever its period is.",
    ),
    check(
        "net.driver",
        "driver of the interface",
        Fail,
        network::driver,
        "The driver decides how soon a frame leaves and arrives. USB polls, radios retry.",
    ),
    check(
        "net.link",
        "link of the interface",
        Fail,
        network::link,
        "EtherCAT devices have 100 Mbit/s, full duplex. Anything else means that the first device is not at the other end.",
    ),
    check(
        "net.coalescing",
        "an interrupt for each frame",
        Fail,
        network::coalescing,
        "Coalescing holds frames back to save interrupts, by 3 to 250 µs: with it no cycle is faster than that.",
    ),
    check(
        "net.deferral",
        "interrupts enabled again at once",
        Fail,
        network::deferral,
        "With these two above 0 the kernel polls on a timer instead of an interrupt: frames wait for it.",
    ),
    check(
        "net.offloads",
        "no merging or splitting of frames",
        Warn,
        network::offloads,
        "Offloads gather frames in the hope of more; EtherCAT frames gain nothing, and wait.",
    ),
    check(
        "net.energy",
        "no Energy-Efficient Ethernet",
        Fail,
        network::energy,
        "The link sleeps between frames and needs 17 to 30 µs to wake, once on each side.",
    ),
    check(
        "net.quiet",
        "nobody else sends on the fieldbus",
        Warn,
        network::quiet,
        "Address requests and announcements travel between the cyclic frames and delay them by up to 120 µs each.",
    ),
    check(
        "rights.scheduling",
        "right to real-time scheduling",
        Fail,
        rights::scheduling,
        "Without it the loop is an ordinary thread, and any load delays it.",
    ),
    check(
        "rights.memory",
        "right to lock memory",
        Fail,
        rights::memory,
        "Memory that is not locked may be gone when the cycle needs it: a page fault reads a disk.",
    ),
    check(
        "rights.network",
        "right to raw frames",
        Fail,
        rights::network,
        "EtherCAT frames go out through a raw socket.",
    ),
    check(
        "rights.runaway",
        "limit for a loop that runs away",
        Fail,
        rights::runaway,
        "The kernel ends a real-time thread that does not sleep for so long. Too small a limit ends a sound loop.",
    ),
    check(
        "virt.hypervisor",
        "no hypervisor below the kernel",
        Warn,
        virtualisation::hypervisor,
        "The host schedules virtual CPUs as it likes; nothing set here binds it.",
    ),
    check(
        "virt.steal",
        "no time stolen",
        Fail,
        virtualisation::steal,
        "Stolen time is time in which the loop stood still and could not notice.",
    ),
    check(
        "virt.smi",
        "no system-management interrupts",
        Fail,
        virtualisation::system_management,
        "The firmware stops all CPUs for 10 µs to milliseconds, and the kernel sees nothing of it.",
    ),
];

/// The check of that id.
#[must_use]
pub fn check_of(id: &str) -> Option<&'static Check> {
    CHECKS.iter().find(|check| check.id == id)
}

/// The check that explains a step of admission ([`rt_linux::Step::name`]), for whoever reads that it was refused.
#[must_use]
pub fn check_for_step(step: &str) -> Option<&'static Check> {
    let id = match step {
        "memory" => "rights.memory",
        "runaway" => "rights.runaway",
        "power" => "power.idle",
        "cpu" | "isolation" => "cpus.isolated",
        "scheduling" => "rights.scheduling",
        "kernel" => "kernel.preempt-rt",
        "throttling" => "sched.throttling",
        _ => return None,
    };
    check_of(id)
}
