//! Checks of a tree's invariants; for tests, fuzzing and DEBUG.
#![allow(unsafe_code)]

use super::ZsetIndex;

impl ZsetIndex {
    /// Panics if an invariant is broken.
    pub fn check_invariants(&self) {
        let all: Vec<_> = self.iter().collect();
        assert_eq!(all.len(), self.len);
        assert_eq!(self.count_nodes(), self.nodes);
        assert!(
            all.windows(2)
                .all(|w| { w[0].0 < w[1].0 || w[0].0 == w[1].0 && w[0].1 < w[1].1 })
        );
        self.each_node(&mut |node, height| {
            // SAFETY: nodes of the tree are alive.
            assert!(unsafe { node.len() } > 0);
            if height > 0 {
                // SAFETY: above height 0 nodes are inner.
                let inner = unsafe { node.inner() };
                for at in 0..inner.len() {
                    let child = inner.children[at];
                    // SAFETY: children are alive.
                    let (score, member) = unsafe { child.first(height - 1) };
                    assert!(inner.firsts.get(at) == (score, member));
                    let count = if height == 1 {
                        // SAFETY: height 0 is a leaf.
                        (unsafe { child.len() }) as u64
                    } else {
                        // SAFETY: the child is inner.
                        unsafe { child.inner() }.total()
                    };
                    assert_eq!(inner.counts[at], count);
                }
            }
        });
    }
}
