//! The inbox that catches every mail.

use anyhow::Result;
use serde_json::Value;

use super::{environment::environment, http, waiting::eventually};

/// The first link that is mailed to `address`.
pub(crate) async fn mailed_link(address: &str) -> Result<String> {
    eventually(&format!("a mail to {address}"), || find_link(address)).await
}

/// None before the mail came.
async fn find_link(address: &str) -> Result<Option<String>> {
    let url = environment().mail_url.join("/email")?;
    let mails: Vec<Value> = http::client()?.get(url).send().await?.json().await?;
    let mail = mails
        .iter()
        .find(|mail| mail["to"][0]["address"] == address);
    let words = mail.and_then(|mail| mail["text"].as_str());
    let mut words = words.unwrap_or_default().split_whitespace();
    Ok(words
        .find(|word| word.starts_with("http"))
        .map(str::to_owned))
}
