//! The rules of the session that need no broker.

use prost::Message as _;
use queue::wire::{MetricKind, MetricSpec, Sparkplug};

use super::catalogue::{Catalogue, GOOD, REBIRTH, death};
use super::command::{Command, Host, MESSAGE_MAX, News, read};
use super::data::{LIVE_MS, Moment, Said, Sending};
use super::payload::{DataType, Metric, Payload, Property, Template, Value, long};

const SECOND: u64 = 1_000_000_000;

fn spec(device: Option<&str>, axis: Option<&str>, record: &str, kind: MetricKind) -> MetricSpec {
    let name = record.rsplit('.').next().unwrap_or(record).to_owned();
    MetricSpec {
        record: record.to_owned(),
        device: device.map(str::to_owned),
        axis: axis.map(str::to_owned),
        name,
        kind,
        statistics: axis.is_some(),
        unit: "mm".to_owned(),
    }
}

fn catalogue(templates: bool) -> Catalogue {
    let metrics = vec![
        spec(Some("gantry"), Some("x"), "axes.x.position", MetricKind::Real),
        spec(Some("gantry"), Some("y"), "axes.y.position", MetricKind::Real),
        spec(Some("gantry"), Some("y"), "axes.y.torque", MetricKind::Real),
        spec(Some("inputs"), None, "inputs.door", MetricKind::Integer),
        spec(None, None, "trip", MetricKind::Event),
    ];
    let edge = Sparkplug { acknowledged: true, templates, metrics, ..Sparkplug::default() };
    Catalogue::new(&edge, "abc")
}

fn value(name: &str, made_ns: u64, more: &str) -> String {
    format!(
        "{{\"wall_ns\":{},\"name\":\"{name}\",\"mono_ns\":[1,{made_ns}],\"quality\":\"good\",\"sampled_ns\":{},\"last\":-3.0{more}}}",
        100 * SECOND + made_ns,
        made_ns - 1_000_000
    )
}

fn say(catalogue: &mut Catalogue, now_ns: u64, records: &[(u64, String)]) -> Vec<Said> {
    let moment = Moment { wall_ms: 9, mono_ns: now_ns, born_ns: 100 * SECOND };
    let mut sending = Sending { class: "telemetry", after: 4, moment, datatypes: false, catalogue };
    sending.say(records, &mut 254)
}

fn number(metric: &Metric, key: &str) -> Option<u64> {
    let properties = metric.properties.as_ref()?;
    let place = properties.keys.iter().position(|it| it == key)?;
    match properties.values.get(place)?.value {
        Some(Property::Long(value)) => Some(value),
        Some(Property::Int(value)) => Some(u64::from(value)),
        Some(Property::String(_)) | None => None,
    }
}

#[test]
fn records_of_one_speaker_are_one_message_and_seq_goes_from_255_to_0() {
    let mut all = catalogue(false);
    let made = 101 * SECOND;
    let records: Vec<_> = [
        (5, value("axes.x.position", made, ",\"min\":-4.0,\"max\":0.5,\"mean\":-3.5")),
        (6, value("axes.y.torque", made, "")),
        (9, value("inputs.door", made, ",\"edges\":[[100500000000,7.0]]")),
        (10, value("axes.x.position", made, "")),
    ]
    .into();
    let said = say(&mut all, made + 1, &records);
    let seqs: Vec<_> = said.iter().map(|it| it.payload.seq.unwrap()).collect();
    assert_eq!(seqs, [255, 0, 1]);
    let door = &said[1].payload.metrics;
    assert_eq!(door[0].value, Some(long(7)), "the edge");
    assert_eq!((door[0].is_historical, door[0].timestamp), (Some(true), Some(200_500)));
    assert_eq!(door[1].value, Some(Value::Long(u64::MAX - 2)), "two's complement");
    assert_eq!((number(&door[1], "Sequence"), number(&door[1], "After")), (Some(9), Some(6)));
    let last = &said[0].payload.metrics[3];
    assert_eq!(last.value, Some(Value::Double(-3.0)));
    assert_eq!((number(last, "Sequence"), number(last, "After")), (Some(5), Some(4)));
    assert_eq!(number(last, "Quality"), Some(u64::from(GOOD)));
    assert_eq!((&last.name, last.datatype, last.is_historical), (&None, None, None));
    assert_eq!(last.timestamp, Some(200_999), "when the sample was taken");
    assert!(last.alias.is_some());
}

