//! The client of `/v1/messages/batches`: one call of a method, one request on the wire.

use std::fmt;
use std::time::Duration;

use reqwest::{Method, RequestBuilder, Url};
use tokio::sync::mpsc;

use super::lines::{Lines, Taken};
use super::remote::{read_batch, read_page};
use super::upload::{self, Fault};
use super::verdict::of_create;
use super::{BatchApi, BatchPage, BatchUpload, Polled, ResultLine};
use crate::model::RemoteBatch;
use crate::provider::exchange::{ApiClient, Break, ExchangeTerms, Seen, within};
use crate::provider::text::is_html;
use crate::provider::transport::Broken;
use crate::provider::{ClientError, ClientSettings, Failure, retry_after};

/// The root of all its paths.
const PATH: &str = "/v1/messages/batches";

/// Time for a call whose answer is small. The API answers them in a second or two.
const CALL_TIMEOUT: Duration = Duration::from_mins(1);

/// Batches on one page of the list: enough for what a lost create call makes us look for.
const PAGE_SIZE: &str = "100";

/// Time that a create call has for its answer, once its body is sent: the API checks the envelope
/// of 100,000 requests first.
const CREATE_TIMEOUT: Duration = Duration::from_mins(10);

/// The slowest way out that a create call is given time for, in bytes per second: 1 Mbit/s. The
/// largest body (256 MB) then takes 36 minutes.
const SLOWEST_UPLOAD: u64 = 125_000;

/// A client of the Message Batches API. Cheap to share behind an `Arc`.
pub struct BatchesClient {
    api: ApiClient,
}

impl BatchesClient {
    /// A client of these settings. Opens no connection yet.
    ///
    /// # Errors
    /// If the settings cannot be used: base URL, a header, a credential, certificates.
    pub fn new(settings: &ClientSettings) -> Result<Self, ClientError> {
        Ok(Self {
            api: ApiClient::new(settings)?,
        })
    }

    /// The address of all batches, of one, or of a part of one. An id is one segment, whatever
    /// stands in it.
    fn url(&self, below: &[&str]) -> Url {
        let mut url = self.api.base().endpoint(PATH);
        if let Ok(mut path) = url.path_segments_mut() {
            path.extend(below);
        }
        url
    }

    async fn call(&self, request: RequestBuilder, seen: &mut Seen) -> Option<Break> {
        let terms = ExchangeTerms::plain(CALL_TIMEOUT);
        self.api.exchange(request, terms, CALL_TIMEOUT, seen).await
    }

    async fn batch(&self, method: Method, below: &[&str]) -> Result<Polled, Box<Failure>> {
        let mut seen = Seen::default();
        let request = self.api.http().request(method, self.url(below));
        let broken = self.call(request, &mut seen).await;
        let retry_after = retry_after(seen.headers(), self.api.now());
        let batch = self.api.result_of(&seen, broken, read_batch)?;
        Ok(Polled { batch, retry_after })
    }

    /// Reads lines until there are no more. Silence is bounded, the whole is not: a reader that
    /// takes its time is no fault of the server.
    async fn download(
        &self,
        request: RequestBuilder,
        to: &mpsc::Sender<ResultLine>,
        sent: &mut Sent,
        seen: &mut Seen,
    ) -> Result<(), Break> {
        let terms = ExchangeTerms::plain(CALL_TIMEOUT);
        let mut response = self.api.open(request, terms, seen).await?;
        // What its head calls a page is one, whatever its first line is.
        if !seen.is_success() || is_html(seen.headers(), b"<") {
            return self.api.drain(response, terms, seen).await;
        }
        let mut lines = Lines::new(self.api.max_response_bytes, self.api.redactor());
        let idle = self.api.idle(Duration::MAX);
        let budget = self.api.read_budget();
        let mut reading = budget.line();
        while let Some(chunk) = within(idle, response.chunk(), silence_words).await? {
            reading.grow(lines.held() + chunk.len()).await;
            let mut taken = lines.take(&chunk);
            // The first line that ended is what there had to be room for.
            if let Some(line) = taken.lines.first_mut() {
                line.reserved = std::mem::replace(&mut reading, budget.line()).keep(usize::MAX);
            }
            sent.send(taken, to).await?;
        }
        sent.send(lines.finish(), to).await
    }
}

