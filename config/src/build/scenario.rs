//! `[scenario]` → events, one by one, and the operator's rules.

use super::Built;
use super::axes::time_in;
use super::cell::{Rest, input, output};
use super::names::{Table, check_title};
use crate::cell::{
    BusAction, CameraFault, Channel, Obeys, OperatorRule, RuleCondition, RuleStep, ScenarioAction,
    ScenarioEvent, Seen, VirtualCamera,
};
use crate::file::cell as file;
use crate::problem::{Problem, Problems, Span};
use crate::read::{Name, OneOrMany, Time, need};

const DAY_NS: i64 = 86_400_000_000_000;

/// Everything that a scenario may refer to.
pub(crate) struct Scope<'a, 'f> {
    pub(crate) built: &'a Built<'f>,
    pub(crate) persons: &'a Table,
    pub(crate) cameras: &'a [VirtualCamera],
    pub(crate) rest: &'a Rest,
}

/// What an event does when it begins, and what ends it after `for`.
type Parts = Vec<(ScenarioAction, Option<ScenarioAction>)>;

pub(crate) fn events(
    section: Option<&file::Scenario>,
    scope: &Scope<'_, '_>,
    problems: &mut Problems,
) -> Vec<ScenarioEvent> {
    let mut out = Vec::new();
    for event in section.map_or(&[][..], |section| &section.event) {
        let at = time_in(&event.at, 0..=DAY_NS, "the time", problems);
        let lasts = match &event.r#for {
            Some(time) => time_in(time, 1_000_000..=DAY_NS, "the duration", problems).map(Some),
            None => Some(None),
        };
        let repeat = repetition(event, problems);
        let parts = scope.parts(event, problems);
        let (Some(at), Some(lasts), Some((every, times))) = (at, lasts, repeat) else { continue };
        for n in 0..times {
            let at_ns = at.saturating_add(every.saturating_mul(n));
            for (begin, end) in &parts {
                out.push(ScenarioEvent { at_ns, action: *begin });
                if let (Some(end), Some(lasts)) = (end, lasts) {
                    out.push(ScenarioEvent { at_ns: at_ns.saturating_add(lasts), action: *end });
                }
            }
        }
    }
    out.sort_by_key(|event| event.at_ns);
    out
}

/// (every, times)
fn repetition(event: &file::Event, problems: &mut Problems) -> Option<(u64, u64)> {
    match (&event.every, &event.times) {
        (None, None) => Some((0, 1)),
        (Some(every), Some(times)) => {
            Some((time_in(every, 1_000_000..=DAY_NS, "the repetition", problems)?, times.to()))
        }
        (Some(_), None) | (None, Some(_)) => {
            problems.push(
                Problem::error("missing-key", &event.span, "how often, or after what time?")
                    .expected("both `every` and `times`, or neither")
                    .found("one of the two")
                    .remedy("add the other"),
            );
            None
        }
    }
}

/// The keys that say what an event does.
const VERBS: &str = "press, release, set, walk, camera, drive_fault, safe_torque_off, brake_fails, runs_on, friction, payload, bus";

fn exactly_one<'v>(
    present: &[(&'v str, bool)],
    listed: &str,
    span: &Span,
    problems: &mut Problems,
) -> Option<&'v str> {
    let given: Vec<&str> = present.iter().filter(|(_, is)| *is).map(|(key, _)| *key).collect();
    if let [one] = given[..] {
        return Some(one);
    }
    problems.push(
        Problem::error("step-verb", span, "exactly one thing here")
            .expected(format!("one of {listed}"))
            .found(if given.is_empty() { "none".to_owned() } else { given.join(" and ") })
            .remedy("make an entry of each"),
    );
    None
}

impl Scope<'_, '_> {
    fn parts(&self, event: &file::Event, problems: &mut Problems) -> Parts {
        let present = [
            ("press", event.press.is_some()),
            ("release", event.release.is_some()),
            ("set", event.set.is_some()),
            ("walk", event.walk.is_some()),
            ("camera", event.camera.is_some()),
            ("drive_fault", event.drive_fault.is_some()),
            ("safe_torque_off", event.safe_torque_off.is_some()),
            ("brake_fails", event.brake_fails.is_some()),
            ("runs_on", event.runs_on.is_some()),
            ("friction", event.friction.is_some()),
            ("payload", event.payload.is_some()),
            ("bus", event.bus.is_some()),
        ];
        let Some(verb) = exactly_one(&present, VERBS, &event.span, problems) else {
            return Vec::new();
        };
        check_keys(event, verb, problems);
        match verb {
            "press" => self.levels(event.press.as_ref(), true, problems),
            "release" => self.levels(event.release.as_ref(), false, problems),
            "bus" => self.bus(event, problems).into_iter().collect(),
            _ => self.part(event, problems).into_iter().collect(),
        }
    }

