//! Native bitmaps of Redis 8.12.
//!
//!     length: bytes of the string | string: the 64-bit portable form of RoaringFormatSpec
//!     the form: buckets: u64le (high 32 bits: u32le, a 32-bit portable bitmap) ...
//!
//! Versions before 16 have the string with the same bits instead: all content, of another type. A
//! bitmap that is longer than any string has no form in them.
//!
//! The form is read bucket by bucket. Each count is bounded before memory is allocated for it, and
//! order and content of containers are checked; a bucket must be beyond the one before it, and no
//! bit beyond the length. Nothing is expanded to the string's length.
//!
//!     RESTORE key 0 payload

use super::{NamedForm, SavedContainer, ValueForm};
use crate::aof::CommandWriter;
use crate::rdb::Part::{Length, Text};
use crate::rdb::format::kind;
use crate::rdb::{
    Fault, Input, RdbOrigin, RdbWriter, Rules, VERSION_BLESSED, VERSION_USUAL, is_valkey,
};
use roaring::RoaringBitmap;
use russet_keyspace::Keyspace;
use russet_resp::write_request;
use russet_types::bitmap::BYTES_MAX;
use russet_types::{Bitmap, Type};

/// The bytes of the longest string by default (`proto-max-bulk-len`).
const STRING_MAX: u64 = 512 << 20;
/// A longer form is not compressed: containers are compact, and the loop waits.
const COMPRESSED_MAX: usize = 1 << 20;

impl SavedContainer for Bitmap {
    const FORMS: &[NamedForm] = &[(kind::BITMAP, "bitmap", &[Length, Text])];

    fn load(input: &mut Input<'_>, kind: u8, rules: &Rules) -> Result<Bitmap, Fault> {
        if rules.dialect == RdbOrigin::Valkey {
            return Err(Fault::Unknown(kind));
        }
        let bytes = input.length()?;
        if bytes > BYTES_MAX {
            return Err(Fault::Range);
        }
        read(bytes, input.blob()?).ok_or_else(|| {
            Fault::damaged("a bitmap's containers are not sound, or a bit is beyond its length")
        })
    }

    fn form(&self, version: u32) -> ValueForm {
        if version >= VERSION_BLESSED && !is_valkey(version) {
            return ValueForm::of(kind::BITMAP);
        }
        let fits = self.bytes() <= STRING_MAX;
        ValueForm {
            lost: Some("a bitmap"),
            may_lose: fits,
            is_plain: fits,
            ..ValueForm::of(kind::STRING)
        }
    }

    fn version_for(keyspace: &Keyspace) -> u32 {
        if keyspace.any_of(Type::Bitmap) {
            VERSION_BLESSED
        } else {
            VERSION_USUAL
        }
    }

    fn save_head(&self, to: &mut RdbWriter, form: ValueForm) {
        if form.kind == kind::STRING {
            // A longer one is refused by its key, and has no bytes.
            let len = self.bytes().min(STRING_MAX);
            let mut text = vec![0; len as usize];
            self.copy_to(0, &mut text);
            write_text(to, &text);
            return;
        }
        to.length(self.bytes());
        write_text(to, &portable(self));
    }

    fn save_part(&self, _: &mut RdbWriter, _: ValueForm, _: u64, _: usize) -> Option<u64> {
        None
    }

    fn rewrite(&self, to: &mut CommandWriter, key: &[u8], _at: u64, _most: usize) -> Option<u64> {
        let mut writer = RdbWriter::new(VERSION_BLESSED, false);
        let form = self.form(VERSION_BLESSED);
        writer.raw(&[form.kind]);
        self.save_head(&mut writer, form);
        let payload = writer.payload();
        let args: [&[u8]; 4] = [b"RESTORE", key, b"0", &payload];
        write_request(&mut to.out, args.into_iter());
        None
    }
}

fn write_text(to: &mut RdbWriter, text: &[u8]) {
    if text.len() <= COMPRESSED_MAX {
        to.string(text);
    } else {
        to.length(text.len() as u64);
        to.raw(text);
    }
}

/// The portable form. O(containers and their bytes).
fn portable(bitmap: &Bitmap) -> Vec<u8> {
    let buckets: Vec<(u32, RoaringBitmap)> = bitmap.buckets().collect();
    let sizes = buckets.iter().map(|(_, bits)| 4 + bits.serialized_size());
    let mut form = Vec::with_capacity(8 + sizes.sum::<usize>());
    form.extend_from_slice(&(buckets.len() as u64).to_le_bytes());
    for (high, bits) in buckets {
        form.extend_from_slice(&high.to_le_bytes());
        bits.serialize_into(&mut form).expect("a list takes all");
    }
    form
}

