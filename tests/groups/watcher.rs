//! A Sentinel: the machine, its file, and the connections of other Sentinels.

use std::collections::BTreeMap;

use super::commands::{bulks, requests};
use super::server::Peer;
use super::world::{Process, World, client_door};
use russet_config::{Config, Sources, load};
use russet_host::simulation::{Disk, World as _};
use russet_host::{Action, Event, LinkId, Machine, Now};
use russet_resp::Reply;
use russet_sentinel::{
    Host, Order, ReplyCondition, Sentinel, ServerFacts, Setup, from_file, rewrite,
};

pub const PORT: u16 = 26_379;
/// The group's name.
pub const NAME: &str = "mymaster";
/// `down-after-milliseconds`.
pub const DOWN_AFTER_MS: i64 = 2000;
/// The first number of accepted links.
const ACCEPTED: u64 = 1 << 40;

/// See the module.
pub struct Watcher {
    /// `None` if the process does not run.
    pub core: Option<Sentinel>,
    pub disk: Disk<Setup>,
    /// Bytes of incomplete requests.
    pub inputs: BTreeMap<LinkId, Vec<u8>>,
    last_link: u64,
}

/// Reads a file.
fn read(text: Vec<u8>) -> Setup {
    let sources = Sources {
        stdin: Some(text),
        is_sentinel: true,
        ..Sources::default()
    };
    let config = load(&sources).expect("the server's part is valid");
    from_file(&config.sentinel_lines, &|_| true).expect("it is valid")
}

impl Watcher {
    /// A Sentinel that watches the server at this address.
    pub fn new(ip: &str, quorum: usize) -> Watcher {
        let text = format!(
            "sentinel monitor {NAME} {ip} 6379 {quorum}\n\
             sentinel down-after-milliseconds {NAME} {DOWN_AFTER_MS}\n\
             sentinel failover-timeout {NAME} 10000\n"
        );
        Watcher {
            core: None,
            disk: Disk::new(read(text.into_bytes())),
            inputs: BTreeMap::new(),
            last_link: 0,
        }
    }

    pub fn is_accepted(link: LinkId) -> bool {
        link.0 > ACCEPTED
    }

    pub fn accept(&mut self) -> LinkId {
        self.last_link += 1;
        let link = LinkId(ACCEPTED + self.last_link);
        self.inputs.insert(link, Vec::new());
        link
    }

    pub fn stop(&mut self, has_power: bool) {
        self.core = None;
        self.inputs.clear();
        if !has_power {
            self.disk.crash();
        }
    }

    /// Starts the Sentinel from the text of its file.
    pub fn start(&mut self, seed: u64, now: Now) {
        let text = rewrite(&self.disk.file, &Config::default(), b"");
        let own = ServerFacts {
            port: PORT,
            password: Vec::new(),
        };
        self.core = Some(Sentinel::new(&read(text), own, seed, now));
    }
}

impl World {
    pub fn publish(&mut self, host: usize, words: &[Vec<u8>]) {
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        let message = bulks(&[&[&b"message"[..]], &words[..]].concat(), true);
        let accepted = self.server(host).accepted.iter();
        let gets_it = |peer: &Peer| matches!(peer, Peer::Sentinel(its) if its.is_subscribed);
        let links = accepted.filter(|(_, its)| gets_it(&its.peer));
        let links: Vec<LinkId> = links.map(|(link, _)| *link).collect();
        for link in links {
            self.send(client_door(host), link, message.clone());
        }
    }

    /// Carries out a Sentinel's actions.
    pub fn obey_watcher(&mut self, host: usize) {
        while let Process::Watcher(watcher) = &mut self.hosts[host].process
            && let Some(core) = &mut watcher.core
            && let Some(action) = core.pop()
        {
            match action {
                Action::Persist { .. } => {
                    let setup = core.setup();
                    let is_saved = watcher.disk.save(setup, true);
                    let clock = self.clock(host);
                    self.tell_watcher(host, clock, Event::Persisted { is_saved });
                }
                Action::Order(Order::Event { channel, text, .. }) => {
                    self.note(|| format!("host {host}: {channel} {}", text.escape_ascii()));
                }
                Action::Resolve(_) | Action::Log { .. } | Action::Order(_) => {}
                action => _ = self.on_network(client_door(host), action),
            }
        }
    }

    fn tell_watcher(&mut self, host: usize, clock: Now, event: Event<'_>) {
        if let Process::Watcher(watcher) = &mut self.hosts[host].process
            && let Some(core) = &mut watcher.core
        {
            core.event(clock, &(), event);
        }
    }

    /// Sends a client's command to a Sentinel; returns the reply.
    pub fn ask_watcher(&mut self, host: usize, words: &[&[u8]]) -> Vec<u8> {
        let clock = self.clock(host);
        let mut reply = Reply::new();
        let Process::Watcher(watcher) = &mut self.hosts[host].process else {
            return Vec::new();
        };
        let Some(core) = &mut watcher.core else {
            return Vec::new();
        };
        let after = match words {
            [b"PING"] => return b"+PONG\r\n".to_vec(),
            [b"PUBLISH", channel, message] => {
                core.publish(clock, channel, message, &mut reply);
                ReplyCondition::Send
            }
            [b"SENTINEL", ..] => {
                let around = Host {
                    loglevel: "notice",
                    is_executable: &|_| true,
                    resolve: &|_| None,
                };
                core.command(clock, words, &around, &mut reply)
            }
            _ => return b"+OK\r\n".to_vec(),
        };
        self.obey_watcher(host);
        let Process::Watcher(watcher) = &self.hosts[host].process else {
            return Vec::new();
        };
        let is_saved = watcher.core.as_ref().is_some_and(|core| core.is_saved());
        match after {
            ReplyCondition::Persist { otherwise } if !is_saved => otherwise,
            _ => reply.take_text(),
        }
    }

    pub fn on_watcher(&mut self, host: usize, event: Event<'_>) {
        let clock = self.clock(host);
        let Process::Watcher(watcher) = &mut self.hosts[host].process else {
            return;
        };
        match event {
            Event::Received { link, bytes, .. } if Watcher::is_accepted(link) => {
                let Some(input) = watcher.inputs.get_mut(&link) else {
                    return;
                };
                input.extend_from_slice(bytes);
                for words in requests(input) {
                    let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
                    let reply = self.ask_watcher(host, &words);
                    self.send(client_door(host), link, reply);
                }
            }
            Event::Closed { link, .. } if Watcher::is_accepted(link) => {
                watcher.inputs.remove(&link);
            }
            event => {
                self.tell_watcher(host, clock, event);
                self.obey_watcher(host);
            }
        }
    }
}
