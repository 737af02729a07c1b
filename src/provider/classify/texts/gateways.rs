//! Other gateways, proxies and edges: whatever speaks as `OpenAI` does, Portkey, Kong, Cloudflare, Envoy,
//! nginx, Apigee, new-api, Vercel.

use super::{NO_HEADERS as N, Row};
use crate::model::ErrorClass as C;
use crate::model::Treatment::{Fail, Halt, HoldModel, Retry};

const HTML: &[(&str, &str)] = &[("content-type", "text/html")];

#[rustfmt::skip] // One text a line: the table is read by column.
pub(super) const TEXTS: &[Row] = &[
    // As OpenAI says it.
    (429, N, r#"{"error":{"message":"You exceeded your current quota, please check your plan and billing details.","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}"#, C::SpendLimit, Halt),
    (429, N, r#"{"error":{"message":"Rate limit reached for x on requests per min (RPM): Limit 10, Used 10.","type":"requests","param":null,"code":"rate_limit_exceeded"}}"#, C::RateLimited, Retry),
    (401, N, r#"{"error":{"message":"Incorrect API key provided: sk-x.","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}"#, C::Authentication, Halt),
    (400, N, r#"{"error":{"message":"Incorrect API key provided","code":"invalid_api_key"}}"#, C::Authentication, Halt),
    (403, N, r#"{"error":{"message":"Country, region, or territory not supported","type":"request_forbidden","param":null,"code":"unsupported_country_region_territory"}}"#, C::Permission, Halt),
    (403, N, r#"{"error":{"message":"Your account has been deactivated","code":"account_deactivated"}}"#, C::OrganizationDisabled, Halt),
    (404, N, r#"{"error":{"message":"The model `x` does not exist or you do not have access to it.","type":"invalid_request_error","param":null,"code":"model_not_found"}}"#, C::ModelNotFound, HoldModel),
    (400, N, r#"{"error":{"message":"The model x does not exist","type":"invalid_request_error","code":null}}"#, C::ModelNotFound, HoldModel),
    (400, N, r#"{"error":{"message":"This model's maximum context length is 8192 tokens. However, your messages resulted in 12847 tokens.","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}"#, C::PromptTooLong, Fail),
    (400, N, r#"{"error":{"message":"This model's maximum context length is 8192 tokens. However, you requested 9000 tokens (5000 in the messages, 4000 in the completion).","type":"invalid_request_error"}}"#, C::MaxTokensTooLarge, Fail),
    (400, N, r#"{"error":{"message":"max_tokens is too large: 99999. This model supports at most 64000 completion tokens","type":"invalid_request_error","code":"invalid_value"}}"#, C::MaxTokensTooLarge, Fail),
    (400, N, r#"{"error":{"message":"An assistant message with 'tool_calls' must be followed by tool messages. The following tool_call_ids did not have response messages: x","type":"invalid_request_error"}}"#, C::ToolPairing, Fail),
    (500, N, r#"{"error":{"message":"The server had an error while processing your request. Sorry about that!","type":"server_error","code":"server_error"}}"#, C::ServerError, Retry),
    (400, N, r#"{"error":{"message":"An unexpected error occurred. Please try again later.","type":"bad_response_status_code"}}"#, C::ServerError, Retry),
    // new-api and one-api.
    (403, N, r#"{"error":{"message":"user quota is not enough, user quota: -0.1","type":"new_api_error","code":"insufficient_user_quota"}}"#, C::SpendLimit, Halt),
    (403, N, r#"{"error":{"message":"token quota is not enough","type":"new_api_error"}}"#, C::SpendLimit, Halt),
    (403, N, r#"{"error":{"message":"token is not allowed to access model claude-x","code":"model_not_allowed","type":"new_api_error"}}"#, C::ModelNotFound, HoldModel),
    (503, N, r#"{"error":{"message":"No available channel for model claude-x under group default","type":"new_api_error","code":"model_not_found"}}"#, C::Unavailable, Retry),
    (400, N, r#"{"error":{"message":"No available channel for model claude-x under group default","type":"new_api_error"}}"#, C::ModelNotFound, HoldModel),
    (400, N, r#"{"error":{"message":"{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"{\\\"message\\\":\\\"Input is too long for requested model.\\\"}\"}}","type":"upstream_error"}}"#, C::PromptTooLong, Fail),
    // Portkey, Vercel, Helicone.
    (400, N, r#"{"error":{"message":"anthropic error: prompt is too long: 2 tokens > 1 maximum","type":"invalid_request_error","param":null,"code":null},"provider":"anthropic"}"#, C::PromptTooLong, Fail),
    (400, N, r#"{"error":{"message":"anthropic error: Your credit balance is too low to access the Anthropic API.","type":"invalid_request_error","param":null,"code":null},"provider":"anthropic"}"#, C::Billing, Halt),
    (403, N, r#"{"error":{"message":"bedrock error: User: arn:aws:sts::1:assumed-role/x is not authorized to perform: bedrock:InvokeModel","type":null},"provider":"bedrock"}"#, C::Permission, Halt),
    (403, N, r#"{"status":"failure","message":"Budget exceeded for this API key"}"#, C::SpendLimit, Halt),
    (402, N, r#"{"error":{"message":"Insufficient funds. Please add credits to your account to continue using AI services.","type":"insufficient_funds"}}"#, C::Billing, Halt),
    (401, N, r#"{"success":false,"error":"Invalid API key"}"#, C::Authentication, Halt),
    // Kong, Envoy, nginx, Apigee.
    (401, N, r#"{"message":"No API key found in request"}"#, C::Authentication, Halt),
    (400, N, r#"{"message":"No API key found in request"}"#, C::WrongEndpoint, Halt),
    (404, N, r#"{"message":"no Route matched with those values"}"#, C::WrongEndpoint, Halt),
    (429, N, r#"{"message":"API rate limit exceeded"}"#, C::RateLimited, Retry),
    (502, N, r#"{"message":"An invalid response was received from the upstream server"}"#, C::BadGateway, Retry),
    (503, N, r#"{"message":"name resolution failed"}"#, C::Unavailable, Retry),
    (503, N, "upstream connect error or disconnect/reset before headers. reset reason: overflow", C::Unavailable, Retry),
    (503, N, "no healthy upstream", C::Unavailable, Retry),
    (413, HTML, "<html><head><title>413 Request Entity Too Large</title></head><center>nginx</center></html>", C::RequestTooLarge, Fail),
    (401, N, r#"{"fault":{"faultstring":"Invalid ApiKey","detail":{"errorcode":"oauth.v2.InvalidApiKey"}}}"#, C::Authentication, Halt),
    (429, N, r#"{"fault":{"faultstring":"Rate limit quota violation. Quota limit exceeded.","detail":{"errorcode":"policies.ratelimit.QuotaViolation"}}}"#, C::RateLimited, Retry),
    // Cloudflare: its gateway, and its edge.
    (429, N, r#"{"success":false,"result":[],"messages":[],"error":[{"code":2003,"message":"Rate limited"}]}"#, C::RateLimited, Retry),
    (400, N, r#"{"success":false,"errors":[{"code":2001,"message":"Please configure AI Gateway in the Cloudflare dashboard"}]}"#, C::InvalidRequest, Fail),
    (524, HTML, "<!DOCTYPE html><title>api.anthropic.com | 524: A timeout occurred</title>", C::EdgeError, Retry),
    (403, &[("cf-mitigated", "challenge")], "x", C::EdgeError, Retry),
    // FastAPI and others that check requests themselves.
    (422, N, r#"{"detail":[{"type":"missing","loc":["body","messages"],"msg":"Field required","input":{}}]}"#, C::InvalidRequest, Fail),
    (422, N, r#"{"detail":[{"loc":["body","tools",0,"input_schema"],"msg":"value is not a valid dict","type":"type_error.dict"}]}"#, C::ToolSchema, Fail),
    (422, N, r#"{"error":{"message":"Unprocessable","type":"validation_error"}}"#, C::InvalidRequest, Fail),
    (404, N, r#"{"detail":"Not Found"}"#, C::WrongEndpoint, Halt),
    (404, N, r#"{"timestamp":"x","status":404,"error":"Not Found","path":"/v1/messages"}"#, C::WrongEndpoint, Halt),
    (404, N, r#"{"message":"container c-1 is gone"}"#, C::WrongEndpoint, Halt),
    (404, N, "404 page not found", C::WrongEndpoint, Halt),
    (403, N, r#"{"type":"https://problems.test/forbidden","title":"Forbidden","status":403,"detail":"API key is not allowed to access model: claude-x"}"#, C::ModelNotFound, HoldModel),
    // Python's own print of a body.
    (400, N, r#"{"error":{"message":"Error code: 400 - {'type': 'error', 'error': {'type': 'invalid_request_error', 'message': \"prompt is too long: it's 2 tokens > 1 maximum\"}}","type":"api_error"}}"#, C::PromptTooLong, Fail),
    (500, N, "{'error': {'message': 'Overloaded', 'type': 'overloaded_error'}}", C::ServerError, Retry),
    (400, N, "{'error': {'message': 'prompt is too long: 2 tokens > 1 maximum', 'type': 'invalid_request_error'}}", C::PromptTooLong, Fail),
    // Texts and pages that only say such words.
    (400, HTML, "<html><body>Budget has been exceeded</body></html>", C::WrongEndpoint, Halt),
    (503, N, r#"{"error":{"message":"Budget has been exceeded! Current cost: 2"}}"#, C::Unavailable, Retry),
    (500, N, r#"{"message":"The provided model identifier is invalid."}"#, C::ServerError, Retry),
];
