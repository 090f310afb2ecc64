//! CHANGES READ, CHANGES CONSUMER: the stream of effects as a list of changes (`changes-retain`),
//! and the positions up to which consumers have read it. russet's own; no other server has them.

use crate::arguments::{db_index, timeout};
use crate::help::{self, misused, write_help};
use russet_base::numbers::number::{parse_digits, parse_i64};
use russet_command::{Arity, Category, CommandError, DatabaseUse, Flags};
use russet_keyspace::DbIndex;
use russet_replication::change_stream::{CursorError, Note};
use russet_replication::{Position, ReplId, ReplOffset, first_request};
use russet_resp::{Args, Reply};
use russet_server::{
    CHANGE_TYPES, Call, ChangeFilter, ChangeReader, ChangesRead, CommandResult, MatchedChange,
    Origin, Spec,
};

/// Changes in a reply: the default and the maximum.
const COUNT: usize = 100;
const COUNT_MAX: u64 = 100_000;
/// Maximum number of prefixes, because READ compares each key with all of them.
const PREFIXES_MAX: usize = 1024;
/// Maximum number of slices in a transaction, which serves no other client between two of them.
const SLICES_AT_ONCE: usize = 32;
const FAR: CommandError =
    CommandError::Text("ERR The position is far back: read it outside of a transaction");
const OFF: CommandError =
    CommandError::Text("ERR The change stream is off: set changes-retain to the bytes to keep");
const NO_CONSUMER: CommandError = CommandError::Text("ERR No such consumer");
const BAD_POSITION: CommandError = CommandError::Text(
    "ERR Invalid position: an offset, <history>:<offset>, $ for the end, or - for the beginning",
);

pub(crate) const CHANGES: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: Flags::CONTAINER,
    subcommands: &[CONSUMER, HELP, READ],
    ..Spec::new("changes", help)
};

const HELP: Spec = help::row(help);

/// `CHANGES HELP`.
fn help(call: &mut Call<'_>) -> CommandResult {
    write_help(
        call,
        &[
            "READ <position>|CONSUMER <name> [COUNT <n>] [BLOCK <milliseconds>]",
            "        [PREFIX <prefix> [<prefix> ...]] [DB <index>] [TYPES <type> [<type> ...]]",
            "        [REPLICAS <n>]",
            "    The changes after a position, or after what a consumer has acknowledged.",
            "    <position>: the one that the last READ has answered, an offset, $ (the end),",
            "    - (the oldest change that is kept).",
            "    REPLICAS: only what so many replicas have acknowledged.",
            "CONSUMER CREATE <name> [<position>]",
            "    A consumer, which holds back what it has not acknowledged (changes-retain).",
            "CONSUMER ACK <name> <position>",
            "    The consumer has everything up to here.",
            "CONSUMER LIST",
            "    All consumers, and how far each is behind.",
            "CONSUMER DROP <name>",
            "    Remove a consumer.",
        ],
    );
    Ok(())
}

const READ: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: Flags::READONLY
        .union(Flags::NOSCRIPT)
        .union(Flags::BLOCKING),
    categories: Category::KEYSPACE.union(Category::DANGEROUS),
    tips: &["nondeterministic_output"],
    databases: DatabaseUse::All,
    ..Spec::new("read", read)
};

