//! The key that signs checkpoints: one for each device, made at the first start, readable by its owner alone.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};

use super::line::{Hash, fill, unhex};
use crate::exit::Error;
use crate::run::hex;

/// Name of the key's file in the state directory.
pub const FILE_NAME: &str = "device.key";
/// First line of the key's file.
const HEADER: &str = "tactus device key 1";
/// What is signed begins with this, so that no other signature of this key can be taken for one of a checkpoint.
const CONTEXT: &[u8] = b"tactus audit checkpoint 1\n";
/// The key of virtual time is made of this text: it is published here, and proves nothing.
const VIRTUAL: &[u8] = b"tactus: the published key of virtual time, which proves nothing";
/// An Ed25519 public key in DER (RFC 8410) is these bytes and the key.
const DER: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// Signs checkpoints.
#[derive(Clone)]
pub struct Key {
    signing: SigningKey,
    kind: &'static str,
}

impl Key {
    /// The published key of virtual time.
    #[must_use]
    pub fn virtual_time() -> Self {
        let seed = blake3::hash(VIRTUAL);
        Self { signing: SigningKey::from_bytes(seed.as_bytes()), kind: "virtual" }
    }

    /// The device's key in this state directory; made if there is none.
    ///
    /// # Errors
    /// Others may read it, it is not this user's, it is damaged: a person must look. `Ok(Err(_))`: the disk refuses a new one.
    pub fn of_device(state: &Path) -> Result<io::Result<Self>, Error> {
        let path = state.join(FILE_NAME);
        match File::open(&path) {
            Ok(file) => Self::read(&path, file).map(Ok),
            Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(Self::make(state, &path)),
            Err(source) => Err(wrong(&path, &format!("it cannot be read: {source}"))),
        }
    }

    fn read(path: &Path, file: File) -> Result<Self, Error> {
        let about = file.metadata().map_err(|source| wrong(path, &source.to_string()))?;
        let user = nix::unistd::geteuid().as_raw();
        if !about.is_file() {
            return Err(wrong(path, "expected a file"));
        }
        if about.mode() & 0o077 != 0 || about.uid() != user {
            let found = format!(
                "expected rights 0600 and owner {user}, found {:04o} and owner {}",
                about.mode() & 0o7777,
                about.uid()
            );
            return Err(wrong(path, &found));
        }
        let mut text = String::new();
        let bound = 4 * u64::try_from(HEADER.len() + 64).unwrap_or(512);
        file.take(bound)
            .read_to_string(&mut text)
            .map_err(|source| wrong(path, &format!("it cannot be read: {source}")))?;
        let seed = text.strip_prefix(HEADER).map(str::trim).and_then(|seed| unhex(seed.as_bytes()));
        let seed = seed.ok_or_else(|| wrong(path, "it is not a key of tactus, or damaged"))?;
        Ok(Self { signing: SigningKey::from_bytes(&seed), kind: "device" })
    }

    fn make(state: &Path, path: &PathBuf) -> io::Result<Self> {
        std::fs::create_dir_all(state)?;
        let mut seed = [0; 32];
        File::open("/dev/urandom")?.read_exact(&mut seed)?;
        let written = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .and_then(|mut file| {
                writeln!(file, "{HEADER}\n{}", hex(&seed))?;
                file.sync_all()
            })
            .and_then(|()| File::open(state)?.sync_all());
        if written.is_err() {
            // Half a key would be refused at the next start.
            let _ = std::fs::remove_file(path);
        }
        written.map(|()| Self { signing: SigningKey::from_bytes(&seed), kind: "device" })
    }

    /// `device` or `virtual`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// The public half, lower-case hexadecimal.
    #[must_use]
    pub fn public(&self) -> String {
        hex(self.signing.verifying_key().as_bytes())
    }

    /// The signature of a checkpoint, lower-case hexadecimal.
    #[must_use]
    pub fn sign(&self, bytes: &[u8]) -> String {
        hex(&self.signing.sign(&[CONTEXT, bytes].concat()).to_bytes())
    }
}

fn wrong(path: &Path, found: &str) -> Error {
    let path = path.display();
    Error::environment(format!(
        "the device's key {path} is not to be trusted: {found}\n  it signs the audit log; if only its rights are wrong: \
         chown it to the user of tactus, and chmod 600 {path}\n  if others could read it, move it away: the next start makes \
         a new one, and the log says so"
    ))
}

