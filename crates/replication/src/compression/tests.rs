//! The packer against the unpacker, and both against another maker's frames.
//!
//! Bytes survive any cut of the input and any size of the output buffer; text shrinks, noise is
//! stored. Every changed byte is an error or waits for more, except the bit for a stored block,
//! which no checksum covers. Memory: announced lengths allocate nothing, and a long stream keeps
//! its window. Property: hostile bytes are an error or wait; they never panic.

use std::io::{Read, Write};

use lz4_flex::frame::{BlockMode, BlockSize, FrameDecoder, FrameEncoder, FrameInfo};
use proptest::prelude::*;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::*;

/// A frame of these pieces, each compressed as a part of the stream; `dict` bytes before it are
/// known.
fn packed(kind: Kind, pieces: &[&[u8]], dict: usize) -> Vec<u8> {
    let (mut packer, mut out, mut before) = (Packer::default(), Vec::new(), Vec::<u8>::new());
    Packer::begin(kind, &mut out);
    for block in pieces.iter().flat_map(|piece| piece.chunks(BLOCK_BYTES)) {
        let known = match kind {
            Kind::Stream => &before[before.len().saturating_sub(dict)..],
            Kind::Snapshot => &[],
        };
        packer.block(known, block, &mut out);
        before.extend_from_slice(block);
    }
    if kind == Kind::Snapshot {
        Packer::end(&mut out);
    }
    out
}

/// The bytes unpacked from pieces of `step`, taken in pieces of `room`.
fn unpacked(kind: Kind, bytes: &[u8], step: usize, room: usize) -> Result<Vec<u8>, Damage> {
    let (mut unpacker, mut out, mut into) = (Unpacker::new(kind), Vec::new(), vec![0; room]);
    for piece in bytes.chunks(step.max(1)) {
        unpacker.push(piece);
        loop {
            let n = unpacker.pull(&mut into)?;
            out.extend_from_slice(&into[..n]);
            if n == 0 {
                break;
            }
        }
    }
    if kind == Kind::Snapshot {
        unpacker.finish(&mut out)?;
    }
    Ok(out)
}

/// Text that shrinks, and bytes that do not.
fn text(len: usize) -> Vec<u8> {
    let line = |i: usize| format!("*3\r\n$3\r\nSET\r\n$5\r\nkey:{}\r\n$4\r\nsome\r\n", i % 7);
    (0..).flat_map(|i| line(i).into_bytes()).take(len).collect()
}

fn noise(len: usize) -> Vec<u8> {
    let mut rng = SmallRng::seed_from_u64(7);
    (0..len).map(|_| rng.random()).collect()
}

#[test]
fn whatever_the_pieces_the_bytes_are_the_same() {
    let (long, short) = (text(200_000), text(300));
    let incompressible = noise(70_000);
    let pieces: [&[u8]; 5] = [&short, b"x", &long, &incompressible, &short];
    let all = pieces.concat();
    for kind in [Kind::Snapshot, Kind::Stream] {
        let bytes = packed(kind, &pieces, 16 * 1024);
        assert!(bytes.len() < all.len() / 2);
        for (step, room) in [(1, 7), (13, 100_000), (4096, 1000), (bytes.len(), 1)] {
            assert!(
                unpacked(kind, &bytes, step, room) == Ok(all.clone()),
                "{step}"
            );
        }
    }
    // A stream cut at every byte.
    let bytes = packed(Kind::Stream, &[&short, b"y", &short], 16 * 1024);
    for at in 0..bytes.len() {
        let mut unpacker = Unpacker::new(Kind::Stream);
        let mut out = Vec::new();
        for part in [&bytes[..at], &bytes[at..]] {
            unpacker.push(part);
            unpacker.pull_all(&mut out).expect("sound");
        }
        assert_eq!(out, [&short[..], b"y", &short].concat(), "{at}");
        assert!(unpacker.is_compressed() && unpacker.is_drained());
    }
}

#[test]
fn small_blocks_refer_to_those_before_them() {
    let (first, second) = (text(400), text(400));
    let apart = packed(Kind::Stream, &[&first, &second], 0);
    let linked = packed(Kind::Stream, &[&first, &second], 16 * 1024);
    assert!(
        linked.len() + 30 < apart.len(),
        "{} {}",
        linked.len(),
        apart.len()
    );
}

#[test]
fn what_does_not_shrink_is_stored_and_seldom_tried() {
    let bytes = noise(40 * BLOCK_BYTES);
    let out = packed(Kind::Snapshot, &[&bytes], 0);
    // The envelope and the frame's header and end, and 8 bytes of each block.
    assert_eq!(out.len(), bytes.len() + 7 + 7 + 4 + 40 * 8);
    assert!(unpacked(Kind::Snapshot, &out, 65_536, 65_536) == Ok(bytes));
    // Once it shrinks again, it is compressed again.
    let mixed = [noise(3 * BLOCK_BYTES), text(40 * BLOCK_BYTES)].concat();
    let out = packed(Kind::Snapshot, &[&mixed], 0);
    assert!(out.len() < 10 * BLOCK_BYTES, "{}", out.len());
}

