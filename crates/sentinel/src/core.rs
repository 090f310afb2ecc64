//! The core: the events of the driver, and the work of each tick.
//!
//! An event first sets the time. A tick checks for TILT, asks for due saves, tends candidates
//! (`strangers`), then each primary's group that is not at rest, then scripts. In TILT groups are
//! watched, but not advanced: no instance is judged as down and no failover takes a step. A reply
//! to INFO or to IS-MASTER-DOWN-BY-ADDR advances a group at once if its primary is down or in a
//! failover; otherwise the next tick does. Events of a connection that is closed are ignored: its
//! number is not used again.
//!
//! Cost: a tick is O(primaries) if all groups are at rest, else O(instances); the event of a new
//! connection looks for its instance in O(instances). Periodic requests are `monitor`'s; decisions
//! are made in `down`, `votes` and `failover`.

use super::actions::{Action, Order, Outbox};
use super::address::Names;
use super::config::Setup;
use super::discovery::strangers::{self, Strangers};
use super::explain::record;
use super::groups::{self, Primaries};
use super::instances::{Hello, Primary, Watch};
use super::links::{ConnId, ConnKind, ExpectedReply, LinkId, Links, Member, Target};
use super::scripts::{JobId, Scripts};
use super::shared::{ServerFacts, Shared, SimulatedFailures, Tilt};
use super::time::{Ms, Periods};
use super::{
    discovery, down,
    failover::{self, votes},
    monitor, refresh,
};
use russet_base::text::Printable;
use russet_host::{Event, Level, Machine, Now, Random};
use russet_resp::ReplyValue;

/// A Sentinel without I/O. See the module.
#[derive(Debug)]
pub struct Sentinel {
    pub(super) shared: Shared,
    pub(super) primaries: Primaries,
}

impl Sentinel {
    /// Begins with the settings and state of the file. A Sentinel without an id draws an id and
    /// saves it at once.
    pub fn new(setup: &Setup, own: ServerFacts, seed: u64, now: Now) -> Sentinel {
        let mut shared = Shared {
            now: now.monotonic_ms,
            wall_ms: now.wall_ms,
            own,
            my_id: Vec::new(),
            current_epoch: setup.current_epoch,
            globals: setup.globals.clone(),
            periods: Periods::default(),
            names: Names::default(),
            links: Links::default(),
            strangers: Strangers::default(),
            out: Outbox::default(),
            scripts: Scripts::default(),
            next_tick: now.monotonic_ms,
            simulated: SimulatedFailures::empty(),
            tilt: Tilt {
                since: None,
                ended: None,
                last: now,
            },
            random: Random(seed),
        };
        match &setup.my_id {
            Some(my_id) => shared.my_id = my_id.clone(),
            None => {
                shared.my_id = run_id(&mut shared.random);
                shared.out.persist();
            }
        }
        let id = String::from_utf8_lossy(&shared.my_id).into_owned();
        shared.log(Level::Notice, format!("Sentinel ID is {id}"));
        let primaries = groups::from_setup(&mut shared, setup);
        Sentinel { shared, primaries }
    }

    /// The settings and the state to be saved now.
    pub fn setup(&self) -> Setup {
        groups::setup(&self.shared, &self.primaries)
    }

    /// The outcome of [`Action::Persist`].
    pub(super) fn persisted(&mut self, is_saved: bool) {
        let had_failed = self.shared.out.has_failed();
        self.shared.out.persisted(is_saved);
        if had_failed == is_saved {
            for primary in self.primaries.values_mut() {
                record::saved(&self.shared, primary);
            }
        }
    }

    /// Whether the file has everything that was decided.
    pub fn is_saved(&self) -> bool {
        self.shared.out.is_saved()
    }

    /// The port and password that other Sentinels know us by.
    #[cfg(test)]
    pub(crate) fn set_own(&mut self, own: ServerFacts) {
        self.shared.own = own;
    }

    /// The time from this tick to the next: 50 to 100 ms, drawn anew each time, so that Sentinels
    /// started together do not stay in step; 10 ms while a primary is about to be seen as down, or
    /// a failover is under way, but not for long.
    fn tick_period_ms(&mut self) -> Ms {
        if self.is_tense() {
            TENSE_TICK_MS
        } else {
            1000 / (10 + self.shared.random.below(10))
        }
    }

