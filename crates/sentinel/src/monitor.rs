//! Watching one instance: connections, and PING, INFO and hellos at their times.
//!
//! Missing connections are begun at most once per PING period. INFO and a hello are not repeated
//! while their reply is due, and nothing periodic is sent while a link owes 100 replies for each of
//! its owners. Requests that are nearly due leave with a PING, in one write. A save of the epoch
//! precedes a hello.
//!
//! Cost: O(1) for each instance of a group that is visited; `calm_until` is the moment before which
//! a visit would do nothing. Replies are handled in `core`, silence is judged in `down`.

use super::actions::Action;
use super::address::is_ip;
use super::config::PrimarySettings;
use super::instances::{
    CHANNEL, DataNode, FailoverKind, FailoverSeen, FailoverState, Peer, Primary, Reconf, Role,
    Watch,
};
use super::links::{ConnKind, ExpectedReply, InstanceLink, LinkConnection, LinkId, Member, Target};
use super::shared::{PrimaryIntroduction, Reporter, Shared};
use super::time::Ms;
use russet_host::Level;

/// No more requests are sent over a link, for each of its owners, while so many have no reply.
const PENDING_MAX: usize = 100;

/// The period of INFO for a replica that was ordered to follow a new primary just now.
const INFO_SOON_MS: Ms = 100;

/// Whether a hello to the primary would wait: its writes are paused, and PUBLISH with them.
fn is_muted(primary: &Primary) -> bool {
    let failover = &primary.failover;
    failover.kind == FailoverKind::Coordinated && failover.state <= FailoverState::WaitPromotion
}

/// The conditions of an instance's periodic requests.
struct DueRequests<'a> {
    target: Target,
    settings: &'a PrimarySettings,
    about: &'a PrimaryIntroduction,
    /// `None`: it is not asked for INFO.
    info: Option<(Option<Ms>, Ms)>,
    is_muted: bool,
}

/// Watches a primary and its group.
pub fn tend(shared: &mut Shared, primary: &mut Primary) {
    let about = PrimaryIntroduction::new(primary, shared.globals.announce_hostnames);
    let muted = is_muted(primary);
    let closely =
        primary.is_agreed_down || primary.failover.is_running() || primary.node.watch.is_down;
    let in_motion = primary.is_in_motion(shared.now);
    let down_since = primary
        .node
        .watch
        .down_since
        .filter(|_| primary.node.watch.is_down);
    let Primary {
        name,
        settings,
        node,
        replicas,
        peers,
        ..
    } = primary;
    let target = |member| Target {
        primary: name.clone(),
        member,
    };
    let due = DueRequests {
        target: target(Member::Primary),
        settings,
        about: &about,
        info: Some((node.info_at, shared.periods.info)),
        is_muted: muted || node.failover == FailoverSeen::Yes,
    };
    tend_one(shared, &mut node.watch, &due);
    for (name, replica) in replicas {
        let node = &mut replica.node;
        // The Sentinel watches a replica that lost its primary closely, because this Sentinel or
        // another may promote it: it sees new roles soon while roles change, and it asks for a
        // replica's offset when the primary is down.
        let is_changing = matches!(replica.reconf, Reconf::Sent(_) | Reconf::InProgress);
        let is_old = node
            .info_at
            .zip(down_since)
            .is_some_and(|(at, since)| at < since);
        let period = match closely || node.link_down_ms != 0 {
            true if in_motion && is_old => 0,
            true if in_motion && is_changing => INFO_SOON_MS,
            true => 1000,
            false => shared.periods.info,
        };
        let due = DueRequests {
            target: target(Member::Replica(name.clone())),
            settings,
            about: &about,
            info: Some((node.info_at, period)),
            is_muted: node.failover == FailoverSeen::Yes,
        };
        tend_one(shared, &mut node.watch, &due);
    }
    for (run_id, peer) in peers {
        let due = DueRequests {
            target: target(Member::Peer(run_id.clone())),
            settings,
            about: &about,
            info: None,
            is_muted: false,
        };
        tend_one(shared, &mut peer.watch, &due);
    }
}

