//! `preload-file`: data from elsewhere, for example a backup, that is loaded at start in place of
//! the server's own.
//!
//!     aof:/PATH.manifest    a set of append only files
//!     aof:/PATH.aof         a single file
//!     rdb:/PATH.rdb         a snapshot
//!
//! With `appendonly yes` the files are copied into the server's own set, which is then loaded as
//! usual; if that set exists already, it is loaded instead, so that a restart loses nothing.
//! Without it, the files are only read.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::parts::persist::aof::Aof;
use crate::parts::persist::loading::LoadFailed;
use crate::persist::aof::AofLoader;
use crate::persist::loading::AfterLoading;
use crate::state::world::Engine;
use russet_config::system_text;
use russet_persistence::aof::{Disk, Manifest, Names};

/// The file or set that `preload-file` names.
struct Preload {
    is_rdb: bool,
    path: PathBuf,
}

impl Preload {
    /// Parses a checked value.
    fn parse(text: &[u8]) -> Preload {
        use std::os::unix::ffi::OsStrExt;
        let (kind, path) = text.split_at(text.len().min(4));
        Preload {
            is_rdb: kind == b"rdb:",
            path: Path::new(std::ffi::OsStr::from_bytes(path)).to_owned(),
        }
    }

    /// The set of files at the path: the names of its folder, and the manifest.
    fn set(&self) -> Result<(Names, Manifest), LoadFailed> {
        let dir = self.path.parent().unwrap_or(Path::new("/")).to_owned();
        let name = self.path.file_name().unwrap_or_default();
        let name = name.to_string_lossy().into_owned();
        if let Some(basename) = name.strip_suffix(".manifest").filter(|_| !self.is_rdb) {
            let names = Names {
                dir,
                basename: basename.to_owned(),
            };
            let manifest = names.read_manifest().map_err(|error| {
                tracing::warn!("{error}");
                LoadFailed
            })?;
            if manifest.is_empty() {
                let path = self.path.display();
                tracing::warn!(
                    "Fatal error: can't open the AOF manifest file {path} for reading: No such \
                     file or directory"
                );
                return Err(LoadFailed);
            }
            return Ok((names, manifest));
        }
        if !self.is_rdb && !name.ends_with(".aof") {
            tracing::warn!(
                "Invalid preload-file configuration (not .aof or .manifest): aof:{}. Exiting.",
                self.path.display()
            );
            return Err(LoadFailed);
        }
        let basename = name.clone();
        Ok((Names { dir, basename }, Manifest::of_old_file(&name)))
    }

    fn log_failure(&self, why: &str) -> LoadFailed {
        let (kind, path) = (if self.is_rdb { "RDB" } else { "AOF" }, self.path.display());
        tracing::warn!("FATAL: pre-loading {kind} failed! ({path}): {why}. Exiting.");
        LoadFailed
    }
}

/// Copies the files of a set and its manifest. The manifest is last: without it there is no set.
fn install(disk: &Disk, from: &Names, manifest: &Manifest, to: &Names) -> Result<(), String> {
    to.make_folder().map_err(|error| error.to_string())?;
    for part in manifest.parts() {
        let (source, copy) = (from.path(&part.name), to.path(&part.name));
        let copied = fs::copy(&source, &copy).and_then(|_| File::open(&copy)?.sync_all());
        copied.map_err(|error| format!("{}: {}", source.display(), system_text(&error)))?;
    }
    to.save(disk, manifest).map_err(|error| error.to_string())
}

impl Engine {
    /// Prepares to load the file or set that `preload-file` names.
    pub(super) fn begin_preloading(&mut self) -> Result<(), LoadFailed> {
        let config = &self.server.config;
        let preload = Preload::parse(&config.preload_file);
        if !config.appendonly && preload.is_rdb {
            if let Err(error) = fs::metadata(&preload.path) {
                return Err(preload.log_failure(&system_text(&error)));
            }
            return self.begin_loading_rdb(&preload.path, AfterLoading::Serve);
        }
        let disk = self.server.persist.aof.disk().clone();
        if config.appendonly {
            let own = Aof::names(config);
            let has_own = own
                .read_manifest()
                .map_or(true, |manifest| !manifest.is_empty());
            if has_own {
                tracing::warn!(
                    "preload-file is ignored, because there is an append only file: it is loaded"
                );
                return self.begin_loading_aof();
            }
            let (from, manifest) = preload.set()?;
            install(&disk, &from, &manifest, &own).map_err(|why| preload.log_failure(&why))?;
            tracing::info!("Successfully installed preload files into the local AOF");
            return self.begin_loading_aof();
        }
        let (names, manifest) = preload.set()?;
        let (loader, bytes) = AofLoader::of_foreign(names, manifest)?;
        let Engine {
            keyspace, server, ..
        } = self;
        server.begin_loading(keyspace, bytes);
        self.loader = Some(Box::new(loader));
        Ok(())
    }
}
