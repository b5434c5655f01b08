//! The search over machines whose limits are known.

use super::*;

/// A machine with known times, ns.
struct Model {
    wake_up: u64,
    /// What a spin tail takes off the wake-up.
    spin_helps: bool,
    exchange: u64,
    step: u64,
    unquiet: bool,
    least_ns: u64,
    measured: Vec<Setting>,
    end_after: usize,
}

const MODEL: Model = Model {
    wake_up: 20_000,
    spin_helps: false,
    exchange: 60_000,
    step: 100_000,
    unquiet: false,
    least_ns: 0,
    measured: Vec::new(),
    end_after: 1_000,
};

fn exactly(ns: u64) -> Took {
    Took { p50: ns, p999: ns, max: ns }
}

impl Bench for Model {
    type Error = String;

    fn allows(&self, setting: Setting) -> Result<(), String> {
        if setting.period_ns < self.least_ns || setting.receive_deadline_ns >= setting.period_ns {
            return Err("the drives do not interpolate that".into());
        }
        Ok(())
    }

    fn measure(&mut self, setting: Setting) -> Result<Option<Measured>, String> {
        if self.measured.len() >= self.end_after {
            return Ok(None);
        }
        self.measured.push(setting);
        let helped = if self.spin_helps { setting.spin_ns } else { 0 };
        let wake_up = self.wake_up.saturating_sub(helped);
        let exchange = self.exchange.min(setting.receive_deadline_ns);
        let execution = exchange + self.step;
        let cycles = 1_000;
        Ok(Some(Measured {
            cycles,
            overruns: if wake_up + execution >= setting.period_ns { cycles } else { 0 },
            frames_missed: if exchange < self.exchange { cycles } else { 0 },
            // Disturbed: the medians are right, the tails are not.
            wake_up: match self.unquiet {
                true => Took { p50: wake_up, p999: wake_up + 900_000, max: wake_up + 900_000 },
                false => exactly(wake_up),
            },
            execution: exactly(execution),
            exchange: exactly(exchange),
            step: exactly(self.step),
            publish: exactly(1_000),
            unquiet: if self.unquiet { vec!["steal 9 %".into()] } else { vec![] },
            refused: None,
        }))
    }

    fn tell(&mut self, _: &Trial) {}
}

fn asked() -> Asked {
    let file = Setting {
        period_ns: 1_000_000,
        spin_ns: 0,
        receive_deadline_ns: 800_000,
        frame_before_sync0_ns: Some(700_000),
    };
    Asked { file, margin_percent: 20, shortest_ns: 62_500, longest_ns: 10_000_000 }
}

fn found(model: &mut Model) -> Found {
    search(&asked(), model).expect("it never fails")
}

#[test]
fn the_shortest_period_with_the_margin_is_found_and_what_limits_the_next() {
    // given a cycle of 180 µs: 80 % of 250 µs is enough, of 200 µs not
    let found = found(&mut Model { ..MODEL });
    assert_eq!(found.recommended.map(|it| it.period_ns), Some(250_000));
    assert_eq!((found.limit, found.unclear), (Some(Part::Step), false));
    let last = found.trials.iter().find(|trial| trial.setting.period_ns == 200_000).unwrap();
    assert_eq!(last.setting.frame_before_sync0_ns, Some(140_000), "the same part of the period");
    assert!(
        matches!(&last.meaning, Meaning::NotSustained { why, .. } if why.contains("180 of 160"))
    );
}

#[test]
fn the_deadline_is_tightened_to_the_exchange_with_the_margin_and_tried() {
    let mut model = Model { ..MODEL };
    let found = found(&mut model);
    assert_eq!(found.recommended.map(|it| it.receive_deadline_ns), Some(80_000));
    assert_eq!(model.measured.last(), found.recommended.as_ref());
}

#[test]
fn a_file_that_is_too_fast_is_answered_with_a_longer_period() {
    let found = found(&mut Model { step: 1_300_000, ..MODEL });
    // 1.38 ms of work: 80 % of 1.5 ms is too little, of 2 ms enough.
    assert_eq!(found.recommended.map(|it| it.period_ns), Some(2_000_000));
    assert_eq!(found.trials[0].setting.period_ns, 1_000_000);
    assert!(matches!(found.trials[0].meaning, Meaning::NotSustained { limit: Part::Step, .. }));
    assert_eq!(found.limit, Some(Part::Step), "of 1.5 ms");
}

