//! Style, script, icons and fonts: inside the binary, under an address that changes with their content.

use std::{borrow::Cow, collections::BTreeMap, io::Write, sync::LazyLock};

use axum::{
    body::{Body, Bytes},
    extract::Path,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use flate2::{Compression, write::GzEncoder};
use rust_embed::Embed;
use sha2::{Digest, Sha256};

use crate::routes::Routes;

/// A year: the address is never used for other content.
const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// For an address of another release, as a page that was open during a deployment asks for.
const ASK_AGAIN: &str = "public, no-cache";

/// Compressed already.
const FONT: &str = "font/woff2";

/// 72 bits of the hash: two releases never share an address by accident.
const VERSION_LENGTH: usize = 12;

#[derive(Embed)]
#[folder = "assets/"]
struct Files;

struct Asset {
    kind: &'static str,
    plain: Bytes,
    /// Only for text, and only when it is smaller.
    gzip: Option<Bytes>,
}

struct Bundle {
    version: String,
    assets: BTreeMap<String, Asset>,
}

/// Compressed once per process: some milliseconds for about 100 KB of text.
static BUNDLE: LazyLock<Bundle> = LazyLock::new(bundle);

fn bundle() -> Bundle {
    let mut hash = Sha256::new();
    let mut assets = BTreeMap::new();
    let mut names: Vec<_> = Files::iter().collect();
    names.sort();
    for name in names {
        let Some(file) = Files::get(&name) else {
            continue;
        };
        hash.update(name.as_bytes());
        hash.update(file.metadata.sha256_hash());
        assets.insert(name.to_string(), asset(&name, file.data));
    }
    let mut version = BASE64_URL_SAFE_NO_PAD.encode(hash.finalize());
    version.truncate(VERSION_LENGTH);
    Bundle { version, assets }
}

fn asset(name: &str, data: Cow<'static, [u8]>) -> Asset {
    let kind = content_type(name);
    let plain = match data {
        Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        Cow::Owned(bytes) => Bytes::from(bytes),
    };
    let gzip = (kind != FONT)
        .then(|| gzip(&plain))
        .flatten()
        .filter(|packed| packed.len() < plain.len());
    Asset { kind, plain, gzip }
}

fn gzip(plain: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(plain).ok()?;
    encoder.finish().ok().map(Bytes::from)
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("woff2") => FONT,
        _ => "text/plain; charset=utf-8",
    }
}

/// The path below which the assets of this build lie, for a service whose pages lie below `base`
/// (such as `/tasks`).
#[must_use]
pub fn directory(base: &str) -> String {
    format!("{base}/assets/{}", BUNDLE.version)
}

/// Serves the assets below `<base>/assets`.
pub fn router<S: Clone + Send + Sync + 'static>(base: &str) -> Routes<S> {
    Routes::new().route(&format!("{base}/assets/{{version}}/{{*name}}"), get(serve))
}

async fn serve(Path((version, name)): Path<(String, String)>, headers: HeaderMap) -> Response {
    let Some(asset) = BUNDLE.assets.get(&name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let packed = asset.gzip.as_ref().filter(|_| accepts_gzip(&headers));
    let mut response = Response::new(Body::from(packed.unwrap_or(&asset.plain).clone()));
    let caching = if version == BUNDLE.version {
        FOR_EVER
    } else {
        ASK_AGAIN
    };
    let answer = response.headers_mut();
    answer.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.kind));
    answer.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    answer.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if packed.is_some() {
        answer.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

/// Whether the client takes gzip; `gzip;q=0` refuses it (RFC 9110, section 12.5.3).
fn accepts_gzip(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|coding| {
            let mut parts = coding.split(';').map(str::trim);
            let is_gzip = parts.next() == Some("gzip");
            let is_refused =
                parts.any(|part| matches!(part, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"));
            is_gzip && !is_refused
        })
}

/// Whether the icon sprite has a picture of that name; for tests of templates.
#[must_use]
pub fn has_icon(name: &str) -> bool {
    BUNDLE
        .assets
        .get("vendor/icons.svg")
        .and_then(|sprite| std::str::from_utf8(&sprite.plain).ok())
        .is_some_and(|sprite| sprite.contains(&format!("<symbol id=\"{name}\"")))
}

#[cfg(test)]
mod tests {
    use axum::{body::to_bytes, http::Request};
    use tower::ServiceExt;

    use super::*;

    async fn fetch(path: &str, encoding: &str) -> Response {
        let request = Request::get(path)
            .header(header::ACCEPT_ENCODING, encoding)
            .body(Body::empty())
            .unwrap();
        router::<()>("/tasks")
            .into_router()
            .oneshot(request)
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn the_current_address_is_kept_for_ever() {
        let response = fetch(&format!("{}/app.css", directory("/tasks")), "identity").await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()[header::CACHE_CONTROL], FOR_EVER);
        assert_eq!(
            response.headers()[header::CONTENT_TYPE],
            "text/css; charset=utf-8"
        );
        assert!(!response.headers().contains_key(header::CONTENT_ENCODING));
    }

    #[tokio::test]
    async fn an_address_of_another_release_is_answered_but_not_kept() {
        let response = fetch("/tasks/assets/000000000000/app.js", "identity").await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()[header::CACHE_CONTROL], ASK_AGAIN);
    }

    #[tokio::test]
    async fn text_is_packed_for_those_who_take_it() {
        let path = format!("{}/vendor/htmx.min.js", directory("/tasks"));
        let packed = fetch(&path, "br, gzip").await;
        assert_eq!(packed.headers()[header::CONTENT_ENCODING], "gzip");
        let plain = fetch(&path, "gzip;q=0").await;
        let packed = to_bytes(packed.into_body(), usize::MAX).await.unwrap();
        let plain = to_bytes(plain.into_body(), usize::MAX).await.unwrap();
        assert!(packed.len() * 2 < plain.len());
    }

    #[tokio::test]
    async fn unknown_files_are_not_found() {
        let response = fetch(&format!("{}/nothing.css", directory("/tasks")), "gzip").await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
    }

    #[test]
    fn the_sprite_knows_its_icons() {
        assert!(has_icon("list-checks"));
        assert!(!has_icon("no-such-icon"));
    }
}
