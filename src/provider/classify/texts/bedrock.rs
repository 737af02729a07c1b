//! Amazon Bedrock, and the front door of AWS.

use super::{NO_HEADERS as N, Row};
use crate::model::ErrorClass as C;
use crate::model::Treatment::{Fail, Halt, HoldModel, Retry};

type Headers = &'static [(&'static str, &'static str)];

const VALIDATION: Headers = &[(
    "x-amzn-errortype",
    "ValidationException:http://internal.amazon.com/coral/com.amazon.bedrock/",
)];
const THROTTLING: Headers = &[(
    "x-amzn-errortype",
    "ThrottlingException:http://internal.amazon.com/coral/com.amazon.bedrock/",
)];
const DENIED: Headers = &[("x-amzn-errortype", "AccessDeniedException")];
const NOT_FOUND: Headers = &[("x-amzn-errortype", "ResourceNotFoundException:")];
const UNAVAILABLE: Headers = &[("x-amzn-errortype", "ServiceUnavailableException")];
const NOT_READY: Headers = &[("x-amzn-errortype", "ModelNotReadyException")];
const INTERNAL: Headers = &[("x-amzn-errortype", "InternalServerException")];
const MODEL_ERROR: Headers = &[("x-amzn-errortype", "ModelErrorException")];
const TIMEOUT: Headers = &[("x-amzn-errortype", "ModelTimeoutException")];
const UNRECOGNIZED: Headers = &[("x-amzn-errortype", "UnrecognizedClientException")];
const EXPIRED: Headers = &[("x-amzn-errortype", "ExpiredTokenException")];
const SIGNATURE: Headers = &[("x-amzn-errortype", "InvalidSignatureException")];
const QUOTA: Headers = &[("x-amzn-errortype", "ServiceQuotaExceededException")];
const UNKNOWN_OPERATION: Headers = &[("x-amzn-errortype", "UnknownOperationException")];

