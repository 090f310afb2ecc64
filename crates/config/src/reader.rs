//! Reads configuration text into a [`Config`]: files, includes, standard input, options.
//!
//! Redis joins the file, then standard input, then the command line's options into one
//! text, and a later line wins; only `save` adds up, and `user`, `loadmodule` and
//! `rename-command` are lists. Line numbers in its fatal error count through that joined
//! text, and so do ours; a [`Problem`] also has the source and its own line.
//!
//! Every problem is collected. A normal start reports the first, `--check-config` all of them.
//! Limits: 16 MiB per file, 16 nested includes, 1000 files; a file that includes itself is named.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::dialect::Dialect;
use super::directive::{Directive, Flags, Support};
use super::include;
use super::modules;
use super::outside::{self, ExternalValue};
use super::problem::line::{FileLine, Origin};
use super::problem::refusal::ValueError;
use super::problem::{BAD_DIRECTIVE, COMMAND_LINE, Check, Problem};
use super::table::{Config, DIRECTIVES, find};
use super::words::{self, Text};
use russet_base::given_file;
use russet_base::text::Printable;

/// A larger configuration file is refused.
const FILE_BYTES_MAX: u64 = 16 << 20;
/// Maximum nesting of includes.
const INCLUDE_DEPTH_MAX: usize = 16;
/// Maximum files per load, so that includes cannot multiply without end.
const FILES_MAX: usize = 1000;
/// A node of a cluster does not start, for this reason.
const BUS_UNPROTECTED: &str = "cluster-bus-port-protected-mode is on, and the bus of this node would be \
                               open to all who can reach it: set 'tls-cluster yes', or \
                               'cluster-bus-port-protected-mode no' if only trusted hosts can reach it.";

/// The sources of a start, in order of increasing precedence.
#[derive(Clone, Default)]
pub struct Sources {
    /// Lines before all others: a container image's own.
    pub defaults: Option<&'static str>,
    /// The configuration file.
    pub file: Option<PathBuf>,
    /// The contents of standard input, if `-` requested it.
    pub stdin: Option<Vec<u8>>,
    /// The command line's options as configuration lines.
    pub options: Option<Vec<u8>>,
    /// The process is a Sentinel: `sentinel` lines are read, and the defaults of some directives
    /// differ.
    pub is_sentinel: bool,
    /// The dialect that the program's name implies.
    pub dialect: Dialect,
    /// `${NAME}` stands for a variable of the environment.
    pub expands: bool,
    /// The folder that paths were relative to at the start; `None`: the process's own.
    pub here: Option<PathBuf>,
    /// The server runs, and reads its configuration again: it waits for no pipe.
    pub is_running: bool,
}

impl Sources {
    /// The longest wait for a writer, if a file is a pipe.
    fn writer_wait(&self) -> Duration {
        if self.is_running {
            Duration::ZERO
        } else {
            Duration::from_secs(30)
        }
    }
}

/// Shows only the file: standard input and options may hold secrets.
impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sources").field(&self.file).finish()
    }
}

/// Reads all sources over the defaults. `dir` becomes absolute; nothing else is changed.
///
/// The error holds every problem, in order of the text, and is never empty.
pub fn load(sources: &Sources) -> Result<Config, Vec<Problem>> {
    read(sources).finish()
}

/// Reads all sources only to find their problems.
pub fn check(sources: &Sources) -> Check {
    let mut reader = read(sources);
    let mut notes = without_effect(&reader.config, &reader.set_by);
    notes.append(&mut reader.notes);
    let advice = reader
        .config
        .advice(|name| reader.set_by.contains_key(name));
    notes.extend(advice.into_iter().map(|note| format!("note: {note}")));
    let whole = Box::new(reader.config.clone());
    let config = &mut reader.config;
    Check {
        whole,
        notes,
        file: sources.file.clone(),
        lines: reader.set_by.clone(),
        renamed_commands: std::mem::take(&mut config.renamed_commands),
        users: std::mem::take(&mut config.users),
        roles: std::mem::take(&mut config.roles),
        sentinel_lines: sources
            .is_sentinel
            .then(|| std::mem::take(&mut config.sentinel_lines)),
        problems: reader.finish().err().unwrap_or_default(),
    }
}

