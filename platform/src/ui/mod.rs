//! The page shell that both services share: frame, assets, navigation, and how times, money and text are shown.
//!
//! Templates of the shell lie in `platform/templates`; a service names that folder in its `askama.toml`
//! and its pages extend `shell.html`.

pub mod assets;
mod clock;
mod guard;
pub mod html_check;
pub mod markdown;
mod markup;
mod money;
mod navigation;
mod page_problem;
mod person;
mod policy;
mod query;
mod shell;
mod visit;

pub use clock::ReaderClock;
pub use guard::PageGuard;
pub use markup::Markup;
pub use money::{Money, grouped};
pub use navigation::{Link, LinkGroup, Section, home};
pub use page_problem::{PageProblem, PlainProblem, ShellProblem};
pub use person::{Person, role_label};
pub use query::encode_query;
pub use shell::{CSRF_FIELD, Frame, Shell, Site, Viewer};
pub use visit::{Theme, Toast, ToastLink, Visit, forget_shown_toast, is_local};
