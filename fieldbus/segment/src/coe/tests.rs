//! The mailbox, asked as a MainDevice asks it.

use super::*;
use crate::dictionary::{Abort, Access, DataType, ObjectDescription};

fn coe(mailbox_length: u16) -> Coe {
    let name = "a device name that does not fit into one small mailbox message";
    let objects = vec![
        ObjectDescription::text(0x1008, "Device name", name),
        ObjectDescription::list(
            0x1018,
            "Identity",
            9,
            &[(DataType::U32, Access::Constant, 2), (DataType::U32, Access::Constant, 0xABCD)],
        ),
        ObjectDescription::variable(0x6040, "Controlword", DataType::U16, Access::Output, 0),
        ObjectDescription::variable(0x607A, "Target", DataType::I32, Access::Output, 0),
        ObjectDescription::variable(0x6041, "Statusword", DataType::U16, Access::Input, 0x250),
        ObjectDescription::pdo_list(
            0x1600,
            "RxPDO",
            DataType::U32,
            Access::Configuration,
            4,
            &[0x6040_0010],
        ),
        ObjectDescription::pdo_list(
            0x1C12,
            "RxPDO assign",
            DataType::U16,
            Access::Configuration,
            2,
            &[0x1600],
        ),
    ];
    Coe::new(Dictionary::new(objects, 16, 16), mailbox_length)
}

/// Sends one SDO request and returns the SDO part of the answer.
fn ask(coe: &mut Coe, sdo: &[u8]) -> Vec<u8> {
    ask_in(coe, sdo, true)
}

fn ask_in(coe: &mut Coe, sdo: &[u8], pre_op: bool) -> Vec<u8> {
    let length = u16::try_from(sdo.len() + 2).expect("short");
    let mut mailbox = length.to_le_bytes().to_vec();
    // Counter 0: repetitions are not looked for.
    mailbox.extend([0, 0, 0, 0x03, 0, 0x20]);
    mailbox.extend(sdo);
    coe.request(&mailbox, pre_op);
    let answer = next(coe);
    assert_eq!(answer[5] & 0x0F, TYPE_COE);
    answer[8..6 + usize::from(u16_at(&answer, 0))].to_vec()
}

fn next(coe: &mut Coe) -> Vec<u8> {
    assert!(coe.has_message(), "no answer");
    let mut mailbox = vec![0; coe.room];
    coe.take_message(&mut mailbox);
    mailbox
}

fn download(coe: &mut Coe, index: u16, subindex: u8, data: &[u8], pre_op: bool) -> Vec<u8> {
    let [low, high] = index.to_le_bytes();
    let unused = u8::try_from(4 - data.len()).expect("expedited");
    let mut request = vec![0x23 | unused << 2, low, high, subindex];
    request.extend(data);
    request.resize(8, 0);
    ask_in(coe, &request, pre_op)
}

fn abort_of(answer: &[u8]) -> u32 {
    assert_eq!(answer[0], 0x80, "not an abort: {answer:x?}");
    crate::num::u32_at(answer, 4)
}

#[test]
fn a_small_object_is_uploaded_expedited() {
    let answer = ask(&mut coe(64), &[0x40, 0x18, 0x10, 2, 0, 0, 0, 0]);
    assert_eq!(answer, [0x43, 0x18, 0x10, 2, 0xCD, 0xAB, 0, 0]);
}

