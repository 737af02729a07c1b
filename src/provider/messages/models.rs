//! `GET /v1/models`: the cheapest question that needs a valid key.
//!
//! It tells whether the endpoint is the API, whether the key is taken, which models it may use,
//! what time the server has, and sometimes the limits.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use tokio::time::Instant;

use super::{ExchangeTerms, MessagesClient, Seen};
use crate::model::RateLimits;
use crate::provider::Failure;
use crate::provider::transport::Broken;

/// Most that the API lists at once; there are far fewer models.
const PAGE_SIZE: &str = "1000";

/// What came back.
#[derive(Clone, Debug)]
pub struct ModelsReply {
    /// The ids of the models that the key may use, or what went wrong.
    pub result: Result<Vec<String>, Box<Failure>>,
    /// Where the exchange broke, if it did not end with a whole answer.
    pub broken: Option<Broken>,
    /// The HTTP status, if an answer began.
    pub status: Option<u16>,
    /// The server's time when it answered (header `date`), to the second.
    pub date: Option<Timestamp>,
    /// The limits that the headers told.
    pub limits: RateLimits,
    /// From the first byte sent to the last byte read, connection included.
    pub latency: Duration,
}

impl MessagesClient {
    /// Asks for the models, once, within that time. Never fails: what goes wrong is part of the
    /// reply.
    pub async fn models(&self, timeout: Duration) -> ModelsReply {
        let started = Instant::now();
        let mut seen = Seen::default();
        let mut url = self.base_url().endpoint("/v1/models");
        url.query_pairs_mut().append_pair("limit", PAGE_SIZE);
        let get = self.api.http().get(url);
        let terms = ExchangeTerms::plain(timeout);
        let broken = self.api.exchange(get, terms, timeout, &mut seen).await;
        let latency = started.elapsed();
        ModelsReply {
            broken: broken.as_ref().map(|(broken, _)| *broken),
            status: seen.status(),
            date: seen.date(),
            limits: seen.limits(self.api.now()),
            result: self.api.result_of(&seen, broken, model_ids),
            latency,
        }
    }
}

/// The ids of a list of models.
fn model_ids(body: &[u8]) -> Option<Vec<String>> {
    let list: Value = serde_json::from_slice(body).ok()?;
    let ids = list.get("data")?.as_array()?.iter();
    ids.map(|model| Some(model.get("id")?.as_str()?.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::{Broken, ModelsReply};
    use crate::model::ErrorClass;
    use crate::provider::{ClientSettings, Credentials, MessagesClient};
    use crate::simulator::{Simulator, SimulatorSettings};

    const LIMIT: Duration = Duration::from_secs(20);

    async fn models(url: &str, key: &str, limit: Duration) -> ModelsReply {
        let credentials = Credentials::new(Some(key), None).unwrap();
        let client = MessagesClient::new(&ClientSettings::new(url, credentials)).unwrap();
        client.models(limit).await
    }

    /// A server that gives one connection this answer.
    async fn raw(answer: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let n = socket.read(&mut [0; 4096]).await.unwrap();
            assert!(n > 0);
            socket.write_all(answer.as_bytes()).await.unwrap();
            // An answer that is no answer hangs until the client gives up.
            if answer.is_empty() {
                let _ = socket.read(&mut [0; 1]).await;
            }
        });
        format!("http://{address}")
    }

    #[tokio::test]
    async fn the_models_and_the_server_s_time_are_told() {
        let simulator = Simulator::start(SimulatorSettings::default()).unwrap();
        let reply = models(&simulator.base_url(), "sk-ant-x", LIMIT).await;
        let ids = reply.result.unwrap();
        assert!(ids.iter().any(|id| id == "claude-haiku-5-5"), "{ids:?}");
        assert!(reply.date.is_some());
        assert_eq!((reply.status, reply.broken), (Some(200), None));

        let refused = models(&simulator.base_url(), "invalid", LIMIT).await;
        assert_eq!(refused.status, Some(401));
        let class = refused.result.unwrap_err().class;
        assert_eq!(class, ErrorClass::Authentication);
    }

    #[tokio::test]
    async fn limits_and_dates_come_from_the_headers() {
        let address = raw("HTTP/1.1 200 OK\r\ndate: Sun, 22 Nov 2026 10:00:00 GMT\r\n\
             anthropic-ratelimit-requests-limit: 50\r\nanthropic-ratelimit-requests-remaining: 49\r\n\
             content-length: 11\r\n\r\n{\"data\":[]}")
        .await;
        let reply = models(&address, "k", LIMIT).await;
        assert_eq!(reply.date, Some("2026-11-22T10:00:00Z".parse().unwrap()));
        assert_eq!(reply.limits.requests.unwrap().limit, 50);
        assert_eq!(reply.result.unwrap(), Vec::<String>::new());
    }

    #[tokio::test]
    async fn what_is_no_list_is_a_failure_of_its_class() {
        let html =
            "HTTP/1.1 404 Not Found\r\ncontent-type: text/html\r\ncontent-length: 6\r\n\r\n<html>";
        let json = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
        for (answer, class) in [
            (html, ErrorClass::WrongEndpoint),
            (json, ErrorClass::BadResponse),
        ] {
            let reply = models(&raw(answer).await, "k", LIMIT).await;
            assert_eq!(reply.result.unwrap_err().class, class, "{answer}");
        }
    }

    #[tokio::test]
    async fn a_server_that_hangs_is_left_in_time() {
        let address = raw("").await;
        let reply = models(&address, "k", Duration::from_millis(100)).await;
        assert_eq!((reply.broken, reply.status), (Some(Broken::Timeout), None));
        assert_eq!(reply.result.unwrap_err().class, ErrorClass::Timeout);
    }
}
