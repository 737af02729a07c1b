//! Wordings that make a class. A new text is a row here: its words in small letters and without quotes,
//! where they count (`Scope`), and the class. The first row that fits decides, so the particular stands
//! before the general.
//!
//! Sources: the API's error, rate-limit, vision and structured-output pages, the pages of Bedrock, Vertex AI
//! and Foundry, the sources of LiteLLM, and raw bodies pasted in issues of the official SDKs, of Claude
//! Code, LiteLLM, OpenRouter's clients and others (2023 to 2026).

use crate::model::ErrorClass as C;

/// Where a fragment means something. Under another status the same words are an accident, such as
/// a 503 that quotes the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// Where an API refuses: an error object whose type is one of 4xx, or has none that is known, under such
    /// a status if it has one. The words begin the message.
    Account,
    /// Where a gateway tells of a quota: 402, 403 or 429, or as in `Account`. The words begin the
    /// message.
    Quota,
    /// Where a model is refused, or the right to one: 4xx without a meaning of its own, or passed on
    /// inside of another error. The words begin the message, perhaps after one word: the model.
    Model,
    /// Where a cloud says that the caller lacks a right: as in `Model`, and under 500, where gateways
    /// put what they do not understand. The words begin the message.
    Denied,
    /// Where something that passes was put into a refusal of the request: 4xx. The words begin the
    /// message, perhaps after one word.
    Passing,
    /// Where something on the way refuses before the API is asked: 400. The words begin the message.
    Way,
    /// Where output was stopped: an error object, not under 5xx. The words begin the message.
    Output,
    /// Where the request itself is at fault: 4xx without a meaning of its own.
    Request,
    /// 404.
    NotFound,
    /// 429.
    RateLimit,
}

/// All of `needles`, in any order, make the class. Where words must begin the message, the first needle
/// does; an empty one stands for one word, such as a model's name.
#[derive(Debug)]
pub(super) struct Fragment {
    pub(super) needles: &'static [&'static str],
    pub(super) scope: Scope,
    pub(super) class: C,
}

const fn rule(needles: &'static [&'static str], scope: Scope, class: C) -> Fragment {
    Fragment {
        needles,
        scope,
        class,
    }
}

