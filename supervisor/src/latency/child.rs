//! Helper processes: spawned in a group of their own, ended by its number, whatever ends us.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use rt_linux::thread::spawn_helper;

use crate::exit::Error;

/// Between two looks at a process.
const LOOK: Duration = Duration::from_millis(10);
/// So long a process may take to end when it was asked to.
const PATIENCE: Duration = Duration::from_secs(2);

/// The CPUs that helpers may run on: those of this process before the loop took one, and that one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cpus(CpuSet);

impl Cpus {
    /// Of the calling thread, before admission; and `cpu`.
    pub(super) fn of_this_thread(cpu: usize) -> Self {
        let mut set = sched_getaffinity(Pid::from_raw(0)).unwrap_or_default();
        // A CPU beyond the set is none; admission says so.
        let _ = set.set(cpu);
        Self(set)
    }

    /// The first of them that is not `cpu`.
    pub(super) fn other_than(&self, cpu: usize) -> Option<usize> {
        (0..CpuSet::count()).find(|other| *other != cpu && self.0.is_set(*other).unwrap_or(false))
    }
}

/// A process that ends with this value.
#[derive(Debug)]
pub(super) struct Helper {
    name: String,
    child: Child,
    said: Option<JoinHandle<String>>,
    complained: Option<JoinHandle<String>>,
}

impl Helper {
    /// Spawns it on `cpus`. What it says is kept.
    pub(super) fn spawn(command: &mut Command, cpus: &Cpus) -> Result<Self, Error> {
        let name = command.get_program().to_string_lossy().into_owned();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        // A child gets the mask of the thread that spawns it, and ours must stay off the loop's CPU.
        let mine = sched_getaffinity(Pid::from_raw(0));
        let _ = sched_setaffinity(Pid::from_raw(0), &cpus.0);
        let child = command.spawn();
        if let Ok(mine) = mine {
            let _ = sched_setaffinity(Pid::from_raw(0), &mine);
        }
        let mut child =
            child.map_err(|wrong| Error::environment(format!("{name} cannot be run: {wrong}")))?;
        let said = child.stdout.take().map(hear).transpose()?;
        let complained = child.stderr.take().map(hear).transpose()?;
        Ok(Self { name, child, said, complained })
    }

    /// Waits until it ends, `stop` says so, or `longest` is over; then it is ended. `None`: stopped, or it took too long.
    pub(super) fn wait(
        &mut self,
        longest: Duration,
        stop: &dyn Fn() -> bool,
    ) -> Result<Option<ExitStatus>, Error> {
        let began = Instant::now();
        loop {
            if let Some(status) = self.ended()? {
                return Ok(Some(status));
            }
            if stop() || began.elapsed() > longest {
                self.end();
                return Ok(None);
            }
            std::thread::sleep(LOOK);
        }
    }

    /// How it ended; `None`: it runs.
    pub(super) fn ended(&mut self) -> Result<Option<ExitStatus>, Error> {
        let name = &self.name;
        let lost = |wrong| Error::environment(format!("{name} cannot be waited for: {wrong}"));
        self.child.try_wait().map_err(lost)
    }

    /// What it wrote to its standard output, and to its standard error. After its end.
    pub(super) fn words(&mut self) -> (String, String) {
        let text = |reader: Option<JoinHandle<String>>| {
            reader.and_then(|reader| reader.join().ok()).unwrap_or_default()
        };
        (text(self.said.take()), text(self.complained.take()))
    }

    /// Ends it and what it spawned: asks, then insists.
    pub(super) fn end(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        let group = i32::try_from(self.child.id()).map(Pid::from_raw);
        let tell = |signal| group.is_ok_and(|group| killpg(group, signal).is_ok());
        tell(Signal::SIGTERM);
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                break;
            }
            std::thread::sleep(LOOK);
        }
        // Also for what outlived its parent; the group is ours as long as one of it is there.
        tell(Signal::SIGKILL);
        let _ = self.child.wait();
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        self.end();
    }
}

