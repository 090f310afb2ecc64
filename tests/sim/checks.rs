//! The conditions that must hold in every step.

use std::collections::HashMap;

use russet::testing::node::{Facts, ServerNode};

use crate::net::Coverage;

/// All bytes of the streams that were ever seen, and the data at their positions.
#[derive(Default)]
pub struct StreamRecord {
    /// Pieces of each history's stream.
    streams: HashMap<String, Vec<(u64, Vec<u8>)>>,
    /// The data at each position, and the first node that had it.
    data: HashMap<(String, u64), (String, usize, u64)>,
    contents: HashMap<(String, u64), Vec<String>>,
    /// Whether the record keeps contents, to show differences.
    keeps: bool,
}

/// A node since its last start.
#[derive(Default)]
pub struct Cursor {
    at: Option<(String, u64)>,
    compared: Option<(String, u64)>,
    /// The facts of the last step.
    sent: Option<u64>,
}

/// The place where a node has the bytes after a position of a stream.
pub fn covers(facts: &Facts, id: &str, offset: u64) -> Coverage {
    let is_past = facts.id == id && offset <= facts.offset
        || facts
            .earlier
            .as_ref()
            .is_some_and(|(earlier, until)| earlier == id && offset < *until);
    let its_last = facts.ancestors.iter().find(|(its, _)| its == id);
    let is_past = is_past || its_last.is_some_and(|&(_, last)| offset <= last);
    let is_logged = facts.log.is_some_and(|first| first <= offset);
    let is_held = |(first, end, _): (u64, u64, u64)| (first..=end).contains(&offset);
    match is_past {
        true if facts.backlog.is_some_and(is_held) => Coverage::InBacklog,
        true if is_logged => Coverage::InLog,
        _ => Coverage::No,
    }
}

/// Whether a byte of a stream is one of the newlines that stand for bytes missing in an append only
/// file. The values of a simulation have no newlines.
fn is_filler(stream: &[u8], at: usize) -> bool {
    stream[at] == b'\n' && (at == 0 || stream[at - 1] != b'\r')
}

impl StreamRecord {
    pub fn new(keeps: bool) -> StreamRecord {
        StreamRecord {
            keeps,
            ..StreamRecord::default()
        }
    }

    fn record(&mut self, id: &str, at: u64, bytes: &[u8]) -> Result<(), String> {
        if bytes.is_empty() {
            return Ok(());
        }
        let pieces = self.streams.entry(id.to_owned()).or_default();
        let end = at + bytes.len() as u64;
        let mut is_kept = false;
        for (start, piece) in pieces {
            let its_end = *start + piece.len() as u64;
            let (from, to) = (at.max(*start), end.min(its_end));
            if from < to {
                let mine = &bytes[(from - at) as usize..(to - at) as usize];
                let its = &mut piece[(from - *start) as usize..(to - *start) as usize];
                let differs = (0..mine.len())
                    .find(|&i| mine[i] != its[i] && !is_filler(mine, i) && !is_filler(its, i));
                if let Some(differs) = differs {
                    let show = |bytes: &[u8]| {
                        let from = differs.saturating_sub(60);
                        let to = (differs + 60).min(bytes.len());
                        String::from_utf8_lossy(&bytes[from..to]).into_owned()
                    };
                    return Err(format!(
                        "two streams of {id:.6} at {}: {:?} and before {:?}",
                        from + differs as u64,
                        show(mine),
                        show(its)
                    ));
                }
                // From the end, because the previous byte decides whether a byte is filler.
                for i in (0..mine.len()).rev() {
                    if is_filler(its, i) {
                        its[i] = mine[i];
                    }
                }
            }
            if (*start..=its_end).contains(&at) {
                if end > its_end {
                    piece.extend_from_slice(&bytes[(its_end - at) as usize..]);
                }
                is_kept = true;
            }
        }
        if !is_kept {
            let pieces = self.streams.get_mut(id).expect("just made");
            pieces.push((at, bytes.to_vec()));
        }
        Ok(())
    }