#[rustfmt::skip] // One text a line: the table is read by column.
pub(super) const TEXTS: &[Row] = &[
    // Models that cannot be had.
    (400, VALIDATION, r#"{"message":"The provided model identifier is invalid."}"#, C::ModelNotFound, HoldModel),
    (400, N, r#"{"message":"The provided model identifier is invalid."}"#, C::ModelNotFound, HoldModel),
    (400, VALIDATION, r#"{"message":"Invocation of model ID anthropic.claude-opus-5-5 with on-demand throughput isn’t supported. Retry your request with the ID or ARN of an inference profile that contains this model."}"#, C::ModelNotFound, HoldModel),
    (400, VALIDATION, r#"{"message":"1 validation error detected: Value at 'modelId' failed to satisfy constraint: Member must satisfy regular expression pattern: x"}"#, C::ModelNotFound, HoldModel),
    (400, VALIDATION, r#"{"message":"data retention mode 'default' is not available for this model"}"#, C::ModelNotFound, HoldModel),
    (404, NOT_FOUND, r#"{"message":"Model use case details have not been submitted for this account. Fill out the Anthropic use case details form before using the model."}"#, C::ModelNotFound, HoldModel),
    (404, N, r#"{"message":"Model use case details have not been submitted for this account."}"#, C::ModelNotFound, HoldModel),
    (404, NOT_FOUND, r#"{"message":"Access denied. This Model is marked by provider as Legacy and you have not been actively using the model in the last 30 days. Please upgrade to an active model on Amazon Bedrock"}"#, C::ModelNotFound, HoldModel),
    (404, NOT_FOUND, r#"{"message":"This model version has reached the end of its life. Please refer to the AWS documentation for more details."}"#, C::ModelNotFound, HoldModel),
    (404, NOT_FOUND, r#"{"message":"Could not resolve the foundation model from the provided model identifier."}"#, C::ModelNotFound, HoldModel),
    (404, NOT_FOUND, r#"{"message":"The requested resource is not found"}"#, C::ModelNotFound, HoldModel),
    (403, DENIED, r#"{"message":"You don't have access to the model with the specified model ID."}"#, C::ModelNotFound, HoldModel),
    (403, N, r#"{"message":"You don't have access to the model with the specified model ID."}"#, C::ModelNotFound, HoldModel),
    (403, DENIED, r#"{"message":"anthropic.claude-sonnet-5-5 is not available for this account. You can explore other available models on Amazon Bedrock."}"#, C::ModelNotFound, HoldModel),
    (404, N, r#"{"type":"error","error":{"type":"not_found_error","message":"model: anthropic.claude-fable-5"}}"#, C::ModelNotFound, HoldModel),
    // Rights, keys, money.
    (403, DENIED, r#"{"Message":"User: arn:aws:iam::123:user/x is not authorized to perform: bedrock:InvokeModel on resource: arn:aws:bedrock:us-east-1::foundation-model/y"}"#, C::Permission, Halt),
    (403, DENIED, r#"{"message":"Model access is denied due to IAM user or service role is not authorized to perform the required AWS Marketplace actions (aws-marketplace:ViewSubscriptions, aws-marketplace:Subscribe)."}"#, C::Permission, Halt),
    (403, DENIED, r#"{"message":"Model access is denied due to INVALID_PAYMENT_INSTRUMENT:A valid payment instrument must be provided. Your AWS Marketplace subscription for this model cannot be completed at this time."}"#, C::Billing, Halt),
    (500, N, r#"{"message":"User: arn:aws:iam::123:role/x is not authorized to perform: bedrock:InvokeModel"}"#, C::Permission, Halt),
    (403, DENIED, r#"{"message":"Your account is not authorized to invoke this API operation."}"#, C::Permission, Halt),
    (400, VALIDATION, r#"{"message":"Operation not allowed"}"#, C::Permission, Halt),
    (400, VALIDATION, r#"{"message":"Access to Anthropic models is not allowed from unsupported countries, regions, or territories. Please refer to the list of supported ones."}"#, C::Permission, Halt),
    (403, DENIED, "", C::Permission, Halt),
    (403, UNRECOGNIZED, r#"{"message":"The security token included in the request is invalid."}"#, C::Authentication, Halt),
    (403, N, r#"{"message":"The security token included in the request is expired"}"#, C::Authentication, Halt),
    (400, EXPIRED, r#"{"message":"The security token included in the request is expired"}"#, C::Authentication, Halt),
    (403, SIGNATURE, r#"{"message":"The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method."}"#, C::Authentication, Halt),
    (403, N, r#"{"Message":"Bearer Token has expired"}"#, C::Authentication, Halt),
    (403, N, r#"{"__type":"com.amazon.coral.service#MissingAuthenticationTokenException","message":"Missing Authentication Token"}"#, C::Authentication, Halt),
    // Quotas and capacity.
    (429, THROTTLING, r#"{"message":"Too many tokens, please wait before trying again."}"#, C::RateLimited, Retry),
    (429, N, r#"{"message":"Too many requests, please wait before trying again."}"#, C::RateLimited, Retry),
    (400, THROTTLING, r#"{"message":"Rate exceeded"}"#, C::RateLimited, Retry),
    (400, N, r#"{"message":"Too many tokens, please wait before trying again."}"#, C::RateLimited, Retry),
    (429, THROTTLING, r#"{"message":"Too many tokens per day, please wait before trying again."}"#, C::SpendLimit, Halt),
    (400, QUOTA, r#"{"message":"Your request exceeds the service quota for your account."}"#, C::SpendLimit, Halt),
    (429, NOT_READY, r#"{"message":"Model is not ready for inference. Wait and try your request again."}"#, C::Unavailable, Retry),
    (503, UNAVAILABLE, r#"{"message":"Bedrock is unable to process your request."}"#, C::Unavailable, Retry),
    (400, VALIDATION, r#"{"message":"Bedrock is unable to process your request."}"#, C::Unavailable, Retry),
    (400, N, r#"{"message":"The system encountered an unexpected error during processing. Try your request again."}"#, C::ServerError, Retry),
    (500, INTERNAL, r#"{"message":"The system encountered an unexpected error during processing. Try your request again."}"#, C::ServerError, Retry),
    (408, TIMEOUT, r#"{"message":"Model has timed out in processing the request. Try your request again."}"#, C::GatewayTimeout, Retry),
    (424, MODEL_ERROR, r#"{"message":"The system encountered an error while the model processed the request.","resourceName":"x"}"#, C::ServerError, Retry),
    (424, MODEL_ERROR, r#"{"message":"Received client error (400) from primary","originalStatusCode":400,"resourceName":"x"}"#, C::InvalidRequest, Fail),
    // Faults of the request.
    (400, VALIDATION, r#"{"message":"Input is too long for requested model."}"#, C::PromptTooLong, Fail),
    (400, VALIDATION, r#"{"message":"The model returned the following errors: prompt is too long: 208310 tokens > 200000 maximum"}"#, C::PromptTooLong, Fail),
    (400, VALIDATION, r#"{"message":"The maximum tokens you requested exceeds the model limit of 4096. Try again with a maximum tokens value that is lower than 4096."}"#, C::MaxTokensTooLarge, Fail),
    (400, VALIDATION, r#"{"message":"1 validation error detected: Value at 'body' failed to satisfy constraint: Member must have length less than or equal to 25000000"}"#, C::RequestTooLarge, Fail),
    (400, VALIDATION, r#"{"message":"The number of toolResult blocks at messages.198.content exceeds the number of toolUse blocks of previous turn."}"#, C::ToolPairing, Fail),
    (400, VALIDATION, r#"{"message":"Expected toolResult blocks at messages.2.content for the following Ids: tooluse_1"}"#, C::ToolPairing, Fail),
    (400, VALIDATION, r#"{"message":"The model returned the following errors: This model does not support assistant message prefill. The conversation must end with a user message."}"#, C::PrefillUnsupported, Fail),
    (400, VALIDATION, r#"{"message":"The model returned the following errors: `temperature` is deprecated for this model."}"#, C::InvalidRequest, Fail),
    (400, N, r#"{"message":"The model returned the following errors: tool_choice.type: Field required"}"#, C::InvalidRequest, Fail),
    (400, VALIDATION, r#"{"message":"messages.0.content.3.text.cache_control.ephemeral.ttl: Extra inputs are not permitted"}"#, C::CacheControl, Fail),
    (400, VALIDATION, r#"{"message":"Malformed input request: extraneous key [foo] is not permitted, please reformat your input and try again."}"#, C::InvalidRequest, Fail),
    (400, VALIDATION, r#"{"message":"thinking: Extra inputs are not permitted"}"#, C::ThinkingUnsupported, Fail),
    // The wrong door.
    (200, N, r#"{"Output":{"__type":"com.amazon.coral.service#UnknownOperationException"},"Version":"1.0"}"#, C::WrongEndpoint, Halt),
    (404, UNKNOWN_OPERATION, "<UnknownOperationException/>", C::WrongEndpoint, Halt),
    (400, N, r#"{"message":"Outbound web identity federation is disabled for your account"}"#, C::Permission, Halt),
];
