//! Patterns of `include`: the files that a path with wildcards matches.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use russet_base::glob;

/// Whether a path is a pattern: it contains `*`, `?` or `[`.
pub fn is_pattern(path: &[u8]) -> bool {
    path.iter().any(|b| matches!(b, b'*' | b'?' | b'['))
}

/// The matching paths, sorted, in the form of the pattern; relative patterns are resolved
/// under `base`. A wildcard matches neither `/` nor a leading dot.
pub fn expand(base: &Path, pattern: &Path) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::new()];
    for component in pattern.components() {
        let name = component.as_os_str();
        let wild = is_pattern(name.as_bytes());
        found = found
            .into_iter()
            .flat_map(|path| matches_in(base, path, name, wild))
            .collect();
    }
    found.sort();
    found
}

/// `path` followed by every matching entry, or by `name` itself if it exists.
fn matches_in(base: &Path, path: PathBuf, name: &OsStr, wild: bool) -> Vec<PathBuf> {
    if !wild {
        let next = path.join(name);
        return if base.join(&next).exists() {
            vec![next]
        } else {
            Vec::new()
        };
    }
    let Ok(entries) = std::fs::read_dir(base.join(&path)) else {
        return Vec::new();
    };
    let names = entries.filter_map(|entry| Some(entry.ok()?.file_name()));
    let visible = |entry: &OsString| {
        let (entry, name) = (entry.as_bytes(), name.as_bytes());
        (entry.first() != Some(&b'.') || name.first() == Some(&b'.'))
            && glob::matches(name, entry, false)
    };
    names
        .filter(visible)
        .map(|entry| path.join(entry))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_match_in_every_folder_and_sort() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b/x.conf", "a/y.conf", "a/z.txt", "a/.hidden.conf"] {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let found = expand(dir.path(), Path::new("*/*.conf"));
        assert_eq!(
            found,
            [PathBuf::from("a/y.conf"), PathBuf::from("b/x.conf")]
        );
        let absolute = dir.path().join("a/[yz].*");
        assert_eq!(expand(Path::new("/"), &absolute).len(), 2);
        assert_eq!(
            expand(dir.path(), Path::new("none/*.conf")),
            Vec::<PathBuf>::new()
        );
    }
}
