//! Encryption of tokens at rest: who can read the database still cannot use them.

use std::fmt;

use base64::{Engine, prelude::BASE64_STANDARD};
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};

use crate::{config::Secret, sources::Sources};

/// Bytes of a nonce; random ones of this length do not repeat (draft-irtf-cfrg-xchacha).
const NONCE: usize = 24;

/// The key of the settings cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the session key is not base64 of 32 bytes")]
pub struct SessionKeyError;

/// Something sealed cannot be opened: another key, another place, or damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a sealed value cannot be written or opened")]
pub(super) struct SealError;

/// Seals and opens values with one key.
#[derive(Clone)]
pub(super) struct Seal {
    cipher: XChaCha20Poly1305,
    sources: Sources,
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seal")
    }
}

impl Seal {
    pub(super) fn try_new(key: &Secret, sources: Sources) -> Result<Self, SessionKeyError> {
        let bytes = BASE64_STANDARD
            .decode(key.expose())
            .map_err(|_not_base64| SessionKeyError)?;
        let cipher =
            XChaCha20Poly1305::new_from_slice(&bytes).map_err(|_length| SessionKeyError)?;
        Ok(Self { cipher, sources })
    }

    /// Encrypts `value` for the row called `place`; opened elsewhere it is refused.
    pub(super) fn seal(&self, place: &[u8], value: &str) -> Result<Vec<u8>, SealError> {
        let nonce = self.sources.secret::<NONCE>();
        let payload = Payload {
            msg: value.as_bytes(),
            aad: place,
        };
        let sealed = self
            .cipher
            .encrypt(&XNonce::from(nonce), payload)
            .map_err(|_opaque| SealError)?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    /// Decrypts what was sealed for the row called `place`.
    pub(super) fn open(&self, place: &[u8], sealed: &[u8]) -> Result<String, SealError> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE>().ok_or(SealError)?;
        let payload = Payload {
            msg: sealed,
            aad: place,
        };
        let value = self
            .cipher
            .decrypt(&XNonce::from(*nonce), payload)
            .map_err(|_opaque| SealError)?;
        String::from_utf8(value).map_err(|_not_text| SealError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal(byte: u8) -> Seal {
        let key = Secret::new(BASE64_STANDARD.encode([byte; 32]));
        Seal::try_new(&key, Sources::system()).unwrap()
    }

    #[test]
    fn only_the_same_key_and_place_open_a_value() {
        let sealed = seal(1).seal(b"row 1", "token").unwrap();
        assert_eq!(seal(1).open(b"row 1", &sealed).as_deref(), Ok("token"));
        assert_eq!(seal(1).open(b"row 2", &sealed), Err(SealError));
        assert_eq!(seal(2).open(b"row 1", &sealed), Err(SealError));
    }

    #[test]
    fn a_damaged_value_is_refused() {
        let mut sealed = seal(1).seal(b"row", "token").unwrap();
        if let Some(last) = sealed.last_mut() {
            *last ^= 1;
        }
        assert_eq!(seal(1).open(b"row", &sealed), Err(SealError));
        assert_eq!(seal(1).open(b"row", b"short"), Err(SealError));
    }

    #[test]
    fn the_same_value_never_looks_the_same() {
        let seal = seal(1);
        assert_ne!(seal.seal(b"row", "token"), seal.seal(b"row", "token"));
    }

    #[test]
    fn a_key_of_another_length_is_refused() {
        for key in ["", "AAAA", "not base64!"] {
            Seal::try_new(&Secret::new(key), Sources::system()).unwrap_err();
        }
    }
}