fn read(sources: &Sources) -> Reader {
    let mut reader = Reader::new(sources);
    let mut text = JoinedText::default();
    if let Some(lines) = sources.defaults {
        text.add("the image's defaults".to_owned(), lines.into());
    }
    if let Some(path) = &sources.file {
        reader.add_files(&mut text, path, None);
    }
    if let Some(bytes) = &sources.stdin {
        text.add("standard input".to_owned(), bytes.clone());
    }
    if let Some(bytes) = &sources.options {
        text.add_options(bytes.clone());
    }
    reader.read_text(&text, &mut Vec::new());
    reader
}

/// Several sources joined into one text.
#[derive(Default)]
struct JoinedText {
    parts: Vec<Part>,
    /// Line breaks so far.
    breaks: usize,
    ends_open: bool,
}

struct Part {
    source: String,
    bytes: Vec<u8>,
    /// The line number of its first line in the joined text.
    first_line: usize,
}

impl JoinedText {
    fn add(&mut self, source: String, bytes: Vec<u8>) {
        if self.ends_open {
            self.breaks += 1;
        }
        let first_line = self.breaks + 1;
        self.breaks += bytes.iter().filter(|&&b| b == b'\n').count();
        self.ends_open = bytes.last().is_some_and(|&b| b != b'\n');
        self.parts.push(Part {
            source,
            bytes,
            first_line,
        });
    }

    /// Options start after an extra line break.
    fn add_options(&mut self, bytes: Vec<u8>) {
        self.breaks += 1;
        self.ends_open = false;
        self.add(COMMAND_LINE.to_owned(), bytes);
    }
}

struct Reader {
    config: Config,
    problems: Vec<Problem>,
    /// The line that last set a directive.
    set_by: HashMap<&'static str, Origin>,
    user_names: HashSet<Text>,
    role_names: HashSet<Text>,
    files: usize,
    is_sentinel: bool,
    expands: bool,
    writer_wait: Duration,
    /// Notes about lines that later lines of the same source replace.
    notes: Vec<String>,
    /// Directives whose line names a variable of the environment.
    from_environment: HashSet<&'static str>,
}

/// Directives of which each line adds to the lines before.
const ADDS_UP: [&str; 2] = ["save", "client-output-buffer-limit"];

/// The port of a Sentinel without such a line.
pub(super) const SENTINEL_PORT: u16 = 26379;

impl Reader {
    fn new(sources: &Sources) -> Reader {
        let (is_sentinel, dialect) = (sources.is_sentinel, sources.dialect);
        let mut config = Config {
            is_sentinel,
            dialect,
            named_dialect: dialect,
            ..Config::default()
        };
        if is_sentinel {
            config.port = SENTINEL_PORT;
            // Others must reach it.
            config.protected_mode = false;
        }
        let here = sources.here.clone();
        if let Some(here) = here.or_else(|| std::env::current_dir().ok()) {
            config.dir.0 = here.as_path().into();
        }
        Reader {
            config,
            problems: Vec::new(),
            set_by: HashMap::new(),
            user_names: HashSet::new(),
            role_names: HashSet::new(),
            files: 0,
            is_sentinel,
            expands: sources.expands,
            writer_wait: sources.writer_wait(),
            notes: Vec::new(),
            from_environment: HashSet::new(),
        }
    }

    /// Adds the file, or the files that a pattern matches, to `text`.
    ///
    /// A pattern may match nothing: an empty `conf.d` is no error. Paths are relative to the
    /// current value of `dir`.
    fn add_files(&mut self, text: &mut JoinedText, path: &Path, origin: Option<&Origin>) {
        let paths = if include::is_pattern(path.as_os_str().as_bytes()) {
            include::expand(self.config.dir.0.path(), path)
        } else {
            vec![path.to_owned()]
        };
        for path in paths {
            self.files += 1;
            let read = if self.files > FILES_MAX {
                Err(format!("more than {FILES_MAX} files"))
            } else {
                self.read_file(&path)
            };
            match read {
                Ok(bytes) => text.add(path.display().to_string(), bytes),
                Err(reason) => {
                    let origin = origin.cloned();
                    self.problems.push(Problem::Unreadable {
                        path,
                        reason,
                        origin,
                    });
                }
            }
        }
    }

