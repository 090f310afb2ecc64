//! Questions of commands to all other shards, and the answers that are complete.
//!
//!     number u64 | database u32 | work u64 | rights | command
//!                | slots: (first u16, last u16) ...                      a question
//!     count u32 | (length u32, word) ...                                 rights, a command
//!     number u64 | bytes of the command's own                            an answer
//!     0 u64      | bytes of definitions (`server::search::spread`)       a message without answer
//!
//! A question that names slots is answered by the node that has exactly these slots, once both
//! nodes have the same view of them. The node waits for [`VIEWS_MS`] and then replies that its
//! slots differ ([`OTHER_SLOTS`]); the asker asks anew, because its own view may be out of date.
//!
//! A question has the permissions of the user that asks: rules of ACL, a rule for each selector, no
//! rule for a user that may do everything. The node that answers judges the command by them, as it
//! would judge a client's.
//!
//! Invariants
//!   1. A survey is complete when each node that was asked has answered, once.
//!   2. The bytes of held answers are bounded, for each node and for each survey; a survey that is
//!      given up, or whose client is gone, ends with its time.
//!   3. A question that may be repeated is, each [`AGAIN_MS`], until it is answered: a node that
//!      joins may be unknown to the nodes that it asks, which drop the question then. A node that
//!      is at work on it drops the repetition.
//!   4. Questions that are being answered in slices are bounded, too.
//!
//! Cost: O(nodes) for each survey.

use std::any::Any;
use std::collections::{HashMap, VecDeque};

use russet_cluster::NodeId;
use russet_keyspace::{ClientId, DbIndex};
use russet_resp::{Args, OwnedArgs};

/// Bytes of an answer at most, and of all of a survey.
pub(crate) const ANSWER_BYTES_MAX: usize = 64 << 20;
const SURVEY_BYTES_MAX: usize = 256 << 20;
/// Surveys under way.
const SURVEYS_MAX: usize = 1024;
/// Questions that are being answered.
const PENDING_MAX: usize = 4096;
/// Milliseconds that a question waits for this node's view of the slots to be the asker's.
const VIEWS_MS: u64 = 25;
/// Milliseconds after which a question is asked again.
const AGAIN_MS: u64 = 500;
/// The answer of a node whose slots differ from the question's slots.
pub(crate) const OTHER_SLOTS: &[u8] = b"!";
/// The answer in place of an answer that is too long.
pub(crate) const TOO_LONG: &[u8] =
    b"-ERR A multi-shard command failed because the answer of a shard is too large: ask for less at a time";

/// See the module.
#[derive(Default)]
pub struct ShardQueries {
    next: u64,
    open: HashMap<u64, ShardQuery, ahash::RandomState>,
    /// Messages that came in this turn.
    inbox: VecDeque<Message>,
    /// The answers for the command that runs again.
    complete: Option<Complete>,
    /// A command runs to answer another node.
    pub is_answering: bool,
    /// The rest of that command's work.
    left: Option<Box<dyn Any + Send>>,
    /// Questions that are being answered, or wait for this node's view of the slots.
    pending: VecDeque<PendingQuestion>,
}

/// The answers of all nodes that were asked, by their ids.
pub struct Complete {
    pub answers: Vec<Vec<u8>>,
    /// Monotonic milliseconds at which the survey would have ended.
    pub until_ms: u64,
    /// Kept by the asker for its next question.
    pub kept: Vec<u8>,
}

/// A question that is being answered.
pub struct PendingQuestion {
    pub from: NodeId,
    pub payload: Vec<u8>,
    /// The rest of the command's work; `None`: the command has not begun.
    pub task: Option<Box<dyn Any + Send>>,
    /// Monotonic milliseconds until which the question waits for this node's view of the slots.
    pub waits_until_ms: u64,
}

/// A message of another node.
pub enum Message {
    Question(NodeId, Vec<u8>),
    Answer(NodeId, Vec<u8>),
    /// A node has not read the question of this number.
    Unread(NodeId, u64),
}

/// The user that asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asker {
    /// Rules of the user's selectors; empty: the user may do everything.
    pub rights: Vec<Vec<u8>>,
    /// Elements that a command may touch; 0: any number.
    pub work: u64,
}

