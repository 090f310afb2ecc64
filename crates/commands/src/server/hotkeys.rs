//! HOTKEYS: the most expensive keys, as in Redis 8.6.
//!
//!     none --START--> active --STOP, or DURATION is over--> ended --RESET--> none
//!                                                           ended --START--> active
//!
//! The whole server has one session. GET shows an active or an ended session. Without a session GET
//! shows the windows of `hotkey-top-k` (Valkey), or null.
//!
//! Cost: while a session is active the server counts the keys of each sampled command (SAMPLE).
//!
//! Decided elsewhere: counting, and the memory for it: `server::parts::observe::hotkeys`.

use crate::help::{self, write_help};
use russet_base::clock::Cycles;
use russet_base::numbers::number::parse_i64;
use russet_base::numbers::ranges;
use russet_command::{Arity, CommandError, Facts, Flags};
use russet_keyspace::{SLOTS, SlotSet};
use russet_resp::{Args, Reply};
use russet_server::{Call, CommandResult, HotkeysSession, HotkeysSettings, Server, Spec};

const FLAGS: Flags = Flags::ADMIN.union(Flags::NOSCRIPT);

/// Number of metrics.
const METRICS: i64 = 2;
const KEYS_MAX: i64 = 64;
const SECONDS_MAX: i64 = 1_000_000;

pub(super) const HOTKEYS: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: Flags::CONTAINER,
    subcommands: &[GET, HELP, RESET, START, STOP],
    ..Spec::new("hotkeys", help)
};

const HELP: Spec = help::row(help);

/// `HOTKEYS HELP`.
fn help(call: &mut Call<'_>) -> CommandResult {
    write_help(
        call,
        &[
            "START METRICS <count> [CPU] [NET] [COUNT <k>] [DURATION <seconds>] [SAMPLE <ratio>]",
            "      [SLOTS <count> <slot> [<slot> ...]]",
            "    Begin to count what keys cost: CPU time, bytes on the network, or both. Of each the",
            "    first <k> keys are told (default: 10). The session ends after so many <seconds>",
            "    (default: with STOP). One command in <ratio> is counted (default: all of them). In a",
            "    cluster: only keys of these slots are counted (default: of all slots).",
            "STOP",
            "    End the session. What was found can still be asked for.",
            "GET",
            "    What was found.",
            "RESET",
            "    Forget what was found, once the session has ended.",
        ],
    );
    Ok(())
}

const START: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: FLAGS,
    tips: &["request_policy:special"],
    ..Spec::new("start", start)
};

/// An integer from `min` to `max`, or the error.
fn number(arg: &[u8], min: i64, max: i64, error: &'static str) -> Result<i64, CommandError> {
    let number = parse_i64(arg).filter(|n| (min..=max).contains(n));
    number.ok_or(CommandError::Text(error))
}

/// `HOTKEYS START METRICS count [CPU] [NET] [COUNT k] [DURATION seconds] [SAMPLE ratio]
/// [SLOTS count slot ...]`.
///
/// Reply: OK. The handler ignores unknown metrics if it knows at least one. O(COUNT).
fn start(call: &mut Call<'_>) -> CommandResult {
    const GOES_ON: &str = "ERR hotkey tracking session already in progress";
    if call.server.hotkeys().is_some_and(HotkeysSession::is_active) {
        return Err(CommandError::Text(GOES_ON));
    }
    let wanted = wanted(call)?;
    if call.server.start_hotkeys(wanted) {
        call.reply.ok()
    } else {
        return Err(CommandError::Text(GOES_ON));
    }
    Ok(())
}

