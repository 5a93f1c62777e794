//! The routes of a listener with the list of their paths, which a plain router does not tell.
//!
//! Only a [`Routes`] can be served, so no route is left out of the list: the tests of rights, of hostile
//! input and of headers go through it and refuse a route that they know nothing of.

use std::{collections::BTreeSet, convert::Infallible};

use axum::{
    Router,
    extract::Request,
    handler::Handler,
    response::IntoResponse,
    routing::{MethodRouter, Route},
};
use tower::{Layer, Service};

/// A router that knows its paths; its methods do what those of [`Router`] do.
#[derive(Debug, Clone)]
pub struct Routes<S = ()> {
    router: Router<S>,
    paths: BTreeSet<String>,
}

impl<S: Clone + Send + Sync + 'static> Default for Routes<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            router: Router::new(),
            paths: BTreeSet::new(),
        }
    }

    /// Adds a path; see [`Router::route`].
    #[must_use]
    pub fn route(mut self, path: &str, methods: MethodRouter<S>) -> Self {
        self.paths.insert(path.to_owned());
        Self {
            router: self.router.route(path, methods),
            ..self
        }
    }

    /// Adds routes below `base`; see [`Router::nest`].
    #[must_use]
    pub fn nest(mut self, base: &str, inner: Self) -> Self {
        let below = inner.paths.iter().map(|path| match path.as_str() {
            "/" => base.to_owned(),
            path => format!("{base}{path}"),
        });
        self.paths.extend(below);
        Self {
            router: self.router.nest(base, inner.router),
            ..self
        }
    }

    /// Adds routes beside these; see [`Router::merge`].
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        self.paths.extend(other.paths);
        Self {
            router: self.router.merge(other.router),
            ..self
        }
    }

    /// Answers what no path fits; see [`Router::fallback`].
    #[must_use]
    pub fn fallback<H, T>(self, handler: H) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        Self {
            router: self.router.fallback(handler),
            ..self
        }
    }

    /// Wraps every route; see [`Router::layer`].
    #[must_use]
    pub fn layer<L>(self, layer: L) -> Self
    where
        L: Layer<Route> + Clone + Send + Sync + 'static,
        L::Service: Service<Request> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request>>::Response: IntoResponse + 'static,
        <L::Service as Service<Request>>::Error: Into<Infallible> + 'static,
        <L::Service as Service<Request>>::Future: Send + 'static,
    {
        Self {
            router: self.router.layer(layer),
            ..self
        }
    }

    /// Gives every route its state; see [`Router::with_state`].
    pub fn with_state<T>(self, state: S) -> Routes<T> {
        Routes {
            router: self.router.with_state(state),
            paths: self.paths,
        }
    }
}

impl Routes {
    /// The paths, as they were added: `/tasks/{uuid}`.
    #[must_use]
    pub fn paths(&self) -> &BTreeSet<String> {
        &self.paths
    }

    /// The router to be served.
    pub(crate) fn into_router(self) -> Router {
        self.router
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;

    use super::*;

    #[test]
    fn nested_and_merged_paths_are_told_as_requests_see_them() {
        let page = || get(|| async {});
        let inner = Routes::new().route("/", page()).route("/{id}", page());
        let assets = Routes::new().route("/assets/{*name}", page());
        let routes: Routes = Routes::new().nest("/tasks", inner).merge(assets);
        let paths: Vec<_> = routes.paths().iter().map(String::as_str).collect();
        assert_eq!(paths, ["/assets/{*name}", "/tasks", "/tasks/{id}"]);
    }
}
