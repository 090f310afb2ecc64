//! CLIENT TRACKING, CACHING, GETREDIR, TRACKINGINFO: client-side caching.
//!
//! The handler checks options against the client's present mode before it changes anything: BCAST
//! on either side, and OPTIN to OPTOUT or back, need OFF in between. No two prefixes of a client
//! overlap, because the server must report a key once.
//!
//! Cost: O(prefixes log prefixes) to check and to add them; else O(1).
//!
//! Decided elsewhere: tracked keys and invalidations: `server.messages.tracking`.

use super::client_flags::USUAL;
use russet_base::numbers::number::parse_i64;
use russet_command::{Arity, Category, CommandError, Facts, up_to_nul};
use russet_keyspace::ClientId;
use russet_resp::Args;
use russet_server::{Call, ClientFlags, CommandResult, Spec, Tracker, TrackingMode, World};

pub(super) const TRACKING: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: USUAL,
    categories: Category::CONNECTION,
    facts: Facts::NOT_IN_CONSOLE,
    ..Spec::new("tracking", tracking)
};

/// The options as given.
#[derive(Default)]
struct TrackingOptions<'a> {
    redirect: Option<ClientId>,
    broadcast: bool,
    opt_in: bool,
    opt_out: bool,
    noloop: bool,
    prefixes: Vec<&'a [u8]>,
}

impl<'a> TrackingOptions<'a> {
    fn parse(call: &Call<'_>, args: Args<'a>) -> Result<TrackingOptions<'a>, CommandError> {
        let mut options = TrackingOptions::default();
        let mut at = 3;
        while at < args.len() {
            let value = args.get(at + 1);
            match value {
                Some(id) if args.is(at, "REDIRECT") => {
                    options.redirect(call, id)?;
                    at += 1;
                }
                Some(prefix) if args.is(at, "PREFIX") => {
                    options.prefixes.push(prefix);
                    at += 1;
                }
                _ if args.is(at, "BCAST") => options.broadcast = true,
                _ if args.is(at, "OPTIN") => options.opt_in = true,
                _ if args.is(at, "OPTOUT") => options.opt_out = true,
                _ if args.is(at, "NOLOOP") => options.noloop = true,
                _ => return Err(CommandError::Syntax),
            }
            at += 1;
        }
        Ok(options)
    }

    fn redirect(&mut self, call: &Call<'_>, id: &[u8]) -> Result<(), CommandError> {
        const TWICE: &str = "ERR A client can only redirect to a single other client";
        const UNKNOWN: &str = "ERR The client ID you want redirect to does not exist";
        if self.redirect.is_some() {
            return Err(CommandError::Text(TWICE));
        }
        let id = ClientId(parse_i64(id).ok_or(CommandError::NotAnInteger)? as u64);
        if !call.server.clients.is_connected(id) {
            return Err(CommandError::Text(UNKNOWN));
        }
        self.redirect = Some(id);
        Ok(())
    }

    /// The tracker for these options and the sorted prefixes, if they fit the client's present
    /// mode.
    fn checked(
        mut self,
        before: Option<&Tracker>,
    ) -> Result<(Tracker, Vec<&'a [u8]>), CommandError> {
        const PREFIX_ALONE: &str = "ERR PREFIX option requires BCAST mode to be enabled";
        const OTHER_BROADCAST: &str = "ERR You can't switch BCAST mode on/off before disabling \
             tracking for this client, and then re-enabling it with a different mode.";
        const OPT_BROADCAST: &str = "ERR OPTIN and OPTOUT are not compatible with BCAST";
        const BOTH: &str = "ERR You can't specify both OPTIN mode and OPTOUT mode";
        const OTHER_OPT: &str = "ERR You can't switch OPTIN/OPTOUT mode before disabling \
             tracking for this client, and then re-enabling it with a different mode.";
        if !self.broadcast && !self.prefixes.is_empty() {
            return Err(CommandError::Text(PREFIX_ALONE));
        }
        if before.is_some_and(|b| (b.mode == TrackingMode::Broadcast) != self.broadcast) {
            return Err(CommandError::Text(OTHER_BROADCAST));
        }
        if self.broadcast && (self.opt_in || self.opt_out) {
            return Err(CommandError::Text(OPT_BROADCAST));
        }
        if self.opt_in && self.opt_out {
            return Err(CommandError::Text(BOTH));
        }
        let mode = before.map_or(TrackingMode::Read, |b| b.mode);
        if self.opt_in && mode == TrackingMode::OptOut
            || self.opt_out && mode == TrackingMode::OptIn
        {
            return Err(CommandError::Text(OTHER_OPT));
        }
        if self.broadcast {
            check_prefixes(&self.prefixes, before)?;
            if self.prefixes.is_empty() {
                self.prefixes.push(b"");
            }
            self.prefixes.sort_unstable();
        }
        let mode = match (self.broadcast, self.opt_in, self.opt_out) {
            (true, ..) => TrackingMode::Broadcast,
            (_, true, _) => TrackingMode::OptIn,
            (_, _, true) => TrackingMode::OptOut,
            _ => TrackingMode::Read,
        };
        let tracker = Tracker::new(mode, self.noloop, self.redirect);
        Ok((tracker, self.prefixes))
    }
}

