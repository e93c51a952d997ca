//! Trying credentials and rights, with nothing changed: for `annals connectors test`.

use asking::Failure;
use connector::channel;

use super::Asker;
use super::config::Asks;
use super::desk::Desk;
use crate::{Config, Projects};

/// Asks for a little of each place. Gives how many repositories, projects or jobs may be seen, and
/// what is missing.
pub async fn check(config: &Config) -> (u64, Vec<String>) {
    let Some(poll) = &config.poll else { return (0, Vec::new()) };
    let asker = match Asker::new(poll, None, Projects::default()) {
        Ok(asker) => asker,
        Err(failure) => return (0, vec![failure.to_string()]),
    };
    // What is noted while it is listed goes nowhere.
    let (emitter, _emissions) = channel();
    let mut desk = Desk::new(emitter, None, poll.back.as_secs());
    let (mut count, mut missing) = (0, Vec::new());
    match (asker, &poll.asks) {
        (Asker::GitHub(mut asker), Asks::GitHub { owners, repositories, .. }) => {
            let mut places = repositories.clone();
            count += places.len() as u64;
            for owner in owners {
                if let Err(failure) = asker.list(owner, &mut desk).await {
                    missing.push(format!("{}: {failure}", owner.login));
                }
                let (listed, first) = asker.listed(owner);
                count += listed as u64;
                match first {
                    Some(first) => places.push(first.to_owned()),
                    None => missing.push(format!("{}: no repository may be seen", owner.login)),
                }
            }
            for place in places {
                let right = "an App or a fine-grained token needs the permission Actions: read, a \
                             classic token the scope repo";
                lacks(&place, asker.try_one(&place).await, right, &mut missing);
            }
        }
        (Asker::GitLab(asker), Asks::GitLab { groups, projects, .. }) => {
            let mut places = projects.clone();
            for group in groups {
                match asker.list(group, &mut desk).await {
                    Ok(listed) if listed.is_empty() => {
                        missing.push(format!("{group}: no project may be seen"));
                    }
                    Ok(listed) => {
                        count += listed.len().saturating_sub(1) as u64;
                        places.extend(listed.into_iter().next());
                    }
                    Err(failure) => missing.push(format!("{group}: {failure}")),
                }
            }
            count += places.len() as u64;
            let right = "a token needs the scope read_api, and the role Reporter where pipelines \
                         are not public";
            for place in places {
                lacks(&place, asker.try_one(&place).await, right, &mut missing);
            }
        }
        (Asker::Jenkins(asker), _) => match asker.try_one().await {
            Ok(0) => missing.push("no job may be seen".into()),
            Ok(jobs) => count += jobs,
            Err(failure) => {
                let right = "a user needs Overall/Read and Job/Read, and an API token";
                lacks("Jenkins", Err(failure), right, &mut missing);
            }
        },
        (Asker::GitHub(_) | Asker::GitLab(_), _) => {}
    }
    (count, missing)
}

/// Notes what could not be asked, with the right that it needs.
fn lacks(place: &str, tried: Result<(), Failure>, right: &str, missing: &mut Vec<String>) {
    match tried {
        Ok(()) => {}
        Err(failure @ (Failure::Refused { .. } | Failure::Missing { .. })) => {
            missing.push(format!("{place}: {failure} ({right})"));
        }
        Err(failure) => missing.push(format!("{place}: {failure}")),
    }
}
