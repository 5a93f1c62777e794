//! Where a login leads back to: a page of this origin, whatever the request asks for.

use url::Url;

use crate::ui::is_local;

/// The longest path that is led back to, in bytes.
const MAX_PATH: usize = 2_000;

/// The page that every service shows a part of; whoever has to log in for a part is led back to the whole.
const SHARED: &str = crate::operations::web::HOME;

/// A path of this origin below the base of the service, or below the page that all services share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ReturnTo(String);

impl ReturnTo {
    /// The wanted path when it is a page below `base`; else the base itself.
    ///
    /// Pages of the login are none: leading back to them would go in circles.
    pub(super) fn new(base: &str, wanted: Option<&str>) -> Self {
        let path = wanted
            .filter(|path| is_page_below(base, path) || is_page_below(SHARED, path))
            .unwrap_or(base);
        Self(path.to_owned())
    }

    /// The page at `address` when it is of `origin` and below `base`; else the base itself.
    pub(super) fn from_address(base: &str, origin: &Url, address: Option<&str>) -> Self {
        let url = address
            .and_then(|address| Url::parse(address).ok())
            .filter(|url| url.origin() == origin.origin());
        let path = url.map(|url| match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        });
        Self::new(base, path.as_deref())
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_page_below(base: &str, path: &str) -> bool {
    let Some(rest) = path.strip_prefix(base) else {
        return false;
    };
    let is_below = rest.is_empty() || rest.starts_with(['/', '?']);
    let is_login = ["/login", "/callback", "/logout", "/backchannel-logout"]
        .iter()
        .any(|page| rest.starts_with(page));
    is_below
        && !is_login
        && is_local(path)
        && path.is_ascii()
        && !has_dot_segment(path)
        && path.len() <= MAX_PATH
}

/// Browsers take such segments out of a path, encoded or not, and arrive elsewhere.
fn has_dot_segment(path: &str) -> bool {
    let path = path.to_ascii_lowercase().replace("%2e", ".");
    path.contains("/.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn led_back(wanted: &str) -> String {
        ReturnTo::new("/tasks", Some(wanted)).0
    }

    #[test]
    fn pages_of_the_service_are_led_back_to() {
        for page in [
            "/tasks",
            "/tasks/mine",
            "/tasks?status=open&page=2",
            "/tasks/7#history",
        ] {
            assert_eq!(led_back(page), page);
        }
    }

    #[test]
    fn no_login_leads_elsewhere() {
        let elsewhere = [
            "https://evil.example/tasks",
            "//evil.example/tasks",
            "/\\evil.example",
            "/tasks\\@evil.example",
            "/tasksevil",
            "/tasks.evil.example",
            "/finance/me",
            "/tasks/../finance",
            "/tasks/%2e%2E/finance",
            "/tasks/./login",
            "///evil.example",
            "/%2f/evil.example",
            "/%5cevil.example",
            "/\t/evil.example",
            " //evil.example",
            "https:evil.example",
            "/tasks@evil.example",
            "/tasks:80@evil.example",
            "/tasks#@evil.example",
            "//tasks@evil.example",
            "data:text/html,x",
            "/tasks/\r\nSet-Cookie: a=b",
            "javascript:alert(1)",
            "/tasks/login?return_to=/tasks",
            "/tasks/logout",
            "",
        ];
        for wanted in elsewhere {
            assert_eq!(led_back(wanted), "/tasks", "{wanted}");
        }
        assert_eq!(
            led_back(&format!("/tasks/{}", "a".repeat(MAX_PATH))),
            "/tasks"
        );
        assert_eq!(ReturnTo::new("/tasks", None).0, "/tasks");
    }

    #[test]
    fn an_address_counts_only_with_the_own_origin() {
        let origin = Url::parse("http://localhost:21000").unwrap();
        let led = |address| ReturnTo::from_address("/tasks", &origin, Some(address)).0;
        assert_eq!(
            led("http://localhost:21000/tasks/mine?page=2"),
            "/tasks/mine?page=2"
        );
        assert_eq!(led("http://localhost:21001/tasks/mine"), "/tasks");
        assert_eq!(led("https://evil.example/tasks/mine"), "/tasks");
        assert_eq!(led("nonsense"), "/tasks");
    }
}
