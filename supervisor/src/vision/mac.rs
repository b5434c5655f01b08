//! The code of a key behind a datagram that came over the network: HMAC-SHA-256 (RFC 2104) of all of it.

use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::exit::Error;

/// Length of the code, bytes.
pub const MAC_LENGTH: usize = 32;
/// Of SHA-256, bytes.
const BLOCK: usize = 64;

/// A key that camera process and host share.
#[derive(Clone)]
pub struct Key([u8; 32]);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key")
    }
}

impl Key {
    /// From its bytes.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// From a file of 64 hexadecimal digits that nobody but this user may read.
    ///
    /// # Errors
    /// It cannot be read, others may read it, or it is no key.
    // SR-072
    pub fn read(path: &Path) -> Result<Self, Error> {
        let wrong = |found: &str| {
            Error::environment(format!(
                "the key of the cameras {} cannot be used: {found}\n  \
                 expected 64 hexadecimal digits in a file of this user with rights 0600\n  \
                 make one: openssl rand -hex 32 > {0}; chmod 600 {0}; copy it to the camera's host",
                path.display()
            ))
        };
        let file = std::fs::File::open(path).map_err(|source| wrong(&source.to_string()))?;
        let about = file.metadata().map_err(|source| wrong(&source.to_string()))?;
        let user = nix::unistd::geteuid().as_raw();
        if !about.is_file() || about.mode() & 0o077 != 0 || about.uid() != user {
            let rights = about.mode() & 0o7777;
            return Err(wrong(&format!("rights {rights:04o}, owner {}", about.uid())));
        }
        let mut text = String::new();
        file.take(256).read_to_string(&mut text).map_err(|source| wrong(&source.to_string()))?;
        let text = text.trim();
        let mut key = [0; 32];
        if text.len() != 64 || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(wrong("it is not 64 hexadecimal digits"));
        }
        for (place, byte) in key.iter_mut().enumerate() {
            let digits = text.get(2 * place..2 * place + 2).unwrap_or_default();
            *byte = u8::from_str_radix(digits, 16).map_err(|source| wrong(&source.to_string()))?;
        }
        Ok(Self(key))
    }

    /// The code of `bytes`.
    #[must_use]
    pub fn code(&self, bytes: &[u8]) -> [u8; MAC_LENGTH] {
        let pad = |with: u8| {
            let mut block = [with; BLOCK];
            block.iter_mut().zip(self.0).for_each(|(place, byte)| *place ^= byte);
            block
        };
        let inner = Sha256::new().chain_update(pad(0x36)).chain_update(bytes).finalize();
        Sha256::new().chain_update(pad(0x5C)).chain_update(inner).finalize().into()
    }

    /// Whether `code` is that of `bytes`; how long this takes does not depend on how much of it is right.
    // SR-072
    #[must_use]
    pub fn fits(&self, bytes: &[u8], code: &[u8]) -> bool {
        let expected = self.code(bytes);
        let differing = expected.iter().zip(code).fold(0, |sum, (a, b)| sum | (a ^ b));
        code.len() == MAC_LENGTH && differing == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_code_is_that_of_an_independent_implementation() {
        // python3: hmac.new(bytes(range(32)), b"tactus", "sha256").hexdigest()
        let key = Key::new(std::array::from_fn(|at| u8::try_from(at).unwrap()));
        let code: String = key.code(b"tactus").iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(code, "73ddb8364b775ccd38404eae575a0730449ddb063e33184cb116a5dfa233d4ac");
        assert!(key.fits(b"tactus", &key.code(b"tactus")));
        assert!(!key.fits(b"tactuS", &key.code(b"tactus")));
        assert!(!key.fits(b"tactus", &key.code(b"tactus")[..31]), "shortened");
        let mut other = key.code(b"tactus");
        other[31] ^= 1;
        assert!(!key.fits(b"tactus", &other));
    }

    #[test]
    // SR-072
    fn a_key_that_others_may_read_or_that_is_none_is_refused() {
        let folder = crate::folder::Folder::new("camera-key");
        let path = folder.join("camera.key");
        let write = |text: &str, rights| {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(rights)).unwrap();
            Key::read(&path)
        };
        assert!(write(&format!("{}\n", "0f".repeat(32)), 0o600).is_ok());
        for (text, rights) in [
            ("0f".repeat(32), 0o640),
            ("0f".repeat(32), 0o604),
            ("0f".repeat(31), 0o600),
            ("0g".repeat(32), 0o600),
            (String::new(), 0o600),
        ] {
            let refused = write(&text, rights).unwrap_err();
            assert!(refused.message.contains("camera.key"), "{refused}");
        }
    }
}
