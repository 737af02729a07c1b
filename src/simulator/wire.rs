//! A connection that can be torn down on purpose.
//!
//! A plain close sends what is buffered and then FIN. A connection whose [`Cutter`] was used
//! closes with RST, which is what a crashing peer or a middlebox does.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Asks for a connection to end with a reset. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Cutter(Arc<AtomicBool>);

impl Cutter {
    /// When the connection is closed, it is reset.
    pub(super) fn reset_on_close(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A TCP stream with a cutter.
#[derive(Debug)]
pub(super) struct Wire {
    stream: TcpStream,
    cutter: Cutter,
}

impl Wire {
    pub(super) fn new(stream: TcpStream, cutter: Cutter) -> Self {
        Self { stream, cutter }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.cutter.0.load(Ordering::Relaxed) {
            // A socket that cannot be told is closed the plain way, which is a cut as well.
            // With it the close is a reset (RST) and not an orderly end.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.cutter.0.load(Ordering::Relaxed) {
            // A shutdown would send FIN first, and the reset would go unnoticed.
            // An orderly end first would take the place of the reset.
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