    /// Reads every line. `open`: the files that include this text.
    fn read_text(&mut self, text: &JoinedText, open: &mut Vec<PathBuf>) {
        for part in &text.parts {
            for (index, line) in part.bytes.split(|&b| b == b'\n').enumerate() {
                let line = words::trim(line);
                if line.is_empty() || line[0] == b'#' {
                    continue;
                }
                let origin = Origin {
                    source: part.source.clone(),
                    line: index + 1,
                    joined_line: part.first_line + index,
                    text: line.to_vec(),
                };
                if let Err(reason) = self.read_line(line, &origin, open) {
                    self.problems.push(Problem::Line { origin, reason });
                }
            }
        }
    }

    /// The arguments of a module that is built in: pairs of a name and a value, each a directive.
    /// Other names have no effect.
    fn read_arguments(
        &mut self,
        path: &[u8],
        arguments: &[Text],
        origin: &Origin,
    ) -> Result<(), String> {
        let module = modules::built_in(path);
        for pair in arguments.chunks_exact(2) {
            let name = module.and_then(|module| module.directive(&pair[0]));
            if let Some(directive) = name.and_then(|name| find(name.as_bytes())) {
                let value = [modules::value_of(directive.name, &pair[1])];
                self.read_directive(directive, &value, origin)
                    .map_err(|e| e.to_string())?;
            }
        }
        Ok(())
    }

    fn read_line(
        &mut self,
        line: &[u8],
        origin: &Origin,
        open: &mut Vec<PathBuf>,
    ) -> Result<(), String> {
        if line.contains(&0) {
            return Err("NUL byte in configuration line".to_owned());
        }
        let mut words = words::split(line).ok_or("Unbalanced quotes in configuration line")?;
        if self.expands {
            self.expand(&mut words)?;
        }
        let Some((name, values)) = words.split_first() else {
            return Ok(());
        };
        if let Some(directive) = find(name) {
            return self
                .read_directive(directive, values, origin)
                .map_err(|e| e.to_string());
        }
        if let (Some(name), [value]) = (modules::unused(name), values) {
            let place = format!("{}:{}", origin.source, origin.line);
            let note = format!("{place}: note: '{name}' has no effect: russet has no use for it");
            self.notes.push(note);
            self.config.unused.insert(name.into_bytes(), value.clone());
            return Ok(());
        }
        match (name.to_ascii_lowercase().as_slice(), values.len()) {
            // Obsolete directives, accepted without effect.
            (
                b"list-max-ziplist-entries"
                | b"list-max-ziplist-value"
                | b"lua-replicate-commands"
                | b"io-threads-do-reads",
                1,
            ) => Ok(()),
            (b"include", 1) => self.include(&values[0], origin, open),
            (b"rename-command", 2) => {
                self.config.renamed_commands.push(file_line(values, origin));
                Ok(())
            }
            (b"user", 1..) => self.add_user(values, origin),
            (b"role", 1..) => self.add_role(values, origin),
            (b"loadmodule", 1..) if modules::built_in(&values[0]).is_some() => {
                self.read_arguments(&values[0], &values[1..], origin)?;
                self.config.built_in.push(file_line(values, origin));
                Ok(())
            }
            (b"loadmodule", 1..) if modules::has_no_commands(&values[0]) => {
                let (path, line) = (Printable(&values[0]), origin.line);
                self.notes.push(format!(
                    "{}:{line}: note: the module '{path}' has no effect: it has no commands",
                    origin.source
                ));
                Ok(())
            }
            (b"loadmodule", 1..) => {
                let path = Printable(&values[0]).to_string();
                Err(format!(
                    "the module '{path}' is refused: russet loads no modules, and does not have \
                     its commands"
                ))
            }
            // `sentinel` alone asks for the mode, which was decided before.
            (b"sentinel", 0) if self.is_sentinel => Ok(()),
            (b"sentinel", 1..) if self.is_sentinel => {
                self.config.sentinel_lines.push(file_line(values, origin));
                Ok(())
            }
            (b"sentinel", _) => Err("sentinel directive while not in sentinel mode".to_owned()),
            (b"search-ext-load", 1) if values[0].is_empty() => Ok(()),
            (b"search-ext-load", 1) => Err(
                "russet loads no extensions of its search: scorers and expanders are those \
                     that it has"
                    .to_owned(),
            ),
            _ => Err(BAD_DIRECTIVE.to_owned()),
        }
    }

