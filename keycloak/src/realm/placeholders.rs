//! The `${NAME}` of a realm file, filled as Keycloak fills them when it imports the file.
//!
//! `${A,B:default}` is the first variable of the list that is set, or else the default. Names that
//! are not in capitals belong to Keycloak's pages, such as `${client_account}`, and stay.

use std::collections::BTreeSet;

use serde_json::Value;

use super::RealmError;

/// Fills every text of `file`. A client whose secret is not set has none afterwards, and people are left out.
///
/// # Errors
/// [`RealmError::Unset`] names the variables that are not set and have no default.
pub(super) fn fill(
    mut file: Value,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Value, RealmError> {
    leave_people_out(&mut file);
    let mut filler = Filler {
        variable,
        unset: BTreeSet::new(),
    };
    filler.fill(&mut file);
    if filler.unset.is_empty() {
        return Ok(file);
    }
    let names: Vec<String> = filler.unset.into_iter().collect();
    Err(RealmError::Unset(names.join(", ")))
}

fn leave_people_out(file: &mut Value) {
    if let Some(users) = file.get_mut("users").and_then(Value::as_array_mut) {
        users.retain(|user| user.get("serviceAccountClientId").is_some());
    }
}

struct Filler<V> {
    variable: V,
    unset: BTreeSet<String>,
}

impl<V: Fn(&str) -> Option<String>> Filler<V> {
    fn fill(&mut self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.filled(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.fill(item)),
            Value::Object(fields) => {
                for (name, field) in fields {
                    self.fill_field(name, field);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn fill_field(&mut self, name: &str, field: &mut Value) {
        if name == "secret" {
            *field = self.secret(field);
        } else {
            self.fill(field);
        }
    }

    /// Secrets are compared on demand only, so they may be unknown.
    fn secret(&self, field: &Value) -> Value {
        let mut apart = Filler {
            variable: &self.variable,
            unset: BTreeSet::new(),
        };
        let mut secret = field.clone();
        if let Value::String(text) = &mut secret {
            *text = apart.filled(text);
        }
        if apart.unset.is_empty() {
            secret
        } else {
            Value::Null
        }
    }

    fn filled(&mut self, text: &str) -> String {
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, found)) = rest.split_once("${") {
            filled.push_str(before);
            let Some((inside, after)) = found.split_once('}') else {
                filled.push_str("${");
                rest = found;
                continue;
            };
            match self.value_of(inside) {
                Some(value) => filled.push_str(&value),
                None => filled.extend(["${", inside, "}"]),
            }
            rest = after;
        }
        filled.push_str(rest);
        filled
    }

    fn value_of(&mut self, inside: &str) -> Option<String> {
        let (names, default) = match inside.split_once(':') {
            Some((names, default)) => (names, Some(default)),
            None => (inside, None),
        };
        let value = names
            .split(',')
            .find_map(&self.variable)
            .or_else(|| default.map(str::to_owned));
        if value.is_none() && !names.contains(|letter: char| letter.is_ascii_lowercase()) {
            self.unset.insert(names.replace(',', " or "));
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn variable(name: &str) -> Option<String> {
        match name {
            "ORIGIN" => Some("http://localhost".to_owned()),
            "PORT" => Some("25".to_owned()),
            _ => None,
        }
    }

    #[test]
    fn the_first_variable_that_is_set_counts_and_then_the_default() {
        let file = json!({"a": "${BACK,ORIGIN}/x", "b": ["${PORT:17}", "${HOST:here}"], "c": "${client_account} ${"});
        let filled = fill(file, variable).unwrap();
        assert_eq!(
            filled,
            json!({"a": "http://localhost/x", "b": ["25", "here"], "c": "${client_account} ${"})
        );
    }

    #[test]
    fn a_variable_without_value_is_refused_by_name() {
        let refused = fill(json!({"a": "${ORIGIN} ${BACK,FRONT} ${HOST}"}), variable).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "the realm file needs variables that are not set: BACK or FRONT, HOST"
        );
    }

    #[test]
    fn secrets_may_be_unknown_and_people_do_not_matter() {
        let file = json!({
            "clients": [{"secret": "${SECRET}"}, {"secret": "${PORT}"}],
            "users": [{"username": "ann", "credentials": "${PASSWORD}"}, {"serviceAccountClientId": "m2m"}]
        });
        let filled = fill(file, variable).unwrap();
        assert_eq!(
            filled["clients"],
            json!([{"secret": null}, {"secret": "25"}])
        );
        assert_eq!(filled["users"], json!([{"serviceAccountClientId": "m2m"}]));
    }
}
