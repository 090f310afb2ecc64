//! Sessions of HOTKEYS: what they count, and their start and end.

use crate::command::Flags;
use crate::resp::Args;
use crate::server::clients::client::{Client, ClientFlags};
use crate::server::origin::Origin;
use crate::server::parts::hotkeys::sketch::Sketch;
use crate::server::parts::hotkeys::{Hotkeys, Wanted, process_time};
use crate::server::state::Server;

/// Bytes of a command on the wire.
#[inline]
fn request_bytes(args: Args<'_>) -> u64 {
    // `$5\r\nvalue\r\n`; the head `*3\r\n` is like an argument's without its text.
    let digits = |n: usize| match n {
        0..10 => 1,
        10..100 => 2,
        _ => n.ilog10() as usize + 1,
    };
    let each = args.iter().map(|arg| arg.len() + digits(arg.len()) + 5);
    (each.sum::<usize>() + digits(args.len()) + 3) as u64
}

/// The share of the commands' time that a session may take: one part in this.
const SHARE: u64 = 64;
/// Approximate cost of counting a key.
const KEY_NANOS: u64 = 150;
/// Initial credit of a session.
const CREDIT_NANOS: u64 = 10_000_000;
/// Counters per reported key: the other keys need room, too.
const COUNTERS_PER_KEY: usize = 10;

impl Server {
    /// Starts a session, and discards the results of the last one. `false`: one is running.
    pub fn start_hotkeys(&mut self, wanted: Wanted) -> bool {
        self.end_due_hotkeys();
        if self.hotkeys_session() {
            return false;
        }
        let sketch = |on: bool| on.then(|| Sketch::new(wanted.keys * COUNTERS_PER_KEY));
        let credit = self.cycles.ticks(CREDIT_NANOS) * SHARE;
        self.diagnostics.hotkeys = Some(Box::new(Hotkeys {
            wanted,
            active: true,
            began_unix_ms: self.now.unix_ms(),
            began_ms: self.now.mono_ms,
            lasted_ms: 0,
            cpu: sketch(wanted.cpu),
            net: sketch(wanted.net),
            all_ticks: 0,
            all_bytes: 0,
            cpu_began: process_time(),
            cpu_ended: None,
            rng: rand::make_rng(),
            credit,
            credit_max: credit,
            key_price: self.cycles.ticks(KEY_NANOS).max(1) * SHARE,
            passed: 0,
        }));
        self.update_observers();
        true
    }

    /// Stops the session; its results stay. `false`: none is running.
    pub fn stop_hotkeys(&mut self) -> bool {
        self.end_due_hotkeys();
        let now = self.now.mono_ms;
        let session = self.diagnostics.hotkeys.as_mut().filter(|its| its.active);
        let stopped = session.map(|its| its.stop(now)).is_some();
        self.update_observers();
        stopped
    }

    /// Discards the results. `false`: a session is running.
    pub fn reset_hotkeys(&mut self) -> bool {
        self.end_due_hotkeys();
        if self.hotkeys_session() {
            return false;
        }
        self.diagnostics.hotkeys = None;
        true
    }

    /// The session, running or over.
    pub fn hotkeys(&mut self) -> Option<&Hotkeys> {
        self.end_due_hotkeys();
        self.diagnostics.hotkeys.as_deref()
    }

    /// Memory of the session, bytes.
    pub fn hotkeys_bytes(&self) -> usize {
        self.diagnostics
            .hotkeys
            .as_ref()
            .map_or(0, |its| its.memory_bytes())
    }

    /// Ends a session whose time is up.
    pub(in crate::server) fn end_due_hotkeys(&mut self) {
        let now = self.now.mono_ms;
        if let Some(its) = self.diagnostics.hotkeys.as_mut()
            && its.active
            && its.wanted.duration_ms > 0
            && its.lasted_ms(now) >= its.wanted.duration_ms
        {
            its.stop(now);
            self.update_observers();
        }
    }

    /// Updates whether every command is observed: the test made once per command.
    pub(in crate::server) fn update_observers(&mut self) {
        self.gates.is_observed = self.hotkeys_session() || !self.messages.monitors.is_empty();
    }

    /// Whether a session is running.
    fn hotkeys_session(&self) -> bool {
        let session = self.diagnostics.hotkeys.as_ref();
        session.is_some_and(|its| its.active)
    }

