//! The change stream at work: notes before units, readers of the stream, the part that is kept for
//! consumers.
//!
//! With `changes-retain` the stream is counted and kept in memory even without replicas, and notes
//! record when and for whom changes were made (`replication::change_stream`). A reader gets only
//! changes that survive a kill ([`Past::recoverable`]): a restarted server has everything that its
//! readers have. With REPLICAS a reader gets only changes that so many replicas have acknowledged,
//! so that the same holds after a failover.

use crate::clients::blocked::Until;
use crate::clients::client::{Client, ClientFlags};
use crate::parts::replication::changes::{Reader, WaitingReader};
use crate::parts::replication::past::{PIECE_BYTES, Past, SLICE_BYTES};
use crate::parts::users::Acl;
use crate::state::Server;
use crate::state::call::{CommandTable, Row};
use crate::state::world::Engine;
use russet_command::{Category, CommandError, DatabaseUse, Facts, Flags};
use russet_keyspace::{DbIndex, Keyspace};
use russet_replication::change_stream::{Context, Note, Unit, Units};
use russet_replication::{ReplId, ReplOffset, first_request};
use russet_resp::{Args, Span, write_request};

/// Slices of a turn, whatever the number of readers.
const SLICES_PER_TURN: usize = 16;
/// A command that finds nothing in this many bytes is answered with the position it has reached.
const SCAN_BYTES_MAX: u64 = 64 << 20;
/// Bytes of changes after which an answer is full.
const ANSWER_BYTES: usize = 1 << 20;

/// The filters and limits of a reader.
pub struct ChangeFilter<'a> {
    /// A change is wanted if any of its keys begins with any of these prefixes; empty: any change.
    pub prefixes: Vec<&'a [u8]>,
    pub db: Option<DbIndex>,
    /// A change is wanted if its command is of any of these types, or of no type.
    pub types: Option<Category>,
    /// Changes after which an answer is full.
    pub count: usize,
    /// A change is given once this many replicas have acknowledged it.
    pub replicas: usize,
    /// The row of the reading command; a key is readable if the user may run it with that key.
    pub row: usize,
}

/// The result of a slice of reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// The answer is full, or has taken long enough.
    Enough,
    /// There is more to read.
    More,
    /// The reader has everything up to this limit.
    AtEnd(ReplOffset),
}

/// Types, and the categories of their commands.
pub const TYPES: [(&str, Category); 15] = [
    ("string", STRINGS),
    ("list", Category::LIST),
    ("set", Category::SET),
    ("zset", Category::SORTEDSET.union(Category::GEO)),
    ("hash", Category::HASH),
    ("stream", Category::STREAM),
    ("array", Category::ARRAY),
    ("pathhash", Category::PATHHASH),
    ("json", Category::JSON),
    ("bloom", Category::BLOOM),
    ("cuckoo", Category::CUCKOO),
    ("cms", Category::CMS),
    ("topk", Category::TOPK),
    ("tdigest", Category::TDIGEST),
    ("timeseries", Category::TIMESERIES),
];
const STRINGS: Category = Category::STRING
    .union(Category::BITMAP)
    .union(Category::HYPERLOGLOG);