struct ShardQuery {
    client: ClientId,
    awaited: Vec<NodeId>,
    answers: Vec<(NodeId, Vec<u8>)>,
    bytes: usize,
    /// Monotonic milliseconds.
    until_ms: u64,
    questions: Vec<(NodeId, Vec<u8>)>,
    /// When the nodes without an answer are asked again, monotonic milliseconds; `None`: never.
    again_ms: Option<u64>,
    kept: Vec<u8>,
}

impl ShardQueries {
    /// Begins a survey; returns its number. `kept`: data that the asker gets back with the answers.
    /// `None`: there are too many surveys.
    pub fn begin(
        &mut self,
        client: ClientId,
        nodes: Vec<NodeId>,
        (now_ms, until_ms): (u64, u64),
        kept: Vec<u8>,
    ) -> Option<u64> {
        self.end_late(now_ms);
        if self.open.len() >= SURVEYS_MAX {
            return None;
        }
        self.next += 1;
        let survey = ShardQuery {
            client,
            awaited: nodes,
            answers: Vec::new(),
            bytes: 0,
            until_ms,
            questions: Vec::new(),
            again_ms: None,
            kept,
        };
        self.open.insert(self.next, survey);
        Some(self.next)
    }

    /// Ends the surveys whose time is over. O(surveys).
    pub fn end_late(&mut self, now_ms: u64) {
        self.open.retain(|_, survey| survey.until_ms > now_ms);
    }

    /// Keeps the questions of a survey for nodes that have not read them, and, if `now_ms` is given
    /// (monotonic milliseconds), for nodes that do not answer in time.
    pub fn keep(&mut self, number: u64, questions: Vec<(NodeId, Vec<u8>)>, now_ms: Option<u64>) {
        if let Some(survey) = self.open.get_mut(&number) {
            survey.questions = questions;
            survey.again_ms = now_ms.map(|now_ms| now_ms + AGAIN_MS);
        }
    }

    /// The question that a node has not read.
    pub fn unread(&self, node: NodeId, number: u64) -> Option<&[u8]> {
        let survey = self.open.get(&number)?;
        let awaits = survey.awaited.contains(&node);
        let mut questions = survey.questions.iter().filter(|_| awaits);
        questions
            .find(|(its, _)| *its == node)
            .map(|(_, question)| &**question)
    }

    /// The questions that are to be asked again now. O(surveys).
    pub fn unanswered(&mut self, now_ms: u64) -> Vec<(NodeId, Vec<u8>)> {
        let mut all = Vec::new();
        let open = self.open.values_mut();
        let is_due = |survey: &&mut ShardQuery| {
            let again_ms = survey.again_ms;
            again_ms.is_some_and(|again_ms| (again_ms..survey.until_ms).contains(&now_ms))
        };
        for survey in open.filter(is_due) {
            survey.again_ms = Some(now_ms + AGAIN_MS);
            let awaited = &survey.awaited;
            let questions = survey.questions.iter();
            all.extend(
                questions
                    .filter(|(node, _)| awaited.contains(node))
                    .cloned(),
            );
        }
        all
    }