    /// Whether a primary is about to be seen as down, or has changed its state just now.
    pub fn is_tense(&self) -> bool {
        let shared = &self.shared;
        let is_tense = |primary: &Primary| {
            let link = shared.links.get(primary.node.watch.link);
            let silent = link.pinged_since.map_or(0, |since| shared.now - since);
            let left = primary.settings.down_after_ms - silent;
            let is_due = (0..=NEAR_MS).contains(&left) && silent > 0;
            is_due || primary.is_in_motion(shared.now)
        };
        self.primaries.values().any(is_tense)
    }

    /// Sets the moment of the event that follows.
    pub(super) fn set_now(&mut self, now: Now) {
        (self.shared.now, self.shared.wall_ms) = (now.monotonic_ms, now.wall_ms);
    }

    /// Does all due work.
    pub(super) fn tick(&mut self, now: Now) {
        self.set_now(now);
        self.check_tilt(now);
        if self.shared.out.has_failed() {
            self.shared.out.persist();
        }
        self.shared.out.persist_wanted();
        strangers::tend(&mut self.shared);
        for primary in self.primaries.values_mut() {
            if primary.calm_until > self.shared.now {
                continue;
            }
            monitor::tend(&mut self.shared, primary);
            if self.shared.tilt.since.is_none() {
                advance(&mut self.shared, primary);
            }
            primary.calm_until = monitor::calm_until(&self.shared, primary);
        }
        let Shared {
            scripts,
            periods,
            out,
            now,
            ..
        } = &mut self.shared;
        scripts.tick(*now, periods, out);
        self.shared.next_tick = self.shared.now + self.tick_period_ms();
    }

    /// Sets the moment of an event after which the next tick visits all primaries.
    pub(super) fn due_at(&mut self, now: Now) {
        self.set_now(now);
        for primary in self.primaries.values_mut() {
            primary.calm_until = 0;
        }
    }

    /// Handles news of a primary's group: the group is advanced at once if the primary is down or
    /// in a failover, otherwise, or if a clock has jumped, in the next tick.
    fn advance_group(&mut self, name: &[u8]) {
        if let Some(primary) = self.primaries.get_mut(name) {
            primary.calm_until = 0;
        }
        let shared = &mut self.shared;
        let since_tick = shared.now - shared.tilt.last.monotonic_ms;
        let is_on_time = (0..=shared.periods.tilt_trigger).contains(&since_tick);
        if shared.tilt.since.is_some() || !is_on_time {
            return;
        }
        if let Some(primary) = self.primaries.get_mut(name)
            && (primary.node.watch.is_down || primary.failover.is_running())
        {
            advance(shared, primary);
        }
    }

    /// Enters TILT if a clock went back, or far ahead: the process or the machine stood still, or
    /// the clock was set. Leaves it after its time.
    fn check_tilt(&mut self, now: Now) {
        let shared = &mut self.shared;
        let gap = |now: Ms, last: Ms| !(0..=shared.periods.tilt_trigger).contains(&(now - last));
        let last = std::mem::replace(&mut shared.tilt.last, now);
        if gap(now.monotonic_ms, last.monotonic_ms) || gap(now.wall_ms, last.wall_ms) {
            let is_new = shared.tilt.since.replace(shared.now).is_none();
            let text = b"#tilt mode entered".to_vec();
            shared.event(Level::Warning, "+tilt", text);
            for primary in self.primaries.values_mut() {
                primary.calm_until = 0;
                if is_new {
                    record::tilt(shared, primary);
                }
            }
        } else if let Some(since) = shared.tilt.since
            && shared.now - since >= shared.periods.tilt
        {
            shared.tilt.since = None;
            shared.tilt.ended = Some((since, shared.now));
            let text = b"#tilt mode exited".to_vec();
            shared.event(Level::Warning, "-tilt", text);
            for primary in self.primaries.values_mut() {
                record::tilt(shared, primary);
            }
        }
    }

