//! The pairs, the forms of full sync, and the steps that each goes through.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use std::{env, fmt, panic, thread};

use super::compare::{compare, wait_for_offsets};
use super::link::Link;
use super::node::{Form, Kind, Node, ask, report, wait};
use super::writes::{Knows, Load};
use crate::support::Connection;
use crate::support::resp::Reply;

/// Time limit of a link that must come up again, and of a full sync.
const LINKED: Duration = Duration::from_secs(30);
/// Keys besides those that are written.
const KEYS: usize = 3000;
const WRITERS: u64 = 2;

/// One row: who copies from whom, and how.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    pub primary: Kind,
    pub replica: Kind,
    pub form: Form,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}, {}", self.primary, self.replica, self.form)
    }
}

/// What one end sends and the other cannot read, and why. Real pairs among themselves included:
/// they prove these tests.
fn is_unreadable(primary: Kind, replica: Kind) -> Option<&'static str> {
    use Kind::{Redis70, Redis80, Redis810, Valkey91};
    match (primary, replica) {
        (Redis80 | Redis810 | Valkey91, Redis70) => Some("RDB 11 and later"),
        (Redis810, Redis80 | Valkey91) => Some("RDB 15"),
        _ => None,
    }
}

/// Whether hashes with field TTLs are written; `Err`: why not.
fn field_ttls(primary: Kind, replica: Kind) -> Result<(), &'static str> {
    if !primary.has_field_ttls() || !replica.has_field_ttls() {
        return Err("Redis 7.0 has no field TTLs");
    }
    if (primary == Kind::Valkey91) != (replica == Kind::Valkey91) {
        return Err(
            "RDB 11 and earlier have no field TTLs, and RDB 12 and VALKEY080 differ in them",
        );
    }
    Ok(())
}

impl Case {
    /// Whether both ends know the form.
    fn is_possible(self) -> bool {
        use Kind::{Redis80, Redis810, Russet, Valkey91};
        match self.form {
            Form::Disk | Form::Diskless => true,
            Form::TwoChannel => matches!(
                (self.primary, self.replica),
                (Russet | Redis80 | Redis810, Russet | Redis80 | Redis810)
                    | (Russet | Valkey91, Russet | Valkey91)
            ),
        }
    }

    /// Whether this form is what the settings ask for.
    fn is_as_wanted(self, form: Form) -> bool {
        // Valkey makes no file for a replica that names no version of Valkey.
        let needs_no_file = self.primary == Kind::Valkey91 && self.replica != Kind::Valkey91;
        form == self.form || needs_no_file && self.form == Form::Disk && form == Form::Diskless
    }

    /// Settings of one end, as on a command line.
    fn settings(self, kind: Kind, round: usize) -> Vec<String> {
        let yes = |is: bool| if is { "yes" } else { "no" };
        let mut settings = vec![
            ("save", "3600 100000000"),
            ("repl-diskless-sync", yes(self.form != Form::Disk)),
            ("repl-diskless-sync-delay", "0"),
            // All that is written while a link is down.
            ("repl-backlog-size", "64mb"),
            (
                "repl-diskless-load",
                ["disabled", "swapdb", "on-empty-db"][round % 3],
            ),
        ];
        let two_channel = yes(self.form == Form::TwoChannel);
        match kind {
            Kind::Redis70 => {}
            Kind::Redis80 | Kind::Redis810 => settings.push(("repl-rdb-channel", two_channel)),
            Kind::Valkey91 => {
                settings.push(("dual-channel-replication-enabled", two_channel));
                // RDB 12 has none of the types that Valkey lacks, as far as is written here.
                settings.push(("rdb-version-check", "relaxed"));
            }
            Kind::Russet => {
                settings.push(("repl-rdb-channel", two_channel));
                // It cannot know what a replica of Redis reads.
                let version = match self.replica {
                    Kind::Redis70 => "10",
                    Kind::Valkey91 => "11",
                    Kind::Russet | Kind::Redis80 | Kind::Redis810 => "12",
                };
                settings.push(("rdb-version", version));
            }
        }
        settings
            .into_iter()
            .flat_map(|(name, value)| [format!("--{name}"), value.to_owned()])
            .collect()
    }

