//! Tables and properties of what is asked next.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::model::ErrorClass as C;

const HAIKU: &str = "claude-haiku-5-5";
const SONNET: &str = "claude-sonnet-5-5";
/// Of the 4.5 family, with a smaller cap: 64,000.
const OLDER: &str = "claude-haiku-4-5";
const RETRY: Step = Step::RetryIn(Duration::from_secs(10));
const PAUSED: &str = r#"{"content":[{"type":"text","text":"half"}],"stop_reason":"pause_turn"}"#;

fn settings(fallback_models: &[&str]) -> AmendSettings {
    AmendSettings {
        on_truncated: OnTruncated::Raise,
        fallback_models: fallback_models.iter().map(|&id| id.to_owned()).collect(),
    }
}

fn body(model: &str, max_tokens: u64) -> RequestBody {
    RequestBody::from_json(format!(
        r#"{{"model":"{model}","max_tokens":{max_tokens},"messages":[{{"role":"user","content":"q"}}]}}"#
    ))
}

fn asked<'a>(model: &'a str, body: &'a RequestBody, amendment: Option<&'a Amendment>) -> Asked<'a> {
    Asked {
        n: 3,
        model,
        body,
        amendment,
    }
}

fn trouble(class: C, last_class: Option<C>, faults_in_row: u32, step: Step) -> Trouble {
    Trouble {
        class,
        last_class,
        faults_in_row,
        step,
        no_more_retries: false,
        outage: false,
    }
}

fn after(
    mark: C,
    message: &str,
    max_tokens: u64,
    amendment: Option<&Amendment>,
) -> Option<Amended> {
    let (settings, prices) = (settings(&[]), PriceTable::embedded());
    let body = body(HAIKU, max_tokens);
    let asked = asked(HAIKU, &body, amendment);
    after_message(&settings, &prices, asked, Some(mark), message, Pico(7))
}

#[test]
fn another_model_is_asked_on_a_refusal_and_after_two_overloads_in_a_row() {
    let cases = [
        (C::Refused, None, 0, Step::Fail, true),
        (C::Overloaded, None, 1, RETRY, false),
        (C::Overloaded, Some(C::Overloaded), 2, RETRY, true),
        (C::Unavailable, Some(C::Overloaded), 2, RETRY, true),
        // It may be the last failure that its attempt limit allows.
        (C::Overloaded, Some(C::Unavailable), 2, Step::Fail, true),
        (C::Overloaded, Some(C::ServerError), 2, RETRY, false),
        (C::ServerError, Some(C::Overloaded), 2, RETRY, false),
        // The row began anew: the attempt before asked another model.
        (C::Overloaded, Some(C::Overloaded), 1, RETRY, false),
        (C::InvalidRequest, Some(C::Overloaded), 2, Step::Fail, false),
        (C::RateLimited, Some(C::RateLimited), 0, RETRY, false),
        (C::Billing, Some(C::Overloaded), 2, Step::Halt, false),
    ];
    for (class, last, faults, step, expected) in cases {
        let trouble = trouble(class, last, faults, step);
        assert_eq!(wants_another_model(&trouble), expected, "{trouble:?}");
    }
}

#[test]
fn in_a_known_outage_the_first_failure_of_the_service_is_enough() {
    for (class, expected) in [
        (C::Overloaded, true),
        (C::ServerError, true),
        (C::RateLimited, false),
        (C::InvalidRequest, false),
    ] {
        let trouble = Trouble {
            outage: true,
            ..trouble(class, None, 1, RETRY)
        };
        assert_eq!(wants_another_model(&trouble), expected, "{class}");
    }
}

#[test]
fn a_job_whose_time_is_over_asks_nobody_else_but_for_a_refusal() {
    for (class, last, step, expected) in [
        (C::Overloaded, Some(C::Overloaded), Step::Fail, false),
        (C::Refused, None, Step::Fail, true),
    ] {
        let trouble = Trouble {
            no_more_retries: true,
            ..trouble(class, last, 2, step)
        };
        assert_eq!(wants_another_model(&trouble), expected, "{class}");
    }
}

