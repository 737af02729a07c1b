//! The API itself, and what stands in front of it.

use super::{NO_HEADERS as N, Row};
use crate::model::ErrorClass as C;
use crate::model::Treatment::{Fail, Halt, HoldModel, Retry};

#[rustfmt::skip] // One text a line: the table is read by column.
pub(super) const TEXTS: &[Row] = &[
    // Money and quota.
    (400, N, r#"{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits."}}"#, C::Billing, Halt),
    (400, N, r#"{"type":"error","error":{"type":"billing_error","message":"Your credit balance is too low to access the Anthropic API."}}"#, C::Billing, Halt),
    (402, N, r#"{"type":"error","error":{"type":"billing_error","message":"Payment required"}}"#, C::Billing, Halt),
    (400, N, r#"{"type":"error","error":{"type":"invalid_request_error","message":"You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC."}}"#, C::SpendLimit, Halt),
    (429, N, r#"{"type":"error","error":{"details":{"error_code":"enforced_spend_limit_reached"},"type":"rate_limit_error","message":"You have reached your API usage limits: your organization has crossed its threshold."}}"#, C::SpendLimit, Halt),
    (400, N, r#"{"type":"error","error":{"type":"invalid_request_error","message":"You're out of extra usage. Add more at claude.ai/settings/usage and keep going."},"request_id":"req_011"}"#, C::SpendLimit, Halt),
    (400, N, r#"{"type":"error","error":{"type":"invalid_request_error","message":"You’re out of extra usage."}}"#, C::SpendLimit, Halt),
    (400, N, r#"{"type":"error","error":{"type":"invalid_request_error","message":"Third-party apps now draw from your extra usage, not your plan limits. Add more at claude.ai/settings/usage and keep going."}}"#, C::SpendLimit, Halt),
    (403, N, r#"{"error":{"type":"permission_error","message":"You've reached your weekly usage limit."}}"#, C::SpendLimit, Halt),
    (403, N, r#"{"type":"error","error":{"type":"billing_error","message":"Spending limit reached. Ask an admin."}}"#, C::SpendLimit, Halt),
    (429, N, r#"{"type":"error","error":{"type":"rate_limit_error","message":"Extra usage is required for long context requests."}}"#, C::PromptTooLong, Fail),
    (429, N, r#"{"type":"error","error":{"type":"rate_limit_error","message":"Usage credits are required for long context requests."}}"#, C::PromptTooLong, Fail),
    // Keys, organisations, countries.
    (401, N, r#"{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"},"request_id":"req_011"}"#, C::Authentication, Halt),
    (401, N, r#"{"type":"error","error":{"type":"authentication_error","message":"Invalid bearer token"}}"#, C::Authentication, Halt),
    (401, N, r#"{"type":"error","error":{"type":"authentication_error","message":"OAuth token has expired. Please obtain a new token or refresh your existing token."}}"#, C::Authentication, Halt),
    (400, N, r#"{"type":"error","error":{"type":"invalid_request_error","message":"This credential is only authorized for use with Claude Code and cannot be used for other API requests."}}"#, C::Authentication, Halt),
    (403, N, r#"{"error":{"message":"This credential is only authorized for use with Claude Code"}}"#, C::Authentication, Halt),
    (400, N, r#"{"type":"error","error":{"type":"invalid_request_error","message":"This organization has been disabled."}}"#, C::OrganizationDisabled, Halt),
    (403, N, r#"{"type":"error","error":{"type":"permission_error","message":"Your account has been disabled."}}"#, C::OrganizationDisabled, Halt),
    (403, N, r#"{"type":"error","error":{"type":"permission_error","message":"OAuth authentication is currently not allowed for this organization.","details":{"error_code":"oauth_not_allowed_for_organization"}}}"#, C::Permission, Halt),
    (403, N, r#"{"error":{"type":"forbidden","message":"Request not allowed"}}"#, C::Permission, Halt),
    (400, N, r#"{"type":"error","error":{"type":"invalid_request_error","message":"anthropic-workspace-id header is required for keys that span workspaces"}}"#, C::Permission, Halt),
    (403, &[("content-type", "text/html; charset=UTF-8")], "<!DOCTYPE html><html><head><title>Just a moment...</title></head></html>", C::EdgeError, Retry),
    // Models and paths.
    (404, N, r#"{"type":"error","error":{"type":"not_found_error","message":"model: claude-3-5-sonnet-latest"},"request_id":"req_011"}"#, C::ModelNotFound, HoldModel),
    (404, N, r#"{"type":"error","error":{"type":"not_found_error","message":"File not found: file_011"}}"#, C::FileMissing, Fail),
    (404, N, r#"{"type":"error","error":{"type":"not_found_error","message":"skill skill_01 was not found"}}"#, C::InvalidRequest, Fail),
    (404, N, r#"{"type":"error","error":{"type":"not_found_error","message":"Not Found"}}"#, C::WrongEndpoint, Halt),
    // Limits and capacity.
    (429, N, r#"{"type":"error","error":{"type":"rate_limit_error","message":"This request would exceed your organization's rate limit of 30,000 input tokens per minute"}}"#, C::RateLimited, Retry),
    (429, N, r#"{"type":"error","error":{"type":"rate_limit_error","message":"Number of concurrent connections has exceeded your rate limit."}}"#, C::ConcurrencyLimited, Retry),
    (429, N, r#"{"type":"error","error":{"type":"rate_limit_error","message":"This request would exceed your maximum usage increase rate for input tokens per minute."}}"#, C::AccelerationLimited, Retry),
    (529, N, r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#, C::Overloaded, Retry),
    (500, N, r#"{"type":"error","error":{"type":"api_error","message":"Internal server error"}}"#, C::ServerError, Retry),
    (500, N, r#"{"type":"error","error":{"type":"api_error","message":"Your credit balance is too low"}}"#, C::ServerError, Retry),
    // Length and size.
    (400, N, r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 208310 tokens > 200000 maximum"}}"#, C::PromptTooLong, Fail),
    (400, N, r#"{"type":"error","error":{"type":"invalid_request_error","message":"input length and `max_tokens` exceed context limit: 178959 + 64000 > 200000"}}"#, C::MaxTokensTooLarge, Fail),
    (400, N, r#"{"type":"error","error":{"type":"invalid_request_error","message":"max_tokens: 128001 > 128000, which is the maximum allowed number of output tokens for claude-opus-5"}}"#, C::MaxTokensTooLarge, Fail),
    (413, N, r#"{"error":{"type":"request_too_large","message":"Request exceeds the maximum size"}}"#, C::RequestTooLarge, Fail),
    // Tools and schemas.
    (400, N, r#"{"type":"error","error":{"type":"invalid_request_error","message":"messages.3: `tool_use` ids must be unique"}}"#, C::ToolPairing, Fail),
    (400, N, r#"{"type":"error","error":{"type":"invalid_request_error","message":"messages.5.content: each tool_use must have a single result. Found multiple `tool_result` blocks with id: toolu_1"}}"#, C::ToolPairing, Fail),
    (400, N, r#"{"type":"error","error":{"type":"invalid_request_error","message":"The compiled grammar is too large, which would cause performance issues. Simplify your tool schemas or reduce the number of strict tools."}}"#, C::ToolSchema, Fail),
    (400, N, r#"{"type":"error","error":{"type":"invalid_request_error","message":"Schemas contains too many parameters with union types (49 parameters) which exceeds the limit: 16"}}"#, C::ToolSchema, Fail),
    (400, N, r#"{"type":"error","error":{"type":"invalid_request_error","message":"output_format.schema: For 'object' type, 'additionalProperties: true' is not supported. Please set 'additionalProperties' to false"}}"#, C::ToolSchema, Fail),
    (400, N, r#"{"type":"error","error":{"type":"invalid_request_error","message":"tools: Tool names must be unique."}}"#, C::ToolSchema, Fail),
    (422, N, r#"{"type":"error","error":{"type":"invalid_request_error","message":"Unprocessable"}}"#, C::InvalidRequest, Fail),
    // Media, caching, what a model does not take.
    (400, N, r#"{"type":"error","error":{"type":"invalid_request_error","message":"messages.0.content.1: The image was specified using the image/png media type, but the image appears to be a image/jpeg image"}}"#, C::Image, Fail),
    (400, N, r#"{"type":"error","error":{"type":"invalid_request_error","message":"too much media: 0 document pages + 101 images > 100"}}"#, C::Image, Fail),
    (400, N, r#"{"type":"error","error":{"type":"invalid_request_error","message":"A maximum of 4 blocks with cache_control may be provided. Found 5."}}"#, C::CacheControl, Fail),
    (400, N, r#"{"type":"error","error":{"type":"invalid_request_error","message":"Your API request included an `assistant` message in the final position, which would pre-fill the `assistant` response."}}"#, C::PrefillUnsupported, Fail),
    (400, N, r#"{"type":"error","error":{"type":"invalid_request_error","message":"adaptive thinking is not supported on this model"}}"#, C::ThinkingUnsupported, Fail),
    (400, N, r#"{"type":"error","error":{"type":"invalid_request_error","message":"Output blocked by content filtering policy"}}"#, C::ContentFiltered, Fail),
    (400, N, r#"{"type":"error","error":{"type":"invalid_request_error","message":"`temperature` is deprecated for this model."}}"#, C::InvalidRequest, Fail),
    // What only quotes such words.
    (400, N, r#"{"type":"error","error":{"type":"invalid_request_error","message":"messages.0.content: the text \"You're out of extra usage\" is not allowed here"}}"#, C::InvalidRequest, Fail),
    (400, N, r#"{"type":"error","error":{"type":"invalid_request_error","message":"messages.0.content: got {\"error\":{\"type\":\"billing_error\",\"message\":\"Your credit balance is too low\"}}"}}"#, C::InvalidRequest, Fail),
    (400, N, r#"{"type":"error","error":{"type":"invalid_request_error","message":"system: The provided model identifier is invalid."}}"#, C::InvalidRequest, Fail),
];
