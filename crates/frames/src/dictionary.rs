//! A dictionary prepared for reading frames, and the reading.

use std::cell::RefCell;

use zstd_safe::{DCtx, DDict, DParameter, FrameFormat};

/// Longest raw value of a frame. A recorded length above it is damaged, so that no damaged length
/// makes a reader allocate more.
pub const RAW_MAX: usize = 16 << 20;

/// A frame that does not hold the recorded number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the frame is damaged")]
pub struct DamagedFrame;

/// Bytes that are no dictionary, or memory that the process does not get.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the dictionary is not usable")]
pub struct UnusableDictionary;

thread_local! {
    /// A context takes some 95 KiB, so that every thread that reads frames has a single one.
    static READER: RefCell<Option<DCtx<'static>>> = const { RefCell::new(None) };
}

/// A dictionary, prepared for reading. An empty dictionary is valid: its frames stand alone.
pub struct Dictionary {
    bytes: Box<[u8]>,
    reader: DDict<'static>,
}

impl std::fmt::Debug for Dictionary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Dictionary({} bytes)", self.bytes.len())
    }
}

impl Dictionary {
    /// Prepares the bytes of a dictionary. `Err`: their tables are malformed, or there is no memory
    /// for them. Some 20 us.
    pub fn new(bytes: &[u8]) -> Result<Dictionary, UnusableDictionary> {
        let reader = DDict::try_create(bytes).ok_or(UnusableDictionary)?;
        Ok(Dictionary {
            bytes: bytes.into(),
            reader,
        })
    }

    /// The bytes it was made of.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Bytes in the allocator, without those of encoders.
    pub fn memory_bytes(&self) -> usize {
        self.bytes.len() + self.reader.sizeof()
    }

    /// Appends the raw value of a frame to `out`. `Err`: the frame does not hold exactly `raw_len`
    /// bytes; `out` is as before. O(`raw_len`).
    pub fn unpack(
        &self,
        frame: &[u8],
        raw_len: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), DamagedFrame> {
        let begin = out.len();
        if raw_len > RAW_MAX || out.try_reserve(raw_len).is_err() {
            return Err(DamagedFrame);
        }
        out.resize(begin + raw_len, 0);
        let unpacked = self.unpack_into(frame, &mut out[begin..]);
        if unpacked.is_err() {
            out.truncate(begin);
        }
        unpacked
    }

    /// Fills `out` with the raw value of a frame. `Err`: the frame does not hold exactly as many
    /// bytes; `out` may be changed.
    pub fn unpack_into(&self, frame: &[u8], out: &mut [u8]) -> Result<(), DamagedFrame> {
        READER.with_borrow_mut(|reader| {
            let reader = match reader {
                Some(reader) => reader,
                None => reader.insert(new_reader().ok_or(DamagedFrame)?),
            };
            let read = reader.decompress_using_ddict(out, frame, &self.reader);
            (read == Ok(out.len())).then_some(()).ok_or(DamagedFrame)
        })
    }
}

#[cold]
fn new_reader() -> Option<DCtx<'static>> {
    let mut reader = DCtx::try_create()?;
    let bare = DParameter::Format(FrameFormat::Magicless);
    reader.set_parameter(bare).ok()?;
    Some(reader)
}
