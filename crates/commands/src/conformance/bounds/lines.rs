//! Small commands that are as dear as a kilobyte lets them be, generated from documented syntax.
//!
//! For each row: the shortest line; each argument with each of the worst values; each repeatable
//! argument as often as fits; and mixtures of options with random values among these. The values
//! come from `values`, by an argument's kind and name, and a finer syntax than COMMAND DOCS has
//! from `grammar.txt`.
//!
//! Invariant: a line has no more bytes than the caller allows, unless the fixed words alone are
//! longer.

use super::values::{self, render};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use russet_command::docs::{Arg, ArgFlags, ArgKind, Doc};

/// Bytes of a small command: the bytes of the words and a space after each.
pub const BYTES_MAX: usize = 1000;

/// A command with the reason for which it is generated.
pub struct Line {
    pub row: &'static str,
    pub about: String,
    pub words: Vec<Vec<u8>>,
}

/// How an argument in focus is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Repetition {
    /// Once, with the argument's value of this number.
    Value(usize),
    /// As often as fits, with the argument's value of this number (of each part).
    Often(usize),
}

/// The rule for options, values and repetitions.
enum Plan<'r> {
    Shortest,
    Focus(&'static Arg, Repetition),
    /// Once, as this text.
    Literal(&'static Arg, &'r str),
    Mixed(&'r mut SmallRng),
}

/// The shortest line of a row that has an argument, which is this number.
pub fn with_number(
    row: &'static str,
    args: &'static [Arg],
    arg: &'static Arg,
    number: &str,
) -> Line {
    let plan = &mut Plan::Literal(arg, number);
    line(row, args, &arg.name, plan, BYTES_MAX)
}

/// All lines of a row, of no more than so many bytes; `mixtures`: the number of random lines.
pub fn lines(row: &'static str, doc: &'static Doc, mixtures: usize, bytes_max: usize) -> Vec<Line> {
    let line =
        |row, args, about: &str, plan: &mut Plan<'_>| line(row, args, about, plan, bytes_max);
    let args = super::grammar::args_of(row, doc);
    let mut lines = vec![line(row, args, "shortest", &mut Plan::Shortest)];
    let mut all = Vec::new();
    collect(args, &mut all);
    for arg in all {
        let values = values::count(row, arg);
        let is_many = arg.flags.contains(ArgFlags::MULTIPLE);
        for n in 0..values {
            let about = format!("{} value {n}", arg.name);
            let mut plan = Plan::Focus(arg, Repetition::Value(n));
            lines.push(line(row, args, &about, &mut plan));
            if is_many {
                let about = format!("{} often, value {n}", arg.name);
                let mut plan = Plan::Focus(arg, Repetition::Often(n));
                lines.push(line(row, args, &about, &mut plan));
            }
        }
        if values == 0 && is_many {
            for n in 0..3 {
                let about = format!("{} often, values {n}", arg.name);
                let mut plan = Plan::Focus(arg, Repetition::Often(n));
                lines.push(line(row, args, &about, &mut plan));
            }
        }
        if values == 0 && !is_many && arg.flags.contains(ArgFlags::OPTIONAL) {
            let mut plan = Plan::Focus(arg, Repetition::Value(0));
            lines.push(line(row, args, &arg.name, &mut plan));
        }
    }
    let mut rng = SmallRng::seed_from_u64(row.bytes().map(u64::from).sum());
    for n in 0..mixtures {
        let about = format!("mixture {n}");
        lines.push(line(row, args, &about, &mut Plan::Mixed(&mut rng)));
    }
    lines.dedup_by(|one, other| one.words == other.words);
    lines
}

fn collect(args: &'static [Arg], all: &mut Vec<&'static Arg>) {
    for arg in args {
        all.push(arg);
        collect(&arg.args, all);
    }
}

/// A line by a plan: written with one repetition and with two, then with as many as fit.
fn line(
    row: &'static str,
    args: &'static [Arg],
    about: &str,
    plan: &mut Plan<'_>,
    bytes_max: usize,
) -> Line {
    let write = |times: usize, plan: &mut Plan<'_>| {
        let mut writer = Writer {
            row,
            times,
            bytes_max,
            words: row.split('|').map(Vec::from).collect(),
        };
        writer.all(args, plan, 0);
        writer.words
    };
    let bytes = |words: &[Vec<u8>]| words.iter().map(|word| word.len() + 1).sum::<usize>();
    let words = match plan {
        Plan::Focus(_, Repetition::Often(_)) => {
            let (one, two) = (bytes(&write(1, plan)), bytes(&write(2, plan)));
            let each = two.saturating_sub(one).max(1);
            let mut times = 1 + bytes_max.saturating_sub(one) / each;
            // Later values are longer.
            while times > 1 && bytes(&write(times, plan)) > bytes_max {
                times -= times.div_ceil(16);
            }
            write(times, plan)
        }
        _ => write(1, plan),
    };
    Line {
        row,
        about: about.to_owned(),
        words,
    }
}

