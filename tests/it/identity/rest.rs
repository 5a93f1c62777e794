//! What the bridge answers about users: one, many, all; and nothing but what was asked for properly.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use chrono::TimeDelta;
use contracts::identity::{BatchGetUsers, UsersBatch, UsersPage};
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use super::watched::{Watched, ask};
use crate::support::{
    builders::{self, id},
    environment::environment,
    http,
    keycloak::machine_token,
};

/// The demo people, who live through all tests.
fn demo_people() -> BTreeSet<Uuid> {
    let id = |number: u128| Uuid::from_u128(0x0000_0000_0000_4000_8000_0000_0000_0000 + number);
    (1..=6).map(id).collect()
}

async fn token() -> Result<String> {
    machine_token("tasks-m2m", "users:read").await
}

async fn batch(body: &Value) -> Result<Response> {
    let url = environment().auth_api_url.join("/users/batch-get")?;
    let request = http::client()?.post(url).bearer_auth(token().await?);
    Ok(request.json(body).send().await?)
}

#[tokio::test]
async fn a_deleted_user_and_one_who_never_was_are_not_found_and_named_as_missing() -> Result<()> {
    let person = Watched::create().await?;
    let deleted = person.person;
    person.delete().await?;
    let (unknown, ann) = (id(), *demo_people().first().context("ann")?);

    for nobody in [deleted, unknown] {
        let answer = ask(&format!("/users/{nobody}"), &token().await?).await?;
        assert_eq!(answer.status(), StatusCode::NOT_FOUND);
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
    }
    let ids = vec![deleted, ann, unknown, ann, unknown];
    let answer = batch(&json!(BatchGetUsers { ids })).await?;
    let found: UsersBatch = answer.error_for_status()?.json().await?;
    assert_eq!(
        found.missing,
        [deleted, unknown],
        "each once, in the order asked for"
    );
    let users: Vec<_> = found.users.iter().map(|user| user.user_id).collect();
    assert_eq!(users, [ann]);
    Ok(())
}

#[tokio::test]
async fn an_answer_says_how_old_it_is() -> Result<()> {
    let ann = *demo_people().first().context("ann")?;
    let answer = ask(&format!("/users/{ann}"), &token().await?).await?;
    let user: contracts::identity::User = answer.error_for_status()?.json().await?;
    let age = builders::now() - user.as_of;
    ensure!(
        age < TimeDelta::minutes(1),
        "the copy is {age} old while everything runs"
    );
    assert!(user.changed_at <= user.as_of);
    Ok(())
}

#[tokio::test]
async fn what_was_not_asked_for_properly_is_refused() -> Result<()> {
    let token = token().await?;
    for path in [
        "/users/not-an-id",
        "/users/00000000-0000-4000-8000-00000000000",
        "/users?limit=0",
        "/users?limit=501",
        "/users?limit=-1",
        "/users?limit=many",
        "/users?after=not-an-id",
    ] {
        let answer = ask(path, &token).await?;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{path}");
        assert_eq!(
            answer.headers()["content-type"],
            "application/problem+json",
            "{path}"
        );
    }
    let too_many: Vec<Uuid> = (0..501).map(|_| id()).collect();
    for body in [
        json!({ "ids": too_many }),
        json!({ "ids": ["not-an-id"] }),
        json!({ "ids": null }),
        json!([]),
    ] {
        let status = batch(&body).await?.status();
        assert!(status.is_client_error(), "{status} to {body}");
    }
    let nobody = batch(&json!({ "ids": [] })).await?;
    let found: UsersBatch = nobody.error_for_status()?.json().await?;
    assert!(found.users.is_empty() && found.missing.is_empty());
    Ok(())
}

#[tokio::test]
async fn pages_show_everybody_once_although_people_come_and_go_between_them() -> Result<()> {
    let token = token().await?;
    let mut met = BTreeSet::new();
    let mut newcomers = vec![Watched::create().await?];
    let mut path = "/users?limit=2".to_owned();
    loop {
        let page: UsersPage = ask(&path, &token).await?.error_for_status()?.json().await?;
        let ids: Vec<Uuid> = page.users.iter().map(|user| user.user_id).collect();
        assert!(ids.len() <= 2 && ids.is_sorted(), "{ids:?}");
        for id in ids {
            assert!(met.insert(id), "{id} comes twice");
        }
        let Some(next) = page.next else {
            break;
        };
        path = format!("/users?limit=2&after={next}");
        if newcomers.len() < 3 {
            newcomers.push(Watched::create().await?);
        } else if let Some(first) = newcomers.pop() {
            first.delete().await?;
        }
    }
    let unseen: Vec<_> = demo_people().difference(&met).copied().collect();
    assert!(unseen.is_empty(), "{unseen:?}");
    for newcomer in newcomers {
        newcomer.delete().await?;
    }
    Ok(())
}
