//! Whether a replica has the same data as its primary.
//!
//! All servers have the same algorithm for DEBUG DIGEST. The digest covers neither times of expiry
//! nor consumer groups nor functions, so the comparison reads them key by key.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::node::{Kind, Node, wait};
use super::writes::{DATABASES, FIELDS_WITH_TTL};
use crate::support::Connection;
use crate::support::resp::{Reply, command, printable};

/// Time limit until a replica has applied the primary's writes.
pub const CAUGHT_UP: Duration = Duration::from_secs(30);
/// Time limit until equal offsets mean equal data, because at first a key or field may have expired
/// on one side only.
const SETTLED: Duration = Duration::from_secs(5);
/// Differing keys that a failure names.
const NAMED_MAX: usize = 10;

/// Waits until the replica has the primary's offset. No client may write at the same time.
pub fn wait_for_offsets(primary: &Node, replica: &Node) -> Result<i64, String> {
    let mut offset = -1;
    wait(CAUGHT_UP, "equal offsets", || {
        let (Ok(ours), Ok(theirs)) = (primary.info(), replica.info()) else {
            return false;
        };
        offset = ours.number("master_repl_offset");
        theirs.text("master_link_status") == "up" && theirs.number("slave_repl_offset") == offset
    })?;
    Ok(offset)
}

