//! The nodes of a cluster with a connection to each, loaded from any of them.
//!
//! The first member is the node that was asked. A node that does not answer is left out; silent
//! primaries with slots are counted, because `fix` must not take their slots for free.
//! Cost: a connection, INFO and CLUSTER NODES for each node, one after the other.

use std::thread;
use std::time::Duration;

use russet_resp::ReplyValue;

use super::node::{Node, signature};
use super::screen::{CommandFailure, Outcome, error, fail, print, warn};
use crate::link::{Link, reason_of};
use crate::options::Options;

/// Seconds after which nodes that have not joined are named.
const JOIN_PATIENCE: usize = 15;

/// A node and the connection to it.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) node: Node,
    pub(super) link: Link,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Members {
    /// The first is the node that was asked.
    pub(super) list: Vec<Member>,
    /// Primaries with slots that do not answer.
    pub(super) unreachable: usize,
}

/// Options for a connection to another node of the cluster.
pub(super) fn options_for(options: &Options, host: &str, port: u16) -> Options {
    Options {
        host: host.to_owned(),
        port,
        socket: None,
        database: 0,
        form: None,
        ..options.clone()
    }
}

/// A connection; its failure is printed.
pub(super) fn connect(options: &Options, host: &str, port: u16) -> Outcome<Link> {
    Link::open(&options_for(options, host, port)).map_err(|why| {
        eprintln!("{why}");
        CommandFailure
    })
}

/// The text of a reply, or the line of its error.
pub(super) fn text(reply: ReplyValue) -> Result<String, String> {
    match reply {
        ReplyValue::Bulk(text) | ReplyValue::Simple(text) => {
            Ok(String::from_utf8_lossy(&text).into_owned())
        }
        ReplyValue::Verbatim(text) => {
            Ok(String::from_utf8_lossy(crate::print::verbatim(&text)).into_owned())
        }
        ReplyValue::Integer(n) => Ok(n.to_string()),
        ReplyValue::Error(why) => Err(String::from_utf8_lossy(&why).into_owned()),
        other => Err(format!("unexpected reply {other:?}")),
    }
}

/// A request at a bare link; a lost connection is an error like a refusal.
pub(super) fn ask(link: &mut Link, words: &[&str]) -> Result<ReplyValue, String> {
    match link.ask(words) {
        Ok(ReplyValue::Error(why)) => Err(String::from_utf8_lossy(&why).into_owned()),
        Ok(reply) => Ok(reply),
        Err(why) => Err(reason_of(&why)),
    }
}

/// The text of INFO's field.
pub(super) fn info_field(link: &mut Link, name: &str) -> Result<Option<String>, String> {
    let info = text(ask(link, &["INFO"])?)?;
    let found = info
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    Ok(found.map(str::to_owned))
}

impl Member {
    /// A request whose refusal ends the command.
    pub(super) fn demand(&mut self, words: &[&str]) -> Outcome<ReplyValue> {
        match ask(&mut self.link, words) {
            Ok(reply) => Ok(reply),
            Err(why) => self.refuse(&why),
        }
    }

    /// Prints what this node has refused.
    pub(super) fn refuse<T>(&self, why: &str) -> Outcome<T> {
        fail(&format!(
            "Node {} replied with error:\n{why}\n",
            self.node.address()
        ))
    }

    /// A number that a request returns.
    pub(super) fn number(&mut self, words: &[&str]) -> Outcome<u64> {
        match self.demand(words)? {
            ReplyValue::Integer(n) => Ok(n.unsigned_abs()),
            other => self.refuse(&format!("unexpected reply {other:?}")),
        }
    }

    /// A new view of the cluster as this node has it.
    fn nodes_text(&mut self) -> Result<String, String> {
        text(ask(&mut self.link, &["CLUSTER", "NODES"])?)
    }

