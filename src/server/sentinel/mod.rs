//! Sentinel at work: carries out the actions of the core (`russet_sentinel`), and returns their
//! results to it.
//!
//! The core is called by events of its links (`run::links::sentinel`), by the timer, by commands of
//! clients (`commands::sentinel`). After each call its actions are carried out at once, in their
//! order. A save is part of that: it is on disk before the next action, and before the reply of a
//! command.
//!
//! # Sentinel
//!
//! The core of a Sentinel is a state machine without I/O: `Sentinel` takes ticks, replies, commands
//! and the outcome of saves, and hands out actions. `sentinel/mod.rs` has the duties of a driver,
//! which is `SentinelDriver` (`server/parts/sentinel.rs`): the core with its connections, name
//! lookups and processes of scripts. It is a field of `Server`, `None` in any other server.
//! `Server::with_sentinel` (`server/sentinel`) calls the core and carries out its actions at once,
//! in their order; a save is part of that, so it is on disk before the next action and before the
//! reply of a command. The core is called by events of links (`run/links/sentinel.rs`), once per
//! turn by `tend_sentinel` when a tick is due (`sleep.rs` wakes the loop for it), and by SENTINEL
//! and PUBLISH (`commands/sentinel`). The command table has only rows with `Flags::SENTINEL`; INFO
//! has sections of its own, and no keyspace is loaded. `/metrics` reads `primaries_seen`
//! (`observe/metrics/sentinel.rs`), `/readyz` the result of CKQUORUM.
//!
//! `config/` reads and writes its lines of the file, which also hold its state (epochs, votes,
//! found instances); the rest of the file is the server's (`server/sentinel/file.rs` writes both).
//! `instances/` are the watched servers, `monitor` asks them, `refresh` and `discovery` take their
//! answers, `strangers` bounds claims of any peer (Sentinels are believed when they answer, epochs
//! when others can follow them, changes by a rate), `down`, `votes` and `failover` decide, `orders`
//! are the transactions sent to data nodes, `commands/` answers clients.
//!
//! `Outbox` is where safety lies: after `Action::Persist` nothing is handed out until the driver
//! has reported that the file is synced, so no vote and no epoch leaves before it is saved, and no
//! election is won before. `simulation` (`crates/sentinel`) drives three and five over a network
//! that delays and cuts (also in one direction), with crashes back to the last save, jumping clocks
//! and failing disks. It looks at every action: one vote per epoch, one leader per epoch with a
//! majority, no act in TILT; and when all is well again, one agreed primary in bounded time.

mod file;
mod links;
mod scripts;

pub use file::check_file;
pub(in crate::server) use scripts::is_executable;

use crate::pubsub::Kind;
use crate::server::parts::sentinel::SentinelDriver;
use crate::server::process::log;
use crate::server::state::Server;
use russet_base::text::Printable;
use russet_config::{Choice, LogLevel};
use russet_host::{Level, Now};
use russet_resp::Reply;
use russet_sentinel::{Action, After, Host, Order, Own, Setup};

impl Server {
    /// Whether this process is a Sentinel.
    #[inline]
    pub fn is_sentinel(&self) -> bool {
        self.sentinel.is_some()
    }

    /// Begins to be a Sentinel. `false`: its state cannot be saved; the log has the reason.
    pub(in crate::server) fn begin_sentinel(&mut self, setup: &Setup) -> bool {
        let config = &self.config;
        let port = if config.tls_replication && config.tls_port != 0 || config.port == 0 {
            config.tls_port
        } else {
            config.port
        };
        let own = Own {
            port,
            password: config.requirepass.to_vec(),
        };
        let seed = rand::random();
        let mut driver = SentinelDriver::new(setup, own, seed, &self.now);
        self.carry_out(&mut driver);
        // A file that cannot be written is noticed now, not when a vote must be saved.
        let is_saved = driver.core.is_saved();
        let is_saved = is_saved && (!driver.saved.is_empty() || self.save_sentinel(&mut driver));
        self.sentinel = Some(Box::new(driver));
        is_saved
    }

