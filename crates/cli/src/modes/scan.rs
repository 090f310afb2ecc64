//! `--scan`: the names of keys, a line each, by SCAN.

use std::io::{self, Write};
use std::thread;

use russet_resp::ReplyValue;

use super::{ErrorLine, ask, text_of};
use crate::link::Link;
use crate::options::Options;
use crate::print::{self, Form};

/// A page of keys: the cursor of the next page, and the names.
fn page(
    link: &mut Link,
    options: &Options,
    cursor: &[u8],
) -> Result<(Vec<u8>, Vec<ReplyValue>), ErrorLine> {
    let count = options.count.map(|count| count.to_string());
    let mut words: Vec<&[u8]> = vec![b"SCAN", cursor];
    if let Some(pattern) = &options.pattern {
        words.extend([&b"MATCH"[..], pattern]);
    }
    if let Some(count) = &count {
        words.extend([&b"COUNT"[..], count.as_bytes()]);
    }
    if let Some(kind) = &options.kind {
        words.extend([&b"TYPE"[..], kind]);
    }
    match ask(link, &words)? {
        ReplyValue::Array(mut parts) if parts.len() == 2 => match (parts.pop(), parts.pop()) {
            (Some(ReplyValue::Array(keys)), Some(ReplyValue::Bulk(next))) => Ok((next, keys)),
            _ => Err("SCAN replied with something else".to_owned()),
        },
        other => Err(format!(
            "SCAN replied {}",
            text_of(format!("{other:?}").as_bytes())
        )),
    }
}

/// The number of keys of the database.
pub(super) fn key_count(link: &mut Link) -> Result<u64, ErrorLine> {
    match ask(link, &["DBSIZE"])? {
        ReplyValue::Integer(n) => Ok(n.unsigned_abs()),
        other => Err(format!("DBSIZE replied {other:?}")),
    }
}

/// Walks all keys from a cursor on (0: all): `work` gets the names of each page. Pauses for
/// the interval of `options` after each 100 pages.
///
/// # Errors
///
/// If the server refuses SCAN, the connection ends, or `work` fails.
pub(super) fn each_page(
    link: &mut Link,
    options: &Options,
    from: u64,
    mut work: impl FnMut(&mut Link, Vec<Vec<u8>>) -> Result<(), ErrorLine>,
) -> Result<(), ErrorLine> {
    let mut cursor = from.to_string().into_bytes();
    let mut pages = 0_u64;
    loop {
        let (next, values) = page(link, options, &cursor)?;
        let names = values.into_iter().filter_map(|value| match value {
            ReplyValue::Bulk(key) => Some(key),
            _ => None,
        });
        work(link, names.collect())?;
        if next == b"0" {
            return Ok(());
        }
        cursor = next;
        pages += 1;
        if pages.is_multiple_of(100) {
            thread::sleep(options.interval.unwrap_or_default());
        }
    }
}

/// Prints all names.
pub(crate) fn scan(link: &mut Link, options: &Options, form: Form) -> Result<u8, ErrorLine> {
    let mut cursor = b"0".to_vec();
    loop {
        let (next, keys) = page(link, options, &cursor)?;
        let mut out = Vec::new();
        for key in keys {
            print::reply(&mut out, form, &key, b"\n");
            if form != Form::Terminal {
                out.push(b'\n');
            }
        }
        io::stdout()
            .write_all(&out)
            .map_err(|why| why.to_string())?;
        if next == b"0" {
            return Ok(0);
        }
        cursor = next;
        thread::sleep(options.interval.unwrap_or_default());
    }
}
