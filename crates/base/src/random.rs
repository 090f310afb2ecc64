//! Random text from the system's generator.

use rand::Rng;

/// This many random lowercase hexadecimal digits.
pub fn hex(digits: usize) -> String {
    let mut raw = vec![0; digits.div_ceil(2)];
    rand::rng().fill_bytes(&mut raw);
    let mut text: String = raw.iter().map(|b| format!("{b:02x}")).collect();
    text.truncate(digits);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_digits_as_asked_for() {
        for digits in [0, 1, 2, 3, 1024] {
            let text = hex(digits);
            assert_eq!(text.len(), digits);
            assert!(text.bytes().all(|b| b"0123456789abcdef".contains(&b)));
        }
        assert_ne!(hex(40), hex(40));
    }
}
