//! Whether words stand near each other, in any order or in the order of the query; and how near.
//!
//! Parts without positions (tags, numbers, what is missing) do not count; a single part with
//! positions beside them is near in order, but not near in any order, as in RediSearch.
//!
//! Source: SLOP, INORDER and scores of Redis Stack 7.4.

use super::{Cursor, END};

/// How near words must stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Nearness {
    /// Other words between them, at most.
    pub(crate) slop: u32,
    pub(crate) in_order: bool,
}

/// Appends the positions of a part on the present document, ascending; false: there are none.
pub(crate) fn positions(part: &Cursor<'_>, out: &mut Vec<u32>) -> bool {
    let start = out.len();
    collect(part, out);
    out[start..].sort_unstable();
    out.len() > start
}

fn collect(part: &Cursor<'_>, out: &mut Vec<u32>) {
    match part {
        Cursor::Word(word) => word.positions(out),
        Cursor::Intersection(of) => of.parts().iter().for_each(|part| collect(part, out)),
        Cursor::Union(of) => of.matched().for_each(|part| collect(part, out)),
        Cursor::Optional(rest) if rest.part.id() == rest.all.id() => collect(&rest.part, out),
        Cursor::Distances(of) => {
            if let Some(filter) = of.filter() {
                collect(filter, out);
            }
        }
        Cursor::Counted(of) => collect(&of.part, out),
        Cursor::Empty | Cursor::Ids(_) | Cursor::Not(_) | Cursor::Optional(_) => {}
    }
}

/// Whether the words of parts, which all stand on the same document, are near. The caller keeps
/// `room` for the next document.
pub(crate) fn are_near(parts: &[Cursor<'_>], nearness: Nearness, room: &mut Vec<Vec<u32>>) -> bool {
    room.resize_with(parts.len(), Vec::new);
    let mut count = 0;
    for part in parts {
        room[count].clear();
        if positions(part, &mut room[count]) {
            count += 1;
        }
    }
    let lists = &room[..count];
    if count == 0 {
        return true;
    }
    if nearness.in_order {
        are_in_order(lists, i64::from(nearness.slop))
    } else {
        are_together(lists, i64::from(nearness.slop))
    }
}

/// Whether a position of each list can be chosen so that they ascend, with at most `slop` others
/// between them in all.
fn are_in_order(lists: &[Vec<u32>], slop: i64) -> bool {
    // A later first word never lets the others stand before where they stood.
    let mut at = vec![0; lists.len()];
    'first: for first in &lists[0] {
        let (mut last, mut span) = (*first, 0);
        for (list, at) in lists.iter().zip(&mut at).skip(1) {
            while list.get(*at).is_some_and(|position| *position < last) {
                *at += 1;
            }
            let Some(position) = list.get(*at) else {
                return false;
            };
            span += i64::from(*position) - i64::from(last) - 1;
            if span > slop {
                continue 'first;
            }
            last = *position;
        }
        return true;
    }
    false
}

/// Whether a window holds a position of each list and at most `slop` others.
fn are_together(lists: &[Vec<u32>], slop: i64) -> bool {
    let mut at = vec![0; lists.len()];
    let between = slop + lists.len() as i64 - 1;
    loop {
        let (mut least, mut least_at, mut most) = (u32::MAX, 0, 0);
        for (place, list) in lists.iter().enumerate() {
            let position = list[at[place]];
            if position < least {
                (least, least_at) = (position, place);
            }
            most = most.max(position);
        }
        // Parts on the same position are the same word.
        if least != most && i64::from(most - least) <= between {
            return true;
        }
        at[least_at] += 1;
        if at[least_at] == lists[least_at].len() {
            return false;
        }
    }
}

/// How far the neighbouring parts of a document stand apart: scores are divided by it.
pub(crate) fn spread(root: &Cursor<'_>) -> i64 {
    let mut lists = Vec::new();
    let mut count = 0i64;
    let mut add = |part: &Cursor<'_>| {
        count += 1;
        let mut list = Vec::new();
        if positions(part, &mut list) {
            lists.push(list);
        }
    };
    match root {
        Cursor::Counted(of) => return spread(&of.part),
        Cursor::Intersection(of) => of.parts().iter().for_each(&mut add),
        Cursor::Union(of) => of.matched().for_each(&mut add),
        Cursor::Distances(of) if of.filter().is_some_and(|filter| filter.id() != END) => {
            add(&Cursor::Empty);
            add(of.filter().expect("it was looked at"));
        }
        _ => return 1,
    }
    if count <= 1 {
        return 1;
    }
    let pairs = lists.windows(2);
    let squares: i64 = pairs
        .map(|pair| i64::pow(distance(&pair[0], &pair[1]), 2))
        .sum();
    match squares {
        0 => count - 1,
        squares => squares.isqrt(),
    }
}

/// The least distance of two ascending lists, or any distance of at most 1.
fn distance(left: &[u32], right: &[u32]) -> i64 {
    let (mut left, mut right) = (left.iter().peekable(), right.iter().peekable());
    let mut least = i64::MAX;
    while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
        let (a, b) = (i64::from(**a), i64::from(**b));
        least = least.min((a - b).abs());
        if least <= 1 {
            break;
        }
        if b > a {
            left.next();
        } else {
            right.next();
        }
    }
    least
}