    /// Checks and records the new bytes of a node's stream.
    fn follow(
        &mut self,
        node: &ServerNode,
        facts: &Facts,
        cursor: &mut Cursor,
    ) -> Result<(), String> {
        let before = cursor.at.replace((facts.id.clone(), facts.offset));
        let Some((first, _, _)) = facts.backlog else {
            return Ok(());
        };
        let mut from = first;
        if let Some((id, offset)) = before {
            let continues = facts
                .earlier
                .as_ref()
                .is_some_and(|(earlier, _)| *earlier == id);
            if id == facts.id {
                if facts.offset < offset {
                    return Err(format!(
                        "the offset of {id:.6} fell from {offset} to {}",
                        facts.offset
                    ));
                }
                from = from.max(offset);
            } else if continues {
                from = from.max(offset);
            }
        }
        if from >= facts.offset {
            return Ok(());
        }
        let Some(bytes) = node.stream_from(from) else {
            return Err(format!("the backlog lacks {from}: {facts:?}"));
        };
        let shared = match &facts.earlier {
            Some((_, until)) => (until - 1).clamp(from, facts.offset),
            None => from,
        };
        let (old, new) = bytes.split_at((shared - from) as usize);
        if let Some((earlier, _)) = &facts.earlier {
            self.record(earlier, from, old)?;
        }
        self.record(&facts.id, shared, new)
    }

    fn compare(
        &mut self,
        at: (String, u64),
        signature: &str,
        node: &mut ServerNode,
        number: usize,
        now: u64,
    ) -> Result<(), String> {
        if self.keeps && !self.contents.contains_key(&at) {
            self.contents.insert(at.clone(), node.contents());
        }
        match self.data.get(&at) {
            None => {
                self.data.insert(at, (signature.to_owned(), number, now));
                Ok(())
            }
            Some((known, ..)) if known == signature => Ok(()),
            Some((_, other, then)) => {
                let mine = node.contents();
                let its = self.contents.get(&at).cloned().unwrap_or_default();
                let only = |a: &[String], b: &[String]| -> Vec<String> {
                    a.iter().filter(|line| !b.contains(line)).cloned().collect()
                };
                Err(format!(
                    "data differs at {:.6}:{} from that of node {other} at {then}: here {:?}, there {:?}",
                    at.0,
                    at.1,
                    only(&mine, &its),
                    only(&its, &mine)
                ))
            }
        }
    }

    /// All checks of a node after its turns.
    pub fn check(
        &mut self,
        node: &mut ServerNode,
        number: usize,
        facts: &Facts,
        cursor: &mut Cursor,
        now: u64,
    ) -> Result<(), String> {
        for replica in &facts.replicas {
            if replica.is_online && replica.acked > replica.sent {
                return Err(format!("acknowledged more than was sent: {replica:?}"));
            }
        }
        let unsent = facts
            .replicas
            .iter()
            .map(|r| r.sent)
            .filter(|&sent| sent > 0)
            .min();
        if let Some((first, end, size)) = facts.backlog {
            let block = (size / 16).clamp(16 * 1024, 1 << 20);
            let read = [unsent, cursor.sent].into_iter().flatten().min();
            let pinned = read.map_or(0, |at| end.saturating_sub(at));
            if end - first > size.max(pinned) + 3 * block + 128 * 1024 {
                return Err(format!("the backlog is too long: {facts:?}"));
            }
            if end != facts.offset {
                return Err(format!("the backlog ends elsewhere: {facts:?}"));
            }
        }
        cursor.sent = unsent;
        if facts.is_loading || !node.is_loaded() {
            cursor.at = None;
            return Ok(());
        }
        if !facts.has_data {
            return Ok(());
        }
        if node.text(b"u:x") != node.text(b"u:y") {
            return Err(format!(
                "half a unit: {:?} {:?}",
                node.text(b"u:x"),
                node.text(b"u:y")
            ));
        }
        if !facts.is_known {
            cursor.at = None;
            return Ok(());
        }
        self.follow(node, facts, cursor)?;
        let at = (facts.id.clone(), facts.offset);
        if cursor.compared.as_ref() == Some(&at) {
            return Ok(());
        }
        let signature = node.signature();
        if let Some((earlier, until)) = &facts.earlier
            && *until == facts.offset + 1
        {
            self.compare(
                (earlier.clone(), facts.offset),
                &signature,
                node,
                number,
                now,
            )?;
        }
        self.compare(at.clone(), &signature, node, number, now)?;
        cursor.compared = Some(at);
        Ok(())
    }
}
