//! The cost of each command as a property: the cost must not grow faster than in proportion (or `n
//! log n`) to the input, or a list has the command with the reason.
//!
//! The dimensions come from rows and documented syntax, so that the test measures a new row without
//! a line here: each argument that may be repeated, long or a large number, the size of the values
//! of the row's keys in each form, the number of keys, and the number of calls.
//!
//! Sizes are small, so that all rows take seconds; the test measures only a cost that looks steep
//! with larger sizes. `just growth` starts with larger sizes and shows each cost.

mod judge;
mod words;
mod world;

use std::fmt;
use std::time::Duration;

use super::super::docs_for;
use crate::testbed::{AllCommands as _, Testbed};
use judge::{Verdict, judge};
use russet_base::usage::thread_time;
use russet_command::docs::{ArgKind, Doc, Group};
use words::{GrowthCase, GrowthKind, growable, words};
use world::{
    GrownState, GrownValue, fill, fill_to_match, fill_two, forms, furnish, make_wait, payload,
    prepare, prepare_fieldset, states, usual_form, waiting_for,
};

/// Elements of keys that do not grow.
const FEW: usize = 8;

/// The quantity that grows in a measurement.
#[derive(Clone, Copy)]
enum Dimension {
    Argument(GrowthCase),
    /// A command's argument, for keys that do not exist.
    Missing(GrowthCase),
    /// A command's argument, for elements that as many clients wait for.
    Awaited(GrowthCase),
    /// Elements (bytes of a string) of each key's value.
    Held(GrownValue),
    /// State of the server, for commands without keys among their arguments.
    Had(GrownState),
    /// The number of calls, with other values each time.
    Calls,
}

impl Dimension {
    /// The largest size tried if there is no doubt. A long text is built quickly, many keys are
    /// not, and a graph of vectors even less.
    fn n_max(self) -> usize {
        match self {
            Dimension::Argument(grown) if grown.is_many() || grown.is_many_keys() => 1_024,
            Dimension::Argument(_) | Dimension::Held(GrownValue::Text) => 4_096,
            // The graph joins each vector with the vector's neighbours.
            Dimension::Held(GrownValue::Vectors) => 256,
            _ => 1_024,
        }
    }
}

impl fmt::Display for Dimension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Dimension::Argument(grown) => write!(f, "{} {:?}", grown.arg.name, grown.how),
            Dimension::Missing(grown) => write!(f, "missing {} {:?}", grown.arg.name, grown.how),
            Dimension::Awaited(grown) => write!(f, "awaited {}", grown.arg.name),
            Dimension::Held(form) => write!(f, "held {form:?}"),
            Dimension::Had(state) => write!(f, "had {state:?}"),
            Dimension::Calls => write!(f, "calls"),
        }
    }
}

/// Rows that the test does not run, with the reason (a container's name means all rows of the
/// container).
const EXEMPT: &[(&str, &str)] = &[
    ("acl|save", "writes a file"),
    ("backup", "a thread copies files"),
    ("changes", "reads the stream, in slices"),
    ("bgrewriteaof", "writes files between turns of the loop"),
    ("bgsave", "as bgrewriteaof"),
    ("config|rewrite", "replaces a file"),
    ("debug", "an administrator's tool, disabled by default"),
    ("migrate", "another server's time"),
    ("module", "disabled by default, and loads nothing"),
    ("pfselftest", "always does the same, for a long time"),
    ("save", "writes a file"),
    ("shutdown", "ends the process"),
];

/// Superlinear by definition: the row, the prefix of the dimension's name, the reason.
const BY_DESIGN: &[(&str, &str, &str)] = &[
    (
        "cf.insert",
        "item Again",
        "an item has two buckets in each part, as in Redis, so that parts are added",
    ),
    (
        "cf.compact",
        "held",
        "each fingerprint looks for a place in all earlier parts, as in Redis",
    ),
    (
        "lcs",
        "held",
        "the length of one text times that of the other, as documented",
    ),
    (
        "xadd",
        "awaited data",
        "each client that waits is given every field",
    ),
];

/// A row and the row's documentation.
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
        let container = row.full_name.split('|').next().unwrap_or(name);
        let is_exempt = EXEMPT
            .iter()
            .any(|(out, _)| [name, container].contains(out));
        if is_exempt || !row.subcommands.is_empty() {
            continue;
        }
        let doc = docs_for(name);
        let doc = doc.unwrap_or_else(|| panic!("{name}: its syntax is not documented"));
        subjects.push(Subject {
            name,
            doc,
            has_keys: row.has_keys(),
        });
    }
    subjects
}

