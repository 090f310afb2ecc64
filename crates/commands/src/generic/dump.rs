//! DUMP: a value serialized for RESTORE, on this server or another.
//!
//! A long document is serialized by a thread, as it is at the command (`commands::json::printing`).
//! Other large values are serialized in slices, all of one state: if a command has changed the
//! value between two slices, the payload begins anew, and after some such beginnings it is made at
//! once.

use crate::work;
use russet_command::{Access, Arity, Category, CommandError, Flags, KeySpec};
use russet_keyspace::ValueView;
use russet_persistence::rdb::{
    LongDocument, RdbWriter, SlicedPayload, VERSION_FIELD_TTLS, stamp_of_large,
};
use russet_server::tasks::Task;
use russet_server::{Call, CommandResult, Slice, Spec};
use russet_types::vector_set::Progress;

/// The time that a byte of a document takes, about: printing, compression, checksum.
const BYTE_NANOS: usize = 8;
/// Payloads, or copies, that a command begins until it makes one at once.
pub(super) const BEGINNINGS_MAX: u32 = 3;

pub(super) const DUMP: Spec = Spec {
    arity: Arity::Exactly(2),
    flags: Flags::READONLY,
    keys: &[KeySpec::one(1, Access::READ)],
    categories: Category::KEYSPACE,
    tips: &["nondeterministic_output"],
    work: work::WHOLE,
    ..Spec::new("dump", dump)
};

/// `DUMP key`: the value in RDB format, the RDB version (u16le) and a CRC64 of both. The version is
/// that of `rdb-version`, if that is set and can hold the value.
///
/// Reply: bulk string; null when the key is missing. O(length of the value).
fn dump(call: &mut Call<'_>) -> CommandResult {
    let [_, key] = call.args.exactly();
    if call.is_retry()
        && let Some(done) = call.server.tasks.take_task::<Serialize>()
    {
        call.reply.bulk_owned(done.payload);
        return Ok(());
    }
    if let Some(work) = call.take_work::<LargeDump>() {
        return dump_in_slices(call, work);
    }
    let settings = WriterSettings::of(call);
    let Some(view) = call.db.view(key) else {
        call.reply.null();
        return Ok(());
    };
    let mut writer = settings.writer(key, &view.value);
    if let Some(stamp) = stamp_of_large(&view.value) {
        let work = LargeDump {
            payload: SlicedPayload::new(writer),
            stamp: Some(stamp),
            beginnings: 1,
        };
        drop(view);
        return dump_in_slices(call, work);
    }
    if let Some(document) = LongDocument::of(&view.value) {
        drop(view);
        return dump_long(call, document, writer);
    }
    let payload = payload_of(&mut writer, &view.value);
    if writer.is_damaged() {
        return Err(CommandError::DamagedValue);
    }
    call.reply.bulk_owned(payload);
    Ok(())
}

/// The settings of payloads in the configuration.
#[derive(Clone, Copy)]
struct WriterSettings {
    version: u32,
    of_valkey: bool,
    compress: bool,
}

impl WriterSettings {
    fn of(call: &Call<'_>) -> WriterSettings {
        let config = &call.server.config;
        WriterSettings {
            version: config.rdb_version,
            of_valkey: config.dialect.valkey_files(),
            compress: config.rdbcompression.of_strings(),
        }
    }

    fn writer(self, key: &[u8], value: &ValueView<'_>) -> RdbWriter {
        let mut writer = RdbWriter::new(self.version, self.compress);
        // A value that the configured version cannot hold gets the lowest one that can.
        if self.version == 0 || !writer.holds(value) {
            writer.fit(VERSION_FIELD_TTLS, self.of_valkey, value);
        }
        writer.name_key(key, false);
        writer
    }
}

/// A large value on its way to a payload, slice by slice.
struct LargeDump {
    payload: SlicedPayload,
    /// Of the state that is serialized; `None`: the key is gone.
    stamp: Option<u64>,
    beginnings: u32,
}