#[test]
fn what_was_made_before_the_session_long_ago_or_before_a_restart_is_of_the_past() {
    let past = |made_ns: u64, now_ns: u64| {
        let record = [(1, value("inputs.door", made_ns, ""))];
        let said = say(&mut catalogue(false), now_ns, &record);
        let flag = said[0].payload.metrics[0].is_historical == Some(true);
        assert_eq!(said[0].historical, u64::from(flag));
        flag
    };
    let live = LIVE_MS * 1_000_000;
    assert!(!past(100 * SECOND, 100 * SECOND), "of now");
    assert!(!past(120 * SECOND, 120 * SECOND + live));
    assert!(past(120 * SECOND, 120 * SECOND + live + 1), "too old");
    assert!(past(100 * SECOND - 1, 101 * SECOND), "before the session");
    assert!(past(130 * SECOND, 120 * SECOND), "of another start of the machine");
}

#[test]
fn a_record_that_nobody_knows_any_more_or_cannot_read_arrives_as_it_is() {
    for body in [value("gone.signal", 101 * SECOND, ""), "garbage".to_owned()] {
        let said = say(&mut catalogue(false), 101 * SECOND, &[(8, body.clone())]);
        let metric = &said[0].payload.metrics[0];
        assert_eq!((said[0].speaker, &metric.value), (0, &Some(Value::String(body))));
        assert_eq!(number(metric, "Sequence"), Some(8));
    }
}

#[test]
fn births_name_everything_once_with_its_last_value_and_axes_alike_share_a_template() {
    let mut all = catalogue(true);
    let made = 101 * SECOND;
    let said = say(&mut all, made, &[(5, value("axes.x.position", made, ""))]);
    let births: Vec<_> = (0..all.speakers.len()).map(|it| all.birth(it, 0, 3, 7)).collect();
    let mut aliases: Vec<_> =
        births.iter().flat_map(|it| &it.metrics).filter_map(|it| it.alias).collect();
    let count = aliases.len();
    aliases.sort_unstable();
    aliases.dedup();
    assert_eq!(aliases.len(), count, "tck-id-payloads-alias-uniqueness");
    let of = |birth: &Payload, name: &str| {
        birth.metrics.iter().find(|it| it.name.as_deref() == Some(name)).cloned().unwrap()
    };
    assert_eq!(of(&births[0], "bdSeq").value, Some(long(3)));
    assert_eq!(of(&births[0], REBIRTH).alias, None);
    let template = |metric: &Metric| match &metric.value {
        Some(Value::Template(it)) => it.clone(),
        other => panic!("{other:?}"),
    };
    let names = |it: &Template| it.metrics.iter().map(|it| it.name.clone()).collect::<Vec<_>>();
    for (axis, definition) in [("axes/x", "Axis"), ("axes/y", "Axis 2")] {
        let (instance, definition) =
            (template(&of(&births[1], axis)), template(&of(&births[0], definition)));
        assert_eq!(names(&instance), names(&definition));
        assert_eq!((instance.is_definition, definition.is_definition), (Some(false), Some(true)));
    }
    let x = template(&of(&births[1], "axes/x"));
    assert_eq!(x.metrics[0].value, Some(Value::Double(-3.0)), "the last known value");
    assert_eq!(number(&x.metrics[1], "Quality"), Some(u64::from(GOOD)));
    assert_eq!(template(&said[0].payload.metrics[0]).metrics.len(), 4);
    let y = template(&of(&births[1], "axes/y"));
    assert_eq!((y.metrics[0].is_null, &y.metrics[0].value), (Some(true), &None));
}

