//! The state that all primaries share: time, settings, links, actions, scripts; and the reports of
//! events.
//!
//! `Sentinel` owns a `Shared` beside the primaries, so that a function can borrow both. `now` is
//! set before each event and never read from a clock. Every effect leaves by `out`, in order. An
//! event of level `Warning` about a primary also queues its notification script.
//!
//! Cost: a `Reporter` copies the name, address and script of its primary, so that it outlives
//! changes of that primary. The callers decide which events to report; the queue of scripts is
//! `scripts`'s.

use super::actions::{Action, Order, Outbox};
use super::address::{Address, Names, is_ip};
use super::config::Globals;
use super::discovery::strangers::Strangers;
use super::instances::{Hello, Primary, Watch};
use super::links::ConnKind;
use super::links::{ExpectedReply, LinkId, Links};
use super::scripts::Scripts;
use super::time::{Ms, Periods};
use russet_base::json::{Escapes, Object};
use russet_host::{Level, Now, Random};

/// A random start lies within this time, so that Sentinels do not all ask for votes at once.
pub(crate) const DESYNC_MAX_MS: Ms = 1000;

/// An object for scripts, which read lines.
pub(crate) fn object() -> Object {
    Object::new(Escapes::Wide)
}

/// The server's own facts that the core needs.
#[derive(Clone, Debug, Default)]
pub struct ServerFacts {
    /// The port that others reach us by.
    pub port: u16,
    /// `requirepass`: also for AUTH to other Sentinels, unless there is `sentinel-pass`.
    pub password: Vec<u8>,
}

bitflags::bitflags! {
    /// SENTINEL SIMULATE-FAILURE.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) struct SimulatedFailures: u8 {
        const CRASH_AFTER_ELECTION = 1;
        const CRASH_AFTER_PROMOTION = 1 << 1;
    }
}

/// TILT: time has jumped, so that nothing is concluded from it for a while.
#[derive(Debug, Default)]
pub(crate) struct Tilt {
    pub since: Option<Ms>,
    /// The beginning and the end of the last TILT.
    pub ended: Option<(Ms, Ms)>,
    /// The clocks at the last tick.
    pub last: Now,
}

/// See the module.
#[derive(Debug)]
pub struct Shared {
    pub now: Ms,
    /// The wall clock at the same moment, for texts.
    pub wall_ms: Ms,
    pub own: ServerFacts,
    pub my_id: Vec<u8>,
    pub current_epoch: u64,
    pub globals: Globals,
    pub periods: Periods,
    pub names: Names,
    pub links: Links,
    pub strangers: Strangers,
    pub out: Outbox,
    pub scripts: Scripts,
    pub(crate) simulated: SimulatedFailures,
    pub tilt: Tilt,
    pub random: Random,
    /// When the next tick is due.
    pub(crate) next_tick: Ms,
}

impl Shared {
    pub fn clock(&self) -> Now {
        Now {
            monotonic_ms: self.now,
            wall_ms: self.wall_ms,
        }
    }

    /// Whether an instance is connected and not seen as down.
    pub fn reaches(&self, watch: &Watch) -> bool {
        !watch.is_down && self.links.get(watch.link).is_up()
    }

    /// An address by its host, whose name is resolved if need be. `None`: a name, and names are not
    /// resolved.
    pub fn address(&mut self, host: &[u8], port: u16) -> Option<Address> {
        if !is_ip(host) {
            if !self.globals.resolve_hostnames {
                return None;
            }
            if self.names.ip_of(host).is_none() {
                self.out.push(Action::Resolve(host.to_vec()));
            }
        }
        Some(Address::new(host, port, &self.names))
    }

    /// Whether an address is at this host.
    pub fn is_at(&self, address: &Address, host: &[u8]) -> bool {
        let other = Address::new(host, address.port, &self.names);
        address.is_same(&other)
    }

    pub fn log(&mut self, level: Level, text: String) {
        self.out.log(level, text);
    }

    /// Reports an event that concerns no primary.
    pub fn event(&mut self, level: Level, channel: &'static str, text: Vec<u8>) {
        self.out.push(Order::Event {
            level,
            channel,
            text,
        });
    }

    /// Sends a command over a link's connection for commands.
    pub fn send(&mut self, link: LinkId, words: &[&[u8]], expected: ExpectedReply) -> bool {
        let kind = ConnKind::Commands;
        self.links.send(link, kind, words, expected, &mut self.out)
    }

    /// Our own address on a link: `announce-ip`, or the connection's address.
    fn announced_host(&self, link: LinkId) -> Option<Vec<u8>> {
        if !self.globals.announce_ip.is_empty() {
            return Some(self.globals.announce_ip.clone());
        }
        let conn = self.links.get(link).commands.as_ref()?;
        conn.local_ip.clone()
    }

    /// The hello about a primary to be sent over a link.
    pub fn hello(&self, about: &PrimaryIntroduction, link: LinkId) -> Option<Hello> {
        Some(Hello {
            host: self.announced_host(link)?,
            port: match self.globals.announce_port {
                0 => self.own.port,
                port => port,
            },
            run_id: self.my_id.clone(),
            current_epoch: self.current_epoch,
            name: about.name.clone(),
            primary_host: about.host.clone(),
            primary_port: about.port,
            config_epoch: about.config_epoch,
        })
    }

