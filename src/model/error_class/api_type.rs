//! Which of the API's own error types stands for a class in a result.
//!
//! Readers of results know the API's types alone: the official SDKs take a result line apart by them.
//! The types that the API documents and their list lacks (`request_too_large`, `conflict_error`) are
//! none for such a reader.

use super::ErrorClass;

/// The types that a strict reader of the official SDKs takes.
pub const API_ERROR_TYPES: [&str; 9] = [
    "invalid_request_error",
    "authentication_error",
    "billing_error",
    "permission_error",
    "not_found_error",
    "rate_limit_error",
    "timeout_error",
    "api_error",
    "overloaded_error",
];

impl ErrorClass {
    /// The API's type for what this class means: whose fault it was, and whether the same request
    /// may do later. One of [`API_ERROR_TYPES`].
    #[must_use]
    pub fn api_type(self) -> &'static str {
        match self {
            Self::RateLimited
            | Self::AccelerationLimited
            | Self::ConcurrencyLimited
            | Self::BatchQueueFull => "rate_limit_error",
            Self::SpendLimit | Self::Billing => "billing_error",
            Self::Authentication => "authentication_error",
            Self::Permission | Self::OrganizationDisabled => "permission_error",
            Self::ModelNotFound | Self::FileMissing => "not_found_error",
            Self::Overloaded => "overloaded_error",
            Self::GatewayTimeout | Self::Timeout | Self::RequestTimeout | Self::Expired => {
                "timeout_error"
            }
            Self::WrongEndpoint
            | Self::Unreachable
            | Self::ServerError
            | Self::BadGateway
            | Self::Unavailable
            | Self::EdgeError
            | Self::Connect
            | Self::Dns
            | Self::Tls
            | Self::ConnectionCut
            | Self::StreamCut
            | Self::BadResponse
            | Self::Conflict
            | Self::ResultMissing
            | Self::ResultsExpired
            | Self::Canceled
            | Self::Interrupted
            | Self::Unknown => "api_error",
            Self::PromptTooLong
            | Self::RequestTooLarge
            | Self::MaxTokensTooLarge
            | Self::ToolPairing
            | Self::CacheControl
            | Self::Image
            | Self::ToolSchema
            | Self::PrefillUnsupported
            | Self::ThinkingUnsupported
            | Self::ContentFiltered
            | Self::InvalidRequest
            | Self::Refused
            | Self::Truncated
            | Self::ContextWindowExceeded
            | Self::Paused
            | Self::BatchRejected => "invalid_request_error",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{API_ERROR_TYPES, ErrorClass};
    use crate::model::Treatment;

    #[test]
    fn every_class_has_a_type_that_says_whether_the_same_request_may_do_later() {
        let for_good = ["invalid_request_error", "not_found_error"];
        for class in ErrorClass::all() {
            let kind = class.api_type();
            assert!(API_ERROR_TYPES.contains(&kind), "{class}: {kind}");
            if class.treatment() == Treatment::Retry {
                assert!(!for_good.contains(&kind), "{class}: {kind}");
            }
        }
    }
}
