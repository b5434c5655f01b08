use super::*;
use crate::audit::verify::{Checker, Kept, Verdict};
use crate::folder::Folder;
use std::os::unix::fs::PermissionsExt as _;

pub(in crate::audit) fn stamp(mono: u64) -> Stamp {
    Stamp { mono, wall: Some(1_000_000_000 + mono) }
}

pub(in crate::audit) fn entry(number: u64, urgent: bool) -> Entry {
    let fields = Fields::default().value("number", number).text("text", "the axis \"x\" stopped");
    Entry { kind: if urgent { "trip" } else { "demand" }, stamp: stamp(number), fields, urgent }
}

pub(in crate::audit) fn writer(directory: &Path, bounds: Bounds) -> Writer {
    let owner = Owner { machine: "cell".into(), config: "c0".into(), virtual_time: false };
    Writer::new(directory.to_owned(), owner, Key::virtual_time(), bounds)
}

pub(in crate::audit) fn read(directory: &Path) -> Vec<(u32, Vec<u8>)> {
    let files = files::list(directory).unwrap();
    files.into_iter().map(|(number, path)| (number, std::fs::read(path).unwrap())).collect()
}

pub(in crate::audit) fn judge(files: &[(u32, Vec<u8>)], kept: Kept) -> Verdict {
    let mut checker = Checker::new(vec![], kept);
    files.iter().for_each(|(number, bytes)| checker.file(*number, bytes));
    checker.finish()
}

/// What the numbers of the records say, in order.
fn numbers(directory: &Path) -> Vec<u64> {
    let text: Vec<u8> = read(directory).into_iter().flat_map(|(_, bytes)| bytes).collect();
    String::from_utf8_lossy(&text)
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok()?["number"].as_u64())
        .collect()
}

#[test]
fn what_is_given_is_written_in_order_over_files_and_starts() {
    let folder = Folder::new("audit-order");
    let bounds = Bounds { file_bytes: 3000, ..Bounds::default() };
    for start in 0..3 {
        let mut writer = writer(&folder, bounds);
        writer.begin(stamp(start * 100)).unwrap();
        (0..20).for_each(|number| writer.take(entry(start * 100 + number, number % 7 == 0)));
        writer.finish(stamp(start * 100 + 30));
        assert_eq!((writer.written().fault.as_ref(), writer.written().lost), (None, 0));
    }
    let files = read(&folder);
    assert!(files.len() > 3, "{} files", files.len());
    assert!(files.iter().all(|(_, bytes)| bytes.len() <= 3000 + 500), "a checkpoint may follow");
    let verdict = judge(&files, Kept::default());
    assert!(verdict.whole, "{verdict:?}");
    assert_eq!(verdict.signed_up_to, verdict.last_sequence);
    let expected: Vec<u64> = (0..3).flat_map(|start| start * 100..start * 100 + 20).collect();
    assert_eq!(numbers(&folder), expected);
}

#[test]
fn an_urgent_record_is_in_the_file_at_once_and_others_wait_for_the_next_look() {
    let folder = Folder::new("audit-urgent");
    let mut writer = writer(&folder, Bounds::default());
    writer.begin(stamp(0)).unwrap();
    writer.take(entry(1, false));
    assert!(numbers(&folder).is_empty());
    writer.take(entry(2, true));
    assert_eq!(numbers(&folder), [1, 2]);
    let before = judge(&read(&folder), Kept::default());
    assert!(before.signed_up_to < before.last_sequence);
    writer.flush(stamp(CHECKPOINT_URGENT_NS + 2));
    let after = judge(&read(&folder), Kept::default());
    assert_eq!(after.signed_up_to, after.last_sequence, "signed a second after it");
}

