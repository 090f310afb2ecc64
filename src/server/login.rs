//! Who a client is: by a password, which AUTH and HELLO have compared, or by its certificate.

use super::Server;
use super::client::{Client, ClientFlags};

impl Server {
    /// The client is this user from now on. `false`: there is no such user, and nothing has
    /// changed.
    pub fn log_in(&self, client: &mut Client, user: &[u8]) -> bool {
        if user != b"default" {
            return false;
        }
        client.user = "default".into();
        client.flags.remove(ClientFlags::UNAUTHENTICATED);
        true
    }
}
