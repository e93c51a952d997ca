//! Reading repositories: many of them with each query, in rounds, until nothing more is needed.

use std::collections::BTreeMap;

use connector::{Target, shown};
use serde::Deserialize;
use serde_json::Value;

use crate::answer::Repository;
use crate::config::Config;
use crate::forge::Forge;
use crate::map::reading::{FILE_BYTES_MAX, Item, Need, Reading};
use crate::pattern::Patterns;
use crate::place::Spot;
use crate::query::{self, Which};
use asking::Failure;
use asking::github::Data;
use asking::github::GraphError;

/// Repositories that are read together: what they hold is in memory at the same time.
pub(crate) const TOGETHER_MAX: usize = 25;

/// Files and folders that one query asks for.
const EXPRESSIONS_MAX: usize = 100;

/// Rounds after which a repository is given up. Each goes a folder deeper, or from a file to those
/// that it names.
const ROUNDS_MAX: usize = 24;

/// No files.
static NOTHING: Patterns = Patterns { files: Vec::new(), globs: Vec::new(), written: Vec::new() };

/// A repository that is to be read.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) named: Named,
    /// What Location entities want read of it.
    pub(crate) targets: Vec<Target>,
}

/// By what a repository is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    Id(String),
    Name { owner: String, name: String },
}

impl Named {
    fn which(&self) -> Which<'_> {
        match self {
            Self::Id(id) => Which::Id(id),
            Self::Name { owner, name } => Which::Name { owner, name },
        }
    }
}

/// What came of reading a repository.
#[derive(Debug)]
pub(crate) enum Read {
    /// All of it.
    Whole { repository: Box<Repository>, items: Vec<Item> },
    /// It is not there, or not to be seen.
    Missing,
    /// It is not one of those that are read.
    LeftOut { repository: Box<Repository>, why: &'static str },
    /// Something went wrong; nothing is known of it.
    Failed(String),
}

/// One repository on its way.
enum State<'a> {
    Asked(Job),
    Reading(Box<Reading<'a>>),
    Done(Read),
}

/// What one repository is asked for.
struct Want {
    at: usize,
    root: bool,
    spots: Vec<Spot>,
}

/// Reads repositories. Gives what came of each, in their order.
///
/// # Errors
/// [`Failure::Refused`] and what lasts as long: nothing of the rest can be read either.
pub(crate) async fn read(
    config: &Config,
    forge: &Forge,
    jobs: Vec<Job>,
) -> Result<Vec<Read>, Failure> {
    let mut reader = Reader { config, forge, states: jobs.into_iter().map(State::Asked).collect() };
    for _ in 0..ROUNDS_MAX {
        if !reader.round().await? {
            break;
        }
    }
    let ended = reader.states.into_iter().map(|state| match state {
        State::Done(read) => read,
        State::Asked(_) | State::Reading(_) => {
            Read::Failed(format!("its files lead on for more than {ROUNDS_MAX} rounds"))
        }
    });
    Ok(ended.collect())
}

struct Reader<'a> {
    config: &'a Config,
    forge: &'a Forge,
    states: Vec<State<'a>>,
}

impl<'a> Reader<'a> {
    /// Asks for whatever is needed now; says whether anything was.
    async fn round(&mut self) -> Result<bool, Failure> {
        let (mut wants, mut blobs) = (Vec::new(), Vec::new());
        for (at, state) in self.states.iter_mut().enumerate() {
            match state {
                State::Asked(_) => {
                    let spots = Reading::first(&self.config.paths);
                    wants.push(Want { at, root: true, spots });
                }
                State::Reading(reading) => {
                    let needs = reading.needs();
                    if needs.is_empty() {
                        let items = reading.items();
                        let repository = Box::new(reading.repository.clone());
                        *state = State::Done(Read::Whole { repository, items });
                        continue;
                    }
                    let mut spots = Vec::new();
                    for need in needs {
                        match need {
                            Need::Object(spot) => spots.push(spot),
                            Need::Blob(oid) => blobs.push((at, oid)),
                        }
                    }
                    for spots in spots.chunks(EXPRESSIONS_MAX) {
                        wants.push(Want { at, root: false, spots: spots.to_vec() });
                    }
                }
                State::Done(_) => {}
            }
        }
        let is_any = !wants.is_empty() || !blobs.is_empty();
        for (at, oid) in blobs {
            self.blob(at, oid).await?;
        }
        let mut together: Vec<Want> = Vec::new();
        for want in wants {
            let count: usize = together.iter().map(|want| want.spots.len() + 1).sum();
            if count > 0 && count + want.spots.len() >= EXPRESSIONS_MAX {
                self.ask(std::mem::take(&mut together)).await?;
            }
            together.push(want);
        }
        self.ask(together).await?;
        Ok(is_any)
    }

    /// Gets a file that GraphQL did not give whole.
    async fn blob(&mut self, at: usize, oid: String) -> Result<(), Failure> {
        let State::Reading(reading) = &mut self.states[at] else { return Ok(()) };
        let bytes = self.forge.blob(&reading.repository.name_with_owner, &oid).await;
        match bytes {
            Ok(bytes) if bytes.len() > FILE_BYTES_MAX => {
                let mib = FILE_BYTES_MAX >> 20;
                reading.blob(oid, Err(format!("it is larger than {mib} MiB")));
            }
            Ok(bytes) => reading.blob(oid, Ok(bytes)),
            Err(refused @ Failure::Refused { .. }) => return Err(refused),
            Err(failure) => self.states[at] = State::Done(Read::Failed(failure.to_string())),
        }
        Ok(())
    }

