//! `russet restore`: copies a set of files as of a moment, next to the original.
//!
//! The base and the incremental files are copied up to the last command or transaction that was
//! complete by then; everything later is left out, whichever file the moment is in. The source set
//! is not changed, and a server can start with the new set: `russet --dir DIR --appendonly yes`.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};

use super::super::check::snapshot_time;
use super::super::rdb::is_snapshot;
use super::disk::Disk;
use super::log::Names;
use super::manifest::Manifest;
use super::reader::{Fault, Reader};
use super::units::Commands;
use russet_replication::ReplOffset;

/// The moment up to which everything is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Moment {
    /// A Unix second: later commands are left out.
    Time(i64),
    /// A file's name and an offset in it, as faults and `check-aof` report them.
    Bytes(String, u64),
    /// An offset of the stream, as in `master_repl_offset` and the manifest.
    Offset(ReplOffset),
}

/// The accepted forms of a moment.
const FORMS: &str = "a time (Unix seconds, 2026-01-31T12:00:00Z, or without Z local time), \
                     FILE:BYTES or offset:OFFSET";

impl Moment {
    /// Parses the argument of `--until`.
    fn parse(text: &str) -> Result<Moment, String> {
        if let Ok(unix_s) = text.parse::<i64>() {
            return Ok(Moment::Time(unix_s));
        }
        if let Ok(at) = text.parse::<jiff::Timestamp>() {
            return Ok(Moment::Time(at.as_second()));
        }
        if let Ok(local) = text.parse::<jiff::civil::DateTime>() {
            let at = local.to_zoned(jiff::tz::TimeZone::system());
            let at = at.map_err(|error| error.to_string())?;
            return Ok(Moment::Time(at.timestamp().as_second()));
        }
        match text.rsplit_once(':').map(|(name, n)| (name, n.parse())) {
            Some(("offset", Ok(n))) => Ok(Moment::Offset(n)),
            Some((name, Ok(n))) if !name.is_empty() => Ok(Moment::Bytes(name.to_owned(), n)),
            _ => Err(format!("'{text}' is not a time: {FORMS}")),
        }
    }
}

/// Why nothing was restored.
#[derive(Debug, thiserror::Error)]
enum RestoreError {
    #[error("{}: {}", .0.display(), russet_config::system_text(.1))]
    Io(PathBuf, io::Error),
    #[error("{0}")]
    Reported(String),
}

/// Where an incremental file is cut, and the stream offset there.
struct CutPoint {
    /// `None`: all of it is kept.
    at: Option<u64>,
    /// The offset of the stream there.
    offset: ReplOffset,
}

/// Restores as the module says; returns the messages and the exit status. `from`: the manifest, the
/// folder with it, or a folder (a backup, the server's `dir`) with a single such folder; `to`: a
/// folder that is missing or empty, in which a folder by the set's name is made, unless it has that
/// name itself.
pub fn run(from: &Path, until: Option<&str>, to: &Path) -> (String, i32) {
    let until = until
        .map(Moment::parse)
        .transpose()
        .map_err(RestoreError::Reported);
    match until.and_then(|until| restore(from, until.as_ref(), to)) {
        Ok(reported) => (reported, 0),
        Err(error) => (format!("Cannot restore: {error}\n"), 1),
    }
}