    /// Whether this node is at work on a question of another.
    pub fn is_at_work_on(&self, from: NodeId, question: &[u8]) -> bool {
        let is_it =
            |its: &PendingQuestion| its.from == from && its.payload.get(..8) == question.get(..8);
        self.pending.iter().any(is_it)
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

    /// A node has not read a question.
    pub fn receive_unread(&mut self, node: NodeId, number: u64) {
        self.inbox.push_back(Message::Unread(node, number));
    }

    pub fn next_message(&mut self) -> Option<Message> {
        self.inbox.pop_front()
    }

    /// Takes an answer. If the answer completes a survey, returns the survey's client and number.
    pub fn take_answer(&mut self, from: NodeId, payload: &[u8]) -> Option<(ClientId, u64)> {
        let (number, bytes) = payload.split_first_chunk()?;
        let number = u64::from_be_bytes(*number);
        let survey = self.open.get_mut(&number)?;
        let at = survey.awaited.iter().position(|node| *node == from)?;
        survey.awaited.swap_remove(at);
        survey.bytes += bytes.len();
        if bytes.len() > ANSWER_BYTES_MAX || survey.bytes > SURVEY_BYTES_MAX {
            survey.awaited.clear();
            survey.answers = vec![(from, TOO_LONG.to_vec())];
        } else {
            survey.answers.push((from, bytes.to_vec()));
        }
        if !survey.awaited.is_empty() {
            return None;
        }
        let survey = self.open.remove(&number)?;
        let mut answers = survey.answers;
        answers.sort_by_key(|(node, _)| *node);
        let answers = answers.into_iter().map(|(_, bytes)| bytes).collect();
        self.complete = Some(Complete {
            answers,
            until_ms: survey.until_ms,
            kept: survey.kept,
        });
        Some((survey.client, number))
    }

    pub fn take_complete(&mut self) -> Option<Complete> {
        self.complete.take()
    }

    /// Whether a survey has ended, and its answers are for the command that runs.
    pub fn has_complete(&self) -> bool {
        self.complete.is_some()
    }

    /// Keeps the task of the command that answers, to continue it later.
    pub fn leave(&mut self, task: Box<dyn Any + Send>) {
        self.left = Some(task);
    }

    pub fn take_left(&mut self) -> Option<Box<dyn Any + Send>> {
        self.left.take()
    }

    /// Keeps a question to be answered, or to be continued. `false`: there are too many.
    pub fn put(&mut self, pending: PendingQuestion) -> bool {
        let has_room = self.pending.len() < PENDING_MAX;
        if has_room {
            self.pending.push_back(pending);
        }
        has_room
    }

    /// A question that has come now.
    pub fn pending(from: NodeId, payload: Vec<u8>, now_ms: u64) -> PendingQuestion {
        PendingQuestion {
            from,
            payload,
            task: None,
            waits_until_ms: now_ms + VIEWS_MS,
        }
    }

    pub fn next_pending(&mut self) -> Option<PendingQuestion> {
        self.pending.pop_front()
    }

    /// Surveys under way, and questions that are being answered.
    #[cfg(feature = "testing")]
    pub fn held(&self) -> (usize, usize) {
        (self.open.len(), self.pending.len())
    }

    pub fn pending_len(&self) -> usize {
        self.pending.len()
    }

    /// Whether questions are being answered that need not wait for anything.
    pub fn has_tasks(&self) -> bool {
        self.pending.iter().any(|its| its.task.is_some())
    }
}

/// A question's bytes; `slots`: the slots that the question is about.
pub(crate) fn question(
    number: u64,
    db: DbIndex,
    asker: &Asker,
    args: Args<'_>,
    slots: &[(u16, u16)],
) -> Vec<u8> {
    fn words<'w>(out: &mut Vec<u8>, all: impl ExactSizeIterator<Item = &'w [u8]>) {
        out.extend_from_slice(&(all.len() as u32).to_be_bytes());
        for word in all {
            out.extend_from_slice(&(word.len() as u32).to_be_bytes());
            out.extend_from_slice(word);
        }
    }
    let mut out = number.to_be_bytes().to_vec();
    out.extend_from_slice(&db.0.to_be_bytes());
    out.extend_from_slice(&asker.work.to_be_bytes());
    words(&mut out, asker.rights.iter().map(Vec::as_slice));
    words(&mut out, args.iter());
    for (first, last) in slots {
        out.extend_from_slice(&first.to_be_bytes());
        out.extend_from_slice(&last.to_be_bytes());
    }
    out
}

/// A question as it was asked.
pub struct ParsedQuestion {
    pub number: u64,
    pub db: DbIndex,
    pub asker: Asker,
    pub args: OwnedArgs,
    /// Empty: none were named.
    pub slots: Vec<(u16, u16)>,
}