    /// Reports a finished command, which took `ticks` and replied `replied` bytes, to the observers
    /// of every command.
    #[inline(never)]
    pub(in crate::server) fn observe(
        &mut self,
        client: &Client,
        row: usize,
        args: Args<'_>,
        origin: Origin,
        (ticks, replied): (u64, usize),
    ) {
        let spec = self.table.row(row).spec;
        let first_try = origin != Origin::Retry;
        if !self.messages.monitors.is_empty()
            && first_try
            && !spec.flags.contains(Flags::SKIP_MONITOR)
        {
            self.feed_monitors(client, spec, args, origin);
        }
        // A command that blocks is counted when it has been served.
        if origin != Origin::Script && !client.flags.contains(ClientFlags::BLOCKED) {
            self.count_hotkeys(row, args, ticks, replied);
        }
    }

    fn count_hotkeys(&mut self, row: usize, args: Args<'_>, ticks: u64, replied: usize) {
        let Some(session) = self.diagnostics.hotkeys.as_mut().filter(|its| its.active) else {
            return;
        };
        let row = self.table.row(row);
        if !row.has_keys() {
            return;
        }
        let bytes = request_bytes(args) + replied as u64;
        let Some(times) = session.count(ticks, bytes) else {
            return;
        };
        let Ok(keys) = row.keys(args) else {
            return;
        };
        let among = keys.clone().count() as f64;
        let share = |what: u64| (what as f64 * times / among) as u64;
        let (ticks, bytes) = (share(ticks), share(bytes));
        for (at, _) in keys {
            session.add(args.at(at), ticks, bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::Testbed;
    use rand::RngExt;
    use rand::rngs::SmallRng;

    #[test]
    fn a_command_on_the_wire_is_so_long() {
        for (line, bytes) in [("GET a", 20u64), ("SET abcdefghij x", 37)] {
            let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
            let wire: usize = words
                .iter()
                .map(|w| format!("${}\r\n", w.len()).len() + w.len() + 2)
                .sum();
            assert_eq!(wire as u64 + 4, bytes, "{line}");
            let mut owned = crate::resp::OwnedArgs::new();
            words.iter().for_each(|word| owned.push(word));
            assert_eq!(request_bytes(owned.args()), bytes, "{line}");
        }
    }

    #[test]
    fn without_a_session_nobody_looks_at_commands() {
        let mut t = Testbed::new();
        assert!(!t.engine.server.gates.is_observed);
        assert_eq!(t.run("HOTKEYS START METRICS 1 CPU DURATION 1"), "+OK\r\n");
        assert!(t.engine.server.gates.is_observed);
        t.advance_ms(1500);
        t.engine.server.end_due_hotkeys();
        assert!(!t.engine.server.gates.is_observed);
        let session = t.engine.server.hotkeys().expect("what was found stays");
        assert_eq!(session.lasted_ms(u64::MAX), 1000);
    }

    #[test]
    fn bytes_go_to_the_keys_that_a_command_names() {
        let mut t = Testbed::new();
        t.run("HOTKEYS START METRICS 1 NET");
        t.run("SET hot 12345678901234567890");
        t.run("MGET hot cold");
        t.run("EVAL return(redis.call('set',KEYS[1],1)) 1 scripted");
        t.run("PING");
        assert_eq!(t.run("HOTKEYS STOP"), "+OK\r\n");
        let session = t.engine.server.hotkeys().expect("it has been");
        let net = session.net.as_ref().expect("wanted");
        let names: Vec<Vec<u8>> = net.top(10).into_iter().map(|(k, _)| k.to_vec()).collect();
        assert_eq!(names.len(), 3);
        assert_eq!(names[0], b"hot");
        assert!(net.total() <= session.all_bytes && net.total() + 3 > session.all_bytes);
    }

    #[test]
    fn commands_that_pass_are_stood_for_by_the_next_that_is_counted() {
        let mut t = Testbed::new();
        t.run("HOTKEYS START METRICS 1 CPU");
        let server = &mut t.engine.server;
        let session = server.diagnostics.hotkeys.as_mut().expect("begun");
        (session.credit, session.key_price) = (0, 100 * SHARE);
        let mut rng: SmallRng = rand::make_rng();
        let mut counted = 0;
        for _ in 0..200_000 {
            // The hot key takes three quarters of the time in half of the commands.
            let hot = rng.random::<bool>();
            let ticks = if hot { 300 } else { 100 };
            if let Some(times) = session.count(ticks, 1) {
                counted += 1;
                let key: &[u8] = if hot { b"hot" } else { b"cold" };
                session.add(key, (ticks as f64 * times) as u64, 0);
            }
        }
        assert!((1_000..10_000).contains(&counted), "{counted}");
        let cpu = session.cpu.as_ref().expect("wanted");
        let all = session.all_ticks as f64;
        assert!((cpu.total() as f64 / all - 1.0).abs() < 0.01);
        let hot = cpu.top(1)[0].1 as f64 / all;
        assert!((hot - 0.75).abs() < 0.06, "{hot}");
    }
}
