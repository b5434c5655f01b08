use super::*;
use crate::audit::key::Key;
use crate::audit::line::{Entry, Fields, signed_line};
use crate::audit::writer::tests::{entry, judge, read, stamp, writer};
use crate::audit::writer::{Bounds, Owner, Writer};
use crate::folder::Folder;

type Files = Vec<(u32, Vec<u8>)>;

/// A log of three files and two starts, signed to its end.
fn log(name: &str) -> Files {
    let folder = Folder::new(name);
    for start in 0..2 {
        let mut writer = writer(&folder, Bounds { file_bytes: 2800, ..Bounds::default() });
        writer.begin(stamp(start * 100)).unwrap();
        (0..9).for_each(|number| writer.take(entry(start * 100 + number, number % 4 == 0)));
        writer.finish(stamp(start * 100 + 30));
    }
    let files = read(&folder);
    assert_eq!(files.len(), 3);
    assert!(judge(&files, Kept::default()).whole);
    files
}

fn lines(files: &Files) -> Vec<(usize, Vec<u8>)> {
    let of = |(at, (_, bytes)): (usize, &(u32, Vec<u8>))| -> Vec<(usize, Vec<u8>)> {
        bytes.split_inclusive(|byte| *byte == b'\n').map(|line| (at, line.to_vec())).collect()
    };
    files.iter().enumerate().flat_map(of).collect()
}

fn files(lines: &[(usize, Vec<u8>)], count: usize) -> Files {
    let mut files: Files = (1_u32..).take(count).map(|number| (number, Vec::new())).collect();
    for (at, line) in lines {
        files[*at].1.extend_from_slice(line);
    }
    files
}

fn kinds(verdict: &Verdict) -> Vec<&'static str> {
    verdict.findings.iter().map(|finding| finding.kind).collect()
}

/// The last checkpoint of a log, as somebody kept it.
fn kept(files: &Files) -> Kept {
    let is = |line: &&(usize, Vec<u8>)| String::from_utf8_lossy(&line.1).contains("\"checkpoint\"");
    let last = lines(files).iter().rfind(is).cloned().unwrap();
    Kept::read(&String::from_utf8(last.1).unwrap(), &[]).unwrap()
}

#[test]
// SR-048
fn every_changed_byte_is_found_and_its_record_named() {
    let mut log = log("audit-bytes");
    for file in 0..log.len() {
        let mut line = 1;
        for place in 0..log[file].1.len() {
            let byte = log[file].1[place];
            for bit in [0, 1 + place % 7] {
                log[file].1[place] = byte ^ (1 << bit);
                let verdict = judge(&log, Kept::default());
                let about = format!("file {file}, byte {place}, bit {bit}: {verdict:?}");
                assert!(!verdict.whole, "{about}");
                let name = files::name(log[file].0);
                let named = verdict
                    .findings
                    .iter()
                    .any(|finding| finding.file == name && finding.line.abs_diff(line) <= 1);
                assert!(named, "{about}");
            }
            log[file].1[place] = byte;
            line += u64::from(byte == b'\n');
        }
    }
    assert!(judge(&log, Kept::default()).whole, "as it was");
}

#[test]
fn every_removed_record_is_found_but_the_last_which_a_kept_checkpoint_finds() {
    let log = log("audit-removed");
    let all = lines(&log);
    for gone in 0..all.len() {
        let mut left = all.clone();
        left.remove(gone);
        let left = files(&left, log.len());
        let verdict = judge(&left, Kept::default());
        let last = gone + 1 == all.len();
        assert_eq!(verdict.whole, last, "record {gone}: {verdict:?}");
        assert!(last || kinds(&verdict).contains(&"removed"), "record {gone}: {verdict:?}");
        assert!(!judge(&left, kept(&log)).whole, "record {gone}");
    }
}

#[test]
fn every_two_records_that_change_places_are_found() {
    let log = log("audit-swapped");
    let all = lines(&log);
    for one in 0..all.len() {
        for other in one + 1..all.len() {
            let mut left = all.clone();
            (left[one].1, left[other].1) = (all[other].1.clone(), all[one].1.clone());
            let verdict = judge(&files(&left, log.len()), Kept::default());
            assert!(kinds(&verdict).contains(&"moved"), "{one} and {other}: {verdict:?}");
        }
    }
}

