//! CONFIG GET and SET, FLUSHCONFIG: the settings of the Sentinel itself.
//!
//! Seven options, all of them `Globals` but `loglevel`, which is the server's: GET takes it from
//! `Host`, SET asks the driver for it (`Order::SetLogLevel`). SET checks every option before it
//! changes any, and its reply waits for the save. New credentials close the links to all other
//! Sentinels. Settings of a primary are `set`'s.

use super::{Call, CallResult, ReplyCondition, error, error_naming};
use crate::actions::Order;
use crate::config::Globals;
use crate::links::LinkId;
use crate::shared::Shared;
use russet_base::glob;
use russet_base::numbers::number::parse_i64;
use russet_host::Level;
use russet_resp::CommandError;

/// In the order of CONFIG GET.
const OPTIONS: [&str; 7] = [
    "resolve-hostnames",
    "announce-hostnames",
    "announce-ip",
    "announce-port",
    "sentinel-user",
    "sentinel-pass",
    "loglevel",
];

const LEVELS: [&str; 5] = ["debug", "verbose", "notice", "warning", "nothing"];

/// `CONFIG GET pattern ...`, `CONFIG SET option value ...`
pub(super) fn config(call: &mut Call<'_>) -> CallResult {
    let action = call.args[2].to_ascii_lowercase();
    match (action.as_slice(), call.args.len()) {
        (b"set", 5..) => set(call),
        (b"get", _) => get(call),
        _ => Err(error(
            "ERR Only SENTINEL CONFIG GET <param> [<param> <param> ...] / SET <param> <value> \
             [<param> <value> ...] are supported.",
        )),
    }
}

/// `FLUSHCONFIG`: saves the state.
pub(super) fn flushconfig(call: &mut Call<'_>) -> CallResult {
    call.ok_when_saved()
}

fn value(globals: &Globals, option: &str, loglevel: &str) -> Vec<u8> {
    let yes_or_no = |yes: bool| if yes { b"yes".to_vec() } else { b"no".to_vec() };
    match option {
        "resolve-hostnames" => yes_or_no(globals.resolve_hostnames),
        "announce-hostnames" => yes_or_no(globals.announce_hostnames),
        "announce-ip" => globals.announce_ip.clone(),
        "announce-port" => globals.announce_port.to_string().into_bytes(),
        "sentinel-user" => globals.user.clone(),
        "sentinel-pass" => globals.pass.clone(),
        _ => loglevel.as_bytes().to_vec(),
    }
}

/// Each option once, in the order in which the patterns find them.
fn get(call: &mut Call<'_>) -> CallResult {
    let mut found: Vec<&str> = Vec::new();
    for pattern in &call.args[3..] {
        for option in OPTIONS {
            let matches = glob::matches(pattern, option.as_bytes(), true);
            if matches && !found.contains(&option) {
                found.push(option);
            }
        }
    }
    call.reply.map(found.len());
    for option in found {
        call.reply.bulk(option.as_bytes());
        let globals = &call.sentinel.shared.globals;
        call.reply.bulk(&value(globals, option, call.host.loglevel));
    }
    Ok(ReplyCondition::Send)
}

fn is_yes(value: &[u8]) -> Option<bool> {
    match value.to_ascii_lowercase().as_slice() {
        b"yes" => Some(true),
        b"no" => Some(false),
        _ => None,
    }
}

fn level(value: &[u8]) -> Option<&'static str> {
    let mut levels = LEVELS.into_iter();
    levels.find(|level| value.eq_ignore_ascii_case(level.as_bytes()))
}

fn port(value: &[u8]) -> Option<u16> {
    u16::try_from(parse_i64(value)?).ok()
}

/// All or nothing: every option is checked first.
fn set(call: &mut Call<'_>) -> CallResult {
    let changes = checked(&call.args[3..])?;
    let shared = &mut call.sentinel.shared;
    let mut drops_links = false;
    for (option, value) in changes {
        let globals = &mut shared.globals;
        match option {
            "resolve-hostnames" => globals.resolve_hostnames = is_yes(value) == Some(true),
            "announce-hostnames" => globals.announce_hostnames = is_yes(value) == Some(true),
            "announce-ip" => globals.announce_ip = value.to_vec(),
            "announce-port" => globals.announce_port = port(value).unwrap_or(0),
            "sentinel-user" => (globals.user, drops_links) = (value.to_vec(), true),
            "sentinel-pass" => (globals.pass, drops_links) = (value.to_vec(), true),
            _ => {
                let level = level(value).unwrap_or("notice");
                shared.out.push(Order::SetLogLevel(level));
            }
        }
    }
    if drops_links {
        let primaries = call.sentinel.primaries.values();
        let peers = primaries.flat_map(|primary| primary.peers.values());
        let links: Vec<_> = peers.map(|peer| peer.watch.link).collect();
        close(shared, links);
    }
    call.ok_when_saved()
}

fn close(shared: &mut Shared, links: Vec<LinkId>) {
    let count = links.len();
    for link in links {
        shared.links.close_both(link, &mut shared.out);
    }
    let text = format!("{count} links to other Sentinels begin anew");
    shared.log(Level::Debug, text);
}

/// The options with their values; an error at the first that is unknown, repeated or invalid.
fn checked<'a>(words: &[&'a [u8]]) -> Result<Vec<(&'static str, &'a [u8])>, CommandError> {
    let mut changes: Vec<(&str, &[u8])> = Vec::new();
    for pair in words.chunks(2) {
        let mut options = OPTIONS.into_iter();
        let option = options.find(|option| pair[0].eq_ignore_ascii_case(option.as_bytes()));
        let Some(option) = option else {
            let after = "' to SENTINEL CONFIG SET";
            return Err(error_naming("ERR Invalid argument '", pair[0], after));
        };
        if changes.iter().any(|(other, _)| *other == option) {
            let after = "' to SENTINEL CONFIG SET";
            return Err(error_naming("ERR Duplicate argument '", pair[0], after));
        }
        let Some(&value) = pair.get(1) else {
            return Err(error_naming("ERR Missing argument '", pair[0], "' value"));
        };
        let is_valid = match option {
            "resolve-hostnames" | "announce-hostnames" => is_yes(value).is_some(),
            "announce-port" => port(value).is_some(),
            "loglevel" => level(value).is_some(),
            _ => true,
        };
        if !is_valid {
            let before = [b"ERR Invalid value '", value, b"' to SENTINEL CONFIG SET '"].concat();
            let before = String::from_utf8_lossy(&before).into_owned();
            return Err(error_naming(&before, pair[0], "'"));
        }
        changes.push((option, value));
    }
    Ok(changes)
}
