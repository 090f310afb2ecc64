//! `russet convert` and `russet check-rdb --for`: data for another server (`persistence::convert`).
//!
//! An RDB file is read and written key by key. An append only file is applied to an engine without
//! sockets, as at a start, and a base of its keys is the new set: all of its data must fit in memory.
//! Sources are only read.
//!
//!     0   done                          1   obstacles: nothing was written
//!     2   a file cannot be read or written, or the arguments do not fit

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::base::text::Printable;
use crate::config::{Config, Conversion, Dialect, Target, UnknownModules};
use crate::keyspace::{DbIndex, Expiring};
use crate::persistence::aof::check::is_manifest;
use crate::persistence::aof::restore::find_set;
use crate::persistence::aof::{BaseForm, Disk, Manifest, Names};
use crate::persistence::background::sync_folder;
use crate::persistence::convert::{ConvertError, End, Obstacles, Output, TargetFile, read_rdb};
use crate::persistence::rdb::{Use, is_snapshot};
use crate::scripting::{Libraries, Setup};
use crate::server::log;
use crate::server::parts::loading::Progress;
use crate::server::persist::aof::AofLoader;
use crate::server::signals::Signals;
use crate::server::startup::command_table;
use crate::server::state::call::Spec;
use crate::server::state::world::{Engine, Load};

const OBSTACLES: u8 = 1;
const FAILED: u8 = 2;

/// Databases that an append only file may use.
const DATABASES: u32 = 16_384;
/// Bytes that are applied at a time.
const STEP_BYTES: u64 = 1 << 20;

/// Names what in an RDB file a target cannot read; returns the exit status.
pub fn check_for(file: &Path, target: Target, out: &mut dyn Write) -> u8 {
    let mut told = Vec::new();
    let code = judge_file(file, target, out, &mut told);
    // If the output is closed, there is nowhere else to report it.
    let _ = out.write_all(&told);
    code
}

fn judge_file(file: &Path, target: Target, out: &mut dyn Write, told: &mut Vec<u8>) -> u8 {
    let mut obstacles = Obstacles::new(target, out);
    let mut judge = Judge::new(target);
    let read = TargetFile::begin(None, &mut obstacles, false)
        .and_then(|mut to| read_rdb(file, &mut to, &mut |code| judge.of(code)));
    match read {
        Err(error) => {
            told.extend_from_slice(format!("{error}\n").as_bytes());
            FAILED
        }
        Ok(end) => {
            let mut text = obstacles.summary();
            if end == End::Commands {
                text += "Commands follow the snapshot: they were not looked at\n";
            }
            told.extend_from_slice(text.as_bytes());
            match obstacles.are_none() {
                true => 0,
                false => OBSTACLES,
            }
        }
    }
}

/// Carries out `russet convert`; returns the exit status.
pub fn convert(asked: &Conversion, specs: &[&'static [Spec]], out: &mut dyn Write) -> u8 {
    match convert_any(asked, specs, out) {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(out, "Cannot convert: {error}");
            FAILED
        }
    }
}

/// What is to be converted.
enum Source {
    Rdb,
    Log(Names, Manifest),
}

impl Source {
    fn of(from: &Path) -> Result<Source, ConvertError> {
        let io = |error| ConvertError::Io(from.to_owned(), error);
        if fs::metadata(from).map_err(io)?.is_dir() {
            return Source::set(from);
        }
        if is_snapshot(from).map_err(io)? {
            return Ok(Source::Rdb);
        }
        match is_manifest(File::open(from).map_err(io)?).map_err(io)? {
            true => Source::set(from),
            false => Ok(Source::single(from)),
        }
    }

    fn set(from: &Path) -> Result<Source, ConvertError> {
        let (names, manifest) = find_set(from).map_err(ConvertError::Told)?;
        Ok(Source::Log(names, manifest))
    }

    /// An append only file without a manifest.
    fn single(from: &Path) -> Source {
        let name = from.file_name().unwrap_or_default();
        let basename = name.to_string_lossy().into_owned();
        let dir = from.parent().unwrap_or(Path::new("")).to_owned();
        let manifest = Manifest::of_old_file(&basename);
        Source::Log(Names { dir, basename }, manifest)
    }
}

