//! CRC-64 of Redis's files: Jones's polynomial, bits reflected, no inversion.

use crc_fast::{CrcAlgorithm, Digest};

/// Continues checksum `crc` with `bytes`; start with 0.
pub fn update(crc: u64, bytes: &[u8]) -> u64 {
    let mut digest = Digest::new_with_init_state(CrcAlgorithm::Crc64Redis, crc);
    digest.update(bytes);
    digest.finalize()
}

#[cfg(test)]
mod tests {
    use super::update;

    #[test]
    fn the_known_text_has_the_known_sum() {
        assert_eq!(update(0, b"123456789"), 0xe9c6_d914_c4b8_d9ca);
        assert_eq!(update(0, b""), 0);
    }

    #[test]
    fn a_sum_may_be_made_in_any_pieces() {
        let text: Vec<u8> = (0..3000u32).map(|i| (i * 31 % 253) as u8).collect();
        let whole = update(0, &text);
        for cut in [0, 1, 7, 15, 16, 255, 256, 1024, 2999, 3000] {
            assert_eq!(
                update(update(0, &text[..cut]), &text[cut..]),
                whole,
                "{cut}"
            );
        }
    }
}
