//! Writes messages: this node's header, greetings, broadcasts, publications.
//!
//! Invariants
//!   1. A message leaves by an open link or not at all: none waits for a link.
//!   2. A replica's header has its primary's epoch and slots.
//!   3. Extensions go only to nodes that read them, but for the proof of the secret (`door`).
//!   4. An announcement reaches the output of our own shard's links first.
//!
//! Cost: a greeting is encoded for one node; a broadcast is encoded once and a publication at most
//! twice, and all links share the bytes. A publication is O(nodes).
//!
//! Elsewhere: bytes (`message`), entries of greetings (`gossip`), when a node is greeted
//! (`heartbeat`), the bounds of a link's output (the driver).

use bytes::Bytes;

use super::super::actions::Action;
use super::super::core::Cluster;
use super::super::membership::nodes::{ME, NodeIndex};
use super::super::message::{
    Body, Extensions, Header, Kind, Marks, Message, NodeFlags, NodeId, Proof, Vendor,
};
use russet_host::LinkId;

/// At most this many forgotten ids are in a greeting.
const FORGOTTEN_MAX: usize = 64;

/// Changes of our own slots and epoch are each announced at once if they are this far apart.
const ANNOUNCE_MS: i64 = 20;

impl Cluster {
    /// Sends a PING, PONG or MEET.
    pub fn greet(&mut self, link: LinkId, kind: Kind) {
        let Some(open) = self.links.get(link).filter(|link| link.is_open) else {
            return;
        };
        let (to, is_inbound) = (open.node, open.is_inbound);
        let now = self.ms();
        if let Some(node) = to.and_then(|at| self.nodes.get_mut(at))
            && !is_inbound
        {
            if kind == Kind::Meet {
                node.met = Some(now);
            }
            if kind != Kind::Pong {
                node.pinged = Some(now);
            }
        }
        let gossip = self.choose_gossip(to);
        let message = Message {
            kind,
            header: Some(self.header(Marks::empty())),
            body: Body::Greeting {
                gossip,
                extensions: self.extensions(to, kind),
            },
        };
        let bytes = message.encode(self.vendor(to));
        self.send(link, kind, bytes);
    }

