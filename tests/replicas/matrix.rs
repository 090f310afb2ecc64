//! The pairs, the forms of full sync, and the data that each pair can exchange.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use std::{env, fmt, panic, thread};

use super::node::{Form, Kind};
use super::steps::play;
use super::writes::Knows;

/// A row: the primary, the replica, and the form of full sync.
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

/// The reason why the replica cannot read the primary's data, if it cannot. The pairs of real
/// servers are included, because they prove these tests.
fn is_unreadable(primary: Kind, replica: Kind) -> Option<&'static str> {
    use Kind::{Redis70, Redis80, Redis810, Valkey91};
    match (primary, replica) {
        (Redis80 | Redis810 | Valkey91, Redis70) => Some("RDB 11 and later"),
        (Redis810, Redis80 | Valkey91) => Some("RDB 15"),
        _ => None,
    }
}

/// Whether the test writes hashes with field TTLs; `Err` has the reason if not.
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
    /// Whether both ends have the form.
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

    /// Whether this form is the form that the settings ask for.
    pub fn is_as_wanted(self, form: Form) -> bool {
        // Valkey makes no file for a replica that does not report a Valkey version.
        let needs_no_file = self.primary == Kind::Valkey91 && self.replica != Kind::Valkey91;
        form == self.form || needs_no_file && self.form == Form::Disk && form == Form::Diskless
    }

    /// The settings of an end, as on a command line.
    pub fn settings(self, kind: Kind, round: usize) -> Vec<String> {
        let yes = |is: bool| if is { "yes" } else { "no" };
        let mut settings = vec![
            ("save", "3600 100000000"),
            ("repl-diskless-sync", yes(self.form != Form::Disk)),
            ("repl-diskless-sync-delay", "0"),
            // Enough for all writes while a link is down.
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
                // RDB 12 has none of the types that Valkey lacks, as far as this test writes them.
                settings.push(("rdb-version-check", "relaxed"));
            }
            Kind::Russet => {
                settings.push(("repl-rdb-channel", two_channel));
                settings.push(("dual-channel-replication-enabled", two_channel));
                // russet cannot know which types a Redis replica reads.
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

    /// The abilities that both ends share, whichever is the primary.
    pub fn knows(self) -> Knows {
        let either = |kind| self.primary == kind || self.replica == kind;
        Knows {
            field_ttls: field_ttls(self.primary, self.replica).is_ok(),
            // As a replica Redis 8 treats such a field as expired, and its primary keeps it.
            late_hpersist: !either(Kind::Redis80) && !either(Kind::Redis810),
            // Redis 7.0 writes seventeen digits, later versions as many as needed.
            fractions: (self.primary == Kind::Redis70) == (self.replica == Kind::Redis70),
        }
    }

    /// Whether the replica can become the primary of the other end.
    pub fn can_be_exchanged(self) -> bool {
        is_unreadable(self.replica, self.primary).is_none()
    }

    /// A seed for the random writes, different for each case.
    pub fn seed(self) -> u64 {
        let place = |kind: Kind| Kind::ALL.iter().position(|&one| one == kind).unwrap_or(0);
        (place(self.primary) * 100 + place(self.replica) * 10 + self.form as usize) as u64
    }
}

/// The length and number of the steps.
#[derive(Clone, Copy)]
pub struct Extent {
    pub is_full: bool,
    /// The duration of the writes in a step.
    pub while_written: Duration,
    pub rounds: usize,
}

impl Extent {
    /// The quick extent, the full extent with `RUSSET_REPLICAS=full`, or `None` with `off`.
    pub fn wanted() -> Option<Extent> {
        let wanted = env::var("RUSSET_REPLICAS").unwrap_or_default();
        let is_full = match &*wanted {
            "full" => true,
            "off" => return None,
            "" | "quick" => false,
            other => panic!("RUSSET_REPLICAS: what is {other:?}?"),
        };
        Some(Extent {
            is_full,
            while_written: Duration::from_millis(if is_full { 3000 } else { 200 }),
            rounds: if is_full { 3 } else { 1 },
        })
    }
}

/// The pairs of `RUSSET_REPLICAS_PAIRS` (`russet:redis8,valkey9:russet`), or all pairs with russet.
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

/// The pairs of `RUSSET_REPLICAS_PAIRS` whose ends can change places, or a default pair.
pub fn crashing_pairs() -> Vec<(Kind, Kind)> {
    let mut pairs = match env::var_os("RUSSET_REPLICAS_PAIRS") {
        Some(_) => pairs(),
        None => vec![(Kind::Russet, Kind::Russet)],
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

/// russet with itself, and with each other program in both roles.
fn usual_pairs() -> Vec<(Kind, Kind)> {
    let others = Kind::ALL.into_iter().filter(|&kind| kind != Kind::Russet);
    let with = others.flat_map(|kind| [(Kind::Russet, kind), (kind, Kind::Russet)]);
    [(Kind::Russet, Kind::Russet)]
        .into_iter()
        .chain(with)
        .collect()
}

/// All cases of the pairs whose programs are installed.
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
        if let Err(why) = field_ttls(primary, replica) {
            println!("{primary}:{replica}: no field TTLs: {why}");
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

/// Plays all cases, several at a time; returns the failures.
pub fn play_all(cases: &[Case], extent: Extent) -> Vec<String> {
    let at_a_time = number("RUSSET_REPLICAS_JOBS").unwrap_or(6);
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