fn wanted(call: &Call<'_>) -> Result<HotkeysSettings, CommandError> {
    let args = call.args;
    if args.len() < 4 || !args.is(2, "METRICS") {
        return Err(CommandError::Text("ERR METRICS parameter is required"));
    }
    const METRICS_COUNT: &str = "ERR METRICS count must be > 0 and <= 2";
    let metrics = number(args.at(3), 1, METRICS, METRICS_COUNT)? as usize;
    let mut wanted = HotkeysSettings {
        cpu: false,
        net: false,
        keys: 10,
        duration_ms: 0,
        sample_ratio: 1,
        slots: None,
    };
    let end = args.len().min(4 + metrics);
    for at in 4..end {
        if args.is(at, "CPU") && std::mem::replace(&mut wanted.cpu, true) {
            return Err(CommandError::Text(
                "ERR METRICS CPU defined more than once!",
            ));
        }
        if args.is(at, "NET") && std::mem::replace(&mut wanted.net, true) {
            return Err(CommandError::Text(
                "ERR METRICS NET defined more than once!",
            ));
        }
    }
    if end < 4 + metrics {
        return Err(CommandError::Text(
            "ERR METRICS count does not match number of metric types provided",
        ));
    }
    if !wanted.cpu && !wanted.net {
        return Err(CommandError::Text(
            "ERR METRICS no valid metrics passed. Supported: CPU|NET",
        ));
    }
    let mut at = end;
    while at < args.len() {
        let value = args.get(at + 1).ok_or(CommandError::Syntax)?;
        if args.is(at, "COUNT") {
            const RANGE: &str = "ERR COUNT must be between 1 and 64";
            wanted.keys = number(value, 1, KEYS_MAX, RANGE)? as usize;
        } else if args.is(at, "DURATION") {
            const RANGE: &str = "ERR DURATION must be between 1 and 1000000";
            wanted.duration_ms = number(value, 1, SECONDS_MAX, RANGE)? as u64 * 1000;
        } else if args.is(at, "SAMPLE") {
            const RANGE: &str = "ERR SAMPLE ratio must be positive";
            wanted.sample_ratio = number(value, 1, i32::MAX.into(), RANGE)? as u32;
        } else if args.is(at, "SLOTS") {
            if wanted.slots.is_some() {
                return Err(CommandError::Text("ERR SLOTS parameter already specified"));
            }
            let (slots, count) = slots(call, args.from(at + 1))?;
            at += count;
            wanted.slots = Some(slots);
        } else {
            return Err(CommandError::Syntax);
        }
        at += 2;
    }
    Ok(wanted)
}

/// `count slot [slot ...]` at the head of `args`: the slots, and how many. O(slots).
///
/// # Errors
///
/// The server is no node of a cluster; a slot is out of range, named twice, or served by another
/// node; fewer slots than `count`.
fn slots(call: &Call<'_>, args: Args<'_>) -> Result<(SlotSet, usize), CommandError> {
    let Some(cluster) = &call.server.cluster else {
        return Err(CommandError::Text(
            "ERR SLOTS parameter cannot be used in non-cluster mode",
        ));
    };
    const COUNT: &str = "ERR SLOTS count must be between 1 and 16384";
    let count = number(args.at(0), 1, SLOTS as i64, COUNT)? as usize;
    if args.len() <= count {
        return Err(CommandError::Text("ERR not enough slot numbers provided"));
    }
    let mut slots = SlotSet::default();
    for text in args.iter().skip(1).take(count) {
        const RANGE: &str = "ERR Invalid or out of range slot";
        let slot = number(text, 0, SLOTS as i64 - 1, RANGE)? as u16;
        if !cluster.core.is_mine(slot) {
            let text = format!("ERR slot {slot} not handled by this node");
            return Err(CommandError::Bytes(text.into_bytes()));
        }
        if slots.has(slot) {
            return Err(CommandError::Text("ERR duplicate slot number"));
        }
        slots.insert(slot);
    }
    Ok((slots, count))
}

const STOP: Spec = Spec {
    arity: Arity::Exactly(2),
    flags: FLAGS,
    tips: &["request_policy:special"],
    ..Spec::new("stop", stop)
};

/// `HOTKEYS STOP`: OK, or null if no session is active.
fn stop(call: &mut Call<'_>) -> CommandResult {
    if call.server.stop_hotkeys() {
        call.reply.ok()
    } else {
        call.reply.null()
    }
    Ok(())
}

/// The keys of the last full window.
fn write_windows(call: &mut Call<'_>) {
    let reply = &mut *call.reply;
    let Some(windows) = call.server.diagnostics.hot_windows(&call.server.now) else {
        return reply.null();
    };
    reply.array(windows.keys().len());
    for hot in windows.keys() {
        reply.map(3);
        reply.bulk(b"key");
        reply.bulk(&hot.key);
        field(reply, "db", hot.db.into());
        field(reply, "qps", hot.per_second as i64);
    }
}

const RESET: Spec = Spec {
    arity: Arity::Exactly(2),
    flags: FLAGS,
    tips: &["request_policy:special"],
    ..Spec::new("reset", reset)
};