fn restore(from: &Path, until: Option<&Moment>, to: &Path) -> Result<String, RestoreError> {
    let (names, mut manifest) = set_of(from)?;
    let end = match until {
        None => None,
        Some(moment) => find(&names, &manifest, moment)?,
    };
    let (kept, cut) = end.unwrap_or((manifest.incrs.len(), None));
    manifest.incrs.truncate(kept);
    if let (Some(_), Some(last)) = (cut, manifest.incrs.last_mut()) {
        last.end = None;
    }
    let target = target(&names, to)?;
    let last = manifest.parts().count().saturating_sub(1);
    let mut reported = String::new();
    for (at, part) in manifest.parts().enumerate() {
        let len = cut.filter(|_| at == last);
        let bytes = copy(&names.path(&part.name), &target.path(&part.name), len)?;
        let is_cut = if len.is_some() { ", cut off" } else { "" };
        reported += &format!("{}: {bytes} bytes{is_cut}\n", part.name);
    }
    let (disk, name) = (Disk::default(), target.manifest());
    let saved = manifest.save(&disk, &target.dir, &name);
    saved.map_err(|e| RestoreError::Io(target.path(&name), e))?;
    give_owner(&names.dir, &target.dir);
    give_owner(&names.path(&names.manifest()), &target.path(&name));
    reported += &format!(
        "Restored to {}. It starts with: russet --dir {} --appendonly yes",
        target.dir.display(),
        target.dir.parent().unwrap_or(to).display(),
    );
    for (directive, is, usual) in [
        ("appendfilename", &*target.basename, "appendonly.aof"),
        ("appenddirname", &*folder_name(&target.dir), "appendonlydir"),
    ] {
        if is != usual {
            reported += &format!(" --{directive} {is}");
        }
    }
    reported.push('\n');
    Ok(reported)
}

/// The command that copies the data before a fault to a new folder and leaves the set unchanged.
/// `dir`: the folder of the set. `None`: the set has no incremental file of this name, because the
/// file is the base or has no manifest.
pub fn command_before(dir: &Path, file: &str, offset: u64) -> Option<String> {
    let (_, manifest) = find_set(dir).ok()?;
    let is_incr = manifest.incrs.iter().any(|part| part.name == *file);
    is_incr.then(|| {
        let offset = whole_before(&dir.join(file), offset);
        format!(
            "russet restore --from {} --until {file}:{offset} --to NEWFOLDER",
            dir.display()
        )
    })
}

/// The end of the last whole unit up to `offset`. A load notices a wrong length only after the
/// command that has it; a copy is more strict.
fn whole_before(path: &Path, offset: u64) -> u64 {
    let Ok(mut reader) = Reader::open(path) else {
        return offset;
    };
    reader.end_at(offset);
    let mut commands = Commands::default();
    while let Ok(true) = commands.unit(&mut reader) {}
    reader.sound()
}

/// The set that `from` names (see [`run`]), without its history; or why there is none.
pub fn find_set(from: &Path) -> Result<(Names, Manifest), String> {
    set_of(from).map_err(|error| error.to_string())
}

fn set_of(from: &Path) -> Result<(Names, Manifest), RestoreError> {
    let names = source(from)?;
    let mut manifest = names
        .read_manifest()
        .map_err(|e| RestoreError::Reported(e.to_string()))?;
    manifest.history.clear();
    if manifest.is_empty() {
        let text = format!("{} names no file", names.path(&names.manifest()).display());
        return Err(RestoreError::Reported(text));
    }
    Ok((names, manifest))
}

fn folder_name(dir: &Path) -> String {
    let name = dir.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// The set that `from` names; see [`run`].
fn source(from: &Path) -> Result<Names, RestoreError> {
    let io = |e| RestoreError::Io(from.to_owned(), e);
    let manifest = if fs::metadata(from).map_err(io)?.is_dir() {
        let mut found = manifests_in(from).map_err(io)?;
        if found.is_empty() {
            let entries = fs::read_dir(from).map_err(io)?;
            let folders = entries.filter_map(|entry| Some(entry.ok()?.path()));
            // A folder that cannot be read has no manifest to offer.
            found = folders
                .flat_map(|path| manifests_in(&path).unwrap_or_default())
                .collect();
        }
        let count = found.len();
        match (count, found.pop()) {
            (1, Some(manifest)) => manifest,
            (0, _) => {
                let text = format!(
                    "{} has no manifest of an append only file; a snapshot (dump.rdb) needs no \
                         restoring: start with a copy of it in `dir`",
                    from.display()
                );
                return Err(RestoreError::Reported(text));
            }
            _ => {
                let text = format!("{} has several manifests: name one", from.display());
                return Err(RestoreError::Reported(text));
            }
        }
    } else {
        from.to_owned()
    };
    let dir = manifest.parent().unwrap_or(Path::new(""));
    let dir = if dir == Path::new("") {
        Path::new(".")
    } else {
        dir
    };
    let dir = dir
        .canonicalize()
        .map_err(|e| RestoreError::Io(dir.to_owned(), e))?;
    let name = folder_name(&manifest);
    let basename = name.strip_suffix(".manifest");
    let basename = basename
        .ok_or_else(|| RestoreError::Reported(format!("{} is no manifest", manifest.display())))?
        .to_owned();
    Ok(Names { dir, basename })
}

/// The manifests right in a folder.
fn manifests_in(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)?;
    let is_one = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "manifest");
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    Ok(paths.filter(is_one).collect())
}

