//! `--bigkeys`: the key with the most elements of each type, by SCAN, TYPE and the type's length.
//! `--memkeys`: the key with the most memory of each type, by MEMORY USAGE instead.
//!
//! Two requests a key, sent a page at a time. The report counts keys and elements by type; types
//! that have no length (of modules) are counted alone.

use russet_resp::ReplyValue;

use super::scan::{each_page, key_count};
use super::{ErrorLine, ended, text_of};
use crate::link::Link;
use crate::options::Options;
use crate::words::quote;

/// The size of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measure {
    /// Elements, or bytes of a string.
    Length,
    /// Bytes of memory, estimated by so many elements: zero is all, `None` is the server's default.
    Memory { samples: Option<u64> },
}

/// Figures of the keys of a type.
#[derive(Debug)]
struct Kind {
    name: String,
    /// The command that has the length.
    length: Option<&'static str>,
    unit: &'static str,
    keys: u64,
    elements: u64,
    /// A key and its elements, more than none.
    biggest: Option<(Vec<u8>, u64)>,
}

/// In the order of the report.
pub(super) const KINDS: &[(&str, &str, &str)] = &[
    ("list", "LLEN", "items"),
    ("hash", "HLEN", "fields"),
    ("stream", "XLEN", "entries"),
    ("string", "STRLEN", "bytes"),
    ("set", "SCARD", "members"),
    ("zset", "ZCARD", "members"),
    ("array", "ARCOUNT", "elements"),
    ("vectorset", "VCARD", "members"),
];

/// Reported even without a key.
const USUAL: [&str; 6] = ["list", "hash", "stream", "string", "set", "zset"];

impl Kind {
    fn all() -> Vec<Kind> {
        let kind = |&(name, length, unit): &(&str, &'static str, &'static str)| Kind {
            name: name.to_owned(),
            length: Some(length),
            unit,
            keys: 0,
            elements: 0,
            biggest: None,
        };
        KINDS.iter().map(kind).collect()
    }

    fn other(name: String, measure: Measure) -> Kind {
        let unit = if measure == Measure::Length {
            "?"
        } else {
            "bytes"
        };
        Kind {
            name,
            length: None,
            unit,
            keys: 0,
            elements: 0,
            biggest: None,
        }
    }
}

pub(super) fn quoted(key: &[u8]) -> String {
    let mut text = Vec::new();
    quote(&mut text, key);
    text_of(&text)
}

pub(super) fn share(part: u64, all: u64) -> f64 {
    if all == 0 {
        0.0
    } else {
        part as f64 / all as f64
    }
}

/// Walks all keys, and prints each new largest key and the report.
pub(crate) fn big_keys(
    link: &mut Link,
    options: &Options,
    measure: Measure,
) -> Result<u8, ErrorLine> {
    println!("\n# Scanning the entire keyspace to find biggest keys as well as");
    println!("# average sizes per key type.  You can use -i 0.1 to sleep 0.1 sec");
    println!("# per 100 SCAN commands (not usually needed).\n");
    let all = key_count(link)?;
    let mut kinds = Kind::all();
    if measure != Measure::Length {
        kinds.iter_mut().for_each(|kind| kind.unit = "bytes");
    }
    let (mut sampled, mut name_bytes) = (0, 0);
    each_page(link, options, 0, |link, keys| {
        let percent = 100.0 * share(sampled, all.max(sampled));
        for (key, kind, length) in measured(link, keys, &mut kinds, measure)? {
            sampled += 1;
            name_bytes += key.len() as u64;
            let kind = &mut kinds[kind];
            kind.keys += 1;
            kind.elements += length;
            if length > kind.biggest.as_ref().map_or(0, |&(_, most)| most) {
                println!(
                    "[{percent:05.2}%] Biggest {:<6} found so far {} with {length} {}",
                    kind.name,
                    quoted(&key),
                    kind.unit
                );
                kind.biggest = Some((key, length));
            }
        }
        Ok(())
    })?;
    report(&kinds, sampled, name_bytes);
    Ok(0)
}

/// The type and length of each key that is still there.
fn measured(
    link: &mut Link,
    keys: Vec<Vec<u8>>,
    kinds: &mut Vec<Kind>,
    measure: Measure,
) -> Result<Vec<(Vec<u8>, usize, u64)>, ErrorLine> {
    for key in &keys {
        link.send(&[b"TYPE", key.as_slice()]).map_err(ended)?;
    }
    let mut typed = Vec::new();
    for key in keys {
        let name = match link.next().map_err(ended)? {
            ReplyValue::Simple(name) | ReplyValue::Bulk(name) => text_of(&name),
            ReplyValue::Error(why) => return Err(format!("TYPE error: {}", text_of(&why))),
            other => return Err(format!("TYPE replied {other:?}")),
        };
        if name == "none" {
            continue;
        }
        let at = kinds.iter().position(|kind| kind.name == name);
        let at = at.unwrap_or_else(|| {
            kinds.push(Kind::other(name, measure));
            kinds.len() - 1
        });
        typed.push((key, at));
    }
    for (key, at) in &typed {
        match measure {
            Measure::Memory { samples } => {
                let samples = samples.map(|samples| samples.to_string());
                let mut words: Vec<&[u8]> = vec![b"MEMORY", b"USAGE", key];
                if let Some(samples) = &samples {
                    words.extend([&b"SAMPLES"[..], samples.as_bytes()]);
                }
                link.send(&words).map_err(ended)?;
            }
            Measure::Length => {
                if let Some(command) = kinds[*at].length {
                    link.send(&[command.as_bytes(), key]).map_err(ended)?;
                }
            }
        }
    }
    let mut all = Vec::new();
    for (key, at) in typed {
        let length = match kinds[at].length {
            None if measure == Measure::Length => 0,
            _ => match link.next().map_err(ended)? {
                ReplyValue::Integer(n) => n.unsigned_abs(),
                // Deleted meanwhile, or replaced by a key of another type.
                _ => continue,
            },
        };
        all.push((key, at, length));
    }
    Ok(all)
}

fn report(kinds: &[Kind], sampled: u64, name_bytes: u64) {
    println!("\n-------- summary -------\n");
    println!("Sampled {sampled} keys in the keyspace!");
    let average = share(name_bytes, sampled);
    println!("Total key length in bytes is {name_bytes} (avg len {average:.2})\n");
    for kind in kinds {
        if let Some((key, most)) = &kind.biggest {
            println!(
                "Biggest {:>6} found {} has {most} {}",
                kind.name,
                quoted(key),
                kind.unit
            );
        }
    }
    println!();
    let is_usual = |kind: &Kind| USUAL.contains(&kind.name.as_str());
    for kind in kinds.iter().filter(|kind| kind.keys > 0 || is_usual(kind)) {
        println!(
            "{} {}s with {} {} ({:05.2}% of keys, avg size {:.2})",
            kind.keys,
            kind.name,
            kind.elements,
            kind.unit,
            100.0 * share(kind.keys, sampled),
            share(kind.elements, kind.keys)
        );
    }
}