/// Fails unless both have the same data. No client may write at the same time.
pub fn compare(primary: &Node, replica: &Node) -> Result<(), String> {
    let until = Instant::now() + SETTLED;
    loop {
        let offset = wait_for_offsets(primary, replica)?;
        let difference = difference(primary, replica)?;
        // A PING, or a key that expires between the two readings, may cause a difference but never
        // hide a difference.
        let has_moved = primary.info()?.number("master_repl_offset") != offset;
        match difference {
            None => return Ok(()),
            Some(what) if !has_moved && Instant::now() > until => return Err(what),
            _ if Instant::now() > until + CAUGHT_UP => {
                return Err("the primary's offset never rests".to_owned());
            }
            _ => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

fn difference(primary: &Node, replica: &Node) -> Result<Option<String>, String> {
    let digests = (primary.ask("DEBUG DIGEST")?, replica.ask("DEBUG DIGEST")?);
    // Redis 7.0 does not replicate the count of entries read by a group.
    let counts = primary.kind != Kind::Redis70 && replica.kind != Kind::Redis70;
    let (ours, theirs) = (details(primary, counts)?, details(replica, counts)?);
    if digests.0 == digests.1 && ours == theirs {
        return Ok(None);
    }
    let (ours, theirs) = (values(primary, ours)?, values(replica, theirs)?);
    let keys: BTreeSet<_> = ours.keys().chain(theirs.keys()).collect();
    let differing: Vec<String> = keys
        .into_iter()
        .filter(|&key| ours.get(key) != theirs.get(key))
        .map(|key| {
            let of = |side: &Details| match side.get(key) {
                Some(facts) => format!("{facts:?}"),
                None => "absent".to_owned(),
            };
            let (db, name) = key;
            format!(
                "db {db} {}: {} / {}",
                printable(name),
                of(&ours),
                of(&theirs)
            )
        })
        .collect();
    Ok(Some(format!(
        "{} keys differ (primary / replica); digests {} / {}\n{}",
        differing.len(),
        shown(&digests.0),
        shown(&digests.1),
        differing[..differing.len().min(NAMED_MAX)].join("\n")
    )))
}

/// A reply as short text.
fn shown(reply: &Reply) -> String {
    match reply {
        Reply::Integer(n) => n.to_string(),
        Reply::Null => "nil".to_owned(),
        Reply::Array(items) | Reply::Set(items) => {
            let items: Vec<String> = items.iter().map(shown).collect();
            format!("[{}]", items.join(" "))
        }
        other => other.text().map_or_else(|| format!("{other:?}"), printable),
    }
}

/// The facts outside the digest, by database and key.
type Details = BTreeMap<(usize, Vec<u8>), Vec<String>>;

fn details(node: &Node, counts: bool) -> Result<Details, String> {
    let mut all = Details::new();
    let mut c = Asker::new(node)?;
    for db in 0..DATABASES {
        c.ask(&[["SELECT".to_owned(), db.to_string()]])?;
        let keys = c.keys()?;
        let asked = |name: &str| -> Vec<Vec<Vec<u8>>> {
            let keys = keys.iter();
            keys.map(|key| vec![name.as_bytes().to_vec(), key.clone()])
                .collect()
        };
        let expiry = c.ask(&asked("PEXPIRETIME"))?;
        for (key, at) in keys.iter().zip(expiry) {
            let mut facts = vec![shown(&at)];
            let name = String::from_utf8_lossy(key);
            if name.starts_with("stream:") {
                facts.extend(c.groups(&name, counts)?);
            }
            if name.starts_with("fields:") && node.kind.has_field_ttls() {
                facts.push(c.field_ttls(&name)?);
            }
            all.insert((db, key.clone()), facts);
        }
    }
    let mut libraries: Vec<String> = Vec::new();
    let listed = c.ask(&[["FUNCTION", "LIST", "WITHCODE"]])?;
    collect_texts(&listed[0], &mut libraries);
    libraries.retain(|text| text.starts_with("#!"));
    libraries.sort();
    all.insert((usize::MAX, b"functions".to_vec()), libraries);
    Ok(all)
}

/// The details, and the digest of each key's value.
fn values(node: &Node, mut details: Details) -> Result<Details, String> {
    let mut c = Asker::new(node)?;
    for db in 0..DATABASES {
        c.ask(&[["SELECT".to_owned(), db.to_string()]])?;
        let of_db: Vec<_> = details
            .range_mut((db, Vec::new())..(db + 1, Vec::new()))
            .collect();
        let digests: Vec<Vec<Vec<u8>>> = of_db
            .iter()
            .map(|((_, key), _)| vec![b"DEBUG".to_vec(), b"DIGEST-VALUE".to_vec(), key.clone()])
            .collect();
        let digests = c.ask(&digests)?;
        for ((_, facts), digest) in of_db.into_iter().zip(digests) {
            let mut texts = Vec::new();
            collect_texts(&digest, &mut texts);
            facts.extend(texts);
        }
    }
    Ok(details)
}

fn collect_texts(reply: &Reply, texts: &mut Vec<String>) {
    match reply {
        Reply::Array(items) | Reply::Set(items) => {
            items.iter().for_each(|item| collect_texts(item, texts));
        }
        Reply::Map(pairs) => pairs
            .iter()
            .for_each(|(_, value)| collect_texts(value, texts)),
        other => texts.extend(
            other
                .text()
                .map(|text| String::from_utf8_lossy(text).into_owned()),
        ),
    }
}

/// A connection that sends many requests at a time.
struct Asker {
    c: Connection,
}

impl Asker {
    fn new(node: &Node) -> Result<Asker, String> {
        let c = Connection::open(node.port()).map_err(|error| error.to_string())?;
        Ok(Asker { c })
    }

    fn ask<A, W>(&mut self, commands: &[A]) -> Result<Vec<Reply>, String>
    where
        A: AsRef<[W]>,
        W: AsRef<[u8]>,
    {
        const AT_A_TIME: usize = 500;
        let mut replies = Vec::new();
        for some in commands.chunks(AT_A_TIME) {
            let bytes: Vec<u8> = some.iter().flat_map(|one| command(one.as_ref())).collect();
            self.c.write(&bytes).map_err(|error| error.to_string())?;
            for _ in some {
                replies.push(self.c.read().map_err(|error| error.to_string())?.1);
            }
        }
        Ok(replies)
    }

    /// The keys of the database, sorted.
    fn keys(&mut self) -> Result<Vec<Vec<u8>>, String> {
        let mut keys = BTreeSet::new();
        let mut cursor = b"0".to_vec();
        loop {
            let asked = vec![
                b"SCAN".to_vec(),
                cursor.clone(),
                b"COUNT".to_vec(),
                b"1000".to_vec(),
            ];
            let replies = self.ask(&[asked])?;
            let Some([Reply::Bulk(next), Reply::Array(some)]) = replies[0].items() else {
                return Err(format!("SCAN: {:?}", replies[0]));
            };
            keys.extend(some.iter().filter_map(|key| key.text().map(<[u8]>::to_vec)));
            cursor.clone_from(next);
            if cursor == b"0" {
                return Ok(keys.into_iter().collect());
            }
        }
    }

    /// Groups and their pending entries, without times of delivery and of last use.
    fn groups(&mut self, stream: &str, counts: bool) -> Result<Vec<String>, String> {
        let groups = self.ask(&[["XINFO", "GROUPS", stream]])?;
        let mut facts = Vec::new();
        for group in groups[0].items().unwrap_or_default() {
            // The number of consumers is left out, because a consumer without entries is not
            // replicated.
            let Some([_, Reply::Bulk(name), _, _, others @ ..]) = group.items() else {
                continue;
            };
            // The number of pending entries and the last delivered id; then, as names and values,
            // entries read and lag.
            let length = if counts { others.len() } else { 4 };
            let others: Vec<String> = others[..length].iter().map(shown).collect();
            facts.push(format!("{} {}", printable(name), others.join(" ")));
            let name = String::from_utf8_lossy(name);
            let pending = self.ask(&[["XPENDING", stream, &name, "-", "+", "10000"]])?;
            for entry in pending[0].items().unwrap_or_default() {
                if let Some([id, consumer, _idle, deliveries]) = entry.items() {
                    facts.push([id, consumer, deliveries].map(shown).join(" "));
                }
            }
        }
        Ok(facts)
    }

    fn field_ttls(&mut self, hash: &str) -> Result<String, String> {
        let count = FIELDS_WITH_TTL.to_string();
        let fields: Vec<String> = (0..FIELDS_WITH_TTL).map(|n| format!("f{n}")).collect();
        let mut words = vec!["HPEXPIRETIME", hash, "FIELDS", &count];
        words.extend(fields.iter().map(String::as_str));
        Ok(shown(&self.ask(&[words])?[0]))
    }
}
