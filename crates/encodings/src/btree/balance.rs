//! Making room in full nodes and joining small nodes, a parent and its children at a time.
//!
//! A full leaf shares elements with a neighbour or splits; a full inner node splits. Both happen
//! before the insert continues, so that no split propagates upwards. After each change here the
//! parent's first elements and counts are exact again (invariant 1 of the tree).
#![allow(unsafe_code)]

use super::member::{Key, Member};
use super::node::{BtreeNode, FAN, InnerNode, LEAF};

/// A neighbour with this many free slots shares a full leaf's load.
const SHARE_MIN: usize = 8;
/// A leaf below this joins a neighbour if together they fill no more than `JOIN_MAX`.
const LEAF_MIN: usize = LEAF / 4;
const LEAF_JOIN_MAX: usize = LEAF * 3 / 4;
const INNER_MIN: usize = FAN / 4;
const INNER_JOIN_MAX: usize = FAN * 3 / 4;

/// Makes room at the key's position, in or beside the full leaf `at` of a parent that has room for
/// a child.
pub(super) fn make_room_in_leaf(
    parent: &mut InnerNode,
    at: usize,
    slot: (f64, Member),
    key: Key<'_>,
    (left_edge, right_edge): (bool, bool),
) {
    // SAFETY: a child of a parent of leaves, reachable only through it.
    let leaf = unsafe { parent.children[at].leaf_mut() };
    // SAFETY: members in the tree are alive.
    let place = unsafe { leaf.rank(key, false) };
    if right_edge && place == LEAF {
        return parent.insert(at + 1, slot, BtreeNode::new_leaf(), 0);
    }
    if left_edge && place == 0 {
        return parent.insert(0, slot, BtreeNode::new_leaf(), 0);
    }
    if at > 0 {
        // SAFETY: another child than `leaf`.
        let left = unsafe { parent.children[at - 1].leaf_mut() };
        if left.len() + SHARE_MIN <= LEAF {
            let moved = (LEAF - left.len()).div_ceil(2);
            leaf.move_head(moved, left);
            return record_shift(parent, at - 1, moved as i64);
        }
    }
    if at + 1 < parent.len() {
        // SAFETY: another child than `leaf`.
        let right = unsafe { parent.children[at + 1].leaf_mut() };
        if right.len() + SHARE_MIN <= LEAF {
            let moved = (LEAF - right.len()).div_ceil(2);
            leaf.move_tail(LEAF - moved, right);
            return record_shift(parent, at, -(moved as i64));
        }
    }
    let node = BtreeNode::new_leaf();
    // SAFETY: made above.
    let right = unsafe { node.leaf_mut() };
    leaf.move_tail(LEAF / 2, right);
    parent.counts[at] = leaf.len() as u64;
    parent.insert(at + 1, right.get(0), node, right.len() as u64);
}

/// Records that `moved` elements went from child `at + 1` to `at`, or back if negative.
fn record_shift(parent: &mut InnerNode, at: usize, moved: i64) {
    parent.counts[at] = parent.counts[at].wrapping_add_signed(moved);
    parent.counts[at + 1] = parent.counts[at + 1].wrapping_sub(moved as u64);
    // SAFETY: both children keep elements.
    let first = unsafe { parent.children[at + 1].leaf() }.get(0);
    parent.firsts.set(at + 1, first);
}

/// Splits the full inner child `at` of a parent that has room.
pub(super) fn split_inner(
    parent: &mut InnerNode,
    at: usize,
    key: Key<'_>,
    (left_edge, right_edge): (bool, bool),
) {
    // SAFETY: a child above height 0, reachable only through its parent.
    let child = unsafe { parent.children[at].inner_mut() };
    // SAFETY: members in the tree are alive.
    let place = unsafe { child.firsts.rank(key, true) };
    let cut = if right_edge && place == FAN {
        FAN - 1
    } else if left_edge && place <= 1 {
        1
    } else {
        FAN / 2
    };
    let node = BtreeNode::new_inner();
    // SAFETY: made above.
    let right = unsafe { node.inner_mut() };
    child.move_tail(cut, right);
    parent.counts[at] = child.total();
    parent.insert(at + 1, right.firsts.get(0), node, right.total());
}

/// After a removal below child `at`: drops the child if empty, else updates the child's first
/// element and joins the child with a neighbour if both are small.
pub(super) fn mend_child(parent: &mut InnerNode, at: usize, height: u32) {
    let child = parent.children[at];
    // SAFETY: children are alive.
    let len = unsafe { child.len() };
    if len == 0 {
        parent.remove(at);
        // SAFETY: no longer in the tree.
        return unsafe { child.free(height) };
    }
    // SAFETY: not empty.
    parent.firsts.set(at, unsafe { child.first(height) });
    let (min, join_max) = if height == 0 {
        (LEAF_MIN, LEAF_JOIN_MAX)
    } else {
        (INNER_MIN, INNER_JOIN_MAX)
    };
    if len >= min {
        return;
    }
    let left = [at.checked_sub(1), Some(at)]
        .into_iter()
        .flatten()
        .find(|&left| {
            // SAFETY: children are alive.
            left + 1 < parent.len()
                && unsafe { parent.children[left].len() + parent.children[left + 1].len() }
                    <= join_max
        });
    let Some(left) = left else { return };
    let (to, from) = (parent.children[left], parent.children[left + 1]);
    if height == 0 {
        // SAFETY: two different leaves, reachable only through their parent.
        let (to, from) = unsafe { (to.leaf_mut(), from.leaf_mut()) };
        from.move_head(from.len(), to);
    } else {
        // SAFETY: two different inner nodes, reachable only through their parent.
        let (to, from) = unsafe { (to.inner_mut(), from.inner_mut()) };
        from.move_all(to);
    }
    parent.counts[left] += parent.counts[left + 1];
    parent.remove(left + 1);
    // SAFETY: empty, and no longer in the tree.
    unsafe { from.free(height) };
}