#[test]
fn fallback_models_are_used_in_their_order_and_none_twice() {
    // The job's own model stands among them, as it may when a run has jobs of several models.
    let settings = settings(&[SONNET, HAIKU, "claude-opus-5"]);
    let prices = PriceTable::embedded();
    let (mut model, mut amendment) = (HAIKU.to_owned(), None);
    let mut seen = Vec::new();
    loop {
        let body = body(&model, 100);
        let asked = asked(&model, &body, amendment.as_ref());
        let refused = trouble(C::Refused, None, 0, Step::Fail);
        let Some(next) = after_failure(&settings, &prices, asked, &refused) else {
            break;
        };
        assert_eq!(next.original_model, HAIKU);
        next.model().clone_into(&mut model);
        seen.push(model.clone());
        amendment = Some(next);
    }
    assert_eq!(seen, [SONNET, "claude-opus-5"]);
}

#[test]
fn another_model_begins_the_turn_anew_and_is_asked_for_no_more_than_it_can_do() {
    let before = Amendment {
        paused: vec!["{}".to_owned()],
        paused_cost_pico: 9,
        put_aside: Some(1),
        raised: true,
        ..Amendment::none(HAIKU)
    };
    let body = body(HAIKU, 100_000);
    let next = after_failure(
        &settings(&[OLDER]),
        &PriceTable::embedded(),
        asked(HAIKU, &body, Some(&before)),
        &trouble(C::Refused, None, 0, Step::Fail),
    );
    let expected = Amendment {
        model: Some(OLDER.to_owned()),
        fallbacks_used: 1,
        max_tokens: Some(64_000),
        raised: true,
        put_aside: Some(1),
        ..Amendment::none(HAIKU)
    };
    assert_eq!(next, Some(expected));
}

#[test]
fn a_fallback_model_that_is_unknown_leads_on_or_back_and_holds_nothing() {
    let body = body("claude-typo", 100);
    let prices = PriceTable::embedded();
    let unknown = trouble(C::ModelNotFound, None, 0, Step::Hold);
    let amended = Amendment {
        model: Some("claude-typo".to_owned()),
        fallbacks_used: 1,
        ..Amendment::none(HAIKU)
    };
    let next = |models: &[&str], amendment| {
        let asked = asked("claude-typo", &body, amendment);
        let next = after_failure(&settings(models), &prices, asked, &unknown);
        next.map(|next| (next.model().to_owned(), next.fallbacks_used))
    };
    let models = ["claude-typo", SONNET];
    assert_eq!(
        next(&models, Some(&amended)),
        Some((SONNET.to_owned(), 2)),
        "the next one"
    );
    assert_eq!(
        next(&models[..1], Some(&amended)),
        Some((HAIKU.to_owned(), 1)),
        "back to its own, with none left"
    );
    assert_eq!(next(&models, None), None, "its own model is held as ever");
}

#[test]
fn a_truncated_answer_gets_twice_the_room_once_and_never_more_than_the_model_has() {
    let raised = |max_tokens, amendment| {
        let amended = after(C::Truncated, "{}", max_tokens, amendment)?;
        assert_eq!(amended.put_aside.as_deref(), Some("{}"));
        assert_eq!(amended.amendment.put_aside, Some(3));
        assert!(amended.amendment.raised);
        amended.amendment.max_tokens
    };
    assert_eq!(raised(100, None), Some(200));
    assert_eq!(raised(100_000, None), Some(128_000));
    assert_eq!(raised(128_000, None), None, "at the cap");
    assert_eq!(raised(0, None), None, "it only warms the cache");
    let once = Amendment {
        raised: true,
        ..Amendment::none(HAIKU)
    };
    assert_eq!(raised(200, Some(&once)), None, "raised already");
}

