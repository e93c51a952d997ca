//! Keeping secrets out of messages.

use std::collections::BTreeMap;

use connector::shown;

/// A shorter text is no secret; taken out of messages it would leave nothing to read.
const SECRET_BYTES_MIN: usize = 4;

/// What must not be read in a log.
#[derive(Clone, Debug, Default)]
pub(crate) struct Secrets(Vec<String>);

impl Secrets {
    /// Whatever is put into an environment may be one, each of its lines by itself.
    pub(crate) fn of(env: &BTreeMap<String, String>) -> Self {
        let lines = env.values().flat_map(|value| value.lines().map(str::trim));
        let mut secrets: Vec<String> =
            lines.filter(|line| line.len() >= SECRET_BYTES_MIN).map(str::to_owned).collect();
        // One that holds another goes first, so that nothing of it is left.
        secrets.sort_unstable_by_key(|secret| std::cmp::Reverse(secret.len()));
        Self(secrets)
    }

    /// A line without them, safe to print. They are taken out before it is cut, so that no half of
    /// one is left.
    pub(crate) fn hide(&self, line: &str) -> String {
        let hidden = self.0.iter().fold(line.to_owned(), |line, secret| {
            if line.contains(secret.as_str()) { line.replace(secret.as_str(), "***") } else { line }
        });
        shown(&hidden)
    }
}

#[cfg(test)]
mod tests {
    use connector::SHOWN_MAX;

    use super::*;

    #[test]
    fn secrets_are_hidden() {
        let env = [("A", "hunter22"), ("B", "hunter22-longer\n  second line \n"), ("C", "x")];
        let env = env.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let secrets = Secrets::of(&env.into());
        for (line, expected) in [
            ("no secret", "no secret"),
            ("https://u:hunter22@h", "https://u:***@h"),
            ("hunter22-longer and second line", "*** and ***"),
            ("\u{1b}[31mred", "\u{fffd}[31mred"),
        ] {
            assert_eq!(secrets.hide(line), expected);
        }
        let long = format!("{}hunter22", "y".repeat(SHOWN_MAX - 4));
        assert!(!secrets.hide(&long).contains("hunt"));
    }
}
