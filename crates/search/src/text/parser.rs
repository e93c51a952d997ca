//! Cuts a text into tokens, as PostgreSQL's default text search parser does.

use super::grammar::{Before, Kind, State, Step, Test};

/// How many steps the parser takes for each byte of a text, at the most. Texts take three or four;
/// some that are made for it would take as many as they have bytes.
const STEPS_A_BYTE: usize = 64;

/// A part of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    pub(crate) kind: Kind,
    pub(crate) text: &'a str,
}

/// The parser, somewhere in a text.
pub(crate) struct Parser<'a> {
    text: &'a str,
    /// Where it is, and where it can go back to. There is always one.
    stack: Vec<Place>,
    /// Within `<script>` or `<style>`.
    ignoring: bool,
    wants_host: bool,
    steps_left: usize,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    at: usize,
    /// How long the token is so far, in bytes.
    token: usize,
    state: State,
    /// The rule that is tried next when somebody comes back here.
    resume: Option<usize>,
}

impl<'a> Parser<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        let steps = text.len().saturating_mul(STEPS_A_BYTE).saturating_add(1024);
        Self::begin(text, State::Base, false, steps)
    }

    fn begin(text: &'a str, state: State, wants_host: bool, steps_left: usize) -> Self {
        let place = Place { at: 0, token: 0, state, resume: None };
        Self { text, stack: vec![place], ignoring: false, wants_host, steps_left }
    }

    fn place(&mut self) -> &mut Place {
        let last = self.stack.len() - 1;
        &mut self.stack[last]
    }

    /// The token that comes next.
    fn read(&mut self) -> Option<Token<'a>> {
        let start = self.place().at;
        if start >= self.text.len() {
            return None;
        }
        self.place().resume = None;
        loop {
            self.steps_left = self.steps_left.checked_sub(1)?;
            let Place { at, state, .. } = *self.place();
            let next = self.text[at..].chars().next();
            let from = self.place().resume.take().map_or(0, |rule| rule + 1);
            let rules = state.rules();
            let fits = (from..rules.len()).find(|rule| self.fits(rules[*rule].test, next));
            // The last rule of each state fits everything.
            let number = fits.unwrap_or(rules.len() - 1);
            let rule = &rules[number];
            self.before(rule.before, start);
            let mut found = None;
            if let Some(kind) = rule.found {
                let length = std::mem::take(&mut self.place().token);
                let text = self.text.get(start..start + length).unwrap_or_default();
                found = Some(Token { kind, text });
            }
            self.step(rule.step, number);
            if let Some(state) = rule.to {
                self.place().state = state;
            }
            if found.is_some() {
                return found;
            }
            let ends = self.place().at >= self.text.len();
            match rule.step {
                Step::Again => {}
                _ if ends => return None,
                Step::Pop => {}
                _ => {
                    let length = next.map_or(0, char::len_utf8);
                    let place = self.place();
                    place.at += length;
                    place.token += length;
                }
            }
        }
    }

    fn step(&mut self, step: Step, rule: usize) {
        match step {
            Step::Next | Step::Again => {}
            Step::Pop => {
                if self.stack.len() > 1 {
                    self.stack.pop();
                }
            }
            Step::Push => {
                let place = self.place();
                place.resume = Some(rule);
                let pushed = Place { resume: None, ..*place };
                self.stack.push(pushed);
            }
            Step::Clear => {
                if let Some(before) = self.stack.len().checked_sub(2) {
                    self.stack.remove(before);
                }
            }
            Step::ClearAll => {
                let last = self.stack.len() - 1;
                self.stack.drain(..last);
            }
            Step::Merge => {
                let place = *self.place();
                if self.stack.len() > 1 {
                    self.stack.pop();
                }
                let into = self.place();
                (into.at, into.token) = (place.at, place.token);
            }
        }
    }

    fn before(&mut self, before: Before, start: usize) {
        match before {
            Before::Nothing => {}
            Before::Tag => self.tag(start),
            Before::Back | Before::BackForHost | Before::BackToNothing => {
                self.wants_host |= before == Before::BackForHost;
                let place = self.place();
                place.at -= place.token;
                if before == Before::BackToNothing {
                    place.token = 0;
                }
            }
        }
    }

    /// What stands between `<script>` and `</script>` is no text.
    fn tag(&mut self, start: usize) {
        let length = self.place().token;
        let token = self.text.get(start..start + length).unwrap_or_default();
        if ["</script", "</style"].iter().any(|end| token.eq_ignore_ascii_case(end)) {
            self.ignoring = false;
        } else if ["<script", "<style"].iter().any(|begin| token.eq_ignore_ascii_case(begin)) {
            self.ignoring = true;
        }
    }

    fn fits(&mut self, test: Test, next: Option<char>) -> bool {
        let is = |test: fn(char) -> bool| next.is_some_and(test);
        match test {
            Test::Any => true,
            Test::End => next.is_none(),
            Test::Is(wanted) => next == Some(wanted),
            Test::Letter => is(|c| c.is_ascii_alphabetic()),
            Test::Alpha => is(char::is_alphabetic),
            Test::Digit => is(|c| c.is_ascii_digit()),
            Test::Alnum => is(is_alnum),
            Test::NotAlnum => !is(is_alnum),
            Test::HexDigit => is(|c| c.is_ascii_hexdigit()),
            Test::Space => is(char::is_whitespace),
            Test::UrlChar => is(is_url_char),
            Test::Mark => is(is_mark),
            Test::Ignored => self.ignoring,
            Test::StopHost => std::mem::take(&mut self.wants_host),
            Test::Host => self.whole(State::Base, true, |kind| kind == Kind::Host),
            Test::Path => self.whole(State::UrlPathFirst, false, |kind| {
                matches!(kind, Kind::UrlPath | Kind::File)
            }),
        }
    }

    /// Whether a token of a kind stands here; it belongs to the one that is being read then.
    fn whole(&mut self, state: State, wants_host: bool, is: fn(Kind) -> bool) -> bool {
        let rest = &self.text[self.place().at..];
        let mut inner = Parser::begin(rest, state, wants_host, self.steps_left);
        if state != State::Base {
            // Where nothing fits, it falls back to here.
            let fallback = Place { at: 0, token: 0, state: State::Base, resume: None };
            inner.stack.insert(0, fallback);
        }
        let token = inner.read();
        self.steps_left = inner.steps_left;
        let Some(token) = token.filter(|token| is(token.kind)) else { return false };
        let place = self.place();
        place.at += token.text.len();
        place.token += token.text.len();
        true
    }
}

