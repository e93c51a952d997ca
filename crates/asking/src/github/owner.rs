//! Whose repositories are asked for.

use std::collections::BTreeSet;

use connector::shown;

/// Owners that one connector may read.
const OWNERS_MAX: usize = 1000;

/// An organization or a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Its login.
    pub login: String,
    /// Whether it is an organization.
    pub is_organization: bool,
}

impl Owner {
    /// Whether a login is this owner's: GitHub takes both cases for the same.
    #[must_use]
    pub fn is(&self, login: &str) -> bool {
        self.login.eq_ignore_ascii_case(login)
    }

    /// Owners by their logins.
    ///
    /// # Errors
    /// In a sentence, when there are too many, or one can't be a login or is named twice.
    pub fn read(organizations: &[String], users: &[String]) -> Result<Vec<Self>, String> {
        let of = |login: &String, is_organization| Self { login: login.clone(), is_organization };
        let organizations = organizations.iter().map(|login| of(login, true));
        let owners: Vec<Self> =
            organizations.chain(users.iter().map(|login| of(login, false))).collect();
        if owners.len() > OWNERS_MAX {
            return Err(format!("it has more than {OWNERS_MAX} `organizations` and `users`"));
        }
        let mut seen = BTreeSet::new();
        for Self { login, .. } in &owners {
            if !is_name(login) {
                return Err(format!("`{}` can't be the login of an owner", shown(login)));
            }
            if !seen.insert(login.to_ascii_lowercase()) {
                return Err(format!("`{login}` is named twice"));
            }
        }
        Ok(owners)
    }
}

/// Whether a text can be the name of an owner, or of a repository.
#[must_use]
pub fn is_name(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let is_dots = text.chars().all(|c| c == '.');
    !is_dots && text.len() <= 100 && text.chars().all(is_plain)
}
