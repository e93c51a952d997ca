//! The states of the parser of texts, and what leads from each to another: those of PostgreSQL's
//! default text search parser, in whose words a search answers as Backstage's does.

/// What a token is. The names are those of PostgreSQL's `ts_token_type('default')`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    AsciiWord,
    Word,
    NumWord,
    Email,
    Url,
    Host,
    Float,
    Version,
    NumPart,
    Part,
    AsciiPart,
    Blank,
    Tag,
    Protocol,
    NumHyphenWord,
    AsciiHyphenWord,
    HyphenWord,
    UrlPath,
    File,
    Decimal,
    SignedInt,
    UnsignedInt,
    Entity,
}

/// What the character that comes next has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Test {
    Any,
    End,
    Is(char),
    Letter,
    Alpha,
    Digit,
    Alnum,
    NotAlnum,
    HexDigit,
    Space,
    UrlChar,
    /// A mark that belongs to the letter before it.
    Mark,
    /// Within `<script>` or `<style>`.
    Ignored,
    /// The host before a path is wanted, and nothing behind it.
    StopHost,
    /// A whole host stands here.
    Host,
    /// A whole path stands here.
    Path,
}

/// What is done beside going on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Next,
    Pop,
    Push,
    Again,
    Clear,
    Merge,
    ClearAll,
}

/// What a rule does before all else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Before {
    Nothing,
    /// Looks whether a tag begins or ends what is ignored.
    Tag,
    /// Reads the token again, in its parts.
    Back,
    /// The same, and its host is wanted.
    BackForHost,
    /// The same, as if it had not begun.
    BackToNothing,
}

/// From a state, with a character, to another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    pub(super) test: Test,
    pub(super) step: Step,
    pub(super) to: Option<State>,
    pub(super) found: Option<Kind>,
    pub(super) before: Before,
}

macro_rules! test {
    ($is:literal) => {
        Test::Is($is)
    };
    ($is:ident) => {
        Test::$is
    };
}

macro_rules! rule {
    ($test:tt $step:ident $to:expr, $found:expr, $before:ident) => {
        Rule {
            test: test!($test),
            step: Step::$step,
            to: $to,
            found: $found,
            before: Before::$before,
        }
    };
    ($test:tt stay) => { rule!($test Next None, None, Nothing) };
    ($test:tt next $to:ident) => { rule!($test Next Some(State::$to), None, Nothing) };
    ($test:tt push $to:ident) => { rule!($test Push Some(State::$to), None, Nothing) };
    ($test:tt clear $to:ident) => { rule!($test Clear Some(State::$to), None, Nothing) };
    ($test:tt again $to:ident) => { rule!($test Again Some(State::$to), None, Nothing) };
    ($test:tt version $to:ident) => { rule!($test Again Some(State::$to), None, BackToNothing) };
    ($test:tt tag $to:ident) => { rule!($test Next Some(State::$to), None, Tag) };
    ($test:tt tag) => { rule!($test Next None, None, Tag) };
    ($test:tt pop) => { rule!($test Pop None, None, Nothing) };
    ($test:tt merge) => { rule!($test Merge None, None, Nothing) };
    ($test:tt is $kind:ident $to:ident) => {
        rule!($test Next Some(State::$to), Some(Kind::$kind), Nothing)
    };
    ($test:tt clear_is $kind:ident $to:ident) => {
        rule!($test Clear Some(State::$to), Some(Kind::$kind), Nothing)
    };
    ($test:tt all_is $kind:ident $to:ident) => {
        rule!($test ClearAll Some(State::$to), Some(Kind::$kind), Nothing)
    };
    ($test:tt url) => { rule!($test ClearAll Some(State::Base), Some(Kind::Url), BackForHost) };
    ($test:tt hyphened $kind:ident) => {
        rule!($test ClearAll Some(State::Parts), Some(Kind::$kind), Back)
    };
}

macro_rules! states {
    ($($state:ident { $($test:tt $action:ident $($word:ident)*;)* })*) => {
        /// Where the parser is within a token.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum State { $($state,)* }

        /// The rules of each state, of which the first that fits counts.
        const RULES: &[&[Rule]] = &[$(&[$(rule!($test $action $($word)*),)*],)*];
    };
}

impl State {
    pub(super) fn rules(self) -> &'static [Rule] {
        RULES[self as usize]
    }
}

