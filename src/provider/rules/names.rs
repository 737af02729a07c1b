//! Names that errors have: types, exceptions and codes. A new one is a row here.

use crate::model::ErrorClass as C;

/// Where a code makes its class.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    /// Under any status: nobody but an API writes it, and it says the same everywhere.
    Any,
    /// Not under 5xx: gateways send it there for their own troubles, too.
    Refusal,
}

/// `error.type` to the status that it comes with: the API's own (errors page).
pub(super) const TYPES: &[(&str, u16)] = &[
    ("invalid_request_error", 400),
    ("authentication_error", 401),
    ("billing_error", 402),
    ("permission_error", 403),
    ("not_found_error", 404),
    ("conflict_error", 409),
    ("request_too_large", 413),
    ("rate_limit_error", 429),
    ("api_error", 500),
    ("timeout_error", 504),
    ("overloaded_error", 529),
];

/// The same of other platforms. They are spelled so and not otherwise: in small letters most are words
/// of any prose.
pub(super) const FOREIGN_TYPES: &[(&str, u16)] = &[
    // Amazon Bedrock (service model of `bedrock-runtime`) and the front door of AWS.
    ("ValidationException", 400),
    ("ConflictException", 400),
    ("ServiceQuotaExceededException", 400),
    ("IncompleteSignatureException", 400),
    ("AccessDeniedException", 403),
    ("UnrecognizedClientException", 403),
    ("InvalidSignatureException", 403),
    ("ExpiredTokenException", 403),
    ("MissingAuthenticationTokenException", 403),
    ("ResourceNotFoundException", 404),
    ("UnknownOperationException", 404),
    ("ModelTimeoutException", 408),
    ("ModelErrorException", 424),
    ("ModelStreamErrorException", 424),
    ("ThrottlingException", 429),
    ("TooManyRequestsException", 429),
    ("ModelNotReadyException", 429),
    ("InternalServerException", 500),
    ("InternalFailureException", 500),
    ("ServiceUnavailableException", 503),
    // Google (canonical error codes).
    ("INVALID_ARGUMENT", 400),
    ("FAILED_PRECONDITION", 400),
    ("OUT_OF_RANGE", 400),
    ("UNAUTHENTICATED", 401),
    ("PERMISSION_DENIED", 403),
    ("NOT_FOUND", 404),
    ("ABORTED", 409),
    ("ALREADY_EXISTS", 409),
    ("RESOURCE_EXHAUSTED", 429),
    ("CANCELLED", 499),
    ("INTERNAL", 500),
    ("UNKNOWN", 500),
    ("DATA_LOSS", 500),
    ("UNIMPLEMENTED", 501),
    ("UNAVAILABLE", 503),
    ("DEADLINE_EXCEEDED", 504),
];

/// Codes and types that make a class by themselves, whatever the status is beside them. Compared without
/// regard to case.
#[rustfmt::skip] // One code a line: the table is read by column.
pub(super) const CODES: &[(&str, At, C)] = &[
    // The API's tier cap: a 429 without retry-after (rate-limit page).
    ("enforced_spend_limit_reached", At::Any, C::SpendLimit),

    // Quotas and budgets of gateways (LiteLLM, new-api; whatever speaks as OpenAI does).
    ("budget_exceeded", At::Any, C::SpendLimit),
    ("insufficient_quota", At::Any, C::SpendLimit),
    ("billing_hard_limit_reached", At::Any, C::SpendLimit),
    ("insufficient_user_quota", At::Any, C::SpendLimit),
    ("pre_consume_token_quota_failed", At::Any, C::SpendLimit),
    ("billing_not_active", At::Any, C::Billing),
    ("insufficient_funds", At::Any, C::Billing),
    ("billing_disabled", At::Any, C::Billing),
    ("account_deactivated", At::Any, C::OrganizationDisabled),
    ("invalid_api_key", At::Refusal, C::Authentication),
    ("api_key_invalid", At::Refusal, C::Authentication),
    ("expired_key", At::Refusal, C::Authentication),
    ("token_not_found_in_db", At::Refusal, C::Authentication),
    ("access_token_expired", At::Refusal, C::Authentication),
    ("unsupported_country_region_territory", At::Refusal, C::Permission),
    ("service_disabled", At::Refusal, C::Permission),
    ("oauth_not_allowed_for_organization", At::Refusal, C::Permission),

    // Models that this key, account or region has not.
    ("model_not_found", At::Refusal, C::ModelNotFound),
    ("deploymentnotfound", At::Refusal, C::ModelNotFound),
    ("unknown_model", At::Refusal, C::ModelNotFound),
    ("unavailable_model", At::Refusal, C::ModelNotFound),
    ("model_not_allowed", At::Refusal, C::ModelNotFound),
    ("key_model_access_denied", At::Refusal, C::ModelNotFound),
    ("team_model_access_denied", At::Refusal, C::ModelNotFound),
    ("user_model_access_denied", At::Refusal, C::ModelNotFound),
    ("org_model_access_denied", At::Refusal, C::ModelNotFound),
    ("project_model_access_denied", At::Refusal, C::ModelNotFound),
    ("resourcenotfoundexception", At::Refusal, C::ModelNotFound),
    ("ftuformnotfilled", At::Refusal, C::ModelNotFound),

    // Amazon: the same name comes with several statuses.
    ("throttlingexception", At::Any, C::RateLimited),
    ("toomanyrequestsexception", At::Any, C::RateLimited),
    ("servicequotaexceededexception", At::Any, C::SpendLimit),
    ("modelnotreadyexception", At::Any, C::Unavailable),
    ("serviceunavailableexception", At::Any, C::Unavailable),
    ("internalserverexception", At::Any, C::ServerError),
    ("internalfailureexception", At::Any, C::ServerError),
    ("modelerrorexception", At::Any, C::ServerError),
    ("modelstreamerrorexception", At::Any, C::StreamCut),
    ("modeltimeoutexception", At::Any, C::GatewayTimeout),
    ("unrecognizedclientexception", At::Any, C::Authentication),
    ("invalidsignatureexception", At::Any, C::Authentication),
    ("incompletesignatureexception", At::Any, C::Authentication),
    ("expiredtokenexception", At::Any, C::Authentication),
    ("missingauthenticationtokenexception", At::Any, C::Authentication),
    ("unknownoperationexception", At::Any, C::WrongEndpoint),
    // Google: a request that was given up on the way.
    ("cancelled", At::Any, C::BadGateway),

    // Limits and faults of one request, in the words of OpenAI and Azure.
    ("rate_limit_exceeded", At::Refusal, C::RateLimited),
    ("context_length_exceeded", At::Refusal, C::PromptTooLong),
    ("content_filter", At::Refusal, C::ContentFiltered),
    ("content_policy_violation", At::Refusal, C::ContentFiltered),
    // LiteLLM's database, not the API.
    ("no_db_connection", At::Any, C::Unavailable),
];
