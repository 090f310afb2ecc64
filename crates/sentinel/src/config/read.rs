//! Reads the lines: first the lines of the Sentinel itself, then the monitored primaries, then the
//! rest, so that the order of the file does not matter.
//!
//! Refusals have Redis's words. Numbers are read as C does: `12x` is 12, and text is 0.

use std::collections::BTreeSet;

use super::setup::{KnownPeer, KnownPrimary, Setup};
use crate::address::is_ip;
use crate::discovery::strangers::EPOCH_MAX;
use crate::time::{MS_MAX, Ms};
use russet_config::{FileLine, Origin, Problem};

/// The length of a run id.
const RUN_ID_LEN: usize = 40;

/// A line of the file: the words after `sentinel`, and its origin for error messages.
#[derive(Clone, Debug)]
struct Line<O> {
    pub words: Vec<Vec<u8>>,
    pub origin: O,
}

/// Reads the lines. `is_executable`: whether a script can be run.
///
/// The error is the origin of the first line that is refused in that order, and why.
fn read<O: Clone>(
    lines: &[Line<O>],
    is_executable: &dyn Fn(&[u8]) -> bool,
) -> Result<Setup, (O, &'static str)> {
    let mut setup = Setup::default();
    for pass in [Pass::Globals, Pass::Primaries, Pass::Rest] {
        for line in lines {
            let words: Vec<&[u8]> = line.words.iter().map(Vec::as_slice).collect();
            let Some((name, values)) = words.split_first() else {
                continue;
            };
            let name = name.to_ascii_lowercase();
            if pass_of(&name) != pass {
                continue;
            }
            let read = match pass {
                Pass::Globals => read_global(&mut setup, &name, values),
                Pass::Primaries => read_monitor(&mut setup, values),
                Pass::Rest => read_of_primary(&mut setup, &name, values, is_executable),
            };
            read.map_err(|reason| (line.origin.clone(), reason))?;
        }
    }
    Ok(setup)
}

/// Reads the lines that the server's configuration keeps, as [`read`] does.
pub fn from_file(
    lines: &[FileLine],
    is_executable: &dyn Fn(&[u8]) -> bool,
) -> Result<Setup, Problem> {
    let line = |line: &FileLine| Line {
        words: line.words.iter().map(|word| word.to_vec()).collect(),
        origin: line.origin.clone(),
    };
    let lines: Vec<Line<Origin>> = lines.iter().map(line).collect();
    read(&lines, is_executable).map_err(|(origin, reason)| Problem::at(&origin, reason))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Pass {
    Globals,
    Primaries,
    Rest,
}

fn pass_of(name: &[u8]) -> Pass {
    match name {
        b"monitor" => Pass::Primaries,
        b"announce-ip"
        | b"announce-port"
        | b"deny-scripts-reconfig"
        | b"sentinel-user"
        | b"sentinel-pass"
        | b"current-epoch"
        | b"myid"
        | b"resolve-hostnames"
        | b"announce-hostnames" => Pass::Globals,
        _ => Pass::Rest,
    }
}

const UNRECOGNIZED: &str = "Unrecognized sentinel configuration statement.";
const NO_PRIMARY: &str = "No such master with specified name.";
const NOT_POSITIVE: &str = "negative or zero time parameter.";
const NO_HOST: &str = "Can't resolve instance hostname.";

/// A number as C's `atoi` reads it.
fn number(text: &[u8]) -> i64 {
    let text = text.trim_ascii_start();
    let (sign, digits) = match text {
        [b'-', rest @ ..] => (-1, rest),
        [b'+', rest @ ..] => (1, rest),
        _ => (1, text),
    };
    let digits = digits.iter().take_while(|b| b.is_ascii_digit());
    let add = |n: i64, b: &u8| n.saturating_mul(10).saturating_add(i64::from(b - b'0'));
    sign * digits.fold(0, add)
}

/// An epoch as C's `strtoull` reads it; a negative epoch is 0. An epoch too high to be sent to
/// others becomes `EPOCH_MAX`: files of older versions may have it.
fn epoch(text: &[u8]) -> u64 {
    let digits = text.trim_ascii_start().iter();
    let digits = digits.take_while(|b| b.is_ascii_digit());
    let add = |n: u64, b: &u8| n.saturating_mul(10).saturating_add(u64::from(b - b'0'));
    match digits.fold(0, add) {
        epoch if epoch > i64::MAX as u64 => EPOCH_MAX,
        epoch => epoch,
    }
}

/// The port, if the host is an IP address, or names are resolved.
fn port_of(setup: &Setup, host: &[u8], port: &[u8]) -> Result<u16, &'static str> {
    let port = u16::try_from(number(port)).map_err(|_| "Invalid port number.")?;
    if is_ip(host) || setup.globals.resolve_hostnames {
        Ok(port)
    } else {
        Err(NO_HOST)
    }
}