    /// A connection is established, from this address of ours.
    pub(super) fn connected(&mut self, now: Now, conn: ConnId, local_ip: &[u8]) {
        self.due_at(now);
        let Some((link, kind)) = self.shared.links.find(conn) else {
            return;
        };
        self.shared.links.established(conn, local_ip.to_vec());
        if kind == ConnKind::Subscription {
            self.shared.links.get_mut(link).received_at = now.monotonic_ms;
        }
        if strangers::greet(&mut self.shared, link) {
            return;
        }
        if let Some(target) = self.target_of(link) {
            let settings = self.primaries[&target.primary].settings.clone();
            monitor::greet(&mut self.shared, link, kind, &settings, target);
        }
    }

    /// A connection could not be begun or established, for this reason: the system's words, or
    /// TLS's.
    pub(super) fn refused(&mut self, now: Now, conn: ConnId, reason: &str) {
        self.due_at(now);
        let Some((link, kind)) = self.shared.links.find(conn) else {
            return;
        };
        if let Some(target) = self.target_of(link) {
            let its = (&self.primaries[&target.primary], &target.member);
            monitor::refused(&mut self.shared, its, (link, kind), reason);
        }
        self.end(now, (conn, link));
    }

    /// A connection is closed that was established.
    pub(super) fn closed(&mut self, now: Now, conn: ConnId) {
        self.due_at(now);
        if let Some((link, _)) = self.shared.links.find(conn) {
            self.end(now, (conn, link));
        }
    }

    fn end(&mut self, now: Now, (conn, link): (ConnId, LinkId)) {
        self.shared.links.closed(conn, now.monotonic_ms);
        strangers::lost(&mut self.shared, link);
    }

    /// An instance of a link: the only instance, or any for a Sentinel.
    fn target_of(&self, link: LinkId) -> Option<Target> {
        self.primaries.values().find_map(|primary| {
            let member = member_of(primary, link)?;
            Some(Target {
                primary: primary.name.clone(),
                member,
            })
        })
    }

    /// A name was resolved, or could not be.
    pub(super) fn resolved(&mut self, now: Now, host: &[u8], ip: Option<Vec<u8>>) {
        self.due_at(now);
        self.shared.names.learn(host, ip.clone());
        let Some(ip) = ip else {
            return self.unresolved(host);
        };
        self.shared.strangers.learn(host, &ip);
        let learn = |watch: &mut Watch| {
            if watch.address.host.eq_ignore_ascii_case(host) {
                watch.address.ip = ip.clone();
            }
        };
        for primary in self.primaries.values_mut() {
            learn(&mut primary.node.watch);
            let replicas = primary.replicas.values_mut();
            replicas.for_each(|replica| learn(&mut replica.node.watch));
            primary
                .peers
                .values_mut()
                .for_each(|peer| learn(&mut peer.watch));
        }
    }

    /// Reports a failed connection for each instance of this host that has none.
    fn unresolved(&mut self, host: &[u8]) {
        let name = Printable(host);
        let text = format!("Failed to resolve hostname '{name}'");
        self.shared.log(Level::Warning, text);
        for primary in self.primaries.values() {
            for (member, watch) in primary.members() {
                let link = self.shared.links.get(watch.link);
                if link.commands.is_none() && watch.address.host.eq_ignore_ascii_case(host) {
                    let reason = "Name or service not known";
                    let conn = (watch.link, ConnKind::Commands);
                    monitor::refused(&mut self.shared, (primary, &member), conn, reason);
                }
            }
        }
    }

    /// Bytes of a connection, up to the end of a reply: its actions come before the next reply.
    fn received(&mut self, now: Now, conn: ConnId, bytes: &[u8]) -> usize {
        let mut rest = bytes;
        match self.shared.links.parse(conn, &mut rest) {
            Ok(Some(reply)) => self.reply(now, conn, reply),
            Ok(None) => {}
            // The peer does not speak the protocol.
            Err(_) => {
                self.shared.out.push(Action::Close(conn));
                self.closed(now, conn);
                return bytes.len();
            }
        }
        bytes.len() - rest.len()
    }

