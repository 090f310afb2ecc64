//! Makes streams from the rows of a group.

use std::collections::BTreeSet;

use super::{grammar::Row, words};
use crate::{
    DEFAULTS, SMALL,
    play::{FIRST_WAITER, Step, Stream, WAITERS},
    random::Random,
};

/// The rows of a group that both servers have.
pub struct Source {
    pub rows: Vec<Row>,
    pub beside: Vec<Row>,
    pub waiting: Vec<Row>,
    pub second_client: usize,
    pub pauses: bool,
    /// Subcommands (`client|no-touch`) that only one server has.
    pub one_sided: BTreeSet<String>,
    /// Whether some streams record keyspace events.
    pub events: bool,
    /// Options that the reference lacks: a command, and its option.
    pub too_new: &'static [&'static [(&'static str, &'static str)]],
}

impl Source {
    /// The stream that belongs to a seed.
    pub fn stream(&self, seed: u64) -> Stream {
        let mut random = Random::new(seed);
        let length = 10 + random.below(50);
        let mut steps = Vec::new();
        let mut pauses_left = if self.pauses { 3 } else { 0 };
        let transactions = random.chance(25);
        let mut open = false;
        while steps.len() < length {
            let client = usize::from(random.chance(self.second_client));
            let beside = steps.len() < 6 || random.chance(15);
            let row = random.pick(if beside { &self.beside } else { &self.rows });
            if transactions && random.chance(if open { 25 } else { 10 }) {
                open = !open;
                let name = if open { &b"multi"[..] } else { b"exec" };
                steps.push(Step {
                    args: vec![name.to_vec()],
                    client: 0,
                    pause_ms: 0,
                });
            }
            if pauses_left > 0 && !open && random.chance(8) {
                pauses_left -= 1;
                steps.extend(short_life(&mut random));
            }
            // Inside MULTI the modules of 7.4 queue a command that lacks arguments, and russet
            // refuses it.
            let is_module = ["json.", "bf.", "cf.", "cms.", "topk.", "tdigest.", "ts."]
                .iter()
                .any(|its| row.name().starts_with(its));
            let args = if open && is_module {
                row.generate_tame(&mut random)
            } else {
                self.call(row, &mut random)
            };
            steps.push(Step {
                args,
                client,
                pause_ms: 0,
            });
        }
        if open {
            steps.push(Step {
                args: vec![b"exec".to_vec()],
                client: 0,
                pause_ms: 0,
            });
        }
        if !self.waiting.is_empty() {
            for waiter in 0..WAITERS {
                let row = random.pick(&self.waiting);
                let step = Step {
                    args: row.generate_plain(&mut random),
                    client: FIRST_WAITER + waiter,
                    pause_ms: 0,
                };
                steps.insert(random.below(steps.len()), step);
            }
        }
        Stream {
            seed,
            steps,
            resp3: random.chance(40),
            burst: random.chance(60),
            config: if random.chance(30) { SMALL } else { DEFAULTS }.to_vec(),
            events: self.events && random.chance(60),
            is_search: false,
        }
    }
}

impl Source {
    /// A call that both servers should accept or refuse alike.
    fn call(&self, row: &Row, random: &mut Random) -> Vec<Vec<u8>> {
        loop {
            let args = row.generate(random);
            if !self.is_one_sided(&args) {
                return args;
            }
        }
    }

    fn is_one_sided(&self, args: &[Vec<u8>]) -> bool {
        let lower = |arg: &Vec<u8>| String::from_utf8_lossy(arg).to_lowercase();
        let name = lower(&args[0]);
        // Each server's clock makes the id of the entry.
        if name == "xadd" && args.iter().any(|arg| arg == b"*") {
            return true;
        }
        // In 7.4 a refused increment leaves an empty series, and an increment without its timestamp
        // ends the server.
        if ["ts.incrby", "ts.decrby"].contains(&&*name) {
            let is_sound = args.len() == 5
                && lower(&args[2]).parse::<f64>().is_ok()
                && lower(&args[3]) == "timestamp"
                && lower(&args[4]).parse::<i64>().is_ok_and(|at| at >= 0);
            return !is_sound;
        }
        let subcommand = args.get(1).map(|arg| format!("{name}|{}", lower(arg)));
        subcommand.is_some_and(|full| self.one_sided.contains(&full))
            || self
                .too_new
                .iter()
                .copied()
                .flatten()
                .any(|(command, option)| {
                    name == *command && args.iter().any(|arg| lower(arg) == *option)
                })
    }
}

/// Gives some keys a few milliseconds to live; the next command comes well after.
fn short_life(random: &mut Random) -> Vec<Step> {
    let mut steps = Vec::new();
    for _ in 0..random.few() {
        let mut args = vec![b"pexpire".to_vec()];
        words::pick("K", random, &mut args);
        args.push(b"5".to_vec());
        steps.push(Step {
            args,
            client: 0,
            pause_ms: 0,
        });
    }
    steps.push(Step {
        args: vec![b"ping".to_vec()],
        client: 0,
        pause_ms: 40,
    });
    steps
}
