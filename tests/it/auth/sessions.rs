//! How long a session lives, and what ends it.

use anyhow::{Context as _, Result};
use chrono::TimeDelta;
use platform::{
    auth::session::EndSessions,
    people::{PeopleReaction, Person, PersonChange},
    sources::Clock,
};
use reqwest::{Method, StatusCode};
use sea_orm::TransactionTrait;
use serde_json::Value;

use super::site::{Backchannel, Site};
use crate::support::{browser::Browser, keycloak, waiting::until};

async fn logged_in(site: &Site) -> Result<Browser> {
    let browser = Browser::new()?;
    let page = browser
        .log_in_at(&site.url("/tasks/who"), &site.visitor.login)
        .await?;
    assert_eq!(page.status, StatusCode::OK);
    Ok(browser)
}

async fn status(site: &Site, browser: &Browser) -> Result<StatusCode> {
    Ok(browser.get(&site.url("/tasks/who")).await?.status())
}

#[tokio::test]
async fn a_session_ends_after_half_an_hour_without_a_request() -> Result<()> {
    let site = Site::open(Backchannel::On).await?;
    let browser = logged_in(&site).await?;
    for _ in 0..3 {
        site.clock.advance(TimeDelta::minutes(29));
        assert_eq!(status(&site, &browser).await?, StatusCode::OK);
    }
    site.clock.advance(TimeDelta::minutes(31));
    assert_eq!(status(&site, &browser).await?, StatusCode::SEE_OTHER);
    site.close().await
}

#[tokio::test]
async fn a_session_ends_after_ten_hours_however_busy() -> Result<()> {
    let site = Site::open(Backchannel::On).await?;
    let browser = logged_in(&site).await?;
    for _ in 0..23 {
        site.clock.advance(TimeDelta::minutes(25));
        assert_eq!(status(&site, &browser).await?, StatusCode::OK);
    }
    site.clock.advance(TimeDelta::minutes(25));
    assert_eq!(status(&site, &browser).await?, StatusCode::SEE_OTHER);
    site.close().await
}

#[tokio::test]
async fn a_session_that_stands_at_keycloak_is_renewed_there() -> Result<()> {
    let site = Site::open(Backchannel::Off).await?;
    let browser = logged_in(&site).await?;
    let sealed = "SELECT refresh_token FROM session";
    let before: Vec<u8> = sqlx::query_scalar(sealed)
        .fetch_one(&site.database.owned)
        .await?;
    site.clock.advance(TimeDelta::minutes(6));
    assert_eq!(status(&site, &browser).await?, StatusCode::OK);
    until("the tokens are renewed", || async {
        let now: Vec<u8> = sqlx::query_scalar(sealed)
            .fetch_one(&site.database.owned)
            .await?;
        Ok(now != before)
    })
    .await?;
    site.close().await
}

#[tokio::test]
async fn requests_at_all_replicas_together_renew_a_session_once() -> Result<()> {
    let site = Site::open(Backchannel::Off).await?;
    let browser = logged_in(&site).await?;
    let replica = site.replica(&keycloak::issuer()).await?;
    // The database counts what no replica can see alone.
    for statement in [
        "CREATE TABLE renewal (at timestamptz)",
        "GRANT INSERT ON renewal TO PUBLIC",
        "CREATE FUNCTION count_renewal() RETURNS trigger LANGUAGE plpgsql AS \
         $$ BEGIN INSERT INTO renewal VALUES (now()); RETURN NEW; END $$",
        "CREATE TRIGGER renewed AFTER UPDATE OF refresh_token ON session \
         FOR EACH ROW EXECUTE FUNCTION count_renewal()",
    ] {
        sqlx::query(statement).execute(&site.database.owned).await?;
    }
    site.clock.advance(TimeDelta::minutes(6));
    let (here, there) = (site.url("/tasks/who"), format!("{replica}/tasks/who"));
    let requests = (0..40).map(|n| browser.get(if n % 2 == 0 { &here } else { &there }));
    for answer in futures::future::try_join_all(requests).await? {
        assert_eq!(answer.status(), StatusCode::OK);
    }
    until("the session is renewed", || async {
        Ok(site.database.count("renewal", "true").await? > 0)
    })
    .await?;
    assert_eq!(status(&site, &browser).await?, StatusCode::OK);
    assert_eq!(site.database.count("renewal", "true").await?, 1);
    site.close().await
}

#[tokio::test]
async fn a_session_that_is_over_at_keycloak_ends_here() -> Result<()> {
    let site = Site::open(Backchannel::Off).await?;
    let browser = logged_in(&site).await?;
    let logout = format!("users/{}/logout", site.visitor.id);
    site.keycloak
        .send(Method::POST, &logout, &Value::Null)
        .await?;
    assert_eq!(
        status(&site, &browser).await?,
        StatusCode::OK,
        "nobody has asked yet"
    );
    site.clock.advance(TimeDelta::minutes(6));
    assert_eq!(
        status(&site, &browser).await?,
        StatusCode::OK,
        "the request does not wait"
    );
    until("the session has ended", || async {
        Ok(site.sessions().await? == 0)
    })
    .await?;
    assert_eq!(status(&site, &browser).await?, StatusCode::SEE_OTHER);
    site.close().await
}

#[tokio::test]
async fn a_session_outlives_an_unreachable_keycloak() -> Result<()> {
    let site = Site::open(Backchannel::Off).await?;
    let browser = logged_in(&site).await?;
    let cut_off = site.replica("http://127.0.0.1:1/realms/gone").await?;
    for _ in 0..3 {
        site.clock.advance(TimeDelta::minutes(6));
        let who = browser.get(&format!("{cut_off}/tasks/who")).await?;
        assert_eq!(who.status(), StatusCode::OK);
    }
    assert_eq!(site.sessions().await?, 1);
    site.close().await
}

#[tokio::test]
async fn the_news_of_a_deletion_ends_all_sessions_of_the_person() -> Result<()> {
    let site = Site::open(Backchannel::On).await?;
    let (laptop, phone) = (logged_in(&site).await?, logged_in(&site).await?);
    let deleted = PersonChange {
        before: None,
        after: Person {
            user_id: site.visitor.id,
            username: "visitor".to_owned(),
            email: None,
            first_name: String::new(),
            last_name: String::new(),
            roles: Vec::new(),
            is_enabled: true,
            is_deleted: true,
            guard: site.clock.now(),
            fetched_at: site.clock.now(),
        },
    };
    let txn = site.db.begin().await?;
    EndSessions.people_changed(&txn, &[deleted]).await?;
    txn.commit().await?;
    assert_eq!(site.sessions().await?, 0);
    for browser in [laptop, phone] {
        assert_eq!(status(&site, &browser).await?, StatusCode::SEE_OTHER);
    }
    site.close().await
}

#[tokio::test]
async fn a_session_id_that_is_changed_or_made_up_is_none() -> Result<()> {
    let site = Site::open(Backchannel::On).await?;
    let browser = logged_in(&site).await?;
    let id = browser
        .cookie("tasks_session")
        .context("there is a session")?;
    let reversed: String = id.chars().rev().collect();
    for wrong in [
        reversed,
        format!("{id}A"),
        String::new(),
        "'; DROP TABLE session".to_owned(),
    ] {
        browser.set_cookie("tasks_session", &wrong);
        assert_eq!(
            status(&site, &browser).await?,
            StatusCode::SEE_OTHER,
            "{wrong}"
        );
    }
    browser.set_cookie("tasks_session", &id);
    assert_eq!(status(&site, &browser).await?, StatusCode::OK);
    site.close().await
}
