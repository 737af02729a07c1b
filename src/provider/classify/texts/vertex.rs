//! Google Vertex AI, and Google's gateway in front of Anthropic's own API.

use super::{NO_HEADERS as N, Row};
use crate::model::ErrorClass as C;
use crate::model::Treatment::{Fail, Halt, HoldModel, Retry};

#[rustfmt::skip] // One text a line: the table is read by column.
pub(super) const TEXTS: &[Row] = &[
    (429, N, r#"{"error":{"code":429,"message":"Quota exceeded for aiplatform.googleapis.com/online_prediction_input_tokens_per_minute_per_base_model with base model: anthropic-claude-opus-4.","status":"RESOURCE_EXHAUSTED"}}"#, C::RateLimited, Retry),
    (429, N, r#"[{"error":{"code":429,"message":"Resource exhausted. Please try again later.","status":"RESOURCE_EXHAUSTED"}}]"#, C::RateLimited, Retry),
    (429, N, "[\n  {\n    \"error\": {\"code\": 429, \"message\": \"Quota exceeded\", \"status\": \"RESOURCE_EXHAUSTED\"}\n  }\n]", C::RateLimited, Retry),
    (400, N, r#"{"error":{"code":400,"message":"Publisher Model `projects/p/locations/us-central1/publishers/anthropic/models/claude-sonnet-4-6@default` is not servable in region us-central1.","status":"FAILED_PRECONDITION"}}"#, C::ModelNotFound, HoldModel),
    (404, N, r#"{"error":{"code":404,"message":"Publisher Model `projects/p/locations/global/publishers/anthropic/models/claude-x` was not found or your project does not have access to it.","status":"NOT_FOUND"}}"#, C::ModelNotFound, HoldModel),
    (404, N, r#"[{"error":{"code":404,"message":"Publisher Model `publishers/anthropic/models/claude-x` not found.","status":"NOT_FOUND"}}]"#, C::ModelNotFound, HoldModel),
    (404, N, r#"{"error":{"code":404,"message":"The endpoint group was moved","status":"NOT_FOUND"}}"#, C::InvalidRequest, Fail),
    (403, N, r#"{"error":{"code":403,"message":"Permission 'aiplatform.endpoints.predict' denied on resource '//aiplatform.googleapis.com/projects/p/locations/global' (or it may not exist).","status":"PERMISSION_DENIED"}}"#, C::Permission, Halt),
    (403, N, r#"{"error":{"code":403,"message":"Vertex AI API has not been used in project p before or it is disabled.","status":"PERMISSION_DENIED","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"SERVICE_DISABLED"}]}}"#, C::Permission, Halt),
    (403, N, r#"{"error":{"code":403,"message":"This API method requires billing to be enabled. Please enable billing on project p.","status":"PERMISSION_DENIED","details":[{"reason":"BILLING_DISABLED"}]}}"#, C::Billing, Halt),
    (403, N, r#"{"error":{"code":403,"message":"This API method requires billing to be enabled.","status":"PERMISSION_DENIED"}}"#, C::Billing, Halt),
    (400, N, r#"{"error":{"code":400,"message":"User location is not supported for the API use.","status":"FAILED_PRECONDITION"}}"#, C::Permission, Halt),
    (401, N, r#"{"error":{"code":401,"message":"Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential.","status":"UNAUTHENTICATED"}}"#, C::Authentication, Halt),
    (401, N, r#"{"error":{"code":401,"message":"x","status":"UNAUTHENTICATED","details":[{"reason":"ACCESS_TOKEN_EXPIRED"}]}}"#, C::Authentication, Halt),
    (400, N, r#"{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT","details":[{"reason":"API_KEY_INVALID"}]}}"#, C::Authentication, Halt),
    (400, N, r#"{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT"}}"#, C::Authentication, Halt),
    (400, N, r#"{"error":{"code":400,"message":"Request contains an invalid argument.","status":"INVALID_ARGUMENT"}}"#, C::InvalidRequest, Fail),
    (400, N, r#"{"error":{"code":400,"message":"Request payload size exceeds the limit: 31457280 bytes.","status":"INVALID_ARGUMENT"}}"#, C::RequestTooLarge, Fail),
    (400, N, r#"{"error":{"code":400,"message":"The input token count (1200000) exceeds the maximum number of tokens allowed (1000000).","status":"INVALID_ARGUMENT"}}"#, C::PromptTooLong, Fail),
    (400, N, r#"{"error":{"code":400,"message":"{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"messages.1.content.0.thinking.signature: Field required\"},\"request_id\":\"req_vrtx_011\"}","status":"INVALID_ARGUMENT"}}"#, C::InvalidRequest, Fail),
    (400, N, r#"{"error":{"code":400,"message":"{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"tools.33.custom.input_schema: JSON schema is invalid.\"}}","status":"INVALID_ARGUMENT"}}"#, C::ToolSchema, Fail),
    (400, N, r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 1 tokens > 0 maximum"},"request_id":"req_vrtx_011"}"#, C::PromptTooLong, Fail),
    (409, N, r#"{"error":{"code":409,"message":"The operation was aborted.","status":"ABORTED"}}"#, C::Conflict, Retry),
    (499, N, r#"{"error":{"code":499,"message":"The operation was cancelled.","status":"CANCELLED"}}"#, C::BadGateway, Retry),
    (500, N, r#"{"error":{"code":500,"message":"Internal error encountered.","status":"INTERNAL"}}"#, C::ServerError, Retry),
    (500, N, r#"[{"error":{"code":500,"message":"Unknown Error.","status":"UNKNOWN"}}]"#, C::ServerError, Retry),
    (503, N, r#"{"error":{"code":503,"message":"The service is currently unavailable.","status":"UNAVAILABLE"}}"#, C::Unavailable, Retry),
    (504, N, r#"{"error":{"code":504,"message":"Deadline expired before operation could complete.","status":"DEADLINE_EXCEEDED"}}"#, C::GatewayTimeout, Retry),
    (529, N, r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"req_vrtx_011"}"#, C::Overloaded, Retry),
    (404, N, "<!DOCTYPE html><html lang=en><title>Error 404 (Not Found)!!1</title>", C::WrongEndpoint, Halt),
];
