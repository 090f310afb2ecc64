//! The cost of each command as a property: no command may cost more than in proportion to its input
//! (or `n log n`), unless it is listed with a reason.
//!
//! The dimensions come from rows and documented syntax, so a new row is measured without a change
//! here: each argument that may repeat, be long or be a large number, the size of its keys' values
//! in each form, the number of keys, and the number of calls.

mod judge;
mod words;
mod world;

use std::fmt;
use std::time::{Duration, Instant};

use super::docs_for;
use crate::base::usage::thread_time;
use crate::command::docs::{ArgKind, Doc, Group};
use crate::server::Testbed;
use judge::{Verdict, judge};
use words::{Grown, growable, words};
use world::{Form, State, fill, fill_to_match, fill_two, forms, furnish, load_scripts, states};

/// Number of elements of keys that do not grow.
const FEW: usize = 8;

/// The quantity that grows in a measurement.
#[derive(Clone, Copy)]
enum Dimension {
    Argument(Grown),
    /// Elements (bytes of a string) of each key.
    Held(Form),
    /// Server state, for commands without keys among their arguments.
    Had(State),
    /// Number of calls, with different values each time.
    Calls,
}

impl Dimension {
    /// The largest size tried in the search for a measurable cost.
    fn n_max(self) -> usize {
        match self {
            Dimension::Argument(_) | Dimension::Held(Form::Text) => 16_384,
            Dimension::Held(_) => 4_096,
            Dimension::Had(_) | Dimension::Calls => 1_024,
        }
    }
}

impl fmt::Display for Dimension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Dimension::Argument(grown) => write!(f, "{} {:?}", grown.arg.name, grown.how),
            Dimension::Held(form) => write!(f, "held {form:?}"),
            Dimension::Had(state) => write!(f, "had {state:?}"),
            Dimension::Calls => write!(f, "calls"),
        }
    }
}

/// Rows that are not run, with the reason (a container's name covers all its rows).
const EXEMPT: &[(&str, &str)] = &[
    ("backup", "a thread copies files"),
    ("bgrewriteaof", "writes files between turns of the loop"),
    ("bgsave", "as bgrewriteaof"),
    ("config|rewrite", "replaces a file"),
    ("debug", "an administrator's tool, disabled by default"),
    ("migrate", "another server's time"),
    ("save", "writes a file"),
    ("shutdown", "ends the process"),
];

/// Superlinear by definition: the row, the start of its dimension's name, the reason.
const BY_DESIGN: &[(&str, &str, &str)] = &[(
    "lcs",
    "held",
    "the length of one text times that of the other, as documented",
)];

/// A row with its documentation.
#[derive(Clone, Copy)]
struct Subject {
    name: &'static str,
    doc: &'static Doc,
    has_keys: bool,
}

/// All rows that are run.
fn subjects() -> Vec<Subject> {
    let bed = Testbed::unheard();
    let mut subjects = Vec::new();
    for row in bed.engine.server.table.rows() {
        let name = row.full_name;
        let (group, subcommand) = match name.split_once('|') {
            Some((group, subcommand)) => (group, Some(subcommand)),
            None => (name, None),
        };
        let is_exempt = EXEMPT.iter().any(|(out, _)| [name, group].contains(out));
        if is_exempt || !row.subcommands.is_empty() {
            continue;
        }
        // Rows without Redis documentation have no syntax to generate from.
        if let Some(doc) = docs_for(group, subcommand) {
            let has_keys = row.has_keys();
            subjects.push(Subject {
                name,
                doc,
                has_keys,
            });
        }
    }
    subjects
}

impl Subject {
    fn dimensions(&self) -> Vec<Dimension> {
        let arguments = growable(self.doc);
        let mut all: Vec<Dimension> = arguments.into_iter().map(Dimension::Argument).collect();
        match self.has_keys && self.doc.group != Group::PubSub {
            true => all.extend(
                forms(self.doc.group)
                    .iter()
                    .map(|&form| Dimension::Held(form)),
            ),
            false => all.extend(
                states(self.doc.group)
                    .iter()
                    .map(|&state| Dimension::Had(state)),
            ),
        }
        all.push(Dimension::Calls);
        all
    }

