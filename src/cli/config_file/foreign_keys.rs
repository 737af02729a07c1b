//! Variables that are known to hold the secrets of other services: none of them is the key of an
//! endpoint of the Claude API, so none is sent to one unless the user says so beside it.

/// How the names of such variables begin: clouds, code hosts, package registries, build systems,
/// other models' vendors, shops and the like. Gateways that serve Claude under a key of their own
/// are not among them.
const BEGINNINGS: [&str; 93] = [
    "ACTIONS_",
    "AIRTABLE_",
    "ALGOLIA_",
    "ALIBABA_",
    "ALICLOUD_",
    "AMAZON_",
    "ANSIBLE_",
    "APPLE_",
    "ARM_",
    "ARTIFACTORY_",
    "ASANA_",
    "ATLASSIAN_",
    "AUTH0_",
    "AWS_",
    "AZURE_",
    "BITBUCKET_",
    "BUILDKITE_",
    "CARGO_",
    "CF_",
    "CIRCLE_",
    "CI_",
    "CLERK_",
    "CLOUDFLARE_",
    "CODECOV_",
    "COHERE_",
    "CONSUL_",
    "DATABASE_",
    "DATABRICKS_",
    "DATADOG_",
    "DB_",
    "DD_",
    "DEEPSEEK_",
    "DIGITALOCEAN_",
    "DISCORD_",
    "DJANGO_",
    "DOCKER_",
    "DOCKERHUB_",
    "ELASTIC_",
    "FASTLY_",
    "FIREBASE_",
    "FLY_",
    "GCLOUD_",
    "GCP_",
    "GEMINI_",
    "GEM_",
    "GHCR_",
    "GH_",
    "GITEA_",
    "GITHUB_",
    "GITLAB_",
    "GOOGLE_",
    "GPG_",
    "GRAFANA_",
    "GROQ_",
    "HCLOUD_",
    "HEROKU_",
    "HF_",
    "HUGGINGFACE_",
    "HUGGING_FACE_",
    "JIRA_",
    "JWT_",
    "KAGGLE_",
    "KUBE_",
    "LINODE_",
    "MAILGUN_",
    "MISTRAL_",
    "MONGODB_",
    "NETLIFY_",
    "NEW_RELIC_",
    "NODE_AUTH_",
    "NOMAD_",
    "NOTION_",
    "NPM_",
    "NUGET_",
    "OCI_",
    "OKTA_",
    "OPENAI_",
    "PAYPAL_",
    "PYPI_",
    "RUBYGEMS_",
    "SENDGRID_",
    "SENTRY_",
    "SLACK_",
    "SNOWFLAKE_",
    "SSH_",
    "STRIPE_",
    "TELEGRAM_",
    "TF_",
    "TWILIO_",
    "TWINE_",
    "VAULT_",
    "VERCEL_",
    "XAI_",
];

/// What stands in names of keys that sign, encrypt or unlock, whoever's they are: those are never
/// sent to anybody.
const PARTS: [&str; 7] = [
    "ACCESS_KEY",
    "DEPLOY_KEY",
    "ENCRYPTION_KEY",
    "MASTER_KEY",
    "PRIVATE_KEY",
    "SECRET_KEY",
    "SIGNING_KEY",
];

/// Whether a variable of this name is known to hold the secret of another service.
pub(super) fn is_foreign(name: &str) -> bool {
    BEGINNINGS
        .iter()
        .any(|beginning| name.starts_with(beginning))
        || PARTS.iter().any(|part| name.contains(part))
}

#[cfg(test)]
mod tests {
    use super::{BEGINNINGS, is_foreign};

    #[test]
    fn well_known_secrets_of_others_are_foreign_and_a_gateway_s_key_is_not() {
        for name in [
            "AWS_SECRET_ACCESS_KEY",
            "AWS_SESSION_TOKEN",
            "GITHUB_TOKEN",
            "GH_TOKEN",
            "GOOGLE_API_KEY",
            "AZURE_CLIENT_KEY",
            "OPENAI_API_KEY",
            "GEMINI_API_KEY",
            "HF_TOKEN",
            "NPM_TOKEN",
            "CARGO_REGISTRY_TOKEN",
            "SSH_KEY",
            "STRIPE_SECRET_KEY",
            "CI_JOB_TOKEN",
            "ACTIONS_RUNTIME_TOKEN",
            "NODE_AUTH_TOKEN",
            "VAULT_TOKEN",
            "PROD_AWS_SECRET_ACCESS_KEY",
            "SECRET_KEY",
            "RAILS_MASTER_KEY",
            "TLS_PRIVATE_KEY",
        ] {
            assert!(is_foreign(name), "{name}");
        }
        for name in [
            "OTHER_API_KEY",
            "GATEWAY_API_KEY",
            "ANTHROPIC_API_KEY",
            "ANTHROPIC_AUTH_TOKEN",
            "LITELLM_API_KEY",
            "OPENROUTER_API_KEY",
            "PORTKEY_API_KEY",
            "MY_TOKEN",
            "CIVIC_GATE_KEY",
        ] {
            assert!(!is_foreign(name), "{name}");
        }
    }

    #[test]
    fn the_table_is_in_order() {
        let mut sorted = BEGINNINGS;
        sorted.sort_unstable();
        assert!(BEGINNINGS.iter().all(|beginning| beginning.ends_with('_')));
        for pair in sorted.windows(2) {
            assert_ne!(pair[0], pair[1]);
        }
    }
}
