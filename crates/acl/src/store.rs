//! All users, by name and by the number that connections hold.
//!
//! A changed user keeps its number; the number of a deleted user is reused, so the caller must
//! close its connections first. `default` has the number 0 and always exists.

use std::collections::BTreeMap;

use super::commands::Commands;
use super::password::Hash;
use super::role::{Role, Roles};
use super::rule::has_spaces;
use super::user::{Proof, User};
use russet_base::memory::alloc::{self, OwnedBytes};
use russet_config::Dialect;

/// A user's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserId(u32);

impl UserId {
    /// The user `default`, which always exists.
    pub const DEFAULT: UserId = UserId(0);

    /// For tests of code that holds numbers.
    #[cfg(any(test, feature = "testing"))]
    pub fn numbered(number: u32) -> UserId {
        UserId(number)
    }

    /// Small and dense: an index into tables by user.
    #[inline]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

struct NamedUser {
    name: Box<[u8]>,
    user: User,
}

/// See the module.
pub struct Users {
    by_name: BTreeMap<Box<[u8]>, UserId>,
    by_id: Vec<Option<NamedUser>>,
    free: Vec<UserId>,
    /// Users hold none but these.
    roles: Roles,
    bytes: OwnedBytes,
}

impl Users {
    /// Contains only `default`.
    pub fn new(commands: &Commands) -> Users {
        let mut users = Users {
            by_name: BTreeMap::new(),
            by_id: Vec::new(),
            free: Vec::new(),
            roles: Roles::default(),
            bytes: OwnedBytes::default(),
        };
        users.put(b"default", User::default_user(commands));
        users
    }

    /// Whether a user may have this name.
    pub fn is_name(name: &[u8]) -> bool {
        !has_spaces(name)
    }

    /// The user with this number. Panics if it has been deleted.
    #[inline]
    pub fn get(&self, id: UserId) -> &User {
        &self.named(id).user
    }

    #[inline]
    fn named(&self, id: UserId) -> &NamedUser {
        let named = self.by_id[id.0 as usize].as_ref();
        named.expect("connections leave a user who is deleted")
    }

    /// The name of the user with this number. Panics if it has been deleted.
    pub fn name(&self, id: UserId) -> &[u8] {
        &self.named(id).name
    }

    /// The number of the user with this name; `None`: there is none.
    pub fn find(&self, name: &[u8]) -> Option<UserId> {
        self.by_name.get(name).copied()
    }

    /// The user of new connections.
    pub fn default(&self) -> &User {
        self.get(UserId::DEFAULT)
    }

    /// The user of new connections, to change it.
    pub fn default_mut(&mut self) -> &mut User {
        let named = self.by_id[0].as_mut();
        &mut named.expect("the default user is never deleted").user
    }

    /// All names with their users, in byte order of the names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&[u8], UserId)> {
        self.by_name.iter().map(|(name, id)| (&**name, *id))
    }

    /// Number of users, `default` among them.
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Bytes of all users, as the allocator counts them.
    pub fn memory_bytes(&self) -> usize {
        self.bytes.bytes()
    }

    /// Stores a user under a name, replacing the present user.
    pub fn put(&mut self, name: &[u8], user: User) -> UserId {
        let before = alloc::thread_balance();
        // A copy has no spare capacity, and its allocation is counted here.
        let copy = user.clone();
        let id = self.put_copy(name, copy);
        self.bytes.add_since(before);
        id
    }

    fn put_copy(&mut self, name: &[u8], user: User) -> UserId {
        if let Some(id) = self.find(name) {
            let named = self.by_id[id.0 as usize].as_mut();
            named.expect("a name's user").user = user;
            return id;
        }
        let id = self.free.pop().unwrap_or_else(|| {
            self.by_id.push(None);
            UserId(u32::try_from(self.by_id.len() - 1).expect("fewer users than 2^32"))
        });
        let name: Box<[u8]> = name.into();
        self.by_name.insert(name.clone(), id);
        self.by_id[id.0 as usize] = Some(NamedUser { name, user });
        id
    }

