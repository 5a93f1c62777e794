//! Services tell other services which messages they sent, and nobody else.

use anyhow::Result;
use contracts::messages::SentCounts;
use reqwest::{RequestBuilder, StatusCode};

use crate::support::{
    environment::environment,
    http,
    keycloak::{machine_token, person_token},
};

const PATH: &str = "/messages/sent?from=2026-11-21T10:00:00Z&until=2026-11-22T10:00:00Z";

fn ask(path: &str) -> Result<RequestBuilder> {
    Ok(http::client()?.get(environment().tasks_api_url.join(path)?))
}

#[tokio::test]
async fn only_a_machine_with_the_scope_is_told_what_was_sent() -> Result<()> {
    let status = |token: String| async move {
        anyhow::Ok(ask(PATH)?.bearer_auth(token).send().await?.status())
    };
    assert_eq!(
        ask(PATH)?.send().await?.status(),
        StatusCode::UNAUTHORIZED,
        "without a token"
    );
    let person = person_token("mike").await?;
    assert_eq!(status(person).await?, StatusCode::FORBIDDEN, "a person");
    let other = machine_token("finance-m2m", "tasks:read").await?;
    assert_eq!(status(other).await?, StatusCode::FORBIDDEN, "another scope");
    let token = machine_token("finance-m2m", "messages:read").await?;
    let answer = ask(PATH)?.bearer_auth(token).send().await?;
    answer.error_for_status()?.json::<SentCounts>().await?;
    Ok(())
}

#[tokio::test]
async fn more_than_a_day_at_once_is_refused() -> Result<()> {
    let token = machine_token("finance-m2m", "messages:read").await?;
    let path = "/messages/sent?from=2026-11-21T10:00:00Z&until=2026-11-22T11:00:00Z";
    let answer = ask(path)?.bearer_auth(token).send().await?;
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    Ok(())
}
