//! Forms count only from a page of the same session: every form of every service, as other sites would send it.

use anyhow::Result;
use platform::ui::CSRF_FIELD;
use reqwest::{Method, StatusCode};

use super::{
    pages::{self, fields},
    stage::{ADMINISTRATOR, PERFORMER, STRANGER, Stage, State, Visitor, public},
};

/// A form that should not count: why, its token, and a header that tells where it comes from.
type Foreign<'a> = (&'static str, &'a str, Option<(&'static str, &'static str)>);

/// What others may send from the browser of `victim`, who has a session like `attacker`.
fn foreign<'a>(victim: &'a Visitor, attacker: &'a Visitor, path: &str) -> [Foreign<'a>; 7] {
    let own = victim.csrf_of(path);
    let elsewhere = if path.starts_with("/finance") {
        "/tasks"
    } else {
        "/finance"
    };
    [
        ("no token", "", None),
        ("no real token", "AAAA", None),
        ("a token of the attacker's", attacker.csrf_of(path), None),
        (
            "a token of the other service",
            victim.csrf_of(elsewhere),
            None,
        ),
        (
            "from another origin",
            own,
            Some(("origin", "http://evil.example")),
        ),
        ("from nowhere", own, Some(("origin", "null"))),
        (
            "from another site",
            own,
            Some(("sec-fetch-site", "cross-site")),
        ),
    ]
}

async fn send(
    victim: &Visitor,
    path: &str,
    form: &[(&str, &str)],
    header: Option<(&'static str, &'static str)>,
) -> Result<(StatusCode, String)> {
    let request = victim.browser.request(Method::POST, &public(path))?;
    let request = match header {
        Some((name, value)) => request.header(name, value),
        None => request,
    };
    let answer = request.form(form).send().await?;
    Ok((answer.status(), answer.text().await?))
}

#[tokio::test]
async fn no_form_counts_without_the_token_of_its_session_or_from_another_site() -> Result<()> {
    let stage = Stage::open().await?;
    let victim = stage.log_in(ADMINISTRATOR).await?;
    let attacker = stage.log_in(STRANGER).await?;
    let task = stage.task(State::Open).await?;
    let mut forms = pages::all();
    // The identity provider's message has no session; its token is the only proof.
    forms.retain(|line| line.method == Method::POST && !line.path.ends_with("/backchannel-logout"));
    for line in &forms {
        let path = line.path_to(&task);
        for (what, token, header) in foreign(&victim, &attacker, &path) {
            let mut form = vec![(CSRF_FIELD, token)];
            form.extend(fields(line.path));
            let (status, page) = send(&victim, &path, &form, header).await?;
            assert_eq!(status, StatusCode::FORBIDDEN, "{what} to {path}");
            assert!(
                page.contains("The form was open for too long"),
                "{what} to {path}"
            );
        }
    }
    let still_open = format!("/tasks/{task}/edit");
    let edit = victim.send(&Method::GET, &still_open, &[]).await?;
    assert_eq!(edit.status(), StatusCode::OK, "nothing was changed");
    let of_performer = stage.log_in(PERFORMER).await?;
    let mine = of_performer.send(&Method::GET, "/tasks/mine", &[]).await?;
    assert!(
        mine.text().await?.contains(&task),
        "it has the same performer"
    );
    stage.close().await
}
