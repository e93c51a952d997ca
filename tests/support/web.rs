//! A site on this machine whose pages can be changed.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What a page answers with.
#[derive(Clone, Debug)]
pub enum Page {
    /// A text, with an entity tag.
    Text(String),
    /// A status and nothing else.
    Status(u16),
    /// The way to another URL.
    Redirect(String),
    /// Bytes that never end.
    Endless,
}

type Shared<T> = Arc<Mutex<T>>;

/// The site. What it is asked is kept.
pub struct Web {
    /// `http://127.0.0.1:port`
    pub url: String,
    pages: Shared<BTreeMap<String, Page>>,
    asked: Shared<Vec<String>>,
}

impl Web {
    /// A site on a free port.
    #[must_use]
    pub fn new() -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    /// A site on this very port, once it is free, with the files of a folder.
    #[must_use]
    pub fn at(port: u16, folder: &Path) -> Self {
        let end = Instant::now() + Duration::from_secs(120);
        let listener = loop {
            match TcpListener::bind(("127.0.0.1", port)) {
                Ok(listener) => break listener,
                Err(error) => assert!(Instant::now() < end, "port {port}: {error}"),
            }
            std::thread::sleep(Duration::from_millis(100));
        };
        let web = Self::on(listener);
        for file in std::fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            web.put(&format!("/{name}"), &std::fs::read_to_string(&path).unwrap());
        }
        web
    }

    fn on(listener: TcpListener) -> Self {
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (pages, asked) = (Shared::default(), Shared::default());
        let web = Self { url, pages: Arc::clone(&pages), asked: Arc::clone(&asked) };
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (pages, asked) = (Arc::clone(&pages), Arc::clone(&asked));
                // Whoever asked may have gone.
                std::thread::spawn(move || answer(stream, &pages, &asked));
            }
        });
        web
    }

    /// Host and port.
    #[must_use]
    pub fn host(&self) -> &str {
        self.url.strip_prefix("http://").unwrap()
    }

    pub fn put(&self, path: &str, text: &str) {
        self.set(path, Page::Text(text.to_owned()));
    }

    pub fn set(&self, path: &str, page: Page) {
        self.pages.lock().unwrap().insert(path.to_owned(), page);
    }

    /// What was asked since this was called last, as `path` or `path (if changed)`.
    #[must_use]
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

impl Default for Web {
    fn default() -> Self {
        Self::new()
    }
}

fn answer(
    mut stream: TcpStream,
    pages: &Mutex<BTreeMap<String, Page>>,
    asked: &Mutex<Vec<String>>,
) -> Option<()> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
    let first = lines.next()?.ok()?;
    let target = first.split(' ').nth(1)?.to_owned();
    let path = target.split('?').next()?.to_owned();
    let mut tag = None;
    for line in lines.map_while(Result::ok).take_while(|line| !line.is_empty()) {
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("if-none-match:") {
            tag = Some(value.trim().to_owned());
        }
    }
    let mark = if tag.is_some() { " (if changed)" } else { "" };
    asked.lock().ok()?.push(format!("{target}{mark}"));
    let page = pages.lock().ok()?.get(&path).cloned().unwrap_or(Page::Status(404));
    let head =
        |status: &str, more: &str| format!("HTTP/1.1 {status}\r\nconnection: close\r\n{more}\r\n");
    match page {
        Page::Text(text) => {
            let etag = format!("\"{}\"", blake3::hash(text.as_bytes()).to_hex());
            if tag.as_deref() == Some(&etag) {
                return stream.write_all(head("304 Not Modified", "").as_bytes()).ok();
            }
            let more = format!("etag: {etag}\r\ncontent-length: {}\r\n", text.len());
            stream.write_all(head("200 OK", &more).as_bytes()).ok()?;
            stream.write_all(text.as_bytes()).ok()
        }
        Page::Status(status) => {
            let status = format!("{status} As It Is");
            stream.write_all(head(&status, "content-length: 0\r\n").as_bytes()).ok()
        }
        Page::Redirect(to) => {
            let more = format!("location: {to}\r\ncontent-length: 0\r\n");
            stream.write_all(head("302 Found", &more).as_bytes()).ok()
        }
        Page::Endless => {
            stream.write_all(head("200 OK", "").as_bytes()).ok()?;
            while stream.write_all(&[b'#'; 1 << 16]).is_ok() {}
            None
        }
    }
}
