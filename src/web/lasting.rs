//! A body that ends by itself after a while.

use axum::body::{Body, HttpBody};
use hyper::body::{Bytes, Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Sleep;

/// A body that ends by itself after a while.
pub struct Lasting {
    body: Body,
    end: Pin<Box<Sleep>>,
}

impl Lasting {
    /// For this long.
    pub fn new(body: Body, time: Duration) -> Lasting {
        Lasting { body, end: Box::pin(tokio::time::sleep(time)) }
    }
}

impl HttpBody for Lasting {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.end.as_mut().poll(context).is_ready() {
            return Poll::Ready(None);
        }
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt as _;
    use std::convert::Infallible;
    use tokio_stream::StreamExt as _;

    #[tokio::test]
    async fn a_stream_without_end_ends() {
        let first = tokio_stream::once(Ok::<_, Infallible>(Bytes::from_static(b"one")));
        let stream = Body::from_stream(first.chain(tokio_stream::pending()));
        let read = Lasting::new(stream, Duration::from_millis(50)).collect().await.unwrap();
        assert_eq!(read.to_bytes(), "one");
    }
}