impl Subject {
    fn dimensions(&self) -> Vec<Dimension> {
        let arguments = growable(self.doc);
        let mut all = Vec::new();
        for grown in arguments {
            all.push(Dimension::Argument(grown));
            match grown.arg.kind == ArgKind::Key {
                true if grown.is_many() => all.push(Dimension::Missing(grown)),
                false
                    if grown.how == GrowthKind::Times && waiting_for(self.doc.group).is_some() =>
                {
                    all.push(Dimension::Awaited(grown));
                }
                _ => {}
            }
        }
        if self.has_keys && self.doc.group != Group::PubSub {
            all.extend(
                forms(self.doc.group)
                    .iter()
                    .map(|&form| Dimension::Held(form)),
            )
        } else {
            all.extend(
                states(self.doc.group)
                    .iter()
                    .map(|&state| Dimension::Had(state)),
            )
        }
        all.push(Dimension::Calls);
        all
    }

    /// A fresh world with `dimension` of size `n`, if it is not an argument.
    fn world(&self, dimension: Dimension, n: usize) -> Testbed {
        let mut bed = Testbed::unheard();
        let form = usual_form(self.name, self.doc.group);
        prepare(&mut bed, self.name);
        if let ("himport|set", Dimension::Argument(grown)) = (self.name, dimension)
            && grown.how == GrowthKind::Times
        {
            prepare_fieldset(&mut bed, n);
        }
        match dimension {
            Dimension::Held(form) => fill_two(&mut bed, form, n),
            Dimension::Had(state) => furnish(&mut bed, state, n),
            Dimension::Missing(_) => {}
            Dimension::Awaited(_) => make_wait(&mut bed, self.doc.group, n),
            Dimension::Argument(grown) if grown.is_pattern() => {
                fill_to_match(&mut bed, "k", form, n);
            }
            Dimension::Argument(grown) if grown.is_many_keys() => {
                fill(&mut bed, "k", form, FEW);
                (1..n).for_each(|i| fill(&mut bed, &format!("k{i}"), form, FEW));
            }
            _ => fill_two(&mut bed, form, FEW),
        }
        bed
    }

