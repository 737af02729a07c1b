//! Words that people meet elsewhere: of other APIs, clouds and of HTTP itself.

use super::reading::Recognised;
use super::status;
use crate::model::ErrorClass as C;

/// Reason phrases of HTTP, which stand for their status.
const PHRASES: &[(&str, u16)] = &[
    ("ok", 200),
    ("bad_request", 400),
    ("unauthorized", 401),
    ("payment_required", 402),
    ("forbidden", 403),
    ("not_found", 404),
    ("method_not_allowed", 405),
    ("proxy_authentication_required", 407),
    ("content_too_large", 413),
    ("payload_too_large", 413),
    ("request_entity_too_large", 413),
    ("misdirected_request", 421),
    ("unprocessable_content", 422),
    ("unprocessable_entity", 422),
    ("too_many_requests", 429),
    ("internal_server_error", 500),
    ("not_implemented", 501),
    ("service_unavailable", 503),
    ("service_temporarily_unavailable", 503),
    ("gateway_time_out", 504),
];

const OPENAI: &str = "OpenAI's word";
const AZURE: &str = "Azure's word";
const BEDROCK: &str = "Amazon Bedrock's word";
const GOOGLE: &str = "Google Cloud's word";
const COMMON: &str = "a word of tutorials and of other programs, not of the Claude API";

