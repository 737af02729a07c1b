//! Answers that stand where the API's would, and are none.

use super::{MAX_ERROR_TEXT, api_error, read};

#[test]
fn what_the_api_did_not_send_has_words_of_its_own() {
    let page = "<html><title>No</title></html>";
    for (status, own) in [
        (401, "asks for a login of its own"),
        (407, "the proxy takes nobody without user and password"),
        (413, "takes only smaller requests"),
        (422, "checks requests by rules of its own"),
    ] {
        for body in [
            page,
            "",
            "no",
            r#"{"detail":[{"loc":["body"]}]}"#,
            r#"{"message":"no"}"#,
        ] {
            let failure = read(status, &[], body).unwrap_err();
            let message = failure.evidence.message.unwrap();
            assert!(message.contains(own), "{status} {body}: {message}");
            assert!(
                message.starts_with(&format!("HTTP {status} with ")),
                "{message}"
            );
        }
        let theirs = read(status, &[], &api_error("invalid_request_error", "no")).unwrap_err();
        assert_eq!(theirs.evidence.message.as_deref(), Some("no"));
        let long = read(status, &[], &"word ".repeat(10_000)).unwrap_err();
        let message = long.evidence.message.unwrap();
        assert!(
            message.contains(own) && message.len() <= MAX_ERROR_TEXT,
            "{message}"
        );
    }
}