states! {
    Base {
        End stay; '<' push TagFirst; Ignored next Space; Letter next AsciiWord; Alpha next Word;
        Digit next UnsignedInt; '-' push SignedFirst; '+' push SignedFirst; '&' push EntityFirst;
        '~' push FileTilde; '/' push FileFirst; '.' push PathFirstFirst; Any next Space;
    }
    NumWord {
        End is NumWord Base; Alnum next NumWord; Mark next NumWord; '@' push Email;
        '/' push FileFirst; '.' push FileNext; '-' push HyphenNumFirst; Any is NumWord Base;
    }
    AsciiWord {
        End is AsciiWord Base; Letter stay; '.' push HostFirstDomain; '.' push FileNext;
        '-' push HostFirst; '-' push HyphenAsciiFirst; '_' push HostFirst; '@' push Email;
        ':' push ProtocolFirst; '/' push FileFirst; Digit push Host; Digit next NumWord;
        Alpha next Word; Mark next Word; Any is AsciiWord Base;
    }
    Word {
        End is Word Base; Alpha stay; Mark stay; Digit next NumWord; '-' push HyphenFirst;
        Any is Word Base;
    }
    UnsignedInt {
        End is UnsignedInt Base; Digit stay; '.' push HostFirstDomain; '.' push UDecimalFirst;
        'e' push MantissaFirst; 'E' push MantissaFirst; '-' push HostFirst; '_' push HostFirst;
        '@' push Email; Letter push Host; Alpha next NumWord; Mark next NumWord;
        '/' push FileFirst; Any is UnsignedInt Base;
    }
    SignedFirst { End pop; Digit clear SignedInt; Any pop; }
    SignedInt {
        End is SignedInt Base; Digit stay; '.' push DecimalFirst; 'e' push MantissaFirst;
        'E' push MantissaFirst; Any is SignedInt Base;
    }
    Space {
        End is Blank Base; '<' is Blank Base; Ignored stay; '-' is Blank Base; '+' is Blank Base;
        '&' is Blank Base; '/' is Blank Base; NotAlnum next Space; Any is Blank Base;
    }
    UDecimalFirst { End pop; Digit clear UDecimal; Any pop; }
    UDecimal {
        End is Decimal Base; Digit next UDecimal; '.' push VersionFirst; 'e' push MantissaFirst;
        'E' push MantissaFirst; Any is Decimal Base;
    }
    DecimalFirst { End pop; Digit clear Decimal; Any pop; }
    Decimal {
        End is Decimal Base; Digit next Decimal; '.' push VerVersion; 'e' push MantissaFirst;
        'E' push MantissaFirst; Any is Decimal Base;
    }
    VerVersion { End pop; Digit version SVerVersion; Any pop; }
    SVerVersion { End pop; Digit all_is Blank UnsignedInt; Any stay; }
    VersionFirst { End pop; Digit clear Version; Any pop; }
    Version {
        End is Version Base; Digit next Version; '.' push VersionFirst; Any is Version Base;
    }
    MantissaFirst {
        End pop; Digit clear Mantissa; '+' next MantissaSign; '-' next MantissaSign; Any pop;
    }
    MantissaSign { End pop; Digit clear Mantissa; Any pop; }
    Mantissa { End is Float Base; Digit next Mantissa; Any is Float Base; }
    EntityFirst {
        End pop; '#' next EntityNumFirst; Letter next Entity; ':' next Entity; '_' next Entity;
        Any pop;
    }
    Entity {
        End pop; Alnum next Entity; ':' next Entity; '_' next Entity; '.' next Entity;
        '-' next Entity; ';' next EntityEnd; Any pop;
    }
    EntityNumFirst {
        End pop; 'x' next EntityHexFirst; 'X' next EntityHexFirst; Digit next EntityNum; Any pop;
    }
    EntityHexFirst { End pop; HexDigit next EntityHex; Any pop; }
    EntityNum { End pop; Digit next EntityNum; ';' next EntityEnd; Any pop; }
    EntityHex { End pop; HexDigit next EntityHex; ';' next EntityEnd; Any pop; }
    EntityEnd { Any clear_is Entity Base; }
    TagFirst {
        End pop; '/' push TagCloseFirst; '!' push CommentFirst; '?' push XmlBegin;
        Letter push TagName; ':' push TagName; '_' push TagName; Any pop;
    }
    XmlBegin { End pop; 'x' next Tag; Any pop; }
    TagCloseFirst { End pop; Letter next TagName; Any pop; }
    TagName {
        End pop; '/' next TagBeginEnd; '>' tag TagEnd; Space tag Tag; Alnum stay; ':' stay;
        '_' stay; '.' stay; '-' stay; Any pop;
    }
    TagBeginEnd { End pop; '>' next TagEnd; Any pop; }
    Tag {
        End pop; '>' tag TagEnd; '\'' next TagQuote; '"' next TagQuotes; Letter stay; Digit stay;
        '=' stay; '-' stay; '_' stay; '#' stay; '/' stay; ':' stay; '.' stay; '&' stay; '?' stay;
        '%' stay; '~' stay; Space tag; Any pop;
    }
    TagQuote { End pop; '\\' push TagEscape; '\'' next Tag; Any next TagQuote; }
    TagQuotes { End pop; '\\' push TagEscape; '"' next Tag; Any next TagQuotes; }
    TagEscape { End pop; Any merge; }
    TagEnd { Any all_is Tag Base; }
    CommentFirst { End pop; '-' next CommentLast; 'D' next Tag; 'd' next Tag; Any pop; }
    CommentLast { End pop; '-' next Comment; Any pop; }
    Comment { End pop; '-' next CommentCloseFirst; Any stay; }
    CommentCloseFirst { End pop; '-' next CommentCloseLast; Any next Comment; }
    CommentCloseLast { End pop; '-' stay; '>' next CommentEnd; Any next Comment; }
    CommentEnd { Any all_is Tag Base; }
    HostFirstDomain { End pop; Letter next HostDomainSecond; Digit next Host; Any pop; }
    HostDomainSecond {
        End pop; Letter next HostDomain; Digit push Host; '-' push HostFirst; '_' push HostFirst;
        '.' push HostFirstDomain; '@' push Email; Any pop;
    }
    HostDomain {
        End all_is Host Base; Letter next HostDomain; Digit push Host; ':' push PortFirst;
        '-' push HostFirst; '_' push HostFirst; '.' push HostFirstDomain; '@' push Email;
        Digit pop; StopHost all_is Host UrlPathStart; '/' push HostPath; Any all_is Host Base;
    }
    PortFirst { End pop; Digit next Port; Any pop; }
    Port {
        End all_is Host Base; Digit next Port; StopHost all_is Host UrlPathStart;
        '/' push HostPath; Any all_is Host Base;
    }
    HostFirst { End pop; Digit next Host; Letter next Host; Any pop; }
    Host {
        End pop; Digit next Host; Letter next Host; '@' push Email; '.' push HostFirstDomain;
        '-' push HostFirst; '_' push HostFirst; Any pop;
    }
    Email { StopHost pop; Host all_is Email Base; Any pop; }
    FileFirst {
        End pop; Letter next File; Digit next File; '.' next PathFirst; '_' next File;
        '~' push FileTilde; Any pop;
    }
    FileTilde {
        End pop; Letter next File; Digit next File; '_' next File; '/' next FileFirst; Any pop;
    }
    PathFirst {
        End pop; Letter next File; Digit next File; '_' next File; '.' next PathSecond;
        '/' next FileFirst; Any pop;
    }
    PathFirstFirst { End pop; '.' next PathSecond; '/' next FileFirst; Any pop; }
    PathSecond {
        End clear_is File Base; '/' push FileFirst; '/' clear_is File Base;
        Space clear_is File Base; Any pop;
    }
    File {
        End is File Base; Letter next File; Digit next File; '.' push FileNext; '_' next File;
        '-' next File; '/' push FileFirst; Any is File Base;
    }
    FileNext { End pop; Letter clear File; Digit clear File; '_' clear File; Any pop; }
    UrlPathFirst { End pop; UrlChar next UrlPath; Any pop; }
    UrlPathStart { Any next UrlPath; }
    UrlPath { End is UrlPath Base; UrlChar next UrlPath; Any is UrlPath Base; }
    HostPath { End pop; Path url; Any pop; }
    ProtocolFirst { End pop; '/' next ProtocolSecond; Any pop; }
    ProtocolSecond { End pop; '/' next ProtocolEnd; Any pop; }
    ProtocolEnd { Any all_is Protocol Base; }
    HyphenAsciiFirst {
        End pop; Letter next HyphenAscii; Alpha next Hyphen; Digit next HyphenDigits; Any pop;
    }
    HyphenAscii {
        End hyphened AsciiHyphenWord; Letter next HyphenAscii; Alpha next Hyphen;
        Mark next Hyphen; Digit next HyphenNum; '-' push HyphenAsciiFirst;
        Any hyphened AsciiHyphenWord;
    }
    HyphenFirst { End pop; Alpha next Hyphen; Digit next HyphenDigits; Any pop; }
    Hyphen {
        End hyphened HyphenWord; Alpha next Hyphen; Mark next Hyphen; Digit next HyphenNum;
        '-' push HyphenFirst; Any hyphened HyphenWord;
    }
    HyphenNumFirst { End pop; Alpha next HyphenNum; Digit next HyphenDigits; Any pop; }
    HyphenNum {
        End hyphened NumHyphenWord; Alnum next HyphenNum; Mark next HyphenNum;
        '-' push HyphenNumFirst; Any hyphened NumHyphenWord;
    }
    HyphenDigits {
        End pop; Digit next HyphenDigits; Alpha next HyphenNum; Mark next HyphenNum; Any pop;
    }
    Parts {
        End again Base; Letter next AsciiPart; Alpha next Part; Digit push PartUnsigned;
        '-' push PartHyphen; Any again Base;
    }
    PartHyphen { End pop; Alnum clear_is Blank Parts; Mark clear_is Blank Parts; Any pop; }
    Part {
        End is Part Base; Alpha next Part; Mark next Part; Digit next NumPart; Any is Part Parts;
    }
    AsciiPart {
        End is AsciiPart Base; Letter next AsciiPart; Alpha next Part; Mark next Part;
        Digit next NumPart; Any is AsciiPart Parts;
    }
    NumPart { End is NumPart Base; Alnum next NumPart; Mark next NumPart; Any is NumPart Parts; }
    PartUnsigned { End pop; Digit stay; Alpha clear NumPart; Mark clear NumPart; Any pop; }
}
