//! What to do next, where the platform matters: a right that a role of AWS lacks is not mended by a
//! workspace of Anthropic's. A new remedy is a row of the table.

use super::ErrorClass as C;

/// One class, any of these words in small letters in what was said, and what to do then.
struct Row {
    class: C,
    any_of: &'static [&'static str],
    remedy: &'static str,
}

const fn row(class: C, any_of: &'static [&'static str], remedy: &'static str) -> Row {
    Row {
        class,
        any_of,
        remedy,
    }
}

/// The first that fits holds, so the particular stands before the general.
#[rustfmt::skip] // One remedy a line: the table is read by column.
const ROWS: &[Row] = &[
    row(C::Permission, &["request not allowed"], "The API takes no requests from this network: see whether your country is supported, and switch off a VPN or proxy (or use another one); then `claude-run resume`."),
    row(C::Permission, &["unsupported countries", "country, region", "not available in your country", "user location is not supported"], "Claude is not offered where this request comes from: use a region or network of a supported country, without a VPN; then `claude-run resume`."),
    row(C::Permission, &["aws-marketplace", "aws marketplace"], "Let an administrator of the AWS account open the model once in the Bedrock console, or give the role aws-marketplace:Subscribe and ViewSubscriptions; then wait some minutes and `claude-run resume`."),
    row(C::Permission, &["web identity federation"], "Let an administrator of the AWS account switch on outbound web identity federation (IAM, account settings); then `claude-run resume`."),
    row(C::Permission, &["arn:aws", "bedrock", "accessdenied", "service control policy", "invoke this api operation", "operation not allowed"], "Give the role or user of AWS bedrock:InvokeModel and InvokeModelWithResponseStream for this model in this region (IAM, and the policies of the organisation); then `claude-run resume`."),
    row(C::Permission, &["aiplatform", "googleapis", "permission_denied", "denied on resource", "service_disabled"], "Enable the Vertex AI API in the project, and give the account the role Vertex AI User (aiplatform.endpoints.predict); then `claude-run resume`."),
    row(C::Permission, &["azure", "microsoft.cognitiveservices", "permissiondenied"], "Give the identity a role for the Foundry resource (Cognitive Services User), or use a key of that resource; then `claude-run resume`."),
    row(C::Permission, &["oauth authentication is currently not"], "The organisation takes no tokens of subscriptions: set ANTHROPIC_API_KEY to a key of the Console; then `claude-run resume`."),

    row(C::Authentication, &["only authorized for use with"], "That is the token of a subscription, which only its own program may use: set ANTHROPIC_API_KEY to a key of the Console; then `claude-run resume`."),
    row(C::Authentication, &["security token", "request signature", "signature expired", "bearer token", "unrecognizedclient", "expiredtoken", "invalidsignature", "missingauthenticationtoken", "incompletesignature"], "Renew the credentials of AWS (they last hours), and check the region, the name of the service that is signed for, and the clock; then `claude-run resume`."),
    row(C::Authentication, &["unauthenticated", "oauth 2 access token", "api key not valid", "access_token_expired"], "Fetch a new access token of Google (gcloud auth print-access-token; it lasts an hour) with the scope cloud-platform; then `claude-run resume`."),
    row(C::Authentication, &["invalid subscription key", "wrong api endpoint"], "Use a key of this very Foundry resource, or a token of Entra with its scope, and check the resource's name in the base URL; then `claude-run resume`."),
    row(C::Authentication, &["litellm", "token_not_found_in_db", "expired_key", "virtual key"], "Use a key that the gateway (LiteLLM) knows and that has not expired; then `claude-run resume`."),

    row(C::ModelNotFound, &["on-demand throughput"], "Name an inference profile instead of the model: global., us., eu. or another region's prefix before the id, such as global.anthropic.claude-opus-5-5."),
    row(C::ModelNotFound, &["use case details", "request form"], "Fill out Anthropic's form of use cases once in the Bedrock console (model access), wait 15 minutes, and `claude-run resume`."),
    row(C::ModelNotFound, &["legacy", "end of its life", "deprecated", "retired"], "Use a model that is still offered there, and submit the jobs again with it."),
    row(C::ModelNotFound, &["data retention"], "Choose a data retention in the account's settings that this model takes (Bedrock), then `claude-run resume`, or use another model."),
    row(C::ModelNotFound, &["model identifier is invalid", "modelid", "foundation model", "with the specified model id", "for this account"], "Write the id as Bedrock lists it for this region (anthropic.claude-..., with global. or a region's prefix before it), and ask for access to the model; then `claude-run resume`, or submit again."),
    row(C::ModelNotFound, &["publisher model"], "Use a location that serves the model (global, us or eu), enable it in the Model Garden, and write its id as Vertex AI does; then `claude-run resume`, or submit again."),
    row(C::ModelNotFound, &["deployment"], "Use the name of a deployment of this Foundry resource as the model, or wait five minutes after its creation; then `claude-run resume`, or submit again."),
    row(C::ModelNotFound, &["data policy", "guardrail"], "Allow providers that serve this model in OpenRouter's privacy settings; then `claude-run resume`."),
    row(C::ModelNotFound, &["no endpoints found", "valid model id", "no allowed providers"], "Write the model as OpenRouter lists it (anthropic/claude-...), and allow a provider that serves it; then `claude-run resume`, or submit again."),
    row(C::ModelNotFound, &["not allowed to access model", "model_access_denied", "no available channel", "model name passed in"], "Use a model that this key of your gateway may use (its /v1/models lists them), or have it allowed; then `claude-run resume`, or submit again."),

    row(C::SpendLimit, &["extra usage", "usage credits"], "Add extra usage in the settings of the subscription (claude.ai, Usage), or set ANTHROPIC_API_KEY to a key of the Console; then `claude-run resume`."),
    row(C::SpendLimit, &["key limit exceeded"], "Raise the limit of this key at OpenRouter (settings, keys), or use another key; then `claude-run resume`."),
    row(C::SpendLimit, &["tokens per day", "servicequota"], "Wait until the quota of the day is filled again, or have it raised (AWS Service Quotas); then `claude-run resume`."),
    row(C::SpendLimit, &["budget", "call volume quota"], "Have the budget of this key, user or team raised at your gateway, or wait until it is reset; then `claude-run resume`."),
    row(C::SpendLimit, &["quota is not enough", "current quota", "insufficient_quota", "insufficient_user_quota"], "Buy credit or have the quota of this key raised at your gateway; then `claude-run resume`."),

    row(C::Billing, &["payment_instrument", "payment instrument"], "Give the AWS account a valid means of payment (Billing, payment preferences), wait some minutes, and `claude-run resume`."),
    row(C::Billing, &["openrouter", "fewer max_tokens", "more credits"], "Add credits at OpenRouter (settings, credits); then `claude-run resume`. With little credit left a lower max_tokens passes longer."),
    row(C::Billing, &["billing to be enabled", "billing account", "billing has not been enabled", "billing_disabled"], "Enable billing for the project in the Google Cloud console; then `claude-run resume`."),
];