#[rustfmt::skip]
const SYNONYMS: &[(&str, &[C], &str)] = &[
    ("context_length_exceeded", &[C::PromptTooLong, C::MaxTokensTooLarge], OPENAI),
    ("string_above_max_length", &[C::InvalidRequest, C::PromptTooLong], OPENAI),
    ("invalid_api_key", &[C::Authentication], OPENAI),
    ("incorrect_api_key", &[C::Authentication], OPENAI),
    ("invalid_organization", &[C::Authentication, C::OrganizationDisabled], OPENAI),
    ("account_deactivated", &[C::OrganizationDisabled], OPENAI),
    ("billing_not_active", &[C::Billing], OPENAI),
    ("rate_limit_exceeded", &[C::RateLimited, C::AccelerationLimited, C::ConcurrencyLimited], OPENAI),
    ("slow_down", &[C::Overloaded, C::AccelerationLimited], OPENAI),
    ("unsupported_country_region_territory", &[C::Permission], OPENAI),
    ("content_policy_violation", &[C::ContentFiltered, C::Refused], OPENAI),
    ("content_filter", &[C::ContentFiltered, C::Refused], OPENAI),
    ("unsupported_parameter", &[C::InvalidRequest, C::ThinkingUnsupported], OPENAI),
    ("unsupported_value", &[C::InvalidRequest], OPENAI),
    ("length", &[C::Truncated], "OpenAI's finish reason"),
    ("invalid_image", &[C::Image], OPENAI),
    ("image_too_large", &[C::Image], OPENAI),
    ("batch_expired", &[C::Expired], OPENAI),
    ("token_limit_exceeded", &[C::PromptTooLong, C::RateLimited], OPENAI),
    ("deploymentnotfound", &[C::ModelNotFound], AZURE),
    ("throttlingexception", &[C::RateLimited], BEDROCK),
    ("servicequotaexceededexception", &[C::RateLimited, C::SpendLimit], BEDROCK),
    ("modelnotreadyexception", &[C::Unavailable], BEDROCK),
    ("modeltimeoutexception", &[C::GatewayTimeout], BEDROCK),
    ("modelerrorexception", &[C::ServerError], BEDROCK),
    ("modelstreamerrorexception", &[C::StreamCut], BEDROCK),
    ("validationexception", &[C::InvalidRequest, C::PromptTooLong], BEDROCK),
    ("accessdeniedexception", &[C::Permission], BEDROCK),
    ("expiredtokenexception", &[C::Authentication], BEDROCK),
    ("unrecognizedclientexception", &[C::Authentication], BEDROCK),
    ("serviceunavailableexception", &[C::Unavailable, C::Overloaded], BEDROCK),
    ("resourcenotfoundexception", &[C::ModelNotFound], BEDROCK),
    ("resource_exhausted", &[C::RateLimited, C::SpendLimit], GOOGLE),
    ("deadline_exceeded", &[C::GatewayTimeout, C::Timeout], GOOGLE),
    ("permission_denied", &[C::Permission], GOOGLE),
    ("unauthenticated", &[C::Authentication], GOOGLE),
    ("invalid_argument", &[C::InvalidRequest], GOOGLE),
    ("failed_precondition", &[C::InvalidRequest, C::Permission], GOOGLE),
    ("internal", &[C::ServerError], GOOGLE),
    ("safety", &[C::Refused, C::ContentFiltered], "Google's finish reason"),
    ("vision_error", &[C::Image], COMMON),
    ("file_upload_error", &[C::RequestTooLarge, C::FileMissing, C::Image], COMMON),
    ("upload_error", &[C::RequestTooLarge, C::FileMissing, C::Image], COMMON),
    ("file_error", &[C::FileMissing, C::RequestTooLarge, C::Image], COMMON),
    ("file_too_large", &[C::RequestTooLarge, C::Image], COMMON),
    ("context_length_error", &[C::PromptTooLong, C::MaxTokensTooLarge], COMMON),
    ("prompt_too_long_error", &[C::PromptTooLong], COMMON),
    ("max_tokens_error", &[C::MaxTokensTooLarge, C::Truncated], COMMON),
    ("api_key_error", &[C::Authentication], COMMON),
    ("model_error", &[C::ModelNotFound, C::Overloaded], COMMON),
    ("cache_control_error", &[C::CacheControl], COMMON),
    ("request_not_allowed", &[C::Permission], "what the API says where it does not take requests from: a country, or a VPN"),
    ("image_error", &[C::Image], COMMON),
    ("file_not_found", &[C::FileMissing], COMMON),
    ("batch_error", &[C::BatchRejected, C::ResultMissing, C::Expired, C::BatchQueueFull], COMMON),
    ("batch_failed", &[C::BatchRejected, C::ResultMissing, C::Expired], COMMON),
    ("cancelled", &[C::Canceled], "the same word in British spelling"),
    ("invalid_model", &[C::ModelNotFound], COMMON),
    ("model_not_available", &[C::ModelNotFound, C::Overloaded], COMMON),
    ("model_overloaded", &[C::Overloaded], COMMON),
    ("server_overloaded", &[C::Overloaded], COMMON),
    ("capacity_exceeded", &[C::Overloaded], COMMON),
    ("rate_limit", &[C::RateLimited, C::AccelerationLimited, C::ConcurrencyLimited], COMMON),
    ("rate_limit_reached", &[C::RateLimited, C::AccelerationLimited, C::ConcurrencyLimited], COMMON),
    ("quota_exceeded", &[C::SpendLimit, C::Billing, C::RateLimited], COMMON),
    ("usage_limit_reached", &[C::SpendLimit], COMMON),
    ("insufficient_credits", &[C::Billing], COMMON),
    ("insufficient_funds", &[C::Billing], COMMON),
    ("credit_balance_too_low", &[C::Billing], COMMON),
    ("auth_error", &[C::Authentication, C::Permission], COMMON),
    ("authentication_failed", &[C::Authentication], COMMON),
    ("invalid_key", &[C::Authentication], COMMON),
    ("expired_api_key", &[C::Authentication], COMMON),
    ("access_denied", &[C::Permission], COMMON),
    ("account_disabled", &[C::OrganizationDisabled], COMMON),
    ("validation_error", &[C::InvalidRequest], COMMON),
    ("context_length", &[C::PromptTooLong, C::ContextWindowExceeded], COMMON),
    ("context_overflow", &[C::PromptTooLong, C::ContextWindowExceeded], COMMON),
    ("context_limit_exceeded", &[C::PromptTooLong, C::MaxTokensTooLarge], COMMON),
    ("input_too_long", &[C::PromptTooLong], COMMON),
    ("max_tokens_exceeded", &[C::MaxTokensTooLarge, C::Truncated], COMMON),
    ("truncation", &[C::Truncated], COMMON),
    ("tool_use_error", &[C::ToolPairing, C::ToolSchema], COMMON),
    ("tool_error", &[C::ToolPairing, C::ToolSchema], COMMON),
    ("tool_result_missing", &[C::ToolPairing], COMMON),
    ("schema_error", &[C::ToolSchema], COMMON),
    ("invalid_schema", &[C::ToolSchema], COMMON),
    ("cache_error", &[C::CacheControl], COMMON),
    ("prefill", &[C::PrefillUnsupported], COMMON),
    ("content_filtering", &[C::ContentFiltered], COMMON),
    ("safety_error", &[C::Refused, C::ContentFiltered], COMMON),
    ("stream_error", &[C::StreamCut, C::Overloaded, C::ServerError], COMMON),
    ("streaming_error", &[C::StreamCut, C::Overloaded, C::ServerError], COMMON),
    ("network_error", &[C::Connect, C::ConnectionCut, C::Dns, C::Tls], COMMON),
    ("connection_error", &[C::Connect, C::ConnectionCut, C::Dns, C::Tls], COMMON),
    ("fetch_failed", &[C::Connect, C::ConnectionCut, C::Dns, C::Tls], "what Node.js says when a connection fails; the `cause` below it says more"),
    ("terminated", &[C::ConnectionCut, C::Interrupted], "what Node.js says of an answer that broke off"),
    ("connection_lost", &[C::ConnectionCut], COMMON),
    ("ssl_error", &[C::Tls, C::Connect], COMMON),
    ("certificate_error", &[C::Tls], COMMON),
    ("dns_error", &[C::Dns], COMMON),
    ("cloudflare", &[C::EdgeError], "the network in front of the API"),
    ("parse_error", &[C::BadResponse], COMMON),
    ("json_error", &[C::BadResponse, C::InvalidRequest], COMMON),
    ("invalid_json", &[C::InvalidRequest, C::BadResponse], COMMON),
    ("unknown_error", &[C::Unknown], COMMON),
    ("crash", &[C::Interrupted], COMMON),
    ("killed", &[C::Interrupted], COMMON),
];

/// The word alone, normalised.
pub(super) fn find(word: &str) -> Option<Recognised> {
    if let Some((_, status)) = PHRASES.iter().find(|(known, _)| *known == word) {
        let reading = format!("the words of HTTP status {status}");
        return Some(Recognised::new(reading, status::classes(*status)?));
    }
    let (known, classes, whose) = SYNONYMS.iter().find(|(known, _, _)| *known == word)?;
    let found = Recognised::new(format!("`{known}`"), *classes);
    Some(found.with_note(format!("`{known}` is {whose}")))
}

#[cfg(test)]
mod tests {
    use super::{PHRASES, SYNONYMS};
    use crate::explain::word::one_word;

    #[test]
    fn no_synonym_hides_behind_a_word_of_the_api() {
        for (word, classes, _) in SYNONYMS {
            let found = one_word(word).unwrap();
            assert_eq!(found.classes, *classes, "{word}");
        }
        for (word, _) in PHRASES {
            assert!(
                one_word(word).unwrap().reading.contains("HTTP status"),
                "{word}"
            );
        }
    }
}
