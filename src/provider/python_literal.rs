//! Python's way to print a dictionary, turned into JSON: that is how the Python SDK and LiteLLM show bodies.

/// Turns the first dictionary of `text`, which begins with `{`, into JSON text. None if it has no
/// end. What is between the quotes is kept; names other than Python's constants are left as they
/// are, so that the JSON reader refuses them.
pub fn to_json(text: &str) -> Option<String> {
    let mut json = String::new();
    let mut chars = text.chars().peekable();
    let mut depth = 0_usize;
    while let Some(c) = chars.next() {
        match c {
            '\'' | '"' => string(c, &mut chars, &mut json)?,
            '{' | '[' => {
                depth += 1;
                json.push(c);
            }
            '}' | ']' => {
                // A closing bracket too many: this is no literal.
                depth = depth.checked_sub(1)?;
                json.push(c);
                // Whatever follows the object is another text.
                if depth == 0 {
                    return Some(json);
                }
            }
            c if c.is_ascii_alphabetic() => {
                let mut word = String::from(c);
                while let Some(next) = chars.next_if(char::is_ascii_alphabetic) {
                    word.push(next);
                }
                json.push_str(match word.as_str() {
                    "True" => "true",
                    "False" => "false",
                    "None" => "null",
                    other => other,
                });
            }
            c => json.push(c),
        }
    }
    None
}

/// The string after an opening quote.
fn string(
    quote: char,
    chars: &mut std::iter::Peekable<std::str::Chars<'_>>,
    json: &mut String,
) -> Option<()> {
    let mut text = String::new();
    loop {
        match chars.next()? {
            c if c == quote => break,
            '\\' => text.push_str(&escape(chars)?),
            c => text.push(c),
        }
    }
    json.push_str(&serde_json::Value::from(text).to_string());
    Some(())
}

/// What an escape stands for. Ones that are not known stay as they are, as in Python.
fn escape(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<String> {
    let code = |chars: &mut std::iter::Peekable<std::str::Chars<'_>>, digits: usize| {
        let digits: String = chars.by_ref().take(digits).collect();
        let number = u32::from_str_radix(&digits, 16).ok()?;
        Some(
            char::from_u32(number)
                .unwrap_or(char::REPLACEMENT_CHARACTER)
                .to_string(),
        )
    };
    match chars.next()? {
        'n' => Some("\n".to_owned()),
        't' => Some("\t".to_owned()),
        'r' => Some("\r".to_owned()),
        'x' => code(chars, 2),
        'u' => code(chars, 4),
        c @ ('\'' | '"' | '\\') => Some(c.to_string()),
        c => Some(format!("\\{c}")),
    }
}

#[cfg(test)]
mod tests {
    use super::to_json;

    #[test]
    fn dictionaries_become_json() {
        for (python, json) in [
            (
                "{'a': None, 'b': [True, False, 1.5]} tail",
                r#"{"a": null, "b": [true, false, 1.5]}"#,
            ),
            (
                r#"{'a': "it's", 'b': 'say "x"'}"#,
                r#"{"a": "it's", "b": "say \"x\""}"#,
            ),
            (r"{'a': 'it\'s\n\x41\u00e4\q'}", r#"{"a": "it's\nAä\\q"}"#),
            ("{'None': 'None'}", r#"{"None": "None"}"#),
        ] {
            assert_eq!(to_json(python).as_deref(), Some(json), "{python}");
        }
    }

    #[test]
    fn a_dictionary_that_was_cut_is_none() {
        for python in ["{'a': 'b", "{'a': {}", "{", r"{'a': '\", r"{'a': '\x4"] {
            assert_eq!(to_json(python), None, "{python}");
        }
    }
}
