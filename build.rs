//! Embeds the web console: a table of the files of `console/`, each as it is and gzipped, and the
//! hash of all of them, by which their URLs change when a file does (`src/console/assets.rs`).
//!
//! The output depends only on names and contents: two builds are equal byte for byte.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use flate2::{Compression, GzBuilder};
use sha2::{Digest, Sha256};

/// What is served, by the end of its name: anything else in the folder is not embedded.
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
    println!("cargo::rerun-if-changed=console");
    println!("cargo::rerun-if-changed=build.rs");
    let variable = |name| env::var_os(name).map(PathBuf::from).expect("set by cargo");
    let folder = variable("CARGO_MANIFEST_DIR").join("console");
    let out = variable("OUT_DIR");
    let mut files = Vec::new();
    collect(&folder, "", &mut files)?;
    files.sort();
    let mut contents = Vec::new();
    for (name, _) in &files {
        contents.push(embedded(name, fs::read(folder.join(name))?)?);
    }
    let hash = hash(&files, &contents);
    let mut table = format!("/// The hash of all files.\npub const HASH: &str = \"{hash}\";\n\n");
    table.push_str("/// All files, by name.\npub static FILES: &[File] = &[\n");
    for (at, ((name, kind), mut bytes)) in files.iter().zip(contents).enumerate() {
        if name == "index.html" {
            let text = String::from_utf8(bytes).map_err(io::Error::other)?;
            bytes = text.replace(PLACE, &format!("a/{hash}/")).into_bytes();
        }
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

/// A file as it is embedded: own scripts and styles without comments, indentation, empty lines and the
/// types of JSDoc, a fourth of their bytes.
fn embedded(name: &str, bytes: Vec<u8>) -> io::Result<Vec<u8>> {
    let is_own = !name.starts_with("vendor/");
    if !is_own || !(name.ends_with(".js") || name.ends_with(".css")) {
        return Ok(bytes);
    }
    let text = String::from_utf8(bytes).map_err(io::Error::other)?;
    let short = without_comments(&text);
    let short = short.map_err(|line| io::Error::other(format!("{name}: {line}")))?;
    Ok(short.into_bytes())
}

/// The lines of a script or a style that are no comments. No line of a template may begin as a comment
/// does, and its indentation may mean nothing. The error is a line that is not certain: a comment with
/// something behind its end.
fn without_comments(text: &str) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut is_inside = false;
    for line in text.lines().map(str::trim) {
        if is_inside || line.starts_with("/*") {
            is_inside = match line.split_once("*/") {
                Some((_, "")) => false,
                Some(_) => return Err(format!("code behind a comment: {line}")),
                None => true,
            };
        } else if !line.is_empty() && !line.starts_with("//") {
            push_without_types(line, &mut out)?;
            out.push('\n');
        }
    }
    Ok(out)
}

/// The start of a type within a line.
const TYPE: &str = "/** @type ";

fn push_without_types(mut line: &str, out: &mut String) -> Result<(), String> {
    while let Some((before, rest)) = line.split_once(TYPE) {
        let Some((_, after)) = rest.split_once("*/") else {
            return Err(format!("a type of several lines: {line}"));
        };
        out.push_str(before);
        line = after.strip_prefix(' ').unwrap_or(after);
    }
    out.push_str(line);
    Ok(())
}

/// The files of a folder that are served: their paths with `/`, and their types.
fn collect(folder: &Path, below: &str, into: &mut Vec<(String, &'static str)>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        let path = format!("{below}{name}");
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), &format!("{path}/"), into)?;
        } else if let Some((_, end)) = name.rsplit_once('.')
            && let Some((_, kind)) = TYPES.iter().find(|(known, _)| *known == end)
        {
            into.push((path, kind));
        }
    }
    Ok(())
}

/// Of the names, lengths and contents as they are embedded: 16 hexadecimal digits.
fn hash(files: &[(String, &str)], contents: &[Vec<u8>]) -> String {
    let mut all = Sha256::new();
    for ((name, _), bytes) in files.iter().zip(contents) {
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