#[test]
fn a_death_has_the_number_of_its_session_and_no_seq() {
    let payload = Payload::decode(&death(255, 1).encode_to_vec()[..]).unwrap();
    assert_eq!((payload.seq, payload.metrics.len()), (None, 1));
    assert_eq!(payload.metrics[0].value, Some(long(255)));
}

fn command(name: Option<&str>, alias: Option<u64>, datatype: Option<u32>, value: Value) -> Vec<u8> {
    let name = name.map(str::to_owned);
    let metric = Metric { name, alias, datatype, value: Some(value), ..Metric::default() };
    Payload { timestamp: Some(1), metrics: vec![metric], seq: None }.encode_to_vec()
}

#[test]
fn only_a_rebirth_and_an_acknowledgement_may_be_written_with_the_type_of_our_birth_if_none_is_said()
{
    let all = catalogue(false);
    let yes = Value::Boolean(true);
    for datatype in [None, Some(0), Some(DataType::Boolean.number())] {
        let bytes = command(Some(REBIRTH), None, datatype, yes.clone());
        assert_eq!(read(&bytes, true, false, &all).commands, [Command::Rebirth]);
    }
    let no = command(Some(REBIRTH), None, None, Value::Boolean(false));
    assert_eq!(read(&no, true, false, &all), super::command::Read::default());
    let text = Value::String("abc safety 12".to_owned());
    let expected =
        Command::Acknowledge { queue: "abc".to_owned(), class: "safety".to_owned(), up_to: 12 };
    for (name, alias) in [(Some("Tactus/Acknowledge"), None), (None, Some(2))] {
        let bytes = command(name, alias, None, text.clone());
        assert_eq!(read(&bytes, true, false, &all).commands.first(), Some(&expected), "{name:?}");
    }
    let refused = |bytes: &[u8], to_node, kept| {
        let read = read(bytes, to_node, kept, &all);
        assert_eq!((read.refused, read.malformed, read.commands.len()), (1, false, 0));
    };
    let right = command(Some(REBIRTH), None, None, yes.clone());
    refused(&right, false, false);
    refused(&right, true, true);
    for (name, alias, datatype, value) in [
        (Some(REBIRTH), None, Some(12), yes.clone()),
        (Some(REBIRTH), None, None, text.clone()),
        (Some("Node Control/Reboot"), None, None, yes.clone()),
        (Some("Tactus/Queue"), None, None, text),
        (Some("Tactus/Acknowledge"), None, None, Value::String("abc safety".to_owned())),
        (Some("Tactus/Acknowledge"), None, None, Value::String("abc safety -1".to_owned())),
        (Some("Tactus/Acknowledge"), None, None, Value::String("a b 1 2".to_owned())),
        (None, Some(99), None, yes.clone()),
        (None, None, None, yes),
    ] {
        refused(&command(name, alias, datatype, value), true, false);
    }
}

#[test]
fn what_cannot_be_read_or_is_too_long_is_no_command() {
    let all = catalogue(false);
    let long = command(Some(REBIRTH), None, None, Value::String("x".repeat(MESSAGE_MAX)));
    for bytes in [&[0xFF; 9][..], &long] {
        assert!(read(bytes, true, false, &all).malformed);
    }
}

#[test]
fn an_older_state_of_the_host_says_nothing() {
    let mut host = Host::default();
    for (text, news, online) in [
        ("{\"online\":true,\"timestamp\":20}", News::Online, true),
        ("{\"online\":false,\"timestamp\":19}", News::Stale, true),
        ("OFFLINE", News::Malformed, true),
        ("{\"online\":false}", News::Malformed, true),
        ("{\"online\":false,\"timestamp\":20}", News::Offline, false),
        ("{\"online\":true,\"timestamp\":19}", News::Stale, false),
        ("{\"online\":true,\"timestamp\":21}", News::Online, true),
    ] {
        assert_eq!((host.take(text.as_bytes()), host.is_online()), (news, online), "{text}");
    }
}