fn yes_or_no(value: &[u8], refusal: &'static str) -> Result<bool, &'static str> {
    match value.to_ascii_lowercase().as_slice() {
        b"yes" => Ok(true),
        b"no" => Ok(false),
        _ => Err(refusal),
    }
}

fn read_global(setup: &mut Setup, name: &[u8], values: &[&[u8]]) -> Result<(), &'static str> {
    let [value] = values else {
        return Err(UNRECOGNIZED);
    };
    let globals = &mut setup.globals;
    match name {
        b"announce-ip" => globals.announce_ip = value.to_vec(),
        b"announce-port" => globals.announce_port = number(value) as u16,
        b"sentinel-user" => globals.user = value.to_vec(),
        b"sentinel-pass" => globals.pass = value.to_vec(),
        b"deny-scripts-reconfig" => {
            const REFUSAL: &str = "Please specify yes or no for the deny-scripts-reconfig options.";
            globals.deny_scripts_reconfig = yes_or_no(value, REFUSAL)?;
        }
        b"resolve-hostnames" => {
            const REFUSAL: &str = "Please specify yes or no for the resolve-hostnames option.";
            globals.resolve_hostnames = yes_or_no(value, REFUSAL)?;
        }
        b"announce-hostnames" => {
            const REFUSAL: &str = "Please specify yes or no for the announce-hostnames option.";
            globals.announce_hostnames = yes_or_no(value, REFUSAL)?;
        }
        b"current-epoch" => setup.current_epoch = setup.current_epoch.max(epoch(value)),
        _ if value.len() != RUN_ID_LEN => return Err("Malformed Sentinel id in myid option."),
        _ => setup.my_id = Some(value.to_vec()),
    }
    Ok(())
}

/// `monitor NAME HOST PORT QUORUM`
fn read_monitor(setup: &mut Setup, values: &[&[u8]]) -> Result<(), &'static str> {
    let [name, host, port, quorum] = values else {
        return Err(UNRECOGNIZED);
    };
    let quorum = usize::try_from(number(quorum)).unwrap_or(0);
    if quorum == 0 {
        return Err("Quorum must be 1 or greater.");
    }
    let port = port_of(setup, host, port)?;
    if setup.primaries.iter().any(|primary| primary.name == *name) {
        return Err("Duplicate master name.");
    }
    let primary = KnownPrimary::new(name, host, port, quorum);
    setup.primaries.push(primary);
    Ok(())
}

fn time(value: &[u8]) -> Result<Ms, &'static str> {
    let time = Some(number(value)).filter(|&n| n > 0);
    time.map(|time| time.min(MS_MAX)).ok_or(NOT_POSITIVE)
}

/// The words that concern a primary, which they name first.
const OF_PRIMARY: [&[u8]; 15] = [
    b"known-slave",
    b"known-replica",
    b"known-sentinel",
    b"rename-command",
    b"down-after-milliseconds",
    b"failover-timeout",
    b"parallel-syncs",
    b"notification-script",
    b"client-reconfig-script",
    b"auth-pass",
    b"auth-user",
    b"config-epoch",
    b"leader-epoch",
    b"master-reboot-down-after-period",
    b"primary-reboot-down-after-period",
];

