//! Server-sent events (`text/event-stream`), made while they are sent.
//!
//! Invariant: a reader that takes nothing holds no snapshot and no thread, and is cut, with the
//! cursor from which it goes on; the writer never waits for a reader.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_stream::wrappers::ReceiverStream;

use super::{Follower, LOOKED_AT, cloud};
use crate::ApiError;
use crate::connectors::run;
use crate::history::feed::Budget;

/// How much is made together.
const PART: Budget = Budget { items: 64, bytes: 256 * 1024, looked_at: LOOKED_AT };

/// How many parts wait to be taken, beside the last word.
const PARTS: usize = 2;

/// How long a stream may take nothing before it is cut.
const STALL_MAX: Duration = Duration::from_secs(30);

/// How long a stream is silent at the most.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// How soon a client should come again, in milliseconds.
const RETRY_MS: u64 = 1000;

type Sent = Result<Bytes, std::convert::Infallible>;

/// A body without end.
pub(super) fn body(follower: Follower) -> Body {
    let (sender, receiver) = mpsc::channel(PARTS + 1);
    tokio::spawn(send(Following(follower), sender));
    Body::from_stream(ReceiverStream::new(receiver))
}

/// What a stream is read from.
trait Source: Send + 'static {
    /// What comes next, and whether there is no more for now.
    fn read(&mut self) -> Result<(String, bool), ApiError>;

    /// Where a reader goes on that has taken all that was read.
    fn cursor(&self) -> String;

    /// Waits until there may be more.
    fn more(&mut self) -> impl Future<Output = More> + Send;

    /// Waits until the server stops.
    fn stops(&self) -> impl Future<Output = ()> + Send + use<Self>;
}

/// Whether there will be more.
enum More {
    Yes,
    Never,
}

struct Following(Follower);

impl Source for Following {
    fn read(&mut self) -> Result<(String, bool), ApiError> {
        // What is folded from here on is more.
        self.0.folded.borrow_and_update();
        let step = self.0.feed.step(PART)?;
        Ok((cloud::lines(step.items), step.is_at_end))
    }

    fn cursor(&self) -> String {
        self.0.feed.cursor().to_string()
    }

    async fn more(&mut self) -> More {
        match self.0.folded.changed().await {
            Ok(()) => More::Yes,
            Err(_) => More::Never,
        }
    }

    fn stops(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut stopping = self.0.stopping.clone();
        async move {
            if stopping.wait_for(|stop| *stop).await.is_err() {
                std::future::pending().await
            }
        }
    }
}

/// Makes a part whenever there is room for one.
async fn send<S: Source>(source: S, sender: mpsc::Sender<Sent>) {
    // The last word has its place, however full the rest is.
    let Ok(last) = sender.clone().reserve_owned().await else { return };
    let mut stops = Box::pin(source.stops());
    let (why, cursor) = tokio::select! {
        end = parts(source, &sender) => match end {
            Some(end) => end,
            None => return,
        },
        () = &mut stops => ("the server stops", None),
    };
    let data = json!({"message": why, "cursor": cursor});
    last.send(Ok(format!("event: cut\ndata: {data}\n\n").into()));
}

/// Sends until nobody is there any more, or there is a reason to end, with the cursor of what was
/// sent.
async fn parts<S: Source>(
    mut source: S,
    sender: &mpsc::Sender<Sent>,
) -> Option<(&'static str, Option<String>)> {
    let mut sent = source.cursor();
    let mut part = format!("retry: {RETRY_MS}\nid: {sent}\n\n");
    let mut heartbeat = Instant::now() + HEARTBEAT;
    let mut is_at_end = false;
    loop {
        if part.is_empty() && Instant::now() >= heartbeat {
            // An id alone makes no event, but the client keeps it.
            part = format!(": heartbeat\nid: {}\n\n", source.cursor());
        }
        if !part.is_empty() {
            match timeout(STALL_MAX, sender.reserve()).await {
                Err(_) => return Some(("nothing was taken for too long", Some(sent))),
                Ok(Err(_)) => return None,
                Ok(Ok(room)) => room.send(Ok(std::mem::take(&mut part).into())),
            }
            sent = source.cursor();
            heartbeat = Instant::now() + HEARTBEAT;
        }
        if is_at_end {
            tokio::select! {
                more = source.more() => if matches!(more, More::Never) {
                    return Some(("the log is not followed any more", Some(sent)));
                },
                () = sleep_until(heartbeat) => {}
                () = sender.closed() => return None,
            }
        }
        let read = run(move || {
            let read = source.read();
            (source, read)
        });
        let Ok((rest, read)) = read.await else {
            return Some(("it could not be read on", Some(sent)));
        };
        source = rest;
        match read {
            Ok(read) => (part, is_at_end) = read,
            Err(_) => return Some(("it could not be read on", Some(sent))),
        }
        if sender.is_closed() {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Parts with a number each.
    struct Numbers {
        next: usize,
        end: usize,
        reads: Arc<AtomicUsize>,
    }

    impl Source for Numbers {
        fn read(&mut self) -> Result<(String, bool), ApiError> {
            self.reads.fetch_add(1, Ordering::Relaxed);
            if self.next == self.end {
                return Ok((String::new(), true));
            }
            self.next += 1;
            Ok((format!("{}\n", self.next), false))
        }

        fn cursor(&self) -> String {
            self.next.to_string()
        }

        async fn more(&mut self) -> More {
            std::future::pending().await
        }

        fn stops(&self) -> impl Future<Output = ()> + Send + use<> {
            std::future::pending()
        }
    }

    fn numbers(end: usize) -> (mpsc::Receiver<Sent>, Arc<AtomicUsize>) {
        let reads = Arc::new(AtomicUsize::new(0));
        let (sender, receiver) = mpsc::channel(PARTS + 1);
        tokio::spawn(send(Numbers { next: 0, end, reads: Arc::clone(&reads) }, sender));
        (receiver, reads)
    }

    async fn text(receiver: &mut mpsc::Receiver<Sent>) -> Option<String> {
        let part = receiver.recv().await?.unwrap();
        Some(String::from_utf8(part.to_vec()).unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_is_cut_with_the_cursor() {
        let (mut receiver, reads) = numbers(100);
        tokio::time::sleep(STALL_MAX * 2).await;
        assert_eq!(reads.load(Ordering::Relaxed), PARTS, "no more is read than waits");
        let mut all = Vec::new();
        while let Some(part) = text(&mut receiver).await {
            all.push(part);
        }
        let cut = "event: cut\ndata: {\"message\":\"nothing was taken for too long\",\"cursor\":\"1\"}\n\n";
        assert_eq!(all, ["retry: 1000\nid: 0\n\n", "1\n", cut]);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_is_told_now_and_then_that_the_stream_lives() {
        let (mut receiver, _) = numbers(1);
        assert_eq!(text(&mut receiver).await.unwrap(), "retry: 1000\nid: 0\n\n");
        assert_eq!(text(&mut receiver).await.unwrap(), "1\n");
        for _ in 0..3 {
            let begun = Instant::now();
            assert_eq!(text(&mut receiver).await.unwrap(), ": heartbeat\nid: 1\n\n");
            assert_eq!(begun.elapsed().as_secs(), HEARTBEAT.as_secs());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_reads_ends() {
        let (receiver, reads) = numbers(1);
        tokio::time::sleep(HEARTBEAT / 2).await;
        let before = reads.load(Ordering::Relaxed);
        drop(receiver);
        tokio::time::sleep(HEARTBEAT * 4).await;
        assert_eq!(reads.load(Ordering::Relaxed), before);
    }
}
