//! The place of a new set of files: a folder that gets its name when it is whole.
//!
//!     NAME.temp-convert-N   the set while it is written; removed if that fails
//!     NAME                  the set when it is whole
//!     NAME.before-N         the folder that it replaced (`--force`)
//!
//! Invariants
//!   1. A folder that is not empty is replaced only if the caller asks for it, and is then kept.
//!   2. If the second rename fails, the first is undone: the old folder has its name again.
//!
//! Cost: two renames and a sync of a folder; no data is copied. `convert` writes the files.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use russet_config::Conversion;
use russet_persistence::background::sync_folder;
use russet_persistence::convert::ConvertError;

/// A path in plain form: the name of its folder, which must be there, and a last name without a
/// slash after it.
pub(super) fn plain(path: &Path) -> Result<PathBuf, ConvertError> {
    let Some(name) = path.file_name() else {
        let text = format!("{} does not end in a name", path.display());
        return Err(ConvertError::Reported(text));
    };
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let io = |error| ConvertError::Io(folder.to_owned(), error);
    if fs::metadata(folder).map_err(io)?.is_dir() {
        Ok(folder.join(name))
    } else {
        Err(io(io::Error::from_raw_os_error(libc::ENOTDIR)))
    }
}

/// See the module.
pub(super) struct SetPlace {
    to: PathBuf,
    temporary: PathBuf,
    /// The new name of a folder that is replaced.
    kept: Option<PathBuf>,
}

impl SetPlace {
    /// The place of `asked.to`, a path in plain form. Fails if something is there that must not be
    /// replaced.
    pub(super) fn new(asked: &Conversion) -> Result<SetPlace, ConvertError> {
        let to = &asked.to;
        let io = |error| ConvertError::Io(to.clone(), error);
        let reported = |text: String| Err(ConvertError::Reported(text));
        let mut kept = None;
        match fs::symlink_metadata(to) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(io(error)),
            Ok(found) if !found.is_dir() => {
                let to = to.display();
                return reported(format!("{to} is no folder, as the new set must be"));
            }
            Ok(_) => match fs::read_dir(to).map_err(io)?.count() {
                0 => {}
                _ if asked.replaces => kept = Some(free_name(to, "before")),
                _ => {
                    return reported(format!(
                        "{} is not empty: --force puts the new set in its place, and keeps it under \
                         another name",
                        to.display()
                    ));
                }
            },
        }
        Ok(SetPlace {
            to: to.clone(),
            temporary: free_name(to, "temp-convert"),
            kept,
        })
    }

    /// The new name of the replaced folder, if there was a folder.
    pub(super) fn replaced_folder(&self) -> Option<&Path> {
        self.kept.as_deref()
    }

    /// Makes the set; `None`: it was not made.
    pub(super) fn make(
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
            // The folder is our own, and holds only files that were just written.
            let _ = fs::remove_dir_all(&self.temporary);
        }
        made
    }

    /// Renames the set. If that fails, the folder that was there has its name again.
    fn give_name(&self) -> io::Result<()> {
        if let Some(kept) = &self.kept {
            fs::rename(&self.to, kept)?;
        }
        if let Err(error) = fs::rename(&self.temporary, &self.to) {
            if let Some(kept) = &self.kept {
                // The first error is reported.
                let _ = fs::rename(kept, &self.to);
            }
            return Err(error);
        }
        sync_folder(&self.to)
    }
}

/// The first of the names `NAME.WHAT-1`, `NAME.WHAT-2` and so on that is not in use.
fn free_name(of: &Path, what: &str) -> PathBuf {
    let mut n = 1;
    loop {
        let mut name = of.file_name().unwrap_or(OsStr::new("set")).to_owned();
        name.push(format!(".{what}-{n}"));
        let path = of.with_file_name(name);
        if fs::symlink_metadata(&path).is_err() {
            return path;
        }
        n += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use russet_config::Release;

    fn conversion_to(to: &Path, replaces: bool) -> Conversion {
        Conversion {
            target: Release::Redis72,
            from: "from".into(),
            to: to.to_owned(),
            skips: false,
            replaces,
        }
    }

    #[test]
    fn a_path_in_plain_form_has_a_folder_that_is_there() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = folder.path();
        assert_eq!(plain(&at.join("new/")).expect("a path"), at.join("new"));
        assert_eq!(plain(Path::new("new")).expect("a path"), Path::new("./new"));
        fs::write(at.join("file"), "").expect("written");
        for bad in [
            Path::new("/"),
            &at.join(".."),
            &at.join("missing/new"),
            &at.join("file/new"),
        ] {
            assert!(plain(bad).is_err(), "{}", bad.display());
        }
    }

    #[test]
    fn a_set_that_cannot_get_its_name_leaves_the_old_one_in_place() {
        let folder = tempfile::tempdir().expect("a folder");
        let to = folder.path().join("set");
        fs::create_dir(&to).expect("made");
        fs::write(to.join("old"), "1").expect("written");
        assert!(SetPlace::new(&conversion_to(&to, false)).is_err());
        let place = SetPlace::new(&conversion_to(&to, true)).expect("a place");
        // The folder vanishes before it is renamed.
        let made = place.make(|temporary| {
            fs::remove_dir(temporary).expect("removed");
            Ok(Some(1))
        });
        assert!(made.is_err());
        assert_eq!(fs::read(to.join("old")).expect("it is there"), b"1");
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
        for (n, names) in [(2, 1), (3, 2)] {
            let place = SetPlace::new(&conversion_to(&to, true)).expect("a place");
            let made = place.make(|temporary| {
                fs::write(temporary.join("new"), "2").expect("written");
                Ok(Some(1))
            });
            assert_eq!(made.expect("made"), Some(1));
            assert!(to.join("new").exists());
            let kept = folder.path().join(format!("set.before-{names}"));
            assert_eq!(place.replaced_folder(), Some(kept.as_path()));
            assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), n);
        }
    }
}
