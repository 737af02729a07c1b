//! LiteLLM's proxy: its own refusals, and what providers told it.

use super::{NO_HEADERS as N, Row};
use crate::model::ErrorClass as C;
use crate::model::Treatment::{Fail, Halt, HoldModel, Retry};

#[rustfmt::skip] // One text a line: the table is read by column.
pub(super) const TEXTS: &[Row] = &[
    // Budgets.
    (400, N, r#"{"error":{"message":"Budget has been exceeded! Current cost: 12.5, Max budget: 10.0","type":"budget_exceeded","param":null,"code":"400"}}"#, C::SpendLimit, Halt),
    (429, N, r#"{"error":{"message":"Budget has been exceeded! Team=t Current cost: 12.5, Max budget: 10.0","type":"budget_exceeded","param":null,"code":"429"}}"#, C::SpendLimit, Halt),
    (400, N, r#"{"error":{"message":"Budget has been exceeded! Current cost: 0.001, Max budget: 0.0","type":"auth_error","param":null,"code":400}}"#, C::SpendLimit, Halt),
    (401, N, r#"{"error":{"message":"ExceededBudget: End User=u over budget. Spend=0.0008, Budget=0.0001","type":"auth_error","param":"None","code":401}}"#, C::SpendLimit, Halt),
    (400, N, r#"{"detail":"ExceededBudget: User=u over budget. Spend=10.6, Budget=10.0"}"#, C::SpendLimit, Halt),
    (400, N, r#"{"error":{"message":"Team=3A over budget. Spend=51, Budget=50","type":"None","param":"None","code":"400"}}"#, C::SpendLimit, Halt),
    (429, N, r#"{"error":{"message":"LiteLLM User: u, exceeded budget for model=claude-opus-4-8","type":"None","param":null,"code":"429"}}"#, C::SpendLimit, Halt),
    (429, N, r#"{"error":{"message":"No deployments available - crossed budget: Exceeded budget for deployment model_name: x: 0.36 >= 1d","type":"None","param":"None","code":"429"}}"#, C::SpendLimit, Halt),
    (400, N, r#"{"error":{"message":"litellm.BadRequestError: OpenAIException - Budget has been exceeded! Current cost: 14.1, Max budget: 10. Received Model Group=x\nAvailable Model Group Fallbacks=None","type":null,"param":null,"code":"400"}}"#, C::SpendLimit, Halt),
    // Keys and models.
    (401, N, r#"{"error":{"message":"Authentication Error, Invalid proxy server token passed. Received API Key = sk-...x","type":"token_not_found_in_db","param":"key","code":"401"}}"#, C::Authentication, Halt),
    (400, N, r#"{"error":{"message":"Authentication Error - Expired Key. Key Expiry time 2026-09-01","type":"expired_key","param":"None","code":"400"}}"#, C::Authentication, Halt),
    (401, N, r#"{"error":{"message":"key not allowed to access model. This key can only access models=['a']. Tried to access claude-x","type":"key_model_access_denied","param":"model","code":"401"}}"#, C::ModelNotFound, HoldModel),
    (403, N, r#"{"error":{"message":"team not allowed to access model. This team can only access models=['a']. Tried to access b","type":"team_model_access_denied","param":"model","code":"403"}}"#, C::ModelNotFound, HoldModel),
    (400, N, r#"{"error":{"message":"/v1/messages: Invalid model name passed in model=claude-x. Call `/v1/models` to view available models for your key.","type":"None","param":"None","code":"400"}}"#, C::ModelNotFound, HoldModel),
    (400, N, r#"{"detail":{"error":"anthropic_messages: Invalid model name passed in model=claude-x"}}"#, C::ModelNotFound, HoldModel),
    (404, N, r#"{"error":{"message":"litellm.NotFoundError: AnthropicException - {\"type\":\"error\",\"error\":{\"type\":\"not_found_error\",\"message\":\"model: claude-3-5-sonnet\"},\"request_id\":\"req_1\"}. Received Model Group=x","type":null,"param":null,"code":"404"}}"#, C::ModelNotFound, HoldModel),
    (404, N, r#"{"error":{"message":"litellm.NotFoundError: VertexAIException - {\n  \"error\": {\n    \"code\": 404,\n    \"message\": \"Publisher Model `x` was not found or your project does not have access to it.\",\n    \"status\": \"NOT_FOUND\"\n  }\n}\n LiteLLM Retried: 5 times","type":null,"param":null,"code":"404"}}"#, C::ModelNotFound, HoldModel),
    (400, N, r#"{"error":{"message":"litellm.BadRequestError: BedrockException - {\"message\":\"The provided model identifier is invalid.\"}. Received Model Group=x","type":null,"param":null,"code":"400"}}"#, C::ModelNotFound, HoldModel),
    (500, N, r#"{"error":{"message":"litellm.APIConnectionError: BedrockException - {\"message\":\"The provided model identifier is invalid.\"}","type":null,"param":null,"code":"500"}}"#, C::ModelNotFound, HoldModel),
    (401, N, r#"{"error":{"message":"litellm.AuthenticationError: AnthropicException - {\"type\":\"error\",\"error\":{\"type\":\"authentication_error\",\"message\":\"invalid x-api-key\"}}","type":null,"param":null,"code":"401"}}"#, C::Authentication, Halt),
    // What the provider told.
    (400, N, r#"{"error":{"message":"litellm.BadRequestError: AnthropicException - {\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"Your credit balance is too low to access the Anthropic API.\"}}. Received Model Group=x","type":null,"param":null,"code":"400"}}"#, C::Billing, Halt),
    (400, N, r#"{"error":{"message":"litellm.BadRequestError: AnthropicException - b'{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"prompt is too long: 2 tokens > 1 maximum\"}}'","type":"None","param":"None","code":"400"}}"#, C::PromptTooLong, Fail),
    (400, N, r#"{"error":{"message":"litellm.ContextWindowExceededError: litellm.BadRequestError: AnthropicError - {\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"prompt is too long: 2 tokens > 1 maximum\"}}","type":"None","param":"None","code":"400"}}"#, C::PromptTooLong, Fail),
    (400, N, r#"{"error":{"message":"{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"Unexpected value(s) `x` for the `anthropic-beta` header.\"},\"request_id\":\"req_vrtx_1\"}. Received Model Group=x\nAvailable Model Group Fallbacks=None","type":"None","param":"None","code":"400"}}"#, C::InvalidRequest, Fail),
    (400, N, r#"{"error":{"message":"{\"message\":\"tools.0.custom.defer_loading: Extra inputs are not permitted\"}. Received Model Group=x","type":"None","param":"None","code":"400"}}"#, C::InvalidRequest, Fail),
    (400, N, r#"{"error":{"message":"litellm.BadRequestError: BedrockException - {\"message\":\"The model returned the following errors: messages.41: `tool_use` ids were found without `tool_result` blocks immediately after: x\"}","type":null,"param":null,"code":"400"}}"#, C::ToolPairing, Fail),
    (400, N, r#"{"error":{"message":"litellm.BadRequestError: BedrockException - {\"message\":\"Bedrock is unable to process your request.\"}","type":null,"param":null,"code":"400"}}"#, C::Unavailable, Retry),
    (400, N, r#"{"error":{"message":"litellm.BadRequestError: AnthropicException - {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}","type":null,"param":null,"code":"400"}}"#, C::Overloaded, Retry),
    (500, N, r#"{"error":{"message":"litellm.InternalServerError: AnthropicException - Overloaded. Handle with `litellm.InternalServerError`.","type":null,"param":null,"code":"500"}}"#, C::ServerError, Retry),
    (503, N, r#"{"error":{"message":"litellm.ServiceUnavailableError: AnthropicException - {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}","type":null,"param":null,"code":"503"}}"#, C::Overloaded, Retry),
    (500, N, r#"{"error":{"message":"litellm.APIConnectionError: AnthropicException - {\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"messages: Field required\"}}","type":null,"param":null,"code":"500"}}"#, C::InvalidRequest, Fail),
    (500, N, r#"{"error":{"message":"litellm.APIConnectionError: BedrockException - {\"Message\":\"User: arn:aws:iam::1:role/x is not authorized to perform: bedrock:InvokeModel on resource: y\"}","type":null,"param":null,"code":"500"}}"#, C::Permission, Halt),
    (500, N, r#"{"error":{"message":"litellm.APIConnectionError: BedrockException - {\"message\":\"Model access is denied due to IAM user or service role is not authorized to perform the required AWS Marketplace actions\"}","type":null,"param":null,"code":"500"}}"#, C::Permission, Halt),
    (429, N, r#"{"error":{"message":"litellm.RateLimitError: BedrockException - {\"message\":\"Too many tokens, please wait before trying again.\"}","type":"throttling_error","param":null,"code":"429"}}"#, C::RateLimited, Retry),
    (500, N, r#"{"error":{"message":"litellm.RateLimitError: VertexAIException - Resource exhausted","type":null,"param":null,"code":"500"}}"#, C::RateLimited, Retry),
    // The proxy's own limits and troubles.
    (429, N, r#"{"error":{"message":"No deployments available for selected model, Try again in 30 seconds. Passed model=x. pre-call-checks=False, cooldown_list=[]","type":"None","param":"None","code":"429"}}"#, C::RateLimited, Retry),
    (400, N, r#"{"error":{"message":"No deployments available for selected model, Try again in 5 seconds. Passed model=x","type":"None","param":"None","code":"400"}}"#, C::RateLimited, Retry),
    (429, N, r#"{"error":{"message":"Max parallel request limit reached. Hit limit for key: x. Current limit: 1","type":"None","param":"None","code":"429"}}"#, C::ConcurrencyLimited, Retry),
    (500, N, r#"{"error":{"message":"No connected db.","type":"no_db_connection","param":null,"code":"400"}}"#, C::Unavailable, Retry),
    (408, N, r#"{"error":{"message":"litellm.Timeout: AnthropicException - Connection timed out after 600.0 seconds.","type":"None","param":"None","code":"408"}}"#, C::RequestTimeout, Retry),
    (500, N, "litellm.APIError: AnthropicException - {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}", C::Overloaded, Retry),
];