fn convert_any(
    asked: &Conversion,
    specs: &[&'static [Spec]],
    out: &mut dyn Write,
) -> Result<u8, ConvertError> {
    let Conversion { from, to, .. } = asked;
    let source = Source::of(from)?;
    if let (Ok(from_file), Ok(to_file)) = (from.canonicalize(), to.canonicalize())
        && (from_file == to_file || from_file.parent() == Some(&to_file))
    {
        let to = to.display();
        let text = format!("{to} is what is to be converted, which is only read");
        return Err(ConvertError::Told(text));
    }
    let (names, manifest) = match source {
        Source::Log(names, manifest) => (names, manifest),
        Source::Rdb => match convert_rdb(asked, out)? {
            Some(code) => return Ok(code),
            None => match Source::single(from) {
                Source::Log(names, manifest) => (names, manifest),
                Source::Rdb => unreachable!("a single append only file"),
            },
        },
    };
    convert_log(asked, names, manifest, specs, out)
}

/// The summary of a conversion and its exit status; `bytes`: of the file that was written.
fn tell_end(asked: &Conversion, found: &str, bytes: Option<u64>, out: &mut dyn Write) -> u8 {
    let to = asked.to.display();
    let end = match bytes {
        Some(bytes) if asked.skips => format!("Written without them: {to}, {bytes} bytes"),
        Some(bytes) => format!("Written: {to}, {bytes} bytes"),
        None => "Nothing is written; --skip leaves them out".to_owned(),
    };
    // If the output is closed, there is nowhere else to report it.
    let _ = writeln!(out, "{found}{end}");
    match bytes {
        Some(_) => 0,
        None => OBSTACLES,
    }
}

/// Converts an RDB file. `None`: commands follow it, so it is an append only file.
fn convert_rdb(asked: &Conversion, out: &mut dyn Write) -> Result<Option<u8>, ConvertError> {
    let output = Output {
        name: asked.to.clone(),
        replaces: asked.replaces,
    };
    let mut judge = Judge::new(asked.target);
    let mut obstacles = Obstacles::new(asked.target, out);
    let mut to = TargetFile::begin(Some(output), &mut obstacles, asked.skips)?;
    let end = read_rdb(&asked.from, &mut to, &mut |code| judge.of(code))?;
    if end == End::Commands {
        return Ok(None);
    }
    let bytes = to.finish()?;
    let found = obstacles.summary();
    let is_whole = obstacles.are_none();
    let asked = Conversion {
        skips: asked.skips && !is_whole,
        ..asked.clone()
    };
    Ok(Some(tell_end(&asked, &found, bytes, out)))
}

/// Applies an append only file, and writes a set of a base alone.
fn convert_log(
    asked: &Conversion,
    names: Names,
    manifest: Manifest,
    specs: &[&'static [Spec]],
    out: &mut dyn Write,
) -> Result<u8, ConvertError> {
    let target = SetPlace::new(asked)?;
    let basename = names.basename.clone();
    let mut engine = applied(asked, names, manifest, specs)?;
    let mut judge = Judge::new(asked.target);
    let mut obstacles = Obstacles::new(asked.target, out);
    let bytes = target.make(|folder| {
        let mut manifest = Manifest::default();
        let base = manifest.replace_base(&basename, BaseForm::Rdb, 0);
        let output = Output {
            name: folder.join(base),
            replaces: false,
        };
        let mut to = TargetFile::begin(Some(output), &mut obstacles, asked.skips)?;
        to.fact("aof-base", b"1");
        write_all(&mut engine, &mut to, &mut judge)
            .map_err(|error| ConvertError::Io(folder.to_owned(), error))?;
        let Some(bytes) = to.finish()? else {
            return Ok(None);
        };
        let names = Names {
            dir: folder.to_owned(),
            basename,
        };
        let saved = names.save(&Disk::default(), &manifest);
        saved.map_err(|error| ConvertError::Told(error.to_string()))?;
        Ok(Some(bytes))
    })?;
    let found = obstacles.summary();
    let is_whole = obstacles.are_none();
    let asked = Conversion {
        skips: asked.skips && !is_whole,
        ..asked.clone()
    };
    if let Some(kept) = target.kept.filter(|_| bytes.is_some()) {
        let _ = writeln!(out, "What was there is kept as {}", kept.display());
    }
    Ok(tell_end(&asked, &found, bytes, out))
}

/// An engine with the data of an append only file.
fn applied(
    asked: &Conversion,
    names: Names,
    manifest: Manifest,
    specs: &[&'static [Spec]],
) -> Result<Engine, ConvertError> {
    let config = Config {
        databases: DATABASES,
        loglevel: crate::config::LogLevel::Warning,
        rdb_unknown_modules: match asked.skips {
            true => UnknownModules::Skip,
            false => UnknownModules::Refuse,
        },
        ..Config::default()
    };
    let table = command_table(specs, &config).map_err(|why| told(&why))?;
    // Faults of the files are told by the loader's log.
    log::init(&config, false);
    let mut engine = Engine::new(config, table, Arc::new(Signals::default()));
    let stopped = "the append only file cannot be applied; the lines above tell why";
    let stopped = || ConvertError::Told(stopped.to_owned());
    let (mut loader, bytes) = AofLoader::of_foreign(names, manifest).map_err(|_| stopped())?;
    let Engine {
        keyspace, server, ..
    } = &mut engine;
    server.begin_loading(keyspace, bytes);
    while loader
        .step(keyspace, server, STEP_BYTES)
        .map_err(|_| stopped())?
        == Progress::More
    {}
    match server.stats.unexpected_error_replies {
        0 => Ok(engine),
        failed => {
            let text = format!("{failed} commands of the append only file have failed");
            Err(ConvertError::Told(text))
        }
    }
}

fn told(why: &dyn std::fmt::Display) -> ConvertError {
    ConvertError::Told(why.to_string())
}

/// Writes all libraries and keys of an engine.
fn write_all(
    engine: &mut Engine,
    to: &mut TargetFile<'_, '_>,
    judge: &mut Judge,
) -> io::Result<()> {
    for library in engine.server.scripting.libraries.iter() {
        match judge.of(&library.code) {
            Some((name, why)) => to.obstacles.library(&name, &why),
            None => to.library(&library.code)?,
        }
    }
    let keyspace = &mut engine.keyspace;
    // Expired keys are data as others: whoever loads the file removes them.
    keyspace.set_expiring(Expiring::Replay);
    let used: Vec<DbIndex> = keyspace.in_use().map(|(at, _)| at).collect();
    for at in used {
        let db = keyspace.db(at);
        let mut written = Ok(());
        db.each_key(|key, _| {
            if written.is_ok()
                && let Some(view) = db.view_even_expired(key)
            {
                written = to.key(at, &view, Use::Nothing);
            }
        });
        written?;
    }
    Ok(())
}

/// The folder of a new set. It is made under a temporary name, and renamed when it is whole.
struct SetPlace {
    to: PathBuf,
    temporary: PathBuf,
    /// The name that a folder which is replaced gets.
    kept: Option<PathBuf>,
}

impl SetPlace {
    /// Fails if something is there that must not be replaced.
    fn new(asked: &Conversion) -> Result<SetPlace, ConvertError> {
        let to = &asked.to;
        let own = std::process::id();
        let parent = to.parent().unwrap_or(Path::new(""));
        let mut place = SetPlace {
            to: to.clone(),
            temporary: parent.join(format!("temp-convert-{own}.set")),
            kept: None,
        };
        match fs::read_dir(to).map(Iterator::count) {
            Ok(0) => {}
            Ok(_) if asked.replaces => {
                let mut name = to.as_os_str().to_owned();
                name.push(format!(".before-{own}"));
                place.kept = Some(name.into());
            }
            Ok(_) => {
                let text = format!(
                    "{} is not empty: --force puts the new set in its place, and keeps it under \
                     another name",
                    to.display()
                );
                return Err(ConvertError::Told(text));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(ConvertError::Io(to.clone(), error)),
        }
        Ok(place)
    }

    /// Makes the set; `None`: it was not made.
    fn make(
        &self,
        fill: impl FnOnce(&Path) -> Result<Option<u64>, ConvertError>,
    ) -> Result<Option<u64>, ConvertError> {
        let io = |error| ConvertError::Io(self.temporary.clone(), error);
        fs::create_dir(&self.temporary).map_err(io)?;
        let made = fill(&self.temporary).and_then(|bytes| {
            if bytes.is_some() {
                self.give_name()
                    .map_err(|error| ConvertError::Io(self.to.clone(), error))?;
            }
            Ok(bytes)
        });
        if !matches!(made, Ok(Some(_))) {
            // It is our own, and holds only what was just written.
            let _ = fs::remove_dir_all(&self.temporary);
        }
        made
    }

    fn give_name(&self) -> io::Result<()> {
        if let Some(kept) = &self.kept {
            fs::rename(&self.to, kept)?;
        }
        fs::rename(&self.temporary, &self.to)?;
        sync_folder(&self.to)
    }
}

/// Judges libraries of functions for a target: they are loaded in its dialect. What they do when they
/// are called is not known, except that Redis has no `server` table.
struct Judge {
    target: Target,
    setup: Setup,
    libraries: Libraries,
}

impl Judge {
    fn new(target: Target) -> Judge {
        let config = Config {
            dialect: target.dialect(),
            ..Config::default()
        };
        Judge {
            target,
            setup: Setup::of(&config),
            libraries: Libraries::default(),
        }
    }

    /// The library's name, and why it cannot be loaded; `None`: it can.
    fn of(&mut self, code: &[u8]) -> Option<(Vec<u8>, String)> {
        let why = match self.libraries.load(code, true, true, self.setup) {
            Err(why) => Printable(&why).to_string(),
            Ok(_) if self.target.dialect() == Dialect::Redis && uses_server_table(code) => {
                "it uses the table `server`, which Redis does not have".to_owned()
            }
            Ok(_) => return None,
        };
        Some((name_of(code).to_vec(), why))
    }
}

/// A library's name by its first line, whether that is valid or not.
fn name_of(code: &[u8]) -> &[u8] {
    let line = code.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let mut words = line.split(u8::is_ascii_whitespace);
    words
        .find_map(|word| word.strip_prefix(b"name="))
        .unwrap_or(b"?")
}

/// Whether code uses Valkey's table of functions, `server`: the word with a field after it. In
/// code that assigns a variable of that name it may be another one: that is taken to be so.
fn uses_server_table(code: &[u8]) -> bool {
    const WORD: &[u8] = b"server";
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let mut uses = false;
    for at in memchr::memmem::find_iter(code, WORD) {
        let (before, after) = (&code[..at], &code[at + WORD.len()..]);
        let is_word = !before
            .last()
            .is_some_and(|byte| is_name(byte) || *byte == b'.')
            && !after.first().is_some_and(is_name);
        let next = after.trim_ascii_start().first();
        if !is_word {
            continue;
        }
        if before.trim_ascii_end().ends_with(b"local") || next == Some(&b'=') {
            return false;
        }
        uses |= matches!(next, Some(b'.' | b'['));
    }
    uses
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_of_valkey_s_own_table_is_no_library_of_redis() {
        for (code, is_used) in [
            ("server.call('GET', 'k')", true),
            ("return server . call('GET')", true),
            ("server['call']('GET')", true),
            ("redis.call('GET', 'k')", false),
            ("local server = redis; server.call('GET')", false),
            ("my_server.call(); observer.x(); a.server.b()", false),
            ("-- the server", false),
        ] {
            assert_eq!(uses_server_table(code.as_bytes()), is_used, "{code}");
        }
        let library = |body: &str| format!("#!lua name=lib\n{body}").into_bytes();
        let plain = library("redis.register_function('f', function() return 1 end)");
        let valkey = library("server.register_function('f', function() return 1 end)");
        let unknown =
            library("redis.register_function{function_name='f', callback=f, flags={'new-flag'}}");
        let mut judge = Judge::new(Target::Redis72);
        assert_eq!(judge.of(&plain), None);
        let (name, why) = judge.of(&valkey).expect("an obstacle");
        assert!(name == b"lib" && why.contains("`server`"), "{why}");
        assert!(judge.of(&unknown).is_some());
        assert_eq!(Judge::new(Target::Valkey81).of(&valkey), None);
        let (name, _) = judge.of(b"#!js name=other\nx").expect("an obstacle");
        assert_eq!(name, b"other");
    }
}