/// Creates the folder of the new set.
fn target(from: &Names, to: &Path) -> Result<Names, RestoreError> {
    let io = |e| RestoreError::Io(to.to_owned(), e);
    match fs::read_dir(to).map(Iterator::count) {
        Ok(0) => {}
        Ok(_) => {
            return Err(RestoreError::Reported(format!(
                "{} is not empty",
                to.display()
            )));
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => fs::create_dir_all(to).map_err(io)?,
        Err(e) => return Err(io(e)),
    }
    let name = folder_name(&from.dir);
    let dir = if to.file_name().is_some_and(|its| *its == *name) {
        to.to_owned()
    } else {
        to.join(name)
    };
    let names = Names {
        dir,
        basename: from.basename.clone(),
    };
    names
        .make_folder()
        .map_err(|e| RestoreError::Reported(e.to_string()))?;
    Ok(names)
}

/// The number of incremental files to keep, and where to cut the last of them; `None`: all of
/// everything is kept.
fn find(
    names: &Names,
    manifest: &Manifest,
    moment: &Moment,
) -> Result<Option<(usize, Option<u64>)>, RestoreError> {
    if let (Some(base), Moment::Time(until)) = (&manifest.base, moment) {
        let path = names.path(&base.name);
        let made = if is_snapshot(&path).map_err(|e| RestoreError::Io(path.clone(), e))? {
            snapshot_time(&path).map_err(RestoreError::Reported)?
        } else {
            None
        };
        if let Some(made) = made.filter(|made| made > until) {
            return Err(RestoreError::Reported(format!(
                "{} was made at the Unix time {made}: an earlier moment needs an older set, as a \
                 backup",
                base.name
            )));
        }
    }
    if let Moment::Bytes(name, _) = moment
        && !manifest.incrs.iter().any(|part| part.name == *name)
    {
        return Err(RestoreError::Reported(format!(
            "the set has no file {name} to cut"
        )));
    }
    let mut offset = 0;
    for (at, part) in manifest.incrs.iter().enumerate() {
        let path = names.path(&part.name);
        offset = part.start.unwrap_or(offset);
        let limit = match moment {
            Moment::Time(until) => Limit::Time(*until),
            Moment::Offset(until) if *until < offset => {
                let text = format!("{} begins at offset {offset}", part.name);
                return Err(RestoreError::Reported(text));
            }
            Moment::Offset(until) => Limit::Offset(*until),
            Moment::Bytes(name, bytes) if *name == part.name => Limit::Bytes(*bytes),
            Moment::Bytes(..) => continue,
        };
        let is_last = at + 1 == manifest.incrs.len();
        let cut = look(&path, offset, limit, is_last)?;
        offset = cut.offset;
        let ends_here = matches!(limit, Limit::Bytes(_)) || cut.at.is_some();
        if ends_here {
            return Ok(Some((at + 1, cut.at)));
        }
    }
    match moment {
        Moment::Offset(until) if *until > offset => Err(RestoreError::Reported(format!(
            "the set ends at offset {offset}"
        ))),
        _ => Ok(None),
    }
}

/// The limit up to which one file is read.
#[derive(Clone, Copy)]
enum Limit {
    Time(i64),
    Bytes(u64),
    Offset(ReplOffset),
}

/// Reads a file, which begins at `offset` of the stream, up to its limit; returns where that is.
fn look(
    path: &Path,
    offset: ReplOffset,
    limit: Limit,
    is_last: bool,
) -> Result<CutPoint, RestoreError> {
    let io = |e| RestoreError::Io(path.to_owned(), e);
    let mut reader = Reader::open(path).map_err(io)?;
    reader.begin_stream_at(offset);
    if let Limit::Time(until) = limit {
        reader.stop_after(until);
    }
    let size = reader.size();
    let mut commands = Commands::default();
    let mut reached = offset;
    let at = loop {
        let before = reader.sound();
        match commands.unit(&mut reader) {
            Ok(true) => {
                let (_, offset) = reader.stream();
                let passed = match limit {
                    Limit::Time(_) => false,
                    Limit::Bytes(until) => reader.sound() > until,
                    Limit::Offset(until) => offset > until,
                };
                if passed {
                    break Some(before);
                }
                reached = offset;
            }
            Ok(false) => {
                let later = commands.later();
                if later.is_none() {
                    reached = reader.stream().1;
                }
                break later;
            }
            // A torn end after a crash is no loss; and the limit may be before it.
            Err(Fault::Torn { sound }) if is_last => break Some(sound),
            Err(fault) => {
                let sound = match fault {
                    Fault::Checksum { from, .. } => from,
                    _ => reader.sound(),
                };
                if matches!(limit, Limit::Bytes(until) if until <= sound) {
                    break Some(before.min(sound));
                }
                let name = folder_name(path);
                return Err(RestoreError::Reported(format!(
                    "{name}: {fault}. To keep what precedes it: --until {name}:{sound}"
                )));
            }
        }
    };
    if matches!(limit, Limit::Time(_)) && at.is_none() && size > 0 && !reader.has_times() {
        return Err(RestoreError::Reported(format!(
            "{} does not tell when anything was done: give FILE:BYTES or offset:OFFSET",
            folder_name(path)
        )));
    }
    Ok(CutPoint {
        at: at.filter(|&at| at < size),
        offset: reached,
    })
}

/// Copies a file, or its first `len` bytes, to disk; returns their number.
fn copy(from: &Path, to: &Path, len: Option<u64>) -> Result<u64, RestoreError> {
    let source = File::open(from).map_err(|e| RestoreError::Io(from.to_owned(), e))?;
    let copied = File::create_new(to).and_then(|mut file| {
        let bytes = io::copy(&mut source.take(len.unwrap_or(u64::MAX)), &mut file)?;
        file.flush()?;
        file.sync_data()?;
        Ok(bytes)
    });
    give_owner(from, to);
    copied.map_err(|e| RestoreError::Io(to.to_owned(), e))
}

/// Gives a copy the owner and the mode of its source: root restores for the user of the server,
/// which could not write to files of root. Another user may not, and has no need to.
fn give_owner(from: &Path, to: &Path) {
    let Ok(meta) = fs::metadata(from) else { return };
    let _ = chown(to, Some(meta.uid()), Some(meta.gid()));
    let _ = fs::set_permissions(to, meta.permissions());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_times_places_or_counts() {
        for (text, moment) in [
            ("1700000000", Moment::Time(1_700_000_000)),
            ("2023-11-14T22:13:20Z", Moment::Time(1_700_000_000)),
            ("2023-11-14T23:13:20+01:00", Moment::Time(1_700_000_000)),
            ("offset:17", Moment::Offset(17)),
            ("a.1.incr.aof:9", Moment::Bytes("a.1.incr.aof".into(), 9)),
        ] {
            assert_eq!(Moment::parse(text), Ok(moment), "{text}");
        }
        for text in ["", "x", ":5", "offset:x", "2023-13-01T00:00:00Z"] {
            assert!(Moment::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_copy_has_the_mode_and_owner_of_its_source() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        fs::write(&from, "x").expect("written");
        fs::set_permissions(&from, fs::Permissions::from_mode(0o640)).expect("its mode");
        // As root, another owner; else there is none to give it to.
        let _ = chown(&from, Some(999), Some(999));
        assert_eq!(copy(&from, &to, None).expect("copied"), 1);
        let seen = |path| {
            let meta = fs::metadata(path).expect("there");
            (meta.uid(), meta.gid(), meta.permissions().mode() & 0o777)
        };
        assert_eq!(seen(&to), seen(&from));
        assert_eq!(seen(&to).2, 0o640);
    }
}
