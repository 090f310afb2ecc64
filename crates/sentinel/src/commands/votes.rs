//! IS-MASTER-DOWN-BY-ADDR and CKQUORUM.

use super::{Call, CallResult, ReplyCondition, error};
use crate::address::{Address, HOST_BYTES_MAX};
use crate::failover::votes::{self, Reach};
use russet_base::numbers::number::parse_i64;
use russet_resp::{CommandError, Reply};

/// Whether the primary is down, our vote or `*`, its epoch.
fn write(reply: &mut Reply, is_down: bool, vote: &[u8], epoch: u64) {
    reply.array(3);
    reply.int(is_down.into());
    reply.bulk(vote);
    reply.int(epoch as i64);
}

/// `IS-MASTER-DOWN-BY-ADDR ip port epoch run-id`: also a request for our vote, unless the run id is
/// `*`.
///
/// In TILT nothing is known to be down. A vote leaves only after it was saved; if it cannot be, the
/// answer is that there is none.
pub(super) fn is_down(call: &mut Call<'_>) -> CallResult {
    let number = |word: &[u8]| parse_i64(word).ok_or(CommandError::NotAnInteger);
    let (port, epoch) = (number(call.args[3])?, number(call.args[4])?);
    let (host, candidate) = (call.args[2], call.args[5]);
    let shared = &mut call.sentinel.shared;
    let address = u16::try_from(port).ok();
    let address = address.map(|port| Address::new(host, port, &shared.names));
    let mut primaries = call.sentinel.primaries.values_mut();
    let primary = address
        .and_then(|address| primaries.find(|primary| primary.node.watch.address.is_same(&address)));
    let Some(primary) = primary else {
        // A Sentinel that announces names may mean a primary that is known here by its IP address:
        // once the name is resolved, the next question is answered.
        if let Ok(port) = u16::try_from(port)
            && host.len() <= HOST_BYTES_MAX
        {
            shared.address(host, port);
        }
        write(call.reply, false, b"*", 0);
        return Ok(ReplyCondition::Send);
    };
    let is_down = primary.node.watch.is_down && shared.tilt.since.is_none();
    if candidate == b"*" {
        write(call.reply, is_down, b"*", 0);
        return Ok(ReplyCondition::Send);
    }
    let epoch = u64::try_from(epoch).unwrap_or(0);
    let (vote, vote_epoch) = votes::vote_on_request(shared, primary, epoch, candidate);
    let vote = vote.as_deref().unwrap_or(b"*");
    write(call.reply, is_down, vote, vote_epoch);
    if shared.out.is_saved() {
        return Ok(ReplyCondition::Send);
    }
    shared.out.persist();
    let mut otherwise = Reply::new();
    write(&mut otherwise, is_down, b"*", 0);
    Ok(ReplyCondition::Persist {
        otherwise: otherwise.take_text(),
    })
}

/// `CKQUORUM name`: whether enough Sentinels are there for the quorum, and for a majority.
pub(super) fn ckquorum(call: &mut Call<'_>) -> CallResult {
    let primary = call.primary(call.args[2])?;
    let reach = Reach::of(primary);
    if !reach.is_enough() {
        return Err(error(&reach.text()));
    }
    call.reply.simple(&reach.text());
    Ok(ReplyCondition::Send)
}
