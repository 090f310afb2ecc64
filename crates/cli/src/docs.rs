//! The server's own description of its commands (COMMAND DOCS): for `help`, completion, hints.
//!
//! The reply is a list of names and facts in RESP2, a map in RESP3: here both are pairs. A server
//! without the command, or a user without the right, leaves everything empty.

use std::collections::BTreeMap;

use russet_resp::ReplyValue;

/// A command or a subcommand (`CLIENT KILL`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Doc {
    pub(crate) summary: String,
    pub(crate) since: String,
    pub(crate) group: String,
    /// The words after the name: `key value [NX|XX]`.
    pub(crate) arguments: String,
}

/// All commands by their names in capitals.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Docs {
    pub(crate) commands: BTreeMap<String, Doc>,
}

fn text(value: &ReplyValue) -> String {
    match value {
        ReplyValue::Bulk(text) | ReplyValue::Simple(text) => {
            String::from_utf8_lossy(text).into_owned()
        }
        _ => String::new(),
    }
}

fn elements(value: &ReplyValue) -> &[ReplyValue] {
    match value {
        ReplyValue::Array(values) | ReplyValue::Set(values) | ReplyValue::Map(values) => values,
        _ => &[],
    }
}

/// Keys and values of a map of either protocol.
fn pairs(value: &ReplyValue) -> impl Iterator<Item = (String, &ReplyValue)> {
    let pairs = elements(value).chunks_exact(2);
    pairs.map(|pair| (text(&pair[0]), &pair[1]))
}

fn get<'v>(value: &'v ReplyValue, name: &str) -> Option<&'v ReplyValue> {
    pairs(value)
        .find(|(key, _)| key == name)
        .map(|(_, value)| value)
}

impl Docs {
    /// Reads the reply.
    pub(crate) fn of(reply: &ReplyValue) -> Docs {
        let mut docs = Docs::default();
        for (name, facts) in pairs(reply) {
            docs.add(&name.to_uppercase(), facts);
        }
        docs
    }

    fn add(&mut self, name: &str, facts: &ReplyValue) {
        let fact = |name| get(facts, name).map(text).unwrap_or_default();
        let arguments = get(facts, "arguments")
            .map(|list| words(list, " "))
            .unwrap_or_default();
        for (sub, facts) in get(facts, "subcommands").into_iter().flat_map(pairs) {
            // `client|kill`
            let sub = sub.rsplit('|').next().unwrap_or_default().to_uppercase();
            self.add(&format!("{name} {sub}"), facts);
        }
        let doc = Doc {
            summary: fact("summary"),
            since: fact("since"),
            group: fact("group"),
            arguments,
        };
        self.commands.insert(name.to_owned(), doc);
    }

    /// The command that a line begins with, the longest name first, and how many words that is.
    pub(crate) fn find(&self, words: &[Vec<u8>]) -> Option<(&str, &Doc, usize)> {
        (1..=words.len().min(2)).rev().find_map(|count| {
            let name = words[..count]
                .iter()
                .map(|word| String::from_utf8_lossy(word));
            let name = name.collect::<Vec<_>>().join(" ").to_uppercase();
            let (name, doc) = self.commands.get_key_value(&name)?;
            Some((name.as_str(), doc, count))
        })
    }

    /// The arguments that a line may go on with.
    pub(crate) fn hint(&self, words: &[Vec<u8>]) -> Option<String> {
        let (_, doc, count) = self.find(words)?;
        let mut rest = parts(&doc.arguments).into_iter();
        // The hint fills in plain words in turn; after a choice it is open which word is next.
        for _ in count..words.len() {
            let next = rest.clone().next()?;
            if next.starts_with('[') {
                break;
            }
            rest.next();
        }
        let rest: Vec<&str> = rest.collect();
        (!rest.is_empty()).then(|| rest.join(" "))
    }
}

