//! `--rdb FILE`: a snapshot of the server, as a replica gets it.
//!
//!     REPLCONF capa eof -> REPLCONF rdb-only 1 -> SYNC -> $<length> or $EOF:<mark> -> bytes
//!
//! Newlines may come before the header, while the server prepares. The file appears under its name
//! once all of it is written.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use russet_resp::ReplyValue;

use super::{ErrorLine, ended, text_of};
use crate::link::{FOREVER, Link};

/// Bytes of the mark after a snapshot of unknown length.
const MARK: usize = 40;

/// Writes the snapshot to `file`; `-` is the standard output.
pub(crate) fn rdb(link: &mut Link, file: &Path, functions: bool) -> Result<u8, ErrorLine> {
    let mut settings = vec!["capa eof", "rdb-only 1"];
    if functions {
        settings.push("rdb-filter-only functions");
    }
    for setting in settings {
        eprintln!("sending REPLCONF {setting}");
        let words: Vec<&str> = ["REPLCONF"].into_iter().chain(setting.split(' ')).collect();
        match link.ask(&words).map_err(ended)? {
            // An older server sends a snapshot with what is asked for, and more.
            ReplyValue::Error(why) if !functions => {
                eprintln!("REPLCONF {setting} error: {}", text_of(&why));
            }
            ReplyValue::Error(why) => {
                return Err(format!("REPLCONF {setting} error: {}", text_of(&why)));
            }
            _ => {}
        }
    }
    let bytes = if file.as_os_str() == "-" {
        receive(link, &mut io::stdout().lock(), "stdout")?
    } else {
        into_file(link, file)?
    };
    eprintln!("Transfer finished with success after {bytes} bytes");
    Ok(0)
}

/// Writes a snapshot into a file, without settings of the link.
pub(crate) fn snapshot(link: &mut Link, file: &Path) -> Result<(), ErrorLine> {
    into_file(link, file)?;
    eprintln!("Transfer finished with success.");
    Ok(())
}

/// Writes beside the file, and renames what is complete. The length.
fn into_file(link: &mut Link, file: &Path) -> Result<u64, ErrorLine> {
    let mut part = file.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let failed = |why: io::Error| format!("Error opening '{}': {why}", file.display());
    let mut out = File::create(&part).map_err(failed)?;
    let bytes = receive(link, &mut out, &file.display().to_string());
    let bytes = bytes.and_then(|bytes| {
        let kept = out.sync_all().and_then(|()| std::fs::rename(&part, file));
        kept.map(|()| bytes).map_err(failed)
    });
    bytes.inspect_err(|_| drop(std::fs::remove_file(&part)))
}

/// Where a snapshot ends.
pub(super) enum Head {
    /// After this many bytes.
    Length(u64),
    /// Before this mark.
    Mark(Vec<u8>),
}

/// Asks for the snapshot: its end.
pub(super) fn head(link: &mut Link) -> Result<Head, ErrorLine> {
    link.send(&["SYNC"]).map_err(ended)?;
    let head = header(link)?;
    if let Some(mark) = head.strip_prefix(b"$EOF:") {
        if mark.len() != MARK {
            return Err("the end mark has a wrong length".to_owned());
        }
        return Ok(Head::Mark(mark.to_vec()));
    }
    let length = head
        .strip_prefix(b"$")
        .and_then(|n| std::str::from_utf8(n).ok()?.parse().ok());
    let length = length.ok_or_else(|| format!("SYNC replied {}", text_of(&head)))?;
    Ok(Head::Length(length))
}

/// Reads a snapshot, and forgets it. Its length.
pub(super) fn discard(link: &mut Link, head: Head) -> Result<u64, ErrorLine> {
    copy(link, head, &mut io::sink())
}

/// Asks for the snapshot, and writes it. Its length.
fn receive(link: &mut Link, out: &mut impl Write, name: &str) -> Result<u64, ErrorLine> {
    let head = head(link)?;
    match &head {
        Head::Mark(_) => eprintln!(
            "SYNC sent to master, writing bytes of bulk transfer until EOF marker to '{name}'"
        ),
        Head::Length(length) => {
            eprintln!("SYNC sent to master, writing {length} bytes to '{name}'");
        }
    }
    copy(link, head, out)
}

fn copy(link: &mut Link, head: Head, out: &mut impl Write) -> Result<u64, ErrorLine> {
    let failed = |why: io::Error| format!("Error writing data to file: {why}");
    let length = match head {
        Head::Length(length) => length,
        Head::Mark(mark) => {
            let mut written = 0;
            loop {
                let have = link.raw().unread();
                // The commands of the primary after the mark stay for the caller.
                if let Some(end) = have.windows(MARK).position(|bytes| bytes == mark) {
                    out.write_all(&have[..end]).map_err(failed)?;
                    have.drain(..end + MARK);
                    return Ok(written + end as u64);
                }
                // The mark may have come in part.
                let sure = have.len().saturating_sub(MARK - 1);
                out.write_all(&have[..sure]).map_err(failed)?;
                have.drain(..sure);
                written += sure as u64;
                link.raw().more(FOREVER).map_err(ended)?;
            }
        }
    };
    let mut left = length;
    loop {
        let have = link.raw().unread();
        let take = have.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        out.write_all(&have[..take]).map_err(failed)?;
        have.drain(..take);
        left -= take as u64;
        if left == 0 {
            return Ok(length);
        }
        link.raw().more(FOREVER).map_err(ended)?;
    }
}

/// The line before the bytes.
fn header(link: &mut Link) -> Result<Vec<u8>, ErrorLine> {
    loop {
        let have = link.raw().unread();
        if let Some(end) = have.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = have.drain(..=end).collect();
            let line = line.trim_ascii_end().to_vec();
            match line.first() {
                None => continue,
                Some(b'-') => return Err(format!("SYNC error: {}", text_of(&line[1..]))),
                Some(_) => return Ok(line),
            }
        }
        link.raw().more(FOREVER).map_err(ended)?;
    }
}
