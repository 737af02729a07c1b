//! `POST /v1/messages/count_tokens`: how many input tokens a request has. Free, with a rate limit of
//! its own; an estimate, the API says.

use std::time::Duration;

use serde_json::Value;

use super::{ExchangeTerms, MessagesClient, Seen};
use crate::model::RequestBody;
use crate::provider::json_object::JsonObject;
use crate::provider::transport::Broken;
use crate::provider::{Failure, classify_transport};

/// The members of a Messages API body that the endpoint takes (its reference page); it refuses
/// others, such as `max_tokens`, `stream` and `temperature`, which say nothing of the input.
const COUNTED: &[&str] = &[
    "model",
    "messages",
    "system",
    "tools",
    "tool_choice",
    "thinking",
    "output_config",
    "output_format",
    "cache_control",
    "context_management",
    "mcp_servers",
];

impl MessagesClient {
    /// Asks how many input tokens this Messages API body has, once, within that time. Costs
    /// nothing.
    ///
    /// # Errors
    /// What went wrong, classified like any other answer.
    pub async fn count_tokens(
        &self,
        body: &RequestBody,
        timeout: Duration,
    ) -> Result<u64, Box<Failure>> {
        let counted = counted_part(body)?;
        let url = self.base_url().endpoint("/v1/messages/count_tokens");
        let post = self.api.http().post(url).body(counted);
        let mut seen = Seen::default();
        let terms = ExchangeTerms::plain(timeout);
        let broken = self.api.exchange(post, terms, timeout, &mut seen).await;
        self.api.result_of(&seen, broken, input_tokens)
    }
}

fn counted_part(body: &RequestBody) -> Result<String, Box<Failure>> {
    let whole = JsonObject::parse(body.as_str())
        .map_err(|error| classify_transport(Broken::Unsendable, &error.to_string()))?;
    let mut part = JsonObject::default();
    for key in COUNTED {
        if let Some(value) = whole.get(key) {
            part.set(key, value.to_owned());
        }
    }
    Ok(part.to_json())
}

fn input_tokens(body: &[u8]) -> Option<u64> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    answer.get("input_tokens")?.as_u64()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{counted_part, input_tokens};
    use crate::model::{ErrorClass, RequestBody};
    use crate::provider::{ClientSettings, Credentials, MessagesClient};
    use crate::simulator::{Simulator, SimulatorSettings};

    #[test]
    fn only_what_makes_input_is_sent() {
        let body = RequestBody::from_json(
            r#"{"max_tokens":9,"stream":true,"model":"m","temperature":1,"messages":[ 1 ],"system":"s"}"#,
        );
        assert_eq!(
            counted_part(&body).unwrap(),
            r#"{"model":"m","messages":[ 1 ],"system":"s"}"#
        );
        assert!(counted_part(&RequestBody::from_json("[]")).is_err());
    }

    #[test]
    fn a_count_is_a_whole_number() {
        assert_eq!(input_tokens(br#"{"input_tokens":2095,"x":1}"#), Some(2095));
        for text in [&b"{}"[..], b"{\"input_tokens\":-1}", b"[1]", b""] {
            assert_eq!(input_tokens(text), None);
        }
    }

    #[tokio::test]
    async fn tokens_are_counted_and_a_refusal_has_its_class() {
        let simulator = Simulator::start(SimulatorSettings::default()).unwrap();
        let count = |key: &'static str, model: &'static str| {
            let credentials = Credentials::new(Some(key), None).unwrap();
            let settings = ClientSettings::new(simulator.base_url(), credentials);
            let client = MessagesClient::new(&settings).unwrap();
            let body = format!(
                r#"{{"model":"{model}","max_tokens":5,"messages":[{{"role":"user","content":"one two three"}}]}}"#
            );
            async move {
                let body = RequestBody::from_json(body);
                client.count_tokens(&body, Duration::from_secs(20)).await
            }
        };
        let tokens = count("sk-ant-x", "claude-haiku-5-5").await.unwrap();
        assert!((1..100).contains(&tokens), "{tokens}");
        for (key, model, class) in [
            ("invalid", "claude-haiku-5-5", ErrorClass::Authentication),
            ("sk-ant-x", "claude-none-0", ErrorClass::ModelNotFound),
        ] {
            assert_eq!(count(key, model).await.unwrap_err().class, class);
        }
    }
}
