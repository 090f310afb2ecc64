//! A set of permissions: commands, keys, channels and databases that go together.
//!
//!     allowed      a bit for each command of the table (`bits`)
//!     first_args   commands without their bit that are allowed with these first arguments
//!     rules        the command rules as text, only to be printed (`describe`)
//!     keys, channels, databases      patterns with rights, patterns, sorted numbers
//!
//! Rules change bits and patterns as they are applied; the text is not read again. A check goes
//! databases, command, keys, channels, and ends at the first that is denied.
//! Cost: O(1) for the command; O(keys * patterns) unless all keys are allowed; channels likewise.
//! The keys come from the row's plan (`command::plan`); `user` asks several selectors.

use indexmap::map::Entry;
use indexmap::{IndexMap, IndexSet};

use super::bits::Bits;
use super::commands::Commands;
use super::pattern::Pattern;
use super::rule::{RuleError, has_spaces};
use russet_base::glob;
use russet_command::table::Row;
use russet_command::{Access, ChannelUse, DatabaseUse, Flags, KeyPlan};
use russet_config::PubsubDefault;
use russet_resp::Args;

bitflags::bitflags! {
    /// Permitted accesses to the keys of a pattern.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(super) struct Rights: u8 {
        const READ = 1;
        const WRITE = 2;
    }
}

impl Rights {
    /// The rights that an access to a key needs.
    #[inline]
    fn needed(access: Access) -> Rights {
        const WRITES: Access = Access::INSERT.union(Access::DELETE).union(Access::UPDATE);
        let mut needed = Rights::empty();
        needed.set(Rights::READ, access.contains(Access::ACCESS));
        needed.set(Rights::WRITE, access.intersects(WRITES));
        needed
    }
}

/// A rule about a command or category.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CommandRule {
    pub allows: bool,
    /// Lowercase: `get`, `config|get`, `@read`, `select|0`.
    pub name: Box<str>,
}

/// A command that is allowed only with these first arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
struct FirstArgs {
    id: usize,
    /// Lowercase, sorted.
    allowed: Vec<Box<[u8]>>,
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    allowed: Bits,
    /// The rules began with `+@all`: commands added later are allowed, too.
    pub(super) future: bool,
    /// Sorted by command number.
    first_args: Vec<FirstArgs>,
    pub(super) rules: Vec<CommandRule>,
    pub(super) all_keys: bool,
    /// Patterns with their rights, in the order of the rules.
    pub(super) keys: IndexMap<Pattern, Rights>,
    pub(super) all_channels: bool,
    pub(super) channels: IndexSet<Pattern>,
    /// Ascending; `None`: all.
    pub(super) databases: Option<Vec<u32>>,
}

/// A command, as permission checks see it.
#[derive(Clone, Copy)]
pub struct CommandLine<'a> {
    /// The number.
    pub id: usize,
    /// The command's flags, as COMMAND INFO shows them.
    pub flags: Flags,
    /// Where the keys are among the arguments.
    pub plan: &'a KeyPlan,
    /// Where the channels are among the arguments; `None`: it has none.
    pub channels: Option<ChannelUse>,
    /// The databases that the command touches.
    pub databases: DatabaseUse,
    /// All words, the command's name first.
    pub args: Args<'a>,
    /// Whether the number of arguments is right; if not, the keys cannot be determined.
    pub is_whole: bool,
    /// The database it runs in.
    pub db: u32,
    /// The number of databases.
    pub databases_max: u32,
}

impl<'a> CommandLine<'a> {
    /// A row of the command table with arguments; `db` is the client's.
    #[inline]
    pub fn of<H>(row: &'a Row<H>, args: Args<'a>, db: u32, databases_max: u32) -> CommandLine<'a> {
        CommandLine {
            id: row.id,
            flags: row.spec.flags,
            plan: &row.plan,
            channels: row.spec.channels,
            databases: row.spec.databases,
            args,
            is_whole: row.spec.arity.admits(args.len()),
            db,
            databases_max,
        }
    }
}

