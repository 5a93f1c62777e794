//! Other services ask the running board for tasks by machine tokens; nobody else gets an answer (DESIGN.md section 7).

use anyhow::Result;
use contracts::tasks::{BatchGetTasks, TasksBatch, TasksPage};
use reqwest::{RequestBuilder, StatusCode};

use crate::support::{
    builders::id,
    environment::environment,
    http,
    keycloak::{machine_token, person_token},
};

async fn get(path: &str) -> Result<RequestBuilder> {
    Ok(http::client()?.get(environment().tasks_api_url.join(path)?))
}

async fn status(request: RequestBuilder) -> Result<StatusCode> {
    Ok(request.send().await?.status())
}

#[tokio::test]
async fn only_a_machine_with_the_right_audience_and_scope_is_told_of_tasks() -> Result<()> {
    let path = "/tasks?limit=1";
    assert_eq!(
        status(get(path).await?).await?,
        StatusCode::UNAUTHORIZED,
        "without a token"
    );
    let elsewhere = machine_token("finance-m2m", "users:read").await?;
    assert_eq!(
        status(get(path).await?.bearer_auth(elsewhere)).await?,
        StatusCode::UNAUTHORIZED,
        "another audience"
    );
    let person = person_token("mike").await?;
    assert_eq!(
        status(get(path).await?.bearer_auth(person)).await?,
        StatusCode::FORBIDDEN,
        "a person"
    );
    let token = machine_token("finance-m2m", "tasks:read").await?;
    let page: TasksPage = get(path)
        .await?
        .bearer_auth(token)
        .send()
        .await?
        .error_for_status()?
        .json()
        .await?;
    assert!(page.tasks.len() <= 1);
    Ok(())
}

#[tokio::test]
async fn a_task_that_does_not_exist_is_missing_and_not_an_error() -> Result<()> {
    let token = machine_token("finance-m2m", "tasks:read").await?;
    let unknown = id();
    let answer = get(&format!("/tasks/{unknown}"))
        .await?
        .bearer_auth(&token)
        .send()
        .await?;
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    assert_eq!(answer.headers()["content-type"], "application/problem+json");

    let url = environment().tasks_api_url.join("/tasks/batch-get")?;
    let wanted = BatchGetTasks { ids: vec![unknown] };
    let answer = http::client()?
        .post(url)
        .bearer_auth(&token)
        .json(&wanted)
        .send()
        .await?;
    let batch: TasksBatch = answer.error_for_status()?.json().await?;
    assert_eq!((batch.tasks, batch.missing), (Vec::new(), vec![unknown]));
    Ok(())
}

#[tokio::test]
async fn nonsense_is_answered_with_a_problem_of_the_caller() -> Result<()> {
    let token = machine_token("finance-m2m", "tasks:read").await?;
    let url = environment().tasks_api_url.join("/tasks/batch-get")?;
    let too_many = BatchGetTasks {
        ids: (0..501).map(|_| id()).collect(),
    };
    for body in [
        serde_json::to_string(&too_many)?,
        "{".to_owned(),
        "{\"ids\": [1]}".to_owned(),
        String::new(),
    ] {
        let request = http::client()?.post(url.clone()).bearer_auth(&token);
        let answer = request
            .header("content-type", "application/json")
            .body(body)
            .send()
            .await?;
        assert!(answer.status().is_client_error(), "{}", answer.status());
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
    }
    Ok(())
}