#[test]
fn a_long_text_comes_in_segments_with_alternating_toggle() {
    let mut coe = coe(32);
    let first = ask(&mut coe, &[0x40, 0x08, 0x10, 0, 0, 0, 0, 0]);
    assert_eq!((first[0], crate::num::u32_at(&first, 4)), (0x41, 62));
    let mut text = first[8..].to_vec();
    for toggle in [0x00, 0x10, 0x00] {
        let segment = ask(&mut coe, &[0x60 | toggle, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(segment[0] & 0xF0, toggle);
        let unused = if segment.len() == 8 { usize::from(segment[0] >> 1 & 7) } else { 0 };
        text.extend(&segment[1..segment.len() - unused]);
        if segment[0] & 1 != 0 {
            break;
        }
    }
    assert_eq!(text, b"a device name that does not fit into one small mailbox message");
}

#[test]
fn a_wrong_toggle_aborts_the_transfer() {
    let mut coe = coe(32);
    ask(&mut coe, &[0x40, 0x08, 0x10, 0, 0, 0, 0, 0]);
    let answer = ask(&mut coe, &[0x70, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(abort_of(&answer), Abort::TOGGLE.0);
    assert_eq!(u16_at(&answer, 1), 0x1008);
}

#[test]
fn complete_access_gives_the_whole_record() {
    let answer = ask(&mut coe(64), &[0x50, 0x18, 0x10, 0, 0, 0, 0, 0]);
    assert_eq!(answer[0], 0x51);
    assert_eq!(answer[8..], [2, 0, 2, 0, 0, 0, 0xCD, 0xAB, 0, 0]);
}

#[test]
fn a_mapping_is_changed_only_with_its_count_at_zero_and_only_in_pre_op() {
    let mut coe = coe(64);
    let entry = 0x607A_0020_u32.to_le_bytes();
    assert_eq!(
        abort_of(&download(&mut coe, 0x1600, 2, &entry, true)),
        Abort::SUBINDEX_ZERO_FIRST.0
    );
    assert_eq!(abort_of(&download(&mut coe, 0x1600, 0, &[0], false)), Abort::STATE.0);
    assert_eq!(download(&mut coe, 0x1600, 0, &[0], true)[0], 0x60);
    assert_eq!(download(&mut coe, 0x1600, 2, &entry, true)[0], 0x60);
    assert_eq!(download(&mut coe, 0x1600, 0, &[2], true)[0], 0x60);
    let mut layout = Vec::with_capacity(8);
    assert_eq!(coe.dictionary.layout(0x1C12, &mut layout), 48);
    assert_eq!((layout[1].at, layout[1].bits), (16, 32));
}

#[test]
fn what_cannot_be_received_cannot_be_mapped_to_be_received() {
    let mut coe = coe(64);
    download(&mut coe, 0x1600, 0, &[0], true);
    download(&mut coe, 0x1600, 1, &0x6041_0010_u32.to_le_bytes(), true);
    assert_eq!(abort_of(&download(&mut coe, 0x1600, 0, &[1], true)), Abort::NOT_MAPPABLE.0);
    download(&mut coe, 0x1600, 1, &0x607A_0010_u32.to_le_bytes(), true);
    assert_eq!(abort_of(&download(&mut coe, 0x1600, 0, &[1], true)), Abort::NOT_MAPPABLE.0);
}

#[test]
fn a_mapping_that_does_not_fit_between_the_sync_managers_is_refused() {
    let mut coe = coe(64);
    coe.dictionary = Dictionary::new(coe.dictionary.descriptions().to_vec(), 5, 16);
    download(&mut coe, 0x1600, 0, &[0], true);
    download(&mut coe, 0x1600, 2, &0x607A_0020_u32.to_le_bytes(), true);
    assert_eq!(abort_of(&download(&mut coe, 0x1600, 0, &[2], true)), Abort::PDO_LENGTH.0);
}

#[test]
fn errors_name_their_cause() {
    let mut coe = coe(64);
    let answer = ask(&mut coe, &[0x40, 0x34, 0x12, 0, 0, 0, 0, 0]);
    assert_eq!(abort_of(&answer), Abort::NO_OBJECT.0);
    let answer = ask(&mut coe, &[0x40, 0x18, 0x10, 9, 0, 0, 0, 0]);
    assert_eq!(abort_of(&answer), Abort::NO_SUBINDEX.0);
    assert_eq!(abort_of(&download(&mut coe, 0x6041, 0, &[0, 0], true)), Abort::READ_ONLY.0);
    assert_eq!(abort_of(&download(&mut coe, 0x6040, 0, &[0], true)), Abort::LENGTH.0);
    assert_eq!(abort_of(&ask(&mut coe, &[0x60, 0, 0, 0, 0, 0, 0, 0])), Abort::COMMAND.0);
}

#[test]
fn other_protocols_get_a_mailbox_error() {
    let mut coe = coe(64);
    coe.request(&[2, 0, 0, 0, 0, 0x12, 0, 0], true);
    let answer = next(&mut coe);
    assert_eq!(answer[..10], [4, 0, 0, 0, 0, 0x10, 1, 0, 2, 0]);
}

#[test]
fn emergencies_wait_in_order_and_the_counter_runs_from_one_to_seven() {
    let mut coe = coe(64);
    for code in 0..10 {
        coe.emergency(Emergency { code, ..Emergency::default() });
    }
    let mut seen = Vec::new();
    while coe.has_message() {
        let message = next(&mut coe);
        seen.push((u16_at(&message, 8), message[5] >> 4));
    }
    assert_eq!(seen.len(), QUEUE_MAX, "what did not fit is lost");
    assert_eq!((seen[0], seen[6], seen[7]), ((0, 1), (6, 7), (7, 1)));
}

#[test]
fn the_object_list_comes_in_fragments() {
    let mut coe = coe(24);
    let mut mailbox = vec![8, 0, 0, 0, 0, 0x13, 0, 0x80, 1, 0, 0, 0, 1, 0];
    mailbox.resize(24, 0);
    coe.request(&mailbox, true);
    let mut indices = Vec::new();
    let mut skip = 2;
    loop {
        let message = next(&mut coe);
        let body = &message[8..6 + usize::from(u16_at(&message, 0))];
        indices.extend(body[4 + skip..].chunks(2).map(|pair| u16_at(pair, 0)));
        skip = 0;
        if body[0] & 0x80 == 0 {
            break;
        }
    }
    assert_eq!(indices, [0x1008, 0x1018, 0x1600, 0x1C12, 0x6040, 0x6041, 0x607A]);
}

#[test]
fn a_request_with_the_counter_of_the_last_one_is_a_repetition_and_is_ignored() {
    let mut coe = coe(128);
    let request =
        |counter: u8| [10, 0, 0, 0, 0, 3 | counter << 4, 0, 0x20, 0x40, 0x41, 0x60, 0, 0, 0, 0, 0];
    for (counter, answered) in
        [(1, true), (1, false), (2, true), (7, true), (7, false), (0, true), (0, true)]
    {
        coe.request(&request(counter), true);
        assert_eq!(coe.has_message(), answered, "{counter}");
        if answered {
            next(&mut coe);
        }
    }
    // Once more after the mailbox was opened anew.
    coe.request(&request(3), true);
    coe.open();
    coe.request(&request(3), true);
    assert!(coe.has_message());
}

#[test]
fn the_message_that_was_read_last_is_there_again_when_it_is_asked_for() {
    let mut coe = coe(128);
    let mut again = vec![0; coe.room];
    assert!(!coe.repeat_message(&mut again), "nothing was read yet");
    coe.request(&[10, 0, 0, 0, 0, 0x13, 0, 0x20, 0x40, 0x41, 0x60, 0, 0, 0, 0, 0], true);
    let message = next(&mut coe);
    assert!(coe.repeat_message(&mut again));
    assert_eq!(again, message);
}
