//! The documents that clients know, and the replies that queries may give about them.

use std::collections::BTreeMap;

/// The number of documents that clients write and delete.
pub const DOCUMENTS: usize = 60;

pub fn key(document: usize) -> String {
    format!("d:{document}")
}

/// CRC16 (XMODEM), which gives the slot of a key.
pub fn slot_of(key: &[u8]) -> u16 {
    let crc = key.iter().fold(0u16, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte) << 8, |crc, _| {
            let shifted = crc << 1;
            if crc & 0x8000 == 0 {
                shifted
            } else {
                shifted ^ 0x1021
            }
        })
    });
    crc % 16_384
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Absent,
    Present,
    /// The write may have run, or may still run.
    Unknown,
}

#[derive(Clone, Copy, Debug, Default)]
struct Document {
    state: State,
    /// The states before and after a write that is on its way.
    under_way: Option<[State; 2]>,
    /// The moment of the last change.
    since: u64,
}

/// A query that is on its way.
#[derive(Clone, Copy, Debug)]
pub struct RunningQuery {
    /// The time at which the client sent it.
    pub since: u64,
    pub is_count: bool,
    /// All documents have the same words, so all rows must have the same score.
    pub has_equal_scores: bool,
}

/// Counts of a run.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    pub replies: usize,
    pub errors: BTreeMap<String, usize>,
    pub writes: usize,
}

/// See the module.
pub struct Checks {
    documents: Vec<Document>,
    moment: u64,
    pub figures: Figures,
}

/// The beginnings of the errors that a query may give.
const ERRORS: [&str; 5] = [
    "-CLUSTERDOWN ",
    "-TRYAGAIN Slots moved between shards while they were asked",
    "-ERR A multi-shard command failed because a shard did not answer in time",
    "-LOADING ",
    "-SEARCH_INDEX_NOT_FOUND ",
];

impl Default for Checks {
    fn default() -> Checks {
        Checks {
            documents: vec![Document::default(); DOCUMENTS],
            moment: 0,
            figures: Figures::default(),
        }
    }
}

impl Checks {
    pub fn moment(&self) -> u64 {
        self.moment
    }

    pub fn is_being_written(&self, document: usize) -> bool {
        self.documents[document].under_way.is_some()
    }

    /// Records that a client sends a write.
    pub fn writes(&mut self, document: usize, deletes: bool) {
        self.moment += 1;
        let its = &mut self.documents[document];
        let after = if deletes {
            State::Absent
        } else {
            State::Present
        };
        // A document that exists before the write and after it exists during the write.
        let meanwhile = if its.state == after {
            after
        } else {
            State::Unknown
        };
        its.under_way = Some([its.state, after]);
        if its.state != meanwhile {
            (its.state, its.since) = (meanwhile, self.moment);
        }
    }

    /// Records that a write has run, or was refused; `None` if its node is gone.
    pub fn written(&mut self, document: usize, is_done: Option<bool>) {
        self.moment += 1;
        self.figures.writes += usize::from(is_done == Some(true));
        let its = &mut self.documents[document];
        let Some([before, after]) = its.under_way.take() else {
            return;
        };
        let state = match is_done {
            Some(true) => after,
            Some(false) => before,
            None if before == after => after,
            None => State::Unknown,
        };
        if its.state != state {
            (its.state, its.since) = (state, self.moment);
        }
    }

    /// Checks a reply to a query.
    pub fn replied(&mut self, asked: &RunningQuery, reply: &str) -> Result<(), String> {
        if reply.starts_with('-') {
            let known = ERRORS.iter().find(|error| reply.starts_with(**error));
            let known = known.ok_or_else(|| format!("an error that no one names: {reply}"))?;
            *self.figures.errors.entry((*known).to_owned()).or_default() += 1;
            return Ok(());
        }
        self.figures.replies += 1;
        let is_sure = |its: &Document, state| its.state == state && its.since <= asked.since;
        let sure = self
            .documents
            .iter()
            .filter(|its| is_sure(its, State::Present));
        let sure = sure.count();
        let absent = self
            .documents
            .iter()
            .filter(|its| is_sure(its, State::Absent));
        let most = DOCUMENTS - absent.count();
        let lines: Vec<&str> = reply.split("\r\n").collect();
        if asked.is_count {
            // The number of rows; then a row with the name and the count, or none.
            let count = lines
                .iter()
                .rev()
                .nth(1)
                .and_then(|text| text.parse::<usize>().ok());
            let count = count.unwrap_or(0);
            if !(sure..=most).contains(&count) {
                return Err(format!(
                    "{count} documents are counted, not {sure} to {most}: {lines:?}"
                ));
            }
            return Ok(());
        }
        let mut found = [0usize; DOCUMENTS];
        let keys = lines.iter().filter_map(|line| line.strip_prefix("d:"));
        for document in keys.filter_map(|text| text.parse::<usize>().ok()) {
            let count = found.get_mut(document);
            *count.ok_or_else(|| format!("d:{document} is none"))? += 1;
        }
        let rows: usize = found.iter().sum();
        let total = lines.get(1).and_then(|line| line.strip_prefix(':'));
        if total.and_then(|text| text.parse().ok()) != Some(rows) {
            return Err(format!("{rows} rows, and a total of {total:?}"));
        }
        if asked.has_equal_scores {
            let of_key = |at: usize| lines[at].starts_with("d:").then(|| lines.get(at + 2));
            let mut scores: Vec<_> = (0..lines.len()).filter_map(of_key).collect();
            scores.dedup();
            if scores.len() > 1 {
                return Err(format!("equal documents have the scores {scores:?}"));
            }
        }
        for (document, (count, its)) in found.iter().zip(&self.documents).enumerate() {
            let is_wrong = *count > 1
                || is_sure(its, State::Present) && *count == 0
                || is_sure(its, State::Absent) && *count > 0;
            if is_wrong {
                return Err(format!(
                    "d:{document} is there {count} times: {its:?}, {asked:?}"
                ));
            }
        }
        Ok(())
    }
}