    /// Calls the core, and carries out its actions. `None`: this process is no Sentinel.
    pub(in crate::server) fn with_sentinel<R>(
        &mut self,
        call: impl FnOnce(&mut SentinelDriver, &mut Server) -> R,
    ) -> Option<R> {
        let mut driver = self.sentinel.take()?;
        let result = call(&mut driver, self);
        self.carry_out(&mut driver);
        self.sentinel = Some(driver);
        Some(result)
    }

    /// Does due work: the core's tick, names that were resolved, scripts that have ended.
    pub(in crate::server) fn tend_sentinel(&mut self) {
        let Some(driver) = &self.sentinel else {
            return;
        };
        if driver.lookups.names.is_empty() && driver.tick_due_ms > self.now.mono_ms {
            return;
        }
        self.with_sentinel(|driver, server| {
            driver.take_lookups(server);
            if driver.tick_due_ms > server.now.mono_ms {
                return;
            }
            driver.reap_scripts(server);
            driver.core.tick(Now::from(server.now));
            driver.is_calm = !driver.core.is_tense();
            driver.tick_due_ms = server.now.mono_ms + driver.core.next_tick_ms() as u64;
        });
    }

    /// Carries out the core's actions until there are no more.
    pub(in crate::server) fn carry_out(&mut self, driver: &mut SentinelDriver) {
        loop {
            while let Some(action) = driver.core.pop() {
                self.act(driver, action);
            }
            if !driver.send_requests(self) {
                return;
            }
        }
    }

    fn act(&mut self, driver: &mut SentinelDriver, action: Action) {
        match action {
            Action::Dial { link, host, port } => driver.connect(self, link, &host, port),
            Action::Close(conn) => driver.close(conn),
            Action::Send { link, bytes } => driver.queue(link, &bytes),
            Action::Resolve(host) => driver.look_up(self, host),
            Action::Log { level, text } => level.log(&text),
            Action::Persist { .. } => {
                let is_saved = self.save_sentinel(driver);
                driver.core.persisted(is_saved);
            }
            Action::Order(order) => self.obey_sentinel(driver, order),
        }
    }

    fn obey_sentinel(&mut self, driver: &mut SentinelDriver, order: Order) {
        match order {
            Order::Event {
                level,
                channel,
                text,
            } => self.report_event(level, channel, &text),
            Order::SetLogLevel(name) => {
                if let Some(level) = LogLevel::parse(name.as_bytes()) {
                    self.config.loglevel = level;
                    log::set_level(level);
                }
            }
            Order::RunScript { job, argv, input } => {
                driver.run_script(self, job, &argv, &input);
            }
            Order::KillScript { pid } => driver.kill_script(pid),
            Order::Exit(status) => std::process::exit(status),
        }
    }

    /// An event: a line of the log, and unless it is for debugging a message to its subscribers.
    fn report_event(&mut self, level: Level, channel: &str, text: &[u8]) {
        level.log(&format!("{channel} {}", Printable(text)));
        if level != Level::Debug {
            self.publish(Kind::Channel, channel.as_bytes(), text);
        }
    }

    /// `SENTINEL ...`: on return the reply is complete, and every change that it acknowledges is on
    /// disk.
    pub fn run_sentinel_command(&mut self, args: &[&[u8]], reply: &mut Reply) {
        let begin = reply.mark();
        let mut otherwise = None;
        let called = self.with_sentinel(|driver, server| {
            let host = Host {
                loglevel: server.config.loglevel.name(),
                resolve: &links::resolve_within_limit,
                is_executable: &|path| is_executable(server.config.dir.0.path(), path),
            };
            let after = driver
                .core
                .command(Now::from(server.now), args, &host, reply);
            if let After::Persist { otherwise: bytes } = after {
                otherwise = Some(bytes);
            }
        });
        let is_saved = self
            .sentinel
            .as_ref()
            .is_some_and(|driver| driver.core.is_saved());
        if let (Some(()), Some(bytes), false) = (called, otherwise, is_saved) {
            reply.truncate(begin);
            reply.raw(&bytes);
        }
    }

    /// `PUBLISH channel message`: another Sentinel's hello.
    pub fn receive_hello(&mut self, channel: &[u8], message: &[u8], reply: &mut Reply) {
        self.with_sentinel(|driver, server| {
            driver
                .core
                .publish(Now::from(server.now), channel, message, reply);
        });
    }
}