    /// The node at a place, alone; it must be in cluster mode.
    pub(super) fn single(options: &Options, host: &str, port: u16) -> Outcome<Member> {
        let (member, _) = load_one(options, host, port)?;
        Ok(member)
    }

    /// Whether the node has met no other and has no key.
    pub(super) fn is_empty(&mut self) -> Outcome<bool> {
        let keys = info_field(&mut self.link, "db0");
        let known = ask(&mut self.link, &["CLUSTER", "INFO"]).and_then(text);
        match (keys, known) {
            (Ok(None), Ok(known)) => Ok(known.lines().any(|line| line == "cluster_known_nodes:1")),
            (Ok(Some(_)), Ok(_)) => Ok(false),
            (Err(why), _) | (_, Err(why)) => self.refuse(&why),
        }
    }

    /// Ends the command unless the node is empty.
    pub(super) fn must_be_empty(&mut self) -> Outcome {
        if self.is_empty()? {
            return Ok(());
        }
        fail(&format!(
            "[ERR] Node {} is not empty. Either the node already knows other nodes (check with \
             CLUSTER NODES) or contains some key in database 0.\n",
            self.node.address()
        ))
    }
}

/// The node at a place, and the others that it knows.
fn load_one(options: &Options, host: &str, port: u16) -> Outcome<(Member, Vec<Node>)> {
    let mut link = connect(options, host, port)?;
    let refuse = |why: &str| {
        error(&format!("Node {host}:{port} replied with error:\n{why}\n"));
        Err(CommandFailure)
    };
    match info_field(&mut link, "cluster_enabled") {
        Ok(Some(on)) if on == "1" => {}
        Ok(_) => {
            return fail(&format!(
                "[ERR] Node {host}:{port} is not configured as a cluster node.\n"
            ));
        }
        Err(why) => return refuse(&why),
    }
    let view = match ask(&mut link, &["CLUSTER", "NODES"]).and_then(text) {
        Ok(view) => view,
        Err(why) => return refuse(&why),
    };
    let parsed: Option<Vec<Node>> = view.lines().map(|line| Node::parse(line, host)).collect();
    let Some(nodes) = parsed else {
        return fail("Error: invalid CLUSTER NODES reply\n");
    };
    let (own, others): (Vec<Node>, Vec<Node>) = nodes.into_iter().partition(|node| node.is_myself);
    let Some(node) = own.into_iter().next() else {
        return fail("Error: invalid CLUSTER NODES reply\n");
    };
    let node = Node {
        host: host.to_owned(),
        port,
        ..node
    };
    Ok((Member { node, link }, others))
}

impl Members {
    /// All nodes that the node at this place knows and that answer.
    pub(super) fn load(options: &Options, place: &(String, u16)) -> Outcome<Members> {
        let (first, others) = load_one(options, &place.0, place.1)?;
        let mut members = Members {
            list: vec![first],
            unreachable: 0,
        };
        for node in others.into_iter().filter(|node| !node.has("handshake")) {
            let is_gone = node.has("noaddr") || node.has("fail") || !node.is_connected;
            let loaded = if is_gone {
                None
            } else {
                load_one(options, &node.host, node.port).ok()
            };
            match loaded {
                Some((member, _)) => members.list.push(member),
                None => {
                    members.unreachable +=
                        usize::from(!node.is_replica() && !node.slots.is_empty());
                }
            }
        }
        members.count_replicas();
        Ok(members)
    }

    pub(super) fn count_replicas(&mut self) {
        for at in 0..self.list.len() {
            let id = self.list[at].node.id.clone();
            let is_mine = |member: &&Member| member.node.replicates.as_deref() == Some(&id);
            self.list[at].node.replicas = self.list.iter().filter(is_mine).count();
        }
        for member in &self.list {
            let Some(primary) = &member.node.replicates else {
                continue;
            };
            if self.at(primary).is_none() {
                warn(&format!(
                    "*** WARNING: {} claims to be slave of unknown node ID {primary}.\n",
                    member.node.address()
                ));
            }
        }
    }