/// The missing permission. Ordered by precedence: if several selectors deny a command, the greatest
/// is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Denial {
    /// The database in this argument; 0: the client's own.
    Database(usize),
    /// The command itself.
    Command,
    /// The key in this argument.
    Key(usize),
    /// The channel in this argument.
    Channel(usize),
}

impl Denial {
    /// The argument that was denied.
    pub fn argument(self) -> usize {
        match self {
            Denial::Command => 0,
            Denial::Key(at) | Denial::Channel(at) | Denial::Database(at) => at,
        }
    }
}

impl Selector {
    /// Allows nothing, except perhaps all channels.
    pub(super) fn new(channels: PubsubDefault) -> Selector {
        Selector {
            allowed: Bits::NONE,
            future: false,
            first_args: Vec::new(),
            rules: Vec::new(),
            all_keys: false,
            keys: IndexMap::new(),
            all_channels: channels == PubsubDefault::AllChannels,
            channels: IndexSet::new(),
            databases: None,
        }
    }

    /// Whether it allows everything.
    pub(super) fn allows_all(&self) -> bool {
        self.allowed == Bits::ALL && self.all_keys && self.all_channels && self.databases.is_none()
    }

    // --- rules ---

    /// Applies a rule; on an error the selector is unchanged.
    pub(super) fn apply(&mut self, rule: &[u8], commands: &Commands) -> Result<(), RuleError> {
        let is = |word: &str| rule.eq_ignore_ascii_case(word.as_bytes());
        if is("allkeys") || is("~*") {
            (self.all_keys, self.keys) = (true, IndexMap::new());
        } else if is("resetkeys") {
            (self.all_keys, self.keys) = (false, IndexMap::new());
        } else if is("allchannels") || is("&*") {
            (self.all_channels, self.channels) = (true, IndexSet::new());
        } else if is("resetchannels") {
            (self.all_channels, self.channels) = (false, IndexSet::new());
        } else if is("allcommands") || is("+@all") {
            self.set_all_commands(true);
        } else if is("nocommands") || is("-@all") {
            self.set_all_commands(false);
        } else if is("alldbs") {
            self.databases = None;
        } else if is("resetdbs") {
            self.databases = Some(Vec::new());
        } else {
            return match rule {
                [b'~' | b'%', ..] => self.add_keys(rule),
                [b'&', pattern @ ..] => self.add_channels(pattern),
                [sign @ (b'+' | b'-'), name @ ..] => {
                    let name = std::str::from_utf8(name).map_err(|_| RuleError::Unknown)?;
                    self.set_commands(name, *sign == b'+', commands)
                }
                _ if rule.len() >= 3 && rule[..3].eq_ignore_ascii_case(b"db=") => {
                    self.databases = Some(databases(&rule[3..])?);
                    Ok(())
                }
                _ => Err(RuleError::Syntax),
            };
        }
        Ok(())
    }

    fn set_all_commands(&mut self, on: bool) {
        self.allowed = if on { Bits::ALL } else { Bits::NONE };
        self.future = on;
        self.rules.clear();
        self.first_args.clear();
    }

    fn add_keys(&mut self, rule: &[u8]) -> Result<(), RuleError> {
        if self.all_keys {
            return Err(RuleError::AfterAllKeys);
        }
        let (rights, pattern) = match rule {
            [b'~', pattern @ ..] => (Rights::all(), pattern),
            _ => key_rights(&rule[1..])?,
        };
        if has_spaces(pattern) {
            return Err(RuleError::Syntax);
        }
        glob::check(pattern)?;
        match self.keys.entry(Pattern::new(pattern)) {
            Entry::Occupied(mut known) => *known.get_mut() |= rights,
            Entry::Vacant(place) => _ = place.insert(rights),
        }
        Ok(())
    }

