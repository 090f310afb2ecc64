//! A machine at work: its events and actions meet its links.
//!
//! Bounds: [`READS_MAX`] reads of [`READ_BYTES`] of a link in a turn; after each read the actions
//! are carried out, since they may close the link.

use mio::Registry;

use super::link::{Step, ip};
use super::links::Links;
use super::machine::{Action, Event, LinkId, Machine};
use super::time::Now;
use russet_base::text::system_text;
use russet_base::wake::Wake;
use russet_net::{AcceptedStream, Address, Destination, Stream, Target};

/// Connections accepted in a single turn.
const ACCEPTS_MAX: usize = 64;
/// Reads of a link in a single turn.
const READS_MAX: usize = 8;
const READ_BYTES: usize = 16 * 1024;

/// The server around a machine. The methods that it must have come first; the others are the
/// same for all machines.
pub trait Driver {
    /// The machine's type.
    type Machine: Machine;

    /// The machine; `None`: this server has none.
    fn machine(&mut self) -> Option<&mut Self::Machine>;

    /// The links, and the poll; `None`: this server has no such machine.
    fn links(&mut self) -> Option<(&mut Links, Option<&Registry>)>;

    /// The time of this turn.
    fn now(&self) -> Now;

    /// Passes an event to the machine, with what it may ask.
    fn event(&mut self, event: Event<'_>);

    /// Carries out an order.
    fn obey(&mut self, order: <Self::Machine as Machine>::Order);

    /// Saves the machine's state; `false`: it could not be.
    fn save(&mut self, sync: bool) -> bool;

    /// How a link is dialled. Error: it cannot be, for this reason.
    fn destination(&self, host: &[u8], port: u16) -> Result<Destination, String>;

    /// Wakes the loop.
    fn wake(&self) -> Wake;

    /// The stream of a connection that another node has opened; `None`: it is refused.
    fn welcome(&mut self, _accepted: AcceptedStream) -> Option<Stream> {
        None
    }

    /// A connection could not be accepted.
    fn not_accepted(&self, _why: &str) {}

    /// Whether the links are also served while a script or a load keeps the loop from turning.
    fn is_guest(&self) -> bool {
        false
    }

    /// Comes before each tick: facts that the machine knows from reports, bounds.
    fn before_tick(&mut self) {}

    /// Carries out the machine's actions until there are no more. Messages leave with
    /// [`Driver::flush`].
    fn carry_out(&mut self) {
        while let Some(action) = self.machine().and_then(Machine::pop) {
            match action {
                Action::Dial { link, host, port } => self.dial(link, &host, port),
                Action::Send { link, bytes } => self.on_links(|links| links.queue(link, bytes)),
                Action::Close(link) => self.on_links(|links| links.close(link)),
                Action::Resolve(name) => {
                    let (wake, mut is_begun) = (self.wake(), true);
                    self.on_links(|links| is_begun = links.lookups.begin(&name, wake));
                    if !is_begun {
                        self.event(Event::Resolved {
                            name: &name,
                            ip: None,
                        });
                    }
                }
                Action::Persist { sync } => {
                    let is_saved = self.save(sync);
                    self.event(Event::Persisted { is_saved });
                }
                Action::Log { level, text } => level.log(&text),
                Action::Order(order) => self.obey(order),
            }
        }
    }

    /// Passes an event to the machine, and carries out what follows from it.
    fn report(&mut self, event: Event<'_>) {
        self.event(event);
        self.carry_out();
    }

    /// Begins to open a link.
    fn dial(&mut self, link: LinkId, host: &[u8], port: u16) {
        let (to, wake) = (self.destination(host, port), self.wake());
        let begun = to.and_then(|to| match self.links() {
            Some((links, _)) => {
                let begun = links.dial(link, to, wake);
                begun.map_err(|error| system_text(&error))
            }
            None => Ok(()),
        });
        if let Err(why) = begun {
            self.event(Event::Refused { link, why: &why });
        }
    }

    /// Serves a link that has had an event or has more to be read.
    fn serve(&mut self, link: LinkId) {
        let mut buffer = [0; READ_BYTES];
        for _ in 0..READS_MAX {
            let Some((links, registry)) = self.links() else {
                return;
            };
            match links.step(link, registry, &mut buffer) {
                Step::Wait => return,
                Step::Opened { local_ip } => {
                    let local_ip = &local_ip;
                    return self.report(Event::Opened { link, local_ip });
                }
                Step::Received { bytes, more } => {
                    self.receive(link, &buffer[..bytes]);
                    if !more {
                        return;
                    }
                }
                Step::Refused(why) => return self.report(Event::Refused { link, why: &why }),
                Step::Closed => {
                    let by_limit = false;
                    return self.report(Event::Closed { link, by_limit });
                }
            }
        }
        self.on_links(|links| links.read_later(link));
    }

    /// Passes bytes to the machine, in the pieces that it takes.
    fn receive(&mut self, link: LinkId, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let mut taken = bytes.len();
            self.report(Event::Received {
                link,
                bytes,
                taken: &mut taken,
            });
            bytes = &bytes[taken..];
        }
    }

