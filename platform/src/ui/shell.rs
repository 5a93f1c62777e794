//! The frame around every page: who looks, from where, at what, in which colours and at which moment.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use contracts::identity::Role;

use super::{
    assets,
    clock::ReaderClock,
    markup::{Markup, escape},
    navigation::{self, Link, LinkGroup, Section},
    person::{Person, role_label},
    visit::{Theme, Toast, Visit},
};

/// The name of the hidden field that every form carries its session's token in.
pub const CSRF_FIELD: &str = "csrf_token";

/// What all pages of one service share.
#[derive(Debug, Clone)]
pub struct Site {
    /// The path that all pages of the service begin with, such as `/tasks`.
    pub base: &'static str,
    /// The zone in which days begin and hours are shown.
    pub time_zone: Tz,
    /// Where people change their name and password; the identity provider's own page.
    pub profile_url: Option<String>,
}

/// The logged-in person who looks at a page.
#[derive(Debug, Clone)]
pub struct Viewer {
    /// Who it is.
    pub person: Person,
    /// Roles that mean something here.
    pub roles: Vec<Role>,
    /// The token of the session, for forms.
    pub csrf_token: String,
}

/// What a page needs even when nobody is logged in: colours and addresses of assets.
#[derive(Debug, Clone)]
pub struct Frame {
    assets: String,
    theme: Theme,
}

impl Frame {
    /// For the service whose pages begin with `base`.
    #[must_use]
    pub fn new(base: &str, theme: Theme) -> Self {
        Self {
            assets: assets::directory(base),
            theme,
        }
    }

    /// The address of an asset.
    #[must_use]
    pub fn asset(&self, name: &str) -> String {
        format!("{}/{name}", self.assets)
    }

    /// The value of `data-theme`, when the person chose one.
    #[must_use]
    pub fn theme(&self) -> Option<&'static str> {
        match self.theme {
            Theme::System => None,
            Theme::Light => Some("light"),
            Theme::Dark => Some("dark"),
        }
    }

    /// A decorative icon of the sprite.
    #[must_use]
    pub fn icon(&self, name: &str) -> Markup {
        self.drawing("i", name)
    }

    /// The same, larger.
    #[must_use]
    pub fn large_icon(&self, name: &str) -> Markup {
        self.drawing("i lg", name)
    }

    fn drawing(&self, class: &str, name: &str) -> Markup {
        Markup::new(format!(
            "<svg class=\"{class}\" aria-hidden=\"true\"><use href=\"{}/vendor/icons.svg#{}\"/></svg>",
            self.assets,
            escape(name)
        ))
    }
}

/// View model of `shell.html`: every page of a logged-in person has one in its field `shell`.
#[derive(Debug, Clone)]
pub struct Shell {
    frame: Frame,
    site: Site,
    viewer: Viewer,
    toast: Option<Toast>,
    clock: ReaderClock,
    section: Option<Section>,
}

impl Shell {
    /// The frame of a page that belongs to no section.
    #[must_use]
    pub fn new(site: &Site, visit: Visit, viewer: Viewer, now: DateTime<Utc>) -> Self {
        Self {
            frame: Frame::new(site.base, visit.theme),
            clock: ReaderClock::new(now, site.time_zone),
            site: site.clone(),
            viewer,
            toast: visit.toast,
            section: None,
        }
    }

    /// The same frame, for a page of this section.
    #[must_use]
    pub fn at(self, section: Section) -> Self {
        Self {
            section: Some(section),
            ..self
        }
    }

    /// Colours and asset addresses.
    #[must_use]
    pub fn frame(&self) -> &Frame {
        &self.frame
    }

    /// A decorative icon.
    #[must_use]
    pub fn icon(&self, name: &str) -> Markup {
        self.frame.icon(name)
    }

    /// Times as the reader says them.
    #[must_use]
    pub fn clock(&self) -> &ReaderClock {
        &self.clock
    }

    /// Who looks.
    #[must_use]
    pub fn person(&self) -> &Person {
        &self.viewer.person
    }

    /// The role with the widest rights, as a word.
    #[must_use]
    pub fn role(&self) -> &'static str {
        role_label(&self.viewer.roles)
    }

    /// The message left by the last action.
    #[must_use]
    pub fn toast(&self) -> Option<&Toast> {
        self.toast.as_ref()
    }

    /// The hidden field that proves that a form came from a page of this session.
    #[must_use]
    pub fn csrf_field(&self) -> Markup {
        Markup::new(format!(
            "<input type=\"hidden\" name=\"{CSRF_FIELD}\" value=\"{}\">",
            escape(&self.viewer.csrf_token)
        ))
    }

    /// Where the form that signs out is sent.
    #[must_use]
    pub fn sign_out_path(&self) -> String {
        format!("{}/logout", self.site.base)
    }

    /// Where people change their name and password.
    #[must_use]
    pub fn profile_url(&self) -> Option<&str> {
        self.site.profile_url.as_deref()
    }

    /// The menu.
    #[must_use]
    pub fn menu(&self) -> Vec<LinkGroup> {
        navigation::menu(&self.viewer.roles, self.section)
    }

    /// The tab bar of small screens.
    #[must_use]
    pub fn tabs(&self) -> Vec<Link> {
        navigation::tabs(&self.viewer.roles, self.section)
    }

    /// Where the person starts.
    #[must_use]
    pub fn home(&self) -> &'static str {
        navigation::home(&self.viewer.roles)
    }
}
