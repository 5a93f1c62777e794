//! Random values that browsers carry: session ids, and what binds a login to its browser.

use std::fmt;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use crate::sources::Sources;

/// 256 random bits; stored only as a hash, and not shown in logs.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Opaque([u8; 32]);

impl fmt::Debug for Opaque {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Opaque")
    }
}

impl Opaque {
    pub(super) fn new(sources: &Sources) -> Self {
        Self(sources.secret())
    }

    /// Reads what [`Self::text`] wrote.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
        Some(Self(bytes.try_into().ok()?))
    }

    /// The value for a cookie or an address.
    pub(super) fn text(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(self.0)
    }

    /// What the database knows it by.
    pub(super) fn hash(&self) -> Vec<u8> {
        Sha256::digest(self.0).to_vec()
    }

    /// Another value that only who has this one can compute, for the use named by `purpose`.
    pub(super) fn derive(&self, purpose: &str) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(purpose.as_bytes());
        hash.update([0]);
        hash.update(self.0);
        hash.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_survives_the_browser_and_nothing_else_is_one() {
        let id = Opaque::new(&Sources::system());
        assert_eq!(Opaque::parse(&id.text()), Some(id.clone()));
        assert_eq!(id.text().len(), 43);
        for wrong in [
            "",
            "abc",
            "%%%",
            &format!("{}A", id.text()),
            &"A".repeat(44),
        ] {
            assert_eq!(Opaque::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_derived_value_is_neither_the_stored_hash_nor_that_of_another_purpose() {
        let id = Opaque::new(&Sources::system());
        assert_ne!(id.derive("csrf").to_vec(), id.hash());
        assert_ne!(id.derive("csrf"), id.derive("other"));
    }
}