/// `HOTKEYS RESET`: OK, or an error while a session is active.
fn reset(call: &mut Call<'_>) -> CommandResult {
    if !call.server.reset_hotkeys() {
        return Err(CommandError::Text(
            "ERR hotkey tracking session in progress, stop tracking first",
        ));
    }
    call.reply.ok();
    Ok(())
}

const GET: Spec = Spec {
    arity: Arity::Exactly(2),
    flags: FLAGS,
    tips: &[
        "nondeterministic_output",
        "request_policy:special",
        "response_policy:special",
    ],
    facts: Facts::SHOWS,
    ..Spec::new("get", get)
};

/// `HOTKEYS GET`.
///
/// Reply: an array of one map, so that a client can concatenate the replies of several servers. If
/// there was no session, but `hotkey-top-k` is set: an array of maps `key`, `db`, `qps` of the last
/// full window, the hottest first, as in Valkey; else null. O(counters).
fn get(call: &mut Call<'_>) -> CommandResult {
    let (now, cycles) = (call.server.now.mono_ms, call.server.cycles.clone());
    if call.server.hotkeys().is_none() {
        write_windows(call);
        return Ok(());
    }
    let served = served(call.server);
    let Some(session) = call.server.hotkeys() else {
        return Ok(());
    };
    let reply = &mut *call.reply;
    let micros = |ticks| cycles.micros(ticks) as i64;
    let wanted = &session.wanted;
    let (cpu, net) = (session.cpu.as_ref(), session.net.as_ref());
    let is_selective = wanted.slots.is_some();
    let is_sampled = is_selective && wanted.sample_ratio > 1;
    let fields = 7 + 2 * (usize::from(is_selective) + usize::from(is_sampled));
    reply.array(1);
    reply.map(fields + 3 * usize::from(cpu.is_some()) + 2 * usize::from(net.is_some()));
    field(reply, "tracking-active", session.is_active().into());
    field(reply, "sample-ratio", wanted.sample_ratio.into());
    reply_slots(wanted.slots.as_ref(), &served, reply);
    let sums = [
        (
            "sampled-commands-selected-slots",
            session.sampled,
            is_sampled,
        ),
        (
            "all-commands-selected-slots",
            session.selected,
            is_selective,
        ),
        ("all-commands-all-slots", session.all, true),
    ];
    let shown = || sums.iter().filter(|(_, _, is_shown)| *is_shown);
    for (name, sums, _) in shown() {
        field(reply, &format!("{name}-us"), micros(sums.ticks));
    }
    for (name, sums, _) in shown() {
        field(reply, &format!("net-bytes-{name}"), sums.bytes as i64);
    }
    field(
        reply,
        "collection-start-time-unix-ms",
        session.began_unix_ms,
    );
    field(
        reply,
        "collection-duration-ms",
        session.lasted_ms(now) as i64,
    );
    if cpu.is_some() {
        let (user, system) = session.cpu_ms();
        field(reply, "total-cpu-time-user-ms", user as i64);
        field(reply, "total-cpu-time-sys-ms", system as i64);
    }
    if let Some(net) = net {
        field(reply, "total-net-bytes", net.total() as i64);
    }
    reply_keys(session, &cycles, reply);
    Ok(())
}

/// The slots of a session: those selected, else all that this node serves.
fn reply_slots(selected: Option<&SlotSet>, served: &[(u16, u16)], reply: &mut Reply) {
    reply.bulk(b"selected-slots");
    if let Some(slots) = selected {
        reply.array(slots.iter().count());
        for slot in slots.iter() {
            reply.array(1);
            reply.int(slot.into());
        }
    } else {
        reply.array(served.len());
        for &(first, last) in served {
            reply.array(2);
            reply.int(first.into());
            reply.int(last.into());
        }
    }
}

/// The hottest keys, by each figure that the session measures.
fn reply_keys(session: &HotkeysSession, cycles: &Cycles, reply: &mut Reply) {
    let keys = session.wanted.keys;
    if let Some(cpu) = &session.cpu {
        let by_time = cpu.top(keys).into_iter();
        keys_of(
            reply,
            "by-cpu-time-us",
            by_time.map(|(key, ticks)| (key, cycles.micros(ticks) as i64)),
        );
    }
    if let Some(net) = &session.net {
        let by_bytes = net.top(keys).into_iter();
        keys_of(
            reply,
            "by-net-bytes",
            by_bytes.map(|(key, bytes)| (key, bytes as i64)),
        );
    }
}

