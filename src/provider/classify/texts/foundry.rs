//! Microsoft Foundry, and Azure's API management in front of it.

use super::{NO_HEADERS as N, Row};
use crate::model::ErrorClass as C;
use crate::model::Treatment::{Fail, Halt, HoldModel, Retry};

#[rustfmt::skip] // One text a line: the table is read by column.
pub(super) const TEXTS: &[Row] = &[
    (404, N, r#"{"error":{"code":"DeploymentNotFound","message":"The API deployment for this resource does not exist. If you created the deployment within the last 5 minutes, please wait a moment and try again."}}"#, C::ModelNotFound, HoldModel),
    (404, N, r#"{"error":{"message":"The API deployment for this resource does not exist."}}"#, C::ModelNotFound, HoldModel),
    (404, N, r#"{"error":{"message":"Deployment claude-opus-5 not found"}}"#, C::ModelNotFound, HoldModel),
    (400, N, r#"{"error":{"code":"unknown_model","message":"Unknown model: claude-opus-9","details":"Unknown model: claude-opus-9"}}"#, C::ModelNotFound, HoldModel),
    (404, N, r#"{"error":{"code":"404","message":"Resource not found"}}"#, C::WrongEndpoint, Halt),
    (404, N, r#"{"statusCode":404,"message":"Resource not found"}"#, C::WrongEndpoint, Halt),
    (401, N, r#"{"error":{"code":"401","message":"Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an active subscription."}}"#, C::Authentication, Halt),
    (401, N, r#"{"statusCode":401,"message":"Unauthorized. Access token is missing, invalid, audience is incorrect (https://cognitiveservices.azure.com), or have expired."}"#, C::Authentication, Halt),
    (401, N, r#"{"error":{"code":"PermissionDenied","message":"The principal lacks the required data action Microsoft.CognitiveServices/accounts/x"}}"#, C::Authentication, Halt),
    (403, N, r#"{"error":{"code":"403","message":"Access denied due to Virtual Network/Firewall rules."}}"#, C::Permission, Halt),
    (403, N, r#"{"statusCode":403,"message":"Out of call volume quota. Quota will be replenished in 01:10:12."}"#, C::SpendLimit, Halt),
    (429, N, r#"{"error":{"code":"429","message":"Requests to the Messages Operation have exceeded the call rate limit of your current tier. Please retry after 6 seconds."}}"#, C::RateLimited, Retry),
    (429, N, r#"{"statusCode":429,"message":"Rate limit is exceeded. Try again in 55 seconds."}"#, C::RateLimited, Retry),
    (429, N, r#"{"error":{"code":"RateLimitReached","message":"Your requests have exceeded the token rate limit."}}"#, C::RateLimited, Retry),
    (429, N, r#"{"error":{"code":"insufficient_quota","message":"You exceeded your current quota, please check your plan and billing details."}}"#, C::SpendLimit, Halt),
    (400, N, r#"{"error":{"code":"content_filter","message":"The response was filtered due to the prompt triggering the content management policy.","status":400}}"#, C::ContentFiltered, Fail),
    (400, N, r#"{"error":{"code":"OperationNotSupported","message":"The operation does not work with the specified model. Please choose a different one."}}"#, C::InvalidRequest, Fail),
    (400, N, r#"{"error":{"code":"BadRequest","message":"web_search is not available on this deployment"}}"#, C::InvalidRequest, Fail),
    (400, N, r#"{"type":"error","error":{"type":"invalid_request_error","message":"The compiled grammar is too large"}}"#, C::ToolSchema, Fail),
    (408, N, r#"{"error":{"code":"Timeout","message":"The operation was timeout."}}"#, C::RequestTimeout, Retry),
    (500, N, r#"{"statusCode":500,"message":"Internal server error","activityId":"x"}"#, C::ServerError, Retry),
    (503, N, r#"{"error":{"code":"InternalServerError","message":"Backend returned unexpected response."}}"#, C::Unavailable, Retry),
    (413, N, r#"{"error":{"code":"413","message":"Request body too large"}}"#, C::RequestTooLarge, Fail),
];
