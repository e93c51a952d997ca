//! From teams and people to Groups and Users, as Backstage's provider for GitHub's organizations
//! has them.

use connector::Found;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::answer::Connection;

/// `organization { teams }`
#[derive(Debug, Deserialize)]
pub(crate) struct OfOrganization<T> {
    pub(crate) organization: Option<T>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Teams {
    pub(crate) teams: Option<Connection<Team>>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct OneTeam {
    pub(crate) team: Option<Members>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Members {
    pub(crate) members: Option<Connection<Login>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct People {
    pub(crate) members_with_role: Option<Connection<Person>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Team {
    pub(crate) slug: String,
    combined_slug: Option<String>,
    name: Option<String>,
    description: Option<String>,
    avatar_url: Option<String>,
    edit_team_url: Option<String>,
    parent_team: Option<Slug>,
    pub(crate) members: Option<Connection<Login>>,
}

#[derive(Debug, Deserialize)]
struct Slug {
    slug: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Login {
    pub(crate) login: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Person {
    id: Option<String>,
    pub(crate) login: String,
    name: Option<String>,
    bio: Option<String>,
    avatar_url: Option<String>,
    email: Option<String>,
}

/// The annotations that tell where the entities of an organization come from.
fn located(web: &str, organization: &str) -> Map<String, Value> {
    let location = format!("url:{web}/{organization}");
    let mut annotations = Map::new();
    annotations.insert("backstage.io/managed-by-location".into(), location.clone().into());
    annotations.insert("backstage.io/managed-by-origin-location".into(), location.into());
    annotations
}

fn put(members: &mut Map<String, Value>, name: &str, value: Option<String>) {
    if let Some(value) = value.filter(|value| !value.trim().is_empty()) {
        members.insert(name.into(), value.into());
    }
}

/// A team as a Group.
pub(crate) fn group(web: &str, organization: &str, team: Team, members: &[String]) -> Found {
    let slug = team.slug;
    let mut annotations = located(&format!("{web}/orgs"), &format!("{organization}/teams/{slug}"));
    put(&mut annotations, "github.com/team-slug", team.combined_slug);
    put(&mut annotations, "backstage.io/edit-url", team.edit_team_url);
    let mut metadata = Map::new();
    metadata.insert("name".into(), slug.clone().into());
    put(&mut metadata, "description", team.description);
    metadata.insert("annotations".into(), annotations.into());
    let mut profile = Map::new();
    put(&mut profile, "displayName", team.name);
    put(&mut profile, "picture", team.avatar_url);
    let mut spec = Map::new();
    spec.insert("type".into(), "team".into());
    spec.insert("profile".into(), profile.into());
    put(&mut spec, "parent", team.parent_team.map(|parent| parent.slug));
    // The teams below name this one as their parent, which is the same relation.
    spec.insert("children".into(), json!([]));
    spec.insert("members".into(), members.into());
    found("Group", metadata, spec, format!("{organization}/{slug}"))
}

/// A member of an organization as a User of these groups.
pub(crate) fn user(web: &str, person: Person, groups: &[String]) -> Found {
    let login = person.login;
    let mut annotations = located(web, &login);
    put(&mut annotations, "github.com/user-login", Some(login.clone()));
    put(&mut annotations, "github.com/user-id", person.id);
    let mut metadata = Map::new();
    metadata.insert("name".into(), login.clone().into());
    put(&mut metadata, "description", person.bio);
    metadata.insert("annotations".into(), annotations.into());
    let mut profile = Map::new();
    put(&mut profile, "displayName", person.name);
    put(&mut profile, "email", person.email);
    put(&mut profile, "picture", person.avatar_url);
    let mut spec = Map::new();
    spec.insert("profile".into(), profile.into());
    spec.insert("memberOf".into(), groups.into());
    found("User", metadata, spec, login)
}

fn found(
    kind: &str,
    metadata: Map<String, Value>,
    spec: Map<String, Value>,
    pointer: String,
) -> Found {
    let mut document = Map::new();
    document.insert("apiVersion".into(), "backstage.io/v1alpha1".into());
    document.insert("kind".into(), kind.into());
    document.insert("metadata".into(), metadata.into());
    document.insert("spec".into(), spec.into());
    let document = Value::Object(document);
    Found { pointer: Some(pointer), ..Found::new(document) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn teams_are_groups_and_people_are_users() {
        let team: Team = serde_json::from_value(json!({
            "slug": "shop", "combinedSlug": "acme/shop", "name": "The Shop", "description": "",
            "avatarUrl": "https://a", "editTeamUrl": "https://e", "parentTeam": {"slug": "all"},
        }))
        .unwrap();
        let group = group("https://github.com", "acme", team, &["ann".into()]);
        assert_eq!(
            group.document,
            json!({
                "apiVersion": "backstage.io/v1alpha1", "kind": "Group",
                "metadata": {"name": "shop", "annotations": {
                    "backstage.io/managed-by-location": "url:https://github.com/orgs/acme/teams/shop",
                    "backstage.io/managed-by-origin-location": "url:https://github.com/orgs/acme/teams/shop",
                    "github.com/team-slug": "acme/shop",
                    "backstage.io/edit-url": "https://e",
                }},
                "spec": {
                    "type": "team", "profile": {"displayName": "The Shop", "picture": "https://a"},
                    "parent": "all", "children": [], "members": ["ann"],
                },
            })
        );
        let person: Person = serde_json::from_value(json!({
            "id": "U1", "login": "ann", "name": "Ann", "bio": "hi", "avatarUrl": null, "email": "",
        }))
        .unwrap();
        assert_eq!(
            user("https://github.com", person, &["shop".into()]).document,
            json!({
                "apiVersion": "backstage.io/v1alpha1", "kind": "User",
                "metadata": {"name": "ann", "description": "hi", "annotations": {
                    "backstage.io/managed-by-location": "url:https://github.com/ann",
                    "backstage.io/managed-by-origin-location": "url:https://github.com/ann",
                    "github.com/user-login": "ann", "github.com/user-id": "U1",
                }},
                "spec": {"profile": {"displayName": "Ann"}, "memberOf": ["shop"]},
            })
        );
    }
}
