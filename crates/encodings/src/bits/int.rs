//! Integers of 1 to 64 bits at any bit of a string, the highest bit first.
//!
//!     u5 with the value 23 at bit 7:  |0000000 1|0111 0000|

/// A width with or without a sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IntType {
    signed: bool,
    bits: u32,
}

/// The treatment of a value that does not fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overflow {
    /// Truncated to the type's lowest bits.
    #[default]
    Wrap,
    /// Saturated to the nearest value that fits.
    Sat,
    /// Refused.
    Fail,
}

impl IntType {
    /// `i1` to `i64`, `u1` to `u63`: unsigned values are read into an `i64`.
    pub fn new(signed: bool, bits: i64) -> Option<IntType> {
        let most = if signed { 64 } else { 63 };
        (1..=most).contains(&bits).then_some(IntType {
            signed,
            bits: bits as u32,
        })
    }

    /// The width: 1 to 64.
    pub fn bits(self) -> u64 {
        self.bits.into()
    }

    /// The lowest and the highest value.
    fn bounds(self) -> (i128, i128) {
        if self.signed {
            (-(1 << (self.bits - 1)), (1 << (self.bits - 1)) - 1)
        } else {
            (0, (1 << self.bits) - 1)
        }
    }

    /// `value` converted to this type: unchanged if it fits, else according to `overflow`.
    pub fn fit(self, value: i128, overflow: Overflow) -> Option<i64> {
        let (min, max) = self.bounds();
        if (min..=max).contains(&value) {
            return Some(value as i64);
        }
        match overflow {
            Overflow::Wrap => Some(self.extend(value as u64)),
            Overflow::Sat => Some(value.clamp(min, max) as i64),
            Overflow::Fail => None,
        }
    }

    /// The value of SET's argument: for an unsigned type a negative value is reinterpreted as
    /// `u64`.
    pub fn argument(self, value: i64) -> i128 {
        if self.signed {
            value.into()
        } else {
            (value as u64).into()
        }
    }

    /// Interprets the lowest bits as a value of this type.
    fn extend(self, low: u64) -> i64 {
        let unused = 64 - self.bits;
        if self.signed {
            ((low << unused) as i64) >> unused
        } else {
            ((low << unused) >> unused) as i64
        }
    }

    /// The integer at bit `at`; bits beyond the string's end are zero. O(1).
    pub fn get(self, bytes: &[u8], at: u64) -> i64 {
        let window = Window::at(bytes, at);
        self.extend((window.value >> self.shift(at)) as u64)
    }

    /// Writes a value of this type at bit `at`; its last bit must be inside the string. O(1).
    pub fn set(self, bytes: &mut [u8], at: u64, value: i64) {
        let Window {
            first,
            value: mut window,
        } = Window::at(bytes, at);
        let (mask, shift) = (u128::MAX >> (128 - self.bits), self.shift(at));
        window &= !(mask << shift);
        window |= (value as u128 & mask) << shift;
        let len = (at % 8 + self.bits()).div_ceil(8) as usize;
        bytes[first..first + len].copy_from_slice(&window.to_be_bytes()[..len]);
    }

    /// Distance between the end of the integer at bit `at` and the window's right end.
    fn shift(self, at: u64) -> u32 {
        128 - (at % 8) as u32 - self.bits
    }
}

/// Sixteen bytes from the byte of a bit on, zero beyond the end: an integer spans nine at most.
struct Window {
    first: usize,
    value: u128,
}

impl Window {
    fn at(bytes: &[u8], at: u64) -> Window {
        let first = usize::try_from(at / 8).unwrap_or(usize::MAX);
        let mut window = [0; 16];
        if let Some(rest) = bytes.get(first..) {
            let len = rest.len().min(window.len());
            window[..len].copy_from_slice(&rest[..len]);
        }
        let value = u128::from_be_bytes(window);
        Window { first, value }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::bit;
    use super::*;
    use proptest::prelude::*;

    fn int_type() -> impl Strategy<Value = IntType> {
        (any::<bool>(), 1i64..=64)
            .prop_filter_map("no such type", |(signed, bits)| IntType::new(signed, bits))
    }

    proptest! {
        #[test]
        fn an_integer_is_its_bits(
            mut bytes in prop::collection::vec(any::<u8>(), 24),
            int in int_type(),
            at in 0u64..120,
            value in any::<i64>(),
        ) {
            let bits = int.bits();
            let before = bytes.clone();
            let value = int.fit(value.into(), Overflow::Wrap).unwrap();
            int.set(&mut bytes, at, value);
            prop_assert_eq!(int.get(&bytes, at), value);
            for i in 0..192u64 {
                let expected = match i.checked_sub(at) {
                    Some(n) if n < bits => value >> (bits - 1 - n) & 1 == 1,
                    _ => bit(&before, i),
                };
                prop_assert_eq!(bit(&bytes, i), expected, "bit {}", i);
            }
        }

        #[test]
        fn what_does_not_fit_is_wrapped_or_cut(
            int in int_type(),
            value in any::<i64>(),
            increment in any::<i64>(),
        ) {
            let sum = i128::from(value) + i128::from(increment);
            let (min, max) = int.bounds();
            let fits = (min..=max).contains(&sum);
            let wrapped = i128::from(int.fit(sum, Overflow::Wrap).unwrap());
            prop_assert_eq!((sum - wrapped) % (1 << int.bits()), 0);
            prop_assert!((min..=max).contains(&wrapped));
            prop_assert_eq!(i128::from(int.fit(sum, Overflow::Sat).unwrap()), sum.clamp(min, max));
            prop_assert_eq!(int.fit(sum, Overflow::Fail), fits.then_some(sum as i64));
        }
    }

    #[test]
    fn beyond_the_end_there_are_zeros() {
        let int = IntType::new(false, 16).unwrap();
        assert_eq!(int.get(b"\xff", 4), 0xf000);
        assert_eq!(int.get(b"\xff", 8), 0);
        assert_eq!(int.get(b"", u64::MAX), 0);
        assert_eq!(IntType::new(false, 64), None);
        assert_eq!(IntType::new(true, 0), None);
    }
}
