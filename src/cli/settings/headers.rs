//! Headers that the user adds to every request.

use secrecy::SecretString;

use crate::cli::values;

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
        let name = values::header_name(name)?;
        let value = values::header_value(value)
            .map_err(|why| format!("the value of the header `{name}` {why}"))?;
        Ok(Self {
            name,
            value: value.into(),
        })
    }
}

/// Reads `ANTHROPIC_CUSTOM_HEADERS`: one `Name: value` per line, blank lines aside. Quotes around
/// all of it, a line or a value are what copying left there.
///
/// # Errors
///
/// Names the line and says what is wrong with it, without repeating it.
pub fn parse_headers(text: &str) -> Result<Vec<CustomHeader>, String> {
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
