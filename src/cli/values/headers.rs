//! Headers that the user adds to every request.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use secrecy::SecretString;
use serde::{Deserialize, Serialize, Serializer};

use super::HeaderText;

/// A header for every request. Its value may be a credential of a gateway, so it is never shown.
#[derive(Clone, Debug)]
pub struct CustomHeader {
    /// Its name, as the user wrote it.
    pub name: String,
    /// Its value.
    pub value: SecretString,
}

impl CustomHeader {
    /// A checked header.
    ///
    /// # Errors
    ///
    /// Says what is wrong, without repeating the value.
    pub fn new(name: &str, value: &str) -> Result<Self, String> {
        let name = header_name(name)?;
        let value: HeaderText = value
            .parse()
            .map_err(|why| format!("the value of the header `{name}` {why}"))?;
        Ok(Self {
            name,
            value: value.0.into(),
        })
    }
}

/// The name of an HTTP header that a user may add. What the protocol needs is ours to write.
fn header_name(text: &str) -> Result<String, String> {
    // `origin` is none of ours: with it, the API takes us for a browser and may refuse the key.
    const OURS: [&str; 7] = [
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "origin",
        "transfer-encoding",
    ];
    let name = text.trim();
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err("a header's name may hold letters, digits and hyphens".to_owned());
    }
    if OURS.contains(&name.to_ascii_lowercase().as_str()) {
        return Err(format!(
            "the header `{}` belongs to claude-run itself",
            name.to_ascii_lowercase()
        ));
    }
    Ok(name.to_owned())
}

/// Headers by name. Only the names are ever shown.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(try_from = "BTreeMap<String, String>")]
pub struct HeaderTable(pub Vec<CustomHeader>);

impl TryFrom<BTreeMap<String, String>> for HeaderTable {
    type Error = String;
    fn try_from(headers: BTreeMap<String, String>) -> Result<Self, String> {
        let headers = headers.iter();
        headers
            .map(|(name, value)| CustomHeader::new(name, value))
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl Serialize for HeaderTable {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|header| &header.name))
    }
}

impl JsonSchema for HeaderTable {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "HeaderTable".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object", "additionalProperties": { "type": "string", "pattern": "^[ -~]*$" } })
    }
}

/// Reads `ANTHROPIC_CUSTOM_HEADERS`: one `Name: value` per line, blank lines aside. Quotes around
/// all of it, a line or a value are what copying left there.
///
/// # Errors
///
/// Names the line and says what is wrong with it, without repeating it.
pub fn parse_headers(text: &str) -> Result<Vec<CustomHeader>, String> {
    // Numbered with the empty lines, so that the number is the one that an editor shows.
    let lines = without_pair(text).lines().enumerate();
    lines
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(index, line)| {
            let (name, value) = without_pair(line)
                .split_once(':')
                .ok_or("it is not of the form `Name: value`".to_owned())
                .map_err(|why| format!("line {}: {why}", index + 1))?;
            CustomHeader::new(name, without_pair(value))
                .map_err(|why| format!("line {}: {why}", index + 1))
        })
        .collect()
}

/// The text without the quotes around it, if the same stand at both ends: one alone belongs to it.
fn without_pair(text: &str) -> &str {
    let text = text.trim();
    let inside = |quote: char| text.strip_prefix(quote)?.strip_suffix(quote);
    let inside = ['"', '\'', '`'].into_iter().find_map(inside);
    inside.map_or(text, str::trim)
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn headers_are_read_line_by_line() {
        let headers = parse_headers("X-Team: red\r\n\n X-Url : http://h:1 \n").unwrap();
        let read: Vec<_> = headers
            .iter()
            .map(|header| (header.name.as_str(), header.value.expose_secret()))
            .collect();
        assert_eq!(read, [("X-Team", "red"), ("X-Url", "http://h:1")]);
    }

    #[test]
    fn a_name_cannot_break_the_request() {
        assert_eq!(header_name(" X-Team ").as_deref(), Ok("X-Team"));
        for bad in ["", "a b", "a:b", "ä", "Content-Length", "ORIGIN"] {
            assert!(header_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn quotes_around_all_a_line_or_a_value_are_taken_off() {
        for text in [
            "\"X-Team: red\"\r\n",
            "'X-Team: red'",
            "X-Team: 'red'\r",
            "X-Team:\"red\"",
        ] {
            let headers = parse_headers(text).unwrap();
            assert_eq!(headers[0].name, "X-Team", "{text}");
            assert_eq!(headers[0].value.expose_secret(), "red", "{text}");
        }
        let kept = parse_headers("X-Say: it's \"so\"").unwrap();
        assert_eq!(kept[0].value.expose_secret(), "it's \"so\"");
    }

    #[test]
    fn a_bad_line_is_named_and_not_repeated() {
        for text in [
            "A: b\nhidden",
            "A: b\nhid den: c",
            "A: b\nC: hidden\u{1}",
            "A: b\nOrigin: hidden",
        ] {
            let why = parse_headers(text).unwrap_err();
            assert!(why.starts_with("line 2: "), "{why}");
            assert!(!why.contains("hidden"), "{why}");
        }
    }

    #[test]
    fn debug_shows_no_value() {
        let header = CustomHeader::new("X", "hidden").unwrap();
        assert!(!format!("{header:?}").contains("hidden"));
    }
}
