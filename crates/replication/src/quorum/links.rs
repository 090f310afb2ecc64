//! The machine's own links to other members: one a member, each with its questions in order.
//!
//! Replies come in the order of the questions. A reply is bounded by the longest tail that may be
//! fetched. A member that could not be reached is dialled again after [`REDIAL_MS`].

use std::collections::VecDeque;

use super::ballot::{Ballot, NodeId};
use super::events::{Order, QuorumSettings};
use super::members::Member;
use super::words::Word;
use russet_host::{Action, LinkId, Outbox};
use russet_resp::{ReplyBounds, ReplyParser, ReplyValue, write_request};

/// Milliseconds from one attempt to reach a member to the next.
const REDIAL_MS: u64 = 300;

/// A question whose reply has not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question {
    Login,
    Leader,
    Seal(Ballot),
    Tail(Ballot),
    Leads,
    TakeOver,
}

#[derive(Debug)]
struct MemberLink {
    id: LinkId,
    node: NodeId,
    is_open: bool,
    /// Requests that wait for the link to open.
    requests: Vec<u8>,
    questions: VecDeque<Question>,
    parser: ReplyParser,
}

/// A reply of a member. `None` instead of a reply: the link was lost before it came.
pub(super) type MemberReply = (NodeId, Question, Option<ReplyValue>);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct MemberLinks {
    last: u64,
    links: Vec<MemberLink>,
    /// Members that could not be reached, and when that was.
    unreachable: Vec<(NodeId, u64)>,
}

impl MemberLinks {
    /// Asks a member; a link is dialled, if there is none.
    pub fn ask(
        &mut self,
        settings: &QuorumSettings,
        member: &Member,
        (word, question): (&Word, Question),
        out: &mut Outbox<Order>,
    ) {
        let at = match self.links.iter().position(|link| link.node == member.id) {
            Some(at) => at,
            None => self.dial(settings, member, out),
        };
        let link = &mut self.links[at];
        link.questions.push_back(question);
        let mut request = Vec::new();
        word.write(&mut request);
        if link.is_open {
            let (link, bytes) = (link.id, request.into());
            out.push(Action::Send { link, bytes });
        } else {
            link.requests.append(&mut request);
        }
    }

    fn dial(
        &mut self,
        settings: &QuorumSettings,
        member: &Member,
        out: &mut Outbox<Order>,
    ) -> usize {
        self.last += 1;
        let id = LinkId(self.last);
        let mut link = MemberLink {
            id,
            node: member.id,
            is_open: false,
            requests: Vec::new(),
            questions: VecDeque::new(),
            parser: ReplyParser::new(ReplyBounds {
                bulk_max: settings.tail_max_bytes,
                values_max: 16,
                depth_max: 2,
            }),
        };
        if let Some((user, password)) = &settings.login {
            let words = [Some(&b"AUTH"[..]), user.as_deref(), Some(password)];
            let words: Vec<&[u8]> = words.into_iter().flatten().collect();
            write_request(&mut link.requests, words.into_iter());
            link.questions.push_back(Question::Login);
        }
        self.links.push(link);
        let host = member.address.host.clone().into_bytes();
        let (link, port) = (id, member.address.port);
        out.push(Action::Dial { link, host, port });
        self.links.len() - 1
    }

    /// A dialled link is open.
    pub fn opened(&mut self, id: LinkId, out: &mut Outbox<Order>) {
        if let Some(link) = self.links.iter_mut().find(|link| link.id == id) {
            link.is_open = true;
            let bytes = std::mem::take(&mut link.requests).into();
            out.push(Action::Send { link: id, bytes });
        }
    }

    /// A copy, where no reply is half received.
    #[cfg(test)]
    pub fn copy(&self) -> MemberLinks {
        let links = self.links.iter().map(|link| MemberLink {
            id: link.id,
            node: link.node,
            is_open: link.is_open,
            requests: link.requests.clone(),
            questions: link.questions.clone(),
            parser: ReplyParser::new(ReplyBounds {
                bulk_max: 1 << 20,
                values_max: 16,
                depth_max: 2,
            }),
        });
        MemberLinks {
            last: self.last,
            links: links.collect(),
            unreachable: self.unreachable.clone(),
        }
    }

    /// A link is gone: its questions have no reply.
    pub fn closed(&mut self, id: LinkId, now_ms: u64) -> Vec<MemberReply> {
        let Some(at) = self.links.iter().position(|link| link.id == id) else {
            return Vec::new();
        };
        let link = self.links.remove(at);
        self.unreachable.retain(|(node, _)| *node != link.node);
        self.unreachable.push((link.node, now_ms));
        let lost = link.questions.into_iter();
        lost.map(|question| (link.node, question, None)).collect()
    }

    /// Bytes of a link: the replies that are complete.
    pub fn received(
        &mut self,
        id: LinkId,
        mut bytes: &[u8],
        now_ms: u64,
        out: &mut Outbox<Order>,
    ) -> Vec<MemberReply> {
        let mut replies = Vec::new();
        while let Some(link) = self.links.iter_mut().find(|link| link.id == id) {
            let is_failed = match link.parser.push(&mut bytes) {
                Ok(None) => break,
                Ok(Some(reply)) => match link.questions.pop_front() {
                    Some(question) => {
                        replies.push((link.node, question, Some(reply)));
                        false
                    }
                    None => true,
                },
                Err(_) => true,
            };
            if is_failed {
                out.push(Action::Close(id));
                replies.extend(self.closed(id, now_ms));
            }
        }
        replies
    }

    /// Whether a member is being asked something.
    pub fn is_asked(&self, node: NodeId) -> bool {
        self.links.iter().any(|link| link.node == node)
    }

    /// Whether a member may be dialled again.
    pub fn may_redial(&self, node: NodeId, now_ms: u64) -> bool {
        let mut lost = self.unreachable.iter().rev();
        let last = lost.find(|(id, _)| *id == node);
        !self.is_asked(node) && last.is_none_or(|(_, at)| now_ms >= at + REDIAL_MS)
    }

    /// Closes the links that wait for nothing.
    pub fn close_idle(&mut self, out: &mut Outbox<Order>) {
        self.close(out, |link| link.questions.is_empty());
    }

    /// Closes the links that wait for nothing but the name of a leader.
    pub fn close_unanswered(&mut self, out: &mut Outbox<Order>) {
        let asks = |question: &Question| matches!(question, Question::Leader | Question::Login);
        self.close(out, |link| link.questions.iter().all(asks));
    }

    /// Closes all links.
    pub fn close_all(&mut self, out: &mut Outbox<Order>) {
        self.close(out, |_| true);
        self.unreachable.clear();
    }

    fn close(&mut self, out: &mut Outbox<Order>, is_over: impl Fn(&MemberLink) -> bool) {
        self.links.retain(|link| {
            let is_over = is_over(link);
            if is_over {
                out.push(Action::Close(link.id));
            }
            !is_over
        });
    }
}