#[test]
fn a_machine_that_sustains_nothing_gets_no_recommendation() {
    let found = found(&mut Model { step: 50_000_000, ..MODEL });
    assert_eq!((found.recommended, found.limit), (None, Some(Part::Step)));
}

#[test]
fn a_spin_tail_is_tried_where_the_wake_up_limits() {
    let found = found(&mut Model { wake_up: 150_000, spin_helps: true, step: 50_000, ..MODEL });
    let best = found.recommended.unwrap();
    assert!(best.spin_ns >= 60_000, "{best:?}");
    // 260 µs without a tail would want 400 µs; with 60 µs less, 250 µs are enough.
    assert_eq!(best.period_ns, 250_000);
}

#[test]
fn a_deadline_that_is_too_short_is_tried_longer() {
    let mut asked = asked();
    asked.file.receive_deadline_ns = 50_000;
    let found = search(&asked, &mut Model { ..MODEL }).unwrap();
    let best = found.recommended.unwrap();
    assert!(best.receive_deadline_ns > 60_000 && best.period_ns <= 1_000_000, "{best:?}");
}

#[test]
fn periods_that_the_machine_file_cannot_have_are_left_out_with_the_reason() {
    let mut model = Model { least_ns: 500_000, ..MODEL };
    let found = found(&mut model);
    assert_eq!(found.recommended.map(|it| it.period_ns), Some(500_000));
    assert!(
        found.not_allowed.iter().any(|it| it.period_ns == 250_000 && it.why.contains("drives"))
    );
    assert!(model.measured.iter().all(|it| it.period_ns >= 500_000));
    assert_eq!(found.limit, None, "the file limits it, nothing that was measured");
}

#[test]
fn a_disturbed_machine_makes_it_unclear_and_recommends_only_what_held() {
    let found = found(&mut Model { unquiet: true, ..MODEL });
    // given tails of 0.9 ms more: 1.5 ms holds them, and whether 1 ms would without the disturbance nobody knows
    assert!(found.unclear);
    assert_eq!(found.recommended.map(|it| it.period_ns), Some(1_500_000));
    // and each was tried twice
    let first = |period| found.trials.iter().filter(|it| it.setting.period_ns == period).count();
    assert!(first(1_000_000) >= 2, "{:?}", found.trials);
}

#[test]
fn medians_convict_even_on_a_disturbed_machine() {
    let mut model = Model { step: 2_000_000, unquiet: true, ..MODEL };
    let setting = asked().file;
    let measured = model.measure(setting).unwrap().unwrap();
    let meaning = judge(setting, &measured, 20);
    assert!(matches!(meaning, Meaning::NotSustained { limit: Part::Step, .. }), "{meaning:?}");
}

#[test]
fn one_overrun_in_a_quiet_trial_is_one_too_many() {
    let setting = asked().file;
    let quiet = Measured { cycles: 10_000, ..Measured::default() };
    assert_eq!(judge(setting, &quiet, 20), Meaning::Sustained);
    let late = Measured { overruns: 1, ..quiet.clone() };
    assert!(matches!(judge(setting, &late, 20), Meaning::NotSustained { .. }));
    let missed = Measured { frames_missed: 1, ..quiet.clone() };
    assert!(matches!(
        judge(setting, &missed, 20),
        Meaning::NotSustained { limit: Part::Exchange, .. }
    ));
    // no cycle ran: nothing was sustained
    assert_ne!(judge(setting, &Measured::default(), 20), Meaning::Sustained);
}

#[test]
fn devices_that_refuse_a_setting_limit_it() {
    let refused = Measured { refused: Some("drive x refuses Op".into()), ..Measured::default() };
    let meaning = judge(asked().file, &refused, 20);
    assert!(matches!(meaning, Meaning::NotSustained { limit: Part::Bus, .. }));
}

#[test]
fn who_asks_for_the_end_gets_it() {
    let found = found(&mut Model { end_after: 2, ..MODEL });
    assert!(found.interrupted);
    assert_eq!(found.trials.len(), 2);
}
