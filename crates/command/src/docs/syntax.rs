//! The arguments of a command, in a notation close to that of Redis's documentation.
//!
//!     field                         a string
//!     count:integer                 one of another type: integer, double, pattern, unix-time
//!     @key  @key2/0                 a key, and which key spec finds it: the one after the last
//!                                   named, from 0, or the given one (also for patterns)
//!     node(node-id)                 shown with another text than its name
//!     COUNT count:integer           a value after its keyword
//!     WITHSCORES  CH=change         keywords alone: the name is the lower case, or the given one
//!     MATCH=match value             a keyword alone, as its name is given, then a value
//!     "~"=approximately             a keyword of other characters
//!     where<LEFT | RIGHT>           one of several
//!     data{field value}             a block
//!     FIELDS fields{...}            a block or one-of after its keyword
//!     [x]                           optional
//!     x...  [GET x...]              repeated, the keyword once
//!     [GET x]...                    optional, repeated with its keyword
//!     x +6.2.0 -7.0.0               since, deprecated since
//!
//! White space only separates. Cost: O(length).

use std::borrow::Cow;

use super::{Arg, ArgFlags, ArgKind};

/// A reason, and where it is in the text.
type SyntaxFault = (usize, &'static str);

/// The arguments of `text`.
pub(super) fn parse(text: &'static str) -> Result<Vec<Arg>, SyntaxFault> {
    let mut parser = Parser {
        text,
        at: 0,
        key_spec: 0,
    };
    let args = parser.arguments()?;
    match parser.peek() {
        None => Ok(args),
        Some(_) => parser.fail("an argument cannot begin like this"),
    }
}

/// Digits and dots.
pub(super) fn is_version(text: &str) -> bool {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    text.split('.').all(is_number)
}

fn is_of_keyword(c: char) -> bool {
    c.is_ascii_uppercase() || c.is_ascii_digit() || c == '-'
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c)
}

struct Parser {
    text: &'static str,
    at: usize,
    /// The key spec of the next key.
    key_spec: u8,
}

impl Parser {
    fn fail<T>(&self, reason: &'static str) -> Result<T, SyntaxFault> {
        Err((self.at, reason))
    }