#[test]
fn plain_bytes_pass_through() {
    for (kind, bytes) in [
        (
            Kind::Stream,
            &b"\n\n*1\r\n$4\r\nPING\r\nVCS\x01\x01\x00\x02"[..],
        ),
        (Kind::Stream, b"V"),
        (Kind::Snapshot, b"REDIS0011VCS"),
        (Kind::Snapshot, b"VALKEY080"),
        (Kind::Snapshot, b"VC"),
        (Kind::Snapshot, b""),
    ] {
        for step in 1..=bytes.len().max(1) {
            let out = unpacked(kind, bytes, step, 3);
            // A part of the magic bytes waits for the rest.
            let wanted = if bytes == b"V" { &b""[..] } else { bytes };
            assert_eq!(out.as_deref(), Ok(wanted));
        }
    }
    let packed = packed(Kind::Stream, &[b"*1\r\n"], 0);
    let out = unpacked(Kind::Stream, &[b"\n\n\n", &packed[..]].concat(), 1, 2);
    assert_eq!(out.as_deref(), Ok(&b"\n\n\n*1\r\n"[..]));
}

#[test]
fn frames_of_another_maker_are_read_and_ours_by_it() {
    let content = [text(700_000), noise(100_000), text(300_000)].concat();
    for size in [
        BlockSize::Max64KB,
        BlockSize::Max256KB,
        BlockSize::Max1MB,
        BlockSize::Max4MB,
    ] {
        for (mode, sums) in [
            (BlockMode::Independent, true),
            (BlockMode::Linked, true),
            (BlockMode::Linked, false),
        ] {
            let info = FrameInfo::new()
                .block_size(size)
                .block_mode(mode)
                .block_checksums(sums)
                .content_checksum(sums)
                .content_size(sums.then_some(content.len() as u64));
            let envelope = b"VCS\x01\x01\x00\x01".to_vec();
            let mut encoder = FrameEncoder::with_frame_info(info, envelope);
            for piece in content.chunks(50_001) {
                encoder.write_all(piece).expect("memory");
                encoder.flush().expect("memory");
            }
            let bytes = encoder.finish().expect("memory");
            let out = unpacked(Kind::Snapshot, &bytes, 10_007, 65_536);
            assert!(out.as_ref() == Ok(&content), "{size:?} {mode:?}");
            if sums {
                let mut other = bytes.clone();
                *other.last_mut().expect("a sum") ^= 1;
                let out = unpacked(Kind::Snapshot, &other, 10_007, 65_536);
                assert_eq!(out, Err(Damage::Checksum));
            }
        }
    }
    let pieces: Vec<&[u8]> = content.chunks(3_333).collect();
    for kind in [Kind::Snapshot, Kind::Stream] {
        let mut bytes = packed(kind, &pieces, 16 * 1024);
        if kind == Kind::Stream {
            Packer::end(&mut bytes);
        }
        let mut out = Vec::new();
        let mut decoder = FrameDecoder::new(&bytes[ENVELOPE_BYTES..]);
        decoder.read_to_end(&mut out).expect("a frame");
        assert!(out == content);
    }
}

#[test]
fn a_wrong_byte_is_found() {
    let content = [text(5000), noise(3000)].concat();
    for kind in [Kind::Snapshot, Kind::Stream] {
        let bytes = packed(kind, &[&content[..4000], &content[4000..]], 16 * 1024);
        // The lengths are not in a checksum: whether a block is stored is the one bit that is not
        // protected.
        let begin = ENVELOPE_BYTES + 7;
        let length = u32::from_le_bytes(*bytes[begin..].first_chunk().expect("a length"));
        let second = begin + 8 + (length & !STORED) as usize;
        for at in 3..bytes.len() {
            for bit in [1u8, 0x80] {
                if bit == 0x80 && [begin + 3, second + 3].contains(&at) {
                    continue;
                }
                let mut other = bytes.clone();
                other[at] ^= bit;
                // It is an error, or more is awaited; wrong bytes never come out.
                if let Ok(out) = unpacked(kind, &other, 1000, 999) {
                    assert!(content.starts_with(&out) && kind == Kind::Stream, "{at}");
                }
            }
        }
        if kind == Kind::Snapshot {
            for len in ENVELOPE_BYTES..bytes.len() {
                let out = unpacked(kind, &bytes[..len], 1000, 999);
                assert_eq!(out, Err(Damage::Short), "{len}");
            }
        }
    }
}

