//! Error texts of the world: what the API, clouds and gateways really send, with the class and what a run
//! does about it. Long texts are shortened; the words that decide are the true ones (documentation,
//! sources, and bodies pasted in public issues, 2023 to 2026). A new text is a row of the table of whoever
//! sends it.

mod bedrock;
mod first_party;
mod foundry;
mod gateways;
mod litellm;
mod openrouter;
mod vertex;

use super::tests::read;
use crate::model::{ErrorClass, Treatment};

/// Status, headers, body, class, treatment.
type Row = (
    u16,
    &'static [(&'static str, &'static str)],
    &'static str,
    ErrorClass,
    Treatment,
);

const NO_HEADERS: &[(&str, &str)] = &[];

/// How many texts the tables hold at least.
const LEAST: usize = 200;

fn all() -> impl Iterator<Item = (&'static str, &'static Row)> {
    [
        ("first party", first_party::TEXTS),
        ("Amazon Bedrock", bedrock::TEXTS),
        ("Google Vertex AI", vertex::TEXTS),
        ("Microsoft Foundry", foundry::TEXTS),
        ("LiteLLM", litellm::TEXTS),
        ("OpenRouter", openrouter::TEXTS),
        ("gateways", gateways::TEXTS),
    ]
    .into_iter()
    .flat_map(|(from, texts)| texts.iter().map(move |text| (from, text)))
}

#[test]
fn every_text_of_the_world_has_its_class_and_its_treatment() {
    let mut wrong = Vec::new();
    for (from, (status, headers, body, class, treatment)) in all() {
        let told = match read(*status, headers, body) {
            Ok(message) => message.mark,
            Err(failure) => Some(failure.class),
        };
        if told != Some(*class) {
            wrong.push(format!("{from} {status} {body}\n    {told:?}, not {class}"));
        }
        assert_eq!(class.treatment(), *treatment, "{from} {status} {body}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(all().count() >= LEAST, "{}", all().count());
}

#[test]
fn no_text_is_there_twice() {
    let mut seen = std::collections::BTreeSet::new();
    for (from, (status, headers, body, ..)) in all() {
        assert!(
            seen.insert((status, headers, body)),
            "{from} {status} {body}"
        );
    }
}

#[test]
fn words_that_stop_more_than_their_job_count_in_no_request_that_holds_them() {
    for (_, (status, headers, body, class, treatment)) in all() {
        let Err(mut failure) = read(*status, headers, body) else {
            continue;
        };
        let Some((words, _)) = failure.revision.as_ref().and_then(|it| it.quoted) else {
            continue;
        };
        // A prompt that quotes the whole error.
        let request = serde_json::json!({"messages": [{"role": "user", "content": body}]});
        super::take_back_what_it_quotes(&mut failure, &request.to_string());
        let status_says_it = failure.class.treatment() == *treatment;
        assert!(
            failure.class != *class || status_says_it,
            "{status} {body}: {words:?}"
        );
        let mut other = read(*status, headers, body).unwrap_err();
        super::take_back_what_it_quotes(&mut other, r#"{"messages":"something else"}"#);
        assert_eq!(other.class, *class, "{status} {body}");
    }
}

#[test]
fn words_that_halt_count_under_no_5xx_of_their_own_shape() {
    // The denials of clouds are let through under 500, and what stood inside another error is not the
    // outer's.
    for (from, (status, headers, body, class, treatment)) in all() {
        let halts = *treatment == Treatment::Halt || *treatment == Treatment::HoldModel;
        if !halts || *status >= 500 || *status < 300 {
            continue;
        }
        let failure = read(503, headers, body).unwrap_err();
        let by_words = failure
            .revision
            .as_ref()
            .is_some_and(|it| it.quoted.is_some());
        let is_inside = body.contains("Exception - ")
            || body.contains("\"raw\"")
            || body.contains("rror: ")
            || body.contains("errors: ");
        assert!(!by_words || is_inside, "{from} {status} {body}: {class}");
    }
}
