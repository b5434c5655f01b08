//! References that outlive a run: what homing found is kept, and counts again only for the same drive and the same scaling.
//!
//! An axis with `homing.keep` starts referenced when all of this holds: the state file is whole and this machine's; it has the axis;
//! the drive that bring-up found has the vendor, product and serial number of the one that was homed; what gives counts their meaning
//! has not changed. Otherwise it starts without reference, and people are told why and what to do. The loop has the last word: an
//! offset that puts the axis outside its soft limits does not count either.

pub mod file;

use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::SystemTime;

use crossbeam::channel::{Receiver, Sender, bounded};

use config::Machine;
use fieldbus::bringup::FoundDevice;
use fieldbus::plan::{Identity, SubDevicePlan};
use rt_core::plan::{AxisId, AxisPlan, HomingPlan};
use rt_linux::thread::spawn_helper;
use twin_lite::Nano;

use crate::cli::Link;
use crate::run::Options;
use file::{Owner, Reference, References};

/// Objects of a drive that change what its counts mean: home offset, polarity, encoder resolution, gear, feed, velocity factor.
const MEANING: [u16; 6] = [0x607C, 0x607E, 0x608F, 0x6091, 0x6092, 0x6096];

/// Homings that wait for the disk.
const WAITING_MAX: usize = 64;

/// An axis that keeps its reference.
#[derive(Clone, Debug)]
struct Keeping {
    axis: AxisId,
    name: String,
    /// Position of its drive on the segment.
    drive: usize,
    scaling: String,
}

/// What was kept, for whoever has seen the drives.
#[derive(Clone, Debug)]
pub struct Kept {
    axes: Vec<Keeping>,
    /// What the state file says, or why nothing is known.
    stored: Result<References, String>,
}

/// What bring-up means for one axis that keeps its reference.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// Which axis.
    pub axis: AxisId,
    /// Its drive, as found.
    pub drive: Option<Identity>,
    /// Its offset, or why it has none.
    pub offset: Result<Nano, String>,
}

impl Kept {
    /// Which axes have a reference, over the devices that were found.
    #[must_use]
    pub fn judge(&self, devices: &[FoundDevice]) -> Vec<Verdict> {
        let drive = |axis: &Keeping| devices.get(axis.drive).map(|device| device.identity);
        self.axes
            .iter()
            .map(|axis| Verdict {
                axis: axis.axis,
                drive: drive(axis),
                offset: self.offset(axis, drive(axis)),
            })
            .collect()
    }

    // SR-042
    fn offset(&self, axis: &Keeping, drive: Option<Identity>) -> Result<Nano, String> {
        let stored = self.stored.as_ref().map_err(Clone::clone)?;
        let Some(kept) = stored.get(&axis.name) else {
            return Err("it was not homed yet".to_owned());
        };
        let Some(drive) = drive else { return Err("its drive was not found".to_owned()) };
        let homed = (kept.vendor, kept.product, Some(kept.serial));
        if homed != (drive.vendor, drive.product, drive.serial) {
            return Err(format!(
                "another drive was homed: {}; found {}",
                show(kept.vendor, kept.product, Some(kept.serial)),
                show(drive.vendor, drive.product, drive.serial)
            ));
        }
        if kept.scaling != axis.scaling {
            return Err(format!(
                "it was homed with another scaling: {}; now {}",
                kept.scaling, axis.scaling
            ));
        }
        Ok(Nano(kept.offset_nano))
    }
}

fn show(vendor: u32, product: u32, serial: Option<u32>) -> String {
    let serial = serial.map_or_else(|| "none".to_owned(), |serial| serial.to_string());
    format!("vendor 0x{vendor:08X} product 0x{product:08X} serial {serial}")
}

/// Everything that gives the counts of an axis their meaning, in words.
fn scaling(axis: &AxisPlan, unit: &str, drive: Option<&SubDevicePlan>) -> String {
    use std::fmt::Write as _;
    let ratio = axis.counts_per_unit;
    let mut text = format!("{}/{} counts/{unit}", ratio.numerator, ratio.denominator);
    // Writing to a String does not fail.
    let _ = write!(text, ", the same again after {} counts", axis.keeps.unwrap_or(0));
    if let Some(wrap) = axis.wrap {
        let _ = write!(text, ", wrap {} {unit}", wrap.units());
    }
    let _ = match axis.homing {
        HomingPlan::Here { position } => {
            write!(text, ", homed here at {} {unit}", position.units())
        }
        HomingPlan::SwitchIndex { positive, position, .. } => {
            let way = if positive { "positive" } else { "negative" };
            write!(text, ", homed on the {way} switch at {} {unit}", position.units())
        }
        HomingPlan::Kept { offset } => write!(text, ", offset {} {unit}", offset.units()),
    };
    for sdo in drive.iter().flat_map(|drive| &drive.startup) {
        if MEANING.contains(&sdo.index) {
            let value = i64::from(sdo.value);
            let _ = write!(text, ", 0x{:04X}:{} = {value}", sdo.index, sdo.subindex);
        }
    }
    text
}