    /// Replaces `${NAME}` in the values, and remembers of which directive.
    fn expand(&mut self, words: &mut [Text]) -> Result<(), String> {
        let environment = |name: &str| Some(std::env::var_os(name)?.into_vec());
        let Some((name, values)) = words.split_first_mut() else {
            return Ok(());
        };
        for value in values {
            if let Some(text) = outside::expand(value, environment)? {
                *value = Text::from(text);
                self.from_environment.extend(find(name).map(|d| d.name));
            }
        }
        Ok(())
    }

    fn read_directive(
        &mut self,
        directive: &'static Directive,
        values: &[Text],
        origin: &Origin,
    ) -> Result<(), ValueError> {
        let append = self.set_by.contains_key(directive.name);
        match values {
            // `save "900 1 300 10"`: one word that holds several.
            [only] if directive.flags.contains(Flags::MULTI_ARG) && !only.is_empty() => {
                let inner = words::split(only).unwrap_or_default();
                directive.read(&mut self.config, &inner, append)?;
            }
            _ => directive.read(&mut self.config, values, append)?,
        }
        let before = self.set_by.insert(directive.name, origin.clone());
        let is_replaced = |before: &Origin| before.source == origin.source;
        if let Some(before) = before.filter(is_replaced)
            && !ADDS_UP.contains(&directive.name)
        {
            let (source, line, later) = (&before.source, before.line, origin.line);
            let name = directive.name;
            self.notes.push(format!(
                "{source}:{line}: note: '{name}' is set again in line {later}, which wins"
            ));
        }
        Ok(())
    }

    fn include(
        &mut self,
        pattern: &Text,
        origin: &Origin,
        open: &mut Vec<PathBuf>,
    ) -> Result<(), String> {
        if open.len() >= INCLUDE_DEPTH_MAX {
            return Err(format!(
                "includes are nested more than {INCLUDE_DEPTH_MAX} deep"
            ));
        }
        let path = Path::new(OsStr::from_bytes(pattern));
        let absolute = self.config.dir.0.path().join(path);
        let identity = absolute.canonicalize().unwrap_or(absolute);
        if open.contains(&identity) {
            return Err(format!("'{}' includes itself", path.display()));
        }
        let mut text = JoinedText::default();
        self.add_files(&mut text, path, Some(origin));
        open.push(identity);
        self.read_text(&text, open);
        open.pop();
        Ok(())
    }

    fn add_user(&mut self, values: &[Text], origin: &Origin) -> Result<(), String> {
        declare_name(&mut self.user_names, "user", &values[0])?;
        self.config.users.push(file_line(values, origin));
        Ok(())
    }

    fn add_role(&mut self, values: &[Text], origin: &Origin) -> Result<(), String> {
        declare_name(&mut self.role_names, "role", &values[0])?;
        self.config.roles.push(file_line(values, origin));
        Ok(())
    }

    /// The file's bytes, or why it cannot be read.
    fn read_file(&self, path: &Path) -> Result<Vec<u8>, String> {
        let path = self.config.dir.0.path().join(path);
        given_file::read(&path, FILE_BYTES_MAX, self.writer_wait)
    }

