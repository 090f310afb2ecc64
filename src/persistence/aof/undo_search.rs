//! Whether the rest of an append only file undoes a flush: only then does a replay have to set aside what
//! old flushes in it removed.
//!
//! The files are searched for the bytes of `FLUSH UNDO`, once, when the first flush is replayed: a file
//! without a flush of data costs nothing. A value with the same bytes counts too; then more is kept during
//! the load, no more.
//!
//! Cost: one read of the files, at the speed of the page cache; 1 MiB.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use memchr::memmem;

/// How a log has the words that undo a flush, after the number of the request's words.
pub const UNDO_WORDS: &[u8] = b"$5\r\nFLUSH\r\n$4\r\nUNDO\r\n";

const CHUNK: usize = 1 << 20;

/// A place in the files: the file's number, the offset in it.
type Place = (usize, u64);

/// See the module.
#[derive(Debug, Default)]
pub struct UndoSearch {
    files: Vec<PathBuf>,
    /// What has been replayed.
    at: Place,
    /// The annotations with a time that have been read of the current file.
    times: u64,
    /// The last undo of a flush, once it is searched for.
    last: Option<Option<Place>>,
}

impl UndoSearch {
    /// The incremental files, in order.
    pub fn new(files: Vec<PathBuf>) -> UndoSearch {
        UndoSearch {
            files,
            ..UndoSearch::default()
        }
    }

    /// The replay goes on in a file.
    pub fn enter(&mut self, file: &Path) {
        if let Some(number) = self.files.iter().position(|its| its == file)
            && number != self.at.0
        {
            (self.at, self.times) = ((number, 0), 0);
        }
    }

    /// The replay has come to an offset of that file, after so many annotations with a time. Whether there
    /// was another one since the last call: what was replayed before it is no younger than its time.
    pub fn moved_to(&mut self, offset: u64, times: u64) -> bool {
        self.at.1 = offset;
        std::mem::replace(&mut self.times, times) != times
    }

    /// Whether a flush may be undone after the place of the replay. A file that cannot be read counts as
    /// one that undoes a flush: the replay meets its error.
    pub fn follows(&mut self) -> bool {
        let (files, at) = (&self.files, self.at);
        let last = self.last.get_or_insert_with(|| {
            let later = files.iter().enumerate().skip(at.0).rev();
            later
                .map(|(number, file)| (number, last_in(file).unwrap_or(Some(u64::MAX))))
                .find_map(|(number, offset)| Some((number, offset?)))
        });
        last.is_some_and(|last| last > at)
    }
}

/// The offset of the last undo in a file.
fn last_in(file: &Path) -> io::Result<Option<u64>> {
    let mut file = File::open(file)?;
    let finder = memmem::FinderRev::new(UNDO_WORDS);
    let (mut buf, mut begin, mut last) = (Vec::with_capacity(CHUNK), 0, None);
    loop {
        let read = (&mut file)
            .take((CHUNK - buf.len()) as u64)
            .read_to_end(&mut buf)?;
        if let Some(found) = finder.rfind(&buf) {
            last = Some(begin + found as u64);
        }
        if read == 0 {
            return Ok(last);
        }
        // What may begin in this piece and end in the next.
        let kept = buf.len().min(UNDO_WORDS.len() - 1);
        let passed = buf.len() - kept;
        buf.drain(..passed);
        begin += passed as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_undo_is_found_wherever_pieces_meet() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("log");
        for shift in [0, 1, 10, UNDO_WORDS.len(), UNDO_WORDS.len() + 1] {
            let mut bytes = vec![b'x'; CHUNK - shift];
            bytes.extend_from_slice(UNDO_WORDS);
            bytes.extend_from_slice(&[b'y'; 100]);
            std::fs::write(&path, &bytes).expect("written");
            let expected = (CHUNK - shift) as u64;
            assert_eq!(last_in(&path).expect("read"), Some(expected));
        }
        std::fs::write(&path, [b'x'; 3 * CHUNK]).expect("written");
        assert_eq!(last_in(&path).expect("read"), None);
    }

    #[test]
    fn only_an_undo_after_the_replay_follows() {
        let folder = tempfile::tempdir().expect("a folder");
        let paths = ["1", "2"].map(|name| folder.path().join(name));
        std::fs::write(&paths[0], UNDO_WORDS).expect("written");
        std::fs::write(&paths[1], [b"12345", UNDO_WORDS].concat()).expect("written");
        let search = || UndoSearch::new(paths.to_vec());
        let mut both = search();
        assert!(both.follows());
        both.enter(&paths[1]);
        assert!(both.moved_to(4, 1) && !both.moved_to(4, 1));
        assert!(both.follows());
        assert!(both.moved_to(5, 2));
        assert!(!both.follows());
        let mut none = UndoSearch::new(Vec::new());
        assert!(!none.follows());
        let mut unreadable = UndoSearch::new(vec![folder.path().join("3")]);
        assert!(unreadable.follows());
    }
}
