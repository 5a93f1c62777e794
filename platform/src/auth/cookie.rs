//! The two cookies of a service: the session, and what binds a login to the browser that began it.
//!
//! Both services answer on one origin, and `__Host-` cookies belong to the whole origin, so each service
//! has names of its own and ignores the other's (RFC 6265 section 8.5).

use axum::http::{HeaderMap, HeaderValue, header};
use url::{Host, Url};

use super::opaque::Opaque;

/// How long a browser keeps the cookie of a login, in seconds.
const LOGIN_SECONDS: u32 = 600;

/// People would be served over plain HTTP by another machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the origin of the pages must be https, or http on this machine")]
pub struct InsecureOrigin;

/// Names and attributes of a service's cookies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cookies {
    session: String,
    login: String,
    secure: &'static str,
}

impl Cookies {
    /// For the service called `service` whose pages people see at `origin`.
    pub(super) fn try_new(service: &str, origin: &Url) -> Result<Self, InsecureOrigin> {
        let (prefix, secure) = match origin.scheme() {
            "https" => ("__Host-", "; Secure"),
            "http" if is_this_machine(origin) => ("", ""),
            _ => return Err(InsecureOrigin),
        };
        Ok(Self {
            session: format!("{prefix}{service}_session"),
            login: format!("{prefix}{service}_login"),
            secure,
        })
    }

    pub(super) fn session(&self, headers: &HeaderMap) -> Option<Opaque> {
        read(headers, &self.session)
    }

    pub(super) fn login(&self, headers: &HeaderMap) -> Option<Opaque> {
        read(headers, &self.login)
    }

    /// Ends with the browser; the server ends it earlier.
    pub(super) fn set_session(&self, id: &Opaque) -> Option<HeaderValue> {
        self.write(&self.session, &id.text(), "")
    }

    pub(super) fn forget_session(&self) -> Option<HeaderValue> {
        self.write(&self.session, "", "; Max-Age=0")
    }

    pub(super) fn set_login(&self, id: &Opaque) -> Option<HeaderValue> {
        self.write(
            &self.login,
            &id.text(),
            &format!("; Max-Age={LOGIN_SECONDS}"),
        )
    }

    fn write(&self, name: &str, value: &str, age: &str) -> Option<HeaderValue> {
        let secure = self.secure;
        let text = format!("{name}={value}; Path=/{age}; HttpOnly; SameSite=Lax{secure}");
        HeaderValue::try_from(text).ok()
    }
}

fn is_this_machine(origin: &Url) -> bool {
    match origin.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn read(headers: &HeaderMap, name: &str) -> Option<Opaque> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(key, _)| *key == name)
        .find_map(|(_, value)| Opaque::parse(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::Sources;

    fn cookies(origin: &str) -> Result<Cookies, InsecureOrigin> {
        Cookies::try_new("tasks", &Url::parse(origin).unwrap())
    }

    #[test]
    fn over_https_the_cookie_is_bound_to_the_host() {
        let id = Opaque::new(&Sources::system());
        let cookie = cookies("https://exchange.example")
            .unwrap()
            .set_session(&id);
        assert_eq!(
            cookie.unwrap(),
            format!(
                "__Host-tasks_session={}; Path=/; HttpOnly; SameSite=Lax; Secure",
                id.text()
            )
        );
    }

    #[test]
    fn on_this_machine_it_has_a_plain_name() {
        let id = Opaque::new(&Sources::system());
        let cookies = cookies("http://localhost:21000").unwrap();
        assert_eq!(
            cookies.set_session(&id).unwrap(),
            format!(
                "tasks_session={}; Path=/; HttpOnly; SameSite=Lax",
                id.text()
            )
        );
        assert_eq!(
            cookies.set_login(&id).unwrap(),
            format!(
                "tasks_login={}; Path=/; Max-Age=600; HttpOnly; SameSite=Lax",
                id.text()
            )
        );
        assert_eq!(
            cookies.forget_session().unwrap(),
            "tasks_session=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"
        );
    }

    #[test]
    fn plain_http_elsewhere_is_refused() {
        assert_eq!(cookies("http://exchange.example"), Err(InsecureOrigin));
        assert_eq!(cookies("http://localhost.example"), Err(InsecureOrigin));
        cookies("http://127.0.0.1:1").unwrap();
        cookies("http://[::1]:1").unwrap();
    }

    #[test]
    fn the_other_services_cookie_is_not_read() {
        let id = Opaque::new(&Sources::system());
        let headers = |text: String| {
            HeaderMap::from_iter([(header::COOKIE, HeaderValue::try_from(text).unwrap())])
        };
        let cookies = cookies("http://localhost:21000").unwrap();
        let other = headers(format!("finance_session={}", id.text()));
        assert_eq!(cookies.session(&other), None);
        let both = headers(format!(
            "theme=dark;tasks_session=junk; tasks_session={}",
            id.text()
        ));
        assert_eq!(cookies.session(&both), Some(id));
    }
}
