//! Data that a server reports, for the checks.

use std::collections::HashMap;

use crate::{OperatorLink, Target, ping, text};
use russet_resp::ReplyValue;

/// Data reported by the server.
#[derive(Debug, Default)]
pub(super) struct Answers {
    pub(super) info: HashMap<String, String>,
    pub(super) config: HashMap<String, String>,
    /// The slowest entry of the slow log: microseconds, and the command's words.
    pub(super) slowest: Option<(i64, String)>,
    /// The estimate of packing by prefix, the greatest savings first (MEMORY PACKING).
    pub(super) packing: Vec<PackingLine>,
    /// Memory that the server may use, bytes: the machine's, or the limit of its control group.
    pub(super) memory: i64,
}

/// An estimate of packing for the keys under a prefix.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PackingLine {
    pub(super) prefix: String,
    pub(super) bytes: i64,
    pub(super) packed_bytes: i64,
}

impl Answers {
    pub(super) fn of_info(info: &str) -> Answers {
        let lines = info.lines().filter_map(|line| line.split_once(':'));
        Answers {
            info: lines.map(|(k, v)| (k.to_owned(), v.to_owned())).collect(),
            ..Answers::default()
        }
    }

    pub(super) fn number(&self, field: &str) -> i64 {
        let text = self.info.get(field);
        text.and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    pub(super) fn is(&self, field: &str, value: &str) -> bool {
        self.info.get(field).is_some_and(|is| is == value)
    }

    pub(super) fn config(&self, name: &str) -> &str {
        self.config.get(name).map_or("", String::as_str)
    }

    pub(super) fn config_number(&self, name: &str) -> i64 {
        self.config(name).parse().unwrap_or(0)
    }
}

pub(super) fn ask(target: &Target) -> Result<Answers, String> {
    let mut link = OperatorLink::open(target).map_err(|error| ping::explain(target, &error))?;
    let mut reply = |line: &str| match link.run(line) {
        Ok(ReplyValue::Error(why)) => Err(String::from_utf8_lossy(&why).into_owned()),
        Ok(reply) => Ok(reply),
        Err(error) => Err(ping::explain(target, &error)),
    };
    let mut answers = Answers::of_info(&text(&reply("INFO everything")?));
    // Without permission for it, the checks use INFO alone.
    if let Ok(ReplyValue::Array(pairs)) = reply("CONFIG GET *") {
        let pairs = pairs
            .chunks_exact(2)
            .map(|pair| (text(&pair[0]), text(&pair[1])));
        answers.config = pairs.collect();
    }
    if let Ok(ReplyValue::Array(entries)) = reply("SLOWLOG GET 128") {
        answers.slowest = entries.iter().filter_map(slow_entry).max();
    }
    // A server of another kind, or without permission, gives no estimate.
    if let Ok(ReplyValue::Array(lines)) = reply("MEMORY PACKING") {
        answers.packing = lines.iter().filter_map(packing_line).collect();
    }
    Ok(answers)
}

/// A line of MEMORY PACKING: a map, which is an array of names and values before RESP3.
fn packing_line(line: &ReplyValue) -> Option<PackingLine> {
    let ReplyValue::Array(fields) = line else {
        return None;
    };
    let field = |name: &str| {
        let mut pairs = fields.chunks_exact(2);
        pairs
            .find(|pair| text(&pair[0]) == name)
            .map(|pair| &pair[1])
    };
    let number = |name: &str| match field(name) {
        Some(ReplyValue::Integer(n)) => Some(*n),
        _ => None,
    };
    Some(PackingLine {
        prefix: text(field("prefix")?),
        bytes: number("bytes")?,
        packed_bytes: number("packed_bytes")?,
    })
}

/// `[id, time, microseconds, [words], ...]`.
fn slow_entry(entry: &ReplyValue) -> Option<(i64, String)> {
    let ReplyValue::Array(parts) = entry else {
        return None;
    };
    let (ReplyValue::Integer(micros), ReplyValue::Array(words)) = (parts.get(2)?, parts.get(3)?)
    else {
        return None;
    };
    let words: Vec<String> = words.iter().take(3).map(text).collect();
    Some((*micros, words.join(" ")))
}