    fn rest(&self) -> &'static str {
        &self.text[self.at..]
    }

    /// The next character after white space.
    fn peek(&mut self) -> Option<char> {
        self.at = self.text.len() - self.rest().trim_start().len();
        self.rest().chars().next()
    }

    /// Whether `mark` is next; goes past it.
    fn eat(&mut self, mark: &str) -> bool {
        let is_next = self.rest().starts_with(mark);
        self.at += if is_next { mark.len() } else { 0 };
        is_next
    }

    /// Goes past `mark`, after white space.
    fn close(&mut self, mark: &str, reason: &'static str) -> Result<(), SyntaxFault> {
        self.peek();
        if self.eat(mark) {
            Ok(())
        } else {
            self.fail(reason)
        }
    }

    /// All characters that are `of` it.
    fn take(&mut self, of: impl Fn(char) -> bool) -> &'static str {
        let rest = self.rest();
        let taken = &rest[..rest.find(|c| !of(c)).unwrap_or(rest.len())];
        self.at += taken.len();
        taken
    }

    /// Arguments up to the end or to a character that none begins with.
    fn arguments(&mut self) -> Result<Vec<Arg>, SyntaxFault> {
        let mut args = Vec::new();
        while let Some(c) = self.peek()
            && (c.is_ascii_alphabetic() || "@[\"".contains(c))
        {
            args.push(self.argument()?);
        }
        args.shrink_to_fit();
        Ok(args)
    }

    fn argument(&mut self) -> Result<Arg, SyntaxFault> {
        self.peek();
        if !self.eat("[") {
            return self.required();
        }
        let mut arg = self.required()?;
        self.close("]", "`]` is missing")?;
        arg.flags |= ArgFlags::OPTIONAL;
        if self.eat("...") {
            if arg.token.is_none() {
                return self.fail("no keyword to repeat");
            }
            arg.flags |= ArgFlags::MULTIPLE | ArgFlags::MULTIPLE_TOKEN;
        }
        Ok(arg)
    }

    /// An argument without the brackets of an option.
    fn required(&mut self) -> Result<Arg, SyntaxFault> {
        let mut arg = match self.peek() {
            Some(c) if c.is_ascii_uppercase() || c == '"' => self.keyword()?,
            _ => self.value()?,
        };
        if self.eat("...") {
            arg.flags |= ArgFlags::MULTIPLE;
        }
        loop {
            match self.peek() {
                Some('+') => arg.since = self.version()?,
                Some('-') => arg.deprecated_since = self.version()?,
                _ => return Ok(arg),
            }
        }
    }

    /// After a sign.
    fn version(&mut self) -> Result<&'static str, SyntaxFault> {
        self.at += 1;
        let version = self.take(|c| c.is_ascii_digit() || c == '.');
        if is_version(version) {
            Ok(version)
        } else {
            self.fail("a version is digits and dots")
        }
    }

    /// A keyword alone, or with its value.
    fn keyword(&mut self) -> Result<Arg, SyntaxFault> {
        let token = if self.eat("\"") {
            let token = self.take(|c| c != '"');
            self.close("\"", "`\"` is missing")?;
            token
        } else {
            self.take(is_of_keyword)
        };
        let name = if self.eat("=") {
            // Names of modules' keywords may be capitals, too.
            match self.take(|c| is_of_name(c) || is_of_keyword(c)) {
                "" => return self.fail("an argument's name is missing"),
                name => Cow::Borrowed(name),
            }
        } else if let Some(c) = self.peek()
            && (c.is_ascii_lowercase() || c == '@')
        {
            let value = self.value()?;
            return Ok(Arg {
                token: Some(token),
                ..value
            });
        } else {
            Cow::Owned(token.to_ascii_lowercase())
        };
        Ok(Arg {
            token: Some(token),
            ..Arg::new(ArgKind::PureToken, name)
        })
    }

    fn name(&mut self) -> Result<&'static str, SyntaxFault> {
        match self.take(is_of_name) {
            "" => self.fail("an argument's name is missing"),
            name => Ok(name),
        }
    }

    fn value(&mut self) -> Result<Arg, SyntaxFault> {
        let is_key = self.eat("@");
        let kind = if is_key {
            ArgKind::Key
        } else {
            ArgKind::String
        };
        let mut arg = Arg::new(kind, Cow::Borrowed(self.name()?));
        if !is_key && self.eat("<") {
            arg.kind = ArgKind::OneOf;
            arg.args.push(self.argument()?);
            while self.peek() == Some('|') {
                self.at += 1;
                arg.args.push(self.argument()?);
            }
            self.close(">", "`|` or `>` is missing")?;
            return Ok(arg);
        }
        if !is_key && self.eat("{") {
            arg.kind = ArgKind::Block;
            arg.args = self.arguments()?;
            self.close("}", "`}` is missing")?;
            return Ok(arg);
        }
        if self.eat("(") {
            arg.display = self.take(|c| c != ')');
            self.close(")", "`)` is missing")?;
        }
        if self.eat(":") {
            arg.kind = self.kind()?;
        }
        if self.eat("/") {
            let number = self.take(|c| c.is_ascii_digit()).parse();
            self.key_spec = number.map_err(|_| (self.at, "a key spec is a number"))?;
            arg.key_spec = Some(self.key_spec);
        } else if is_key {
            arg.key_spec = Some(self.key_spec);
        }
        self.key_spec += u8::from(arg.key_spec.is_some());
        Ok(arg)
    }

    fn kind(&mut self) -> Result<ArgKind, SyntaxFault> {
        const KINDS: [ArgKind; 4] = [
            ArgKind::Integer,
            ArgKind::Double,
            ArgKind::Pattern,
            ArgKind::UnixTime,
        ];
        let start = self.at;
        let name = self.take(is_of_name);
        let kind = KINDS.into_iter().find(|kind| kind.name() == name);
        kind.ok_or((start, "no type of this name"))
    }
}

