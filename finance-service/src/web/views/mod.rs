//! What the pages of Finance show: plain structs that handlers fill, each with the template that renders it.

mod account;

pub use account::{AccountPage, AccountQuery, Entry, EntryKind, EntryTask, MailState, PayoutRow};

#[cfg(test)]
mod tests;
