//! Reading the teams and people of an organization, a page at a time.

use std::collections::BTreeMap;

use connector::{EmitError, Emitter, Outcome, shown};
use event::vocabulary::ScopeName;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::answer::Connection;
use crate::config::Config;
use crate::map::teams::{
    Login, Members, OfOrganization, OneTeam, People, Team, Teams, group, user,
};
use crate::query;
use asking::Failure;
use asking::github::Credentials;
use asking::github::{Client, Data};

/// Teams, and people, that a page lists.
const TEAMS: u64 = 50;
const PEOPLE: u64 = 100;

/// Pages of one list. An organization with more has 5,000,000 people.
const PAGES_MAX: usize = 50_000;

/// Why an organization was not read.
#[derive(Debug)]
pub(crate) enum Unread {
    GitHub(Failure),
    Emit(EmitError),
}

impl From<Failure> for Unread {
    fn from(failure: Failure) -> Self {
        Self::GitHub(failure)
    }
}

impl From<EmitError> for Unread {
    fn from(error: EmitError) -> Self {
        Self::Emit(error)
    }
}

/// Reads an organization and emits it whole; what goes wrong breaks the snapshot off, so that it
/// withdraws nothing.
pub(crate) async fn read(
    config: &Config,
    client: &Client,
    emitter: &Emitter,
    scope: ScopeName,
    organization: &str,
) -> Result<Outcome, Unread> {
    let asking = Asking { client, organization };
    let web = &config.host.web;
    let mut snapshot = emitter.snapshot(scope).await?;
    // Who is in which teams: a few words for each.
    let mut names: Vec<String> = Vec::new();
    let mut groups: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    let mut pages = Pages::default();
    while !pages.is_done {
        let more = json!({"first": TEAMS, "members": PEOPLE});
        let data = asking.page::<Teams>(&query::teams(), more, &pages).await?;
        for mut team in pages.take(data.teams, "teams")? {
            let members = asking.members(&mut team).await?;
            let number = u32::try_from(names.len()).unwrap_or(u32::MAX);
            names.push(team.slug.clone());
            for login in &members {
                groups.entry(login.to_ascii_lowercase()).or_default().push(number);
            }
            snapshot.seen(group(web, organization, team, &members)).await?;
        }
    }
    let email = matches!(config.credentials, Credentials::Token(_));
    let mut pages = Pages::default();
    while !pages.is_done {
        let more = json!({"first": PEOPLE, "email": email});
        let data = asking.page::<People>(&query::people(), more, &pages).await?;
        for person in pages.take(data.members_with_role, "people")? {
            let of = groups.get(&person.login.to_ascii_lowercase());
            let of = of.into_iter().flatten().filter_map(|number| names.get(*number as usize));
            let of: Vec<String> = of.cloned().collect();
            snapshot.seen(user(web, person, &of)).await?;
        }
    }
    Ok(snapshot.end().await?)
}

/// How far a list was read.
#[derive(Default)]
struct Pages {
    after: Option<String>,
    seen: u64,
    count: usize,
    is_done: bool,
}

impl Pages {
    /// Takes in a page, of which nothing may be missing.
    fn take<T>(&mut self, page: Option<Connection<T>>, what: &str) -> Result<Vec<T>, Failure> {
        let broken = |why: &str| Failure::Broken { why: format!("the {what} of it {why}") };
        let page = page.ok_or_else(|| broken("may not be seen"))?;
        let Connection { total_count, page_info, nodes } = page;
        self.seen += nodes.len() as u64;
        self.count += 1;
        let nodes: Option<Vec<T>> = nodes.into_iter().collect();
        let nodes = nodes.ok_or_else(|| broken("may be seen in part only"))?;
        if page_info.has_next_page {
            let is_stuck = page_info.end_cursor.is_none() || page_info.end_cursor == self.after;
            if is_stuck || self.count >= PAGES_MAX {
                return Err(broken("are listed without an end"));
            }
        } else if total_count.is_some_and(|total| total != self.seen) {
            return Err(broken("changed while they were listed"));
        }
        self.after = page_info.end_cursor;
        self.is_done = !page_info.has_next_page;
        Ok(nodes)
    }
}

struct Asking<'a> {
    client: &'a Client,
    organization: &'a str,
}

impl Asking<'_> {
    /// Asks for a page of something of the organization.
    async fn page<T: DeserializeOwned>(
        &self,
        text: &str,
        mut variables: Value,
        pages: &Pages,
    ) -> Result<T, Failure> {
        variables["owner"] = self.organization.into();
        variables["after"] = pages.after.clone().into();
        let answer = self.client.query::<OfOrganization<T>>(text, variables).await?;
        let Data { data, errors, .. } = answer;
        if let Some(error) = errors.first() {
            let why = format!(
                "the teams and people of {} may not be seen, for which a token needs the scope \
                 read:org, and an App the permission to read members: {}",
                self.organization,
                shown(&error.message)
            );
            return Err(Failure::Refused { why });
        }
        data.organization.ok_or_else(|| {
            let why =
                format!("there is no organization {}, or it may not be seen", self.organization);
            Failure::Refused { why }
        })
    }

    /// The logins of a team's own members.
    async fn members(&self, team: &mut Team) -> Result<Vec<String>, Failure> {
        let mut pages = Pages::default();
        let first = team.members.take();
        let mut members: Vec<String> = logins(pages.take(first, "members")?).collect();
        while !pages.is_done {
            let more = json!({"slug": team.slug, "first": PEOPLE});
            let data = self.page::<OneTeam>(&query::team_members(), more, &pages).await?;
            let page = data.team.and_then(|Members { members }| members);
            members.extend(logins(pages.take(page, "members")?));
        }
        Ok(members)
    }
}

fn logins(nodes: Vec<Login>) -> impl Iterator<Item = String> {
    nodes.into_iter().map(|node| node.login)
}