impl Server {
    /// The part of the stream that can be read.
    pub fn past(&self) -> Past<'_> {
        Past {
            stream: &self.stream,
            persist: &self.persist,
            replication: &self.replication,
        }
    }

    /// The next units are from this client: appends a note with its name, unless the last note has
    /// it. With the change stream off, the note marks them as unknown.
    #[inline]
    pub(crate) fn append_user_note(&mut self, by: Option<&Client>) {
        if self.stream.is_followed() {
            return;
        }
        if self.config.changes_retain == 0 {
            return self.append_note(Note::Unknown);
        }
        let user = by.map_or(&b""[..], |client| self.acl.users.name(client.user));
        let unix_ms = u64::try_from(self.now.unix_ms()).unwrap_or(0);
        let is_said = self.changes.is_said(unix_ms, user, self.stream.offset());
        if !is_said || self.persist.aof.begins() {
            let (user, db) = (user.to_vec(), self.stream.selected());
            let user = user.as_slice();
            self.append_note(Note::By { unix_ms, db, user });
        }
    }

    #[cold]
    fn append_note(&mut self, note: Note<'_>) {
        self.append_ping(&note.text());
        self.persist.aof.has_noted();
        self.changes.received(note, self.stream.offset());
    }

    /// Appends a PING with a message, which replicas and the log keep and pass over.
    pub(super) fn append_ping(&mut self, message: &[u8]) {
        let mut bytes = Vec::new();
        write_request(&mut bytes, [&b"PING"[..], message].into_iter());
        // The line about a flush belongs to the unit that follows.
        let aside = self.persist.aof.flushed_aside_ms.take();
        self.persist
            .append_stream(&mut self.stream, &self.now, &bytes, &bytes, 0);
        self.persist.aof.flushed_aside_ms = aside;
    }

    /// With the change stream on: opens the backlog, and keeps the changes that consumers have not
    /// read. With the change stream off: drops the readers, and runs waiting commands again.
    pub(crate) fn tend_changes(&mut self, keyspace: &mut Keyspace) {
        if self.config.changes_retain == 0 {
            self.changes.end_all();
            return self.hold_unread();
        }
        if self.stream.backlog().is_none() && !self.persist.loading.in_progress() {
            self.open_backlog(keyspace);
        }
        self.changes.drop_idle(self.now.mono_ms);
        self.hold_unread();
    }

    /// Files that a consumer has not read are kept from now on.
    pub fn hold_unread(&mut self) {
        let aof = &mut self.persist.aof;
        aof.follow_cursors(&self.config, &self.stream);
    }

    /// The position from which on the backlog is kept for consumers, and for commands that wait.
    /// With the append only file, the log's files are kept instead.
    pub(crate) fn unread_in_memory(&self) -> Option<ReplOffset> {
        let lowest = self.stream.cursors.lowest();
        let lowest = lowest
            .into_iter()
            .chain(self.changes.lowest_waiting())
            .min()?;
        let first = self.persist.aof.log().and_then(|log| log.first());
        let is_on_disk = first.is_some_and(|first| first <= lowest);
        if is_on_disk || self.config.changes_retain == 0 {
            return None;
        }
        let floor = self
            .stream
            .offset()
            .saturating_sub(self.config.changes_retain);
        Some(lowest.max(floor))
    }

    /// Reads the next slice for a command.
    pub fn read_changes(
        &mut self,
        reader: &mut Reader,
        wanted: &ChangeFilter<'_>,
        client: &Client,
    ) -> Result<Read, CommandError> {
        self.past().check_changes(reader)?;
        let limit = self.past().changes_limit(wanted.replicas);
        let mut left = SLICE_BYTES;
        let mut is_settled = false;
        loop {
            let mut units = std::mem::replace(&mut reader.units, Units::new(0, Context::default()));
            let unit = units.next(limit);
            let unit =
                unit.map_err(|_| CommandError::Text("ERR The stream cannot be read here"))?;
            if let Some(unit) = unit {
                if unit.end > reader.from && reader.lacks_database(&unit) {
                    self.past().begin_with_file(reader)?;
                    left = left.saturating_sub(PIECE_BYTES as u64);
                    continue;
                }
                if unit.end > reader.from {
                    take_unit(&self.table, &self.acl, reader, &unit, wanted, client);
                    reader.next = unit.end;
                }
                reader.units = units;
                is_settled = false;
                if reader.found.len() >= wanted.count || reader.bytes.len() >= ANSWER_BYTES {
                    return Ok(Read::Enough);
                }
                continue;
            }
            reader.units = units;
            // Units without a change count as read.
            reader.next = reader.next.max(reader.units.position());
            if left == 0 {
                // A unit that is longer than that is read to its end.
                let is_long = reader.scanned >= SCAN_BYTES_MAX && reader.next > reader.from;
                return Ok(if is_long { Read::Enough } else { Read::More });
            }
            let is_behind = reader.units.end() < limit;
            if is_behind && self.past().fill(reader, &mut left)? {
                continue;
            }
            if !is_settled {
                reader.units.settle();
                is_settled = true;
                continue;
            }
            // Replicas are asked to acknowledge their offsets; later writes ask by themselves.
            self.replication.asks_acks |= wanted.replicas > 0 && self.changes.wrote_to() > limit;
            return Ok(Read::AtEnd(limit));
        }
    }
}