#[test]
fn a_truncated_answer_is_kept_unless_more_was_asked_for() {
    let body = body(HAIKU, 100);
    let kept = after_message(
        &AmendSettings::default(),
        &PriceTable::embedded(),
        asked(HAIKU, &body, None),
        Some(C::Truncated),
        "{}",
        Pico::ZERO,
    );
    assert_eq!(kept, None);
    for mark in [C::ContextWindowExceeded, C::Unknown] {
        assert_eq!(after(mark, "{}", 100, None), None, "{mark}");
    }
}

#[test]
fn a_turn_is_continued_five_times() {
    let mut amendment = None;
    for n in 1..=5 {
        let next = after(C::Paused, PAUSED, 100, amendment.as_ref()).unwrap();
        // What it has brought so far is there if it cannot go on.
        let parts = next.put_aside.unwrap();
        assert_eq!(parts.matches("half").count(), n, "{parts}");
        assert_eq!(next.amendment.put_aside_mark(), C::Paused);
        assert_eq!(next.amendment.continuations(), n);
        assert_eq!(next.amendment.paused_cost_pico, 7 * n as i128);
        amendment = Some(next.amendment);
    }
    assert_eq!(after(C::Paused, PAUSED, 100, amendment.as_ref()), None);
}

#[test]
fn a_turn_goes_on_in_the_container_it_told_last() {
    let with = |container: &str| format!(r#"{{"content":["half"],"container":{container}}}"#);
    let mut amendment = None;
    for (told, used) in [
        ("null", None),
        (r#"{"id":"container_1"}"#, Some("container_1")),
        ("null", Some("container_1")),
        (r#"{"id":"container_2"}"#, Some("container_2")),
    ] {
        let next = after(C::Paused, &with(told), 100, amendment.as_ref()).unwrap();
        assert_eq!(next.amendment.container.as_deref(), used, "{told}");
        amendment = Some(next.amendment);
    }
}

#[test]
fn a_pause_that_brought_nothing_is_not_continued() {
    for message in [r#"{"content":[]}"#, r#"{"id":"m"}"#, "no JSON"] {
        assert_eq!(after(C::Paused, message, 100, None), None, "{message}");
    }
    let no_messages = RequestBody::from_json(r#"{"model":"m","max_tokens":9}"#);
    let amended = after_message(
        &settings(&[]),
        &PriceTable::embedded(),
        asked(HAIKU, &no_messages, None),
        Some(C::Paused),
        PAUSED,
        Pico::ZERO,
    );
    assert_eq!(amended, None);
}

fn any_step() -> impl Strategy<Value = Step> {
    prop::sample::select(vec![
        RETRY,
        Step::Requeue,
        Step::Fail,
        Step::Hold,
        Step::Halt,
        Step::Done,
    ])
}

proptest! {
    /// Whatever comes, a job that keeps failing runs out of other models.
    #[test]
    fn every_chain_of_fallbacks_ends(
        models in prop::collection::vec("[a-d]", 0..6),
        steps in prop::collection::vec((any_step(), any::<bool>()), 30),
    ) {
        let ids: Vec<&str> = models.iter().map(String::as_str).collect();
        let settings = settings(&ids);
        let prices = PriceTable::parse("version = \"none\"\n", "none.toml").unwrap();
        let (mut model, mut amendment) = ("a".to_owned(), None::<Amendment>);
        let mut amended = 0;
        for (step, outage) in steps {
            let body = body(&model, 100);
            let trouble = Trouble { outage, ..trouble(C::Overloaded, Some(C::Overloaded), 2, step) };
            let asked = asked(&model, &body, amendment.as_ref());
            if let Some(next) = after_failure(&settings, &prices, asked, &trouble) {
                prop_assert_ne!(next.model(), model.as_str());
                next.model().clone_into(&mut model);
                amendment = Some(next);
                amended += 1;
            }
        }
        // Each model once, and once back to the first.
        prop_assert!(amended <= models.len() + 1);
    }
}