/// `CHANGES READ position|CONSUMER name [COUNT n] [BLOCK ms] [PREFIX p ...] [DB index] [TYPES t
/// ...] [REPLICAS n]`: the changes after a position, whole units only.
///
/// Reply: array of two: the position after all that was read, for the next READ or an ACK; and an
/// array of changes. A change is an array of six: the offset after the change's unit, Unix
/// milliseconds (of a note at most 100 ms before; null: unknown), database (null: unknown), user
/// (empty: no user's, as expiries are; null: unknown), the command as an array, and the command's
/// keys that the client asked for.
///
/// Errors: CHANGESLOST, if the server does not keep the stream after the position; DIVERGED, if the
/// position is not of this dataset's past. O(bytes of the stream that are read), in slices.
fn read(call: &mut Call<'_>) -> CommandResult {
    if call.server.config.changes_retain == 0 {
        call.server.changes.drop_reader(call.client.id);
        return Err(OFF);
    }
    let asked = ChangesRequest::parse(call)?;
    let (id, now_ms) = (call.client.id, call.server.now.mono_ms);
    let continues = matches!(call.origin, Origin::Retry | Origin::TimeUp);
    let reader = if continues {
        call.server.changes.reader_of(id)
    } else {
        let from = asked.from.offset(call)?;
        call.server.changes.reader_at(id, from)
    };
    let mut reader = match reader {
        Some(reader) => reader,
        None => {
            let from = asked.from.offset(call)?;
            call.server
                .past()
                .open_changes(&call.server.changes, from)?
        }
    };
    call.server.past().check_changes(&mut reader)?;
    if call.origin != Origin::TimeUp {
        let mut slices = 0;
        let waits_for_ms = loop {
            match call
                .server
                .read_changes(&mut reader, &asked.wanted, call.client)?
            {
                ChangesRead::Enough => break None,
                ChangesRead::More if call.may_block() => {
                    break Some((None, asked.block_ms.unwrap_or(0)));
                }
                ChangesRead::More if slices < SLICES_AT_ONCE => slices += 1,
                ChangesRead::More if reader.has_progress() => break None,
                ChangesRead::More => return Err(FAR),
                ChangesRead::AtEnd(limit) => {
                    let block_ms = asked.block_ms.filter(|_| reader.found.is_empty());
                    let block_ms = block_ms.filter(|_| call.may_block());
                    break block_ms.map(|ms| (Some(limit), ms));
                }
            }
        };
        if let Some((limit, ms)) = waits_for_ms {
            call.block_on_changes(reader, limit, asked.wanted.replicas, ms);
            return Ok(());
        }
    }
    let history = call.server.stream.history().id;
    write_answer(call.reply, history, &reader);
    call.server.changes.keep(id, reader, now_ms);
    Ok(())
}

fn write_answer(reply: &mut Reply, history: ReplId, reader: &ChangeReader) {
    reply.array(2);
    reply.bulk(format!("{history}:{}", reader.next).as_bytes());
    reply.array(reader.found.len());
    for found in &reader.found {
        write_change(reply, found, &reader.bytes);
    }
}

fn write_change(reply: &mut Reply, found: &MatchedChange, bytes: &[u8]) {
    reply.array(6);
    let number = |reply: &mut Reply, n: Option<u64>| match n {
        Some(n) => reply.int(i64::try_from(n).unwrap_or(i64::MAX)),
        None => reply.null(),
    };
    number(reply, Some(found.end));
    number(reply, found.unix_ms);
    number(reply, found.db.map(|db| u64::from(db.0)));
    match &found.user {
        Some(user) => reply.bulk(user),
        None => reply.null(),
    }
    let request = first_request(&bytes[found.request.clone()]);
    let words = request.map_or_else(|_| Vec::new(), |request| request.words);
    reply.array(words.len());
    words.iter().for_each(|word| reply.bulk(word));
    reply.array(found.keys.len());
    for key in &found.keys {
        reply.bulk(&bytes[key.clone()]);
    }
}

/// Where a command begins to read.
enum Start<'a> {
    At(PositionWord),
    Consumer(&'a [u8]),
}

/// A position in the words of a client.
#[derive(Clone, Copy)]
enum PositionWord {
    Beginning,
    End,
    Offset(ReplOffset),
    Position(Position),
}

impl PositionWord {
    fn parse(text: &[u8]) -> Result<PositionWord, CommandError> {
        match text {
            b"$" => return Ok(PositionWord::End),
            b"-" => return Ok(PositionWord::Beginning),
            _ => {}
        }
        let place = match text.split_at_checked(40) {
            Some((id, rest)) => ReplId::parse(id).and_then(|id| {
                let offset = parse_digits(rest.strip_prefix(b":")?)?;
                Some(PositionWord::Position(Position { id, offset }))
            }),
            None => parse_digits(text).map(PositionWord::Offset),
        };
        place.ok_or(BAD_POSITION)
    }

