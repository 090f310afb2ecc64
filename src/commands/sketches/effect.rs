//! A filter as the commands that make it again, for the log and replicas.

use crate::server::Call;

/// Records them: DEL, the header, each chunk, the expiry.
pub(super) fn record<'c>(
    call: &mut Call<'_>,
    key: &[u8],
    command: &[u8],
    header: Vec<u8>,
    chunk: impl Fn(i64) -> Option<(i64, &'c [u8])>,
) {
    let expiry = call.db.expiry(key).flatten();
    call.rewrite(&[b"DEL", key]);
    call.rewrite(&[command, key, b"1", &header]);
    let mut at = 1;
    while let Some((next, bytes)) = chunk(at) {
        call.rewrite(&[command, key, next.to_string().as_bytes(), bytes]);
        at = next;
    }
    if let Some(when) = expiry {
        call.rewrite(&[b"PEXPIREAT", key, when.to_string().as_bytes()]);
    }
}
