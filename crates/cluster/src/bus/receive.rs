//! Takes messages: finds the sender of each, and makes the changes that follow from it.
//!
//!     bytes --parse--> epochs in bounds? -> sender -> door -> header, if known -> body
//!
//! Invariants
//!   1. A sender that is not known only begins or ends a handshake, shows our own address, or shows
//!      that a node has lost its own; every other change needs a known sender.
//!   2. By a link that we have opened only the node at its other end is a known sender.
//!   3. A message with an epoch beyond `EPOCH_MAX` changes nothing but counts.
//!
//! Cost: a greeting is O(its entries); slots that are as we know them cost one comparison of 2 KiB.
//!
//! Elsewhere: bytes and their checks (`message`, `links`), whether a link may speak (`door`),
//! claims and roles (`claims`), gossip (`gossip`), votes (`votes`, `election`).

use super::super::actions::Order;
use super::super::core::Cluster;
use super::super::membership::members::NAMED;
use super::super::membership::nodes::{Address, ME, NodeIndex};
use super::super::message::{
    Body, Extensions, Gossip, Header, Ip, Kind, Marks, Message, NodeFlags, NodeId,
};
use super::super::ownership::claims::EPOCH_MAX;
use super::links;
use russet_host::{Level, LinkId};

impl Cluster {
    /// Takes a message of a link. It may close the link and forget nodes.
    pub fn take(&mut self, link: LinkId, bytes: &[u8]) {
        // Counted before it is checked, as Redis does.
        if let Some(kind) = Message::kind_of(bytes) {
            self.stats.received.add(kind, bytes.len());
            let drops = self.switches.drop_kind;
            if drops == -2 || drops == kind as i32 {
                if self.switches.close_on_drop {
                    self.close(link);
                }
                return;
            }
        }
        let message = match Message::parse(bytes) {
            Ok(message) => message,
            Err(rejected) => {
                let from = self.from(link);
                let sender = rejected.sender.map_or("?".into(), |id| id.to_string());
                self.log_limited(format!(
                    "Dropped a message of {sender} {from}: {}",
                    rejected.fault
                ));
                if rejected.fault.closes_link() {
                    self.close(link);
                }
                return;
            }
        };
        let Some(header) = &message.header else {
            return self.take_light(link, &message);
        };
        if header.current_epoch.max(header.config_epoch) > EPOCH_MAX {
            let from = self.from(link);
            self.log_limited(format!("Dropped a message with an invented epoch {from}"));
            return;
        }
        let sender = self.sender(link, header);
        let proof = match &message.body {
            Body::Greeting { extensions, .. } => extensions.proof.as_ref(),
            _ => None,
        };
        if !self.may_speak(link, header, sender.known(), proof) {
            return;
        }
        if let Sender::Known(at) = sender {
            self.receive_header(at, header);
        }
        match (&message.body, sender) {
            (Body::Greeting { gossip, extensions }, _) => {
                self.take_greeting(link, message.kind, header, (gossip, extensions), sender);
            }
            (_, Sender::Me | Sender::Other | Sender::Unknown) => {}
            (Body::Fail(id), Sender::Known(at)) => self.receive_fail(at, id),
            (
                &Body::Publish {
                    channel,
                    message: text,
                },
                Sender::Known(_),
            ) => {
                self.deliver(channel, text, message.kind);
            }
            (&Body::Update { epoch, node, slots }, Sender::Known(_)) => {
                self.take_update(&node, epoch, slots);
            }
            (
                &Body::Module {
                    module,
                    kind,
                    payload,
                },
                Sender::Known(at),
            ) => self.take_question(link, at, (module, kind), payload),
            (Body::Nothing, Sender::Known(at)) => match message.kind {
                Kind::AuthRequest => self.consider_vote(at, header),
                Kind::AuthAck => self.count_vote(at, header),
                Kind::MfStart => self.pause_for(at),
                _ => {}
            },
        }
    }

