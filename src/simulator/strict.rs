//! What the API's parser refuses although the grammar of JSON allows it.
//!
//! The parser that the API's refusals quote (`no low surrogate in string: line 1 column 61594 (char
//! 61593)`, seen live) takes no half of a surrogate pair, no number that is not finite, and no more
//! than 1,024 levels. A body with any of them is refused as a whole: no field and no entry is named.

use super::errors::ApiError;

const MOST_LEVELS: usize = 1_024;

/// Checks a body, or a piece of one that stands `levels` deep in it.
pub(super) fn check(json: &[u8], levels: usize) -> Result<(), ApiError> {
    let mut levels = levels;
    let mut at = 0;
    while let Some(byte) = json.get(at) {
        let rest = &json[at..];
        let length = match byte {
            b'"' => {
                let length = string_length(rest);
                // The parser of the standard crate looks into escapes only where it keeps the text.
                if serde_json::from_slice::<String>(&rest[..length]).is_err() {
                    return Err(refused("no low surrogate in string", at));
                }
                length
            }
            b'-' | b'0'..=b'9' => {
                let part =
                    |byte: &&u8| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
                let length = rest.iter().take_while(part).count();
                if serde_json::from_slice::<f64>(&rest[..length]).is_err() {
                    return Err(refused("number is infinity when parsed as double", at));
                }
                length
            }
            // The levels around an entry of a batch count, too.
            b'{' | b'[' if levels == MOST_LEVELS => {
                return Err(refused("array and object recursion depth exceeded", at));
            }
            b'{' | b'[' => {
                levels += 1;
                1
            }
            b'}' | b']' => {
                levels = levels.saturating_sub(1);
                1
            }
            _ => 1,
        };
        at += length;
    }
    Ok(())
}

/// Bytes of the string at the beginning of this text, its quotes included.
fn string_length(json: &[u8]) -> usize {
    let mut escaped = false;
    let end = json.iter().skip(1).position(|byte| {
        let ends = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        ends
    });
    end.map_or(json.len(), |end| end + 2)
}

fn refused(why: &str, at: usize) -> ApiError {
    ApiError::invalid(format!(
        "The request body is not valid JSON: {why}: line 1 column {} (char {at})",
        at + 1
    ))
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn a_body_that_no_strict_parser_takes_is_refused_whole() {
        let deep = "[".repeat(1_025);
        for (body, why) in [
            (
                r#"{"a":"\ud800"}"#,
                "no low surrogate in string: line 1 column 6 (char 5)",
            ),
            (
                r#"{"\udc00":1}"#,
                "no low surrogate in string: line 1 column 2 (char 1)",
            ),
            (
                r#"{"a":[-1e400]}"#,
                "number is infinity when parsed as double: line 1 column 7",
            ),
            (&deep, "recursion depth exceeded: line 1 column 1025"),
        ] {
            let error = check(body.as_bytes(), 0).expect_err(body);
            assert_eq!((error.status, error.kind), (400, "invalid_request_error"));
            assert!(
                error
                    .message
                    .starts_with("The request body is not valid JSON: ")
            );
            assert!(error.message.contains(why), "{}", error.message);
        }
        assert!(check(b"{}", 1_024).is_err());
    }

    #[test]
    fn everything_else_is_let_through() {
        let body = r#"{"a":"\ud83d\ude00 \" \\","b":[1e308,-0.5,1e-400],"c":"[[1e400"}"#;
        assert!(check(body.as_bytes(), 1_022).is_ok());
    }
}