    /// Asks with one query, or with smaller ones where that is too much for GitHub.
    async fn ask(&mut self, wants: Vec<Want>) -> Result<(), Failure> {
        let mut queue = vec![wants];
        while let Some(mut wants) = queue.pop() {
            wants.retain(|want| !matches!(self.states[want.at], State::Done(_)));
            if wants.is_empty() {
                continue;
            }
            let asks = self.asks(&wants);
            let answer = self.forge.objects(&asks, self.config.filter.asks_topics()).await;
            match answer {
                Ok(Data { mut data, errors, .. }) => {
                    for (number, want) in wants.iter().enumerate() {
                        let name = format!("r{number}");
                        let errors: Vec<_> =
                            errors.iter().filter(|error| error.is_of(&name)).collect();
                        self.take(want, data.remove(&name), &errors);
                    }
                    if let Some(other) = errors.iter().find(|error| error.path.is_empty()) {
                        // It may be of any of them.
                        let why = shown(&other.message);
                        wants.iter().for_each(|want| self.fail(want.at, why.clone()));
                    }
                }
                Err(Failure::TooMuch { why }) => match wants.as_mut_slice() {
                    [want] if want.spots.len() < 2 => {
                        let at = want.at;
                        self.fail(at, Failure::TooMuch { why }.to_string());
                    }
                    [want] => {
                        let half = want.spots.split_off(want.spots.len() / 2);
                        let rest = Want { at: want.at, root: false, spots: half };
                        queue.push(vec![rest]);
                        queue.push(wants);
                    }
                    _ => {
                        let half = wants.split_off(wants.len() / 2);
                        queue.push(half);
                        queue.push(wants);
                    }
                },
                Err(failure) => return Err(failure),
            }
        }
        Ok(())
    }

    fn asks(&self, wants: &[Want]) -> Vec<query::Ask<'_>> {
        let asks = wants.iter().map(|want| {
            let (which, head) = match &self.states[want.at] {
                State::Asked(job) => (job.named.which(), "HEAD"),
                State::Reading(reading) => {
                    // What comes later is of the same commit.
                    (Which::Id(reading.repository.id.as_str()), reading.head.as_str())
                }
                State::Done(_) => (Which::Id(""), "HEAD"),
            };
            let expressions = want.spots.iter().map(|spot| spot.expression(head)).collect();
            query::Ask { which, root: want.root, expressions }
        });
        asks.collect()
    }

    fn fail(&mut self, at: usize, why: String) {
        self.states[at] = State::Done(Read::Failed(why));
    }

    /// Takes in what GitHub says of one repository.
    fn take(&mut self, want: &Want, answer: Option<Value>, errors: &[&GraphError]) {
        let Some(answer) = answer.filter(|answer| !answer.is_null()) else {
            let is_missing = errors.iter().all(|error| error.is_missing()) && !errors.is_empty();
            let why = errors.first().map(|error| shown(&error.message));
            self.states[want.at] = State::Done(match is_missing {
                true => Read::Missing,
                false => Read::Failed(why.unwrap_or_else(|| "nothing is said of it".into())),
            });
            return;
        };
        if let Some(error) = errors.first() {
            return self.fail(want.at, shown(&error.message));
        }
        if let Err(why) = self.objects(want, answer) {
            self.fail(want.at, why);
        }
    }

    fn objects(&mut self, want: &Want, mut answer: Value) -> Result<(), String> {
        let form = |error: serde_json::Error| format!("the answer is not of its form: {error}");
        if matches!(self.states[want.at], State::Asked(_)) {
            let repository = Repository::deserialize(&answer).map_err(form)?;
            self.begin(want, repository, &answer)?;
        }
        let State::Reading(reading) = &mut self.states[want.at] else { return Ok(()) };
        for (number, spot) in want.spots.iter().enumerate() {
            let object = answer.get_mut(format!("f{number}")).map(Value::take);
            let object = object.ok_or("a file is missing in the answer")?;
            reading.object(spot.clone(), serde_json::from_value(object).map_err(form)?);
        }
        Ok(())
    }

    /// Begins to read a repository, of which now is known what it is.
    fn begin(&mut self, want: &Want, repository: Repository, answer: &Value) -> Result<(), String> {
        let named = State::Done(Read::Missing);
        let State::Asked(job) = std::mem::replace(&mut self.states[want.at], named) else {
            return Ok(());
        };
        let owner = repository.name_with_owner.split_once('/').map_or("", |(owner, _)| owner);
        let left_out = match self.config.owner(owner) {
            Some(_) => self.config.filter.leaves_out(&repository),
            None => Some("its owner is not among those that are configured"),
        };
        if let Some(why) = left_out.filter(|_| job.targets.is_empty()) {
            let repository = Box::new(repository);
            self.states[want.at] = State::Done(Read::LeftOut { repository, why });
            return Ok(());
        }
        // Whoever may see a repository and not its contents is shown no files, and no error.
        let has_root = answer["root"]["__typename"] == "Tree";
        let has_commit = repository.default_branch_ref.is_some();
        if has_commit != has_root || !has_commit && !repository.is_empty {
            return Err("its contents may not be read by these credentials".into());
        }
        let Config { host, paths, .. } = self.config;
        // Of what is left out, only what Location entities name is read.
        let paths = if left_out.is_some() { &NOTHING } else { paths };
        let reading = Reading::new(host, paths, repository, job.targets);
        self.states[want.at] = State::Reading(Box::new(reading));
        Ok(())
    }
}

/// What Location entities want, by the repository that it is of, in lower case.
pub(crate) type Wanted = BTreeMap<(String, String), Vec<Target>>;
