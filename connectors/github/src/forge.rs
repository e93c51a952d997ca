//! Who is asked: a GitHub, or a Gitea, which tells the same in other words.

use asking::github::{Client, Credentials, Data, Owner, Tokens};
use asking::{Failure, Tells};
use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::answer::Listing;
use crate::config::Config;
use crate::gitea::Gitea;
use crate::query::{self, Ask};

/// A forge.
pub(crate) enum Forge {
    GitHub(Box<Client>),
    Gitea(Box<Gitea>),
}

impl Forge {
    /// Who is asked for an owner, or, with a token, for all.
    pub(crate) fn of(config: &Config, owner: Option<Owner>, tells: Option<Tells>) -> Self {
        let host = config.host.clone();
        match &config.credentials {
            Credentials::Token(token) if host.is_gitea => {
                Self::Gitea(Box::new(Gitea::new(&host, token, tells)))
            }
            credentials => {
                let tokens = Tokens::new(credentials.clone(), owner);
                Self::GitHub(Box::new(Client::new(host, tokens, tells)))
            }
        }
    }

    /// A page of an owner's repositories, after another one.
    ///
    /// # Errors
    /// [`Failure`].
    pub(crate) async fn list(
        &self,
        owner: &Owner,
        after: Option<&str>,
        with_topics: bool,
    ) -> Result<Data<Listing>, Failure> {
        match self {
            Self::GitHub(client) => {
                let text = query::repositories(with_topics);
                let variables =
                    json!({"owner": owner.login, "first": query::LISTED, "after": after});
                client.query(&text, variables).await
            }
            Self::Gitea(gitea) => gitea.list(owner, after).await,
        }
    }

    /// Files and folders of repositories: `r0` with `f0`, `f1`, and what is known of it.
    ///
    /// # Errors
    /// [`Failure`].
    pub(crate) async fn objects(
        &self,
        asks: &[Ask<'_>],
        with_topics: bool,
    ) -> Result<Data<Map<String, Value>>, Failure> {
        match self {
            Self::GitHub(client) => {
                let text = query::objects(asks, with_topics);
                client.query(&text, Value::Object(Map::new())).await
            }
            Self::Gitea(gitea) => gitea.objects(asks).await,
        }
    }

    /// The contents of a file by its object's name, whatever its size.
    ///
    /// # Errors
    /// [`Failure`].
    pub(crate) async fn blob(&self, repository: &str, oid: &str) -> Result<Bytes, Failure> {
        match self {
            Self::GitHub(client) => client.blob(repository, oid).await,
            Self::Gitea(gitea) => gitea.blob(repository, oid).await,
        }
    }
}