    fn seed(self) -> u64 {
        let place = |kind: Kind| Kind::ALL.iter().position(|&one| one == kind).unwrap_or(0);
        (place(self.primary) * 100 + place(self.replica) * 10 + self.form as usize) as u64
    }
}

/// How long and how often.
#[derive(Clone, Copy)]
pub struct Extent {
    pub is_full: bool,
    /// Writes go on for so long in a step.
    pub while_written: Duration,
    pub rounds: usize,
}

impl Extent {
    /// The quick form, or the full one with `RUSSET_REPLICAS=full`.
    pub fn wanted() -> Extent {
        let is_full = env::var("RUSSET_REPLICAS").is_ok_and(|value| value == "full");
        Extent {
            is_full,
            while_written: Duration::from_millis(if is_full { 3000 } else { 200 }),
            rounds: if is_full { 3 } else { 1 },
        }
    }
}

/// The pairs of `RUSSET_REPLICAS_PAIRS` (`russet:redis8,valkey9:russet`), else all of russet's.
fn pairs() -> Vec<(Kind, Kind)> {
    let kind = |word: &str| {
        Kind::named(word.trim())
            .unwrap_or_else(|| panic!("RUSSET_REPLICAS_PAIRS: what is {word:?}?"))
    };
    match env::var("RUSSET_REPLICAS_PAIRS") {
        Ok(list) if !list.is_empty() => list
            .split(',')
            .map(|pair| {
                let (primary, replica) = pair
                    .split_once(':')
                    .unwrap_or_else(|| panic!("RUSSET_REPLICAS_PAIRS: {pair:?} is no pair"));
                (kind(primary), kind(replica))
            })
            .collect(),
        _ => usual_pairs(),
    }
}

/// A number from the environment.
pub fn number(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    let number = text.parse();
    Some(number.unwrap_or_else(|_| panic!("{name}: {text:?} is no number")))
}

/// The pairs of `RUSSET_REPLICAS_PAIRS` whose ends can also change places, else one.
pub fn crashing_pairs() -> Vec<(Kind, Kind)> {
    let mut pairs = match env::var_os("RUSSET_REPLICAS_PAIRS") {
        Some(_) => pairs(),
        None => vec![(Kind::Redis80, Kind::Redis80)],
    };
    pairs.retain(|&(primary, replica)| {
        let is_there = |kind: Kind| kind.program_for("crashes of a pair").is_some();
        is_unreadable(primary, replica).is_none()
            && is_unreadable(replica, primary).is_none()
            && is_there(primary)
            && is_there(replica)
    });
    pairs
}

/// Pairs of real servers, until russet is a primary or replica.
fn usual_pairs() -> Vec<(Kind, Kind)> {
    use Kind::{Redis70, Redis80, Redis810, Valkey91};
    vec![
        (Redis80, Redis80),
        (Redis80, Redis810),
        (Valkey91, Valkey91),
        (Redis70, Valkey91),
        (Valkey91, Redis80),
    ]
}

/// All cases of the pairs whose programs are there.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (primary, replica) in pairs() {
        let what = format!("replication from {primary} to {replica}");
        if primary.program_for(&what).is_none() || replica.program_for(&what).is_none() {
            continue;
        }
        if let Some(why) = is_unreadable(primary, replica) {
            println!("left out: {replica} cannot read what {primary} sends: {why}");
            continue;
        }
        let forms = Form::ALL.into_iter().map(|form| Case {
            primary,
            replica,
            form,
        });
        cases.extend(forms.filter(|case| case.is_possible()));
    }
    cases
}