    /// The extensions for the other end of a link: none but a proof if it does not read them.
    fn extensions(&self, to: Option<NodeIndex>, kind: Kind) -> Extensions<'_> {
        let node = to.and_then(|at| self.nodes.get(at));
        let secret = &self.settings.meet_secret;
        let is_new = node.is_none_or(|node| node.is_handshake() || node.ponged.is_none());
        // A door asks for the proof before it is known whether the node reads extensions.
        let proves = !secret.is_empty() && (is_new || kind != Kind::Pong);
        let proof = proves.then(|| Proof::new(secret, self.me().id, self.now.wall_ms));
        let is_read = node.is_some_and(|node| node.takes_extensions);
        if !is_read {
            return Extensions {
                proof,
                ..Extensions::default()
            };
        }
        let names = &self.me().names;
        fn some(text: &[u8]) -> Option<&[u8]> {
            (!text.is_empty()).then_some(text)
        }
        let port = |port: u16| (port != 0).then_some(port);
        Extensions {
            hostname: some(&names.hostname),
            human_nodename: some(&names.human),
            forgotten: self.blacklist.remaining(self.ms(), FORGOTTEN_MAX),
            shard: Some(self.me().shard),
            secret: to.and_then(|at| self.secret_for(at)),
            client_ipv4: some(&names.client_ipv4),
            client_ipv6: some(&names.client_ipv6),
            client_port: port(names.client_port),
            client_tls_port: port(names.client_tls_port),
            availability_zone: some(&names.zone),
            proof,
        }
    }

    /// The vendor of the node at the other end of a link.
    pub fn vendor(&self, to: Option<NodeIndex>) -> Vendor {
        match to.and_then(|at| self.nodes.get(at)) {
            Some(node) if node.is_valkey() => Vendor::Valkey,
            Some(node) if node.takes_extensions => Vendor::Redis,
            _ => Vendor::Unknown,
        }
    }

    /// This node's header, which each message has. A replica's has its primary's epoch and slots.
    pub fn header(&self, marks: Marks) -> Header<'_> {
        let me = self.me();
        let speaker = &self.nodes[me.primary.unwrap_or(ME)];
        let address = me.address;
        let (port, other_port) = if self.settings.tls_cluster {
            (address.tls_port, address.port)
        } else {
            (address.port, address.tls_port)
        };
        let mut flags = me.flags & !NodeFlags::PRIMARY_FAILED;
        if self.is_valkey() {
            flags |= NodeFlags::VALKEY;
            let primary = me.primary.map(|at| &self.nodes[at]);
            flags.set(
                NodeFlags::PRIMARY_FAILED,
                primary.is_some_and(|node| node.has_failed()),
            );
        }
        let mut marks = marks | Marks::EXTENSIONS;
        // Only once the driver has reported the pause: the offset is final then.
        let is_paused = self.manual.replica().is_some() && self.own.is_paused;
        marks.set(Marks::PAUSED, is_paused);
        Header {
            sender: me.id,
            current_epoch: self.current_epoch,
            config_epoch: speaker.config_epoch,
            offset: me.offset,
            slots: speaker.slots.view(),
            primary: me.primary.map(|at| self.nodes[at].id),
            ip: self.announced_ip(),
            port,
            other_port,
            bus_port: address.bus_port,
            flags,
            is_ok: self.health.is_ok,
            marks,
        }
    }

    /// Empty unless it is configured: others then take the address that they see.
    fn announced_ip(&self) -> super::super::message::Ip {
        super::super::message::Ip::parse(&self.settings.announce_ip).unwrap_or_default()
    }

    /// Sends a message without gossip to a node, by the link that we have opened.
    pub(crate) fn send_bare(&mut self, at: NodeIndex, kind: Kind, marks: Marks, body: Body<'_>) {
        let Some(link) = self.nodes.get(at).and_then(|node| node.out) else {
            return;
        };
        let message = Message {
            kind,
            header: Some(self.header(marks)),
            body,
        };
        let bytes = message.encode(self.vendor(Some(at)));
        self.send(link, kind, bytes);
    }

    /// Sends a message without gossip to all nodes. O(nodes), encoded once.
    pub fn broadcast(&mut self, kind: Kind, marks: Marks, body: Body<'_>) {
        let message = Message {
            kind,
            header: Some(self.header(marks)),
            body,
        };
        let bytes = message.encode(Vendor::Unknown);
        for at in self.nodes.others() {
            if let Some(link) = self.nodes[at].out
                && !self.nodes[at].is_handshake()
            {
                self.send(link, kind, bytes.clone());
            }
        }
    }

    /// Announces this node's state at once, to all nodes or to the nodes of our shard. The nodes of
    /// the shard come first: a node that drops the keys of a slot that is claimed must not learn of
    /// the claim before the replicas do, which keep them if this node dies in between.
    pub fn announce(&mut self, only_shard: bool) {
        let mut others = self.nodes.others();
        others.sort_by_key(|&at| !self.is_of_my_shard(at));
        for at in others {
            let node = &self.nodes[at];
            if let Some(link) = node.out
                && !node.is_handshake()
                && (!only_shard || self.is_of_my_shard(at))
            {
                self.greet(link, Kind::Pong);
            }
        }
    }

    /// Announces a change of our own slots or epoch to all nodes at once; of many changes in a row,
    /// the later changes with the next tick.
    pub(crate) fn announce_change(&mut self) {
        let now = self.ms();
        if now - self.announced >= ANNOUNCE_MS {
            self.announced = now;
            self.announce(false);
        } else {
            self.has_news = true;
        }
    }

    pub(crate) fn broadcast_fail(&mut self, id: NodeId) {
        self.broadcast(Kind::Fail, Marks::empty(), Body::Fail(id));
    }

    /// Sends a node the slots and the epoch of another, because it has claimed such a slot by an
    /// older epoch. Slots that their owner does not claim any more are left out.
    pub(crate) fn send_update(&mut self, to: NodeIndex, of: NodeIndex) {
        let node = &self.nodes[of];
        let (epoch, id) = (node.config_epoch, node.id);
        let mut slots = node.slots.view().to_map();
        for slot in self.owners.unclaimed.iter() {
            slots.remove(slot);
        }
        let body = Body::Update {
            epoch,
            node: id,
            slots: slots.view(),
        };
        self.send_bare(to, Kind::Update, Marks::empty(), body);
    }

    /// PUBLISH or SPUBLISH here: send it to the nodes that may have subscribers. Encoded at most
    /// twice.
    pub fn publish(&mut self, channel: &[u8], message: &[u8], is_sharded: bool) {
        let kind = if is_sharded {
            Kind::PublishShard
        } else {
            Kind::Publish
        };
        let body = Body::Publish { channel, message };
        let encoded = |header: Option<Header<'_>>| {
            let body = body.clone();
            Message { kind, header, body }.encode(Vendor::Unknown)
        };
        let mut full: Option<Bytes> = None;
        let mut light: Option<Bytes> = None;
        for at in self.nodes.others() {
            let node = &self.nodes[at];
            let Some(link) = node.out.filter(|_| !node.is_handshake()) else {
                continue;
            };
            if is_sharded && !self.is_of_my_shard(at) {
                continue;
            }
            let bytes = if node.is_valkey() {
                light.get_or_insert_with(|| encoded(None)).clone()
            } else {
                full.get_or_insert_with(|| encoded(Some(self.header(Marks::empty()))))
                    .clone()
            };
            self.send(link, kind, bytes);
        }
    }

    /// Whether a node has the same primary as this node, or is that primary.
    pub(crate) fn is_of_my_shard(&self, at: NodeIndex) -> bool {
        let root = |at: NodeIndex| self.nodes[at].primary.unwrap_or(at);
        root(at) == root(ME)
    }

    pub(super) fn send(&mut self, link: LinkId, kind: Kind, bytes: Bytes) {
        if self.links.get(link).is_some_and(|link| link.is_open) {
            self.stats.sent.add(kind, bytes.len());
            self.out.push(Action::Send { link, bytes });
        }
    }
}
