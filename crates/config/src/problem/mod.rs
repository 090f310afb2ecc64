//! Errors in a configuration, with their place.
//!
//!     Line         one line is invalid: source, line of the source, line of the joined text
//!     Whole        the lines contradict each other, or refer to something unusable
//!     Unreadable   a file cannot be opened
//!
//! A problem is printed in two ways: as Redis does when a start fails (`Display`), and as a line
//! for `--check-config` (`finding`); both may add a hint at the nearest known name. Values can be
//! secret: logs get `report_without_values`. A shown line is cut to 200 characters, its control
//! characters are escaped. `reader` and `directive` find the problems; `server` adds a check of the
//! program's own tables.

mod hints;
pub(super) mod line;
mod nearest;
pub(super) mod refusal;

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::dialect::REDIS_VERSION;
use super::program::SUBCOMMANDS;
use super::table::Config;
use line::{FileLine, Origin};
use nearest::nearest;
use russet_base::finding::{Finding, Weight};

/// The reason of a line that begins with no directive.
pub(super) const BAD_DIRECTIVE: &str = "Bad directive or wrong number of arguments";

/// The source of options.
pub(super) const COMMAND_LINE: &str = "command line";

/// Why a configuration does not load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// An invalid line.
    Line {
        /// The place and text.
        origin: Origin,
        /// Why it is invalid, in a single line.
        reason: String,
    },
    /// The lines contradict each other, or refer to something unusable.
    Whole(String),
    /// A file cannot be opened.
    Unreadable {
        /// The file: as named, or a file that the named pattern matches.
        path: PathBuf,
        /// Why it cannot be read, in a single line.
        reason: String,
        /// The `include` line; `None`: the command line names the file.
        origin: Option<Origin>,
    },
}

impl Problem {
    /// A problem with this line.
    pub fn at(origin: &Origin, reason: impl fmt::Display) -> Problem {
        Problem::Line {
            origin: origin.clone(),
            reason: reason.to_string(),
        }
    }

    /// The directive, or the subcommand, that was probably meant.
    fn hint(&self) -> Option<String> {
        match self {
            Problem::Line { origin, reason } => hints::hint(origin, reason),
            Problem::Unreadable { path, .. } if path.iter().any(|part| part == "~") => {
                Some(hints::HOME.to_owned())
            }
            Problem::Unreadable {
                path, origin: None, ..
            } => {
                let word = path.file_name()?.to_str()?;
                match word {
                    "help" => return Some("'russet --help' has the options".to_owned()),
                    "start" | "run" | "server" | "serve" => {
                        return Some(
                            "a server starts without such a word: russet [FILE]".to_owned(),
                        );
                    }
                    _ => {}
                }
                let subcommand = nearest(word, SUBCOMMANDS.into_iter())?;
                Some(format!("did you mean 'russet {subcommand}'?"))
            }
            _ => None,
        }
    }

    /// The line in the joined text; a problem without a line sorts last.
    fn joined_line(&self) -> usize {
        let origin = match self {
            Problem::Line { origin, .. } => Some(origin),
            Problem::Whole(_) => None,
            Problem::Unreadable { origin, .. } => origin.as_ref(),
        };
        origin.map_or(usize::MAX, |origin| origin.joined_line)
    }

    /// For `--check-config`: source, line and reason, and what was probably meant.
    pub fn finding(&self) -> Finding {
        let code = match self {
            Problem::Line { .. } => "line",
            Problem::Whole(_) => "configuration",
            Problem::Unreadable { .. } => "file",
        };
        Finding {
            remedy: self.hint(),
            ..Finding::new(Weight::Critical, code, self.reason())
        }
    }

    /// The line of `--check-config` for a log: it shows only the first word of a line, as the
    /// others may be secret.
    pub fn report_without_values(&self) -> String {
        match self {
            Problem::Line { origin, reason } => {
                let Origin {
                    source, line, text, ..
                } = origin;
                let word = text.split(u8::is_ascii_whitespace).next();
                let word = shown(word.unwrap_or_default());
                format!("{source}:{line}: {reason}: '{word}'")
            }
            _ => shown_line(&self.finding()),
        }
    }

    fn reason(&self) -> String {
        match self {
            Problem::Line { origin, reason } => {
                let text = shown_of(origin);
                let place = match origin.source.as_str() {
                    COMMAND_LINE => format!("option {}", origin.line),
                    source => format!("{source}:{}", origin.line),
                };
                format!("{place}: {reason}: '{text}'")
            }
            Problem::Whole(reason) => reason.clone(),
            Problem::Unreadable {
                path,
                reason,
                origin,
            } => {
                let at = origin
                    .as_ref()
                    .map(|o| format!("{}:{}: ", o.source, o.line));
                let at = at.unwrap_or_default();
                format!("{at}can't open config file '{}': {reason}", path.display())
            }
        }
    }
}