    /// Inputs leave (`pressed`) or take their rest level.
    fn levels(
        &self,
        names: Option<&OneOrMany<Name>>,
        pressed: bool,
        problems: &mut Problems,
    ) -> Parts {
        let mut parts = Vec::new();
        for name in names.map_or(&[][..], |names| &names.0) {
            let Some(input) = input(name, self.built, problems) else { continue };
            let rest = self.rest_of(input);
            let to = |on| ScenarioAction::SetInput { input, on };
            parts.push(if pressed { (to(!rest), Some(to(rest))) } else { (to(rest), None) });
        }
        parts
    }

    fn rest_of(&self, input: Channel) -> bool {
        self.rest.iter().any(|(channel, value)| *channel == input && *value != 0)
    }

    fn part(
        &self,
        event: &file::Event,
        problems: &mut Problems,
    ) -> Option<(ScenarioAction, Option<ScenarioAction>)> {
        if let Some(name) = &event.set {
            return Some((self.analog(name, event, problems)?, None));
        }
        if let Some(name) = &event.walk {
            let person = self.persons.find(name, problems)?;
            return Some((ScenarioAction::PersonStart { person }, None));
        }
        if let Some(name) = &event.camera {
            let camera = self.camera(name, problems)?;
            let fault = camera_fault(event, problems)?;
            let end = ScenarioAction::CameraFault { camera, fault: CameraFault::None };
            return Some((ScenarioAction::CameraFault { camera, fault }, Some(end)));
        }
        if let Some(name) = &event.drive_fault {
            let axis = self.built.axes.find(name, problems)?;
            let code = event.code.as_ref().map_or(0x7121, |code| code.to());
            let end = ScenarioAction::DriveFault { axis, code: 0 };
            return Some((ScenarioAction::DriveFault { axis, code }, Some(end)));
        }
        if let Some(parts) = self.drive_failure(event, problems) {
            return Some(parts);
        }
        let (name, most) = match (&event.friction, &event.payload) {
            (Some(name), _) => (name, 0.0..=50.0),
            (None, Some(name)) => (name, 0.2..=5.0),
            (None, None) => return None,
        };
        let axis = self.built.axes.find(name, problems)?;
        let factor_at = need(event.factor.as_ref(), "factor", event, problems)?;
        let factor = factor_at.units();
        if !most.contains(&factor) {
            problems.push(
                Problem::error("out-of-range", &factor_at.span, "the factor is out of range")
                    .expected(format!("{} % to {} %", most.start() * 100.0, most.end() * 100.0))
                    .found(factor_at.show())
                    .remedy("choose a share in this range"),
            );
        }
        let action = |factor| {
            if event.friction.is_some() {
                ScenarioAction::FrictionScale { axis, factor }
            } else {
                ScenarioAction::PayloadScale { axis, factor }
            }
        };
        Some((action(factor), Some(action(1.0))))
    }

    /// Torque taken, a brake that holds nothing, a drive that runs on.
    fn drive_failure(
        &self,
        event: &file::Event,
        problems: &mut Problems,
    ) -> Option<(ScenarioAction, Option<ScenarioAction>)> {
        if let Some(name) = &event.safe_torque_off {
            let axis = self.built.axes.find(name, problems)?;
            let action = |active| ScenarioAction::SafeTorqueOff { axis, active };
            return Some((action(true), Some(action(false))));
        }
        if let Some(name) = &event.brake_fails {
            let axis = self.built.axes.find(name, problems)?;
            let action = |failed| ScenarioAction::BrakeFails { axis, failed };
            return Some((action(true), Some(action(false))));
        }
        let axis = self.built.axes.find(event.runs_on.as_ref()?, problems)?;
        let obeys = match event.obeys {
            None | Some(file::ObeysWord::QuickStop) => Obeys::QuickStop,
            Some(file::ObeysWord::Power) => Obeys::Power,
            Some(file::ObeysWord::Nothing) => Obeys::Nothing,
        };
        let action = |obeys| ScenarioAction::Obeys { axis, obeys };
        Some((action(obeys), Some(action(Obeys::All))))
    }