/// The arguments of a syntax, brackets kept together.
fn parts(arguments: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut from) = (Vec::new(), 0_usize, 0);
    for (at, byte) in arguments.bytes().enumerate() {
        match byte {
            b'[' | b'<' => depth += 1,
            b']' | b'>' => depth = depth.saturating_sub(1),
            b' ' if depth == 0 => {
                parts.push(&arguments[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&arguments[from..]);
    parts.retain(|part| !part.is_empty());
    parts
}

/// A list of arguments as text.
fn words(list: &ReplyValue, between: &str) -> String {
    let all = elements(list).iter().map(word);
    all.collect::<Vec<_>>().join(between)
}

/// An argument as text: the token, the name or the parts, and whether it is optional or repeated.
fn word(argument: &ReplyValue) -> String {
    let fact = |name| {
        get(argument, name)
            .map(text)
            .filter(|text| !text.is_empty())
    };
    let flags = get(argument, "flags").map(elements).unwrap_or_default();
    let has = |flag: &str| flags.iter().any(|value| text(value) == flag);
    let token = fact("token");
    let inner = get(argument, "arguments");
    let value = match fact("type").as_deref() {
        Some("pure-token") => String::new(),
        Some("oneof") => {
            let choices = inner.map(|list| words(list, "|")).unwrap_or_default();
            if has("optional") || token.is_some() {
                choices
            } else {
                format!("<{choices}>")
            }
        }
        Some("block") => inner.map(|list| words(list, " ")).unwrap_or_default(),
        _ => fact("display_text")
            .or_else(|| fact("name"))
            .unwrap_or_default(),
    };
    let mut one = match &token {
        Some(token) if value.is_empty() => token.clone(),
        Some(token) => format!("{token} {value}"),
        None => value.clone(),
    };
    if has("multiple") {
        let again = if has("multiple_token") {
            one.clone()
        } else {
            value
        };
        one = format!("{one} [{again} ...]");
    }
    if has("optional") {
        format!("[{one}]")
    } else {
        one
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> ReplyValue {
        ReplyValue::Bulk(text.as_bytes().to_vec())
    }

    fn map(pairs: Vec<(&str, ReplyValue)>) -> ReplyValue {
        let pairs = pairs
            .into_iter()
            .flat_map(|(key, value)| [bulk(key), value]);
        ReplyValue::Array(pairs.collect())
    }

    fn argument(name: &str, kind: &str, more: Vec<(&str, ReplyValue)>) -> ReplyValue {
        let mut all = vec![("name", bulk(name)), ("type", bulk(kind))];
        all.extend(more);
        map(all)
    }

    fn flags(names: &[&str]) -> (&'static str, ReplyValue) {
        (
            "flags",
            ReplyValue::Set(names.iter().map(|name| bulk(name)).collect()),
        )
    }

    fn set() -> Docs {
        let token = |name: &str| argument(name, "pure-token", vec![("token", bulk(name))]);
        let choice = vec![
            flags(&["optional"]),
            (
                "arguments",
                ReplyValue::Array(vec![token("NX"), token("XX")]),
            ),
        ];
        let seconds = vec![flags(&["optional"]), ("token", bulk("EX"))];
        let arguments = ReplyValue::Array(vec![
            argument("key", "key", vec![]),
            argument("value", "string", vec![]),
            argument("condition", "oneof", choice),
            argument("seconds", "integer", seconds),
        ]);
        let many = argument("key", "key", vec![flags(&["multiple"])]);
        let kill = map(vec![("summary", bulk("Ends connections."))]);
        Docs::of(&map(vec![
            (
                "set",
                map(vec![("summary", bulk("Sets.")), ("arguments", arguments)]),
            ),
            (
                "del",
                map(vec![("arguments", ReplyValue::Array(vec![many]))]),
            ),
            (
                "client",
                map(vec![("subcommands", map(vec![("client|kill", kill)]))]),
            ),
        ]))
    }

    fn line(text: &str) -> Vec<Vec<u8>> {
        text.split(' ')
            .map(|word| word.as_bytes().to_vec())
            .collect()
    }

    #[test]
    fn the_syntax_is_built_from_the_arguments() {
        let docs = set();
        assert_eq!(
            docs.commands["SET"].arguments,
            "key value [NX|XX] [EX seconds]"
        );
        assert_eq!(docs.commands["DEL"].arguments, "key [key ...]");
        assert_eq!(docs.commands["CLIENT KILL"].summary, "Ends connections.");
    }

    #[test]
    fn a_hint_is_what_is_left() {
        let docs = set();
        let hint = |text| docs.hint(&line(text));
        assert_eq!(
            hint("set").as_deref(),
            Some("key value [NX|XX] [EX seconds]")
        );
        assert_eq!(hint("SET k").as_deref(), Some("value [NX|XX] [EX seconds]"));
        assert_eq!(hint("set k v").as_deref(), Some("[NX|XX] [EX seconds]"));
        assert_eq!(hint("nothing"), None);
        assert_eq!(
            docs.find(&line("client kill x")).map(|found| found.2),
            Some(2)
        );
    }
}
