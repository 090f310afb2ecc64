//! The facts about the servers of a group, read from their replies.
//!
//! Replies come from elsewhere: text is shortened and freed of control characters, counts are
//! limited, and parts of another form than expected are left out.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::net::IpAddr;

use russet_base::finding::Finding;
use russet_resp::ReplyValue;

/// Longest text that is kept of a value or an error.
const TEXT_MAX: usize = 300;
/// Maximum rows that are read of a reply such as SENTINEL REPLICAS.
pub(super) const ROWS_MAX: usize = 256;
/// Maximum names and values of a row, and lines of INFO.
const FIELDS_MAX: usize = 4096;

pub(crate) type Fields = HashMap<String, String>;

/// The value of a field, empty if it is missing.
pub(crate) fn text<'f>(fields: &'f Fields, name: &str) -> &'f str {
    fields.get(name).map_or("", String::as_str)
}

pub(crate) fn number(fields: &Fields, name: &str) -> Option<i64> {
    text(fields, name).parse().ok()
}

/// Whether a word is among a row's comma-separated `flags`.
pub(super) fn has_flag(fields: &Fields, flag: &str) -> bool {
    text(fields, "flags").split(',').any(|word| word == flag)
}

/// The address of a server, as others report it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Address {
    pub host: String,
    pub port: u16,
}

impl Address {
    /// The address in two fields; `None` if there is none.
    pub fn of(fields: &Fields, host: &str, port: &str) -> Option<Address> {
        let (host, port) = (text(fields, host), text(fields, port).parse().ok()?);
        (!host.is_empty() && host != "?" && port > 0).then(|| Address {
            host: host.to_owned(),
            port,
        })
    }

    /// Whether the host is an address of the machine itself; `None` for a name.
    pub fn is_loopback(&self) -> Option<bool> {
        match self.host.as_str() {
            "localhost" => Some(true),
            host => Some(host.parse::<IpAddr>().ok()?.is_loopback()),
        }
    }

    /// Whether the two are certainly different: a name may be another word for an address.
    pub fn differs(&self, other: &Address) -> bool {
        let ips = (self.host.parse::<IpAddr>(), other.host.parse::<IpAddr>());
        let hosts_differ = matches!(ips, (Ok(a), Ok(b)) if a != b);
        self.port != other.port || hosts_differ
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Why a server did not reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// No connection, or it was lost, or no reply in time.
    Unreachable(String),
    /// An error reply, such as to AUTH.
    Refused(String),
    /// Not the reply that such a server gives.
    Odd(String),
}

impl Fault {
    pub fn unreachable(why: &str) -> Fault {
        Fault::Unreachable(clean(why.as_bytes()))
    }

    /// Whether the login is the reason.
    pub fn is_login(&self) -> bool {
        let codes = ["NOAUTH", "WRONGPASS", "NOPERM", "ERR invalid password"];
        matches!(self, Fault::Refused(why) if codes.iter().any(|code| why.starts_with(code)))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Fault::Unreachable(why) | Fault::Refused(why) | Fault::Odd(why)) = self;
        f.write_str(why)
    }
}

/// The replies of a Sentinel.
#[derive(Clone, Debug, Default)]
pub(super) struct SentinelReplies {
    /// Empty if the Sentinel is too old to report it.
    pub id: String,
    pub info: Fields,
    /// By the name of the primary.
    pub views: BTreeMap<String, View>,
}

/// The replies of a Sentinel about a primary.
#[derive(Clone, Debug, Default)]
pub(super) struct View {
    pub primary: Fields,
    pub peers: Vec<Fields>,
    pub replicas: Vec<Fields>,
    /// The findings about the primary: from the Sentinel itself, or derived from its replies
    /// (`verdicts`).
    pub verdict: Vec<Finding>,
}

impl View {
    pub fn address(&self) -> Option<Address> {
        Address::of(&self.primary, "ip", "port")
    }

    pub fn knows(&self, id: &str) -> bool {
        self.peers.iter().any(|peer| text(peer, "runid") == id)
    }
}

/// A Sentinel that was asked, or that another Sentinel named.
#[derive(Clone, Debug)]
pub(super) struct Sentinel {
    pub id: String,
    pub at: Address,
    pub said: Result<SentinelReplies, Fault>,
}