fn hear(mut from: impl Read + Send + 'static) -> Result<JoinHandle<String>, Error> {
    spawn_helper("tactus-hear", move || {
        let mut bytes = Vec::new();
        let _ = from.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
    .map_err(|wrong| Error::environment(format!("the system refuses a thread: {wrong}")))
}

/// Load that runs until this value goes.
#[derive(Debug)]
pub(super) struct Load {
    program: &'static str,
    arguments: &'static [&'static str],
    cpus: Cpus,
    running: Helper,
    /// Times it was begun.
    begun: u32,
}

/// It must run so long at least; what ends sooner is not a load but a refusal.
const LOAD_STARTS_MAX: u32 = 1_000;

impl Load {
    /// Begins it.
    pub(super) fn begin(program: &'static str, cpus: Cpus) -> Result<Self, Error> {
        let (arguments, package): (&[&str], _) = match program {
            "stress-ng" => (
                &[
                    "--cpu",
                    "0",
                    "--switch",
                    "2",
                    "--vm",
                    "1",
                    "--vm-bytes",
                    "64M",
                    "--timeout",
                    "60s",
                ],
                "stress-ng",
            ),
            _ => (&["-g", "4", "-l", "20000"], "rt-tests"),
        };
        installed(program, package)?;
        let running = Helper::spawn(Command::new(program).args(arguments), &cpus)?;
        Ok(Self { program, arguments, cpus, running, begun: 1 })
    }

    /// Begins it anew if it is over.
    pub(super) fn keep(&mut self) -> Result<(), Error> {
        let Some(status) = self.running.ended()? else { return Ok(()) };
        if !status.success() || self.begun >= LOAD_STARTS_MAX {
            let (_, complained) = self.running.words();
            return Err(Error::environment(format!(
                "the load {} ended with {status} while it should run: {}",
                self.program,
                complained.trim()
            )));
        }
        self.begun += 1;
        self.running = Helper::spawn(Command::new(self.program).args(self.arguments), &self.cpus)?;
        Ok(())
    }
}

/// There is such a program on the path.
pub(super) fn installed(program: &str, package: &str) -> Result<(), Error> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    if std::env::split_paths(&path).any(|folder| folder.join(program).is_file()) {
        return Ok(());
    }
    Err(Error::environment(format!(
        "{program} is not installed\n  expected on PATH: {}\n  install it: apt-get install {package}",
        path.to_string_lossy()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Helper {
        let cpus = Cpus::of_this_thread(0);
        Helper::spawn(Command::new("sh").args(["-c", script]), &cpus).unwrap()
    }

    fn is_there(pid: i32) -> bool {
        // A zombie that nobody waited for is gone all the same.
        std::fs::read_to_string(format!("/proc/{pid}/stat"))
            .is_ok_and(|stat| !stat.contains(") Z "))
    }

    #[test]
    fn what_a_helper_says_is_heard_however_much_it_is() {
        let mut helper = shell("yes 0123456 | head -c 400000; echo oh >&2");
        let status = helper.wait(Duration::from_secs(60), &|| false).unwrap();
        assert!(status.is_some_and(|status| status.success()));
        let (said, complained) = helper.words();
        assert_eq!((said.len(), complained.trim()), (400_000, "oh"));
    }

    #[test]
    fn a_helper_and_its_children_go_when_they_are_told_and_even_when_they_do_not_want_to() {
        for script in
            ["sleep 1000 & echo $!; wait", "trap '' TERM; sleep 1000 & echo $!; wait; wait"]
        {
            let mut helper = shell(script);
            std::thread::sleep(Duration::from_millis(300));
            assert!(helper.wait(Duration::from_secs(60), &|| true).unwrap().is_none());
            let (said, _) = helper.words();
            let grandchild: i32 = said.trim().parse().unwrap();
            let began = Instant::now();
            while is_there(grandchild) && began.elapsed() < Duration::from_secs(10) {
                std::thread::sleep(LOOK);
            }
            assert!(!is_there(grandchild), "{script}");
        }
    }

    #[test]
    fn a_program_that_is_not_there_is_named_with_the_package_that_has_it() {
        let error = installed("no-such-program", "its-package").unwrap_err();
        assert!(error.message.contains("apt-get install its-package"), "{}", error.message);
        installed("sh", "dash").unwrap();
    }
}