    /// The offset of the position, which is in this dataset's past.
    fn offset(self, call: &Call<'_>) -> Result<ReplOffset, CommandError> {
        let server = &call.server;
        let end = server.stream.offset();
        match self {
            PositionWord::Beginning => Ok(server.past().first_change().unwrap_or(end)),
            PositionWord::End => Ok(end),
            PositionWord::Offset(offset) if offset <= end => Ok(offset),
            PositionWord::Offset(_) => Err(CommandError::owned(format!(
                "ERR The offset is beyond the end of the stream, {end}"
            ))),
            PositionWord::Position(position) => server.past().past_offset(position),
        }
    }
}

impl Start<'_> {
    fn offset(&self, call: &Call<'_>) -> Result<ReplOffset, CommandError> {
        match self {
            Start::At(place) => place.offset(call),
            Start::Consumer(name) => {
                let cursor = call.server.stream.cursors.get(name);
                let cursor = cursor.ok_or(NO_CONSUMER)?;
                if cursor.is_lost {
                    Err(call.server.past().changes_lost(cursor.offset))
                } else {
                    Ok(cursor.offset)
                }
            }
        }
    }
}

/// A parsed `CHANGES READ`.
struct ChangesRequest<'a> {
    from: Start<'a>,
    wanted: ChangeFilter<'a>,
    /// 0: no timeout. `None`: the command does not block.
    block_ms: Option<u64>,
}

impl<'a> ChangesRequest<'a> {
    fn parse(call: &mut Call<'a>) -> Result<ChangesRequest<'a>, CommandError> {
        let args = call.args;
        let (from, mut at) = if args.is(2, "CONSUMER") {
            let name = args.get(3).ok_or(CommandError::Syntax)?;
            (Start::Consumer(name), 4)
        } else {
            (Start::At(PositionWord::parse(args.at(2))?), 3)
        };
        let mut asked = ChangesRequest {
            from,
            wanted: ChangeFilter {
                prefixes: Vec::new(),
                db: None,
                types: None,
                count: COUNT,
                replicas: 0,
                row: call.row,
            },
            block_ms: None,
        };
        while at < args.len() {
            let operand = args.get(at + 1).ok_or(CommandError::Syntax)?;
            // The parser takes the first word of a list as it is, so that a prefix may equal an
            // option's word.
            let behind = at
                + 2
                + args
                    .from(at + 2)
                    .iter()
                    .take_while(|word| !is_word(word))
                    .count();
            let mut next = at + 2;
            if args.is(at, "COUNT") {
                let count = parse_digits(operand).filter(|n| (1..=COUNT_MAX).contains(n));
                let count =
                    count.ok_or(CommandError::Text("ERR COUNT must be from 1 to 100000"))?;
                asked.wanted.count = count as usize;
            } else if args.is(at, "BLOCK") {
                let ms = timeout::millis(operand, call.db.keyspace().now_ms())?;
                asked.block_ms = Some(ms);
            } else if args.is(at, "DB") {
                let index = parse_i64(operand).and_then(|n| i32::try_from(n).ok());
                let index = index.ok_or(CommandError::Text("ERR invalid DB index"))?;
                let db: DbIndex = db_index::existing(call, index)?;
                asked.wanted.db = Some(db);
            } else if args.is(at, "REPLICAS") {
                let replicas = parse_digits(operand).and_then(|n| usize::try_from(n).ok());
                asked.wanted.replicas = replicas.ok_or(CommandError::NotAnInteger)?;
            } else if args.is(at, "PREFIX") {
                asked
                    .wanted
                    .prefixes
                    .extend(args.first(behind).from(at + 1).iter());
                next = behind;
            } else if args.is(at, "TYPES") {
                let mut types = asked.wanted.types.unwrap_or(Category::empty());
                for name in args.first(behind).from(at + 1).iter() {
                    types |= type_named(name)?;
                }
                asked.wanted.types = Some(types);
                next = behind;
            } else {
                return Err(CommandError::Syntax);
            }
            at = next;
        }
        if asked.wanted.prefixes.len() > PREFIXES_MAX {
            return Err(CommandError::Text("ERR too many prefixes: at most 1024"));
        }
        Ok(asked)
    }
}

/// Whether an argument is the name of an option, which ends a list before it.
fn is_word(arg: &[u8]) -> bool {
    const WORDS: [&str; 6] = ["COUNT", "BLOCK", "PREFIX", "DB", "TYPES", "REPLICAS"];
    let is = |word: &&str| arg.eq_ignore_ascii_case(word.as_bytes());
    WORDS.iter().any(is)
}

fn type_named(name: &[u8]) -> Result<Category, CommandError> {
    let is = |of: &str| name.eq_ignore_ascii_case(of.as_bytes());
    let found = CHANGE_TYPES.iter().find(|(of, _)| is(of));
    let found = found.map(|&(_, categories)| categories);
    found.ok_or(CommandError::Text("ERR unknown type name"))
}

const CONSUMER: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: Flags::MAY_REPLICATE.union(Flags::NOSCRIPT),
    categories: Category::KEYSPACE.union(Category::DANGEROUS),
    databases: DatabaseUse::All,
    ..Spec::new("consumer", consumer)
};

