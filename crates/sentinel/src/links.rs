//! Links to data nodes and to other Sentinels: their connections, and the replies they owe.
//!
//! A data node has two connections, for commands and for its channel of hellos. Another Sentinel
//! has a single connection, shared by all primaries that both of us watch: a link counts its
//! owners.
//!
//! A connection has a number that is never used again, so that a late event of an old connection is
//! recognised. Requests leave only on a connection that is established.

use std::collections::{BTreeMap, VecDeque};

use super::actions::{Action, Outbox};
use super::time::Ms;
pub use russet_host::LinkId as ConnId;
use russet_resp::{ReplyBounds, ReplyParser, ReplyValue, write_request};

/// A link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LinkId(u32);

/// The purpose of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnKind {
    Commands,
    Subscription,
}

/// An instance: the name of a primary, and a member of the primary's group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub primary: Vec<u8>,
    pub member: Member,
}

/// Which instance of a primary's group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Member {
    Primary,
    /// By its name, `ip:port`.
    Replica(Vec<u8>),
    /// Another Sentinel, by its run id.
    Peer(Vec<u8>),
}

/// The request that a reply answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExpectedReply {
    /// Nothing depends on the reply: its effect is seen in INFO.
    Ignored,
    Ping(Target),
    Info(Target),
    Hello(Target),
    /// SENTINEL IS-MASTER-DOWN-BY-ADDR.
    IsDown(Target),
    /// SENTINEL MYID, to a Sentinel that is not known yet.
    RunId,
    /// SUBSCRIBE: without it the connection is of no use.
    Subscribed,
}

/// A connection of a link.
#[derive(Debug)]
pub(crate) struct LinkConnection {
    pub id: ConnId,
    /// When it was begun.
    pub since: Ms,
    /// Our own address on it, once it is established.
    pub local_ip: Option<Vec<u8>>,
    /// The replies to come, in their order.
    pub expected: VecDeque<ExpectedReply>,
    parser: ReplyParser,
}

/// A data node's INFO and lists of a few kilobytes are expected; a peer that sends more is no data
/// node.
const BOUNDS: ReplyBounds = ReplyBounds {
    bulk_max: 4 << 20,
    values_max: 64 * 1024,
    depth_max: 8,
};

/// A link, and the instance's health as its connections show it.
#[derive(Debug)]
pub(crate) struct InstanceLink {
    pub owners: usize,
    has_subscription: bool,
    pub commands: Option<LinkConnection>,
    pub(crate) subscription: Option<LinkConnection>,
    /// The last message of the subscription.
    pub received_at: Ms,
    /// The last reply to PING that means that the instance is available.
    pub(crate) available_at: Ms,
    /// When the first PING was sent that has no such reply yet. A link begins with this set, so
    /// that an instance that is never reached is seen as down, too.
    pub(crate) pinged_since: Option<Ms>,
    /// The last PING.
    pub(crate) pinged_at: Option<Ms>,
    /// The last reply to PING of any kind.
    pub(crate) pong_at: Ms,
    /// The start of the last simple reply or error that came to a PING.
    pub(crate) last_reply: Vec<u8>,
    /// The last attempt to connect.
    pub(crate) tried_at: Option<Ms>,
    /// When the last connection could not be established, and why.
    pub last_error: Option<(Ms, String)>,
}

/// Bytes of a reply to PING that are kept.
const REPLY_BYTES_MAX: usize = 80;

impl InstanceLink {
    fn new(has_subscription: bool, now: Ms) -> InstanceLink {
        InstanceLink {
            owners: 1,
            has_subscription,
            commands: None,
            subscription: None,
            received_at: now,
            available_at: now,
            pinged_since: Some(now),
            pinged_at: None,
            pong_at: now,
            last_reply: Vec::new(),
            tried_at: None,
            last_error: None,
        }
    }

    /// All its connections are established.
    pub fn is_up(&self) -> bool {
        let is_up =
            |conn: &Option<LinkConnection>| conn.as_ref().is_some_and(|c| c.local_ip.is_some());
        is_up(&self.commands) && (!self.has_subscription || is_up(&self.subscription))
    }

    /// Requests without a reply yet.
    pub fn pending(&self) -> usize {
        self.commands.as_ref().map_or(0, |conn| conn.expected.len())
    }

    /// Resets the health to the health of a new link; the connections stay.
    pub(crate) fn forget_health(&mut self, now: Ms) {
        self.pinged_since = Some(now);
        self.pinged_at = None;
        (self.available_at, self.pong_at) = (now, now);
        self.last_reply.clear();
        self.last_error = None;
    }

    /// Keeps the reply to a PING. A repeated reply costs nothing.
    pub(crate) fn record_reply(&mut self, text: &[u8]) {
        let text = &text[..text.len().min(REPLY_BYTES_MAX)];
        if self.last_reply != text {
            self.last_reply.clear();
            self.last_reply.extend_from_slice(text);
        }
    }

    fn conn_mut(&mut self, kind: ConnKind) -> &mut Option<LinkConnection> {
        match kind {
            ConnKind::Commands => &mut self.commands,
            ConnKind::Subscription => &mut self.subscription,
        }
    }
}