impl BatchApi for BatchesClient {
    async fn create(&self, upload: BatchUpload) -> Result<RemoteBatch, Box<Failure>> {
        // A large batch on a slow line must not fail for its size alone.
        let limit = CREATE_TIMEOUT + Duration::from_secs(upload.bytes / SLOWEST_UPLOAD);
        let fault = Fault::default();
        let post = self.api.http().post(self.url(&[]));
        let mut seen = Seen::default();
        let post = upload::attach(post, upload, &fault, &seen.upload);
        let terms = ExchangeTerms::plain(limit);
        let mut broken = self.api.exchange(post, terms, limit, &mut seen).await;
        // An answer that began says more than a body that was not finished.
        if let Some(why) = fault.get().filter(|_| seen.status().is_none()) {
            broken = Some((Broken::Unsendable, why.to_owned()));
        }
        self.api
            .result_of(&seen, broken, read_batch)
            .map_err(of_create)
    }

    async fn retrieve(&self, id: &str) -> Result<Polled, Box<Failure>> {
        self.batch(Method::GET, &[id]).await
    }

    async fn list(&self, after: Option<&str>) -> Result<BatchPage, Box<Failure>> {
        let mut url = self.url(&[]);
        url.query_pairs_mut().append_pair("limit", PAGE_SIZE);
        if let Some(after) = after {
            url.query_pairs_mut().append_pair("after_id", after);
        }
        let mut seen = Seen::default();
        let broken = self.call(self.api.http().get(url), &mut seen).await;
        let mut page = self.api.result_of(&seen, broken, read_page)?;
        page.server_time = seen.date();
        Ok(page)
    }

    async fn cancel(&self, id: &str) -> Result<RemoteBatch, Box<Failure>> {
        let polled = self.batch(Method::POST, &[id, "cancel"]).await?;
        Ok(polled.batch)
    }

    async fn results(
        &self,
        id: &str,
        lines: mpsc::Sender<ResultLine>,
    ) -> Result<u64, Box<Failure>> {
        let get = self.api.http().get(self.url(&[id, "results"]));
        let (mut seen, mut sent) = (Seen::default(), Sent::default());
        let ended = self.download(get, &lines, &mut sent, &mut seen).await;
        match ended {
            // One readable result is enough: lines of other kinds are judged one by one.
            Ok(()) if sent.results > 0 => Ok(sent.lines),
            // Results that are none at all are something else: a page, a proxy's words. To take
            // them for the whole file would mean to buy every answer again.
            Ok(()) if sent.lines > 0 => {
                let why = "the results hold no line that is one".to_owned();
                let failed = self.api.result(&seen, Some((Broken::Undecodable, why)));
                failed.map(|_message| 0)
            }
            // Without a line the body was drained: an error, a page, or nothing at all.
            ended => self
                .api
                .result_of(&seen, ended.err(), |body| body.is_empty().then_some(0)),
        }
    }
}

/// What has been handed on of a download.
#[derive(Default)]
struct Sent {
    lines: u64,
    /// Lines that tell whose they are.
    results: u64,
}

impl Sent {
    async fn send(&mut self, taken: Taken, to: &mpsc::Sender<ResultLine>) -> Result<(), Break> {
        for line in taken.lines {
            self.lines += 1;
            self.results += u64::from(line.custom_id.is_some());
            if to.send(line).await.is_err() {
                let why = "nobody reads the results any more".to_owned();
                return Err((Broken::Cut, why));
            }
        }
        match taken.cut {
            Some(why) => Err((Broken::Cut, why)),
            None => Ok(()),
        }
    }
}

fn silence_words(idle: Duration) -> String {
    let limit = crate::model::duration::format_duration(idle);
    format!("the results were silent for {limit}")
}

impl fmt::Debug for BatchesClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BatchesClient").field(&self.api).finish()
    }
}