/// `CHANGES CONSUMER CREATE name [position] | ACK name position | LIST | DROP name`: the positions
/// up to which consumers have read. They are part of the stream: replicas and files have them.
///
/// Reply: CREATE: OK. ACK: 1, or 0 if the consumer was there before. DROP: 1, or 0 if there is
/// none. LIST: array of maps (flat arrays in RESP2): `name`, `offset`, `lag` (bytes of the stream),
/// `lost` (1: the server no longer keeps the stream after the offset). O(consumers).
fn consumer(call: &mut Call<'_>) -> CommandResult {
    if call.server.config.changes_retain == 0 {
        return Err(OFF);
    }
    let args = call.args;
    match () {
        () if args.is(2, "LIST") && args.len() == 3 => list(call),
        () if args.is(2, "CREATE") && (4..=5).contains(&args.len()) => create(call, args),
        () if args.is(2, "ACK") && args.len() == 5 => ack(call, args),
        () if args.is(2, "DROP") && args.len() == 4 => drop_consumer(call, args),
        () => Err(misused(args.from(1))),
    }
}

fn list(call: &mut Call<'_>) -> CommandResult {
    let server = &call.server;
    let (end, first) = (server.stream.offset(), server.past().first_change());
    let reply = &mut *call.reply;
    let cursors = &server.stream.cursors;
    reply.array(cursors.len());
    for (name, cursor) in cursors.iter() {
        let is_gone = cursor.offset < end && first.is_none_or(|first| cursor.offset < first);
        let is_lost = cursor.is_lost || is_gone;
        reply.map(4);
        reply.bulk(b"name");
        reply.bulk(name);
        for (field, n) in [
            ("offset", cursor.offset),
            ("lag", end.saturating_sub(cursor.offset)),
            ("lost", u64::from(is_lost)),
        ] {
            reply.bulk(field.as_bytes());
            reply.int(i64::try_from(n).unwrap_or(i64::MAX));
        }
    }
    Ok(())
}

fn create(call: &mut Call<'_>, args: Args<'_>) -> CommandResult {
    let name = args.at(3);
    writes(call)?;
    call.server.stream.cursors.admits(name).map_err(refusal)?;
    let place = args
        .get(4)
        .map_or(Ok(PositionWord::End), PositionWord::parse)?;
    let offset = place.offset(call)?;
    if offset < call.server.stream.offset() {
        call.server
            .past()
            .open_changes(&call.server.changes, offset)?;
    }
    note(call, Note::Cursor { offset, name });
    call.server.hold_unread();
    call.reply.ok();
    Ok(())
}

fn ack(call: &mut Call<'_>, args: Args<'_>) -> CommandResult {
    let name = args.at(3);
    writes(call)?;
    let cursor = call.server.stream.cursors.get(name).ok_or(NO_CONSUMER)?;
    let offset = PositionWord::parse(args.at(4))?.offset(call)?;
    let is_further = offset > cursor.offset || cursor.is_lost;
    if is_further {
        note(call, Note::Cursor { offset, name });
    }
    call.reply.int(i64::from(is_further));
    Ok(())
}

fn drop_consumer(call: &mut Call<'_>, args: Args<'_>) -> CommandResult {
    let name = args.at(3);
    writes(call)?;
    let exists = call.server.stream.cursors.get(name).is_some();
    if exists {
        note(call, Note::NoCursor { name });
    }
    call.reply.int(i64::from(exists));
    Ok(())
}