#[test]
fn the_header_is_that_of_the_link() {
    let begin = |kind| packed(kind, &[], 0);
    let unknown = |at: usize, value: u8, damage| {
        let mut other = begin(Kind::Stream);
        other[at] = value;
        assert_eq!(
            unpacked(Kind::Stream, &other, 1, 1),
            Err(damage),
            "{at} {value}"
        );
    };
    for (at, value) in [(3, 2), (4, 0), (4, 2), (5, 1), (6, 0), (6, 1), (6, 3)] {
        unknown(at, value, Damage::Envelope);
    }
    unknown(7, 5, Damage::Header);
    for flags in [0x00, 0x80, 0x51, 0x42] {
        unknown(11, flags, Damage::Header);
    }
    unknown(13, 0, Damage::Checksum);
    let of_other_kind = unpacked(Kind::Snapshot, &begin(Kind::Stream), 1, 1);
    assert_eq!(of_other_kind, Err(Damage::Envelope));
    // A frame that ends: a snapshot may, the stream does not.
    let ends = [&begin(Kind::Stream)[..], &[0; 4]].concat();
    assert_eq!(unpacked(Kind::Stream, &ends, 1, 1), Err(Damage::Ended));
    let ends = [&begin(Kind::Snapshot)[..], b"more"].concat();
    assert_eq!(unpacked(Kind::Snapshot, &ends, 1, 1), Ok(Vec::new()));
}

#[test]
fn lengths_that_are_announced_take_no_memory() {
    for word in [u32::MAX, 0x8001_0001, 0x0001_0001, 0x7fff_ffff] {
        let bytes = [&packed(Kind::Stream, &[], 0)[..], &word.to_le_bytes()].concat();
        assert_eq!(unpacked(Kind::Stream, &bytes, 1, 1), Err(Damage::Length));
    }
    // The longest block that a frame can have: nothing is decompressed before it is there.
    let header = [0x40, 0x70];
    let begin = [b"VCS\x01\x01\x00\x02", &FRAME_MAGIC[..], &header].concat();
    let mut unpacker = Unpacker::new(Kind::Stream);
    unpacker.push(&begin);
    unpacker.push(&[header_sum(&header)]);
    unpacker.push(&(4u32 << 20).to_le_bytes());
    unpacker.push(&[0; 1000]);
    assert_eq!(unpacker.pull(&mut [0; 100]), Ok(0));
    assert!(unpacker.memory_bytes() < 10_000);
    // A block that grows beyond the frame's size.
    let zeros = vec![0; 100_000];
    let bomb = lz4_flex::block::compress(&zeros);
    let mut bytes = packed(Kind::Stream, &[], 0);
    bytes.extend_from_slice(&(bomb.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&bomb);
    bytes.extend_from_slice(&sum(&bomb).to_le_bytes());
    assert_eq!(unpacked(Kind::Stream, &bytes, 50, 50), Err(Damage::Block));
}

#[test]
fn a_long_stream_keeps_no_more_than_its_window() {
    let (mut packer, mut unpacker) = (Packer::default(), Unpacker::new(Kind::Stream));
    let content = text(3_000_000);
    let (mut out, mut into, mut bytes) = (0, vec![0; 1000], Vec::new());
    Packer::begin(Kind::Stream, &mut bytes);
    let (mut at, mut len) = (0, 1);
    while at < content.len() {
        len = (len * 7 + 13) % 9973 + 1;
        let end = content.len().min(at + len);
        packer.block(
            &content[at.saturating_sub(16 * 1024)..at],
            &content[at..end],
            &mut bytes,
        );
        unpacker.push(&bytes);
        bytes.clear();
        at = end;
        loop {
            let n = unpacker.pull(&mut into).expect("sound");
            assert!(into[..n] == content[out..out + n]);
            out += n;
            if n == 0 {
                break;
            }
        }
        assert!(unpacker.memory_bytes() < 512 * 1024);
    }
    assert_eq!(out, content.len());
}

proptest! {
    #[test]
    fn what_comes_out_is_what_went_in(
        pieces in prop::collection::vec((any::<u8>(), 1usize..3000, 1u8..40), 1..20),
        step in 1usize..5000,
        room in 1usize..5000,
        dict in 0usize..70_000,
    ) {
        let make = |&(byte, len, period): &(u8, usize, u8)| -> Vec<u8> {
            (0..len).map(|i| byte.wrapping_add((i % usize::from(period)) as u8)).collect()
        };
        let made: Vec<Vec<u8>> = pieces.iter().map(make).collect();
        let slices: Vec<&[u8]> = made.iter().map(Vec::as_slice).collect();
        for kind in [Kind::Snapshot, Kind::Stream] {
            let bytes = packed(kind, &slices, dict);
            prop_assert!(unpacked(kind, &bytes, step, room) == Ok(slices.concat()));
        }
    }

    #[test]
    fn hostile_bytes_are_an_error_or_wait(
        bytes in prop::collection::vec(any::<u8>(), 0..2000),
        step in 1usize..100,
    ) {
        for kind in [Kind::Snapshot, Kind::Stream] {
            let mut all = packed(kind, &[b"some bytes"], 0);
            if kind == Kind::Snapshot {
                all.truncate(all.len() - 4);
            }
            all.extend_from_slice(&bytes);
            let out = unpacked(kind, &all, step, 100);
            prop_assert!(out.is_err() || out.is_ok_and(|out| out.starts_with(b"some bytes")));
        }
    }
}
