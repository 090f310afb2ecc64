//! Files of an append only file in its folder, listed or not: a folder that has them and no
//! manifest is not written to, because its data would be overwritten.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::log::Names;
use super::manifest::{Manifest, Role};

/// Names that a message has.
const SHOWN_MAX: usize = 20;
/// No base without keys is longer.
const EMPTY_BASE_MAX: u64 = 1024;
/// Bytes compared at a time.
const COMPARED_BYTES: usize = 64 * 1024;

/// A file of the set.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stray {
    name: String,
    seq: u64,
    role: Role,
    bytes: u64,
}

/// Files with data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Strays {
    dir: PathBuf,
    manifest: String,
    /// In the order of a manifest.
    files: Vec<Stray>,
}

impl Names {
    /// The base or incremental file that a name in the folder belongs to.
    fn role_of(&self, name: &str) -> Option<(Role, u64)> {
        let (seq, kind) = name
            .strip_prefix(&self.basename)?
            .strip_prefix('.')?
            .split_once('.')?;
        let role = match kind {
            "base.rdb" | "base.aof" => Role::Base,
            "incr.aof" => Role::Incr,
            _ => return None,
        };
        Some((role, seq.parse().ok().filter(|&seq| seq > 0)?))
    }

    /// The files with data in the folder; `None`: there are none. Files that a first start has left
    /// when it was interrupted have no data of their own: an empty keyspace, or a copy of
    /// `snapshot`, complete or not. O(files); O(bytes of the snapshot) for a base as long as it.
    pub fn strays(&self, snapshot: Option<&Path>) -> Option<Strays> {
        let entries = fs::read_dir(&self.dir).ok()?;
        let mut files: Vec<Stray> = entries
            .flatten()
            .filter_map(|entry| {
                let name = entry.file_name().into_string().ok()?;
                let (role, seq) = self.role_of(&name)?;
                let bytes = entry.metadata().ok().filter(|data| data.is_file())?.len();
                let is_empty = bytes == 0 || role == Role::Base && is_empty_base(&entry.path());
                (!is_empty).then_some(Stray {
                    name,
                    seq,
                    role,
                    bytes,
                })
            })
            .collect();
        files.sort_by_key(|file| (file.role != Role::Base, file.seq));
        if let ([only], Some(snapshot)) = (&files[..], snapshot)
            && only.role == Role::Base
            && begins_as(&self.path(&only.name), snapshot).unwrap_or(false)
        {
            return None;
        }
        let (dir, manifest) = (self.dir.clone(), self.manifest());
        (!files.is_empty()).then_some(Strays {
            dir,
            manifest,
            files,
        })
    }

    /// The files with data in the folder, if no manifest lists any file: it was lost.
    pub fn unlisted(&self, manifest: &Manifest, snapshot: Option<&Path>) -> Option<Strays> {
        if manifest.is_empty() {
            self.strays(snapshot)
        } else {
            None
        }
    }
}

impl Strays {
    pub fn len(&self) -> usize {
        self.files.len()
    }

    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// The manifest that most likely was: the newest base, and all incremental files.
    fn likely_manifest(&self) -> String {
        let newest = self.files.iter().rfind(|file| file.role == Role::Base);
        let incrs = self.files.iter().filter(|file| file.role == Role::Incr);
        let lines = newest.into_iter().chain(incrs).map(|file| {
            let kind = if file.role == Role::Base { 'b' } else { 'i' };
            format!("file {} seq {} type {kind}\n", file.name, file.seq)
        });
        lines.collect()
    }
}

impl fmt::Display for Strays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (dir, manifest) = (self.dir.display(), &self.manifest);
        let (files, bytes) = (self.len(), self.bytes());
        write!(
            f,
            "The folder {dir} has no manifest ({manifest}), but {files} files of an append only file with \
             {bytes} bytes, which would be written over:"
        )?;
        for file in self.files.iter().take(SHOWN_MAX) {
            write!(f, " {} ({} bytes)", file.name, file.bytes)?;
        }
        if files > SHOWN_MAX {
            write!(f, " and {} more", files - SHOWN_MAX)?;
        }
        write!(
            f,
            ". To have their data: put the manifest back, or write it: the last base, then the incremental \
             files begun after it, one a line, as in\n{}and check it with \"russet check-aof {}\". To begin \
             without their data: move the folder away.",
            self.likely_manifest(),
            self.dir.join(manifest).display()
        )
    }
}

/// Whether a base has no keys: it ends, or is cut off, before the first.
fn is_empty_base(path: &Path) -> bool {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(EMPTY_BASE_MAX).read_to_end(&mut bytes));
    read.is_ok() && has_no_keys(&bytes)
}