    fn add_channels(&mut self, pattern: &[u8]) -> Result<(), RuleError> {
        if self.all_channels {
            return Err(RuleError::AfterAllChannels);
        }
        if has_spaces(pattern) {
            return Err(RuleError::Syntax);
        }
        glob::check(pattern)?;
        self.channels.insert(Pattern::new(pattern));
        Ok(())
    }

    /// `+name`, `-name`: a command, a subcommand, a category, a command with a first argument.
    fn set_commands(&mut self, name: &str, on: bool, commands: &Commands) -> Result<(), RuleError> {
        if let Some(category) = name.strip_prefix('@') {
            let changed = commands.category_bits(category);
            let changed = changed.ok_or(RuleError::Unknown)?;
            self.set_bits(changed, on);
            self.record_rule(name, on);
            return Ok(());
        }
        if let Some(id) = commands.find(name) {
            self.set_bits(commands.family(id), on);
            self.record_rule(commands.row(id).full_name, on);
            return Ok(());
        }
        let (true, Some((command, argument))) = (on, name.rsplit_once('|')) else {
            return Err(RuleError::Unknown);
        };
        let id = commands.find(command).ok_or(RuleError::Unknown)?;
        if commands.row(id).parent.is_some() {
            return Err(RuleError::FirstArgOfSubcommand);
        }
        if argument.is_empty() {
            return Err(RuleError::Syntax);
        }
        if commands.is_container(id) {
            return Err(RuleError::Unknown);
        }
        tracing::warn!(
            "Deprecation warning: Allowing a first arg of an otherwise blocked command is a \
             misuse of ACL and may get disabled in the future (offender: +{name})"
        );
        self.add_first_arg(id, argument.as_bytes());
        self.record_rule(name, true);
        Ok(())
    }

    fn set_bits(&mut self, changed: &Bits, on: bool) {
        self.allowed.set(changed, on);
        self.first_args.retain(|first| !changed.has(first.id));
    }

    fn add_first_arg(&mut self, id: usize, argument: &[u8]) {
        let at = self.first_args.binary_search_by_key(&id, |first| first.id);
        let at = at.unwrap_or_else(|at| {
            let allowed = Vec::new();
            self.first_args.insert(at, FirstArgs { id, allowed });
            at
        });
        let allowed = &mut self.first_args[at].allowed;
        let argument: Box<[u8]> = argument.to_ascii_lowercase().into();
        if let Err(at) = allowed.binary_search(&argument) {
            allowed.insert(at, argument);
        }
    }