    /// The processor time of the command, or of all calls, and whether a call was refused.
    fn run(&self, dimension: Dimension, n: usize) -> (Duration, bool) {
        let mut bed = self.world(dimension, n);
        let line = |grown, n, i| words(self.name, self.doc, grown, n, i);
        let mut lines: Vec<Vec<Vec<u8>>> = match dimension {
            Dimension::Calls => (0..n).map(|i| line(None, 1, i)).collect(),
            Dimension::Argument(grown) | Dimension::Missing(grown) | Dimension::Awaited(grown) => {
                vec![line(Some(grown), n, 0)]
            }
            Dimension::Held(_) | Dimension::Had(_) => vec![line(None, 1, 0)],
        };
        if let Some(payload) = payload(&mut bed, self.name) {
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

    /// Also returns whether the command was refused: then little was measured.
    fn judge(&self, dimension: Dimension) -> (Verdict, bool) {
        let mut is_refused = false;
        let verdict = judge(dimension.n_max() * scale(), &mut |n| {
            let (time, refused) = self.run(dimension, n);
            is_refused |= refused;
            time
        });
        (verdict, is_refused)
    }

    fn reason(&self, dimension: Dimension) -> Option<&'static str> {
        let shown = dimension.to_string();
        let listed = BY_DESIGN
            .iter()
            .find(|(name, begin, _)| *name == self.name && shown.starts_with(begin));
        listed.map(|(_, _, reason)| *reason)
    }
}

/// `RUSSET_GROWTH_SCALE=4` in the environment: sizes are four times as large.
fn scale() -> usize {
    let scale = std::env::var("RUSSET_GROWTH_SCALE").ok();
    scale.and_then(|text| text.parse().ok()).unwrap_or(1)
}

/// Measures each row in the dimensions that are `of_kind`. `RUSSET_GROWTH=sort,lcs` in the
/// environment measures only these rows.
fn measure(of_kind: fn(Dimension) -> bool) {
    let only = std::env::var("RUSSET_GROWTH").unwrap_or_default();
    let is_wanted = |name: &str| only.is_empty() || only.split(',').any(|one| one == name);
    let mut steep = String::new();
    for subject in subjects() {
        if !is_wanted(subject.name) {
            continue;
        }
        for dimension in subject.dimensions() {
            if !of_kind(dimension) || subject.reason(dimension).is_some() {
                continue;
            }
            let before = thread_time();
            let (verdict, is_refused) = subject.judge(dimension);
            let took = (thread_time() - before).as_millis();
            let name = subject.name;
            if let Verdict::Steep(costs) = &verdict {
                steep += &format!("{name}, {dimension}: {costs}\n");
            }
            let refused = if is_refused { ", refused" } else { "" };
            println!("{name}, {dimension}: {verdict}; {took} ms{refused}");
        }
    }
    assert!(steep.is_empty(), "more than linear:\n{steep}");
}

#[test]
fn every_command_costs_in_proportion_to_its_arguments() {
    measure(|dimension| {
        matches!(
            dimension,
            Dimension::Argument(_) | Dimension::Missing(_) | Dimension::Awaited(_)
        )
    });
}

#[test]
fn every_command_costs_in_proportion_to_what_its_keys_hold() {
    measure(|dimension| matches!(dimension, Dimension::Held(_)));
}

#[test]
fn every_command_costs_in_proportion_to_what_the_server_has() {
    measure(|dimension| matches!(dimension, Dimension::Had(_)));
}

#[test]
fn every_command_costs_the_same_each_time() {
    measure(|dimension| matches!(dimension, Dimension::Calls));
}

/// Rows that refuse all generated words: only their refusal is measured.
const REFUSED: &[(&str, &str)] = &[
    ("FT.ADD", "needs an index"),
    ("FT.AGGREGATE", "needs an index"),
    ("FT.ALIASADD", "needs an index"),
    ("FT.ALIASDEL", "needs an index"),
    ("FT.ALIASLIST", "needs an index"),
    ("FT.ALIASUPDATE", "needs an index"),
    ("FT.ALTER", "needs an index"),
    ("FT.CURSOR", "needs an index"),
    ("FT.DEBUG", "needs a subcommand"),
    ("FT.DEL", "needs an index"),
    ("FT.DICTDUMP", "needs a dictionary"),
    ("FT.DROP", "needs an index"),
    ("FT.DROPINDEX", "needs an index"),
    ("FT.ERRORS", "needs an index"),
    ("FT.EXPLAIN", "needs an index"),
    ("FT.EXPLAINCLI", "needs an index"),
    ("FT.GET", "needs an index"),
    ("FT.HYBRID", "needs an index"),
    ("FT.INFO", "needs an index"),
    ("FT.MGET", "needs an index"),
    ("FT.PROFILE", "needs an index"),
    ("FT.SAFEADD", "needs an index"),
    ("FT.SEARCH", "needs an index"),
    ("FT.SPELLCHECK", "needs an index"),
    ("FT.SYNADD", "FT.SYNUPDATE has replaced it"),
    ("FT.SYNDUMP", "needs an index"),
    ("FT.SYNUPDATE", "needs an index"),
    ("FT.TAGVALS", "needs an index"),
    ("FT._ALIASADDIFNX", "needs an index"),
    ("FT._ALTERIFNX", "needs an index"),
    ("FT._CREATEIFNX", "needs fields"),
    ("_FT.DEBUG", "needs a subcommand"),
    ("bf.load", "takes a payload of a filter"),
    ("bf.rotate", "needs a filter that rotates"),
    ("bitconvert", "unknown to clients"),
    ("bitroarop", "unknown to clients"),
    ("failover", "needs a replica"),
    ("flush|undo", "needs a flush"),
    ("function|kill", "needs a function that runs"),
    ("quorum|add", "needs a group"),
    ("quorum|explain", "needs a group"),
    ("quorum|remove", "needs a group"),
    ("quorum|set", "needs a group"),
    ("quorum|status", "needs a group"),
    ("quorum|takeover", "needs a group"),
    ("script|kill", "needs a script that runs"),
    ("ts.createrule", "needs a second time series"),
    ("ts.deleterule", "needs a rule"),
    ("xidmprecord", "needs the ID of an entry"),
];

/// Refused outside of a cluster, whatever the words.
fn needs_cluster(name: &str) -> bool {
    const NEED: [&str; 4] = ["asking", "readonly", "readwrite", "trimslots"];
    name.starts_with("cluster") || NEED.contains(&name)
}

/// The commands accept the generated words: a refusal costs nothing.
#[test]
fn every_command_takes_its_words() {
    let mut refused = Vec::new();
    for subject in subjects() {
        if needs_cluster(subject.name) {
            continue;
        }
        let takes = |dimension: &Dimension| !subject.run(*dimension, 4).1;
        if !subject.dimensions().iter().any(takes) {
            refused.push(subject.name);
        }
    }
    let expected: Vec<&str> = REFUSED.iter().map(|(name, _)| *name).collect();
    refused.sort_unstable();
    assert_eq!(refused, expected, "refuse all words");
}
