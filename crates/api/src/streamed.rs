//! Answers that are made while they are sent.
//!
//! Invariant: an answer that is not taken holds neither a thread nor a snapshot, and ends.

use std::time::{Duration, Instant};

use axum::body::Body;
use bytes::Bytes;
use event::Position;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use views::Reader;

use crate::connectors::run;
use crate::{Api, ApiError};

/// About so many bytes are made and sent together.
pub(crate) const PART_BYTES: usize = 128 * 1024;

/// How long what is dear to hold is held while the answer is not taken.
const HOLD_MAX: Duration = Duration::from_secs(1);

/// How long an answer waits to be taken before it is broken off.
const STALL_MAX: Duration = Duration::from_secs(60);

/// How old a snapshot may become under an answer that is taken all the time.
const SNAPSHOT_AGE_MAX: Duration = Duration::from_secs(10);

/// What is sent, part by part.
pub(crate) trait Parts: Send + 'static {
    /// The part that comes next; none at the end.
    fn next_part(&mut self) -> Result<Option<Bytes>, ApiError>;

    /// Lets go of what is dear to hold, since the answer waits to be taken.
    fn rest(&mut self);
}

/// A body of parts.
pub(crate) fn body(parts: impl Parts) -> Body {
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(send(parts, sender));
    Body::from_stream(ReceiverStream::new(receiver))
}

/// Makes a part whenever there is room for one.
async fn send(mut parts: impl Parts, sender: mpsc::Sender<Result<Bytes, std::io::Error>>) {
    loop {
        let mut room = timeout(HOLD_MAX, sender.reserve()).await;
        if room.is_err() {
            parts.rest();
            room = timeout(STALL_MAX, sender.reserve()).await;
        }
        let Ok(Ok(room)) = room else {
            // It was not taken for too long, or nobody is there any more.
            return;
        };
        let made = run(move || {
            let part = parts.next_part();
            (parts, part)
        });
        let part = match made.await {
            Ok((rest, part)) => {
                parts = rest;
                part
            }
            Err(error) => return room.send(Err(std::io::Error::other(error.to_string()))),
        };
        match part {
            Ok(Some(part)) => room.send(Ok(part)),
            Ok(None) => return,
            // The answer has begun; breaking it off is the only way left to say so.
            Err(error) => return room.send(Err(std::io::Error::other(error.to_string()))),
        }
    }
}

/// The catalog at one position, for as long as an answer takes: read from one snapshot after the
/// other, each as of that position, so that none is held for long.
pub(crate) struct Moment {
    api: Api,
    position: Position,
    held: Option<(Reader, Instant)>,
}

impl Moment {
    /// The moment that a reader sees.
    pub(crate) fn of(api: &Api, reader: Reader) -> Self {
        let position = reader.position();
        Self { api: api.clone(), position, held: Some((reader, Instant::now())) }
    }

    pub(crate) fn position(&self) -> Position {
        self.position
    }

    /// A reader at the position.
    pub(crate) fn reader(&mut self) -> Result<Reader, ApiError> {
        if let Some((reader, since)) = &self.held
            && since.elapsed() < SNAPSHOT_AGE_MAX
        {
            return Ok(reader.clone());
        }
        self.rest();
        let now = self.api.views().reader();
        let now = now.ok_or_else(|| ApiError::unavailable("nothing is folded yet"))?;
        let reader = now.at(self.position.offset)?;
        self.held = Some((reader.clone(), Instant::now()));
        Ok(reader)
    }

    /// Lets go of the snapshot.
    pub(crate) fn rest(&mut self) {
        self.held = None;
    }
}
