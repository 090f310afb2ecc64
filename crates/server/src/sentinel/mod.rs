//! Sentinel at work: carries out the actions of the core (`russet_sentinel`), and returns their
//! results to it.
//!
//! The core of a Sentinel is a state machine without I/O: `Sentinel` takes ticks, replies, commands
//! and the outcome of saves, and hands out actions. `sentinel/mod.rs` has the duties of a driver,
//! which is `SentinelDriver` (`server/parts/sentinel.rs`): the core with its links and processes of
//! scripts. It is a field of `Server`, `None` in any other server. `SentinelHost` gives the core's
//! actions their meaning for this server (`russet_host::Driver`), and carries them out at once, in
//! their order; a save is an action as well, so the state is on disk before the next action and
//! before the reply of the command. Events of links call the core, and so do its timer
//! (`run/machines.rs`), SENTINEL and PUBLISH (`commands/sentinel`). Requests leave at the end of
//! the turn, all requests of a link in a single write. The command table has only rows with
//! `Flags::SENTINEL`; INFO has sections of its own, and no keyspace is loaded. `/metrics` reads the
//! core's `FIGURES` (`observe/metrics/families.rs`), `/readyz` the result of CKQUORUM.
//!
//! `config/` reads and writes the Sentinel's lines of the file, which also hold its state (epochs,
//! votes, found instances); the rest of the file is the server's (`server/sentinel/file.rs` writes
//! both). `instances/` are the watched servers, `monitor` asks them, `refresh` and `discovery` take
//! their answers, `strangers` bounds claims of any peer (Sentinels are believed when they answer,
//! epochs when others can follow them, changes by a rate), `down`, `votes` and `failover` decide,
//! `orders` are the transactions sent to data nodes, `commands/` answers clients.
//!
//! Safety lies in `Outbox`: after `Action::Persist` the core hands out nothing until the driver has
//! reported that the file is synced, so no vote and no epoch leaves before it is saved, and no
//! election is won before. `simulation` (`crates/sentinel`) drives three and five Sentinels over a
//! network that delays and cuts (also in one direction), with crashes back to the last save,
//! jumping clocks and failing disks. The simulation checks at every action: one vote per epoch, one
//! leader per epoch with a majority, no act in TILT; and when all is well again, one agreed primary
//! in bounded time.

mod file;
mod scripts;

pub use file::check_file;
pub(crate) use scripts::is_executable;

use crate::parts::run::dial::destination;
use std::time::Duration;

use mio::Registry;

use crate::parts::sentinel::SentinelDriver;
use crate::process::log;
use crate::state::Server;
use russet_base::text::Printable;
use russet_base::wake::Wake;
use russet_config::{Choice, LogLevel};
use russet_host::{Driver, Event, Level, Links, Machine, Now, resolve_within};
use russet_net::Destination;
use russet_pubsub::Kind;
use russet_resp::Reply;
use russet_sentinel::{Host, Order, ReplyCondition, Sentinel, ServerFacts, Setup};

/// For as long an operator's command may hold the loop for a name.
const RESOLVE_MAX: Duration = Duration::from_secs(1);

/// The server as the host of its Sentinel.
pub struct SentinelHost<'s>(pub &'s mut Server);