/// Only a primary changes consumers' positions.
fn writes(call: &Call<'_>) -> Result<(), CommandError> {
    if call.server.replication.is_replica() {
        Err(CommandError::Text(
            "READONLY Consumers are changed on the primary",
        ))
    } else {
        Ok(())
    }
}

/// Changes a cursor, here and, by the note in the stream, wherever that goes.
fn note(call: &mut Call<'_>, note: Note<'_>) {
    call.server.stream.cursors.apply(note);
    call.rewrite(&[b"PING", &note.text()]);
}

fn refusal(error: CursorError) -> CommandError {
    CommandError::Text(match error {
        CursorError::Exists => "BUSY The consumer exists already",
        CursorError::TooMany => "ERR Too many consumers: at most 1024",
        CursorError::BadName => {
            "ERR Invalid name of a consumer: 1 to 256 bytes without control characters"
        }
    })
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};

    fn bed() -> Testbed {
        let mut t = Testbed::unheard();
        assert_eq!(t.run("CONFIG SET changes-retain 1mb"), "+OK\r\n");
        t
    }

    /// The commands of the changes in a reply, each with the keys.
    fn read(t: &mut Testbed, line: &str) -> Vec<String> {
        let reply = t.run(line);
        let words = |text: &str| -> Vec<String> {
            let lines = text.split("\r\n").filter(|line| !line.is_empty());
            lines
                .filter(|line| !line.starts_with(['$', '*', ':']))
                .map(str::to_owned)
                .collect()
        };
        let changes = reply.split("*6\r\n").skip(1);
        changes.map(|change| words(change).join(" ")).collect()
    }

    #[test]
    fn changes_have_their_time_user_and_database() {
        let mut t = bed();
        t.run("SET a 1");
        t.run("SELECT 3");
        t.advance_ms(150);
        t.run("INCR b");
        t.run("GET b");
        let reply = t.run("CHANGES READ -");
        let id = t.engine.server.stream.history().id;
        let end = t.engine.server.stream.offset();
        assert!(
            reply.contains(&format!("\r\n{id}:{end}\r\n*2\r\n")),
            "{reply}"
        );
        let second = format!(
            "*6\r\n:{end}\r\n:1000000150\r\n:3\r\n$7\r\ndefault\r\n*2\r\n$4\r\nINCR\r\n$1\r\nb\r\n*1\r\n$1\r\nb\r\n"
        );
        assert!(reply.ends_with(&second), "{reply}");
    }

    #[test]
    fn only_what_is_asked_for_is_answered() {
        let mut t = bed();
        for line in [
            "SET a:1 x",
            "MSET a:2 x b:2 y",
            "LPUSH b:3 z",
            "DEL a:1",
            "FLUSHDB",
        ] {
            t.run(line);
        }
        for (line, wanted) in [
            ("CHANGES READ - PREFIX a:", 4),
            ("CHANGES READ - PREFIX a: b:3", 5),
            ("CHANGES READ - PREFIX a: PREFIX b:", 5),
            ("CHANGES READ - PREFIX PREFIX", 1),
            ("CHANGES READ - TYPES list", 3),
            ("CHANGES READ - TYPES hash stream PREFIX b", 1),
            ("CHANGES READ - DB 1", 0),
            ("CHANGES READ - COUNT 2", 2),
            ("CHANGES READ $", 0),
        ] {
            assert_eq!(read(&mut t, line).len(), wanted, "{line}");
        }
        let keys = read(&mut t, "CHANGES READ - PREFIX b:2");
        assert_eq!(keys[0], "default MSET a:2 x b:2 y b:2");
    }

    #[test]
    fn an_idempotent_entry_is_an_entry() {
        let mut t = bed();
        t.run("XADD s MAXLEN ~ 1000 IDMP p i 5-1 a b");
        t.run("XADD s KEEPREF MAXLEN 9 IDMP p i * a b");
        t.run("XADD s IDMP p i * a b");
        t.run("XADD s MAXLEN 9 IDMPAUTO p * idmp b");
        let found = read(&mut t, "CHANGES READ -");
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(
            !found.concat().contains("IDMP") && found[1].ends_with(" idmp b s"),
            "{found:?}"
        );
    }

    #[test]
    fn a_change_is_of_the_databases_that_it_names() {
        let mut t = bed();
        for line in [
            "SELECT 1",
            "SET a 1",
            "COPY a b",
            "COPY a b DB 2",
            "MOVE b 3",
            "SWAPDB 1 4",
        ] {
            t.run(line);
        }
        for (db, wanted) in [(0, 0), (1, 5), (2, 1), (3, 1), (4, 1), (5, 0)] {
            let found = read(&mut t, &format!("CHANGES READ - DB {db}"));
            assert_eq!(found.len(), wanted, "{db} {found:?}");
        }
    }

    #[test]
    fn a_transaction_is_read_whole() {
        let mut t = bed();
        for line in ["MULTI", "SET a 1", "SET b 1", "SET c 1", "EXEC"] {
            t.run(line);
        }
        assert_eq!(read(&mut t, "CHANGES READ - COUNT 1").len(), 3);
    }

    #[test]
    fn a_user_sees_what_it_may_read() {
        let mut t = bed();
        t.run("ACL SETUSER app on nopass ~own:* %R~seen:* %W~written:* +changes +auth");
        for line in [
            "SET own:1 x",
            "SET seen:1 x",
            "SET written:1 x",
            "MSET own:1 x other x",
            "FUNCTION FLUSH",
            "FLUSHALL",
        ] {
            t.run(line);
        }
        t.run("AUTH app x");
        let keys = read(&mut t, "CHANGES READ -");
        let wanted = ["SET own:1 x own:1", "SET seen:1 x seen:1", "FLUSHALL"];
        assert_eq!(keys, wanted.map(|line| format!("default {line}")));
    }

    #[test]
    fn cursors_move_forward_and_are_effects() {
        let mut t = bed();
        assert_eq!(t.run("CHANGES CONSUMER CREATE c"), "+OK\r\n");
        t.run("SET a 1");
        assert_eq!(read(&mut t, "CHANGES READ CONSUMER c").len(), 1);
        assert_eq!(t.run("CHANGES CONSUMER ACK c $"), ":1\r\n");
        assert_eq!(t.run("CHANGES CONSUMER ACK c 0"), ":0\r\n");
        assert!(read(&mut t, "CHANGES READ CONSUMER c").is_empty());
        assert_eq!(t.run("CHANGES CONSUMER DROP c"), ":1\r\n");
        assert_eq!(t.run("CHANGES CONSUMER DROP c"), ":0\r\n");
        assert_eq!(t.run("CHANGES CONSUMER LIST"), "*0\r\n");
    }

    #[test]
    fn mistakes_are_reported() {
        let mut t = bed();
        t.run("CHANGES CONSUMER CREATE c");
        for (line, wanted) in [
            (
                "CHANGES READ 9999",
                "ERR The offset is beyond the end of the stream, ",
            ),
            ("CHANGES READ x", "ERR Invalid position"),
            (
                "CHANGES READ 0123456789012345678901234567890123456789:0",
                "DIVERGED ",
            ),
            ("CHANGES READ CONSUMER d", "ERR No such consumer"),
            ("CHANGES READ CONSUMER", "ERR syntax error"),
            ("CHANGES READ 0 COUNT 0", "ERR COUNT must be"),
            ("CHANGES READ 0 COUNT", "ERR syntax error"),
            ("CHANGES READ 0 DB 99", "ERR DB index is out of range"),
            ("CHANGES READ 0 TYPES lists", "ERR unknown type name"),
            ("CHANGES READ 0 NOPE 1", "ERR syntax error"),
            ("CHANGES CONSUMER CREATE c", "BUSY "),
            ("CHANGES CONSUMER CREATE d 9999", "ERR The offset is beyond"),
            ("CHANGES CONSUMER ACK d 0", "ERR No such consumer"),
            (
                "CHANGES CONSUMER ACK c",
                "ERR unknown subcommand or wrong number",
            ),
            ("CHANGES CONSUMER NOPE", "ERR unknown subcommand"),
        ] {
            let reported = t.run(line);
            assert!(
                reported.starts_with(&format!("-{wanted}")),
                "{line}: {reported}"
            );
        }
        t.run("CONFIG SET changes-retain 0");
        for line in ["CHANGES READ 0", "CHANGES CONSUMER LIST"] {
            assert!(
                t.run(line).starts_with("-ERR The change stream is off"),
                "{line}"
            );
        }
    }
}
