//! The effects of reading with groups, written as Redis's commands.

use russet_server::Call;
use russet_types::stream::StreamId;

/// An entry that was assigned to a consumer, or is no longer pending.
pub(super) struct ClaimedEntry {
    /// The ID as written in the effect.
    pub id: Vec<u8>,
    /// `None`: it had no owner, and is no longer pending.
    pub consumer: Option<Vec<u8>>,
    pub delivered_ms: i64,
    pub deliveries: u64,
    /// The group's last ID at that time.
    pub last_id: StreamId,
}

/// `XCLAIM key group consumer 0 id TIME ms RETRYCOUNT n FORCE JUSTID LASTID id`, or `XACK key group
/// id`.
pub(super) fn claim(call: &mut Call<'_>, key: &[u8], group: &[u8], claimed: &ClaimedEntry) {
    let Some(consumer) = &claimed.consumer else {
        return call.rewrite(&[b"XACK", key, group, &claimed.id]);
    };
    let (mut ms, mut count) = (itoa::Buffer::new(), itoa::Buffer::new());
    let last_id = claimed.last_id.text();
    call.rewrite(&[
        b"XCLAIM",
        key,
        group,
        consumer,
        b"0",
        &claimed.id,
        b"TIME",
        ms.format(claimed.delivered_ms).as_bytes(),
        b"RETRYCOUNT",
        count.format(claimed.deliveries as i64).as_bytes(),
        b"FORCE",
        b"JUSTID",
        b"LASTID",
        last_id.as_bytes(),
    ]);
}

/// `XGROUP SETID key group id ENTRIESREAD n`.
pub(super) fn group_id(
    call: &mut Call<'_>,
    key: &[u8],
    group: &[u8],
    (last_id, entries_read): (StreamId, i64),
) {
    let mut read = itoa::Buffer::new();
    let last_id = last_id.text();
    call.rewrite(&[
        b"XGROUP",
        b"SETID",
        key,
        group,
        last_id.as_bytes(),
        b"ENTRIESREAD",
        read.format(entries_read).as_bytes(),
    ]);
}

/// `XGROUP CREATECONSUMER key group consumer`.
pub(super) fn new_consumer(call: &mut Call<'_>, key: &[u8], group: &[u8], consumer: &[u8]) {
    call.rewrite(&[b"XGROUP", b"CREATECONSUMER", key, group, consumer]);
}
