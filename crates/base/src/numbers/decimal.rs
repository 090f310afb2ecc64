//! Decimal numbers as text.

/// The text of digits with a point among them. O(digits).
#[derive(Clone, Copy, Debug)]
pub struct Decimal {
    text: [u8; Decimal::LENGTH],
    start: usize,
}

impl Decimal {
    /// A sign, a zero, the point, and the most places.
    const LENGTH: usize = 3 + Decimal::PLACES_MAX;
    /// Places after the point, at most.
    pub const PLACES_MAX: usize = 21;

    /// `digits` of which so many are after the point; without any there is no point.
    ///
    /// # Panics
    ///
    /// With more than [`Decimal::PLACES_MAX`] places.
    #[inline]
    pub fn new(is_negative: bool, mut digits: u64, places: usize) -> Decimal {
        // From the last digit on.
        let (mut text, mut start) = ([b'0'; Decimal::LENGTH], Decimal::LENGTH);
        let mut put = |byte| {
            start -= 1;
            text[start] = byte;
        };
        for _ in 0..places {
            put(b'0' + (digits % 10) as u8);
            digits /= 10;
        }
        if places > 0 {
            put(b'.');
        }
        loop {
            put(b'0' + (digits % 10) as u8);
            digits /= 10;
            if digits == 0 {
                break;
            }
        }
        if is_negative {
            put(b'-');
        }
        Decimal { text, start }
    }

    /// The text, ASCII.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.text[self.start..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_point_stands_where_it_is_asked_for() {
        let longest = format!("-0.{}", "0".repeat(Decimal::PLACES_MAX - 1) + "7");
        for (is_negative, digits, places, text) in [
            (false, 0, 0, "0"),
            (true, 1205, 2, "-12.05"),
            (false, 5, 3, "0.005"),
            (true, u64::MAX, 1, "-1844674407370955161.5"),
            (true, 7, Decimal::PLACES_MAX, &longest),
        ] {
            let decimal = Decimal::new(is_negative, digits, places);
            assert_eq!(decimal.as_bytes(), text.as_bytes());
        }
    }
}
