//! Every combination of the rights that real time needs: each is granted where it is there, and
//! refused where it is missing, with the exact words, whatever the others are.
//!
//! Root makes the combinations. Anyone else can only take rights away; what is then left is asserted,
//! and the rights of a user namespace, which look like root's, are found to be none.

mod common;

use std::process::Command;

use common::rights::{Ran, has, is_root, program};

const CAP_SYS_RESOURCE: u32 = 24;
const PRIORITY: u8 = 60;
const FIX: &str = "fix: setcap cap_sys_nice,cap_ipc_lock,cap_net_raw=ep PROGRAM; or `ulimit";

/// One combination.
#[derive(Clone, Copy, Debug)]
struct Row {
    ipc_lock: bool,
    sys_nice: bool,
    /// Ceiling of RLIMIT_MEMLOCK, bytes.
    memlock: u64,
    /// Ceiling of RLIMIT_RTPRIO.
    rtprio: u8,
}

const MEMLOCK_LOW: u64 = 8 << 20;
const MEMLOCK_ENOUGH: u64 = 1 << 30;

impl Row {
    fn memory(self) -> bool {
        self.ipc_lock || self.memlock >= MEMLOCK_ENOUGH
    }

    fn scheduling(self) -> bool {
        self.sys_nice || self.rtprio >= PRIORITY
    }

    fn run(self, strict: bool) -> Ran {
        let mut command = Command::new("prlimit");
        command.arg(format!("--rtprio={0}:{0}", self.rtprio));
        command.arg(format!("--memlock={0}:{0}", self.memlock));
        if is_root() {
            let mut capabilities = String::from("-all");
            for (name, given) in [(",+ipc_lock", self.ipc_lock), (",+sys_nice", self.sys_nice)] {
                capabilities.push_str(if given { name } else { "" });
            }
            command.args(["setpriv", "--reuid", "65534", "--clear-groups"]);
            command.arg(format!("--inh-caps={capabilities}"));
            command.arg(format!("--ambient-caps={capabilities}"));
        }
        command.arg(program()).args(["--cpu", "0", "--priority", "60"]);
        command.arg(if strict { "--strict" } else { "--ask" });
        let (status, out, err) = common::run(&mut command);
        Ran { status, out, err }
    }

    /// What a refusal of memory says, without the fix.
    fn memory_refused(self) -> String {
        let Row { memlock, .. } = self;
        format!(
            "no CAP_IPC_LOCK, and RLIMIT_MEMLOCK is {memlock} bytes, below the 268435456 needed"
        )
    }

    fn scheduling_refused(self) -> String {
        format!("no CAP_SYS_NICE, and RLIMIT_RTPRIO is {}, below 60", self.rtprio)
    }

    fn check(self) {
        let ran = self.run(false);
        assert_eq!(ran.status, 0, "{self:?}: {}", ran.err);
        let (memory, granted) = ran.step("memory");
        assert_eq!(granted, self.memory(), "{self:?}: {}", ran.out);
        assert!(granted || memory.contains(&self.memory_refused()), "{self:?}: {memory}");
        assert!(granted || ran.out.contains(&format!("{FIX} -l unlimited`")), "{}", ran.out);
        let (scheduling, granted) = ran.step("scheduling");
        assert_eq!(granted, self.scheduling(), "{self:?}: {}", ran.out);
        assert!(granted || scheduling.contains(&self.scheduling_refused()), "{scheduling}");
        assert!(granted || ran.out.contains(&format!("{FIX} -r 60`")), "{}", ran.out);
        assert_eq!(ran.line("fifo is granted:"), self.scheduling().to_string(), "{}", ran.out);
        assert_eq!(ran.line("realtime:"), "false", "no run of an ordinary user has the device");
        // and strict ends at the first of them
        let ran = self.run(true);
        assert_eq!((ran.status, ran.out.as_str()), (3, ""), "{self:?}");
        let expected = if self.memory() {
            "real time refused at step `power`: /dev/cpu_dma_latency: EACCES: Permission denied; \
             fix: a udev rule: KERNEL==\"cpu_dma_latency\", GROUP=\"realtime\", MODE=\"0660\""
                .to_owned()
        } else {
            format!(
                "real time refused at step `memory`: {}; {FIX} -l unlimited` by `@realtime - \
                 memlock unlimited` in /etc/security/limits.conf",
                self.memory_refused()
            )
        };
        assert_eq!(ran.err.trim(), expected, "{self:?}");
    }
}

