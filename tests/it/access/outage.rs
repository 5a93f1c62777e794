//! A service is stopped: the front door says so by itself.
//!
//! Nothing else runs meanwhile (`.config/nextest.toml`), since everybody shares this service.

use anyhow::Result;
use reqwest::{Response, StatusCode};

use super::{headers::faults_of_front_door, stage::public};
use crate::support::{environment::xtask, http};

async fn ask() -> Result<Response> {
    Ok(http::client()?.get(public("/finance")).send().await?)
}

#[tokio::test]
async fn a_service_that_is_down_is_a_plain_page_that_asks_for_patience() -> Result<()> {
    xtask(&["stop", "finance-service"]).await?;
    let answer = ask().await;
    xtask(&["start", "finance-service"]).await?;
    let answer = answer?;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    let headers = answer.headers();
    let found = faults_of_front_door(headers);
    assert!(found.is_empty(), "{found:?}");
    assert_eq!(headers["retry-after"], "10");
    assert!(answer.text().await?.contains("What you did is kept."));
    assert_ne!(ask().await?.status(), StatusCode::SERVICE_UNAVAILABLE);
    Ok(())
}