    fn finish(mut self) -> Result<Config, Vec<Problem>> {
        let config = &mut self.config;
        let set_by = &self.set_by;
        let dialect = config.dialect;
        dialect.set_defaults(config, |directive| set_by.contains_key(directive.name));
        if config.cluster_enabled {
            if config.replicaof.0.is_some() {
                let reason = "replicaof directive not allowed in cluster mode";
                self.problems.push(Problem::Whole(reason.to_owned()));
            }
            if config.cluster_bus_port_protected_mode && !config.tls_cluster {
                let reason = BUS_UNPROTECTED.to_owned();
                self.problems.push(Problem::Whole(reason));
            }
            if dialect == Dialect::Redis {
                config.databases = 1;
            }
        }
        if let Err(why) = config.check_events() {
            let reason = format!("notify-keyspace-events: {why}");
            self.problems.push(Problem::Whole(reason));
        }
        config.settle();
        let mut given: Vec<&'static str> = self.from_environment.into_iter().collect();
        for read in config.read_secrets(|name| set_by.contains_key(name), self.writer_wait) {
            match read {
                Ok(name) => given.push(name),
                Err(why) => self.problems.push(Problem::Whole(why)),
            }
        }
        let given = given.into_iter().filter_map(|name| find(name.as_bytes()));
        config.given = given
            .map(|directive| ExternalValue {
                name: directive.name,
                text: directive.text(config),
            })
            .collect();
        if !self.problems.is_empty() {
            return Err(self.problems);
        }
        Ok(self.config)
    }
}

impl Config {
    /// The number of databases: a cluster in Valkey's dialect has a separate directive, a cluster
    /// in Redis's dialect has 1.
    pub fn databases_served(&self) -> u32 {
        match (self.cluster_enabled, self.dialect) {
            (false, _) => self.databases,
            (true, Dialect::Redis) => 1,
            (true, Dialect::Valkey) => self.cluster_databases,
        }
    }

    /// Clamps values that are accepted out of range: `hz` is a hint.
    pub(super) fn settle(&mut self) {
        self.hz = self.hz.clamp(1, 500);
    }
}

/// Notes the name of a declared user or role; an error if it was declared before.
fn declare_name(names: &mut HashSet<Text>, what: &str, name: &Text) -> Result<(), String> {
    if names.insert(name.clone()) {
        return Ok(());
    }
    Err(format!(
        "Error in {what} declaration '{}': Duplicate {what} found. A {what} can only be defined \
         once in config files",
        name.lossy()
    ))
}

fn file_line(words: &[Text], origin: &Origin) -> FileLine {
    FileLine {
        words: words.to_vec(),
        origin: origin.clone(),
    }
}

