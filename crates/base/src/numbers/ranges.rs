//! Numbers as ranges, as clusters print slots.

/// Ascending numbers as inclusive ranges (first, last). O(n).
pub fn ranges(numbers: impl IntoIterator<Item = u16>) -> Vec<(u16, u16)> {
    let mut ranges: Vec<(u16, u16)> = Vec::new();
    for number in numbers {
        match ranges.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(number) => *last = number,
            _ => ranges.push((number, number)),
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::ranges;

    #[test]
    fn neighbours_join_a_range() {
        assert_eq!(ranges([]), []);
        let some = ranges([0, 1, 2, 63, 65534, 65535]);
        assert_eq!(some, [(0, 2), (63, 63), (65534, 65535)]);
    }
}
