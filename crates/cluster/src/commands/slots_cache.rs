//! The replies of SLOTS, kept until a route changes.

use crate::ownership::viewer::Viewer;

/// The replies as bytes, for each kind of connection. Cleared by whatever changes them.
#[derive(Debug, Default)]
pub(crate) struct SlotsReplies([Option<Box<[u8]>>; 8]);

impl SlotsReplies {
    pub fn clear(&mut self) {
        self.0.fill(None);
    }

    pub(super) fn place(&mut self, viewer: Viewer) -> &mut Option<Box<[u8]>> {
        let bits = [viewer.is_tls, viewer.is_ipv6, viewer.is_resp3];
        let at = bits.iter().fold(0, |at, &bit| at * 2 + usize::from(bit));
        &mut self.0[at]
    }
}