/// No prefix of a client may begin another: a key would be reported twice.
fn check_prefixes(prefixes: &[&[u8]], before: Option<&Tracker>) -> Result<(), CommandError> {
    let refusal = |prefix: &[u8], kind: &str, other: &[u8]| {
        let mut text = b"ERR Prefix '".to_vec();
        text.extend_from_slice(up_to_nul(prefix));
        text.extend_from_slice(b"' overlaps with ");
        text.extend_from_slice(kind.as_bytes());
        text.extend_from_slice(b" prefix '");
        text.extend_from_slice(up_to_nul(other));
        text.extend_from_slice(b"'. Prefixes for a single client must not overlap.");
        Err(CommandError::Bytes(text))
    };
    let pair = first_overlap(prefixes);
    for (at, prefix) in prefixes.iter().enumerate() {
        if let Some(other) = before.and_then(|before| before.prefixes.overlapping(prefix)) {
            return refusal(prefix, "an existing", &other);
        }
        if let Some((_, other)) = pair.filter(|&(first, _)| first == at) {
            return refusal(prefix, "another provided", prefixes[other]);
        }
    }
    Ok(())
}

/// The first prefix that overlaps a later prefix, and the first such later prefix. O(n log n).
fn first_overlap(prefixes: &[&[u8]]) -> Option<(usize, usize)> {
    let mut order: Vec<usize> = (0..prefixes.len()).collect();
    order.sort_unstable_by_key(|&at| prefixes[at]);
    // A stack of the prefixes that begin the current one, each beginning the next; with each the
    // least index of the stack up to it.
    let mut beginnings: Vec<(usize, usize)> = Vec::new();
    let mut first: Option<(usize, usize)> = None;
    for at in order {
        while let Some(&(last, _)) = beginnings.last()
            && !prefixes[at].starts_with(prefixes[last])
        {
            beginnings.pop();
        }
        let mut least = at;
        if let Some(&(_, other)) = beginnings.last() {
            let pair = (at.min(other), at.max(other));
            first = Some(first.map_or(pair, |known| known.min(pair)));
            least = pair.0;
        }
        beginnings.push((at, least));
    }
    first
}

/// `CLIENT TRACKING ON|OFF [REDIRECT id] [PREFIX prefix ...] [BCAST] [OPTIN] [OPTOUT]
/// [NOLOOP]`.
///
/// Reply: OK. The server sends invalidations as pushes, or as messages on `__redis__:invalidate` to
/// the connection that REDIRECT names.
fn tracking(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    let options = TrackingOptions::parse(call, args)?;
    let on = args.is(2, "ON");
    let World {
        keyspace,
        server,
        client,
        reply,
        ..
    } = call.world();
    if on {
        let (tracker, prefixes) = options.checked(server.messages.tracking.of(client.id))?;
        server.track(keyspace, client, tracker, &prefixes);
    } else if args.is(2, "OFF") {
        server.end_tracking(keyspace, client);
    } else {
        return Err(CommandError::Syntax);
    }
    reply.ok();
    Ok(())
}

pub(super) const CACHING: Spec = Spec {
    arity: Arity::Exactly(3),
    flags: USUAL,
    categories: Category::CONNECTION,
    facts: Facts::NOT_IN_CONSOLE,
    ..Spec::new("caching", caching)
};

