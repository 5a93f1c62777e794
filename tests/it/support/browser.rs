//! A browser as far as a login needs one: cookies, redirects, and Keycloak's form.

use std::{
    collections::BTreeMap,
    fs::{File, TryLockError},
    net::SocketAddr,
    sync::Mutex,
};

use anyhow::{Context as _, Result, bail, ensure};
use platform::ui::CSRF_FIELD;
use reqwest::{
    Client, Method, RequestBuilder, Response, StatusCode,
    header::{COOKIE, HeaderMap, LOCATION, SET_COOKIE},
};
use serde_json::Value;
use url::Url;

use super::{
    environment::{Login, environment},
    http,
    waiting::eventually,
};

/// More redirects than any login has.
const MOST_REDIRECTS: usize = 10;

/// Carries cookies of every server of this machine, `Secure` ones too, as Chromium does on localhost.
#[derive(Debug)]
pub(crate) struct Browser {
    http: Client,
    cookies: Mutex<BTreeMap<Place, String>>,
    doors: Vec<Door>,
}

/// Where a cookie belongs: realms of one Keycloak have cookies of the same names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    name: String,
    path: String,
}

impl Place {
    /// The root is where every cookie of our own services belongs.
    fn everywhere(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            path: "/".to_owned(),
        }
    }

    /// RFC 6265, section 5.1.4.
    fn covers(&self, path: &str) -> bool {
        path.strip_prefix(&self.path).is_some_and(|rest| {
            rest.is_empty() || rest.starts_with('/') || self.path.ends_with('/')
        })
    }
}

/// Behind which address of the origin a service of the test's own process answers, as nginx would know.
#[derive(Debug, Clone)]
pub(crate) struct Door {
    /// Such as `http://localhost:21000/tasks`.
    pub(crate) public: String,
    /// Where the service listens.
    pub(crate) address: SocketAddr,
}

/// Where following redirects came to an end.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) url: Url,
    pub(crate) status: StatusCode,
    pub(crate) body: String,
}

impl Page {
    /// What the forms of the page carry.
    pub(crate) fn csrf_token(&self) -> Result<&str> {
        let before = format!("name=\"{CSRF_FIELD}\" value=\"");
        let (_, rest) = self.body.split_once(&before).context("a page has a form")?;
        let (token, _) = rest.split_once('"').context("a value ends")?;
        Ok(token)
    }

    /// Where the page of an outage tries again, whether scripts run or not.
    pub(crate) fn next_try(&self) -> Result<Url> {
        let (_, rest) = self
            .body
            .split_once("content=\"5; url=")
            .with_context(|| format!("nothing is tried again: {}", self.body))?;
        let (address, _) = rest.split_once('"').context("an attribute ends")?;
        let by_script = format!("data-retry-at=\"{address}\"");
        ensure!(self.body.contains(&by_script), "scripts try elsewhere");
        Ok(self.url.join(&address.replace("&amp;", "&"))?)
    }

    pub(crate) fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.body).with_context(|| format!("no JSON: {}", self.body))
    }
}

