//! Who stands behind a process: what a record says of a login, and of a command from outside.
//!
//! Tactus has no passwords: a person is who the operating system says. Everything here is read from `/proc` and `/etc/passwd`, never asked
//! of a network.

use std::path::Path;

use super::line::Fields;

/// The kernel's word for a process that nobody has logged in for.
const NO_LOGIN: u32 = u32::MAX;
/// No name, path or command is longer, characters.
const TEXT_MAX: usize = 200;

/// Name of a user as `/etc/passwd` has it.
fn user_in(passwd: &str, uid: u32) -> Option<String> {
    let wanted = uid.to_string();
    let line = passwd.lines().find(|line| line.split(':').nth(2) == Some(&wanted))?;
    line.split(':').next().map(cut)
}

fn user(uid: u32) -> Option<String> {
    user_in(&std::fs::read_to_string("/etc/passwd").ok()?, uid)
}

/// Who logged in when the session of this process began, whoever it became since.
fn login_uid(process: &Path) -> Option<u32> {
    let text = std::fs::read_to_string(process.join("loginuid")).ok()?;
    text.trim().parse().ok().filter(|uid| *uid != NO_LOGIN)
}

fn command(process: &Path) -> Option<String> {
    let text = std::fs::read_to_string(process.join("comm")).ok()?;
    Some(cut(text.trim_end()))
}

fn cut(text: &str) -> String {
    text.chars().take(TEXT_MAX).collect()
}

/// A process, and its user.
pub(super) fn process(fields: Fields, pid: u32, uid: u32) -> Fields {
    let place = format!("/proc/{pid}");
    let place = Path::new(&place);
    let login = login_uid(place);
    fields
        .value("pid", (pid != 0).then_some(pid))
        .maybe("process", command(place).as_deref())
        .value("uid", uid)
        .maybe("user", user(uid).as_deref())
        .value("login_uid", login)
        .maybe("login_user", login.and_then(user).as_deref())
}

/// This process: by whom, from where and by what it was started.
pub(super) fn own(fields: Fields) -> Fields {
    let parent = format!("/proc/{}", std::os::unix::process::parent_id());
    let terminal = std::fs::read_link("/proc/self/fd/0").ok();
    let terminal = terminal.and_then(|path| path.to_str().map(cut));
    let is_terminal = |path: &String| path.starts_with("/dev/pts/") || path.starts_with("/dev/tty");
    process(fields, std::process::id(), nix::unistd::Uid::current().as_raw())
        .maybe("started_by", command(Path::new(&parent)).as_deref())
        .maybe("terminal", terminal.filter(is_terminal).as_deref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_who_the_table_names_and_nobody_else() {
        let passwd =
            "root:x:0:0:root:/root:/bin/sh\nanna:x:1000:10:Anna:/home/anna:/bin/sh\nodd line\n";
        assert_eq!(user_in(passwd, 1000).as_deref(), Some("anna"));
        assert_eq!(user_in(passwd, 0).as_deref(), Some("root"));
        assert_eq!(user_in(passwd, 10), None, "a group is no user");
        assert_eq!(user_in(&"a".repeat(500).replace("aa", "a:"), 7), None);
    }

    #[test]
    fn this_process_is_told_with_its_user_and_what_started_it() {
        let fields = own(Fields::default());
        let entry = super::super::line::Entry {
            kind: "login",
            stamp: super::super::line::Stamp::default(),
            fields,
            urgent: true,
        };
        let (line, _) = super::super::line::line(0, &[0; 32], &entry);
        let record: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(record["pid"], std::process::id());
        assert_eq!(record["uid"], nix::unistd::Uid::current().as_raw());
        assert!(record["started_by"].is_string(), "{record}");
        assert!(record["process"].is_string(), "{record}");
    }
}