    /// Appends a rule; it replaces an equal rule, and the rules of the command's subcommands and
    /// first arguments.
    fn record_rule(&mut self, name: &str, allows: bool) {
        let name = name.to_ascii_lowercase();
        self.rules.retain(|known| {
            let rest = known.name.strip_prefix(name.as_str());
            !rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('|'))
        });
        let name = name.into();
        self.rules.push(CommandRule { allows, name });
    }

    // --- checks ---

    /// Whether all of the command is allowed.
    #[inline]
    pub(super) fn check(&self, line: &CommandLine<'_>) -> Result<(), Denial> {
        if let Some(databases) = &self.databases {
            check_databases(databases, line)?;
        }
        if !self.allowed.has(line.id) && !self.allows_first_arg(line) {
            return Err(Denial::Command);
        }
        if !self.all_keys && line.plan.has_keys() {
            self.check_keys(line)?;
        }
        if !self.all_channels
            && let Some(used) = line.channels
        {
            self.check_channels(used, line.args)?;
        }
        Ok(())
    }

    /// Fast path: whether a command with this single key is certainly allowed; `false`: use
    /// [`Selector::check`].
    #[inline]
    pub(super) fn allows_at_once(&self, id: usize, only_key: Option<(&[u8], Access)>) -> bool {
        let Some((key, access)) = only_key else {
            return false;
        };
        self.allowed.has(id)
            && self.databases.is_none()
            && (self.all_keys || self.allows_key(key, access))
    }

    /// Whether a command whose bit is not set is allowed by its flags or first argument.
    #[cold]
    fn allows_first_arg(&self, line: &CommandLine<'_>) -> bool {
        if line.flags.contains(Flags::NO_AUTH) {
            return true;
        }
        let first = self.first_args.iter().find(|first| first.id == line.id);
        let (Some(first), Some(given)) = (first, line.args.get(1)) else {
            return false;
        };
        first.allowed.iter().any(|a| a.eq_ignore_ascii_case(given))
    }

    #[inline]
    fn check_keys(&self, line: &CommandLine<'_>) -> Result<(), Denial> {
        let check = |at: usize, access| {
            if self.allows_key(line.args.at(at), access) {
                Ok(())
            } else {
                Err(Denial::Key(at))
            }
        };
        if !line.is_whole {
            return Ok(());
        }
        if let Some((at, access)) = line.plan.only_key() {
            return check(at, access);
        }
        // If the keys cannot be determined, the handler refuses the command.
        let mut keys = line
            .plan
            .keys(line.args)
            .unwrap_or(russet_command::keys::Keys::NONE);
        keys.try_for_each(|(at, access)| check(at, access))
    }

    #[inline]
    fn allows_key(&self, key: &[u8], access: Access) -> bool {
        let needed = Rights::needed(access);
        let mut patterns = self.keys.iter();
        patterns.any(|(pattern, rights)| rights.contains(needed) && pattern.matches(key))
    }

    /// Whether the command with this number is allowed, and reading a key of a database.
    pub(super) fn reads_key(&self, id: usize, db: u32, key: &[u8]) -> bool {
        let databases = self.databases.as_ref();
        self.allowed.has(id)
            && databases.is_none_or(|all| all.binary_search(&db).is_ok())
            && (self.all_keys || self.allows_key(key, Access::READ))
    }

    /// Whether a key may be read.
    pub(super) fn sees_key(&self, key: &[u8]) -> bool {
        self.all_keys || self.allows_key(key, Access::READ)
    }

    /// Whether the command with this number may use all keys with a prefix so.
    pub(super) fn allows_prefix(
        &self,
        id: usize,
        (db, prefix): (u32, &[u8]),
        wanted: Rights,
    ) -> bool {
        let databases = self.databases.as_ref();
        let mut keys = self.keys.iter();
        self.allowed.has(id)
            && databases.is_none_or(|all| all.binary_search(&db).is_ok())
            && (self.all_keys
                || keys.any(|(pattern, rights)| {
                    rights.contains(wanted) && pattern.matches_prefix(prefix)
                }))
    }

    /// Whether all keys may be read.
    pub(super) fn reads_all_keys(&self) -> bool {
        let all = self.keys.get(b"*".as_slice());
        self.all_keys || all.is_some_and(|rights| rights.contains(Rights::READ))
    }

    /// Whether the command with this number is allowed, and all keys of all databases may be read
    /// and written.
    pub(super) fn owns_all_keys(&self, id: usize) -> bool {
        let all = self.keys.get(b"*".as_slice());
        let is_everywhere = self.all_keys || all.is_some_and(|rights| rights.is_all());
        is_everywhere && self.databases.is_none() && self.allowed.has(id)
    }

    fn check_channels(&self, used: ChannelUse, args: Args<'_>) -> Result<(), Denial> {
        let behind = match used {
            ChannelUse::Publishes => 2,
            ChannelUse::Subscribes | ChannelUse::SubscribesPatterns => args.len(),
        };
        let is_pattern = used == ChannelUse::SubscribesPatterns;
        for at in 1..behind.min(args.len()) {
            if !allows_channel(&self.channels, args.at(at), is_pattern) {
                return Err(Denial::Channel(at));
            }
        }
        Ok(())
    }
}

