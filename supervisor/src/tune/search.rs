//! Which settings are tried, in which order, and what a trial means. No clock, no bus: the trials come from outside.
//!
//! A trial *sustains* its period when wake-up latency and execution together leave the margin free at p99.9, no cycle overran and no
//! frame was late or lost. When even the medians do not leave it free, or every hundredth cycle goes wrong, it does *not*. Anything
//! between, on a machine that was disturbed, is *unclear*: it recommends nothing, and where it hides the limit the search is inconclusive.

use serde::Serialize;

/// Periods that cells are usually run at, ns.
pub const LADDER_NS: [u64; 20] = [
    10_000_000, 8_000_000, 5_000_000, 4_000_000, 3_000_000, 2_500_000, 2_000_000, 1_500_000,
    1_000_000, 800_000, 750_000, 500_000, 400_000, 300_000, 250_000, 200_000, 150_000, 125_000,
    100_000, 62_500,
];
/// Spin tails that are tried when the wake-up is what limits, ns.
const SPINS_NS: [u64; 2] = [60_000, 100_000];
/// A trial that is unclear is tried again so often.
const AGAIN: u32 = 1;
/// From this share of cycles that went wrong on, no disturbance explains it: 1 in 100.
const WRONG_PART: u64 = 100;
/// Deadlines are recommended in steps of this, ns.
const DEADLINE_STEP_NS: u64 = 10_000;

/// What a trial runs with, ns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// `cycle.period`.
    pub period_ns: u64,
    /// `cycle.spin`.
    pub spin_ns: u64,
    /// `cycle.receive_deadline`.
    pub receive_deadline_ns: u64,
    /// `bus.dc.frame_before_sync0`; `null`: the machine file leaves it to the period, or has no distributed clocks.
    pub frame_before_sync0_ns: Option<u64>,
}

/// A part of the cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Scheduled to actual wake.
    WakeUp,
    /// Send and receive.
    Exchange,
    /// Decode, twin, interlocks, program, gate, records.
    Step,
    /// Encode and publish.
    Publish,
    /// The devices did not take it.
    Bus,
}

impl Part {
    /// For people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::WakeUp => "wake-up",
            Self::Exchange => "exchange",
            Self::Step => "step",
            Self::Publish => "publish",
            Self::Bus => "bus",
        }
    }
}

/// How long a part took, ns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Took {
    /// Median.
    pub p50: u64,
    /// 99.9 %.
    pub p999: u64,
    /// The longest.
    pub max: u64,
}

/// What was measured with a setting.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Measured {
    /// Cycles.
    pub cycles: u64,
    /// Cycles that overran.
    pub overruns: u64,
    /// Frames that were late or lost.
    pub frames_missed: u64,
    /// Wake-up latency.
    pub wake_up: Took,
    /// Wake to publish.
    pub execution: Took,
    /// Send and receive.
    pub exchange: Took,
    /// Decode to records.
    pub step: Took,
    /// Encode and publish.
    pub publish: Took,
    /// What disturbed the machine.
    pub unquiet: Vec<String>,
    /// The devices did not take it: why.
    pub refused: Option<String>,
}

/// What a trial means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "result")]
pub enum Meaning {
    /// With the margin.
    Sustained,
    /// It is too short, and this is most of it.
    NotSustained {
        /// What takes the most.
        limit: Part,
        /// For people.
        why: String,
    },
    /// The machine was disturbed.
    Unclear {
        /// What takes the most.
        limit: Part,
        /// For people.
        why: String,
    },
}

/// A setting, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Trial {
    /// With what.
    pub setting: Setting,
    /// What was measured.
    pub measured: Measured,
    /// What it means.
    #[serde(flatten)]
    pub meaning: Meaning,
}

/// A period that the machine file cannot have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NotAllowed {
    /// ns.
    pub period_ns: u64,
    /// What `tactus check` says.
    pub why: String,
}

/// Carries trials out.
pub trait Bench {
    /// Why a trial could not be.
    type Error;
    /// What the machine file's checks say of the setting; `Err` for people.
    ///
    /// # Errors
    /// It is not allowed.
    fn allows(&self, setting: Setting) -> Result<(), String>;
    /// Runs the machine with it; `None`: somebody asked for the end.
    ///
    /// # Errors
    /// The environment; no other setting would be better.
    fn measure(&mut self, setting: Setting) -> Result<Option<Measured>, Self::Error>;
    /// Hears of each trial.
    fn tell(&mut self, trial: &Trial);
}

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// What the machine file says.
    pub file: Setting,
    /// So much of the period must stay free, %.
    pub margin_percent: u64,
    /// Nothing shorter is tried, ns.
    pub shortest_ns: u64,
    /// Nothing longer is tried, ns.
    pub longest_ns: u64,
}