    fn analog(
        &self,
        name: &Name,
        event: &file::Event,
        problems: &mut Problems,
    ) -> Option<ScenarioAction> {
        let signals = &self.built.devices.signals;
        let id = signals.find(name, problems)?;
        let plan = signals.plan(id)?;
        let input = signals.terminal(name, id, problems)?;
        if plan.direction != fieldbus::plan::Direction::Input || plan.bits != 16 {
            problems.push(
                Problem::error("not-an-input", &name.span, "this is no analogue input")
                    .expected("the signal of an analogue input terminal")
                    .found(format!("{} bits", plan.bits))
                    .remedy("use `press` for digital inputs"),
            );
            return None;
        }
        let value = need(event.value.as_ref(), "value", event, problems)?;
        Some(ScenarioAction::SetAnalog { input, value: value.to() })
    }

    fn camera(&self, name: &Name, problems: &mut Problems) -> Option<usize> {
        let stream = self.built.vision.streams.find(name, problems)?;
        let camera = self.cameras.iter().position(|camera| usize::from(camera.stream) == stream);
        if camera.is_none() {
            problems.push(
                Problem::error("unknown-name", &name.span, "this stream has no virtual camera")
                    .expected("a stream with a [[virtual.camera]]")
                    .found(format!("`{}`", name.value))
                    .remedy("add the camera"),
            );
        }
        camera
    }

    fn bus(
        &self,
        event: &file::Event,
        problems: &mut Problems,
    ) -> Option<(ScenarioAction, Option<ScenarioAction>)> {
        use file::BusFault as F;
        let fault = event.bus?;
        let count = event.frames.as_ref().map_or(1, |frames| frames.to::<u32>());
        let frames = match fault {
            F::Lose => Some(BusAction::LoseFrames { count }),
            F::Corrupt => Some(BusAction::CorruptFrames { count }),
            F::Duplicate => Some(BusAction::DuplicateFrames { count }),
            F::Foreign => Some(BusAction::ForeignFrames { count }),
            F::Delay => {
                let delay_ns = delay(event, problems)?;
                Some(BusAction::DelayFrames { count, delay_ns })
            }
            F::Unplug | F::PowerOff | F::RefuseOp => None,
        };
        if let Some(action) = frames {
            return Some((ScenarioAction::Bus(action), None));
        }
        let name = need(event.device.as_ref(), "device", event, problems)?;
        let position = self.built.devices.names.find(name, problems)?;
        let code = event.code.as_ref().map_or(0x001D, |code| code.to());
        let (begin, end) = match fault {
            F::Unplug => (BusAction::LinkDown { position }, BusAction::LinkUp { position }),
            F::PowerOff => (BusAction::PowerOff { position }, BusAction::PowerOn { position }),
            _ => (
                BusAction::RefuseOp { position, al_status_code: code },
                BusAction::AllowOp { position },
            ),
        };
        Some((ScenarioAction::Bus(begin), Some(ScenarioAction::Bus(end))))
    }