fn keeping(machine: &Machine) -> Vec<Keeping> {
    let axes = (0_u8..=u8::MAX).map(AxisId).zip(&machine.plan.axes);
    // An offset in the machine file needs no other place.
    let keeps = axes.filter(|(_, plan)| {
        plan.keeps.is_some() && !matches!(plan.homing, HomingPlan::Kept { .. })
    });
    keeps
        .filter_map(|(axis, plan)| {
            let place = usize::from(axis.0);
            let signal = usize::from(plan.signals.statusword.0);
            let drive = machine.bus.signals.get(signal)?.subdevice;
            let unit = machine.names.axis_units.get(place)?.symbol();
            let name = machine.names.axes.get(place)?.clone();
            let scaling = scaling(plan, unit, machine.bus.subdevices.get(drive));
            Some(Keeping { axis, name, drive, scaling })
        })
        .collect()
}

/// Writes the state file, off the loop and off the supervisor: a slow disk must not look like a dead supervisor.
enum Writer {
    /// Nobody asked for a file.
    Nowhere,
    /// In this thread, in virtual time.
    Here,
    /// In a thread of its own.
    Beside {
        ask: Option<Sender<References>>,
        answer: Receiver<Result<(), String>>,
        thread: Option<JoinHandle<()>>,
    },
}

/// Keeps the references of a run.
pub struct Keeper {
    kept: Kept,
    path: PathBuf,
    owner: Owner,
    references: References,
    /// By axis that keeps its reference: its drive.
    drives: Vec<(AxisId, Option<Identity>)>,
    writer: Writer,
    /// What people should know, by axis.
    notes: Vec<(AxisId, String)>,
    /// Not told yet.
    news: Vec<String>,
    /// Wall time may be written.
    dated: bool,
}

impl Keeper {
    /// Reads the state file of a run, if any axis keeps its reference.
    #[must_use]
    pub fn open(machine: &Machine, options: &Options) -> Self {
        let axes = keeping(machine);
        let link = match &options.link {
            Link::Virtual => "virtual",
            Link::Raw(_) => "raw",
        };
        let owner = Owner { machine: machine.name.clone(), link: link.to_owned() };
        let path = options.state.as_deref().map(|at| path(at, &owner)).unwrap_or_default();
        let mut news = Vec::new();
        let stored = match &options.state {
            _ if axes.is_empty() => Ok(References::new()),
            None => Err("virtual time keeps nothing unless --state names a directory".to_owned()),
            Some(_) => open(&path, &owner, &mut news),
        };
        let references = stored.clone().unwrap_or_default();
        let stored = match stored {
            Ok(_) if options.home_again => Err("--home-again was asked for".to_owned()),
            stored => stored,
        };
        let writer = match &options.state {
            Some(_) if !axes.is_empty() => Writer::Here,
            Some(_) | None => Writer::Nowhere,
        };
        Self {
            kept: Kept { axes, stored },
            path,
            owner,
            references,
            drives: Vec::new(),
            writer,
            notes: Vec::new(),
            news,
            dated: !options.virtual_time,
        }
    }

    /// Gives the writing to a thread of its own.
    ///
    /// # Errors
    /// The system refuses a thread.
    pub fn threaded(mut self) -> std::io::Result<Self> {
        if !matches!(self.writer, Writer::Here) {
            return Ok(self);
        }
        let (ask, asked) = bounded::<References>(WAITING_MAX);
        let (tell, answer) = bounded(2 * WAITING_MAX);
        let (path, owner) = (self.path.clone(), self.owner.clone());
        let thread = spawn_helper("tactus-state", move || {
            while let Ok(mut references) = asked.recv() {
                // Only the newest counts.
                while let Ok(newer) = asked.try_recv() {
                    references = newer;
                }
                let saved = file::save(&path, &owner, &references);
                // Nobody listens any more: nobody is told.
                let _ = tell.try_send(saved.map_err(|source| source.to_string()));
            }
        })?;
        self.writer = Writer::Beside { ask: Some(ask), answer, thread: Some(thread) };
        Ok(self)
    }

    /// What was kept, to be judged where the devices are seen.
    #[must_use]
    pub fn kept(&self) -> Kept {
        self.kept.clone()
    }

