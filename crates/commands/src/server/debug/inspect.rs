//! DEBUG OBJECT, HTSTATS, HTSTATS-KEY, LISTPACK, BITMAP-RAW: how values are stored.
//!
//! The text of OBJECT is Redis's, because tools parse it; the texts about tables describe russet's
//! tables, by segments and cache lines. No subcommand counts as a use of a key, and OBJECT finds
//! expired keys, too.
//!
//! Cost: OBJECT O(length of the value), because it measures the RDB form; HTSTATS O(segments).

use std::fmt::Write;

use crate::generic::references;
use russet_base::numbers::number::parse_i64;
use russet_command::CommandError;
use russet_encodings::hashtable::Shape;
use russet_encodings::listpack::Listpack;
use russet_keyspace::DbIndex;
use russet_persistence::rdb::{RdbWriter, VERSION_MEMBER_TTLS};
use russet_server::{Call, CommandResult};
use russet_types::{Bitmap, Container, List, Type, for_container};

/// `DEBUG OBJECT key`: a simple string of `name:value` pairs, including the value's size in an RDB
/// file in bytes. O(length of the value).
pub(crate) fn object(call: &mut Call<'_>) -> CommandResult {
    let key = call.args.at(2);
    let info = call
        .db
        .info_even_expired(key)
        .ok_or(CommandError::NoSuchKey)?;
    let mut writer = RdbWriter::new(
        VERSION_MEMBER_TTLS,
        call.server.config.rdbcompression.of_strings(),
    );
    let serialized = call
        .db
        .view_even_expired(key)
        .map_or(0, |its| writer.measure(&its.value));
    let now_s = (call.db.now_ms() / 1000) as u32;
    let mut line = format!(
        "Value at:{:#x} refcount:{} encoding:{} serializedlength:{serialized} lru:{} lru_seconds_idle:{}",
        info.address,
        references(call, key),
        info.encoding.name_under(call.db.limits()),
        now_s.wrapping_sub(info.idle_seconds) & 0xff_ffff,
        info.idle_seconds,
    );
    if info.kind == Type::List
        && info.packed.is_none()
        && let Some(list) = call.db.peek::<List>(key)?
        && let List::Quicklist(list) = &*list
    {
        let (nodes, (fill, compress)) = (list.node_count(), list.settings());
        let _ = write!(
            line,
            " ql_nodes:{nodes} ql_avg_node:{:.2} ql_listpack_max:{} ql_compressed:{} \
             ql_uncompressed_size:{}",
            list.len() as f64 / nodes.max(1) as f64,
            fill.0,
            u8::from(compress > 0),
            list.nodes()
                .map(|node| node.uncompressed_bytes())
                .sum::<usize>(),
        );
    }
    if let Some((dictionary, raw_bytes)) = info.packed {
        let _ = write!(line, " packed:{dictionary},{raw_bytes}");
    }
    call.reply.simple(&line);
    Ok(())
}

/// `DEBUG HTSTATS dbid [full]`: verbatim text.
pub(crate) fn htstats(call: &mut Call<'_>) -> CommandResult {
    let n = parse_i64(call.args.at(2)).ok_or(CommandError::NotAnInteger)?;
    let keyspace = call.db.keyspace();
    if n < 0 || n as u64 >= keyspace.databases() as u64 {
        return Err(CommandError::Text("ERR Out of range database"));
    }
    let db = keyspace.database(DbIndex(n as u32));
    let mut text = String::from("[Dictionary HT]\n");
    describe(&db.shape(), &mut text);
    let volatile = db.volatile();
    let _ = writeln!(
        text,
        "[Expires HT]\n number of elements: {volatile} (kept in the entries)"
    );
    call.reply.verbatim("txt", text.as_bytes());
    Ok(())
}

/// `DEBUG HTSTATS-KEY key [full]`: verbatim text.
pub(crate) fn htstats_key(call: &mut Call<'_>) -> CommandResult {
    let key = call.args.at(2);
    let info = call.db.info(key).ok_or(CommandError::NoSuchKey)?;
    let shape = for_container!(
        info.kind,
        T => call.db.peek::<T>(key)?.and_then(|value| value.shape()),
        _ => None,
    );
    const NO_TABLE: &str =
        "ERR The value stored at the specified key is not represented using an hash table";
    let shape = shape.ok_or(CommandError::Text(NO_TABLE))?;
    let mut text = String::new();
    describe(&shape, &mut text);
    call.reply.verbatim("txt", text.as_bytes());
    Ok(())
}