    /// Valkey's light messages have no header: their sender is the link's node.
    fn take_light(&mut self, link: LinkId, message: &Message<'_>) {
        let open = self.links.get(link);
        let is_known = open.is_some_and(|open| open.is_trusted && open.node.is_some());
        if let (
            true,
            &Body::Publish {
                channel,
                message: text,
            },
        ) = (is_known, &message.body)
        {
            self.deliver(channel, text, message.kind);
        }
    }

    fn deliver(&mut self, channel: &[u8], message: &[u8], kind: Kind) {
        self.out.push(Order::Deliver {
            channel: channel.to_vec(),
            message: message.to_vec(),
            is_sharded: kind == Kind::PublishShard,
        });
    }

    /// The sender. By a link that we have opened, only its node can be the sender.
    fn sender(&self, link: LinkId, header: &Header<'_>) -> Sender {
        let open = self.links.get(link);
        let dialled = open
            .filter(|open| !open.is_inbound)
            .and_then(|open| open.node);
        let dialled = dialled.map(|at| &self.nodes[at]);
        let is_other =
            |id: NodeId| dialled.is_some_and(|node| !node.is_handshake() && node.id != id);
        match self.nodes.find(&header.sender) {
            _ if is_other(header.sender) => Sender::Other,
            Some(ME) => Sender::Me,
            // A node in a handshake has a random id of ours, which no sender has.
            Some(at) if !self.nodes[at].is_handshake() => Sender::Known(at),
            _ => Sender::Unknown,
        }
    }

    /// Takes the header of a known node's message: epochs, offset, flags, marks.
    fn receive_header(&mut self, at: NodeIndex, header: &Header<'_>) {
        let now = self.ms();
        let Header {
            current_epoch,
            config_epoch,
            offset,
            ..
        } = *header;
        if current_epoch > self.current_epoch {
            self.current_epoch = current_epoch;
            self.save();
        }
        let node = &mut self.nodes[at];
        node.received_at = now;
        self.changed.routes |= (node.offset == 0) != (offset == 0);
        node.offset = offset;
        node.header_flags = header.flags;
        node.takes_extensions |= header.marks.contains(Marks::EXTENSIONS);
        node.noticed.current_epoch = current_epoch;
        node.noticed.state_is_fail = !header.is_ok;
        // A replica's header has its primary's epoch.
        if header.primary.is_none() && config_epoch > node.config_epoch {
            node.config_epoch = config_epoch;
            self.save_soon();
        }
        if header.primary.is_none() {
            self.reconsider_election(config_epoch);
        }
        if header.marks.contains(Marks::PAUSED) && self.me().primary == Some(at) {
            self.receive_paused(offset);
        }
    }

