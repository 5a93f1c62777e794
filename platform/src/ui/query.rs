//! The query part of an address, written from its fields.

use url::form_urlencoded::Serializer;

/// `?key=value&…` in the order given, without the fields that are empty; nothing when all are.
#[must_use]
pub fn encode_query(fields: &[(&str, &str)]) -> String {
    let filled = fields.iter().filter(|(_, value)| !value.is_empty());
    let encoded = Serializer::new(String::new()).extend_pairs(filled).finish();
    if encoded.is_empty() {
        encoded
    } else {
        format!("?{encoded}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_fields_are_left_out_and_the_others_encoded() {
        assert_eq!(encode_query(&[("view", ""), ("q", "")]), "");
        assert_eq!(
            encode_query(&[("q", "a&b ü"), ("view", ""), ("after", "x/y")]),
            "?q=a%26b+%C3%BC&after=x%2Fy"
        );
    }
}