#[test]
fn every_repeated_record_is_found_wherever_it_is_put() {
    let log = log("audit-repeated");
    let all = lines(&log);
    for one in 0..all.len() {
        for place in 0..=all.len() {
            let file = all.get(place).or(all.last()).unwrap().0;
            let mut more = all.clone();
            more.insert(place, (file, all[one].1.clone()));
            let verdict = judge(&files(&more, log.len()), Kept::default());
            assert!(!verdict.whole, "{one} again at {place}");
            let said = kinds(&verdict);
            let expected = ["repeated", "file", "moved"].iter().any(|kind| said.contains(kind));
            assert!(expected, "{one} again at {place}: {verdict:?}");
        }
    }
}

#[test]
fn a_log_cut_at_any_record_is_found_with_a_kept_checkpoint_and_not_without() {
    let log = log("audit-cut");
    let all = lines(&log);
    let kept = kept(&log);
    for end in 1..all.len() {
        let count = all[end - 1].0 + 1;
        let left = files(&all[..end], count);
        assert!(judge(&left, Kept::default()).whole, "nothing shows it, and the guide says so");
        let verdict = judge(&left, kept.clone());
        assert_eq!(kinds(&verdict), ["cut"], "after {end} records");
        let finding = &verdict.findings[0];
        assert!(finding.found.ends_with(&format!("record {}", end - 1)), "{finding:?}");
    }
    let whole = judge(&log, kept);
    assert!(whole.whole && whole.checkpoint == whole.last_sequence, "{whole:?}");
}

/// Everything from `from` on written anew, each hash right: by somebody who may write the files and has no key.
fn forged(all: &[(usize, Vec<u8>)], from: usize) -> Vec<(usize, Vec<u8>)> {
    let mut left = all.to_vec();
    let text = String::from_utf8(left[from].1.clone()).unwrap();
    let text = if text.contains("stopped") {
        text.replace("stopped", "was fine")
    } else {
        text.replace("\"wall\":1", "\"wall\":2")
    };
    left[from].1 = text.into_bytes();
    let mut previous = parse(all[from].1.trim_ascii_end()).unwrap().previous;
    for (_, line) in &mut left[from..] {
        let framed = parse(line.trim_ascii_end()).unwrap();
        let body = String::from_utf8(framed.body.to_vec()).unwrap();
        let body = body.replacen(&hex(&framed.previous), &hex(&previous), 1);
        let hash = blake3::hash(body.as_bytes());
        previous = *hash.as_bytes();
        *line = format!("{body}{HASH_MARK}{}\"}}\n", hash.to_hex()).into_bytes();
    }
    left
}

#[test]
// SR-048
fn a_log_written_anew_with_right_hashes_is_found_by_its_signatures() {
    let log = log("audit-forged");
    let all = lines(&log);
    for from in 0..all.len() {
        let verdict = judge(&files(&forged(&all, from), log.len()), Kept::default());
        assert!(kinds(&verdict).contains(&"signature"), "from record {from}: {verdict:?}");
    }
}

#[test]
fn a_log_without_checkpoints_is_found_even_if_its_hashes_are_right() {
    let log = log("audit-unsigned");
    let without: Vec<_> = lines(&log)
        .into_iter()
        .filter(|(_, line)| !String::from_utf8_lossy(line).contains("\"checkpoint\""))
        .collect();
    let mut anew = without.clone();
    for (sequence, (_, line)) in anew.iter_mut().enumerate() {
        let text = String::from_utf8(line.clone()).unwrap();
        let (_, rest) = text.split_once(',').unwrap();
        *line = format!("{{\"seq\":{sequence},{rest}").into_bytes();
    }
    let first = String::from_utf8(anew[0].1.clone()).unwrap();
    assert!(first.starts_with("{\"seq\":0,"));
    let verdict = judge(&files(&forged(&anew, 0), log.len()), Kept::default());
    assert!(kinds(&verdict).contains(&"unsigned"), "{verdict:?}");
}

#[test]
fn a_missing_a_renamed_and_a_foreign_file_are_found() {
    let log = log("audit-files");
    for gone in 0..2 {
        let mut left = log.clone();
        left.remove(gone);
        assert!(kinds(&judge(&left, Kept::default())).contains(&"removed"), "file {gone}");
    }
    let mut left = log.clone();
    left.pop();
    assert!(judge(&left, Kept::default()).whole);
    assert!(!judge(&left, kept(&log)).whole, "the last file is gone");
    let mut swapped = log.clone();
    (swapped[0].1, swapped[1].1) = (log[1].1.clone(), log[0].1.clone());
    assert!(kinds(&judge(&swapped, Kept::default())).contains(&"file"));
    let mut emptied = log.clone();
    emptied[1].1.clear();
    assert!(kinds(&judge(&emptied, Kept::default())).contains(&"file"));
}