/// The replies of a data node.
#[derive(Clone, Debug, Default)]
pub(super) struct DataNodeReplies {
    pub info: Fields,
    /// Whether `masterauth` is set; `None` if it may not be read.
    pub has_masterauth: Option<bool>,
    /// The node has a password, which the doctor used.
    pub has_password: bool,
    /// The user that we are.
    pub user: String,
    /// The links of Sentinels: the first characters of an id, and the user. `None` if not looked
    /// at.
    pub links: Option<BTreeSet<(String, String)>>,
    pub access: Access,
}

/// The rights that users of Sentinels lack.
#[derive(Clone, Debug, Default)]
pub(super) struct Access {
    /// By user: each refused command with the refusal.
    pub refused: BTreeMap<String, Vec<(&'static str, String)>>,
    /// Why the rights were not checked.
    pub(crate) unchecked: Option<String>,
}

/// All that was learned.
#[derive(Clone, Debug)]
pub(super) struct Group {
    /// Not empty: the first is the Sentinel that the arguments name.
    pub sentinels: Vec<Sentinel>,
    pub nodes: BTreeMap<Address, Result<DataNodeReplies, Fault>>,
    /// Addresses by which Sentinels are known that answered elsewhere or by another id, and why.
    pub stale: Vec<(Address, String)>,
    /// The servers or primaries left out because there are too many.
    pub left_out: Option<String>,
}

/// Text from elsewhere, fit for a terminal.
pub(crate) fn clean(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(4 * TEXT_MAX)]);
    let shown = |c: char| if c.is_control() { '?' } else { c };
    text.trim().chars().take(TEXT_MAX).map(shown).collect()
}

/// A reply as text; empty if it is none.
pub(crate) fn word(reply: &ReplyValue) -> String {
    match reply {
        ReplyValue::Simple(text) | ReplyValue::Bulk(text) => clean(text),
        ReplyValue::Integer(n) => n.to_string(),
        _ => String::new(),
    }
}

pub(crate) fn values(reply: &ReplyValue) -> &[ReplyValue] {
    match reply {
        ReplyValue::Array(values) | ReplyValue::Map(values) => values,
        _ => &[],
    }
}

/// Names and values in turn; an odd last name has no value.
pub(crate) fn fields(reply: &ReplyValue) -> Fields {
    let pairs = values(reply).chunks_exact(2).take(FIELDS_MAX);
    let pairs = pairs.map(|pair| (word(&pair[0]), word(&pair[1])));
    pairs.filter(|(name, _)| !name.is_empty()).collect()
}

/// A list of such; rows without fields are left out.
pub(super) fn rows(reply: &ReplyValue) -> Vec<Fields> {
    let rows = values(reply).iter().take(ROWS_MAX).map(fields);
    rows.filter(|row| !row.is_empty()).collect()
}

/// `[seconds, microseconds]` of TIME, in microseconds.
pub(crate) fn time_us(reply: &ReplyValue) -> Option<i64> {
    let [seconds, micros] = values(reply) else {
        return None;
    };
    let seconds: i64 = word(seconds).parse().ok()?;
    seconds
        .checked_mul(1_000_000)?
        .checked_add(word(micros).parse().ok()?)
}

/// Lines of `name:value`.
pub(crate) fn info(reply: &ReplyValue) -> Fields {
    let (ReplyValue::Bulk(text) | ReplyValue::Simple(text) | ReplyValue::Verbatim(text)) = reply
    else {
        return Fields::new();
    };
    let lines = text.split(|&byte| byte == b'\n').take(FIELDS_MAX);
    let pairs = lines.filter_map(|line| {
        let colon = line.iter().position(|&byte| byte == b':')?;
        Some((clean(&line[..colon]), clean(&line[colon + 1..])))
    });
    pairs.collect()
}

