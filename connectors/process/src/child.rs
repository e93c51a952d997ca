//! The program as a process: started, told where it stopped, listened to, ended.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::json;
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::Config;
use crate::lines::next_cut;
use crate::words::Secrets;

/// Variables of the node's environment that a program gets as well.
const KEPT: [&str; 8] = ["PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "TMPDIR", "SSL_CERT_FILE"];

/// How long a program that is told to end may take; a connector has 5 s in all.
const END_MAX: Duration = Duration::from_secs(3);

/// How much of a line on standard error is looked at, in bytes, and how many lines a run may write
/// there into the node's log.
const SAID_BYTES_MAX: usize = 4096;
const SAID_LINES_MAX: u64 = 1000;

/// A program that runs. Dropped, it is killed.
pub(crate) struct Running {
    child: Child,
    group: Option<Pid>,
    stdin: Option<ChildStdin>,
    /// Dropped, it ends the program's standard input.
    hold: Option<oneshot::Sender<()>>,
    /// What it writes.
    pub(crate) stdout: BufReader<ChildStdout>,
    said: JoinHandle<()>,
}

impl Running {
    /// Starts the program.
    pub(crate) fn start(config: &Config) -> std::io::Result<Self> {
        let mut command = Command::new(&config.command[0]);
        command.args(&config.command[1..]).env_clear();
        let kept = KEPT.iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
        command.envs(kept).envs(&config.env).kill_on_drop(true);
        if !config.folder.as_os_str().is_empty() {
            command.current_dir(&config.folder);
        }
        // In a group of its own, so that what it starts can be ended with it.
        command.process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let piped = || std::io::Error::other("a pipe is missing");
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().ok_or_else(piped)?);
        let stderr = child.stderr.take().ok_or_else(piped)?;
        let said = listen(config.source(), stderr, Secrets::of(&config.env));
        Ok(Self { child, group, stdin, hold: None, stdout, said: tokio::spawn(said) })
    }

    /// Tells the program, in one line, where it stopped, while it may write already. What follows is
    /// the end of its standard input, which it sees when it is to end.
    pub(crate) fn tell(&mut self, cursor: Option<&str>, scopes: &[&str]) {
        let line = json!({"cursor": cursor, "scopes": scopes}).to_string() + "\n";
        let Some(mut stdin) = self.stdin.take() else { return };
        let (hold, held) = oneshot::channel::<()>();
        self.hold = Some(hold);
        tokio::spawn(async move {
            let told = async {
                // A program that does not want to know closes its input, or ends.
                let _ = stdin.write_all(line.as_bytes()).await;
                let _ = stdin.flush().await;
                std::future::pending::<()>().await;
            };
            tokio::select! {
                _ = held => {}
                () = told => {}
            }
        });
    }

    /// Waits until the program ends by itself.
    pub(crate) async fn ended(&mut self) -> std::io::Result<ExitStatus> {
        let status = self.child.wait().await;
        self.finish();
        status
    }

    /// Ends the program, by force if it does not when it is told.
    pub(crate) async fn end(mut self) {
        self.hold = None;
        self.signal(Signal::TERM);
        if timeout(END_MAX, self.child.wait()).await.is_err() {
            self.signal(Signal::KILL);
            let _ = self.child.wait().await;
        }
        self.finish();
        // What it wrote last is in the pipe; nobody holds the other end any more.
        let _ = timeout(Duration::from_millis(200), &mut self.said).await;
    }

    /// Ends what the program started and left behind.
    fn finish(&mut self) {
        self.signal(Signal::KILL);
        self.group = None;
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.group {
            // Where nobody is left in the group there is nothing to do.
            let _ = kill_process_group(group, signal);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

/// Writes what the program says of itself into the node's log.
async fn listen(source: String, stderr: ChildStderr, secrets: Secrets) {
    let mut stream = BufReader::new(stderr);
    let mut line = Vec::new();
    let mut count: u64 = 0;
    while let Ok(true) = next_cut(&mut stream, &mut line, SAID_BYTES_MAX).await {
        count += 1;
        if count > SAID_LINES_MAX {
            continue;
        }
        let said = secrets.hide(&String::from_utf8_lossy(&line));
        tracing::info!(source, said, "a program says");
        if count == SAID_LINES_MAX {
            tracing::warn!(source, "a program says much; the rest of this run is passed over");
        }
    }
}
