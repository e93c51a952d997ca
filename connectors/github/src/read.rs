//! Reading repositories: many of them with each query, in rounds, until nothing more is needed for
//! what they show first. Of most that is all; of others the next window follows.

use std::collections::BTreeMap;
use std::sync::Arc;

use connector::{Target, shown};
use serde::Deserialize;
use serde_json::Value;

use crate::answer::Repository;
use crate::config::Config;
use crate::forge::Forge;
use crate::map::reading::{FILE_BYTES_MAX, Need, Reading, WINDOW_BYTES};
use crate::place::Spot;
use crate::query::{self, Which};
use asking::Failure;
use asking::github::Data;
use asking::github::GraphError;

/// Repositories that are read together.
pub(crate) const TOGETHER_MAX: usize = 25;

/// What is held of them together, in bytes, unless one of them alone holds more.
const HELD_MAX: usize = 4 << 20;

/// Files and folders that one query asks for.
const EXPRESSIONS_MAX: usize = 100;

/// Rounds after which a window is given up. Each goes a folder deeper, or from a file to those that
/// it names.
const ROUNDS_MAX: usize = 64;

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
pub(crate) enum Read {
    /// Its first files, or the next ones: all that is needed to show them.
    Ready(Box<Reading>),
    /// What others hold left no room for it: it has to be read again.
    Later,
    /// It is not there, or not to be seen.
    Missing,
    /// It is not one of those that are read.
    LeftOut { repository: Box<Repository>, why: &'static str },
    /// Something went wrong; nothing is known of it.
    Failed(String),
}

/// One repository on its way.
enum State {
    Asked(Job),
    Reading(Box<Reading>),
    Done(Read),
}

impl State {
    /// What is held in memory of it, in bytes.
    fn held(&self) -> usize {
        match self {
            Self::Reading(reading) | Self::Done(Read::Ready(reading)) => reading.held(),
            Self::Asked(_) | Self::Done(_) => 0,
        }
    }
}

/// What one repository is asked for.
struct Want {
    at: usize,
    spots: Vec<Spot>,
    /// From how much on nothing more is asked for it in this round, in bytes: what came may be
    /// enough, or too much, for its window.
    held_max: usize,
}

/// Reads repositories, until the first window of each is known. Gives what came of each, in their
/// order.
///
/// # Errors
/// [`Failure::Refused`] and what lasts as long: nothing of the rest can be read either.
pub(crate) async fn read(
    config: &Arc<Config>,
    forge: &Forge,
    jobs: Vec<Job>,
) -> Result<Vec<Read>, Failure> {
    let states = jobs.into_iter().map(State::Asked).collect();
    Reader { config, forge, states }.run().await
}

/// Reads the next window of a repository.
///
/// # Errors
/// As [`read`].
pub(crate) async fn read_on(
    config: &Arc<Config>,
    forge: &Forge,
    mut reading: Box<Reading>,
) -> Result<Read, Failure> {
    reading.go_on();
    let reads = Reader { config, forge, states: vec![State::Reading(reading)] }.run().await?;
    Ok(reads.into_iter().next().unwrap_or(Read::Missing))
}

struct Reader<'a> {
    config: &'a Arc<Config>,
    forge: &'a Forge,
    states: Vec<State>,
}

