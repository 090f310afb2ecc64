//! An RDB file for a target. It is written under a temporary name in its folder, with a checksum,
//! forced to disk, and then renamed: under its name there is always a whole file. A file that is
//! not finished is removed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::super::background::{BackgroundFile, Plan, sync_folder};
use super::super::rdb::{Fault, INDEXES, ModuleData, RdbWriter, Settings, Use, VALKEY_INDEXES};
use super::obstacles::Obstacles;
use super::{ConvertError, version_of};
use russet_config::{Dialect, Release};
use russet_json::Path as DocumentPath;
use russet_keyspace::{DbIndex, KeyView, ValueView};
use russet_search::file::{self, Definition};
use russet_search::schema::parse::{self, JsonPath};
use russet_types::{Bloom, Json, PathHash};

/// Size at which bytes are handed to the file.
const CHUNK_BYTES: usize = 256 * 1024;

/// The name of the file to be made.
#[derive(Clone, Debug)]
pub struct Output {
    /// The path of the file.
    pub name: PathBuf,
    /// `--force`: a file of that name is replaced.
    pub replaces: bool,
}

impl Output {
    /// Fails if a file is there that must not be replaced.
    pub fn check(&self) -> Result<(), ConvertError> {
        match fs::symlink_metadata(&self.name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(ConvertError::Io(self.name.clone(), error)),
            Ok(found) if found.is_dir() => {
                let name = self.name.display();
                Err(ConvertError::Reported(format!("{name} is a folder")))
            }
            Ok(_) if self.replaces => Ok(()),
            Ok(_) => {
                let name = self.name.display();
                let text = format!("{name} is there already: --force replaces it");
                Err(ConvertError::Reported(text))
            }
        }
    }

    /// The name while the file is written.
    fn temporary(&self) -> PathBuf {
        let folder = self.name.parent().unwrap_or(Path::new(""));
        folder.join(format!("temp-convert-{}.rdb", std::process::id()))
    }
}

/// See the module.
pub struct TargetFile<'a, 't> {
    writer: RdbWriter,
    /// `None`: keys are only judged.
    file: Option<(BackgroundFile, PathBuf)>,
    output: Option<Output>,
    /// The obstacles found so far.
    pub obstacles: &'a mut Obstacles<'t>,
    /// Keys with obstacles are left out; otherwise the first such key ends the file.
    skips: bool,
    selected: Option<DbIndex>,
}

impl<'a, 't> TargetFile<'a, 't> {
    /// Begins the file; without `output` keys are only judged.
    pub fn begin(
        output: Option<Output>,
        obstacles: &'a mut Obstacles<'t>,
        skips: bool,
    ) -> Result<TargetFile<'a, 't>, ConvertError> {
        let mut writer = RdbWriter::new(version_of(obstacles.target), true);
        let mut file = None;
        if let Some(output) = &output {
            output.check()?;
            let temporary = output.temporary();
            let plan = Plan {
                temporary: temporary.clone(),
                name: output.name.clone(),
                checksum: Some(true),
                incremental_fsync: true,
            };
            let made = BackgroundFile::create_here(plan);
            let made = made.map_err(|error| ConvertError::Io(temporary.clone(), error))?;
            file = Some((made, temporary));
        }
        writer.magic();
        let (name, version) = obstacles.target.dialect().version_fact();
        writer.aux(name, version.as_bytes());
        writer.aux("redis-bits", b"64");
        Ok(TargetFile {
            writer,
            file,
            output,
            obstacles,
            skips,
            selected: None,
        })
    }

    /// A fact about the file. If it cannot be written, nothing after it can, which reports the
    /// error.
    pub fn fact(&mut self, name: &str, value: &[u8]) {
        self.writer.aux(name, value);
        let _ = self.hand_over(CHUNK_BYTES);
    }

    /// A library of functions that the target can load.
    pub fn library(&mut self, code: &[u8]) -> io::Result<()> {
        self.writer.function(code);
        self.hand_over(CHUNK_BYTES)
    }

    /// Data beside the keys: indexes in the form that each target reads, which needs the module
    /// `search`.
    pub fn settings(&mut self, settings: &Settings) -> Result<(), Fault> {
        if settings.id.name == VALKEY_INDEXES && !settings.items.is_empty() {
            return self.valkey_indexes(settings);
        }
        if settings.id.name != INDEXES {
            let id = (settings.id.name.as_str(), settings.id.version);
            self.writer.settings(id, &settings.items, settings.is_after);
            return Ok(());
        }
        let definitions = file::read(settings.id.version, &settings.items);
        let definitions = definitions.map_err(|damaged| Fault::damaged(damaged.0))?;
        self.obstacles.indexes(definitions.len());
        let (version, items) = file::write(&definitions);
        self.writer
            .settings((INDEXES, version), &items, settings.is_after);
        Ok(())
    }