/// The links of Sentinels in CLIENT LIST: names of `sentinel-<8 of the id>-cmd`, with the user.
pub(super) fn sentinel_links(reply: &ReplyValue) -> BTreeSet<(String, String)> {
    let (ReplyValue::Bulk(text) | ReplyValue::Verbatim(text)) = reply else {
        return BTreeSet::new();
    };
    let mut found = BTreeSet::new();
    for line in String::from_utf8_lossy(text).lines() {
        let value = |name: &str| {
            let mut words = line.split(' ').filter_map(|word| word.split_once('='));
            words.find(|(key, _)| *key == name).map(|(_, value)| value)
        };
        let id =
            value("name").and_then(|name| name.strip_prefix("sentinel-")?.strip_suffix("-cmd"));
        if let Some(id) = id
            && found.len() < ROWS_MAX
        {
            let user = value("user").unwrap_or("default");
            found.insert((clean(id.as_bytes()), clean(user.as_bytes())));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> ReplyValue {
        ReplyValue::Bulk(text.as_bytes().to_vec())
    }

    #[test]
    fn rows_are_read_whatever_they_hold() {
        let row = ReplyValue::Array(vec![
            bulk("name"),
            bulk("a"),
            bulk("port"),
            ReplyValue::Integer(7),
            bulk("odd"),
        ]);
        let wanted = Fields::from([
            ("name".to_owned(), "a".to_owned()),
            ("port".to_owned(), "7".to_owned()),
        ]);
        assert_eq!(
            rows(&ReplyValue::Array(vec![
                row.clone(),
                ReplyValue::Null,
                bulk("x")
            ])),
            [wanted]
        );
        for odd in [
            ReplyValue::Null,
            ReplyValue::Integer(1),
            bulk("x"),
            ReplyValue::Array(vec![]),
        ] {
            assert!(rows(&odd).is_empty() && fields(&odd).is_empty());
            assert!(sentinel_links(&odd).is_empty() && time_us(&odd).is_none());
        }
        let many = ReplyValue::Array(vec![row; ROWS_MAX + 9]);
        assert_eq!(rows(&many).len(), ROWS_MAX);
        let escape = ReplyValue::Bulk(b"\x1b[2J\xff\r\n".to_vec());
        assert_eq!(word(&escape), "?[2J\u{fffd}");
        assert_eq!(word(&bulk(&"x".repeat(100_000))).len(), TEXT_MAX);
    }

    #[test]
    fn info_is_lines_of_names_and_values() {
        let read = info(&bulk(
            "# Server\r\nrun_id:ab\r\nno line\r\nslave0:ip=::1,port=7\r\n",
        ));
        assert_eq!(read.len(), 2);
        assert_eq!(
            (text(&read, "run_id"), text(&read, "slave0")),
            ("ab", "ip=::1,port=7")
        );
        assert_eq!(number(&read, "run_id"), None);
    }

    #[test]
    fn links_of_sentinels_have_their_name() {
        let list = "id=1 name=sentinel-29273d88-pubsub user=w\n\
                    id=2 name=sentinel-3d60ef9f-cmd age=1 user=watcher\n\
                    id=3 name=sentinel-3d60ef9f-cmd age=1\n id=4 name=x\n";
        let pair = |id: &str, user: &str| (id.to_owned(), user.to_owned());
        let wanted = [pair("3d60ef9f", "default"), pair("3d60ef9f", "watcher")];
        assert_eq!(sentinel_links(&bulk(list)), BTreeSet::from(wanted));
    }

    #[test]
    fn addresses_differ_only_if_that_is_certain() {
        let at = |host: &str, port| Address {
            host: host.to_owned(),
            port,
        };
        assert!(at("10.0.0.1", 1).differs(&at("10.0.0.2", 1)));
        assert!(at("a", 1).differs(&at("a", 2)));
        assert!(!at("a", 1).differs(&at("10.0.0.2", 1)));
        assert!(!at("::1", 1).differs(&at("0:0::1", 1)));
        let row = |host: &str, port: &str| {
            Fields::from([
                ("ip".to_owned(), host.to_owned()),
                ("port".to_owned(), port.to_owned()),
            ])
        };
        assert_eq!(Address::of(&row("?", "1"), "ip", "port"), None);
        assert_eq!(Address::of(&row("h", "65536"), "ip", "port"), None);
        assert_eq!(
            Address::of(&row("::1", "1"), "ip", "port").map(|a| a.to_string()),
            Some("[::1]:1".to_owned())
        );
    }
}
