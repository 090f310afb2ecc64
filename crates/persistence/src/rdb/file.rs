//! Snapshot files: plain, or compressed as a whole, as Valkey 9.2 writes them with `rdbcompression
//! lz4` or `zstd`.
//!
//!     "VCS" | version 1 | codec: 1 LZ4, 2 Zstandard | 0 | kind: 1 snapshot | a frame of the codec
//!
//! The one frame contains a plain file. It is decompressed while it is read, so a compressed file
//! needs no more memory than a plain file, but for the codec's window: 4 MB of LZ4, at most 128 MB
//! of Zstandard. The checksums of a frame are verified; bytes after it are ignored, as after a
//! plain file's end.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lz4_flex::frame::FrameDecoder as Lz4;
use ruzstd::decoding::{FrameDecoder, StreamingDecoder};

use super::input::Input;

/// The header of a compressed file: how it begins, its length, and the values that are known.
const MAGIC: &[u8; 3] = b"VCS";
const HEADER_BYTES: usize = 7;
const VERSION: u8 = 1;
const KIND_SNAPSHOT: u8 = 1;
/// The codecs.
const LZ4: u8 = 1;
const ZSTD: u8 = 2;

/// Compressed bytes are read in pieces of this size.
const PIECE_BYTES: usize = 256 << 10;

/// How long a file is, and how much of it has been read.
#[derive(Clone, Debug)]
pub struct FileProgress {
    bytes: u64,
    /// Compressed bytes that have been read; `None`: the file is plain.
    packed: Option<Arc<AtomicU64>>,
}

impl FileProgress {
    /// Length of the file.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The offset in the file, of an offset in its content.
    pub fn offset(&self, content: u64) -> u64 {
        let read = self.packed.as_ref().map(|n| n.load(Ordering::Relaxed));
        read.map_or(content, |read| read.min(self.bytes))
    }

    /// Where the snapshot ends, of the length of its content. A compressed snapshot is the whole
    /// file.
    pub fn end(&self, content: u64) -> u64 {
        match self.packed {
            Some(_) => self.bytes,
            None => content,
        }
    }
}

/// Opens a file: its content, to be read once.
///
/// An error: it cannot be read, or is compressed in an unknown way. Faults of the content are found
/// by the reader.
pub fn open(path: &Path) -> io::Result<(Input<'static>, FileProgress)> {
    let file = File::open(path)?;
    let bytes = file.metadata()?.len();
    open_reader(file, bytes)
}

/// As [`open`], of an open file of this length.
pub(crate) fn open_reader(
    mut file: impl Read + 'static,
    bytes: u64,
) -> io::Result<(Input<'static>, FileProgress)> {
    let mut head = Vec::with_capacity(HEADER_BYTES);
    (&mut file)
        .take(HEADER_BYTES as u64)
        .read_to_end(&mut head)?;
    if !head.starts_with(MAGIC) {
        let whole = Cursor::new(head).chain(file);
        let plain = FileProgress {
            bytes,
            packed: None,
        };
        return Ok((Input::of_reader(Box::new(whole), Some(bytes)), plain));
    }
    let read = Arc::new(AtomicU64::new(HEADER_BYTES as u64));
    let counted = CountingReader {
        file,
        read: Arc::clone(&read),
    };
    let content = unpack(&head, counted)?;
    let packed = FileProgress {
        bytes,
        packed: Some(read),
    };
    Ok((Input::of_reader(content, None), packed))
}

/// Whether a file begins like a snapshot.
pub fn is_snapshot(path: &Path) -> io::Result<bool> {
    let mut head = Vec::new();
    File::open(path)?.take(6).read_to_end(&mut head)?;
    Ok(head.starts_with(b"REDIS") || head == b"VALKEY" || head.starts_with(MAGIC))
}

/// The content of a compressed file with this header.
fn unpack<R: Read + 'static>(head: &[u8], packed: R) -> io::Result<Box<dyn Read>> {
    let unknown = || {
        let text = format!("it is compressed in an unknown way (header {head:02x?})");
        io::Error::new(io::ErrorKind::InvalidData, text)
    };
    let &[_, _, _, VERSION, codec, 0, KIND_SNAPSHOT] = head else {
        return Err(unknown());
    };
    let packed = BufReader::with_capacity(PIECE_BYTES, packed);
    match codec {
        LZ4 => Ok(Box::new(CodecReader(Lz4::new(packed)))),
        ZSTD => {
            let decoder = StreamingDecoder::new(packed).map_err(damaged)?;
            Ok(Box::new(CodecReader(Zstd(decoder))))
        }
        _ => Err(unknown()),
    }
}

