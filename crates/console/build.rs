//! Embeds the web console: a table of the files of `console/`, plain and gzipped, and the hash of
//! all of them, by which their URLs change when a file does (`src/assets.rs`). Modules are served
//! without their whole-line comments; nothing else of them is changed.
//!
//! The output depends only on names and contents: two builds are equal byte for byte.

use std::collections::BTreeMap;
use std::env;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use flate2::{Compression, GzBuilder};
use sha2::{Digest, Sha256};

/// The files that are served, by the end of their name: nothing else in the folder is embedded.
const TYPES: [(&str, &str); 5] = [
    ("html", "text/html; charset=utf-8"),
    ("js", "text/javascript; charset=utf-8"),
    ("css", "text/css; charset=utf-8"),
    ("svg", "image/svg+xml"),
    ("txt", "text/plain; charset=utf-8"),
];

/// In index.html: the place of the hash in the URLs of the other files.
const PLACE: &str = "a/HASH/";

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=../../console");
    println!("cargo::rerun-if-changed=build.rs");
    let variable = |name| env::var_os(name).map(PathBuf::from).expect("set by cargo");
    let folder = variable("CARGO_MANIFEST_DIR").join("../../console");
    let out = variable("OUT_DIR");
    let mut files = BTreeMap::new();
    collect(&folder, "", &mut files)?;
    let hash = hash(&files);
    let mut table = format!("/// The hash of all files.\npub const HASH: &str = \"{hash}\";\n\n");
    table.push_str("/// All files, by name.\npub static FILES: &[File] = &[\n");
    for (at, (name, mut bytes)) in files.into_iter().enumerate() {
        if name == "index.html" {
            let text = String::from_utf8(bytes).map_err(io::Error::other)?;
            bytes = text.replace(PLACE, &format!("a/{hash}/")).into_bytes();
        }
        if name.ends_with(".js") && !name.starts_with("vendor/") {
            let text = String::from_utf8(bytes).map_err(io::Error::other)?;
            bytes = without_comments(&text).into_bytes();
        }
        let kind = kind_of(&name).expect("only served files are collected");
        let (raw, packed) = (out.join(format!("{at}.raw")), out.join(format!("{at}.gz")));
        fs::write(&raw, &bytes)?;
        fs::write(&packed, gzip(&bytes)?)?;
        // Writing to a String does not fail.
        let _ = writeln!(
            table,
            "    File {{ name: {name:?}, kind: {kind:?}, \
             raw: include_bytes!({raw:?}), gzip: include_bytes!({packed:?}) }},"
        );
    }
    table.push_str("];\n");
    fs::write(out.join("console.rs"), table)
}

/// The files of a folder that are served, by their paths with `/`.
fn collect(folder: &Path, below: &str, into: &mut BTreeMap<String, Vec<u8>>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        let path = format!("{below}{name}");
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), &format!("{path}/"), into)?;
        } else if kind_of(&name).is_some() {
            into.insert(path, fs::read(entry.path())?);
        }
    }
    Ok(())
}

/// A module without the comments that take whole lines: they are a sixth of what a browser would
/// load. The lines stay, empty, so that an error in a browser names the line of the source. No
/// line of a template may begin as a comment does. O(text).
fn without_comments(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut inside = false;
    for line in text.lines() {
        let code = line.trim();
        let opens = code.starts_with("/**");
        // A type in the midst of code is no whole line.
        let whole = code.starts_with("//")
            || (opens && (code.ends_with("*/") && code.matches("*/").count() == 1))
            || (opens && !code.contains("*/"));
        if !inside && !whole {
            out.push_str(line);
        }
        inside = (inside || (opens && whole)) && !code.ends_with("*/");
        out.push('\n');
    }
    out
}

/// The media type of what is served.
fn kind_of(name: &str) -> Option<&'static str> {
    let (_, end) = name.rsplit_once('.')?;
    let (_, kind) = TYPES.iter().find(|(known, _)| *known == end)?;
    Some(kind)
}

/// Of the names, lengths and contents: 16 hexadecimal digits.
fn hash(files: &BTreeMap<String, Vec<u8>>) -> String {
    let mut all = Sha256::new();
    for (name, bytes) in files {
        all.update(format!("{name}\n{}\n", bytes.len()));
        all.update(bytes);
    }
    let digest = all.finalize();
    digest
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Without a time and a name, so that the bytes depend on the contents alone.
fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut packer = GzBuilder::new()
        .mtime(0)
        .write(Vec::new(), Compression::best());
    packer.write_all(bytes)?;
    packer.finish()
}