/// The line of a problem, without what may be a password.
fn shown_of(origin: &Origin) -> String {
    if !hints::is_secret(&origin.text) {
        return shown(&origin.text);
    }
    let word = origin.text.split(u8::is_ascii_whitespace).next();
    shown(word.unwrap_or_default()) + " ..."
}

/// A line of a configuration as a terminal may show it: a file named by mistake can hold anything.
fn shown(line: &[u8]) -> String {
    const CHARACTERS_MAX: usize = 200;
    let mut shown = String::new();
    for (count, c) in String::from_utf8_lossy(line).chars().enumerate() {
        match c {
            _ if count == CHARACTERS_MAX => return shown + "...",
            '\t' => shown.push(c),
            _ if c.is_control() => shown.extend(c.escape_default()),
            _ => shown.push(c),
        }
    }
    shown
}

/// The output of a failed start. A `Line` or `Whole` goes to standard error as it is, with
/// the leading empty line; an `Unreadable` is the text of a warning in the log.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let russet = env!("CARGO_PKG_VERSION");
        let banner =
            format!("\n*** FATAL CONFIG FILE ERROR (russet {russet}, Redis {REDIS_VERSION}) ***\n");
        match self {
            Problem::Line { origin, reason } => {
                let text = shown_of(origin);
                let line = origin.joined_line;
                writeln!(f, "{banner}Reading the configuration file, at line {line}")?;
                writeln!(f, ">>> '{text}'")?;
                writeln!(f, "{reason}")?;
                // Redis's number counts through all files.
                if origin.line != line && Path::new(&origin.source).is_absolute() {
                    writeln!(f, "It is line {} of {}", origin.line, origin.source)?;
                }
                if origin.source == COMMAND_LINE {
                    // A word that is no option is kept in quotes.
                    let option = match text.strip_prefix('"') {
                        Some(word) => word.replace('"', ""),
                        None => format!("--{text}"),
                    };
                    writeln!(f, "It is an option of the command line: {option}")?;
                }
                match self.hint() {
                    Some(hint) => writeln!(f, "{hint}"),
                    None => Ok(()),
                }
            }
            Problem::Whole(reason) => writeln!(f, "{banner}{reason}"),
            Problem::Unreadable { path, reason, .. } => {
                let path = path.display();
                write!(f, "Fatal error, can't open config file '{path}': {reason}")?;
                match self.hint() {
                    Some(hint) => write!(f, " ({hint})"),
                    None => Ok(()),
                }
            }
        }
    }
}

impl std::error::Error for Problem {}

/// The findings of `--check-config`, and the parts that only the server's own tables can check.
#[derive(Debug)]
pub struct Check {
    /// In order of the text.
    pub problems: Vec<Problem>,
    /// The `rename-command` lines.
    pub renamed_commands: Vec<FileLine>,
    /// The `user` lines.
    pub users: Vec<FileLine>,
    /// The `role` lines.
    pub roles: Vec<FileLine>,
    /// The `sentinel` lines of a Sentinel; `None`: it is to be none.
    pub sentinel_lines: Option<Vec<FileLine>>,
    /// All settings as far as they could be read: the start opens the files that they name.
    pub whole: Box<Config>,
    /// Lines about directives without effect, which are no problems.
    pub notes: Vec<String>,
    /// The configuration file.
    pub file: Option<PathBuf>,
    /// The line that sets a directive, by its name; the last one counts.
    pub lines: HashMap<&'static str, Origin>,
}

impl Check {
    /// The problem of a `fault`, which may begin with a directive and a colon: with the line that
    /// sets the directive, if there is one.
    pub fn problem_of(&self, fault: &str) -> Problem {
        let named = fault.split_once(": ");
        let named = named.and_then(|(name, why)| Some(Problem::at(self.lines.get(name)?, why)));
        named.unwrap_or_else(|| Problem::Whole(fault.to_owned()))
    }

    /// Inserts a problem in line order.
    pub fn add(&mut self, problem: Problem) {
        let at = self
            .problems
            .partition_point(|p| p.joined_line() <= problem.joined_line());
        self.problems.insert(at, problem);
    }

    /// The problems, then the lines without effect.
    pub fn findings(&self) -> Vec<Finding> {
        let problems = self.problems.iter().map(Problem::finding);
        let notes = self.notes.iter();
        let notes = notes.map(|note| Finding::notice("no effect", note.as_str()));
        problems.chain(notes).collect()
    }

    /// The text to print, and the exit status.
    pub fn report(&self) -> (String, i32) {
        let found = self.findings();
        let mut text: String = found.iter().map(|its| shown_line(its) + "\n").collect();
        let faults = found.iter().filter(|its| its.is_fault()).count();
        text.push_str(&match faults {
            0 => "configuration OK\n".to_owned(),
            1 => "1 problem\n".to_owned(),
            n => format!("{n} problems\n"),
        });
        (text, i32::from(faults > 0))
    }
}

fn shown_line(finding: &Finding) -> String {
    match &finding.remedy {
        Some(hint) => format!("{} ({hint})", finding.text),
        None => finding.text.clone(),
    }
}
