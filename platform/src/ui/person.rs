//! A person as pages show one: name, initials and a colour that stays the same everywhere.

use contracts::identity::Role;
use uuid::Uuid;

/// How many colours `app.css` has for avatars: the classes `h1` to `h6`.
const HUES: u128 = 6;

/// Somebody with a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Keycloak's id.
    pub id: Uuid,
    /// The name to show.
    pub name: String,
}

impl Person {
    /// Takes the name as it is.
    #[must_use]
    pub fn new(id: Uuid, name: impl Into<String>) -> Self {
        Self {
            id,
            name: name.into(),
        }
    }

    /// First and last name, or the login name when both are empty.
    #[must_use]
    pub fn from_names(id: Uuid, first: &str, last: &str, username: &str) -> Self {
        let name = [first.trim(), last.trim()]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join(" ");
        Self::new(
            id,
            if name.is_empty() {
                username.to_owned()
            } else {
                name
            },
        )
    }

    /// Somebody of whom only the id has arrived so far.
    #[must_use]
    pub fn unknown(id: Uuid) -> Self {
        Self::new(id, "Unknown person")
    }

    /// Up to two letters: of the first and of the last word.
    #[must_use]
    pub fn initials(&self) -> String {
        let mut letters = self.name.split_whitespace().filter_map(|word| {
            word.chars()
                .find(|letter| letter.is_alphanumeric())
                .map(|letter| letter.to_uppercase().to_string())
        });
        let first = letters.next().unwrap_or_else(|| "?".to_owned());
        let last = letters.next_back().unwrap_or_default();
        first + &last
    }

    /// The class of this person's colour, drawn from the id so that it is the same in both services.
    #[must_use]
    pub fn hue(&self) -> String {
        let mixed = self
            .id
            .as_bytes()
            .iter()
            .fold(0_u128, |sum, byte| sum * 31 % 1_000_003 + u128::from(*byte));
        format!("h{}", mixed % HUES + 1)
    }
}

/// The one word that stands below a person's own name: the role with the widest rights.
#[must_use]
pub fn role_label(roles: &[Role]) -> &'static str {
    match Role::ALL.into_iter().find(|role| roles.contains(role)) {
        Some(Role::Administrator) => "Administrator",
        Some(Role::Manager) => "Manager",
        Some(Role::Accountant) => "Accountant",
        Some(Role::Employee) => "Employee",
        None => "Guest",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Person {
        Person::new(Uuid::from_u128(7), name)
    }

    #[test]
    fn initials_come_from_the_first_and_the_last_word() {
        assert_eq!(named("Mara Lindqvist").initials(), "ML");
        assert_eq!(named("Anneke de Vries").initials(), "AV");
        assert_eq!(named("sam").initials(), "S");
        assert_eq!(named("(Ольга) петрова").initials(), "ОП");
        assert_eq!(named("  ").initials(), "?");
    }

    #[test]
    fn the_login_name_stands_in_for_a_missing_name() {
        let id = Uuid::from_u128(1);
        assert_eq!(Person::from_names(id, "Ann", "", "ann").name, "Ann");
        assert_eq!(Person::from_names(id, " ", "", "ann").name, "ann");
        assert_eq!(Person::from_names(id, "Ann", "Lee", "ann").name, "Ann Lee");
    }

    #[test]
    fn neighbouring_ids_spread_over_the_colours() {
        let hues: std::collections::BTreeSet<_> = (1..=6)
            .map(|n| Person::unknown(Uuid::from_u128(n)).hue())
            .collect();
        assert_eq!(hues.len(), 6);
    }

    #[test]
    fn the_widest_role_is_shown() {
        assert_eq!(
            role_label(&[Role::Employee, Role::Accountant]),
            "Accountant"
        );
        assert_eq!(role_label(&[]), "Guest");
    }
}