/// Whether one of the patterns matches a channel; a pattern to subscribe to must equal a pattern.
pub(super) fn allows_channel<'a>(
    allowed: impl IntoIterator<Item = &'a Pattern>,
    channel: &[u8],
    is_pattern: bool,
) -> bool {
    let fits = |pattern: &Pattern| {
        if is_pattern {
            pattern.text() == channel
        } else {
            pattern.matches(channel)
        }
    };
    allowed.into_iter().any(fits)
}

/// Checks the databases that a command names, then the database it runs in. An invalid database
/// number is left to the handler, which refuses it without an access.
fn check_databases(allowed: &[u32], line: &CommandLine<'_>) -> Result<(), Denial> {
    let named = |at: usize| {
        let named = line
            .args
            .get(at)
            .and_then(russet_base::numbers::number::parse_i64);
        let named = named.and_then(|n| u32::try_from(n).ok());
        named.filter(|&db| db < line.databases_max)
    };
    let check = |at: usize| match named(at) {
        Some(db) if allowed.binary_search(&db).is_err() => Err(Denial::Database(at)),
        _ => Ok(()),
    };
    match line.databases {
        DatabaseUse::Own => {}
        DatabaseUse::Named(places) => {
            let mut places = places.iter().map(|&at| usize::from(at));
            if places.clone().any(|at| named(at).is_none()) {
                return Ok(());
            }
            return places.try_for_each(check);
        }
        DatabaseUse::OwnAndNamed(at) => check(at.into())?,
        DatabaseUse::OwnAndBehind(word, other) => {
            let is_option = |at: &usize| line.args.is(*at, word) || line.args.is(*at, other);
            let width = |at: usize| 1 + usize::from(line.args.is(at, word));
            let next = |at: &usize| Some(at + width(*at));
            let options = || std::iter::successors(Some(3), next);
            let end = options().find(|at| *at >= line.args.len() || !is_option(at));
            if end == Some(line.args.len()) {
                let named = options().take_while(|at| *at < line.args.len());
                let mut named = named.filter(|&at| line.args.is(at, word));
                named.try_for_each(|at| check(at + 1))?;
            }
        }
        DatabaseUse::All => return Err(Denial::Database(0)),
    }
    let reaches = line.flags.intersects(Flags::READONLY | Flags::WRITE) || line.plan.has_keys();
    if reaches && allowed.binary_search(&line.db).is_err() {
        Err(Denial::Database(0))
    } else {
        Ok(())
    }
}

/// Parses rights and pattern of `%R~pattern`, after the `%`.
fn key_rights(rule: &[u8]) -> Result<(Rights, &[u8]), RuleError> {
    let mut rights = Rights::empty();
    let mut rest = rule;
    loop {
        let right = match rest {
            [b'R' | b'r', ..] => Rights::READ,
            [b'W' | b'w', ..] => Rights::WRITE,
            // An empty pattern matches no key.
            [] | [b'~', ..] if !rights.is_empty() => {
                return Ok((rights, rest.get(1..).unwrap_or_default()));
            }
            _ => return Err(RuleError::Syntax),
        };
        if rights.contains(right) {
            return Err(RuleError::Syntax);
        }
        rights |= right;
        rest = &rest[1..];
    }
}

/// Parses database numbers separated by commas; sorted, without duplicates.
fn databases(text: &[u8]) -> Result<Vec<u32>, RuleError> {
    let mut databases = Vec::new();
    for number in text.split(|&b| b == b',') {
        let blanks = number
            .iter()
            .take_while(|&&b| russet_base::numbers::number::is_c_space(b));
        let number = &number[blanks.count()..];
        let number = number.strip_prefix(b"+").unwrap_or(number);
        let digits = number.strip_prefix(b"-").unwrap_or(number);
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return Err(RuleError::Syntax);
        }
        let number = std::str::from_utf8(number)
            .ok()
            .and_then(|n| n.parse::<i32>().ok());
        let number = number.and_then(|n| u32::try_from(n).ok());
        databases.push(number.ok_or(RuleError::DatabaseOutOfRange)?);
    }
    databases.sort_unstable();
    databases.dedup();
    Ok(databases)
}
