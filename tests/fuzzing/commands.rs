//! Random commands, in any order, from several clients: every reply is complete, every invariant
//! holds, and a second engine that repeats the effects has the same contents at the end.
//!
//! `words` covers new commands of the table automatically. It leaves out commands that administer
//! the process, the connection or other hosts.

use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::SmallRng;

use super::input::Input;
use super::{reply, words};
use russet_base::memory::mover::Mover;
use russet_commands::testbed::{AllCommands as _, Testbed};
use russet_config::Allowed;
use russet_keyspace::{ClientId, DbIndex, Walk};
use russet_types::Limits;

const CLIENTS: usize = 3;
const STEPS_MAX: usize = 400;
/// The milliseconds that may pass in a step.
const PAUSES_MS: [i64; 8] = [0, 0, 0, 0, 1, 60, 1_500, 200_000];

/// The first byte chooses whether containers change their encoding early, and whether the
/// defragmenter moves blocks as eagerly as possible. The other bytes are steps.
pub fn commands(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let how = input.byte();
    let mut play = Play::new(how & 1 == 1);
    let mut walk = Walk::new(Mover::eager());
    let known = words::known(&play.first.engine.server.table);
    for step in 1..=STEPS_MAX {
        if input.is_empty() {
            break;
        }
        play.pass(input.pick(&PAUSES_MS));
        let client = play.clients[input.below(CLIENTS)];
        let words = known[input.below(known.len().max(257)) % known.len()].words(&mut input);
        play.run(client, &words);
        if how & 2 != 0 {
            play.relocate(&mut walk, step);
        }
        if step % 32 == 0 {
            play.first.engine.keyspace.check_invariants();
        }
    }
    play.compare();
}

/// Two engines that must agree.
pub(super) struct Play {
    pub first: Testbed,
    pub clients: [ClientId; CLIENTS],
    /// Repeats the effects of `first`.
    pub second: Testbed,
    repeater: ClientId,
}

impl Play {
    pub fn new(early: bool) -> Play {
        let (mut first, mut second) = (Testbed::new(), Testbed::new());
        for bed in [&mut first, &mut second] {
            bed.engine.server.config.enable_debug_command = Allowed::Yes;
            // A fixed seed, so that failures are reproducible.
            *bed.engine.keyspace.db(DbIndex(0)).rng() = SmallRng::seed_from_u64(0);
        }
        let clients = std::array::from_fn(|_| first.connect());
        let repeater = second.connect();
        let mut play = Play {
            first,
            clients,
            second,
            repeater,
        };
        if early {
            play.change_early();
        }
        play
    }

    /// From now on containers change their encoding early.
    pub fn change_early(&mut self) {
        self.set_limits(Limits {
            set_max_intset_entries: 3,
            set_max_listpack_entries: 4,
            hash_max_listpack_entries: 3,
            zset_max_listpack_entries: 3,
            stream_node_max_entries: 3,
            ..Limits::default()
        });
    }

    /// Sets the limits of encodings in both engines; returns the former limits.
    pub fn set_limits(&mut self, limits: Limits) -> Limits {
        self.second.engine.keyspace.limits = limits;
        std::mem::replace(&mut self.first.engine.keyspace.limits, limits)
    }

    pub fn pass(&mut self, ms: i64) {
        self.first.advance_ms(ms);
        self.second.advance_ms(ms);
        if ms > 0 {
            self.first.time_out_blocked();
        }
        if ms > 1_000 {
            self.first
                .engine
                .keyspace
                .expire_cycle(Duration::from_secs(1));
        }
    }

    /// Runs a command and repeats its effects; unblocks the client first. Returns the raw reply.
    pub fn run(&mut self, client: ClientId, words: &[Vec<u8>]) -> Vec<u8> {
        if self.is_blocked(client) {
            let engine = &mut self.first.engine;
            let keyspace = &mut engine.keyspace;
            assert!(engine.server.unblock_client(keyspace, client, None));
        }
        reply::count(&self.first.take_reply(client));
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        let reply = self.first.run_args_as(client, &words);
        let replies = reply::count(&reply);
        assert!(
            replies > 0 || self.is_blocked(client),
            "an answer to {words:?}"
        );
        self.repeat();
        reply
    }

    /// Continues moving all blocks, a varying number after each command.
    fn relocate(&mut self, walk: &mut Walk, step: usize) {
        walk.elements_max = 1 + step % 7;
        for _ in 0..step % 64 {
            if !self.first.engine.keyspace.relocate_step(walk) {
                *walk = Walk::new(Mover::eager());
            }
        }
    }

    fn is_blocked(&self, client: ClientId) -> bool {
        let session = self.first.engine.server.clients.get(client);
        session.expect("connected").client.blocked.is_some()
    }

    fn repeat(&mut self) {
        for stated in self.first.take_recorded() {
            let DbIndex(db) = stated.db;
            let select = self
                .second
                .run_args_as(self.repeater, &[b"SELECT", db.to_string().as_bytes()]);
            assert_eq!(select, b"+OK\r\n");
            let args: Vec<&[u8]> = stated.args.args().iter().collect();
            // An exact trim with a LIMIT is accepted only as an effect.
            let trims = ["XADD", "XTRIM"]
                .iter()
                .any(|name| args[0].eq_ignore_ascii_case(name.as_bytes()));
            let reply = if trims {
                self.second.repeat_args_as(self.repeater, &args)
            } else {
                self.second.run_args_as(self.repeater, &args)
            };
            let refused = reply.starts_with(b"-");
            assert!(!refused, "{stated:?}: {}", String::from_utf8_lossy(&reply));
        }
    }

    /// Expires keys that an engine has not deleted yet, then compares both engines.
    pub fn compare(&mut self) {
        let clients = self.clients;
        clients
            .into_iter()
            .for_each(|client| _ = self.first.take_reply(client));
        self.first
            .engine
            .keyspace
            .expire_cycle(Duration::from_secs(1));
        self.second
            .engine
            .keyspace
            .expire_cycle(Duration::from_secs(1));
        for bed in [&self.first, &self.second] {
            bed.engine.keyspace.check_invariants();
        }
        let digests = [&mut self.first, &mut self.second].map(|bed| {
            let fresh = bed.connect();
            bed.run_args_as(fresh, &[b"DEBUG", b"DIGEST"])
        });
        assert!(digests[0] == digests[1], "effects repeat the contents");
    }
}