/// Parses a question's bytes. `None`: they are damaged.
pub(crate) fn parse_question(payload: &[u8]) -> Option<ParsedQuestion> {
    fn number(from: &mut &[u8]) -> Option<u32> {
        let (number, rest) = from.split_first_chunk()?;
        *from = rest;
        Some(u32::from_be_bytes(*number))
    }
    fn word<'q>(from: &mut &'q [u8]) -> Option<&'q [u8]> {
        let len = number(from)? as usize;
        let (word, rest) = from.split_at_checked(len)?;
        *from = rest;
        Some(word)
    }
    let (first, mut rest) = payload.split_first_chunk()?;
    let db = DbIndex(number(&mut rest)?);
    let (work, mut rest) = rest.split_first_chunk()?;
    let mut asker = Asker {
        rights: Vec::new(),
        work: u64::from_be_bytes(*work),
    };
    for _ in 0..number(&mut rest)? {
        asker.rights.push(word(&mut rest)?.to_vec());
    }
    let mut args = OwnedArgs::new();
    for _ in 0..number(&mut rest)? {
        args.push(word(&mut rest)?);
    }
    let (ranges, rest) = rest.as_chunks::<4>();
    let slots = ranges.iter().map(|&[a, b, c, d]| {
        let (first, last) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        (first, last)
    });
    rest.is_empty().then(|| ParsedQuestion {
        number: u64::from_be_bytes(*first),
        db,
        asker,
        args,
        slots: slots.collect(),
    })
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
        let slots = [(0, 5), (7, 16383)];
        let asker = Asker {
            rights: vec![b"(~a* +@all)".to_vec(), Vec::new()],
            work: 1 << 40,
        };
        let bytes = question(7, DbIndex(3), &asker, words.args(), &slots);
        let its = parse_question(&bytes).expect("whole");
        assert_eq!((its.number, its.db), (7, DbIndex(3)));
        assert_eq!(its.asker, asker);
        assert_eq!(its.args.args().to_vec(), words.args().to_vec());
        assert_eq!(its.slots, slots);
        for len in 0..bytes.len() - 8 {
            assert!(parse_question(&bytes[..len]).is_none());
        }
        assert!(parse_question(&bytes[..bytes.len() - 1]).is_none());
    }

    #[test]
    fn a_survey_is_complete_when_each_node_has_answered_once() {
        let mut surveys = ShardQueries::default();
        let nodes = vec![node(0), node(1)];
        let number = surveys
            .begin(ClientId(5), nodes, (0, 100), b"k".to_vec())
            .expect("room");
        let answer = |text: &[u8]| [&number.to_be_bytes()[..], text].concat();
        assert_eq!(surveys.take_answer(node(2), &answer(b"x")), None);
        assert_eq!(surveys.take_answer(node(0), &answer(b"a")), None);
        assert_eq!(surveys.take_answer(node(0), &answer(b"a")), None);
        let done = surveys.take_answer(node(1), &answer(b"b"));
        assert_eq!(done, Some((ClientId(5), number)));
        let complete = surveys.take_complete().expect("all have answered");
        assert_eq!(complete.answers, [b"a", b"b"]);
        assert_eq!((complete.until_ms, &*complete.kept), (100, &b"k"[..]));
        assert_eq!(surveys.take_answer(node(1), &answer(b"b")), None);
        // Questions without an answer are repeated.
        let number = surveys.begin(ClientId(5), vec![node(0), node(1)], (0, 2000), Vec::new());
        let number = number.expect("room");
        let questions = vec![(node(0), vec![1]), (node(1), vec![2])];
        surveys.keep(number, questions.clone(), None);
        assert_eq!(surveys.unanswered(AGAIN_MS), []);
        assert_eq!(surveys.unread(node(1), number), Some(&[2][..]));
        assert_eq!(surveys.unread(node(2), number), None);
        surveys.keep(number, questions, Some(0));
        assert_eq!(surveys.unanswered(AGAIN_MS - 1), []);
        surveys.take_answer(node(0), &[&number.to_be_bytes()[..], b"a"].concat());
        assert_eq!(surveys.unanswered(AGAIN_MS), [(node(1), vec![2])]);
        assert_eq!(surveys.unanswered(AGAIN_MS), []);
        assert_eq!(surveys.unanswered(2000), []);
        surveys.give_up(number);
        // A survey whose time is over is given up.
        surveys.begin(ClientId(5), vec![node(0)], (0, 100), Vec::new());
        surveys.begin(ClientId(6), vec![node(0)], (100, 200), Vec::new());
        assert_eq!(surveys.open.len(), 1);
        surveys.end_late(199);
        assert_eq!(surveys.open.len(), 1);
        surveys.end_late(200);
        assert_eq!(surveys.open.len(), 0);
    }
}
