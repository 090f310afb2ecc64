//! The steps of a pair, and the syncs that the primary must count in each step.

use std::thread;
use std::time::Duration;

use super::compare::{compare, wait_for_offsets};
use super::link::Link;
use super::matrix::{Case, Extent};
use super::node::{Kind, Node, ask, report, wait};
use super::writes::Load;
use crate::support::Connection;
use crate::support::resp::Reply;
use crate::support::wait::SetOnDrop;

/// Time limit until a link is up again, and for a full sync.
const LINKED: Duration = Duration::from_secs(30);
/// The number of keys besides the written keys.
const KEYS: usize = 3000;
const WRITERS: u64 = 2;

/// Full and partial syncs that the primary counts.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Syncs {
    full: i64,
    partial: i64,
}

impl Syncs {
    fn of(primary: &Node) -> Result<Syncs, String> {
        let info = primary.info()?;
        Ok(Syncs {
            full: info.number("sync_full"),
            partial: info.number("sync_partial_ok"),
        })
    }
}

/// A pair in the middle of its steps.
struct Play<'a> {
    case: Case,
    extent: Extent,
    primary: Node,
    replica: Node,
    link: &'a Link,
    load: &'a Load,
}

type Step = fn(&mut Play<'_>) -> Result<(), String>;
type Cut = fn(&Play<'_>) -> Result<(), String>;

/// Takes a pair through all steps.
pub fn play(case: Case, extent: Extent, round: usize) -> Result<(), String> {
    let primary = Node::start(case.primary, &case.settings(case.primary, round));
    let replica = Node::start(case.replica, &case.settings(case.replica, round));
    let link = Link::to(primary.port());
    let load = Load::on(primary.port(), replica.port(), case.knows());
    let mut play = Play {
        case,
        extent,
        primary,
        replica,
        link: &link,
        load: &load,
    };
    thread::scope(|scope| {
        // Also after a panic, because the scope waits for the threads.
        let _end = SetOnDrop(&load.has_ended);
        for writer in 0..WRITERS {
            let seed = (case.seed() * 10 + writer) * 10 + round as u64;
            let load = &load;
            scope.spawn(move || load.write(seed));
        }
        scope.spawn(|| load.read());
        let steps: [(&str, Step); 5] = [
            ("fresh", |play| play.fresh()),
            ("cut", |play| play.cut()),
            ("replica restarted", |play| play.restart_replica()),
            ("primary restarted", |play| play.restart_primary()),
            ("roles exchanged", |play| play.exchange()),
        ];
        for (name, step) in steps {
            let done = step(&mut play).and_then(|()| load.verdict());
            done.map_err(|why| {
                let report = report(&play.primary, &play.replica);
                format!("{name}: {why}{report}")
            })?;
        }
        Ok(())
    })
}

impl Play<'_> {
    fn write_on(&self) {
        thread::sleep(self.extent.while_written);
    }

    fn is_synced_as(&self, what: &str, expected: impl Fn(Syncs) -> bool) -> Result<(), String> {
        let mut last = None;
        let waited = wait(LINKED, what, || {
            last = Syncs::of(&self.primary).ok();
            last.is_some_and(&expected) && self.replica.is_linked()
        });
        waited.map_err(|why| format!("{why}; syncs: {last:?}"))
    }

    /// The writes stop, the replica catches up, the data is the same, and messages pass.
    fn settle(&self) -> Result<(), String> {
        let _quiet = self.load.pause();
        self.messages_pass()?;
        compare(&self.primary, &self.replica)
    }

    /// A message at the primary reaches a subscriber of the replica.
    fn messages_pass(&self) -> Result<(), String> {
        let error = |error: std::io::Error| format!("a message to the replica: {error}");
        let mut c = Connection::open(self.replica.port()).map_err(error)?;
        c.write(b"SUBSCRIBE end\r\n").map_err(error)?;
        c.read().map_err(error)?;
        self.primary.ask("PUBLISH end reached")?;
        match c.read().map_err(error)?.1 {
            Reply::Array(items) if items[2].text() == Some(b"reached") => Ok(()),
            other => Err(format!("a message to the replica: {other:?}")),
        }
    }

    fn fresh(&mut self) -> Result<(), String> {
        self.primary
            .ask(&format!("DEBUG POPULATE {KEYS} key 300"))?;
        self.write_on();
        let before = Syncs::of(&self.primary)?;
        // The transfer takes so long that clients write during it.
        self.link.slow(Duration::from_millis(2));
        self.replica
            .ask(&format!("REPLICAOF 127.0.0.1 {}", self.link.port()))?;
        self.is_synced_as("a full sync", |now| now.full == before.full + 1)?;
        self.link.slow(Duration::ZERO);
        self.write_on();
        let form = self.link.form();
        if !form.is_some_and(|form| self.case.is_as_wanted(form)) {
            return Err(format!("the form of the full sync is {form:?}"));
        }
        self.settle()?;
        let after = Syncs::of(&self.primary)?;
        if after.full != before.full + 1 {
            return Err(format!("{before:?}, then {after:?}"));
        }
        Ok(())
    }

    /// Cuts the link several times; each time it comes back with a partial sync.
    fn cut(&mut self) -> Result<(), String> {
        let cuts: [(&str, Cut); 4] = [
            ("a cut link", |play| {
                play.link.cut();
                Ok(())
            }),
            ("CLIENT KILL at the primary", |play| {
                play.primary.ask("CLIENT KILL TYPE replica").map(drop)
            }),
            ("CLIENT KILL at the replica", |play| {
                play.replica.ask("CLIENT KILL TYPE master").map(drop)
            }),
            ("a half-open link", |play| {
                play.link.cut_half();
                Ok(())
            }),
        ];
        for (name, cut) in cuts {
            let before = Syncs::of(&self.primary)?;
            cut(self)?;
            self.is_synced_as(name, |now| now.partial > before.partial)?;
            self.write_on();
            let after = Syncs::of(&self.primary)?;
            if after.full != before.full {
                return Err(format!("{name}: {before:?}, then {after:?}"));
            }
        }
        // A delay is no failure, so neither end may give up.
        let before = Syncs::of(&self.primary)?;
        self.link.halt();
        thread::sleep(self.extent.while_written * 3);
        self.link.advance();
        self.settle()?;
        let after = Syncs::of(&self.primary)?;
        if after != before {
            return Err(format!("a delay: {before:?}, then {after:?}"));
        }
        Ok(())
    }

    /// A restarted replica continues with the offset in its snapshot.
    fn restart_replica(&mut self) -> Result<(), String> {
        let before = Syncs::of(&self.primary)?;
        let mut args = self.case.settings(self.case.replica, 0);
        args.extend(["--replicaof".to_owned(), "127.0.0.1".to_owned()]);
        args.push(self.link.port().to_string());
        self.replica.server.set_args(&args);
        self.replica.server.restart();
        self.is_synced_as("a partial sync", |now| now.partial > before.partial)?;
        self.write_on();
        self.settle()?;
        let after = Syncs::of(&self.primary)?;
        if after.full != before.full {
            return Err(format!("{before:?}, then {after:?}"));
        }
        Ok(())
    }

    /// A restarted primary takes its replica's offset from its own snapshot.
    fn restart_primary(&mut self) -> Result<(), String> {
        // Cuts half-open connections, which would delay the shutdown because they never
        // acknowledge.
        let before = Syncs::of(&self.primary)?;
        self.link.cut();
        // Without a link the replica would miss the last writes, which the restarted primary cannot
        // repeat.
        self.is_synced_as("the link after a cut", |now| now.partial > before.partial)?;
        self.primary.server.restart();
        self.is_synced_as("a partial sync", |now| now.partial > 0)?;
        self.write_on();
        self.settle()?;
        let after = Syncs::of(&self.primary)?;
        if after.full != 0 {
            return Err(format!("a full sync after the restart: {after:?}"));
        }
        Ok(())
    }

    /// The replica is promoted and the primary becomes its replica: a partial sync, because both
    /// had the same data.
    fn exchange(&mut self) -> Result<(), String> {
        if !self.case.can_be_exchanged() {
            return Ok(());
        }
        let before = Syncs::of(&self.replica)?;
        {
            let _quiet = self.load.pause();
            // Pauses writes, because keys that expire now would put the old primary ahead.
            self.primary.ask("CLIENT PAUSE 60000 WRITE")?;
            wait_for_offsets(&self.primary, &self.replica)?;
            self.replica.ask("REPLICAOF NO ONE")?;
            self.primary
                .ask(&format!("REPLICAOF 127.0.0.1 {}", self.replica.port()))?;
            self.primary.ask("CLIENT UNPAUSE")?;
            self.load.exchange();
        }
        std::mem::swap(&mut self.primary, &mut self.replica);
        self.is_synced_as("a partial sync", |now| now.partial > before.partial)?;
        self.write_on();
        self.settle()?;
        let after = Syncs::of(&self.primary)?;
        if after.full != before.full {
            return Err(format!("{before:?}, then {after:?}"));
        }
        Ok(())
    }
}

fn wait_for_link(replica: &Node) -> Result<(), String> {
    wait(LINKED, "the link to be up", || replica.is_linked())
}

/// Tests the comparison: a replica with a write that its primary does not have must differ.
pub fn a_lost_write_is_seen(kind: Kind) -> Result<(), String> {
    let args = [
        "--repl-diskless-sync-delay",
        "0",
        "--replica-read-only",
        "no",
    ]
    .map(str::to_owned);
    let (primary, replica) = (Node::start(kind, &args), Node::start(kind, &args));
    let lines = [
        "SET string:1 abcdef",
        "SET string:2 x PX 100000000",
        "XADD stream:1 1-1 f v",
        "XADD stream:1 2-1 f v",
        "XGROUP CREATE stream:1 group0 0",
        "XREADGROUP GROUP group0 c0 COUNT 1 STREAMS stream:1 >",
    ];
    for line in lines {
        primary.ask(line)?;
    }
    let follow = format!("REPLICAOF 127.0.0.1 {}", primary.port());
    replica.ask(&follow)?;
    wait_for_link(&replica)?;
    compare(&primary, &replica)?;
    let losses = [
        ("SETRANGE string:1 5 g", "SETRANGE string:1 5 f", "string:1"),
        ("PEXPIREAT string:2 9000000000000", "", "string:2"),
        ("XACK stream:1 group0 1-1", "", "stream:1"),
    ];
    for (loss, repair, key) in losses {
        ask(replica.port(), &loss.split(' ').collect::<Vec<_>>()).map_err(|why| why.to_string())?;
        match compare(&primary, &replica) {
            Ok(()) => return Err(format!("{loss} at the replica has gone unseen")),
            Err(why) if !why.contains(key) => return Err(format!("{loss}: {why}")),
            Err(_) if repair.is_empty() => {}
            Err(_) => {
                replica.ask(repair)?;
                compare(&primary, &replica)?;
            }
        }
    }
    wait_for_offsets(&primary, &replica).map(drop)
}
