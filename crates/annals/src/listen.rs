//! Connections: how many there are, and how long they may keep the server waiting.
//!
//! Invariant: whoever sends or takes nothing loses its connection.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, Sleep, sleep, sleep_until};
use tower_service::Service;

/// What connections may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// So many are open at the most; others wait to be accepted.
    connections_max: usize,
    /// How long a connection stays on which nothing is asked: also how long the head of a request
    /// may take.
    idle_max: Duration,
    /// How long an answer may wait for a reader that takes none of it.
    stall_max: Duration,
    /// How many requests one connection of HTTP/2 may have going.
    streams_max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 512,
            idle_max: Duration::from_secs(60),
            stall_max: Duration::from_secs(60),
            streams_max: 64,
        }
    }
}

/// After a fault of accepting (no more files may be open), so long nothing is accepted.
const PAUSE: Duration = Duration::from_millis(500);

/// Serves connections until it is told to stop; then those that are being answered are finished.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    mut stopping: watch::Receiver<bool>,
) {
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(limits.connections_max));
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &places) => accepted,
            _ = stopping.wait_for(|stop| *stop) => break,
        };
        match accepted {
            Ok((stream, peer, place)) => {
                let watcher = graceful.watcher();
                tokio::spawn(connection(stream, peer, router.clone(), limits, watcher, place));
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                sleep(PAUSE).await;
            }
        }
    }
    drop(listener);
    graceful.shutdown().await;
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    Ok((stream, peer, place))
}

/// Serves one connection, as long as something is asked on it.
async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    limits: Limits,
    watcher: Watcher,
    _place: OwnedSemaphorePermit,
) {
    let (activity, mut active) = watch::channel((0_usize, Instant::now()));
    let activity = Arc::new(activity);
    let service = service_fn(move |request: Request<Incoming>| {
        let going = Going::begin(&activity);
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        let answered = router.clone().call(request);
        async move {
            let response = answered.await?;
            // It goes on until its body is sent, or dropped.
            Ok::<_, std::convert::Infallible>(response.map(|body| {
                Body::new(body.map_frame(move |frame| {
                    let _ = &going;
                    frame
                }))
            }))
        }
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http2().max_concurrent_streams(limits.streams_max);
    let io = TokioIo::new(Stalling { stream, stall_max: limits.stall_max, since: None });
    let served = builder.serve_connection(io, service).into_owned();
    let mut served = std::pin::pin!(watcher.watch(served));
    loop {
        let (going, last) = *active.borrow_and_update();
        let until = last + limits.idle_max;
        tokio::select! {
            result = &mut served => {
                if let Err(error) = result {
                    tracing::debug!(%error, "a connection broke off");
                }
                return;
            }
            changed = active.changed() => if changed.is_err() { return },
            () = sleep_until(until), if going == 0 => {
                tracing::debug!("a connection on which nothing was asked is closed");
                return;
            }
        }
    }
}

/// A request that is being answered.
struct Going(Arc<watch::Sender<(usize, Instant)>>);

impl Going {
    fn begin(activity: &Arc<watch::Sender<(usize, Instant)>>) -> Self {
        activity.send_modify(|(going, _)| *going += 1);
        Self(Arc::clone(activity))
    }
}

impl Drop for Going {
    fn drop(&mut self) {
        self.0.send_modify(|(going, last)| {
            *going -= 1;
            *last = Instant::now();
        });
    }
}

/// A stream whose other end has to take what is written, some of it at least, from time to time.
struct Stalling {
    stream: TcpStream,
    stall_max: Duration,
    /// Runs while nothing is taken.
    since: Option<Pin<Box<Sleep>>>,
}

impl Stalling {
    fn bounded<T>(
        &mut self,
        context: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.since = None;
            return polled;
        }
        let stall_max = self.stall_max;
        let since = self.since.get_or_insert_with(|| Box::pin(sleep(stall_max)));
        ready!(since.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Stalling {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Stalling {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.bounded(context, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.bounded(context, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(context);
        self.bounded(context, polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream as Client;

    use axum::routing::get;

    use super::*;

    const LIMITS: Limits = Limits {
        connections_max: 2,
        idle_max: Duration::from_millis(300),
        stall_max: Duration::from_millis(300),
        streams_max: 4,
    };

    /// How long a test waits for what has to come.
    const PATIENCE: Duration = Duration::from_secs(20);

    /// Serves a short answer, one without end, and one that takes longer than a connection may be
    /// idle; runs a test beside it.
    fn with_server(test: impl FnOnce(SocketAddr) + Send + 'static) {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let endless = || async {
                let part = bytes::Bytes::from(vec![b'x'; 1 << 16]);
                Body::from_stream(futures_util::stream::repeat_with(move || {
                    Ok::<_, io::Error>(part.clone())
                }))
            };
            let slow = || async {
                sleep(LIMITS.idle_max * 3).await;
                "done"
            };
            let router = Router::new()
                .route("/short", get(|| async { "done" }))
                .route("/slow", get(slow))
                .route("/endless", get(endless));
            let (stop, stopping) = watch::channel(false);
            let server = tokio::spawn(serve(listener, router, LIMITS, stopping));
            tokio::task::spawn_blocking(move || test(address)).await.unwrap();
            stop.send_replace(true);
            tokio::time::timeout(PATIENCE, server).await.unwrap().unwrap();
        });
    }

    fn connect(address: SocketAddr, says: &str) -> Client {
        let mut client = Client::connect(address).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client.write_all(says.as_bytes()).unwrap();
        client
    }

    /// What the server says until it closes the connection, which it has to.
    fn all(mut client: Client) -> String {
        let mut text = Vec::new();
        match client.read_to_end(&mut text) {
            Err(error) if error.kind() != io::ErrorKind::ConnectionReset => panic!("{error}"),
            _ => String::from_utf8(text).unwrap(),
        }
    }

    #[test]
    fn who_asks_nothing_or_never_ends_a_question_is_closed() {
        with_server(|address| {
            for says in ["", "P", "PRI * HT", "GET /short HTTP/1.1\r\nHost: x\r\nA: "] {
                assert_eq!(all(connect(address, says)), "", "{says:?}");
            }
            // One that was answered, and asks no more; two of them leave room for others.
            for _ in 0..3 {
                let answer = all(connect(address, "GET /short HTTP/1.1\r\nHost: x\r\n\r\n"));
                assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("done"), "{answer}");
            }
            // What takes long to be answered is not idle.
            let answer = all(connect(address, "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"));
            assert!(answer.ends_with("done"), "{answer}");
        });
    }

    #[test]
    fn who_takes_nothing_is_cut_off_and_gives_its_place_to_others() {
        with_server(|address| {
            let endless = "GET /endless HTTP/1.1\r\nHost: x\r\n\r\n";
            let _stalled = [connect(address, endless), connect(address, endless)];
            // All places are taken, until those are cut off.
            let answer = all(connect(address, "GET /short HTTP/1.1\r\nHost: x\r\n\r\n"));
            assert!(answer.ends_with("done"), "{answer}");
        });
    }
}
