//! The queries, as texts. Each of them is held against GitHub's published schema by the tests.

use std::fmt::Write as _;

/// What every query asks: how much of the budget is left.
const RATE: &str = "rateLimit { cost limit remaining resetAt }";

/// What is asked of a repository beside its files.
const REPOSITORY: &str = "id name nameWithOwner url isArchived isDisabled isFork isEmpty visibility \
                          defaultBranchRef { name target { oid } }";

/// The most topics that a repository has.
const TOPICS: &str = "repositoryTopics(first: 20) { nodes { topic { name } } }";

const OBJECT: &str = "fragment O on GitObject { __typename oid \
                      ... on Blob { byteSize isTruncated text } \
                      ... on Tree { entries { name type } } }";

/// How many repositories a page lists.
pub(crate) const LISTED: u64 = 100;

/// Lists repositories of `$owner`, the oldest first, so that new ones come at the end.
pub(crate) fn repositories(with_topics: bool) -> String {
    let topics = if with_topics { TOPICS } else { "" };
    format!(
        "query Repositories($owner: String!, $first: Int!, $after: String) {{ {RATE} \
         repositoryOwner(login: $owner) {{ repositories(first: $first, after: $after, \
         ownerAffiliations: [OWNER], orderBy: {{field: CREATED_AT, direction: ASC}}) {{ totalCount \
         pageInfo {{ hasNextPage endCursor }} nodes {{ {REPOSITORY} {topics} }} }} }} }}"
    )
}

/// How a repository is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Which<'a> {
    Id(&'a str),
    Name { owner: &'a str, name: &'a str },
}

/// What is asked of one repository.
#[derive(Clone, Debug)]
pub(crate) struct Ask<'a> {
    pub(crate) which: Which<'a>,
    /// `HEAD:`, its root, to see whether it may be read at all.
    pub(crate) root: String,
    /// `HEAD:catalog-info.yaml`
    pub(crate) expressions: Vec<String>,
}

/// Files and folders of several repositories: `r0 { f0 f1 } r1 { f0 }`.
pub(crate) fn objects(asks: &[Ask<'_>], with_topics: bool) -> String {
    let mut text = format!("query Files {{ {RATE}");
    for (at, ask) in asks.iter().enumerate() {
        let opened = match &ask.which {
            Which::Id(id) => write!(text, " r{at}: node(id: {}) {{ ...R", literal(id)),
            Which::Name { owner, name } => write!(
                text,
                " r{at}: repository(owner: {}, name: {}, followRenames: false) {{ ...R",
                literal(owner),
                literal(name)
            ),
        };
        debug_assert!(opened.is_ok(), "a text takes what is written to it");
        if matches!(ask.which, Which::Id(_)) {
            text.push_str(" ... on Repository {");
        }
        let root = literal(&ask.root);
        text.push_str(&format!(" root: object(expression: {root}) {{ __typename }}"));
        for (number, expression) in ask.expressions.iter().enumerate() {
            text.push_str(&format!(
                " f{number}: object(expression: {}) {{ ...O }}",
                literal(expression)
            ));
        }
        text.push_str(if matches!(ask.which, Which::Id(_)) { " } }" } else { " }" });
    }
    let topics = if with_topics { TOPICS } else { "" };
    text.push_str(&format!(" }} fragment R on Repository {{ {REPOSITORY} {topics} }}"));
    // A fragment that nothing uses is an error.
    if asks.iter().any(|ask| !ask.expressions.is_empty()) {
        text.push(' ');
        text.push_str(OBJECT);
    }
    text
}

/// A text as GraphQL writes it, which is as JSON does.
fn literal(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Lists teams of `$owner` with their first members.
pub(crate) fn teams() -> String {
    format!(
        "query Teams($owner: String!, $first: Int!, $members: Int!, $after: String) {{ {RATE} \
         organization(login: $owner) {{ teams(first: $first, after: $after, \
         orderBy: {{field: NAME, direction: ASC}}) {{ totalCount \
         pageInfo {{ hasNextPage endCursor }} nodes {{ slug combinedSlug name description avatarUrl \
         editTeamUrl parentTeam {{ slug }} members(first: $members, membership: IMMEDIATE) {{ \
         totalCount pageInfo {{ hasNextPage endCursor }} nodes {{ login }} }} }} }} }} }}"
    )
}

/// Lists more members of the team `$slug`.
pub(crate) fn team_members() -> String {
    format!(
        "query Members($owner: String!, $slug: String!, $first: Int!, $after: String) {{ {RATE} \
         organization(login: $owner) {{ team(slug: $slug) {{ members(first: $first, after: $after, \
         membership: IMMEDIATE) {{ totalCount pageInfo {{ hasNextPage endCursor }} \
         nodes {{ login }} }} }} }} }}"
    )
}

/// Lists the people of `$owner`. An App may not ask for addresses.
pub(crate) fn people() -> String {
    format!(
        "query People($owner: String!, $email: Boolean!, $first: Int!, $after: String) {{ {RATE} \
         organization(login: $owner) {{ membersWithRole(first: $first, after: $after) {{ totalCount \
         pageInfo {{ hasNextPage endCursor }} nodes {{ id login name bio avatarUrl \
         email @include(if: $email) }} }} }} }}"
    )
}

/// What the credentials may see of `$owner`.
pub(crate) fn check(with_teams: bool) -> String {
    let teams = if with_teams {
        "organization(login: $owner) { teams(first: 1) { totalCount } \
         membersWithRole(first: 1) { totalCount } }"
    } else {
        ""
    };
    format!(
        "query Check($owner: String!) {{ {RATE} repositoryOwner(login: $owner) {{ \
         repositories(first: 1, ownerAffiliations: [OWNER]) {{ totalCount \
         pageInfo {{ hasNextPage endCursor }} nodes {{ {REPOSITORY} \
         root: object(expression: \"HEAD:\") {{ __typename }} }} }} }} {teams} }}"
    )
}