    fn condition(
        &self,
        condition: &file::Condition,
        problems: &mut Problems,
    ) -> Option<RuleCondition> {
        let keys = [
            ("output_on", &condition.output_on),
            ("output_off", &condition.output_off),
            ("input_on", &condition.input_on),
            ("input_off", &condition.input_off),
            ("zone_free", &condition.zone_free),
            ("zone_occupied", &condition.zone_occupied),
        ];
        let present = keys.map(|(key, name)| (key, name.is_some()));
        let listed = "output_on, output_off, input_on, input_off, zone_free, zone_occupied";
        let verb = exactly_one(&present, listed, &condition.span, problems)?;
        let name = keys.iter().find_map(|(_, name)| name.as_ref())?;
        let zone = |problems: &mut Problems| self.built.vision.zones.find(name, problems);
        let what = match verb {
            "output_on" => Seen::OutputOn(output(name, self.built, problems)?),
            "output_off" => Seen::OutputOff(output(name, self.built, problems)?),
            "input_on" => Seen::InputOn(input(name, self.built, problems)?),
            "input_off" => Seen::InputOff(input(name, self.built, problems)?),
            "zone_free" => Seen::ZoneFree(zone(problems)?),
            _ => Seen::ZoneOccupied(zone(problems)?),
        };
        Some(RuleCondition { what, for_ns: or(condition.r#for.as_ref(), 0, "the time", problems)? })
    }

    fn rule_step(&self, step: &file::Action, problems: &mut Problems) -> Option<RuleStep> {
        let present = [("press", step.press.is_some()), ("walk", step.walk.is_some())];
        exactly_one(&present, "press, walk", &step.span, problems)?;
        let duration_ns = or(step.r#for.as_ref(), 200_000_000, "the press", problems);
        let after_ns = or(step.after.as_ref(), 0, "the time", problems);
        let action = match (&step.press, &step.walk) {
            (Some(name), _) => ScenarioAction::Pulse {
                input: input(name, self.built, problems)?,
                duration_ns: duration_ns?,
            },
            (None, Some(name)) => {
                ScenarioAction::PersonStart { person: self.persons.find(name, problems)? }
            }
            (None, None) => return None,
        };
        Some(RuleStep { after_ns: after_ns?, action })
    }
}

fn or(time: Option<&Time>, default: u64, what: &str, problems: &mut Problems) -> Option<u64> {
    time.map_or(Some(default), |time| time_in(time, 0..=DAY_NS, what, problems))
}

fn delay(event: &file::Event, problems: &mut Problems) -> Option<u64> {
    let delay = need(event.delay.as_ref(), "delay", event, problems)?;
    time_in(delay, 1_000..=60_000_000_000, "the delay", problems)
}

fn camera_fault(event: &file::Event, problems: &mut Problems) -> Option<CameraFault> {
    Some(match *need(event.fault.as_ref(), "fault", event, problems)? {
        file::CameraFault::Silent => CameraFault::Silence,
        file::CameraFault::Frozen => CameraFault::Freeze,
        file::CameraFault::Repeat => CameraFault::Repeat,
        file::CameraFault::WrongCrc => CameraFault::WrongCrc,
        file::CameraFault::WrongHash => CameraFault::WrongHash,
        file::CameraFault::Poor => {
            CameraFault::Quality(event.quality.as_ref().map_or(10, |quality| quality.to()))
        }
        file::CameraFault::Lag => CameraFault::Lag(delay(event, problems)?),
    })
}

/// Keys that do not go with what an event does.
fn check_keys(event: &file::Event, verb: &str, problems: &mut Problems) {
    let keys: [(&str, Option<&Span>, &[&str]); 9] = [
        ("obeys", event.obeys.map(|_| &event.span), &["runs_on"]),
        ("value", event.value.as_ref().map(|at| &at.span), &["set"]),
        ("fault", event.fault.map(|_| &event.span), &["camera"]),
        ("quality", event.quality.as_ref().map(|at| &at.span), &["camera"]),
        ("delay", event.delay.as_ref().map(|at| &at.span), &["camera", "bus"]),
        ("code", event.code.as_ref().map(|at| &at.span), &["drive_fault", "bus"]),
        ("factor", event.factor.as_ref().map(|at| &at.span), &["friction", "payload"]),
        ("device", event.device.as_ref().map(|at| &at.span), &["bus"]),
        ("frames", event.frames.as_ref().map(|at| &at.span), &["bus"]),
    ];
    let lasting = [
        "press",
        "camera",
        "drive_fault",
        "safe_torque_off",
        "brake_fails",
        "runs_on",
        "friction",
        "payload",
        "bus",
    ];
    let duration = [("for", event.r#for.as_ref().map(|at| &at.span), &lasting[..])];
    for (key, span, verbs) in keys.into_iter().chain(duration) {
        if let Some(span) = span.filter(|_| !verbs.contains(&verb)) {
            problems.push(
                Problem::error("key-does-not-fit", span, format!("`{key}` means nothing here"))
                    .expected(format!("only keys that go with `{verb}`"))
                    .found(format!("`{key}`"))
                    .remedy("remove it"),
            );
        }
    }
}

pub(crate) fn rules(
    section: Option<&file::Scenario>,
    scope: &Scope<'_, '_>,
    problems: &mut Problems,
) -> Vec<OperatorRule> {
    let mut names = Table::new("a rule");
    let mut out = Vec::new();
    for rule in section.map_or(&[][..], |section| &section.rule) {
        check_title(&rule.name, problems);
        names.add(&rule.name, problems);
        if rule.when.is_empty() || rule.then.is_empty() {
            problems.push(
                Problem::error("empty-rule", &rule.name.span, "this rule never does anything")
                    .expected("at least one condition in `when` and one action in `then`")
                    .found("an empty list")
                    .remedy("fill it, or remove the rule"),
            );
        }
        let when = rule.when.iter().filter_map(|when| scope.condition(when, problems)).collect();
        let then = rule.then.iter().filter_map(|step| scope.rule_step(step, problems)).collect();
        let cooldown = or(rule.cooldown.as_ref(), 1_000_000_000, "the cooldown", problems);
        out.push(OperatorRule {
            name: rule.name.value.clone(),
            when,
            then,
            cooldown_ns: cooldown.unwrap_or(0),
        });
    }
    out
}
