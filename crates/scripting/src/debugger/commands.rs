//! The commands of the debugger. Each has a name and its first letter; case does not matter.
//!
//! A command logs its answer, and changes breakpoints, `maxlen` or the way in which the script goes
//! on. Code of `eval` and commands of `redis` run in the script's state, by the script's rules.
//! Cost: `list` and `whole` O(lines), `print` as its value, `trace` O(depth).

use super::session::Debugger;
use super::{call_in_time, values};
use crate::api;
use crate::lua::{Frame, LuaType, Stack};
use russet_base::numbers::number::parse_i64;

/// The step after a command.
pub(super) enum NextStep {
    /// The answer is sent, and the client asked again.
    Ask,
    /// The script goes on.
    GoOn,
    /// The script ends with this error.
    End(&'static str),
}

const UNKNOWN: &[u8] = b"<error> Unknown Redis Lua debugger command or wrong number of arguments.";
const ABORTED: &str = "script aborted for user request";
const NOT_TEXT: &[u8] = b"(error object is not a string)";
const OUT_OF_RANGE: &[u8] = b"<out of range source code line>";

/// Lines around the current line that `list` shows.
const CONTEXT: i64 = 5;
const BREAKPOINTS_MAX: usize = 64;
/// Levels of the call stack that are shown or searched.
const LEVELS_MAX: i32 = 250;

const HELP: &[&str] = &[
    "Commands of the Lua debugger, each by its name or its first letter:",
    "help               Show this text.",
    "step               Run the current line, then stop.",
    "next               The same as step.",
    "continue           Run to the next breakpoint.",
    "list               Show the code around the current line.",
    "list [line]        Show the code around a line; 0 is the current one.",
    "list [line] [ctx]  Show [ctx] lines before and after it.",
    "whole              Show all of the code.",
    "print              Show all local variables.",
    "print <var>        Show one variable: a local one, KEYS or ARGV.",
    "break              Show the breakpoints.",
    "break <line>       Set a breakpoint.",
    "break -<line>      Remove a breakpoint.",
    "break 0            Remove all breakpoints.",
    "trace              Show the calls that have led here.",
    "eval <code>        Run some Lua code, which does not see local variables.",
    "redis <cmd>        Run a command of the server.",
    "maxlen [len]       Show or set how long values and replies may be; 0: any length.",
    "abort              End the script; in sync mode its changes stay.",
    "",
    "Functions for scripts:",
    "redis.debug(...)   Show values here.",
    "redis.breakpoint() Stop before the next line.",
];

impl Debugger {
    /// Runs a command; its answer is logged.
    pub(super) fn run(&mut self, f: Frame<'_>, words: &[Vec<u8>]) -> NextStep {
        let session = &f.machine.debug;
        let name = words[0].to_ascii_lowercase();
        let number = |at: usize| words.get(at).map(|word| leading_number(word));
        match (&name[..], words.len()) {
            (b"s" | b"step" | b"n" | b"next", _) => {
                session.steps.set(true);
                return NextStep::GoOn;
            }
            (b"c" | b"continue", _) => return NextStep::GoOn,
            (b"a" | b"abort", _) => return NextStep::End(ABORTED),
            (b"h" | b"help", _) => {
                for line in HELP {
                    session.log(|| line.as_bytes().to_vec());
                }
            }
            (b"l" | b"list", _) => {
                let (around, context) = (number(1).unwrap_or(0), number(2).unwrap_or(CONTEXT));
                self.list(f, around, context);
            }
            (b"w" | b"whole", _) => self.list(f, 1, 1_000_000),
            (b"p" | b"print", 2) => print(f, &words[1]),
            (b"p" | b"print", _) => print_all(f),
            (b"b" | b"break", _) => self.breaks(f, &words[1..]),
            (b"t" | b"trace", _) => self.trace(f),
            (b"e" | b"eval", _) => self.eval(f, &words[1..].join(&b' ')),
            (b"r" | b"redis", 2..) => self.redis(f, &words[1..]),
            (b"m" | b"maxlen", 1 | 2) => maxlen(f, number(1)),
            _ => session.log(|| UNKNOWN.to_vec()),
        }
        NextStep::Ask
    }

    /// A line of the script with its number and marks: `->` the current line, `#` a breakpoint.
    pub(super) fn source_line(&self, line: usize) -> Vec<u8> {
        let current = if line == self.line { "->" } else { "  " };
        let breakpoint = if self.breakpoints.contains(&line) {
            '#'
        } else {
            ' '
        };
        let text = line.checked_sub(1).and_then(|at| self.lines.get(at));
        let text = text.map_or(OUT_OF_RANGE, Vec::as_slice);
        let mut shown = format!("{current}{breakpoint}{line:<3} ").into_bytes();
        shown.extend_from_slice(text);
        shown
    }

    fn list(&self, f: Frame<'_>, around: i64, context: i64) {
        let around = if around == 0 {
            self.line as i64
        } else {
            around
        };
        for line in 1..=self.lines.len() {
            if (line as i64).saturating_sub(around).saturating_abs() <= context {
                f.machine.debug.log(|| self.source_line(line));
            }
        }
    }

