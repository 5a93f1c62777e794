//! The one list of pages that menus, the tab bar, the command palette and the shortcuts lead to.
//!
//! A new page is one [`Entry`] in [`ENTRIES`] and one [`Section`].

use contracts::identity::Role;

/// The part of the product that a page belongs to; menus mark it as the current place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// Every task, and single tasks.
    Tasks,
    /// The tasks of the person who looks.
    MyTasks,
    /// The account of the person who looks.
    MyAccount,
    /// What is stuck and how to move it on.
    Operations,
}

/// A heading of the menu.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Group {
    Work,
    Money,
    System,
}

impl Group {
    const ALL: [Self; 3] = [Self::Work, Self::Money, Self::System];

    const fn title(self) -> &'static str {
        match self {
            Self::Work => "Work",
            Self::Money => "Money",
            Self::System => "System",
        }
    }
}

/// A place in the tab bar of small screens; several sections may share one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tab {
    Tasks,
    Account,
}

impl Tab {
    const ALL: [Self; 2] = [Self::Tasks, Self::Account];

    const fn label(self) -> &'static str {
        match self {
            Self::Tasks => "Tasks",
            Self::Account => "Account",
        }
    }

    const fn icon(self) -> &'static str {
        match self {
            Self::Tasks => "list-checks",
            Self::Account => "wallet",
        }
    }
}

/// Who finds a page in the menu. What a page shows is decided by its service, not here.
#[derive(Debug, Clone, Copy)]
enum Audience {
    Everybody,
    /// All but managers and administrators, who are not drawn for tasks.
    Performers,
    Administrators,
}

impl Audience {
    fn includes(self, roles: &[Role]) -> bool {
        match self {
            Self::Everybody => true,
            Self::Performers => !leads(roles),
            Self::Administrators => roles.contains(&Role::Administrator),
        }
    }
}

/// One page of the menu.
#[derive(Debug, Clone, Copy)]
struct Entry {
    section: Section,
    group: Group,
    /// None where only the menu leads to it.
    tab: Option<Tab>,
    audience: Audience,
    path: &'static str,
    label: &'static str,
    icon: &'static str,
    /// The key after `G`.
    key: char,
}

const ENTRIES: &[Entry] = &[
    Entry {
        section: Section::Tasks,
        group: Group::Work,
        tab: Some(Tab::Tasks),
        audience: Audience::Everybody,
        path: "/tasks",
        label: "Tasks",
        icon: "list-checks",
        key: 't',
    },
    Entry {
        section: Section::MyTasks,
        group: Group::Work,
        tab: Some(Tab::Tasks),
        audience: Audience::Performers,
        path: "/tasks/mine",
        label: "My tasks",
        icon: "circle-check",
        key: 'm',
    },
    Entry {
        section: Section::MyAccount,
        group: Group::Money,
        tab: Some(Tab::Account),
        audience: Audience::Everybody,
        path: "/finance/me",
        label: "My account",
        icon: "wallet",
        key: 'a',
    },
    Entry {
        section: Section::Operations,
        group: Group::System,
        tab: None,
        audience: Audience::Administrators,
        path: "/operations",
        label: "Operations",
        icon: "activity",
        key: 'o',
    },
];

/// A heading with its links.
#[derive(Debug)]
pub struct LinkGroup {
    /// The heading.
    pub title: &'static str,
    /// The pages below it, never empty.
    pub links: Vec<Link>,
}

/// A link to a page.
#[derive(Debug)]
pub struct Link {
    /// The path.
    pub href: &'static str,
    /// The name of the page.
    pub label: &'static str,
    /// The name of its icon.
    pub icon: &'static str,
    /// The key after `G`; none in the tab bar.
    pub key: Option<char>,
    /// Whether the page shown belongs to it.
    pub is_current: bool,
}

/// The menu of somebody with these roles.
pub(super) fn menu(roles: &[Role], current: Option<Section>) -> Vec<LinkGroup> {
    Group::ALL
        .into_iter()
        .map(|group| LinkGroup {
            title: group.title(),
            links: visible(roles)
                .filter(|entry| entry.group == group)
                .map(|entry| Link {
                    href: entry.path,
                    label: entry.label,
                    icon: entry.icon,
                    key: Some(entry.key),
                    is_current: current == Some(entry.section),
                })
                .collect(),
        })
        .filter(|group| !group.links.is_empty())
        .collect()
}

/// The tab bar of somebody with these roles, without its last place, which opens the menu.
pub(super) fn tabs(roles: &[Role], current: Option<Section>) -> Vec<Link> {
    let current_tab = ENTRIES
        .iter()
        .find(|entry| Some(entry.section) == current)
        .and_then(|entry| entry.tab);
    Tab::ALL
        .into_iter()
        .filter_map(|tab| {
            let first = visible(roles).find(|entry| entry.tab == Some(tab))?;
            let href = match tab {
                Tab::Tasks => home(roles),
                Tab::Account => first.path,
            };
            Some(Link {
                href,
                label: tab.label(),
                icon: tab.icon(),
                key: None,
                is_current: current_tab == Some(tab),
            })
        })
        .collect()
}

/// Where somebody with these roles starts: the whole board, or their own tasks.
#[must_use]
pub fn home(roles: &[Role]) -> &'static str {
    if leads(roles) {
        "/tasks"
    } else {
        "/tasks/mine"
    }
}

fn visible(roles: &[Role]) -> impl Iterator<Item = &'static Entry> {
    ENTRIES
        .iter()
        .filter(move |entry| entry.audience.includes(roles))
}

fn leads(roles: &[Role]) -> bool {
    roles
        .iter()
        .any(|role| matches!(role, Role::Manager | Role::Administrator))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::ui::assets::has_icon;

    fn labels(roles: &[Role]) -> Vec<&'static str> {
        menu(roles, None)
            .into_iter()
            .flat_map(|group| group.links)
            .map(|link| link.label)
            .collect()
    }

    #[test]
    fn only_those_who_can_be_drawn_have_tasks_of_their_own() {
        assert_eq!(
            labels(&[Role::Employee]),
            ["Tasks", "My tasks", "My account"]
        );
        assert_eq!(
            labels(&[Role::Manager, Role::Employee]),
            ["Tasks", "My account"]
        );
        assert_eq!(
            labels(&[Role::Administrator]),
            ["Tasks", "My account", "Operations"]
        );
        assert_eq!(home(&[Role::Accountant]), "/tasks/mine");
        assert_eq!(home(&[Role::Administrator, Role::Employee]), "/tasks");
    }

    #[test]
    fn the_tab_bar_marks_the_place_that_several_pages_share() {
        let tabs = tabs(&[Role::Employee], Some(Section::MyTasks));
        let current: Vec<_> = tabs.iter().filter(|tab| tab.is_current).collect();
        assert_eq!(current.len(), 1);
        assert_eq!(
            (current[0].label, current[0].href),
            ("Tasks", "/tasks/mine")
        );
    }

    #[test]
    fn keys_are_unique_and_icons_exist() {
        let keys: BTreeSet<_> = ENTRIES.iter().map(|entry| entry.key).collect();
        assert_eq!(keys.len(), ENTRIES.len());
        for entry in ENTRIES {
            assert!(has_icon(entry.icon), "{}", entry.icon);
        }
    }
}
