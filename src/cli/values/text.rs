//! Text that is sent as it is: ids and the values of headers; and names of variables.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Text that is sent as the value of a header: visible ASCII characters and spaces, on one line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(inline, extend("pattern" = "^[ -~]*$"))]
pub struct HeaderText(pub String);

/// The id of a model: one word. Whether there is such a model only the API knows.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(inline, extend("minLength" = 1))]
pub struct ModelId(pub String);

/// The name of an environment variable that holds a key: in capitals as is the custom, since what
/// is no such name may be a key that was written in its place; and named as keys are, so that no
/// other variable's value is sent by mistake.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(inline, extend("pattern" = "^[A-Z_][A-Z0-9_]*_(KEY|TOKEN)$"))]
pub struct KeyVariable(pub String);

impl FromStr for HeaderText {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let value = text.trim();
        if value.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            Ok(Self(value.to_owned()))
        } else {
            Err("holds a character that no HTTP header may carry (a line break or a letter outside ASCII)".to_owned())
        }
    }
}

impl FromStr for ModelId {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let id = text.trim();
        if id.is_empty() || id.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err("must be the id of one model, such as claude-haiku-5-5".to_owned());
        }
        Ok(Self(id.to_owned()))
    }
}

impl FromStr for KeyVariable {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let fits = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
        let begins_well = text.starts_with(|c: char| !c.is_ascii_digit());
        if !begins_well || !text.bytes().all(fits) {
            return Err("must be the name of an environment variable in capitals, such as OTHER_API_KEY, and not the key itself".to_owned());
        }
        if !["_KEY", "_TOKEN"].iter().any(|end| text.ends_with(end)) {
            return Err("must be a name that ends in _KEY or _TOKEN, such as OTHER_API_KEY, so that no other variable is sent by mistake".to_owned());
        }
        Ok(Self(text.to_owned()))
    }
}

from_text!(HeaderText, ModelId, KeyVariable);

/// A path without the quotes, blanks and line ends that came along when it was copied, as with a key.
#[must_use]
pub fn bare(path: &Path) -> PathBuf {
    let is_around = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '"' | '\'');
    let trimmed = path.to_str().map(|text| text.trim_matches(is_around));
    match trimmed.filter(|text| !text.is_empty()) {
        Some(text) => PathBuf::from(text),
        None => path.to_path_buf(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_that_holds_a_key_is_named_so_and_is_no_key() {
        for name in ["OTHER_API_KEY", "_KEY", "A1_TOKEN"] {
            assert_eq!(name.parse(), Ok(KeyVariable(name.to_owned())));
        }
        for text in [
            "",
            "1A_KEY",
            "sk-ant-hidden",
            "a_key",
            "A KEY",
            "$A_KEY",
            "A=B_KEY",
            "HOME",
            "PGPASSWORD",
            "TOKENS",
            "A_KEYS",
            "A_KEY_ID",
        ] {
            let why = text.parse::<KeyVariable>().unwrap_err();
            assert!(text.is_empty() || !why.contains(text), "{why}");
        }
    }

    #[test]
    fn the_value_of_a_header_cannot_break_the_request() {
        assert_eq!(" a b ".parse(), Ok(HeaderText("a b".to_owned())));
        for bad in ["a\nb", "a\r\nb", "ä", "a\0"] {
            assert!(bad.parse::<HeaderText>().is_err(), "{bad:?}");
        }
    }
}