fn tend_one(shared: &mut Shared, watch: &mut Watch, due: &DueRequests<'_>) {
    reconnect(shared, watch, due.info.is_some());
    send_due(shared, watch, due);
}

/// Begins the missing connections, at most once per PING period.
fn reconnect(shared: &mut Shared, watch: &Watch, is_data_node: bool) {
    let now = shared.now;
    let link = shared.links.get(watch.link);
    let no_commands = link.commands.is_none();
    let no_subscription = is_data_node && link.subscription.is_none();
    let tried_lately = |at: Ms| now - at < shared.periods.ping;
    if !(no_commands || no_subscription)
        || watch.address.port == 0
        || link.tried_at.is_some_and(tried_lately)
    {
        return;
    }
    shared.links.get_mut(watch.link).tried_at = Some(now);
    // The name may lead elsewhere by now; the answer is used by the next attempt.
    if no_commands && shared.globals.resolve_hostnames && !is_ip(&watch.address.host) {
        shared.out.push(Action::Resolve(watch.address.host.clone()));
    }
    if watch.address.ip.is_empty() {
        return;
    }
    let place = (watch.address.ip.as_slice(), watch.address.port);
    let (links, out) = (&mut shared.links, &mut shared.out);
    if no_commands {
        // A PING is the first request: from now on a reply is due, even if no connection comes
        // about.
        links.get_mut(watch.link).pinged_since.get_or_insert(now);
        links.connect(watch.link, ConnKind::Commands, place, now, out);
    }
    if no_subscription {
        links.connect(watch.link, ConnKind::Subscription, place, now, out);
    }
}

/// Sends the first requests on a connection: AUTH, a name, then PING or SUBSCRIBE.
pub fn greet(
    shared: &mut Shared,
    link: LinkId,
    kind: ConnKind,
    settings: &PrimarySettings,
    target: Target,
) {
    // `rename-command` applies to data nodes only, not to other Sentinels.
    let is_peer = matches!(target.member, Member::Peer(_));
    let send = |shared: &mut Shared, words: &[&[u8]], expected| {
        let mut words = words.to_vec();
        if !is_peer {
            words[0] = settings.renamed(words[0]);
        }
        let (links, out) = (&mut shared.links, &mut shared.out);
        links.send(link, kind, &words, expected, out)
    };
    let (user, pass) = if is_peer {
        credentials_for_peers(shared)
    } else {
        (settings.auth_user.clone(), settings.auth_pass.clone())
    };
    match (user.is_empty(), pass.is_empty()) {
        (_, true) => {}
        (true, false) => {
            send(shared, &[b"AUTH", &pass], ExpectedReply::Ignored);
        }
        (false, false) => {
            send(shared, &[b"AUTH", &user, &pass], ExpectedReply::Ignored);
        }
    }
    let purpose: &[u8] = match kind {
        ConnKind::Commands => b"-cmd",
        ConnKind::Subscription => b"-pubsub",
    };
    let name = own_name(shared, purpose);
    send(
        shared,
        &[b"CLIENT", b"SETNAME", &name],
        ExpectedReply::Ignored,
    );
    match kind {
        ConnKind::Commands => {
            ping(shared, link, settings, &target);
        }
        ConnKind::Subscription => {
            send(shared, &[b"SUBSCRIBE", CHANNEL], ExpectedReply::Subscribed);
        }
    }
}

/// The user, or none, and the password, or none, for other Sentinels.
fn credentials_for_peers(shared: &Shared) -> (Vec<u8>, Vec<u8>) {
    if shared.globals.pass.is_empty() {
        (Vec::new(), shared.own.password.clone())
    } else {
        (shared.globals.user.clone(), shared.globals.pass.clone())
    }
}

