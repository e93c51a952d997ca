//! Words of messages.

use std::borrow::Cow;
use std::io;

use event::vocabulary::Fault;

/// A fault by the name of one of Backstage's classes of errors.
pub(crate) fn fault(name: &'static str, message: String) -> Fault {
    Fault { name: Cow::Borrowed(name), message }
}

/// What happened when a file was to be read, after the file's name.
pub(crate) fn of_io(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "does not exist".to_owned(),
        io::ErrorKind::PermissionDenied => "may not be read: permission denied".to_owned(),
        io::ErrorKind::IsADirectory => "is a folder".to_owned(),
        _ => {
            // The number of an error is no help to the person who reads this.
            let words = error.to_string();
            let words = words.split(" (os error").next().unwrap_or_default();
            format!("could not be read: {}", words.to_lowercase())
        }
    }
}

/// The class of error that Backstage has for it.
pub(crate) fn class_of(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => "NotFoundError",
        io::ErrorKind::PermissionDenied => "NotAllowedError",
        _ => "Error",
    }
}

/// `first` for 0, and so on: a document is counted as a person does, but its pointer from 0, and
/// a word is not mistaken for that.
pub(crate) fn ordinal(index: usize) -> Cow<'static, str> {
    const WORDS: [&str; 10] = [
        "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth",
        "tenth",
    ];
    if let Some(word) = WORDS.get(index) {
        return Cow::Borrowed(word);
    }
    let number = index.saturating_add(1);
    let ending = match (number % 10, number % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    Cow::Owned(format!("{number}{ending}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinals() {
        for (index, expected) in [
            (0, "first"),
            (9, "tenth"),
            (10, "11th"),
            (11, "12th"),
            (12, "13th"),
            (20, "21st"),
            (21, "22nd"),
            (22, "23rd"),
            (110, "111th"),
            (120, "121st"),
        ] {
            assert_eq!(ordinal(index), expected, "{index}");
        }
    }

    #[test]
    fn io_errors_have_no_numbers() {
        for (error, expected) in [
            (io::Error::from_raw_os_error(2), "does not exist"),
            (io::Error::from_raw_os_error(13), "may not be read: permission denied"),
            (
                io::Error::from_raw_os_error(40),
                "could not be read: too many levels of symbolic links",
            ),
        ] {
            assert_eq!(of_io(&error), expected);
        }
    }
}
