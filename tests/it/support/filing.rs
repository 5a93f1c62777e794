//! A task filed at the running board, as people do it in a browser.

use anyhow::{Context as _, Result, ensure};
use platform::{
    trace::{TRACEPARENT, TraceContext},
    ui::CSRF_FIELD,
};
use reqwest::{Method, StatusCode};
use uuid::Uuid;

use super::{browser::Browser, environment::environment};

/// The value of a hidden field of a page.
fn field(page: &str, name: &str) -> Result<String> {
    let (_, rest) = page
        .split_once(&format!("name=\"{name}\" value=\""))
        .with_context(|| format!("the form has a field {name}"))?;
    Ok(rest.split('"').next().unwrap_or_default().to_owned())
}

/// Files a task with a performer drawn at random, as a step of the trace `click`, and answers its id.
pub(crate) async fn file(title: &str, click: TraceContext) -> Result<Uuid> {
    let environment = environment();
    let browser = Browser::new()?;
    let person = environment
        .people
        .first()
        .context("there are demo people")?;
    let page = format!("{}/new", environment.tasks_url);
    let form = browser.log_in_at(&page, person).await?;
    ensure!(form.status == StatusCode::OK, "{}: {}", form.url, form.body);
    let (csrf, task) = (field(&form.body, CSRF_FIELD)?, field(&form.body, "task")?);
    let fields = [
        (CSRF_FIELD, csrf.as_str()),
        ("task", task.as_str()),
        ("title", title),
        ("pick", "random"),
    ];
    let header = click.to_string();
    let headers = [(TRACEPARENT, header.as_str())];
    let answer = browser
        .send(
            Method::POST,
            environment.tasks_url.as_str(),
            &headers,
            &fields,
        )
        .await?;
    ensure!(answer.status().is_redirection(), "{}", answer.text().await?);
    Ok(task.parse()?)
}
