//! The writes that a former primary has executed and its new primary lacks.
//!
//!     acknowledged by the new primary              our end
//!       |   lost: SELECT, commands                    |
//!
//! The new primary does not announce where its history left ours. The position acknowledged by the
//! replica with the new primary's address, or else with its port, stands for that place. Without
//! either, everything that the backlog has of this server's time as a primary counts as lost.

use super::super::history::{Position, ReplOffset};
use super::super::requests::{Changes, align, changes};
use super::super::stream::Stream;

/// Bytes before the lost part that are searched for the selected database.
const LOOK_BACK_MAX: u64 = 16 << 20;

/// The position that a replica at this address has acknowledged, of the known positions: addresses
/// with positions.
pub fn acknowledged_by(
    known: &[(String, u16, ReplOffset)],
    host: &str,
    port: u16,
) -> Option<ReplOffset> {
    let near = || known.iter().filter(|(_, its_port, _)| *its_port == port);
    let acked = |(_, _, acked): &(String, u16, ReplOffset)| *acked;
    let exact = near().filter(|(ip, ..)| ip.eq_ignore_ascii_case(host));
    exact.map(acked).max().or_else(|| near().map(acked).max())
}

/// The writes between `shared` and `end`, at most the last `bytes_max` of the stream, and where
/// they begin. Parses at most that, and 16 MiB before it.
pub fn lost_writes(
    stream: &Stream,
    end: Position,
    shared: Option<ReplOffset>,
    bytes_max: u64,
) -> Option<(ReplOffset, Changes)> {
    let backlog = stream
        .backlog()
        .filter(|backlog| backlog.end() == end.offset)?;
    // The stream before a promotion was another server's.
    let promoted = stream.history().earlier;
    let own = promoted.map_or(0, |(_, end)| end.saturating_sub(1));
    let wanted = shared.unwrap_or(own);
    let from = wanted
        .max(backlog.first())
        .max(end.offset.saturating_sub(bytes_max));
    if from >= end.offset {
        return None;
    }
    let begin = from.saturating_sub(LOOK_BACK_MAX).max(backlog.first());
    let mut stretch = Vec::with_capacity((end.offset - begin) as usize);
    backlog
        .read(begin)
        .for_each(|block| stretch.extend_from_slice(block));
    let skipped = align(&stretch);
    stretch.drain(..skipped);
    let begin = begin + skipped as u64;
    // An acknowledged position is between two commands; any other may be inside of a command.
    let mut at = from.saturating_sub(begin) as usize;
    if shared != Some(from) {
        at += align(&stretch[at..]);
    }
    let found = changes(&stretch, at, 0);
    (found.commands > 0).then(|| (begin + at as u64, found))
}