/// What the search found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Found {
    /// Everything that was tried, in order.
    pub trials: Vec<Trial>,
    /// Periods that the machine file cannot have.
    pub not_allowed: Vec<NotAllowed>,
    /// The shortest that is sustained.
    pub recommended: Option<Setting>,
    /// What limits it: of the next shorter period; `null`: nothing shorter was allowed or asked for.
    pub limit: Option<Part>,
    /// A trial that decides was disturbed.
    pub unclear: bool,
    /// Somebody asked for the end.
    pub interrupted: bool,
}

/// Judges a trial.
#[must_use]
pub fn judge(setting: Setting, measured: &Measured, margin_percent: u64) -> Meaning {
    if let Some(why) = &measured.refused {
        return Meaning::NotSustained { limit: Part::Bus, why: why.clone() };
    }
    let room_ns = room(setting.period_ns, margin_percent);
    let usual_ns = measured.wake_up.p50.saturating_add(measured.execution.p50);
    let busy_ns = measured.wake_up.p999.saturating_add(measured.execution.p999);
    let wrong = measured.overruns.saturating_add(measured.frames_missed);
    if usual_ns > room_ns {
        let why = format!("the median cycle takes {} of {} µs", usual_ns / 1_000, room_ns / 1_000);
        return Meaning::NotSustained { limit: largest(measured, |took| took.p50), why };
    }
    // A frame that is late makes no cycle long: the deadline cuts it off.
    let limit = match measured.frames_missed > measured.overruns {
        true => Part::Exchange,
        false => largest(measured, |took| took.p999),
    };
    let why = match wrong {
        0 if busy_ns <= room_ns && measured.cycles > 0 => return Meaning::Sustained,
        0 => format!("p99.9 takes {} of {} µs", busy_ns / 1_000, room_ns / 1_000),
        _ => format!(
            "{} overruns, {} frames late or lost in {} cycles",
            measured.overruns, measured.frames_missed, measured.cycles
        ),
    };
    let certain = wrong.saturating_mul(WRONG_PART) > measured.cycles;
    if measured.unquiet.is_empty() || certain {
        Meaning::NotSustained { limit, why }
    } else {
        let why = format!("{why}; but {}", measured.unquiet.join("; "));
        Meaning::Unclear { limit, why }
    }
}

/// What a period leaves for the cycle.
fn room(period_ns: u64, margin_percent: u64) -> u64 {
    period_ns.saturating_mul(100_u64.saturating_sub(margin_percent)) / 100
}

fn largest(of: &Measured, which: fn(&Took) -> u64) -> Part {
    let parts = [
        (Part::WakeUp, &of.wake_up),
        (Part::Exchange, &of.exchange),
        (Part::Step, &of.step),
        (Part::Publish, &of.publish),
    ];
    let most = parts.iter().max_by_key(|(_, took)| which(took));
    most.map_or(Part::Step, |(part, _)| *part)
}

/// Searches: down from the file's period to the first that is not sustained; if that is the file's own, up to the first that is.
///
/// # Errors
/// Those of the bench.
pub fn search<B: Bench>(asked: &Asked, bench: &mut B) -> Result<Found, B::Error> {
    let mut search = Search { asked, bench, found: Found::default() };
    search.run()?;
    Ok(search.found)
}

struct Search<'a, B: Bench> {
    asked: &'a Asked,
    bench: &'a mut B,
    found: Found,
}