    /// A fresh world in which `dimension` has size `n`, unless it is an argument.
    fn world(&self, dimension: Dimension, n: usize) -> Testbed {
        let mut bed = Testbed::unheard();
        let form = forms(self.doc.group)[0];
        if self.doc.group == Group::Scripting && self.has_keys {
            load_scripts(&mut bed);
        }
        match dimension {
            Dimension::Held(form) => fill_two(&mut bed, form, n),
            Dimension::Had(state) => furnish(&mut bed, state, n),
            Dimension::Argument(grown) if grown.is_pattern() => {
                fill_to_match(&mut bed, "k", form, n);
            }
            Dimension::Argument(grown) if grown.arg.kind == ArgKind::Key => {
                fill(&mut bed, "k", form, FEW);
                (1..n).for_each(|i| fill(&mut bed, &format!("k{i}"), form, FEW));
            }
            _ => fill_two(&mut bed, form, FEW),
        }
        bed
    }

    /// The CPU time of the command, or of all its calls, and whether one was refused.
    fn run(&self, dimension: Dimension, n: usize) -> (Duration, bool) {
        let mut bed = self.world(dimension, n);
        let line = |grown, n, i| words(self.name, self.doc, grown, n, i);
        let mut lines: Vec<Vec<Vec<u8>>> = match dimension {
            Dimension::Calls => (0..n).map(|i| line(None, 1, i)).collect(),
            Dimension::Argument(grown) => vec![line(Some(grown), n, 0)],
            Dimension::Held(_) | Dimension::Had(_) => vec![line(None, 1, 0)],
        };
        if self.name == "restore" {
            let payload = world::dump(&mut bed, "k");
            let words = lines.iter_mut().flatten();
            words
                .filter(|word| word.as_slice() == words::PAYLOAD)
                .for_each(|word| word.clone_from(&payload));
        }
        let mut is_refused = false;
        let mut time = Duration::ZERO;
        for line in &lines {
            let line: Vec<&[u8]> = line.iter().map(Vec::as_slice).collect();
            let before = thread_time();
            let reply = bed.run_args(&line);
            time += thread_time() - before;
            is_refused |= reply.starts_with(b"-");
        }
        (time, is_refused)
    }

    fn judge(&self, dimension: Dimension) -> Verdict {
        judge(dimension.n_max(), &mut |n| self.run(dimension, n).0)
    }

    fn reason(&self, dimension: Dimension) -> Option<&'static str> {
        let shown = dimension.to_string();
        let listed = BY_DESIGN
            .iter()
            .find(|(name, begin, _)| *name == self.name && shown.starts_with(begin));
        listed.map(|(_, _, reason)| *reason)
    }
}

/// `RUSSET_GROWTH=sort,lcs` measures only these rows.
#[test]
#[ignore = "minutes of CPU, and not every row is judged yet: just growth"]
fn every_command_costs_in_proportion_to_what_it_is_given() {
    let only = std::env::var("RUSSET_GROWTH").unwrap_or_default();
    let is_wanted = |name: &str| only.is_empty() || only.split(',').any(|one| one == name);
    let mut steep = String::new();
    for subject in subjects() {
        if !is_wanted(subject.name) {
            continue;
        }
        for dimension in subject.dimensions() {
            if subject.reason(dimension).is_some() {
                continue;
            }
            let started = Instant::now();
            let verdict = subject.judge(dimension);
            let (name, took) = (subject.name, started.elapsed().as_millis());
            match verdict {
                Verdict::Flat => {}
                Verdict::Linear(costs) => println!("{name}, {dimension}: {costs}; {took} ms"),
                Verdict::Steep(costs) => {
                    println!("{name}, {dimension}: STEEP {costs}; {took} ms");
                    steep += &format!("{name}, {dimension}: {costs}\n");
                }
            }
        }
    }
    assert!(steep.is_empty(), "more than linear:\n{steep}");
}

/// Rows that refuse all generated words, because they need a server state or words of another kind;
/// only their refusal is measured.
const REFUSED: &[&str] = &[
    "acl|dryrun",
    "acl|load",
    "acl|save",
    "auth",
    "client|caching",
    "client|import-source",
    "discard",
    "exec",
    "fcall_ro",
    "fcall_ro",
    "function|delete",
    "function|kill",
    "function|restore",
    "hotkeys|start",
    "latency|graph",
    "pfdebug",
    "prefixstats",
    "restore-asking",
    "script|debug",
    "script|kill",
    "script|show",
    "waitaof",
    "xsetid",
];

/// Commands must accept the generated words: a refusal costs nothing.
#[test]
#[ignore = "as the measurement: just growth"]
fn every_command_takes_its_words() {
    let mut refused = Vec::new();
    for subject in subjects() {
        let takes = |dimension: &Dimension| !subject.run(*dimension, 4).1;
        let takes_some = subject.dimensions().iter().any(takes);
        if !takes_some && !REFUSED.contains(&subject.name) {
            refused.push(subject.name);
        }
    }
    assert!(refused.is_empty(), "refuse all words: {refused:?}");
}
