//! Answers shared by those who ask for the same at about the same time.

use std::{future::Future, sync::Arc, time::Duration};

use moka::future::Cache;

use super::PeerError;

/// How long an answer serves others.
const KEPT: Duration = Duration::from_secs(1);
/// The most bytes that are kept.
const MOST_BYTES: u64 = 8 * 1024 * 1024;

/// The answers of the last second, by path; absent bodies are records that do not exist.
#[derive(Debug)]
pub(super) struct Recent(Cache<String, Option<Arc<[u8]>>>);

impl Recent {
    pub(super) fn new() -> Self {
        let weight = |path: &String, body: &Option<Arc<[u8]>>| {
            let bytes = path.len() + body.as_ref().map_or(0, |body| body.len());
            u32::try_from(bytes).unwrap_or(u32::MAX)
        };
        let cache = Cache::builder()
            .weigher(weight)
            .max_capacity(MOST_BYTES)
            .time_to_live(KEPT)
            .build();
        Self(cache)
    }

    /// The answer for `path`: the one kept, the one somebody waits for already, or that of `reading`.
    pub(super) async fn get_or(
        &self,
        path: &str,
        reading: impl Future<Output = Result<Vec<u8>, PeerError>>,
    ) -> Result<Arc<[u8]>, PeerError> {
        let reading = async {
            match reading.await {
                Ok(body) => Ok(Some(Arc::from(body))),
                Err(PeerError::NotFound) => Ok(None),
                Err(error) => Err(error),
            }
        };
        let shared = self.0.try_get_with(path.to_owned(), reading).await;
        match shared {
            Ok(Some(body)) => Ok(body),
            Ok(None) => Err(PeerError::NotFound),
            Err(error) => Err(PeerError::clone(&error)),
        }
    }
}