impl C {
    /// What to do next about what was said: the class's own remedy, unless the words are another
    /// platform's.
    #[must_use]
    pub fn remedy_for(self, said: &str) -> &'static str {
        self.special_remedy(said)
            .unwrap_or_else(|| self.info().remedy)
    }

    /// The remedy that the words ask for, if they ask for one of their own.
    #[must_use]
    pub fn special_remedy(self, said: &str) -> Option<&'static str> {
        let said = said.to_ascii_lowercase();
        let mut rows = ROWS.iter().filter(|row| row.class == self);
        let row = rows.find(|row| row.any_of.iter().any(|words| said.contains(words)))?;
        Some(row.remedy)
    }
}

#[cfg(test)]
mod tests {
    use super::{C, ROWS};

    #[test]
    fn what_to_do_depends_on_whose_words_they_are() {
        for (class, said, remedy) in [
            (
                C::Permission,
                "HTTP 403 with User: arn:aws:iam::1:user/x is not authorized to perform: bedrock:InvokeModel",
                "bedrock:InvokeModel",
            ),
            (C::Permission, "Request not allowed", "VPN"),
            (
                C::Permission,
                "Permission 'aiplatform.endpoints.predict' denied on resource",
                "Vertex AI User",
            ),
            (
                C::Permission,
                "Model access is denied due to IAM user or service role is not authorized to perform the required AWS Marketplace actions",
                "aws-marketplace:Subscribe",
            ),
            (
                C::Permission,
                "anthropic-workspace-id header is required",
                "ANTHROPIC_WORKSPACE_ID",
            ),
            (
                C::Authentication,
                "The security token included in the request is expired",
                "AWS",
            ),
            (C::Authentication, "invalid x-api-key", "ANTHROPIC_API_KEY"),
            (
                C::ModelNotFound,
                "Invocation of model ID x with on-demand throughput isn't supported",
                "inference profile",
            ),
            (
                C::ModelNotFound,
                "Publisher Model x is not servable in region us-central1",
                "location",
            ),
            (C::ModelNotFound, "model: claude-x", "Correct the model"),
            (
                C::SpendLimit,
                "Budget has been exceeded! Current cost: 1, Max budget: 1",
                "gateway",
            ),
            (C::SpendLimit, "You're out of extra usage", "claude.ai"),
            (C::Billing, "Your credit balance is too low", "Console"),
        ] {
            assert!(
                class.remedy_for(said).contains(remedy),
                "{said}: {}",
                class.remedy_for(said)
            );
        }
        // A Bedrock 403 is not mended by a workspace of Anthropic's.
        let bedrock = C::Permission.remedy_for("AccessDeniedException: bedrock:InvokeModel");
        assert!(!bedrock.contains("WORKSPACE"));
    }

    #[test]
    fn every_row_can_be_met_and_ends_as_a_sentence() {
        for (index, row) in ROWS.iter().enumerate() {
            assert!(row.remedy.ends_with('.'), "{}", row.remedy);
            for words in row.any_of {
                assert_eq!(*words, words.to_ascii_lowercase());
                let mut before = ROWS[..index]
                    .iter()
                    .filter(|earlier| earlier.class == row.class);
                let hidden =
                    before.any(|earlier| earlier.any_of.iter().any(|told| words.contains(told)));
                assert!(!hidden, "{words}");
            }
        }
    }
}