/// Finds IDMP or IDMPAUTO in a command with these facts: the range of these words, and whether it
/// has added an entry (then it names the ID). Readers have no tables of idempotent IDs and get a
/// plain XADD.
fn idempotent(facts: Facts, words: &[&[u8]]) -> Option<(std::ops::Range<usize>, bool)> {
    let is = |at: usize, name: &str| {
        (words.get(at)).is_some_and(|word| word.eq_ignore_ascii_case(name.as_bytes()))
    };
    if !facts.contains(Facts::MAY_BE_IDEMPOTENT) {
        return None;
    }
    let (mut at, mut found) = (2, None);
    loop {
        let width = match () {
            () if is(at, "idmp") => 3,
            () if is(at, "idmpauto") || is(at, "limit") => 2,
            () if is(at, "maxlen") || is(at, "minid") => {
                2 + usize::from(is(at + 1, "~") || is(at + 1, "="))
            }
            () if ["nomkstream", "keepref", "delref", "acked"]
                .iter()
                .any(|name| is(at, name)) =>
            {
                1
            }
            () => break,
        };
        if is(at, "idmp") || is(at, "idmpauto") {
            found = Some(at..at + width);
        }
        at += width;
    }
    let id = *words.get(at)?;
    found.map(|words| (words, id != b"*"))
}

impl Engine {
    /// Continues the commands that read the change stream, if there is more for them.
    #[inline]
    pub(crate) fn serve_changes(&mut self) {
        if self.server.changes.waiting() > 0 {
            let now = (
                self.server.past().recoverable(),
                self.server.stream.history().id,
            );
            if self.server.changes.may_have_news(now) {
                self.serve_changes_now(now);
            }
        }
    }

    #[cold]
    fn serve_changes_now(&mut self, now: (ReplOffset, ReplId)) {
        let limit_now = now.0;
        let (mut served, mut others) = (0, Vec::new());
        for waiting in self.server.changes.take_waiting() {
            let session = self.server.clients.get(waiting.client);
            let blocked = session.and_then(|session| session.client.blocked.as_deref());
            if !blocked.is_some_and(|blocked| matches!(blocked.until, Until::Changes)) {
                // The client is gone, was unblocked, or its timeout has passed.
                self.server.changes.drop_unserved(waiting.client);
                continue;
            }
            let is_moved = waiting.history != self.server.stream.history().id;
            let has_news = waiting.limit.is_none_or(|limit| match waiting.replicas {
                _ if is_moved => true,
                0 => limit_now > limit,
                n => limit_now > limit && self.server.past().changes_limit(n) > limit,
            });
            match has_news {
                true if served < SLICES_PER_TURN => {
                    served += 1;
                    self.retry_by_id(waiting.client);
                }
                // In the next turn: there is more for it.
                true => others.push(WaitingReader {
                    limit: None,
                    ..waiting
                }),
                false => others.push(waiting),
            }
        }
        self.server.changes.wait_again(others, now);
    }
}

