//! Which repositories are read.

use crate::answer::Repository;
use crate::config::Filter;

impl Filter {
    /// Why a repository is not read; absent if it is.
    pub(crate) fn leaves_out(&self, repository: &Repository) -> Option<&'static str> {
        let topics = repository.repository_topics.iter().flat_map(|topics| &topics.nodes).flatten();
        let topics: Vec<String> =
            topics.map(|topic| topic.topic.name.to_ascii_lowercase()).collect();
        let visibility = repository.visibility.as_deref().unwrap_or_default().to_ascii_lowercase();
        if repository.is_archived && !self.archived {
            Some("it is archived")
        } else if repository.is_disabled {
            Some("GitHub has disabled it")
        } else if repository.is_fork && !self.forks {
            Some("it is a fork")
        } else if self.name.as_ref().is_some_and(|name| !name.is_match(&repository.name)) {
            Some("its name is not among those that are configured")
        } else if !self.visibility.is_empty() && !self.visibility.contains(&visibility) {
            Some("its visibility is not among those that are configured")
        } else if topics.iter().any(|topic| self.topics_not.contains(topic))
            || !self.topics.is_empty() && !topics.iter().any(|topic| self.topics.contains(topic))
        {
            Some("its topics are not those that are configured")
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::Config;

    #[test]
    fn repositories_are_left_out_by_what_is_configured() {
        let topics = |names: &[&str]| {
            let nodes = names.iter().map(|name| json!({"topic": {"name": name}}));
            json!({"repositoryTopics": {"nodes": nodes.collect::<Vec<_>>()}})
        };
        for (filters, repository, expected) in [
            (json!({}), json!({}), true),
            (json!({}), json!({"isFork": true}), true),
            (json!({}), json!({"isArchived": true}), false),
            (json!({}), json!({"isDisabled": true}), false),
            (json!({"archived": true}), json!({"isArchived": true}), true),
            (json!({"forks": false}), json!({"isFork": true}), false),
            (json!({"visibility": ["internal"]}), json!({"visibility": "INTERNAL"}), true),
            (json!({"visibility": ["internal"]}), json!({"visibility": "PUBLIC"}), false),
            (json!({"visibility": ["internal"]}), json!({}), false),
            (json!({"name": "svc-{a,b}*"}), json!({}), true),
            (json!({"name": "web-*"}), json!({}), false),
            (json!({"topics": {"include": ["shop"]}}), topics(&["Shop", "x"]), true),
            (json!({"topics": {"include": ["shop"]}}), topics(&["x"]), false),
            (json!({"topics": {"include": ["shop"]}}), json!({}), false),
            (json!({"topics": {"exclude": ["old"]}}), json!({}), true),
            (json!({"topics": {"exclude": ["old"]}}), topics(&["old"]), false),
            (
                json!({"topics": {"include": ["shop"], "exclude": ["old"]}}),
                topics(&["shop", "old"]),
                false,
            ),
        ] {
            let config =
                json!({"id": "a", "token": "t", "organizations": ["o"], "filters": filters});
            let config: Config = serde_json::from_value(config).unwrap();
            let mut of: Value = json!({
                "id": "R1", "name": "svc-a", "nameWithOwner": "o/svc-a", "url": "u",
            });
            of.as_object_mut().unwrap().extend(repository.as_object().unwrap().clone());
            let of: Repository = serde_json::from_value(of).unwrap();
            let left_out = config.filter.leaves_out(&of);
            assert_eq!(left_out.is_none(), expected, "{filters} {repository}: {left_out:?}");
        }
    }
}