#[test]
fn another_key_is_found_unless_it_is_named() {
    let folder = Folder::new("audit-keys");
    let state = folder.join("state");
    let keys = [Key::virtual_time(), Key::of_device(&state).unwrap().unwrap()];
    let publics = keys.clone().map(|key| unhex(key.public().as_bytes()).unwrap());
    let directory = folder.join("log");
    for key in keys {
        let owner = Owner { machine: "cell".into(), config: String::new(), virtual_time: false };
        let mut writer = Writer::new(
            directory.clone(),
            owner,
            key,
            Bounds { file_bytes: 2000, ..Bounds::default() },
        );
        writer.begin(stamp(0)).unwrap();
        (0..9).for_each(|number| writer.take(entry(number, true)));
        writer.finish(stamp(9));
    }
    let judge = |allowed: &[Hash]| {
        let mut checker = Checker::new(allowed.to_vec(), Kept::default());
        read(&directory).iter().for_each(|(number, bytes)| checker.file(*number, bytes));
        checker.finish()
    };
    assert!(kinds(&judge(&[])).contains(&"key"));
    let both = judge(&publics);
    assert!(both.whole && both.keys.len() == 2, "{both:?}");
    assert!(kinds(&judge(&publics[..1])).contains(&"key"));
}

#[test]
fn bytes_that_nobody_of_us_wrote_are_no_torn_end() {
    let log = log("audit-junk");
    let last = log.len() - 1;
    let cases: [&[u8]; 5] = [b"junk", b"junk\n", b"{\"seq\":", b"{\"seq\":0,\"prev\"", b"\n"];
    for junk in cases {
        let mut more = log.clone();
        more[last].1.extend_from_slice(junk);
        let verdict = judge(&more, Kept::default());
        let torn = junk == b"{\"seq\":";
        assert_eq!((verdict.whole, verdict.torn.len()), (torn, usize::from(torn)), "{junk:?}");
        more = log.clone();
        more[0].1.extend_from_slice(junk);
        assert!(!judge(&more, Kept::default()).whole, "in the middle: {junk:?}");
    }
    let mut zeros = log.clone();
    zeros[last].1.extend_from_slice(&[0; 100]);
    let verdict = judge(&zeros, Kept::default());
    assert!(verdict.whole && verdict.torn[0].bytes == 100, "a file system that lost power");
}

#[test]
fn what_a_start_found_torn_may_not_change_afterwards() {
    let folder = Folder::new("audit-torn-changed");
    for start in 0..2 {
        let mut writer = writer(&folder, Bounds::default());
        writer.begin(stamp(start)).unwrap();
        writer.take(entry(start, true));
        drop(writer);
        if start == 0 {
            let path = folder.join(files::name(1));
            let bytes = std::fs::read(&path).unwrap();
            std::fs::write(&path, &bytes[..bytes.len() - 9]).unwrap();
        }
    }
    let mut files = read(&folder);
    let verdict = judge(&files, Kept::default());
    assert!(verdict.whole && verdict.torn[0].acknowledged, "{verdict:?}");
    let end = files[0].1.len() - 1;
    files[0].1[end] ^= 1;
    assert!(!judge(&files, Kept::default()).whole);
    files[0].1.truncate(end);
    assert!(!judge(&files, Kept::default()).whole);
}

#[test]
fn only_a_signed_whole_checkpoint_is_taken_for_one() {
    let log = log("audit-kept");
    let all = lines(&log);
    let text = |at: usize| String::from_utf8(all[at].1.clone()).unwrap();
    assert!(Kept::read(&text(1), &[]).is_ok(), "the second record of a file is one");
    assert!(Kept::read(&text(0), &[]).is_err());
    assert!(Kept::read("", &[]).is_err());
    assert!(Kept::read(&text(1).replace("\"mono\":0", "\"mono\":1"), &[]).is_err());
    assert!(Kept::read(&text(1), &[[7; 32]]).unwrap_err().contains("--key"));
    let fields = Fields::default().text("key", &Key::virtual_time().public());
    let forged = Entry { kind: "checkpoint", stamp: stamp(0), fields, urgent: false };
    let (forged, _) = signed_line(1, &ROOT, &forged, |_| "00".repeat(64));
    assert!(Kept::read(&forged, &[]).unwrap_err().contains("signature"));
}

#[test]
fn a_gap_that_the_log_tells_is_told_and_is_no_tampering() {
    let folder = Folder::new("audit-gap");
    let mut writer = writer(&folder, Bounds::default());
    writer.begin(stamp(0)).unwrap();
    writer.lose(17, stamp(1));
    writer.finish(stamp(2));
    let verdict = judge(&read(&folder), Kept::default());
    assert!(verdict.whole && verdict.lost == 17, "{verdict:?}");
}