    /// The place of the node with this ID.
    pub(super) fn at(&self, id: &str) -> Option<usize> {
        self.list.iter().position(|member| member.node.id == id)
    }

    /// The place of the first node whose ID begins so.
    pub(super) fn at_prefix(&self, begin: &str) -> Option<usize> {
        let begin = begin.to_lowercase();
        self.list
            .iter()
            .position(|member| member.node.id.starts_with(&begin))
    }

    /// The places of the primaries.
    pub(super) fn primaries(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.list.len()).filter(|&at| !self.list[at].node.is_replica())
    }

    /// The place of the primary with the fewest replicas, other than `but`.
    pub(super) fn least_copied(&self, but: Option<usize>) -> Option<usize> {
        self.primaries()
            .filter(|&at| Some(at) != but)
            .min_by_key(|&at| self.list[at].node.replicas)
    }

    /// Two members at once; the places differ.
    pub(super) fn pair(&mut self, one: usize, other: usize) -> (&mut Member, &mut Member) {
        assert!(one != other, "a node is no pair");
        let (low, high) = (one.min(other), one.max(other));
        let (left, right) = self.list.split_at_mut(high);
        if one < other {
            (&mut left[low], &mut right[0])
        } else {
            (&mut right[0], &mut left[low])
        }
    }

    /// Whether all nodes have the same owners of slots.
    pub(super) fn agree(&mut self) -> bool {
        let mut first = None;
        self.list.iter_mut().all(|member| {
            let Ok(view) = member.nodes_text() else {
                return false;
            };
            let owners = signature(&view);
            *first.get_or_insert_with(|| owners.clone()) == owners
        })
    }

    /// Waits, a second at a time, until all nodes have the same owners of slots. `is_new`: and
    /// until each knows each other; in an old cluster, a node that was removed stays forgotten for
    /// a minute.
    pub(super) fn wait_for_join(&mut self, is_new: bool) {
        print("Waiting for the cluster to join\n");
        let mut waited = 0;
        while !self.agree() || (is_new && !self.know_each_other()) {
            print(".");
            thread::sleep(Duration::from_secs(1));
            waited += 1;
            if waited == JOIN_PATIENCE {
                self.name_absent();
            }
        }
        print("\n");
    }

    /// Whether each node knows each other node by its ID. The nodes agree about slots before this,
    /// when some of them have none.
    fn know_each_other(&mut self) -> bool {
        let ids: Vec<String> = self
            .list
            .iter()
            .map(|member| member.node.id.clone())
            .collect();
        self.list.iter_mut().all(|member| {
            let view = member.nodes_text().unwrap_or_default();
            ids.iter().all(|id| view.contains(id.as_str()))
        })
    }

    /// Names the nodes that another node does not know yet.
    fn name_absent(&mut self) {
        let places: Vec<(String, String)> = self
            .list
            .iter()
            .map(|member| (member.node.id.clone(), member.node.address()))
            .collect();
        let mut absent = Vec::new();
        for (id, address) in &places {
            let mut from = Vec::new();
            for member in &mut self.list {
                if !member
                    .nodes_text()
                    .unwrap_or_default()
                    .contains(id.as_str())
                {
                    from.push(member.node.address());
                }
            }
            if !from.is_empty() {
                absent.push((address.clone(), from));
            }
        }
        if absent.is_empty() {
            return;
        }
        warn(&format!(
            "\nWarning: {} node(s) may be unreachable\n",
            absent.len()
        ));
        for (address, from) in absent {
            warn(&format!(" - Node {address} may be unreachable from:\n"));
            for other in from {
                warn(&format!("   {other}\n"));
            }
        }
        warn(
            "Cluster bus ports must be reachable by every node.\nRemember that cluster bus ports \
             are different from standard instance ports.\n",
        );
    }
}