    /// A reply, or a message of the channel.
    pub(super) fn reply(&mut self, now: Now, conn: ConnId, reply: ReplyValue) {
        self.set_now(now);
        let Some((link, kind)) = self.shared.links.find(conn) else {
            return;
        };
        if kind == ConnKind::Subscription {
            return self.message(link, &reply);
        }
        match self.shared.links.take_expected(link, kind) {
            None | Some(ExpectedReply::Ignored | ExpectedReply::Subscribed) => {}
            Some(ExpectedReply::RunId) => {
                let Sentinel { shared, primaries } = self;
                if let Some((_, candidate)) = strangers::answered(shared, link, &reply) {
                    discovery::believe(shared, primaries, candidate);
                }
            }
            Some(ExpectedReply::Ping(target)) => self.pong(link, &target, &reply),
            Some(ExpectedReply::Info(target)) => {
                if let ReplyValue::Bulk(info) | ReplyValue::Verbatim(info) = reply
                    && let Some(primary) = self.primaries.get_mut(&target.primary)
                {
                    refresh::refresh(&mut self.shared, primary, &target.member, info);
                }
                self.advance_group(&target.primary);
            }
            Some(ExpectedReply::Hello(target)) => {
                let at = self.shared.now;
                if !matches!(reply, ReplyValue::Error(_))
                    && let Some(watch) = self.watch_of(&target)
                {
                    watch.published_at = at;
                }
            }
            Some(ExpectedReply::IsDown(target)) => {
                self.answered(&target, &reply);
                self.advance_group(&target.primary);
            }
        }
    }

    fn watch_of(&mut self, target: &Target) -> Option<&mut Watch> {
        let primary = self.primaries.get_mut(&target.primary)?;
        Some(match &target.member {
            Member::Primary => &mut primary.node.watch,
            Member::Replica(name) => &mut primary.replicas.get_mut(name)?.node.watch,
            Member::Peer(run_id) => &mut primary.peers.get_mut(run_id)?.watch,
        })
    }

    /// A message of the channel of hellos. Our own come back, too, which shows that the link works.
    fn message(&mut self, link: LinkId, message: &ReplyValue) {
        self.shared.links.get_mut(link).received_at = self.shared.now;
        if !is_message(message) {
            let kind = ConnKind::Subscription;
            let expected = self.shared.links.take_expected(link, kind);
            let is_refused = matches!(message, ReplyValue::Error(_));
            if is_refused && expected == Some(ExpectedReply::Subscribed) {
                let Shared { links, out, .. } = &mut self.shared;
                links.close(link, kind, out);
            }
            return;
        }
        let (ReplyValue::Array(words) | ReplyValue::Push(words)) = message else {
            return;
        };
        if let [
            ReplyValue::Bulk(kind),
            ReplyValue::Bulk(_),
            ReplyValue::Bulk(text),
        ] = words.as_slice()
            && kind == b"message"
        {
            self.receive_hello(text);
        }
    }

    pub(super) fn receive_hello(&mut self, message: &[u8]) {
        if let Some(hello) = Hello::parse(message) {
            discovery::receive_hello(&mut self.shared, &mut self.primaries, &hello);
        }
    }

    /// The reply to a PING.
    fn pong(&mut self, link: LinkId, target: &Target, reply: &ReplyValue) {
        let now = self.shared.now;
        let (ReplyValue::Simple(text) | ReplyValue::Error(text)) = reply else {
            self.shared.links.get_mut(link).pong_at = now;
            return;
        };
        let is_pong = text.starts_with(b"PONG");
        let is_there = is_pong || text.starts_with(b"LOADING") || text.starts_with(b"MASTERDOWN");
        let its = self.shared.links.get_mut(link);
        its.pong_at = now;
        its.record_reply(text);
        if is_there {
            its.available_at = now;
            its.pinged_since = None;
        }
        let Some(primary) = self.primaries.get_mut(&target.primary) else {
            return;
        };
        if is_pong && target.member == Member::Primary {
            primary.reboot_since = None;
        }
        if text.starts_with(b"BUSY") {
            let script = primary.settings.renamed(b"SCRIPT").to_vec();
            self.kill_script(target, &script);
        }
    }