/// `WORD NAME VALUE ...`
fn read_of_primary(
    setup: &mut Setup,
    word: &[u8],
    values: &[&[u8]],
    is_executable: &dyn Fn(&[u8]) -> bool,
) -> Result<(), &'static str> {
    let count = match word {
        b"known-slave" | b"known-replica" | b"rename-command" => 2,
        // The old form without a run id is ignored.
        b"known-sentinel" if values.len() == 3 => return Ok(()),
        b"known-sentinel" => 3,
        _ => 1,
    };
    let Some((name, values)) = values.split_first() else {
        return Err(UNRECOGNIZED);
    };
    if values.len() != count || !OF_PRIMARY.contains(&word) {
        return Err(UNRECOGNIZED);
    }
    let mut primaries = setup.primaries.iter();
    let at = primaries.position(|primary| primary.name == *name);
    let at = at.ok_or(NO_PRIMARY)?;
    match word {
        b"known-slave" | b"known-replica" => return read_replica(setup, at, values),
        b"known-sentinel" => return read_peer(setup, at, values),
        b"config-epoch" => {
            setup.primaries[at].config_epoch = epoch(values[0]);
            setup.current_epoch = setup.current_epoch.max(epoch(values[0]));
            return Ok(());
        }
        b"leader-epoch" => {
            setup.primaries[at].leader_epoch = epoch(values[0]);
            return Ok(());
        }
        _ => {}
    }
    let settings = &mut setup.primaries[at].settings;
    let value = values[0];
    match word {
        b"down-after-milliseconds" => settings.down_after_ms = time(value)?,
        b"failover-timeout" => settings.failover_timeout_ms = time(value)?,
        b"parallel-syncs" => settings.parallel_syncs = number(value),
        b"notification-script" if !is_executable(value) => {
            return Err("Notification script seems non existing or non executable.");
        }
        b"notification-script" => settings.notification_script = value.to_vec(),
        b"client-reconfig-script" if !is_executable(value) => {
            return Err("Client reconfiguration script seems non existing or non executable.");
        }
        b"client-reconfig-script" => settings.reconfig_script = value.to_vec(),
        b"auth-pass" => settings.auth_pass = value.to_vec(),
        b"auth-user" => settings.auth_user = value.to_vec(),
        b"rename-command" => {
            let mut renames = settings.renames.iter();
            if renames.any(|(ours, _)| ours.eq_ignore_ascii_case(value)) {
                return Err("Same command renamed multiple times with rename-command.");
            }
            settings.renames.push((value.to_vec(), values[1].to_vec()));
        }
        _ if number(value) < 0 => return Err("negative time parameter."),
        _ => settings.reboot_down_after_ms = number(value).min(MS_MAX),
    }
    Ok(())
}

fn read_replica(setup: &mut Setup, at: usize, values: &[&[u8]]) -> Result<(), &'static str> {
    let place = (values[0].to_vec(), port_of(setup, values[0], values[1])?);
    let replicas = &mut setup.primaries[at].replicas;
    if replicas.contains(&place) {
        return Err("Duplicate hostname and port for replica.");
    }
    replicas.push(place);
    Ok(())
}

