//! "Did you mean": the known name nearest to a mistyped name.

/// The name among `names` that `word` was probably meant to be: at most a third of its letters are
/// wrong, missing or swapped, and at most [`EDITS_MAX`]. O(names, letters squared).
pub(crate) fn nearest<'n>(word: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let word = word.to_ascii_lowercase();
    if word.len() > LETTERS_MAX {
        return None;
    }
    let limit = (word.len() / 3).min(EDITS_MAX);
    let near = names.map(|name| (edits(word.as_bytes(), name.as_bytes()), name));
    let (edits, name) = near.min_by_key(|&(edits, _)| edits)?;
    (1..=limit).contains(&edits).then_some(name)
}

const EDITS_MAX: usize = 3;
/// A longer word is no mistyped name.
const LETTERS_MAX: usize = 64;

/// The number of insertions, removals, replacements and swaps of neighbours that make `b` of `a`.
fn edits(a: &[u8], b: &[u8]) -> usize {
    if a.len().abs_diff(b.len()) > EDITS_MAX {
        return usize::MAX;
    }
    // Row i: the distance between the first i letters of `a` and each beginning of `b`.
    let mut rows = vec![(0..=b.len()).collect::<Vec<usize>>()];
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            let is_swap = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if is_swap {
                row[j] = row[j].min(rows[i - 2][j - 2] + 1);
            }
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_name_is_recognised() {
        let names = ["maxmemory", "maxclients", "save", "port", "doctor"];
        let near = |word| nearest(word, names.into_iter());
        assert_eq!(near("maxmemroy"), Some("maxmemory"));
        assert_eq!(near("MaxClient"), Some("maxclients"));
        assert_eq!(near("doctr"), Some("doctor"));
        assert_eq!(near("prot"), Some("port"));
        for word in ["", "x", "port", "nosuch", "foo", "maxmemory-limit-of-all"] {
            assert_eq!(near(word), None, "{word}");
        }
    }
}