impl Browser {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            http: http::client()?,
            cookies: Mutex::default(),
            doors: Vec::new(),
        })
    }

    /// One that finds the services of the test's own process under their public addresses.
    pub(crate) fn before(doors: &[Door]) -> Result<Self> {
        Ok(Self {
            doors: doors.to_vec(),
            ..Self::new()?
        })
    }

    /// Where what people know as `url` really answers.
    fn behind(&self, url: &str) -> Result<String> {
        let door = self.doors.iter().find(|door| url.starts_with(&door.public));
        let Some(door) = door else {
            return Ok(url.to_owned());
        };
        let mut real: Url = url.parse()?;
        real.set_ip_host(door.address.ip()).ok();
        real.set_port(Some(door.address.port())).ok();
        Ok(real.into())
    }

    /// A request with the cookies; the answer's cookies are not kept unless it is sent by [`Self::send`].
    pub(crate) fn request(&self, method: Method, url: &str) -> Result<RequestBuilder> {
        let asked: Url = url.parse()?;
        let pairs: Vec<_> = {
            let cookies = self.cookies.lock().expect("no panic");
            let sent = cookies
                .iter()
                .filter(|(place, _)| place.covers(asked.path()));
            sent.map(|(place, value)| format!("{}={value}", place.name))
                .collect()
        };
        let request = self.http.request(method, self.behind(url)?);
        Ok(request.header(COOKIE, pairs.join("; ")))
    }

    pub(crate) fn cookie(&self, name: &str) -> Option<String> {
        let cookies = self.cookies.lock().expect("no panic");
        cookies.get(&Place::everywhere(name)).cloned()
    }

    pub(crate) fn set_cookie(&self, name: &str, value: &str) {
        let mut cookies = self.cookies.lock().expect("no panic");
        cookies.insert(Place::everywhere(name), value.to_owned());
    }

    /// One request, with the cookies and these headers, and no redirect followed.
    pub(crate) async fn send(
        &self,
        method: Method,
        url: &str,
        headers: &[(&'static str, &str)],
        form: &[(&str, &str)],
    ) -> Result<Response> {
        let mut request = self.request(method.clone(), url)?;
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if method == Method::POST {
            request = request.form(form);
        }
        let response = request.send().await?;
        self.keep_cookies(response.headers())?;
        Ok(response)
    }

    fn keep_cookies(&self, headers: &HeaderMap) -> Result<()> {
        let mut cookies = self.cookies.lock().expect("no panic");
        for cookie in headers.get_all(SET_COOKIE) {
            let text = cookie.to_str()?;
            let (pair, attributes) = text.split_once(';').unwrap_or((text, ""));
            let (name, value) = pair.split_once('=').context("a cookie has a name")?;
            let mut attributes = attributes.split(';').map(str::trim);
            let path = attributes
                .clone()
                .find_map(|text| text.strip_prefix("Path="));
            let place = Place {
                path: path.context("a cookie says where it belongs")?.to_owned(),
                ..Place::everywhere(name)
            };
            if attributes.any(|text| text == "Max-Age=0") {
                cookies.remove(&place);
            } else {
                cookies.insert(place, value.to_owned());
            }
        }
        Ok(())
    }

    pub(crate) async fn get(&self, url: &str) -> Result<Response> {
        self.send(Method::GET, url, &[], &[]).await
    }

    /// Posts a form of a page of the session whose token is `csrf`.
    pub(crate) async fn post(&self, url: &str, csrf: &str) -> Result<Response> {
        self.send(Method::POST, url, &[], &[(CSRF_FIELD, csrf)])
            .await
    }

    /// Follows redirects from `url` on.
    pub(crate) async fn follow(&self, url: &str) -> Result<Page> {
        let response = self.get(url).await?;
        self.follow_from(response).await
    }

    /// Follows the redirects that begin with `response`.
    pub(crate) async fn follow_from(&self, mut response: Response) -> Result<Page> {
        for _ in 0..MOST_REDIRECTS {
            let Some(location) = location(&response)? else {
                return Ok(Page {
                    url: response.url().clone(),
                    status: response.status(),
                    body: response.text().await?,
                });
            };
            response = self.get(location.as_str()).await?;
        }
        bail!("the redirects do not end")
    }

    /// Sends the first form of `page` with these fields, and no redirect followed.
    pub(crate) async fn submit(&self, page: &Page, fields: &[(&str, &str)]) -> Result<Response> {
        let (_, rest) = page
            .body
            .split_once("action=\"")
            .with_context(|| format!("no form at {}: {}", page.url, page.body))?;
        let (action, _) = rest.split_once('"').context("the form has an address")?;
        self.send(Method::POST, &action.replace("&amp;", "&"), &[], fields)
            .await
    }

    /// Fills Keycloak's form in and sends it; the answer leads back to whoever asked.
    pub(crate) async fn submit_password(&self, form: &Page, person: &Login) -> Result<Response> {
        let fields = [
            ("username", person.username.as_str()),
            ("password", person.password.as_str()),
        ];
        let _turn = turn().await?;
        let response = self.submit(form, &fields).await?;
        if response.status() != StatusCode::FOUND {
            bail!("Keycloak refused the password: {}", response.text().await?);
        }
        Ok(response)
    }

    /// Asks for `url` without a session, logs in, and arrives.
    pub(crate) async fn log_in_at(&self, url: &str, person: &Login) -> Result<Page> {
        let form = self.follow(url).await?;
        let back = self.submit_password(&form, person).await?;
        self.follow_from(back).await
    }
}

/// Whoever holds it sends a password. Keycloak refuses somebody who logs in twice at the same moment, and tests,
/// which are processes of their own, share the demo people.
async fn turn() -> Result<File> {
    let path = environment().logs.with_file_name("password.lock");
    eventually("it is our turn to log in", || async {
        let file = File::create(&path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error.into()),
        }
    })
    .await
}

/// Where a redirect leads; none when the response is none.
pub(crate) fn location(response: &Response) -> Result<Option<Url>> {
    if !response.status().is_redirection() {
        return Ok(None);
    }
    let location = response
        .headers()
        .get(LOCATION)
        .context("a redirect leads somewhere")?;
    Ok(Some(response.url().join(location.to_str()?)?))
}

/// A parameter of an address.
pub(crate) fn parameter(url: &Url, name: &str) -> Result<String> {
    let pair = url.query_pairs().find(|(key, _)| key == name);
    let (_, value) = pair.with_context(|| format!("{url} has no {name}"))?;
    Ok(value.into_owned())
}
