//! The rival: a loop over an official SDK, tuned by hand to that many requests at a time.
//!
//! It waits as the SDKs do before a retry: half a second, doubled each time up to eight, less up to
//! a quarter by chance, or what `retry-after` says if that is at most a minute. The SDKs give up after
//! two retries; here each request is tried until it succeeds, since every answer is wanted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use claude_run::model::{Endpoint, RequestBody};
use claude_run::provider::{Provider, Request};
use fastrand::Rng;
use tokio::task::JoinSet;

use crate::world::plan::HAIKU;

/// Sends the requests of lines 1 to `jobs`; tells when all have succeeded.
pub async fn run<P: Provider>(
    provider: &Arc<P>,
    jobs: u64,
    at_once: u32,
    body: fn(u64, &str) -> String,
) -> Duration {
    let began = tokio::time::Instant::now();
    let next = Arc::new(AtomicU64::new(1));
    let mut workers = JoinSet::new();
    for worker in 0..at_once {
        let (provider, next) = (Arc::clone(provider), Arc::clone(&next));
        workers.spawn(async move {
            let mut rng = Rng::with_seed(worker.into());
            loop {
                let line = next.fetch_add(1, Ordering::Relaxed);
                if line > jobs {
                    return;
                }
                send_until_it_succeeds(&*provider, &body(line, HAIKU), &mut rng).await;
            }
        });
    }
    workers.join_all().await;
    began.elapsed()
}

async fn send_until_it_succeeds<P: Provider>(provider: &P, body: &str, rng: &mut Rng) {
    for retry in 0.. {
        let reply = provider.send(request(body)).await;
        let Err(failure) = reply.result else { return };
        let hint = failure.evidence.retry_after;
        let own = Duration::from_millis(500 << retry.min(4)).mul_f64(1.0 - 0.25 * rng.f64());
        let wait = hint.filter(|hint| *hint <= Duration::from_mins(1));
        tokio::time::sleep(wait.unwrap_or(own)).await;
    }
}

fn request(body: &str) -> Request {
    Request {
        body: RequestBody::from_json(body),
        timeout: Duration::from_mins(10),
        stream: false,
        endpoint: Endpoint::First,
    }
}
