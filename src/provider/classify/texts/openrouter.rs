//! OpenRouter, and routers that stand before it.

use super::{NO_HEADERS as N, Row};
use crate::model::ErrorClass as C;
use crate::model::Treatment::{Fail, Halt, HoldModel, Retry};

#[rustfmt::skip] // One text a line: the table is read by column.
pub(super) const TEXTS: &[Row] = &[
    (402, N, r#"{"error":{"message":"Insufficient credits. Add more using https://openrouter.ai/settings/credits","code":402,"metadata":{"limit_source":"openrouter_credits"}}}"#, C::Billing, Halt),
    (402, N, r#"{"error":{"message":"This request requires more credits, or fewer max_tokens. You requested up to 6600 tokens, but can only afford 3554.","code":402}}"#, C::Billing, Halt),
    (403, N, r#"{"error":{"message":"Key limit exceeded (total limit). Manage it using https://openrouter.ai/settings/keys","code":403}}"#, C::SpendLimit, Halt),
    (403, N, r#"{"error":{"message":"Key limit exceeded (daily limit)","code":403},"user_id":"user_1"}"#, C::SpendLimit, Halt),
    (401, N, r#"{"error":{"message":"User not found.","code":401}}"#, C::Authentication, Halt),
    (401, N, r#"{"error":{"message":"No auth credentials found","code":401}}"#, C::Authentication, Halt),
    (404, N, r#"{"error":{"message":"No endpoints found for anthropic/claude-x.","code":404},"user_id":"user_1"}"#, C::ModelNotFound, HoldModel),
    (404, N, r#"{"error":{"message":"No endpoints found matching your data policy (Paid model training).","code":404}}"#, C::ModelNotFound, HoldModel),
    (404, N, r#"{"error":{"message":"No allowed providers are available for the selected model.","code":404}}"#, C::ModelNotFound, HoldModel),
    (400, N, r#"{"error":{"message":"anthropic/claude-x is not a valid model ID","code":400},"user_id":"user_1"}"#, C::ModelNotFound, HoldModel),
    (404, N, r#"{"error":{"message":"No endpoints found that support tool use. To learn more about provider routing, visit: https://openrouter.ai/docs","code":404}}"#, C::InvalidRequest, Fail),
    (404, N, r#"{"error":{"message":"No endpoints found that can handle the requested parameters.","code":404}}"#, C::InvalidRequest, Fail),
    (400, N, r#"{"error":{"message":"Provider returned error","code":400,"metadata":{"raw":"{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"prompt is too long: 2 tokens > 1 maximum\"}}","provider_name":"Anthropic"}}}"#, C::PromptTooLong, Fail),
    (400, N, r#"{"error":{"message":"Provider returned error","code":400,"metadata":{"raw":{"message":"Bedrock is unable to process your request."},"provider_name":"Amazon Bedrock"}}}"#, C::Unavailable, Retry),
    (400, N, r#"{"error":{"message":"Provider returned error","code":400,"metadata":{"raw":"[{\n  \"error\": {\"code\": 400, \"message\": \"Publisher Model `x` is not servable in region y.\", \"status\": \"FAILED_PRECONDITION\"}}]","provider_name":"Google"}}}"#, C::ModelNotFound, HoldModel),
    (429, N, r#"{"error":{"message":"Provider returned error","code":429,"metadata":{"raw":"anthropic/claude-x is temporarily rate-limited upstream. Please retry shortly.","provider_name":"Anthropic"}}}"#, C::RateLimited, Retry),
    (502, N, r#"{"error":{"message":"Provider returned error","code":502,"metadata":{"raw":"error code: 502","provider_name":"Anthropic"}}}"#, C::BadGateway, Retry),
    (200, N, r#"{"error":{"message":"Provider returned error","code":529,"metadata":{"provider_name":"Anthropic"}}}"#, C::Overloaded, Retry),
    (200, N, r#"{"error":{"message":"Rate limit exceeded: limit_rpm/anthropic","code":429}}"#, C::RateLimited, Retry),
    (503, N, r#"{"error":{"message":"No instances available","code":503}}"#, C::Unavailable, Retry),
    (400, N, r#"{"error":{"message":"This endpoint's maximum context length is 200000 tokens. However, you requested about 210000 tokens (178000 of text input, 32000 in the output).","code":400}}"#, C::MaxTokensTooLarge, Fail),
    (404, N, r#"{"error":{"message":"Error from provider(openrouter,x: 404): {\"error\":{\"message\":\"No endpoints found for x.\",\"code\":404}}Error: Error from provider","type":"api_error","code":"provider_response_error"}}"#, C::ModelNotFound, HoldModel),
    (404, N, r#"{"error":{"message":"Error from provider: {\"error\":{\"message\":\"No endpoints found that support cache control\",\"code\":404}}","type":"api_error","code":"provider_response_error"}}"#, C::InvalidRequest, Fail),
    (408, N, r#"{"error":{"message":"Request timed out","code":408}}"#, C::RequestTimeout, Retry),
];
