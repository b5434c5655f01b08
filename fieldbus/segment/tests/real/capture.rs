//! Captures of real devices in the package of ethercrab, and what is in them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

#[derive(Clone, Debug)]
pub(crate) struct Datagram {
    pub(crate) command: u8,
    pub(crate) index: u8,
    pub(crate) position: u16,
    pub(crate) offset: u16,
    pub(crate) data: Vec<u8>,
    pub(crate) working_counter: u16,
}

pub(crate) struct Exchange {
    pub(crate) at: u64,
    pub(crate) request: Vec<u8>,
    pub(crate) reply: Vec<u8>,
}

pub(crate) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

pub(crate) fn datagrams(frame: &[u8]) -> Vec<Datagram> {
    let (mut found, mut at) = (Vec::new(), 16);
    loop {
        let length = usize::from(u16_at(frame, at + 6) & 0x07FF);
        found.push(Datagram {
            command: frame[at],
            index: frame[at + 1],
            position: u16_at(frame, at + 2),
            offset: u16_at(frame, at + 4),
            data: frame[at + 10..at + 10 + length].to_vec(),
            working_counter: u16_at(frame, at + 10 + length),
        });
        if u16_at(frame, at + 6) & 0x8000 == 0 {
            return found;
        }
        at += 12 + length;
    }
}

/// Where cargo keeps the sources of ethercrab.
fn ethercrab() -> PathBuf {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--offline", "--locked", "--format-version", "1"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo metadata");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    let ethercrab =
        packages.iter().find(|package| package["name"] == "ethercrab").expect("ethercrab");
    let manifest = ethercrab["manifest_path"].as_str().expect("path");
    PathBuf::from(manifest).parent().expect("directory").to_owned()
}

/// Enhanced packet blocks of `name`, with their time in ns; requests paired with replies.
pub(crate) fn read(name: &str) -> Vec<Exchange> {
    let path = ethercrab().join("tests").join(name).with_extension("pcapng");
    let bytes = std::fs::read(path).expect("the capture");
    let (mut at, mut exchanges) = (0, Vec::new());
    let mut open: BTreeMap<u8, (u64, Vec<u8>)> = BTreeMap::new();
    while at < bytes.len() {
        let (kind, length) = (u32_at(&bytes, at), u32_at(&bytes, at + 4) as usize);
        if kind == 6 {
            let time =
                u64::from(u32_at(&bytes, at + 12)) << 32 | u64::from(u32_at(&bytes, at + 16));
            let captured = u32_at(&bytes, at + 20) as usize;
            let frame = bytes[at + 28..at + 28 + captured].to_vec();
            let index = datagrams(&frame)[0].index;
            if frame[6] & 0x02 == 0 {
                open.insert(index, (time, frame));
            } else if let Some((sent, request)) = open.remove(&index) {
                exchanges.push((sent, Exchange { at: sent, request, reply: frame }));
            }
        }
        at += length;
    }
    assert!(open.is_empty(), "requests without reply");
    exchanges.sort_by_key(|(sent, _)| *sent);
    exchanges.into_iter().map(|(_, exchange)| exchange).collect()
}
