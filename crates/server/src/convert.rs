//! `russet convert` and `russet check-rdb --for`: data for another server (`persistence::convert`).
//!
//! An RDB file is read and written key by key. An append only file is applied to an engine without
//! sockets, as at a start, and a base made from the keys is the new set: all data of the file must
//! fit in memory. Sources are only read.
//!
//!     0   done                          1   obstacles: nothing was written
//!     2   a file cannot be read or written, or the arguments do not fit

mod place;

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use crate::parts::persist::loading::Progress;
use crate::parts::run::signals::Signals;
use crate::persist::aof::{AofLoader, CutEnd};
use crate::process::log;
use crate::start::startup::command_table;
use crate::state::call::Spec;
use crate::state::world::{Engine, Load};
use place::{SetPlace, plain};
use russet_base::text::Printable;
use russet_config::{Config, Conversion, Dialect, Release, UnknownModules};
use russet_keyspace::{DbIndex, ExpiryMode};
use russet_persistence::aof::check::is_manifest;
use russet_persistence::aof::restore::find_set;
use russet_persistence::aof::{BaseForm, Disk, Manifest, Names};
use russet_persistence::convert::{
    ConvertError, Obstacles, Output, TargetFile, commands_follow, read_rdb, report_left_out,
    unreadable_version,
};
use russet_persistence::rdb::{RdbEnd, Use, is_snapshot};
use russet_scripting::{Libraries, Setup};

const OBSTACLES: u8 = 1;
const FAILED: u8 = 2;

/// Databases that an append only file may use.
const DATABASES: u32 = 16_384;
/// Bytes that are applied at a time.
const STEP_BYTES: u64 = 1 << 20;

/// Names the keys and values of an RDB file that a target cannot read; returns the exit status.
pub fn check_for(file: &Path, target: Release, out: &mut dyn Write) -> u8 {
    let mut obstacles = Obstacles::new(target, out);
    match judge_file(file, &mut obstacles) {
        Err(error) => {
            obstacles.write(&format!("{error}\n"));
            FAILED
        }
        Ok(end) => {
            obstacles.write(&obstacles.summary());
            let version = unreadable_version(target, end);
            obstacles.write(version.as_deref().unwrap_or_default());
            if obstacles.are_none() && version.is_none() {
                0
            } else {
                OBSTACLES
            }
        }
    }
}

fn judge_file(file: &Path, obstacles: &mut Obstacles<'_>) -> Result<RdbEnd, ConvertError> {
    if commands_follow(file).map_err(|error| ConvertError::Io(file.to_owned(), error))? {
        let text = format!(
            "{}: commands follow the snapshot: `russet convert` applies such a file and names what \
             the server cannot read",
            file.display()
        );
        return Err(ConvertError::Reported(text));
    }
    let mut judge = Judge::new(obstacles.target);
    let mut to = TargetFile::begin(None, obstacles, false)?;
    read_rdb(file, &mut to, &mut |code| judge.of(code))
}