fn damaged(why: impl std::fmt::Display) -> io::Error {
    let text = format!("the compressed data is damaged: {why}");
    io::Error::new(io::ErrorKind::InvalidData, text)
}

/// A codec whose errors report that the compressed data is damaged.
struct CodecReader<R>(R);

impl<R: Read> Read for CodecReader<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        self.0.read(to).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::Interrupted => error,
            _ => damaged(error),
        })
    }
}

/// A frame of Zstandard whose checksum is compared at its end.
struct Zstd<R: Read>(StreamingDecoder<R, FrameDecoder>);

impl<R: Read> Read for Zstd<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let count = self.0.read(to)?;
        let decoder = &self.0.decoder;
        if decoder.is_finished() && decoder.can_collect() == 0 {
            let stated = decoder.get_checksum_from_data();
            if stated.is_some() && stated != decoder.get_calculated_checksum() {
                return Err(io::Error::other("its checksum is wrong"));
            }
        }
        Ok(count)
    }
}

/// Counts the bytes read from a file.
struct CountingReader<R> {
    file: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for CountingReader<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(to)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::check_rdb;
    use rand::rngs::SmallRng;
    use rand::{RngExt, SeedableRng};

    const FILES: &str = include_str!("../../../../tests/data/compressed-snapshots.txt");

    /// The files of the test data, with their names.
    fn files() -> impl Iterator<Item = (&'static str, Vec<u8>)> {
        let lines = FILES.lines().filter(|line| line.contains(" | "));
        let parts = lines.filter_map(|line| line.split_once(" | "));
        parts
            .filter(|(name, _)| !name.starts_with('#'))
            .map(|(name, digits)| {
                let digit = |at| u8::from_str_radix(&digits[at..at + 2], 16).expect("digits");
                (name, (0..digits.len()).step_by(2).map(digit).collect())
            })
    }

    fn checked(bytes: &[u8]) -> (String, bool) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("dump.rdb");
        std::fs::write(&path, bytes).expect("room on disk");
        assert!(bytes.len() < 6 || is_snapshot(&path).expect("a file"));
        check_rdb(&path, true)
    }

    #[test]
    fn files_that_are_compressed_as_a_whole_are_read() {
        for (name, mut bytes) in files() {
            let (report, is_sound) = checked(&bytes);
            assert!(is_sound && report.contains("3 keys"), "{name}: {report}");
            // As after the end of a plain file.
            bytes.extend_from_slice(b"more");
            assert!(checked(&bytes).1, "{name}");
            for len in (3..bytes.len() - 20).step_by(7) {
                assert!(!checked(&bytes[..len]).1, "{name} of {len} bytes");
            }
            for (at, value) in [(3, 2), (4, 3), (4, 0), (5, 1), (6, 0), (6, 2)] {
                let mut other = bytes.clone();
                other[at] = value;
                let (report, is_sound) = checked(&other);
                assert!(!is_sound && report.contains("unknown way"), "{report}");
            }
        }
    }

    #[test]
    fn a_wrong_codec_or_a_wrong_byte_is_found() {
        let mut rng = SmallRng::seed_from_u64(1);
        for (name, bytes) in files() {
            let mut other = bytes.clone();
            other[4] = 3 - other[4];
            assert!(!checked(&other).1, "{name}");
            for _ in 0..200 {
                let mut other = bytes.clone();
                let at = rng.random_range(HEADER_BYTES..other.len());
                other[at] ^= 1 << rng.random_range(0..8);
                // The checksum of the file protects the bytes that the frame does not protect.
                let (report, is_sound) = checked(&other);
                assert!(!is_sound || report.contains("3 keys"), "{name}: {report}");
            }
        }
    }

    /// The length of a compressed file does not limit the counts in its content.
    #[test]
    fn an_announced_count_makes_no_room_for_what_does_not_follow() {
        use lz4_flex::frame::FrameEncoder;
        use std::io::Write;
        for kind in [2u8, 4, 22, 28] {
            let mut content = b"REDIS0015\xfe\x00".to_vec();
            content.extend([kind, 1, b'k', 0x81]);
            content.extend((u64::MAX >> 8).to_be_bytes());
            content.extend([1, b'a', 1, b'b']);
            let mut frame = FrameEncoder::new(b"VCS\x01\x01\x00\x01".to_vec());
            frame.write_all(&content).expect("memory");
            let (report, is_sound) = checked(&frame.finish().expect("memory"));
            assert!(!is_sound, "{report}");
        }
    }
}