    /// Sends SCRIPT KILL, once, to an instance that is down because of a script.
    fn kill_script(&mut self, target: &Target, script: &[u8]) {
        let Some(watch) = self.watch_of(target) else {
            return;
        };
        if watch.is_down && !watch.is_script_killed {
            watch.is_script_killed = true;
            let link = watch.link;
            let words: [&[u8]; 2] = [script, b"KILL"];
            self.shared.send(link, &words, ExpectedReply::Ignored);
        }
    }

    /// The reply to SENTINEL IS-MASTER-DOWN-BY-ADDR; any other reply than its three values is
    /// ignored.
    fn answered(&mut self, target: &Target, reply: &ReplyValue) {
        let Member::Peer(run_id) = &target.member else {
            return;
        };
        let ReplyValue::Array(values) = reply else {
            return;
        };
        if let [
            ReplyValue::Integer(is_down),
            ReplyValue::Bulk(vote),
            ReplyValue::Integer(epoch),
        ] = values.as_slice()
            && let Some(primary) = self.primaries.get_mut(&target.primary)
        {
            let answer = (*is_down == 1, vote.as_slice(), *epoch as u64);
            votes::answered(&mut self.shared, primary, run_id, answer);
        }
    }

    /// A script was started as this process, or could not be.
    pub fn script_started(&mut self, now: Now, job: JobId, pid: Option<i64>) {
        self.set_now(now);
        self.shared.scripts.started(job, pid, &mut self.shared.out);
    }

    /// A script's process has ended, with an exit status, or by a signal (else 0).
    pub fn script_ended(&mut self, now: Now, pid: i64, exit: i32, signal: i32) {
        self.set_now(now);
        let Shared {
            scripts,
            periods,
            out,
            now,
            ..
        } = &mut self.shared;
        scripts.ended(pid, (exit, signal), *now, periods, out);
    }
}

impl Machine for Sentinel {
    type Context<'a> = ();
    type Order = Order;

    fn event(&mut self, now: Now, (): &(), event: Event<'_>) {
        match event {
            Event::Tick => self.tick(now),
            Event::Opened { link, local_ip } => self.connected(now, link, local_ip),
            Event::Refused { link, why } => self.refused(now, link, why),
            Event::Received { link, bytes, taken } => *taken = self.received(now, link, bytes),
            Event::Closed { link, .. } => self.closed(now, link),
            Event::Resolved { name, ip } => self.resolved(now, name, ip),
            Event::Persisted { is_saved } => self.persisted(is_saved),
        }
    }

    fn due_ms(&self) -> Option<Ms> {
        Some(self.shared.next_tick)
    }

    fn pop(&mut self) -> Option<Action> {
        self.shared.out.pop()
    }
}

/// The time between two ticks while a group is tense (`is_tense`).
const TENSE_TICK_MS: Ms = 10;
/// A primary that will be seen as down within this time makes its group tense.
const NEAR_MS: Ms = 100;

/// Acts on the state of a primary's group.
fn advance(shared: &mut Shared, primary: &mut Primary) {
    down::check(shared, primary);
    failover::step(shared, primary);
    failover::finish(shared, primary);
}

/// Whether it is a message of a channel, and no reply.
fn is_message(reply: &ReplyValue) -> bool {
    let (ReplyValue::Array(words) | ReplyValue::Push(words)) = reply else {
        return false;
    };
    matches!(words.first(), Some(ReplyValue::Bulk(kind)) if kind == b"message")
}

fn member_of(primary: &Primary, link: LinkId) -> Option<Member> {
    if primary.node.watch.link == link {
        return Some(Member::Primary);
    }
    let mut replicas = primary.replicas.iter();
    if let Some((name, _)) = replicas.find(|(_, replica)| replica.node.watch.link == link) {
        return Some(Member::Replica(name.clone()));
    }
    let mut peers = primary.peers.iter();
    let (run_id, _) = peers.find(|(_, peer)| peer.watch.link == link)?;
    Some(Member::Peer(run_id.clone()))
}

/// 40 random hexadecimal digits.
fn run_id(random: &mut Random) -> Vec<u8> {
    let digit = |_| b"0123456789abcdef"[random.below(16) as usize];
    (0..40).map(digit).collect()
}