#[test]
fn a_busy_log_is_signed_by_number_and_a_quiet_one_by_time() {
    let folder = Folder::new("audit-signed");
    let mut writer = writer(&folder, Bounds::default());
    writer.begin(stamp(0)).unwrap();
    (0..600).for_each(|number| writer.take(entry(number, false)));
    writer.flush(stamp(600));
    let busy = judge(&read(&folder), Kept::default());
    assert_eq!(busy.checkpoints, 3, "one at the beginning, one each 256");
    writer.flush(stamp(CHECKPOINT_NS - 1));
    assert_eq!(judge(&read(&folder), Kept::default()).checkpoints, 3);
    writer.flush(stamp(CHECKPOINT_NS + 600));
    let quiet = judge(&read(&folder), Kept::default());
    assert_eq!((quiet.checkpoints, quiet.signed_up_to), (4, quiet.last_sequence));
    writer.flush(stamp(9 * CHECKPOINT_NS));
    assert_eq!(judge(&read(&folder), Kept::default()).checkpoints, 4, "nothing new to sign");
}

#[test]
fn a_second_writer_is_refused_and_the_first_goes_on() {
    let folder = Folder::new("audit-two");
    let mut first = writer(&folder, Bounds::default());
    first.begin(stamp(0)).unwrap();
    let mut second = writer(&folder, Bounds::default());
    let wrong = second.begin(stamp(1)).unwrap_err();
    assert!(wrong.to_string().contains("another tactus"), "{wrong}");
    second.take(entry(1, true));
    assert!(second.news().is_some_and(|news| news.contains("another tactus")));
    assert_eq!(second.news(), None, "told once");
    first.take(entry(2, true));
    first.finish(stamp(3));
    assert_eq!(numbers(&folder), [2]);
    drop(first);
    second.flush(stamp(RETRY_NS + 5));
    second.finish(stamp(RETRY_NS + 6));
    assert_eq!(numbers(&folder), [2, 1], "what waited is written as soon as it may");
    let verdict = judge(&read(&folder), Kept::default());
    assert!(verdict.whole, "{verdict:?}");
    assert_eq!(verdict.lost, 0);
}

/// A disk of 64 kB, for as long as it lives.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None` where the test may not mount one.
    fn new(folder: &Path) -> Option<Self> {
        let flags = nix::mount::MsFlags::empty();
        let options = Some("size=64k");
        nix::mount::mount(Some("tmpfs"), folder, Some("tmpfs"), flags, options).ok()?;
        Some(Self(folder.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Files on it may still be open.
        let _ = nix::mount::umount2(&self.0, nix::mount::MntFlags::MNT_DETACH);
    }
}

/// A full disk for whoever may not mount one: the directory takes no files.
fn refuse(folder: &Path, refuse: bool) {
    let rights = if refuse { 0o500 } else { 0o700 };
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(rights)).unwrap();
}

#[test]
// SR-049
fn a_full_disk_costs_no_record_that_fits_in_memory_and_counts_the_others() {
    let folder = Folder::new("audit-full");
    let Some(_disk) = SmallDisk::new(&folder) else {
        // Without the rights to mount a disk a directory that takes no file stands for it.
        return a_directory_that_takes_no_file(&folder);
    };
    let directory = folder.join("log");
    let bounds = Bounds { waiting: 50, ..Bounds::default() };
    let mut writer = writer(&directory, bounds);
    writer.begin(stamp(0)).unwrap();
    writer.take(entry(0, true));
    let ballast = folder.join("ballast");
    // Fills the disk to its last page, then what the page of the log has left.
    let mut file = File::create(&ballast).unwrap();
    while file.write_all(&[1; 4096]).is_ok() {}
    let second = |number: u64| number * RETRY_NS;
    (1..200).for_each(|number| {
        writer.take(Entry { stamp: stamp(second(number)), ..entry(number, true) });
    });
    let written = writer.written().clone();
    assert!(written.fault.as_ref().is_some_and(|fault| fault.contains("No space")), "{written:?}");
    assert!(written.lost > 50 && written.waiting == 50, "{written:?}");
    assert!(writer.news().is_some());
    assert!(judge(&read(&directory), Kept::default()).findings.is_empty(), "a torn end at most");
    drop(file);
    std::fs::remove_file(&ballast).unwrap();
    writer.flush(stamp(second(300)));
    writer.take(Entry { stamp: stamp(second(301)), ..entry(999, true) });
    writer.finish(stamp(second(302)));
    assert_eq!(writer.written().fault, None);
    let found = numbers(&directory);
    let verdict = judge(&read(&directory), Kept::default());
    assert!(verdict.whole, "{verdict:?}");
    assert_eq!(found.last(), Some(&999));
    assert_eq!(verdict.lost, writer.written().lost, "the gap is a record, and says how many");
    assert_eq!(verdict.lost + u64::try_from(found.len()).unwrap(), 201);
    assert!(found.windows(2).all(|pair| pair[0] < pair[1]), "in order: {found:?}");
}

