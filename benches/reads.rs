//! How long answers take, one after the other over one connection.

use std::time::{Duration, Instant};

use anyhow::Result;
use event::Position;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::Serialize;
use serde_json::Value;

use crate::node::Node;

/// A sort of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Read {
    ByName,
    List,
    Owned,
    FullText,
    Facets,
    History,
    Search,
    /// As of a moment in the last hundredth of the log.
    ByNameLately,
    ListLately,
    /// As of any moment since all entities were new.
    ByNameThen,
    ListThen,
}

impl Read {
    pub(crate) const ALL: [Self; 11] = [
        Self::ByName,
        Self::List,
        Self::Owned,
        Self::FullText,
        Self::Facets,
        Self::History,
        Self::Search,
        Self::ByNameLately,
        Self::ListLately,
        Self::ByNameThen,
        Self::ListThen,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ByName => "entity by name",
            Self::List => "list: filtered, ordered, counted",
            Self::Owned => "list: what a group owns",
            Self::FullText => "list: full text, filtered, ordered",
            Self::Facets => "facets of a filter",
            Self::History => "history of an entity",
            Self::Search => "search: words, begun",
            Self::ByNameLately => "entity by name, as of lately",
            Self::ListLately => "list, as of lately",
            Self::ByNameThen => "entity by name, as of then",
            Self::ListThen => "list, as of then",
        }
    }

    /// How many requests are measured, of so many as were asked for.
    fn count(self, reads: usize) -> usize {
        match self {
            Self::ByName | Self::History | Self::ByNameLately | Self::ByNameThen => reads,
            Self::List | Self::Owned | Self::FullText | Self::Facets | Self::Search => reads / 4,
            Self::ListLately | Self::ListThen => reads / 8,
        }
    }
}

/// How long one sort of request took.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Latency {
    pub(crate) name: &'static str,
    pub(crate) count: usize,
    pub(crate) p50_us: u64,
    pub(crate) p99_us: u64,
    /// The mean size of an answer.
    pub(crate) bytes: u64,
}

/// Makes up requests about the entities of a catalog.
pub(crate) struct Requests {
    /// `kind/namespace/name` of all, and of groups.
    all: Vec<String>,
    groups: Vec<String>,
    /// Words of titles and descriptions.
    words: Vec<String>,
    random: StdRng,
    /// When all entities were new, and the last position.
    since: Position,
    last: Position,
}

/// Filters as a front end sends them, wide and narrow.
const FILTERS: &[&str] = &[
    "kind=component,spec.lifecycle=production",
    "kind=component,spec.type=service,metadata.tags=java",
    "kind=api,spec.type=grpc",
    "kind=component,kind=api,spec.lifecycle=experimental",
    "kind=user",
];
const ORDERS: &[&str] = &["metadata.name,asc", "metadata.name,desc", "spec.owner,asc"];
const FACETS: &[&str] =
    &["facet=spec.type&facet=spec.lifecycle", "facet=metadata.tags", "facet=kind"];

impl Requests {
    /// Requests about documents.
    pub(crate) fn about(documents: &str, since: Position, last: Position) -> Result<Self> {
        let (mut all, mut groups, mut words) = (Vec::new(), Vec::new(), Vec::new());
        for line in documents.lines() {
            let document: Value = serde_json::from_str(line)?;
            let text = |value: &Value| value.as_str().unwrap_or_default().to_lowercase();
            let kind = text(&document["kind"]);
            let name = text(&document["metadata"]["name"]);
            for text in ["title", "description"].map(|key| text(&document["metadata"][key])) {
                let long = text.split_whitespace().filter(|word| word.len() > 3);
                words.extend(long.map(str::to_owned));
            }
            words.push(name.clone());
            if kind == "group" {
                groups.push(format!("group:default/{name}"));
            }
            all.push(format!("{kind}/default/{name}"));
        }
        Ok(Self { all, groups, words, random: StdRng::seed_from_u64(1), since, last })
    }

    fn path(&mut self, read: Read) -> String {
        let last = self.last.offset;
        let from = match read {
            Read::ByNameLately | Read::ListLately => last - last / 100,
            Read::ByNameThen | Read::ListThen => self.since.offset,
            _ => return self.path_now(read),
        };
        let moment = Position { log: self.last.log, offset: self.random.random_range(from..=last) };
        let path = self.path_now(read);
        format!("{path}{}at={moment}", if path.contains('?') { '&' } else { '?' })
    }