impl<B: Bench> Search<'_, B> {
    fn run(&mut self) -> Result<(), B::Error> {
        let start = self.asked.file.period_ns.clamp(self.asked.shortest_ns, self.asked.longest_ns);
        let mut periods: Vec<u64> = LADDER_NS.into_iter().chain([start]).collect();
        periods.retain(|period| (self.asked.shortest_ns..=self.asked.longest_ns).contains(period));
        periods.sort_unstable();
        periods.dedup();
        let (shorter, longer): (Vec<u64>, Vec<u64>) =
            periods.into_iter().partition(|period| *period <= start);
        for period in shorter.into_iter().rev() {
            if self.period(period)? == Step::Enough {
                break;
            }
        }
        if self.found.recommended.is_none() {
            for period in longer {
                if self.found.interrupted || self.found.recommended.is_some() {
                    break;
                }
                self.period(period)?;
            }
        }
        self.conclude();
        self.tighten()
    }

    /// What limits, and whether that is certain: by the last trial of the next shorter period, or of the longest if nothing is sustained.
    fn conclude(&mut self) {
        let best = self.found.recommended.map_or(u64::MAX, |best| best.period_ns);
        let shorter = || self.found.trials.iter().filter(|trial| trial.setting.period_ns < best);
        // Of equals the last: that is how the period was decided.
        let decides = shorter().max_by_key(|trial| trial.setting.period_ns);
        let (limit, unclear) = match decides.map(|trial| &trial.meaning) {
            None | Some(Meaning::Sustained) => (None, false),
            Some(Meaning::NotSustained { limit, .. }) => (Some(*limit), false),
            Some(Meaning::Unclear { limit, .. }) => (Some(*limit), true),
        };
        // Nothing is sustained: any period in doubt might be.
        let doubt = self.found.recommended.is_none()
            && shorter().any(|trial| matches!(trial.meaning, Meaning::Unclear { .. }));
        (self.found.limit, self.found.unclear) = (limit, unclear || doubt);
    }

    /// All that is worth trying with a period.
    fn period(&mut self, period_ns: u64) -> Result<Step, B::Error> {
        let mut setting = self.scaled(period_ns);
        if let Err(why) = self.bench.allows(setting) {
            self.found.not_allowed.push(NotAllowed { period_ns, why });
            return Ok(Step::Further);
        }
        let mut tried = vec![setting];
        loop {
            let Some(trial) = self.decided(setting)? else { return Ok(Step::Enough) };
            let limit = match trial.meaning {
                Meaning::Sustained => {
                    self.found.recommended = Some(setting);
                    return Ok(Step::Further);
                }
                Meaning::NotSustained { limit, .. } | Meaning::Unclear { limit, .. } => limit,
            };
            match self.better(setting, &trial, limit) {
                Some(next) if !tried.contains(&next) && self.bench.allows(next).is_ok() => {
                    tried.push(next);
                    setting = next;
                }
                _ => {
                    // A shorter period may be sustained all the same: nothing was found against this one.
                    return Ok(match trial.meaning {
                        Meaning::Unclear { .. } => Step::Further,
                        Meaning::Sustained | Meaning::NotSustained { .. } => Step::Enough,
                    });
                }
            }
        }
    }

    /// A trial, again while it is unclear; `None`: somebody asked for the end.
    fn decided(&mut self, setting: Setting) -> Result<Option<Trial>, B::Error> {
        for again in 0..=AGAIN {
            let Some(measured) = self.bench.measure(setting)? else {
                self.found.interrupted = true;
                return Ok(None);
            };
            let meaning = judge(setting, &measured, self.asked.margin_percent);
            let trial = Trial { setting, measured, meaning };
            self.bench.tell(&trial);
            self.found.trials.push(trial.clone());
            if again == AGAIN || !matches!(trial.meaning, Meaning::Unclear { .. }) {
                return Ok(Some(trial));
            }
        }
        Ok(None)
    }

    /// The file's setting with another period: what is a part of the period stays that part.
    fn scaled(&self, period_ns: u64) -> Setting {
        let file = self.asked.file;
        let scale = |ns: u64| {
            let scaled = u128::from(ns) * u128::from(period_ns) / u128::from(file.period_ns.max(1));
            u64::try_from(scaled).unwrap_or(u64::MAX)
        };
        Setting {
            period_ns,
            spin_ns: file.spin_ns,
            receive_deadline_ns: scale(file.receive_deadline_ns),
            frame_before_sync0_ns: file.frame_before_sync0_ns.map(scale),
        }
    }

    /// What may help against the limit.
    fn better(&self, setting: Setting, trial: &Trial, limit: Part) -> Option<Setting> {
        let room_ns = room(setting.period_ns, self.asked.margin_percent);
        match limit {
            Part::WakeUp => {
                let spin = SPINS_NS.into_iter().find(|spin| *spin > setting.spin_ns)?;
                (spin < setting.period_ns / 4).then_some(Setting { spin_ns: spin, ..setting })
            }
            Part::Exchange if trial.measured.frames_missed > 0 => {
                let deadline = room_ns.saturating_sub(trial.measured.step.p999);
                (deadline > setting.receive_deadline_ns)
                    .then_some(Setting { receive_deadline_ns: deadline, ..setting })
            }
            Part::Exchange | Part::Step | Part::Publish | Part::Bus => None,
        }
    }

    /// A deadline as short as the exchange allows makes the worst cycle short when a frame is lost. Tried before it is recommended.
    fn tighten(&mut self) -> Result<(), B::Error> {
        let Some(best) = self.found.recommended.filter(|_| !self.found.interrupted) else {
            return Ok(());
        };
        let sustained =
            |trial: &&Trial| trial.setting == best && trial.meaning == Meaning::Sustained;
        let Some(trial) = self.found.trials.iter().rfind(sustained) else { return Ok(()) };
        let exchange_ns = trial.measured.exchange.max;
        let deadline = exchange_ns.saturating_mul(100 + self.asked.margin_percent) / 100;
        let receive_deadline_ns = deadline.next_multiple_of(DEADLINE_STEP_NS).max(DEADLINE_STEP_NS);
        let tight = Setting { receive_deadline_ns, ..best };
        if receive_deadline_ns >= best.receive_deadline_ns || self.bench.allows(tight).is_err() {
            return Ok(());
        }
        if let Some(trial) = self.decided(tight)?
            && trial.meaning == Meaning::Sustained
        {
            self.found.recommended = Some(tight);
        }
        Ok(())
    }
}

/// Whether a shorter period is worth a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Further,
    Enough,
}

#[cfg(test)]
mod tests;