/// Reads the portable form. `None`: it is damaged, or has a bit beyond the length.
fn read(bytes: u64, mut form: &[u8]) -> Option<Bitmap> {
    let mut bitmap = Bitmap::with_bytes(bytes);
    let buckets = u64::from_le_bytes(*form.split_off(..8)?.first_chunk()?);
    for _ in 0..buckets {
        let high = u32::from_le_bytes(*form.split_off(..4)?.first_chunk()?);
        let bits = RoaringBitmap::deserialize_from(&mut form).ok()?;
        if !bitmap.add_bucket(high, &bits) {
            return None;
        }
    }
    form.is_empty().then_some(bitmap)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rdb::Payload;
    use proptest::prelude::*;
    use roaring::RoaringTreemap;
    use russet_keyspace::OwnedValue;
    use russet_types::{Container as _, Limits, MemoryUsage as _, Signature};

    fn signature(bitmap: &Bitmap) -> String {
        let mut signature = Signature::default();
        bitmap.sign(&mut signature);
        signature.hex()
    }

    /// The payload of DUMP.
    fn payload(bitmap: &Bitmap, version: u32) -> Vec<u8> {
        let mut writer = RdbWriter::new(version, true);
        let form = bitmap.form(version);
        writer.raw(&[form.kind]);
        bitmap.save_head(&mut writer, form);
        writer.payload()
    }

    /// The bitmap of a payload, whose checksum does not count.
    fn restored(payload: &[u8]) -> Option<Bitmap> {
        let payload = Payload::verify(payload, false)?;
        let read = payload.read(&Limits::default(), true, |value| match value {
            OwnedValue::Container(mut value) => value.as_mut::<Bitmap>().cloned(),
            _ => None,
        });
        read.ok().flatten()
    }

    fn of_runs(bytes: u64, runs: &[(u64, u64)]) -> Bitmap {
        let mut bitmap = Bitmap::with_bytes(bytes);
        for &(first, len) in runs {
            for at in first..first + len {
                bitmap.set(at, true);
            }
        }
        bitmap
    }

    #[test]
    fn the_empty_bitmap_has_upstream_s_bytes() {
        let form = b"\x21\x00\x08\0\0\0\0\0\0\0\0\x10\x00\0\0\0\0\0\0\0\0";
        let bitmap = restored(form).expect("it is sound");
        assert_eq!((bitmap.bytes(), bitmap.chunks()), (0, 0));
        let mut own = payload(&Bitmap::new(), VERSION_BLESSED);
        own.truncate(own.len() - 8);
        assert_eq!(own, form[..form.len() - 8]);
    }

    #[test]
    fn the_form_is_the_crate_s() {
        let far = [0, 5, 70_000, 1 << 33, (1 << 45) + 1];
        let mut bitmap = Bitmap::with_bytes(1 << 50);
        far.iter().for_each(|&at| _ = bitmap.set(at, true));
        let read = RoaringTreemap::deserialize_from(&portable(&bitmap)[..]).expect("sound");
        assert_eq!(read.iter().collect::<Vec<u64>>(), far);
        let again = restored(&payload(&bitmap, VERSION_BLESSED)).expect("sound");
        again.check_invariants();
        assert_eq!(signature(&again), signature(&bitmap));
    }

    #[test]
    fn bits_beyond_the_length_and_buckets_out_of_order_are_refused() {
        let form = portable(&of_runs(3, &[(0, 1), (23, 1)]));
        assert!(read(3, &form).is_some() && read(1 << 40, &form).is_some());
        assert!(read(2, &form).is_none());
        assert!(read(3, &form[..form.len() - 1]).is_none());
        assert!(read(3, &[&form[..], b"\0"].concat()).is_none());
        let bucket = &form[8..];
        for (buckets, refused) in [(1u64, false), (2, true), (u64::MAX, true)] {
            let mut twice = buckets.to_le_bytes().to_vec();
            twice.extend((0..buckets.min(2)).flat_map(|_| bucket));
            assert_eq!(read(1 << 40, &twice).is_none(), refused, "{buckets}");
        }
        let mut long = b"\x21\x81".to_vec();
        long.extend((BYTES_MAX + 1).to_be_bytes());
        long.extend(b"\x08\0\0\0\0\0\0\0\0\x10\x00\0\0\0\0\0\0\0\0");
        assert!(restored(&long).is_none());
    }

    #[test]
    fn full_runs_take_little_after_a_load() {
        let bitmap = of_runs(100_000, &[(3, 70_000)]);
        let loaded = restored(&payload(&bitmap, VERSION_BLESSED)).expect("sound");
        let (before, after) = (bitmap.memory_bytes(), loaded.memory_bytes());
        assert!(before > 8 << 10 && after < 1 << 10, "{before} {after}");
    }

    #[test]
    fn older_versions_have_the_string() {
        let bitmap = of_runs(5, &[(1, 9), (39, 1)]);
        let old = payload(&bitmap, VERSION_USUAL);
        assert_eq!(old[..7], *b"\x00\x05\x7f\xc0\0\0\x01");
        let form = bitmap.form(VERSION_USUAL);
        assert!(form.is_plain && form.may_lose && form.lost.is_some());
        let long = Bitmap::with_bytes(STRING_MAX + 1).form(VERSION_USUAL);
        assert!(!long.is_plain && !long.may_lose);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        /// Damage is found, or gives a sound bitmap; it never ends the process.
        #[test]
        fn mutated_payloads_are_refused_or_sound(
            runs in prop::collection::vec((0u64..300_000, 1u64..700), 0..12),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
            cut in prop::option::of(any::<prop::sample::Index>()),
        ) {
            let mut bytes = portable(&of_runs(40_000, &runs));
            prop_assert!(read(40_000, &bytes).is_some());
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            if let Some(cut) = cut {
                bytes.truncate(cut.index(bytes.len()));
            }
            if let Some(bitmap) = read(40_000, &bytes) {
                bitmap.check_invariants();
                let again = read(40_000, &portable(&bitmap)).expect("it was written here");
                prop_assert_eq!(signature(&again), signature(&bitmap));
            }
        }
    }
}
