//! Quicklists against a `VecDeque`, with random limits and depths of compression.
//!
//! Also where elements go, which clients see by OBJECT ENCODING and DEBUG OBJECT: an element above
//! the limit alone in a node, nodes filled as the setting says, room only in the first node.

use super::*;
use proptest::prelude::*;

fn texts(list: &Quicklist) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    list.visit(0, usize::MAX, false, |e| {
        all.push(e.to_vec());
        true
    });
    all
}

#[test]
fn an_element_above_the_limit_stands_alone() {
    let mut list = Quicklist::new(Fill(-1), 0);
    for text in [&b"a"[..], &[b'x'; 4097], b"b"] {
        list.push(End::Back, text);
    }
    assert_eq!(list.node_count(), 3);
    assert!(matches!(list.nodes().nth(1), Some(NodeRef::Plain(text)) if text.len() == 4097));
    assert_eq!(
        list.pop_with(End::Back, |e| e.to_vec()),
        Some(b"b".to_vec())
    );
    assert_eq!(list.pop_with(End::Back, |e| e.to_vec().len()), Some(4097));
}

#[test]
fn nodes_hold_as_many_as_the_fill_allows() {
    for (fill, per_node) in [(Fill(1), 1), (Fill(5), 5), (Fill(-2), 511), (Fill(-1), 255)] {
        let mut list = Quicklist::new(fill, 0);
        for i in 0..2000 {
            list.push(End::Back, format!("e:{i:012}").as_bytes());
        }
        list.check_invariants();
        assert_eq!(list.nodes[0].count(), per_node, "{fill:?}");
    }
}

#[test]
fn middle_nodes_are_compressed_and_read_the_same() {
    let mut list = Quicklist::new(Fill(-1), 1);
    for i in 0..5000 {
        list.push(End::Back, format!("element:{i:012}").as_bytes());
    }
    list.check_invariants();
    let lzf = list
        .nodes()
        .filter(|n| matches!(n, NodeRef::Lzf { .. }))
        .count();
    assert_eq!(lzf, list.node_count() - 2);
    assert_eq!(
        list.get_with(2500, |e| e.to_vec()),
        Some(b"element:000000002500".to_vec())
    );
    list.delete_range(100, 4800);
    list.check_invariants();
    assert_eq!(
        list.get_with(100, |e| e.to_vec()),
        Some(b"element:000000004900".to_vec())
    );
}

#[derive(Clone, Debug)]
enum Op {
    Push(bool, Vec<u8>),
    Pop(bool),
    Insert(usize, Vec<u8>),
    Replace(usize, Vec<u8>),
    Delete(usize, usize),
    Remove(usize, usize, bool),
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => (-30i64..300).prop_map(|v| v.to_string().into_bytes()),
        4 => prop::collection::vec(b'a'..b'e', 0..40),
        1 => (1000usize..6000).prop_map(|n| vec![b'z'; n]),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (any::<bool>(), value()).prop_map(|(f, v)| Op::Push(f, v)),
        1 => any::<bool>().prop_map(Op::Pop),
        3 => (any::<usize>(), value()).prop_map(|(i, v)| Op::Insert(i, v)),
        2 => (any::<usize>(), value()).prop_map(|(i, v)| Op::Replace(i, v)),
        1 => (any::<usize>(), 0usize..20).prop_map(|(i, n)| Op::Delete(i, n)),
        1 => (any::<usize>(), 1usize..4, any::<bool>()).prop_map(|(i, n, f)| Op::Remove(i, n, f)),
    ]
}

fn end(front: bool) -> End {
    if front { End::Front } else { End::Back }
}

fn apply(list: &mut Quicklist, model: &mut VecDeque<Vec<u8>>, op: Op) {
    let len = model.len();
    match op {
        Op::Push(front, v) => {
            list.push(end(front), &v);
            if front {
                model.push_front(v)
            } else {
                model.push_back(v)
            }
        }
        Op::Pop(front) => {
            let popped = list.pop_with(end(front), |e| e.to_vec());
            assert_eq!(
                popped,
                if front {
                    model.pop_front()
                } else {
                    model.pop_back()
                }
            );
        }
        Op::Insert(i, v) if len > 0 => {
            let (beside, after) = (i % len, i / len % 2 == 1);
            list.insert_beside(beside, after, &v);
            model.insert(beside + usize::from(after), v);
        }
        Op::Replace(i, v) if len > 0 => {
            assert!(list.replace(i % len, &v));
            model[i % len] = v;
        }
        Op::Delete(i, n) if len > 0 => {
            let at = i % len;
            let gone = (at + n).min(len) - at;
            assert_eq!(list.delete_range(at, n), gone);
            model.drain(at..at + gone);
        }
        Op::Remove(i, n, front) if len > 0 => {
            let needle = model[i % len].clone();
            let mut at: Vec<_> = (0..len).filter(|&j| model[j] == needle).collect();
            if !front {
                at.reverse();
            }
            at.truncate(n);
            at.sort_unstable();
            assert_eq!(list.remove_equal(&needle, n, end(front)), at.len());
            for j in at.into_iter().rev() {
                model.remove(j);
            }
        }
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn behaves_like_a_deque(
        fill in prop_oneof![Just(1i16), Just(3), Just(-1)],
        compress in 0u16..3,
        ops in prop::collection::vec(op(), 0..120),
    ) {
        let mut list = Quicklist::new(Fill(fill), compress);
        let mut model = VecDeque::new();
        for op in ops {
            apply(&mut list, &mut model, op);
            list.check_invariants();
            list.clone().check_invariants();
        }
        prop_assert_eq!(texts(&list), model.iter().cloned().collect::<Vec<_>>());
        let mut backward = Vec::new();
        list.visit(model.len().wrapping_sub(1), usize::MAX, true, |e| { backward.push(e.to_vec()); true });
        prop_assert_eq!(backward, model.iter().rev().cloned().collect::<Vec<_>>());
        for (i, v) in model.iter().enumerate() {
            prop_assert_eq!(list.get_with(i, |e| e.is(v)), Some(true));
        }
    }
}

#[test]
fn what_comes_and_goes_at_the_front_is_in_its_own_room() {
    let mut list = Quicklist::new(Fill(-2), 0);
    for i in 0..5000 {
        list.push(End::Front, format!("e:{i:012}").as_bytes());
        list.check_invariants();
    }
    assert_eq!(list.node_count(), 5000usize.div_ceil(511));
    let roomy = |list: &Quicklist| matches!(list.nodes[0], ListNode::Roomy { .. });
    assert!(roomy(&list));
    for i in (0..5000).rev() {
        assert_eq!(
            list.pop_with(End::Front, |e| e.is(format!("e:{i:012}").as_bytes())),
            Some(true)
        );
        list.check_invariants();
    }
    assert!(list.is_empty());
    // A queue: pushed at the back, popped at the front.
    for i in 0..3000 {
        list.push(End::Back, format!("e:{i:012}").as_bytes());
    }
    list.pop_with(End::Front, |_| ());
    assert!(roomy(&list));
    list.clone().check_invariants();
    // A change elsewhere in the node removes the room.
    list.insert_beside(3, true, b"x");
    assert!(!roomy(&list));
    list.check_invariants();
}
