//! Changes of users at run time, and their consequences for connections: ACL SETUSER, SETROLE,
//! LOAD, `requirepass`.
//!
//! Invariants
//!   1. A change applies all of its rules or none.
//!   2. A user that stays keeps its number, so that its connections remain its own.
//!
//! The consequences are returned as data (`#[must_use]`), and carried out by `users/login.rs`:
//! connections that listen to a lost channel, or whose user is gone, are closed.
//!
//! Cost: O(rules) for a user, O(users) for a role. The rules themselves: `acl`.

use super::Acl;

use crate::clients::client::Client;
use russet_acl::{FileUsers, Pattern, Role, RulesError, Terms, User, UserId, Users, keeps};
use russet_config::Config;
use russet_pubsub::Kind;

/// A user that has lost channels: its connections that listen to any of them must be closed.
pub struct FewerChannels {
    user: UserId,
    /// The patterns of the remaining channels.
    left: Vec<Pattern>,
}

impl FewerChannels {
    /// Whether this connection listens to a lost channel. O(subscriptions * patterns).
    pub fn concerns(&self, client: &Client) -> bool {
        let is_lost = |kind: Kind| {
            let its = client.subscriptions.as_deref();
            let mut names = its.into_iter().flat_map(|its| its.of(kind).iter());
            names.any(|name| !keeps(&self.left, name, kind == Kind::Pattern))
        };
        let kinds = [Kind::Pattern, Kind::Channel, Kind::Shard];
        client.user == self.user && kinds.into_iter().any(is_lost)
    }
}

/// The consequences of the change of a user.
#[must_use]
pub struct UserChange {
    pub(crate) fewer_channels: Option<FewerChannels>,
    /// The user has got all permissions, or no longer has them: see
    /// [`Acl::update_restricted_flag`].
    pub(crate) restricts_otherwise: bool,
    /// Connections are to be counted again, see [`Accounts::renew`]: the user has other budgets, or
    /// it is the default user, and other connections than before must log in.
    ///
    /// [`Accounts::renew`]: super::budgets::Accounts::renew
    pub(crate) recounts: bool,
}

/// The consequences of the change of a role, for the users that hold it.
#[must_use]
#[derive(Default)]
pub struct RoleChanged {
    pub(crate) fewer_channels: Vec<FewerChannels>,
    /// As [`UserChange::restricts_otherwise`], of any user.
    pub(crate) restricts_otherwise: bool,
}

/// The consequences of the replacement of all users.
#[must_use]
#[derive(Default)]
pub struct UserReplacement {
    /// The deleted users.
    pub gone: Vec<UserId>,
    pub(crate) fewer_channels: Vec<FewerChannels>,
}

impl UserReplacement {
    fn put(&mut self, known: &mut Users, name: &[u8], user: User) {
        if let Some(id) = known.find(name)
            && let Some(left) = user.channels_left(known.get(id))
        {
            self.fewer_channels.push(FewerChannels { user: id, left });
        }
        known.put(name, user);
    }
}

impl Acl {
    /// Makes or changes a user, by all of the rules or none.
    pub fn change<'a>(
        &mut self,
        name: &[u8],
        rules: impl Iterator<Item = &'a [u8]>,
        config: &Config,
    ) -> Result<UserChange, RulesError> {
        let channels = config.acl_pubsub_default;
        let known = self.users.find(name);
        let before = known.map(|id| self.users.get(id));
        let mut user = before.cloned().unwrap_or_else(|| User::new(channels));
        user.apply_all(rules, self.terms(config))?;
        let left = before.and_then(|before| user.channels_left(before));
        let restricts_otherwise =
            before.is_some_and(|before| before.allows_all() != user.allows_all());
        let budgets_before = before.map(|before| *before.budgets()).unwrap_or_default();
        let has_other_budgets = budgets_before != *user.budgets();
        let required = self.password_required();
        let id = self.users.put(name, user);
        Ok(UserChange {
            recounts: has_other_budgets || required != self.password_required(),
            fewer_channels: left.map(|left| FewerChannels { user: id, left }),
            restricts_otherwise,
        })
    }

    /// The names that rules refer to: commands, roles, and the default for channels.
    pub fn terms(&self, config: &Config) -> Terms<'_> {
        Terms {
            commands: &self.commands,
            roles: self.users.roles(),
            channels: config.acl_pubsub_default,
        }
    }

    /// Makes or changes a role, by all of the rules or none. O(users).
    pub(crate) fn change_role<'a>(
        &mut self,
        name: &[u8],
        rules: impl Iterator<Item = &'a [u8]>,
        config: &Config,
    ) -> Result<RoleChanged, RulesError> {
        let channels = config.acl_pubsub_default;
        let known = self.users.roles().get(name).cloned();
        let mut role = known.unwrap_or_else(|| Role::new(channels));
        role.apply_all(rules, &self.commands, channels)?;
        let holders = self.users.holders(name);
        let before: Vec<(UserId, User)> = holders
            .map(|(_, id)| (id, self.users.get(id).clone()))
            .collect();
        self.users.put_role(name, role);
        let mut changed = RoleChanged::default();
        for (user, before) in before {
            let now = self.users.get(user);
            changed.restricts_otherwise |= now.allows_all() != before.allows_all();
            if let Some(left) = now.channels_left(&before) {
                changed.fewer_channels.push(FewerChannels { user, left });
            }
        }
        Ok(changed)
    }

    /// Replaces all users and roles; the default user stays, and known users keep their numbers.
    pub fn replace(&mut self, FileUsers { users, roles }: FileUsers) -> UserReplacement {
        let Acl {
            users: known,
            commands,
            ..
        } = self;
        let mut replaced = UserReplacement::default();
        known.replace_roles(roles);
        let names = known.iter().map(|(name, _)| name.to_vec());
        let gone: Vec<Vec<u8>> = names
            .filter(|name| !users.contains_key(name) && name != b"default")
            .collect();
        let gone = gone.iter().filter_map(|name| known.remove(name));
        replaced.gone.extend(gone);
        if !users.contains_key(&b"default"[..]) {
            replaced.put(known, b"default", User::default_user(commands));
        }
        for (name, user) in users {
            replaced.put(known, &name, user);
        }
        replaced
    }

    /// `requirepass` has changed: it becomes the default user's only password.
    pub(crate) fn requirepass_changed(&mut self, config: &Config) {
        let password = &config.requirepass;
        self.users.default_mut().set_only_password(password);
    }
}
