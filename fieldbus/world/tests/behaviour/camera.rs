//! What a camera sends, decoded by the page docs/vision-channel.md and nothing else.

use crate::demo::{CONFIG_HASH, camera, plan};
use crate::rig::{MS, S, run};
use world::{Action, CameraFault, CameraPlan, DATAGRAM_LENGTH, Event, TICK_NS, World, WorldPlan};

type Bytes = [u8; DATAGRAM_LENGTH];

fn u64_at(bytes: &Bytes, at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

fn u32_at(bytes: &Bytes, at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn i32_at(bytes: &Bytes, at: usize) -> i32 {
    u32_at(bytes, at).cast_signed()
}

/// The CRC of the page, bit by bit.
fn crc_good(bytes: &Bytes) -> bool {
    let mut crc = u32::MAX;
    for byte in &bytes[..432] {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 };
        }
    }
    !crc == u32_at(bytes, 432)
}

const SEQUENCE: usize = 16;
const CAPTURED: usize = 24;
const LIVENESS: usize = 37;
const OBJECTS: usize = 38;
const OCCUPIED: usize = 44;

/// Arrival and bytes of all that comes until `end_ns`.
fn datagrams(world: &mut World, end_ns: u64) -> Vec<(u64, Bytes)> {
    let mut all = Vec::new();
    let mut bytes = [0; DATAGRAM_LENGTH];
    while world.now() < end_ns {
        world.advance(world.now() + TICK_NS);
        while world.take_datagram(0, &mut bytes) {
            all.push((world.now(), bytes));
        }
    }
    all
}

fn with_fault(fault: CameraFault) -> Vec<(u64, Bytes)> {
    let action = |fault| Action::CameraFault { camera: 0, fault };
    let events = vec![
        Event { at_ns: 2 * S, action: action(fault) },
        Event { at_ns: 3 * S, action: action(CameraFault::None) },
    ];
    let mut world = World::new(WorldPlan { events, ..plan(1) }, 0).unwrap();
    datagrams(&mut world, 4 * S)
}

/// Pictures taken while the fault was on.
fn during(all: &[(u64, Bytes)]) -> Vec<(u64, Bytes)> {
    let taken = |bytes: &Bytes| (2 * S..3 * S).contains(&u64_at(bytes, CAPTURED));
    all.iter().filter(|(_, bytes)| taken(bytes)).copied().collect()
}

#[test]
fn every_datagram_is_as_the_page_says_and_comes_at_the_cameras_pace() {
    let mut world = World::new(plan(1), 0).unwrap();
    let all = datagrams(&mut world, 10 * S);
    assert_eq!(all.len(), 302, "one each 33 ms from 10 ms on, but for the last on its way");
    for (place, (arrived, bytes)) in (0_u64..).zip(&all) {
        assert_eq!(&bytes[..8], b"TVIS\x02\x01\x07\x00");
        assert_eq!(u64_at(bytes, 8), CONFIG_HASH);
        assert_eq!(u64_at(bytes, SEQUENCE), 40 + place);
        let captured = u64_at(bytes, CAPTURED);
        let slot = 10 * MS + place * 33 * MS;
        assert!((slot..=slot + 2 * MS + TICK_NS).contains(&captured));
        assert!((20 * MS..=24 * MS + TICK_NS).contains(&(arrived - captured)));
        assert_eq!(u32_at(bytes, 32), 5_000_000);
        assert_eq!((bytes[36], bytes[LIVENESS], bytes[39]), (93, 1, 0));
        assert_eq!(u32_at(bytes, 40), 0b01, "zone 1 is not wholly in view");
        assert!(crc_good(bytes));
    }
    let delays: std::collections::BTreeSet<u64> =
        all.iter().map(|(arrived, bytes)| arrived - u64_at(bytes, CAPTURED)).collect();
    assert!(delays.len() > 10, "delays vary");
}

#[test]
fn persons_are_seen_where_they_are_with_noise_and_occupy_zones() {
    let mut world = World::new(plan(1), 0).unwrap();
    let mut bytes = [0; DATAGRAM_LENGTH];
    let (mut seen, mut occupied, mut sum, mut squares) = (0, 0, 0.0, 0.0);
    let mut truth = std::collections::BTreeMap::new();
    while world.now() < 12 * S {
        world.advance(world.now() + TICK_NS);
        truth.insert(world.now(), (world.person(0), world.zone_occupied(0)));
        while world.take_datagram(0, &mut bytes) {
            let (person, in_zone) = truth[&u64_at(&bytes, CAPTURED)];
            let in_view = person.filter(|person| person.at.x > -1_000.0);
            assert_eq!(usize::from(bytes[OBJECTS]), in_view.iter().count());
            let zones = u32_at(&bytes, OCCUPIED);
            assert!(!in_zone || zones & 1 == 1, "whoever is in the zone is reported there");
            occupied += zones & 1;
            let Some(person) = in_view else { continue };
            seen += 1;
            let (x, y) = (f64::from(i32_at(&bytes, 48)), f64::from(i32_at(&bytes, 52)));
            assert!((x - person.at.x).abs() < 55.0 && (y - person.at.y).abs() < 55.0);
            assert!((f64::from(i32_at(&bytes, 56)) - person.velocity.x).abs() < 55.0);
            assert_eq!((u32_at(&bytes, 64), u32_at(&bytes, 68)), (300, 30));
            sum += y - person.at.y;
            squares += (y - person.at.y) * (y - person.at.y);
        }
    }
    let mean = sum / f64::from(seen);
    let deviation = (squares / f64::from(seen)).sqrt();
    assert!(seen > 90 && occupied > 50 && occupied < seen, "{seen} seen, {occupied} in the zone");
    assert!(mean.abs() < 4.0 && (7.0..13.0).contains(&deviation), "{mean} ± {deviation}");
}

