//! Pages for people: handlers that extract, call one function of `app` and render a view.

pub mod views;
