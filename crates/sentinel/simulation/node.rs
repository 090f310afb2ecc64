//! A data node as Sentinels see it: its role, its INFO, and the orders that it takes.
//!
//! A transaction runs at EXEC; an order that Sentinels never send panics. Data is a number, the
//! offset, and the link to a primary is up or down: `world` decides both (`follow`), and carries
//! out PUBLISH and the hand-over. A restart keeps the primary of the last CONFIG REWRITE.

use std::collections::BTreeMap;

use super::world::HostAddress;
use russet_resp::ReplyValue;

/// A client's connection: the Sentinel, and its connection's number.
pub(super) type Client = (usize, u64);

pub struct DataNode {
    pub place: HostAddress,
    pub is_up: bool,
    run_id: u64,
    /// `None`: a primary.
    pub primary: Option<HostAddress>,
    /// The primary as CONFIG REWRITE has saved it.
    saved_primary: Option<HostAddress>,
    pub offset: u64,
    pub priority: u64,
    link_up_since: Option<i64>,
    link_down_since: i64,
    pub subscribers: Vec<Client>,
    transactions: BTreeMap<Client, Vec<Vec<Vec<u8>>>>,
    /// The target of FAILOVER, until the hand-over.
    pub(crate) hands_over_to: Option<HostAddress>,
    /// The replies to PING.
    pub pong: &'static str,
}

fn simple(text: &str) -> ReplyValue {
    ReplyValue::Simple(text.as_bytes().to_vec())
}

fn place_of(host: &[u8], port: &[u8]) -> Option<HostAddress> {
    let port = std::str::from_utf8(port).ok()?.parse().ok()?;
    Some((String::from_utf8_lossy(host).into_owned(), port))
}

impl DataNode {
    pub(super) fn new(place: HostAddress, primary: Option<HostAddress>, run_id: u64) -> DataNode {
        DataNode {
            place,
            is_up: true,
            run_id,
            saved_primary: primary.clone(),
            primary,
            offset: 1,
            priority: 100,
            link_up_since: None,
            link_down_since: 0,
            subscribers: Vec::new(),
            transactions: BTreeMap::new(),
            hands_over_to: None,
            pong: "PONG",
        }
    }

    pub(super) fn stop(&mut self) {
        self.is_up = false;
        self.subscribers.clear();
        self.transactions.clear();
    }

    pub(super) fn start(&mut self, run_id: u64, now: i64) {
        (self.is_up, self.run_id) = (true, run_id);
        self.primary = self.saved_primary.clone();
        (self.link_up_since, self.link_down_since) = (None, now);
    }

    pub(super) fn is_link_up(&self) -> bool {
        self.primary.is_some() && self.link_up_since.is_some()
    }

    /// Sets the link to the primary: up with this offset, or down.
    pub(super) fn follow(&mut self, offset: Option<u64>, now: i64) {
        match offset {
            Some(offset) => {
                self.link_up_since.get_or_insert(now);
                self.offset = offset;
            }
            None => {
                if self.link_up_since.take().is_some() {
                    self.link_down_since = now;
                }
            }
        }
    }

    pub(super) fn set_primary(&mut self, primary: Option<HostAddress>, now: i64) {
        if self.primary != primary {
            (self.link_up_since, self.link_down_since) = (None, now);
        }
        self.primary = primary;
    }

    fn info(&self, replicas: &[(HostAddress, u64)], now: i64) -> Vec<u8> {
        let mut text = format!(
            "# Server\r\nrun_id:{:040x}\r\n# Replication\r\n",
            self.run_id
        );
        match &self.primary {
            None => {
                text += "role:master\r\n";
                for (((host, port), offset), n) in replicas.iter().zip(0..) {
                    let rest = format!("state=online,offset={offset},lag=0");
                    text += &format!("slave{n}:ip={host},port={port},{rest}\r\n");
                }
            }
            Some((host, port)) => {
                let status = if self.is_link_up() { "up" } else { "down" };
                text += &format!("role:slave\r\nmaster_host:{host}\r\nmaster_port:{port}\r\n");
                text += &format!("master_link_status:{status}\r\n");
                text += &format!("slave_repl_offset:{}\r\n", self.offset);
                if !self.is_link_up() {
                    let seconds = (now - self.link_down_since) / 1000;
                    text += &format!("master_link_down_since_seconds:{seconds}\r\n");
                }
                text += &format!(
                    "slave_priority:{}\r\nreplica_announced:1\r\n",
                    self.priority
                );
            }
        }
        text += "master_failover_state:no-failover\r\n";
        text.into_bytes()
    }

    /// Takes a request; `replicas` are connected to it. PUBLISH is the world's.
    pub(super) fn request(
        &mut self,
        client: Client,
        words: Vec<Vec<u8>>,
        replicas: &[(HostAddress, u64)],
        now: i64,
    ) -> ReplyValue {
        let name = words[0].to_ascii_uppercase();
        if name == b"MULTI" {
            self.transactions.insert(client, Vec::new());
            return simple("OK");
        }
        if name == b"EXEC" {
            let queued = self.transactions.remove(&client).unwrap_or_default();
            let run = |words| self.run(client, words, replicas, now);
            return ReplyValue::Array(queued.into_iter().map(run).collect());
        }
        if let Some(queued) = self.transactions.get_mut(&client) {
            queued.push(words);
            return simple("QUEUED");
        }
        self.run(client, words, replicas, now)
    }

    fn run(
        &mut self,
        client: Client,
        words: Vec<Vec<u8>>,
        replicas: &[(HostAddress, u64)],
        now: i64,
    ) -> ReplyValue {
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        match words[..] {
            [b"PING"] => simple(self.pong),
            [b"INFO"] => ReplyValue::Bulk(self.info(replicas, now)),
            [b"SLAVEOF", b"NO", b"ONE"] => {
                self.set_primary(None, now);
                simple("OK")
            }
            [b"SLAVEOF", host, port] => {
                self.set_primary(place_of(host, port), now);
                simple("OK")
            }
            [b"CONFIG", b"REWRITE"] => {
                self.saved_primary = self.primary.clone();
                simple("OK")
            }
            [b"FAILOVER", b"TO", host, port, b"TIMEOUT", _] => {
                self.hands_over_to = place_of(host, port);
                simple("OK")
            }
            [b"SUBSCRIBE", channel] => {
                self.subscribers.push(client);
                let kind = ReplyValue::Bulk(b"subscribe".to_vec());
                let channel = ReplyValue::Bulk(channel.to_vec());
                ReplyValue::Array(vec![kind, channel, ReplyValue::Integer(1)])
            }
            [b"SENTINEL", ..] => ReplyValue::Error(b"ERR unknown command 'SENTINEL'".to_vec()),
            [b"CLIENT", ..] | [b"AUTH", ..] | [b"SCRIPT", b"KILL"] => simple("OK"),
            _ => panic!("unexpected order {words:?}"),
        }
    }
}
