//! Why a step was refused, and what gives it.

use nix::errno::Errno;

/// The end of a strict admission.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("real time refused at step `{step}`: {cause}; fix: {}", cause.fix())]
pub struct Refused {
    /// Name of the step.
    pub step: &'static str,
    /// What is missing.
    pub cause: Cause,
}

/// What is missing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say what the fields are")]
pub enum Cause {
    /// Not glibc, or an option it does not know.
    #[error("the C library does not take mallopt {option}")]
    Allocator { option: &'static str },
    /// It took the options and does otherwise (another allocator is loaded before it).
    #[error("the allocator maps or gives back large blocks: {kept} of {held} bytes kept")]
    AllocatorNotTaken { held: usize, kept: usize },
    /// Neither right nor limit. Nothing is locked then: with a low limit locking would succeed now
    /// and thread stacks fail later.
    #[error("no CAP_IPC_LOCK, and RLIMIT_MEMLOCK is {limit} bytes, below the {needed} needed")]
    MemoryLimit { limit: u64, needed: u64 },
    /// mlockall failed for another reason.
    #[error("mlockall: {errno}")]
    MemoryLock { errno: Errno },
    /// The kernel took the call and the memory is not locked all the same.
    #[error("{locked} of {resident} resident bytes are locked")]
    MemoryNotLocked { locked: u64, resident: u64 },
    /// The limit on CPU time without a sleep was not taken.
    #[error("RLIMIT_RTTIME is {found} µs: {errno}")]
    Runaway { found: u64, errno: Errno },
    /// The device cannot be opened or written.
    #[error("/dev/cpu_dma_latency: {errno}")]
    Power { errno: Errno },
    /// Held, and something else is in force.
    #[error("/dev/cpu_dma_latency reads {found} µs")]
    PowerNotTaken { found: i32 },
    /// No such CPU, or it is off.
    #[error("CPU {cpu} is not online; online are {online}")]
    CpuOffline { cpu: usize, online: String },
    /// A cpuset or container forbids it.
    #[error("CPU {cpu} is not among the CPUs allowed here, {allowed}")]
    CpuForbidden { cpu: usize, allowed: String },
    /// Degraded, and the machine file names none.
    #[error("no CPU asked for; allowed are {allowed}")]
    CpuNotAsked { allowed: String },
    /// The kernel keeps another slack.
    #[error("timer slack is {found} ns")]
    Slack { found: i32 },
    /// Degraded, and the machine file names none.
    #[error("no priority asked for; runs as {found}")]
    PriorityNotAsked { found: String },
    /// The loop's CPU is the only one.
    #[error("CPU {cpu} is the only one allowed here, {allowed}")]
    NoHousekeeping { cpu: usize, allowed: String },
    /// Helpers stayed where they were.
    #[error("helpers may run on {found}, the loop runs on CPU {cpu}")]
    HelpersNotMoved { cpu: usize, found: String },
    /// Not a priority.
    #[error("priority {priority} is not within 1..=99")]
    PriorityRange { priority: u8 },
    /// Neither right nor limit.
    #[error("no CAP_SYS_NICE, and RLIMIT_RTPRIO is {limit}, below {priority}")]
    PriorityLimit { priority: u8, limit: u64 },
    /// Refused for another reason (RT_GROUP_SCHED: the group has no real-time budget).
    #[error("SCHED_FIFO {priority}: {errno}")]
    Scheduling { priority: u8, errno: Errno },
    /// The kernel took the call and runs the thread otherwise.
    #[error("asked for {wanted}, runs as {found}")]
    SchedulingNotTaken { wanted: String, found: String },
    /// Without PREEMPT_RT there is no bound on the latency.
    #[error("the kernel is not PREEMPT_RT: {version}")]
    Kernel { version: String },
    /// Others may run on the thread's CPU.
    #[error("isolated are {isolated}, the thread runs on {cpus}")]
    NotIsolated { isolated: String, cpus: String },
    /// The kernel takes the CPU from a busy real-time thread.
    #[error("sched_rt_runtime_us is {found}")]
    Throttled { found: String },
}

const GRANT: &str = "setcap cap_sys_nice,cap_ipc_lock,cap_net_raw=ep PROGRAM";

impl Cause {
    /// The command or setting that gives what is missing.
    #[must_use]
    pub fn fix(&self) -> String {
        match self {
            Cause::Allocator { .. } => "build for a target with glibc".to_owned(),
            Cause::AllocatorNotTaken { .. } => {
                "run without LD_PRELOAD and GLIBC_TUNABLES of malloc".to_owned()
            }
            Cause::MemoryLimit { .. } => format!(
                "{GRANT}; or `ulimit -l unlimited` by `@realtime - memlock unlimited` in \
                 /etc/security/limits.conf"
            ),
            Cause::MemoryLock { .. } | Cause::MemoryNotLocked { .. } => {
                format!("free memory, or {GRANT}")
            }
            Cause::Runaway { .. } => {
                "`@realtime - rttime unlimited` in /etc/security/limits.conf".to_owned()
            }
            Cause::Power { .. } => "a udev rule: KERNEL==\"cpu_dma_latency\", GROUP=\"realtime\", \
                                    MODE=\"0660\""
                .to_owned(),
            Cause::PowerNotTaken { .. } => {
                "switch deep C-states off: kernel command line processor.max_cstate=1 \
                 intel_idle.max_cstate=0"
                    .to_owned()
            }
            Cause::CpuOffline { cpu, .. } => {
                format!("echo 1 > /sys/devices/system/cpu/cpu{cpu}/online, or another cycle.cpu")
            }
            Cause::CpuForbidden { cpu, .. } => {
                format!("let the cpuset or container have CPU {cpu}, or another cycle.cpu")
            }
            Cause::CpuNotAsked { .. } => "cycle.cpu in the machine file".to_owned(),
            Cause::NoHousekeeping { .. } | Cause::HelpersNotMoved { .. } => {
                "a second CPU for helpers: let the cpuset or container have more than one"
                    .to_owned()
            }
            Cause::Slack { .. } => "echo 1 > /proc/self/timerslack_ns".to_owned(),
            Cause::PriorityNotAsked { .. } | Cause::PriorityRange { .. } => {
                "cycle.priority in the machine file, 1 to 99".to_owned()
            }
            Cause::PriorityLimit { priority, .. } => format!(
                "{GRANT}; or `ulimit -r {priority}` by `@realtime - rtprio {priority}` in \
                 /etc/security/limits.conf"
            ),
            Cause::Scheduling { .. } | Cause::SchedulingNotTaken { .. } => format!(
                "{GRANT}; with RT_GROUP_SCHED also a budget: cpu.rt_runtime_us of the control group"
            ),
            Cause::Kernel { .. } => {
                "a PREEMPT_RT kernel, on Debian: apt-get install linux-image-rt-amd64".to_owned()
            }
            Cause::NotIsolated { cpus, .. } => {
                format!("kernel command line isolcpus={cpus} nohz_full={cpus} rcu_nocbs={cpus}")
            }
            Cause::Throttled { .. } => "sysctl kernel.sched_rt_runtime_us=-1".to_owned(),
        }
    }
}
