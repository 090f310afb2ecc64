//! Reading the files of a running server, so that damage is found before a restart needs them.
//!
//! The set is read as a load reads it, but nothing is made of it, and no value is held: the base by
//! its structure and its checksum, incremental files command by command with the checksums among
//! them. Of the file being written only the bytes that were whole when the pass began are read.
//! Each file is read up to its first fault, the others after it as well.
//!
//! A pass is slow on purpose: at most [`BYTES_PER_S`], in small pieces ([`PacedFile`]). Its reads
//! of files that are not written any more are dropped from the page cache, which commands and
//! replicas need more.
//!
//! Files may be replaced meanwhile: a file that the manifest does not list any more is no damage,
//! and the pass ends as [`End::Changed`].

use std::cell::RefCell;
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::super::rdb::{self, Fault as RdbFault, is_snapshot};
use super::log::Names;
use super::manifest::Manifest;
use super::reader::{Fault, Reader};
use super::units::pass_unit;
use russet_base::sys;
use russet_base::text::system_text;

/// Bytes read a second.
const BYTES_PER_S: u64 = 32 << 20;
/// Shorter sleeps wait until more is due.
const SLEEP_MIN: Duration = Duration::from_millis(10);
/// The longest sleep between two looks at whether to stop.
const SLEEP_MAX: Duration = Duration::from_millis(50);
/// Bytes after which the pages that were read are dropped from the page cache.
const DROP_BYTES: u64 = 4 << 20;

/// The files of a pass.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The names and the folder of the set.
    pub names: Names,
    /// The files to be read.
    pub manifest: Manifest,
    /// Bytes of the last incremental file that are whole.
    pub current_bytes: u64,
}

/// A fault of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The name of the file.
    pub file: String,
    /// The first byte that is not certainly sound.
    pub offset: u64,
    /// The fault, in words.
    pub what: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Damage { file, offset, what } = self;
        write!(f, "{file}, offset {offset}: {what}")
    }
}

/// How a pass ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// All files have been read to their ends.
    Read {
        /// Bytes that were read.
        bytes: u64,
        /// The faults found, at most 1 for each file.
        damage: Vec<Damage>,
    },
    /// The files are no longer the plan's files.
    Changed,
    /// The caller asked it to stop.
    Stopped,
}

/// Reads all files of a plan. The pace decides how long it takes, so a separate thread runs it.
pub fn scrub(plan: &Plan, stop: &Arc<AtomicBool>) -> End {
    let pace = Pace {
        due: Instant::now(),
        bytes: 0,
        stop: Arc::clone(stop),
    };
    let mut pass = Pass {
        plan,
        pace: Rc::new(RefCell::new(pace)),
    };
    let end = pass.all();
    if stop.load(Ordering::Relaxed) {
        End::Stopped
    } else {
        end
    }
}

/// The pace of a pass.
struct Pace {
    /// When the bytes that were read are all allowed.
    due: Instant,
    bytes: u64,
    stop: Arc<AtomicBool>,
}

impl Pace {
    /// Counts bytes that were read, and sleeps until the pace allows the next bytes. An error: the
    /// pass is to stop.
    fn pass(&mut self, bytes: u64) -> io::Result<()> {
        self.bytes += bytes;
        // Time lost to a slow disk is not made up for by a burst.
        let from = self.due.max(Instant::now());
        self.due = from + Duration::from_secs_f64(bytes as f64 / BYTES_PER_S as f64);
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return Err(io::Error::other("stopped"));
            }
            let early = self.due.saturating_duration_since(Instant::now());
            if early < SLEEP_MIN {
                return Ok(());
            }
            std::thread::sleep(early.min(SLEEP_MAX));
        }
    }
}

/// A file that is read at a pace.
struct PacedFile {
    file: File,
    pace: Rc<RefCell<Pace>>,
    at: u64,
    /// The first byte read that may still be in the page cache; `None`: it stays there.
    cached_from: Option<u64>,
}