impl<'a> Iterator for Parser<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        self.read()
    }
}

fn is_alnum(c: char) -> bool {
    c.is_alphabetic() || c.is_ascii_digit()
}

/// What RFC 3986 lets stand in a URL, and a little more.
fn is_url_char(c: char) -> bool {
    c.is_ascii_graphic() && !matches!(c, '"' | '<' | '>' | '\\' | '^' | '`' | '{' | '|' | '}')
}

/// Marks without a width, and vowel signs beside their letters.
fn is_mark(c: char) -> bool {
    !c.is_alphabetic()
        && matches!(u32::from(c),
            0x0300..=0x036f | 0x0483..=0x0489 | 0x0591..=0x05c7 | 0x0610..=0x061a
            | 0x064b..=0x065f | 0x0670 | 0x06d6..=0x06ed | 0x0900..=0x0903 | 0x093a..=0x094f
            | 0x0951..=0x0957 | 0x0981..=0x0983 | 0x09bc..=0x09d7 | 0x0a01..=0x0a4d
            | 0x0a81..=0x0acd | 0x0b01..=0x0b57 | 0x0b82..=0x0bd7 | 0x0c00..=0x0c56
            | 0x0c81..=0x0cd6 | 0x0d00..=0x0d57 | 0x0e31..=0x0e4e | 0x0eb1..=0x0ecd
            | 0x1ab0..=0x1aff | 0x1dc0..=0x1dff | 0x200b..=0x200f | 0x202a..=0x202e
            | 0x2060..=0x2063 | 0x20d0..=0x20ff | 0x3099..=0x309a | 0xfe00..=0xfe0f
            | 0xfe20..=0xfe2f | 0xfeff)
}