    fn breaks(&mut self, f: Frame<'_>, words: &[Vec<u8>]) {
        let session = &f.machine.debug;
        if words.is_empty() {
            if self.breakpoints.is_empty() {
                session.log(|| b"No breakpoints set. Use 'b <line>' to add one.".to_vec());
                return;
            }
            let count = self.breakpoints.len();
            session.log(|| format!("{count} breakpoints set:").into_bytes());
            for &line in &self.breakpoints {
                session.log(|| self.source_line(line));
            }
        }
        for word in words {
            let Some(line) = parse_i64(word) else {
                session.log(|| [b"Invalid argument:'", &word[..], b"'"].concat());
                continue;
            };
            let at = line.unsigned_abs() as usize;
            let known = self.breakpoints.iter().position(|&known| known == at);
            let text = match (line, known) {
                (0, _) => {
                    self.breakpoints.clear();
                    "All breakpoints removed."
                }
                (..0, Some(known)) => {
                    self.breakpoints.remove(known);
                    "Breakpoint removed."
                }
                (..0, None) => "No breakpoint in the specified line.",
                _ if self.breakpoints.len() == BREAKPOINTS_MAX => "Too many breakpoints set.",
                (_, None) if at <= self.lines.len() => {
                    self.breakpoints.push(at);
                    self.list(f, line, 1);
                    continue;
                }
                _ => "Wrong line number.",
            };
            session.log(|| text.as_bytes().to_vec());
        }
    }

    fn trace(&self, f: Frame<'_>) {
        let session = &f.machine.debug;
        for level in 0..LEVELS_MAX {
            let Some(place) = f.stack.called(level) else {
                break;
            };
            let Some(line) = place.line else {
                continue;
            };
            let from: &[u8] = if level == 0 { b"In " } else { b"From " };
            let name = place.name.as_deref().unwrap_or(b"top level");
            session.log(|| [from, name, b":"].concat());
            session.log(|| self.source_line(line));
        }
    }

    /// Runs code; it sees globals alone, and its value is shown.
    fn eval(&self, f: Frame<'_>, code: &[u8]) {
        let (session, stack) = (&f.machine.debug, f.stack);
        if !stack.has_room(8) {
            return session.log(|| UNKNOWN.to_vec());
        }
        let top = stack.top();
        let value = [b"return ", code].concat();
        let loaded = crate::chunk::load(stack, &value, c"@ldb_eval");
        let loaded = loaded.or_else(|_| crate::chunk::load(stack, code, c"@ldb_eval"));
        if let Err(message) = loaded {
            return session.log(|| [b"<error> ", &message[..]].concat());
        }
        if call_in_time(f, 0, self.patience) {
            session.log_cut(|| shown(stack, b"<retval> "));
        } else {
            let text = stack.bytes(-1).unwrap_or(NOT_TEXT);
            session.log(|| [b"<error> ", text].concat());
        }
        stack.set_top(top);
    }

    /// Runs a command as `redis.pcall` does, which logs it.
    fn redis(&self, f: Frame<'_>, words: &[Vec<u8>]) {
        let stack = f.stack;
        let top = stack.top();
        if !stack.has_room(words.len() as i32 + 4) {
            return f.machine.debug.log(|| UNKNOWN.to_vec());
        }
        stack.push_function(api::pcall);
        for word in words {
            stack.push_bytes(word);
        }
        let steps = &f.machine.debug.steps;
        steps.set(true);
        call_in_time(f, words.len() as i32, self.patience);
        steps.set(false);
        stack.set_top(top);
    }
}

/// The number that a word begins with; 0 if there is none.
fn leading_number(word: &[u8]) -> i64 {
    let digits = |b: &&u8| b.is_ascii_digit();
    let sign = usize::from(word.first() == Some(&b'-'));
    let len = sign + word[sign..].iter().take_while(digits).count();
    parse_i64(&word[..len]).unwrap_or(0)
}

/// The value on top of the stack, after a mark.
fn shown(stack: Stack, mark: &[u8]) -> Vec<u8> {
    let mut text = mark.to_vec();
    values::describe(stack, -1, &mut text);
    text
}

/// Shows a variable: of the innermost function that has it, or KEYS or ARGV.
fn print(f: Frame<'_>, name: &[u8]) {
    let (session, stack) = (&f.machine.debug, f.stack);
    let top = stack.top();
    let found = stack.has_room(8)
        && ((0..LEVELS_MAX)
            .map_while(|level| stack.called(level).map(|_| level))
            .any(|level| locals(stack, level, |found| found == name))
            || (name == b"KEYS" || name == b"ARGV") && {
                stack.push_bytes(name);
                stack.raw_get(Stack::GLOBALS);
                stack.kind(-1) != LuaType::Nil
            });
    if found {
        session.log_cut(|| shown(stack, b"<value> "));
    } else {
        session.log(|| b"No such variable.".to_vec());
    }
    stack.set_top(top);
}

fn print_all(f: Frame<'_>) {
    let (session, stack) = (&f.machine.debug, f.stack);
    let mut has_any = false;
    if stack.has_room(8) {
        locals(stack, 0, |name| {
            // A value that an expression is in the middle of.
            if !name.starts_with(b"(*temporary") {
                has_any = true;
                session.log_cut(|| shown(stack, &[b"<value> ", name, b" = "].concat()));
            }
            false
        });
    }
    if !has_any {
        session.log(|| b"No local variables in the current context.".to_vec());
    }
}

/// Visits the local variables of a level, each with its value on top of the stack, until `f`
/// chooses a variable, whose value stays there.
fn locals(stack: Stack, level: i32, mut chooses: impl FnMut(&[u8]) -> bool) -> bool {
    for number in 1.. {
        let Some(name) = stack.push_local(level, number) else {
            return false;
        };
        if chooses(&name) {
            return true;
        }
        stack.pop(1);
    }
    false
}

fn maxlen(f: Frame<'_>, bytes: Option<i64>) {
    let session = &f.machine.debug;
    if let Some(bytes) = bytes {
        session.log.borrow_mut().set_maxlen(bytes);
    }
    let text = match session.log.borrow().maxlen() {
        0 => "<value> replies are unlimited.".to_owned(),
        bytes => format!("<value> replies are truncated at {bytes} bytes."),
    };
    session.log(|| text.into_bytes());
}
