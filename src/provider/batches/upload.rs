//! The body of a create call: streamed, of a length that is known beforehand.
//!
//! Promises that the API never takes half a body for a whole one: the length stands in the head of
//! the request, and a body that would not have it breaks the connection.

use std::io;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use futures_util::stream::{Stream, try_unfold};
use reqwest::header::CONTENT_LENGTH;
use reqwest::{Body, RequestBuilder};
use tokio::sync::mpsc::Receiver;

use super::BatchUpload;
use crate::provider::paced::{Upload, turn};

/// What was wrong with the body, once something was: the HTTP client tells no more than that it
/// broke.
#[derive(Clone, Debug, Default)]
pub(super) struct Fault(Arc<OnceLock<&'static str>>);

const TOO_SHORT: &str =
    "the batch was not sent: its entries could not be read to the end, so the call was broken off";
const TOO_LONG: &str =
    "the batch was not sent: its entries are longer than was announced, so the call was broken off";

impl Fault {
    /// Why the body broke, if it did.
    pub(super) fn get(&self) -> Option<&'static str> {
        self.0.get().copied()
    }

    fn found(&self, why: &'static str) -> io::Error {
        let _ = self.0.set(why);
        io::Error::other(why)
    }
}

/// The request with this body.
pub(super) fn attach(
    request: RequestBuilder,
    upload: BatchUpload,
    fault: &Fault,
    done: &Upload,
) -> RequestBuilder {
    done.begin();
    request
        .header(CONTENT_LENGTH, upload.bytes)
        .body(Body::wrap_stream(checked(
            upload,
            fault.clone(),
            done.clone(),
        )))
}

/// The pieces as they come; an error in the place of what would break the promised length. Before
/// each one the runtime has a turn to see whether an answer has come already (`paced` says why).
fn checked(
    upload: BatchUpload,
    fault: Fault,
    done: Upload,
) -> impl Stream<Item = io::Result<Bytes>> + use<> {
    let start = (upload.chunks, upload.bytes, 0);
    try_unfold(
        start,
        move |(mut chunks, left, sent): (Receiver<Bytes>, u64, usize)| {
            let (fault, done) = (fault.clone(), done.clone());
            async move {
                turn(sent).await;
                match chunks.recv().await {
                    Some(chunk) => match left.checked_sub(chunk.len() as u64) {
                        Some(left) => {
                            if left == 0 {
                                done.done();
                            }
                            Ok(Some((chunk, (chunks, left, sent + 1))))
                        }
                        None => Err(fault.found(TOO_LONG)),
                    },
                    None if left == 0 => Ok(None),
                    None => Err(fault.found(TOO_SHORT)),
                }
            }
        },
    )
}
