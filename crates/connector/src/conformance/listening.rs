//! All that is logged, to be searched for secrets.

use std::io;
use std::sync::{Arc, Mutex, OnceLock};

use tracing_subscriber::fmt::MakeWriter;

/// What was logged in this process since somebody listens.
#[derive(Clone, Default)]
pub(super) struct Listening(Arc<Mutex<Vec<u8>>>);

/// Listens from now on, to whatever is logged at debug and above.
pub(super) fn listen() -> Listening {
    static LISTENING: OnceLock<Listening> = OnceLock::new();
    let listening = LISTENING.get_or_init(|| {
        let listening = Listening::default();
        let writer = listening.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::DEBUG)
            .with_ansi(false)
            .with_writer(writer);
        // Where a test listens already, that one does.
        let _ = subscriber.try_init();
        listening
    });
    listening.clone()
}

impl Listening {
    /// The line in which one of some texts stands, if any does.
    pub(super) fn heard(&self, texts: &[String]) -> Option<String> {
        let bytes = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let all = String::from_utf8_lossy(&bytes);
        let mut lines = all.lines();
        lines.find(|line| texts.iter().any(|text| line.contains(text.as_str()))).map(str::to_owned)
    }
}

impl io::Write for Listening {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Listening {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