/// The name of our connections.
fn own_name(shared: &Shared, purpose: &[u8]) -> Vec<u8> {
    let my_id = &shared.my_id[..shared.my_id.len().min(8)];
    [b"sentinel-", my_id, purpose].concat()
}

/// Sends the first requests, AUTH and a name, to a Sentinel that is not known yet.
pub(crate) fn log_in_to_peer(shared: &mut Shared, link: LinkId) {
    let (user, pass) = credentials_for_peers(shared);
    if !pass.is_empty() {
        let words: [&[u8]; 3] = [b"AUTH", &user, &pass];
        if user.is_empty() {
            shared.send(link, &[words[0], words[2]], ExpectedReply::Ignored)
        } else {
            shared.send(link, &words, ExpectedReply::Ignored)
        };
    }
    let name = own_name(shared, b"-cmd");
    shared.send(
        link,
        &[b"CLIENT", b"SETNAME", &name],
        ExpectedReply::Ignored,
    );
}

/// Records and reports why a connection could not be established.
pub fn refused(
    shared: &mut Shared,
    (primary, member): (&Primary, &Member),
    (link, kind): (LinkId, ConnKind),
    reason: &str,
) {
    shared.links.get_mut(link).last_error = Some((shared.now, reason.to_owned()));
    let channel = match kind {
        ConnKind::Commands => "-cmd-link-reconnection",
        ConnKind::Subscription => "-pubsub-link-reconnection",
    };
    let reporter = Reporter::new(primary, shared);
    let reason = format!(" #{reason}");
    let level = Level::Debug;
    match member {
        Member::Primary => reporter.primary(shared, level, channel, reason),
        Member::Replica(name) => {
            if let Some(replica) = primary.replicas.get(name) {
                let its = ("slave", name.as_slice(), &replica.node.watch.address);
                reporter.member(shared, level, channel, its, reason);
            }
        }
        Member::Peer(run_id) => {
            if let Some(peer) = primary.peers.get(run_id) {
                let its = ("sentinel", run_id.as_slice(), &peer.watch.address);
                reporter.member(shared, level, channel, its, reason);
            }
        }
    }
}

pub fn ping(shared: &mut Shared, link: LinkId, settings: &PrimarySettings, target: &Target) {
    let command = match target.member {
        Member::Peer(_) => b"PING",
        _ => settings.renamed(b"PING"),
    };
    if shared.send(link, &[command], ExpectedReply::Ping(target.clone())) {
        let now = shared.now;
        let link = shared.links.get_mut(link);
        link.pinged_at = Some(now);
        link.pinged_since.get_or_insert(now);
    }
}

/// Whether a request is due `age` after the last request. Requests that are nearly due leave with a
/// PING: one write, and one read of the replies.
fn is_due(age: Ms, period: Ms, ping_period: Ms, with_ping: bool) -> bool {
    let slack = if period > ping_period {
        ping_period / 2
    } else {
        0
    };
    if with_ping {
        age > period - slack
    } else {
        age > period + slack.min(WAIT_FOR_PING_MS)
    }
}

/// How long a request waits for the next PING: a little more than the time between two ticks.
const WAIT_FOR_PING_MS: Ms = 110;

/// When the next request to an instance is due; now, if its links are not up or it is down.
fn next_due(shared: &Shared, watch: &Watch, settings: &PrimarySettings, info: Option<Ms>) -> Ms {
    let (now, periods) = (shared.now, &shared.periods);
    let link = shared.links.get(watch.link);
    if !link.is_up() || watch.is_down {
        return now;
    }
    let ping_period = settings.down_after_ms.min(periods.ping);
    let pinged_at = link.pinged_at.unwrap_or(now);
    let mut next = (link.pong_at + ping_period).max(pinged_at + ping_period / 2);
    if let Some(since) = link.pinged_since {
        // From then on it is suspected, and visited in each tick.
        next = next.min(since + settings.down_after_ms / 2);
    }
    if let Some(at) = info {
        next = next
            .min(at + periods.info)
            .min(link.received_at + periods.publish * 3);
    }
    next.min(watch.published_at + periods.publish)
}