impl Driver for SentinelHost<'_> {
    type Machine = Sentinel;

    fn machine(&mut self) -> Option<&mut Sentinel> {
        self.0.sentinel.as_mut().map(|driver| &mut driver.core)
    }

    fn links(&mut self) -> Option<(&mut Links, Option<&Registry>)> {
        let driver = self.0.sentinel.as_mut()?;
        Some((&mut driver.links, self.0.connections.registry.as_ref()))
    }

    fn now(&self) -> Now {
        Now::from(self.0.now)
    }

    fn event(&mut self, event: Event<'_>) {
        let now = self.now();
        let Some(driver) = &mut self.0.sentinel else {
            return;
        };
        let is_tick = matches!(event, Event::Tick);
        if let Event::Received { .. } = event {
            driver.may_rest = driver.is_calm;
        }
        driver.core.event(now, &(), event);
        if is_tick {
            driver.is_calm = !driver.core.is_tense();
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Event {
                level,
                channel,
                text,
            } => {
                // A line of the log, and unless it is for debugging a message to its subscribers.
                level.log(&format!("{channel} {}", Printable(&text)));
                if level != Level::Debug {
                    self.0.publish(Kind::Channel, channel.as_bytes(), &text);
                }
            }
            Order::SetLogLevel(name) => {
                if let Some(level) = LogLevel::parse(name.as_bytes()) {
                    self.0.config.loglevel = level;
                    log::set_level(level);
                }
            }
            Order::RunScript { job, argv, input } => {
                let now = self.now();
                if let Some(driver) = &mut self.0.sentinel {
                    driver.run_script(now, job, &argv, &input);
                }
            }
            Order::KillScript { pid } => {
                if let Some(driver) = &mut self.0.sentinel {
                    driver.kill_script(pid);
                }
            }
            Order::Exit(status) => std::process::exit(status),
        }
    }

    fn save(&mut self, _sync: bool) -> bool {
        self.0.save_sentinel()
    }

    fn destination(&self, host: &[u8], port: u16) -> Result<Destination, String> {
        let tls = self.0.connections.tls.of_replication(&self.0.config);
        Ok(destination(&self.0.config, host, port, tls))
    }

    fn wake(&self) -> Wake {
        self.0.connections.wake.clone()
    }

    fn before_tick(&mut self) {
        let now = self.now();
        if let Some(driver) = &mut self.0.sentinel {
            driver.reap_scripts(now);
        }
    }
}

impl Server {
    /// Whether this process is a Sentinel.
    #[inline]
    pub fn is_sentinel(&self) -> bool {
        self.sentinel.is_some()
    }

    /// Begins to be a Sentinel. `false`: its state cannot be saved; the log has the reason.
    pub(crate) fn begin_sentinel(&mut self, setup: &Setup) -> bool {
        let config = &self.config;
        let port = if config.tls_replication && config.tls_port != 0 || config.port == 0 {
            config.tls_port
        } else {
            config.port
        };
        let own = ServerFacts {
            port,
            password: config.requirepass.to_vec(),
        };
        let driver = SentinelDriver::new(setup, own, rand::random(), &self.now);
        self.sentinel = Some(Box::new(driver));
        SentinelHost(self).carry_out();
        // A file that cannot be written is noticed now, not when a vote must be saved.
        let Some(driver) = &self.sentinel else {
            return false;
        };
        driver.core.is_saved() && (!driver.saved.is_empty() || self.save_sentinel())
    }

    /// `SENTINEL ...`: on return the reply is complete, and every change that it acknowledges is on
    /// disk.
    pub fn run_sentinel_command(&mut self, args: &[&[u8]], reply: &mut Reply) {
        let (begin, now) = (reply.mark(), Now::from(self.now));
        let config = &self.config;
        let Some(driver) = &mut self.sentinel else {
            return;
        };
        let host = Host {
            loglevel: config.loglevel.name(),
            resolve: &|name| resolve_within(name, RESOLVE_MAX),
            is_executable: &|path| is_executable(config.dir.0.path(), path),
        };
        let after = driver.core.command(now, args, &host, reply);
        SentinelHost(self).carry_out();
        if let ReplyCondition::Persist { otherwise } = after
            && let Some(driver) = &self.sentinel
            && !driver.core.is_saved()
        {
            reply.truncate(begin);
            reply.raw(&otherwise);
        }
    }

    /// `PUBLISH channel message`: another Sentinel's hello.
    pub fn receive_hello(&mut self, channel: &[u8], message: &[u8], reply: &mut Reply) {
        let now = Now::from(self.now);
        if let Some(driver) = &mut self.sentinel {
            driver.core.publish(now, channel, message, reply);
            SentinelHost(self).carry_out();
        }
    }
}
