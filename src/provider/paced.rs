//! The body of a request on its way, piece by piece.
//!
//! A server may answer before it has read the whole body (too large, overloaded) and close. Whoever
//! writes on then meets a reset, and the answer that lies in the socket is lost. So a long body is
//! handed over in pieces, and between them the runtime looks whether an answer has come. Who refuses
//! a request mostly does so by its head, so the first pieces are followed by a short pause. A client
//! that waits for room in the socket, as it does on any line but the shortest, hears of it anyway.
//! And it is known whether the last piece was handed over: a request that has not left whole
//! cannot have been carried out, and is not billed.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{Stream, unfold};
use reqwest::header::CONTENT_LENGTH;
use reqwest::{Body, RequestBuilder};

/// Bytes of a piece. Few enough that a socket takes one at once, enough to cost nothing.
const PIECE: usize = 64 * 1024;

/// After the first pieces the next one waits this long: some milliseconds for a request that takes
/// seconds, and time enough for a server nearby to answer.
const PAUSES: [Duration; 3] = [
    Duration::from_millis(2),
    Duration::from_millis(1),
    Duration::from_millis(1),
];

/// Whether a piece of a request's body has still to be handed over. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Upload(Arc<AtomicBool>);

impl Upload {
    /// A body is to be sent in pieces.
    pub(super) fn begin(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Its last piece is on its way.
    pub(super) fn done(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    /// Whether a piece is missing. Of a body that goes as one nobody knows; it counts as sent.
    pub(super) fn is_cut(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The request with this body.
pub(super) fn attach(request: RequestBuilder, body: Bytes, upload: &Upload) -> RequestBuilder {
    if body.len() <= PIECE {
        return request.body(body);
    }
    upload.begin();
    request
        .header(CONTENT_LENGTH, body.len())
        .body(Body::wrap_stream(pieces(body, upload.clone())))
}

/// Lets others have a turn after this many pieces.
pub(super) async fn turn(pieces: usize) {
    match pieces.checked_sub(1).map(|last| PAUSES.get(last)) {
        None => {}
        Some(Some(pause)) => tokio::time::sleep(*pause).await,
        Some(None) => tokio::task::yield_now().await,
    }
}

/// The body in pieces; after each one others have a turn.
fn pieces(body: Bytes, upload: Upload) -> impl Stream<Item = Result<Bytes, Infallible>> + use<> {
    unfold((body, 0), move |(mut rest, sent)| {
        let upload = upload.clone();
        async move {
            if rest.is_empty() {
                return None;
            }
            turn(sent).await;
            let piece = rest.split_to(PIECE.min(rest.len()));
            if rest.is_empty() {
                upload.done();
            }
            Some((Ok(piece), (rest, sent + 1)))
        }
    })
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;

    use super::{Bytes, PIECE, Upload, pieces};

    #[tokio::test]
    async fn a_body_is_done_with_its_last_piece() {
        let body = Bytes::from(vec![b'x'; 2 * PIECE + 1]);
        let upload = Upload::default();
        assert!(!upload.is_cut());
        upload.begin();
        let mut stream = std::pin::pin!(pieces(body.clone(), upload.clone()));
        let mut all = Vec::new();
        for left in [true, true, false] {
            assert!(upload.is_cut());
            all.extend_from_slice(&stream.next().await.unwrap().unwrap());
            assert_eq!(upload.is_cut(), left);
        }
        assert!(stream.next().await.is_none());
        assert_eq!(all, body);
    }
}
