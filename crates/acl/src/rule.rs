//! Rules as words: their errors, and joining selectors that were split at spaces.

use russet_base::glob::TooComplex;
use russet_command::up_to_nul;

/// Why a rule is refused, in Redis's wording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// A command, subcommand or category that does not exist.
    #[error("Unknown command or category name in ACL")]
    Unknown,
    /// A word that is no rule, or a malformed rule.
    #[error("Syntax error")]
    Syntax,
    /// A pattern of keys, after a pattern that matches all keys.
    #[error(
        "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not \
         have any effect. Try 'resetkeys' to start with an empty list of patterns"
    )]
    AfterAllKeys,
    /// A pattern of channels, after a pattern that matches all channels.
    #[error(
        "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does \
         not have any effect. Try 'resetchannels' to start with an empty list of channels"
    )]
    AfterAllChannels,
    /// `<password` or `!hash` of a password that the user does not have.
    #[error("The password you are trying to remove from the user does not exist")]
    NoSuchPassword,
    /// `#` or `!` without the 64 hexadecimal digits of a SHA-256.
    #[error(
        "The password hash must be exactly 64 characters and contain only lowercase hexadecimal \
         characters"
    )]
    BadHash,
    /// A subcommand and a first argument, as in `+config|get|maxmemory`.
    #[error("Allowing first-arg of a subcommand is not supported")]
    FirstArgOfSubcommand,
    /// `role=` with a role that does not exist.
    #[error("The specified role does not exist")]
    NoSuchRole,
    /// A budget whose figure is malformed or too high.
    #[error(
        "A budget is rate=, clients= or work= with a whole number, reply= with a size, bytes= with \
         two sizes (10mb|50mb), over=delay or over=error"
    )]
    Budget,
    /// `db=` with a word that is no number of a database.
    #[error("The provided database ID is out of range")]
    DatabaseOutOfRange,
    /// A pattern that would take too long to match.
    #[error("{0}")]
    Pattern(#[from] TooComplex),
}

/// Why a list of rules is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RulesError {
    /// The index of the rule, a selector counting as a rule, and its text.
    Rule {
        /// The rule's index, from 0.
        at: usize,
        /// The rule's text.
        rule: Vec<u8>,
        /// The reason.
        why: RuleError,
    },
    /// The selector that begins with this word is not closed.
    Unmatched(Vec<u8>),
}

impl RulesError {
    /// As ACL SETUSER or SETROLE (`command`) replies it, without an error code.
    pub fn line(&self, command: &str) -> Vec<u8> {
        match self {
            RulesError::Rule { rule, why, .. } => {
                let start = format!("Error in ACL {command} modifier '");
                let end = format!("': {why}");
                [start.as_bytes(), up_to_nul(rule), end.as_bytes()].concat()
            }
            RulesError::Unmatched(word) => {
                let start = b"Unmatched parenthesis in acl selector starting at '";
                [start, up_to_nul(word), b"'."].concat()
            }
        }
    }
}

/// Calls `apply` with each rule, split selectors joined, and stops at the first error.
pub(super) fn each_rule<'a>(
    words: impl Iterator<Item = &'a [u8]>,
    mut apply: impl FnMut(&[u8]) -> Result<(), RuleError>,
) -> Result<(), RulesError> {
    for (at, rule) in join_selectors(words)?.into_iter().enumerate() {
        if let Err(why) = apply(&rule) {
            return Err(RulesError::Rule { at, rule, why });
        }
    }
    Ok(())
}

/// The result of a rule, where a command need not be known yet.
pub(super) fn accept_unknown(applied: Result<(), RuleError>) -> Result<(), RuleError> {
    match applied {
        Err(RuleError::Unknown) => Ok(()),
        applied => applied,
    }
}

/// Joins selectors that were split at their spaces: from a word that opens a selector to the next
/// that ends with `)`. The error is the opening word of a selector that is not closed.
pub(super) fn join_selectors<'a>(
    words: impl Iterator<Item = &'a [u8]>,
) -> Result<Vec<Vec<u8>>, RulesError> {
    let mut rules: Vec<Vec<u8>> = Vec::new();
    let mut open: Option<(&[u8], Vec<u8>)> = None;
    for word in words {
        let closes = word.last() == Some(&b')');
        match &mut open {
            Some((_, selector)) => {
                selector.push(b' ');
                selector.extend_from_slice(word);
                if closes {
                    rules.extend(open.take().map(|(_, selector)| selector));
                }
            }
            None if word.first() == Some(&b'(') && !closes => open = Some((word, word.to_vec())),
            None => rules.push(word.to_vec()),
        }
    }
    match open {
        Some((word, _)) => Err(RulesError::Unmatched(word.to_vec())),
        None => Ok(rules),
    }
}

/// Whether a name or pattern contains white space or a NUL byte, which rules cannot hold.
pub(super) fn has_spaces(text: &[u8]) -> bool {
    text.iter()
        .any(|&b| russet_base::numbers::number::is_c_space(b) || b == 0)
}