impl PacedFile {
    fn open(path: &Path, pace: &Rc<RefCell<Pace>>, stays_cached: bool) -> io::Result<PacedFile> {
        Ok(PacedFile {
            file: File::open(path)?,
            pace: Rc::clone(pace),
            at: 0,
            cached_from: (!stays_cached).then_some(0),
        })
    }

    fn size(&self) -> io::Result<u64> {
        self.file.metadata().map(|data| data.len())
    }

    fn drop_cached(&mut self) {
        if let Some(from) = &mut self.cached_from {
            sys::drop_cached(&self.file, *from..self.at);
            *from = self.at;
        }
    }
}

impl Read for PacedFile {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        /// A read beyond this would be a burst.
        const PIECE_BYTES: usize = 256 << 10;
        let piece = to.len().min(PIECE_BYTES);
        let read = self.file.read(&mut to[..piece])?;
        self.at += read as u64;
        if self
            .cached_from
            .is_some_and(|from| self.at - from >= DROP_BYTES)
        {
            self.drop_cached();
        }
        self.pace.borrow_mut().pass(read as u64)?;
        Ok(read)
    }
}

impl Seek for PacedFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.drop_cached();
        self.at = self.file.seek(to)?;
        self.cached_from = self.cached_from.map(|_| self.at);
        Ok(self.at)
    }
}

impl Drop for PacedFile {
    fn drop(&mut self) {
        self.drop_cached();
    }
}

/// A pass under way.
struct Pass<'a> {
    plan: &'a Plan,
    pace: Rc<RefCell<Pace>>,
}

/// A fault of a file, before it is certain that the file is still needed.
type FileFault = (u64, String);

impl Pass<'_> {
    fn all(&mut self) -> End {
        let Plan {
            names, manifest, ..
        } = self.plan;
        let mut damage = Vec::new();
        match names.read_manifest() {
            Ok(listed) if !manifest.lists_same(&listed) => return End::Changed,
            Ok(listed) if !manifest.begins_same(&listed) => damage.push(Damage {
                file: names.manifest(),
                offset: 0,
                what: "it has other offsets than the server has written".to_owned(),
            }),
            Ok(_) => {}
            Err(error) => damage.push(Damage {
                file: names.manifest(),
                offset: 0,
                what: error.to_string(),
            }),
        }
        let parts = manifest.parts().count();
        for (at, part) in manifest.parts().enumerate() {
            let is_base = manifest.base.is_some() && at == 0;
            let is_current = !is_base && at + 1 == parts;
            let path = names.path(&part.name);
            let found = match self.file(&path, is_base, is_current) {
                Ok(()) => continue,
                Err(found) => found,
            };
            if self.pace.borrow().stop.load(Ordering::Relaxed) {
                return End::Stopped;
            }
            if self.has_changed() {
                return End::Changed;
            }
            let (offset, what) = found;
            damage.push(Damage {
                file: part.name.clone(),
                offset,
                what,
            });
        }
        let bytes = self.pace.borrow().bytes;
        End::Read { bytes, damage }
    }

    /// Whether the manifest lists other files than the plan; `false` if it cannot be read.
    fn has_changed(&self) -> bool {
        let listed = self.plan.names.read_manifest();
        listed.is_ok_and(|listed| !self.plan.manifest.lists_same(&listed))
    }

    fn file(&mut self, path: &Path, is_base: bool, is_current: bool) -> Result<(), FileFault> {
        let io = |error: io::Error| (0, system_text(&error));
        let size = std::fs::metadata(path).map_err(io)?.len();
        let end = if is_current {
            self.plan.current_bytes
        } else {
            size
        };
        if size < end {
            let what = format!("it has {size} bytes of {end} that were written");
            return Err((size, what));
        }
        let from = if is_base && size > 0 && is_snapshot(path).map_err(io)? {
            self.snapshot(path)?
        } else {
            0
        };
        if from < end {
            self.commands(path, from..end, is_current)
        } else {
            Ok(())
        }
    }

    /// A snapshot at the beginning of a file: returns where it ends.
    fn snapshot(&mut self, path: &Path) -> Result<u64, FileFault> {
        let io = |error: io::Error| (0, system_text(&error));
        let file = PacedFile::open(path, &self.pace, false).map_err(io)?;
        let size = file.size().map_err(io)?;
        let (mut input, progress) = rdb::open_reader(file, size).map_err(io)?;
        match rdb::verify(&mut input) {
            Ok(end) => Ok(progress.end(end)),
            Err((offset, RdbFault::Checksum { .. })) => {
                let end = progress.end(offset);
                let what = format!("the bytes up to offset {end} do not have their checksum");
                Err((0, what))
            }
            Err((offset, fault)) => Err((progress.offset(offset), fault.to_string())),
        }
    }

    fn commands(
        &mut self,
        path: &Path,
        range: Range<u64>,
        is_current: bool,
    ) -> Result<(), FileFault> {
        let io = |error: io::Error| (range.start, system_text(&error));
        let file = PacedFile::open(path, &self.pace, is_current).map_err(io)?;
        let size = file.size().map_err(io)?;
        let mut reader = Reader::of(file, size);
        reader.end_at(range.end);
        reader.start_at(range.start).map_err(io)?;
        while pass_unit(&mut reader).map_err(|fault| found(&reader, &fault))? {}
        Ok(())
    }
}

