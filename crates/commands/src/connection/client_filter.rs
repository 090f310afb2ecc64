//! Filters that select connections for CLIENT KILL and CLIENT LIST: Redis's and Valkey's; a `NOT-`
//! prefix negates most of them.

use super::client_list::client_kind;
use russet_acl::UserId;
use russet_base::numbers::number::parse_i64;
use russet_command::CommandError;
use russet_resp::Args;
use russet_server::{Client, ClientFlags, ClientKind, Server, flag_letters};

/// Letters that CLIENT LIST shows as flags.
const LETTERS: &[u8] = b"AbBcCdeEgiIMNOPrRStTuUx";
/// The capabilities of CLIENT CAPA, as their letters in CLIENT LIST.
const CAPABILITIES: &[u8] = b"r";

/// The words that begin a condition, after an optional `NOT-`.
pub(super) const NAMES: &[&[u8]] = &[
    b"ID",
    b"TYPE",
    b"ADDR",
    b"LADDR",
    b"IP",
    b"USER",
    b"FLAGS",
    b"NAME",
    b"LIB-NAME",
    b"LIB-VER",
    b"DB",
    b"CAPA",
    b"MAXAGE",
    b"IDLE",
    b"SKIPME",
];

/// A condition.
enum Test<'a> {
    /// Any of these.
    Id(Vec<u64>),
    Kind(ClientKind),
    Addr(&'a [u8]),
    Laddr(&'a [u8]),
    Ip(&'a [u8]),
    User(UserId),
    /// All of these letters.
    Flags(&'a [u8]),
    Name(&'a [u8]),
    LibName(&'a [u8]),
    LibVer(&'a [u8]),
    Db(i64),
    Capa(&'a [u8]),
    /// Minimum age in seconds.
    Age(i64),
    /// Minimum seconds since the last command.
    Idle(i64),
}

/// All conditions; each must hold, except that conditions with `NOT-` must not.
#[derive(Default)]
pub(super) struct Filter<'a> {
    tests: Vec<(Test<'a>, bool)>,
    pub skip_me: bool,
}

impl<'a> Filter<'a> {
    /// Selects the connection from this address.
    pub(super) fn of_address(address: &'a [u8]) -> Filter<'a> {
        Filter {
            tests: vec![(Test::Addr(address), true)],
            skip_me: false,
        }
    }

    /// Parses conditions from argument `at` to the end. A repeated condition replaces the earlier
    /// condition, as in Redis.
    pub(super) fn parse(
        server: &Server,
        args: Args<'a>,
        mut at: usize,
        skip_me: bool,
    ) -> Result<Filter<'a>, CommandError> {
        let is_filter = server.config.dialect.ids_are_filters();
        let mut filter = Filter {
            tests: Vec::new(),
            skip_me,
        };
        while at < args.len() {
            let word = args.at(at).to_ascii_uppercase();
            let value = args.get(at + 1).ok_or(CommandError::Syntax)?;
            let (is_wanted, name) = match word.strip_prefix(b"NOT-") {
                Some(name) => (false, name),
                None => (true, &word[..]),
            };
            at += 2;
            let test = match name {
                b"ID" => {
                    let mut ids = vec![id(value, !is_filter)?];
                    // More IDs may follow.
                    while let Some(more) = args.get(at).filter(|more| parse_i64(more).is_some()) {
                        ids.push(id(more, false)?);
                        at += 1;
                    }
                    Test::Id(ids)
                }
                b"TYPE" => Test::Kind(client_kind(value)?),
                b"ADDR" => Test::Addr(value),
                b"LADDR" => Test::Laddr(value),
                b"IP" => Test::Ip(value),
                b"USER" => {
                    let unknown = || CommandError::naming("ERR No such user '", value, "'");
                    Test::User(server.acl.users.find(value).ok_or_else(unknown)?)
                }
                b"FLAGS" => Test::Flags(known(value, LETTERS, "flags", is_wanted)?),
                b"NAME" => Test::Name(value),
                b"LIB-NAME" => Test::LibName(value),
                b"LIB-VER" => Test::LibVer(value),
                b"DB" => Test::Db(db(server, value, is_wanted)?),
                b"CAPA" => Test::Capa(known(value, CAPABILITIES, "capa", is_wanted)?),
                b"MAXAGE" if is_wanted => Test::Age(seconds(value, "maxage")?),
                b"IDLE" if is_wanted => Test::Idle(seconds(value, "idle")?),
                b"SKIPME" if is_wanted => {
                    filter.skip_me = value.eq_ignore_ascii_case(b"YES");
                    if !filter.skip_me && !value.eq_ignore_ascii_case(b"NO") {
                        return Err(CommandError::Syntax);
                    }
                    continue;
                }
                _ => return Err(CommandError::Syntax),
            };
            let same = |(known, wanted): &(Test<'_>, bool)| {
                *wanted == is_wanted
                    && std::mem::discriminant(known) == std::mem::discriminant(&test)
            };
            filter.tests.retain(|known| !same(known));
            filter.tests.push((test, is_wanted));
        }
        Ok(filter)
    }

    /// Whether the filter selects this connection.
    pub(super) fn fits(&self, server: &Server, client: &Client) -> bool {
        let mut tests = self.tests.iter();
        !client.flags.contains(ClientFlags::CLOSE_ASAP)
            && tests.all(|(test, is_wanted)| test.holds(server, client) == *is_wanted)
    }
}

impl Test<'_> {
    fn holds(&self, server: &Server, client: &Client) -> bool {
        let text = |text: &Option<Box<str>>, wanted: &[u8]| {
            text.as_deref()
                .is_some_and(|text| text.as_bytes() == wanted)
        };
        let since_s = |ms: u64| (server.now.mono_ms.saturating_sub(ms) / 1000) as i64;
        match *self {
            Test::Id(ref ids) => ids.contains(&client.id.0),
            Test::Kind(kind) => client.kind() == kind,
            Test::Addr(address) => client.identity.peer.to_string().as_bytes() == address,
            Test::Laddr(address) => client.identity.local.to_string().as_bytes() == address,
            Test::Ip(ip) => {
                let peer = client.identity.peer.to_string();
                let host = peer.rsplit_once(':').map_or(&*peer, |(host, _)| host);
                host.trim_matches(['[', ']']).as_bytes() == ip
            }
            Test::User(user) => client.user == user,
            Test::Flags(letters) => {
                let shown = flag_letters(client.flags, server.messages.tracking.of(client.id));
                letters
                    .iter()
                    .all(|letter| shown.as_bytes().contains(letter))
            }
            Test::Name(name) => text(&client.identity.name, name),
            Test::LibName(name) => text(&client.identity.lib_name, name),
            Test::LibVer(version) => text(&client.identity.lib_ver, version),
            Test::Db(db) => i64::from(client.db.0) == db,
            Test::Capa(letters) => {
                let has = client.flags.contains(ClientFlags::REDIRECTS);
                letters.iter().all(|_| has)
            }
            Test::Age(s) => since_s(client.identity.created_ms) >= s,
            Test::Idle(s) => since_s(client.traffic.last_active_ms) >= s,
        }
    }
}

/// `has_error`: a text that is no number has the error of a wrong number.
fn id(text: &[u8], has_error: bool) -> Result<u64, CommandError> {
    const BAD: CommandError = CommandError::Text("ERR client-id should be greater than 0");
    match parse_i64(text) {
        Some(n) if n > 0 => Ok(n as u64),
        None if !has_error => Err(CommandError::Syntax),
        _ => Err(BAD),
    }
}

fn seconds(text: &[u8], name: &str) -> Result<i64, CommandError> {
    let bad = || CommandError::owned(format!("ERR {name} is not an integer or out of range"));
    match parse_i64(text).ok_or_else(bad)? {
        s if s <= 0 => Err(CommandError::owned(format!(
            "ERR {name} should be greater than 0"
        ))),
        s => Ok(s),
    }
}

fn db(server: &Server, text: &[u8], is_wanted: bool) -> Result<i64, CommandError> {
    let name = if is_wanted { "DB" } else { "NOT-DB" };
    let bad = || CommandError::owned(format!("ERR {name} is not an integer or out of range"));
    let last = i64::from(server.config.databases) - 1;
    let number = parse_i64(text).filter(|n| i32::try_from(*n).is_ok());
    match number.ok_or_else(bad)? {
        n if (0..=last).contains(&n) => Ok(n),
        _ => Err(CommandError::owned(format!(
            "ERR {name} number should be between 0 and {last}"
        ))),
    }
}

/// `text` if all letters are known.
fn known<'a>(
    text: &'a [u8],
    letters: &[u8],
    what: &str,
    is_wanted: bool,
) -> Result<&'a [u8], CommandError> {
    if text.iter().all(|letter| letters.contains(letter)) {
        return Ok(text);
    }
    let place = if is_wanted {
        "provided".to_owned()
    } else {
        format!("NOT-{}", what.to_uppercase())
    };
    let reported = format!("ERR Unknown {what} found in the {place} filter: ");
    Err(CommandError::Bytes([reported.as_bytes(), text].concat()))
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};

    #[test]
    fn conditions_are_joined_and_turned_round() {
        let mut t = Testbed::new();
        let other = t.connect();
        t.run_as(other, "CLIENT SETNAME worker");
        t.run_as(other, "SELECT 3");
        t.run_as(other, "CLIENT CAPA redirect other");
        let mut listed = |filter: &str| {
            t.run(&format!("CLIENT LIST {filter}"))
                .matches("id=")
                .count()
        };
        for (count, filter) in [
            (1, "NAME worker"),
            (1, "NOT-NAME worker"),
            (1, "DB 3 NOT-DB 0"),
            (0, "DB 3 NOT-ID 2"),
            (1, "ID 1 2 7 SKIPME yes"),
            (2, "NOT-ID 9"),
            (2, "FLAGS U NOT-FLAGS x"),
            (1, "CAPA r"),
            (1, "NOT-CAPA r"),
            (0, "MAXAGE 9000000000"),
            (0, "NOT-USER default"),
            (2, "NOT-IP 10.0.0.1 TYPE normal"),
        ] {
            assert_eq!(listed(filter), count, "{filter}");
        }
        assert_eq!(t.run("CLIENT KILL NOT-NAME nobody DB 3"), ":1\r\n");
    }

    #[test]
    fn wrong_conditions_are_refused_as_valkey_does() {
        let mut t = Testbed::new();
        for (command, error) in [
            ("LIST NOT-MAXAGE 1", "syntax error"),
            ("LIST IDLE 0", "idle should be greater than 0"),
            ("LIST DB 16", "DB number should be between 0 and 15"),
            ("LIST NOT-DB x", "NOT-DB is not an integer or out of range"),
            (
                "KILL FLAGS z",
                "Unknown flags found in the provided filter: z",
            ),
            (
                "KILL NOT-CAPA zz",
                "Unknown capa found in the NOT-CAPA filter: zz",
            ),
            ("LIST NOT-USER nobody", "No such user 'nobody'"),
        ] {
            let reported = t.run(&format!("CLIENT {command}"));
            assert_eq!(reported, format!("-ERR {error}\r\n"), "{command}");
        }
    }
}