    fn take_greeting(
        &mut self,
        link: LinkId,
        kind: Kind,
        header: &Header<'_>,
        (gossip, extensions): (&[Gossip], &Extensions<'_>),
        sender: Sender,
    ) {
        let Some(open) = self.links.get(link) else {
            return;
        };
        let (is_inbound, local_ip) = (open.is_inbound, open.local_ip);
        // A node that was only met by others learns its address by their first PING.
        if is_inbound && (kind == Kind::Meet || self.me().address.ip.is_empty()) {
            self.learn_own_ip(local_ip);
        }
        if kind == Kind::Meet && is_inbound {
            match sender {
                Sender::Unknown if self.is_still_forgotten(&header.sender, gossip) => {}
                Sender::Unknown => self.meet_back(link, header),
                Sender::Known(at) => self.receive_meet_again(at),
                _ => {}
            }
        }
        if is_inbound && let Sender::Known(at) = sender {
            self.set_inbound(link, at);
        }
        if kind != Kind::Pong {
            self.greet(link, Kind::Pong);
        }
        let sender = if is_inbound {
            sender.known()
        } else {
            self.end_handshake(link, header, sender)
        };
        let Some(at) = sender else {
            return;
        };
        if self.has_proven(header, extensions.proof.as_ref()) {
            self.trust(at, "it knows cluster-meet-secret");
        }
        let flag = NodeFlags::NO_FAILOVER;
        self.nodes[at].flags.set(flag, header.flags.contains(flag));
        if kind != Kind::Pong && is_inbound {
            self.receive_address(at, link, header);
        }
        if kind == Kind::Pong && !is_inbound {
            self.receive_pong(at);
        }
        self.receive_role(at, header);
        self.receive_claims(at, header);
        self.receive_gossip(at, gossip);
        // Gossip and claims forget no node.
        self.receive_extensions(at, extensions);
    }

    /// Takes the id of a node that we have met, or finds that its address is another's by now.
    /// Returns the sender if it is a known node.
    fn end_handshake(
        &mut self,
        link: LinkId,
        header: &Header<'_>,
        sender: Sender,
    ) -> Option<NodeIndex> {
        let at = self.links.get(link)?.node?;
        if !self.nodes[at].is_handshake() {
            if sender == Sender::Known(at) {
                return Some(at);
            }
            self.lose_address(at, &header.sender);
            return None;
        }
        match sender {
            Sender::Unknown if self.blacklist.contains(&header.sender) => {
                // CLUSTER MEET takes it back.
                self.blacklist.remove(&header.sender);
            }
            Sender::Unknown => {}
            Sender::Known(known) => {
                let text = format!("Handshake: node {} is known", self.called(known));
                self.log(Level::Verbose, text);
                let address = self.address_in(link, header);
                let is_named = self.nodes[at].flags.contains(NodeFlags::MEET);
                self.move_to(known, address);
                self.forget(at);
                if is_named {
                    self.trust(known, NAMED);
                }
                return None;
            }
            Sender::Me | Sender::Other => {
                self.forget(at);
                return None;
            }
        }
        self.nodes.rename(at, header.sender);
        let node = &mut self.nodes[at];
        let is_named = node.flags.contains(NodeFlags::MEET);
        node.flags.remove(NodeFlags::HANDSHAKE | NodeFlags::MEET);
        node.flags.insert(match header.primary {
            None => NodeFlags::PRIMARY,
            Some(_) => NodeFlags::REPLICA,
        });
        let text = format!("Handshake with node {} completed", header.sender);
        self.log(Level::Verbose, text);
        if is_named {
            self.trust(at, NAMED);
        }
        self.changed.routes = true;
        self.save_soon();
        self.receive_header(at, header);
        Some(at)
    }

    /// Another node answers by our link to this node, which is elsewhere, if at all.
    fn lose_address(&mut self, at: NodeIndex, answers: &NodeId) {
        let called = self.called(at);
        self.log_limited(format!("At the address of node {called} is node {answers}"));
        let is_new = self.nodes[at].has_address();
        if let Some(link) = self.nodes[at].out {
            self.close(link);
        }
        self.doubt(at);
        let node = &mut self.nodes[at];
        node.flags.insert(NodeFlags::NO_ADDRESS);
        node.address = Address::default();
        node.ponged = None;
        let id = node.id;
        self.changed.routes = true;
        self.save_soon();
        if is_new && self.is_valkey() && !self.nodes[at].has_failed() {
            self.mark_failed(at);
            self.broadcast_fail(id);
        }
    }

    /// A forgotten node that has not forgotten us sends MEET by itself when it misses our link. A
    /// node that was reset, and is to join again, knows none of ours.
    fn is_still_forgotten(&self, sender: &NodeId, gossip: &[Gossip]) -> bool {
        let is_ours = |entry: &Gossip| self.nodes.find(&entry.node).is_some();
        self.blacklist.contains(sender) && gossip.iter().any(is_ours)
    }

    fn learn_own_ip(&mut self, local_ip: Ip) {
        let me = self.me().address.ip;
        if self.settings.announce_ip.is_empty() && !local_ip.is_empty() && me != local_ip {
            self.nodes.get_mut(ME).expect("ours").address.ip = local_ip;
            self.log_limited(format!("Our own address is now {local_ip}"));
            self.changed.routes = true;
            self.save_soon();
        }
    }

    /// The address of a message's sender: from its header, else from the link.
    pub(crate) fn address_in(&self, link: LinkId, header: &Header<'_>) -> Address {
        let peer_ip = self.links.get(link).map(|open| open.peer_ip);
        let ip = if header.ip.is_empty() {
            peer_ip.unwrap_or_default()
        } else {
            header.ip
        };
        let ports = (header.port, header.other_port, header.bus_port);
        links::address(self.settings.tls_cluster, ip, ports)
    }

    /// A node that dials us announces its address.
    fn receive_address(&mut self, at: NodeIndex, link: LinkId, header: &Header<'_>) {
        let address = self.address_in(link, header);
        self.move_to(at, address);
    }

    /// A node has another address: we dial it there.
    fn move_to(&mut self, at: NodeIndex, address: Address) {
        if self.nodes[at].address == address || address.ip.is_empty() || at == ME {
            return;
        }
        let called = self.called(at);
        self.log_limited(format!(
            "Address of node {called} is now {}:{}",
            address.ip, address.port
        ));
        if let Some(link) = self.nodes[at].out {
            self.close(link);
        }
        let former = self.nodes[at].address;
        if (former.ip, former.bus_port) != (address.ip, address.bus_port) {
            self.doubt(at);
        }
        let node = &mut self.nodes[at];
        node.address = address;
        node.flags.remove(NodeFlags::NO_ADDRESS);
        self.changed.routes = true;
        self.save_soon();
        if self.me().primary == Some(at) {
            self.follow_primary();
        }
    }

    fn receive_pong(&mut self, at: NodeIndex) {
        self.confirm(at);
        let now = self.ms();
        let out = self.nodes[at].out.and_then(|link| self.links.get(link));
        let answers_at = out.map(|link| link.peer_ip);
        let node = &mut self.nodes[at];
        node.answered = answers_at.unwrap_or(node.answered);
        node.ponged = Some(now);
        node.pinged = None;
        if node.flags.contains(NodeFlags::PFAIL) {
            self.nodes.set_suspect(at, false);
            self.changed.health = true;
            let called = self.called(at);
            self.log(Level::Verbose, format!("Node {called} answers again"));
        } else if node.has_failed() {
            self.clear_failure(at);
        }
    }

    /// Takes a node's names, shard, secret and forgotten nodes.
    fn receive_extensions(&mut self, at: NodeIndex, extensions: &Extensions<'_>) {
        if !self.nodes[at].takes_extensions {
            return;
        }
        let text = |text: Option<&[u8]>| text.unwrap_or_default().to_vec();
        let node = &mut self.nodes[at];
        let mut names = node.names.clone();
        names.hostname = text(extensions.hostname);
        names.human = text(extensions.human_nodename);
        if node.is_valkey() {
            names.client_ipv4 = text(extensions.client_ipv4);
            names.client_ipv6 = text(extensions.client_ipv6);
            names.client_port = extensions.client_port.unwrap_or(0);
            names.client_tls_port = extensions.client_tls_port.unwrap_or(0);
            names.zone = text(extensions.availability_zone);
        }
        let is_renamed = names != node.names;
        node.names = names;
        let is_moved = extensions.shard.is_some_and(|shard| shard != node.shard);
        if let Some(shard) = extensions.shard.filter(|_| is_moved) {
            self.set_shard(at, shard);
        }
        if is_renamed || is_moved {
            self.changed.routes = true;
            self.save_soon();
        }
        if let Some(secret) = extensions.secret {
            self.receive_secret(at, secret);
        }
        for &(id, seconds) in &extensions.forgotten {
            self.receive_forgotten(at, &id, seconds);
        }
    }

    /// A primary's replicas have its shard.
    fn set_shard(&mut self, at: NodeIndex, shard: NodeId) {
        let node = &mut self.nodes[at];
        node.shard = shard;
        if node.is_primary() {
            for replica in node.replicas.clone() {
                self.nodes[replica].shard = shard;
            }
        }
    }
}

/// The sender of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sender {
    /// This node itself: the link leads back.
    Me,
    Known(NodeIndex),
    Unknown,
    /// Another node than the node to which we have opened the link.
    Other,
}

impl Sender {
    fn known(self) -> Option<NodeIndex> {
        match self {
            Sender::Known(at) => Some(at),
            _ => None,
        }
    }
}