    /// Accepts connections of other nodes.
    fn accept(&mut self) {
        let mut at = 0;
        self.on_links(|links| links.door.has_waiting = false);
        for _ in 0..ACCEPTS_MAX {
            let accepted = self
                .links()
                .and_then(|(links, _)| links.door.accept(&mut at));
            match accepted {
                None => return,
                Some(Ok((accepted, peer))) => self.add_accepted(accepted, &peer),
                Some(Err(error)) => self.not_accepted(&system_text(&error)),
            }
        }
        self.on_links(|links| links.door.has_waiting = true);
    }

    /// Adds the link of a connection, if the machine lets it in.
    fn add_accepted(&mut self, accepted: AcceptedStream, peer: &Address) {
        let Some(stream) = self.welcome(accepted) else {
            return;
        };
        stream.tune(0);
        let (now, local_ip) = (self.now(), ip(&stream.local()));
        let machine = self.machine();
        let link = machine.and_then(|machine| machine.accept(now, &ip(peer), &local_ip));
        if let Some(link) = link
            && let Some((links, registry)) = self.links()
            && let Err(error) = links.accept(link, stream, registry)
        {
            tracing::warn!("Registering a link: {error}");
            let by_limit = false;
            self.event(Event::Closed { link, by_limit });
        }
        self.carry_out();
    }

    /// The work of a turn: connections that wait, links with more to be read, names that were
    /// resolved, the tick if it is due, messages.
    fn turn(&mut self) {
        let (mut unread, mut is_asked) = (Vec::new(), false);
        self.on_links(|links| {
            (unread, is_asked) = (links.take_unread(), links.door.has_waiting);
        });
        if is_asked {
            self.accept();
        }
        for link in unread {
            self.serve(link);
        }
        while let Some((links, _)) = self.links()
            && let Some((name, ip)) = links.lookups.take()
        {
            self.report(Event::Resolved { name: &name, ip });
        }
        let now_ms = self.now().monotonic_ms;
        let due_ms = self.machine().and_then(|machine| machine.due_ms());
        if due_ms.is_some_and(|due_ms| due_ms <= now_ms) {
            self.before_tick();
            self.report(Event::Tick);
        }
        self.flush();
    }

    /// Sends the queued messages, and the messages that follow from lost links.
    fn flush(&mut self) {
        while let Some((links, registry)) = self.links()
            && let lost = links.flush(registry)
            && !lost.is_empty()
        {
            for link in lost {
                let by_limit = false;
                self.event(Event::Closed { link, by_limit });
            }
            self.carry_out();
        }
    }

    /// Closes links that have more to send than this, in bytes of memory.
    fn close_above(&mut self, limit: u64) {
        let mut long = Vec::new();
        self.on_links(|links| long = links.above(limit));
        for link in long {
            self.on_links(|links| links.close(link));
            let by_limit = true;
            self.report(Event::Closed { link, by_limit });
        }
    }

    /// Calls the links, if there are any.
    fn on_links(&mut self, call: impl FnOnce(&mut Links)) {
        if let Some((links, _)) = self.links() {
            call(links);
        }
    }
}

/// A driver as the loop's list has it: a [`Driver`], or a driver that serves its links itself.
pub trait LoopDriver {
    /// The poll has an event for this connection: serves it, if it is ours.
    fn serve_event(&mut self, token: Target);

    /// See [`Driver::turn`].
    fn turn(&mut self);

    /// A round without a poll: asks the kernel which links have something to read, if they are to
    /// be served now.
    fn turn_as_guest(&mut self) {}

    /// Called by cron: tries again what the system has refused.
    fn retry(&mut self) {}

    /// Whether there is work that waits for no event.
    fn is_urgent(&mut self) -> bool;

    /// When the next tick is due, monotonic milliseconds; `None`: not before another event.
    fn due_ms(&mut self) -> Option<i64>;
}

impl<D: Driver> LoopDriver for D {
    fn serve_event(&mut self, token: Target) {
        let Some((links, _)) = self.links() else {
            return;
        };
        links.door.has_waiting |= links.door.has(token);
        let link = links.find(token);
        if let Some(link) = link {
            self.serve(link);
        }
    }

    fn turn(&mut self) {
        if self.machine().is_some() {
            Driver::turn(self);
        }
    }

    fn turn_as_guest(&mut self) {
        if self.is_guest() {
            self.on_links(Links::ask_all);
            Driver::turn(self);
        }
    }

    fn retry(&mut self) {
        self.on_links(|links| links.door.has_waiting |= std::mem::take(&mut links.door.retries));
    }

    fn is_urgent(&mut self) -> bool {
        let is_urgent = self.links().is_some_and(|(links, _)| links.is_urgent());
        is_urgent || self.machine().is_some_and(|machine| machine.is_urgent())
    }

    fn due_ms(&mut self) -> Option<i64> {
        self.machine()?.due_ms()
    }
}