/// The slots that this node serves, as ranges (first, last); all of them outside a cluster.
fn served(server: &Server) -> Vec<(u16, u16)> {
    match &server.cluster {
        Some(cluster) => ranges((0..SLOTS as u16).filter(|&slot| cluster.core.is_mine(slot))),
        None => vec![(0, SLOTS as u16 - 1)],
    }
}

fn field(reply: &mut Reply, name: &str, value: i64) {
    reply.bulk(name.as_bytes());
    reply.int(value);
}

fn keys_of<'a>(
    reply: &mut Reply,
    name: &str,
    keys: impl ExactSizeIterator<Item = (&'a [u8], i64)>,
) {
    reply.bulk(name.as_bytes());
    reply.array(2 * keys.len());
    for (key, value) in keys {
        reply.bulk(key);
        reply.int(value);
    }
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};

    #[test]
    fn what_redis_refuses_is_refused() {
        let mut t = Testbed::new();
        let refusals = [
            ("HOTKEYS START", "METRICS parameter is required"),
            (
                "HOTKEYS START METRICS 0",
                "METRICS count must be > 0 and <= 2",
            ),
            (
                "HOTKEYS START METRICS 3 CPU NET",
                "METRICS count must be > 0 and <= 2",
            ),
            (
                "HOTKEYS START METRICS 2 CPU",
                "METRICS count does not match number of metric types provided",
            ),
            ("HOTKEYS START METRICS 1 CPU NET", "syntax error"),
            (
                "HOTKEYS START METRICS 2 GPU NYET",
                "METRICS no valid metrics passed. Supported: CPU|NET",
            ),
            (
                "HOTKEYS START METRICS 2 CPU CPU",
                "METRICS CPU defined more than once!",
            ),
            (
                "HOTKEYS START METRICS 1 CPU COUNT 65",
                "COUNT must be between 1 and 64",
            ),
            (
                "HOTKEYS START METRICS 1 CPU DURATION 0",
                "DURATION must be between 1 and 1000000",
            ),
            (
                "HOTKEYS START METRICS 1 CPU SAMPLE 0",
                "SAMPLE ratio must be positive",
            ),
            (
                "HOTKEYS START METRICS 1 CPU SLOTS 1 0",
                "SLOTS parameter cannot be used in non-cluster mode",
            ),
        ];
        for (line, refusal) in refusals {
            assert_eq!(t.run(line), format!("-ERR {refusal}\r\n"), "{line}");
        }
        assert_eq!(t.run("HOTKEYS START METRICS 2 GPU CPU"), "+OK\r\n");
    }

    #[test]
    fn a_session_goes_from_start_over_stop_to_reset() {
        let mut t = Testbed::new();
        assert_eq!(t.run("HOTKEYS GET"), "$-1\r\n");
        assert_eq!(t.run("HOTKEYS STOP"), "$-1\r\n");
        assert_eq!(t.run("HOTKEYS START METRICS 2 CPU NET COUNT 1"), "+OK\r\n");
        t.run("SET a 1");
        t.run("SET b 12345678901234567890");
        let busy = "-ERR hotkey tracking session in progress, stop tracking first\r\n";
        assert_eq!(t.run("HOTKEYS RESET"), busy);
        let busy = "-ERR hotkey tracking session already in progress\r\n";
        assert_eq!(t.run("HOTKEYS START METRICS 1 CPU"), busy);
        let going_on = t.run("HOTKEYS GET");
        let head = "*1\r\n*24\r\n$15\r\ntracking-active\r\n:1\r\n$12\r\nsample-ratio\r\n:1\r\n\
                    $14\r\nselected-slots\r\n*1\r\n*2\r\n:0\r\n:16383\r\n";
        assert!(going_on.starts_with(head), "{going_on}");
        assert!(
            going_on.ends_with("$12\r\nby-net-bytes\r\n*2\r\n$1\r\nb\r\n:52\r\n"),
            "{going_on}"
        );
        assert_eq!(t.run("HOTKEYS STOP"), "+OK\r\n");
        assert!(t.run("HOTKEYS GET").contains("tracking-active\r\n:0\r\n"));
        assert_eq!(t.run("HOTKEYS RESET"), "+OK\r\n");
        assert_eq!(t.run("HOTKEYS GET"), "$-1\r\n");
    }
}