/// Whether `signature` of `bytes` was made by the owner of `public`.
#[must_use]
pub fn is_signed(public: &Hash, bytes: &[u8], signature: &str) -> bool {
    let mut raw = [0; 64];
    if fill(signature.as_bytes(), &mut raw).is_none() {
        return false;
    }
    VerifyingKey::from_bytes(public).is_ok_and(|key| {
        let message = [CONTEXT, bytes].concat();
        key.verify_strict(&message, &Signature::from_bytes(&raw)).is_ok()
    })
}

/// What people compare: the first 16 bytes of the BLAKE3 of the public key, in groups.
#[must_use]
pub fn fingerprint(public: &Hash) -> String {
    let text = hex(blake3::hash(public).as_bytes().get(..16).unwrap_or_default());
    let groups: Vec<&str> =
        (0..text.len()).step_by(4).filter_map(|at| text.get(at..at + 4)).collect();
    groups.join(" ")
}

/// A public key as `openssl` takes it.
#[must_use]
pub fn pem(public: &Hash) -> String {
    let der = [&DER[..], public].concat();
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", base64(&der))
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let value = [0, 1, 2].iter().fold(0_u32, |value, place| {
            value << 8 | u32::from(chunk.get(*place).copied().unwrap_or(0))
        });
        for place in 0..4 {
            let digit = usize::try_from(value >> (18 - 6 * place) & 63).unwrap_or(0);
            let letter = LETTERS.get(digit).copied().unwrap_or(b'=');
            text.push(if place > chunk.len() { '=' } else { char::from(letter) });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn public(key: &Key) -> Hash {
        unhex(key.public().as_bytes()).unwrap()
    }

    #[test]
    fn a_key_is_made_once_for_its_owner_alone_and_found_again() {
        let folder = crate::folder::Folder::new("audit-key");
        let state = folder.join("deep");
        let first = Key::of_device(&state).unwrap().unwrap();
        let rights = std::fs::metadata(state.join(FILE_NAME)).unwrap().permissions().mode();
        assert_eq!(rights & 0o7777, 0o600);
        let again = Key::of_device(&state).unwrap().unwrap();
        assert_eq!(first.public(), again.public());
        let other = crate::folder::Folder::new("audit-key-other");
        assert_ne!(Key::of_device(&other).unwrap().unwrap().public(), first.public());
        let text = std::fs::read_to_string(state.join(FILE_NAME)).unwrap();
        assert!(!text.contains(&first.public()));
    }

    #[test]
    fn a_key_that_others_may_read_or_that_is_damaged_is_refused_with_what_to_do() {
        let state = crate::folder::Folder::new("audit-key-rights");
        Key::of_device(&state).unwrap().unwrap();
        let path = state.join(FILE_NAME);
        for rights in [0o640, 0o604, 0o644, 0o666] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(rights)).unwrap();
            let wrong = Key::of_device(&state).err().expect("refused");
            assert_eq!(wrong.code, crate::exit::ExitCode::Environment);
            assert!(wrong.message.contains("chmod 600"), "{wrong}");
        }
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert!(Key::of_device(&state).unwrap().is_ok());
        std::fs::write(&path, "tactus device key 1\n12").unwrap();
        assert!(Key::of_device(&state).err().unwrap().message.contains("damaged"));
    }

    #[test]
    fn a_directory_that_takes_no_key_is_the_disks_fault_and_no_refusal() {
        assert!(Key::of_device(Path::new("/proc/none")).unwrap().is_err());
    }

    #[test]
    fn a_signature_is_of_this_key_and_of_these_bytes() {
        let key = Key::virtual_time();
        let signature = key.sign(b"bytes");
        assert!(is_signed(&public(&key), b"bytes", &signature));
        assert!(!is_signed(&public(&key), b"byteS", &signature));
        let other = Key { signing: SigningKey::from_bytes(&[7; 32]), kind: "device" };
        assert!(!is_signed(&public(&other), b"bytes", &signature));
        assert!(!is_signed(&public(&key), b"bytes", &other.sign(b"bytes")));
        assert!(!is_signed(&public(&key), b"bytes", "zz"));
        assert_eq!(signature, Key::virtual_time().sign(b"bytes"), "the same bytes in every run");
    }

    #[test]
    fn base64_is_that_of_rfc_4648() {
        let cases: [(&[u8], &str); 7] = [
            (b"", ""),
            (b"f", "Zg=="),
            (b"fo", "Zm8="),
            (b"foo", "Zm9v"),
            (b"foob", "Zm9vYg=="),
            (b"fooba", "Zm9vYmE="),
            (b"foobar", "Zm9vYmFy"),
        ];
        for (bytes, text) in cases {
            assert_eq!(base64(bytes), text);
        }
        assert!(
            pem(&public(&Key::virtual_time()))
                .starts_with("-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA")
        );
    }
}
