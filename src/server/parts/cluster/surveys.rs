//! Questions of commands to all other shards, and the answers that are complete.
//!
//!     number u64 | database u32 | count u32 | (length u32, word) ...     a question: the command
//!     number u64 | bytes of the command's own                            an answer
//!
//! Invariants
//!   1. A survey is complete when each node that was asked has answered, once.
//!   2. What is held of answers is bounded, for each node and for each survey; a survey that is
//!      given up, or whose client is gone, ends with its time.
//!
//! Cost: O(nodes) for each survey.

use std::collections::{HashMap, VecDeque};

use russet_cluster::NodeId;
use russet_keyspace::{ClientId, DbIndex};
use russet_resp::{Args, OwnedArgs};

/// Bytes of an answer at most, and of all of a survey.
pub(in crate::server) const ANSWER_BYTES_MAX: usize = 64 << 20;
const SURVEY_BYTES_MAX: usize = 256 << 20;
/// Surveys under way.
const SURVEYS_MAX: usize = 1024;

/// See the module.
#[derive(Default)]
pub(crate) struct Surveys {
    next: u64,
    open: HashMap<u64, Survey, ahash::RandomState>,
    /// Messages that came in this turn.
    inbox: VecDeque<Message>,
    /// The answers for the command that runs again.
    complete: Option<Vec<Vec<u8>>>,
    /// A command runs to answer another node.
    pub is_answering: bool,
}

/// A message of another node.
pub(in crate::server) enum Message {
    Question(NodeId, Vec<u8>),
    Answer(NodeId, Vec<u8>),
}

struct Survey {
    client: ClientId,
    awaited: Vec<NodeId>,
    answers: Vec<Vec<u8>>,
    bytes: usize,
    /// Monotonic milliseconds.
    until_ms: u64,
}

impl Surveys {
    /// Begins a survey; its number. `None`: there are too many.
    pub fn begin(
        &mut self,
        client: ClientId,
        nodes: Vec<NodeId>,
        (now_ms, until_ms): (u64, u64),
    ) -> Option<u64> {
        self.open.retain(|_, survey| survey.until_ms > now_ms);
        if self.open.len() >= SURVEYS_MAX {
            return None;
        }
        self.next += 1;
        let survey = Survey {
            client,
            awaited: nodes,
            answers: Vec::new(),
            bytes: 0,
            until_ms,
        };
        self.open.insert(self.next, survey);
        Some(self.next)
    }

    pub fn give_up(&mut self, number: u64) {
        self.open.remove(&number);
    }

    pub fn receive(&mut self, from: NodeId, is_answer: bool, payload: Vec<u8>) {
        self.inbox.push_back(if is_answer {
            Message::Answer(from, payload)
        } else {
            Message::Question(from, payload)
        });
    }

    pub fn next_message(&mut self) -> Option<Message> {
        self.inbox.pop_front()
    }

    /// Takes an answer; the client of a survey that is complete now, with its number.
    pub fn take_answer(&mut self, from: NodeId, payload: &[u8]) -> Option<(ClientId, u64)> {
        let (number, bytes) = payload.split_first_chunk()?;
        let number = u64::from_be_bytes(*number);
        let survey = self.open.get_mut(&number)?;
        let at = survey.awaited.iter().position(|node| *node == from)?;
        survey.awaited.swap_remove(at);
        survey.bytes += bytes.len();
        if bytes.len() > ANSWER_BYTES_MAX || survey.bytes > SURVEY_BYTES_MAX {
            self.open.remove(&number);
            return None;
        }
        survey.answers.push(bytes.to_vec());
        if !survey.awaited.is_empty() {
            return None;
        }
        let survey = self.open.remove(&number)?;
        self.complete = Some(survey.answers);
        Some((survey.client, number))
    }

    pub fn take_complete(&mut self) -> Option<Vec<Vec<u8>>> {
        self.complete.take()
    }
}

/// A question's bytes.
pub(in crate::server) fn question(number: u64, db: DbIndex, args: Args<'_>) -> Vec<u8> {
    let mut out = number.to_be_bytes().to_vec();
    let mut write = |n: usize| out.extend_from_slice(&(n as u32).to_be_bytes());
    write(db.0 as usize);
    write(args.len());
    for word in args.iter() {
        out.extend_from_slice(&(word.len() as u32).to_be_bytes());
        out.extend_from_slice(word);
    }
    out
}

/// A question's number, database and words. `None`: it is damaged.
pub(in crate::server) fn asked(payload: &[u8]) -> Option<(u64, DbIndex, OwnedArgs)> {
    fn number(from: &mut &[u8]) -> Option<u32> {
        let (number, rest) = from.split_first_chunk()?;
        *from = rest;
        Some(u32::from_be_bytes(*number))
    }
    let (first, mut rest) = payload.split_first_chunk()?;
    let db = DbIndex(number(&mut rest)?);
    let mut args = OwnedArgs::new();
    for _ in 0..number(&mut rest)? {
        let len = number(&mut rest)? as usize;
        let (word, after) = rest.split_at_checked(len)?;
        args.push(word);
        rest = after;
    }
    rest.is_empty()
        .then_some((u64::from_be_bytes(*first), db, args))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(n: u8) -> NodeId {
        NodeId::parse(&[b'a' + n; NodeId::LEN]).expect("an id")
    }

    #[test]
    fn questions_are_read_as_they_were_written() {
        let words: OwnedArgs = [&b"TS.MGET"[..], b"FILTER", b""].into_iter().collect();
        let bytes = question(7, DbIndex(3), words.args());
        let (number, db, args) = asked(&bytes).expect("whole");
        assert_eq!((number, db), (7, DbIndex(3)));
        assert_eq!(args.args().to_vec(), words.args().to_vec());
        for len in 0..bytes.len() {
            assert!(asked(&bytes[..len]).is_none());
        }
    }

    #[test]
    fn a_survey_is_complete_when_each_node_has_answered_once() {
        let mut surveys = Surveys::default();
        let nodes = vec![node(0), node(1)];
        let number = surveys.begin(ClientId(5), nodes, (0, 100)).expect("room");
        let answer = |text: &[u8]| [&number.to_be_bytes()[..], text].concat();
        assert_eq!(surveys.take_answer(node(2), &answer(b"x")), None);
        assert_eq!(surveys.take_answer(node(0), &answer(b"a")), None);
        assert_eq!(surveys.take_answer(node(0), &answer(b"a")), None);
        let done = surveys.take_answer(node(1), &answer(b"b"));
        assert_eq!(done, Some((ClientId(5), number)));
        assert_eq!(
            surveys.take_complete(),
            Some(vec![b"a".to_vec(), b"b".to_vec()])
        );
        assert_eq!(surveys.take_answer(node(1), &answer(b"b")), None);
        // One whose time is over is given up.
        surveys.begin(ClientId(5), vec![node(0)], (0, 100));
        surveys.begin(ClientId(6), vec![node(0)], (100, 200));
        assert_eq!(surveys.open.len(), 1);
    }
}
