//! A network that can be cut and stalled: a proxy for TCP on loopback.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

/// What the network does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Network {
    /// It carries what is sent.
    Works = 0,
    /// Connections stay and carry nothing.
    Stalls = 1,
    /// Connections are closed, and so are new ones.
    IsCut = 2,
}

/// A proxy to one address.
pub struct Proxy {
    pub port: u16,
    network: Arc<AtomicU8>,
    connections: Arc<AtomicU64>,
}

impl Proxy {
    /// A proxy on a free port, to a port of this machine.
    #[must_use]
    pub fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let own = listener.local_addr().unwrap().port();
        let network = Arc::new(AtomicU8::new(Network::Works as u8));
        let connections = Arc::new(AtomicU64::new(0));
        let (state, count) = (Arc::clone(&network), Arc::clone(&connections));
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if state.load(Ordering::Relaxed) == Network::IsCut as u8 {
                    continue;
                }
                let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else { continue };
                count.fetch_add(1, Ordering::Relaxed);
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    let state = Arc::clone(&state);
                    std::thread::spawn(move || carry(from, to, &state));
                }
            }
        });
        Self { port: own, network, connections }
    }

    /// From now on the network does this.
    pub fn set(&self, network: Network) {
        self.network.store(network as u8, Ordering::Relaxed);
    }

    /// How many connections there were.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, network: &AtomicU8) {
    let _ = from.set_read_timeout(Some(Duration::from_millis(50)));
    let mut bytes = vec![0; 64 << 10];
    loop {
        match network.load(Ordering::Relaxed) {
            state if state == Network::IsCut as u8 => break,
            state if state == Network::Stalls as u8 => {
                std::thread::park_timeout(Duration::from_millis(20));
                continue;
            }
            _ => {}
        }
        match from.read(&mut bytes) {
            Ok(0) => break,
            Ok(read) => {
                if to.write_all(&bytes[..read]).is_err() {
                    break;
                }
            }
            Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock) => {}
            Err(_) => break,
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