#[test]
fn each_right_is_granted_or_refused_by_itself() {
    // Only who may raise a ceiling can make the rows with high limits; only root can give a capability.
    let (may_give, may_raise) = (is_root(), has(CAP_SYS_RESOURCE));
    let flags = |may: bool| if may { vec![false, true] } else { vec![false] };
    let rows: Vec<Row> = flags(may_give)
        .into_iter()
        .flat_map(|ipc_lock| flags(may_give).into_iter().map(move |sys_nice| (ipc_lock, sys_nice)))
        .flat_map(|capabilities| flags(may_raise).into_iter().map(move |high| (capabilities, high)))
        .flat_map(|pair| flags(may_raise).into_iter().map(move |high| (pair, high)))
        .map(|(((ipc_lock, sys_nice), memory), priority)| Row {
            ipc_lock,
            sys_nice,
            memlock: if memory { MEMLOCK_ENOUGH } else { MEMLOCK_LOW },
            rtprio: if priority { PRIORITY } else { 0 },
        })
        .collect();
    assert_eq!(rows.len(), [1, 4][usize::from(may_give)] * [1, 4][usize::from(may_raise)]);
    std::thread::scope(|scope| {
        for row in rows {
            scope.spawn(move || row.check());
        }
    });
}

#[test]
fn root_of_a_user_namespace_has_no_right_to_real_time() {
    let mut command = Command::new("prlimit");
    command.args(["--rtprio=0:0", "--memlock=8388608:8388608"]);
    if is_root() {
        command.args(["setpriv", "--reuid", "65534", "--clear-groups", "--bounding-set=+all"]);
    }
    command.args(["unshare", "-Urn"]).arg(program()).args(["--cpu", "0", "--priority", "60"]);
    let (status, out, err) = common::run(&mut command);
    if status != 0 {
        // A machine may forbid such namespaces; then nobody has the appearance of rights either.
        assert!(err.contains("unshare"), "{err}");
        return;
    }
    let ran = Ran { status, out, err };
    let row = Row { ipc_lock: false, sys_nice: false, memlock: MEMLOCK_LOW, rtprio: 0 };
    assert!(ran.step("memory").0.contains(&row.memory_refused()), "{}", ran.out);
    assert!(ran.step("scheduling").0.contains(&row.scheduling_refused()), "{}", ran.out);
}

#[test]
fn a_lower_ceiling_on_runaways_is_kept_and_leaves_room_for_a_word() {
    let mut command = Command::new("prlimit");
    command.arg("--rttime=600000:600000").arg(program());
    let (status, out, err) = common::run(&mut command);
    let ran = Ran { status, out, err };
    let (line, granted) = ran.step("runaway");
    assert!(granted && line.contains("RLIMIT_RTTIME 300000 µs"), "{line}");
}

#[test]
fn helpers_stay_off_the_loops_cpu_and_say_so_where_there_is_no_other() {
    // given one CPU
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", "0"]).arg(program()).args(["--cpu", "0"]);
    let (status, out, err) = common::run(&mut command);
    let ran = Ran { status, out, err };
    let (line, granted) = ran.step("helpers");
    assert!(!granted && line.starts_with("advice"), "{line}");
    assert!(line.contains("CPU 0 is the only one allowed here, 0"), "{line}");
    assert_eq!(ran.line("helper cpus:"), "0");
    // given several
    let (status, out, err) = common::run(Command::new(program()).args(["--cpu", "0"]));
    let ran = Ran { status, out, err };
    let online = std::fs::read_to_string("/sys/devices/system/cpu/online").expect("readable");
    if online.trim() == "0" {
        assert!(!ran.step("helpers").1);
        return;
    }
    assert!(ran.step("helpers").1, "{}", ran.out);
    let helpers = ran.line("helper cpus:");
    assert!(helpers.split(['-', ',']).all(|cpu| cpu != "0"), "{helpers}");
    assert_eq!(ran.line("cpus:"), "0", "and the loop is there all the same");
    assert_eq!(ran.line("helper:"), "policy 0");
}
