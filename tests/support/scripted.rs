//! A site on this machine that answers as a test's own function does, with faults between.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use serde_json::Value;

/// A request.
#[derive(Clone, Debug, Default)]
pub struct Request {
    pub method: String,
    /// The path and the query as they came.
    pub target: String,
    /// The path, decoded, without the query.
    pub path: String,
    /// The path as it came.
    pub raw_path: String,
    pub query: BTreeMap<String, String>,
    /// By their names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Request {
    /// A number in the query.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<usize> {
        self.query.get(name)?.parse().ok()
    }

    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
    pub how: How,
}

/// How much of an answer comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    Whole,
    /// Half of the body, and then nothing more is sent, and it is closed.
    Cut,
    /// Half of the body, and then nothing for a long time.
    Hangs,
    /// All of it, a while later.
    Late(Duration),
    /// And then more, without end.
    Endless,
}

impl Reply {
    #[must_use]
    pub fn json(value: &Value) -> Self {
        Self::status(200).with_body(&value.to_string())
    }

    #[must_use]
    pub fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: String::new(), how: How::Whole }
    }

    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    #[must_use]
    pub fn with_body(mut self, body: &str) -> Self {
        body.clone_into(&mut self.body);
        self
    }

    #[must_use]
    pub fn coming(mut self, how: How) -> Self {
        self.how = how;
        self
    }
}

/// What a fault does: an answer of its own, or the right one that comes otherwise.
#[derive(Clone, Debug)]
pub enum Fault {
    Instead(Reply),
    Comes(How),
}

type Answers = dyn Fn(&Request) -> Reply + Send + Sync;

/// What happens once something was answered.
type Then = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct State {
    /// What is asked for is to hold this, and what happens after that.
    after: Vec<(String, Then)>,
    /// Headers of all answers.
    headers: Vec<(String, String)>,
    /// What is asked for is to hold this, and how often that happens.
    faults: Vec<(String, usize, Fault)>,
    /// Paths with their queries, and the statuses that they were answered with.
    asked: Vec<(String, u16)>,
}

/// The site.
pub struct Scripted {
    /// `http://127.0.0.1:port`
    pub url: String,
    state: Arc<Mutex<State>>,
}

impl Scripted {
    /// A site on a free port.
    #[must_use]
    pub fn new(answers: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (state, answers) = (Arc::<Mutex<State>>::default(), Arc::new(answers));
        let site = Self { url, state: Arc::clone(&state) };
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (state, answers) = (Arc::clone(&state), Arc::clone(&answers));
                // Whoever asked may have gone.
                std::thread::spawn(move || answer(stream, &state, &*answers));
            }
        });
        site
    }

    /// What is asked for next that holds a text has a fault, so many times.
    pub fn fault(&self, on: &str, times: usize, fault: Fault) {
        self.state.lock().unwrap().faults.push((on.to_owned(), times, fault));
    }

    /// There are no faults any more.
    pub fn calm(&self) {
        self.state.lock().unwrap().faults.clear();
    }

    /// Once something that holds a text was answered, this happens.
    pub fn after(&self, on: &str, then: impl FnOnce() + Send + 'static) {
        self.state.lock().unwrap().after.push((on.to_owned(), Box::new(then)));
    }

    /// From now on all answers have a header.
    pub fn always(&self, name: &str, value: &str) {
        self.state.lock().unwrap().headers.push((name.to_owned(), value.to_owned()));
    }

    /// What was asked since this was called last.
    #[must_use]
    pub fn asked(&self) -> Vec<(String, u16)> {
        std::mem::take(&mut self.state.lock().unwrap().asked)
    }
}

fn answer(stream: TcpStream, state: &Mutex<State>, answers: &Answers) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut first = String::new();
    reader.read_line(&mut first).ok()?;
    let mut words = first.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut request = Request { method, target: target.clone(), ..Request::default() };
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    request.raw_path = path.to_owned();
    request.path = decoded(path);
    for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        request.query.insert(decoded(name), decoded(value));
    }
    for line in (&mut reader).lines().map_while(Result::ok).take_while(|line| !line.is_empty()) {
        if let Some((name, value)) = line.split_once(':') {
            request.headers.insert(name.trim().to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    let length = request.header("content-length").parse().unwrap_or(0);
    reader.take(length).read_to_end(&mut request.body).ok()?;
    let fault = {
        let mut state = state.lock().ok()?;
        let at = state.faults.iter().position(|(on, ..)| target.contains(on));
        at.map(|at| {
            let (_, times, fault) = &mut state.faults[at];
            *times -= 1;
            let fault = fault.clone();
            if state.faults[at].1 == 0 {
                state.faults.remove(at);
            }
            fault
        })
    };
    let mut reply = match fault {
        Some(Fault::Instead(reply)) => reply,
        Some(Fault::Comes(how)) => answers(&request).coming(how),
        None => answers(&request),
    };
    let then = {
        let mut state = state.lock().ok()?;
        reply.headers.extend_from_slice(&state.headers);
        let at = state.after.iter().position(|(on, _)| target.contains(on));
        state.asked.push((target, reply.status));
        at.map(|at| state.after.remove(at).1)
    };
    if let Some(then) = then {
        then();
    }
    send(stream, &reply)
}

fn send(mut stream: TcpStream, reply: &Reply) -> Option<()> {
    if let How::Late(wait) = reply.how {
        std::thread::park_timeout(wait);
    }
    let length = reply.body.len();
    let mut head = format!("HTTP/1.1 {} As It Is\r\nconnection: close\r\n", reply.status);
    if !reply.headers.iter().any(|(name, _)| name == "date") {
        head.push_str(&format!("date: {}\r\n", httpdate::fmt_http_date(SystemTime::now())));
    }
    if reply.how != How::Endless {
        head.push_str(&format!("content-length: {length}\r\n"));
    }
    for (name, value) in &reply.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all(format!("{head}\r\n").as_bytes()).ok()?;
    let half = match reply.how {
        How::Whole | How::Late(_) => return stream.write_all(reply.body.as_bytes()).ok(),
        How::Endless => {
            while stream.write_all(&[b' '; 1 << 16]).is_ok() {}
            return None;
        }
        How::Cut | How::Hangs => &reply.body.as_bytes()[..length / 2],
    };
    stream.write_all(half).ok()?;
    if reply.how == How::Hangs {
        // Longer than any test takes.
        std::thread::park_timeout(Duration::from_secs(600));
    }
    Some(())
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, more)) = rest.split_first() {
        let hex = (byte == b'%').then(|| more.get(..2)).flatten();
        let hex = hex.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        match hex {
            Some(byte) => {
                bytes.push(byte);
                rest = &more[2..];
            }
            None => {
                bytes.push(byte);
                rest = more;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