/// `CLIENT CACHING YES|NO`: whether the keys that the next command reads are tracked.
fn caching(call: &mut Call<'_>) -> CommandResult {
    const OFF: &str = "ERR CLIENT CACHING can be called only when the client is in tracking mode \
         with OPTIN or OPTOUT mode enabled";
    const NOT_IN: &str =
        "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.";
    const NOT_OUT: &str =
        "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.";
    let mode = call.server.messages.tracking.of(call.client.id);
    let mode = mode.ok_or(CommandError::Text(OFF))?.mode;
    let (keeps, wanted, refusal) = if call.args.is(2, "YES") {
        (true, TrackingMode::OptIn, NOT_IN)
    } else if call.args.is(2, "NO") {
        (false, TrackingMode::OptOut, NOT_OUT)
    } else {
        return Err(CommandError::Syntax);
    };
    if mode != wanted {
        return Err(CommandError::Text(refusal));
    }
    call.client.flags.insert(ClientFlags::CACHING_SAID);
    call.client.flags.set(ClientFlags::CACHES, keeps);
    call.reply.ok();
    Ok(())
}

pub(super) const GETREDIR: Spec = Spec {
    arity: Arity::Exactly(2),
    flags: USUAL,
    categories: Category::CONNECTION,
    ..Spec::new("getredir", getredir)
};

/// `CLIENT GETREDIR`: the ID of the connection to which the server redirects invalidations; 0:
/// none; -1: tracking is off.
fn getredir(call: &mut Call<'_>) -> CommandResult {
    call.reply.int(redirection(call));
    Ok(())
}

fn redirection(call: &Call<'_>) -> i64 {
    let tracker = call.server.messages.tracking.of(call.client.id);
    tracker.map_or(-1, |t| t.redirect.map_or(0, |id| id.0 as i64))
}

pub(super) const TRACKINGINFO: Spec = Spec {
    arity: Arity::Exactly(2),
    flags: USUAL,
    categories: Category::CONNECTION,
    facts: Facts::SHOWS,
    ..Spec::new("trackinginfo", trackinginfo)
};

/// `CLIENT TRACKINGINFO`: map of `flags` (set), `redirect` and `prefixes` (array).
fn trackinginfo(call: &mut Call<'_>) -> CommandResult {
    let redirect = redirection(call);
    let reply = &mut *call.reply;
    let tracker = call.server.messages.tracking.of(call.client.id);
    let mut flags = vec![if tracker.is_some() { "on" } else { "off" }];
    if let Some(tracker) = tracker {
        let said = call.client.flags.contains(ClientFlags::CACHING_SAID);
        flags.extend(match tracker.mode {
            TrackingMode::Read => None,
            TrackingMode::Broadcast => Some("bcast"),
            TrackingMode::OptIn => Some("optin"),
            TrackingMode::OptOut => Some("optout"),
        });
        flags.extend(match tracker.mode {
            TrackingMode::OptIn if said => Some("caching-yes"),
            TrackingMode::OptOut if said => Some("caching-no"),
            _ => None,
        });
        flags.extend(tracker.noloop.then_some("noloop"));
        flags.extend(tracker.is_broken.then_some("broken_redirect"));
    }
    reply.map(3);
    reply.bulk(b"flags");
    reply.set(flags.len());
    for flag in flags {
        reply.bulk(flag.as_bytes());
    }
    reply.bulk(b"redirect");
    reply.int(redirect);
    reply.bulk(b"prefixes");
    let prefixes = tracker.map_or(0, |tracker| tracker.prefixes.len());
    reply.array(prefixes);
    if let Some(tracker) = tracker {
        tracker.prefixes.for_each(|prefix| reply.bulk(prefix));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_first_overlap_is_found_as_one_by_one(
            texts in prop::collection::vec(prop::collection::vec(0u8..3, 0..5), 0..12),
        ) {
            let overlap = |a: &[u8], b: &[u8]| a.starts_with(b) || b.starts_with(a);
            let prefixes: Vec<&[u8]> = texts.iter().map(Vec::as_slice).collect();
            let pairs = (0..prefixes.len())
                .flat_map(|a| (a + 1..prefixes.len()).map(move |b| (a, b)));
            let mut pairs = pairs.filter(|&(a, b)| overlap(prefixes[a], prefixes[b]));
            prop_assert_eq!(first_overlap(&prefixes), pairs.next());
        }
    }

    #[test]
    fn two_hundred_thousand_prefixes_are_checked_at_once() {
        let texts: Vec<String> = (0..200_000).map(|n| format!("{n:07}")).collect();
        let prefixes: Vec<&[u8]> = texts.iter().map(|text| text.as_bytes()).collect();
        assert!(check_prefixes(&prefixes, None).is_ok());
    }
}