    pub fn is_me(&self, run_id: &[u8]) -> bool {
        self.my_id.eq_ignore_ascii_case(run_id)
    }
}

/// A primary's part of a hello.
pub(crate) struct PrimaryIntroduction {
    name: Vec<u8>,
    host: Vec<u8>,
    port: u16,
    config_epoch: u64,
}

impl PrimaryIntroduction {
    pub fn new(primary: &Primary, by_name: bool) -> PrimaryIntroduction {
        let address = primary.current_address();
        PrimaryIntroduction {
            name: primary.name.clone(),
            host: address.shown(by_name).to_vec(),
            port: address.port,
            config_epoch: primary.config_epoch,
        }
    }
}

/// Reports events of a primary and of its group, and knows their common text.
#[derive(Clone)]
pub(crate) struct Reporter {
    /// `name ip port` of the primary.
    origin: Vec<u8>,
    /// Where the name, and the host, end in it.
    name_end: usize,
    host_end: usize,
    script: Vec<u8>,
    by_name: bool,
}

/// The instance that an event is about: `master`, `slave` or `sentinel`, its name, host and port.
type Subject<'s> = (&'s str, &'s [u8], &'s [u8], u16);

/// ` host port`.
fn place(address: &Address, by_name: bool) -> Vec<u8> {
    let port = address.port.to_string();
    [b" ", address.shown(by_name), b" ", port.as_bytes()].concat()
}

impl Reporter {
    pub fn new(primary: &Primary, shared: &Shared) -> Reporter {
        let by_name = shared.globals.announce_hostnames;
        let address = &primary.node.watch.address;
        let name_end = primary.name.len();
        Reporter {
            origin: [&primary.name[..], &place(address, by_name)].concat(),
            name_end,
            host_end: name_end + 1 + address.shown(by_name).len(),
            script: primary.settings.notification_script.clone(),
            by_name,
        }
    }

    fn name(&self) -> &[u8] {
        &self.origin[..self.name_end]
    }

    fn host(&self) -> &[u8] {
        &self.origin[self.name_end + 1..self.host_end]
    }

    fn port(&self) -> u16 {
        let port = std::str::from_utf8(&self.origin[self.host_end + 1..]);
        port.ok().and_then(|port| port.parse().ok()).unwrap_or(0)
    }

    /// Reports the event; a warning also runs the script, if any.
    fn report(
        &self,
        shared: &mut Shared,
        (level, channel): (Level, &'static str),
        text: Vec<u8>,
        subject: Option<Subject<'_>>,
    ) {
        if level == Level::Warning && !self.script.is_empty() {
            let channel = channel.as_bytes().to_vec();
            let input = self.json(shared, &channel, &text, subject);
            let argv = vec![self.script.clone(), channel, text.clone()];
            shared.scripts.schedule(argv, input);
        }
        shared.event(level, channel, text);
    }

    /// The standard input of a notification script.
    fn json(
        &self,
        shared: &Shared,
        channel: &[u8],
        text: &[u8],
        subject: Option<Subject<'_>>,
    ) -> Vec<u8> {
        let me = object().text("run_id", &shared.my_id);
        let primary = object().text("name", self.name());
        let primary = primary.text("ip", self.host()).number("port", self.port());
        let event = object()
            .text("kind", "event")
            .text("event", channel)
            .text("level", "warning")
            .text("text", text)
            .number("time_ms", shared.wall_ms)
            .object("sentinel", me.number("epoch", shared.current_epoch))
            .object("primary", primary);
        let Some((kind, name, host, port)) = subject else {
            return event.line();
        };
        let instance = object().text("type", kind).text("name", name);
        let instance = instance.text("ip", host).number("port", port);
        event.object("instance", instance).line()
    }

    /// An event that does not name an instance.
    pub fn plain(
        &self,
        shared: &mut Shared,
        level: Level,
        channel: &'static str,
        text: impl AsRef<[u8]>,
    ) {
        self.report(shared, (level, channel), text.as_ref().to_vec(), None);
    }

    /// An event of the primary; `rest` follows its address.
    pub fn primary(
        &self,
        shared: &mut Shared,
        level: Level,
        channel: &'static str,
        rest: impl AsRef<[u8]>,
    ) {
        let text = [b"master ", &self.origin[..], rest.as_ref()].concat();
        let subject = ("master", self.name(), self.host(), self.port());
        self.report(shared, (level, channel), text, Some(subject));
    }

    /// An event of a member: `kind` is `slave` or `sentinel`.
    pub fn member(
        &self,
        shared: &mut Shared,
        level: Level,
        channel: &'static str,
        (kind, name, address): (&str, &[u8], &Address),
        rest: impl AsRef<[u8]>,
    ) {
        let place = place(address, self.by_name);
        let text = [
            kind.as_bytes(),
            b" ",
            name,
            &place,
            b" @ ",
            &self.origin,
            rest.as_ref(),
        ]
        .concat();
        let subject = (kind, name, address.shown(self.by_name), address.port);
        self.report(shared, (level, channel), text, Some(subject));
    }
}