/// A fault, and the first byte that is not certainly sound.
fn found(reader: &Reader<PacedFile>, fault: &Fault) -> FileFault {
    let offset = match fault {
        Fault::Checksum { from, .. } => *from,
        Fault::Format { offset, .. } | Fault::Damaged { offset, .. } => *offset,
        Fault::Torn { sound } => *sound,
        Fault::Io(_) => reader.sound(),
    };
    (offset, fault.to_string())
}

#[cfg(test)]
mod tests {
    use super::super::annotation;
    use super::super::disk::Disk;
    use super::super::manifest::BaseForm;
    use super::*;
    use russet_resp::write_request;
    use std::fs;

    /// A set in a folder: a base of commands, a closed file, the current file.
    fn set(folder: &Path) -> Plan {
        let names = Names {
            dir: folder.to_owned(),
            basename: "a.aof".to_owned(),
        };
        let mut manifest = Manifest::default();
        let base = manifest.replace_base("a.aof", BaseForm::Commands, 0);
        let closed = manifest.add_incr("a.aof", 0);
        let current = manifest.add_incr("a.aof", 100);
        names.save(&Disk::default(), &manifest).expect("saved");
        let mut bytes = Vec::new();
        annotation::write_begin(&mut bytes, 0, 5);
        let begin = bytes.len();
        for i in 0..200 {
            let value = format!("value:{i}");
            write_request(
                &mut bytes,
                [&b"SET"[..], b"key", value.as_bytes()].into_iter(),
            );
        }
        let mut covered = bytes.split_off(begin);
        let offset = (begin + covered.len()) as u64;
        annotation::write_checksum(&mut covered, 0, offset, 6);
        bytes.extend_from_slice(&covered);
        for name in [&base, &closed, &current] {
            fs::write(names.path(name), &bytes).expect("written");
        }
        Plan {
            names,
            manifest,
            current_bytes: bytes.len() as u64,
        }
    }

    fn pass(plan: &Plan) -> End {
        scrub(plan, &Arc::default())
    }

    fn damaged_files(plan: &Plan) -> Vec<String> {
        match pass(plan) {
            End::Read { damage, .. } => damage.into_iter().map(|each| each.file).collect(),
            end => panic!("{end:?}"),
        }
    }

