//! Two endpoints behind one provider: each request says which of them it is for.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Provider, Reply, Request};
use crate::model::{Endpoint, RequestBody};

/// The first endpoint, and perhaps a second one that takes its place now and then. Decides nothing:
/// [`Request::endpoint`] does.
#[derive(Debug)]
pub struct Pair<P> {
    first: P,
    second: Option<Second<P>>,
}

#[derive(Debug)]
struct Second<P> {
    provider: P,
    models: BTreeMap<String, String>,
}

impl<P> Pair<P> {
    /// One endpoint alone. Requests for the second go to it too.
    pub fn alone(first: P) -> Self {
        Self {
            first,
            second: None,
        }
    }

    /// The same with a second endpoint. `models` maps the ids in the requests to the ids that it
    /// knows; an id that is not in it is sent as it is.
    #[must_use]
    pub fn with_second(self, provider: P, models: BTreeMap<String, String>) -> Self {
        Self {
            second: Some(Second { provider, models }),
            ..self
        }
    }

    /// The first endpoint.
    pub fn first(&self) -> &P {
        &self.first
    }
}

impl<P: Provider> Provider for Pair<P> {
    async fn send(&self, mut request: Request) -> Reply {
        match &self.second {
            Some(second) if request.endpoint == Endpoint::Second => {
                if let Some(body) = renamed(&request.body, &second.models) {
                    request.body = body;
                }
                second.provider.send(request).await
            }
            _ => self.first.send(request).await,
        }
    }
}

/// The body with the model's other id; none if it has none, or is no object (then the endpoint
/// says what is wrong with it).
fn renamed(body: &RequestBody, models: &BTreeMap<String, String>) -> Option<RequestBody> {
    // Most second endpoints know the same names, and need no look into the body.
    if models.is_empty() {
        return None;
    }
    let asked: String = serde_json::from_str(body.member("model").ok()??).ok()?;
    let theirs = Value::from(models.get(&asked)?.as_str());
    body.with_member("model", &theirs).ok()
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use super::{BTreeMap, Endpoint, Pair, Provider, Reply, Request, RequestBody};
    use crate::model::RateLimits;
    use crate::provider::{Broken, Reserved, classify_transport};

    /// Answers nothing and remembers what it was asked.
    #[derive(Default)]
    struct Memory(Mutex<Vec<String>>);

    impl Provider for Memory {
        async fn send(&self, request: Request) -> Reply {
            self.0
                .lock()
                .unwrap()
                .push(request.body.as_str().to_owned());
            Reply {
                result: Err(classify_transport(Broken::Cut, "")),
                limits: RateLimits::default(),
                latency: Duration::ZERO,
                reserved: Reserved::default(),
            }
        }
    }

    fn request(endpoint: Endpoint, body: &str) -> Request {
        Request {
            body: RequestBody::from_json(body),
            timeout: Duration::from_secs(1),
            stream: false,
            endpoint,
        }
    }

    #[tokio::test]
    async fn each_request_goes_where_it_says_and_the_second_endpoint_is_asked_for_its_own_ids() {
        let models = BTreeMap::from([("ours".to_owned(), "theirs".to_owned())]);
        let pair = Pair::alone(Memory::default()).with_second(Memory::default(), models);
        let (ours, other) = (r#"{"model":"ours","n": 1}"#, r#"{"model":"other"}"#);
        for (endpoint, body) in [
            (Endpoint::First, ours),
            (Endpoint::Second, ours),
            (Endpoint::Second, other),
            (Endpoint::Second, r#"{"n":1}"#),
        ] {
            pair.send(request(endpoint, body)).await;
        }
        assert_eq!(*pair.first().0.lock().unwrap(), [ours]);
        let second = pair.second.unwrap().provider;
        assert_eq!(
            *second.0.lock().unwrap(),
            [r#"{"model":"theirs","n": 1}"#, other, r#"{"n":1}"#]
        );
    }

    #[tokio::test]
    async fn one_endpoint_alone_gets_everything() {
        let pair = Pair::alone(Memory::default());
        pair.send(request(Endpoint::Second, "{}")).await;
        assert_eq!(*pair.first().0.lock().unwrap(), ["{}"]);
    }
}
