//! The files of the console, embedded by `build.rs`.

/// One file.
#[derive(Debug)]
pub struct File {
    /// Its path below `console/`.
    pub name: &'static str,
    /// Its media type.
    pub kind: &'static str,
    pub raw: &'static [u8],
    pub gzip: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/console.rs"));

/// The file with this name. O(log files).
pub fn find(name: &str) -> Option<&'static File> {
    let at = FILES.binary_search_by(|file| file.name.cmp(name)).ok()?;
    Some(&FILES[at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_have_no_comments_and_no_types() {
        for file in FILES {
            let text = String::from_utf8_lossy(file.raw);
            if file.name.ends_with(".js") && !file.name.starts_with("vendor/") {
                assert!(!text.contains("/*"), "{}", file.name);
                assert!(
                    text.contains("import ") || text.contains("export "),
                    "{}",
                    file.name
                );
            }
        }
    }

    /// What a browser loads at most, if it opens every view; 28,000 bytes of it are vendored.
    const GZIP_BYTES_MAX: usize = 131 * 1000;

    #[test]
    fn all_files_together_are_small() {
        let all: usize = FILES.iter().map(|file| file.gzip.len()).sum();
        assert!(all < GZIP_BYTES_MAX, "{all}");
    }

    #[test]
    fn the_page_names_its_files_by_their_hash() {
        let page = find("index.html").expect("there is a page");
        let text = std::str::from_utf8(page.raw).expect("UTF-8");
        assert!(!text.contains("a/HASH/"));
        assert_eq!(HASH.len(), 16);
        for file in FILES {
            assert_eq!(file.gzip[..4], [0x1f, 0x8b, 8, 0], "{}", file.name);
            assert_eq!(file.gzip[4..8], [0; 4], "no time in {}", file.name);
        }
    }
}
