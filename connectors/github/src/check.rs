//! Trying credentials and rights, with nothing changed: for `annals connectors test`.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::Config;
use crate::answer::{Connection, Repository};
use crate::forge::Forge;
use crate::query;
use asking::Failure;
use asking::github::Credentials;
use asking::github::Owner;
use asking::github::Tokens;
use asking::github::{Client, Data};
use connector::shown;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Checked {
    repository_owner: Option<CheckedOwner>,
    organization: Option<Value>,
}

#[derive(Deserialize)]
struct CheckedOwner {
    repositories: Option<Connection<Value>>,
}

/// Asks for a little of each owner. Gives how many repositories may be seen, and what is missing.
pub async fn check(config: &Config) -> (u64, Vec<String>) {
    let (mut count, mut missing) = (0, Vec::new());
    let shared = Client::new(config.host.clone(), tokens(config, None), None);
    for owner in &config.owners {
        let own;
        let client = match config.credentials {
            Credentials::Token(_) => &shared,
            Credentials::App(_) => {
                own = Client::new(config.host.clone(), tokens(config, Some(owner)), None);
                &own
            }
        };
        match one(config, client, owner).await {
            Ok((seen, lacks)) => {
                count += seen;
                missing.extend(lacks);
            }
            Err(failure) => missing.push(format!("{}: {failure}", owner.login)),
        }
    }
    // The same scope may be missing for each owner.
    missing.dedup();
    (count, missing)
}

fn tokens(config: &Config, owner: Option<&Owner>) -> Tokens {
    Tokens::new(config.credentials.clone(), owner.cloned())
}

async fn one(
    config: &Config,
    client: &Client,
    owner: &Owner,
) -> Result<(u64, Vec<String>), Failure> {
    let login = &owner.login;
    if config.host.is_gitea {
        return gitea(config, owner).await;
    }
    let with_teams = config.teams && owner.is_organization;
    let variables = json!({"owner": login});
    let checked = client.query::<Checked>(&query::check(with_teams), variables).await?;
    let Data { data, errors, scopes } = checked;
    let mut missing: Vec<String> =
        errors.iter().map(|error| format!("{login}: {}", shown(&error.message))).collect();
    let repositories = data.repository_owner.and_then(|owner| owner.repositories);
    let count = repositories.as_ref().and_then(|list| list.total_count).unwrap_or(0);
    match repositories {
        None => missing.push(format!("{login}: there is no such owner, or it may not be seen")),
        Some(_) if count == 0 => missing.push(format!("{login}: no repository may be seen")),
        Some(list) => {
            let first = list.nodes.into_iter().flatten().next().unwrap_or_default();
            if first["isEmpty"] == false && first["root"].is_null() {
                let what = "the contents of repositories may not be read (an App, or a \
                            fine-grained token, needs the permission Contents: read)";
                missing.push(format!("{login}: {what}"));
            }
        }
    }
    if with_teams && data.organization.is_none_or(|organization| organization["teams"].is_null()) {
        let what = "teams and people may not be seen (a token needs the scope read:org, an App the \
                    permission Members: read)";
        missing.push(format!("{login}: {what}"));
    }
    if let Some(scopes) = scopes {
        let has = |name: &str| scopes.split(',').any(|scope| scope.trim() == name);
        if !has("repo") && !config.filter.visibility.iter().eq(["public"]) {
            missing.push(
                "the token has no scope `repo`: private and internal repositories are not seen; \
                 if that is meant so, `filters: {visibility: [public]}` says it"
                    .into(),
            );
        }
        let of_teams = ["read:org", "write:org", "admin:org"];
        if config.teams && !of_teams.iter().any(|scope| has(scope)) {
            missing.push("the token has no scope `read:org`, by which teams are seen".into());
        }
    }
    Ok((count, missing))
}

async fn gitea(config: &Config, owner: &Owner) -> Result<(u64, Vec<String>), Failure> {
    let (forge, login) = (Forge::of(config, None, None), &owner.login);
    let Data { data, .. } = forge.list(owner, None, false).await?;
    let Some(list) = data.repository_owner.and_then(|owner| owner.repositories) else {
        return Ok((0, vec![format!("{login}: there is no such owner, or it may not be seen")]));
    };
    let listed = list.nodes.len() as u64;
    let mut missing = Vec::new();
    if listed == 0 {
        missing.push(format!("{login}: no repository may be seen"));
    }
    let is_unread = |of: &Repository| !of.is_empty && of.default_branch_ref.is_none();
    if list.nodes.iter().flatten().any(is_unread) {
        let what = "the contents of repositories may not be read (a token needs the scope \
                    read:repository)";
        missing.push(format!("{login}: {what}"));
    }
    Ok((list.total_count.unwrap_or(listed), missing))
}