struct Writer {
    row: &'static str,
    /// Repetitions of the argument in focus.
    times: usize,
    bytes_max: usize,
    words: Vec<Vec<u8>>,
}

/// Whether an argument leads to the argument in focus.
fn leads_to(arg: &'static Arg, focus: &'static Arg) -> bool {
    std::ptr::eq(arg, focus) || arg.args.iter().any(|part| leads_to(part, focus))
}

/// Whether the argument is the number of the words that follow.
fn is_count(arg: &Arg, next: Option<&Arg>) -> bool {
    let counts = ["count", "nargs", "numkeys"].contains(&&*arg.name);
    let is_list = next.is_some_and(|next| next.flags.contains(ArgFlags::MULTIPLE));
    arg.kind == ArgKind::Integer && counts && is_list
}

impl Writer {
    fn includes(&self, arg: &'static Arg, plan: &mut Plan<'_>) -> bool {
        if !arg.flags.contains(ArgFlags::OPTIONAL) || values::is_needed(self.row, arg) {
            return true;
        }
        match plan {
            Plan::Shortest => false,
            Plan::Focus(focus, _) | Plan::Literal(focus, _) => leads_to(arg, focus),
            Plan::Mixed(rng) => rng.random_range(0..3) == 0,
        }
    }

    fn all(&mut self, args: &'static [Arg], plan: &mut Plan<'_>, at: usize) {
        let mut args = args.iter().peekable();
        while let Some(arg) = args.next() {
            if !self.includes(arg, plan) {
                continue;
            }
            let is_literal = matches!(plan, Plan::Literal(focus, _) if std::ptr::eq(arg, *focus));
            if !is_literal && is_count(arg, args.peek().copied()) {
                self.words.extend(arg.token.map(Vec::from));
                let place = self.words.len();
                self.words.push(Vec::new());
                let next = args.next().expect("peeked");
                if self.includes(next, plan) {
                    self.repeated(next, plan, at);
                }
                let counted = self.words.len() - place - 1;
                self.words[place] = counted.to_string().into_bytes();
                continue;
            }
            self.repeated(arg, plan, at);
        }
    }

    fn repeated(&mut self, arg: &'static Arg, plan: &mut Plan<'_>, at: usize) {
        let is_many = arg.flags.contains(ArgFlags::MULTIPLE);
        let times = match plan {
            Plan::Focus(focus, Repetition::Often(_)) if std::ptr::eq(arg, *focus) => self.times,
            Plan::Mixed(rng) if is_many => rng.random_range(1..5),
            _ => 1,
        };
        let has_one_token = is_many && !arg.flags.contains(ArgFlags::MULTIPLE_TOKEN);
        for time in 0..times {
            if time == 0 || !has_one_token {
                self.words.extend(arg.token.map(Vec::from));
            }
            self.one(arg, plan, at + time);
        }
    }

    fn one(&mut self, arg: &'static Arg, plan: &mut Plan<'_>, at: usize) {
        match arg.kind {
            ArgKind::PureToken => {}
            ArgKind::Block => self.all(&arg.args, plan, at),
            ArgKind::OneOf => {
                let choice = match plan {
                    Plan::Shortest => 0,
                    Plan::Focus(focus, _) | Plan::Literal(focus, _) => {
                        let parts = arg.args.iter();
                        let to_focus = parts.clone().position(|part| leads_to(part, focus));
                        to_focus.unwrap_or(0)
                    }
                    Plan::Mixed(rng) => rng.random_range(0..arg.args.len()),
                };
                self.repeated(&arg.args[choice], plan, at);
            }
            _ => {
                let number = match plan {
                    Plan::Literal(focus, text) if std::ptr::eq(arg, *focus) => {
                        return self.words.push(text.as_bytes().to_vec());
                    }
                    Plan::Shortest | Plan::Literal(..) => 0,
                    Plan::Focus(focus, Repetition::Value(n)) if std::ptr::eq(arg, *focus) => *n,
                    Plan::Focus(focus, Repetition::Often(n)) if leads_to(focus, arg) => *n,
                    Plan::Focus(..) => 0,
                    Plan::Mixed(rng) => {
                        let count = values::count(self.row, arg).max(1);
                        rng.random_range(0..count)
                    }
                };
                let template = values::template(self.row, arg, number);
                let room = if template.contains('«') {
                    let used: usize = self.words.iter().map(|word| word.len() + 1).sum();
                    self.bytes_max.saturating_sub(used + 100)
                } else {
                    0
                };
                self.words.push(render(template, at, room));
            }
        }
    }
}