/// A line for each directive that was set and changes nothing, in the order of the text.
fn without_effect(config: &Config, set_by: &HashMap<&'static str, Origin>) -> Vec<String> {
    let default = config.defaults();
    let differs = |d: &&Directive| d.text(config) != d.text(&default);
    let mut found: Vec<(&Origin, String)> = DIRECTIVES
        .iter()
        .filter(|d| d.support != Support::Works)
        .filter(differs)
        .filter_map(|d| {
            let origin = set_by.get(d.name)?;
            let why = "has no effect: russet has no use for it";
            Some((origin, format!("'{}' {why}", d.name)))
        })
        .collect();
    found.sort_by_key(|(origin, _)| origin.joined_line);
    let line = |(origin, what): (&Origin, String)| {
        format!("{}:{}: note: {what}", origin.source, origin.line)
    };
    found.into_iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::super::special::Special;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn settings_of_modules_without_use_here_are_noted() {
        let text = b"search-workers 4\nSEARCH-THREADS 20\nbf-error-rate 0.01\nts-num-threads 3\n";
        let check = check(&Sources {
            stdin: Some(text.to_vec()),
            ..Sources::default()
        });
        assert_eq!(check.problems, []);
        let notes = check.notes.join("\n");
        assert!(
            notes.contains(":1: note: 'search-workers' has no effect"),
            "{notes}"
        );
        assert!(
            notes.contains(":2: note: 'search-threads' has no effect"),
            "{notes}"
        );
        let text =
            b"search-_min-trim-delay-ms 5\nSearch-Of-Later-Releases yes\nsearch-ext-load \"\"\n\
                     loadmodule redisearch.so MAXSEARCHRESULTS -1 MAXAGGREGATERESULTS -1\n";
        let config = load_text(text).expect("settings of 8.10");
        let shown = config.get(&[b"search-*-*-*e*s*"]);
        assert!(
            shown.contains(&(&b"search-_min-trim-delay-ms"[..], b"5".to_vec())),
            "{shown:?}"
        );
        assert!(
            shown.contains(&(&b"search-of-later-releases"[..], b"yes".to_vec())),
            "{shown:?}"
        );
        assert_eq!(config.search_max_search_results, 1 << 31);
        assert_eq!(config.search_max_aggregate_results, 1 << 31);
        let refused = load_text(b"search-ext-load x.so\n").expect_err("no extensions");
        assert!(refused[0].finding().text.contains("loads no extensions"));
    }

    /// The file of the package redis-stack-server did not load for the line of an empty module.
    #[test]
    fn the_configuration_of_redis_stack_loads() {
        let text = b"port 6379\ndaemonize no\nloadmodule /opt/redis-stack/lib/rediscompat.so\n\
                     loadmodule /opt/redis-stack/lib/redisearch.so MAXSEARCHRESULTS 10000\n\
                     loadmodule /opt/redis-stack/lib/rejson.so\n";
        let check = check(&Sources {
            stdin: Some(text.to_vec()),
            ..Sources::default()
        });
        assert_eq!(check.problems, []);
        let notes = check.notes.join("\n");
        assert!(notes.contains(":3: note: the module '/opt/redis-stack/lib/rediscompat.so'"));
        let refused = reason("loadmodule /opt/redis-stack/lib/redisgears.so");
        assert!(refused.contains("loads no modules"), "{refused}");
    }

    fn load_text(text: &[u8]) -> Result<Config, Vec<Problem>> {
        load(&Sources {
            stdin: Some(text.to_vec()),
            ..Sources::default()
        })
    }

    fn reason(text: &str) -> String {
        match load_text(text.as_bytes()).unwrap_err().remove(0) {
            Problem::Line { reason, .. } => reason,
            other => other.to_string(),
        }
    }

    #[test]
    fn the_last_line_wins_and_save_adds_up() {
        let text = "# c\n  PORT 1 \nport 2\nsave 900 1\nsave 300 10\nsave '60 5'\n";
        let config = load_text(text.as_bytes()).unwrap();
        assert_eq!(config.port, 2);
        assert_eq!(config.save.text(), b"900 1 300 10 60 5");
        assert_eq!(load_text(b"save").unwrap().save.text(), b"");
        assert_eq!(
            load_text(b"save 1 2\nsave \"\"\nsave 3 4")
                .unwrap()
                .save
                .text(),
            b"3 4"
        );
    }

    #[test]
    fn a_cluster_of_valkeys_kind_has_databases_of_its_own_directive() {
        for (dialect, databases, served) in [("redis", 1, 1), ("valkey", 12, 5)] {
            let text = format!("databases 12\ncluster-databases 5\ndialect {dialect}\n");
            let alone = load_text(text.as_bytes()).unwrap();
            assert_eq!((alone.databases, alone.databases_served()), (12, 12));
            let text = text + "cluster-enabled yes\n";
            let node = load_text(text.as_bytes()).unwrap();
            assert_eq!(
                (node.databases, node.databases_served()),
                (databases, served),
                "{dialect}"
            );
        }
    }

    #[test]
    fn a_sentinel_keeps_its_lines_and_has_its_own_defaults() {
        let sources = Sources {
            stdin: Some(b"sentinel\nhz 20\nSENTINEL myid x".to_vec()),
            is_sentinel: true,
            ..Sources::default()
        };
        let config = load(&sources).unwrap();
        assert_eq!((config.port, config.protected_mode), (26379, false));
        let line = &config.sentinel_lines[0];
        assert_eq!((line.words.len(), line.origin.line), (2, 3));
    }

    #[test]
    fn both_names_set_the_same_value() {
        let text = b"hash-max-listpack-entries 5\nhash-max-ziplist-entries 6\n";
        assert_eq!(load_text(text).unwrap().hash_max_listpack_entries, 6);
    }

    #[test]
    fn bad_lines_are_named_with_redis_reasons() {
        let cases = [
            ("port 1 2", "wrong number of arguments"),
            (
                "port 99999",
                "argument must be between 0 and 65535 inclusive",
            ),
            (
                "unixsocketperm 999",
                "argument couldn't be parsed as an octal number",
            ),
            (
                "unixsocketperm 7777",
                "argument must be between 0 and 777 inclusive",
            ),
            (
                "notify-keyspace-events Q",
                "Invalid event class character. Use 'Ag$lshzxeKEtmdnocaSTIV'.",
            ),
            ("oom-score-adj-values 1 2", "wrong number of arguments"),
            (
                "bind a a a a a a a a a a a a a a a a a",
                "Too many bind addresses specified.",
            ),
            ("dir /nonexistent", "No such file or directory"),
            (
                "sentinel a b",
                "sentinel directive while not in sentinel mode",
            ),
            ("include", "Bad directive or wrong number of arguments"),
            ("loadmodule", "Bad directive or wrong number of arguments"),
            (
                "loadmodule /x.so a",
                "the module '/x.so' is refused: russet loads no modules, and does not have its \
                 commands",
            ),
            (
                "preload-file x",
                "argument must be in the format '[aof|rdb]:[filename]'",
            ),
            (
                "preload-file rdb:/x",
                "preload-file must end with an extension",
            ),
            (
                "backupdirname a/b",
                "backupdirname can't be a path, just a dirname",
            ),
            ("port \"1", "Unbalanced quotes in configuration line"),
            ("port 1\0", "NUL byte in configuration line"),
            (
                "logfile \"a\\x00b\"",
                "argument must not contain a NUL byte",
            ),
        ];
        for (line, expected) in cases {
            assert_eq!(reason(line), expected, "{line}");
        }
        let whole = reason("cluster-enabled yes\nreplicaof 1.1.1.1 5\n");
        assert!(
            whole.ends_with("***\nreplicaof directive not allowed in cluster mode\n"),
            "{whole}"
        );
    }

    #[test]
    fn includes_follow_dir_and_name_their_own_lines() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        write("a.conf", "port 7\n");
        write("b.conf", "\nhz foo\n");
        let text = format!(
            "dir {}\ninclude a.conf\ninclude none*.conf\n",
            dir.path().display()
        );
        assert_eq!(load_text(text.as_bytes()).unwrap().port, 7);

        let problems = load_text((text + "include [ab].conf\n").as_bytes()).unwrap_err();
        let [Problem::Line { origin, .. }] = &problems[..] else {
            panic!("{problems:?}")
        };
        assert_eq!(
            (&*origin.source, origin.line, origin.joined_line),
            ("b.conf", 2, 3)
        );
    }

    #[test]
    fn a_file_that_includes_itself_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        write("a.conf", "include b.conf\n");
        write("b.conf", "include a.conf\n");
        let text = format!("dir {}\ninclude a.conf\n", dir.path().display());
        assert_eq!(reason(&text), "'a.conf' includes itself");
    }

    #[test]
    fn a_missing_file_is_a_log_line() {
        let sources = Sources {
            file: Some("/nonexistent.conf".into()),
            ..Sources::default()
        };
        assert_eq!(
            load(&sources).unwrap_err()[0].to_string(),
            "Fatal error, can't open config file '/nonexistent.conf': No such file or directory"
        );
        let folder = Sources {
            file: Some("/".into()),
            ..Sources::default()
        };
        assert!(
            load(&folder).unwrap_err()[0]
                .to_string()
                .ends_with("Is a directory")
        );
    }

    fn line() -> impl Strategy<Value = Vec<u8>> {
        let name = (0..DIRECTIVES.len()).prop_map(|at| DIRECTIVES[at].name.as_bytes().to_vec());
        let value = proptest::collection::vec(any::<u8>(), 0..20);
        (name, value).prop_map(|(name, value)| [name, b" ".to_vec(), value].concat())
    }

    proptest! {
        #[test]
        fn any_bytes_load_or_are_refused(bytes: Vec<u8>) {
            if let Err(problems) = load_text(&bytes) {
                prop_assert!(!problems.is_empty());
            }
        }

        #[test]
        fn any_value_of_any_directive_loads_or_is_refused(
            lines in proptest::collection::vec(line(), 0..20),
        ) {
            if let Ok(loaded) = load_text(&lines.join(&b'\n')) {
                for directive in DIRECTIVES {
                    directive.text(&loaded);
                }
            }
        }
    }
}