fn dump_in_slices(call: &mut Call<'_>, work: LargeDump) -> CommandResult {
    let done = call.in_slices(work, |work, call, slice| Ok(work.advance(call, slice)))?;
    match done {
        Some(work) if work.stamp.is_some() => call.reply.bulk_owned(work.payload.finish()),
        Some(_) => call.reply.null(),
        None => (),
    }
    Ok(())
}

impl LargeDump {
    fn advance(&mut self, call: &mut Call<'_>, slice: Slice) -> Progress {
        let (key, settings) = (call.args.at(1), WriterSettings::of(call));
        let Some(view) = call.db.peek_view(key) else {
            self.stamp = None;
            return Progress::Done;
        };
        let stamp = stamp_of_large(&view.value);
        if stamp != self.stamp || stamp.is_none() {
            self.payload = SlicedPayload::new(settings.writer(key, &view.value));
            self.stamp = stamp.or(Some(0));
            self.beginnings += 1;
        }
        let at_once = stamp.is_none() || self.beginnings > BEGINNINGS_MAX;
        loop {
            if self.payload.step(&view.value) {
                return Progress::Done;
            }
            if slice.is_over() && !at_once {
                return Progress::More;
            }
        }
    }
}

/// A long document on its way to a payload.
struct Serialize {
    work: Option<(LongDocument, RdbWriter)>,
    payload: Vec<u8>,
}

impl Task for Serialize {
    fn step(&mut self, _nanos: usize) -> Progress {
        if let Some((document, writer)) = self.work.take() {
            self.payload = document.payload(writer);
        }
        Progress::Done
    }

    fn is_for_workers(&self) -> bool {
        true
    }
}

/// Replies the payload of a long document: at once, or the client waits.
fn dump_long(call: &mut Call<'_>, document: LongDocument, writer: RdbWriter) -> CommandResult {
    let nanos = document.memory_bytes().saturating_mul(BYTE_NANOS);
    if call.leaves_loop(nanos) {
        call.block_on_task(Box::new(Serialize {
            work: Some((document, writer)),
            payload: Vec::new(),
        }));
    } else {
        call.reply.bulk_owned(document.payload(writer));
    }
    Ok(())
}

/// The value in the writer's RDB version, that version and the checksum.
pub(super) fn payload_of(writer: &mut RdbWriter, value: &ValueView<'_>) -> Vec<u8> {
    writer.pack_blocks();
    writer.value(value);
    writer.payload()
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};

    fn dump(t: &mut Testbed, key: &str) -> Vec<u8> {
        let reply = t.run_args(&[b"DUMP", key.as_bytes()]);
        let start = reply.iter().position(|&b| b == b'\n').expect("a header") + 1;
        // Without the version, the checksum and the line end.
        reply[start..reply.len() - 2 - 10].to_vec()
    }

    #[test]
    fn values_have_the_bytes_that_redis_gives_them() {
        let mut t = Testbed::new();
        assert_eq!(t.run("DUMP none"), "$-1\r\n");
        t.run("SET n 12345");
        assert_eq!(dump(&mut t, "n"), [0, 0xc1, 0x39, 0x30]);
        t.run("SET s hello");
        assert_eq!(dump(&mut t, "s"), b"\0\x05hello");
        t.run(&format!("SET a {}", "a".repeat(100)));
        let packed = [&[0, 0xc3, 9, 0x40, 100, 1][..], b"aa\xe0\x57\0\x01aa"].concat();
        assert_eq!(dump(&mut t, "a"), packed);
        t.run("SADD i 1 2");
        let set = [11, 12, 2, 0, 0, 0, 2, 0, 0, 0, 1, 0, 2, 0];
        assert_eq!(dump(&mut t, "i"), set);
        t.run("RPUSH l x");
        let list = [&[18, 1, 2, 10, 10, 0, 0, 0, 1, 0][..], b"\x81x\x02\xff"].concat();
        assert_eq!(dump(&mut t, "l"), list);
    }
}