fn describe(shape: &Shape, text: &mut String) {
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        " table size: {}\n number of elements: {}\n segments: {} ({} cache lines)\n \
         directory: 2^{} ({} words)\n stashed elements: {} in {} segments\n \
         overflow elements: {}\n bytes: {}",
        shape.cells,
        shape.len,
        shape.segments,
        shape.lines,
        shape.depth,
        shape.directory_words,
        shape.stash_entries,
        shape.segments_with_stash,
        shape.overflow_entries,
        shape.bytes,
    );
}

/// `DEBUG BITMAP-RAW key`: bulk string, at most `proto-max-bulk-len` bytes.
pub(crate) fn bitmap_raw(call: &mut Call<'_>) -> CommandResult {
    const TOO_LONG: CommandError =
        CommandError::Text("ERR The bitmap is longer than proto-max-bulk-len");
    let (key, most) = (call.args.at(2), call.server.config.proto_max_bulk_len);
    let bitmap = call.db.peek::<Bitmap>(key)?;
    let bitmap = bitmap.ok_or(CommandError::NoSuchKey)?;
    if bitmap.bytes() > most {
        return Err(TOO_LONG);
    }
    let mut text = vec![0; bitmap.bytes() as usize];
    bitmap.copy_to(0, &mut text);
    call.reply.bulk_owned(text);
    Ok(())
}

/// `DEBUG LISTPACK key`: prints the entries to standard output, where the tests' logs are.
pub(crate) fn listpack(call: &mut Call<'_>) -> CommandResult {
    let key = call.args.at(2);
    let kind = call.db.info(key).ok_or(CommandError::NoSuchKey)?.kind;
    let shown = for_container!(
        kind,
        T => call.db.peek::<T>(key)?.and_then(|value| value.listpack().map(|pack| show(&pack))),
        _ => None,
    );
    let text = shown.ok_or(CommandError::Text("ERR Not a listpack encoded object."))?;
    print!("{text}");
    call.reply.simple("Listpack structure printed on stdout");
    Ok(())
}

/// A line with the totals, then a line for each entry.
fn show(pack: &Listpack) -> String {
    let mut text = format!(
        "listpack: {} bytes, {} entries\n",
        pack.as_bytes().len(),
        pack.len()
    );
    for (i, entry) in pack.iter().enumerate() {
        let bytes = entry.to_vec();
        let _ = writeln!(text, "{i:6}: {}", bytes.escape_ascii());
    }
    text
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};
    use russet_config::Allowed;

    #[test]
    fn shapes_count_what_is_there() {
        let mut t = Testbed::new();
        t.engine.server.config.enable_debug_command = Allowed::Yes;
        t.run("DEBUG POPULATE 1000");
        let shape = t.run("DEBUG HTSTATS 0");
        assert!(shape.contains(" number of elements: 1000\n"), "{shape}");
        assert_eq!(t.run("DEBUG HTSTATS 16"), "-ERR Out of range database\r\n");
        assert_eq!(t.run("DEBUG HTSTATS-KEY nosuch"), "-ERR no such key\r\n");
        let no_table = "-ERR The value stored at the specified key is not represented using an \
             hash table\r\n";
        assert_eq!(t.run("DEBUG HTSTATS-KEY key:1"), no_table);
    }

    #[test]
    fn an_object_has_an_address_and_an_encoding() {
        let mut t = Testbed::new();
        t.engine.server.config.enable_debug_command = Allowed::Yes;
        t.run("SET a 1");
        let line = t.run("DEBUG OBJECT a");
        assert!(
            line.starts_with("+Value at:0x")
                && line.contains(" refcount:2147483647 encoding:int serializedlength:2 lru:"),
            "{line}"
        );
        t.run("SET a 12345");
        assert!(
            t.run("DEBUG OBJECT a")
                .contains(" refcount:1 encoding:int ")
        );
        t.run(&format!("RPUSH l {}", "x".repeat(9000)));
        let line = t.run("DEBUG OBJECT l");
        assert!(
            line.contains(" encoding:quicklist serializedlength:118 ")
                && line.ends_with(" ql_compressed:0 ql_uncompressed_size:9000\r\n"),
            "{line}"
        );
        assert_eq!(t.run("DEBUG OBJECT b"), "-ERR no such key\r\n");
        assert_eq!(
            t.run("DEBUG LISTPACK a"),
            "-ERR Not a listpack encoded object.\r\n"
        );
    }
}