#[rustfmt::skip] // One wording a line: the table is read by column.
pub(super) const FRAGMENTS: &[Fragment] = &[
    // Money and quota. Seen at 400, documented for 402; the self-set limit is a 400 (rate-limit page).
    rule(&["credit balance is too low"], Scope::Account, C::Billing),
    rule(&["you have reached your specified", "usage limits"], Scope::Account, C::SpendLimit),
    rule(&["you have reached your api usage limits"], Scope::Account, C::SpendLimit),
    // Subscriptions (Claude Code).
    rule(&["out of extra usage"], Scope::Account, C::SpendLimit),
    rule(&["out of usage credits"], Scope::Account, C::SpendLimit),
    rule(&["third-party apps now draw from your extra usage"], Scope::Account, C::SpendLimit),
    rule(&["youve reached your", "usage limit"], Scope::Quota, C::SpendLimit),
    rule(&["you have reached your", "usage limit"], Scope::Quota, C::SpendLimit),
    rule(&["youve hit your", "limit"], Scope::Quota, C::SpendLimit),
    rule(&["spending limit reached"], Scope::Quota, C::SpendLimit),
    // LiteLLM: keys, users, teams, models and deployments have budgets.
    rule(&["budget has been exceeded"], Scope::Quota, C::SpendLimit),
    rule(&["exceededbudget"], Scope::Quota, C::SpendLimit),
    rule(&["exceededtokenbudget"], Scope::Quota, C::SpendLimit),
    rule(&["exceeded budget"], Scope::Quota, C::SpendLimit),
    rule(&["litellm", "exceeded budget for model"], Scope::Quota, C::SpendLimit),
    rule(&["no deployments available - crossed budget"], Scope::Quota, C::SpendLimit),
    rule(&["", "over budget", "spend="], Scope::Quota, C::SpendLimit),
    rule(&["over budget"], Scope::Quota, C::SpendLimit),
    rule(&["budget exceeded"], Scope::Quota, C::SpendLimit),
    rule(&["budget limit exceeded"], Scope::Quota, C::SpendLimit),
    // OpenAI and what speaks like it.
    rule(&["you exceeded your current quota"], Scope::Quota, C::SpendLimit),
    rule(&["exceeded your current quota"], Scope::Quota, C::SpendLimit),
    rule(&["you have exceeded your monthly included credits"], Scope::Quota, C::Billing),
    // new-api, one-api.
    rule(&["user quota is not enough"], Scope::Quota, C::SpendLimit),
    rule(&["token quota is not enough"], Scope::Quota, C::SpendLimit),
    // OpenRouter, Vercel, and resellers.
    rule(&["key limit exceeded"], Scope::Quota, C::SpendLimit),
    rule(&["insufficient credits"], Scope::Quota, C::Billing),
    rule(&["insufficient balance"], Scope::Quota, C::Billing),
    rule(&["insufficient account balance"], Scope::Quota, C::Billing),
    rule(&["insufficient funds"], Scope::Quota, C::Billing),
    rule(&["this request requires more credits"], Scope::Quota, C::Billing),
    // Azure's API management.
    rule(&["out of call volume quota"], Scope::Quota, C::SpendLimit),
    // Amazon: a quota of the day, and the means of payment.
    rule(&["too many tokens per day"], Scope::Quota, C::SpendLimit),
    rule(&["model access is denied due to invalid_payment_instrument"], Scope::Denied, C::Billing),
    // Google.
    rule(&["this api method requires billing to be enabled"], Scope::Quota, C::Billing),
    rule(&["billing account", "is disabled"], Scope::Quota, C::Billing),
    rule(&["billing has not been enabled"], Scope::Quota, C::Billing),

    // A permanent stop of everything, although it is a 400 (Claude Code error reference).
    rule(&["organization has been disabled"], Scope::Account, C::OrganizationDisabled),
    rule(&["organization has been suspended"], Scope::Account, C::OrganizationDisabled),
    rule(&["account has been disabled"], Scope::Account, C::OrganizationDisabled),
    rule(&["account has been suspended"], Scope::Account, C::OrganizationDisabled),
    rule(&["account is suspended"], Scope::Account, C::OrganizationDisabled),
    rule(&["account is on hold"], Scope::Account, C::OrganizationDisabled),

    // Keys: a token of a subscription; those of clouds come with 400 and 403.
    rule(&["this credential is only authorized for use with"], Scope::Account, C::Authentication),
    rule(&["api key not valid"], Scope::Account, C::Authentication),
    rule(&["api key expired"], Scope::Account, C::Authentication),
    rule(&["security token included in the request is"], Scope::Account, C::Authentication),
    rule(&["bearer token has expired"], Scope::Account, C::Authentication),
    rule(&["bearer token is invalid"], Scope::Account, C::Authentication),
    rule(&["signature expired"], Scope::Account, C::Authentication),
    rule(&["request signature we calculated does not match"], Scope::Account, C::Authentication),
    rule(&["request had invalid authentication credentials"], Scope::Account, C::Authentication),

    // A key of several workspaces needs the header: no job can succeed (authentication page).
    rule(&["anthropic-workspace-id"], Scope::Account, C::Permission),
    // Countries, networks and accounts that the model is not for.
    rule(&["access to anthropic models is not allowed from unsupported"], Scope::Account, C::Permission),
    rule(&["user location is not supported"], Scope::Account, C::Permission),
    rule(&["country, region, or territory not supported"], Scope::Account, C::Permission),
    rule(&["not available in your country"], Scope::Account, C::Permission),
    rule(&["outbound web identity federation is disabled"], Scope::Account, C::Permission),
    rule(&["account is not authorized to invoke this api operation"], Scope::Account, C::Permission),
    rule(&["operation not allowed"], Scope::Account, C::Permission),

    // A model that cannot be had. Amazon Bedrock:
    rule(&["1 validation error detected: value at modelid"], Scope::Model, C::ModelNotFound),
    rule(&["the provided model identifier is invalid"], Scope::Model, C::ModelNotFound),
    rule(&["invocation of model id", "on-demand throughput"], Scope::Model, C::ModelNotFound),
    rule(&["the provided model doesnt support on-demand throughput"], Scope::Model, C::ModelNotFound),
    rule(&["model use case details have not been submitted"], Scope::Model, C::ModelNotFound),
    rule(&["you have not filled out the request form"], Scope::Model, C::ModelNotFound),
    rule(&["access denied. this model is marked by provider as legacy"], Scope::Model, C::ModelNotFound),
    rule(&["this model is marked by provider as legacy"], Scope::Model, C::ModelNotFound),
    rule(&["this model version has reached the end of its life"], Scope::Model, C::ModelNotFound),
    rule(&["you dont have access to the model"], Scope::Model, C::ModelNotFound),
    rule(&["could not resolve the foundation model"], Scope::Model, C::ModelNotFound),
    rule(&["", "is not available for this account"], Scope::Model, C::ModelNotFound),
    rule(&["data retention mode", "is not available for this model"], Scope::Model, C::ModelNotFound),
    // Vertex AI:
    rule(&["publisher model", "not servable"], Scope::Model, C::ModelNotFound),
    rule(&["publisher model", "not found"], Scope::Model, C::ModelNotFound),
    // Microsoft Foundry:
    rule(&["the api deployment for this resource does not exist"], Scope::Model, C::ModelNotFound),
    rule(&["deployment", "not found"], Scope::Model, C::ModelNotFound),
    rule(&["unknown model"], Scope::Model, C::ModelNotFound),
    // OpenRouter:
    rule(&["no endpoints found for"], Scope::Model, C::ModelNotFound),
    rule(&["no endpoints found matching your data policy"], Scope::Model, C::ModelNotFound),
    rule(&["no allowed providers are available for the selected model"], Scope::Model, C::ModelNotFound),
    rule(&["", "is not a valid model id"], Scope::Model, C::ModelNotFound),
    // LiteLLM and other gateways:
    rule(&["invalid model name passed in model="], Scope::Model, C::ModelNotFound),
    rule(&["", "invalid model name passed in model="], Scope::Model, C::ModelNotFound),
    rule(&["key not allowed to access model"], Scope::Model, C::ModelNotFound),
    rule(&["team not allowed to access model"], Scope::Model, C::ModelNotFound),
    rule(&["user not allowed to access model"], Scope::Model, C::ModelNotFound),
    rule(&["this api key is not allowed to access model"], Scope::Model, C::ModelNotFound),
    rule(&["api key is not allowed to access model"], Scope::Model, C::ModelNotFound),
    rule(&["no available channel for model"], Scope::Model, C::ModelNotFound),
    rule(&["unsupported model"], Scope::Model, C::ModelNotFound),
    rule(&["invalid model:"], Scope::Model, C::ModelNotFound),
    rule(&["model not found"], Scope::Model, C::ModelNotFound),
    rule(&["the model", "does not exist"], Scope::Model, C::ModelNotFound),
    rule(&["the requested model", "not available"], Scope::Model, C::ModelNotFound),
    rule(&["the requested model", "does not exist"], Scope::Model, C::ModelNotFound),
    rule(&["model", "is not available in"], Scope::Model, C::ModelNotFound),
    rule(&["model", "has been deprecated"], Scope::Model, C::ModelNotFound),
    rule(&["model", "has been retired"], Scope::Model, C::ModelNotFound),
    // 404. The API's message is `model: <id>`; gateways write sentences.
    rule(&["model:"], Scope::NotFound, C::ModelNotFound),
    rule(&["model", "not found"], Scope::NotFound, C::ModelNotFound),
    rule(&["model", "does not exist"], Scope::NotFound, C::ModelNotFound),

    // Rights that a cloud's role lacks, also under 500 and inside what a gateway made of them.
    rule(&["model access is denied due to"], Scope::Denied, C::Permission),
    rule(&["user: arn:", "is not authorized to perform"], Scope::Denied, C::Permission),
    rule(&["not authorized to perform"], Scope::Denied, C::Permission),
    rule(&["permission", "denied on resource"], Scope::Denied, C::Permission),

    // 400, or an event in mid-stream (issues).
    rule(&["output blocked by content filtering policy"], Scope::Output, C::ContentFiltered),

    // 429 (issues, rate-limit page).
    rule(&["extra usage is required for long context"], Scope::RateLimit, C::PromptTooLong),
    rule(&["usage credits are required for long context"], Scope::RateLimit, C::PromptTooLong),
    rule(&["usage increase rate"], Scope::RateLimit, C::AccelerationLimited),
    rule(&["acceleration limit"], Scope::RateLimit, C::AccelerationLimited),
    rule(&["concurrent connections"], Scope::RateLimit, C::ConcurrencyLimited),
    rule(&["concurrent requests"], Scope::RateLimit, C::ConcurrencyLimited),
    rule(&["max parallel request"], Scope::RateLimit, C::ConcurrencyLimited),

    // What passes, inside a refusal: Bedrock wraps its own 500 and 503 in a ValidationException.
    rule(&["", "is unable to process your request"], Scope::Passing, C::Unavailable),
    rule(&["unable to process your request", "try again"], Scope::Passing, C::Unavailable),
    rule(&["the system encountered an unexpected error"], Scope::Passing, C::ServerError),
    rule(&["an unexpected error", "try again"], Scope::Passing, C::ServerError),
    rule(&["an internal error", "try again"], Scope::Passing, C::ServerError),
    rule(&["internal server error"], Scope::Passing, C::ServerError),
    rule(&["the server had an error while processing your request"], Scope::Passing, C::ServerError),
    rule(&["overloaded"], Scope::Passing, C::Overloaded),
    rule(&["service unavailable"], Scope::Passing, C::Unavailable),
    rule(&["the service is temporarily unavailable"], Scope::Passing, C::Unavailable),
    rule(&["too many requests"], Scope::Passing, C::RateLimited),
    rule(&["too many tokens, please wait"], Scope::Passing, C::RateLimited),
    rule(&["rate limit exceeded"], Scope::Passing, C::RateLimited),
    rule(&["no deployments available for selected model", "try again in"], Scope::Passing, C::RateLimited),
    // A gateway that knows no such key.
    rule(&["no api key found in request"], Scope::Way, C::WrongEndpoint),

    // Files (Files API page); a URL that the API could not read (issues).
    rule(&["file_", "not found"], Scope::Request, C::FileMissing),
    rule(&["file not found"], Scope::Request, C::FileMissing),
    rule(&["unable to download the file"], Scope::Request, C::FileMissing),

    // Length and size (issues, Claude Code error reference).
    rule(&["prompt is too long"], Scope::Request, C::PromptTooLong),
    rule(&["input is too long"], Scope::Request, C::PromptTooLong),
    rule(&["prompt too long"], Scope::Request, C::PromptTooLong),
    rule(&["exceeds the context window"], Scope::Request, C::PromptTooLong),
    rule(&["input token count", "exceeds the maximum"], Scope::Request, C::PromptTooLong),
    // Input and max_tokens together: lowering max_tokens helps.
    rule(&["input length and max_tokens exceed context limit"], Scope::Request, C::MaxTokensTooLarge),
    rule(&["maximum context length", "in the completion"], Scope::Request, C::MaxTokensTooLarge),
    rule(&["maximum context length", "in the output"], Scope::Request, C::MaxTokensTooLarge),
    rule(&["maximum context length"], Scope::Request, C::PromptTooLong),
    rule(&["maximum allowed number of output tokens"], Scope::Request, C::MaxTokensTooLarge),
    rule(&["maximum tokens you requested exceeds"], Scope::Request, C::MaxTokensTooLarge),
    rule(&["max_tokens is too large"], Scope::Request, C::MaxTokensTooLarge),
    rule(&["max_tokens", "is not less or equal to"], Scope::Request, C::MaxTokensTooLarge),
    rule(&["max_tokens", "must be less than or equal to"], Scope::Request, C::MaxTokensTooLarge),
    // AWS counts the bytes of the body; Google those of the payload.
    rule(&["value at body", "length less than or equal to"], Scope::Request, C::RequestTooLarge),
    rule(&["length less than or equal to", "member must have"], Scope::Request, C::RequestTooLarge),
    rule(&["request payload size exceeds the limit"], Scope::Request, C::RequestTooLarge),
    rule(&["request body is too large"], Scope::Request, C::RequestTooLarge),

    // Tools (issues; the last ones are Converse's and OpenAI's).
    rule(&["tool_use", "without", "tool_result"], Scope::Request, C::ToolPairing),
    rule(&["unexpected tool_use_id"], Scope::Request, C::ToolPairing),
    rule(&["tool_use block must have a corresponding tool_result"], Scope::Request, C::ToolPairing),
    rule(&["tool_result block must have a corresponding tool_use"], Scope::Request, C::ToolPairing),
    rule(&["tool_use ids must be unique"], Scope::Request, C::ToolPairing),
    rule(&["each tool_use must have a single result"], Scope::Request, C::ToolPairing),
    rule(&["number of toolresult blocks"], Scope::Request, C::ToolPairing),
    rule(&["expected toolresult blocks"], Scope::Request, C::ToolPairing),
    rule(&["tool_call_ids did not have response messages"], Scope::Request, C::ToolPairing),

    // Caching: every message that names the field (issues).
    rule(&["cache_control"], Scope::Request, C::CacheControl),

    // Media (vision and PDF pages, issues).
    rule(&["image.source"], Scope::Request, C::Image),
    rule(&["image dimensions exceed"], Scope::Request, C::Image),
    rule(&["image exceeds", "maximum"], Scope::Request, C::Image),
    rule(&["could not process image"], Scope::Request, C::Image),
    rule(&["image does not match the provided media type"], Scope::Request, C::Image),
    rule(&["image was specified using the", "media type"], Scope::Request, C::Image),
    rule(&["unsupported image"], Scope::Request, C::Image),
    rule(&["too much media"], Scope::Request, C::Image),
    rule(&["could not process pdf"], Scope::Request, C::Image),
    rule(&["pdf pages may be provided"], Scope::Request, C::Image),
    rule(&["pdf specified"], Scope::Request, C::Image),

    // Schemas (structured-output page, issues).
    rule(&["schema is too complex"], Scope::Request, C::ToolSchema),
    rule(&["schemas contains too many"], Scope::Request, C::ToolSchema),
    rule(&["compiled grammar is too large"], Scope::Request, C::ToolSchema),
    rule(&["json schema is invalid"], Scope::Request, C::ToolSchema),
    rule(&["input_schema"], Scope::Request, C::ToolSchema),
    rule(&["tool names must be unique"], Scope::Request, C::ToolSchema),
    rule(&["output_config.format", "schema"], Scope::Request, C::ToolSchema),
    rule(&["output_format", "schema"], Scope::Request, C::ToolSchema),
    rule(&["additionalproperties", "set to false"], Scope::Request, C::ToolSchema),

    // What a model does not take (errors page, model pages).
    rule(&["does not support assistant message prefill"], Scope::Request, C::PrefillUnsupported),
    rule(&["conversation must end with a user message"], Scope::Request, C::PrefillUnsupported),
    rule(&["pre-fill the assistant response"], Scope::Request, C::PrefillUnsupported),
    rule(&["thinking.type", "not supported"], Scope::Request, C::ThinkingUnsupported),
    rule(&["thinking is not supported"], Scope::Request, C::ThinkingUnsupported),
    rule(&["does not support thinking"], Scope::Request, C::ThinkingUnsupported),
    rule(&["thinking: extra inputs are not permitted"], Scope::Request, C::ThinkingUnsupported),
];