#[test]
fn a_frozen_picture_says_so_and_repeats_its_content() {
    let all = with_fault(CameraFault::Freeze);
    let frozen = during(&all);
    assert!(frozen.len() >= 29);
    for pair in frozen.windows(2) {
        assert_eq!(u64_at(&pair[1].1, SEQUENCE), u64_at(&pair[0].1, SEQUENCE) + 1);
        assert_eq!(pair[1].1[38..432], pair[0].1[38..432]);
        assert!(pair[1].1[LIVENESS] == 0 && crc_good(&pair[1].1));
    }
    // The person moves on meanwhile, and afterwards the pictures live.
    let last = all.last().unwrap().1;
    assert_eq!(last[LIVENESS], 1);
    assert_ne!(last[48..72], frozen[0].1[48..72]);
}

#[test]
fn a_silent_camera_sends_nothing_and_does_not_use_up_sequences() {
    let all = with_fault(CameraFault::Silence);
    assert_eq!(during(&all).len(), 0);
    assert!(
        all.windows(2)
            .all(|pair| { u64_at(&pair[1].1, SEQUENCE) == u64_at(&pair[0].1, SEQUENCE) + 1 })
    );
    assert!(all.len() > 80);
}

#[test]
fn wrong_crc_hash_quality_and_repetition_are_just_that() {
    for (_, bytes) in during(&with_fault(CameraFault::WrongCrc)) {
        assert!(!crc_good(&bytes) && u64_at(&bytes, 8) == CONFIG_HASH);
    }
    for (_, bytes) in during(&with_fault(CameraFault::WrongHash)) {
        assert!(crc_good(&bytes) && u64_at(&bytes, 8) != CONFIG_HASH);
    }
    for (_, bytes) in during(&with_fault(CameraFault::Quality(12))) {
        assert!(crc_good(&bytes) && bytes[36] == 12);
    }
    let all = with_fault(CameraFault::Repeat);
    let sequences: std::collections::BTreeSet<u64> =
        all.iter().map(|(_, bytes)| u64_at(bytes, SEQUENCE)).collect();
    assert_eq!(all.len() - sequences.len(), 30, "one second of the same datagram");
}

#[test]
fn lag_makes_datagrams_late_and_keeps_their_order() {
    let all = with_fault(CameraFault::Lag(300 * MS));
    let late = during(&all);
    assert!(late.len() >= 29);
    for (arrived, bytes) in &late {
        assert!(arrived - u64_at(bytes, CAPTURED) >= 320 * MS);
    }
    assert!(
        all.windows(2)
            .all(|pair| { u64_at(&pair[1].1, SEQUENCE) == u64_at(&pair[0].1, SEQUENCE) + 1 })
    );
}

#[test]
fn datagrams_nobody_takes_are_dropped_and_counted_not_piled_up() {
    let mut world = World::new(plan(1), 0).unwrap();
    run(&mut world, 5 * S);
    assert!((80..=90).contains(&world.dropped()), "{} of about 151 − 64", world.dropped());
}

#[test]
fn a_camera_out_of_range_is_refused() {
    let refused = |camera: CameraPlan| {
        World::new(WorldPlan { cameras: vec![camera], ..plan(1) }, 0).unwrap_err().field
    };
    assert_eq!(refused(CameraPlan { first_sequence: 0, ..camera() }), "first_sequence");
    assert_eq!(refused(CameraPlan { jitter_ns: 33 * MS, ..camera() }), "jitter_ns");
    assert_eq!(refused(CameraPlan { zones: vec![2], ..camera() }), "zones");
    assert_eq!(refused(CameraPlan { noise_mm: f64::NAN, ..camera() }), "noise_mm");
}

#[test]
fn a_zone_counts_as_occupied_as_far_as_the_camera_may_be_wrong() {
    // Given a person who stands 315 mm beside the zone and reaches 300 mm, seen with an
    // uncertainty of 30 mm,
    let mut plan = plan(1);
    let path = &mut plan.persons[0].path;
    path.iter_mut().for_each(|waypoint| waypoint.at.x = -315.0);
    path[0].dwell_ns = 8 * S;
    let mut world = World::new(plan, 0).unwrap();
    run(&mut world, 2 * S);
    let all = datagrams(&mut world, 8 * S);
    let occupied = all.iter().filter(|(_, bytes)| u32_at(bytes, OCCUPIED) & 1 == 1).count();
    // then the zone is free in truth, and the camera does not say so but for its noise.
    assert!(!world.zone_occupied(0));
    assert!(occupied * 10 > all.len() * 8, "{occupied} of {}", all.len());
}

#[test]
fn more_persons_than_objects_still_occupy_and_do_no_harm() {
    let mut plan = plan(1);
    let mut person = plan.persons[0].clone();
    person.path.truncate(1);
    person.path[0].at.x = 500.0;
    person.path[0].dwell_ns = 10 * S;
    plan.persons = vec![person; 20];
    let mut world = World::new(plan, 0).unwrap();
    run(&mut world, 2 * S);
    let (_, last) = datagrams(&mut world, 3 * S).pop().unwrap();
    assert_eq!((last[OBJECTS], u32_at(&last, OCCUPIED)), (16, 1));
    assert!(crc_good(&last) && last[48 + 15 * 24..432].iter().any(|&byte| byte != 0));
}
