//! `--stat`: a line of INFO's figures every second.

use std::io::{self, Write};
use std::thread;
use std::time::Duration;

use super::{ErrorLine, field, info};
use crate::link::Link;
use crate::options::Options;

/// Lines between two headings.
const HEADING_EVERY: u64 = 20;
const HEADING: &str = "\
------- data ------ --------------------- load -------------------- - child -
keys       mem      clients blocked requests            connections          
";

/// 1023B, 1.44M.
fn bytes_text(bytes: f64) -> String {
    const KIB: f64 = 1024.0;
    match bytes {
        n if n < KIB => format!("{n:.0}B"),
        n if n < KIB * KIB => format!("{:.2}K", n / KIB),
        n if n < KIB * KIB * KIB => format!("{:.2}M", n / (KIB * KIB)),
        n => format!("{:.2}G", n / (KIB * KIB * KIB)),
    }
}

/// The keys of all databases.
fn keys(info: &str) -> u64 {
    let databases = info.lines().filter_map(|line| {
        let rest = line.strip_prefix("db")?;
        let (number, rest) = rest.split_once(":keys=")?;
        number.parse::<u32>().ok()?;
        rest.split(',').next()?.parse::<u64>().ok()
    });
    databases.sum()
}

/// A line, and the number of requests for the next line.
fn line(info: &str, before: Option<i64>) -> (String, i64) {
    let number = |name| {
        field(info, name)
            .and_then(|value| value.parse::<i64>().ok())
            .unwrap_or(0)
    };
    let requests = number("total_commands_processed");
    let since = before.map_or(0, |before| requests - before);
    let child = match () {
        () if number("rdb_bgsave_in_progress") == 1 => "SAVE",
        () if number("aof_rewrite_in_progress") == 1 => "AOF",
        () if number("loading") == 1 => "LOAD",
        () => "",
    };
    let load = format!("{requests} (+{since})");
    let text = format!(
        "{:<11}{:<9}{:<8}{:<8}{load:<20}{:<12}{child}\n",
        keys(info),
        bytes_text(number("used_memory") as f64),
        number("connected_clients"),
        number("blocked_clients"),
        number("total_connections_received"),
    );
    (text, requests)
}

/// Prints lines: as many as `-r` says, else without an end.
pub(crate) fn stat(link: &mut Link, options: &Options) -> Result<u8, ErrorLine> {
    let mut before = None;
    let mut out = io::stdout().lock();
    for count in 0_u64.. {
        let mut text = String::new();
        if count % HEADING_EVERY == 0 {
            text += HEADING;
        }
        let (line, requests) = line(&info(link)?, before);
        before = Some(requests);
        text += &line;
        let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        written.map_err(|why| why.to_string())?;
        if options.repeat > 1 && count + 1 == options.repeat.unsigned_abs() {
            break;
        }
        thread::sleep(options.interval.unwrap_or(Duration::from_secs(1)));
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_what_changed() {
        let info = "used_memory:1509949\r\nconnected_clients:1\r\nblocked_clients:0\r\n\
            total_commands_processed:253\r\ntotal_connections_received:74\r\n\
            db0:keys=3,expires=0\r\ndb9:keys=4,expires=0\r\ndbx:1\r\n";
        let (text, requests) = line(info, Some(252));
        let wanted = "7          1.44M    1       0       253 (+1)            74          \n";
        assert_eq!((text.as_str(), requests), (wanted, 253));
        assert_eq!(bytes_text(1023.0), "1023B");
    }
}