/// The keys of a change that a client wants and may see, by their arguments; `None`: the client
/// wants no part of the change, or may see none.
fn keys_wanted(
    acl: &Acl,
    (row, args): (Option<&Row>, Args<'_>),
    db: Option<DbIndex>,
    wanted: &ChangeFilter<'_>,
    client: &Client,
) -> Option<Vec<usize>> {
    let is_restricted = client.flags.contains(ClientFlags::RESTRICTED);
    let is_free = wanted.prefixes.is_empty() && !is_restricted;
    // The keys of a command that this version does not know are unknown as well.
    let Some(row) = row else {
        return is_free.then(Vec::new);
    };
    let databases = row.spec.databases;
    let concerns = |wanted: DbIndex| {
        let own = !matches!(databases, DatabaseUse::Named(_));
        own && db.is_none_or(|db| db == wanted) || databases.names(args, wanted.0)
    };
    if wanted.db.is_some_and(|wanted| !concerns(wanted)) {
        return None;
    }
    let types = TYPES
        .iter()
        .filter(|(_, its)| row.spec.categories.intersects(*its));
    let is_of = |wanted: Category| types.clone().any(|(_, its)| wanted.intersects(*its));
    if wanted
        .types
        .is_some_and(|wanted| types.clone().count() > 0 && !is_of(wanted))
    {
        return None;
    }
    let user = acl.users.get(client.user);
    let db = db.unwrap_or(client.db).0;
    let may_read = |at: usize| !is_restricted || user.may_read(wanted.row, db, args.at(at));
    let keys = if row.spec.flags.contains(Flags::CONTAINER) {
        None
    } else {
        row.keys(args).ok()
    };
    let mut all = keys.into_iter().flatten().map(|(at, _)| at).peekable();
    if all.peek().is_none() {
        // FLUSHALL and SWAPDB concern every key, a library of functions none.
        let concerns_keys = row.spec.categories.contains(Category::KEYSPACE);
        return (concerns_keys || is_free).then(Vec::new);
    }
    if !all.clone().all(may_read) {
        return None;
    }
    let begins = |at: &usize| {
        let prefixes = &wanted.prefixes;
        prefixes.is_empty()
            || prefixes
                .iter()
                .any(|prefix| args.at(*at).starts_with(prefix))
    };
    let keys: Vec<usize> = all.filter(begins).collect();
    (!keys.is_empty()).then_some(keys)
}

/// Takes the changes of a unit that the client wants and may see.
fn take_unit(
    table: &CommandTable,
    acl: &Acl,
    reader: &mut Reader,
    unit: &Unit<'_>,
    wanted: &ChangeFilter<'_>,
    client: &Client,
) {
    for change in unit.changes {
        let bytes = &unit.bytes[change.place.clone()];
        let Ok(mut request) = first_request(bytes) else {
            continue;
        };
        let mut plain = Vec::new();
        let mut bytes = bytes;
        let (name, next) = (request.words.first(), request.words.get(1));
        let row = name.and_then(|name| table.find_with(name, next.copied()));
        match row.and_then(|row| idempotent(row.spec.facts, &request.words)) {
            None => {}
            // It has added nothing.
            Some((_, false)) => continue,
            Some((words, true)) => {
                let others = request.words[..words.start].iter();
                let others: Vec<&[u8]> =
                    others.chain(&request.words[words.end..]).copied().collect();
                write_request(&mut plain, others.into_iter());
                bytes = &plain;
                request = first_request(bytes).expect("as it was written");
            }
        }
        let span = |word: &&[u8]| Span {
            start: word.as_ptr() as usize - bytes.as_ptr() as usize,
            len: word.len(),
        };
        let spans: Vec<Span> = request.words.iter().map(span).collect();
        let args = Args::new(bytes, &spans);
        let Some(keys) = keys_wanted(acl, (row, args), change.db, wanted, client) else {
            continue;
        };
        let place = |at: usize| spans[at].start..spans[at].start + spans[at].len;
        let keys = keys.into_iter().map(place).collect();
        reader.take(unit, change.db, (bytes, keys));
    }
}