fn a_directory_that_takes_no_file(folder: &Path) {
    let directory = folder.join("log");
    refuse(folder, true);
    let mut writer = writer(&directory, Bounds { waiting: 50, ..Bounds::default() });
    assert!(writer.begin(stamp(0)).is_err());
    (1..200).for_each(|number| writer.take(entry(number, true)));
    assert!(writer.written().lost > 100);
    refuse(folder, false);
    writer.flush(stamp(9 * RETRY_NS));
    let verdict = judge(&read(&directory), Kept::default());
    assert!(verdict.whole && verdict.lost == writer.written().lost, "{verdict:?}");
}

#[test]
fn a_log_killed_at_any_byte_is_whole_up_to_there_and_goes_on() {
    let folder = Folder::new("audit-killed");
    let mut first = writer(&folder, Bounds::default());
    first.begin(stamp(0)).unwrap();
    (0..4).for_each(|number| first.take(entry(number, true)));
    drop(first);
    let [(1, bytes)] = &read(&folder)[..] else { panic!("one file") };
    for cut in 0..bytes.len() {
        let directory = folder.join(format!("cut-{cut}"));
        std::fs::create_dir(&directory).unwrap();
        std::fs::write(directory.join(files::name(1)), &bytes[..cut]).unwrap();
        let whole = bytes[..cut].iter().filter(|byte| **byte == b'\n').count();
        let boundary = cut == 0 || bytes[cut - 1] == b'\n';
        let killed = judge(&read(&directory), Kept::default());
        assert_eq!(killed.records, u64::try_from(whole).unwrap(), "cut at {cut}");
        assert_eq!(killed.torn.len(), usize::from(!boundary), "cut at {cut}: {killed:?}");
        assert!(killed.whole || cut == 0, "cut at {cut}: {killed:?}");
        let mut again = writer(&directory, Bounds::default());
        let tail = again.begin(stamp(10)).unwrap();
        assert_eq!(tail.sequence, u64::try_from(whole).unwrap());
        again.take(entry(77, true));
        again.finish(stamp(11));
        let after = judge(&read(&directory), Kept::default());
        assert!(after.whole, "cut at {cut}: {after:?}");
        assert_eq!(after.torn.len(), usize::from(!boundary));
        assert!(after.torn.iter().all(|torn| torn.acknowledged));
        assert_eq!(numbers(&directory).last(), Some(&77));
        std::fs::remove_dir_all(&directory).unwrap();
    }
}

#[test]
fn the_last_start_and_end_are_found_again() {
    let folder = Folder::new("audit-last");
    assert_eq!(writer(&folder, Bounds::default()).begin(stamp(0)).unwrap(), Tail::NOTHING);
    let mut run = writer(&folder, Bounds { file_bytes: 2000, ..Bounds::default() });
    run.begin(stamp(0)).unwrap();
    let fields = Fields::default().text("config", "c0");
    run.take(Entry { kind: "start_up", fields, ..entry(0, true) });
    (0..9).for_each(|number| run.take(entry(number, true)));
    drop(run);
    let tail = files::tail(&folder).unwrap();
    assert_eq!((tail.in_order, tail.config.as_deref()), (Some(false), Some("c0")), "over files");
    let mut run = writer(&folder, Bounds::default());
    run.begin(stamp(0)).unwrap();
    run.take(Entry { kind: "shutdown", ..entry(0, true) });
    run.finish(stamp(1));
    assert_eq!(files::tail(&folder).unwrap().in_order, Some(true));
}
