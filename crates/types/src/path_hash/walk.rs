//! Paths in the order of their bytes.

use super::super::Hash;
use super::node::PathNode;

/// See the module. A path is built while the walk goes down, so only the last path is available.
pub struct Walk<'a> {
    root: &'a PathNode,
    /// The root's own path is the next path.
    at_root: bool,
    /// The nodes from the root to the node reached, each with the place below it from which the
    /// walk continues.
    levels: Vec<(&'a PathNode, usize)>,
    path: Vec<u8>,
}

impl<'a> Walk<'a> {
    pub(super) fn of(root: &'a PathNode) -> Walk<'a> {
        Walk {
            root,
            at_root: true,
            levels: vec![(root, 0)],
            path: Vec::new(),
        }
    }

    fn enter(&mut self, node: &'a PathNode) {
        self.levels.push((node, 0));
        self.path.extend_from_slice(node.label.bytes());
    }

    /// Continues with the node at this place below the node reached.
    fn advance(&mut self, at: usize) {
        if let Some((_, next)) = self.levels.last_mut() {
            *next = at;
        }
    }

    /// The first path that is not less than `path`.
    pub(super) fn at_path(mut self, path: &[u8]) -> Walk<'a> {
        self.at_root = path.is_empty();
        let (mut node, mut rest) = (self.root, path);
        while let Some(&first) = rest.first() {
            let at = match node.place(first) {
                Ok(at) => at,
                Err(at) => {
                    self.advance(at);
                    break;
                }
            };
            let Some(kid) = node.kid(at) else { break };
            let label = kid.label.bytes();
            if let Some(below) = rest.strip_prefix(label)
                && !below.is_empty()
            {
                self.advance(at + 1);
                self.enter(kid);
                (node, rest) = (kid, below);
                continue;
            }
            // All paths below are greater, or all are less.
            self.advance(at + usize::from(label < rest));
            break;
        }
        self
    }

    /// The path with `rank` paths before it. O(depth).
    pub(super) fn at_rank(mut self, rank: usize) -> Walk<'a> {
        self.at_root = rank == 0;
        let mut node = self.root;
        let mut before = rank.saturating_sub(node.own());
        while before > 0 {
            let mut at = 0;
            while let Some(kid) = node.kid(at)
                && kid.count <= before
            {
                before -= kid.count;
                at += 1;
            }
            let Some(kid) = node.kid(at) else {
                self.advance(at);
                break;
            };
            if before == 0 {
                self.advance(at);
                break;
            }
            self.advance(at + 1);
            self.enter(kid);
            before -= kid.own();
            node = kid;
        }
        self
    }

    /// The next path and its fields.
    #[allow(clippy::should_implement_trait, reason = "the path is lent")]
    pub fn next(&mut self) -> Option<(&[u8], &'a Hash)> {
        if std::mem::take(&mut self.at_root)
            && let Some(fields) = &self.root.fields
        {
            return Some((&[], fields));
        }
        loop {
            let (node, next) = self.levels.last_mut()?;
            let node: &'a PathNode = node;
            match node.kid(*next) {
                Some(kid) => {
                    *next += 1;
                    self.enter(kid);
                    if let Some(fields) = &kid.fields {
                        return Some((&self.path, fields));
                    }
                }
                None => {
                    let label = node.label.bytes().len();
                    self.path.truncate(self.path.len() - label);
                    self.levels.pop();
                }
            }
        }
    }
}