fn read_peer(setup: &mut Setup, at: usize, values: &[&[u8]]) -> Result<(), &'static str> {
    let port = port_of(setup, values[0], values[1])?;
    let peers = &mut setup.primaries[at].peers;
    let run_ids: BTreeSet<&[u8]> = peers.iter().map(|peer| peer.run_id.as_slice()).collect();
    if run_ids.contains(values[2]) {
        return Err("Duplicate runid for sentinel.");
    }
    peers.push(KnownPeer {
        host: values[0].to_vec(),
        port,
        run_id: values[2].to_vec(),
    });
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use russet_config::{Sources, load, split};

    /// The lines of a file, with their numbers.
    fn lines_of(text: &str) -> Vec<Line<usize>> {
        let line = |(text, origin): (&str, usize)| {
            let words = split(text.as_bytes()).expect("balanced quotes");
            let mut words = words.iter().map(|word| word.to_vec());
            let first = words.next()?;
            let is_ours = first.eq_ignore_ascii_case(b"sentinel");
            let words: Vec<Vec<u8>> = words.collect();
            is_ours.then_some(Line { words, origin })
        };
        text.lines().zip(1..).filter_map(line).collect()
    }

    pub(crate) fn read_text(text: &str) -> Result<Setup, (usize, &'static str)> {
        read(&lines_of(text), &|path| path != b"/nonexistent")
    }

    fn refusal(lines: &str) -> &'static str {
        let text = format!("sentinel monitor m 127.0.0.1 1 1\n{lines}");
        read_text(&text).expect_err("it is refused").1
    }

    #[test]
    fn the_order_of_the_lines_does_not_matter() {
        let text = "sentinel known-replica m db2 6380\nsentinel down-after-milliseconds m 5\n\
                    sentinel monitor m db 6379 2\nsentinel resolve-hostnames yes\n\
                    sentinel leader-epoch m 4\nsentinel config-epoch m 7\nsentinel current-epoch 5";
        let setup = read_text(text).expect("valid");
        assert_eq!(
            setup.current_epoch, 7,
            "the configuration's epoch is higher"
        );
        let primary = &setup.primaries[0];
        assert_eq!(primary.settings.down_after_ms, 5);
        assert_eq!(primary.replicas, [(b"db2".to_vec(), 6380)]);
        assert_eq!((primary.config_epoch, primary.leader_epoch), (7, 4));
    }

    /// As `redis-server --sentinel` 8.0.6 refuses them.
    #[test]
    fn refusals_have_redis_words() {
        let cases = [
            ("monitor x 127.0.0.1 1 0", "Quorum must be 1 or greater."),
            ("monitor x nohost 1 1", NO_HOST),
            ("monitor m 127.0.0.1 1 1", "Duplicate master name."),
            ("monitor x 127.0.0.1 99999 1", "Invalid port number."),
            ("monitor x 127.0.0.1 1", UNRECOGNIZED),
            ("down-after-milliseconds nope 1", NO_PRIMARY),
            ("down-after-milliseconds m 0", NOT_POSITIVE),
            ("down-after-milliseconds m", UNRECOGNIZED),
            (
                "notification-script m /nonexistent",
                "Notification script seems non existing or non executable.",
            ),
            (
                "client-reconfig-script m /nonexistent",
                "Client reconfiguration script seems non existing or non executable.",
            ),
            ("myid abc", "Malformed Sentinel id in myid option."),
            ("known-replica m nohost 1", NO_HOST),
            (
                "deny-scripts-reconfig maybe",
                "Please specify yes or no for the deny-scripts-reconfig options.",
            ),
            (
                "resolve-hostnames maybe",
                "Please specify yes or no for the resolve-hostnames option.",
            ),
            (
                "announce-hostnames maybe",
                "Please specify yes or no for the announce-hostnames option.",
            ),
            (
                "master-reboot-down-after-period m -1",
                "negative time parameter.",
            ),
            ("foo bar", UNRECOGNIZED),
        ];
        for (line, reason) in cases {
            assert_eq!(refusal(&format!("sentinel {line}")), reason, "{line}");
        }
        let twice = |a: &str, b: &str| refusal(&format!("sentinel {a}\nsentinel {b}"));
        assert_eq!(
            twice("known-replica m 1.1.1.1 1", "known-slave m 1.1.1.1 1"),
            "Duplicate hostname and port for replica."
        );
        assert_eq!(
            twice(
                "known-sentinel m 1.1.1.1 1 abc",
                "known-sentinel m 1.1.1.2 1 abc"
            ),
            "Duplicate runid for sentinel."
        );
        assert_eq!(
            twice("rename-command m a b", "rename-command m A c"),
            "Same command renamed multiple times with rename-command."
        );
    }

    #[test]
    fn a_refused_line_is_reported_as_redis_reports_it() {
        let sources = Sources {
            stdin: Some(b"port 27303\nsentinel monitor m 127.0.0.1 1 0\n".to_vec()),
            is_sentinel: true,
            ..Sources::default()
        };
        let lines = load(&sources).expect("the server's part is valid");
        let problem = from_file(&lines.sentinel_lines, &|_| true).expect_err("refused");
        let text = "Reading the configuration file, at line 2\n\
            >>> 'sentinel monitor m 127.0.0.1 1 0'\nQuorum must be 1 or greater.\n";
        assert!(problem.to_string().ends_with(text), "{problem}");
    }

    #[test]
    fn the_first_refusal_in_reading_order_is_reported_with_its_line() {
        let text = "sentinel down-after-milliseconds nope 1\nsentinel monitor m ::1 1 0\nsentinel myid abc";
        let (line, reason) = read_text(text).expect_err("refused");
        assert_eq!((line, reason), (3, "Malformed Sentinel id in myid option."));
    }
}