    /// Lends a number to a user without a name, who has no connections: until [`Users::take_back`].
    pub fn lend(&mut self, user: User) -> UserId {
        let name = Box::default();
        let named = Some(NamedUser { name, user });
        if let Some(id) = self.free.pop() {
            self.by_id[id.0 as usize] = named;
            return id;
        }
        self.by_id.push(named);
        UserId(u32::try_from(self.by_id.len() - 1).expect("fewer users than 2^32"))
    }

    /// Ends a loan.
    pub fn take_back(&mut self, id: UserId) {
        self.by_id[id.0 as usize] = None;
        self.free.push(id);
    }

    /// Deletes a user; never `default`.
    pub fn remove(&mut self, name: &[u8]) -> Option<UserId> {
        assert!(name != b"default", "the default user is always there");
        let before = alloc::thread_balance();
        let id = self.by_name.remove(name)?;
        self.by_id[id.0 as usize] = None;
        self.free.push(id);
        self.bytes.add_since(before);
        Some(id)
    }

    /// The user with this name, if the password is right. Takes equally long for an unknown name,
    /// so that the time does not reveal which names exist.
    pub fn log_in(&self, name: &[u8], password: &[u8]) -> Option<UserId> {
        let hash = Hash::of(password);
        self.find(name).filter(|&id| self.get(id).admits(&hash))
    }

    /// Whether a login of this user that has shown `proof` would be accepted again. A deleted user
    /// accepts no login.
    pub fn still_admits(&self, id: UserId, proof: Proof) -> bool {
        let named = self.by_id.get(id.0 as usize).and_then(Option::as_ref);
        named.is_some_and(|named| named.user.still_admits(proof))
    }

    // --- roles ---

    /// All roles.
    pub fn roles(&self) -> &Roles {
        &self.roles
    }

    /// Stores a role under a name, replacing the present role: its holders have the new
    /// permissions. O(users).
    pub fn put_role(&mut self, name: &[u8], role: Role) {
        let before = alloc::thread_balance();
        self.roles.put(name, role.clone());
        for named in self.by_id.iter_mut().flatten() {
            if named.user.holds(name) {
                named.user.renew_roles(&self.roles);
            }
        }
        self.bytes.add_since(before);
    }

    /// Deletes a role that no user holds; `false`: there is none of this name.
    pub fn remove_role(&mut self, name: &[u8]) -> bool {
        assert!(self.holders(name).next().is_none(), "no user holds it");
        let before = alloc::thread_balance();
        let removed = self.roles.remove(name);
        self.bytes.add_since(before);
        removed
    }

    /// Replaces all roles. The users must be replaced next.
    pub fn replace_roles(&mut self, roles: Roles) {
        let before = alloc::thread_balance();
        // As in `put`: a copy's allocation is counted here.
        self.roles = roles.clone();
        self.bytes.add_since(before);
    }

    /// The users that hold a role, in byte order of their names.
    pub fn holders(&self, role: &[u8]) -> impl Iterator<Item = (&[u8], UserId)> {
        self.iter().filter(move |(_, id)| self.get(*id).holds(role))
    }

    // --- files ---

    /// The lines of a file that recreates all roles: `role`, a name, rules.
    pub fn role_lines(&self) -> impl Iterator<Item = Vec<Vec<u8>>> {
        self.roles.iter().map(|(name, role)| {
            let mut words = vec![b"role".to_vec(), name.to_vec()];
            words.extend(role.rules());
            words
        })
    }

    /// The lines of a file that recreates all users: `user`, a name, rules.
    pub fn lines(&self) -> impl Iterator<Item = Vec<Vec<u8>>> {
        self.iter().map(|(name, id)| {
            let mut words = vec![b"user".to_vec(), name.to_vec()];
            words.extend(self.get(id).describe(Dialect::Redis).rules());
            words
        })
    }
}
