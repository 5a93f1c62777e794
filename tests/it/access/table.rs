//! Tables of routes as text, one line each, and their comparison with what a listener answers.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use platform::http::Served;
use reqwest::{Method, StatusCode, header::ALLOW};

use crate::support::http;

/// One line of a table: a route, and what its columns say.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) method: Method,
    pub(super) path: &'static str,
    cells: Vec<&'static str>,
    columns: Vec<&'static str>,
}

impl Line {
    /// What the column called `name` says.
    pub(super) fn cell(&self, name: &str) -> &'static str {
        let at = self.columns.iter().position(|column| *column == name);
        at.and_then(|at| self.cells.get(at))
            .unwrap_or_else(|| panic!("{} {} has no cell {name}", self.method, self.path))
    }

    /// The path to `task`, by the name that the listener knows it by; ids of anything else lead nowhere.
    pub(super) fn path_to(&self, task: &str) -> String {
        fill(self.path, task)
    }
}

fn fill(path: &str, task: &str) -> String {
    path.replace("{task}", task)
        .replace("{version}", "1")
        .replace("{*name}", "app.css")
        .replace("{uuid}", task)
        .replace("{id}", "00000000-0000-4000-8000-000000000000")
        .replace("{position}", "1")
        .replace("{user_id}", task)
}

/// The lines of `table`, whose first one names the columns after `method path`.
pub(super) fn lines(table: &'static str) -> Vec<Line> {
    let mut rows = table
        .lines()
        .map(|row| row.split_whitespace().collect::<Vec<_>>())
        .filter(|row| !row.is_empty());
    let head = rows.next().expect("a table has a head");
    let columns = head[2..].to_vec();
    rows.map(|row| {
        assert_eq!(row.len(), head.len(), "{row:?}");
        Line {
            method: row[0].parse().expect("a line begins with a method"),
            path: row[1],
            cells: row[2..].to_vec(),
            columns: columns.clone(),
        }
    })
    .collect()
}

/// Demands that `lines` name exactly the routes of `listener`.
pub(super) async fn must_cover(listener: &Served, lines: &[Line]) -> Result<()> {
    let answered = routes(listener).await?;
    let listed: BTreeSet<_> = lines
        .iter()
        .map(|line| (line.method.to_string(), line.path.to_owned()))
        .collect();
    let unlisted: Vec<_> = answered.difference(&listed).collect();
    ensure!(
        unlisted.is_empty(),
        "routes without a line in the table: {unlisted:?}"
    );
    let unanswered: Vec<_> = listed.difference(&answered).collect();
    ensure!(
        unanswered.is_empty(),
        "lines without a route: {unanswered:?}"
    );
    Ok(())
}

/// Every method and path of a listener. `HEAD` comes with every `GET` and is left out.
async fn routes(listener: &Served) -> Result<BTreeSet<(String, String)>> {
    let client = http::client()?;
    let unknown = Method::from_bytes(b"UNKNOWN")?;
    let mut found = BTreeSet::new();
    for path in &listener.paths {
        let url = format!("http://{}{}", listener.address, fill(path, "1"));
        let answer = client.request(unknown.clone(), &url).send().await?;
        ensure!(
            answer.status() == StatusCode::METHOD_NOT_ALLOWED,
            "{path} answers any method: {}",
            answer.status()
        );
        let allowed = answer
            .headers()
            .get(ALLOW)
            .with_context(|| format!("{path} does not say its methods"))?;
        let methods = allowed.to_str()?.split(',').map(str::trim);
        for method in methods.filter(|method| *method != "HEAD") {
            found.insert((method.to_owned(), path.clone()));
        }
    }
    Ok(found)
}
