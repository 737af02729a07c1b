//! Words of the API's users and of other platforms.

use super::{class, classes};
use crate::explain::{explain, recognise};
use crate::model::ErrorClass as C;
use crate::policy::RetrySettings;

#[test]
fn the_words_of_the_apis_users_for_their_errors_are_known() {
    for (word, expected) in [
        ("context_length_error", C::PromptTooLong),
        ("api_key_error", C::Authentication),
        ("max_tokens_error", C::MaxTokensTooLarge),
        ("model_error", C::ModelNotFound),
        ("prompt_too_long", C::PromptTooLong),
        ("stream_error", C::StreamCut),
        ("tool_use_error", C::ToolPairing),
        ("vision_error", C::Image),
        ("file_upload_error", C::RequestTooLarge),
        ("batch_error", C::BatchRejected),
        ("cache_error", C::CacheControl),
        ("billing_error", C::Billing),
    ] {
        assert_eq!(classes(word)[0], expected, "{word}");
    }
}

#[test]
fn a_stop_reason_in_prose_is_no_stop_reason() {
    for (text, expected) in [
        ("messages.3: `tool_use` ids must be unique", C::ToolPairing),
        (
            "the tool_use block of my request was refused with invalid_request_error",
            C::InvalidRequest,
        ),
        (
            "400 max_tokens: 999 is not less or equal to 4096",
            C::MaxTokensTooLarge,
        ),
    ] {
        assert_eq!(classes(text)[0], expected, "{text}");
    }
    for text in [
        "my tool_use block is wrong",
        "we raised max_tokens and got a refusal",
    ] {
        assert_eq!(recognise(text), None, "{text}");
    }
    assert_eq!(class("stop_reason: max_tokens"), C::Truncated);
    assert_eq!(class("max_tokens"), C::Truncated);
}

#[test]
fn bodies_of_other_platforms_are_explained_as_a_run_would_treat_them_and_with_their_remedy() {
    for (text, expected, remedy) in [
        (
            r#"{"message":"The provided model identifier is invalid."}"#,
            C::ModelNotFound,
            "Bedrock",
        ),
        (
            "botocore.errorfactory.ValidationException: An error occurred (ValidationException) when calling the InvokeModel operation: Invocation of model ID anthropic.claude-opus-5 with on-demand throughput isn't supported.",
            C::ModelNotFound,
            "inference profile",
        ),
        (
            r#"[{"error":{"code":429,"message":"Quota exceeded for aiplatform.googleapis.com/online_prediction_requests_per_base_model","status":"RESOURCE_EXHAUSTED"}}]"#,
            C::RateLimited,
            "claude-run waits",
        ),
        (
            r#"{"Message":"User: arn:aws:iam::1:user/x is not authorized to perform: bedrock:InvokeModel on resource: y"}"#,
            C::Permission,
            "bedrock:InvokeModel",
        ),
        (
            r#"litellm.BadRequestError: BedrockException - {"message":"Bedrock is unable to process your request."}"#,
            C::Unavailable,
            "tries again",
        ),
        (
            r#"403 {"error":{"type":"forbidden","message":"Request not allowed"}}"#,
            C::Permission,
            "VPN",
        ),
        (
            r#"{"error":{"message":"Key limit exceeded (total limit)","code":403}}"#,
            C::SpendLimit,
            "OpenRouter",
        ),
    ] {
        let found = recognise(text).unwrap_or_else(|| panic!("{text}"));
        assert_eq!(found.classes, [expected], "{text}");
        let told = explain(&found, &RetrySettings::default());
        assert!(
            told.classes[0].remedy.contains(remedy),
            "{text}: {}",
            told.classes[0].remedy
        );
    }
}