/// All links.
#[derive(Debug, Default)]
pub struct Links {
    /// By their numbers; the number of a link that is gone is used again.
    links: Vec<Option<InstanceLink>>,
    free: Vec<LinkId>,
    by_conn: BTreeMap<ConnId, (LinkId, ConnKind)>,
    last_conn: u64,
}

impl Links {
    /// A new link, not connected.
    pub fn add(&mut self, has_subscription: bool, now: Ms) -> LinkId {
        let link = Some(InstanceLink::new(has_subscription, now));
        if let Some(id) = self.free.pop() {
            self.links[id.0 as usize] = link;
            return id;
        }
        self.links.push(link);
        LinkId(u32::try_from(self.links.len() - 1).expect("fewer links than memory holds"))
    }

    pub fn get(&self, id: LinkId) -> &InstanceLink {
        self.links[id.0 as usize]
            .as_ref()
            .expect("a link with an owner")
    }

    pub fn get_mut(&mut self, id: LinkId) -> &mut InstanceLink {
        self.links[id.0 as usize]
            .as_mut()
            .expect("a link with an owner")
    }

    /// Removes an owner; without owners the link is closed.
    pub fn release(&mut self, id: LinkId, out: &mut Outbox) {
        self.get_mut(id).owners -= 1;
        if self.get(id).owners == 0 {
            self.close_both(id, out);
            self.links[id.0 as usize] = None;
            self.free.push(id);
        }
    }

    /// Begins a connection.
    pub fn connect(
        &mut self,
        id: LinkId,
        kind: ConnKind,
        (ip, port): (&[u8], u16),
        now: Ms,
        out: &mut Outbox,
    ) {
        self.last_conn += 1;
        let conn = ConnId(self.last_conn);
        self.by_conn.insert(conn, (id, kind));
        *self.get_mut(id).conn_mut(kind) = Some(LinkConnection {
            id: conn,
            since: now,
            local_ip: None,
            expected: VecDeque::new(),
            parser: ReplyParser::new(BOUNDS),
        });
        out.push(Action::Dial {
            link: conn,
            host: ip.to_vec(),
            port,
        });
    }

    /// Closes a connection, if any.
    pub fn close(&mut self, id: LinkId, kind: ConnKind, out: &mut Outbox) {
        if let Some(conn) = self.get_mut(id).conn_mut(kind).take() {
            self.by_conn.remove(&conn.id);
            out.push(Action::Close(conn.id));
        }
    }

    pub(crate) fn close_both(&mut self, id: LinkId, out: &mut Outbox) {
        self.close(id, ConnKind::Commands, out);
        self.close(id, ConnKind::Subscription, out);
    }

    /// The link of a connection that is still in use.
    pub fn find(&self, conn: ConnId) -> Option<(LinkId, ConnKind)> {
        self.by_conn.get(&conn).copied()
    }

    /// Records that the other end, or the driver, has closed a connection. From now on a PING would
    /// have no reply.
    pub fn closed(&mut self, conn: ConnId, now: Ms) {
        if let Some((id, kind)) = self.by_conn.remove(&conn) {
            let link = self.get_mut(id);
            *link.conn_mut(kind) = None;
            if kind == ConnKind::Commands {
                link.pinged_since.get_or_insert(now);
            }
        }
    }

    /// Records that a connection is established.
    pub(crate) fn established(&mut self, conn: ConnId, local_ip: Vec<u8>) {
        if let Some((id, kind)) = self.find(conn)
            && let Some(conn) = self.get_mut(id).conn_mut(kind)
        {
            conn.local_ip = Some(local_ip);
        }
    }

    /// The next reply in these bytes of a connection, which are taken from the front. Error: they
    /// are no replies.
    pub(crate) fn parse(
        &mut self,
        conn: ConnId,
        bytes: &mut &[u8],
    ) -> Result<Option<ReplyValue>, ()> {
        let Some((id, kind)) = self.find(conn) else {
            *bytes = &[];
            return Ok(None);
        };
        let conn = self.get_mut(id).conn_mut(kind).as_mut();
        conn.expect("found by its number")
            .parser
            .push(bytes)
            .map_err(drop)
    }

    /// Takes the request that the next reply of a connection answers.
    pub(crate) fn take_expected(&mut self, id: LinkId, kind: ConnKind) -> Option<ExpectedReply> {
        let conn = self.get_mut(id).conn_mut(kind).as_mut()?;
        conn.expected.pop_front()
    }

    /// Sends a request, if the connection is established.
    pub fn send(
        &mut self,
        id: LinkId,
        kind: ConnKind,
        words: &[&[u8]],
        expected: ExpectedReply,
        out: &mut Outbox,
    ) -> bool {
        let Some(conn) = self.get_mut(id).conn_mut(kind) else {
            return false;
        };
        if conn.local_ip.is_none() {
            return false;
        }
        let mut bytes = Vec::new();
        write_request(&mut bytes, words.iter().copied());
        conn.expected.push_back(expected);
        out.push(Action::Send {
            link: conn.id,
            bytes: bytes.into(),
        });
        true
    }
}