impl Reader<'_> {
    async fn run(mut self) -> Result<Vec<Read>, Failure> {
        for _ in 0..ROUNDS_MAX {
            if !self.round().await? {
                break;
            }
        }
        let ended = self.states.into_iter().map(|state| match state {
            State::Done(read) => read,
            State::Asked(_) | State::Reading(_) => {
                Read::Failed(format!("its files lead on for more than {ROUNDS_MAX} rounds"))
            }
        });
        Ok(ended.collect())
    }

    /// Asks for whatever is needed now; says whether anything was.
    async fn round(&mut self) -> Result<bool, Failure> {
        let (mut wants, mut blobs) = (Vec::new(), Vec::new());
        for (at, state) in self.states.iter_mut().enumerate() {
            let held_max = state.held() + WINDOW_BYTES;
            let needs = match state {
                State::Asked(_) => {
                    wants.push(Want { at, spots: Reading::first(&self.config.paths), held_max });
                    continue;
                }
                State::Reading(reading) => reading.needs(),
                State::Done(_) => continue,
            };
            if needs.is_empty() {
                let done = std::mem::replace(state, State::Done(Read::Missing));
                if let State::Reading(reading) = done {
                    *state = State::Done(Read::Ready(reading));
                }
                continue;
            }
            let mut spots = Vec::new();
            for need in needs {
                match need {
                    Need::Object(spot) => spots.push(spot),
                    Need::Blob(oid) => blobs.push((at, oid, held_max)),
                }
            }
            let parts = spots.chunks(EXPRESSIONS_MAX);
            wants.extend(parts.map(|spots| Want { at, spots: spots.to_vec(), held_max }));
        }
        let is_any = !wants.is_empty() || !blobs.is_empty();
        for (at, oid, held_max) in blobs {
            if self.states[at].held() <= held_max {
                self.blob(at, oid).await?;
                self.make_room();
            }
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

    /// Puts off what does not fit beside the others, the last ones first; one always fits.
    fn make_room(&mut self) {
        let mut held: usize = self.states.iter().map(State::held).sum();
        let first = self.states.iter().position(|state| state.held() > 0).unwrap_or(0);
        for state in self.states[first..].iter_mut().skip(1).rev() {
            if held <= HELD_MAX {
                return;
            }
            let bytes = state.held();
            if bytes > 0 {
                held -= bytes;
                *state = State::Done(Read::Later);
            }
        }
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

    /// Asks with one query, or with smaller ones where that is too much.
    async fn ask(&mut self, wants: Vec<Want>) -> Result<(), Failure> {
        let mut queue = vec![wants];
        while let Some(mut wants) = queue.pop() {
            wants.retain(|want| {
                let state = &self.states[want.at];
                !matches!(state, State::Done(_)) && state.held() <= want.held_max
            });
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
                    self.make_room();
                }
                Err(Failure::TooMuch { why }) => match wants.as_mut_slice() {
                    [want] if want.spots.len() < 2 => {
                        let at = want.at;
                        self.fail(at, Failure::TooMuch { why }.to_string());
                    }
                    [want] => {
                        let half = want.spots.split_off(want.spots.len() / 2);
                        let rest = Want { spots: half, ..*want };
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
            query::Ask { which, root: Spot::here("").expression(head), expressions }
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
            self.begin(want, repository)?;
        }
        let State::Reading(reading) = &mut self.states[want.at] else { return Ok(()) };
        // Whoever may see a repository and not its contents is shown no files, and no error.
        let has_commit = reading.repository.default_branch_ref.is_some();
        if has_commit != (answer["root"]["__typename"] == "Tree") {
            return Err("its contents may not be read by these credentials".into());
        }
        for (number, spot) in want.spots.iter().enumerate() {
            let object = answer.get_mut(format!("f{number}")).map(Value::take);
            let object = object.ok_or("a file is missing in the answer")?;
            reading.object(spot.clone(), serde_json::from_value(object).map_err(form)?);
        }
        Ok(())
    }

    /// Begins to read a repository, of which now is known what it is.
    fn begin(&mut self, want: &Want, repository: Repository) -> Result<(), String> {
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
        if repository.default_branch_ref.is_none() && !repository.is_empty {
            return Err("its contents may not be read by these credentials".into());
        }
        // Of what is left out, only what Location entities name is read.
        let config = Arc::clone(self.config);
        let reading = Reading::new(config, left_out.is_none(), repository, job.targets);
        self.states[want.at] = State::Reading(Box::new(reading));
        Ok(())
    }
}

/// What Location entities want, by the repository that it is of, in lower case.
pub(crate) type Wanted = BTreeMap<(String, String), Vec<Target>>;
