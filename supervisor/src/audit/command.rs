//! `tactus audit …`: is the log whole, and whose key signs it.

use std::path::Path;

use serde_json::json;

use super::key::{FILE_NAME, Key, fingerprint, pem};
use super::line::{Hash, unhex};
use super::verify::{Checker, Kept, Verdict};
use super::{files, line, report, text};
use crate::cli::{AuditKeyArgs, AuditReportArgs, AuditVerifyArgs};
use crate::exit::{Error, ExitCode};

/// Reads the log in `directory` and judges it.
///
/// # Errors
/// There is none, or it cannot be read.
pub fn judge(directory: &Path, allowed: Vec<Hash>, kept: Kept) -> Result<Verdict, Error> {
    read(directory, allowed, kept, |_| {})
}

fn read(
    directory: &Path,
    allowed: Vec<Hash>,
    kept: Kept,
    mut each: impl FnMut(&[u8]),
) -> Result<Verdict, Error> {
    let shown = directory.display();
    let unreadable = |what: &dyn std::fmt::Display| {
        Error::environment(format!(
            "the audit log {shown} cannot be read: {what}\n  expected the directory of one machine, such as state/audit/demo-cell"
        ))
    };
    let files = files::list(directory).map_err(|source| unreadable(&source))?;
    if files.is_empty() {
        return Err(unreadable(&format!("there is no {} or later", files::name(1))));
    }
    let mut checker = Checker::new(allowed, kept);
    for (number, path) in files {
        let bytes = std::fs::read(&path)
            .map_err(|source| unreadable(&format!("{}: {source}", path.display())))?;
        checker.file(number, &bytes);
        each(&bytes);
    }
    Ok(checker.finish())
}

/// `tactus audit report`: the page.
///
/// # Errors
/// The log cannot be read, or the machine file is another one than that of the last start.
pub fn report(arguments: &AuditReportArgs) -> Result<String, Error> {
    let (allowed, kept) = trusted(&arguments.key, arguments.checkpoint.as_deref())?;
    let mut story = report::Story::default();
    let verdict = read(&arguments.directory, allowed, kept, |bytes| {
        for line in bytes.split(|byte| *byte == b'\n') {
            let content = line::parse(line).and_then(|framed| framed.content());
            content.into_iter().for_each(|record| story.take(record));
        }
    })?;
    let machine = arguments.machine.as_deref().map(crate::app::load).transpose()?;
    let machine = machine.as_ref().map(|source| &source.machine);
    if let Some(machine) = machine {
        report::belongs(&story, machine).map_err(Error::file)?;
    }
    Ok(report::page(&arguments.directory.display().to_string(), &verdict, &story, machine))
}

/// Keys and checkpoints of the command line.
fn trusted(keys: &[String], checkpoint: Option<&Path>) -> Result<(Vec<Hash>, Kept), Error> {
    let allowed = keys
        .iter()
        .map(|key| {
            unhex(key.as_bytes()).ok_or_else(|| {
                Error::file(format!(
                    "--key {key}: expected 64 hexadecimal digits, as tactus audit key prints them"
                ))
            })
        })
        .collect::<Result<Vec<_>, _>>()?;
    let Some(path) = checkpoint else { return Ok((allowed, Kept::default())) };
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|source| Error::environment(format!("{shown} cannot be read: {source}")))?;
    let kept =
        Kept::read(&text, &allowed).map_err(|wrong| Error::file(format!("{shown}: {wrong}")))?;
    Ok((allowed, kept))
}

/// `tactus audit verify`.
///
/// # Errors
/// The log, the checkpoint or a key cannot be read.
pub fn verify(arguments: &AuditVerifyArgs) -> Result<(String, ExitCode), Error> {
    let (allowed, kept) = trusted(&arguments.key, arguments.checkpoint.as_deref())?;
    let verdict = judge(&arguments.directory, allowed, kept)?;
    let code = if verdict.whole { ExitCode::Done } else { ExitCode::Tampered };
    let said = if arguments.json {
        serde_json::to_string_pretty(&verdict).map_err(|wrong| {
            Error::environment(format!("the verdict cannot be written: {wrong}"))
        })?
    } else {
        text::render(&arguments.directory.display().to_string(), &verdict)
    };
    Ok((said, code))
}

/// `tactus audit key`.
///
/// # Errors
/// There is none, or it is not to be trusted.
pub fn key(arguments: &AuditKeyArgs) -> Result<String, Error> {
    let state = &arguments.state;
    if !state.join(FILE_NAME).exists() {
        return Err(Error::environment(format!(
            "there is no key in {}: expected {FILE_NAME}, which the first tactus run makes there",
            state.display()
        )));
    }
    let key = Key::of_device(state)?.map_err(|source| Error::environment(source.to_string()))?;
    let public = key.public();
    let raw = unhex(public.as_bytes()).unwrap_or_default();
    Ok(if arguments.pem {
        pem(&raw)
    } else if arguments.json {
        json!({ "public": public, "fingerprint": fingerprint(&raw), "pem": pem(&raw) }).to_string()
    } else {
        format!("public key   {public}\nfingerprint  {}\n", fingerprint(&raw))
    })
}