    pub(crate) fn path_now(&mut self, read: Read) -> String {
        let random = &mut self.random;
        let mut pick = |list: &[&'static str]| list[random.random_range(0..list.len())];
        match read {
            Read::List | Read::ListLately | Read::ListThen => {
                let (filter, order) = (pick(FILTERS), pick(ORDERS));
                let query = format!("filter={filter}&orderField={order}&limit=20");
                format!("/api/catalog/entities/by-query?{query}")
            }
            Read::FullText => {
                let (filter, order) = (pick(FILTERS), pick(ORDERS));
                let entity = &self.all[random.random_range(0..self.all.len())];
                // A part of a name, as somebody types it.
                let name = entity.rsplit('/').next().unwrap_or_default();
                let from = random.random_range(0..name.len().max(4) / 2);
                let term: String = name.chars().skip(from).take(4).collect();
                let fields = "metadata.name,metadata.title,spec.profile.displayName";
                format!(
                    "/api/catalog/entities/by-query?filter={filter}&orderField={order}&limit=20\
                     &fullTextFilterTerm={term}&fullTextFilterFields={fields}"
                )
            }
            Read::Facets => {
                let (filter, facets) = (pick(FILTERS), pick(FACETS));
                format!("/api/catalog/entity-facets?filter={filter}&{facets}")
            }
            Read::Owned => {
                let group = &self.groups[random.random_range(0..self.groups.len())];
                let query =
                    format!("filter=relations.ownedBy={group}&orderField=metadata.name&limit=20");
                format!("/api/catalog/entities/by-query?{query}")
            }
            Read::Search => {
                // As somebody types: one word or two, the last of them begun.
                let mut word = || &*self.words[random.random_range(0..self.words.len())];
                let (first, last) = (word(), word());
                let end = last.floor_char_boundary(3 + first.len() % 4);
                let term = match first.len() % 3 {
                    0 => first.to_owned(),
                    1 => last[..end].to_owned(),
                    _ => format!("{first} {}", &last[..end]),
                };
                let term: String = form(&term);
                format!("/api/search/query?term={term}&types[0]=software-catalog")
            }
            Read::ByName | Read::History | Read::ByNameLately | Read::ByNameThen => {
                let entity = &self.all[random.random_range(0..self.all.len())];
                match read {
                    Read::History => format!("/api/history/entities/{entity}"),
                    _ => format!("/api/catalog/entities/by-name/{entity}"),
                }
            }
        }
    }

    /// Paths of entities, at random.
    pub(crate) fn by_name(&self, seed: u64, count: usize) -> Vec<String> {
        let mut random = StdRng::seed_from_u64(seed);
        let path = |entity: &String| format!("/api/catalog/entities/by-name/{entity}");
        (0..count).map(|_| path(&self.all[random.random_range(0..self.all.len())])).collect()
    }

    /// Measures one sort of request, after a few that only warm up, until there are enough or
    /// `enough` says so.
    pub(crate) fn measure(
        &mut self,
        node: &Node,
        read: Read,
        reads: usize,
        enough: &dyn Fn() -> bool,
    ) -> Result<Latency> {
        let count = read.count(reads);
        let mut times: Vec<Duration> = Vec::with_capacity(count);
        let (mut body, mut bytes) = (Vec::new(), 0);
        for _ in 0..count / 20 {
            node.get(&self.path(read), &mut body)?;
        }
        while times.len() < count && (times.is_empty() || !enough()) {
            let path = self.path(read);
            let began = Instant::now();
            node.get(&path, &mut body)?;
            times.push(began.elapsed());
            bytes += body.len();
        }
        let bytes = (bytes / times.len()) as u64;
        Ok(Latency::of(read.name(), times, bytes))
    }
}

impl Latency {
    /// What these times come to.
    pub(crate) fn of(name: &'static str, mut times: Vec<Duration>, bytes: u64) -> Self {
        times.sort_unstable();
        let at = |percent: usize| {
            let last = times.len().saturating_sub(1);
            let time = times.get(last * percent / 100).copied().unwrap_or_default();
            u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
        };
        Self { name, count: times.len(), p50_us: at(50), p99_us: at(99), bytes }
    }
}

/// A text as a value of a query string.
fn form(text: &str) -> String {
    let plain = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(plain).collect()
}