/// Carries out `russet convert`; returns the exit status.
pub fn convert(asked: &Conversion, specs: &[&'static [Spec]], out: &mut dyn Write) -> u8 {
    let mut obstacles = Obstacles::new(asked.target, out);
    match convert_any(asked, specs, &mut obstacles) {
        Ok(code) => code,
        Err(error) => {
            obstacles.write(&format!("Cannot convert: {error}\n"));
            FAILED
        }
    }
}

/// The kind of data that is converted.
enum Source {
    Rdb,
    Log(Names, Manifest),
}

impl Source {
    fn of(from: &Path) -> Result<Source, ConvertError> {
        let io = |error| ConvertError::Io(from.to_owned(), error);
        let found = fs::metadata(from).map_err(io)?;
        if found.is_dir() {
            return Source::set(from);
        }
        if found.len() == 0 {
            let text = format!("{} is empty", from.display());
            return Err(ConvertError::Reported(text));
        }
        if is_snapshot(from).map_err(io)? {
            return if commands_follow(from).map_err(io)? {
                Source::single(from)
            } else {
                Ok(Source::Rdb)
            };
        }
        if is_manifest(File::open(from).map_err(io)?).map_err(io)? {
            Source::set(from)
        } else {
            Source::single(from)
        }
    }

    fn set(from: &Path) -> Result<Source, ConvertError> {
        let (names, manifest) = find_set(from).map_err(ConvertError::Reported)?;
        Ok(Source::Log(names, manifest))
    }

    /// An append only file without a manifest.
    fn single(from: &Path) -> Result<Source, ConvertError> {
        let from = plain(from)?;
        let dir = from.parent().unwrap_or(Path::new("")).to_owned();
        let basename = from.file_name().unwrap_or_default();
        let basename = basename.to_string_lossy().into_owned();
        let manifest = Manifest::of_old_file(&basename);
        Ok(Source::Log(Names { dir, basename }, manifest))
    }

    /// Fails if the result would replace or move away its own source.
    fn check_apart(&self, asked: &Conversion) -> Result<(), ConvertError> {
        let Ok(to) = asked.to.canonicalize() else {
            // Nothing is there.
            return Ok(());
        };
        let folder = match self {
            Source::Rdb => None,
            Source::Log(names, _) => Some(names.dir.as_path()),
        };
        let sources = std::iter::once(asked.from.as_path()).chain(folder);
        let mut sources = sources.filter_map(|path| path.canonicalize().ok());
        if sources.any(|source| source.starts_with(&to)) {
            let to = asked.to.display();
            let text = format!("{to} is or holds what is to be converted, which is only read");
            return Err(ConvertError::Reported(text));
        }
        Ok(())
    }
}

fn convert_any(
    asked: &Conversion,
    specs: &[&'static [Spec]],
    obstacles: &mut Obstacles<'_>,
) -> Result<u8, ConvertError> {
    let asked = &Conversion {
        to: plain(&asked.to)?,
        ..asked.clone()
    };
    let source = Source::of(&asked.from)?;
    source.check_apart(asked)?;
    match source {
        Source::Rdb => convert_rdb(asked, obstacles),
        Source::Log(names, manifest) => convert_log(asked, names, manifest, specs, obstacles),
    }
}

/// Writes the summary of a conversion; returns its exit status. `bytes`: the size of the written
/// file.
fn write_summary(asked: &Conversion, bytes: Option<u64>, obstacles: &mut Obstacles<'_>) -> u8 {
    let to = asked.to.display();
    let end = match bytes {
        Some(bytes) if obstacles.are_none() => format!("Written: {to}, {bytes} bytes"),
        Some(bytes) => format!("Written without them: {to}, {bytes} bytes"),
        None => "Nothing is written; --skip leaves them out".to_owned(),
    };
    obstacles.write(&format!("{}{end}\n", obstacles.summary()));
    match bytes {
        Some(_) => 0,
        None => OBSTACLES,
    }
}

fn convert_rdb(asked: &Conversion, obstacles: &mut Obstacles<'_>) -> Result<u8, ConvertError> {
    let output = Output {
        name: asked.to.clone(),
        replaces: asked.replaces,
    };
    let mut judge = Judge::new(asked.target);
    let mut to = TargetFile::begin(Some(output), obstacles, asked.skips)?;
    read_rdb(&asked.from, &mut to, &mut |code| judge.of(code))?;
    let bytes = to.finish()?;
    Ok(write_summary(asked, bytes, obstacles))
}

/// Applies an append only file, and writes a set of a base alone.
fn convert_log(
    asked: &Conversion,
    names: Names,
    manifest: Manifest,
    specs: &[&'static [Spec]],
    obstacles: &mut Obstacles<'_>,
) -> Result<u8, ConvertError> {
    let place = SetPlace::new(asked)?;
    for part in manifest.parts() {
        let path = names.path(&part.name);
        // A file that cannot be read is reported when it is applied.
        if is_snapshot(&path).unwrap_or(false) {
            report_left_out(&path, obstacles)?;
        }
    }
    let basename = names.basename.clone();
    let (mut engine, cut_end) = applied(names, manifest, specs)?;
    if let Some(CutEnd {
        file,
        offset,
        bytes,
    }) = cut_end
    {
        obstacles.cut_end(&file, offset, bytes);
    }
    let mut judge = Judge::new(asked.target);
    let bytes = place.make(|folder| {
        let mut manifest = Manifest::default();
        let base = manifest.replace_base(&basename, BaseForm::Rdb, 0);
        let output = Output {
            name: folder.join(base),
            replaces: false,
        };
        let mut to = TargetFile::begin(Some(output), obstacles, asked.skips)?;
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
        saved.map_err(|error| ConvertError::Reported(error.to_string()))?;
        Ok(Some(bytes))
    })?;
    let status = write_summary(asked, bytes, obstacles);
    if let Some(kept) = place.replaced_folder().filter(|_| bytes.is_some()) {
        obstacles.write(&format!("What was there is kept as {}\n", kept.display()));
    }
    Ok(status)
}

/// An engine with the data of an append only file, and the end of its last file that was left
/// out.
fn applied(
    names: Names,
    manifest: Manifest,
    specs: &[&'static [Spec]],
) -> Result<(Engine, Option<CutEnd>), ConvertError> {
    let config = Config {
        databases: DATABASES,
        loglevel: russet_config::LogLevel::Warning,
        // Skipped modules have been named.
        rdb_unknown_modules: UnknownModules::Skip,
        ..Config::default()
    };
    let table = command_table(specs, &config).map_err(|why| refused(&why))?;
    // The loader logs the faults of the files.
    log::init(&config, false);
    let mut engine = Engine::new(config, table, Arc::new(Signals::default()));
    let stopped = "the append only file cannot be applied; the lines above say why";
    let stopped = || ConvertError::Reported(stopped.to_owned());
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
        0 => Ok((engine, loader.cut_end().cloned())),
        failed => {
            let text = format!("{failed} commands of the append only file have failed");
            Err(ConvertError::Reported(text))
        }
    }
}

fn refused(why: &dyn std::fmt::Display) -> ConvertError {
    ConvertError::Reported(why.to_string())
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
    // Expired keys are data as others: the server that loads the file removes them.
    keyspace.set_expiring(ExpiryMode::Replay);
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

/// Judges libraries of functions for a target: the libraries are loaded in the target's dialect.
/// Their calls are not judged, except that Redis has no `server` table.
struct Judge {
    target: Release,
    setup: Setup,
    libraries: Libraries,
}

impl Judge {
    fn new(target: Release) -> Judge {
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

/// Whether code uses Valkey's table of functions, `server`: the word with a field after it. Code
/// that assigns a variable of that name is taken to mean its own table.
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
        let mut judge = Judge::new(Release::Redis72);
        assert_eq!(judge.of(&plain), None);
        let (name, why) = judge.of(&valkey).expect("an obstacle");
        assert!(name == b"lib" && why.contains("`server`"), "{why}");
        assert!(judge.of(&unknown).is_some());
        assert_eq!(Judge::new(Release::Valkey81).of(&valkey), None);
        let (name, _) = judge.of(b"#!js name=other\nx").expect("an obstacle");
        assert_eq!(name, b"other");
    }
}