/// Plays all cases, some at a time; returns the failures.
pub fn play_all(cases: &[Case], extent: Extent) -> Vec<String> {
    let at_a_time = number("RUSSET_REPLICAS_JOBS").unwrap_or(4);
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..at_a_time {
            scope.spawn(|| {
                while let Some(&case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let begun = Instant::now();
                    let played = (0..extent.rounds).try_for_each(|round| {
                        panic::catch_unwind(|| play(case, extent, round))
                            .unwrap_or_else(|_| Err("a panic, see above".to_owned()))
                    });
                    let seconds = begun.elapsed().as_secs_f64();
                    match played {
                        Ok(()) => println!("{case}: {seconds:.1} s"),
                        Err(why) => {
                            let mut failures = failures.lock().expect("no panic meanwhile");
                            failures.push(format!("{case}: {why}"));
                        }
                    }
                }
            });
        }
    });
    failures.into_inner().expect("no panic meanwhile")
}

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

fn play(case: Case, extent: Extent, round: usize) -> Result<(), String> {
    let primary = Node::start(case.primary, &case.settings(case.primary, round));
    let replica = Node::start(case.replica, &case.settings(case.replica, round));
    let link = Link::to(primary.port());
    let ttls = field_ttls(case.primary, case.replica);
    if let (Err(why), true) = (ttls, extent.is_full) {
        println!("{case}: no field TTLs: {why}");
    }
    let load = Load::on(
        primary.port(),
        Knows {
            field_ttls: ttls.is_ok(),
            // As a replica Redis 8 takes such a field for gone, and its primary keeps it.
            late_hpersist: !matches!(case.replica, Kind::Redis80 | Kind::Redis810),
            // Redis 7.0 writes seventeen digits, later ones as many as are needed.
            fractions: (case.primary == Kind::Redis70) == (case.replica == Kind::Redis70),
        },
    );
    let mut play = Play {
        case,
        extent,
        primary,
        replica,
        link: &link,
        load: &load,
    };
    let replica_port = play.replica.port();
    thread::scope(|scope| {
        // Also after a panic: the scope waits for the threads.
        struct End<'a>(&'a Load);
        impl Drop for End<'_> {
            fn drop(&mut self) {
                self.0.end();
            }
        }
        let _end = End(&load);
        for writer in 0..WRITERS {
            let seed = (case.seed() * 10 + writer) * 10 + round as u64;
            let load = &load;
            scope.spawn(move || load.write(seed));
        }
        scope.spawn(|| load.read(replica_port));
        let steps: [(&str, fn(&mut Play<'_>) -> Result<(), String>); 4] = [
            ("fresh", |play| play.fresh()),
            ("cut", |play| play.cut()),
            ("replica restarted", |play| play.restart_replica()),
            ("primary restarted", |play| play.restart_primary()),
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

    /// Writes end, the replica catches up, the data is the same, messages pass.
    fn settle(&self) -> Result<(), String> {
        let _quiet = self.load.pause();
        self.messages_pass()?;
        compare(&self.primary, &self.replica)
    }

    /// A message of the primary's reaches a subscriber of the replica's.
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
        // The transfer takes long enough for writes to come meanwhile.
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

    /// The link ends and comes again, by a partial sync each time.
    fn cut(&mut self) -> Result<(), String> {
        let cuts: [(&str, fn(&Play<'_>) -> Result<(), String>); 4] = [
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
        // A delay is none: neither end may give up.
        let before = Syncs::of(&self.primary)?;
        self.link.halt();
        thread::sleep(self.extent.while_written * 3);
        self.link.go_on();
        self.settle()?;
        let after = Syncs::of(&self.primary)?;
        if after != before {
            return Err(format!("a delay: {before:?}, then {after:?}"));
        }
        Ok(())
    }

    /// The replica goes on with the offset of its snapshot.
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

    /// The primary knows its replica's offset from its own snapshot.
    fn restart_primary(&mut self) -> Result<(), String> {
        // Half-open connections would delay the shutdown: they never acknowledge.
        self.link.cut();
        wait_for_link(&self.replica)?;
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
}

fn wait_for_link(replica: &Node) -> Result<(), String> {
    wait(LINKED, "the link to be up", || replica.is_linked())
}

/// The comparison itself: a replica that was written to behind its primary's back differs.
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
