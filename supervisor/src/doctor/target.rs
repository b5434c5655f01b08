//! What is to be judged: the CPUs, the priority and the network interface of the loop.

use config::{LinkChoice, Machine};
use rt_linux::admission::PRIORITY_DEFAULT;
use serde::Serialize;

use super::lists::{self, Cpus};
use super::system::{Probe, System, Unread, Why};

const ONLINE: &str = "/sys/devices/system/cpu/online";
const ISOLATED: &str = "/sys/devices/system/cpu/isolated";

/// The CPUs, the priority and the network interface of the loop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Target {
    /// Where the loop runs. Empty: it could not be found out.
    pub cpus: Cpus,
    /// Who said so.
    pub cpus_from: &'static str,
    /// SCHED_FIFO priority of the loop.
    pub priority: u8,
    /// What carries the frames.
    pub fieldbus: Fieldbus,
}

/// What carries the frames.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fieldbus {
    /// This network interface.
    Interface(String),
    /// The segment is virtual: there is no interface.
    Virtual,
    /// Nobody said.
    NotNamed,
}

impl Target {
    /// From the machine file if there is one, the interface asked for if there is one, and what the system says.
    #[must_use]
    pub fn new(system: &System, machine: Option<&Machine>, interface: Option<&str>) -> Self {
        let cycle = machine.map(|machine| machine.cycle);
        let fieldbus = match (interface, machine.map(|machine| &machine.link)) {
            (Some(name), _) => Fieldbus::Interface(name.to_owned()),
            (None, Some(LinkChoice::Raw(name))) => Fieldbus::Interface(name.clone()),
            (None, Some(LinkChoice::Virtual)) => Fieldbus::Virtual,
            (None, None) => Fieldbus::NotNamed,
        };
        let priority = cycle.and_then(|cycle| cycle.priority).unwrap_or(PRIORITY_DEFAULT);
        let mut target = Self { cpus: Cpus::new(), cpus_from: "nobody", priority, fieldbus };
        let (cpus, from) = match cycle.map(|cycle| cycle.cpu) {
            Some(Some(cpu)) => (Cpus::from([cpu]), "the machine file"),
            // The same choice that admission makes for a strict run.
            Some(None) => default_cpus(system, &target, true),
            None => default_cpus(system, &target, false),
        };
        (target.cpus, target.cpus_from) = (cpus, from);
        target
    }
}

/// Isolated CPUs (`one`: the last of them), else the last one online.
fn default_cpus(system: &System, target: &Target, one: bool) -> (Cpus, &'static str) {
    let probe = Probe::new(system, target);
    let last = |cpus: &Cpus| cpus.last().copied().into_iter().collect();
    match (probe.cpus(ISOLATED), probe.cpus(ONLINE)) {
        (Ok(isolated), _) if !isolated.is_empty() => match one {
            true => (last(&isolated), "the last isolated CPU"),
            false => (isolated, "the isolated CPUs"),
        },
        (_, Ok(online)) => (last(&online), "the last CPU online: none is isolated"),
        (_, Err(_)) => (Cpus::new(), "nobody"),
    }
}

impl Probe<'_> {
    /// The CPUs of the loop.
    pub(super) fn loop_cpus(&self) -> Result<&Cpus, Unread> {
        match self.target.cpus.is_empty() {
            true => {
                self.note(ONLINE, "gives no CPU for the loop");
                Err(Unread {
                    path: ONLINE.to_owned(),
                    why: Why::NotNamed("it is not known on which CPU the loop runs"),
                })
            }
            false => Ok(&self.target.cpus),
        }
    }

    /// CPUs that run.
    pub(super) fn online(&self) -> Result<Cpus, Unread> {
        self.cpus(ONLINE)
    }

    /// CPUs that the scheduler leaves alone, by the command line or by a cpuset partition.
    pub(super) fn isolated(&self) -> Result<Cpus, Unread> {
        let mut isolated = self.cpus(ISOLATED)?;
        // Linux 6.7 and later, control groups version 2.
        const PARTITIONS: &str = "/sys/fs/cgroup/cpuset.cpus.isolated";
        if let Ok(Some(text)) = self.feature(PARTITIONS) {
            let garbled = || Unread::garbled(PARTITIONS, "CPUs such as 0-2,4");
            isolated.extend(lists::list(&text).ok_or_else(garbled)?);
        }
        Ok(isolated)
    }

    /// CPUs for everything but the loop; empty: there is none. For fixes: it is no evidence.
    pub(super) fn housekeeping(&self) -> Result<Cpus, Unread> {
        let cpus = self.loop_cpus()?;
        let rest: Cpus = self.quiet_cpus(ONLINE)?.difference(cpus).copied().collect();
        let isolated = self.quiet_cpus(ISOLATED)?;
        let open: Cpus = rest.difference(&isolated).copied().collect();
        Ok(if open.is_empty() { rest } else { open })
    }

    /// The network interface; `None`: the segment is virtual.
    pub(super) fn interface(&self) -> Result<Option<&str>, Unread> {
        match &self.target.fieldbus {
            Fieldbus::Interface(name) if is_interface_name(name) => Ok(Some(name)),
            Fieldbus::Interface(name) => Err(Unread {
                path: name.clone(),
                why: Why::NotNamed("no network interface can have the name that was given"),
            }),
            Fieldbus::Virtual => Ok(None),
            Fieldbus::NotNamed => Err(Unread {
                path: "/sys/class/net".to_owned(),
                why: Why::NotNamed(
                    "no interface named: give --iface, or a machine file with a raw link",
                ),
            }),
        }
    }
}

/// What the kernel takes for the name of an interface (`dev_valid_name`): it becomes part of paths here.
fn is_interface_name(name: &str) -> bool {
    let wrong = |c: char| c == '/' || c == ':' || c.is_whitespace() || c.is_control();
    !name.is_empty() && name.len() < 16 && name != "." && name != ".." && !name.contains(wrong)
}