/// Whether a snapshot has only notes about itself before its end. The bytes may end early.
fn has_no_keys(bytes: &[u8]) -> bool {
    const NOTE: u8 = 0xfa;
    const END: u8 = 0xff;
    const MAGIC: &[u8] = b"REDIS";
    if !bytes.starts_with(MAGIC) {
        return MAGIC.starts_with(bytes);
    }
    let mut rest = bytes.get(MAGIC.len() + 4..).unwrap_or_default();
    loop {
        match rest.split_first() {
            None | Some((&END, _)) => return true,
            Some((&NOTE, after)) => rest = after_text(after_text(after)),
            Some(_) => return false,
        }
    }
}

/// The bytes after a short text; none if it is longer than the bytes.
fn after_text(bytes: &[u8]) -> &[u8] {
    let length = match bytes.first() {
        Some(&length @ 0..=0x3f) => length as usize,
        // A number of 1, 2 or 4 bytes.
        Some(&form @ 0xc0..=0xc2) => 1 << (form & 3),
        _ => return &[],
    };
    bytes.get(1 + length..).unwrap_or_default()
}

/// Whether a file's bytes are the first bytes of another file.
fn begins_as(path: &Path, other: &Path) -> io::Result<bool> {
    let (file, other) = (File::open(path)?, File::open(other)?);
    let length = file.metadata()?.len();
    if length > other.metadata()?.len() {
        return Ok(false);
    }
    let (mut file, mut other) = (file, other.take(length));
    let (mut a, mut b) = (vec![0; COMPARED_BYTES], vec![0; COMPARED_BYTES]);
    let mut left = length;
    while left > 0 {
        let n = left.min(COMPARED_BYTES as u64) as usize;
        file.read_exact(&mut a[..n])?;
        other.read_exact(&mut b[..n])?;
        if a[..n] != b[..n] {
            return Ok(false);
        }
        left -= n as u64;
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &[u8] = b"REDIS0011\xfa\x05ctime\xc2abcd\xfa\x08aof-base\xc0\x01\xff12345678";

    #[test]
    fn what_an_interrupted_first_start_leaves_is_no_data() {
        let folder = tempfile::tempdir().expect("a folder");
        let names = Names {
            dir: folder.path().to_owned(),
            basename: "a".to_owned(),
        };
        assert_eq!(names.strays(None), None);
        for end in 0..=EMPTY.len() {
            fs::write(names.path("a.1.base.rdb"), &EMPTY[..end]).expect("written");
            assert_eq!(names.strays(None), None, "{end}");
        }
        fs::write(names.path("a.1.incr.aof"), b"").expect("written");
        fs::write(names.path("temp-a.incr"), b"data").expect("written");
        fs::write(names.path("b.1.incr.aof"), b"data").expect("written");
        fs::write(names.path("a.0.incr.aof"), b"data").expect("written");
        assert_eq!(names.strays(None), None);

        // A copy of the snapshot, of which the end may lack.
        let snapshot = folder.path().join("dump.rdb");
        let data = b"REDIS0011\xfe\x00\xfb\x01\x00\x00\x01k\x01v\xff12345678";
        fs::write(&snapshot, data).expect("written");
        fs::write(names.path("a.1.base.rdb"), &data[..20]).expect("written");
        assert_eq!(names.strays(Some(&snapshot)), None);
        assert_eq!(names.strays(None).expect("data").bytes(), 20);
        fs::write(&snapshot, &EMPTY[..20]).expect("written");
        assert_eq!(names.strays(Some(&snapshot)).expect("data").len(), 1);
    }

    #[test]
    fn files_without_a_manifest_are_named_with_the_likely_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let names = Names {
            dir: folder.path().to_owned(),
            basename: "a".to_owned(),
        };
        for (name, bytes) in [
            ("a.10.incr.aof", &b"12"[..]),
            ("a.9.incr.aof", b"123"),
            ("a.2.base.aof", b"1234"),
            ("a.1.base.rdb", b"REDIS0011\xfe"),
        ] {
            fs::write(names.path(name), bytes).expect("written");
        }
        let strays = names.strays(None).expect("data");
        assert_eq!((strays.len(), strays.bytes()), (4, 19));
        let likely = "file a.2.base.aof seq 2 type b\n\
                      file a.9.incr.aof seq 9 type i\n\
                      file a.10.incr.aof seq 10 type i\n";
        assert_eq!(strays.likely_manifest(), likely);
        let parsed = Manifest::parse(likely.as_bytes()).expect("sound");
        assert_eq!(names.unlisted(&parsed, None), None);
        let text = strays.to_string();
        assert!(text.contains("a.9.incr.aof (3 bytes)"), "{text}");
    }
}