/// When the group must be visited next, unless an event of it comes first; now, if it is not at
/// rest.
pub(crate) fn calm_until(shared: &Shared, primary: &Primary) -> Ms {
    let now = shared.now;
    let node = &primary.node;
    let is_calm = !primary.failover.is_running()
        && !primary.is_agreed_down
        && primary.reboot_since.is_none()
        && node.role == Role::Primary
        && shared.tilt.since.is_none();
    let minds = |peer: &Peer| peer.says_down || peer.vote.is_some();
    if !is_calm || primary.peers.values().any(minds) {
        return now;
    }
    let settings = &primary.settings;
    let of_node = |node: &DataNode| match node.info_at {
        Some(at) if node.link_down_ms == 0 => next_due(shared, &node.watch, settings, Some(at)),
        _ => now,
    };
    let replicas = primary.replicas.values();
    let replicas = replicas.map(|replica| of_node(&replica.node));
    let peers = primary.peers.values();
    let peers = peers.map(|peer| next_due(shared, &peer.watch, settings, None));
    let first = replicas.chain(peers).min().unwrap_or(Ms::MAX);
    first.min(of_node(node))
}

/// Asks for INFO, even if a reply to INFO is still to come.
pub(crate) fn ask_info(
    shared: &mut Shared,
    link: LinkId,
    settings: &PrimarySettings,
    target: Target,
) {
    shared.send(
        link,
        &[settings.renamed(b"INFO")],
        ExpectedReply::Info(target),
    );
}

/// Whether a reply to such a request is still to come.
fn awaits(link: &InstanceLink, expected: &ExpectedReply) -> bool {
    let awaits = |conn: &LinkConnection| conn.expected.contains(expected);
    link.commands.as_ref().is_some_and(awaits)
}

/// INFO, PING and a hello, each if its time has come.
fn send_due(shared: &mut Shared, watch: &mut Watch, due: &DueRequests<'_>) {
    let now = shared.now;
    let link = shared.links.get(watch.link);
    if !link.is_up() || link.pending() >= PENDING_MAX * link.owners {
        return;
    }
    let command = |name: &'static [u8]| match due.info {
        Some(_) => due.settings.renamed(name),
        None => name,
    };
    let ping_period = due.settings.down_after_ms.min(shared.periods.ping);
    let pinged_lately = |at: Ms| now - at <= ping_period / 2;
    let pings = now - link.pong_at > ping_period && !link.pinged_at.is_some_and(pinged_lately);
    if let Some((at, period)) = due.info
        && at.is_none_or(|at| is_due(now - at, period, ping_period, pings))
    {
        let expected = ExpectedReply::Info(due.target.clone());
        if !awaits(link, &expected) {
            shared.send(watch.link, &[command(b"INFO")], expected);
        }
    }
    if pings {
        ping(shared, watch.link, due.settings, &due.target);
    }
    let age = now - watch.published_at;
    if is_due(age, shared.periods.publish, ping_period, pings) && !due.is_muted {
        let expected = ExpectedReply::Hello(due.target.clone());
        if !awaits(shared.links.get(watch.link), &expected)
            && let Some(hello) = shared.hello(due.about, watch.link)
        {
            // The epoch that it announces is saved first.
            shared.out.persist_wanted();
            let words: [&[u8]; 3] = [command(b"PUBLISH"), CHANNEL, &hello.text()];
            shared.send(watch.link, &words, expected);
        }
    }
}

/// Makes the hellos of a primary's whole group due at once.
pub(crate) fn publish_soon(shared: &Shared, primary: &mut Primary) {
    let due = shared.now - shared.periods.publish - 1;
    primary.node.watch.published_at = due;
    for replica in primary.replicas.values_mut() {
        replica.node.watch.published_at = due;
    }
    for peer in primary.peers.values_mut() {
        peer.watch.published_at = due;
    }
}
