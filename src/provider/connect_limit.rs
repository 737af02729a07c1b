//! How long a connection may take to open.
//!
//! The HTTP client's own limit would call a connection late that was opened while the process stood
//! still; ours looks again first (see [`clock::timeout`]).

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tower_layer::Layer;
use tower_service::Service;

use crate::clock;
use crate::model::duration::format_duration;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The limit, laid around the client's connector.
#[derive(Clone, Copy, Debug)]
pub(super) struct ConnectLimit(pub(super) Duration);

impl<S> Layer<S> for ConnectLimit {
    type Service = Limited<S>;

    fn layer(&self, connector: S) -> Limited<S> {
        Limited {
            connector,
            limit: self.0,
        }
    }
}

/// A connector with a limit.
#[derive(Clone, Debug)]
pub(super) struct Limited<S> {
    connector: S,
    limit: Duration,
}

impl<R, S> Service<R> for Limited<S>
where
    S: Service<R, Error = BoxError>,
    S::Future: Send + 'static,
    S::Response: 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.connector.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let (limit, connecting) = (self.limit, self.connector.call(request));
        Box::pin(async move {
            match clock::timeout(limit, connecting).await {
                Ok(connected) => connected,
                Err(clock::Elapsed) => Err(Box::new(too_slow(limit)) as BoxError),
            }
        })
    }
}

fn too_slow(limit: Duration) -> io::Error {
    let limit = format_duration(limit);
    io::Error::new(io::ErrorKind::TimedOut, format!("not open after {limit}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Opens a connection after this long.
    struct Opens(Duration);

    impl Service<()> for Opens {
        type Response = ();
        type Error = BoxError;
        type Future = Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, (): ()) -> Self::Future {
            let after = self.0;
            Box::pin(async move {
                tokio::time::sleep(after).await;
                Ok(())
            })
        }
    }

    async fn open(after: u64) -> Result<(), BoxError> {
        let limit = ConnectLimit(Duration::from_secs(10));
        limit
            .layer(Opens(Duration::from_secs(after)))
            .call(())
            .await
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_has_so_long_to_open_and_no_longer() {
        assert!(open(9).await.is_ok());
        let late = open(11).await.unwrap_err();
        let late = late.downcast::<io::Error>().unwrap();
        assert_eq!(late.kind(), io::ErrorKind::TimedOut);
        assert_eq!(late.to_string(), "not open after 10s");
    }

    /// Two hours of Ctrl-Z while it was on its way.
    #[tokio::test(start_paused = true)]
    async fn a_connection_that_opened_while_the_process_stood_still_is_not_late() {
        let opening = tokio::spawn(open(7_200));
        tokio::task::yield_now().await;
        tokio::time::advance(Duration::from_hours(2)).await;
        assert!(opening.await.unwrap().is_ok());
    }
}
