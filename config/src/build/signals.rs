//! The signals of the machine: every named place in the process image.

use fieldbus::plan::{Direction, SignalPlan};
use rt_core::signal::SignalId;

use super::names::Table;
use crate::cell::Channel;
use crate::problem::{Problem, Problems, Span};
use crate::read::Name;

/// Most signals of a machine.
pub(crate) const SIGNALS_MAX: usize = 16_384;

/// All signals, by [`SignalId`].
#[derive(Debug)]
pub(crate) struct SignalTable {
    table: Table,
    pub(crate) plans: Vec<SignalPlan>,
    /// Terminals: which channel it is.
    channels: Vec<Option<Channel>>,
    /// Who writes an output: where that is said, and what it is.
    claims: Vec<Option<(Span, String)>>,
    /// It is the object of a drive that an axis works.
    of_drive: Vec<bool>,
}

impl SignalTable {
    pub(crate) fn new() -> Self {
        Self {
            table: Table::new("a signal"),
            plans: Vec::new(),
            channels: Vec::new(),
            claims: Vec::new(),
            of_drive: Vec::new(),
        }
    }

    /// Adds a signal; the caller has checked that there are not too many.
    pub(crate) fn add(
        &mut self,
        name: &Name,
        plan: SignalPlan,
        channel: Option<Channel>,
        of_drive: bool,
        problems: &mut Problems,
    ) -> Option<SignalId> {
        let place = self.table.add(name, problems);
        self.plans.push(plan);
        self.channels.push(channel);
        self.claims.push(None);
        self.of_drive.push(of_drive);
        if place == SIGNALS_MAX {
            super::names::check_count(place + 1, SIGNALS_MAX, "signals", &name.span, problems);
        }
        u16::try_from(place).ok().filter(|_| place < SIGNALS_MAX).map(SignalId)
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.table.names()
    }

    pub(crate) fn plan(&self, id: SignalId) -> Option<&SignalPlan> {
        self.plans.get(usize::from(id.0))
    }

    pub(crate) fn channel(&self, id: SignalId) -> Option<Channel> {
        self.channels.get(usize::from(id.0)).copied().flatten()
    }

    pub(crate) fn name(&self, id: SignalId) -> &str {
        self.table.get(usize::from(id.0)).map_or("", |name| name.value.as_str())
    }

    pub(crate) fn span(&self, id: SignalId) -> Option<&Span> {
        self.table.get(usize::from(id.0)).map(|name| &name.span)
    }

    pub(crate) fn find(&self, name: &Name, problems: &mut Problems) -> Option<SignalId> {
        self.table.find(name, problems).and_then(|at| u16::try_from(at).ok()).map(SignalId)
    }

    /// A digital input: 1 bit, written by a device.
    pub(crate) fn input_bit(
        &self,
        name: &Name,
        role: &str,
        problems: &mut Problems,
    ) -> Option<SignalId> {
        let id = self.find(name, problems)?;
        let plan = self.plan(id)?;
        if plan.direction != Direction::Input {
            problems.push(
                Problem::error(
                    "not-an-input",
                    &name.span,
                    format!("{role} `{}` is an output", name.value),
                )
                .expected("a digital input: a channel that a device writes")
                .found("a channel that the loop writes")
                .remedy("use the signal of an input terminal"),
            );
            return None;
        }
        self.one_bit(name, plan, role, problems).then_some(id)
    }

    fn one_bit(&self, name: &Name, plan: &SignalPlan, role: &str, problems: &mut Problems) -> bool {
        if plan.bits != 1 {
            problems.push(
                Problem::error(
                    "not-a-bit",
                    &name.span,
                    format!("{role} `{}` has {} bits", name.value, plan.bits),
                )
                .expected("a digital signal, 1 bit")
                .found(format!("{} bits", plan.bits))
                .remedy("use a channel of a digital terminal"),
            );
        }
        plan.bits == 1
    }

    /// An output that is not a drive's object.
    pub(crate) fn output(
        &self,
        name: &Name,
        role: &str,
        problems: &mut Problems,
    ) -> Option<SignalId> {
        let id = self.find(name, problems)?;
        if self.plan(id)?.direction != Direction::Output {
            problems.push(
                Problem::error(
                    "not-an-output",
                    &name.span,
                    format!("{role} `{}` is an input", name.value),
                )
                .expected("an output: a channel that the loop writes")
                .found("a channel that a device writes")
                .remedy("use the signal of an output terminal"),
            );
            return None;
        }
        if self.of_drive.get(usize::from(id.0)).copied().unwrap_or(false) {
            problems.push(
                Problem::error(
                    "output-of-axis",
                    &name.span,
                    format!("{role} `{}` is an object of a drive", name.value),
                )
                .expected("an output that no axis works")
                .found("an object that only the gate writes")
                .remedy("ask the axis to move instead"),
            );
            return None;
        }
        Some(id)
    }

    /// An output of 1 bit.
    pub(crate) fn output_bit(
        &self,
        name: &Name,
        role: &str,
        problems: &mut Problems,
    ) -> Option<SignalId> {
        let id = self.output(name, role, problems)?;
        self.one_bit(name, self.plan(id)?, role, problems).then_some(id)
    }

    /// Says that `who` writes the output; an output has one writer.
    pub(crate) fn claim(&mut self, id: SignalId, at: &Span, who: &str, problems: &mut Problems) {
        let name = self.name(id).to_owned();
        let Some(claim) = self.claims.get_mut(usize::from(id.0)) else { return };
        match claim {
            None => *claim = Some((at.clone(), who.to_owned())),
            Some((first, owner)) => problems.push(
                Problem::error(
                    "output-claimed-twice",
                    at,
                    format!("the output `{name}` has two writers"),
                )
                .expected(format!("one writer; {owner} has it"))
                .found(format!("{who} wants it too"))
                .remedy("give one of them another output")
                .related(first, format!("{owner} has it")),
            ),
        }
    }

    /// Outputs that nobody writes, but for objects of drives.
    pub(crate) fn unclaimed_outputs(&self) -> Vec<SignalId> {
        (0..self.plans.len())
            .filter(|&at| {
                self.plans.get(at).is_some_and(|plan| plan.direction == Direction::Output)
                    && self.claims.get(at).is_some_and(Option::is_none)
                    && !self.of_drive.get(at).copied().unwrap_or(false)
            })
            .filter_map(|at| u16::try_from(at).ok().map(SignalId))
            .collect()
    }

    /// The channel of a terminal that the virtual cell works; a signal of another device has none.
    pub(crate) fn terminal(
        &self,
        name: &Name,
        id: SignalId,
        problems: &mut Problems,
    ) -> Option<Channel> {
        let channel = self.channel(id);
        if channel.is_none() {
            problems.push(
                Problem::error(
                    "not-a-terminal",
                    &name.span,
                    format!("the virtual cell has no wire to `{}`", name.value),
                )
                .expected("a channel of a digital or analogue terminal")
                .found("an object of another device")
                .remedy("use a terminal's signal"),
            );
        }
        channel
    }
}