    /// Indexes of Valkey's module, in the form of Redis's module.
    fn valkey_indexes(&mut self, settings: &Settings) -> Result<(), Fault> {
        let lines = file::read_valkey(&settings.items);
        let lines = lines.map_err(|damaged| Fault::damaged(damaged.0))?;
        let mut definitions = Vec::new();
        for (name, line) in lines {
            let words: Vec<&[u8]> = line.iter().skip(2).map(Vec::as_slice).collect();
            match parse::create(&name, &words, &check_path) {
                Ok(schema) => definitions.push(Definition {
                    name,
                    schema,
                    synonyms: Default::default(),
                    aliases: Vec::new(),
                    left_ms: None,
                    unread_filter: None,
                }),
                Err(_) => self.obstacles.module(VALKEY_INDEXES, ModuleData::Settings),
            }
        }
        self.obstacles.indexes(definitions.len());
        let (version, items) = file::write(&definitions);
        self.writer
            .settings((INDEXES, version), &items, settings.is_after);
        Ok(())
    }

    /// The part of a value that the target cannot read. Path hashes: its file format may have them,
    /// but no target does. Typed arrays: Redis's module has them since 8.8.
    fn unreadable(&self, value: &ValueView<'_>) -> Option<&'static str> {
        if value.get::<PathHash>().is_some() {
            Some("a path hash")
        } else if self.obstacles.target.dialect() == Dialect::Redis
            && value
                .get::<Bloom>()
                .is_some_and(|filter| filter.seeding().is_some())
        {
            Some("a Bloom filter of Valkey's module")
        } else if !matches!(self.obstacles.target, Release::Redis810 | Release::Redis812)
            && value.get::<Json>().is_some_and(|json| json.has_fpha())
        {
            Some("a JSON document with typed arrays")
        } else {
            self.writer.lost_content(value)
        }
    }

    /// A key, or an obstacle.
    pub fn key(&mut self, db: DbIndex, view: &KeyView<'_>, used: Use) -> io::Result<()> {
        if let Some(lost) = self.unreadable(&view.value) {
            self.obstacles.key(db, view.key, lost);
            return Ok(());
        }
        self.obstacles.fine(db);
        if view.is_blessed && !self.writer.has_marks() {
            self.obstacles.mark_lost();
        }
        if let ValueView::Container(container) = &view.value {
            self.obstacles.of_module(container.kind());
        }
        if !self.continue_writing() {
            return Ok(());
        }
        if self.selected != Some(db) {
            self.selected = Some(db);
            self.writer.select(db, None);
        }
        let mut at = Some(self.writer.begin_key(view, used));
        while let Some(from) = at {
            at = self.writer.part(&view.value, from, usize::MAX);
            self.hand_over(CHUNK_BYTES)?;
        }
        Ok(())
    }

    /// Whether keys are still written. Drops the file at the first obstacle: from then on keys are
    /// only judged.
    fn continue_writing(&mut self) -> bool {
        if !self.obstacles.are_none() && !self.skips {
            self.file = None;
        }
        self.file.is_some()
    }

    /// Hands on the written bytes, if there are at least `least`.
    fn hand_over(&mut self, least: usize) -> io::Result<()> {
        if self.writer.len() < least {
            return Ok(());
        }
        let bytes = self.writer.take(Vec::new());
        let Some((file, _)) = &self.file else {
            return Ok(());
        };
        let spare = file.write(bytes);
        self.writer.take(spare);
        // Written at once: there is an end only if that has failed.
        file.end().map_or(Ok(()), |end| end.map(|_| ()))
    }

    /// Ends the file and gives it the target name; returns the number of bytes. `None`: there is no
    /// file, because the caller wanted none or there were obstacles.
    pub fn finish(mut self) -> Result<Option<u64>, ConvertError> {
        if !self.continue_writing() {
            return Ok(None);
        }
        self.writer.end();
        let ended = self.hand_over(0);
        let (Some((file, temporary)), Some(output)) = (self.file.take(), self.output.take()) else {
            return Ok(None);
        };
        let failed = |error| ConvertError::Io(temporary.clone(), error);
        ended.map_err(failed)?;
        file.finish();
        let bytes = file.end().unwrap_or(Ok(0)).map_err(failed)?;
        let named = output.check().and_then(|()| {
            let name = &output.name;
            let named = fs::rename(&temporary, name).and_then(|()| sync_folder(name));
            named.map_err(|error| ConvertError::Io(name.clone(), error))
        });
        if named.is_err() {
            // The error reported is the first error.
            let _ = fs::remove_file(&temporary);
        }
        named.map(|()| Some(bytes))
    }
}

/// Whether a text is a path into documents, and whether the values that it finds have an order.
fn check_path(text: &[u8]) -> Option<JsonPath> {
    let text = std::str::from_utf8(text).ok()?;
    let path = DocumentPath::parse(text).ok()?;
    Some(if path.is_static() {
        JsonPath::Ordered
    } else {
        JsonPath::Unordered
    })
}