impl Arg {
    fn new(kind: ArgKind, name: Cow<'static, str>) -> Arg {
        Arg {
            name,
            kind,
            display: "",
            key_spec: None,
            token: None,
            since: "",
            deprecated_since: "",
            flags: ArgFlags::empty(),
            args: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The only argument of `text`.
    fn one(text: &'static str) -> Arg {
        let mut args = parse(text).unwrap_or_else(|fault| panic!("{text}: {fault:?}"));
        assert_eq!(args.len(), 1, "{text}: {args:?}");
        args.remove(0)
    }

    fn names(args: &[Arg]) -> Vec<&str> {
        args.iter().map(|arg| &*arg.name).collect()
    }

    #[test]
    fn values_have_a_type_and_a_display_text() {
        for (text, kind) in [
            ("x", ArgKind::String),
            ("x:integer", ArgKind::Integer),
            ("x:double", ArgKind::Double),
            ("x:pattern", ArgKind::Pattern),
            ("x:unix-time", ArgKind::UnixTime),
        ] {
            let arg = one(text);
            assert_eq!((&*arg.name, arg.kind, arg.key_spec), ("x", kind, None));
        }
        let arg = one("addr(ip:port):integer");
        assert_eq!((&*arg.name, arg.display), ("addr", "ip:port"));
        assert_eq!(arg.kind, ArgKind::Integer);
    }

    #[test]
    fn keys_take_the_key_specs_in_turn() {
        let args = parse("@a b @c d<@e | f> x:pattern/1 @g(key) @h/0").unwrap();
        let specs: Vec<_> = args.iter().map(|arg| arg.key_spec).collect();
        let expected = [Some(0), None, Some(1), None, Some(1), Some(2), Some(0)];
        assert_eq!(specs, expected);
        assert_eq!(args[3].args[0].key_spec, Some(2));
        assert_eq!((args[5].kind, args[5].display), (ArgKind::Key, "key"));
    }

    #[test]
    fn a_keyword_takes_the_value_after_it_unless_its_name_is_given() {
        let arg = one("COUNT num-matches:integer");
        assert_eq!((&*arg.name, arg.token), ("num-matches", Some("COUNT")));
        assert_eq!(arg.kind, ArgKind::Integer);
        for (text, name, token) in [
            ("FP32", "fp32", "FP32"),
            ("CH=change", "change", "CH"),
            ("FP16=FP16", "FP16", "FP16"),
            ("\"~\"=approximately", "approximately", "~"),
            ("\"\"=empty-string", "empty-string", ""),
        ] {
            let arg = one(text);
            assert_eq!((&*arg.name, arg.token), (name, Some(token)));
            assert_eq!(arg.kind, ArgKind::PureToken);
        }
        let args = parse("MATCH=match value [REV] [end]").unwrap();
        assert_eq!(names(&args), ["match", "value", "rev", "end"]);
        assert_eq!(args[1].token, None);
    }

    #[test]
    fn choices_and_blocks_hold_arguments() {
        let arg = one("TRIM trim{strategy<MAXLEN | MINID minid> threshold\n [LIMIT count]}");
        assert_eq!((arg.kind, arg.token), (ArgKind::Block, Some("TRIM")));
        assert_eq!(names(&arg.args), ["strategy", "threshold", "count"]);
        assert_eq!(arg.args[0].kind, ArgKind::OneOf);
        assert_eq!(names(&arg.args[0].args), ["maxlen", "minid"]);
    }

    #[test]
    fn options_repetitions_and_versions_are_marked() {
        let optional = ArgFlags::OPTIONAL;
        let each = optional | ArgFlags::MULTIPLE | ArgFlags::MULTIPLE_TOKEN;
        for (text, flags) in [
            ("x", ArgFlags::empty()),
            ("[x]", optional),
            ("X x...", ArgFlags::MULTIPLE),
            ("x{y}...", ArgFlags::MULTIPLE),
            ("[X x...]", optional | ArgFlags::MULTIPLE),
            ("[X x]...", each),
        ] {
            assert_eq!(one(text).flags, flags, "{text}");
        }
        let arg = one("[GET +6.2.0 -7.0.0]");
        assert_eq!((arg.since, arg.deprecated_since), ("6.2.0", "7.0.0"));
        let arg = one("x<A +1.0.0 | y>... +2.0.0");
        assert_eq!((arg.since, arg.args[0].since), ("2.0.0", "1.0.0"));
        assert_eq!(arg.flags, ArgFlags::MULTIPLE);
    }

    #[test]
    fn malformed_syntax_is_refused_where_it_is() {
        for (text, at, reason) in [
            ("a )", 2, "an argument cannot begin like this"),
            ("a | b", 2, "an argument cannot begin like this"),
            ("@a<B>", 2, "an argument cannot begin like this"),
            ("[a] +1.0.0", 4, "an argument cannot begin like this"),
            ("[a", 2, "`]` is missing"),
            ("[]", 1, "an argument's name is missing"),
            ("a<B c", 5, "`|` or `>` is missing"),
            ("a<B | >", 6, "an argument's name is missing"),
            ("a{b", 3, "`}` is missing"),
            ("a(b", 3, "`)` is missing"),
            ("\"a", 2, "`\"` is missing"),
            ("a:int", 2, "no type of this name"),
            ("@a/b", 3, "a key spec is a number"),
            ("a +x", 3, "a version is digits and dots"),
            ("[a]...", 6, "no keyword to repeat"),
            ("@", 1, "an argument's name is missing"),
        ] {
            assert_eq!(parse(text).unwrap_err(), (at, reason), "{text}");
        }
    }
}
