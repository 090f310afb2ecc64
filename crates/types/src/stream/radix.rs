//! The size of a virtual radix tree: XINFO STREAM reports the number of nodes that Redis's has.
//!
//! Such a tree has a node for each fork, and for the bytes up to a fork or the end of a key that no
//! fork consumes; the first byte after a fork belongs to the fork, and an end has no node. Keys of
//! equal length make the same tree in any order of insertion.

/// Bytes of a key.
const KEY: usize = 16;

/// Number of nodes of the tree of these keys, which ascend; an empty tree has a single node.
/// O(keys).
pub(super) fn nodes(keys: impl Iterator<Item = u128>) -> usize {
    let mut count = 0;
    // The forks above the last key, by the number of bytes before them.
    let mut forks: Vec<usize> = Vec::new();
    let mut last: Option<u128> = None;
    // The nodes between a fork (or the root) and the fork or end below it.
    let between = |above: Option<usize>, below: usize| match above {
        Some(above) => usize::from(below - above > 1),
        None => usize::from(below > 0),
    };
    for key in keys {
        let Some(before) = last.replace(key) else {
            continue;
        };
        let shared = (before ^ key).leading_zeros() as usize / 8;
        let mut below = KEY;
        while forks.last().is_some_and(|&fork| fork > shared) {
            let fork = forks.pop();
            count += between(fork, below);
            below = fork.unwrap_or(0);
        }
        count += between(Some(shared), below);
        if forks.last() != Some(&shared) {
            forks.push(shared);
            count += 1;
        }
    }
    if last.is_none() {
        return 1;
    }
    let mut below = KEY;
    while let Some(fork) = forks.pop() {
        count += between(Some(fork), below);
        below = fork;
    }
    count + between(None, below)
}

#[cfg(test)]
mod tests {
    use super::*;
    use russet_encodings::stream_id::StreamId;

    fn of(ids: &[(u64, u64)]) -> usize {
        let ids = ids.iter().map(|&(ms, seq)| StreamId::new(ms, seq));
        nodes(ids.map(StreamId::to_u128))
    }

    #[test]
    fn sizes_are_those_of_redis() {
        assert_eq!(of(&[]), 1);
        assert_eq!(of(&[(1, 0)]), 1);
        // Seven bytes, a fork, twice eight bytes.
        assert_eq!(of(&[(1, 0), (2, 0)]), 4);
        assert_eq!(of(&[(1, 0), (2, 0), (3, 0)]), 5);
        // A fork at the last byte: nothing follows it.
        assert_eq!(of(&[(1, 0), (1, 1)]), 2);
        assert_eq!(of(&[(1, 0), (300, 0), (301, 0)]), 6);
        assert_eq!(of(&[(1, 0), (1, 256), (2, 0), (70000, 1)]), 10);
    }
}