    #[test]
    fn a_flipped_byte_is_found_in_whichever_file_it_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let plan = set(folder.path());
        let end = pass(&plan);
        let bytes = 3 * plan.current_bytes;
        assert_eq!(
            end,
            End::Read {
                bytes,
                damage: Vec::new()
            }
        );
        for part in plan.manifest.parts() {
            let its = std::slice::from_ref(&part.name);
            let path = plan.names.path(&part.name);
            let sound = fs::read(&path).expect("it is there");
            let mut damaged = sound.clone();
            damaged[sound.len() / 2] ^= 1;
            fs::write(&path, damaged).expect("written");
            assert_eq!(damaged_files(&plan), its);
            fs::write(&path, &sound[..sound.len() / 2]).expect("written");
            assert_eq!(damaged_files(&plan), its);
            fs::remove_file(&path).expect("removed");
            assert_eq!(damaged_files(&plan), its);
            fs::write(&path, sound).expect("written");
        }
        let manifest = plan.names.path(&plan.names.manifest());
        // An unknown key is passed over by a load, which would not know the offset then.
        let sound = fs::read_to_string(&manifest).expect("it is there");
        for damaged in ["stertoffset 100", "startoffset 101", "startoffset 10\u{b0}"] {
            let damaged = sound.replace("startoffset 100", damaged);
            assert_ne!(damaged, sound);
            fs::write(&manifest, damaged).expect("written");
            assert_eq!(damaged_files(&plan), [plan.names.manifest()]);
        }
        fs::write(&manifest, "nonsense\n").expect("written");
        assert_eq!(damaged_files(&plan), [plan.names.manifest()]);
    }

    #[test]
    fn bytes_that_are_being_written_are_no_damage() {
        let folder = tempfile::tempdir().expect("a folder");
        let plan = set(folder.path());
        let current = plan.manifest.incrs.last().expect("a file");
        let path = plan.names.path(&current.name);
        let whole = fs::read(&path).expect("it is there");
        // A command of the next turn, and a line like a checksum after half of a command.
        let offset = whole.len() as u64 + 20;
        for rest in [
            b"*3\r\n$3\r\nSET\r\n".to_vec(),
            format!("*3\r\n$3\r\nSET\r\n$9\r\n#CK:{offset}:9:-\r\n").into_bytes(),
        ] {
            fs::write(&path, [&whole[..], &rest].concat()).expect("written");
            assert!(damaged_files(&plan).is_empty());
        }
    }

    #[test]
    fn files_that_were_replaced_are_no_damage() {
        let folder = tempfile::tempdir().expect("a folder");
        let plan = set(folder.path());
        let mut manifest = plan.manifest.clone();
        let base = manifest.replace_base("a.aof", BaseForm::Commands, 0);
        fs::write(plan.names.path(&base), b"").expect("written");
        plan.names.save(&Disk::default(), &manifest).expect("saved");
        assert_eq!(pass(&plan), End::Changed);
        let stop = Arc::new(AtomicBool::new(true));
        assert_eq!(scrub(&plan, &stop), End::Stopped);
    }

    #[test]
    fn a_pass_stops_inside_a_long_command() {
        const LEN: u64 = 1 << 30;
        let folder = tempfile::tempdir().expect("a folder");
        let mut plan = set(folder.path());
        let base = plan.manifest.base.as_ref().expect("a base");
        let path = plan.names.path(&base.name);
        let head = format!("*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n${LEN}\r\n");
        fs::write(&path, &head).expect("written");
        let file = File::options().write(true).open(&path).expect("opened");
        // Zeros that take no room.
        file.set_len(head.len() as u64 + LEN + 2).expect("made");
        plan.current_bytes = 0;
        let stop = Arc::new(AtomicBool::new(false));
        let began = Instant::now();
        std::thread::scope(|scope| {
            let pass = scope.spawn(|| scrub(&plan, &stop));
            std::thread::sleep(Duration::from_millis(100));
            stop.store(true, Ordering::Relaxed);
            assert_eq!(pass.join().expect("it ended"), End::Stopped);
        });
        // Reading all of it takes half a minute.
        assert!(began.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn the_pace_is_kept_and_a_stall_is_not_made_up_for() {
        let mut pace = Pace {
            due: Instant::now(),
            bytes: 0,
            stop: Arc::default(),
        };
        std::thread::sleep(Duration::from_millis(200));
        let began = Instant::now();
        for _ in 0..16 {
            pace.pass(BYTES_PER_S / 128).expect("it goes on");
        }
        assert!(began.elapsed() >= Duration::from_millis(125) - SLEEP_MIN);
        assert_eq!(pace.bytes, BYTES_PER_S / 8);
    }
}