    /// What bring-up meant.
    pub fn hear(&mut self, verdicts: Vec<Verdict>) {
        for Verdict { axis, drive, offset } in verdicts {
            self.drives.push((axis, drive));
            if let Err(why) = offset {
                let name = self.name(axis).to_owned();
                self.note(axis, why.clone());
                self.news.push(format!("{name} starts without reference: {why}; home it"));
            }
        }
    }

    /// Homing found the offset of an axis.
    pub fn found(&mut self, axis: AxisId, offset: Nano) {
        let Some(keeping) = self.kept.axes.iter().find(|keeping| keeping.axis == axis).cloned()
        else {
            return;
        };
        self.notes.retain(|(noted, _)| *noted != axis);
        let drive = self.drives.iter().find(|(of, _)| *of == axis).and_then(|(_, drive)| *drive);
        let Some((drive, serial)) = drive.and_then(|drive| Some((drive, drive.serial?))) else {
            let why = "its drive has no serial number by which it could be known again";
            self.lost(axis, why);
            return;
        };
        let reference = Reference {
            vendor: drive.vendor,
            product: drive.product,
            serial,
            scaling: keeping.scaling,
            offset_nano: offset.0,
            homed_at: self.dated.then(now),
        };
        self.references.insert(keeping.name, reference);
        match &self.writer {
            Writer::Nowhere => {}
            Writer::Here => {
                let saved = file::save(&self.path, &self.owner, &self.references);
                self.saved(saved.map_err(|source| source.to_string()));
            }
            Writer::Beside { ask, .. } => {
                let asked = ask.as_ref().map(|ask| ask.try_send(self.references.clone()));
                if !matches!(asked, Some(Ok(()))) {
                    self.lost(axis, "the disk does not answer");
                }
            }
        }
    }

    /// What people should be told now.
    pub fn settle(&mut self) -> Vec<String> {
        let mut answers = Vec::new();
        if let Writer::Beside { answer, .. } = &self.writer {
            answers.extend(answer.try_iter());
        }
        for answer in answers {
            self.saved(answer);
        }
        std::mem::take(&mut self.news)
    }

    /// Waits until everything is on the disk. What is left to be told comes from [`settle`](Self::settle).
    pub fn finish(&mut self) {
        if let Writer::Beside { ask, thread, .. } = &mut self.writer {
            drop(ask.take());
            if let Some(thread) = thread.take() {
                // A panic of it was printed where it happened.
                let _ = thread.join();
            }
        }
    }

    /// What people should know of an axis' reference, if anything.
    #[must_use]
    pub fn note_of(&self, axis: AxisId) -> Option<&str> {
        self.notes.iter().find(|(noted, _)| *noted == axis).map(|(_, text)| text.as_str())
    }

    fn saved(&mut self, saved: Result<(), String>) {
        let Err(why) = saved else { return };
        let why = format!("{} cannot be written: {why}", self.path.display());
        let homed: Vec<AxisId> = self.drives.iter().map(|(axis, _)| *axis).collect();
        for axis in homed {
            if self.note_of(axis).is_none() {
                self.lost(axis, &why);
            }
        }
    }

    /// The reference of an axis holds for this run alone.
    fn lost(&mut self, axis: AxisId, why: &str) {
        let name = self.name(axis).to_owned();
        self.news.push(format!("the reference of {name} ends with this run: {why}"));
        self.note(axis, format!("not kept: {why}"));
    }

    fn note(&mut self, axis: AxisId, text: String) {
        self.notes.retain(|(noted, _)| *noted != axis);
        self.notes.push((axis, text));
    }

    fn name(&self, axis: AxisId) -> &str {
        let found = self.kept.axes.iter().find(|keeping| keeping.axis == axis);
        found.map_or("", |keeping| keeping.name.as_str())
    }
}

/// Reads the file; one that is not believed is set aside, so that it is not lost when the next is written.
fn open(path: &Path, owner: &Owner, news: &mut Vec<String>) -> Result<References, String> {
    file::load(path, owner).map_err(|wrong| {
        let why = format!("the state file {} {wrong}", path.display());
        if !matches!(wrong, file::Unusable::Unreadable(_)) && file::set_aside(path).is_ok() {
            news.push(format!("{why}; it is now {}.unusable", path.display()));
        }
        why
    })
}

/// Name of a machine's state file.
fn path(directory: &Path, owner: &Owner) -> PathBuf {
    let Owner { machine, link } = owner;
    match link.as_str() {
        "raw" => directory.join(format!("{machine}.references.json")),
        link => directory.join(format!("{machine}.{link}.references.json")),
    }
}

fn now() -> String {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    utc(since.as_secs())
}

/// Seconds since 1970 as people write them. Days to date: proleptic Gregorian, counted from March so that the leap day is last.
pub(crate) fn utc(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let day = days + 719_468;
    let (era, of_era) = (day / 146_097, day % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let date = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{date:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests;
