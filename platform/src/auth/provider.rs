//! What an issuer publishes about itself: its metadata and the keys that sign its tokens.

use std::{collections::HashMap, sync::Arc};

use jsonwebtoken::{
    Algorithm, AlgorithmFamily, DecodingKey,
    jwk::{Jwk, JwkSet, PublicKeyUse},
};
use openidconnect::{IssuerUrl, ProviderMetadataWithLogout, core::CoreJsonWebKeySet};
use serde_json::Value;

use super::{issuer::FetchError, memory::Documents};

/// What the issuer published, as of one moment.
#[derive(Debug)]
pub(super) struct Provider {
    pub(super) metadata: ProviderMetadataWithLogout,
    pub(super) keys: HashMap<String, Arc<VerificationKey>>,
}

impl Provider {
    pub(super) fn try_of(issuer: &IssuerUrl, documents: Documents) -> Result<Self, FetchError> {
        let metadata = metadata(issuer, documents.discovery)?;
        let for_login: CoreJsonWebKeySet =
            serde_json::from_value(documents.keys.clone()).map_err(FetchError::Unreadable)?;
        let for_tokens: JwkSet =
            serde_json::from_value(documents.keys).map_err(FetchError::Unreadable)?;
        let keys = for_tokens
            .keys
            .iter()
            .filter_map(|jwk| {
                let kid = jwk.common.key_id.clone()?;
                Some((kid, Arc::new(VerificationKey::from_jwk(jwk)?)))
            })
            .collect();
        Ok(Self {
            metadata: metadata.set_jwks(for_login),
            keys,
        })
    }
}

/// A public key of the issuer.
#[derive(Debug)]
pub(super) struct VerificationKey {
    pub(super) key: DecodingKey,
    family: AlgorithmFamily,
    algorithm: Option<Algorithm>,
}

impl VerificationKey {
    /// A key for signatures; none for encryption keys and symmetric ones.
    fn from_jwk(jwk: &Jwk) -> Option<Self> {
        let for_signatures = matches!(
            jwk.common.public_key_use,
            None | Some(PublicKeyUse::Signature)
        );
        let key = DecodingKey::from_jwk(jwk).ok().filter(|_| for_signatures)?;
        let family = key.family();
        let algorithm = match jwk.common.key_algorithm {
            Some(named) => Some(named.to_string().parse().ok()?),
            None => None,
        };
        (family != AlgorithmFamily::Hmac).then_some(Self {
            key,
            family,
            algorithm,
        })
    }

    /// Whether the key may check signatures of `algorithm`: the key decides, not the token.
    pub(super) fn fits(&self, algorithm: Algorithm) -> bool {
        self.family == algorithm.family() && self.algorithm.is_none_or(|named| named == algorithm)
    }
}

/// Reads a discovery document, which must speak for `issuer` exactly (OpenID Connect Discovery 1.0,
/// section 4.3).
pub(super) fn metadata(
    issuer: &IssuerUrl,
    discovery: Value,
) -> Result<ProviderMetadataWithLogout, FetchError> {
    let metadata: ProviderMetadataWithLogout =
        serde_json::from_value(discovery).map_err(FetchError::Unreadable)?;
    if metadata.issuer() != issuer {
        return Err(FetchError::OtherIssuer(metadata.issuer().to_string()));
    }
    Ok(metadata)
}
